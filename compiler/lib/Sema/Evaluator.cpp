// The entry of the analysis, reports with the chain of instances, scopes and files.
#include "Evaluator.h"
#include "Names.h"
#include "State.h"

#include "triton/Parse/Parser.h"

#include <filesystem>
#include <pthread.h>

namespace triton::sema {

// ---- Reports -----------------------------------------------------------------------------------------------------------

void Evaluator::addChain(Diagnostic &diagnostic) const {
  auto inLibrary = [&](SourceRange range) { return range.isValid() && libraryFiles.count(range.file) != 0; };
  // What goes wrong inside the library is the fault of the place that called it.
  size_t links = chain.size() - (binding && !chain.empty() ? 1 : 0);
  if (inLibrary(diagnostic.range)) {
    while (links > 0 && (!chain[links - 1].at.isValid() || inLibrary(chain[links - 1].at)))
      --links;
    if (links > 0) {
      diagnostic.notes.insert(diagnostic.notes.begin(), {diagnostic.range, "found in the library here"});
      diagnostic.range = chain[links - 1].at;
      diagnostic.underline.clear();
      diagnostic.fixits.clear();
      --links;
    }
  }
  constexpr size_t kMaxNotes = 8;
  size_t shown = 0;
  for (size_t i = links; i-- > 0;) {
    if (!chain[i].at.isValid() || inLibrary(chain[i].at))
      continue;
    if (++shown > kMaxNotes)
      return;
    bool instance = chain[i].decl->kind == ast::Stmt::Layer;
    diagnostic.notes.push_back({chain[i].at, "in '" + chain[i].title + "', " + (instance ? "made here" : "called here")});
  }
}

bool Evaluator::withNotes(const std::function<void(DiagnosticEngine &)> &body) {
  DiagnosticEngine local(sources);
  body(local);
  if (!local.hasErrors() && !local.warningCount())
    return false;
  for (auto &diagnostic : local.sorted()) {
    Diagnostic copy = diagnostic;
    addChain(copy);
    diags.add(std::move(copy));
  }
  return local.hasErrors();
}

Evaluator::Report::~Report() {
  evaluator.addChain(diagnostic);
  evaluator.diags.add(std::move(diagnostic));
}

Evaluator::Report Evaluator::report(Diag code, SourceRange at, std::initializer_list<std::string> arguments) {
  Diagnostic diagnostic;
  auto &info = diagInfo(code);
  diagnostic.code = code;
  diagnostic.severity = info.severity;
  diagnostic.range = at;
  diagnostic.arguments = arguments;
  std::string_view text = info.text;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' && i + 2 < text.size() && text[i + 2] == '}') {
      size_t index = size_t(text[i + 1] - '0');
      if (index < diagnostic.arguments.size())
        diagnostic.message += diagnostic.arguments[index];
      i += 2;
    } else {
      diagnostic.message += text[i];
    }
  }
  return Report(*this, std::move(diagnostic));
}

// ---- Scopes and names --------------------------------------------------------------------------------------------------

Scope *Evaluator::newScope(Scope::Kind kind, Scope *parent, const ast::Stmt *owner) {
  scopes.push_back(std::make_unique<Scope>());
  Scope *made = scopes.back().get();
  made->kind = kind;
  made->parent = parent;
  made->owner = owner;
  return made;
}

void Evaluator::leaveScope(Scope *left) {
  if (!left->pinned && !scopes.empty() && scopes.back().get() == left)
    scopes.pop_back();
}

void Evaluator::pin(Scope *from) {
  for (; from && !from->pinned; from = from->parent)
    from->pinned = true;
}

std::string Evaluator::freshName(std::string_view hint) {
  std::string name(hint);
  for (char &c : name)
    if (c == '\n' || c == '\r')
      c = ' ';
  std::string unique = name;
  for (int i = 2; !genericNames.insert(unique).second; ++i)
    unique = name + "'" + std::to_string(nextFresh++);
  return unique;
}

Value Evaluator::freshInt(std::string_view hint) { return Value::ofDim(Dim::variable(freshName(hint))); }

bool Evaluator::onlyDimensions(const Dim &dim) const {
  for (auto &name : dim.variables())
    if (genericNames.count(name))
      return false;
  return !dim.isUnknown();
}

Value Evaluator::newDimension(const std::string &name) {
  if (frame->kind == Frame::Model) {
    auto fixed = options.dims.find(name);
    if (fixed != options.dims.end())
      return Value::ofInt(fixed->second);
  }
  return Value::ofDim(Dim::variable(name));
}

std::vector<RuntimeCheck> *Evaluator::waitingChecks() {
  return builder && builder != topLevel.get() ? &builder->graph.checks : nullptr;
}

bool Evaluator::stackIsLow() const {
  auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  uintptr_t used = here < stackBase ? stackBase - here : here - stackBase;
  return used > stackLimit;
}

void Evaluator::declareHoisted(const std::vector<ast::StmtPtr> &items) {
  for (auto &item : items) {
    if (!item || item->name.text.empty())
      continue;
    if (item->kind == ast::Stmt::Model && frame->kind == Frame::File && !scope->findHere(item->name.text)) {
      // A model is a name, but not one that can be called or read from.
      Slot *slot = scope->declare(item->name.text, Slot::TopLevel, item->name.range);
      slot->value = Value::ofModule(item->name.text, nullptr);
      slot->set = true;
    }
    if (item->kind != ast::Stmt::Layer && item->kind != ast::Stmt::Fn)
      continue;
    if (scope->findHere(item->name.text) && scope->findHere(item->name.text)->kind != Slot::Dimension)
      continue; // TRI0203, reported by the name check
    pin(scope);
    Slot::Kind kind = frame->kind == Frame::File && scope == frame->body ? Slot::TopLevel : Slot::Local;
    Slot *slot = scope->declare(item->name.text, kind, item->name.range);
    Callable callable{item.get(), scope, frame->self};
    Value::Kind valueKind = item->kind == ast::Stmt::Layer ? Value::Layer : Value::Function;
    slot->value = Value::ofCallable(valueKind, callable);
    slot->set = true;
    if (kind == Slot::TopLevel)
      callables[item.get()] = {callable, valueKind};
    fileOf[item.get()] = frame->file;
  }
}

// ---- Files -------------------------------------------------------------------------------------------------------------

void Evaluator::runFile(SourceFile &file) {
  file.imports = newScope(Scope::Imports, nullptr);
  file.scope = newScope(Scope::File, file.imports);
  pin(file.scope);
  if (file.library)
    libraryFiles.insert(file.id);
  State saved(*this);
  auto outerChain = std::move(chain);
  chain.clear();
  Frame top;
  top.kind = Frame::File;
  top.body = file.scope;
  top.file = &file;
  frame = &top;
  scope = file.scope;
  running = nullptr;
  env = {};
  bool outerGeneric = generic;
  GraphBuilder *outerBuilder = builder;
  generic = false;
  builder = topLevel.get();
  for (auto &item : file.program->items) {
    if (item && item->kind == ast::Stmt::Import)
      execImport(*item);
    else if (item && item->kind == ast::Stmt::Use)
      execUse(*item);
  }
  file.incomplete |= file.program->hadErrors;
  file.namesFine = checkNames(file, diags, recursive);
  int64_t outerIterations = iterations;
  iterations = 0;
  execItems(file.program->items);
  file.complete = true;
  iterations = outerIterations;
  generic = outerGeneric;
  builder = outerBuilder;
  chain = std::move(outerChain);
}

Value Evaluator::overrideValue(const std::string &text, const Value &old, const ast::Stmt &stmt) {
  if (old.kind == Value::Str)
    return Value::ofStr(text);
  const std::string &name = stmt.binder.names.front().text;
  FileId id = sources.addFile("-D " + name, "let " + name + " = " + text + "\n");
  overrides.push_back(parseFile(sources, id, diags));
  auto &program = *overrides.back();
  if (program.hadErrors || program.items.size() != 1 || !program.items.front() || !program.items.front()->value)
    return Value::poison();
  const ast::Expr &expr = *program.items.front()->value;
  Value value = steer(eval(expr));
  if (old.kind == Value::Float && value.kind == Value::Int)
    value = Value::ofFloat(double(value.i));
  if (old.kind == Value::Tensor && old.tensor().known && old.tensor().dtypeKnown) {
    auto rt = adaptLiteral(value, old.tensor().type.dtype, expr.range);
    return rt ? Value::ofRt(*rt) : Value::poison();
  }
  if (!old.isOpaque() && !value.isOpaque() && value.kind != old.kind) {
    report(Diag::TypeMismatch, expr.range, {typeString(old), typeString(value)})
        .note(stmt.binder.names.front().range, "'" + name + "' is declared here");
    return Value::poison();
  }
  return value;
}

TypedModule Evaluator::run(const ast::Program &program) {
  TypedModule out;
  module = &out;
  stackBase = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  topLevel = std::make_unique<GraphBuilder>();
  files.push_back(std::make_unique<SourceFile>());
  SourceFile &main = *files.back();
  main.id = program.file;
  main.program = &program;
  main.path = std::string(sources.name(program.file));
  main.place = std::filesystem::path(main.path).filename().string();
  out.files.push_back(main.path);
  std::error_code ignored;
  std::string key = std::filesystem::weakly_canonical(main.path, ignored).string();
  filesByPath[key] = &main;
  loading.emplace_back(key, &main);
  runFile(main);
  loading.clear();
  for (auto &[name, value] : options.defines) {
    Slot *slot = main.scope->findHere(name);
    if (slot && slot->kind == Slot::TopLevel && slot->value.kind != Value::Layer && slot->value.kind != Value::Function)
      continue;
    std::vector<std::string> names;
    for (auto &each : main.scope->all())
      names.emplace_back(each->name);
    std::string near = nearestName(name, names);
    auto builder = report(Diag::UndefinedName, {}, {name});
    builder.note({}, "-D sets a value that a top-level 'let' declares");
    if (!near.empty())
      builder.help("did you mean '" + near + "'?");
  }
  // Definitions by themselves, in order of the text; imported files are checked when they are used, and here.
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i]->library || !files[i]->scope)
      continue;
    for (auto &item : files[i]->program->items)
      if (item)
        if (auto it = callables.find(item.get()); it != callables.end())
          checkDefinition(it->second.first, it->second.second);
  }
  for (auto &item : program.items) {
    if (!item)
      continue;
    if (item->kind == ast::Stmt::Model)
      buildModel(*item, main, out);
    else if (item->kind == ast::Stmt::Test)
      buildTest(*item, main, out);
  }
  // Models of imported files are checked, and belong to those files.
  for (size_t i = 1; i < files.size(); ++i) {
    if (files[i]->library || !files[i]->scope)
      continue;
    TypedModule dropped;
    for (auto &item : files[i]->program->items)
      if (item && item->kind == ast::Stmt::Model)
        buildModel(*item, *files[i], dropped);
  }
  if (!options.instantiate) {
    out.models.clear();
    out.tests.clear();
  }
  return out;
}

namespace {

struct Job {
  SourceManager &sources;
  DiagnosticEngine &diags;
  const SemaOptions &options;
  const ast::Program &program;
  size_t stack;
  TypedModule result;
};

void *work(void *argument) {
  Job &job = *static_cast<Job *>(argument);
  Evaluator evaluator(job.sources, job.diags, job.options, job.stack);
  job.result = evaluator.run(job.program);
  return nullptr;
}

} // namespace
} // namespace triton::sema

triton::TypedModule triton::analyse(const ast::Program &program, SourceManager &sources, DiagnosticEngine &diags,
                                    const SemaOptions &options) {
  // Calls nest as deep as the program says, each with expressions nested inside: the work is done on a stack that is large
  // enough for what the limits of the language allow (only reserved, not used, for ordinary programs).
  constexpr size_t kStackBytes = size_t(512) << 20;
  constexpr size_t kSmallStackBytes = size_t(6) << 20;
  sema::Job job{sources, diags, options, program, kStackBytes, {}};
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  bool started = pthread_attr_setstacksize(&attributes, kStackBytes) == 0 &&
                 pthread_create(&thread, &attributes, sema::work, &job) == 0;
  pthread_attr_destroy(&attributes);
  if (started) {
    pthread_join(thread, nullptr);
  } else {
    job.stack = kSmallStackBytes;
    sema::work(&job);
  }
  return std::move(job.result);
}

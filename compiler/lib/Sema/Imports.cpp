// `import` and `use`: files found relative to the importer and along -I, and the modules of the embedded library.
#include "Evaluator.h"

#include "triton/Parse/Parser.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace fs = std::filesystem;

namespace triton::sema {

void Evaluator::openNames(SourceFile &file, Scope *into) {
  if (!file.scope)
    return;
  for (auto &slot : file.scope->all()) {
    Slot *here = into->findHere(slot->name);
    if (!here)
      here = into->declare(slot->name, Slot::Import, slot->declared);
    here->declared = slot->declared;
    here->value = slot->value;
    here->set = slot->set;
    here->type = slot->type;
  }
}

SourceFile *Evaluator::loadFile(const std::string &path, const std::string &place, const std::string &name, SourceRange at) {
  std::error_code ignored;
  std::string key = fs::weakly_canonical(path, ignored).string();
  for (size_t i = 0; i < loading.size(); ++i)
    if (loading[i].first == key) {
      std::string cycle;
      for (size_t k = i; k < loading.size(); ++k)
        cycle += fs::path(loading[k].second->path).filename().string() + " -> ";
      report(Diag::ImportCycle, at, {cycle + fs::path(path).filename().string()});
      return nullptr;
    }
  auto known = filesByPath.find(key);
  if (known != filesByPath.end())
    return known->second;
  constexpr size_t kMaxImportDepth = 256; // files in a chain; each is parsed and run inside the one that imports it
  if (loading.size() >= kMaxImportDepth) {
    report(Diag::NestingTooDeep, at);
    return nullptr;
  }
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf() || in.peek() == std::ifstream::traits_type::eof())) {
    report(Diag::ImportNotFound, at, {name});
    return nullptr;
  }
  files.push_back(std::make_unique<SourceFile>());
  SourceFile &file = *files.back();
  filesByPath[key] = &file;
  file.path = path;
  file.place = place;
  file.id = sources.addFile(path, text.str());
  file.owned = parseFile(sources, file.id, diags);
  file.program = file.owned.get();
  module->files.push_back(path);
  loading.emplace_back(key, &file);
  runFile(file);
  loading.pop_back();
  return &file;
}

void Evaluator::execImport(const ast::Stmt &stmt) {
  if (stmt.text.empty()) {
    if (stmt.textRange.isValid())
      report(Diag::ImportNotFound, stmt.textRange, {stmt.text});
    return;
  }
  // The path that is opened, and the place that says the same in a copy of the project.
  std::vector<std::pair<fs::path, fs::path>> candidates;
  fs::path wanted(stmt.text);
  std::error_code ignored;
  auto add = [&](const fs::path &folder, const fs::path &place) {
    candidates.emplace_back((folder / wanted).lexically_normal(), (place / wanted).lexically_normal());
  };
  add(fs::path(frame->file->path).parent_path(), fs::path(frame->file->place).parent_path());
  if (!wanted.is_absolute())
    for (auto &dir : options.importDirs)
      add(dir, fs::absolute(dir, ignored));
  SourceFile *file = nullptr;
  bool found = false;
  for (auto &[candidate, place] : candidates) {
    size_t look = module->importPlaces.size();
    module->importPlaces.push_back({place.string(), std::nullopt});
    if (!fs::is_regular_file(candidate, ignored))
      continue;
    found = true;
    file = loadFile(candidate.string(), place.string(), stmt.text, stmt.textRange);
    if (file)
      module->importPlaces[look].file = file->id;
    break;
  }
  if (!found) {
    auto builder = report(Diag::ImportNotFound, stmt.textRange, {stmt.text});
    std::string looked;
    for (auto &[candidate, place] : candidates)
      looked += (looked.empty() ? "" : ", ") + candidate.string();
    builder.note({}, "looked for: " + looked);
  }
  if (!file) {
    frame->file->incomplete = true;
    return;
  }
  if (stmt.name.text.empty()) {
    openNames(*file, frame->file->imports);
    frame->file->incomplete |= file->incomplete || file->program->hadErrors;
    return;
  }
  Slot *alias = frame->file->imports->findHere(stmt.name.text);
  if (!alias)
    alias = frame->file->imports->declare(stmt.name.text, Slot::Import, stmt.name.range);
  alias->value = Value::ofModule(stmt.name.text, file->scope);
  alias->set = true;
}

SourceFile *Evaluator::loadLibrary(const std::string &name, SourceRange at) {
  std::string key = "<" + name + ">";
  for (auto &[path, file] : loading)
    if (path == key) {
      report(Diag::ImportCycle, at, {name + " -> " + name});
      return nullptr;
    }
  auto known = filesByPath.find(key);
  if (known != filesByPath.end())
    return known->second;
  const char *text = libraryText(name);
  if (!text)
    return nullptr;
  files.push_back(std::make_unique<SourceFile>());
  SourceFile &file = *files.back();
  filesByPath[key] = &file;
  file.path = key;
  file.library = true;
  file.id = sources.addFile(key, text);
  file.owned = parseFile(sources, file.id, diags);
  file.program = file.owned.get();
  loading.emplace_back(key, &file);
  runFile(file);
  loading.pop_back();
  return &file;
}

void Evaluator::execUse(const ast::Stmt &stmt) {
  if (stmt.path.empty())
    return;
  std::string name;
  SourceRange range = stmt.path.front().range;
  for (auto &part : stmt.path) {
    if (part.text.empty())
      return;
    name += (name.empty() ? "" : ".") + part.text;
    range.end = part.range.end;
  }
  if (!libraryText(name)) {
    std::string near = nearestName(name, libraryModules());
    auto builder = report(Diag::UnknownModule, range, {name});
    if (!near.empty())
      builder.help("did you mean '" + near + "'?").fixit(range, near);
    frame->file->incomplete = true;
    return;
  }
  if (SourceFile *file = loadLibrary(name, range))
    openNames(*file, frame->file->imports);
}

} // namespace triton::sema

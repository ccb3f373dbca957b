#include "Recipe.h"

#include "triton/Tensor/Files.h"

namespace triton::trainer {

namespace {

/// Takes the members of an object one by one; what is left over is unknown.
class Members {
public:
  Members(const json::Value &value, std::string where, std::string &message) : where(std::move(where)), message(message) {
    if (const json::Object *o = value.asObject())
      for (const auto &[key, v] : *o) left.emplace_back(key, &v);
    else
      complain("", "expected an object");
  }

  void real(const char *key, double &out, double lo, double hi) {
    if (const json::Value *v = take(key)) {
      if (!v->isNumber() || !(v->number() >= lo) || !(v->number() <= hi)) complain(key, "expected a number from " + text(lo) + " to " + text(hi));
      out = v->number();
    }
  }
  template <typename Int>
  void integer(const char *key, Int &out, int64_t lo, int64_t hi) {
    if (const json::Value *v = take(key)) {
      if (!v->asInt() || *v->asInt() < lo || *v->asInt() > hi)
        complain(key, "expected an integer from " + std::to_string(lo) + " to " + std::to_string(hi));
      else
        out = static_cast<Int>(*v->asInt());
    }
  }
  void flag(const char *key, bool &out) {
    if (const json::Value *v = take(key)) {
      if (!v->asBool()) return complain(key, "expected true or false");
      out = *v->asBool();
    }
  }
  void string(const char *key, std::string &out) {
    if (const json::Value *v = take(key)) {
      if (!v->asString()) return complain(key, "expected a string");
      out = *v->asString();
    }
  }
  const json::Value *take(const char *key) {
    for (auto it = left.begin(); it != left.end(); ++it)
      if (it->first == key) {
        const json::Value *v = it->second;
        left.erase(it);
        return v;
      }
    return nullptr;
  }
  void finish() {
    if (!left.empty()) complain(left.front().first, "unknown member");
  }
  void complain(const std::string &key, const std::string &what) {
    if (message.empty()) message = where + (key.empty() ? "" : "." + key) + ": " + what;
  }

private:
  static std::string text(double v) { return json::write(json::Value(v)); }

  std::string where;
  std::string &message;
  std::vector<std::pair<std::string, const json::Value *>> left;
};

} // namespace

std::string Phase::describe() const {
  json::Object o;
  o.append("name", name);
  o.append("quantize", quantize);
  o.append("epochs", epochs);
  o.append("optimizer", optimizer);
  for (double d : {learningRate, warmup, momentum, weightDecay, scaleRate, labelSmoothing, distill, temperature})
    o.append(std::to_string(o.size()), d);
  o.append("teacher", teacher);
  o.append("teacher_cache", teacherCache);
  o.append("dropout", dropout);
  o.append("prune", prune);
  if (stopAfter) o.append("stop_after", stopAfter);
  return json::write(json::Value(std::move(o)));
}

Result<Recipe> Recipe::parse(std::string text, const std::string &name) {
  Result<json::Value> document = json::parse(text, name);
  if (!document) return document.takeError();
  std::string message;
  Recipe r;
  Members m(*document, "recipe", message);
  m.string("model", r.model);
  m.integer("seed", r.seed, 0, int64_t(1) << 62);
  m.integer("batch", r.batch, 1, 65536);
  m.integer("shards", r.shards, 1, 1024);
  if (const json::Value *augment = m.take("augment")) {
    Members a(*augment, "recipe.augment", message);
    a.flag("flip", r.flip);
    a.integer("shift", r.shift, 0, 64);
    a.integer("erase", r.erase, 0, 64);
    a.finish();
  }
  m.string("teacher_model", r.teacherModel);
  const json::Value *phases = m.take("phases");
  if (!phases || !phases->asArray() || phases->asArray()->empty()) {
    m.complain("phases", "expected a list of phases");
  } else {
    for (const json::Value &v : *phases->asArray()) {
      Members p(v, "recipe.phases[" + std::to_string(r.phases.size()) + "]", message);
      Phase phase;
      p.string("name", phase.name);
      p.flag("quantize", phase.quantize);
      p.integer("epochs", phase.epochs, 1, 100000);
      p.integer("stop_after", phase.stopAfter, 1, phase.epochs);
      p.string("optimizer", phase.optimizer);
      p.real("learning_rate", phase.learningRate, 0, 100);
      p.real("warmup", phase.warmup, 0, 1);
      p.real("momentum", phase.momentum, 0, 1);
      p.real("weight_decay", phase.weightDecay, 0, 10);
      p.real("scale_rate", phase.scaleRate, 0, 1000);
      p.real("label_smoothing", phase.labelSmoothing, 0, 0.9);
      p.real("distill", phase.distill, 0, 1);
      p.real("temperature", phase.temperature, 0.1, 100);
      p.string("teacher", phase.teacher);
      p.flag("teacher_cache", phase.teacherCache);
      p.real("dropout", phase.dropout, 0, 0.9);
      p.real("prune", phase.prune, 0, 0.9);
      p.finish();
      if (phase.optimizer != "adamw" && phase.optimizer != "sgd") p.complain("optimizer", "expected \"adamw\" or \"sgd\"");
      if (phase.name.empty()) p.complain("name", "a phase needs a name");
      bool known = !r.teacherModel.empty() && phase.teacher == r.teacherModel;
      if (known && !phase.teacherCache) p.complain("teacher_cache", "expected true: another network teaches through its cached scores");
      for (const Phase &before : r.phases) {
        known = known || before.name == phase.teacher;
        if (before.name == phase.name) p.complain("name", "two phases have this name");
      }
      if (phase.distill > 0 && !known) p.complain("teacher", "expected the name of an earlier phase or the teacher_model");
      r.phases.push_back(std::move(phase));
    }
  }
  m.finish();
  if (r.batch % r.shards) m.complain("shards", "expected a divisor of the batch of " + std::to_string(r.batch));
  if (!message.empty()) return Error{name + ": " + message};
  r.text = std::move(text);
  return r;
}

Result<Recipe> Recipe::read(const std::string &path) {
  Result<std::string> text = readFileBytes(path, 1 << 20);
  if (!text) return text.takeError();
  return parse(std::move(*text), path);
}

} // namespace triton::trainer

#include "KeepRules.h"

#include <fmt/format.h>

#include <algorithm>

namespace triton::driver {

Error unknownWord(const char *option, const std::string &word, const std::vector<std::string> &known) {
  std::string near = nearestName(word, known), all;
  for (const std::string &each : known) all += (all.empty() ? "" : ", ") + each;
  return Error{fmt::format("unknown '{} {}'{}; there are {}", option, word, near.empty() ? "" : "; did you mean '" + near + "'?", all), ErrorKind::Usage};
}

static const std::vector<std::pair<std::string, DType>> &storages() {
  static const std::vector<std::pair<std::string, DType>> table = {{"float32", DType::Float32}, {"float16", DType::Float16},
                                                                   {"bfloat16", DType::BFloat16}, {"int8", DType::Int8},
                                                                   {"int4", DType::Int4}, {"trit", DType::Trit}};
  return table;
}

Result<std::vector<KeepRule>> keepRules(const Arguments &arguments) {
  std::vector<KeepRule> rules;
  for (const std::string &text : arguments.all(OptionId::Keep)) {
    size_t equals = text.rfind('=');
    if (equals == 0 || equals == std::string::npos) return Error{"'--keep' needs LAYER=TYPE, got '" + text + "'", ErrorKind::Usage};
    std::string wanted = text.substr(equals + 1);
    auto found = std::find_if(storages().begin(), storages().end(), [&](const auto &row) { return row.first == wanted; });
    if (found == storages().end()) {
      std::vector<std::string> names;
      for (const auto &row : storages()) names.push_back(row.first);
      return unknownWord("--keep LAYER=", wanted, names);
    }
    rules.push_back({text.substr(0, equals), found->second});
  }
  return rules;
}

Result<void> checkKeepRules(const std::vector<KeepRule> &rules, const std::vector<std::string> &keys, const std::string &name) {
  for (const KeepRule &rule : rules) {
    if (std::any_of(keys.begin(), keys.end(), [&](const std::string &key) { return rule.matches(key); })) continue;
    std::vector<std::string> layers;
    for (const std::string &key : keys) layers.push_back(key.ends_with(".weight") ? key.substr(0, key.size() - 7) : key);
    std::string near = nearestName(rule.pattern, layers);
    return Error{fmt::format("'--keep {}' matches no weight of {}{}", rule.pattern, name, near.empty() ? "" : "; did you mean '" + near + "'?"),
                 ErrorKind::Usage};
  }
  return {};
}

/// Operations whose weight may have any storage.
static bool takesAnyWeight(OpKind op) { return op == OpKind::Linear || op == OpKind::Conv2d || op == OpKind::Embedding; }

static Result<bool> applyTo(Graph &graph, const std::vector<KeepRule> &rules) {
  bool changed = false;
  for (GraphParam &param : graph.params) {
    std::optional<DType> kept = param.isWeight ? keptStorage(rules, param.key) : std::nullopt;
    if (!kept || *kept == param.policy.storage) continue;
    for (const GraphNode &node : graph.nodes)
      if (std::find(node.operands.begin(), node.operands.end(), param.value) != node.operands.end() && !takesAnyWeight(node.op))
        return Error{fmt::format("'--keep': the program uses '{}' in '{}', where it must be what the program says", param.key, opName(node.op)),
                     ErrorKind::Usage};
    param.policy.storage = *kept;
    graph.values[param.value].type.dtype = *kept == DType::Trit ? DType::Trit : DType::Float32;
    changed = true;
  }
  return changed;
}

Result<void> applyKeepRules(const Arguments &arguments, CheckedProgram &program, const std::string &path) {
  Result<std::vector<KeepRule>> rules = keepRules(arguments);
  if (!rules) return rules.takeError();
  if (rules->empty() || program.diags->hasErrors()) return {};
  std::vector<std::string> keys;
  for (const Graph &graph : program.module.models)
    for (const GraphParam &param : graph.params)
      if (param.isWeight) keys.push_back(param.key);
  if (Result<void> known = checkKeepRules(*rules, keys, path); !known) return known;
  if (arguments.has(OptionId::Fp32)) return {};
  for (Graph &graph : program.module.models) {
    Result<bool> changed = applyTo(graph, *rules);
    if (!changed) return changed.takeError();
    if (*changed) checkSums(graph, *program.diags);
  }
  return {};
}

} // namespace triton::driver

// `triton completion`: scripts for shells, and the words that they ask for.
#include "Command.h"

#include "triton/Target/TargetDesc.h"

#include "Manifest.h"

#include <fmt/format.h>

#include <algorithm>

namespace triton::driver {

// Each script asks this program for the candidates, so that they are those of the installed version. Without any, files are offered.
static constexpr std::string_view kBash = R"sh(_triton() {
  local IFS=$'\n'
  COMPREPLY=($(triton completion -- "${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null))
}
complete -o default -o bashdefault -F _triton triton tritonc
)sh";
static constexpr std::string_view kZsh = R"sh(#compdef triton tritonc
_triton() {
  local -a candidates
  candidates=(${(f)"$(triton completion -- "${(@)words[1,CURRENT]}" 2>/dev/null)"})
  if (( $#candidates )); then compadd -Q -- $candidates; else _files; fi
}
compdef _triton triton tritonc
)sh";
static constexpr std::string_view kFish = R"sh(function __triton_candidates
  triton completion -- (commandline -opc) (commandline -ct) 2>/dev/null
end
complete -c triton -a '(__triton_candidates)'
complete -c tritonc -a '(__triton_candidates)'
)sh";

static std::vector<std::string> zooNames() {
  std::vector<std::string> out;
  if (Result<std::vector<zoo::ZooModel>> models = zoo::listZoo())
    for (const zoo::ZooModel &model : *models) out.push_back(model.name);
  return out;
}

/// Values of an option that are words and not files or numbers. Of a comma-separated list the last one is completed.
static std::vector<std::string> valuesOf(OptionId id) {
  switch (id) {
  case OptionId::Target: case OptionId::Variant: {
    std::vector<std::string> targets = knownTargets();
    targets.push_back("native");
    targets.push_back(nativeTargetName());
    return targets;
  }
  case OptionId::OptLevel: return {"0", "1", "2", "3"};
  case OptionId::Emit: return emitStages();
  case OptionId::DiagnosticsFormat: return {"text", "json"};
  case OptionId::Batch: return {"dynamic"};
  case OptionId::Bits: return {"1", "1.58", "2", "4", "8"};
  case OptionId::Method: return {"twn", "absmean", "fixed", "stochastic", "learned"};
  case OptionId::Scale: return {"per_channel", "per_tensor", "per_group"};
  case OptionId::Kind: return {"manifest", "artifact", "object", "weights", "tuning"};
  default: return {};
  }
}

/// What may stand at the place of the last of `words` (the first one is the program's name).
static std::vector<std::string> candidates(std::span<const std::string> words) {
  const std::string &current = words.back();
  std::span<const std::string> before = words.subspan(1, words.size() - 2);
  std::vector<std::string> out;
  auto command = std::find_if(before.begin(), before.end(), [](const std::string &word) { return !word.starts_with('-'); });
  if (command == before.end()) {
    for (const CommandInfo &info : allCommands()) out.emplace_back(info.name);
    for (const char *word : {"--help", "--version"}) out.emplace_back(word);
    return out;
  }
  size_t equals = current.find('=');
  for (const OptionInfo &option : allOptions()) {
    if (!option.appliesTo(*command)) continue;
    bool separate = before.back() == option.longName && option.kind != OptionKind::Switch && option.kind != OptionKind::OptionalValue;
    bool inside = equals != std::string::npos && current.substr(0, equals) == option.longName;
    if (separate || inside) {
      std::string list = inside ? current.substr(equals + 1) : current;
      size_t comma = list.rfind(',');
      std::string head = (inside ? current.substr(0, equals + 1) : "") + (comma == std::string::npos ? "" : list.substr(0, comma + 1));
      for (const std::string &value : valuesOf(option.id)) out.push_back(head + value);
      return out;
    }
  }
  if (current.starts_with('-')) {
    for (const OptionInfo &option : allOptions()) {
      if (!option.appliesTo(*command)) continue;
      if (option.kind == OptionKind::Joined && option.id == OptionId::OptLevel)
        for (const std::string &level : valuesOf(option.id)) out.push_back(std::string(option.longName) + level);
      else
        out.emplace_back(option.longName);
    }
    return out;
  }
  if (*command == "zoo") {
    if (before.size() == 1) return zooVerbs();
    std::vector<std::string> names = zooNames();
    auto verb = std::find(before.begin(), before.end(), "zoo") + 1;
    if (verb != before.end() && (*verb == "download" || *verb == "verify"))
      if (Result<std::vector<zoo::Dataset>> datasets = zoo::listDatasets())
        for (const zoo::Dataset &dataset : *datasets) names.push_back(dataset.name);
    return names;
  }
  if (*command == "cache" && before.size() == 1) return cacheVerbs();
  if (*command == "completion") return {"bash", "zsh", "fish"};
  return out;
}

int runCompletion(const Arguments &arguments) {
  const std::vector<std::string> &words = arguments.positional;
  if (words.size() == 1)
    for (auto [shell, script] : {std::pair("bash", kBash), std::pair("zsh", kZsh), std::pair("fish", kFish)})
      if (words[0] == shell) {
        fmt::print("{}", script);
        return kDone;
      }
  if (words.size() < 2)
    return fail(arguments, Error{"completion needs a shell: bash, zsh or fish", ErrorKind::Usage});
  std::vector<std::string> fitting;
  for (const std::string &word : candidates(words))
    if (word.starts_with(words.back())) fitting.push_back(word);
  std::sort(fitting.begin(), fitting.end());
  fitting.erase(std::unique(fitting.begin(), fitting.end()), fitting.end());
  for (const std::string &word : fitting) fmt::print("{}\n", word);
  return kDone;
}

} // namespace triton::driver

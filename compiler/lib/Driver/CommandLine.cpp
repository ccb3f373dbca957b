// Parses the command line against Options.def and prints help from the same table.
#include "triton/Driver/CommandLine.h"

#include "triton/Support/Diagnostics.h"
#include "triton/Tensor/Files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace triton::driver {

static constexpr OptionInfo options[] = {
#define TRITON_OPTION(ID, LONG, SHORT, KIND, META, COMMANDS, KEY, HELP)                                                \
  {OptionId::ID, LONG, SHORT, OptionKind::KIND, META, COMMANDS, KEY, HELP},
#include "triton/Driver/Options.def"
};

std::span<const OptionInfo> allOptions() { return options; }

bool OptionInfo::appliesTo(std::string_view command) const {
  if (commands == "*") return true;
  std::string_view rest = commands;
  while (!rest.empty()) {
    size_t space = rest.find(' ');
    if (rest.substr(0, space) == command) return true;
    if (space == std::string_view::npos) break;
    rest.remove_prefix(space + 1);
  }
  return false;
}

std::string Arguments::get(OptionId id, std::string_view fallback) const {
  auto it = values.find(id);
  return it == values.end() ? std::string(fallback) : it->second.back();
}

std::vector<std::string> Arguments::all(OptionId id) const {
  auto it = values.find(id);
  return it == values.end() ? std::vector<std::string>() : it->second;
}

Result<int64_t> Arguments::number(OptionId id, int64_t fallback, int64_t lo, int64_t hi) const {
  if (!has(id)) return fallback;
  std::string text = get(id);
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < lo || value > hi)
    return Error{fmt::format("'{}' needs a number from {} to {}, got '{}'", options[size_t(id)].longName, lo, hi, text),
                 ErrorKind::Usage};
  return value;
}

static Error usageError(std::string message) { return Error{std::move(message), ErrorKind::Usage}; }

static Result<std::vector<std::string>> expandResponseFiles(std::span<const std::string> words) {
  std::vector<std::string> out;
  for (const std::string &word : words) {
    if (word.size() < 2 || word[0] != '@') {
      out.push_back(word);
      continue;
    }
    Result<std::string> text = readFileBytes(word.substr(1), 1 << 20);
    if (!text) return usageError("cannot read the options in '" + word + "': " + text.error().message);
    std::string current;
    for (char c : *text + "\n") {
      if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
        current += c;
      } else if (!current.empty()) {
        out.push_back(std::move(current));
        current.clear();
      }
    }
  }
  return out;
}

static std::string suggestion(std::string_view word, const std::vector<std::string> &known) {
  std::string near = nearestName(word, known);
  return near.empty() ? "" : fmt::format("; did you mean '{}'?", near);
}

Result<Arguments> parseCommandLine(std::span<const std::string> given, std::span<const CommandInfo> commands) {
  Result<std::vector<std::string>> expanded = expandResponseFiles(given);
  if (!expanded) return expanded.takeError();
  const std::vector<std::string> &words = *expanded;
  Arguments out;
  bool onlyPositional = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string &word = words[i];
    if (word == "--" && !onlyPositional) {
      onlyPositional = true;
      continue;
    }
    if (onlyPositional || word.size() < 2 || word[0] != '-') {
      if (!out.command.empty()) {
        out.positional.push_back(word);
        continue;
      }
      auto known = std::find_if(commands.begin(), commands.end(), [&](const CommandInfo &c) { return c.name == word; });
      if (known == commands.end()) {
        std::vector<std::string> names;
        for (const CommandInfo &c : commands) names.emplace_back(c.name);
        return usageError(fmt::format("unknown command '{}'{}", word, suggestion(word, names)));
      }
      out.command = word;
      continue;
    }
    size_t equals = word.find('=');
    std::string name = word.substr(0, equals);
    const OptionInfo *match = nullptr;
    std::optional<std::string> value;
    for (const OptionInfo &option : options) {
      if (option.kind == OptionKind::Joined) {
        if (word.compare(0, option.longName.size(), option.longName) != 0) continue;
        // "-O" must not swallow "--..." and a longer exact name wins below.
        match = &option;
        if (word.size() > option.longName.size()) value = word.substr(option.longName.size());
        continue;
      }
      if (word == option.longName || (!option.shortName.empty() && word == option.shortName)) {
        match = &option;
        value.reset();
        break;
      }
      if (equals != std::string::npos && name == option.longName && option.kind != OptionKind::Switch) {
        match = &option;
        value = word.substr(equals + 1);
        break;
      }
    }
    if (!match) {
      std::vector<std::string> names;
      for (const OptionInfo &option : options)
        if (out.command.empty() || option.appliesTo(out.command)) names.emplace_back(option.longName);
      return usageError(fmt::format("unknown option '{}'{}", name, suggestion(name, names)));
    }
    if (!out.command.empty() && !match->appliesTo(out.command))
      return usageError(fmt::format("'{}' has no option '{}' (it belongs to: {})", out.command, name, match->commands));
    if (match->kind == OptionKind::Switch) {
      out.values[match->id] = {""};
      continue;
    }
    if (!value && match->kind != OptionKind::OptionalValue) {
      if (i + 1 >= words.size()) return usageError(fmt::format("'{}' needs a value ({})", word, match->meta));
      value = words[++i];
    }
    if (match->kind == OptionKind::Value) out.values[match->id].clear();
    out.values[match->id].push_back(value.value_or(""));
  }
  for (const auto &[id, unused] : out.values)
    if (!out.command.empty() && !options[size_t(id)].appliesTo(out.command))
      return usageError(fmt::format("'{}' has no option '{}'", out.command, options[size_t(id)].longName));
  return out;
}

std::string programHelp(std::span<const CommandInfo> commands) {
  std::string out = "triton - compile, run and measure ternary neural networks\n\nUSAGE  triton <command> [options] <file>\n";
  for (const CommandInfo &c : commands) out += fmt::format("  {:<12}{}\n", c.name, c.summary);
  out += "\nCOMMON\n"
         "  -O0..-O3             optimisation level (default -O2)\n"
         "  --target LIST        x86-64-v3,x86-64-v4,x86-64-v4+vnni,aarch64,native\n"
         "  -o FILE              output (default: <file>.tern)\n"
         "  --version            version, LLVM version, targets, build id\n"
         "\nEXAMPLES\n"
         "  triton compile lenet.tri --weights lenet.safetensors -O2 --target x86-64-v3,aarch64\n"
         "  triton run lenet.tern --input digit.npy\n"
         "'triton <command> --help' explains every option with an example.\n";
  return out;
}

std::string commandHelp(const CommandInfo &command) {
  std::string out = fmt::format("triton {} - {}\n\nUSAGE  triton {}\n\nOPTIONS\n", command.name, command.summary, command.usage);
  for (const OptionInfo &option : options) {
    if (!option.appliesTo(command.name)) continue;
    std::string left(option.longName);
    if (option.kind == OptionKind::Joined) left += std::string(option.meta);
    if (option.kind == OptionKind::OptionalValue) left += fmt::format("[={}]", option.meta);
    if (option.kind == OptionKind::Value || option.kind == OptionKind::Repeated) left += fmt::format(" {}", option.meta);
    if (!option.shortName.empty()) left = fmt::format("{}, {}", option.shortName, left);
    out += fmt::format("  {:<26} {}\n", left, option.help);
  }
  out += fmt::format("\nEXAMPLE\n  {}\n", command.example);
  return out;
}

} // namespace triton::driver

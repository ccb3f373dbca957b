// The command line of the `triton` program, parsed against the one option table (Options.def).
#pragma once

#include "triton/Support/Result.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace triton::driver {

enum class OptionKind : uint8_t { Switch, Value, Joined, Repeated, OptionalValue };

enum class OptionId : uint8_t {
#define TRITON_OPTION(ID, LONG, SHORT, KIND, META, COMMANDS, KEY, HELP) ID,
#include "triton/Driver/Options.def"
};

struct OptionInfo {
  OptionId id;
  std::string_view longName, shortName;
  OptionKind kind;
  std::string_view meta;
  std::string_view commands; ///< space-separated, or "*"
  bool inCacheKey;
  std::string_view help;

  bool appliesTo(std::string_view command) const;
};

/// Every option, in the order of the table.
std::span<const OptionInfo> allOptions();

/// What one invocation asked for.
struct Arguments {
  std::string command;
  std::vector<std::string> positional;
  std::map<OptionId, std::vector<std::string>> values; ///< a Switch has one empty value

  bool has(OptionId id) const { return values.count(id) != 0; }
  /// The last value given, or `fallback`.
  std::string get(OptionId id, std::string_view fallback = "") const;
  std::vector<std::string> all(OptionId id) const;
  /// The option as a number in [lo, hi]; an Error of kind Usage if it is none.
  Result<int64_t> number(OptionId id, int64_t fallback, int64_t lo, int64_t hi) const;
};

struct CommandInfo {
  std::string_view name;
  std::string_view summary;
  std::string_view usage;
  std::string_view example;
  int (*run)(const Arguments &arguments);
};

/// Reads the words after the program's name (`@file` stands for the words in a file). Errors are of kind Usage and say
/// what was probably meant.
Result<Arguments> parseCommandLine(std::span<const std::string> words, std::span<const CommandInfo> commands);

/// `triton -h`, and `triton COMMAND --help`.
std::string programHelp(std::span<const CommandInfo> commands);
std::string commandHelp(const CommandInfo &command);

} // namespace triton::driver

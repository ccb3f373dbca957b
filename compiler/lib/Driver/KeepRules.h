// --keep: weights that are stored otherwise than the rest, or than the program says.
#pragma once

#include "FrontEnd.h"
#include "triton/Weights/PostTraining.h"

#include <string>
#include <vector>

namespace triton::driver {

/// "unknown 'OPTION WORD'; did you mean ..", of kind Usage.
Error unknownWord(const char *option, const std::string &word, const std::vector<std::string> &known);

/// Reads --keep LAYER=TYPE. Errors are of kind Usage.
Result<std::vector<KeepRule>> keepRules(const Arguments &arguments);

/// An Error (Usage) that names the first rule which matches none of `keys`, the weights of `name`, and the nearest layer.
Result<void> checkKeepRules(const std::vector<KeepRule> &rules, const std::vector<std::string> &keys, const std::string &name);

/// Changes how weights of a program's models are stored, as --keep says; before quantisers are planned. With --fp32 rules are checked and
/// then count for nothing. Errors (Usage): a rule without a weight; a weight that is used as trits. Sums that may overflow with wider
/// codes are reported as the program's errors.
Result<void> applyKeepRules(const Arguments &arguments, CheckedProgram &program, const std::string &path);

} // namespace triton::driver

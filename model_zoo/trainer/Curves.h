// The curves of a training run as one SVG picture, drawn from its log. No LibTorch.
#pragma once

#include <string>
#include <string_view>

namespace triton::trainer {

/// Draws `log` (log.jsonl, one epoch a line): accuracies above, losses below, over the epochs of all phases. A line that is not
/// an epoch is passed over; of two lines for one epoch of one phase the last counts. The same log gives the same bytes.
std::string drawCurves(std::string_view log, std::string_view title);

} // namespace triton::trainer

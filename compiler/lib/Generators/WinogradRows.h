// F(1x2, 3x3) on bytes: F(2, 3) along the rows of a window, whose three rows are added up as they are. What the other files of the forms need of it.
#pragma once

#include "Winograd.h"

namespace triton {

/// The choice of this form, if there are instructions for it and it is exact; the shape is one of winogradChoices.
std::optional<WinogradChoice> chooseWinogradRows(const TargetDesc &target, const ConvShape &shape, const WinogradOperands &operands, int64_t batch);
int64_t winogradRowsScratch(const ConvShape &shape, const WinogradChoice &choice);
/// The body of emitWinograd's function.
void writeWinogradRows(KernelBuilder &k, const ConvShape &shape, const WinogradChoice &choice, const Epilogue &epilogue, const std::vector<Val> &args);

} // namespace triton

// Recipes of kernels: text that says everything that a kernel's code depends on, beside the target.
//
// A structured binding names every field of a struct, or it does not compile: a field that is added later cannot be forgotten here.
// Lists carry their length and every field its end, so that no two recipes read the same.
#pragma once

#include "Adds.h"
#include "Lookup.h"
#include "Winograd.h"

#include "llvm/ADT/bit.h"

#include <string>
#include <string_view>
#include <type_traits>

namespace triton {

class Recipe {
public:
  /// `generator` names the function that writes the kernel.
  template <typename... Parts>
  explicit Recipe(std::string_view generator, const Parts &...parts) : words(generator) {
    words += ':';
    (add(parts), ...);
  }
  const std::string &text() const { return words; }

private:
  template <typename... Fields>
  void fields(const Fields &...each) {
    (add(each), ...);
  }
  template <typename T>
    requires std::is_integral_v<T> || std::is_enum_v<T>
  void add(T value) {
    words += std::to_string(int64_t(value)) + ",";
  }
  void add(float value) { add(llvm::bit_cast<uint32_t>(value)); }
  void add(double value) { add(int64_t(llvm::bit_cast<uint64_t>(value))); }

  void add(const PlaneStrides &s) {
    const auto &[image, row, pixel] = s;
    fields(image, row, pixel);
  }
  void add(const ConvShape &s) {
    const auto &[channels, outputs, kernelH, kernelW, strideH, strideW, dilationH, dilationW, outH, outW, x, out, residual, storedChannels, rowRuns,
                 haloH, haloW] = s;
    fields(channels, outputs, kernelH, kernelW, strideH, strideW, dilationH, dilationW, outH, outW, x, out, residual, storedChannels, rowRuns, haloH,
           haloW);
  }
  void add(const Reduction::Level &l) {
    const auto &[count, xStride] = l;
    fields(count, xStride);
  }
  void add(const Reduction &r) {
    const auto &[levels, steps] = r;
    add(levels.size());
    for (const Reduction::Level &level : levels)
      add(level);
    add(steps);
  }
  void add(const LinearShape &s) {
    const auto &[inputs, outputs, storedChannels, twoBit, streams, reduction, xRow, outRow, residualRow, rows] = s;
    fields(inputs, outputs, storedChannels, twoBit, streams, reduction, xRow, outRow, residualRow, rows);
  }
  void add(const DepthwiseShape &s) {
    const auto &[conv, actUnsigned, trits, sumBound] = s;
    fields(conv, actUnsigned, trits, sumBound);
  }
  void add(const DotSpec &d) {
    const auto &[kind, actUnsigned, excess, wide, twoBit, lanes, vectors] = d;
    fields(kind, actUnsigned, excess, wide, twoBit, lanes, vectors);
  }
  void add(const TileChoice &t) {
    const auto &[dot, positions] = t;
    fields(dot, positions);
  }
  void add(const WinogradChoice &c) {
    const auto &[tile, groupRows, taps, rows, cost, directCost] = c;
    fields(tile, groupRows, taps, rows, cost, directCost);
  }
  void add(const LookupChoice &c) {
    const auto &[trits, bytes, vectors, positions, cost, directCost] = c;
    fields(trits, bytes, vectors, positions, cost, directCost);
  }
  void add(const tri_adds_layout &l) {
    const auto &[o, ko, ki, pitch, plane, chunk, vector] = l;
    fields(o, ko, ki, pitch, plane, chunk, vector);
  }
  void add(const AddsChoice &c) {
    const auto &[layout, bandRows, blocks, codeStride, functionBytes, codeBytes, cost, directCost] = c;
    fields(layout, bandRows, blocks, codeStride, functionBytes, codeBytes, cost, directCost);
  }
  void add(const Epilogue &e) {
    const auto &[out, lo, hi, residual, residualM, scale, excess, bounded] = e;
    fields(out, lo, hi, residual, residualM, scale, excess, bounded);
  }

  std::string words;
};

} // namespace triton

// U of the Winograd forms, made from panels: of whole steps, or a vector at a time between the products of another block.
#pragma once

#include "WinogradForms.h"

namespace triton {

class WinogradWeights {
public:
  /// Steps in one turn of the products' loop where a vector of the next block's U is made meanwhile.
  static constexpr int64_t kStepsTogether = 4;

  WinogradWeights(KernelBuilder &k, const WinogradChoice &choice, const WinogradGeometry &g)
      : k(k), choice(choice), dot(choice.tile.dot), form(choice.form()), g(g) {}

  /// The steps [fromStep, toStep) of a block.
  void transform(Val panel, Val u, int64_t vectors, Val fromStep, Val toStep);

  /// What a position of a fill makes of the next block's U between its products: one of four columns, of as many vectors as its loop has turns.
  struct Column {
    Val table, codes, u;
    explicit operator bool() const { return bool(u); }
  };
  /// Whether U of the next block is made within the products' loop.
  bool interleaves() const { return choice.taps && !g.keepsU && turns() > 0; }
  /// Turns of a position's loop.
  int64_t turns() const { return g.steps / kStepsTogether; }
  /// The positions that it takes to make all columns.
  int64_t columnsPositions() const { return form.window() * positionsOfColumn(); }
  /// The column of the position'th position of all fills.
  Column columnOf(Val position, Val panel, Val u);
  /// The vector of a turn, which is given as a byte of its position's step.
  void makeVector(const Column &column, Val turn);

private:
  /// The last of them makes some vectors again.
  int64_t positionsOfColumn() const { return ceilDiv(g.steps * dot.vectors, turns()); }

  KernelBuilder &k;
  const WinogradChoice &choice;
  const DotSpec &dot;
  WinogradForm form;
  const WinogradGeometry &g;
};

} // namespace triton

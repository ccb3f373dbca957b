// The code that makes U: see WinogradWeights.h.
#include "WinogradWeights.h"

using namespace mlir;

namespace triton {

void WinogradWeights::transform(Val panel, Val u, int64_t vectors, Val fromStep, Val toStep) {
  int64_t n = form.window(), stepBytes = g.nr * dot.kr();
  Type bytes = k.vec(g.elements, k.i8());
  k.forLoop(fromStep, toStep, 1, [&](Val step) {
    Val from = k.offset(panel, step * k.index(stepBytes)), to = k.offset(u, step * k.index(g.nr * 4));
    for (int64_t v = 0; v < vectors; ++v) {
      auto store = [&](const WinogradRow &u, const std::function<int64_t(int64_t)> &positionAt) {
        for (int64_t i = 0; i < n; ++i)
          k.store(u[i], k.offset(to, positionAt(i) * g.uPosition + v * g.laneBytes), g.laneBytes);
      };
      if (choice.taps) {
        llvm::SmallVector<WinogradRow, 3> rows;
        for (int64_t r = 0; r < 3; ++r)
          rows.push_back(winogradWeightsOfTaps(k, k.load(bytes, k.offset(from, r * g.steps * stepBytes + v * g.elements), g.elements)));
        for (int64_t j = 0; j < n; ++j)
          store(winogradWeights(k, form, rows[0][j], rows[1][j], rows[2][j]), [&](int64_t i) { return i * n + j; });
        continue;
      }
      llvm::SmallVector<WinogradRow, 3> columns;
      for (int64_t s = 0; s < 3; ++s) {
        Val w[3];
        for (int64_t r = 0; r < 3; ++r) {
          w[r] = k.load(bytes, k.offset(from, (r * 3 + s) * g.steps * stepBytes + v * g.elements), g.elements);
          if (!form.bytes())
            w[r] = k.signExtend(w[r], k.i16());
        }
        columns.push_back(winogradWeights(k, form, w[0], w[1], w[2]));
      }
      for (int64_t i = 0; i < n; ++i)
        store(winogradWeights(k, form, columns[0][i], columns[1][i], columns[2][i]), [&](int64_t j) { return i * n + j; });
    }
  });
}

WinogradWeights::Column WinogradWeights::columnOf(Val position, Val panel, Val u) {
  Val column = position / k.index(positionsOfColumn()), rest = position - column * k.index(positionsOfColumn());
  Val at = minOf(rest * k.index(turns()), k.index(g.steps * dot.vectors - turns())) * k.index(g.laneBytes);
  WinogradRow tables = winogradTables(k);
  Val table = tables[0];
  for (int64_t j = 1; j < form.window(); ++j)
    table = select(compare(Cmp::Eq, column, k.index(j)), tables[j], table);
  return {table, k.offset(panel, at), k.offset(u, column * k.index(g.uPosition) + at)};
}

void WinogradWeights::makeVector(const Column &column, Val turn) {
  Val rows[3];
  for (int64_t r = 0; r < 3; ++r)
    rows[r] = winogradLookup(k, column.table, k.load(k.vec(g.elements, k.i8()), k.offset(k.offset(column.codes, turn), r * g.panel / 3), g.elements));
  WinogradRow u = winogradWeights(k, form, rows[0], rows[1], rows[2]);
  for (int64_t i = 0; i < form.window(); ++i)
    k.store(u[i], k.offset(k.offset(column.u, turn), i * form.window() * g.uPosition), g.laneBytes);
}

} // namespace triton

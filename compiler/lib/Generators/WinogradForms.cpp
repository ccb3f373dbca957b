// The transforms, written out: see WinogradForms.h.
#include "WinogradForms.h"

namespace triton {

namespace {

/// U of all blocks is kept for all groups up to this size.
constexpr int64_t kKeptBytes = 512 * 1024;

Val doubled(Val v) { return v + v; }

} // namespace

WinogradRow winogradActivations(KernelBuilder &k, const WinogradForm &form, const WinogradRow &d) {
  if (form.bytes())
    return {d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]};
  auto times4 = [&](Val v) { return k.shiftLeft(v, 2); };
  Val a = d[4] - times4(d[2]), b = d[3] - times4(d[1]), c = d[4] - d[2], e = d[3] - d[1];
  Val e2 = doubled(e);
  return {times4(d[0]) - d[2] + a, a + b, a - b, c + e2, c - e2, d[5] - d[3] - times4(e)};
}

WinogradRow winogradWeights(KernelBuilder &k, const WinogradForm &form, Val w0, Val w1, Val w2) {
  if (form.bytes()) {
    Val s = w0 + w2;
    return {doubled(w0), s + w1, s - w1, doubled(w2)};
  }
  Val q = doubled(w1), s = w0 + w2, p = w0 + k.shiftLeft(w2, 2);
  return {k.shiftLeft(w0, 2) + doubled(w0), k.shiftLeft(s + w1, 2), k.shiftLeft(s - w1, 2), p + q, p - q, k.shiftLeft(w2, 4) + k.shiftLeft(w2, 3)};
}

WinogradRow winogradTables(KernelBuilder &k) {
  WinogradRow tables;
  for (const auto &g : kWinogradBytesG) {
    std::vector<int8_t> table(64);
    for (int i = 0; i < 64; ++i)
      for (int s = 0; s < 3; ++s)
        table[size_t(i)] = int8_t(table[size_t(i)] + g[s] * ((i >> (2 * s) & 3) - 1));
    tables.push_back(k.constantBytes(table));
  }
  return tables;
}

Val winogradLookup(KernelBuilder &k, Val table, Val taps) { return k.intrinsic("llvm.x86.avx512.permvar.qi.512", taps.type(), {table, taps}); }

WinogradRow winogradWeightsOfTaps(KernelBuilder &k, Val taps) {
  WinogradRow results;
  for (Val table : winogradTables(k))
    results.push_back(winogradLookup(k, table, taps));
  return results;
}

WinogradRow winogradSums(KernelBuilder &k, const WinogradForm &form, const WinogradRow &m) {
  if (form.bytes())
    return {m[0] + (m[1] + m[2]), m[1] - m[2] - m[3]};
  Val a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
  return {m[0] - a + c, doubled(d) - b, k.shiftLeft(c, 2) - a, k.shiftLeft(d, 3) - b + m[5]};
}

Val pixelAt(KernelBuilder &k, Val pointer, const PlaneStrides &s, Val image, Val y, Val x) {
  return k.offset(k.offset(k.offset(pointer, image * k.index(s.image)), y * k.index(s.row)), x * k.index(s.pixel));
}

TilePointers tileAt(KernelBuilder &k, const ConvShape &shape, const Epilogue &epilogue, const TilePointers &block, Val image, Val y, Val x) {
  TilePointers at = block;
  at.out = pixelAt(k, block.out, shape.out, image, y, x);
  at.outStride = shape.out.pixel;
  if (epilogue.residual != Epilogue::Residual::None)
    at.residual = pixelAt(k, block.residual, shape.residual, image, y, x);
  at.residualStride = shape.residual.pixel;
  return at;
}

int64_t winogradFill(int64_t tiles, int64_t most) {
  if (tiles == 0)
    return 0;
  for (int64_t positions : {int64_t(4), int64_t(8), most - 1})
    if (tiles <= positions && positions < most)
      return positions;
  return most;
}

WinogradGeometry::WinogradGeometry(const ConvShape &shape, const WinogradChoice &choice)
    : form(choice.form()), tilesX(ceilDiv(shape.outW, form.tile)), tilesY(ceilDiv(shape.outH, form.tile)),
      steps(ceilDiv(shape.channels, choice.tile.dot.kr())), elements(choice.tile.dot.lanes * 4 / form.elementBytes),
      laneBytes(choice.tile.dot.lanes * 4), nr(choice.tile.dot.nr()), blocks(ceilDiv(shape.storedChannels, nr)),
      panel((choice.taps ? 3 : 9) * steps * nr * choice.tile.dot.kr()) {
  int64_t positions = form.positions(), fill = choice.tile.positions, fills = ceilDiv(choice.groupRows * tilesX, fill);
  vectors = ceilDiv(shape.channels, elements);
  vTile = vectors * laneBytes;
  vPosition = oddLines((form.bytes() ? 1 : fills) * fill * vTile);
  vFill = form.bytes() ? positions * vPosition : fill * vTile;
  uPosition = oddLines(steps * nr * 4);
  mVector = positions * laneBytes;
  mTile = choice.tile.dot.vectors * mVector;
  uAt = form.bytes() ? fills * vFill : positions * vPosition;
  uBlock = positions * uPosition;
  keepsU = blocks * uBlock <= kKeptBytes;
  fetchBytes = keepsU ? ceilDiv(panel, ceilDiv(tilesY, choice.groupRows)) : panel;
  fetchStep = ceilDiv(fetchBytes * 256, fills * positions * steps);
  uSlice = ceilDiv(steps, fills * positions);
  mAt = uAt + (keepsU ? blocks : form.bytes() ? 2 : 1) * uBlock;
  scratch = mAt + (form.bytes() ? 1 : fills) * fill * mTile;
}

std::vector<int32_t> winogradStarts(const std::vector<int8_t> &weights, int64_t outputs, int64_t places, bool actUnsigned) {
  std::vector<int32_t> starts(4 * places);
  int64_t channels = int64_t(weights.size()) / outputs / 9;
  for (int64_t o = 0; o < outputs; ++o) {
    int64_t sums[3][3] = {};
    for (int64_t tap = 0; tap < 9; ++tap)
      for (int64_t c = 0; c < channels; ++c)
        sums[tap / 3][tap % 3] += weights[(o * 9 + tap) * channels + c];
    // -128 * U of all channels, where V lies as V + 128.
    int64_t m[4][4] = {};
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j)
        for (int r = 0; r < 3; ++r)
          for (int s = 0; s < 3; ++s)
            if (!actUnsigned || i != 1 || j != 1)
              m[i][j] -= 128 * kWinogradBytesG[i][r] * kWinogradBytesG[j][s] * sums[r][s];
    // A corner of M takes part in one result.
    for (int y = 0; y < 2; ++y)
      for (int x = 0; x < 2; ++x) {
        int64_t result = 0;
        for (int i = 0; i < 4; ++i)
          for (int j = 0; j < 4; ++j)
            result += kWinogradBytesA[y][i] * kWinogradBytesA[x][j] * m[i][j];
        starts[(y * 2 + x) * places + o] = int32_t(kWinogradBytesA[y][3 * y] * kWinogradBytesA[x][3 * x] * result);
      }
  }
  return starts;
}

} // namespace triton

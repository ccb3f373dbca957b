// Which Winograd form and which sizes cost least: see WinogradCosts.h.
#include "WinogradCosts.h"

#include "Ways.h"
#include "WinogradRows.h"

#include <algorithm>

namespace triton {

namespace {

/// Rows of tiles go together until V and M of a group reach these sizes: they share the second-level cache with U.
constexpr int64_t kGroupTiles = 56, kGroupBytes = 1024 * 1024;
/// Beyond this, V, U and M of a group do not stay in the second-level cache any more, and everything takes longer by the factor.
constexpr int64_t kCachedBytes = 1536 * 1024;
constexpr double kUncachedFactor = 1.45;
/// A line of U on its way to the second-level cache or from there: three cycles.
constexpr double kPerLine = 6;

/// What the parts of a form cost, in vector instructions.
struct PartCosts {
  double perV;       ///< of V, for all positions of a vector
  double perU;       ///< of U
  double perResult;  ///< of a tile's results
  double perSum;     ///< beside the products, a vector of sums
};

/// Words: the generator writes about 260 for a vector of V, 117 for one of U and 370 for one of results; the first two store to 36 places that
/// are not in the first-level cache, and then the lines' way there and back was measured to take longest: four to five cycles each.
PartCosts partCosts(const TargetDesc &target, const WinogradForm &form, bool taps) {
  bool wide = target.vectorBytes == 64;
  // Bytes: about 47, 35 and 50. U is made between the products, which hides a part of what its stores take; from taps it
  // is made beside them, which hides more.
  if (form.bytes())
    return {90, taps ? 65.0 : 135.0, 70, 4};
  return {420, wide ? 320.0 : 290.0, wide ? 320.0 : 430.0, 2};
}

/// The choice of one form, if it is exact.
std::optional<WinogradChoice> chooseForm(const TargetDesc &target, const ConvShape &shape, DotKind kind, const WinogradOperands &operands, int64_t batch) {
  WinogradChoice choice;
  DotSpec &dot = choice.tile.dot;
  dot.kind = kind;
  WinogradForm form = choice.form();
  if (shape.outH < form.tile || shape.outW < form.tile)
    return std::nullopt;
  if (form.bytes() ? !target.hasVnni || operands.mostCode > winogradMostCode(operands.actUnsigned) : operands.mostSum > double(kWinogradMostSum))
    return std::nullopt;
  // Four times a result is a 32-bit sum.
  if (form.bytes() && 9 * shape.channels * operands.mostCode >= int64_t(1) << 29)
    return std::nullopt;
  dot.actUnsigned = operands.actUnsigned;
  dot.excess = operands.excess && !form.bytes(); // bytes wrap: what is added cancels
  dot.lanes = target.lanes32();
  dot.vectors = std::min<int64_t>(2, ceilDiv(shape.storedChannels, dot.lanes));
  choice.taps = form.bytes() && target.vectorBytes == 64 && target.hasVbmi;
  WinogradGeometry bare(shape, choice);
  int64_t mostTiles = std::max<int64_t>(1, std::min(kGroupTiles, kGroupBytes / (form.positions() * bare.vTile)));
  return regrouped(target, shape, choice, batch, std::max<int64_t>(1, mostTiles / bare.tilesX));
}

} // namespace

std::string WinogradChoice::name() const { return rows ? "Winograd F(1x2)" : form().bytes() ? "Winograd F(2x2)" : "Winograd F(4x4)"; }

WinogradCosts::WinogradCosts(const TargetDesc &target, const ConvShape &shape, const WinogradChoice &choice) {
  WinogradGeometry g(shape, choice);
  PartCosts parts = partCosts(target, g.form, choice.taps);
  double dot = target.dotCost(target.hasVnni ? DotKind::Dpbusd : DotKind::MaddWd);
  double tileVectors = double(g.tilesX * g.blocks * choice.tile.dot.vectors);
  row = int64_t(double(g.tilesX * g.vectors) * parts.perV);
  // The products of a row of tiles, with its share of what fills the last tile of a group.
  int64_t tiles = std::min(choice.groupRows, g.tilesY) * g.tilesX, most = choice.tile.positions;
  int64_t filled = tiles / most * most + winogradFill(tiles % most, most);
  int64_t mBytes = (g.form.bytes() ? std::min(tiles, choice.tile.positions) : tiles) * g.mTile;
  bool cached = tiles * g.vTile * g.form.positions() + (g.keepsU ? g.blocks : 1) * g.uBlock + mBytes <= kCachedBytes;
  double slower = cached ? 1.0 : kUncachedFactor;
  rowBlocks = int64_t(slower * tileVectors *
                      (double(filled) / double(tiles) * double(g.form.positions()) * (double(g.steps) * dot + parts.perSum) + parts.perResult));
  allBlocks = int64_t(slower * double(g.blocks * choice.tile.dot.vectors * g.steps) * parts.perU);
  keepsU = g.keepsU;
}

WinogradChoice regrouped(const TargetDesc &target, const ConvShape &shape, WinogradChoice choice, int64_t batch, int64_t groupRows) {
  DotSpec &dot = choice.tile.dot;
  choice.groupRows = groupRows;
  WinogradGeometry bare(shape, choice);
  int64_t tiles = std::min(choice.groupRows, batch * bare.tilesY) * bare.tilesX;
  // Registers beside accumulators and weights: the broadcast, and the product where it is added by itself.
  int64_t limit = (int64_t(target.vectorRegisters) - dot.vectors - (target.hasVnni ? 1 : 3)) / dot.vectors;
  double best = 1e300;
  // Eight tiles by two vectors of bytes keep the multipliers busy, and M and V of more would leave the first-level cache.
  for (int64_t most = std::min<int64_t>({limit, tiles, bare.form.bytes() ? 8 : 14}); most >= 1; --most) {
    // A fill also loads weights once, and one of few tiles waits for its own sums.
    auto fill = [](int64_t positions) { return positions > 0 ? double(std::max<int64_t>(positions, 5)) + 1.5 : 0; };
    if (double cost = double(tiles / most) * fill(most) + fill(winogradFill(tiles % most, most)); cost < best)
      best = cost, choice.tile.positions = most;
  }
  WinogradCosts costs(target, shape, choice);
  int64_t rows = batch * bare.tilesY;
  choice.cost = double(rows) * double(costs.row + costs.rowBlocks) + double(costs.keepsU ? 1 : ceilDiv(rows, choice.groupRows)) * double(costs.allBlocks);
  if (choice.taps) {
    // U is made beside the products, but where tiles are few they do not hide its way there, and back for each fill.
    int64_t groups = ceilDiv(rows, choice.groupRows), fills = groups * ceilDiv(tiles, choice.tile.positions);
    double lines = double(bare.blocks * dot.vectors * bare.steps * bare.form.positions());
    choice.cost = std::max(choice.cost, kPerLine * lines * double((costs.keepsU ? 1 : groups) + fills));
  }
  return choice;
}

std::vector<WinogradChoice> winogradChoices(const TargetDesc &target, const ConvShape &shape, const TileChoice &direct,
                                            const WinogradOperands &operands, int64_t batch) {
  // Unsigned words: row 1 of B by itself takes from -32 to 68 times the greatest byte; signed ones: 10 * 10 times the magnitude.
  static_assert(68 * 255 <= INT16_MAX && 100 * 128 <= INT16_MAX && 24 * 24 <= INT16_MAX, "transformed values are 16-bit words");
  static_assert(4 * winogradMostCode(true) <= 255 && 2 * winogradMostCode(true) <= 127 && 4 * winogradMostCode(false) <= 127 && 9 <= 127,
                "transformed codes are bytes");
  std::vector<WinogradChoice> choices;
  if (target.arch != Arch::X86_64 || target.vectorBytes < 32 || !operands.trits)
    return choices;
  if (shape.kernelH != 3 || shape.kernelW != 3 || shape.strideH != 1 || shape.strideW != 1 || shape.dilationH != 1 || shape.dilationW != 1)
    return choices;
  auto add = [&](std::optional<WinogradChoice> choice) {
    if (!choice)
      return;
    choice->directCost = directInstructions(target, shape, direct, batch);
    choices.push_back(*choice);
  };
  for (DotKind kind : {DotKind::MaddWd, DotKind::Dpbusd})
    add(chooseForm(target, shape, kind, operands, batch));
  add(chooseWinogradRows(target, shape, operands, batch));
  std::stable_sort(choices.begin(), choices.end(), [](const WinogradChoice &a, const WinogradChoice &b) { return a.cost < b.cost; });
  return choices;
}

int64_t winogradScratch(const ConvShape &shape, const WinogradChoice &choice) {
  return choice.rows ? winogradRowsScratch(shape, choice) : WinogradGeometry(shape, choice).scratch;
}

} // namespace triton

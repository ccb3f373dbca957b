// Which ways there are: see Ways.h.
#include "Ways.h"

#include "Recipe.h"

#include <algorithm>

namespace triton {

std::string ConvWay::name() const {
  switch (kind) {
  case Kind::Direct: return "direct " + tile.name() + (tile.dot.wide ? " widened" : "");
  case Kind::Winograd: return winograd->name() + " " + winograd->tile.name() + " by " + std::to_string(winograd->groupRows);
  case Kind::Adds: return "weights as code";
  case Kind::TwoBit: return "two bits " + twoBit->name();
  }
  return "";
}

std::string LinearWay::name() const { return (twoBit ? "two bits " : "tile ") + tile.name(); }

/// Keeps the first of each name.
template <typename Way>
static std::vector<Way> distinct(std::vector<Way> ways) {
  std::vector<Way> kept;
  for (Way &way : ways)
    if (std::none_of(kept.begin(), kept.end(), [&](const Way &k) { return k.name() == way.name(); }))
      kept.push_back(std::move(way));
  return kept;
}

std::vector<ConvWay> convWays(const TargetDesc &target, const ConvProblem &problem, const ConvWay &model) {
  const ConvShape &shape = problem.shape;
  std::vector<ConvWay> ways = {model};
  auto direct = [&](const TileChoice &tile) { ways.push_back({ConvWay::Kind::Direct, tile, {}, {}, {}}); };
  direct(model.tile);
  if (auto twoBit = twoBitTile(target, shape, model.tile, problem.trits))
    ways.push_back({ConvWay::Kind::TwoBit, model.tile, {}, {}, twoBit});
  for (const TileChoice &tile : otherTiles(target, model.tile, shape.outputs, shape.outW))
    direct(tile);
  for (const WinogradChoice &winograd : problem.winograd) {
    ways.push_back({ConvWay::Kind::Winograd, model.tile, winograd, {}, {}});
    if (winograd.rows)
      continue;
    // How much of an image is best transformed at once depends on the second-level cache.
    int64_t tile = winograd.form().tile, rows = winograd.groupRows, all = problem.batch * ((shape.outH + tile - 1) / tile);
    auto inGroups = [&](int64_t groupRows) {
      ways.push_back({ConvWay::Kind::Winograd, model.tile, regrouped(target, shape, winograd, problem.batch, groupRows), {}, {}});
    };
    if (rows > 1)
      inGroups(std::max<int64_t>(1, std::min(rows, all) / 2));
    if (rows < all)
      inGroups(std::min(rows * 2, all));
  }
  if (model.adds)
    ways.push_back({ConvWay::Kind::Adds, model.tile, {}, model.adds, {}});
  return distinct(std::move(ways));
}

std::vector<LinearWay> linearWays(const TargetDesc &target, const LinearProblem &problem, const LinearWay &model) {
  std::vector<LinearWay> ways = {model};
  if (twoBitCan(target, problem.shape, problem.trits))
    ways.push_back({model.tile, !model.twoBit});
  for (TileChoice tile : otherTiles(target, model.tile, problem.shape.outputs, 0)) {
    if (!problem.anyBatch)
      tile.positions = std::min(tile.positions, problem.rows);
    ways.push_back({tile, false});
  }
  return distinct(std::move(ways));
}

/// What of an end changes its time: not the numbers in it.
static Epilogue timed(Epilogue epilogue) {
  epilogue.lo = epilogue.hi = 0;
  epilogue.residualM = 1.0f;
  return epilogue;
}

std::string recipeOf(const ConvProblem &problem, const std::vector<ConvWay> &ways) {
  // Zeros count where weights are code, and then sixteenths of them.
  int64_t zeros = 0;
  if (std::any_of(ways.begin(), ways.end(), [](const ConvWay &way) { return way.kind == ConvWay::Kind::Adds; }))
    zeros = int64_t(std::count(problem.weights->begin(), problem.weights->end(), 0)) * 16 / int64_t(problem.weights->size());
  return Recipe("convolution", problem.shape, timed(problem.epilogue), problem.batch, problem.trits, problem.actUnsigned, problem.excess, problem.winograd.size(), zeros).text();
}
std::string recipeOf(const LinearProblem &problem, const TileChoice &tile) {
  return Recipe("linear", problem.shape, timed(problem.epilogue), tile, problem.rows, problem.anyBatch, problem.trits).text();
}
std::string recipeOf(const DepthwiseShape &shape, const Epilogue &epilogue, int64_t batch) {
  return Recipe("depthwise", shape, timed(epilogue), batch).text();
}

} // namespace triton

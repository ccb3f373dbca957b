// When the direct form of a convolution pays with weights of two bits, and by which tile.
//
// A tile of P positions by V vectors needs, for each vector of weights, P products; as two bits also a shuffle that unpacks it. A network whose
// weights do not stay in the second-level cache has each byte arrive once a run, beside the products: where few positions share it, that takes longer
// than they do. What comes from the second level again and again comes beside the products, too, and in time.
#include "ProductLoops.h"
#include "Ways.h"

#include <algorithm>

namespace triton {

/// Bytes from beyond the second-level cache in the time of one vector addition: estimateCost's ten bytes a nanosecond, at six additions.
constexpr double kBeyondRate = 10.0 / 6.0;
/// A second-level cache beside 512-bit vectors has at least so many bytes.
constexpr uint64_t kSecondCacheBytes = 1 << 20;
/// vpdpbusd takes five cycles, of which two may begin in each.
constexpr int64_t kLeastSums = 10;

double directTime(const TargetDesc &target, const ConvShape &shape, const TileChoice &tile, int64_t batch, uint64_t allWeights) {
  const DotSpec &dot = tile.dot;
  double steps = double(convReduction(shape, dot).allSteps());
  double vectors = double(ceilDiv(shape.storedChannels, dot.nr()) * dot.vectors) * steps;
  double bytes = double(target.vectorBytes) / double(dot.packed()), passes = double(batch * shape.outH * ceilDiv(shape.outW, tile.positions));
  double each = double(tile.positions) * target.dotCost(dot.kind);
  if (dot.twoBit) // a shuffle takes as long as a product; what prepares its index is shared by vectors
    each += target.dotCost(dot.kind) + (target.hasVbmi ? 0.25 : 0.75);
  double time = vectors * passes * each;
  return allWeights > kSecondCacheBytes ? std::max(time, vectors * bytes / kBeyondRate) : time;
}

std::optional<TileChoice> twoBitTile(const TargetDesc &target, const ConvShape &shape, const TileChoice &tile, bool trits) {
  if (!trits || target.vectorBytes != 64 || tile.dot.kind != DotKind::Dpbusd)
    return std::nullopt;
  std::optional<TileChoice> best;
  double least = 0;
  for (int64_t vectors : {tile.dot.vectors, int64_t(2)}) {
    // Fewer sums than a product is long would wait for each other.
    if (best && shape.outW * vectors < kLeastSums)
      continue;
    TileChoice other = tile;
    other.dot.twoBit = true;
    other.dot.vectors = std::min(vectors, tile.dot.vectors);
    int64_t most = mostPositions(target, other.dot, other.dot.vectors), tiles = ceilDiv(shape.outW, most);
    other.positions = ceilDiv(shape.outW, tiles);
    if (double time = directTime(target, shape, other, 1, 0); !best || time < least)
      best = other, least = time;
  }
  return best;
}

bool twoBitPays(const TargetDesc &target, const ConvShape &shape, const TileChoice &bytes, const TileChoice &twoBit, int64_t batch, uint64_t allWeights,
                double most) {
  return shape.kernelH * shape.kernelW * shape.channels * shape.outputs > int64_t(target.firstCacheBytes) &&
         directTime(target, shape, twoBit, batch, allWeights) < most * directTime(target, shape, bytes, batch, allWeights);
}

} // namespace triton

// How threads share a product: by rows while there are many, which leaves each its own part of the activations, by blocks of channels where weights are
// what there is much of, by both where there are more threads than either has parts.
#include "ProductLoops.h"

namespace triton {

Range partition(KernelBuilder &k, Val count, Val thread, Val threads) {
  return {count * thread / threads, count * (thread + k.index(1)) / threads};
}

Share shareGrid(KernelBuilder &k, Val rows, int64_t blocks, Val thread, Val beside, Val groups) {
  Val group = thread / beside;
  Range row = partition(k, rows, group, groups), block = partition(k, k.index(blocks), thread - group * beside, beside);
  return {{minOf(row.from, rows), minOf(row.to, rows)}, block};
}

Share shareEither(KernelBuilder &k, Val rows, int64_t blocks, Val thread, Val threads, Val byRows) {
  Val none = k.index(0), all = k.index(blocks);
  Range row = partition(k, rows, thread, threads), block = partition(k, all, thread, threads);
  return {{select(byRows, row.from, none), select(byRows, row.to, rows)}, {select(byRows, none, block.from), select(byRows, all, block.to)}};
}

Share shareOut(KernelBuilder &k, Val rows, int64_t blocks, Val thread, Val threads, const std::function<Val(Val rows, Val blocks)> &cost) {
  Val one = k.index(1), all = k.index(blocks);
  auto perThread = [&](Val count, Val parts) { return (count + parts - one) / parts; };
  auto several = [&] {
    Val beside = one;
    if (blocks > 1) {
      Val least = cost(perThread(rows, threads), all);
      auto consider = [&](Val count) {
        Val groups = maxOf(threads / count, one);
        Val found = cost(perThread(rows, groups), perThread(all, count));
        Val better = compare(Cmp::Le, count, threads) & compare(Cmp::Le, count, all) & compare(Cmp::Lt, found, least);
        beside = select(better, count, beside);
        least = select(better, found, least);
      };
      for (int64_t count = 2; count <= blocks; count *= 2)
        consider(k.index(count));
      consider(threads);
    }
    auto [row, block] = shareGrid(k, rows, blocks, thread, beside, threads / beside);
    return std::vector<Val>{row.from, row.to, block.from, block.to};
  };
  std::vector<Val> found = k.ifElse(compare(Cmp::Eq, threads, one), {k.i64(), k.i64(), k.i64(), k.i64()},
                                    [&] { return std::vector<Val>{k.index(0), rows, k.index(0), all}; }, several);
  return {{found[0], found[1]}, {found[2], found[3]}};
}

} // namespace triton

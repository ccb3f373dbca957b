// How the parts of a step share a product: by rows while there are many, which leaves each its own part of the activations, by blocks of channels where
// weights are what there is much of, by both where one is not enough.
#include "ProductLoops.h"

#include "artifact/kernel_abi.h"

namespace triton {

Range partition(KernelBuilder &k, Val count, Val part, Val parts) {
  return {count * part / parts, count * (part + k.index(1)) / parts};
}

Share shareGrid(KernelBuilder &k, Val rows, int64_t blocks, Val part, Val beside, Val groups) {
  Val group = part / beside;
  Range row = partition(k, rows, group, groups), block = partition(k, k.index(blocks), part - group * beside, beside);
  return {{minOf(row.from, rows), minOf(row.to, rows)}, block};
}

Share shareEither(KernelBuilder &k, Val rows, int64_t blocks, Val part, Val parts, Val byRows) {
  Val none = k.index(0), all = k.index(blocks);
  Range row = partition(k, rows, part, parts), block = partition(k, all, part, parts);
  return {{select(byRows, row.from, none), select(byRows, row.to, rows)}, {select(byRows, none, block.from), select(byRows, all, block.to)}};
}

Share shareOut(KernelBuilder &k, Val rows, int64_t blocks, const std::vector<Val> &args, const std::function<Val(Val rows, Val blocks)> &cost) {
  Val one = k.index(1), all = k.index(blocks), part = args[PaPart], parts = args[PaParts], threads = args[PaThreads];
  auto perPart = [&](Val count, Val among) { return (count + among - one) / among; };
  auto several = [&] {
    Val beside = one, groups = parts, least = {};
    auto consider = [&](Val across, Val down) {
      Val found = cost(perPart(rows, down), perPart(all, across));
      // Threads that take parts in turn end half a part after each other.
      Val used = across * minOf(down, rows);
      found = found * (maxOf(used, threads) * k.index(2) + threads);
      if (least.v) {
        Val better = compare(Cmp::Le, across * down, parts) & compare(Cmp::Le, across, all) & compare(Cmp::Lt, found, least);
        beside = select(better, across, beside);
        groups = select(better, down, groups);
        found = select(better, found, least);
      }
      least = found;
    };
    auto considerBeside = [&](Val across) {
      Val most = maxOf(parts / across, one);
      consider(across, most);
      consider(across, maxOf(threads / across, one));
    };
    consider(one, parts);
    consider(one, threads);
    if (blocks > 1) {
      for (int64_t across = 2; across <= blocks; across *= 2)
        considerBeside(k.index(across));
      considerBeside(minOf(parts, all));
      considerBeside(threads);
    }
    auto [row, block] = shareGrid(k, rows, blocks, part, beside, groups);
    return std::vector<Val>{row.from, row.to, block.from, block.to};
  };
  std::vector<Val> found = k.ifElse(compare(Cmp::Eq, parts, one), {k.i64(), k.i64(), k.i64(), k.i64()},
                                    [&] { return std::vector<Val>{k.index(0), rows, k.index(0), all}; }, several);
  return {{found[0], found[1]}, {found[2], found[3]}};
}

void unlessKept(KernelBuilder &k, Val scratch, Val at, Val key, const std::function<void()> &make) {
  Val kept = k.offset(scratch, at - k.index(TRI_SCRATCH_HEADER));
  k.ifThen(compare(Cmp::Ne, k.load(key.type(), kept), key), [&] {
    make();
    k.store(key, kept);
  });
}

Val keyOf(KernelBuilder &k, const Range &range) { return k.shiftLeft(range.from, 32) + range.to; }

} // namespace triton

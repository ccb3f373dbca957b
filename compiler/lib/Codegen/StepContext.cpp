// Addresses, element access and loops of one step.
#include "StepContext.h"

#include "../Generators/FloatFunctions.h"
#include "../Generators/Products.h"

#include "ternary/Constants.h"

#include <cstddef>

#include "artifact/kernel_abi.h"
#include "artifact/packing.h"

using namespace mlir;
using namespace triton::ternary;

namespace triton {

uint32_t BlobTable::add(std::string key, Blob::Encoding encoding, uint64_t count, std::vector<uint8_t> bytes) {
  auto [it, fresh] = known.try_emplace({int(encoding), bytes}, uint32_t(blobs.size()));
  // Two tensors with the same bytes share them; t5 bytes may stand for different counts.
  if (!fresh && blobs[it->second].count == count)
    return it->second;
  Blob blob;
  blob.key = std::move(key);
  blob.encoding = encoding;
  blob.count = count;
  blob.bytes = std::move(bytes);
  blobs.push_back(std::move(blob));
  it->second = uint32_t(blobs.size() - 1);
  return it->second;
}

uint64_t VariantState::place(const Placement &placement) {
  auto key = std::make_tuple(placement.blob, uint8_t(placement.kind), placement.o, placement.ko, placement.ki, placement.nr, placement.kr, placement.chunk, placement.vector);
  auto [it, fresh] = placed.try_emplace(key, arenaBytes);
  if (fresh) {
    Placement p = placement;
    p.arenaOffset = arenaBytes;
    placements.push_back(p);
    arenaBytes += (p.arenaBytes + TRI_BUFFER_ALIGNMENT - 1) / TRI_BUFFER_ALIGNMENT * TRI_BUFFER_ALIGNMENT;
  }
  return it->second;
}

void StepContext::beginStep(const std::string &stepName) {
  name = stepName;
  statusSlot = {};
  args = k.begin(name, {k.ptr()}, k.i32(), false)[0];
  auto field = [&](Type type, size_t offset) { return k.load(type, k.offset(args, int64_t(offset)), 4); };
  weights = field(k.ptr(), offsetof(tri_kernel_args, weights));
  workspace = field(k.ptr(), offsetof(tri_kernel_args, workspace));
  batch = field(k.i64(), offsetof(tri_kernel_args, batch));
  part = k.signExtend(field(k.i32(), offsetof(tri_kernel_args, part)), k.i64());
  parts = k.signExtend(field(k.i32(), offsetof(tri_kernel_args, parts)), k.i64());
  threads = k.signExtend(field(k.i32(), offsetof(tri_kernel_args, threads)), k.i64());
  anchor = threads.v.getDefiningOp();
}
void StepContext::endStep() { k.end(statusSlot ? k.load(k.i32(), statusSlot, 4) : k.i32c(TRI_STEP_OK)); }

Val StepContext::local(int64_t bytes) {
  OpBuilder &b = k.builder();
  OpBuilder::InsertionGuard guard(b);
  // The regions of loops under construction do not know their parents yet; the argument knows the function's entry.
  b.setInsertionPointToStart(cast<BlockArgument>(args.v).getOwner());
  Val count = k.index(bytes);
  return k.wrap(b.create<LLVM::AllocaOp>(k.loc(), k.ptr(), k.i8(), count.v, 64));
}
void StepContext::fail(int32_t status) {
  if (!statusSlot) {
    statusSlot = local(4);
    OpBuilder &b = k.builder();
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointAfterValue(statusSlot.v);
    k.store(k.i32c(TRI_STEP_OK), statusSlot, 4);
  }
  k.store(k.i32c(status), statusSlot, 4);
}

// ---- Addresses -----------------------------------------------------------------------------------------------------------

Val StepContext::inputPointer(unsigned index) {
  Val inputs = k.load(k.ptr(), k.offset(args, int64_t(offsetof(tri_kernel_args, inputs))), 8);
  return k.load(k.ptr(), k.offset(inputs, int64_t(index) * 8), 8);
}

Val StepContext::outputPointer(unsigned index) {
  Val outputs = k.load(k.ptr(), k.offset(args, int64_t(offsetof(tri_kernel_args, outputs))), 8);
  return k.load(k.ptr(), k.offset(outputs, int64_t(index) * 8), 8);
}

View StepContext::view(Value v) {
  View result;
  result.layout = variant.layouts.of[v];
  if (v.getDefiningOp<ConstantOp>()) {
    result.base = constantData(v);
    return result;
  }
  Value root = variant.root(v);
  auto [it, fresh] = bases.try_emplace(root);
  if (fresh) {
    // Stores in loops may alias the argument block, so its pointers are read before them.
    OpBuilder &b = k.builder();
    OpBuilder::InsertionGuard keep(b);
    b.setInsertionPointAfter(anchor);
    Val base = baseOf(root);
    if (Operation *last = base.v.getDefiningOp(); last && last->getBlock() == anchor->getBlock() && anchor->isBeforeInBlock(last))
      anchor = last;
    bases[root] = base;
  }
  result.base = bases[root];
  return result;
}

Val StepContext::baseOf(Value root) {
  // The source's image, read as it lies: where a reshape's memory begins is where its source's does.
  int64_t origin = variant.layouts.of[root].origin;
  Storage s = variant.storage[root];
  switch (s.kind) {
  case Storage::Input:
    return inputPointer(s.index);
  case Storage::Output:
    return outputPointer(s.index);
  case Storage::Fixed:
    return k.offset(workspace, s.offset + origin);
  case Storage::PerBatch:
    return k.offset(k.offset(workspace, batch * k.index(s.offset)), variant.workspaceFixed + origin);
  case Storage::None:
    break;
  }
  assert(false && "a value without storage");
  return {};
}

Val StepContext::scratch(int64_t bytes) {
  variant.scratchPerThread = std::max(variant.scratchPerThread, (bytes + 63) / 64 * 64 + TRI_SCRATCH_HEADER);
  return k.offset(k.load(k.ptr(), k.offset(args, int64_t(offsetof(tri_kernel_args, scratch))), 8), TRI_SCRATCH_HEADER);
}

Val StepContext::rawBlob(const std::string &key, std::vector<uint8_t> bytes) {
  Placement p;
  p.kind = Placement::Copy;
  p.arenaBytes = bytes.size();
  uint64_t count = bytes.size();
  p.blob = blobs.add(key, Blob::Raw, count, std::move(bytes));
  return k.offset(weights, int64_t(variant.place(p)));
}

Val StepContext::constantData(Value constant) {
  auto op = constant.getDefiningOp<ConstantOp>();
  auto type = cast<RankedTensorType>(constant.getType());
  llvm::SmallVector<char> storage;
  auto raw = rawBytes(op.getValue(), storage);
  std::vector<uint8_t> bytes;
  if (succeeded(raw))
    bytes.assign(raw->begin(), raw->end());
  std::string key = op.getKey() ? op.getKey()->str() : "constant";
  if (!isa<TritType>(type.getElementType()))
    return rawBlob(key, std::move(bytes));
  // Trits are five to a byte on disk at every level; here they are wanted one to a byte in their own order.
  Placement p;
  p.kind = Placement::Panels;
  p.o = p.ko = p.nr = p.kr = 1;
  p.ki = uint32_t(bytes.size());
  p.arenaBytes = bytes.size();
  std::vector<uint8_t> packed(tri_t5_bytes(bytes.size()));
  tri_pack_t5(reinterpret_cast<const int8_t *>(bytes.data()), bytes.size(), packed.data());
  p.blob = blobs.add(key, Blob::T5, bytes.size(), std::move(packed));
  return k.offset(weights, int64_t(variant.place(p)));
}

// ---- Elements ------------------------------------------------------------------------------------------------------------

Type StepContext::computeType(Elem elem) { return isRealElem(elem) ? k.f32() : elem == Elem::I64 ? k.i64() : k.i32(); }

Val StepContext::size(const Layout &layout, unsigned dim) {
  return ShapedType::isDynamic(layout.shape[dim]) ? batch : k.index(layout.shape[dim]);
}

Val StepContext::pointer(const View &view, const Index &at) {
  Val p = view.base;
  for (size_t d = 0; d < at.size(); ++d)
    if (view.layout.shape[d] != 1)
      p = k.offset(p, at[d] * k.index(view.layout.strides[d]));
  return p;
}

Val withLane(Val vector, int64_t lane, Val scalar) {
  KernelBuilder &k = *scalar.k;
  if (!isa<VectorType>(vector.type()))
    return scalar;
  Val position = k.index(lane);
  return k.wrap(k.builder().create<LLVM::InsertElementOp>(k.loc(), vector.v, scalar.v, position.v));
}

Val StepContext::spread(Val value, const Index &at) {
  return at.lane < 0 || isa<VectorType>(value.type()) ? value : k.splat(value, lanes);
}

Val StepContext::loadEntries(Val table, Val index, bool isVector) {
  return k.load(k.vec(isVector ? lanes : 1, k.f32()), k.offset(table, index * k.index(4)), 4);
}

/// As it is stored; neighbours that do not lie side by side are put together.
static Val loadStored(StepContext &c, const View &from, const Index &at, Type stored) {
  KernelBuilder &k = c.k;
  Val p = c.pointer(from, at);
  if (at.lane < 0)
    return k.load(stored, p);
  int64_t stride = from.layout.strides[at.lane];
  if (stride == elemBytes(from.layout.elem))
    return k.load(k.vec(c.lanes, stored), p);
  Val all = k.splat(k.load(stored, p), c.lanes);
  for (int64_t i = 1; i < c.lanes; ++i)
    all = withLane(all, i, k.load(stored, k.offset(p, i * stride)));
  return all;
}

Val StepContext::loadElement(const View &from, const Index &at) {
  auto stored = [&](Type type) { return loadStored(*this, from, at, type); };
  if (from.layout.excess) {
    Val wide = k.zeroExtend(stored(k.i8()), k.i32());
    return wide - k.constantInt(wide.type(), 128);
  }
  switch (from.layout.elem) {
  case Elem::I8: return k.signExtend(stored(k.i8()), k.i32());
  case Elem::U8: return k.zeroExtend(stored(k.i8()), k.i32());
  case Elem::I16: return k.signExtend(stored(k.i16()), k.i32());
  case Elem::I32: return stored(k.i32());
  case Elem::I64: return stored(k.i64());
  case Elem::F16: return emitHalfBitsToFloat(stored(k.i16()));
  case Elem::BF16: return emitBfloatBitsToFloat(stored(k.i16()));
  case Elem::F32: return stored(k.f32());
  }
  return {};
}

void StepContext::storeElement(const View &to, const Index &at, Val value) {
  value = spread(value, at);
  if (to.layout.excess)
    value = value + k.constantInt(value.type(), 128);
  switch (to.layout.elem) {
  case Elem::I8: case Elem::U8: value = k.truncate(value, k.i8()); break;
  case Elem::I16: value = k.truncate(value, k.i16()); break;
  case Elem::F16: value = emitFloatToHalfBits(value); break;
  case Elem::BF16: value = emitFloatToBfloatBits(value); break;
  case Elem::I32: case Elem::I64: case Elem::F32: break;
  }
  Val p = pointer(to, at);
  if (at.lane < 0 || to.layout.strides[at.lane] == elemBytes(to.layout.elem))
    return k.store(value, p);
  for (int64_t i = 0; i < lanes; ++i)
    k.store(k.lane(value, i), k.offset(p, i * to.layout.strides[at.lane]));
}

Val StepContext::roundTo(Elem elem, Val value) {
  if (elem == Elem::F16)
    return emitHalfBitsToFloat(emitFloatToHalfBits(value));
  if (elem == Elem::BF16)
    return emitBfloatBitsToFloat(emitFloatToBfloatBits(value));
  return value;
}

void StepContext::forEachPrefix(const Layout &layout, unsigned dims, const std::function<void(const Index &)> &body) {
  Index at;
  if (dims == 0) {
    k.ifThen(compare(Cmp::Eq, part, k.index(0)), [&] { body(at); });
    return;
  }
  // The parts share the first dimensions, as many as make enough of them.
  unsigned shared = std::min<unsigned>(dims, layout.isDynamic() || (dims > 1 && layout.shape[0] < 64) ? 2 : 1);
  if (dims == 3 && layout.shape[1] == 1)
    shared = 3;
  Val count = size(layout, 0);
  for (unsigned d = 1; d < shared; ++d)
    count = count * size(layout, d);
  Range range = partition(k, count, part, parts);
  std::function<void(unsigned)> nest = [&](unsigned d) {
    if (d == dims) {
      body(at);
      return;
    }
    k.forLoop(k.index(0), size(layout, d), 1, [&](Val i) {
      at.push_back(i);
      nest(d + 1);
      at.pop_back();
    });
  };
  k.forLoop(range.from, range.to, 1, [&](Val unit) {
    at.assign(shared, Val());
    Val rest = unit;
    for (unsigned d = shared; d-- > 1;) {
      Val quotient = rest / size(layout, d);
      at[d] = rest - quotient * size(layout, d);
      rest = quotient;
    }
    at[0] = rest;
    nest(shared);
    at.clear();
  });
}
void StepContext::forEach(const Layout &layout, const std::function<void(const Index &)> &body) {
  forEachPrefix(layout, unsigned(layout.shape.size()), body);
}

} // namespace triton

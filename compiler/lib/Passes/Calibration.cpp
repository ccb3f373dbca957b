#include "Calibration.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace triton {
using namespace ternary;

Percentile::Percentile(uint64_t total, double clip) : total(total) {
  auto rank = static_cast<uint64_t>(std::ceil(clip / 100 * static_cast<double>(total)));
  rank = std::clamp<uint64_t>(rank, 1, std::max<uint64_t>(total, 1));
  keep = total - std::min(rank, total) + 1;
}

void Percentile::add(float value) {
  ++added;
  value = std::fabs(value);
  if (!(value >= 0)) value = 0; // NaN becomes code 0
  if (tail.size() < keep) {
    tail.push_back(value);
    std::push_heap(tail.begin(), tail.end(), std::greater<>());
  } else if (value > tail.front()) {
    std::pop_heap(tail.begin(), tail.end(), std::greater<>());
    tail.back() = value;
    std::push_heap(tail.begin(), tail.end(), std::greater<>());
  }
}

float Percentile::value() const { return tail.empty() ? 0 : tail.front(); }

Result<ScaleMap> calibrate(func::FuncOp function, const ParamTable &params, const std::vector<std::vector<HostTensor>> &samples,
                           const std::vector<FakeQuantizeOp> &quantisers, unsigned threads) {
  InterpretOptions options = params.interpretOptions();
  options.threads = threads;
  llvm::DenseMap<Operation *, size_t> index;
  for (size_t i = 0; i < quantisers.size(); ++i) {
    FakeQuantizeOp q = quantisers[i];
    index[q.getOperation()] = i;
  }
  options.observes = [&](Operation *op) { return index.contains(op); };
  Result<Interpreter> interpreter = Interpreter::create(function, options);
  if (!interpreter) return interpreter.takeError();
  // The batch of each sample tells how many values a quantiser will see in all.
  auto batchOf = [&](const std::vector<HostTensor> &sample) -> uint64_t {
    for (auto [arg, tensor] : llvm::zip(function.getArguments(), sample)) {
      auto type = cast<ShapedType>(arg.getType());
      if (type.getRank() && type.isDynamicDim(0) && !tensor.shape.empty()) return static_cast<uint64_t>(std::max<int64_t>(tensor.shape[0], 1));
    }
    return 1;
  };
  uint64_t batches = 0;
  for (const auto &sample : samples) batches += batchOf(sample);
  std::vector<Percentile> percentiles;
  for (FakeQuantizeOp q : quantisers) {
    auto type = cast<ShapedType>(q.getType());
    uint64_t each = 1, count = samples.size();
    for (int64_t size : type.getShape()) {
      if (ShapedType::isDynamic(size))
        count = batches;
      else
        each *= static_cast<uint64_t>(size);
    }
    percentiles.emplace_back(each * count, q.getClip().convertToDouble());
  }
  Observer observer = [&](Value value, const HostTensor &tensor) {
    Percentile &p = percentiles[index.at(value.getDefiningOp())];
    for (float v : toFloats(tensor.type, tensor.bytes)) p.add(v);
  };
  for (const auto &sample : samples) {
    Result<std::vector<HostTensor>> done = interpreter->run(sample, observer);
    if (!done) return Error{"calibration: " + done.error().message, done.error().kind};
  }
  ScaleMap scales;
  for (size_t i = 0; i < quantisers.size(); ++i) {
    FakeQuantizeOp q = quantisers[i];
    auto scale = static_cast<float>(static_cast<double>(percentiles[i].value()) / static_cast<double>(codeHi(q.getKind())));
    if (std::isinf(scale)) return Error{"calibration: the activations of a quantiser are infinite"};
    scales[q] = scale > 0 ? scale : 1.0f;
  }
  return scales;
}

/// The number of rows of the table that an argument indexes, through operations that keep values; 2 if there is none.
static int64_t tableRows(Value ids) {
  for (Operation *user : ids.getUsers()) {
    if (auto embedding = dyn_cast<EmbeddingOp>(user)) return cast<ShapedType>(embedding.getTable().getType()).getDimSize(0);
    if (isa<ReshapeOp, SliceOp, IndexOp, TransposeOp, CastOp>(user)) return tableRows(user->getResult(0));
  }
  return 2;
}

std::vector<HostTensor> syntheticSample(func::FuncOp function, uint64_t seed) {
  std::vector<HostTensor> sample;
  for (BlockArgument arg : function.getArguments()) {
    auto type = cast<RankedTensorType>(arg.getType());
    TensorShape shape;
    for (int64_t size : type.getShape()) shape.push_back(ShapedType::isDynamic(size) ? 1 : size);
    auto n = static_cast<size_t>(elementCount(shape).value_or(0));
    uint64_t stream = keyHash64("input") ^ (seed + arg.getArgNumber() * 0x9E3779B9u);
    Type element = type.getElementType();
    bool bytes = element.isUnsignedInteger(8);
    if (auto dtypes = function.getArgAttrOfType<ArrayAttr>(arg.getArgNumber(), "ternary.dtypes"); dtypes && isReal(element))
      for (Attribute d : dtypes)
        if (auto text = dyn_cast<StringAttr>(d)) bytes |= text.getValue() == "uint8";
    auto draw = [&](size_t i) { return splitMix64(stream, i) >> 11; };
    if (bytes) {
      std::vector<uint8_t> values(n);
      for (size_t i = 0; i < n; ++i) values[i] = static_cast<uint8_t>(draw(i) >> 45);
      sample.push_back(HostTensor::of<uint8_t>(shape, values));
    } else if (isReal(element)) {
      std::vector<float> values(n);
      for (size_t i = 0; i < n; ++i) values[i] = static_cast<float>((static_cast<double>(draw(i)) * 0x1p-52 - 1) * 1.7320508);
      HostTensor host = HostTensor::of<float>(shape, values);
      if (!element.isF32()) { // 16-bit inputs take their own type
        host.type = element.isF16() ? ElementType::F16 : ElementType::BF16;
        host.bytes.clear();
        for (float v : values) {
          uint16_t h = element.isF16() ? doubleToHalf(v) : doubleToBfloat16(v);
          host.bytes.push_back(static_cast<uint8_t>(h));
          host.bytes.push_back(static_cast<uint8_t>(h >> 8));
        }
      }
      sample.push_back(std::move(host));
    } else {
      auto rows = static_cast<uint64_t>(std::clamp<int64_t>(tableRows(arg), 1, 127));
      unsigned width = element.isInteger(64) ? 8 : element.isInteger(32) ? 4 : element.isInteger(16) ? 2 : 1;
      HostTensor host;
      host.type = width == 8 ? ElementType::I64 : width == 4 ? ElementType::I32 : width == 2 ? ElementType::I16
                  : element.isInteger(1) ? ElementType::Bool : ElementType::I8;
      host.shape = shape;
      host.bytes.assign(n * width, 0);
      bool narrow = element.isInteger(1) || isa<TritType>(element);
      for (size_t i = 0; i < n; ++i) host.bytes[i * width] = static_cast<uint8_t>(draw(i) % (narrow ? 2 : rows));
      sample.push_back(std::move(host));
    }
  }
  return sample;
}

} // namespace triton

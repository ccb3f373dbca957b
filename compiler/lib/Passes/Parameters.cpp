#include "triton/Passes/Parameters.h"

#include "triton/Support/Parallel.h"

#include "ternary/Constants.h"

#include <algorithm>
#include <map>
#include <numeric>

using namespace mlir;

namespace triton {
using namespace ternary;

static DType storageType(WeightStorage storage) {
  switch (storage) {
  case WeightStorage::Trit: return DType::Trit;
  case WeightStorage::Int8: return DType::Int8;
  case WeightStorage::Int4: return DType::Int4;
  case WeightStorage::Float32: return DType::Float32;
  case WeightStorage::Float16: return DType::Float16;
  case WeightStorage::BFloat16: return DType::BFloat16;
  }
  return DType::Float32;
}

static WeightPolicy weightPolicy(WeightsAttr attr) {
  WeightPolicy policy;
  policy.storage = storageType(attr.getStorage());
  policy.scale = attr.getScale() == ternary::WeightScale::PerTensor    ? triton::WeightScale::PerTensor
                 : attr.getScale() == ternary::WeightScale::PerChannel ? triton::WeightScale::PerChannel
                                                                       : triton::WeightScale::PerGroup;
  switch (attr.getMethod()) {
  case ternary::WeightMethod::Twn: policy.method = triton::WeightMethod::Twn; break;
  case ternary::WeightMethod::AbsMean: policy.method = triton::WeightMethod::AbsMean; break;
  case ternary::WeightMethod::Fixed: policy.method = triton::WeightMethod::Fixed; break;
  case ternary::WeightMethod::Stochastic: policy.method = triton::WeightMethod::Stochastic; break;
  case ternary::WeightMethod::Learned: policy.method = triton::WeightMethod::Learned; break;
  }
  policy.threshold = attr.getThreshold();
  policy.group = attr.getGroup();
  policy.seed = attr.getSeed();
  return policy;
}

static DType plainType(Type element) {
  if (element.isF16()) return DType::Float16;
  if (element.isBF16()) return DType::BFloat16;
  if (isReal(element)) return DType::Float32;
  if (isa<TritType>(element)) return DType::Trit;
  if (element.isInteger(1)) return DType::Bool;
  if (element.isInteger(8)) return element.isUnsignedInteger() ? DType::UInt8 : DType::Int8;
  return element.isInteger(16) ? DType::Int16 : element.isInteger(32) ? DType::Int32 : DType::Int64;
}

/// What a parameter is for in a norm; `index` is its operand number there.
static ParamRole roleOf(ParamOp param) {
  for (OpOperand &use : param->getUses()) {
    Operation *user = use.getOwner();
    unsigned index = use.getOperandNumber();
    if (isa<BatchNormOp>(user)) return index == 1 || index == 4 ? ParamRole::One : ParamRole::Zero;
    if (isa<LayerNormOp>(user)) return index == 1 ? ParamRole::One : ParamRole::Zero;
    if (isa<RmsNormOp>(user)) return ParamRole::One;
  }
  return ParamRole::Auto;
}

WeightRequest weightRequest(ParamOp param) {
  WeightRequest request;
  auto type = cast<RankedTensorType>(param.getType());
  request.key = param.getKey().str();
  request.shape.assign(type.getShape().begin(), type.getShape().end());
  request.channelAxis = static_cast<int64_t>(param.getAxis());
  request.dtype = plainType(type.getElementType());
  request.role = roleOf(param);
  if (auto policy = param.getPolicy()) {
    request.isWeight = true;
    request.policy = weightPolicy(*policy);
  }
  if (request.dtype == DType::Trit && !request.isWeight) { // a trit parameter without a policy of its own
    request.isWeight = true;
    request.policy.storage = DType::Trit;
  }
  if (std::optional<ElementsAttr> init = param.getInit()) {
    std::vector<double> values;
    if (FailureOr<std::vector<float>> reals = floatVector(*init); succeeded(reals))
      values.assign(reals->begin(), reals->end());
    else if (FailureOr<std::vector<int64_t>> integers = intVector(*init); succeeded(integers))
      values.assign(integers->begin(), integers->end());
    request.initIsTrits = llvm::all_of(values, [](double v) { return v == -1 || v == 0 || v == 1; });
    request.init = std::move(values);
  }
  return request;
}

std::vector<float> ParamTable::Entry::real() const {
  return weight.real(scaleLayout(request.policy, request.shape, request.channelAxis));
}

FailureOr<ParamTable> ParamTable::load(Operation *root, const WeightStore &store, std::vector<std::string> *warnings,
                                       unsigned threads, bool asReals) {
  ParamTable table;
  bool failedAny = false;
  std::vector<ParamOp> params;
  std::vector<WeightRequest> requests;
  std::vector<std::string> scaleKeys;
  // A parameter that several operations name is loaded once, and its role is the first that says something.
  std::map<std::string, ParamRole> roles;
  root->walk([&](ParamOp param) {
    ParamRole role = roleOf(param);
    auto [it, isNew] = roles.emplace(param.getKey().str(), role);
    if (!isNew && it->second == ParamRole::Auto) it->second = role;
  });
  root->walk([&](Operation *op) {
    if (auto fake = dyn_cast<FakeQuantizeOp>(op); fake && fake.getKey()) scaleKeys.push_back(fake.getKey()->str());
    auto param = dyn_cast<ParamOp>(op);
    if (!param) return;
    params.push_back(param);
    requests.push_back(weightRequest(param));
    requests.back().role = roles[requests.back().key];
    if (asReals && requests.back().isWeight && store.holdsFloats(requests.back().key)) {
      requests.back().isWeight = false;
      requests.back().dtype = DType::Float32;
    }
  });
  std::vector<std::optional<Result<LoadedWeight>>> loaded(params.size());
  // The largest first: one that begins last would keep all others waiting.
  std::vector<size_t> order(params.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return elementCount(requests[a].shape).value_or(0) > elementCount(requests[b].shape).value_or(0);
  });
  parallelFor(params.size(), threads, [&](size_t i, unsigned) { loaded[order[i]].emplace(store.load(requests[order[i]])); });
  constexpr size_t kMaxErrors = 20; // a checkpoint of another network lacks everything
  size_t errors = 0;
  for (size_t i = 0; i < params.size(); ++i) {
    if (!*loaded[i]) {
      if (++errors <= kMaxErrors) params[i].emitError(loaded[i]->error().message);
      failedAny = true;
      continue;
    }
    auto entry = std::make_shared<Entry>();
    entry->request = requests[i];
    entry->weight = std::move(**loaded[i]);
    table.entries[params[i]] = std::move(entry);
  }
  if (errors > kMaxErrors) root->emitError("and " + std::to_string(errors - kMaxErrors) + " more parameters that do not fit");
  if (failedAny) return failure();
  if (warnings) *warnings = store.unused(requests, scaleKeys);
  return table;
}

void ParamTable::replaceReals(const std::map<std::string, std::vector<float>> &byKey) {
  for (auto &[op, entry] : entries) {
    auto found = byKey.find(entry->request.key);
    if (found == byKey.end() || found->second.size() != entry->weight.values.size()) continue;
    auto changed = std::make_shared<Entry>(*entry);
    changed->weight.values = found->second;
    entry = std::move(changed);
  }
}

InterpretOptions ParamTable::interpretOptions() const {
  InterpretOptions options;
  options.param = [this](Operation *op) -> Result<HostTensor> {
    auto param = cast<ParamOp>(op);
    const Entry &entry = at(param);
    Type element = cast<ShapedType>(param.getType()).getElementType();
    if (isReal(element)) return HostTensor::of<float>(entry.request.shape, entry.real());
    if (isa<TritType>(element)) return HostTensor::of<int8_t>(entry.request.shape, entry.weight.codes.codes);
    // Plain integers were loaded as reals that hold them exactly.
    std::vector<char> bytes;
    HostTensor host;
    host.shape = entry.request.shape;
    auto fill = [&](auto zero, ElementType type) {
      using T = decltype(zero);
      std::vector<T> values(entry.weight.values.begin(), entry.weight.values.end());
      host.type = type;
      host.bytes.resize(values.size() * sizeof(T));
      if (!values.empty()) std::memcpy(host.bytes.data(), values.data(), host.bytes.size());
    };
    switch (entry.request.dtype) {
    case DType::Bool: fill(uint8_t(), ElementType::Bool); break;
    case DType::UInt8: fill(uint8_t(), ElementType::U8); break;
    case DType::Int16: fill(int16_t(), ElementType::I16); break;
    case DType::Int32: fill(int32_t(), ElementType::I32); break;
    case DType::Int64: fill(int64_t(), ElementType::I64); break;
    default: fill(int8_t(), ElementType::I8); break;
    }
    return host;
  };
  options.paramCodes = [this](Operation *op) -> Result<HostTensor> {
    const Entry &entry = at(cast<ParamOp>(op));
    return HostTensor::of<int8_t>(entry.request.shape, entry.weight.codes.codes);
  };
  return options;
}

} // namespace triton

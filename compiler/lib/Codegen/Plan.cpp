// Steps, fusion of single elements, and the memory plan.
#include "Plan.h"

#include "ternary/TernaryOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <algorithm>
#include <set>

using namespace mlir;
using namespace triton::ternary;

namespace triton {

static RankedTensorType tensorOf(Value v) { return cast<RankedTensorType>(v.getType()); }

std::string describeLocation(Location location) {
  if (auto fused = dyn_cast<FusedLoc>(location)) {
    std::string text;
    for (Location part : fused.getLocations())
      if (std::string each = describeLocation(part); !each.empty())
        text += (text.empty() ? "" : ", ") + each;
    return text;
  }
  if (auto name = dyn_cast<NameLoc>(location)) {
    std::string inner = describeLocation(name.getChildLoc());
    return name.getName().str() + (inner.empty() ? "" : ", " + inner);
  }
  if (auto file = dyn_cast<FileLineColLoc>(location))
    return file.getFilename().str() + ":" + std::to_string(file.getLine()) + ":" + std::to_string(file.getColumn());
  return "";
}

static std::string pathOf(Location location) {
  if (auto name = dyn_cast<NameLoc>(location))
    return name.getName().str();
  if (auto fused = dyn_cast<FusedLoc>(location))
    for (Location part : fused.getLocations())
      if (std::string path = pathOf(part); !path.empty())
        return path;
  return "";
}

DType outsideDType(Type element) {
  if (element.isF32()) return DType::Float32;
  if (element.isF16()) return DType::Float16;
  if (element.isBF16()) return DType::BFloat16;
  if (isa<TritType>(element)) return DType::Trit;
  if (auto q = dyn_cast<QuantType>(element))
    switch (q.getKind()) {
    case CodeKind::I8: return DType::Int8;
    case CodeKind::U8: return DType::UInt8;
    case CodeKind::I6: return DType::Int6;
    case CodeKind::U6: return DType::UInt6;
    case CodeKind::I4: return DType::Int4;
    case CodeKind::U4: return DType::UInt4;
    case CodeKind::T: return DType::Trit;
    }
  auto integer = cast<IntegerType>(element);
  switch (integer.getWidth()) {
  case 1: return DType::Bool;
  case 8: return integer.isUnsigned() ? DType::UInt8 : DType::Int8;
  case 16: return DType::Int16;
  case 32: return DType::Int32;
  default: return DType::Int64;
  }
}

std::vector<DType> acceptedDTypes(func::FuncOp function, unsigned argument) {
  std::vector<DType> result;
  if (auto names = function.getArgAttrOfType<ArrayAttr>(argument, "ternary.dtypes"))
    for (Attribute name : names)
      if (auto text = dyn_cast<StringAttr>(name))
        if (auto dtype = dtypeFromName(text.getValue()))
          result.push_back(*dtype);
  if (result.empty())
    result.push_back(outsideDType(tensorOf(function.getArgument(argument)).getElementType()));
  return result;
}

namespace {

class Planner {
public:
  Planner(func::FuncOp function, int optLevel) : function(function), optLevel(optLevel) {}

  Result<Plan> run() {
    plan.layouts = chooseLayouts(function, optLevel);
    if (optLevel >= 1)
      chooseInlined();
    if (auto inputs = planInputs(); !inputs)
      return inputs.takeError();
    planSteps();
    planOutputs();
    planMemory();
    return std::move(plan);
  }

private:
  Block &body() { return function.getBody().front(); }

  // ---- Fusion of single elements ---------------------------------------------------------------------------------------

  static bool readsEachElementOnce(Operation *consumer, Value operand) {
    if (!isElementwise(consumer))
      return false;
    int64_t of = 0, result = 1;
    of = 1;
    for (int64_t d : tensorOf(operand).getShape())
      of *= ShapedType::isDynamic(d) ? 1 : d;
    for (int64_t d : tensorOf(consumer->getResult(0)).getShape())
      result *= ShapedType::isDynamic(d) ? 1 : d;
    // A broadcast operand would be computed again and again; a concatenation may pick a part of it.
    return of >= result || isa<ConcatOp, PadOp>(consumer);
  }
  void chooseInlined() {
    for (Operation &op : body()) {
      if (!isElementwise(&op) || op.getNumResults() != 1 || !op.getResult(0).hasOneUse() || plan.layouts.permuted.contains(op.getResult(0)))
        continue;
      Operation *user = *op.getResult(0).user_begin();
      if (isa<func::ReturnOp>(user) || isAlias(&op) || isAlias(user) || !readsEachElementOnce(user, op.getResult(0)))
        continue;
      if (auto affine = dyn_cast<AffineOp>(user); affine && tensorOf(affine.getAcc()).getRank() > tensorOf(affine.getResult()).getRank())
        continue; // groups are read from memory
      plan.inlined.insert(&op);
    }
  }

  // ---- Inputs ----------------------------------------------------------------------------------------------------------

  Result<void> planInputs() {
    for (BlockArgument argument : function.getArguments()) {
      plan.storage[argument] = {Storage::Input, argument.getArgNumber(), 0};
      DType own = outsideDType(tensorOf(argument).getElementType());
      std::vector<DType> dtypes = acceptedDTypes(function, argument.getArgNumber());
      bool converts = false;
      for (DType d : dtypes) {
        if (d == own || codesLikeBytes(d, tensorOf(argument).getElementType()))
          continue;
        if (d == DType::UInt8 && own == DType::Float32) {
          converts = true;
          continue;
        }
        return Error{"input " + std::to_string(argument.getArgNumber()) + " accepts " + dtypeName(d) + " for " + dtypeName(own) +
                     ", which no generator converts"};
      }
      if (!converts)
        continue;
      converted[argument.getArgNumber()] = dtypes;
      if (llvm::all_of(argument.getUsers(), [](Operation *user) { return isa<QuantizeOp>(user); }))
        continue;
      materialised.push_back(argument);
      for (DType d : dtypes) {
        PlannedStep step;
        step.kind = PlannedStep::Materialise;
        step.value = argument;
        if (dtypes.size() > 1 || d != DType::Float32)
          step.guard = {argument.getArgNumber(), d};
        step.name = std::string("input") + std::to_string(argument.getArgNumber()) + "__preprocess_" + dtypeName(d);
        plan.steps.push_back(step);
      }
    }
    return {};
  }
  static bool codesLikeBytes(DType d, Type element) {
    // Narrow integers of the language live in bytes.
    return (element.isSignlessInteger(8) && (d == DType::Int4 || d == DType::Int6 || d == DType::Int8)) ||
           (element.isUnsignedInteger(8) && (d == DType::UInt4 || d == DType::UInt6 || d == DType::UInt8));
  }

  // ---- Steps -----------------------------------------------------------------------------------------------------------

  bool isAlias(Operation *op) {
    auto reshape = dyn_cast<ReshapeOp>(op);
    if (!reshape)
      return false;
    if (plan.layouts.permuted.contains(reshape.getResult()))
      return true;
    if (auto argument = dyn_cast<BlockArgument>(reshape.getX()))
      return !isConverted(argument) && plan.layouts.of[reshape.getResult()].isDense();
    return !reshape.getX().getDefiningOp<ConstantOp>() && plan.layouts.of[reshape.getX()].isDense() &&
           plan.layouts.of[reshape.getResult()].isDense();
  }
  bool isConverted(BlockArgument argument) {
    auto dtypes = acceptedDTypes(function, argument.getArgNumber());
    return llvm::any_of(dtypes, [&](DType d) { return d == DType::UInt8; }) && tensorOf(argument).getElementType().isF32();
  }

  /// Values that a step reads from memory.
  void collectReads(Operation *op, llvm::SetVector<Value> &reads) {
    for (Value v : op->getOperands()) {
      Operation *def = v.getDefiningOp();
      if (def && plan.inlined.contains(def))
        collectReads(def, reads);
      else if (!def || !isa<ConstantOp>(def))
        reads.insert(rootOf(v));
    }
  }
  Value rootOf(Value v) {
    for (;;) {
      if (auto it = plan.layouts.permuted.find(v); it != plan.layouts.permuted.end())
        v = it->second.source;
      else if (auto alias = plan.alias.find(v); alias != plan.alias.end())
        v = alias->second;
      else
        return v;
    }
  }

  uint64_t macsOf(Operation *op) {
    auto elements = [](Value v) {
      uint64_t n = 1;
      for (int64_t d : tensorOf(v).getShape())
        n *= ShapedType::isDynamic(d) ? 1 : uint64_t(d);
      return n;
    };
    if (isa<Conv2dOp, FusedConv2dOp>(op)) {
      auto w = tensorOf(op->getOperand(1)).getShape();
      uint64_t groups = isa<Conv2dOp>(op) && cast<Conv2dOp>(op).getKGroups() ? *cast<Conv2dOp>(op).getKGroups() : 1;
      return elements(op->getResult(0)) / groups * uint64_t(w[1] * w[2] * w[3]);
    }
    if (isa<LinearOp, FusedLinearOp, MatmulOp>(op)) {
      uint64_t inner = uint64_t(tensorOf(op->getOperand(0)).getShape().back());
      uint64_t groups = 1;
      if (auto linear = dyn_cast<LinearOp>(op); linear && linear.getKGroups())
        groups = *linear.getKGroups();
      if (auto matmul = dyn_cast<MatmulOp>(op); matmul && matmul.getKGroups())
        groups = *matmul.getKGroups();
      return elements(op->getResult(0)) / groups * inner;
    }
    return 0;
  }

  void planSteps() {
    for (Operation &op : body()) {
      if (isa<ConstantOp, func::ReturnOp>(op) || plan.inlined.contains(&op))
        continue;
      if (isAlias(&op)) {
        if (!plan.layouts.permuted.contains(op.getResult(0)))
          plan.alias[op.getResult(0)] = op.getOperand(0);
        continue;
      }
      PlannedStep step;
      step.op = &op;
      step.layer = layerOf(&op);
      std::string path = step.layer.empty() ? pathOf(op.getLoc()) : step.layer;
      step.name = (path.empty() ? std::string() : path + "__") + op.getName().stripDialect().str();
      step.macsPerBatch = macsOf(&op);
      llvm::SetVector<Value> reads;
      collectReads(&op, reads);
      for (Value v : reads)
        step.bytesPerBatch += uint64_t(plan.layouts.of[v].unitBytes);
      for (Value v : op.getResults())
        step.bytesPerBatch += uint64_t(plan.layouts.of[v].unitBytes);
      // One copy for each dtype of the converted input that it reads directly.
      std::optional<unsigned> input;
      for (Value v : reads)
        if (auto argument = dyn_cast<BlockArgument>(v);
            argument && converted.count(argument.getArgNumber()) && !llvm::is_contained(materialised, argument))
          input = argument.getArgNumber();
      if (!input) {
        plan.steps.push_back(step);
        continue;
      }
      for (DType d : converted[*input]) {
        PlannedStep guarded = step;
        guarded.guard = {*input, d};
        guarded.name += std::string("_") + dtypeName(d);
        plan.steps.push_back(guarded);
      }
    }
  }

  static std::string layerOf(Operation *op) {
    if (!isa<Conv2dOp, FusedConv2dOp, LinearOp, FusedLinearOp, MatmulOp>(op))
      return "";
    auto constant = op->getOperand(1).getDefiningOp<ConstantOp>();
    if (!constant || !constant.getKey())
      return pathOf(op->getLoc());
    llvm::StringRef key = *constant.getKey();
    return (key.ends_with(".weight") ? key.drop_back(7) : key).str();
  }

  void planOutputs() {
    auto result = cast<func::ReturnOp>(body().getTerminator());
    std::set<const void *> taken;
    for (auto [i, v] : llvm::enumerate(result.getOperands())) {
      Value root = rootOf(v);
      Operation *def = root.getDefiningOp();
      // The producer may write the caller's buffer itself if the value is as the caller wants it.
      bool direct = def && !isa<ConstantOp>(def) && root == v && plan.layouts.of[v].isDense() &&
                    taken.insert(v.getAsOpaquePointer()).second;
      if (direct) {
        plan.storage[v] = {Storage::Output, unsigned(i), 0};
        continue;
      }
      PlannedStep step;
      step.kind = PlannedStep::CopyOut;
      step.value = v;
      step.output = unsigned(i);
      step.name = "output" + std::to_string(i) + "__copy";
      step.bytesPerBatch = 2 * uint64_t(plan.layouts.of[v].unitBytes);
      if (auto argument = dyn_cast<BlockArgument>(v);
          argument && converted.count(argument.getArgNumber()) && !llvm::is_contained(materialised, argument)) {
        for (DType d : converted[argument.getArgNumber()]) {
          step.guard = {argument.getArgNumber(), d};
          plan.steps.push_back(step);
        }
        continue;
      }
      plan.steps.push_back(step);
    }
  }

  // ---- Memory ----------------------------------------------------------------------------------------------------------

  struct Interval {
    Value value;
    int64_t bytes;
    size_t first, last;
    bool dynamic;
    int64_t offset = 0;
  };

  void planMemory() {
    llvm::MapVector<Value, Interval> intervals;
    auto need = [&](Value v, size_t at) {
      if (!plan.layouts.of.contains(v))
        return;
      auto found = plan.storage.find(v);
      bool buffer = found == plan.storage.end() || (isa<BlockArgument>(v) && llvm::is_contained(materialised, cast<BlockArgument>(v)));
      if (!buffer)
        return;
      const Layout &layout = plan.layouts.of[v];
      auto [it, fresh] = intervals.insert({v, Interval{v, (layout.unitBytes + 63) / 64 * 64, at, at, layout.isDynamic()}});
      it->second.first = std::min(it->second.first, at);
      it->second.last = std::max(it->second.last, at);
    };
    for (auto [i, step] : llvm::enumerate(plan.steps)) {
      if (step.value)
        need(rootOf(step.value), i);
      if (!step.op)
        continue;
      llvm::SetVector<Value> reads;
      collectReads(step.op, reads);
      for (Value v : reads)
        need(v, i);
      for (Value v : step.op->getResults())
        need(v, i);
    }
    // First fit by size among what lives at the same time; below -O2 every buffer has a place of its own.
    std::vector<Interval *> order;
    for (auto &[value, interval] : intervals)
      order.push_back(&interval);
    if (optLevel >= 2)
      std::stable_sort(order.begin(), order.end(), [](const Interval *a, const Interval *b) { return a->bytes > b->bytes; });
    std::vector<const Interval *> placed;
    for (Interval *interval : order) {
      std::vector<std::pair<int64_t, int64_t>> busy;
      for (const Interval *other : placed)
        if (other->dynamic == interval->dynamic &&
            (optLevel < 2 || (other->first <= interval->last && interval->first <= other->last)))
          busy.push_back({other->offset, other->offset + other->bytes});
      std::sort(busy.begin(), busy.end());
      int64_t offset = 0;
      for (auto [from, to] : busy) {
        if (offset + interval->bytes <= from)
          break;
        offset = std::max(offset, to);
      }
      interval->offset = offset;
      placed.push_back(interval);
      int64_t &total = interval->dynamic ? plan.workspacePerBatch : plan.workspaceFixed;
      total = std::max(total, offset + interval->bytes);
      plan.storage[interval->value] = {interval->dynamic ? Storage::PerBatch : Storage::Fixed, 0, offset};
    }
  }

  func::FuncOp function;
  int optLevel;
  Plan plan;
  std::map<unsigned, std::vector<DType>> converted; ///< inputs that also take raw bytes
  llvm::SmallVector<BlockArgument> materialised;
};

} // namespace

Result<Plan> planProgram(func::FuncOp function, int optLevel) { return Planner(function, optLevel).run(); }

} // namespace triton

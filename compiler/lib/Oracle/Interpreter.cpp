#include "Kernel.h"

#include <algorithm>

using namespace mlir;

namespace triton {
using namespace oracle;

namespace {

struct Step {
  Operation *op;
  Kernel kernel;
  std::vector<int> operands;    ///< slots of the operands that are there
  std::vector<int> results;
  std::vector<int> dying;       ///< slots that nobody reads afterwards
  std::vector<bool> half, bfloat; ///< results that are rounded once to 16 bits
  bool observed;
};

/// How raw bytes of an input become real (section 10).
struct Input {
  std::string name;
  RankedTensorType type;
  bool takesBytes = false;
  float scale = 1;
  std::vector<float> mean{0}, std{1};
};

} // namespace

struct Interpreter::Program {
  std::vector<Input> inputs;
  std::vector<std::pair<int, Tensor>> constants; ///< by slot; shared by all runs
  std::vector<Step> steps;
  std::vector<int> outputs;
  std::vector<Type> outputElements;
  int slots = 0;
  func::FuncOp function; ///< used only for what is handed to an observer
};

static std::vector<float> floatsOf(Attribute attr) {
  std::vector<float> out;
  if (auto array = dyn_cast_or_null<ArrayAttr>(attr)) {
    for (Attribute a : array)
      if (auto f = dyn_cast<FloatAttr>(a)) out.push_back(static_cast<float>(f.getValueAsDouble()));
  } else if (auto dense = dyn_cast_or_null<DenseF64ArrayAttr>(attr)) {
    for (double d : dense.asArrayRef()) out.push_back(static_cast<float>(d));
  } else if (auto narrow = dyn_cast_or_null<DenseF32ArrayAttr>(attr)) {
    for (float d : narrow.asArrayRef()) out.push_back(d);
  } else if (auto elements = dyn_cast_or_null<DenseFPElementsAttr>(attr)) {
    for (const APFloat &v : elements.getValues<APFloat>()) {
      APFloat copy = v;
      bool lost;
      copy.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &lost);
      out.push_back(copy.convertToFloat());
    }
  } else if (auto one = dyn_cast_or_null<FloatAttr>(attr)) {
    out.push_back(static_cast<float>(one.getValueAsDouble()));
  }
  return out;
}

static Input describeInput(func::FuncOp function, unsigned index) {
  Input input;
  input.name = "input " + std::to_string(index);
  if (auto name = function.getArgAttrOfType<StringAttr>(index, "ternary.name")) input.name = "input '" + name.str() + "'";
  input.type = cast<RankedTensorType>(function.getArgument(index).getType());
  if (auto dtypes = function.getArgAttrOfType<ArrayAttr>(index, "ternary.dtypes"))
    for (Attribute d : dtypes)
      if (auto text = dyn_cast<StringAttr>(d)) input.takesBytes |= text.getValue() == "uint8";
  std::vector<float> scale = floatsOf(function.getArgAttr(index, "ternary.scale"));
  std::vector<float> mean = floatsOf(function.getArgAttr(index, "ternary.mean"));
  std::vector<float> std = floatsOf(function.getArgAttr(index, "ternary.std"));
  if (!scale.empty()) input.scale = scale[0];
  if (!mean.empty()) input.mean = mean;
  if (!std.empty()) input.std = std;
  return input;
}

static Result<Kernel> buildKernel(Operation *op, const BuildContext &context) {
  for (auto build : {buildQuantise, buildProduct, buildElementwise, buildNorm, buildReduce, buildAttention, buildMoving}) {
    Result<Kernel> kernel = build(op, context);
    if (!kernel || *kernel) return kernel;
  }
  return Error{"the oracle does not know the operation '" + op->getName().getStringRef().str() + "'", ErrorKind::Internal};
}

Result<Interpreter> Interpreter::create(func::FuncOp function, const InterpretOptions &options) {
  if (!function.getBody().hasOneBlock())
    return Error{"the oracle needs a function of one block: " + function.getName().str(), ErrorKind::Internal};
  auto program = std::make_shared<Program>();
  program->function = function;
  llvm::DenseMap<Value, int> slotOf;
  Block &block = function.getBody().front();
  for (BlockArgument arg : block.getArguments()) {
    if (!isa<RankedTensorType>(arg.getType()))
      return Error{"the oracle needs ranked tensors as arguments: " + function.getName().str(), ErrorKind::Internal};
    program->inputs.push_back(describeInput(function, arg.getArgNumber()));
    slotOf[arg] = program->slots++;
  }
  BuildContext context{options};
  for (Operation &op : block) {
    if (auto ret = dyn_cast<func::ReturnOp>(op)) {
      for (Value v : ret.getOperands()) {
        program->outputs.push_back(slotOf.at(v));
        program->outputElements.push_back(cast<RankedTensorType>(v.getType()).getElementType());
      }
      continue;
    }
    if (isa<ternary::ConstantOp, ternary::ParamOp>(op)) {
      Result<Tensor> value = constantOf(&op, context);
      if (!value) return value.takeError();
      slotOf[op.getResult(0)] = program->slots;
      program->constants.emplace_back(program->slots++, std::move(*value));
      continue;
    }
    Result<Kernel> kernel = buildKernel(&op, context);
    if (!kernel) return kernel.takeError();
    Step step;
    step.op = &op;
    step.kernel = std::move(*kernel);
    step.observed = !options.observes || options.observes(&op);
    for (Value v : op.getOperands()) step.operands.push_back(slotOf.at(v));
    for (Value v : op.getResults()) {
      Type element = cast<RankedTensorType>(v.getType()).getElementType();
      step.half.push_back(element.isF16());
      step.bfloat.push_back(element.isBF16());
      slotOf[v] = program->slots;
      step.results.push_back(program->slots++);
    }
    program->steps.push_back(std::move(step));
  }
  // Values die after their last reader, so that a big network needs the memory of a few layers.
  std::vector<bool> seen(static_cast<size_t>(program->slots));
  for (int slot : program->outputs) seen[static_cast<size_t>(slot)] = true;
  for (auto step = program->steps.rbegin(); step != program->steps.rend(); ++step) {
    for (int slot : step->results)
      if (!seen[static_cast<size_t>(slot)]) step->dying.push_back(slot);
    for (int slot : step->operands)
      if (!seen[static_cast<size_t>(slot)]) {
        seen[static_cast<size_t>(slot)] = true;
        step->dying.push_back(slot);
      }
  }
  Interpreter made;
  made.program = std::move(program);
  return made;
}

/// Bytes to reals: fl(fl(fl(x * scale) - mean[c]) / std[c]), c along axis 1 (0 for rank 1).
static Tensor preprocess(const HostTensor &host, const Input &input) {
  Tensor out(Tensor::Real, host.shape);
  size_t channels = std::max(input.mean.size(), input.std.size());
  int64_t inner = sizeOf(host.shape, std::min<size_t>(2, host.shape.size()), host.shape.size());
  for (size_t i = 0; i < out.f.size(); ++i) {
    size_t c = static_cast<size_t>(static_cast<int64_t>(i) / inner) % channels;
    float scaled = static_cast<float>(host.bytes[i]) * input.scale;
    float centred = scaled - input.mean[input.mean.size() == 1 ? 0 : c];
    out.f[i] = centred / input.std[input.std.size() == 1 ? 0 : c];
  }
  return out;
}

static std::string shapeText(RankedTensorType type) {
  std::string out = "[";
  for (auto [i, size] : llvm::enumerate(type.getShape()))
    out += (i ? ", " : "") + (ShapedType::isDynamic(size) ? std::string("N") : std::to_string(size));
  return out + "]";
}

static Result<Tensor> readInput(const HostTensor &host, const Input &input, std::optional<int64_t> &batch) {
  ArrayRef<int64_t> wanted = input.type.getShape();
  bool fits = wanted.size() == host.shape.size();
  for (size_t i = 0; fits && i < wanted.size(); ++i)
    fits = ShapedType::isDynamic(wanted[i]) ? host.shape[i] >= 1 : wanted[i] == host.shape[i];
  std::optional<int64_t> count = elementCount(host.shape);
  if (!fits || !count || static_cast<size_t>(*count) * elementBytes(host.type) != host.bytes.size())
    return Error{input.name + " has shape " + formatShape(host.shape) + ", expected " + shapeText(input.type)};
  if (!wanted.empty() && ShapedType::isDynamic(wanted[0])) {
    if (!batch) batch = host.shape[0];
    if (*batch != host.shape[0])
      return Error{input.name + " has batch size " + std::to_string(host.shape[0]) + ", the inputs before it " + std::to_string(*batch)};
  }
  Type element = input.type.getElementType();
  if (ternary::isReal(element) && host.type == ElementType::U8) {
    if (!input.takesBytes) return Error{input.name + " does not take uint8"};
    return preprocess(host, input);
  }
  Result<Tensor> tensor = fromHost(host, element);
  if (!tensor) return Error{input.name + " " + tensor.error().message};
  return tensor;
}

Result<std::vector<HostTensor>> Interpreter::run(std::span<const HostTensor> inputs, const Observer &observer) const {
  const Program &p = *program;
  if (inputs.size() != p.inputs.size())
    return Error{"expected " + std::to_string(p.inputs.size()) + " inputs, got " + std::to_string(inputs.size())};
  std::vector<Tensor> slots(static_cast<size_t>(p.slots));
  std::vector<const Tensor *> view(slots.size());
  for (size_t i = 0; i < slots.size(); ++i) view[i] = &slots[i];
  for (const auto &[slot, value] : p.constants) view[static_cast<size_t>(slot)] = &value;
  std::optional<int64_t> batch;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Result<Tensor> tensor = readInput(inputs[i], p.inputs[i], batch);
    if (!tensor) return tensor.takeError();
    slots[i] = std::move(*tensor);
  }
  for (const Step &step : p.steps) {
    Operands operands;
    for (int slot : step.operands) operands.push_back(view[static_cast<size_t>(slot)]);
    std::vector<Tensor> results(step.results.size());
    if (Result<void> done = step.kernel(operands, results); !done) return done.takeError();
    for (size_t r = 0; r < results.size(); ++r) {
      if (step.half[r])
        for (float &v : results[r].f) v = roundToHalf(v);
      if (step.bfloat[r])
        for (float &v : results[r].f) v = roundToBfloat16(v);
      if (observer && step.observed) {
        Value value = step.op->getResult(static_cast<unsigned>(r));
        observer(value, toHost(results[r], cast<RankedTensorType>(value.getType()).getElementType()));
      }
      slots[static_cast<size_t>(step.results[r])] = std::move(results[r]);
    }
    for (int slot : step.dying) slots[static_cast<size_t>(slot)] = Tensor();
  }
  std::vector<HostTensor> outputs;
  for (size_t i = 0; i < p.outputs.size(); ++i)
    outputs.push_back(toHost(*view[static_cast<size_t>(p.outputs[i])], p.outputElements[i]));
  return outputs;
}

Result<std::vector<HostTensor>> interpret(func::FuncOp function, std::span<const HostTensor> inputs, const InterpretOptions &options,
                                          const Observer &observer) {
  Result<Interpreter> made = Interpreter::create(function, options);
  if (!made) return made.takeError();
  return made->run(inputs, observer);
}

} // namespace triton

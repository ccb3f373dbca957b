#include "ProgramRunner.h"

#include "triton/Oracle/Interpreter.h"

#include "artifact/cpu_features.h"
#include "artifact/adds.h"
#include "artifact/packing.h"
#include "ternary/TernaryOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>
#include <cmath>
#include <random>

namespace triton::test {

mlir::func::FuncOp Graph::function() { return *module->getOps<mlir::func::FuncOp>().begin(); }

static std::unique_ptr<mlir::MLIRContext> makeContext() {
  mlir::DialectRegistry registry;
  registerCodegenDialects(registry);
  auto context = std::make_unique<mlir::MLIRContext>(registry, mlir::MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  return context;
}
Graph parseGraph(const std::string &text) {
  Graph graph;
  graph.context = makeContext();
  graph.module = mlir::parseSourceString<mlir::ModuleOp>(text, graph.context.get());
  EXPECT_TRUE(bool(graph.module)) << text.substr(0, 2000);
  return graph;
}
Graph emptyGraph() {
  Graph graph;
  graph.context = makeContext();
  graph.module = mlir::ModuleOp::create(mlir::UnknownLoc::get(graph.context.get()));
  return graph;
}

/// The arena of a variant; weights as code go into the job.
static Bytes buildArena(const CompiledModel &model, const CompiledVariant &variant, Job &job) {
  Bytes arena(variant.arenaBytes);
  for (const Placement &p : variant.placements) {
    const Blob &blob = model.blobs[p.blob];
    EXPECT_EQ(p.arenaOffset % 64, 0u);
    if (p.kind == Placement::Copy) {
      EXPECT_EQ(p.arenaBytes, blob.bytes.size());
      memcpy(arena.data() + p.arenaOffset, blob.bytes.data(), blob.bytes.size());
      continue;
    }
    std::vector<int8_t> canonical(blob.count);
    if (blob.encoding == Blob::T5)
      EXPECT_EQ(tri_unpack_t5(blob.bytes.data(), blob.count, canonical.data()), 0);
    else
      memcpy(canonical.data(), blob.bytes.data(), blob.count);
    if (p.kind == Placement::Adds) {
      tri_adds_layout adds = {p.o, p.ko, p.ki, p.nr, p.kr, p.chunk, p.vector};
      std::vector<uint64_t> offsets(tri_adds_functions(&adds));
      EXPECT_EQ(offsets.size() * 8, p.arenaBytes);
      size_t at = (job.adds.size() + 63) / 64 * 64, most = tri_adds_code_bytes(&adds);
      job.adds.resize(at + most);
      size_t used = tri_adds_emit(canonical.data(), &adds, job.adds.data() + at, offsets.data());
      EXPECT_LE(used, most);
      EXPECT_EQ(used, tri_adds_emit(canonical.data(), &adds, nullptr, nullptr));
      job.adds.resize(at + used);
      for (size_t f = 0; f < offsets.size(); ++f) {
        uint64_t offset = at + offsets[f];
        job.addsAddresses.push_back(p.arenaOffset + f * 8);
        memcpy(arena.data() + p.arenaOffset + f * 8, &offset, 8);
      }
      continue;
    }
    tri_panel_layout layout = {p.o, p.ko, p.ki, p.nr, p.kr};
    EXPECT_EQ(uint64_t(p.o) * p.ko * p.ki, blob.count);
    if (p.kind == Placement::Panels2) {
      EXPECT_EQ(tri_panel2_bytes(&layout), p.arenaBytes);
      tri_pack_panels2(canonical.data(), &layout, arena.data() + p.arenaOffset);
      continue;
    }
    if (p.kind == Placement::Panels3) {
      EXPECT_EQ(tri_panel3_bytes(&layout), p.arenaBytes);
      tri_pack_panels3(canonical.data(), &layout, arena.data() + p.arenaOffset);
      continue;
    }
    if (p.kind == Placement::Codes) {
      EXPECT_EQ(tri_codes_bytes(&layout), p.arenaBytes);
      tri_pack_codes(canonical.data(), &layout, arena.data() + p.arenaOffset);
      continue;
    }
    EXPECT_EQ(tri_panel_bytes(&layout), p.arenaBytes);
    tri_pack_panels(canonical.data(), &layout, reinterpret_cast<int8_t *>(arena.data() + p.arenaOffset));
  }
  return arena;
}

static DType dtypeOf(const HostTensor &t) { return t.type == ElementType::U8 ? DType::UInt8 : DType::Float32; }
static uint64_t bytesOf(DType d) {
  switch (d) {
  case DType::Int16: case DType::Float16: case DType::BFloat16: return 2;
  case DType::Int32: case DType::Float32: return 4;
  case DType::Int64: return 8;
  default: return 1;
  }
}

Job jobOf(const CompiledModel &model, const CompiledVariant &variant, const std::vector<HostTensor> &inputs, int64_t batch, int32_t threads, int32_t partsOfShare) {
  Job job;
  job.elf = variant.elf;
  for (size_t i = 0; i < model.steps.size(); ++i) {
    const Step &step = model.steps[i];
    if (step.onlyInput < 0 || dtypeOf(inputs[step.onlyInput]) == step.onlyDtype)
      job.steps.push_back(variant.stepOffsets[i]), job.parts.push_back(threads * std::min<int32_t>(partsOfShare, variant.stepParts[i]));
  }
  job.weights = buildArena(model, variant, job);
  job.workspaceBytes = variant.workspaceFixed + variant.workspacePerBatch * batch;
  job.scratchBytes = variant.scratchPerThread;
  for (const HostTensor &input : inputs)
    job.inputs.emplace_back(input.bytes.begin(), input.bytes.end());
  for (const TensorSpec &output : model.outputs) {
    uint64_t bytes = bytesOf(output.dtypes[0]);
    for (int64_t d : output.shape)
      bytes *= uint64_t(d < 0 ? batch : d);
    job.outputBytes.push_back(bytes);
  }
  job.batch = batch;
  job.threads = threads;
  return job;
}

Where runsWhere(const TargetDesc &target) {
  if ((tri_cpu_features() & target.features) == target.features)
    return Where::Here;
#ifdef TRITON_STEP_RUNNER
  if (target.arch == Arch::AArch64)
    return Where::Emulator;
#endif
  return Where::Nowhere;
}

std::vector<JobResult> runJobs(const TargetDesc &target, const std::vector<Job> &jobs) {
  std::vector<JobResult> results;
  if (runsWhere(target) == Where::Here) {
    for (const Job &job : jobs)
      results.push_back(runJob(job));
    return results;
  }
#ifdef TRITON_STEP_RUNNER
  char in[] = "/tmp/triton-jobs-XXXXXX", out[] = "/tmp/triton-results-XXXXXX";
  int inFd = mkstemp(in), outFd = mkstemp(out);
  FILE *f = fdopen(inFd, "wb");
  writeOne<uint64_t>(f, jobs.size());
  for (const Job &job : jobs)
    writeJob(f, job);
  fclose(f);
  std::string command = std::string(TRITON_EMULATOR " " TRITON_STEP_RUNNER " ") + in + " " + out;
  int status = system(command.c_str());
  EXPECT_EQ(status, 0) << command;
  f = fdopen(outFd, "rb");
  for (size_t i = 0; i < jobs.size(); ++i)
    results.push_back(readResult(f));
  fclose(f);
  unlink(in);
  unlink(out);
#endif
  return results;
}

std::vector<HostTensor> randomInputs(mlir::func::FuncOp function, int64_t batch, unsigned seed, bool rawBytes) {
  std::mt19937 random(seed);
  std::vector<HostTensor> inputs;
  for (mlir::BlockArgument argument : function.getArguments()) {
    auto type = mlir::cast<mlir::RankedTensorType>(argument.getType());
    mlir::Type element = type.getElementType();
    HostTensor host;
    size_t count = 1;
    for (int64_t d : type.getShape()) {
      host.shape.push_back(mlir::ShapedType::isDynamic(d) ? batch : d);
      count *= size_t(host.shape.back());
    }
    bool takesBytes = false;
    if (auto dtypes = function.getArgAttrOfType<mlir::ArrayAttr>(argument.getArgNumber(), "ternary.dtypes"))
      for (mlir::Attribute d : dtypes)
        takesBytes |= mlir::cast<mlir::StringAttr>(d).getValue() == "uint8";
    auto fill = [&](auto value) {
      using T = decltype(value());
      host.bytes.resize(count * sizeof(T));
      for (size_t i = 0; i < count; ++i) {
        T v = value();
        memcpy(host.bytes.data() + i * sizeof(T), &v, sizeof(T));
      }
    };
    auto whole = [&](int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(random); };
    if (element.isF32() && takesBytes && rawBytes) {
      host.type = ElementType::U8;
      fill([&] { return uint8_t(whole(0, 255)); });
    } else if (element.isF32()) {
      host.type = ElementType::F32;
      fill([&] { return float(std::normal_distribution<float>(0, 1)(random)); });
    } else if (auto q = mlir::dyn_cast<ternary::QuantType>(element)) {
      host.type = q.isSigned() ? ElementType::I8 : ElementType::U8;
      // Extremes often: they are where sums overflow.
      fill([&] {
        int64_t r = whole(0, 5);
        return uint8_t(r == 0 ? q.getLo() : r == 1 ? q.getHi() : whole(q.getLo(), q.getHi()));
      });
    } else if (mlir::isa<ternary::TritType>(element)) {
      host.type = ElementType::I8;
      fill([&] { return int8_t(whole(-1, 1)); });
    } else if (element.isF16() || element.isBF16()) {
      host.type = element.isF16() ? ElementType::F16 : ElementType::BF16;
      fill([&] { return uint16_t((whole(0, 1) << 15) | (element.isF16() ? whole(0x2C00, 0x4200) : whole(0x3D00, 0x4040))); });
    } else if (element.isInteger(64)) {
      host.type = ElementType::I64;
      fill([&] { return int64_t(whole(-1000000000000, 1000000000000)); });
    } else if (element.isInteger(32)) {
      host.type = ElementType::I32;
      fill([&] { return int32_t(whole(0, 7)); });
    } else if (element.isInteger(16)) {
      host.type = ElementType::I16;
      fill([&] { return int16_t(whole(-32768, 32767)); });
    } else {
      host.type = element.isUnsignedInteger() ? ElementType::U8 : ElementType::I8;
      fill([&] { return uint8_t(element.isInteger(1) ? whole(0, 1) : whole(0, 255)); });
    }
    inputs.push_back(std::move(host));
  }
  return inputs;
}

bool expectEqualsOracle(Graph &graph, const std::string &targetName, const Comparison &how) {
  auto target = parseTarget(targetName);
  EXPECT_TRUE(bool(target)) << (target ? "" : target.error().message);
  if (!target || runsWhere(*target) == Where::Nowhere)
    return false;
  std::vector<HostTensor> inputs = randomInputs(graph.function(), how.batch, how.seed, how.rawBytes);
  CodegenOptions options;
  options.targets = {*target};
  options.optLevel = how.optLevel;
  options.convolutions = how.convolutions;
  options.chooseProduct = how.chooseProduct;
  auto model = compileModule(*graph.module, options);
  EXPECT_TRUE(bool(model)) << (model ? "" : model.error().message);
  auto expected = interpret(graph.function(), inputs);
  EXPECT_TRUE(bool(expected)) << (expected ? "" : expected.error().message);
  if (!model || !expected)
    return true;
  int32_t partsOfShare = std::array{1, 2, 8, 3}[how.seed % 4];
  std::string place = targetName + " -O" + std::to_string(how.optLevel) + " batch " + std::to_string(how.batch) + " threads " +
                      std::to_string(how.threads) + " with " + std::to_string(partsOfShare) + " parts each, seed " + std::to_string(how.seed);
  std::vector<JobResult> results = runJobs(*target, {jobOf(*model, model->variants[0], inputs, how.batch, how.threads, partsOfShare)});
  EXPECT_EQ(results[0].error, "") << place;
  EXPECT_EQ(results[0].status, 0) << place;
  for (size_t o = 0; o < expected->size() && o < results[0].outputs.size(); ++o) {
    const HostTensor &want = (*expected)[o];
    const Bytes &got = results[0].outputs[o];
    EXPECT_EQ(want.bytes.size(), got.size()) << place;
    if (want.bytes.size() != got.size())
      return true;
    if (want.type == ElementType::F32) {
      float greatest = 0;
      std::vector<float> a(want.bytes.size() / 4), b(a.size());
      memcpy(a.data(), want.bytes.data(), want.bytes.size());
      memcpy(b.data(), got.data(), got.size());
      for (float v : a)
        if (std::isfinite(v))
          greatest = std::max(greatest, std::fabs(v));
      for (size_t i = 0; i < a.size(); ++i) {
        bool equal = memcmp(&a[i], &b[i], 4) == 0 || (a[i] != a[i] && b[i] != b[i]) ||
                     (how.tolerance > 0 && std::fabs(a[i] - b[i]) <= how.tolerance * greatest);
        EXPECT_TRUE(equal) << place << ": output " << o << " element " << i << " of " << a.size() << " is " << b[i] << ", the oracle says " << a[i];
        if (!equal)
          return true;
      }
      continue;
    }
    for (size_t i = 0; i < got.size(); ++i)
      if (got[i] != want.bytes[i]) {
        ADD_FAILURE() << place << ": output " << o << " byte " << i << " of " << got.size() << " is " << int(got[i]) << ", the oracle says "
                      << int(want.bytes[i]);
        return true;
      }
  }
  return true;
}

} // namespace triton::test

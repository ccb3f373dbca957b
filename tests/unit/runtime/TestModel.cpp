#include "TestModel.h"

#include "artifact/packing.h"

#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

using namespace triton;

static const int8_t denseWeights[4][8] = {
    {1, 0, -1, 0, 1, 1, 0, -1}, {0, 0, 0, 0, 0, 0, 0, 1}, {-1, -1, -1, -1, -1, -1, -1, -1}, {1, -1, 1, -1, 1, -1, 1, -1}};
static const int32_t denseBias[4] = {100, -7, 0, 3};

static std::vector<uint8_t> readAll(const char *path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<uint8_t> test::kernelObject(bool aarch64) {
#ifdef TRITON_TEST_KERNELS_AARCH64
  if (aarch64) return readAll(TRITON_TEST_KERNELS_AARCH64);
#else
  if (aarch64) return {};
#endif
  return readAll(TRITON_TEST_KERNELS);
}

std::string test::baseTarget() {
#if defined(__aarch64__)
  return "aarch64";
#else
  return "x86-64";
#endif
}

static void addStep(CompiledModel &model, const std::string &name) {
  CompiledVariant &variant = model.variants[0];
  Step step;
  step.name = name;
  model.steps.push_back(step);
  variant.stepNames.push_back(name + "_" + variant.target);
  auto address = findElfSymbol(variant.elf, name);
  if (!address) ADD_FAILURE() << address.error().message;
  variant.stepOffsets.push_back(address ? *address : 0);
}

static CompiledModel emptyModel(const std::string &name, const std::string &target) {
  CompiledModel model;
  model.name = name;
  model.exportName = "forward";
  model.compiler = "test 1.0";
  CompiledVariant variant;
  variant.target = target;
  variant.elf = test::kernelObject(target.starts_with("aarch64") && test::baseTarget() != "aarch64");
  model.variants.push_back(variant);
  return model;
}

CompiledModel test::denseModel(const std::string &target) {
  CompiledModel model = emptyModel("dense", target);
  TensorSpec x{"x", {DType::UInt8, DType::Float32}, {-1, 8}, "N", {0.5}, {0.25}, 1.0 / 255, true};
  TensorSpec scores{"scores", {DType::Int32}, {-1, 4}, "N", {}, {}, 1.0, false};
  TensorSpec threads{"threads", {DType::Int32}, {2}, "", {}, {}, 1.0, false};
  model.inputs = {x};
  model.outputs = {scores, threads};
  model.labels = {"zero", "one", "two", "three"};
  for (const char *name : {"widen_u8", "widen_f32", "check", "dense", "mark", "count"}) addStep(model, name);
  model.steps[0].onlyInput = model.steps[1].onlyInput = 0;
  model.steps[0].onlyDtype = DType::UInt8;
  model.steps[3].layer = "fc";
  model.steps[3].macsPerBatch = model.macsPerBatch = 32;

  Blob weights;
  weights.key = "fc.weight";
  weights.encoding = Blob::T5;
  weights.count = 32;
  weights.bytes.resize(tri_t5_bytes(32));
  tri_pack_t5(&denseWeights[0][0], 32, weights.bytes.data());
  Blob bias;
  bias.key = "fc.bias";
  bias.count = sizeof denseBias;
  bias.bytes.resize(sizeof denseBias);
  memcpy(bias.bytes.data(), denseBias, sizeof denseBias);
  model.blobs = {weights, bias};
  CompiledVariant &variant = model.variants[0];
  Placement copy, panels;
  copy.blob = 1;
  copy.arenaOffset = 64;
  copy.arenaBytes = sizeof denseBias;
  panels.kind = Placement::Panels;
  panels.o = 4;
  panels.ko = 1;
  panels.ki = 8;
  panels.nr = panels.kr = 4;
  panels.arenaBytes = 32;
  variant.placements = {copy, panels}; // not in order: the writer sorts
  variant.arenaBytes = 128;
  variant.workspacePerBatch = 64;
  variant.scratchPerThread = 128;
  variant.choices = {{"fc", "gemv", "panels 4x4", "one row at a time"}};
  model.parameters = 36;
  model.weightTrits = 32;
  model.zeroTrits = 10;
  model.fp32Bytes = 144;
  model.inputDigests = {{"dense.tri", blake3({})}};
  return model;
}

std::vector<int32_t> test::denseOracle(const std::vector<int32_t> &row) {
  std::vector<int32_t> out;
  for (int o = 0; o < 4; ++o) {
    int32_t sum = denseBias[o];
    for (int k = 0; k < 8; ++k) sum += row[size_t(k)] * denseWeights[o][k];
    out.push_back(sum);
  }
  return out;
}

CompiledModel test::relayModel(int rounds) {
  CompiledModel model = emptyModel("relay", baseTarget());
  model.outputs = {TensorSpec{"sum", {DType::Int32}, {1}, "", {}, {}, 1.0, false}};
  addStep(model, "relay_start");
  for (int i = 0; i < rounds; ++i) {
    addStep(model, "relay_there");
    addStep(model, "relay_back");
  }
  addStep(model, "relay_end");
  model.variants[0].workspaceFixed = 2 * 256 * 64;
  return model;
}

CompiledModel test::tallyModel(uint8_t mostParts, uint32_t cost) {
  CompiledModel model = emptyModel("tally", baseTarget());
  model.outputs = {TensorSpec{"tallies", {DType::Int32}, {4}, "", {}, {}, 1.0, false}};
  for (const char *name : {"tally_begin", "tally", "tally_end"}) addStep(model, name);
  CompiledVariant &variant = model.variants[0];
  variant.workspaceFixed = 256 * 16;
  variant.scratchPerThread = 64;
  variant.stepCosts = {cost, cost, cost};
  variant.stepParts = {1, mostParts, 1};
  return model;
}

CompiledModel test::oneStepModel(const std::string &function, DType dtype) {
  CompiledModel model = emptyModel(function, baseTarget());
  model.inputs = {TensorSpec{"x", {DType::Int8}, {-1, 1}, "N", {}, {}, 1.0, false}};
  model.outputs = {TensorSpec{"y", {dtype}, {2}, "", {}, {}, 1.0, false}};
  addStep(model, function);
  return model;
}

std::vector<uint8_t> test::written(const CompiledModel &model) {
  auto bytes = writeArtifact(model);
  if (!bytes) ADD_FAILURE() << bytes.error().message;
  return bytes ? *bytes : std::vector<uint8_t>();
}

// triton-bench-models: whole networks, by Google Benchmark. The time is that of tri_session_run seen from outside.
#include "kernels/Compiled.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <chrono>

using namespace triton;
using namespace triton::bench;

namespace {
struct Network {
  const char *name, *folder, *file;
  int64_t batch;
};
} // namespace

static constexpr Network networks[] = {
    {"resnet18", TRITON_ZOO, "resnet18-imagenet/model.tri", 1},
    {"resnet18", TRITON_ZOO, "resnet18-imagenet/model.tri", 8},
    {"resnet18_cifar", TRITON_ZOO, "resnet18-cifar10/model.tri", 1},
    {"resnet18_cifar", TRITON_ZOO, "resnet18-cifar10/model.tri", 8},
    {"resnet50", TRITON_ZOO, "resnet50-imagenet/model.tri", 1},
    {"vgg16", TRITON_ZOO, "vgg16-imagenet/model.tri", 1},
    {"mobilenet_v2", TRITON_ZOO, "mobilenetv2-imagenet/model.tri", 1},
    {"lenet5", TRITON_TEST_PROGRAMS, "lenet5.tri", 1},
};

static void measureNetwork(benchmark::State &state, const Network &network, int threads) {
  std::unique_ptr<Compiled> compiled = Compiled::create(std::string(network.folder) + "/" + network.file, {}, network.batch, threads);
  if (!compiled) {
    state.SkipWithError("does not compile");
    return;
  }
  for (int i = 0; i < 3; ++i) compiled->run();
  double seconds = 0;
  for (auto _ : state) {
    auto start = std::chrono::steady_clock::now();
    if (!compiled->run()) {
      state.SkipWithError("does not run");
      return;
    }
    const double each = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    seconds += each;
    state.SetIterationTime(each);
  }
  const double macs = double(compiled->macsOf("")), each = seconds / double(state.iterations());
  state.counters["MAC/s"] = macs / each;
  state.counters["B/s"] = double(compiled->bytesOf("")) / each;
  if (const Peak *peak = ceiling(unsigned(threads))) state.counters["%peak"] = macs / each / 1e7 / peak->best;
}

int main(int argc, char **argv) {
  for (const Network &network : networks)
    for (int threads : {1, 2})
      benchmark::RegisterBenchmark(fmt::format("{}/b{}/{}t", network.name, network.batch, threads).c_str(), measureNetwork, network, threads)
          ->UseManualTime()
          ->Unit(benchmark::kMicrosecond);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

// triton-bench-kernels: single layers of the shapes in shapes/*.txt, by Google Benchmark. Times are those of the layer's own steps, as the
// runtime's profile tells them; glue around it is left out. Counters: MAC/s, activation bytes/s, share of the measured ceiling.
#include "kernels/Compiled.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

using namespace triton;
using namespace triton::bench;

namespace {
struct Shape {
  std::string program, layer, name;
  std::vector<std::string> defines;
  int64_t batch = 1;
};
} // namespace

static void measureLayer(benchmark::State &state, const Shape &shape, int threads) {
  std::unique_ptr<Compiled> compiled = Compiled::create(std::string(TRITON_BENCH_PROGRAMS) + "/" + shape.program, shape.defines, shape.batch, threads);
  if (!compiled) {
    state.SkipWithError("does not compile");
    return;
  }
  uint64_t nanos = 0;
  for (int i = 0; i < 3; ++i) compiled->run();
  for (auto _ : state) {
    if (!compiled->run()) {
      state.SkipWithError("does not run");
      return;
    }
    nanos += compiled->nanosOf(shape.layer);
    state.SetIterationTime(double(compiled->nanosOf(shape.layer)) * 1e-9);
  }
  const double seconds = double(nanos) * 1e-9 / double(state.iterations());
  const double macs = double(compiled->macsOf(shape.layer));
  state.counters["MAC/s"] = macs / seconds;
  state.counters["B/s"] = double(compiled->bytesOf(shape.layer)) / seconds;
  if (const Peak *peak = ceiling(unsigned(threads))) state.counters["%peak"] = macs / seconds / 1e7 / peak->best;
}

/// The numbers of every line of a shape file that is neither empty nor a comment.
static std::vector<std::vector<int64_t>> readShapes(const std::filesystem::path &path) {
  std::vector<std::vector<int64_t>> out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::vector<int64_t> row;
    for (int64_t value; words >> value;) row.push_back(value);
    out.push_back(std::move(row));
  }
  return out;
}

/// `suffix` of the program: "_trit" for ternary activations.
static Shape convolution(const std::vector<int64_t> &v, const std::string &suffix) {
  Shape out{"conv" + suffix + ".tri", "conv", fmt::format("{}x{}x{}/{}k{}s{}g{}", v[0], v[1], v[2], v[3], v[4], v[5], v[6]), {}};
  const char *names[] = {"channels", "height", "width", "outputs", "kernel", "stride", "groups"};
  for (size_t i = 0; i < 7; ++i) out.defines.push_back(fmt::format("{}={}", names[i], v[i]));
  return out;
}

static Shape linear(const std::vector<int64_t> &v, const std::string &suffix) {
  return {"linear" + suffix + ".tri", "fc", fmt::format("{}x{}b{}", v[0], v[1], v[2]), {fmt::format("inputs={}", v[0]), fmt::format("outputs={}", v[1])}, v[2]};
}

int main(int argc, char **argv) {
  std::vector<std::filesystem::path> files;
  for (const auto &file : std::filesystem::directory_iterator(TRITON_BENCH_SHAPES)) files.push_back(file.path());
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path &file : files) {
    const std::string stem = file.stem().string(), suffix = stem.ends_with("_trit") ? "_trit" : "";
    const bool dense = stem.starts_with("linear");
    for (const std::vector<int64_t> &row : readShapes(file)) {
      if (row.size() != (dense ? 3u : 7u)) {
        fmt::print(stderr, "triton-bench-kernels: error: {}: a line has {} numbers\n", file.string(), row.size());
        return 1;
      }
      Shape shape = dense ? linear(row, suffix) : convolution(row, suffix);
      for (int threads : {1, 2})
        benchmark::RegisterBenchmark(fmt::format("{}/{}/{}t", file.stem().string(), shape.name, threads).c_str(), measureLayer, shape, threads)
            ->UseManualTime()
            ->Unit(benchmark::kMicrosecond);
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

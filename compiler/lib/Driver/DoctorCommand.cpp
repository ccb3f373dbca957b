// `triton doctor`: what this machine offers, and what is missing.
#include "Zoo.h"

#include "triton/Driver/Version.h"
#include "triton/Target/Machine.h"
#include "triton/Target/TargetDesc.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

namespace triton::driver {

static std::string processorName() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    size_t colon = line.find(':');
    if (colon != std::string::npos && line.compare(0, 10, "model name") == 0) return line.substr(colon + 2);
  }
  return "unknown";
}

static uint64_t memoryBytes() {
  std::ifstream in("/proc/meminfo");
  std::string word;
  uint64_t kilobytes = 0;
  in >> word >> kilobytes;
  return kilobytes * 1024;
}

int runDoctor(const Arguments &arguments) {
  if (!arguments.positional.empty())
    return fail(arguments, Error{"doctor takes no files", ErrorKind::Usage});
  Result<std::string> dataFolder = zoo::findDatasetFolder("fashion-mnist", arguments.get(OptionId::DataDir), zooStore(arguments));
  Result<zoo::ImageSet> images = dataFolder ? zoo::readImageSet(*dataFolder, /*training=*/false) : dataFolder.takeError();
  Result<std::vector<zoo::ZooModel>> models = zoo::listZoo();
  json::Array problems;
  if (!images) problems.push_back(images.error().message);
  if (!models) problems.push_back(models.error().message);
  std::string native = nativeTargetName();

  json::Array targets;
  for (const std::string &name : knownTargets()) targets.push_back(name);
  json::Object document;
  document.append("version", versionNumber());
  document.append("build_id", buildId());
  document.append("processor", processorName());
  document.append("cores", int64_t(std::thread::hardware_concurrency()));
  document.append("memory_bytes", int64_t(memoryBytes()));
  document.append("native_target", native);
  document.append("machine_kind", machineKind()); // what records of -O3 are for
  document.append("targets", std::move(targets));
  document.append("gpu", std::filesystem::exists("/dev/nvidia0") ? json::Value("nvidia") : json::Value(nullptr));
  document.append("fashion_mnist", bool(images));
  document.append("zoo_models", models ? int64_t(models->size()) : int64_t(0));
  document.append("problems", problems);
  if (arguments.has(OptionId::Json)) {
    printJson(document);
    return kDone;
  }
  fmt::print("processor      {} ({} cores, {:.1f} GB)\n", processorName(), std::thread::hardware_concurrency(),
             double(memoryBytes()) / 1e9);
  fmt::print("native target  {}\n", native);
  fmt::print("machine kind   {}\n", machineKind());
  fmt::print("GPU            {}\n", std::filesystem::exists("/dev/nvidia0") ? "NVIDIA device present" : "none");
  fmt::print("Fashion-MNIST  {}\n", images ? fmt::format("{} test images in {}", images->count, *dataFolder) : "missing");
  fmt::print("zoo            {} networks\n", models ? models->size() : 0);
  for (const json::Value &problem : problems) fmt::print("problem        {}\n", *problem.asString());
  return kDone;
}

} // namespace triton::driver

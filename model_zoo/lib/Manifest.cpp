// Finds the zoo's folders and reads their manifests.
#include "Manifest.h"

#include "triton/Support/Diagnostics.h"
#include "triton/Support/Json.h"
#include "triton/Tensor/Files.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace triton::zoo {

namespace fs = std::filesystem;

Result<std::string> zooFolder() {
  if (const char *given = std::getenv("TRITON_DSL_ZOO")) {
    std::error_code error;
    if (fs::is_directory(given, error)) return std::string(given);
    return Error{std::string("TRITON_DSL_ZOO names '") + given + "', which is no folder", ErrorKind::Environment};
  }
  std::error_code error;
  fs::path program = fs::read_symlink("/proc/self/exe", error);
  std::string looked;
  // build/bin/ in a source tree, prefix/bin/ or prefix/libexec/triton/ when installed.
  for (const char *relative : {"../../model_zoo", "../share/triton-dsl/model_zoo", "../../share/triton-dsl/model_zoo"}) {
    fs::path folder = (program.parent_path() / relative).lexically_normal();
    if (fs::is_directory(folder, error)) return folder.string();
    looked += (looked.empty() ? "" : ", ") + folder.string();
  }
  return Error{"no model zoo found (looked in " + looked + "); set TRITON_DSL_ZOO", ErrorKind::Environment};
}

static Result<ZooModel> readManifest(const fs::path &folder, const std::string &store) {
  fs::path file = folder / "manifest.json";
  Result<std::string> text = readFileBytes(file.string(), 1 << 20);
  if (!text) return text.takeError();
  Result<json::Value> value = json::parse(*text, file.string());
  if (!value) return value.takeError();
  ZooModel model;
  model.name = folder.filename().string();
  model.folder = folder.string();
  model.program = (folder / "model.tri").string();
  auto string = [&](const char *key) -> std::string {
    const json::Value *v = value->find(key);
    return v && v->asString() ? *v->asString() : "";
  };
  // Manifests hold percent, as the field quotes accuracies.
  auto fraction = [&](const char *key) -> std::optional<double> {
    const json::Value *v = value->find(key);
    return v && v->isNumber() ? std::optional<double>(v->number() / 100) : std::nullopt;
  };
  model.dataset = string("dataset");
  if (model.dataset.empty()) return Error{file.string() + ": no string 'dataset'"};
  model.keys = string("keys");
  model.differs = string("differs");
  model.citation = string("citation");
  if (const json::Value *preprocessing = value->find("preprocessing")) {
    const json::Value *resize = preprocessing->find("resize"), *filter = preprocessing->find("interpolation");
    const std::optional<Filter> kind = filter && filter->asString() ? filterNamed(*filter->asString()) : std::nullopt;
    if (!resize || !resize->asInt() || *resize->asInt() < 1 || *resize->asInt() > (1 << 15) || !kind)
      return Error{file.string() + ": 'preprocessing' needs 'resize', the length of the shorter side, and 'interpolation', bilinear or bicubic"};
    model.preparation = {uint32_t(*resize->asInt()), *kind, 0};
  }
  if (std::string weights = string("weights"); !weights.empty()) {
    // A manifest names files of its own folder only.
    if (weights.find('/') != std::string::npos || !isSafePath(weights)) return Error{file.string() + ": 'weights' must be a file of this folder"};
    json::Object described;
    described.append("path", weights);
    for (const char *key : {"size", "sha256", "licence", "urls"})
      if (const json::Value *v = value->find(key)) described.append(key, *v);
    Result<AssetFile> asset = parseAssetFile(described, file.string());
    if (!asset) return asset.takeError();
    model.weightsSha256 = asset->sha256;
    std::error_code error;
    for (const std::string &place : {model.folder, store.empty() ? std::string() : modelFolder(store, model.name)})
      if (model.weights.empty() && !place.empty() && fs::is_regular_file(place + "/" + weights, error)) model.weights = place + "/" + weights;
    model.weightsFile = std::move(*asset);
  }
  if (const json::Value *checkpoint = value->find("checkpoint")) {
    Result<AssetFile> asset = parseAssetFile(*checkpoint, file.string() + ": checkpoint");
    if (!asset) return asset.takeError();
    model.checkpoint = std::move(*asset);
  }
  if (fs::exists(folder / "recipe.json")) model.recipe = (folder / "recipe.json").string();
  model.accuracy = fraction("accuracy");
  model.fp32Accuracy = fraction("fp32_accuracy");
  return model;
}

Result<std::vector<ZooModel>> listZoo(const std::string &store) {
  Result<std::string> folder = zooFolder();
  if (!folder) return folder.takeError();
  std::vector<fs::path> folders;
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(*folder, error))
    if (fs::exists(entry.path() / "model.tri", error)) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  std::vector<ZooModel> models;
  for (const fs::path &path : folders) {
    Result<ZooModel> model = readManifest(path, store);
    if (!model) return model.takeError();
    models.push_back(std::move(*model));
  }
  return models;
}

Result<ZooModel> findZooModel(const std::string &name, const std::string &store) {
  Result<std::vector<ZooModel>> models = listZoo(store);
  if (!models) return models.takeError();
  std::vector<std::string> names;
  for (ZooModel &model : *models) {
    if (model.name == name) return std::move(model);
    names.push_back(model.name);
  }
  std::string near = nearestName(name, names);
  return Error{"no network '" + name + "' in the zoo" + (near.empty() ? "" : "; did you mean '" + near + "'?") +
                   " ('triton zoo list' lists them)",
               ErrorKind::Usage};
}

Result<void> verifyWeights(const ZooModel &model) {
  if (model.weights.empty()) return Error{model.name + " has no weights"};
  Result<std::string> found = fileSha256(model.weights);
  if (!found) return found.takeError();
  if (*found != model.weightsSha256)
    return Error{model.weights + ": SHA-256 is " + *found + ", the manifest says " + model.weightsSha256, ErrorKind::Mismatch};
  return {};
}

} // namespace triton::zoo

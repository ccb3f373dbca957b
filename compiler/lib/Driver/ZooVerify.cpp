// `triton zoo verify`: are the weights and images that lie here those of the manifests?
#include "Zoo.h"

#include "Fetch.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace triton::driver {

namespace {
/// One file and what is true of it: "ok", "mismatch", "missing" (it could be downloaded), or "none" (it is published nowhere).
struct Verdict {
  std::string name, kind, path, status, detail;
};
} // namespace

/// Compares a file in the first of `folders` that has it.
static Verdict verify(const std::string &name, const std::string &kind, const zoo::AssetFile &file, const std::vector<std::string> &folders) {
  std::error_code error;
  for (const std::string &folder : folders) {
    std::string first = folder + "/" + (file.members.empty() ? file.path : file.members[0].path);
    if (folder.empty() || !std::filesystem::exists(first, error)) continue;
    Result<void> done = zoo::verifyAsset(file, folder);
    // A member without its receipt, or a file that cannot be read, is no more what the manifest says than one that differs.
    return {name, kind, first, done ? "ok" : "mismatch", done ? "" : done.error().message};
  }
  return {name, kind, file.path, file.urls.empty() ? "none" : "missing", ""};
}

int zooVerify(const Arguments &arguments) {
  std::string store = zooStore(arguments);
  Result<std::vector<zoo::ZooModel>> models = zoo::listZoo(store);
  if (!models) return fail(arguments, models.error());
  Result<std::vector<zoo::Dataset>> datasets = zoo::listDatasets();
  if (!datasets) return fail(arguments, datasets.error());
  std::vector<std::string> asked(arguments.positional.begin() + 1, arguments.positional.end());
  for (const std::string &name : asked) {
    bool known = false;
    for (const zoo::Dataset &dataset : *datasets) known |= dataset.name == name;
    if (known) continue;
    if (Result<zoo::ZooModel> model = zoo::findZooModel(name, store); !model) return fail(arguments, model.error());
  }
  auto wanted = [&](const std::string &name) { return asked.empty() || std::find(asked.begin(), asked.end(), name) != asked.end(); };

  std::vector<Verdict> verdicts;
  for (const zoo::ZooModel &model : *models) {
    if (!wanted(model.name)) continue;
    std::string stored = store.empty() ? "" : zoo::modelFolder(store, model.name);
    if (model.weightsFile) verdicts.push_back(verify(model.name, "weights", *model.weightsFile, {model.folder, stored}));
    else if (!model.checkpoint) verdicts.push_back({model.name, "weights", "", "none", ""});
    if (model.checkpoint) verdicts.push_back(verify(model.name, "checkpoint", *model.checkpoint, {stored}));
  }
  for (const zoo::Dataset &dataset : *datasets) {
    if (!wanted(dataset.name)) continue;
    std::vector<std::string> folders = {arguments.get(OptionId::DataDir), store.empty() ? "" : zoo::datasetFolder(store, dataset.name)};
    if (folders[0].empty()) folders.insert(folders.end(), dataset.places.begin(), dataset.places.end());
    for (const zoo::AssetFile &file : dataset.files) verdicts.push_back(verify(dataset.name, "dataset", file, folders));
    if (dataset.files.empty()) verdicts.push_back({dataset.name, "dataset", "", "none", ""});
  }

  json::Array list;
  std::string message;
  int status = kDone;
  auto problem = [&](const std::string &text, int code) {
    message += (message.empty() ? "" : "\n") + text;
    status = std::max(status, code);
  };
  for (const Verdict &v : verdicts) {
    if (v.status == "mismatch") problem(v.detail, kMismatch);
    // Who asks for everything asks for what is here.
    if (v.status == "missing" && !asked.empty()) problem(fmt::format("{}: {} is not here; 'triton zoo download {}' gets it", v.name, v.path, v.name), kInputAtFault);
    json::Object o;
    o.append("name", v.name);
    o.append("kind", v.kind);
    o.append("path", v.path.empty() ? json::Value(nullptr) : json::Value(v.path));
    o.append("status", v.status);
    list.push_back(std::move(o));
  }
  if (arguments.has(OptionId::Json)) {
    json::Object document;
    document.append("store", store.empty() ? json::Value(nullptr) : json::Value(store));
    document.append("files", std::move(list));
    if (status != kDone) {
      json::Object inner;
      inner.append("message", message);
      inner.append("status", status);
      document.append("error", std::move(inner));
    }
    printJson(document);
    return status;
  }
  if (!arguments.has(OptionId::Quiet))
    for (const Verdict &v : verdicts)
      if (v.status == "ok" || !asked.empty()) fmt::print("{:<28}{:<12}{:<10}{}\n", v.name, v.kind, v.status, v.path);
  if (status != kDone) return printError(arguments, Error{message, status == kMismatch ? ErrorKind::Mismatch : ErrorKind::Input});
  return kDone;
}

} // namespace triton::driver

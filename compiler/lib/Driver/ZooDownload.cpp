// `triton zoo download`: brings a network's weights and the images that it is for to where the other commands find them.
#include "CacheOptions.h"
#include "Zoo.h"

#include "Fetch.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>

namespace triton::driver {

std::string zooStore(const Arguments &arguments) {
  if (arguments.has(OptionId::Store)) return arguments.get(OptionId::Store);
  if (const char *own = std::getenv("TRITON_DSL_ZOO_STORE"); own && *own) return own;
  std::string cache = cache::defaultDirectory();
  return cache.empty() ? "" : cache + "/zoo";
}

std::string weightsAdvice(const zoo::ZooModel &model) {
  if (model.weightsFile && !model.weightsFile->urls.empty()) return "'triton zoo download " + model.name + "' gets them";
  std::string out;
  if (!model.recipe.empty()) out = "'triton zoo train " + model.name + "' makes them; or ";
  if (model.checkpoint) return out + "'triton zoo download " + model.name + "' gets an fp32 checkpoint to quantise";
  return out + "give a checkpoint with --weights";
}

namespace {

/// One line on stderr with rate and time left while a file comes.
class TransferLine {
public:
  using Clock = std::chrono::steady_clock;
  TransferLine(const Arguments &arguments, std::string what)
      : what(std::move(what)), terminal(isatty(STDERR_FILENO)), silent(arguments.has(OptionId::Quiet) || arguments.has(OptionId::Json)) {}
  ~TransferLine() { end(); }

  void update(uint64_t bytes, uint64_t total) {
    auto now = Clock::now();
    if (first < 0 || bytes < uint64_t(first)) { // what an earlier attempt left says nothing of the rate
      first = int64_t(bytes);
      begin = now;
    }
    if (silent || (bytes < total && now - last < (terminal ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000)))) return;
    last = now;
    double seconds = std::chrono::duration<double>(now - begin).count(), rate = seconds > 0.2 ? double(bytes - uint64_t(first)) / seconds : 0;
    std::string line = fmt::format("{}: {:.1f} of {:.1f} MB ({:.0f} %)", what, double(bytes) / 1e6, double(total) / 1e6, 100.0 * double(bytes) / double(total));
    if (rate > 0) line += fmt::format(", {:.1f} MB/s, {:.0f} s left", rate / 1e6, double(total - bytes) / rate);
    if (terminal) fmt::print(stderr, "\r\033[K{}", line);
    else fmt::print(stderr, "{}\n", line);
    std::fflush(stderr);
    open = terminal;
  }
  /// Ends the line, so that other messages have one of their own.
  void end() {
    if (open) fmt::print(stderr, "\n");
    open = false;
  }

private:
  std::string what;
  bool terminal, silent, open = false;
  int64_t first = -1;
  Clock::time_point begin = Clock::now(), last = begin;
};

/// One thing that was asked for, and what became of it.
struct Item {
  std::string name, kind, status, folder, licence;
  json::Array files;
};

class Downloader {
public:
  explicit Downloader(const Arguments &arguments) : arguments(arguments), store(zooStore(arguments)) {}

  Result<void> model(const zoo::ZooModel &model);
  Result<void> dataset(const zoo::Dataset &dataset, bool asked);
  json::Object document() const;
  void print() const;

private:
  Result<void> fetch(Item &item, const std::vector<zoo::AssetFile> &files, const std::string &root);
  void note(const std::string &message) {
    if (!arguments.has(OptionId::Quiet)) fmt::print(stderr, "triton: note: {}\n", message);
  }

  const Arguments &arguments;
  std::string store;
  std::vector<Item> items;
  uint64_t received = 0;
};

} // namespace

/// A number of milliseconds that the environment gives instead of `fallback`.
static int millisecondsFrom(const char *variable, int fallback) {
  const char *text = std::getenv(variable);
  char *end = nullptr;
  long value = text ? std::strtol(text, &end, 10) : 0;
  return text && end != text && *end == '\0' && value > 0 && value <= 3600000 ? int(value) : fallback;
}

Result<void> Downloader::fetch(Item &item, const std::vector<zoo::AssetFile> &files, const std::string &root) {
  bool all = true;
  for (const zoo::AssetFile &file : files) {
    TransferLine line(arguments, item.name + "/" + file.path);
    zoo::FetchOptions options;
    options.store = root;
    options.offline = arguments.has(OptionId::Offline);
    options.stallMs = millisecondsFrom("TRITON_DSL_DOWNLOAD_STALL_MS", options.stallMs);
    options.backOffMs = millisecondsFrom("TRITON_DSL_DOWNLOAD_BACKOFF_MS", options.backOffMs);
    options.progress = [&](uint64_t bytes, uint64_t total) { line.update(bytes, total); };
    options.note = [&](const std::string &message) {
      line.end();
      note(message);
    };
    Result<zoo::Fetched> got = zoo::fetchAsset(file, item.folder, options);
    if (!got) {
      Error error = got.takeError();
      return Error{item.name + ": " + error.message, error.kind};
    }
    all &= got->already;
    received += got->receivedBytes;
    json::Object o;
    o.append("path", file.path);
    o.append("size", int64_t(file.size));
    o.append("sha256", file.sha256);
    o.append("status", got->already ? "present" : "fetched");
    o.append("url", got->url.empty() ? json::Value(nullptr) : json::Value(got->url));
    o.append("received_bytes", int64_t(got->receivedBytes));
    o.append("resumed_bytes", int64_t(got->resumedBytes));
    item.files.push_back(std::move(o));
  }
  item.status = all ? "present" : "fetched";
  items.push_back(std::move(item));
  return {};
}

Result<void> Downloader::model(const zoo::ZooModel &model) {
  Item item{model.name, "weights", "none", model.folder, "", {}};
  const std::optional<zoo::AssetFile> &weights = model.weightsFile;
  if (weights) {
    item.licence = weights->licence;
    // What is committed beside the program comes first, and must be what the manifest says.
    std::error_code error;
    bool committed = std::filesystem::exists(model.folder + "/" + weights->path, error);
    if (committed || !weights->urls.empty()) {
      item.folder = committed ? model.folder : zoo::modelFolder(store, model.name);
      zoo::AssetFile file = *weights;
      if (committed) file.urls.clear(); // the zoo's own folder is not written to
      return fetch(item, {file}, store);
    }
  }
  if (model.checkpoint) {
    item.kind = "checkpoint";
    item.licence = model.checkpoint->licence;
    item.folder = zoo::modelFolder(store, model.name);
    return fetch(item, {*model.checkpoint}, store);
  }
  note(fmt::format("{} has no weights to download; {}", model.name, weightsAdvice(model)));
  item.folder.clear();
  items.push_back(std::move(item));
  return {};
}

Result<void> Downloader::dataset(const zoo::Dataset &dataset, bool asked) {
  for (const Item &item : items)
    if (item.kind == "dataset" && item.name == dataset.name) return {};
  Item item{dataset.name, "dataset", "manual", "", dataset.licence, {}};
  if (dataset.files.empty()) {
    std::string text = fmt::format("the data set {} must be got by hand: {}", dataset.name, dataset.manual);
    if (asked) return Error{text};
    note(text);
    items.push_back(std::move(item));
    return {};
  }
  std::string given = arguments.get(OptionId::DataDir);
  item.folder = given.empty() ? zoo::datasetFolder(store, dataset.name) : given;
  if (given.empty() && !zoo::isComplete(dataset, item.folder, true))
    for (const std::string &place : dataset.places) {
      if (!zoo::isComplete(dataset, place, false)) continue;
      Result<void> intact;
      for (const zoo::AssetFile &file : dataset.files)
        if (intact) intact = zoo::verifyAsset(file, place);
      if (!intact) {
        note(intact.error().message + "; not used");
        continue;
      }
      item.folder = place;
      item.status = "system";
      items.push_back(std::move(item));
      return {};
    }
  return fetch(item, dataset.files, given.empty() ? store : given);
}

json::Object Downloader::document() const {
  json::Array list;
  for (const Item &item : items) {
    json::Object o;
    o.append("name", item.name);
    o.append("kind", item.kind);
    o.append("status", item.status);
    o.append("folder", item.folder.empty() ? json::Value(nullptr) : json::Value(item.folder));
    o.append("licence", item.licence.empty() ? json::Value(nullptr) : json::Value(item.licence));
    o.append("files", item.files);
    list.push_back(std::move(o));
  }
  json::Object document;
  document.append("store", store.empty() ? json::Value(nullptr) : json::Value(store));
  document.append("items", std::move(list));
  document.append("received_bytes", int64_t(received));
  return document;
}

void Downloader::print() const {
  for (const Item &item : items) {
    if (item.folder.empty()) continue;
    const char *how = item.status == "fetched" ? "fetched to" : item.status == "system" ? "this system has them in" : "in place in";
    fmt::print("{} ({}): {} {}{}\n", item.name, item.kind == "dataset" ? "data set" : item.kind, how, item.folder,
               item.licence.empty() ? "" : "; licence: " + item.licence);
  }
}

int zooDownload(const Arguments &arguments) {
  if (arguments.positional.size() < 2)
    return fail(arguments, Error{"zoo download needs a network or a data set: triton zoo download NAME... ('triton zoo list' lists the networks)",
                                 ErrorKind::Usage});
  // All names are looked up first: a typing error must not show after an hour.
  std::vector<std::pair<std::optional<zoo::ZooModel>, std::optional<zoo::Dataset>>> wanted;
  size_t datasets = 0;
  for (size_t i = 1; i < arguments.positional.size(); ++i) {
    Result<std::optional<zoo::Dataset>> dataset = zoo::findDataset(arguments.positional[i]);
    if (!dataset) return fail(arguments, dataset.error());
    std::optional<zoo::ZooModel> model;
    if (!*dataset) {
      Result<zoo::ZooModel> found = zoo::findZooModel(arguments.positional[i], zooStore(arguments));
      if (!found) return fail(arguments, found.error());
      dataset = zoo::findDataset(found->dataset);
      if (!dataset) return fail(arguments, dataset.error());
      model.emplace(std::move(*found));
    }
    datasets += dataset->has_value();
    wanted.emplace_back(std::move(model), std::move(*dataset));
  }
  if (arguments.has(OptionId::DataDir) && datasets > 1)
    return fail(arguments, Error{"--data-dir is the folder of one data set; give one name with it", ErrorKind::Usage});
  Downloader downloader(arguments);
  for (const auto &[model, dataset] : wanted) {
    if (model)
      if (Result<void> done = downloader.model(*model); !done) return fail(arguments, done.error());
    if (dataset)
      if (Result<void> done = downloader.dataset(*dataset, !model); !done) return fail(arguments, done.error());
  }
  if (arguments.has(OptionId::Json)) printJson(downloader.document());
  else if (!arguments.has(OptionId::Quiet)) downloader.print();
  return kDone;
}

} // namespace triton::driver

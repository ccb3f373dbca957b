// A folder of pictures for each class, in the order of torchvision's ImageFolder.
#include "DataSet.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

namespace triton::zoo {

namespace fs = std::filesystem;

static constexpr size_t maxFiles = size_t(1) << 24;

namespace {
struct Picture {
  std::string path; ///< below the folder
  uint16_t label;
};

class ImageFolder : public DataSet {
public:
  ImageFolder(std::vector<Picture> pictures, const DataSetRequest &request) : pictures(std::move(pictures)), request(request) {}

  Result<void> read(size_t wanted, uint8_t *images, uint16_t *labels) override {
    std::atomic<size_t> next{0};
    std::mutex mutex;
    std::optional<std::pair<size_t, Error>> first; // of several faults the one that stands first, for equal messages in every run
    auto work = [&] {
      for (size_t i; (i = next.fetch_add(1)) < wanted;) {
        const Picture &picture = pictures[done + i];
        labels[i] = picture.label;
        if (Result<void> got = decode(folder + "/" + picture.path, images + i * imageBytes()); !got) {
          std::lock_guard lock(mutex);
          if (!first || i < first->first) first.emplace(i, got.takeError());
        }
      }
    };
    std::vector<std::thread> pool;
    for (size_t t = 1; t < std::min<size_t>(request.threads, wanted); ++t) pool.emplace_back(work);
    work();
    for (std::thread &t : pool) t.join();
    if (first) return std::move(first->second);
    done += wanted;
    return {};
  }

  Result<void> skip(uint64_t wanted) override {
    done += wanted;
    return {};
  }

  bool isIndexed() const override { return true; }
  Result<void> readAt(uint64_t index, uint8_t *image) const override { return decode(folder + "/" + pictures[index].path, image); }
  uint16_t labelAt(uint64_t index) const override { return pictures[index].label; }

private:
  Result<void> decode(const std::string &path, uint8_t *out) const {
    Result<Image> image = readImage(path);
    if (!image) return image.takeError();
    Result<Image> prepared = prepareImage(*image, request.preparation, request.shape.width, request.shape.height, path);
    if (!prepared) return prepared.takeError();
    writePlanes(*prepared, request.shape.channels, out);
    return {};
  }

  std::vector<Picture> pictures;
  DataSetRequest request;
  size_t done = 0;
};
} // namespace

/// The names of the folders in `folder`, sorted by bytes.
static std::vector<std::string> subfolders(const fs::path &folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->is_directory(error) && it->path().filename().string().front() != '.') names.push_back(it->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// True for the endings of pictures that torchvision's ImageFolder takes and we do not.
static bool isOtherPicture(const std::string &path) {
  std::string ending = fs::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char *other : {".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
    if (ending == other) return true;
  return false;
}

/// The pictures of a class, below `root`: folder after folder, each sorted. Without a name all that lie in `root`, which may be none.
static Result<void> listClass(const std::string &root, const std::string &name, uint16_t label, std::vector<Picture> &out) {
  std::map<std::string, std::vector<std::string>> files; // by folder
  std::error_code error;
  const size_t before = out.size();
  size_t seen = 0;
  fs::recursive_directory_iterator it(fs::path(root) / name, fs::directory_options::follow_directory_symlink, error), end;
  for (; !error && it != end; it.increment(error)) {
    // A link to a folder above would go round for ever.
    if (it.depth() > 16 || ++seen > maxFiles) return Error{root + "/" + name + ": too many files or folders within folders"};
    if (name.empty() && it->path().filename().string().front() == '.') {
      it.disable_recursion_pending();
      continue;
    }
    const std::string path = it->path().lexically_relative(root).string();
    if (isOtherPicture(path)) return Error{root + "/" + path + ": only JPEG and PNG are read; convert it"};
    std::error_code unreadable;
    if (hasImageName(path) && it->is_regular_file(unreadable)) files[fs::path(path).parent_path().string()].push_back(path);
  }
  if (error) return Error{root + "/" + name + ": " + error.message(), ErrorKind::Environment};
  for (auto &[folder, paths] : files) {
    std::sort(paths.begin(), paths.end());
    for (std::string &path : paths) out.push_back({std::move(path), label});
  }
  if (out.size() == before && !name.empty()) return Error{root + "/" + name + ": a class without JPEG or PNG files"};
  if (out.size() > maxFiles) return Error{root + ": too many files"};
  return {};
}

Result<std::unique_ptr<DataSet>> openImageFolder(const DataSetRequest &request) {
  std::error_code error;
  std::string root = request.folder;
  const std::string part = root + (request.training ? "/train" : "/val");
  if (fs::is_directory(part, error)) root = part;
  const std::vector<std::string> classes = request.labelled ? subfolders(root) : std::vector<std::string>{""};
  if (classes.empty()) return std::unique_ptr<DataSet>();
  if (request.labelled && classes.size() != request.classes)
    return Error{root + ": " + std::to_string(classes.size()) + " folders, one for each class, but the network has " +
                 std::to_string(request.classes) + " classes"};
  if (!request.bytesAccepted) return Error{root + ": pictures are uint8, the network takes float32 only"};
  if (request.shape.channels != 1 && request.shape.channels != 3)
    return Error{root + ": pictures have 3 channels or 1, the network takes " + shapeText(request.shape)};
  std::vector<Picture> pictures;
  for (size_t i = 0; i < classes.size(); ++i)
    if (Result<void> listed = listClass(root, classes[i], uint16_t(i), pictures); !listed) return listed.takeError();
  const size_t count = pictures.size();
  if (count == 0) return std::unique_ptr<DataSet>();
  auto data = std::make_unique<ImageFolder>(std::move(pictures), request);
  data->format = "folder";
  data->folder = root;
  data->imageElements = request.shape.elements();
  if (request.labelled) data->classNames = classes;
  data->count = count;
  return std::unique_ptr<DataSet>(std::move(data));
}

} // namespace triton::zoo

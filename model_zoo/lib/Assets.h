// What the zoo can fetch: files with their addresses, sizes and digests, as manifests name them, and the folders where they lie.
// No LLVM, no network.
#pragma once

#include "triton/Support/Json.h"
#include "triton/Support/Result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace triton::zoo {

/// A file that an archive holds and that is taken out of it.
struct ArchiveMember {
  std::string path;
  uint64_t size = 0; ///< 0: a small text, of at most kMaxUnsizedBytes
};
inline constexpr uint64_t kMaxUnsizedBytes = uint64_t(1) << 20;

/// One file of a manifest. `path` is relative to the folder of its network or data set and has been checked: it cannot leave it.
struct AssetFile {
  std::string path;
  uint64_t size = 0;
  std::string sha256;         ///< 64 lower-case hexadecimal digits
  std::string contentSha256;  ///< of what a .gz inflates to: copies that were compressed again count too; may be empty
  std::string licence;
  std::vector<std::string> urls;      ///< http, https or file; tried in this order. Empty: published nowhere
  std::vector<ArchiveMember> members; ///< of a .tar.gz: what is kept of it, below the same folder; the archive is not
};

/// A data set as model_zoo/datasets/NAME.json describes it.
struct Dataset {
  std::string name, description, licence, home, citation;
  std::string manual;              ///< how to get it where it may not be fetched; then there are no files
  std::vector<std::string> places; ///< folders where a system's packages put it
  std::vector<AssetFile> files;
};

/// Is `path` one that stays below its folder: relative, without empty, `.` and `..` parts, backslashes and control characters?
bool isSafePath(std::string_view path);

/// Why `url` may not be asked; "" if it may. http, https and file only, printable ASCII, no user and password.
std::string urlProblem(std::string_view url);

/// Reads a file of a manifest. `where` stands in messages.
Result<AssetFile> parseAssetFile(const json::Value &value, const std::string &where);

/// Every data set of the zoo, by name. A description that cannot be understood is an error that names it.
Result<std::vector<Dataset>> listDatasets();

/// Nothing when the zoo has no description of it.
Result<std::optional<Dataset>> findDataset(const std::string &name);

/// Where a store keeps the files of a network or a data set.
std::string modelFolder(const std::string &store, const std::string &name);
std::string datasetFolder(const std::string &store, const std::string &name);

/// The paths (relative to the data set's folder) that a whole copy has, with their sizes: members stand for their archive.
std::vector<ArchiveMember> filesInPlace(const Dataset &dataset);

/// Are all of the data set's files in `folder`? `sizesCount`: with the sizes of the manifest (not so in `places`, where files may
/// have been compressed again).
bool isComplete(const Dataset &dataset, const std::string &folder, bool sizesCount);

/// The folder of a data set: `given` (--data-dir) if it is not empty, else the store's if it is complete, else the first of the
/// system's places that is. Errors (kind Environment) name the command that gets it.
Result<std::string> findDatasetFolder(const std::string &name, const std::string &given, const std::string &store);

/// The SHA-256 of a regular file, read piece by piece.
Result<std::string> fileSha256(const std::string &path);
/// The SHA-256 of what a gzip file inflates to, at most `limitBytes`.
Result<std::string> inflatedSha256(const std::string &path, uint64_t limitBytes);

} // namespace triton::zoo

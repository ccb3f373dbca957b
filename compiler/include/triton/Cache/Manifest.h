// Manifests: what the last compile of a program read besides its main file, and which artifact came out. With it a hit needs no
// parser. No LLVM, no ANTLR.
#pragma once

#include "triton/Cache/Keys.h"

#include <optional>
#include <string>
#include <vector>

namespace triton::cache {

/// What a compile says about its artifact, so that a hit can say the same.
struct CompileSummary {
  std::string name;                   ///< of the model
  std::string targets;                ///< names, comma-separated
  uint64_t optLevel = 2, layers = 0, artifactBytes = 0;
  std::vector<std::string> warnings;  ///< about the weights, as printed
  std::string choices;                ///< the text of --verbose
};

struct Manifest {
  struct Import {
    std::string path;  ///< relative to the main file's folder ("./blocks.tri"), or absolute
    Key digest;        ///< of its canonical source
  };
  std::vector<Import> imports;     ///< every file but the main one
  std::vector<std::string> absent; ///< candidates of imports that were not there; one that appears changes the program
  Key artifact{};
  CompileSummary summary;
};

/// The folder of a file, absolute.
std::string folderOf(const std::string &path);
/// `path` as a manifest keeps it: relative when it lies below `mainFolder` (both absolute), so that a copy of the project and another
/// machine agree.
std::string portablePath(const std::string &path, const std::string &mainFolder);
std::string resolvePortablePath(const std::string &portable, const std::string &mainFolder);

void putManifest(Store &store, const Key &key, const Manifest &manifest);

/// The manifest under `key` if everything that it names is as it was. `mainPath` is the main file as the user names it; `files` gets the
/// other sources, in the same manner where they lie below its folder, and `lines` their lines.
std::optional<Manifest> findManifest(Store &store, const Key &key, const std::string &mainPath, std::vector<std::string> &files,
                                     uint64_t &lines);

/// The summary of an artifact, kept beside it.
void putSummary(Store &store, const Key &artifact, const CompileSummary &summary);
std::optional<CompileSummary> findSummary(Store &store, const Key &artifact);

/// The items of a key under a name of its user's choice: what --verbose and `triton cache why` compare.
void putItems(Store &store, const Key &name, const KeyItems &items);
std::optional<KeyItems> findItems(Store &store, const Key &name);

/// The names under which a compile keeps its items: that of the main file (for the next compile of it) and that of the artifact's
/// content (for `triton cache why`).
Key itemsNameOfProgram(const std::string &absolutePath);
Key itemsNameOfArtifact(const Key &contentDigest);

} // namespace triton::cache

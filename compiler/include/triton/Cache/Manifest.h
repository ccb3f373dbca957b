// Manifests: what the last compile of a program read besides its main file, and which artifact came out. With it a hit needs no
// parser. No LLVM, no ANTLR.
#pragma once

#include "triton/Cache/Keys.h"

#include <optional>
#include <string>
#include <vector>

namespace triton::cache {

/// A tuning record that a compile at -O3 asked for. Its content decides code as a source does.
struct RecordUse {
  Key key{};
  Key digest{};        ///< of what it said
  bool found = false;  ///< or that there was none
  bool open = false;   ///< there is more to measure for it
};

/// What a compile says about its artifact, so that a hit can say the same.
struct CompileSummary {
  std::string name;                   ///< of the model
  std::string targets;                ///< names, comma-separated
  uint64_t optLevel = 2, layers = 0, artifactBytes = 0;
  std::vector<std::string> warnings;  ///< about the weights, as printed
  std::string choices;                ///< the text of --verbose
  std::vector<RecordUse> records;     ///< -O3: what decided its choices
};

struct Manifest {
  struct Import {
    std::string place;   ///< relative to the main file's folder ("../blocks.tri"), or absolute
    Key digest{};        ///< of its canonical source
    bool again = false;  ///< a file that is here under another place already
    bool text = false;   ///< no program (@labels): the digest is that of its bytes
  };
  std::vector<Import> imports;     ///< every place where an import was found
  std::vector<std::string> absent; ///< places where one was looked for in vain; a file that appears there changes the program
  Key artifact{};
  CompileSummary summary;
};

/// The folder of a file, absolute.
std::string folderOf(const std::string &path);
void putManifest(Store &store, const Key &key, const Manifest &manifest);

/// The manifest under `key` if everything that it names is as it was. `mainPath` is the main file as the user names it; `files` gets the
/// other sources, in the same manner where their place is relative, and `lines` their lines.
std::optional<Manifest> findManifest(Store &store, const Key &key, const std::string &mainPath, std::vector<std::string> &files,
                                     uint64_t &lines);

/// The summary of an artifact, kept beside it.
void putSummary(Store &store, const Key &artifact, const CompileSummary &summary);
/// True if the records of a summary are as they were, so that its artifact is what a compile would give now. `measures`: that compile would measure
/// what is left open, so nothing may be.
bool recordsHold(Store &store, const CompileSummary &summary, bool measures);
/// The key of the artifact that these records gave, where `program` is the key without them.
Key artifactOfRecords(const Key &program, const CompileSummary &summary);
std::optional<CompileSummary> findSummary(Store &store, const Key &artifact);

/// The items of a key under a name of its user's choice: what --verbose and `triton cache why` compare.
void putItems(Store &store, const Key &name, const KeyItems &items);
std::optional<KeyItems> findItems(Store &store, const Key &name);

/// The names under which a compile keeps its items: that of the main file (for the next compile of it) and that of the artifact's
/// content (for `triton cache why`).
Key itemsNameOfProgram(const std::string &absolutePath);
Key itemsNameOfArtifact(const Key &contentDigest);

} // namespace triton::cache

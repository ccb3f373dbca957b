#include "triton/Cache/Manifest.h"

#include "triton/Cache/Files.h"

#include "Encoding.h"

#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace triton::cache {

// Programs are pages of text; what is larger was not written by a compile of ours.
static constexpr uint64_t kMaxSourceBytes = uint64_t(64) << 20;

std::string folderOf(const std::string &path) { return std::filesystem::path(absolutePath(path)).parent_path().string(); }

/// Where a place is for a main file in `folder`.
static std::string pathOf(const std::string &place, const std::filesystem::path &folder) {
  return (folder / place).lexically_normal().string();
}

static std::optional<std::string> readText(const std::string &path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || uint64_t(info.st_size) > kMaxSourceBytes) return std::nullopt;
  std::string text(size_t(info.st_size), '\0');
  for (size_t done = 0; done < text.size();) {
    ssize_t n = ::read(fd, text.data() + done, text.size() - done);
    if (n <= 0) return std::nullopt;
    done += size_t(n);
  }
  return text;
}

static void writeSummary(RecordWriter &out, const CompileSummary &summary) {
  out.text(summary.name);
  out.text(summary.targets);
  out.number(summary.optLevel);
  out.number(summary.layers);
  out.number(summary.artifactBytes);
  out.number(summary.warnings.size());
  for (const std::string &warning : summary.warnings) out.text(warning);
  out.text(summary.choices);
  out.number(summary.records.size());
  for (const RecordUse &record : summary.records) {
    out.key(record.key);
    out.key(record.digest);
    out.number(record.found | record.open << 1);
  }
}

static CompileSummary readSummary(RecordReader &in) {
  CompileSummary summary;
  summary.name = in.text();
  summary.targets = in.text();
  summary.optLevel = in.number();
  summary.layers = in.number();
  summary.artifactBytes = in.number();
  for (size_t i = 0, n = in.count(8); i < n; ++i) summary.warnings.push_back(in.text());
  summary.choices = in.text();
  for (size_t i = 0, n = in.count(72); i < n; ++i) {
    RecordUse record;
    record.key = in.key();
    record.digest = in.key();
    uint64_t flags = in.number();
    record.found = flags & 1, record.open = flags & 2;
    summary.records.push_back(record);
  }
  return summary;
}

bool recordsHold(Store &store, const CompileSummary &summary, bool measures) {
  for (const RecordUse &record : summary.records) {
    if (measures && record.open) return false;
    std::optional<Blob> now = store.get(EntryKind::Tuning, record.key);
    if (now.has_value() != record.found || (now && digestOf(now->text()) != record.digest)) return false;
  }
  return true;
}

Key artifactOfRecords(const Key &program, const CompileSummary &summary) {
  if (summary.records.empty()) return program;
  KeyBuilder key("triton tuned artifact 1");
  key.add("artifact", program);
  for (const RecordUse &record : summary.records) key.add(record.found ? "record" : "none", record.key).add("says", record.digest);
  return key.key();
}

void putManifest(Store &store, const Key &key, const Manifest &manifest) {
  RecordWriter out;
  out.number(manifest.imports.size());
  for (const Manifest::Import &import : manifest.imports) {
    out.text(import.place);
    out.key(import.digest);
    out.number(import.again | import.text << 1);
  }
  out.number(manifest.absent.size());
  for (const std::string &path : manifest.absent) out.text(path);
  out.key(manifest.artifact);
  writeSummary(out, manifest.summary);
  store.put(EntryKind::Manifest, key, out.content());
}

std::optional<Manifest> findManifest(Store &store, const Key &key, const std::string &mainPath, std::vector<std::string> &files,
                                     uint64_t &lines) {
  std::string mainFolder = folderOf(mainPath);
  std::filesystem::path spelledFolder = std::filesystem::path(mainPath).parent_path();
  std::optional<Blob> content = store.get(EntryKind::Manifest, key);
  if (!content) return std::nullopt;
  RecordReader in(*content);
  Manifest manifest;
  for (size_t i = 0, n = in.count(48); i < n; ++i) {
    Manifest::Import import;
    import.place = in.text();
    import.digest = in.key();
    uint64_t flags = in.number();
    import.again = flags & 1, import.text = flags & 2;
    manifest.imports.push_back(std::move(import));
  }
  for (size_t i = 0, n = in.count(8); i < n; ++i) manifest.absent.push_back(in.text());
  manifest.artifact = in.key();
  manifest.summary = readSummary(in);
  if (!in.complete()) return std::nullopt;
  for (const Manifest::Import &import : manifest.imports) {
    std::string path = pathOf(import.place, mainFolder);
    std::optional<std::string> text = readText(path);
    if (!text || digestOf(import.text ? *text : canonicalSource(*text)) != import.digest) return std::nullopt;
    if (import.again) continue;
    if (!import.text) lines += countLines(*text);
    // What -I leads to is named like the rest where it lies below the program, as a compile does.
    std::string below = path.starts_with(mainFolder + "/") ? path.substr(mainFolder.size() + 1) : import.place;
    files.push_back(pathOf(below, spelledFolder));
  }
  for (const std::string &place : manifest.absent)
    if (stampOf(pathOf(place, mainFolder))) return std::nullopt;
  return manifest;
}

static Key summaryKey(const Key &artifact) { return KeyBuilder("triton summary 1").add("artifact", artifact).key(); }

void putSummary(Store &store, const Key &artifact, const CompileSummary &summary) {
  RecordWriter out;
  writeSummary(out, summary);
  store.put(EntryKind::Manifest, summaryKey(artifact), out.content());
}

std::optional<CompileSummary> findSummary(Store &store, const Key &artifact) {
  std::optional<Blob> content = store.get(EntryKind::Manifest, summaryKey(artifact));
  if (!content) return std::nullopt;
  RecordReader in(*content);
  CompileSummary summary = readSummary(in);
  if (!in.complete()) return std::nullopt;
  return summary;
}

void putItems(Store &store, const Key &name, const KeyItems &items) {
  RecordWriter out;
  out.number(items.size());
  for (const KeyItem &item : items) {
    out.text(item.tag);
    out.text(item.value);
  }
  store.put(EntryKind::Manifest, name, out.content());
}

std::optional<KeyItems> findItems(Store &store, const Key &name) {
  std::optional<Blob> content = store.get(EntryKind::Manifest, name);
  if (!content) return std::nullopt;
  RecordReader in(*content);
  KeyItems items;
  for (size_t i = 0, n = in.count(16); i < n; ++i) {
    KeyItem item;
    item.tag = in.text();
    item.value = in.text();
    items.push_back(std::move(item));
  }
  if (!in.complete()) return std::nullopt;
  return items;
}

Key itemsNameOfProgram(const std::string &absolutePath) { return KeyBuilder("triton items of program 1").add("path", absolutePath).key(); }
Key itemsNameOfArtifact(const Key &contentDigest) {
  return KeyBuilder("triton items of artifact 1").add("content", contentDigest).key();
}

} // namespace triton::cache

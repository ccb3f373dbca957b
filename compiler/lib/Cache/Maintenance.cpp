// Whole directories: what is there, checking, clearing, and moving entries between machines in one file.
//
// An exported file: magic 89 54 52 49 58 0D 0A 1A ("\x89TRIX\r\n\x1a"), then each entry as its sealed length (8 bytes, little-
// endian) and its sealed bytes, then eight bytes FF and the number of entries (8 bytes). Every entry carries its own seal, and
// the end mark tells a whole file from a cut one.
#include "triton/Cache/Maintenance.h"

#include "Scan.h"
#include "Statistics.h"

#include "artifact/container.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace triton::cache {

static constexpr uint8_t kExportMagic[8] = {0x89, 'T', 'R', 'I', 'X', '\r', '\n', 0x1a};
static constexpr uint64_t kExportEnd = UINT64_MAX;

/// Opens an existing directory; nothing if there is none yet.
static Result<std::optional<Directory>> openExisting(const std::string &dir) {
  if (dir.empty()) return Error{"there is no directory for the cache: name one with --cache-dir", ErrorKind::Usage};
  struct stat st;
  if ((::stat(dir.c_str(), &st) != 0 && errno == ENOENT) || (::stat((dir + "/v1").c_str(), &st) != 0 && errno == ENOENT))
    return std::optional<Directory>();
  Result<Directory> opened = Directory::open(dir, false);
  if (!opened) return opened.takeError();
  return std::optional<Directory>(std::move(*opened));
}

Result<Usage> usage(const std::string &dir) {
  Result<std::optional<Directory>> opened = openExisting(dir);
  if (!opened) return opened.takeError();
  Usage out;
  if (!*opened) return out;
  Result<void> scanned = scan(**opened, [&](int, const ScanItem &item) {
    out.bytes += item.diskBytes;
    if (!item.kind) {
      ++out.foreign;
      return;
    }
    Usage::Kind &kind = out.kinds[size_t(*item.kind)];
    ++kind.entries;
    kind.bytes += item.diskBytes;
    ++out.entries;
  });
  if (!scanned) return scanned.takeError();
  out.temporaries = cleanTemporaries(**opened, false);
  return out;
}

Counters storedCounters(const std::string &dir) {
  Result<std::optional<Directory>> opened = openExisting(dir);
  return opened && *opened ? readStatistics(**opened).counters : Counters{};
}

Result<PruneReport> prune(const std::string &dir, uint64_t toBytes) {
  Result<std::optional<Directory>> opened = openExisting(dir);
  if (!opened) return opened.takeError();
  if (!*opened) return PruneReport{};
  return pruneDirectory(**opened, toBytes);
}

Result<PruneReport> clear(const std::string &dir) {
  Result<std::optional<Directory>> opened = openExisting(dir);
  if (!opened) return opened.takeError();
  PruneReport report;
  if (!*opened) return report;
  std::optional<Error> failure;
  Result<void> scanned = scan(**opened, [&](int leafFd, const ScanItem &item) {
    if ((*opened)->removeAny(leafFd, item.name.c_str())) {
      ++report.removedEntries;
      report.removedBytes += item.diskBytes;
    } else if (!failure) {
      failure = systemError("cannot remove '" + dir + "/v1/" + itemPath(item) + "'", errno);
    }
  });
  if (!scanned) return scanned.takeError();
  if (failure) return std::move(*failure);
  cleanTemporaries(**opened, true);
  if (!clearStatistics(**opened)) return systemError("cannot remove the counters in '" + dir + "'", errno);
  return report;
}

enum class Condition { Whole, Damaged, Gone };

/// Reads an item as a whole entry under its own name.
static Condition readItem(int leafFd, const ScanItem &item, Blob &sealed) {
  if (!item.kind) return Condition::Damaged;
  Fd fd(::openat(leafFd, item.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) return errno == ENOENT ? Condition::Gone : Condition::Damaged;
  struct stat st;
  if (::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < off_t(kSealBytes)) return Condition::Damaged;
  SealBytes sealBytes;
  uint64_t contentBytes = uint64_t(st.st_size) - kSealBytes;
  // As in a look-up: the seal vouches for the size before memory is asked for.
  if (!readExactly(fd.get(), sealBytes.data(), kSealBytes, contentBytes)) return Condition::Damaged;
  std::optional<Seal> seal = readSeal(sealBytes);
  if (!seal || seal->contentBytes != contentBytes) return Condition::Damaged;
  sealed = Blob::allocate(size_t(st.st_size));
  if (!sealed.data()) return Condition::Gone;
  if (!readExactly(fd.get(), sealed.data(), sealed.size(), 0)) return Condition::Damaged;
  return isEntry(sealed, *item.kind, item.key) ? Condition::Whole : Condition::Damaged;
}

Result<VerifyReport> verify(const std::string &dir, bool keep) {
  Result<std::optional<Directory>> opened = openExisting(dir);
  if (!opened) return opened.takeError();
  VerifyReport report;
  if (!*opened) return report;
  Result<void> scanned = scan(**opened, [&](int leafFd, const ScanItem &item) {
    Blob sealed;
    Condition condition = readItem(leafFd, item, sealed);
    if (condition == Condition::Gone) return;
    ++report.entries;
    report.bytes += item.diskBytes;
    if (condition == Condition::Whole) return;
    ++report.damaged;
    report.names.push_back(itemPath(item));
    if (!keep) (*opened)->removeAny(leafFd, item.name.c_str());
  });
  if (!scanned) return scanned.takeError();
  std::sort(report.names.begin(), report.names.end());
  if (!keep && report.damaged) {
    Statistics change;
    change.counters[size_t(Counter::CorruptDropped)] = report.damaged;
    addStatistics(**opened, change);
  }
  return report;
}

static std::array<uint8_t, 8> number(uint64_t value) {
  std::array<uint8_t, 8> out;
  tri_store_u64(out.data(), value);
  return out;
}

Result<uint64_t> exportTo(const std::string &dir, const std::string &file, std::span<const EntryKind> kinds) {
  Result<std::optional<Directory>> opened = openExisting(dir);
  if (!opened) return opened.takeError();
  std::string temporary = uniqueName(file + ".");
  Fd out(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!out) return systemError(file + ": cannot create a file beside it", errno);
  auto abandon = [&] {
    int code = errno;
    ::unlink(temporary.c_str());
    return systemError(file + ": cannot write", code);
  };
  uint64_t entries = 0;
  bool written = writeAll(out.get(), kExportMagic);
  if (*opened) {
    Result<void> scanned = scan(**opened, [&](int leafFd, const ScanItem &item) {
      Blob sealed;
      bool wanted = item.kind && (kinds.empty() || std::find(kinds.begin(), kinds.end(), *item.kind) != kinds.end());
      if (!written || !wanted || readItem(leafFd, item, sealed) != Condition::Whole) return;
      written = writeAll(out.get(), number(sealed.size())) && writeAll(out.get(), sealed);
      ++entries;
    });
    if (!scanned) {
      ::unlink(temporary.c_str());
      return scanned.takeError();
    }
  }
  written = written && writeAll(out.get(), number(kExportEnd)) && writeAll(out.get(), number(entries)) && out.close();
  if (!written || ::rename(temporary.c_str(), file.c_str()) != 0) return abandon();
  return entries;
}

Result<ImportReport> importFrom(const std::string &dir, const std::string &file) {
  Fd in(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!in) return systemError("cannot open '" + file + "'", errno);
  struct stat st;
  if (::fstat(in.get(), &st) != 0 || !S_ISREG(st.st_mode)) return Error{"'" + file + "' is no regular file"};
  const uint64_t total = uint64_t(st.st_size);
  uint64_t at = 0;
  auto damaged = [&](const char *what) {
    return Error{"'" + file + "' at byte " + std::to_string(at) + ": " + what + "; what came before was imported"};
  };
  std::array<uint8_t, 8> word;
  if (total < 8 || !readExactly(in.get(), word.data(), 8, 0) || !std::equal(word.begin(), word.end(), kExportMagic))
    return Error{"'" + file + "' is no exported cache"};
  ImportReport report;
  std::string refused;
  StoreOptions options;
  options.dir = dir;
  // The size is the user's affair here: what was asked for is kept until the next compile or `prune`.
  options.maxBytes = INT64_MAX;
  options.warn = [&](const std::string &message) { refused = message; };
  std::unique_ptr<Store> store = Store::open(options);
  if (!store->usable()) return Error{store->problem(), ErrorKind::Environment};
  at = 8;
  for (uint64_t entries = 0;; ++entries) {
    if (total - at < 16 || !readExactly(in.get(), word.data(), 8, at)) return damaged("the file is cut off");
    uint64_t bytes = tri_load_u64(word.data());
    if (bytes == kExportEnd) {
      if (!readExactly(in.get(), word.data(), 8, at + 8) || tri_load_u64(word.data()) != entries || at + 16 != total)
        return damaged("the end does not fit what came before");
      return report;
    }
    if (bytes < kSealBytes || bytes > total - at - 8) return damaged("an entry is longer than the file");
    Blob sealed = Blob::allocate(size_t(bytes));
    if (!sealed.data()) return damaged("there is no memory for this entry");
    if (!readExactly(in.get(), sealed.data(), sealed.size(), at + 8)) return damaged("the file cannot be read");
    std::optional<Seal> seal = checkEntry(sealed);
    if (!seal) return damaged("this entry is damaged");
    if (store->probablyHas(seal->kind, seal->key) && store->get(seal->kind, seal->key)) {
      ++report.present;
    } else {
      store->put(seal->kind, seal->key, sealed.bytes().first(seal->contentBytes));
      if (!refused.empty()) return Error{refused, ErrorKind::Environment};
      ++report.entries;
      report.bytes += bytes;
    }
    at += 8 + bytes;
  }
}

} // namespace triton::cache

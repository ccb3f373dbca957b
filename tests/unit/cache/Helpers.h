// A directory that goes away, keys and contents that depend on a number, and where an entry lies.
#pragma once

#include "triton/Cache/Entry.h"

#include "artifact/blake3.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

namespace triton::cache {

/// Are the tests to take their time (label full)?
inline bool atLength() { return std::getenv("TRITON_TEST_FULL") != nullptr; }

/// A new directory, removed at the end: in memory where there is such a place, since removing files from a disk takes most of a
/// short test's time; on the disk when the tests may take longer.
class TemporaryDirectory {
public:
  TemporaryDirectory() {
    bool memory = !atLength() && ::access("/dev/shm", W_OK | X_OK) == 0;
    std::filesystem::path parent = memory ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string name = (parent / "triton-cache-XXXXXX").string();
    if (!::mkdtemp(name.data())) std::abort();
    place = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(place, ignored);
  }
  std::string path(const std::string &below = "") const { return below.empty() ? place.string() : (place / below).string(); }

private:
  std::filesystem::path place;
};

inline Key numberedKey(uint64_t number) {
  Key key;
  tri_blake3(&number, sizeof number, key.data());
  return key;
}

/// Bytes that follow from a number, and say when they are of another one.
inline std::vector<uint8_t> numberedContent(uint64_t number, size_t bytes) {
  std::vector<uint8_t> out(bytes);
  uint64_t state = number * 0x9E3779B97F4A7C15u + 1;
  for (uint8_t &byte : out) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = uint8_t(state >> 56);
  }
  return out;
}

inline std::string entryPath(const std::string &dir, EntryKind kind, const Key &key) {
  std::string hex = toHex(key);
  return dir + "/v1/" + hex[0] + "/" + hex[1] + "/" + hex.substr(2) + "." + std::string(kindName(kind));
}

inline std::vector<uint8_t> readBytes(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  return std::vector<uint8_t>(std::istreambuf_iterator<char>(in), {});
}

/// A new file each time: some file systems write a file that was cut to nothing to the disk at once, which takes long.
inline void writeBytes(const std::string &path, const std::vector<uint8_t> &bytes) {
  std::remove(path.c_str());
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char *>(bytes.data()), std::streamsize(bytes.size()));
}

inline bool equal(Bytes a, const std::vector<uint8_t> &b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

inline uint64_t counted(Store &store, Counter counter) { return store.counters()[size_t(counter)]; }

/// Files in v1/tmp.
inline size_t leftovers(const std::string &dir) {
  std::error_code missing;
  std::filesystem::directory_iterator it(dir + "/v1/tmp", missing);
  return missing ? 0 : size_t(std::distance(it, std::filesystem::directory_iterator()));
}

} // namespace triton::cache

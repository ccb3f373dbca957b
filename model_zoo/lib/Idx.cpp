#include "Idx.h"

#include "triton/Tensor/Files.h"

#include <algorithm>
#include <unistd.h>
#include <zlib.h>

namespace triton::zoo {

// No image set of this family comes near; it bounds what a hostile file can make us allocate.
static constexpr uint64_t maxBytes = uint64_t(1) << 31;

Result<std::string> gunzip(std::string_view compressed, const std::string &name, uint64_t limitBytes) {
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return Error{name + ": zlib cannot start", ErrorKind::Environment};
  struct Closer {
    z_stream *stream;
    ~Closer() { inflateEnd(stream); }
  } closer{&stream};
  if (compressed.size() > maxBytes) return Error{name + ": too large"};
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  std::string out;
  std::vector<char> chunk(1 << 18);
  while (true) {
    stream.next_out = reinterpret_cast<Bytef *>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    int status = inflate(&stream, Z_NO_FLUSH);
    size_t got = chunk.size() - stream.avail_out;
    std::string at = name + ": offset " + std::to_string(compressed.size() - stream.avail_in) + " of the gzip data: ";
    if (status != Z_OK && status != Z_STREAM_END && !(status == Z_BUF_ERROR && got == 0))
      return Error{at + (stream.msg ? stream.msg : "damaged")};
    if (out.size() + got > limitBytes) return Error{at + "inflates to more than " + std::to_string(limitBytes) + " bytes"};
    out.append(chunk.data(), got);
    if (status == Z_STREAM_END) {
      if (stream.avail_in != 0) return Error{at + "bytes after the end of the stream"};
      return out;
    }
    if (stream.avail_in == 0 && got < chunk.size()) return Error{at + "the stream is cut off"};
  }
}

static uint32_t bigEndian32(std::string_view data, size_t at) {
  auto byte = [&](size_t i) { return uint32_t(static_cast<unsigned char>(data[at + i])); };
  return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}

Result<std::vector<uint32_t>> parseIdxHeader(std::string_view data, const std::string &name, unsigned rank) {
  if (data.size() < 4) return Error{name + ": offset 0: not an IDX file: only " + std::to_string(data.size()) + " bytes"};
  if (data[0] != 0 || data[1] != 0) return Error{name + ": offset 0: not an IDX file: the first two bytes must be zero"};
  if (static_cast<unsigned char>(data[2]) != 0x08)
    return Error{name + ": offset 2: element type " + std::to_string(static_cast<unsigned char>(data[2])) +
                 ", expected 8 (unsigned byte)"};
  unsigned found = static_cast<unsigned char>(data[3]);
  if (found != rank)
    return Error{name + ": offset 3: " + std::to_string(found) + " dimensions, expected " + std::to_string(rank)};
  size_t headerBytes = 4 + size_t(4) * rank;
  if (data.size() < headerBytes)
    return Error{name + ": offset " + std::to_string(data.size()) + ": the sizes are cut off, they end at " +
                 std::to_string(headerBytes)};
  std::vector<uint32_t> dims;
  uint64_t product = 1;
  for (unsigned i = 0; i < rank; ++i) {
    size_t at = 4 + size_t(4) * i;
    uint32_t size = bigEndian32(data, at);
    if (size == 0) return Error{name + ": offset " + std::to_string(at) + ": dimension " + std::to_string(i) + " is zero"};
    if (product > maxBytes / size)
      return Error{name + ": offset " + std::to_string(at) + ": dimension " + std::to_string(i) + " of " +
                   std::to_string(size) + " makes the tensor too large"};
    product *= size;
    dims.push_back(size);
  }
  return dims;
}

Result<IdxTensor> parseIdx(std::string_view data, const std::string &name, unsigned rank) {
  Result<std::vector<uint32_t>> dims = parseIdxHeader(data, name, rank);
  if (!dims) return dims.takeError();
  const size_t headerBytes = 4 + size_t(4) * rank;
  uint64_t product = 1, payload = data.size() - headerBytes;
  for (uint32_t size : *dims) product *= size;
  if (payload != product)
    return Error{name + ": offset " + std::to_string(headerBytes) + ": " + std::to_string(payload) +
                 " bytes of elements, the sizes ask for " + std::to_string(product)};
  IdxTensor out;
  out.dims = std::move(*dims);
  out.bytes.assign(data.begin() + static_cast<ptrdiff_t>(headerBytes), data.end());
  return out;
}

Result<IdxTensor> readIdx(const std::string &path, unsigned rank) {
  Result<std::string> bytes = readFileBytes(path, maxBytes);
  if (!bytes) return bytes.takeError();
  if (bytes->size() >= 2 && (*bytes)[0] == '\x1F' && (*bytes)[1] == '\x8B') {
    Result<std::string> plain = gunzip(*bytes, path, maxBytes);
    if (!plain) return plain.takeError();
    return parseIdx(*plain, path, rank);
  }
  return parseIdx(*bytes, path, rank);
}

std::string plainOrZipped(const std::string &path) {
  std::string zipped = path + ".gz";
  return ::access(zipped.c_str(), F_OK) != 0 && ::access(path.c_str(), F_OK) == 0 ? path : zipped;
}

Result<ImageSet> readImageSet(const std::string &folder, bool training, unsigned classes) {
  std::string stem = folder + "/" + (training ? "train" : "t10k");
  std::string imagePath = plainOrZipped(stem + "-images-idx3-ubyte");
  std::string labelPath = plainOrZipped(stem + "-labels-idx1-ubyte");
  Result<IdxTensor> images = readIdx(imagePath, 3);
  if (!images) return images.takeError();
  Result<IdxTensor> labels = readIdx(labelPath, 1);
  if (!labels) return labels.takeError();
  if (images->dims[0] != labels->dims[0])
    return Error{labelPath + ": offset 4: " + std::to_string(labels->dims[0]) + " labels for " +
                 std::to_string(images->dims[0]) + " images in " + imagePath};
  for (size_t i = 0; i < labels->bytes.size(); ++i)
    if (labels->bytes[i] >= classes)
      return Error{labelPath + ": offset " + std::to_string(8 + i) + ": label " + std::to_string(labels->bytes[i]) +
                   ", expected 0.." + std::to_string(classes - 1)};
  ImageSet set;
  set.count = images->dims[0];
  set.height = images->dims[1];
  set.width = images->dims[2];
  set.pixels = std::move(images->bytes);
  set.labels = std::move(labels->bytes);
  return set;
}

} // namespace triton::zoo

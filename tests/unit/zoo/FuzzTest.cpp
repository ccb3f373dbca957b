// Mutated pictures and data sets: refused with a message, or read within their bounds. See tests/unit/Mutations.h.
#include "../Mutations.h"
#include "DataSet.h"
#include "Idx.h"

#include "triton/Tensor/Files.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>

using namespace triton;
using namespace triton::zoo;

namespace {

const std::string inputs = TRITON_TEST_INPUTS "/";

std::vector<std::string> seedsOf(const std::string &ending) {
  std::vector<std::string> paths, seeds;
  for (const auto &entry : std::filesystem::directory_iterator(inputs))
    if (entry.path().extension() == ending) paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  for (const std::string &path : paths) seeds.push_back(*readFileBytes(path));
  return seeds;
}

/// Reads every pixel that a picture claims; false when it was refused.
bool decoded(const std::string &bytes) {
  Result<Image> image = decodeImage({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()}, "p");
  if (!image) {
    EXPECT_EQ(image.error().message.compare(0, 3, "p: "), 0) << image.error().message;
    EXPECT_GT(image.error().message.size(), 10u);
    return false;
  }
  EXPECT_EQ(image->pixels.size(), size_t(3) * image->width * image->height);
  EXPECT_LE(uint64_t(image->width) * image->height, maxImagePixels());
  // Any picture can be prepared, or is too small.
  Result<Image> prepared = prepareImage(*image, {16, Filter::Bicubic}, 14, 14, "p");
  EXPECT_TRUE(!prepared || prepared->pixels.size() == 3u * 14 * 14);
  return true;
}

TEST(Fuzz, Jpeg) {
  const std::vector<std::string> seeds = seedsOf(".jpg");
  ASSERT_EQ(seeds.size(), 8u);
  tests::Fuzz fuzz(1500);
  while (fuzz.more()) fuzz.accepted += decoded(fuzz.mutated(seeds[fuzz.below(seeds.size())]));
  EXPECT_GT(fuzz.accepted, fuzz.runs / 200);
}

void appendBig(std::string &out, uint32_t value) {
  for (int shift : {24, 16, 8, 0}) out += static_cast<char>(value >> shift);
}

std::string chunk(const std::string &kind, const std::string &data) {
  std::string out;
  appendBig(out, uint32_t(data.size()));
  out += kind + data;
  appendBig(out, uint32_t(crc32(0, reinterpret_cast<const Bytef *>((kind + data).data()), uInt(4 + data.size()))));
  return out;
}

/// Mutates one chunk and gives it a right checksum, so that what it says is looked at; pixels are mutated before they are compressed.
std::string mutatedChunk(tests::Fuzz &fuzz, const std::string &seed) {
  struct Part {
    std::string kind, data;
  };
  std::vector<Part> parts;
  for (size_t at = 8; at + 12 <= seed.size();) {
    uint32_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | uint8_t(seed[at + i]);
    parts.push_back({seed.substr(at + 4, 4), seed.substr(at + 8, length)});
    at += size_t(12) + length;
  }
  Part &part = parts[fuzz.below(parts.size())];
  if (part.kind == "IDAT" && fuzz.below(2)) {
    std::string plain(1 << 16, '\0');
    uLongf length = plain.size();
    uncompress(reinterpret_cast<Bytef *>(plain.data()), &length, reinterpret_cast<const Bytef *>(part.data.data()), part.data.size());
    plain = fuzz.mutated(plain.substr(0, length));
    part.data.resize(compressBound(plain.size()));
    length = part.data.size();
    compress(reinterpret_cast<Bytef *>(part.data.data()), &length, reinterpret_cast<const Bytef *>(plain.data()), plain.size());
    part.data.resize(length);
  } else if (part.kind == "IHDR" && fuzz.below(2)) {
    part.data[8] = static_cast<char>(1 << fuzz.below(5));
    part.data[9] = static_cast<char>(fuzz.below(7));
    part.data[12] = static_cast<char>(fuzz.below(2));
  } else {
    part.data = fuzz.mutated(part.data);
  }
  if (fuzz.below(8) == 0) parts.insert(parts.begin() + ptrdiff_t(fuzz.below(parts.size())), Part(parts[fuzz.below(parts.size())]));
  std::string out = seed.substr(0, 8);
  for (const Part &p : parts) out += chunk(p.kind, p.data);
  return out;
}

TEST(Fuzz, Png) {
  const std::vector<std::string> seeds = seedsOf(".png");
  ASSERT_EQ(seeds.size(), 17u);
  tests::Fuzz fuzz(6000);
  while (fuzz.more()) {
    const std::string &seed = seeds[fuzz.below(seeds.size())];
    fuzz.accepted += decoded(fuzz.runs % 4 ? mutatedChunk(fuzz, seed) : fuzz.mutated(seed));
  }
  EXPECT_GT(fuzz.accepted, fuzz.runs / 200);
}

TEST(Fuzz, Idx) {
  std::string seed{'\0', '\0', '\x08', '\3'};
  for (uint32_t d : {3u, 4u, 5u}) appendBig(seed, d);
  seed += std::string(60, 'x');
  tests::Fuzz fuzz(20000);
  while (fuzz.more()) {
    Result<IdxTensor> read = parseIdx(fuzz.mutated(seed), "f", 3);
    if (!read) {
      ASSERT_EQ(read.error().message.compare(0, 10, "f: offset "), 0) << read.error().message;
      continue;
    }
    ++fuzz.accepted;
    ASSERT_EQ(uint64_t(read->dims[0]) * read->dims[1] * read->dims[2], read->bytes.size());
  }
  EXPECT_GT(fuzz.accepted, fuzz.runs / 200);
}

/// Opens a folder whose files are mutations of `files`, and reads all of it.
void fuzzFolder(tests::Fuzz &fuzz, const std::string &name, const std::vector<std::pair<std::string, std::string>> &files, const DataSetRequest &wanted) {
  DataSetRequest request = wanted;
  request.folder = testing::TempDir() + name + std::to_string(getpid());
  std::filesystem::create_directories(request.folder);
  while (fuzz.more()) {
    const size_t changed = fuzz.below(files.size());
    for (size_t i = 0; i < files.size(); ++i)
      ASSERT_TRUE(writeFileAtomically(request.folder + "/" + files[i].first, i == changed ? fuzz.mutated(files[i].second) : files[i].second));
    Result<std::unique_ptr<DataSet>> data = openDataSet(request);
    if (!data) {
      ASSERT_EQ(data.error().message.compare(0, request.folder.size(), request.folder), 0) << data.error().message;
      continue;
    }
    std::vector<uint8_t> image((*data)->imageBytes());
    uint16_t label = 0;
    bool whole = true;
    for (uint64_t i = 0; whole && i < std::min<uint64_t>((*data)->count, 100); ++i) {
      Result<void> got = (*data)->read(1, image.data(), &label);
      whole = bool(got);
      ASSERT_TRUE(!whole || label < request.classes);
    }
    fuzz.accepted += whole;
  }
  EXPECT_GT(fuzz.accepted, fuzz.runs / 200);
  std::filesystem::remove_all(request.folder);
}

TEST(Fuzz, IdxFolder) {
  std::string images{'\0', '\0', '\x08', '\3'}, labels{'\0', '\0', '\x08', '\1'};
  for (uint32_t d : {3u, 4u, 5u}) appendBig(images, d);
  appendBig(labels, 3);
  std::string zipped(200, '\0');
  images += std::string(60, 'x');
  labels += std::string("\1\2\3");
  z_stream s{};
  deflateInit2(&s, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
  s.next_in = reinterpret_cast<Bytef *>(images.data());
  s.avail_in = uInt(images.size());
  s.next_out = reinterpret_cast<Bytef *>(zipped.data());
  s.avail_out = uInt(zipped.size());
  deflate(&s, Z_FINISH);
  zipped.resize(s.total_out);
  deflateEnd(&s);
  DataSetRequest wanted;
  wanted.name = "mnist";
  wanted.shape = {1, 4, 5};
  wanted.classes = 10;
  tests::Fuzz fuzz(300);
  fuzzFolder(fuzz, "fuzz_idx", {{"t10k-images-idx3-ubyte.gz", zipped}, {"t10k-labels-idx1-ubyte", labels}}, wanted);
}

TEST(Fuzz, Cifar) {
  DataSetRequest wanted;
  wanted.name = "cifar10";
  wanted.shape = {3, 32, 32};
  wanted.classes = 10;
  tests::Fuzz fuzz(300);
  fuzzFolder(fuzz, "fuzz_cifar", {{"test_batch.bin", std::string(3073 * 2, '\1')}, {"batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n"}}, wanted);
}

} // namespace

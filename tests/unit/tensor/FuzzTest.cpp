// Mutated .npy, .npz and .safetensors files: refused with a message, or read within their bounds.
#include "../Mutations.h"
#include "triton/Tensor/Npy.h"
#include "triton/Tensor/Safetensors.h"

#include <gtest/gtest.h>

using namespace triton;

namespace {

template <typename T>
HostTensor tensor(TensorShape shape, std::vector<T> values) {
  return HostTensor::of<T>(std::move(shape), values);
}

/// Reads every byte (the sanitizers look on).
uint64_t sumOf(std::span<const uint8_t> bytes) {
  uint64_t sum = 0;
  for (uint8_t byte : bytes) sum += byte;
  return sum;
}

TEST(Fuzz, Npy) {
  const std::string seeds[] = {*encodeNpy(tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6})), *encodeNpy(tensor<uint8_t>({4}, {1, 2, 3, 4}))};
  tests::Fuzz fuzz(20000);
  while (fuzz.more()) {
    const std::string bytes = fuzz.mutated(seeds[fuzz.runs % std::size(seeds)]);
    Result<HostTensor> read = parseNpy(bytes, "f");
    // What is read of a file in pieces is the same header, or the same refusal.
    Result<NpyHeader> header = parseNpyHeader(bytes, bytes.size(), "f");
    ASSERT_EQ(bool(read), bool(header));
    if (!read) {
      ASSERT_EQ(read.error().message.compare(0, 2, "f:"), 0) << read.error().message;
      continue;
    }
    ++fuzz.accepted;
    ASSERT_EQ(uint64_t(*elementCount(read->shape)) * elementBytes(read->type), read->bytes.size());
    ASSERT_EQ(header->dataAt + read->bytes.size(), bytes.size());
    ASSERT_LT(sumOf(read->bytes), uint64_t(1) << 40);
  }
  EXPECT_GT(fuzz.accepted, fuzz.runs / 200);
}

TEST(Fuzz, Safetensors) {
  const std::string seed = *encodeSafetensors({{"a.weight", tensor<float>({2, 2}, {1, 2, 3, 4})}, {"b", tensor<int8_t>({3}, {1, 0, -1})},
                                               {"empty", tensor<float>({0, 4}, {})}},
                                              {{"format", "pt"}});
  tests::Fuzz fuzz(20000);
  while (fuzz.more()) {
    Result<SafetensorsFile> read = SafetensorsFile::fromBytes(fuzz.mutated(seed), "f");
    if (!read) {
      ASSERT_EQ(read.error().message.compare(0, 2, "f:"), 0) << read.error().message;
      continue;
    }
    ++fuzz.accepted;
    for (const SafetensorsFile::Entry &e : read->entries()) {
      ASSERT_EQ(uint64_t(*elementCount(e.shape)) * elementBytes(e.type), e.bytes.size());
      ASSERT_LT(sumOf(e.bytes), uint64_t(1) << 40);
      (void)bool(read->floats(e.key));
    }
  }
  EXPECT_GT(fuzz.accepted, fuzz.runs / 200);
}

} // namespace

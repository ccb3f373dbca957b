// Element types, shapes, conversions and whole-file input and output.
#include "triton/Tensor/Files.h"
#include "triton/Tensor/HostTensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

using namespace triton;

TEST(HostTensor, CountsElementsWithoutWrapping) {
  EXPECT_EQ(elementCount(TensorShape{}), 1);
  EXPECT_EQ(elementCount(TensorShape{2, 3, 4}), 24);
  EXPECT_EQ(elementCount(TensorShape{5, 0}), 0);
  EXPECT_EQ(elementCount(TensorShape{-1}), std::nullopt);
  EXPECT_EQ(elementCount(TensorShape{int64_t(1) << 40, int64_t(1) << 40}), std::nullopt);
  EXPECT_EQ(elementCount(TensorShape{int64_t(1) << 40, int64_t(1) << 40, 0}), std::nullopt);
}

TEST(HostTensor, HalfIsExact) {
  EXPECT_EQ(halfToFloat(0x3C00), 1.0f);
  EXPECT_EQ(halfToFloat(0xC000), -2.0f);
  EXPECT_EQ(halfToFloat(0x7BFF), 65504.0f);
  EXPECT_EQ(halfToFloat(0x0001), 0x1p-24f);
  EXPECT_EQ(halfToFloat(0x03FF), 1023 * 0x1p-24f);
  EXPECT_TRUE(std::isinf(halfToFloat(0x7C00)));
  EXPECT_TRUE(std::isnan(halfToFloat(0x7E00)));
  EXPECT_TRUE(std::signbit(halfToFloat(0x8000)));
}

TEST(HostTensor, Bfloat16IsTheUpperHalf) {
  EXPECT_EQ(bfloat16ToFloat(0x3F80), 1.0f);
  EXPECT_EQ(bfloat16ToFloat(0xC049), -3.140625f);
}

TEST(HostTensor, ConvertsToFloat) {
  std::vector<int8_t> codes = {-1, 0, 1, 127};
  HostTensor t = HostTensor::of<int8_t>({4}, codes);
  EXPECT_EQ(toFloats(t.type, t.bytes), (std::vector<float>{-1, 0, 1, 127}));
  EXPECT_EQ(t.as<int8_t>(), codes);
}

TEST(HostTensor, EveryTypeHasItsNameBack) {
  for (int i = 0; i <= static_cast<int>(ElementType::F64); ++i) {
    auto type = static_cast<ElementType>(i);
    EXPECT_EQ(elementTypeFromSafetensors(safetensorsName(type)), type);
  }
  EXPECT_EQ(elementTypeFromSafetensors("F8_E4M3"), std::nullopt);
}

TEST(Files, WritesAndReadsBack) {
  std::string path = testing::TempDir() + "files_test.bin";
  std::string bytes("a\0b", 3);
  ASSERT_TRUE(writeFileAtomically(path, bytes));
  ASSERT_TRUE(writeFileAtomically(path, bytes + "c"));
  Result<std::string> back = readFileBytes(path);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, bytes + "c");
  Result<std::string> limited = readFileBytes(path, 3);
  ASSERT_FALSE(limited);
  EXPECT_NE(limited.error().message.find("at most 3"), std::string::npos);
  std::filesystem::remove(path);
}

TEST(Files, WritesToAPipeAndLeavesItThere) {
  std::string path = testing::TempDir() + "files_test.pipe";
  std::filesystem::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  ASSERT_TRUE(writeFileAtomically(path, "abc"));
  char bytes[8];
  EXPECT_EQ(read(reader, bytes, sizeof bytes), 3);
  EXPECT_TRUE(std::filesystem::is_fifo(path));
  close(reader);
  std::filesystem::remove(path);
}

TEST(Files, ReportsWhatCannotBeOpened) {
  EXPECT_FALSE(readFileBytes("/nonexistent/file"));
  Result<std::string> folder = readFileBytes("/");
  ASSERT_FALSE(folder);
  EXPECT_NE(folder.error().message.find("not a regular file"), std::string::npos);
}

TEST(Files, LeavesNothingBehindWhenWritingFails) {
  std::string folder = testing::TempDir() + "files_test_target";
  std::filesystem::create_directories(folder + "/out.bin"); // Renaming a file onto a folder fails.
  EXPECT_FALSE(writeFileAtomically(folder + "/out.bin", "x"));
  size_t entries = 0;
  for ([[maybe_unused]] const auto &e : std::filesystem::directory_iterator(folder)) ++entries;
  EXPECT_EQ(entries, 1u);
  EXPECT_FALSE(writeFileAtomically(folder + "/none/out.bin", "x"));
  std::filesystem::remove_all(folder);
}

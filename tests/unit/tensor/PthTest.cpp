// Checkpoints of PyTorch: what tensors come out, and what is said of files that are not what they should be.
#include "PthFiles.h"

#include "triton/Tensor/Files.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::pth;

namespace {

std::string input(const std::string &name) { return std::string(TRITON_TEST_INPUTS) + "/" + name; }

std::vector<float> valuesOf(const SafetensorsFile &file, const std::string &key) {
  Result<std::vector<float>> values = file.floats(key);
  EXPECT_TRUE(values) << values.error().message;
  return values ? *values : std::vector<float>();
}

std::vector<float> counting(size_t n) {
  std::vector<float> out(n);
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<float>(i);
  return out;
}

/// One tensor `w` over a storage of twelve floats 0, 1, ...
std::string oneTensor(int64_t offset, const std::vector<int64_t> &sizes, const std::vector<int64_t> &strides, int64_t elements = 12,
                      const std::string &type = "FloatStorage") {
  return checkpoint(Pickle().raw("}").text("w").tensor("0", type, elements, offset, sizes, strides).raw("s").stop(), {floats(counting(12))});
}

TEST(Pth, ReadsWhatPyTorchWrote) {
  Result<Checkpoint> read = readPth(input("conv.pth"));
  ASSERT_TRUE(read) << read.error().message;
  std::vector<std::string> keys;
  for (const auto &e : read->tensors.entries()) keys.push_back(e.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"0.bias", "0.weight", "1.bias", "1.num_batches_tracked", "1.running_mean", "1.running_var", "1.weight"}));
  // The weight was saved channels-last: its strides are not those of a dense tensor.
  EXPECT_EQ(read->tensors.find("0.weight")->shape, (TensorShape{3, 2, 2, 2}));
  EXPECT_EQ(valuesOf(read->tensors, "0.weight"), counting(24));
  EXPECT_EQ(valuesOf(read->tensors, "0.bias"), (std::vector<float>{0.5f, -1, 2}));
  EXPECT_EQ(read->tensors.find("1.num_batches_tracked")->type, ElementType::I64);
  EXPECT_TRUE(read->tensors.find("1.num_batches_tracked")->shape.empty());
  EXPECT_TRUE(read->notes.empty());
}

TEST(Pth, TakesOffNestingAndPrefixAndSaysSo) {
  Result<Checkpoint> read = readPth(input("wrapped.pth"));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(valuesOf(read->tensors, "0.weight"), counting(24));
  ASSERT_EQ(read->notes.size(), 2u);
  EXPECT_NE(read->notes[0].find("those under 'state_dict'"), std::string::npos);
  EXPECT_NE(read->notes[1].find("the prefix 'module.' is taken off"), std::string::npos);
  // Two candidates are one too many; a prefix that some keys lack is part of the others' names.
  auto nested = [](const std::vector<std::string> &names) {
    Pickle p;
    p.raw("}");
    for (const std::string &name : names) p.text(name).raw("}").text("module.w").tensor("0", "FloatStorage", 1, 0, {1}, {1}).raw("ss");
    return checkpoint(p.stop(), {floats({1})});
  };
  EXPECT_EQ(errorOf(nested({"model"})), "accepted");
  EXPECT_NE(errorOf(nested({"model", "state_dict"})).find("both 'model' and 'state_dict' hold tensors"), std::string::npos);
  EXPECT_NE(errorOf(nested({"ema"})).find("the file has 'ema'"), std::string::npos);
  EXPECT_EQ(errorOf(nested({"ema", "net"})), "accepted");
  Pickle mixed;
  mixed.raw("}").text("module.w").tensor("0", "FloatStorage", 1, 0, {1}, {1}).raw("s").text("v").tensor("0", "FloatStorage", 1, 0, {1}, {1}).raw("s");
  Result<Checkpoint> kept = parse(checkpoint(mixed.stop(), {floats({1})}));
  ASSERT_TRUE(kept);
  EXPECT_TRUE(kept->tensors.find("module.w"));
}

TEST(Pth, NamesOlderAndOtherFormats) {
  Result<Checkpoint> legacy = readPth(input("legacy.pth"));
  ASSERT_FALSE(legacy);
  EXPECT_NE(legacy.error().message.find("the format of PyTorch before 1.6 is not read"), std::string::npos) << legacy.error().message;
  EXPECT_NE(errorOf("").find("too short for a zip archive"), std::string::npos);
  EXPECT_NE(errorOf(std::string(4096, 'x')).find("not a PyTorch checkpoint file: no end record"), std::string::npos);
  EXPECT_NE(errorOf(Archive().add("a.npy", "x").finish()).find("has no 'data.pkl'"), std::string::npos);
  EXPECT_NE(errorOf(Archive().add("m/data.pkl", "\x80\x02}.").add("m/constants.pkl", "").finish()).find("TorchScript"), std::string::npos);
  EXPECT_NE(errorOf(Archive().add("m/data.pkl", "\x80\x02}.").add("n/data.pkl", "\x80\x02}.").finish()).find("two checkpoints"), std::string::npos);
  EXPECT_NE(errorOf(Archive().add("m/data.pkl", "\x80\x02}.").add("m/byteorder", "big").finish()).find("the byte order is 'big'"), std::string::npos);
  EXPECT_NE(errorOf(checkpoint("\x80\x02].")).find("no dictionary of tensors"), std::string::npos);
  EXPECT_NE(errorOf(checkpoint("\x80\x02}.")).find("the file has nothing"), std::string::npos);
}

TEST(Pth, AllElementTypes) {
  struct Row {
    const char *storage;
    ElementType type;
    std::string bytes;
    float value;
  };
  auto of = [](auto v) { return std::string(reinterpret_cast<const char *>(&v), sizeof v); };
  for (const Row &row : {Row{"FloatStorage", ElementType::F32, of(-2.5f), -2.5f}, Row{"DoubleStorage", ElementType::F64, of(0.25), 0.25f},
                         Row{"HalfStorage", ElementType::F16, of(uint16_t(0x3e00)), 1.5f}, Row{"BFloat16Storage", ElementType::BF16, of(uint16_t(0xc000)), -2},
                         Row{"LongStorage", ElementType::I64, of(int64_t(-7)), -7}, Row{"IntStorage", ElementType::I32, of(int32_t(9)), 9},
                         Row{"ShortStorage", ElementType::I16, of(int16_t(-300)), -300}, Row{"CharStorage", ElementType::I8, of(int8_t(-1)), -1},
                         Row{"ByteStorage", ElementType::U8, of(uint8_t(200)), 200}, Row{"BoolStorage", ElementType::Bool, of(uint8_t(1)), 1}}) {
    std::string bytes = checkpoint(Pickle().raw("}").text("w").tensor("0", row.storage, 1, 0, {}, {}).raw("s").stop(), {row.bytes});
    Result<Checkpoint> read = parse(bytes);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->tensors.find("w")->type, row.type);
    EXPECT_EQ(valuesOf(read->tensors, "w"), std::vector<float>{row.value}) << row.storage;
  }
}

TEST(Pth, ViewsOfAStorage) {
  auto values = [](const std::string &bytes) {
    Result<Checkpoint> read = parse(bytes);
    EXPECT_TRUE(read) << read.error().message;
    return read ? valuesOf(read->tensors, "w") : std::vector<float>();
  };
  EXPECT_EQ(values(oneTensor(0, {3, 4}, {4, 1})), counting(12));
  EXPECT_EQ(values(oneTensor(5, {2, 2}, {4, 1})), (std::vector<float>{5, 6, 9, 10}));
  EXPECT_EQ(values(oneTensor(0, {4, 3}, {1, 4})), (std::vector<float>{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
  EXPECT_EQ(values(oneTensor(11, {1, 1}, {99, -0})), std::vector<float>{11});
  EXPECT_EQ(values(oneTensor(12, {0, 3}, {3, 1})), std::vector<float>{});
  // The place in the file is known where a tensor was not copied.
  std::string dense = oneTensor(5, {3}, {1});
  Result<Checkpoint> read = parse(dense);
  ASSERT_TRUE(read);
  float first;
  std::memcpy(&first, dense.data() + read->tensors.find("w")->begin, sizeof first);
  EXPECT_EQ(first, 5);
}

TEST(Pth, ViewsOutsideTheirStorageAreRefused) {
  constexpr int64_t huge = INT64_MAX;
  for (const std::string &bytes :
       {oneTensor(-1, {1}, {1}), oneTensor(12, {1}, {1}), oneTensor(13, {0}, {1}), oneTensor(0, {13}, {1}), oneTensor(1, {12}, {1}),
        oneTensor(0, {3, 4}, {5, 1}), oneTensor(0, {2}, {-1}), oneTensor(0, {2}, {huge}), oneTensor(huge, {1}, {1}), oneTensor(0, {2, 2}, {huge, huge}),
        oneTensor(0, {huge}, {0}), oneTensor(0, {huge, huge}, {1, 1}), oneTensor(0, {-1}, {1}), oneTensor(0, {3}, {1, 1}), oneTensor(0, {13}, {0}),
        oneTensor(0, {12}, {1}, 11), oneTensor(0, {12}, {1}, 13), oneTensor(0, {12}, {1}, -12), oneTensor(0, {12}, {1}, huge),
        oneTensor(0, {12}, {1}, 12, "DoubleStorage")}) {
    std::string message = errorOf(bytes);
    EXPECT_NE(message.find("net.pth: net/data.pkl: offset "), std::string::npos) << message;
  }
  EXPECT_NE(errorOf(oneTensor(0, {13}, {0})).find("more than once"), std::string::npos);
  Pickle twice;
  twice.raw("}").text("a").tensor("0", "FloatStorage", 12, 0, {1}, {1}).raw("s").text("b").tensor("0", "IntStorage", 12, 0, {1}, {1}).raw("s");
  EXPECT_NE(errorOf(checkpoint(twice.stop(), {floats(counting(12))})).find("two types or sizes"), std::string::npos);
  Pickle absent;
  absent.raw("}").text("a").tensor("../../etc/passwd", "FloatStorage", 1, 0, {1}, {1}).raw("s");
  EXPECT_NE(errorOf(checkpoint(absent.stop())).find("the archive has no storage '../../etc/passwd'"), std::string::npos);
  // Many views of one storage in another order: each would be a copy of it.
  Pickle many;
  many.raw("}");
  for (int i = 0; i < 4000; ++i) many.text("w" + std::to_string(i)).tensor("0", "FloatStorage", 10000, 0, {100, 100}, {1, 100}).raw("s");
  EXPECT_NE(errorOf(checkpoint(many.stop(), {std::string(40000, '\0')})).find("too often"), std::string::npos);
}

TEST(Pth, AKeyMayBeThereOnce) {
  Pickle p;
  p.raw("}");
  for (int i = 0; i < 2; ++i) p.text("w").tensor("0", "FloatStorage", 1, 0, {1}, {1}).raw("s");
  EXPECT_NE(errorOf(checkpoint(p.stop(), {floats({1})})).find("the key 'w' is there twice"), std::string::npos);
}

TEST(Zip, HostileArchivesAreRefused) {
  const std::string pickle = "\x80\x02}.";
  auto with = [&](auto change) {
    Archive archive;
    archive.add("net/data.pkl", pickle).add("net/data/0", "abcd").add("net/data/1", "abcd");
    change(archive);
    return errorOf(archive.finish());
  };
  EXPECT_NE(with([](Archive &) {}).find("the file has nothing"), std::string::npos);
  EXPECT_NE(with([](Archive &a) { a.entries[2].name = a.entries[1].name; }).find("two entries are named 'net/data/0'"), std::string::npos);
  EXPECT_NE(with([](Archive &a) { a.entries[1].localName = "net/data/9"; }).find("another name in its own header"), std::string::npos);
  EXPECT_NE(with([](Archive &a) { a.entries[2].sharesPlaceOf = 1, a.entries[2].name = a.entries[1].name; }).find("overlap"), std::string::npos);
  EXPECT_NE(with([](Archive &a) { a.entries[1].flags = 1; }).find("is encrypted"), std::string::npos);
  EXPECT_NE(with([](Archive &a) { a.entries[0].method = 8; }).find("is compressed"), std::string::npos);
  EXPECT_NE(with([](Archive &a) { for (auto &e : a.entries) e.zip64 = true; }).find("the file has nothing"), std::string::npos);
}

TEST(Zip, CutAndDamagedArchivesAreRefusedOrTheSame) {
  std::string good = oneTensor(0, {4, 3}, {1, 4});
  for (size_t n = 0; n < good.size(); ++n) EXPECT_NE(errorOf(good.substr(0, n)), "accepted") << n;
  size_t accepted = 0;
  for (size_t at = 0; at < good.size(); ++at)
    for (int bit : {0, 3, 7}) {
      std::string damaged = good;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      accepted += errorOf(damaged) == "accepted";
    }
  EXPECT_LT(accepted, good.size()); // versions, times and attributes of entries mean nothing here
}

} // namespace

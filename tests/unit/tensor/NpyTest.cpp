// .npy and .npz: round trips, both orders, and damaged files.
#include "triton/Tensor/Npy.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <numeric>

using namespace triton;

static std::string npy(std::string header, const std::string &data, int major = 1) {
  std::string out("\x93NUMPY");
  out += static_cast<char>(major);
  out += '\0';
  header += '\n';
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) out += static_cast<char>(header.size() >> (8 * i));
  return out + header + data;
}

static std::string errorOf(std::string_view bytes) {
  Result<HostTensor> t = parseNpy(bytes, "x.npy");
  return t ? "accepted" : t.error().message;
}

static HostTensor matrix() {
  std::vector<float> v(6);
  std::iota(v.begin(), v.end(), 0.0f);
  return HostTensor::of<float>({2, 3}, v);
}

TEST(Npy, RoundTripOfShapesAndTypes) {
  for (TensorShape shape : {TensorShape{}, TensorShape{6}, TensorShape{2, 3}, TensorShape{1, 6, 1}, TensorShape{0, 3}}) {
    std::vector<int32_t> v(static_cast<size_t>(*elementCount(shape)), 7);
    HostTensor t = HostTensor::of<int32_t>(shape, v);
    Result<std::string> bytes = encodeNpy(t);
    ASSERT_TRUE(bytes);
    EXPECT_EQ((bytes->size() - t.bytes.size()) % 64, 0u);
    Result<HostTensor> back = parseNpy(*bytes, "x.npy");
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->shape, shape);
    EXPECT_EQ(back->type, ElementType::I32);
    EXPECT_EQ(back->bytes, t.bytes);
  }
}

TEST(Npy, AllVersionsAreRead) {
  for (int version : {1, 2, 3}) {
    Result<HostTensor> t = parseNpy(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", "abc", version), "x.npy");
    ASSERT_TRUE(t) << t.error().message;
    EXPECT_EQ(t->shape, TensorShape{3});
  }
  EXPECT_NE(errorOf(npy("{}", "", 4)).find("offset 6: version 4"), std::string::npos);
}

TEST(Npy, FortranOrderBecomesRowMajor) {
  // Column-major bytes of [[0, 1, 2], [3, 4, 5]].
  Result<HostTensor> t = parseNpy(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", std::string("\0\3\1\4\2\5", 6)), "x.npy");
  ASSERT_TRUE(t);
  EXPECT_EQ(t->as<uint8_t>(), (std::vector<uint8_t>{0, 1, 2, 3, 4, 5}));
}

TEST(Npy, KeysMayComeInAnyOrder) {
  EXPECT_EQ(errorOf(npy("{\"shape\":(2,),\"descr\":\"<i2\",\"fortran_order\":False}", "abcd")), "accepted");
}

TEST(Npy, DamagedHeadersAreRefused) {
  struct Case {
    const char *header, *expected;
  };
  for (const Case &c : std::initializer_list<Case>{
           {"", "expected '{'"},
           {"{'descr': '<f4', 'fortran_order': False}", "needs 'descr'"},
           {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", "unknown key 'x'"},
           {"{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", "given twice"},
           {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "dtype '>f4' is not supported"},
           {"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "dtype '|O'"},
           {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "structured"},
           {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }", "True or False"},
           {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "at least 0"},
           {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "needs 8"},
           {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "too large"},
           {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "too large"},
           {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", "after the header"},
           {"{'descr': '<f4, 'fortran_order': False, 'shape': (1,), }", "x.npy: offset"}})
    EXPECT_NE(errorOf(npy(c.header, "abcd")).find(c.expected), std::string::npos) << c.header << "\n" << errorOf(npy(c.header, "abcd"));
}

TEST(Npy, EveryTruncationAndExtensionIsRefused) {
  std::string bytes = *encodeNpy(matrix());
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_NE(errorOf(bytes.substr(0, n)), "accepted") << n;
  EXPECT_NE(errorOf(bytes + "x").find("25 bytes of data"), std::string::npos);
}

/// A zip archive with one entry, stored or deflated.
static std::string zip(const std::string &name, const std::string &data, bool deflated) {
  std::string packed = data;
  if (deflated) {
    z_stream s{};
    deflateInit2(&s, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
    packed.resize(deflateBound(&s, data.size()));
    s.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(data.data()));
    s.avail_in = static_cast<uInt>(data.size());
    s.next_out = reinterpret_cast<Bytef *>(packed.data());
    s.avail_out = static_cast<uInt>(packed.size());
    deflate(&s, Z_FINISH);
    packed.resize(s.total_out);
    deflateEnd(&s);
  }
  auto number = [](uint64_t v, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(v >> (8 * i));
    return out;
  };
  uint32_t crc = static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef *>(data.data()), static_cast<uInt>(data.size())));
  std::string sizes = number(crc, 4) + number(packed.size(), 4) + number(data.size(), 4);
  std::string method = number(deflated ? 8 : 0, 2);
  std::string local = "PK\3\4" + number(20, 2) + number(0, 2) + method + number(0, 4) + sizes + number(name.size(), 2) + number(0, 2) + name;
  std::string central = "PK\1\2" + number(20, 2) + number(20, 2) + number(0, 2) + method + number(0, 4) + sizes +
                        number(name.size(), 2) + number(0, 2) + number(0, 2) + number(0, 2) + number(0, 2) + number(0, 4) + number(0, 4) + name;
  std::string end = "PK\5\6" + number(0, 4) + number(1, 2) + number(1, 2) + number(central.size(), 4) +
                    number(local.size() + packed.size(), 4) + number(0, 2);
  return local + packed + central + end;
}

TEST(Npz, StoredAndDeflated) {
  std::string inner = *encodeNpy(matrix());
  for (bool deflated : {false, true}) {
    auto arrays = parseNpz(zip("image.npy", inner, deflated), "x.npz");
    ASSERT_TRUE(arrays) << arrays.error().message;
    ASSERT_EQ(arrays->size(), 1u);
    EXPECT_EQ((*arrays)[0].first, "image");
    EXPECT_EQ((*arrays)[0].second.bytes, matrix().bytes);
  }
}

TEST(Npz, DamageNeverCrashesAndTheChecksumCounts) {
  std::string good = zip("a.npy", *encodeNpy(matrix()), true);
  for (size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(parseNpz(good.substr(0, n), "x.npz")) << n;
  for (size_t i = 0; i < good.size(); ++i) {
    std::string damaged = good;
    damaged[i] = static_cast<char>(damaged[i] ^ 0xFF);
    (void)bool(parseNpz(damaged, "x.npz"));
  }
  std::string stored = zip("a.npy", *encodeNpy(matrix()), false);
  stored[30 + 5 + 128 + 3] ^= 1; // The fourth byte of the array's data.
  auto result = parseNpz(stored, "x.npz");
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("checksum"), std::string::npos) << result.error().message;
  EXPECT_FALSE(parseNpz(std::string(1 << 20, 'P'), "x.npz"));
}

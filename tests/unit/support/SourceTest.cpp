// Lines, columns, UTF-8 and dtypes.
#include "triton/Support/DType.h"
#include "triton/Support/Source.h"
#include "triton/Support/Utf8.h"

#include <gtest/gtest.h>

using namespace triton;

namespace {

std::pair<unsigned, unsigned> placeOf(const SourceManager &sources, uint32_t offset) {
  LineColumn p = sources.lineColumn(0, offset);
  return {p.line, p.column};
}
using Place = std::pair<unsigned, unsigned>;

TEST(Source, AllThreeLineEnds) {
  SourceManager sources;
  sources.addFile("f", "a\nb\r\nc\rd");
  EXPECT_EQ(placeOf(sources, 0), Place(1, 1));
  EXPECT_EQ(placeOf(sources, 2), Place(2, 1));
  EXPECT_EQ(placeOf(sources, 5), Place(3, 1));
  EXPECT_EQ(placeOf(sources, 7), Place(4, 1));
  EXPECT_EQ(placeOf(sources, 99), Place(4, 2)) << "clamped to the end";
  EXPECT_EQ(sources.line(0, 1), "a");
  EXPECT_EQ(sources.line(0, 2), "b");
  EXPECT_EQ(sources.line(0, 3), "c");
  EXPECT_EQ(sources.line(0, 4), "d");
  EXPECT_EQ(sources.line(0, 5), "");
  EXPECT_EQ(sources.line(0, 0), "");
}

TEST(Source, ColumnsCountCodePoints) {
  SourceManager sources;
  sources.addFile("f", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\tx");
  EXPECT_EQ(placeOf(sources, 2), Place(1, 2));
  EXPECT_EQ(placeOf(sources, 5), Place(1, 3));
  EXPECT_EQ(placeOf(sources, 9), Place(1, 4));
  EXPECT_EQ(placeOf(sources, 10), Place(1, 5));
}

TEST(Source, ColumnsOfLongLinesAreExact) {
  // The counts at the marks inside against counting from the start.
  std::string text;
  for (int i = 0; i < 3000; ++i) text += i % 7 == 0 ? "\xE2\x82\xAC" : i % 11 == 0 ? "\xFF" : i % 500 == 0 ? "\n" : "a";
  SourceManager sources;
  sources.addFile("f", text);
  unsigned line = 1, column = 1;
  for (uint32_t i = 0; i < text.size();) {
    ASSERT_EQ(placeOf(sources, i), Place(line, column)) << i;
    if (text[i] == '\n') {
      ++line;
      column = 0;
    }
    ++column;
    i += text[i] == '\xE2' ? 3 : 1;
  }
}

TEST(Source, AByteOrderMarkTakesNoColumn) {
  SourceManager sources;
  sources.addFile("f", "\xEF\xBB\xBFlet");
  EXPECT_EQ(placeOf(sources, 3), Place(1, 1));
  EXPECT_EQ(sources.line(0, 1), "let");
}

TEST(Source, RangesGiveTheirText) {
  SourceManager sources;
  sources.addFile("f", "hello");
  EXPECT_EQ(sources.text(SourceRange{0, 1, 3}), "el");
  EXPECT_FALSE(SourceRange{}.isValid());
}

TEST(Utf8, AcceptsAndRefuses) {
  EXPECT_EQ(utf8Length("a"), 1u);
  EXPECT_EQ(utf8Length("\xC2\xA0"), 2u);
  EXPECT_EQ(utf8Length("\xE2\x88\x92"), 3u);
  EXPECT_EQ(utf8Length("\xF4\x8F\xBF\xBF"), 4u);
  EXPECT_EQ(utf8Length(""), 0u);
  EXPECT_EQ(utf8Length("\x80"), 0u);
  EXPECT_EQ(utf8Length("\xC0\x80"), 0u) << "overlong";
  EXPECT_EQ(utf8Length("\xE0\x80\x80"), 0u) << "overlong";
  EXPECT_EQ(utf8Length("\xED\xA0\x80"), 0u) << "surrogate";
  EXPECT_EQ(utf8Length("\xF4\x90\x80\x80"), 0u) << "above U+10FFFF";
  EXPECT_EQ(utf8Length("\xE2\x88"), 0u) << "cut off";
  EXPECT_EQ(utf8Decode("\xE2\x88\x92"), 0x2212u);
  EXPECT_EQ(utf8Decode("\xF0\x9F\x98\x80"), 0x1F600u);
}

TEST(DTypes, NamesGoBothWays) {
  for (int i = 0; i <= static_cast<int>(DType::Float32); ++i) {
    auto d = static_cast<DType>(i);
    EXPECT_EQ(dtypeFromName(dtypeName(d)), d);
  }
  EXPECT_FALSE(dtypeFromName("float64"));
  EXPECT_FALSE(dtypeFromName("Int8"));
}

TEST(DTypes, Ranges) {
  EXPECT_EQ(integerRange(DType::Int8).lo, -128);
  EXPECT_EQ(codeRange(DType::Int8).lo, -127);
  EXPECT_EQ(integerRange(DType::UInt6).hi, 63);
  EXPECT_EQ(codeRange(DType::Int6).lo, -31);
  EXPECT_EQ(codeRange(DType::Int4).hi, 7);
  EXPECT_EQ(integerRange(DType::Trit).lo, -1);
  EXPECT_EQ(integerRange(DType::Int64).lo, INT64_MIN);
}

} // namespace

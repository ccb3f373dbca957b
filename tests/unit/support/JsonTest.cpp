// The JSON parser refuses what RFC 8259 does not allow and says where; the writer is deterministic.
#include "triton/Support/Json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace triton;

static std::string errorOf(std::string_view text) {
  Result<json::Value> v = json::parse(text, "f");
  return v ? "accepted" : v.error().message;
}

TEST(Json, ReadsEveryKindOfValue) {
  Result<json::Value> v = json::parse(R"({"a": [1, -2.5, true, false, null, "x\n"], "b": {}})", "f");
  ASSERT_TRUE(v);
  const json::Array &a = *v->find("a")->asArray();
  EXPECT_EQ(*a[0].asInt(), 1);
  EXPECT_EQ(a[1].number(), -2.5);
  EXPECT_TRUE(*a[2].asBool());
  EXPECT_FALSE(*a[3].asBool());
  EXPECT_TRUE(a[4].isNull());
  EXPECT_EQ(*a[5].asString(), "x\n");
  EXPECT_TRUE(v->find("b")->asObject()->empty());
  EXPECT_EQ(v->find("c"), nullptr);
}

TEST(Json, KeepsIntegersExact) {
  Result<json::Value> v = json::parse("[9223372036854775807, -9223372036854775808, 9223372036854775808]", "f");
  ASSERT_TRUE(v);
  const json::Array &a = *v->asArray();
  EXPECT_EQ(*a[0].asInt(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(*a[1].asInt(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(a[2].asInt(), nullptr);
  EXPECT_EQ(a[2].number(), 9223372036854775808.0);
}

TEST(Json, MinusZeroStaysNegative) {
  Result<json::Value> v = json::parse("-0", "f");
  ASSERT_TRUE(v);
  EXPECT_TRUE(std::signbit(v->number()));
}

TEST(Json, NumbersBelowTheSmallestDoubleAreZero) {
  Result<json::Value> v = json::parse("1e-999", "f");
  ASSERT_TRUE(v);
  EXPECT_EQ(v->number(), 0.0);
}

TEST(Json, DecodesEscapes) {
  Result<json::Value> v = json::parse(R"("\u0041\u00e9\u20ac\ud83d\ude00\"\\\/\b\f\r\t")", "f");
  ASSERT_TRUE(v);
  EXPECT_EQ(*v->asString(), "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"\\/\b\f\r\t");
}

TEST(Json, ErrorsSayLineAndColumn) {
  EXPECT_EQ(errorOf("{\n  \"a\": 1,\n}"), "f:3:1: expected a key in quotes, found '}'");
  EXPECT_EQ(errorOf("[1\n 2]"), "f:2:2: expected ',' or ']' in an array, found '2'");
  EXPECT_EQ(errorOf("{\"\xC3\xA9\": x}"), "f:1:7: expected a value, found 'x'"); // Columns count code points.
  EXPECT_EQ(errorOf("{\"a\": 1, \"a\": 2}"), "f:1:10: the key \"a\" is given twice");
  EXPECT_EQ(errorOf("1 2"), "f:1:3: text after the end of the document");
  EXPECT_EQ(errorOf(""), "f:1:1: expected a value, found the end of the text");
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char *text : {"[1,]", "{,}", "[", "{\"a\"", "{\"a\":", "nul", "tru", "01", "1.", ".5", "+1", "1e", "--1", "'a'",
                           "{a: 1}", "[1 2]", "NaN", "Infinity", "1e999", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"",
                           "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"a", "\"a\nb\"", "// c\n1", "\xEF\xBB\xBF" "1"})
    EXPECT_NE(errorOf(text), "accepted") << text;
}

TEST(Json, RefusesInvalidUtf8) {
  for (const char *text : {"\"\x80\"", "\"\xC0\x80\"", "\"\xE0\x80\x80\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"",
                           "\"\xF8\x88\x80\x80\x80\"", "\"\xC3\""})
    EXPECT_NE(errorOf(text).find("invalid UTF-8"), std::string::npos) << text;
}

TEST(Json, NestingHasALimit) {
  std::string deep(json::maxDepth(), '['), tooDeep(json::maxDepth() + 1, '[');
  EXPECT_TRUE(json::parse(deep + std::string(json::maxDepth(), ']'), "f"));
  EXPECT_NE(errorOf(tooDeep).find("nesting is too deep"), std::string::npos);
  EXPECT_NE(errorOf(std::string(1 << 20, '[')).find("nesting is too deep"), std::string::npos);
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  EXPECT_NE(errorOf(objects).find("nesting is too deep"), std::string::npos);
}

TEST(Json, WritesWhatItReads) {
  const char *text = R"({"a":[1,-2.5,1e+300,true,null,"\"\\\n\u0001"],"b":{"c":[]}})";
  Result<json::Value> v = json::parse(text, "f");
  ASSERT_TRUE(v);
  EXPECT_EQ(json::write(*v), text);
  Result<json::Value> again = json::parse(json::write(*v, 2), "f");
  ASSERT_TRUE(again);
  EXPECT_EQ(json::write(*again), text);
}

TEST(Json, DoublesSurviveARoundTrip) {
  for (double d : {0.1, 1.0 / 3, 1e-320, 1.7976931348623157e308, 3.0}) {
    Result<json::Value> v = json::parse(json::write(json::Value(d)), "f");
    ASSERT_TRUE(v);
    EXPECT_EQ(v->kind(), json::Value::Kind::Double);
    EXPECT_EQ(v->number(), d);
  }
}

TEST(Json, NotANumberIsWrittenAsNull) {
  EXPECT_EQ(json::write(json::Value(std::nan(""))), "null");
  EXPECT_EQ(json::write(json::Value(INFINITY)), "null");
}

TEST(Json, SetReplacesAndKeepsOrder) {
  json::Object o;
  o.set("b", 1);
  o.set("a", 2);
  o.set("b", 3);
  EXPECT_EQ(json::write(json::Value(o)), R"({"b":3,"a":2})");
}

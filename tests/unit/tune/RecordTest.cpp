// Records: what is written is read, and nothing else is.
#include "Record.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::tuning;

namespace {

const std::vector<std::string> kWays = {"direct 14x32", "direct 12x32", "Winograd 14x32 by 4"};

Record sample() {
  Record record;
  record.firstNs = 301250;
  record.taken = 2;
  record.ratios = {1, 1.072, 0.874};
  return record;
}

TEST(Record, ReadsAsWritten) {
  std::string text = writeRecord(sample(), kWays);
  EXPECT_EQ(text, "triton tuning 1\nfirst 301250\ntaken 2\n1.000 direct 14x32\n1.072 direct 12x32\n0.874 Winograd 14x32 by 4\n");
  std::optional<Record> read = readRecord(text, kWays);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->firstNs, 301250u);
  EXPECT_EQ(read->taken, 2u);
  EXPECT_EQ(read->ratios, sample().ratios);
  EXPECT_TRUE(read->complete());
  EXPECT_EQ(writeRecord(*read, kWays), text);
}

TEST(Record, KeepsWhatIsNotMeasuredYet) {
  Record record = sample();
  record.taken = 0;
  record.ratios[2] = 0;
  std::string text = writeRecord(record, kWays);
  EXPECT_NE(text.find("\n- Winograd"), std::string::npos) << text;
  std::optional<Record> read = readRecord(text, kWays);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->complete());
  EXPECT_EQ(writeRecord(*read, kWays), text);
}

TEST(Record, RatiosAreKeptInBounds) {
  Record record = sample();
  record.ratios = {1, 1e300, 1e-9};
  std::optional<Record> read = readRecord(writeRecord(record, kWays), kWays);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->ratios, (std::vector<double>{1, 1000, 0.001}));
}

TEST(Record, OtherWaysAreOthersRecords) {
  std::string text = writeRecord(sample(), kWays);
  EXPECT_FALSE(readRecord(text, {"direct 14x32", "direct 12x32"}));
  EXPECT_FALSE(readRecord(text, {"direct 14x32", "Winograd 14x32 by 4", "direct 12x32"}));
  EXPECT_FALSE(readRecord(text, {"direct 14x32", "direct 12x32", "Winograd 14x32 by 4", "weights as code"}));
}

TEST(Record, HostileTextIsNone) {
  std::string text = writeRecord(sample(), kWays);
  auto with = [&](const std::string &from, const std::string &to) {
    std::string other = text;
    size_t at = other.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return other.replace(at, from.size(), to);
  };
  for (const std::string &bad :
       {std::string(), std::string("\n"), text + "\n", text + "x", text.substr(0, text.size() - 1), with("tuning 1", "tuning 2"), with("taken 2", "taken 3"),
        with("taken 2", "taken 18446744073709551616"), with("taken 2", "taken -1"), with("taken 2", "taken 02"), with("taken 2", "taken"),
        with("first 301250", "first 1e9"), with("first 301250", "first "), with("0.874", "0.87"), with("0.874", "00.874"), with("0.874", "nan"),
        with("0.874", "-0.874"), with("0.874", "0.000"), with("0.874", "99999999999999999999.000"), with("0.874", "1000.001"), with("0.874", "-"),
        with("0.874 ", "0.874"), std::string(100, '\0'), std::string(1 << 20, '\n')})
    EXPECT_FALSE(readRecord(bad, kWays)) << bad.substr(0, 200);
}

TEST(Record, EveryFlippedBitIsNoneOrAnotherRecord) {
  std::string text = writeRecord(sample(), kWays);
  for (size_t i = 0; i < text.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = text;
      other[i] = char(other[i] ^ (1 << bit));
      if (std::optional<Record> read = readRecord(other, kWays)) {
        EXPECT_LT(read->taken, kWays.size());
        EXPECT_EQ(writeRecord(*read, kWays), other) << "only what is written like that is read";
      }
    }
}

TEST(Record, EverythingThatDecidesTimesIsInTheKey) {
  TargetDesc target, other;
  target.name = "x86-64-v3", other.name = "x86-64-v4";
  ProductProblem problem;
  problem.recipe = "convolution:1,2,";
  problem.ways = {"a", "b"};
  cache::Key key = recordKey("machine", "compiler", target, problem);
  problem.layer = "another.layer", problem.step = 7;
  EXPECT_EQ(recordKey("machine", "compiler", target, problem), key) << "where a product stands changes nothing";
  EXPECT_NE(recordKey("machine 2", "compiler", target, problem), key);
  EXPECT_NE(recordKey("machine", "compiler 2", target, problem), key);
  EXPECT_NE(recordKey("machine", "compiler", other, problem), key);
  problem.ways = {"a", "c"};
  EXPECT_NE(recordKey("machine", "compiler", target, problem), key);
  problem.ways = {"ab"};
  EXPECT_NE(recordKey("machine", "compiler", target, problem), key);
  problem.ways = {"a", "b"}, problem.recipe = "convolution:1,3,";
  EXPECT_NE(recordKey("machine", "compiler", target, problem), key);
}

} // namespace

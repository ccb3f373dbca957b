// Conditions on the batch: the grammar, its limits, and what cannot be computed.
#include "artifact/size_check.h"

#include <gtest/gtest.h>
#include <string>

using namespace triton::artifact;

namespace {
constexpr int64_t kN = 7;

int64_t valueOf(const std::string &text) {
  int64_t value = -999;
  EXPECT_EQ(evaluateSize(text.c_str(), kN, &value), SizeResult::Ok) << text;
  return value;
}
SizeResult resultOf(const std::string &text) {
  int64_t value;
  return evaluateSize(text.c_str(), kN, &value);
}
} // namespace

TEST(SizeCheck, FollowsTheGrammar) {
  EXPECT_EQ(valueOf("0"), 0);
  EXPECT_EQ(valueOf("N"), 7);
  EXPECT_EQ(valueOf("2*N + 1"), 15);
  EXPECT_EQ(valueOf("-N + 3"), -4);
  EXPECT_EQ(valueOf("1 - N - 2"), -8);
  EXPECT_EQ(valueOf("(N - 1) / 2 + 1"), 4);
  EXPECT_EQ(valueOf("(1 - N) / 4"), -2); // towards minus infinity
  EXPECT_EQ(valueOf("3*(N / 2)*batch_2"), 63);
  EXPECT_EQ(valueOf("N / (N - 5)"), 3);
  EXPECT_EQ(valueOf("9223372036854775807"), INT64_MAX);
}

TEST(SizeCheck, RefusesWhatIsNoExpression) {
  for (const char *text : {"", " ", "+", "N +", "N N", "2N", "(N", "N)", "()", "N % 2", "N;", "0x10", "--N", "N * -1"})
    EXPECT_EQ(resultOf(text), SizeResult::Malformed) << text;
  EXPECT_EQ(resultOf(std::string(60, '(') + "N" + std::string(60, ')')), SizeResult::Ok);
  EXPECT_EQ(resultOf(std::string(100000, '(')), SizeResult::Malformed);
  EXPECT_EQ(resultOf(std::string(kMaxSizeTextBytes + 1, '1')), SizeResult::Malformed);
}

TEST(SizeCheck, SaysWhatCannotBeComputed) {
  for (const char *text : {"9223372036854775808", "9223372036854775807 * N", "9223372036854775807 + N", "-9223372036854775807 - N", "N / 0",
                           "N / (N - 7)", "N / (3 - N)"})
    EXPECT_EQ(resultOf(text), SizeResult::Undefined) << text;
}

TEST(SizeCheck, Relations) {
  const struct {
    const char *relation;
    bool less, equal, greater;
  } rows[] = {{"==", false, true, false}, {"!=", true, false, true}, {"<", true, false, false},
              {"<=", true, true, false},  {">", false, false, true}, {">=", false, true, true}};
  for (const auto &row : rows) {
    bool holds;
    EXPECT_EQ(compareSizes(1, row.relation, 2, &holds), SizeResult::Ok);
    EXPECT_EQ(holds, row.less) << row.relation;
    EXPECT_EQ(compareSizes(2, row.relation, 2, &holds), SizeResult::Ok);
    EXPECT_EQ(holds, row.equal) << row.relation;
    EXPECT_EQ(compareSizes(3, row.relation, 2, &holds), SizeResult::Ok);
    EXPECT_EQ(holds, row.greater) << row.relation;
  }
  bool holds;
  for (const char *relation : {"", "=", "=>", "<>", "===", "<=>", "!", "<<"})
    EXPECT_EQ(compareSizes(1, relation, 2, &holds), SizeResult::Malformed) << relation;
}

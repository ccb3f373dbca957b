// Dim: canonical forms, printing, and agreement with plain integer arithmetic on random expressions.
#include "triton/Sema/Dim.h"

#include <gtest/gtest.h>

#include <random>

using namespace triton;

namespace {

Dim var(const char *name) { return Dim::variable(name); }
Dim div(const Dim &a, const Dim &b) { return Dim::floorDiv(a, b); }

TEST(Dim, ConstantsFold) {
  EXPECT_EQ((Dim(3) * Dim(4) - Dim(2)).constant(), 10);
  EXPECT_EQ(div(Dim(-7), Dim(2)).constant(), -4);
  EXPECT_EQ(div(Dim(7), Dim(-2)).constant(), -4);
  EXPECT_EQ(Dim::mod(Dim(-7), Dim(3)).constant(), 2);
  EXPECT_EQ(Dim::mod(Dim(7), Dim(-3)).constant(), -2);
  EXPECT_EQ(Dim().constant(), 0);
}

TEST(Dim, ExactDivisionIsSimplified) {
  Dim n = var("N"), h = var("H"), d = var("D");
  EXPECT_EQ(div(n * 2, 2), n);
  EXPECT_EQ(div(h * 4 + 3, 2), h * 2 + 1);
  EXPECT_EQ(div(n * h, h), n);
  EXPECT_EQ(div(n * h + n, h + 1), n);
  EXPECT_EQ(div(n * h + d, h), n + div(d, h));
  EXPECT_EQ(div(n * h, n * 2), div(h, 2));
  EXPECT_EQ(div(h * h - 1, h - 1), h + 1);
  EXPECT_EQ(div(Dim(0), n), Dim(0));
}

TEST(Dim, DivisionsOfDivisionsBecomeOne) {
  Dim h = var("H");
  Dim half = div(h - 1, 2) + 1;
  EXPECT_EQ(half, div(h + 1, 2));
  EXPECT_EQ(div(half - 1, 2) + 1, div(h - 1, 4) + 1);
  EXPECT_EQ(div(h * 2 + 1, 4), div(h, 2));
  EXPECT_EQ(div(h * 3, 2) - h, div(h, 2));
  EXPECT_EQ(div(div(h, 2), 3), div(h, 6));
}

TEST(Dim, AResNetStackOfHalvingsProves) {
  // Five halvings as convolutions and pools make them equal the form that a user writes.
  Dim h = var("H"), x = h;
  auto out = [](const Dim &length, int64_t k, int64_t s, int64_t p) { return div(length + 2 * p - (k - 1) - 1, s) + 1; };
  x = out(x, 7, 2, 3);
  x = out(x, 3, 2, 1);
  for (int stage = 0; stage < 3; ++stage) {
    Dim main = out(out(x, 3, 2, 1), 3, 1, 1), shortcut = out(x, 1, 2, 0);
    EXPECT_EQ(compareDims(main, shortcut), DimOrder::Equal);
    x = main;
  }
  EXPECT_EQ(x, div(h - 1, 32) + 1);
  EXPECT_EQ(out(h, 2, 2, 0), div(h, 2));
}

TEST(Dim, Prints) {
  Dim n = var("N"), h = var("H"), d = var("D");
  EXPECT_EQ((n * 2 + 1).str(), "2*N + 1");
  EXPECT_EQ((div(h - 1, 2) + 1).str(), "(H - 1) / 2 + 1");
  EXPECT_EQ(div(h, 2).str(), "H / 2");
  EXPECT_EQ((div(h, 2) * 3).str(), "3*(H / 2)");
  EXPECT_EQ((Dim(1) - n).str(), "1 - N");
  EXPECT_EQ((Dim(0) - n).str(), "-N");
  EXPECT_EQ(div(h, n * d).str(), "H / (D*N)");
  EXPECT_EQ(div(h, n + 1).str(), "H / (N + 1)");
  EXPECT_EQ((n * n * h).str(), "H*N*N");
  EXPECT_EQ(Dim::unknown().str(), "?");
  EXPECT_EQ(Dim().str(), "0");
  EXPECT_EQ(shapeString({n, 3, div(h, 2)}), "[N, 3, H / 2]");
  EXPECT_EQ(shapeString({}), "[]");
}

TEST(Dim, Compares) {
  Dim n = var("N"), h = var("H");
  EXPECT_EQ(compareDims(n + n, n * 2), DimOrder::Equal);
  EXPECT_EQ(compareDims(n + 1, n), DimOrder::Different);
  EXPECT_EQ(compareDims(n, h), DimOrder::Unknown);
  EXPECT_EQ(compareDims(n, 3), DimOrder::Unknown);
  EXPECT_EQ(compareDims(4, 3), DimOrder::Different);
  EXPECT_EQ(compareDims(Dim::unknown(), Dim::unknown()), DimOrder::Unknown);
  EXPECT_EQ(Dim::unknown(), Dim::unknown());
  EXPECT_FALSE(Dim::unknown() == Dim(0));
}

TEST(Dim, OverflowIsKeptAndNotWrapped) {
  Dim big(INT64_MAX);
  EXPECT_TRUE((big + 1).overflowed());
  EXPECT_TRUE((big * 2).overflowed());
  EXPECT_TRUE((Dim(INT64_MIN) - 1).overflowed());
  EXPECT_TRUE((var("N") * big * big).overflowed());
  EXPECT_TRUE(Dim::floorDiv(Dim(INT64_MIN), Dim(-1)).overflowed());
  EXPECT_TRUE(Dim::floorDiv(Dim(1), Dim(INT64_MIN)).overflowed());
  EXPECT_TRUE(((big + 1) * 0 + Dim::unknown()).overflowed());
  EXPECT_FALSE((big + 1).constant().has_value());
  EXPECT_EQ(compareDims(big + 1, big + 1), DimOrder::Unknown);
  EXPECT_TRUE(Dim::floorDiv(var("N"), 0).isUnknown());
}

TEST(Dim, SubstitutesAndListsVariables) {
  Dim n = var("N"), h = var("H");
  Dim e = n * (div(h - 1, 2) + 1) + div(n, h);
  EXPECT_EQ(e.variables(), (std::vector<std::string>{"H", "N"}));
  EXPECT_EQ(e.substitute({{"H", 7}, {"N", 10}}).constant(), 41);
  EXPECT_EQ(e.substitute({{"H", 1}}), n * 2);
  EXPECT_EQ(e.substitute({{"N", h}}).variables(), (std::vector<std::string>{"H"}));
  EXPECT_EQ(Dim(5).substitute({{"N", 1}}).constant(), 5);
}

TEST(Dim, HostileExpressionsStayBounded) {
  Dim product(1);
  for (char c = 'A'; c <= 'Z'; ++c) product = product * (var(std::string(1, c).c_str()) + 1);
  EXPECT_TRUE(product.isUnknown());
  Dim nested = var("H");
  for (int i = 0; i < 100000; ++i) nested = div(nested * nested + nested, var("N"));
  EXPECT_TRUE(nested.isUnknown());
  Dim deep = var("H");
  for (int i = 0; i < 100000; ++i) deep = div(deep, var("N") + 1);
  EXPECT_TRUE(deep.isUnknown());
  Dim power = var("H");
  for (int i = 0; i < 100; ++i) power = power * var("H");
  EXPECT_TRUE(power.isUnknown());
}

// ---- Agreement with integer arithmetic -----------------------------------------------------------------------------------

struct Pair {
  Dim dim;
  std::vector<std::optional<__int128>> values; ///< at each sample point; none where a divisor is zero
};

constexpr size_t kPoints = 6;

__int128 floorDivide(__int128 a, __int128 b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

TEST(Dim, RandomExpressionsAgreeWithEvaluation) {
  std::mt19937_64 random(20240611);
  size_t compared = 0, folded = 0;
  for (int round = 0; round < 4000; ++round) {
    std::map<std::string, Dim> points[kPoints];
    std::vector<Pair> pool;
    for (const char *name : {"A", "B", "H"}) {
      Pair pair{var(name), {}};
      for (auto &point : points) {
        int64_t value = int64_t(random() % 23) + 1;
        point[name] = value;
        pair.values.push_back(value);
      }
      pool.push_back(pair);
    }
    for (int step = 0; step < 9; ++step) {
      auto pick = [&]() -> Pair {
        if (random() % 3 == 0) {
          int64_t value = int64_t(random() % 9) - 3;
          return {Dim(value), std::vector<std::optional<__int128>>(kPoints, __int128(value))};
        }
        return pool[random() % pool.size()];
      };
      Pair a = pick(), b = pick(), result;
      int op = int(random() % 6);
      result.dim = op == 0 ? a.dim + b.dim : op == 1 ? a.dim - b.dim : op == 2 ? a.dim * b.dim
                 : op == 5 ? Dim::mod(a.dim, b.dim) : Dim::floorDiv(a.dim, b.dim);
      for (size_t i = 0; i < kPoints; ++i) {
        std::optional<__int128> value;
        if (a.values[i] && b.values[i] && !(op >= 3 && *b.values[i] == 0)) {
          __int128 x = *a.values[i], y = *b.values[i];
          value = op == 0 ? x + y : op == 1 ? x - y : op == 2 ? x * y : op == 5 ? x - y * floorDivide(x, y) : floorDivide(x, y);
        }
        result.values.push_back(value);
      }
      if (result.dim.isUnknown() || result.dim.overflowed()) continue;
      for (size_t i = 0; i < kPoints; ++i) {
        if (!result.values[i]) continue;
        std::optional<int64_t> got = result.dim.substitute(points[i]).constant();
        if (!got) continue; // a simplification that kept a division by what is zero here
        ++compared;
        ASSERT_TRUE(__int128(*got) == *result.values[i]) << "round " << round << ": " << result.dim.str();
      }
      if (result.dim.constant()) ++folded;
      pool.push_back(result);
    }
  }
  EXPECT_GT(compared, 50000u);
  EXPECT_GT(folded, 1000u);
}

TEST(Dim, EqualLinearDivisionsHaveOneForm) {
  // floor((a*H + b) / k) + c in two ways: shifted by a multiple of k and as it stands.
  std::mt19937_64 random(7);
  Dim h = var("H"), w = var("W");
  for (int round = 0; round < 2000; ++round) {
    int64_t a = int64_t(random() % 11) - 5, b = int64_t(random() % 41) - 20, k = int64_t(random() % 9) + 1,
            shift = int64_t(random() % 9) - 4, extra = int64_t(random() % 5) - 2;
    Dim plain = div(h * a + w * 3 + b, k);
    Dim shifted = div(h * (a + k * extra) + w * 3 + (b + shift * k), k) - h * extra - shift;
    ASSERT_EQ(plain, shifted) << plain.str() << " and " << shifted.str();
    ASSERT_EQ(compareDims(plain, shifted), DimOrder::Equal);
  }
}

} // namespace

// Dim: polynomials over variables and floor-division atoms, kept in one canonical form so that equal sizes compare equal.
//
// A Dim is a sum of terms in graded lexicographic order. Division by a constant k is normalised so that every coefficient
// under the division lies in 0..k-1 and its constant in -(k-1)..0, common factors are cancelled, and a division of a
// division becomes one: `((H - 1) / 2 + 1 - 1) / 2 + 1` is stored as `(H - 1) / 4 + 1`.
#include "triton/Sema/Dim.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace triton {

namespace {
// Beyond these a size is `?`: it is then checked when it is known. They bound the time that a hostile source can cost.
constexpr size_t kMaxTerms = 512;
constexpr uint32_t kMaxAtomSize = 4096;
constexpr uint32_t kMaxAtomDepth = 64;
constexpr size_t kMaxDegree = 64;
constexpr int kMaxDivisionSteps = 1024;
} // namespace

/// A variable (`name` not empty) or floor(numerator / denominator).
struct Dim::Atom {
  std::string name;
  Dim numerator, denominator;
  uint32_t size = 1;  ///< nodes below, with repetition
  uint32_t depth = 0; ///< nesting of divisions
};

using AtomPtr = std::shared_ptr<const Dim::Atom>;

/// The operations on the representation.
struct DimAccess {
  using Term = Dim::Term;

  static const std::vector<Term> &terms(const Dim &dim) { return dim.terms; }
  static bool special(const Dim &dim) { return dim.unknownFlag || dim.overflowFlag; }

  static Dim overflow() {
    Dim result;
    result.terms.clear();
    result.overflowFlag = true;
    return result;
  }

  /// What an operation with a special operand gives: too large stays too large, else `?`.
  static Dim specialOf(const Dim &a, const Dim &b) {
    return a.overflowFlag || b.overflowFlag ? overflow() : Dim::unknown();
  }

  static int compareAtoms(const AtomPtr &a, const AtomPtr &b) {
    if (a == b) return 0;
    if (a->name.empty() != b->name.empty()) return a->name.empty() ? 1 : -1;
    if (!a->name.empty()) return a->name.compare(b->name);
    if (int order = compare(a->numerator, b->numerator)) return order;
    return compare(a->denominator, b->denominator);
  }

  static int compareFactors(const std::vector<AtomPtr> &a, const std::vector<AtomPtr> &b) {
    if (a.size() != b.size()) return a.size() > b.size() ? -1 : 1; // higher degree first, the constant last
    for (size_t i = 0; i < a.size(); ++i)
      if (int order = compareAtoms(a[i], b[i])) return order;
    return 0;
  }

  static int compare(const Dim &a, const Dim &b) {
    if (a.unknownFlag != b.unknownFlag) return a.unknownFlag ? 1 : -1;
    if (a.overflowFlag != b.overflowFlag) return a.overflowFlag ? 1 : -1;
    for (size_t i = 0; i < a.terms.size() && i < b.terms.size(); ++i) {
      if (int order = compareFactors(a.terms[i].factors, b.terms[i].factors)) return order;
      if (a.terms[i].coefficient != b.terms[i].coefficient)
        return a.terms[i].coefficient < b.terms[i].coefficient ? -1 : 1;
    }
    return a.terms.size() == b.terms.size() ? 0 : (a.terms.size() < b.terms.size() ? -1 : 1);
  }

  /// Sorts, adds equal products and drops zeros.
  static Dim fromTerms(std::vector<Term> terms) {
    if (terms.size() > 1)
      std::stable_sort(terms.begin(), terms.end(),
                       [](const Term &a, const Term &b) { return compareFactors(a.factors, b.factors) < 0; });
    Dim result;
    result.terms.clear();
    for (Term &term : terms) {
      if (!result.terms.empty() && compareFactors(result.terms.back().factors, term.factors) == 0) {
        int64_t sum;
        if (__builtin_add_overflow(result.terms.back().coefficient, term.coefficient, &sum)) return overflow();
        result.terms.back().coefficient = sum;
      } else {
        if (!result.terms.empty() && result.terms.back().coefficient == 0) result.terms.pop_back();
        result.terms.push_back(std::move(term));
      }
    }
    if (!result.terms.empty() && result.terms.back().coefficient == 0) result.terms.pop_back();
    if (result.terms.size() > kMaxTerms) return Dim::unknown();
    return result;
  }

  static bool multiplyTerms(const Term &a, const Term &b, Term &product) {
    if (__builtin_mul_overflow(a.coefficient, b.coefficient, &product.coefficient)) return false;
    product.factors.resize(a.factors.size() + b.factors.size());
    std::merge(a.factors.begin(), a.factors.end(), b.factors.begin(), b.factors.end(), product.factors.begin(),
               [](const AtomPtr &x, const AtomPtr &y) { return compareAtoms(x, y) < 0; });
    return true;
  }

  /// a / b where that is exact; the remaining factors of `a` keep their order.
  static bool divideTerms(const Term &a, const Term &b, Term &quotient) {
    if (a.coefficient % b.coefficient != 0) return false;
    if (b.coefficient == -1 && a.coefficient == INT64_MIN) return false;
    quotient.coefficient = a.coefficient / b.coefficient;
    quotient.factors.clear();
    size_t next = 0;
    for (const AtomPtr &factor : a.factors) {
      if (next < b.factors.size() && compareAtoms(factor, b.factors[next]) == 0) ++next;
      else quotient.factors.push_back(factor);
    }
    return next == b.factors.size();
  }

  static Dim ofTerm(Term term) {
    std::vector<Term> terms;
    terms.push_back(std::move(term));
    return fromTerms(std::move(terms));
  }

  static uint32_t sizeOf(const Dim &dim) {
    uint64_t size = 1;
    for (const Term &term : dim.terms)
      for (const AtomPtr &factor : term.factors) size += factor->size;
    return uint32_t(std::min<uint64_t>(size, UINT32_MAX));
  }
  static uint32_t depthOf(const Dim &dim) {
    uint32_t depth = 0;
    for (const Term &term : dim.terms)
      for (const AtomPtr &factor : term.factors) depth = std::max(depth, factor->depth);
    return depth;
  }

  static Dim atom(Dim numerator, Dim denominator) {
    auto made = std::make_shared<Dim::Atom>();
    made->size = sizeOf(numerator) + sizeOf(denominator);
    made->depth = std::max(depthOf(numerator), depthOf(denominator)) + 1;
    if (made->size > kMaxAtomSize || made->depth > kMaxAtomDepth) return Dim::unknown();
    made->numerator = std::move(numerator);
    made->denominator = std::move(denominator);
    return ofTerm({1, {std::move(made)}});
  }

  static Dim variable(std::string name) {
    auto made = std::make_shared<Dim::Atom>();
    made->name = std::move(name);
    return ofTerm({1, {std::move(made)}});
  }

  static int64_t floorDivide(int64_t a, int64_t k) { return a / k - (a % k != 0 && a < 0); } // k > 0

  /// floor(a / k) for k > 1, in the normal form that the head of this file states.
  static Dim divideByConstant(Dim a, int64_t k) {
    Dim whole(0);
    for (;;) {
      std::vector<Term> quotients, rests;
      int64_t common = k;
      for (const Term &term : a.terms) {
        int64_t q = floorDivide(term.coefficient, k);
        int64_t r = term.coefficient - q * k; // 0..k-1: no overflow
        if (term.factors.empty() && r != 0) {
          ++q, r -= k;
        } else if (r != 0) {
          common = std::gcd(common, r);
        }
        if (q != 0) quotients.push_back({q, term.factors});
        if (r != 0) rests.push_back({r, term.factors});
      }
      whole = whole + fromTerms(std::move(quotients));
      if (special(whole) || rests.empty()) return whole;
      if (rests.front().factors.empty()) return whole - Dim(1); // -(k-1)..-1 over k
      if (common > 1) {
        for (Term &term : rests) term.coefficient = floorDivide(term.coefficient, common);
        k /= common;
        a = fromTerms(std::move(rests));
        if (k == 1) return whole + a;
        continue;
      }
      a = fromTerms(std::move(rests));
      // floor((floor(p / b) + q) / k) = floor((p + b * q) / (b * k)).
      bool merged = false;
      for (const Term &term : a.terms) {
        if (term.coefficient != 1 || term.factors.size() != 1 || !term.factors[0]->name.empty()) continue;
        const Dim::Atom &inner = *term.factors[0];
        std::optional<int64_t> b = inner.denominator.constant();
        int64_t product;
        if (!b || __builtin_mul_overflow(*b, k, &product)) continue;
        Dim flat = inner.numerator + (a - ofTerm(term)) * inner.denominator;
        if (special(flat)) continue;
        a = flat;
        k = product;
        merged = true;
        break;
      }
      if (!merged) return whole + atom(std::move(a), Dim(k));
    }
  }

  /// a / b as polynomials, if that is exact.
  static std::optional<Dim> divideExactly(const Dim &a, const Dim &b) {
    Dim rest = a, quotient(0);
    for (int step = 0; !rest.terms.empty(); ++step) {
      Term part;
      if (step == kMaxDivisionSteps || !divideTerms(rest.terms.front(), b.terms.front(), part)) return std::nullopt;
      Dim partDim = ofTerm(std::move(part));
      quotient = quotient + partDim;
      rest = rest - partDim * b;
      if (special(rest) || special(quotient)) return std::nullopt;
    }
    return quotient;
  }

  /// The largest product that divides every term of both (coefficient positive).
  static Term commonTerm(const Dim &a, const Dim &b) {
    Term common;
    bool first = true;
    for (const Dim *dim : {&a, &b}) {
      for (const Term &term : dim->terms) {
        if (first) {
          common.coefficient = term.coefficient == INT64_MIN ? 1 : std::abs(term.coefficient);
          common.factors = term.factors;
          first = false;
          continue;
        }
        common.coefficient = term.coefficient == INT64_MIN ? 1 : std::gcd(common.coefficient, term.coefficient);
        std::vector<AtomPtr> shared;
        std::set_intersection(common.factors.begin(), common.factors.end(), term.factors.begin(), term.factors.end(),
                              std::back_inserter(shared),
                              [](const AtomPtr &x, const AtomPtr &y) { return compareAtoms(x, y) < 0; });
        common.factors = std::move(shared);
      }
    }
    return common;
  }

  static Dim divideBySymbol(const Dim &a, const Dim &b) {
    if (std::optional<Dim> exact = divideExactly(a, b)) return *exact;
    Dim whole(0), rest = a;
    if (b.terms.size() == 1) { // floor((q * b + r) / b) = q + floor(r / b)
      std::vector<Term> quotients, rests;
      for (const Term &term : a.terms) {
        Term part;
        if (divideTerms(term, b.terms[0], part)) quotients.push_back(std::move(part));
        else rests.push_back(term);
      }
      whole = fromTerms(std::move(quotients));
      rest = fromTerms(std::move(rests));
    }
    Dim divisor = b;
    Term common = commonTerm(rest, divisor);
    if (common.coefficient > 1 || !common.factors.empty()) {
      Dim commonDim = ofTerm(common);
      std::optional<Dim> top = divideExactly(rest, commonDim), bottom = divideExactly(divisor, commonDim);
      if (top && bottom) {
        if (std::optional<int64_t> k = bottom->constant()) return whole + Dim::floorDiv(*top, Dim(*k));
        rest = *top;
        divisor = *bottom;
      }
    }
    return whole + atom(std::move(rest), std::move(divisor));
  }

  static void collectVariables(const Dim &dim, std::set<std::string> &names) {
    for (const Term &term : dim.terms)
      for (const AtomPtr &factor : term.factors) {
        if (!factor->name.empty()) {
          names.insert(factor->name);
        } else {
          collectVariables(factor->numerator, names);
          collectVariables(factor->denominator, names);
        }
      }
  }

  // ---- Printing, in the language's own syntax ---------------------------------------------------------------------------

  static std::string atomText(const Dim::Atom &atom) {
    if (!atom.name.empty()) return atom.name;
    std::string top = atom.numerator.str(), bottom = atom.denominator.str();
    bool bareTop = atom.numerator.terms.size() == 1 && atom.numerator.terms[0].coefficient > 0;
    const std::vector<Term> &below = atom.denominator.terms;
    bool bareBottom = below.size() == 1 && below[0].coefficient > 0 &&
                      below[0].factors.size() + (below[0].coefficient != 1 || below[0].factors.empty()) == 1 &&
                      (below[0].factors.empty() || !below[0].factors[0]->name.empty());
    return (bareTop ? top : "(" + top + ")") + " / " + (bareBottom ? bottom : "(" + bottom + ")");
  }

  /// The product without the coefficient's sign.
  static std::string termText(const Term &term) {
    uint64_t magnitude = term.coefficient < 0 ? uint64_t(0) - uint64_t(term.coefficient) : uint64_t(term.coefficient);
    if (term.factors.empty()) return std::to_string(magnitude);
    std::string text = magnitude == 1 ? "" : std::to_string(magnitude);
    bool product = magnitude != 1 || term.factors.size() > 1;
    for (const AtomPtr &factor : term.factors) {
      if (!text.empty()) text += "*";
      text += product && factor->name.empty() ? "(" + atomText(*factor) + ")" : atomText(*factor);
    }
    return text;
  }
};

Dim::Dim(int64_t value) {
  if (value != 0) terms.push_back({value, {}});
}

Dim Dim::variable(std::string name) { return DimAccess::variable(std::move(name)); }

Dim Dim::unknown() {
  Dim result;
  result.unknownFlag = true;
  return result;
}

Dim operator+(const Dim &a, const Dim &b) {
  if (DimAccess::special(a) || DimAccess::special(b)) return DimAccess::specialOf(a, b);
  std::vector<Dim::Term> terms = a.terms;
  terms.insert(terms.end(), b.terms.begin(), b.terms.end());
  return DimAccess::fromTerms(std::move(terms));
}

Dim operator-(const Dim &a, const Dim &b) {
  if (DimAccess::special(a) || DimAccess::special(b)) return DimAccess::specialOf(a, b);
  std::vector<Dim::Term> terms = a.terms;
  for (const Dim::Term &term : b.terms) {
    if (term.coefficient == INT64_MIN) return DimAccess::overflow();
    terms.push_back({-term.coefficient, term.factors});
  }
  return DimAccess::fromTerms(std::move(terms));
}

Dim operator*(const Dim &a, const Dim &b) {
  if (DimAccess::special(a) || DimAccess::special(b)) return DimAccess::specialOf(a, b);
  if (a.terms.size() * b.terms.size() > 4 * kMaxTerms) return Dim::unknown();
  std::vector<Dim::Term> terms;
  terms.reserve(a.terms.size() * b.terms.size());
  for (const Dim::Term &x : a.terms)
    for (const Dim::Term &y : b.terms) {
      if (x.factors.size() + y.factors.size() > kMaxDegree) return Dim::unknown();
      Dim::Term product;
      if (!DimAccess::multiplyTerms(x, y, product)) return DimAccess::overflow();
      terms.push_back(std::move(product));
    }
  return DimAccess::fromTerms(std::move(terms));
}

Dim Dim::floorDiv(const Dim &a, const Dim &b) {
  if (DimAccess::special(a) || DimAccess::special(b)) return DimAccess::specialOf(a, b);
  if (std::optional<int64_t> k = b.constant()) {
    if (*k == 0) return unknown();
    if (*k < 0) return *k == INT64_MIN ? DimAccess::overflow() : floorDiv(Dim(0) - a, Dim(-*k));
    if (*k == 1) return a;
    if (std::optional<int64_t> value = a.constant()) return Dim(DimAccess::floorDivide(*value, *k));
    return DimAccess::divideByConstant(a, *k);
  }
  if (a.terms.empty()) return Dim(0);
  return DimAccess::divideBySymbol(a, b);
}

Dim Dim::mod(const Dim &a, const Dim &b) { return a - b * floorDiv(a, b); }

bool operator==(const Dim &a, const Dim &b) { return DimAccess::compare(a, b) == 0; }

bool Dim::isUnknown() const { return unknownFlag; }
bool Dim::overflowed() const { return overflowFlag; }

std::optional<int64_t> Dim::constant() const {
  if (unknownFlag || overflowFlag) return std::nullopt;
  if (terms.empty()) return 0;
  if (terms.size() > 1 || !terms[0].factors.empty()) return std::nullopt;
  return terms[0].coefficient;
}

std::vector<std::string> Dim::variables() const {
  std::set<std::string> names;
  DimAccess::collectVariables(*this, names);
  return {names.begin(), names.end()};
}

Dim Dim::substitute(const std::map<std::string, Dim> &values) const {
  if (unknownFlag || overflowFlag || constant()) return *this;
  Dim sum(0);
  for (const Term &term : terms) {
    Dim product(term.coefficient);
    for (const std::shared_ptr<const Atom> &factor : term.factors) {
      if (!factor->name.empty()) {
        auto found = values.find(factor->name);
        product = product * (found == values.end() ? DimAccess::ofTerm({1, {factor}}) : found->second);
      } else {
        product = product * floorDiv(factor->numerator.substitute(values), factor->denominator.substitute(values));
      }
    }
    sum = sum + product;
  }
  return sum;
}

std::string Dim::str() const {
  if (unknownFlag) return "?";
  if (overflowFlag) return "(more than 2^63-1)";
  if (terms.empty()) return "0";
  // A positive term leads where there is one: `1 - N`, not `-N + 1`.
  size_t lead = 0;
  while (lead < terms.size() && terms[lead].coefficient < 0) ++lead;
  if (lead == terms.size()) lead = 0;
  std::string text = (terms[lead].coefficient < 0 ? "-" : "") + DimAccess::termText(terms[lead]);
  for (size_t i = 0; i < terms.size(); ++i)
    if (i != lead) text += (terms[i].coefficient < 0 ? " - " : " + ") + DimAccess::termText(terms[i]);
  return text;
}

DimOrder compareDims(const Dim &a, const Dim &b) {
  std::optional<int64_t> difference = (a - b).constant();
  if (!difference) return DimOrder::Unknown;
  return *difference == 0 ? DimOrder::Equal : DimOrder::Different;
}

std::string shapeString(const Shape &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + shape[i].str();
  return text + "]";
}

} // namespace triton

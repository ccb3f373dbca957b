// Dimensions as polynomials with integer coefficients over variables and floor-division atoms (language.md section 4).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace triton {

/// A dimension size: a polynomial in canonical form, so that equal polynomials compare equal. `?` is a distinct state.
/// Value type; thread-compatible. Arithmetic that leaves int64 makes the result `overflowed()`.
class Dim {
public:
  Dim() : Dim(0) {}
  Dim(int64_t value);
  static Dim variable(std::string name);
  static Dim unknown();                     ///< `?`, or what cannot be expressed

  friend Dim operator+(const Dim &a, const Dim &b);
  friend Dim operator-(const Dim &a, const Dim &b);
  friend Dim operator*(const Dim &a, const Dim &b);
  static Dim floorDiv(const Dim &a, const Dim &b); ///< exact division is simplified, else an atom `floor(a / b)`
  static Dim mod(const Dim &a, const Dim &b);      ///< a - b * floorDiv(a, b)
  friend bool operator==(const Dim &a, const Dim &b);

  bool isUnknown() const;
  bool overflowed() const;
  std::optional<int64_t> constant() const;  ///< the value, when no variable is left
  /// Names of all variables, sorted.
  std::vector<std::string> variables() const;
  /// Replaces variables by sizes.
  Dim substitute(const std::map<std::string, Dim> &values) const;
  /// `N`, `2*N + 1`, `(H - 1) / 2 + 1`, `?`.
  std::string str() const;

  struct Atom; ///< a variable or a floor division; private to Dim.cpp
  /// A product: the coefficient times the factors (sorted, repeated for powers). No factors: the constant term.
  struct Term {
    int64_t coefficient = 0;
    std::vector<std::shared_ptr<const Atom>> factors;
  };

private:
  friend struct DimAccess; // the arithmetic in Dim.cpp

  std::vector<Term> terms; // sorted by degree, then by factors; no zero coefficients
  bool unknownFlag = false;
  bool overflowFlag = false;
};

/// How two sizes compare: proven equal, proven different (a non-zero constant difference), or not known yet.
enum class DimOrder { Equal, Different, Unknown };
DimOrder compareDims(const Dim &a, const Dim &b);

using Shape = std::vector<Dim>;
std::string shapeString(const Shape &shape); ///< `[N, 3, 32, 32]`

} // namespace triton

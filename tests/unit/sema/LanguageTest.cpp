// Rules of the language over small programs: compile-time values, scopes, generic checks, the forms of the first language.
#include "Analysed.h"

using namespace triton;

namespace {

using Codes = std::vector<unsigned>;

Codes codes(const std::string &text) { return Analysed(text).errors(); }

TEST(Language, CompileTimeArithmetic) {
  EXPECT_EQ(codes("assert -7 / 2 == -4 and -7 % 2 == 1 and 7 % -2 == -1\n"
                  "assert 1.0 / 4 == 0.25 and 2 == 2.0 and 1 / 3 == 0\n"
                  "assert [i * i for i in 0..4] == [0, 1, 4, 9]\n"
                  "assert len(repeat(3, 0)) == 3 and max(1, 2, 3) == 3 and min([4, 2]) == 2\n"
                  "assert round(2.5) == 2 and round(3.5) == 4 and ceil(1.2) == 2 and floor(-1.2) == -2 and abs(-3) == 3\n"
                  "assert str(3) == \"3\" and len(\"abc\") == 3 and sqrt(4) == 2.0\n"
                  "assert float32(3) == 3.0 and int8(300) == 127 and int8(2.5) == 2 and trit(0.4) == 0 and trit(-5) == -1\n"
                  "assert (if 1 < 2 then \"a\" else \"b\") == \"a\"\n"
                  "assert not (true and false) or false\n"),
            Codes{});
}

TEST(Language, FormsOfTheFirstLanguage) {
  Analysed a("let x: trit = 1;\n"
             "let y: trit;\n"
             "y = -1;\n"
             "let a: TernaryTensor<trit, [2, 2]> = TernaryTensor[2, 2](1, 0, -1, 1);\n"
             "layer dense(x: float32) -> float32 { return x }\n"
             "layer Empty { let k = 3 }\n"
             "layer Simple(i: int, o: int) -> TernaryTensor {\n"
             "  let W: TernaryTensor = random_ternary([o, i])\n"
             "  fn forward(x: Tensor[float16]) -> Tensor[float16] {\n"
             "    let output = ternary_matmul(x, W)\n"
             "    return output\n"
             "  }\n"
             "}\n"
             "layer P(n: int) {\n"
             "  let w: TernaryTensor[n, n] = ...\n"
             "  fn forward(x: Tensor[N, n]) -> Tensor[N, n] { return x @ w }\n"
             "}\n"
             "fn addt(a: trit, b: trit) -> int8 { return a + b }\n"
             "assert addt(x, y) == 0\n"
             "let d = dense(3)\n"
             "model M(v: Tensor[N, 4, float16], w: Tensor[?, 6]) -> (a: Tensor[N, 3, float16], b: Tensor) {\n"
             "  let s1 = Simple(4, 3)\n"
             "  let p = P(6)\n"
             "  return s1(v), p(w)\n"
             "}\n");
  EXPECT_EQ(a.errors(), Codes{}) << a.messages();
  EXPECT_EQ(keys(a.model()), (std::vector<std::string>{"p.w"}));
}

TEST(Language, WhatTheFirstLanguageLetThrough) {
  EXPECT_EQ(codes("let x = missing\n"), (Codes{201}));
  EXPECT_EQ(codes("let x: int8 = 200\n"), (Codes{303}));
  EXPECT_EQ(codes("let t: trit = TernaryTensor[2](1, 0)\n"), (Codes{301}));
  EXPECT_EQ(codes("let x = 1\nlet x = 2\n"), (Codes{203}));
  EXPECT_EQ(codes("fn f(a: TernaryTensor[4]) -> TernaryTensor[4] { return a + a }\n"), (Codes{309}));
  EXPECT_EQ(codes("fn f(a: TernaryTensor[4]) -> TernaryTensor[4] { return trit(a + a) }\n"), Codes{});
}

TEST(Language, BothBranchesAreCheckedForNames) {
  EXPECT_EQ(codes("fn f(x: Tensor) -> Tensor {\n  if false { return missing(x) }\n  return x\n}\n"), (Codes{201}));
  EXPECT_EQ(codes("let n = if true then 1 else missing\n"), (Codes{201}));
}

TEST(Language, OnlyTheTakenBranchIsInstantiated) {
  EXPECT_EQ(codes("layer B(c: int, deep: bool) {\n"
                  "  if deep { param w: Weight[c, c / 8] } else { param v: Weight[c, c] }\n"
                  "  fn forward(x: Tensor[N, c]) -> Tensor[N, c] {\n"
                  "    if deep { return linear(x, w) } else { return linear(x, v) }\n"
                  "  }\n"
                  "}\n"
                  "model M(x: Tensor[N, 3]) -> Tensor { let b = B(3, false)\n return b(x) }\n"),
            Codes{});
}

TEST(Language, OneCauseOneError) {
  // The mistake is in the layer: reported once, without a note for each of its instances.
  Analysed a("layer B(c: int) {\n"
             "  fn forward(x: Tensor[N, c]) -> Tensor[N, c + 1] { return relu(x) }\n"
             "}\n"
             "model M(x: Tensor[N, 3]) -> Tensor { let b = B(3)\n let c = B(3)\n return c(b(x)) }\n");
  ASSERT_EQ(a.errors(), (Codes{309})) << a.messages();
  EXPECT_TRUE(a.diags.sorted().front().notes.empty());
}

TEST(Language, AnErrorOfAnInstanceShowsTheChain) {
  Analysed a("layer Inner(c: int) {\n"
             "  assert c > 2\n"
             "  fn forward(x: Tensor[N, c]) -> Tensor[N, c] { return x }\n"
             "}\n"
             "layer Outer(c: int) {\n"
             "  let inner = Inner(c - 2)\n"
             "  fn forward(x: Tensor) -> Tensor { return inner(x) }\n"
             "}\n"
             "model M(x: Tensor[N, 2]) -> Tensor { let o = Outer(4)\n return o(x) }\n");
  ASSERT_EQ(a.errors(), (Codes{507})) << a.messages();
  auto notes = a.diags.sorted().front().notes;
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_EQ(notes[0].message, "in 'Inner(2)', made here");
  EXPECT_EQ(notes[1].message, "in 'Outer(4)', made here");
}

TEST(Language, ResultTypesAreComparedAsPolynomials) {
  EXPECT_EQ(codes("fn f(x: Tensor[N, D]) -> Tensor[N, 2 * D] { return concat([x, x]) }\n"), Codes{});
  EXPECT_EQ(codes("fn f(x: Tensor[N, D]) -> Tensor[N, 2 * D + 1] { return concat([x, x]) }\n"), (Codes{309}));
}

TEST(Language, LoopsWithUnknownBoundsRunTheirBodyOnce) {
  EXPECT_EQ(codes("layer L(n: int, sizes: list[int]) {\n"
                  "  let cin = 3\n"
                  "  fn forward(x: Tensor) -> Tensor {\n"
                  "    for i in 0..n { x = relu(x) }\n"
                  "    for s in sizes { x = reshape(x, [s, -1]) }\n"
                  "    return x\n"
                  "  }\n"
                  "}\n"),
            Codes{});
  EXPECT_EQ(codes("layer L(n: int) {\n"
                  "  fn forward(x: Tensor[N, 4]) -> Tensor {\n"
                  "    for i in 0..n { let y = x + zeros([5])\n x = y }\n"
                  "    return x\n"
                  "  }\n"
                  "}\n"
                  "model M(x: Tensor[N, 4]) -> Tensor { let l = L(1)\n return l(x) }\n"),
            (Codes{411}));
}

TEST(Language, LimitsHold) {
  std::string chain, twice;
  for (int i = 0; i < 1500; ++i)
    chain += "fn f" + std::to_string(i) + "(x: int) -> int { return f" + std::to_string(i + 1) + "(x) + 1 }\n";
  EXPECT_EQ(codes(chain + "fn f1500(x: int) -> int { return x }\nlet y = f0(1)\n"), (Codes{110}));
  std::string sum = "let x = 1";
  for (int i = 0; i < 20'000; ++i)
    sum += " + 1";
  EXPECT_EQ(codes(sum + "\nassert x == 20001\n"), Codes{});
  std::string nested = std::string(1000, '-') + "1";
  EXPECT_EQ(codes("let x = " + nested + "\nassert x == 1\n"), Codes{});
}

TEST(Language, FilesAreListedInOrderOfReading) {
  Analysed a("let x = 1\n");
  EXPECT_EQ(a.module.files, (std::vector<std::string>{"test.tri"}));
}

TEST(Language, ALibraryIsFineWithoutAModel) {
  EXPECT_EQ(codes(""), Codes{});
  Analysed a("use std.nn\nuse std.vision\nuse std.llm\n");
  EXPECT_EQ(a.errors(), Codes{}) << a.messages();
  EXPECT_EQ(a.diags.warningCount(), 0u) << a.messages();
}

} // namespace

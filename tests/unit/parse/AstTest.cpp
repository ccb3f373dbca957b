// The tree of every form of the grammar.
#include "ParseTestSupport.h"

#include <cmath>

using namespace triton;
using namespace triton::test;

namespace {

TEST(Expressions, Literals) {
  EXPECT_EQ(exprTree("42"), "Int 42\n");
  EXPECT_EQ(exprTree("0x2A"), "Int 42\n");
  EXPECT_EQ(exprTree("0b1010"), "Int 10\n");
  EXPECT_EQ(exprTree("1_000_000"), "Int 1000000\n");
  EXPECT_EQ(exprTree("007"), "Int 7\n");
  EXPECT_EQ(exprTree("9223372036854775807"), "Int 9223372036854775807\n");
  EXPECT_EQ(exprTree("2.5e+3"), "Float 2500\n");
  EXPECT_EQ(exprTree("1e-5"), "Float 1.0000000000000001e-05\n");
  EXPECT_EQ(exprTree("1e-400"), "Float 0\n");
  EXPECT_EQ(exprTree("true"), "Bool true\n");
  EXPECT_EQ(exprTree(R"("a\n\"b\"\t\\")"), "String \"a\\n\\\"b\\\"\\t\\\\\"\n");
  EXPECT_EQ(exprTree("int8"), "DType int8\n");
}

TEST(Expressions, AllDTypesInOrder) {
  for (const char *name : {"trit", "bool", "int4", "uint4", "int6", "uint6", "int8", "uint8", "int16", "int32", "int64",
                           "float16", "bfloat16", "float32"})
    EXPECT_EQ(exprTree(name), std::string("DType ") + name + "\n");
}

TEST(Expressions, ProductsBindTighterThanSums) {
  EXPECT_EQ(exprTree("a + b * c"), "Binary\n  Name a\n  +\n    Binary\n      Name b\n      *\n        Name c\n");
  EXPECT_EQ(exprTree("a @ b - c"), "Chain\n  Name a\n  @\n    Name b\n  -\n    Name c\n");
}

TEST(Expressions, BinaryOperatorsAreLeftAssociative) {
  Parsed p("let x = a - b - c");
  const ast::Expr &e = *p.program->items[0]->value;
  ASSERT_EQ(e.kind, ast::Expr::Binary);
  ASSERT_EQ(e.lhs->kind, ast::Expr::Binary);
  EXPECT_EQ(e.lhs->lhs->text, "a");
  EXPECT_EQ(e.rhs->text, "c");
}

TEST(Expressions, LadderOfPrecedence) {
  EXPECT_EQ(exprTree("not a == b and c or d"),
            "Chain\n  Not\n    Binary\n      Name a\n      ==\n        Name b\n  and\n    Name c\n  or\n    Name d\n");
  EXPECT_EQ(exprTree("-a * b"), "Binary\n  Negate\n    Name a\n  *\n    Name b\n");
  EXPECT_EQ(exprTree("-a.b"), "Negate\n  Postfix\n    Name a\n    Member b\n");
  EXPECT_EQ(exprTree("a == not b"), "Binary\n  Name a\n  ==\n    Not\n      Name b\n");
  EXPECT_EQ(exprTree("a % b / c"), "Chain\n  Name a\n  %\n    Name b\n  /\n    Name c\n");
  EXPECT_EQ(exprTree("a <= b or c != d"),
            "Chain\n  Name a\n  <=\n    Name b\n  or\n    Binary\n      Name c\n      !=\n        Name d\n");
}

TEST(Expressions, ParenthesesGroupAndAreRemembered) {
  EXPECT_EQ(exprTree("(a + b) * c"), "Binary\n  Binary\n    Name a\n    +\n      Name b\n  *\n    Name c\n");
  Parsed p("let x = (a + b) * c");
  EXPECT_TRUE(p.program->items[0]->value->lhs->parenthesised);
  EXPECT_EQ(p.sources.text(p.program->items[0]->value->lhs->range), "(a + b)");
}

TEST(Expressions, PostfixChain) {
  EXPECT_EQ(exprTree("m.blocks[0](x, k=1)"),
            "Postfix\n  Name m\n  Member blocks\n  Index\n    Int 0\n  Call\n    Name x\n    Arg k\n      Int 1\n");
  EXPECT_EQ(exprTree("f()"), "Postfix\n  Name f\n  Call\n");
  EXPECT_EQ(exprTree("x[1, 2]"), "Postfix\n  Name x\n  Index\n    Int 1\n    Int 2\n");
  EXPECT_EQ(exprTree("float32(x)"), "Postfix\n  DType float32\n  Call\n    Name x\n");
  EXPECT_EQ(exprTree("f(1, )"), "Postfix\n  Name f\n  Call\n    Int 1\n") << "a trailing comma";
}

TEST(Expressions, Conditional) {
  EXPECT_EQ(exprTree("if a then b else c + d"),
            "Conditional\n  Name a\n  Name b\n  Binary\n    Name c\n    +\n      Name d\n");
}

TEST(Expressions, Lists) {
  EXPECT_EQ(exprTree("[]"), "List\n");
  EXPECT_EQ(exprTree("[1, 2,]"), "List\n  Int 1\n  Int 2\n");
  EXPECT_EQ(exprTree("[1, ...]"), "List ...\n  Int 1\n");
  EXPECT_EQ(exprTree("[1, ..., ]"), "List ...\n  Int 1\n");
  EXPECT_EQ(exprTree("[[1], []]"), "List\n  List\n    Int 1\n  List\n");
}

TEST(Expressions, Comprehensions) {
  EXPECT_EQ(exprTree("[f(i) for i in 0..n]"),
            "Comprehension i\n  Postfix\n    Name f\n    Call\n      Name i\n  Range\n    Int 0\n    Name n\n");
  EXPECT_EQ(exprTree("[a for [a, b] in xs]"), "Comprehension [a, b]\n  Name a\n  Each\n    Name xs\n");
  EXPECT_EQ(exprTree("[a for (a, b) in 0..9 step 3]"),
            "Comprehension (a, b)\n  Name a\n  Range\n    Int 0\n    Int 9\n    Step\n      Int 3\n");
}

TEST(Expressions, TensorLiterals) {
  EXPECT_EQ(exprTree("TernaryTensor[2, 2](1, 0, -1, 1)"),
            "TensorLiteral\n  Type TernaryTensor []\n    Int 2\n    Int 2\n  Int 1\n  Int 0\n  Negate\n    Int 1\n  Int 1\n");
  EXPECT_EQ(exprTree("Tensor[3, float32]([0.5])"),
            "TensorLiteral\n  Type Tensor []\n    Int 3\n    float32\n  List\n    Float 0.5\n");
}

TEST(Expressions, ContextualWordsAreNames) {
  EXPECT_EQ(exprTree("model + test * param.use(import=step, as=as)"),
            "Binary\n  Name model\n  +\n    Binary\n      Name test\n      *\n        Postfix\n          Name param\n          Member "
            "use\n          Call\n            Arg import\n              Name step\n            Arg as\n              Name as\n");
}

TEST(Types, AllForms) {
  auto type = [](const std::string &t) {
    return below(treeOf("let x: " + t));
  };
  EXPECT_EQ(type("trit"), "Type trit\n");
  EXPECT_EQ(type("Tensor"), "Type Tensor\n");
  EXPECT_EQ(type("Tensor[float16]"), "Type Tensor []\n  float16\n");
  EXPECT_EQ(type("Tensor[N, 3, H, W]"), "Type Tensor []\n  Name N\n  Int 3\n  Name H\n  Name W\n");
  EXPECT_EQ(type("Tensor[N, 8, uint8|float32,]"), "Type Tensor []\n  Name N\n  Int 8\n  uint8|float32\n");
  EXPECT_EQ(type("Tensor[..., ?, D]"), "Type Tensor []\n  ...\n  ?\n  Name D\n");
  EXPECT_EQ(type("tensor<trit, [128, 256]>"), "Type tensor <>\n  trit\n  Int 128\n  Int 256\n");
  EXPECT_EQ(type("Tensor<float32, [?, 8]>"), "Type Tensor <>\n  float32\n  ?\n  Int 8\n");
  EXPECT_EQ(type("tensor<trit>"), "Type tensor <>\n  trit\n");
  EXPECT_EQ(type("tensor<int8|uint8, []>"), "Type tensor <>\n  int8|uint8\n");
  EXPECT_EQ(type("TernaryTensor"), "Type TernaryTensor\n");
  EXPECT_EQ(type("TernaryTensor<trit, [2, 2]>"), "Type TernaryTensor <>\n  trit\n  Int 2\n  Int 2\n");
  EXPECT_EQ(type("Weight[o, i]"), "Type Weight []\n  Name o\n  Name i\n");
  EXPECT_EQ(type("layer"), "Type layer\n");
  EXPECT_EQ(type("list[list[int]]"), "Type list\n  Type list\n    Type int\n");
  EXPECT_EQ(type("Tensor[(H - 1) / stride + 1]"),
            "Type Tensor []\n  Chain\n    Binary\n      Name H\n      -\n        Int 1\n    /\n      Name stride\n    +\n      Int 1\n");
}

TEST(Statements, Let) {
  EXPECT_EQ(treeOf("let x"), "Let x\n");
  EXPECT_EQ(treeOf("let x: trit = 1"), "Let x\n  Type trit\n  Int 1\n");
  EXPECT_EQ(treeOf("let x: Tensor[2] = ..."), "Let x = ...\n  Type Tensor []\n    Int 2\n");
  EXPECT_EQ(treeOf("let (a, b) = f"), "Let (a, b)\n  Name f\n");
  EXPECT_EQ(treeOf("let [a] = f"), "Let [a]\n  Name f\n");
  EXPECT_EQ(treeOf("let x = f as \"k.v\""), "Let x\n  Key \"k.v\"\n  Name f\n");
  EXPECT_EQ(treeOf("let x as \"\""), "Let x\n  Key \"\"\n");
  EXPECT_EQ(treeOf("let x\nas = 3"), "Let x\nAssign as\n  Int 3\n") << "a name, not a key";
}

TEST(Statements, Param) {
  EXPECT_EQ(treeOf("param w: Weight[o, i] as \"k\" = zeros"),
            "Param w\n  Type Weight []\n    Name o\n    Name i\n  Key \"k\"\n  Name zeros\n");
  EXPECT_EQ(treeOf("param = 3"), "Assign param\n  Int 3\n");
}

TEST(Statements, ReturnTakesWhatCanBeAnExpression) {
  EXPECT_EQ(treeOf("fn f() { return }"), "Fn f\n  Block\n    Return\n");
  EXPECT_EQ(treeOf("fn f() { return a, -b }"), "Fn f\n  Block\n    Return\n      Name a\n      Negate\n        Name b\n");
  EXPECT_EQ(treeOf("fn f() { return if a then b else c }"),
            "Fn f\n  Block\n    Return\n      Conditional\n        Name a\n        Name b\n        Name c\n");
  EXPECT_EQ(treeOf("fn f() { return ; x = 1 }"), "Fn f\n  Block\n    Return\n    Assign x\n      Int 1\n");
  EXPECT_EQ(Parsed("fn f() {\n return\n x = 1 }").codes(), "113@3") << "the name is taken as the value";
}

TEST(Statements, Loops) {
  EXPECT_EQ(treeOf("for i in 0..n step 2 { }"),
            "For i\n  Range\n    Int 0\n    Name n\n    Step\n      Int 2\n  Block\n");
  EXPECT_EQ(treeOf("for [t, c] in xs { x = t }"), "For [t, c]\n  Each\n    Name xs\n  Block\n    Assign x\n      Name t\n");
}

TEST(Statements, IfLadder) {
  EXPECT_EQ(treeOf("if a { } else if b { x = 1 } else { }"),
            "If\n  Name a\n  Then\nElseIf\n  Name b\n  Then\n    Assign x\n      Int 1\n  Else\n");
  EXPECT_EQ(treeOf("if if a then b else c { }"), "If\n  Conditional\n    Name a\n    Name b\n    Name c\n  Then\n");
}

TEST(Statements, Assert) {
  EXPECT_EQ(treeOf("assert a == 1, \"why\""), "Assert\n  Binary\n    Name a\n    ==\n      Int 1\n  Message \"why\"\n");
}

TEST(Statements, SemicolonsMeanNothing) { EXPECT_EQ(treeOf(";;let a = 1;;let b = 2;"), treeOf("let a = 1 let b = 2")); }

TEST(Declarations, ImportsAndModules) {
  EXPECT_EQ(treeOf("import \"a.tri\" as b"), "Import b\n  Path \"a.tri\"\n");
  EXPECT_EQ(treeOf("import \"a.tri\"\nuse std.nn"), "Import\n  Path \"a.tri\"\nUse std.nn\n");
}

TEST(Declarations, Layers) {
  EXPECT_EQ(treeOf("layer L { }"), "Layer L\n  Block\n");
  EXPECT_EQ(treeOf("layer L() { }"), "Layer L ()\n  Block\n");
  EXPECT_EQ(treeOf("layer L(a: int, b: list[int] = [1],) -> TernaryTensor { }"),
            "Layer L\n  Parameter a\n    Type int\n  Parameter b\n    Type list\n      Type int\n    List\n      Int 1\n  Result\n    "
            "Type TernaryTensor\n  Block\n");
}

TEST(Declarations, ModelsWithNamedResults) {
  EXPECT_EQ(treeOf("model M(x: Tensor) -> (a: Tensor, Tensor,) { return x, x }"),
            "Model M\n  Parameter x\n    Type Tensor\n  Results\n    Named a\n      Type Tensor\n    Type Tensor\n  Block\n    Return\n    "
            "  Name x\n      Name x\n");
}

TEST(Declarations, TestsAndNestedDeclarations) {
  EXPECT_EQ(treeOf("test \"t\" { fn f() { } layer L { } }"), "Test\n  Title \"t\"\n  Block\n    Fn f\n      Block\n    Layer L\n      Block\n");
}

TEST(Declarations, DocComments) {
  EXPECT_EQ(treeOf("## One.\n##   Two.\n# plain\n@frozen\n## Three.\nlayer L { } ## no doc\nlet a = 1"),
            "Layer L\n  Doc \"One.\\n  Two.\\nThree.\"\n  Attribute frozen\n  Block\nLet a\n  Int 1\n");
}

TEST(Attributes, OpenAtTheStartOfALineOrAfterABraceOrSemicolon) {
  EXPECT_EQ(treeOf("@a @b(1, k=2)\nlet x = 1"),
            "Let x\n  Attribute a\n  Attribute b\n    Int 1\n    Arg k\n      Int 2\n  Int 1\n");
  EXPECT_EQ(treeOf("let x = p; @a let y = q"), "Let x\n  Name p\nLet y\n  Attribute a\n  Name q\n");
  EXPECT_EQ(treeOf("layer L { @a let y = q }"), "Layer L\n  Block\n    Let y\n      Attribute a\n      Name q\n");
  EXPECT_EQ(treeOf("@a() let x = 1"), "Let x\n  Attribute a ()\n  Int 1\n");
}

TEST(Attributes, ProductsStayProducts) {
  EXPECT_EQ(exprTree("p @ q"), "Binary\n  Name p\n  @\n    Name q\n");
  EXPECT_EQ(exprTree("p @\n q"), "Binary\n  Name p\n  @\n    Name q\n") << "the sign ends the line";
  EXPECT_EQ(exprTree("(p\n @ q)"), "Binary\n  Name p\n  @\n    Name q\n") << "in parentheses";
  EXPECT_EQ(exprTree("f(p\n @ q)"), "Postfix\n  Name f\n  Call\n    Binary\n      Name p\n      @\n        Name q\n");
  EXPECT_EQ(treeOf("let x = p\n@a let y = q"), "Let x\n  Name p\nLet y\n  Attribute a\n  Name q\n");
}

TEST(Text, LineEndsAndByteOrderMark) {
  std::string expected = treeOf("let a = 1\nlet b = 2\n");
  EXPECT_EQ(treeOf("\xEF\xBB\xBFlet a = 1\r\nlet b = 2\r\n"), expected);
  EXPECT_EQ(treeOf("let a = 1\rlet b = 2\r"), expected);
  EXPECT_EQ(treeOf("# c\rlet a = 1 # d\r\n\tlet b = 2 # e"), expected);
}

TEST(Text, EmptyFiles) {
  for (const char *text : {"", "\n", "# only a comment", "\xEF\xBB\xBF", " \t\r\n", ";"}) EXPECT_EQ(treeOf(text), "");
}

TEST(Places, AreThoseOfTheText) {
  Parsed p("let x = a +\n  f(b)\n");
  EXPECT_EQ(p.tree(true), "Program\n  Let x <1:1>\n    Binary <1:9>\n      Name a <1:9>\n      + <1:11>\n        Postfix <2:3>\n          "
                          "Name f <2:3>\n          Call <2:4>\n            Name b <2:5>\n");
  const ast::Expr &sum = *p.program->items[0]->value;
  EXPECT_EQ(p.sources.text(sum.range), "a +\n  f(b)");
  EXPECT_EQ(p.sources.text(sum.opRange), "+");
  EXPECT_EQ(p.sources.text(p.program->items[0]->keyword), "let");
}

TEST(Places, ParametersResultsAttributesAndKeys) {
  Parsed p("@acts(int8)\nmodel M(x: Tensor[N] = 1) -> (y: Tensor) { let c = f as \"k\" }");
  const ast::Stmt &m = *p.program->items[0];
  EXPECT_EQ(p.sources.text(m.attributes[0].range), "@acts(int8)");
  EXPECT_EQ(p.sources.text(m.params[0].range), "x: Tensor[N] = 1");
  EXPECT_EQ(p.sources.text(m.params[0].type->range), "Tensor[N]");
  EXPECT_EQ(p.sources.text(m.result->range), "(y: Tensor)");
  EXPECT_EQ(p.sources.text(m.body.items[0]->keyRange), "\"k\"");
  EXPECT_EQ(p.sources.text(m.name.range), "M");
}

/// Section 14: every form of the first language.
TEST(OldForms, StillParse) {
  EXPECT_EQ(treeOf("let w: trit = -1"), "Let w\n  Type trit\n  Negate\n    Int 1\n");
  EXPECT_EQ(treeOf("let n: int32"), "Let n\n  Type int32\n");
  EXPECT_EQ(treeOf("y = 2;"), "Assign y\n  Int 2\n");
  EXPECT_EQ(treeOf("let grid: tensor<trit, [2, 2]> = TernaryTensor[2, 2](1, 0, -1, 1);"),
            "Let grid\n  Type tensor <>\n    trit\n    Int 2\n    Int 2\n  TensorLiteral\n    Type TernaryTensor []\n      Int 2\n      Int "
            "2\n    Int 1\n    Int 0\n    Negate\n      Int 1\n    Int 1\n");
  EXPECT_EQ(treeOf("layer SimpleTernary(in_features: int, out_features: int) -> TernaryTensor {\n"
                   "    let W: TernaryTensor = random_ternary([out_features, in_features])\n"
                   "    fn forward(x: Tensor[float16]) -> Tensor[float16] {\n"
                   "        let output = ternary_matmul(x, W)\n"
                   "        return output\n"
                   "    }\n"
                   "}\n"),
            "Layer SimpleTernary\n  Parameter in_features\n    Type int\n  Parameter out_features\n    Type int\n  Result\n    Type "
            "TernaryTensor\n  Block\n    Let W\n      Type TernaryTensor\n      Postfix\n        Name random_ternary\n        Call\n          "
            "List\n            Name out_features\n            Name in_features\n    Fn forward\n      Parameter x\n        Type Tensor []\n    "
            "      float16\n      Result\n        Type Tensor []\n          float16\n      Block\n        Let output\n          Postfix\n    "
            "        Name ternary_matmul\n            Call\n              Name x\n              Name W\n        Return\n          Name "
            "output\n");
  EXPECT_EQ(treeOf("layer dense(x: float32) -> float32 { return x }"),
            "Layer dense\n  Parameter x\n    Type float32\n  Result\n    Type float32\n  Block\n    Return\n      Name x\n");
  EXPECT_EQ(treeOf("layer K { let W: TernaryTensor[2, 2] = ... }"),
            "Layer K\n  Block\n    Let W = ...\n      Type TernaryTensor []\n        Int 2\n        Int 2\n");
}

} // namespace

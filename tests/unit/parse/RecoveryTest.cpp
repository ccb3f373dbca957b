// After an error: what is still read, and that one mistake is one message.
#include "ParseTestSupport.h"

using namespace triton;
using namespace triton::test;

namespace {

TEST(Recovery, IndependentErrorsAreAllReported) {
  Parsed p("let = 1\nlet ok = 2\nlet b: = 3\nfn f(x: ) -> int { return + }\nassert\nlet c = [1,, 2]\nlet d = )\n");
  EXPECT_EQ(p.codes(), "111@1 111@3 111@4 113@4 111@5 111@6 113@7");
  EXPECT_TRUE(p.program->hadErrors);
}

TEST(Recovery, ABrokenStatementStillDeclaresItsName) {
  Parsed p("let a = 1 +\nlet b = a\n");
  EXPECT_EQ(p.tree(), "Program (with errors)\n  Let a\n    Error\n  Let b\n    Name a\n");
}

TEST(Recovery, ABrokenHeaderKeepsItsBody) {
  Parsed p("layer L(a: int, b) -> { fn f(x: int) { return x } }\nlet z = 1\n");
  std::string tree = p.tree();
  EXPECT_NE(tree.find("Layer L"), std::string::npos) << tree;
  EXPECT_NE(tree.find("Parameter a"), std::string::npos) << tree;
  EXPECT_NE(tree.find("Fn f"), std::string::npos) << tree;
  EXPECT_NE(tree.find("Let z"), std::string::npos) << tree;
}

TEST(Recovery, ABrokenParameterLeavesTheOthers) {
  Parsed p("fn f(a: int, b int, c: int) { return c }");
  EXPECT_EQ(p.codes(), "111@1");
  EXPECT_EQ(p.tree(), "Program (with errors)\n  Fn f\n    Parameter a\n      Type int\n    Parameter b\n    Parameter c\n      Type int\n    "
                      "Block\n      Return\n        Name c\n");
}

TEST(Recovery, ABrokenConditionKeepsItsBlock) {
  Parsed p("if a + { let x = 1 }\nfor i 0..2 { let y = 2 }\n");
  EXPECT_EQ(p.codes(), "111@1 111@2");
  EXPECT_NE(p.tree().find("Let x"), std::string::npos);
  EXPECT_NE(p.tree().find("Let y"), std::string::npos);
}

TEST(Recovery, AMissingBracketIsOneMessage) {
  EXPECT_EQ(Parsed("let a = f(g(1, 2)\nlet b = 3\n").codes(), "112@1");
  EXPECT_EQ(Parsed("let a = [1, 2\nlet b = 3\n").codes(), "112@1");
  EXPECT_EQ(Parsed("fn f(x: int { return x }\nlet b = 3\n").codes(), "112@1");
  EXPECT_EQ(Parsed("fn f() {\n  let a = f(1\n}\nlet b = 2\n").codes(), "112@2");
  EXPECT_EQ(Parsed("fn f() {\n  let a = 1\n").codes(), "112@2");
  EXPECT_EQ(Parsed("let a = f(1]\nlet b = 2\n").codes(), "111@1");
  EXPECT_EQ(Parsed("let a = f(1))\nlet b = 2\n").codes(), "113@1");
  EXPECT_EQ(Parsed("let a = f([1, 2)\nlet b = 2\n").codes(), "112@1");
}

TEST(Recovery, TheNoteShowsWhereTheBracketWasOpened) {
  Parsed p("let a = f(\n  1,\n  2\nlet b = 3\n");
  EXPECT_EQ(p.messages(), "t.tri:3:4: error: '(' is never closed [TRI0112]\n    3 |   2\n      |    ^\nt.tri:1:10: note: opened here\n");
}

TEST(Recovery, WhatFollowsABadCharacterOnItsLineIsNotReported) {
  EXPECT_EQ(Parsed("let a = 1 $ 2 ^ 3\nlet b = +\n").codes(), "101@1 101@1 111@2");
  EXPECT_EQ(Parsed("let a = f(\"x)\nlet b = 1\n").codes(), "103@1");
}

TEST(Recovery, AttributesWithoutADeclaration) {
  EXPECT_EQ(Parsed("@acts(int8)\n").codes(), "111@1");
  EXPECT_EQ(Parsed("layer L { @acts(int8) }\nlet a = 1").codes(), "111@1");
}

TEST(Recovery, StopsAfterAHundredErrors) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "let = 1\n";
  Parsed p(text);
  EXPECT_EQ(p.diags.errorCount(), 100u);
}

TEST(Recovery, AnErrorIsNeverLost) {
  // Each of these is wrong, whatever is said about it.
  for (const char *text : {"let", "let x =", "let x = (", "let x = )", "fn", "layer", "model", "model M", "for", "if", "if a", "assert",
                           "import", "use", "test", "param x", "@", "@a", "x", "x.", "x = ", "{", "}", "1", "\"", "a b",
                           "let x: Tensor[", "let x: tensor<", "let x = [1 for", "let x = if a then", "else { }", "let x = a ? b",
                           "fn f(a: int { }", "let x = 1 as", "use a.", "let (a = 1", "let x = f(a=)", "let x = [, ]", "use std nn",
                           "model M(x: Tensor) { }", "let x: Tensor[1|2]", "test \"a\" let x = 1"}) {
    Parsed p(text);
    EXPECT_TRUE(p.diags.hasErrors()) << text;
    EXPECT_TRUE(p.program->hadErrors) << text;
  }
}

/// Cutting a program anywhere must neither crash nor hang, and where it cuts a construct it is an error.
TEST(Recovery, EveryPrefixOfAProgram) {
  std::string text = "use std.nn\n## Doc.\n@ternary(scale=per_channel, threshold=0.7)\nmodel M(x: Tensor[N, 4, uint8|float32]) -> (y: Tensor[N, "
                     "2]) {\n  let f = [Linear(4, if a == 1 then 2 else 3) for i in 0..2 step 1] as \"k\"\n  for [t, c] in f { x = t(x) @ -c.w[0] "
                     "}\n  assert not shape(x) == [N, 2], \"text\"\n  if a { } else if b { } else { return x }\n  return f, x\n}\n";
  for (size_t n = 0; n <= text.size(); ++n) {
    Parsed p(text.substr(0, n));
    EXPECT_LE(p.diags.errorCount(), 4u) << text.substr(0, n) << "\n" << p.messages();
  }
  EXPECT_EQ(Parsed(text).messages(), "");
}

/// Leaving out any one byte is at most a few messages.
TEST(Recovery, EveryByteLeftOut) {
  std::string text = "layer B(c: int, s: int = 1) {\n  let k = [Conv2d(c, c, 3, stride=s), ReLU()] as \"\"\n  fn forward(x: Tensor[N, c]) -> "
                     "Tensor {\n    let y = k(x)\n    return if s == 1 then x + y else y\n  }\n}\nlet z = B(4)\n";
  ASSERT_EQ(Parsed(text).messages(), "");
  for (size_t n = 0; n < text.size(); ++n) {
    std::string cut = text;
    cut.erase(n, 1);
    Parsed p(cut);
    EXPECT_LE(p.diags.errorCount(), 3u) << cut << "\n" << p.messages();
  }
}

} // namespace

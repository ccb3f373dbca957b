// Depth, length and garbage: no crash, no hang, linear time.
#include "ParseTestSupport.h"

#include <fstream>
#include <random>

using namespace triton;
using namespace triton::test;

namespace {

/// Seconds of CPU after which a megabyte of anything counts as hanging. The aim is one, and all kinds stay below it on an idle machine; one that
/// is shared can be several times slower. Sanitizers and unoptimised builds get more.
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
constexpr double patience = 20;
#else
constexpr double patience = 5;
#endif

std::string repeat(const std::string &text, size_t count) {
  std::string out;
  out.reserve(text.size() * count);
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

struct Nesting {
  const char *name;
  std::string before, open, middle, close, after;
  std::string operator()(size_t n) const { return before + repeat(open, n) + middle + repeat(close, n) + after; }
};
const Nesting nestings[] = {
    {"parentheses", "let x = ", "(", "1", ")", ""},
    {"lists", "let x = ", "[", "1", "]", ""},
    {"calls", "let x = ", "f(", "1", ")", ""},
    {"subscripts", "let x = ", "a[", "1", "]", ""},
    {"blocks", "", "if a {", "", "}", ""},
    {"layers", "", "layer L { ", "", "}", ""},
    {"negations", "let x = ", "-", "1", "", ""},
    {"nots", "let x = ", "not ", "a", "", ""},
    {"nots in comparisons", "let x = a", " == not a", "", "", ""},
    {"conditionals", "let x = ", "if a then b else ", "c", "", ""},
    {"conditions", "let x = ", "if ", "a", " then b else c", ""},
    {"types", "let x: ", "list[", "int", "]", ""},
    {"dimensions", "let x: Tensor[", "f(", "1", ")", "]"},
};

TEST(Limits, NestingOf1024IsAccepted) {
  for (const Nesting &n : nestings) {
    // A type's own bracket counts too.
    size_t depth = n.after.empty() ? 1024 : 1023;
    Parsed p(n(depth));
    EXPECT_EQ(p.messages().substr(0, 300), "") << n.name;
  }
}

TEST(Limits, NestingOf1025IsRefused) {
  for (const Nesting &n : nestings) {
    Parsed p(n(1025));
    EXPECT_EQ(p.codes(), "110@1") << n.name;
  }
}

TEST(Limits, NestingOf100000IsRefusedAtOnce) {
  for (const Nesting &n : nestings) {
    Parsed p(n(100000));
    EXPECT_EQ(p.codes(), "110@1") << n.name;
    EXPECT_LT(p.seconds, patience) << n.name;
    // Also when nothing is ever closed.
    Nesting open = n;
    open.close = "";
    EXPECT_EQ(Parsed(open(100000)).codes(), "110@1") << n.name;
  }
}

TEST(Limits, LaddersOfElseIf) {
  EXPECT_EQ(Parsed("if a { }" + repeat(" else if a { }", 1000)).messages(), "");
  EXPECT_EQ(Parsed("if a { }" + repeat(" else if a { }", 100000)).codes(), "110@1");
  // One after the other they are no ladder.
  EXPECT_EQ(Parsed(repeat("if a { } else if b { } else { }\n", 3000)).messages(), "");
}

TEST(Limits, PrefixesDoNotAddUpOverStatements) {
  EXPECT_EQ(Parsed(repeat("let x = -a\n", 3000)).messages(), "");
  EXPECT_EQ(Parsed(repeat("x = not a\n", 3000)).messages(), "");
  EXPECT_EQ(Parsed(repeat("x = if a then b else c\n", 3000)).messages(), "");
  EXPECT_EQ(Parsed("let x = [" + repeat("-1, not a, if a then b else c, ", 3000) + "]").messages(), "");
  EXPECT_EQ(Parsed("let x = a" + repeat(" + -a", 3000)).messages(), "");
  EXPECT_EQ(Parsed("let x = a" + repeat(" and not a", 3000)).messages(), "");
  EXPECT_EQ(Parsed("fn f() { " + repeat("if not a { } ", 3000) + "}").messages(), "");
  EXPECT_EQ(Parsed("let x = [" + repeat("(-a) * -(b), ", 3000) + "]").messages(), "");
}

TEST(Limits, ChainsOf100000Terms) {
  for (const char *term : {" + a", " * a", " @ a", " and a", " or a", " - -a", " + f(a)", " + (a)"}) {
    Parsed p("let x = a" + repeat(term, 99999));
    EXPECT_EQ(p.messages(), "") << term;
    ASSERT_EQ(p.program->items.size(), 1u);
    size_t length = 1;
    for (const ast::Expr *e = p.program->items[0]->value.get(); e->kind == ast::Expr::Binary; e = e->lhs.get()) ++length;
    EXPECT_EQ(length, 100000u) << term;
    std::string tree = p.tree(true); // printing does not recurse over it either
    EXPECT_GT(tree.size(), 1000000u);
  }
}

TEST(Limits, ALongChainOfCallsIsDiagnosed) {
  for (const char *link : {"()", ".a", "[0]"}) {
    EXPECT_EQ(Parsed("let x = f" + repeat(link, 1024)).messages(), "") << link;
    EXPECT_EQ(Parsed("let x = f" + repeat(link, 100000)).codes(), "110@1") << link;
  }
}

TEST(Limits, LongFlatThings) {
  EXPECT_EQ(Parsed("let x = [" + repeat("1, ", 100000) + "]").messages(), "");
  EXPECT_EQ(Parsed("let x = f(" + repeat("a=1, ", 50000) + ")").messages(), "");
  EXPECT_EQ(Parsed(repeat("@a\n", 50000) + "let x = 1").messages(), "");
  EXPECT_EQ(Parsed("let " + std::string(1000000, 'n') + " = 1").messages(), "");
  EXPECT_EQ(Parsed("let x = \"" + std::string(1000000, 's') + "\"").messages(), "");
  EXPECT_EQ(Parsed("# " + std::string(1000000, 'c')).messages(), "");
}

TEST(Limits, AMegabyteOfGarbageIsDiagnosedInASecond) {
  constexpr size_t size = 1 << 20;
  std::mt19937 random(7);
  std::vector<std::pair<std::string, std::string>> kinds;
  std::string bytes(size, 0), ascii(size, 0), tokens;
  for (char &c : bytes) c = static_cast<char>(random());
  for (char &c : ascii) c = static_cast<char>(' ' + random() % 95);
  const char *words[] = {"let", "x", "=", "(", ")", "[", "]", "{", "}", "@", "if", "then", "else", "1", "2.5", "\"s\"", "+", "-", "for", "in",
                         "layer", "fn", "model", "return", ",", ":", "->", "Tensor", "int8", "\n", "param", "not", "<", "..", "...", ";"};
  while (tokens.size() < size) tokens += std::string(words[random() % std::size(words)]) + " ";
  kinds.emplace_back("bytes", bytes);
  kinds.emplace_back("ascii", ascii);
  kinds.emplace_back("tokens", tokens);
  for (const char *piece : {"(", "[", "{", ")", "]", "}", "\"", "'", "@", "-", "\\", "#", "\xFF", "\xE2\x88\x92", "0", ".", "a ", "= ", "let ",
                            "let x = ", "if ", "a=", "(a)", "\n@a", "if a{}\nelse ", "Tensor[", "x,", ".a", "a<", "\n", "1.", "\"\n", "@a(",
                            "fn f(", "\r", "let x = (\n", "foo bar\n", "\xF0\x9F\x98\x80"})
    kinds.emplace_back(piece, repeat(piece, size / std::string_view(piece).size()));
  for (auto &[name, text] : kinds) {
    std::clock_t begin = std::clock();
    Parsed p(std::move(text));
    std::string messages = p.messages();
    double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    EXPECT_LT(seconds, patience) << name;
    EXPECT_LT(messages.size(), 20000u) << name;
    bool harmless = name == "#" || name == "\n" || name == "\r";
    EXPECT_EQ(p.diags.hasErrors(), !harmless) << name;
    EXPECT_LE(p.diags.errorCount(), 310u) << name;
  }
}

/// Random programs of random tokens: nothing but diagnostics may come out. The seed is printed on failure.
TEST(Limits, RandomTokens) {
  const char *words[] = {"let", "x", "=", "(", ")", "[", "]", "{", "}", "@", "if", "then", "else", "1", "2.5", "\"s\"", "+", "-", "for", "in",
                         "layer", "fn", "model", "return", ",", ":", "->", "Tensor", "int8", "\n", "param", "not", "<", ">", "..", "...", ";",
                         "as", "step", "test", "use", "import", "assert", "|", "?", ".", "while", "$", "5.", "'", "##d\n"};
  for (unsigned seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string text;
    for (unsigned n = random() % 60; n-- > 0;) text += std::string(words[random() % std::size(words)]) + " ";
    Parsed p(text);
    ASSERT_FALSE(p.messages(1000).empty() && p.program->hadErrors) << text;
    ASSERT_EQ(p.messages().find("fault of the parser"), std::string::npos) << text << p.messages();
    p.tree(true);
  }
}

TEST(Limits, TenThousandLinesInGoodTime) {
  std::string text;
  for (int i = 0; i < 500; ++i)
    text += "layer B" + std::to_string(i) +
            "(cin: int, cout: int, stride: int = 1) {\n    let conv1 = Conv2d(cin, cout, 3, stride=stride, padding=1, bias=false)\n"
            "    let bn1 = BatchNorm2d(cout)\n    let conv2 = Conv2d(cout, cout, 3, padding=1, bias=false)\n    let bn2 = BatchNorm2d(cout)\n"
            "    let project = stride != 1 or cin != cout\n    if project {\n        let downsample = [Conv2d(cin, cout, 1, stride=stride, "
            "bias=false), BatchNorm2d(cout)]\n    }\n    fn forward(x: Tensor[N, cin, H, W]) -> Tensor[N, cout, (H - 1) / stride + 1, (W - 1) / "
            "stride + 1] {\n        let y = bn2(conv2(relu(bn1(conv1(x)))))\n        if project {\n            return relu(y + downsample(x))\n "
            "       } else {\n            return relu(y + x)\n        }\n    }\n}\n\n\n";
  Parsed p(text);
  EXPECT_EQ(p.messages(), "");
  EXPECT_EQ(p.program->items.size(), 500u);
  EXPECT_LT(p.seconds, patience);
}

} // namespace

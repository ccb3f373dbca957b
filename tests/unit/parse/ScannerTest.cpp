// The scanner: against the lexer that ANTLR makes from the grammar, and the values of literals.
// Before GoogleTest, whose macro TEST is a token of the grammar.
#include "TritonLexer.h"
#include "TritonParser.h"

#include "ParseTestSupport.h"
#include "Scanner.h"

#include <cmath>
#include <random>

using namespace triton;
using namespace triton::test;
using grammar::TritonLexer;

namespace {

std::string byScanner(const std::string &text, bool &clean) {
  SourceManager sources;
  FileId file = sources.addFile("t.tri", text);
  DiagnosticEngine diags(sources);
  std::string out;
  for (const parse::Token &t : parse::scan(sources, file, diags).tokens)
    if (t.type != parse::endOfText)
      out += std::to_string(t.type) + ":" + std::to_string(t.begin) + "-" + std::to_string(t.end) + " ";
  clean = !diags.hasErrors();
  return out;
}

std::string byGrammar(const std::string &text) {
  antlr4::ANTLRInputStream input(text);
  TritonLexer lexer(&input);
  lexer.removeErrorListeners();
  std::string out;
  while (true) {
    auto t = lexer.nextToken();
    if (t->getType() == antlr4::Token::EOF) return out;
    if (t->getChannel() == antlr4::Token::DEFAULT_CHANNEL)
      out += std::to_string(t->getType()) + ":" + std::to_string(t->getStartIndex()) + "-" + std::to_string(t->getStopIndex() + 1) + " ";
  }
}

TEST(Scanner, ReadsTheTokensOfTheGrammar) {
  const char *words[] = {"layer", "fn", "let", "return", "for", "in", "if", "then", "else", "assert", "and", "or", "not", "true", "false",
                         "trit", "bool", "int4", "uint4", "int6", "uint6", "int8", "uint8", "int16", "int32", "int64", "float16", "bfloat16",
                         "float32", "tensor", "Tensor", "TernaryTensor", "Weight", "state", "while", "match", "model", "test", "param", "use",
                         "import", "step", "as", "...", "..", ".", "->", "==", "!=", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "@",
                         "(", ")", "[", "]", "{", "}", ",", ":", ";", "|", "?", "name", "_x1", "Int8", "letx", "0", "42", "0x2A", "0b10",
                         "1_000", "3.14", "1e5", "1e-5", "2.5E+3", "\"\"", "\"a b\"", "\"\\\"\\\\\\n\\t\"", "# comment\n", "## doc\n", "\n",
                         "\r\n", "\r", "\t", " "};
  std::mt19937 random(20240229);
  for (const char *word : words) {
    bool clean;
    EXPECT_EQ(byScanner(word, clean), byGrammar(word)) << word;
    EXPECT_TRUE(clean) << word;
  }
  size_t compared = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (unsigned n = random() % 12; n-- > 0;) {
      text += words[random() % std::size(words)];
      if (random() % 3) text += ' ';
    }
    bool clean;
    std::string ours = byScanner(text, clean);
    // Where the scanner has an objection (12ab, .5) the grammar's lexer has none; there is nothing to compare.
    if (!clean) continue;
    ++compared;
    ASSERT_EQ(ours, byGrammar(text)) << text;
  }
  EXPECT_GT(compared, 1500u);
}

TEST(Scanner, FloatsAreReadToNearest) {
  double v;
  ASSERT_TRUE(parse::floatValue("0.1", v));
  EXPECT_EQ(v, 0.1);
  ASSERT_TRUE(parse::floatValue("1_0.5", v));
  EXPECT_EQ(v, 10.5);
  ASSERT_TRUE(parse::floatValue("1.7976931348623157e308", v));
  EXPECT_EQ(v, 1.7976931348623157e308);
  ASSERT_TRUE(parse::floatValue("4.9e-324", v));
  EXPECT_GT(v, 0);
  EXPECT_TRUE(parse::floatValue("1e-400", v));
  EXPECT_EQ(v, 0);
  EXPECT_TRUE(parse::floatValue("0.0e999999999999999999999", v));
  EXPECT_TRUE(parse::floatValue("1e-99999999999999999999", v));
  EXPECT_FALSE(parse::floatValue("1e309", v));
  EXPECT_FALSE(parse::floatValue("0.5e400", v));
  EXPECT_FALSE(parse::floatValue("1e99999999999999999999", v));
  EXPECT_TRUE(parse::floatValue("0." + std::string(400, '0') + "1e+20", v));
  EXPECT_FALSE(parse::floatValue(std::string(400, '1') + "e-5", v));
}

TEST(Scanner, IntegersOfAllBases) {
  int64_t v;
  ASSERT_TRUE(parse::integerValue("0x7FFF_FFFF_FFFF_FFFF", v));
  EXPECT_EQ(v, INT64_MAX);
  EXPECT_FALSE(parse::integerValue("0x8000000000000000", v));
  EXPECT_FALSE(parse::integerValue("0b1" + std::string(63, '0'), v));
  ASSERT_TRUE(parse::integerValue("0b" + std::string(63, '1'), v));
  EXPECT_EQ(v, INT64_MAX);
}

TEST(Scanner, RangesAreNoNumbers) {
  EXPECT_EQ(exprTree("[i for i in 0..5]"), "Comprehension i\n  Name i\n  Range\n    Int 0\n    Int 5\n");
  EXPECT_EQ(Parsed("let x = 0.5..1").codes(), "113@1");
  EXPECT_EQ(Parsed("let x = xs.5").codes(), "104@1");
}

TEST(Scanner, LookAlikesAreReadAsWhatTheyLookLike) {
  // One message each, and the rest of the program is read as if it were right.
  auto tree = [](const std::string &text) {
    Parsed p(text);
    EXPECT_EQ(p.diags.errorCount(), 1u) << p.messages();
    return below(p.tree());
  };
  EXPECT_EQ(tree("let x = a \xE2\x88\x92 b"), "Let x\n  Binary\n    Name a\n    -\n      Name b\n");
  EXPECT_EQ(tree("let\xC2\xA0x = a"), "Let x\n  Name a\n");
  EXPECT_EQ(tree("let x = a \xE2\x89\xA4 b"), "Let x\n  Binary\n    Name a\n    <=\n      Name b\n");
  EXPECT_EQ(tree("l\xD0\xB5t x = a"), "Let x\n  Name a\n");
  EXPECT_EQ(tree("let x = \xD0\xB0\xD0\xB5"), "Let x\n  Name ae\n");
  EXPECT_EQ(tree("let x = \xEF\xBC\x88" "a)"), "Let x\n  Name a\n") << "a full-width parenthesis";
  EXPECT_EQ(tree("let x = \xE2\x80\x9C" "text\xE2\x80\x9D"), "Let x\n  Error\n");
}

TEST(Scanner, TheHintNamesTheAsciiForm) {
  EXPECT_NE(Parsed("let x = a \xE2\x88\x92 b").messages().find("help: this is a minus sign; write '-'"), std::string::npos);
  EXPECT_NE(Parsed("let\xC2\xA0x = a").messages().find("write a plain space"), std::string::npos);
  EXPECT_NE(Parsed("let x = \xE2\x80\x9Ct\xE2\x80\x9D").messages().find("write '\"'"), std::string::npos);
  EXPECT_NE(Parsed("let x = \xEF\xBC\xBB" "1]").messages().find("write '['"), std::string::npos);
}

} // namespace

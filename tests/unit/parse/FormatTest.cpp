// The formatter: what it makes, that doing it twice changes nothing, and that the tree stays.
#include "ParseTestSupport.h"

#include "triton/Parse/Format.h"

#include <filesystem>
#include <fstream>
#include <random>

using namespace triton;
using namespace triton::test;

namespace {

std::string format(const std::string &text) {
  SourceManager sources;
  FileId file = sources.addFile("t.tri", text);
  DiagnosticEngine diags(sources);
  auto out = formatSource(sources, file, diags);
  std::ostringstream messages;
  diags.print(messages);
  EXPECT_TRUE(out) << messages.str() << text;
  return out.value_or("");
}

/// Formats and checks the two promises.
std::string checked(const std::string &text) {
  std::string once = format(text);
  EXPECT_EQ(format(once), once) << text;
  EXPECT_EQ(treeOf(once), treeOf(text)) << once;
  return once;
}

TEST(Format, SpacesAndLines) {
  EXPECT_EQ(checked("let  x=a+b*-c ;let y:Tensor[N,4]=f ( x , k = 1 )[ 0 ] . m"),
            "let x = a + b * -c\nlet y: Tensor[N, 4] = f(x, k=1)[0].m\n");
  EXPECT_EQ(checked("fn f(a:int,b:int=2)->int{return a}"), "fn f(a: int, b: int = 2) -> int { return a }\n");
  EXPECT_EQ(checked("for i in 0 .. n step 2{x=i}"), "for i in 0..n step 2 { x = i }\n");
  EXPECT_EQ(checked("let t:tensor < trit , [ 2,2 ] > =TernaryTensor [2,2] ( 1,0,- 1,1 )"),
            "let t: tensor<trit, [2, 2]> = TernaryTensor[2, 2](1, 0, -1, 1)\n");
  EXPECT_EQ(checked("let x = not (a<b) and (c) or if(d)then[e]else(f)"),
            "let x = not (a < b) and (c) or if (d) then [e] else (f)\n");
  EXPECT_EQ(checked("layer L{}"), "layer L { }\n");
  EXPECT_EQ(checked("let x: Tensor[..., ?, uint8 | float32]"), "let x: Tensor[..., ?, uint8|float32]\n");
}

TEST(Format, BlocksAndBlankLines) {
  EXPECT_EQ(checked("\n\n\nlayer L {\n\n\n  let a = 1; let b = 2\n\n\n\n  let c = 3\n\n}\n\n\nlet d = 4\n\n"),
            "layer L {\n    let a = 1\n    let b = 2\n\n    let c = 3\n}\n\nlet d = 4\n");
  EXPECT_EQ(checked("if a {\nx=1 }\nelse if b { }\nelse {\nx=2}"), "if a {\n    x = 1\n} else if b { } else {\n    x = 2\n}\n");
}

TEST(Format, CommentsStay) {
  EXPECT_EQ(checked("#a\nlet x = 1# b \n   # c\n\n\n## doc\nlayer L { # d\n# e\nlet y = [ 1, # f\n 2 ]\n# g\n}\n#h"),
            "#a\nlet x = 1  # b\n# c\n\n## doc\nlayer L {  # d\n    # e\n    let y = [1,  # f\n        2]\n    # g\n}\n#h\n");
}

TEST(Format, AttributesStandOnTheirLines) {
  EXPECT_EQ(checked("@a @b(1,k=2) layer L { @c let x = p @ q; @d let y = z }"),
            "@a\n@b(1, k=2)\nlayer L {\n    @c\n    let x = p @ q\n    @d\n    let y = z\n}\n");
}

TEST(Format, LineBreaksOfTheWriterStay) {
  EXPECT_EQ(checked("let x = f(a,\n b,\n  c\n)\nlet y = a +\nb\n"),
            "let x = f(a,\n    b,\n    c\n)\nlet y = a +\n    b\n");
}

TEST(Format, LineEndsAndByteOrderMark) { EXPECT_EQ(checked("\xEF\xBB\xBFlet a = 1\r\n\r\n\r\nlet b = 2\r"), "let a = 1\n\nlet b = 2\n"); }

TEST(Format, LiteralsStayAsWritten) {
  EXPECT_EQ(checked("let x = [0x2A, 1_000, 2.50e+3, \"a\\tb\"]"), "let x = [0x2A, 1_000, 2.50e+3, \"a\\tb\"]\n");
  checked("let x = 5 .a");
}

TEST(Format, NothingForAProgramWithErrors) {
  SourceManager sources;
  FileId file = sources.addFile("t.tri", "let = 1");
  DiagnosticEngine diags(sources);
  EXPECT_FALSE(formatSource(sources, file, diags));
  EXPECT_EQ(diags.errorCount(), 1u);
}

/// Every program of the tree that parses.
TEST(Format, AllProgramsOfTheTree) {
  size_t count = 0;
  std::filesystem::path root = TRITON_SOURCE_DIR;
  for (const char *part : {"examples", "model_zoo", "tests", "compiler", "benchmarks"})
    for (const auto &entry : std::filesystem::recursive_directory_iterator(root / part)) {
      if (entry.path().extension() != ".tri") continue;
      std::ifstream in(entry.path(), std::ios::binary);
      std::ostringstream text;
      text << in.rdbuf();
      if (Parsed(text.str()).program->hadErrors) continue;
      SCOPED_TRACE(entry.path().filename());
      checked(text.str());
      ++count;
    }
  EXPECT_GT(count, 0u);
}

/// Random white space between the tokens of a program changes neither the tree nor what the formatter promises.
TEST(Format, AnyLayoutOfAProgram) {
  const char *tokens[] = {"@ternary", "(", "scale", "=", "per_channel", ")", "model", "M", "(", "x", ":", "Tensor", "[", "N", ",", "4", "]", ")",
                          "->", "(", "y", ":", "Tensor", ")", "{", "let", "f", "=", "[", "g", "(", "i", ",", "k", "=", "-", "1", ")", "for", "i",
                          "in", "0", "..", "2", "]", "if", "not", "a", "{", "x", "=", "f", "[", "0", "]", "(", "x", ")", "}", "else", "{", "}",
                          "let", "t", ":", "tensor", "<", "trit", ",", "[", "2", "]", ">", "=", "...", "return", "x", "@", "w", "}"};
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string text;
    for (const char *t : tokens) {
      text += t;
      switch (random() % 8) {
      case 0: text += t == std::string("w") || t == std::string("x") ? " " : "\n"; break;
      case 1: text += t == std::string("w") || t == std::string("x") ? " " : "  # c\n"; break;
      default: text += " "; break;
      }
    }
    checked(text);
  }
}

} // namespace

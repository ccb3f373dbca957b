// Collecting, ordering and rendering diagnostics.
#include "triton/Support/Diagnostics.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

using namespace triton;

namespace {

struct Fixture : testing::Test {
  SourceManager sources;
  DiagnosticEngine diags{sources};

  FileId file(std::string text) { return sources.addFile("net.tri", std::move(text)); }
  /// The range of the n-th `what` in a file.
  SourceRange at(FileId id, std::string_view what, unsigned nth = 0) {
    size_t p = sources.text(id).find(what);
    while (nth--) p = sources.text(id).find(what, p + 1);
    return {id, static_cast<uint32_t>(p), static_cast<uint32_t>(p + what.size())};
  }
  std::string printed(unsigned maxErrors = 20, bool colour = false) {
    std::ostringstream out;
    diags.print(out, maxErrors, colour);
    return out.str();
  }
  std::string json() {
    std::ostringstream out;
    diags.printJson(out);
    return out.str();
  }
};
using DiagnosticsTest = Fixture;

TEST_F(DiagnosticsTest, RendersTheExampleOfTheLanguagePage) {
  FileId f = file("\n\n    let w\n\n\n\n    let y = h @ w\n");
  diags.report(Diag::InnerDimensionsDiffer, at(f, "@"), {"[N, 128]", "[64, 10]", "128", "64"})
      .underline(at(f, "h @ w"))
      .note(at(f, "w"), "'w' is declared here as TernaryTensor[64, 10]");
  EXPECT_EQ(printed(), "net.tri:7:15: error: matrix product: inner dimensions differ, [N, 128] @ [64, 10] (128 and 64) [TRI0410]\n"
                       "    7 |     let y = h @ w\n"
                       "      |             ~~^~~\n"
                       "net.tri:3:9: note: 'w' is declared here as TernaryTensor[64, 10]\n");
}

TEST_F(DiagnosticsTest, SeparateUnderlinesAndHelp) {
  FileId f = file("    return linear(x, w)\n");
  diags.report(Diag::ShapeMismatch, at(f, "linear"), {"linear", "[N, 512]", "[512, 10]", "axis 1: 512 and 10"})
      .underline(at(f, "x"))
      .underline(at(f, "w"))
      .help("declare it as Weight[10, 512]");
  EXPECT_EQ(printed(), "net.tri:1:12: error: 'linear': shape mismatch, [N, 512] and [512, 10] (axis 1: 512 and 10) [TRI0401]\n"
                       "    1 |     return linear(x, w)\n"
                       "      |            ^~~~~~ ~  ~\n"
                       "help: declare it as Weight[10, 512]\n");
}

TEST_F(DiagnosticsTest, TabsAndWideCharactersKeepTheColumns) {
  FileId f = file("\tlet a = \"\xC3\xA9\" + b # x\n");
  diags.report(Diag::UndefinedName, at(f, "b"), {"b"});
  EXPECT_EQ(printed(), "net.tri:1:16: error: undefined name 'b' [TRI0201]\n"
                       "    1 |  let a = \"\xC3\xA9\" + b # x\n"
                       "      |                ^\n");
}

TEST_F(DiagnosticsTest, ARangeOfSeveralLinesIsMarkedOnItsFirst) {
  FileId f = file("let a = f(\n  1)\n");
  diags.report(Diag::NotCallable, at(f, "f(\n  1)"), {"f"});
  EXPECT_EQ(printed(), "net.tri:1:9: error: 'f' cannot be called [TRI0308]\n"
                       "    1 | let a = f(\n"
                       "      |         ^~\n");
}

TEST_F(DiagnosticsTest, TheEndOfTheFileHasACaret) {
  FileId f = file("let a =");
  diags.report(Diag::Expected, {f, 7, 7}, {"an expression", "the end of the file"});
  EXPECT_EQ(printed(), "net.tri:1:8: error: expected an expression, found the end of the file [TRI0111]\n"
                       "    1 | let a =\n"
                       "      |        ^\n");
}

TEST_F(DiagnosticsTest, AnEmptyFileHasACaret) {
  FileId f = file("");
  diags.report(Diag::Expected, {f, 0, 0}, {"a", "b"});
  EXPECT_EQ(printed(), "net.tri:1:1: error: expected a, found b [TRI0111]\n    1 | \n      | ^\n");
}

TEST_F(DiagnosticsTest, LongLinesAreShownAsAWindow) {
  FileId f = file(std::string(5000, 'a') + "$" + std::string(5000, 'b'));
  diags.report(Diag::IllegalCharacter, at(f, "$"), {"$", "0024"});
  std::string text = printed();
  EXPECT_LT(text.size(), 500u);
  std::istringstream lines(text);
  std::string head, source, marks;
  std::getline(lines, head);
  std::getline(lines, source);
  std::getline(lines, marks);
  EXPECT_EQ(head, "net.tri:1:5001: error: illegal character '$' (U+0024) [TRI0101]");
  EXPECT_EQ(source.find('$'), marks.find('^'));
}

TEST_F(DiagnosticsTest, ControlCharactersAndBrokenTextNeverReachTheTerminal) {
  FileId f = file("let \x1b[31m = \xff\xfe 1\n");
  diags.report(Diag::UndefinedName, at(f, "="), {std::string("a\x1b[2J\nb")});
  std::string text = printed();
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\xff'), std::string::npos);
  EXPECT_NE(text.find("undefined name 'a\\u{001B}[2J\\u{000A}b'"), std::string::npos) << text;
}

TEST_F(DiagnosticsTest, ALongNameIsCutInTheMessage) {
  FileId f = file("x");
  diags.report(Diag::UndefinedName, {f, 0, 1}, {std::string(100000, 'n')});
  EXPECT_LT(printed().size(), 400u);
}

TEST_F(DiagnosticsTest, NotesOfSeveralLinesAreIndented) {
  FileId f = file("x");
  diags.report(Diag::UndefinedName, {f, 0, 1}, {"x"}).note({}, "one\ntwo");
  EXPECT_NE(printed().find("note: one\n    two\n"), std::string::npos) << printed();
}

TEST_F(DiagnosticsTest, ColourOnlyWhenAsked) {
  FileId f = file("x");
  diags.report(Diag::UndefinedName, {f, 0, 1}, {"x"});
  EXPECT_EQ(printed().find('\033'), std::string::npos);
  std::string coloured = printed(20, true);
  EXPECT_NE(coloured.find("\033[1;31merror:\033[0m"), std::string::npos);
  // Without the colours it is the same text.
  std::string stripped;
  for (size_t i = 0; i < coloured.size(); ++i) {
    if (coloured[i] == '\033') i = coloured.find('m', i);
    else stripped += coloured[i];
  }
  EXPECT_EQ(stripped, printed());
}

TEST_F(DiagnosticsTest, SortedByPlaceAndKeptOnce) {
  FileId f = file("abcdef");
  diags.report(Diag::UndefinedName, {f, 3, 4}, {"d"});
  diags.report(Diag::UndefinedName, {f, 1, 2}, {"b"});
  diags.report(Diag::UndefinedName, {f, 3, 6}, {"again"});
  diags.report(Diag::UnusedLocal, {f, 0, 1}, {"a"});
  auto sorted = diags.sorted();
  ASSERT_EQ(sorted.size(), 3u);
  EXPECT_EQ(sorted[0].code, Diag::UnusedLocal);
  EXPECT_EQ(sorted[1].arguments, std::vector<std::string>{"b"});
  EXPECT_EQ(sorted[2].arguments, std::vector<std::string>{"d"});
  EXPECT_EQ(diags.errorCount(), 2u);
  EXPECT_EQ(diags.warningCount(), 1u);
}

TEST_F(DiagnosticsTest, WarningsAsErrors) {
  FileId f = file("a");
  diags.setWarningsAsErrors(true);
  diags.report(Diag::UnusedLocal, {f, 0, 1}, {"a"});
  EXPECT_TRUE(diags.hasErrors());
  EXPECT_NE(printed().find("error: unused local 'a' [TRI0902]"), std::string::npos);
}

TEST_F(DiagnosticsTest, StopsAfterTheLimitOfErrors) {
  FileId f = file(std::string(100, 'a'));
  for (uint32_t i = 0; i < 30; ++i) diags.report(Diag::UndefinedName, {f, i, i + 1}, {"a"});
  diags.report(Diag::UnusedLocal, {f, 0, 1}, {"early"});
  diags.report(Diag::UnusedLocal, {f, 50, 51}, {"late"});
  std::string text = printed(20);
  size_t count = 0;
  for (size_t p = text.find("error: "); p != std::string::npos; p = text.find("error: ", p + 1)) ++count;
  EXPECT_EQ(count, 20u);
  EXPECT_NE(text.find("early"), std::string::npos);
  EXPECT_EQ(text.find("late"), std::string::npos);
  EXPECT_TRUE(text.ends_with("10 more errors are not shown (--max-errors=20)\n")) << text;
}

TEST_F(DiagnosticsTest, TentativelyKeepsNothing) {
  FileId f = file("ab");
  diags.report(Diag::UndefinedName, {f, 0, 1}, {"a"});
  // The same error again: it is one already known, yet the trial failed.
  EXPECT_TRUE(diags.tentatively([&] { diags.report(Diag::UndefinedName, {f, 0, 1}, {"a"}); }));
  EXPECT_FALSE(diags.tentatively([&] { diags.report(Diag::UnusedLocal, {f, 0, 1}, {"a"}); }));
  EXPECT_EQ(diags.sorted().size(), 1u);
  EXPECT_EQ(diags.errorCount(), 1u);
  EXPECT_EQ(diags.warningCount(), 0u);
}

TEST_F(DiagnosticsTest, JsonIsOneObjectALine) {
  FileId f = file("let a = b\n");
  diags.report(Diag::UndefinedName, at(f, "b"), {"b"})
      .note(at(f, "a"), "say \"hi\"\n")
      .help("did you mean 'a'?")
      .fixit(at(f, "b"), "a");
  EXPECT_EQ(json(), "{\"file\":\"net.tri\",\"line\":1,\"column\":9,\"severity\":\"error\",\"code\":\"TRI0201\",\"message\":\"undefined "
                    "name 'b'\",\"arguments\":[\"b\"],\"notes\":[{\"file\":\"net.tri\",\"line\":1,\"column\":5,\"message\":\"say "
                    "\\\"hi\\\"\\n\"}],\"help\":\"did you mean 'a'?\",\"fixits\":[{\"file\":\"net.tri\",\"line\":1,\"column\":9,"
                    "\"endLine\":1,\"endColumn\":10,\"begin\":8,\"end\":9,\"text\":\"a\"}]}\n");
}

TEST_F(DiagnosticsTest, JsonOfBrokenTextIsStillJson) {
  FileId f = file("x");
  diags.report(Diag::IllegalCharacter, {f, 0, 1}, {"\xff\x01", "00FF"});
  EXPECT_NE(json().find("\"arguments\":[\"\\ufffd\\u0001\",\"00FF\"]"), std::string::npos) << json();
}

TEST(DiagnosticTable, NumbersAreUniqueAndAscending) {
  unsigned last = 0;
#define TRITON_DIAG(NAME, NUMBER, SEVERITY, TEXT)                                                                       \
  EXPECT_GT(NUMBER##u, last) << #NAME;                                                                                  \
  last = NUMBER;                                                                                                        \
  EXPECT_EQ(diagInfo(Diag::NAME).number, NUMBER);                                                                       \
  EXPECT_EQ(diagInfo(Diag::NAME).severity == Severity::Warning, NUMBER >= 900);
#include "triton/Support/Diagnostics.def"
}

TEST(NearestName, FindsWhatWasLikelyMeant) {
  std::vector<std::string> names = {"relu", "relu6", "linear", "conv2d", "Conv2d", "x", "y", "flatten", "batch_norm"};
  EXPECT_EQ(nearestName("rleu", names), "relu");
  EXPECT_EQ(nearestName("Relu", names), "relu");
  EXPECT_EQ(nearestName("linaer", names), "linear");
  EXPECT_EQ(nearestName("conv2D", names), "conv2d");
  EXPECT_EQ(nearestName("batchnorm", names), "batch_norm");
  EXPECT_EQ(nearestName("flaten", names), "flatten");
}

TEST(NearestName, IsSilentWhenNothingIsNear) {
  std::vector<std::string> names = {"relu", "x", "y", "attention"};
  EXPECT_EQ(nearestName("softmax", names), "");
  EXPECT_EQ(nearestName("z", names), "");
  EXPECT_EQ(nearestName("", names), "");
  EXPECT_EQ(nearestName(std::string(100000, 'a'), names), "");
}

TEST(NearestName, TiesGoToTheFirstInOrder) {
  EXPECT_EQ(nearestName("conv", {"conw", "conb"}), "conb");
  EXPECT_EQ(nearestName("conv", {"conb", "conw"}), "conb");
}

} // namespace

// What the compiler says about each program of this folder, rendered, against the .expected file beside it.
#include "triton/Parse/Parser.h"
#include "triton/Support/Diagnostics.h"
#if TRITON_HAVE_SEMA
#include "triton/Sema/Sema.h"
#endif

#include "TestName.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

using namespace triton;

namespace {

const char *const programs[] = {
#include "programs.inc"
};

/// As `triton check FILE` run in this folder; imports are looked for here.
const std::filesystem::path folder = TRITON_DIAGNOSTICS_DIR;

std::string readFile(const std::filesystem::path &path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// A program with what was found in it.
struct Checked {
  SourceManager sources;
  FileId file;
  DiagnosticEngine diags{sources};

  Checked(const std::string &name, std::string text) : file(sources.addFile(name, std::move(text))) {
    std::filesystem::current_path(folder);
    auto program = parseFile(sources, file, diags);
#if TRITON_HAVE_SEMA
    if (!program->hadErrors) analyse(*program, sources, diags, {});
#endif
  }
  std::string rendered() const {
    std::ostringstream out;
    diags.print(out);
    return out.str();
  }
};

/// The code that a file is about: its name begins with it.
std::string codeOf(const std::string &name) { return name.substr(0, 7); }

/// Programs about codes of later stages wait until those are there.
bool canBeChecked(const std::string &name) { return TRITON_HAVE_SEMA || name.starts_with("TRI01"); }

class Program : public testing::TestWithParam<const char *> {};

TEST_P(Program, SaysWhatIsExpected) {
  std::string name = GetParam();
  if (!canBeChecked(name)) GTEST_SKIP() << "needs semantic analysis";
  Checked checked(name, readFile(folder / name));
  std::string rendered = checked.rendered();
  std::filesystem::path expected = (folder / name).replace_extension(".expected");
  if (std::getenv("UPDATE_EXPECTED")) std::ofstream(expected, std::ios::binary) << rendered;
  ASSERT_TRUE(std::filesystem::exists(expected)) << "no " << expected.filename() << "; it would be:\n" << rendered;
  EXPECT_EQ(rendered, readFile(expected));
  if (name.starts_with("TRI")) {
    EXPECT_NE(rendered.find("[" + codeOf(name) + "]"), std::string::npos) << "the file is named for another code";
  }
}

/// A fix-it is a promise: with the edit the message is gone.
TEST_P(Program, FixItsFix) {
  std::string name = GetParam();
  if (!canBeChecked(name)) GTEST_SKIP() << "needs semantic analysis";
  std::string text = readFile(folder / name);
  Checked before(name, text);
  for (const Diagnostic &d : before.diags.sorted()) {
    if (d.fixits.empty() || d.range.file != before.file) continue;
    std::vector<FixIt> edits = d.fixits;
    std::sort(edits.begin(), edits.end(), [](const FixIt &a, const FixIt &b) { return a.range.begin > b.range.begin; });
    std::string fixed = text;
    bool here = true;
    for (const FixIt &edit : edits) {
      here = here && edit.range.file == before.file;
      if (here) fixed.replace(edit.range.begin, edit.range.end - edit.range.begin, edit.text);
    }
    if (!here) continue;
    Checked after(name, fixed);
    auto count = [&](const Checked &c) {
      size_t n = 0;
      for (const Diagnostic &other : c.diags.sorted()) n += other.code == d.code;
      return n;
    };
    EXPECT_LT(count(after), count(before)) << "still there after the fix: " << d.message;
  }
}

INSTANTIATE_TEST_SUITE_P(Diagnostics, Program, testing::ValuesIn(programs), [](const auto &info) { return triton::test::testName(info.param); });

/// Each row of Diagnostics.def has a program here that shows it.
TEST(Coverage, EveryCodeHasAnExample) {
  std::string all;
  for (const char *name : programs)
    if (canBeChecked(name)) all += readFile((folder / name).replace_extension(".expected"));
  std::string missing;
  auto look = [&](unsigned number, const char *what) {
    if (!TRITON_HAVE_SEMA && number >= 200) return;
    char code[24];
    std::snprintf(code, sizeof code, "[TRI%04u]", number);
    if (all.find(code) == std::string::npos) missing += std::string(code) + " " + what + "\n";
  };
#define TRITON_DIAG(NAME, NUMBER, SEVERITY, TEXT) look(NUMBER, #NAME);
#include "triton/Support/Diagnostics.def"
  EXPECT_EQ(missing, "") << "add tests/diagnostics/TRInnnn-name.tri with its .expected";
}

/// No .expected file is left behind by a program that went away.
TEST(Coverage, EveryExpectationHasAProgram) {
  std::set<std::string> known(std::begin(programs), std::end(programs));
  for (const auto &entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".expected") {
      EXPECT_TRUE(known.count(entry.path().stem().string() + ".tri")) << entry.path().filename();
    }
}

} // namespace

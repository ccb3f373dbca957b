// The cache calls two programs the same when their canonical texts are: so a canonical text must parse to the tree of its program.
#include "ParseTestSupport.h"

#include "triton/Cache/Keys.h"

#include <filesystem>
#include <fstream>

using namespace triton;
using namespace triton::test;

namespace {

void expectSameTree(const std::string &text, const std::string &what) {
  std::string canonical = cache::canonicalSource(text);
  Parsed before(text), after(canonical);
  EXPECT_EQ(before.tree(), after.tree()) << what << "\n" << canonical;
  EXPECT_EQ(before.diags.sorted().size(), after.diags.sorted().size()) << what << "\n" << canonical;
  EXPECT_EQ(cache::canonicalSource(canonical), canonical) << what;
}

} // namespace

TEST(CanonicalSource, ParsesToTheSameTree) {
  std::filesystem::path root = TRITON_SOURCE_DIR;
  size_t files = 0;
  for (const char *part : {"compiler", "examples", "model_zoo", "tests", "benchmarks"})
    for (const auto &entry : std::filesystem::recursive_directory_iterator(root / part)) {
      if (entry.path().extension() != ".tri") continue;
      std::ifstream in(entry.path(), std::ios::binary);
      std::string text((std::istreambuf_iterator<char>(in)), {});
      Parsed parsed(text);
      if (parsed.diags.hasErrors()) continue; // what does not parse never gets into the cache
      expectSameTree(text, entry.path().string());
      ++files;
    }
  EXPECT_GT(files, 50u);
}

TEST(CanonicalSource, CornersParseToTheSameTree) {
  for (const char *text : {"let a = 1e-5 - 2.5e+3\nlet b = 1 - -1\nlet c = 0x1F - 5\n",
                           "let a = [i for i in 0..3]\nlet b = a[0..2]\n",
                           "fn f(x: int) -> int {\n  return\n  x\n}\n",
                           "## about f\n# not about f\n\n## more\nfn f() -> int { return 1 } ## behind\n",
                           "let a = \"tab\\t # \\\" quote\" # comment \"\nlet b = a\n",
                           "let a = 1 # x\n@ternary(scale=per_channel)\n@acts(int8)\nmodel M(x: Tensor[1, 4]) -> (y: Tensor[1, 4]) { return x }\n",
                           "let w = 3 @ 4\n", "let a = if 1 < 2 then 3 else 4\r\nlet b = 2\r\n"})
    expectSameTree(text, text);
}

// Reading of exported graphs and recipes: what is wrong is named, nothing crashes.
#include "Graph.h"
#include "Recipe.h"
#include "TrainerGraphs.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::trainer;

static std::string replaced(std::string text, const std::string &from, const std::string &to) {
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

static std::string graphError(const std::string &text) {
  Result<Graph> g = Graph::parse(text, "g.json");
  return g ? "accepted" : g.error().message;
}

TEST(TrainerGraph, ReadsAnExportedGraph) {
  Result<Graph> g = Graph::parse(tinyGraph(), "g.json");
  ASSERT_TRUE(g) << g.error().message;
  EXPECT_EQ(g->model, "Tiny");
  EXPECT_EQ(g->params[0].shape, (std::vector<int64_t>{8, 1, 3, 3}));
  EXPECT_EQ(g->nodes[0].operands, (std::vector<int>{0, 1, -1}));
  EXPECT_EQ(g->values[0].shape[0].symbol, "N");
  EXPECT_EQ(g->quantizers[1].hi, 255);
  EXPECT_EQ(g->inputs[0].mean[0], 0.5);
}

TEST(TrainerGraph, NamesWhatIsWrong) {
  std::string good = tinyGraph();
  EXPECT_NE(graphError("{").find("g.json:1:"), std::string::npos);
  EXPECT_NE(graphError("[]").find("format"), std::string::npos);
  EXPECT_NE(graphError(replaced(good, "\"version\": 1", "\"version\": 2")).find("version 1"), std::string::npos);
  EXPECT_NE(graphError(replaced(good, "\"results\": [10]", "\"results\": [99]")).find("nodes[2].results"), std::string::npos);
  EXPECT_NE(graphError(replaced(good, "\"operands\": [10]", "\"operands\": [-1]")).find("nodes[3].operands"), std::string::npos);
  EXPECT_NE(graphError(replaced(good, "\"anchor\": 4", "\"anchor\": 5")).find("groups[2].anchor"), std::string::npos);
  EXPECT_NE(graphError(replaced(good, "\"lo\": -127", "\"lo\": 3")).find("quantizers[0]"), std::string::npos);
  EXPECT_NE(graphError(replaced(good, "\"scale\": \"per_channel\"", "\"scale\": \"per_group\"")).find("params[0].group"), std::string::npos);
  EXPECT_NE(graphError(replaced(good, "\"scale\": \"per_channel\"", "\"scale\": \"per_row\"")).find("params[0].scale"), std::string::npos);
  EXPECT_NE(graphError(replaced(good, "\"method\": \"twn\"", "\"method\": \"sign\"")).find("params[0].method"), std::string::npos);
  EXPECT_NE(graphError(replaced(good, "[8, 1, 3, 3]", "[\"N\", 1, 3, 3]")).find("params[0]"), std::string::npos);
  EXPECT_NE(graphError(replaced(good, "\"key\": \"act2.scale\"", "\"key\": null")).find("quantizers[2].key"), std::string::npos);
}

TEST(TrainerGraph, CutTextsAreRefused) {
  std::string good = tinyGraph();
  for (size_t n = 0; n < good.size(); n += 7) EXPECT_NE(graphError(good.substr(0, n)), "accepted") << n;
}

static std::string recipeError(const std::string &text) {
  Result<Recipe> r = Recipe::parse(text, "r.json");
  return r ? "accepted" : r.error().message;
}

TEST(TrainerRecipe, ReadsPhasesAndDefaults) {
  Result<Recipe> r = Recipe::parse(R"({"model": "m", "seed": 7, "augment": {"flip": true, "shift": 2},
    "phases": [{"name": "a", "epochs": 3, "optimizer": "sgd"}, {"name": "b", "quantize": true, "teacher": "a", "distill": 0.5}]})", "r");
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->seed, 7u);
  EXPECT_TRUE(r->flip);
  EXPECT_EQ(r->phases[0].epochs, 3);
  EXPECT_TRUE(r->phases[1].quantize);
  EXPECT_EQ(r->phases[1].optimizer, "adamw");
}

TEST(TrainerRecipe, NamesWhatIsWrong) {
  EXPECT_NE(recipeError("{}").find("recipe.phases"), std::string::npos);
  EXPECT_NE(recipeError(R"({"phases": [{"name": "a"}], "sed": 1})").find("recipe.sed: unknown member"), std::string::npos);
  EXPECT_NE(recipeError(R"({"phases": [{"name": "a", "epochs": 0}]})").find("recipe.phases[0].epochs"), std::string::npos);
  EXPECT_NE(recipeError(R"({"phases": [{"name": "a", "epochs": 2, "stop_after": 3}]})").find("integer from 1 to 2"), std::string::npos);
  EXPECT_NE(recipeError(R"({"phases": [{"epochs": 1}]})").find("needs a name"), std::string::npos);
  EXPECT_NE(recipeError(R"({"phases": [{"name": "a"}, {"name": "a"}]})").find("two phases"), std::string::npos);
  EXPECT_NE(recipeError(R"({"phases": [{"name": "a", "distill": 0.5, "teacher": "b"}]})").find("earlier phase"), std::string::npos);
  EXPECT_NE(recipeError(R"({"phases": [{"name": "a", "optimizer": "adam"}]})").find("adamw"), std::string::npos);
  EXPECT_NE(recipeError(R"({"phases": [{"name": "a", "learning_rate": -1}]})").find("learning_rate"), std::string::npos);
}

// The picture of a training run.
#include "Curves.h"

#include <gtest/gtest.h>

using namespace triton::trainer;

static size_t countOf(const std::string &text, const std::string &part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

static std::string epoch(const std::string &phase, int number, double loss, const std::string &rest = "") {
  return R"({"phase":")" + phase + R"(","epoch":)" + std::to_string(number) + R"(,"epochs":3,"loss":)" + std::to_string(loss) +
         R"(,"train_accuracy":)" + std::to_string(80 + number) + rest + "}\n";
}

TEST(TrainerCurves, DrawsEveryEpochOfEveryPhase) {
  std::string log = epoch("fp32", 1, 2) + epoch("fp32", 2, 1, R"(,"test_accuracy":85.5)") + epoch("ternary", 1, 7) +
                    epoch("ternary", 2, 6) + epoch("ternary", 3, 5, R"(,"test_accuracy":86.5)");
  std::string svg = drawCurves(log, "a net");
  EXPECT_EQ(svg, drawCurves(log, "a net"));
  EXPECT_EQ(svg.rfind("<svg ", 0), 0u);
  EXPECT_EQ(svg.substr(svg.size() - 7), "</svg>\n");
  // One curve for training and one for tests; a curve of losses for each phase, since each has a loss of its own.
  EXPECT_EQ(countOf(svg, "<polyline class=\"training\""), 1u);
  EXPECT_EQ(countOf(svg, "<polyline class=\"scored\""), 1u);
  EXPECT_EQ(countOf(svg, "<polyline class=\"loss\""), 2u);
  EXPECT_EQ(countOf(svg, "class=\"phase\""), 1u);
  EXPECT_NE(svg.find("5 epochs"), std::string::npos);
  EXPECT_NE(svg.find("test accuracy"), std::string::npos);
  size_t at = svg.find("points=\"", svg.find("class=\"training\"")) + 8;
  std::string points = svg.substr(at, svg.find('"', at) - at);
  EXPECT_EQ(countOf(points, ","), 5u);
  EXPECT_EQ(points.rfind("64.0,", 0), 0u) << points;
}

TEST(TrainerCurves, AnEpochThatWasRepeatedCountsOnce) {
  std::string once = epoch("fp32", 1, 2) + epoch("fp32", 2, 1), twice = epoch("fp32", 1, 2) + epoch("fp32", 2, 9) + epoch("fp32", 2, 1);
  EXPECT_EQ(drawCurves(once, "n"), drawCurves(twice, "n"));
}

TEST(TrainerCurves, WhatIsNoEpochIsPassedOver) {
  std::string log = epoch("fp32", 1, 2, R"(,"validation_accuracy":70)") + epoch("fp32", 2, 1);
  EXPECT_EQ(drawCurves("\n[]\n{\"phase\":1}\nhalf a li" + std::string("\n") + log + "{\"phase\":\"fp3", "n"), drawCurves(log, "n"));
  EXPECT_NE(drawCurves(log, "n").find("validation accuracy"), std::string::npos);
  EXPECT_NE(drawCurves("", "n").find("0 epochs"), std::string::npos);
  // One value has no range; huge ones stay finite; names are text.
  for (const std::string &odd : {epoch("fp32", 1, 2), epoch("fp32", 1, 1e30) + epoch("fp32", 2, -1e30), epoch("<b>&", 1, 0)}) {
    std::string svg = drawCurves(odd, "<script>");
    EXPECT_EQ(svg.find("nan"), std::string::npos) << svg;
    EXPECT_EQ(svg.find("inf"), std::string::npos) << svg;
    EXPECT_EQ(svg.find("<b>"), std::string::npos);
    EXPECT_EQ(svg.find("<script>"), std::string::npos);
  }
}

// The report of a profile: sums, shares, who owns weights, and the three forms.
#include "ProfileReport.h"

#include <gtest/gtest.h>

using namespace triton;
using namespace triton::driver;

static ProfileStep step(std::string name, std::string layer, uint64_t macs, double ms) {
  ProfileStep out;
  out.name = std::move(name);
  out.layer = std::move(layer);
  out.macs = macs;
  out.activationBytes = 1000;
  out.ms = spreadOf({ms});
  return out;
}

static Profile example() {
  Profile p;
  p.model = "Net<1>";
  p.variant = "x86-64";
  p.variantFeatures = 1;
  p.input = "pattern";
  p.total = spreadOf({5.0});
  p.steps = {step("quantise", "", 0, 0.5), step("a__conv", "a", 3000000, 1.5), step("a__reduce", "a", 0, 0.5), step("b__conv", "b", 1000000, 2.0)};
  p.choices = {{"a", "direct", "panels", "fits"}, {"b", "\"quoted\" & <b>", "", ""}};
  Peak peak;
  peak.name = "dot";
  peak.unit = "GMAC/s";
  peak.kind = "int8";
  peak.features = 1;
  peak.best = peak.median = peak.worst = 3.0;
  p.peaks = {peak};
  return p;
}

TEST(Profile, StepsAndWhatIsOutsideOfThemAddUpToTheWholeRun) {
  Profile p = example();
  EXPECT_DOUBLE_EQ(p.stepsMs(), 4.5);
  EXPECT_DOUBLE_EQ(p.outsideMs(), 0.5);
  double layers = 0;
  uint64_t macs = 0;
  for (const ProfileLayer &layer : p.layers()) {
    layers += layer.medianMs;
    macs += layer.macs;
  }
  EXPECT_DOUBLE_EQ(layers, p.stepsMs());
  EXPECT_EQ(macs, p.macs());
  EXPECT_EQ(p.macs(), 4000000u);
}

TEST(Profile, StepsOfOneLayerAreOneRowWithItsKernel) {
  std::vector<ProfileLayer> layers = example().layers();
  ASSERT_EQ(layers.size(), 3u);
  EXPECT_EQ(layers[0].name, "quantise");
  EXPECT_EQ(layers[0].algorithm, "");
  EXPECT_EQ(layers[1].name, "a");
  EXPECT_EQ(layers[1].steps, 2u);
  EXPECT_EQ(layers[1].algorithm, "direct");
  EXPECT_EQ(layers[1].bytes, 2000u);
}

TEST(Profile, TheShareIsOfTheCeilingOfTheVariantsInstructions) {
  Profile p = example();
  // 3 M MAC in 2 ms are 1.5 G MAC/s: half of 3.
  ASSERT_TRUE(p.shareOfPeak(3000000, 2.0));
  EXPECT_DOUBLE_EQ(*p.shareOfPeak(3000000, 2.0), 0.5);
  EXPECT_FALSE(p.shareOfPeak(0, 2.0));
  EXPECT_FALSE(p.shareOfPeak(1, 0.0));
  p.variantFeatures = 0; // the loop's instructions are not the variant's
  EXPECT_FALSE(p.shareOfPeak(3000000, 2.0));
  EXPECT_FALSE(p.shareOfMemory(1000, 1.0));
}

TEST(Profile, WeightsBelongToTheLongestLayerNameAndToItsStepWithMacs) {
  std::vector<ProfileStep> steps = {step("q", "", 0, 1), step("x", "layer1", 0, 1), step("y", "layer1", 5, 1), step("z", "layer1.0", 5, 1)};
  assignWeightBytes(steps, {{"layer1.weight", 10}, {"layer1.0.weight", 20}, {"layer1.0.weight.m", 1}, {"layer10.weight", 40}, {"table", 80}});
  EXPECT_EQ(steps[0].weightBytes, 0u);
  EXPECT_EQ(steps[1].weightBytes, 0u);
  EXPECT_EQ(steps[2].weightBytes, 10u);
  EXPECT_EQ(steps[3].weightBytes, 21u);
}

TEST(Profile, JsonHasEveryStepAndLayerAndNullWhereNothingWasMeasured) {
  Profile p = example();
  json::Value whole(profileJson(p));
  EXPECT_EQ(whole.find("steps")->asArray()->size(), 4u);
  EXPECT_EQ(whole.find("layers")->asArray()->size(), 3u);
  EXPECT_EQ(*whole.find("peak")->asString(), "dot");
  const json::Value &glue = whole.find("layers")->asArray()->at(0);
  EXPECT_TRUE(glue.find("share_of_peak")->isNull());
  EXPECT_DOUBLE_EQ(whole.find("layers")->asArray()->at(1).find("share_of_peak")->number(), 0.5);
  p.peaks.clear();
  EXPECT_TRUE(json::Value(profileJson(p)).find("peak")->isNull());
}

TEST(Profile, HtmlIsOneFileWithEverythingEscaped) {
  std::string html = profileHtml(example());
  EXPECT_NE(html.find("Net&lt;1&gt;"), std::string::npos);
  EXPECT_NE(html.find("&quot;quoted&quot; &amp; &lt;b&gt;"), std::string::npos);
  EXPECT_EQ(html.find("<b>\""), std::string::npos);
  for (const char *foreign : {"http://", "https://", "<script", "<link", "@import"}) EXPECT_EQ(html.find(foreign), std::string::npos) << foreign;
}

TEST(Profile, TextNamesTheCeilingAndWhatIsOutside) {
  std::string text = profileText(example());
  for (const char *part : {"Net<1>", "ceiling: 3.0 GMAC/s by dot", "(outside)", "total", "a fixed pattern", "50.0"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

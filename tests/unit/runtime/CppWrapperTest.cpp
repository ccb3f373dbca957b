// The C++ wrapper: the same answers through RAII and results.
#include "TestModel.h"

#include "triton/runtime.hpp"

#include <array>
#include <gtest/gtest.h>

using namespace triton;

TEST(CppWrapper, OpensRunsAndMoves) {
  const std::vector<uint8_t> bytes = test::written(test::denseModel());
  tri::ModelOptions options{};
  options.allow_code = 1;
  auto opened = tri::Model::open(bytes.data(), bytes.size(), options);
  ASSERT_TRUE(opened) << opened.error().message;
  tri::Model model = std::move(*opened);
  EXPECT_STREQ(model.info().name, "dense");
  EXPECT_STREQ(model.entry(0)->name, "forward");
  EXPECT_FALSE(model.entry(1));
  EXPECT_STREQ(model.input(0, 0)->name, "x");
  EXPECT_STREQ(model.output(0, 1)->name, "threads");
  EXPECT_EQ(model.step(0, 3)->macs_per_batch, 32u);
  EXPECT_EQ(model.variant(0)->missing, 0u);
  EXPECT_STREQ(model.label(0, 3), "three");
  EXPECT_EQ(model.findEntry("forward"), 0u);
  EXPECT_FALSE(model.findEntry("other"));

  auto created = tri::Session::create(model);
  ASSERT_TRUE(created) << created.error().message;
  tri::Session session = std::move(*created);
  const std::array<uint8_t, 8> x = {9, 8, 7, 6, 5, 4, 3, 2};
  std::vector<int32_t> scores(4);
  std::array<int32_t, 2> threads{};
  const auto error = session.run({tri::input(x)}, {tri::output(scores), tri::output(threads)});
  ASSERT_FALSE(error) << error->message;
  EXPECT_EQ(scores, test::denseOracle({9, 8, 7, 6, 5, 4, 3, 2}));

  const auto wrong = session.run({tri::input(scores)}, {tri::output(scores), tri::output(threads)});
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->status, TRI_INVALID_ARGUMENT);
}

TEST(CppWrapper, ErrorsAreValues) {
  const auto model = tri::Model::open("/nonexistent.tern");
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().status, TRI_IO_ERROR);
}

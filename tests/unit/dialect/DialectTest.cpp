// Constants in and out of attributes, and builders that work out their result types.
#include "ternary/Constants.h"
#include "ternary/Shapes.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace triton::ternary;

namespace {

struct Dialect : ::testing::Test {
  MLIRContext context{MLIRContext::Threading::DISABLED};
  OpBuilder builder{&context};
  Location loc = UnknownLoc::get(&context);
  OwningOpRef<ModuleOp> module;

  Dialect() {
    context.loadDialect<TernaryDialect>();
    module = ModuleOp::create(loc);
    builder.setInsertionPointToStart(module->getBody());
  }

  RankedTensorType tensor(ArrayRef<int64_t> shape, Type element) { return RankedTensorType::get(shape, element); }
  Value value(RankedTensorType type) {
    return builder.create<ParamOp>(loc, type, "p", WeightsAttr(), 0, false, nullptr);
  }
};

TEST_F(Dialect, SmallValuesAreInlineAndBigOnesResources) {
  for (int64_t count : {1, 2, 64, 65, 1000}) {
    std::vector<int8_t> trits(count);
    std::vector<float> floats(count);
    for (int64_t i = 0; i < count; ++i) {
      trits[i] = static_cast<int8_t>(i % 3 - 1);
      floats[i] = static_cast<float>(i) * 0.5f;
    }
    ConstantOp t = tritConstant(builder, loc, {count}, trits, "w");
    ConstantOp f = floatConstant(builder, loc, {count}, floats);
    EXPECT_EQ(isa<DenseResourceElementsAttr>(t.getValue()), count > kInlineElements);
    EXPECT_EQ(*tritVector(t.getValue()), trits);
    EXPECT_EQ(*floatVector(f.getValue()), floats);
    EXPECT_TRUE(isa<TritType>(cast<RankedTensorType>(t.getType()).getElementType()));
    EXPECT_TRUE(succeeded(t.verify()) && succeeded(f.verify()));
  }
}

TEST_F(Dialect, SplatsAreReadAsAllTheirElements) {
  auto splat = DenseElementsAttr::get(tensor({3}, builder.getF32Type()), 2.5f);
  EXPECT_EQ(*floatVector(splat), (std::vector<float>{2.5f, 2.5f, 2.5f}));
  llvm::SmallVector<char> storage;
  EXPECT_EQ(rawBytes(splat, storage)->size(), 12u);
}

TEST_F(Dialect, ReadersRefuseOtherElementTypes) {
  auto ints = int32Elements(&context, {2}, {1, 2});
  EXPECT_TRUE(failed(floatVector(ints)));
  EXPECT_TRUE(failed(tritVector(ints)));
  EXPECT_EQ(*intVector(ints), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(*intVector(uint8Elements(&context, {2}, {200, 255})), (std::vector<int64_t>{200, 255}));
  EXPECT_EQ(*intVector(int8Elements(&context, {2}, {-7, 7})), (std::vector<int64_t>{-7, 7}));
  EXPECT_TRUE(failed(intVector(floatElements(&context, {1}, {1.0f}))));
}

// A resource in a file may hold any number of bytes, or none.
TEST_F(Dialect, ReadersRefuseResourcesOfAnotherSize) {
  char bytes[8] = {};
  auto attr = DenseResourceElementsAttr::get(tensor({3}, builder.getF32Type()), "short",
                                             HeapAsmResourceBlob::allocateAndCopyWithAlign(ArrayRef<char>(bytes), 8));
  EXPECT_TRUE(failed(floatVector(attr)));
}

TEST_F(Dialect, BuildersInferTheirResult) {
  auto f32 = builder.getF32Type();
  Value image = value(tensor({2, 4, 9, 8}, f32)), filter = value(tensor({6, 2, 3, 3}, f32));
  auto conv = builder.create<Conv2dOp>(loc, image, filter, Value(), ArrayRef<int64_t>{2, 1}, ArrayRef<int64_t>{1, 0},
                                       ArrayRef<int64_t>{1, 2}, 2, IntegerAttr());
  EXPECT_EQ(conv.getType(), tensor({2, 6, 5, 4}, f32));
  Value codes = value(tensor({2, 8}, builder.getI8Type())), matrix = value(tensor({5, 8}, builder.getI8Type()));
  EXPECT_EQ(builder.create<LinearOp>(loc, codes, matrix, Value(), IntegerAttr()).getType(),
            tensor({2, 5}, builder.getI32Type()));
  EXPECT_EQ(builder.create<LinearOp>(loc, codes, matrix, Value(), builder.getI64IntegerAttr(4)).getType(),
            tensor({2, 5, 4}, builder.getI32Type()));
}

TEST(Shapes, Broadcast) {
  const int64_t dynamic = ShapedType::kDynamic;
  EXPECT_EQ(broadcastShapes({4, 1, 3}, {5, 1}), (Sizes{4, 5, 3}));
  EXPECT_EQ(broadcastShapes({dynamic, 3}, {1, 3}), (Sizes{dynamic, 3}));
  EXPECT_EQ(broadcastShapes({dynamic, 3}, {dynamic, 3}), (Sizes{dynamic, 3}));
  EXPECT_EQ(broadcastShapes({}, {}), Sizes{});
  EXPECT_FALSE(broadcastShapes({4}, {3}));
  EXPECT_FALSE(broadcastShapes({dynamic}, {4}));
  EXPECT_FALSE(broadcastShapes({2, 1}, {dynamic})); // a batch on another axis
}

TEST(Shapes, Windows) {
  EXPECT_EQ(windowOutput(7, 3, 2, 0), 3);
  EXPECT_EQ(windowOutput(7, 3, 2, 1), 4);
  EXPECT_EQ(windowOutput(7, 3, 1, 0, 3), 1);
  EXPECT_EQ(windowOutput(7, 3, 1, 0, 4), 0);
  EXPECT_EQ(windowOutput(2, 3, 2, 0), 0); // not 1: a negative span does not round towards zero
}

TEST(Codes, Ranges) {
  EXPECT_EQ(codeLo(CodeKind::I8), -127);
  EXPECT_EQ(codeHi(CodeKind::U8), 255);
  EXPECT_EQ(codeLo(CodeKind::U6), 0);
  EXPECT_EQ(codeHi(CodeKind::I6), 31);
  EXPECT_EQ(codeLo(CodeKind::I4), -7);
  EXPECT_EQ(codeHi(CodeKind::T), 1);
}

} // namespace

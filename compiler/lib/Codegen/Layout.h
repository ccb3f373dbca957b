// Where the elements of a value lie. One struct, decided in one place (Layout.cpp).
#pragma once

#include "triton/Target/TargetDesc.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"

namespace mlir::func {
class FuncOp;
}

namespace triton {

/// How one element is stored. Codes and trits take a byte.
enum class Elem : uint8_t { I8, U8, I16, I32, I64, F16, BF16, F32 };
Elem elemOf(mlir::Type element);
int64_t elemBytes(Elem elem);
inline bool isRealElem(Elem e) { return e == Elem::F16 || e == Elem::BF16 || e == Elem::F32; }

/// The physical layout of a value. Dimension 0 may be dynamic (the batch); strides are in bytes.
struct Layout {
  Elem elem = Elem::F32;
  llvm::SmallVector<int64_t, 5> shape;   ///< ShapedType::kDynamic for the batch
  llvm::SmallVector<int64_t, 5> strides;
  int64_t origin = 0;                    ///< bytes from the buffer's start to element 0 (a halo lies before it)
  int64_t haloH = 0, haloW = 0;          ///< zeros around each image, NHWC only
  bool channelsLast = false;             ///< NHWC in memory
  bool excess = false;                   ///< signed codes stored as code + 128, the halo too (chooseExcess)
  int64_t unitBytes = 0;                 ///< bytes of one batch element, or of the whole value if nothing is dynamic

  bool isDynamic() const { return !shape.empty() && mlir::ShapedType::isDynamic(shape[0]); }
  /// Elements of one batch element, or of the whole value.
  int64_t unitElements() const;
  /// No gaps, row-major in the logical order.
  bool isDense() const;

  static Layout rowMajor(mlir::RankedTensorType type);
  static Layout nhwc(mlir::RankedTensorType type, int64_t haloH, int64_t haloW);
};

/// A reshape whose result is the memory of its operand read in another order: [N, C, H, W] in NHWC as [N, C*H*W] in (h, w, c) order.
/// Only linear layers whose weights are constant can read it.
struct PermutedView {
  mlir::Value source; ///< the NHWC value
};

/// Layouts of all values of a function. At level 0 and 1 everything is row-major; at 2 images of convolutions and pools are NHWC, with
/// a halo as wide as the padding of the convolutions that read them.
struct Layouts {
  llvm::DenseMap<mlir::Value, Layout> of;
  llvm::DenseMap<mlir::Value, PermutedView> permuted;
};
Layouts chooseLayouts(mlir::func::FuncOp function, int optLevel);

/// Marks the signed codes of `layouts` that lie as code + 128 on this target: those that a dot product of unsigned activations reads, and
/// nothing but elementwise loops and products reads or writes. `free` says whether a value's buffer belongs to the program.
void chooseExcess(Layouts &layouts, const TargetDesc &target, llvm::function_ref<bool(mlir::Value)> free);

/// True if the tiled convolution generator takes this operation (codes by constant trits or 8-bit weights, one group).
bool isTiledConv(mlir::Operation *op);
/// The same for linear layers.
bool isTiledLinear(mlir::Operation *op);
/// Depthwise with one output channel a group.
bool isDepthwiseConv(mlir::Operation *op);
/// Several groups, but not depthwise: the tiled generator takes them one by one.
bool isGroupedConv(mlir::Operation *op);
/// A convolution of reals by constant weights.
bool isRealConv(mlir::Operation *op);

} // namespace triton

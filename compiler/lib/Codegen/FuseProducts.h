// The pass ternary-fuse-products as a function (see FuseProducts.cpp).
#pragma once

namespace mlir::func {
class FuncOp;
}

namespace triton {

void fuseProducts(mlir::func::FuncOp function);

} // namespace triton

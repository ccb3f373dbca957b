// Dtypes, shapes and places of the typed module in MLIR's terms. Private to IRGen.
#pragma once

#include "triton/Sema/Graph.h"
#include "triton/Support/Result.h"

#include "ternary/TernaryOps.h"

namespace triton::irgen {

/// int4, int6 and int8 are i8, their unsigned forms ui8.
mlir::Type elementType(mlir::MLIRContext *context, DType dtype);
/// The range that a plain integer of 4 or 6 bits saturates to; nothing for types that fill their storage.
std::optional<IntRange> narrowRange(DType dtype);
/// The kind of codes of a quantiser's dtype, or nothing if it names no codes.
std::optional<ternary::CodeKind> codeKind(DType dtype);
ternary::WeightsAttr weightsAttr(mlir::MLIRContext *context, const WeightPolicy &policy);

/// The one variable that may stay open in a graph: the variable that axis 0 of an input (or else of a value) names.
std::string batchVariable(const Graph &graph);
/// Tensor type of a value. Fails, naming the dimension, unless every size is known but for the batch along axis 0.
Result<mlir::RankedTensorType> tensorType(mlir::MLIRContext *context, const TensorType &type, const std::string &batch,
                                          mlir::Type element);

/// `file:line:column: ` of a place, for error messages; empty without a place.
std::string placeText(SourceRange range, const SourceManager &sources);
/// The file position, named by the path of the instance that runs there.
mlir::Location location(mlir::MLIRContext *context, SourceRange range, const std::string &path,
                        const SourceManager &sources);

/// Elements of a constant: `data` holds one number per element, or one for all.
Result<mlir::ElementsAttr> constantElements(mlir::RankedTensorType type, const std::vector<double> &data);

} // namespace triton::irgen

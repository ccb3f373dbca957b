# The packages that the compiler stands on, and how a target uses MLIR.
find_package(MLIR 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19/lib/cmake/mlir)
find_package(LLD REQUIRED CONFIG HINTS /usr/lib/llvm-19/lib/cmake/lld)
find_package(antlr4-runtime REQUIRED CONFIG)
find_package(fmt REQUIRED CONFIG)
find_package(FlatBuffers REQUIRED CONFIG)
find_package(Threads REQUIRED)

list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include(StaticLlvm)

# Precompiled MLIR headers, shared by every MLIR target of the build (see TRITON_PCH).
if(TRITON_PCH)
  # Programs are compiled like libraries, or the precompiled header would not fit them.
  set(CMAKE_CXX_COMPILE_OPTIONS_PIE -fPIC)
  file(WRITE ${CMAKE_BINARY_DIR}/mlir_pch.cpp "// Compiles the shared precompiled header.\n")
  add_library(triton_mlir_pch STATIC ${CMAKE_BINARY_DIR}/mlir_pch.cpp)
  target_include_directories(triton_mlir_pch SYSTEM PRIVATE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_link_libraries(triton_mlir_pch PRIVATE triton_flags)
  target_precompile_headers(triton_mlir_pch PRIVATE
    <mlir/IR/BuiltinOps.h> <mlir/IR/PatternMatch.h> <mlir/IR/OpImplementation.h> <mlir/Pass/Pass.h>
    <mlir/Transforms/GreedyPatternRewriteDriver.h> <mlir/Dialect/Func/IR/FuncOps.h> <mlir/Dialect/Arith/IR/Arith.h>)
endif()

# triton_use_mlir(TARGET): MLIR headers as system headers, and LLVM and MLIR at link time.
function(triton_use_mlir name)
  target_include_directories(${name} SYSTEM PUBLIC ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
  target_link_libraries(${name} PUBLIC triton_llvm)
  if(TRITON_PCH)
    target_precompile_headers(${name} REUSE_FROM triton_mlir_pch)
  endif()
endfunction()

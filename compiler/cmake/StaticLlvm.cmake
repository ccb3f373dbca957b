# How targets get LLVM and MLIR: as libMLIR.so and libLLVM.so, or, for programs with the property TRITON_STATIC_LLVM, from the static
# archives. Loading the shared libraries costs a process about 30 ms, a static program about 3; tests and tools link in a moment instead.
#
# Debian's archives of MLIR and LLD name libLLVM.so as what they need. Here they are told to take what the program takes: one process
# must not hold both.
set(static "$<BOOL:$<TARGET_PROPERTY:TRITON_STATIC_LLVM>>")
foreach(library IN LISTS MLIR_EXPORTED_TARGETS LLD_EXPORTED_TARGETS)
  if(NOT TARGET ${library})
    continue()
  endif()
  get_target_property(type ${library} TYPE)
  get_target_property(needs ${library} INTERFACE_LINK_LIBRARIES)
  if(type STREQUAL "STATIC_LIBRARY" AND needs)
    list(TRANSFORM needs REPLACE "^LLVM$" "$<$<NOT:${static}>:LLVM>")
    list(TRANSFORM needs REPLACE "^zstd::libzstd_shared$" "zstd")
    set_target_properties(${library} PROPERTIES INTERFACE_LINK_LIBRARIES "${needs}")
  endif()
endforeach()
if(TARGET LLVMExtensions) # names Polly's archive, which Debian does not package here
  set_target_properties(LLVMExtensions PROPERTIES INTERFACE_LINK_LIBRARIES LLVMSupport)
endif()

llvm_map_components_to_libnames(archives Core Support TargetParser Passes Target MC LTO Option
                                X86CodeGen X86Desc X86Info X86AsmParser AArch64CodeGen AArch64Desc AArch64Info AArch64AsmParser)
set(archives
  MLIRIR MLIRPass MLIRParser MLIRTransforms MLIRFuncDialect MLIRArithDialect MLIRSCFDialect MLIRLLVMDialect MLIRInferTypeOpInterface
  MLIRSideEffectInterfaces MLIRFunctionInterfaces MLIRSCFToControlFlow MLIRControlFlowToLLVM MLIRArithToLLVM MLIRFuncToLLVM
  MLIRReconcileUnrealizedCasts MLIRTargetLLVMIRExport MLIRLLVMToLLVMIRTranslation MLIRBuiltinToLLVMIRTranslation ${archives})
add_library(triton_llvm INTERFACE)
target_link_libraries(triton_llvm INTERFACE "$<IF:${static},${archives},MLIR;LLVM>")

# triton_static_llvm(PROGRAM): links the archives into a program, unless the build is to link quickly (TRITON_LINK_DYLIB).
function(triton_static_llvm name)
  if(TRITON_LINK_DYLIB)
    return()
  endif()
  set_target_properties(${name} PROPERTIES TRITON_STATIC_LLVM ON)
  # What LLD's link-time optimiser knows of and we do not link: the other targets' backends.
  target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/compiler/cmake/UnusedBackends.cpp)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/compiler/cmake/UnusedBackends.cpp
                              PROPERTIES INCLUDE_DIRECTORIES "${LLVM_INCLUDE_DIRS}")
  # Without position independence there is nothing to relocate at each start. The C++ runtime stays shared: ANTLR's library throws.
  target_link_options(${name} PRIVATE -no-pie -Wl,--gc-sections)
  find_program(TRITON_LLD NAMES ld.lld-19 ld.lld HINTS ${LLVM_TOOLS_BINARY_DIR})
  if(TRITON_LLD) # a second instead of half a minute
    target_link_options(${name} PRIVATE -fuse-ld=lld -B${CMAKE_BINARY_DIR}/lld)
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/lld)
    file(CREATE_LINK ${TRITON_LLD} ${CMAKE_BINARY_DIR}/lld/ld.lld SYMBOLIC)
  endif()
endfunction()

// LLD can optimise bitcode for any target of LLVM, and so names all their backends. This program gives it object files for x86-64
// and AArch64 only; the others, which it never calls, are empty here instead of 60 MB of code.
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Passes/PassPlugin.h"

llvm::PassPluginLibraryInfo getPollyPluginInfo() {
  return {LLVM_PLUGIN_API_VERSION, "none", "", [](llvm::PassBuilder &) {}};
}

#define EMPTY_BACKEND(name)                                                                                                                 \
  extern "C" void LLVMInitialize##name##Target() {}                                                                                        \
  extern "C" void LLVMInitialize##name##TargetInfo() {}                                                                                    \
  extern "C" void LLVMInitialize##name##TargetMC() {}                                                                                      \
  extern "C" void LLVMInitialize##name##AsmPrinter() {}                                                                                    \
  extern "C" void LLVMInitialize##name##AsmParser() {}

EMPTY_BACKEND(AMDGPU)
EMPTY_BACKEND(ARM)
EMPTY_BACKEND(AVR)
EMPTY_BACKEND(BPF)
EMPTY_BACKEND(Hexagon)
EMPTY_BACKEND(Lanai)
EMPTY_BACKEND(LoongArch)
EMPTY_BACKEND(M68k)
EMPTY_BACKEND(MSP430)
EMPTY_BACKEND(Mips)
EMPTY_BACKEND(NVPTX)
EMPTY_BACKEND(PowerPC)
EMPTY_BACKEND(RISCV)
EMPTY_BACKEND(Sparc)
EMPTY_BACKEND(SystemZ)
EMPTY_BACKEND(VE)
EMPTY_BACKEND(WebAssembly)
EMPTY_BACKEND(XCore)
EMPTY_BACKEND(Xtensa)

#!/usr/bin/env python3
"""Checks that every part includes only what it may depend on, and that no machine path stands in the tree.

The table below is the architecture: one row a folder (the longest matching prefix wins), with the include prefixes that its files
may use. System headers (`<...>`) are checked only for the foreign libraries named in FOREIGN.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

FOREIGN = ("llvm", "mlir", "antlr4", "lld", "torch", "flatbuffers", "fmt", "gtest", "clang", "curl", "hiredis", "jpeglib", "png")

# folder: (project include prefixes, foreign libraries)
LAYERS = {
    "runtime": (("triton/runtime", "triton_generated", "artifact", "src", ""), ("flatbuffers",)),
    "dialect": (("ternary",), ("mlir", "llvm")),
    "compiler/lib/Support": (("triton/Support",), ("fmt",)),
    "compiler/lib/Tensor": (("triton/Support", "triton/Tensor"), ("fmt",)),
    "compiler/lib/AST": (("triton/Support", "triton/AST"), ("fmt",)),
    "compiler/lib/Parse": (("triton/Support", "triton/AST", "triton/Parse", "Triton"), ("antlr4", "fmt")),
    "compiler/lib/Sema": (("triton/Support", "triton/AST", "triton/Parse", "triton/Sema"), ("fmt",)),
    "compiler/lib/Export": (("triton/Support", "triton/Sema", "triton/Export"), ()),
    "compiler/lib/IRGen": (("triton/Support", "triton/Sema", "triton/IRGen", "ternary"), ("mlir", "llvm", "fmt")),
    "compiler/lib/Weights": (("triton/Support", "triton/Sema", "triton/Tensor", "triton/Weights", "artifact"), ("fmt",)),
    "compiler/lib/Oracle": (("triton/Support", "triton/Tensor", "triton/Oracle", "triton/Sema", "triton/IRGen", "ternary"), ("mlir", "llvm", "fmt")),
    "compiler/lib/Passes": (("triton/Support", "triton/Tensor", "triton/Weights", "triton/Oracle", "triton/Passes", "triton/Target", "ternary"),
                            ("mlir", "llvm", "fmt")),
    "compiler/lib/Target": (("triton/Support", "triton/Target", "ternary", "artifact"), ("mlir", "llvm", "fmt")),
    "compiler/lib/Generators": (("triton/Support", "triton/Target", "triton/Generators", "triton/Codegen", "ternary", "artifact"),
                                ("mlir", "llvm", "fmt")),
    "compiler/lib/Codegen": (("triton/Support", "triton/Target", "triton/Generators", "triton/Codegen", "triton/Passes", "ternary",
                              "artifact"), ("mlir", "llvm", "lld", "fmt")),
    "compiler/lib/Tune": (("triton/Support", "triton/Target", "triton/Codegen/Codegen", "triton/Codegen/CompiledModel", "triton/Artifact", "triton/Cache",
                           "triton/Tune", "triton/runtime", "artifact"), ()),
    "compiler/lib/Artifact": (("triton/Support", "triton/Codegen/CompiledModel", "triton/Artifact", "artifact"), ("flatbuffers", "fmt")),
    "compiler/lib/Net": (("triton/Net",), ("curl",)),
    "compiler/lib/Cache": (("triton/Support", "triton/Cache", "artifact"), ()),
    "compiler/lib/Peaks": (("triton/Support", "triton/Peaks", "artifact"), ()),
    "compiler/lib/Cache/Remote": (("triton/Support", "triton/Net", "triton/Cache", "artifact"), ("hiredis",)),
    "model_zoo/lib": (("triton/Support", "triton/Tensor", "triton/Net"), ("fmt", "jpeglib", "png")),
    "model_zoo/trainer": (("triton/Support", "triton/Tensor"), ("torch", "fmt")),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
SOURCES = (".h", ".hpp", ".c", ".cpp", ".def", ".inc")


def layer_of(path):
    best = None
    for folder in LAYERS:
        if path.startswith(folder + "/") and (best is None or len(folder) > len(best)):
            best = folder
    return best


def check_file(path, rel):
    folder = layer_of(rel)
    if folder is None and rel.startswith("compiler/include/triton/"):
        part = rel.split("/")[3]
        folder = next((f for f in LAYERS if f.endswith("/" + part)), None)
    if folder is None:
        return []
    prefixes, foreign = LAYERS[folder]
    problems = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        name = match.group(2)
        library = next((f for f in FOREIGN if name.startswith(f + "/") or name.startswith(f + "-runtime") or name == f + ".h"), None)
        if library:
            if library not in foreign:
                problems.append(f"{rel}:{number}: {folder} must not include {library} ({name})")
            continue
        if match.group(1) == '"' and name.startswith(("triton/", "ternary/", "artifact/")):
            if not any(p and name.startswith(p) for p in prefixes):
                problems.append(f"{rel}:{number}: {folder} must not include {name}")
    return problems


def main():
    problems = []
    count = 0
    for top in ("compiler", "dialect", "runtime", "model_zoo"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in SOURCES and path.is_file():
                count += 1
                problems += check_file(path, path.relative_to(ROOT).as_posix())
    for problem in problems:
        print(problem)
    print(f"{count} files, {len(problems)} problems")
    if count < 20:
        print("too few files were found: the lint does not see the tree")
        return 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

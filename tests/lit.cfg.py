# Lit suites: one folder per stage (dialect, passes, irgen, codegen, driver, ...); files with RUN lines. The unit tests and the
# rendered diagnostics have harnesses of their own. Values of the build come from lit.site.cfg.py.
import os

import lit.formats

config.name = "triton"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".tri", ".test"]
config.excludes = ["Inputs", "unit", "diagnostics", "CMakeLists.txt", "lit.cfg.py"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.triton_build, "tests", "lit")

config.environment["PATH"] = os.pathsep.join([config.triton_bin, config.llvm_bin, config.environment["PATH"]])
# No test may see or change what the user has: the cache, the home folder, the locale.
scratch = os.path.join(config.test_exec_root, "home")
os.makedirs(scratch, exist_ok=True)
config.environment["HOME"] = scratch
config.environment["XDG_CACHE_HOME"] = os.path.join(scratch, "cache")
config.environment["LC_ALL"] = "C"
config.environment["NO_COLOR"] = "1"
for name in list(config.environment):
    if name.startswith("TRITON_"):
        del config.environment[name]

config.substitutions.append(("%source_root", config.triton_source))
config.substitutions.append(("%build_root", config.triton_build))

# `REQUIRES: tool-<name>` skips a test where an optional program is missing.
for tool in ["qemu-aarch64", "ptxas", "aarch64-linux-gnu-gcc"]:
    if lit_config.params.get("no_" + tool) is None and lit.util.which(tool, config.environment["PATH"]):
        config.available_features.add("tool-" + tool)

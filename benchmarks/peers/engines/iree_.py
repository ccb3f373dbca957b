"""IREE on the CPU as its compiler makes it without tuning: far from what it reaches tuned, and said so in the report."""
import pathlib
import subprocess
import sys

from .. import models
from .base import Engine, NotHere


class Fp32(Engine):
    package = "iree-base-compiler"

    def takes(self, case, avx2):
        if avx2:
            raise NotHere("measured on the machine's own instructions only")
        if case.parameters > 50_000_000:
            raise NotHere("its compiler takes too long for so many constants")

    def file(self, case, folder):
        path = pathlib.Path(folder) / f"{case.files}.vmfb"
        if not path.exists():
            import iree.compiler
            onnx = models.onnx_file(case, folder)
            text, part = path.with_suffix(".mlir"), path.with_suffix(".part")
            subprocess.run([sys.executable, "-m", "iree.compiler.tools.import_onnx", str(onnx), "-o", str(text), "--opset-version", "17"],
                           check=True)
            iree.compiler.compile_file(str(text), input_type="onnx", target_backends=["llvm-cpu"], output_file=str(part),
                                       extra_args=["--iree-llvmcpu-target-cpu=host", "--iree-opt-level=O3"])
            text.unlink()
            part.rename(path)
        return path

    def prepare(self, case, folder, avx2):
        self.file(case, folder)

    def load(self, case, folder, threads, avx2):
        import iree.runtime
        if threads > 1:
            iree.runtime.flags.parse_flags(f"--task_topology_group_count={threads}")
        config = iree.runtime.Config("local-task" if threads > 1 else "local-sync")
        module = iree.runtime.load_vm_module(iree.runtime.VmModule.mmap(config.vm_instance, str(self.file(case, folder))), config)
        function = module[next(name for name in module.vm_module.function_names if not name.startswith("__") and "$async" not in name)]
        x = iree.runtime.asdevicearray(config.device, models.input_array(case))
        run = lambda: function(x).to_host()
        run()
        return run

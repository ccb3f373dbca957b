"""PyTorch, eager and compiled by Inductor; images in channels-last order, which is its faster one on CPUs."""
from .. import models
from .base import Engine


class Eager(Engine):
    package = "torch"

    def environment(self, threads, avx2):
        limits = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"} if avx2 else {}
        return {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), **limits}

    def model_bytes(self, case, folder, avx2=False):
        return case.parameters * 4

    def module(self, case):
        import torch
        module = models.torch_module(case)
        x = torch.from_numpy(models.input_array(case))
        if case.kind == "network":
            module, x = module.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        return module, x

    def load(self, case, folder, threads, avx2):
        import torch
        torch.set_num_threads(threads)
        module, x = self.module(case)
        guard = torch.inference_mode()
        guard.__enter__()
        self.keep = guard
        module(x)
        return lambda: module(x)


class Compiled(Eager):
    def environment(self, threads, avx2):
        return {**super().environment(threads, avx2), "TORCHINDUCTOR_FX_GRAPH_CACHE": "1", "TORCHINDUCTOR_FREEZING": "1"}

    def prepare(self, case, folder, avx2):
        self.load(case, folder, 1, avx2)()

    def load(self, case, folder, threads, avx2):
        import torch
        torch.set_num_threads(threads)
        module, x = self.module(case)
        guard = torch.no_grad()
        guard.__enter__()
        self.keep = guard
        compiled = torch.compile(module)
        for _ in range(2):
            compiled(x)
        return lambda: compiled(x)

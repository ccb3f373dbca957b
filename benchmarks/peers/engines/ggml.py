"""llama.cpp's ternary products TQ2_0 and TQ1_0 by its tensor library, without the rest of it. Called through ctypes: the library builds one
graph of the case's products, and a measured call computes that graph."""
import ctypes
import os
import pathlib

from .base import Engine, NotHere

GGML_TYPE_F32 = 0


def library_folder():
    """Where 'run install' has put libggml; TRITON_DSL_GGML overrides it."""
    return pathlib.Path(os.environ.get("TRITON_DSL_GGML", pathlib.Path(os.environ["TRITON_DSL_BENCH"]) / "ggml" / "bin"))


class InitParams(ctypes.Structure):
    _fields_ = [("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool)]


class Library:
    def __init__(self):
        folder = library_folder()
        if not (folder / "libggml-cpu.so").exists():
            raise NotHere("libggml is not built ('run install --ggml')")
        mode = ctypes.RTLD_GLOBAL
        self.base = ctypes.CDLL(str(folder / "libggml-base.so"), mode=mode)
        self.cpu = ctypes.CDLL(str(folder / "libggml-cpu.so"), mode=mode)
        pointer, int64 = ctypes.c_void_p, ctypes.c_int64
        for library, name, result, arguments in (
                (self.base, "ggml_init", pointer, [InitParams]),
                (self.base, "ggml_new_tensor_2d", pointer, [pointer, ctypes.c_int, int64, int64]),
                (self.base, "ggml_mul_mat", pointer, [pointer, pointer, pointer]),
                (self.base, "ggml_add", pointer, [pointer, pointer, pointer]),
                (self.base, "ggml_new_graph_custom", pointer, [pointer, ctypes.c_size_t, ctypes.c_bool]),
                (self.base, "ggml_build_forward_expand", None, [pointer, pointer]),
                (self.base, "ggml_row_size", ctypes.c_size_t, [ctypes.c_int, int64]),
                (self.base, "ggml_nbytes", ctypes.c_size_t, [pointer]),
                (self.base, "ggml_quantize_chunk", ctypes.c_size_t,
                 [ctypes.c_int, pointer, pointer, int64, int64, int64, pointer]),
                (self.base, "ggml_backend_alloc_ctx_tensors", pointer, [pointer, pointer]),
                (self.base, "ggml_backend_tensor_set", None, [pointer, pointer, ctypes.c_size_t, ctypes.c_size_t]),
                (self.base, "ggml_backend_graph_compute", ctypes.c_int, [pointer, pointer]),
                (self.cpu, "ggml_backend_cpu_init", pointer, []),
                (self.cpu, "ggml_backend_cpu_set_n_threads", None, [pointer, ctypes.c_int])):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)


class Ggml(Engine):
    kind = None
    bits = None

    def takes(self, case, avx2):
        if avx2:
            raise NotHere("built for this machine's own instructions only")
        if case.kind not in ("linear", "stream"):
            raise NotHere("products of matrices only")
        if case.widths[0] % 256:
            raise NotHere("takes multiples of 256 inputs only")

    def version(self):
        name = library_folder() / "VERSION"
        return name.read_text().strip() if name.exists() else "local build"

    def model_bytes(self, case, folder, avx2=False):
        return int(case.parameters * self.bits / 8)

    def load(self, case, folder, threads, avx2):
        import numpy
        from .. import models
        g = Library()
        k, n = case.widths
        copies = case.copies
        backend = g.ggml_backend_cpu_init()
        g.ggml_backend_cpu_set_n_threads(backend, threads)
        context = g.ggml_init(InitParams(1 << 22, None, True))
        x = g.ggml_new_tensor_2d(context, GGML_TYPE_F32, k, case.batch)
        weights = [g.ggml_new_tensor_2d(context, self.kind, k, n) for _ in range(copies)]
        y = g.ggml_mul_mat(context, weights[0], x)
        for w in weights[1:]:
            y = g.ggml_add(context, y, g.ggml_mul_mat(context, w, x))
        graph = g.ggml_new_graph_custom(context, 4096, False)
        g.ggml_build_forward_expand(graph, y)
        if not g.ggml_backend_alloc_ctx_tensors(context, backend):
            raise NotHere("no memory for its tensors")
        values = models.input_array(case)
        g.ggml_backend_tensor_set(x, values.ctypes.data, 0, values.nbytes)
        random = numpy.random.default_rng(11)
        for w in weights:
            trits = random.integers(-1, 2, (n, k)).astype(numpy.float32)
            packed = numpy.empty(g.ggml_nbytes(w), dtype=numpy.uint8)
            g.ggml_quantize_chunk(self.kind, trits.ctypes.data, packed.ctypes.data, 0, n, k, None)
            g.ggml_backend_tensor_set(w, packed.ctypes.data, 0, packed.nbytes)
        self.keep = (g, values)
        compute = g.ggml_backend_graph_compute

        def run():
            compute(backend, graph)
        run()
        return run


class Tq2(Ggml):
    kind, bits = 35, 2.0625


class Tq1(Ggml):
    kind, bits = 34, 1.6875

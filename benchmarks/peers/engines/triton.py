"""Triton through its C API by ctypes: the same footing as the others, whose calls cross from Python too."""
import ctypes
import hashlib
import os
import pathlib
import subprocess

from .. import models
from .base import Engine


class Options(ctypes.Structure):
    _fields_ = [("allow_code", ctypes.c_int), ("variant", ctypes.c_char_p), ("blake3", ctypes.c_void_p), ("allocator", ctypes.c_void_p),
                ("reserved", ctypes.c_void_p * 4)]


class SessionOptions(ctypes.Structure):
    _fields_ = [("entry", ctypes.c_char_p), ("batch", ctypes.c_int64), ("threads", ctypes.c_int32), ("zero", ctypes.c_int32),
                ("parallel_for", ctypes.c_void_p), ("context", ctypes.c_void_p), ("allocator", ctypes.c_void_p),
                ("reserved", ctypes.c_void_p * 4)]


class Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("bytes", ctypes.c_uint64), ("dtype", ctypes.c_int), ("flags", ctypes.c_uint32)]


class RunArgs(ctypes.Structure):
    _fields_ = [("inputs", ctypes.POINTER(Buffer)), ("outputs", ctypes.POINTER(Buffer)), ("input_count", ctypes.c_uint32),
                ("output_count", ctypes.c_uint32), ("batch", ctypes.c_int64), ("profile_ns", ctypes.c_void_p),
                ("profile_count", ctypes.c_uint32), ("zero", ctypes.c_uint32)]


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 256)]


FLOAT32, PADDED = 13, 1


def build_folder():
    return pathlib.Path(os.environ["TRITON_DSL_BUILD"])


class Triton(Engine):
    def command(self):
        return build_folder() / "bin" / "triton"

    def level(self):
        return os.environ.get("TRITON_DSL_BENCH_LEVEL", "2")

    def target(self, avx2):
        return "x86-64-v3" if avx2 else "native"

    def file(self, case, folder, avx2):
        # The artifact depends on the compiler and the program: another build of it makes another file.
        compiler = self.command().with_name("triton-compiler")
        parts = [compiler.read_bytes(), pathlib.Path(case.program).read_bytes(), repr(case.defines).encode()]
        digest = hashlib.sha256(b"".join(parts)).hexdigest()[:12]
        return pathlib.Path(folder) / f"{case.name}.{digest}.O{self.level()}{'.avx2' if avx2 else ''}.tern"

    def prepare(self, case, folder, avx2):
        path = self.file(case, folder, avx2)
        if path.exists():
            return
        words = [str(self.command()), "compile", case.program, "--random-weights=1", f"-O{self.level()}", "--target", self.target(avx2),
                 "-o", str(path), "--quiet"]
        for define in case.defines:
            words += ["-D", define]
        subprocess.run(words, check=True)

    def model_bytes(self, case, folder, avx2=False):
        return self.file(case, folder, avx2).stat().st_size

    def version(self):
        words = [str(self.command()), "--version"]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()[1]

    def load(self, case, folder, threads, avx2):
        import numpy
        self.prepare(case, folder, avx2)
        # Nothing else runs in this process: handing Python's lock over would cost as much as a small layer.
        library = ctypes.PyDLL(str(build_folder() / "lib" / "libtriton.so"))
        error = Error()

        def check(status):
            if status != 0:
                raise RuntimeError(error.message.decode())

        model, session = ctypes.c_void_p(), ctypes.c_void_p()
        options = Options(allow_code=1)
        check(library.tri_model_open_file(str(self.file(case, folder, avx2)).encode(), ctypes.byref(options), ctypes.byref(model),
                                          ctypes.byref(error)))
        session_options = SessionOptions(batch=case.batch, threads=threads)
        check(library.tri_session_create(model, ctypes.byref(session_options), ctypes.byref(session), ctypes.byref(error)))
        library.tri_session_output_bytes.restype = ctypes.c_uint64
        library.tri_session_output_bytes.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int64]
        values = models.input_array(case)
        # 64 readable bytes behind the end, so that the session needs no copy.
        x = models.aligned(numpy.concatenate([values.ravel(), numpy.zeros(16, dtype=numpy.float32)]))
        size = library.tri_session_output_bytes(session, 0, case.batch)
        y = models.aligned(numpy.zeros(size + 64, dtype=numpy.uint8))
        inputs, outputs = (Buffer * 1)(), (Buffer * 1)()
        inputs[0] = Buffer(x.ctypes.data, values.nbytes, FLOAT32, PADDED)
        outputs[0] = Buffer(y.ctypes.data, size, FLOAT32, PADDED)
        arguments = RunArgs(inputs, outputs, 1, 1, case.batch, None, 0, 0)
        function = library.tri_session_run
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
        handle, packed = session.value, ctypes.addressof(arguments)
        self.keep = (library, x, y, inputs, outputs, arguments, error)
        check(function(handle, packed, ctypes.addressof(error)))
        none = None

        def run():
            if function(handle, packed, none):
                raise RuntimeError("tri_session_run failed")
        return run

"""ONNX Runtime: fp32, INT8 (static, QDQ, per channel, u8 x s8) and 2-bit weights (MatMulNBits, blocks of 128, int8 arithmetic)."""
from .. import models
from .base import Engine, NotHere


class OnnxRuntime(Engine):
    package = "onnxruntime"

    def takes(self, case, avx2):
        if avx2:
            raise NotHere("its kernels cannot be limited to AVX2")

    def file(self, case, folder):
        return models.onnx_file(case, folder)

    def prepare(self, case, folder, avx2):
        self.file(case, folder)

    def model_bytes(self, case, folder, avx2=False):
        return self.file(case, folder).stat().st_size

    def load(self, case, folder, threads, avx2):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        session = onnxruntime.InferenceSession(str(self.file(case, folder)), options, providers=["CPUExecutionProvider"])
        # Bound once: no copies and no dictionaries in the measured call.
        self.x = models.input_array(case)
        self.value = onnxruntime.OrtValue.ortvalue_from_numpy(self.x)
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", self.value)
        binding.bind_output("y", "cpu")
        run, raw, none = session._sess.run_with_iobinding, binding._iobinding, None
        run(raw, none)
        return lambda: run(raw, none)


class Fp32(OnnxRuntime):
    pass


class Int8(OnnxRuntime):
    def file(self, case, folder):
        return models.int8_onnx(case, folder)


class TwoBit(OnnxRuntime):
    def takes(self, case, avx2):
        super().takes(case, avx2)
        if case.kind == "network":
            raise NotHere("no 2-bit convolutions")

    def file(self, case, folder):
        return models.two_bit_onnx(case, folder)

"""OpenVINO on the CPU, one stream, latency hint: fp32, bf16 where the processor has it, INT8 by nncf and from ONNX Runtime's QDQ file."""
import pathlib

from .. import models
from .base import Engine, NotHere


class OpenVino(Engine):
    package = "openvino"
    precision = "f32"

    def environment(self, threads, avx2):
        return {"ONEDNN_MAX_CPU_ISA": "AVX2"} if avx2 else {}

    def file(self, case, folder):
        return models.onnx_file(case, folder)

    def prepare(self, case, folder, avx2):
        self.file(case, folder)

    def model_bytes(self, case, folder, avx2=False):
        path = pathlib.Path(self.file(case, folder))
        extra = path.with_suffix(".bin")
        return path.stat().st_size + (extra.stat().st_size if extra.exists() else 0)

    def load(self, case, folder, threads, avx2):
        import openvino
        core = openvino.Core()
        config = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(threads)}
        if self.precision:
            config["INFERENCE_PRECISION_HINT"] = self.precision
        compiled = core.compile_model(core.read_model(str(self.file(case, folder))), "CPU", config)
        request = compiled.create_infer_request()
        self.x = models.input_array(case)
        request.set_input_tensor(openvino.Tensor(self.x, shared_memory=True))
        # The binding's own method: the wrapper around it builds dictionaries.
        infer = super(type(request), request).infer
        infer({}, True, False)
        return lambda: infer({}, True, False)


class Fp32(OpenVino):
    pass


class Bf16(OpenVino):
    precision = "bf16"

    def takes(self, case, avx2):
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            if avx2 or "avx512_bf16" not in info.read():
                raise NotHere("the processor has no bf16 products")


class Int8(OpenVino):
    precision = None

    def file(self, case, folder):
        path = pathlib.Path(folder) / f"{case.files}.nncf.xml"
        if not path.exists():
            import nncf
            import openvino
            model = openvino.Core().read_model(str(models.onnx_file(case, folder)))
            data = nncf.Dataset([models.input_array(case)])
            quantised = nncf.quantize(model, data, subset_size=1)
            part = pathlib.Path(folder) / f"{case.files}.nncf.part.xml"
            openvino.save_model(quantised, str(part), compress_to_fp16=False)
            part.with_suffix(".bin").rename(path.with_suffix(".bin"))
            part.rename(path)
        return path


class Qdq(OpenVino):
    precision = None

    def file(self, case, folder):
        return models.int8_onnx(case, folder)

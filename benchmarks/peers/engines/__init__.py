"""One class for each engine and precision. See base.py for what an engine does."""
import importlib

# name: (module, class, what the report calls it, group of precision)
TABLE = {
    "triton": ("triton", "Triton", "Triton", "ternary"),
    "ort_fp32": ("ort", "Fp32", "ONNX Runtime fp32", "fp32"),
    "ort_int8": ("ort", "Int8", "ONNX Runtime INT8", "int8"),
    "ort_2bit": ("ort", "TwoBit", "ONNX Runtime 2-bit", "2-bit"),
    "ov_fp32": ("ov", "Fp32", "OpenVINO fp32", "fp32"),
    "ov_bf16": ("ov", "Bf16", "OpenVINO bf16", "fp32"),
    "ov_int8": ("ov", "Int8", "OpenVINO INT8 (nncf)", "int8"),
    "ov_qdq": ("ov", "Qdq", "OpenVINO INT8 (QDQ)", "int8"),
    "torch": ("pytorch", "Eager", "PyTorch", "fp32"),
    "torch_compile": ("pytorch", "Compiled", "torch.compile", "fp32"),
    "iree": ("iree_", "Fp32", "IREE fp32 (untuned)", "fp32"),
    "ggml_tq2": ("ggml", "Tq2", "llama.cpp TQ2_0", "2-bit"),
    "ggml_tq1": ("ggml", "Tq1", "llama.cpp TQ1_0", "2-bit"),
}


def create(name):
    module, cls, _, _ = TABLE[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), cls)()


def title(name):
    return TABLE[name][2]


def precision(name):
    return TABLE[name][3]

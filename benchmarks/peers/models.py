"""The cases as PyTorch modules with random weights, and as ONNX files. Weights do not matter: only speed is measured."""
import pathlib


def torch_module(case):
    """An eval-mode module for a case; the same random weights on every call."""
    import torch
    torch.manual_seed(0)
    if case.kind == "network":
        import torchvision
        name = case.name.split("-")[0]
        module = getattr(torchvision.models, name)(weights=None)
        if case.name.startswith("resnet18-cifar"):
            module.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
            module.maxpool = torch.nn.Identity()
            module.fc = torch.nn.Linear(512, 10)
    elif case.kind == "linear":
        module = torch.nn.Linear(case.widths[0], case.widths[1], bias=False)
    elif case.kind == "mlp":
        parts = []
        for a, b in zip(case.widths, case.widths[1:]):
            parts += [torch.nn.Linear(a, b), torch.nn.ReLU()]
        module = torch.nn.Sequential(*parts[:-1])
    else:
        class Stream(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = torch.nn.ModuleList(torch.nn.Linear(*case.widths, bias=False) for _ in range(case.copies))

            def forward(self, x):
                y = self.fc[0](x)
                for layer in self.fc[1:]:
                    y = y + layer(x)
                return y
        module = Stream()
    # Batch norms of a fresh network are the identity; give them what training leaves, so that no compiler can drop them.
    generator = torch.Generator().manual_seed(1)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1, generator=generator)
            part.running_var.uniform_(0.5, 1.5, generator=generator)
    return module.eval()


def input_array(case):
    """The input: float32, the same on every call, at an address that is a multiple of 64."""
    import numpy
    count = case.batch
    for size in case.shape:
        count *= size
    return aligned(numpy.random.default_rng(7).standard_normal(count, dtype=numpy.float32).reshape((case.batch,) + case.shape))


def aligned(array, alignment=64):
    """A copy of `array` at a multiple of `alignment`: some engines take half as long as from anywhere."""
    import numpy
    buffer = numpy.empty(array.nbytes + alignment, dtype=numpy.uint8)
    start = -buffer.ctypes.data % alignment
    out = buffer[start:start + array.nbytes].view(array.dtype).reshape(array.shape)
    out[...] = array
    return out


def onnx_file(case, folder):
    """The case as an fp32 ONNX file in `folder`, made once."""
    path = pathlib.Path(folder) / f"{case.files}.onnx"
    if path.exists():
        return path
    part = path.with_suffix(".part")
    if case.kind == "network":
        import torch
        module, x = torch_module(case), torch.from_numpy(input_array(case))
        torch.onnx.export(module, (x,), str(part), input_names=["x"], output_names=["y"], opset_version=17, dynamo=False)
    else:
        dense_onnx(case, part)
    part.rename(path)
    return path


def dense_onnx(case, path):
    """Linear layers as MatMul nodes; built by hand, so that no exporter stands between."""
    import numpy
    from onnx import helper, numpy_helper
    random = numpy.random.default_rng(3)
    nodes, initializers = [], []

    def weight(name, k, n):
        initializers.append(numpy_helper.from_array((random.standard_normal((k, n), dtype=numpy.float32) / k ** 0.5), name))
        return name

    def product(x, i, k, n, out):
        if case.kind != "mlp":
            nodes.append(helper.make_node("MatMul", [x, weight(f"w{i}", k, n)], [out]))
            return
        initializers.append(numpy_helper.from_array(numpy.zeros(n, dtype=numpy.float32), f"b{i}"))
        nodes.append(helper.make_node("Gemm", [x, weight(f"w{i}", k, n), f"b{i}"], [out]))

    chain_products(case, nodes, product)
    save_graph(case, nodes, initializers, path)


def chain_products(case, nodes, product):
    """The nodes from "x" to "y" around `product(x, i, k, n, out)`: many matrices on one input, summed, or layers with a ReLU between two."""
    from onnx import helper
    if case.kind == "stream":
        for i in range(case.copies):
            product("x", i, *case.widths, f"p{i}")
        last = "p0"
        for i in range(1, case.copies):
            out = "y" if i == case.copies - 1 else f"sum{i}"  # not the name of any constant of `product`
            nodes.append(helper.make_node("Add", [last, f"p{i}"], [out]))
            last = out
        return
    last, pairs = "x", list(zip(case.widths, case.widths[1:]))
    for i, (k, n) in enumerate(pairs):
        end = i == len(pairs) - 1
        product(last, i, k, n, "y" if end else f"g{i}")
        if not end:
            nodes.append(helper.make_node("Relu", [f"g{i}"], [f"r{i}"]))
            last = f"r{i}"


def save_graph(case, nodes, initializers, path, domains=()):
    import onnx
    from onnx import TensorProto, helper
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [case.batch, *case.shape])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [case.batch, case.widths[-1]])
    graph = helper.make_graph(nodes, case.name, [x], [y], initializers)
    opsets = [helper.make_opsetid("", 17)] + [helper.make_opsetid(d, 1) for d in domains]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))


def two_bit_onnx(case, folder, block=128):
    """Linear layers as MatMulNBits of two bits; every layer has bytes of its own, since equal weights would be shared."""
    import numpy
    from onnx import helper, numpy_helper
    path = pathlib.Path(folder) / f"{case.files}.2bit.onnx"
    if path.exists():
        return path
    random = numpy.random.default_rng(5)
    nodes, initializers = [], []

    def product(x, i, k, n, out):
        blocks = -(-k // block)
        codes = random.integers(0, 256, (n, blocks, block // 4), dtype=numpy.uint8)
        initializers.append(numpy_helper.from_array(codes, f"w{i}"))
        initializers.append(numpy_helper.from_array(numpy.full((n * blocks,), 0.01, dtype=numpy.float32), f"s{i}"))
        nodes.append(helper.make_node("MatMulNBits", [x, f"w{i}", f"s{i}"], [out], domain="com.microsoft", K=k, N=n, bits=2,
                                      block_size=block, accuracy_level=4))

    chain_products(case, nodes, product)
    part = path.with_suffix(".part")
    save_graph(case, nodes, initializers, part, ("com.microsoft",))
    part.rename(path)
    return path


def int8_onnx(case, folder):
    """Static quantisation to QDQ form: activations u8, weights s8 per channel (s8 activations are more than twice as slow)."""
    path = pathlib.Path(folder) / f"{case.files}.int8.onnx"
    if path.exists():
        return path
    import onnxruntime.quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process
    fp32 = onnx_file(case, folder)
    prepared, part = path.with_suffix(".prepared"), path.with_suffix(".part")
    quant_pre_process(str(fp32), str(prepared), skip_symbolic_shape=True)

    class Inputs(q.CalibrationDataReader):
        left = 3

        def get_next(self):
            self.left -= 1
            return {"x": input_array(case)} if self.left >= 0 else None

    q.quantize_static(str(prepared), str(part), Inputs(), quant_format=q.QuantFormat.QDQ, per_channel=True,
                      activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8)
    prepared.unlink()
    part.rename(path)
    return path

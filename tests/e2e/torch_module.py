#!/usr/bin/env python3
"""What 'triton export torch' writes, against the compiled artifact and the reference interpreter.

Usage: torch_module.py TRITON_BIN_DIR [unittest arguments]. Needs a Python with PyTorch: the one that runs this, or the one that
$TRITON_DSL_TORCH_PYTHON names; without one it says so and ends with status 77 (skipped).
"""
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy
    import torch
except ImportError:
    other = os.environ.get("TRITON_DSL_TORCH_PYTHON")
    if other and os.environ.get("TRITON_DSL_TORCH_TRIED") != other:
        os.environ["TRITON_DSL_TORCH_TRIED"] = other
        os.execv(other, [other, *sys.argv])
    print("skipped: this Python has no PyTorch (TRITON_DSL_TORCH_PYTHON may name one that has)")
    sys.exit(77)

BIN = os.path.abspath(sys.argv[1])
TRITON = os.path.join(BIN, "triton")
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ZOO = os.path.join(ROOT, "model_zoo")
TRAINED = ("mlp-fashion-mnist", "lenet5-fashion-mnist", "resnet20-fashion-mnist")

# Every way to store a weight, and operations that the zoo's networks lack.
WEIGHTS = """use std.nn
@ternary(scale=SCALE, method=METHOD)
@acts(int8)
model Net(x: Tensor[N, 16]) -> (y: Tensor[N, 6]) {
    let a = Linear(16, 24)
    let b = Linear(24, 24)
    @weights(STORAGE)
    let c = Linear(24, 6)
    let h = relu(a(x))
    return c(h + relu6(b(h)))
}
"""
OPERATIONS = """use std.nn
model Net(x: Tensor[N, 6, 8, 8]) -> (y: Tensor[N, C], z: Tensor[N, 3, 16]) {
    let C = 12
    let conv = Conv2d(6, 12, 3, padding=1, groups=2)
    let bn = BatchNorm2d(12)
    let norm = LayerNorm(16)
    let h = hardswish(bn(conv(x)))
    h = concat([avg_pool(h, 2), max_pool(sigmoid(h), 2)], axis=1)
    let g = global_avg_pool(pad(h, [1, 1, 1, 1]))
    let t = reshape(slice(h, axis=1, from=0, to=3), [N, 3, 16])
    let s = softmax(gelu(norm(t)) + tanh(t) * 0.5, axis=-1)
    return silu(slice(g, axis=1, from=4, to=16)), transpose(transpose(s, [0, 2, 1]), [0, 2, 1]) / 2.0 - exp(-t)
}
"""


def run(*words, env=None):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=900)
    if done.returncode:
        raise AssertionError(f"{words}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class TorchModule(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(2)
        items = json.loads(run(TRITON, "zoo", "download", "fashion-mnist", "--offline", "--json"))["items"]
        cls.data = items[0]["folder"]

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = folder.name
        torch.manual_seed(3)

    def path(self, name):
        return os.path.join(self.top, name)

    def exported(self, program, *words):
        """The class of the network."""
        run(TRITON, "export", "torch", program, "-o", self.path("net.py"), *words)
        spec = importlib.util.spec_from_file_location("net", self.path("net.py"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return next(c for c in vars(module).values() if isinstance(c, type) and issubclass(c, module.TernaryModule) and c is not module.TernaryModule)

    def of_text(self, text, *words):
        with open(self.path("net.tri"), "w") as file:
            file.write(text)
        return self.path("net.tri"), self.exported(self.path("net.tri"), *words)

    def compiled(self, program, x, *words):
        """The outputs of 'triton run', in their order."""
        numpy.save(self.path("x.npy"), x.numpy())
        done = json.loads(run(TRITON, "run", program, "--input", self.path("x.npy"), "--json", *words))
        return [torch.tensor(o["data"]).reshape(o["shape"]) for o in done["outputs"]]

    def images(self, count):
        import gzip
        with gzip.open(self.data + "/t10k-images-idx3-ubyte.gz") as file:
            return torch.frombuffer(bytearray(file.read()[16 : 16 + count * 784]), dtype=torch.uint8).reshape(count, 1, 28, 28)

    def random_state(self, network):
        """Values that tell everything apart, batch norms included."""
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            with torch.no_grad():
                if value.dim() == 0:
                    continue
                spread = torch.randn_like(value)
                value.copy_(spread.abs() + 0.5 if name.endswith("running_var") else spread * 0.2 + 1 if value.dim() == 1 else spread / max(1, value[0].numel()) ** 0.5)

    def test_trained_networks(self):
        for name in TRAINED:
            with self.subTest(name):
                count = 1000
                program, weights = f"{ZOO}/{name}/model.tri", f"{ZOO}/{name}/weights.safetensors"
                network = self.exported(program)()
                self.assertEqual(network.load_checkpoint(weights), [])
                network.eval()
                x = self.images(count)
                with torch.no_grad():
                    y = network(x)
                (truth,) = self.compiled(program, x, "--weights", weights)
                # A sum that lies at the middle between two codes may fall to either side, in float32: a code more or less, seldom.
                error = float((y - truth).abs().max() / truth.abs().max())
                print(f"{name}: largest difference {error:.2e} of the largest logit, {int((y.argmax(1) != truth.argmax(1)).sum())} of {count} classes differ")
                self.assertTrue(torch.equal(y.argmax(1), truth.argmax(1)))
                self.assertLess(error, 0.03)

    def test_fp32_form(self):
        for name in TRAINED:
            with self.subTest(name):
                program = f"{ZOO}/{name}/model.tri"
                network = self.exported(program)(quantized=False)
                self.random_state(network)
                network.eval()
                torch.save(network.state_dict(), self.path("net.pth"))
                x = self.images(20)
                with torch.no_grad():
                    y = network(x)
                (truth,) = self.compiled(program, x, "--fp32", "--weights", self.path("net.pth"))
                self.assertLess(float((y - truth).abs().max() / truth.abs().max()), 1e-4)

    def test_every_network_of_the_zoo(self):
        for entry in sorted(os.listdir(ZOO)):
            program = f"{ZOO}/{entry}/model.tri"
            if not os.path.exists(program):
                continue
            with self.subTest(entry):
                with torch.device("meta"):
                    network = self.exported(program)(quantized=False).eval()
                    shown = json.loads(run(TRITON, "zoo", "show", entry, "--json"))
                    keys = {p["key"] for p in shown["parameters"]}
                    self.assertEqual({k for k in network.state_dict() if not k.split(".")[-2].startswith("act") or k in keys}, keys)
                    shape = json.loads(shown["inputs"][0]["shape"].replace("N", "2"))
                    self.assertEqual(list(network(torch.zeros(shape)).shape), json.loads(shown["outputs"][0]["shape"].replace("N", "2")))

    def test_ways_to_store_weights(self):
        for scale, method, storage in (("per_channel", "twn", "int8"), ("per_tensor", "absmean", "int4"), ("per_group, group=8", "twn", "float16"),
                                       ("per_channel", "fixed, threshold=0.2", "bfloat16"), ("per_channel", "stochastic, seed=7", "int8"),
                                       ("per_group, group=4", "learned", "int8"), ("per_tensor", "learned", "int8")):
            with self.subTest(scale=scale, method=method, storage=storage):
                program, make = self.of_text(WEIGHTS.replace("SCALE", scale).replace("METHOD", method).replace("STORAGE", storage))
                network = make()
                with torch.no_grad():
                    for p in network.parameters():
                        p.add_(torch.randn_like(p) * 0.01 if p.dim() and p.requires_grad and p.numel() > 24 else 0)
                x = torch.randn(200, 16)
                network.eval().calibrate(x)
                torch.save(network.state_dict(), self.path("net.pth"))
                with torch.no_grad():
                    y = network(x)
                (truth,) = self.compiled(program, x, "--weights", self.path("net.pth"))
                close = (y - truth).abs() <= 1e-4 * truth.abs().max()
                self.assertGreater(float(close.float().mean()), 0.98)  # the others are a code apart
                self.assertLess(float((y - truth).abs().max() / truth.abs().max()), 0.03)

    def test_operations(self):
        program, make = self.of_text(OPERATIONS)
        network = make()
        self.random_state(network)
        network.eval()
        torch.save(network.state_dict(), self.path("net.pth"))
        x = torch.randn(3, 6, 8, 8)
        with torch.no_grad():
            found = network(x)
        for y, truth in zip(found, self.compiled(program, x, "--weights", self.path("net.pth")), strict=True):
            self.assertLess(float((y - truth).abs().max() / truth.abs().max()), 1e-4)

    def test_gradients(self):
        _, make = self.of_text(WEIGHTS.replace("SCALE", "per_channel").replace("METHOD", "learned").replace("STORAGE", "int8"))
        network = make()
        x, y = torch.randn(64, 16), torch.randint(0, 6, (64,))
        with self.assertRaisesRegex(RuntimeError, "calibrate"):
            network(x)
        network.calibrate(x)
        optimizer = torch.optim.AdamW([{"params": [p for p in network.parameters()]}], lr=3e-3)
        losses = []
        for _ in range(60):
            loss = torch.nn.functional.cross_entropy(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            if not losses:
                self.assertEqual([name for name, p in network.named_parameters() if p.grad is None or float(p.grad.abs().sum()) == 0], [])
            optimizer.step()
            losses.append(loss.item())
        self.assertLess(losses[-1], 0.6 * losses[0])
        # Keys that a name in PyTorch cannot have come back as they went.
        self.assertIn("a.weight.delta", network.state_dict())
        again = make()
        again.load_state_dict(network.state_dict())
        self.assertTrue(torch.equal(again.eval()(x), network.eval()(x)))
        with self.assertRaisesRegex(KeyError, "b.weight"):
            again.load_checkpoint({k: v for k, v in network.state_dict().items() if k != "b.weight"})
        with self.assertRaisesRegex(ValueError, "has shape"):
            again.load_checkpoint({**network.state_dict(), "b.weight": torch.zeros(2)})

    def test_what_has_no_form(self):
        text = "model Net(x: Tensor[N, 4]) -> (y: Tensor[N, 4]) {\n    return dequantize(quantize(x, int8, scale=0.1))\n}\n"
        with open(self.path("net.tri"), "w") as file:
            file.write(text)
        done = subprocess.run([TRITON, "export", "torch", self.path("net.tri"), "-o", self.path("net.py")], capture_output=True, text=True)
        self.assertEqual((done.returncode, os.path.exists(self.path("net.py"))), (1, False))
        self.assertIn("has no form in PyTorch", done.stderr)

    def test_torchrun(self):
        """Two processes by gloo, few images; what they train runs compiled as it ran in PyTorch."""
        program = f"{ZOO}/lenet5-fashion-mnist/model.tri"
        run(TRITON, "export", "torch", program, "-o", self.path("lenet5.py"))
        said = run(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", f"{ROOT}/docs/training/train_fashion_mnist.py",
                   self.path("lenet5.py"), "--data-dir", self.data, "--images", "2048", "--epochs", "3", "--batch", "32", "--out", self.path("lenet5.pth"),
                   env={"OMP_NUM_THREADS": "1"})
        print(said.splitlines()[-1])
        accuracy = float(said.split("accuracy ")[1].split(",")[0])
        self.assertGreater(accuracy, 0.5)
        found = json.loads(run(TRITON, "zoo", "eval", "lenet5-fashion-mnist", "--weights", self.path("lenet5.pth"), "--data-dir", self.data, "--json"))
        self.assertLess(abs(found["accuracy"] - accuracy), 0.002)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])

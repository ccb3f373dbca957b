#!/usr/bin/env python3
"""What scripts may rely on (docs/cli.md): exit statuses, JSON keys, one document on stdout, nothing half-written, messages with places.

Usage: contract.py TRITON_BIN_DIR SOURCE_DIR [unittest arguments]
"""
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

BIN, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
TRITON = os.path.join(BIN, "triton")
ZOO = os.path.join(SOURCE, "model_zoo")
MLP = os.path.join(ZOO, "mlp-fashion-mnist", "model.tri")
MLP_WEIGHTS = os.path.join(ZOO, "mlp-fashion-mnist", "weights.safetensors")
NUMBER = (int, float)

TINY = """use std.nn
@ternary
@acts(int8)
model Tiny(x: Tensor[N, 8]) -> (y: Tensor[N, 4]) {
    let a = Linear(8, 16)
    let b = Linear(16, 4)
    return b(relu(a(x)))
}
"""


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def npy(header, data):
    text = header.encode().ljust(118 - 10) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


class Cli(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.tiny = self.file("tiny.tri", TINY)
        self.out = self.path("out.tern")

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def file(self, name, content):
        with open(self.path(name), "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def triton(self, *words, status=0, env=None):
        done = subprocess.run([TRITON, *words], capture_output=True, text=True, cwd=self.folder.name, timeout=120,
                              env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, status, f"triton {' '.join(words)}\n{done.stdout}\n{done.stderr}")
        return done

    def document(self, *words, status=0):
        done = self.triton(*words, "--json", status=status)
        return json.loads(done.stdout)  # exactly one document

    def keys(self, document, **types):
        for key, kind in types.items():
            self.assertIn(key, document)
            self.assertIsInstance(document[key], kind, key)

    def compiled(self, *words):
        self.triton("compile", self.tiny, "--random-weights", "-o", self.out, *words)
        return self.out

    def left_behind(self):
        return sorted(os.listdir(self.folder.name))


class Documents(Cli):
    def test_compile(self):
        # An empty cache: a hit has other stages.
        done = self.triton("compile", self.tiny, "--random-weights", "-o", self.out, "--timing", "--target", "x86-64-v3,aarch64", "--json",
                           env={"TRITON_DSL_CACHE_DIR": self.path("cache")})
        document = json.loads(done.stdout)
        self.keys(document, file=str, lines=int, opt=int, targets=list, cache=str, total_ms=NUMBER, stages=list, peak_rss_bytes=int,
                  artifact=str, artifact_bytes=int, layers=int, layers_recompiled=int)
        self.assertEqual(document["lines"], TINY.count("\n"))
        self.assertEqual(document["targets"], ["x86-64-v3", "aarch64"])
        self.assertEqual(document["layers"], 2)
        self.assertEqual(document["artifact_bytes"], os.path.getsize(self.out))
        self.assertEqual(document["cache"], "miss")
        for stage in document["stages"]:
            self.keys(stage, name=str, ms=NUMBER)
        self.assertGreaterEqual({stage["name"] for stage in document["stages"]}, {"parse", "sema", "irgen", "write"})

    def test_bench(self):
        document = self.document("bench", self.compiled("-O1"), "--warmup", "2", "--iterations", "20", "--threads", "2")
        self.keys(document, model=str, opt=int, variant=str, threads=int, batch=int, warmup=int, iterations=int, mean_ms=NUMBER,
                  median_ms=NUMBER, min_ms=NUMBER, p95_ms=NUMBER, p99_ms=NUMBER, ci95_ms=list, macs=int, gmacs_per_s=NUMBER,
                  artifact_bytes=int, weights_bytes=int, workspace_bytes=int, load_ms=NUMBER, first_run_ms=NUMBER)
        self.assertEqual((document["opt"], document["threads"], document["warmup"], document["iterations"]), (1, 2, 2, 20))
        self.assertEqual(document["macs"], 8 * 16 + 16 * 4)
        self.assertLessEqual(document["min_ms"], document["median_ms"])
        self.assertLessEqual(document["median_ms"], document["p95_ms"])
        self.assertLessEqual(document["p95_ms"], document["p99_ms"])

    def test_zoo_list(self):
        models = {model["name"]: model for model in self.document("zoo", "list")["models"]}
        self.assertGreaterEqual(set(models), {"mlp-fashion-mnist", "lenet5-fashion-mnist", "resnet20-fashion-mnist"})
        for model in models.values():
            self.keys(model, name=str, dataset=str, params=int, macs=int, weights=str, accuracy=(float, type(None)),
                      artifact_bytes=(int, type(None)))
            self.assertIn(model["weights"], ("local", "remote", "none"))
        self.assertEqual(models["mlp-fashion-mnist"]["macs"], 784 * 1024 + 1024 * 512 + 512 * 10)

    def test_zoo_show(self):
        document = self.document("zoo", "show", "lenet5-fashion-mnist")
        self.keys(document, name=str, dataset=str, params=int, macs=int, weights=str, accuracy=float, program=str, entry=str, keys=(str, type(None)),
                  weights_sha256=str, elements=dict, inputs=list, outputs=list, parameters=list)
        self.assertEqual(sum(document["elements"].values()), document["params"])
        self.assertIn("none: give a checkpoint with --weights", self.triton("zoo", "show", "resnet18-cifar10").stdout)
        self.assertIn("conv1.weight", self.triton("zoo", "show", "resnet18-cifar10", "--verbose").stdout)
        self.assertIn("did you mean 'resnet18-cifar10'?", self.triton("zoo", "show", "resnet18-cifar1", status=2).stderr)
        self.assertIn("--weights", self.triton("zoo", "eval", "resnet18-fashion-mnist", status=1).stderr)

    def test_fp32_takes_the_network_without_its_quantisation(self):
        storages = lambda *more: {p["storage"] for p in self.document("inspect", self.tiny, *more)["models"][0]["parameters"]}
        self.assertEqual(storages(), {"trit", "float32"})
        self.assertEqual(storages("--fp32"), {"float32"})
        rows = self.file("x.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 8), }", struct.pack("<24f", *range(24))))
        found = {}
        for words in ((), ("--fp32",), ("--fp32", "--oracle")):
            self.triton("run", self.tiny, "--random-weights=3", "--input", rows, "--output", self.path("y.npy"), *words)
            with open(self.path("y.npy"), "rb") as data:
                found[words] = struct.unpack("<12f", data.read()[-48:])
        self.assertNotEqual(found[()], found[("--fp32",)])
        for a, b in zip(found[("--fp32",)], found[("--fp32", "--oracle")]):
            self.assertAlmostEqual(a, b, delta=1e-4 * max(map(abs, found[("--fp32",)])))

    def test_zoo_eval(self):
        document = self.document("zoo", "eval", "mlp-fashion-mnist", "--limit", "50")
        self.keys(document, model=str, dataset=str, images=int, accuracy=float, fp32_accuracy=float, correct=int, sparsity=float,
                  bits_per_weight=NUMBER, artifact_bytes=int, fp32_bytes=int, median_ms=NUMBER, images_per_s=NUMBER, weights_sha256=str,
                  predictions_sha256=str)
        self.assertEqual(document["images"], 50)
        self.assertAlmostEqual(document["accuracy"], document["correct"] / 50)
        self.assertEqual(len(document["predictions_sha256"]), 64)
        # Another checkpoint is another network: its digest is that of the file, and the fp32 twin in the manifest is not its own.
        copy = self.file("copy.safetensors", open(MLP_WEIGHTS, "rb").read())
        other = self.document("zoo", "eval", "mlp-fashion-mnist", "--limit", "50", "--weights", copy)
        self.assertEqual((other["weights_sha256"], other["predictions_sha256"]), (document["weights_sha256"], document["predictions_sha256"]))
        self.assertIsNone(other["fp32_accuracy"])

    def test_checkpoints_of_pytorch(self):
        program = self.file("conv.tri", """use std.nn
model Conv(x: Tensor[N, 2, 4, 4]) -> (y: Tensor[N, 3, 3, 3]) {
    let net = [Conv2d(2, 3, 2), BatchNorm2d(3)] as ""
    return net(x)
}
""")
        outputs = []
        image = self.file("x.bin", struct.pack("<32f", *(i % 7 for i in range(32))))
        for name in ("conv.pth", "wrapped.pth"):
            path = os.path.join(SOURCE, "tests", "unit", "tensor", "Inputs", name)
            done = self.triton("run", program, "--weights", path, "--input", image, "--output", self.path("y.bin"))
            self.assertEqual("the prefix 'module.' is taken off" in done.stderr, name == "wrapped.pth")
            with open(self.path("y.bin"), "rb") as data:
                outputs.append(data.read())
            self.assertIn("0.weight", [t["key"] for t in self.document("inspect", path)["tensors"]])
        self.assertEqual(outputs[0], outputs[1])
        # The first output by hand: the weight counts from 0 (saved channels-last), a fresh batch norm is the identity but for its eps.
        first = sum(k * (at % 7) for k, at in enumerate((0, 1, 4, 5, 16, 17, 20, 21))) + 0.5
        self.assertAlmostEqual(struct.unpack("<f", outputs[0][:4])[0], first / (1 + 1e-5) ** 0.5, places=3)

    def test_inspect_check_run_and_doctor(self):
        self.assertEqual(self.document("inspect", self.compiled())["entries"][0]["inputs"][0]["name"], "x")
        self.document("inspect", self.tiny)
        self.document("inspect", MLP_WEIGHTS)
        self.assertEqual(self.document("check", self.tiny)["files"][0]["errors"], 0)
        self.keys(self.document("doctor"), native_target=str, cores=int, targets=list)
        rows = self.file("x.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 8), }", bytes(96)))
        self.assertEqual(self.document("run", self.out, "--input", rows)["outputs"][0]["shape"], [3, 4])
        archive = self.path("x.npz")
        with zipfile.ZipFile(archive, "w") as members:
            members.write(rows, "x.npy")
            members.write(rows, "other.npy")
        self.assertEqual(self.document("run", self.out, "--input", archive)["outputs"][0]["shape"], [3, 4])

    def test_a_failure_is_one_document_too(self):
        bad = self.file("bad.tri", "model M(x: Tensor[N, 8]) -> Tensor[N, 8] { return y + z }\n")
        for words, status in ((["compile", bad], 1), (["check", bad], 1), (["test", bad], 1), (["bench", bad], 1), (["inspect", bad], 1),
                              (["run", bad, "--input", "none.npy"], 1), (["compile", "missing.tri"], 2), (["compile"], 2),
                              (["compile", self.tiny], 1), (["zoo", "eval", "nothing"], 2), (["bench", "missing.tern"], 3)):
            with self.subTest(words=words):
                document = self.document(*words, status=status)
                if words[0] != "check":
                    self.assertEqual(document["error"]["status"], status)
                    self.assertTrue(document["error"]["message"])
        diagnostics = self.document("compile", bad, status=1)["error"]["diagnostics"]
        self.assertEqual([d["code"] for d in diagnostics], ["TRI0201", "TRI0201"])


class Export(Cli):
    def test_torch(self):
        out = self.path("net.py")
        document = self.document("export", "torch", self.tiny, "-o", out)
        self.keys(document, program=str, output=str, model=str, parameters=int, quantizers=int)
        self.assertEqual(document["model"], "Tiny")
        with open(out) as file:
            text = file.read()
        compile(text, "net.py", "exec")  # Python can read it; what it computes needs PyTorch: tests/e2e/torch_module.py
        for part in ("class Tiny(TernaryModule)", 'self.declare("a.weight", (16, 8)', "def forward(self, x):"):
            self.assertIn(part, text)
        self.assertEqual(self.triton("export", "torch", self.tiny).stdout, text)
        for words, status, said in ((["torch"], 2, "triton export torch F.tri"), (["torhc", self.tiny], 2, "did you mean 'torch'?"),
                                    (["torch", self.path("none.tri")], 2, "none.tri"), (["torch", self.tiny, "--entry", "Tinny"], 2, "Tiny"),
                                    (["torch", self.tiny, "-o", "/dev/null/x.py"], 3, "/dev/null/x.py")):
            with self.subTest(words=words):
                self.assertIn(said, self.triton("export", *words, status=status).stderr)


class Usage(Cli):
    def test_help_everywhere(self):
        commands = ("compile", "check", "test", "run", "bench", "inspect", "profile", "zoo", "quantize", "export", "fmt", "doctor", "completion")
        overview = self.triton("--help").stdout
        for command in commands:
            self.assertIn(f"  {command} ", overview)
            text = self.triton(command, "--help").stdout
            self.assertIn("EXAMPLE", text)
            self.assertIn(f"triton {command}", text)
        version = self.triton("--version").stdout
        for word in ("LLVM 19", "targets", "build"):
            self.assertIn(word, version)

    def test_wrong_usage(self):
        for words, text in ((["compil", self.tiny], "did you mean 'compile'?"), (["compile", self.tiny, "--verbos"], "did you mean '--verbose'?"),
                            (["compile", self.tiny, "-O4"], "-O4"), (["compile", self.tiny, "--target", "x86-64-v9"], "x86-64-v9"),
                            (["zoo", "eval", "lenet-fashion-mnist"], "lenet5-fashion-mnist"), (["compile", self.tiny, "--emit=asd"], "did you mean"),
                            (["compile", self.tiny, "--entry", "Tinny", "--random-weights"], "Tiny"), ([], "USAGE"),
                            (["bench", self.tiny, "--random-weights", "--threads", "0"], "--threads")):
            with self.subTest(words=words):
                done = self.triton(*words, status=2)
                self.assertIn(text, done.stderr + done.stdout)
        self.assertEqual(self.left_behind(), ["tiny.tri"])

    def test_response_files(self):
        options = self.file("options", f"--random-weights -O1\n-o {self.out}\n")
        self.triton("compile", self.tiny, "@" + options)
        self.assertTrue(os.path.exists(self.out))
        self.triton("compile", self.tiny, "@none", status=2)

    def test_completion(self):
        words = lambda *given: self.triton("completion", *given).stdout.split()
        self.assertIn("compile", words("--", "triton", "comp"))
        self.assertIn("--target", words("--", "triton", "compile", "--ta"))
        self.assertNotIn("--limit", words("--", "triton", "compile", "--"))
        self.assertIn("resnet20-fashion-mnist", words("--", "triton", "zoo", "eval", "res"))
        native = self.document("doctor")["native_target"]
        self.assertIn(native, words("--", "triton", "compile", "--target", native[:-1]))
        self.assertIn("--target=x86-64,aarch64", words("--", "triton", "compile", "--target=x86-64,aar"))
        self.assertEqual(words("--", "triton", "quantize", "--method", "a"), ["absmean"])
        self.assertEqual(words("--", "triton", "quantize", "--s"), ["--samples", "--save-weights", "--scale", "--seed"])
        for shell in ("bash", "zsh", "fish"):
            self.assertIn("triton completion -- ", self.triton("completion", shell).stdout)
        self.triton("completion", "csh", status=2)

    def test_reproducer(self):
        self.file("part.tri", "let width = 16\n")
        program = self.file("whole.tri", "import \"part.tri\"\n" + TINY.replace("16", "width"))
        self.triton("compile", program, "--random-weights=7", "-o", self.out, "--reproducer", self.path("r.json"))
        with open(self.path("r.json")) as text:
            document = json.load(text)
        self.assertEqual([os.path.basename(f["path"]) for f in document["files"]], ["whole.tri", "part.tri"])
        self.assertEqual(document["files"][1]["text"], "let width = 16\n")
        self.assertEqual(document["options"]["--random-weights"], ["7"])

    def test_no_colour_in_a_pipe(self):
        done = self.triton("check", self.file("bad.tri", "let x =\n"), status=1)
        self.assertNotIn("\x1b", done.stderr)


class BadInput(Cli):
    """A message with a place, exit 1, nothing left behind."""

    def refused(self, words, *texts, status=1):
        before = self.left_behind()
        done = self.triton(*words, status=status)
        for text in texts:
            self.assertIn(text, done.stderr)
        self.assertEqual(self.left_behind(), before)

    def test_programs(self):
        for name, content in (("open.tri", "model M(x: Tensor[N, 2]) -> Tensor[N, 2] {\n  return (x\n"), ("bytes.tri", b"\xff\xfe\x00model"),
                              ("type.tri", "let x: int = \"text\"\n")):
            path = self.file(name, content)
            self.refused(["compile", path, "-o", self.out], f"{name}:")
            self.refused(["check", path], f"{name}:")

    def test_a_megabyte_of_garbage_is_diagnosed_quickly(self):
        # Generous: a hang or something quadratic takes minutes.
        for name, content in (("brackets.tri", b"((((" * 262144), ("words.tri", b"model let fn + - } { ) ( " * 40000), ("noise.tri", bytes(range(256)) * 4096)):
            path = self.file(name, content)
            begin = time.monotonic()
            self.refused(["check", path], f"{name}:1:")
            self.assertLess(time.monotonic() - begin, 60)

    def test_checkpoints(self):
        good = {"a.weight": {"dtype": "F32", "shape": [16, 8], "data_offsets": [0, 512]}}
        rows = (
            ("empty.safetensors", b"", "empty.safetensors"),
            ("short.safetensors", b"\x10\0\0", "short.safetensors"),
            ("header.safetensors", safetensors(b"{\"a\": "), "header.safetensors"),
            ("length.safetensors", struct.pack("<Q", 1 << 60) + b"{}", "length.safetensors"),
            ("range.safetensors", safetensors(good, bytes(100)), "a.weight"),
            ("overlap.safetensors", safetensors({**good, "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, bytes(512)), "overlap.safetensors"),
            ("dtype.safetensors", safetensors({"a.weight": {"dtype": "Q9", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)), "Q9"),
            ("shape.safetensors", safetensors({"a.weight": {"dtype": "F32", "shape": [8, 16], "data_offsets": [0, 512]}}, bytes(512)), "[16, 8]"),
        )
        for name, content, text in rows:
            with self.subTest(name=name):
                self.refused(["compile", self.tiny, "--weights", self.file(name, content), "-o", self.out], text)
        near = {"a.weigth": {"dtype": "F32", "shape": [16, 8], "data_offsets": [0, 512]}}
        self.refused(["compile", self.tiny, "--weights", self.file("near.safetensors", safetensors(near, bytes(512))), "-o", self.out],
                     "'a.weight'", "a.weigth", "'b.weight'")

    def test_checkpoints_that_ask_for_code(self):
        def pth(pickle):
            path = self.path("evil.pth")
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("evil/data.pkl", pickle)
            return path
        system = b"\x80\x02cos\nsystem\nX\x0c\x00\x00\x00touch /tmp/xx\x85R."
        self.refused(["compile", self.tiny, "--weights", pth(system), "-o", self.out], "evil.pth: evil/data.pkl: offset 2: refuses the global 'os.system'")
        self.refused(["inspect", pth(b"\x80\x02}\x81.")], "offset 3: refuses the opcode NEWOBJ")
        os.remove(self.path("evil.pth"))
        legacy = os.path.join(SOURCE, "tests", "unit", "tensor", "Inputs", "legacy.pth")
        self.refused(["compile", self.tiny, "--weights", legacy, "-o", self.out], "before 1.6")

    def test_wrong_shapes_name_both(self):
        wrong = {"a.weight": {"dtype": "F32", "shape": [8, 16], "data_offsets": [0, 512]}}
        self.refused(["compile", self.tiny, "--weights", self.file("w.safetensors", safetensors(wrong, bytes(512))), "-o", self.out],
                     "[16, 8]", "[8, 16]", "a.weight")

    def test_inputs(self):
        model = self.compiled()
        head = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }"
        rows = (("text.npy", b"hello", "text.npy"), ("magic.npy", b"\x93NUMPX\x01\x00", "magic.npy"), ("header.npy", npy("{'descr': ", b""), "header.npy"),
                ("size.npy", npy(head % "3, 8", bytes(95)), "size.npy"), ("huge.npy", npy(head % "4611686018427387904, 8", bytes(8)), "huge.npy"),
                ("rank.npy", npy(head % "3, 9", bytes(108)), "[N, 8]"), ("type.npy", npy(head.replace("<f4", "<f8") % "1, 8", bytes(64)), "type.npy"),
                ("raw.bin", bytes(33), "raw.bin"))
        for name, content, text in rows:
            with self.subTest(name=name):
                self.refused(["run", model, "--input", self.file(name, content), "--output", self.path("y.npy")], text)
        self.refused(["run", model, "--input", "none.npy"], "none.npy")

    def test_artifacts(self):
        with open(self.compiled(), "rb") as whole:
            good = whole.read()
        damaged = bytearray(good)
        damaged[-1] ^= 1
        for name, content, text in (("empty.tern", b"", "empty.tern"), ("magic.tern", b"x" * 4096, "magic.tern"), ("cut.tern", good[:-1], "cut.tern"),
                                    ("flip.tern", bytes(damaged), "checksum"), ("longer.tern", good + b"\0", "longer.tern")):
            path = self.file(name, content)
            for command in ("inspect", "bench"):
                with self.subTest(name=name, command=command):
                    self.refused([command, path], text)

    def test_images(self):
        folder = self.path("data")
        os.mkdir(folder)
        images = struct.pack(">IIII", 2051, 2, 28, 28) + bytes(2 * 784)
        labels = struct.pack(">II", 2049, 2) + bytes(2)
        rows = ((images[:100], labels, "t10k-images"), (images, labels[:9], "t10k-labels"), (b"\0\0\x0d\x03" + images[4:], labels, "t10k-images"),
                (struct.pack(">IIII", 2051, 1 << 31, 28, 28), labels, "t10k-images"), (images, struct.pack(">II", 2049, 3) + bytes(3), "t10k"))
        for index, (image_bytes, label_bytes, text) in enumerate(rows):
            with self.subTest(row=index):
                self.file("data/t10k-images-idx3-ubyte", image_bytes)
                self.file("data/t10k-labels-idx1-ubyte", label_bytes)
                self.refused(["zoo", "eval", "mlp-fashion-mnist", "--data-dir", folder], text)

    def test_places_that_cannot_be_written(self):
        self.refused(["compile", self.tiny, "--random-weights", "-o", self.path("no/folder/out.tern")], "no/folder", status=3)
        os.mkdir(self.path("taken.tern"))
        self.refused(["compile", self.tiny, "--random-weights", "-o", self.path("taken.tern")], "taken.tern", status=3)

    def test_an_interrupted_compile_leaves_no_file(self):
        program = os.path.join(ZOO, "resnet34-imagenet", "model.tri")
        before = self.left_behind()
        for delay in (0.05, 0.3, 0.6):
            process = subprocess.Popen([TRITON, "compile", program, "--random-weights", "-o", self.path("r.tern")], stderr=subprocess.DEVNULL,
                                       cwd=self.folder.name)
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            if process.wait() != 0:
                self.assertEqual(self.left_behind(), before)


class Quantize(Cli):
    """triton quantize: floats in, codes and scales out, and the report."""

    def checkpoint(self, name, tensors):
        header, data = {}, b""
        for key, (shape, values) in tensors.items():
            raw = struct.pack(f"<{len(values)}f", *values)
            header[key] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
            data += raw
        return self.file(name, safetensors(header, data))

    def setUp(self):
        super().setUp()
        noise = lambda n, seed: [((i * 7919 + seed * 104729) % 2003) / 1001 - 1 for i in range(n)]
        self.weights = self.checkpoint("w.safetensors", {"a.weight": ([16, 8], noise(128, 1)), "a.bias": ([16], noise(16, 2)),
                                                         "b.weight": ([4, 16], noise(64, 3)), "b.bias": ([4], noise(4, 4))})
        self.result = self.path("q.safetensors")

    def quantize(self, *words, **kwargs):
        return self.document("quantize", self.weights, "-o", self.result, *words, **kwargs)

    def stored(self):
        return {t["key"]: t for t in self.document("inspect", self.result)["tensors"]}

    def test_without_a_program(self):
        document = self.quantize()
        self.keys(document, input=str, output=str, input_bytes=int, output_bytes=int, sha256=str, samples=int, layers=list, notes=list)
        self.assertEqual([layer["key"] for layer in document["layers"]], ["a.weight", "b.weight"])
        for layer in document["layers"]:
            self.keys(layer, key=str, shape=list, storage=str, scales=int, sqnr_db=float, zero_fraction=float, bits_per_weight=NUMBER)
            self.assertTrue(2 < layer["sqnr_db"] < 20 and 0.1 < layer["zero_fraction"] < 0.6, layer)
        stored = self.stored()
        self.assertEqual((stored["a.weight"]["dtype"], stored["a.weight.scale"]["shape"], stored["a.bias"]["dtype"]), ("I8", [16], "F32"))
        self.assertEqual(document["layers"][0]["zero_fraction"], stored["a.weight"]["zero_fraction"])
        # What the compiler makes of the floats itself is the same network.
        scale = ["--calibrate", self.file("x.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 8), }", struct.pack("<24f", *range(24))))]
        runs = []
        for weights in (self.result, self.weights):
            self.triton("run", self.tiny, "--weights", weights, *scale, "--input", scale[1], "--output", self.path("y.npy"))
            with open(self.path("y.npy"), "rb") as data:
                runs.append(data.read())
        self.assertEqual(runs[0], runs[1])

    def test_methods_and_scales(self):
        found = {}
        for words in ("--method twn", "--method absmean", "--method stochastic --seed 3", "--method fixed --threshold 0.5", "--method learned", "--bits 1", "--bits 4", "--bits 8",
                      "--scale per_tensor", "--scale per_group --group 4"):
            document = self.quantize(*words.split())
            found[words] = (document["layers"][0]["sqnr_db"], document["layers"][0]["scales"], document["layers"][0]["storage"], document["sha256"])
        self.assertEqual(len({row[3] for row in found.values()}), len(found))
        self.assertGreater(found["--bits 8"][0], found["--bits 4"][0])
        self.assertGreater(found["--bits 4"][0], found["--method twn"][0])
        self.assertGreater(found["--method twn"][0], found["--bits 1"][0])
        self.assertGreater(found["--method learned"][0], found["--method twn"][0])
        self.assertEqual([found[w][1] for w in ("--method twn", "--scale per_tensor", "--scale per_group --group 4")], [16, 1, 32])
        self.assertEqual(self.quantize("--method", "stochastic", "--seed", "3", "--threads", "2")["sha256"], found["--method stochastic --seed 3"][3])

    def test_mixed_precision(self):
        document = self.quantize("--keep", "*=int8", "--keep", "b=float32")
        self.assertEqual([layer["storage"] for layer in document["layers"]], ["int8", "float32"])
        self.assertIsNone(document["layers"][1]["sqnr_db"])
        self.assertNotIn("b.weight.scale", self.stored())

    def test_for_a_program(self):
        norm = self.file("norm.tri", """use std.nn
@ternary
@acts(int8)
model Norm(x: Tensor[N, 8]) -> (y: Tensor[N, 4]) {
    let a = Linear(8, 16)
    let bn = BatchNorm1d(16)
    @weights(int8)
    let b = Linear(16, 4)
    return b(relu(bn(a(x))))
}
""")
        given = {"a.weight": ([16, 8], [(i % 13) / 6 - 1 for i in range(128)]), "a.bias": ([16], [0.1] * 16), "b.weight": ([4, 16], [(i % 11) / 5 - 1 for i in range(64)]),
                 "b.bias": ([4], [0] * 4), "bn.weight": ([16], [1] * 16), "bn.bias": ([16], [0.5] * 16), "bn.running_mean": ([16], [0.5] * 16),
                 "bn.running_var": ([16], [4] * 16), "left.over": ([1], [1])}
        self.weights = self.checkpoint("n.safetensors", given)
        samples = [((i * 37) % 101) / 50 - 1 for i in range(64 * 8)]
        x = self.file("x.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (64, 8), }", struct.pack("<512f", *samples)))
        document = self.quantize("--program", norm, "--calibrate", x)
        self.assertEqual([layer["storage"] for layer in document["layers"]], ["trit", "int8"])
        self.assertEqual((document["samples"], document["statistics"]), (64, 2))
        self.assertGreater(document["activation_scales"], 1)
        self.assertGreater(document["output_sqnr_db"], -20)
        for layer in document["layers"]:
            self.keys(layer, output_sqnr_db=float)
        self.assertIn("'left.over' is not used by the program", " ".join(document["notes"]))
        self.assertNotIn("left.over", self.stored())
        # It compiles without any more data, and kept statistics make another network.
        self.triton("compile", norm, "--weights", self.result, "-o", self.out)
        kept = self.quantize("--program", norm, "--calibrate", x, "--keep-statistics")
        self.assertEqual(kept["statistics"], 0)
        self.assertNotEqual(kept["sha256"], document["sha256"])
        # The statistics are those of what the first layer gives with its trits, on these samples.
        self.quantize("--program", norm, "--calibrate", x)
        with open(self.result, "rb") as data:
            content = data.read()
        size = struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8:8 + size])
        read = lambda key, form: struct.unpack(f"<{(header[key]['data_offsets'][1] - header[key]['data_offsets'][0]) // struct.calcsize(form)}{form}",
                                               content[8 + size + header[key]["data_offsets"][0]:8 + size + header[key]["data_offsets"][1]])
        codes, scales, bias = read("a.weight", "b"), read("a.weight.scale", "f"), read("a.bias", "f")
        for channel in (0, 7, 15):
            values = [sum(codes[channel * 8 + k] * samples[row * 8 + k] for k in range(8)) * scales[channel] + bias[channel] for row in range(64)]
            mean = sum(values) / 64
            self.assertAlmostEqual(read("bn.running_mean", "f")[channel], mean, places=4)
            self.assertAlmostEqual(read("bn.running_var", "f")[channel], sum((v - mean) ** 2 for v in values) / 63, places=4)

    def test_wrong_usage_and_input(self):
        for words, text in (([], "a checkpoint and a place"), ([self.weights], "a place for the result"), ([self.weights, "-o", "q.npz"], ".safetensors"),
                            ([self.weights, "-o", self.result, "--method", "tvn"], "did you mean 'twn'?"), ([self.weights, "-o", self.result, "--bits", "3"], "--bits 3"),
                            ([self.weights, "-o", self.result, "--keep", "a"], "LAYER=TYPE"), ([self.weights, "-o", self.result, "--keep", "a=int9"], "int9"),
                            ([self.weights, "-o", self.result, "--keep", "aa=int8"], "did you mean 'a'?"),
                            ([self.weights, "-o", self.result, "--method", "fixed"], "--threshold"), ([self.weights, "-o", self.result, "--threshold", "-1"], "--threshold"),
                            ([self.weights, "-o", self.result, "--scale", "per_group"], "--group"), ([self.weights, "-o", self.result, "--calibrate", "x.npy"], "--program"),
                            ([self.weights, "-o", self.result, "--program", self.tiny, "--keep", "aa=int8"], "did you mean 'a'?"), ([self.weights, "-o", self.result, "--program", self.tiny, "--bits", "8"], "--keep LAYER=TYPE"),
                            ([self.weights, "-o", self.result, "--program", self.tiny, "--scale", "per_group", "--group", "4"], "@ternary(scale=per_group, group=4)")):
            with self.subTest(words=words):
                self.assertIn(text, self.triton("quantize", *words, status=2).stderr)
        nan = self.checkpoint("nan.safetensors", {"a.weight": ([1, 2], [1, float("nan")])})
        self.assertIn("'a.weight' holds NaN at element 1", self.triton("quantize", nan, "-o", self.result, status=1).stderr)
        short = self.checkpoint("short.safetensors", {"a.weight": ([16, 9], [1] * 144), "a.bais": ([16], [1] * 16)})
        message = self.triton("quantize", short, "-o", self.result, "--program", self.tiny, status=1).stderr
        for text in ("[16, 9], expected [16, 8]", "no tensor 'a.bias'; the nearest key present is 'a.bais'", "no tensor 'b.weight'"):
            self.assertIn(text, message)
        self.assertFalse(os.path.exists(self.result))


class Sizes(Cli):
    def test_what_waits_for_the_batch_is_checked_when_a_session_opens(self):
        program = self.file("pairs.tri", TINY.replace("    return", "    assert shape(x)[0] % 2 == 0, \"rows come in pairs\"\n    return"))
        self.triton("compile", program, "--random-weights", "-o", self.out)
        row = lambda n: self.file(f"x{n}.bin", bytes(32 * n))
        self.triton("run", self.out, "--input", row(2))
        for words in (["run", self.out], ["run", program, "--random-weights", "--oracle"]):
            self.assertIn("rows come in pairs", self.triton(*words, "--input", row(3), status=1).stderr)
        self.assertIn("rows come in pairs", self.triton("compile", program, "--random-weights", "--batch", "3", "-o", self.out, status=1).stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])

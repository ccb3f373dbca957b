#!/usr/bin/env python3
"""Checkpoints of floats to ternary artifacts in one command, calibrated on everything that --calibrate takes.

What pictures and data sets give must be, byte for byte, what a .npy file with the same pixels gives; the artifact is the one that `compile`
makes of the saved weights. Usage: calibrate.py BIN_DIR INPUTS_DIR
"""
import gzip
import hashlib
import json
import pathlib
import shutil
import struct
import sys
import tempfile

from zoo_data import Triton, check, npy, planes, problems

PROGRAM = """use std.nn
@ternary
@acts(int8)
@preprocess(image, mean=[%(mean)s], std=[%(std)s])
model Small(image: Tensor[N, %(c)d, %(h)d, %(h)d, uint8|float32]) -> (logits: Tensor[N, 10]) {
    let conv = Conv2d(%(c)d, 8, 3, padding=1, bias=false)
    let bn = BatchNorm2d(8)
    let fc = Linear(%(features)d, 10)
    return fc(flatten(relu(bn(conv(image)))))
}
"""


def noise(count, seed):
    return [((i * 2654435761 + seed * 40503) % 2003) / 1001 - 1 for i in range(count)]


def checkpoint(path, channels, side):
    tensors = {"conv.weight": [8, channels, 3, 3], "bn.weight": [8], "bn.bias": [8], "bn.running_mean": [8], "bn.running_var": [8],
               "fc.weight": [10, 8 * side * side], "fc.bias": [10]}
    header, data = {}, b""
    for seed, (key, shape) in enumerate(sorted(tensors.items())):
        count = 1
        for size in shape:
            count *= size
        values = [1.0] * count if key in ("bn.weight", "bn.running_var") else noise(count, seed)
        raw = struct.pack(f"<{count}f", *values)
        header[key] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Network:
    def __init__(self, triton, work, name, channels, side):
        self.triton, self.work, self.channels, self.side = triton, work, channels, side
        self.program, self.floats = work / f"{name}.tri", work / f"{name}.safetensors"
        numbers = lambda values: ", ".join(map(str, values[:channels]))
        self.program.write_text(PROGRAM % {"c": channels, "h": side, "features": 8 * side * side, "mean": numbers([0.4, 0.5, 0.6]),
                                           "std": numbers([0.2, 0.3, 0.25])})
        checkpoint(self.floats, channels, side)

    def quantize(self, source, *words, out="q.safetensors", status=0):
        return self.triton.json("quantize", self.floats, "--program", self.program, "--calibrate", source, "-o", self.work / out, *words, status=status)

    def array(self, name, pixels):
        """The pixels as a .npy file; all samples of it count."""
        path = self.work / name
        npy(path, "|u1", (len(pixels) // (self.channels * self.side ** 2), self.channels, self.side, self.side), pixels)
        return path

    def same(self, what, source, pixels, *words):
        found, truth = self.quantize(source, *words), self.quantize(self.array("same.npy", pixels))
        check(what, found.get("sha256") == truth.get("sha256") and found.get("samples") == truth.get("samples"), (found, truth))


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pictures(net, inputs, work):
    rgb, portrait = (planes(inputs / f"{name}-32-28x28-bilinear.rgb")[2] for name in ("rgb", "portrait"))
    flat, classes = work / "flat", work / "classes"
    for place, name in ((flat, "a.jpg"), (classes / "train" / "n02", "a.jpg"), (classes / "val" / "n01", "other.jpg")):
        place.mkdir(parents=True)
        shutil.copy(inputs / "rgb.jpg", place / name)
    (classes / "train" / "n01").mkdir()
    for place in (flat / "b.png", classes / "train" / "n01" / "z.png"):
        shutil.copy(inputs / "portrait.png", place)
    net.same("a flat folder", flat, rgb + portrait)
    net.same("folders of classes, training images", classes, portrait + rgb)
    net.same("a picture", flat / "a.jpg", rgb)
    net.same("--samples", classes, portrait, "--samples", "1")
    net.same("--resize", flat, rgb + portrait, "--resize", "32")
    other = net.quantize(flat, "--resize", "40")
    check("another --resize", other["sha256"] != net.quantize(flat)["sha256"], other)
    # The compiler calibrates on them too, where scales are missing; nothing of that is answered by the cache.
    for source, name in ((flat, "f.tern"), (net.array("same.npy", rgb + portrait), "n.tern")):
        net.triton("compile", net.program, "--weights", net.floats, "--calibrate", source, "-o", work / name)
    check("compile --calibrate DIR", digest(work / "f.tern") == digest(work / "n.tern"))
    (flat / "b.png").unlink()
    said = net.triton.json("compile", net.program, "--weights", net.floats, "--calibrate", flat, "-o", work / "f.tern")
    check("a folder that changed", said.get("cache") != "hit" and digest(work / "f.tern") != digest(work / "n.tern"), said)
    few = [net.triton.json("compile", net.program, "--weights", net.floats, "--calibrate", work / "same.npy", "--samples", n, "-o", work / f"{n}.tern")
           for n in ("1", "2", "1")]
    check("--samples and the cache", digest(work / "1.tern") == digest(work / "f.tern") and digest(work / "2.tern") == digest(work / "n.tern") and
          few[2].get("cache") == "hit", few)
    return flat, rgb + portrait


def data_sets(triton, work):
    image = lambda i, size: bytes((i * 31 + k * (i + 1)) % 256 for k in range(size))
    cifar = Network(triton, work, "cifar", 3, 32)
    folder = work / "cifar" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for part in range(5):
        (folder / f"data_batch_{part + 1}.bin").write_bytes(b"".join(bytes([i % 10]) + image(i, 3072) for i in (2 * part, 2 * part + 1)))
    cifar.same("CIFAR", work / "cifar", b"".join(image(i, 3072) for i in range(10)))
    cifar.same("CIFAR, some, spread", folder, b"".join(image(i, 3072) for i in (0, 3, 6)), "--samples", "3")
    (folder / "data_batch_3.bin").write_bytes(b"short")
    failed = cifar.quantize(folder, status=1)
    check("damaged CIFAR", "data_batch_3.bin: 5 bytes are no whole number" in failed["error"]["message"], failed)
    gray = Network(triton, work, "gray", 1, 8)
    folder = work / "idx"
    folder.mkdir()
    with gzip.open(folder / "train-images-idx3-ubyte.gz", "wb") as out:
        out.write(struct.pack(">IIII", 0x803, 200, 8, 8) + b"".join(image(i, 64) for i in range(200)))
    gray.same("IDX, 128 if nothing is said", folder, b"".join(image(i * 200 // 128, 64) for i in range(128)))
    with gzip.open(folder / "train-images-idx3-ubyte.gz", "wb") as out:
        out.write(struct.pack(">IIII", 0x803, 200, 8, 8) + b"too few")
    failed = gray.quantize(folder, status=1)
    check("damaged IDX", "train-images-idx3-ubyte.gz" in failed["error"]["message"], failed)


def artifacts(net, source, pixels, work):
    """One command gives what two do."""
    tern, saved, again = work / "net.tern", work / "saved.safetensors", work / "again.tern"
    made = net.quantize(source, "--save-weights", saved, out="net.tern")
    check("sha256", made["sha256"] == digest(tern) and made["output_bytes"] == tern.stat().st_size and made["weights"] == str(saved), made)
    net.triton("compile", net.program, "--weights", saved, "-o", again)
    check("the artifact", digest(again) == digest(tern))
    alone = net.quantize(source, "-O0", out="alone.tern")
    check("without the weights", alone["weights"] is None and net.triton.json("inspect", work / "alone.tern")["opt"] == 0, alone)
    npy(work / "x.npy", "|u1", (len(pixels) // (3 * 28 * 28), 3, 28, 28), pixels)
    for network in (tern, work / "alone.tern"):
        net.triton("run", network, "--input", work / "x.npy", "-o", network.with_suffix(".npy"))
    check("levels", digest(work / "net.npy") == digest(work / "alone.npy"))

    # Codes have no fp32 twin, and are calibrated all the same.
    codes = net.triton.json("quantize", saved, "--program", net.program, "--calibrate", source, "-o", work / "codes.safetensors")
    check("codes", codes.get("samples") == 2 and codes.get("agreement") is None and "holds codes already" in " ".join(codes.get("notes", [])), codes)

    # The report says which layers lose most, and --keep acts on it.
    rows = lambda document: {row["key"]: row for row in document["layers"]}
    base = rows(net.quantize(source, "--keep-statistics"))  # made-up statistics are far from what the twin's layers give
    check("outputs of layers", all(isinstance(row["output_sqnr_db"], float) and row["output_sqnr_db"] < 40 for row in base.values()), base)
    kept = net.quantize(source, "--keep-statistics", "--keep", "conv=int8", "--save-weights", saved, out="kept.tern")
    better = rows(kept)
    check("--keep", better["conv.weight"]["storage"] == "int8" and better["fc.weight"]["storage"] == "trit", better)
    check("--keep helps", better["conv.weight"]["output_sqnr_db"] > base["conv.weight"]["output_sqnr_db"] + 5, (base, better))
    net.triton("compile", net.program, "--keep", "conv=int8", "--weights", saved, "-o", again)
    check("compile --keep", digest(again) == digest(work / "kept.tern"))
    said = net.triton("compile", net.program, "--weights", saved, "-o", work / "no.tern", status=1).stderr
    check("the rule is needed", "codes of trit are -1..1" in said, said)
    floats = rows(net.quantize(source, "--keep", "*=float32", "--keep-statistics", out="floats.tern"))
    check("floats", all(row["sqnr_db"] is None and row["output_sqnr_db"] > 25 for row in floats.values()), floats)
    for words, text in ((["--keep", "covn=int8"], "did you mean 'conv'?"), (["--keep", "conv=int9"], "there are float32")):
        check("--keep", text in net.triton("compile", net.program, *words, "--random-weights", "-o", work / "no.tern", status=2).stderr, words)
    text = net.triton("quantize", net.floats, "--program", net.program, "--calibrate", source, "-o", tern).stdout
    check("the table", "output dB" in text and "2 samples" in text and "fc.weight" in text, text)


def wrong(net, flat, work):
    def fails(source, said, *words, status=1):
        failed = net.quantize(source, *words, out="wrong.tern", status=status)
        check(f"{source.name} {words}", said in failed.get("error", {}).get("message", ""), failed)
        check("nothing is left", not (work / "wrong.tern").exists())

    empty = work / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("nothing")
    fails(empty, "no data set here; expected JPEG or PNG files", status=3)
    fails(work / "nowhere.npy", "nowhere.npy")
    fails(flat, "too small to cut out 28 x 28", "--resize", "20")
    fails(flat, "--samples", "--samples", "0", status=2)
    (flat / "c.jpg").write_bytes((flat / "a.jpg").read_bytes()[:300])
    fails(flat, "c.jpg: ")
    fails(flat / "c.jpg", "c.jpg: ")
    (flat / "c.jpg").unlink()
    (flat / "d.bmp").write_bytes(b"BM")
    fails(flat, "d.bmp: only JPEG and PNG are read")
    (flat / "d.bmp").unlink()
    (work / "text.npy").write_text("no array")
    fails(work / "text.npy", "text.npy")
    npy(work / "shape.npy", "|u1", (2, 3, 27, 27), bytes(2 * 3 * 27 * 27))
    fails(work / "shape.npy", "[2, 3, 27, 27]")
    flat_input = work / "vector.tri"
    flat_input.write_text("use std.nn\n@ternary\n@acts(int8)\nmodel V(x: Tensor[N, 7]) -> (y: Tensor[N, 2]) {\n    let a = Linear(7, 2)\n    return a(x)\n}\n")
    said = net.triton("compile", flat_input, "--random-weights", "--calibrate", flat, "-o", work / "wrong.tern", status=1).stderr
    check("no pictures", "input 'x' takes no pictures" in said, said)
    for words, said in ((["--samples", "3", "-o", "q.safetensors"], "give both"), (["-o", "q.tern"], "--program"), (["-o", "q.bin"], ".safetensors"),
                        (["-o", "q.safetensors", "--save-weights", "w.safetensors"], "-o OUT.tern")):
        check(words, said in net.triton("quantize", net.floats, *words, status=2).stderr)


def main():
    triton, inputs = Triton(sys.argv[1]), pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as temp:
        work = pathlib.Path(temp)
        net = Network(triton, work, "net", 3, 28)
        try:
            flat, pixels = pictures(net, inputs, work)
            shutil.copy(inputs / "portrait.png", flat / "b.png")
            data_sets(triton, work)
            artifacts(net, flat, pixels, work)
            wrong(net, flat, work)
        except KeyError as key:  # a command failed, which is in the list
            problems.append(f"no {key}")
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""`zoo eval` on every format of data set, and pictures as inputs of `run`, `bench` and `profile`.

One small network of made-up weights sees the same pictures as a folder, as arrays and one by one; what Pillow and torchvision made of them
(tests/unit/zoo/make_pictures.py) is the truth. Usage: zoo_data.py BIN_DIR INPUTS_DIR
"""
import array
import hashlib
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import xml.dom.minidom

PROGRAM = """use std.nn
@ternary
@acts(int8)
@preprocess(image, mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.25])
model Small(image: Tensor[N, 3, %(h)d, %(w)d, uint8|float32]) -> (logits: Tensor[N, %(classes)d]) {
    let conv = Conv2d(3, 8, 3, padding=1)
    let fc = Linear(%(features)d, %(classes)d)
    return fc(flatten(relu(conv(image))))
}
"""
problems = []


def check(what, condition, detail=""):
    if not condition:
        problems.append(f"{what}: {detail}")


class Triton:
    def __init__(self, folder):
        self.program = str(pathlib.Path(folder) / "triton")

    def __call__(self, *words, status=0):
        done = subprocess.run([self.program, *map(str, words)], capture_output=True, text=True)
        check(" ".join(map(str, words)), done.returncode == status, f"exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def json(self, *words, status=0):
        done = self(*words, "--json", status=status)
        try:
            return json.loads(done.stdout)
        except ValueError:
            problems.append(f"{words}: no JSON: {done.stdout[:200]}")
            return {}


def npy(path, descr, shape, data):
    header = str({"descr": descr, "fortran_order": False, "shape": tuple(shape)})
    header += " " * ((-len(header) - 11) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data)


def planes(path):
    """The pixels that Pillow gave, as planes."""
    data = path.read_bytes()
    width, height = struct.unpack("<HH", data[:4])
    return width, height, b"".join(data[4 + c::3] for c in range(3))


def compiled(triton, folder, name, h, w, classes):
    source, artifact = folder / f"{name}.tri", folder / f"{name}.tern"
    source.write_text(PROGRAM % {"h": h, "w": w, "classes": classes, "features": 8 * h * w})
    calibration = folder / f"{name}-calibration.npy"
    npy(calibration, "|u1", (2, 3, h, w), bytes(i * 37 % 256 for i in range(2 * 3 * h * w)))
    triton("compile", source, "--random-weights=3", "--calibrate", calibration, "-o", artifact)
    return artifact


def class_of(triton, artifact, *words):
    data = triton.json("run", artifact, *words)["outputs"][0]["data"]
    return data.index(max(data))


def folders(triton, inputs, work):
    """The pictures of a folder are those that torchvision's Resize(32) and CenterCrop(28) make."""
    artifact = compiled(triton, work, "folder", 28, 28, 2)
    cases = [("rgb.jpg", "rgb-32-28x28-bilinear", "n02"), ("portrait.png", "portrait-32-28x28-bilinear", "n01")]
    expected, arrays = [], b""
    for picture, case, label in sorted(cases, key=lambda c: c[2]):
        place = work / "pictures" / "val" / label
        place.mkdir(parents=True)
        shutil.copy(inputs / picture, place / picture)
        width, height, pixels = planes(inputs / f"{case}.rgb")
        check(case, (width, height) == (28, 28))
        arrays += pixels
        npy(work / "one.npy", "|u1", (1, 3, 28, 28), pixels)
        truth = class_of(triton, artifact, "--input", work / "one.npy")
        expected.append(truth)
        # 32 is 8/7 of 28: what pictures are resized to where nothing else is said.
        given = triton("run", artifact, "--input", place / picture, "-o", work / "given.npy")
        check("a note on resizing", "the shorter side resized to 32" in given.stderr, given.stderr)
        triton("run", artifact, "--input", work / "one.npy", "-o", work / "truth.npy")
        check(f"run {picture}", (work / "given.npy").read_bytes() == (work / "truth.npy").read_bytes())
        check(f"run --resize {picture}", class_of(triton, artifact, "--input", f"image={place / picture}", "--resize", "32") == truth)
    digest = hashlib.sha256(bytes(expected)).hexdigest()
    correct = sum(label == truth for label, truth in enumerate(expected))
    result = triton.json("zoo", "eval", artifact, "--data-dir", work / "pictures", "--resize", "32", "--html", work / "report.html")
    check("folder", (result["predictions_sha256"], result["correct"], result["data_format"]) == (digest, correct, "folder"), result)
    check("folder classes", [c["name"] for c in result["classes"]] == ["n01", "n02"], result["classes"])
    report(work / "report.html", 2)

    data = work / "arrays"
    data.mkdir()
    npy(data / "images.npy", "|u1", (2, 3, 28, 28), arrays)
    npy(data / "labels.npy", "<i8", (2,), struct.pack("<2q", 0, 1))
    for batch in ("1", "2"):
        same = triton.json("zoo", "eval", artifact, "--data-dir", data, "--batch", batch)
        check("npy", (same["predictions_sha256"], same["correct"], same["data_format"]) == (digest, correct, "npy"), same)
    floats = array.array("f", (value / 255 for value in arrays))
    means, stds = [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]
    for i in range(len(floats)):
        channel = i // (28 * 28) % 3
        floats[i] = (floats[i] - means[channel]) / stds[channel]
    npy(data / "images.npy", "<f4", (2, 3, 28, 28), floats.tobytes())
    same = triton.json("zoo", "eval", artifact, "--data-dir", data)
    check("float npy", same["predictions_sha256"] == digest, same)

    for command in ("bench", "profile"):
        words = ["--warmup", "1", "--iterations", "3"] + (["--no-peaks"] if command == "profile" else [])
        timed = triton.json(command, artifact, "--input", work / "pictures/val/n02/rgb.jpg", *words)
        check(command, timed.get("input") == "given" and timed.get("batch") == 1, timed)

    # Failures name the file and why.
    failed = triton.json("zoo", "eval", artifact, "--data-dir", work / "pictures", status=1)
    check("no --resize", "40 x 77 pixels, the network takes 28 x 28; --resize" in failed["error"]["message"], failed)
    (work / "pictures/val/n01/zz.png").write_bytes((inputs / "portrait.png").read_bytes()[:500])
    failed = triton.json("zoo", "eval", artifact, "--data-dir", work / "pictures", "--resize", "32", status=1)
    check("truncated", "zz.png: not a readable PNG: the file is truncated" in failed["error"]["message"], failed)
    (work / "no.jpg").write_text("this is no picture")
    check("run no.jpg", "no.jpg: neither a JPEG nor a PNG" in triton("run", artifact, "--input", work / "no.jpg", status=1).stderr)
    triton("zoo", "eval", artifact, "--data-dir", work / "nowhere", status=3)
    triton("zoo", "eval", artifact, status=2)


def cifar(triton, work):
    artifact = compiled(triton, work, "cifar", 32, 32, 10)
    images = [bytes((i * 31 + k * (i + 1)) % 256 for k in range(3072)) for i in range(5)]
    labels = [3, 1, 4, 1, 5]
    data = work / "cifar"
    data.mkdir()
    (data / "test_batch.bin").write_bytes(b"".join(bytes([l]) + image for l, image in zip(labels, images)))
    (data / "batches.meta.txt").write_text("a\nb\nc\nd\ne\nf\ng\nh\ni\n<j>\n")
    expected = []
    for image in images:
        npy(work / "one.npy", "|u1", (1, 3, 32, 32), image)
        expected.append(class_of(triton, artifact, "--input", work / "one.npy"))
    result = triton.json("zoo", "eval", artifact, "--data-dir", data, "--batch", "2", "--html", work / "cifar.html")
    check("cifar", result["predictions_sha256"] == hashlib.sha256(bytes(expected)).hexdigest(), result)
    check("cifar correct", result["correct"] == sum(l == e for l, e in zip(labels, expected)), result)
    matrix = [[0] * 10 for _ in range(10)]
    for label, predicted in zip(labels, expected):
        matrix[label][predicted] += 1
    check("confusion", result["confusion"] == matrix and result["confusion_pairs"] is None, result["confusion"])
    check("classes", [c["images"] for c in result["classes"]] == [labels.count(c) for c in range(10)], result["classes"])
    check("a class without images", result["classes"][0]["accuracy"] is None, result["classes"][0])
    for key in ("top5_accuracy", "peak_rss_bytes", "workspace_bytes", "arena_bytes", "p95_ms", "data_wait_s", "sparsity", "artifact_bytes"):
        check(key, isinstance(result.get(key), (int, float)), result.get(key))
    report(work / "cifar.html", 10)
    limited = triton.json("zoo", "eval", artifact, "--data-dir", data, "--limit", "3")
    check("--limit", limited["predictions_sha256"] == hashlib.sha256(bytes(expected[:3])).hexdigest(), limited)

    # More classes than a matrix is written for, with two bytes a prediction.
    wide = compiled(triton, work, "wide", 4, 4, 300)
    arrays = work / "wide"
    arrays.mkdir()
    npy(arrays / "images.npy", "|u1", (7, 3, 4, 4), bytes(i * 91 % 256 for i in range(7 * 48)))
    npy(arrays / "labels.npy", "<i2", (7,), struct.pack("<7h", *range(290, 297)))
    result = triton.json("zoo", "eval", wide, "--data-dir", arrays, "--html", work / "wide.html")
    check("pairs", result["confusion"] is None and sum(p[2] for p in result["confusion_pairs"]) == 7, result["confusion_pairs"])
    classes = [p[1] for p in sorted(result["confusion_pairs"])]
    check("two bytes a class", result["predictions_sha256"] == hashlib.sha256(struct.pack("<7H", *classes)).hexdigest(), classes)
    report(work / "wide.html", 300)


def report(path, classes):
    text = path.read_text()
    pictures = re.findall(r"<svg.*?</svg>", text, re.S)
    check(path.name, len(pictures) == (2 if classes <= 100 else 1), len(pictures))
    for picture in pictures:
        xml.dom.minidom.parseString(picture)
    check(path.name, "http" not in text and "nan" not in text, "something is fetched, or no number")


def main():
    triton, inputs = Triton(sys.argv[1]), pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as temp:
        folders(triton, inputs, pathlib.Path(temp))
        cifar(triton, pathlib.Path(temp))
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

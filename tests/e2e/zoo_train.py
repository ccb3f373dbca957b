#!/usr/bin/env python3
"""`triton zoo train` from the recipe to weights that `triton zoo eval` accepts, on a small data set of its own: the same bytes with one
thread, with two, and after an interruption; the artifact's classes are those of the trainer's integer model; and what was trained can
teach another network.

Usage: zoo_train.py TRITON_BIN_DIR
"""
import gzip
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib

from e2e import exit_status

NAME = "lenet5-fashion-mnist"
PUPIL = "mlp-fashion-mnist"


def write_images(folder, prefix, count, seed):
    """Bars whose place tells the class, under noise."""
    draw = random.Random(seed)
    labels = bytes(draw.randrange(10) for _ in range(count))
    pixels = bytearray()
    for label in labels:
        for y in range(28):
            pixels += bytes(draw.randrange(90) + (150 if 2 * label + 3 <= y < 2 * label + 6 else 0) for _ in range(28))
    with gzip.open(os.path.join(folder, prefix + "-images-idx3-ubyte.gz"), "wb", 1) as f:
        f.write(struct.pack(">IIII", 0x803, count, 28, 28) + pixels)
    with gzip.open(os.path.join(folder, prefix + "-labels-idx1-ubyte.gz"), "wb", 1) as f:
        f.write(struct.pack(">II", 0x801, count) + labels)


def read(path):
    with open(path, "rb") as f:
        return f.read()


COLOUR = """use std.nn
@ternary
@acts(int8)
@preprocess(image, mean=[0.5, 0.4, 0.6], std=[0.25, 0.2, 0.3])
model Colour(image: Tensor[N, 3, 32, 32, uint8|float32]) -> (logits: Tensor[N, 10]) {
    @weights(int8)
    let conv = Conv2d(3, 8, 3, padding=1, bias=false)
    let bn = BatchNorm2d(8)
    let more = Conv2d(8, 16, 3, stride=4, padding=1, bias=false)
    let norm = BatchNorm2d(16)
    @weights(int8)
    let fc = Linear(1024, 10)
    return fc(flatten(relu(norm(more(relu(bn(conv(image))))))))
}
"""


def png(path, width, height, planes):
    """8-bit RGB from planes of width x height."""
    size = width * height
    rows = b"".join(b"\0" + bytes(planes[c * size + y * width + x] for x in range(width) for c in range(3)) for y in range(height))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def colour_images(count, seed):
    """(label, planes of 32 x 32): a bar whose place tells the class, in a colour under noise."""
    draw = random.Random(seed)
    for i in range(count):
        label = i % 10
        yield label, bytes(min(255, draw.randrange(80) + (150 - 40 * c if 3 * label <= y < 3 * label + 3 else 0))
                           for c in range(3) for y in range(32) for _ in range(32))


def train_in_colour(triton, top, problems):
    """The same images as CIFAR's files and as pictures in folders: the artifact agrees with the trainer on both."""
    zoo, cifar, pictures = os.path.join(top, "colour-zoo"), os.path.join(top, "cifar"), os.path.join(top, "pictures")
    os.makedirs(os.path.join(cifar, "cifar-10-batches-bin"))
    training, test = list(colour_images(100, 1)), list(colour_images(30, 2))
    record = lambda images: b"".join(bytes([label]) + planes for label, planes in images)
    for part in range(5):
        with open(os.path.join(cifar, "cifar-10-batches-bin", f"data_batch_{part + 1}.bin"), "wb") as f:
            f.write(record(training[20 * part:20 * part + 20]))
    with open(os.path.join(cifar, "cifar-10-batches-bin", "test_batch.bin"), "wb") as f:
        f.write(record(test))
    for part, images in (("train", training), ("val", test)):
        for i, (label, planes) in enumerate(images):
            folder = os.path.join(pictures, part, f"class{label}")
            os.makedirs(folder, exist_ok=True)
            png(os.path.join(folder, f"{i:03}.png"), 32, 32, planes)
    for name, dataset, data in (("colour-cifar10", "cifar10", cifar), ("colour-pictures", "imagenet", pictures)):
        folder = os.path.join(zoo, name)
        os.makedirs(folder)
        with open(os.path.join(folder, "model.tri"), "w") as f:
            f.write(COLOUR)
        manifest = {"dataset": dataset}
        if dataset == "imagenet":
            manifest["preprocessing"] = {"resize": 32, "interpolation": "bilinear"}
        with open(os.path.join(folder, "manifest.json"), "w") as f:
            json.dump(manifest, f)
        with open(os.path.join(folder, "recipe.json"), "w") as f:
            json.dump({"model": name, "batch": 20, "shards": 2, "augment": {"flip": True, "shift": 1, "erase": 4},
                       "phases": [{"name": "fp32", "epochs": 2, "learning_rate": 0.01},
                                  {"name": "ternary", "quantize": True, "epochs": 2, "learning_rate": 0.01}]}, f)
        environment = dict(os.environ, TRITON_DSL_ZOO=zoo)
        out = os.path.join(top, name)
        done = subprocess.run([triton, "zoo", "train", name, "--data-dir", data, "--threads", "2", "-o", out], env=environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            problems.append(f"{name}: {done.stderr}")
            continue
        made = json.loads(read(os.path.join(out, "manifest.json")))
        if made["dataset"] != dataset or made["test_images"] != 30:
            problems.append(f"{name}: the manifest says {made}")
        found = json.loads(subprocess.run([triton, "zoo", "eval", name, "--json", "--data-dir", data, "--weights", os.path.join(out, "weights.safetensors")],
                                          check=True, env=environment, stdout=subprocess.PIPE).stdout)
        print(f"{name}: {found['correct']} of {found['images']} correct")
        for key in ("correct", "predictions_sha256"):
            if found[key] != made[key]:
                problems.append(f"{name}: {key}: the artifact says {found[key]}, the trainer {made[key]}")
    # What is wrong with the data is said before anything is trained.
    with open(os.path.join(pictures, "train", "class3", "zz.png"), "wb") as f:
        f.write(b"no picture")
    failed = subprocess.run([triton, "zoo", "train", "colour-pictures", "--data-dir", pictures, "-o", os.path.join(top, "wrong")], env=environment,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if failed.returncode != 1 or "zz.png: neither a JPEG nor a PNG" not in failed.stderr:
        problems.append(f"a broken picture: {failed.returncode} {failed.stderr}")
    failed = subprocess.run([triton, "zoo", "train", "colour-pictures", "--data-dir", os.path.join(pictures, "val"), "-o", os.path.join(top, "wrong")],
                            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if failed.returncode != 1 or "training and test images are the same" not in failed.stderr:
        problems.append(f"no test images: {failed.returncode} {failed.stderr}")


def main():
    triton = os.path.join(sys.argv[1], "triton")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "model_zoo", NAME)
    with tempfile.TemporaryDirectory() as top:
        data, zoo = os.path.join(top, "data"), os.path.join(top, "zoo")
        os.makedirs(data)
        write_images(data, "train", 1024, 1)
        write_images(data, "t10k", 500, 2)
        shutil.copytree(source, os.path.join(zoo, NAME))
        recipe = json.loads(read(os.path.join(zoo, NAME, "recipe.json")))
        recipe.update(batch=64, shards=2)
        for phase in recipe["phases"]:
            phase["epochs"] = 4
        with open(os.path.join(zoo, NAME, "recipe.json"), "w") as f:
            json.dump(recipe, f)
        environment = dict(os.environ, TRITON_DSL_ZOO=zoo)

        def train(folder, threads):
            return [triton, "zoo", "train", NAME, "--data-dir", data, "--threads", str(threads), "-o", os.path.join(top, folder)]

        subprocess.run(train("one", 1), check=True, env=environment, stdout=subprocess.DEVNULL)
        subprocess.run(train("two", 2), check=True, env=environment, stdout=subprocess.DEVNULL)
        # Interrupted once some epochs are in the log, then started again.
        log = os.path.join(top, "cut", "train", "log.jsonl")
        cut = subprocess.Popen(train("cut", 2), env=environment, stdout=subprocess.DEVNULL)
        while cut.poll() is None and not (os.path.exists(log) and read(log).count(b"\n") >= 3):
            time.sleep(0.01)
        cut.send_signal(signal.SIGINT)
        print("interrupted run ended with", cut.wait())
        subprocess.run(train("cut", 2), check=True, env=environment, stdout=subprocess.DEVNULL)

        problems = []
        weights = read(os.path.join(top, "one", "weights.safetensors"))
        for other in ("two", "cut"):
            if read(os.path.join(top, other, "weights.safetensors")) != weights:
                problems.append(f"run '{other}' gave other weights")
        epochs = [json.loads(line) for line in read(log).splitlines()]
        if [(e["phase"], e["epoch"]) for e in epochs] != [(p["name"], e + 1) for p in recipe["phases"] for e in range(4)]:
            problems.append(f"the log has other epochs: {epochs}")
        for file in ("weights.safetensors", "manifest.json"):
            shutil.copy(os.path.join(top, "one", file), os.path.join(zoo, NAME, file))
        manifest = json.loads(read(os.path.join(zoo, NAME, "manifest.json")))
        found = json.loads(subprocess.run([triton, "zoo", "eval", NAME, "--json", "--data-dir", data], check=True, env=environment,
                                          stdout=subprocess.PIPE).stdout)
        print(f"{found['correct']} of {found['images']} correct")
        for key in ("correct", "predictions_sha256"):
            if found[key] != manifest[key]:
                problems.append(f"{key}: the artifact says {found[key]}, the trainer {manifest[key]}")
        if found["correct"] < 400:
            problems.append("the network learned nothing")

        # A perceptron that learns from the network above: its recipe names it, and the manifest says from which weights.
        shutil.copytree(os.path.join(source, "..", PUPIL), os.path.join(zoo, PUPIL))
        pupil = json.loads(read(os.path.join(zoo, PUPIL, "recipe.json")))
        pupil.update(batch=64, shards=2, teacher_model=NAME)
        for phase in pupil["phases"]:
            phase.update(epochs=4, teacher=NAME, teacher_cache=True, distill=0.9)
        with open(os.path.join(zoo, PUPIL, "recipe.json"), "w") as f:
            json.dump(pupil, f)
        learn = [triton, "zoo", "train", PUPIL, "--data-dir", data, "-o", os.path.join(top, "pupil")]
        subprocess.run(learn, check=True, env=environment, stdout=subprocess.DEVNULL)
        taught = json.loads(read(os.path.join(top, "pupil", "manifest.json")))
        print(f"the pupil has {taught['correct']} correct")
        if (taught["teacher"], taught["teacher_sha256"]) != (NAME, manifest["sha256"]):
            problems.append(f"the pupil's manifest names the teacher {taught['teacher']}, {taught['teacher_sha256']}")
        if taught["correct"] < 150:
            problems.append("the pupil learned nothing")
        with open(os.path.join(zoo, NAME, "weights.safetensors"), "ab") as f:
            f.write(b"x")
        spoilt = subprocess.run(learn, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if spoilt.returncode == 0 or manifest["sha256"] not in spoilt.stderr:
            problems.append(f"a teacher with other weights than its manifest's was taken: {spoilt.returncode} {spoilt.stderr}")
        train_in_colour(triton, top, problems)
        return exit_status(problems)


if __name__ == "__main__":
    sys.exit(main())

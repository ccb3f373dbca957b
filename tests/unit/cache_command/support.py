"""A project with everything that a compile can read, and calls of `triton compile` on it."""
import hashlib
import json
import os
import pathlib
import struct
import subprocess

PROGRAM = """use std.nn
import "block.tri"

let width = 16

@ternary(scale=per_channel)
@acts(int8)
model First(x: Tensor[N, 8]) -> (y: Tensor[N, 4]) {
    let inner = Block(8, width)
    let last = Linear(width, 4)
    return last(relu(inner(x)))
}

@ternary(scale=per_channel)
@acts(int8)
model Second(x: Tensor[N, 8]) -> (y: Tensor[N, 4]) {
    let last = Linear(8, 4)
    return last(x)
}
"""

BLOCK = """use std.nn

layer Block(cin: int, cout: int) {
    let fc = Linear(cin, cout)
    fn forward(x: Tensor[N, cin]) -> Tensor[N, cout] {
        return %s(fc(x))
    }
}
"""


def safetensors(tensors):
    """Bytes of a .safetensors file with float32 tensors: {key: (shape, values)}."""
    header, data = {}, b""
    for key in sorted(tensors):
        shape, values = tensors[key]
        raw = struct.pack("<%df" % len(values), *values)
        header[key] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def npy(shape, values):
    """Bytes of a .npy file of float32."""
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }" % (tuple(shape),)
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack("<%df" % len(values), *values)


def values(count, seed):
    return [((i * 2654435761 + seed * 40503) % 1000) / 500 - 1 for i in range(count)]


class Project:
    """Files in a folder, and a cache of its own."""

    def __init__(self, triton, folder):
        self.triton = str(triton)
        self.folder = pathlib.Path(folder)
        self.cache = self.folder / "cache"
        for name in ("one", "two"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "net.tri").write_text(PROGRAM)
        (self.folder / "one" / "block.tri").write_text(BLOCK % "")
        (self.folder / "two" / "block.tri").write_text(BLOCK % "tanh")
        for seed in (1, 2):
            (self.folder / f"w{seed}.safetensors").write_bytes(safetensors({"last.weight": ([4, 16], values(64, seed))}))
            (self.folder / f"c{seed}.npy").write_bytes(npy([3, 8], values(24, seed + 5)))

    def run(self, *arguments, env=None, cwd=None, check=True, **more):
        full = dict(os.environ, TRITON_DSL_CACHE_DIR=str(self.cache), NO_COLOR="1")
        full.update(env or {})
        done = subprocess.run([self.triton, *map(str, arguments)], cwd=cwd or self.folder, env=full, capture_output=True, text=True, **more)
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def compile(self, *arguments, program="net.tri", output="out.tern", cwd=None, env=None):
        """Compiles and returns (what --json says, SHA-256 of the artifact)."""
        done = self.run("compile", program, "-o", output, "--json", *arguments, cwd=cwd, env=env)
        path = (cwd or self.folder) / output
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.unlink()
        return json.loads(done.stdout), digest


BASE = ["-I", "one", "--entry", "First", "--random-weights=1", "--target", "x86-64-v3"]


def replaced(option, *new):
    """BASE with another value of one option, or with one more."""
    out, i = [], 0
    while i < len(BASE):
        takes = BASE[i] in ("-I", "--entry", "--target")
        if not BASE[i].startswith(option):
            out += BASE[i:i + 1 + takes]
        i += 1 + takes
    return out + list(new)

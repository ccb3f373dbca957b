#!/usr/bin/env python3
"""The same inputs give the same bytes: compiles across thread counts, folders, locales, time zones, users, and with and without a
cache give one SHA-256."""
import argparse
import hashlib
import os
import pathlib
import shutil
import sys
import tempfile

from support import BASE, Project


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("triton")
    parser.add_argument("--compiles", type=int, default=12)
    options = parser.parse_args()
    digests = {}
    with tempfile.TemporaryDirectory() as temp:
        os.chmod(temp, 0o777)
        # Another user may not be allowed to enter the folder of the build.
        programs = pathlib.Path(temp) / "bin"
        programs.mkdir(mode=0o755)
        for name in ("triton", "triton-compiler"):
            shutil.copy(pathlib.Path(options.triton).parent / name, programs / name)
        for i in range(options.compiles):
            folder = pathlib.Path(temp) / ["a", "some where", "d\u00e9p\u00f4t", "x" * 60][i % 4] / str(i)
            project = Project(programs / "triton", folder)
            users = {"user": 65534, "group": 65534} if os.getuid() == 0 and i % 3 == 2 else {}
            for path in [folder, folder.parent, *folder.rglob("*")] if users else []:
                os.chown(path, 65534, 65534)
            env = {"LC_ALL": ["C", "C.UTF-8", "de_DE.UTF-8", "tr_TR.UTF-8"][i % 4], "TZ": ["UTC", "Asia/Tokyo", "America/Lima"][i % 3],
                   "HOME": str(folder), "USER": f"user{i}", "LANG": ["", "fr_FR"][i % 2], "TMPDIR": temp}
            more = ["--threads", str([1, 2, 3, 8][(i // 2) % 4])] + ([] if i % 2 else ["--no-cache"])
            program = ["net.tri", str(folder / "net.tri"), "./net.tri"][i % 3]
            done = project.run("compile", program, "-o", "out.tern", *BASE, *more, env=env, umask=[0o022, 0o077][i % 2], **users)
            data = (folder / "out.tern").read_bytes()
            digests.setdefault(hashlib.sha256(data).hexdigest(), []).append((i, done.stderr))
            if temp.encode() in data or os.path.dirname(options.triton).encode() in data:
                print(f"compile {i}: the artifact holds a path of this machine")
                return 1
            shutil.rmtree(folder)
    print(f"{options.compiles} compiles, {len(digests)} digest(s): {digests if len(digests) > 1 else next(iter(digests))}")
    return 0 if len(digests) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())

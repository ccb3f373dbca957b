#!/usr/bin/env python3
"""`triton zoo download` and `zoo verify` against a server on this machine that misbehaves in every way that we could think of.

The zoo is a folder of our own ($TRITON_DSL_ZOO) whose manifests name that server; nothing outside this machine is asked.
Usage: zoo_download.py TRITON_BIN_DIR [unittest arguments]
"""
import fcntl
import gzip
import hashlib
import http.server
import io
import json
import os
import random
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest

TRITON = os.path.join(os.path.abspath(sys.argv[1]), "triton")
PROGRAM = """use std.nn
@ternary
@acts(int8)
model Tiny(x: Tensor[N, 8]) -> (y: Tensor[N, 4]) {
    let a = Linear(8, 4)
    return a(x)
}
"""
CONTENT = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def tar_of(entries, mode="w:gz"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.USTAR_FORMAT) as tar:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            if data is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            info.size = len(data or b"")
            tar.addfile(info, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        path = re.sub(r"^http://[^/]*", "", self.path)  # a proxy is asked for the whole address
        with server.mutex:
            server.asked.append((self.path, dict(self.headers)))
            count = server.counts[path] = server.counts.get(path, 0) + 1
        self.close_connection = True
        behaviour = path.strip("/").split("/")[0].replace("-", "_")
        try:
            getattr(self, "serve_" + behaviour)(count)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def wanted(self):
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match[1]) if match else 0

    def answer(self, status, body=b"", length=None, **fields):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def whole(self, data=CONTENT, **fields):
        """What a good server does, ranges and If-Range included."""
        tag = '"%s"' % sha(data)[:16]
        first, condition = self.wanted(), self.headers.get("If-Range")
        if first and condition in (None, tag):
            if first >= len(data):
                return self.answer(416, Content_Range=f"bytes */{len(data)}")
            return self.answer(206, data[first:], ETag=tag, Content_Range=f"bytes {first}-{len(data) - 1}/{len(data)}", **fields)
        return self.answer(200, data, ETag=tag, **fields)

    def serve_good(self, _):
        self.whole()

    def serve_cut(self, count):
        """Ends the connection after a third, twice; ranges work."""
        if count > 2:
            return self.whole()
        first, tag = self.wanted(), '"%s"' % sha(CONTENT)[:16]
        rest = CONTENT[first:]
        if first:
            self.answer(206, rest[:100_000], len(rest), ETag=tag, Content_Range=f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.answer(200, rest[:100_000], len(rest), ETag=tag)

    def serve_cut_noranges(self, count):
        self.answer(200, CONTENT if count > 1 else CONTENT[:100_000], len(CONTENT))

    def serve_cut_changed(self, count):
        """The file changes between two requests: If-Range must bring the whole new one."""
        if count > 1:
            return self.whole()
        self.answer(200, OTHER[:100_000], len(OTHER), ETag='"old"')

    def serve_cut_lying(self, count):
        """The file changes, and the server does not know conditions."""
        first = self.wanted()
        if count == 1:
            self.answer(200, OTHER[:100_000], len(OTHER))
        elif first:
            self.answer(206, CONTENT[first:], Content_Range=f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.answer(200, CONTENT)

    def serve_wrong_range(self, count):
        if count == 1:
            return self.answer(200, CONTENT[:100_000], len(CONTENT))
        self.answer(206, CONTENT[5:], Content_Range=f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}")

    def serve_stall(self, count):
        if count > 1:
            return self.whole()
        self.answer(200, CONTENT[:5000], len(CONTENT))
        self.wfile.flush()
        self.server.over.wait(120)

    def serve_silent(self, count):
        if count > 1:
            return self.whole()
        self.server.over.wait(120)

    def serve_corrupt(self, _):
        self.answer(200, CONTENT[:1000] + b"?" + CONTENT[1001:])

    def serve_short(self, _):
        self.answer(200, CONTENT[:-1])

    def serve_long(self, _):
        self.answer(200, CONTENT + b"more")

    def serve_endless(self, _):
        self.send_response(200)
        self.end_headers()
        while not self.server.over.is_set():
            self.wfile.write(CONTENT)

    def serve_endless_error(self, _):
        self.send_response(500)
        self.end_headers()
        while not self.server.over.is_set():
            self.wfile.write(CONTENT)

    def serve_endless_header(self, _):
        self.send_response(200)
        self.flush_headers()
        while not self.server.over.is_set():
            self.wfile.write(b"X-More: " + b"y" * 1000 + b"\r\n")

    def serve_empty(self, _):
        self.answer(200)

    def serve_notfound(self, _):
        self.answer(404, b"<html>no such page</html>")

    def serve_error(self, count):
        self.answer(500, b"oops") if count < 3 else self.whole()

    def serve_always_error(self, _):
        self.answer(500, b"oops")

    def serve_busy(self, count):
        if count > 1:
            self.server.again = time.monotonic()
            return self.whole()
        self.server.told = time.monotonic()
        self.answer(503, Retry_After="1")

    def serve_redirect(self, _):
        self.answer(302, Location="/good/file")

    def serve_loop(self, _):
        self.answer(302, Location="/loop/file")

    def serve_to_file(self, _):
        self.answer(302, Location=f"file://{self.server.local}")

    def serve_to_ftp(self, _):
        self.answer(302, Location="ftp://localhost/file")

    def serve_redirect_host(self, _):
        self.answer(302, Location=f"http://localhost:{self.server.server_port}/good/file", Set_Cookie="a=b")

    def serve_slow(self, _):
        time.sleep(0.5)
        self.whole()

    def serve_archive(self, _):
        self.whole(self.server.archive)


class Downloads(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top, self.zoo, self.store = folder.name, folder.name + "/zoo", folder.name + "/store"
        os.makedirs(self.zoo + "/datasets")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.mutex, self.server.asked, self.server.counts, self.server.over = threading.Lock(), [], {}, threading.Event()
        self.server.local = self.write("local", CONTENT)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.addCleanup(self.server.over.set)

    def write(self, name, data):
        path = os.path.join(self.top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(data)
        return path

    def url(self, behaviour):
        return behaviour if "://" in behaviour else f"http://127.0.0.1:{self.server.server_port}/{behaviour}/file"

    def model(self, *behaviours, name="tiny-none", data=CONTENT, **change):
        os.makedirs(f"{self.zoo}/{name}", exist_ok=True)
        self.write(f"zoo/{name}/model.tri", PROGRAM.encode())
        manifest = {"dataset": "none", "weights": "w.safetensors", "sha256": sha(data), "size": len(data), "licence": "MIT",
                    "urls": [self.url(b) for b in behaviours], **change}
        self.write(f"zoo/{name}/manifest.json", json.dumps(manifest).encode())
        return f"{self.store}/models/{name}/w.safetensors"

    def dataset(self, name="shapes", **change):
        self.write(f"zoo/datasets/{name}.json", json.dumps(change).encode())

    def words(self, *words):
        return [TRITON, "zoo", *words, "--store", self.store]

    def environment(self, **env):
        kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith("TRITON_DSL_")}
        return {**kept, "TRITON_DSL_ZOO": self.zoo, "TRITON_DSL_CACHE_DIR": self.top + "/cache", "TRITON_DSL_DOWNLOAD_BACKOFF_MS": "10",
                "TRITON_DSL_DOWNLOAD_STALL_MS": "60000", **env}

    def run_triton(self, *words, status=0, env=None):
        done = subprocess.run(self.words(*words), capture_output=True, text=True, timeout=60, env=self.environment(**(env or {})))
        self.assertEqual(done.returncode, status, f"{words}\n{done.stdout}\n{done.stderr}")
        return done

    def fetched(self, *behaviours, env=None):
        """Downloads and must succeed; what is said, the one file's entry and all requests are returned."""
        path = self.model(*behaviours)
        done = self.run_triton("download", "tiny-none", "--json", env=env)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), CONTENT)
        self.assertEqual(self.left(), [])
        return done.stderr, json.loads(done.stdout)["items"][0]["files"][0], self.server.asked

    def failed(self, *behaviours, status=3, words=(), env=None, **change):
        path = self.model(*behaviours, **change)
        done = self.run_triton("download", "tiny-none", *words, status=status, env=env)
        self.assertFalse(os.path.exists(path))
        self.assertEqual(done.stdout, "")
        return done.stderr

    def left(self):
        """What partial files there are."""
        folder = self.store + "/partial"
        return [f for f in os.listdir(folder) if not f.endswith(".lock")] if os.path.isdir(folder) else []

    # What works.
    def test_plain(self):
        said, file, asked = self.fetched("good")
        self.assertEqual((said, file["status"], file["sha256"], file["received_bytes"], file["resumed_bytes"]), ("", "fetched", sha(CONTENT), len(CONTENT), 0))
        self.assertEqual(len(asked), 1)
        again = json.loads(self.run_triton("download", "tiny-none", "--json").stdout)
        self.assertEqual((again["items"][0]["status"], again["received_bytes"], len(self.server.asked)), ("present", 0, 1))
        self.assertIn("in place in", self.run_triton("download", "tiny-none").stdout)
        self.assertEqual(json.loads(self.run_triton("verify", "tiny-none", "--json").stdout)["files"][0]["status"], "ok")
        listed = subprocess.run(self.words("list"), capture_output=True, text=True, env=self.environment(), check=True).stdout
        self.assertIn("local", listed)
        # The same without a network.
        self.run_triton("download", "tiny-none", "--offline")

    def test_cut_is_resumed(self):
        said, file, asked = self.fetched("cut")
        self.assertEqual([h.get("Range") for _, h in asked], [None, "bytes=100000-", "bytes=200000-"])
        self.assertEqual({h.get("If-Range") for _, h in asked[1:]}, {'"%s"' % sha(CONTENT)[:16]})
        self.assertEqual(file["received_bytes"], len(CONTENT))
        self.assertIn("trying again", said)

    def test_resumes_in_a_later_process(self):
        self.model("always-error")
        self.write(f"store/partial/{sha(CONTENT)}", CONTENT[:250_000])
        said, file, asked = self.fetched("good")
        self.assertEqual((file["received_bytes"], file["resumed_bytes"]), (50_000, 250_000))
        self.assertNotIn("If-Range", asked[0][1])  # whom the partial file came from is not known

    def test_a_whole_partial_file_needs_no_request(self):
        self.write(f"store/partial/{sha(CONTENT)}", CONTENT)
        _, file, asked = self.fetched("good")
        self.assertEqual((asked, file["received_bytes"]), ([], 0))

    def test_partial_file_of_something_else(self):
        for size in (1000, len(CONTENT), len(CONTENT) + 1):
            with self.subTest(size=size):
                self.write(f"store/partial/{sha(CONTENT)}", (OTHER + OTHER)[:size])
                self.fetched("good")
                os.remove(self.store + "/models/tiny-none/w.safetensors")

    def test_ranges_are_ignored(self):
        _, file, asked = self.fetched("cut-noranges")
        self.assertEqual((len(asked), file["received_bytes"], file["resumed_bytes"]), (2, 400_000, 0))

    def test_file_changes_while_it_is_fetched(self):
        _, _, asked = self.fetched("cut-changed")
        self.assertEqual(asked[1][1].get("If-Range"), '"old"')
        said, _, asked = self.fetched_again("cut-lying")
        self.assertIn("from the beginning", said)

    def fetched_again(self, *behaviours):
        os.remove(self.store + "/models/tiny-none/w.safetensors")
        self.server.asked.clear()
        return self.fetched(*behaviours)

    def test_stalls_and_silence(self):
        for behaviour in ("stall", "silent"):
            with self.subTest(behaviour):
                said = self.fetched(behaviour, env={"TRITON_DSL_DOWNLOAD_STALL_MS": "300"})[0]
                self.assertIn("less than 1024 bytes in 1 s", said)
                os.remove(self.store + "/models/tiny-none/w.safetensors")

    def test_errors_that_pass(self):
        self.assertIn("HTTP status 500", self.fetched("error")[0])
        self.fetched_again("busy")
        self.assertGreaterEqual(self.server.again - self.server.told, 0.95)  # Retry-After

    def test_mirrors(self):
        said, file, asked = self.fetched("notfound", "short", "endless", "good")
        self.assertEqual(file["url"], self.url("good"))
        self.assertIn("HTTP status 404", said)
        self.assertIn("it has 299999 bytes, the manifest says 300000", said)
        self.assertIn("it sends more than the 300000 bytes of the manifest", said)
        self.assertEqual(len(asked), 4)

    def test_a_mirror_goes_on_after_another(self):
        _, file, asked = self.fetched("cut", "good")
        self.assertEqual([(p, h.get("Range"), h.get("If-Range")) for p, h in asked], [("/cut/file", None, None), ("/good/file", "bytes=100000-", None)])
        self.assertEqual(file["received_bytes"], len(CONTENT))

    def test_redirections(self):
        self.fetched("redirect")
        _, _, asked = self.fetched_again("redirect-host")
        self.assertNotIn("Cookie", asked[-1][1])
        self.assertNotIn("Authorization", asked[-1][1])

    def test_file_url(self):
        _, file, _ = self.fetched("file://" + self.server.local)
        self.assertEqual(file["url"], "file://" + self.server.local)
        self.model("file://" + self.write("with space%", CONTENT).replace("%", "%25").replace(" ", "%20"))
        os.remove(self.store + "/models/tiny-none/w.safetensors")
        self.run_triton("download", "tiny-none", "--offline")  # no network is needed
        self.assertEqual(self.server.asked, [])

    def test_proxy_variables(self):
        self.model("http://weights.invalid/good/file")
        proxy = f"http://127.0.0.1:{self.server.server_port}"
        self.run_triton("download", "tiny-none", env={"http_proxy": proxy})
        self.assertEqual(self.server.asked[0][0], "http://weights.invalid/good/file")
        self.fetched_again_with({"http_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.1"})

    def fetched_again_with(self, env):
        os.remove(self.store + "/models/tiny-none/w.safetensors")
        self.fetched("good", env=env)

    def test_processes_at_once(self):
        path = self.model("slow")
        processes = [subprocess.Popen(self.words("download", "tiny-none", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                      env=self.environment()) for _ in range(4)]
        said = [p.communicate(timeout=60) for p in processes]
        self.assertEqual([p.returncode for p in processes], [0] * 4, said)
        self.assertEqual(sorted(json.loads(out)["items"][0]["status"] for out, _ in said), ["fetched"] + ["present"] * 3)
        self.assertEqual(len(self.server.asked), 1)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), CONTENT)

    def test_interrupted_process_leaves_what_the_next_goes_on_with(self):
        path = self.model("stall")
        process = subprocess.Popen(self.words("download", "tiny-none"), stderr=subprocess.DEVNULL, env=self.environment())
        partial = f"{self.store}/partial/{sha(CONTENT)}"
        for _ in range(3000):
            if os.path.exists(partial) and os.path.getsize(partial) == 5000:
                break
            time.sleep(0.01)
        process.terminate()
        process.wait(timeout=20)
        self.assertFalse(os.path.exists(path))
        _, file, asked = self.fetched("good")
        self.assertEqual((file["resumed_bytes"], asked[-1][1]["Range"]), (5000, "bytes=5000-"))

    # What must not work.
    def test_wrong_hash_names_both(self):
        bad = CONTENT[:1000] + b"?" + CONTENT[1001:]
        said = self.failed("corrupt", "good", status=4)
        self.assertIn(f"SHA-256 is {sha(bad)}, the manifest says {sha(CONTENT)}", said)
        self.assertEqual(len(self.server.asked), 1)  # no other mirror covers it up
        self.assertEqual(self.left(), [])
        said = self.failed("file://" + self.write("bad", bad), status=4)
        self.assertIn(sha(bad), said)
        document = json.loads(self.run_triton("download", "tiny-none", "--json", status=4).stdout)
        self.assertEqual(document["error"]["status"], 4)

    def test_wrong_sizes_and_endless_answers(self):
        for behaviour, reason in (("short", "it has 299999 bytes"), ("long", "it has 300004 bytes"), ("endless", "it sends more than"), ("empty", "it has 0 bytes"),
                                  ("endless-header", "header has no end"), ("wrong-range", "another range"), ("endless-error", "HTTP status 500"),
                                  ("notfound", "HTTP status 404"), ("always-error", "HTTP status 500")):
            with self.subTest(behaviour):
                said = self.failed(behaviour)
                self.assertIn(reason, said)
                self.assertIn(self.url(behaviour), said)
        self.assertEqual(self.server.counts["/always-error/file"], 5)
        self.assertEqual(self.server.counts["/notfound/file"], 1)

    def test_redirections_that_are_not_followed(self):
        for behaviour, reason in (("loop", "redirections"), ("to-file", "neither http nor https"), ("to-ftp", "neither http nor https")):
            with self.subTest(behaviour):
                self.assertIn(reason, self.failed(behaviour))

    def test_nobody_there(self):
        self.assertIn("127.0.0.1 port 1", self.failed("http://127.0.0.1:1/file"))
        self.assertIn("not a regular file", self.failed("file:///dev"))
        self.assertIn("No such file", self.failed("file:///nothing/here"))
        os.mkfifo(self.top + "/pipe")
        self.assertIn("not a regular file", self.failed("file://" + self.top + "/pipe"))

    def test_offline(self):
        said = self.failed("good", words=("--offline",))
        self.assertIn("--offline asks no network", said)
        self.assertEqual(self.server.asked, [])

    def test_hostile_manifests(self):
        for change, reason in (({"weights": "../../w"}, "must be a file of this folder"), ({"weights": "/etc/w"}, "must be a file of this folder"),
                               ({"weights": ".."}, "must be a file of this folder"), ({"weights": "a\nb"}, "must be a file of this folder"),
                               ({"sha256": "../../x"}, "64 hexadecimal digits"), ({"sha256": "A" * 64}, "lower case"), ({"size": -1}, "'size'"),
                               ({"size": 2 ** 60}, "'size'"), ({"urls": ["ftp://x/y"]}, "only http"), ({"urls": ["http://u:p@x/y"]}, "password"),
                               ({"urls": ["http://x/\r\nHost: y"]}, "control"), ({"urls": ["http:///x"]}, "no host"), ({"urls": ["-o/x"]}, "only http"),
                               ({"urls": "http://x/"}, "list")):
            with self.subTest(change=change):
                self.assertIn(reason, self.failed("good", status=1, **change))
        self.model("good")
        for files in ([{"path": "../w"}], [{"path": "/w"}], [{"path": "a//b"}], [{"path": "a/./b"}], [{"path": "a\\..\\b"}]):
            entry = {"size": 3, "sha256": sha(b"abc"), "urls": [], **files[0]}
            self.dataset(files=[entry])
            self.assertIn("no relative path", self.run_triton("download", "shapes", status=1).stderr)
            self.dataset(files=[{**entry, "path": "a.tar.gz", "unpack": [{"path": files[0]["path"], "size": 3}]}])
            self.assertIn("no relative path", self.run_triton("download", "shapes", status=1).stderr)
        self.dataset(files=[{"path": "a", "size": 3, "sha256": sha(b"abc")}] * 2)
        self.assertIn("named twice", self.run_triton("download", "shapes", status=1).stderr)
        self.assertEqual(sorted(os.listdir(self.top)), ["local", "zoo"])  # nothing was written

    def test_links_in_the_store_are_not_followed(self):
        victim = self.write("victim", b"precious")
        os.makedirs(self.store + "/partial")
        os.symlink(victim, f"{self.store}/partial/{sha(CONTENT)}")
        self.failed("good")
        os.remove(f"{self.store}/partial/{sha(CONTENT)}")
        os.makedirs(self.store + "/models/tiny-none", exist_ok=True)
        os.symlink(victim, self.store + "/models/tiny-none/w.safetensors")
        self.fetched("good")
        with open(victim, "rb") as file:
            self.assertEqual(file.read(), b"precious")

    def test_store_that_cannot_be(self):
        self.store = self.write("file", b"") + "/store"
        self.assertIn("cannot make the folder", self.failed("good"))

    def test_names(self):
        self.model("good")
        self.assertIn("did you mean 'tiny-none'?", self.run_triton("download", "tiny-non", status=2).stderr)
        self.assertIn("needs a network or a data set", self.run_triton("download", status=2).stderr)
        self.assertIn("no network 'nothing'", self.run_triton("verify", "nothing", status=2).stderr)

    # Data sets, archives and what is committed.
    def archive_of(self, entries, members, **change):
        self.server.archive = tar_of(entries)
        self.dataset(files=[{"path": "a.tar.gz", "size": len(self.server.archive), "sha256": sha(self.server.archive), "urls": [self.url("archive")],
                             "unpack": [{"path": p, "size": s} for p, s in members]}], **change)

    def test_archive(self):
        self.archive_of([("d/readme", b"x" * 700), ("d/a.bin", CONTENT), ("d/more/b.bin", b"12345"), ("d/c.bin", b"")], [("d/a.bin", len(CONTENT)), ("d/more/b.bin", 5)],
                        licence="none")
        document = json.loads(self.run_triton("download", "shapes", "--json").stdout)
        folder = document["items"][0]["folder"]
        self.assertEqual(sorted(os.path.relpath(os.path.join(d, f), folder) for d, _, fs in os.walk(folder) for f in fs),
                         [".a.tar.gz.json", "d/a.bin", "d/more/b.bin"])
        with open(folder + "/d/a.bin", "rb") as file:
            self.assertEqual(file.read(), CONTENT)
        self.assertEqual(self.left(), [])
        self.assertEqual(json.loads(self.run_triton("download", "shapes", "--json").stdout)["items"][0]["status"], "present")
        self.run_triton("verify", "shapes")
        self.write("store/datasets/shapes/d/more/b.bin", b"54321")
        said = self.run_triton("verify", "shapes", status=4).stderr
        self.assertIn(f"SHA-256 is {sha(b'54321')}, it was unpacked with {sha(b'12345')}", said)
        self.run_triton("download", "shapes")
        self.run_triton("verify", "shapes")

    def test_archives_that_are_refused(self):
        good = [("d/a.bin", b"abc")]
        for entries, members, reason in (
                ([("d/x", b"abc")], [("d/a.bin", 3)], "the archive has no 'd/a.bin'"),
                (good, [("d/a.bin", 4)], "has 3 bytes, the manifest says 4"),
                ([("d/a.bin", None)], [("d/a.bin", 3)], "no plain file"),
                (good + good + [("d/b", b"b")], [("d/a.bin", 3), ("d/b", 1)], "is there twice"),
                ([("../a.bin", b"abc"), ("/etc/a", b"abc")], [("d/a.bin", 3)], "the archive has no")):
            with self.subTest(reason):
                self.archive_of(entries, members)
                self.assertIn(reason, self.run_triton("download", "shapes", status=1).stderr)
                self.assertEqual([f for f in self.left() if f.endswith(".d")], [])
        plain = tar_of(good, "w")
        broken = plain[:20] + b"X" + plain[21:]
        for data, reason in ((b"no archive", "not a gzip file"), (plain, "not a gzip file"), (gzip.compress(plain[:600]), "cut off"), (gzip.compress(plain)[:60], "cut off"),
                             (gzip.compress(broken), "checksum"), (gzip.compress(b"x" * 2000), "checksum")):
            with self.subTest(reason):
                self.server.archive = data
                self.dataset(files=[{"path": "a.tar.gz", "size": len(data), "sha256": sha(data), "urls": [self.url("archive")],
                                     "unpack": [{"path": "d/a.bin", "size": 3}]}])
                self.assertIn(reason, self.run_triton("download", "shapes", status=1).stderr)

    def test_data_set_that_the_system_has(self):
        packed = gzip.compress(CONTENT, 1)
        entry = {"path": "x.gz", "size": len(packed), "sha256": sha(packed), "content_sha256": sha(CONTENT), "urls": [self.url("notfound")]}
        self.write("system/x.gz", gzip.compress(CONTENT, 9))
        self.dataset(files=[entry], places=[self.top + "/system"])
        item = json.loads(self.run_triton("download", "shapes", "--json").stdout)["items"][0]
        self.assertEqual((item["status"], item["folder"], self.server.asked), ("system", self.top + "/system", []))
        self.run_triton("verify", "shapes")
        self.write("system/x.gz", gzip.compress(OTHER))
        self.assertIn("not used", self.run_triton("download", "shapes", status=3).stderr)

    def test_data_dir(self):
        self.dataset(files=[{"path": "d/x.bin", "size": len(CONTENT), "sha256": sha(CONTENT), "urls": [self.url("good")]}])
        self.run_triton("download", "shapes", "--data-dir", self.top + "/mine")
        self.assertTrue(os.path.exists(self.top + "/mine/d/x.bin"))
        self.run_triton("verify", "shapes", "--data-dir", self.top + "/mine")
        self.assertFalse(os.path.exists(self.store))

    def test_data_set_by_hand(self):
        self.dataset(manual="ask its owner")
        self.assertIn("ask its owner", self.run_triton("download", "shapes", status=1).stderr)
        self.model("good", dataset="shapes")
        self.assertIn("ask its owner", self.run_triton("download", "tiny-none").stderr)

    def test_committed_weights_come_first(self):
        self.model("good")
        self.write("zoo/tiny-none/w.safetensors", CONTENT)
        item = json.loads(self.run_triton("download", "tiny-none", "--json").stdout)["items"][0]
        self.assertEqual((item["status"], item["folder"], self.server.asked), ("present", self.zoo + "/tiny-none", []))
        self.write("zoo/tiny-none/w.safetensors", OTHER)
        for verb in ("download", "verify"):
            said = self.run_triton(verb, "tiny-none", status=4).stderr
            self.assertIn(f"SHA-256 is {sha(OTHER)}, the manifest says {sha(CONTENT)}", said)
            self.assertIn("zoo/tiny-none/w.safetensors", said)

    def test_damage_in_the_store(self):
        path = self.model("good")
        self.fetched("good")
        self.write("store/models/tiny-none/w.safetensors", OTHER)
        document = json.loads(self.run_triton("verify", "--json", status=4).stdout)
        self.assertEqual((document["files"][0]["status"], document["error"]["status"]), ("mismatch", 4))
        self.assertIn(sha(OTHER), self.run_triton("eval", "tiny-none", status=4).stderr)
        self.assertIn("fetching it again", self.run_triton("download", "tiny-none").stderr)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), CONTENT)

    def test_missing_things_name_the_command(self):
        self.model("good", dataset="shapes")
        self.assertIn("'triton zoo download tiny-none' gets them", self.run_triton("eval", "tiny-none", status=1).stderr)
        self.assertIn("'triton zoo download tiny-none' gets it", self.run_triton("verify", "tiny-none", status=1).stderr)
        self.run_triton("verify")  # who names nothing asks for what is here
        self.dataset("fashion-mnist", files=[{"path": "x", "size": 1, "sha256": sha(b"x"), "urls": [self.url("good")]}])
        self.model(dataset="fashion-mnist")
        self.write("zoo/tiny-none/w.safetensors", CONTENT)
        self.assertIn("get it with 'triton zoo download fashion-mnist'", self.run_triton("eval", "tiny-none", status=3).stderr)

    def test_lock_is_waited_for(self):
        self.model("good")
        os.makedirs(self.store + "/partial")
        with open(f"{self.store}/partial/{sha(CONTENT)}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = subprocess.Popen(self.words("download", "tiny-none"), stderr=subprocess.PIPE, text=True, env=self.environment())
            line = process.stderr.readline()
            self.assertIn("another process fetches it; waiting", line)
            self.assertEqual(self.server.asked, [])
            fcntl.flock(lock, fcntl.LOCK_UN)
            process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])

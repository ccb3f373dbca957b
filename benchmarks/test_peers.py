#!/usr/bin/env python3
"""Tests of the benchmark command that need no peers and judge no time. Usage: test_peers.py [unittest options]."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from peers import cases, engines, measure, report, run, stats  # noqa: E402


class Statistics(unittest.TestCase):
    def test_against_values_by_hand(self):
        s = stats.spread([4, 1, 3, 2])
        self.assertEqual((s["median"], s["mean"], s["min"], s["count"]), (2.5, 2.5, 1, 4))
        self.assertAlmostEqual(s["ci95"][1] - s["ci95"][0], 2 * 1.96 * 0.6454972243679028)

    def test_percentiles_are_nearest_rank(self):
        s = stats.spread(range(1, 1001))
        self.assertEqual((s["p95"], s["p99"], s["median"]), (950, 990, 500.5))

    def test_one_sample_and_none(self):
        self.assertEqual(stats.spread([3])["ci95"], [3, 3])
        self.assertRaises(ValueError, stats.spread, [])

    def test_iterations_follow_the_protocol(self):
        self.assertEqual(stats.iterations_for(0.001), (100, 1000))
        self.assertEqual(stats.iterations_for(0.051), (10, 100))
        self.assertEqual(stats.iterations_for(2e-5), (100, 10000))
        self.assertEqual(stats.iterations_for(1e-9), (100, 50000))
        self.assertEqual(stats.iterations_for(0.01, budget=2.0), (20, 180))
        self.assertEqual(stats.iterations_for(10.0, budget=1.0), (3, 10))

    def test_rounds_are_even_and_complete(self):
        for total, rounds in ((1000, 5), (7, 3), (2, 5), (1, 1)):
            turns = stats.split_rounds(total, rounds)
            self.assertEqual(sum(turns), total)
            self.assertLessEqual(max(turns) - min(turns), 1)
            self.assertGreater(min(turns), 0)


class Cases(unittest.TestCase):
    def test_names_are_unique_and_programs_exist(self):
        self.assertEqual(len(cases.BY_NAME), len(cases.ALL))
        for case in cases.ALL:
            self.assertTrue(pathlib.Path(case.program).exists(), case.program)

    def test_peers_of_a_case_beside_another_run_its_files(self):
        beside = [case for case in cases.ALL if case.beside]
        self.assertTrue(beside)
        for case in beside:
            other = cases.BY_NAME[case.beside]
            self.assertEqual((case.files, case.shape, case.batch, case.macs), (other.name, other.shape, other.batch, other.macs))
            self.assertNotEqual(case.program, other.program)

    def test_selection(self):
        self.assertEqual([c.name for c in cases.select(["fc100-b1"])], ["fc100-b1"])
        self.assertEqual(len(cases.select([])), len(cases.ALL))
        self.assertGreater(len(cases.select(["headline", "MLP"])), 4)
        self.assertRaises(SystemExit, cases.select, ["nothing-of-that-name"])

    def test_every_engine_can_be_made_without_its_library_and_says_what_it_takes(self):
        for name in engines.TABLE:
            engine = engines.create(name)
            try:
                engine.takes(cases.BY_NAME["fc500-b1"], avx2=False)
            except Exception as why:  # a refusal needs a reason
                self.assertEqual(type(why).__name__, "NotHere")
                self.assertTrue(str(why))


def entry(median, **more):
    return {**stats.spread([median * 0.9, median, median * 1.2]), "gmacs_per_s": 1.0, "rejected": 0, "version": "1", "model_bytes": 1000,
            "disturbed": False, **more}


def document(**ours):
    peaks = {"peaks": [{"name": "vpdpbusd zmm", "kind": "int8", "unit": "GMAC/s", "best": 4.0},
                       {"name": "vpmaddubsw + vpaddw ymm", "kind": "int16 sums", "unit": "GMAC/s", "best": 2.0}]}
    row = {"case": "fc500-b1", "threads": 1, "avx2": False, "time": "2026-01-01T00:00+00:00", "commit": "abc", "level": 2, "peaks": peaks,
           "engines": {"triton": entry(2.0, **ours), "ort_int8": entry(5.0), "ort_2bit": entry(4.0), "ggml_tq2": {"skipped": "multiples of 256"}}}
    return {"schema": 1, "rows": [row], "machine": {"processor": "P", "family": "6", "number": "1", "cores": 2, "kernel": "k", "virtual": True}}


class Report(unittest.TestCase):
    def test_the_best_peer_is_the_fastest_of_all(self):
        row = document()["rows"][0]
        self.assertEqual(report.best_peer(row)[0], "ort_2bit")
        self.assertEqual(report.best_peer(row, {"int8"})[0], "ort_int8")
        self.assertEqual(report.ratio_text(row, report.best_peer(row)), "2.00x")

    def test_losses_and_disturbed_runs_show(self):
        slow = document()
        slow["rows"][0]["engines"]["triton"] = entry(8.0, disturbed=True)
        text = report.table(slow, "fully connected", False)
        self.assertIn("0.50x *", text)
        self.assertIn("| 500 x 500, batch 1 | 1 | 8.00 us * |", text)

    def test_the_share_is_of_a_ceiling_of_the_same_instructions(self):
        row = document()["rows"][0]
        self.assertEqual(report.peak_of(row), 4.0)
        self.assertEqual(report.peak_of({**row, "avx2": True}), 2.0)
        self.assertIsNone(report.peak_of({**row, "peaks": None}))

    def test_results_out_of_order_are_refused(self):
        report.check(document())
        for change in ({"p95": 0.1}, {"ci95": [9, 10]}, {"count": 0}):
            self.assertRaises(ValueError, report.check, document(**change))
        wrong = document()
        wrong["rows"][0]["case"] = "none"
        self.assertRaises(ValueError, report.check, wrong)
        self.assertRaises(ValueError, report.check, {"schema": 2, "rows": []})

    def test_writes_between_the_markers_only_and_twice_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            page, readme = pathlib.Path(folder) / "performance.md", pathlib.Path(folder) / "README.md"
            for each in (page, readme):
                each.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
            report.write(document(), page, readme)
            first, short = page.read_text(encoding="utf-8"), readme.read_text(encoding="utf-8")
            report.write(document(), page, readme)
            self.assertEqual((first, short), (page.read_text(encoding="utf-8"), readme.read_text(encoding="utf-8")))
            for text in (first, short):
                self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
                self.assertNotIn("old", text)
            for name in re.findall(r"\(performance/(\S+\.svg)\)", first):
                xml.dom.minidom.parse(str(page.parent / "performance" / name))
            self.assertEqual(json.loads((page.parent / "performance" / "results.json").read_text()), document())

    def test_the_short_table_has_losses_and_ranges(self):
        both = document()
        slow = json.loads(json.dumps(both["rows"][0]))
        slow.update(case="fc1000-b1", engines={"triton": entry(8.0), "ort_int8": entry(4.0)})
        network = json.loads(json.dumps(slow))
        network.update(case="resnet18-b1", threads=2, engines={"triton": entry(4.0, disturbed=True), "ov_int8": entry(3.0)})
        both["rows"] += [slow, network]
        text = report.brief(both)
        self.assertIn("| against the fastest peer | 1 thread | 2 threads |", text)
        self.assertIn("| fully connected, 2 cases | 0.50x to 2.00x |  |", text)
        self.assertIn("| ResNet-18 at 224, batch 1 |  | 0.75x * |", text)

    def test_the_committed_pages_are_what_their_results_give(self):
        root = pathlib.Path(__file__).resolve().parent.parent
        pages, results = (root / "docs" / "performance.md", root / "README.md"), root / "docs" / "performance" / "results.json"
        if not results.exists():
            self.skipTest("no results are committed")
        with tempfile.TemporaryDirectory() as folder:
            copies = [pathlib.Path(folder) / page.name for page in pages]
            for copy, page in zip(copies, pages):
                copy.write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
            report.write(json.loads(results.read_text(encoding="utf-8")), *copies)
            for copy, page in zip(copies, pages):
                self.assertEqual(copy.read_text(encoding="utf-8"), page.read_text(encoding="utf-8"))


class Command(unittest.TestCase):
    def test_merging_replaces_a_case_and_keeps_the_others(self):
        with tempfile.TemporaryDirectory() as folder:
            options = run.parser().parse_args(["measure"])
            options.results = pathlib.Path(folder) / "results.json"
            a, b = cases.BY_NAME["fc500-b1"], cases.BY_NAME["fc500-b8"]
            run.merge(options, a, 1, {"triton": entry(1.0)}, None)
            run.merge(options, b, 1, {"triton": entry(2.0)}, None)
            run.merge(options, a, 2, {"triton": entry(3.0)}, None)
            run.merge(options, a, 1, {"triton": entry(4.0)}, None)
            rows = json.loads(options.results.read_text())["rows"]
            self.assertEqual([(r["case"], r["threads"], r["engines"]["triton"]["median"]) for r in rows],
                             [("fc500-b1", 1, 4.0), ("fc500-b8", 1, 2.0), ("fc500-b1", 2, 3.0)])

    def test_the_command_lists_cases_without_any_peer(self):
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-m", "peers.run", "list", "fc100", "--work", folder]
            done = subprocess.run(words, cwd=pathlib.Path(__file__).resolve().parent, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(done.stdout.splitlines()), 5 + 5)

    def test_a_worker_says_why_it_has_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            worker = measure.Worker("ort_fp32", cases.BY_NAME["fc500-b1"], pathlib.Path(folder), 1, True)
            self.assertIn("AVX2", worker.read()["skip"])
            worker.end()


if __name__ == "__main__":
    unittest.main()

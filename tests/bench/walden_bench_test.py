"""Runs every row of the benchmark with tiny loads. Nothing here says anything about speed."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

BENCH = ""
DIRECTORY = ""


class WaldenBenchTest(unittest.TestCase):
    def test_a_quick_run_measures_every_row_and_leaves_nothing_behind(self):
        listed = subprocess.run([BENCH, "--list"], check=True, capture_output=True, text=True)
        ids = listed.stdout.split()
        self.assertGreater(len(ids), 0)
        with tempfile.TemporaryDirectory(dir=DIRECTORY) as directory:
            path = os.path.join(directory, "report.json")
            run = subprocess.run(
                [BENCH, "--quick", "--dir", directory, "--json", path],
                capture_output=True,
                text=True,
            )
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
            self.assertEqual(os.listdir(directory), ["report.json"])
            with open(path, encoding="utf-8") as file:
                report = json.load(file)
        self.assertEqual([row["id"] for row in report["rows"]], ids)
        for row in report["rows"]:
            self.assertEqual(row["error"], "")
            self.assertGreater(len(row["figures"]), 0, row["id"])
            for figure in row["figures"]:
                self.check_figure(figure)

    def check_figure(self, figure):
        title = figure["title"]
        self.assertGreater(figure["walden_median"], 0, title)
        self.assertEqual(len(figure["rounds"]), 1, title)
        if figure["ceiling"]:
            self.assertGreater(figure["ceiling_median"], 0, title)
            self.assertGreater(figure["share"]["median"], 0, title)

    def test_a_program_that_is_no_daemon_is_an_error(self):
        with tempfile.TemporaryDirectory(dir=DIRECTORY) as directory:
            path = os.path.join(directory, "report.json")
            run = subprocess.run(
                [BENCH, "--quick", "--only", "^append_unary$", "--waldend", "/bin/false"]
                + ["--dir", directory, "--json", path],
                capture_output=True,
                text=True,
            )
            self.assertEqual(run.returncode, 1)
            self.assertIn("/bin/false ended with exit code 1", run.stdout)
            with open(path, encoding="utf-8") as file:
                report = json.load(file)
        self.assertIn("/bin/false", report["rows"][0]["error"])


if __name__ == "__main__":
    BENCH, DIRECTORY = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1])

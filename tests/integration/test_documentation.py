"""What README and docs show, done as they show it."""

import pathlib
import subprocess
import tempfile
import unittest

from walden_daemon import run_walden
from walden_testcase import SharedDaemonTestCase

ROOT = pathlib.Path(__file__).resolve().parents[2]


class DocumentationTest(SharedDaemonTestCase):
    def test_the_python_example_runs_as_shown(self):
        shown = subprocess.run(
            ["/usr/bin/python3", ROOT / "docs/examples/first_minute.py", self.daemon.address],
            capture_output=True, text=True, timeout=120)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertEqual(shown.stdout, "appended 1 to 2\n1 b'one'\n2 b'two'\ndeleted through 2\n")

    def test_every_line_of_the_readmes_python_is_in_the_example(self):
        readme = (ROOT / "README.md").read_text()
        example = (ROOT / "docs/examples/first_minute.py").read_text()
        snippet = readme.split("```python\n")[1].split("```")[0]
        for line in snippet.splitlines():
            if line.startswith("channel = "):
                continue  # the example takes the address as an argument
            self.assertIn(line.strip(), example)

    def test_the_small_lsm_store_runs_as_shown(self):
        with tempfile.TemporaryDirectory() as folder:
            example = ROOT / "docs/examples/small_lsm_store.py"
            shown = subprocess.run(
                ["/usr/bin/python3", example, folder, self.daemon.address],
                capture_output=True, text=True, timeout=120)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertEqual(shown.stdout.splitlines(), [
                "before the flush: green 42",
                "flushed 2 keys",
                "after it: None 43",
                "reopened: None 43",
                "flushed 2 keys",
                "from files alone: None 43",
            ])
            page = (ROOT / "docs/clients/entry_log.md").read_text()
            for line in page.split("```python\n")[1].split("```")[0].splitlines():
                self.assertIn(line.strip(), example.read_text())

    def test_the_readmes_first_minute_works(self):
        at = ["--address", self.daemon.address]
        appended = run_walden("append", *at, "--region", "31", "--table", "7", "hello", "good day")
        self.assertEqual(appended.returncode, 0, appended.stderr)
        read = run_walden("read", *at, "--region", "31", "--table", "7", "--show-sequence")
        self.assertEqual(read.stdout.splitlines(), [b"1\thello", b"2\tgood day"])
        numbers = "".join(f"{n}\n" for n in range(1, 100001)).encode()
        piped = run_walden("append", *at, "--region", "31", "--table", "8", stdin=numbers)
        self.assertEqual(piped.returncode, 0, piped.stderr)
        self.daemon.crash_and_restart()
        recovered = run_walden("recover", *at, "--region", "31", "--table", "8")
        self.assertEqual(recovered.returncode, 0, recovered.stderr)
        self.assertEqual(recovered.stdout.split(), numbers.split())
        marked = run_walden("mark-deleted", *at, "--region", "31", "--table", "8",
                            "--through", "50000")
        self.assertEqual(marked.returncode, 0, marked.stderr)
        self.assertEqual(run_walden("describe", *at, "--region", "31").returncode, 0)


if __name__ == "__main__":
    unittest.main()

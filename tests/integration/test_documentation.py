"""The programs that README and docs show, run as they are."""

import pathlib
import re
import subprocess
import tempfile
import unittest

from walden_testcase import SharedDaemonTestCase

ROOT = pathlib.Path(__file__).resolve().parents[2]


class DocumentationTest(SharedDaemonTestCase):
    def test_the_python_example_runs_as_shown(self):
        shown = subprocess.run(
            [ROOT / "docs/examples/first_minute.py", self.daemon.address],
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
                [example, folder, self.daemon.address],
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

    def test_every_option_of_the_page_of_stubs_is_one_that_the_script_tries(self):
        page = (ROOT / "docs/clients/stubs.md").read_text()
        tried = "".join(
            file.read_text()
            for file in (ROOT / "scripts/try-languages.sh", *(ROOT / "tests/languages").rglob("*.*"))
        )
        blocks = re.findall(r"^```\w*\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
        generating = [block for block in blocks if "grpcurl" not in block]
        self.assertEqual(len(generating), 5)
        for block in generating:
            if "protoc" not in block or block.startswith("<"):
                words = [line.strip() for line in block.splitlines()]
            else:
                words = re.findall(r"--\w+_(?:out|opt)=\S+|\S+@v\S+", block)
            self.assertTrue(words)
            for word in words:
                self.assertIn(word, tried)


if __name__ == "__main__":
    unittest.main()

"""The command blocks of README and docs.

A comment in the source, just before a fenced block, says how a test treats it:

  <!-- run: NAME -->          a test runs it: test_documentation_commands.py and
                              test_security_documentation.py have the names
  <!-- check: configuration -->
                              a configuration that `waldend --check-config` must accept
  <!-- not run: REASON -->    it needs what a test does not have
"""

import pathlib
import re
import subprocess

from walden_daemon import BIN_DIR, clean_environment

ROOT = pathlib.Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"(?:^<!-- (?P<mark>[^>\n]*) -->\n\s*)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
                    re.M | re.S)


def documents():
    """README and the pages of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page):
    """Every fenced block of a page: (mark or None, kind, text)."""
    return [(block["mark"], block["kind"], block["text"])
            for block in _BLOCK.finditer(page.read_text())]


def marked(prefix):
    """Every block of every page whose mark begins so: (page, rest of the mark, text)."""
    return [(page, mark[len(prefix):].strip(), text)
            for page in documents() for mark, _, text in blocks(page)
            if mark and mark.startswith(prefix)]


def block(name):
    """The text of the one block that is marked `run: name`."""
    (text,) = [text for _, marked_name, text in marked("run:") if marked_name == name]
    return text


def commands(text):
    """The lines that a reader types: those behind "$ ", or all of them if there is none."""
    return re.findall(r"^\$ (.*)$", text, re.M) or text.splitlines()


def run(text, folder, variables=None, replace=None):
    """Runs a block's commands in one shell, in `folder`, until one fails.

    `replace` maps what the page names, a path or an address, to what the test has in its place; it
    must be in the text, so that no replacement outlives what it was made for.
    """
    script = "\n".join(commands(text))
    for shown, real in (replace or {}).items():
        if shown not in script:
            raise AssertionError(f"{shown} is not in the block:\n{script}")
        script = script.replace(shown, str(real))
    environment = clean_environment(variables)
    environment["PATH"] = f"{BIN_DIR}:{environment['PATH']}"
    return subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=folder,
                          env=environment, capture_output=True, text=True, timeout=120, check=False)

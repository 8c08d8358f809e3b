"""The set-up of docs/operators/security.md, as the page shows it."""

import pathlib
import re
import subprocess
import unittest

import documented_commands
from walden_daemon import ANY_PORT, run_walden
from walden_guarded import TlsTestCase

ROOT = pathlib.Path(__file__).resolve().parents[2]


class SetUpTest(TlsTestCase):
    def test_the_set_up_works_as_shown(self):
        daemon = self.new_daemon()
        set_up = documented_commands.block("certificates and a token")
        done = documented_commands.run(set_up, daemon.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        (shown_hash,) = re.findall(r"^token_sha256: (\w+)$", set_up, re.M)
        (made_hash,) = re.findall(r"^token_sha256: (\w+)$", done.stdout, re.M)
        identities = documented_commands.block("identities")
        (daemon.folder / "identities.yaml").write_text(identities.replace(shown_hash, made_hash))
        # Elsewhere than on every address of the machine, and on the socket that the test waits at.
        config = documented_commands.block("a guarded daemon")
        self.assertIn('listen: ["0.0.0.0:7070"]', config)
        config = config.replace('"0.0.0.0:7070"', f'"127.0.0.1:0", "{daemon.address}"')
        config = re.sub(r"# (client_\w+: )", r"\1", config)
        config = re.sub(r"(\w+\.(?:yaml|pem|key))", rf"{daemon.folder}/\1", config)
        config += f'data_dir: {daemon.data}\nmetrics: {{listen: ["{ANY_PORT}"]}}\n'
        daemon.config_file.write_text(config)
        daemon.start()
        address = self.tls_address(daemon).replace("127.0.0.1", "localhost")
        done = documented_commands.run(documented_commands.block("a guarded append"), daemon.folder,
                                       replace={"localhost:7070": address})
        self.assertEqual(done.returncode, 0, done.stderr)
        files = (daemon.folder / "ca.pem", daemon.folder / "ingest.token")
        variables = {"WALDEN_TLS_CA": str(files[0]), "WALDEN_TOKEN_FILE": str(files[1])}
        done = run_walden("append", "--address", address, "--region", "2", "--table", "7", "hello",
                          environment=variables)
        self.assertEqual(done.returncode, 9, done.stderr)
        shown = subprocess.run(
            [ROOT / "docs/examples/secure_client.py", address, *files],
            capture_output=True, text=True, timeout=120)
        self.assertEqual((shown.returncode, shown.stdout), (0, "appended 2\n"), shown.stderr)
        self.assertEqual((daemon.folder / "ingest.token").stat().st_mode & 0o777, 0o600)

    def test_the_python_lines_are_the_examples(self):
        page = (ROOT / "docs/operators/security.md").read_text()
        example = (ROOT / "docs/examples/secure_client.py").read_text()
        for line in page.split("```python\n")[1].split("```")[0].splitlines():
            self.assertIn(line.strip(), example)


class TokenCommandTest(unittest.TestCase):
    def test_tokens_are_long_random_and_hashed_as_sha256sum_does(self):
        seen = set()
        for _ in range(5):
            made = run_walden("token")
            token, hashed = re.fullmatch(
                rb"token: (walden_[\w-]{43})\ntoken_sha256: ([0-9a-f]{64})\n", made.stdout).groups()
            by_hand = subprocess.run(["sha256sum"], input=token, capture_output=True, check=True)
            self.assertEqual(by_hand.stdout.split()[0], hashed)
            again = run_walden("token", "--hash", stdin=token + b"\n")
            self.assertEqual(again.stdout, b"token_sha256: " + hashed + b"\n")
            seen.add(token)
        self.assertEqual(len(seen), 5)

    def test_what_is_no_token_is_refused_and_not_repeated(self):
        for text in (b"", b"\n", b"hunter2\n", b"a password with spaces that is long enough\n",
                     b"x" * 2000, "ä".encode() * 40):
            done = run_walden("token", "--hash", stdin=text)
            self.assertEqual((done.returncode, done.stdout), (2, b""))
            if text.strip():
                self.assertNotIn(text.strip(), done.stderr)


if __name__ == "__main__":
    unittest.main()

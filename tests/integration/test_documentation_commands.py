"""The commands that README and docs show, run as they show them."""

import pathlib
import re
import signal
import tempfile
import unittest

import documented_commands
from horaedb_wal import write_segment
from walden_daemon import BIN_DIR, run_waldend, small_rocksdb
from walden_testcase import WaldenTestCase

# A line that begins so is meant to be typed.
_TYPED = re.compile(
    r"^(\$ |(walden|waldend|make|cmake|docker|kubectl|systemctl|sudo|install) |scripts/|\*/)", re.M)


class MarksTest(unittest.TestCase):
    def test_every_block_with_commands_says_whether_a_test_runs_it(self):
        for page in documented_commands.documents():
            for mark, kind, text in documented_commands.blocks(page):
                if kind in ("", "console", "sh") and _TYPED.search(text):
                    with self.subTest(page=page.name, block=text.splitlines()[0]):
                        self.assertIsNotNone(mark, "no mark before the block")
                        self.assertRegex(mark, r"^(run|not run): \S")

    def test_every_block_that_is_marked_to_run_is_run_by_a_test(self):
        here = pathlib.Path(__file__).parent
        tests = "".join(file.read_text() for file in here.glob("test_*documentation*.py"))
        for page, name, _ in documented_commands.marked("run:"):
            self.assertIn(f'"{name}"', tests, f"{page.name}: no test names this block")

    def test_every_configuration_that_a_page_shows_is_accepted(self):
        shown = documented_commands.marked("check: configuration")
        self.assertGreaterEqual(len(shown), 3)
        for page, _, text in shown:
            with self.subTest(page.name), tempfile.TemporaryDirectory() as folder:
                text = text.replace("/run/walden/", f"{folder}/")
                text = text.replace("/var/lib/walden", f"{folder}/data")
                file = pathlib.Path(folder) / "waldend.yaml"
                file.write_text(text)
                done = run_waldend("--config", file, "--check-config", cwd=folder)
                self.assertEqual(done.returncode, 0, done.stderr)


class CommandsTest(WaldenTestCase):
    def run_block(self, name, folder, variables=None, replace=None):
        """Runs a block, which must succeed; returns what it printed."""
        done = documented_commands.run(documented_commands.block(name), folder, variables, replace)
        self.assertEqual(done.returncode, 0, f"{name}: {done.stdout}{done.stderr}")
        return done.stdout

    def started(self, config=None):
        daemon = self.new_daemon(config)
        daemon.start()
        return daemon

    def test_the_first_minute_survives_a_kill(self):
        daemon = self.started()
        (daemon.folder / "build/release").mkdir(parents=True)
        (daemon.folder / "build/release/bin").symlink_to(BIN_DIR.resolve())
        variables = {"WALDEN_ADDRESS": daemon.address}
        shown = self.run_block("readme, first half", daemon.folder, variables)
        self.assertIn("1\thello\n2\tgood day\n", shown)
        self.assertEqual(daemon.wait_exit().code, -signal.SIGKILL)
        daemon.start()
        shown = self.run_block("readme, second half", daemon.folder, variables)
        self.assertEqual(shown.splitlines()[0], "100000")
        self.assertIn("region 1: open", shown)
        with daemon.client() as client:
            left = client.read(1, 8).records
        self.assertEqual(len(left), 50002)  # numbers of table 8 begin at 3

    def test_a_backup_is_made_brought_up_to_date_checked_and_restored(self):
        daemon = self.started()
        with daemon.client() as client:
            records = self.append_numbered(client, 1, 7, 100)
        folder = daemon.folder
        variables = {"WALDEN_ADDRESS": daemon.address}
        backups = {"/backups": folder / "backups"}
        (folder / "backups").mkdir()
        self.run_block("backup", folder, variables, backups)
        with daemon.client() as client:
            records += self.append_numbered(client, 1, 7, 10, prefix="later")
        # What stands behind the five fields of a line of cron.
        self.run_block("backup by cron", folder, None, {
            **backups, "*/10 * * * *": "", "unix:/run/walden/walden.sock": daemon.address,
            "/var/log": folder})
        self.assertIn('"region', (folder / "walden-backup.log").read_text())
        self.assertIn("sound", self.run_block("check a backup", folder, None, backups))
        restored = self.new_daemon()
        restored.data.mkdir()
        self.run_block("restore", folder, None, {**backups, "/var/lib/walden": restored.data})
        restored.start()
        with restored.client() as client:
            self.assertEqual(client.read(1, 7).records, records)

    def test_a_namespace_moves_to_rocksdb(self):
        daemon = self.started({"namespaces": [{"id": 1, "name": "default", "engine": "segment"}]})
        with daemon.client() as client:
            records = self.append_numbered(client, 1, 7, 100)
        daemon.terminate()
        self.run_block("migrate", daemon.folder, None, {"/var/lib/walden": daemon.data})
        daemon.configure(small_rocksdb())
        daemon.start()
        with daemon.client() as client:
            self.assertEqual(client.read(1, 7).records, records)

    def test_horaedbs_local_log_is_imported(self):
        daemon = self.new_daemon()
        wal = daemon.folder / "horaedb/wal"
        write_segment(wal / "3", 0, [(7, 1, b"one"), (7, 2, b"two")])
        daemon.data.mkdir()
        self.run_block("import from horaedb", daemon.folder, None, {
            "/var/lib/horaedb/wal": wal, "/var/lib/walden": daemon.data})
        daemon.configure({"namespaces": [{"id": 1, "name": "default", "engine": "segment"}]})
        daemon.start()
        with daemon.client() as client:
            self.assertEqual(client.read(3, 7).records, [(1, b"one"), (2, b"two")])

    def test_a_directory_of_rocksdb_is_adopted(self):
        daemon = self.started(small_rocksdb())
        with daemon.client() as client:
            records = self.append_numbered(client, 1, 7, 10)
        daemon.terminate()
        self.run_block("adopt", daemon.folder, None, {"/var/lib/walden": daemon.data})
        daemon.start()
        with daemon.client() as client:
            self.assertEqual(client.read(1, 7).records, records)


if __name__ == "__main__":
    unittest.main()

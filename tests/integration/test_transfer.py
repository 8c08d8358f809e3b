"""`walden migrate` and `walden import`, killed on the way, then what the daemon recovers."""

import json
import pathlib
import tempfile
import unittest

from copied_logs import ENGINES, FILLED_TABLES, CopiedLogsTestCase
from horaedb_wal import write_segment
from walden_daemon import flip_byte, run_walden, small_segments
from walden_testcase import Code


class MigrateTest(CopiedLogsTestCase):
    def migrate(self, daemon, to):
        # By its name and by its id.
        namespace = "default" if to == "rocksdb" else "1"
        return ["migrate", "--data-dir", daemon.data, "--namespace", namespace, "--to", to,
                "--segment-size", "1MiB"]

    def test_there_and_back_with_kills_everything_is_the_same(self):
        daemon = self.new_daemon(small_segments())
        daemon.start()
        self.fill(daemon)
        before = self.everything(daemon)
        self.assertEqual(len(before), FILLED_TABLES)
        killed = 0
        for to in ("rocksdb", "segment"):
            daemon.terminate()
            killed += self.kill_often(self.migrate(daemon, to))
            done = run_walden(*self.migrate(daemon, to))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"engine: {to}".encode(), done.stdout)
            old = daemon.data / "default.before-migration"
            self.assertTrue(old.is_dir())
            old.rename(daemon.data / f"removed.{to}")
            daemon.configure(ENGINES[to]())
            daemon.start()
            self.assertEqual(self.everything(daemon), before)
        self.assertGreater(killed, 0)
        with self.assert_refused(Code.FAILED_PRECONDITION, "FENCED"):
            self.new_client(daemon).append(77, 1, [b"x"], region_version=2)

    def test_a_daemon_that_serves_it_is_named(self):
        daemon = self.new_daemon(small_segments())
        daemon.start()
        self.new_client(daemon).append(1, 1, [b"x"])
        refused = run_walden(*self.migrate(daemon, "rocksdb"), "--json")
        self.assertEqual(refused.returncode, 5, refused.stderr)
        error = json.loads(refused.stderr)["error"]
        self.assertEqual(error["reason"], "LOCKED")
        self.assertIn(f"process {daemon.process.pid}", error["message"])

    def test_a_daemon_refuses_a_directory_of_the_other_engine(self):
        for has, wants in (("segment", "rocksdb"), ("rocksdb", "segment")):
            with self.subTest(has=has):
                daemon = self.new_daemon(ENGINES[has]())
                daemon.start()
                records = self.append_numbered(self.new_client(daemon), 1, 1, 3)
                daemon.terminate()
                daemon.configure(ENGINES[wants]())
                daemon.start()
                with self.assert_refused(Code.FAILED_PRECONDITION, "WRONG_ENGINE"):
                    self.new_client(daemon).append(1, 1, [b"x"])
                log = daemon.log_text()
                daemon.terminate()
                self.assertIn(f"was written by engine {has}", log)
                self.assertIn("walden migrate", log)
                daemon.configure(ENGINES[has]())
                daemon.start()
                self.assertEqual(self.new_client(daemon).read(1, 1).records, records)


class ImportTest(CopiedLogsTestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="walden-horaedb-")
        self.addCleanup(folder.cleanup)
        self.wal = pathlib.Path(folder.name) / "wal"
        self.expected = {}
        for region in (3, 12):
            sequence = 1 + 500 * (region == 12)
            for segment in range(10):
                records = []
                while len(records) < 40:
                    table = self.random.choice((1, 2, 7))
                    payload = self.random.randbytes(self.random.choice((0, 10, 20_000)))
                    records.append((table, sequence, payload))
                    self.expected.setdefault((region, table), []).append((sequence, payload))
                    sequence += 1
                write_segment(self.wal / str(region), segment, records)

    def arguments(self, daemon, engine):
        return ["import", "horaedb-local", self.wal, "--data-dir", daemon.data,
                "--namespace", "default", "--engine", engine, "--segment-size", "1MiB"]

    def imported(self, daemon):
        return {key: seen[-1] for key, seen in self.everything(daemon).items()}

    def test_with_kills_every_record_comes_once_with_its_number(self):
        for engine, config in ENGINES.items():
            with self.subTest(engine=engine):
                daemon = self.new_daemon(config())
                killed = self.kill_often(self.arguments(daemon, engine))
                self.assertGreater(killed, 0)
                done = run_walden(*self.arguments(daemon, engine), "--json")
                self.assertEqual(done.returncode, 0, done.stderr)
                lines = [json.loads(line) for line in done.stdout.splitlines()]
                self.assertEqual([line["region_id"] for line in lines], [3, 12])
                self.assertEqual(sum(line["records"] for line in lines), 800)
                daemon.start()
                self.assertEqual(self.imported(daemon), self.expected)
                client = self.new_client(daemon)
                last = self.expected[12, 7][-1][0]
                self.assertGreater(client.append(12, 7, [b"next"]).first_sequence, last)

    def test_damage_is_exit_code_4_and_the_rest_is_there(self):
        path = self.wal / "3" / "seg_4"
        flip_byte(path, 12 + 11)  # in the table id of its first record
        daemon = self.new_daemon(small_segments())
        done = run_walden(*self.arguments(daemon, "segment"))
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn(b"seg_4: damaged: bytes [11, ", done.stdout)
        self.assertIn(b"record 161 may be lost: checksum does not match", done.stdout)
        daemon.start()
        for key, records in self.expected.items():
            self.expected[key] = [r for r in records if key[0] != 3 or r[0] != 161]
        self.assertEqual(self.imported(daemon), self.expected)

    def test_one_region_alone(self):
        daemon = self.new_daemon(small_segments())
        arguments = self.arguments(daemon, "segment")
        arguments[2] = self.wal / "12"
        refused = run_walden(*arguments)
        self.assertEqual(refused.returncode, 2)
        self.assertIn(b"--region", refused.stderr)
        done = run_walden(*arguments, "--region", 12)
        self.assertEqual(done.returncode, 0, done.stderr)
        daemon.start()
        expected = {key: records for key, records in self.expected.items() if key[0] == 12}
        self.assertEqual(self.imported(daemon), expected)


if __name__ == "__main__":
    unittest.main()

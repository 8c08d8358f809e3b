"""`walden backup` under load and kills, `walden restore` into a fresh directory, and what a daemon
then serves; and every way in which they refuse."""

import json
import pathlib
import random
import subprocess
import tempfile
import threading
import time
import unittest

from copied_logs import ENGINES, FILLED_TABLES, REGIONS, CopiedLogsTestCase
from test_full_disk import can_mount, unshare_command
from walden_client import BUFFERED, SYNC, WaldenError
from walden_daemon import WALDEN, clean_environment, flip_byte, run_walden, small_segments
from walden_entry_client import EntryClient
from walden_testcase import Code


class Writers:
    """Appends to several regions and marks deleted, and remembers what was acknowledged."""

    TABLES = (1, 5)

    def __init__(self, test, daemon):
        self.test = test
        self.daemon = daemon
        self.stop = threading.Event()
        self.records = {(r, t): {} for r in REGIONS for t in self.TABLES}
        self.marks = dict.fromkeys(self.records, 0)
        self.threads = [
            threading.Thread(target=self.write, args=(region,), daemon=True) for region in REGIONS
        ]
        for thread in self.threads:
            thread.start()

    def write(self, region):
        chance = random.Random(region)
        with self.daemon.client() as client:
            while not self.stop.is_set():
                table = chance.choice(self.TABLES)
                payloads = [chance.randbytes(chance.randrange(3000)) for _ in range(chance.randrange(1, 6))]
                try:
                    answer = client.append(
                        region, table, payloads, durability=chance.choice((SYNC, BUFFERED)))
                    held = self.records[region, table]
                    held.update(zip(range(answer.first_sequence, answer.last_sequence + 1), payloads))
                    if chance.random() < 0.1:
                        through = answer.last_sequence - chance.randrange(60)
                        self.marks[region, table] = client.mark_deleted(region, table, max(0, through))
                except WaldenError as error:
                    # The daemon was killed: what was under way is not known, and not compared.
                    if error.code != Code.UNAVAILABLE:
                        raise
                    time.sleep(0.02)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


class BackupTestCase(CopiedLogsTestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="walden-backup-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.backup = self.folder / "backup"

    def arguments(self, daemon, *more):
        return ["backup", self.backup, "--address", daemon.address, *more]

    def back_up(self, daemon, *more):
        """Runs it to its end: region id -> its line."""
        done = run_walden(*self.arguments(daemon, *more), "--json", timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertIn("summary", lines[-1])
        return {line["region_id"]: line for line in lines[:-1]}

    def restore_arguments(self, daemon, *more):
        return ["restore", self.backup, "--data-dir", daemon.data, "--namespace", "default",
                "--segment-size", "1MiB", *more]


class BackupTest(BackupTestCase):
    def test_across_engines_with_kills_everything_is_the_same(self):
        for engine, to in (("segment", "rocksdb"), ("rocksdb", "segment")):
            with self.subTest(engine=engine, to=to):
                self.backup = self.folder / engine
                daemon = self.new_daemon(ENGINES[engine]())
                daemon.start()
                self.fill(daemon)
                before = self.everything(daemon)
                self.assertEqual(len(before), FILLED_TABLES)
                killed = self.kill_often(self.arguments(daemon))
                self.back_up(daemon)
                again = self.back_up(daemon)
                self.assertEqual(sum(line["new_records"] for line in again.values()), 0)
                daemon.terminate()
                fresh = self.new_daemon(ENGINES[to]())
                arguments = self.restore_arguments(fresh, "--engine", to)
                killed += self.kill_often(arguments, times=4)
                self.assertGreater(killed, 0)
                done = run_walden(*arguments)
                if done.returncode != 0:
                    self.assertIn(b"already", done.stderr)  # the last one killed was done
                fresh.start()
                self.assertEqual(self.everything(fresh), before)
                with self.assert_refused(Code.FAILED_PRECONDITION, "FENCED"):
                    self.new_client(fresh).append(77, 1, [b"x"], region_version=2)
                entries = EntryClient(self.new_client(fresh))
                self.assertEqual(entries.get(2, 7, b"key"), b"value")

    def test_under_load_with_kills_the_copy_is_what_was_acknowledged(self):
        for engine, config in ENGINES.items():
            with self.subTest(engine=engine):
                self.backup = self.folder / engine
                daemon = self.new_daemon(config())
                daemon.start()
                writers = Writers(self, daemon)
                time.sleep(0.5)
                self.kill_often(self.arguments(daemon))
                # The daemon goes in the middle of a backup, and comes back.
                with subprocess.Popen(
                    [str(WALDEN), *map(str, self.arguments(daemon))],
                    env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                ) as process:
                    time.sleep(self.random.uniform(0, 0.1))
                    daemon.crash_and_restart()
                    process.wait()
                before = {key: set(held) for key, held in writers.records.items()}
                marks_before = dict(writers.marks)
                lines = self.back_up(daemon)
                self.assertEqual(sorted(lines), sorted(REGIONS))
                marks_after = dict(writers.marks)
                self.kill_often(self.arguments(daemon), times=2)
                writers.end()
                next_at_end = {
                    key: self.new_client(daemon).next_sequence(*key) for key in writers.records
                }
                verified = run_walden("verify-backup", self.backup)
                self.assertEqual(verified.returncode, 0, verified.stdout)
                fresh = self.new_daemon(config())
                done = run_walden(*self.restore_arguments(fresh))
                self.assertEqual(done.returncode, 0, done.stderr)
                fresh.start()
                self.compare(fresh, writers, before, marks_before, marks_after, next_at_end)

    def compare(self, fresh, writers, before, marks_before, marks_after, next_at_end):
        restored = self.everything(fresh)
        client = self.new_client(fresh)
        for key, held in writers.records.items():
            next_sequence, mark, *_, records = restored[key]
            self.assertGreaterEqual(mark, marks_before[key])
            self.assertLessEqual(next_sequence, next_at_end[key])
            there = dict(records)
            self.assertEqual(len(there), len(records))
            # Acknowledged before the backup began and not deleted: there, byte for byte.
            for sequence in before[key]:
                if sequence > max(mark, marks_after[key]):
                    self.assertEqual(there.get(sequence), held[sequence], (key, sequence))
            # Nothing that is there is another record, deleted or above the next number.
            for sequence, payload in records:
                self.assertGreater(sequence, mark)
                self.assertLess(sequence, next_sequence)
                if sequence in held:
                    self.assertEqual(payload, held[sequence], (key, sequence))
            # A copy has no holes: all acknowledged records between mark and next number.
            for sequence in held:
                if mark < sequence < next_sequence:
                    self.assertIn(sequence, there, key)
            appended = client.append(*key, [b"behind"]).first_sequence
            self.assertGreaterEqual(appended, next_sequence)

    def test_bringing_it_up_to_date_copies_only_what_is_new_and_lets_go_of_what_is_deleted(self):
        daemon = self.new_daemon(small_segments())
        daemon.start()
        client = self.new_client(daemon)
        client.append(1, 1, [bytes(1000)] * 500)
        self.assertEqual(self.back_up(daemon)[1]["new_records"], 500)
        later = client.append(1, 1, [b"new"] * 3)
        client.mark_deleted(1, 1, later.first_sequence)
        line = self.back_up(daemon)[1]
        self.assertEqual(line["new_records"], 2)
        client.mark_deleted(1, 1, 1 << 62)
        line = self.back_up(daemon)[1]
        self.assertEqual((line["records"], line["new_records"]), (0, 0))
        self.assertEqual(list((self.backup / "region_1").glob("data_*")), [])

    def test_a_dropped_region_keeps_its_last_copy(self):
        daemon = self.new_daemon(small_segments())
        daemon.start()
        client = self.new_client(daemon)
        for region in (1, 2):
            client.append(region, 1, [b"x"])
        self.back_up(daemon)
        client.drop_region(2)
        done = run_walden(*self.arguments(daemon))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"region 2 is not in the namespace any more; its last copy is kept", done.stderr)
        fresh = self.new_daemon(small_segments())
        self.assertEqual(run_walden(*self.restore_arguments(fresh)).returncode, 0)
        fresh.start()
        self.assertEqual(sorted(self.everything(fresh)), [(1, 1), (2, 1)])


class RefusalTest(BackupTestCase):
    def setUp(self):
        super().setUp()
        self.daemon = self.new_daemon(small_segments(recovery_policy="quarantine"))
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def refused(self, code, *arguments):
        done = run_walden(*arguments, "--json")
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stderr.splitlines()[-1])["error"]

    def test_no_daemon_is_exit_code_3(self):
        self.client.append(1, 1, [b"x"])
        self.daemon.terminate()
        self.refused(3, *self.arguments(self.daemon))
        self.assertFalse(self.backup.exists())

    def test_a_region_or_namespace_that_is_not_there_is_said(self):
        self.assertIn("5", self.refused(7, *self.arguments(self.daemon, "--region", 5))["message"])
        error = self.refused(2, *self.arguments(self.daemon, "--namespace", 9))
        self.assertEqual(error["reason"], "UNKNOWN_NAMESPACE")

    def test_a_directory_of_something_else_is_left_alone(self):
        self.backup.mkdir()
        (self.backup / "letter").write_text("dear")
        error = self.refused(5, *self.arguments(self.daemon))
        self.assertEqual(error["reason"], "WRONG_BACKUP")
        self.assertIn("holds letter", error["message"])
        self.assertEqual([p.name for p in self.backup.iterdir()], ["letter"])
        for command in (["verify-backup", self.backup], self.restore_arguments(self.daemon)):
            self.assertIn("is no backup", self.refused(7, *command)["message"])

    def test_a_region_that_was_dropped_and_made_again_is_another_log(self):
        self.append_numbered(self.client, 1, 1, 5, "old")
        self.back_up(self.daemon)
        self.client.drop_region(1)
        self.append_numbered(self.client, 1, 1, 9, "new")
        error = self.refused(5, *self.arguments(self.daemon))
        self.assertEqual(error["reason"], "WRONG_BACKUP")
        self.assertIn("record 5 has other bytes there", error["message"])
        self.assertEqual(run_walden("verify-backup", self.backup).returncode, 0)

    def test_another_namespace_is_refused(self):
        self.client.append(1, 1, [b"x"])
        self.back_up(self.daemon)
        other = self.new_daemon(
            {"default_namespace": "other", "namespaces": [{"id": 4, "name": "other"}]})
        other.start()
        error = self.refused(5, *self.arguments(other))
        self.assertIn("is a backup of namespace default (id 1", error["message"])

    def test_a_restore_needs_the_daemon_stopped_and_the_region_gone(self):
        self.client.append(1, 1, [b"x"])
        self.back_up(self.daemon)
        error = self.refused(5, *self.restore_arguments(self.daemon))
        self.assertEqual(error["reason"], "LOCKED")
        self.assertIn(f"process {self.daemon.process.pid}", error["message"])
        self.client.append(1, 1, [b"y"])
        self.daemon.terminate()
        error = self.refused(5, *self.restore_arguments(self.daemon))
        self.assertEqual(error["reason"], "RESTORE_OUT_OF_ORDER")
        self.assertIn("region 1", error["message"])
        self.daemon.start()
        records = self.new_client(self.daemon).read(1, 1).records
        self.assertEqual(records, [(1, b"x"), (2, b"y")])

    def test_a_daemon_does_not_open_an_unfinished_restore(self):
        self.client.append(1, 1, [self.random.randbytes(10_000)] * 20)
        self.back_up(self.daemon)
        fresh = self.new_daemon(small_segments())
        done = run_walden(*self.restore_arguments(fresh))
        self.assertEqual(done.returncode, 0, done.stderr)
        (fresh.data / "default" / "RESTORING").write_text("{}")
        fresh.start()
        with self.assert_refused(Code.FAILED_PRECONDITION, "WRONG_ENGINE"):
            self.new_client(fresh).append(1, 1, [b"x"])
        self.assertIn("Run the same `walden restore` again", fresh.log_text())

    def test_damage_in_the_backup_is_found_and_not_restored(self):
        self.client.append(1, 1, [b"payload"] * 10)
        self.back_up(self.daemon)
        flip_byte(self.backup / "region_1" / "data_0", 100)
        done = run_walden("verify-backup", self.backup)
        self.assertEqual(done.returncode, 4, done.stdout)
        self.assertIn(b"region_1/data_0: bytes [74, ", done.stdout)
        fresh = self.new_daemon(small_segments())
        self.refused(4, *self.restore_arguments(fresh))
        self.assertEqual(list(fresh.data.iterdir()), [])

    def test_a_damaged_region_is_named_and_left_out_only_when_asked(self):
        for i in range(10):
            self.client.append(1, 1, [b"aaaa-%d" % i])
        self.append_numbered(self.client, 1, 2, 10, "bbbb")
        self.append_numbered(self.client, 2, 1, 10, "cccc")
        self.daemon.terminate()
        (segment,) = self.daemon.segment_files(1)
        flip_byte(segment, segment.read_bytes().find(b"aaaa-4"))
        self.daemon.start()
        done = run_walden(*self.arguments(self.daemon, "--json"))
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn(b"seg_0", done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["region_id"] for line in lines], [2])
        done = run_walden(*self.arguments(self.daemon, "--json", "--skip-damaged"))
        self.assertEqual(done.returncode, 4, done.stderr)
        line = json.loads(done.stdout.splitlines()[0])
        self.assertEqual(line["region_id"], 1)
        self.assertTrue(all(r["file"] == "default/1/seg_0" for r in line["damaged_ranges"]), line)
        self.assertIn((5, 5), {(r["first_sequence"], r["last_sequence"]) for r in line["damaged_ranges"]})
        fresh = self.new_daemon(small_segments())
        done = run_walden(*self.restore_arguments(fresh))
        self.assertEqual(done.returncode, 4, done.stderr)
        fresh.start()
        records = dict(self.new_client(fresh).read(1, 1).records)
        self.assertEqual(sorted(records), [1, 2, 3, 4, 6, 7, 8, 9, 10])
        self.assertEqual(len(self.new_client(fresh).read(1, 2).records), 10)

    def damage_segment(self, needle=None):
        """Restarts the daemon over a damaged record of region 1, or without its segment."""
        self.daemon.terminate()
        (segment,) = self.daemon.segment_files(1)
        if needle is None:
            segment.unlink()
        else:
            flip_byte(segment, segment.read_bytes().find(needle))
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def test_a_region_of_which_nothing_is_left_is_damaged_and_not_empty(self):
        self.append_numbered(self.client, 1, 1, 3, "aaaa")
        self.damage_segment()
        error = self.refused(4, *self.arguments(self.daemon))
        self.assertEqual(error["reason"], "CORRUPTION")
        self.assertIn("seg_0", error["message"])
        self.refused(4, *self.arguments(self.daemon, "--skip-damaged"))

    def test_damage_behind_what_is_marked_deleted_is_named(self):
        for payload in (b"aaaa-1", b"aaaa-2", b"aaaa-3"):
            self.client.append(1, 1, [payload])
        self.client.mark_deleted(1, 1, 2)
        self.damage_segment(b"aaaa-3")
        with self.assert_refused(Code.DATA_LOSS, "CORRUPTION"):
            self.client.read(1, 1)
        self.refused(4, *self.arguments(self.daemon))
        done = run_walden(*self.arguments(self.daemon, "--json", "--skip-damaged"))
        self.assertEqual(done.returncode, 4, done.stderr)
        (named,) = json.loads(done.stdout.splitlines()[0])["damaged_ranges"]
        self.assertEqual((named["first_sequence"], named["last_sequence"]), (3, 3))
        self.client.mark_deleted(1, 1, 3)
        self.back_up(self.daemon)

    def test_every_record_that_rot_hides_from_a_running_daemon_is_named(self):
        self.append_numbered(self.client, 1, 1, 10, "aaaa")
        (segment,) = self.daemon.segment_files(1)
        flip_byte(segment, segment.read_bytes().find(b"aaaa-4"))
        done = run_walden(*self.arguments(self.daemon, "--json", "--skip-damaged"))
        self.assertEqual(done.returncode, 4, done.stderr)
        line = json.loads(done.stdout.splitlines()[0])
        left_out = {
            sequence for damaged in line["damaged_ranges"]
            for sequence in range(damaged["first_sequence"], damaged["last_sequence"] + 1)}
        fresh = self.new_daemon(small_segments())
        run_walden(*self.restore_arguments(fresh))
        fresh.start()
        copied = dict(self.new_client(fresh).read(1, 1).records)
        self.assertIn(5, left_out)
        self.assertEqual(left_out | set(copied), set(range(1, 11)), line)

    def test_a_full_disk_is_exit_code_6_and_the_same_command_goes_on(self):
        if not can_mount(self.folder):
            self.skipTest("cannot mount a tmpfs here")
        self.client.append(1, 1, [self.random.randbytes(400_000)])
        for _ in range(60):
            self.client.append(1, 1, [self.random.randbytes(400_000)])
        self.backup.mkdir()
        done = subprocess.run(
            [*unshare_command(self.backup), str(WALDEN), *map(str, self.arguments(self.daemon))],
            capture_output=True, env=clean_environment(), timeout=60)
        self.assertEqual(done.returncode, 6, done.stderr)
        self.assertIn(b"DISK_FULL", done.stderr)
        self.back_up(self.daemon)


if __name__ == "__main__":
    unittest.main()

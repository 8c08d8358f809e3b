"""A disk that fills up: appends are refused, everything else works, and room is used when it returns.

The daemon gets a small tmpfs of its own in a private mount namespace, which needs root or unprivileged
user namespaces; without either the tests are skipped.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import unittest

from walden_client import WaldenError
from walden_daemon import small_rocksdb, small_segments
from walden_testcase import Code, WaldenTestCase

DISK_BYTES = 12 << 20
PAYLOAD = bytes(200_000)


def with_reserve(reserve, **settings):
    """A configuration with 1 MiB segments and so much of the disk that stays free."""
    config = small_segments(**settings)
    return {**config, "limits": {**config["limits"], "disk_reserve": reserve}}


def unshare_command(folder):
    """Runs the rest of the command line with a small file system mounted on `folder`."""
    user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    mount = f'mount -t tmpfs -o size={DISK_BYTES} none "$0" && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", *user, "sh", "-c", mount, str(folder)]


def can_mount(folder):
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*unshare_command(folder), "true"], capture_output=True).returncode == 0


class SmallDiskTestCase(WaldenTestCase):
    """A daemon per test, alone on a small disk."""

    config = with_reserve("0B")

    def setUp(self):
        self.daemon = self.new_daemon(self.config)
        self.daemon.data.mkdir()
        if not can_mount(self.daemon.data):
            self.skipTest("cannot mount a tmpfs here")
        self.daemon.wrapper = unshare_command(self.daemon.data)
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def fill(self):
        """Appends until the disk is full; returns what was acknowledged, and the refusal."""
        records = []
        for _ in range(1000):
            try:
                answer = self.client.append(1, 1, [PAYLOAD])
            except WaldenError as refusal:
                return records, refusal
            records.append((answer.first_sequence, PAYLOAD))
        raise AssertionError("the disk never filled")

    def take_what_is_free(self):
        # What the daemon does meanwhile may give some back, or take it.
        def is_full():
            with contextlib.suppress(OSError), (self.data_inside() / "ballast").open("ab") as ballast:
                ballast.write(bytes(self.free_bytes()))
            return self.free_bytes() == 0

        self.eventually(is_full, "the disk is full")

    def data_inside(self):
        """The data directory as the daemon's mount namespace has it."""
        return pathlib.Path(f"/proc/{self.daemon.process.pid}/root") / str(self.daemon.data).lstrip("/")

    def free_bytes(self):
        info = os.statvfs(self.data_inside())
        return info.f_bavail * info.f_frsize

    def restart_inside(self):
        """Another daemon on the same small disk, which a mount namespace keeps alive."""
        inside = self.daemon.process.pid
        holder = subprocess.Popen(["nsenter", f"--mount=/proc/{inside}/ns/mnt", "sleep", "600"])
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        self.eventually(
            lambda: os.readlink(f"/proc/{holder.pid}/ns/mnt") == os.readlink(f"/proc/{inside}/ns/mnt"),
            "the mount is held",
        )
        self.daemon.kill()
        self.daemon.wrapper = ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt"]
        self.daemon.start()
        self.client.close()
        self.client = self.new_client(self.daemon)


class FullDiskTest(SmallDiskTestCase):
    def test_appends_are_refused_and_reads_and_marks_work(self):
        records, refusal = self.fill()
        self.check_refusal(refusal, Code.RESOURCE_EXHAUSTED, "DISK_FULL")
        self.assertEqual(self.client.read(1, 1).records, records)
        self.assertEqual(self.client.recover(1).of_table(1), records)
        self.assertEqual(self.client.mark_deleted(1, 1, 1), 1)
        self.assertEqual(self.client.read(1, 1).records, records[1:])

    def test_a_refused_append_leaves_nothing_and_burns_no_visible_number(self):
        records, _ = self.fill()
        for _ in range(20):
            with self.assert_refused(Code.RESOURCE_EXHAUSTED, "DISK_FULL"):
                self.client.append(1, 1, [PAYLOAD])
        self.assertEqual(self.client.read(1, 1).records, records)

    def test_appends_resume_by_themselves_when_marks_make_room(self):
        records, _ = self.fill()
        self.client.mark_deleted(1, 1, records[len(records) // 2][0])
        kept = records[len(records) // 2 + 1 :]
        answer = self.client.append(1, 1, [PAYLOAD])
        self.assertGreater(answer.first_sequence, records[-1][0])
        expected = kept + [(answer.first_sequence, PAYLOAD)]
        self.assertEqual(self.client.read(1, 1).records, expected)

    def test_appends_resume_when_somebody_else_makes_room(self):
        ballast = self.data_inside() / "ballast"
        ballast.write_bytes(bytes(5 << 20))
        records, refusal = self.fill()
        self.check_refusal(refusal, Code.RESOURCE_EXHAUSTED, "DISK_FULL")
        ballast.unlink()
        answer = self.client.append(1, 1, [PAYLOAD])
        self.assertEqual(
            self.client.read(1, 1).records, records + [(answer.first_sequence, PAYLOAD)]
        )

    def test_a_new_region_on_a_full_disk_is_refused_and_works_later(self):
        records, _ = self.fill()
        with self.assert_refused(Code.RESOURCE_EXHAUSTED, "DISK_FULL"):
            for region in range(2, 20):
                self.client.append(region, 1, [PAYLOAD])
        self.client.mark_deleted(1, 1, records[-1][0])
        self.client.append(50, 1, [b"x"])
        self.assertEqual(self.client.read(50, 1).records, [(1, b"x")])

    def test_small_regions_on_a_full_disk_still_take_what_fits_their_segment(self):
        self.client.append(2, 1, [b"before"])
        self.fill()
        self.client.append(2, 1, [b"after"])
        self.assertEqual([p for _, p in self.client.read(2, 1).records], [b"before", b"after"])


class DiskReserveTest(SmallDiskTestCase):
    config = with_reserve("4MiB")

    def test_appends_stop_at_the_reserve_and_say_when_to_come_back(self):
        records, refusal = self.fill()
        self.check_refusal(
            refusal, Code.RESOURCE_EXHAUSTED, "DISK_RESERVE", field="limits.disk_reserve", limit=4 << 20
        )
        self.assertGreaterEqual(refusal.retry_seconds, 0.1)
        self.assertGreaterEqual(self.free_bytes(), 4 << 20)
        self.assertTrue(records)

    def test_reads_and_marks_go_on_and_appends_resume_by_themselves(self):
        records, _ = self.fill()
        self.assertEqual(self.client.read(1, 1).records, records)
        self.assertEqual(self.client.recover(1).of_table(1), records)
        last = records[-1][0]
        self.assertEqual(self.client.mark_deleted(1, 1, last - 1), last - 1)
        self.eventually(self.appends_again, "appends resume")

    def appends_again(self, payload=PAYLOAD):
        try:
            self.client.append(1, 1, [payload])
        except WaldenError as refusal:
            self.check_refusal(refusal, Code.RESOURCE_EXHAUSTED, "DISK_RESERVE")
            return False
        return True

    def test_somebody_elses_files_stop_appends_where_there_is_room_in_a_segment(self):
        self.client.append(1, 1, [b"before"])
        ballast = self.data_inside() / "ballast"
        ballast.write_bytes(bytes(self.free_bytes() - (3 << 20)))
        # Small ones, which need no new segment.
        self.eventually(lambda: not self.appends_again(b"small"), "appends stop")
        for table in range(3):
            with self.assert_refused(Code.RESOURCE_EXHAUSTED, "DISK_RESERVE"):
                self.client.append(1, table, [b"refused"])
        records = self.client.read(1, 1).records
        self.assertEqual(self.client.mark_deleted(1, 1, 1), 1)
        ballast.unlink()
        self.eventually(self.appends_again, "appends resume")
        self.assertEqual(self.client.read(1, 1).records[0], records[1] if records[1:] else (2, PAYLOAD))

    def test_a_reserve_that_is_reloaded_holds(self):
        self.fill()
        self.daemon.configure(with_reserve("1MiB"))
        self.daemon.signal(signal.SIGHUP)
        self.eventually(self.appends_again, "appends resume")

    def test_it_starts_below_the_reserve_for_reads_and_marks(self):
        records, _ = self.fill()
        self.daemon.configure(with_reserve("11MiB"))
        self.restart_inside()
        self.assertEqual(self.client.read(1, 1).records, records)
        with self.assert_refused(Code.RESOURCE_EXHAUSTED, "DISK_RESERVE"):
            self.client.append(1, 1, [PAYLOAD])
        self.assertEqual(self.client.mark_deleted(1, 1, records[-1][0]), records[-1][0])
        self.assertEqual(self.client.read(1, 1).records, [])


class SmallerThanTheDefaultsTest(SmallDiskTestCase):
    """The segments of the defaults, 64 MiB, on a disk of 12 MiB."""

    config = {}

    def test_the_start_says_that_no_segment_fits_with_the_numbers(self):
        self.eventually(lambda: "takes no new region" in self.daemon.log_text(), "it is said")
        line = next(l for l in self.daemon.log_text().splitlines() if "takes no new region" in l)
        self.assertIn(str(64 << 20), line)
        with self.assertRaises(WaldenError) as refused:
            self.client.append(1, 1, [b"x"])
        self.assertEqual(refused.exception.code, Code.RESOURCE_EXHAUSTED)


class StartOnFullDiskTest(SmallDiskTestCase):
    """Without a reserve the disk fills to its last byte, and the next start finds it so."""

    config = with_reserve("0B")

    def test_it_starts_reads_and_marks_and_then_appends_again(self):
        records, refusal = self.fill()
        self.check_refusal(refusal, Code.RESOURCE_EXHAUSTED, "DISK_FULL")
        self.take_what_is_free()
        self.restart_inside()
        self.assertEqual(self.client.read(1, 1).records, records)
        with self.assert_refused(Code.RESOURCE_EXHAUSTED, "DISK_FULL"):
            for _ in range(10):
                self.client.append(1, 1, [PAYLOAD])
        kept = self.client.read(1, 1).records
        self.assertEqual(self.client.mark_deleted(1, 1, kept[-2][0]), kept[-2][0])
        answer = self.client.append(1, 1, [PAYLOAD])
        self.assertEqual(
            self.client.read(1, 1).records, kept[-1:] + [(answer.first_sequence, PAYLOAD)]
        )


class StartRocksdbOnFullDiskTest(SmallDiskTestCase):
    config = {**small_rocksdb(), "limits": {"disk_reserve": "0B"}}

    def test_it_starts_reads_and_marks_and_then_appends_again(self):
        records, refusal = self.fill()
        self.check_refusal(refusal, Code.RESOURCE_EXHAUSTED, "DISK_FULL")
        self.take_what_is_free()
        self.restart_inside()
        self.assertEqual(self.client.read(1, 1).records, records)
        last = records[-1][0]
        self.assertEqual(self.client.mark_deleted(1, 1, last - 1), last - 1)
        self.assertEqual(self.client.read(1, 1).records, records[-1:])
        (self.data_inside() / "ballast").unlink()
        answer = self.client.append(1, 1, [PAYLOAD])
        self.assertEqual(
            self.client.read(1, 1).records, records[-1:] + [(answer.first_sequence, PAYLOAD)]
        )


if __name__ == "__main__":
    unittest.main()

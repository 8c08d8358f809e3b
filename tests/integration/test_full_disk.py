"""A disk that fills up: appends are refused, everything else works, and room is used when it returns.

The daemon gets a small tmpfs of its own in a private mount namespace, which needs root or unprivileged
user namespaces; without either the tests are skipped.
"""

import os
import pathlib
import shutil
import subprocess
import unittest

from walden_client import WaldenError
from walden_daemon import small_segments
from walden_testcase import Code, WaldenTestCase

DISK_BYTES = 12 << 20
PAYLOAD = bytes(200_000)


def unshare_command(folder):
    """Runs the rest of the command line with a small file system mounted on `folder`."""
    user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    mount = f'mount -t tmpfs -o size={DISK_BYTES} none "$0" && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", *user, "sh", "-c", mount, str(folder)]


def can_mount(folder):
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*unshare_command(folder), "true"], capture_output=True).returncode == 0


class FullDiskTest(WaldenTestCase):
    def setUp(self):
        self.daemon = self.new_daemon(small_segments())
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

    def data_inside(self):
        """The data directory as the daemon's mount namespace has it."""
        return pathlib.Path(f"/proc/{self.daemon.process.pid}/root") / str(self.daemon.data).lstrip("/")

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


if __name__ == "__main__":
    unittest.main()

"""Who may read the data, and directories that are not where or what one expects."""

import os
import pathlib
import shutil
import tempfile
import unittest

from walden_daemon import small_segments
from walden_testcase import Code, WaldenTestCase


def mode(path):
    return path.stat().st_mode & 0o7777


class DataDirectoryTest(WaldenTestCase):
    def setUp(self):
        self.daemon = self.new_daemon(small_segments())

    def start(self):
        self.daemon.start()
        return self.new_client(self.daemon)

    def test_only_the_daemons_user_may_read_what_it_writes(self):
        self.start().append(1, 1, [b"secret"])
        for folder, folders, files in os.walk(self.daemon.data):
            for name in folders:
                self.assertEqual(mode(pathlib.Path(folder, name)), 0o700, name)
            for name in files:
                self.assertEqual(mode(pathlib.Path(folder, name)), 0o600, name)
        self.assertEqual(mode(self.daemon.data), 0o700)

    def test_a_directory_that_everybody_may_read_is_tightened(self):
        self.daemon.data.mkdir(mode=0o755)
        (self.daemon.data / "default").mkdir(mode=0o755)
        self.start()
        self.assertEqual(mode(self.daemon.data), 0o700)
        self.assertEqual(mode(self.daemon.data / "default"), 0o700)
        self.assertIn("open to other users", self.daemon.log_text())

    def test_a_region_on_another_file_system_grows(self):
        other = pathlib.Path(tempfile.mkdtemp(prefix="walden-", dir="/dev/shm"))
        self.addCleanup(shutil.rmtree, other)
        if os.stat(other).st_dev == os.stat(self.daemon.data.parent).st_dev:
            self.skipTest("there is no other file system here")
        self.start().append(7, 1, [b"first"])
        self.daemon.terminate()
        folder = self.daemon.region_folder(7)
        shutil.copytree(folder, other / "7")
        shutil.rmtree(folder)
        folder.symlink_to(other / "7")
        client = self.start()
        payloads = [bytes([i]) * 100_000 for i in range(40)]
        for payload in payloads:
            client.append(7, 1, [payload])
        read = [payload for _, payload in client.read(7, 1).records]
        self.assertEqual(read, [b"first", *payloads])

    def test_a_fifo_in_a_segments_place_stops_its_region_and_nothing_else(self):
        client = self.start()
        client.append(1, 1, [b"lost"])
        client.append(2, 1, [b"kept"])
        self.daemon.terminate()
        segment = self.daemon.region_folder(1) / "seg_0"
        segment.unlink()
        os.mkfifo(segment)
        client = self.start()
        with self.assert_refused(Code.DATA_LOSS, "CORRUPTION"):
            client.read(1, 1)
        self.assertEqual(client.read(2, 1).records, [(1, b"kept")])


if __name__ == "__main__":
    unittest.main()

"""A daemon worth looking at: under load, with deleted and damaged segments, refusals and a torn tail.

For the tests of what watches it: status page, dashboard, alerts.
"""

import threading

from segment_file import SegmentFile
from walden_client import WaldenError
from walden_daemon import Daemon, find_bytes, flip_byte, write_at

BUSY, HALF_DELETED, TORN, BROKEN, FENCED = 1, 2, 3, 4, 5
OTHER_NAMESPACE = 2  # on RocksDB
LAST = b"the last of this region"
KEEPS, GIVES_BACK = 11, 12  # tables of HALF_DELETED

_CONFIG = {
    "limits": {"max_batch_bytes": "512KiB", "max_payload_bytes": "512KiB"},
    "namespaces": [
        {"id": 1, "name": "default", "engine": "segment", "segment_size": "1MiB"},
        {"id": OTHER_NAMESPACE, "name": "rocks", "engine": "rocksdb"},
    ],
}


class WatchedDaemon:
    """Started and damaged when made. start_load() and close() belong on the thread that made it."""

    def __init__(self):
        self.daemon = Daemon(_CONFIG)
        self._stop = threading.Event()
        self._threads = []
        self._following = None
        try:
            self.daemon.start()
            with self.daemon.client() as client:
                self._fill(client)
            self.daemon.kill()
            self._damage()
            self.daemon.start()
        except BaseException:
            self.daemon.discard()
            raise

    def _fill(self, client):
        # Both tables share the first segments; later ones hold the table alone that keeps its records.
        for i in range(60):
            client.append(HALF_DELETED, KEEPS, [bytes([i]) * 50_000])
            if i < 40:
                client.append(HALF_DELETED, GIVES_BACK, [bytes([i]) * 50_000])
        client.mark_deleted(HALF_DELETED, GIVES_BACK, client.next_sequence(HALF_DELETED, GIVES_BACK))
        client.mark_deleted(HALF_DELETED, KEEPS, 20)
        client.append(TORN, 1, [LAST])
        for i in range(40):
            client.append(BROKEN, 1, [b"number %03d " % i + bytes([i]) * 60_000])
        client.append(FENCED, 1, [b"x"], region_version=9)

    def _damage(self):
        (torn,) = self.daemon.segment_files(TORN)
        end = find_bytes(torn, LAST) + len(LAST)
        file = SegmentFile(torn)
        write_at(torn, file.group_begin(end), file.torn_group(end, 1, 2, b"z" * 20_000))
        path = self.daemon.segment_files(BROKEN)[0]
        flip_byte(path, find_bytes(path, b"number 003 ") + 30_000)

    @property
    def url(self):
        """Of the port for metrics and the status page, with a slash at the end."""
        return f"http://{self.daemon.metrics_address()}/"

    def start_load(self):
        """Appends, reads, follows, deletes and gets refused until close()."""
        for work in (self._append, self._read, self._follow, self._be_refused):
            thread = threading.Thread(target=self._repeat, args=(work,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop_load(self):
        self._stop.set()
        if self._following is not None:
            self._following.cancel()
        for thread in self._threads:
            thread.join(timeout=30)
        self._threads.clear()

    def close(self):
        self.stop_load()
        self.daemon.discard()

    def _repeat(self, work):
        with self.daemon.client() as client:
            while not self._stop.wait(0.02):
                try:
                    work(client)
                except WaldenError:
                    if not self._stop.is_set() and work != self._be_refused:
                        raise

    def _append(self, client):
        last = client.append(BUSY, 1, [b"x" * 2000] * 20).last_sequence
        client.mark_deleted(BUSY, 1, max(0, last - 2000))
        client.append(BUSY, 1, [b"y" * 100], namespace=OTHER_NAMESPACE)

    def _read(self, client):
        # _append marks records deleted meanwhile.
        client.read(BUSY, 1, max_records=200, skip_deleted=True)

    def _follow(self, client):
        self._following = client.open_read(BUSY, 1, follow=True)
        if self._stop.is_set():
            self._following.cancel()
        for _ in self._following:
            pass

    def _be_refused(self, client):
        for call in (lambda: client.append(FENCED, 1, [b"x"], region_version=3),
                     lambda: client.append(BUSY, 1, [b"x"], expected_next=10**15),
                     lambda: client.read(BROKEN, 1)):
            try:
                call()
            except WaldenError:
                continue
            raise AssertionError("what must be refused was not")
        self._stop.wait(0.2)


def describe(client, region):
    """DescribeRegionResponse, and its segments' bytes together: live, deleted, free."""
    described = client.describe_region(region)
    sums = {"live": 0, "deleted": 0, "free": 0}
    for segment in described.segments:
        sums["live"] += segment.live_bytes
        sums["deleted"] += segment.used_bytes - segment.live_bytes
        sums["free"] += segment.allocated_bytes - segment.used_bytes
    return described, sums


"""Following a log: new records arrive once, in order, when their append is answered."""

import threading
import time
import unittest

import grpc

from walden_client import BUFFERED, WaldenError
from walden_stubs import wal_pb2
from walden_testcase import Code, SharedDaemonTestCase


class Tail:
    """Reads a follow stream in a thread."""

    def __init__(self, client, region, table, **options):
        self.stream = client.open_read(region, table, follow=True, **options)
        self.records = []
        self.error = None
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            for record in self.stream:
                self.records.append(record)
        except WaldenError as error:
            self.error = error
        self.ended.set()

    def stop(self):
        self.stream.cancel()
        self._thread.join(10)


class FollowTest(SharedDaemonTestCase):
    def follow(self, region, table, **options):
        tail = Tail(self.client, region, table, **options)
        self.addCleanup(tail.stop)
        return tail

    def assert_receives(self, tail, expected):
        self.eventually(lambda: len(tail.records) >= len(expected), "the follower sees them all")
        self.assertEqual(tail.records, expected)

    def test_a_follower_sees_old_and_new_records_once_and_in_order(self):
        region = self.fresh_region()
        expected = self.append_numbered(self.client, region, 1, 10)
        tail = self.follow(region, 1)
        self.assert_receives(tail, expected)
        for _ in range(50):
            expected += self.append_numbered(self.client, region, 1, 3)
        self.assert_receives(tail, expected)
        self.assertFalse(tail.ended.is_set())

    def test_a_follower_sees_only_its_table(self):
        region = self.fresh_region()
        tail = self.follow(region, 1)
        expected = []
        for _ in range(20):
            self.append_numbered(self.client, region, 2, 3)
            expected += self.append_numbered(self.client, region, 1, 1)
        self.assert_receives(tail, expected)

    def test_a_follower_of_a_region_that_does_not_exist_yet_sees_its_first_record(self):
        region = self.fresh_region()
        tail = self.follow(region, 1)
        records = self.append_numbered(self.client, region, 1, 3)
        self.assertEqual(tail.stream.position.next_sequence, records[0][0])
        self.assert_receives(tail, records)

    def test_a_follower_sees_buffered_records_without_a_sync(self):
        region = self.fresh_region()
        tail = self.follow(region, 1)
        expected = self.append_numbered(self.client, region, 1, 3, durability=BUFFERED)
        self.assert_receives(tail, expected)

    def test_a_follower_starts_where_it_is_told_even_past_the_end(self):
        region = self.fresh_region()
        first = self.append_numbered(self.client, region, 1, 10)
        tail = self.follow(region, 1, after=first[-1][0] + 5)
        expected = self.append_numbered(self.client, region, 1, 10)[5:]
        self.assert_receives(tail, expected)

    def test_a_follower_ends_at_its_bound(self):
        region = self.fresh_region()
        first = self.append_numbered(self.client, region, 1, 2)
        tail = self.follow(region, 1, end=first[-1][0] + 2)
        time.sleep(0.05)
        self.assertFalse(tail.ended.is_set())
        second = self.append_numbered(self.client, region, 1, 5)
        self.assertTrue(tail.ended.wait(10))
        self.assertIsNone(tail.error)
        self.assertEqual(tail.records, first + second[:2])

    def test_a_follower_ends_at_its_limit_of_records_or_bytes(self):
        region = self.fresh_region()
        by_records = self.follow(region, 1, max_records=5)
        by_bytes = self.follow(region, 1, max_bytes=17)
        records = []
        for _ in range(10):
            answer = self.client.append(region, 1, [b"12345678"])
            records.append((answer.first_sequence, b"12345678"))
        for tail, count in ((by_records, 5), (by_bytes, 3)):
            self.assertTrue(tail.ended.wait(10))
            self.assertIsNone(tail.error)
            self.assertEqual(tail.records, records[:count])

    def test_a_follower_that_cancels_is_forgotten(self):
        region = self.fresh_region()
        self.append_numbered(self.client, region, 1, 1)
        before = self.client.statistics().open_reader_count
        tail = self.follow(region, 1)
        self.eventually(lambda: tail.records, "the follower runs")
        self.assertEqual(self.client.statistics().open_reader_count, before + 1)
        tail.stop()
        self.assertEqual(tail.error.code, Code.CANCELLED)
        self.eventually(
            lambda: self.client.statistics().open_reader_count == before, "the reader is gone"
        )

    def test_closing_the_region_ends_its_followers(self):
        region = self.fresh_region()
        expected = self.append_numbered(self.client, region, 1, 3)
        tail = self.follow(region, 1)
        self.assert_receives(tail, expected)
        self.client.close_region(region)
        self.assertTrue(tail.ended.wait(10))
        self.assertEqual(tail.error.code, Code.UNAVAILABLE)
        self.assertEqual(self.client.read(region, 1).records, expected)

    def test_many_followers_of_one_table_all_see_everything(self):
        region = self.fresh_region()
        tails = [self.follow(region, 1) for _ in range(50)]
        expected = []
        for _ in range(30):
            expected += self.append_numbered(self.client, region, 1, 5)
        for tail in tails:
            self.assert_receives(tail, expected)

    def test_an_append_that_is_answered_is_in_the_next_read(self):
        region = self.fresh_region()
        for _ in range(200):
            answer = self.client.append(region, 1, [b"x"])
            records = self.client.read(region, 1, start=answer.first_sequence).records
            self.assertEqual(records, [(answer.first_sequence, b"x")])

    def test_what_is_deleted_under_a_follower_does_not_disturb_it(self):
        region = self.fresh_region()
        tail = self.follow(region, 1)
        expected = []
        for _ in range(20):
            expected += self.append_numbered(self.client, region, 1, 5)
            self.assert_receives(tail, expected)
            self.client.mark_deleted(region, 1, expected[-1][0])
        self.assertIsNone(tail.error)

    def test_a_deadline_ends_a_follow(self):
        region = self.fresh_region()
        request = wal_pb2.ReadRequest(region_id=region, table_id=1, follow=True)
        call = self.client.wal.Read(request, timeout=0.3)
        with self.assertRaises(grpc.RpcError) as caught:
            list(call)
        self.assertEqual(caught.exception.code(), Code.DEADLINE_EXCEEDED)


if __name__ == "__main__":
    unittest.main()

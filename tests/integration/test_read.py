"""Where a read begins and ends, and what it says of itself: summaries, caught-up marks, heartbeats."""

import functools
import threading
import time
import unittest

from walden_client import BUFFERED, WaldenError
from walden_entry_client import EntryClient
from walden_stubs import wal_pb2
from walden_testcase import Code, SharedDaemonTestCase

NEVER_SYNCED = {"buffered_sync_interval": "1h", "buffered_sync_every_writes": 1_000_000}


def now():
    """Milliseconds since the Unix epoch. The daemon's clock is the same."""
    return int(time.time() * 1000)


class BeginningTest(SharedDaemonTestCase):
    def append_one_by_one(self, region, count, prefix):
        """Each in a group of its own."""
        return [
            record
            for i in range(count)
            for record in self.append_numbered(self.client, region, 1, 1, prefix=f"{prefix}-{i}")
        ]

    def test_the_last_records_are_those_that_are_there_now(self):
        region = self.fresh_region()
        records = []
        for i in range(20):
            self.client.append(region, 2, [b"of another table"])
            records += self.append_numbered(self.client, region, 1, 1, prefix=f"{i}")

        def last(count, **options):
            return self.client.read(region, 1, last_records=count, **options).records

        self.assertEqual(last(3), records[-3:])
        self.assertEqual(last(20), records)
        self.assertEqual(last(1_000_000), records)
        self.assertEqual(last(5, max_records=2), records[-5:-3])
        self.client.mark_deleted(region, 1, records[16][0])
        self.assertEqual(last(10), records[17:])
        self.client.mark_deleted(region, 1, records[-1][0])
        self.assertEqual(last(10), [])
        self.assertEqual(self.client.read(self.fresh_region(), 1, last_records=5).records, [])
        with self.assert_refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", field="last_records"):
            last(0)
        with self.assert_refused(Code.INVALID_ARGUMENT, "LIMIT_EXCEEDED", field="last_records"):
            last(1_000_001)

    def test_a_follower_begins_with_the_last_records(self):
        region = self.fresh_region()
        records = self.append_one_by_one(region, 10, "old")
        stream = self.client.open_read(region, 1, last_records=2, follow=True)
        received = iter(stream)
        self.assertEqual([next(received) for _ in range(2)], records[-2:])
        records = self.append_numbered(self.client, region, 1, 3, prefix="new")
        self.assertEqual([next(received) for _ in range(3)], records)
        stream.cancel()

    def test_no_record_from_a_time_on_is_left_out(self):
        region = self.fresh_region()
        before = self.append_one_by_one(region, 10, "before")
        time_between = now() + 1
        self.eventually(lambda: now() > time_between, "the clock goes on")
        after = self.append_one_by_one(region, 10, "after")
        records = self.client.read(region, 1, start_time=time_between).records
        self.assertEqual(records[-10:], after)
        self.assertEqual(records, (before + after)[-len(records) :])
        if self.client.list_namespaces()[0].engine == "segment":
            self.assertLessEqual(len(records), 11)  # one of before may be of the same group
        hour = 3_600_000
        self.assertEqual(
            self.client.read(region, 1, start_time=time_between - hour).records, before + after
        )
        self.assertEqual(self.client.read(region, 1, start_time=0).records, before + after)

    def test_from_a_time_in_the_future_a_read_is_empty_and_a_follower_waits(self):
        region = self.fresh_region()
        records = self.append_one_by_one(region, 3, "old")
        later = now() + 3_600_000
        result = self.client.read(region, 1, start_time=later)
        self.assertEqual(result.records, [])
        self.assertEqual(result.summary.resume_sequence, records[-1][0] + 1)
        self.assertEqual(self.client.read(self.fresh_region(), 1, start_time=later).records, [])

    def test_an_end_below_the_beginning_by_time_or_count_is_empty(self):
        region = self.fresh_region()
        records = self.append_one_by_one(region, 10, "x")
        low = records[2][0]
        self.assertEqual(self.client.read(region, 1, last_records=3, end=low).records, [])
        self.assertEqual(self.client.read(region, 1, last_records=9, end=low).records, records[1:3])
        self.assertEqual(self.client.read(region, 1, start_time=0, end=low).records, records[:3])


class SummaryTest(SharedDaemonTestCase):
    """The client compares each summary with what was streamed."""

    def test_reading_on_at_the_summarys_number_gives_every_record_once(self):
        region = self.fresh_region()
        records = []
        for i in range(20):
            self.client.append(region, 2, [b"of another table"])
            records += self.append_numbered(self.client, region, 1, 2, prefix=f"{i}")
        for limits in ({"max_records": 7}, {"max_bytes": 30}, {"max_records": 1}):
            with self.subTest(limits):
                collected, start = [], 1
                while start < self.client.next_sequence(region, 1):
                    part = self.client.read(region, 1, start=start, **limits)
                    self.assertTrue(part.records)
                    collected += part.records
                    start = part.summary.resume_sequence
                self.assertEqual(collected, records)

    def test_a_summary_goes_on_behind_the_end_of_the_range(self):
        region = self.fresh_region()
        records = self.append_numbered(self.client, region, 1, 10)
        first, last = records[0][0], records[-1][0]

        def next_sequence(**options):
            return self.client.read(region, 1, **options).summary.resume_sequence

        self.assertEqual(next_sequence(), last + 1)
        self.assertEqual(next_sequence(end=first + 3), first + 4)
        self.assertEqual(next_sequence(before=first + 3), first + 3)
        self.assertEqual(next_sequence(max_records=4), first + 4)
        self.client.mark_deleted(region, 1, first + 4)
        self.assertEqual(next_sequence(start=1, skip_deleted=True, max_records=1), first + 6)

    def test_an_empty_table_has_a_summary_of_nothing(self):
        result = self.client.read(self.fresh_region(), 1)
        self.assertEqual((result.summary.record_count, result.summary.resume_sequence), (0, 1))

    def test_a_follower_that_reaches_its_end_has_a_summary(self):
        region = self.fresh_region()
        stream = self.client.open_read(region, 1, max_records=3, follow=True)
        records = self.append_numbered(self.client, region, 1, 5)
        self.assertEqual(list(stream), records[:3])
        self.assertEqual(stream.summary.resume_sequence, records[2][0] + 1)


class FollowerTest(SharedDaemonTestCase):
    config = {"namespaces": [{"id": 1, "name": "default", **NEVER_SYNCED}]}

    def test_a_follower_is_told_each_time_that_it_has_caught_up(self):
        region = self.fresh_region()
        stream = self.client.open_read(region, 1, follow=True)
        messages = stream.messages()
        next_sequence = stream.position.next_sequence
        for round_number in range(5):
            mark = next(messages)
            self.assertTrue(mark.caught_up)
            self.assertEqual(list(mark.records), [])
            self.assertEqual(mark.position.next_sequence, next_sequence)
            payloads = [b"%d" % i for i in range(round_number + 1)]
            answer = self.client.append(region, 1, payloads)
            next_sequence = answer.last_sequence + 1
            received = []
            while len(received) < len(payloads):
                received += [record.payload for record in next(messages).records]
            self.assertEqual(received, payloads)
        stream.cancel()

    def test_a_follower_that_has_much_to_read_is_told_at_the_end_only(self):
        region = self.fresh_region()
        for _ in range(20):
            self.client.append(region, 1, [bytes(100_000)] * 5)
        stream = self.client.open_read(region, 1, follow=True)
        count = 0
        for message in stream.messages():
            if message.caught_up:
                break
            count += len(message.records)
        self.assertEqual(count, 100)
        stream.cancel()

    def test_heartbeats_come_while_nothing_else_does_and_say_where_the_log_ends(self):
        region = self.fresh_region()
        last = self.client.append(region, 1, [b"x"]).last_sequence
        hourly = self.client.open_read(region, 1, follow=True, heartbeat_seconds=3600)
        received = threading.Thread(target=lambda: self.assertRaises(WaldenError, list, hourly))
        received.start()
        stream = self.client.open_read(region, 1, follow=True, heartbeat_seconds=0.01)
        for message in stream.messages():
            if message.caught_up:
                self.assertEqual(message.position.next_sequence, last + 1)
            if len(stream.marks) == 20:
                break
        stream.cancel()
        hourly.cancel()
        received.join()
        self.assertLessEqual(len(hourly.marks), 1)

    def test_a_heartbeat_says_what_is_durable(self):
        region = self.fresh_region()
        synced = self.client.append(region, 1, [b"synced"]).last_sequence
        last = self.client.append(region, 1, [b"buffered"] * 3, durability=BUFFERED).last_sequence
        stream = self.client.open_read(region, 1, follow=True, heartbeat_seconds=0.01)
        messages = stream.messages()

        def next_mark():
            return next(message.position for message in messages if message.caught_up)

        self.assertEqual(next_mark().durable_through, synced)
        self.assertEqual(next_mark().durable_through, synced)
        self.client.sync_region(region)
        position = next_mark()
        while position.durable_through < last:
            position = next_mark()
        self.assertEqual((position.durable_through, position.next_sequence), (last, last + 1))
        stream.cancel()

    def test_a_heartbeat_interval_that_is_too_short_or_negative_is_refused(self):
        for seconds in (0.009, 0, -1):
            with self.subTest(seconds):
                with self.assert_refused(
                    Code.INVALID_ARGUMENT, "INVALID_FIELD", field="heartbeat_interval"
                ):
                    self.client.open_read(1, 1, follow=True, heartbeat_seconds=seconds)


class AcquireTest(SharedDaemonTestCase):
    def test_there_is_nothing_to_take_over_from_an_engine_that_always_owns(self):
        region = self.fresh_region()
        self.client.append(region, 1, [b"x"], region_version=3)
        for call in self.calls(region):
            for version in (None, 4):
                with self.assert_refused(Code.UNIMPLEMENTED, "UNSUPPORTED", field="acquire"):
                    call(acquire=wal_pb2.Acquire(region_version=version))
        self.assertEqual(self.client.recover(region).state.region_version, 3)

    def test_a_version_of_0_is_none(self):
        for call in self.calls(self.fresh_region()):
            with self.assert_refused(
                Code.INVALID_ARGUMENT, "INVALID_FIELD", field="region_version"
            ):
                call(acquire=wal_pb2.Acquire(region_version=0))

    def calls(self, region):
        entries = EntryClient(self.client)
        return (
            functools.partial(self.client.read, region, 1),
            functools.partial(self.client.recover, region),
            functools.partial(entries.recover, region, 1),
        )


if __name__ == "__main__":
    unittest.main()

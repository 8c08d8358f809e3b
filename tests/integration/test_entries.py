#!/usr/bin/python3
"""The entry log over a socket: every rpc, every refusal, restarts, full memory."""

import time
import unittest

from walden_client import BUFFERED, WaldenError, timestamp
from walden_entry_client import EntryClient, entry, put_request
from walden_stubs import common_pb2, entry_pb2, health_pb2
from walden_testcase import Code, SharedDaemonTestCase, WaldenTestCase


def shown(entries):
    return [(e.key, None if e.tombstone else e.value, e.sequence) for e in entries]


class EntryTest(SharedDaemonTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.entries = EntryClient(cls.client)

    def setUp(self):
        self.region = self.fresh_region()

    def put(self, *entries, table=1, **options):
        return self.entries.put(self.region, table, entries, **options)

    def get(self, key, table=1):
        return self.entries.get(self.region, table, key)

    def flush(self, table=1, **options):
        return self.entries.flush(self.region, table, **options)

    def put_a_lot(self):
        """400 entries, 40 MB: far more than lies between a daemon and a client that does not read."""
        for i in range(0, 400, 100):
            self.put(*((b"%05d" % j, b"x" * 100_000) for j in range(i, i + 100)))

    def test_a_put_is_numbered_durable_and_read_at_once(self):
        answer = self.put((b"a", b"1"), (b"b", b"2"), (b"a", b"3"))
        self.assertEqual((answer.first_sequence, answer.last_sequence), (1, 3))
        self.assertTrue(answer.durable)
        self.assertFalse(answer.duplicate)
        self.assertEqual(self.get(b"a"), b"3")
        found = self.entries.get_many(self.region, 1, [b"b", b"absent", b"a", b"b"])
        self.assertEqual([None if e is None else e.sequence for e in found], [2, None, 3, 2])

    def test_every_field_of_an_entry_comes_back(self):
        expires = int(time.time() * 1000) + 3_600_000
        self.put(entry(b"k", b"v", created=-5, expires=expires), entry(b"empty", b""), entry(b"t"))
        found = self.entries.get_many(self.region, 1, [b"k", b"empty"])
        times = (timestamp(-5), timestamp(expires))
        self.assertEqual((found[0].create_time, found[0].expire_time), times)
        self.assertTrue(found[1].HasField("create_time") is False and found[1].value == b"")
        _, flushed = self.flush()
        self.assertEqual(shown(flushed), [(b"empty", b"", 2), (b"k", b"v", 1), (b"t", None, 3)])
        self.assertEqual((flushed[1].create_time, flushed[1].expire_time), times)

    def test_tombstones_and_expired_entries_hide(self):
        past = int(time.time() * 1000) - 1
        self.put((b"a", b"old"), (b"b", b"old"), (b"c", b"stays"))
        self.put(entry(b"a"), entry(b"b", b"new", expires=past))
        self.assertIsNone(self.get(b"a"))
        self.assertIsNone(self.get(b"b"))
        self.assertEqual(shown(self.entries.scan(self.region, 1)), [(b"c", b"stays", 3)])

    def test_a_store_can_tell_what_is_hidden_from_what_is_not_there(self):
        past = int(time.time() * 1000) - 1
        self.put((b"a", b"old"), entry(b"a"), entry(b"b", b"new", expires=past), (b"c", b"stays"))
        request = entry_pb2.GetRequest(region_id=self.region, table_id=1, keys=[b"a", b"b", b"c", b"d"])
        results = self.entries.stub.Get(request).results
        self.assertEqual([r.hidden for r in results], [True, True, False, False])
        self.assertEqual([r.HasField("entry") for r in results], [False, False, True, False])
        found = self.entries.scan(self.region, 1, include_hidden=True)
        self.assertEqual(shown(found), [(b"a", None, 2), (b"b", b"new", 3), (b"c", b"stays", 4)])

    def test_a_scan_is_of_a_range_in_order(self):
        self.put(*((b"k%03d" % (i * 7 % 500), b"%d" % i) for i in range(500)))
        self.flush()
        self.put((b"k250", b"newer"))
        found = self.entries.scan(self.region, 1, b"k100", b"k400")
        self.assertEqual([e.key for e in found], [b"k%03d" % i for i in range(100, 400)])
        self.assertEqual(found[150].value, b"newer")
        first = self.entries.scan(self.region, 1, max_entries=3)
        self.assertEqual([e.key for e in first], [b"k000", b"k001", b"k002"])
        self.assertEqual(self.entries.scan(self.region, 1, b"a", b"a"), [])

    def test_flush_finalize_and_again(self):
        self.put((b"b", b"1"), (b"a", b"2"))
        first, entries = self.flush()
        self.assertEqual(shown(entries), [(b"a", b"2", 2), (b"b", b"1", 1)])
        self.put((b"b", b"3"))
        second, entries = self.flush()
        self.assertEqual(shown(entries), [(b"a", b"2", 2), (b"b", b"3", 4), (b"b", b"1", 1)])
        self.assertEqual(self.entries.finalize(self.region, 1, first), first)
        self.assertIsNone(self.get(b"a"))
        self.assertEqual(self.get(b"b"), b"3")
        self.assertEqual(self.entries.finalize(self.region, 1, first), first)
        self.assertEqual(self.entries.finalize(self.region, 1, second), second)
        self.assertIsNone(self.get(b"b"))
        self.assertEqual(self.flush(), (0, []))

    def test_finalize_refuses_what_is_no_flush_or_was_not_read(self):
        with self.assert_refused(Code.FAILED_PRECONDITION, "UNKNOWN_FLUSH", value=1):
            self.entries.finalize(self.region, 1, 1)
        self.put((b"a", b"x" * 1000))
        with self.assert_refused(Code.FAILED_PRECONDITION, "UNKNOWN_FLUSH"):
            self.entries.finalize(self.region, 1, 1)
        with self.assert_refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", field="flush_id"):
            self.entries.finalize(self.region, 1, 0)
        self.put_a_lot()
        flush = self.entries.begin_flush(self.region, 1)
        with self.assert_refused(Code.FAILED_PRECONDITION, "FLUSH_NOT_CONSUMED"):
            self.entries.finalize(self.region, 1, flush.flush_id)
        self.assertEqual(len(list(flush)), 401)
        self.assertEqual(self.entries.finalize(self.region, 1, flush.flush_id), flush.flush_id)

    def test_an_older_flush_ends_when_a_newer_one_is_finalized(self):
        self.put_a_lot()
        older = self.entries.begin_flush(self.region, 1)
        next(iter(older))
        self.put((b"more", b"1"))
        newer, _ = self.flush()
        self.entries.finalize(self.region, 1, newer)
        with self.assert_refused(Code.ABORTED, "FLUSH_FINALIZED"):
            list(older)

    def test_recover_streams_what_is_not_finalized_as_it_was_put(self):
        self.assertEqual(self.entries.recover(self.region, 1)[1], [])
        self.put((b"z", b"1"))
        first, _ = self.flush()
        self.entries.finalize(self.region, 1, first)
        self.put((b"b", b"2"), (b"a", b"3"))
        second, _ = self.flush()
        self.put(entry(b"b"))
        state, entries = self.entries.recover(self.region, 1)
        self.assertEqual(state.finalized_through, first)
        self.assertEqual(list(state.flush_ids), [second])
        self.assertEqual(shown(entries), [(b"b", b"2", 3), (b"a", b"3", 4), (b"b", None, 6)])

    def test_bad_puts_name_what_is_wrong(self):
        def refused(field, reason="INVALID_FIELD"):
            return self.assert_refused(Code.INVALID_ARGUMENT, reason, field=field)

        with refused("entries"):
            self.put()
        with refused("entries[1].key"):
            self.put((b"a", b""), (b"", b"x"))
        with refused("entries[0].key", "LIMIT_EXCEEDED"):
            self.put((b"k" * 4097, b""))
        with refused("entries[0].value"):
            self.put(entry_pb2.Entry(key=b"k", value=b"v", tombstone=True))
        with refused("entries[0].sequence"):
            self.put(entry_pb2.Entry(key=b"k", sequence=3))
        with refused("durability"):
            self.put((b"k", b"v"), durability=9)
        with refused("producer.producer_id"):
            self.put((b"k", b"v"), producer=(0, 1))
        with refused("keys"):
            self.entries.get_many(self.region, 1, [])
        with refused("keys[1]"):
            self.entries.get_many(self.region, 1, [b"a", b""])
        with refused("start_key", "BOUNDS_REVERSED"):
            self.entries.scan(self.region, 1, b"b", b"a")
        self.assertEqual(self.client.position(self.region, 1).next_sequence, 1, "nothing was stored")

    def test_a_get_whose_entries_do_not_fit_one_answer(self):
        keys = [b"%d" % i for i in range(5)]
        self.put(*[(key, bytes(1500)) for key in keys])
        with self.assertRaises(WaldenError) as caught:
            self.entries.get_many(self.region, 1, keys, max_message_bytes=4096)
        self.check_refusal(
            caught.exception, Code.OUT_OF_RANGE, "ANSWER_TOO_LARGE", field="keys", limit=4096
        )
        needed = int(caught.exception.metadata["needed_bytes"])
        self.assertGreater(needed, 5 * 1500)
        for enough in (needed, 0):
            found = self.entries.get_many(self.region, 1, keys, max_message_bytes=enough)
            self.assertEqual([e.key for e in found], keys)

    def test_conditions_hold_as_for_appends(self):
        self.put((b"a", b"1"), expected_next=1)
        with self.assert_refused(Code.ABORTED, "SEQUENCE_MISMATCH", actual_next_sequence=2):
            self.put((b"a", b"2"), expected_next=1)
        self.put((b"a", b"2"), region_version=5)
        for call in (
            lambda: self.put((b"a", b"3"), region_version=4),
            lambda: self.flush(region_version=4),
        ):
            with self.assert_refused(Code.FAILED_PRECONDITION, "FENCED"):
                call()
        flush, _ = self.flush(region_version=5)
        with self.assert_refused(Code.FAILED_PRECONDITION, "FENCED"):
            self.entries.finalize(self.region, 1, flush, region_version=4)
        producer = self.client.open_producer(self.region)
        first = self.put((b"p", b"1"), producer=(producer, 1))
        retry = self.put((b"p", b"1"), producer=(producer, 1))
        self.assertTrue(retry.duplicate)
        self.put(producer=(producer, 2))  # passes over the number
        self.assertFalse(self.put((b"p", b"2"), producer=(producer, 3)).duplicate)
        self.assertEqual(retry.first_sequence, first.first_sequence)

    def test_a_table_is_one_kind_for_ever(self):
        self.put((b"a", b"1"))
        self.client.append(self.region, 2, [b"record"])
        wrong = (Code.FAILED_PRECONDITION, "WRONG_TABLE_KIND")
        for call in (
            lambda: self.client.append(self.region, 1, [b"x"]),
            lambda: self.client.read(self.region, 1),
            lambda: self.client.mark_deleted(self.region, 1, 1),
        ):
            with self.assert_refused(*wrong, kind="entries"):
                call()
        for call in (
            lambda: self.put((b"a", b"1"), table=2),
            lambda: self.get(b"a", table=2),
            lambda: self.entries.scan(self.region, 2),
            lambda: self.flush(table=2),
            lambda: self.entries.finalize(self.region, 2, 1),
            lambda: self.entries.recover(self.region, 2),
        ):
            with self.assert_refused(*wrong, kind="log"):
                call()
        kinds = {t.table_id: t.kind for t in self.client.recover(self.region).state.tables}
        self.assertEqual(
            kinds, {1: common_pb2.TABLE_KIND_ENTRIES, 2: common_pb2.TABLE_KIND_LOG}
        )

    def test_a_follower_of_a_table_that_becomes_an_entry_log_is_told(self):
        stream = self.client.open_read(self.region, 1, follow=True)
        self.put((b"a", b"1"))
        with self.assert_refused(Code.FAILED_PRECONDITION, "WRONG_TABLE_KIND"):
            list(stream)

    def test_what_was_never_put_is_empty_and_creates_nothing(self):
        self.assertIsNone(self.get(b"a"))
        self.assertEqual(self.entries.scan(self.region, 1), [])
        self.assertEqual(self.flush(), (0, []))
        self.assertNotIn(self.region, [r.region_id for r in self.client.list_regions()])

    def test_a_put_stream_answers_in_order_and_lives_on_after_a_refusal(self):
        stream = self.entries.put_stream()
        for i in range(200):
            entries = [] if i == 100 else [(b"k%d" % (i % 10), b"%d" % i)]
            stream.send(put_request(self.region, 1, entries, durability=BUFFERED), i)
        stream.send(None, 1000)  # of no region, and so in no order with the others
        stream.half_close()
        answers = list(stream.answers())
        of_region = [request_id for request_id, _ in answers if request_id != 1000]
        self.assertEqual(of_region, list(range(200)))
        answers = dict(answers)
        self.assertEqual(answers[100].reason, "INVALID_FIELD")
        self.assertEqual(answers[1000].metadata["field"], "put")
        self.assertEqual(self.get(b"k9"), b"199")

    def test_entry_service_is_healthy_and_its_memory_is_told(self):
        self.put((b"a", b"x" * 100_000))
        statistics = self.client.statistics()
        self.assertGreater(statistics.entry_memory_bytes, 100_000)
        self.assertGreater(statistics.entry_memory_limit_bytes, statistics.entry_memory_bytes)
        serving = health_pb2.HealthCheckResponse.SERVING
        self.assertEqual(self.client.health_status("walden.v1.EntryService"), serving)

    def test_closing_a_region_loses_nothing_and_its_readers_are_told(self):
        self.put_a_lot()
        flush = self.entries.begin_flush(self.region, 1)
        self.client.close_region(self.region)
        with self.assertRaises(WaldenError) as caught:
            list(flush)
        self.check_refusal(caught.exception, Code.UNAVAILABLE, "REGION_CLOSED")
        self.assertGreater(caught.exception.retry_seconds, 0)
        self.assertEqual(self.get(b"00042"), b"x" * 100_000)
        self.assertEqual(len(self.flush()[1]), 400)


class RestartTest(WaldenTestCase):
    def test_a_kill_loses_nothing_acknowledged_and_brings_nothing_finalized_back(self):
        daemon = self.new_daemon()
        daemon.start()
        entries = EntryClient(self.new_client(daemon))
        entries.put(1, 1, [(b"a", b"1"), (b"b", b"2")])
        first, _ = entries.flush(1, 1)
        entries.finalize(1, 1, first)
        entries.put(1, 1, [(b"b", b"3")])
        second, _ = entries.flush(1, 1)
        entries.put(1, 1, [(b"c", b"4")])
        daemon.crash_and_restart()
        entries = EntryClient(self.new_client(daemon))
        self.assertIsNone(entries.get(1, 1, b"a"))
        self.assertEqual(entries.get(1, 1, b"b"), b"3")
        _, flushed = entries.flush(1, 1)
        self.assertEqual(shown(flushed), [(b"b", b"3", 4), (b"c", b"4", 6)])
        self.assertEqual(entries.finalize(1, 1, second), second)
        self.assertEqual([e.key for e in entries.scan(1, 1)], [b"c"])

    def test_more_than_memory_holds_is_served_from_the_log(self):
        small = {"limits": {"max_batch_bytes": "256KiB", "max_payload_bytes": "256KiB"}}
        daemon = self.new_daemon()
        daemon.start()
        entries = EntryClient(self.new_client(daemon))
        for i in range(0, 6000, 100):
            batch = [(b"k%05d" % (j * 7919 % 6000), b"%d" % j * 200) for j in range(i, i + 100)]
            entries.put(1, 1, batch)
        expected = shown(entries.flush(1, 1)[1])
        daemon.terminate()
        daemon.configure(small | {"entries": {"total_memory": "2MiB", "table_memory": "1MiB"}})
        daemon.start()
        client = self.new_client(daemon)
        entries = EntryClient(client)
        state, _ = entries.recover(1, 1)
        self.assertGreater(state.spilled_entry_count, 1000)
        self.assertLess(client.statistics().entry_memory_bytes, 2 << 20)
        self.assertEqual(entries.get(1, 1, b"k01919"), b"1" * 200)
        with self.assert_refused(Code.RESOURCE_EXHAUSTED, "ENTRY_MEMORY_FULL",
                                 field="entries.table_memory"):
            entries.put(1, 1, [(b"one more", b"")])
        flush, flushed = entries.flush(1, 1)
        self.assertEqual(shown(flushed), expected)
        self.assertEqual(len(entries.scan(1, 1)), 6000)
        entries.finalize(1, 1, flush)
        entries.put(1, 1, [(b"one more", b"")])
        self.assertEqual(len(entries.scan(1, 1)), 1)

    def test_past_the_memory_puts_are_refused_until_finalize(self):
        daemon = self.new_daemon(
            {
                "limits": {"max_batch_bytes": "256KiB", "max_payload_bytes": "256KiB"},
                "entries": {"total_memory": "2MiB", "table_memory": "1MiB"},
            }
        )
        daemon.start()
        entries = EntryClient(self.new_client(daemon))
        with self.assert_refused(Code.RESOURCE_EXHAUSTED, "ENTRY_MEMORY_FULL"):
            for i in range(10_000):
                entries.put(1, 1, [(b"%d" % i, b"x" * 10_000)])
        self.assertEqual(entries.get(1, 1, b"0"), b"x" * 10_000)
        flush, flushed = entries.flush(1, 1)
        self.assertEqual(len(flushed), i)
        entries.finalize(1, 1, flush)
        entries.put(1, 1, [(b"again", b"x" * 10_000)])


if __name__ == "__main__":
    unittest.main()

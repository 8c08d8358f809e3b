"""Many appends in one message of a stream, and batches over several tables: each whole or not there at all."""

import itertools
import json
import unittest

from walden_client import BUFFERED, WaldenError, append_request, append_tables_request
from walden_daemon import run_walden
from walden_entry_client import EntryClient, put_request
from walden_testcase import Code, SharedDaemonTestCase, WaldenTestCase

MOST_TABLES = 256


class ManyAppendsTest(SharedDaemonTestCase):
    def send_in_messages(self, requests, size):
        """Sends all of them, `size` in each message. Returns (request_ids, [(request_id, answer)])."""
        stream = self.client.append_stream()
        ids = []
        for begin in range(0, len(requests), size):
            ids += stream.send_many(requests[begin : begin + size])
        stream.half_close()
        return ids, list(stream.answers())

    def test_the_appends_of_a_message_take_effect_and_are_answered_in_order(self):
        for size in (1, 7, 100):
            with self.subTest(size=size):
                region = self.fresh_region()
                requests = [append_request(region, i % 3, [b"%d" % i] * 2) for i in range(300)]
                ids, answers = self.send_in_messages(requests, size)
                self.assertEqual([request_id for request_id, _ in answers], ids)
                stored = {t: self.client.read(region, t).records for t in range(3)}
                for table, records in stored.items():
                    self.assertEqual(
                        [p for _, p in records],
                        [b"%d" % i for i in range(table, 300, 3) for _ in range(2)],
                    )
                    firsts = [answer.first_sequence for _, answer in answers[table::3]]
                    self.assertEqual(firsts, [sequence for sequence, _ in records[::2]])

    def test_a_refused_append_leaves_the_others_of_its_message_alone(self):
        region = self.fresh_region()
        requests = [append_request(region, 1, [b"%d" % i], durability=BUFFERED) for i in range(50)]
        requests[20] = append_request(region, 1, [b"no"], expected_next=10**12)
        requests[21] = append_request(region, 1, [])
        requests[22] = append_request(region, 1, [b"no"], durability=77)
        ids, answers = self.send_in_messages(requests, 50)
        self.assertEqual([request_id for request_id, _ in answers], ids)
        answers = [answer for _, answer in answers]
        self.check_refusal(answers[20], Code.ABORTED, "SEQUENCE_MISMATCH", table_id=1)
        self.check_refusal(answers[21], Code.INVALID_ARGUMENT, "INVALID_FIELD")
        self.check_refusal(answers[22], Code.INVALID_ARGUMENT, "INVALID_FIELD", field="durability")
        kept = [i for i in range(50) if i not in (20, 21, 22)]
        self.assertFalse([i for i in kept if isinstance(answers[i], WaldenError)])
        payloads = [payload for _, payload in self.client.read(region, 1).records]
        self.assertEqual(payloads, [b"%d" % i for i in kept])

    def test_the_answers_of_each_region_come_in_the_order_of_its_appends(self):
        regions = [self.fresh_region() for _ in range(8)]
        requests = [append_request(regions[i % 8], 1, [b"%d" % i]) for i in range(400)]
        ids, answers = self.send_in_messages(requests, 40)
        self.assertEqual(sorted(request_id for request_id, _ in answers), ids)
        for number, region in enumerate(regions):
            of_region = [i for i, _ in answers if (i - ids[0]) % 8 == number]
            self.assertEqual(of_region, ids[number::8])
            self.assertEqual(len(self.client.read(region, 1).records), 50)

    def test_a_message_without_appends_or_with_too_many_ends_the_stream_after_what_came_before(self):
        most = self.client.server_info().limits.max_stream_message_appends
        self.assertGreater(most, 1)
        for count, reason in ((0, "INVALID_FIELD"), (most + 1, "LIMIT_EXCEEDED")):
            region = self.fresh_region()
            stream = self.client.append_stream()
            before = stream.send(append_request(region, 1, [b"before"]))
            stream.send_many([append_request(region, 1, [b"x"])] * count)
            answers = stream.answers()
            self.assertEqual(next(answers)[0], before)
            with self.assert_refused(Code.INVALID_ARGUMENT, reason, field="appends"):
                next(answers)
            self.assertEqual([p for _, p in self.client.read(region, 1).records], [b"before"])
        region = self.fresh_region()
        requests = [append_request(region, 1, [b""], durability=BUFFERED)] * most
        _, answers = self.send_in_messages(requests, most)
        self.assertEqual(len(self.client.read(region, 1).records), most)
        self.assertFalse([a for _, a in answers if isinstance(a, WaldenError)])

    def test_a_producer_may_send_its_batches_in_few_messages(self):
        region = self.fresh_region()
        producer = self.client.open_producer(region)
        requests = [
            append_request(region, i % 5, [b"%d" % i], producer=(producer, i + 1)) for i in range(100)
        ]
        _, first = self.send_in_messages(requests, 25)
        _, again = self.send_in_messages(requests, 50)
        self.assertEqual([a.tables for _, a in again], [a.tables for _, a in first])
        self.assertTrue(all(a.duplicate for _, a in again))
        self.assertEqual(len(self.client.recover(region).records), 100)

    def test_a_batch_of_too_many_tables_and_one_of_the_most(self):
        region = self.fresh_region()
        tables = [(table, [b"x"]) for table in range(MOST_TABLES + 1)]
        with self.assert_refused(
            Code.INVALID_ARGUMENT, "LIMIT_EXCEEDED", field="tables", limit=MOST_TABLES
        ):
            self.client.append_tables(region, tables)
        self.assertNotIn(region, [r.region_id for r in self.client.list_regions()])
        self.client.append_tables(region, tables[:-1])
        self.assertEqual(len(self.client.recover(region).records), MOST_TABLES)

    def test_many_puts_in_one_message(self):
        entries = EntryClient(self.client)
        region = self.fresh_region()
        stream = entries.put_stream()
        puts = [put_request(region, 1, [(b"k%d" % (i % 10), b"%d" % i)]) for i in range(100)]
        puts[50] = put_request(region, 1, [(b"", b"no key")])
        ids = stream.send_many(puts)
        stream.half_close()
        answers = list(stream.answers())
        self.assertEqual([request_id for request_id, _ in answers], ids)
        self.check_refusal(answers[50][1], Code.INVALID_ARGUMENT, "INVALID_FIELD")
        numbers = [answer.first_sequence for i, (_, answer) in enumerate(answers) if i != 50]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 99)))
        self.assertEqual(entries.get(region, 1, b"k9"), b"99")


class ManyTablesTest(WaldenTestCase):
    def setUp(self):
        self.daemon = self.new_daemon({"limits": {"max_batch_records": 100}})
        self.daemon.start()
        self.client = self.new_client(self.daemon)
        self.entries = EntryClient(self.client)

    def both_restarts(self):
        for restart in (self.daemon.restart, self.daemon.crash_and_restart):
            restart()
            self.client.close()
            self.client = self.new_client(self.daemon)
            yield restart.__name__

    def stored(self):
        """{table: payloads}"""
        tables = {}
        for table, _, payload in self.client.recover(1).records:
            tables.setdefault(table, []).append(payload)
        return tables

    def test_each_table_gets_contiguous_numbers_and_its_records(self):
        self.client.append(1, 2, [b"earlier"])
        answer = self.client.append_tables(1, [(3, [b"a", b"b"]), (2, [b"c"]), (9, [b"", b"e", b"f"])])
        self.assertTrue(answer.durable)
        expected = {2: [b"earlier", b"c"], 3: [b"a", b"b"], 9: [b"", b"e", b"f"]}
        for restart in itertools.chain([None], self.both_restarts()):
            with self.subTest(restart):
                self.assertEqual(self.stored(), expected)
                for given in answer.tables:
                    records = self.client.read(1, given.table_id, start=given.first_sequence).records
                    numbers = list(range(given.first_sequence, given.last_sequence + 1))
                    self.assertEqual([sequence for sequence, _ in records], numbers)
                    self.assertEqual(
                        self.client.next_sequence(1, given.table_id), given.last_sequence + 1
                    )

    def test_nothing_is_stored_if_one_table_is_not_where_it_was_expected(self):
        self.client.append(1, 1, [b"x"])
        ends = self.client.append(1, 2, [b"x", b"y"]).last_sequence
        with self.assert_refused(
            Code.ABORTED, "SEQUENCE_MISMATCH", table_id=2, actual_next_sequence=ends + 1
        ):
            self.client.append_tables(1, [(1, [b"no"], 2), (2, [b"no"], ends + 2), (3, [b"no"], 1)])
        self.assertEqual(self.stored(), {1: [b"x"], 2: [b"x", b"y"]})
        self.client.append_tables(1, [(1, [b"z"], 2), (2, [b"z"], ends + 1), (3, [b"z"], 1)])
        self.assertEqual(self.stored(), {1: [b"x", b"z"], 2: [b"x", b"y", b"z"], 3: [b"z"]})

    def test_a_batch_that_cannot_be_stored_names_the_table_and_stores_nothing(self):
        def refused(field, reason="INVALID_FIELD"):
            return self.assert_refused(Code.INVALID_ARGUMENT, reason, field=field)

        with refused("tables[2].table_id"):
            self.client.append_tables(1, [(1, [b"a"]), (2, [b"b"]), (1, [b"c"])])
        with refused("tables[1].payloads"):
            self.client.append_tables(1, [(1, [b"a"]), (2, [])])
        with refused("payloads", "LIMIT_EXCEEDED"):  # of all tables together
            self.client.append_tables(1, [(1, [b""] * 60), (2, [b""] * 41)])
        self.assertEqual(list(self.client.list_regions()), [])
        self.client.append_tables(1, [(1, [b""] * 60), (2, [b""] * 40)])

    def test_a_batch_with_a_table_of_the_other_kind_stores_nothing(self):
        self.entries.put(1, 2, [(b"key", b"value")])
        with self.assert_refused(Code.FAILED_PRECONDITION, "WRONG_TABLE_KIND", kind="entries"):
            self.client.append_tables(1, [(1, [b"no"]), (2, [b"no"]), (3, [b"no"])])
        self.assertEqual(list(self.stored()), [2])

    def test_a_retry_gets_the_original_numbers_of_every_table(self):
        producer = self.client.open_producer(1)
        tables = [(5, [b"a"]), (6, [b"b", b"c"]), (7, [b"d"] * 10)]
        first = self.client.append_tables(1, tables, producer=(producer, 1))
        for restart in itertools.chain([None], self.both_restarts()):
            with self.subTest(restart):
                again = self.client.append_tables(1, tables, producer=(producer, 1))
                self.assertEqual((again.tables, again.duplicate), (first.tables, True))
                turned = self.client.append_tables(1, tables[::-1], producer=(producer, 1))
                self.assertEqual((turned.tables, turned.duplicate), (first.tables[::-1], True))
                for other in (tables[:2], [*tables[:2], (8, [b"d"] * 10)], [*tables[:2], (7, [b"d"])]):
                    with self.assert_refused(Code.INVALID_ARGUMENT, "PRODUCER_BATCH_DIFFERS"):
                        self.client.append_tables(1, other, producer=(producer, 1))
        self.assertEqual([len(p) for p in self.stored().values()], [1, 2, 10])

    def test_a_batch_over_very_many_tables(self):
        tables = [(table * 7919, [b"%d" % table]) for table in range(100)]
        answer = self.client.append_tables(1, tables)
        self.assertEqual([given.table_id for given in answer.tables], [table for table, _ in tables])
        self.daemon.crash_and_restart()
        self.client = self.new_client(self.daemon)
        self.assertEqual(self.stored(), dict(tables))

    def test_a_follower_of_each_table_sees_its_part(self):
        followers = [self.client.open_read(1, table, follow=True) for table in (1, 2)]
        self.client.append_tables(1, [(1, [b"one"]), (2, [b"two"])])
        self.assertEqual([next(iter(follower))[1] for follower in followers], [b"one", b"two"])
        for follower in followers:
            follower.cancel()

    def test_batches_over_tables_go_through_a_stream_too(self):
        stream = self.client.append_stream()
        stream.send_many(
            [append_tables_request(1, [(1, [b"%d" % i]), (2, [b"%d" % i] * 2)]) for i in range(50)]
        )
        stream.half_close()
        self.assertFalse([a for _, a in stream.answers() if isinstance(a, WaldenError)])
        numbers = [b"%d" % i for i in range(50)]
        self.assertEqual(self.stored(), {1: numbers, 2: [n for n in numbers for _ in range(2)]})


class BatchesOnTheCommandLineTest(SharedDaemonTestCase):
    def setUp(self):
        self.region = self.fresh_region()

    def append(self, *more, stdin=None, code=0):
        result = run_walden("append", "--address", self.daemon.address, "-r", self.region, "--batches", *more,
                            stdin=stdin)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def payloads(self, table):
        return [payload for _, payload in self.client.read(self.region, table).records]

    def test_each_line_is_a_batch_over_its_tables(self):
        batches = [
            [{"table": 1, "payload": f"{i}"}, {"table": 2, "payload": "b"}, {"table": 1, "payload": "c"}]
            for i in range(300)
        ]
        lines = "".join(json.dumps(batch) + "\n" for batch in batches).encode()
        out = self.append("--retry-for", "1m", "--json", stdin=lines).stdout
        answers = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([answer["record_count"] for answer in answers], [3] * 300)
        self.assertEqual(self.payloads(2), [b"b"] * 300)
        self.assertEqual(self.payloads(1), [p for i in range(300) for p in (b"%d" % i, b"c")])
        for table in (1, 2):
            printed = [
                sequence
                for answer in answers
                for numbers in answer["tables"]
                if numbers["table_id"] == table
                for sequence in range(numbers["first_sequence"], numbers["last_sequence"] + 1)
            ]
            self.assertEqual(printed, [sequence for sequence, _ in self.client.read(self.region, table).records])

    def test_a_refused_batch_is_in_none_of_its_tables(self):
        batch = [{"table": 1, "payload": "small"}, {"table": 2, "payload": "x" * (5 << 20)}]
        self.append(stdin=json.dumps(batch).encode(), code=2)
        self.append('[{"table":3,"payload":"here"}]')
        self.assertEqual([self.payloads(table) for table in (1, 2, 3)], [[], [], [b"here"]])

    def test_what_read_prints_is_appended_again(self):
        self.client.append(self.region, 7, [b"one", b"\xff\xfe", b""])
        other = self.fresh_region()
        read = run_walden("read", "--address", self.daemon.address, "-r", self.region, "-t", 7, "--json")
        self.region = other
        self.append(stdin=read.stdout)
        self.assertEqual(self.payloads(7), [b"one", b"\xff\xfe", b""])


if __name__ == "__main__":
    unittest.main()

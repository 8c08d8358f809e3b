"""Compare-and-append, fencing and producer retries: once, twice, and over restarts and kills."""

import unittest

from walden_client import BUFFERED, append_request
from walden_daemon import small_segments
from walden_testcase import Code, WaldenTestCase


class OverRestartsTest(WaldenTestCase):
    """Each test does its thing before and after a SIGTERM, and before and after a SIGKILL."""

    def setUp(self):
        self.daemon = self.new_daemon(small_segments())
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def both_restarts(self):
        """Yields after each kind of restart."""
        for restart in (self.daemon.restart, self.daemon.crash_and_restart):
            restart()
            self.client.close()
            self.client = self.new_client(self.daemon)
            yield restart.__name__

    def test_compare_and_append_knows_the_next_sequence_after_a_restart(self):
        self.client.append(1, 1, [b"x"] * 5, expected_next=1)
        self.client.append(1, 2, [b"x"] * 5)
        expected = 6
        for restart in self.both_restarts():
            with self.subTest(restart):
                with self.assert_refused(
                    Code.ABORTED, "SEQUENCE_MISMATCH", actual_next_sequence=expected
                ):
                    self.client.append(1, 1, [b"y"], expected_next=expected - 1)
                answer = self.client.append(1, 1, [b"y"], expected_next=expected)
                expected = answer.last_sequence + 1

    def test_of_two_writers_that_compare_and_append_exactly_one_wins_each_round(self):
        next_sequence = 1
        for _ in range(50):
            calls = [
                self.client.wal.Append.future(
                    append_request(1, 1, [writer], expected_next=next_sequence)
                )
                for writer in (b"a", b"b", b"c")
            ]
            winners = [call.result() for call in calls if call.exception() is None]
            self.assertEqual(len(winners), 1)
            next_sequence = winners[0].tables[0].last_sequence + 1
        self.assertEqual(len(self.client.read(1, 1).records), 50)

    def test_a_fenced_writer_stays_fenced(self):
        self.client.append(1, 1, [b"x"], region_version=3)
        version = 3
        for restart in self.both_restarts():
            with self.subTest(restart):
                with self.assert_refused(
                    Code.FAILED_PRECONDITION, "FENCED", highest_region_version=version
                ):
                    self.client.append(1, 1, [b"zombie"], region_version=version - 1)
                self.assertEqual(self.client.recover(1).state.region_version, version)
                version += 5
                self.client.append(1, 1, [b"x"], region_version=version)
        self.assertNotIn(b"zombie", [p for _, p in self.client.read(1, 1).records])

    def test_a_version_seen_only_by_mark_deleted_fences_too(self):
        self.client.append(1, 1, [b"x"], region_version=1)
        self.client.mark_deleted(1, 1, 1, region_version=9)
        for restart in self.both_restarts():
            with self.subTest(restart):
                with self.assert_refused(
                    Code.FAILED_PRECONDITION, "FENCED", highest_region_version=9
                ):
                    self.client.append(1, 1, [b"zombie"], region_version=8)

    def test_a_version_fences_one_region_only(self):
        self.client.append(1, 1, [b"x"], region_version=9)
        self.client.append(2, 1, [b"x"], region_version=1)

    def test_a_retry_gets_its_original_numbers(self):
        one, two = self.client.open_producer(1), self.client.open_producer(1)
        self.assertGreater(two, one)
        first = self.client.append(1, 1, [b"a", b"b"], producer=(one, 1))
        self.client.append(1, 1, [b"c"], producer=(one, 2))
        self.client.append(1, 1, [b"d"], durability=BUFFERED, producer=(two, 1))

        def retry():
            again = self.client.append(1, 1, [b"a", b"b"], producer=(one, 1))
            self.assertTrue(again.duplicate)
            self.assertTrue(again.durable)
            self.assertEqual(
                (again.first_sequence, again.last_sequence),
                (first.first_sequence, first.last_sequence),
            )
            other = self.client.append(1, 1, [b"d"], producer=(two, 1))
            self.assertTrue(other.duplicate)
            self.assertTrue(other.durable)
            self.assertEqual(len(self.client.read(1, 1).records), 4)

        retry()
        for restart in self.both_restarts():
            with self.subTest(restart):
                retry()

    def test_a_retry_of_deleted_records_gets_its_original_numbers(self):
        payload = bytes(200_000)
        producer = self.client.open_producer(1)
        firsts = [
            self.client.append(1, 1, [payload], producer=(producer, sequence)).first_sequence
            for sequence in range(1, 21)
        ]
        self.client.mark_deleted(1, 1, firsts[-1])
        for restart in self.both_restarts():
            with self.subTest(restart):
                for sequence, first in enumerate(firsts, start=1):
                    again = self.client.append(1, 1, [payload], producer=(producer, sequence))
                    self.assertEqual((again.first_sequence, again.duplicate), (first, True))
                self.assertEqual(self.client.read(1, 1).records, [])

    def test_a_producer_numbers_its_batches_without_gaps_over_all_tables(self):
        producer = self.client.open_producer(1)
        for sequence in range(1, 6):
            self.client.append(1, sequence, [b"a"], producer=(producer, sequence))
        expected = 6
        for restart in self.both_restarts():
            with self.subTest(restart):
                with self.assert_refused(
                    Code.FAILED_PRECONDITION,
                    "PRODUCER_OUT_OF_ORDER",
                    expected_producer_sequence=expected,
                ):
                    self.client.append(1, 1, [b"x"], producer=(producer, expected + 1))
                self.client.append(1, 1, [b"b"], producer=(producer, expected))
                expected += 1

    def test_a_refused_batch_holds_up_its_successors_until_it_is_sent_again(self):
        producer = self.client.open_producer(1)

        def send(expected_next):
            stream = self.client.append_stream()
            for sequence in (1, 2, 3):
                stream.send(
                    append_request(
                        1, sequence, [b"batch %d" % sequence], producer=(producer, sequence),
                        expected_next=expected_next if sequence == 1 else None,
                    )
                )
            stream.half_close()
            return [answer for _, answer in stream.answers()]

        refused = send(expected_next=9)
        self.check_refusal(refused[0], Code.ABORTED, "SEQUENCE_MISMATCH")
        for answer in refused[1:]:
            self.check_refusal(
                answer, Code.FAILED_PRECONDITION, "PRODUCER_OUT_OF_ORDER",
                expected_producer_sequence=1,
            )
        self.assertFalse(any(answer.duplicate for answer in send(expected_next=1)))
        self.assertEqual(len(self.client.recover(1).records), 3)

    def test_a_batch_without_tables_passes_over_a_number(self):
        producer = self.client.open_producer(1)
        self.assertEqual(self.client.pass_over(1, (producer, 1)).tables, [])
        for restart in self.both_restarts():
            with self.subTest(restart):
                self.assertTrue(self.client.pass_over(1, (producer, 1)).duplicate)
                with self.assert_refused(
                    Code.INVALID_ARGUMENT, "PRODUCER_BATCH_DIFFERS", producer_sequence=1
                ):
                    self.client.append(1, 1, [b"late"], producer=(producer, 1))
        self.client.append(1, 1, [b"x"], producer=(producer, 2))
        self.assertEqual([p for _, p in self.client.read(1, 1).records], [b"x"])

    def test_an_id_that_was_not_issued_or_is_forgotten_is_refused(self):
        first = self.client.open_producer(1)
        self.client.append(1, 1, [b"a"], producer=(first, 1))
        for _ in range(1024):
            self.client.open_producer(1)
        for restart in self.both_restarts():
            with self.subTest(restart):
                for producer, sequence in ((first, 1), (first, 2), (42, 1)):
                    with self.assert_refused(Code.FAILED_PRECONDITION, "PRODUCER_FORGOTTEN"):
                        self.client.append(1, 1, [b"a"], producer=(producer, sequence))
        self.assertEqual(len(self.client.read(1, 1).records), 1)

    def test_a_retry_wins_over_its_own_expected_sequence(self):
        tag = (self.client.open_producer(1), 1)
        first = self.client.append(1, 1, [b"a"], producer=tag, expected_next=1)
        again = self.client.append(1, 1, [b"a"], producer=tag, expected_next=1)
        self.assertTrue(again.duplicate)
        self.assertEqual(again.first_sequence, first.first_sequence)

    def test_the_last_128_batches_can_be_retried_after_any_restart(self):
        producer = self.client.open_producer(1)
        firsts = {}
        for sequence in range(1, 301):
            firsts[sequence] = self.client.append(
                1, sequence % 7, [b"x"], durability=BUFFERED, producer=(producer, sequence)
            ).first_sequence
        for restart in self.both_restarts():
            with self.subTest(restart):
                for sequence in range(300 - 127, 301):
                    again = self.client.append(
                        1, sequence % 7, [b"x"], producer=(producer, sequence)
                    )
                    self.assertEqual((again.first_sequence, again.duplicate), (firsts[sequence], True))
                self.assertEqual(len(self.client.recover(1).records), 300)

    def test_opening_a_producer_is_fenced_and_fences(self):
        self.client.open_producer(1, region_version=5)
        for restart in self.both_restarts():
            with self.subTest(restart):
                with self.assert_refused(
                    Code.FAILED_PRECONDITION, "FENCED", highest_region_version=5
                ):
                    self.client.open_producer(1, region_version=4)
                with self.assert_refused(
                    Code.FAILED_PRECONDITION, "FENCED", highest_region_version=5
                ):
                    self.client.append(1, 1, [b"zombie"], region_version=4)

    def test_sequence_numbers_never_return_after_everything_was_deleted(self):
        last = 0
        for round_number in range(3):
            for restart in self.both_restarts():
                with self.subTest(restart, round=round_number):
                    answer = self.client.append(1, 1, [bytes(300_000)])
                    self.assertGreater(answer.first_sequence, last)
                    last = answer.last_sequence
                    self.client.mark_deleted(1, 1, last)
                    self.assertEqual(self.client.next_sequence(1, 1), last + 1)

    def test_marks_stay_after_a_restart(self):
        records = self.append_numbered(self.client, 1, 1, 10)
        mark = records[4][0]
        self.client.mark_deleted(1, 1, mark)
        for restart in self.both_restarts():
            with self.subTest(restart):
                result = self.client.read(1, 1)
                self.assertEqual(result.records, records[5:])
                self.assertEqual(result.position.deleted_through, mark)

    def test_acknowledged_buffered_records_survive_a_kill(self):
        expected = []
        for i in range(100):
            expected += self.append_numbered(
                self.client, 1, 1, 3, prefix=f"batch-{i}", durability=BUFFERED
            )
        self.daemon.crash_and_restart()
        self.client = self.new_client(self.daemon)
        self.assertEqual(self.client.read(1, 1).records, expected)


if __name__ == "__main__":
    unittest.main()

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
            next_sequence = winners[0].last_sequence + 1
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
        first = self.client.append(1, 1, [b"a", b"b"], producer=(42, 1))
        self.client.append(1, 1, [b"c"], producer=(42, 2))
        self.client.append(1, 1, [b"d"], durability=BUFFERED, producer=(43, 1))

        def retry():
            again = self.client.append(1, 1, [b"a", b"b"], producer=(42, 1))
            self.assertTrue(again.duplicate)
            self.assertTrue(again.durable)
            self.assertEqual(
                (again.first_sequence, again.last_sequence),
                (first.first_sequence, first.last_sequence),
            )
            other = self.client.append(1, 1, [b"d"], producer=(43, 1))
            self.assertTrue(other.duplicate)
            self.assertTrue(other.durable)
            self.assertEqual(len(self.client.read(1, 1).records), 4)

        retry()
        for restart in self.both_restarts():
            with self.subTest(restart):
                retry()

    def test_a_retry_of_deleted_records_gets_its_original_numbers(self):
        payload = bytes(200_000)
        firsts = [
            self.client.append(1, 1, [payload], producer=(42, sequence)).first_sequence
            for sequence in range(1, 21)
        ]
        self.client.mark_deleted(1, 1, firsts[-1])
        for restart in self.both_restarts():
            with self.subTest(restart):
                for sequence, first in enumerate(firsts, start=1):
                    again = self.client.append(1, 1, [payload], producer=(42, sequence))
                    self.assertEqual((again.first_sequence, again.duplicate), (first, True))
                self.assertEqual(self.client.read(1, 1).records, [])

    def test_a_producer_may_skip_numbers_but_not_use_one_between_twice_seen(self):
        self.client.append(1, 1, [b"a"], producer=(42, 10))
        self.client.append(1, 1, [b"b"], producer=(42, 20))
        for restart in self.both_restarts():
            with self.subTest(restart):
                with self.assert_refused(
                    Code.FAILED_PRECONDITION, "PRODUCER_SEQUENCE_REPLACED"
                ):
                    self.client.append(1, 1, [b"x"], producer=(42, 15))

    def test_producers_are_told_apart_by_table(self):
        self.client.append(1, 1, [b"a"], producer=(42, 1))
        other = self.client.append(1, 2, [b"a"], producer=(42, 1))
        self.assertFalse(other.duplicate)

    def test_a_retry_wins_over_its_own_expected_sequence(self):
        first = self.client.append(1, 1, [b"a"], producer=(42, 1), expected_next=1)
        again = self.client.append(1, 1, [b"a"], producer=(42, 1), expected_next=1)
        self.assertTrue(again.duplicate)
        self.assertEqual(again.first_sequence, first.first_sequence)

    def test_the_last_128_batches_can_be_retried_after_any_restart(self):
        firsts = {}
        for sequence in range(1, 301):
            firsts[sequence] = self.client.append(
                1, 1, [b"x"], durability=BUFFERED, producer=(42, sequence)
            ).first_sequence
        for restart in self.both_restarts():
            with self.subTest(restart):
                for sequence in range(300 - 127, 301):
                    again = self.client.append(1, 1, [b"x"], producer=(42, sequence))
                    self.assertEqual((again.first_sequence, again.duplicate), (firsts[sequence], True))
                self.assertEqual(len(self.client.read(1, 1).records), 300)

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

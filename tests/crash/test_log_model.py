"""The checker of the crash test finds what it is there to find: each kind of broken guarantee."""

import collections
import unittest

from log_model import RegionModel, Violation

State = collections.namedtuple("State", "position")
Position = collections.namedtuple("Position", "next_sequence deleted_through")


class LogModelTest(unittest.TestCase):
    def setUp(self):
        self.region = RegionModel(1)
        self.table = self.region.add_table(7)
        self.acknowledge(3)  # sequences 1..3
        self.acknowledge(2)  # sequences 4..5

    def acknowledge(self, count, first=None):
        batch = self.send(count)
        if first is None:
            first = self.table.highest + 1
        self.table.answered(batch, first, first + count - 1, False)
        return batch

    def send(self, count):
        return self.table.take(lambda number: [b"%d/%d" % (number, i) for i in range(count)])

    def recovered(self, *batches, first=1):
        records = []
        for number, count in batches:
            for i in range(count):
                records.append((7, first + len(records), b"%d/%d" % (number, i)))
        return records

    def check(self, recovered, deleted=0, next_sequence=None):
        if next_sequence is None:
            next_sequence = recovered[-1][1] + 1 if recovered else 6
        self.region.check(recovered, {7: State(Position(next_sequence, deleted))})

    def assert_violation(self, guarantee, recovered, **state):
        with self.assertRaises(Violation) as caught:
            self.check(recovered, **state)
        self.assertTrue(str(caught.exception).startswith(guarantee), caught.exception)

    ALL = ((1, 3), (2, 2))

    def test_exactly_what_was_acknowledged_is_right(self):
        self.check(self.recovered(*self.ALL))

    def test_a_lost_last_record_is_found(self):
        self.assert_violation("G1", self.recovered(*self.ALL)[:-1], next_sequence=6)

    def test_a_lost_first_record_is_found(self):
        self.assert_violation("G1", self.recovered(*self.ALL)[1:])

    def test_an_empty_log_is_found(self):
        self.assert_violation("G1", [])

    def test_altered_bytes_are_found(self):
        records = self.recovered(*self.ALL)
        records[2] = (7, 3, b"altered")
        self.assert_violation("G3", records)

    def test_a_record_twice_is_found(self):
        records = self.recovered(*self.ALL)
        self.assert_violation("G3", records + [(7, 5, b"2/1")])

    def test_records_that_nobody_sent_are_found(self):
        self.assert_violation("G3", self.recovered(*self.ALL, (3, 1)))

    def test_records_of_a_table_that_nobody_wrote_are_found(self):
        self.assert_violation("G3", self.recovered(*self.ALL) + [(8, 6, b"x")])

    def test_unanswered_batches_may_be_there_whole_or_not_at_all(self):
        self.send(2)
        self.send(3)
        self.check(self.recovered(*self.ALL, (3, 2)))
        self.assertEqual(self.table.stored_unanswered, 1)

    def test_a_partial_batch_is_found(self):
        self.send(3)
        self.assert_violation("G2", self.recovered(*self.ALL, (3, 2)))

    def test_a_batch_that_overtook_another_is_found(self):
        self.send(2)
        self.send(2)
        self.assert_violation("G2", self.recovered(*self.ALL, (4, 2)))

    def test_a_stored_batch_must_be_answered_as_duplicate_when_retried(self):
        batch = self.send(2)
        self.check(self.recovered(*self.ALL, (3, 2)))
        self.assertIs(self.send(2), batch)
        with self.assertRaisesRegex(Violation, "G5"):
            self.table.answered(batch, 8, 9, False)

    def test_a_retry_with_other_numbers_is_found(self):
        batch = self.send(2)
        self.check(self.recovered(*self.ALL, (3, 2)))
        self.assertIs(self.send(2), batch)
        with self.assertRaisesRegex(Violation, "G5"):
            self.table.answered(batch, 8, 9, True)

    def test_a_duplicate_of_what_was_not_stored_is_found(self):
        self.send(2)
        self.check(self.recovered(*self.ALL))
        with self.assertRaisesRegex(Violation, "G5"):
            self.table.answered(self.send(2), 4, 5, True)

    def test_a_stored_batch_stays_stored_at_the_next_crash(self):
        self.send(2)
        self.check(self.recovered(*self.ALL, (3, 2)))
        self.check(self.recovered(*self.ALL, (3, 2)))
        self.assert_violation("G1", self.recovered(*self.ALL), next_sequence=8)

    def test_a_reused_sequence_is_found_in_the_table(self):
        with self.assertRaisesRegex(Violation, "G5"):
            self.acknowledge(1, first=5)

    def test_a_reused_sequence_is_found_across_tables_and_crashes(self):
        other = self.region.add_table(8)
        batch = other.take(lambda number: [b"x"])
        with self.assertRaisesRegex(Violation, "G5"):
            other.answered(batch, 5, 5, False)
        third = self.region.add_table(9)
        self.check(self.recovered(*self.ALL))
        with self.assertRaisesRegex(Violation, "G5"):
            third.answered(third.take(lambda number: [b"x"]), 2, 2, False)

    def test_next_sequence_that_goes_back_is_found(self):
        self.table.marked(self.table.ask_mark(5), 5)
        self.assert_violation("G5", [], deleted=5, next_sequence=1)

    def test_deleted_records_that_come_back_are_found(self):
        self.table.marked(self.table.ask_mark(3), 3)
        self.check(self.recovered(*self.ALL)[3:], deleted=3)
        self.assert_violation("G5", self.recovered(*self.ALL), deleted=0)
        self.assert_violation("G5", self.recovered(*self.ALL), deleted=3)

    def test_an_unconfirmed_mark_may_be_there_or_not(self):
        self.table.ask_mark(3)
        self.check(self.recovered(*self.ALL)[3:], deleted=3)
        self.table.ask_mark(1)
        self.check(self.recovered(*self.ALL)[3:], deleted=3)

    def test_a_mark_that_nobody_asked_for_is_found(self):
        self.table.ask_mark(3)
        self.assert_violation("G5", self.recovered(*self.ALL)[2:], deleted=2)

    def test_what_a_follower_saw_may_not_vanish(self):
        self.send(1)
        self.table.saw(5, b"2/1")
        self.table.saw(6, b"3/0")
        self.check(self.recovered(*self.ALL, (3, 1)))
        self.send(1)
        self.table.saw(7, b"4/0")
        self.assert_violation("G1", self.recovered(*self.ALL, (3, 1)))

    def test_a_follower_that_sees_other_bytes_or_order_is_found(self):
        self.table.saw(5, b"other")
        with self.assertRaisesRegex(Violation, "G3"):
            self.table.saw(4, b"2/0")
        self.assert_violation("G1", self.recovered(*self.ALL))

    def test_answers_out_of_order_are_found(self):
        self.send(1)
        second = self.send(1)
        with self.assertRaisesRegex(Violation, "G4"):
            self.table.answered(second, 6, 6, False)

    def test_a_batch_of_several_tables_is_whole_or_not_there_at_all(self):
        for stored in ((), (1, 2), (1,), (2,)):
            with self.subTest(stored=stored):
                region = RegionModel(2)
                writer = region.add_writer((1, 2))
                parts = writer.take(lambda table, number: [b"%d" % table.table_id])
                recovered = [(table, sequence, b"%d" % table) for sequence, table in enumerate(stored, 1)]
                states = {table: State(Position(10, 0)) for table in stored}
                if len(stored) == 1:
                    with self.assertRaisesRegex(Violation, "G2"):
                        region.check(recovered, states)
                    continue
                region.check(recovered, states)
                self.assertEqual(writer.take(None), parts)
                ranges = [(1, 1), (2, 2)]
                writer.answered(parts, ranges, duplicate=bool(stored))

    def test_a_table_without_producer_tags_forgets_what_was_unanswered(self):
        region = RegionModel(2)
        table = region.add_table(1, tagged=False)
        table.take(lambda number: [b"a"])
        region.check([], {})
        batch = table.take(lambda number: [b"b"])
        self.assertEqual(batch.payloads, [b"b"])
        table.answered(batch, 1, 1, False)


if __name__ == "__main__":
    unittest.main()

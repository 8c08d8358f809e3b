"""MarkDeleted of many tables and before a time, and FenceRegion."""

import time
import unittest

from walden_client import append_request, timestamp
from walden_daemon import small_segments
from walden_entry_client import EntryClient
from walden_stubs import wal_pb2
from walden_testcase import Code, SharedDaemonTestCase, WaldenTestCase

MOST_MARKS = 10_000


def now():
    """Milliseconds since the Unix epoch. The daemon's clock is the same."""
    return int(time.time() * 1000)


class ManyMarksTest(SharedDaemonTestCase):
    def test_each_table_is_marked_through_its_own_number_or_its_end(self):
        region = self.fresh_region()
        records = {t: self.append_numbered(self.client, region, t, 5) for t in (1, 2, 3)}
        marks = [(3, records[3][1][0]), (1, 2**64 - 1), (4, 7), (2, 0)]
        answered = self.client.mark_tables_deleted(region, marks)
        self.assertEqual(answered, [records[3][1][0], records[1][-1][0], 0, 0])
        self.assertEqual(self.client.read(region, 1).records, [])
        self.assertEqual(self.client.read(region, 2).records, records[2])
        self.assertEqual(self.client.read(region, 3).records, records[3][2:])
        self.assertEqual(self.client.mark_tables_deleted(region, marks), answered)

    def test_marks_that_cannot_be_made_are_refused_before_any_is_made(self):
        region = self.fresh_region()
        last = self.append_numbered(self.client, region, 1, 5)[-1][0]

        def refused(field, reason="INVALID_FIELD"):
            return self.assert_refused(Code.INVALID_ARGUMENT, reason, field=field)

        with refused("marks"):
            self.client.mark_tables_deleted(region, [])
        with refused("marks[1].table_id"):
            self.client.mark_tables_deleted(region, [(1, last), (1, 2)])
        with refused("marks[1]"):
            self.client.mark_tables_deleted(region, [(1, last), wal_pb2.TableMark(table_id=2)])
        with refused("marks", "LIMIT_EXCEEDED"):
            self.client.mark_tables_deleted(region, [(t, last) for t in range(MOST_MARKS + 1)])
        self.assertEqual(len(self.client.read(region, 1).records), 5)

    def test_the_refusal_of_one_table_names_it(self):
        region = self.fresh_region()
        last = self.append_numbered(self.client, region, 1, 5)[-1][0]
        EntryClient(self.client).put(region, 7, [(b"k", b"v")])
        with self.assert_refused(Code.FAILED_PRECONDITION, "WRONG_TABLE_KIND", table_id=7):
            self.client.mark_tables_deleted(region, [(1, last), (7, last + 1)])
        self.assertEqual(len(self.client.read(region, 1).records), 5)

    def test_the_answer_has_each_table_s_position_in_the_order_of_the_marks(self):
        region = self.fresh_region()
        records = self.append_numbered(self.client, region, 1, 5)
        request = wal_pb2.MarkDeletedRequest(
            region_id=region,
            marks=[
                wal_pb2.TableMark(table_id=9, through_sequence=3),
                wal_pb2.TableMark(table_id=1, through_sequence=records[1][0]),
            ],
        )
        results = self.client.call(self.client.wal.MarkDeleted, request).results
        self.assertEqual([result.table_id for result in results], [9, 1])
        for result in results:
            self.assertEqual(result.position, self.client.position(region, result.table_id))
        self.assertEqual(results[1].position.first_live_sequence, records[2][0])
        # A region that was never written has positions too.
        request.region_id = self.fresh_region()
        results = self.client.call(self.client.wal.MarkDeleted, request).results
        for result in results:
            self.assertEqual(result.position, self.client.position(request.region_id, result.table_id))

    def test_as_many_marks_as_the_server_names_are_made_by_one_call(self):
        region = self.fresh_region()
        self.assertEqual(self.client.server_info().limits.max_marks, MOST_MARKS)
        last = self.client.append(region, 1, [b"x"]).last_sequence
        answered = self.client.mark_tables_deleted(region, [(t, last) for t in range(MOST_MARKS)])
        self.assertEqual(answered[:3], [0, last, 0])

    def test_records_of_before_a_time_are_marked_and_no_later_one(self):
        region = self.fresh_region()
        before = [self.append_numbered(self.client, region, 1, 1)[0] for _ in range(10)]
        time_between = now() + 1
        self.eventually(lambda: now() > time_between, "the clock goes on")
        after = [self.append_numbered(self.client, region, 1, 1)[0] for _ in range(10)]
        earlier = self.client.mark_deleted_before(region, 1, time_between - 3_600_000)
        self.assertLess(earlier, before[0][0])
        mark = self.client.mark_deleted_before(region, 1, time_between)
        self.assertLessEqual(mark, before[-1][0])
        if self.client.list_namespaces()[0].engine == "segment":
            self.assertGreaterEqual(mark, before[-2][0])  # the last may be of the same group as later ones
        live = self.client.read(region, 1).records
        self.assertEqual(live[-10:], after)
        self.assertEqual(live, [record for record in before + after if record[0] > mark])
        self.assertEqual(self.client.mark_deleted_before(region, 1, now() + 3_600_000), after[-1][0])
        self.assertEqual(self.client.read(region, 1).records, [])

    def test_what_a_read_from_a_time_begins_with_is_what_a_mark_before_it_leaves(self):
        region = self.fresh_region()
        moments = []
        for _ in range(20):
            self.append_numbered(self.client, region, 1, 1)
            moments.append(now())
        for moment in moments[5::5]:
            read = self.client.read(region, 1, start_time=moment).records
            self.client.mark_deleted_before(region, 1, moment)
            self.assertEqual(self.client.read(region, 1).records, read)

    def test_numbers_and_times_stand_in_one_call(self):
        region = self.fresh_region()
        ends = [self.append_numbered(self.client, region, t, 3)[-1][0] for t in (1, 2)]
        future = wal_pb2.TableMark(table_id=2, before_time=timestamp(now() + 3_600_000))
        answered = self.client.mark_tables_deleted(region, [(1, ends[0]), future])
        self.assertEqual(answered, ends)


class FenceTest(WaldenTestCase):
    def setUp(self):
        self.daemon = self.new_daemon(small_segments())
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def assert_fenced(self, call, version):
        with self.assert_refused(
            Code.FAILED_PRECONDITION, "FENCED", highest_region_version=version
        ):
            call()

    def test_a_region_that_does_not_exist_is_fenced_for_every_later_writer(self):
        self.client.fence_region(1, 5)
        self.assertEqual([r.region_id for r in self.client.list_regions()], [1])
        for restart in (None, self.daemon.restart, self.daemon.crash_and_restart):
            with self.subTest(restart):
                if restart is not None:
                    restart()
                    self.client = self.new_client(self.daemon)
                self.assert_fenced(lambda: self.client.append(1, 1, [b"x"], region_version=4), 5)
                self.assert_fenced(
                    lambda: self.client.mark_deleted(1, 1, 1, region_version=4), 5
                )
                self.assert_fenced(lambda: self.client.open_producer(1, region_version=4), 5)
                self.assert_fenced(lambda: self.client.fence_region(1, 4), 5)
                self.assertEqual(self.client.recover(1).state.region_version, 5)
        self.assertEqual(self.client.read(1, 1).records, [])
        self.assertEqual(self.client.append(1, 1, [b"x"], region_version=5).first_sequence, 1)

    def test_a_version_may_be_raised_again_and_again_and_repeated(self):
        for version in (1, 1, 2, 2**64 - 1, 2**64 - 1):
            self.client.fence_region(1, version)
            self.assertEqual(self.client.recover(1).state.region_version, version)

    def test_a_fence_holds_in_its_region_only(self):
        self.client.fence_region(1, 5)
        self.client.append(2, 1, [b"x"], region_version=1)

    def test_version_zero_is_refused_and_creates_nothing(self):
        with self.assert_refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", field="region_version"):
            self.client.fence_region(1, 0)
        self.assertEqual(list(self.client.list_regions()), [])

    def test_an_append_stream_that_is_open_is_fenced_too(self):
        stream = self.client.append_stream()
        answers = stream.answers()
        stream.send(append_request(1, 1, [b"a"], region_version=1))
        self.assertEqual(next(answers)[1].first_sequence, 1)
        self.client.fence_region(1, 2)
        stream.send(append_request(1, 1, [b"zombie"], region_version=1))
        self.check_refusal(next(answers)[1], Code.FAILED_PRECONDITION, "FENCED")
        stream.half_close()
        self.assertEqual([p for _, p in self.client.read(1, 1).records], [b"a"])


if __name__ == "__main__":
    unittest.main()

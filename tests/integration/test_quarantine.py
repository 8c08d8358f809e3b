"""Damage that may have held all of a table, or its end, and readers whose records were deleted: nobody is shown fewer
records than there are with an OK."""

import unittest

from walden_client import WaldenError
from walden_daemon import find_bytes, flip_byte, small_segments, stopped
from walden_entry_client import EntryClient, entry
from walden_testcase import Code, WaldenTestCase

REGION = 1


class QuarantineTest(WaldenTestCase):
    def setUp(self):
        self.daemon = self.new_daemon(small_segments(recovery_policy="quarantine"))
        self.daemon.start()
        self.client = self.new_client(self.daemon)
        self.entries = EntryClient(self.client)

    def damage(self, needle):
        """Restarts the daemon over a log whose record with this payload is damaged."""
        with stopped(self.daemon):
            for path in self.daemon.segment_files(REGION):
                if needle in path.read_bytes():
                    flip_byte(path, find_bytes(path, needle) + len(needle) // 2)
        self.client.close()
        self.client = self.new_client(self.daemon)
        self.entries = EntryClient(self.client)

    def assert_data_loss(self, call):
        with self.assert_refused(Code.DATA_LOSS, "CORRUPTION"):
            call()

    def test_a_table_that_is_all_in_the_damage_is_not_empty(self):
        for i in range(5):
            self.client.append(REGION, 1, [b"record %d" % i])
        lost = self.client.append(REGION, 2, [b"the only record of its table"])
        for i in range(3):
            self.client.append(REGION, 1, [b"more %d" % i])
        self.damage(b"the only record of its table")
        self.assert_data_loss(lambda: self.client.read(REGION, 2))
        self.assert_data_loss(lambda: self.client.recover(REGION, 2))
        self.assert_data_loss(lambda: self.client.recover(REGION))
        self.assertGreater(self.client.next_sequence(REGION, 2), lost.last_sequence)
        for expected in (1, lost.first_sequence):
            with self.assert_refused(Code.ABORTED, "SEQUENCE_MISMATCH"):
                self.client.append(REGION, 2, [b"new"], expected_next=expected)
        self.client.mark_deleted(REGION, 1, 2**64 - 1)
        self.assert_data_loss(lambda: self.client.read(REGION, 2))
        # Acknowledged for this table, and now for every table of the region.
        self.assertEqual(self.client.mark_deleted(REGION, 2, 2**64 - 1), lost.last_sequence)
        self.assertEqual(self.client.read(REGION, 2).records, [])
        self.assertEqual(self.client.recover(REGION).records, [])

    def test_damage_at_the_end_of_a_table_is_told_by_every_call(self):
        for i in range(20):
            last = self.client.append(REGION, 1, [b"record number %03d" % i])
        self.damage(b"record number 019")
        number = last.first_sequence
        self.assert_data_loss(lambda: self.client.read(REGION, 1))
        self.assert_data_loss(lambda: self.client.read(REGION, 1, start=number, end=number))
        self.assert_data_loss(lambda: self.client.recover(REGION))
        self.assertEqual(len(self.client.read(REGION, 1, before=number).records), 19)
        with self.assert_refused(Code.ABORTED, "SEQUENCE_MISMATCH"):
            self.client.append(REGION, 1, [b"new"], expected_next=number)

    def test_an_entry_log_with_damage_answers_nothing_as_if_it_were_whole(self):
        for where in (b"value 9", b"value 4"):
            with self.subTest(where):
                self.client.drop_region(REGION)
                for i in range(10):
                    self.entries.put(REGION, 5, [entry(b"k%d" % i, b"value %d" % i)])
                self.damage(where)
                self.assert_data_loss(lambda: self.entries.get_many(REGION, 5, [b"k0", b"k9"]))
                self.assert_data_loss(lambda: self.entries.scan(REGION, 5))
                self.assert_data_loss(lambda: self.entries.flush(REGION, 5))
                self.assert_data_loss(lambda: self.entries.finalize(REGION, 5, 10))
                self.assert_data_loss(lambda: self.entries.recover(REGION, 5))

    def test_marking_an_entry_log_through_the_damage_brings_it_back(self):
        for i in range(10):
            self.entries.put(REGION, 5, [entry(b"k%d" % i, b"value %d" % i)])
        self.damage(b"value 4")
        self.assert_data_loss(lambda: self.entries.scan(REGION, 5))
        self.client.mark_deleted(REGION, 5, 5)
        left = [e.key for e in self.entries.scan(REGION, 5)]
        self.assertEqual(left, [b"k%d" % i for i in range(5, 10)])
        with self.assert_refused(Code.FAILED_PRECONDITION, "WRONG_TABLE_KIND"):
            self.client.mark_deleted(REGION, 5, 6)  # without damage only Finalize deletes
        flush_id, entries = self.entries.flush(REGION, 5)
        self.assertEqual(len(entries), 5)
        self.entries.finalize(REGION, 5, flush_id)


class MissingFileTest(WaldenTestCase):
    def setUp(self):
        self.daemon = self.new_daemon(small_segments())
        self.daemon.start()
        self.client = self.new_client(self.daemon)
        for _ in range(20):
            self.client.append(REGION, 1, [b"x" * 200_000])

    def test_a_segment_that_is_gone_from_an_open_region_is_data_loss_and_named(self):
        path = self.daemon.segment_files(REGION)[1]
        path.unlink()
        with self.assertRaises(WaldenError) as caught:
            self.client.read(REGION, 1)
        self.check_refusal(caught.exception, Code.DATA_LOSS, "CORRUPTION")
        self.assertTrue(caught.exception.metadata["file"].endswith(path.name))


class DeletedReadTest(WaldenTestCase):
    def setUp(self):
        self.daemon = self.new_daemon(small_segments())
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def test_a_reader_that_is_outrun_is_told_and_goes_on_only_if_it_skips(self):
        for _ in range(40):
            self.client.append(REGION, 1, [b"x" * 200_000])
        # So that little of what is read is on its way before anybody asks for it.
        narrow = [("grpc.http2.lookahead_bytes", 65536), ("grpc.http2.bdp_probe", 0)]
        reader = self.new_client(self.daemon, options=narrow)
        slow = [
            reader.open_read(REGION, 1, start=1, skip_deleted=skip) for skip in (False, True)
        ]
        mark = self.client.mark_deleted(REGION, 1, 39)
        with self.assertRaises(WaldenError) as caught:
            list(slow[0])
        self.check_refusal(caught.exception, Code.OUT_OF_RANGE, "RECORDS_GONE")
        self.assertEqual(int(caught.exception.metadata["first_sequence"]), mark + 1)
        numbers = [number for number, _ in slow[1]]
        self.assertEqual(numbers[-1], 40)
        self.assertLess(len(numbers), 40)
        self.assertEqual([p.first_live_sequence for p in slow[1].skips], [mark + 1])
        with self.assert_refused(Code.OUT_OF_RANGE, "RECORDS_GONE"):
            self.client.read(REGION, 1, start=5)
        self.assertEqual([n for n, _ in self.client.read(REGION, 1).records], [40])


if __name__ == "__main__":
    unittest.main()

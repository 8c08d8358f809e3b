"""Retention: what it deletes, that readers see it, that it is told, and that it is off unless asked for."""

import time
import unittest

from walden_client import WaldenError
from walden_daemon import small_rocksdb, small_segments
from walden_testcase import Code, WaldenTestCase

PAYLOAD = bytes(250_000)  # four to a segment


def looking_often(config):
    return {**config, "retention": {"check_interval": "20ms"}}


class RetentionTest(WaldenTestCase):
    def start(self, config):
        self.daemon = self.new_daemon(looking_often(config))
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def append(self, count, region=1, table=1):
        return [self.client.append(region, table, [PAYLOAD]).last_sequence for _ in range(count)]

    def first(self, region=1, table=1):
        return self.client.position(region, table).first_live_sequence

    def test_it_is_off_unless_it_was_asked_for(self):
        self.start(small_segments())
        self.append(20)
        time.sleep(0.5)
        self.assertEqual(self.first(), 1)
        self.assertNotIn("retention", self.daemon.log_text())

    def test_the_oldest_segments_go_and_a_log_line_says_what_and_how_much(self):
        self.start(small_segments(retention_records=8))
        self.append(20)
        self.eventually(lambda: self.first() == 13, "the newest eight records stay")
        # The mark is made; files go and the line comes behind it.
        self.eventually(lambda: len(self.daemon.segment_files(1)) == 2, "two segments stay")
        self.eventually(lambda: "retention deleted records" in self.daemon.log_text(), "it is told")
        self.assertRegex(
            self.daemon.log_text(), r"region=1 records=\d+ bytes=\d+ tables=1 through=1:\d+")
        self.assertEqual(self.append(1), [21])

    def test_records_older_than_the_age_go_but_for_the_newest_segment(self):
        self.start(small_segments(retention_age="300ms"))
        self.append(6)
        self.eventually(lambda: self.first() == 5, "the old segment goes")
        time.sleep(0.5)
        self.assertEqual(self.first(), 5)

    def test_a_reader_that_fell_behind_sees_by_the_position_what_it_missed(self):
        self.start(small_segments(retention_bytes="1MiB"))
        self.append(20)
        self.eventually(lambda: self.first() > 10, "most of it is gone")
        result = self.client.read(1, 1, start=1, skip_deleted=True)
        self.assertGreater(result.position.first_live_sequence, 1)
        self.assertEqual(result.position.deleted_through, result.position.first_live_sequence - 1)
        self.assertEqual(result.records[0][0], result.position.first_live_sequence)

    def test_on_rocksdb_each_table_keeps_its_newest_records(self):
        self.start(small_rocksdb(retention_records=3))
        self.append(10, table=1)
        self.append(2, table=2)
        self.eventually(lambda: self.first(table=1) == 8, "three stay")
        self.assertEqual(self.first(table=2), 1)

    def test_on_rocksdb_records_older_than_the_age_go(self):
        self.start(small_rocksdb(retention_age="300ms"))
        self.append(4)
        self.eventually(lambda: self.first() == 5, "all of them go")
        self.assertEqual(self.append(1), [5])

    def test_a_region_of_its_own_keeps_everything_beside_a_namespace_that_does_not(self):
        self.start(small_segments(retention_records=4, regions=[{"id": 2, "retention_records": 0}]))
        self.append(12, region=1)
        self.append(12, region=2)
        self.eventually(lambda: self.first(1) == 9, "region 1 keeps four")
        self.assertEqual(self.first(2), 1)

    def test_what_went_stays_gone_after_a_crash_and_numbers_go_on(self):
        self.start(small_segments(retention_records=4))
        self.append(12)
        self.eventually(lambda: self.first() == 9, "four stay")
        self.daemon.crash_and_restart()
        self.client = self.new_client(self.daemon)
        self.assertEqual(self.first(), 9)
        self.assertEqual(self.append(1), [13])


class QuotaWithRetentionTest(WaldenTestCase):
    def test_a_region_with_both_takes_appends_for_ever(self):
        daemon = self.new_daemon(
            looking_often(small_segments(region_disk_quota="8MiB", retention_bytes="2MiB"))
        )
        daemon.start()
        client = self.new_client(daemon)
        stored = 0
        for _ in range(200):
            try:
                client.append(1, 1, [PAYLOAD])
                stored += 1
            except WaldenError as refusal:
                self.check_refusal(refusal, Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
                time.sleep(0.05)
        self.assertGreater(stored, 100)
        self.assertLessEqual(len(daemon.segment_files(1)), 8)


if __name__ == "__main__":
    unittest.main()

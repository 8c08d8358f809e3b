"""A write that fails: the region stops acknowledging until it is reopened, by somebody or by itself; nothing
else does.

The daemon runs under a file size limit that is lowered to where its log has arrived: the next write is
cut there and fails with EFBIG, as one to a bad disk fails with EIO.
"""

import unittest

from walden_client import WaldenError, append_request
from walden_daemon import small_segments
from walden_stubs import admin_pb2
from walden_testcase import Code, WaldenTestCase

FAILED, HEALTHY = 1, 2
BATCH = [b"record %d of the batch that fails " % i + bytes([i]) * 500 for i in range(10)]


class FailedWriteTestCase(WaldenTestCase):
    RECOVERY = {"reopen_attempts": 0}

    def setUp(self):
        self.daemon = self.new_daemon({**small_segments(), "recovery": self.RECOVERY})
        self.daemon.fails_past_file_size = True
        self.daemon.start()
        self.client = self.new_client(self.daemon)
        self.records = []
        for _ in range(20):
            self.records += self.append_numbered(self.client, FAILED, 1, 10)
        self.healthy = self.append_numbered(self.client, HEALTHY, 1, 10)

    def fail_a_write(self, **options):
        """Lets a write of region FAILED fail in the middle of BATCH; returns the refusal."""
        (segment,) = [s for s in self.client.describe_region(FAILED).segments if s.last_sequence]
        self.daemon.limit_file_size(segment.used_bytes + 1300)
        with self.assertRaises(WaldenError) as caught:
            self.client.append(FAILED, 1, BATCH, **options)
        self.daemon.limit_file_size(None)
        return caught.exception

    def state_of(self, region):
        (info,) = [r for r in self.client.list_regions() if r.region_id == region]
        return info.state

    def assert_batch_is_whole_or_absent(self, client):
        rest = client.read(FAILED, 1).records[len(self.records) :]
        self.assertIn([payload for _, payload in rest], ([], BATCH))


class ReopenTest(FailedWriteTestCase):
    RECOVERY = {"reopen_backoff": "20ms"}

    def test_the_region_comes_back_by_itself_with_everything_acknowledged(self):
        self.check_refusal(self.fail_a_write(), Code.UNAVAILABLE, "WRITE_FAILED")

        def is_served():
            try:
                return self.client.append(FAILED, 1, [b"after"])
            except WaldenError as error:
                self.check_refusal(error, Code.FAILED_PRECONDITION, "REGION_FAILED")

        self.eventually(is_served, "the region is opened again")
        records = self.client.read(FAILED, 1).records
        self.assertEqual(records[: len(self.records)], self.records)
        self.assertEqual(records[-1][1], b"after")
        self.assertIn("region will be reopened", self.daemon.log_text())

    def test_a_producer_that_goes_on_trying_stores_each_batch_once(self):
        producer = self.client.open_producer(FAILED)
        refusal = self.fail_a_write(producer=(producer, 1))
        self.check_refusal(refusal, Code.UNAVAILABLE, "WRITE_FAILED")
        answers = []
        for number, payloads in ((1, BATCH), (2, [b"the next one"]), (1, BATCH), (2, [b"the next one"])):

            def is_answered():
                try:
                    answer = self.client.append(FAILED, 1, payloads, producer=(producer, number))
                    answers.append(answer)
                    return True
                except WaldenError as error:
                    self.check_refusal(error, Code.FAILED_PRECONDITION, "REGION_FAILED")

            self.eventually(is_answered, "the region is opened again")
        self.assertTrue(answers[2].duplicate and answers[3].duplicate)
        ranges = [(a.first_sequence, a.last_sequence) for a in answers]
        self.assertEqual(ranges[:2], ranges[2:])
        numbers = [n for first, last in ranges[:2] for n in range(first, last + 1)]
        expected = self.records + list(zip(numbers, [*BATCH, b"the next one"]))
        self.assertEqual(self.client.read(FAILED, 1).records, expected)


class FailedWriteTest(FailedWriteTestCase):
    def test_the_region_refuses_appends_for_good_though_the_disk_is_well_again(self):
        self.check_refusal(self.fail_a_write(), Code.UNAVAILABLE, "WRITE_FAILED")
        for _ in range(5):
            with self.assert_refused(Code.FAILED_PRECONDITION, "REGION_FAILED"):
                self.client.append(FAILED, 1, [b"x"])
        self.assertEqual(self.state_of(FAILED), admin_pb2.RegionInfo.STATE_FAILED)
        self.assertEqual(self.state_of(HEALTHY), admin_pb2.RegionInfo.STATE_OPEN)

    def test_reads_of_the_failed_region_work_and_show_what_was_acknowledged(self):
        self.fail_a_write()
        self.assertEqual(self.client.read(FAILED, 1).records, self.records)
        self.assertEqual(self.client.recover(FAILED).of_table(1), self.records)

    def test_other_regions_never_notice(self):
        self.fail_a_write()
        self.healthy += self.append_numbered(self.client, HEALTHY, 1, 5)
        self.assertEqual(self.client.read(HEALTHY, 1).records, self.healthy)
        self.append_numbered(self.client, 77, 1, 5)

    def test_a_stream_is_told_and_lives_on(self):
        self.fail_a_write()
        stream = self.client.append_stream()
        refused = stream.send(append_request(FAILED, 1, [b"x"]))
        good = stream.send(append_request(HEALTHY, 1, [b"y"]))
        stream.half_close()
        answers = dict(stream.answers())
        self.check_refusal(answers[refused], Code.FAILED_PRECONDITION, "REGION_FAILED")
        self.assertTrue(answers[good].durable)

    def test_closing_brings_the_region_back_with_everything_acknowledged(self):
        self.fail_a_write()
        self.client.close_region(FAILED)
        records = self.client.read(FAILED, 1).records
        self.assertEqual(records[: len(self.records)], self.records)
        self.assert_batch_is_whole_or_absent(self.client)
        answer = self.client.append(FAILED, 1, [b"after"])
        self.assertGreater(answer.first_sequence, records[-1][0])
        self.daemon.crash_and_restart()
        client = self.new_client(self.daemon)
        expected = records + [(answer.first_sequence, b"after")]
        self.assertEqual(client.read(FAILED, 1).records, expected)

    def test_a_producer_retries_after_the_region_is_back_and_stores_once(self):
        tag = (self.client.open_producer(FAILED), 1)
        self.fail_a_write(producer=tag)
        self.client.close_region(FAILED)
        answer = self.client.append(FAILED, 1, BATCH, producer=tag)
        numbers = range(answer.first_sequence, answer.last_sequence + 1)
        expected = self.records + list(zip(numbers, BATCH))
        self.assertEqual(self.client.read(FAILED, 1).records, expected)

    def test_a_restart_brings_the_region_back_too(self):
        self.fail_a_write()
        for restart in (self.daemon.crash_and_restart, self.daemon.restart):
            restart()
            client = self.new_client(self.daemon)
            self.assertEqual(
                client.read(FAILED, 1).records[: len(self.records)], self.records
            )
            self.assert_batch_is_whole_or_absent(client)


if __name__ == "__main__":
    unittest.main()

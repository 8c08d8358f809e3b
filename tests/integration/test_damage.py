"""What a client sees of damaged, cut and unreadable files, and that other regions never notice."""

import unittest

from segment_file import SegmentFile
from walden_client import WaldenError
from walden_daemon import find_bytes, flip_byte, small_segments, stopped, write_at
from walden_stubs import admin_pb2
from walden_testcase import Code, WaldenTestCase

State = admin_pb2.RegionInfo

DAMAGED, HEALTHY = 1, 2
# The head and padding of a group at most: a damaged range begins where the last good record ends.
BEFORE_RECORD_BYTES = 4096 + 200


class DamageTestCase(WaldenTestCase):
    policy = "refuse"

    def setUp(self):
        self.daemon = self.new_daemon(small_segments(recovery_policy=self.policy))
        self.daemon.start()
        self.client = self.new_client(self.daemon)
        self.records = []
        for i in range(40):
            payload = b"payload number %03d " % i + bytes([i]) * 60_000
            answer = self.client.append(DAMAGED, 1, [payload])
            self.records.append((answer.first_sequence, payload))
        self.healthy = self.append_numbered(self.client, HEALTHY, 1, 20)

    def segment_of(self, index):
        """The file that holds record `index`, and the offset of its payload there."""
        needle = b"payload number %03d " % index
        for path in self.daemon.segment_files(DAMAGED):
            if needle in path.read_bytes():
                return path, find_bytes(path, needle)
        raise AssertionError(f"record {index} is in no segment")

    def flip_byte_of_record(self, index):
        path, offset = self.segment_of(index)
        flip_byte(path, offset + 30_000)
        return path, offset

    def restart_after(self, change):
        with stopped(self.daemon):
            result = change()
        self.client.close()
        self.client = self.new_client(self.daemon)
        return result

    def region_state(self, region):
        (info,) = [r for r in self.client.list_regions() if r.region_id == region]
        return info

    def assert_other_regions_serve(self):
        self.assertEqual(self.client.read(HEALTHY, 1).records, self.healthy)
        self.healthy += self.append_numbered(self.client, HEALTHY, 1, 3)
        self.append_numbered(self.client, 99, 1, 3)

    def check_data_loss(self, error, path, offset, index):
        """The refusal names the file and a range around the damage."""
        self.check_refusal(error, Code.DATA_LOSS, "CORRUPTION")
        self.assertTrue(error.metadata["file"].endswith(path.name), error)
        self.assertLessEqual(int(error.metadata["offset"]), offset)
        self.assertGreater(int(error.metadata["offset"]), offset - BEFORE_RECORD_BYTES)
        sequence = self.records[index][0]
        self.assertEqual(int(error.metadata["first_sequence"]), sequence)
        self.assertEqual(int(error.metadata["last_sequence"]), sequence)


class RefusePolicyTest(DamageTestCase):
    def test_a_damaged_region_refuses_every_call_and_others_serve(self):
        path, offset = self.restart_after(lambda: self.flip_byte_of_record(10))
        calls = {
            "append": lambda: self.client.append(DAMAGED, 1, [b"x"]),
            "read": lambda: self.client.read(DAMAGED, 1),
            "recover": lambda: self.client.recover(DAMAGED),
            "mark_deleted": lambda: self.client.mark_deleted(DAMAGED, 1, 5),
            "describe": lambda: self.client.describe_region(DAMAGED),
            "next_sequence": lambda: self.client.next_sequence(DAMAGED, 1),
        }
        for name, call in calls.items():
            with self.subTest(name):
                with self.assertRaises(WaldenError) as caught:
                    call()
                self.check_data_loss(caught.exception, path, offset, 10)
        info = self.region_state(DAMAGED)
        self.assertEqual(info.state, State.STATE_BROKEN)
        self.assertIn(path.name, info.error.message)
        self.assert_other_regions_serve()

    def test_nothing_on_disk_changes_by_refusing(self):
        with stopped(self.daemon):
            self.flip_byte_of_record(10)
            before = {p: p.read_bytes() for p in self.daemon.segment_files(DAMAGED)}
        client = self.new_client(self.daemon)
        with self.assertRaises(WaldenError):
            client.append(DAMAGED, 1, [b"x"])
        client.close_region(DAMAGED)
        with self.assertRaises(WaldenError):
            client.append(DAMAGED, 1, [b"x"])
        self.daemon.terminate()
        after = {p: p.read_bytes() for p in self.daemon.segment_files(DAMAGED)}
        self.assertEqual(before, after)

    def test_verify_names_the_damage_of_a_region_that_does_not_open(self):
        path, offset = self.restart_after(lambda: self.flip_byte_of_record(10))
        _, findings = self.client.verify(DAMAGED)
        self.assertEqual(len(findings), 1)
        self.assertTrue(findings[0].file.endswith(path.name))
        self.assertLessEqual(findings[0].offset, offset)
        self.assertGreater(findings[0].offset + findings[0].length, offset)
        self.assertEqual(findings[0].first_sequence, self.records[10][0])
        self.assertTrue(findings[0].description)

    def test_a_repaired_region_opens_after_it_was_closed(self):
        path, offset = self.restart_after(lambda: self.flip_byte_of_record(10))
        with self.assertRaises(WaldenError):
            self.client.read(DAMAGED, 1)
        flip_byte(path, offset + 30_000)
        self.client.close_region(DAMAGED)
        self.assertEqual(self.client.read(DAMAGED, 1).records, self.records)

    def test_a_damaged_region_can_be_dropped(self):
        self.restart_after(lambda: self.flip_byte_of_record(10))
        self.assertTrue(self.client.drop_region(DAMAGED))
        self.assertEqual(self.client.append(DAMAGED, 1, [b"new"]).first_sequence, 1)

    def test_verify_finds_damage_that_happened_after_the_opening(self):
        path, offset = self.flip_byte_of_record(10)
        _, findings = self.client.verify(DAMAGED)
        self.assertEqual(len(findings), 1)
        self.assertTrue(findings[0].file.endswith(path.name))
        with self.assertRaises(WaldenError) as caught:
            self.client.read(DAMAGED, 1)
        self.check_data_loss(caught.exception, path, offset, 10)
        before, after = self.records[:10], self.records[11:]
        self.assertEqual(self.client.read(DAMAGED, 1, end=before[-1][0]).records, before)
        self.assertEqual(self.client.read(DAMAGED, 1, start=after[0][0]).records, after)

    def test_a_missing_segment_in_the_middle_is_data_loss(self):
        def remove():
            path, _ = self.segment_of(20)
            path.unlink()
            return path

        self.restart_after(remove)
        with self.assertRaises(WaldenError) as caught:
            self.client.read(DAMAGED, 1)
        self.check_refusal(caught.exception, Code.DATA_LOSS, "CORRUPTION")
        self.assert_other_regions_serve()

    def test_a_directory_in_a_segments_place_is_data_loss_until_the_file_is_back(self):
        def hide():
            path, _ = self.segment_of(20)
            aside = path.with_name("aside")
            path.rename(aside)
            path.mkdir()
            return path, aside

        path, aside = self.restart_after(hide)
        with self.assertRaises(WaldenError) as caught:
            self.client.read(DAMAGED, 1)
        self.check_refusal(caught.exception, Code.DATA_LOSS, "CORRUPTION")
        self.assertIn("directory", str(caught.exception))
        self.assert_other_regions_serve()
        path.rmdir()
        aside.rename(path)
        self.client.close_region(DAMAGED)
        self.assertEqual(self.client.read(DAMAGED, 1).records, self.records)


class QuarantinePolicyTest(DamageTestCase):
    policy = "quarantine"

    def test_the_damaged_range_is_data_loss_and_everything_else_is_served(self):
        path, offset = self.restart_after(lambda: self.flip_byte_of_record(10))
        before, lost, after = self.records[:10], self.records[10], self.records[11:]
        self.assertEqual(self.client.read(DAMAGED, 1, before=lost[0]).records, before)
        self.assertEqual(self.client.read(DAMAGED, 1, after=lost[0]).records, after)
        with self.assertRaises(WaldenError) as caught:
            self.client.read(DAMAGED, 1)
        self.check_data_loss(caught.exception, path, offset, 10)
        with self.assertRaises(WaldenError) as caught:
            self.client.recover(DAMAGED)
        self.check_data_loss(caught.exception, path, offset, 10)
        self.assert_other_regions_serve()

    def test_records_before_the_damage_are_streamed_before_the_error(self):
        self.restart_after(lambda: self.flip_byte_of_record(10))
        received = []
        with self.assertRaises(WaldenError):
            for record in self.client.open_read(DAMAGED, 1):
                received.append(record)
        self.assertEqual(received, self.records[:10])

    def test_the_opening_reports_the_range(self):
        path, offset = self.restart_after(lambda: self.flip_byte_of_record(10))
        opening = self.client.describe_region(DAMAGED).state.opening
        self.assertEqual(opening.outcome, opening.OUTCOME_QUARANTINED)
        (damage,) = opening.damaged_ranges
        self.assertTrue(damage.file.endswith(path.name))
        self.assertLessEqual(damage.offset, offset)
        self.assertGreater(damage.offset + damage.length, offset + 60_000)
        self.assertEqual(damage.first_sequence, self.records[10][0])
        self.assertEqual(damage.last_sequence, self.records[10][0])

    def test_appends_and_marks_go_on_and_deleting_past_the_damage_heals_the_region(self):
        self.restart_after(lambda: self.flip_byte_of_record(10))
        new = self.client.append(DAMAGED, 1, [b"new"])
        self.assertGreater(new.first_sequence, self.records[-1][0])
        self.client.mark_deleted(DAMAGED, 1, self.records[10][0])
        expected = self.records[11:] + [(new.first_sequence, b"new")]
        self.assertEqual(self.client.read(DAMAGED, 1).records, expected)
        self.daemon.crash_and_restart()
        client = self.new_client(self.daemon)
        self.assertEqual(client.read(DAMAGED, 1).records, expected)

    def test_a_quarantined_range_stays_quarantined(self):
        path, offset = self.restart_after(lambda: self.flip_byte_of_record(10))
        for _ in range(2):
            self.restart_after(lambda: None)
            with self.assertRaises(WaldenError) as caught:
                self.client.read(DAMAGED, 1)
            self.check_data_loss(caught.exception, path, offset, 10)
            self.assertEqual(
                self.client.read(DAMAGED, 1, after=self.records[10][0]).records, self.records[11:]
            )


class TornTailTest(WaldenTestCase):
    """A tail made by hand: bytes of a write that never finished behind the last record."""

    def setUp(self):
        self.daemon = self.new_daemon(small_segments())
        self.daemon.start()
        self.client = self.new_client(self.daemon)
        self.records = self.append_numbered(self.client, 1, 1, 50)
        described = self.client.describe_region(1)
        (segment,) = [s for s in described.segments if s.last_sequence]
        self.file = self.daemon.data / segment.file
        self.end = segment.used_bytes

    def write_tail(self, tail):
        """Writes `tail` where the next group would begin while the daemon is dead."""
        self.daemon.kill()
        write_at(self.file, SegmentFile(self.file).group_begin(self.end), tail)
        self.daemon.start()
        self.client.close()
        self.client = self.new_client(self.daemon)

    def next_group(self):
        """The group that one more append would write."""
        payload = b"never acknowledged " * 1000
        return SegmentFile(self.file).group(self.end, 1, self.records[-1][0] + 1, payload)

    def torn_group(self):
        payload = b"never acknowledged " * 1000
        return SegmentFile(self.file).torn_group(self.end, 1, self.records[-1][0] + 1, payload)

    def test_used_bytes_end_where_zeros_begin(self):
        content = self.file.read_bytes()
        self.assertIn(self.records[-1][1], content[: self.end])
        self.assertEqual(content[self.end :].strip(b"\0"), b"")

    def test_a_torn_tail_is_cut_off_kept_and_reported(self):
        tail = self.torn_group()
        self.write_tail(tail)
        self.assertEqual(self.client.read(1, 1).records, self.records)
        opening = self.client.describe_region(1).state.opening
        self.assertEqual(opening.outcome, opening.OUTCOME_TORN_TAIL)
        self.assertGreaterEqual(opening.torn_tail_bytes, len(tail))
        evidence = self.daemon.data / opening.evidence_file
        self.assertIn(tail, evidence.read_bytes())
        self.assertIn("torn", self.daemon.log_text())

    def test_appending_after_a_torn_tail_loses_nothing(self):
        self.write_tail(self.torn_group())
        self.records += self.append_numbered(self.client, 1, 1, 10, prefix="after")
        self.assertEqual(self.client.read(1, 1).records, self.records)
        self.daemon.crash_and_restart()
        client = self.new_client(self.daemon)
        self.assertEqual(client.read(1, 1).records, self.records)
        opening = client.describe_region(1).state.opening
        self.assertEqual(opening.outcome, opening.OUTCOME_CLEAN)

    def test_a_whole_group_that_was_not_acknowledged_is_served(self):
        self.write_tail(self.next_group())
        records = self.client.read(1, 1).records
        self.assertEqual(records[:-1], self.records)
        self.assertEqual(records[-1], (self.records[-1][0] + 1, b"never acknowledged " * 1000))

    def test_bytes_that_no_crash_leaves_are_damage_and_not_a_tail(self):
        group = bytearray(self.next_group())
        group[-100] ^= 1  # every sector was written
        self.write_tail(bytes(group))
        with self.assert_refused(Code.DATA_LOSS, "CORRUPTION"):
            self.client.read(1, 1)

    def test_groups_that_stand_in_another_place_are_damage_and_not_data(self):
        first = SegmentFile(self.file).alignment
        self.write_tail(self.file.read_bytes()[first : self.end])
        with self.assert_refused(Code.DATA_LOSS, "CORRUPTION"):
            self.client.read(1, 1)


if __name__ == "__main__":
    unittest.main()

"""A namespace in RocksDB, from outside: what clients and the command line do on it."""

import json
import os
import subprocess
import unittest

from walden_client import BUFFERED, error_from_status
from walden_daemon import BIN_DIR, flip_byte, small_rocksdb, small_segments, stopped
from walden_stubs import wal_pb2
from walden_testcase import Code, WaldenTestCase


class RocksdbTest(WaldenTestCase):
    def setUp(self):
        self.daemon = self.new_daemon(small_rocksdb())
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def test_recover_streams_table_by_table_and_says_so(self):
        for table in (2, 1, 2, 1):
            self.client.append(1, table, [b"x"])
        recovery = self.client.recover(1)
        self.assertEqual(recovery.state.record_order, wal_pb2.RECORD_ORDER_TABLE)
        self.assertEqual([table for table, _, _ in recovery.records], [1, 1, 2, 2])
        # Also without a record, and without the region.
        self.client.append(2, 1, [b"x"])
        self.client.mark_deleted(2, 1, 1)
        for region in (2, 3):
            order = self.client.recover(region).state.record_order
            self.assertEqual(order, wal_pb2.RECORD_ORDER_TABLE)

    def restart(self, change=lambda: None):
        with stopped(self.daemon):
            change()
        self.client.close()
        self.client = self.new_client(self.daemon)

    def kill(self):
        self.daemon.kill()
        self.daemon.start()
        self.client.close()
        self.client = self.new_client(self.daemon)

    def files(self, suffix):
        return sorted((self.daemon.data / "default").glob("*" + suffix))

    def cli(self, *arguments):
        return subprocess.run(
            [BIN_DIR / "walden", *arguments], capture_output=True, text=True, timeout=60
        )

    def test_records_marks_and_numbers_survive_kills(self):
        first = self.append_numbered(self.client, 1, 7, 50)
        self.append_numbered(self.client, 2, 7, 5)
        self.kill()
        self.assertEqual(self.client.read(1, 7).records, first)
        self.client.mark_deleted(1, 7, first[29][0])
        self.kill()
        self.assertEqual(self.client.read(1, 7).records, first[30:])
        more = self.append_numbered(self.client, 1, 7, 5, durability=BUFFERED)
        self.assertGreater(more[0][0], first[-1][0])
        self.restart()
        self.assertEqual(self.client.read(1, 7).records, first[30:] + more)

    def test_what_is_said_of_the_next_number_is_what_an_append_gets(self):
        self.append_numbered(self.client, 1, 7, 3)
        self.append_numbered(self.client, 2, 7, 2)
        self.append_numbered(self.client, 1, 8, 2, durability=BUFFERED)
        self.assertEqual(self.client.next_sequence(1, 7), 6)
        self.kill()
        for region, table in ((1, 7), (1, 8), (9, 7)):
            said = self.client.next_sequence(region, table)
            answer = self.client.append(region, table, [b"x"])
            self.assertEqual(answer.first_sequence, said)
        self.client.close_region(1)
        self.assertTrue(self.client.drop_region(1))
        said = self.client.next_sequence(1, 7)
        self.assertGreater(said, 6)
        self.assertEqual(self.client.append(1, 7, [b"again"]).first_sequence, said)

    def test_a_mark_with_a_version_fences_a_region_without_records(self):
        self.assertEqual(self.client.mark_deleted(5, 1, 10, region_version=3), 0)
        self.kill()
        with self.assert_refused(Code.FAILED_PRECONDITION, "FENCED"):
            self.client.append(5, 1, [b"old"], region_version=2)
        self.client.append(5, 1, [b"new"], region_version=3)

    def test_what_it_is_is_told(self):
        self.append_numbered(self.client, 1, 1, 1)
        (namespace,) = self.client.list_namespaces()
        self.assertEqual(namespace.engine, "rocksdb")
        self.assertEqual(self.client.describe_region(1).state.engine, "rocksdb")
        self.assertIn("default:rocksdb", self.daemon.log.read_text())

    def test_verify_and_inspect_look_at_its_files(self):
        self.append_numbered(self.client, 3, 4, 20)
        self.client.verify(3)
        with stopped(self.daemon):
            shown = self.cli("inspect", "--json", str(self.daemon.data / "default"))
            self.assertEqual(shown.returncode, 0, shown.stderr)
            inspected = json.loads(shown.stdout)
            (table,) = inspected["tables"]
            self.assertEqual((table["region_id"], table["table_id"]), (3, 4))
            self.assertEqual(table["last_live_sequence"], 20)
            text = self.cli("inspect", str(self.daemon.data / "default")).stdout
            self.assertIn("engine rocksdb, records of namespace 1", text)

    def test_a_damaged_namespace_answers_data_loss_and_the_others_serve(self):
        segment = small_segments()["namespaces"][0] | {"id": 2, "name": "other"}
        config = small_rocksdb()
        config["namespaces"].append(segment)
        config["limits"] = {"max_batch_bytes": "512KiB", "max_payload_bytes": "512KiB"}
        self.restart(lambda: self.daemon.configure(config))
        for i in range(20):
            self.client.append(1, 1, [b"payload number %03d " % i])
        kept = self.append_numbered(self.client, 1, 1, 5, namespace=2)

        def damage():
            for path in self.files(".log"):
                at = path.read_bytes().find(b"payload number 007")
                if at >= 0:
                    flip_byte(path, at)
                    return
            raise AssertionError("the record is in no log")

        self.restart(damage)
        with self.assert_refused(Code.DATA_LOSS, "CORRUPTION"):
            self.client.append(1, 1, [b"refused"])
        with self.assert_refused(Code.DATA_LOSS, "CORRUPTION"):
            self.client.read(1, 1)
        self.assertEqual(self.client.read(1, 1, namespace=2).records, kept)
        self.append_numbered(self.client, 1, 1, 5, namespace=2)
        broken, healthy = self.client.list_namespaces()
        self.check_refusal(error_from_status(broken.error), Code.DATA_LOSS, "CORRUPTION")
        self.assertFalse(broken.HasField("region_count"))
        self.assertFalse(healthy.HasField("error"))
        self.assertEqual(healthy.region_count, 1)
        self.assertIn("namespace cannot be opened", self.daemon.log.read_text())
        shown = self.cli("inspect", str(self.daemon.data / "default"))
        self.assertEqual(shown.returncode, 4, shown.stderr)
        self.assertIn("DAMAGED", shown.stdout)

    def test_a_directory_that_another_program_changed_is_refused_until_it_is_adopted(self):
        records = self.append_numbered(self.client, 1, 7, 5)
        directory = self.daemon.data / "default"
        self.restart(lambda: (directory / "900000.sst").write_bytes(b"of another program"))
        with self.assert_refused(Code.FAILED_PRECONDITION, "CHANGED_ELSEWHERE"):
            self.client.read(1, 7)
        self.assertTrue((directory / "900000.sst").exists())
        refused = self.cli("adopt", str(directory), "--json")
        self.assertNotEqual(refused.returncode, 0)
        self.assertEqual(json.loads(refused.stderr)["error"]["reason"], "LOCKED")
        with stopped(self.daemon):
            adopted = self.cli(
                "adopt", "--data-dir", str(self.daemon.data), "--namespace", "1", "--json"
            )
            self.assertEqual(adopted.returncode, 0, adopted.stderr)
            self.assertEqual(
                json.loads(adopted.stdout),
                {
                    "namespace": "default",
                    "namespace_id": 1,
                    "regions": 1,
                    "tables": 1,
                    "compared": True,
                    "lost": [],
                },
            )
        self.client.close()
        self.client = self.new_client(self.daemon)
        self.assertEqual(self.client.read(1, 7).records, records)
        self.assertEqual(self.append_numbered(self.client, 1, 7, 1)[0][0], 6)

    def test_a_damaged_directory_is_adopted_only_if_its_loss_is_accepted(self):
        for i in range(6):
            self.client.append(1, 1, [b"payload number %03d " % i + b"x" * 200])
        self.client.mark_deleted(1, 1, 3)
        self.daemon.terminate()
        self.client.close()
        directory = self.daemon.data / "default"
        for path in self.files(".log"):
            at = path.read_bytes().find(b"payload number 002")
            if at >= 0:
                os.truncate(path, at + 50)
        refused = self.cli("adopt", str(directory), "--json")
        self.assertEqual(refused.returncode, 4, refused.stdout)
        self.assertEqual(json.loads(refused.stderr)["error"]["reason"], "CORRUPTION")
        self.daemon.start()
        self.client = self.new_client(self.daemon)
        with self.assert_refused(Code.DATA_LOSS, "CORRUPTION"):
            self.client.read(1, 1)
        with stopped(self.daemon):
            adopted = self.cli("adopt", str(directory), "--accept-loss")
            self.assertEqual(adopted.returncode, 0, adopted.stderr)
            self.assertIn("LOST: ", adopted.stdout)
            self.assertIn("durable bytes", adopted.stdout)
        self.client.close()
        self.client = self.new_client(self.daemon)
        self.assertEqual(len(self.client.read(1, 1).records), 2)

    def test_an_id_that_was_edited_is_refused_with_both_values(self):
        self.append_numbered(self.client, 1, 7, 5)
        config = small_rocksdb()
        config["namespaces"][0]["id"] = 9
        self.restart(lambda: self.daemon.configure(config))
        with self.assert_refused(
            Code.FAILED_PRECONDITION, "WRONG_NAMESPACE", stored_id="1", configured_id="9"
        ):
            self.client.read(1, 7, namespace=9)
        with self.assert_refused(Code.FAILED_PRECONDITION, "WRONG_NAMESPACE"):
            self.client.append(1, 7, [b"refused"], namespace=9)

    def test_a_missing_current_file_is_data_loss(self):
        self.append_numbered(self.client, 1, 7, 5)
        directory = self.daemon.data / "default"
        names = lambda: sorted(path.name for path in directory.iterdir())
        with stopped(self.daemon):
            (directory / "CURRENT").unlink()
            before = names()
        self.client.close()
        self.client = self.new_client(self.daemon)
        with self.assert_refused(Code.DATA_LOSS, "CORRUPTION", file="default/CURRENT"):
            self.client.read(1, 7)
        with self.assert_refused(Code.DATA_LOSS, "CORRUPTION"):
            self.client.append(1, 7, [b"refused"])
        self.assertEqual(names(), before)


if __name__ == "__main__":
    unittest.main()

"""A walk through every rpc, as a client made from the .proto files alone sees them."""

import unittest

from google.protobuf import descriptor_pool

import walden_daemon
from walden_client import BUFFERED, SYNC, append_request
from walden_stubs import (
    admin_pb2,
    common_pb2,
    descriptor_pb2,
    health_pb2,
    reflection_pb2,
    reflection_pb2_grpc,
    reflection_v1alpha_pb2,
    reflection_v1alpha_pb2_grpc,
    wal_pb2,
)
from walden_testcase import Code, SharedDaemonTestCase

State = admin_pb2.RegionInfo
Outcome = common_pb2.OpeningReport


class WalServiceTest(SharedDaemonTestCase):
    def test_append_answers_contiguous_numbers_from_one(self):
        region = self.fresh_region()
        first = self.client.append(region, 1, [b"a", b"b", b"c"])
        self.assertEqual((first.first_sequence, first.last_sequence), (1, 3))
        self.assertTrue(first.durable)
        self.assertFalse(first.duplicate)
        second = self.client.append(region, 1, [b"d"])
        self.assertGreater(second.first_sequence, first.last_sequence)

    def test_append_without_durability_is_synced(self):
        answer = self.client.append(self.fresh_region(), 1, [b"a"], durability=0)
        self.assertTrue(answer.durable)

    def test_buffered_append_is_readable_at_once(self):
        region = self.fresh_region()
        self.client.append(region, 1, [b"a"], durability=BUFFERED)
        self.assertEqual([p for _, p in self.client.read(region, 1).records], [b"a"])

    def test_sync_append_makes_earlier_buffered_ones_durable(self):
        region = self.fresh_region()
        self.client.append(region, 1, [b"a"], durability=BUFFERED)
        self.assertTrue(self.client.append(region, 1, [b"b"], durability=SYNC).durable)

    def test_records_come_back_byte_for_byte(self):
        region = self.fresh_region()
        payloads = [b"", b"\x00", bytes(range(256)), b"\xff" * 70_000, "żółw".encode(), b""]
        answer = self.client.append(region, 1, payloads)
        result = self.client.read(region, 1)
        numbers = range(answer.first_sequence, answer.last_sequence + 1)
        self.assertEqual(result.records, list(zip(numbers, payloads)))

    def test_highest_ids_are_ids_like_any_other(self):
        highest = 2**64 - 1
        self.client.append(highest, highest, [b"x"])
        self.assertEqual([p for _, p in self.client.read(highest, highest).records], [b"x"])
        self.assertEqual(self.client.recover(highest).state.tables[0].table_id, highest)

    def test_region_and_table_zero_are_ids_like_any_other(self):
        self.client.append(0, 0, [b"x"])
        self.assertEqual([p for _, p in self.client.read(0, 0).records], [b"x"])

    def test_append_stream_answers_every_request_in_order_of_one_table(self):
        region = self.fresh_region()
        stream = self.client.append_stream()
        sent = [stream.send(append_request(region, 1, [b"%d" % i])) for i in range(500)]
        stream.half_close()
        answers = list(stream.answers())
        self.assertEqual([request_id for request_id, _ in answers], sent)
        firsts = [answer.first_sequence for _, answer in answers]
        self.assertEqual(firsts, sorted(set(firsts)))
        self.assertTrue(all(answer.durable for _, answer in answers))
        expected = [(first, b"%d" % i) for i, first in enumerate(firsts)]
        self.assertEqual(self.client.read(region, 1).records, expected)

    def test_append_stream_echoes_request_ids_without_interpreting_them(self):
        region = self.fresh_region()
        stream = self.client.append_stream()
        ids = [0, 2**64 - 1, 7, 7, 1]
        for request_id in ids:
            stream.send(append_request(region, 1, [b"x"]), request_id=request_id)
        stream.half_close()
        self.assertEqual([request_id for request_id, _ in stream.answers()], ids)

    def test_append_stream_over_many_regions_answers_everything(self):
        regions = [self.fresh_region() for _ in range(10)]
        stream = self.client.append_stream()
        sent = {}
        for i in range(200):
            request_id = stream.send(append_request(regions[i % 10], i % 3, [b"%d" % i]))
            sent[request_id] = (regions[i % 10], i % 3, b"%d" % i)
        stream.half_close()
        answered = dict(stream.answers())
        self.assertEqual(set(answered), set(sent))
        for region in regions:
            stored = {
                (table, sequence): payload
                for table, sequence, payload in self.client.recover(region).records
            }
            for request_id, (sent_region, table, payload) in sent.items():
                if sent_region == region:
                    sequence = answered[request_id].first_sequence
                    self.assertEqual(stored[(table, sequence)], payload)

    def test_empty_append_stream_ends_cleanly(self):
        stream = self.client.append_stream()
        stream.half_close()
        self.assertEqual(list(stream.answers()), [])

    def test_read_keeps_to_its_bounds(self):
        region = self.fresh_region()
        self.append_numbered(self.client, region, 1, 5)
        everything = self.append_numbered(self.client, region, 2, 10)
        low, high = everything[0][0], everything[-1][0]

        def numbers(**bounds):
            return [s for s, _ in self.client.read(region, 2, **bounds).records]

        self.assertEqual(numbers(), list(range(low, high + 1)))
        self.assertEqual(numbers(start=low + 2), list(range(low + 2, high + 1)))
        self.assertEqual(numbers(after=low + 2), list(range(low + 3, high + 1)))
        self.assertEqual(numbers(end=low + 2), list(range(low, low + 3)))
        self.assertEqual(numbers(before=low + 2), list(range(low, low + 2)))
        self.assertEqual(numbers(start=low + 3, end=low + 3), [low + 3])
        self.assertEqual(numbers(start=low + 3, before=low + 4), [low + 3])
        self.assertEqual(numbers(after=low + 3, before=low + 4), [])
        self.assertEqual(numbers(start=low + 3, before=low + 3), [])
        self.assertEqual(numbers(after=low + 3, end=low + 3), [])
        self.assertEqual(numbers(after=2**64 - 1), [])
        self.assertEqual(numbers(start=high + 1), [])
        self.assertEqual(numbers(start=0, end=2**64 - 1), list(range(low, high + 1)))

    def test_read_keeps_to_its_limits(self):
        region = self.fresh_region()
        self.client.append(region, 1, [b"12345678"] * 10)

        def count(**limits):
            return len(self.client.read(region, 1, **limits).records)

        self.assertEqual(count(max_records=3), 3)
        self.assertEqual(count(max_records=100), 10)
        self.assertEqual(count(max_bytes=1), 1)
        self.assertEqual(count(max_bytes=8), 1)
        self.assertEqual(count(max_bytes=9), 2)
        self.assertEqual(count(max_bytes=16), 2)
        self.assertEqual(count(max_records=5, max_bytes=17), 3)

    def test_read_of_a_table_that_was_never_written_is_empty_and_creates_nothing(self):
        region = self.fresh_region()
        result = self.client.read(region, 1)
        self.assertEqual(result.records, [])
        self.assertEqual(result.position.first_live_sequence, 1)
        self.assertEqual(result.position.next_sequence, 1)
        self.assertEqual(result.position.deleted_through, 0)
        recovery = self.client.recover(region)
        self.assertEqual((recovery.records, list(recovery.state.tables)), ([], []))
        self.assertEqual(self.client.mark_deleted(region, 1, 100), 0)
        self.assertEqual(self.client.next_sequence(region, 1), 1)
        self.assertFalse(self.daemon.region_folder(region).exists())
        self.assertNotIn(region, [r.region_id for r in self.client.list_regions()])

    def test_read_says_where_the_table_begins_and_ends(self):
        region = self.fresh_region()
        records = self.append_numbered(self.client, region, 1, 10)
        mark = records[3][0]
        self.client.mark_deleted(region, 1, mark)
        position = self.client.read(region, 1, start=1, skip_deleted=True).position
        self.assertEqual(position.first_live_sequence, records[4][0])
        self.assertEqual(position.next_sequence, records[-1][0] + 1)
        self.assertEqual(position.deleted_through, mark)

    def test_mark_deleted_is_inclusive_idempotent_and_clamped(self):
        region = self.fresh_region()
        records = self.append_numbered(self.client, region, 1, 10)
        self.assertEqual(self.client.mark_deleted(region, 1, records[4][0]), records[4][0])
        self.assertEqual(self.client.read(region, 1).records, records[5:])
        self.assertEqual(self.client.mark_deleted(region, 1, records[4][0]), records[4][0])
        self.assertEqual(self.client.mark_deleted(region, 1, records[1][0]), records[4][0])
        self.assertEqual(self.client.read(region, 1).records, records[5:])
        self.assertEqual(self.client.mark_deleted(region, 1, 2**64 - 1), records[-1][0])
        self.assertEqual(self.client.read(region, 1).records, [])
        self.assertEqual(self.client.next_sequence(region, 1), records[-1][0] + 1)
        again = self.client.append(region, 1, [b"after"])
        self.assertGreater(again.first_sequence, records[-1][0])

    def test_mark_deleted_of_one_table_leaves_the_others(self):
        region = self.fresh_region()
        self.append_numbered(self.client, region, 1, 5)
        others = self.append_numbered(self.client, region, 2, 5)
        self.client.mark_deleted(region, 1, 2**63)
        self.assertEqual(self.client.read(region, 2).records, others)

    def test_recover_returns_live_records_of_all_tables_in_append_order(self):
        region = self.fresh_region()
        expected = []
        for turn in range(20):
            table = turn % 3
            for sequence, payload in self.append_numbered(self.client, region, table, 4, f"t{turn}"):
                expected.append((table, sequence, payload))
        gone = [r for r in expected if r[0] == 1][10][1]
        self.client.mark_deleted(region, 1, gone)
        expected = [r for r in expected if not (r[0] == 1 and r[1] <= gone)]
        recovery = self.client.recover(region)
        self.assertEqual(recovery.records, expected)
        self.assertEqual(recovery.state.engine, "segment")
        self.assertEqual(recovery.state.record_order, wal_pb2.RECORD_ORDER_APPEND)
        self.assertEqual([t.table_id for t in recovery.state.tables], [0, 1, 2])
        for table in recovery.state.tables:
            own = [sequence for t, sequence, _ in expected if t == table.table_id]
            self.assertEqual(table.position.first_live_sequence, own[0])
            self.assertEqual(table.last_live_sequence, own[-1])
            self.assertEqual(table.position.next_sequence, own[-1] + 1)
        self.assertEqual(recovery.table_state(1).position.deleted_through, gone)

    def test_recover_of_one_table_returns_only_it(self):
        region = self.fresh_region()
        self.append_numbered(self.client, region, 1, 5)
        records = self.append_numbered(self.client, region, 2, 5)
        recovery = self.client.recover(region, table=2)
        self.assertEqual(recovery.of_table(2), records)
        self.assertEqual(recovery.summary.table_count, 1)
        self.assertEqual(recovery.summary.record_count, 5)

    def test_recover_of_one_table_from_a_number_on_leaves_out_what_lies_below(self):
        region = self.fresh_region()
        self.append_numbered(self.client, region, 1, 5)
        records = self.append_numbered(self.client, region, 2, 5)
        for first, left in ((records[2][0], 3), (records[4][0] + 1, 0), (2**63, 0), (0, 5)):
            recovery = self.client.recover(region, table=2, start_sequence=first)
            self.assertEqual(recovery.of_table(2), records[5 - left :])
            self.assertEqual(recovery.table_state(2).position.next_sequence, records[-1][0] + 1)
        with self.assert_refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", field="start_sequence"):
            self.client.recover(region, start_sequence=3)

    def test_recover_tells_of_a_table_that_has_only_its_mark(self):
        region = self.fresh_region()
        records = self.append_numbered(self.client, region, 1, 5)
        self.client.mark_deleted(region, 1, 2**63)
        state = self.client.recover(region).table_state(1)
        self.assertEqual(state.position.next_sequence, records[-1][0] + 1)
        self.assertEqual(state.position.deleted_through, records[-1][0])
        position = state.position
        self.assertEqual(position.first_live_sequence, position.next_sequence)
        self.assertEqual((position.durable_through, state.last_live_sequence), (records[-1][0], 0))


class AdminServiceTest(SharedDaemonTestCase):
    config = walden_daemon.small_segments()

    def test_list_namespaces_tells_engine_and_default(self):
        (namespace,) = self.client.list_namespaces()
        self.assertEqual(namespace.namespace_id, 1)
        self.assertEqual(namespace.name, "default")
        self.assertEqual(namespace.engine, "segment")
        self.assertTrue(namespace.is_default)

    def test_namespace_zero_is_the_default_one(self):
        region = self.fresh_region()
        self.client.append(region, 1, [b"x"], namespace=1)
        self.assertEqual([p for _, p in self.client.read(region, 1, namespace=0).records], [b"x"])

    def test_list_regions_is_ordered_and_tells_their_state(self):
        opened, closed = self.fresh_region(), self.fresh_region()
        self.client.append(closed, 1, [b"x"])
        self.client.append(opened, 1, [b"x"])
        self.client.close_region(closed)
        regions = self.client.list_regions()
        ids = [r.region_id for r in regions]
        self.assertEqual(ids, sorted(ids))
        states = {r.region_id: r.state for r in regions}
        self.assertEqual(states[opened], State.STATE_OPEN)
        self.assertEqual(states[closed], State.STATE_CLOSED)

    def test_describe_region_tells_segments_with_ranges_and_bytes(self):
        region = self.fresh_region()
        payload = bytes(100_000)
        for table in (1, 2) * 15:
            last = self.client.append(region, table, [payload])
        described = self.client.describe_region(region)
        self.assertEqual(described.info.state, State.STATE_OPEN)
        self.assertEqual(described.state.opening.outcome, Outcome.OUTCOME_CLEAN)
        segments = [s for s in described.segments if s.last_sequence]
        self.assertGreaterEqual(len(segments), 3)
        self.assertEqual(segments[0].first_sequence, 1)
        self.assertEqual(segments[-1].last_sequence, last.last_sequence)
        for before, after in zip(segments, segments[1:]):
            self.assertEqual(after.first_sequence, before.last_sequence + 1)
        for segment in described.segments:
            file = self.daemon.data / segment.file
            self.assertTrue(file.exists(), file)
            self.assertEqual(file.stat().st_size, segment.allocated_bytes)
            self.assertGreaterEqual(file.stat().st_blocks * 512, segment.allocated_bytes)
            self.assertLessEqual(segment.used_bytes, segment.allocated_bytes)
        for segment in segments:
            self.assertEqual([t.table_id for t in segment.tables], [1, 2])
        usage = described.info.usage
        self.assertGreaterEqual(usage.live_bytes, 30 * len(payload))
        self.assertGreaterEqual(usage.allocated_bytes, usage.live_bytes)

    def test_segments_that_emptied_are_gone_from_disk(self):
        region = self.fresh_region()
        payload = bytes(200_000)
        answers = [self.client.append(region, 1, [payload]) for _ in range(20)]
        before = self.client.describe_region(region)
        mark = answers[15].last_sequence
        emptied = {s.file for s in before.segments if 0 < s.last_sequence <= mark}
        self.assertGreaterEqual(len(emptied), 2)
        self.client.mark_deleted(region, 1, mark)
        after = self.client.describe_region(region)
        self.assertFalse(emptied & {s.file for s in after.segments})
        on_disk = {
            str(path.relative_to(self.daemon.data)) for path in self.daemon.segment_files(region)
        }
        self.assertEqual({s.file for s in after.segments}, on_disk)
        self.assertFalse(emptied & on_disk)
        self.assertLess(after.info.usage.live_bytes, before.info.usage.live_bytes)

    def test_next_sequence_of_a_table_is_what_compare_and_append_expects(self):
        region = self.fresh_region()
        self.append_numbered(self.client, region, 1, 3)
        self.append_numbered(self.client, region, 2, 3)
        self.assertEqual(self.client.next_sequence(region, 1), 4)
        self.client.append(region, 1, [b"x"], expected_next=4)

    def test_sync_region_succeeds_for_open_and_unknown_regions_alike(self):
        region = self.fresh_region()
        self.client.append(region, 1, [b"x"], durability=BUFFERED)
        self.client.sync_region(region)

    def test_a_closed_region_reopens_by_itself(self):
        region = self.fresh_region()
        records = self.append_numbered(self.client, region, 1, 5)
        self.assertTrue(self.client.close_region(region))
        self.assertFalse(self.client.close_region(region))
        self.assertEqual(self.client.read(region, 1).records, records)
        self.assertEqual(self.client.append(region, 1, [b"x"]).first_sequence, records[-1][0] + 1)

    def test_a_dropped_region_is_gone_with_its_sequence_numbers(self):
        region = self.fresh_region()
        self.append_numbered(self.client, region, 1, 5)
        self.assertTrue(self.client.drop_region(region))
        self.assertFalse(self.daemon.region_folder(region).exists())
        self.assertFalse(self.client.drop_region(region))
        self.assertEqual(self.client.read(region, 1).records, [])
        self.assertEqual(self.client.append(region, 1, [b"x"]).first_sequence, 1)

    def test_verify_reads_everything_and_finds_nothing_wrong(self):
        region = self.fresh_region()
        for _ in range(30):
            self.client.append(region, 1, [bytes(50_000)] * 2)
        summary, findings = self.client.verify(region)
        self.assertEqual(findings, [])
        self.assertEqual(summary.checked_record_count, 60)
        self.assertGreaterEqual(summary.checked_bytes, 60 * 50_000)

    def test_statistics_count_what_happened(self):
        region = self.fresh_region()
        before = self.client.statistics()
        self.client.append(region, 1, [b"12345"] * 4)
        with self.assertRaises(Exception):
            self.client.append(region, 1, [])
        self.client.read(region, 1)
        after = self.client.statistics()
        self.assertGreater(after.uptime.ToNanoseconds(), before.uptime.ToNanoseconds())
        self.assertGreaterEqual(after.open_region_count, 1)
        self.assertEqual(after.appended_batch_count - before.appended_batch_count, 1)
        self.assertEqual(after.appended_record_count - before.appended_record_count, 4)
        self.assertEqual(after.appended_payload_bytes - before.appended_payload_bytes, 20)
        self.assertEqual(after.refused_batch_count - before.refused_batch_count, 1)
        self.assertGreater(after.commit_count, before.commit_count)
        self.assertGreater(after.sync_count, before.sync_count)
        self.assertEqual(after.read_record_count - before.read_record_count, 4)
        self.assertEqual(after.read_payload_bytes - before.read_payload_bytes, 20)
        self.assertGreater(after.mailbox_limit_bytes, 0)
        self.assertGreater(after.reader_limit_bytes, 0)


class StandardServicesTest(SharedDaemonTestCase):
    SERVICES = ("walden.v1.WalService", "walden.v1.EntryService", "walden.v1.AdminService")
    VERSIONS = {
        "v1": (reflection_pb2, reflection_pb2_grpc),
        "v1alpha": (reflection_v1alpha_pb2, reflection_v1alpha_pb2_grpc),
    }

    def reflect(self, version, **request):
        messages, services = self.VERSIONS[version]
        stub = services.ServerReflectionStub(self.client.channel)
        requests = iter([messages.ServerReflectionRequest(**request)])
        (response,) = stub.ServerReflectionInfo(requests, timeout=10)
        return response

    def listed(self, version):
        response = self.reflect(version, list_services="")
        return [service.name for service in response.list_services_response.service]

    def described(self, version, service):
        """The service in a pool that has nothing but the files of the answer, as a client builds it."""
        response = self.reflect(version, file_containing_symbol=service)
        files = {}
        for encoded in response.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(encoded)
            files[file.name] = file
        pool = descriptor_pool.DescriptorPool()
        added = set()

        def add(name):
            if name in added:
                return
            added.add(name)
            for dependency in files[name].dependency:
                add(dependency)
            pool.Add(files[name])

        for name in files:
            add(name)
        return pool.FindServiceByName(service)

    def test_health_is_serving_for_the_daemon_and_each_service(self):
        for service in ("", *self.SERVICES):
            with self.subTest(service=service):
                self.assertEqual(
                    self.client.health_status(service), health_pb2.HealthCheckResponse.SERVING
                )

    def test_reflection_lists_every_service(self):
        standard = [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
        ]
        for version in self.VERSIONS:
            with self.subTest(version=version):
                self.assertEqual(sorted(self.listed(version)), sorted([*self.SERVICES, *standard]))

    def test_every_listed_service_is_described_as_the_proto_files_do(self):
        for version in self.VERSIONS:
            for service in self.listed(version):
                with self.subTest(version=version, service=service):
                    expected = descriptor_pb2.ServiceDescriptorProto()
                    descriptor_pool.Default().FindServiceByName(service).CopyToProto(expected)
                    described = descriptor_pb2.ServiceDescriptorProto()
                    self.described(version, service).CopyToProto(described)
                    self.assertEqual(described, expected)


if __name__ == "__main__":
    unittest.main()

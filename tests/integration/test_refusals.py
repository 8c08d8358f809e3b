"""Every refusal of proto/walden/v1/common.proto that a client can cause: code, reason, metadata."""

import unittest

import grpc

from walden_client import BUFFERED, WaldenError, append_request, error_from_rpc
from walden_entry_client import EntryClient
from walden_stubs import admin_pb2, wal_pb2
from walden_testcase import Code, SharedDaemonTestCase, WaldenTestCase

MAX_BATCH_BYTES = 256 * 1024
MAX_PAYLOAD_BYTES = 128 * 1024
MAX_BATCH_RECORDS = 1000
BUSY_MAILBOX_TRIES = 50


class InvalidArgumentTest(SharedDaemonTestCase):
    config = {
        "limits": {
            "max_batch_bytes": "256KiB",
            "max_payload_bytes": "128KiB",
            "max_batch_records": MAX_BATCH_RECORDS,
        }
    }

    def assert_nothing_was_stored(self, region):
        self.assertEqual(self.client.recover(region).records, [])
        self.assertEqual(self.client.append(region, 1, [b"x"]).first_sequence, 1)

    def test_an_append_without_payloads(self):
        region = self.fresh_region()
        with self.assert_refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", field="tables[0].payloads"):
            self.client.append(region, 1, [])
        with self.assert_refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", field="tables"):
            self.client.append_tables(region, [])
        self.assert_nothing_was_stored(region)

    def test_a_payload_over_the_limit_and_one_at_it(self):
        region = self.fresh_region()
        with self.assert_refused(
            Code.INVALID_ARGUMENT,
            "LIMIT_EXCEEDED",
            value=MAX_PAYLOAD_BYTES + 1,
            limit=MAX_PAYLOAD_BYTES,
        ):
            self.client.append(region, 1, [b"ok", bytes(MAX_PAYLOAD_BYTES + 1)])
        self.client.append(region, 1, [bytes(MAX_PAYLOAD_BYTES)])
        self.assertEqual(len(self.client.read(region, 1).records), 1)

    def test_a_batch_over_the_limit_and_one_at_it(self):
        region = self.fresh_region()
        third = bytes(MAX_BATCH_BYTES // 4)
        with self.assert_refused(
            Code.INVALID_ARGUMENT,
            "LIMIT_EXCEEDED",
            value=MAX_BATCH_BYTES + 1,
            limit=MAX_BATCH_BYTES,
        ):
            self.client.append(region, 1, [third] * 4 + [b"x"])
        self.client.append(region, 1, [third] * 4)
        self.assertEqual(len(self.client.read(region, 1).records), 4)

    def test_a_batch_of_too_many_records_and_one_of_the_most(self):
        region = self.fresh_region()
        with self.assert_refused(
            Code.INVALID_ARGUMENT,
            "LIMIT_EXCEEDED",
            value=MAX_BATCH_RECORDS + 1,
            limit=MAX_BATCH_RECORDS,
        ):
            self.client.append(region, 1, [b""] * (MAX_BATCH_RECORDS + 1))
        answer = self.client.append(region, 1, [b""] * MAX_BATCH_RECORDS)
        self.assertEqual(answer.last_sequence, MAX_BATCH_RECORDS)

    def test_reversed_bounds(self):
        region = self.fresh_region()
        self.append_numbered(self.client, region, 1, 10)
        reversed_bounds = [
            {"start": 6, "end": 5},
            {"start": 6, "before": 5},
            {"after": 6, "end": 5},
            {"after": 6, "before": 5},
            {"start": 6, "end": 0},
            {"start": 2**64 - 1, "end": 1},
        ]
        for bounds in reversed_bounds:
            with self.subTest(bounds=bounds):
                with self.assert_refused(Code.INVALID_ARGUMENT, "BOUNDS_REVERSED"):
                    self.client.read(region, 1, **bounds)

    def test_an_unknown_namespace_in_every_call(self):
        client = self.client
        calls = [
            lambda n: client.append(1, 1, [b"x"], namespace=n),
            lambda n: client.read(1, 1, namespace=n),
            lambda n: client.mark_deleted(1, 1, 1, namespace=n),
            lambda n: client.fence_region(1, 1, namespace=n),
            lambda n: client.open_producer(1, namespace=n),
            lambda n: client.recover(1, namespace=n),
            lambda n: client.list_regions(namespace=n),
            lambda n: client.describe_region(1, namespace=n),
            lambda n: client.next_sequence(1, 1, namespace=n),
            lambda n: client.sync_region(1, namespace=n),
            lambda n: client.close_region(1, namespace=n),
            lambda n: client.drop_region(1, namespace=n),
            lambda n: client.verify(1, namespace=n),
        ]
        for number in (2, 255, 256, 257, 2**32 - 1):
            for call in calls:
                with self.subTest(namespace=number, call=calls.index(call)):
                    with self.assert_refused(
                        Code.INVALID_ARGUMENT, "UNKNOWN_NAMESPACE", value=number
                    ):
                        call(number)

    def test_a_durability_that_does_not_exist(self):
        request = append_request(self.fresh_region(), 1, [b"x"])
        request.durability = 17
        with self.assert_refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", field="durability"):
            self.client.call(self.client.wal.Append, request)

    def test_a_producer_without_id_or_sequence(self):
        region = self.fresh_region()
        for producer in ((0, 1), (1, 0), (0, 0)):
            with self.subTest(producer=producer):
                with self.assert_refused(Code.INVALID_ARGUMENT, "INVALID_FIELD"):
                    self.client.append(region, 1, [b"x"], producer=producer)
        self.assert_nothing_was_stored(region)

    def test_a_drop_that_does_not_repeat_the_region(self):
        region = self.fresh_region()
        self.client.append(region, 1, [b"x"])
        with self.assert_refused(
            Code.INVALID_ARGUMENT, "INVALID_FIELD", field="confirm_region_id"
        ):
            self.client.drop_region(region, confirm=region + 1)
        self.assertEqual(len(self.client.read(region, 1).records), 1)

    def test_a_drop_with_a_field_forgotten(self):
        self.client.append(0, 1, [b"x"])
        complete = {"namespace_id": 1, "region_id": 0, "confirm_region_id": 0}
        for field in ("namespace_id", "confirm_region_id"):
            fields = {name: value for name, value in complete.items() if name != field}
            with self.subTest(field):
                with self.assert_refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", field=field):
                    self.drop(**fields)
                self.assertEqual(len(self.client.read(0, 1).records), 1)
        self.assertTrue(self.drop(**complete))

    def drop(self, **fields):
        request = admin_pb2.DropRegionRequest(**fields)
        return self.client.call(self.client.admin.DropRegion, request).existed

    def test_a_region_version_of_0(self):
        region = self.fresh_region()
        entries = EntryClient(self.client)
        producer = self.client.open_producer(region)
        calls = {
            "Append": lambda: self.client.append(region, 1, [b"x"], region_version=0),
            "pass over": lambda: self.client.append_tables(
                region, [], region_version=0, producer=(producer, 1)
            ),
            "OpenProducer": lambda: self.client.open_producer(region, region_version=0),
            "MarkDeleted": lambda: self.client.mark_deleted(region, 1, 1, region_version=0),
            "FenceRegion": lambda: self.client.fence_region(region, 0),
            "Put": lambda: entries.put(region, 2, [(b"k", b"v")], region_version=0),
            "Flush": lambda: entries.flush(region, 2, region_version=0),
            "Finalize": lambda: entries.finalize(region, 2, 1, region_version=0),
        }
        for name, call in calls.items():
            with self.subTest(name):
                with self.assert_refused(
                    Code.INVALID_ARGUMENT, "INVALID_FIELD", field="region_version", value=0
                ):
                    call()
        self.assertEqual(self.client.recover(region).records, [])

    def test_a_refusal_in_a_stream_is_the_unary_one_and_the_stream_lives_on(self):
        region = self.fresh_region()
        refused = [
            append_request(region, 1, []),
            append_request(region, 1, [bytes(MAX_PAYLOAD_BYTES + 1)]),
            append_request(region, 1, [b"x"], namespace=9),
            append_request(region, 1, [b"x"], expected_next=77),
        ]
        stream = self.client.append_stream()
        ids = [stream.send(request) for request in refused]
        without_append = stream.send(None)
        good = stream.send(append_request(region, 1, [b"good"]))
        stream.half_close()
        answers = dict(stream.answers())
        self.assertEqual(set(answers), {*ids, without_append, good})
        for request_id, request in zip(ids, refused):
            answer = answers[request_id]
            with self.assertRaises(WaldenError) as unary:
                self.client.call(self.client.wal.Append, request)
            self.assertIsInstance(answer, WaldenError)
            # The good append came in between, so the actual next sequence may differ.
            self.assertEqual(
                (answer.code, answer.reason, set(answer.metadata)),
                (unary.exception.code, unary.exception.reason, set(unary.exception.metadata)),
            )
        self.check_refusal(
            answers[without_append], Code.INVALID_ARGUMENT, "INVALID_FIELD", field="append"
        )
        self.assertEqual(answers[good].first_sequence, 1)

    def test_messages_name_the_value_and_the_limit(self):
        with self.assertRaises(WaldenError) as caught:
            self.client.append(self.fresh_region(), 1, [bytes(MAX_PAYLOAD_BYTES + 1)])
        self.assertIn(str(MAX_PAYLOAD_BYTES + 1), caught.exception.message)
        self.assertIn(str(MAX_PAYLOAD_BYTES), caught.exception.message)


class NotFoundTest(SharedDaemonTestCase):
    def test_describing_a_region_that_was_never_written(self):
        with self.assertRaises(WaldenError) as caught:
            self.client.describe_region(self.fresh_region())
        self.check_refusal(caught.exception, Code.NOT_FOUND, "REGION_NOT_FOUND", field="region_id")

    def test_a_method_that_does_not_exist_is_unimplemented(self):
        method = self.client.channel.unary_unary("/walden.v1.WalService/Truncate")
        with self.assertRaises(grpc.RpcError) as caught:
            method(b"", timeout=10)
        self.assertEqual(caught.exception.code(), Code.UNIMPLEMENTED)

    def test_bytes_that_are_no_message_are_refused(self):
        for method in ("Append", "MarkDeleted"):
            call = self.client.channel.unary_unary(f"/walden.v1.WalService/{method}")
            with self.assertRaises(grpc.RpcError):
                call(b"\xff\xff\xff\xff\xff", timeout=10)
        self.client.append(self.fresh_region(), 1, [b"x"])


class ConditionTest(SharedDaemonTestCase):
    def test_an_expected_sequence_that_differs(self):
        region = self.fresh_region()
        for wrong in (0, 2, 2**64 - 1):
            with self.assert_refused(
                Code.ABORTED, "SEQUENCE_MISMATCH", actual_next_sequence=1
            ):
                self.client.append(region, 1, [b"x"], expected_next=wrong)
        self.client.append(region, 1, [b"x"] * 3, expected_next=1)
        with self.assert_refused(Code.ABORTED, "SEQUENCE_MISMATCH", actual_next_sequence=4):
            self.client.append(region, 1, [b"x"], expected_next=1)
        self.assertEqual(len(self.client.read(region, 1).records), 3)

    def test_a_region_version_that_is_too_old(self):
        region = self.fresh_region()
        self.client.append(region, 1, [b"a"], region_version=7)
        self.client.append(region, 1, [b"b"], region_version=7)
        with self.assert_refused(
            Code.FAILED_PRECONDITION, "FENCED", highest_region_version=7
        ):
            self.client.append(region, 1, [b"zombie"], region_version=6)
        with self.assert_refused(
            Code.FAILED_PRECONDITION, "FENCED", highest_region_version=7
        ):
            self.client.mark_deleted(region, 1, 1, region_version=6)
        self.assertEqual([p for _, p in self.client.read(region, 1).records], [b"a", b"b"])
        self.assertEqual(self.client.recover(region).state.region_version, 7)

    def test_a_retry_that_is_another_batch(self):
        region = self.fresh_region()
        producer = self.client.open_producer(region)
        self.client.append(region, 1, [b"a", b"b"], producer=(producer, 1))
        others = ([(1, [b"a"])], [(2, [b"a", b"b"])], [(1, [b"a"]), (2, [b"b"])], [])
        for tables in others:
            with self.subTest(tables):
                with self.assert_refused(
                    Code.INVALID_ARGUMENT, "PRODUCER_BATCH_DIFFERS", producer_sequence=1
                ):
                    self.client.append_tables(region, tables, producer=(producer, 1))
        self.assertEqual(len(self.client.recover(region).records), 2)

    def test_a_retry_that_is_too_old_is_never_appended_twice(self):
        region = self.fresh_region()
        producer = self.client.open_producer(region)
        for sequence in range(1, 200):
            self.client.append(region, 1, [b"x"], producer=(producer, sequence))
        with self.assert_refused(Code.FAILED_PRECONDITION, "PRODUCER_FORGOTTEN"):
            self.client.append(region, 1, [b"x"], producer=(producer, 1))
        self.assertEqual(len(self.client.read(region, 1).records), 199)
        recent = self.client.append(region, 1, [b"x"], producer=(producer, 199 - 127))
        self.assertTrue(recent.duplicate)
        self.assertEqual(recent.first_sequence, 199 - 127)


class RegionLimitTest(WaldenTestCase):
    def setUp(self):
        self.daemon = self.new_daemon({"limits": {"max_open_regions": 4}})
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def test_idle_regions_are_closed_for_those_that_are_wanted(self):
        for turn in range(1, 4):
            for region in range(1, 11):
                self.client.append(region, 1, [b"of turn %d" % turn])
        self.assertEqual(self.daemon.metrics()['walden_regions{namespace="default",state="open"}'], 4)
        for region in range(1, 11):
            self.assertEqual(len(self.client.read(region, 1).records), 3)

    def test_regions_that_are_followed_are_not_closed_and_more_are_refused(self):
        followers = []
        for region in range(1, 5):
            self.client.append(region, 1, [b"x"])
            followers.append(self.client.open_read(region, 1, follow=True))
            next(iter(followers[-1]))
        with self.assert_refused(Code.RESOURCE_EXHAUSTED, "TOO_MANY_REGIONS", limit=4):
            self.client.append(5, 1, [b"x"])
        self.client.append(1, 1, [b"y"])
        followers[1].cancel()

        def is_served():
            try:
                return self.client.append(5, 1, [b"x"])
            except WaldenError:
                return None

        self.eventually(is_served, "the region that nobody follows any more makes room")
        for follower in followers:
            follower.cancel()


class SmallSegmentsTest(WaldenTestCase):
    """A namespace whose segments are smaller than limits.max_batch_bytes."""

    def setUp(self):
        super().setUp()
        self.daemon = self.new_daemon(
            {
                "default_namespace": "large",
                "namespaces": [
                    {"id": 1, "name": "large"},
                    {"id": 2, "name": "small", "segment_size": "1MiB"},
                ],
            }
        )
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def test_a_batch_that_no_segment_holds_leaves_nothing_behind(self):
        with self.assert_refused(Code.INVALID_ARGUMENT, "LIMIT_EXCEEDED", field="payloads"):
            self.client.append(7, 1, [bytes(2_000_000)], namespace=2)
        self.assertEqual(list(self.client.list_regions(namespace=2)), [])
        self.assertFalse((self.daemon.data / "small" / "7").exists())

    def test_a_stream_goes_on_behind_a_batch_that_no_segment_holds(self):
        stream = self.client.append_stream()
        sizes = [10, 2_000_000, 900_000, 2_000_000, 20]
        for size in sizes:
            stream.send(append_request(7, 1, [bytes(size)], namespace=2))
        stream.half_close()
        answers = [answer for _, answer in stream.answers()]
        for size, answer in zip(sizes, answers, strict=True):
            if size > 1 << 20:
                self.check_refusal(answer, Code.INVALID_ARGUMENT, "LIMIT_EXCEEDED")
            else:
                self.assertNotIsInstance(answer, WaldenError)
        kept = [bytes(size) for size in sizes if size < 1 << 20]
        self.daemon.kill()
        self.daemon.start()
        read = self.new_client(self.daemon).read(7, 1, namespace=2).records
        self.assertEqual([payload for _, payload in read], kept)


class MailboxTest(WaldenTestCase):
    def test_a_full_mailbox_refuses_appends_and_recovers_by_itself(self):
        daemon = self.new_daemon(
            {
                "limits": {
                    "max_batch_bytes": "1MiB",
                    "max_payload_bytes": "1MiB",
                    "mailbox_bytes": "1MiB",
                    "stream_in_flight_bytes": "1MiB",
                }
            }
        )
        daemon.start()
        client = self.new_client(daemon)
        client.append(1, 1, [b"first"])
        request = append_request(1, 1, [bytes(900_000)])
        refusals, stored = [], 1
        for _ in range(BUSY_MAILBOX_TRIES):
            calls = [client.wal.Append.future(request, timeout=60) for _ in range(32)]
            for call in calls:
                try:
                    call.result()
                    stored += 1
                except grpc.RpcError as error:
                    refusals.append(error_from_rpc(error))
            if refusals:
                break
        self.assertTrue(refusals, "the mailbox was never full")
        for refusal in refusals:
            self.check_refusal(refusal, Code.RESOURCE_EXHAUSTED, "MAILBOX_FULL")
        self.assertEqual(len(client.read(1, 1).records), stored)
        client.append(1, 1, [bytes(900_000)])
        self.assertEqual(client.mark_deleted(1, 1, 1), 1)
        self.assertEqual(client.statistics().mailbox_bytes, 0)


    def test_streams_are_slowed_at_a_full_mailbox_and_nothing_of_them_is_refused(self):
        daemon = self.new_daemon(
            {
                "limits": {
                    "max_batch_bytes": "1MiB",
                    "max_payload_bytes": "1MiB",
                    "mailbox_bytes": "1MiB",
                }
            }
        )
        daemon.start()
        client = self.new_client(daemon)
        streams = [client.append_stream() for _ in range(12)]
        for table, stream in enumerate(streams):
            producer = client.open_producer(1)
            for sequence in range(1, 13):
                stream.send(
                    append_request(
                        1, table, [bytes(400_000)], durability=BUFFERED,
                        producer=(producer, sequence),
                    )
                )
            stream.half_close()
        for table, stream in enumerate(streams):
            answers = [answer for _, answer in stream.answers()]
            self.assertEqual([a for a in answers if isinstance(a, WaldenError)], [])
            self.assertEqual(len(answers), 12)
        self.eventually(lambda: client.statistics().mailbox_bytes == 0, "an empty mailbox")


class ReaderBudgetTest(WaldenTestCase):
    def test_readers_that_hold_all_bytes_make_others_wait_and_then_be_refused(self):
        daemon = self.new_daemon(
            {
                "limits": {
                    "reader_bytes": "1MiB",
                    "read_chunk_bytes": "256KiB",
                    "reader_wait": "200ms",
                }
            }
        )
        daemon.start()
        client = self.new_client(daemon)
        for _ in range(16):
            client.append(1, 1, [bytes(1 << 14)] * 64)
        idle = [
            # A channel each: one connection's flow control must not stand in for the budget.
            self.new_client(daemon, options=[("grpc.http2.bdp_probe", 0)])
            for _ in range(8)
        ]
        calls = [c.wal.Read(wal_pb2.ReadRequest(region_id=1, table_id=1)) for c in idle]
        self.eventually(
            lambda: client.statistics().reader_bytes >= 512 * 1024, "idle readers hold the budget"
        )
        with self.assert_refused(Code.RESOURCE_EXHAUSTED, "READER_BUDGET_FULL"):
            for _ in range(20):
                client.read(1, 1)
        self.assertEqual(client.append(1, 2, [b"appends go on"]).durable, True)
        self.assertLessEqual(
            client.statistics().reader_bytes, client.statistics().reader_limit_bytes
        )
        for call in calls:
            call.cancel()
        self.eventually(lambda: client.statistics().open_reader_count == 0, "cancelled readers go")
        self.assertEqual(len(client.read(1, 1).records), 16 * 64)
        self.assertEqual(client.statistics().reader_bytes, 0)


if __name__ == "__main__":
    unittest.main()

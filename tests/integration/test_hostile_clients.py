"""Clients that do what no client should. The daemon serves the others, stays small, and stops cleanly."""

import itertools
import os
import random
import resource
import socket
import subprocess
import sys
import threading
import time
import unittest

import grpc

from walden_client import BUFFERED, SYNC, WaldenError, append_request, error_from_rpc
from walden_daemon import free_tcp_port, small_segments
from walden_stubs import wal_pb2
from walden_testcase import Code, WaldenTestCase

# Generous: two budgets of 64 MiB and everything else.
MAX_RESIDENT_BYTES = 512 << 20


def field(number, content):
    """A field of bytes, as protobuf encodes it. `number` is at most 15."""
    length = len(content)
    encoded = bytes([number << 3 | 2])
    while length > 127:
        encoded += bytes([length & 127 | 128])
        length >>= 7
    return encoded + bytes([length]) + content


class HostileTestCase(WaldenTestCase):
    """A daemon per test, which must come out of it sound."""

    config = {}

    def setUp(self):
        self.tcp_port = free_tcp_port()
        self.daemon = self.new_daemon()
        self.daemon.configure(
            {
                "listen": [self.daemon.address, f"127.0.0.1:{self.tcp_port}"],
                **self.config,
            }
        )
        self.daemon.start()
        self.client = self.new_client(self.daemon)
        self.client.append(1, 1, [b"the first record"])
        self.peak_bytes = 0

    def note_memory(self):
        self.peak_bytes = max(self.peak_bytes, self.daemon.resident_bytes())

    def assert_sound(self):
        """Serves, forgot the hostile clients, stayed small, stops with code 0, kept its records."""
        self.note_memory()
        self.assertLess(self.peak_bytes, MAX_RESIDENT_BYTES)
        with self.daemon.client() as client:
            self.assertEqual(client.read(1, 1).records[0], (1, b"the first record"))
            answer = client.append(1, 1, [b"the last record"])

            def idle():
                statistics = client.statistics()
                return (statistics.open_reader_count, statistics.mailbox_bytes) == (0, 0)

            self.eventually(idle, "no reader and no append is left over")
            self.assertEqual(client.statistics().reader_bytes, 0)
        self.client.close()
        self.daemon.terminate()
        self.daemon.start()
        with self.daemon.client() as client:
            records = client.read(1, 1).records
            self.assertEqual(records[-1], (answer.first_sequence, b"the last record"))
        self.daemon.terminate()

    def assert_others_proceed(self, seconds=20):
        """Appends and reads of an ordinary client, each answered in reasonable time."""
        with self.daemon.client(timeout=seconds) as client:
            for i in range(50):
                answer = client.append(2, 1, [b"ordinary %d" % i])
            records = client.read(2, 1, start=answer.first_sequence).records
            self.assertEqual(records, [(answer.first_sequence, b"ordinary 49")])
        self.note_memory()


class BadRequestsTest(HostileTestCase):
    def test_oversized_messages_are_refused_and_memory_stays_bounded(self):
        huge = append_request(3, 1, [bytes(100 << 20)])
        for _ in range(5):
            with self.assertRaises(grpc.RpcError) as caught:
                self.client.wal.Append(huge, timeout=60)
            self.assertIn(caught.exception.code(), (Code.RESOURCE_EXHAUSTED, Code.INVALID_ARGUMENT))
            stream = self.client.append_stream()
            stream.send(huge)
            stream.half_close()
            try:
                answers = list(stream.answers())
                self.assertIsInstance(answers[0][1], WaldenError)
            except WaldenError as error:
                self.assertEqual(error.code, Code.RESOURCE_EXHAUSTED)
            self.note_memory()
        self.assertEqual(self.client.recover(3).records, [])
        self.assert_others_proceed()
        self.assert_sound()

    def test_messages_of_a_million_empty_parts_are_refused(self):
        channel = self.client.channel
        unary = {
            "WalService/Append": b"\x1a\x00",  # tables
            "WalService/MarkDeleted": b"\x1a\x00",  # marks
            "EntryService/Put": b"\x22\x00",  # entries
            "EntryService/Get": b"\x22\x00",  # keys
        }
        for method, part in unary.items():
            with self.assertRaises(grpc.RpcError) as caught:
                channel.unary_unary(f"/walden.v1.{method}")(part * 1_000_000, timeout=60)
            self.assertEqual(error_from_rpc(caught.exception).code, Code.INVALID_ARGUMENT)
            self.note_memory()
        for method in ("WalService/AppendStream", "EntryService/PutStream"):
            stream = channel.stream_stream(f"/walden.v1.{method}")
            with self.assertRaises(grpc.RpcError) as caught:
                list(stream(iter([b"\x0a\x00" * 1_000_000]), timeout=60))
            refusal = error_from_rpc(caught.exception)
            self.check_refusal(refusal, Code.INVALID_ARGUMENT, "LIMIT_EXCEEDED")
            self.note_memory()
        self.assert_others_proceed()
        self.assert_sound()

    def test_appends_of_millions_of_empty_parts_take_no_memory_of_their_own(self):
        parts = 8_000_000
        table = wal_pb2.TableAppend(table_id=1).SerializeToString() + b"\x12\x00" * parts
        request = wal_pb2.AppendRequest(region_id=3).SerializeToString() + field(3, table)
        unknown = b"\x7a\x00" * parts
        before = self.daemon.resident_bytes()
        for method, message in (
            ("WalService/Append", request),
            ("WalService/Append", unknown),
            ("EntryService/Put", b"\x22\x00" * parts),
            ("WalService/AppendStream", field(1, field(2, request))),
            ("WalService/AppendStream", b"\x0a\x02\x12\x00" * (parts // 2)),
            ("WalService/AppendStream", unknown),
            ("EntryService/PutStream", b"\x0a\x02\x12\x00" * (parts // 2)),
        ):
            with self.subTest(method, message=message[:20]):
                call = self.client.channel.stream_stream(f"/walden.v1.{method}")
                with self.assertRaises(grpc.RpcError) as caught:
                    list(call(iter([message]), timeout=60))
                refusal = error_from_rpc(caught.exception)
                self.check_refusal(refusal, Code.INVALID_ARGUMENT, "LIMIT_EXCEEDED")
        # One message on its way in, and what is parsed of it at most.
        self.assertLess(self.daemon.peak_resident_bytes() - before, 128 << 20)
        self.assert_others_proceed()
        self.assert_sound()

    def test_thousands_of_refused_batches_do_not_disturb_a_stream(self):
        stream = self.client.append_stream()
        kinds = (
            append_request(3, 1, []),
            append_request(3, 1, [b"x"], namespace=77),
            append_request(3, 1, [b"x"], expected_next=10**15),
            append_request(3, 1, [b"x"], producer=(0, 0)),
            append_request(3, 1, [b"good"], durability=BUFFERED),
        )
        for i in range(5000):
            stream.send(kinds[i % len(kinds)])
        stream.half_close()
        answers = [answer for _, answer in stream.answers()]
        self.assertEqual(len(answers), 5000)
        good = [a for a in answers if not isinstance(a, WaldenError)]
        first = good[0].first_sequence
        self.assertEqual([a.first_sequence for a in good], list(range(first, first + 1000)))
        self.assert_sound()

    def test_hundreds_of_reversed_bounds_and_empty_batches(self):
        for _ in range(300):
            with self.assertRaises(WaldenError):
                self.client.read(1, 1, start=9, end=3)
            with self.assertRaises(WaldenError):
                self.client.append(1, 1, [])
        self.assert_sound()

    def test_messages_of_random_bytes_are_refused(self):
        rng = random.Random(5)
        methods = [
            self.client.channel.unary_unary("/walden.v1.WalService/Append"),
            self.client.channel.unary_unary("/walden.v1.AdminService/DropRegion"),
            self.client.channel.unary_unary("/walden.v1.WalService/MarkDeleted"),
        ]
        for _ in range(300):
            garbage = bytes([0xFF]) + rng.randbytes(rng.randrange(200))
            for method in methods:
                with self.assertRaises(grpc.RpcError):
                    method(garbage, timeout=20)
        self.assert_sound()


class CancelledStreamsTest(HostileTestCase):
    config = small_segments()

    def setUp(self):
        super().setUp()
        for _ in range(40):
            self.client.append(3, 1, [bytes(10_000)] * 20)

    def test_hundreds_of_reads_cancelled_mid_way(self):
        rng = random.Random(6)
        for i in range(300):
            call = self.client.wal.Read(wal_pb2.ReadRequest(region_id=3, table_id=1, follow=i % 2))
            for _ in itertools.islice(call, rng.randrange(4)):
                pass
            call.cancel()
        self.assert_others_proceed()
        self.assert_sound()

    def test_hundreds_of_recoveries_cancelled_mid_way(self):
        rng = random.Random(7)
        for _ in range(300):
            call = self.client.wal.Recover(wal_pb2.RecoverRequest(region_id=3))
            for _ in itertools.islice(call, rng.randrange(4)):
                pass
            call.cancel()
        self.assert_others_proceed()
        self.assert_sound()

    def test_hundreds_of_append_streams_cancelled_mid_way_store_a_prefix_of_whole_batches(self):
        rng = random.Random(8)
        for table in range(300):
            stream = self.client.append_stream()
            for number in range(10):
                stream.send(append_request(4, table, [b"%d/%d" % (number, i) for i in range(3)]))
            for _ in itertools.islice(stream.answers(), rng.randrange(5)):
                pass
            stream.cancel()
        self.assert_others_proceed()
        recovery = self.client.recover(4)
        for table in range(300):
            payloads = [payload for _, payload in recovery.of_table(table)]
            whole = [b"%d/%d" % (n, i) for n in range(10) for i in range(3)]
            self.assertEqual(payloads, whole[: len(payloads)])
            self.assertEqual(len(payloads) % 3, 0)
        self.assert_sound()

    def test_unary_appends_cancelled_at_once_are_whole_or_absent(self):
        calls = []
        for i in range(1000):
            request = append_request(5, 1, [b"%d" % i] * 4, durability=SYNC)
            call = self.client.wal.Append.future(request)
            if i % 3:
                call.cancel()
            calls.append((i, call))
        kept = {i for i, call in calls if not call.cancelled() and call.exception() is None}
        self.assert_others_proceed()
        payloads = [int(payload) for _, payload in self.client.read(5, 1).records]
        self.assertEqual(payloads, [p for p in payloads[::4] for _ in range(4)])
        self.assertLessEqual(kept, set(payloads))
        self.assert_sound()


class HalfOpenConnectionsTest(HostileTestCase):
    PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    EMPTY_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"

    def connect(self, unix):
        if unix:
            peer = socket.socket(socket.AF_UNIX)
            peer.connect(str(self.daemon.socket))
        else:
            peer = socket.create_connection(("127.0.0.1", self.tcp_port))
        self.addCleanup(peer.close)
        return peer

    def assert_served_beside(self, first_bytes, count=200):
        peers = [self.connect(unix=i % 2 == 0) for i in range(count)]
        for peer in peers:
            if first_bytes:
                try:
                    peer.sendall(first_bytes)
                except OSError:
                    pass  # the daemon may hang up in the middle
        self.assert_others_proceed()
        for peer in peers:
            peer.close()
        self.assert_sound()

    def test_connections_that_say_nothing(self):
        self.assert_served_beside(b"")

    def test_half_a_preface(self):
        self.assert_served_beside(self.PREFACE[:11])

    def test_a_preface_and_then_nothing(self):
        self.assert_served_beside(self.PREFACE + self.EMPTY_SETTINGS)

    def test_a_frame_header_that_promises_more_than_comes(self):
        self.assert_served_beside(
            self.PREFACE + self.EMPTY_SETTINGS + b"\x00\x40\x00\x00\x00\x00\x00\x00\x01abc"
        )

    def test_another_protocol(self):
        self.assert_served_beside(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def test_garbage(self):
        self.assert_served_beside(random.Random(9).randbytes(5000))

    def test_silent_connections_do_not_hold_up_a_stop(self):
        peers = [self.connect(unix=i % 2 == 0) for i in range(50)]
        for peer in peers[:25]:
            peer.sendall(self.PREFACE + self.EMPTY_SETTINGS)
        end = self.daemon.terminate()
        self.assertLess(end.seconds, 20)


class SlowClientsTest(HostileTestCase):
    config = small_segments()

    def fill(self, region, mebibytes):
        for _ in range(mebibytes * 2):
            self.client.append(region, 1, [bytes(4096)] * 127, durability=BUFFERED)
        self.client.sync_region(region)

    def test_readers_that_never_read_hold_up_nobody(self):
        self.fill(3, 40)
        clients = [self.new_client(self.daemon) for _ in range(20)]
        calls = [c.wal.Read(wal_pb2.ReadRequest(region_id=3, table_id=1)) for c in clients]
        calls += [c.wal.Recover(wal_pb2.RecoverRequest(region_id=3)) for c in clients]
        time.sleep(0.5)
        self.assert_others_proceed()
        statistics = self.client.statistics()
        self.assertLessEqual(statistics.reader_bytes, statistics.reader_limit_bytes)
        for call in calls:
            call.cancel()
        self.assert_sound()

    def test_a_slow_reader_gets_everything_in_the_end(self):
        self.fill(3, 10)
        received = 0
        for response in self.client.wal.Read(wal_pb2.ReadRequest(region_id=3, table_id=1)):
            received += len(response.records)
            time.sleep(0.01)
        self.assertEqual(received, 10 * 2 * 127)
        self.assert_sound()

    def test_an_append_stream_that_never_reads_its_answers_is_held_back(self):
        sent = itertools.count()
        stop = threading.Event()
        append = append_request(3, 1, [b"x"] * 20, durability=BUFFERED)
        request = wal_pb2.AppendStreamRequest(appends=[{"append": append}])

        def requests():
            while not stop.is_set() and next(sent) < 300_000:
                yield request

        calls = [self.client.wal.AppendStream(requests()) for _ in range(3)]
        for _ in range(8):
            time.sleep(0.5)
            self.note_memory()
        self.assert_others_proceed()
        stop.set()
        for call in calls:
            call.cancel()
        self.assertEqual(len(self.client.read(3, 1).records) % 20, 0)
        self.assert_sound()

    def test_hundreds_of_followers_see_everything(self):
        tails = 300
        received = [0] * tails
        clients = [self.new_client(self.daemon) for _ in range(10)]
        calls = [
            clients[i % 10].wal.Read(wal_pb2.ReadRequest(region_id=3, table_id=1, follow=True))
            for i in range(tails)
        ]

        def tail(index):
            try:
                for response in calls[index]:
                    received[index] += len(response.records)
            except grpc.RpcError:
                pass  # cancelled below

        threads = [threading.Thread(target=tail, args=(i,)) for i in range(tails)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            self.client.append(3, 1, [b"seen by all"] * 5)
        self.eventually(lambda: min(received) == 100, "every follower has every record", timeout=60)
        self.assertEqual(max(received), 100)
        self.note_memory()
        for call in calls:
            call.cancel()
        for thread in threads:
            thread.join()
        self.assert_sound()


class ManyTablesAndRegionsTest(HostileTestCase):
    config = small_segments(spare_segments=0)

    def test_thousands_of_tables_in_one_region(self):
        tables = 5000
        stream = self.client.append_stream()
        for table in range(tables):
            stream.send(append_request(3, table * 7919, [b"%d" % table], durability=BUFFERED))
        stream.half_close()
        answers = list(stream.answers())
        self.assertEqual(len([a for _, a in answers if not isinstance(a, WaldenError)]), tables)
        self.daemon.restart()
        recovery = self.client.recover(3)
        self.assertEqual(len(recovery.state.tables), tables)
        self.assertEqual(
            [(t, p) for t, _, p in recovery.records],
            [(table * 7919, b"%d" % table) for table in range(tables)],
        )
        self.assertEqual([p for _, p in self.client.read(3, 4321 * 7919).records], [b"4321"])
        self.assert_sound()

    def test_a_thousand_regions(self):
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 4096:
            self.skipTest("this machine permits too few open files")
        self.daemon.terminate()
        # A limit that shells commonly begin with, and far too low: the daemon must raise it.
        self.daemon.wrapper = ["sh", "-c", 'ulimit -Sn 256 && exec "$0" "$@"']
        self.daemon.start()
        regions = range(100, 1100)
        stream = self.client.append_stream()
        for region in regions:
            stream.send(append_request(region, 1, [b"%d" % region]))
        stream.half_close()
        answers = [answer for _, answer in stream.answers()]
        refused = [a for a in answers if isinstance(a, WaldenError)]
        self.assertEqual(refused[:3], [])
        self.assertEqual(len(answers), len(regions))
        self.note_memory()
        self.daemon.crash_and_restart()
        with self.daemon.client() as client:
            listed = [r.region_id for r in client.list_regions() if r.region_id >= 100]
            self.assertEqual(listed, list(regions))
            for region in regions:
                payloads = [payload for _, payload in client.read(region, 1).records]
                self.assertEqual(payloads, [b"%d" % region])
        self.assert_sound()


# Appends batches of large records to table 1 of region 3 until somebody ends it. Each record says
# which batch it belongs to.
ENDLESS_CLIENT = """
import sys
from walden_client import Client, append_request
client = Client(sys.argv[1])
stream = client.append_stream()
answers = stream.answers()
for number in range(100000):
    stream.send(append_request(3, 1, [b"%d %d " % (number, i) + bytes(30000) for i in range(8)]))
    if number == 20:
        print("busy", flush=True)
    if number >= 20:
        next(answers)
"""


class KilledClientTest(HostileTestCase):
    config = small_segments()

    def test_a_client_killed_in_the_middle_leaves_whole_batches_only(self):
        rng = random.Random(11)
        environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
        for _ in range(5):
            with subprocess.Popen(
                [sys.executable, "-c", ENDLESS_CLIENT, self.daemon.address],
                stdout=subprocess.PIPE,
                env=environment,
            ) as process:
                self.assertEqual(process.stdout.readline(), b"busy\n")
                time.sleep(rng.uniform(0, 0.2))
                process.kill()
            self.assert_others_proceed()
            heads = [payload.split(b" ")[:2] for _, payload in self.client.read(3, 1).records]
            self.assertTrue(heads)
            self.assertEqual(len(heads) % 8, 0)
            for begin in range(0, len(heads), 8):
                batch = heads[begin : begin + 8]
                self.assertEqual([int(i) for _, i in batch], list(range(8)))
                self.assertEqual(len({number for number, _ in batch}), 1)
            self.client.mark_deleted(3, 1, 2**63)
        self.assert_sound()


if __name__ == "__main__":
    unittest.main()

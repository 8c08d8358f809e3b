"""Clients that misuse HTTP/2 below gRPC, before anybody recognised them or after: what they make the
daemon hold stays bounded, and others are served."""

import unittest

import grpc

from raw_http2 import RawHttp2, framed
from walden_client import append_request
from walden_daemon import small_segments
from walden_guarded import GuardedTestCase, identity, rule
from walden_stubs import wal_pb2
from walden_testcase import Code

MIB = 1 << 20


class HostileHttp2Test(GuardedTestCase):
    def start(self, **limits):
        daemon = self.new_daemon({**small_segments(), "limits": limits})
        daemon.start()
        return daemon

    def connect(self, daemon, **options):
        peer = RawHttp2(daemon.socket, **options)
        self.addCleanup(peer.close)
        return peer

    def assert_served(self, daemon, token=None):
        client = self.client_with(daemon, token, timeout=20)
        stored = client.append(1, 1, [b"an ordinary record"])
        self.assertEqual(
            client.read(1, 1, start=stored.first_sequence).records,
            [(stored.first_sequence, b"an ordinary record")])

    def test_a_compressed_message_is_refused_and_not_inflated(self):
        daemon = self.start()
        client = self.client_with(daemon)
        bomb = append_request(1, 1, [bytes(400 * MIB)])
        for algorithm in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            with self.assertRaises(grpc.RpcError) as refused:
                client.wal.Append(bomb, compression=algorithm, timeout=60)
            self.assertEqual(refused.exception.code(), Code.UNIMPLEMENTED)
        self.assertLess(daemon.peak_resident_bytes(), 200 * MIB)
        self.assert_served(daemon)

    def ping_while_following(self, daemon, interval, pings):
        """Whether a connection with an idle follower outlives that many pings."""
        self.client_with(daemon).append(1, 1, [b"x"])
        peer = self.connect(daemon)
        stream = peer.call("WalService/Read")
        request = wal_pb2.ReadRequest(region_id=1, table_id=1, follow=True)
        peer.connection.send_data(stream, framed(request.SerializeToString()), end_stream=True)
        for _ in range(pings):
            if not peer.closed:
                peer.ping()
                peer.pump(interval)
        return not peer.closed and stream not in peer.ended

    def test_a_client_may_ping_every_second(self):
        daemon = self.start()
        self.assertTrue(self.ping_while_following(daemon, interval=1.2, pings=6))

    def test_a_client_that_pings_more_often_than_is_configured_loses_its_connection(self):
        daemon = self.start(min_ping_interval="1m")
        self.assertFalse(self.ping_while_following(daemon, interval=0.1, pings=20))
        self.assert_served(daemon)

    def test_messages_that_never_end_fill_no_memory(self):
        token = self.token()
        daemon = self.guarded_daemon(
            [identity("app", [rule()], token)],
            config={**small_segments(), "limits": {"receive_bytes": "64MiB"}})
        sent = 0
        for _ in range(4):  # connections, none of which says who it is
            peer = self.connect(daemon)
            calls = [peer.call("WalService/Append") for _ in range(30)]
            sent += peer.send(calls, framed(bytes(16 * MIB))[:-1], seconds=3)
        self.assert_served(daemon, token)
        self.assertGreater(sent, 200 * MIB)
        self.assertLess(daemon.peak_resident_bytes(), 400 * MIB)

    def test_requests_whose_answers_are_not_taken_are_let_go(self):
        daemon = self.start()
        # Refused: nothing needs to be written for it.
        append = append_request(1, 1, [bytes(MIB - 100)], expected_next=10**15)
        request = wal_pb2.AppendStreamRequest(appends=[{"append": append}])
        message = framed(request.SerializeToString())
        peer = self.connect(daemon, takes_answers=False)
        streams = [peer.call("WalService/AppendStream") for _ in range(60)]
        # A stream is read until 8 MiB of it wait for their answers to go out.
        sent = peer.send(streams, 8 * message, seconds=60)
        self.assertEqual(sent, 60 * 8 * len(message))
        peer.pump(0.5)
        self.assertEqual(peer.ended, {})
        self.assertLess(daemon.resident_bytes(), 300 * MIB)
        self.assert_served(daemon)

    def test_answers_that_are_not_taken_fill_the_calls_of_nobody_else(self):
        daemon = self.start(max_calls=10)
        peer = self.connect(daemon, takes_answers=False)
        for _ in range(50):
            peer.send_empty_message(peer.call("AdminService/GetStatistics"))
        peer.pump(0.5)
        self.assertEqual(peer.ended, {})
        self.assert_served(daemon)

    def test_who_administers_nothing_has_the_limits_of_every_caller_there_too(self):
        app, outsider, operator = self.token(), self.token(), self.token()
        daemon = self.guarded_daemon(
            [identity("app", [rule()], app), identity("outsider", [], outsider),
             identity("operator", [rule(rights=["admin"])], operator)],
            config={**small_segments(), "limits": {"identity_calls": 4}})
        peer = self.connect(daemon, takes_answers=False)
        for _ in range(10):
            peer.send_empty_message(peer.call("AdminService/GetStatistics", outsider))
        peer.pump(1)
        self.assertEqual(len(peer.ended), 6)
        for trailers in peer.ended.values():
            self.assertEqual(trailers["grpc-status"], str(Code.RESOURCE_EXHAUSTED.value[0]))
        looking = self.connect(daemon, takes_answers=False)
        for _ in range(10):
            looking.send_empty_message(looking.call("AdminService/GetStatistics", operator))
        looking.pump(1)
        self.assertEqual(looking.ended, {})
        self.assert_served(daemon, app)


if __name__ == "__main__":
    unittest.main()

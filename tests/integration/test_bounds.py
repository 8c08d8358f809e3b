"""Quotas, connections, calls and what one identity may take: where each limit is, and that it lets go."""

import os
import resource
import socket
import threading
import time
import unittest


from walden_client import BUFFERED, Client, WaldenError, append_request
from walden_daemon import free_tcp_port, run_walden, small_rocksdb, small_segments
from walden_testcase import Code, WaldenTestCase

PAYLOAD = bytes(200_000)


def with_limits(config, **limits):
    return {**config, "limits": {**config.get("limits", {}), **limits}}


class QuotaTest(WaldenTestCase):
    def start(self, config):
        self.daemon = self.new_daemon(config)
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def fill(self, region, payload=PAYLOAD, most=1000):
        for _ in range(most):
            try:
                self.client.append(region, 1, [payload], durability=BUFFERED)
            except WaldenError as refusal:
                return refusal
        raise AssertionError("the quota was never reached")

    def allocated(self, region):
        return sum(file.stat().st_size for file in self.daemon.segment_files(region))

    def test_a_region_at_its_quota_is_refused_until_records_are_marked_deleted(self):
        self.start(small_segments(regions=[{"id": 1, "disk_quota": "4MiB"}]))
        refusal = self.fill(1)
        self.check_refusal(
            refusal, Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", limit=4 << 20, value=4 << 20
        )
        self.assertIn("region 1", refusal.metadata["quota"])
        self.assertGreater(refusal.retry_seconds, 0)
        self.assertEqual(self.allocated(1), 4 << 20)
        self.client.append(2, 1, [PAYLOAD])
        end = self.client.read(1, 1).records[-1][0]
        self.client.mark_deleted(1, 1, end - 1)
        answer = self.client.append(1, 1, [PAYLOAD])
        self.assertEqual(
            self.client.read(1, 1).records, [(end, PAYLOAD), (answer.first_sequence, PAYLOAD)]
        )

    def test_a_namespaces_quota_holds_for_all_its_regions_and_after_a_restart(self):
        self.start(small_segments(disk_quota="5MiB"))
        self.client.append(2, 1, [PAYLOAD])
        self.check_refusal(self.fill(1), Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
        with self.assert_refused(Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", quota="namespace default"):
            self.client.append(3, 1, [PAYLOAD])
        self.daemon.restart()
        self.client = self.new_client(self.daemon)
        with self.assert_refused(Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"):
            self.client.append(3, 1, [PAYLOAD])
        self.client.drop_region(1)
        self.client.append(3, 1, [PAYLOAD])

    def test_a_rocksdb_namespace_stops_at_its_quota_and_goes_on(self):
        self.start(small_rocksdb(disk_quota="8MiB"))
        refusal = self.fill(1, payload=os.urandom(200_000))
        self.check_refusal(refusal, Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", limit=8 << 20)
        records = self.client.read(1, 1).records
        self.client.mark_deleted(1, 1, records[-1][0])

        def appends():
            try:
                self.client.append(1, 1, [b"x"])
            except WaldenError as again:
                self.check_refusal(again, Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
                return False
            return True

        self.eventually(appends, "the space of what was deleted counts no more")

    def test_what_a_region_may_take_is_described(self):
        self.start(small_segments(disk_quota="64MiB", region_disk_quota="8MiB", retention_age="36h"))
        self.client.append(1, 1, [b"x"])
        description = self.client.describe_region(1)
        self.assertEqual(description.disk_quota_bytes, 8 << 20)
        self.assertEqual(description.namespace_disk_quota_bytes, 64 << 20)
        self.assertEqual(description.retention.max_age.ToSeconds(), 36 * 3600)
        text = run_walden("--address", self.daemon.address, "describe", "--region", "1").stdout.decode()
        self.assertIn("retention keeps of the last 36h", text)
        self.assertIn("disk quota 8", text)


class ConnectionTest(WaldenTestCase):
    def start(self, **limits):
        self.port = free_tcp_port()
        self.daemon = self.new_daemon()
        self.daemon.configure(
            {"listen": [self.daemon.address, f"127.0.0.1:{self.port}"], "limits": limits}
        )
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        self.addCleanup(connection.close)
        return connection

    @staticmethod
    def is_closed(connection):
        """gRPC's side greets at once; a connection that is turned away ends."""
        connection.settimeout(10)
        try:
            return connection.recv(64) == b""
        except ConnectionResetError:
            return True

    def test_connections_past_the_limit_are_closed_and_come_in_when_others_went(self):
        self.start(max_connections=8)
        self.client.append(1, 1, [b"x"])
        connections = [self.connect() for _ in range(20)]
        closed = [self.is_closed(connection) for connection in connections]
        self.assertIn(True, closed)
        self.assertLessEqual(closed.count(False), 8)
        self.client.append(1, 1, [b"a connection that is there goes on"])
        self.assertIn("connections refused", self.daemon.log_text())
        for connection in connections:
            connection.close()
        with Client(f"127.0.0.1:{self.port}", timeout=20) as client:
            self.eventually(lambda: self.appends(client), "there is room again")

    @staticmethod
    def appends(client):
        try:
            client.append(1, 1, [b"x"])
        except WaldenError as refusal:
            assert refusal.code == Code.UNAVAILABLE, refusal
            return False
        return True

    def test_refused_connections_do_not_fill_the_log(self):
        self.start(max_connections=2)
        for _ in range(300):
            self.connect().close()
        self.assertLessEqual(self.daemon.log_text().count("connections refused"), 3)

    def test_a_daemon_that_may_open_no_more_files_lives_and_serves_on(self):
        self.start(max_connections=0)
        self.client.append(1, 1, [b"x"])
        _, hard = resource.prlimit(self.daemon.process.pid, resource.RLIMIT_NOFILE)
        limit = self.daemon.open_files() + 10
        resource.prlimit(self.daemon.process.pid, resource.RLIMIT_NOFILE, (limit, hard))
        connections = [self.connect() for _ in range(50)]
        self.eventually(
            lambda: "Too many open files" in self.daemon.log_text(), "the log says what is wrong"
        )
        self.client.append(1, 1, [b"y"])
        for connection in connections:
            connection.close()
        resource.prlimit(self.daemon.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        with Client(f"127.0.0.1:{self.port}", timeout=20) as client:
            client.append(1, 1, [b"z"])
        self.daemon.terminate()

    def test_calls_past_the_limit_are_refused_but_not_those_of_whom_looks_after_it(self):
        self.start(max_calls=4)
        self.client.append(1, 1, [b"x"])
        followers = [self.client.open_read(1, 1, follow=True) for _ in range(4)]
        for follower in followers:
            next(iter(follower))
        with self.assert_refused(Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", limit=4):
            self.client.append(1, 1, [b"x"])
        self.assertEqual(self.client.describe_region(1).info.region_id, 1)
        for follower in followers:
            follower.cancel()

        def appends():
            try:
                self.client.append(1, 1, [b"x"])
            except WaldenError:
                return False
            return True

        self.eventually(appends, "calls that ended make room")

    def test_streams_of_one_connection_wait_for_each_other_at_the_limit(self):
        self.start(max_streams_per_connection=2)
        self.client.append(1, 1, [b"x"])
        followers = [self.client.open_read(1, 1, follow=True) for _ in range(2)]
        for follower in followers:
            next(iter(follower))
        waiting = self.client.wal.Append.future(append_request(1, 1, [b"waits"]), timeout=30)
        time.sleep(0.2)
        self.assertFalse(waiting.done())
        followers[0].cancel()
        self.assertEqual(waiting.result().tables[0].first_sequence, 2)
        followers[1].cancel()


class TenantTest(WaldenTestCase):
    """Callers who are not told apart are one identity."""

    def start(self, **limits):
        self.daemon = self.new_daemon({"limits": limits})
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def test_a_rate_refuses_unary_appends_and_says_when_to_come_back(self):
        self.start(identity_append_bytes_per_second="1MiB")
        began = time.monotonic()
        refused = stored = 0
        while time.monotonic() - began < 3:
            try:
                self.client.append(1, 1, [bytes(100_000)], durability=BUFFERED)
                stored += 100_000
            except WaldenError as refusal:
                self.check_refusal(
                    refusal,
                    Code.RESOURCE_EXHAUSTED,
                    "TENANT_LIMIT",
                    field="limits.identity_append_bytes_per_second",
                )
                refused += 1
                time.sleep(min(refusal.retry_seconds, 0.2))
        self.assertTrue(refused)
        elapsed = time.monotonic() - began
        self.assertLess(stored, (elapsed + 1.5) * (1 << 20))
        self.assertEqual(len(self.client.read(1, 1).records) * 100_000, stored)

    def test_a_rate_slows_a_stream_and_refuses_none_of_it(self):
        self.start(identity_append_bytes_per_second="1MiB", stream_in_flight_bytes="64KiB")
        began = time.monotonic()
        stream = self.client.append_stream()
        sender = threading.Thread(
            target=lambda: [
                stream.send(append_request(1, 1, [bytes(100_000)])) for _ in range(40)
            ]
            + [stream.half_close()]
        )
        sender.start()
        answers = list(stream.answers())
        sender.join()
        self.assertEqual(len(answers), 40)
        self.assertFalse([answer for _, answer in answers if isinstance(answer, WaldenError)])
        # 4 MB at 1 MiB/s, of which a burst of a second and the last one pass at once.
        self.assertGreater(time.monotonic() - began, 2.0)

    def test_bytes_in_flight_slow_a_stream_and_refuse_none_of_it(self):
        self.start(identity_in_flight_bytes="1MiB")
        stream = self.client.append_stream()
        batches = 200
        for _ in range(batches):
            stream.send(append_request(1, 1, [bytes(1000)] * 256))
        stream.half_close()
        answers = [answer for _, answer in stream.answers()]
        self.assertEqual([a for a in answers if isinstance(a, WaldenError)][:3], [])
        self.assertEqual(len(answers), batches)

    def test_calls_of_an_identity_are_limited_over_all_its_connections(self):
        self.start(identity_calls=3)
        self.client.append(1, 1, [b"x"])
        followers = [self.client.open_read(1, 1, follow=True) for _ in range(3)]
        for follower in followers:
            next(iter(follower))
        with self.daemon.client() as other:
            with self.assert_refused(
                Code.RESOURCE_EXHAUSTED, "TENANT_LIMIT", field="limits.identity_calls"
            ):
                other.append(1, 1, [b"x"])
        for follower in followers:
            follower.cancel()

    def test_the_client_waits_as_long_as_it_is_told(self):
        self.start(identity_append_bytes_per_second="1MiB")
        lines = b"\n".join(b"%0999d" % i for i in range(4000))
        began = time.monotonic()
        result = run_walden(
            "--address", self.daemon.address, "append", "--region", "1", "--table", "1", stdin=lines
        )
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        self.assertGreater(time.monotonic() - began, 1.5)
        self.assertEqual(len(self.client.read(1, 1).records), 4000)


if __name__ == "__main__":
    unittest.main()

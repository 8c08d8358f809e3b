"""The HTTP port: health and readiness over a daemon's life, and that metrics are what the page says."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import unittest
import urllib.request

from walden_certificates import Authority
from walden_client import BUFFERED, append_request
from walden_daemon import (
    ANY_PORT, find_bytes, flip_byte, run_waldend, small_segments, stopped)
from walden_testcase import SharedDaemonTestCase, WaldenTestCase

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/operators/metrics.md"

# One namespace on each engine, in small files.
BOTH_ENGINES = {
    "limits": {"max_batch_bytes": "512KiB", "max_payload_bytes": "512KiB"},
    "namespaces": [
        {"id": 1, "name": "default", "engine": "segment", "segment_size": "1MiB"},
        {"id": 2, "name": "rocks", "engine": "rocksdb", "rocksdb_write_buffer_size": "1MiB",
         "rocksdb_reclaim_size": "1MiB", "rocksdb_reserve_size": "1MiB"},
    ],
}


def connect(daemon):
    host, port = daemon.metrics_address().split(":")
    return socket.create_connection((host, int(port)), timeout=10)


class LifeTest(WaldenTestCase):
    def test_the_daemon_is_ready_while_regions_are_still_to_be_scanned(self):
        regions = range(1, 401)
        daemon = self.new_daemon(small_segments(spare_segments=0))
        daemon.start()
        with self.new_client(daemon) as client:
            for region in regions:
                client.append(region, 1, [b"x"], durability=BUFFERED)
        daemon.terminate()
        daemon.start(scanned=False)
        with self.new_client(daemon) as client:
            # Asked for before its turn, and served whether it was scanned or not.
            client.append(regions[-1], 1, [b"served"])
        status, _, text = daemon.http("/readyz")
        self.assertEqual(status, 200)
        self.assertRegex(text, r"^ready\n(\d+ regions are still to be scanned\n)?$")
        self.eventually(lambda: daemon.http("/readyz")[::2] == (200, "ready\n"), "all are scanned")
        metrics = daemon.metrics()
        self.assertEqual(metrics["walden_regions_to_scan"], 0)
        self.assertEqual(metrics['walden_regions{namespace="default",state="open"}'], len(regions))

    def test_a_draining_daemon_is_alive_and_not_ready(self):
        daemon = self.new_daemon({"shutdown": {"drain_timeout": "60s"}})
        daemon.start()
        client = self.new_client(daemon)
        for _ in range(20):
            client.append(1, 1, [bytes(1 << 20)])
        reader = client.open_read(1, 1)  # takes nothing of what it is sent
        self.assertEqual(daemon.http("/readyz")[0], 200)
        daemon.signal(signal.SIGTERM)
        self.eventually(lambda: daemon.http("/readyz")[0] == 503, "it says that it is not ready")
        self.assertEqual(daemon.http("/readyz")[2], "shutting down\n")
        self.assertEqual(daemon.http("/healthz")[0], 200)
        metrics = daemon.metrics()
        self.assertEqual(metrics["walden_ready"], 0)
        self.assertEqual(metrics['walden_open_calls{service="WalService",method="Read"}'], 1)
        address = daemon.metrics_address()
        reader.cancel()
        self.assertEqual(daemon.wait_exit().code, 0)
        host, port = address.split(":")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=10)

    def test_an_address_in_use_is_worked_around_until_it_is_free(self):
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            daemon = self.new_daemon({"metrics": {"listen": [f"127.0.0.1:{port}"]}})
            daemon.start()
            self.new_client(daemon).append(1, 1, [b"served all the same"])
            self.assertIn(f"cannot listen on 127.0.0.1:{port}: bind: Address already in use",
                          daemon.log_text())

        def is_served():
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz").status == 200

        self.eventually(is_served, "it is tried again")

    def test_the_start_up_line_tells_the_port(self):
        daemon = self.new_daemon()
        daemon.start()
        self.assertIn(f"metrics={daemon.metrics_address()}", daemon.log_text())

    def test_an_empty_list_turns_it_off(self):
        daemon = self.new_daemon({"metrics": {"listen": "[]"}})
        daemon.start()
        self.assertIsNone(daemon.metrics_address())
        self.assertIn("metrics=off", daemon.log_text())
        by_environment = self.new_daemon()
        by_environment.environment = {"WALDEN_METRICS_LISTEN": ""}
        by_environment.start()
        self.assertIsNone(by_environment.metrics_address())

    def test_a_unix_socket_is_refused_as_an_address(self):
        result = run_waldend(
            "--check-config", environment={"WALDEN_METRICS_LISTEN": f"{ANY_PORT},unix:/x"})
        self.assertEqual(result.returncode, 3)
        self.assertIn("is a unix socket, which HTTP is not served on", result.stderr.decode())


class HostileClientsTest(SharedDaemonTestCase):
    def test_silent_and_endless_clients_keep_no_probe_from_its_answer(self):
        before = self.daemon.open_files()
        silent = [connect(self.daemon) for _ in range(500)]
        for client in silent[::10]:
            client.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        stop = threading.Event()

        def send_without_end():
            while not stop.is_set():
                with connect(self.daemon) as client:
                    try:
                        for _ in range(64):
                            client.sendall(b"x" * (1 << 16))
                    except OSError:
                        pass  # as it should be

        threads = [threading.Thread(target=send_without_end) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                self.assertEqual(self.daemon.http("/healthz")[0], 200)
                self.assertEqual(self.daemon.http("/metrics")[0], 200)
            self.assertLess(self.daemon.open_files() - before, 100)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            for client in silent:
                client.close()
        self.client.append(self.fresh_region(), 1, [b"x"])

    def test_nothing_but_the_known_paths_is_served(self):
        for path in ("/../etc/passwd", "/metrics/", "/healthz/..", "/%2e%2e/", "/metrics%00"):
            self.assertEqual(self.daemon.http(path)[0], 404, path)


class PageTest(WaldenTestCase):
    def start_with_everything(self):
        """A daemon on both engines and with TLS (which its unix socket does not speak), under load."""
        daemon = self.new_daemon()
        issued = Authority().issue(dns=["localhost"])
        files = {"certificate_file": daemon.folder / "chain.pem", "key_file": daemon.folder / "key.pem"}
        files["certificate_file"].write_bytes(issued.certificate_pem)
        files["key_file"].write_bytes(issued.key_pem)
        daemon.configure({**BOTH_ENGINES, "security": {"tls": files}})
        daemon.start()
        self.load(daemon)
        return daemon

    def load(self, daemon):
        """Makes use of everything that metrics tell of."""
        client = self.new_client(daemon)
        for namespace in (1, 2):
            for _ in range(6):
                client.append(1, 1, [bytes(200_000)], namespace=namespace)
            client.append(1, 2, [b"x"], durability=BUFFERED, namespace=namespace)
            client.mark_deleted(1, 1, 4, namespace=namespace)
            client.read(1, 1, start=5, namespace=namespace)
        client.append(3, 1, [b"to be damaged " + bytes(1000)])
        client.append(3, 1, [b"behind it, or it could be a torn tail"])
        with stopped(daemon):
            (path,) = daemon.segment_files(3)
            flip_byte(path, find_bytes(path, b"to be damaged ") + 500)
        client = self.new_client(daemon)
        for namespace in (1, 2):
            client.append(1, 1, [b"x"], namespace=namespace)
        stream = client.append_stream()
        stream.send(append_request(1, 1, [b"streamed"]))
        stream.half_close()
        list(stream.answers())
        return client

    def test_every_metric_is_documented_and_every_documented_one_is_exposed(self):
        daemon = self.start_with_everything()
        _, headers, text = daemon.http("/metrics")
        self.assertTrue(headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        exposed = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*) \|", PAGE.read_text(), re.M)
        self.assertEqual(exposed, {name: kind for name, kind, _ in rows})
        labels = {name: set(filter(None, text.split(", "))) for name, _, text in rows}
        for name, inside in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", text, re.M):
            family = re.sub("_(bucket|sum|count)$", "", name)
            family = family if family in labels else name
            found = set(re.findall(r'(\w+)="', inside)) - {"le"}
            self.assertEqual(found, labels[family], name)

    def test_promtool_finds_nothing_to_say_about_them(self):
        self.assertIsNotNone(shutil.which("promtool"), "Debian's package prometheus is not installed")
        daemon = self.start_with_everything()
        _, _, text = daemon.http("/metrics")
        check = subprocess.run(
            ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
        self.assertEqual((check.returncode, check.stdout, check.stderr), (0, "", ""))


class NumbersTest(SharedDaemonTestCase):
    config = BOTH_ENGINES

    def test_they_agree_with_what_the_admin_service_says(self):
        region = self.fresh_region()
        for i in range(8):
            self.client.append(region, 1 + i % 3, [b"%d" % i] * 5)
        self.client.mark_deleted(region, 2, 10)
        self.client.read(region, 1)
        metrics, statistics = self.daemon.metrics(), self.client.statistics()
        for metric, field in {
            "walden_append_batches_total": statistics.appended_batch_count,
            "walden_append_records_total": statistics.appended_record_count,
            "walden_append_payload_bytes_total": statistics.appended_payload_bytes,
            "walden_append_refused_batches_total": statistics.refused_batch_count,
            "walden_commits_total": statistics.commit_count,
            "walden_syncs_total": statistics.sync_count,
            "walden_read_records_total": statistics.read_record_count,
            "walden_read_payload_bytes_total": statistics.read_payload_bytes,
            "walden_mailbox_limit_bytes": statistics.mailbox_limit_bytes,
            "walden_reader_limit_bytes": statistics.reader_limit_bytes,
            "walden_entry_memory_limit_bytes": statistics.entry_memory_limit_bytes,
        }.items():
            self.assertEqual(metrics[metric], field, metric)
        labels = f'{{namespace="default",region="{region}"}}'
        described = self.client.describe_region(region)
        self.assertEqual(
            metrics["walden_region_allocated_bytes" + labels],
            sum(segment.allocated_bytes for segment in described.segments))
        self.assertEqual(metrics["walden_region_segments" + labels], len(described.segments))
        self.assertEqual(metrics["walden_region_tables" + labels], 3)
        disk = os.statvfs(self.daemon.data)
        self.assertEqual(metrics["walden_disk_size_bytes"], disk.f_frsize * disk.f_blocks)

    def test_they_agree_with_what_the_kernel_says(self):
        def agree():  # but for what changes between two looks
            metrics = self.daemon.metrics()
            files = metrics["process_open_fds"] - self.daemon.open_files()
            memory = metrics["process_resident_memory_bytes"] - self.daemon.resident_bytes()
            return abs(files) < 5 and abs(memory) < 32 << 20

        self.eventually(agree, "files and memory are told as they are")

    def test_what_bounds_the_daemon_is_told_with_how_much_is_taken(self):
        region = self.fresh_region()
        self.client.append(region, 1, [b"x"])
        metrics = self.daemon.metrics()
        self.assertEqual(metrics["walden_disk_low"], 0)
        used = metrics['walden_disk_quota_used_bytes{namespace="default"}']
        self.assertGreaterEqual(used, 1 << 20)
        self.assertGreaterEqual(metrics["walden_open_connections"], 1)
        self.assertEqual(metrics["walden_refused_connections_total"], 0)
        self.assertEqual(metrics['walden_tenant_in_flight_bytes{identity=""}'], 0)
        self.assertEqual(metrics["walden_retention_records_total"], 0)
        self.assertNotIn("walden_tls_certificate_expiry_timestamp_seconds", metrics)

    def test_a_segment_that_goes_counts_as_reclaimed(self):
        region = self.fresh_region()
        before = self.daemon.metrics()
        for _ in range(8):
            self.client.append(region, 1, [bytes(300_000)])
        self.client.mark_deleted(region, 1, 8)
        after = self.daemon.metrics()
        reclaimed = 'walden_reclaimed_bytes_total{namespace="default"}'
        self.assertEqual(after[reclaimed] - before[reclaimed], 2 << 20)
        started = [f'walden_segments_started_total{{namespace="default",source="{source}"}}'
                   for source in ("spare", "fresh")]
        self.assertEqual(sum(after[name] - before[name] for name in started), 2)
        syncs = 'walden_sync_duration_seconds_count{namespace="default"}'
        self.assertGreaterEqual(after[syncs] - before[syncs], 8)

    def test_how_far_followers_are_behind_is_told(self):
        region = self.fresh_region()
        self.client.append(region, 1, [bytes(100_000)] * 4)
        follower = self.client.open_read(region, 1, follow=True)
        self.addCleanup(follower.cancel)
        records = iter(follower)
        for _ in range(4):
            next(records)

        def lag():
            return self.daemon.metrics()['walden_follower_lag_records{namespace="default"}']

        self.eventually(lambda: lag() == 0, "a follower at the end has no lag")
        self.assertEqual(self.daemon.metrics()['walden_followers{namespace="default"}'], 1)
        for _ in range(60):  # more than gRPC keeps for a client that does not take it
            self.client.append(region, 1, [bytes(100_000)] * 5)
        self.eventually(lambda: lag() > 100, "one that takes nothing falls behind")
        for _ in range(300):
            next(records)
        self.eventually(lambda: lag() == 0, "and catches up")


if __name__ == "__main__":
    unittest.main()

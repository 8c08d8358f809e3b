"""A real Prometheus scrapes a daemon under load, and what it computes agrees with what clients did."""

import threading
import time
import unittest

from prometheus_server import PrometheusServer
from segment_file import SegmentFile
from walden_client import WaldenError
from walden_daemon import find_bytes, flip_byte, small_segments, stopped, write_at
from walden_testcase import Code, WaldenTestCase

LOAD_SECONDS = 6.0


class Load:
    """Appends, reads and refusals at a steady pace; counts what it did."""

    def __init__(self, client, region):
        self.client, self.region = client, region
        self.batches = self.records = self.payload_bytes = self.read_records = self.fenced = 0

    def run(self, seconds):
        self.client.append(self.region, 1, [b"first"], region_version=5)
        self.batches, self.records, self.payload_bytes = 1, 1, 5
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = self.client.append(self.region, 1, [bytes(1000)] * 10)
            self.batches, self.records = self.batches + 1, self.records + 10
            self.payload_bytes += 10_000
            read = self.client.read(self.region, 1, start=answer.first_sequence)
            self.read_records += len(read.records)
            try:
                self.client.append(self.region, 1, [b"x"], region_version=4)
            except WaldenError as error:
                if error.reason != "FENCED":
                    raise
                self.fenced += 1
            time.sleep(0.02)


class PrometheusTest(WaldenTestCase):
    def start(self, **settings):
        self.daemon = self.new_daemon(small_segments(**settings))
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def watch(self):
        prometheus = PrometheusServer([self.daemon.metrics_address()])
        self.addCleanup(prometheus.discard)
        prometheus.start()
        prometheus.wait_for('up{job="walden"}', 1)
        return prometheus

    def statistics_at_rest(self):
        """Of a daemon that has done what it does in the background."""
        before = None
        while True:
            now = self.client.statistics()
            counts = (now.commit_count, now.sync_count)
            if counts == before:
                return now
            before = counts
            time.sleep(0.5)

    def test_counts_sums_and_rates_agree_with_what_clients_did(self):
        self.start()
        prometheus = self.watch()
        load = Load(self.client, 1)
        load.run(LOAD_SECONDS)
        prometheus.scrape_again()
        for metric, expected in {
            "walden_append_batches_total": load.batches,
            "walden_append_records_total": load.records,
            "walden_append_payload_bytes_total": load.payload_bytes,
            "walden_append_refused_batches_total": load.fenced,
            "walden_read_records_total": load.read_records,
            'walden_refused_requests_total{reason="FENCED"}': load.fenced,
            'walden_refused_requests_total{reason="DISK_FULL"}': 0,
            'walden_rpc_requests_total{method="Append",code="OK"}': load.batches,
            'walden_rpc_requests_total{method="Append",code="FAILED_PRECONDITION"}': load.fenced,
            'sum(walden_rpc_requests_total{method="Append"})': load.batches + load.fenced,
            'walden_rpc_duration_seconds_count{method="Append"}': load.batches + load.fenced,
            'walden_region_live_records{region="1"}': load.records,
            "walden_commit_bytes_sum": load.payload_bytes,
        }.items():
            self.assertEqual(prometheus.value(metric), expected, metric)
        # Rates are extrapolated to the ends of their window: about what was done.
        for metric, expected in {
            "walden_append_records_total": load.records,
            "walden_read_records_total": load.read_records,
            'walden_refused_requests_total{reason="FENCED"}': load.fenced,
        }.items():
            increase = prometheus.value(f"increase({metric}[1m])")
            self.assertGreater(increase, 0.6 * expected, metric)
            self.assertLess(increase, 1.6 * expected, metric)
        per_record = "increase(walden_append_payload_bytes_total[1m])" \
                     " / increase(walden_append_records_total[1m])"
        self.assertAlmostEqual(prometheus.value(per_record), 1000, delta=10)
        median = 'histogram_quantile(0.5, rate(walden_rpc_duration_seconds_bucket' \
                 '{method="Append"}[1m]))'
        self.assertGreater(prometheus.value(median), 10e-6)
        self.assertLess(prometheus.value(median), 10)
        batches_per_commit = "walden_commit_batches_sum / walden_commit_batches_count"
        self.assertEqual(prometheus.value(batches_per_commit), 1)

    def test_it_agrees_with_the_admin_service(self):
        self.start()
        prometheus = self.watch()
        for region in range(1, 6):
            for _ in range(region):
                self.client.append(region, 1, [bytes(300_000)])
        self.client.mark_deleted(5, 1, 3)
        prometheus.wait_for("walden_reclaimed_bytes_total", 1 << 20)
        statistics = self.statistics_at_rest()
        prometheus.scrape_again()
        self.assertEqual(prometheus.value("walden_commits_total"), statistics.commit_count)
        self.assertEqual(prometheus.value("walden_syncs_total"), statistics.sync_count)
        self.assertEqual(prometheus.value('walden_regions{state="open"}'), statistics.open_region_count)
        for region in range(1, 6):
            segments = self.client.describe_region(region).segments
            at = f'{{namespace="default",region="{region}"}}'
            self.assertEqual(prometheus.value("walden_region_segments" + at), len(segments))
            self.assertEqual(
                prometheus.value("walden_region_allocated_bytes" + at),
                sum(segment.allocated_bytes for segment in segments))
        self.assertEqual(
            prometheus.value("sum(walden_region_allocated_bytes)"),
            sum(segment.allocated_bytes for region in range(1, 6)
                for segment in self.client.describe_region(region).segments))
        ((labels, _),) = prometheus.query(
            "topk(1, walden_region_live_bytes)")  # of 4 records of 300,000 bytes
        self.assertEqual(labels["region"], "4")

    def test_torn_tails_and_damage_are_seen(self):
        self.start(recovery_policy="quarantine")
        prometheus = self.watch()
        for region in (1, 2):
            self.client.append(region, 1, [b"record number 1 " + bytes(1000)])
            self.client.append(region, 1, [b"record number 2 " + bytes(1000)])
        prometheus.scrape_again()
        self.assertEqual(prometheus.value("walden_torn_tails_total"), 0)
        end = self.client.describe_region(1).segments[0].used_bytes
        (torn,), (damaged,) = self.daemon.segment_files(1), self.daemon.segment_files(2)
        self.daemon.kill()
        file = SegmentFile(torn)
        cut = file.torn_group(end, 1, 3, b"z" * 20_000)
        write_at(torn, file.group_begin(end), cut)
        flip_byte(damaged, find_bytes(damaged, b"record number 1 ") + 500)
        self.daemon.start()
        prometheus = self.watch()
        self.client = self.new_client(self.daemon)
        with self.assert_refused(Code.DATA_LOSS, "CORRUPTION"):
            self.client.read(2, 1)
        prometheus.scrape_again()
        self.assertEqual(prometheus.value("walden_torn_tails_total"), 1)
        self.assertGreaterEqual(prometheus.value("walden_torn_tail_bytes_total"), len(cut))
        self.assertEqual(prometheus.value("walden_damaged_ranges_found_total"), 1)
        self.assertEqual(prometheus.value('walden_region_damaged_ranges{region="2"}'), 1)
        self.assertEqual(prometheus.value('walden_region_damaged_ranges{region="1"}'), 0)
        self.assertEqual(
            prometheus.value('walden_refused_requests_total{reason="CORRUPTION"}'), 1)
        self.assertEqual(
            prometheus.value('walden_rpc_requests_total{method="Read",code="DATA_LOSS"}'), 1)

    def test_a_broken_region_is_seen_and_named(self):
        self.start(recovery_policy="refuse")
        for region in (1, 2):
            self.client.append(region, 1, [b"record number 1 " + bytes(1000)])
            self.client.append(region, 1, [b"record number 2 " + bytes(1000)])
        with stopped(self.daemon):
            (damaged,) = self.daemon.segment_files(2)
            flip_byte(damaged, find_bytes(damaged, b"record number 1 ") + 500)
        prometheus = self.watch()
        prometheus.wait_for('walden_regions{state="broken"}', 1)
        self.assertEqual(
            prometheus.query("walden_region_fault"),
            [({"__name__": "walden_region_fault", "namespace": "default", "region": "2",
               "state": "broken"}, 1.0)])
        self.assertEqual(
            prometheus.value('walden_region_opening_failures_total{reason="CORRUPTION"}'), 1)

    def test_followers_and_their_lag_are_seen(self):
        self.start()
        prometheus = self.watch()
        self.client.append(1, 1, [b"x"])
        follower = self.client.open_read(1, 1, follow=True)
        self.addCleanup(follower.cancel)
        records = iter(follower)
        next(records)
        prometheus.wait_for("walden_followers", 1)
        prometheus.wait_for("walden_follower_lag_records", 0)
        for _ in range(60):
            self.client.append(1, 1, [bytes(100_000)] * 5)
        prometheus.wait_for("walden_follower_lag_records", lambda lag: lag and lag > 20)
        taken = threading.Thread(target=lambda: [next(records) for _ in range(300)])
        taken.start()
        prometheus.wait_for("walden_follower_lag_records", 0)
        taken.join()


if __name__ == "__main__":
    unittest.main()

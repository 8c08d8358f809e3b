"""What the daemon says of itself, and lists that come in pages."""

import time
import unittest

from walden_daemon import run_waldend
from walden_stubs import admin_pb2
from walden_testcase import Code, SharedDaemonTestCase, WaldenTestCase


class ServerInfoTest(WaldenTestCase):
    def test_version_engines_and_the_time_of_the_start(self):
        daemon = self.new_daemon()
        before = time.time() - 1
        daemon.start()
        info = self.new_client(daemon).server_info()
        printed = run_waldend("--version").stdout.decode()
        self.assertTrue(info.version)
        self.assertIn(info.version, printed)
        self.assertEqual(sorted(info.engines), ["rocksdb", "segment"])
        self.assertGreater(info.start_time.ToMilliseconds() / 1000, before)
        self.assertLess(info.start_time.ToMilliseconds() / 1000, time.time() + 1)
        daemon.crash_and_restart()
        again = self.new_client(daemon).server_info()
        self.assertGreater(again.start_time.ToNanoseconds(), info.start_time.ToNanoseconds())
        self.assertEqual((again.version, again.commit), (info.version, info.commit))

    def test_the_limits_are_those_of_the_configuration_and_hold_exactly(self):
        daemon = self.new_daemon(
            {
                "limits": {
                    "max_batch_bytes": "256KiB",
                    "max_payload_bytes": "128KiB",
                    "max_batch_records": 1000,
                },
                "entries": {"max_key_bytes": 100},
            }
        )
        daemon.start()
        client = self.new_client(daemon)
        limits = client.server_info().limits
        self.assertEqual(
            (limits.max_batch_bytes, limits.max_payload_bytes, limits.max_batch_records),
            (256 << 10, 128 << 10, 1000),
        )
        self.assertEqual(limits.max_key_bytes, 100)
        self.assertGreaterEqual(limits.max_request_message_bytes, limits.max_batch_bytes)
        half = bytes(limits.max_batch_bytes // 2)
        client.append(1, 1, [half, half])
        for payloads in ([half, half, b"x"], [bytes(limits.max_payload_bytes + 1)], [b""] * 1001):
            with self.assert_refused(Code.INVALID_ARGUMENT, "LIMIT_EXCEEDED"):
                client.append(1, 1, payloads)


class PagesTest(SharedDaemonTestCase):
    config = {
        "default_namespace": "two",
        "namespaces": [{"id": i, "name": n} for i, n in ((9, "one"), (2, "two"), (40, "three"))],
    }

    def pages(self, method, kind, **fields):
        return [page for page in self.client.pages(method, kind(**fields))]

    def test_namespaces_come_in_pages_ordered_by_id(self):
        for size, counts in ((1, [1, 1, 1]), (2, [2, 1]), (3, [3]), (0, [3]), (1001, [3])):
            with self.subTest(size=size):
                pages = self.pages(
                    self.client.admin.ListNamespaces, admin_pb2.ListNamespacesRequest, page_size=size
                )
                self.assertEqual([len(page.namespaces) for page in pages], counts)
                found = [(n.namespace_id, n.name) for page in pages for n in page.namespaces]
                self.assertEqual(found, [(2, "two"), (9, "one"), (40, "three")])

    def test_regions_come_in_pages_ordered_by_id(self):
        regions = [self.fresh_region() for _ in range(7)]
        for region in regions:
            self.client.append(region, 1, [b"x"])
        pages = self.pages(
            self.client.admin.ListRegions, admin_pb2.ListRegionsRequest, page_size=3
        )
        self.assertEqual([len(page.regions) for page in pages], [3, 3, 1])
        self.assertEqual([r.region_id for page in pages for r in page.regions], regions)

    def test_a_described_region_comes_in_pages(self):
        region = 1000
        for table in range(10):
            self.client.append(region, table, [b"x"], namespace=9)
        pages = self.pages(
            self.client.admin.DescribeRegion, admin_pb2.DescribeRegionRequest,
            namespace_id=9, region_id=region, page_size=4,
        )
        self.assertGreater(len(pages), 3)
        tables = [t.table_id for page in pages for t in page.state.tables]
        self.assertEqual(tables, list(range(10)))
        ranges = [t.table_id for page in pages for s in page.segments for t in s.tables]
        self.assertEqual(ranges, list(range(10)))

    def test_a_negative_page_size_and_a_foreign_page_token_are_refused(self):
        admin = self.client.admin
        self.client.append(1001, 1, [b"x"], namespace=40)
        calls = (
            (admin.ListNamespaces, admin_pb2.ListNamespacesRequest, {}),
            (admin.ListRegions, admin_pb2.ListRegionsRequest, {}),
            (admin.DescribeRegion, admin_pb2.DescribeRegionRequest,
             {"namespace_id": 40, "region_id": 1001}),
        )
        for method, kind, fields in calls:
            for page_size in (-1, -(2**31)):
                with self.subTest(kind.DESCRIPTOR.name, page_size=page_size):
                    with self.assert_refused(
                        Code.INVALID_ARGUMENT, "INVALID_FIELD", field="page_size"
                    ):
                        self.pages(method, kind, page_size=page_size, **fields)
            with self.subTest(kind.DESCRIPTOR.name):
                with self.assert_refused(
                    Code.INVALID_ARGUMENT, "INVALID_FIELD", field="page_token"
                ):
                    self.pages(method, kind, page_token="no token of the daemon", **fields)

    def test_a_page_token_of_another_namespace_or_region_is_refused(self):
        admin = self.client.admin
        for region in (1001, 1002):
            for table in range(3):
                self.client.append(region, table, [b"x"], namespace=40)
        token = self.client.call(
            admin.ListRegions, admin_pb2.ListRegionsRequest(namespace_id=40, page_size=1)
        ).next_page_token
        with self.assert_refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", field="page_token"):
            self.client.call(
                admin.ListRegions,
                admin_pb2.ListRegionsRequest(namespace_id=9, page_size=1, page_token=token))
        described = {"namespace_id": 40, "region_id": 1001, "page_size": 1}
        token = self.client.call(
            admin.DescribeRegion, admin_pb2.DescribeRegionRequest(**described)
        ).next_page_token
        described.update(region_id=1002, page_token=token)
        with self.assert_refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", field="page_token"):
            self.client.call(admin.DescribeRegion, admin_pb2.DescribeRegionRequest(**described))


if __name__ == "__main__":
    unittest.main()

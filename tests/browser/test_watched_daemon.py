"""The status page of a real daemon under load: what a person sees is what AdminService says."""

import json
import os
import pathlib
import sys
import time
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

from chromium import Browser
from walden_client import error_from_status
from watched_daemon import BROKEN, BUSY, HALF_DELETED, KEEPS, TORN, WatchedDaemon, describe

SCREENSHOTS = os.environ.get("WALDEN_TEST_SCREENSHOTS")


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.headers, answer.read()


class WatchedDaemonTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.watched = WatchedDaemon()
        cls.addClassCleanup(cls.watched.close)
        cls.url = cls.watched.url
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)
        cls.client = cls.watched.daemon.client()
        cls.addClassCleanup(cls.client.close)
        cls.watched.start_load()

    def show(self, region):
        self.browser.window(1280, 900)
        self.browser.open(f"{self.url}#region={region}&namespace=1")
        self.browser.wait_for("document.querySelectorAll('#regions tbody tr').length > 0")

    def check_quiet(self):
        self.assertEqual(self.browser.errors, [])
        for url in self.browser.requests:
            self.assertTrue(url.startswith((self.url, "data:")), url)

    def row(self, region):
        """The cells of a region's row by column."""
        return self.browser.evaluate(f"""(() => {{
            const row = [...document.querySelectorAll('#regions tbody tr')].find(r =>
              r.querySelector('th').textContent === '{region}' && r.cells[0].textContent === 'default');
            return row && Object.fromEntries([...row.cells].map(c => [c.className.match(/c-(\\w+)/)[1], c.textContent]));
        }})()""")

    def test_the_page_forbids_what_it_does_not_need(self):
        headers, body = get(self.url)
        policy = headers["Content-Security-Policy"]
        for rule in ("default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"):
            self.assertIn(rule, policy)
        self.assertTrue(headers["Content-Type"].startswith("text/html"))
        self.assertNotIn(b"@SCRIPT@", body)

    def test_the_segment_map_is_what_admin_service_describes(self):
        self.show(HALF_DELETED)
        self.browser.wait_for("document.querySelectorAll('#map > div').length > 1")
        described, sums = describe(self.client, HALF_DELETED)
        self.assertGreater(sums["deleted"], 100_000)
        self.assertEqual(
            self.browser.evaluate("document.querySelectorAll('#map > div').length"),
            len(described.segments),
        )
        for kind, total in sums.items():
            shown = self.browser.evaluate(f"document.getElementById('sum-{kind}').dataset.bytes")
            self.assertEqual(int(shown), total, kind)
        for index, segment in enumerate(described.segments):
            label = self.browser.evaluate(
                f"document.querySelectorAll('#map > div')[{index}].getAttribute('aria-label')")
            self.assertTrue(label.startswith(segment.file + ":"), label)
            self.assertIn(f"numbers {segment.first_sequence} to {segment.last_sequence}", label)
        tables = {cells[0]: cells for cells in self.browser.evaluate(
            "[...document.querySelectorAll('#tables tbody tr')].map(r => [...r.cells].map(c => c.textContent))")}
        for table in described.state.tables:
            self.assertEqual(tables[str(table.table_id)][5], str(table.position.next_sequence))
            self.assertEqual(tables[str(table.table_id)][4], str(table.position.deleted_through))
        self.assertIn(f"table {KEEPS}", self.row(HALF_DELETED)["pin"])
        self.assertEqual(self.row(HALF_DELETED)["segments"], str(len(described.segments)))
        self.check_quiet()
        if SCREENSHOTS:
            self.browser.wait_for("document.getElementById('tile-latency').textContent !== '–'")
            pathlib.Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
            for width, dark in ((1280, False), (1280, True), (390, False), (390, True)):
                self.browser.window(width, 900, dark)
                name = f"daemon-{width}-{'dark' if dark else 'light'}.png"
                self.browser.screenshot(pathlib.Path(SCREENSHOTS, name))

    def test_a_broken_region_comes_first_with_its_error_and_torn_tails_are_told(self):
        self.show(BROKEN)
        self.assertEqual(self.browser.texts("#regions tbody th")[0], str(BROKEN))
        row = self.row(BROKEN)
        self.assertEqual(row["state"], "broken")
        (info,) = [r for r in self.client.list_regions() if r.region_id == BROKEN]
        error = error_from_status(info.error)
        self.assertEqual((error.code.name, error.reason), ("DATA_LOSS", "CORRUPTION"))
        shown = f"DATA_LOSS: {error.message}"  # the page has no room for the reason
        self.assertTrue(shown.startswith(row["pin"][:60]), (shown, row["pin"]))
        self.browser.wait_for("document.querySelectorAll('#events tbody tr').length >= 2")
        events = self.browser.evaluate(
            "[...document.querySelectorAll('#events tbody tr')].map(r => [...r.cells].map(c => c.textContent))")
        told = {(cells[1], cells[2].split(" (")[0], cells[3]) for cells in events}
        self.assertIn(("error", "region cannot be opened", f"default {BROKEN}"), told)
        self.assertIn(("warning", "torn tail removed", f"default {TORN}"), told)
        self.check_quiet()

    def test_the_numbers_are_those_of_the_statistics(self):
        self.show(BUSY)
        self.browser.wait_for("/[1-9]/.test(document.getElementById('tile-records').textContent)")
        self.browser.wait_for("/[1-9]/.test(document.getElementById('tile-reads').textContent)")
        before = self.client.statistics()
        told = json.loads(get(self.url + "status.json")[1])
        after = self.client.statistics()
        for key, name in (("append_batches", "appended_batch_count"),
                          ("append_records", "appended_record_count"),
                          ("append_bytes", "appended_payload_bytes"), ("syncs", "sync_count"),
                          ("read_records", "read_record_count")):
            self.assertGreaterEqual(told["counters"][key], getattr(before, name), key)
            self.assertLessEqual(told["counters"][key], getattr(after, name), key)
        version = self.client.server_info().version
        self.assertEqual(told["version"], version)
        self.assertEqual(self.browser.text("#version"), version)
        self.assertEqual(self.browser.text("#ready"), "ready")
        self.assertEqual(told["levels"]["mailbox"]["limit"], after.mailbox_limit_bytes)
        self.check_quiet()

    def test_looking_opens_no_region_and_bad_questions_are_refused(self):
        self.client.close_region(TORN)
        time.sleep(1.2)  # what is told may be a second old
        told = json.loads(get(f"{self.url}status.json?region={TORN}")[1])
        self.assertIn(told["selected"]["state"], ("closed", "unknown"))
        (info,) = [r for r in self.client.list_regions() if r.region_id == TORN]
        self.assertEqual(info.state, info.STATE_CLOSED)
        for query, code in (("region=x", 400), ("region=1&namespace=77", 404), ("what=1", 400)):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                get(f"{self.url}status.json?{query}")
            self.assertEqual(refused.exception.code, code, query)
            self.assertTrue(refused.exception.read().strip(), query)
            refused.exception.close()


if __name__ == "__main__":
    unittest.main()

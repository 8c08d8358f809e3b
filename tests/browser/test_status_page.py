"""The status page in a real browser, over figures that the test makes up."""

import os
import pathlib
import time
import unittest

from chromium import Browser
from fake_daemon import MIB, FakeDaemon, region, segment, selected, status

SCREENSHOTS = os.environ.get("WALDEN_TEST_SCREENSHOTS")
ATTACK = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"

# Text whose contrast with what lies behind it is below WCAG's 4.5 : 1.
LOW_CONTRAST = """
(() => {
  const channel = c => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const color = parse(getComputedStyle(node).backgroundColor);
      if (color.length < 4 || color[3] > .99) return color;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !node.offsetParent || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(node.tagName)) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) low.push(node.textContent.trim().slice(0, 40) + ' ' + ratio.toFixed(2));
  }
  return low;
})()
"""

# Text that its element, or one around it that does not scroll, cuts off.
CLIPPED = """
(() => {
  const clipped = [];
  for (const node of document.querySelectorAll('main *, header *')) {
    const own = [...node.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !node.offsetParent || node.closest('.sr, #events thead')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const text = range.getBoundingClientRect();
    for (let around = node; around !== document.body; around = around.parentElement) {
      const style = getComputedStyle(around), box = around.getBoundingClientRect();
      if (/auto|scroll/.test(style.overflowX)) {
        if (around.scrollWidth > around.clientWidth + 1 && innerWidth < 720) {
          clipped.push(around.id + ' scrolls sideways');
        }
        break;
      }
      const hides = style.overflowX !== 'visible';
      const spills = around === node && getComputedStyle(node).display !== 'inline' && text.right > box.right + 1;
      if (spills || (hides && text.right > box.right + 1)) {
        clipped.push(node.textContent.trim().slice(0, 40));
        break;
      }
    }
    if (text.right > innerWidth && !node.closest('.scroll')) clipped.push(node.textContent.trim().slice(0, 40));
  }
  return [...new Set(clipped)];
})()
"""


class StatusPageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.browser.window(1280, 900)

    def show(self, answer, fragment=""):
        """Opens the page over a daemon that always answers so, or as the function says."""
        daemon = FakeDaemon(answer if callable(answer) else lambda query: answer)
        self.addCleanup(daemon.close)
        self.browser.open(daemon.url + fragment)
        self.browser.wait_for("document.readyState === 'complete'")
        return daemon

    def shown(self):
        self.browser.wait_for("document.getElementById('version').textContent !== '–'")

    def check_quiet(self, daemon):
        """No error, and nobody else was asked."""
        self.assertEqual(self.browser.errors, [])
        for url in self.browser.requests:
            self.assertTrue(url.startswith((daemon.url, "data:")), url)

    def keep_screenshot(self, name):
        if SCREENSHOTS:
            pathlib.Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
            self.browser.screenshot(pathlib.Path(SCREENSHOTS, name + ".png"))

    def test_whatever_the_daemon_says_is_text(self):
        broken = region(7, "broken", error=ATTACK)
        daemon = self.show(
            status(
                version=ATTACK,
                ready=False,
                not_ready_because=ATTACK,
                disk={"path": ATTACK, "free_bytes": None, "total_bytes": None,
                      "reserve_bytes": None, "error": ATTACK},
                namespaces=[{"id": 1, "name": ATTACK, "engine": "segment", "error": ATTACK}],
                regions=[broken],
                selected=selected(
                    broken,
                    segments=[{**segment(0, 1, 2), "file": ATTACK}],
                    tables=[{"table": "1", "kind": ATTACK, "next": "2", "deleted_through": "0",
                             "first_live": "1", "last_live": "1"}],
                    damaged=[{"file": ATTACK, "offset": 0, "length": 1, "first": "1", "last": "1",
                              "reason": ATTACK}],
                ),
                events=[{"time_unix_millis": 1790000000000, "severity": "error", "event": ATTACK,
                         "namespace": 1, "region": "7", "text": ATTACK, "count": 1}],
            ),
            "#region=7&namespace=1",
        )
        self.shown()
        self.browser.wait_for("document.querySelectorAll('#damage tbody tr').length === 1")
        self.assertEqual(self.browser.evaluate("document.title"), "Walden")
        self.assertEqual(self.browser.evaluate("document.images.length"), 0)
        self.assertEqual(self.browser.evaluate("document.scripts.length"), 1)
        for place in ("#version", "#ready", "#detail-error", "#namespace-errors p", "#h-detail",
                      "#regions .c-pin.error", "#events .text", "#damage .text"):
            self.assertIn(ATTACK, self.browser.text(place), place)
        self.check_quiet(daemon)

    def test_it_says_when_the_daemon_does_not_answer_and_keeps_the_last_picture(self):
        answers = [status(regions=[region(7)])]
        daemon = self.show(lambda query: answers[0])
        self.shown()
        answers[0] = 500
        self.browser.wait_for("document.body.classList.contains('lost')")
        self.assertIn("does not answer (it answered 500)", self.browser.text("#connection"))
        self.assertEqual(self.browser.texts("#regions tbody th"), ["7"])
        self.assertIn("grayscale", self.browser.evaluate("getComputedStyle(document.querySelector('main')).filter"))
        answers[0] = status(regions=[region(7), region(8)])
        self.browser.wait_for("!document.body.classList.contains('lost')")
        self.assertEqual(self.browser.texts("#regions tbody th"), ["7", "8"])
        daemon.close()
        self.browser.wait_for("document.body.classList.contains('lost')")
        self.assertIn("does not answer", self.browser.text("#connection"))

    def test_rates_come_from_differences_and_a_restart_begins_anew(self):
        steps = iter([(100.0, 1000, 10), (102.0, 3000, 90), (1.0, 5, 1), (3.0, 25, 2)])
        held = {"step": next(steps), "answers": 0}

        def answer(query):
            uptime, records, fast = held["step"]
            base = status(uptime_seconds=uptime)
            base["counters"]["append_records"] = records
            base["append_latency"]["counts"] = [fast, 0, 0, 0]
            base["stream_append_latency"]["counts"] = [0, 2 * fast, 0, 0]
            held["answers"] += 1
            return base

        self.show(answer)
        self.shown()
        self.assertEqual(self.browser.text("#tile-records"), "–")
        held["step"] = next(steps)
        self.browser.wait_for("document.getElementById('tile-records').textContent === '1,000 /s'")
        # 80 calls, all below 1 ms.
        self.assertEqual(self.browser.text("#tile-latency"), "990 µs")
        self.assertIn("p50 500 µs", self.browser.text("#sub-latency"))
        # 160 batches of streams, all between 1 and 10 ms.
        self.assertEqual(self.browser.text("#tile-stream-latency"), "9.91 ms")
        self.assertIn("p50 5.50 ms", self.browser.text("#sub-stream-latency"))
        held["step"] = next(steps)
        self.browser.wait_for("document.getElementById('uptime').textContent === '1 s'")
        held["step"] = next(steps)
        self.browser.wait_for("document.getElementById('tile-records').textContent === '10 /s'")

    def test_the_segment_map_adds_up_and_is_told_by_keyboard(self):
        segments = [segment(0, 100, MIB), segment(1, MIB - 500, MIB), segment(2, 300, 300)]
        shown = region(7)
        daemon = self.show(
            status(regions=[shown], selected=selected(shown, segments)), "#region=7&namespace=1"
        )
        self.browser.wait_for("document.querySelectorAll('#map > div').length === 3")
        sums = {
            kind: int(self.browser.evaluate(f"document.getElementById('sum-{kind}').dataset.bytes"))
            for kind in ("live", "deleted", "free")
        }
        self.assertEqual(sums, {"live": MIB - 100, "deleted": MIB + 400, "free": MIB - 300})
        self.browser.evaluate("document.querySelector('#map > div').focus()")
        self.assertIn("seg_0: 1 MiB, live 100 B, deleted 1 MiB (1,048,476 bytes), free 0 B",
                      self.browser.text("#segment-readout"))
        self.browser.press("ArrowRight")
        self.assertIn("seg_1", self.browser.text("#segment-readout"))
        self.browser.press("End")
        self.assertIn("seg_2", self.browser.text("#segment-readout"))
        label = self.browser.evaluate("document.activeElement.getAttribute('aria-label')")
        self.assertIn("numbers 2001 to 3000", label)
        stops = self.browser.evaluate("document.querySelectorAll('#map [tabindex=\"0\"]').length")
        self.assertEqual(stops, 1, "one stop of the tab key, whatever the number of segments")
        self.check_quiet(daemon)

    def test_regions_can_be_sorted_and_filtered(self):
        regions = [region(10, allocated_bytes=5 * MIB), region(9, allocated_bytes=7 * MIB),
                   region(100, "closed"), region(2, "broken", error="hole"),
                   region(18446744073709551615, "failed", error="disk")]
        self.show(status(regions=regions))
        self.shown()
        rows = lambda: self.browser.texts("#regions tbody th")
        most = "18446744073709551615"
        self.assertEqual(rows(), ["2", most, "9", "10", "100"], "broken and failed first")
        self.browser.click("th.c-region button")
        self.assertEqual(rows(), ["2", "9", "10", "100", most], "as numbers, beyond 2^53 too")
        self.browser.click("th.c-allocated button")
        self.assertEqual(rows()[1:3], ["9", "10"])
        self.assertEqual(rows()[3:], ["2", "100"], "what is not known comes last")
        self.assertEqual(self.browser.evaluate("document.querySelector('th.c-allocated').ariaSort"), "descending")
        self.browser.evaluate("""(() => { const box = document.getElementById('filter');
            box.value = '10'; box.dispatchEvent(new Event('input')); })()""")
        self.assertEqual(sorted(rows()), ["10", "100"])
        self.assertIn("2 of 5", self.browser.text("#region-count"))

    def test_a_thousand_regions_and_segments_stay_usable_and_nothing_jumps(self):
        regions = [region(i, tables=i % 7, segments=i % 40, oldest={"table": "5", "sequence": "1", "age_seconds": i * 60.0})
                   for i in range(1, 1001)]
        tick = [0]

        def answer(query):
            tick[0] += 1
            counted = status(uptime_seconds=100.0 + 2 * tick[0], regions=regions)
            for key in counted["counters"]:
                counted["counters"][key] = 123456789 * tick[0] ** 3
            if "region" in query:
                segments = [segment(i, (i * 997 * tick[0]) % MIB, MIB) for i in range(1000)]
                counted["selected"] = selected(regions[6], segments)
            return counted

        for width in (390, 1280):
            self.browser.window(width, 900)
            daemon = self.show(answer, "#region=7&namespace=1")
            self.browser.wait_for("document.querySelectorAll('#map > div').length === 1000")
            self.browser.evaluate("""window.walden = {shifts: 0, longest: 0};
                new PerformanceObserver(list => { for (const e of list.getEntries()) window.walden.shifts += e.value; })
                  .observe({type: 'layout-shift'});
                new PerformanceObserver(list => { for (const e of list.getEntries()) window.walden.longest = Math.max(window.walden.longest, e.duration); })
                  .observe({type: 'longtask'}); document.getElementById('detail').kept = document.querySelector('#map > div'); 1""")
            seen = tick[0]
            self.browser.wait_for("document.getElementById('tile-records').textContent !== '–'")
            deadline = time.monotonic() + 30
            while tick[0] < seen + 3 and time.monotonic() < deadline:
                time.sleep(0.1)
            told = self.browser.evaluate("window.walden")
            self.assertLess(told["shifts"], 0.01, "the layout jumps at a refresh")
            self.assertTrue(self.browser.evaluate(
                "document.getElementById('detail').kept === document.querySelector('#map > div')"
            ), "a refresh makes the map anew")
            overflow = self.browser.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth")
            self.assertLessEqual(overflow, 0, "the page scrolls sideways")
            self.check_quiet(daemon)
            daemon.close()

    def test_the_disk_gauge_shows_what_is_used_and_warns_near_the_reserve(self):
        gib = 1 << 30
        for free, level, text in ((20, "", "20 GiB free, reserve 4 GiB"), (5, "warn", "5 GiB free, reserve 4 GiB"),
                                  (3, "bad", "3 GiB free, below the reserve: appends are refused")):
            daemon = self.show(status(disk={"path": "/d", "free_bytes": free * gib, "total_bytes": 100 * gib,
                                            "reserve_bytes": 4 * gib, "error": ""}))
            self.shown()
            card = "document.getElementById('gauge-disk').closest('.card')"
            self.assertEqual(self.browser.text("#gauge-disk"), f"{100 - free} GiB")
            self.assertIn("of 100 GiB", self.browser.evaluate(card + ".textContent"))
            self.assertIn(text, self.browser.evaluate(card + ".textContent"))
            self.assertEqual(self.browser.evaluate(card + ".className"), f"card tile gauge {level}")
            self.assertEqual(self.browser.evaluate(card + ".querySelector('.bar').ariaValueNow"), str(100 - free))
            daemon.close()

    def test_it_can_be_read_in_light_and_dark_at_two_widths(self):
        shown = [region(3, "broken", error="DATA_LOSS: seg_1 is damaged at offset 4096"),
                 region(4, "failed", error="UNAVAILABLE: fsync failed"), region(7), region(8, "closed")]
        events = [{"time_unix_millis": 1790000000000, "severity": severity, "event": "torn tail removed",
                   "namespace": 1, "region": "7", "text": "bytes=311", "count": 3}
                  for severity in ("error", "warning")]
        segments = [segment(i, i * 100000 % MIB, MIB) for i in range(12)]
        tables = [{"table": str(1 << i), "kind": kind, "next": str(1 << (i + 2)), "deleted_through": "0",
                   "first_live": "1", "last_live": str(1 << (i + 1))} for i, kind in ((3, "log"), (60, "entries"))]
        damaged = [{"file": "default/7/seg_1", "offset": 1 << 20, "length": 4096, "first": "1000000",
                    "last": "1000012", "reason": "the group's checksum is wrong"}]
        answer = status(regions=shown, events=events,
                        selected=selected(shown[2], segments, tables, damaged=damaged))
        for dark in (False, True):
            for width in (390, 1280):
                self.browser.window(width, 900, dark)
                daemon = self.show(answer, "#region=7&namespace=1")
                self.browser.wait_for("document.querySelectorAll('#map > div').length === 12")
                self.assertEqual(self.browser.evaluate(LOW_CONTRAST), [], f"{width} dark={dark}")
                self.assertEqual(self.browser.evaluate(CLIPPED), [], f"{width} dark={dark}")
                self.check_quiet(daemon)
                self.keep_screenshot(f"status-{width}-{'dark' if dark else 'light'}")
                daemon.close()

    def test_it_has_landmarks_headings_and_table_headers(self):
        self.show(status(regions=[region(7)]))
        self.shown()
        for selector in ("header", "main", "footer", "h1"):
            count = self.browser.evaluate(f"document.querySelectorAll('{selector}').length")
            self.assertEqual(count, 1, selector)
        unlabelled = self.browser.evaluate("""[...document.querySelectorAll('section')].filter(
            s => !document.getElementById(s.getAttribute('aria-labelledby'))).length""")
        self.assertEqual(unlabelled, 0)
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('th:not([scope])').length"), 0)
        self.assertEqual(self.browser.evaluate("document.documentElement.lang"), "en")
        live = self.browser.evaluate("[...document.querySelectorAll('[role=status],[role=alert],[aria-live]')].map(n => n.id)")
        self.assertEqual(sorted(live), ["connection", "namespace-errors"])


if __name__ == "__main__":
    unittest.main()

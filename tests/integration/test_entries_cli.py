#!/usr/bin/python3
"""put, get, scan, flush and finalize on the command line, against a real daemon."""

import datetime
import json
import pathlib
import tempfile
import time
import unittest

from walden_daemon import run_walden
from walden_testcase import SharedDaemonTestCase


class EntryCommandsTest(SharedDaemonTestCase):
    def setUp(self):
        self.region = self.fresh_region()

    def walden(self, command, *more, stdin=None, code=0, table=3):
        result = run_walden(
            command, "--address", self.daemon.address, "-r", str(self.region), "-t", str(table), *more,
            stdin=stdin,
        )
        self.stderr = result.stderr.decode()
        self.assertEqual(result.returncode, code, self.stderr)
        return result.stdout.decode()

    def lines(self, *arguments, **options):
        return [json.loads(line) for line in self.walden(*arguments, "--json", **options).splitlines()]

    def test_a_put_is_got_and_scanned(self):
        out = self.walden("put", "color", "green", "size", "42")
        self.assertEqual(out, "2 entries, sequence 1..2, durable\n")
        self.assertEqual(self.walden("get", "color"), "green\n")
        self.assertEqual(self.walden("get", "size", "color"), "size\t42\ncolor\tgreen\n")
        self.assertEqual(self.walden("scan"), "color\tgreen\nsize\t42\n")
        self.assertEqual(self.walden("scan", "--from", "d"), "size\t42\n")
        self.assertEqual(self.walden("scan", "--before", "d", "--limit", "5"), "color\tgreen\n")
        self.walden("put", "--delete", "color")
        self.assertEqual(self.walden("scan"), "size\t42\n")

    def test_a_key_that_is_not_there_is_exit_code_10_and_a_missing_region_7(self):
        self.walden("put", "a", "1")
        self.assertEqual(self.walden("get", "a", "b", code=10), "a\t1\n")
        self.assertIn('no entry has the key "b"', self.stderr)

    def test_entries_expire_after_a_time_from_now(self):
        self.walden("put", "--expires", "10m", "k", "v")
        in_ten_minutes = time.time() + 600
        expires = datetime.datetime.fromisoformat(self.lines("get", "k")[0]["expire_time"])
        self.assertLess(abs(expires.timestamp() - in_ten_minutes), 60)
        self.walden("put", "--expires", "0s", "k", "v")
        self.walden("get", "k", code=10)
        for wrong in ("soon", "-1s", "1700000000000"):
            self.walden("put", "--expires", wrong, "k", "v", code=2)
            self.assertIn("neither a duration, such as 10m or 7d, nor a time", self.stderr)

    def test_a_bad_line_of_input_is_named(self):
        self.walden("put", stdin=b"{}\nx\n", code=2)
        self.assertIn("standard input, line 2: not a JSON object", self.stderr)

    def test_json_has_every_field(self):
        self.walden("put", "--expires", "2100-01-01T00:00:00Z", "k", "v")
        self.assertEqual(
            self.lines("get", "k"),
            [{"key": "k", "value": "v", "tombstone": False, "expire_time": "2100-01-01T00:00:00Z",
              "sequence": 1}],
        )
        self.assertEqual(
            self.lines("put", "x", "y"),
            [{"first_sequence": 2, "last_sequence": 2, "durable": True, "duplicate": False}],
        )

    def test_flush_prints_versions_and_finalize_forgets_them(self):
        self.walden("put", "b", "1", "a", "2")
        self.walden("put", "--delete", "b")
        self.assertEqual(self.walden("flush"), "2\ta\t2\n3\tb\n1\tb\t1\n")
        self.assertIn("flush 4: 3 entries", self.stderr)
        self.assertEqual(self.walden("finalize", "4"), "finalized through 4\n")
        self.assertEqual(self.walden("scan"), "")
        self.assertEqual(self.walden("flush"), "")
        self.assertIn("nothing to flush", self.stderr)
        self.walden("finalize", "99", code=5)
        self.assertIn("UNKNOWN_FLUSH", self.stderr)

    def test_what_a_flush_writes_can_be_put_again(self):
        self.walden("put", "b", "1", "a", "two")
        self.walden("put", stdin=b'{"key_base64": "/wA=", "value": "bytes"}\n{"key":"b","tombstone":true}\n')
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "flushed.json")
            summary = self.lines("flush", "--out", str(path), "--finalize")
            self.assertEqual(summary[0]["entry_count"], 4)
            self.assertEqual(summary[1], {"finalized_through": summary[0]["flush_id"]})
            self.assertEqual([p.name for p in pathlib.Path(folder).iterdir()], ["flushed.json"])
            flushed = path.read_bytes()
        self.assertEqual(self.walden("scan"), "")
        # Oldest first, so that the newest wins again.
        lines = sorted(flushed.splitlines(), key=lambda line: json.loads(line)["sequence"])
        self.walden("put", stdin=b"\n".join(lines), table=4)
        scanned = self.lines("scan", table=4)
        self.assertEqual([(e.get("key"), e["value"]) for e in scanned], [("a", "two"), (None, "bytes")])
        self.assertEqual(scanned[1]["key_base64"], "/wA=")

    def test_bad_input_names_its_line(self):
        for line, problem in (
            (b"nonsense", "not a JSON object"),
            (b'{"key":"k","color":1}', '"color" is no field'),
            (b'{"key":1}', '"key" is not a string'),
            (b'{"key_base64":"?"}', "not base64"),
        ):
            self.walden("put", stdin=b'{"key":"k"}\n' + line + b"\n", code=2)
            self.assertIn("line 2", self.stderr)
            self.assertIn(problem, self.stderr)
        self.walden("put", "lonely", code=2)
        self.assertEqual(self.walden("scan"), "")

    def test_a_wrong_kind_is_exit_code_5_and_describe_tells_the_kind(self):
        self.walden("append", "record", table=1)
        self.walden("put", "a", "1", table=1, code=5)
        self.assertIn("WRONG_TABLE_KIND", self.stderr)
        self.walden("put", "a", "1")
        out = run_walden("describe", "--address", self.daemon.address, "-r", str(self.region)).stdout.decode()
        self.assertRegex(out, r"1 +log +1 +2")
        self.assertRegex(out, r"3 +entries +2 +3")


if __name__ == "__main__":
    unittest.main()

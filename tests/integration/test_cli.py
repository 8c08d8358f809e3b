"""The command-line client against the real daemon: output for people and programs, exit codes."""

import base64
import datetime
import json
import pathlib
import signal
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from walden_daemon import (
    WALDEN,
    clean_environment,
    find_bytes,
    flip_byte,
    free_tcp_port,
    run_walden,
    small_segments,
)
from walden_testcase import SharedDaemonTestCase, WaldenTestCase

# The exit codes are part of the client's interface.
DONE, OTHER, USAGE, UNAVAILABLE, DATA_LOSS, PRECONDITION = 0, 1, 2, 3, 4, 5
RESOURCE_EXHAUSTED, NOT_FOUND, TIMEOUT = 6, 7, 8


class CliTestCase(SharedDaemonTestCase):
    config = small_segments()

    def setUp(self):
        self.region = self.fresh_region()

    def walden(self, *arguments, expect=DONE, stdin=None, environment=None):
        """Runs a command against the test's daemon; returns what it printed."""
        result = run_walden(
            *arguments,
            stdin=stdin,
            environment={"WALDEN_ADDRESS": self.daemon.address, **(environment or {})},
        )
        self.assertEqual(result.returncode, expect, result.stderr.decode(errors="replace"))
        self.last_error = result.stderr.decode(errors="replace")
        return result.stdout

    def walden_json(self, *arguments, **options):
        output = self.walden(*arguments, "--json", **options)
        return [json.loads(line) for line in output.splitlines()]

    def table(self, table=1):
        return ("--region", self.region, "--table", table)


class AppendTest(CliTestCase):
    def payloads(self, table=1):
        return [payload for _, payload in self.client.read(self.region, table).records]

    def test_records_from_arguments(self):
        output = self.walden("append", *self.table(), "hello", "world", "")
        self.assertIn(b"1..3", output)
        self.assertEqual(self.payloads(), [b"hello", b"world", b""])

    def test_records_from_a_pipe_by_line(self):
        self.walden("append", *self.table(), stdin=b"one\ntwo\n\nlast without newline")
        self.assertEqual(self.payloads(), [b"one", b"two", b"", b"last without newline"])

    def test_records_from_a_file_in_many_batches_keep_their_order(self):
        lines = [b"line %d" % i for i in range(10_000)]
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"\n".join(lines) + b"\n")
            file.flush()
            self.walden("append", *self.table(), "--file", file.name, "--batch-records", 7)
        self.assertEqual(self.payloads(), lines)

    def test_length_delimited_records_hold_any_bytes(self):
        records = [b"", b"\n\0\n", bytes(range(256)) * 100]
        stdin = b"".join(struct.pack(">I", len(record)) + record for record in records)
        self.walden("append", *self.table(), "--length-delimited", stdin=stdin)
        self.assertEqual(self.payloads(), records)
        output = self.walden("read", *self.table(), "--length-delimited")
        self.assertEqual(output, stdin)

    def test_a_cut_length_delimited_input_is_an_error(self):
        result = run_walden(
            "append", *self.table(), "--length-delimited", "--address", self.daemon.address,
            stdin=struct.pack(">I", 10) + b"abc",
        )
        self.assertNotEqual(result.returncode, DONE)
        self.assertEqual(self.payloads(), [])

    def test_json_tells_the_numbers_of_each_batch(self):
        lines = self.walden_json("append", *self.table(), "a", "b", "c", "--batch-records", 2)
        ranges = [line["tables"][0] for line in lines]
        self.assertEqual(
            [(x["first_sequence"], x["last_sequence"]) for x in ranges], [(1, 2), (3, 3)]
        )
        self.assertTrue(all(x["durable"] for x in lines))

    def test_the_same_producer_command_twice_stores_once(self):
        producer = self.walden("open-producer", *self.table()[:2]).decode().strip()
        command = (
            "append", *self.table(), "a", "b", "c", "--producer", producer, "--batch-records", 2
        )
        self.walden(*command)
        again = self.walden_json(*command)
        self.assertTrue(all(line["duplicate"] for line in again))
        self.assertEqual(self.payloads(), [b"a", b"b", b"c"])

    def test_an_unexpected_sequence_and_a_fenced_writer_exit_with_5(self):
        self.walden("append", *self.table(), "a", "--region-version", 5)
        self.walden("append", *self.table(), "x", "--expect-next", 9, expect=PRECONDITION)
        self.assertIn("SEQUENCE_MISMATCH", self.last_error)
        self.walden("append", *self.table(), "x", "--region-version", 4, expect=PRECONDITION)
        self.assertIn("FENCED", self.last_error)
        self.walden("append", *self.table(), "b", "--expect-next", 2, "--region-version", 5)
        self.assertEqual(self.payloads(), [b"a", b"b"])

    def test_a_record_over_the_limit_is_refused_with_the_limit(self):
        self.walden("append", *self.table(), stdin=b"x" * 600_000, expect=USAGE)
        self.assertIn("524288", self.last_error)
        self.assertEqual(self.payloads(), [])

    def test_buffered_appends_are_stored(self):
        self.walden("append", *self.table(), "a", "--buffered")
        self.assertEqual(self.payloads(), [b"a"])


class ReadTest(CliTestCase):
    def setUp(self):
        super().setUp()
        self.client.append(self.region, 1, [b"r%d" % i for i in range(1, 11)])

    def lines(self, *arguments):
        return self.walden("read", *self.table(), *arguments).splitlines()

    def test_bounds_and_limits(self):
        everything = [b"r%d" % i for i in range(1, 11)]
        self.assertEqual(self.lines(), everything)
        self.assertEqual(self.lines("--from", 3), everything[2:])
        self.assertEqual(self.lines("--after", 3), everything[3:])
        self.assertEqual(self.lines("--to", 3), everything[:3])
        self.assertEqual(self.lines("--before", 3), everything[:2])
        self.assertEqual(self.lines("--limit", 4), everything[:4])
        self.assertEqual(self.lines("--max-bytes", 3), everything[:2])
        self.assertEqual(self.lines("--show-sequence")[2], b"3\tr3")

    def test_reversed_bounds_are_a_usage_error(self):
        self.walden("read", *self.table(), "--from", 5, "--to", 3, expect=USAGE)

    def test_json_has_text_or_base64(self):
        self.client.append(self.region, 2, ["tekst żółty \"\\\n".encode(), b"\xff\0"])
        first, second = self.walden_json("read", *self.table(2))
        self.assertEqual(first["payload"], "tekst żółty \"\\\n")
        self.assertEqual(base64.b64decode(second["payload_base64"]), b"\xff\0")
        self.assertEqual((first["sequence"], second["sequence"]), (11, 12))

    def test_an_empty_table_prints_nothing(self):
        self.assertEqual(self.walden("read", *self.table(77)), b"")

    def test_a_reader_that_closes_the_pipe_ends_it_quietly(self):
        self.client.append(self.region, 3, [bytes(400_000)])
        for _ in range(20):
            self.client.append(self.region, 3, [b"x" * 400_000])
        with subprocess.Popen(
            [WALDEN, "read", *map(str, self.table(3)), "--address", self.daemon.address],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(),
        ) as process:
            process.stdout.read(1000)
            process.stdout.close()
            self.assertEqual(process.wait(20), 141)
            self.assertNotIn(b"Traceback", process.stderr.read())

    def test_mark_deleted_prints_the_mark(self):
        output = self.walden("mark-deleted", *self.table(), "--through", 4)
        self.assertIn(b"4", output)
        self.assertEqual(self.lines(), [b"r%d" % i for i in range(5, 11)])
        (answer,) = self.walden_json("mark-deleted", *self.table(), "--through", 2**64 - 1)
        (result,) = answer["results"]
        self.assertEqual((result["table_id"], result["position"]["deleted_through"]), (1, 10))

    def test_records_are_marked_by_their_age_for_several_tables(self):
        self.client.append(self.region, 2, [b"x"])
        tables = ("--region", self.region, "-t", 1, "-t", 2)
        self.walden("mark-deleted", *tables, "--older-than", "1h")
        self.assertEqual(len(self.lines()), 10)
        (answer,) = self.walden_json("mark-deleted", *tables, "--before", "2100-01-01T00:00:00Z")
        self.assertEqual([table["position"]["deleted_through"] for table in answer["results"]], [10, 11])

    def test_the_last_records_and_those_since_a_time(self):
        self.assertEqual(self.lines("--last", 2), [b"r9", b"r10"])
        self.assertEqual(len(self.lines("--since", "1h")), 10)
        self.assertEqual(self.lines("--since", "2100-01-01T00:00:00Z"), [])

    def test_fence_refuses_lower_versions(self):
        self.walden("fence", "--region", self.region, 7)
        self.walden("append", *self.table(), "x", "--region-version", 6, expect=PRECONDITION)
        self.walden("fence", "--region", self.region, 6, expect=PRECONDITION)
        self.assertEqual(len(self.lines()), 10)

    def test_tail_prints_the_last_records_and_new_ones_until_interrupted(self):
        with subprocess.Popen(
            [WALDEN, "tail", *map(str, self.table()), "-n", "2", "--address", self.daemon.address],
            stdout=subprocess.PIPE, env=clean_environment(),
        ) as process:
            watchdog = threading.Timer(30, process.kill)
            watchdog.start()
            self.assertEqual(process.stdout.readline(), b"r9\n")
            self.assertEqual(process.stdout.readline(), b"r10\n")
            self.client.append(self.region, 1, [b"new"])
            self.assertEqual(process.stdout.readline(), b"new\n")
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(20), DONE)
            watchdog.cancel()

    def test_tail_without_follow_ends(self):
        output = self.walden("tail", *self.table(), "-n", 3, "--no-follow")
        self.assertEqual(output.splitlines(), [b"r8", b"r9", b"r10"])


class RecoverTest(CliTestCase):
    def setUp(self):
        super().setUp()
        for i in range(5):
            self.client.append(self.region, 1, [b"a%d" % i])
            self.client.append(self.region, 2, [b"b%d" % i])
        self.client.mark_deleted(self.region, 1, 3)

    def test_everything_live_in_append_order(self):
        output = self.walden("recover", "--region", self.region)
        self.assertEqual(output.split(), b"b0 b1 a2 b2 a3 b3 a4 b4".split())

    def test_one_table(self):
        output = self.walden("recover", "--region", self.region, "--table", 1)
        self.assertEqual(output.split(), b"a2 a3 a4".split())

    def test_one_file_per_table(self):
        with tempfile.TemporaryDirectory() as folder:
            target = pathlib.Path(folder) / "out"
            self.walden("recover", "--region", self.region, "--output", target)
            files = {path.name: path.read_bytes() for path in target.iterdir()}
        self.assertEqual(files, {"table_1": b"a2\na3\na4\n", "table_2": b"b0\nb1\nb2\nb3\nb4\n"})

    def test_json_has_state_records_and_summary(self):
        lines = self.walden_json("recover", "--region", self.region)
        self.assertEqual(lines[0]["state"]["tables"][0]["position"]["deleted_through"], 3)
        self.assertEqual(len(lines), 10)
        self.assertEqual(lines[-1]["summary"]["record_count"], 8)


class AdminTest(CliTestCase):
    def setUp(self):
        super().setUp()
        self.client.append(self.region, 1, [b"x"] * 5)

    def test_namespaces_and_regions(self):
        (namespace,) = self.walden_json("namespaces")
        self.assertEqual((namespace["namespace_id"], namespace["name"]), (1, "default"))
        self.assertIn(b"default", self.walden("namespaces"))
        regions = {r["region_id"]: r["state"] for r in self.walden_json("regions")}
        self.assertEqual(regions[self.region], "STATE_OPEN")
        self.assertIn(str(self.region).encode(), self.walden("regions"))

    def test_regions_lists_what_an_open_region_holds_and_opens_no_closed_one(self):
        def listed():
            return {r["region_id"]: r for r in self.walden_json("regions")}[self.region]

        usage = listed()["usage"]
        self.assertEqual((usage["table_count"], usage["live_record_count"]), (1, 5))
        self.assertGreater(usage["live_bytes"], 0)
        self.assertGreaterEqual(usage["allocated_bytes"], usage["live_bytes"])
        oldest = datetime.datetime.fromisoformat(usage["oldest_append_time"]).timestamp()
        self.assertLessEqual(oldest, time.time())
        self.assertGreater(oldest, time.time() - 3600)
        self.walden("close", "--region", self.region)
        for _ in range(2):
            self.assertEqual(listed()["state"], "STATE_CLOSED")
            self.assertNotIn("usage", listed())

    def test_regions_fit_a_terminal(self):
        lines = self.walden("regions").decode().splitlines()
        self.assertIn("oldest", lines[0])
        for line in lines:
            self.assertLessEqual(len(line), 80)

    def test_describe(self):
        (described,) = self.walden_json("describe", "--region", self.region)
        self.assertEqual(described["state"]["tables"][0]["position"]["next_sequence"], 6)
        self.assertIn(b"seg_", self.walden("describe", "--region", self.region))
        (position,) = self.walden_json("describe", *self.table())
        self.assertEqual(position["next_sequence"], 6)

    def test_describing_a_region_that_does_not_exist_exits_with_7(self):
        self.walden("describe", "--region", 10**15, expect=NOT_FOUND)

    def test_reading_a_region_that_does_not_exist_exits_with_7_and_says_so(self):
        self.walden("read", "--region", 10**15, "--table", 1, expect=NOT_FOUND)
        self.assertIn("NOT_FOUND", self.last_error)
        self.assertIn(str(10**15), self.last_error)
        # A table that was never written, of a region that was.
        self.assertEqual(self.walden("read", *self.table(77)), b"")

    def test_numbers_that_a_double_cannot_hold_are_strings_in_json(self):
        region = 2**53 + 1
        self.client.append(region, 1, [b"x"])
        (described,) = self.walden_json("describe", "--region", region)
        self.assertEqual(described["info"]["region_id"], str(region))
        (described,) = self.walden_json("describe", "--region", self.region)
        self.assertEqual(described["info"]["region_id"], self.region)

    def test_a_namespace_is_given_by_id_or_by_name(self):
        by_id = self.walden("read", *self.table(), "--namespace", 1)
        self.assertEqual(by_id, b"x\n" * 5)
        self.assertEqual(self.walden("read", *self.table(), "--namespace", "default"), by_id)
        self.walden("read", *self.table(), "--namespace", "defualt", expect=NOT_FOUND)
        self.assertIn("did you mean default?", self.last_error)

    def test_status_is_one_screen(self):
        text = self.walden("status", "--interval", "10ms").decode()
        for part in ("SERVING", "appends", "reads", "default", "segment", "no problems"):
            self.assertIn(part, text)
        self.assertLess(len(text.splitlines()), 24)
        (status,) = self.walden_json("status", "--interval", "10ms")
        self.assertEqual(status["problems"], [])
        self.assertGreater(status["namespaces"][0]["allocated_bytes"], 0)

    def test_sync_close_and_stats(self):
        self.walden("sync", "--region", self.region)
        self.walden("close", "--region", self.region)
        (answer,) = self.walden_json("close", "--region", self.region)
        self.assertFalse(answer["was_open"])
        (statistics,) = self.walden_json("stats")
        self.assertGreater(statistics["appended_batch_count"], 0)
        self.assertIn(b"waldend", self.walden("stats"))
        (info,) = self.walden_json("info")
        self.assertEqual(info["limits"]["max_batch_bytes"], 512 * 1024)
        self.assertIn(b"most per batch", self.walden("info"))

    def test_verify_of_a_sound_region(self):
        lines = self.walden_json("verify", "--region", self.region)
        self.assertEqual(lines[-1]["summary"]["checked_record_count"], 5)
        self.walden("verify", "--region", self.region)

    def test_drop_needs_yes_without_a_terminal(self):
        self.walden("drop", "--region", self.region, expect=USAGE)
        self.assertEqual(len(self.client.read(self.region, 1).records), 5)
        self.walden("drop", "--region", self.region, "--yes")
        self.assertEqual(self.client.read(self.region, 1).records, [])

    def test_inspect_decodes_a_directory_offline(self):
        self.client.append(self.region, 7, [bytes(400_000)])
        self.client.append(self.region, 7, [bytes(400_000)])
        self.client.append(self.region, 7, [bytes(400_000)])
        self.client.close_region(self.region)
        output = run_walden("inspect", self.daemon.region_folder(self.region))
        self.assertEqual(output.returncode, DONE, output.stderr.decode())
        text = output.stdout.decode()
        self.assertIn("seg_0", text)
        self.assertIn("seg_1", text)

    def test_bench_is_bounded_and_leaves_nothing_behind(self):
        before = [r.region_id for r in self.client.list_regions()]
        output = self.walden("bench", "--seconds", 1)
        self.assertIn(b"p99", output)
        self.assertEqual([r.region_id for r in self.client.list_regions()], before)


class DamageTest(WaldenTestCase):
    def test_damage_is_told_and_exits_with_4(self):
        daemon = self.new_daemon(small_segments(recovery_policy="quarantine"))
        daemon.start()
        client = self.new_client(daemon)
        client.append(1, 1, [b"before"])
        client.append(1, 1, [b"needle in the middle"])
        client.append(1, 1, [b"after"])
        folder = daemon.region_folder(1)
        daemon.terminate()
        path = folder / "seg_0"
        flip_byte(path, find_bytes(path, b"needle in the middle") + 3)
        inspected = run_walden("inspect", folder)
        self.assertEqual(inspected.returncode, DATA_LOSS, inspected.stderr.decode())
        self.assertIn(b"seg_0", inspected.stdout)
        daemon.start()
        address = ("--address", daemon.address)
        read = run_walden("read", "-r", 1, "-t", 1, *address)
        self.assertEqual(read.returncode, DATA_LOSS)
        self.assertEqual(read.stdout, b"before\n")
        self.assertIn(b"CORRUPTION", read.stderr)
        self.assertEqual(
            run_walden("read", "-r", 1, "-t", 1, "--from", 3, *address).stdout, b"after\n"
        )
        self.assertEqual(run_walden("recover", "-r", 1, *address).returncode, DATA_LOSS)
        verified = run_walden("verify", "-r", 1, "--json", *address)
        self.assertEqual(verified.returncode, DATA_LOSS)
        finding = json.loads(verified.stdout.splitlines()[0])["finding"]
        self.assertEqual((finding["first_sequence"], finding["last_sequence"]), (2, 2))


class HealthTest(WaldenTestCase):
    def test_health_tells_a_daemon_that_serves_from_one_that_does_not(self):
        daemon = self.new_daemon()
        health = ("health", "--address", daemon.address)
        self.assertEqual(run_walden(*health).returncode, UNAVAILABLE)
        daemon.spawn()
        waited = run_walden(*health, "--wait", "60s")
        self.assertEqual((waited.returncode, waited.stdout), (DONE, b"SERVING\n"), waited.stderr)
        daemon.terminate()
        self.assertEqual(run_walden(*health).returncode, UNAVAILABLE)


class UsageTest(WaldenTestCase):
    COMMANDS = (
        "append", "read", "tail", "mark-deleted", "fence", "info", "recover", "namespaces", "regions",
        "describe", "verify", "sync", "close", "drop", "stats", "status", "health", "bench", "inspect",
    )

    def test_help_of_every_command_has_examples_and_exit_codes(self):
        overview = run_walden("--help").stdout.decode()
        for command in self.COMMANDS:
            with self.subTest(command):
                self.assertIn(command, overview)
                result = run_walden(command, "--help")
                self.assertEqual(result.returncode, DONE)
                text = result.stdout.decode()
                self.assertIn(f"walden {command}", text)
                self.assertIn("Exit codes", text)
                for line in text.splitlines():
                    self.assertLessEqual(len(line), 80, line)

    def test_usage_errors_exit_with_2(self):
        for arguments in (
            [], ["no-such-command"], ["append"], ["read", "--region", "1"],
            ["read", "-r", "x", "-t", "1"], ["read", "-r", "-1", "-t", "1"],
            ["read", "-r", 2**64, "-t", "1"], ["append", "-r", 1, "-t", 1, "--batch-records", 0, "x"],
        ):
            with self.subTest(arguments):
                self.assertEqual(run_walden(*arguments).returncode, USAGE)

    def test_an_unknown_word_is_named_with_what_it_may_mean(self):
        for arguments, message in (
            (["regoins"], b"unknown command regoins, did you mean regions?"),
            (["regions", "--jsn"], b"unknown option --jsn, did you mean --json?"),
            (["read", "--regoin", "1", "-t", "1"], b"unknown option --regoin, did you mean --region?"),
        ):
            with self.subTest(arguments):
                result = run_walden(*arguments)
                self.assertEqual(result.returncode, USAGE)
                self.assertIn(message, result.stderr)

    def test_no_daemon_exits_with_3_and_says_how_to_start_one(self):
        address = f"127.0.0.1:{free_tcp_port()}"
        result = run_walden("stats", "--address", address)
        self.assertEqual(result.returncode, UNAVAILABLE)
        self.assertIn(b"waldend", result.stderr)
        self.assertIn(address.encode(), result.stderr)

    def test_errors_as_json_are_json(self):
        result = run_walden("stats", "--json", "--address", f"127.0.0.1:{free_tcp_port()}")
        lines = (result.stdout + result.stderr).decode().splitlines()
        self.assertEqual(json.loads(lines[0])["error"]["code"], "UNAVAILABLE")


class RetryTest(WaldenTestCase):
    def test_an_append_that_retries_survives_kills_of_the_daemon(self):
        daemon = self.new_daemon(small_segments())
        daemon.start()
        lines = [b"line %d" % i for i in range(60_000)]
        with subprocess.Popen(
            [WALDEN, "append", "-r", "1", "-t", "1", "--batch-records", "20",
             "--retry-for", "30s", "--address", daemon.address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=clean_environment(),
        ) as process:
            def feed():
                process.stdin.write(b"\n".join(lines) + b"\n")
                process.stdin.close()

            feeder = threading.Thread(target=feed)
            feeder.start()
            for _ in range(3):
                time.sleep(0.15)
                daemon.crash_and_restart()
            code = process.wait(120)
            feeder.join()
            self.assertEqual(code, DONE, process.stderr.read().decode())
        client = self.new_client(daemon)
        self.assertEqual([payload for _, payload in client.read(1, 1).records], lines)


if __name__ == "__main__":
    unittest.main()

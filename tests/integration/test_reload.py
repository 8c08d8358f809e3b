"""SIGHUP under load, what the service manager is told, and how the daemon ends."""

import signal
import socket
import threading
import time
import unittest

from walden_client import WaldenError
from walden_daemon import small_segments
from walden_testcase import Code, WaldenTestCase


class ReloadTest(WaldenTestCase):
    def setUp(self):
        self.daemon = self.new_daemon(small_segments())
        self.daemon.start()
        self.client = self.new_client(self.daemon)
        self.stop = threading.Event()
        self.failures = []
        self.stored = 0
        self.load = threading.Thread(target=self.append_until_stopped)
        self.load.start()
        self.addCleanup(self.end_load)

    def append_until_stopped(self):
        with self.daemon.client() as client:
            while not self.stop.is_set():
                try:
                    client.append(9, 1, [b"load"])
                    self.stored += 1
                except WaldenError as failure:
                    self.failures.append(failure)

    def end_load(self):
        self.stop.set()
        self.load.join()

    def reload(self, config, expected):
        """Sends SIGHUP and waits for a new line of the log."""
        before = len(self.daemon.log_text())
        self.daemon.configure(config)
        self.daemon.signal(signal.SIGHUP)
        self.eventually(lambda: expected in self.daemon.log_text()[before:], expected)
        time.sleep(0.1)
        return self.daemon.log_text()[before:]

    def test_what_can_be_taken_over_holds_at_once_and_the_rest_is_named(self):
        config = small_segments(disk_quota="64MiB", durability="buffered")
        config["log"] = {"level": "debug"}
        config["threads"] = {"workers": 3}
        log = self.reload(config, "configuration reloaded")
        self.assertRegex(log, r"setting taken over field=log.level old=info new=debug")
        self.assertRegex(
            log, r"setting taken over field=namespaces\[default\].disk_quota old=0B new=64MiB"
        )
        self.assertRegex(log, r"setting needs a restart field=threads.workers old=0 new=3")
        self.assertRegex(log, r"needs a restart field=namespaces\[default\].durability old=sync")
        self.assertRegex(log, r"configuration reloaded taken_over=2 need_restart=2")
        self.client.append(1, 1, [b"x"])
        self.assertEqual(self.client.describe_region(1).namespace_disk_quota_bytes, 64 << 20)
        self.client.close_region(1)
        self.assertIn("region closed", self.daemon.log_text())  # told at level debug only

    def test_a_broken_file_changes_nothing_and_every_problem_is_logged(self):
        self.daemon.config_file.write_text("limits:\n  max_calls: many\nlogg:\n  level: debug\n")
        before = len(self.daemon.log_text())
        self.daemon.signal(signal.SIGHUP)
        self.eventually(
            lambda: self.daemon.log_text()[before:].count("nothing was changed") == 2, "two problems"
        )
        log = self.daemon.log_text()[before:]
        self.assertIn("limits.max_calls", log)
        self.assertIn("logg", log)
        self.assertNotIn("configuration reloaded", log)
        self.client.append(1, 1, [b"served on"])

    def test_what_does_not_fit_a_setting_that_needs_a_restart_changes_nothing(self):
        self.end_load()
        self.daemon.terminate()
        self.daemon.configure(small_segments(segment_size="4MiB"))
        self.daemon.start()
        # As a whole it is sound: but segments stay at 4 MiB until a restart.
        config = small_segments(segment_size="1MiB", disk_quota="4MiB")
        log = self.reload(config, "nothing was changed")
        self.assertIn("disk_quota is 4MiB and must be 0 or at least twice segment_size (8MiB)", log)
        self.assertNotIn("configuration reloaded", log)
        self.client.append(1, 1, [b"x"])
        self.assertEqual(self.client.describe_region(1).namespace_disk_quota_bytes, 0)

    def test_reloading_again_and_again_under_load_disturbs_nobody(self):
        for i in range(20):
            config = small_segments(retention_records=1000 + i)
            config["limits"]["max_connections"] = 100 + i
            self.reload(config, "configuration reloaded")
        stored = self.stored
        self.eventually(lambda: self.stored > stored, "the load goes on")
        self.end_load()
        self.assertEqual(self.failures, [])

    def test_a_limit_on_calls_that_is_reloaded_holds(self):
        config = small_segments()
        config["limits"]["max_calls"] = 1
        self.client.append(1, 1, [b"x"])
        self.end_load()
        follower = self.client.open_read(1, 1, follow=True)
        next(iter(follower))
        self.reload(config, "configuration reloaded")
        with self.assert_refused(Code.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS"):
            self.client.append(1, 1, [b"x"])
        config["limits"]["max_calls"] = 0
        self.reload(config, "configuration reloaded")
        self.client.append(1, 1, [b"x"])
        follower.cancel()


class ServiceManagerTest(WaldenTestCase):
    def start(self, abstract=False):
        self.daemon = self.new_daemon(small_segments())
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.settimeout(20)
        path = str(self.daemon.folder / "notify")
        self.socket.bind("\0" + path if abstract else path)
        self.daemon.environment = {"NOTIFY_SOCKET": "@" + path if abstract else path}
        self.daemon.start()

    def receive(self, wanted):
        """The first message with a line that begins so, as a dict of its lines."""
        while True:
            lines = self.socket.recv(4096).decode().splitlines()
            message = dict(line.split("=", 1) for line in lines)
            if wanted in message:
                return message

    def test_it_is_told_when_the_daemon_serves_reloads_and_stops(self):
        self.start()
        ready = self.receive("READY")
        self.assertEqual(ready["READY"], "1")
        self.assertIn("serving 0 regions", ready["STATUS"])
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.daemon.signal(signal.SIGHUP)
        reloading = self.receive("RELOADING")
        self.assertGreaterEqual(int(reloading["MONOTONIC_USEC"]), now)
        self.assertEqual(self.receive("READY")["READY"], "1")
        self.daemon.signal(signal.SIGTERM)
        self.assertEqual(self.receive("STOPPING")["STOPPING"], "1")
        self.assertGreater(int(self.receive("EXTEND_TIMEOUT_USEC")["EXTEND_TIMEOUT_USEC"]), 10_000_000)
        self.assertEqual(self.daemon.wait_exit().code, 0)

    def test_an_abstract_socket_is_told_too(self):
        self.start(abstract=True)
        self.assertEqual(self.receive("READY")["READY"], "1")

    def test_a_manager_that_is_not_there_is_a_warning_and_nothing_more(self):
        daemon = self.new_daemon()
        daemon.environment = {"NOTIFY_SOCKET": str(daemon.folder / "nobody")}
        daemon.start()
        self.assertIn("service manager not notified", daemon.log_text())
        self.new_client(daemon).append(1, 1, [b"x"])


class EndTest(WaldenTestCase):
    def start_with_a_stuck_reader(self, drain_timeout):
        """Returns the daemon and a Read whose client takes nothing of it."""
        daemon = self.new_daemon({**small_segments(), "shutdown": {"drain_timeout": drain_timeout}})
        daemon.start()
        client = self.new_client(daemon)
        for _ in range(40):
            client.append(1, 1, [bytes(400_000)])
        stuck = client.open_read(1, 1)
        self.addCleanup(stuck.cancel)
        return daemon, stuck

    def test_sigterm_with_a_client_that_is_stuck_ends_in_time_with_code_0(self):
        daemon, _ = self.start_with_a_stuck_reader("1s")
        idle = socket.socket(socket.AF_UNIX)
        self.addCleanup(idle.close)
        idle.connect(str(daemon.socket))
        daemon.signal(signal.SIGTERM)
        end = daemon.wait_exit()
        self.assertEqual(end.code, 0)
        self.assertLess(end.seconds, 15)

    def test_a_second_signal_ends_it_at_once_with_its_number(self):
        daemon, stuck = self.start_with_a_stuck_reader("60s")
        next(iter(stuck))
        daemon.signal(signal.SIGTERM)
        self.eventually(lambda: "shutting down" in daemon.log_text(), "it drains")
        daemon.signal(signal.SIGHUP)  # a reload has nothing to change any more
        time.sleep(0.2)
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_exit().code, 128 + signal.SIGTERM)

    def test_a_drain_timeout_that_was_reloaded_holds(self):
        daemon, _ = self.start_with_a_stuck_reader("60s")
        daemon.configure({**small_segments(), "shutdown": {"drain_timeout": "500ms"}})
        daemon.signal(signal.SIGHUP)
        self.eventually(lambda: "configuration reloaded" in daemon.log_text(), "reloaded")
        daemon.signal(signal.SIGTERM)
        self.assertLess(daemon.wait_exit().seconds, 20)


if __name__ == "__main__":
    unittest.main()

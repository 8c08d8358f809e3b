"""Starting, listening, shutting down, and two daemons that want the same directory."""

import json
import os
import signal
import threading
import time
import unittest

import grpc

from walden_client import BUFFERED, Client, WaldenError, append_request, error_from_rpc
from walden_daemon import ANY_PORT, free_tcp_port, run_waldend, small_segments
from walden_testcase import Code, WaldenTestCase


class ListenTest(WaldenTestCase):
    def test_unix_socket_and_tcp_serve_the_same_log_at_once(self):
        daemon = self.new_daemon()
        addresses = [daemon.address, f"127.0.0.1:{free_tcp_port()}", f"127.0.0.1:{free_tcp_port()}"]
        daemon.configure({"listen": addresses})
        daemon.start()
        clients = [Client(address) for address in addresses]
        for client in clients:
            self.addCleanup(client.close)
        expected = []
        for client in clients:
            expected += self.append_numbered(client, 1, 1, 3)
        for client in clients:
            self.assertEqual(client.read(1, 1).records, expected)

    def test_an_address_in_use_is_a_clear_refusal_to_start(self):
        first = self.new_daemon()
        address = f"127.0.0.1:{free_tcp_port()}"
        first.configure({"listen": [first.address, address]})
        first.start()
        result = run_waldend(
            "--data-dir", first.folder / "other", "--listen", address,
            environment={"WALDEN_METRICS_LISTEN": ANY_PORT},
        )
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(address, result.stderr.decode())

    def test_a_socket_left_by_a_killed_daemon_does_not_keep_the_next_from_starting(self):
        daemon = self.new_daemon()
        daemon.start()
        daemon.kill()
        self.assertTrue(daemon.socket.exists())
        daemon.start()

    def test_command_line_options_serve_without_a_configuration_file(self):
        daemon = self.new_daemon()
        daemon.use_embedded_default()
        daemon.start()
        self.new_client(daemon).append(1, 1, [b"x"])
        self.assertTrue(daemon.region_folder(1).is_dir())

    def test_the_start_up_line_says_what_was_recovered(self):
        daemon = self.new_daemon({"log": {"format": "json"}})
        daemon.start()
        client = self.new_client(daemon)
        self.append_numbered(client, 1, 1, 7)
        daemon.restart()
        lines = [json.loads(line) for line in daemon.log_text().splitlines()]
        text = daemon.log_text()
        self.assertTrue(lines)
        self.assertIn("segment", text)
        self.assertIn(str(daemon.data), text)

    def test_version_is_printed(self):
        result = run_waldend("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout.decode(), r"\d+\.\d+\.\d+")


class LockTest(WaldenTestCase):
    def test_a_second_daemon_on_the_same_directory_says_who_holds_it(self):
        daemon = self.new_daemon()
        daemon.start()
        # Also if it wants the port of the first one's metrics, too.
        for port in (ANY_PORT, daemon.metrics_address()):
            second = run_waldend(
                "--data-dir", daemon.data, "--listen", f"unix:{daemon.folder}/second.sock",
                environment={"WALDEN_METRICS_LISTEN": port},
            )
            message = second.stderr.decode()
            self.assertNotEqual(second.returncode, 0)
            self.assertIn(str(daemon.process.pid), message)
            self.assertIn(str(daemon.data), message)
        client = self.new_client(daemon)
        client.append(1, 1, [b"the first one is not disturbed"])

    def test_the_lock_of_a_killed_daemon_is_free(self):
        daemon = self.new_daemon()
        for _ in range(3):
            daemon.start()
            daemon.kill()


class ShutdownTest(WaldenTestCase):
    def setUp(self):
        self.daemon = self.new_daemon(small_segments())
        self.daemon.start()
        self.client = self.new_client(self.daemon)

    def test_sigint_ends_it_as_sigterm_does(self):
        self.client.append(1, 1, [b"x"])
        self.daemon.signal(signal.SIGINT)
        self.assertEqual(self.daemon.wait_exit().code, 0)

    def test_everything_in_flight_is_answered(self):
        calls, stop = [], threading.Event()

        def produce(table):
            while not stop.is_set() and len(calls) < 100_000:
                request = append_request(1, table, [b"%d" % table] * 3)
                calls.append((table, self.client.wal.Append.future(request, timeout=30)))
                if len(calls) % 64 == 0:
                    time.sleep(0.002)

        producers = [threading.Thread(target=produce, args=(table,)) for table in range(4)]
        for producer in producers:
            producer.start()
        self.eventually(lambda: len(calls) > 500, "load")
        end = self.daemon.terminate()
        stop.set()
        for producer in producers:
            producer.join()
        self.assertLess(end.seconds, 15)
        acknowledged = set()
        for table, call in calls:
            try:
                answer = call.result()
                acknowledged.add((table, answer.tables[0].first_sequence))
            except grpc.RpcError as error:
                # CANCELLED is gRPC's own, for calls that reached the process but not Walden.
                self.assertIn(error.code(), (Code.UNAVAILABLE, Code.CANCELLED), error)
        self.assertTrue(acknowledged)
        self.daemon.start()
        client = self.new_client(self.daemon)
        recovered = client.recover(1).records
        stored = {(table, sequence) for table, sequence, _ in recovered}
        self.assertLessEqual(acknowledged, stored)
        # A refusal that had reached Walden stored nothing; one that met a closed door neither.
        self.assertEqual(len(recovered), 3 * len(acknowledged))

    def test_a_stream_gets_an_answer_for_everything_that_took_effect(self):
        producer = self.client.open_producer(1)
        stream = self.client.append_stream()
        for i in range(2000):
            stream.send(append_request(1, 1, [b"%d" % i], producer=(producer, i + 1)))
        answers = []

        def collect():
            try:
                for _, answer in stream.answers():
                    answers.append(answer)
            except WaldenError as error:
                answers.append(error)

        collector = threading.Thread(target=collect)
        collector.start()
        self.eventually(lambda: len(answers) > 100, "the stream is busy")
        self.daemon.terminate()
        collector.join(20)
        self.assertFalse(collector.is_alive())
        good = [a for a in answers if not isinstance(a, WaldenError)]
        self.daemon.start()
        client = self.new_client(self.daemon)
        records = client.read(1, 1).records
        self.assertEqual([p for _, p in records], [b"%d" % i for i in range(len(records))])
        self.assertEqual(len(records), len(good))

    def test_followers_end_with_unavailable(self):
        records = self.append_numbered(self.client, 1, 1, 3)
        stream = self.client.open_read(1, 1, follow=True)
        received = []
        with self.assert_refused(Code.UNAVAILABLE, "SHUTTING_DOWN"):
            for record in stream:
                received.append(record)
                if len(received) == 3:
                    self.daemon.signal(signal.SIGTERM)
        self.assertEqual(received, records)
        self.assertEqual(self.daemon.wait_exit().code, 0)

    def test_buffered_records_are_there_after_a_graceful_stop(self):
        expected = []
        for _ in range(25):
            expected += self.append_numbered(self.client, 1, 1, 1, durability=BUFFERED)
        self.daemon.restart()
        self.assertEqual(self.new_client(self.daemon).read(1, 1).records, expected)

    def test_a_clean_stop_is_a_clean_opening(self):
        self.append_numbered(self.client, 1, 1, 100)
        self.daemon.restart()
        opening = self.new_client(self.daemon).recover(1).state.opening
        self.assertEqual(opening.outcome, opening.OUTCOME_CLEAN)
        self.assertEqual(opening.torn_tail_bytes, 0)

    def test_a_client_that_does_not_read_cannot_hold_the_daemon(self):
        self.daemon.configure({"shutdown": {"drain_timeout": "1s"}, **small_segments()})
        self.daemon.restart()
        client = self.new_client(self.daemon)
        for _ in range(40):
            client.append(1, 1, [bytes(400_000)])
        stuck = client.open_read(1, 1)
        end = self.daemon.terminate()
        self.assertLess(end.seconds, 15)
        stuck.cancel()

    def test_nothing_is_left_behind_by_a_stop(self):
        self.client.append(1, 1, [b"x"])
        self.daemon.terminate()
        names = sorted(os.listdir(self.daemon.folder))
        self.assertNotIn("sock", names)

    def test_calls_after_the_stop_are_unavailable(self):
        self.daemon.terminate()
        with self.assertRaises(grpc.RpcError) as caught:
            self.client.wal.Append(append_request(1, 1, [b"x"]), timeout=10)
        self.assertEqual(error_from_rpc(caught.exception).code, Code.UNAVAILABLE)


if __name__ == "__main__":
    unittest.main()

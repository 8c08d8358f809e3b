"""The commands and probes that the files in deploy/ hold, done to a real daemon."""

import contextlib
import os
import signal
import subprocess
import unittest

from deploy_files import COMPOSE, Pod, load
from walden_daemon import BIN_DIR, clean_environment
from walden_testcase import WaldenTestCase

TABLE = (1, 1)  # region and table of the example applications


@contextlib.contextmanager
def running(command, daemon):
    """The command of a neighbour's container, beside the daemon. Nothing of it outlives the block."""
    environment = clean_environment({
        "WALDEN_ADDRESS": daemon.address,
        "PATH": f"{BIN_DIR}:{os.environ['PATH']}",
    })
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class NeighbourTest(WaldenTestCase):
    def commands(self):
        compose = load(COMPOSE / "docker-compose.yaml")["services"]["example"]
        return {
            "kubernetes": Pod().container("application")["command"],
            "compose": compose["entrypoint"] + compose["command"],
        }

    def test_the_example_applications_append_and_end_when_they_are_told_to(self):
        for name, command in self.commands().items():
            with self.subTest(name):
                daemon = self.new_daemon()
                daemon.start()
                client = self.new_client(daemon)
                with running(command, daemon) as application:
                    self.eventually(lambda: client.read(*TABLE).records, "the first record")
                    application.send_signal(signal.SIGTERM)
                    application.wait(30)
                (sequence, payload), *_ = client.read(*TABLE).records
                self.assertEqual(sequence, 1)
                self.assertRegex(payload.decode(), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

    def test_an_application_begins_when_walden_serves(self):
        daemon = self.new_daemon()
        with running(Pod().container("wait-for-walden")["command"], daemon) as waiting:
            with self.assertRaises(subprocess.TimeoutExpired):
                waiting.wait(0.5)
            daemon.start()
            self.assertEqual(waiting.wait(60), 0)


if __name__ == "__main__":
    unittest.main()

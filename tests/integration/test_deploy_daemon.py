"""The commands and probes that the files in deploy/ hold, done to a real daemon."""

import contextlib
import hashlib
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request

import yaml

from deploy_files import COMPOSE, Image, Pod, Unit, load
from walden_daemon import BIN_DIR, clean_environment, free_tcp_port, run_walden, run_waldend
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


class Secrets:
    """A certificate, its key and identities, for where the files in deploy/ name theirs."""

    NAMES = ("certificate_file", "key_file", "identities_file")

    def __init__(self, folder):
        self.files = {name: pathlib.Path(folder) / name for name in self.NAMES}
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=walden", "-addext", "subjectAltName=DNS:walden",
             "-keyout", self.files["key_file"], "-out", self.files["certificate_file"]],
            check=True, capture_output=True)
        self.files["identities_file"].write_text(yaml.safe_dump([{
            "name": "application",
            "token_sha256": hashlib.sha256(b"a token for a test").hexdigest(),
            "rules": [{"namespace": "*", "regions": "*", "rights": ["append", "read"]}],
        }]))
        self.files["key_file"].chmod(0o600)

    def in_place_of(self, named):
        """`named` holds settings or variables; paths of secrets become paths of these files."""
        replaced = {}
        for key, value in named.items():
            known = [name for name in self.NAMES if key.lower().endswith(name)]
            if isinstance(value, dict):
                replaced[key] = self.in_place_of(value)
            else:
                replaced[key] = str(self.files[known[0]]) if known else value
        return replaced


class ConfigurationTest(WaldenTestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="walden-deploy-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.secrets = Secrets(self.folder)

    def check(self, config, environment=None):
        """What `waldend --check-config` says of it, with this test's folder for the directories of
        sockets and data."""
        file = self.folder / "waldend.yaml"
        file.write_text(self._here(yaml.safe_dump(self.secrets.in_place_of(config))))
        variables = self.secrets.in_place_of(environment or {})
        return run_waldend("--check-config", "--config", file,
                           environment={name: self._here(value) for name, value in variables.items()})

    def _here(self, text):
        for elsewhere in ("/run/walden", "/var/lib/walden"):
            text = text.replace(elsewhere, str(self.folder))
        return text

    def assert_good(self, config, environment=None):
        checked = self.check(config, environment)
        self.assertEqual(checked.returncode, 0, checked.stderr.decode())

    def test_the_daemon_takes_every_configuration(self):
        image = Image()
        files = {
            "image": image.copied_from(image.config_file),
            "kubernetes": Pod().config_file,
            "kubernetes, secured": Pod("secured").config_file,
        }
        for name, file in files.items():
            with self.subTest(name):
                self.assert_good(load(file))

    def test_the_daemon_takes_the_variables_of_compose_and_systemd(self):
        image = Image()
        config = load(image.copied_from(image.config_file))
        compose = load(COMPOSE / "docker-compose.secured.yaml")["services"]["walden"]
        environments = {
            "image": image.environment,
            "compose": {**image.environment, **compose["environment"]},
            "systemd": Unit("waldend.service").environment,
            "systemd with TLS": {**Unit("waldend.service").environment,
                                 **Unit("tls.conf").environment},
        }
        for name, environment in environments.items():
            with self.subTest(name):
                self.assert_good(config, environment)


class ProbesTest(WaldenTestCase):
    """The sidecar's probes, performed as the kubelet performs them."""

    def setUp(self):
        pod = Pod()
        self.container = pod.walden
        self.grace_seconds = pod.spec["terminationGracePeriodSeconds"]
        self.port = free_tcp_port()  # where the pod has the container's port "metrics"
        self.daemon = self.new_daemon({
            "metrics": {"listen": [f"127.0.0.1:{self.port}"]},
            "shutdown": {"drain_timeout": "5s"},
        })

    def status(self, kind):
        """The probe's HTTP status; 0 if nobody answers."""
        probe = self.container[f"{kind}Probe"]
        self.assertEqual(probe["httpGet"]["port"], "metrics")
        url = f"http://127.0.0.1:{self.port}{probe['httpGet']['path']}"
        try:
            with urllib.request.urlopen(url, timeout=probe.get("timeoutSeconds", 1)) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def passes(self, kind):
        return 200 <= self.status(kind) < 400

    def start_as_the_kubelet_does(self):
        """Startup probe until it passes, then the two others."""
        self.daemon.spawn()
        startup = self.container["startupProbe"]
        patience = startup["periodSeconds"] * startup["failureThreshold"]

        def has_started():
            self.assertIsNone(self.daemon.process.poll(), self.daemon.log_text())
            return self.passes("startup")

        self.eventually(has_started, "the startup probe passes", patience)
        self.assertTrue(self.passes("liveness"))
        self.eventually(lambda: self.passes("readiness"), "the readiness probe passes", 60)

    def test_a_pod_becomes_ready_when_it_serves(self):
        self.assertEqual(self.status("startup"), 0)
        self.start_as_the_kubelet_does()
        asked = run_walden("health", "--address", self.daemon.address)
        self.assertEqual(asked.returncode, 0, asked.stderr)

    def test_a_pod_that_is_told_to_stop_is_not_ready_but_lives_until_it_has_ended(self):
        self.start_as_the_kubelet_does()
        client = self.new_client(self.daemon)
        for _ in range(40):
            client.append(*TABLE, [bytes(400_000)])
        busy = client.open_read(*TABLE)  # a call that goes on, for its answers are not read
        self.addCleanup(busy.cancel)
        self.daemon.signal(signal.SIGTERM)
        self.eventually(lambda: not self.passes("readiness"), "the readiness probe fails")
        self.assertEqual(self.status("readiness"), 503)
        self.assertEqual(self.status("liveness"), 200)
        end = self.daemon.wait_exit(self.grace_seconds)
        self.assertEqual(end.code, 0)
        self.assertEqual(self.status("liveness"), 0)

    def test_a_daemon_that_hangs_fails_the_liveness_probe(self):
        self.start_as_the_kubelet_does()
        self.daemon.signal(signal.SIGSTOP)
        # Its threads go on until one of them has taken the signal.
        status = pathlib.Path(f"/proc/{self.daemon.process.pid}/status")
        self.eventually(lambda: "State:\tT" in status.read_text(), "it is stopped")
        self.assertFalse(self.passes("liveness"))
        self.daemon.signal(signal.SIGCONT)
        self.eventually(lambda: self.passes("liveness"), "it lives again")


if __name__ == "__main__":
    unittest.main()

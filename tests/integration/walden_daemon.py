"""Starts, stops and kills the real daemon, and looks at what it keeps on disk.

Environment:
  WALDEN_TEST_BIN_DIR  folder with waldend and walden; the repository's build/release/bin when unset
  WALDEN_TEST_ENGINE   engine of namespaces that a test configures without one

A daemon never outlives the test process: the kernel kills it when the thread that started it ends.
"""

import contextlib
import dataclasses
import http.client
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from walden_client import Client
from walden_stubs import REPOSITORY, health_pb2

BIN_DIR = pathlib.Path(os.environ.get("WALDEN_TEST_BIN_DIR", REPOSITORY / "build/release/bin"))
WALDEND = BIN_DIR / "waldend"
WALDEN = BIN_DIR / "walden"

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 60.0
ANY_PORT = "127.0.0.1:0"  # so that daemons that run at once do not collide
_POLL_SECONDS = 0.002


def clean_environment(extra=None):
    """This process's environment without settings meant for a daemon, plus `extra`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WALDEN_")}
    environment.update(extra or {})
    return environment


def free_tcp_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening_addresses(pid):
    """Every "127.0.0.1:port" that the process listens on, as the kernel tells."""
    sockets = set()
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                sockets.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    addresses = []
    with open("/proc/net/tcp", encoding="ascii") as table:
        for fields in map(str.split, list(table)[1:]):
            is_listening = fields[3] == "0A"
            if is_listening and f"socket:[{fields[9]}]" in sockets:
                addresses.append(f"127.0.0.1:{int(fields[1].split(':')[1], 16)}")
    return addresses


def _yaml(value, indent=0):
    """Block-style YAML of nested dicts, lists and plain scalars."""
    pad = "  " * indent
    lines = []
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (dict, list)):
                lines.append(f"{pad}{key}:")
                lines.append(_yaml(item, indent + 1))
            else:
                lines.append(f"{pad}{key}: {item}")
    else:
        for item in value:
            if isinstance(item, dict):
                body = _yaml(item, indent + 1)
                lines.append(f"{pad}- {body.lstrip()}")
            else:
                lines.append(f"{pad}- {item}")
    return "\n".join(lines)


def _with_engine(config):
    """WALDEN_TEST_ENGINE, where it is set, is the engine of every namespace that names none."""
    engine = os.environ.get("WALDEN_TEST_ENGINE")
    if not engine:
        return config
    namespaces = config.get("namespaces", [{"id": 1, "name": "default"}])
    return {**config, "namespaces": [{"engine": engine, **namespace} for namespace in namespaces]}


def small_segments(**settings):
    """A configuration with 1 MiB segments, so that a little data crosses many of them."""
    return {
        "limits": {"max_batch_bytes": "512KiB", "max_payload_bytes": "512KiB"},
        "namespaces": [{"id": 1, "name": "default", "segment_size": "1MiB", **settings}],
    }


def small_rocksdb(**settings):
    """A configuration whose namespace is in RocksDB, with buffers of 1 MiB."""
    sizes = {"rocksdb_write_buffer_size": "1MiB", "rocksdb_max_wal_size": "4MiB"}
    sizes.update({"rocksdb_reclaim_size": "1MiB", "rocksdb_reserve_size": "1MiB"})
    return {
        "namespaces": [{"id": 1, "name": "default", "engine": "rocksdb", **sizes, **settings}],
    }


@dataclasses.dataclass
class Exit:
    code: int  # negative: the signal that ended it
    seconds: float


class Daemon:
    """One waldend with its own folder: configuration, socket, data and log.

    `config` is merged over {listen: the unix socket, data_dir: folder/data, metrics: a free port}. Not
    thread-safe; start() belongs on a thread that lives as long as the daemon shall.
    """

    def __init__(self, config=None, folder=None, environment=None):
        self._own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="walden-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.socket = self.folder / "sock"
        self.address = f"unix:{self.socket}"
        self.log = self.folder / "waldend.log"
        self.config_file = self.folder / "waldend.yaml"
        self.environment = environment or {}
        self.fails_past_file_size = False  # take limit_file_size() as write errors
        self.wrapper = []  # a command that runs the rest of its command line in its own process
        self.process = None
        self.configure(config or {})

    def configure(self, config):
        """Takes effect at the next start."""
        settings = {"listen": [self.address], "data_dir": str(self.data), **_with_engine(config)}
        settings["metrics"] = {"listen": [ANY_PORT], **settings.get("metrics", {})}
        self.config_file.write_text(_yaml(settings) + "\n")
        self._command = ("--config", str(self.config_file))

    def use_embedded_default(self):
        """No configuration file: only where to listen and to keep data, by options."""
        self._command = ("--data-dir", str(self.data), "--listen", self.address)
        self.environment = {**self.environment, "WALDEN_METRICS_LISTEN": ANY_PORT}

    def use_environment_only(self):
        """Neither file nor options, as a container may be set up."""
        self._command = ()
        self.environment = {"WALDEN_DATA_DIR": str(self.data), "WALDEN_LISTEN": self.address}
        self.environment["WALDEN_METRICS_LISTEN"] = ANY_PORT

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.discard()

    # --- Life and death

    def spawn(self):
        """Starts the process and does not wait for it."""
        if self.process is not None:
            raise AssertionError("the daemon is running already")
        command = [*self.wrapper, str(WALDEND), *self._command]
        setpriv = shutil.which("setpriv")
        if setpriv:
            command = [setpriv, "--pdeathsig", "KILL", *command]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_environment(self.environment),
                # Python ignores SIGXFSZ, and so does the daemon if that is not restored: then a write
                # past limit_file_size() fails as one to a bad disk does.
                restore_signals=not self.fails_past_file_size,
            )

    def start(self, scanned=True):
        """Starts the daemon and waits until it serves and, unless `scanned` is False, has looked at
        every region. Returns the seconds that took."""
        begin = time.monotonic()
        self._log_begin = self.log.stat().st_size if self.log.exists() else 0
        self.spawn()
        self.wait_ready()
        if scanned:
            self._wait_scanned()
        return time.monotonic() - begin

    def _wait_scanned(self, timeout=START_TIMEOUT_SECONDS):
        deadline = time.monotonic() + timeout
        while b"every region was scanned" not in self.log.read_bytes()[self._log_begin :]:
            self._check_alive()
            if time.monotonic() > deadline:
                raise AssertionError(f"regions are not scanned after {timeout} s\n{self.log_text()}")
            time.sleep(_POLL_SECONDS)

    def wait_ready(self, timeout=START_TIMEOUT_SECONDS):
        """Waits until grpc.health.v1 says SERVING."""
        deadline = time.monotonic() + timeout
        while not self._socket_accepts():
            self._check_alive()
            if time.monotonic() > deadline:
                raise AssertionError(f"waldend does not listen after {timeout} s\n{self.log_text()}")
            time.sleep(_POLL_SECONDS)
        with self.client(timeout=timeout) as client:
            while client.health_status() != health_pb2.HealthCheckResponse.SERVING:
                self._check_alive()
                if time.monotonic() > deadline:
                    raise AssertionError(f"waldend is not SERVING after {timeout} s")
                time.sleep(_POLL_SECONDS)

    def _socket_accepts(self):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
                return True
            except OSError:
                return False

    def _check_alive(self):
        code = self.process.poll()
        if code is not None:
            self.process = None
            raise AssertionError(f"waldend ended with {code} while starting\n{self.log_text()}")

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, timeout=STOP_TIMEOUT_SECONDS):
        begin = time.monotonic()
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"waldend still runs after {timeout} s\n{self.log_text()}") from None
        self.process = None
        return Exit(code, time.monotonic() - begin)

    def kill(self):
        """SIGKILL, and waits until the process is gone."""
        self.signal(signal.SIGKILL)
        return self.wait_exit()

    def terminate(self):
        """SIGTERM; the daemon must end by itself, with code 0."""
        self.signal(signal.SIGTERM)
        end = self.wait_exit()
        if end.code != 0:
            raise AssertionError(f"waldend ended with {end.code} after SIGTERM\n{self.log_text()}")
        return end

    def restart(self):
        self.terminate()
        return self.start()

    def crash_and_restart(self):
        self.kill()
        return self.start()

    def discard(self):
        """Kills the daemon if it runs and removes its folder if it made it.

        A daemon that has ended by itself is an error: nothing that a client does may end it.
        """
        code = self.process.poll() if self.process is not None else None
        if self.process is not None and code is None:
            self.kill()
        log = self.log_text()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        if code is not None:
            raise AssertionError(f"waldend ended by itself with {code}\n{log[-5000:]}")

    def limit_file_size(self, size_bytes=None):
        """Writes past `size_bytes` fail from now on; None lifts that. Needs fails_past_file_size."""
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        soft = hard if size_bytes is None else size_bytes
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (soft, hard))

    # --- Looking at it

    def client(self, **options):
        return Client(self.address, **options)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def metrics_address(self):
        """host:port where HTTP is served: it is before the log says where. None before that.

        Of a daemon that serves gRPC over TCP too, only once it serves.
        """
        listening = listening_addresses(self.process.pid)
        logged = re.findall(r'metrics["=: ]+(127\.0\.0\.1:\d+)', self.log_text())
        if logged and logged[-1] in listening:
            return logged[-1]
        return listening[0] if len(listening) == 1 else None

    def http(self, path, timeout=60):
        """GET; returns (status, headers, text)."""
        connection = http.client.HTTPConnection(self.metrics_address(), timeout=timeout)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def metrics(self):
        """What /metrics says: {name or name{label="value",...}: number}, in the order of the text."""
        status, _, text = self.http("/metrics")
        if status != 200:
            raise AssertionError(f"/metrics answered {status}: {text}")
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def resident_bytes(self):
        return self._memory("VmRSS")

    def peak_resident_bytes(self):
        """The most since it was started."""
        return self._memory("VmHWM")

    def _memory(self, field):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
        raise AssertionError(f"no {field}")

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def region_folder(self, region, namespace="default"):
        return self.data / namespace / str(region)

    def segment_files(self, region, namespace="default"):
        return sorted(self.region_folder(region, namespace).glob("seg_*"))


@contextlib.contextmanager
def stopped(daemon):
    """Inside the block the daemon is down, so that a test can change its files."""
    daemon.terminate()
    yield
    daemon.start()


def find_bytes(path, needle):
    """The only offset of `needle` in a file."""
    content = pathlib.Path(path).read_bytes()
    offset = content.find(needle)
    if offset < 0:
        raise AssertionError(f"{needle[:40]!r} is not in {path}")
    if content.find(needle, offset + 1) >= 0:
        raise AssertionError(f"{needle[:40]!r} is in {path} more than once")
    return offset


def flip_byte(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        old = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([old ^ 0xFF]))


def write_at(path, offset, content):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(content)


def run_waldend(*arguments, environment=None, timeout=30, cwd=None):
    """Runs waldend to its end, for options that do not serve."""
    return _run(WALDEND, arguments, environment, timeout, cwd=cwd)


def run_walden(*arguments, environment=None, timeout=60, stdin=None, cwd=None):
    """Runs the command-line client to its end. `stdin` is bytes."""
    return _run(WALDEN, arguments, environment, timeout, stdin=stdin, cwd=cwd)


def _run(program, arguments, environment, timeout, stdin=None, cwd=None):
    """stdout and stderr of the result are bytes."""
    return subprocess.run(
        [str(program), *map(str, arguments)],
        input=stdin if stdin is not None else b"",
        capture_output=True,
        env=clean_environment(environment),
        timeout=timeout,
        check=False,
        cwd=cwd,
    )

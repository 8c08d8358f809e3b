"""A real Prometheus that scrapes daemons, for as long as a test runs.

It is Debian's package `prometheus`, with a configuration and a database of its own below a temporary
folder, on a free port of loopback. The kernel ends it with the test.
"""

import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

from walden_daemon import clean_environment, listening_addresses

START_TIMEOUT_SECONDS = 60.0
# What a daemon says of its regions may be this old (server/status/region_summaries.h).
REGIONS_AGE_SECONDS = 0.5
_POLL_SECONDS = 0.05


class QueryError(Exception):
    """Prometheus refused a query; says why."""


class PrometheusServer:
    """`targets` are host:port, scraped every second as the job `walden`."""

    def __init__(self, targets, rule_files=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="walden-prometheus-"))
        self.log = self.folder / "prometheus.log"
        self.process = None
        self._asked_at = None
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rule_files],
            "scrape_configs": [
                {"job_name": "walden", "static_configs": [{"targets": list(targets)}]}
            ],
        }
        # JSON is YAML.
        (self.folder / "prometheus.yml").write_text(json.dumps(config))

    def start(self):
        """Waits until it is ready."""
        command = [
            "prometheus",
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            "--web.listen-address=127.0.0.1:0",
        ]
        setpriv = shutil.which("setpriv")
        if setpriv:
            command = [setpriv, "--pdeathsig", "KILL", *command]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment()
            )
        self._wait(self._is_ready, "Prometheus is not ready")

    def discard(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"Prometheus ended with {self.process.returncode}\n{self.log_text()}")
        if not listening_addresses(self.process.pid):
            return False
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:  # not ready yet
            return False

    @property
    def url(self):
        return f"http://{listening_addresses(self.process.pid)[0]}"

    def log_text(self):
        return self.log.read_text(errors="replace")

    # --- Its API

    def api(self, path, **parameters):
        """GET /api/v1/<path>; returns `data`."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            raise QueryError(f"{parameters}: {error.read().decode()}") from None
        return body["data"]

    def query(self, expression):
        """[(labels, value)], the labels without the job and instance: of the scrape that
        scrape_again() waited for, or of now before its first call."""
        at = {} if self._asked_at is None else {"time": f"{self._asked_at:.3f}"}
        results = self.api("query", query=expression, **at)["result"]
        plain = []
        for result in results:
            labels = {k: v for k, v in result["metric"].items() if k not in ("job", "instance")}
            plain.append((labels, float(result["value"][1])))
        return plain

    def value(self, expression):
        """Of an expression with one result; None if it has none."""
        results = self.query(expression)
        if len(results) > 1:
            raise AssertionError(f"{expression} has {len(results)} results: {results}")
        return results[0][1] if results else None

    def wait_for(self, expression, expected, timeout=30.0):
        """Waits until the expression's one value is `expected`, or satisfies it if it is callable.
        Queries speak of now from here on."""
        self._asked_at = None
        matches = expected if callable(expected) else lambda value: value == expected
        self._wait(
            lambda: matches(self.value(expression)),
            f"{expression} does not become {expected}",
            timeout,
            lambda: f"it is {self.query(expression)}",
        )

    def scrape_again(self):
        """Waits until a scrape is stored that tells all that was done before this call. Queries speak
        of it from here on: a later scrape may fail on a busy machine, or tell more."""
        fresh = time.time() + REGIONS_AGE_SECONDS
        scraped = 'timestamp(up{job="walden"}) and up{job="walden"} == 1'
        self.wait_for(scraped, lambda at: at is not None and at > fresh)
        self._asked_at = self.value(scraped)

    def targets(self):
        return self.api("targets")["activeTargets"]

    def _wait(self, condition, what, timeout=START_TIMEOUT_SECONDS, detail=lambda: ""):
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} within {timeout} s; {detail()}\n{self.log_text()[-3000:]}")
            time.sleep(_POLL_SECONDS)

"""What an operator of Walden goes through, in a few minutes, against a real daemon and a real Prometheus.

    scripts/build-image.sh --base-from-debootstrap       # or any other image build
    /usr/bin/python3 tests/drill/operations_drill.py --root IMAGE_ROOT --report drill.md

The daemon comes from the file system of the image (--root; without it, from build/release/bin), as the
image's user, on a small disk of its own, guarded by TLS and tokens, and scraped every second. Then: load,
a disk that fills up to the reserve and recovers, a greedy tenant, another certificate, a drain. After each
step the report holds the alerts that fire, the answer to every query of the dashboard, and what clients
saw. What must hold is asserted; the drill ends with code 0 only if all of it did.

Needs root (a small tmpfs, another user), and the packages of `install-deps.sh test`. With `chromium` it
also keeps a picture of the status page after each step (--pictures DIR).
"""

import argparse
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(REPOSITORY / "tests/integration"))

from drill_load import Flood, Follower, Hoarder, Tenant, Writer, percentile
from prometheus_server import PrometheusServer
from walden_certificates import Authority
from walden_client import WaldenError
from walden_daemon import free_tcp_port

DISK_BYTES = 768 << 20
RESERVE_BYTES = 128 << 20
UID = 7070

APP, ARCHIVE, GREEDY = 1, 2, 3  # regions, one for each tenant


def say(text):
    print(time.strftime("%H:%M:%S"), text, flush=True)


# -------------------------------------------------------------------------------------------------
# The daemon


class GuardedDaemon:
    """waldend with TLS and tokens on a disk of DISK_BYTES, as uid 7070, out of `root` if that is given."""

    def __init__(self, folder, root):
        self.folder = folder
        self.root = root
        self.inside = pathlib.Path("/run/walden") if root else folder  # `folder` as the daemon sees it
        self.port, self.http_port = free_tcp_port(), free_tcp_port()
        self.address = f"127.0.0.1:{self.port}"
        self.log = folder / "waldend.log"
        self.process = None
        for name in ("data", "etc"):
            (folder / name).mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700,uid={UID},gid={UID}",
             "walden-drill", str(folder / "data")],
            check=True,
        )
        self.authority = Authority("drill authority")
        self.install_certificate()
        self.tokens = {name: self._token(name) for name in ("app", "archive", "greedy", "operator")}
        self._configure()

    def install_certificate(self):
        """As an operator does it: both files beside the old ones, then renamed."""
        issued = self.authority.issue("walden", dns=["localhost"])
        for name, content in (("server.pem", issued.certificate_pem), ("server.key", issued.key_pem)):
            file = self.folder / "etc" / name
            new = file.with_suffix(file.suffix + ".new")
            new.write_bytes(content)
            new.chmod(0o600)
            os.chown(new, UID, UID)
            new.rename(file)

    def _walden(self):
        return str((self.root or REPOSITORY / "build/release") / ("usr/local/bin/walden" if self.root else "bin/walden"))

    def _token(self, name):
        file = self.folder / f"{name}.token"
        subprocess.run([self._walden(), "token", "--out", str(file)], check=True, capture_output=True)
        return file.read_text().strip()

    def _configure(self):
        def identity(name, regions, rights, limits=""):
            digest = hashlib.sha256(self.tokens[name].encode()).hexdigest()
            return (
                f"- name: {name}\n  token_sha256: {digest}\n  rules:\n"
                f"    - {{namespace: default, regions: {regions}, rights: [{rights}]}}\n{limits}"
            )

        limits = "  limits:\n    in_flight_bytes: 4MiB\n    append_bytes_per_second: 16MiB\n"
        (self.folder / "etc/identities.yaml").write_text(
            identity("app", f"[{APP}]", "append, read, delete")
            + identity("archive", f"[{ARCHIVE}]", "append, read, delete")
            + identity("greedy", f"[{GREEDY}]", "append, read, delete", limits)
            + identity("operator", '"*"', "read, admin")
        )
        etc = self.inside / "etc"
        (self.folder / "etc/waldend.yaml").write_text(json.dumps({  # JSON is YAML
            "listen": [self.address],
            "data_dir": str(self.inside / "data"),
            "metrics": {"listen": [f"127.0.0.1:{self.http_port}"]},
            "limits": {"disk_reserve": f"{RESERVE_BYTES >> 20}MiB", "max_batch_bytes": "2MiB"},
            "shutdown": {"drain_timeout": "10s"},
            "security": {
                "identities_file": str(etc / "identities.yaml"),
                "tls": {"certificate_file": str(etc / "server.pem"), "key_file": str(etc / "server.key")},
            },
            "namespaces": [{"id": 1, "name": "default", "segment_size": "8MiB"}],
        }))
        subprocess.run(["chown", "-R", f"{UID}:{UID}", str(self.folder / "etc")], check=True)
        self.folder.chmod(0o755)

    def command(self):
        user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs",
                "--bounding-set=-all", "--inh-caps=-all"]
        config = ["--config", str(self.inside / "etc/waldend.yaml")]
        if self.root is None:
            return [*user, str(REPOSITORY / "build/release/bin/waldend"), *config]
        # The image's root, read-only, with the drill's folder where its volume would be.
        script = (
            'set -e; mount --bind "$1" "$1"; mount --rbind /dev "$1/dev"; mount -t proc proc "$1/proc"; '
            'mount --rbind "$2" "$1/run/walden"; mount -o remount,bind,ro "$1"; '
            'root=$1; shift 2; exec chroot "$root" "$@"'
        )
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "drill",
                str(self.root), str(self.folder), *user, "/usr/local/bin/waldend", *config]

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.command()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
            )
        wait_until(lambda: self.get("/readyz")[0] == 200, "the daemon is ready", self.check_alive)

    def check_alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f"waldend ended with {self.process.returncode}\n{self.log.read_text()}")

    def get(self, path):
        """(status, text) of the HTTP port; status 0 if it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def tenant(self, name):
        return Tenant(self.address, self.authority.pem, self.tokens[name])

    def served_certificate(self):
        """What a new connection is shown."""
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        context.set_alpn_protocols(["h2"])
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as raw:
            with context.wrap_socket(raw, server_hostname="localhost") as secured:
                return secured.getpeercert()["serialNumber"]

    def free_bytes(self):
        disk = os.statvfs(self.folder / "data")
        return disk.f_bavail * disk.f_frsize

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        subprocess.run(["umount", "--lazy", str(self.folder / "data")], check=False)


def wait_until(condition, what, meanwhile=lambda: None, timeout=60.0):
    """Returns the seconds that it took."""
    began = time.monotonic()
    while not condition():
        meanwhile()
        if time.monotonic() - began > timeout:
            raise AssertionError(f"waited {timeout:.0f} s, and still not: {what}")
        time.sleep(0.05)
    return time.monotonic() - began


# -------------------------------------------------------------------------------------------------
# The report


def quick_rules(folder):
    """The alert rules as they are, but without their waiting times: the drill has seconds, not minutes."""
    text = (REPOSITORY / "deploy/prometheus/alerts.yaml").read_text()
    file = folder / "alerts.yaml"
    file.write_text(re.sub(r"(\n\s+for:) \S+", r"\1 0s", text))
    return file


def panels():
    dashboard = json.loads((REPOSITORY / "deploy/grafana/walden.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$__rate_interval", "10s")
            expression = re.sub(r"\$(?:instance|namespace)\b", ".*", expression)
            yield panel["title"], target.get("legendFormat", ""), expression


def shown(value):
    return f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}"


class Report:
    def __init__(self, prometheus, daemon, pictures):
        self.prometheus, self.daemon, self.pictures = prometheus, daemon, pictures
        self.lines = ["# An operations drill", ""]

    def say(self, text):
        say(text)
        self.lines.append(f"- {text}")

    def begin(self, title):
        say(f"== {title}")
        self.lines += ["", f"## {title}", ""]

    def look(self, expected_alerts):
        """What Prometheus says now. `expected_alerts` must be among those that fire."""
        wait_until(
            lambda: expected_alerts <= self.firing(), f"{expected_alerts} fire", timeout=30
        )
        firing = self.firing()
        self.say(f"alerts that fire: {', '.join(sorted(firing)) or 'none'}")
        self.lines += ["", "| panel | series | answer |", "| --- | --- | --- |"]
        for title, legend, expression in panels():
            answers = self.prometheus.query(expression)
            text = "; ".join(
                f"{self.series(legend, labels)} {shown(value)}".strip() for labels, value in answers[:6]
            )
            more = f"; and {len(answers) - 6} more" if len(answers) > 6 else ""
            self.lines.append(f"| {title} | {len(answers)} | {text}{more} |")
        self.lines.append("")
        self.picture()

    @staticmethod
    def series(legend, labels):
        return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda m: labels.get(m.group(1), ""), legend)

    def firing(self):
        return {labels["alertname"] for labels, _ in self.prometheus.query('ALERTS{alertstate="firing"}')}

    def picture(self):
        browser = shutil.which("chromium")
        if browser is None or self.pictures is None:
            return
        self.pictures.mkdir(parents=True, exist_ok=True)
        number = 1 + len(list(self.pictures.glob("*.png")))
        file = self.pictures / f"status-{number}.png"
        subprocess.run(
            [browser, "--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1280,1600",
             "--virtual-time-budget=9000", f"--screenshot={file}", f"http://127.0.0.1:{self.daemon.http_port}/"],
            check=False, capture_output=True, timeout=60,
        )

    def write(self, file):
        file.write_text("\n".join(self.lines) + "\n")


# -------------------------------------------------------------------------------------------------
# The steps


class Drill:
    def __init__(self, daemon, prometheus, report):
        self.daemon, self.prometheus, self.report = daemon, prometheus, report
        self.app = daemon.tenant("app")
        self.writer = Writer(self.app, APP, 1)
        self.follower = Follower(self.app, APP, 1)

    def steady_load(self):
        self.report.begin("Load")
        self.writer.start()
        wait_until(lambda: self.writer.acknowledged, "the first append", self.check)
        self.follower.start()
        time.sleep(12)
        quiet = self.writer.since(0)
        self.report.say(
            f"one tenant, one append after the other: {len(quiet)} in 12 s, p50 "
            f"{percentile(quiet, 0.5) * 1e3:.2f} ms, p99 {percentile(quiet, 0.99) * 1e3:.2f} ms")
        try:
            self.app.append(ARCHIVE, 1, [b"not mine"])
            raise AssertionError("a tenant could append to another's region")
        except WaldenError as refusal:
            assert refusal.code.name == "PERMISSION_DENIED", refusal
        self.report.say("its append to another tenant's region: PERMISSION_DENIED")
        self.report.look(set())

    def full_disk(self):
        self.report.begin("The disk fills up to the reserve, and recovers")
        archive = self.daemon.tenant("archive")
        hoarder = Hoarder(archive, ARCHIVE)
        hoarder.start()
        wait_until(hoarder.full.is_set, "appends are refused", self.check, timeout=120)
        free = self.daemon.free_bytes()
        self.report.say(
            f"refused with {dict(hoarder.refusals)} at {free >> 20} MiB free of {DISK_BYTES >> 20}, "
            f"the reserve is {RESERVE_BYTES >> 20} MiB")
        assert free >= RESERVE_BYTES - (32 << 20), "the reserve was used up"
        records = sum(1 for _ in archive.read(ARCHIVE, 1, first=hoarder.last - 99))
        assert records == 100, f"{records} of the last 100 records could be read"
        self.report.say("reads go on: the last 100 records of the full region")
        time.sleep(3)
        self.report.look({"WaldenDiskBelowReserve", "WaldenAppendsRefusedForRoom"})
        began = time.monotonic()
        archive.mark_deleted(ARCHIVE, 1, hoarder.last)
        hoarder.stop()
        marked = time.monotonic() - began
        count = len(self.writer.latencies)
        resumed = wait_until(
            lambda: len(self.writer.latencies) > count, "appends resume", self.check, timeout=30)
        self.report.say(
            f"mark-deleted through {hoarder.last} in {marked:.2f} s; appends of the other tenant "
            f"resumed {resumed:.2f} s later by themselves, {self.daemon.free_bytes() >> 20} MiB free")
        time.sleep(8)
        self.report.look(set())
        assert "WaldenDiskBelowReserve" not in self.report.firing(), "the alert did not end"

    def greedy_tenant(self):
        self.report.begin("A greedy tenant")
        time.sleep(3)
        before = self.writer.since(time.monotonic() - 5)
        flood = Flood(self.daemon.tenant("greedy"), GREEDY)
        began = time.monotonic()
        flood.start()
        time.sleep(15)
        beside = self.writer.since(began)
        self.report.look({"WaldenRefusedForMemory"})
        flood.stop()
        self.report.say(
            f"it got {flood.acknowledged} appends through in 15 s and was refused {flood.refusals}")
        assert flood.refusals.get("TENANT_LIMIT", 0) > 0, "it never met its limit"
        for name, latencies in (("before", before), ("beside it", beside)):
            self.report.say(
                f"the quiet tenant {name}: {len(latencies)} appends, p50 "
                f"{percentile(latencies, 0.5) * 1e3:.2f} ms, p99 {percentile(latencies, 0.99) * 1e3:.2f} ms")
        assert not set(self.writer.refusals) - {"DISK_RESERVE"}, self.writer.refusals

    def other_certificate(self):
        self.report.begin("Another certificate")
        old = self.daemon.served_certificate()
        count = len(self.writer.latencies)
        self.daemon.install_certificate()
        seconds = wait_until(
            lambda: self.daemon.served_certificate() != old, "the new certificate", self.check, timeout=30)
        self.report.say(
            f"new connections get serial {self.daemon.served_certificate()[:12]}... instead of "
            f"{old[:12]}... after {seconds:.1f} s; {len(self.writer.latencies) - count} appends on the "
            "old connection meanwhile, none failed")
        other = self.daemon.tenant("app")
        other.append(APP, 2, [b"over the new certificate"])
        other.close()
        time.sleep(2)
        self.report.look(set())

    def drain(self):
        self.report.begin("A drain")
        self.daemon.process.send_signal(signal.SIGTERM)
        seen = set()
        began = time.monotonic()
        while self.daemon.process.poll() is None:
            seen.add(self.daemon.get("/readyz"))
            if time.monotonic() - began > 30:
                raise AssertionError("it does not stop")
        seconds = time.monotonic() - began
        self.writer.stopping.set()
        self.writer.join(30)
        unready = sorted({text.strip() for status, text in seen if status == 503})
        self.report.say(
            f"exit code {self.daemon.process.returncode} after {seconds:.2f} s; /readyz said {unready}; "
            f"the follower ended with {self.follower_end()}")
        assert self.daemon.process.returncode == 0
        self.daemon.start()
        found = dict(self.daemon.tenant("app").read(APP, 1))
        lost = [s for s, payload in self.writer.acknowledged.items() if found.get(s) != payload]
        assert not lost, f"lost {len(lost)} acknowledged records: {lost[:5]}"
        self.report.say(
            f"after the next start all {len(self.writer.acknowledged)} records are there that were "
            f"acknowledged and not marked deleted; nothing deleted came back")
        assert min(found) > self.writer.deleted_through

    def follower_end(self):
        self.follower.join(30)
        if self.follower.failure is not None:
            raise self.follower.failure
        return self.follower.end.name if self.follower.end is not None else "OK"

    def check(self):
        self.daemon.check_alive()
        for worker in (self.writer, self.follower):
            if worker.failure is not None:
                raise worker.failure

    def run(self):
        self.steady_load()
        self.full_disk()
        self.greedy_tenant()
        self.other_certificate()
        self.drain()


def in_own_mount_namespace():
    """So that whatever is mounted goes with this process."""
    if os.environ.get("WALDEN_DRILL_INSIDE"):
        return
    os.environ["WALDEN_DRILL_INSIDE"] = "yes"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--root", type=pathlib.Path, help="file system of the image")
    parser.add_argument("--report", type=pathlib.Path, default=pathlib.Path("build/drill.md"))
    parser.add_argument("--pictures", type=pathlib.Path, help="where to keep pictures of the status page")
    options = parser.parse_args()
    if os.getuid() != 0:
        sys.exit("operations_drill.py: needs root, for a disk of its own and another user")
    in_own_mount_namespace()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="walden-drill-"))
    daemon = GuardedDaemon(folder, options.root and options.root.resolve())
    prometheus = PrometheusServer([f"127.0.0.1:{daemon.http_port}"], [quick_rules(folder)])
    report = Report(prometheus, daemon, options.pictures)
    try:
        daemon.start()
        prometheus.start()
        Drill(daemon, prometheus, report).run()
        say("the drill is over, and everything held")
    except BaseException:
        print(daemon.log.read_text()[-5000:], file=sys.stderr)
        raise
    finally:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        report.write(options.report)
        prometheus.discard()
        daemon.close()
        shutil.rmtree(folder, ignore_errors=True)
    say(f"the report is in {options.report}")


if __name__ == "__main__":
    main()

"""A daemon that tells its callers apart, and what tests need to talk to it."""

import hashlib
import ipaddress
import json
import os
import pathlib
import re
import secrets

from walden_certificates import Authority
from walden_client import Client, Tls
from walden_daemon import listening_addresses
from walden_testcase import WaldenTestCase

ALL_RIGHTS = ["append", "read", "delete", "admin"]


def new_token():
    return "walden_" + secrets.token_urlsafe(32)


def sha256_hex(text):
    return hashlib.sha256(text.encode()).hexdigest()


def rule(regions="*", rights=None, namespace="default"):
    return {"namespace": namespace, "regions": regions, "rights": rights or ALL_RIGHTS}


def identity(name, rules, token=None, certificate_name=None):
    made = {"name": name, "rules": rules}
    if token is not None:
        tokens = token if isinstance(token, list) else [token]
        made["token_sha256"] = [sha256_hex(t) for t in tokens]
    if certificate_name is not None:
        made["certificate_name"] = certificate_name
    return made


def replace_file(path, content):
    """As careful programs do it: nobody ever sees half of it."""
    path = pathlib.Path(path)
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.replace(fresh, path)


class GuardedTestCase(WaldenTestCase):
    """Daemons with identities, with and without TLS; and nothing secret in what they say."""

    def setUp(self):
        super().setUp()
        self._secrets = []

    def token(self):
        token = new_token()
        self._secrets.append(token)
        return token

    def guarded_daemon(self, identities, tls=None, config=None, security=None):
        """Started. On its unix socket, and with `tls` (an Issued) on a TCP port, too."""
        daemon = self.new_daemon()
        self.addCleanup(self.assert_no_secrets, daemon)  # runs before the daemon is discarded
        daemon.identities_file = daemon.folder / "identities.yaml"
        self.write_identities(daemon, identities)
        guard = {"identities_file": str(daemon.identities_file), **(security or {})}
        settings = {**(config or {}), "security": guard}
        if tls is not None:
            settings["listen"] = [daemon.address, "127.0.0.1:0"]
            guard["tls"] = {
                "certificate_file": str(daemon.folder / "server.pem"),
                "key_file": str(daemon.folder / "server.key"),
                **guard.get("tls", {}),
            }
            self.write_certificate(daemon, tls)
        daemon.configure(settings)
        daemon.start()
        return daemon

    def write_identities(self, daemon, identities):
        replace_file(daemon.identities_file, json.dumps(identities))  # JSON is YAML

    def write_certificate(self, daemon, issued):
        replace_file(daemon.folder / "server.key", issued.key_pem)
        os.chmod(daemon.folder / "server.key", 0o600)
        replace_file(daemon.folder / "server.pem", issued.certificate_pem)
        self._secrets += issued.key_pem.decode().splitlines()[1:-1]

    def wait_logged(self, daemon, text, times=1):
        self.eventually(lambda: daemon.log_text().count(text) >= times, f"logged: {text}")

    def client_with(self, daemon, token=None, address=None, **options):
        client = Client(address or daemon.address, token=token, **options)
        self.addCleanup(client.close)
        return client

    def assert_no_secrets(self, daemon):
        said = daemon.log_text()
        for secret in self._secrets:
            self.assertNotIn(secret, said)


class TlsTestCase(GuardedTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = Authority("the authority")
        cls.foreign = Authority("the authority")  # of the same name, and not the same

    def server_certificate(self, common_name="walden", **options):
        return self.authority.issue(
            common_name,
            dns=["walden.example"],
            addresses=[ipaddress.ip_address("127.0.0.1")],
            **options,
        )

    def tls_address(self, daemon):
        """Where the daemon found a free port at its last start, which it tells once it serves."""

        def told():
            logged = re.findall(r"listen=\S*(127\.0\.0\.1:\d+)", daemon.log_text())
            return logged and logged[-1] in listening_addresses(daemon.process.pid)

        self.eventually(told, "the log says where it listens")
        return re.findall(r"listen=\S*(127\.0\.0\.1:\d+)", daemon.log_text())[-1]

    def tls_client(self, daemon, token=None, authority=None, issued=None, **options):
        tls = Tls((authority or self.authority).pem)
        if issued is not None:
            tls.certificate, tls.key = issued.certificate_pem, issued.key_pem
        return self.client_with(
            daemon, token, address=self.tls_address(daemon), tls=tls, timeout=10, **options
        )

"""TLS and client certificates: who gets through, what a change of certificates does, what is refused."""

import os
import socket
import ssl
import threading
import unittest

from walden_certificates import key_pem, new_key
from walden_client import WaldenError
from walden_daemon import run_walden, run_waldend
from walden_guarded import TlsTestCase, identity, replace_file, rule
from walden_testcase import Code


def handshake(address, maximum_version=None):
    """The certificate that the daemon shows to a new connection, as DER, and the version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if maximum_version is not None:
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = maximum_version
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        with context.wrap_socket(plain) as wrapped:
            return wrapped.getpeercert(binary_form=True), wrapped.version()


class ServerCertificateTest(TlsTestCase):
    def setUp(self):
        super().setUp()
        self.me = self.token()
        self.certificate = self.server_certificate()
        self.daemon = self.guarded_daemon([identity("me", [rule()], self.me)], self.certificate)

    def assert_no_connection(self, client):
        with self.assertRaises(WaldenError) as caught:
            client.append(1, 1, [b"x"])
        self.assertEqual(caught.exception.code, Code.UNAVAILABLE, caught.exception)

    def test_a_client_that_trusts_the_authority_gets_through_with_a_token(self):
        client = self.tls_client(self.daemon, self.me)
        client.append(1, 1, [b"x"])
        self.assertEqual(client.read(1, 1).records, [(1, b"x")])
        with self.assert_refused(Code.UNAUTHENTICATED, "UNAUTHENTICATED"):
            self.tls_client(self.daemon).append(1, 1, [b"x"])

    def test_a_client_does_not_take_a_daemon_of_another_authority_or_name(self):
        self.assert_no_connection(self.tls_client(self.daemon, self.me, authority=self.foreign))
        client = self.tls_client(self.daemon, self.me)
        client.append(1, 1, [b"x"])
        other = ("grpc.ssl_target_name_override", "other.example")
        self.assert_no_connection(self.tls_client(self.daemon, self.me, options=[other]))

    def test_a_client_without_tls_gets_nowhere_on_a_port_with_it(self):
        self.assert_no_connection(self.client_with(
            self.daemon, self.me, address=self.tls_address(self.daemon), timeout=5))
        self.tls_client(self.daemon, self.me).append(1, 1, [b"x"])

    def test_the_unix_socket_stays_plain(self):
        self.client_with(self.daemon, self.me).append(1, 1, [b"x"])

    def test_versions_before_1_2_are_refused(self):
        address = self.tls_address(self.daemon)
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                handshake(address, version)
        self.assertEqual(handshake(address, ssl.TLSVersion.TLSv1_2)[1], "TLSv1.2")
        self.assertEqual(handshake(address)[1], "TLSv1.3")

    def test_noise_on_the_port_hurts_nobody(self):
        host, port = self.tls_address(self.daemon).rsplit(":", 1)
        for noise in (b"", b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"PRI * HTTP/2.0\r\n\r\n",
                      os.urandom(5000), b"\x80" * 300):
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                try:
                    connection.sendall(noise)
                except OSError:
                    pass  # closed already
        self.tls_client(self.daemon, self.me).append(1, 1, [b"x"])

    def test_the_command_line_client_speaks_tls_with_a_token(self):
        authority = self.daemon.folder / "ca.pem"
        authority.write_bytes(self.authority.pem)
        token = self.daemon.folder / "token"
        token.write_text(self.me + "\n")
        at = ("--address", self.tls_address(self.daemon))
        options = ("--tls-ca", authority, "--token-file", token)
        done = run_walden("append", *at, *options, "-r", "1", "-t", "1", "hello")
        self.assertEqual(done.returncode, 0, done.stderr)
        variables = {"WALDEN_TLS_CA": str(authority), "WALDEN_TOKEN_FILE": str(token)}
        done = run_walden("read", *at, "-r", "1", "-t", "1", environment=variables)
        self.assertEqual((done.returncode, done.stdout), (0, b"hello\n"))
        done = run_walden("bench", *at, "-r", "1", "--seconds", "300ms", environment=variables)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = run_walden("read", *at, "--tls-ca", authority, "-r", "1", "-t", "1")
        self.assertEqual(done.returncode, 9)
        self.assertIn(b"--token-file", done.stderr)
        # Never in the clear over a network.
        done = run_walden("read", "-a", "192.0.2.1:7070", "--token-file", token, "-r1", "-t1")
        self.assertEqual(done.returncode, 2)
        self.assertNotIn(self.me.encode(), done.stderr)


class ChangeTest(TlsTestCase):
    def setUp(self):
        super().setUp()
        self.me = self.token()
        self.daemon = self.guarded_daemon(
            [identity("me", [rule()], self.me)], self.server_certificate())

    def test_a_change_under_load_disturbs_nobody_and_new_connections_get_the_new_one(self):
        client = self.tls_client(self.daemon, self.me)
        stop, errors, appended = threading.Event(), [], []

        def load(table):
            while not stop.is_set():
                try:
                    appended.append(client.append(1, table, [b"x" * 100]))
                except WaldenError as error:
                    errors.append(error)

        threads = [threading.Thread(target=load, args=(table,)) for table in range(4)]
        for thread in threads:
            thread.start()
        follower = iter(client.open_read(1, 0, follow=True))
        next(follower)
        for change in range(2, 4):
            fresh = self.server_certificate(f"walden {change}")
            self.write_certificate(self.daemon, fresh)
            self.wait_logged(self.daemon, "TLS certificate loaded", times=change)
            self.assertEqual(handshake(self.tls_address(self.daemon))[0], fresh.certificate_der)
            before = len(appended)
            self.tls_client(self.daemon, self.me).append(2, 1, [b"x"])
            self.eventually(lambda: len(appended) > before, "the load goes on")
        next(follower)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        self.assertIn("subject=\"CN=walden 3\"", self.daemon.log_text())

    def test_what_cannot_be_used_is_refused_and_the_old_one_stays(self):
        before = handshake(self.tls_address(self.daemon))[0]
        other = self.server_certificate()
        expired = self.server_certificate(days=(-10, -1))
        files = {"pem": self.daemon.folder / "server.pem", "key": self.daemon.folder / "server.key"}
        changes = [
            ({"pem": other.certificate_pem}, "is not the key of the certificate"),
            ({"pem": b"nonsense"}, "is not PEM"),
            ({"pem": other.certificate_pem[:200], "key": other.key_pem}, "server.pem"),
            ({"pem": expired.certificate_pem, "key": expired.key_pem}, "expired on"),
            ({"key": b""}, "server.key is not PEM"),
        ]
        for count, (change, reason) in enumerate(changes, 1):
            for name, content in change.items():
                replace_file(files[name], content)
            self.wait_logged(self.daemon, "TLS certificate refused", times=count)
            line = [x for x in self.daemon.log_text().splitlines() if "certificate refused" in x][-1]
            self.assertIn(reason, line)
            self.assertEqual(handshake(self.tls_address(self.daemon))[0], before)
        self.write_certificate(self.daemon, other)
        self.wait_logged(self.daemon, "TLS certificate loaded", times=2)
        self.assertEqual(handshake(self.tls_address(self.daemon))[0], other.certificate_der)


class ClientCertificateTest(TlsTestCase):
    def setUp(self):
        super().setUp()
        self.me = self.token()
        self.ca_file = None

    def start(self, wanted):
        daemon = self.new_daemon()
        ca = daemon.folder / "clients.pem"
        ca.write_bytes(self.authority.pem)
        identities = [
            identity("by-dns", [rule([1])], certificate_name="db.example"),
            identity("by-uri", [rule([2])], certificate_name=["spiffe://example/db"]),
            identity("by-name", [rule([3])], certificate_name="the common name"),
            identity("by-token", [rule([4])], self.me),
        ]
        return self.guarded_daemon(identities, self.server_certificate(), security={
            "tls": {"client_ca_file": str(ca), "client_certificates": wanted}})

    def certified(self, daemon, token=None, authority=None, **names):
        issued = (authority or self.authority).issue(**names)
        return self.tls_client(daemon, token, issued=issued)

    def assert_region(self, client, region):
        client.append(region, 1, [b"x"])
        with self.assert_refused(Code.PERMISSION_DENIED, "PERMISSION_DENIED"):
            client.append(region + 10, 1, [b"x"])

    def test_a_certificates_name_says_who_calls(self):
        daemon = self.start("required")
        self.assert_region(self.certified(daemon, dns=["x.example", "db.example"]), 1)
        self.assert_region(self.certified(daemon, uris=["spiffe://example/db"]), 2)
        self.assert_region(self.certified(daemon, common_name="the common name"), 3)
        # A token decides alone.
        self.assert_region(self.certified(daemon, self.me, dns=["db.example"]), 4)
        with self.assert_refused(Code.UNAUTHENTICATED, "UNAUTHENTICATED"):
            self.certified(daemon, self.token(), dns=["db.example"]).append(1, 1, [b"x"])

    def test_no_other_name_will_do(self):
        daemon = self.start("required")
        for names in ({"dns": ["db.example.evil"]}, {"dns": ["xdb.example"]},
                      {"dns": ["*.example"]}, {"common_name": "db.example.x"},
                      {"uris": ["spiffe://example/db2"]}, {"common_name": "someone"}, {}):
            with self.subTest(names):
                with self.assert_refused(Code.UNAUTHENTICATED, "UNAUTHENTICATED"):
                    self.certified(daemon, **names).append(1, 1, [b"x"])

    def test_expired_and_foreign_certificates_do_not_connect(self):
        for wanted in ("required", "optional"):
            daemon = self.start(wanted)
            for how in ({"days": (-10, -1)}, {"days": (1, 10)}, {"authority": self.foreign}):
                with self.subTest(how, wanted=wanted):
                    client = self.certified(daemon, dns=["db.example"], **how)
                    with self.assertRaises(WaldenError) as caught:
                        client.append(1, 1, [b"x"])
                    self.assertEqual(caught.exception.code, Code.UNAVAILABLE)
            self.assert_region(self.certified(daemon, dns=["db.example"]), 1)

    def test_without_a_certificate_nobody_connects_where_one_is_required(self):
        with self.assertRaises(WaldenError) as caught:
            self.tls_client(self.start("required"), self.me).append(4, 1, [b"x"])
        self.assertEqual(caught.exception.code, Code.UNAVAILABLE)

    def test_a_token_is_enough_where_certificates_are_optional(self):
        daemon = self.start("optional")
        self.assert_region(self.tls_client(daemon, self.me), 4)
        with self.assert_refused(Code.UNAUTHENTICATED, "UNAUTHENTICATED"):
            self.tls_client(daemon).append(1, 1, [b"x"])


class StartTest(TlsTestCase):
    def start(self, **files):
        """Starts with these files, the others being good; returns what the daemon says."""
        daemon = self.new_daemon()
        good = self.server_certificate()
        contents = {"pem": good.certificate_pem, "key": good.key_pem, "ca": self.authority.pem}
        paths = {name: daemon.folder / f"server.{name}" for name in contents}
        for name, content in {**contents, **files}.items():
            if content is not None:
                paths[name].write_bytes(content)
        daemon.configure({"security": {"tls": {
            "certificate_file": str(paths["pem"]), "key_file": str(paths["key"]),
            "client_ca_file": str(paths["ca"])}}})
        said = run_waldend("--config", daemon.config_file)
        self.assertEqual(said.returncode, 1, said.stderr)
        self.assertNotIn(b"PRIVATE", said.stderr)
        return said.stderr.decode()

    def test_files_that_cannot_be_used_are_named_with_the_reason(self):
        other = self.server_certificate()
        expired = self.server_certificate(days=(-10, -1))
        later = self.server_certificate(days=(1, 10))
        locked = new_key()
        cases = [
            ({"pem": None}, "certificate_file", "server.pem", "No such file"),
            ({"key": None}, "key_file", "server.key", "No such file"),
            ({"ca": None}, "client_ca_file", "server.ca", "No such file"),
            ({"pem": b"no certificate"}, "certificate_file", "server.pem", "is not PEM"),
            ({"key": b"no key"}, "key_file", "server.key", "is not PEM"),
            ({"ca": b""}, "client_ca_file", "server.ca", "is not PEM"),
            ({"key": other.key_pem}, "key_file", "server.key", "is not the key of"),
            ({"pem": expired.certificate_pem, "key": expired.key_pem}, "server.pem", "expired on"),
            ({"pem": later.certificate_pem, "key": later.key_pem}, "server.pem", "not valid before"),
            ({"key": key_pem(locked, b"secret")}, "server.key", "passphrase"),
        ]
        for files, *expected in cases:
            with self.subTest(expected):
                said = self.start(**files)
                for part in expected:
                    self.assertIn(part, said)

    def test_a_key_that_everybody_can_read_is_warned_of(self):
        daemon = self.guarded_daemon([], self.server_certificate())
        self.assertNotIn("every user", daemon.log_text())
        os.chmod(daemon.folder / "server.key", 0o644)
        self.write_identities(daemon, [])
        daemon.restart()
        self.assertIn("server.key can be read or written by every user", daemon.log_text())

    def test_settings_that_contradict_each_other_are_refused(self):
        for text, *expected in (
            ("{certificate_file: a}", "certificate_file", "key_file"),
            ("{key_file: a}", "key_file", "certificate_file"),
            ("{client_ca_file: a}", "client_ca_file", "certificate_file"),
            ("{certificate_file: a, key_file: b, client_certificates: required}",
             "client_certificates", "client_ca_file"),
            ("{certificate_file: a, key_file: b, client_ca_file: c, client_certificates: none}",
             "client_certificates", "client_ca_file"),
        ):
            daemon = self.new_daemon()
            daemon.config_file.write_text(f"security:\n  tls: {text}\n")
            said = run_waldend("--check-config", "--config", daemon.config_file)
            self.assertEqual(said.returncode, 3)
            self.assertIn("waldend.yaml:2", said.stderr.decode())
            for part in expected:
                self.assertIn(f"security.tls.{part}", said.stderr.decode())


if __name__ == "__main__":
    unittest.main()

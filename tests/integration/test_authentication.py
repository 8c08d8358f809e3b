"""Saying who calls: tokens that are wrong in every way, what outsiders get, where the daemon listens."""

import pathlib
import socket
import struct
import tempfile
import unittest

import grpc

from walden_client import WaldenError, append_request
from walden_daemon import run_walden, run_waldend
from walden_guarded import GuardedTestCase, identity, rule, sha256_hex
from walden_stubs import health_pb2, reflection_pb2, reflection_pb2_grpc
from walden_testcase import Code


def literal(name, value):
    """A header field of HTTP/2, neither indexed nor compressed (RFC 7541, 6.2.2)."""

    def string(data):
        if len(data) < 127:
            return bytes([len(data)]) + data
        rest, out = len(data) - 127, [127]
        while rest >= 128:
            out.append(rest % 128 + 128)
            rest //= 128
        return bytes([*out, rest]) + data

    return b"\x00" + string(name) + string(value)


def raw_call(socket_path, authorization):
    """Appends by hand-made HTTP/2 frames, as no gRPC library would let us; returns what came back."""

    def frame(kind, flags, stream, payload):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(
            ">I", stream) + payload

    headers = b"".join(literal(name, value) for name, value in [
        (b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"x"),
        (b":path", b"/walden.v1.WalService/Append"),
        (b"content-type", b"application/grpc"), (b"te", b"trailers"),
        *((b"authorization", value) for value in authorization),
    ])
    message = append_request(99, 1, [b"x"]).SerializeToString()
    body = b"\x00" + struct.pack(">I", len(message)) + message
    got = b""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(socket_path)
        try:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
                               + frame(1, 4, 1, headers) + frame(0, 1, 1, body))
            while True:
                part = connection.recv(65536)
                if not part:
                    break
                got += part
        except (TimeoutError, OSError):
            pass
    return got


class TokenTest(GuardedTestCase):
    def setUp(self):
        super().setUp()
        self.good = self.token()
        self.daemon = self.guarded_daemon([identity("me", [rule()], self.good)],
                                          config={"log": {"level": "trace"}})

    def assert_outside(self, **how):
        client = self.client_with(self.daemon, **how)
        with self.assert_refused(Code.UNAUTHENTICATED, "UNAUTHENTICATED") as _:
            client.append(99, 1, [b"x"])

    def test_a_known_token_opens(self):
        self.assertTrue(self.client_with(self.daemon, self.good).append(99, 1, [b"x"]).durable)
        for scheme in ("bearer", "BEARER", "Bearer "):
            client = self.client_with(
                self.daemon, metadata=[("authorization", f"{scheme} {self.good}")])
            client.append(99, 1, [b"x"])

    def test_no_token_and_every_wrong_one_are_refused_in_the_same_way(self):
        self.assert_outside()
        wrong = [self.good[:-1], self.good + "x", self.good.upper(), sha256_hex(self.good), "x",
                 "walden_", self.good + " ", self.good.replace("_", " ")]
        for token in wrong:
            with self.subTest(len(token)):
                self.assert_outside(token=token)
        for value in ("", "Bearer", "Bearer ", self.good, f"Basic {self.good}",
                      f"Token {self.good}", f"Bearer{self.good}"):
            with self.subTest(len(value)):
                self.assert_outside(metadata=[("authorization", value)])

    def test_a_huge_token_is_refused(self):
        self.assert_outside(token="x" * 6000)
        with self.assertRaises(WaldenError):  # gRPC itself takes no headers of that size
            self.client_with(self.daemon, "x" * 200_000).append(99, 1, [b"x"])
        self.client_with(self.daemon, self.good).append(99, 1, [b"x"])

    def test_two_tokens_are_refused_even_if_both_are_good(self):
        value = f"Bearer {self.good}"
        self.assert_outside(metadata=[("authorization", value), ("authorization", value)])

    def test_tokens_that_are_no_text_are_refused(self):
        good = b"Bearer " + self.good.encode()
        values = [b"Bearer \xff\xfe\x80", "Bearer ä€😀".encode(), good + b"\x00", b"\x00" * 50,
                  good + b"\xff", b"Bearer \x00" + self.good.encode(), good + b"\r\nx: y"]
        for value in values:
            with self.subTest(value=value[:12]):
                raw_call(str(self.daemon.socket), [value])
        client = self.client_with(self.daemon, self.good)
        self.assertEqual(client.read(99, 1).records, [], "one of them got in")
        # The same by hand with the right one: so the frames are good.
        raw_call(str(self.daemon.socket), [good])
        self.assertEqual(len(client.read(99, 1).records), 1)

    def test_the_refusal_says_what_is_accepted_and_nothing_of_what_was_sent(self):
        sent = self.token()
        with self.assertRaises(WaldenError) as caught:
            self.client_with(self.daemon, sent).append(1, 1, [b"x"])
        self.assertIn("authorization: Bearer TOKEN", caught.exception.message)
        self.assertNotIn(sent, str(caught.exception))

    def test_the_printed_configuration_names_files_only(self):
        printed = run_waldend("--print-config", "--config", self.daemon.config_file)
        self.assertEqual(printed.returncode, 0, printed.stderr)
        self.assertIn(b"identities.yaml", printed.stdout)
        for secret in (self.good, sha256_hex(self.good)):
            self.assertNotIn(secret.encode(), printed.stdout)


class OutsiderTest(GuardedTestCase):
    def reflect(self, client):
        stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
        requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        return list(stub.ServerReflectionInfo(requests, timeout=10))

    def test_health_is_open_to_everybody_and_says_no_more_than_that(self):
        daemon = self.guarded_daemon([identity("me", [rule()], self.token())])
        client = self.client_with(daemon)
        for service in ("", "walden.v1.WalService"):
            answer = client.health.Check(health_pb2.HealthCheckRequest(service=service))
            self.assertEqual(answer.ListFields(), [(answer.DESCRIPTOR.fields[0], 1)])

    def test_reflection_is_off_where_callers_are_told_apart_unless_it_is_wanted(self):
        for setting, answers in (({}, False), ({"reflection": "on"}, True)):
            daemon = self.guarded_daemon(
                [identity("me", [rule()], self.token())], security=setting)
            with self.subTest(setting):
                if answers:
                    self.assertEqual(len(self.reflect(self.client_with(daemon))), 1)
                    continue
                with self.assertRaises(grpc.RpcError) as caught:
                    self.reflect(self.client_with(daemon))
                self.assertEqual(caught.exception.code(), Code.UNIMPLEMENTED)


class ListenTest(GuardedTestCase):
    def start(self, listen, security="", environment=None):
        """Lets the configuration be checked, which says what starting would say."""
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "w.yaml"
            file.write_text(f"listen: ['{listen}']\nsecurity: {{{security}}}\n")
            return run_waldend("--check-config", "--config", file, environment=environment)

    def test_an_address_that_others_can_reach_is_refused_without_tls_and_identities(self):
        tls = "tls: {certificate_file: a, key_file: b}"
        for listen in ("0.0.0.0:7070", "[::]:7070", "0:7070", "192.0.2.1:7070", "*:7070",
                       "[::ffff:10.0.0.1]:7070", "no-such-host.invalid:7070"):
            for security in ("", tls, "identities_file: c"):
                with self.subTest(listen, security=security):
                    said = self.start(listen, security)
                    self.assertEqual(said.returncode, 3)
                    for part in ("listen[0]", listen, "127.0.0.1", "security.tls.certificate_file",
                                 "security.identities_file", "security.allow_insecure_network"):
                        self.assertIn(part, said.stderr.decode())
            with self.subTest(listen):
                wanted = {"WALDEN_SECURITY_ALLOW_INSECURE_NETWORK": "true"}
                for said in (self.start(listen, f"{tls}, identities_file: c"),
                             self.start(listen, "allow_insecure_network: true"),
                             self.start(listen, environment=wanted)):
                    self.assertNotIn("can be reached by others", said.stderr.decode())

    def test_the_daemon_itself_does_not_start_there_either(self):
        with tempfile.TemporaryDirectory() as folder:
            said = run_waldend("--data-dir", f"{folder}/data", "--listen", "0.0.0.0:0")
            self.assertEqual(said.returncode, 3, said.stderr)
            self.assertFalse((pathlib.Path(folder) / "data").exists())

    def test_loopback_and_unix_sockets_need_nothing(self):
        for listen in ("127.0.0.1:7070", "127.9.8.7:7070", "[::1]:7070", "localhost:7070",
                       "[::ffff:127.0.0.1]:7070", "unix:/tmp/0.0.0.0:7070"):
            with self.subTest(listen):
                self.assertEqual(self.start(listen).returncode, 0)


class PathTest(GuardedTestCase):
    NAMES = ("../x", "a/b", "..", ".", "/etc", "a\\b", "x\ty", "A", "x" * 65, "x" * 100_000, " ",
             "~", "a;b", "$(id)", "*")

    def test_no_name_of_a_namespace_can_leave_its_directory(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            file = folder / "w.yaml"
            for name in self.NAMES:
                with self.subTest(name[:20]):
                    quoted = name.replace("\\", "\\\\").replace("\t", "\\t")
                    file.write_text(f'namespaces: [{{id: 1, name: "{quoted}"}}]\n'
                                    f'default_namespace: "{quoted}"\n')
                    self.assertEqual(run_waldend("--check-config", "--config", file).returncode, 3)
            file.write_text('namespaces: [{id: 1, name: "a\\0b"}]\n')
            self.assertEqual(run_waldend("--check-config", "--config", file).returncode, 3)
            file.unlink()
            for name in self.NAMES[:-1]:
                if len(name) > 100:
                    name = name[:100]
                with self.subTest(name):
                    commands = (
                        ("import", "horaedb-local", folder, "--data-dir", folder / "d"),
                        ("migrate", "--data-dir", folder / "d", "--to", "rocksdb"),
                    )
                    for command in commands:
                        done = run_walden(*command, f"--namespace={name}")
                        self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(list(folder.iterdir()), [])

    def test_an_identity_can_name_no_path_either(self):
        for name in ("../x", "a/b", "x" * 65, "", "a b"):
            daemon = self.new_daemon()
            file = daemon.folder / "identities.yaml"
            file.write_text(f'- {{name: "{name}", certificate_name: x, rules: []}}\n')
            daemon.configure({"security": {"identities_file": str(file)}})
            with self.assertRaisesRegex(AssertionError, r"identities\.yaml:1:\d+: \[0\]\.name"):
                daemon.start()

    def test_inspecting_a_directory_of_links_shows_nothing_of_where_they_point(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            secret = folder / "secret"
            secret.write_text("the content of a file elsewhere\n" * 100)
            region = folder / "data/default/1"
            region.mkdir(parents=True)
            (region / "seg_0").symlink_to(secret)
            (region / "metadata").symlink_to(secret)
            (folder / "link").symlink_to(region)
            for directory in (region, folder / "link", secret, folder / "absent"):
                for json in ((), ("--json",)):
                    said = run_walden("inspect", directory, *json)
                    self.assertNotEqual(said.returncode, 0)
                    self.assertNotIn(b"content of a file", said.stdout + said.stderr)
            self.assertTrue(secret.read_text().startswith("the content"))


if __name__ == "__main__":
    unittest.main()

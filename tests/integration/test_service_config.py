"""proto/service_config.json in a stock channel: what gRPC then calls again by itself, and what never."""

import concurrent.futures
import contextlib
import json
import threading
import unittest

import grpc

from walden_client import append_request
from walden_stubs import PROTO_DIR, admin_pb2, entry_pb2, wal_pb2
from walden_testcase import Code, WaldenTestCase

CONFIG = (PROTO_DIR / "service_config.json").read_text()
OPTIONS = [("grpc.service_config", CONFIG)]

SERVICES = [
    module.DESCRIPTOR.services_by_name[name]
    for module, name in (
        (wal_pb2, "WalService"),
        (entry_pb2, "EntryService"),
        (admin_pb2, "AdminService"),
    )
]
METHODS = sorted(f"{s.full_name}/{m.name}" for s in SERVICES for m in s.methods)

# What a second call does again: it stores a batch, issues an id, or closes or drops a region that
# somebody made or opened meanwhile.
CALLED_ONCE = {
    "walden.v1.WalService/Append",
    "walden.v1.WalService/AppendStream",
    "walden.v1.WalService/OpenProducer",
    "walden.v1.EntryService/Put",
    "walden.v1.EntryService/PutStream",
    "walden.v1.AdminService/CloseRegion",
    "walden.v1.AdminService/DropRegion",
}


def identity(message):
    return message


class FlakyServer(grpc.GenericRpcHandler):
    """Takes every method. Each call gets `answers` messages and then, unless it is past the first
    `failures` of its method, ends with `code`. Messages are raw bytes."""

    def __init__(self, failures=1, code=Code.UNAVAILABLE, answers=0):
        self.failures, self.code, self.answers = failures, code, answers
        self.calls = {}
        self._lock = threading.Lock()

    def service(self, details):
        method = details.method.lstrip("/")
        return grpc.stream_stream_rpc_method_handler(
            lambda requests, context: self._answer(method, requests, context),
            request_deserializer=identity,
            response_serializer=identity,
        )

    def _answer(self, method, requests, context):
        for _ in requests:
            pass
        with self._lock:
            self.calls[method] = self.calls.get(method, 0) + 1
            fails = self.calls[method] <= self.failures
        for _ in range(self.answers if fails else 1):
            yield b""
        if fails:
            context.abort(self.code, "as the test wants it")


@contextlib.contextmanager
def served(handler):
    """A channel, with the service config and nothing else, to a server of its own."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
            yield channel
    finally:
        server.stop(None).wait()


def call(channel, method):
    """Makes the call to its end; returns its messages."""
    if method.endswith("Stream"):
        return list(channel.stream_stream(f"/{method}", identity, identity)(iter([b""]), timeout=60))
    return list(channel.unary_stream(f"/{method}", identity, identity)(b"", timeout=60))


class ServiceConfigTest(WaldenTestCase):
    def test_it_names_every_method_once(self):
        named = [
            f"{name['service']}/{name['method']}"
            for config in json.loads(CONFIG)["methodConfig"]
            for name in config["name"]
        ]
        self.assertEqual(sorted(named), METHODS)

    def test_what_can_be_repeated_is_called_again_and_what_cannot_is_not(self):
        handler = FlakyServer()
        with served(handler) as channel:
            for method in METHODS:
                with self.subTest(method):
                    if method in CALLED_ONCE:
                        with self.assertRaises(grpc.RpcError) as caught:
                            call(channel, method)
                        self.assertEqual(caught.exception.code(), Code.UNAVAILABLE)
                        self.assertEqual(handler.calls[method], 1)
                    else:
                        self.assertEqual(call(channel, method), [b""])
                        self.assertEqual(handler.calls[method], 2)

    def test_no_other_error_is_called_again(self):
        for code in (Code.RESOURCE_EXHAUSTED, Code.FAILED_PRECONDITION, Code.INTERNAL, Code.ABORTED):
            handler = FlakyServer(code=code)
            with served(handler) as channel:
                for method in METHODS:
                    with self.assertRaises(grpc.RpcError) as caught:
                        call(channel, method)
                    self.assertEqual(caught.exception.code(), code)
            self.assertEqual(set(handler.calls.values()), {1}, code)

    def test_it_gives_up_in_the_end(self):
        handler = FlakyServer(failures=100)
        with served(handler) as channel:
            with self.assertRaises(grpc.RpcError) as caught:
                call(channel, "walden.v1.WalService/Read")
        self.assertEqual(caught.exception.code(), Code.UNAVAILABLE)
        self.assertEqual(handler.calls, {"walden.v1.WalService/Read": 5})

    def test_a_stream_that_has_begun_is_not_called_again(self):
        handler = FlakyServer(answers=1)
        with served(handler) as channel:
            received = channel.unary_stream("/walden.v1.WalService/Read", identity, identity)(
                b"", timeout=60
            )
            self.assertEqual(next(received), b"")
            with self.assertRaises(grpc.RpcError):
                next(received)
        self.assertEqual(handler.calls, {"walden.v1.WalService/Read": 1})


class WaitForReadyTest(WaldenTestCase):
    def test_calls_wait_for_a_daemon_that_is_not_there_yet_and_append_once(self):
        daemon = self.new_daemon()
        with self.new_client(daemon, options=OPTIONS, timeout=60) as client:
            info = client.admin.GetServerInfo.future(admin_pb2.GetServerInfoRequest(), timeout=60)
            append = client.wal.Append.future(append_request(1, 1, [b"once"]), timeout=60)
            daemon.start()
            self.assertTrue(info.result().version)
            self.assertEqual(append.result().tables[0].first_sequence, 1)
            self.assertEqual([p for _, p in client.read(1, 1).records], [b"once"])


if __name__ == "__main__":
    unittest.main()

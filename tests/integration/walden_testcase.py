"""What the tests have in common: a daemon per class or per test, and how to expect a refusal."""

import contextlib
import itertools
import time
import unittest

import grpc

from walden_client import WaldenError
from walden_daemon import Daemon

Code = grpc.StatusCode


class WaldenTestCase(unittest.TestCase):
    maxDiff = 2000
    _regions = itertools.count(1)

    def fresh_region(self):
        """A region id that no other test of this process uses."""
        return next(self._regions)

    @contextlib.contextmanager
    def assert_refused(self, code, reason, **metadata):
        """The block must be refused with this code, reason and (among others) metadata."""
        with self.assertRaises(WaldenError) as caught:
            yield
        self.check_refusal(caught.exception, code, reason, **metadata)

    def check_refusal(self, error, code, reason, **metadata):
        self.assertIsInstance(error, WaldenError)
        self.assertEqual(error.code, code, error)
        self.assertEqual(error.reason, reason, error)
        self.assertEqual(error.domain, "walden", error)
        self.assertTrue(error.message, "a refusal without a message")
        for key, value in metadata.items():
            self.assertIn(key, error.metadata, error)
            self.assertEqual(error.metadata[key], str(value), error)

    def eventually(self, condition, what, timeout=60.0):
        """Waits until `condition()` is true."""
        deadline = time.monotonic() + timeout
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"not within {timeout} s: {what}")
            time.sleep(0.01)

    def new_daemon(self, config=None, **options):
        """A daemon, not yet started, that is gone after the test."""
        daemon = Daemon(config, **options)
        self.addCleanup(daemon.discard)
        return daemon

    def new_client(self, daemon, **options):
        client = daemon.client(**options)
        self.addCleanup(client.close)
        return client

    def append_numbered(self, client, region, table, count, prefix="record", **options):
        """Appends `count` distinct records in one batch; returns [(sequence, payload)]."""
        payloads = [f"{prefix}-{i}".encode() for i in range(count)]
        answer = client.append(region, table, payloads, **options)
        self.assertEqual(answer.last_sequence - answer.first_sequence + 1, count)
        return list(zip(range(answer.first_sequence, answer.last_sequence + 1), payloads))


class SharedDaemonTestCase(WaldenTestCase):
    """All tests of the class use one daemon, each with regions of its own."""

    config = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon = Daemon(cls.config)
        cls.addClassCleanup(cls.daemon.discard)
        cls.daemon.start()
        cls.client = cls.daemon.client()
        cls.addClassCleanup(cls.client.close)

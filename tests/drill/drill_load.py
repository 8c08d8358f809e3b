"""The clients of the drill: each a thread that keeps what it was told, so that it can be checked."""

import random
import threading
import time

import grpc

from walden_client import SYNC, WaldenError, append_request, error_from_rpc
from walden_stubs import common_pb2, wal_pb2, wal_pb2_grpc

RETRYABLE = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)


def percentile(values, share):
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Tenant:
    """A gRPC client with an identity."""

    def __init__(self, address, ca_pem, token, server_name="localhost"):
        credentials = grpc.composite_channel_credentials(
            grpc.ssl_channel_credentials(ca_pem), grpc.access_token_call_credentials(token)
        )
        self.channel = grpc.secure_channel(
            address, credentials, [("grpc.ssl_target_name_override", server_name)]
        )
        self.wal = wal_pb2_grpc.WalServiceStub(self.channel)

    def append(self, region, table, payloads):
        try:
            return self.wal.Append(
                append_request(region, table, payloads, durability=SYNC), timeout=30
            ).tables[0]
        except grpc.RpcError as error:
            raise error_from_rpc(error) from None

    def mark_deleted(self, region, table, through):
        try:
            answer = self.wal.MarkDeleted(
                wal_pb2.MarkDeletedRequest(
                    region_id=region, marks=[{"table_id": table, "through_sequence": through}]
                ),
                timeout=30,
            )
        except grpc.RpcError as error:
            raise error_from_rpc(error) from None
        return answer.results[0].position.deleted_through

    def read(self, region, table, first=1):
        request = wal_pb2.ReadRequest(
            region_id=region,
            table_id=table,
            start=common_pb2.Bound(inclusive=first),
            skip_deleted=True,
        )
        for response in self.wal.Read(request, timeout=60):
            for record in response.records:
                yield record.sequence, record.payload

    def close(self):
        self.channel.close()


class Worker(threading.Thread):
    """Runs until stopped. Errors that a client should retry are counted; any other ends the drill."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        self.refusals = {}
        self.failure = None

    def run(self):
        try:
            self.work()
        except Exception as error:  # reported by whoever stops the worker
            self.failure = error

    def stop(self):
        self.stopping.set()
        self.join(60)
        if self.is_alive():
            raise AssertionError(f"{type(self).__name__} does not stop")
        if self.failure is not None:
            raise self.failure

    def refused(self, refusal):
        if refusal.code not in RETRYABLE:
            raise refusal
        reason = refusal.reason or refusal.code.name
        self.refusals[reason] = self.refusals.get(reason, 0) + 1


class Writer(Worker):
    """One append after the other, as a quiet database node makes them; marks deleted what is old."""

    def __init__(self, tenant, region, table, keep=2000, pause=0.003):
        super().__init__()
        self.tenant, self.region, self.table = tenant, region, table
        self.keep, self.pause = keep, pause
        self.acknowledged = {}  # sequence -> payload, not yet marked deleted
        self.deleted_through = 0
        self.latencies = []  # (when, seconds)
        self.gaps = []  # (from, seconds) during which nothing was acknowledged
        self._last = None

    def work(self):
        source = random.Random(self.table)
        while not self.stopping.is_set():
            payload = source.randbytes(1024)
            began = time.monotonic()
            try:
                answer = self.tenant.append(self.region, self.table, [payload])
            except WaldenError as refusal:
                self.refused(refusal)
                self.stopping.wait(0.05)
                continue
            now = time.monotonic()
            if self._last is not None and now - self._last > 0.5:
                self.gaps.append((self._last, now - self._last))
            self._last = now
            self.latencies.append((began, now - began))
            self.acknowledged[answer.first_sequence] = payload
            if len(self.acknowledged) >= 2 * self.keep:
                self.delete_oldest()
            self.stopping.wait(self.pause)

    def delete_oldest(self):
        through = sorted(self.acknowledged)[self.keep - 1]
        self.deleted_through = self.tenant.mark_deleted(self.region, self.table, through)
        self.acknowledged = {s: p for s, p in self.acknowledged.items() if s > through}

    def since(self, when):
        return [seconds for began, seconds in self.latencies if began >= when]


class Follower(Worker):
    """Tails a table and sees every record once, in order."""

    def __init__(self, tenant, region, table):
        super().__init__()
        self.tenant, self.region, self.table = tenant, region, table
        self.seen = 0
        self.end = None  # the code that the stream ended with

    def work(self):
        request = wal_pb2.ReadRequest(region_id=self.region, table_id=self.table, follow=True)
        self.call = self.tenant.wal.Read(request)
        last = 0
        try:
            for response in self.call:
                for record in response.records:
                    if record.sequence <= last:
                        raise AssertionError(f"{record.sequence} after {last}")
                    last = record.sequence
                    self.seen += 1
        except grpc.RpcError as error:
            self.end = error.code()

    def stop(self):
        self.call.cancel()
        super().stop()


class Flood(Worker):
    """Appends as much as it is let: a stream and unary calls beside it, both as fast as they go."""

    def __init__(self, tenant, region):
        super().__init__()
        self.tenant, self.region = tenant, region
        self.acknowledged = 0
        self._slots = threading.Semaphore(256)

    def requests(self):
        payload = bytes(64 << 10)
        number = 0
        while not self.stopping.is_set():
            number += 1
            self._slots.acquire(timeout=1)
            append = append_request(self.region, 1, [payload])
            yield wal_pb2.AppendStreamRequest(appends=[{"request_id": number, "append": append}])

    def work(self):
        unary = threading.Thread(target=self.call_again_and_again, daemon=True)
        unary.start()
        for response in self.tenant.wal.AppendStream(self.requests()):
            for result in response.results:
                self._slots.release()
                if result.HasField("response"):
                    self.acknowledged += 1
                else:
                    reason = "stream: refused"
                    self.refusals[reason] = self.refusals.get(reason, 0) + 1
        unary.join(60)

    def call_again_and_again(self):
        payloads = [bytes(256 << 10)] * 4
        while not self.stopping.is_set():
            try:
                self.tenant.append(self.region, 2, payloads)
                self.acknowledged += 1
            except WaldenError as refusal:
                reason = refusal.reason or refusal.code.name
                self.refusals[reason] = self.refusals.get(reason, 0) + 1
                self.stopping.wait(0.002)


class Hoarder(Worker):
    """Appends and deletes nothing, until the daemon has no room for it."""

    def __init__(self, tenant, region):
        super().__init__()
        self.tenant, self.region = tenant, region
        self.last = 0
        self.full = threading.Event()

    def work(self):
        payloads = [bytes(256 << 10)] * 4
        while not self.stopping.is_set():
            try:
                self.last = self.tenant.append(self.region, 1, payloads).last_sequence
            except WaldenError as refusal:
                self.refused(refusal)
                self.full.set()
                self.stopping.wait(0.2)

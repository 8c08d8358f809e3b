"""A small Python client of Walden, made from the .proto files alone.

It is what an engineer would write in an afternoon: thin wrappers that keep the API's own words, and
errors that carry code, reason and metadata.
"""

import dataclasses
import queue

import grpc

from walden_stubs import (
    admin_pb2,
    admin_pb2_grpc,
    common_pb2,
    error_details_pb2,
    health_pb2,
    health_pb2_grpc,
    status_pb2,
    wal_pb2,
    wal_pb2_grpc,
)

SYNC = common_pb2.DURABILITY_SYNC
BUFFERED = common_pb2.DURABILITY_BUFFERED

_STATUS_DETAILS_KEY = "grpc-status-details-bin"
_CODES_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


class WaldenError(Exception):
    """A refused call: gRPC code, and the ErrorInfo that Walden attaches to every refusal."""

    def __init__(
        self, code, message, reason=None, domain=None, metadata=None, retry_seconds=None
    ):
        super().__init__(f"{code.name} {reason or '(no reason)'}: {message} {metadata or {}}")
        self.code = code
        self.message = message
        self.reason = reason
        self.domain = domain
        self.metadata = metadata or {}
        self.retry_seconds = retry_seconds  # how long to wait before the same call, if it says so


def error_from_status(status):
    """From a google.rpc.Status."""
    error = WaldenError(
        _CODES_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN), status.message
    )
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            error = WaldenError(
                error.code, status.message, info.reason, info.domain, dict(info.metadata)
            )
        if detail.Unpack(retry):
            error.retry_seconds = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return error


def error_from_rpc(error):
    """From what a failed gRPC call raised."""
    for key, value in error.trailing_metadata() or ():
        if key == _STATUS_DETAILS_KEY:
            return error_from_status(status_pb2.Status.FromString(value))
    return WaldenError(error.code(), error.details())


def messages_of(call):
    """Yields what a stream answers; a refusal is raised as WaldenError."""
    try:
        yield from call
    except grpc.RpcError as error:
        raise error_from_rpc(error) from None


@dataclasses.dataclass
class ReadResult:
    position: common_pb2.TablePosition
    records: list  # of (sequence, payload)


@dataclasses.dataclass
class Recovery:
    state: wal_pb2.RegionState
    records: list  # of (table_id, sequence, payload), in the order streamed
    summary: wal_pb2.RecoverSummary

    def of_table(self, table_id):
        return [(sequence, payload) for table, sequence, payload in self.records if table == table_id]

    def table_state(self, table_id):
        for table in self.state.tables:
            if table.table_id == table_id:
                return table
        return None


class ReadStream:
    """A running Read: iterate it for records as (sequence, payload). One thread at a time.

    `skips` has the later positions of a read that skips deleted records.
    """

    def __init__(self, call, may_skip=False):
        self._call = call
        self._messages = messages_of(call)
        self._may_skip = may_skip
        self.skips = []
        first = next(self._messages)
        if not first.HasField("position"):
            raise AssertionError("the first message of a Read has no position")
        if first.records:
            raise AssertionError("the first message of a Read has records")
        self.position = first.position

    def __iter__(self):
        for response in self._messages:
            if response.HasField("position"):
                if not self._may_skip:
                    raise AssertionError("a later message of a Read has a position")
                self.skips.append(response.position)
            for record in response.records:
                yield record.sequence, record.payload

    def cancel(self):
        self._call.cancel()


class PipelinedStream:
    """A stream of requests, each with an answer: send() from one thread, answers() from another or
    the same."""

    def __init__(self, method, request_type, request_field, answer_field):
        self._requests = queue.SimpleQueue()
        self._request_type = request_type
        self._request_field = request_field
        self._answer_field = answer_field
        self._next_id = 1
        self.call = method(iter(self._requests.get, None))

    def send(self, request, request_id=None):
        """Queues a request and returns its request_id. None sends one that lacks its content."""
        if request_id is None:
            request_id = self._next_id
            self._next_id += 1
        message = self._request_type(request_id=request_id)
        if request is not None:
            getattr(message, self._request_field).CopyFrom(request)
        self._requests.put(message)
        return request_id

    def half_close(self):
        self._requests.put(None)

    def answers(self):
        """Yields (request_id, answer or WaldenError) until the stream ends."""
        for response in messages_of(self.call):
            if response.WhichOneof("result") == "refused":
                yield response.request_id, error_from_status(response.refused)
            else:
                yield response.request_id, getattr(response, self._answer_field)

    def cancel(self):
        self.call.cancel()
        self._requests.put(None)


def append_request(
    region,
    table,
    payloads,
    durability=SYNC,
    expected_next=None,
    region_version=None,
    producer=None,
    namespace=0,
):
    """`producer` is (id, sequence)."""
    request = wal_pb2.AppendRequest(
        namespace=namespace,
        region_id=region,
        table_id=table,
        payloads=payloads,
        durability=durability,
        expected_next_sequence=expected_next,
        region_version=region_version,
    )
    if producer is not None:
        request.producer.id, request.producer.sequence = producer
    return request


def _bounds(start, after, end, before):
    bounds = {}
    if start is not None:
        bounds["start"] = common_pb2.Bound(inclusive=start)
    if after is not None:
        bounds["start"] = common_pb2.Bound(exclusive=after)
    if end is not None:
        bounds["end"] = common_pb2.Bound(inclusive=end)
    if before is not None:
        bounds["end"] = common_pb2.Bound(exclusive=before)
    return bounds


@dataclasses.dataclass
class Tls:
    """What a client shows and trusts; all PEM."""

    authority: bytes
    certificate: bytes = None
    key: bytes = None
    server_name: str = None  # in the daemon's certificate, if not the address


class _WithMetadata(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds metadata to every call, encrypted or not."""

    def __init__(self, metadata):
        self._metadata = metadata

    def _details(self, details):
        metadata = [*(details.metadata or ()), *self._metadata]
        return details._replace(metadata=metadata)

    def intercept_unary_unary(self, continuation, details, request):
        return continuation(self._details(details), request)

    def intercept_unary_stream(self, continuation, details, request):
        return continuation(self._details(details), request)

    def intercept_stream_unary(self, continuation, details, requests):
        return continuation(self._details(details), requests)

    def intercept_stream_stream(self, continuation, details, requests):
        return continuation(self._details(details), requests)


class Client:
    """One connection to a daemon. Safe from any thread, as gRPC channels are.

    `timeout` bounds every unary call, and every stream except follow reads and append streams.
    `token` says who calls; `metadata` is sent with every call as it is.
    """

    def __init__(self, address, timeout=30.0, options=(), tls=None, token=None, metadata=()):
        self.timeout = timeout
        all_options = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            # A restarted daemon is a new peer: no backoff learned from the old one.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 500),
            *options,
        ]
        if tls is None:
            self.channel = grpc.insecure_channel(address, options=all_options)
        else:
            if tls.server_name:
                all_options.append(("grpc.ssl_target_name_override", tls.server_name))
            credentials = grpc.ssl_channel_credentials(tls.authority, tls.key, tls.certificate)
            self.channel = grpc.secure_channel(address, credentials, options=all_options)
        metadata = list(metadata)
        if token is not None:
            metadata.append(("authorization", f"Bearer {token}"))
        if metadata:
            self.channel = grpc.intercept_channel(self.channel, _WithMetadata(metadata))
        self.wal = wal_pb2_grpc.WalServiceStub(self.channel)
        self.admin = admin_pb2_grpc.AdminServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def close(self):
        self.channel.close()

    def call(self, method, request):
        """One unary call; a refusal is raised as WaldenError."""
        try:
            return method(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise error_from_rpc(error) from None

    # --- WalService

    def append(self, region, table, payloads, **options):
        return self.call(self.wal.Append, append_request(region, table, payloads, **options))

    def open_producer(self, region, region_version=None, namespace=0):
        """Returns a producer id."""
        request = wal_pb2.OpenProducerRequest(
            namespace=namespace, region_id=region, region_version=region_version
        )
        return self.call(self.wal.OpenProducer, request).producer_id

    def append_stream(self):
        return PipelinedStream(
            self.wal.AppendStream, wal_pb2.AppendStreamRequest, "append", "appended"
        )

    def open_read(
        self,
        region,
        table,
        start=None,
        after=None,
        end=None,
        before=None,
        max_records=0,
        max_bytes=0,
        follow=False,
        skip_deleted=False,
        namespace=0,
    ):
        request = wal_pb2.ReadRequest(
            namespace=namespace,
            region_id=region,
            table_id=table,
            max_records=max_records,
            max_bytes=max_bytes,
            follow=follow,
            skip_deleted=skip_deleted,
            **_bounds(start, after, end, before),
        )
        call = self.wal.Read(request, timeout=None if follow else self.timeout)
        return ReadStream(call, may_skip=skip_deleted)

    def read(self, region, table, **options):
        stream = self.open_read(region, table, **options)
        return ReadResult(stream.position, list(stream))

    def mark_deleted(self, region, table, through, region_version=None, namespace=0):
        """Returns the table's mark."""
        request = wal_pb2.MarkDeletedRequest(
            namespace=namespace,
            region_id=region,
            table_id=table,
            through_sequence=through,
            region_version=region_version,
        )
        return self.call(self.wal.MarkDeleted, request).deleted_through

    def recover(self, region, table=None, namespace=0, first_sequence=0):
        """Everything live, checked against the summary that closes the stream."""
        request = wal_pb2.RecoverRequest(
            namespace=namespace, region_id=region, table_id=table, first_sequence=first_sequence
        )
        state, records, summary = None, [], None
        for response in messages_of(self.wal.Recover(request, timeout=self.timeout)):
            if summary is not None:
                raise AssertionError("Recover streamed something after its summary")
            part = response.WhichOneof("part")
            if part == "state" and records or part != "state" and state is None:
                raise AssertionError(f"Recover streamed {part} where it was not due")
            if part == "state" and state is None:
                state = response.state
            elif part == "state":
                state.tables.extend(response.state.tables)
                damaged = response.state.opening.damaged_ranges
                state.opening.damaged_ranges.extend(damaged)
            elif part == "records":
                records.extend(
                    (r.table_id, r.sequence, r.payload) for r in response.records.records
                )
            else:
                summary = response.summary
        if summary is None:
            raise AssertionError("Recover ended without a summary")
        counted = (
            len(records),
            sum(len(payload) for _, _, payload in records),
            len({table for table, _, _ in records}),
        )
        stated = (summary.records, summary.payload_bytes, summary.tables)
        if counted != stated:
            raise AssertionError(f"Recover streamed {counted}, its summary says {stated}")
        return Recovery(state, records, summary)

    # --- AdminService

    def list_namespaces(self):
        return self.call(
            self.admin.ListNamespaces, admin_pb2.ListNamespacesRequest()
        ).namespaces

    def list_regions(self, namespace=0):
        request = admin_pb2.ListRegionsRequest(namespace=namespace)
        return self.call(self.admin.ListRegions, request).regions

    def describe_region(self, region, namespace=0):
        request = admin_pb2.DescribeRegionRequest(namespace=namespace, region_id=region)
        return self.call(self.admin.DescribeRegion, request)

    def position(self, region, table, namespace=0):
        request = admin_pb2.GetNextSequenceRequest(
            namespace=namespace, region_id=region, table_id=table
        )
        return self.call(self.admin.GetNextSequence, request).position

    def next_sequence(self, region, table, namespace=0):
        return self.position(region, table, namespace).next_sequence

    def sync_region(self, region, namespace=0):
        request = admin_pb2.SyncRegionRequest(namespace=namespace, region_id=region)
        return self.call(self.admin.SyncRegion, request)

    def close_region(self, region, namespace=0):
        request = admin_pb2.CloseRegionRequest(namespace=namespace, region_id=region)
        return self.call(self.admin.CloseRegion, request).was_open

    def drop_region(self, region, confirm=None, namespace=0):
        request = admin_pb2.DropRegionRequest(
            namespace=namespace,
            region_id=region,
            confirm_region_id=region if confirm is None else confirm,
        )
        return self.call(self.admin.DropRegion, request).existed

    def verify(self, region, namespace=0):
        """Returns (last message, all findings)."""
        request = admin_pb2.VerifyRequest(namespace=namespace, region_id=region)
        findings, last = [], None
        for response in messages_of(self.admin.Verify(request, timeout=self.timeout)):
            if last is not None and last.done:
                raise AssertionError("Verify streamed something after done")
            findings.extend(response.findings)
            last = response
        if last is None or not last.done:
            raise AssertionError("Verify ended without done")
        return last, findings

    def statistics(self):
        return self.call(self.admin.GetStatistics, admin_pb2.GetStatisticsRequest())

    # --- grpc.health.v1

    def health_status(self, service=""):
        request = health_pb2.HealthCheckRequest(service=service)
        return self.call(self.health.Check, request).status

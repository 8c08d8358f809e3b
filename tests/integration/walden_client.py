"""A small Python client of Walden, made from the .proto files alone.

It is what an engineer would write in an afternoon: thin wrappers that keep the API's own words, and
that check what every answer must hold.
"""

import dataclasses

import grpc

from walden_errors import WaldenError, error_from_rpc, error_from_status, messages_of
from walden_requests import (
    BUFFERED,
    SYNC,
    Appended,
    append_request,
    append_stream,
    append_tables_request,
    bounds,
    timestamp,
)
from walden_stubs import (
    admin_pb2,
    admin_pb2_grpc,
    common_pb2,
    health_pb2,
    health_pb2_grpc,
    wal_pb2,
    wal_pb2_grpc,
)

__all__ = [
    "BUFFERED", "SYNC", "Appended", "Client", "ReadStream", "Recovery", "Tls", "WaldenError",
    "append_request", "append_tables_request", "error_from_rpc", "error_from_status", "timestamp",
]


@dataclasses.dataclass
class ReadResult:
    position: common_pb2.TablePosition
    records: list  # of (sequence, payload)
    summary: wal_pb2.ReadSummary


@dataclasses.dataclass
class Recovery:
    state: wal_pb2.RegionState
    records: list  # of (table_id, sequence, payload), in the order streamed
    summary: wal_pb2.RecoverSummary

    def take(self, response):
        """The next message of the stream."""
        if self.summary is not None:
            raise AssertionError("Recover streamed something after its summary")
        if response.HasField("state"):
            self._take_state(response.state)
        elif self.state is None:
            raise AssertionError("Recover did not begin with a state")
        self.records.extend((r.table_id, r.sequence, r.payload) for r in response.records)
        if response.HasField("summary"):
            self.summary = response.summary

    def _take_state(self, state):
        if self.records:
            raise AssertionError("Recover streamed a state behind records")
        if self.state is None:
            self.state = state
            return
        self.state.tables.extend(state.tables)
        self.state.opening.damaged_ranges.extend(state.opening.damaged_ranges)

    def check(self):
        """What was streamed is what the summary says."""
        if self.summary is None:
            raise AssertionError("Recover ended without a summary")
        counted = (
            len(self.records),
            sum(len(payload) for _, _, payload in self.records),
            len({table for table, _, _ in self.records}),
        )
        summary = self.summary
        stated = (summary.record_count, summary.payload_bytes, summary.table_count)
        if counted != stated:
            raise AssertionError(f"Recover streamed {counted}, its summary says {stated}")

    def of_table(self, table_id):
        return [(sequence, payload) for table, sequence, payload in self.records if table == table_id]

    def table_state(self, table_id):
        for table in self.state.tables:
            if table.table_id == table_id:
                return table
        return None


class ReadStream:
    """A running Read: iterate it for records as (sequence, payload). One thread at a time.

    `skips` has the later positions of a read that skips deleted records, `marks` those of a follower
    that had caught up. `summary` is there at the end.
    """

    def __init__(self, call, request):
        self._call = call
        self._request = request
        self._messages = messages_of(call)
        self._counted = [0, 0]  # records, bytes of payloads
        self._last_sequence = 0
        self.skips = []
        self.marks = []
        self.summary = None
        first = next(self._messages)
        if not first.HasField("position"):
            raise AssertionError("the first message of a Read has no position")
        if first.records or first.caught_up or first.HasField("summary"):
            raise AssertionError("the first message of a Read has more than a position")
        self.position = first.position

    def messages(self):
        """The messages behind the first, checked."""
        for response in self._messages:
            if self.summary is not None:
                raise AssertionError("Read streamed something after its summary")
            if response.HasField("position"):
                self._check_position(response)
            elif response.caught_up:
                raise AssertionError("a caught-up mark of a Read has no position")
            for record in response.records:
                if record.sequence <= self._last_sequence:
                    raise AssertionError(f"{record.sequence} after {self._last_sequence}")
                self._last_sequence = record.sequence
                self._counted[0] += 1
                self._counted[1] += len(record.payload)
            if response.HasField("summary"):
                self.summary = response.summary
                self._check_summary()
            yield response
        if self.summary is None:
            raise AssertionError("Read ended without a summary")

    def _check_position(self, response):
        if response.caught_up:
            self.marks.append(response.position)
        elif self._request.skip_deleted:
            self.skips.append(response.position)
        elif response.records or not self._request.follow:
            raise AssertionError("a later message of a Read has a position")
        if response.caught_up and not self._request.follow:
            raise AssertionError("a Read that does not follow has caught up")

    def _check_summary(self):
        stated = [self.summary.record_count, self.summary.payload_bytes]
        if stated != self._counted:
            raise AssertionError(f"Read streamed {self._counted}, its summary says {stated}")
        if self.summary.resume_sequence <= self._last_sequence:
            raise AssertionError(f"Read goes on at {self.summary} after {self._last_sequence}")

    def __iter__(self):
        for response in self.messages():
            for record in response.records:
                yield record.sequence, record.payload

    def cancel(self):
        self._call.cancel()


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
        """Appended."""
        return self._append(append_request(region, table, payloads, **options))

    def append_tables(self, region, tables, **options):
        """Appended. `tables` has (table, payloads) or (table, payloads, expected_next) of each table."""
        return self._append(append_tables_request(region, tables, **options))

    def pass_over(self, region, producer):
        """A batch without tables."""
        return self.append_tables(region, [], producer=producer)

    def _append(self, request):
        return Appended.of(request, self.call(self.wal.Append, request))

    def append_stream(self):
        return append_stream(self.wal)

    def open_producer(self, region, region_version=None, namespace=0):
        """Returns a producer id."""
        request = wal_pb2.OpenProducerRequest(
            namespace_id=namespace, region_id=region, region_version=region_version
        )
        return self.call(self.wal.OpenProducer, request).producer_id

    def open_read(
        self,
        region,
        table,
        start=None,
        after=None,
        end=None,
        before=None,
        start_time=None,
        heartbeat_seconds=None,
        namespace=0,
        **fields,
    ):
        """`fields` are those of ReadRequest that have no argument of their own."""
        request = wal_pb2.ReadRequest(
            namespace_id=namespace,
            region_id=region,
            table_id=table,
            **bounds(start, after, end, before),
            **fields,
        )
        if start_time is not None:
            request.start_time.CopyFrom(timestamp(start_time))
        if heartbeat_seconds is not None:
            request.heartbeat_interval.FromNanoseconds(round(heartbeat_seconds * 1e9))
        call = self.wal.Read(request, timeout=None if request.follow else self.timeout)
        return ReadStream(call, request)

    def read(self, region, table, **options):
        stream = self.open_read(region, table, **options)
        records = list(stream)
        return ReadResult(stream.position, records, stream.summary)

    def mark_deleted(self, region, table, through, region_version=None, namespace=0):
        """Returns the table's mark."""
        (marked,) = self.mark_tables_deleted(
            region, [(table, through)], region_version=region_version, namespace=namespace
        )
        return marked

    def mark_deleted_before(self, region, table, time, namespace=0):
        """Marks what was appended before `time`, as of timestamp(). Returns the table's mark."""
        mark = wal_pb2.TableMark(table_id=table, before_time=timestamp(time))
        (marked,) = self.mark_tables_deleted(region, [mark], namespace=namespace)
        return marked

    def mark_tables_deleted(self, region, marks, region_version=None, namespace=0):
        """`marks` has (table, through_sequence) or TableMark. Returns the mark of each table."""
        made = [
            wal_pb2.TableMark(table_id=mark[0], through_sequence=mark[1])
            if isinstance(mark, tuple)
            else mark
            for mark in marks
        ]
        request = wal_pb2.MarkDeletedRequest(
            namespace_id=namespace, region_id=region, marks=made, region_version=region_version
        )
        results = self.call(self.wal.MarkDeleted, request).results
        if [r.table_id for r in results] != [m.table_id for m in made]:
            raise AssertionError(f"MarkDeleted of {made} was answered with {results}")
        return [result.position.deleted_through for result in results]

    def fence_region(self, region, version, namespace=0):
        request = wal_pb2.FenceRegionRequest(
            namespace_id=namespace, region_id=region, region_version=version
        )
        return self.call(self.wal.FenceRegion, request)

    def recover(self, region, table=None, namespace=0, **fields):
        """Everything live, checked against the summary that closes the stream."""
        request = wal_pb2.RecoverRequest(
            namespace_id=namespace, region_id=region, table_id=table, **fields
        )
        recovery = Recovery(None, [], None)
        for response in messages_of(self.wal.Recover(request, timeout=self.timeout)):
            recovery.take(response)
        recovery.check()
        return recovery

    # --- AdminService

    def list_namespaces(self):
        request = admin_pb2.ListNamespacesRequest()
        return [n for page in self.pages(self.admin.ListNamespaces, request) for n in page.namespaces]

    def list_regions(self, namespace=0, page_size=0):
        request = admin_pb2.ListRegionsRequest(namespace_id=namespace, page_size=page_size)
        return [r for page in self.pages(self.admin.ListRegions, request) for r in page.regions]

    def pages(self, method, request):
        """Every page of a list, from that of `request` on."""
        while True:
            page = self.call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def describe_region(self, region, namespace=0):
        request = admin_pb2.DescribeRegionRequest(namespace_id=namespace, region_id=region)
        return self.call(self.admin.DescribeRegion, request)

    def position(self, region, table, namespace=0):
        request = admin_pb2.GetTablePositionRequest(
            namespace_id=namespace, region_id=region, table_id=table
        )
        return self.call(self.admin.GetTablePosition, request).position

    def next_sequence(self, region, table, namespace=0):
        return self.position(region, table, namespace).next_sequence

    def sync_region(self, region, namespace=0):
        request = admin_pb2.SyncRegionRequest(namespace_id=namespace, region_id=region)
        return self.call(self.admin.SyncRegion, request)

    def close_region(self, region, namespace=0):
        request = admin_pb2.CloseRegionRequest(namespace_id=namespace, region_id=region)
        return self.call(self.admin.CloseRegion, request).was_open

    def drop_region(self, region, confirm=None, namespace=1):
        """A drop has no default namespace."""
        request = admin_pb2.DropRegionRequest(
            namespace_id=namespace,
            region_id=region,
            confirm_region_id=region if confirm is None else confirm,
        )
        return self.call(self.admin.DropRegion, request).existed

    def verify(self, region, namespace=0):
        """Returns (summary, all findings)."""
        request = admin_pb2.VerifyRegionRequest(namespace_id=namespace, region_id=region)
        findings, progress, summary = [], None, None
        for response in messages_of(self.admin.VerifyRegion(request, timeout=self.timeout)):
            if summary is not None:
                raise AssertionError("VerifyRegion streamed something after its summary")
            findings.extend(response.findings)
            if response.HasField("progress"):
                progress = response.progress
            if response.HasField("summary"):
                summary = response.summary
        if summary is None:
            raise AssertionError("VerifyRegion ended without a summary")
        if summary.finding_count != len(findings):
            raise AssertionError(f"VerifyRegion streamed {len(findings)} findings, and said {summary}")
        if progress is not None and progress.checked_bytes > summary.checked_bytes:
            raise AssertionError(f"VerifyRegion checked {progress}, and said {summary}")
        return summary, findings

    def server_info(self):
        return self.call(self.admin.GetServerInfo, admin_pb2.GetServerInfoRequest())

    def statistics(self):
        return self.call(self.admin.GetStatistics, admin_pb2.GetStatisticsRequest())

    # --- grpc.health.v1

    def health_status(self, service=""):
        request = health_pb2.HealthCheckRequest(service=service)
        return self.call(self.health.Check, request).status

"""Requests of WalService and AdminService, and streams of many of them."""

import dataclasses
import datetime
import queue

from google.protobuf import timestamp_pb2

from walden_errors import error_from_status, messages_of
from walden_stubs import common_pb2, wal_pb2

SYNC = common_pb2.DURABILITY_SYNC
BUFFERED = common_pb2.DURABILITY_BUFFERED


def timestamp(when):
    """From a datetime with a time zone, or from milliseconds since the Unix epoch."""
    made = timestamp_pb2.Timestamp()
    if isinstance(when, datetime.datetime):
        made.FromDatetime(when.astimezone(datetime.timezone.utc).replace(tzinfo=None))
    else:
        made.FromMilliseconds(when)
    return made


def bounds(start=None, after=None, end=None, before=None):
    """Fields `start` and `end` of a ReadRequest."""
    made = {}
    if start is not None:
        made["start"] = common_pb2.Bound(inclusive=start)
    if after is not None:
        made["start"] = common_pb2.Bound(exclusive=after)
    if end is not None:
        made["end"] = common_pb2.Bound(inclusive=end)
    if before is not None:
        made["end"] = common_pb2.Bound(exclusive=before)
    return made


def append_tables_request(
    region, tables, durability=SYNC, region_version=None, producer=None, namespace=0
):
    """`tables` has (table, payloads) or (table, payloads, expected_next) of each table; `producer` is
    (id, sequence)."""
    request = wal_pb2.AppendRequest(
        namespace_id=namespace,
        region_id=region,
        durability=durability,
        region_version=region_version,
    )
    for table, payloads, *expected in tables:
        request.tables.add(
            table_id=table, payloads=payloads, expected_next_sequence=expected[0] if expected else None
        )
    if producer is not None:
        request.producer.producer_id, request.producer.producer_sequence = producer
    return request


def append_request(region, table, payloads, expected_next=None, **options):
    """A batch of one table; options as of append_tables_request."""
    return append_tables_request(region, [(table, payloads, expected_next)], **options)


@dataclasses.dataclass
class Appended:
    """The answer to an append. The numbers are those of the only table, 0 if there is none."""

    tables: list  # of TableRange, in the order of the request
    durable: bool
    duplicate: bool
    first_sequence: int = 0
    last_sequence: int = 0

    @classmethod
    def of(cls, request, response):
        """Checks that the answer fits the request, if that is known."""
        got = [(t.table_id, t.last_sequence - t.first_sequence + 1) for t in response.tables]
        asked = got
        if request is not None:
            asked = [(table.table_id, len(table.payloads)) for table in request.tables]
        if got != asked:
            raise AssertionError(f"an append of (table, records) {asked} was answered with {got}")
        made = cls(list(response.tables), response.durable, response.duplicate)
        if len(made.tables) == 1:
            made.first_sequence = made.tables[0].first_sequence
            made.last_sequence = made.tables[0].last_sequence
        return made


class PipelinedStream:
    """A stream of requests, each with an answer: send() from one thread, answers() from another or
    the same.

    A message of the stream has `requests_field` with many of {request_id, request_field}.
    """

    def __init__(self, method, message_type, requests_field, request_field, answer_of):
        self._messages = queue.SimpleQueue()
        self._message_type = message_type
        self._requests_field = requests_field
        self._request_field = request_field
        self._answer_of = answer_of
        self._requests = {}  # by request_id, of those that are not answered
        self._next_id = 1
        self.call = method(iter(self._messages.get, None))

    def send(self, request, request_id=None):
        """Sends a request in a message of its own, and returns its request_id. None sends one that lacks its
        content."""
        return self.send_many([request], request_id)[0]

    def send_many(self, requests, first_id=None):
        """Sends one message with many requests, and returns their request_ids."""
        if first_id is None:
            first_id = self._next_id
            self._next_id += len(requests)
        ids = list(range(first_id, first_id + len(requests)))
        message = self._message_type()
        for request_id, request in zip(ids, requests):
            one = getattr(message, self._requests_field).add(request_id=request_id)
            if request is not None:
                getattr(one, self._request_field).CopyFrom(request)
                self._requests[request_id] = request
        self._messages.put(message)
        return ids

    def half_close(self):
        self._messages.put(None)

    def answers(self):
        """Yields (request_id, answer or WaldenError) until the stream ends."""
        for response in messages_of(self.call):
            if not response.results:
                raise AssertionError("a message of answers has none")
            for result in response.results:
                request = self._requests.pop(result.request_id, None)
                kind = result.WhichOneof("outcome")
                if kind == "error":
                    yield result.request_id, error_from_status(result.error)
                else:
                    yield result.request_id, self._answer_of(request, getattr(result, kind))

    def cancel(self):
        self.call.cancel()
        self._messages.put(None)


def append_stream(wal):
    """An AppendStream of the stub `wal`, whose answers are Appended."""
    return PipelinedStream(
        wal.AppendStream, wal_pb2.AppendStreamRequest, "appends", "append", Appended.of
    )

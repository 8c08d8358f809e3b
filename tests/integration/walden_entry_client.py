"""A client of EntryService that checks what every answer must hold."""

from walden_errors import messages_of
from walden_requests import SYNC, PipelinedStream, timestamp
from walden_stubs import entry_pb2, entry_pb2_grpc


def entry(key, value=None, created=None, expires=None):
    """A row entry; without a value a tombstone. Times are in milliseconds since the Unix epoch."""
    made = entry_pb2.Entry(key=key)
    if created is not None:
        made.create_time.CopyFrom(timestamp(created))
    if expires is not None:
        made.expire_time.CopyFrom(timestamp(expires))
    if value is None:
        made.tombstone = True
    else:
        made.value = value
    return made


def put_request(
    region, table, entries, durability=SYNC, expected_next=None, region_version=None, producer=None
):
    """`entries` are made by entry(), or (key, value) pairs; `producer` is (id, sequence)."""
    request = entry_pb2.PutRequest(
        region_id=region,
        table_id=table,
        entries=[entry(*e) if isinstance(e, tuple) else e for e in entries],
        durability=durability,
        expected_next_sequence=expected_next,
        region_version=region_version,
    )
    if producer is not None:
        request.producer.producer_id, request.producer.producer_sequence = producer
    return request


def _check_counts(call, entries, stated):
    counted = (len(entries), sum(len(e.key) + len(e.value) for e in entries))
    if counted != (stated.entry_count, stated.entry_bytes):
        raise AssertionError(f"{call} streamed {counted}, and said {stated}")


class Flush:
    """A running Flush: iterate it for entries; `summary` is there at the end."""

    def __init__(self, call):
        self.call = call
        self._messages = messages_of(call)
        self.state = next(self._messages).state
        self.flush_id = self.state.flush_id
        self.summary = None

    def __iter__(self):
        entries, size, last = 0, 0, None
        for response in self._messages:
            if self.summary is not None:
                raise AssertionError("Flush streamed something after its summary")
            for e in response.entries:
                position = (e.key, -e.sequence)
                if last is not None and position <= last:
                    raise AssertionError(f"Flush streamed {position} behind {last}")
                last = position
                entries += 1
                size += len(e.key) + len(e.value)
                yield e
            if response.HasField("summary"):
                self.summary = response.summary
        if self.summary is None:
            raise AssertionError("Flush ended without a summary")
        counted = (self.flush_id, entries, size)
        for stated in (self.state, self.summary):
            if counted != (stated.flush_id, stated.entry_count, stated.entry_bytes):
                raise AssertionError(f"Flush streamed {counted}, and said {stated}")

    def cancel(self):
        self.call.cancel()


class EntryClient:
    """EntryService over the connection of a Client. Any thread."""

    def __init__(self, client):
        self.client = client
        self.stub = entry_pb2_grpc.EntryServiceStub(client.channel)

    def put(self, region, table, entries, **options):
        return self.client.call(self.stub.Put, put_request(region, table, entries, **options))

    def put_stream(self):
        return PipelinedStream(
            self.stub.PutStream, entry_pb2.PutStreamRequest, "puts", "put", lambda _, answer: answer
        )

    def get_many(self, region, table, keys, **fields):
        """The entries, or None for keys that are not there."""
        request = entry_pb2.GetRequest(region_id=region, table_id=table, keys=keys, **fields)
        results = self.client.call(self.stub.Get, request).results
        if len(results) != len(keys):
            raise AssertionError(f"Get of {len(keys)} keys answered {len(results)} results")
        return [r.entry if r.HasField("entry") else None for r in results]

    def get(self, region, table, key):
        """The value, or None."""
        found = self.get_many(region, table, [key])[0]
        return None if found is None else found.value

    def scan(self, region, table, start=b"", end=None, max_entries=0, include_hidden=False):
        request = entry_pb2.ScanRequest(
            region_id=region,
            table_id=table,
            start_key=start,
            end_key=end,
            max_entries=max_entries,
            include_hidden=include_hidden,
        )
        entries, summary = [], None
        for response in messages_of(self.stub.Scan(request, timeout=self.client.timeout)):
            if summary is not None:
                raise AssertionError("Scan streamed something after its summary")
            entries.extend(response.entries)
            if response.HasField("summary"):
                summary = response.summary
        if summary is None:
            raise AssertionError("Scan ended without a summary")
        _check_counts("Scan", entries, summary)
        return entries

    def begin_flush(self, region, table, region_version=None):
        request = entry_pb2.FlushRequest(
            region_id=region, table_id=table, region_version=region_version
        )
        return Flush(self.stub.Flush(request, timeout=self.client.timeout))

    def flush(self, region, table, **options):
        """(flush id, entries)"""
        flush = self.begin_flush(region, table, **options)
        return flush.flush_id, list(flush)

    def finalize(self, region, table, flush_id, region_version=None):
        request = entry_pb2.FinalizeRequest(
            region_id=region, table_id=table, flush_id=flush_id, region_version=region_version
        )
        return self.client.call(self.stub.Finalize, request).finalized_through

    def recover(self, region, table, **fields):
        """(state, entries), checked against the summary."""
        request = entry_pb2.EntryServiceRecoverRequest(region_id=region, table_id=table, **fields)
        state, entries, summary = None, [], None
        for response in messages_of(self.stub.Recover(request, timeout=self.client.timeout)):
            if summary is not None:
                raise AssertionError("Recover streamed something after its summary")
            if response.HasField("state") and state is None:
                state = response.state
            elif response.HasField("state"):
                state.flush_ids.extend(response.state.flush_ids)
            entries.extend(response.entries)
            if response.HasField("summary"):
                summary = response.summary
        if state is None or summary is None:
            raise AssertionError("Recover without a state or a summary")
        for stated in (state, summary):
            _check_counts("Recover", entries, stated)
        return state, entries

"""Appends, reads, follows, recovers, and retries with a producer, over WalService. The stubs of walden/v1
are on the path; those of google/rpc and grpc/health are the official packages'."""

import sys

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from walden.v1 import common_pb2, wal_pb2, wal_pb2_grpc

REGION = 1
TABLE = 9
OTHER_TABLE = 10
TIMEOUT = 30


def payloads_for(table, *payloads, expected=None):
    return wal_pb2.TableAppend(table_id=table, payloads=payloads, expected_next_sequence=expected)


def append(wal, *tables):
    """Appends one batch, which is stored in all of its tables or in none."""
    appended = wal.Append(wal_pb2.AppendRequest(region_id=REGION, tables=tables), timeout=TIMEOUT)
    assert appended.durable
    return appended


def numbers(written):
    return f"{written.first_sequence} to {written.last_sequence}"


def append_two(wal):
    appended = append(wal, payloads_for(TABLE, b"one", b"two"))
    print(f"appended: {numbers(appended.tables[0])}, durable")


def read_table(wal, table):
    request = wal_pb2.ReadRequest(region_id=REGION, table_id=table)
    return ", ".join(
        f"{record.sequence} {record.payload.decode()}"
        for response in wal.Read(request, timeout=TIMEOUT)
        for record in response.records
    )


def read(wal):
    print("read:", read_table(wal, TABLE))


def follow(wal):
    """Appends one record once the stream has caught up, and ends when it arrives."""
    request = wal_pb2.ReadRequest(
        region_id=REGION, table_id=TABLE, start=common_pb2.Bound(exclusive=2), follow=True
    )
    stream = wal.Read(request, timeout=TIMEOUT)
    appended = False
    for response in stream:
        if response.records:
            record = response.records[0]
            print(f"followed: caught up, then {record.sequence} {record.payload.decode()}")
            break
        if response.caught_up and not appended:
            appended = True
            append(wal, payloads_for(TABLE, b"three"))
    stream.cancel()


def recover(wal):
    records = 0
    summary = None
    for response in wal.Recover(wal_pb2.RecoverRequest(region_id=REGION), timeout=TIMEOUT):
        records += len(response.records)
        if response.HasField("summary"):
            summary = response.summary
    assert summary is not None and summary.record_count == records, "the stream was cut"
    print(
        f"recovered: {records} records with {summary.payload_bytes} bytes in {summary.table_count} table"
    )


def reason(status, key):
    """Decodes the reason of a refusal, and one value of its metadata."""
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details), "the error has no reason"
    return f"{code_pb2.Code.Name(status.code)}, {info.reason}, {key} {info.metadata[key]}"


def refused(wal):
    try:
        append(wal, payloads_for(TABLE, b"never stored", expected=1))
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata())
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        print("refused:", reason(status, "actual_next_sequence"))


def append_stream(wal, *batches):
    """Sends batches in one message of a stream, and returns the answers in the order of the batches."""
    appends = [
        wal_pb2.StreamedAppend(request_id=number, append=batch) for number, batch in enumerate(batches)
    ]
    messages = iter([wal_pb2.AppendStreamRequest(appends=appends)])
    results = {
        result.request_id: result
        for response in wal.AppendStream(messages, timeout=TIMEOUT)
        for result in response.results
    }
    return [results[append.request_id] for append in appends]


def describe(result):
    if result.WhichOneof("outcome") == "error":
        return reason(result.error, "expected_producer_sequence")
    appended = result.response
    return f"{numbers(appended.tables[0])}, {'duplicate' if appended.duplicate else 'stored'}"


def produce(wal):
    """Numbers its batches, so that the daemon recognises one that is sent again."""
    opened = wal.OpenProducer(wal_pb2.OpenProducerRequest(region_id=REGION), timeout=TIMEOUT)

    def batch(sequence, *payloads):
        return wal_pb2.AppendRequest(
            region_id=REGION,
            tables=[payloads_for(TABLE, *payloads)],
            producer=wal_pb2.ProducerBatch(
                producer_id=opened.producer_id, producer_sequence=sequence
            ),
        )

    first = batch(1, b"four", b"five")
    (stored,) = append_stream(wal, first)
    # Sends the first batch again, as after a stream that broke before the answer. The second is left out,
    # so the third is refused.
    again, refusal = append_stream(wal, first, batch(3, b"never stored"))
    print("produced:", describe(stored))
    print("produced again:", describe(again))
    print("refused:", describe(refusal))


def append_to_two_tables(wal):
    appended = append(wal, payloads_for(TABLE, b"six"), payloads_for(OTHER_TABLE, b"seven", b"eight"))
    written = [f"{table.table_id} has {numbers(table)}" for table in appended.tables]
    print("appended to two tables:", ", ".join(written))
    for table in appended.tables:
        print(f"read table {table.table_id}: {read_table(wal, table.table_id)}")


def main(address):
    with grpc.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=TIMEOUT, wait_for_ready=True
        )
        print("health:", health_pb2.HealthCheckResponse.ServingStatus.Name(health.status))
        wal = wal_pb2_grpc.WalServiceStub(channel)
        append_two(wal)
        read(wal)
        follow(wal)
        recover(wal)
        refused(wal)
        produce(wal)
        append_to_two_tables(wal)


if __name__ == "__main__":
    main(sys.argv[1])

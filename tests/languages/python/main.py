"""Uses each kind of call of WalService once. The stubs of walden/v1 are on the path; those of google/rpc
and grpc/health are the official packages'."""

import sys

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from walden.v1 import common_pb2, wal_pb2, wal_pb2_grpc

REGION = 1
TABLE = 9
TIMEOUT = 30


def append(wal, *payloads, expected=None):
    batch = wal_pb2.TableAppend(table_id=TABLE, payloads=payloads, expected_next_sequence=expected)
    return wal.Append(wal_pb2.AppendRequest(region_id=REGION, tables=[batch]), timeout=TIMEOUT)


def read(wal):
    request = wal_pb2.ReadRequest(region_id=REGION, table_id=TABLE)
    records = [
        f"{record.sequence} {record.payload.decode()}"
        for response in wal.Read(request, timeout=TIMEOUT)
        for record in response.records
    ]
    print("read:", ", ".join(records))


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
            append(wal, b"three")
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


def refused(wal):
    try:
        append(wal, b"four", expected=1)
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata())
        details = status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details
        info = error_details_pb2.ErrorInfo()
        assert any(detail.Unpack(info) for detail in details)
        actual = info.metadata["actual_next_sequence"]
        print(f"refused: {error.code().name}, {info.reason}, actual_next_sequence {actual}")


def main(address):
    with grpc.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=TIMEOUT, wait_for_ready=True
        )
        print("health:", health_pb2.HealthCheckResponse.ServingStatus.Name(health.status))
        wal = wal_pb2_grpc.WalServiceStub(channel)
        appended = append(wal, b"one", b"two")
        assert appended.durable
        (numbers,) = appended.tables
        print(f"appended: {numbers.first_sequence} to {numbers.last_sequence}, durable")
        read(wal)
        follow(wal)
        recover(wal)
        refused(wal)


if __name__ == "__main__":
    main(sys.argv[1])

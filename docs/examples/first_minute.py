#!/usr/bin/python3
"""A Walden client made from the .proto files alone.

Usage: first_minute.py [ADDRESS]        (default 127.0.0.1:7070)

Needs Debian's python3-grpcio, python3-protobuf, protobuf-compiler and protobuf-compiler-grpc.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

import grpc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


def generate(into):
    """Makes Python modules of proto/; a real project does this once, when it is built."""
    plugin = shutil.which("grpc_python_plugin")
    if plugin is None:
        sys.exit("grpc_python_plugin is not in the PATH: install protobuf-compiler-grpc")
    subprocess.run(
        ["protoc", f"-I{PROTO}", f"--python_out={into}", f"--grpc_out={into}",
         f"--plugin=protoc-gen-grpc={plugin}",
         *map(str, PROTO.glob("walden/v1/*.proto")), *map(str, PROTO.glob("google/rpc/*.proto"))],
        check=True)
    sys.path.insert(0, into)


def main(address):
    from walden.v1 import wal_pb2, wal_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        wal = wal_pb2_grpc.WalServiceStub(channel)

        # Answered once the records are durable.
        append = wal_pb2.TableAppend(table_id=9, payloads=[b"one", b"two"])
        answer = wal.Append(wal_pb2.AppendRequest(region_id=1, tables=[append]))
        assert answer.durable
        appended = answer.tables[0]
        print(f"appended {appended.first_sequence} to {appended.last_sequence}")

        for response in wal.Read(wal_pb2.ReadRequest(region_id=1, table_id=9)):
            for record in response.records:
                print(record.sequence, record.payload)

        # This node's own files have them now.
        mark = wal_pb2.TableMark(table_id=9, through_sequence=appended.last_sequence)
        deleted = wal.MarkDeleted(wal_pb2.MarkDeletedRequest(region_id=1, marks=[mark]))
        print(f"deleted through {deleted.results[0].position.deleted_through}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        generate(directory)
        main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7070")

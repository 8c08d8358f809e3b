#!/usr/bin/python3
"""A client that speaks TLS and says who it is with a token.

Usage: secure_client.py ADDRESS AUTHORITY_FILE TOKEN_FILE

Needs what first_minute.py needs, which also makes the modules of proto/.
"""
import pathlib
import sys
import tempfile

import grpc

from first_minute import generate


def main(address, authority_file, token_file):
    from walden.v1 import wal_pb2, wal_pb2_grpc

    tls = grpc.ssl_channel_credentials(pathlib.Path(authority_file).read_bytes())
    token = grpc.access_token_call_credentials(pathlib.Path(token_file).read_text().strip())
    channel = grpc.secure_channel(address, grpc.composite_channel_credentials(tls, token))
    with channel:
        wal = wal_pb2_grpc.WalServiceStub(channel)
        append = wal_pb2.TableAppend(table_id=9, payloads=[b"hello"])
        answer = wal.Append(wal_pb2.AppendRequest(region_id=1, tables=[append]))
        print(f"appended {answer.tables[0].first_sequence}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        generate(directory)
        main(*sys.argv[1:])

#!/usr/bin/python3
"""A small LSM store whose log and memtable are Walden's, made from the .proto files alone.

Usage: small_lsm_store.py FOLDER [ADDRESS]        (default 127.0.0.1:7070)

The store keeps its flushes in FOLDER as sorted files, and nothing else. What is in no file yet is in
Walden: a put is durable when it is answered, a get finds it at once, and a crash of either side loses
nothing; there is no recovery to write.

Needs what first_minute.py needs, which also makes the modules of proto/.
"""
import json
import os
import pathlib
import sys
import tempfile

import grpc

from first_minute import generate


class Store:
    def __init__(self, folder, channel, region=1, table=20):
        from walden.v1 import entry_pb2, entry_pb2_grpc

        self.pb = entry_pb2
        self.walden = entry_pb2_grpc.EntryServiceStub(channel)
        self.table = {"region_id": region, "table_id": table}
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        # Newest first: a file is named for its flush, and flush ids rise.
        self.files = [
            dict(json.loads(path.read_text()))
            for path in sorted(self.folder.glob("*.json"), reverse=True)
        ]

    def put(self, key, value):
        self._put(self.pb.Entry(key=key.encode(), value=value.encode()))

    def delete(self, key):
        self._put(self.pb.Entry(key=key.encode(), tombstone=True))

    def _put(self, entry):
        answer = self.walden.Put(self.pb.PutRequest(entries=[entry], **self.table))
        assert answer.durable

    def get(self, key):
        answer = self.walden.Get(self.pb.GetRequest(keys=[key.encode()], **self.table))
        result = answer.results[0]
        if result.HasField("entry"):
            return result.entry.value.decode()
        if result.hidden:  # deleted, later than any file was written
            return None
        for file in self.files:
            if key in file:
                return file[key]
        return None

    def flush(self):
        """Moves what Walden holds into a file; Walden forgets it once that is safely on the disk."""
        flush_id, newest, complete = 0, {}, False
        for response in self.walden.Flush(self.pb.FlushRequest(**self.table)):
            if response.HasField("state"):
                flush_id = response.state.flush_id
            for entry in response.entries:
                # In key order, newest version first: the first one of a key counts.
                value = None if entry.tombstone else entry.value.decode()
                newest.setdefault(entry.key.decode(), value)
            complete = complete or response.HasField("summary")
        assert complete, "the stream was cut: nothing happened, flush again"
        if flush_id == 0:
            return 0  # nothing to flush
        self._write(self.folder / f"{flush_id:020}.json", newest)
        self.files.insert(0, newest)
        # Until this is answered, a crash only means that the next flush has these entries again.
        self.walden.Finalize(self.pb.FinalizeRequest(flush_id=flush_id, **self.table))
        return len(newest)

    @staticmethod
    def _write(path, newest):
        partial = path.with_suffix(".partial")
        with open(partial, "w") as out:
            json.dump(list(newest.items()), out)
            out.flush()
            os.fsync(out.fileno())
        partial.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def main(folder, address):
    with grpc.insecure_channel(address) as channel:
        store = Store(folder, channel)
        store.put("color", "red")
        store.put("color", "green")
        store.put("size", "42")
        print("before the flush:", store.get("color"), store.get("size"))
        print("flushed", store.flush(), "keys")
        store.put("size", "43")
        store.delete("color")
        print("after it:", store.get("color"), store.get("size"))

        # A crash of the store here loses nothing: another one takes up where this one ended.
        reopened = Store(folder, channel)
        print("reopened:", reopened.get("color"), reopened.get("size"))
        print("flushed", reopened.flush(), "keys")
        print("from files alone:", reopened.get("color"), reopened.get("size"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        generate(directory)
        main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:7070")

#!/usr/bin/python3
"""The main job, on real input: import files, survive kills, recover every byte, delete half, again.

Imports a folder through the public API into a daemon that it starts itself: one region per sub-folder,
one table per file, one record per line, SYNC, pipelined over AppendStream with producer retries. While
that runs it kills the daemon with SIGKILL (by default 20 times, evenly by records acknowledged and only
while appends are in flight) and starts it again. Then

  1. Recover must return every line of every file byte for byte, in order, once;
  2. half of each table is marked deleted, the daemon is killed again, and Recover must return exactly
     the other half;
  3. the segments that this emptied must be gone from the disk, all others still there; with
     --engine rocksdb the namespace's files must shrink, if they are large enough to be worth it.

With --neighbours two more regions of many tables are written, marked, dropped and made again beside it,
and checked (neighbours.py).

  main_job.py --folder DIR                 real input
  main_job.py --folder DIR --skip-header   the first line of each file is not a record (CSV)
  main_job.py --generate                   a smaller set made on the spot, as CI runs it

Exit code 0 and a line of figures, or a message that says what did not hold.
"""

import argparse
import collections
import contextlib
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

from neighbours import Neighbours
from walden_client import SYNC, WaldenError, append_request
from walden_daemon import Daemon, small_rocksdb, small_segments

# Most batches of one stream that wait for an answer; a producer's window is 128.
WINDOW = 32

# Below this RocksDB leaves deleted records to its own compactions.
WORTH_SHRINKING_BYTES = 8 << 20


class Failure(Exception):
    """Something did not hold."""


def expect(condition, message):
    if not condition:
        raise Failure(message)


class Table:
    """One file: its lines, and how far they are acknowledged."""

    def __init__(self, region_id, table_id, path, skip_header, batch_records):
        self.region_id = region_id
        self.table_id = table_id
        self.path = path
        self.lines = read_lines(path)[1 if skip_header else 0 :]
        self.batches = [
            self.lines[i : i + batch_records] for i in range(0, len(self.lines), batch_records)
        ]
        self.sequences = []  # of the acknowledged lines

    def __str__(self):
        return f"{self.path.parent.name}/{self.path.name}"


def read_lines(path):
    """The lines without their newline; a last line without one counts, too."""
    lines = path.read_bytes().split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return lines


class Region:
    """One sub-folder. `plan` has the batches of all tables in the order to send: every table advances
    at the same pace, as tables that are written at the same time do."""

    def __init__(self, region_id, tables):
        self.region_id = region_id
        self.tables = tables
        self.plan = sorted(
            ((index / len(table.batches), table.table_id, index, table)
             for table in tables
             for index in range(len(table.batches))),
            key=lambda entry: entry[:3],
        )
        self.plan = [(table, index) for _, _, index, table in self.plan]


def load_folder(folder, skip_header, batch_records):
    regions = []
    for region_id, sub in enumerate(sorted(p for p in folder.iterdir() if p.is_dir()), start=1):
        files = sorted(p for p in sub.iterdir() if p.is_file())
        tables = [
            Table(region_id, table_id, path, skip_header, batch_records)
            for table_id, path in enumerate(files, start=1)
        ]
        tables = [table for table in tables if table.lines]
        if tables:
            regions.append(Region(region_id, tables))
    expect(regions, f"{folder} has no sub-folder with a file in it")
    return regions


def generate(folder):
    """Series like those of sensors, sized so that each region fills several 1 MiB segments."""
    rng = random.Random(20)
    for region in ("cpu", "network", "traffic"):
        (folder / region).mkdir(parents=True)
        for table in range(5):
            lines = [b"timestamp,value"]
            value = rng.uniform(0, 100)
            for minute in range(rng.randrange(8_000, 14_000)):
                value += rng.gauss(0, 1)
                lines.append(b"2024-01-01 %07d,%.6f" % (minute, value))
            lines[rng.randrange(1, len(lines))] = b""
            lines.append(rng.randbytes(300_000).replace(b"\n", b"\r"))
            ending = b"\n" if table % 2 else b""
            (folder / region / f"series_{table}.csv").write_bytes(b"\n".join(lines) + ending)


class Killer:
    """Kills and restarts the daemon at even steps of records acknowledged. Any thread, but start()
    and stop() of the daemon happen on the main thread only, in serve()."""

    def __init__(self, daemon, total_records, kills):
        self.daemon = daemon
        self.kills = kills
        self.done = 0
        self.in_flight_at_kill = []
        self.restart_seconds = []
        self.records_acknowledged = 0
        self._steps = [total_records * (i + 1) // (kills + 1) for i in range(kills)]
        self._in_flight = 0
        self._life = 1  # counts the daemon's lives
        self._wanted = False
        self._condition = threading.Condition()

    def sent(self):
        with self._condition:
            self._in_flight += 1

    def lost(self, batches):
        """The stream broke: these will be sent again."""
        with self._condition:
            self._in_flight -= batches

    def acknowledged(self, records):
        """Kills the daemon at once when a step is reached and other batches are unanswered."""
        with self._condition:
            self._in_flight -= 1
            self.records_acknowledged += records
            due = self.done < self.kills and self.records_acknowledged >= self._steps[self.done]
            if due and self._in_flight > 0 and not self._wanted:
                self.daemon.process.kill()
                self.in_flight_at_kill.append(self._in_flight)
                self.done += 1
                self._wanted = True
                self._condition.notify_all()

    def life(self):
        with self._condition:
            return self._life

    def wait_for_next_life(self, life):
        """Waits until the daemon that followed `life` serves. False if it was never killed."""
        with self._condition:
            if self._life == life and not self._wanted:
                return False
            self._condition.wait_for(lambda: self._life > life)
            return True

    def serve(self, finished):
        """Main thread: restarts the daemon whenever it was killed, until `finished()`."""
        while not finished():
            with self._condition:
                self._condition.wait_for(lambda: self._wanted, timeout=0.02)
                if not self._wanted:
                    continue
            self.daemon.wait_exit()
            self.restart_seconds.append(self.daemon.start())
            with self._condition:
                self._life += 1
                self._wanted = False
                self._condition.notify_all()


class Importer:
    """Imports one region over one append stream at a time. One thread."""

    def __init__(self, daemon, killer, region):
        self._daemon = daemon
        self._killer = killer
        self._region = region
        # (number of the producer, (table, index)), in the order to be sent
        self._plan = collections.deque(enumerate(region.plan, start=1))
        self._unanswered = collections.deque()  # of those, in the order sent
        self._producer_id = None
        self.retries_recognised = 0
        self.error = None

    def run(self):
        try:
            while self._plan or self._unanswered:
                life = self._killer.life()
                try:
                    with self._daemon.client() as client:
                        self._stream(client)
                except WaldenError as error:
                    restarted = error.code.name == "UNAVAILABLE" and (
                        self._killer.wait_for_next_life(life)
                    )
                    expect(restarted, f"refused: {error}")
        except BaseException as error:
            self.error = error

    def _stream(self, client):
        """Sends what is left, first what went unanswered in the daemon's last life."""
        if self._producer_id is None:
            self._producer_id = client.open_producer(self._region.region_id)
        stream = client.append_stream()
        answers = stream.answers()
        to_send = self._unanswered
        self._unanswered = collections.deque()
        try:
            while to_send or self._plan or self._unanswered:
                while len(self._unanswered) < WINDOW and (to_send or self._plan):
                    self._send(stream, to_send.popleft() if to_send else self._plan.popleft())
                self._receive(next(answers))
        finally:
            stream.cancel()
            self._killer.lost(len(self._unanswered))
            self._unanswered.extend(to_send)

    def _send(self, stream, batch):
        number, (table, index) = batch
        self._unanswered.append(batch)
        self._killer.sent()
        request = append_request(
            table.region_id,
            table.table_id,
            table.batches[index],
            durability=SYNC,
            producer=(self._producer_id, number),
        )
        stream.send(request, request_id=table.table_id << 32 | index)

    def _receive(self, answer):
        request_id, result = answer
        if isinstance(result, WaldenError):
            raise result
        _, (table, index) = self._unanswered[0]
        expect(request_id == table.table_id << 32 | index, f"{table}: an answer came out of order")
        expect(result.durable, f"{table}: a SYNC append was answered as not durable")
        first, last, count = result.first_sequence, result.last_sequence, len(table.batches[index])
        expect(last - first + 1 == count, f"{table}: {count} records got {first}..{last}")
        self._unanswered.popleft()
        self.retries_recognised += result.duplicate
        table.sequences.extend(range(first, last + 1))
        self._killer.acknowledged(count)


def check_recovery(client, regions, begin_of, engine):
    """Recover must return of each table the lines from begin_of(table) on, and nothing else.

    In append order, or by table and sequence: as wal.proto says of the engine.
    """
    records = size = 0
    for region in regions:
        recovery = client.recover(region.region_id)
        places = [
            sequence if engine == "segment" else (table, sequence)
            for table, sequence, _ in recovery.records
        ]
        expect(places == sorted(set(places)), f"region {region.region_id}: not in order, once")
        by_table = collections.defaultdict(list)
        for table_id, sequence, payload in recovery.records:
            by_table[table_id].append((sequence, payload))
        for table in region.tables:
            begin = begin_of(table)
            expected = list(zip(table.sequences[begin:], table.lines[begin:]))
            found = by_table.pop(table.table_id, [])
            if found != expected:
                raise Failure(f"{table}: {describe_difference(expected, found)}")
        expect(not by_table, f"region {region.region_id}: unexpected tables {list(by_table)}")
        records += recovery.summary.record_count
        size += recovery.summary.payload_bytes
    return records, size


def describe_difference(expected, found):
    for index, (wanted, got) in enumerate(zip(expected, found)):
        if wanted != got:
            return f"record {index} is {got!r} instead of {wanted!r}"
    return f"{len(found)} records instead of {len(expected)}"


def half(table):
    return len(table.lines) // 2


class Job:
    def __init__(self, regions, folder, kills, engine, neighbours=False):
        self.regions = regions
        self.engine = engine
        self.tables = [table for region in regions for table in region.tables]
        self.records = sum(len(table.lines) for table in self.tables)
        self.bytes = sum(len(line) for table in self.tables for line in table.lines)
        config = small_segments() if engine == "segment" else small_rocksdb()
        self.daemon = Daemon(config, folder=folder)
        self.killer = Killer(self.daemon, self.records, kills)
        self.neighbours = Neighbours(self.daemon, self.killer, expect) if neighbours else None

    def run(self):
        self.daemon.start()
        self.import_all()
        with self.daemon.client() as client:
            begin = time.monotonic()
            recovered = check_recovery(client, self.regions, lambda table: 0, self.engine)
            self.recover_seconds = time.monotonic() - begin
            expect(recovered == (self.records, self.bytes), f"recovered {recovered}")
            print(f"recovered every line: {recovered[0]} records, {recovered[1]} bytes")
            before = {r.region_id: client.describe_region(r.region_id) for r in self.regions}
            self.stored_before = self.stored_bytes()
            self.delete_half(client)
        self.daemon.kill()
        self.killer.restart_seconds.append(self.daemon.start())
        with self.daemon.client() as client:
            rest = check_recovery(client, self.regions, half, self.engine)
            print(f"recovered exactly the other half: {rest[0]} records, {rest[1]} bytes")
            if self.engine == "segment":
                self.check_segments(client, before)
            else:
                self.check_shrinks()
        self.daemon.terminate()

    def import_all(self):
        importers = [
            Importer(self.daemon, self.killer, region)
            for region in self.regions
        ]
        threads = [threading.Thread(target=importer.run) for importer in importers]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        if self.neighbours:
            self.neighbours.start()

        def finished():
            return not any(thread.is_alive() for thread in threads)

        self.killer.serve(finished)
        if self.neighbours:
            self.neighbours.stop()
            print(self.neighbours.figures())
        self.import_seconds = time.monotonic() - begin
        for importer in importers:
            if importer.error is not None:
                raise importer.error
        self.retries_recognised = sum(importer.retries_recognised for importer in importers)
        expect(
            self.killer.done == self.killer.kills,
            f"only {self.killer.done} of {self.killer.kills} kills happened while appends were in "
            "flight: the input is too small for so many",
        )
        print(
            f"imported {self.records} records with {self.killer.done} kills, "
            f"{min(self.killer.in_flight_at_kill, default=0)} to "
            f"{max(self.killer.in_flight_at_kill, default=0)} batches in flight at each"
        )

    def delete_half(self, client):
        for table in self.tables:
            if half(table) == 0:
                continue
            mark = table.sequences[half(table) - 1]
            answer = client.mark_deleted(table.region_id, table.table_id, mark)
            expect(answer == mark, f"{table}: marked through {mark}, answered {answer}")

    def stored_bytes(self):
        """Of RocksDB's table files and logs."""
        files = [p for p in self.daemon.data.rglob("*") if p.suffix in (".sst", ".log")]
        total = 0
        for path in files:
            with contextlib.suppress(FileNotFoundError):  # RocksDB removed it meanwhile
                total += path.stat().st_size
        return total

    def check_shrinks(self):
        """What half of the records took comes back while the daemon runs."""
        deadline = time.monotonic() + 60
        goal = self.stored_before * 3 // 4
        while self.stored_before >= WORTH_SHRINKING_BYTES and self.stored_bytes() > goal:
            expect(
                time.monotonic() < deadline,
                f"{self.stored_bytes()} of {self.stored_before} bytes are still on the disk",
            )
            time.sleep(0.05)
        self.stored_after = self.stored_bytes()
        print(f"{self.stored_before} bytes on disk before, {self.stored_after} after")

    def check_segments(self, client, before):
        """Segments without a live record are gone, except the newest; the others are there."""
        self.segments_before = self.segments_gone = 0
        for region in self.regions:
            live = [s for table in region.tables for s in table.sequences[half(table) :]]
            segments = [s for s in before[region.region_id].segments if s.last_sequence]
            emptied = {
                s.file
                for s in segments[:-1]
                if not any(s.first_sequence <= sequence <= s.last_sequence for sequence in live)
            }
            kept = {s.file for s in segments} - emptied
            described = {s.file for s in client.describe_region(region.region_id).segments}
            on_disk = {
                str(p.relative_to(self.daemon.data))
                for p in self.daemon.segment_files(region.region_id)
            }
            expect(not emptied & described, f"described though emptied: {emptied & described}")
            expect(not emptied & on_disk, f"on disk though emptied: {emptied & on_disk}")
            expect(kept <= described, f"not described though live: {kept - described}")
            expect(kept <= on_disk, f"not on disk though live: {kept - on_disk}")
            self.segments_before += len(segments)
            self.segments_gone += len(emptied)
        expect(
            self.segments_gone > 0 or self.segments_before <= 2 * len(self.regions),
            f"none of {self.segments_before} segments was emptied",
        )
        print(f"{self.segments_gone} of {self.segments_before} segments emptied and gone from disk")

    def figures(self):
        restarts = self.killer.restart_seconds
        return (
            f"{len(self.tables)} files in {len(self.regions)} regions, {self.records} records, "
            f"{self.bytes} bytes, {self.killer.done + 1} kills, imported in "
            f"{self.import_seconds:.1f} s ({self.records / self.import_seconds:,.0f} records/s, kills "
            f"included), {self.retries_recognised} retries recognised, recovered in "
            f"{self.recover_seconds:.1f} s, restart median {statistics.median(restarts) * 1000:.0f} ms "
            f"max {max(restarts) * 1000:.0f} ms, {self.space_figures()}"
        )

    def space_figures(self):
        if self.engine == "segment":
            return f"{self.segments_gone} of {self.segments_before} segments emptied"
        return f"engine rocksdb, {self.stored_before} bytes on disk, {self.stored_after} after"


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--folder", type=pathlib.Path, help="sub-folders with files to import")
    source.add_argument("--generate", action="store_true", help="make a smaller input")
    parser.add_argument("--skip-header", action="store_true", help="the first line is no record")
    parser.add_argument("--kills", type=int, default=20, help="during the import")
    parser.add_argument("--engine", choices=["segment", "rocksdb"], default="segment")
    parser.add_argument(
        "--neighbours", action="store_true", help="other regions are marked and dropped beside it"
    )
    parser.add_argument("--batch-records", type=int, default=50)
    parser.add_argument("--work-folder", help="where data and log go; removed when all is well")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    work = pathlib.Path(arguments.work_folder or tempfile.mkdtemp(prefix="walden-main-job-"))
    source = arguments.folder
    if arguments.generate:
        source = work / "input"
        generate(source)
    skip_header = arguments.skip_header or arguments.generate
    regions = load_folder(source, skip_header, arguments.batch_records)
    job = Job(regions, work, arguments.kills, arguments.engine, arguments.neighbours)
    try:
        job.run()
    except (Failure, WaldenError, AssertionError) as error:
        sys.exit(f"main job FAILED, data and log kept in {work}: {error}")
    finally:
        job.daemon.discard()
    print(f"main job done: {job.figures()}")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""The entry log's main job: a real LSM store on top of Walden, both killed again and again.

The store is a process of its own. For every sub-folder of the input (a region with one table) it puts
every line of every file: key = file name and timestamp, value = value. Some keys are put twice, a draft
first. Meanwhile it flushes into files of its own and finalizes. It has no log: after a crash it takes
up where its files and what Walden still holds together end.

This program kills the daemon and the store with SIGKILL at random moments and starts them again. Each
time the store comes back, and at the end,

  1. its files together with what Walden holds are every put up to a point, none missing in between,
     none twice, and no acknowledged one missing;
  2. nothing that was finalized is in Walden again;

and at the end each key of the input has its newest value, and there is nothing else.

  entry_job.py --folder DIR    real input: sub-folders with CSV files, first line a header
  entry_job.py --generate      a smaller set made on the spot, as CI runs it

Exit code 0 and a line of figures, or a message that says what did not hold.
"""

import argparse
import collections
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

from main_job import Failure, expect, read_lines
from walden_client import SYNC, Client, WaldenError
from walden_daemon import Daemon, small_segments
from walden_entry_client import EntryClient, entry, put_request

TABLE = 1
BATCH = 50  # entries of one put
WINDOW = 16  # puts of one stream that wait for an answer
FLUSH_EVERY = 500  # entries that Walden holds
STALL_AT = 1000  # of them: puts wait for a flush, so that many flushes end however slow they are
DRAFT_EVERY = 7  # every so many rows a draft is put first
SEPARATOR = b"\x00"

# A stored entry: sequence, number of the put that it came from, key length, value length.
RECORD = struct.Struct(">QQII")
Stored = collections.namedtuple("Stored", "sequence number key value")


# --- The input


def puts_of(folder):
    """What is put, in order: (key, value). The number of a put is its index."""
    rows = []
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        for line in read_lines(path)[1:]:
            timestamp, _, value = line.partition(b",")
            rows.append((path.stem.encode() + SEPARATOR + timestamp, value))
    puts = []
    for index, (key, value) in enumerate(rows):
        if index % DRAFT_EVERY == 0:
            puts.append((key, b"draft of " + value))
        puts.append((key, value))
    return puts


def region_folders(folder):
    return list(enumerate(sorted(p for p in folder.iterdir() if p.is_dir()), start=1))


def generate(folder):
    rng = random.Random(4)
    for region in ("cpu", "network", "traffic"):
        (folder / region).mkdir(parents=True)
        for series in range(4):
            lines = [b"timestamp,value"]
            for minute in range(rng.randrange(4_000, 6_000)):
                # Some timestamps come twice: the later line is the newer value.
                lines.append(b"2024-01-01 %06d,%.6f" % (minute - minute % 50 // 49, rng.gauss(50, 9)))
            (folder / region / f"series_{series}.csv").write_bytes(b"\n".join(lines) + b"\n")


# --- The store's files


def write_durably(path, stored):
    """One flush: all of it or no file."""
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as out:
        for s in stored:
            out.write(RECORD.pack(s.sequence, s.number, len(s.key), len(s.value)) + s.key + s.value)
        out.flush()
        os.fsync(out.fileno())
    temporary.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def read_files(folder):
    """All entries of all flushes, by sequence: one that was not finalized is in the next one too."""
    stored = {}
    for path in sorted(folder.glob("*.flush")):
        content, at = path.read_bytes(), 0
        while at < len(content):
            sequence, number, key_bytes, value_bytes = RECORD.unpack_from(content, at)
            at += RECORD.size
            key = content[at : at + key_bytes]
            at += key_bytes
            value = content[at : at + value_bytes]
            at += value_bytes
            found = stored.setdefault(sequence, Stored(sequence, number, key, value))
            expect((found.key, found.value) == (key, value), f"{path}: {sequence} differs")
    return stored


def from_entry(e):
    # The put's number travels in the timestamp that is the client's own.
    return Stored(e.sequence, e.create_time.ToMilliseconds(), e.key, e.value)


def check_everything(files, walden, puts, what):
    """Rule 1. Returns (the union by sequence, how many puts there are)."""
    union = dict(files)
    for stored in walden:
        same = union.setdefault(stored.sequence, stored)
        expect(same == stored, f"{what}: entry {stored.sequence} is {stored} and {same}")
    in_order = sorted(union.values())
    for number, stored in enumerate(in_order):
        expect(
            stored.number == number and (stored.key, stored.value) == puts[number],
            f"{what}: put {number} is missing, twice or wrong: found {stored}",
        )
    return union, len(in_order)


# --- The store: a process of its own


class Region:
    """The store of one region: one thread puts, another one flushes."""

    def __init__(self, address, region_id, source, folder):
        self.address = address
        self.region_id = region_id
        self.name = source.name
        self.puts = puts_of(source)
        self.folder = folder
        self.done = False

    def run(self):
        while not self.done:
            try:
                with Client(self.address) as client:
                    self.live(EntryClient(client))
            except WaldenError as error:
                # The daemon was killed: once it is back, look what it has.
                expect(error.code.name == "UNAVAILABLE", f"{self.name}: refused: {error}")
                time.sleep(0.02)

    def live(self, walden):
        state, held = walden.recover(self.region_id, TABLE)
        files = read_files(self.folder)
        held = [from_entry(e) for e in held]
        _, begin = check_everything(files, held, self.puts, f"region {self.name}")
        tell("recovered", self.region_id, begin, state.finalized_through)
        flusher = Flusher(walden, self, len(held))
        flusher.start()
        try:
            self.put_from(walden, begin, flusher)
        finally:
            flusher.stop()
        self.done = True

    def put_from(self, walden, begin, flusher):
        stream = walden.put_stream()
        try:
            answers = stream.answers()
            unanswered = collections.deque()
            at = begin
            while at < len(self.puts) or unanswered:
                while at < len(self.puts) and len(unanswered) < WINDOW:
                    end = min(at + BATCH, len(self.puts))
                    entries = [entry(*self.puts[n], created=n) for n in range(at, end)]
                    stream.send(put_request(self.region_id, TABLE, entries, durability=SYNC), end)
                    unanswered.append(end)
                    at = end
                request_id, result = next(answers)
                if isinstance(result, WaldenError):
                    raise result
                expect(request_id == unanswered.popleft(), "an answer came out of order")
                expect(result.durable, "a SYNC put was answered as not durable")
                tell("acknowledged", self.region_id, request_id)
                flusher.put(result.last_sequence - result.first_sequence + 1)
        finally:
            stream.cancel()


class Flusher(threading.Thread):
    """Flushes whenever enough was put, until stop()."""

    def __init__(self, walden, region, held):
        super().__init__()
        self._walden = walden
        self._region = region
        self._entries = held  # that no flush has begun to take
        self._flushing = 0  # that the flush under way takes
        self._stopping = False
        self._condition = threading.Condition()
        self.error = None

    def put(self, entries):
        with self._condition:
            self._entries += entries
            self._condition.notify_all()
            self._condition.wait_for(
                lambda: self.error is not None or self._entries + self._flushing < STALL_AT
            )
            if self.error is not None:
                raise self.error

    def stop(self):
        with self._condition:
            self._stopping = True
            self._condition.notify()
        self.join()
        if self.error is not None:
            raise self.error

    def run(self):
        try:
            while self._wait():
                self._flush()
                with self._condition:
                    self._flushing = 0
                    self._condition.notify_all()
        except BaseException as error:
            with self._condition:
                self.error = error
                self._condition.notify_all()

    def _wait(self):
        with self._condition:
            self._condition.wait_for(lambda: self._stopping or self._entries >= FLUSH_EVERY)
            self._flushing = self._entries
            self._entries = 0
            return not self._stopping

    def _flush(self):
        region = self._region
        flush = self._walden.begin_flush(region.region_id, TABLE)
        stored = [from_entry(e) for e in flush]
        if flush.flush_id == 0:
            return  # the last flush took what was answered since
        write_durably(region.folder / f"{flush.flush_id:020d}.flush", stored)
        through = self._walden.finalize(region.region_id, TABLE, flush.flush_id)
        expect(through == flush.flush_id, f"finalized through {through}, not {flush.flush_id}")
        tell("finalized", region.region_id, flush.flush_id)


_tell_lock = threading.Lock()


def tell(*words):
    """One line to the program that watches: what is told was true before a kill."""
    with _tell_lock:
        os.write(1, (" ".join(map(str, words)) + "\n").encode())


def run_store(address, source, work):
    regions = []
    for region_id, folder in region_folders(source):
        files = work / folder.name
        files.mkdir(parents=True, exist_ok=True)
        regions.append(Region(address, region_id, folder, files))
    errors = []

    def run(region):
        try:
            region.run()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(region,)) for region in regions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        sys.exit(f"store: {errors[0]!r}")


# --- The watcher


class Watcher:
    """Runs the daemon and the store, kills them, and knows what they told."""

    def __init__(self, source, work, kills, engine):
        self.source = source
        self.store_files = work / "store"
        config = small_segments()
        if engine is not None:
            config["namespaces"][0]["engine"] = engine
        self.daemon = Daemon(config, folder=work)
        self.kills = kills
        self.killed = collections.Counter()
        self.puts = {region_id: puts_of(path) for region_id, path in region_folders(source)}
        self.acknowledged = collections.Counter()
        self.finalized = collections.Counter()
        self.flushes = 0
        self.store = None
        self._lock = threading.Lock()

    def start_store(self):
        self.store = subprocess.Popen(
            [sys.executable, __file__, "--store", self.daemon.address, "--folder", self.source,
             "--work-folder", self.store_files],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.listener = threading.Thread(target=self._listen, args=(self.store.stdout,))
        self.listener.start()

    def _listen(self, lines):
        for line in lines:
            word, region, number, *rest = line.split()
            region, number = int(region), int(number)
            with self._lock:
                if word == "acknowledged":
                    self.acknowledged[region] = max(self.acknowledged[region], number)
                elif word == "finalized":
                    self.flushes += 1
                    self.finalized[region] = max(self.finalized[region], number)
                elif number < self.acknowledged[region] or int(rest[0]) < self.finalized[region]:
                    self.problem = (
                        f"region {region} came back with {number} puts, finalized through {rest[0]}; "
                        f"{self.acknowledged[region]} puts were acknowledged and "
                        f"{self.finalized[region]} was finalized"
                    )

    problem = None

    def progress(self):
        with self._lock:
            return sum(self.acknowledged.values())

    def run(self):
        self.daemon.start()
        self.start_store()
        total = sum(map(len, self.puts.values()))
        self.total = total
        victims = ["daemon", "store"] * self.kills
        random.shuffle(victims)
        begin = time.monotonic()
        for step, victim in enumerate(victims, start=1):
            # At a random moment within this step's share of the work.
            due = (step - random.random()) * total / (len(victims) + 1)
            while self.progress() < due and self.store.poll() is None:
                time.sleep(0.002)
            if self.store.poll() is not None:
                break
            time.sleep(random.random() * 0.02)
            self.kill(victim)
            expect(self.problem is None, self.problem)
        expect(self.store.wait(timeout=600) == 0, "the store ended with an error")
        self.listener.join()
        self.seconds = time.monotonic() - begin
        expect(self.problem is None, self.problem)
        fewest = min(self.killed["daemon"], self.killed["store"])
        expect(fewest >= self.kills, f"killed {dict(self.killed)}: the input is too small for more")
        expect(self.flushes >= self.kills, f"only {self.flushes} flushes were finalized")
        self.check()
        self.daemon.crash_and_restart()
        self.check()
        self.daemon.terminate()

    def kill(self, victim):
        if victim == "daemon":
            self.daemon.crash_and_restart()
        else:
            self.store.kill()
            self.store.wait()
            self.listener.join()
            self.start_store()
        self.killed[victim] += 1

    def check(self):
        self.held = 0
        with self.daemon.client(timeout=300.0) as client:
            walden = EntryClient(client)
            for region_id, folder in region_folders(self.source):
                self.check_region(walden, region_id, folder.name)

    def check_region(self, walden, region_id, name):
        puts = self.puts[region_id]
        files = read_files(self.store_files / name)
        _, entries = walden.flush(region_id, TABLE)
        held = [from_entry(e) for e in entries]
        self.held += len(held)
        back = [s.sequence for s in held if s.sequence <= self.finalized[region_id]]
        expect(not back, f"region {name}: {len(back)} finalized entries came back")
        union, count = check_everything(files, held, puts, f"region {name}")
        expect(count == len(puts), f"region {name}: {count} of {len(puts)} puts are there")
        newest = {s.key: s.value for s in sorted(union.values())}
        expect(newest == dict(puts), f"region {name}: not each key has its newest value")
        scanned = {e.key: e.value for e in walden.scan(region_id, TABLE)}
        expect(
            scanned == {s.key: s.value for s in sorted(held)},
            f"region {name}: Scan and Flush differ",
        )

    def discard(self):
        if self.store is not None and self.store.poll() is None:
            self.store.kill()
            self.store.wait()
        self.daemon.discard()

    def figures(self):
        return (
            f"{self.total} puts in {len(self.puts)} regions, {self.killed['daemon']} kills of the daemon "
            f"and {self.killed['store']} of the store, {self.flushes} flushes finalized, {self.held} "
            f"entries still in Walden, {self.seconds:.1f} s ({self.total / self.seconds:,.0f} puts/s, "
            "kills included)"
        )


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--folder", type=pathlib.Path, help="sub-folders with CSV files to put")
    source.add_argument("--generate", action="store_true", help="make a smaller input")
    parser.add_argument("--kills", type=int, default=20, help="of each side")
    parser.add_argument("--engine", help="of the daemon's namespace; its default when not given")
    parser.add_argument("--work-folder", type=pathlib.Path, help="removed when all is well")
    parser.add_argument("--store", metavar="ADDRESS", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    if arguments.store is not None:
        run_store(arguments.store, arguments.folder, arguments.work_folder)
        return
    work = pathlib.Path(arguments.work_folder or tempfile.mkdtemp(prefix="walden-entry-job-"))
    source = arguments.folder
    if arguments.generate:
        source = work / "input"
        generate(source)
    watcher = Watcher(source, work, arguments.kills, arguments.engine)
    try:
        watcher.run()
    except (Failure, WaldenError, AssertionError) as error:
        sys.exit(f"entry job FAILED, data, files and log kept in {work}: {error}")
    finally:
        watcher.discard()
    print(f"entry job done: {watcher.figures()}")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()

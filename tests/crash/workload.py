"""Clients that write to every table of a few regions until the daemon is gone.

One thread per writer appends (unary or streamed, synced or buffered, with producer tags or without, to
one table or to three at once), one thread per region marks deleted, and one follows a table. Every answer goes through the model. Two
more regions of many tables are written, marked, dropped and made again (integration/neighbours.py).
"""

import collections
import itertools
import random
import threading

from log_model import RegionModel, Violation
from neighbours import REGIONS, Neighbour
from walden_client import BUFFERED, SYNC, Appended, WaldenError, append_tables_request
from walden_testcase import Code

NOISE = random.Random(1).randbytes(1 << 20)
STREAM_WINDOW = 16
MAX_LIVE_RECORDS = 600
# What may end a call when the daemon is killed or stopped (CANCELLED is gRPC's own, for calls that a
# stopping daemon had not taken up yet); a storage error may not.
_ENDS = (Code.UNAVAILABLE, Code.CANCELLED)
_FAULTS = ("REGION_FAILED", "IO_ERROR", "CORRUPTION", "DISK_FULL")

Kind = collections.namedtuple("Kind", "name streamed durability tagged tables", defaults=(1,))
KINDS = (
    Kind("unary sync", streamed=False, durability=SYNC, tagged=True),
    Kind("stream sync", streamed=True, durability=SYNC, tagged=True),
    Kind("stream buffered", streamed=True, durability=BUFFERED, tagged=True),
    Kind("unary buffered", streamed=False, durability=BUFFERED, tagged=True),
    Kind("unary sync without producer", streamed=False, durability=SYNC, tagged=False),
    Kind("stream sync of three tables", streamed=True, durability=SYNC, tagged=True, tables=3),
    Kind("unary buffered of three tables", streamed=False, durability=BUFFERED, tagged=True, tables=3),
)


def make_payloads(rng, where, number):
    """A batch: mostly few small records, now and then large ones, so that segments fill."""
    count = rng.choice((1, 1, 2, 3, 5, 8, 20))
    # So that the tables of one batch have less than max_batch_bytes together.
    largest = rng.choice((30, 200, 200, 1000, 4000, 8_000))
    payloads = []
    for index in range(count):
        head = f"{where} {number}/{index} ".encode()
        begin, size = rng.randrange(len(NOISE) // 2), rng.randrange(largest)
        payloads.append(head + NOISE[begin : begin + size])
    return payloads


def expect(condition, message):
    if not condition:
        raise Violation(message)


class Workload:
    """The tables, and one run() per life of the daemon."""

    def __init__(self, regions, seed, row_per_table=False):
        self.producers = {}  # by writer, of those that are tagged
        self.regions = [RegionModel(region_id, row_per_table) for region_id in range(1, regions + 1)]
        self.kind_of = {}
        for region in self.regions:
            table_ids = itertools.count()
            for kind in KINDS:
                own = list(itertools.islice(table_ids, kind.tables))
                self.kind_of[region.add_writer(own, kind.tagged)] = kind
        self.neighbours = [Neighbour(region_id) for region_id in REGIONS[:2]]
        self.batches = 0
        self.records = 0
        self.marks = 0
        self._seed = seed
        self._runs = 0
        self._lock = threading.Lock()

    def tables(self):
        return [table for writer in self.kind_of for table in writer.tables]

    def check(self, client):
        """Compares everything that the daemon holds with the model."""
        for region in self.regions:
            recovery = client.recover(region.region_id)
            region.check(recovery.records, {t.table_id: t for t in recovery.state.tables})
            for table_id, table in region.tables.items():
                position = client.position(region.region_id, table_id)
                if position.next_sequence <= table.highest:
                    raise Violation(f"G5: {table}: next sequence went back to {position}")
        for neighbour in self.neighbours:
            neighbour.check(client, expect)

    def start(self, client):
        self._runs += 1
        for writer, kind in self.kind_of.items():
            if kind.tagged and writer not in self.producers:
                self.producers[writer] = client.open_producer(writer.region_id)
        return Run(self, client, f"{self._seed}/{self._runs}")

    def count(self, batches=0, records=0, marks=0):
        with self._lock:
            self.batches += batches
            self.records += records
            self.marks += marks


class Run:
    """The load on one life of the daemon: from construction until it is told and finds it gone."""

    def __init__(self, workload, client, seed):
        self._workload = workload
        self._client = client
        self._over = threading.Event()  # the end is intended: errors are expected from here on
        self._failures = []
        self._threads = []
        for writer, kind in workload.kind_of.items():
            append = self._append_streamed if kind.streamed else self._append_unary
            self._spawn(append, writer, kind, random.Random(f"{seed}/{writer}"))
        for region in workload.regions:
            rng = random.Random(f"{seed}/{region.region_id}")
            self._spawn(self._follow, rng.choice(list(region.tables.values())))
            self._spawn(self._mark_deleted, region, rng)
        for neighbour in workload.neighbours:
            self._spawn(self._drop_and_recreate, neighbour, random.Random(f"{seed}/{neighbour.region_id}"))

    def _spawn(self, work, *arguments):
        def guarded():
            try:
                work(*arguments)
            except WaldenError as error:
                self._judge(error)
            except BaseException as error:
                self._failures.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        self._threads.append(thread)

    def announce_end(self):
        """From here on the daemon may go away."""
        self._over.set()

    def join(self):
        """Waits for every client; raises what any of them found."""
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                raise Violation("a call is still unanswered a minute after the daemon was gone")
        if self._failures:
            raise self._failures[0]

    def _judge(self, error):
        if not self._over.is_set():
            self._failures.append(Violation(f"refused while the daemon ran: {error}"))
        elif error.code not in _ENDS or error.reason in _FAULTS:
            self._failures.append(Violation(f"refused at the end, wrongly: {error}"))

    # --- Clients. Each goes on until its call fails.

    def _take(self, writer, rng):
        return writer.take(lambda table, number: make_payloads(rng, str(table), number))

    def _request(self, writer, kind, parts):
        return append_tables_request(
            writer.region_id,
            [(table.table_id, part.payloads) for table, part in zip(writer.tables, parts)],
            durability=kind.durability,
            producer=(self._workload.producers[writer], parts[0].number) if kind.tagged else None,
        )

    def _answered(self, writer, kind, parts, answer):
        if kind.durability == SYNC and not answer.durable:
            raise Violation(f"G1: {writer}: a SYNC append is answered as not durable")
        ranges = [(table.first_sequence, table.last_sequence) for table in answer.tables]
        writer.answered(parts, ranges, answer.duplicate)
        self._workload.count(batches=1, records=sum(len(part.payloads) for part in parts))

    def _append_unary(self, writer, kind, rng):
        while True:
            parts = self._take(writer, rng)
            request = self._request(writer, kind, parts)
            answer = Appended.of(request, self._client.call(self._client.wal.Append, request))
            self._answered(writer, kind, parts, answer)

    def _append_streamed(self, writer, kind, rng):
        """Sends what the window has room for in one message."""
        stream = self._client.append_stream()
        answers = stream.answers()
        in_flight = collections.deque()
        try:
            while True:
                room = STREAM_WINDOW - len(in_flight)
                fresh = [self._take(writer, rng) for _ in range(room)]
                if fresh:
                    ids = stream.send_many([self._request(writer, kind, parts) for parts in fresh])
                    in_flight.extend(zip(ids, fresh))
                for _ in range(rng.randrange(1, len(in_flight) + 1)):
                    request_id, answer = next(answers)
                    expected, parts = in_flight.popleft()
                    if request_id != expected:
                        raise Violation(f"G4: {writer}: answer {request_id} came before {expected}")
                    if isinstance(answer, WaldenError):
                        raise answer
                    self._answered(writer, kind, parts, answer)
        except StopIteration:
            raise Violation(f"{writer}: the append stream ended by itself") from None
        finally:
            stream.cancel()

    def _follow(self, table):
        stream = self._client.open_read(
            table.region.region_id,
            table.table_id,
            after=table.highest,
            follow=True,
            skip_deleted=True,
        )
        for sequence, payload in stream:
            table.saw(sequence, payload)
        raise Violation(f"{table}: a follow stream ended by itself")

    def _drop_and_recreate(self, neighbour, rng):
        while True:
            neighbour.step(self._client, rng, expect)

    def _mark_deleted(self, region, rng):
        tables = list(region.tables.values())
        while True:
            if self._over.wait(rng.uniform(0.001, 0.01)):
                # One call more, to be caught by the end.
                self._mark_one(rng.choice(tables), rng)
                return
            table = max(tables, key=lambda t: len(t.live)) if rng.random() < 0.7 else rng.choice(tables)
            self._mark_one(table, rng)

    def _mark_one(self, table, rng):
        live = len(table.live)
        if rng.random() < 0.1:
            position = live  # everything
        else:
            position = max(live - MAX_LIVE_RECORDS, 0) + rng.randrange(50)
        mark = table.ask_mark(min(position, live))
        if mark is None:
            return
        table.marked(
            mark, self._client.mark_deleted(table.region.region_id, table.table_id, mark)
        )
        self._workload.count(marks=1)

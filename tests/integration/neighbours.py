"""Regions beside those of the main job, which are written, marked, dropped and made again without end.

Whatever happens to the daemon, a record of theirs that was acknowledged and neither marked deleted nor
dropped must be there, and none that was marked or dropped may be back.
"""

import collections
import random
import threading

from walden_client import SYNC, WaldenError

REGIONS = (9001, 9002, 9003, 9004)
TABLES = 40


class Neighbour:
    """One region. A call that got no answer leaves two possibilities; check() finds which came true."""

    def __init__(self, region_id):
        self.region_id = region_id
        self.tables = {}  # table id: {sequence: payload}, acknowledged and not marked
        self.marks = {}
        self.highest = {}
        # What was asked and not answered: ("append", table), ("marks", {table: n}), ("drop",).
        self.unsure = None

    def forget(self):
        self.tables.clear()
        self.marks.clear()
        self.highest.clear()

    def check(self, client, expect):
        recovery = client.recover(self.region_id)
        found = {}
        for table_id, sequence, payload in recovery.records:
            found.setdefault(table_id, {})[sequence] = payload
        unsure, self.unsure = self.unsure, None
        if unsure == ("drop",) and not found:
            self.forget()
        for table_id in set(self.tables) | set(found):
            there = found.get(table_id, {})
            mark = self.marks.get(table_id, 0)
            if unsure is not None and unsure[0] == "marks" and table_id in unsure[1]:
                # Each of them may have been made or not.
                through = unsure[1][table_id]
                mark = through if min(there, default=through + 1) > through else mark
            wanted = {s: p for s, p in self.tables.get(table_id, {}).items() if s > mark}
            name = f"region {self.region_id} table {table_id}"
            for sequence, payload in wanted.items():
                expect(there.get(sequence) == payload, f"{name}: record {sequence} is lost or changed")
            for sequence in there.keys() - wanted.keys():
                added = unsure == ("append", table_id) and sequence > self.highest.get(table_id, 0)
                expect(added, f"{name}: record {sequence} was deleted and is back")
            self.tables[table_id] = there
            self.marks[table_id] = mark
            self.highest[table_id] = max([self.highest.get(table_id, 0), *there])

    def step(self, client, rng, expect, count=lambda what: None):
        """Does one random thing. `count` is told what; `expect` raises if its condition is false."""
        choice = rng.random()
        if choice < 0.06:
            self._drop(client, count)
        elif choice < 0.45:
            self._mark_many(client, rng, count)
        else:
            self._append_many(client, rng, expect, count)

    def _append_many(self, client, rng, expect, count):
        for _ in range(rng.randrange(1, 12)):
            table_id = rng.randrange(1, TABLES + 1)
            payloads = [rng.randbytes(rng.randrange(1, 3000)) for _ in range(3)]
            self.unsure = ("append", table_id)
            answer = client.append(self.region_id, table_id, payloads, durability=SYNC)
            highest = self.highest.get(table_id, 0)
            name = f"region {self.region_id} table {table_id}"
            expect(answer.first_sequence > highest, f"{name}: number {highest} came back")
            table = self.tables.setdefault(table_id, {})
            for offset, payload in enumerate(payloads):
                table[answer.first_sequence + offset] = payload
            self.highest[table_id] = answer.last_sequence
            self.unsure = None
            count("appends")

    def _mark_many(self, client, rng, count):
        chosen = rng.sample(sorted(self.tables), min(10, len(self.tables)))
        marks = {t: rng.choice(sorted(self.tables[t])) for t in chosen if self.tables[t]}
        if not marks:
            return
        self.unsure = ("marks", marks)
        client.mark_tables_deleted(self.region_id, list(marks.items()))
        self.unsure = None
        for table_id, through in marks.items():
            self.marks[table_id] = through
            self.tables[table_id] = {s: p for s, p in self.tables[table_id].items() if s > through}
            count("marks")

    def _drop(self, client, count):
        self.unsure = ("drop",)
        client.drop_region(self.region_id)
        self.forget()
        self.unsure = None
        count("drops")


class Neighbours:
    """Works in a thread for each region until stop(). `wait_for_next_life` as Killer's; `expect` raises."""

    def __init__(self, daemon, killer, expect):
        self._daemon = daemon
        self._killer = killer
        self._expect = expect
        self._regions = [Neighbour(region_id) for region_id in REGIONS]
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(region, random.Random(region.region_id)))
            for region in self._regions
        ]
        self._errors = []
        self._counts = collections.Counter()
        self._lock = threading.Lock()

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def figures(self):
        return "neighbours: " + ", ".join(f"{n} {what}" for what, n in sorted(self._counts.items()))

    def _count(self, what):
        with self._lock:
            self._counts[what] += 1

    def _run(self, region, rng):
        try:
            while not self._stopping.is_set():
                life = self._killer.life()
                try:
                    with self._daemon.client() as client:
                        self._live(client, region, rng)
                except WaldenError as error:
                    restarted = error.code.name in ("UNAVAILABLE", "CANCELLED") and (
                        self._killer.wait_for_next_life(life)
                    )
                    self._expect(restarted, f"a neighbour was refused: {error}")
            with self._daemon.client() as client:
                self._check(client, region)
                client.drop_region(region.region_id)
        except BaseException as error:
            self._errors.append(error)

    def _live(self, client, region, rng):
        self._check(client, region)
        while not self._stopping.is_set():
            region.step(client, rng, self._expect, self._count)
            if rng.random() < 0.05:
                self._check(client, region)

    def _check(self, client, region):
        region.check(client, self._expect)
        self._count("checks")

"""What a client knows about its log, and what a daemon that comes back may therefore say.

The model is the client's memory: which batches it sent in which order, which were answered, which marks
were asked for and confirmed. After a crash every table must hold exactly what was acknowledged and not
deleted, followed by a prefix of what was still unanswered, each batch whole. Anything else is a
Violation, which names the guarantee (engine/log_engine.h) that was broken.
"""

import collections
import threading


class Violation(AssertionError):
    """A guarantee was broken."""


class Batch:
    """What one batch has for one table: `number` is its producer sequence."""

    __slots__ = ("number", "payloads", "first")

    def __init__(self, number, payloads):
        self.number = number
        self.payloads = payloads
        self.first = None  # known once answered or found in the log

    def records(self):
        return list(zip(range(self.first, self.first + len(self.payloads)), self.payloads))


class RegionModel:
    """The sequence numbers of one region: one row for all its tables, or one for each. Any thread."""

    def __init__(self, region_id, row_per_table=False):
        self.region_id = region_id
        self._row_per_table = row_per_table
        self.tables = {}
        self.writers = []
        # By row: everything through here was given out before the last check.
        self._highest_checked = collections.defaultdict(int)
        self._lock = threading.Lock()
        self._given_out = collections.defaultdict(set)  # by row, since the last check

    def add_table(self, table_id, tagged=True):
        table = TableModel(self, table_id, tagged)
        self.tables[table_id] = table
        return table

    def add_writer(self, table_ids, tagged=True):
        writer = WriterModel([self.add_table(table_id, tagged) for table_id in table_ids])
        self.writers.append(writer)
        return writer

    def _row(self, table_id):
        return table_id if self._row_per_table else None

    def give_out(self, table_id, first, count, where):
        """Notes numbers that a client saw for the first time."""
        row = self._row(table_id)
        if first <= self._highest_checked[row]:
            raise Violation(
                f"G5: {where} got sequence {first}, but the region had given out numbers through "
                f"{self._highest_checked[row]}"
            )
        numbers = range(first, first + count)
        with self._lock:
            for number in numbers:
                if number in self._given_out[row]:
                    raise Violation(f"G5: {where} got sequence {number}, which was given out before")
            self._given_out[row].update(numbers)

    def check(self, recovered, states):
        """`recovered`: (table, sequence, payload) in the order streamed; `states`: by table id.

        No other call may run at the same time. Afterwards the model knows which unanswered batches
        are stored.
        """
        self._check_order(recovered)
        by_table = collections.defaultdict(list)
        for table_id, sequence, payload in recovered:
            by_table[table_id].append((sequence, payload))
        unknown = (set(by_table) | set(states)) - set(self.tables)
        if unknown:
            raise Violation(f"G3: region {self.region_id} has tables {unknown} that nobody wrote")
        settle = [
            table.check(by_table[table_id], states.get(table_id))
            for table_id, table in self.tables.items()
        ]
        for writer in self.writers:
            writer.check()
        for forget in settle:
            forget()
        for table_id, table in self.tables.items():
            row = self._row(table_id)
            self._highest_checked[row] = max(self._highest_checked[row], table.highest)
        self._given_out.clear()

    def _check_order(self, recovered):
        places = [(t if self._row_per_table else 0, sequence) for t, sequence, _ in recovered]
        for before, after in zip(places, places[1:]):
            if after <= before:
                raise Violation(
                    f"G3: region {self.region_id} streams sequence {after[1]} after {before[1]}"
                )


class WriterModel:
    """One producer, whose batches go to all of its tables at once. One thread."""

    def __init__(self, tables):
        self.tables = tables
        self.region_id = tables[0].region.region_id

    def __str__(self):
        return " and ".join(map(str, self.tables))

    def take(self, make_payloads):
        """The parts of the next batch, one for each table. `make_payloads` gets table and number."""
        return [
            table.take(lambda number, table=table: make_payloads(table, number))
            for table in self.tables
        ]

    def answered(self, parts, ranges, duplicate):
        """`ranges`: (first, last) for each table."""
        for table, part, (first, last) in zip(self.tables, parts, ranges, strict=True):
            table.answered(part, first, last, duplicate)

    def check(self):
        """After the check of the tables: each unanswered batch is stored in all of them, or in none."""
        for parts in zip(*(table.unanswered() for table in self.tables), strict=True):
            if len({part.first is None for part in parts}) > 1:
                numbers = [part.first for part in parts]
                raise Violation(f"G2: {self}: batch {parts[0].number} came back in part: {numbers}")


class TableModel:
    """One table with one producer. Any thread, except check()."""

    def __init__(self, region, table_id, tagged):
        self.region = region
        self.table_id = table_id
        self.tagged = tagged  # batches carry producer id and sequence, and are retried
        self.live = collections.deque()  # (sequence, payload), known to be stored, not deleted
        self.highest = 0  # the highest number that this client saw
        self.deleted = 0  # confirmed
        self.duplicates = 0
        self.stored_unanswered = 0
        self._unanswered = collections.deque()  # in the order sent
        self._to_send = collections.deque()  # of those, not sent yet to this daemon
        self._asked_marks = []  # not confirmed
        self._seen = collections.deque(maxlen=100)  # the last that a follower was sent
        self._next_number = 1
        self._lock = threading.Lock()

    def __str__(self):
        return f"region {self.region.region_id} table {self.table_id}"

    # --- Appending

    def unanswered(self):
        return list(self._unanswered)

    def take(self, make_payloads):
        """The next batch to send: first those that must be retried, then new ones."""
        with self._lock:
            if self._to_send:
                return self._to_send.popleft()
            batch = Batch(self._next_number, make_payloads(self._next_number))
            self._next_number += 1
            self._unanswered.append(batch)
            return batch

    def answered(self, batch, first, last, duplicate):
        """The oldest unanswered batch was answered."""
        with self._lock:
            if self._unanswered.popleft() is not batch:
                raise Violation(f"G4: {self}: batch {batch.number} was answered out of order")
            if last - first + 1 != len(batch.payloads):
                raise Violation(f"G2: {self}: batch {batch.number} got numbers {first}..{last}")
            if duplicate != (batch.first is not None):
                raise Violation(
                    f"G5: {self}: batch {batch.number} is answered with duplicate={duplicate}, "
                    f"stored before at {batch.first}"
                )
            if duplicate:
                self.duplicates += 1
                if batch.first != first:
                    raise Violation(
                        f"G5: {self}: retry of batch {batch.number} got {first}, not {batch.first}"
                    )
                return
            self._store(batch, first)

    def _store(self, batch, first):
        if first <= self.highest:
            raise Violation(f"G5: {self}: sequence {first} after {self.highest} was used")
        self.region.give_out(self.table_id, first, len(batch.payloads), str(self))
        batch.first = first
        self.highest = first + len(batch.payloads) - 1
        self.live.extend(batch.records())

    # --- Following

    def saw(self, sequence, payload):
        """A follower was sent this record: it may not vanish any more, answered or not."""
        with self._lock:
            if self._seen and sequence <= self._seen[-1][0]:
                raise Violation(f"G3: {self}: a follower got {sequence} after {self._seen[-1][0]}")
            self._seen.append((sequence, payload))

    # --- Marking deleted

    def ask_mark(self, position):
        """Asks to delete the live records before index `position`; returns the mark, or None."""
        with self._lock:
            if not 0 < position <= len(self.live):
                return None
            mark = self.live[position - 1][0]
            self._asked_marks.append(mark)
            return mark

    def marked(self, mark, answer):
        with self._lock:
            if answer < mark:
                raise Violation(f"G5: {self}: asked to delete through {mark}, answered {answer}")
            self._asked_marks.remove(mark)
            self.deleted = max(self.deleted, mark)
            self._forget_deleted()

    def _forget_deleted(self):
        while self.live and self.live[0][0] <= self.deleted:
            self.live.popleft()

    # --- After a crash

    def check(self, records, state):
        """`records`: (sequence, payload); `state`: the daemon's word on the table, or None. The result is
        called once the unanswered batches were looked at."""
        self._check_mark(state)
        self._check_acknowledged(records)
        self._settle_unanswered(records[len(self.live) :])
        self._check_next(state)
        self._check_seen()
        return self._begin_again

    def _begin_again(self):
        if self.tagged:
            self._to_send = collections.deque(self._unanswered)
        else:
            self._unanswered.clear()
            self._to_send.clear()

    def _check_mark(self, state):
        deleted = state.position.deleted_through if state else 0
        if deleted != self.deleted and deleted not in self._asked_marks:
            raise Violation(
                f"G5: {self} is deleted through {deleted}; confirmed was {self.deleted}, asked for "
                f"{self._asked_marks}"
            )
        if deleted < self.deleted:
            raise Violation(f"G5: {self}: the mark went back from {self.deleted} to {deleted}")
        self.deleted = deleted
        self._asked_marks.clear()
        self._forget_deleted()

    def _check_acknowledged(self, records):
        if records and records[0][0] <= self.deleted:
            raise Violation(
                f"G5: {self}: sequence {records[0][0]} is back, deleted through {self.deleted}"
            )
        for index, (sequence, payload) in enumerate(self.live):
            if index >= len(records):
                raise Violation(f"G1: {self}: acknowledged sequence {sequence} is lost (at the end)")
            if records[index][0] != sequence:
                raise Violation(
                    f"G1: {self}: expected acknowledged sequence {sequence}, got {records[index][0]}"
                )
            if records[index][1] != payload:
                raise Violation(f"G3: {self}: sequence {sequence} has other bytes than were sent")

    def _settle_unanswered(self, rest):
        """What follows the acknowledged records must be unanswered batches, in order, each whole."""
        for batch in self._unanswered:
            if batch.first is not None:
                continue  # found after an earlier crash, so it is among the live or deleted ones
            if not rest:
                return
            first, count = rest[0][0], len(batch.payloads)
            expected = list(zip(range(first, first + count), batch.payloads))
            if rest[:count] != expected:
                found = [(sequence, payload[:40]) for sequence, payload in rest[:count]]
                raise Violation(
                    f"G2: {self}: batch {batch.number} of {count} records came back in part or "
                    f"altered, or another took its place: {found}"
                )
            self._store(batch, first)
            self.stored_unanswered += 1
            rest = rest[count:]
        if rest:
            raise Violation(f"G3: {self}: {len(rest)} records that nobody sent, from {rest[0][0]}")

    def _check_next(self, state):
        next_sequence = state.position.next_sequence if state else 1
        if next_sequence <= self.highest:
            raise Violation(
                f"G5: {self}: next sequence is {next_sequence}, but {self.highest} was given out"
            )

    def _check_seen(self):
        stored = dict(self.live) if self._seen else {}
        for sequence, payload in self._seen:
            if sequence > self.deleted and stored.get(sequence) != payload:
                raise Violation(
                    f"G1: {self}: a follower was sent sequence {sequence}, which is now "
                    f"{'other bytes' if sequence in stored else 'gone'}"
                )
        self._seen.clear()

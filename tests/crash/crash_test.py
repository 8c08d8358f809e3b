#!/usr/bin/python3
"""Kills the real daemon under load, again and again, and checks what it still knows each time.

Every cycle: start the daemon, compare everything it holds with what its clients know, load it from many
clients, and SIGKILL it at a random moment; sometimes while it starts, sometimes SIGTERM instead.
Checked after every start: nothing acknowledged is lost, no batch is there in part, no sequence number is
used twice, order and bytes are exact, nothing deleted is back (log_model.py).

  crash_test.py                   200 cycles, as CI runs it
  crash_test.py --cycles 5000     a long run
  crash_test.py --seed 7          the same choices again (the moments of the kills differ by timing)

The last line printed holds the figures. On a violation the data directory is kept and named.
"""

import argparse
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

from walden_daemon import Daemon, small_rocksdb, small_segments
from workload import Workload


class CrashTest:
    def __init__(self, arguments, folder):
        self.cycles = arguments.cycles
        self.longest_load = arguments.longest_load
        self.rng = random.Random(arguments.seed)
        on_rocksdb = arguments.engine == "rocksdb"
        self.daemon = Daemon(small_rocksdb() if on_rocksdb else small_segments(), folder=folder)
        self.workload = Workload(arguments.regions, arguments.seed, row_per_table=on_rocksdb)
        self.start_seconds = []
        self.kills_under_load = 0
        self.kills_at_start = 0
        self.terminations = 0
        self.torn_tails = 0
        self.begin = time.monotonic()

    def run(self):
        self.start()
        for cycle in range(1, self.cycles + 1):
            self.one_cycle()
            if cycle % 50 == 0:
                print(f"cycle {cycle}: {self.figures()}", flush=True)
        with self.daemon.client() as client:
            self.check(client)
        self.daemon.terminate()

    def one_cycle(self):
        with self.daemon.client() as client:
            self.check(client)
            load = self.workload.start(client)
            time.sleep(self.rng.uniform(0.0, self.longest_load))
            load.announce_end()
            if self.rng.random() < 0.05:
                self.daemon.terminate()
                self.terminations += 1
            else:
                self.daemon.kill()
                self.kills_under_load += 1
            load.join()
        while self.rng.random() < 0.15:
            self.daemon.spawn()
            time.sleep(self.rng.uniform(0.0, 0.05))
            self.daemon.kill()
            self.kills_at_start += 1
        self.start()

    def start(self):
        self.start_seconds.append(self.daemon.start())

    def check(self, client):
        self.workload.check(client)
        for region in self.workload.regions:
            for info in client.list_regions():
                if info.region_id == region.region_id:
                    opening = client.describe_region(region.region_id).state.opening
                    self.torn_tails += opening.outcome == opening.OUTCOME_TORN_TAIL

    def segments(self):
        """How many segments the regions went through: ids count from 0 up."""
        ids = [
            int(path.name.removeprefix("seg_"))
            for region in self.workload.regions
            for path in self.daemon.segment_files(region.region_id)[-1:]
        ]
        return sum(ids) + len(ids)

    def figures(self):
        tables = self.workload.tables()
        return (
            f"{self.kills_under_load} kills under load, {self.kills_at_start} while starting, "
            f"{self.terminations} terminations, {self.workload.batches} batches and "
            f"{self.workload.records} records acknowledged, {self.workload.marks} marks, "
            f"{sum(t.stored_unanswered for t in tables)} batches stored but unanswered, "
            f"{sum(t.duplicates for t in tables)} retries recognised, {self.torn_tails} torn tails, "
            f"{self.segments()} segments, start median "
            f"{statistics.median(self.start_seconds) * 1000:.0f} ms max "
            f"{max(self.start_seconds) * 1000:.0f} ms, {time.monotonic() - self.begin:.0f} s"
        )


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--engine", choices=["segment", "rocksdb"], default="segment")
    parser.add_argument("--regions", type=int, default=3)
    parser.add_argument("--longest-load", type=float, default=0.35, help="seconds per cycle, at most")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--folder", help="where data and log go; removed when all is well")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    folder = pathlib.Path(arguments.folder or tempfile.mkdtemp(prefix="walden-crash-"))
    print(f"seed {arguments.seed}, folder {folder}", flush=True)
    test = CrashTest(arguments, folder)
    try:
        test.run()
    except BaseException:
        print(f"FAILED, seed {arguments.seed}, data and log kept in {folder}: {test.figures()}")
        raise
    finally:
        test.daemon.discard()
    print(f"crash test passed: {arguments.cycles} cycles, {test.figures()}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()

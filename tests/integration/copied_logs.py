"""What the tests of migrate, import, backup and restore share: a daemon with a little of everything,
all that clients see of it, and copying commands that are killed again and again."""

import random
import subprocess
import time

from walden_daemon import WALDEN, clean_environment, small_rocksdb, small_segments
from walden_entry_client import EntryClient
from walden_testcase import WaldenTestCase

ENGINES = {"segment": small_segments, "rocksdb": small_rocksdb}
REGIONS = (1, 2, 77)
FILLED_TABLES = 12  # as many as fill() makes


class CopiedLogsTestCase(WaldenTestCase):
    def setUp(self):
        seed = random.randrange(1 << 32)
        self.random = random.Random(seed)
        print(f"seed {seed}", flush=True)

    def fill(self, daemon):
        """Records, marks, a table all of whose records are deleted, fences and entries."""
        with daemon.client() as client:
            for region in REGIONS:
                client.append(region, 1, [b"first"], region_version=region)
                for _ in range(30):
                    for table in (1, 5):
                        payloads = [self.random.randbytes(self.random.randrange(20_000)) for _ in range(4)]
                        client.append(region, table, payloads)
                    client.append(region, 9, [b"deleted later"])
                client.mark_deleted(region, 1, 40)
                client.mark_deleted(region, 9, 1 << 62)
                EntryClient(client).put(region, 7, [(b"key", b"value"), (b"gone", None)])

    def everything(self, daemon):
        """All that a client can see of each region's tables."""
        seen = {}
        with daemon.client() as client:
            for region in sorted(r.region_id for r in client.list_regions()):
                recovered = client.recover(region)
                for state in recovered.state.tables:
                    seen[region, state.table_id] = (
                        # Not what comes next: a copy may leave out numbers that were given out
                        # elsewhere.
                        max(state.last_live_sequence, state.position.deleted_through) + 1,
                        state.position.deleted_through,
                        state.position.first_live_sequence if state.last_live_sequence else 0,
                        state.last_live_sequence,
                        state.kind,
                        recovered.of_table(state.table_id),
                    )
        return seen

    def kill_often(self, arguments, times=8, longest=0.12):
        """Runs `walden` and kills it at a random moment, again and again. How often it was killed."""
        killed = 0
        for _ in range(times):
            with subprocess.Popen(
                [str(WALDEN), *map(str, arguments)],
                env=clean_environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                time.sleep(self.random.uniform(0, longest))
                killed += process.poll() is None
                process.kill()
        return killed

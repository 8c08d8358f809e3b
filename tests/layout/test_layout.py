#!/usr/bin/env python3
"""Includes between the folders of Walden point one way: from higher folders to lower ones.

FLOORS is the order, lowest first. Folders on one floor may include each other as long as that makes no
cycle. A new folder below engine/, server/ or cli/ must be added here.
"""

import collections
import pathlib
import re
import tempfile
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

# Of the repository. The folders with code that are not named here (tests) may include everything.
TOP_FLOORS = [["base"], ["engine"], ["config"], ["server", "cli"]]

# Parts may not include each other, though they are on one floor.
TOP_STRANGERS = [("server", "cli"), ("cli", "config")]

# "." stands for the contract, the files of engine/ itself.
ENGINE_FLOORS = [
    ["."],
    ["io"],
    ["common"],
    ["segment", "rocksdb", "entry"],
    ["open"],
    ["transfer"],
    ["horaedb", "backup"],
]

# "." stands for the engine itself: its database, regions and readers.
ROCKSDB_FLOORS = [["options"], ["keys"], ["wal"], ["companion"], ["directory"], ["."]]

# An engine knows no other engine.
ENGINE_STRANGERS = [("segment", "rocksdb"), ("segment", "entry"), ("rocksdb", "entry")]

SERVER_FLOORS = [
    ["statistics"],
    ["limits"],
    ["log"],
    ["region"],
    ["security"],
    ["net"],
    ["observation", "call"],
    ["append", "read", "entry", "admin"],
    ["metrics", "status"],
    ["grpc"],
    ["daemon"],
]

# "." stands for the files of cli/ itself but main.cc.
CLI_FLOORS = [["console"], ["records", "reports"], ["client"], ["."], ["commands"]]

# main() runs the program.
CLI_EXCEPTIONS = {("main.cc", "cli/commands/program.h")}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z_]+/[^"]+)"', re.MULTILINE)


def sources(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix in (".h", ".cc", ".in"))


def room_of(path):
    """The first folder of a relative path; "." for a file that lies in no folder."""
    parts = pathlib.PurePosixPath(path).parts
    return parts[0] if len(parts) > 1 else "."


def arrows_between(folders):
    """{(from, to): [(file, included path), ...]} for includes between these top folders."""
    arrows = collections.defaultdict(list)
    for root, name in folders:
        for path in sources(root / name):
            for included in INCLUDE.findall(path.read_text(encoding="utf-8")):
                target = included.split("/")[0]
                if target != name and (root / target).is_dir():
                    arrows[name, target].append((path.name, included))
    return arrows


def arrows_inside(folder, top=None):
    """The same for the rooms of one folder. Includes begin with the name of `top`, by default the folder."""
    arrows = collections.defaultdict(list)
    prefix = folder.relative_to((top or folder).parent).as_posix() + "/"
    for path in sources(folder):
        room = room_of(path.relative_to(folder))
        for included in INCLUDE.findall(path.read_text(encoding="utf-8")):
            if not included.startswith(prefix):
                continue
            target = room_of(included[len(prefix):])
            if target != room:
                arrows[room, target].append((path.name, included))
    return arrows


def without(arrows, exceptions):
    kept = {pair: [where for where in places if where not in exceptions]
            for pair, places in arrows.items()}
    return {pair: places for pair, places in kept.items() if places}


def problems_of(arrows, floors, strangers=()):
    """Sentences about every arrow that breaks the order."""
    floor_of = {room: floor for floor, rooms in enumerate(floors) for room in rooms}
    problems = []
    for (source, target), places in sorted(arrows.items()):
        example = f"{source}: {places[0][0]} includes {places[0][1]}"
        for room in (source, target):
            if room not in floor_of:
                problems.append(f"{room} has no floor ({example})")
        if source not in floor_of or target not in floor_of:
            continue
        if floor_of[source] < floor_of[target]:
            problems.append(f"{source} lies below {target} ({example})")
        if (source, target) in strangers or (target, source) in strangers:
            problems.append(f"{source} and {target} must not know each other ({example})")
    return problems + cycles_of(arrows)


def cycles_of(arrows):
    """A sentence about every pair of rooms that reach each other."""
    reach = collections.defaultdict(set)
    for source, target in arrows:
        reach[source].add(target)
    changed = True
    while changed:
        changed = False
        for source in list(reach):
            further = set().union(*(reach.get(target, set()) for target in reach[source]))
            if not further <= reach[source]:
                reach[source] |= further
                changed = True
    return [f"{a} and {b} include each other"
            for a in sorted(reach) for b in sorted(reach[a]) if a < b and a in reach.get(b, set())]


class LayoutTest(unittest.TestCase):
    def test_the_parts_of_the_repository_include_only_lower_ones(self):
        parts = [name for floor in TOP_FLOORS for name in floor]
        arrows = {pair: places
                  for pair, places in arrows_between([(REPOSITORY, part) for part in parts]).items()}
        self.assertIn(("server", "engine"), arrows)
        self.assertEqual(problems_of(arrows, TOP_FLOORS, TOP_STRANGERS), [])

    def test_the_configuration_includes_only_the_types_of_the_engine(self):
        arrows = arrows_between([(REPOSITORY, "config")])
        self.assertEqual({included for _, included in arrows["config", "engine"]}, {"engine/types.h"})

    def test_the_rooms_of_the_engine_include_only_lower_ones(self):
        arrows = arrows_inside(REPOSITORY / "engine")
        self.assertIn(("open", "segment"), arrows)
        self.assertEqual(problems_of(arrows, ENGINE_FLOORS, ENGINE_STRANGERS), [])

    def test_the_rooms_of_the_rocksdb_engine_include_only_lower_ones(self):
        arrows = arrows_inside(REPOSITORY / "engine" / "rocksdb", top=REPOSITORY / "engine")
        self.assertIn((".", "companion"), arrows)
        self.assertEqual(problems_of(arrows, ROCKSDB_FLOORS), [])

    def test_the_rooms_of_the_server_include_only_lower_ones(self):
        arrows = arrows_inside(REPOSITORY / "server")
        self.assertIn(("daemon", "grpc"), arrows)
        self.assertEqual(problems_of(arrows, SERVER_FLOORS), [])

    def test_every_room_of_the_server_has_a_floor(self):
        rooms = {room_of(path.relative_to(REPOSITORY / "server"))
                 for path in sources(REPOSITORY / "server")}
        self.assertEqual(rooms, {room for floor in SERVER_FLOORS for room in floor})

    def test_the_rooms_of_the_client_include_only_lower_ones(self):
        arrows = without(arrows_inside(REPOSITORY / "cli"), CLI_EXCEPTIONS)
        self.assertIn(("commands", "client"), arrows)
        self.assertEqual(problems_of(arrows, CLI_FLOORS), [])


class CheckerTest(unittest.TestCase):
    """The check itself, on a small tree."""

    FLOORS = [["low"], ["middle", "beside"], ["high"]]

    def problems_with(self, files):
        with tempfile.TemporaryDirectory() as directory:
            top = pathlib.Path(directory) / "part"
            for name, included in files.items():
                path = top / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("".join(f'#include "part/{one}"\n' for one in included))
            return problems_of(arrows_inside(top), self.FLOORS)

    def test_an_include_that_runs_down_is_fine(self):
        self.assertEqual(self.problems_with({"high/a.h": ["low/b.h"], "low/b.h": []}), [])

    def test_an_include_that_runs_up_is_named(self):
        self.assertEqual(self.problems_with({"low/a.h": ["high/b.h"]}),
                         ["low lies below high (low: a.h includes part/high/b.h)"])

    def test_a_cycle_on_one_floor_is_named(self):
        problems = self.problems_with({"middle/a.h": ["beside/b.h"], "beside/b.h": ["middle/a.h"]})
        self.assertEqual(problems, ["beside and middle include each other"])

    def test_a_folder_without_a_floor_is_named(self):
        problems = self.problems_with({"attic/a.h": ["low/b.h"]})
        self.assertEqual(problems, ["attic has no floor (attic: a.h includes part/low/b.h)"])


if __name__ == "__main__":
    unittest.main()

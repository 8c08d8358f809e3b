"""Writes HoraeDB's local log, from the text of its format alone (engine/horaedb/FORMAT.md)."""

import struct
import zlib

MAGIC = b"\0HoraeDBWAL"


def record(table, sequence, payload):
    value = b"\0" + payload
    crc = zlib.crc32(struct.pack("<QQQ", table, sequence, len(value)) + value)
    return struct.pack(">BIQQI", 0, crc, table, sequence, len(value)) + value


def write_segment(region_folder, segment, records, size=1 << 20):
    """`records` are (table, sequence, payload); zeros follow them up to `size`."""
    region_folder.mkdir(parents=True, exist_ok=True)
    content = MAGIC + b"".join(record(*r) for r in records)
    (region_folder / f"seg_{segment}").write_bytes(content.ljust(size, b"\0"))

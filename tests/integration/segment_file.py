"""Groups of a segment file as engine/segment/FORMAT.md describes them (format version 2), to forge the end of a log."""

import pathlib
import struct

HEADER = struct.Struct(">8sIIQQQQQ")  # magic, crc, alignment, salt, namespace, region, segment, size
RECORD = struct.Struct(">BIQQI")  # version, crc, table, sequence, value length
CONTROL = 0x20
LAYOUT = 1
GROUP_HEAD_VALUE_BYTES = 50


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class SegmentFile:
    """One segment file of a stopped daemon, with what its header says."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        with self.path.open("rb") as file:
            fields = HEADER.unpack(file.read(HEADER.size))
        magic, _, self.alignment, self.salt, self.namespace, self.region, self.id, self.size = fields
        assert magic == b"\x89WALSEG\x02", magic

    def group_begin(self, end):
        """Where the group after one that ends at `end` begins."""
        return -(-end // self.alignment) * self.alignment

    def group(self, end, table, sequence, payload):
        """The group of one record that would follow what ends at `end`, without padding."""
        begin = self.group_begin(end)
        body = struct.pack(">BQQI", LAYOUT, table, sequence, 1 + len(payload)) + b"\0" + payload
        record = body[:1] + struct.pack(">I", crc32c(body)) + body[1:]
        head_bytes = RECORD.size + GROUP_HEAD_VALUE_BYTES
        version = struct.pack(">B", CONTROL | LAYOUT)
        head = struct.pack(
            ">QQIBBIIIIQQqI", 0, sequence, GROUP_HEAD_VALUE_BYTES, 0, 2, head_bytes + len(record), 1,
            end, HEADER.size, self.id, 0, 0, crc32c(record[: RECORD.size]))
        place = struct.pack(">QQQQQ", self.namespace, self.region, self.id, begin, self.salt)
        head += struct.pack(">I", crc32c(place + version + head))
        return version + struct.pack(">I", crc32c(version + head)) + head + record

    def torn_group(self, end, table, sequence, payload):
        """What a power cut may leave of that group: its last sector did not reach the disk."""
        group = self.group(end, table, sequence, payload)
        return group[: (len(group) - 1) // self.alignment * self.alignment]

#!/usr/bin/python3
"""Writes the reference for client authors out of the comments in proto/walden/v1.

    scripts/client_reference.py > docs/clients/reference.md

Needs Debian's protobuf-compiler and python3-protobuf.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2

PROTO = pathlib.Path(__file__).resolve().parent.parent / "proto"
PACKAGE = "walden.v1"
PAGES = {  # in this order
    "wal": "The write-ahead log",
    "entry": "The entry log",
    "admin": "Administration",
    "common": "Common messages",
}
INTRODUCTION = """# API reference

This page is for client authors. It lists every rpc, message and field. `scripts/client_reference.py` writes it from
the comments in [proto/walden/v1](../../proto/walden/v1), and a test compares the two.
"""

_FIELD = descriptor_pb2.FieldDescriptorProto


def described_files():
    """FileDescriptorProtos of the API, with comments."""
    files = [f"walden/v1/{name}.proto" for name in PAGES]
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(
            ["protoc", f"-I{PROTO}", "--include_source_info", f"--descriptor_set_out={out.name}", *files],
            check=True,
        )
        found = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes()).file
    return sorted(found, key=lambda file: files.index(file.name))


def text_of(comment):
    """Paragraphs of a comment as Markdown. What is laid out in columns or drawn stays as it is."""
    lines = [line.removeprefix(" ").rstrip() for line in comment.splitlines()]
    parts = []
    for paragraph in re.split(r"\n{2,}", "\n".join(lines).strip("\n")):
        if "  " in paragraph:
            parts.append(f"```\n{paragraph}\n```")
        else:
            parts.append(paragraph)
    return "\n\n".join(parts)


def cell_of(comment):
    return " ".join(comment.split()).replace("|", "\\|")


def anchor_of(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def linked(type_name):
    name = type_name.lstrip(".")
    if not name.startswith(PACKAGE + "."):
        return f"`{name}`"
    name = name.removeprefix(PACKAGE + ".")
    return f"[{name}](#{anchor_of(name)})"


def type_of(field, message):
    kind = linked(field.type_name) if field.type_name else f"`{_FIELD.Type.Name(field.type)[5:].lower()}`"
    if field.label == _FIELD.LABEL_REPEATED:
        return f"repeated {kind}"
    if field.proto3_optional:
        return f"optional {kind}"
    if field.HasField("oneof_index"):
        return f"{kind}, one of `{message.oneof_decl[field.oneof_index].name}`"
    return kind


class File:
    """One .proto file on the page."""

    def __init__(self, file):
        self._file = file
        self._comments = {tuple(l.path): l.leading_comments for l in file.source_code_info.location}

    def markdown(self):
        yield f"## {PAGES[pathlib.Path(self._file.name).stem]}"
        yield f"`{self._file.name}`"
        yield text_of(self._comments[(12,)])  # of the line with the syntax
        for index, service in enumerate(self._file.service):
            yield from self._service(service, (6, index))
        for index, message in enumerate(self._file.message_type):
            yield from self._message(message, (4, index), message.name)
        for index, enum in enumerate(self._file.enum_type):
            yield from self._enum(enum, (5, index), enum.name)

    def _comment(self, path):
        comment = self._comments.get(path, "")
        return [text_of(comment)] if comment else []

    def _service(self, service, path):
        yield f"### {service.name}"
        yield from self._comment(path)
        for index, method in enumerate(service.method):
            yield f"#### {service.name}.{method.name}"
            takes = "stream of " * method.client_streaming + linked(method.input_type)
            gives = "stream of " * method.server_streaming + linked(method.output_type)
            yield f"{takes} → {gives}"
            yield from self._comment((*path, 2, index))

    def _message(self, message, path, name):
        yield f"### {name}"
        yield from self._comment(path)
        if message.field:
            rows = ["| field | type | meaning |", "| --- | --- | --- |"]
            for index, field in enumerate(message.field):
                meaning = cell_of(self._meaning(message, index, path))
                rows.append(f"| `{field.name}` | {type_of(field, message)} | {meaning} |")
            yield "\n".join(rows)
        for index, enum in enumerate(message.enum_type):
            yield from self._enum(enum, (*path, 4, index), f"{name}.{enum.name}")

    def _meaning(self, message, index, path):
        """The comment on a field; the first field of a oneof has that of the oneof before it."""
        comment = self._comments.get((*path, 2, index), "")
        field = message.field[index]
        if not field.HasField("oneof_index") or field.proto3_optional:
            return comment
        first = next(f for f in message.field if f.HasField("oneof_index") and f.oneof_index == field.oneof_index)
        if first.number != field.number:
            return comment
        return self._comments.get((*path, 8, field.oneof_index), "") + comment

    def _enum(self, enum, path, name):
        yield f"### {name}"
        yield from self._comment(path)
        rows = ["| value | meaning |", "| --- | --- |"]
        for index, value in enumerate(enum.value):
            comment = self._comments.get((*path, 2, index), "")
            rows.append(f"| `{value.name}` | {cell_of(comment)} |")
        yield "\n".join(rows)


def reference():
    parts = [part for file in described_files() for part in File(file).markdown()]
    return INTRODUCTION + "\n" + "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())

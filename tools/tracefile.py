# SPDX-License-Identifier: MIT
"""Streams of events, as Cowbell's /proc/trace_binary has them; for tools/trace and tools/conform."""

import base64
import struct
import sys

MAGIC = b"COWTRACE"
HEAD = struct.Struct("<8sIIII")         # magic, version, header size, record size, reserved
VERSION = 1
FIELDS = {"4": "I", "8": "Q"}
FIXED = ("order", "time_ns", "cpu", "pid", "tid")


class Malformed(Exception):
    """What was read is not what it should be."""


class Layout:
    """What a header says of the records behind it."""

    def __init__(self, data, at):
        if len(data) - at < HEAD.size:
            raise Malformed("the file ends within a header")
        _, version, self.header_size, self.record_size, _ = HEAD.unpack_from(data, at)
        if version != VERSION:
            raise Malformed(f"version {version}, not {VERSION}")
        if self.header_size < HEAD.size or len(data) - at < self.header_size:
            raise Malformed("the file ends within a header")
        self.kinds = {}                 # type: (name, [(argument, form)])
        self.fields = []
        for line in data[at + HEAD.size:at + self.header_size].decode("ascii").splitlines():
            self._read_line(line.split())
        self.record = struct.Struct("<" + "".join(FIELDS[size] for _, size in self.fields))
        if self.record.size != self.record_size:
            raise Malformed(f"a record of {self.record_size} bytes has fields of {self.record.size}")

    def _read_line(self, words):
        if words and words[0] == "record":
            self.fields = [word.split(":") for word in words[1:]]
        elif words and words[0] == "event":
            self.kinds[int(words[1])] = (words[2], [word.split(":") for word in words[3:]])

    def event(self, data, at):
        """One record as a dictionary; numbers that have a sign get it."""
        values = dict(zip((name for name, _ in self.fields), self.record.unpack_from(data, at)))
        name, arguments = self.kinds.get(values["type"], (f"type_{values['type']}", []))
        event = {field: values[field] for field in FIXED}
        event["event"] = name
        event["arguments"] = {
            argument: signed(values[letter]) if form == "d" else values[letter]
            for letter, (argument, form) in zip("abc", arguments)}
        event["forms"] = dict(arguments)
        return event


def signed(number):
    return number - (1 << 64) if number >> 63 else number


def read_events(data):
    """All records, of one look at /proc/trace_binary or of several, one behind the other."""
    events, at, layout = [], 0, None
    while at < len(data):
        if data.startswith(MAGIC, at):
            layout = Layout(data, at)
            at += layout.header_size
            continue
        if len(data) - at < layout.record_size:
            raise Malformed("the file ends within a record")
        events.append(layout.event(data, at))
        at += layout.record_size
    return events


def event_line(event):
    arguments = (f"{name}={value:#x}" if event["forms"][name] == "x" else f"{name}={value}"
                 for name, value in event["arguments"].items())
    return " ".join([*(str(event[field]) for field in FIXED), event["event"], *arguments])


def read_input(path):
    """The bytes of a file, or of standard input; base64 is undone."""
    if path is None:
        data = sys.stdin.buffer.read()
    else:
        with open(path, "rb") as file:
            data = file.read()
    if data[:8].lstrip().startswith(base64.b64encode(MAGIC)[:8]):
        data = base64.b64decode(data)
    return data

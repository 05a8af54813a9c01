# SPDX-License-Identifier: MIT
"""Which lines and branches of the kernel ran: counted by gcc's code, read out of the machine's memory.

A kernel made with COVERAGE=1 only counts.  Its machines have their memory in a file of the build
machine, which outlives them, however they end; here the counters are found in it, added to those of
other machines, and written as gcov wants to read them.  So all rings of tests/run count together.

See: gcc's gcov-io.h for the format of .gcda files, libgcov.h for the structures in memory; both are
those of gcc 12 and 13."""

import functools
import pathlib
import pickle
import struct
import subprocess
import threading

from .settings import BUILD

IMAGE = BUILD / "coverage/hooks/cowbell.elf"
TOTAL = BUILD / "coverage/total"
BASE = 0xffffffff80000000               # linked at, less where it is loaded
KINDS = 8                               # of counters that gcc knows; arcs are the first
MAGIC, TAG_FUNCTION, TAG_ARCS = 0x67636461, 0x01000000, 0x01a10000

lock = threading.Lock()


def options(memory, file):
    """For QEMU: memory in a file."""
    return ["-machine", "memory-backend=ram",
            "-object", f"memory-backend-file,id=ram,size={memory}M,mem-path={file},share=on"]


class Memory:
    def __init__(self, file):
        self.file = open(file, "rb")    # pylint: disable=consider-using-with

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def words(self, address, form):
        self.file.seek(address - BASE)
        return struct.unpack("<" + form, self.file.read(struct.calcsize("<" + form)))

    def text(self, address):
        self.file.seek(address - BASE)
        return self.file.read(4096).split(b"\0")[0].decode()


@functools.cache
def table():
    """Where the pointers to struct gcov_info are."""
    rows = (line.split() for line in
            subprocess.run(["nm", str(IMAGE)], capture_output=True, text=True).stdout.splitlines())
    symbols = {row[2]: int(row[0], 16) for row in rows if len(row) == 3}
    return symbols["gcov_info_start"], symbols["gcov_info_end"]


def collect(file):
    """{name of a .gcda file: (head, [(function, counters)])} of a machine's memory."""
    start, end = table()
    found = {}
    with Memory(file) as memory:
        for info in filter(None, memory.words(start, f"{(end - start) // 8}Q")):
            version, _, stamp, checksum, name = memory.words(info, "I4xQIIQ")
            count, functions = memory.words(info + 32 + 8 * KINDS, "I4xQ")
            if version:
                found[memory.text(name)] = (version, stamp, checksum), [
                    function_of(memory, at) for at in memory.words(functions, f"{count}Q") if at]
    return found


def function_of(memory, at):
    _, ident, lines, shape, count, values = memory.words(at, "QIII4xI4xQ")
    return (ident, lines, shape), list(memory.words(values, f"{count}Q"))


def add(file):
    """The counts of a machine that has ended to the total."""
    counts = collect(file)
    with lock:
        total = load()
        for name, (head, functions) in counts.items():
            old = total.get(name)
            if old and old[0] == head:
                functions = [(key, [a + b for a, b in zip(new, before)])
                             for (key, new), (_, before) in zip(functions, old[1])]
            total[name] = head, functions
        TOTAL.write_bytes(pickle.dumps(total))


def load():
    return pickle.loads(TOTAL.read_bytes()) if TOTAL.exists() else {}


def write_files():
    """The total, as files that stand beside the objects."""
    for name, ((version, stamp, checksum), functions) in load().items():
        data = struct.pack("<4I", MAGIC, version, stamp, checksum)
        for key, counters in functions:
            data += struct.pack("<5I", TAG_FUNCTION, 12, *key)
            data += struct.pack(f"<2I{len(counters)}Q", TAG_ARCS, 8 * len(counters), *counters)
        pathlib.Path(name).write_bytes(data + struct.pack("<I", 0))

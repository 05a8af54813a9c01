# SPDX-License-Identifier: MIT
"""Linux as oracle, at random: one binary (tests/differ) plays programs of memory operations on the
build machine's Linux and on Cowbell, and what it says must be equal, line by line."""

import pathlib
import re
import tempfile

from . import build
from .qemu import Machine
from .settings import BUILD

PROGRAM = BUILD / "tests/differ/differ"
SECONDS = 900
SHORT_ENOUGH = 10

GATE_FIRST, GATE_COUNT = 1, 250


class Difference:
    def __init__(self, name, linux, cowbell, number):
        self.name, self.number = name, number
        self.linux, self.cowbell = linux, cowbell
        self.operation = operation_of(linux[:number + 1])

    def lines(self):
        """The first line that differs, with the one that it answers."""
        def at(said):
            return said[self.number] if self.number < len(said) else "(nothing)"
        return [f"program {self.name}, {self.operation}",
                f"    Linux:   {at(self.linux)}", f"    Cowbell: {at(self.cowbell)}"]


def operation_of(said):
    """The name in the last line that tells of an operation."""
    names = [match[1] for line in said if (match := re.match(r"\d+ \d+ (\w+) ", line))]
    return names[-1] if names else "start"


def said_by(text):
    """{name of the program: its lines}."""
    parts = re.split(r"^== (.*)$", text, flags=re.M)
    return {name: lines.strip("\n").split("\n")
            for name, lines in zip(parts[1::2], parts[2::2])}


def on_linux(words):
    status, output = build.call([str(PROGRAM), *words], SECONDS)
    if status != 0:
        raise RuntimeError(f"on this machine: status {status}\n{output[-2000:]}")
    return said_by(output)


def on_cowbell(words, files=(), share=None, smp=1):
    archive = build.initramfs("differ", [f"file /init 755 {PROGRAM}", *(
        f"file {path} 644 {path}" for path in files)])
    line = ["console=ttyS0", "panic=-1", "loglevel=4", *([f"fork_share={share}"] if share else []),
            "--", *words]
    with Machine(line, smp=smp, memory=256, initramfs=archive) as machine:
        outcome = machine.run(SECONDS)
    said = said_by("\n".join(line for line in outcome.lines if not line.startswith("[ ")))
    return said, outcome


def compare(words, files=(), **options):
    """(Differences, how Cowbell ended)."""
    linux = on_linux(words)
    cowbell, outcome = on_cowbell(words, files, **options)
    found = []
    for name, expected in linux.items():
        got = cowbell.get(name, [])
        pairs = enumerate(zip(expected + ["(nothing)"], got + ["(nothing)"]))
        number = next((number for number, (a, b) in pairs if a != b), None)
        if number is not None:
            found.append(Difference(name, expected, got, number))
    return found, outcome


def compare_seeds(first, count, **options):
    return compare(["seeds", str(first), str(count)], **options)


def compare_lists(lists, **options):
    """Programs as lists of lines, all in one boot.  {index: Difference}."""
    text = "".join(f"== {index}\n" + "\n".join(lines) + "\n" for index, lines in enumerate(lists))
    with tempfile.NamedTemporaryFile("w", suffix=".differ") as file:
        file.write(text)
        file.flush()
        found, _ = compare(["file", file.name], [pathlib.Path(file.name)], **options)
    return {int(difference.name): difference for difference in found if difference.name != "end"}


def list_of(seed):
    _, output = build.call([str(PROGRAM), "print", str(seed)])
    return output.splitlines()


def cut_down(lines, operation, **options):
    """The shortest list found whose first difference is at the same operation.  Each boot tries all
    ways to leave a part of one size out."""
    size = max(1, len(lines) // 2)
    best = None
    while True:
        rests = [lines[:at] + lines[at + size:] for at in range(0, len(lines), size)]
        found = compare_lists(rests, **options)
        good = [index for index, difference in found.items() if difference.operation == operation]
        if good and len(lines) > 1:
            lines, best = rests[good[0]], found[good[0]]
            size = min(size, max(1, len(lines) // 2))
        elif size == 1:
            return lines, best
        else:
            size //= 2


# --- in the gate ----------------------------------------------------------------------------------

def jobs(settings):
    if settings.wants("differ", "seeds"):
        yield "differ/seeds", lambda report: report.result("differ/seeds", test_seeds(settings))


def test_seeds(settings):
    first = int(settings.seed or GATE_FIRST)
    found, outcome = compare_seeds(first, GATE_COUNT, share=settings.fork_share or None)
    if outcome.kind != "power off":
        return outcome.diagnosis("make test T='differ/seeds'")
    return [line for difference in found[:5] for line in
            [*difference.lines(), f"again: make differ SEED={difference.name} SEEDS=1"]]

# SPDX-License-Identifier: MIT
"""Random system calls (tests/fuzz): hunting, playing one round again, cutting a list down.

A round is a function of SEED and its number.  What goes wrong in it is a panic, a hang, a frame or
an object that does not come back, or an audit that finds something."""

import pathlib
import re
import time

from . import build
from .qemu import Machine
from .settings import BUILD, ROOT
from .shrink import shrink

PROGRAM = BUILD / "tests/fuzz/fuzz"
LISTS = ROOT / "tests/fuzz/lists"
MEMORY_MIB = 128
SILENT_SECONDS = 180                    # a round takes a second or two, even on a busy machine
ROUNDS_PER_BOOT = 400
TIMES = 8                               # a list is played so often: threads meet differently

GATE_SEED, GATE_ROUNDS = 1, 80


class Run:
    """How a boot ended.  `problem` is empty when all was well, else one line; numbers in it do not
    count when two are compared (`kind`)."""

    def __init__(self, outcome):
        self.outcome = outcome
        text = "\n".join(outcome.lines)
        rounds = re.findall(r"^# round (\d+)$", text, re.M)
        self.last_round = int(rounds[-1]) if rounds else None
        self.notes = re.findall(r"^# (not made:.*|never succeeded:.*|\d+ calls.*)$", text, re.M)
        verdict = re.findall(r"^(?:ok 1 - rounds|not ok 1 - \S+ # (.*))$", text, re.M)
        panic = re.search(r"(?:panic|PANIC|KASAN|UBSAN|BUG)\b:?.*", text)
        if outcome.kind == "power off" and verdict:
            self.problem = verdict[-1]
        else:
            self.problem = f"{outcome.kind}: {panic[0] if panic else ''}".strip()
        self.kind = re.sub(r"0x[0-9a-f]+|[0-9a-f]*\d[0-9a-f]*", "#", self.problem)[:60]


def boot(words, *, smp, image, files=()):
    """Run the program with these arguments until it ends or says nothing for long."""
    archive = build.initramfs(f"fuzz-{smp}", [
        f"file /init 755 {PROGRAM}", "dir /sys 755",
        *(f"file /{path.name} 644 {path}" for path in files)])
    line = ["console=ttyS0", "panic=-1", "--", *map(str, words)]
    with Machine(line, smp=smp, memory=MEMORY_MIB, image=image, initramfs=archive) as machine:
        seen, since = 0, time.monotonic()
        while not machine.pump(machine.has_ended, 1):
            if len(machine.console) != seen:
                seen, since = len(machine.console), time.monotonic()
            elif time.monotonic() - since > SILENT_SECONDS:
                break
        return Run(machine.outcome(SILENT_SECONDS))


def rounds(seed, first, count, each=False, **options):
    return boot(["rounds", seed, first, count, *(["each"] if each else [])], **options)


def play(path, times=TIMES, **options):
    return boot(["play", times, f"/{path.name}"], files=[path], **options)


def list_of(seed, number):
    """The calls of a round, as text."""
    _, output = build.call([str(PROGRAM), "print", str(seed), str(number)])
    return output.splitlines()


def flags_of(image):
    """The words of make for an image."""
    folder = pathlib.Path(image).relative_to(BUILD).parts
    words = {"debug": "DEBUG=1", "hooks": "HOOKS=1", "san": "SAN=1", "race": "SAN=race"}
    return "".join(f" {words[part]}" for part in folder if part in words)


# --- hunting --------------------------------------------------------------------------------------

def hunt(seed, seconds, say, **options):
    """Boot after boot until time is up.  The first failing Run, with its round; or None."""
    deadline, first = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        run = rounds(seed, first, ROUNDS_PER_BOOT, **options)
        say(f"rounds {first} to {run.last_round}: {run.problem or 'good'}"
            f" ({', '.join(run.notes[-1:])})")
        if run.problem:
            return run
        first += ROUNDS_PER_BOOT
    return None


def culprit(seed, run, **options):
    """The round that fails by itself: an audit finds what one of several before it has done."""
    last = run.last_round or 0
    for number in range(last, max(-1, last - 40), -1):
        again = rounds(seed, number, 1, each=True, **options)
        if again.problem:
            return number, again
    return None, run


def cut_down(lines, kind, path, say, **options):
    """The shortest list found that still fails in this way, written to `path`."""
    setup, calls = lines[0], lines[1:]

    def fails(part):
        path.write_text("\n".join([setup, *part]) + "\n")
        return play(path, **options).kind == kind

    if not fails(calls):
        say("the list does not fail every time: kept whole")
        return lines
    calls = shrink(calls, fails, say)
    path.write_text("\n".join([setup, *calls]) + "\n")
    return [setup, *calls]


# --- in the gate ----------------------------------------------------------------------------------

def jobs(settings):
    for name, test in (("random_calls", test_random_calls), ("lists", test_lists)):
        if settings.wants("fuzz", name):
            yield f"fuzz/{name}", lambda report, n=name, t=test: report.result(
                f"fuzz/{n}", t(settings))


def test_random_calls(settings):
    seed = int(settings.seed or GATE_SEED)
    run = rounds(seed, 0, GATE_ROUNDS, smp=4, image=BUILD / "cowbell.elf")
    again = f"make fuzz SEED={seed} ROUND={run.last_round} SMP=4"
    if run.problem:
        return [run.problem, *run.outcome.diagnosis(again)]
    missed = [note for note in run.notes if re.match(r"not made: \S", note)]
    calls = re.match(r"(\d+) calls, (\d+)", run.notes[-1])
    few = int(calls[2]) < int(calls[1]) / 4
    return missed + ([f"hardly any call succeeds: {calls[0]}"] if few else [])


def test_lists(settings):
    """What was found once, and cut down."""
    files = sorted(LISTS.glob("*.calls"))
    run = boot(["play", 3, *(f"/{path.name}" for path in files)], smp=4, files=files,
               image=BUILD / "cowbell.elf")
    return run.problem and [run.problem, *run.outcome.diagnosis("make test T='fuzz/lists'")]

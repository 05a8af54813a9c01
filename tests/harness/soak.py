# SPDX-License-Identifier: MIT
"""Minutes of mixed load on one machine (tests/torture/soak.c), with a watchdog on this side: when
the machine says nothing for too long, an NMI asks all its CPUs what they are doing."""

import re
import time

from . import build, torture
from .qemu import Machine
from .settings import BUILD, DEFAULT_SHARE

PROGRAM = BUILD / "tests/torture/soak"
MEMORY_MIB = 256
SILENCE_SECONDS = 90                    # it says something each second; this machine may be busy
SLOPE_MAX = 0.5                         # frames in a minute
MINUTE = re.compile(r"^minute (\d+) free (\d+) (.*)$", re.MULTILINE)


def archive():
    return build.initramfs("soak", [f"file /init 755 {PROGRAM}"], busybox=True)


def words(minutes, seed, share, **environment):
    return ["console=ttyS0", "panic=-1", "quiet", f"fork_share={share or DEFAULT_SHARE}",
            f"SEED={seed}", f"MINUTES={minutes}",
            *(f"{name.upper()}={value}" for name, value in environment.items())]


def run(minutes, *, seed=1, smp=4, share=None, image=torture.IMAGE, say=lambda line: None,
        **environment):
    """(problems, free frames after each minute).  `say` hears each minute's line."""
    with Machine(words(minutes, seed, share, **environment), smp=smp, memory=MEMORY_MIB, image=image,
                 initramfs=archive()) as machine:
        is_silent = watch(machine, say)
        outcome = machine.outcome(SILENCE_SECONDS)
    free = [int(match[2]) for match in MINUTE.finditer("\n".join(outcome.lines))]
    problems = []
    if is_silent or outcome.kind != "power off" or "ok" not in outcome.lines:
        problems += outcome.diagnosis()
    elif len(free) != minutes:
        problems.append(f"{len(free)} minutes of {minutes}")
    if abs(slope(free)) > SLOPE_MAX:
        problems.append(f"free frames change by {slope(free):+.1f} a minute: {free}")
    return problems, free


def watch(machine, say):
    """Until the machine ends.  True: it fell silent before."""
    heard, seen, since = 0, 0, time.monotonic()
    while not machine.has_ended():
        machine.pump(machine.has_ended, 1)
        if len(machine.console) != heard:
            heard, since = len(machine.console), time.monotonic()
        elif time.monotonic() - since > SILENCE_SECONDS:
            return True
        lines = [match[0] for match in MINUTE.finditer(machine.console)]
        for line in lines[seen:]:
            say(line)
        seen = len(lines)
    return False


def slope(values):
    """Of the straight line that fits best: change for each step."""
    n = len(values)
    if n < 2:
        return 0.0
    middle, mean = (n - 1) / 2, sum(values) / n
    return (sum((i - middle) * (value - mean) for i, value in enumerate(values))
            / sum((i - middle) ** 2 for i in range(n)))

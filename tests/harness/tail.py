# SPDX-License-Identifier: MIT
"""The longest stretches: boots the build TAIL=1 under -icount, lets tests run, reads /proc/tail.

Faults, and stretches without interrupts or preemption, are measured with one CPU, where a tick is an
instruction of that CPU.  Shootdowns need somebody to ask; they are measured with two, up to the moment
of the answer."""

import re

from . import build
from .qemu import Machine
from .settings import BUILD, ROOT

IMAGE = BUILD / "tail/cowbell.elf"
SECONDS = 3600
COUNTED = ["-icount", "shift=0,sleep=off"]

# What the longest of each kind may take, in instructions.  A fault may zero or copy a huge page
# (262,144), and a little; what grows with the tests' numbers of threads stays far from a slice
# (4,000,000).
KINDS = {"fault": 300_000, "interrupts_off": 60_000, "preemption_off": 400_000, "shootdown": 60_000}
MEASURED_BY = {1: ["fault", "interrupts_off", "preemption_off"], 2: ["shootdown"]}

LINE = re.compile(r"^tail: (\w+) (\d+) (.*)$", re.MULTILINE)
TESTING = re.compile(r"\b(audit|frames_check|ktest_\w+|smp_stop_others)\+")


class Stretch:
    """One line of /proc/tail."""

    def __init__(self, kind, ticks, where):
        self.kind, self.ticks, self.where = kind, int(ticks), where

    @property
    def is_of_test(self):
        """Of a test itself, or of the audit after it, which recounts all memory while all stands."""
        return bool(TESTING.search(self.where))


def archive(programs):
    return build.initramfs("tail", [
        f"file /init 755 {ROOT}/tests/shell/tail.init", "dir /sys 755",
        *(f"file /tests/{path.name} 755 {path}" for path in programs)], busybox=True)


def measure(cpus, kernel="*", programs="*"):
    """Boots once.  (stretches of the kinds that this number of CPUs measures, what went wrong)"""
    paths = sorted(path for path in (BUILD / "tests/user").iterdir() if not path.suffix)
    words = ["console=ttyS0", "panic=-1", "quiet", "norandmaps", f"KERNEL={kernel}",
             f"PROGRAMS={programs}"]
    with Machine(words, smp=cpus, image=IMAGE, initramfs=archive(paths), extra=COUNTED) as machine:
        outcome = machine.run(SECONDS)
    found = [Stretch(*line) for line in LINE.findall(outcome.console)
             if line[0] in MEASURED_BY[cpus]]
    wrong = [] if outcome.kind == "power off" and found else outcome.diagnosis()
    return found, wrong


def too_long(stretches):
    """Lines, one for each stretch beyond its bound."""
    return [f"{each.kind}: {each.ticks:,} instructions, at most {KINDS[each.kind]:,}: {each.where}"
            for each in stretches if each.ticks > KINDS[each.kind] and not each.is_of_test]

# SPDX-License-Identifier: MIT
"""Does it pay to let coverage choose the random system calls?

A round that took a branch of the kernel that none before it had taken is kept; new rounds are made of
kept ones, with pieces of others put in, taken out and exchanged.  The same number of rounds straight
from seeds is what that is compared with.  The branches are read out of the running machine's memory
(coverage.py) whenever it says that it begins the next round."""

import random
import re
import tempfile
import pathlib

from . import build, coverage, fuzz
from .qemu import Machine

ROUNDS_PER_BOOT = 10
CALLS_MAX = 1024
PIECE_MAX = 48
PATIENCE = 900


def branches(file):
    """All that have been taken since the boot."""
    return {(name, function, arc) for name, (_, functions) in coverage.collect(file).items()
            for function, (_, counters) in enumerate(functions)
            for arc, count in enumerate(counters) if count}


def play(lists, smp):
    """[branches taken when each of the lists was over], and what went wrong or ''."""
    with tempfile.TemporaryDirectory(prefix="cowbell-lists-") as folder:
        files = []
        for number, lines in enumerate(lists):
            files.append(pathlib.Path(folder) / f"{number:03}.calls")
            files[-1].write_text("\n".join(lines) + "\n")
        archive = build.initramfs(f"fuzz-guided-{smp}", [
            f"file /init 755 {fuzz.PROGRAM}", "dir /sys 755",
            *(f"file /{path.name} 644 {path}" for path in files)])
        line = ["console=ttyS0", "panic=-1", "--", "play", "1", *(f"/{path.name}" for path in files)]
        taken = []
        with Machine(line, smp=smp, memory=fuzz.MEMORY_MIB, image=coverage.IMAGE,
                     initramfs=archive) as machine:
            def begun():
                return len(re.findall(r"^# list ", machine.console, re.MULTILINE))
            for number in range(1, len(lists) + 1):
                machine.pump(lambda n=number: begun() > n or machine.has_ended(), PATIENCE)
                taken.append(branches(machine.counts))
                if machine.has_ended():
                    break
            run = fuzz.Run(machine.run(PATIENCE))
    return taken, run.problem


class Hunt:
    def __init__(self, smp, say):
        self.smp, self.say = smp, say
        self.taken, self.kept, self.rounds = set(), [], 0

    def play(self, lists):
        before = len(self.taken)
        taken, problem = play(lists, self.smp)
        for lines, now in zip(lists, taken):
            if now - self.taken:
                self.kept.append(lines)
            self.taken |= now
        self.rounds += len(taken)
        self.say(f"{self.rounds} rounds, {len(self.taken)} branches, {len(self.taken) - before} new,"
                 f" {len(self.kept)} lists kept{': ' + problem if problem else ''}")

    def copy(self):
        other = Hunt(self.smp, self.say)
        other.taken, other.kept, other.rounds = set(self.taken), list(self.kept), self.rounds
        return other


def piece(chance, calls):
    length = chance.randint(1, min(PIECE_MAX, len(calls)))
    at = chance.randint(0, len(calls) - length)
    return at, length


def mutate(chance, kept):
    """A new list: the setup of a kept one, its calls with some of others' among them."""
    setup, *calls = chance.choice(kept)
    threads = int(re.search(r"threads=(\d+)", setup)[1])
    for _ in range(chance.randint(2, 12)):
        donor = chance.choice(kept)[1:]
        at, length = piece(chance, calls)
        start, more = piece(chance, donor)
        new = [re.sub(r"^\d+", lambda m: str(int(m[0]) % threads), call)
               for call in donor[start:start + more]]
        calls[at:at + chance.choice([0, length])] = chance.choice([new, new, []]) or calls[at:at + 1]
    return [setup, *calls[:CALLS_MAX]]


def seeds(seed, first, count):
    return [fuzz.list_of(seed, number) for number in range(first, first + count)]


def compare(seed, boots, smp, say):
    """Half of the rounds from seeds, half both ways.  (branches by seeds, branches guided)"""
    chance = random.Random(seed)
    plain = Hunt(smp, lambda text: say(f"seeds:  {text}"))
    for boot in range(boots):
        plain.play(seeds(seed, boot * ROUNDS_PER_BOOT, ROUNDS_PER_BOOT))
    guided = plain.copy()
    guided.say = lambda text: say(f"guided: {text}")
    for boot in range(boots, 2 * boots):
        plain.play(seeds(seed, boot * ROUNDS_PER_BOOT, ROUNDS_PER_BOOT))
    for _ in range(boots):
        guided.play([mutate(chance, guided.kept) for _ in range(ROUNDS_PER_BOOT)])
    return len(plain.taken), len(guided.taken)

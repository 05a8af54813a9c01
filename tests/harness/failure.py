# SPDX-License-Identifier: MIT
"""Systematic failure: of all that a test asks the kernel for, everything fails once.

tests/user/init/failures.c runs the programs, one boot for each, under icount: a turn that finds
something finds it again.  A machine that panics is started again behind the turn it died of.  What
the kernel says of its sites is compared with what the image has (sites.py)."""

import collections
import os
import re

from . import build, coverage
from .qemu import IMAGE, Machine
from .settings import BUILD, ROOT
from .sites import Sites, parse
from .user import Program

IMAGE = IMAGE if IMAGE == coverage.IMAGE else BUILD / "debug/hooks/cowbell.elf"
UNREACHED = ROOT / "tests/harness/unreached-sites.txt"
EXACT = ["-icount", "shift=3,sleep=off", "-rtc", "base=2026-01-01,clock=vm"]
MEMORY = 192
BOOT_SECONDS = 3600
PANICS_MAX = 20                         # of one program: more say nothing new

# One arms fault points itself; others fill all memory, race for seconds, or make thousands.
LEFT_OUT = {"fail_nth", "cow_footprint", "cow_oom", "cow_scale", "dirty_cow", "mm_oom",
            "names_stress", "threads_many"}

GATE = "cow_basic"


class Finding:
    def __init__(self, test, turns, lines):
        self.test, self.turns, self.lines = test, turns, lines

    def lines_with_replay(self, seed):
        return [f"  {self.test} {self.turns}: {self.lines[0]}", *(f"    {line}" for line in self.lines[1:]),
                f"    again: tools/failures --seed {seed} --only {self.test}:{self.turns}"]


# sites: {return address: how often it failed}
Tally = collections.namedtuple("Tally", "runs hung findings sites")
Tally.failed = property(lambda self: sum(failures > 0 for failures in self.sites.values()))
NOTHING = Tally(0, 0, [], {})


def programs():
    found = (Program(source) for source in sorted((ROOT / "tests/user").glob("*.c")))
    return [program for program in found if program.name not in LEFT_OUT]


# --- in the gate --------------------------------------------------------------------------------

def jobs(settings):
    """A bounded part of what tools/failures does: each site's first turn in the tests of copy-on-write."""
    if settings.wants("failure", GATE):
        yield f"failure/{GATE}", run
    if settings.wants("failure", "unreached_sites"):
        yield "failure/unreached_sites", lambda report: report.result(
            "failure/unreached_sites", unknown(Sites(IMAGE)))


def run(report):
    tally = one_program(GATE, limit=0)
    report.note(f"{tally.runs} runs, {tally.failed} sites failed")
    problems = [line for finding in tally.findings for line in finding.lines_with_replay(1)]
    if tally.runs < 100 or tally.failed < 30:
        problems.append(f"only {tally.runs} runs and {tally.failed} sites")
    report.result(f"failure/{GATE}", problems)


# --- boots --------------------------------------------------------------------------------------

def boot(name, tests, words):
    path = BUILD / "tests/user" / name
    archive = build.initramfs(f"failures-{name}", [f"file /init 755 {BUILD}/tests/init/failures",
                                                   f"file /tests/{name} 755 {path}"], busybox=True)
    words = ["console=ttyS0", "panic=-1", "loglevel=0", *words, "--", *tests]
    with Machine(words, memory=MEMORY, image=IMAGE, initramfs=archive, extra=EXACT) as machine:
        return machine.run(BOOT_SECONDS)


def one_program(name, tests=("*",), limit=None, doubles=0, seed=1):
    """Tally of all failures of one program."""
    words = [f"seed={seed}", f"SEED={seed}", f"DOUBLES={doubles}"]
    words += [f"LIMIT={limit}"] if limit is not None else []
    total, behind = NOTHING, []
    for _ in range(PANICS_MAX):
        outcome = boot(name, tests, words + behind)
        total = add(total, read(outcome))
        last = [line.split() for line in outcome.lines if line.startswith("run ")]
        if "all done" in outcome.lines or not last:
            break
        behind = [f"FROM={last[-1][1]}:{last[-1][2]}"]
    return total


def replay(only, seed):
    """What the console says of one run."""
    name = only.split(".")[0]
    outcome = boot(name, [], [f"seed={seed}", f"SEED={seed}", f"ONLY={only}"])
    lines = [line for line in outcome.lines if not line.startswith("faults: ")]
    if "all done" not in lines:
        return "\n".join(outcome.diagnosis())
    return "\n".join(lines + outcome.symbols.explain("\n".join(lines)))


def add(a, b):
    sites = collections.Counter(a.sites) + collections.Counter(b.sites)
    return Tally(a.runs + b.runs, a.hung + b.hung, a.findings + b.findings, sites)


def read(outcome):
    """What one boot says.  After a panic the failures so far are only known by whom they struck."""
    findings, hung, runs = [], 0, []
    for line in outcome.lines:
        if match := re.match(r"run (\S+) (\d+:\d+:[0-9a-f]+)$", line):
            runs.append(match)
        elif match := re.match(r"not ok (\S+) (\d+:\d+:[0-9a-f]+) - (.*)", line):
            findings.append(Finding(match[1], match[2],
                                    [match[3], *outcome.symbols.explain(match[3])]))
        elif match := re.match(r"end \S+ (\d+) hung", line):
            hung += int(match[1])
    if "all done" not in outcome.lines:
        where = (runs[-1][1], runs[-1][2]) if runs else ("?", "0:0:0")
        findings.append(Finding(*where, outcome.diagnosis()))
    faults = [line.removeprefix("faults: ") for line in outcome.lines if line.startswith("faults: ")]
    return Tally(len(runs), hung, findings, parse(faults))


# --- sites --------------------------------------------------------------------------------------

def missed_sites(sites, failures):
    """Names of those that never failed."""
    failed = {sites.names.get(address) for address, count in failures.items() if count}
    return sorted(set(sites.all()) - failed)


def excused():
    """{(file, function): why} of unreached-sites.txt"""
    rows = (line.split(maxsplit=2) for line in UNREACHED.read_text().splitlines()
            if line.strip() and not line.startswith("#"))
    return {(file, function): why for file, function, why in rows}


def key(site):
    place, function = site.split()
    return place.split(":")[0], function


def unknown(sites):
    """Excuses for what is not there."""
    known = set(map(key, sites.all()))
    return [f"{UNREACHED.name}: no site in {file} {function}" for file, function in excused()
            if (file, function) not in known]


def compare(sites, missed):
    """What is wrong with the list, seen from a whole run."""
    listed, seen = excused(), set(map(key, missed))
    return [*unknown(sites),
            *(f"never failed: {site}" for site in missed if key(site) not in listed),
            *(f"{UNREACHED.name}: has failed: {' '.join(pair)}" for pair in listed if pair not in seen)]

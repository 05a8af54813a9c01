# SPDX-License-Identifier: MIT
"""Systematic failure: of all that a test asks the kernel for, everything fails once.

Tests inside the kernel (kernel/ktest.c) repeat themselves: fail=TURNS:FROM on the command line.
tests/user/init/failures.c runs the programs, one boot for each, under icount: a turn that finds
something finds it again.  A machine that panics is started again behind the turn it died of.  What
the kernel says of its sites is compared with what the image has (sites.py)."""

import collections
import os
import re

from . import build, coverage, kernel, tap
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

# These make reports of their own (SAN=...), or arm fault points.
MODULES_LEFT_OUT = {"san", "race"}

GATE = "cow_basic"
GATE_MODULE, GATE_TURNS = "cow", 5
EACH = 10 ** 9                          # turns: all there are


class Module:
    """Tests inside the kernel that have the first part of their names in common."""

    def __init__(self, module, tests):
        self.name, self.tests = f"kernel/{module}", tests


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


def modules():
    return [Module(module, tests) for module, tests in kernel.tests().items()
            if module not in MODULES_LEFT_OUT]


# --- in the gate --------------------------------------------------------------------------------

def jobs(settings):
    """A bounded part of what tools/failures does: each site's first turn in the tests of copy-on-write."""
    if settings.wants("failure", GATE):
        yield f"failure/{GATE}", run
    if settings.wants("failure", "kernel_tests"):
        yield "failure/kernel_tests", run_kernel_tests
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


def run_kernel_tests(report):
    tests = next(module.tests for module in modules() if module.name == f"kernel/{GATE_MODULE}")
    tally = kernel_tests(tests, GATE_TURNS)
    report.note(f"{tally.runs} runs")
    problems = [line for finding in tally.findings for line in finding.lines_with_replay(1)]
    if tally.runs < len(tests) * GATE_TURNS:
        problems.append(f"only {tally.runs} runs of {len(tests)} tests")
    report.result("failure/kernel_tests", problems)


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


def boot_kernel_tests(tests, turns, first, level=0):
    words = ["console=ttyS0", "panic=-1", f"loglevel={level}", f"selftest={','.join(tests)}",
             f"fail={turns}:{first}"]
    with Machine(words, smp=2, memory=MEMORY, image=IMAGE, extra=EXACT) as machine:
        return machine.run(BOOT_SECONDS)


def kernel_tests(tests, limit=None):
    """Tally of all failures of some tests inside the kernel.  After a panic, the test that it was in
    goes on behind that turn, in a boot of its own."""
    total, pending = NOTHING, [(tests, 0)]
    while pending and len(total.findings) < PANICS_MAX:
        tests, first = pending.pop()
        outcome = boot_kernel_tests(tests, EACH if limit is None else max(1, limit), first)
        tally, dead = read_kernel_tests(outcome)
        total = add(total, tally)
        if dead:
            test, turn = dead
            done = {result.name for result in tap.parse(outcome.lines)[1]} | {test}
            pending += [([test], turn + 1), ([t for t in tests if t not in done], 0)]
            pending = [(tests, first) for tests, first in pending if tests]
    return total


def read_kernel_tests(outcome):
    """(tally, (test, turn) that the machine died in or None)"""
    runs = re.findall(r"^# run (\S+) (\d+)$", "\n".join(outcome.lines), re.MULTILINE)
    findings, test, turn = [], "?", "0"
    for line in outcome.lines:
        if match := re.match(r"# run (\S+) (\d+)$", line):
            test, turn = match.groups()
        elif match := re.match(r"# request \d+, of (?:0x)?[0-9a-f]+, failed: .*", line):
            findings.append(Finding(f"kernel/{test}", turn, [match[0], *outcome.symbols.explain(match[0])]))
    if outcome.kind == "tests failed" and not findings:
        findings.append(Finding(f"kernel/{test}", turn, outcome.diagnosis()))
    if outcome.kind in ("tests passed", "tests failed"):
        return Tally(len(runs), 0, findings, {}), None
    findings.append(Finding(f"kernel/{test}", turn, outcome.diagnosis()))
    return Tally(len(runs), int(outcome.kind == "hang"), findings, {}), (test, int(turn))


def replay(only, seed):
    """What the console says of one run."""
    if match := re.match(r"kernel/(\S+):(\d+)$", only):
        outcome = boot_kernel_tests([match[1]], EACH, int(match[2]), level=8)
        return "\n".join(outcome.lines + outcome.symbols.explain("\n".join(outcome.lines)))
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

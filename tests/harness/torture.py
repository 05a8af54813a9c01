# SPDX-License-Identifier: MIT
"""Storms (tests/torture) on a machine whose time is its instructions: the seed is the schedule.

Under -icount QEMU runs one CPU at a time and goes on to the next when a timer expires or an
instruction says pause.  jitter() in the kernel and the storm itself pause by the seed, the clock
counts instructions, and no input comes from outside: the same seed is the same run, to the last
event.  The pipe that the console goes into is larger than all that is ever said, so that nobody
waits for this machine either.

One thing of this machine's time comes in.  QEMU's CPU thread runs the timers that are due, and wakes
its main loop to look for them, too; when a busy machine lets the main loop run only as the next one
becomes due, it takes that one, and makes the CPU thread reckon anew how long each CPU's turn is.
Two boots of a hundred were seen to differ so.  A test that wants the same run twice may therefore
boot more often than twice."""

import mmap
import os
import pathlib
import re
import shutil
import struct
import tempfile

from . import build
from .qemu import Machine
from .settings import BUILD, FORK_SHARES, ROOT

CHECKED = "debug/hooks"                 # the build: locks checked, freed memory poisoned
IMAGE = BUILD / CHECKED / "cowbell.elf"
PROGRAM = BUILD / "tests/torture/torture"
SECONDS = 300
MEMORY_MIB = 256
CLOCK = ["-icount", "shift=5,sleep=off", "-rtc", "base=2025-01-01,clock=vm", "-seed", "1"]
RECORDS = 1 << 16                       # that each CPU keeps, when they are wanted
EVENTS = re.compile(r"^events (\d+), lost (\d+), sum ([0-9a-f]{16})$", re.MULTILINE)
LAST_LINE = re.compile(r"^(ok|not ok: .*)$", re.MULTILINE)

MARK = b"handed over here"
PAGE = 4096
CONFORM_LINES = 20
PAGE_HEAD = struct.Struct("<16sII")

# Of `make test`; `make night` has more.
GATE_SEEDS = range(1, 9)
GATE_CONFORM = {2, 4, 8}                # their events are checked, too
GATE_PROGRAMS = ["cow_kernel_writes", "mm_mremap"]
ROOT_SEED = 20                          # chooses fork_share=root

# A race to be found: nobody waits until the parent's other threads have forgotten what they may write.
PLANT = "mm/space.c", "\tspace_flush(parent, 0, USER_END);", "\t(void)0;"
PLANT_SEEDS = range(1, 41)
BOOTS = 4                               # of one seed, at most, until two are the same


def jobs(settings):
    tests = {"seeds": seeds, "same_seed_is_same_run": same_seed, "events_follow_the_rules": programs,
             "planted_race_is_found": planted_race}
    for name, test in tests.items():
        if settings.wants("torture", name):
            yield f"torture/{name}", lambda report, n=name, t=test: report.result(
                f"torture/{n}", t(settings))


def options_of(settings):
    return {"smp": settings.smps([4])[0], "share": settings.fork_share or None}


def seeds(settings):
    wanted = [int(settings.seed)] if settings.seed else GATE_SEEDS
    return [line for seed in wanted for line in check_seed(
        seed, conforms=seed in GATE_CONFORM, **options_of(settings))[0]]


def same_seed(settings):
    """The same to the last event; and seeds do differ."""
    one, problems = the_same_twice(1, **options_of(settings))
    if one:
        other = boot(2, **options_of(settings))
        problems = [*one.problems(None), *other.problems(None)]
        if one.sum == other.sum:
            problems.append("two seeds, one run")
    return problems


def the_same_twice(seed, **options):
    """(the run that two boots of a seed have agreed on, []), or (None, why not)."""
    runs = []
    while len(runs) < BOOTS:
        run = boot(seed, **options)
        if any(run.sameness == other.sameness for other in runs):
            return run, []
        runs.append(run)
    return None, [f"seed {seed}: no two of {BOOTS} runs are the same", *differences(runs)]


def programs(settings):
    """Tests of copy-on-write, and what they made the kernel do."""
    problems = []
    for name in GATE_PROGRAMS:
        run = boot(ROOT_SEED, stream=True, run=f"/tests/{name}", **options_of(settings))
        broken = run.problems(None) or conform(run.stream)[0]
        problems += [f"{name}:", *broken] if broken else []
    return problems


def planted_race(settings):
    """A seed finds it, and finds it again, the same to the last event."""
    with tempfile.TemporaryDirectory(prefix="cowbell-planted-") as folder:
        image, complaint = planted_image(pathlib.Path(folder))
        if complaint:
            return complaint
        for seed in PLANT_SEEDS:
            if not boot(seed, image=image, **options_of(settings)).is_good:
                run, problems = the_same_twice(seed, image=image, **options_of(settings))
                if not run or not run.is_good:
                    return problems
    return [f"not found by {len(PLANT_SEEDS)} seeds"]


def planted_image(folder):
    """The kernel with the race in it, from a copy of the tree.  (image, None) or (None, why not)."""
    name, right, wrong = PLANT
    ignored = shutil.ignore_patterns(".git", "build", "__pycache__")
    shutil.copytree(ROOT, folder / "tree", ignore=ignored, symlinks=True)
    shutil.copytree(BUILD / CHECKED, folder / "tree/build" / CHECKED)
    source = folder / "tree" / name
    text = source.read_text()
    if text.count(right) != 1:
        return None, [f"the place for the planted race is not in {name}"]
    source.write_text(text.replace(right, wrong))
    status, output = build.call(["make", "-C", str(folder / "tree"), "--no-print-directory", "all",
                                 "DEBUG=1", "HOOKS=1"])
    image = folder / "tree/build" / CHECKED / "cowbell.elf"
    return (image, None) if status == 0 else (None, output.splitlines()[-20:])


class Run:
    """How a boot ended.  `problems` is empty when all was well."""

    def __init__(self, outcome, stream):
        self.outcome, self.stream = outcome, stream
        text = "\n".join(outcome.lines)
        found, last = EVENTS.search(text), LAST_LINE.findall(text)
        self.events, self.lost = (int(found[1]), int(found[2])) if found else (0, 0)
        self.sum = found[3] if found else None
        self.message = last[-1] if last else outcome.kind
        self.is_good = outcome.kind == "power off" and self.message == "ok" and bool(found)

    @property
    def sameness(self):
        """What two runs of one seed must have in common."""
        return self.outcome.kind, self.sum, self.outcome.console

    def problems(self, again):
        return [] if self.is_good else [self.message, *self.outcome.diagnosis(again)]


def chosen_share(seed):
    """Of every five seeds in a row each has a density of pauses of its own (kernel/hooks.c), and of
    every 25 each pair of that and a fork_share."""
    return FORK_SHARES[seed // 5 % len(FORK_SHARES)]


def chosen_huge(seed):
    """Huge pages, which take longer."""
    return int(seed % 8 == 7)


def archive():
    """The storm as the first program, and the tests that can be run instead of one."""
    programs = [BUILD / "tests/user" / name for name in GATE_PROGRAMS]
    return build.initramfs("torture", [f"file /init 755 {PROGRAM}", "dir /tests 755", *(
        f"file /tests/{program.name} 755 {program}" for program in programs)])


def boot(seed, *, smp=4, share=None, image=IMAGE, stream=False, run=None, initramfs=None, **words):
    """One boot.  With `stream` all events are recorded, and Run.stream is /proc/trace_binary.  `run`
    is a program instead of a storm; other words go to its environment."""
    line = ["console=ttyS0", "panic=-1", "quiet", f"seed={seed}", "events=all",
            f"fork_share={share or chosen_share(seed)}", f"SEED={seed}", f"HUGE={chosen_huge(seed)}",
            *(f"{name.upper()}={value}" for name, value in words.items())]
    if run:
        line.append(f"RUN={run}")
    if stream:
        line += [f"trace_records={RECORDS}", "HAND_OVER=48"]
    with tempfile.TemporaryDirectory(prefix="cowbell-ram-") as folder:
        ram = pathlib.Path(folder) / "ram"
        extra = CLOCK + (["-object", f"memory-backend-file,id=ram,size={MEMORY_MIB}M,share=on,"
                          f"mem-path={ram}", "-machine", "memory-backend=ram"] if stream else [])
        with Machine(line, smp=smp, memory=MEMORY_MIB, image=image,
                     initramfs=initramfs or archive(), extra=extra) as machine:
            outcome = machine.run(SECONDS)
            handed = taken_over(ram) if stream else None
    return Run(outcome, handed)


def taken_over(ram):
    """What the machine left in marked pages of its memory, put together."""
    parts = {}
    with open(ram, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
        at = memory.find(MARK)
        while at >= 0:
            if at % PAGE == 0:
                _, index, length = PAGE_HEAD.unpack_from(memory, at)
                parts[index] = memory[at + PAGE_HEAD.size:at + PAGE_HEAD.size + length]
            at = memory.find(MARK, at + 1)
    return b"".join(parts[index] for index in sorted(parts))


def conform(stream):
    """Lines that say which rules a stream breaks; (None, last line) when it breaks none."""
    status, output = build.call([str(ROOT / "tools/conform")], input=stream)
    lines = output.splitlines() or ["conform said nothing"]
    return (None if status == 0 else lines[:CONFORM_LINES] + lines[-1:]), lines[-1]


def check_seed(seed, *, times=1, conforms=False, **options):
    """(problems, events, a note) of one seed, run so often."""
    again = replay(seed, options.get("smp", 4), options.get("share"))
    if conforms and chosen_huge(seed):  # makes so many that they would be lost
        options["steps"] = 10
    runs = [boot(seed, stream=conforms, **options) for _ in range(times)]
    first = runs[0]
    problems = first.problems(again)
    same = sum(run.sameness == first.sameness for run in runs)
    if same < times:
        problems += [f"{same} of {times} runs are the same", *differences(runs), f"again: {again}"]
    note = f"{first.events + (0 if conforms else first.lost)} events, sum {first.sum}"
    if times > 1:
        note += f", {same} of {times} the same"
    if conforms and first.is_good:
        broken, verdict = conform(first.stream)
        note += f"; {verdict}"
        if broken:
            problems += [*broken, f"again: {again} CONFORM=1"]
    return problems, first.events + first.lost, note


def differences(runs):
    return sorted({f"{run.outcome.kind}, sum {run.sum}: {run.message}" for run in runs})


def replay(seed, smp, share):
    """The command that runs a seed once more."""
    words = ["make torture", "SEEDS=1", f"SEED={seed}", f"SMP={smp}"]
    return " ".join(words + ([f"FORK_SHARE={share}"] if share else []))


def jobs_at_once():
    return max(2, os.cpu_count() or 2)

# SPDX-License-Identifier: MIT
"""Builds changed memory systems and runs the tests of tests/host against them.

A change is {file: new text}.  Objects of unchanged sources are those of the tests themselves.
"""

import collections
import contextlib
import os
import pathlib
import signal
import subprocess
import threading

from harness import host, objects
from harness.settings import ROOT

SECONDS = 900                           # for one program, on a machine that may be busy
WORLD_SECONDS = 20                      # of work, for one world: a mutant may turn for ever

# In the order of what they cost: who looks for a test that notices stops at the first.
PROGRAMS = ("mm_unit", "mm_huge", "mm_collapse", "mm_range", "mm_file", "mm_mlock", "mm_account",
            "mm_hugetlb", "mm_failure", "mm_litmus", "mm_stress")


class Misplaced(Exception):
    """A place to change is not there, or not unique."""


def replaced(text, changes):
    """The text with each (old, new) applied.  What is old must stand there exactly once."""
    for old, new in changes:
        if text.count(old) != 1:
            raise Misplaced(old)
        text = text.replace(old, new)
    return text


def gcc(words, before=()):
    return subprocess.run(["gcc", *before, *host.FLAGS, "-Wno-error", "-w", *words], cwd=ROOT,
                          capture_output=True, text=True, check=False)


def test_source(program):
    return ROOT / f"tests/host/{program}_test.c"


class Build:
    """What programs are made of; below `folder` there is room for what differs."""

    def __init__(self, folder, programs=PROGRAMS):
        self.folder = pathlib.Path(folder)
        self.programs = programs
        self.sources = {p: [f"tests/host/{p}_test.c", *host.marks(test_source(p), "sources")]
                        for p in programs}
        self.flags = {p: host.marks(test_source(p), "flags") for p in programs}

    def prepare(self):
        """Compile what is not there already.  None, or what the compiler says."""
        jobs = collections.defaultdict(set)
        for program in self.programs:
            jobs[tuple(self.flags[program])].update(self.sources[program])
        complaints = [objects.build(sorted(sources), [*host.FLAGS, *flags])
                      for flags, sources in jobs.items()]
        return next(filter(None, complaints), None)

    def object(self, source, flags):
        return objects.path(source, [*host.FLAGS, *flags])

    def parts(self, program, instead):
        flags = tuple(self.flags[program])
        return [str(instead.get((s, flags), self.object(s, flags))) for s in self.sources[program]]

    def link(self, program, instead, into):
        return gcc(["-o", str(into), *self.parts(program, instead)])


def build_changed(build, program, change, folder, instead):
    """Compile what of the program reads a changed file and is not yet in `instead`, {(source, flags):
    object}.  None, or what the compiler says."""
    for file, text in change.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    flags = tuple(build.flags[program])
    for source in build.sources[program]:
        reads = objects.reads(build.object(source, flags))
        if (source, flags) in instead or change.keys().isdisjoint(reads):
            continue
        name = "-".join([source, *flags]).replace("/", "-")
        into = instead[source, flags] = folder / f"{name}.o"
        path = folder / source if source in change else source
        done = gcc([*flags, "-c", "-o", str(into), str(path)], [f"-I{folder}"])
        if done.returncode != 0:
            return done.stderr
    return None


def run(build, program, instead, folder, test=(), seed=""):
    """(exit status, output) of the program, or of one test of it, or that under one seed.  The
    status is None after a hang."""
    done = build.link(program, instead, folder / program)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", SEED=seed, SEEDS="")
    try:
        done = subprocess.run([str(folder / program), *test], cwd=ROOT, capture_output=True,
                              timeout=SECONDS, env=environment, check=False)
    except subprocess.TimeoutExpired as late:
        return None, (late.output or b"").decode("utf-8", "replace")
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def notices(build, program, instead, folder, seeds=""):
    """Does the program, or one test of it (PROGRAM.TEST), fail with these objects?  It is stopped at
    its first complaint.  Seeds: as in tests/host/sim/seeds.h."""
    program, _, test = program.partition(".")
    done = build.link(program, instead, folder / program)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", SEED="", SEEDS=seeds,
                       SECONDS=str(WORLD_SECONDS))
    process = subprocess.Popen([str(folder / program), *filter(None, [test])], cwd=ROOT,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               env=environment, start_new_session=True)
    timer = threading.Timer(SECONDS, end, [process])
    timer.start()
    try:
        complains = any(line.startswith(("not ok", "# again:")) for line in process.stdout)
        if not complains:
            process.wait()
    finally:
        timer.cancel()
        end(process)
    return complains or process.returncode != 0


def end(process):
    """Also the worlds that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def first_to_notice(build, change, folder, programs, seeds=""):
    """(the first program that fails with this change or None, what the compiler says or None)"""
    instead = {}
    for program in programs:
        if complaint := build_changed(build, program.split(".")[0], change, folder, instead):
            return None, complaint
        if notices(build, program, instead, folder, seeds):
            return program, None
    return None, None

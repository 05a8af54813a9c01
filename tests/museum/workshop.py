# SPDX-License-Identifier: MIT
"""Where mistakes are built in and tests are run: the memory system on this machine, or the whole
kernel in QEMU.

The kernel is the one with checks and hooks.  A mistaken one is made in a copy of the tree together
with what was built there, so that only what the patch touches is compiled.
"""

import collections
import os
import pathlib
import re
import shutil
import tempfile
import threading

import judge
from harness import build, tap, torture
from harness.qemu import Machine
from harness.settings import BUILD, ROOT

IMAGE = "build/debug/hooks/cowbell.elf"
MAKE = ["make", "--no-print-directory", "DEBUG=1", "HOOKS=1", IMAGE, "-C"]
SOURCES = ("Makefile", "MAP", "linker.ld", "arch", "boot", "fs", "kernel", "lib", "mm",
           "tests/kernel", "tools")

BOOT_SECONDS = 400

# Of one test: is_red, what was printed.
Outcome = collections.namedtuple("Outcome", "is_red text")


class Workshop:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.lock = threading.Lock()
        self.host = None
        self.has_kernel = False
        self.greens = {}                # what is known of the tests without a mistake

    def new_folder(self):
        return tempfile.TemporaryDirectory(dir=self.folder)

    # --- what to run ----------------------------------------------------------------------------

    def prepare(self, exhibits):
        """Build what they all share.  None, or a complaint."""
        programs = {e.program: None for e in exhibits if e.ring == "host"}
        complaint = None
        if programs:
            self.host = judge.Build(self.folder, tuple(programs))
            complaint = self.host.prepare()
        if not complaint and any(e.ring != "host" for e in exhibits):
            programs = [e.program for e in exhibits if e.ring == "user"] + torture.GATE_PROGRAMS
            tests = [f"build/tests/user/{program}" for program in sorted(set(programs))]
            status, output = build.make("all", "DEBUG=1", "HOOKS=1")
            if status == 0:
                status, output = build.make("build/tests/init/runner", "build/tests/torture/torture",
                                            *tests)
            complaint = output if status != 0 else None
        return complaint

    def build(self, exhibit, folder):
        """What attempt() runs, with the mistake.  Raises RuntimeError when it cannot be built."""
        changed = exhibit.changed()
        if exhibit.ring == "host":
            instead = {}
            complaint = judge.build_changed(self.host, exhibit.program, changed, folder, instead)
            if complaint:
                raise RuntimeError(complaint)
            return instead
        tree_copy(folder)
        for file, text in changed.items():
            (folder / file).write_text(text)
        status, output = build.call([*MAKE, str(folder)], env=plain_environment())
        if status != 0:
            raise RuntimeError(output)
        return folder / IMAGE

    # --- running --------------------------------------------------------------------------------

    def attempt(self, exhibit, built, seed, folder):
        """Run the exhibit's test once.  `built`: from build(), or None for what has no mistake."""
        if exhibit.ring == "host":
            status, text = judge.run(self.host, exhibit.program, built or {}, folder,
                                     [exhibit.test], str(seed or ""))
            return Outcome(status != 0, text)
        run = {"kernel": run_kernel, "user": run_user, "torture": run_storm}[exhibit.ring]
        return run(exhibit, built or ROOT / IMAGE, seed)

    def without(self, exhibit, seed, folder):
        """The same test without the mistake: run once for all who ask."""
        key = (exhibit.ring, exhibit.caught_by, exhibit.words.get("Boot"), seed)
        with self.lock:
            mine = self.greens.setdefault(key, threading.Lock())
        if not isinstance(mine, Outcome):
            with mine:
                if not isinstance(self.greens[key], Outcome):
                    self.greens[key] = self.attempt(exhibit, None, seed, folder)
        return self.greens[key]


def plain_environment():
    return {key: value for key, value in os.environ.items()
            if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SMP", "T", "SEED", "V")}


def tree_copy(folder):
    """Times are kept, so that nothing is built again without need."""
    for name in (*SOURCES, "build/debug/hooks"):
        source = ROOT / name
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy2(source, folder / name)


def machine(exhibit, image, seed, words, **options):
    boot = dict(exhibit.boot)
    smp, memory = int(boot.pop("smp", 1)), int(boot.pop("memory", 512))
    words = ["console=ttyS0", "panic=-1", *(f"{k}={v}" for k, v in boot.items()), *words]
    extra = []
    if seed:
        words.append(f"seed={seed}")
        extra = torture.CLOCK
    return Machine(words, smp=smp, memory=memory, image=image, extra=extra, **options)


def run_kernel(exhibit, image, seed):
    words = [f"selftest={exhibit.caught_by}"]
    with machine(exhibit, image, seed, words) as booted:
        outcome = booted.run(BOOT_SECONDS)
    planned, results, _ = tap.parse(outcome.lines)
    passed = planned == 1 and len(results) == 1 and results[0].passed
    return Outcome(not passed, "\n".join([outcome.kind, *outcome.lines]))


def run_user(exhibit, image, seed):
    """The test that is named, or all of them; then what the runner says of the program: the ledger,
    and the audit behind it."""
    with machine(exhibit, image, seed, ["SECONDS=60"], initramfs=user_archive(exhibit)) as booted:
        outcome = booted.run(BOOT_SECONDS)
    _, results, (_, steps) = tap.parse(outcome.lines)
    for result in results:
        steps = [*result.steps, result]
    named = {step.name: step.passed for step in steps}
    is_red = not (named.get(exhibit.test or exhibit.program) and named.get(exhibit.program))
    return Outcome(is_red, "\n".join([outcome.kind, *outcome.lines]))


def user_archive(exhibit):
    """What the runner finds in /tests are scripts: the first makes all that a program's first start
    leaves in caches, the other starts it for one test."""
    name = f"museum-{exhibit.program}-{exhibit.test or 'all'}"
    lines = [f"file /init 755 {BUILD}/tests/init/runner",
             f"file /opt/{exhibit.program} 755 {BUILD}/tests/user/{exhibit.program}"]
    for script, test in (("0", "none"), (exhibit.program, exhibit.test)):
        path = BUILD / "tests" / f"{name}-{script}.sh"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/busybox sh\nexec /opt/{exhibit.program} {test}\n")
        lines.append(f"file /tests/{script} 755 {path}")
    return build.initramfs(name, lines, busybox=True)


def run_storm(exhibit, image, seed):
    """Everything at once, by the seed: tests/torture."""
    run = torture.boot(seed, smp=int(exhibit.boot.get("smp", 4)),
                       share=exhibit.boot.get("fork_share"), image=image)
    return Outcome(not run.is_good, "\n".join([run.outcome.kind, *run.outcome.lines]))


def told(outcome, says):
    """The line that says it, or None."""
    match = re.search(rf"^.*(?:{says}).*$", outcome.text, re.MULTILINE)
    return match[0].strip() if match else None

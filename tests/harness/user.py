# SPDX-License-Identifier: MIT
"""The third ring: Linux programs.  What they expect is proved on the build machine's Linux first.

One boot runs many programs, under tests/user/init/runner.c, which also compares the ledger of
frames, objects, pids and files before and after each, and has the page tables audited."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from . import build, tap
from .qemu import Machine
from .settings import BUILD, DEFAULT_SHARE, FORK_SHARES, ROOT

PROGRAM_SECONDS = 60
BOOT_SECONDS = 600


class Program:
    def __init__(self, source):
        self.name = source.stem
        self.path = BUILD / "tests/user" / source.stem
        head = source.read_text().splitlines()[:12]
        self.is_cow = "// cow" in head
        self.runs_on_linux = not any(line.startswith("// cowbell-only") for line in head)
        self.tests = []                 # names, as the oracle printed them


def programs(settings):
    """Those that may hold a wanted test.  Tests are named PROGRAM.TEST."""
    found = [Program(source) for source in sorted((ROOT / "tests/user").glob("*.c"))]
    globs = [glob.split(".")[0] for glob in settings.globs("user")]
    return [p for p in found if not settings.patterns or any(
        settings.wants("user", p.name) or pathlib.PurePath(p.name).match(glob) for glob in globs)]


# --- on the build machine -----------------------------------------------------------------------

def oracle_jobs(settings, chosen):
    for program in chosen:
        if program.runs_on_linux:
            yield f"linux/{program.name}", lambda report, p=program: run_oracle(report, p)


def run_oracle(report, program):
    scratch = tempfile.mkdtemp(prefix="cowbell-linux-")
    environment = {"PATH": os.environ["PATH"], "HOME": scratch, "TMPDIR": scratch}
    try:
        status, output = in_directory(scratch, program.path, environment)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _, _, (rest, steps) = tap.parse(output.splitlines())
    program.tests = [step.name for step in steps]
    problems = [] if status == 0 else [f"exit status {status}", *rest[-40:]]
    report.result(f"linux/{program.name}", problems)


def in_directory(scratch, path, environment):
    if not path.exists():
        return 127, "not built"
    with subprocess.Popen([str(path)], cwd=scratch, env=environment, start_new_session=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            output, _ = process.communicate(timeout=PROGRAM_SECONDS)
            return process.returncode, output.decode("utf-8", "replace")
        except subprocess.TimeoutExpired as late:
            return None, (late.output or b"").decode("utf-8", "replace")
        finally:
            kill_session(process.pid)


def kill_session(leader):
    """What a program began must not go on beside the next tests, whatever its group."""
    for _ in range(100):                # somebody may fork while they are counted
        found = list(session_members(leader))
        if not found:
            break
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def session_members(leader):
    """The numbers of its processes that have not ended."""
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, _, session = (place / "stat").read_bytes().rpartition(b")")[2].split()[:4]
            if int(session) == leader and state != b"Z":
                yield int(place.name)


# --- in Cowbell ---------------------------------------------------------------------------------

def boot_jobs(settings, chosen):
    """All programs under the default way to fork, those about it under the others, too."""
    chosen = [program for program in chosen if program.path.exists()]
    about_fork = [program for program in chosen if program.is_cow]
    for smp in settings.smps([1, 4]):
        for share in settings.fork_shares([DEFAULT_SHARE, *FORK_SHARES[:-1]]):
            here = chosen if share == (settings.fork_share or DEFAULT_SHARE) else about_fork
            if here:
                yield (f"user smp={smp} fork_share={share}", lambda report, a=smp, b=share, c=here:
                       run(report, settings, a, b, c))


def run(report, settings, smp, share, chosen):
    archive = build.initramfs(f"user-{smp}-{share}", [
        f"file /init 755 {BUILD}/tests/init/runner",
        *(f"file /tests/{program.name} 755 {program.path}" for program in chosen)], busybox=True)
    words = settings.words(share) + [f"SECONDS={PROGRAM_SECONDS * settings.patience}"]
    with Machine(words, smp=smp, initramfs=archive) as machine:
        outcome = machine.run(BOOT_SECONDS * settings.patience)

    tag = f"[smp={smp} fork_share={share}]"
    _, results, (_, steps) = tap.parse(outcome.lines)
    seen = {result.name: result for result in results}
    for program in chosen:
        again = settings.replay("user", program.name, smp, share)
        if program.name in seen:
            report_program(report, program, seen[program.name], outcome.symbols, tag, again)
    missing = [program for program in chosen if program.name not in seen]
    if missing:
        report_unfinished(report, settings, missing, steps, outcome, tag)
    elif outcome.kind != "power off":
        report.result(f"user/ends_well {tag}", outcome.diagnosis(settings.replay("user", "*", smp, share)))


def report_program(report, program, result, symbols, tag, again):
    for step in result.steps:
        problems = step.problems and step.problems + [f"again: {again}"]
        report.result(f"user/{program.name}.{step.name} {tag}", problems, skip=step.skip)
    ran = {step.name for step in result.steps}
    lost = [f"did not run: {name}" for name in program.tests if name not in ran]
    problems = result.problems + lost
    if problems:
        problems += symbols.explain("\n".join(problems)) + [f"again: {again}"]
    report.result(f"user/{program.name} {tag}", problems)


def report_unfinished(report, settings, missing, steps, outcome, tag):
    """The machine ended too early: during the first that is missing."""
    first = missing[0].name
    smp_share = dict(word.split("=") for word in tag.strip("[]").split())
    again = settings.replay("user", first, smp_share["smp"], smp_share["fork_share"])
    for step in steps:
        report.result(f"user/{first}.{step.name} {tag}", step.problems, skip=step.skip)
    report.result(f"user/{first} {tag}", outcome.diagnosis(again))
    for program in missing[1:]:
        report.result(f"user/{program.name} {tag}", [f"did not run: {outcome.kind} in {first}"])

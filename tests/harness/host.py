# SPDX-License-Identifier: MIT
"""The first ring: parts of the kernel as programs on the build machine, under sanitizers.

Each tests/host/*_test.c is a program that prints TAP.  Its first lines say what it is made of:

    // sources: lib/list.c mm/tree.c
    // flags: -DSOMETHING
    // args: --quick

A word @file stands for the words of that file.  The last programs of the ring are
tests/host/mutants/run and tests/museum/run: they break the memory system on purpose and want the
others to notice.
"""

import os
import re

from . import objects, tap
from .build import call
from .settings import BUILD, ROOT

FLAGS = ["-std=gnu11", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
         "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-pthread", "-DHOST",
         "-Itests/host/shim", "-Itests/host", "-I."]
SECONDS = 900


def jobs(settings):
    """(label, function) for each program that may hold a wanted test."""
    for source in sorted((ROOT / "tests/host").glob("*_test.c")):
        name = source.name.removesuffix("_test.c")
        if may_hold(settings, name):
            yield f"host/{name}", lambda report, s=source, n=name: run(report, settings, s, n)
    if may_hold(settings, "mutants"):
        yield "host/mutants", lambda report: run_command(report, settings, "mutants", [
            "tests/host/mutants/run"])
    if may_hold(settings, "museum"):
        yield "host/museum", lambda report: run_command(report, settings, "museum", [
            "tests/museum/run", "--quick"])


def may_hold(settings, program):
    """Tests are named PROGRAM.TEST; a pattern may name either."""
    globs = settings.globs("host")
    return not settings.patterns or any(
        settings.wants("host", program) or glob.split(".")[0] in (program, "*") for glob in globs)


def marks(source, word):
    text = "\n".join(source.read_text().splitlines()[:20])
    return [w for line in re.findall(rf"//\s*{word}:(.*)", text)
            for mark in line.split() for w in expand(mark)]


def expand(mark):
    if not mark.startswith("@"):
        return [mark]
    lines = (ROOT / mark[1:]).read_text().splitlines()
    return [w for line in lines if not line.startswith("#") for w in line.split()]


def run(report, settings, source, name):
    program = BUILD / "host" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    sources = [str(source.relative_to(ROOT))] + marks(source, "sources")
    complaint = link(program, sources, [*FLAGS, *marks(source, "flags")])
    if complaint:
        report.result(f"host/{name}.builds", complaint.splitlines()[:40])
        return
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=0",
                       UBSAN_OPTIONS="print_stacktrace=1", SEED=settings.seed)
    status, output = call([str(program), *marks(source, "args")], SECONDS, env=environment)
    report_output(report, settings, name, status, output.splitlines())


def run_command(report, settings, name, command):
    status, output = call(command, 3 * SECONDS)
    report_output(report, settings, name, status, output.splitlines(), 3 * SECONDS)


def link(program, sources, flags):
    """Make the program.  What the compiler complains of, or None."""
    complaint = objects.build(sources, flags)
    if complaint:
        return complaint
    made = [str(objects.path(source, flags)) for source in sources]
    if not objects.is_older(program, [*made, __file__]):
        return None
    status, output = call(["gcc", *flags, *made, "-o", str(program)])
    return None if status == 0 else output or "gcc: timed out"


def report_output(report, settings, name, status, lines, seconds=SECONDS):
    planned, results, (rest, _) = tap.parse(lines)
    for result in results:
        if settings.wants("host", name, f"{name}.{result.name}", result.name):
            report.result(f"host/{name}.{result.name}", result.problems, skip=result.skip)
    problems = []
    if planned is None:
        problems.append("no plan")
    elif planned != len(results):
        problems.append(f"planned {planned} tests, saw {len(results)}")
    if status is None:
        problems.append(f"no end after {seconds} seconds")
    elif status != 0 and all(result.passed for result in results):
        problems.append(f"exit status {status}")
    if problems:
        again = settings.replay("host", f"{name}*")
        report.result(f"host/{name}.ends_well", problems + rest[-60:] + [f"again: {again}"])

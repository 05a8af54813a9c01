# SPDX-License-Identifier: MIT
"""The second ring: tests inside the kernel, KTAP on the serial console."""

import collections
import itertools
import re

from . import tap
from .qemu import IMAGE, STATUS_FAIL, STATUS_PASS, Machine
from .settings import BUILD, DEFAULT_SHARE, ROOT

SECONDS = 240

# What depends on where fork begins to share; the rest runs under the default only.
COW_TESTS = ["cow.*", "stress.*", "usercopy.*", "tlb.*", "review.*"]


def jobs(settings):
    """One boot for each number of CPUs and each way to fork; also for the build with checks."""
    if not settings.wants_ring("kernel"):
        return
    for smp, share in itertools.product(settings.smps([1, 4]), settings.fork_shares()):
        yield job(settings, "", smp, share)
    if settings.san or settings.is_counting:
        return                          # that image has these checks as well, or shall not count
    for smp in settings.smps([4]):
        yield job(settings, "debug/hooks", smp, settings.fork_share or DEFAULT_SHARE)


def job(settings, build, smp, share):
    label = f"kernel smp={smp} fork_share={share}" + (f" {build}" if build else "")
    return label, lambda report: run(report, settings, build, smp, share)


def run(report, settings, build, smp, share):
    globs = settings.globs("kernel")
    if not globs and share != DEFAULT_SHARE and not settings.fork_share:
        globs = COW_TESTS
    words = settings.words(share) + ["selftest" + (f"={','.join(globs)}" if globs else "")]
    image = BUILD / build / "cowbell.elf" if build else IMAGE
    with Machine(words, smp=smp, image=image) as machine:
        outcome = machine.run(SECONDS * settings.patience)

    tag = f"[smp={smp} fork_share={share}{' ' + build if build else ''}]"
    planned, results, _ = tap.parse(outcome.lines)
    for result in results:
        problems = result.problems
        if problems:
            replay = settings.replay("kernel", result.name, smp, share)
            problems += outcome.symbols.explain("\n".join(problems)) + [f"again: {replay}"]
        report.result(f"kernel/{result.name} {tag}", problems, skip=result.skip)

    problems = complaints(planned, results, outcome)
    if problems:
        again = settings.replay("kernel", ",".join(globs) or "*", smp, share)
        report.result(f"kernel/ends_well {tag}", problems + outcome.diagnosis(again))


def tests():
    """{module: [names of its tests]}, as the sources have them."""
    found = collections.defaultdict(list)
    for source in sorted((ROOT / "tests/kernel").glob("*.c")):
        for module, name in re.findall(r"^KTEST\((\w+), (\w+)\)", source.read_text(), re.MULTILINE):
            found[module].append(f"{module}.{name}")
    return dict(sorted(found.items()))


def complaints(planned, results, outcome):
    """What is wrong beyond the results themselves."""
    if planned is None:
        return ["no plan on the console"]
    if planned != len(results):
        return [f"planned {planned} tests, saw {len(results)}"]
    passed = all(result.passed for result in results)
    if outcome.status != (STATUS_PASS if passed else STATUS_FAIL):
        return ["the exit status does not agree with the results"]
    return []

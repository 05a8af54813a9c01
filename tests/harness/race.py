# SPDX-License-Identifier: MIT
"""Two CPUs at one variable without agreement: the image that looks for it (SAN=race) runs the tests
inside the kernel, and programs with threads and children.  `make test SAN=race` runs all with it."""

from . import build, kernel, tap
from .qemu import Machine
from .settings import BUILD, DEFAULT_SHARE

IMAGE = BUILD / "race/cowbell.elf"
SMP = 4
KERNEL_SECONDS, PROGRAMS_SECONDS, PROGRAM_SECONDS = 1200, 900, 300

PROGRAMS = ["cow_basic", "cow_threads", "fork_wait", "futex*", "pipe", "threads*"]

# Long, and of one task: nobody is there to race with.
LEFT_OUT = {"review.ranges_grow_to_their_limit", "hugetlb.pool_leaves_what_is_kept_for_the_kernel"}


def jobs(settings):
    if settings.san:
        return                          # everything runs with that image already
    for name, run in (("kernel", kernel_tests), ("programs", programs)):
        if settings.wants("race", name):
            yield f"race/{name}", lambda report, n=name, r=run: report.result(
                f"race/{n}", r(settings))


def kernel_tests(settings, image=IMAGE, smp=SMP, name="race/kernel"):
    words = settings.words(DEFAULT_SHARE) + [f"selftest={','.join(wanted())}"]
    with Machine(words, smp=smp, image=image) as machine:
        outcome = machine.run(KERNEL_SECONDS)
    planned, results, _ = tap.parse(outcome.lines)
    return verdict(results, kernel.complaints(planned, results, outcome), outcome,
                   f"make test T='{name}'")


def wanted():
    """Whole modules, and by name the tests of those of which one is left out."""
    modules = kernel.tests()
    assert LEFT_OUT <= {test for tests in modules.values() for test in tests}, "no such test"
    for module, tests in modules.items():
        if LEFT_OUT.isdisjoint(tests):
            yield module
        else:
            yield from (test for test in tests if test not in LEFT_OUT)


def programs(settings, image=IMAGE, globs=PROGRAMS, name="race/programs"):
    paths = sorted({path for glob in globs for path in (BUILD / "tests/user").glob(glob)})
    archive = build.initramfs(name.replace("/", "-"), [
        f"file /init 755 {BUILD}/tests/init/runner",
        *(f"file /tests/{path.name} 755 {path}" for path in paths)], busybox=True)
    words = settings.words(DEFAULT_SHARE) + [f"SECONDS={PROGRAM_SECONDS}"]
    with Machine(words, smp=SMP, image=image, initramfs=archive) as machine:
        outcome = machine.run(PROGRAMS_SECONDS)
    _, results, _ = tap.parse(outcome.lines)
    ran = {result.name for result in results}
    missing = [f"did not run: {path.name}" for path in paths if path.name not in ran]
    return verdict(results, missing, outcome, f"make test T='{name}'")


def verdict(results, complaints, outcome, again):
    """Nothing, or what was not in order, with places in the source."""
    problems = []
    for result in results:
        if result.problems:
            problems += [f"{result.name}:"] + result.problems
    problems += outcome.symbols.explain("\n".join(problems))
    if complaints:
        problems += complaints + outcome.diagnosis()
    return problems and problems + [f"again: {again}"]

# SPDX-License-Identifier: MIT
"""Memory used wrongly, undefined behaviour, smashed stacks: the image that reports them (SAN=1) runs
the tests inside the kernel, and programs about memory.  `make test SAN=1` runs all with it."""

from .race import kernel_tests, programs
from .settings import BUILD

IMAGE = BUILD / "san/cowbell.elf"
PROGRAMS = ["cow_basic", "cow_threads", "cow_kernel_writes", "fail_nth", "fork_wait", "huge", "mm_m*", "pipe",
            "reflink", "signals_basic", "threads*", "vfork_spawn"]

RUNS = {
    "kernel_1": lambda settings: kernel_tests(settings, IMAGE, 1, "san/kernel_1"),
    "kernel_4": lambda settings: kernel_tests(settings, IMAGE, 4, "san/kernel_4"),
    "programs": lambda settings: programs(settings, IMAGE, PROGRAMS, "san/programs"),
}


def jobs(settings):
    if settings.san:
        return                          # everything runs with that image already
    for name, run in RUNS.items():
        if settings.wants("san", name):
            yield f"san/{name}", lambda report, n=name, r=run: report.result(
                f"san/{n}", r(settings))

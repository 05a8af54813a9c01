# SPDX-License-Identifier: MIT
"""The mechanical part of the house style, and the compilers' opinions."""

from .build import call, make

CHECKS = {
    "map": lambda: call(["tools/check-map"]),
    "lengths": lambda: call(["tools/check-style"]),
    "docs": lambda: call(["tools/check-docs"]),
    "figures": lambda: call(["tools/plots", "--check"]),
    "lint": lambda: make("lint"),
}


def jobs(settings):
    for name, check in CHECKS.items():
        if settings.wants("style", name):
            yield f"style/{name}", lambda report, n=name, c=check: run(report, n, c)


def run(report, name, check):
    status, output = check()
    report.result(f"style/{name}", [] if status == 0 else output.splitlines()[:80])

# SPDX-License-Identifier: MIT
"""Debian's procps, unchanged and dynamically linked, looks at a process that we know.

The same script, tests/shell/procps.sh, runs on the build machine first: that says what is right."""

import fcntl
import os
import pathlib
import re
import tempfile

from . import acceptance, build
from .settings import BUILD

SCRIPT = "procps.sh"
KNOWN = BUILD / "tests/init/known"
NAMES = ("ps", "free", "top", "pmap", "vmstat", "uptime", "w", "pgrep", "pkill", "slabtop", "pwdx")
PROGRAMS = [*(f"/usr/bin/{name}" for name in NAMES), "/bin/pidof"]
TERMINALS = [f"/{part}/{name}" for part in ("lib/terminfo", "usr/share/terminfo")
             for name in ("d/dumb", "l/linux")]

# Linux counts a process's pages in batches, one for each CPU; Cowbell counts each page.
SLACK_ON_LINUX, SLACK = 512, 0


def jobs(settings):
    if settings.wants("shell", "procps"):
        yield "shell/procps", lambda report: run(report, settings)


def run(report, settings):
    missing = [path for path in PROGRAMS if not pathlib.Path(path).exists()]
    if missing:
        report.result("shell/procps", [f"{missing[0]} is not here: apt-get install procps"])
    elif os.geteuid() != 0 or not os.access("/proc/slabinfo", os.R_OK):
        report.result("shell/procps", skip="we may not look at slabs")
    elif settings.fork_share == "none":
        report.result("shell/procps", skip="nothing is shared")
    else:
        expected = on_this_machine()
        outcome, seen = acceptance.in_cowbell(settings, [SCRIPT], manifest(), ["/known", SLACK])
        problems = acceptance.differences(SCRIPT, expected, seen.get(SCRIPT, (None, "")))
        if outcome.kind != "power off":
            problems += outcome.diagnosis()
        report.result("shell/procps", problems)


def on_this_machine():
    """One at a time: pgrep counts the known processes of whoever else runs these tests."""
    with open(pathlib.Path(tempfile.gettempdir()) / "cowbell-procps.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return acceptance.on_this_machine(acceptance.SCRIPTS / SCRIPT, KNOWN, SLACK_ON_LINUX)


def manifest():
    """The programs where Debian has them, with their libraries; what terminals can do; users."""
    files = {path: path for path in PROGRAMS + libraries(PROGRAMS)}
    files |= {path: path for path in TERMINALS if pathlib.Path(path).exists()}
    files |= {"/known": KNOWN, "/etc/passwd": "/etc/passwd"}
    return [f"file {path} 755 {pathlib.Path(source).resolve()}" for path, source in files.items()]


def libraries(programs):
    """What the loader will look for, the loader itself included, by the names it uses."""
    _, output = build.call(["ldd", *programs])
    return sorted(set(re.findall(r"(/\S+) \(0x", output)))

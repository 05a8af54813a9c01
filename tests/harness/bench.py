# SPDX-License-Identifier: MIT
"""Boots the bench (tests/bench) as the only program of a machine, and compares what it prints.

Counted runs use -icount: a tick is an instruction, the same on every machine.  The byte forms of
`rep movs` are hidden (-erms), for under -icount each byte would count as an instruction; and a
kernel may not look for a place of its own (norandmaps), for what lies where decides how many tables
there are."""

import fnmatch
import json
import re
import subprocess

from . import build
from .qemu import IMAGE, Machine
from .settings import BUILD, DEFAULT_SHARE, ROOT

SECONDS = 1500
MEMORY_MIB = 2048
COUNTED = ["-icount", "shift=0,sleep=off"]
FIGURES = ROOT / "tests/bench/figures.json"

# More than this above what is recorded is a regression, unless it is less than the grain.
TOLERANCE = 1.03
GRAIN = {"ticks": 2, "ticks/page": 0.1, "ticks/pair": 2, "ticks/child": 20, "KiB": 8, "bytes": 4096,
         "KiB/page": 0.05}

VALUE = re.compile(r"^(\w+) (-?\d+(?:\.\d+)?) (\S+)(?: (\d+\.\d+) (\d+\.\d+))?$", re.MULTILINE)
FAILED = re.compile(r"^(\w+ (?:failed: .*|unsupported))$", re.MULTILINE)


class Figure:
    """One line of the bench."""

    def __init__(self, value, unit, least=None, most=None):
        self.value, self.unit, self.least, self.most = value, unit, least, most


class Run:
    """What one boot printed: figures by name, and what went wrong."""

    def __init__(self, outcome, figures):
        self.outcome, self.figures = outcome, figures
        self.failures = FAILED.findall(outcome.console)
        self.is_whole = bool(re.search(r"^done$", outcome.console, re.MULTILINE))

    def problems(self):
        """Why the figures are not to be believed."""
        wrong = [f"{name} is wrong" for name, figure in self.figures.items()
                 if figure.unit == "bool" and figure.value != 1]
        scale = self.figures.get("calib_instr_x1000")
        if "-icount" in self.outcome.command and scale and scale.value != 1000:
            wrong.append("a tick is not an instruction")
        if not self.is_whole:
            wrong += ["the bench did not end"] + self.outcome.diagnosis()
        return wrong + self.failures


def archive(name="bench"):
    return build.initramfs(name, [f"file /init 755 {BUILD}/tests/bench/bench",
                                  f"file /nop 755 {BUILD}/tests/bench/nop"])


def run(words, arguments=(), *, image=IMAGE, counted=True, smp=1, memory=MEMORY_MIB):
    """Boots once.  `words` are for the kernel, `arguments` for the bench."""
    line = ["console=ttyS0", "panic=-1", "quiet", "norandmaps", "init=/init", *words, "--",
            *arguments]
    with Machine(line, smp=smp, memory=memory, cpu="max,-erms,-la57", image=image,
                 initramfs=archive(), extra=COUNTED if counted else []) as machine:
        outcome = machine.run(SECONDS)
    figures = {}
    for name, value, unit, least, most in VALUE.findall(outcome.console):
        figures[name] = Figure(float(value), unit, float(least or value), float(most or value))
    return Run(outcome, figures)


def chosen(only):
    """Arguments for the bench, from patterns."""
    return ["-o", only] if only else []


def cowbell(share=DEFAULT_SHARE, only=None, kind="table", huge_pages=None, **options):
    """The bench on Cowbell.  huge_pages: as in transparent_hugepage=, instead of the default."""
    words = [f"transparent_hugepage={huge_pages}"] if huge_pages else []
    done = run([f"fork_share={share}", *words], ["-s", kind, *chosen(only)], **options)
    if kind == "table" and not only:
        done.figures["kernel_image"] = Figure(stripped_size(IMAGE), "bytes")
        done.figures["kernel_image_no_tests"] = Figure(
            stripped_size(build.without_tests(IMAGE)), "bytes")
    return done


def stripped_size(image):
    stripped = BUILD / "tests" / "stripped.elf"
    subprocess.run(["strip", "-o", stripped, image], check=True)
    return stripped.stat().st_size


# --- what is recorded -----------------------------------------------------------------------------

def recorded():
    """"linux_best", "goal": {name: value}; "cowbell": {share: {name: value}}; "cowbell_huge": {name:
    value}, with large pages always; "linux": {large pages: {name: value}}; "compiler",
    "linux_version": what made them."""
    return json.loads(FIGURES.read_text())


def record(figures):
    FIGURES.write_text(json.dumps(figures, indent="\t") + "\n")


def compiler():
    return subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True,
                          check=True).stdout.strip()


def values(figures):
    """Plain numbers, for the record."""
    return {name: int(figure.value) if figure.value == int(figure.value) else figure.value
            for name, figure in figures.items()}


def has_regressed(figure, old):
    return (figure.unit != "bool" and figure.value > old * TOLERANCE
            and figure.value - old > GRAIN.get(figure.unit, 0))


def regressions(figures, old):
    """Lines, one for each figure that has grown."""
    return [f"{name}: {number(figure.value)} {figure.unit}, recorded {number(old[name])}"
            for name, figure in figures.items() if name in old and has_regressed(figure, old[name])]


def lost(figures, old, only=None):
    """Names that were recorded and are not measured any more."""
    return [f"{name}: not measured" for name in old
            if name not in figures and wanted(name, only) and not name.startswith("curve_")]


def compare(done, old, only=None):
    """What is wrong with a run of the table, beside what is recorded."""
    problems = done.problems()
    if done.is_whole:
        problems += regressions(done.figures, old) + lost(done.figures, old, only)
    return problems


def wanted(name, only):
    return not only or any(fnmatch.fnmatch(name, glob) for glob in only.split(","))


def number(value):
    """For people: as many digits as say something."""
    if value is None:
        return "-"
    if abs(value) >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.1f}"

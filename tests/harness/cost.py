# SPDX-License-Identifier: MIT
"""What things cost, in instructions: exact and the same on every machine under -icount.

The table must not have grown by more than 3 % over what is recorded; `make bench-record` records.
Another compiler makes other instructions, so with another than the recorded one only the checks
count."""

from . import bench, build
from .settings import BUILD, FORK_SHARES

# Under `root` fork looks at the used entries of the root only; how much memory is behind them must
# not matter, beyond noise.
FLAT = 1.05
FORKS = "fork_0m,fork_16m,fork_64m,fork_256m,fork_exit_wait_*"
SIZES = (0, 16, 64, 256)

# Programs of the build machine's Linux: that the bench's own checks hold where they must.
CHECKS = "check_*,null_syscall,fork_0m,vfork_exit_wait,spawn_exec_wait"


def jobs(settings):
    if settings.wants("cost", "bench_on_linux"):
        yield "cost/bench_on_linux", run_on_linux
    if settings.wants("cost", "table"):
        yield "cost/table", run_table
    for share in settings.fork_shares():
        if settings.wants("cost", f"fork_{share}"):
            yield f"cost/fork_{share}", lambda report, s=share: run_fork(report, settings, s)


def run_on_linux(report):
    status, output = build.call([str(BUILD / "tests/bench/bench"), "-o", CHECKS])
    names = bench.VALUE.findall(output)
    wrong = [line for line in output.splitlines() if "failed" in line or " 0.00 bool" in line]
    if status != 0 or not output.endswith("done\n") or len(names) < 8:
        wrong = [f"status {status}", *output.splitlines()]
    report.result("cost/bench_on_linux", wrong)


def run_table(report):
    old = bench.recorded()
    done = bench.cowbell()
    if old["compiler"] == bench.compiler():
        problems = bench.compare(done, old["cowbell"]["root"])
    else:
        problems = done.problems()
        report.note(f"costs were recorded with gcc {old['compiler']}: not compared")
    report.result("cost/table", problems)


def run_fork(report, settings, share):
    done = bench.cowbell(share, FORKS)
    problems = done.problems()
    if not problems:
        forks = [done.figures[f"fork_{mib}m"].value for mib in SIZES]
        lives = [done.figures[f"fork_exit_wait_{mib}m"].value for mib in SIZES]
        text = ", ".join(f"{mib} MiB {ticks:.0f}" for mib, ticks in zip(SIZES, forks))
        report.note(f"fork_share={share}: instructions of fork with touched memory of {text}")
        if share == "root":
            problems = not_flat("fork", forks) + not_flat("the life of a child", lives)
        elif share in FORK_SHARES[:2] and forks[-1] < 2 * forks[0]:
            problems = ["fork should copy, but costs the same for 256 MiB"]
    report.result(f"cost/fork_{share}", problems)


def not_flat(what, costs):
    least, most = min(costs), max(costs)
    return [f"{what} depends on touched memory: {least} to {most} instructions"] \
        if most > FLAT * least else []

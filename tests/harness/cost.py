# SPDX-License-Identifier: MIT
"""What things cost, in instructions: exact and the same on every machine under -icount.

The table must not have grown by more than 3 % over what is recorded; `make bench-record` records.
Another compiler makes other instructions, so with another than the recorded one only the checks
count."""

from . import bench, build, scaling
from .settings import BUILD, FORK_SHARES

# Under `root` fork looks at the used entries of the root only; how much memory is behind them must
# not matter, beyond noise.
FLAT = 1.05
FORKS = "fork_0m,fork_16m,fork_64m,fork_256m,fork_exit_wait_*"
SIZES = (0, 16, 64, 256)

# A slice of who frees, and then at most so long without a scheduling point.
SLICE, STRETCH = 4_000_000, 1_000_000

# Boot writes a quadword and a half for each frame of 4 KiB: 393,216 instructions for a GiB, and a
# few for the direct map.  What nobody wants is not touched otherwise.
BOOT_PER_GIB, TRIES = 400_000, 4

# Programs of the build machine's Linux: that the bench's own checks hold where they must.
CHECKS = "check_*,null_syscall,fork_0m,vfork_exit_wait,spawn_exec_wait"


def jobs(settings):
    if settings.wants("cost", "bench_on_linux"):
        yield "cost/bench_on_linux", run_on_linux
    if settings.wants("cost", "table"):
        yield "cost/table", run_table
    if settings.wants("cost", "latency"):
        yield "cost/latency", run_latency
    if settings.wants("cost", "boot"):
        yield "cost/boot", run_boot
    if settings.wants("cost", "locks"):
        yield "cost/locks", run_locks
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


def run_latency(report):
    """Freeing 50 GiB of pages keeps nobody waiting for longer than any other program would."""
    done = bench.cowbell(kind="latency")
    problems = done.problems()
    for name in ("latency_exit_50g", "latency_munmap_50g"):
        gap, whole = (done.figures[each].value for each in (name, f"{name}_whole")) \
            if f"{name}_whole" in done.figures else (0, 0)
        report.note(f"{name}: of {whole:,.0f} instructions, {gap:,.0f} in one piece")
        if not SLICE <= gap <= SLICE + STRETCH or whole < 2 * (SLICE + STRETCH):
            problems.append(f"{name}: {gap:,.0f} of {whole:,.0f} instructions in one piece")
    report.result("cost/latency", problems)


def run_boot(report):
    """What a GiB of memory costs boot.  Both have the same hole below 4 GiB.  A busy host may add to
    either (tests/harness/torture.py says why), so what is too much is measured again."""
    for _ in range(TRIES):
        runs = [bench.cowbell(only="none", memory=gib * 1024) for gib in (6, 10)]
        problems = [line for run in runs for line in run.problems()]
        if problems:
            break
        small, large = (run.figures["boot_to_user"].value for run in runs)
        per_gib = (large - small) / 4
        report.note(f"boot: {small:,.0f} instructions, for each GiB {per_gib:,.0f}")
        if 0 < per_gib <= BOOT_PER_GIB:
            break
        problems = [f"boot: {per_gib:,.0f} instructions for each GiB"]
    report.result("cost/boot", problems)


def run_locks(report):
    """What four processors would spend spinning, from how long one holds the locks.  Measured again
    if it is too much, as above."""
    for _ in range(TRIES):
        shares, problems = scaling.held_shares()
        if problems or not scaling.too_much(shares):
            break
    for workload, held in shares.items():
        parts = [f"{cpus} CPUs {sum(scaling.spinning(held, cpus).values()):.1%}"
                 for cpus in (scaling.CPUS, 16, 64)]
        report.note(f"{workload}: spinning on {', '.join(parts)}")
    report.result("cost/locks", problems + scaling.too_much(shares))


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

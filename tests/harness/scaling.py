# SPDX-License-Identifier: MIT
"""From how long locks are held by one processor to how long many will spin.

Measured with several processors, spinning says more about the host than about the kernel: when the
host stops the thread that plays the processor that holds a lock, all others spin until it comes back.
How long each lock is held is exact under -icount with one processor.  The rest is arithmetic: the
processors are customers who go round between work of their own and the locks, each of which serves one
at a time.  Mean value analysis (Reiser and Lavenberg, 1980) gives the exact mean of that model, in
which a stay takes a time with the spread of an exponential one.

Ranks with a lock for each table, queue or process are left out: these workloads share none of them.
All locks of any other rank count as one, and what is held inside another lock counts for both: the
answer is an upper bound."""

import re

from . import bench
from .settings import BUILD

IMAGE = BUILD / "tail/cowbell.elf"
CPUS = 4
LIMIT = 0.05                            # the share of spinning that is allowed with so many
OWN = {"table", "wait", "timer", "signal"}
HELD = re.compile(r"(spin_\w+?)_held_(\w+)")


def held_shares():
    """({workload: {rank: share of one processor's work}}, what went wrong)"""
    done = bench.cowbell(kind="locks", image=IMAGE)
    shares = {}
    for name, figure in done.figures.items():
        match = HELD.fullmatch(name)
        if match and match[2] not in OWN:
            shares.setdefault(match[1], {})[match[2]] = figure.value / 100
    return shares, done.problems() or ([] if shares else ["/proc/tail measures nothing"])


def spinning(shares, cpus):
    """The share of their time that so many processors spin, by rank."""
    queues = dict.fromkeys(shares, 0.0)
    alone = max(0.0, 1 - sum(shares.values()))
    for count in range(1, cpus + 1):
        stays = {rank: share * (1 + queues[rank]) for rank, share in shares.items()}
        cycle = alone + sum(stays.values())
        queues = {rank: count * stay / cycle for rank, stay in stays.items()}
    return {rank: (stays[rank] - shares[rank]) / cycle for rank in shares}


def too_much(shares):
    """Lines, one for each workload whose processors would spin more than they may."""
    lines = []
    for workload, held in shares.items():
        parts = spinning(held, CPUS)
        if sum(parts.values()) >= LIMIT:
            worst = max(parts, key=parts.get)
            lines.append(f"{workload}: {CPUS} processors spin {sum(parts.values()):.1%} of their "
                         f"time, {parts[worst]:.1%} for {worst}, which one holds {held[worst]:.1%}")
    return lines

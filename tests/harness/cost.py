# SPDX-License-Identifier: MIT
"""What fork costs, in instructions: exact and the same on every machine under -icount."""

import re

from . import build
from .qemu import Machine
from .settings import BUILD, FORK_SHARES

SECONDS = 300
COUNTED = ["-icount", "shift=0,sleep=off"]

# Under `root` fork looks at the used entries of the root only; how much memory is behind them must
# not matter, beyond noise.
FLAT = 1.05


def jobs(settings):
    for share in settings.fork_shares():
        if settings.wants("cost", f"fork_{share}"):
            yield f"cost/fork_{share}", lambda report, s=share: run(report, settings, s)


def measure(settings, share):
    """(outcome, {MiB: (fork, life)}): see tests/user/init/forkcost.c."""
    archive = build.initramfs(f"forkcost-{share}",
                              [f"file /init 755 {BUILD}/tests/init/forkcost"])
    with Machine(settings.words(share), memory=2048, cpu="max,-erms,-la57", initramfs=archive,
                 extra=COUNTED) as machine:
        outcome = machine.run(SECONDS)
    rows = re.findall(r"^forkcost: (\d+) (\d+) (\d+)$", outcome.console, re.MULTILINE)
    return outcome, {int(mib): (int(fork), int(life)) for mib, fork, life in rows}


def run(report, settings, share):
    outcome, costs = measure(settings, share)
    problems = []
    if outcome.kind != "power off" or len(costs) != 4:
        problems = outcome.diagnosis(settings.replay("cost", f"fork_{share}", None, share))
    elif share == "root":
        problems = not_flat("fork", costs, 0) + not_flat("the life of a child", costs, 1)
    elif share in FORK_SHARES[:2] and costs[256][0] < 2 * costs[0][0]:
        problems = ["fork should copy, but costs the same for 256 MiB"]
    text = ", ".join(f"{mib} MiB {fork}" for mib, (fork, _) in sorted(costs.items()))
    report.note(f"fork_share={share}: instructions of fork with touched memory of {text}")
    report.result(f"cost/fork_{share}", problems)


def not_flat(what, costs, which):
    least, most = min(c[which] for c in costs.values()), max(c[which] for c in costs.values())
    return [f"{what} depends on touched memory: {least} to {most} instructions"] \
        if most > FLAT * least else []

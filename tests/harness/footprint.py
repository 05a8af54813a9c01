# SPDX-License-Identifier: MIT
"""What a live child costs in memory, and of what kind: see tests/user/init/footprint.c."""

import re

from . import build
from .qemu import Machine
from .settings import BUILD

SECONDS = 600
MEBIBYTES = 2048
KINDS = {"AnonPages": "pages", "PageTables": "tables", "KernelStack": "stack", "Slab": "slabs"}


def measure(settings, share, mebibytes, most):
    """Children of a program that has touched so much, at most so many of them.

    (outcome, {children: {kind: KiB for each}}, {children: {cache: bytes for each}})"""
    archive = build.initramfs("footprint", [f"file /init 755 {BUILD}/tests/init/footprint"])
    words = [*settings.words(share), "--", str(mebibytes), str(most)]
    with Machine(words, memory=MEBIBYTES, initramfs=archive) as machine:
        outcome = machine.run(SECONDS)
    kinds, caches = {}, {}
    for line in outcome.lines:
        if match := re.match(r"footprint: children (\d+) slab (\S+) objects \d+ bytes (\d+)", line):
            caches.setdefault(int(match[1]), {})[match[2]] = int(match[3]) / int(match[1])
        elif match := re.match(r"footprint: children (\d+) (MemFree .*)", line):
            kinds[int(match[1])] = parts(int(match[1]), match[2].split())
    return outcome, kinds, caches


def parts(children, words):
    """KiB for each child: of each kind, of the rest of the kernel, and in all."""
    grown = {name: int(kib) / children for name, kib in zip(words[::2], words[1::2])}
    found = {kind: grown[name] for name, kind in KINDS.items()}
    found["rest"] = -grown["MemFree"] - sum(found.values())
    found["all"] = -grown["MemFree"]
    return found

# SPDX-License-Identifier: MIT
"""What the person at the keyboard asked for, and where things are."""

import fnmatch
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"

# Folders of images, by the kind of sanitized build.
SAN_FOLDERS = {"": "", "1": "san", "race": "race"}

FORK_SHARES = ["none", "page", "table", "dir", "root"]
DEFAULT_SHARE = "root"


class Settings:
    """T: patterns of tests, separated by commas; each may begin with a ring: "kernel/cow*"."""

    def __init__(self, environment=os.environ):
        self.patterns = [p for p in environment.get("T", "").split(",") if p]
        self.seed = environment.get("SEED", "")
        self.smp = environment.get("SMP", "")
        self.fork_share = environment.get("FORK_SHARE", "")
        self.san = environment.get("SAN", "")
        self.is_counting = bool(environment.get("COVERAGE"))
        self.patience = 8 if self.san or self.is_counting else 1        # such builds are slower
        self.verbose = bool(environment.get("V", ""))

    def smps(self, default):
        return [int(self.smp)] if self.smp else default

    def fork_shares(self, default=tuple(FORK_SHARES)):
        return [self.fork_share] if self.fork_share else list(default)

    def globs(self, ring):
        """The patterns that may mean tests of this ring, without the ring's name."""
        globs = []
        for pattern in self.patterns:
            head, slash, tail = pattern.partition("/")
            if not slash:
                globs.append(pattern)
            elif fnmatch.fnmatch(ring, head):
                globs.append(tail)
        return globs

    def wants(self, ring, *names):
        """True when any of the names, tests of this ring, is asked for."""
        if not self.patterns:
            return True
        return any(fnmatch.fnmatch(name, glob) for glob in self.globs(ring) for name in names)

    def wants_ring(self, ring):
        return not self.patterns or bool(self.globs(ring))

    def words(self, fork_share=None):
        """Words for the kernel command line."""
        words = ["console=ttyS0", "panic=-1"]
        if fork_share:
            words.append(f"fork_share={fork_share}")
        if self.seed:
            words.append(f"seed={self.seed}")
        if self.san:
            words.append(f"SAN={self.san}")     # in the environment of programs
        return words

    def replay(self, ring, test, smp=None, fork_share=None):
        """The command that runs one test again in the same way."""
        words = ["make test", f"T='{ring}/{test}'"]
        if smp:
            words.append(f"SMP={smp}")
        if fork_share:
            words.append(f"FORK_SHARE={fork_share}")
        if self.seed:
            words.append(f"SEED={self.seed}")
        if self.san:
            words.append(f"SAN={self.san}")
        return " ".join(words)

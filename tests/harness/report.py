# SPDX-License-Identifier: MIT
"""Collects results and prints them as TAP.  Any thread may report."""

import sys
import threading
import time

SLOWEST = 12                            # parts of the run that are named at its end

GREEN, RED, YELLOW, PLAIN = "\033[32m", "\033[31m", "\033[33m", "\033[0m"


class Report:
    def __init__(self):
        self.lock = threading.Lock()
        self.started = time.monotonic()
        self.passed = self.failed = self.skipped = 0
        self.by_ring = {}
        self.failures = []
        self.running = []
        self.begun = {}                 # label: when
        self.durations = []             # (seconds, label) of what has ended
        self.coloured = sys.stdout.isatty()
        self.shows_progress = sys.stderr.isatty()

    def result(self, name, problems=None, *, skip=None):
        """One result.  `problems` is empty when the test passed, else lines that say why."""
        problems = list(problems or [])
        with self.lock:
            number = self.passed + self.failed + self.skipped + 1
            self._count(name, problems, skip)
            self._erase_progress()
            word = self._colour(RED, "not ok") if problems else self._colour(GREEN, "ok")
            tail = f" # SKIP {skip}".rstrip() if skip is not None and not problems else ""
            print(f"{word} {number} - {name}{tail}")
            for line in problems:
                print(f"  # {line}")
            sys.stdout.flush()
            self._draw_progress()

    def _count(self, name, problems, skip):
        ring = self.by_ring.setdefault(name.split("/")[0], [0, 0])
        if problems:
            self.failed += 1
            ring[1] += 1
            self.failures.append(name)
        elif skip is not None:
            self.skipped += 1
        else:
            self.passed += 1
            ring[0] += 1

    def note(self, text):
        with self.lock:
            self._erase_progress()
            print(f"# {text}", flush=True)
            self._draw_progress()

    def begin(self, label):
        with self.lock:
            self.running.append(label)
            self.begun[label] = time.monotonic()
            self._draw_progress()

    def end(self, label):
        with self.lock:
            self.running.remove(label)
            self.durations.append((time.monotonic() - self.begun.pop(label), label))
            self._draw_progress()

    def finish(self):
        """Prints the totals and returns the exit status."""
        with self.lock:
            self._erase_progress()
            self.shows_progress = False
        print(f"1..{self.passed + self.failed + self.skipped}")
        for name in self.failures:
            print(f"# failed: {name}")
        for ring, (passed, failed) in sorted(self.by_ring.items()):
            print(f"# {ring}: {passed} passed, {failed} failed")
        for seconds, label in sorted(self.durations, reverse=True)[:SLOWEST]:
            print(f"# {seconds:4.0f} s: {label}")
        print(f"# {self.skipped} skipped, {time.monotonic() - self.started:.0f} seconds")
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0

    def _colour(self, colour, text):
        return f"{colour}{text}{PLAIN}" if self.coloured else text

    def _erase_progress(self):
        if self.shows_progress:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def _draw_progress(self):
        if not self.shows_progress:
            return
        seconds = time.monotonic() - self.started
        text = f"{seconds:4.0f} s  {self.passed} passed, {self.failed} failed  "
        sys.stderr.write("\r\033[K" + (text + " | ".join(self.running))[:98])
        sys.stderr.flush()

# SPDX-License-Identifier: MIT
"""Reads the test lines that kernels and programs print between other lines."""

import re

# A log line may begin with its time.
STAMP = r"^(?:\[ *[\d.]+\] )?"
PLAN = re.compile(STAMP + r"1\.\.(\d+)\s*$")
RESULT = re.compile(STAMP + r"(not )?ok (\d+) - (\S+)(.*)$")
STEP = re.compile(STAMP + r"(not )?ok - ([^\s:]+)(.*)$")


class Result:
    """One line.  `before` holds the lines since the last result; `steps` the unnumbered results
    among them."""

    def __init__(self, passed, number, name, rest, before, steps):
        rest = rest.strip().lstrip("#:").strip()
        self.passed = passed
        self.number = number
        self.name = name
        self.skip = rest[4:].strip() if passed and rest.upper().startswith("SKIP") else None
        self.reason = rest
        self.before = before
        self.steps = steps

    @property
    def problems(self):
        if self.passed:
            return []
        return [self.reason or "failed"] + [line for line in self.before if line.strip()][-40:]


def parse(lines):
    """(planned, results, rest): planned is None without a plan; rest = (lines, steps) after the last
    result."""
    planned, results, before, steps = None, [], [], []
    step_before = []
    for line in lines:
        if match := RESULT.match(line):
            not_, number, name, rest = match.groups()
            results.append(Result(not not_, int(number), name, rest, before, steps))
            before, steps, step_before = [], [], []
        elif match := STEP.match(line):
            not_, name, rest = match.groups()
            steps.append(Result(not not_, 0, name, rest, step_before, []))
            before.append(line)
            step_before = []
        elif match := PLAN.match(line):
            planned = int(match[1])
            before, steps, step_before = [], [], []
        else:
            before.append(line)
            step_before.append(line)
    return planned, results, (before, steps)

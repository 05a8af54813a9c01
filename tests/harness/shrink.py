# SPDX-License-Identifier: MIT
"""Cutting a failing list down: halves first, then smaller and smaller parts, then single lines."""


def shrink(lines, fails, say=lambda text: None):
    """The shortest sublist found that still fails.  `fails` is asked about sublists; `lines` fails.
    What it says need not be certain: a list counts only if it has failed."""
    size = max(1, len(lines) // 2)
    while lines:
        start, is_shorter = 0, False
        while start < len(lines):
            rest = lines[:start] + lines[start + size:]
            if rest and fails(rest):
                lines, is_shorter = rest, True
                say(f"{len(lines)} lines still fail")
            else:
                start += size
        if size == 1 and not is_shorter:
            return lines
        size = max(1, size // 2) if not is_shorter or size > len(lines) // 2 else size
    return lines

# SPDX-License-Identifier: MIT
"""Addresses of the kernel image to names and source lines."""

import bisect
import functools
import re
import subprocess

ADDRESS = re.compile(r"\b(?:0x)?(ffffffff[89a-f][0-9a-f]{7})\b", re.IGNORECASE)


class Symbols:
    def __init__(self, image):
        self.image = str(image)

    @functools.cached_property
    def table(self):
        output = subprocess.run(["nm", "-n", self.image], capture_output=True, text=True).stdout
        rows = (line.split() for line in output.splitlines())
        return [(int(row[0], 16), row[2]) for row in rows if len(row) == 3 and row[1] in "tTwW"
                and not re.fullmatch(r"(image|(\w+_)?text)_(start|end)", row[2])]

    @functools.cached_property
    def end(self):
        """Behind the last function, roughly."""
        return (self.table[-1][0] | 0xfff) + 1 if self.table else 0

    def name(self, address):
        at = bisect.bisect_right(self.table, (address, "\x7f")) - 1
        if at < 0 or address >= self.end:
            return "?"
        start, name = self.table[at]
        return f"{name}+{address - start:#x}"

    def lines(self, addresses):
        """Source lines of addresses, in order."""
        if not addresses:
            return []
        words = ["addr2line", "-e", self.image] + [f"{address:#x}" for address in addresses]
        output = subprocess.run(words, capture_output=True, text=True).stdout.splitlines()
        return [re.sub(r" \(discriminator.*", "", line) for line in output]

    def explain(self, text):
        """One line for each different address of the image in the text."""
        found = dict.fromkeys(int(match, 16) for match in ADDRESS.findall(text))
        found = [address for address in found if self.name(address) != "?"]
        return [f"{address:016x} {self.name(address)} {line}"
                for address, line in zip(found, self.lines(found))]

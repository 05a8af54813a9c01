# SPDX-License-Identifier: MIT
"""The places of the kernel that ask for memory, or copy to and from programs: all of them, found in
the image.

Every function between asking_text_start and asking_text_end (linker.ld) asks in others' name if it
comes to fault_point_fails() by calls among themselves.  A site is a call of such a function from
outside, and is known by its return address, as the kernel knows it (kernel/hooks.c).  Of a function
that the compiler has copied into several others, each copy is the same site: one line of source."""

import collections
import functools
import re
import subprocess

POINT = "fault_point_fails"
HEADERS = ("usercopy.h", "buffer.h")    # their functions ask in others' name, too

FUNCTION = re.compile(r"^([0-9a-f]{16}) <(\S+)>:$")
CALL = re.compile(r"^\s*([0-9a-f]+):\s+call\s+[0-9a-f]+ <([^>+]+)>")
ADDRESS = re.compile(r"^\s*([0-9a-f]+):")


class Sites:
    def __init__(self, image):
        self.image = str(image)

    def _run(self, *command, **options):
        return subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout

    @functools.cached_property
    def _bounds(self):
        rows = (line.split() for line in self._run("nm", self.image).splitlines())
        return {row[2]: int(row[0], 16) for row in rows if len(row) == 3 and "_text_" in row[2]}

    def _is_in(self, part, address):
        return self._bounds[f"{part}_text_start"] <= address < self._bounds[f"{part}_text_end"]

    @functools.cached_property
    def _calls(self):
        """(return address, caller, callee) of all calls."""
        calls, function, pending = [], None, None
        for line in self._run("objdump", "-d", "--no-show-raw-insn", self.image).splitlines():
            if match := FUNCTION.match(line):
                if pending:             # a call that never returns ends its function
                    calls.append((int(match[1], 16), *pending))
                    pending = None
                function = match[2]
            elif match := ADDRESS.match(line):
                if pending:
                    calls.append((int(match[1], 16), *pending))
                found = CALL.match(line)
                pending = (function, found[2]) if found else None
        return calls

    @functools.cached_property
    def addresses(self):
        """{return address: function that is asked}"""
        inside = collections.defaultdict(set)
        for address, caller, callee in self._calls:
            if self._is_in("asking", address):
                inside[callee].add(caller)
        asked, fresh = {POINT}, [POINT]
        while fresh:
            fresh = [f for callee in fresh for f in inside[callee] - asked]
            asked.update(fresh)
        return {address: callee for address, _, callee in self._calls if callee in asked
                and not self._is_in("asking", address) and not self._is_in("ktest", address)}

    @functools.cached_property
    def names(self):
        """{return address: "mm/fault.c:120 fill_private"}"""
        addresses = list(self.addresses)
        text = self._run("addr2line", "-a", "-i", "-f", "-e", self.image,
                         input="\n".join(f"{address - 1:#x}" for address in addresses))
        names = {}
        for address, block in zip(addresses, re.split(r"^0x[0-9a-f]{16}\n", text, flags=re.M)[1:]):
            lines = block.splitlines()
            frames = list(zip(lines[::2], lines[1::2]))
            names[address] = next((name for name in map(self._name, frames)
                                   if not name.split(":")[0].endswith(HEADERS)), self._name(frames[-1]))
        return names

    @staticmethod
    def _name(frame):
        function, place = frame
        place = re.sub(r" \(discriminator.*", "", place)
        match = re.search(r"((?:arch|boot|fs|kernel|lib|mm)/\S+)$", place)
        return f"{match[1] if match else place} {function}"

    def all(self):
        """Names of all sites."""
        return sorted(set(self.names.values()))


def parse(lines):
    """{address: how often it failed} of the lines of /proc/faults."""
    rows = (line.split() for line in lines[3:])
    return {int(row[0], 16): int(row[3]) for row in rows}

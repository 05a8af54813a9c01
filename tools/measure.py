# SPDX-License-Identifier: MIT
"""Lengths of files and functions; used by tools/check-style and tools/loc."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
KERNEL = ["lib", "boot", "arch", "kernel", "mm", "fs"]
OTHERS = ["user", "tests"]


def sources(folders):
    """C and assembly files, sorted."""
    return sorted(path.relative_to(ROOT) for folder in folders
                  for path in (ROOT / folder).rglob("*")
                  if path.suffix in (".c", ".h", ".asm", ".def", ".inc"))


def lines_of_code(path):
    """Lines that hold neither only comment nor nothing."""
    text = (ROOT / path).read_text()
    if path.suffix == ".asm":
        text = re.sub(r";.*", "", text)
    else:
        text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    return sum(1 for line in text.splitlines() if line.strip())


def functions(paths):
    """(lines, name, path) of each C function, longest first."""
    files = [str(path) for path in paths if path.suffix in (".c", ".h")]
    if not files:
        return []
    tags = subprocess.run(["ctags", "--languages=C", "--langmap=C:.c.h", "--kinds-C=f",
                           "--fields=+ne", "--sort=no", "-f", "-", *files],
                          cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = []
    for row in tags.splitlines():
        name, path, *rest = row.split("\t")
        fields = dict(field.split(":", 1) for field in rest if re.match(r"(line|end):", field))
        if "end" in fields:
            found.append((int(fields["end"]) - int(fields["line"]) + 1, name, path))
    return sorted(found, reverse=True)


def percentile(lengths, part):
    """The length that this part of all do not exceed."""
    ordered = sorted(lengths)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0

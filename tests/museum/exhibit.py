# SPDX-License-Identifier: MIT
"""One exhibit: NN-name.patch, a unified diff with a few words above it, and NN-name.md, its story.

    Title: what went wrong, in a line           System: whose mistake it was
    Year: when                                  Rule: what it breaks (docs/COW.md)
    Caught-by: host/PROGRAM.TEST, kernel/MODULE.TEST, user/PROGRAM.TEST, user/PROGRAM or torture/storm
    Says: what that test, or the machine, prints (a regular expression)
    Boot: smp=4 fork_share=page ...             Seeds: 20: races, looked for under so many

Line numbers in the patch do not matter: the old lines of each hunk must stand in their file exactly
once.  So it survives what happens around it, and fails loudly when its own place changes.
"""

import re

from harness.settings import ROOT
from judge import Misplaced, replaced

FOLDER = ROOT / "tests/museum"
README = FOLDER / "README.md"
WORDS = ("Title", "Year", "System", "Rule", "Caught-by", "Says")
TABLE = re.compile(r"(<!-- table -->\n).*?(<!-- end -->\n)", re.DOTALL)


class Exhibit:
    def __init__(self, path):
        self.name = path.stem
        self.page = path.with_suffix(".md")
        head, *self.files = re.split(r"^(?=--- a/)", path.read_text(), flags=re.MULTILINE)
        self.words = dict(re.findall(r"^([A-Z][\w-]+): (.*)$", head, re.MULTILINE))
        self.says = self.words.get("Says", "")
        self.seeds = int(self.words.get("Seeds", 0))
        self.boot = dict(word.split("=", 1) for word in self.words.get("Boot", "").split())
        self.ring, _, test = self.words.get("Caught-by", "").partition("/")
        self.program, _, self.test = test.partition(".")

    def changed(self):
        """{file: its text with the mistake}"""
        texts = {}
        for diff in self.files:
            file = re.match(r"--- a/(\S+)", diff)[1]
            hunks = re.split(r"^@@.*\n", diff, flags=re.MULTILINE)[1:]
            try:
                texts[file] = replaced((ROOT / file).read_text(), [sides(hunk) for hunk in hunks])
            except Misplaced as missing:
                raise Misplaced(f"{file} does not hold exactly once:\n{missing}") from None
        return texts

    def problems(self):
        """What is wrong with patch and page as they lie there."""
        wrong = [f"the patch has no word {word}" for word in WORDS if word not in self.words]
        if self.ring not in ("host", "kernel", "user", "torture"):
            wrong.append(f"no such ring: {self.ring!r}")
        try:
            self.changed()
        except (Misplaced, OSError) as why:
            wrong += ["the patch no longer applies", *str(why).splitlines()]
        page = self.page.read_text() if self.page.exists() else ""
        if not page.startswith(f"# {self.words.get('Title')}\n"):
            wrong.append(f"{self.page.name} does not begin with the title")
        if f"`{self.caught_by}`" not in page:
            wrong.append(f"{self.page.name} does not name `{self.caught_by}`")
        return wrong

    @property
    def caught_by(self):
        return f"{self.program}.{self.test}" if self.test else self.program

    def row(self):
        words = self.words
        return (f"| [{self.name[:2]}]({self.page.name}) | {words['Title']} | {words['Year']} | "
                f"{words['System']} | {words['Rule']} | {self.ring}: `{self.caught_by}` |\n")


def sides(hunk):
    """(old, new) of a hunk."""
    lines = [line for line in hunk.splitlines(keepends=True) if not line.startswith("\\")]
    return tuple("".join(line[1:] or "\n" for line in lines if line[0] in f" {sign}\n")
                 for sign in "-+")


def all_exhibits():
    return [Exhibit(path) for path in sorted(FOLDER.glob("[0-9][0-9]-*.patch"))]


def table(exhibits):
    head = "| | exhibit | year | system | rule | caught by |\n|---|---|---|---|---|---|\n"
    return head + "".join(exhibit.row() for exhibit in exhibits)


def readme_with(exhibits):
    """README.md as it should be."""
    return TABLE.sub(lambda m: f"{m[1]}{table(exhibits)}{m[2]}", README.read_text())

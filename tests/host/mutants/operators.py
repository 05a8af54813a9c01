# SPDX-License-Identifier: MIT
"""Small changes to C source, one at a time: what a tired hand might write.

Only statements inside functions are changed, in the house style that the tree is written in.  Left
alone: assertions, which are tests themselves, and what is only told to the log or the event ring.
"""

import collections
import re

# Where, and what: `line` counts from 1; `text` is the whole line, `changed` what it becomes.
Place = collections.namedtuple("Place", "file function line operator text changed")

OPERATORS = (
    ("comparison", r" == ", (" != ",)), ("comparison", r" != ", (" == ",)),
    ("comparison", r" < ", (" <= ",)), ("comparison", r" <= ", (" < ",)),
    ("comparison", r" > ", (" >= ",)), ("comparison", r" >= ", (" > ",)),
    ("logic", r" && ", (" || ",)), ("logic", r" \|\| ", (" && ",)),
    ("condition", r"\bif \((?!!)(?=[^()]*(?:\([^()]*\)[^()]*)*\)$)", ("if (!",)),
    ("negation", r"!(?=[a-z(])", ("",)),
    ("arithmetic", r" \+ ", (" - ",)), ("arithmetic", r"(?<=[\w)\]]) - ", (" + ",)),
    ("arithmetic", r" \+= ", (" -= ",)), ("arithmetic", r" -= ", (" += ",)),
    ("arithmetic", r"\+\+(?!;? *\))", ("--",)), ("bits", r" & ", (" | ",)),
    ("bits", r"(?<=[\w)]) \| ", (" & ",)), ("bits", r" \|= ", (" = ",)), ("bits", r" &= ", (" = ",)),
    ("constant", r"(?<![\w.\]>\[-])0(?![\w.])", ("1",)), ("constant", r"(?<![\w.])1(?![\w.])", ("0", "2")),
    ("constant", r"\btrue\b", ("false",)), ("constant", r"\bfalse\b", ("true",)),
    ("dropped call", r"(?<=^\t)(\t*)[a-z]\w+\(.*\);$", (r"\1;",)),
    ("dropped store", r"(?<=^\t)(\t*)[a-z][\w.>\[\]-]*(->|\.|\[)[\w.>\[\]-]* [|&+-]?= .*;$", (r"\1;",)),
    ("refusal", r"\breturn -E[A-Z]+;", ("return 0;",)),
)

LEFT_ALONE = re.compile(r"\b(assert|event|event_detail|printk|console_print|panic|jitter)\(")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
QUOTED = re.compile(r'"(?:\\.|[^"\\\n])*"' + r"|'(?:\\.|[^'\\\n])+'")


def blank(text):
    """The same with comments and quoted text blanked out, so that columns stay."""
    def blanks(match):
        return re.sub(r"[^\n]", " ", match[0])
    return QUOTED.sub(blanks, COMMENT.sub(blanks, text))


def statements(text):
    """(line number, function, line, the line blanked) of all lines inside functions."""
    function, inside = None, False
    for number, (line, code) in enumerate(zip(text.split("\n"), blank(text).split("\n")), 1):
        match = re.match(r"[a-z].*?(\w+)\(", code)
        if match and not code.rstrip().endswith(";"):
            function = match[1]
        if code.startswith("{"):
            inside = True
        elif code.startswith("}"):
            inside = False
        elif inside and code.startswith("\t"):
            yield number, function, line, code.rstrip()


def places(file, text):
    """All changes that could be made in this file."""
    for number, function, line, code in statements(text):
        if LEFT_ALONE.search(code):
            continue
        for operator, pattern, replacements in OPERATORS:
            for match in re.finditer(pattern, code):
                for replacement in replacements:
                    changed = line[:match.start()] + match.expand(replacement) + line[match.end():]
                    if operator == "condition":
                        changed = close_condition(changed)
                    yield Place(file, function, number, operator, line, changed)


def close_condition(line):
    """`if (!a == b)` with the brackets that it needs."""
    return re.sub(r"if \(!(.*)\)$", r"if (!(\1))", line)


def applied(text, place):
    lines = text.split("\n")
    lines[place.line - 1] = place.changed
    return "\n".join(lines)

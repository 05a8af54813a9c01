# SPDX-License-Identifier: MIT
"""Tracing, as a person sees it: docs/TRACE.md is typed in, and tools/trace reads what comes back.

One boot serves all: the commands of the chapter, then some of our own."""

import base64
import gzip
import json
import os
import re
import tempfile

from . import build
from .acceptance import SCRIPTS, SECONDS
from .qemu import Machine
from .settings import BUILD, ROOT

CHAPTER = ROOT / "docs/TRACE.md"
GUEST, HOST = "~ # ", "$ "
COPIES = BUILD / "user/copies"
PAGE = 4096

# What the chapter tells the reader to save, and what the command has in it that printed it.
SAVED = {"hist.txt": "/proc/trace_hist", "trace.txt": "/proc/trace_binary"}

BYTES = "cat /proc/trace_binary | gzip | base64"
OWN = {
    "copied": "copies -t 100",
    "text": "echo off >/proc/trace; cat /proc/trace",
    "bytes": BYTES,
    "many": "echo clear >/proc/trace; copies -t 20000; echo off >/proc/trace",
    "rest": BYTES,
    "counted": "echo clear >/proc/trace; echo by=site >/proc/trace_hist; copies 100",
    "table": "echo off >/proc/trace_hist; cat /proc/trace_hist; echo clear >/proc/trace_hist",
}


def jobs(settings):
    if settings.wants("shell", "trace_chapter", "trace_tool"):
        yield "shell/trace", lambda report: run(report, settings)


def run(report, settings):
    steps = chapter()
    typed = [command for prompt, command, _ in steps if prompt == GUEST]
    outcome, said = in_cowbell(settings, typed + list(OWN.values()))
    if outcome.kind != "power off" or len(said) != len(typed) + len(OWN):
        report.result("shell/trace_chapter", [f"{len(said)} answers", *outcome.diagnosis()])
        return
    if settings.wants("shell", "trace_chapter"):
        report.result("shell/trace_chapter", compare(steps, said))
    if settings.wants("shell", "trace_tool"):
        report.result("shell/trace_tool", check_tool(dict(zip(OWN, said[len(typed):]))))


# --- in Cowbell ---------------------------------------------------------------------------------

def in_cowbell(settings, commands):
    """(outcome, what each command printed)"""
    with tempfile.NamedTemporaryFile("w", prefix="cowbell-", suffix=".sh") as script:
        script.writelines(f"{command}\necho '@@'\n" for command in commands)
        script.flush()
        archive = build.initramfs("trace", [
            f"file /init 755 {SCRIPTS}/script.init", "dir /root 755",
            f"file /scripts/trace.sh 755 {script.name}", f"file /bin/copies 755 {COPIES}"],
            busybox=True)
    with Machine(settings.words(), smp=settings.smps([2])[0],
                 initramfs=archive) as machine:
        outcome = machine.run(2 * SECONDS)
    code = "".join(line.removeprefix("output: ") for line in outcome.lines
                   if line.startswith("output: "))
    return outcome, base64.b64decode(code).decode("utf-8", "replace").split("@@\n")[:-1]


# --- the chapter --------------------------------------------------------------------------------

def chapter():
    """(prompt, command, lines it should print), in order."""
    steps = []
    for block in re.findall(r"^```console\n(.*?)^```", CHAPTER.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            prompt = next((p for p in (GUEST, HOST) if line.startswith(p)), None)
            if prompt:
                steps.append((prompt, line.removeprefix(prompt), []))
            else:
                steps[-1][2].append(line)
    return steps


def pattern(lines):
    """`...` stands for anything in a line; alone, for any lines.  Blanks may be more or fewer."""
    parts = []
    for line in lines:
        if line == "...":
            parts.append(r"(.*\n)*")
        else:
            words = (".*".join(map(re.escape, word.split("..."))) for word in line.split())
            parts.append(r" *" + r" +".join(words) + r" *\n")
    return "".join(parts)


def compare(steps, said):
    answers, problems, files = iter(said), [], {}
    for prompt, command, expected in steps:
        if prompt == GUEST:
            answer = next(answers)
            files.update({name: answer for name, word in SAVED.items() if word in command and answer})
        else:
            answer = on_this_machine(command, files)
        if not re.fullmatch(pattern(expected), answer):
            problems += [f"{prompt}{command}", "should print:", *expected, "prints:",
                         *answer.splitlines()[:20]]
    return problems


def on_this_machine(command, files):
    """In a folder with the files, and the tree's own tools."""
    with tempfile.TemporaryDirectory(prefix="cowbell-") as folder:
        for name in ("tools", "build"):
            os.symlink(ROOT / name, f"{folder}/{name}")
        for name, text in files.items():
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        return build.call(["sh", "-c", f"cd {folder} && {command}"])[1]


# --- the tool -----------------------------------------------------------------------------------

def tool(data, *words):
    return build.call([str(ROOT / "tools/trace"), *words], input=data)


def unpack(text):
    return gzip.decompress(base64.b64decode(text))


def check_tool(said):
    return (check_records(said) or check_loss(unpack(said["rest"]))
            or check_functions(said["table"]) or check_refusals(unpack(said["bytes"])))


def check_records(said):
    """Each page was copied once, by the child; bytes say what the text says."""
    data = unpack(said["bytes"])
    pid, base = re.fullmatch(r"child (\d+) wrote 100 pages at (0x\w+)\n", said["copied"]).groups()
    status, output = tool(data, "--json")
    if status != 0:
        return [output]
    events = json.loads(output)["events"]
    problems = [f"not a copy of ours: {event}" for event in events
                if event["event"] != "frame_copy" or event["pid"] != int(pid)]
    pages = sorted(event["arguments"]["address"] for event in events)
    if pages != [int(base, 16) + i * PAGE for i in range(100)]:
        problems.append(f"pages {pages}")
    for way in (data, base64.encodebytes(data)):
        if tool(way)[1] != said["text"] + "# 100 records, 0 lost\n":
            problems.append("the tool's text is not the kernel's")
    return problems


def check_loss(data):
    """20000 copies do not fit: those that are missing are counted."""
    found = json.loads(tool(data, "--json")[1])
    seen = sum(event["event"] == "frame_copy" for event in found["events"])
    if found["lost"] == 0 or seen == 0 or seen + found["lost"] != 20000:
        return [f"{seen} records and {found['lost']} lost of 20000"]
    return []


def check_functions(table):
    """100 pages zeroed by one function and copied by the other, to the page."""
    status, output = tool(table.encode(), "--json", "--symbols", str(COPIES))
    if status != 0:
        return [output]
    rows = {row["place"]: row for row in json.loads(output)["rows"]}
    fill, overwrite = rows.get("/bin/copies:fill", {}), rows.get("/bin/copies:overwrite", {})
    counts = [[row.get(kind) for kind in ("frames_copied", "frames_zeroed")]
              for row in (fill, overwrite)]
    return [] if counts == [[0, 100], [100, 0]] else [f"fill, overwrite: {counts}", table]


def check_refusals(data):
    """What is cut off, or from another version, or something else, is not half read."""
    bad = {"cut off": data[:-1], "a header cut off": data[:30], "another version":
           data[:8] + b"\x07" + data[9:], "nothing": b"", "something else": b"frame_copy\n"}
    return [f"{what} is read" for what, bytes_ in bad.items() if tool(bytes_)[0] in (0, None)]

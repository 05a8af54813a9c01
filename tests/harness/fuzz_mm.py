# SPDX-License-Identifier: MIT
"""The memory system on the build machine, fed with random operations (tests/host/fuzz): by seeds
with gcc, and guided by coverage with clang's libFuzzer where clang is."""

import os
import pathlib
import shutil

from . import build
from .host import FLAGS, expand, link
from .settings import BUILD, ROOT

CORPUS = ROOT / "tests/host/fuzz/corpus"
FOLDER = BUILD / "fuzz-mm"
OWN = ["tests/host/fuzz/mm_fuzz.c", "tests/host/fuzz/operations.c"]
DEFINES = ["-DSIM", "-DCOWBELL_DEBUG", "-DWORLD_RAM_MIB=160"]   # everything is recounted each time
LIBFUZZER = ["-DLIBFUZZER", "-fsanitize=fuzzer", "-Wno-error"]

GATE_SECONDS = 3
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:abort_on_error=0")


def program(compiler="gcc", *more):
    """(path, complaints)."""
    path = FOLDER / f"mm_fuzz-{compiler}"
    path.parent.mkdir(parents=True, exist_ok=True)
    sources = OWN + expand("@tests/host/sim/sources")
    if compiler == "gcc":
        complaint = link(path, sources, [*FLAGS, *DEFINES])
        return path, complaint.splitlines()[:40] if complaint else []
    command = [compiler, *FLAGS, *DEFINES, *more, *sources, "-o", str(path)]
    status, output = build.call(command)
    return path, [] if status == 0 else output.splitlines()[:40] or ["the compiler timed out"]


def corpus():
    return sorted(CORPUS.glob("*.ops"))


def play(path, *files):
    status, output = build.call([str(path), "play", *map(str, files)], 300, env=ENVIRONMENT)
    return [] if status == 0 else output.splitlines()[-60:] or [f"status {status}"]


def seeds(path, first, seconds):
    """(complaints, the last line)."""
    status, output = build.call([str(path), "seeds", str(first), str(seconds)], seconds + 300,
                                env=ENVIRONMENT)
    lines = output.splitlines()
    return [] if status == 0 else lines[-60:] or [f"status {status}"], lines[-1] if lines else ""


def guided(seconds, say):
    """libFuzzer from the corpus on; what it finds is cut down with the other program."""
    path, problems = program("clang", *LIBFUZZER)
    if problems:
        return problems
    packed, grown = FOLDER / "corpus", FOLDER / "grown"
    for folder in (packed, grown):
        folder.mkdir(exist_ok=True)
    plain, problems = program()
    if problems:
        return problems
    for file in corpus():
        build.call([str(plain), "pack", str(file), str(packed)])
    status, output = build.call(
        [str(path), f"-max_total_time={seconds}", "-max_len=1200", "-timeout=60", "-rss_limit_mb=8000",
         f"-artifact_prefix={FOLDER}/", str(grown), str(packed)], seconds + 600, env=ENVIRONMENT)
    say(output.splitlines()[-1] if output else "libFuzzer said nothing")
    if status == 0:
        return []
    found = sorted(FOLDER.glob("crash-*"), key=lambda p: p.stat().st_mtime)
    if not found:
        return output.splitlines()[-40:]
    bytes_file = found[-1].with_suffix(".bin")
    shutil.copy(found[-1], bytes_file)
    return play(plain, bytes_file) or ["only in a machine that was used before:",
                                       *output.splitlines()[-40:]]


def has_clang():
    return shutil.which("clang") is not None


# --- in the gate ----------------------------------------------------------------------------------

def jobs(settings):
    if settings.wants("host", "fuzz_mm"):
        yield "host/fuzz_mm", lambda report: report.result("host/fuzz_mm", test(settings))


def test(settings):
    path, problems = program()
    if problems:
        return problems
    problems = play(path, *corpus())
    return problems or seeds(path, int(settings.seed or 1), GATE_SECONDS)[0]


def show(path):
    """A list of operations in words."""
    _, output = build.call([str(program()[0]), "print", str(pathlib.Path(path))])
    return output

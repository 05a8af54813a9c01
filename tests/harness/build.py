# SPDX-License-Identifier: MIT
"""Makes what the tests run.  Failures to build are results like others."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import threading

from .settings import BUILD, ROOT

one_at_a_time = threading.Lock()        # tests that run at once share the build's folder


def call(command, seconds=600, **options):
    """(status, output) of a command; status is None when it took too long."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=seconds, **options)
    except subprocess.TimeoutExpired as late:
        return None, (late.output or b"").decode("utf-8", "replace")
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def make(*words, seconds=900):
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SMP", "T", "SEED", "V")}
    jobs = f"-j{os.cpu_count() or 2}"
    return call(["make", "-k", "--no-print-directory", jobs, *words], seconds, env=environment)


def report_make(report, name, *words):
    """Make something and report it.  True when it was made."""
    status, output = make(*words)
    problems = [] if status == 0 else output.splitlines()[-60:]
    report.result(f"build/{name}", problems)
    return status == 0


def without_tests(image):
    """The kernel of the same objects as `image`, but for its own tests."""
    with one_at_a_time:
        status, output = make("all", "TESTS=")
    if status != 0:
        raise RuntimeError(output)
    return image.parent / "no-tests" / image.name


# --- again, elsewhere, later --------------------------------------------------------------------

def jobs(settings):
    if settings.wants("build", "same_bytes_elsewhere") and not settings.san and not settings.is_counting:
        yield "build/same_bytes_elsewhere", lambda report: report.result(
            "build/same_bytes_elsewhere", same_bytes_elsewhere())


def same_bytes_elsewhere():
    """A copy of the tree in a folder of another name: is the kernel made of it the same?  But for what
    debuggers read: that says where the sources are."""
    with tempfile.TemporaryDirectory(prefix="cowbell-elsewhere-") as folder:
        tree = pathlib.Path(folder) / "of-another-name"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "build", "__pycache__"))
        status, output = make("-C", str(tree), "all")
        if status != 0:
            return output.splitlines()[-20:]
        here, there = (stripped(root / "build/cowbell.elf", pathlib.Path(folder) / name)
                       for root, name in ((ROOT, "here"), (tree, "there")))
    if here == there:
        return [f"it knows its path: {path}" for path in (str(ROOT), folder) if path.encode() in here]
    first = next((i for i, (a, b) in enumerate(zip(here, there)) if a != b), min(len(here), len(there)))
    return [f"{len(here)} and {len(there)} bytes, which differ from {first:#x} on"]


def stripped(image, into):
    subprocess.run(["objcopy", "--strip-all", str(image), str(into)], check=True)
    return into.read_bytes()


def initramfs(name, manifest, *, compress=False, busybox=False):
    """An archive of its own in build/tests.  `manifest`: lines for tools/make-initramfs."""
    path = BUILD / "tests" / f"{name}.cpio{'.gz' if compress else ''}"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{threading.get_ident()}")
    command = [str(ROOT / "tools/make-initramfs"), "-o", str(unfinished)]
    if compress:
        command.append("-z")
    if busybox:
        command += ["-b", busybox_path()]
    text = "\n".join(["node /dev/console 600 c 5 1", "dir /tmp 1777", "dir /proc 755", *manifest])
    status, output = call(command, input=text.encode())
    if status != 0:
        raise RuntimeError(output)
    unfinished.replace(path)            # somebody may be booting from the old one
    return path


def busybox_path():
    return next(p for p in ("/bin/busybox", "/usr/bin/busybox") if pathlib.Path(p).exists())

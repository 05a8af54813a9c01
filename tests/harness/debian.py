# SPDX-License-Identifier: MIT
"""Debian's kernel, to measure beside ours: fetched as a package, unpacked into build/, never
installed."""

import pathlib
import re
import shutil
import subprocess
import tempfile

from . import bench
from .settings import BUILD

PACKAGE = "linux-image-amd64"           # names the current version
FOLDER = BUILD / "debian"
HUGE_PAGES = ("always", "never")


def kernel():
    """The path of its image."""
    known = sorted(FOLDER.glob("vmlinuz-*"))
    return known[-1] if known else fetch()


def fetch():
    if not shutil.which("apt-get"):
        raise SystemExit(f"Debian's {PACKAGE} is fetched with apt-get, which is not here")
    depends = subprocess.run(["apt-cache", "depends", PACKAGE], capture_output=True, text=True,
                             check=True).stdout
    match = re.search(r"Depends: (linux-image-\S+)", depends)
    if not match:
        raise SystemExit(f"apt does not know {PACKAGE}: run apt-get update")
    FOLDER.mkdir(parents=True, exist_ok=True)
    image = FOLDER / match[1].replace("linux-image", "vmlinuz")
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        subprocess.run(["apt-get", "-q", "download", match[1]], cwd=folder, check=True,
                       capture_output=True)
        package, = map(str, pathlib.Path(folder).glob("*.deb"))
        image.write_bytes(unpack(package))
    return image


def unpack(package):
    """The bytes of the one kernel in a package."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package],
                          stdout=subprocess.PIPE) as archive:
        return subprocess.run(["tar", "-xO", "--wildcards", "./boot/vmlinuz-*"],
                              stdin=archive.stdout, capture_output=True, check=True).stdout


# Linux does not count the pages in its per-CPU lists as free.  Memory is therefore measured in a
# boot of its own, where these lists are kept short.
SHORT_LISTS = "sysctl.vm.percpu_pagelist_high_fraction=1000000"
MEMORY = "redis,reserve_*,live_*,curve_live_*"


def linux(huge_pages, only=None, kind="table", **options):
    """The bench on Debian's kernel."""
    words = [f"transparent_hugepage={huge_pages}"]
    done = boot(words, only, kind, **options)
    if any(figure.unit.startswith("KiB") for figure in done.figures.values()):
        again = boot([*words, SHORT_LISTS], MEMORY, kind, **options)
        done.figures |= {name: figure for name, figure in again.figures.items()
                         if name in done.figures and figure.unit.startswith("KiB")}
    return done


def boot(words, only, kind, **options):
    return bench.run(words, ["-s", kind, *bench.chosen(only)], image=kernel(), **options)

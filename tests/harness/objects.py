# SPDX-License-Identifier: MIT
"""Objects of the host ring: each source is compiled once for each set of flags, for all programs
that are made of it, and again only when something that it reads has changed."""

import collections
import concurrent.futures
import hashlib
import os
import threading

from .build import call
from .settings import BUILD, ROOT

LOCKS = collections.defaultdict(threading.Lock)


def path(source, flags):
    digest = hashlib.sha1(" ".join(flags).encode()).hexdigest()[:8]
    return BUILD / "host/objects" / digest / f"{source.replace('/', '-')}.o"


def build(sources, flags):
    """What the compiler complains of, or None: then all objects are there."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        complaints = list(pool.map(lambda source: build_one(source, flags), sources))
    return next(filter(None, complaints), None)


def build_one(source, flags):
    into = path(source, flags)
    with LOCKS[into]:
        if not is_older(into, reads(into)):
            return None
        into.parent.mkdir(parents=True, exist_ok=True)
        mine = into.with_suffix(f".{os.getpid()}")      # another process may be at it, too
        status, output = call(["gcc", *flags, "-MD", "-MF", f"{mine}.d", "-c", "-o", str(mine),
                               source])
        if status != 0:
            return output or "gcc: timed out"
        os.replace(f"{mine}.d", f"{into}.d")
        os.replace(mine, into)
    return None


def reads(into):
    """All files that the compiler read; nothing if that is not known."""
    try:
        text = into.with_name(f"{into.name}.d").read_text()
    except OSError:
        return []
    return text.replace("\\\n", " ").split(":", 1)[1].split()


def is_older(made, files):
    """Must it be made again?"""
    try:
        when = made.stat().st_mtime
        return not files or any((ROOT / file).stat().st_mtime > when for file in files)
    except OSError:
        return True

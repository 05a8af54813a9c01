# SPDX-License-Identifier: MIT
"""One boot of a kernel in QEMU: its console, how it ended, and why it hangs if it does."""

import contextlib
import json
import os
import pathlib
import re
import selectors
import shlex
import shutil
import socket
import subprocess
import tempfile
import time

from . import coverage
from .settings import BUILD, SAN_FOLDERS
from .symbols import Symbols

IMAGE = BUILD / SAN_FOLDERS[os.environ.get("SAN", "")] / "cowbell.elf"
if os.environ.get("COVERAGE"):
    IMAGE = coverage.IMAGE
OVMF = pathlib.Path("/usr/share/OVMF")

# QEMU's exit status is twice what the kernel writes to the debug port, plus one.
STATUS_PASS, STATUS_FAIL, STATUS_PANIC = 33, 35, 37
ENDINGS = {STATUS_PASS: "tests passed", STATUS_FAIL: "tests failed", STATUS_PANIC: "panic"}

CONSOLE_TAIL = 60

# What terminals are told: colours, cursor movements.
ESCAPE = re.compile(r"\x1b(\[[0-9;=?]*[a-zA-Z]|[=>cM78])")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Machine:
    """A running machine.  Use `with`; nothing of it is left afterwards."""

    def __init__(self, words, *, smp=1, memory=512, cpu="max", image=IMAGE, initramfs=None,
                 iso=None, uefi=False, extra=()):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="cowbell-"))
        self.symbols = Symbols(image)
        self.console = ""
        self.shutdown = None            # why QEMU wants to end: "guest-reset", "guest-shutdown"
        self.qmp = None
        self.qmp_rest = b""
        self.replies = []
        self.selector = selectors.DefaultSelector()
        self.counts = self.scratch / "ram" if image == coverage.IMAGE else None
        if self.counts:
            extra = [*extra, *coverage.options(memory, self.counts)]
        self.command = self._command(words, smp, memory, cpu, image, initramfs, iso, uefi, extra)
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.selector.register(self.process.stdout, selectors.EVENT_READ, self._read_console)
        self._connect()

    def _command(self, words, smp, memory, cpu, image, initramfs, iso, uefi, extra):
        command = ["qemu-system-x86_64", "-machine", "q35", "-cpu", cpu, "-m", str(memory),
                   "-smp", str(smp), "-nic", "none", "-display", "none", "-monitor", "none",
                   "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
                   "-S", "-qmp", f"unix:{self.scratch}/qmp,server=on,wait=off",
                   "-action", "reboot=shutdown,shutdown=pause",
                   "-d", "cpu_reset,guest_errors", "-D", f"{self.scratch}/log"]
        if iso:
            command += ["-cdrom", str(iso)]
        else:
            command += ["-kernel", str(image), "-append", " ".join(words)]
            if initramfs:
                command += ["-initrd", str(initramfs)]
        if uefi:
            shutil.copy(OVMF / "OVMF_VARS.fd", self.scratch / "vars.fd")
            flash = "if=pflash,format=raw,"
            command += ["-drive", f"{flash}unit=0,readonly=on,file={OVMF}/OVMF_CODE.fd",
                        "-drive", f"{flash}unit=1,file={self.scratch}/vars.fd"]
        return command + list(extra)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.qmp.close()
        self.selector.close()
        if self.counts:
            coverage.add(self.counts)
        shutil.rmtree(self.scratch, ignore_errors=True)

    # --- what comes in --------------------------------------------------------------------------

    def pump(self, until, seconds):
        """Serve console and QMP until the condition holds.  False: it does not, time is up or
        the machine has ended."""
        deadline = time.monotonic() + seconds
        while not until():
            left = deadline - time.monotonic()
            if left <= 0 or self.has_ended():
                return until()
            for key, _ in self.selector.select(min(left, 0.1)):
                key.data()
        return True

    def has_ended(self):
        return self.shutdown is not None or not self.selector_has(self.process.stdout)

    def selector_has(self, stream):
        return stream in (key.fileobj for key in self.selector.get_map().values())

    def _read_console(self):
        data = self.process.stdout.read(65536)
        if data:
            self.console += data.decode("utf-8", "replace").replace("\r", "")
        elif data == b"":
            self.selector.unregister(self.process.stdout)

    def _connect(self):
        """QEMU stands still until somebody listens, so that no event is missed."""
        self.qmp = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                self.qmp.connect(f"{self.scratch}/qmp")
            except OSError:
                time.sleep(0.01)
                continue
            self.selector.register(self.qmp, selectors.EVENT_READ, self._read_qmp)
            self._ask("qmp_capabilities")
            self._ask("cont")
            return

    def _read_qmp(self):
        try:
            data = self.qmp.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(self.qmp)
            return
        *lines, self.qmp_rest = (self.qmp_rest + data).split(b"\n")
        for message in map(json.loads, filter(bytes.strip, lines)):
            if message.get("event") == "SHUTDOWN":
                self.shutdown = message["data"]["reason"]
            elif "return" in message or "error" in message:
                self.replies.append(message)

    # --- what goes out --------------------------------------------------------------------------

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def _ask(self, command, **arguments):
        message = {"execute": command, "arguments": arguments}
        with contextlib.suppress(OSError):
            self.qmp.sendall(json.dumps(message).encode() + b"\n")

    def monitor(self, line):
        """The answer of QEMU's human monitor, or nothing."""
        known = len(self.replies)
        self._ask("human-monitor-command", **{"command-line": line})
        deadline = time.monotonic() + 5
        while len(self.replies) == known and time.monotonic() < deadline:
            for key, _ in self.selector.select(0.1):
                key.data()
        return str(self.replies[-1].get("return", "")) if len(self.replies) > known else ""

    # --- how it ended ---------------------------------------------------------------------------

    def run(self, seconds):
        """Let the machine run to its end, at most so long.  Returns an Outcome."""
        self.pump(self.has_ended, seconds)
        return self.outcome(seconds)

    def outcome(self, seconds):
        """How the machine ended; if it has not, why not.  It is over afterwards."""
        if not self.has_ended():
            return self._hang(seconds)
        if self.shutdown == "guest-reset":
            log = (self.scratch / "log").read_text(errors="replace")
            kind = "triple fault" if "Triple fault" in log else "reset"
            return self._ended(kind, None, self._registers())
        if self.shutdown is not None:
            return self._ended("power off", 0, [])
        status = self.process.wait()
        return self._ended(ENDINGS.get(status, f"exit status {status}"), status, [])

    def _ended(self, kind, status, details):
        return Outcome(self, kind, status, details, time.monotonic() - self.started)

    def _hang(self, seconds):
        """Ask the kernel, by an NMI to each CPU, and QEMU, what everybody is doing."""
        self._ask("inject-nmi")
        self.pump(lambda: False, 2)
        details = [f"no end after {seconds:.0f} seconds"] + self._registers()
        return self._ended("hang", None, details)

    def _registers(self):
        details = []
        for line in self.monitor("info registers -a").splitlines():
            if re.match(r"(CPU#|[RE]IP=|[RE]SI=|CR0=)", line.strip()):
                details.append(line.strip())
            match = re.match(r"[RE]IP=([0-9a-f]+)", line)
            if match:
                rip = int(match[1], 16)
                details.append(f"    {self.symbols.name(rip)} {self.symbols.lines([rip])[0]}")
        return details


class Outcome:
    """kind: "power off", "tests passed", "tests failed", "panic", "triple fault", "reset", "hang"
    or "exit status N"."""

    def __init__(self, machine, kind, status, details, seconds):
        self.kind = kind
        self.status = status
        self.details = details
        self.seconds = seconds
        self.console = machine.console
        self.command = machine.command
        self.symbols = machine.symbols

    @property
    def lines(self):
        return UNPRINTABLE.sub("", ESCAPE.sub("", self.console)).split("\n")

    def diagnosis(self, replay=None):
        """Lines for somebody who has to find out why."""
        tail = [line for line in self.lines if line.strip()][-CONSOLE_TAIL:]
        lines = [f"{self.kind} after {self.seconds:.1f} seconds"] + self.details
        lines += ["last lines of the console:"] + ["| " + line for line in tail]
        explained = self.symbols.explain("\n".join(tail))
        if explained:
            lines += ["addresses in them:"] + ["    " + line for line in explained]
        lines.append("boot: " + shell_line(self.command))
        if replay:
            lines.append("again: " + replay)
        return lines


def shell_line(command):
    """The command for a terminal: without what only the harness needs."""
    skip = {"-qmp", "-D", "-d", "-action"}
    words, rest = [], iter(command)
    for word in rest:
        if word in skip:
            next(rest)
        elif word != "-S":
            words.append(shlex.quote(word))
    return " ".join(words) + " -no-reboot"

# SPDX-License-Identifier: MIT
"""A person at the console: types to busybox's shell and reads what comes back.

The same dialogue is held with the same shell on the build machine first."""

import os
import pty
import re
import select
import signal
import time

from . import build
from .qemu import ESCAPE, Machine
from .settings import ROOT

SECONDS = 60
PS1 = "cowbell:\\w# "               # as in user/init.sh
PROMPT = r"(^|\n)cowbell:[^\n]*# $"
CTRL_C, CTRL_D, CTRL_Z = "\x03", "\x04", "\x1a"

# What is typed, and all that the shell says before it prompts again.  Short enough for 80 columns,
# prompt included: a longer line is drawn twice.
COMMANDS = [
    ("echo $((6 * 7))", "42"),
    ("echo hello | tr a-z A-Z", "HELLO"),
    ("for i in 1 2 3; do echo $i; done | wc -l", "3"),
    ("x=$(echo sub); echo \"$x-$x\"", "sub-sub"),
    ("mkdir -p /tmp/cow/deep && cd /tmp/cow/deep && pwd", "/tmp/cow/deep"),
    ("echo one >f; echo two >>f; cat f", "one\ntwo"),
    ("cp f g && cmp f g && ls", "f  g"),
    ("sed s/one/1/ g", "1\ntwo"),
    ("(exit 7); echo $?", "7"),
    ("greet() { echo \"hello $1\"; }; greet you", "hello you"),
    ("seq 1 1000 | awk '{ s += $1 } END { print s }'", "500500"),
    ("find /tmp/cow -type f | sort", "/tmp/cow/deep/f\n/tmp/cow/deep/g"),
    ("ln -s f h && readlink h && cat h", "f\none\ntwo"),
    ("mv g i; test ! -e g && cat h i | wc -l", "4"),
    ("cd / && rm -r /tmp/cow; ls /tmp/cow", "ls: /tmp/cow: No such file or directory"),
    ("head -c 4096 /dev/zero | wc -c", "4096"),
    ("yes cowbell | head -n 20000 | md5sum", "8f80e0ac857683df9a8a46200b9a00de  -"),
    ("(sleep 0.1; echo later) & wait; echo $?", None),
    ("no-such-command; echo $?", "sh: no-such-command: not found\n127"),
    ("sh -c 'kill -SEGV $$'; echo $?", "Segmentation fault\n139"),
    ("trap 'echo caught' USR1; kill -USR1 $$; trap - USR1", "caught"),
    ("for i in $(seq 100); do sh -c :; done; echo $i", "100"),
]


def jobs(settings):
    for name, test in (("on_linux", on_linux), ("on_cowbell", on_cowbell)):
        if settings.wants("shell", name):
            yield f"shell/{name}", lambda report, n=name, t=test: t(report, settings)


# --- two partners with the same face: console, type(), pump() -----------------------------------

class LocalShell:
    """busybox's shell on a terminal of the build machine."""

    def __init__(self):
        self.console = ""
        busybox = build.busybox_path()
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            environment = {"PATH": os.environ["PATH"], "PS1": PS1, "TERM": "dumb", "HOME": "/"}
            os.chdir("/")
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.execve(busybox, ["sh", "-i"], environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.terminal)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def type(self, text):
        os.write(self.terminal, text.encode())

    def pump(self, until, seconds):
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                return False
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    data = os.read(self.terminal, 65536)
                except OSError:
                    return until()
                self.console += data.decode("utf-8", "replace").replace("\r", "")
        return True


# --- the dialogue -------------------------------------------------------------------------------

class Dialogue:
    """Remembers how much of the console was read, and what was wrong."""

    def __init__(self, partner):
        self.partner = partner
        self.at = 0
        self.problems = []

    def unread(self):
        return ESCAPE.sub("", self.partner.console[self.at:])

    def expect(self, pattern, why):
        """Wait until the pattern has come.  Reads on behind what is there then."""
        found = self.partner.pump(lambda: re.search(pattern, self.unread()), SECONDS)
        text = self.unread()
        if not found:
            self.problems.append(f"{why}: waited in vain for {pattern!r}, saw {text[-200:]!r}")
        self.at = len(self.partner.console)
        return text

    def prompt(self, why):
        return self.expect(PROMPT, why)

    def say(self, text, why):
        self.partner.type(text)
        return self.prompt(why)

    def command(self, line, expected):
        said = self.say(line + "\n", line)
        said = re.sub(PROMPT, "", said.partition("\n")[2]).rstrip("\n")
        if expected is not None and said != expected:
            self.problems.append(f"{line}: {said!r}, not {expected!r}")


def hold(dialogue):
    """All of it.  Ends at the prompt."""
    dialogue.prompt("start")
    for line, expected in COMMANDS:
        if len(dialogue.problems) < 3:
            dialogue.command(line, expected)
    if not dialogue.problems:
        hold_jobs(dialogue)
    return dialogue.problems


# Programs that tell when they run in front: only then do keys mean signals to them.
CAT = "sh -c 'echo ready; exec cat'"
SLEEPER = "sh -c 'trap \"echo awake\" CONT; echo ready; while sleep 0.1; do :; done'"


def hold_jobs(dialogue):
    """Keys that mean signals, stopped jobs, the end of input."""
    start(dialogue, CAT)
    dialogue.partner.type("echo of a line\n")
    dialogue.expect(r"echo of a line\necho of a line\n", "cat repeats")
    dialogue.say(CTRL_D, "Ctrl-D ends cat")
    dialogue.command("echo $?", "0")

    start(dialogue, SLEEPER)
    dialogue.say(CTRL_C, "Ctrl-C ends the sleeper")
    dialogue.command("echo $?", "130")

    start(dialogue, SLEEPER)
    if "Stopped" not in dialogue.say(CTRL_Z, "Ctrl-Z stops the sleeper"):
        dialogue.problems.append("Ctrl-Z: the shell does not say Stopped")
    dialogue.partner.type("fg\n")
    dialogue.expect(r"\nawake\n", "fg wakes the sleeper")
    dialogue.say(CTRL_C, "Ctrl-C ends the job in front")
    dialogue.command("echo $?", "130")
    dialogue.command("jobs", "")


def start(dialogue, line):
    dialogue.partner.type(line + "\n")
    dialogue.expect(r"\nready\n", line)


def on_linux(report, _):
    with LocalShell() as partner:
        report.result("shell/on_linux", hold(Dialogue(partner)))


def archive():
    return build.initramfs("shell", [f"file /init 755 {ROOT}/user/init.sh", "dir /root 755"],
                           busybox=True)


def on_cowbell(report, settings):
    with Machine(settings.words(settings.fork_share), smp=settings.smps([2])[0],
                 initramfs=archive()) as machine:
        problems = hold(Dialogue(machine))
        machine.type(CTRL_D)
        machine.pump(machine.has_ended, SECONDS)
        outcome = machine.outcome(SECONDS)
    if outcome.kind != "power off":
        problems.append(f"Ctrl-D at the prompt: ended by {outcome.kind}")
    report.result("shell/on_cowbell", problems and problems + outcome.diagnosis())

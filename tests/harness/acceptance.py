# SPDX-License-Identifier: MIT
"""Unchanged busybox at work: whole scripts, programs that own the screen, its init.

Whatever it does in Cowbell, it does on the build machine's Linux first, which says what is right."""

import base64
import difflib
import fcntl
import os
import re
import shutil
import struct
import tempfile
import termios

from . import build
from .qemu import Machine
from .settings import ROOT
from .shell import CAT, CTRL_C, CTRL_D, CTRL_Z, SECONDS, SLEEPER, Dialogue, LocalShell, archive, start

SCRIPTS = ROOT / "tests/shell"
PATH = "PATH=/bin:/sbin:/usr/bin:/usr/sbin"


def jobs(settings):
    for name, test in (("scripts", scripts), ("keys_on_linux", keys_on_linux),
                       ("keys_on_cowbell", keys_on_cowbell), ("init_powers_off", init_powers_off),
                       ("init_reboots", init_reboots), ("init_halts", init_halts)):
        if settings.wants("shell", name):
            yield f"shell/{name}", lambda report, n=name, t=test: report.result(
                f"shell/{n}", t(report, settings))


# --- scripts ------------------------------------------------------------------------------------

def scripts(report, settings):
    """Every script prints the same bytes and ends with the same status here and there."""
    expected = {"proc.sh": on_this_machine(SCRIPTS / "proc.sh")}
    if os.geteuid() == 0:
        expected["script.sh"] = in_a_root_of_its_own()
    else:
        report.note("shell/scripts: only root can change the root directory, script.sh is not run")
    outcome, seen = in_cowbell(settings, sorted(expected))
    problems = []
    for name, result in expected.items():
        problems += differences(name, result, seen.get(name, (None, "")))
    if outcome.kind != "power off":
        problems += outcome.diagnosis()
    return problems


def differences(name, expected, seen):
    lines = [list(map(str, result[1].splitlines())) for result in (expected, seen)]
    found = list(difflib.unified_diff(*lines, "on Linux", "in Cowbell", lineterm="", n=2))
    if not found and seen != expected:
        found = [f"exit status {seen[0]}, not {expected[0]}"]
    return found and [f"{name}:"] + found[:60]


def run_script(*command):
    """(status, output) with signals as a new machine has them."""
    clean = ["setsid", "-w", "env", "--default-signal", "-i", PATH, "HOME=/root", "LC_ALL=C"]
    status, output = build.call([*clean, *command], SECONDS)
    return status, output


def on_this_machine(script, *words):
    line = " ".join(map(str, [build.busybox_path(), "sh", script, *words]))
    return run_script("sh", "-c", f"exec {line} 2>&1 </dev/null")


def in_a_root_of_its_own():
    """The same archive, unpacked.  Of /proc, busybox needs no more than the way to itself."""
    path = build.initramfs("scripts-on-linux", [
        "link /proc/self/exe /bin/busybox", "node /dev/null 666 c 1 3", "node /dev/zero 666 c 1 5",
        "node /dev/full 666 c 1 7", "node /dev/urandom 666 c 1 9", "node /dev/tty 666 c 5 0",
        *script_lines(["script.sh"])], busybox=True)
    root = tempfile.mkdtemp(prefix="cowbell-root-")
    try:
        os.chmod(root, 0o755)
        build.call([build.busybox_path(), "sh", "-c", f"cd {root} && busybox cpio -idm <{path}"])
        return run_script("sh", "-c", f"exec chroot {root} sh /scripts/script.sh 2>&1 </dev/null")
    finally:
        shutil.rmtree(root, ignore_errors=True)


def script_lines(names):
    return ["dir /root 755", *(f"file /scripts/{name} 755 {SCRIPTS}/{name}" for name in names)]


def in_cowbell(settings, names, manifest=(), words=()):
    """(outcome, {script: (status, output)}).  Each script gets the words."""
    path = build.initramfs("-".join(names), [f"file /init 755 {SCRIPTS}/script.init", *manifest,
                                             *script_lines(names)], busybox=True)
    boot = [*settings.words(settings.fork_share), "--", *map(str, words)]
    with Machine(boot, smp=settings.smps([2])[0], initramfs=path) as machine:
        outcome = machine.run(2 * SECONDS)
    seen, code = {}, ""
    for line in outcome.lines:
        if line.startswith("output: "):
            code += line.removeprefix("output: ")
        elif match := re.fullmatch(r"ended: (\S+) (\d+)", line):
            seen[match[1]] = int(match[2]), base64.b64decode(code).decode("utf-8", "replace")
            code = ""
    return outcome, seen


# --- keys ---------------------------------------------------------------------------------------

UP, DOWN, LEFT, ESCAPE = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b"
ERASE, KILL_LINE, KILL_WORD, LINE_START, QUIT = "\x7f", "\x15", "\x17", "\x01", "\x1c"
HOLD, RELEASE, QUOTE, ENTER = "\x13", "\x11", "\x16", "\r"
ANY_PROMPT = r"cowbell:[^\n]*# $"


class Typist(Dialogue):
    """Gives up after the first surprise, for nothing fits what comes then."""

    def expect(self, pattern, why):
        return "" if self.problems else super().expect(pattern, why)

    def command(self, line, expected):
        if not self.problems:
            super().command(line, expected)

    def say(self, text, why):
        """A line is first repeated by the shell: a prompt before that is an older one."""
        if not text.endswith("\n"):
            return super().say(text, why)
        self.partner.type(text)
        return self.expect(re.escape(text) + r"(.*\n)*" + ANY_PROMPT, why)


# What is typed at the prompt, and what comes then.
EDITED = [
    (f"echo cowx{ERASE}bell\n", "cowbell"),
    (f"junk{KILL_LINE}echo fresh\n", "fresh"),
    (f"{UP}\n", "fresh"),
    (f"echo one two{KILL_WORD}three\n", "one three"),
    (f"cho start{LINE_START}e\n", "start"),
    (f"echo mddle{LEFT}{LEFT}{LEFT}{LEFT}i\n", "middle"),
    (f"never run{CTRL_C}\necho $?\n", None),
    ("cat comp\t\n", "name"),
]


def keys_on_linux(_, __):
    with LocalShell() as partner:
        fcntl.ioctl(partner.terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        return hold(Typist(partner))


def keys_on_cowbell(_, settings):
    with Machine(settings.words(settings.fork_share), smp=settings.smps([2])[0],
                 initramfs=archive()) as machine:
        problems = hold(Typist(machine))
        return problems and problems + machine.outcome(1).diagnosis()


def hold(dialogue):
    dialogue.prompt("start")
    dialogue.command("cd $(mktemp -d); export TERM=linux", "")
    for part in (edit_lines, type_to_a_program, use_vi, use_less, use_top, juggle_jobs,
                 set_terminal):
        if not dialogue.problems:
            part(dialogue)
    if not dialogue.problems:
        dialogue.command("rm -r $PWD; cd /", "")
    return dialogue.problems


def leave(dialogue, keys, why):
    """Ends a program that owned the screen."""
    dialogue.partner.type(keys)
    dialogue.expect(ANY_PROMPT, why)


def edit_lines(dialogue):
    dialogue.command("echo name >completed", "")
    for keys, expected in EDITED:
        dialogue.partner.type(keys)
        if expected:
            dialogue.expect(rf"\n{expected}\n{ANY_PROMPT}", f"typing {keys!r}")
        else:
            dialogue.expect(r"\n1?30\n" + ANY_PROMPT, f"typing {keys!r}")


def type_to_a_program(dialogue):
    """What the terminal itself makes of keys."""
    start(dialogue, "sh -c 'echo ready; exec cat -v'")
    for keys, answer in ((f"wrogn{ERASE}{ERASE}ng\n", "wrong"), (f"junk{KILL_LINE}good\n", "good"),
                         (f"two words{KILL_WORD}bells\n", "two bells"), (f"{QUOTE}{CTRL_C}\n", r"\^C")):
        dialogue.partner.type(keys)
        dialogue.expect(rf"(^|\n){answer}\n", f"typing {keys!r} to cat")
    dialogue.partner.type(f"{HOLD}held\n")
    if dialogue.partner.pump(lambda: "held\nheld" in dialogue.unread(), 0.3):
        dialogue.problems.append("Ctrl-S does not hold the output")
    dialogue.partner.type(RELEASE)
    dialogue.expect(r"held\nheld\n", "Ctrl-Q releases the output")
    dialogue.say(QUIT, "Ctrl-\\ ends cat")
    dialogue.command("echo $?", "131")
    start(dialogue, CAT)
    dialogue.partner.type(f"parts{CTRL_D}")
    dialogue.expect(r"partsparts$", "Ctrl-D ends a part of a line")
    dialogue.say(CTRL_D, "Ctrl-D ends cat")


def use_vi(dialogue):
    dialogue.partner.type("vi note\n")
    dialogue.expect(r"note .*1/1 100%", "vi starts")
    for keys, shown in (("ifirst line", r"line"), (ESCAPE, r"- note"),
                        (f"osecond{ENTER}third", r"third"), (ESCAPE, r"- note .*3/3")):
        dialogue.partner.type(keys)
        dialogue.expect(shown, f"typing {keys!r} to vi")
    dialogue.partner.type(f"{UP}ddyyp")
    dialogue.expect(r"Put 1 lines", "vi deletes and copies")
    leave(dialogue, f":wq{ENTER}", "vi ends")
    dialogue.command("cat note", "first line\nthird\nthird")
    dialogue.partner.type("vi note\n")
    dialogue.expect(r"note .*1/3", "vi starts again")
    dialogue.partner.type(f"/third{ENTER}x")
    dialogue.expect(r"hird", "vi searches and deletes")
    leave(dialogue, f":q!{ENTER}", "vi ends without saving")
    dialogue.command("wc -l note", "3 note")


def use_less(dialogue):
    dialogue.command("seq 100 >numbers", "")
    dialogue.partner.type("less numbers\n")
    dialogue.expect(r"\n22\n23\n", "less shows a page")
    dialogue.partner.type(" ")
    dialogue.expect(r"\n45\n46\n", "less shows the next page")
    dialogue.partner.type("/7[7]")
    press_enter(dialogue, r"77\n(.*\n)*98\n99\n")
    dialogue.expect(r"77\n(.*\n)*98\n99\n", "less finds a line")
    leave(dialogue, "q", "less ends")
    dialogue.partner.type("seq 50 | less\n")
    dialogue.expect(r"\n23\n", "less reads from a pipe, keys from the terminal")
    leave(dialogue, "q", "less ends")


def press_enter(dialogue, pattern):
    """Until it is noticed.  Between two keys less puts the terminal back into its first mode, in
    which Enter is another key than the one that less waits for."""
    for _ in range(20):
        dialogue.partner.pump(lambda: False, 0.2)
        dialogue.partner.type(ENTER)
        if dialogue.partner.pump(lambda: re.search(pattern, dialogue.unread()), 2):
            return


def use_top(dialogue):
    dialogue.partner.type("top -d 30\n")
    dialogue.expect(r"Mem:.*used.*\n(.*\n)+.*PID.*COMMAND\n.*\d", "top shows processes")
    leave(dialogue, "q", "top ends")


def juggle_jobs(dialogue):
    start(dialogue, SLEEPER)
    dialogue.say(CTRL_Z, "Ctrl-Z stops the first job")
    dialogue.say("sleep 66 &\n", "a job in the background")
    said = dialogue.say("jobs\n", "jobs")
    if not re.search(r"\[1\][+-]? +Stopped.*\n.*\[2\][+-]? +Running", said):
        dialogue.problems.append(f"jobs: {said!r}")
    dialogue.partner.type("bg %1\n")
    dialogue.expect(r"awake\n", "bg wakes the first job")
    if "Stopped" in dialogue.say("jobs\n", "jobs again"):
        dialogue.problems.append("jobs: still stopped after bg")
    dialogue.say("kill %2; wait %2; kill -9 %1; wait %1\n", "both killed")
    dialogue.say("cat &\n", "a reader in the background")
    dialogue.say("until grep -q stopped /proc/$!/status; do :; done\n", "it is stopped")
    said = dialogue.say("jobs\n", "the shell knows")
    if "Stopped" not in said:
        dialogue.problems.append(f"a background job reads from the terminal: {said!r}")
    dialogue.partner.type("fg\n")
    dialogue.expect(r"\ncat\n", "fg names the job")
    dialogue.partner.type("to the front\n")
    dialogue.expect(r"to the front\nto the front\n", "fg lets it read")
    dialogue.say(CTRL_D, "Ctrl-D ends it")
    dialogue.command("jobs", "")


def set_terminal(dialogue):
    dialogue.command("stty size", "24 80")
    dialogue.command("stty -a | grep -c ' icanon '", "1")
    dialogue.command("stty -a | grep -o 'intr = ^C'", "intr = ^C")
    dialogue.command("stty rows 30; stty size; stty rows 24", "30 80")
    dialogue.partner.type("stty -echo; echo ready; read secret; stty echo\n")
    dialogue.expect(r"\nready\n", "echo off")
    dialogue.partner.type("hush\n")
    if "hush" in dialogue.expect(ANY_PROMPT, "a line unseen"):
        dialogue.problems.append("typed text is shown after stty -echo")
    dialogue.command("echo $secret", "hush")
    dialogue.partner.type("stty raw; echo ready; head -c 3 | od -An -tx1\n")
    dialogue.expect(r"\nready\n", "raw")
    dialogue.partner.type("a\x03\r")
    dialogue.expect(r"61 03 0d\n" + ANY_PROMPT, "three raw bytes")
    dialogue.say("stty sane\n", "sane again")
    dialogue.command("echo here >/dev/tty", "here")


# --- busybox init -------------------------------------------------------------------------------

INITTAB = """\
::sysinit:/etc/rc
::wait:/bin/echo the system waited
::askfirst:-/bin/sh
::once:/bin/sleep 1000
::ctrlaltdel:/bin/true
::shutdown:/bin/echo the system shuts down
"""

RC = """\
#!/bin/sh
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
echo "the system starts"
"""


def init_machine(settings):
    with tempfile.TemporaryDirectory(prefix="cowbell-etc-") as scratch:
        for name, text in (("inittab", INITTAB), ("rc", RC), ("profile", "PS1='cowbell:\\w# '\n")):
            with open(f"{scratch}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        path = build.initramfs("init", [
            "link /init /bin/busybox", f"file /etc/inittab 644 {scratch}/inittab",
            f"file /etc/rc 755 {scratch}/rc", f"file /etc/profile 644 {scratch}/profile"],
            busybox=True)
    return Machine(settings.words(settings.fork_share), smp=settings.smps([2])[0], initramfs=path)


def log_in(dialogue):
    dialogue.expect(r"the system starts\n(.*\n)*the system waited\n(.*\n)*.*Please press Enter",
                    "init starts what inittab names")
    dialogue.partner.type("\n")
    dialogue.expect(ANY_PROMPT, "Enter starts the shell")


def say_goodbye(dialogue, command):
    dialogue.partner.type(command + "\n")
    dialogue.expect(r"the system shuts down\n(.*\n)*.*SIGTERM.*\n(.*\n)*.*SIGKILL", command)


def end_with(settings, command, kind):
    with init_machine(settings) as machine:
        dialogue = Typist(machine)
        log_in(dialogue)
        say_goodbye(dialogue, command)
        machine.pump(machine.has_ended, SECONDS)
        outcome = machine.outcome(1)
    problems = dialogue.problems
    if outcome.kind != kind:
        problems.append(f"{command}: ended by {outcome.kind}, not {kind}")
    return problems and problems + outcome.diagnosis()


def init_powers_off(_, settings):
    """A session under init, with orphans and a shell that comes again."""
    with init_machine(settings) as machine:
        dialogue = Typist(machine)
        log_in(dialogue)
        dialogue.command("cat /proc/1/comm; echo $PPID", "init\n1")
        dialogue.command("ps | grep -c '[s]leep 1000'", "1")
        # It looks for dead orphans once in a second.
        dialogue.command("(sleep 0.1 & sleep 0.1 &)", "")
        dialogue.command("while ps | grep -q '[s]leep 0'; do :; done", "")
        dialogue.command("while ps -o stat | grep -q Z; do :; done", "")
        start(dialogue, SLEEPER)
        dialogue.say(CTRL_C, "Ctrl-C ends the sleeper")
        dialogue.command("echo $?", "130")
        dialogue.partner.type("exit\n")
        dialogue.expect(r"Please press Enter", "the shell comes again")
        dialogue.partner.type("\n")
        dialogue.expect(ANY_PROMPT, "Enter starts the shell again")
        say_goodbye(dialogue, "poweroff")
        machine.pump(machine.has_ended, SECONDS)
        outcome = machine.outcome(1)
    problems = dialogue.problems
    if outcome.kind != "power off":
        problems.append(f"poweroff: ended by {outcome.kind}")
    return problems and problems + outcome.diagnosis()


def init_reboots(_, settings):
    return end_with(settings, "reboot", "reset")


def init_halts(_, settings):
    """A halted machine stands still; it neither ends nor panics."""
    with init_machine(settings) as machine:
        dialogue = Typist(machine)
        log_in(dialogue)
        say_goodbye(dialogue, "halt")
        dialogue.expect(r"system halted", "halt")
        if machine.pump(machine.has_ended, 1):
            dialogue.problems.append("halt: the machine has ended")
    return dialogue.problems

# SPDX-License-Identifier: MIT
"""From power-on to the first program: every loader, CPU counts and models, the command line."""

import os
import re

from . import build
from .qemu import ESCAPE, IMAGE, STATUS_FAIL, STATUS_PANIC, Machine
from .settings import BUILD, ROOT

SECONDS = 120


def jobs(settings):
    """Each test is a function of this file whose name begins with test_."""
    tests = {name.removeprefix("test_"): test for name, test in globals().items()
             if name.startswith("test_")}
    for name, test in tests.items():
        if settings.wants("boot", name):
            yield f"boot/{name}", lambda report, n=name, t=test: report.result(
                f"boot/{n}", t(settings))


# --- what the tests are made of -----------------------------------------------------------------

def probe_archive(name="probe", **options):
    return build.initramfs(name, [f"file /init 755 {BUILD}/tests/init/probe"], **options)


def boot(settings, *words, **options):
    """Boot the probe directly.  Returns the outcome."""
    options.setdefault("initramfs", probe_archive())
    with Machine(settings.words() + list(words), **options) as machine:
        return machine.run(SECONDS)


def boot_iso(settings, name, **options):
    iso = BUILD / "tests" / f"{name}.iso"
    command = [str(ROOT / "tools/make-iso"), str(IMAGE), str(probe_archive()),
               " ".join(settings.words()), str(iso)]
    status, output = build.call(command, env=dict(os.environ, GRUB_TIMEOUT="0"))
    if status != 0:
        raise RuntimeError(output)
    with Machine([], iso=iso, **options) as machine:
        return machine.run(SECONDS)


def facts(outcome, word):
    """What the probe printed under a word."""
    return re.findall(rf"^probe: {word} (.*)$", outcome.console, re.MULTILINE)


def problems(outcome, *complaints):
    """The complaints that are not empty, with the diagnosis."""
    told = [complaint for complaint in complaints if complaint]
    return told + outcome.diagnosis() if told else []


def not_off(outcome):
    return outcome.kind != "power off" and f"ended by {outcome.kind}, not by switching off"


def differs(what, seen, expected):
    return seen != expected and f"{what}: {seen}, not {expected}"


def kernel_lines(outcome):
    """The kernel's lines until the probe speaks, without numbers and loader names."""
    head = ESCAPE.sub("", outcome.console).split("probe: pid")[0]
    lines = []
    for line in head.splitlines():
        line = re.sub(r"^\[ *[\d.]+\] ", "", line).strip()
        if line and not re.search(r"PVH|GRUB|loader|command line|Command line", line):
            lines.append(re.sub(r"(0x)?[0-9a-f]*\d[0-9a-f.]*", "#", line))
    return lines


def complaint_about_loader(settings, outcome):
    direct = boot(settings, smp=2)
    there = set(kernel_lines(outcome))
    missing = [line for line in kernel_lines(direct) if line not in there]
    return missing and "not printed as when booted directly: " + "; ".join(missing)


def with_cpus(settings, count):
    outcome = boot(settings, smp=count)
    return problems(outcome, not_off(outcome), differs("CPUs", facts(outcome, "cpus"), [str(count)]))


# --- the tests ----------------------------------------------------------------------------------

def test_direct(settings):
    outcome = boot(settings, smp=2)
    return problems(outcome, not_off(outcome), differs("pid", facts(outcome, "pid"), ["1"]),
                    differs("machine", facts(outcome, "machine"), ["x86_64"]),
                    differs("signal", facts(outcome, "signal to its group"), ["heard"]))


def test_grub_on_bios(settings):
    outcome = boot_iso(settings, "bios", smp=2)
    return problems(outcome, not_off(outcome), complaint_about_loader(settings, outcome))


def test_grub_on_uefi(settings):
    outcome = boot_iso(settings, "uefi", smp=2, uefi=True)
    return problems(outcome, not_off(outcome), complaint_about_loader(settings, outcome))


def test_1_cpu(settings):
    return with_cpus(settings, 1)


def test_2_cpus(settings):
    return with_cpus(settings, 2)


def test_4_cpus(settings):
    return with_cpus(settings, 4)


def test_8_cpus(settings):
    return with_cpus(settings, 8)


def with_early_keys(settings, count):
    """Somebody types from the first moment on, more than the UART and the kernel can keep."""
    with Machine(settings.words(), smp=count, initramfs=probe_archive()) as machine:
        machine.type("z" * 400)
        outcome = machine.run(SECONDS)
    return problems(outcome, not_off(outcome),
                    "zzz" not in outcome.console and "no byte arrived")


def test_keys_during_boot_of_1_cpu(settings):
    return with_early_keys(settings, 1)


def test_keys_during_boot_of_4_cpus(settings):
    return with_early_keys(settings, 4)


def test_smp_word_limits_cpus(settings):
    outcome = boot(settings, "smp=2", smp=4)
    return problems(outcome, not_off(outcome), differs("CPUs", facts(outcome, "cpus"), ["2"]))


def test_oldest_cpu_model(settings):
    outcome = boot(settings, smp=2, cpu="qemu64")
    return problems(outcome, not_off(outcome))


def test_older_chipset(settings):
    outcome = boot(settings, smp=2, extra=["-machine", "pc"])
    return problems(outcome, not_off(outcome))


def test_memory_beyond_4_gib(settings):
    least = 4300 if settings.san else 4900      # an eighth is for the shadow
    outcome = boot(settings, smp=2, memory=5120)
    memory = int((facts(outcome, "memory") or ["0"])[0])
    return problems(outcome, not_off(outcome), memory < least and f"{memory} MiB of 5120")


def with_sparse_memory(settings, gib):
    """The host provides only what is touched: 16 bytes for each 4 KiB, four of them when all is
    recounted, and what is used.  A build with a shadow touches an eighth, and does not do that."""
    if settings.san == "1":
        return []
    backend = ["-object", f"memory-backend-ram,id=ram,size={gib}G,reserve=off",
               "-machine", "memory-backend=ram"]
    outcome = boot(settings, "PROBE=audit", smp=2, memory=gib * 1024, extra=backend)
    memory = int((facts(outcome, "memory") or ["0"])[0])
    return problems(outcome, not_off(outcome),
                    differs("audit", facts(outcome, "audit"), ["clean"]),
                    memory < gib * 1020 and f"{memory} MiB of {gib * 1024}")


def test_memory_of_16_gib(settings):
    return with_sparse_memory(settings, 16)


def test_memory_of_256_gib(settings):
    return with_sparse_memory(settings, 256)


def test_little_memory(settings):
    outcome = boot(settings, memory=48)
    return problems(outcome, not_off(outcome))


def test_mem_word_limits_memory(settings):
    outcome = boot(settings, "mem=128M")
    memory = int((facts(outcome, "memory") or ["0"])[0])
    return problems(outcome, not_off(outcome), not 0 < memory <= 128 and f"{memory} MiB, not 128")


def test_gzip_initramfs(settings):
    outcome = boot(settings, initramfs=probe_archive("probe-gzip", compress=True))
    return problems(outcome, not_off(outcome))


def test_unknown_words_go_to_init(settings):
    outcome = boot(settings, "colour=blue", "loudly", "--", "one", "two=2")
    environment = facts(outcome, "environment")
    return problems(outcome, not_off(outcome),
                    differs("arguments", facts(outcome, "argument"), ["loudly", "one", "two=2"]),
                    "colour=blue" not in environment and f"no colour=blue in {environment}",
                    "HOME=/" not in environment and f"no HOME=/ in {environment}",
                    "TERM=linux" not in environment and f"no TERM=linux in {environment}")


def pools(outcome):
    """What the kernel says of the pools of huge pages: [(how many, of how many, MiB each)]."""
    return [tuple(map(int, pool)) for pool in
            re.findall(r"huge pages: (\d+) of (\d+) with (\d+) MiB each", outcome.console)]


def test_hugepages_words_fill_the_pools(settings):
    outcome = boot(settings, "hugepagesz=2M", "hugepages=3", "hugepages=5", "hugepagesz=3M",
                   "hugepages=7", "transparent_hugepage=never")
    ignored = outcome.console.count("bad value: hugepages=")
    return problems(outcome, not_off(outcome), differs("pools", pools(outcome), [(3, 3, 2)]),
                    differs("words ignored", ignored, 2))


def test_hugepages_without_a_size_are_of_the_default_size(settings):
    outcome = boot(settings, "hugepages=1", "hugepagesz=2M", "hugepages=4", "default_hugepagesz=1G",
                   "PROBE=huge", memory=3072)
    return problems(outcome, not_off(outcome),
                    differs("pools", pools(outcome), [(1, 1, 1024), (4, 4, 2)]),
                    differs("page of 1 GiB", facts(outcome, "huge page"), ["used"]))


def archive_without_init(name):
    return build.initramfs(name, [f"file /opt/first 755 {BUILD}/tests/init/probe"])


def test_init_word_names_the_first_program(settings):
    archive = archive_without_init("probe-elsewhere")
    outcome = boot(settings, "init=/opt/first", initramfs=archive)
    return problems(outcome, not_off(outcome), differs("pid", facts(outcome, "pid"), ["1"]))


def test_missing_init_panics(settings):
    archive = archive_without_init("probe-nowhere")
    outcome = boot(settings, "init=/not/there", initramfs=archive)
    return problems(outcome, differs("exit status", outcome.status, STATUS_PANIC))


def test_end_of_first_program_panics(settings):
    outcome = boot(settings, "PROBE=exit")
    return problems(outcome, differs("exit status", outcome.status, STATUS_PANIC))


def test_kernel_without_its_tests(settings):
    """Is like any other, and does not say that tests passed which it has not."""
    if settings.is_counting:
        return []                       # its tests are linked in for what they make count
    image = build.without_tests(IMAGE)
    outcome, asked = boot(settings, smp=2, image=image), boot(settings, "selftest", image=image)
    told = "built without its tests" in asked.console
    return (problems(outcome, not_off(outcome), differs("pid", facts(outcome, "pid"), ["1"])) +
            problems(asked, differs("exit status", asked.status, STATUS_FAIL),
                     not told and "selftest does not say that there are no tests"))

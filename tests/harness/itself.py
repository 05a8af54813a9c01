# SPDX-License-Identifier: MIT
"""The harness under test: does it notice, and name, everything that can go wrong?"""

from . import bench, conform, tap
from .build import call
from .kernel import complaints
from .qemu import STATUS_FAIL, STATUS_PANIC, STATUS_PASS, Machine
from .settings import BUILD, ROOT


def jobs(settings):
    tests = {name.removeprefix("test_"): test for name, test in globals().items()
             if name.startswith("test_")}
    for name, test in tests.items():
        if settings.wants("harness", name):
            yield f"harness/{name}", lambda report, n=name, t=test: report.result(
                f"harness/{n}", t())


# --- how machines end ---------------------------------------------------------------------------

def end_of(name, *defines, seconds=20):
    """The outcome of an image of our own, so long after it has spoken."""
    image = BUILD / "tests" / f"image-{name}.elf"
    image.parent.mkdir(parents=True, exist_ok=True)
    for command in (
            ["nasm", "-f", "elf64", *defines, "-o", f"{image}.o", f"{ROOT}/tests/harness/image.asm"],
            ["ld", "-Ttext=0x100000", "-z", "noexecstack", "-e", "start", "-o", str(image),
             f"{image}.o"]):
        status, output = call(command)
        if status != 0:
            raise RuntimeError(output)
    with Machine([], memory=64, image=image) as machine:
        machine.pump(lambda: "speaks" in machine.console, 20)
        return machine.run(seconds)


def ends_as(outcome, kind, *details):
    text = "\n".join(outcome.diagnosis())
    missing = [f"no {detail!r} in the diagnosis" for detail in details if detail not in text]
    if outcome.kind != kind:
        missing.insert(0, f"called {outcome.kind!r}, not {kind!r}")
    return missing and missing + outcome.diagnosis()


def test_triple_fault_is_named():
    return ends_as(end_of("triple", "-DTRIPLE_FAULT"), "triple fault", "IP=", "next+",
                   "image: speaks")


def test_reset_is_named():
    return ends_as(end_of("reset", "-DRESET"), "reset", "image: speaks")


def test_hang_is_named_and_located():
    return ends_as(end_of("hang", "-DHANG", seconds=2), "hang", "forever+", "image: speaks")


def test_exit_statuses_are_named():
    return (ends_as(end_of("pass", f"-DSTATUS={STATUS_PASS >> 1}"), "tests passed")
            or ends_as(end_of("fail", f"-DSTATUS={STATUS_FAIL >> 1}"), "tests failed")
            or ends_as(end_of("panic", f"-DSTATUS={STATUS_PANIC >> 1}"), "panic"))


# --- what counts as failure ---------------------------------------------------------------------

class Ended:
    def __init__(self, status):
        self.status = status


def verdict(text, status):
    planned, results, _ = tap.parse(text.splitlines())
    return complaints(planned, results, Ended(status))


def expect(condition, what):
    return [] if condition else [what]


def test_missing_plan_fails():
    return expect(verdict("ok 1 - a.b\n", STATUS_PASS), "a run without a plan passed")


def test_lost_test_fails():
    return expect(verdict("1..2\nok 1 - a.b\n", STATUS_PASS), "one of two tests was not missed")


def test_failed_test_with_good_status_fails():
    return expect(verdict("1..1\nnot ok 1 - a.b\n", STATUS_PASS), "the lie was believed")


def test_good_run_passes():
    return expect(not verdict("KTAP version 1\n1..1\n# note\n[ 0.1] ok 1 - a.b\n", STATUS_PASS),
                  "a good run failed")


def test_failure_keeps_its_reasons():
    _, (first, second), _ = tap.parse("1..2\n# x.c:1: why\nnot ok 1 - a.b\nok 2 - c # SKIP no\n"
                                      .splitlines())
    return (expect("# x.c:1: why" in first.problems, f"the reason is lost: {first.problems}")
            + expect(second.skip == "no", f"the skip is lost: {second.skip!r}"))


# --- what counts as dearer ------------------------------------------------------------------------

def growth(value, old, unit="ticks"):
    return bench.regressions({"x": bench.Figure(value, unit)}, {"x": old})


def test_what_grows_by_more_than_3_per_cent_fails():
    return (expect(growth(1031, 1000), "3.1 % more was not noticed")
            + expect(not growth(1030, 1000), "3 % more is too much")
            + expect(not growth(900, 1000), "less is not more"))


def test_single_instructions_do_not_fail():
    return (expect(not growth(22, 20), "two instructions of twenty are grain")
            + expect(growth(23, 20), "three instructions of twenty are not"))


def test_lost_metric_fails():
    return (expect(bench.lost({}, {"x": 1}), "a lost metric was not missed")
            + expect(not bench.lost({}, {"x": 1}, "y*"), "one that was not asked for was"))


def test_wrong_check_fails():
    class Ended:
        console, command = "check_x 0.00 bool\ndone\n", []
    run = bench.Run(Ended, {"check_x": bench.Figure(0, "bool")})
    return expect(run.problems() == ["check_x is wrong"], f"{run.problems()}")


# --- what counts as the wrong order ---------------------------------------------------------------

def test_each_rule_of_conform_can_be_broken():
    return conform.problems()

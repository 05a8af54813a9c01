# SPDX-License-Identifier: MIT
"""tools/conform under test: one story that is right, and for each rule the same story doctored."""

from . import build
from .settings import ROOT

PRESENT, OWN, PAGE_OWN = 0x25, 0x27, 0x67       # entries: read-only; a table, a page that may be written
USER_END = 1 << 47
PAGE = 4096


class Story:
    """Labelled events.  Frames of tables are 100 to 123, of pages 200 and 201; the page that all is
    about lies at 0x1000."""

    def __init__(self):
        self.steps = []                 # (label, cpu, tid, text)

    def tell(self, label, cpu, tid, *texts):
        self.steps += [(label, cpu, tid, text) for text in texts]

    def lines(self):
        return "".join(f"{order} {order * 10} {cpu} {tid} {tid} {text}\n"
                       for order, (_, cpu, tid, text) in enumerate(self.steps, 1)).encode()

    # --- doctoring ------------------------------------------------------------------------------

    def place(self, label):
        return next(i for i, step in enumerate(self.steps) if step[0] == label)

    def take(self, label):
        taken = [step for step in self.steps if step[0] == label]
        self.steps = [step for step in self.steps if step[0] != label]
        assert taken, label
        return taken

    def insert(self, before, steps):
        at = self.place(before)
        self.steps[at:at] = steps

    def move(self, label, before):
        self.insert(before, self.take(label))


def store(table, index, entry):
    return f"entry_store place={table * PAGE + index * 8:#x} entry={entry:#x}"


def name(frame, rights):
    return frame * PAGE | rights


def table(frame, level):
    return (f"frame_alloc frame={frame} kind=4 order=0",
            f"table_create frame={frame} level={level} address=0x0")


def free(frame, kind=4):
    return f"count_down frame={frame} block=0", f"frame_free frame={frame} kind={kind} order=0"


def shoot(story, label, cpu, tid, other, end=2 * PAGE):
    where = f"space=1 start={0 if end == USER_END else PAGE:#x} end={end:#x}"
    story.tell(f"{label} flushes", cpu, tid, f"flush {where}")
    story.tell(f"{label} asks", cpu, tid, f"shootdown {where}")
    story.tell(f"{label} is answered", other, 0, f"shootdown_ack space=1 cpu={other} by={cpu}")
    story.tell(f"{label} goes on", cpu, tid, f"shootdown_done {where}")


def right_story():
    """A parent of two threads, on CPUs 0 and 1, forks a child, writes, and unmaps the page."""
    story = Story()
    story.tell("birth", 0, 1, *table(100, 4), "space_create space=1 parent=0 root=100",
               "space_load space=1 cpu=0", "space_load space=1 cpu=1")
    story.tell("first page", 0, 1, *table(101, 3), store(100, 0, name(101, OWN)),
               *table(102, 2), store(101, 0, name(102, OWN)),
               *table(103, 1), store(102, 0, name(103, OWN)),
               "frame_alloc frame=200 kind=5 order=0", store(103, 1, name(200, PAGE_OWN)))

    story.tell("fork", 0, 1, *table(110, 4), store(100, 0, name(101, PRESENT)),
               "count_up frame=101 block=0", "entry_share slot=100 named=101 level=4",
               store(110, 0, name(101, PRESENT)))
    shoot(story, "fork", 0, 1, 1, USER_END)
    story.tell("child is there", 0, 1, "space_create space=2 parent=1 root=110")
    story.tell("child runs", 2, 3, "space_load space=2 cpu=2")

    for old, new, above, level in ((101, 111, 100, 3), (102, 112, 111, 2), (103, 113, 112, 1)):
        below = {101: 102, 102: 103, 103: 200}[old]
        story.tell(f"copy of {old}", 1, 2, *table(new, level), f"count_up frame={below} block=0",
                   store(new, int(level == 1), name(below, PRESENT)),
                   store(above, 0, name(new, OWN)))
    story.tell("copy", 1, 2, "frame_alloc frame=201 kind=5 order=0",
               "frame_copy old=200 copy=201 address=0x1000")
    story.tell("old leaf goes", 1, 2, store(113, 1, 0))
    shoot(story, "copy", 1, 2, 0)
    story.tell("new leaf", 1, 2, store(113, 1, name(201, PAGE_OWN)))
    story.tell("puts", 1, 2, *(f"count_down frame={frame} block=0" for frame in (200, 103, 102, 101)))

    story.tell("unmap", 0, 1, store(113, 1, 0))
    shoot(story, "unmap", 0, 1, 1)
    story.tell("put", 0, 1, *free(201, 5))

    story.tell("child leaves", 2, 3, "space_leave space=2 cpu=2", "space_destroy space=2 root=110",
               "count_down frame=110 block=0", store(110, 0, 0), "count_down frame=101 block=0",
               store(101, 0, 0), "count_down frame=102 block=0", store(102, 0, 0),
               "count_down frame=103 block=0")
    story.tell("last leaf goes", 2, 3, store(103, 1, 0))
    story.tell("page goes", 2, 3, *free(200, 5))
    story.tell("tables go", 2, 3, *(f"frame_free frame={frame} kind=4 order=0"
                                    for frame in (103, 102, 101, 110)))
    return story


# --- for each rule, how to break it -------------------------------------------------------------

def put_twice(story):
    story.tell("again", 2, 3, "count_up frame=113 block=0", *["count_down frame=113 block=0"] * 3)


def free_a_page_that_is_named(story):
    story.move("page goes", before="last leaf goes")


def put_before_shootdown(story):
    story.move("put", before="unmap flushes")


def change_a_shared_table(story):
    story.insert("copy of 101", [("wrong", 1, 2, store(101, 5, 0x300025))])


def install_before_shootdown(story):
    story.move("new leaf", before="copy flushes")


def reuse_a_shared_page(story):
    story.insert("copy", [("wrong", 1, 2, store(113, 1, name(200, PAGE_OWN)))])


def run_the_child_before_the_shootdown(story):
    story.move("child is there", before="fork flushes")
    story.move("child runs", before="fork flushes")


def fault_during_fork(story):
    story.insert("fork flushes", [("wrong", 1, 2, store(103, 3, name(300, PRESENT)))])


def go_on_without_an_answer(story):
    story.take("unmap is answered")


def ask_nobody(story):
    for part in ("asks", "is answered", "goes on"):
        story.take(f"unmap {part}")


def fill_what_is_named(story):
    story.insert("copy", [("wrong", 1, 2, "frame_copy old=103 copy=200 address=0x1000")])


DOCTORED = {
    put_twice: "counted",
    free_a_page_that_is_named: "named",
    put_before_shootdown: "remembered",
    change_a_shared_table: "constant",
    install_before_shootdown: "replaced",
    reuse_a_shared_page: "alone",
    run_the_child_before_the_shootdown: "snapshot",
    fault_during_fork: "forking",
    go_on_without_an_answer: "acknowledged",
    ask_nobody: "acknowledged",
    fill_what_is_named: "copied",
}


# --- the verdict --------------------------------------------------------------------------------

def conform(text, *words):
    return build.call([str(ROOT / "tools/conform"), *words], input=text)


def problems():
    """Nothing, when the right story passes, and each doctored one breaks its rule."""
    status, output = conform(right_story().lines())
    found = [] if status == 0 else ["the right story is refused:", *output.splitlines()]
    for doctor, rule in DOCTORED.items():
        story = right_story()
        doctor(story)
        status, output = conform(story.lines())
        if status != 1 or f"{rule}: " not in output:
            found += [f"{doctor.__name__} does not break `{rule}`:", *output.splitlines()]
    rules = {line.split()[0] for line in conform(b"", "--rules")[1].splitlines()}
    found += [f"no doctored story for `{rule}`" for rule in rules - set(DOCTORED.values())]
    return found + refusals()


def refusals():
    """Of what is not whole nothing is said."""
    whole = right_story().lines().decode()
    bad = {
        "lost events": whole + "999 0 0 0 0 lost count=3\n",
        "a plain build's stream": "".join(line for line in whole.splitlines(True)
                                          if "entry_store" not in line),
        "something else": "frame_copy\n",
        "nothing": "",
    }
    return [f"{what}: taken for whole" for what, text in bad.items()
            if conform(text.encode())[0] in (0, None)]

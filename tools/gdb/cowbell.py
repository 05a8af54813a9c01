# SPDX-License-Identifier: MIT
"""gdb commands for Cowbell.  Loaded by .gdbinit.

    tasks            every thread of control: where it is and what it does
    spaces           every address space: root, users, ranges
    pt ADDR [ROOT]   the path from the root table to the page of ADDR, entry by entry
    frame N          what is known of a physical frame (gdb's own `frame` is `f`)
    cowbt [TASK]     the calls of a task that does not run now, or of this CPU
"""

import gdb

PAGE_SHIFT, PAGE_MASK, FRAME_MASK = 12, ~0xfff, 0x000ffffffffff000
DIRECT_MAP = 0xffff888000000000

ENTRY_BITS = [(0, "present"), (1, "write"), (2, "user"), (4, "uncached"), (5, "accessed"),
              (6, "dirty"), (7, "huge"), (8, "global"), (9, "shared"), (10, "uncounted"),
              (11, "parked"), (63, "nx")]
PRESENT, HUGE, PARKED = 1 << 0, 1 << 7, 1 << 11


def read_quadword(address):
    memory = gdb.selected_inferior().read_memory(address, 8)
    return int.from_bytes(bytes(memory), "little")


def read_physical(address):
    return read_quadword(DIRECT_MAP + address)


def elements(head, type_name, member):
    """The elements of an intrusive list."""
    element = gdb.lookup_type(f"struct {type_name}")
    offset = next(f.bitpos // 8 for f in element.fields() if f.name == member)
    at = head["head"]["next"]
    while at and int(at) != int(head["head"].address):
        yield gdb.Value(int(at) - offset).cast(element.pointer())
        at = at["next"]


def static(name):
    """A variable that its file keeps to itself."""
    symbol = gdb.lookup_static_symbol(name) or gdb.lookup_global_symbol(name)
    if symbol is None:
        raise gdb.GdbError(f"no variable {name} in this image")
    return symbol.value()


def text_of(address):
    """name+offset and source line of an instruction."""
    name = gdb.execute(f"info symbol {address:#x}", to_string=True).split(" in section")[0]
    place = gdb.find_pc_line(address)
    line = f" ({place.symtab.filename}:{place.line})" if place.symtab else ""
    return f"{address:#018x} {name.strip()}{line}"


def print_calls(frame_pointer, instruction):
    """Follows the chain of saved frame pointers."""
    print(text_of(instruction))
    for _ in range(40):
        if frame_pointer < DIRECT_MAP or frame_pointer & 7:
            return
        instruction = read_quadword(frame_pointer + 8)
        frame_pointer = read_quadword(frame_pointer)
        if not instruction:
            return
        print(text_of(instruction))


def frame_facts(pfn):
    """A frame's metadata in words."""
    if pfn >= int(gdb.parse_and_eval("frame_count")):
        return "not RAM"
    frame = gdb.parse_and_eval(f"frames[{pfn}]")
    kind = str(frame["kind"].cast(gdb.lookup_type("enum frame_kind")))
    refs = int(gdb.parse_and_eval(f"frame_refs[{pfn}]"))
    facts = f"{kind}, refs {refs}"
    if kind == "FRAME_TABLE":
        facts += f", level {int(frame['level'])}, used {int(frame['used'])}"
        facts += f", resident {int(frame['resident'])}" + (", stale" if frame["stale"] else "")
    return facts


class Cowbell(gdb.Command):
    """Commands that know Cowbell's structures."""

    def __init__(self):
        super().__init__("cowbell", gdb.COMMAND_DATA, prefix=True)


class Tasks(gdb.Command):
    """Every thread of control."""

    def __init__(self):
        super().__init__("tasks", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        states = gdb.lookup_type("enum task_state")
        for task in elements(static("tasks"), "task", "all_node"):
            state = str(task["state"].cast(states)).removeprefix("TASK_").lower()
            where = f"on CPU {int(task['cpu'])}" if task["on_cpu"] else ""
            print(f"{int(task):#x}  {int(task['tid']):5}  {task['name'].string():15} "
                  f"{state:13} {where}")


class Spaces(gdb.Command):
    """Every address space."""

    def __init__(self):
        super().__init__("spaces", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        for space in elements(static("spaces"), "space", "all"):
            root = int(space["mmu"]["root"])
            print(f"{int(space):#x}  id {int(space['mmu']['id'])}  root frame {root >> PAGE_SHIFT:#x}"
                  f"  users {int(space['users'])}  ranges {int(space['vmas']['count'])}"
                  f"  resident {int(space['resident'])} pages")


class PageTable(gdb.Command):
    """pt ADDR [ROOT]: the path from the root table (physical address; now: CR3) to a page."""

    def __init__(self):
        super().__init__("pt", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if not words:
            raise gdb.GdbError("pt ADDR [ROOT]")
        address = int(gdb.parse_and_eval(words[0])) & (1 << 64) - 1
        root = gdb.parse_and_eval(words[1] if len(words) > 1 else "$cr3")
        table = int(root) & FRAME_MASK
        for level in (4, 3, 2, 1):
            index = address >> (PAGE_SHIFT + 9 * (level - 1)) & 511
            entry = read_physical(table + 8 * index)
            print(self.line(level, table, index, entry))
            if not entry & PRESENT or (level > 1 and entry & HUGE):
                return
            table = entry & FRAME_MASK

    @staticmethod
    def line(level, table, index, entry):
        head = f"level {level}  table {table >> PAGE_SHIFT:#x}[{index}] = {entry:#018x}"
        if not entry:
            return head + "  none"
        bits = " ".join(name for bit, name in ENTRY_BITS if entry >> bit & 1)
        pfn = ((~entry if entry & PARKED else entry) & FRAME_MASK) >> PAGE_SHIFT
        return f"{head}  {bits}\n         -> frame {pfn:#x}: {frame_facts(pfn)}"


class Frame(gdb.Command):
    """frame N: what is known of physical frame N.  gdb's own command is `f`."""

    def __init__(self):
        super().__init__("frame", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("frame N")
        pfn = int(gdb.parse_and_eval(argument))
        print(f"frame {pfn:#x}, physical {pfn << PAGE_SHIFT:#x}: {frame_facts(pfn)}")


class Backtrace(gdb.Command):
    """cowbt [TASK]: the calls of a task that does not run now (its address), or of this CPU."""

    def __init__(self):
        super().__init__("cowbt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        if not argument:
            print_calls(int(gdb.parse_and_eval("(unsigned long)$rbp")),
                        int(gdb.parse_and_eval("(unsigned long)$rip")))
            return
        # As arch/x86_64/switch.asm leaves it: rbp, return address.
        saved = int(gdb.parse_and_eval(f"((struct task *)({argument}))->stack_pointer"))
        print_calls(read_quadword(saved), read_quadword(saved + 8))


for command in (Cowbell, Tasks, Spaces, PageTable, Frame, Backtrace):
    command()

# SPDX-License-Identifier: MIT
#
# `make help` lists what can be made.  MAP lists what the kernel is made of.

# What to boot with: make run SMP=2 FORK_SHARE=page APPEND="loglevel=7"
SMP        ?= 4
MEM        ?= 512
FORK_SHARE ?=
SEED       ?=
APPEND     ?=

# Which tests (a shell pattern): make test T='fork*'
T          ?=

# Test builds: DEBUG=1 checks lock order and more, HOOKS=1 has fault points and seeded jitter.
DEBUG      ?=
HOOKS      ?=

# Sanitized builds, with all checks of DEBUG and HOOKS: SAN=1 stops at the first wrong use of memory,
# undefined behaviour and smashed stack, SAN=race at two CPUs in one variable.
SAN        ?=
ifneq ($(filter-out 1 race,$(SAN)),)
$(error SAN is 1 or race)
endif
ifneq ($(SAN),)
override DEBUG := 1
override HOOKS := 1
endif

# Without the kernel's own tests, TESTS=, the image is smaller, and `selftest` says that it has none.
TESTS      ?= 1

# Times the longest faults, shootdowns, and stretches without interrupts or preemption.
TAIL       ?=
ifneq ($(and $(SAN),$(TAIL)),)
$(error SAN and TAIL do not go together)
endif

# Counts how often each line and branch runs; with fault points, which lead to the rarer ones.
COVERAGE   ?=
ifneq ($(COVERAGE),)
override HOOKS := 1
endif

Q       := $(if $(V),,@)
say      = $(if $(V),@:,@printf '  %-6s %s\n' '$(1)' '$(2)')
checks  := $(if $(DEBUG),/debug)$(if $(HOOKS),/hooks)$(if $(TAIL),/tail)
BUILD   := build$(if $(COVERAGE),/coverage)$(if $(SAN),/$(SAN:1=san),$(checks))
IMAGE_DIR := $(BUILD)$(if $(TESTS),,/no-tests)

# --- tools ------------------------------------------------------------------------------------

CROSS   := $(if $(shell command -v x86_64-elf-gcc),x86_64-elf-)
ifeq ($(origin CC),default)
CC      := $(CROSS)gcc
endif
LD      := $(CROSS)ld
NM      := $(CROSS)nm
NASM    := nasm
MUSL_CC := musl-gcc
QEMU    := qemu-system-x86_64
BUSYBOX := $(firstword $(wildcard /bin/busybox /usr/bin/busybox) /bin/busybox)
OVMF    := /usr/share/OVMF

# --- flags ------------------------------------------------------------------------------------

DEFINES := $(if $(DEBUG),-DCOWBELL_DEBUG) $(if $(HOOKS),-DCOWBELL_HOOKS) \
	$(if $(filter 1,$(SAN)),-DCOWBELL_SAN) $(if $(filter race,$(SAN)),-DCOWBELL_RACE) \
	$(if $(TAIL),-DCOWBELL_TAIL)

WARNINGS := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wshadow \
	-Wno-unused-parameter

# No floating point, no red zone (interrupts use the same stack), addresses in the last 2 GiB.
MACHINE := -std=gnu11 -O2 -g -ffreestanding -fno-pie -fno-pic -mcmodel=kernel -mno-red-zone \
	-mgeneral-regs-only -fno-omit-frame-pointer -fno-stack-protector -fcf-protection=none \
	-fno-strict-aliasing -fno-common -ffunction-sections -fdata-sections -nostdinc -I. $(DEFINES) \
	$(if $(HOOKS),-fno-optimize-sibling-calls)

# Counters that stay in memory, where tests/harness/coverage.py reads them.  What the optimizer would
# make of lines and branches is not what was written.
COUNTERS := -O1 -fno-inline -fprofile-arcs -ftest-coverage -fprofile-info-section \
	-fprofile-update=atomic -Wno-maybe-uninitialized

# A canary, struct cpu.canary, between a function's variables and its way back.  In plain builds where
# there are buffers on stacks, and few instructions to count.
CANARY := -mstack-protector-guard=tls -mstack-protector-guard-reg=gs -mstack-protector-guard-offset=32
GUARDED := $(if $(filter 1,$(SAN)),,-fstack-protector $(CANARY))

# What the compiler adds in a sanitized build.  Code that keeps the shadow (mm/kasan.c) is called
# only with news: the common case is checked in place.
SANITIZE_1 := -fsanitize=kernel-address -fasan-shadow-offset=0xdffffc0000000000 \
	--param asan-stack=1 --param asan-globals=1 \
	--param asan-instrumentation-with-call-threshold=10000 -fsanitize=undefined \
	-fstack-protector-strong $(CANARY)
# Calls of these functions go through kernel/race_hooks.c, which looks at the whole range.
SANITIZE_race := -fsanitize=thread --param tsan-distinguish-volatile=1 \
	--param tsan-instrument-func-entry-exit=0 -Wno-tsan
wrapped   := $(if $(filter race,$(SAN)),memcpy memmove memset memcmp user_copy) \
	$(if $(TAIL),trap trap_user_page_fault fault_resolve)
SANITIZE   = $(if $(SAN),$(SANITIZE_$(SAN))) $(if $(COVERAGE),$(COUNTERS))
FRAME_MAX := $(if $(SAN),4096,1024)

# What stands on the way of each call, fault, switch, fork, exec and exit is optimised for speed; all
# else, the tests too, for size: that is a quarter fewer bytes.  Test builds with fault points are all
# for speed: who asks for memory is known by where a call returns to, which inline functions must not
# hide (kernel/hooks.h).
FAST := lib/string lib/elf $(addprefix arch/x86_64/,apic cpu fpu timer tlb trap usercopy) \
	$(addprefix mm/,ahead buddy buffer commit cursor detach fault frame \
		kstack mmap object protect slab space tree uaccess vma) \
	$(addprefix kernel/,arguments clock deliver exec exit fork futex futex_queue loader mutex pid \
		process reap run_queue sched sigframe spinlock sys_clone sys_io \
		sys_mem sys_process syscall task upcalls wait) \
	$(addprefix fs/,context dentry fdtable file inode path pipe tmpfs_file)
SMALL := -Os -Wno-maybe-uninitialized

# Where one way is the usual one, what only others need is not computed ahead.
STRAIGHT := fs/pipe kernel/sched kernel/sys_io kernel/wait
NOTHING_AHEAD := -fno-tree-pre

# Jump targets are not aligned: what fills the gaps is executed, too.  clang does not know these.
DENSE := -falign-jumps=1 -falign-loops=1

CFLAGS   = $(MACHINE) $(DENSE) $(OPTIMIZE) $(WARNINGS) $(GUARD) $(SANITIZE) -Wframe-larger-than=$(FRAME_MAX) \
	-isystem $(shell $(CC) -print-file-name=include)

NASMFLAGS := -f elf64 -g -F dwarf -Werror -I./ -I$(BUILD)/include/ $(DEFINES)

# Nobody maps the image's file, so its segments need not begin on pages there; in memory they do.
LDFLAGS := -nostdlib -static -no-pie -z max-page-size=16 -z noexecstack --build-id=none \
	--fatal-warnings --gc-sections -T linker.ld $(wrapped:%=--wrap=%) $(if $(COVERAGE),--defsym=__gcov_merge_add=0)

USER_CFLAGS := -std=gnu11 -O2 -static -pthread -Wall -Wextra -Werror

# --- sources ----------------------------------------------------------------------------------

# The map is the build list.  Lines that say [SAN=...] or [TAIL=1] count in that build only.  Tests of the
# kernel's inside are linked in as well, unless TESTS is empty; they take part in nothing until they are
# asked for.
sources   := \([^ \#]*\.\(c\|asm\)\)
unmarked  := $(shell sed -n '/\[\(SAN\|TAIL\)=/d; s/^$(sources)\($$\|[ \t].*\)/\1/p' MAP)
mark       = \[$(if $(SAN),SAN=$(SAN),TAIL=1)\]
marked    := $(if $(SAN)$(TAIL),$(shell sed -n '/$(mark)/ s/^$(sources)[ \t].*/\1/p' MAP))
mapped    := $(unmarked) $(marked)
C_SOURCES := $(filter %.c,$(mapped)) $(sort $(wildcard tests/kernel/*.c))
OBJECTS   := $(patsubst %,$(BUILD)/obj/%.o,$(filter %.asm,$(mapped)) \
	$(if $(TESTS),$(C_SOURCES),$(filter-out tests/%,$(C_SOURCES))))
OFFSETS   := $(BUILD)/include/offsets.inc

USER_PROGRAMS := $(patsubst user/%.c,build/user/%,$(sort $(wildcard user/*.c)))
USER_TESTS    := $(patsubst tests/user/%.c,build/tests/user/%,$(sort $(wildcard tests/user/*.c)))
INIT_PROGRAMS := $(patsubst tests/user/init/%.c,build/tests/init/%,\
	$(sort $(wildcard tests/user/init/*.c)))
TORTURE       := build/tests/torture/torture build/tests/torture/soak
BENCH_SOURCES := $(filter-out %/nop.c,$(sort $(wildcard tests/bench/*.c)))
BENCH         := build/tests/bench/bench build/tests/bench/nop

# --- the kernel -------------------------------------------------------------------------------

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all iso run run-iso run-uefi test selftest debug gdb lint check loc deps clean help \
	tail bench bench-share bench-linux bench-wall bench-locks bench-record plots profile figures footprint \
	analyze model failures fuzz fuzz-mm differ coverage museum mutants night torture soak user-programs \
	user-tests bench-programs

all: $(IMAGE_DIR)/cowbell.elf                       ## the kernel, build/cowbell.elf (the default)

# The sanitizers' own files are not sanitized, nor what they look at as a whole.
unsanitized := $(marked) $(if $(filter memcpy,$(wrapped)),lib/string.c)
$(unsanitized:%=$(BUILD)/obj/%.o) $(OFFSETS): private SANITIZE :=

$(if $(HOOKS),,$(patsubst %,$(BUILD)/obj/%.o,$(filter-out $(FAST:%=%.c),$(C_SOURCES)))): \
	private OPTIMIZE := $(SMALL)
$(STRAIGHT:%=$(BUILD)/obj/%.c.o): private OPTIMIZE := $(NOTHING_AHEAD)
$(foreach folder,fs kernel lib,$(BUILD)/obj/$(folder)/%.o): private GUARD := $(GUARDED)
$(unsanitized:%=$(BUILD)/obj/%.o): private GUARD :=     # they may run before there is a canary

# The tests are not what is covered.
$(BUILD)/obj/tests/%: private COUNTERS :=

$(BUILD)/obj/%.c.o: %.c $(BUILD)/.flags | $(BUILD)/.tools
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -MF $@.d -c -o $@ $<

$(BUILD)/obj/%.asm.o: %.asm $(OFFSETS) | $(BUILD)/.tools
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) $(NASMFLAGS) -MD $@.d -MP -o $@ $<

$(OFFSETS): arch/x86_64/offsets.c tools/make-offsets $(BUILD)/.flags | $(BUILD)/.tools
	$(call say,OFFSET,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -MT $@ -MF $@.d -S -o $(@:.inc=.s) $<
	$(Q)tools/make-offsets $(@:.inc=.s) >$@

# The table of function names can be made only from a linked image, and is part of it.  So link
# twice; the table stands behind all functions, and the second link must move none of them.
$(IMAGE_DIR)/unnamed.elf: $(OBJECTS) $(IMAGE_DIR)/symtable-empty.o linker.ld MAP
	$(Q)$(LD) $(LDFLAGS) -o $@ $(OBJECTS) $(IMAGE_DIR)/symtable-empty.o

# Functions of a sanitized build may be far from the first of their block.
SYMBOLS := tools/make-symbols $(if $(filter 1,$(SAN)),WIDE=1)

$(IMAGE_DIR)/symtable-empty.asm: tools/make-symbols
	$(Q)mkdir -p $(@D)
	$(Q)$(SYMBOLS) </dev/null >$@

$(IMAGE_DIR)/symtable.asm: $(IMAGE_DIR)/unnamed.elf tools/make-symbols
	$(Q)$(NM) -n $< | $(SYMBOLS) >$@

$(IMAGE_DIR)/symtable.o $(IMAGE_DIR)/symtable-empty.o: %.o: %.asm
	$(Q)$(NASM) -f elf64 -Werror -o $@ $<

$(IMAGE_DIR)/cowbell.elf: $(OBJECTS) $(IMAGE_DIR)/symtable.o linker.ld MAP
	$(call say,LD,$@)
	$(Q)$(LD) $(LDFLAGS) -o $@ $(OBJECTS) $(IMAGE_DIR)/symtable.o
	$(Q)$(NM) -n $@ | $(SYMBOLS) | cmp -s - $(IMAGE_DIR)/symtable.asm || \
		{ echo 'Functions moved between the two links.' >&2; rm -f $@; false; }

# Fails early, and says what to install.
$(BUILD)/.tools: tools/need
	$(Q)mkdir -p $(@D)
	$(Q)tools/need gcc ld nasm && touch $@

used = $(CC) $(MACHINE) $(DENSE) $(SMALL) $(FAST) $(NOTHING_AHEAD) $(STRAIGHT) $(WARNINGS) $(GUARDED) \
	$(SANITIZE)

# Changes when the compiler or its flags do.
$(BUILD)/.flags: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo '$(used)' | cmp -s - $@ || echo '$(used)' >$@
.PHONY: FORCE
FORCE:

-include $(OBJECTS:%=%.d) $(OFFSETS).d

# --- programs ---------------------------------------------------------------------------------

user-programs: $(USER_PROGRAMS)
user-tests: $(USER_TESTS) $(INIT_PROGRAMS) $(TORTURE) build/tests/fuzz/fuzz \
	build/tests/differ/differ
bench-programs: $(BENCH)

build/user/%: user/%.c $(wildcard user/*.h)
	$(call say,MUSL,$<)
	$(Q)tools/need musl-gcc
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(USER_CFLAGS) -Iuser -o $@ $<

build/tests/user/%: tests/user/%.c $(wildcard tests/user/*.h)
	$(call say,MUSL,$<)
	$(Q)tools/need musl-gcc
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(USER_CFLAGS) -Itests/user -o $@ $<

build/tests/init/%: tests/user/init/%.c $(wildcard tests/user/init/*.h)
	$(call say,MUSL,$<)
	$(Q)tools/need musl-gcc
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(USER_CFLAGS) -o $@ $<

STORM := tests/torture/storm.c tests/torture/pages.c

build/tests/torture/%: tests/torture/%.c $(STORM) $(wildcard tests/torture/*.h tests/user/init/*.h)
	$(call say,MUSL,$@)
	$(Q)tools/need musl-gcc
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(USER_CFLAGS) -Itests/user/init -o $@ $< $(STORM)

# Random calls may take the C library's state away: nothing of it where they are made.
build/tests/fuzz/fuzz: $(wildcard tests/fuzz/*.[chS]) tests/fuzz/calls.def kernel/syscalls.def \
		tests/user/init/judge.h
	$(call say,MUSL,$@)
	$(Q)tools/need musl-gcc
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(USER_CFLAGS) -I. -fno-stack-protector -fcf-protection=none -fno-pie -no-pie \
		-o $@ $(filter %.c %.S,$^)

build/tests/differ/differ: $(wildcard tests/differ/*.[ch])
	$(call say,MUSL,$@)
	$(Q)tools/need musl-gcc
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(USER_CFLAGS) -I. -o $@ $(filter %.c,$^)

# No position independence and no calls to memset behind our back: it is the kernel that is measured.
BENCH_CFLAGS := $(USER_CFLAGS) -s -fno-pie -no-pie -fno-stack-protector -fcf-protection=none \
	-fno-tree-loop-distribute-patterns

build/tests/bench/bench: $(BENCH_SOURCES) tests/bench/bench.h
	$(call say,MUSL,$@)
	$(Q)tools/need musl-gcc
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(BENCH_CFLAGS) -o $@ $(BENCH_SOURCES)

build/tests/bench/nop: tests/bench/nop.c
	$(call say,MUSL,$@)
	$(Q)tools/need musl-gcc
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSL_CC) $(BENCH_CFLAGS) -o $@ $<

# A small Linux userland: busybox, our programs and the tests.
build/initramfs.cpio: user/init.sh tools/make-initramfs $(USER_PROGRAMS) $(USER_TESTS)
	$(call say,CPIO,$@)
	$(Q)tools/need busybox python3
	$(Q){ \
		echo 'file /init 755 user/init.sh'; \
		echo 'node /dev/console 600 c 5 1'; \
		for dir in proc sys root tests; do echo "dir /$$dir 755"; done; \
		echo 'dir /tmp 1777'; \
		for program in $(USER_PROGRAMS); do \
			echo "file /bin/$${program##*/} 755 $$program"; done; \
		for program in $(USER_TESTS); do \
			echo "file /tests/$${program##*/} 755 $$program"; done; \
	} | tools/make-initramfs -b $(BUSYBOX) -o $@

# --- running ----------------------------------------------------------------------------------

words    = $(if $(FORK_SHARE),fork_share=$(FORK_SHARE)) $(if $(SEED),seed=$(SEED)) $(APPEND)
CMDLINE  = $(strip console=ttyS0 panic=-1 $(words))

machine  = $(QEMU) -machine q35 -cpu max -m $(MEM) -smp $(SMP) -nic none -no-reboot \
	-device isa-debug-exit,iobase=0xf4,iosize=0x04
direct   = -kernel $(IMAGE_DIR)/cowbell.elf -initrd build/initramfs.cpio

escape   = @echo '  QEMU   press Ctrl-A then X to leave it'

iso: build/cowbell.iso                          ## build/cowbell.iso, for BIOS and UEFI

build/cowbell.iso: $(IMAGE_DIR)/cowbell.elf build/initramfs.cpio tools/make-iso
	$(call say,ISO,$@)
	$(Q)tools/need grub-mkrescue xorriso mformat /usr/lib/grub/i386-pc /usr/lib/grub/x86_64-efi
	$(Q)tools/make-iso $(IMAGE_DIR)/cowbell.elf build/initramfs.cpio "$(CMDLINE)" $@

run: needed                                     ## boot to a shell on this terminal
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all build/initramfs.cpio
	$(escape)
	$(Q)$(machine) $(direct) -nographic -append "$(CMDLINE)"

run-iso: needed                                 ## the same through GRUB and a BIOS
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) iso
	$(escape)
	$(Q)$(machine) -cdrom build/cowbell.iso -nographic

run-uefi: needed                                ## the same through GRUB and UEFI
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) iso
	$(Q)cp $(OVMF)/OVMF_VARS.fd build/uefi-vars.fd
	$(escape)
	$(Q)$(machine) -cdrom build/cowbell.iso -nographic \
		-drive if=pflash,unit=0,format=raw,readonly=on,file=$(OVMF)/OVMF_CODE.fd \
		-drive if=pflash,unit=1,format=raw,file=build/uefi-vars.fd

debug: all build/initramfs.cpio                 ## QEMU stands still until `make gdb` joins it
	@echo '  QEMU   waits for gdb: run "make gdb" in another terminal; Ctrl-A X leaves QEMU'
	$(Q)$(machine) $(direct) -nographic -s -S -append "$(CMDLINE) norandmaps"

gdb:                                            ## gdb with the commands of tools/gdb
	$(Q)tools/need gdb
	$(Q)gdb -q -nx -x .gdbinit

# --- testing ----------------------------------------------------------------------------------

test: needed                                    ## everything: TAP, then "N passed, N failed"
	$(Q)T='$(T)' SEED='$(SEED)' FORK_SHARE='$(FORK_SHARE)' SAN='$(SAN)' V='$(V)' \
		SMP='$(if $(filter file,$(origin SMP)),,$(SMP))' tests/run

# QEMU ends with 33 when all tests passed, 35 when one failed, 37 after a panic.
selftest: all                                   ## the kernel's own tests, on the console
	$(Q)$(machine) -kernel $(IMAGE_DIR)/cowbell.elf -nographic \
		-append "$(CMDLINE) selftest$(if $(T),=$(T))"; test $$? = 33

# Each turn of each test; EVERY=0: the first turn of each site in each test.  DOUBLES=n: n pairs, too.
failures: needed                                ## whatever the tests ask the kernel for fails once
	$(Q)tools/failures $(if $(EVERY),--every $(EVERY)) $(if $(DOUBLES),--doubles $(DOUBLES)) \
		$(if $(SEED),--seed $(SEED)) $(if $(T),'$(T)',--sites)

# SECONDS=n; ROUND=n: that round of the seed alone; LIST=file: calls from a file.  COVERAGE=1 GUIDED=n:
# does it pay to let coverage choose?  n boots from seeds, then n both ways.
fuzz: all build/tests/fuzz/fuzz                 ## random system calls, until time is up or one breaks something
	$(Q)tools/fuzz -k $(IMAGE_DIR)/cowbell.elf --smp $(SMP) $(if $(SEED),--seed $(SEED)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(ROUND),--round $(ROUND)) \
		$(if $(LIST),--list $(LIST)) $(if $(GUIDED),--guided $(GUIDED))

# SEEDS boots from SEED on; TIMES=100 wants each of them the same so often; CONFORM=1 checks events.
SEEDS ?= 20
TIMES ?= 1

torture:                                        ## storms under SEEDS=n schedules, replayable by SEED=n
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all user-tests DEBUG=1 HOOKS=1
	$(Q)tools/torture --seeds $(SEEDS) --first $(or $(SEED),1) --smp $(SMP) --times $(TIMES) \
		$(if $(FORK_SHARE),--share $(FORK_SHARE)) $(if $(CONFORM),--conform)

# MINUTES of mixed load; SEED is where its storms begin.
MINUTES ?= 5

soak:                                           ## MINUTES=n of mixed load, everything recounted each minute
	$(Q)$(MAKE) --no-print-directory $(if $(V),,-s) all user-tests DEBUG=1 HOOKS=1
	$(Q)tools/soak --minutes $(MINUTES) --seed $(or $(SEED),1) --smp $(SMP) \
		$(if $(FORK_SHARE),--share $(FORK_SHARE))

# LIST=file: operations from a file.
fuzz-mm:                                        ## SECONDS=n of random operations on mm/ itself, on this machine
	$(Q)tools/need gcc
	$(Q)tools/fuzz-mm $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(LIST),--play $(LIST))

# SEED=n: the first of them.
differ: all build/tests/differ/differ           ## SEEDS=n programs of memory operations on Linux and here, compared
	$(Q)tools/differ --smp $(SMP) $(if $(SEED),--first $(SEED)) \
		$(if $(filter-out file,$(origin SEEDS)),--seeds $(SEEDS)) \
		$(if $(FORK_SHARE),--share $(FORK_SHARE))

# HTML=folder: as pages, too.  AGAIN=1: the table of what was counted last.  LINES=1: what did not run.
coverage: needed                                ## lines and branches of the kernel that the tests run
	$(Q)tools/coverage $(if $(AGAIN),--again) $(if $(LINES),--lines) $(if $(HTML),--html $(HTML)) \
		$(if $(T),'$(T)')

check:                                          ## the map, lengths of files and functions, names in docs
	$(Q)tools/need ctags
	$(Q)tools/check-map
	$(Q)tools/check-style
	$(Q)tools/check-docs
	$(Q)tools/plots --check

model:                                          ## SPIN on docs/model: no error, and one for each broken rule
	$(Q)tools/need gcc spin
	$(Q)docs/model/run $(T)

night:                                          ## the long forms of all tests, one after the other
	$(Q)tools/night $(T)

museum: needed                                  ## bugs of history, built in one by one: is each noticed?
	$(Q)tests/museum/run $(T)

# N=0: all there are.  FILE=mm/tree.c: of that file.  SEEDS=1/4: so many of the usual.  RECHECK=1:
# are the known survivors still some?
mutants:                                        ## small random mistakes in mm/: how many do its tests notice?
	$(Q)tools/need gcc python3
	$(Q)tests/host/mutants/generate $(if $(N),N=$(N)) $(if $(FILE),FILE=$(FILE)) \
		$(if $(SEED),SEED=$(SEED)) $(if $(filter-out file,$(origin SEEDS)),SEEDS=$(SEEDS)) \
		$(if $(RECHECK),--recheck)

CLANG_FLAGS = --target=x86_64-linux-gnu $(MACHINE) $(WARNINGS) \
	-isystem $(shell clang -print-resource-dir)/include

lint: $(OFFSETS)                                ## warnings of gcc, clang and cppcheck as errors
	$(Q)tools/need clang cppcheck
	$(call say,LINT,gcc)
	$(Q)$(CC) $(CFLAGS) -DCOWBELL_DEBUG -DCOWBELL_HOOKS -fsyntax-only $(C_SOURCES)
	$(call say,LINT,clang -Wthread-safety)
	$(Q)clang $(CLANG_FLAGS) -Wthread-safety -fsyntax-only $(filter-out tests/%,$(C_SOURCES))
	$(Q)clang $(CLANG_FLAGS) -fsyntax-only $(filter tests/%,$(C_SOURCES))
	$(call say,LINT,cppcheck)
	$(Q)mkdir -p $(BUILD)/cppcheck
	$(Q)cppcheck --quiet --std=c11 --max-configs=1 --enable=warning,portability --inline-suppr \
		--cppcheck-build-dir=$(BUILD)/cppcheck \
		--suppressions-list=tools/cppcheck.txt --error-exitcode=1 -I. $(C_SOURCES)

# A file is looked at again when it has changed.  In mm/slab.c it does not know that a cache with an
# empty slab has a last one.
analyze: $(C_SOURCES:%=$(BUILD)/analyzed/%.ok)  ## gcc's static analyzer, warnings as errors

$(BUILD)/analyzed/mm/slab.c.ok: private ANALYZER := -Wno-analyzer-null-dereference

$(BUILD)/analyzed/%.c.ok: %.c $(BUILD)/.flags | $(BUILD)/.tools
	$(call say,LINT,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -fanalyzer $(ANALYZER) -MMD -MP -MT $@ -MF $@.d -c -o /dev/null $<
	$(Q)touch $@

-include $(C_SOURCES:%=$(BUILD)/analyzed/%.ok.d)

# --- measuring --------------------------------------------------------------------------------

# Which metrics (shell patterns), and which fork_share: make bench ONLY='fork_*,redis' SHARE=page
ONLY  ?=
HUGE  ?=
SHARE ?= $(FORK_SHARE)

# HUGE=1: large pages without asking, as with transparent_hugepage=always.
bench_words = $(if $(ONLY),--only '$(ONLY)') $(if $(SHARE),--share $(SHARE)) $(if $(HUGE),--huge)

bench: all $(BENCH)                             ## costs in instructions, beside what was recorded and Linux
	$(Q)tools/bench table $(bench_words)

bench-share: all $(BENCH)                       ## the costs of fork under each fork_share
	$(Q)tools/bench share $(if $(ONLY),--only '$(ONLY)')

bench-linux: all $(BENCH)                       ## the same program on Debian's kernel, beside Cowbell
	$(Q)tools/bench linux $(bench_words)

bench-wall: all $(BENCH)                        ## in time, not instructions: ratios to Debian's kernel
	$(Q)tools/bench wall $(bench_words)

bench-locks: all $(BENCH)                       ## the share of work that SMP=4 processors spend spinning for locks
	$(Q)tools/bench locks --smp $(SMP) $(bench_words)

bench-record: all $(BENCH)                      ## measure all again, and write it to tests/bench/figures.json
	$(Q)tools/bench record $(if $(LINUX),--linux)
	$(Q)tools/plots

plots:                                          ## docs/img and the tables of docs/BENCH.md, from what is recorded
	$(Q)tools/plots

profile: all $(BENCH)                           ## where the instructions of T go: T=fork_exit_wait_0m
	$(Q)tools/profile -k $(IMAGE_DIR)/cowbell.elf $(or $(T),fork_exit_wait_0m)

figures: all                                    ## seconds until the shell's prompt
	$(Q)tools/figures

tail: user-tests                                ## the longest faults, times without interrupts, shootdowns
	$(Q)$(MAKE) --no-print-directory TAIL=1 all
	$(Q)tools/tail $(if $(T),--programs '$(T)')

footprint: all                                  ## KiB for each live child, and of what kind
	$(Q)tools/footprint

loc:                                            ## lines of code by folder, longest functions
	$(Q)tools/loc

# --- housekeeping -----------------------------------------------------------------------------

.PHONY: needed
needed:
	$(Q)tools/need --install

deps:                                           ## install the packages of packages.txt with apt
	$(if $(filter 0,$(shell id -u)),,sudo) apt-get update
	$(if $(filter 0,$(shell id -u)),,sudo) apt-get install -y --no-install-recommends \
		$(shell cat packages.txt)

clean:                                          ## remove build/
	$(Q)rm -rf build

help:                                           ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  SMP=n MEM=mebibytes FORK_SHARE=none|page|table|dir|root SEED=n APPEND="words"'
	@echo '  T=pattern chooses tests, V=1 shows commands, DEBUG=1 and HOOKS=1 are test builds,'
	@echo '  SAN=1 and SAN=race sanitized ones,'
	@echo '  TESTS= leaves the tests out of the kernel (build/no-tests/cowbell.elf)'
	@echo '  docs/TRUST.md and docs/BENCH.md say what else the long ones understand'

/* SPDX-License-Identifier: MIT */
/*
 * kernel/options.h - the kernel command line, parsed once.
 *
 * Words that are not ours are kept for init, as Linux does: plain words become arguments,
 * NAME=VALUE words become its environment; all that follows `--` becomes arguments.
 */
#pragma once

#include "lib/types.h"

enum { INIT_WORDS_MAX = 32, FAULT_AHEAD_MAX = 32 };

/* From which level on fork shares instead of copying. */
enum fork_share {
	FORK_SHARE_NONE, FORK_SHARE_PAGE, FORK_SHARE_TABLE, FORK_SHARE_DIR, FORK_SHARE_ROOT
};

/* Sizes of huge pages, from the level of tables upwards that maps the least of them. */
enum huge_size { HUGE_2M, HUGE_1G, HUGE_SIZES };

struct options {
	/* init=PATH; NULL: try /init, /sbin/init, /etc/init, /bin/init, /bin/sh */
	const char *init;
	const char *console;            /* console=ttyS0 */
	enum fork_share fork_share;     /* fork_share=; live in /proc/sys/vm/fork_share */
	/* fault_ahead=N: of pages, see mm/ahead.h; live in /proc/sys/vm/fault_ahead */
	int64_t fault_ahead;
	uint32_t smp;                   /* smp=N: use at most N CPUs; 0: all */
	uint64_t seed;	/* seed=N: jitter, ASLR and random tests; 0: from the hardware */
	uint64_t event_mask;            /* events=all or a list of names; see kernel/event.h */
	uint32_t trace_records;         /* trace_records=N: each CPU keeps its last N events */
	bool audit_each;  /* audit=each: recount after every system call that may change memory */
	const char *selftest;           /* selftest[=glob]: run kernel tests, then leave QEMU */
	/* fail=TURNS[:FROM]: of what each kernel test asks for, so much fails, from there on, each
	 * in a run of its own; see kernel/ktest.h */
	uint64_t fail_turns, fail_from;
	uint64_t mem_bytes;             /* mem=N[KMG]: use no more RAM than this; 0: all */
	/* transparent_hugepage=always|madvise|never; NULL: as it is in mm/huge_mode.c */
	const char *transparent_hugepage;
	enum huge_size default_hugepagesz;      /* default_hugepagesz=2M|1G */
	uint64_t hugepages[HUGE_SIZES]; /* hugepages=N, of the size that hugepagesz= said last */
	int loglevel;                   /* loglevel=0..8: print what is below it; quiet = 4 */
	int panic_seconds;              /* panic=-1: leave at once; 0: stay */
	bool no_aslr;                   /* norandmaps */
	const char *init_args[INIT_WORDS_MAX + 1];      /* behind argv[0]; NULL ends both */
	const char *init_env[INIT_WORDS_MAX + 1];
};

extern struct options options;

/* Parse bootinfo.cmdline.  Called once, before anything reads `options`.  Bad values are reported
 * on the console and the default stays. */
void options_parse(const char *cmdline);

/* Name <-> value of fork_share.  -EINVAL for an unknown name. */
const char *fork_share_name(enum fork_share share);
int fork_share_parse(const char *name, enum fork_share *share);

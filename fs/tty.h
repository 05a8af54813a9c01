/* SPDX-License-Identifier: MIT */
/*
 * fs/tty.h - the terminal: lines, echo, job control.
 *
 * One terminal on the serial line: /dev/console, /dev/ttyS0, and /dev/tty for those who are under
 * its control.  A session leader without a terminal gets it by opening ttyS0, or by TIOCSCTTY.
 */
#pragma once

#include "fs/file.h"
#include "fs/tty_line.h"
#include "kernel/process.h"

struct tty {
	struct spinlock lock;           /* RANK_TTY */
	struct tty_line line;           /* [lock] */
	struct abi_winsize size;        /* [lock] */
	struct wait_queue read_wait;    /* input, hang-up */
	struct wait_queue write_wait;   /* output may go on, hang-up */
	struct mutex output_lock;       /* RANK_TTY_OUTPUT: one write(2) at a time */
	int32_t session,
		group; /* [process tree] the session it controls, its foreground group; 0: none */
	uint32_t hangups;               /* [process tree] how many sessions it has outlived */
	uint64_t device;                /* constant: what /proc/PID/stat says */
};

/* Register the terminal's devices and start its task.  Once. */
void tty_start(void);

/* A byte from the line.  Interrupt context; one CPU at a time. */
void tty_input(uint8_t byte);

/* ---- fs/tty_job.c: sessions and foreground groups ---- */

/* May the running process use the terminal now?  A background process is sent `signal` (SIGTTIN,
 * SIGTTOU) with its whole group.  0; -EIO; -ERESTARTSYS: come again. */
int tty_check_foreground(struct tty *tty, int signal);

/* Make the terminal control the running process's session.  It must lead it and have no other;
 * to take the terminal from another session needs `may_steal` and privilege.  -EPERM. */
int tty_acquire(struct tty *tty, bool may_steal);

/* The running process gives up its terminal: TIOCNOTTY.  -ENOTTY. */
int tty_give_up(struct tty *tty);

/* The leader of a session ends: hang up the terminal it controls, if any. */
void tty_session_ended(struct process *leader);

/* TIOCGPGRP, TIOCSPGRP, TIOCGSID: from its own session only, -ENOTTY. */
int tty_get_group(struct tty *tty, int32_t *group);
int tty_set_group(struct tty *tty, int32_t group);
int tty_get_session(struct tty *tty, int32_t *session);

/* Send a signal to the foreground group. */
void tty_signal(struct tty *tty, int signal);

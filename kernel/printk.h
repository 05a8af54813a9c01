/* SPDX-License-Identifier: MIT */
/*
 * kernel/printk.h - lines to the console and the log ring.
 *
 * One call makes one line (a newline is added if it is missing), whole also when CPUs print at the
 * same time.  Usable from any context, also before the console exists (the ring keeps it).
 */
#pragma once

#include "lib/types.h"

enum log_level {
	LOG_EMERG, LOG_ALERT, LOG_CRIT, LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG
};

void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Print on the console only lines below this level (quiet = 4); the ring keeps all. */
void log_set_level(int level);

/* Where the lines' times come from, once there is a clock; 0.000000 until then. */
void log_set_clock(uint64_t (*now_ns)(void));

#define log_err(...)   log_line(LOG_ERR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/* Raw bytes to the console, past the ring and the levels: tests, the terminal, panics. */
void console_write(const char *bytes, size_t len);
void console_print(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* During a panic: take the console whoever holds it. */
void console_break_locks(void);

/* The log ring, oldest first, for /dev/kmsg and syslog(2).  Copies up to len bytes from position
 * *at and advances it; 0 at the end. */
size_t log_read(uint64_t *at, char *buf, size_t len);

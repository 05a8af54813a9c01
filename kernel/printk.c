/* SPDX-License-Identifier: MIT */
/*
 * kernel/printk.c - lines to the console and the log ring.
 *
 * Owns:        the log ring and the console's output.  A line in the ring is "<level>[ time]
 *              text\n", the same without <level> on the console.
 * Invariants:  the ring holds bytes log_end - LOG_BYTES .. log_end - 1 of all that was ever logged;
 *              byte n stands at n % LOG_BYTES.
 * Locks:       log_lock for the ring, console_lock for the console; interrupts off, because anyone
 *              may print.  A panic breaks both: by then nobody else runs.
 */
#include "kernel/printk.h"

#include "lib/format.h"
#include "lib/string.h"
#include "arch/x86_64/serial.h"
#include "kernel/spinlock.h"

enum { LOG_BYTES = 32768, LINE_MAX = 400 };

static struct spinlock log_lock = SPINLOCK_INIT(RANK_LOG);
static char log_ring[LOG_BYTES];                /* [log_lock] */
static uint64_t log_end;                        /* [log_lock] */

static struct spinlock console_lock = SPINLOCK_INIT(RANK_CONSOLE);
static bool locks_are_broken;
static int console_level = LOG_DEBUG;           /* lines below it are printed */
static uint64_t (*log_clock_ns)(void);

static size_t line_format(char *line, enum log_level level, const char *fmt, va_list args)
	PRINTF_LIKE(3, 0);
static void log_append(const char *line, size_t len);
static void console_put(struct sink *sink, const char *bytes, size_t len);

static struct sink console = { console_put };

void log_set_level(int level)
{
	console_level = level;
}

void log_set_clock(uint64_t (*now_ns)(void))
{
	log_clock_ns = now_ns;
}

NO_LOCK_ANALYSIS static uint64_t printk_lock(struct spinlock *lock)
{
	return locks_are_broken ? irq_save() : spin_lock_irq(lock);
}

/* The lock may have been taken before all were broken, and others may wait for it. */
NO_LOCK_ANALYSIS static void printk_unlock(struct spinlock *lock, uint64_t flags)
{
	if (locks_are_broken) {
		spin_unlock_irqs_off(lock);
		irq_restore(flags);
	} else {
		spin_unlock_irq(lock, flags);
	}
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX];
	va_list args;

	va_start(args, fmt);
	size_t len = line_format(line, level, fmt, args);
	va_end(args);
	log_append(line, len);
	if ((int)level >= console_level)
		return;

	size_t prefix = sizeof("<n>") - 1;
	uint64_t flags = printk_lock(&console_lock);
	console_put(&console, line + prefix, len - prefix);
	printk_unlock(&console_lock, flags);
}

/* One line with one newline, cut if it is too long.  Returns its length. */
static size_t line_format(char *line, enum log_level level, const char *fmt, va_list args)
{
	uint64_t us = log_clock_ns ? log_clock_ns() / 1000 : 0;
	size_t len = (size_t)format_buffer(line, LINE_MAX, "<%d>[%5lu.%06lu] ", level,
		us / 1000000, us % 1000000);

	len += (size_t)format_buffer_va(line + len, LINE_MAX - len, fmt, args);
	len = MIN(len, (size_t)LINE_MAX - 2);
	if (line[len - 1] != '\n')
		line[len++] = '\n';
	return len;
}

static void log_append(const char *line, size_t len)
{
	uint64_t flags = printk_lock(&log_lock);
	for (size_t i = 0; i < len; i++)
		log_ring[log_end++ % LOG_BYTES] = line[i];
	printk_unlock(&log_lock, flags);
}

size_t log_read(uint64_t *at, char *buf, size_t len)
{
	size_t copied = 0;

	uint64_t flags = printk_lock(&log_lock);
	if (log_end > LOG_BYTES && *at < log_end - LOG_BYTES) {
		*at = log_end - LOG_BYTES;
		while (*at < log_end && log_ring[(*at)++ % LOG_BYTES] != '\n')
			;
	}
	while (copied < len && *at < log_end)
		buf[copied++] = log_ring[(*at)++ % LOG_BYTES];
	printk_unlock(&log_lock, flags);
	return copied;
}

/* ---- console -------------------------------------------------------------------------------- */

void console_write(const char *bytes, size_t len)
{
	uint64_t flags = printk_lock(&console_lock);
	serial_write(bytes, len);
	printk_unlock(&console_lock, flags);
}

void console_print(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	uint64_t flags = printk_lock(&console_lock);
	format_to(&console, fmt, args);
	printk_unlock(&console_lock, flags);
	va_end(args);
}

/* The kernel's own lines end as terminals want it. */
static void console_put(struct sink *sink, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n')
			serial_put('\r');
		serial_put((uint8_t)bytes[i]);
	}
}

void console_break_locks(void)
{
	locks_are_broken = true;
}

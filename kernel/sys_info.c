/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_info.c - system calls that tell about the system, and the one that ends it.
 *
 * See: uname(2), sysinfo(2), getrandom(2), syslog(2), reboot(2).
 */

#include "lib/abi/errno.h"
#include "lib/abi/linux.h"
#include "lib/abi/types.h"
#include "arch/x86_64/power.h"
#include "arch/x86_64/smp.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/clock.h"
#include "kernel/entropy.h"
#include "kernel/load.h"
#include "kernel/printk.h"
#include "kernel/process.h"
#include "kernel/syscall.h"
#include "kernel/uts.h"
#include "mm/frame.h"
#include "mm/kstack.h"

enum { CHUNK = 256, SYSINFO_LOAD_SHIFT = 16 };

long sys_uname(const struct syscall_args *args)
{
	struct abi_utsname uts;

	uts_read(&uts);
	return copy_to_user(args->rdi, &uts, sizeof(uts));
}

long sys_sethostname(const struct syscall_args *args)
{
	char name[ABI_UTS_LEN];
	int32_t len = (int32_t)args->rsi;

	if (!process_is_privileged())
		return -EPERM;
	if (len < 0 || len >= ABI_UTS_LEN)
		return -EINVAL;
	if (copy_from_user(name, args->rdi, (size_t)len))
		return -EFAULT;
	return uts_set_nodename(name, (size_t)len);
}

long sys_sysinfo(const struct syscall_args *args)
{
	uint64_t cached = kstacks_cached_frames() + kstacks_cached_tables();
	struct abi_sysinfo info = {
		.uptime = (int64_t)(clock_now_ns() / NS_PER_SECOND),
		.totalram = frames_total() * PAGE_SIZE,
		.freeram = (frames_free() + cached) * PAGE_SIZE,
		.procs = (uint16_t)processes_count(),
		.mem_unit = 1,
	};

	load_averages(info.loads);
	for (unsigned i = 0; i < LOAD_AVERAGES; i++)
		info.loads[i] <<= SYSINFO_LOAD_SHIFT - LOAD_SHIFT;
	return copy_to_user(args->rdi, &info, sizeof(info));
}

long sys_getcpu(const struct syscall_args *args)
{
	uint32_t cpu = READ_ONCE(current->cpu);

	if (args->rdi && put_user_u32(args->rdi, cpu))
		return -EFAULT;
	if (args->rsi && put_user_u32(args->rsi, 0))
		return -EFAULT;
	return 0;
}

long sys_getrandom(const struct syscall_args *args)
{
	uint64_t len = MIN(args->rsi, (uint64_t)INT32_MAX);
	uint8_t bytes[CHUNK];
	uint64_t done = 0;

	if (args->rdx & ~(uint64_t)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	while (done < len) {
		size_t chunk = MIN(len - done, sizeof(bytes));

		entropy_fill(bytes, chunk);
		if (copy_to_user(args->rdi + done, bytes, chunk))
			return -EFAULT;
		done += chunk;
		if (wait_has_signal())
			break;
	}
	return (long)done;
}

/* ---- the kernel's log ---- */

static uint64_t log_read_at;            /* atomic: what syslog(2) has read, destructively */
static uint64_t log_clear_at;           /* atomic: what "dmesg -c" has cleared */

/* The position where the log ends, and how many bytes lie between. */
static uint64_t log_measure(uint64_t from, uint64_t *end)
{
	char text[CHUNK];
	uint64_t total = 0;
	size_t n;

	while ((n = log_read(&from, text, sizeof(text))) > 0)
		total += n;
	*end = from;
	return total;
}

/* Copy the log to a program from *at on, which advances.  Bytes or -EFAULT. */
static long log_copy(uint64_t *at, virt_t to, uint64_t len)
{
	char text[CHUNK];
	uint64_t done = 0;

	while (done < len) {
		size_t n = log_read(at, text, MIN(len - done, sizeof(text)));

		if (n == 0)
			break;
		if (copy_to_user(to + done, text, n))
			return -EFAULT;
		done += n;
	}
	return (long)done;
}

/* The last len bytes that were not cleared. */
static long log_copy_last(virt_t to, uint64_t len, bool clear)
{
	uint64_t at = atomic_load_relaxed(&log_clear_at);
	uint64_t end, total = log_measure(at, &end);
	long done;

	at = end - MIN(len, total);
	done = log_copy(&at, to, len);
	if (clear && done >= 0)
		atomic_store_relaxed(&log_clear_at, end);
	return done;
}

long sys_syslog(const struct syscall_args *args)
{
	int action = (int)args->rdi;
	virt_t buf = args->rsi;
	int32_t len = (int32_t)args->rdx;
	uint64_t at = atomic_load_relaxed(&log_read_at);
	long done;

	if (action != SYSLOG_ACTION_READ_ALL && action != SYSLOG_ACTION_SIZE_BUFFER &&
	    !process_is_privileged())
		return -EPERM;
	if (action >= SYSLOG_ACTION_READ && action <= SYSLOG_ACTION_READ_CLEAR && (!buf || len < 0))
		return -EINVAL;
	switch (action) {
	case SYSLOG_ACTION_CLOSE:
	case SYSLOG_ACTION_OPEN:
		return 0;
	case SYSLOG_ACTION_READ:
		done = log_copy(&at, buf, (uint64_t)len);
		atomic_store_relaxed(&log_read_at, at);
		return done;
	case SYSLOG_ACTION_READ_ALL:
		return log_copy_last(buf, (uint64_t)len, false);
	case SYSLOG_ACTION_READ_CLEAR:
		return log_copy_last(buf, (uint64_t)len, true);
	case SYSLOG_ACTION_CLEAR:
		log_measure(at, &at);
		atomic_store_relaxed(&log_clear_at, at);
		return 0;
	case SYSLOG_ACTION_CONSOLE_OFF:
		log_set_level(LOG_ALERT);
		return 0;
	case SYSLOG_ACTION_CONSOLE_ON:
		log_set_level(LOG_DEBUG);
		return 0;
	case SYSLOG_ACTION_CONSOLE_LEVEL:
		if (len < 1 || len > 8)
			return -EINVAL;
		log_set_level(len);
		return 0;
	case SYSLOG_ACTION_SIZE_UNREAD:
	case SYSLOG_ACTION_SIZE_BUFFER:
		return (long)log_measure(action == SYSLOG_ACTION_SIZE_UNREAD ? at : 0, &at);
	default:
		return -EINVAL;
	}
}

/* ---- the end ---- */

static bool reboot_magic_ok(const struct syscall_args *args)
{
	uint32_t second = (uint32_t)args->rsi;

	return (uint32_t)args->rdi == LINUX_REBOOT_MAGIC1 &&
	       (second == LINUX_REBOOT_MAGIC2 || second == LINUX_REBOOT_MAGIC2A ||
		second == LINUX_REBOOT_MAGIC2B || second == LINUX_REBOOT_MAGIC2C);
}

/* Nothing needs writing back: all files are in memory. */
long sys_reboot(const struct syscall_args *args)
{
	if (!process_is_privileged())
		return -EPERM;
	if (!reboot_magic_ok(args))
		return -EINVAL;
	switch ((uint32_t)args->rdx) {
	case LINUX_REBOOT_CMD_CAD_ON:
	case LINUX_REBOOT_CMD_CAD_OFF:
		return 0;
	case LINUX_REBOOT_CMD_RESTART:
	case LINUX_REBOOT_CMD_RESTART2:
		log_info("reboot: restarting");
		power_reset();
	case LINUX_REBOOT_CMD_POWER_OFF:
		log_info("reboot: power down");
		power_off();
	case LINUX_REBOOT_CMD_HALT:
		log_info("reboot: system halted");
		preempt_disable();
		smp_stop_others();
		power_halt();
	default:
		return -EINVAL;
	}
}

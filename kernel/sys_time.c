/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_time.c - system calls on time.
 *
 * All sleeping is by the monotonic clock: an absolute time of day is turned into it when the sleep
 * begins, so setting the clock does not move sleepers.  ITIMER_VIRTUAL and ITIMER_PROF are not
 * built: without a tick nothing watches a running program's time.
 * See: nanosleep(2), clock_gettime(2), setitimer(2), times(2).
 */

#include "lib/abi/linux.h"
#include "kernel/alarm.h"
#include "kernel/signal.h"
#include "kernel/syscall.h"
#include "kernel/timespec.h"

#define NS_PER_TICK (NS_PER_SECOND / USER_HZ)

/* The time of day may be set to what leaves 30 years of nanoseconds in 63 bits. */
#define SETTABLE_NS ((INT64_MAX / NS_PER_SECOND - 30ull * 365 * 24 * 3600) * NS_PER_SECOND)

/* ---- reading and setting clocks ---- */

static struct process_times own_times(void)
{
	struct process_times times;

	spin_lock(&process_tree_lock);
	process_times(current_process(), &times);
	spin_unlock(&process_tree_lock);
	return times;
}

/* -EINVAL: no such clock. */
static int clock_read(int32_t clock, uint64_t *ns)
{
	struct process_times times;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		*ns = clock_realtime_ns();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*ns = clock_now_ns();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		times = own_times();
		*ns = times.user_ns + times.kernel_ns;
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		*ns = task_run_time_ns(current);
		return 0;
	default:
		return -EINVAL;
	}
}

long sys_clock_gettime(const struct syscall_args *args)
{
	uint64_t ns;
	int err = clock_read((int32_t)args->rdi, &ns);

	return err ? err : timespec_put_user(args->rsi, ns);
}

long sys_clock_getres(const struct syscall_args *args)
{
	uint64_t ns;
	int err = clock_read((int32_t)args->rdi, &ns);

	if (err || !args->rsi)
		return err;
	return timespec_put_user(args->rsi, 1);
}

static int time_of_day_set(uint64_t ns)
{
	if (ns >= SETTABLE_NS)
		return -EINVAL;
	return process_is_privileged() ? clock_set_realtime_ns(ns) : -EPERM;
}

long sys_clock_settime(const struct syscall_args *args)
{
	uint64_t ns;
	int err;

	if ((int32_t)args->rdi != CLOCK_REALTIME)
		return -EINVAL;
	err = timespec_get_user(args->rsi, &ns);
	return err ? err : time_of_day_set(ns);
}

/* The time zone is a matter for programs: always zero, and setting it does nothing. */
long sys_gettimeofday(const struct syscall_args *args)
{
	struct abi_timezone zone = { 0 };

	if (args->rdi && timeval_put_user(args->rdi, clock_realtime_ns()))
		return -EFAULT;
	if (args->rsi && copy_to_user(args->rsi, &zone, sizeof(zone)))
		return -EFAULT;
	return 0;
}

long sys_settimeofday(const struct syscall_args *args)
{
	struct abi_timezone zone;
	uint64_t ns = 0;
	int err = args->rdi ? timeval_get_user(args->rdi, &ns) : 0;

	if (!err && args->rsi)
		err = copy_from_user(&zone, args->rsi, sizeof(zone));
	if (err)
		return err;
	if (args->rdi)
		return time_of_day_set(ns);
	return process_is_privileged() ? 0 : -EPERM;
}

long sys_time(const struct syscall_args *args)
{
	uint64_t seconds = clock_realtime_ns() / NS_PER_SECOND;

	if (args->rdi && put_user_u64(args->rdi, seconds))
		return -EFAULT;
	return (long)seconds;
}

long sys_times(const struct syscall_args *args)
{
	struct process *self = current_process();
	struct process_times times = own_times();
	struct abi_tms tms = {
		.tms_utime = (int64_t)(times.user_ns / NS_PER_TICK),
		.tms_stime = (int64_t)(times.kernel_ns / NS_PER_TICK),
	};

	spin_lock(&process_tree_lock);
	tms.tms_cutime = (int64_t)(self->past_children.user_ns / NS_PER_TICK);
	tms.tms_cstime = (int64_t)(self->past_children.kernel_ns / NS_PER_TICK);
	spin_unlock(&process_tree_lock);
	if (args->rdi && copy_to_user(args->rdi, &tms, sizeof(tms)))
		return -EFAULT;
	return (long)(clock_now_ns() / NS_PER_TICK);
}

/* ---- sleeping ---- */

/* 0, or -ERESTARTSYS: a signal. */
static int sleep_until(uint64_t deadline_ns)
{
	struct wait_queue nobody;
	int err;

	wait_queue_init(&nobody);
	err = wait_event_until(&nobody, false, deadline_ns);
	return err == -ETIMEDOUT ? 0 : err;
}

/* Sleep on; when a signal comes, tell at `left` (may be 0) how much is left and be ready to go
 * on. */
static long sleep_on(uint64_t deadline_ns, virt_t left);

static int sleep_restart(struct thread *self)
{
	return (int)sleep_on(self->restart_deadline_ns, self->restart_arguments[0]);
}

static long sleep_on(uint64_t deadline_ns, virt_t left)
{
	struct thread *self = current_thread();

	if (!sleep_until(deadline_ns))
		return 0;
	if (left && timespec_put_user(left, deadline_remaining(deadline_ns)))
		return -EFAULT;
	self->restart = sleep_restart;
	self->restart_deadline_ns = deadline_ns;
	self->restart_arguments[0] = left;
	return -ERESTART_RESTARTBLOCK;
}

long sys_nanosleep(const struct syscall_args *args)
{
	uint64_t ns;
	int err = timespec_get_user(args->rdi, &ns);

	return err ? err : sleep_on(deadline_after(ns), args->rsi);
}

/* Can one sleep by this clock?  *offset_ns: what its time is ahead of the monotonic one. */
static int sleep_clock(int32_t clock, uint64_t *offset_ns)
{
	*offset_ns = 0;
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_TAI:
		*offset_ns = clock_realtime_ns() - clock_now_ns();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

long sys_clock_nanosleep(const struct syscall_args *args)
{
	uint64_t ns, offset_ns;
	int err = sleep_clock((int32_t)args->rdi, &offset_ns);

	if (err)
		return err;
	err = timespec_get_user(args->rdx, &ns);
	if (err)
		return err;
	if (!(args->rsi & TIMER_ABSTIME))
		return sleep_on(deadline_after(ns), args->r10);
	if (ns <= offset_ns)
		return 0;
	return sleep_until(ns - offset_ns) ? -ERESTARTNOHAND : 0;
}

/* ---- alarms ---- */

long sys_alarm(const struct syscall_args *args)
{
	struct alarm alarm = { .left_ns = (uint32_t)args->rdi * NS_PER_SECOND };
	uint64_t left_ns = alarm_replace(alarm).left_ns;
	uint64_t seconds = (left_ns + NS_PER_SECOND / 2) / NS_PER_SECOND;

	return left_ns && !seconds ? 1 : (long)seconds;
}

static int alarm_put_user(virt_t at, struct alarm alarm)
{
	struct abi_itimerval value = {
		.it_interval = timeval_from_ns(alarm.interval_ns),
		.it_value = timeval_from_ns(alarm.left_ns),
	};

	return copy_to_user(at, &value, sizeof(value));
}

long sys_getitimer(const struct syscall_args *args)
{
	if ((int32_t)args->rdi != ITIMER_REAL)
		return -EINVAL;
	return alarm_put_user(args->rsi, alarm_get());
}

long sys_setitimer(const struct syscall_args *args)
{
	struct alarm alarm = { 0 };
	virt_t at = args->rsi;
	int err;

	if ((int32_t)args->rdi != ITIMER_REAL)
		return -EINVAL;
	if (at) {
		err = timeval_get_user(at + offsetof(struct abi_itimerval, it_interval),
			&alarm.interval_ns);
		if (!err)
			err = timeval_get_user(at + offsetof(struct abi_itimerval, it_value),
				&alarm.left_ns);
		if (err)
			return err;
	}
	alarm = alarm_replace(alarm);
	return args->rdx ? alarm_put_user(args->rdx, alarm) : 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * kernel/timespec.h - times as programs write them, and as the kernel counts them.
 *
 * Nanoseconds in 64 bits last for 584 years; what is longer is WAIT_FOREVER.
 */
#pragma once

#include "lib/abi/errno.h"
#include "lib/abi/types.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/clock.h"
#include "kernel/wait.h"

static inline bool timespec_is_valid(const struct abi_timespec *time)
{
	return time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < (int64_t)NS_PER_SECOND;
}

/* Of a valid one. */
static inline uint64_t timespec_to_ns(const struct abi_timespec *time)
{
	if ((uint64_t)time->tv_sec >= WAIT_FOREVER / NS_PER_SECOND)
		return WAIT_FOREVER;
	return (uint64_t)time->tv_sec * NS_PER_SECOND + (uint64_t)time->tv_nsec;
}

static inline struct abi_timespec timespec_from_ns(uint64_t ns)
{
	return (struct abi_timespec){(int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND)};
}

static inline struct abi_timeval timeval_from_ns(uint64_t ns)
{
	return (struct abi_timeval){
		(int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND / 1000)};
}

/* `ns` from now on the monotonic clock. */
static inline uint64_t deadline_after(uint64_t ns)
{
	uint64_t now_ns = clock_now_ns();

	return ns < WAIT_FOREVER - now_ns ? now_ns + ns : WAIT_FOREVER;
}

/* How long it is until a deadline. */
static inline uint64_t deadline_remaining(uint64_t deadline_ns)
{
	uint64_t now_ns = clock_now_ns();

	return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}

/* A program's timespec or timeval, in nanoseconds.  -EFAULT; -EINVAL. */
MUST_CHECK static inline int timespec_get_user(virt_t at, uint64_t *ns)
{
	struct abi_timespec time;

	if (copy_from_user(&time, at, sizeof(time)))
		return -EFAULT;
	if (!timespec_is_valid(&time))
		return -EINVAL;
	*ns = timespec_to_ns(&time);
	return 0;
}

MUST_CHECK static inline int timespec_put_user(virt_t at, uint64_t ns)
{
	struct abi_timespec time = timespec_from_ns(ns);

	return copy_to_user(at, &time, sizeof(time));
}

MUST_CHECK static inline int timeval_get_user(virt_t at, uint64_t *ns)
{
	struct abi_timeval time;
	struct abi_timespec exact;

	if (copy_from_user(&time, at, sizeof(time)))
		return -EFAULT;
	if (time.tv_usec < 0 || time.tv_usec >= 1000000)
		return -EINVAL;
	exact = (struct abi_timespec){ time.tv_sec, time.tv_usec * 1000 };
	if (!timespec_is_valid(&exact))
		return -EINVAL;
	*ns = timespec_to_ns(&exact);
	return 0;
}

MUST_CHECK static inline int timeval_put_user(virt_t at, uint64_t ns)
{
	struct abi_timeval time = timeval_from_ns(ns);

	return copy_to_user(at, &time, sizeof(time));
}

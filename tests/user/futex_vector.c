/* SPDX-License-Identifier: MIT */
/*
 * tests/user/futex_vector.c - futex_waitv: waiting for many words at once.
 */
#include "futex.h"

enum { SYS_FUTEX_WAITV = 449, SIZE_U32 = 2, MOST = 128 };

struct vector {
	uint64_t value, address;
	uint32_t flags, reserved;
};

static futex_t words[MOST + 1];

static long waitv(struct vector *vector, unsigned count, unsigned flags, void *timeout, int clock)
{
	return syscall(SYS_FUTEX_WAITV, vector, count, flags, timeout, clock);
}

static void vector_fill(struct vector *vector, unsigned count, uint32_t flags)
{
	for (unsigned i = 0; i < count; i++)
		vector[i] = (struct vector){0, (uintptr_t)&words[i], SIZE_U32 | flags, 0};
}

static struct vector shared_vector[MOST];
static volatile long result = -1;

static void *wait_for_any(void *unused)
{
	result = waitv(shared_vector, MOST, 0, NULL, 0);
	return unused;
}

TEST(any_of_the_words_wakes)
{
	static const int picks[] = {0, 1, 77, MOST - 1};

	for (size_t i = 0; i < sizeof(picks) / sizeof(picks[0]); i++) {
		vector_fill(shared_vector, MOST, i % 2 ? FUTEX_PRIVATE : 0);
		pthread_t thread = thread_new(wait_for_any, NULL);
		wake_surely(&words[picks[i]], FUTEX_WAKE | (i % 2 ? FUTEX_PRIVATE : 0), 1);
		thread_join(thread);
		CHECK_EQ(result, picks[i]);
	}
}

TEST(shared_words_wake_across_processes)
{
	futex_t *shared = shared_words();
	pid_t pid = fork();

	if (pid == 0) {
		struct vector vector[2] = {
			{0, (uintptr_t)&words[0], SIZE_U32 | FUTEX_PRIVATE, 0},
			{0, (uintptr_t)&shared[3], SIZE_U32, 0},
		};
		_exit(waitv(vector, 2, 0, NULL, 0) == 1 ? 0 : 1);
	}
	wake_surely(&shared[3], FUTEX_WAKE, 1);
	CHECK_EXIT(pid, 0);
}

TEST(one_wrong_value_is_enough)
{
	struct vector vector[3];

	vector_fill(vector, 3, 0);
	vector[2].value = 1;
	CHECK_ERRNO(waitv(vector, 3, 0, NULL, 0), EAGAIN);
}

TEST(times_are_absolute)
{
	struct vector vector[2];
	struct timespec monotonic = time_from_now(CLOCK_MONOTONIC, 20);
	struct timespec realtime = time_from_now(CLOCK_REALTIME, 20);

	vector_fill(vector, 2, FUTEX_PRIVATE);
	CHECK_ERRNO(waitv(vector, 2, 0, &monotonic, CLOCK_MONOTONIC), ETIMEDOUT);
	CHECK_ERRNO(waitv(vector, 2, 0, &realtime, CLOCK_REALTIME), ETIMEDOUT);
	CHECK_ERRNO(waitv(vector, 2, 0, &monotonic, CLOCK_MONOTONIC), ETIMEDOUT);
	CHECK_ERRNO(waitv(vector, 2, 0, &monotonic, CLOCK_BOOTTIME), EINVAL);
	CHECK_ERRNO(waitv(vector, 2, 0, (void *)8, CLOCK_MONOTONIC), EFAULT);
}

TEST(what_is_refused)
{
	struct vector vector[MOST + 1];

	vector_fill(vector, MOST + 1, 0);
	CHECK_ERRNO(waitv(vector, 0, 0, NULL, 0), EINVAL);
	CHECK_ERRNO(waitv(vector, MOST + 1, 0, NULL, 0), EINVAL);
	CHECK_ERRNO(waitv(vector, 1, 1, NULL, 0), EINVAL);
	CHECK_ERRNO(waitv(NULL, 1, 0, NULL, 0), EINVAL);
	CHECK_ERRNO(waitv((void *)8, 1, 0, NULL, 0), EFAULT);
	vector[1].reserved = 1;
	CHECK_ERRNO(waitv(vector, 2, 0, NULL, 0), EINVAL);
	vector_fill(vector, 2, 0);
	vector[1].flags = SIZE_U32 | 0x40;
	CHECK_ERRNO(waitv(vector, 2, 0, NULL, 0), EINVAL);
	vector[1].flags = 0;            /* words of 8 bits */
	CHECK_ERRNO(waitv(vector, 2, 0, NULL, 0), EINVAL);
	vector_fill(vector, 2, 0);
	vector[0].address += 2;
	CHECK_ERRNO(waitv(vector, 2, 0, NULL, 0), EINVAL);
	vector[0].address = 8;
	CHECK_ERRNO(waitv(vector, 2, 0, NULL, 0), EFAULT);
}

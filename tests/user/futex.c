/* SPDX-License-Identifier: MIT */
// cow
/* Waiting and waking on a word: in one process, across fork, through shared memory. */
#include "futex.h"

/* For FUTEX_WAKE_OP: what to do to the second word, and how to compare its old value. */
enum { OP_SET, OP_ADD };
enum { COMPARE_EQUAL = 0, COMPARE_GREATER = 4 };
#define WAKE_OP(op, number, compare, with) \
	((op) << 28 | (compare) << 24 | ((number) & 0xfff) << 12 | ((with) & 0xfff))

TEST(another_value_does_not_wait)
{
	volatile uint32_t word = 1;

	CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0), EAGAIN);
	CHECK_EQ(futex(&word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0), 0);
}

TEST(bad_addresses)
{
	uint32_t words[2] = {0};
	void *nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_ERRNO(syscall(SYS_futex, (char *)words + 1, FUTEX_WAIT, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_futex, nothing, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_futex, 0xffff800000000000ul, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERRNO(syscall(SYS_futex, words, 99, 0, NULL, NULL, 0), ENOSYS);
	CHECK_ERRNO(futex(words, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
}

TEST(a_wait_times_out)
{
	volatile uint32_t word = 0;
	struct timespec time = {0, 20000000}, bad = {0, -1}, now;

	CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, &time, NULL, 0), ETIMEDOUT);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0), EINVAL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET, 0, &now, NULL, ~0u), ETIMEDOUT);
	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += now.tv_nsec >= 980000000;
	now.tv_nsec = (now.tv_nsec + 20000000) % 1000000000;
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &now, NULL, ~0u),
		ETIMEDOUT);
}

TEST(shared_memory_wakes_across_fork)
{
	volatile uint32_t *word = shared_words();
	pid_t pid = fork();

	if (pid == 0)
		_exit(futex(word, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 0 : 1);
	wake_surely(word, FUTEX_WAKE, 1);
	CHECK_EXIT(pid, 0);
}

TEST(shared_memory_wakes_at_different_addresses)
{
	volatile uint32_t *word = shared_words();
	pid_t pid = fork();

	if (pid == 0) {
		void *moved =
			mremap((void *)word, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, 0x10000000);
		if (moved == MAP_FAILED)
			_exit(2);
		_exit(futex(moved, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 0 : 1);
	}
	wake_surely(word, FUTEX_WAKE, 1);
	CHECK_EXIT(pid, 0);
}

TEST(private_memory_does_not_wake_across_fork)
{
	static volatile uint32_t word;
	pid_t pid = fork();

	if (pid == 0) {
		struct timespec time = {0, 100000000};
		CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, &time, NULL, 0), ETIMEDOUT);
		_exit(0);
	}
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(futex(&word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0), 0);
		usleep(2000);
	}
	CHECK_EXIT(pid, 0);
}

static volatile uint32_t words[2];

static void *wait_at_first(void *result)
{
	while (futex(&words[0], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) < 0 && errno == EINTR)
		;
	return result;
}

TEST(a_wait_outlives_copy_on_write_of_its_page)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, wait_at_first, NULL) == 0);
	usleep(10000);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	words[1] = 1;
	CHECK_EXIT(pid, 0);
	wake_surely(&words[0], FUTEX_WAKE_PRIVATE, 1);
	CHECK(pthread_join(thread, NULL) == 0);
}

TEST(wake_wakes_as_many_as_asked)
{
	enum { THREADS = 5 };
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, wait_at_first, NULL) == 0);
	wake_surely(&words[0], FUTEX_WAKE_PRIVATE, 2);
	wake_surely(&words[0], FUTEX_WAKE_PRIVATE, THREADS - 2);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK_EQ(futex(&words[0], FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 0);
}

TEST(requeue_moves_sleepers)
{
	enum { THREADS = 4 };
	pthread_t threads[THREADS];
	long moved = 0, woken = 0;

	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, wait_at_first, NULL) == 0);
	while (moved < THREADS) {
		long n = futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)100, &words[1], 0);
		CHECK(n >= 0);
		moved += n;
		usleep(1000);
	}
	CHECK_EQ(moved, THREADS);
	CHECK_ERRNO(
		futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)100, &words[1], 7), EAGAIN);
	CHECK_EQ(futex(&words[0], FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 0);
	while (woken < THREADS)
		woken += futex(&words[1], FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static void *wait_for_bit(void *bit)
{
	while (futex(&words[0], FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL,
		       (uint32_t)(uintptr_t)bit) < 0)
		;
	return NULL;
}

TEST(bitsets_choose_sleepers)
{
	pthread_t first, second;

	CHECK(pthread_create(&first, NULL, wait_for_bit, (void *)1) == 0);
	CHECK(pthread_create(&second, NULL, wait_for_bit, (void *)2) == 0);
	while (futex(&words[0], FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 2) == 0)
		usleep(1000);
	CHECK(pthread_join(second, NULL) == 0);
	CHECK_EQ(futex(&words[0], FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 4), 0);
	while (futex(&words[0], FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 1) == 0)
		usleep(1000);
	CHECK(pthread_join(first, NULL) == 0);
}

TEST(wake_op_changes_and_compares)
{
	int set_to_five_if_three = WAKE_OP(OP_SET, 5, COMPARE_EQUAL, 3);
	int add_minus_one = WAKE_OP(OP_ADD, -1, COMPARE_GREATER, 0);

	words[1] = 3;
	CHECK_EQ(futex(&words[0], FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &words[1],
			 set_to_five_if_three),
		0);
	CHECK_EQ(words[1], 5);
	CHECK_EQ(
		futex(&words[0], FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &words[1], add_minus_one), 0);
	CHECK_EQ(words[1], 4);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static long counter;

static void *count(void *rounds)
{
	for (long i = 0; i < (long)rounds; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_cond_broadcast(&condition);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

TEST(mutexes_and_conditions_work)
{
	enum { THREADS = 4, ROUNDS = 2000 };
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, count, (void *)(long)ROUNDS) == 0);
	pthread_mutex_lock(&mutex);
	while (counter < THREADS * ROUNDS)
		pthread_cond_wait(&condition, &mutex);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK_EQ(counter, THREADS * ROUNDS);
}

TEST(a_robust_mutex_survives_its_owner)
{
	struct shared { pthread_mutex_t mutex; } *shared = (void *)shared_words();
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	CHECK(pthread_mutex_init(&shared->mutex, &attributes) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		pthread_mutex_lock(&shared->mutex);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(pthread_mutex_lock(&shared->mutex), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(&shared->mutex), 0);
	CHECK_EQ(pthread_mutex_unlock(&shared->mutex), 0);
}

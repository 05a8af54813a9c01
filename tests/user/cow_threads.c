/* SPDX-License-Identifier: MIT */
// cow
// needs: threads
/*
 * tests/user/cow_threads.c - fork takes its picture of a moving subject at one instant.
 *
 * The other threads of a process run on other CPUs, with translations from before the fork.
 */
#include "memory.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { FORKS = 1000, STORM_FORKS = 100, THREADS = 4, ROUNDS = 32 };

/* On one CPU the other thread moves only when its turn comes: each fork takes a time slice. */
enum { SLOWER_ON_ONE_CPU = 20 };

static atomic_bool must_stop, has_begun;

static bool has_one_cpu(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) == 1;
}

static pthread_t thread_new(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, run, argument), 0);
	return thread;
}

static void thread_join(pthread_t thread)
{
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* Fork so often; the child ends with check(memory). */
static void fork_storm(int forks, int (*check)(volatile uint64_t *memory),
	volatile uint64_t *memory)
{
	if (has_one_cpu())
		forks /= SLOWER_ON_ONE_CPU;
	for (int i = 0; i < forks; i++) {
		pid_t pid = fork();
		CHECK(pid >= 0);
		if (pid == 0)
			_exit(check(memory));
		CHECK_EXIT(pid, 0);
	}
}

static void wait_until_begun(void)
{
	while (!atomic_load(&has_begun))
		sched_yield();
}

static void *count_for_ever(void *memory)
{
	volatile uint64_t *word = memory;

	while (!atomic_load_explicit(&must_stop, memory_order_relaxed)) {
		++*word;
		atomic_store_explicit(&has_begun, true, memory_order_relaxed);
	}
	return NULL;
}

/* Nobody writes to the child's page. */
static int word_stands_still(volatile uint64_t *word)
{
	uint64_t first = *word;

	for (int i = 0; i < 2000; i++) {
		if (*word != first)
			return 1;
		if (i == 1000 && has_one_cpu())
			sched_yield();
	}
	return 0;
}

TEST(childs_word_never_moves_while_a_thread_of_the_parent_counts)
{
	volatile uint64_t *word = (volatile uint64_t *)pages_new(1);
	pthread_t thread = thread_new(count_for_ever, (void *)word);

	wait_until_begun();
	fork_storm(FORKS, word_stands_still, word);
	atomic_store(&must_stop, true);
	thread_join(thread);
	CHECK(*word > 0);
}

enum { PAGE_WORDS = PAGE / sizeof(uint64_t) };

static void *count_on_two_pages(void *memory)
{
	volatile uint64_t *first = memory, *second = first + PAGE_WORDS;

	while (!atomic_load_explicit(&must_stop, memory_order_relaxed)) {
		++*first;
		atomic_signal_fence(memory_order_seq_cst);
		++*second;
		atomic_store_explicit(&has_begun, true, memory_order_relaxed);
	}
	return NULL;
}

static int pages_are_of_one_instant(volatile uint64_t *memory)
{
	uint64_t ahead = memory[0] - memory[PAGE_WORDS];

	return ahead <= 1 ? 0 : 1;
}

TEST(two_pages_are_copied_at_one_instant)
{
	volatile uint64_t *memory = (volatile uint64_t *)pages_new(2);
	pthread_t thread = thread_new(count_on_two_pages, (void *)memory);

	wait_until_begun();
	fork_storm(FORKS / 2, pages_are_of_one_instant, memory);
	atomic_store(&must_stop, true);
	thread_join(thread);
	CHECK_EQ(memory[0], memory[PAGE_WORDS]);
}

/* The same with pages that lie in different tables. */
TEST(two_tables_are_copied_at_one_instant)
{
	volatile uint64_t *memory = (volatile uint64_t *)(tables_new(2) + TABLE - PAGE);
	pthread_t thread = thread_new(count_on_two_pages, (void *)memory);

	wait_until_begun();
	fork_storm(STORM_FORKS, pages_are_of_one_instant, memory);
	atomic_store(&must_stop, true);
	thread_join(thread);
}

/* Who sees the flag sees the data, though both pages are copied under the writer's hands. */
static void *send_messages(void *memory)
{
	_Atomic uint64_t *data = memory, *flag = data + PAGE_WORDS;

	for (uint64_t i = 1; !atomic_load_explicit(&must_stop, memory_order_relaxed); i++) {
		atomic_store_explicit(data, i, memory_order_relaxed);
		atomic_store_explicit(flag, i, memory_order_release);
		atomic_store_explicit(&has_begun, true, memory_order_relaxed);
	}
	return NULL;
}

static void *receive_messages(void *memory)
{
	_Atomic uint64_t *data = memory, *flag = data + PAGE_WORDS;
	uint64_t last = 0;

	while (!atomic_load_explicit(&must_stop, memory_order_relaxed)) {
		uint64_t seen = atomic_load_explicit(flag, memory_order_acquire);
		CHECK(atomic_load_explicit(data, memory_order_relaxed) >= seen);
		CHECK(seen >= last);
		last = seen;
	}
	return NULL;
}

static int nothing(volatile uint64_t *memory)
{
	(void)memory;
	return 0;
}

TEST(messages_between_threads_arrive_during_a_fork_storm)
{
	volatile uint64_t *memory = (volatile uint64_t *)pages_new(2);
	pthread_t sender = thread_new(send_messages, (void *)memory);
	pthread_t receiver = thread_new(receive_messages, (void *)memory);

	wait_until_begun();
	fork_storm(STORM_FORKS, nothing, memory);
	atomic_store(&must_stop, true);
	thread_join(sender);
	thread_join(receiver);
}

/* ---- faults of many threads at once ---- */

static pthread_barrier_t barrier;
static atomic_int sum_of_firsts;

struct share {
	volatile char *memory;
	int number;
};

/* Each round, all add to one fresh page at once. */
static void *touch_the_same(void *argument)
{
	volatile char *memory = argument;

	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&barrier);
		atomic_fetch_add((atomic_int *)(memory + round * PAGE), 1);
	}
	return NULL;
}

static void all_touch(volatile char *memory)
{
	pthread_t threads[THREADS];

	CHECK_EQ(pthread_barrier_init(&barrier, NULL, THREADS), 0);
	for (int i = 0; i < THREADS; i++)
		threads[i] = thread_new(touch_the_same, (void *)memory);
	for (int i = 0; i < THREADS; i++)
		thread_join(threads[i]);
	pthread_barrier_destroy(&barrier);
}

TEST(many_threads_touch_the_same_fresh_page)
{
	volatile char *memory = pages_new(ROUNDS);

	all_touch(memory);
	for (int round = 0; round < ROUNDS; round++)
		CHECK_EQ(*(volatile int *)(memory + round * PAGE), THREADS);
}

TEST(many_threads_touch_the_same_shared_page)
{
	struct gate gate = gate_new();
	volatile char *memory = pages_new(ROUNDS);

	for (int round = 0; round < ROUNDS; round++)
		*(volatile int *)(memory + round * PAGE) = 1000;
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		for (int round = 0; round < ROUNDS; round++)
			CHECK_EQ(*(volatile int *)(memory + round * PAGE), 1000);
		_exit(0);
	}
	all_touch(memory);
	for (int round = 0; round < ROUNDS; round++)
		CHECK_EQ(*(volatile int *)(memory + round * PAGE), 1000 + THREADS);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

/* Thread n has every page whose number leaves the rest n. */
static void *touch_own(void *argument)
{
	struct share *share = argument;

	for (int i = share->number; i < ROUNDS * THREADS; i += THREADS) {
		volatile int *word = (volatile int *)(share->memory + i * PAGE);
		sum_of_firsts += *word;
		*word = i;
	}
	return NULL;
}

static void each_touches_its_own(volatile char *memory)
{
	struct share shares[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		shares[i] = (struct share){memory, i};
		threads[i] = thread_new(touch_own, &shares[i]);
	}
	for (int i = 0; i < THREADS; i++)
		thread_join(threads[i]);
	for (int i = 0; i < ROUNDS * THREADS; i++)
		CHECK_EQ(*(volatile int *)(memory + i * PAGE), i);
}

TEST(threads_touch_different_pages_side_by_side)
{
	volatile char *memory = pages_new(ROUNDS * THREADS);

	each_touches_its_own(memory);
	CHECK_EQ(sum_of_firsts, 0);
}

TEST(threads_copy_different_pages_side_by_side)
{
	struct gate gate = gate_new();
	volatile char *memory = pages_new(ROUNDS * THREADS);

	for (int i = 0; i < ROUNDS * THREADS; i++)
		*(volatile int *)(memory + i * PAGE) = 1;
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		for (int i = 0; i < ROUNDS * THREADS; i++)
			CHECK_EQ(*(volatile int *)(memory + i * PAGE), 1);
		_exit(0);
	}
	each_touches_its_own(memory);
	CHECK_EQ(sum_of_firsts, ROUNDS * THREADS);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

/* ---- who is copied ---- */

static void *fork_here(void *argument)
{
	pid_t pid = fork();

	(void)argument;
	if (pid == 0)
		_exit((int)proc_number("/proc/self/status", "Threads:"));
	CHECK_EXIT(pid, 1);
	return NULL;
}

TEST(fork_copies_only_the_calling_thread)
{
	volatile uint64_t *word = (volatile uint64_t *)pages_new(1);
	pthread_t counter = thread_new(count_for_ever, (void *)word);

	wait_until_begun();
	thread_join(thread_new(fork_here, NULL));
	while (proc_number("/proc/self/status", "Threads:") != 2)
		sched_yield();          /* who was joined is about to leave */
	atomic_store(&must_stop, true);
	thread_join(counter);
}

static void *fork_often(void *argument)
{
	fork_storm(20, nothing, argument);
	return NULL;
}

/* Forks of one space wait for each other; faults of the others go on. */
TEST(threads_fork_side_by_side)
{
	volatile uint64_t *word = (volatile uint64_t *)pages_new(1);
	pthread_t counter = thread_new(count_for_ever, (void *)word), threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		threads[i] = thread_new(fork_often, NULL);
	for (int i = 0; i < THREADS; i++)
		thread_join(threads[i]);
	atomic_store(&must_stop, true);
	thread_join(counter);
	CHECK(*word > 0);
}

/* A page that is taken away from under a reader is either there as it was, or gone. */
static void *map_and_unmap(void *argument)
{
	void *page = argument;

	for (int i = 0; i < ROUNDS * 10; i++) {
		CHECK_EQ(munmap(page, PAGE), 0);
		CHECK(mmap(page, PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
		*(volatile char *)page = 'A';
	}
	atomic_store(&must_stop, true);
	return NULL;
}

TEST(unmapped_pages_never_show_anothers_data)
{
	volatile char *page = pages_new(1), *signature = pages_new(1);

	page[0] = 'A';
	pthread_t mapper = thread_new(map_and_unmap, (void *)page);
	for (int i = 0; !atomic_load(&must_stop); i++) {
		volatile char seen = 0;
		/* a fresh frame with a signature, most likely the one that was just freed */
		CHECK_EQ(madvise((void *)signature, PAGE, MADV_DONTNEED), 0);
		memset((char *)signature, 'S', PAGE);
		struct sigaction action = {.sa_sigaction = fault_note, .sa_flags = SA_SIGINFO};
		sigaction(SIGSEGV, &action, NULL);
		if (sigsetjmp(fault_return, 1) == 0)
			seen = page[0];
		CHECK(seen == 'A' || seen == 0);
	}
	thread_join(mapper);
}

/* SPDX-License-Identifier: MIT */
// cow
// cowbell-only
// needs: threads
/*
 * tests/user/threads_faults.c - page faults of many threads in one space run side by side.
 *
 * Not by time but by count: while they fault, nobody takes the space's lock for writing, and nobody
 * ever waits for it.
 */
#include "futex.h"

PAGES_ARE_COUNTED

enum { THREADS = 4, PAGES = 256 };

static pthread_barrier_t barrier;
static volatile char *memory;
static size_t stride;
static int pages_touched = PAGES;

/* What the lock of our own space has seen, and the faults in it. */
struct lock_use { long long writes, waits, faults; };

static struct lock_use lock_use(void)
{
	return (struct lock_use){
		proc_number("/proc/self/cow", "space_lock_writes"),
		proc_number("/proc/self/cow", "space_lock_waits"),
		proc_number("/proc/self/cow", "faults "),
	};
}

static void *touch_own_part(void *number)
{
	volatile char *mine = memory + (intptr_t)number * stride;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < pages_touched; i++)
		mine[i * PAGE]++;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

/* Look twice, to know what looking itself does to the lock. */
static void fault_side_by_side(int faults_each)
{
	pthread_t threads[THREADS];

	CHECK_EQ(pthread_barrier_init(&barrier, NULL, THREADS + 1), 0);
	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = thread_new(touch_own_part, (void *)i);
	struct lock_use before = lock_use(), looked = lock_use();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	struct lock_use after = lock_use();
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < THREADS; i++)
		thread_join(threads[i]);

	CHECK(after.faults - looked.faults >= THREADS * faults_each);
	CHECK_EQ(after.writes - looked.writes, looked.writes - before.writes);
	CHECK_EQ(after.waits, looked.waits);
}

TEST(fresh_pages_of_one_table)
{
	memory = tables_new(1);
	stride = PAGES / THREADS * PAGE;        /* neighbours meet */
	pages_touched = PAGES / THREADS;
	fault_side_by_side(pages_touched);
}

TEST(fresh_pages_of_many_tables)
{
	memory = tables_new(THREADS + 1);
	stride = TABLE;
	fault_side_by_side(pages_touched);
}

/* Then the child has nothing of ours, and one fault takes a whole table back. */
static bool fork_copies_at_once(void)
{
	char share[8] = "";
	int fd = open("/proc/sys/vm/fork_share", O_RDONLY);

	CHECK(read(fd, share, sizeof(share) - 1) > 0);
	close(fd);
	return strcmp(share, "none\n") == 0;
}

/* Every table on the path is shared, too, and owned on the way. */
TEST(pages_shared_by_a_fork)
{
	struct gate gate = gate_new();

	memory = tables_new(THREADS + 1);
	stride = TABLE;
	for (int i = 0; i < THREADS; i++)
		pages_mark(memory + i * TABLE, PAGES, 1);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		for (int i = 0; i < THREADS; i++)
			CHECK(pages_have_marks(memory + i * TABLE, PAGES, 1));
		_exit(0);
	}
	fault_side_by_side(fork_copies_at_once() ? 1 : pages_touched);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(pages_of_a_shared_mapping)
{
	memory = memory_map((THREADS + 1) * TABLE, PROT_READ | PROT_WRITE, MAP_SHARED);
	stride = TABLE;
	fault_side_by_side(pages_touched);
}

/* The counter counts: who maps does take the lock. */
TEST(mapping_takes_the_lock)
{
	struct lock_use before = lock_use(), looked = lock_use();

	pages_free(pages_new(1), 1);
	struct lock_use after = lock_use();
	CHECK_EQ(after.writes - looked.writes, looked.writes - before.writes + 2);
}

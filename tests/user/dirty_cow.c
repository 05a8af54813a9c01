/* SPDX-License-Identifier: MIT */
// needs: threads
/*
 * tests/user/dirty_cow.c - a forced write races with who drops the page that it made.
 *
 * /proc/self/mem may write to a private page that the program itself may only read: into a copy.
 * Whoever takes the copy away at the right moment must not bring the file's own page under the pen.
 */
#include "memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { WRITES = 2000, WRITES_ON_ONE_CPU = 200 };

static const char in_file[] = "what root wrote", forged[] = "what we'd like it to say";

static atomic_bool must_stop;

/* A file of one page that holds what nobody here may change. */
static int file_new(void)
{
	int fd = memfd_create("constant", 0);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	CHECK_EQ(pwrite(fd, in_file, sizeof(in_file), 0), sizeof(in_file));
	return fd;
}

static char *view_new(int fd)
{
	char *view = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

	CHECK(view != MAP_FAILED);
	return view;
}

static bool file_is_untouched(int fd)
{
	char now[sizeof(in_file)];

	CHECK_EQ(pread(fd, now, sizeof(now), 0), sizeof(now));
	return strcmp(now, in_file) == 0;
}

static int memory_open(void)
{
	int fd = open("/proc/self/mem", O_RDWR);

	CHECK(fd >= 0);
	return fd;
}

TEST(a_forced_write_changes_a_copy)
{
	int fd = file_new(), memory = memory_open();
	char *view = view_new(fd);

	CHECK_EQ(pwrite(memory, forged, sizeof(forged), (off_t)view), sizeof(forged));
	CHECK_EQ(strcmp(view, forged), 0);
	CHECK(file_is_untouched(fd));
	CHECK_EQ(madvise(view, PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(strcmp(view, in_file), 0);
}

static void *drop_for_ever(void *view)
{
	while (!atomic_load_explicit(&must_stop, memory_order_relaxed))
		madvise(view, PAGE, MADV_DONTNEED);
	return NULL;
}

TEST(who_drops_the_copy_does_not_uncover_the_file)
{
	int fd = file_new(), memory = memory_open();
	bool has_one_cpu = sysconf(_SC_NPROCESSORS_ONLN) == 1;
	char *view = view_new(fd);
	pthread_t dropper;

	CHECK_EQ(pthread_create(&dropper, NULL, drop_for_ever, view), 0);
	for (int i = has_one_cpu ? WRITES_ON_ONE_CPU : WRITES; i > 0; i--) {
		CHECK_EQ(pwrite(memory, forged, sizeof(forged), (off_t)view), sizeof(forged));
		CHECK(file_is_untouched(fd));
	}
	atomic_store(&must_stop, true);
	CHECK_EQ(pthread_join(dropper, NULL), 0);
}

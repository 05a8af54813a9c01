/* SPDX-License-Identifier: MIT */
// cow
/*
 * tests/user/mm_advice.c - each advice: what it does, where it is refused and with which word.
 *
 * See: madvise(2), mincore(2), proc(5) on VmFlags.
 */
#include "temp_dir.h"
#include "memory.h"

enum { READ_WRITE = PROT_READ | PROT_WRITE };

#ifndef MADV_POPULATE_READ
enum { MADV_POPULATE_READ = 22, MADV_POPULATE_WRITE = 23 };
#endif

static int advise(volatile char *memory, size_t pages, int advice)
{
	return madvise((void *)memory, pages * PAGE, advice);
}

static int memory_file(size_t pages)
{
	int fd = memfd_create("advice", 0);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, pages * PAGE), 0);
	return fd;
}

static volatile char *view(int fd, size_t pages, int prot, int flags)
{
	void *memory = mmap(NULL, pages * PAGE, prot, flags, fd, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static size_t pages_present(volatile char *memory, size_t pages)
{
	unsigned char present[64];
	size_t count = 0;

	CHECK(pages <= sizeof(present));
	CHECK_EQ(mincore((void *)memory, pages * PAGE, present), 0);
	for (size_t i = 0; i < pages; i++)
		count += present[i] & 1;
	return count;
}

/* Is this two-letter flag among the VmFlags of the range that begins at `start`? */
static bool has_flag(volatile char *start, const char *flag)
{
	char line[512], head[32], word[8];
	bool is_inside = false, is_found = false;
	FILE *smaps = fopen("/proc/self/smaps", "r");

	CHECK(smaps != NULL);
	snprintf(head, sizeof(head), "%lx-", (unsigned long)start);
	snprintf(word, sizeof(word), " %s", flag);
	while (fgets(line, sizeof(line), smaps)) {
		if (strncmp(line, head, strlen(head)) == 0)
			is_inside = true;
		if (is_inside && strncmp(line, "VmFlags:", 8) == 0) {
			is_found = strstr(line, word);
			break;
		}
	}
	fclose(smaps);
	CHECK(is_inside);
	return is_found;
}

/* ---- dropping ---- */

TEST(free_takes_only_what_is_not_written_again)
{
	volatile char *memory = pages_new(8);

	memset((char *)memory, 'A', 8 * PAGE);
	CHECK_EQ(advise(memory, 4, MADV_FREE), 0);
	memory[0] = 'n';
	CHECK_EQ(memory[0], 'n');
	for (int i = 1; i < 4; i++)
		CHECK(memory[i * PAGE] == 'A' || memory[i * PAGE] == 0);
	CHECK(bytes_are(memory + 4 * PAGE, 4 * PAGE, 'A'));
}

TEST(free_after_fork_is_the_callers_alone)
{
	volatile char *memory = tables_new(1);

	pages_mark(memory, 512, 1);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(advise(memory, 512, MADV_FREE), 0);
		pages_mark(memory, 100, 2);
		CHECK(pages_have_marks(memory, 100, 2));
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 512, 1));
}

DIR_TEST(free_is_for_private_anonymous_memory)
{
	int fd = memory_file(2);

	CHECK_ERRNO(advise(view(fd, 2, READ_WRITE, MAP_SHARED), 2, MADV_FREE), EINVAL);
	CHECK_ERRNO(advise(view(fd, 2, READ_WRITE, MAP_PRIVATE), 2, MADV_FREE), EINVAL);
	CHECK_ERRNO(advise(memory_map(PAGE, READ_WRITE, MAP_SHARED), 1, MADV_FREE), EINVAL);
}

TEST(dropping_and_aging_respect_locks)
{
	static const int advices[] = {MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT,
		MADV_REMOVE};
	volatile char *memory = pages_new(4);

	pages_mark(memory, 4, 1);
	CHECK_EQ(mlock((void *)memory, 2 * PAGE), 0);
	for (size_t i = 0; i < sizeof(advices) / sizeof(*advices); i++) {
		CHECK_ERRNO(advise(memory, 2, advices[i]), EINVAL);
		CHECK(pages_have_marks(memory, 4, 1));
	}
	CHECK_EQ(munlock((void *)memory, 2 * PAGE), 0);
	CHECK_EQ(advise(memory, 4, MADV_COLD), 0);
	CHECK_EQ(advise(memory, 4, MADV_PAGEOUT), 0);
	CHECK(pages_have_marks(memory, 4, 1));
}

TEST(cold_and_pageout_change_no_contents)
{
	int fd = memory_file(4);
	volatile char *shared = view(fd, 4, READ_WRITE, MAP_SHARED);
	volatile char *private = view(fd, 4, READ_WRITE, MAP_PRIVATE);

	pages_mark(shared, 4, 1);
	private[0] = 'p';
	for (int advice = MADV_COLD; advice <= MADV_PAGEOUT; advice++) {
		CHECK_EQ(advise(shared, 4, advice), 0);
		CHECK_EQ(advise(private, 4, advice), 0);
		CHECK(pages_have_marks(shared, 4, 1));
		CHECK_EQ(private[0], 'p');
		CHECK_EQ(private[PAGE], 2);
	}
	pages_free(shared + PAGE, 1);
	CHECK_ERRNO(advise(shared, 4, MADV_COLD), ENOMEM);
}

/* ---- removing ---- */

TEST(remove_punches_the_file)
{
	int fd = memory_file(8);
	volatile char *shared = view(fd, 8, READ_WRITE, MAP_SHARED), *other;
	struct stat stat;
	char byte = 'x';

	pages_mark(shared, 8, 1);
	other = view(fd, 8, PROT_READ, MAP_SHARED);
	volatile char *private = view(fd, 8, READ_WRITE, MAP_PRIVATE);
	private[3 * PAGE] = 'p';
	CHECK_EQ(advise(shared + 2 * PAGE, 3, MADV_REMOVE), 0);
	CHECK(pages_have_marks(shared, 2, 1));
	CHECK(bytes_are(shared + 2 * PAGE, 3 * PAGE, 0));
	CHECK(bytes_are(other + 2 * PAGE, 3 * PAGE, 0));
	CHECK_EQ(private[3 * PAGE], 'p');
	CHECK_EQ(pread(fd, &byte, 1, 3 * PAGE), 1);
	CHECK_EQ(byte, 0);
	CHECK(pages_have_marks(shared + 5 * PAGE, 3, 6));
	CHECK_EQ(fstat(fd, &stat), 0);
	CHECK_EQ(stat.st_size, 8 * PAGE);
}

TEST(remove_of_shared_anonymous_memory_is_for_all)
{
	volatile char *memory = memory_map(8 * PAGE, READ_WRITE, MAP_SHARED);

	pages_mark(memory, 8, 1);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(advise(memory + PAGE, 2, MADV_REMOVE), 0);
		CHECK_EQ(memory[PAGE], 0);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(memory[0], 1);
	CHECK(bytes_are(memory + PAGE, 2 * PAGE, 0));
	CHECK_EQ(memory[3 * PAGE], 4);
}

DIR_TEST(remove_needs_a_shared_mapping_that_may_be_written)
{
	int fd = memory_file(2);

	file_make("f", "text");
	int reader = open("f", O_RDONLY);
	CHECK_ERRNO(advise(pages_new(2), 2, MADV_REMOVE), EINVAL);
	CHECK_ERRNO(advise(view(fd, 2, READ_WRITE, MAP_PRIVATE), 2, MADV_REMOVE), EACCES);
	CHECK_ERRNO(advise(view(reader, 1, PROT_READ, MAP_SHARED), 1, MADV_REMOVE), EACCES);
}

TEST(remove_crosses_ranges)
{
	int fd = memory_file(8);
	volatile char *shared = view(fd, 8, READ_WRITE, MAP_SHARED);

	pages_mark(shared, 8, 1);
	CHECK_EQ(advise(shared + 4 * PAGE, 4, MADV_DONTFORK), 0);
	CHECK_EQ(advise(shared + 2 * PAGE, 4, MADV_REMOVE), 0);
	CHECK(pages_have_marks(shared, 2, 1));
	CHECK(bytes_are(shared + 2 * PAGE, 4 * PAGE, 0));
	CHECK(pages_have_marks(shared + 6 * PAGE, 2, 7));
	pages_free(shared + 7 * PAGE, 1);
	CHECK_ERRNO(advise(shared + 6 * PAGE, 2, MADV_REMOVE), ENOMEM);
}

/* Only a moment is wrong if anything is: so many tries. */
enum { TRIES = 300 };

/* Until it is killed, copy the file's last page over its last but one, and allocate all of it. */
static pid_t file_kept_busy(int fd, size_t pages)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (;;) {
		off_t from = (off_t)(pages - 1) * PAGE, to = (off_t)(pages - 2) * PAGE;

		CHECK_EQ(copy_file_range(fd, &from, fd, &to, PAGE, 0), PAGE);
		CHECK_EQ(fallocate(fd, 0, (off_t)(pages - 2) * PAGE, 2 * PAGE), 0);
	}
}

TEST(removed_stays_removed_while_others_change_the_file)
{
	int fd = memory_file(8), status;
	volatile char *shared = view(fd, 8, READ_WRITE, MAP_SHARED);

	pages_mark(shared, 8, 1);
	pid_t busy = file_kept_busy(fd, 8);

	for (int i = 0; i < TRIES; i++) {
		shared[PAGE] = 'x';
		CHECK_EQ(advise(shared + PAGE, 2, MADV_REMOVE), 0);
		CHECK_EQ(shared[PAGE], 0);
		CHECK_EQ(shared[2 * PAGE], 0);
	}
	CHECK_EQ(kill(busy, SIGKILL), 0);
	CHECK_EQ(waitpid(busy, &status, 0), busy);
	CHECK(WIFSIGNALED(status));             /* nothing was refused to it */
	CHECK(pages_have_marks(shared, 1, 1));
	CHECK(pages_have_marks(shared + 3 * PAGE, 3, 4));
}

/* ---- populating ---- */

TEST(populate_reads_or_writes)
{
	int fd = memory_file(4);
	volatile char *memory = pages_new(8), *private = view(fd, 4, READ_WRITE, MAP_PRIVATE);
	char byte = 'f';

	CHECK_EQ(advise(memory, 8, MADV_POPULATE_WRITE), 0);
	CHECK_EQ(pages_present(memory, 8), 8);
	CHECK_EQ(advise(private, 2, MADV_POPULATE_WRITE), 0);
	CHECK_EQ(advise(private + 2 * PAGE, 2, MADV_POPULATE_READ), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pwrite(fd, &byte, 1, i * PAGE), 1);
	CHECK(private[0] == 0 && private[PAGE] == 0);           /* copied before */
	CHECK(private[2 * PAGE] == 'f' && private[3 * PAGE] == 'f');
}

TEST(populate_after_fork_copies_beforehand)
{
	volatile char *memory = pages_new(64);

	pages_mark(memory, 64, 1);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(advise(memory, 64, MADV_POPULATE_WRITE), 0);
		CHECK(pages_have_marks(memory, 64, 1));
		proc_number("/proc/self/cow", "frames_copied ");        /* what looking needs */
		long long before = proc_number("/proc/self/cow", "frames_copied ");
		pages_mark(memory, 64, 2);
		CHECK_EQ(proc_number("/proc/self/cow", "frames_copied "), before);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 64, 1));
}

TEST(populate_says_what_is_wrong)
{
	int fd = memory_file(2);
	volatile char *memory = pages_new(8), *shared = view(fd, 4, READ_WRITE, MAP_SHARED);

	CHECK_EQ(protect(memory, 2, PROT_READ), 0);
	CHECK_EQ(protect(memory + 2 * PAGE, 2, PROT_NONE), 0);
	CHECK_ERRNO(advise(memory, 2, MADV_POPULATE_WRITE), EINVAL);
	CHECK_ERRNO(advise(memory + 2 * PAGE, 2, MADV_POPULATE_READ), EINVAL);
	CHECK_EQ(advise(memory, 2, MADV_POPULATE_READ), 0);
	pages_free(memory + 6 * PAGE, 1);
	CHECK_ERRNO(advise(memory + 4 * PAGE, 4, MADV_POPULATE_WRITE), ENOMEM);
	CHECK_ERRNO(advise(memory + 6 * PAGE, 1, MADV_POPULATE_READ), ENOMEM);
	CHECK_ERRNO(advise(shared, 4, MADV_POPULATE_READ), EFAULT);
	CHECK_ERRNO(advise(shared, 4, MADV_POPULATE_WRITE), EFAULT);
	CHECK_EQ(advise(shared, 2, MADV_POPULATE_WRITE), 0);
}

/* ---- flags of ranges ---- */

TEST(flags_are_told_and_split_ranges)
{
	static const struct { int set, clear; const char *flag; } pairs[] = {
		{MADV_DONTFORK, MADV_DOFORK, "dc"},
		{MADV_WIPEONFORK, MADV_KEEPONFORK, "wf"},
		{MADV_DONTDUMP, MADV_DODUMP, "dd"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		volatile char *memory = memory_map(8 * PAGE, PROT_NONE, MAP_PRIVATE);
		CHECK_EQ(protect(memory + PAGE, 6, READ_WRITE), 0);
		volatile char *inside = memory + PAGE;
		CHECK(!has_flag(inside, pairs[i].flag));
		CHECK_EQ(advise(inside + 2 * PAGE, 2, pairs[i].set), 0);
		CHECK(!has_flag(inside, pairs[i].flag));
		CHECK(has_flag(inside + 2 * PAGE, pairs[i].flag));
		CHECK(!has_flag(inside + 4 * PAGE, pairs[i].flag));
		CHECK_EQ(advise(inside, 6, pairs[i].set), 0);
		CHECK(has_flag(inside, pairs[i].flag));
		CHECK_EQ(advise(inside, 6, pairs[i].clear), 0);
		CHECK(!has_flag(inside, pairs[i].flag));
	}
}

TEST(dontfork_of_shared_memory)
{
	volatile char *memory = memory_map(3 * PAGE, READ_WRITE, MAP_SHARED);

	pages_mark(memory, 3, 1);
	CHECK_EQ(advise(memory + PAGE, 1, MADV_DONTFORK), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_FAULT(memory + PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
		CHECK(mmap((void *)(memory + PAGE), PAGE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
			MAP_FIXED_NOREPLACE, -1, 0) == memory + PAGE);
		memory[PAGE] = 'c';
		memory[2 * PAGE] = 'c';
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(memory[PAGE], 2);
	CHECK_EQ(memory[2 * PAGE], 'c');
}

/* A child that has no such range has no promise to keep for it either, and forks itself. */
TEST(grandchildren_have_the_same_holes)
{
	volatile char *memory = tables_new(2);

	pages_mark(memory, 1024, 1);
	CHECK_EQ(advise(memory + 100 * PAGE, 100, MADV_DONTFORK), 0);
	CHECK_EQ(advise(memory + 600 * PAGE, 100, MADV_WIPEONFORK), 0);
	pid_t pid = fork();
	if (pid == 0) {
		memory[600 * PAGE] = 'c';
		pid = fork();
		if (pid == 0) {
			CHECK_FAULT(memory + 150 * PAGE, TO_READ, SIGSEGV, SEGV_MAPERR);
			CHECK_EQ(memory[600 * PAGE], 0);
			CHECK_EQ(memory[599 * PAGE], (char)600);
			_exit(0);
		}
		CHECK_EXIT(pid, 0);
		CHECK_EQ(memory[600 * PAGE], 'c');
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK(pages_have_marks(memory, 1024, 1));
}

/* ---- only hints ---- */

TEST(willneed_of_files_and_memory)
{
	int fd = memory_file(4);
	volatile char *shared = view(fd, 4, READ_WRITE, MAP_SHARED);

	shared[0] = 's';
	CHECK_EQ(advise(shared, 4, MADV_WILLNEED), 0);
	CHECK_EQ(shared[0], 's');
	CHECK_EQ(advise(pages_new(2), 2, MADV_WILLNEED), 0);
	pages_free(shared + PAGE, 1);
	CHECK_ERRNO(advise(shared, 4, MADV_WILLNEED), ENOMEM);
}

/* ---- mincore ---- */

/* Of a file: what is in memory, whoever brought it; of private memory: what was touched. */
TEST(mincore_tells_of_the_file)
{
	int fd = memory_file(8);
	char byte = 'f';

	for (int i = 0; i < 4; i++)
		CHECK_EQ(pwrite(fd, &byte, 1, i * PAGE), 1);
	volatile char *shared = view(fd, 8, READ_WRITE, MAP_SHARED);
	volatile char *private = view(fd, 8, READ_WRITE, MAP_PRIVATE);
	CHECK_EQ(pages_present(shared, 8), 4);
	CHECK_EQ(pages_present(private, 8), 4);
	private[5 * PAGE] = 'p';
	CHECK_EQ(pages_present(private, 8), is_cowbell() ? 5 : pages_present(private, 8));
	volatile char *memory = memory_map(8 * PAGE, READ_WRITE, MAP_SHARED);
	memory[3 * PAGE] = 's';
	CHECK_EQ(pages_present(memory, 8), 1);
	pid_t pid = fork();
	if (pid == 0) {
		memory[4 * PAGE] = 'c';
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
	CHECK_EQ(pages_present(memory, 8), 2);
	CHECK_EQ(advise(memory, 8, MADV_DONTNEED), 0);
	CHECK_EQ(pages_present(memory, 8), 2);
	CHECK_EQ(advise(memory, 8, MADV_REMOVE), 0);
	CHECK_EQ(pages_present(memory, 8), 0);
}

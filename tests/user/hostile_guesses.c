/* SPDX-License-Identifier: MIT */
/*
 * tests/user/hostile_guesses.c - what a program cannot know: where things lie, its own parts by
 * guessing, the kernel's by reading.
 */
// cowbell-only: changes settings of the system, and reads every file of /proc and /sys
#include "credentials.h"
#include "hostile.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/auxv.h>

/* ---- programs lie at random ---- */

enum part { STACK, MAPPING, HEAP, VECTOR, PARTS };
static const char *const part_names[PARTS] = {"stack", "mapping", "heap", "random bytes"};

struct places { uint64_t at[PARTS]; };

/* In the program that was started to tell. */
TEST(tells_where_it_is)
{
	if (!getenv("TELL"))
		return;
	struct places mine;
	char here;

	mine.at[STACK] = (uintptr_t)&here & ~4095ul;
	mine.at[MAPPING] = (uintptr_t)mmap(NULL, 4096, PROT_READ,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mine.at[HEAP] = (uintptr_t)syscall(SYS_brk, 0) & ~4095ul;
	memcpy(&mine.at[VECTOR], (void *)getauxval(AT_RANDOM), 8);
	CHECK_EQ(write(STDERR_FILENO, &mine, sizeof(mine)), sizeof(mine));
}

static struct places places_of_another(void)
{
	char *arguments[] = {"hostile_guesses", "tells_where_it_is", NULL};
	char *environment[] = {"TELL=yes", NULL};
	struct places its;
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(STDOUT_FILENO);
		execve("/proc/self/exe", arguments, environment);
		_exit(1);
	}
	CHECK_EQ(read(fds[0], &its, sizeof(its)), sizeof(its));
	close(fds[0]);
	close(fds[1]);
	utest_wait(pid);
	return its;
}

static void randomize(const char *value)
{
	int fd = open("/proc/sys/kernel/randomize_va_space", O_WRONLY);

	CHECK(fd >= 0 && write(fd, value, 1) == 1);
	close(fd);
}

/* A part with n bits of entropy lies at n bits' worth of places; of STARTS tries few meet. */
enum { STARTS = 120 };

static int distinct(const struct places *all, int part)
{
	int count = 0;

	for (int i = 0; i < STARTS; i++) {
		bool is_new = true;

		for (int k = 0; k < i; k++)
			is_new &= all[k].at[part] != all[i].at[part];
		count += is_new;
	}
	return count;
}

TEST(no_two_programs_lie_alike)
{
	static struct places all[STARTS];
	uint64_t all_bits[PARTS] = {0};

	for (int i = 0; i < STARTS; i++) {
		all[i] = places_of_another();
		for (int part = 0; part < PARTS; part++)
			all_bits[part] |= all[i].at[part] ^ all[0].at[part];
	}
	for (int part = 0; part < PARTS; part++)
		dprintf(STDOUT_FILENO, "# %s: %d places of %d starts, bits %#lx change\n",
			part_names[part], distinct(all, part), STARTS, all_bits[part]);
	CHECK(distinct(all, STACK) > STARTS * 8 / 10);          /* 11 bits */
	CHECK(distinct(all, MAPPING) > STARTS * 19 / 20);       /* 14 bits */
	CHECK(distinct(all, HEAP) > STARTS * 6 / 10);           /* 8 bits */
	CHECK_EQ(distinct(all, VECTOR), STARTS);
}

TEST(all_lie_alike_when_told_to)
{
	randomize("0");
	struct places one = places_of_another(), other = places_of_another();
	randomize("2");
	CHECK_EQ(one.at[STACK], other.at[STACK]);
	CHECK_EQ(one.at[MAPPING], other.at[MAPPING]);
	CHECK_EQ(one.at[HEAP], other.at[HEAP]);
	CHECK(one.at[VECTOR] != other.at[VECTOR]);
}

/* ---- the kernel does not say where it is ---- */

/* All ones, and what Linux takes for boundless shared memory. */
static bool is_no_limit(const char *number)
{
	return strncmp(number, "18446744073709551615", 20) == 0 ||
	       strncmp(number, "18446744073692774399", 20) == 0;
}

/* An address of the kernel half, in hexadecimal or decimal.  (All ones is no limit.) */
static bool tells_an_address(const char *text, size_t len)
{
	static const char *const beginnings[] = {
		"ffff88", "ffff89", "ffffc9", "ffffffff8", "18446",
	};

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		const char *at = memmem(text, len, beginnings[i], strlen(beginnings[i]));

		while (at) {
			size_t digits = strspn(at, "0123456789abcdef");

			if (digits >= 16 && digits <= 20 && !is_no_limit(at))
				return true;
			at = memmem(at + 1, len - (size_t)(at + 1 - text), beginnings[i],
				strlen(beginnings[i]));
		}
	}
	return false;
}

static int files_read;

static void check_file(const char *path)
{
	static char text[1 << 20];
	int fd = open(path, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		return;
	ssize_t len = read(fd, text, sizeof(text) - 1);
	close(fd);
	files_read += len > 0;
	if (len <= 0 || strstr(path, "/auxv") || strstr(path, "/mem") || strstr(path, "pagemap"))
		return;
	text[len] = '\0';
	if (tells_an_address(text, (size_t)len)) {
		dprintf(STDOUT_FILENO, "# %s tells an address of the kernel\n", path);
		_exit(EXIT_FAILURE);
	}
}

static void check_tree(const char *path, int depth)
{
	DIR *directory = opendir(path);
	char name[512];

	for (struct dirent *entry; directory && (entry = readdir(directory));) {
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] == '.')
			continue;
		if (entry->d_type == DT_DIR && depth < 6)
			check_tree(name, depth + 1);
		else if (entry->d_type == DT_REG)
			check_file(name);
	}
	if (directory)
		closedir(directory);
}

TEST(addresses_are_recognized)
{
	CHECK(tells_an_address("at 0xffff888012345678.", 22));
	CHECK(tells_an_address("ffffffff80100000", 16));
	CHECK(tells_an_address("18446603336221196288", 20));
	CHECK(!tells_an_address("SigBlk:\tffffffff", 16));
	CHECK(!tells_an_address("18446744073709551615", 20));
}

TEST(no_file_tells_an_address_of_the_kernel)
{
	AS(SOMEBODY, {
		check_tree("/proc", 0);
		check_tree("/sys", 0);
		check_file("/dev/kmsg");
		CHECK(files_read > 60);
	});
}

TEST(nor_does_the_log)
{
	AS(SOMEBODY, {
		static char text[1 << 18];
		long len = syscall(SYS_syslog, 3, text, sizeof(text));

		CHECK(len > 0 && !tells_an_address(text, (size_t)len));
	});
}

/* Files of the kernel's inside are the superuser's. */
TEST(the_inside_is_closed)
{
	static const char *const files[] = {
		"/proc/slabinfo", "/proc/kpagecount", "/proc/kpageflags", "/proc/audit",
		"/proc/ledger", "/proc/selftest", "/proc/trace", "/proc/trace_binary",
		"/proc/trace_filter", "/proc/trace_hist", "/proc/1/tree", "/proc/1/maps"};

	AS(SOMEBODY, {
		for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
			CHECK_ERRNO(open(files[i], O_RDONLY), EACCES);
		CHECK_ERRNO(open("/proc/sys/vm/fork_share", O_WRONLY), EACCES);
		CHECK_ERRNO(open("/proc/selftest", O_WRONLY), EACCES);
	});
}

TEST(own_tree_without_frames)
{
	AS(SOMEBODY, {
		static char text[65536];
		int fd = open("/proc/self/tree", O_RDONLY);
		ssize_t len = read(fd, text, sizeof(text) - 1);
		int lines = 0;

		CHECK(len > 0);
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
			unsigned long address, frame;

			if (sscanf(line, "%lx frame %lu", &address, &frame) == 2) {
				CHECK_EQ(frame, 0);
				lines++;
			}
		}
		CHECK(lines > 5);
	});
}

/* The tables' addresses are not told by the processor either.  (Linux makes values up.) */
TEST(tables_are_not_told)
{
	char table[16];

	FAULTS(SIGSEGV, __asm__ volatile("sgdt %0" : "=m"(table)));
	FAULTS(SIGSEGV, __asm__ volatile("sidt %0" : "=m"(table)));
	FAULTS(SIGSEGV, __asm__ volatile("sldt %%ax" : : : "rax"));
	FAULTS(SIGSEGV, __asm__ volatile("str %%ax" : : : "rax"));
	FAULTS(SIGSEGV, __asm__ volatile("smsw %%ax" : : : "rax"));
}

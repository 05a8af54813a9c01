/* SPDX-License-Identifier: MIT */
/*
 * tests/user/proc_tools.c - the small files of /proc that tools read.
 */
#include "memory.h"

#include <elf.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>

static ssize_t read_file(const char *path, void *buf, size_t size)
{
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0);
	ssize_t len = read(fd, buf, size);
	CHECK(len >= 0);
	close(fd);
	return len;
}

TEST(auxv_is_what_the_program_was_told)
{
	static Elf64_auxv_t vector[64];
	ssize_t len = read_file("/proc/self/auxv", vector, sizeof(vector));
	bool has_end = false;

	CHECK(len > 0);
	CHECK_EQ(len % (ssize_t)sizeof(*vector), 0);
	for (size_t i = 0; i < (size_t)len / sizeof(*vector) && !has_end; i++) {
		has_end = vector[i].a_type == AT_NULL;
		if (!has_end)
			CHECK_EQ(vector[i].a_un.a_val, getauxval(vector[i].a_type));
	}
	CHECK(has_end);
	CHECK_EQ(getauxval(AT_PAGESZ), PAGE);
}

static void pid_file(char *path, size_t size, pid_t pid, const char *name)
{
	snprintf(path, size, "/proc/%d/%s", (int)pid, name);
}

/* Names of functions are the kernel's own, but what sleeps in a pipe says so. */
TEST(wchan_names_where_a_process_sleeps)
{
	struct gate gate = gate_new();
	char path[64], name[64] = "";

	CHECK(read_file("/proc/self/wchan", name, sizeof(name) - 1) == 1);
	CHECK(strcmp(name, "0") == 0);
	pid_t pid = fork();
	if (pid == 0) {
		gate_pass(gate);
		_exit(0);
	}
	child_settle(pid);
	pid_file(path, sizeof(path), pid, "wchan");
	ssize_t len = read_file(path, name, sizeof(name) - 1);
	name[len] = '\0';
	if (geteuid() == 0)
		CHECK(strstr(name, "pipe"));
	gate_open(gate);
	CHECK_EXIT(pid, 0);
}

TEST(wchan_is_a_secret)
{
	char name[64] = "";

	if (geteuid() != 0)
		SKIP("only the superuser can become somebody else");
	CHECK_EQ(setresuid(65534, 65534, 65534), 0);
	CHECK_EQ(read_file("/proc/1/wchan", name, sizeof(name)), 1);
	CHECK(name[0] == '0');
}

TEST(cgroup_has_three_fields)
{
	char line[4096] = "";

	CHECK(read_file("/proc/self/cgroup", line, sizeof(line) - 1) > 0);
	char *first = strchr(line, ':'), *second = first ? strchr(first + 1, ':') : NULL;
	CHECK(first && second);
	CHECK_EQ(second[1], '/');
}

TEST(personality_is_eight_digits)
{
	char text[16] = "";

	CHECK_EQ(read_file("/proc/self/personality", text, sizeof(text)), 9);
	CHECK_EQ(strtoul(text, NULL, 16), 0);
}

static void *look_at_own_files(void *argument)
{
	static const char *const names[] = { "stat", "status", "statm", "comm", "cmdline",
		"environ", "auxv", "cgroup", "wchan", "limits", "oom_score", "maps", "smaps" };
	static char text[65536];
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "/proc/self/task/%ld/%s", syscall(SYS_gettid),
			names[i]);
		CHECK(read_file(path, text, sizeof(text)) > 0);
	}
	return argument;
}

TEST(a_thread_has_files_of_its_own)
{
	pthread_t thread;

	CHECK_EQ(setenv("NOT", "empty", 1), 0);
	CHECK_EQ(pthread_create(&thread, NULL, look_at_own_files, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_ERRNO(open("/proc/self/task/1/stat", O_RDONLY), ENOENT);
}

TEST(loadavg_counts_threads)
{
	char text[256] = "";
	float averages[3];
	int running, threads, newest;
	struct sysinfo info;

	CHECK(read_file("/proc/loadavg", text, sizeof(text) - 1) > 0);
	CHECK_EQ(sscanf(text, "%f %f %f %d/%d %d\n", &averages[0], &averages[1], &averages[2],
			 &running, &threads, &newest), 6);
	CHECK(running >= 1 && threads >= running);
	CHECK(newest >= 1);
	CHECK_EQ(sysinfo(&info), 0);
	for (int i = 0; i < 3; i++) {
		float difference = averages[i] - (float)info.loads[i] / 65536;
		CHECK(difference > -0.5f && difference < 0.5f); /* a sample may lie between */
	}
}

/* Somebody who only computes for a while makes it grow. */
TEST(load_grows_while_somebody_computes)
{
	struct sysinfo info;
	unsigned long before;

	CHECK_EQ(sysinfo(&info), 0);
	before = info.loads[0];
	if (before > 32768)
		SKIP("others compute here, too");
	do
		CHECK_EQ(sysinfo(&info), 0);
	while (info.loads[0] <= before);
}

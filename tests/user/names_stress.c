/* SPDX-License-Identifier: MIT */
/* Several processes change, walk and list the same few names; what is left must be whole. */
#include "temp_dir.h"

#include <dirent.h>

enum { PROCESSES = 4, ROUNDS = 1500, NAMES = 6 };

static unsigned long seed;

static unsigned pick(unsigned count)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(seed >> 33) % count;
}

/* One of a few names, in one of a few directories, which may or may not be there. */
static const char *any_name(char *name, size_t size)
{
	unsigned depth = pick(3);

	if (depth == 0)
		snprintf(name, size, "n%u", pick(NAMES));
	else if (depth == 1)
		snprintf(name, size, "n%u/n%u", pick(NAMES), pick(NAMES));
	else
		snprintf(name, size, "n%u/../n%u/n%u", pick(NAMES), pick(NAMES), pick(NAMES));
	return name;
}

static void list_all(const char *name)
{
	DIR *dir = opendir(name);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		CHECK(strlen(entry->d_name) > 0 && strlen(entry->d_name) < 8);
	CHECK_EQ(closedir(dir), 0);
}

/* Stand somewhere that others may move or remove, look around, and come back. */
static void stand_in(const char *name, int home)
{
	char where[512];
	struct stat stat_here;

	if (chdir(name) != 0)
		return;
	CHECK(getcwd(where, sizeof(where)) != NULL || errno == ENOENT);
	CHECK_EQ(stat(".", &stat_here), 0);
	stat("..", &stat_here);
	CHECK_EQ(fchdir(home), 0);
}

static void use_file(const char *name)
{
	char text[8];
	int fd = open(name, O_RDWR | O_CREAT, 0644);

	if (fd < 0)
		return;
	CHECK_EQ(pwrite(fd, "bytes", 5, 0), 5);
	CHECK_EQ(pread(fd, text, sizeof(text), 0), 5);
	CHECK(memcmp(text, "bytes", 5) == 0);
	CHECK_EQ(close(fd), 0);
}

static void do_something(int home)
{
	char a[64], b[64];
	struct stat stat_a;

	any_name(a, sizeof(a));
	any_name(b, sizeof(b));
	switch (pick(10)) {
	case 0:
	case 1:
		mkdir(a, 0755);
		break;
	case 2:
		rmdir(a);
		break;
	case 3:
		use_file(a);
		break;
	case 4:
		unlink(a);
		break;
	case 5:
		rename(a, b);
		break;
	case 6:
		link(a, b);
		break;
	case 7:
		symlink("n1", a);
		break;
	case 8:
		stat(a, &stat_a);
		list_all(b);
		break;
	default:
		stand_in(a, home);
	}
}

DIR_TEST(names_stay_whole)
{
	pid_t pids[PROCESSES];

	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (pids[i] > 0)
			continue;
		int home = open(".", O_RDONLY | O_DIRECTORY);

		seed = (unsigned long)i + 1;
		for (int round = 0; round < ROUNDS; round++)
			do_something(home);
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++)
		CHECK_EXIT(pids[i], 0);
}

/* Renames to and fro: at every moment exactly one of the two names is there. */
DIR_TEST(a_file_on_the_move_is_never_lost)
{
	CHECK_EQ(mkdir("d", 0755), 0);
	file_make("d/a", "text");
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 0; i < ROUNDS; i++) {
			CHECK_EQ(rename("d/a", "b"), 0);
			CHECK_EQ(rename("b", "d/a"), 0);
		}
		_exit(0);
	}
	int count = 0;

	/* It comes to rest in d/a, so that it is found there in the end. */
	for (int i = 0; i < ROUNDS || count == 0; i++) {
		int fd = open("d/a", O_RDONLY);

		if (fd < 0) {
			CHECK_EQ(errno, ENOENT);
			continue;
		}
		struct stat stat;

		CHECK_EQ(fstat(fd, &stat), 0);
		CHECK_EQ(stat.st_size, 4);
		CHECK_EQ(stat.st_nlink, 1);
		CHECK_EQ(close(fd), 0);
		count++;
	}
	CHECK_EXIT(pid, 0);
	CHECK(file_holds("d/a", "text"));
}

/* Appends of several processes do not lie over one another. */
DIR_TEST(appends_do_not_mix)
{
	enum { LINES = 200, LINE = 16 };
	char line[LINE + 1];
	pid_t pids[PROCESSES];
	int counts[PROCESSES] = {0};

	file_make("log", "");
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] > 0)
			continue;
		int fd = open("log", O_WRONLY | O_APPEND);

		memset(line, 'a' + i, LINE - 1);
		line[LINE - 1] = '\n';
		for (int n = 0; n < LINES; n++)
			CHECK_EQ(write(fd, line, LINE), LINE);
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++)
		CHECK_EXIT(pids[i], 0);
	int fd = open("log", O_RDONLY);

	while (read(fd, line, LINE) == LINE) {
		CHECK(line[0] >= 'a' && line[0] < 'a' + PROCESSES && line[LINE - 1] == '\n');
		for (int i = 1; i < LINE - 1; i++)
			CHECK_EQ(line[i], line[0]);
		counts[line[0] - 'a']++;
	}
	for (int i = 0; i < PROCESSES; i++)
		CHECK_EQ(counts[i], LINES);
	CHECK_EQ(close(fd), 0);
}

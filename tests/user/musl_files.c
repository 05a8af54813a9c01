/* SPDX-License-Identifier: MIT */
/*
 * tests/user/musl_files.c - what small C programs do through their library: shells run for them,
 * files by the oldest calls, streams.
 */
#include "temp_dir.h"

#include <dirent.h>
#include <limits.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <utime.h>

enum { KIBIBYTE = 1024, COPIES = 100 };

static bool has_shell(void)
{
	return access("/bin/sh", X_OK) == 0;
}

TEST(system_tells_the_status_of_a_shell)
{
	if (!has_shell())
		SKIP("no shell");
	CHECK_EQ(WEXITSTATUS(system("exit 3")), 3);
	CHECK_EQ(WTERMSIG(system("kill -TERM $$")), SIGTERM);
}

TEST(popen_reads_and_writes)
{
	char line[32];

	if (!has_shell())
		SKIP("no shell");
	FILE *from = popen("echo moo; echo bell", "r");
	CHECK(from && fgets(line, sizeof(line), from) && strcmp(line, "moo\n") == 0);
	CHECK(fgets(line, sizeof(line), from) && strcmp(line, "bell\n") == 0);
	CHECK(!fgets(line, sizeof(line), from) && feof(from));
	CHECK_EQ(pclose(from), 0);
	FILE *to = popen("read word; test $word = cow", "w");
	CHECK(to && fputs("cow\n", to) >= 0);
	CHECK_EQ(pclose(to), 0);
}

/* Ourselves, asked to copy input to output. */
__attribute__((constructor)) static void play_copier(void)
{
	char bytes[64];
	ssize_t len;

	if (!getenv("COPY_INPUT"))
		return;
	while ((len = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0)
		if (write(STDOUT_FILENO, bytes, (size_t)len) != len)
			_exit(1);
	_exit(5);
}

DIR_TEST(spawn_redirects)
{
	char *argv[] = {"self", NULL}, *environment[] = {"COPY_INPUT=1", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid;

	file_make("in", "through a file");
	CHECK_EQ(posix_spawn_file_actions_init(&actions), 0);
	CHECK_EQ(posix_spawn_file_actions_addopen(&actions, 0, "in", O_RDONLY, 0), 0);
	CHECK_EQ(posix_spawn_file_actions_addopen(&actions, 3, "out", O_WRONLY | O_CREAT, 0600), 0);
	CHECK_EQ(posix_spawn_file_actions_adddup2(&actions, 3, 1), 0);
	CHECK_EQ(posix_spawn_file_actions_addclose(&actions, 3), 0);
	CHECK_EQ(posix_spawnattr_init(&attributes), 0);
	CHECK_EQ(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP), 0);
	CHECK_EQ(posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv, environment), 0);
	CHECK_EXIT(pid, 5);
	CHECK(file_holds("out", "through a file"));
	CHECK_EQ(stat_of("out").st_mode & 0777, 0600);
}

DIR_TEST(streams_buffer_seek_and_append)
{
	char line[32];
	FILE *file = fopen("stream", "w+");

	CHECK(file != NULL);
	for (int i = 0; i < COPIES; i++)
		CHECK(fprintf(file, "line %d\n", i) > 0);
	CHECK_EQ(fseek(file, -8, SEEK_END), 0);
	CHECK(fgets(line, sizeof(line), file) && strcmp(line, "line 99\n") == 0);
	rewind(file);
	CHECK(fgets(line, sizeof(line), file) && strcmp(line, "line 0\n") == 0);
	CHECK_EQ(ftell(file), 7);
	CHECK_EQ(fclose(file), 0);
	file = fopen("stream", "a");
	CHECK(file && fputs("the end\n", file) >= 0 && fflush(file) == 0);
	CHECK_EQ(stat_of("stream").st_size, 10 * 7 + 90 * 8 + 8);
	CHECK_EQ(fclose(file), 0);
	CHECK_EQ(rename("stream", "other"), 0);
	CHECK_EQ(remove("other"), 0);
	CHECK_ERRNO(remove("other"), ENOENT);
}

TEST(temporary_files_have_no_name)
{
	struct stat stat;
	FILE *file = tmpfile();

	CHECK(file != NULL);
	CHECK_EQ(fstat(fileno(file), &stat), 0);
	CHECK_EQ(stat.st_nlink, 0);
	CHECK_EQ(fwrite("x", 1, 1, file), 1);
	CHECK_EQ(fclose(file), 0);
}

/* The numbers that compilers of 2001 used, without the library between. */
DIR_TEST(oldest_numbers_work)
{
	struct stat by_name, by_link, by_descriptor;
	char name[PATH_MAX] = "";

	int fd = (int)syscall(SYS_open, "old", O_RDWR | O_CREAT | O_EXCL, 0640);
	CHECK(fd >= 0);
	CHECK_EQ(syscall(SYS_symlink, "old", "link"), 0);
	CHECK_EQ(syscall(SYS_stat, "link", &by_name), 0);
	CHECK_EQ(syscall(SYS_lstat, "link", &by_link), 0);
	CHECK_EQ(syscall(SYS_fstat, fd, &by_descriptor), 0);
	CHECK_EQ(by_name.st_ino, by_descriptor.st_ino);
	CHECK(S_ISLNK(by_link.st_mode));
	CHECK_EQ(by_link.st_size, 3);
	CHECK_EQ(syscall(SYS_readlink, "link", name, sizeof(name)), 3);
	CHECK_EQ(syscall(SYS_access, "old", R_OK | W_OK), 0);
	CHECK_EQ(syscall(SYS_chmod, "old", 0600), 0);
	CHECK_EQ(syscall(SYS_chown, "old", -1, -1), 0);
	CHECK_EQ(syscall(SYS_link, "old", "new"), 0);
	CHECK_EQ(syscall(SYS_rename, "new", "newer"), 0);
	CHECK_EQ(syscall(SYS_unlink, "newer"), 0);
	CHECK_EQ(syscall(SYS_mkdir, "folder", 0755), 0);
	CHECK_EQ(syscall(SYS_chdir, "folder"), 0);
	CHECK(syscall(SYS_getcwd, name, sizeof(name)) > 0 && strstr(name, "/folder"));
	CHECK_EQ(syscall(SYS_chdir, ".."), 0);
	CHECK_EQ(syscall(SYS_rmdir, "folder"), 0);
	CHECK_EQ(syscall(SYS_dup2, fd, 40), 40);
	CHECK_EQ(syscall(SYS_close, 40), 0);
	CHECK_EQ(syscall(SYS_creat, "old", 0600), fd + 1);
}

DIR_TEST(data_reaches_the_disk)
{
	int fd = file_with("safe", "data");

	CHECK_EQ(fsync(fd), 0);
	CHECK_EQ(fdatasync(fd), 0);
	sync();
	CHECK_ERRNO(fsync(-1), EBADF);
	CHECK_EQ(ftruncate(fd, KIBIBYTE), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_END), KIBIBYTE);
	CHECK_EQ(pwrite(fd, "xyz", 3, 2 * KIBIBYTE), 3);
	char bytes[4] = "";
	CHECK_EQ(pread(fd, bytes, sizeof(bytes), 2 * KIBIBYTE - 1), 4);
	CHECK_EQ(memcmp(bytes, "\0xyz", 4), 0);
}

DIR_TEST(all_ways_to_set_times)
{
	const struct timespec now_and_same[] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
	const struct timeval seconds[] = {{.tv_sec = 30}, {.tv_sec = 40}};
	const struct utimbuf old = {.actime = 10, .modtime = 20};
	int fd = file_with("dated", "");

	CHECK_EQ(utime("dated", &old), 0);
	CHECK_EQ(stat_of("dated").st_mtime, 20);
	CHECK_EQ(utimes("dated", seconds), 0);
	CHECK_EQ(stat_of("dated").st_atime, 30);
	CHECK_EQ(futimens(fd, now_and_same), 0);
	CHECK_EQ(stat_of("dated").st_mtime, 40);
	CHECK(stat_of("dated").st_atime > 40);
	CHECK_EQ(symlink("dated", "link"), 0);
	const struct timespec both[] = {{.tv_sec = 50}, {.tv_sec = 60, .tv_nsec = 7}};
	CHECK_EQ(utimensat(AT_FDCWD, "link", both, AT_SYMLINK_NOFOLLOW), 0);
	CHECK_EQ(stat_of("dated").st_mtime, 40);
	CHECK_EQ(stat_of("link").st_mtim.tv_nsec, 7);
	CHECK_ERRNO(utimensat(AT_FDCWD, "nowhere", both, 0), ENOENT);
}

DIR_TEST(directories_are_listed_by_the_library)
{
	struct dirent **names;

	file_make("b", "");
	file_make("a", "");
	CHECK_EQ(mkdir("c", 0700), 0);
	CHECK_EQ(scandir(".", &names, NULL, alphasort), 5);
	CHECK_EQ(strcmp(names[2]->d_name, "a"), 0);
	CHECK_EQ(strcmp(names[4]->d_name, "c"), 0);
	char *whole = realpath("c/../b", NULL);
	CHECK(whole && strcmp(whole + strlen(whole) - 2, "/b") == 0 && !strstr(whole, ".."));
}

TEST(library_questions_about_the_system)
{
	struct rusage usage;
	struct utsname name;
	struct statfs statfs_;

	CHECK_EQ(uname(&name), 0);
	CHECK_EQ(strcmp(name.sysname, "Linux"), 0);
	CHECK_EQ(strcmp(name.machine, "x86_64"), 0);
	CHECK_EQ(statfs("/tmp", &statfs_), 0);
	CHECK(statfs_.f_bsize > 0 && statfs_.f_blocks >= statfs_.f_bfree);
	CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
	CHECK(usage.ru_minflt > 0);
	errno = 0;
	CHECK(getpriority(PRIO_PROCESS, 0) <= 19);      /* whatever we were started with */
	CHECK_EQ(errno, 0);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 3), 0);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 3);
	CHECK_EQ(sysconf(_SC_PAGESIZE), 4096);
	CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
	CHECK(sysconf(_SC_OPEN_MAX) >= 256);
	CHECK(sysconf(_SC_PHYS_PAGES) > 0);
	CHECK_EQ(isatty(open("/dev/null", O_RDONLY)), 0);
	CHECK_EQ(errno, ENOTTY);
}

TEST(select_sleeps_and_is_woken)
{
	struct timeval patience = {.tv_usec = 30000};
	fd_set readers;
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	FD_ZERO(&readers);
	FD_SET(ends[0], &readers);
	CHECK_EQ(select(ends[0] + 1, &readers, NULL, NULL, &patience), 0);
	CHECK_EQ(write(ends[1], "x", 1), 1);
	FD_SET(ends[0], &readers);
	patience.tv_sec = 5;
	CHECK_EQ(select(ends[0] + 1, &readers, NULL, NULL, &patience), 1);
	CHECK(FD_ISSET(ends[0], &readers));
}

TEST(memory_of_all_sizes)
{
	enum { PIECES = 200 };
	static char *pieces[PIECES];

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < PIECES; i++) {
			size_t len = (i * 7919 * 31) % (300 * KIBIBYTE) + 1;
			pieces[i] = realloc(pieces[i], len);
			CHECK(pieces[i] != NULL);
			pieces[i][0] = pieces[i][len - 1] = (char)i;
		}
		for (size_t i = round; i < PIECES; i += 3) {
			CHECK_EQ(pieces[i][0], (char)i);
			free(pieces[i]);
			pieces[i] = NULL;
		}
	}
}

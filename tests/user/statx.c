/* SPDX-License-Identifier: MIT */
/* What files say about themselves, and changing it. */
#include "temp_dir.h"

#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <utime.h>

/* The beginning of struct statx, which not every C library declares. */
struct statx_head {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad;
	uint64_t ino, size, blocks, attributes_mask;
	uint64_t rest[32];
};

DIR_TEST(stat_family_agrees)
{
	struct stat by_name, by_fd, by_at, by_empty;
	int fd = file_with("f", "text");

	CHECK_EQ(stat("f", &by_name), 0);
	CHECK_EQ(fstat(fd, &by_fd), 0);
	CHECK_EQ(fstatat(AT_FDCWD, "f", &by_at, 0), 0);
	CHECK_EQ(fstatat(fd, "", &by_empty, AT_EMPTY_PATH), 0);
	CHECK(memcmp(&by_name, &by_fd, sizeof(by_fd)) == 0);
	CHECK(memcmp(&by_name, &by_at, sizeof(by_at)) == 0);
	CHECK(memcmp(&by_name, &by_empty, sizeof(by_empty)) == 0);
	CHECK_EQ(by_fd.st_mode, S_IFREG | 0644);
	CHECK_EQ(by_fd.st_size, 4);
	CHECK_EQ(by_fd.st_nlink, 1);
	CHECK_ERRNO(fstatat(fd, "", &by_at, 0), ENOENT);
	CHECK_ERRNO(fstatat(AT_FDCWD, "f", &by_at, 0x8000), EINVAL);
}

DIR_TEST(statx_tells_the_same)
{
	struct statx_head x;
	struct stat stat;

	file_make("f", "some text");
	stat = stat_of("f");
	memset(&x, 0, sizeof(x));
	CHECK_EQ(syscall(SYS_statx, AT_FDCWD, "f", 0, 0x7ff, &x), 0);
	CHECK_EQ(x.mask & 0x7ff, 0x7ff);
	CHECK_EQ(x.mode, stat.st_mode);
	CHECK_EQ(x.size, 9);
	CHECK_EQ(x.ino, stat.st_ino);
	CHECK_EQ(x.nlink, 1);
	CHECK_EQ(x.uid, stat.st_uid);
	CHECK_ERRNO(syscall(SYS_statx, AT_FDCWD, "none", 0, 0x7ff, &x), ENOENT);
	CHECK_ERRNO(syscall(SYS_statx, AT_FDCWD, "f", 0x8000, 0x7ff, &x), EINVAL);
}

DIR_TEST(directories_count_their_links)
{
	if (stat_of(".").st_nlink != 2)
		SKIP("this file system does not count directories");
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(mkdir("e", 0755), 0);
	file_make("f", "");
	CHECK_EQ(stat_of(".").st_nlink, 4);
	CHECK_EQ(rmdir("d"), 0);
	CHECK_EQ(stat_of(".").st_nlink, 3);
}

DIR_TEST(mode_changes)
{
	int fd = file_with("f", "");

	CHECK_EQ(chmod("f", 04751), 0);
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 04751);
	CHECK_EQ(fchmod(fd, 0600), 0);
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 0600);
	CHECK_EQ(fchmodat(AT_FDCWD, "f", 0640, 0), 0);
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 0640);
	CHECK_EQ(mkdir("d", 01777), 0);
	CHECK_EQ(stat_of("d").st_mode, S_IFDIR | 01755);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(owner_changes)
{
	if (geteuid() != 0)
		SKIP("only the superuser may");
	file_make("f", "");
	CHECK_EQ(symlink("f", "l"), 0);
	CHECK_EQ(chmod("f", 06755), 0);
	CHECK_EQ(chown("l", 12, 34), 0);
	CHECK_EQ(stat_of("f").st_uid, 12);
	CHECK_EQ(stat_of("f").st_gid, 34);
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 0755);
	CHECK_EQ(lchown("l", 56, -1), 0);
	CHECK_EQ(stat_of("l").st_uid, 56);
	CHECK_EQ(stat_of("f").st_uid, 12);
	CHECK_EQ(chown("f", -1, -1), 0);
	CHECK_EQ(stat_of("f").st_gid, 34);
}

DIR_TEST(others_are_kept_out)
{
	if (geteuid() != 0)
		SKIP("needs a second user");
	file_make("secret", "text");
	CHECK_EQ(chmod("secret", 0600), 0);
	file_make("open", "text");
	CHECK_EQ(chmod("open", 0644), 0);
	CHECK_EQ(mkdir("sticky", 0777), 0);
	CHECK_EQ(chmod("sticky", 01777), 0);
	file_make("sticky/f", "");
	CHECK_EQ(mkdir("closed", 0700), 0);
	file_make("closed/f", "");
	CHECK_EQ(chmod(".", 0755), 0);
	pid_t pid = fork();

	if (pid == 0) {
		CHECK_EQ(setgid(1000), 0);
		CHECK_EQ(setuid(1000), 0);
		CHECK_ERRNO(open("secret", O_RDONLY), EACCES);
		CHECK(open("open", O_RDONLY) >= 0);
		CHECK_ERRNO(open("open", O_WRONLY), EACCES);
		CHECK_ERRNO(access("open", X_OK), EACCES);
		CHECK_ERRNO(open("new", O_WRONLY | O_CREAT, 0644), EACCES);
		CHECK_ERRNO(open("closed/f", O_RDONLY), EACCES);
		CHECK_ERRNO(unlink("open"), EACCES);
		CHECK_ERRNO(unlink("sticky/f"), EPERM);
		CHECK_ERRNO(rename("sticky/f", "sticky/g"), EPERM);
		CHECK_ERRNO(chmod("open", 0666), EPERM);
		CHECK_ERRNO(chown("open", 1000, 1000), EPERM);
		CHECK_ERRNO(utimes("open", (struct timeval[2]){{1, 0}, {1, 0}}), EPERM);
		CHECK_ERRNO(utimes("open", NULL), EACCES);
		file_make("sticky/mine", "");
		CHECK_EQ(stat_of("sticky/mine").st_uid, 1000);
		CHECK_EQ(unlink("sticky/mine"), 0);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}

DIR_TEST(access_asks_for_the_superuser_too)
{
	file_make("f", "");
	CHECK_EQ(access("f", F_OK), 0);
	CHECK_EQ(access("f", R_OK | W_OK), 0);
	CHECK_ERRNO(access("f", X_OK), EACCES);
	CHECK_EQ(chmod("f", 0700), 0);
	CHECK_EQ(access("f", X_OK), 0);
	CHECK_ERRNO(access("none", F_OK), ENOENT);
	CHECK_ERRNO(access("f", 8), EINVAL);
	CHECK_EQ(faccessat(AT_FDCWD, ".", X_OK, 0), 0);
}

DIR_TEST(times_are_set)
{
	struct timespec times[2] = {{1000, 5}, {2000, 6}};
	struct stat stat;
	int fd = file_with("f", "");

	CHECK_EQ(utimensat(AT_FDCWD, "f", times, 0), 0);
	stat = stat_of("f");
	CHECK(stat.st_atim.tv_sec == 1000 && stat.st_atim.tv_nsec == 5);
	CHECK(stat.st_mtim.tv_sec == 2000 && stat.st_mtim.tv_nsec == 6);
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_nsec = UTIME_NOW;
	CHECK_EQ(futimens(fd, times), 0);
	stat = stat_of("f");
	CHECK_EQ(stat.st_atim.tv_sec, 1000);
	CHECK(stat.st_mtim.tv_sec > 2000);
	times[0].tv_nsec = -1;
	CHECK_ERRNO(utimensat(AT_FDCWD, "f", times, 0), EINVAL);
	CHECK_EQ(utime("f", &(struct utimbuf){3, 4}), 0);
	CHECK_EQ(stat_of("f").st_mtim.tv_sec, 4);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(writing_moves_the_times)
{
	struct timespec old[2] = {{1000, 0}, {1000, 0}};
	char byte;
	int fd = file_with("f", "text");

	CHECK_EQ(futimens(fd, old), 0);
	CHECK_EQ(pread(fd, &byte, 1, 0), 1);
	CHECK_EQ(stat_of("f").st_mtim.tv_sec, 1000);
	CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
	CHECK(stat_of("f").st_mtim.tv_sec > 1000);
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(utimensat(AT_FDCWD, "d", old, 0), 0);
	file_make("d/f", "");
	CHECK(stat_of("d").st_mtim.tv_sec > 1000);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(nodes_of_all_kinds)
{
	CHECK_EQ(mkfifo("fifo", 0644), 0);
	CHECK(S_ISFIFO(stat_of("fifo").st_mode));
	CHECK_ERRNO(mkfifo("fifo", 0644), EEXIST);
	CHECK_EQ(mknod("file", S_IFREG | 0600, 0), 0);
	CHECK(S_ISREG(stat_of("file").st_mode));
	CHECK_ERRNO(mknod("dir", S_IFDIR | 0600, 0), EPERM);
	if (geteuid() != 0 || mknod("null", S_IFCHR | 0666, makedev(1, 3)) != 0)
		return;
	CHECK(S_ISCHR(stat_of("null").st_mode));
	CHECK_EQ(stat_of("null").st_rdev, makedev(1, 3));
}

DIR_TEST(file_system_describes_itself)
{
	struct statfs by_name, by_fd;
	int fd = file_with("f", "");

	CHECK_EQ(statfs(".", &by_name), 0);
	CHECK_EQ(fstatfs(fd, &by_fd), 0);
	CHECK_EQ(by_name.f_type, by_fd.f_type);
	CHECK(by_name.f_bsize > 0 && by_name.f_blocks > 0 && by_name.f_bfree <= by_name.f_blocks);
	CHECK_EQ(by_name.f_namelen, 255);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(current_directory_has_a_name)
{
	char name[256];

	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(mkdir("d/e", 0755), 0);
	CHECK_EQ(chdir("d/e/../e"), 0);
	CHECK(getcwd(name, sizeof(name)) != NULL);
	CHECK(strncmp(name, temp_name, strlen(temp_name)) == 0);
	CHECK(strcmp(name + strlen(temp_name), "/d/e") == 0);
	CHECK(getcwd(name, 4) == NULL && errno == ERANGE);
	int fd = open("..", O_RDONLY);

	CHECK_EQ(fchdir(fd), 0);
	CHECK(file_exists("e"));
	file_make("f", "");
	CHECK_ERRNO(chdir("f"), ENOTDIR);
	CHECK_ERRNO(chdir("none"), ENOENT);
	CHECK_ERRNO(fchdir(open("f", O_RDONLY)), ENOTDIR);
	CHECK_EQ(close(fd), 0);
}

/* ERANGE would mean that a larger buffer helps. */
DIR_TEST(current_directory_with_a_name_that_is_too_long)
{
	static char name[65536], part[251];

	memset(part, 'x', sizeof(part) - 1);
	for (int i = 0; i < 17; i++) {
		CHECK_EQ(mkdir(part, 0755), 0);
		CHECK_EQ(chdir(part), 0);
	}
	CHECK_ERRNO(syscall(SYS_getcwd, name, sizeof(name)), ENAMETOOLONG);
	CHECK_ERRNO(readlink("/proc/self/cwd", name, sizeof(name)), ENAMETOOLONG);
	for (int i = 0; i < 17; i++) {
		CHECK_EQ(chdir(".."), 0);
		CHECK_EQ(rmdir(part), 0);
	}
}

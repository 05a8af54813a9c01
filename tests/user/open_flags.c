/* SPDX-License-Identifier: MIT */
/* What the flags of open(2) ask for, and how it refuses. */
#include "temp_dir.h"

DIR_TEST(missing_file_is_refused)
{
	CHECK_ERRNO(open("f", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("d/f", O_WRONLY | O_CREAT, 0644), ENOENT);
	CHECK_ERRNO(open("", O_RDONLY), ENOENT);
}

DIR_TEST(creat_makes_it_with_the_umask)
{
	umask(027);
	int fd = open("f", O_WRONLY | O_CREAT, 0666);

	CHECK(fd >= 0);
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 0640);
	CHECK_EQ(stat_of("f").st_uid, geteuid());
	CHECK_EQ(stat_of("f").st_gid, getegid());
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(new_file_may_be_written_whatever_its_mode)
{
	int fd = open("f", O_RDWR | O_CREAT, 0);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(close(fd), 0);
}

DIR_TEST(excl_wants_a_new_file)
{
	CHECK_EQ(close(open("f", O_WRONLY | O_CREAT | O_EXCL, 0644)), 0);
	CHECK_ERRNO(open("f", O_WRONLY | O_CREAT | O_EXCL, 0644), EEXIST);
	CHECK_EQ(symlink("nowhere", "l"), 0);
	CHECK_ERRNO(open("l", O_WRONLY | O_CREAT | O_EXCL, 0644), EEXIST);
	CHECK(!file_exists("nowhere"));
}

DIR_TEST(creat_follows_a_dangling_link)
{
	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(symlink("d/target", "l"), 0);
	CHECK_EQ(close(open("l", O_WRONLY | O_CREAT, 0644)), 0);
	CHECK(S_ISREG(stat_of("d/target").st_mode));
	CHECK(S_ISLNK(stat_of("l").st_mode));
}

DIR_TEST(trunc_empties)
{
	file_make("f", "contents");
	CHECK_EQ(close(open("f", O_WRONLY | O_TRUNC)), 0);
	CHECK_EQ(stat_of("f").st_size, 0);
}

DIR_TEST(append_goes_to_the_end_wherever_the_position)
{
	int fd = file_with("f", "one");
	int other = open("f", O_WRONLY | O_APPEND);

	CHECK_EQ(lseek(other, 0, SEEK_SET), 0);
	CHECK_EQ(write(other, "two", 3), 3);
	CHECK_EQ(lseek(other, 0, SEEK_CUR), 6);
	CHECK_EQ(write(fd, "!", 1), 1);
	CHECK(file_holds("f", "one!wo"));
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(close(other), 0);
}

DIR_TEST(access_mode_is_kept)
{
	char byte;

	file_make("f", "text");
	int reader = open("f", O_RDONLY), writer = open("f", O_WRONLY);

	CHECK_ERRNO(write(reader, "x", 1), EBADF);
	CHECK_ERRNO(read(writer, &byte, 1), EBADF);
	CHECK_EQ(fcntl(reader, F_GETFL) & O_ACCMODE, O_RDONLY);
	CHECK_EQ(fcntl(writer, F_GETFL) & O_ACCMODE, O_WRONLY);
	CHECK_EQ(close(reader), 0);
	CHECK_EQ(close(writer), 0);
	CHECK_ERRNO(read(reader, &byte, 1), EBADF);
}

DIR_TEST(directories_open_for_reading_only)
{
	char byte;

	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_ERRNO(open("d", O_WRONLY), EISDIR);
	CHECK_ERRNO(open("d", O_RDWR), EISDIR);
	CHECK_ERRNO(open("d", O_RDONLY | O_CREAT, 0644), EISDIR);
	int fd = open("d", O_RDONLY | O_DIRECTORY);

	CHECK(fd >= 0);
	CHECK_ERRNO(read(fd, &byte, 1), EISDIR);
	CHECK_EQ(close(fd), 0);
	file_make("f", "");
	CHECK_ERRNO(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERRNO(open("f/", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("f/x", O_RDONLY), ENOTDIR);
}

DIR_TEST(nofollow_stops_at_a_link)
{
	file_make("f", "");
	CHECK_EQ(symlink("f", "l"), 0);
	CHECK_ERRNO(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_EQ(symlink("m", "n"), 0);
	CHECK_EQ(symlink("n", "m"), 0);
	CHECK_ERRNO(open("m", O_RDONLY), ELOOP);
}

DIR_TEST(path_descriptor_is_a_place_only)
{
	char byte;
	struct stat stat;

	CHECK_EQ(mkdir("d", 0755), 0);
	file_make("d/f", "text");
	int dir = open("d", O_PATH | O_DIRECTORY), file = open("d/f", O_PATH);

	CHECK_ERRNO(read(file, &byte, 1), EBADF);
	CHECK_ERRNO(ftruncate(file, 0), EBADF);
	CHECK_EQ(fstat(file, &stat), 0);
	CHECK_EQ(stat.st_size, 4);
	int fd = openat(dir, "f", O_RDONLY);

	CHECK_EQ(read(fd, &byte, 1), 1);
	CHECK_EQ(fcntl(dir, F_GETFL) & O_PATH, O_PATH);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(close(file), 0);
	CHECK_EQ(close(dir), 0);
}

DIR_TEST(relative_names_begin_at_the_descriptor)
{
	CHECK_EQ(mkdir("d", 0755), 0);
	int dir = open("d", O_RDONLY);
	int fd = openat(dir, "f", O_WRONLY | O_CREAT, 0644);

	CHECK(fd >= 0);
	CHECK_EQ(close(fd), 0);
	CHECK(file_exists("d/f"));
	CHECK_ERRNO(openat(-1, "f", O_RDONLY), EBADF);
	fd = openat(-1, "/", O_RDONLY);
	CHECK(fd >= 0);
	CHECK_ERRNO(openat(open("d/f", O_RDONLY), "x", O_RDONLY), ENOTDIR);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(close(dir), 0);
}

DIR_TEST(long_names_are_refused)
{
	char name[5000];

	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	CHECK_EQ(close(open(name, O_WRONLY | O_CREAT, 0644)), 0);
	name[255] = 'x';
	name[256] = '\0';
	CHECK_ERRNO(open(name, O_WRONLY | O_CREAT, 0644), ENAMETOOLONG);
	for (int i = 0; i < 4998; i += 2)
		memcpy(name + i, "./", 2);
	name[4998] = '\0';
	CHECK_ERRNO(open(name, O_RDONLY), ENAMETOOLONG);
	name[4094] = '\0';
	CHECK_EQ(close(open(name, O_RDONLY)), 0);
}

DIR_TEST(bad_pointer_is_refused)
{
	char *volatile nowhere = (char *)8;

	CHECK_ERRNO(open(nowhere, O_RDONLY), EFAULT);
	int fd = file_with("f", "text");

	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_ERRNO(read(fd, nowhere, 4), EFAULT);
	CHECK_ERRNO(write(fd, nowhere, 4), EFAULT);
	CHECK(file_holds("f", "text"));
	CHECK_EQ(close(fd), 0);
}

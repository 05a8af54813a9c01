/* SPDX-License-Identifier: MIT */
/*
 * tests/user/overlay_rules.c - overlays: what is kept when a file is copied up, what hides what,
 * and what a base costs that many share.
 *
 * See: the kernel's documentation of overlayfs, rename(2).
 */
#include "overlay_tree.h"
#include "memory.h"

#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

static void mount_again(void)
{
	CHECK_EQ(chdir(temp_name), 0);
	CHECK_EQ(umount("merged"), 0);
	CHECK_EQ(overlay_try("lowerdir=middle:base,upperdir=upper,workdir=work"), 0);
	CHECK_EQ(chdir("merged"), 0);
}

/* ---- copying up ---- */

OVERLAY_TEST(a_copy_has_everything_of_the_original)
{
	struct timespec times[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
	struct stat before, after;

	CHECK_EQ(chown("../base/file", 12, 34), 0);
	CHECK_EQ(chmod("../base/file", 02640), 0);
	CHECK_EQ(utimensat(AT_FDCWD, "../base/file", times, 0), 0);
	mount_again();
	before = stat_of("file");
	int fd = open("file", O_WRONLY);
	CHECK(fd >= 0);
	after = stat_of("../upper/file");
	CHECK_EQ(after.st_uid, 12);
	CHECK_EQ(after.st_gid, 34);
	CHECK_EQ(after.st_mode, before.st_mode);
	CHECK_EQ(after.st_size, before.st_size);
	CHECK_EQ(after.st_mtim.tv_sec, 1100000000);
	CHECK_EQ(after.st_mtim.tv_nsec, 987654321);
	close(fd);
	CHECK_EQ(chown("deep", 56, 78), 0);
	CHECK_EQ(stat_of("deep").st_uid, 56);
	CHECK_EQ(stat_of("../base/deep").st_uid, 0);
	CHECK_EQ(utimensat(AT_FDCWD, "gone", times, 0), 0);
	CHECK_EQ(stat_of("gone").st_mtim.tv_sec, 1100000000);
	CHECK(stat_of("../base/gone").st_mtim.tv_sec != 1100000000);
}

/* Two names of one file: each is copied up to its own place. */
static ino_t inode_of(int fd)
{
	struct stat stat;

	CHECK_EQ(fstat(fd, &stat), 0);
	return stat.st_ino;
}

OVERLAY_TEST(names_of_a_lower_file_part)
{
	CHECK_EQ(link("../base/file", "../base/twin"), 0);
	CHECK_EQ(link("../base/file", "../base/third"), 0);
	mount_again();
	int old = open("file", O_RDONLY), new = open("twin", O_WRONLY | O_TRUNC);

	CHECK(old >= 0 && new >= 0);
	CHECK_EQ(write(new, "changed", 7), 7);
	CHECK_EQ(close(new), 0);
	CHECK(file_holds("twin", "changed"));
	CHECK(file_holds("file", "file"));
	CHECK(file_holds("third", "file"));
	CHECK_EQ(stat_of("third").st_ino, stat_of("file").st_ino);
	CHECK(stat_of("twin").st_ino != stat_of("file").st_ino);
	CHECK_EQ(unlink("file"), 0);
	new = open("third", O_WRONLY | O_TRUNC);
	CHECK_EQ(write(new, "third", 5), 5);
	CHECK_EQ(stat_of("third").st_ino, inode_of(new));
	CHECK(stat_of("third").st_ino != stat_of("twin").st_ino && inode_of(old) != inode_of(new));
	CHECK_EQ(close(new), 0);
	CHECK(file_holds("third", "third"));
	CHECK_EQ(close(old), 0);
	CHECK_EQ(rename("third", "fourth"), 0);
	CHECK(file_holds("fourth", "third"));
	CHECK(file_holds("../base/file", "file"));
}

OVERLAY_TEST(links_are_copied_as_links)
{
	char text[16] = "";

	CHECK_EQ(readlink("link", text, sizeof(text)), 4);
	CHECK_EQ(lchown("link", 5, 6), 0);
	CHECK_EQ(stat_of("link").st_uid, 5);
	CHECK(S_ISLNK(stat_of("../upper/link").st_mode));
	CHECK_EQ(rename("link", "dir/link2"), 0);
	CHECK_EQ(readlink("dir/link2", text, sizeof(text)), 4);
	CHECK_ERRNO(readlink("link", text, sizeof(text)), ENOENT);
	CHECK_EQ(stat_of("../base/link").st_uid, 0);
}

OVERLAY_TEST(holes_and_sizes_are_copied)
{
	int fd = open("../base/sparse", O_CREAT | O_RDWR, 0644);
	char byte = 'e';

	CHECK_EQ(pwrite(fd, &byte, 1, 5 * MIB), 1);
	CHECK_EQ(ftruncate(fd, 9 * MIB), 0);
	close(fd);
	mount_again();
	fd = open("sparse", O_RDWR);
	CHECK_EQ(pwrite(fd, "b", 1, 0), 1);
	CHECK_EQ(stat_of("sparse").st_size, 9 * MIB);
	CHECK_EQ(pread(fd, &byte, 1, 5 * MIB), 1);
	CHECK_EQ(byte, 'e');
	CHECK_EQ(pread(fd, &byte, 1, 8 * MIB), 1);
	CHECK_EQ(byte, 0);
	close(fd);
}

/* ---- hiding ---- */

/* A directory in place of a removed one shows nothing of what lies below: now and later. */
OVERLAY_TEST(a_new_directory_hides_the_old_one)
{
	CHECK_EQ(unlink("dir/both"), 0);
	CHECK_EQ(unlink("dir/base"), 0);
	CHECK_EQ(unlink("dir/middle"), 0);
	CHECK_EQ(rmdir("dir"), 0);
	make_dir("dir");
	CHECK_LISTING("dir", "");
	file_make("dir/base", "new");
	mount_again();
	CHECK_LISTING("dir", "base ");
	CHECK(file_holds("dir/base", "new"));
	CHECK(file_holds("../base/dir/base", "base"));
}

OVERLAY_TEST(a_file_may_take_the_place_of_a_directory)
{
	CHECK_EQ(unlink("full/1"), 0);
	CHECK_EQ(unlink("full/2"), 0);
	CHECK_EQ(rmdir("full"), 0);
	file_make("full", "file");
	CHECK(file_holds("full", "file"));
	mount_again();
	CHECK(file_holds("full", "file"));
	CHECK_EQ(unlink("full"), 0);
	CHECK_ERRNO(access("full", F_OK), ENOENT);
	make_dir("full");
	CHECK_LISTING("full", "");
	CHECK_EQ(unlink("gone"), 0);
	make_dir("gone");
	CHECK_LISTING("gone", "");
	CHECK_EQ(rmdir("gone"), 0);
	CHECK_ERRNO(access("gone", F_OK), ENOENT);
}

OVERLAY_TEST(whiteouts_cannot_be_made_by_hand)
{
	CHECK_ERRNO(mknod("hand", S_IFCHR | 0600, makedev(0, 0)), EPERM);
	CHECK_EQ(mknod("null", S_IFCHR | 0600, makedev(1, 3)), 0);
	CHECK_EQ(mknod("pipe", S_IFIFO | 0600, 0), 0);
	CHECK(S_ISFIFO(stat_of("../upper/pipe").st_mode));
	CHECK_EQ(unlink("null"), 0);
	CHECK_EQ(unlink("pipe"), 0);
}

/* ---- renaming ---- */

OVERLAY_TEST(renaming_with_conditions)
{
	CHECK_ERRNO(rename_how("file", "gone", NOREPLACE), EEXIST);
	CHECK_EQ(rename_how("file", "fresh", NOREPLACE), 0);
	CHECK(file_holds("fresh", "file"));
	CHECK_ERRNO(access("file", F_OK), ENOENT);
	CHECK_EQ(rename_how("fresh", "gone", EXCHANGE), 0);
	CHECK(file_holds("fresh", "gone"));
	CHECK(file_holds("gone", "file"));
	CHECK_ERRNO(rename_how("fresh", "nothing", EXCHANGE), ENOENT);
	CHECK(file_holds("../base/gone", "gone"));
	mount_again();
	CHECK(file_holds("fresh", "gone"));
	CHECK(file_holds("gone", "file"));
	CHECK_ERRNO(access("file", F_OK), ENOENT);
}

OVERLAY_TEST(renaming_onto_what_is_below)
{
	file_make("new", "new");
	CHECK_EQ(rename("new", "deep/er/file"), 0);
	CHECK(file_holds("deep/er/file", "new"));
	CHECK(file_holds("../base/deep/er/file", "deep"));
	CHECK_EQ(unlink("deep/er/file"), 0);
	CHECK_ERRNO(access("deep/er/file", F_OK), ENOENT);
	CHECK_LISTING("deep/er", "");
	CHECK_ERRNO(rename("file", "dir"), EISDIR);
	make_dir("empty");
	CHECK_ERRNO(rename("empty", "file"), ENOTDIR);
	CHECK_ERRNO(rename("empty", "full"), ENOTEMPTY);
	CHECK_ERRNO(rename("empty", "empty/inside"), EINVAL);
}

static unsigned long free_files(void)
{
	struct statfs stat;

	CHECK_EQ(statfs("..", &stat), 0);
	return stat.f_ffree;
}

/* A row of directories, each made in the one before it and moved out: what is removed is gone,
 * whoever stands in the next. */
OVERLAY_TEST(a_moved_directory_does_not_keep_where_it_was)
{
	enum { ROW = 500 };
	char name[16], inner[32], old[16] = "0";

	make_dir("0");
	int fd = open("0", O_PATH);
	unsigned long before = free_files();

	for (int i = 1; i < ROW; i++) {
		snprintf(name, sizeof(name), "%d", i);
		snprintf(inner, sizeof(inner), "%s/%s", old, name);
		make_dir(inner);
		int next = open(inner, O_PATH);
		CHECK_EQ(rename(inner, name), 0);
		CHECK_EQ(close(fd), 0);
		CHECK_EQ(rmdir(old), 0);
		strcpy(old, name);
		fd = next;
	}
	CHECK_EQ(free_files(), before);
	CHECK_EQ(rmdir(old), 0);
	CHECK_EQ(close(fd), 0);
}

/* ---- the costs ---- */

static long long free_kib(void)
{
	return proc_number("/proc/meminfo", "MemFree:");
}

static void big_file_make(const char *name, size_t mib)
{
	static char block[64 * KIB];
	int fd = open(name, O_CREAT | O_WRONLY, 0644);

	memset(block, 'b', sizeof(block));
	for (size_t i = 0; i < mib * 16; i++)
		CHECK_EQ(write(fd, block, sizeof(block)), sizeof(block));
	close(fd);
}

/* Eight containers look at all of a base and change a page each: the base is in memory once. */
OVERLAY_TEST(a_base_is_in_memory_once)
{
	enum { CONTAINERS = 8, SIZE_MIB = 16 };
	char name[16], options[96];

	big_file_make("../base/image", SIZE_MIB);
	CHECK_EQ(chdir(temp_name), 0);
	long long before = free_kib();
	for (int i = 0; i < CONTAINERS; i++) {
		snprintf(name, sizeof(name), "%d", i);
		make_dir(name);
		snprintf(name, sizeof(name), "%d/upper", i);
		make_dir(name);
		snprintf(name, sizeof(name), "%d/work", i);
		make_dir(name);
		snprintf(name, sizeof(name), "%d/root", i);
		make_dir(name);
		snprintf(options, sizeof(options),
			"lowerdir=base,upperdir=%d/upper,workdir=%d/work", i, i);
		CHECK_EQ(mount("overlay", name, "overlay", 0, options), 0);
		snprintf(name, sizeof(name), "%d/root/image", i);
		int fd = open(name, O_RDWR);
		char byte = (char)i;
		CHECK_EQ(pwrite(fd, &byte, 1, (off_t)i * PAGE), 1);
		volatile char *image = mmap(NULL, SIZE_MIB * MIB, PROT_READ, MAP_PRIVATE, fd, 0);
		CHECK(image != MAP_FAILED);
		close(fd);
		for (size_t at = 0; at < SIZE_MIB * MIB; at += PAGE)
			CHECK_EQ(image[at], at == (size_t)i * PAGE ? i : 'b');
		CHECK_EQ(munmap((void *)image, SIZE_MIB * MIB), 0);
	}
	if (is_cowbell())
		CHECK(before - free_kib() < CONTAINERS * 128);
	for (int i = 0; i < CONTAINERS; i++) {
		char bytes[2];
		snprintf(name, sizeof(name), "%d/root/image", i);
		int fd = open(name, O_RDONLY);
		CHECK_EQ(pread(fd, &bytes[0], 1, (off_t)i * PAGE), 1);
		CHECK_EQ(pread(fd, &bytes[1], 1, (off_t)(i + 1) * PAGE), 1);
		CHECK(bytes[0] == i && bytes[1] == 'b');
		close(fd);
		snprintf(name, sizeof(name), "%d/root", i);
		CHECK_EQ(umount(name), 0);
	}
	CHECK_EQ(chdir("merged"), 0);
}

/* ---- many names ---- */

enum { MANY = 3000 };

static void many_name(char *name, const char *dir, int number)
{
	sprintf(name, "%s/%d", dir, number);
}

/* Half of them below; every third of those is removed, so that nothing shows there. */
OVERLAY_TEST(each_of_many_names_is_listed_once)
{
	static unsigned char seen[MANY];
	char name[64];
	struct dirent *entry;

	for (int i = 0; i < MANY; i++) {
		many_name(name, i < MANY / 2 ? "../base/dir" : "dir", i);
		file_make(name, "");
	}
	mount_again();
	for (int i = 0; i < MANY / 2; i += 3) {
		many_name(name, "dir", i);
		CHECK_EQ(unlink(name), 0);
	}
	DIR *dir = opendir("dir");
	long middle = -1;

	CHECK(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			seen[atoi(entry->d_name)]++;
		if (strcmp(entry->d_name, "1000") == 0)
			middle = telldir(dir);
	}
	for (int i = 0; i < MANY; i++)
		CHECK_EQ(seen[i], i >= MANY / 2 || i % 3 != 0);
	CHECK(middle > 0);
	seekdir(dir, middle);           /* back, and once more from there */
	CHECK(readdir(dir) != NULL && telldir(dir) > middle);
	CHECK_EQ(closedir(dir), 0);
	CHECK_ERRNO(rmdir("dir"), ENOTEMPTY);
}

/* SPDX-License-Identifier: MIT */
/* Files in memory: bytes, names, links, renames, listings, and no memory left behind. */
#include "lib/format.h"
#include "lib/string.h"
#include "fs/file.h"
#include "fs/tmpfs.h"
#include "tests/kernel/names_fixture.h"

static struct file *open_file(const struct fixture *at, const char *name, uint32_t flags)
{
	struct file *file = NULL;

	EXPECT_EQ(file_open(&at->dir, name, flags, 0644, &file), 0);
	return file;
}

static ssize_t write_at(struct file *file, uint64_t offset, const char *text)
{
	return file_write(file, buffer_kernel((void *)text), strlen(text), &offset);
}

static bool reads_as(struct file *file, uint64_t offset, const char *expected, size_t len)
{
	char bytes[64];

	memset(bytes, 'x', sizeof(bytes));
	return file_read(file, buffer_kernel(bytes), len, &offset) == (ssize_t)len &&
	       memcmp(bytes, expected, len) == 0;
}

static struct abi_stat stat_of(const struct fixture *at, const char *name)
{
	struct abi_stat stat = { 0 };
	struct path path;

	EXPECT_EQ(path_walk(&at->dir, name, 0, &path), 0);
	EXPECT_EQ(inode_stat(path_inode(&path), &stat), 0);
	path_put(&path);
	return stat;
}

/* ---- bytes ---- */

KTEST(tmpfs, bytes_come_back_across_pages)
{
	struct fixture at;

	fixture_begin(&at);
	struct file *file = open_file(&at, "f", O_RDWR | O_CREAT);

	EXPECT_EQ(write_at(file, PAGE_SIZE - 3, "across"), 6);
	EXPECT(reads_as(file, PAGE_SIZE - 3, "across", 6));
	EXPECT(reads_as(file, 0, "\0\0\0", 3));
	EXPECT_EQ(stat_of(&at, "f").st_size, PAGE_SIZE + 3);
	EXPECT_EQ(stat_of(&at, "f").st_blocks, 16);
	file_put(file);
	EXPECT_EQ(path_unlink(&at.dir, "f", false), 0);
	fixture_end(&at);
}

KTEST(tmpfs, position_moves_with_what_was_done)
{
	char bytes[8];
	struct fixture at;

	fixture_begin(&at);
	struct file *file = open_file(&at, "f", O_RDWR | O_CREAT);

	EXPECT_EQ(file_write(file, buffer_kernel("hello"), 5, NULL), 5);
	EXPECT_EQ(file_seek(file, 0, SEEK_CUR), 5);
	EXPECT_EQ(file_read(file, buffer_kernel(bytes), 8, NULL), 0);
	EXPECT_EQ(file_seek(file, -4, SEEK_END), 1);
	EXPECT_EQ(file_read(file, buffer_kernel(bytes), 8, NULL), 4);
	EXPECT(memcmp(bytes, "ello", 4) == 0);
	EXPECT_EQ(file_seek(file, -1, SEEK_SET), -EINVAL);
	EXPECT_EQ(file_seek(file, 5, SEEK_DATA), -ENXIO);
	EXPECT_EQ(file_seek(file, 2, SEEK_HOLE), 5);
	file_put(file);
	EXPECT_EQ(path_unlink(&at.dir, "f", false), 0);
	fixture_end(&at);
}

KTEST(tmpfs, append_finds_the_end)
{
	struct fixture at;

	fixture_begin(&at);
	struct file *file = open_file(&at, "f", O_RDWR | O_CREAT | O_APPEND);
	struct file *other = open_file(&at, "f", O_WRONLY | O_APPEND);

	EXPECT_EQ(file_write(file, buffer_kernel("one"), 3, NULL), 3);
	EXPECT_EQ(file_write(other, buffer_kernel("two"), 3, NULL), 3);
	EXPECT_EQ(file_write(file, buffer_kernel("three"), 5, NULL), 5);
	EXPECT(reads_as(file, 0, "onetwothree", 11));
	file_put(other);
	file_put(file);
	EXPECT_EQ(path_unlink(&at.dir, "f", false), 0);
	fixture_end(&at);
}

KTEST(tmpfs, what_was_cut_off_reads_as_zeros)
{
	struct fixture at;

	fixture_begin(&at);
	struct file *file = open_file(&at, "f", O_RDWR | O_CREAT);

	EXPECT_EQ(write_at(file, 0, "secret"), 6);
	EXPECT_EQ(file->ops->truncate(file, 2), 0);
	EXPECT_EQ(file->ops->truncate(file, 6), 0);
	EXPECT(reads_as(file, 0, "se\0\0\0\0", 6));
	file_put(file);
	file = open_file(&at, "f", O_RDWR | O_TRUNC);
	EXPECT_EQ(stat_of(&at, "f").st_size, 0);
	EXPECT_EQ(stat_of(&at, "f").st_blocks, 0);
	file_put(file);
	EXPECT_EQ(path_unlink(&at.dir, "f", false), 0);
	fixture_end(&at);
}

KTEST(tmpfs, allocate_and_punch)
{
	struct fixture at;

	fixture_begin(&at);
	struct file *file = open_file(&at, "f", O_RDWR | O_CREAT);

	EXPECT_EQ(file->ops->allocate(file, 0, 0, 3 * PAGE_SIZE), 0);
	EXPECT_EQ(stat_of(&at, "f").st_blocks, 24);
	EXPECT_EQ(stat_of(&at, "f").st_size, 3 * PAGE_SIZE);
	EXPECT_EQ(write_at(file, PAGE_SIZE, "middle"), 6);
	EXPECT_EQ(file->ops->allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE_SIZE,
				      PAGE_SIZE), 0);
	EXPECT_EQ(stat_of(&at, "f").st_blocks, 16);
	EXPECT_EQ(stat_of(&at, "f").st_size, 3 * PAGE_SIZE);
	EXPECT(reads_as(file, PAGE_SIZE, "\0\0\0\0\0\0", 6));
	EXPECT_EQ(file->ops->allocate(file, FALLOC_FL_KEEP_SIZE, 0, 8 * PAGE_SIZE), 0);
	EXPECT_EQ(stat_of(&at, "f").st_size, 3 * PAGE_SIZE);
	EXPECT_EQ(file->ops->allocate(file, FALLOC_FL_PUNCH_HOLE, 0, PAGE_SIZE), -EOPNOTSUPP);
	file_put(file);
	EXPECT_EQ(path_unlink(&at.dir, "f", false), 0);
	fixture_end(&at);
}

KTEST(tmpfs, file_outlives_its_name)
{
	struct fixture at;

	fixture_begin(&at);
	struct file *file = open_file(&at, "f", O_RDWR | O_CREAT);

	EXPECT_EQ(write_at(file, 0, "still here"), 10);
	EXPECT_EQ(path_unlink(&at.dir, "f", false), 0);
	EXPECT_EQ(file->inode->nlink, 0);
	EXPECT(reads_as(file, 0, "still here", 10));
	file_put(file);
	fixture_end(&at);
}

/* ---- opening ---- */

KTEST(tmpfs, open_refuses_what_the_manual_says)
{
	struct file *file = NULL;
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "d", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "f", S_IFREG | 0644, 0), 0);
	EXPECT_EQ(path_symlink(&at.dir, "l", "new"), 0);
	EXPECT_EQ(file_open(&at.dir, "none", O_RDONLY, 0, &file), -ENOENT);
	EXPECT_EQ(file_open(&at.dir, "f", O_CREAT | O_EXCL, 0, &file), -EEXIST);
	EXPECT_EQ(file_open(&at.dir, "l", O_CREAT | O_EXCL, 0, &file), -EEXIST);
	EXPECT_EQ(file_open(&at.dir, "f", O_DIRECTORY, 0, &file), -ENOTDIR);
	EXPECT_EQ(file_open(&at.dir, "d", O_WRONLY, 0, &file), -EISDIR);
	EXPECT_EQ(file_open(&at.dir, "d", O_CREAT, 0, &file), -EISDIR);
	EXPECT_EQ(file_open(&at.dir, "new/", O_CREAT, 0, &file), -EISDIR);
	EXPECT_EQ(file_open(&at.dir, "l", O_NOFOLLOW, 0, &file), -ELOOP);
	EXPECT_EQ(file_open(&at.dir, "d", O_TMPFILE | O_RDWR, 0, &file), -EOPNOTSUPP);
	EXPECT(file == NULL);
	EXPECT_EQ(path_unlink(&at.dir, "l", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "f", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "d", true), 0);
	fixture_end(&at);
}

KTEST(tmpfs, creating_through_a_dangling_link_makes_its_target)
{
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "d", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_symlink(&at.dir, "a", "d/b"), 0);
	EXPECT_EQ(path_symlink(&at.dir, "d/b", "c"), 0);
	struct file *file = open_file(&at, "a", O_WRONLY | O_CREAT);

	file_put(file);
	EXPECT_EQ(path_unlink(&at.dir, "d/c", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "d/b", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "d", true), 0);
	EXPECT_EQ(path_unlink(&at.dir, "a", false), 0);
	fixture_end(&at);
}

/* ---- links and renames ---- */

KTEST(tmpfs, links_are_counted)
{
	struct path path;
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "a", S_IFREG | 0644, 0), 0);
	EXPECT_EQ(path_walk(&at.dir, "a", 0, &path), 0);
	EXPECT_EQ(path_link(&path, &at.dir, "b"), 0);
	EXPECT_EQ(path_link(&path, &at.dir, "b"), -EEXIST);
	EXPECT_EQ(path_link(&at.dir, &at.dir, "c"), -EPERM);
	EXPECT_EQ(path_inode(&path)->nlink, 2);
	EXPECT_EQ(stat_of(&at, "a").st_ino, stat_of(&at, "b").st_ino);
	EXPECT_EQ(path_rename(&at.dir, "a", &at.dir, "b", 0), 0);
	EXPECT_EQ(path_inode(&path)->nlink, 2);
	EXPECT_EQ(path_unlink(&at.dir, "a", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "b", false), 0);
	EXPECT_EQ(path_inode(&path)->nlink, 0);
	EXPECT_EQ(path_link(&path, &at.dir, "c"), -ENOENT);
	path_put(&path);
	fixture_end(&at);
}

KTEST(tmpfs, directories_count_their_children)
{
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "a", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "b", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "a/x", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(stat_of(&at, ".").st_nlink, 4);
	EXPECT_EQ(stat_of(&at, "a").st_nlink, 3);
	EXPECT_EQ(path_rename(&at.dir, "a/x", &at.dir, "b/y", 0), 0);
	EXPECT_EQ(stat_of(&at, "a").st_nlink, 2);
	EXPECT_EQ(stat_of(&at, "b").st_nlink, 3);
	EXPECT_EQ(path_unlink(&at.dir, "b", true), -ENOTEMPTY);
	EXPECT_EQ(path_unlink(&at.dir, "b/y", false), -EISDIR);
	EXPECT_EQ(path_unlink(&at.dir, "b/y", true), 0);
	EXPECT_EQ(path_unlink(&at.dir, "b", true), 0);
	EXPECT_EQ(path_unlink(&at.dir, "a", true), 0);
	EXPECT_EQ(stat_of(&at, ".").st_nlink, 2);
	fixture_end(&at);
}

KTEST(tmpfs, rename_replaces_what_it_may)
{
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "f", S_IFREG, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "g", S_IFREG, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "d", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "e", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "e/x", S_IFREG, 0), 0);
	uint64_t number = stat_of(&at, "f").st_ino;

	EXPECT_EQ(path_rename(&at.dir, "f", &at.dir, "g", RENAME_NOREPLACE), -EEXIST);
	EXPECT_EQ(path_rename(&at.dir, "f", &at.dir, "d", 0), -EISDIR);
	EXPECT_EQ(path_rename(&at.dir, "d", &at.dir, "f", 0), -ENOTDIR);
	EXPECT_EQ(path_rename(&at.dir, "d", &at.dir, "e", 0), -ENOTEMPTY);
	EXPECT_EQ(path_rename(&at.dir, "e", &at.dir, "e/y", 0), -EINVAL);
	EXPECT_EQ(path_rename(&at.dir, "e/x", &at.dir, "e", 0), -ENOTEMPTY);
	EXPECT_EQ(path_rename(&at.dir, "none", &at.dir, "g", 0), -ENOENT);
	EXPECT_EQ(path_rename(&at.dir, "f", &at.dir, "g", 0), 0);
	EXPECT_EQ(stat_of(&at, "g").st_ino, number);
	EXPECT_EQ(path_rename(&at.dir, "e", &at.dir, "d", 0), 0);
	EXPECT_EQ(path_unlink(&at.dir, "d/x", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "d", true), 0);
	EXPECT_EQ(path_unlink(&at.dir, "g", false), 0);
	fixture_end(&at);
}

KTEST(tmpfs, exchange_swaps_a_file_and_a_directory)
{
	struct path file, dir;
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "d", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "d/sub", S_IFDIR | 0755, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "f", S_IFREG, 0), 0);
	EXPECT_EQ(path_walk(&at.dir, "f", 0, &file), 0);
	EXPECT_EQ(path_walk(&at.dir, "d/sub", 0, &dir), 0);
	EXPECT_EQ(path_rename(&at.dir, "f", &at.dir, "d/none", RENAME_EXCHANGE), -ENOENT);
	EXPECT_EQ(path_rename(&at.dir, "f", &at.dir, "d/sub", RENAME_EXCHANGE), 0);
	EXPECT_EQ(stat_of(&at, "f").st_ino, path_inode(&dir)->number);
	EXPECT_EQ(stat_of(&at, "d/sub").st_ino, path_inode(&file)->number);
	EXPECT_EQ(stat_of(&at, "d").st_nlink, 2);
	EXPECT_EQ(stat_of(&at, ".").st_nlink, 4);
	path_put(&file);
	path_put(&dir);
	EXPECT_EQ(path_unlink(&at.dir, "d/sub", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "d", true), 0);
	EXPECT_EQ(path_unlink(&at.dir, "f", true), 0);
	fixture_end(&at);
}

/* ---- listing ---- */

struct listing {
	unsigned room, count;           /* names still wanted; names seen */
	uint64_t next;
	char last[NAME_MAX + 1];
};

static bool listing_emit(void *argument, const char *name, size_t len, uint64_t number,
			 unsigned type, uint64_t next_offset)
{
	struct listing *listing = argument;

	if (listing->room == 0)
		return false;
	listing->room--;
	listing->count++;
	listing->next = next_offset;
	memcpy(listing->last, name, len);
	listing->last[len] = '\0';
	return true;
}

/* List up to `room` names from where the file stands. */
static unsigned list_some(struct file *file, unsigned room, struct listing *listing)
{
	*listing = (struct listing){ .room = room, .next = file->offset };
	EXPECT_EQ(file->ops->list(file, listing_emit, listing), 0);
	file->offset = listing->next;
	return listing->count;
}

KTEST(tmpfs, listing_goes_on_where_it_stopped)
{
	struct listing listing;
	char name[8];
	struct fixture at;

	fixture_begin(&at);
	for (int i = 0; i < 10; i++) {
		format_buffer(name, sizeof(name), "n%d", i);
		EXPECT_EQ(path_create(&at.dir, name, S_IFREG, 0), 0);
	}
	struct file *file = open_file(&at, ".", O_RDONLY | O_DIRECTORY);

	EXPECT_EQ(list_some(file, 5, &listing), 5);
	EXPECT(string_equals(listing.last, "n2"));
	EXPECT_EQ(path_unlink(&at.dir, "n1", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "n3", false), 0);
	EXPECT_EQ(path_create(&at.dir, "n3", S_IFREG, 0), 0);
	EXPECT_EQ(list_some(file, 1, &listing), 1);
	EXPECT(string_equals(listing.last, "n4"));
	EXPECT_EQ(list_some(file, 100, &listing), 6);
	EXPECT(string_equals(listing.last, "n3"));
	EXPECT_EQ(list_some(file, 100, &listing), 0);
	file->offset = 0;
	EXPECT_EQ(list_some(file, 100, &listing), 11);
	file_put(file);
	for (int i = 0; i < 10; i++) {
		format_buffer(name, sizeof(name), "n%d", i);
		EXPECT_EQ(path_unlink(&at.dir, name, false), i == 1 ? -ENOENT : 0);
	}
	fixture_end(&at);
}

KTEST(tmpfs, thousands_of_names_are_all_found)
{
	enum { NAMES = 3000 };
	struct listing listing;
	char name[16];
	struct fixture at;

	fixture_begin(&at);
	for (int i = 0; i < NAMES; i++) {
		format_buffer(name, sizeof(name), "name-%d", i);
		EXPECT_EQ(path_create(&at.dir, name, S_IFREG, 0), 0);
	}
	struct file *file = open_file(&at, ".", O_RDONLY | O_DIRECTORY);

	EXPECT_EQ(list_some(file, NAMES + 100, &listing), NAMES + 2);
	file_put(file);
	for (int i = NAMES - 1; i >= 0; i--) {
		format_buffer(name, sizeof(name), "name-%d", i);
		EXPECT_EQ(path_unlink(&at.dir, name, false), 0);
	}
	fixture_end(&at);
}

/* ---- whole instances ---- */

KTEST(tmpfs, deep_tree_goes_with_its_mount)
{
	enum { DEPTH = 300 };
	struct inode *dir, *made = NULL;
	struct path path;
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(tmpfs_mount_on(&at.dir), 0);
	EXPECT_EQ(path_walk(&at.root, "ktest", 0, &path), 0);
	dir = path_inode(&path);
	for (int i = 0; i < DEPTH && dir; i++) {
		EXPECT_EQ(tmpfs_make(dir, "d", 1, S_IFDIR | 0755, 0, &made), 0);
		dir = made;
		if (dir)
			inode_put(dir);         /* its name keeps it */
	}
	EXPECT_EQ(mount_remove(&path, 0), 0);
	path_put(&path);
	fixture_end(&at);
}

KTEST(tmpfs, inode_numbers_are_not_shared)
{
	struct fixture at;

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "a", S_IFREG, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "b", S_IFIFO, 0), 0);
	EXPECT_EQ(path_create(&at.dir, "c", S_IFCHR, dev_make(1, 3)), 0);
	EXPECT(stat_of(&at, "a").st_ino != stat_of(&at, "b").st_ino);
	EXPECT(stat_of(&at, "b").st_ino != stat_of(&at, "c").st_ino);
	EXPECT_EQ(stat_of(&at, "c").st_rdev, 0x103);
	EXPECT(stat_of(&at, "a").st_dev != 0);
	EXPECT_EQ(path_unlink(&at.dir, "a", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "b", false), 0);
	EXPECT_EQ(path_unlink(&at.dir, "c", false), 0);
	fixture_end(&at);
}

/* SPDX-License-Identifier: MIT */
/* Descriptors, and the locks on files that go with them. */
#include "kernel/ktest.h"
#include "fs/fdtable.h"
#include "fs/lock.h"
#include "fs/names.h"

/* An open file of no name at all, and a table. */
static struct file *some_file(void)
{
	struct path root;
	struct file *file = NULL;

	mount_root_path(&root);
	EXPECT_EQ(file_open(&root, "ktest", O_RDWR | O_CREAT, 0600, &file), 0);
	EXPECT_EQ(path_unlink(&root, "ktest", false), 0);
	path_put(&root);
	return file;
}

static int install(struct fdtable *table, struct file *file, int from)
{
	file_get(file);
	int fd = fdtable_install(table, file, from, false);

	if (fd < 0)
		file_put(file);
	return fd;
}

KTEST(fdtable, lowest_free_descriptor_is_taken)
{
	struct fdtable *table = OBTAIN(fdtable_create());
	struct file *file = some_file();

	for (int i = 0; i < 5; i++)
		EXPECT_EQ(install(table, file, 0), i);
	EXPECT_EQ(fdtable_close(table, 3), 0);
	EXPECT_EQ(fdtable_close(table, 1), 0);
	EXPECT_EQ(fdtable_close(table, 1), -EBADF);
	EXPECT_EQ(install(table, file, 2), 3);
	EXPECT_EQ(install(table, file, 0), 1);
	EXPECT_EQ(install(table, file, 0), 5);
	EXPECT_EQ(install(table, file, 9), 9);
	EXPECT_EQ(install(table, file, 0), 6);
	fdtable_leave(table);
	EXPECT_EQ(file->refs, 1);
	file_put(file);
}

KTEST(fdtable, table_grows_and_keeps_what_it_has)
{
	struct fdtable *table = OBTAIN(fdtable_create());
	struct file *file = some_file();

	EXPECT_EQ(install(table, file, 0), 0);
	EXPECT_EQ(install(table, file, 1000), 1000);
	struct file *found = fdtable_file(table, 1000);

	EXPECT(found == file);
	file_put(found);
	EXPECT(fdtable_file(table, 999) == NULL);
	EXPECT(fdtable_file(table, -1) == NULL);
	EXPECT(fdtable_file(table, 5000) == NULL);
	EXPECT_EQ(install(table, file, 0), 1);
	fdtable_leave(table);
	file_put(file);
}

KTEST(fdtable, copy_shares_files_but_not_descriptors)
{
	struct fdtable *table = OBTAIN(fdtable_create());
	struct file *file = some_file();

	EXPECT_EQ(install(table, file, 0), 0);
	EXPECT_EQ(install(table, file, 40), 40);
	struct fdtable *copy = OBTAIN(fdtable_copy(table));

	EXPECT_EQ(file->refs, 5);
	EXPECT_EQ(fdtable_close(table, 0), 0);
	struct file *found = fdtable_file(copy, 0);

	EXPECT(found == file);
	file_put(found);
	EXPECT_EQ(install(copy, file, 0), 1);
	fdtable_leave(copy);
	fdtable_leave(table);
	EXPECT_EQ(file->refs, 1);
	file_put(file);
}

KTEST(fdtable, exec_closes_what_is_marked)
{
	struct fdtable *table = OBTAIN(fdtable_create());
	struct file *file = some_file();

	EXPECT_EQ(install(table, file, 0), 0);
	file_get(file);
	EXPECT_EQ(fdtable_install(table, file, 0, true), 1);
	EXPECT_EQ(install(table, file, 0), 2);
	fdtable_close_range(table, 2, UINT32_MAX, true);
	fdtable_close_on_exec(table);
	EXPECT_EQ(table->end, 1);
	EXPECT_EQ(file->refs, 2);
	fdtable_leave(table);
	file_put(file);
}

KTEST(fdtable, who_looks_keeps_nothing_open)
{
	struct fdtable *table = OBTAIN(fdtable_create());
	struct file *file = some_file();

	EXPECT_EQ(install(table, file, 3), 3);
	fdtable_get(table);
	fdtable_leave(table);
	EXPECT_EQ(file->refs, 1);
	EXPECT(fdtable_file(table, 3) == NULL);
	fdtable_put(table);
	file_put(file);
}

KTEST(fdtable, replacing_closes_the_old_one)
{
	struct fdtable *table = OBTAIN(fdtable_create());
	struct file *first = some_file(), *second = some_file();

	EXPECT_EQ(install(table, first, 7), 7);
	file_get(second);
	EXPECT_EQ(fdtable_install_at(table, second, 7, false), 7);
	EXPECT_EQ(first->refs, 1);
	EXPECT_EQ(fdtable_install_at(table, second, -1, false), -EBADF);
	fdtable_leave(table);
	file_put(first);
	file_put(second);
}

/* ---- locks ---- */

static int set(struct file *file, const void *owner, int type, uint64_t start, uint64_t end)
{
	struct lock_request request = { LOCK_RANGE, type, start, end, owner, 1 };

	return lock_set(file->inode, &request, false);
}

/* Who is in the way of writing to a range? */
static const void *holder(struct file *file, const void *owner, uint64_t start, uint64_t end)
{
	struct lock_request request = { LOCK_RANGE, F_WRLCK, start, end, owner, 1 };

	lock_test(file->inode, &request);
	return request.type == F_UNLCK ? NULL : request.owner;
}

KTEST(lock, readers_share_and_writers_do_not)
{
	struct file *file = some_file();
	const char *a = "a", *b = "b";

	EXPECT_EQ(set(file, a, F_RDLCK, 0, 9), 0);
	EXPECT_EQ(set(file, b, F_RDLCK, 5, 14), 0);
	EXPECT_EQ(set(file, a, F_WRLCK, 0, 9), -EAGAIN);
	EXPECT_EQ(set(file, a, F_WRLCK, 0, 4), 0);
	EXPECT_EQ(set(file, b, F_RDLCK, 4, 4), -EAGAIN);
	lock_release_owner(file->inode, a);
	EXPECT_EQ(set(file, b, F_WRLCK, 0, 20), 0);
	EXPECT(holder(file, a, 20, 20) == b);
	EXPECT(holder(file, a, 21, 99) == NULL);
	lock_release_owner(file->inode, b);
	file_put(file);
}

KTEST(lock, unlocking_the_middle_leaves_both_ends)
{
	struct file *file = some_file();
	const char *a = "a", *b = "b";

	EXPECT_EQ(set(file, a, F_WRLCK, 0, LOCK_END_MAX), 0);
	EXPECT_EQ(set(file, a, F_UNLCK, 10, 19), 0);
	EXPECT(holder(file, b, 0, 9) == a);
	EXPECT(holder(file, b, 10, 19) == NULL);
	EXPECT(holder(file, b, 20, 20) == a);
	EXPECT_EQ(set(file, a, F_WRLCK, 10, 19), 0);
	EXPECT_EQ(list_length(&file->inode->locks), 1);
	lock_release_owner(file->inode, a);
	EXPECT(holder(file, b, 0, LOCK_END_MAX) == NULL);
	file_put(file);
}

KTEST(lock, whole_file_locks_go_with_the_open_file)
{
	struct file *file = some_file();
	struct lock_request request = { LOCK_WHOLE, F_WRLCK, 0, LOCK_END_MAX, file, LOCK_PID_NONE };
	const char *a = "a";

	EXPECT_EQ(lock_set(file->inode, &request, false), 0);
	EXPECT_EQ(set(file, a, F_WRLCK, 0, 9), 0);      /* the kinds do not see each other */
	lock_release_owner(file->inode, a);
	request.owner = a;
	EXPECT_EQ(lock_set(file->inode, &request, false), -EAGAIN);
	file_put(file);
}

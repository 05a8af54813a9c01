/* SPDX-License-Identifier: MIT */
/* What belongs together in a file's attributes is read together. */
#include "lib/atomic.h"
#include "tests/kernel/names_fixture.h"
#include "tests/kernel/task_fixture.h"

enum { OLD_OWNER = 1000, NEW_OWNER = 2000 };

struct reader {
	struct inode *inode;
	struct inode_rights rights;
	bool may_end;                   /* atomic */
};

static void read_rights(void *argument)
{
	struct reader *reader = argument;

	inode_rights(reader->inode, &reader->rights);
	TEST_WAIT(atomic_load_relaxed(&reader->may_end));
}

/* Whoever asks in the middle of a change waits for its end. */
KTEST(inode, rights_are_of_one_moment)
{
	struct fixture at;
	struct path path;
	struct reader reader = { 0 };

	fixture_begin(&at);
	EXPECT_EQ(path_create(&at.dir, "f", S_IFREG | S_ISUID | 0755, 0), 0);
	EXPECT_EQ(path_walk(&at.dir, "f", 0, &path), 0);
	struct inode *inode = reader.inode = path_inode(&path);

	inode->uid = inode->gid = OLD_OWNER;
	mutex_lock(&inode->lock);
	inode->uid = NEW_OWNER;
	struct task *task = test_task_start(UINT64_MAX, read_rights, &reader);

	EXPECT(TEST_WAIT(READ_ONCE(task->state) == TASK_SLEEPING));
	inode->mode &= ~(uint32_t)S_ISUID;
	inode->gid = NEW_OWNER;
	mutex_unlock(&inode->lock);
	atomic_store_relaxed(&reader.may_end, true);
	test_tasks_join();
	EXPECT_EQ(reader.rights.mode, S_IFREG | 0755);
	EXPECT_EQ(reader.rights.uid, NEW_OWNER);
	EXPECT_EQ(reader.rights.gid, NEW_OWNER);
	path_put(&path);
	EXPECT_EQ(path_unlink(&at.dir, "f", false), 0);
	fixture_end(&at);
}

/* SPDX-License-Identifier: MIT */
/*
 * fs/memfd.c - files in memory without a name.
 *
 * Owns: an instance of tmpfs that is mounted nowhere.  It has no limits of its own: promises of
 *   memory (mm/commit.h) are the only ones.
 * See: memfd_create(2).
 */
#include "fs/memfd.h"
#include "lib/format.h"
#include "kernel/panic.h"
#include "fs/tmpfs.h"
#include "fs/tmpfs_mount.h"

enum { LABEL_MAX = NAME_MAX + 1 };

static struct file_system *memfds;      /* constant after memfd_start() */
static struct path anchor;              /* stands in it for ever, so that it stays */

void memfd_start(void)
{
	const struct tmpfs_options no_limits = { .mode = S_ISVTX | 0777 };

	if (tmpfs_create_with("tmpfs", &no_limits, &memfds) != 0 ||
	    path_make_nameless(memfds->root, "", &anchor) != 0)
		panic("no memory for files without a name");
}

int memfd_create(const char *name, bool is_sealable, struct file **out)
{
	char label[LABEL_MAX];
	struct path place;
	struct inode *inode = tmpfs_make_nameless(memfds, S_IFREG | 0777);

	if (!inode)
		return -ENOMEM;
	if (is_sealable)
		inode->seals = 0;
	format_buffer(label, sizeof(label), "memfd:%s", name);
	int err = path_make_nameless(inode, label, &place);

	if (!err) {
		*out = file_create(inode, &place, inode->file_ops, O_RDWR | O_LARGEFILE);
		err = *out ? 0 : -ENOMEM;
		path_put(&place);
	}
	inode_put(inode);
	return err;
}

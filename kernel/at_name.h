/* SPDX-License-Identifier: MIT */
/*
 * kernel/at_name.h - names as system calls give them: a descriptor and a string in program memory.
 *
 *	struct at_name at;
 *	int err = at_name_get(&at, dirfd, address);
 *	if (!err) {
 *		err = path_create(&at.start, at.text, mode, 0);
 *		at_name_put(&at);
 *	}
 */
#pragma once

#include "fs/path.h"

enum { AT_NAME_SHORT = 112 };

struct at_name {
	struct path start;              /* counted; empty for absolute names */
	char *text;                     /* NUL terminated; short_text or kmalloc'ed */
	char short_text[AT_NAME_SHORT];
};

/* -EFAULT, -ENAMETOOLONG, -EBADF, -ENOTDIR: nothing is held then. */
MUST_CHECK int at_name_get(struct at_name *at, int dirfd, virt_t name);
void at_name_put(struct at_name *at);
bool at_name_is_empty(virt_t name);

/* The string alone, for calls without a descriptor to start from. */
MUST_CHECK int name_from_user(char **text, virt_t name);        /* kfree() it */

/*
 * The place that they mean, counted.  Of the AT_ flags, AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH (the
 * descriptor itself) are heeded; checking for others is the caller's.
 */
MUST_CHECK int at_walk(int dirfd, virt_t name, int at_flags, struct path *out);

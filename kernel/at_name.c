/* SPDX-License-Identifier: MIT */
/*
 * kernel/at_name.c - names as system calls give them.
 *
 * Most names are short: those cost no allocation.
 */
#include "kernel/at_name.h"
#include "arch/x86_64/usercopy.h"
#include "fs/fdtable.h"
#include "mm/slab.h"

int name_from_user(char **text, virt_t name)
{
	char *copy = kmalloc(PATH_MAX);

	if (!copy)
		return -ENOMEM;
	ssize_t len = copy_string_from_user(copy, name, PATH_MAX);

	if (len < 0) {
		kfree(copy);
		return (int)len;
	}
	*text = copy;
	return 0;
}

static int text_get(struct at_name *at, virt_t name)
{
	ssize_t len = copy_string_from_user(at->short_text, name, AT_NAME_SHORT);

	at->text = at->short_text;
	if (len == -ENAMETOOLONG)
		return name_from_user(&at->text, name);
	return len < 0 ? (int)len : 0;
}

int at_name_get(struct at_name *at, int dirfd, virt_t name)
{
	at->start = (struct path){ 0 };
	int err = text_get(at, name);

	if (err || at->text[0] == '/' || at->text[0] == '\0')
		return err;
	err = path_start(dirfd, &at->start);
	if (err)
		at_name_put(at);
	return err;
}

void at_name_put(struct at_name *at)
{
	path_put(&at->start);
	if (at->text != at->short_text)
		kfree(at->text);
}

bool at_name_is_empty(virt_t name)
{
	char first;

	return copy_from_user(&first, name, 1) == 0 && first == '\0';
}

static int descriptor_place(int fd, struct path *out)
{
	if (fd == AT_FDCWD) {
		context_cwd(out);
		return 0;
	}
	struct file *file = fd_get_path(fd);

	if (!file)
		return -EBADF;
	int err = file_place(file, out);

	file_put(file);
	return err;
}

int at_walk(int dirfd, virt_t name, int at_flags, struct path *out)
{
	struct at_name at;
	int err = at_name_get(&at, dirfd, name);

	if (err)
		return err;
	if ((at_flags & AT_EMPTY_PATH) && at.text[0] == '\0')
		err = descriptor_place(dirfd, out);
	else
		err = path_walk(&at.start, at.text,
				at_flags & AT_SYMLINK_NOFOLLOW ? 0 : PATH_FOLLOW, out);
	at_name_put(&at);
	return err;
}

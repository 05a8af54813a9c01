/* SPDX-License-Identifier: MIT */
/*
 * fs/devfs.c - null, zero, full, random, kmsg; and what lies in /dev.
 *
 * Owns: the table of nodes below.  A device that is listed but not registered answers -ENXIO.
 * See: null(4), full(4), random(4), mem(4).
 */

#include "fs/devfs.h"
#include "fs/file.h"
#include "fs/tmpfs.h"
#include "lib/abi/mman.h"
#include "lib/string.h"
#include "kernel/entropy.h"
#include "kernel/printk.h"
#include "mm/mmap.h"
#include "mm/slab.h"

enum { MAJOR_MEMORY = 1, MAJOR_TERMINAL = 4, MAJOR_CONSOLE = 5 };
enum {
	MINOR_NULL = 3,
	MINOR_ZERO = 5,
	MINOR_FULL = 7,
	MINOR_RANDOM,
	MINOR_URANDOM,
	MINOR_KMSG = 11
};
enum { CHUNK = 256, KMSG_LINE_MAX = 512, ENTROPY_BITS = 256 };

static const struct device_node {
	const char *name;
	uint32_t mode;
	uint32_t major, minor;
} device_nodes[] = {
	{ "null",    0666, MAJOR_MEMORY, MINOR_NULL },
	{ "zero",    0666, MAJOR_MEMORY, MINOR_ZERO },
	{ "full",    0666, MAJOR_MEMORY, MINOR_FULL },
	{ "random",  0666, MAJOR_MEMORY, MINOR_RANDOM },
	{ "urandom", 0666, MAJOR_MEMORY, MINOR_URANDOM },
	{ "kmsg",    0644, MAJOR_MEMORY, MINOR_KMSG },
	{ "tty",     0666, MAJOR_CONSOLE, 0 },
	{ "console", 0600, MAJOR_CONSOLE, 1 },
	{ "ttyS0",   0620, MAJOR_TERMINAL, 64 },
};

static const struct device_link {
	const char *name, *target;
} device_links[] = {
	{ "fd",     "/proc/self/fd" },
	{ "stdin",  "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
};

/* ---- null, zero, full ---- */

static ssize_t null_read(struct file *file, buffer_t to, size_t len, uint64_t *offset)
{
	return 0;
}

static ssize_t null_write(struct file *file, buffer_t from, size_t len, uint64_t *offset)
{
	return (ssize_t)len;
}

static ssize_t zero_read(struct file *file, buffer_t to, size_t len, uint64_t *offset)
{
	size_t done = 0;

	while (done < len) {
		size_t chunk = MIN(len - done, (size_t)PAGE_SIZE);

		if (buffer_clear(to, done, chunk))
			break;
		done += chunk;
		if (wait_has_signal())
			break;
	}
	return done > 0 || len == 0 ? (ssize_t)done : -EFAULT;
}

static ssize_t full_write(struct file *file, buffer_t from, size_t len, uint64_t *offset)
{
	return len > 0 ? -ENOSPC : 0;
}

/* Seeking is allowed and means nothing. */
static int64_t memory_seek(struct file *file, int64_t offset, int whence)
{
	return 0;
}

/* A mapping of zeros is anonymous memory. */
static int zero_map(struct file *file, struct map_request *request)
{
	if ((request->flags & MAP_TYPE) == MAP_SHARED_VALIDATE)
		request->flags = (request->flags & ~MAP_TYPE) | MAP_SHARED;
	request->flags |= MAP_ANONYMOUS;
	request->object = NULL;
	request->offset = 0;
	request->name = NULL;
	return 0;
}

static const struct file_ops null_ops = {
	.read = null_read, .write = null_write, .seek = memory_seek,
};
static const struct file_ops zero_ops = {
	.read = zero_read, .write = null_write, .seek = memory_seek, .map = zero_map,
};
static const struct file_ops full_ops = {
	.read = zero_read, .write = full_write, .seek = memory_seek,
};

/* ---- random ---- */

static ssize_t random_read(struct file *file, buffer_t to, size_t len, uint64_t *offset)
{
	uint8_t bytes[CHUNK];
	size_t done = 0;

	while (done < len) {
		size_t chunk = MIN(len - done, sizeof(bytes));

		entropy_fill(bytes, chunk);
		if (buffer_put(to, done, bytes, chunk))
			break;
		done += chunk;
		if (wait_has_signal())
			break;
	}
	return done > 0 || len == 0 ? (ssize_t)done : -EFAULT;
}

static ssize_t random_write(struct file *file, buffer_t from, size_t len, uint64_t *offset)
{
	uint8_t bytes[CHUNK];
	size_t done = 0;

	while (done < len) {
		size_t chunk = MIN(len - done, sizeof(bytes));

		if (buffer_get(from, done, bytes, chunk))
			break;
		entropy_mix(bytes, chunk);
		done += chunk;
		if (wait_has_signal())
			break;
	}
	return done > 0 || len == 0 ? (ssize_t)done : -EFAULT;
}

static long random_ioctl(struct file *file, unsigned request, uint64_t argument)
{
	int32_t bits = ENTROPY_BITS;

	if (request != RNDGETENTCNT)
		return -ENOTTY;
	return buffer_put(buffer_user(argument), 0, &bits, sizeof(bits));
}

static const struct file_ops random_ops = {
	.read = random_read, .write = random_write, .seek = memory_seek, .ioctl = random_ioctl,
};

/* ---- kmsg ---- */

/* The log as text, oldest first. */
static ssize_t kmsg_read(struct file *file, buffer_t to, size_t len, uint64_t *offset)
{
	char text[CHUNK];
	size_t done = 0;

	while (done < len) {
		uint64_t at = *offset;
		size_t chunk = log_read(&at, text, MIN(len - done, sizeof(text)));

		if (chunk == 0)
			return (ssize_t)done;
		if (buffer_put(to, done, text, chunk))
			return done > 0 ? (ssize_t)done : -EFAULT;
		*offset = at;
		done += chunk;
	}
	return (ssize_t)done;
}

/* Each write is one line; a level <n> may stand before it. */
static ssize_t kmsg_write(struct file *file, buffer_t from, size_t len, uint64_t *offset)
{
	char line[KMSG_LINE_MAX];
	size_t size = MIN(len, sizeof(line) - 1);
	enum log_level level = LOG_NOTICE;
	char *text = line;

	if (buffer_get(from, 0, line, size))
		return -EFAULT;
	while (size > 0 && line[size - 1] == '\n')
		size--;
	line[size] = '\0';
	if (line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>') {
		level = (enum log_level)(line[1] - '0');
		text = line + 3;
	}
	log_line(level, "%s", text);
	return (ssize_t)len;
}

static const struct file_ops kmsg_ops = {
	.read = kmsg_read, .write = kmsg_write, .seek = file_seek_plain,
};

/* ---- /dev ---- */

static int add_node(struct inode *root, const char *name, uint32_t mode, uint64_t rdev)
{
	struct inode *made;
	int err = tmpfs_make(root, name, strlen(name), mode, rdev, &made);

	if (!err)
		inode_put(made);
	return err;
}

static int add_link(struct inode *root, const struct device_link *link)
{
	int err;

	write_lock(&root->fs->names_lock);
	err = root->ops->symlink(root, link->name, strlen(link->name), link->target);
	write_unlock(&root->fs->names_lock);
	return err;
}

/* Fill an empty directory. */
static int populate(struct inode *root)
{
	int err = add_node(root, "shm", S_IFDIR | S_ISVTX | 0777, 0);

	for (size_t i = 0; !err && i < COUNT(device_nodes); i++) {
		const struct device_node *node = &device_nodes[i];

		err = add_node(root, node->name, S_IFCHR | node->mode,
			dev_make(node->major, node->minor));
	}
	for (size_t i = 0; !err && i < COUNT(device_links); i++)
		err = add_link(root, &device_links[i]);
	return err;
}

static int devtmpfs_create(const char *fs_options, struct file_system **fs)
{
	int err = tmpfs_create("devtmpfs", 0755, fs);

	if (err)
		return err;
	err = populate((*fs)->root);
	if (err) {
		(*fs)->unmounted(*fs);
		file_system_put(*fs);
	}
	return err;
}

static struct file_system_type devtmpfs = { .name = "devtmpfs", .create = devtmpfs_create };

void devfs_start(void)
{
	device_register(S_IFCHR, MAJOR_MEMORY, MINOR_NULL, &null_ops);
	device_register(S_IFCHR, MAJOR_MEMORY, MINOR_ZERO, &zero_ops);
	device_register(S_IFCHR, MAJOR_MEMORY, MINOR_FULL, &full_ops);
	device_register(S_IFCHR, MAJOR_MEMORY, MINOR_RANDOM, &random_ops);
	device_register(S_IFCHR, MAJOR_MEMORY, MINOR_URANDOM, &random_ops);
	device_register(S_IFCHR, MAJOR_MEMORY, MINOR_KMSG, &kmsg_ops);
	file_system_register(&devtmpfs);
}

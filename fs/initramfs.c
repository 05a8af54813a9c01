/* SPDX-License-Identifier: MIT */
/*
 * fs/initramfs.c - unpacks the boot archive into the root file system.
 *
 * Owns: the memory of the archive, until it is given to the frame allocator; the table of hard
 *   links while it runs.
 * Invariants: a damaged archive leaves whole files only, but for the last.
 * See: lib/cpio.h for the format; several archives may follow one another.
 */
#include "fs/initramfs.h"
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "lib/cpio.h"
#include "lib/inflate.h"
#include "lib/string.h"
#include "boot/bootinfo.h"
#include "kernel/printk.h"
#include "fs/file.h"
#include "fs/names.h"
#include "mm/frame.h"
#include "mm/frame_early.h"
#include "mm/mmu.h"
#include "mm/slab.h"

enum { CONSOLE_MAJOR = 5, CONSOLE_MINOR = 1 };

/* A file of which the archive says that it has more names: the others bring no bytes. */
struct hard_link {
	struct list_node node;
	uint32_t ino, dev_major, dev_minor;
	struct path path;               /* counted */
};

static phys_t unpacked_start;           /* where gzip's contents are; 0: it is not packed */
static size_t unpacked_size;            /* bytes of them */
static size_t unpacked_room;            /* bytes taken for them */
static struct list hard_links = LIST_INIT(hard_links);

static const char *compression_name(const uint8_t *bytes, size_t len);
static int archive_unpack(const uint8_t *bytes, size_t len);
static int entry_unpack(const struct path *root, const struct cpio_entry *entry);
static int file_unpack(const struct path *root, const char *name, const struct cpio_entry *entry);
static void directory_times_restore(const uint8_t *bytes, size_t len);
static struct hard_link *hard_link_find(const struct cpio_entry *entry);
static int hard_link_note(const struct cpio_entry *entry, const struct path *path);
static void hard_links_forget(void);
static void console_node_make(void);
static void memory_release(void);

static const uint8_t *loaded_bytes(size_t *len)
{
	phys_t start = bootinfo.initramfs_start;

	*len = bootinfo.initramfs_end - start;
	return (const uint8_t *)frame_bytes(start >> PAGE_SHIFT) + start % PAGE_SIZE;
}

void initramfs_inflate(void)
{
	size_t len, used;
	const uint8_t *bytes = loaded_bytes(&len);

	if (len == 0 || !gzip_is(bytes, len))
		return;
	unpacked_room = page_ceil(gzip_size_hint(bytes, len));
	unpacked_start = unpacked_room ? frames_early_take(unpacked_room) : 0;
	if (!unpacked_start) {
		log_err("initramfs: no room for the %zu bytes that it unpacks to", unpacked_room);
		return;
	}
	int err = gunzip(bytes, len, frame_bytes(unpacked_start >> PAGE_SHIFT), unpacked_room,
			 &unpacked_size, &used);

	if (err)
		log_err("initramfs: gzip is damaged near byte %zu of %zu (error %d)",
			used, len, -err);
}

int initramfs_unpack(void)
{
	size_t len;
	const uint8_t *bytes = loaded_bytes(&len);
	int err = 0;

	if (unpacked_start) {
		bytes = frame_bytes(unpacked_start >> PAGE_SHIFT);
		len = unpacked_size;
	}
	const char *compression = compression_name(bytes, len);

	if (compression) {
		log_err("initramfs: packed by %s; only gzip and plain cpio can be read",
			compression);
		err = -EINVAL;
	} else if (len == 0) {
		log_warn("initramfs: there is none");
	} else {
		err = archive_unpack(bytes, len);
	}
	memory_release();
	console_node_make();
	return err;
}

/* What an archive that we cannot read was packed by; NULL: none of the usual. */
static const char *compression_name(const uint8_t *bytes, size_t len)
{
	static const struct {
		const char *magic, *name;
		size_t len;
	} known[] = {
		{ "\x1f\x8b", "gzip, damaged or too large", 2 },
		{ "\xfd" "7zXZ", "xz", 5 },
		{ "\x28\xb5\x2f\xfd", "zstd", 4 },
		{ "\x02\x21\x4c\x18", "lz4", 4 },
		{ "\x04\x22\x4d\x18", "lz4", 4 },
		{ "BZh", "bzip2", 3 },
		{ "\x5d\x00\x00", "lzma", 3 },
		{ "\x89LZO", "lzo", 4 },
	};

	for (size_t i = 0; i < COUNT(known); i++) {
		if (len >= known[i].len && memcmp(bytes, known[i].magic, known[i].len) == 0)
			return known[i].name;
	}
	return NULL;
}

/* ---- entries ---- */

static int archive_unpack(const uint8_t *bytes, size_t len)
{
	struct cpio_reader reader;
	struct cpio_entry entry;
	struct path root;
	size_t count = 0, archive = 0;
	int more, err = 0;

	mount_root_path(&root);
	cpio_init(&reader, bytes, len);
	while ((more = cpio_next(&reader, &entry)) > 0 && err != -ENOSPC) {
		if (archive != reader.archives)
			hard_links_forget();    /* inode numbers mean other files from here on */
		archive = reader.archives;
		err = entry_unpack(&root, &entry);
		if (err)
			log_err("initramfs: %s: error %d", entry.name, -err);
		else
			count++;
	}
	hard_links_forget();
	if (more < 0)
		log_err("initramfs: damaged at byte %zu of %zu, after %zu files",
			reader.offset, len, count);
	else
		log_info("initramfs: %zu files, %zu KiB", count, (size_t)(len / KIB));
	directory_times_restore(bytes, len);
	path_put(&root);
	if (err == -ENOSPC)
		return -ENOMEM;
	return more < 0 ? -EINVAL : 0;
}

/* Names in archives begin with "/", "./" or nothing; all mean the root. */
static const char *entry_name(const struct cpio_entry *entry)
{
	const char *name = entry->name;

	while (*name == '/' || (*name == '.' && (name[1] == '/' || name[1] == '\0')))
		name++;
	return *name ? name : "/";
}

static struct attr_change entry_attributes(const struct cpio_entry *entry)
{
	return (struct attr_change){
		.which = ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME |
			 (S_ISLNK(entry->mode) ? 0 : ATTR_MODE),
		.mode = entry->mode, .uid = entry->uid, .gid = entry->gid,
		.atime = { .tv_sec = entry->mtime }, .mtime = { .tv_sec = entry->mtime },
	};
}

/* Owner, then mode: giving a file away takes its set-id bits. */
static int attributes_apply(const struct path *root, const char *name,
			    const struct cpio_entry *entry)
{
	struct attr_change change = entry_attributes(entry), mode = change;
	struct path path;
	int err = path_walk(root, name, 0, &path);

	if (err)
		return err;
	mode.which &= ATTR_MODE | ATTR_ATIME | ATTR_MTIME;
	change.which &= ~(unsigned)ATTR_MODE;
	err = inode_change(path_inode(&path), &change);
	if (!err)
		err = inode_change(path_inode(&path), &mode);
	path_put(&path);
	return err;
}

/* A later entry takes the place of an earlier one of the same name; directories are joined. */
static int place_clear(const struct path *root, const char *name, const struct cpio_entry *entry)
{
	struct path path;
	int err = path_walk(root, name, 0, &path);

	if (err)
		return err == -ENOENT ? 0 : err;
	bool is_dir = inode_is(path_inode(&path), S_IFDIR);

	path_put(&path);
	return is_dir && S_ISDIR(entry->mode) ? 0 : path_unlink(root, name, is_dir);
}

static int symlink_unpack(const struct path *root, const char *name, const struct cpio_entry *entry)
{
	if (entry->size == 0 || entry->size >= PATH_MAX)
		return -EINVAL;
	char *target = kzalloc(entry->size + 1);

	if (!target)
		return -ENOMEM;
	memcpy(target, entry->data, entry->size);
	int err = path_symlink(root, name, target);

	kfree(target);
	return err;
}

static int entry_unpack(const struct path *root, const struct cpio_entry *entry)
{
	const char *name = entry_name(entry);
	int err = place_clear(root, name, entry);

	if (err)
		return err;
	switch (entry->mode & S_IFMT) {
	case S_IFREG:
		err = file_unpack(root, name, entry);
		break;
	case S_IFLNK:
		err = symlink_unpack(root, name, entry);
		break;
	default:
		err = path_create(root, name, entry->mode,
				  dev_make(entry->rdev_major, entry->rdev_minor));
		if (err == -EEXIST && S_ISDIR(entry->mode))
			err = 0;
	}
	return err ? err : attributes_apply(root, name, entry);
}

static int file_unpack(const struct path *root, const char *name, const struct cpio_entry *entry)
{
	struct hard_link *other = entry->nlink > 1 ? hard_link_find(entry) : NULL;
	struct file *file;
	int err = other ? path_link(&other->path, root, name) : 0;

	if (!err)
		err = file_open(root, name, O_WRONLY | O_CREAT, 0600, &file);
	if (err)
		return err;
	ssize_t written = entry->size == 0 ? 0 :
		file_write(file, buffer_kernel((void *)entry->data), entry->size, NULL);

	if (written < (ssize_t)entry->size)
		err = written < 0 ? (int)written : -ENOSPC;
	else if (entry->nlink > 1 && !other)
		err = hard_link_note(entry, &file->path);
	file_put(file);
	return err;
}

/* Files made in a directory changed its time: set it again. */
static void directory_times_restore(const uint8_t *bytes, size_t len)
{
	struct cpio_reader reader;
	struct cpio_entry entry;
	struct path root;

	mount_root_path(&root);
	cpio_init(&reader, bytes, len);
	while (cpio_next(&reader, &entry) > 0) {
		if (!S_ISDIR(entry.mode))
			continue;
		int err = attributes_apply(&root, entry_name(&entry), &entry);

		if (err)
			log_warn("initramfs: %s: time not set, error %d", entry.name, -err);
	}
	path_put(&root);
}

/* ---- hard links ---- */

static struct hard_link *hard_link_find(const struct cpio_entry *entry)
{
	struct hard_link *link;

	list_for_each_entry(link, &hard_links, node) {
		if (link->ino == entry->ino && link->dev_major == entry->dev_major &&
		    link->dev_minor == entry->dev_minor)
			return link;
	}
	return NULL;
}

static int hard_link_note(const struct cpio_entry *entry, const struct path *path)
{
	struct hard_link *link = kmalloc(sizeof(*link));

	if (!link)
		return -ENOMEM;
	*link = (struct hard_link){
		.ino = entry->ino, .dev_major = entry->dev_major, .dev_minor = entry->dev_minor,
		.path = *path,
	};
	path_get(path);
	list_push_back(&hard_links, &link->node);
	return 0;
}

static void hard_links_forget(void)
{
	struct list_node *node;

	while ((node = list_pop_front(&hard_links))) {
		struct hard_link *link = list_entry(node, struct hard_link, node);

		path_put(&link->path);
		kfree(link);
	}
}

/* ---- afterwards ---- */

static void memory_release(void)
{
	if (bootinfo.initramfs_end > bootinfo.initramfs_start)
		frames_add(page_floor(bootinfo.initramfs_start), page_ceil(bootinfo.initramfs_end));
	if (unpacked_start)
		frames_add(unpacked_start, unpacked_start + unpacked_room);
	bootinfo.initramfs_end = bootinfo.initramfs_start;
	unpacked_start = 0;
}

/* The first program's standard input and output, whatever the archive holds. */
static void console_node_make(void)
{
	struct path root;

	mount_root_path(&root);
	int err = path_create(&root, "dev", S_IFDIR | 0755, 0);

	if (!err || err == -EEXIST)
		err = path_create(&root, "dev/console", S_IFCHR | 0600,
				  dev_make(CONSOLE_MAJOR, CONSOLE_MINOR));
	if (err && err != -EEXIST)
		log_warn("initramfs: no /dev/console, error %d", -err);
	path_put(&root);
}

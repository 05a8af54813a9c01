/* SPDX-License-Identifier: MIT */
/*
 * fs/procfs.c - /proc: the tree of small generated files.
 *
 * Owns: nodes and texts; the table of what stands at the top.  Each lookup makes a new inode, which
 *   goes when nobody stands on it any more; its number is computed, so it is the same every time.
 * Locks: a text is made and read under its open file's lock, which comes before all that a
 *   show function takes.
 * See: proc(5).
 */

#include "fs/procfs.h"
#include "lib/string.h"
#include "mm/slab.h"

enum { STORE_MAX = 4096, TEXT_PAGES_FIRST = 8, NUMBERED_FROM = 1 << 16 };

/* What an open file keeps. */
struct proc_snapshot {
	struct mutex lock;              /* RANK_SNAPSHOT */
	struct proc_text text;          /* [lock] */
};

static const struct proc_entry root_entry;
static int proc_inode_make(
	const struct proc_node *node, struct file_system *fs, struct inode **out);

/* ---- text ---- */

/* One page more.  False: no memory. */
static bool text_grow(struct proc_text *text)
{
	if (text->page_count == text->page_capacity) {
		uint32_t capacity = MAX(2 * text->page_capacity, (uint32_t)TEXT_PAGES_FIRST);
		char **pages = kmalloc(capacity * sizeof(*pages));

		if (!pages)
			return false;
		for (uint32_t i = 0; i < text->page_count; i++)
			pages[i] = text->pages[i];
		kfree(text->pages);
		text->pages = pages;
		text->page_capacity = capacity;
	}
	text->pages[text->page_count] = kmalloc(PAGE_SIZE);
	if (!text->pages[text->page_count])
		return false;
	text->page_count++;
	return true;
}

void proc_put(struct proc_text *text, const char *bytes, size_t len)
{
	while (len > 0 && !text->err) {
		size_t in_page = text->len % PAGE_SIZE;
		size_t chunk = MIN(len, (size_t)PAGE_SIZE - in_page);

		if (text->len / PAGE_SIZE == text->page_count && !text_grow(text)) {
			text->err = -ENOMEM;
			return;
		}
		memcpy(text->pages[text->len / PAGE_SIZE] + in_page, bytes, chunk);
		text->len += chunk;
		bytes += chunk;
		len -= chunk;
	}
}

static void text_sink(struct sink *sink, const char *bytes, size_t len)
{
	proc_put(container_of(sink, struct proc_text, sink), bytes, len);
}

void proc_print(struct proc_text *text, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	format_to(&text->sink, fmt, args);
	va_end(args);
}

static void text_clear(struct proc_text *text)
{
	for (uint32_t i = 0; i < text->page_count; i++)
		kfree(text->pages[i]);
	kfree(text->pages);
	*text = (struct proc_text){ .sink = { .put = text_sink } };
}

static ssize_t text_read(const struct proc_text *text, buffer_t to, size_t len, uint64_t *offset)
{
	size_t done = 0;

	while (done < len && *offset < text->len) {
		size_t in_page = *offset % PAGE_SIZE;
		size_t left = MIN(len - done, text->len - *offset);
		size_t chunk = MIN(left, (size_t)PAGE_SIZE - in_page);
		size_t n = buffer_put_partial(
			to, done, text->pages[*offset / PAGE_SIZE] + in_page, chunk);

		*offset += n;
		done += n;
		if (n < chunk)
			return done > 0 ? (ssize_t)done : -EFAULT;
	}
	return (ssize_t)done;
}

int proc_parse_number(const char *text, int64_t low, int64_t high, int64_t *number)
{
	bool is_negative = *text == '-';
	uint64_t size;
	int64_t value;

	if (number_parse(text + is_negative, &size, NULL) || size > INT64_MAX)
		return -EINVAL;
	value = is_negative ? -(int64_t)size : (int64_t)size;
	if (value < low || value > high)
		return -EINVAL;
	*number = value;
	return 0;
}

/* ---- files ---- */

static const struct proc_node *file_node(const struct file *file)
{
	return file->inode->data;
}

static int proc_open(struct file *file)
{
	struct proc_snapshot *snapshot = kzalloc(sizeof(*snapshot));

	if (!snapshot)
		return -ENOMEM;
	mutex_init(&snapshot->lock, RANK_SNAPSHOT);
	file->data = snapshot;
	return 0;
}

static void proc_release(struct file *file)
{
	struct proc_snapshot *snapshot = file->data;

	text_clear(&snapshot->text);
	kfree(snapshot);
}

static int snapshot_make(struct proc_text *text, const struct proc_node *node)
{
	int err;

	text_clear(text);
	err = node->entry->show(text, node);
	return err ? err : text->err;
}

static ssize_t proc_read(struct file *file, buffer_t to, size_t len, uint64_t *offset)
{
	struct proc_snapshot *snapshot = file->data;
	const struct proc_node *node = file_node(file);
	ssize_t done = 0;

	if (node->entry->read)
		return node->entry->read(node, to, len, offset);
	if (!node->entry->show)
		return -EINVAL;
	mutex_lock(&snapshot->lock);
	if (*offset == 0)
		done = snapshot_make(&snapshot->text, node);
	if (done == 0)
		done = text_read(&snapshot->text, to, len, offset);
	mutex_unlock(&snapshot->lock);
	return done;
}

static ssize_t proc_write(struct file *file, buffer_t from, size_t len, uint64_t *offset)
{
	const struct proc_node *node = file_node(file);
	size_t end = len;
	char *text;
	int err;

	if (!node->entry->store || len >= STORE_MAX)
		return -EINVAL;
	text = kmalloc(len + 1);
	if (!text)
		return -ENOMEM;
	err = buffer_get(from, 0, text, len);
	if (!err) {
		while (end > 0 && text[end - 1] == '\n')
			end--;
		text[end] = '\0';
		err = node->entry->store(node, text);
	}
	kfree(text);
	if (err)
		return err;
	*offset += len;
	return (ssize_t)len;
}

static const struct file_ops text_file_ops = {
	.open = proc_open, .release = proc_release, .read = proc_read, .write = proc_write,
	.seek = file_seek_plain,
};

/* ---- directories ---- */

/* Positions: 0 and 1 dots, then the children, then NUMBERED_FROM + number. */
static int proc_list(struct file *file, list_emit_t *emit, void *argument);

static const struct file_ops directory_file_ops = { .list = proc_list, .seek = file_seek_plain };

static const struct proc_entry *find_child(
	const struct proc_entry *dir, const char *name, size_t len)
{
	for (const struct proc_entry *child = dir->children; child && child->name; child++) {
		if (strlen(child->name) == len && memcmp(child->name, name, len) == 0)
			return child;
	}
	return NULL;
}

/* A name that is a number: no sign, no leading zero. */
static int parse_name(const char *name, size_t len, int32_t *number)
{
	int64_t value = 0;

	if (len == 0 || len > 10 || (len > 1 && name[0] == '0'))
		return -ENOENT;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -ENOENT;
		value = value * 10 + (name[i] - '0');
	}
	if (value > INT32_MAX)
		return -ENOENT;
	*number = (int32_t)value;
	return 0;
}

static int find_numbered(
	const struct proc_node *dir, const char *name, size_t len, struct proc_node *child)
{
	int32_t number;
	int err;

	if (!dir->entry->find)
		return -ENOENT;
	err = parse_name(name, len, &number);
	if (err)
		return err;
	child->entry = dir->entry->numbered;
	return dir->entry->find(dir, number, child);
}

static int proc_lookup(struct inode *inode, const char *name, size_t len, struct inode **found)
{
	const struct proc_node *dir = inode->data;
	struct proc_node child = { .entry = find_child(dir->entry, name, len) };
	int err = 0;

	if (child.entry) {
		child.process = dir->process;
		child.number = dir->number;
		if (child.process)
			process_get(child.process);
	} else {
		err = find_numbered(dir, name, len, &child);
	}
	if (err)
		return err;
	err = proc_inode_make(&child, inode->fs, found);
	if (err && child.process)
		process_put(child.process);
	return err;
}

/* The same place always has the same number. */
static uint64_t node_number(const struct proc_node *node)
{
	uint64_t hash = (uint64_t)(uintptr_t)node->entry;

	hash = (hash ^ (uint64_t)(node->process ? node->process->pid : 0)) * 0x9e3779b97f4a7c15;
	hash = (hash ^ hash >> 32 ^ (uint64_t)(uint32_t)node->number) * 0x9e3779b97f4a7c15;
	return node->entry == &root_entry ? 1 : hash >> 16 | 2;
}

static unsigned entry_type(const struct proc_entry *entry)
{
	return (entry->mode & S_IFMT) >> 12;
}

static int proc_list(struct file *file, list_emit_t *emit, void *argument)
{
	const struct proc_node *dir = file_node(file);
	const struct proc_entry *children = dir->entry->children;
	uint64_t at = MAX(file->offset, (uint64_t)2) - 2;
	int32_t number = file->offset > NUMBERED_FROM ? (int32_t)(file->offset - NUMBERED_FROM) : 0;
	char name[16];

	if (!list_dots(file, emit, argument))
		return 0;
	for (uint64_t i = 0; children && children[i].name; i++) {
		struct proc_node child = { &children[i], dir->process, dir->number };

		if (i >= at && !emit(argument, children[i].name, strlen(children[i].name),
				     node_number(&child), entry_type(&children[i]), i + 3))
			return 0;
	}
	for (; dir->entry->next && dir->entry->next(dir, &number); number++) {
		size_t len = (size_t)format_buffer(name, sizeof(name), "%d", number);

		if (!emit(argument, name, len, (uint64_t)number + 2,
			    entry_type(dir->entry->numbered), (uint64_t)number + 1 + NUMBERED_FROM))
			return 0;
	}
	return 0;
}

/* ---- inodes ---- */

static ssize_t proc_readlink(struct inode *inode, char *buf, size_t size)
{
	const struct proc_node *node = inode->data;

	return node->entry->readlink(node, buf, size);
}

static int proc_follow(struct inode *inode, struct path *out)
{
	const struct proc_node *node = inode->data;

	return node->entry->follow(node, out);
}

static int proc_setattr(struct inode *inode, const struct attr_change *change)
{
	return -EPERM;
}

static void proc_destroy(struct inode *inode)
{
	struct proc_node *node = inode->data;

	if (node->process)
		process_put(node->process);
	kfree(node);
}

static const struct inode_ops directory_ops = {
	.lookup = proc_lookup, .setattr = proc_setattr, .destroy = proc_destroy,
};
static const struct inode_ops text_ops = { .setattr = proc_setattr, .destroy = proc_destroy };
static const struct inode_ops link_ops = {
	.readlink = proc_readlink, .setattr = proc_setattr, .destroy = proc_destroy,
};
static const struct inode_ops magic_link_ops = {
	.readlink = proc_readlink,
	.follow = proc_follow,
	.setattr = proc_setattr,
	.destroy = proc_destroy,
};

static const struct inode_ops *entry_ops(const struct proc_entry *entry)
{
	if (S_ISDIR(entry->mode))
		return &directory_ops;
	if (S_ISREG(entry->mode))
		return &text_ops;
	return entry->follow ? &magic_link_ops : &link_ops;
}

/* Takes over the node's count on its process on success. */
static int proc_inode_make(const struct proc_node *node, struct file_system *fs, struct inode **out)
{
	const struct proc_entry *entry = node->entry;
	struct proc_node *own = kmalloc(sizeof(*own));
	struct inode *inode;

	if (!own)
		return -ENOMEM;
	inode = inode_create(fs, entry->mode, entry_ops(entry),
		S_ISDIR(entry->mode) ? &directory_file_ops : &text_file_ops);
	if (!inode) {
		kfree(own);
		return -ENOMEM;
	}
	*own = *node;
	inode->data = own;
	inode->number = node_number(node);
	inode->nlink = S_ISDIR(entry->mode) ? 2 : 1;
	if (node->process) {
		inode->uid = node->process->credentials.euid;
		inode->gid = node->process->credentials.egid;
	}
	*out = inode;
	return 0;
}

/* ---- the top ---- */

static ssize_t self_readlink(const struct proc_node *node, char *buf, size_t size)
{
	struct process *self = current_process();

	return self ? format_buffer(buf, size, "%d", self->pid) : -ENOENT;
}

static ssize_t thread_self_readlink(const struct proc_node *node, char *buf, size_t size)
{
	struct process *self = current_process();

	return self ? format_buffer(buf, size, "%d/task/%d", self->pid, current_thread()->tid)
	            : -ENOENT;
}

#define FILE(name_, show_) { .name = name_, .mode = S_IFREG | 0444, .show = show_ }

static const struct proc_entry root_children[] = {
	{.name = "self", .mode = S_IFLNK | 0777, .readlink = self_readlink},
	{.name = "thread-self", .mode = S_IFLNK | 0777, .readlink = thread_self_readlink},
	FILE("meminfo", proc_show_meminfo), FILE("uptime", proc_show_uptime),
	FILE("loadavg", proc_show_loadavg), FILE("stat", proc_show_system_stat),
	FILE("cpuinfo", proc_show_cpuinfo), FILE("mounts", proc_show_mounts),
	FILE("filesystems", proc_show_filesystems), FILE("version", proc_show_version),
	FILE("cmdline", proc_show_cmdline), FILE("devices", proc_show_devices),
	FILE("vmstat", proc_show_vmstat),
	{.name = "slabinfo", .mode = S_IFREG | 0400, .show = proc_show_slabinfo},
	{.name = "sys", .mode = S_IFDIR | 0555, .children = proc_sys_children},
	{.name = "kpagecount", .mode = S_IFREG | 0400, .read = proc_read_kpagecount},
	{.name = "kpageflags", .mode = S_IFREG | 0400, .read = proc_read_kpageflags},
	FILE("cow", proc_show_cow),
	{.name = "audit", .mode = S_IFREG | 0400, .show = proc_show_audit},
	{.name = "ledger", .mode = S_IFREG | 0400, .show = proc_show_ledger},
	{.name = "selftest",
		.mode = S_IFREG | 0600,
		.show = proc_show_selftest,
		.store = proc_store_selftest},
	{.name = "trace",
		.mode = S_IFREG | 0600,
		.show = proc_show_trace,
		.store = proc_store_trace},
	{0}};

static const struct proc_entry root_entry = {
	.mode = S_IFDIR | 0555,
	.children = root_children,
	.numbered = &proc_process_entry,
	.find = proc_find_process,
	.next = proc_next_process,
};

static struct file_system procfs;       /* one instance, however often it is mounted */

static int procfs_create(const char *fs_options, struct file_system **fs)
{
	file_system_get(&procfs);
	*fs = &procfs;
	return 0;
}

static struct file_system_type procfs_type = { .name = "proc", .create = procfs_create };

void procfs_start(void)
{
	struct proc_node root = { .entry = &root_entry };
	int err;

	file_system_init(&procfs, "proc", PROC_SUPER_MAGIC);
	procfs.has_volatile_names = true;
	err = proc_inode_make(&root, &procfs, &procfs.root);
	assert(!err);
	file_system_register(&procfs_type);
}

/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_pid.c - /proc/PID: what is there, and the small files.
 *
 * Invariants: a node counts its process, which may have ended meanwhile; what belongs to a thread
 *   (space, descriptors, places) is counted under the tree lock, where a thread gives it up.
 * Locks: process_tree_lock to look; nothing is held while text is written.
 * See: proc(5).
 */

#include "fs/procfs.h"
#include "fs/fdtable.h"
#include "lib/string.h"
#include "kernel/hooks.h"
#include "kernel/upcall.h"
#include "mm/space.h"
#include "mm/slab.h"
#include "mm/uaccess.h"

enum { ARGUMENTS_MAX = 128 * 1024 };

/* ---- who is there ---- */

struct search {
	int32_t from, found;            /* found 0: none yet */
};

static void consider(struct search *search, int32_t number)
{
	if (number >= search->from && (search->found == 0 || number < search->found))
		search->found = number;
}

static void consider_process(struct process *process, void *argument)
{
	consider(argument, process->pid);
}

bool proc_next_process(const struct text_node *dir, int32_t *number)
{
	struct search search = { .from = *number };

	spin_lock(&process_tree_lock);
	process_for_each(consider_process, &search);
	spin_unlock(&process_tree_lock);
	*number = search.found;
	return search.found != 0;
}

int proc_find_process(const struct text_node *dir, int32_t number, struct text_node *child)
{
	child->process = process_find(number);
	return child->process ? 0 : -ENOENT;
}

static int find_thread(const struct text_node *dir, int32_t number, struct text_node *child)
{
	struct thread *thread;

	spin_lock(&process_tree_lock);
	thread = pid_thread(number);
	if (thread && thread->process == dir->process) {
		process_get(dir->process);
		child->process = dir->process;
		child->number = number;
	}
	spin_unlock(&process_tree_lock);
	return child->process ? 0 : -ENOENT;
}

static bool next_thread(const struct text_node *dir, int32_t *number)
{
	struct search search = { .from = *number };
	struct thread *thread;

	spin_lock(&process_tree_lock);
	list_for_each_entry(thread, &dir->process->threads, node)
		consider(&search, thread->tid);
	spin_unlock(&process_tree_lock);
	*number = search.found;
	return search.found != 0;
}

/* ---- what belongs to its threads ---- */

/* Any that still has descriptors and places; the leader if it lives.  Tree locked. */
static struct thread *any_thread(const struct process *process) REQUIRES(process_tree_lock)
{
	struct list_node *first = list_first(&process->threads);

	return first ? list_entry(first, struct thread, node) : NULL;
}

/* Does the process still run the program that is meant? */
static bool is_meant(const struct text_node *node) REQUIRES(process_tree_lock)
{
	return !node->program || node->program == node->process->program;
}

struct space *proc_space(const struct text_node *node)
{
	struct space *space = NULL;
	struct thread *thread;

	spin_lock(&process_tree_lock);
	list_for_each_entry(thread, &node->process->threads, node) {
		if (!is_meant(node))
			break;
		space = thread->task->space;
		if (space)
			break;
	}
	if (space)
		space_get(space);
	spin_unlock(&process_tree_lock);
	return space;
}

struct fdtable *proc_files(const struct text_node *node)
{
	struct fdtable *files = NULL;
	struct thread *thread;

	spin_lock(&process_tree_lock);
	thread = any_thread(node->process);
	if (thread && is_meant(node))
		files = thread->task->files;
	if (files)
		fdtable_get(files);
	spin_unlock(&process_tree_lock);
	return files;
}

struct fs_context *proc_context(const struct text_node *node)
{
	struct fs_context *context = NULL;
	struct thread *thread;

	spin_lock(&process_tree_lock);
	thread = any_thread(node->process);
	if (thread && is_meant(node))
		context = thread->fs;
	if (context)
		fs_context_get(context);
	spin_unlock(&process_tree_lock);
	return context;
}

/* ---- links ---- */

/* What a magic link says: the name of the place it leads to. */
static ssize_t link_name(const struct text_node *node, char *buf, size_t size)
{
	struct path place;
	ssize_t len;
	int err = node->entry->follow(node, &place);

	if (err)
		return err;
	len = path_name(&place, upcall_fs_context(), true, buf, size);
	path_put(&place);
	return len > 0 ? len - 1 : len;
}

static int exe_follow(const struct text_node *node, struct path *out)
{
	struct path *executable;

	spin_lock(&process_tree_lock);
	executable = is_meant(node) ? executable_get(node->process->executable) : NULL;
	spin_unlock(&process_tree_lock);
	if (!executable)
		return -ENOENT;
	*out = *executable;
	path_get(out);
	executable_put(executable);
	return 0;
}

static int context_follow(const struct text_node *node, bool is_root, struct path *out)
{
	struct fs_context *context = proc_context(node);

	if (!context)
		return -ENOENT;
	spin_lock(&context->lock);
	*out = is_root ? context->root : context->cwd;
	path_get(out);
	spin_unlock(&context->lock);
	fs_context_put(context);
	return 0;
}

static int cwd_follow(const struct text_node *node, struct path *out)
{
	return context_follow(node, false, out);
}

static int root_follow(const struct text_node *node, struct path *out)
{
	return context_follow(node, true, out);
}

/* ---- descriptors ---- */

/* The file with the node's number, counted. */
static struct file *node_file(const struct text_node *node)
{
	struct fdtable *files = proc_files(node);
	struct file *file;

	if (!files)
		return NULL;
	file = fdtable_file(files, node->number);
	fdtable_put(files);
	return file;
}

static int find_fd(const struct text_node *dir, int32_t number, struct text_node *child)
{
	struct text_node wanted = { .process = dir->process, .number = number };
	struct file *file = node_file(&wanted);

	if (!file)
		return -ENOENT;
	file_put(file);
	process_get(dir->process);
	child->process = dir->process;
	child->number = number;
	return 0;
}

static bool next_fd(const struct text_node *dir, int32_t *number)
{
	struct fdtable *files = proc_files(dir);
	struct file *file = NULL;
	int fd = *number;

	if (files) {
		file = fdtable_next(files, &fd);
		fdtable_put(files);
	}
	if (!file)
		return false;
	file_put(file);
	*number = fd;
	return true;
}

static int fd_follow(const struct text_node *node, struct path *out)
{
	struct file *file = node_file(node);
	int err;

	if (!file)
		return -ENOENT;
	err = file_place(file, out);
	file_put(file);
	return err;
}

/* A nameless file is told by its kind and number. */
static ssize_t fd_readlink(const struct text_node *node, char *buf, size_t size)
{
	struct file *file = node_file(node);
	bool has_name = file && file->path.mount;
	ssize_t len = -ENOENT;

	if (file && !has_name)
		len = format_buffer(buf, size, "%s:[%lu]",
			inode_is(file->inode, S_IFIFO) ? "pipe" : "anon_inode",
			file->inode->number);
	if (file)
		file_put(file);
	return has_name ? link_name(node, buf, size) : len;
}

static int show_fdinfo(struct text *text, const struct text_node *node)
{
	struct file *file = node_file(node);

	if (!file)
		return -ENOENT;
	text_print(text, "pos:\t%lu\nflags:\t0%o\nino:\t%lu\n", file_position(file), file->flags,
		   file->inode->number);
	file_put(file);
	return 0;
}

/* ---- small files ---- */

/* A piece of the program's memory as it is. */
static int show_memory(struct text *text, struct space *space, virt_t from, virt_t to)
{
	char *page = kmalloc(PAGE_SIZE);

	if (!page)
		return -ENOMEM;
	to = MIN(to, from + ARGUMENTS_MAX);
	from = MAX(from, text->from);
	while (from < to && !text_pause(text, from)) {
		size_t chunk = MIN((size_t)PAGE_SIZE, to - from);

		if (space_read(space, from, page, chunk))
			break;
		text_put(text, page, chunk);
		from += chunk;
	}
	kfree(page);
	return 0;
}

static int show_cmdline(struct text *text, const struct text_node *node)
{
	struct space *space = proc_space(node);
	int err;

	if (!space)
		return 0;
	err = show_memory(text, space, space->program.args_start, space->program.args_end);
	space_put(space);
	return err;
}

static int show_environ(struct text *text, const struct text_node *node)
{
	struct space *space = proc_space(node);
	int err;

	if (!space)
		return 0;
	err = show_memory(text, space, space->program.env_start, space->program.env_end);
	space_put(space);
	return err;
}

/* The thread with the node's number, or else the leader.  Tree locked; NULL: gone. */
struct thread *proc_thread(const struct text_node *node)
{
	struct thread *thread = node->number ? pid_thread(node->number) : node->process->leader;

	return thread && thread->process == node->process ? thread : NULL;
}

static int show_comm(struct text *text, const struct text_node *node)
{
	char name[TASK_NAME_MAX];
	struct thread *thread;

	spin_lock(&process_tree_lock);
	thread = proc_thread(node);
	strlcpy(name, thread && node->number ? thread->task->name : node->process->name,
		sizeof(name));
	spin_unlock(&process_tree_lock);
	text_print(text, "%s\n", name);
	return 0;
}

static int store_comm(const struct text_node *node, char *name)
{
	struct thread *thread;

	if (current_process() != node->process)
		return -EINVAL;
	spin_lock(&process_tree_lock);
	thread = proc_thread(node);
	if (thread)
		strlcpy(thread->task->name, name, sizeof(thread->task->name));
	if (thread == node->process->leader)
		strlcpy(node->process->name, name, sizeof(node->process->name));
	spin_unlock(&process_tree_lock);
	return 0;
}

/* How many fault points are still to be passed before one fails; 0: none will, or it did. */
static int show_fail_nth(struct text *text, const struct text_node *node)
{
	text_print(text, "%lu\n", node->process == current_process() ? current->fault_point_at : 0);
	return 0;
}

/* The n-th fault point from now on that the running thread passes fails: test builds only. */
static int store_fail_nth(const struct text_node *node, char *text)
{
	int64_t nth;
	int err = text_parse_number(text, 0, INT32_MAX, &nth);

	if (err)
		return err;
	if (node->process != current_process())
		return -EPERM;
	fault_points_arm((uint64_t)nth);
	return 0;
}

static void print_limit(struct text *text, uint64_t limit)
{
	if (limit == RLIM_INFINITY)
		text_print(text, "%-20s ", "unlimited");
	else
		text_print(text, "%-20lu ", limit);
}

static int show_limits(struct text *text, const struct text_node *node)
{
	static const struct { const char *name, *unit; } names[RLIMITS] = {
		[RLIMIT_CPU] = { "Max cpu time", "seconds" },
		[RLIMIT_FSIZE] = { "Max file size", "bytes" },
		[RLIMIT_DATA] = { "Max data size", "bytes" },
		[RLIMIT_STACK] = { "Max stack size", "bytes" },
		[RLIMIT_CORE] = { "Max core file size", "bytes" },
		[RLIMIT_RSS] = { "Max resident set", "bytes" },
		[RLIMIT_NPROC] = { "Max processes", "processes" },
		[RLIMIT_NOFILE] = { "Max open files", "files" },
		[RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
		[RLIMIT_AS] = { "Max address space", "bytes" },
		[RLIMIT_LOCKS] = { "Max file locks", "locks" },
		[RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
		[RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
		[RLIMIT_NICE] = { "Max nice priority", "" },
		[RLIMIT_RTPRIO] = { "Max realtime priority", "" },
		[RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
	};

	text_print(text, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (int i = 0; i < RLIMITS; i++) {
		const struct abi_rlimit *limit = &node->process->limits[i];

		text_print(text, "%-25s ", names[i].name);
		print_limit(text, limit->rlim_cur);
		print_limit(text, limit->rlim_max);
		text_print(text, "%-10s\n", names[i].unit);
	}
	return 0;
}

/* ---- the directories ---- */

#define FILE(name_, mode_, show_) { .name = name_, .mode = S_IFREG | (mode_), .show = show_ }
#define PRIVATE(name_, mode_, show_) \
	{ .name = name_, .mode = S_IFREG | (mode_), .is_private = true, .show = show_ }
#define LINK(name_, follow_) \
	{ .name = name_, .mode = S_IFLNK | 0777, .is_private = true, .readlink = link_name, \
	  .follow = follow_ }

static const struct text_entry fd_entry = {
	.mode = S_IFLNK | 0700, .is_private = true, .readlink = fd_readlink, .follow = fd_follow,
};
static const struct text_entry fdinfo_entry = {
	.mode = S_IFREG | 0400, .is_private = true, .show = show_fdinfo,
};

#define PAGEMAP \
	{ .name = "pagemap", .mode = S_IFREG | 0400, .is_private = true, .read = proc_read_pagemap }
#define MEM \
	{ .name = "mem", .mode = S_IFREG | 0600, .is_private = true, .read = proc_read_mem, \
	  .write = proc_write_mem }

static const struct text_entry thread_children[] = {
	FILE("stat", 0444, proc_show_stat),
	FILE("status", 0444, proc_show_status),
	{ .name = "comm", .mode = S_IFREG | 0644, .show = show_comm, .store = store_comm },
	FILE("statm", 0444, proc_show_statm),
	FILE("cmdline", 0444, show_cmdline),
	PRIVATE("environ", 0400, show_environ),
	PRIVATE("auxv", 0400, proc_show_auxv),
	FILE("cgroup", 0444, proc_show_cgroup),
	FILE("wchan", 0444, proc_show_wchan),
	PRIVATE("personality", 0400, proc_show_personality),
	FILE("limits", 0444, show_limits),
	FILE("oom_score", 0444, proc_show_oom_score),
	PRIVATE("maps", 0444, proc_show_maps),
	PRIVATE("smaps", 0444, proc_show_smaps),
	PRIVATE("smaps_rollup", 0444, proc_show_smaps_rollup),
	PAGEMAP,
	MEM,
	{ 0 }
};
static const struct text_entry thread_entry = {.mode = S_IFDIR | 0555, .children = thread_children};

static const struct text_entry process_children[] = {FILE("stat", 0444, proc_show_stat),
	FILE("status", 0444, proc_show_status), FILE("statm", 0444, proc_show_statm),
	PRIVATE("maps", 0444, proc_show_maps), PRIVATE("smaps", 0444, proc_show_smaps),
	PRIVATE("smaps_rollup", 0444, proc_show_smaps_rollup), FILE("cmdline", 0444, show_cmdline),
	PRIVATE("environ", 0400, show_environ), PRIVATE("auxv", 0400, proc_show_auxv),
	FILE("cgroup", 0444, proc_show_cgroup), FILE("wchan", 0444, proc_show_wchan),
	PRIVATE("personality", 0400, proc_show_personality),
	{.name = "comm", .mode = S_IFREG | 0644, .show = show_comm, .store = store_comm},
	FILE("limits", 0444, show_limits), FILE("mounts", 0444, proc_show_mounts),
	FILE("mountinfo", 0444, proc_show_mountinfo), FILE("oom_score", 0444, proc_show_oom_score),
	{.name = "oom_score_adj",
		.mode = S_IFREG | 0644,
		.show = proc_show_oom_score_adj,
		.store = proc_store_oom_score_adj},
	{.name = "oom_adj",
		.mode = S_IFREG | 0644,
		.show = proc_show_oom_adj,
		.store = proc_store_oom_adj},
	PAGEMAP, MEM,
	{.name = "clear_refs", .mode = S_IFREG | 0200, .store = proc_store_clear_refs},
	{.name = "fail-nth",
		.mode = S_IFREG | 0600,
		.show = show_fail_nth,
		.store = store_fail_nth},
	LINK("exe", exe_follow), LINK("cwd", cwd_follow), LINK("root", root_follow),
	{.name = "fd",
		.mode = S_IFDIR | 0500,
		.numbered = &fd_entry,
		.find = find_fd,
		.next = next_fd},
	{.name = "fdinfo",
		.mode = S_IFDIR | 0500,
		.numbered = &fdinfo_entry,
		.find = find_fd,
		.next = next_fd},
	{.name = "task",
		.mode = S_IFDIR | 0555,
		.numbered = &thread_entry,
		.find = find_thread,
		.next = next_thread},
	FILE("cow", 0444, proc_show_process_cow), PRIVATE("tree", 0400, proc_show_tree), {0}};

const struct text_entry proc_process_entry = {.mode = S_IFDIR | 0555, .children = process_children};

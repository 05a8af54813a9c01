/* SPDX-License-Identifier: MIT */
/*
 * fs/procfs.c - /proc: processes, and the system.
 *
 * Owns: the table of what stands at the top, and the one instance.
 * See: proc(5); fs/text_tree.c for how files of text work.
 */

#include "fs/procfs.h"

static ssize_t self_readlink(const struct text_node *node, char *buf, size_t size)
{
	struct process *self = current_process();

	return self ? format_buffer(buf, size, "%d", self->pid) : -ENOENT;
}

static ssize_t thread_self_readlink(const struct text_node *node, char *buf, size_t size)
{
	struct process *self = current_process();

	return self ? format_buffer(buf, size, "%d/task/%d", self->pid, current_thread()->tid)
	            : -ENOENT;
}

#define FILE(name_, show_) { .name = name_, .mode = S_IFREG | 0444, .show = show_ }

static const struct text_entry root_children[] = {
	{.name = "self", .mode = S_IFLNK | 0777, .readlink = self_readlink},
	{.name = "thread-self", .mode = S_IFLNK | 0777, .readlink = thread_self_readlink},
	FILE("meminfo", proc_show_meminfo), FILE("uptime", proc_show_uptime),
	FILE("loadavg", proc_show_loadavg), FILE("stat", proc_show_system_stat),
	FILE("cpuinfo", proc_show_cpuinfo), FILE("mounts", proc_show_mounts),
	FILE("filesystems", proc_show_filesystems), FILE("version", proc_show_version),
	FILE("cmdline", proc_show_cmdline), FILE("devices", proc_show_devices),
	FILE("vmstat", proc_show_vmstat), FILE("diskstats", proc_show_nothing),
	{.name = "slabinfo", .mode = S_IFREG | 0400, .show = proc_show_slabinfo},
	{.name = "sys", .mode = S_IFDIR | 0555, .children = proc_sys_children},
	{.name = "kpagecount", .mode = S_IFREG | 0400, .read = proc_read_kpagecount},
	{.name = "kpageflags", .mode = S_IFREG | 0400, .read = proc_read_kpageflags},
	FILE("cow", proc_show_cow), FILE("lockstat", proc_show_lockstat),
	{.name = "races", .mode = S_IFREG | 0400, .show = proc_show_races},
	{.name = "faults",
		.mode = S_IFREG | 0600,
		.show = proc_show_faults,
		.store = proc_store_faults},
	{.name = "tail",
		.mode = S_IFREG | 0600,
		.show = proc_show_tail,
		.store = proc_store_tail},
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
	{.name = "trace_binary", .mode = S_IFREG | 0400, .show = proc_show_trace_binary},
	{.name = "trace_filter", .mode = S_IFREG | 0400, .show = proc_show_trace_filter},
	{.name = "trace_hist",
		.mode = S_IFREG | 0600,
		.show = proc_show_trace_hist,
		.store = proc_store_trace_hist},
	{0}};

static const struct text_entry root_entry = {
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
	proc_trace_start();
	text_tree_start(&procfs, "proc", PROC_SUPER_MAGIC, &root_entry);
	file_system_register(&procfs_type);
}

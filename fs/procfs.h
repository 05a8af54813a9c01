/* SPDX-License-Identifier: MIT */
/*
 * fs/procfs.h - /proc: processes, and the system.
 *
 * A tree of text, see fs/text_tree.h.  Here stands what its parts offer one another.
 */
#pragma once

#include "fs/text_tree.h"

/* Register the file system type "proc".  Once. */
void procfs_start(void);

/* ---- the parts ---- */

/* fs/proc_pid.c: /proc/PID, and who is there. */
extern const struct text_entry proc_process_entry;
int proc_find_process(const struct text_node *dir, int32_t number, struct text_node *child);
bool proc_next_process(const struct text_node *dir, int32_t *number);

/* The thread with the node's number, or else the leader; NULL: gone. */
struct thread *proc_thread(const struct text_node *node) REQUIRES(process_tree_lock);

/* The process's space, its places and descriptors, counted; NULL: it has none any more, or runs
 * another program than the node means. */
struct fs_context *proc_context(const struct text_node *node);
struct fdtable *proc_files(const struct text_node *node);
struct space *proc_space(const struct text_node *node);

/* fs/proc_status.c: who somebody is and how they are. */
int proc_show_stat(struct text *text, const struct text_node *node);
int proc_show_status(struct text *text, const struct text_node *node);

/* fs/proc_task.c: small things that tools ask of a thread. */
int proc_show_auxv(struct text *text, const struct text_node *node);
int proc_show_cgroup(struct text *text, const struct text_node *node);
int proc_show_personality(struct text *text, const struct text_node *node);
int proc_show_wchan(struct text *text, const struct text_node *node);

/* fs/proc_oom.c: who goes first when memory is out. */
int proc_show_oom_score(struct text *text, const struct text_node *node);
int proc_show_oom_score_adj(struct text *text, const struct text_node *node);
int proc_store_oom_score_adj(const struct text_node *node, char *text);
int proc_show_oom_adj(struct text *text, const struct text_node *node);
int proc_store_oom_adj(const struct text_node *node, char *text);

/* fs/proc_page.c: one page, and files with a word for each. */
struct vma;
struct leaf_visit;
enum proc_page_kind { PAGE_UNCOUNTED, PAGE_ANONYMOUS, PAGE_FILE, PAGE_SHARED };
struct proc_page {
	enum proc_page_kind kind;
	bool is_exclusive;              /* no other space can reach it */
	bool is_dirty;
};
struct proc_page proc_page_look(const struct vma *vma, const struct leaf_visit *leaf);
ssize_t proc_read_pagemap(const struct text_node *node, buffer_t to, size_t len, uint64_t *offset);
ssize_t proc_read_kpagecount(
	const struct text_node *node, buffer_t to, size_t len, uint64_t *offset);
ssize_t proc_read_kpageflags(
	const struct text_node *node, buffer_t to, size_t len, uint64_t *offset);
int proc_store_clear_refs(const struct text_node *node, char *text);

/* fs/proc_mem.c: bytes of a process. */
ssize_t proc_read_mem(const struct text_node *node, buffer_t to, size_t len, uint64_t *offset);
ssize_t proc_write_mem(const struct text_node *node, buffer_t from, size_t len, uint64_t *offset);

/* fs/proc_maps.c: memory of a process. */
struct proc_memory {                    /* pages, by where they come from */
	uint64_t anonymous, file, shared;
};
void proc_measure(struct space *space, struct proc_memory *memory);
int proc_show_maps(struct text *text, const struct text_node *node);
int proc_show_smaps(struct text *text, const struct text_node *node);
int proc_show_smaps_rollup(struct text *text, const struct text_node *node);
int proc_show_statm(struct text *text, const struct text_node *node);
int proc_show_tree(struct text *text, const struct text_node *node);

/* fs/proc_memory.c: memory of the system, /proc/sys/vm. */
extern const struct text_entry proc_vm_children[];
int proc_show_setting(struct text *text, const struct text_node *node);
int proc_store_setting(const struct text_node *node, char *text);
int proc_show_meminfo(struct text *text, const struct text_node *node);
int proc_show_vmstat(struct text *text, const struct text_node *node);
int proc_show_slabinfo(struct text *text, const struct text_node *node);

/* fs/proc_sys.c, fs/proc_cow.c: the files at the top. */
extern const struct text_entry proc_sys_children[];
int proc_show_constant(struct text *text, const struct text_node *node);   /* by its name */
int proc_show_mounts(struct text *text, const struct text_node *node);
int proc_show_mountinfo(struct text *text, const struct text_node *node);
int proc_show_uptime(struct text *text, const struct text_node *node);
int proc_show_loadavg(struct text *text, const struct text_node *node);
int proc_show_system_stat(struct text *text, const struct text_node *node);
int proc_show_cpuinfo(struct text *text, const struct text_node *node);
int proc_show_version(struct text *text, const struct text_node *node);
int proc_show_cmdline(struct text *text, const struct text_node *node);
int proc_show_filesystems(struct text *text, const struct text_node *node);
int proc_show_devices(struct text *text, const struct text_node *node);
int proc_show_nothing(struct text *text, const struct text_node *node);

int proc_show_cow(struct text *text, const struct text_node *node);
int proc_show_lockstat(struct text *text, const struct text_node *node);
int proc_show_races(struct text *text, const struct text_node *node);
int proc_show_faults(struct text *text, const struct text_node *node);
int proc_store_faults(const struct text_node *node, char *line);
int proc_show_tail(struct text *text, const struct text_node *node);
int proc_store_tail(const struct text_node *node, char *line);
int proc_show_process_cow(struct text *text, const struct text_node *node);
int proc_show_audit(struct text *text, const struct text_node *node);
int proc_show_ledger(struct text *text, const struct text_node *node);
int proc_show_selftest(struct text *text, const struct text_node *node);
int proc_store_selftest(const struct text_node *node, char *text);

/* fs/proc_trace.c: watching copy-on-write.  start: once, before the others. */
void proc_trace_start(void);
int proc_show_trace(struct text *text, const struct text_node *node);
int proc_store_trace(const struct text_node *node, char *text);
int proc_show_trace_binary(struct text *text, const struct text_node *node);
int proc_show_trace_filter(struct text *text, const struct text_node *node);
int proc_show_trace_hist(struct text *text, const struct text_node *node);
int proc_store_trace_hist(const struct text_node *node, char *text);

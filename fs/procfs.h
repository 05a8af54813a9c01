/* SPDX-License-Identifier: MIT */
/*
 * fs/procfs.h - /proc: the tree of small generated files.
 *
 * What is there is said by tables of struct proc_entry; a node is one place in the tree, made when
 * somebody looks it up.  A file's text is generated when it is read from its beginning and stays as
 * it is for that open file, so that a program that reads in pieces sees one moment.
 */
#pragma once

#include "fs/file.h"
#include "kernel/process.h"
#include "lib/format.h"

/* ---- text ---- */

/* Grows page by page.  After a failed allocation what is written is dropped and err says so. */
struct proc_text {
	struct sink sink;
	char **pages;
	uint32_t page_count, page_capacity;
	size_t len;
	int err;
};

void proc_print(struct proc_text *text, const char *fmt, ...) PRINTF_LIKE(2, 3);
void proc_put(struct proc_text *text, const char *bytes, size_t len);

/* ---- the tree ---- */

struct proc_entry;

/* One place: an entry, and what it is about. */
struct proc_node {
	const struct proc_entry *entry;
	struct process *process;        /* counted; NULL: the system */
	int32_t number;                 /* of a thread or a descriptor below a process; 0: none */
};

struct proc_entry {
	const char *name; /* NULL ends a table, and stands in those named by numbers */
	uint32_t mode;                  /* kind and permission bits */

	/* Directories: names that are always there; names that are numbers. */
	const struct proc_entry *children;
	const struct proc_entry *numbered;
	/* Fill child->process (counted) and ->number; -ENOENT. */
	int (*find)(const struct proc_node *dir, int32_t number, struct proc_node *child);
	/* The lowest number at or above *number; false: none. */
	bool (*next)(const struct proc_node *dir, int32_t *number);

	/* Files.  show may sleep; -ESRCH: the process is gone.  store gets what was written, NUL
	 * terminated and without its last newline. */
	int (*show)(struct proc_text *text, const struct proc_node *node);
	int (*store)(const struct proc_node *node, char *text);

	/* Binary files, instead of show: bytes from *offset on, which advances. */
	ssize_t (*read)(
		const struct proc_node *node, buffer_t to, size_t len, uint64_t *offset);

	/* Links: what they say, its length; and for magic ones the place itself, counted. */
	ssize_t (*readlink)(const struct proc_node *node, char *buf, size_t size);
	int (*follow)(const struct proc_node *node, struct path *out);
};

/* Register the file system type "proc".  Once. */
void procfs_start(void);

/* For store: a decimal number in [low, high]; -EINVAL. */
MUST_CHECK int proc_parse_number(const char *text, int64_t low, int64_t high, int64_t *number);

/* ---- the parts ---- */

/* fs/proc_pid.c: /proc/PID, and who is there. */
extern const struct proc_entry proc_process_entry;
int proc_find_process(const struct proc_node *dir, int32_t number, struct proc_node *child);
bool proc_next_process(const struct proc_node *dir, int32_t *number);

/* The thread with the node's number, or else the leader; NULL: gone. */
struct thread *proc_thread(const struct proc_node *node) REQUIRES(process_tree_lock);

/* The process's space, its places and descriptors, counted; NULL: it has none any more. */
struct fs_context *proc_context(const struct proc_node *node);
struct fdtable *proc_files(const struct proc_node *node);
struct space *proc_space(const struct proc_node *node);

/* fs/proc_status.c: who somebody is and how they are. */
int proc_show_stat(struct proc_text *text, const struct proc_node *node);
int proc_show_status(struct proc_text *text, const struct proc_node *node);

/* fs/proc_oom.c: who goes first when memory is out. */
int proc_show_oom_score(struct proc_text *text, const struct proc_node *node);
int proc_show_oom_score_adj(struct proc_text *text, const struct proc_node *node);
int proc_store_oom_score_adj(const struct proc_node *node, char *text);
int proc_show_oom_adj(struct proc_text *text, const struct proc_node *node);
int proc_store_oom_adj(const struct proc_node *node, char *text);

/* fs/proc_page.c: one page, and files with a word for each. */
struct vma;
struct leaf_visit;
enum proc_page_kind { PAGE_UNCOUNTED, PAGE_ANONYMOUS, PAGE_FILE, PAGE_SHARED };
struct proc_page {
	enum proc_page_kind kind;
	uint32_t holders;               /* spaces that can reach it */
	bool is_dirty;
};
struct proc_page proc_page_look(const struct vma *vma, const struct leaf_visit *leaf);
ssize_t proc_read_pagemap(const struct proc_node *node, buffer_t to, size_t len, uint64_t *offset);
ssize_t proc_read_kpagecount(
	const struct proc_node *node, buffer_t to, size_t len, uint64_t *offset);
ssize_t proc_read_kpageflags(
	const struct proc_node *node, buffer_t to, size_t len, uint64_t *offset);
int proc_store_clear_refs(const struct proc_node *node, char *text);

/* fs/proc_maps.c: memory of a process. */
struct proc_memory {                    /* pages, by where they come from */
	uint64_t anonymous, file, shared;
	uint64_t tables;
};
void proc_measure(struct space *space, struct proc_memory *memory);
int proc_show_maps(struct proc_text *text, const struct proc_node *node);
int proc_show_smaps(struct proc_text *text, const struct proc_node *node);
int proc_show_smaps_rollup(struct proc_text *text, const struct proc_node *node);
int proc_show_statm(struct proc_text *text, const struct proc_node *node);
int proc_show_tree(struct proc_text *text, const struct proc_node *node);

/* fs/proc_memory.c: memory of the system, /proc/sys/vm. */
extern const struct proc_entry proc_vm_children[];
int proc_show_meminfo(struct proc_text *text, const struct proc_node *node);
int proc_show_vmstat(struct proc_text *text, const struct proc_node *node);
int proc_show_slabinfo(struct proc_text *text, const struct proc_node *node);

/* fs/proc_sys.c, fs/proc_cow.c: the files at the top. */
extern const struct proc_entry proc_sys_children[];
int proc_show_constant(struct proc_text *text, const struct proc_node *node);   /* by its name */
int proc_show_mounts(struct proc_text *text, const struct proc_node *node);
int proc_show_mountinfo(struct proc_text *text, const struct proc_node *node);
int proc_show_uptime(struct proc_text *text, const struct proc_node *node);
int proc_show_loadavg(struct proc_text *text, const struct proc_node *node);
int proc_show_system_stat(struct proc_text *text, const struct proc_node *node);
int proc_show_cpuinfo(struct proc_text *text, const struct proc_node *node);
int proc_show_version(struct proc_text *text, const struct proc_node *node);
int proc_show_cmdline(struct proc_text *text, const struct proc_node *node);
int proc_show_filesystems(struct proc_text *text, const struct proc_node *node);
int proc_show_devices(struct proc_text *text, const struct proc_node *node);

int proc_show_cow(struct proc_text *text, const struct proc_node *node);
int proc_show_process_cow(struct proc_text *text, const struct proc_node *node);
int proc_show_audit(struct proc_text *text, const struct proc_node *node);
int proc_show_ledger(struct proc_text *text, const struct proc_node *node);
int proc_show_selftest(struct proc_text *text, const struct proc_node *node);
int proc_store_selftest(const struct proc_node *node, char *text);
int proc_show_trace(struct proc_text *text, const struct proc_node *node);
int proc_store_trace(const struct proc_node *node, char *text);

/* SPDX-License-Identifier: MIT */
/*
 * fs/text_tree.h - trees of small generated files: the engine of /proc and /sys.
 *
 * What is there is said by tables of struct text_entry; a node is one place in the tree, made when
 * somebody looks it up.  A file's text is generated when it is read from its beginning and stays as
 * it is for that open file until all of it has been read, so that a program that reads in pieces
 * sees one moment.  Of a long text (fs/text.h) that is so for each part.
 */
#pragma once

#include "fs/file.h"
#include "fs/text.h"
#include "kernel/process.h"

struct text_entry;

/* One place: an entry, and what it is about. */
struct text_node {
	const struct text_entry *entry;
	struct process *process;        /* counted; NULL: the system */
	int32_t number;                 /* of the last place on the way that has one; 0: none */
	uint64_t program;               /* process->program that is meant; 0: whichever it runs */
};

struct text_entry {
	/* NULL ends a table.  In those named by numbers: what the names look like, "cpu%d";
	 * NULL: just the number. */
	const char *name;
	uint32_t mode;                  /* kind and permission bits */
	/* Files and magic links of a process that only those may open or follow who may look into
	 * it (process_may_look): -EACCES.  An open file stays with the program that ran then. */
	bool is_private;

	/* Directories: names that are always there; names that differ by a number. */
	const struct text_entry *children;
	const struct text_entry *numbered;
	/* Fill child->process (counted) and ->number; -ENOENT. */
	int (*find)(const struct text_node *dir, int32_t number, struct text_node *child);
	/* The lowest number at or above *number; false: none. */
	bool (*next)(const struct text_node *dir, int32_t *number);

	/* Files.  show may sleep; -ESRCH: the process is gone.  store gets what was written, NUL
	 * terminated and without its last newline. */
	int (*show)(struct text *text, const struct text_node *node);
	int (*store)(const struct text_node *node, char *text);

	/* Binary files, instead of show and store: bytes from *offset on, which advances. */
	ssize_t (*read)(
		const struct text_node *node, buffer_t to, size_t len, uint64_t *offset);
	ssize_t (*write)(
		const struct text_node *node, buffer_t from, size_t len, uint64_t *offset);

	/* Links: what they say, its length; and for magic ones the place itself, counted. */
	ssize_t (*readlink)(const struct text_node *node, char *buf, size_t size);
	int (*follow)(const struct text_node *node, struct path *out);
};

/* Fill a static file system of such files, its root's entry given.  Once, at boot. */
void text_tree_start(struct file_system *fs, const char *type, uint64_t magic,
		     const struct text_entry *root);

/* SPDX-License-Identifier: MIT */
/*
 * kernel/loader.h - a program file in an address space.
 */
#pragma once

#include "lib/elf.h"
#include "fs/path.h"
#include "mm/space.h"

/* How many bytes at the beginning of a file say what it is. */
enum { PROGRAM_HEAD_BYTES = 256 };

/* A place of a regular file that the running process may execute, counted.  name "" with
 * AT_EMPTY_PATH: `start` itself.  -ENOENT, -EACCES, -ELOOP... */
MUST_CHECK int program_find(const struct path *start, const char *name, int at_flags,
			    struct path *out);

/* The first bytes, zeros behind the end of the file.  0 or a negative errno. */
MUST_CHECK int program_head(const struct path *path, void *head);

/* What is in it, checked.  -ENOEXEC, -ENOMEM. */
MUST_CHECK int program_check(const struct path *path, const void *head, struct elf_image *image);

/* The name of its interpreter (PT_INTERP), which has image->interp_size bytes, at most `size`. */
MUST_CHECK int program_interpreter(const struct path *path, const struct elf_image *image,
				   char *name, size_t size);

/* Where a movable program goes; `shift` is random, at most 64 MiB.  0 for a fixed one.  -ENOMEM. */
MUST_CHECK int program_place(struct space *space, const struct elf_image *image, uint64_t shift,
			     virt_t *base);
/* The same for an interpreter: among the mappings. */
MUST_CHECK int interpreter_place(struct space *space, const struct elf_image *image, virt_t *base);

/* Map the segments into an unpublished space: views of the file, zeros behind. */
MUST_CHECK int program_map(struct space *space, const struct path *path,
			   const struct elf_image *image, virt_t base);

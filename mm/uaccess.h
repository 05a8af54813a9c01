/* SPDX-License-Identifier: MIT */
/*
 * mm/uaccess.h - memory of a space that is not the running one.
 *
 * Through the direct map, after owning the path like a program's write would.  For exec (building
 * the new stack), /proc/PID/{cmdline,environ,mem} and tests.  May sleep.
 *
 * A forced write reaches private pages that may only be read: the space gets a page of its own, as
 * for any write, but the entry no write bit, so that the program can do no more than before.
 */
#pragma once

#include "mm/space.h"

/* 0 or -EFAULT/-ENOMEM.  Rights of the ranges are respected. */
MUST_CHECK int space_read(struct space *space, virt_t from, void *to, size_t len);
MUST_CHECK int space_write(struct space *space, virt_t to, const void *from, size_t len);

/* The same without regard to the right to write, if the range is private and may be read at all. */
MUST_CHECK int space_force(struct space *space, virt_t to, const void *from, size_t len);

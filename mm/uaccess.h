/* SPDX-License-Identifier: MIT */
/*
 * mm/uaccess.h - memory of a space that is not the running one.
 *
 * Through the direct map, after owning the path like a program's write would.  For exec (building
 * the new stack), /proc/PID/{cmdline,environ,mem} and tests.  May sleep.
 */
#pragma once

#include "mm/space.h"

/* 0 or -EFAULT/-ENOMEM.  Rights of the ranges are respected. */
MUST_CHECK int space_read(struct space *space, virt_t from, void *to, size_t len);
MUST_CHECK int space_write(struct space *space, virt_t to, const void *from, size_t len);

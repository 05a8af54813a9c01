/* SPDX-License-Identifier: MIT */
/*
 * mm/fault.h - one fault: refuse, fill, own or accept.
 */
#pragma once

#include "kernel/upcall.h"
#include "mm/space.h"

/*
 * Resolve one fault.  May sleep.  0: run the instruction again.  -EFAULT: no mapping there.
 * -EACCES: the range forbids it.  -ENXIO: beyond the end of the object.  -ENOMEM: nothing changed,
 * try again when memory has been found.
 */
MUST_CHECK int fault_resolve(struct space *space, virt_t addr, enum access access);

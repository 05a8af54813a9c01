/* SPDX-License-Identifier: MIT */
/*
 * kernel/shm.h - System V shared memory.
 *
 * A segment is an object with a number.  Attaching maps it; fork inherits that, exit and exec end
 * it, as with any mapping.  IPC_RMID takes the key away; the segment goes with the last mapping.
 * Errors are those of shmget(2), shmat(2), shmctl(2).
 */
#pragma once

#include "lib/abi/ipc.h"
#include "mm/space.h"

/* The number of the segment with this key, made if the flags say so. */
int shm_get(int32_t key, uint64_t size, uint32_t flags);

MUST_CHECK int shm_attach(int id, virt_t at, uint32_t flags, virt_t *addr);
MUST_CHECK int shm_detach(virt_t addr);

/* shmctl(2)'s parts.  stat: by number, or by place in the table (SHM_STAT), then the result is the
 * number. */
int shm_stat(int id, bool is_place, bool is_open, struct abi_shmid_ds *out);
MUST_CHECK int shm_set(int id, const struct abi_shmid_ds *wanted);
MUST_CHECK int shm_remove(int id);
MUST_CHECK int shm_lock(int id);

/* The highest place in use. */
int shm_limits(struct abi_shminfo *out);
int shm_totals(struct abi_shm_info *out);

/* SPDX-License-Identifier: MIT */
#pragma once

/* System V shared memory.  Values and layouts are Linux's for x86-64. */

#include "lib/types.h"

#if __STDC_HOSTED__
#pragma GCC system_header	/* the C library has the same names */
#endif

#define IPC_PRIVATE 0
#define IPC_CREAT 01000
#define IPC_EXCL 02000

#define IPC_RMID 0
#define IPC_SET 1
#define IPC_STAT 2
#define IPC_INFO 3

#define SHM_LOCK 11
#define SHM_UNLOCK 12
#define SHM_STAT 13
#define SHM_INFO 14
#define SHM_STAT_ANY 15

#define SHM_RDONLY 010000
#define SHM_RND 020000
#define SHM_REMAP 040000
#define SHM_EXEC 0100000

#define SHM_NORESERVE 010000	/* shmget */
#define SHM_HUGETLB 04000

#define SHM_DEST 01000		/* in the mode: removed, and still attached */

struct abi_ipc_perm {
	int32_t key;
	uint32_t uid, gid, cuid, cgid;
	uint32_t mode;
	uint16_t seq, pad;
	uint64_t unused[2];
};
static_assert(sizeof(struct abi_ipc_perm) == 48, "struct ipc64_perm");

struct abi_shmid_ds {
	struct abi_ipc_perm shm_perm;
	uint64_t shm_segsz;
	int64_t shm_atime, shm_dtime, shm_ctime;
	int32_t shm_cpid, shm_lpid;
	uint64_t shm_nattch;
	uint64_t unused[2];
};
static_assert(sizeof(struct abi_shmid_ds) == 112, "struct shmid64_ds");

struct abi_shminfo {
	uint64_t shmmax, shmmin, shmmni, shmseg, shmall;
	uint64_t unused[4];
};

struct abi_shm_info {
	int32_t used_ids;
	uint64_t shm_tot, shm_rss, shm_swp;
	uint64_t swap_attempts, swap_successes;
};

/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Structures that kernel and programs exchange, as Linux lays them out on x86-64.  Members bear
 * the names of the manual pages; the structures are prefixed so that this header can stand beside
 * a C library's.  Every layout that could slip is pinned by a static_assert.
 */

#include "lib/types.h"

/* ---- time ---- */

struct abi_timespec {
	int64_t tv_sec;
	int64_t tv_nsec;
};

struct abi_timeval {
	int64_t tv_sec;
	int64_t tv_usec;
};

struct abi_timezone {
	int32_t tz_minuteswest;
	int32_t tz_dsttime;
};

struct abi_itimerval {
	struct abi_timeval it_interval;
	struct abi_timeval it_value;
};

struct abi_itimerspec {
	struct abi_timespec it_interval;
	struct abi_timespec it_value;
};

struct abi_tms {
	int64_t tms_utime;	/* in ticks of 1/100 s, all four */
	int64_t tms_stime;
	int64_t tms_cutime;
	int64_t tms_cstime;
};

/* ---- files ---- */

struct abi_stat {
	uint64_t st_dev;
	uint64_t st_ino;
	uint64_t st_nlink;
	uint32_t st_mode;
	uint32_t st_uid;
	uint32_t st_gid;
	uint32_t pad;
	uint64_t st_rdev;
	int64_t st_size;
	int64_t st_blksize;
	int64_t st_blocks;	/* of 512 bytes */
	struct abi_timespec st_atim;
	struct abi_timespec st_mtim;
	struct abi_timespec st_ctim;
	int64_t unused[3];
};
static_assert(sizeof(struct abi_stat) == 144, "struct stat");

struct abi_statx_timestamp {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t pad;
};

struct abi_statx {
	uint32_t stx_mask;	/* STATX_*: which of the fields are filled in */
	uint32_t stx_blksize;
	uint64_t stx_attributes;
	uint32_t stx_nlink;
	uint32_t stx_uid;
	uint32_t stx_gid;
	uint16_t stx_mode;
	uint16_t pad1;
	uint64_t stx_ino;
	uint64_t stx_size;
	uint64_t stx_blocks;
	uint64_t stx_attributes_mask;
	struct abi_statx_timestamp stx_atime;
	struct abi_statx_timestamp stx_btime;
	struct abi_statx_timestamp stx_ctime;
	struct abi_statx_timestamp stx_mtime;
	uint32_t stx_rdev_major;
	uint32_t stx_rdev_minor;
	uint32_t stx_dev_major;
	uint32_t stx_dev_minor;
	uint64_t stx_mnt_id;
	uint32_t stx_dio_mem_align;
	uint32_t stx_dio_offset_align;
	uint64_t unused[12];
};
static_assert(sizeof(struct abi_statx) == 256, "struct statx");

struct abi_statfs {
	int64_t f_type;
	int64_t f_bsize;
	uint64_t f_blocks;
	uint64_t f_bfree;
	uint64_t f_bavail;
	uint64_t f_files;
	uint64_t f_ffree;
	uint64_t f_fsid;
	int64_t f_namelen;
	int64_t f_frsize;
	int64_t f_flags;
	int64_t unused[4];
};
static_assert(sizeof(struct abi_statfs) == 120, "struct statfs");

/* One entry of getdents64; records are d_reclen apart and 8-byte aligned. */
struct abi_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};
static_assert(offsetof(struct abi_dirent64, d_name) == 19, "struct linux_dirent64");

struct abi_iovec {
	uint64_t iov_base;
	uint64_t iov_len;
};

struct abi_flock {
	int16_t l_type;
	int16_t l_whence;
	int64_t l_start;
	int64_t l_len;
	int32_t l_pid;
};
static_assert(sizeof(struct abi_flock) == 32, "struct flock");

struct abi_utimbuf {
	int64_t actime;
	int64_t modtime;
};

struct abi_file_clone_range {
	int64_t src_fd;
	uint64_t src_offset;
	uint64_t src_length;
	uint64_t dest_offset;
};

/* ---- waiting for many files ---- */

struct abi_pollfd {
	int32_t fd;
	int16_t events;
	int16_t revents;
};

struct abi_epoll_event {
	uint32_t events;
	uint64_t data;
} PACKED;
static_assert(sizeof(struct abi_epoll_event) == 12, "struct epoll_event");

#define ABI_FD_SETSIZE 1024

struct abi_fd_set {
	uint64_t bits[ABI_FD_SETSIZE / 64];
};

/* What pselect6 gets as its sixth argument. */
struct abi_sigset_argument {
	uint64_t mask;	/* the set's address */
	uint64_t size;	/* and its size: 8 */
};

/* ---- processes and the system ---- */

struct abi_rusage {
	struct abi_timeval ru_utime;
	struct abi_timeval ru_stime;
	int64_t ru_maxrss;	/* in KiB */
	int64_t ru_ixrss;
	int64_t ru_idrss;
	int64_t ru_isrss;
	int64_t ru_minflt;
	int64_t ru_majflt;
	int64_t ru_nswap;
	int64_t ru_inblock;
	int64_t ru_oublock;
	int64_t ru_msgsnd;
	int64_t ru_msgrcv;
	int64_t ru_nsignals;
	int64_t ru_nvcsw;
	int64_t ru_nivcsw;
};
static_assert(sizeof(struct abi_rusage) == 144, "struct rusage");

struct abi_rlimit {
	uint64_t rlim_cur;
	uint64_t rlim_max;
};

#define ABI_UTS_LEN 65

struct abi_utsname {
	char sysname[ABI_UTS_LEN];
	char nodename[ABI_UTS_LEN];
	char release[ABI_UTS_LEN];
	char version[ABI_UTS_LEN];
	char machine[ABI_UTS_LEN];
	char domainname[ABI_UTS_LEN];
};

struct abi_sysinfo {
	int64_t uptime;
	uint64_t loads[3];	/* scaled by 65536 */
	uint64_t totalram;
	uint64_t freeram;
	uint64_t sharedram;
	uint64_t bufferram;
	uint64_t totalswap;
	uint64_t freeswap;
	uint16_t procs;
	uint16_t pad;
	uint64_t totalhigh;
	uint64_t freehigh;
	uint32_t mem_unit;
};
static_assert(sizeof(struct abi_sysinfo) == 112, "struct sysinfo");

struct abi_sched_param {
	int32_t sched_priority;
};

/* A thread's list of robust futexes, walked when it dies. */
struct abi_robust_list_head {
	uint64_t list;
	int64_t futex_offset;
	uint64_t list_op_pending;
};

/* For capget and capset. */
struct abi_cap_header {
	uint32_t version;
	int32_t pid;
};

struct abi_cap_data {
	uint32_t effective;
	uint32_t permitted;
	uint32_t inheritable;
};

/*
 * Device numbers.  In memory and in struct stat they are Linux's 64-bit encoding: the low 8 bits
 * of the minor number, 12 of the major, then the rest of both.
 */
static inline uint64_t device_make(uint32_t major_number, uint32_t minor_number)
{
	return (minor_number & 0xff) | (uint64_t)(major_number & 0xfff) << 8 |
	       (uint64_t)(minor_number & ~0xffu) << 12 | (uint64_t)(major_number & ~0xfffu) << 32;
}

static inline uint32_t device_major(uint64_t device)
{
	return (uint32_t)(device >> 8 & 0xfff) | (uint32_t)(device >> 32 & ~0xfffull);
}

static inline uint32_t device_minor(uint64_t device)
{
	return (uint32_t)(device & 0xff) | (uint32_t)(device >> 12 & ~0xffull);
}

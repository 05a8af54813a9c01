/* SPDX-License-Identifier: MIT */
/*
 * tests/user/mm_errno.c - each way to ask for what cannot be, and the answer.
 *
 * The system calls themselves: the C library refuses some of this before the kernel sees it.
 */
#include "temp_dir.h"
#include "memory.h"

#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

enum { ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS, READ_WRITE = PROT_READ | PROT_WRITE };

#define USER_END 0x7ffffffff000ul       /* of Linux; that of others is not far */
#define ODD(memory) ((volatile char *)(memory) + 1)
#define NOWHERE ((volatile char *)(USER_END - 64 * MIB * 1024))

static long map(const volatile void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	return syscall(SYS_mmap, at, len, prot, flags, fd, offset);
}

static long unmap(const volatile void *at, size_t len)
{
	return syscall(SYS_munmap, at, len);
}

static long set_rights(const volatile void *at, size_t len, int prot)
{
	return syscall(SYS_mprotect, at, len, prot);
}

static long remap(const volatile void *at, size_t old, size_t new, int flags,
	const volatile void *to)
{
	return syscall(SYS_mremap, at, old, new, flags, to);
}

static long advise(const volatile void *at, size_t len, int advice)
{
	return syscall(SYS_madvise, at, len, advice);
}

/* ---- mmap ---- */

TEST(mmap_einval)
{
	volatile char *memory = pages_new(2);

	CHECK_ERRNO(map(NULL, 0, PROT_READ, ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, ANONYMOUS, -1, 1), EINVAL);
	CHECK_ERRNO(map(ODD(memory), PAGE, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
	CHECK_ERRNO(map(ODD(memory), PAGE, PROT_READ, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
		EINVAL);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0), EINVAL);
}

TEST(mmap_enomem)
{
	CHECK_ERRNO(map(NULL, USER_END + PAGE, PROT_NONE, ANONYMOUS, -1, 0), ENOMEM);
	CHECK_ERRNO(map(NULL, SIZE_MAX - PAGE, PROT_NONE, ANONYMOUS, -1, 0), ENOMEM);
	CHECK_ERRNO(map(NULL, SIZE_MAX, PROT_NONE, ANONYMOUS, -1, 0), ENOMEM);
	CHECK_ERRNO(map((void *)(USER_END + 2 * PAGE), PAGE, PROT_READ, ANONYMOUS | MAP_FIXED, -1,
		0), ENOMEM);
	CHECK_ERRNO(map((void *)-PAGE, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0), ENOMEM);
}

TEST(mmap_eexist)
{
	volatile char *memory = pages_new(2);

	CHECK_ERRNO(map(memory + PAGE, 4 * PAGE, PROT_READ, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
		EEXIST);
}

/* Root may do more on Linux. */
TEST(mmap_eperm)
{
	CHECK_EQ(syscall(SYS_setuid, 1000), 0);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0), EPERM);
}

DIR_TEST(mmap_of_files)
{
	int fds[2];

	file_make("f", "text");
	int to_read = open("f", O_RDONLY), to_write = open("f", O_WRONLY);
	int directory = open(".", O_RDONLY);
	CHECK_EQ(pipe(fds), 0);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, to_write, 0), EACCES);
	CHECK_ERRNO(map(NULL, PAGE, PROT_WRITE, MAP_SHARED, to_write, 0), EACCES);
	CHECK_ERRNO(map(NULL, PAGE, READ_WRITE, MAP_SHARED, to_read, 0), EACCES);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, fds[0], 0), ENODEV);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, directory, 0), ENODEV);
	CHECK_ERRNO(map(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, to_read, -(off_t)PAGE), EOVERFLOW);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, to_read, 100), EINVAL);
	CHECK_ERRNO(map(NULL, 0, PROT_READ, MAP_PRIVATE, to_read, 0), EINVAL);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, 0, to_read, 0), EINVAL);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_GROWSDOWN, to_read, 0), EINVAL);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, to_read, 0), EINVAL);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0),
		EINVAL);
}

/* MAP_SHARED ignores what it does not know, MAP_SHARED_VALIDATE says so. */
DIR_TEST(mmap_eopnotsupp)
{
	enum { UNKNOWN = 0x400000, SYNC = 0x80000 };
	int known = MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_DENYWRITE |
		MAP_EXECUTABLE;

	file_make("f", "text");
	int fd = open("f", O_RDWR), reader = open("f", O_RDONLY);

	CHECK(map(NULL, PAGE, READ_WRITE, MAP_SHARED_VALIDATE | known, fd, 0) != -1);
	CHECK(map(NULL, PAGE, READ_WRITE, MAP_SHARED | UNKNOWN, fd, 0) != -1);
	CHECK(map(NULL, PAGE, READ_WRITE, MAP_PRIVATE | UNKNOWN, fd, 0) != -1);
	CHECK_ERRNO(map(NULL, PAGE, READ_WRITE, MAP_SHARED_VALIDATE | UNKNOWN, fd, 0), EOPNOTSUPP);
	CHECK_ERRNO(map(NULL, PAGE, READ_WRITE, MAP_SHARED_VALIDATE | SYNC, fd, 0), EOPNOTSUPP);
	CHECK_ERRNO(map(NULL, PAGE, READ_WRITE, MAP_SHARED_VALIDATE | UNKNOWN, reader, 0),
		EOPNOTSUPP);
	CHECK_ERRNO(map(NULL, PAGE, READ_WRITE, MAP_SHARED_VALIDATE, reader, 0), EACCES);
	CHECK_ERRNO(map(NULL, PAGE, READ_WRITE, MAP_SHARED_VALIDATE | UNKNOWN, -1, 0), EBADF);
}

TEST(a_refused_map_replaces_nothing)
{
	volatile char *memory = pages_new(2);

	memory[0] = 'A';
	CHECK_ERRNO(map(memory, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, -1, 0), EBADF);
	CHECK_ERRNO(map(memory, 0, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
	CHECK_EQ(memory[0], 'A');
}

/* ---- munmap ---- */

TEST(munmap_einval)
{
	volatile char *memory = pages_new(2);

	CHECK_ERRNO(unmap(ODD(memory), PAGE), EINVAL);
	CHECK_ERRNO(unmap(memory, 0), EINVAL);
	CHECK_ERRNO(unmap(memory, SIZE_MAX), EINVAL);
	CHECK_ERRNO(unmap(memory, -(uintptr_t)memory), EINVAL);
	CHECK_ERRNO(unmap((void *)(USER_END + PAGE), PAGE), EINVAL);
	memory[0] = 1;
	CHECK_EQ(unmap(NOWHERE, PAGE), 0);
}

/* ---- mprotect ---- */

TEST(mprotect_einval)
{
	volatile char *memory = pages_new(2);

	CHECK_ERRNO(set_rights(ODD(memory), PAGE, PROT_READ), EINVAL);
	CHECK_ERRNO(set_rights(memory, PAGE, 0x80), EINVAL);
	CHECK_ERRNO(set_rights(memory, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP), EINVAL);
	CHECK_ERRNO(set_rights(memory, PAGE, PROT_READ | PROT_GROWSUP), EINVAL);
	CHECK_EQ(set_rights(memory, 0, PROT_READ), 0);
	CHECK_EQ(set_rights(memory, 0, 0x80), 0);
	memory[0] = 1;
}

TEST(mprotect_enomem)
{
	volatile char *memory = pages_new(8);

	pages_free(memory + 4 * PAGE, 1);
	CHECK_ERRNO(set_rights(memory + 4 * PAGE, PAGE, PROT_READ), ENOMEM);
	CHECK_ERRNO(set_rights(memory, 8 * PAGE, PROT_READ), ENOMEM);
	CHECK_ERRNO(set_rights(NOWHERE, PAGE, PROT_READ), ENOMEM);
	CHECK_ERRNO(set_rights(memory, -(uintptr_t)memory, PROT_READ), ENOMEM);
	CHECK_ERRNO(set_rights(memory, SIZE_MAX - PAGE, PROT_READ), ENOMEM);
	CHECK_EQ(memory[0] + memory[7 * PAGE], 0);
}

DIR_TEST(mprotect_eacces)
{
	file_make("f", "text");
	int fd = open("f", O_RDONLY);
	volatile char *shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	volatile char *private = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

	CHECK(shared != MAP_FAILED && private != MAP_FAILED);
	CHECK_ERRNO(set_rights(shared, PAGE, READ_WRITE), EACCES);
	CHECK_EQ(shared[0], 't');
	CHECK_EQ(set_rights(private, PAGE, READ_WRITE), 0);
}

/* ---- mremap ---- */

TEST(mremap_einval)
{
	volatile char *memory = pages_new(8), *to = pages_new(8);
	int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;

	CHECK_ERRNO(remap(ODD(memory), PAGE, PAGE, 0, NULL), EINVAL);
	CHECK_ERRNO(remap(memory, PAGE, 0, 0, NULL), EINVAL);
	CHECK_ERRNO(remap(memory, PAGE, PAGE, 64, NULL), EINVAL);
	CHECK_ERRNO(remap(memory, PAGE, PAGE, MREMAP_FIXED, to), EINVAL);
	CHECK_ERRNO(remap(memory, PAGE, PAGE, fixed, ODD(to)), EINVAL);
	CHECK_ERRNO(remap(memory, 4 * PAGE, 4 * PAGE, fixed, memory + 2 * PAGE), EINVAL);
	CHECK_ERRNO(remap(memory + 2 * PAGE, 4 * PAGE, 4 * PAGE, fixed, memory), EINVAL);
	CHECK_ERRNO(remap(memory, PAGE, PAGE, fixed, (void *)(USER_END + PAGE)), EINVAL);
	CHECK_ERRNO(remap(memory, 0, PAGE, MREMAP_MAYMOVE, NULL), EINVAL);
}

TEST(mremap_efault)
{
	volatile char *memory = pages_new(8);

	CHECK_EQ(protect(memory + 4 * PAGE, 4, PROT_READ), 0);
	CHECK_ERRNO(remap(memory, 8 * PAGE, 9 * PAGE, MREMAP_MAYMOVE, NULL), EFAULT);
	pages_free(memory, 1);
	CHECK_ERRNO(remap(memory, PAGE, 2 * PAGE, MREMAP_MAYMOVE, NULL), EFAULT);
	CHECK_ERRNO(remap(NOWHERE, PAGE, 2 * PAGE, MREMAP_MAYMOVE, NULL), EFAULT);
}

/* A second view, just over what it is to be a view of. */
TEST(mremap_onto_itself)
{
	volatile char *shared = memory_map(2 * PAGE, READ_WRITE, MAP_SHARED);

	CHECK_ERRNO(remap(shared, 0, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, shared), EFAULT);
	shared[PAGE] = 's';
	CHECK(remap(shared + PAGE, 0, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, shared) != -1);
	CHECK_EQ(shared[0], 's');
}

TEST(mremap_eperm)
{
	volatile char *memory = pages_new(1);

	if (geteuid() == 0)
		CHECK_EQ(setresuid(65534, 65534, 65534), 0);
	CHECK_ERRNO(remap(memory, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, NULL), EPERM);
}

TEST(mremap_enomem)
{
	volatile char *memory = pages_new(8);

	memory[0] = 1;
	CHECK_EQ(protect(memory + 4 * PAGE, 4, PROT_READ), 0);
	CHECK_ERRNO(remap(memory, 4 * PAGE, 5 * PAGE, 0, NULL), ENOMEM);
	CHECK_ERRNO(remap(memory, 4 * PAGE, USER_END - PAGE, MREMAP_MAYMOVE, NULL), ENOMEM);
	CHECK_EQ(memory[0], 1);
}

/* ---- madvise ---- */

DIR_TEST(madvise_einval)
{
	volatile char *memory = pages_new(2);

	CHECK_ERRNO(advise(ODD(memory), PAGE, MADV_DONTNEED), EINVAL);
	CHECK_ERRNO(advise(memory, PAGE, 12345), EINVAL);
	CHECK_ERRNO(advise(memory, 0, 12345), EINVAL);
	CHECK_ERRNO(advise(memory, SIZE_MAX, MADV_DONTNEED), EINVAL);
	CHECK_ERRNO(advise(memory, PAGE, MADV_REMOVE), EINVAL);
	CHECK_EQ(advise(memory, 0, MADV_DONTNEED), 0);
}

/* Done where there is something; told nevertheless. */
TEST(madvise_enomem)
{
	volatile char *memory = pages_new(8);

	pages_mark(memory, 8, 1);
	pages_free(memory + 4 * PAGE, 1);
	CHECK_ERRNO(advise(memory, 8 * PAGE, MADV_DONTNEED), ENOMEM);
	CHECK(bytes_are(memory, 4 * PAGE, 0));
	CHECK(bytes_are(memory + 5 * PAGE, 3 * PAGE, 0));
	CHECK_ERRNO(advise(memory + 4 * PAGE, PAGE, MADV_DONTNEED), ENOMEM);
	CHECK_ERRNO(advise(NOWHERE, PAGE, MADV_WILLNEED), ENOMEM);
	CHECK_ERRNO(advise(NOWHERE, PAGE, MADV_DONTFORK), ENOMEM);
}

DIR_TEST(madvise_populate_errors)
{
	volatile char *memory = pages_new(8);

	if (advise(memory, PAGE, MADV_POPULATE_READ) != 0)
		SKIP("this kernel cannot populate");
	CHECK_EQ(protect(memory + 2 * PAGE, 1, PROT_NONE), 0);
	CHECK_EQ(protect(memory + 3 * PAGE, 1, PROT_READ), 0);
	pages_free(memory + 5 * PAGE, 1);
	CHECK_ERRNO(advise(memory, 4 * PAGE, MADV_POPULATE_READ), EINVAL);
	CHECK_EQ(advise(memory + 3 * PAGE, PAGE, MADV_POPULATE_READ), 0);
	CHECK_ERRNO(advise(memory + 3 * PAGE, PAGE, MADV_POPULATE_WRITE), EINVAL);
	CHECK_ERRNO(advise(memory + 4 * PAGE, 2 * PAGE, MADV_POPULATE_WRITE), ENOMEM);

	file_make("f", "text");
	int fd = open("f", O_RDWR);
	volatile char *file = mmap(NULL, 2 * PAGE, READ_WRITE, MAP_SHARED, fd, 0);

	CHECK(file != MAP_FAILED);
	CHECK_EQ(advise(file, PAGE, MADV_POPULATE_WRITE), 0);
	CHECK_ERRNO(advise(file, 2 * PAGE, MADV_POPULATE_READ), EFAULT);
}

/* ---- the rest ---- */

TEST(mincore_errors)
{
	volatile char *memory = pages_new(4);
	unsigned char present[4];

	CHECK_ERRNO(syscall(SYS_mincore, ODD(memory), PAGE, present), EINVAL);
	CHECK_ERRNO(syscall(SYS_mincore, memory, PAGE, 1), EFAULT);
	pages_free(memory + 2 * PAGE, 1);
	CHECK_ERRNO(syscall(SYS_mincore, memory, 4 * PAGE, present), ENOMEM);
	CHECK_ERRNO(syscall(SYS_mincore, memory, SIZE_MAX - 2 * PAGE, present), ENOMEM);
	CHECK_ERRNO(syscall(SYS_mincore, memory + 2 * PAGE, PAGE, 1), ENOMEM);
	CHECK_ERRNO(syscall(SYS_mincore, memory + 2 * PAGE, PAGE, -1l), EFAULT);
	CHECK_ERRNO(syscall(SYS_mincore, memory, 0, -1l), EFAULT);
	CHECK_EQ(syscall(SYS_mincore, memory, 0, present), 0);
}

TEST(msync_errors)
{
	volatile char *memory = pages_new(4);

	CHECK_ERRNO(syscall(SYS_msync, ODD(memory), PAGE, MS_SYNC), EINVAL);
	CHECK_ERRNO(syscall(SYS_msync, memory, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERRNO(syscall(SYS_msync, memory, PAGE, 64), EINVAL);
	pages_free(memory + 2 * PAGE, 1);
	CHECK_ERRNO(syscall(SYS_msync, memory, 4 * PAGE, MS_SYNC), ENOMEM);
	CHECK_EQ(syscall(SYS_msync, memory, 2 * PAGE, MS_SYNC), 0);
	CHECK_EQ(syscall(SYS_msync, memory, 0, MS_SYNC), 0);
	CHECK_ERRNO(syscall(SYS_msync, memory, SIZE_MAX - 2 * PAGE, MS_SYNC), ENOMEM);
	CHECK_EQ(syscall(SYS_msync, memory, SIZE_MAX, MS_SYNC), 0);     /* rounded up: nothing */
}

TEST(msync_ebusy)
{
	volatile char *memory = pages_new(4);

	CHECK_EQ(mlock((void *)(memory + PAGE), PAGE), 0);
	CHECK_EQ(syscall(SYS_msync, memory, 4 * PAGE, MS_SYNC), 0);
	CHECK_EQ(syscall(SYS_msync, memory + 2 * PAGE, 2 * PAGE, MS_INVALIDATE), 0);
	CHECK_ERRNO(syscall(SYS_msync, memory, 4 * PAGE, MS_INVALIDATE), EBUSY);
	pages_free(memory + 2 * PAGE, 1);
	CHECK_ERRNO(syscall(SYS_msync, memory, 4 * PAGE, MS_INVALIDATE | MS_SYNC), EBUSY);
	CHECK_ERRNO(syscall(SYS_msync, memory + 2 * PAGE, 2 * PAGE, MS_INVALIDATE), ENOMEM);
}

TEST(mlock_errors)
{
	volatile char *memory = pages_new(4);

	CHECK_ERRNO(syscall(SYS_mlock2, memory, PAGE, 2), EINVAL);
	CHECK_ERRNO(syscall(SYS_mlock, memory, SIZE_MAX - PAGE), EINVAL);
	CHECK_EQ(syscall(SYS_mlock, memory, SIZE_MAX), 0);              /* rounded up: nothing */
	CHECK_EQ(syscall(SYS_munlock, memory, SIZE_MAX), 0);
	CHECK_EQ(syscall(SYS_mlock, ODD(memory), 0), 0);
	CHECK_ERRNO(syscall(SYS_mlock, USER_END + PAGE, PAGE), ENOMEM);
	CHECK_ERRNO(syscall(SYS_munlock, USER_END + PAGE, PAGE), ENOMEM);
	pages_free(memory + 2 * PAGE, 1);
	CHECK_ERRNO(syscall(SYS_mlock, memory, 4 * PAGE), ENOMEM);
	CHECK_ERRNO(syscall(SYS_munlock, memory, 4 * PAGE), ENOMEM);
	CHECK_ERRNO(syscall(SYS_mlockall, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_mlockall, MCL_ONFAULT), EINVAL);
	CHECK_ERRNO(syscall(SYS_mlockall, 8), EINVAL);
}

/* Who may lock nothing is told so, but for arguments that are wrong anyway. */
TEST(mlock_eperm)
{
	struct rlimit none = {0, 0};
	volatile char *memory = pages_new(1);
	int locked = ANONYMOUS | MAP_LOCKED;

	CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &none), 0);
	CHECK_EQ(syscall(SYS_setuid, 1000), 0);
	CHECK_ERRNO(syscall(SYS_mlock, memory, PAGE), EPERM);
	CHECK_ERRNO(syscall(SYS_mlock, memory, 0), EPERM);
	CHECK_ERRNO(syscall(SYS_mlockall, MCL_CURRENT), EPERM);
	CHECK_ERRNO(syscall(SYS_mlockall, 64), EINVAL);
	CHECK_ERRNO(syscall(SYS_mlock2, memory, PAGE, 2), EINVAL);
	CHECK_ERRNO(map(NULL, PAGE, PROT_READ, locked, -1, 0), EPERM);
	CHECK_ERRNO(map(NULL, 0, PROT_READ, locked, -1, 0), EINVAL);
	CHECK_EQ(syscall(SYS_munlock, memory, PAGE), 0);
}

TEST(mlock_eagain)
{
	struct rlimit four_pages = {4 * PAGE, 4 * PAGE};
	volatile char *memory = pages_new(8);

	CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &four_pages), 0);
	CHECK_EQ(syscall(SYS_setuid, 1000), 0);
	CHECK_EQ(syscall(SYS_mlock, memory, 2 * PAGE), 0);
	CHECK_ERRNO(map(NULL, 8 * PAGE, PROT_READ, ANONYMOUS | MAP_LOCKED, -1, 0), EAGAIN);
	CHECK_ERRNO(remap(memory, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE, NULL), EAGAIN);
	CHECK_ERRNO(syscall(SYS_mlock, memory, 8 * PAGE), ENOMEM);
	CHECK_ERRNO(syscall(SYS_mlockall, MCL_CURRENT), ENOMEM);
}

/* Rights that are not known are ignored when mapping, and refused when changing. */
TEST(unknown_rights)
{
	long at = map(NULL, PAGE, READ_WRITE | 0x80, ANONYMOUS, -1, 0);
	volatile char *memory = (volatile char *)at;

	CHECK(at != -1);
	memory[0] = 1;
	CHECK_ERRNO(set_rights(memory, PAGE, READ_WRITE | 0x80), EINVAL);
}

/* Write without read: x86 cannot tell them apart. */
TEST(write_only_can_be_read)
{
	volatile char *memory = memory_map(PAGE, PROT_WRITE, MAP_PRIVATE);

	memory[0] = 1;
	CHECK_EQ(memory[0], 1);
}

/* SPDX-License-Identifier: MIT */
/*
 * kernel/sys_mem.c - system calls on memory.
 *
 * See: mm/mmap.h and its neighbours, which do the work on a space.
 */
#include "arch/x86_64/usercopy.h"
#include "lib/abi/errno.h"
#include "lib/abi/sched.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "fs/fdtable.h"
#include "fs/seal.h"
#include "kernel/sched.h"
#include "kernel/syscall.h"
#include "kernel/upcall.h"
#include "mm/cursor.h"
#include "mm/mmap.h"

/* What MAP_SHARED_VALIDATE takes, and MAP_SHARED takes notice of: flags older than it.  The last
 * are the sizes of huge pages. */
enum {
	MAP_KNOWN = MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN | MAP_DENYWRITE
		    | MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK
		    | MAP_STACK | MAP_HUGETLB | 31 << 26,
};

static int map_open(struct file *file, struct map_request *request, virt_t *addr)
{
	bool is_validated = (request->flags & MAP_TYPE) == MAP_SHARED_VALIDATE;
	int err = is_validated && request->flags & ~(uint32_t)MAP_KNOWN
			  ? -EOPNOTSUPP : file_map(file, request);

	return err ? err : space_map(current->space, request, addr);
}

/* As long as seals may come, none comes between the check and the mapping. */
static int map_sealable(struct file *file, struct map_request *request, virt_t *addr)
{
	mutex_lock(&file->inode->lock);
	int err = map_open(file, request, addr);

	mutex_unlock(&file->inode->lock);
	return err;
}

static long map_file(struct map_request *request, int fd, virt_t *addr)
{
	struct file *file = fd_get(fd);
	if (!file)
		return -EBADF;

	int err = seals_may_come(file->inode) ? map_sealable(file, request, addr)
					      : map_open(file, request, addr);
	file_put(file);
	return err;
}

long sys_mmap(const struct syscall_args *args)
{
	struct map_request request = {
		.addr = args->rdi, .len = args->rsi, .prot = args->rdx, .flags = args->r10,
		.offset = args->r9,
	};
	virt_t addr = 0;
	if (!is_aligned(args->r9, PAGE_SIZE) || !request.len)
		return -EINVAL;

	long err;
	if (request.flags & MAP_ANONYMOUS) {
		request.offset = 0;
		err = space_map(current->space, &request, &addr);
	} else {
		err = map_file(&request, (int)args->r8, &addr);
	}
	return err ? err : (long)addr;
}

long sys_munmap(const struct syscall_args *args)
{
	return space_unmap(current->space, args->rdi, args->rsi);
}

long sys_mprotect(const struct syscall_args *args)
{
	return space_protect(current->space, args->rdi, args->rsi, args->rdx);
}

long sys_mremap(const struct syscall_args *args)
{
	virt_t addr = args->r8;
	int err = space_remap(current->space, args->rdi, args->rsi, args->rdx, args->r10, &addr);
	return err ? err : (long)addr;
}

long sys_brk(const struct syscall_args *args)
{
	struct space *space = current->space;
	uint64_t limit = upcall_rlimit(RLIMIT_DATA);
	if (args->rdi > space->brk && limit != RLIM_INFINITY
	    && args->rdi - space->brk_start > limit)
		return space->brk;
	return space_brk(space, args->rdi);
}

long sys_madvise(const struct syscall_args *args)
{
	return space_advise(current->space, args->rdi, args->rsi, (int)args->rdx);
}

long sys_mlock(const struct syscall_args *args)
{
	return space_mlock(current->space, args->rdi, args->rsi, VMA_LOCKED);
}

long sys_mlock2(const struct syscall_args *args)
{
	if (args->rdx & ~(uint64_t)MLOCK_ONFAULT)
		return -EINVAL;
	return space_mlock(current->space, args->rdi, args->rsi,
			   args->rdx ? VMA_LOCKED | VMA_LOCKONFAULT : VMA_LOCKED);
}

long sys_munlock(const struct syscall_args *args)
{
	return space_mlock(current->space, args->rdi, args->rsi, 0);
}

long sys_mlockall(const struct syscall_args *args)
{
	uint32_t flags = args->rdi;
	if (!(flags & (MCL_CURRENT | MCL_FUTURE))
	    || args->rdi & ~(uint64_t)(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		return -EINVAL;
	return mlock_permission() ? -EPERM : space_mlock_all(current->space, flags);
}

long sys_munlockall(const struct syscall_args *args)
{
	return space_mlock_all(current->space, 0);
}

static bool has_locked(const struct space *space, virt_t start, virt_t end)
	REQUIRES_SHARED(space->lock)
{
	vmas_for_each_in(vma, space->vmas, start, end) {
		if (vma->flags & VMA_LOCKED)
			return true;
	}
	return false;
}

/* Files live in memory: there is nothing to write back.  Only the arguments are judged. */
long sys_msync(const struct syscall_args *args)
{
	virt_t start = args->rdi, end = start + page_ceil(args->rsi);
	unsigned flags = args->rdx;
	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || (flags & MS_ASYNC && flags & MS_SYNC))
		return -EINVAL;
	if (!is_aligned(start, PAGE_SIZE))
		return -EINVAL;
	if (end < start)
		return -ENOMEM;

	struct space *space = current->space;
	read_lock(&space->lock);
	bool is_busy = flags & MS_INVALIDATE && has_locked(space, start, end);
	bool is_mapped = space_range_is_mapped(space, start, end);
	read_unlock(&space->lock);
	return is_busy ? -EBUSY : is_mapped ? 0 : -ENOMEM;
}

/* mincore: one byte per page, bit 0 set if it is there: touched, or in the file that is seen. */
enum { MINCORE_PAGES = 256 };

struct residency {
	virt_t start;
	uint8_t present[MINCORE_PAGES];
};

static void residency_mark(const struct leaf_visit *leaf, void *argument)
{
	struct residency *residency = argument;
	residency->present[(leaf->addr - residency->start) >> PAGE_SHIFT] = 1;
}

/* The pages of the object that the range would show in [start, end). */
static void residency_mark_object(struct residency *residency, const struct vma *vma, virt_t start,
				  virt_t end)
{
	uint64_t shift = (vma->start >> PAGE_SHIFT) - (vma->offset >> PAGE_SHIFT);
	uint64_t page = (start >> PAGE_SHIFT) - shift, last = (end >> PAGE_SHIFT) - shift;

	for (page = object_next(vma->object, page, false); page < last;
	     page = object_next(vma->object, page + 1, false))
		residency->present[page + shift - (residency->start >> PAGE_SHIFT)] = 1;
}

/* -ENOMEM: not all of it is mapped. */
static int residency_look(struct space *space, struct residency *residency, virt_t end)
	REQUIRES(space->lock)
{
	virt_t start = residency->start;

	if (!space_range_is_mapped(space, start, end))
		return -ENOMEM;
	cursor_for_each(space, start, end, residency_mark, residency);
	vmas_for_each_in(vma, space->vmas, start, end) {
		if (vma->object)
			residency_mark_object(residency, vma, MAX(vma->start, start),
					      MIN(vma->end, end));
	}
	return 0;
}

long sys_mincore(const struct syscall_args *args)
{
	struct space *space = current->space;
	virt_t end, vector = args->rdx;
	int err = range_check(args->rdi, args->rsi, &end);
	if (err)
		return err;
	if (vector > USER_END || (end - args->rdi) >> PAGE_SHIFT > USER_END - vector)
		return -EFAULT;

	for (virt_t at = args->rdi; !err && at < end; at += MINCORE_PAGES * PAGE_SIZE) {
		struct residency residency = { .start = at };
		virt_t to = MIN(end, (virt_t)(at + MINCORE_PAGES * PAGE_SIZE));
		size_t pages = (to - at) >> PAGE_SHIFT;
		write_lock(&space->lock);
		err = residency_look(space, &residency, to);
		write_unlock(&space->lock);
		if (!err && copy_to_user(vector, residency.present, pages))
			err = -EFAULT;
		vector += pages;
	}
	return err;
}

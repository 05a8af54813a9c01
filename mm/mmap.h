/* SPDX-License-Identifier: MIT */
/*
 * mm/mmap.h - mmap, munmap, mprotect, mremap, brk, mlock, madvise on a space.
 *
 * Each takes the space's lock for writing, validates, prepares (may fail, changes nobody's memory),
 * then commits.  Addresses and lengths are bytes as the program gave them; errors are those of the
 * man pages.
 */
#pragma once

#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "kernel/upcall.h"
#include "mm/space.h"

/* What /proc/sys/vm/mmap_min_addr says: nothing is mapped below, by whatever call. */
enum { MMAP_MIN_ADDR = 65536 };

struct map_request {
	virt_t addr;                    /* hint, or exact with MAP_FIXED */
	uint64_t len;
	uint32_t prot, flags;           /* PROT_, MAP_ */
	uint32_t vma_flags;             /* extra: VMA_STACK, VMA_MAYWRITE... */
	struct object *object;          /* NULL: anonymous; a reference is taken */
	uint64_t offset;
	struct dentry *name;            /* a reference is taken */
};

/* Once at boot. */
void mmap_start(void);

/* mmap(2), munmap(2), mprotect(2), mremap(2), madvise(2). */
MUST_CHECK int space_map(struct space *space, const struct map_request *request, virt_t *addr);
MUST_CHECK int space_unmap(struct space *space, virt_t addr, uint64_t len);
MUST_CHECK int space_protect(struct space *space, virt_t addr, uint64_t len, uint32_t prot);
MUST_CHECK int space_remap(struct space *space, virt_t old, uint64_t old_len, uint64_t new_len,
			   uint32_t flags, virt_t *addr);
MUST_CHECK int space_advise(struct space *space, virt_t addr, uint64_t len, int advice);

/*
 * mlock(2) and mlock2(2) with VMA_LOCKED, perhaps | VMA_LOCKONFAULT; munlock(2) with 0; mlockall(2)
 * and munlockall(2) with MCL_ flags, 0: none.  A locked range has its pages when the call returns,
 * written once if it is private and writable, so that no later write copies: until the next fork,
 * which shares them again, and whose child has no locks.
 */
MUST_CHECK int space_mlock(struct space *space, virt_t addr, uint64_t len, uint32_t vma_flags);
MUST_CHECK int space_mlock_all(struct space *space, uint32_t mcl_flags);

/* May the running program lock memory at all?  -EPERM.  And `pages` more of them (RLIMIT_MEMLOCK)?
 * Only asked for ranges that will be locked. */
MUST_CHECK int mlock_permission(void);
bool space_may_lock(const struct space *space, uint64_t pages) REQUIRES_SHARED(space->lock);

/* Lock or unlock ranges from start to end, all mapped.  -ENOMEM: too many ranges, or no memory for
 * them; -EINVAL: a cut through a huge page. */
MUST_CHECK int space_set_mlocked(struct space *space, virt_t start, virt_t end, uint32_t vma_flags)
	REQUIRES(space->lock);

/* The same where it cannot fail: the array is owned and has room for two cuts. */
void space_mark_mlocked(struct space *space, virt_t start, virt_t end, uint32_t vma_flags)
	REQUIRES(space->lock);

/* Bring the pages of what is locked in [start, end), also after a change of rights.  The first
 * error, as of space_populate(). */
MUST_CHECK int space_populate_mlocked(struct space *space, virt_t start, virt_t end);

/* Touch every page of the range as `access` would: MAP_POPULATE.  The first error a fault answers
 * (mm/fault.h) ends it; -EINTR: the running program is to die. */
MUST_CHECK int space_populate(struct space *space, virt_t addr, uint64_t len, enum access access);

/* Set the program break; returns the break that is now (unchanged on failure), as brk(2) does. */
virt_t space_brk(struct space *space, virt_t brk);

/* Let the stack below `addr` grow to contain it, within limit and guard gap.  -EFAULT if it may
 * not, -ENOMEM if there is no memory to note it. */
MUST_CHECK int space_grow_stack(struct space *space, virt_t addr);

/* May the running program map so many pages more (RLIMIT_AS)? */
bool space_may_grow(const struct space *space, uint64_t pages) REQUIRES_SHARED(space->lock);

/* For the files of this family: the parts that assume the lock. */
MUST_CHECK int space_unmap_locked(struct space *space, virt_t start, virt_t end)
	REQUIRES(space->lock);
/* The second half alone, which cannot fail: the ranges go, their pages have gone already.  The
 * array is owned and has room for one more; `first` is what vmas_search() says of start. */
void space_remove_ranges(struct space *space, uint32_t first, virt_t start, virt_t end)
	REQUIRES(space->lock);
MUST_CHECK int space_drop_pages(struct space *space, virt_t start, virt_t end)
	REQUIRES(space->lock);
/* A gap for len bytes at a multiple of `unit` bytes, at the hint if that is free. */
struct vma_place space_find_place(struct space *space, virt_t hint, uint64_t len, uint64_t unit)
	REQUIRES(space->lock);
bool space_range_is_mapped(const struct space *space, virt_t start, virt_t end)
	REQUIRES_SHARED(space->lock);
/* So many pages more, or fewer, of ranges with these flags: the totals of what is mapped and
 * locked. */
void space_account(struct space *space, uint32_t vma_flags, int64_t pages) REQUIRES(space->lock);

/* What object_views_remove() does: visit every space that maps the object.  -ENOMEM: in some of
 * them views are left. */
MUST_CHECK int spaces_remove_views(struct object *object, uint64_t first_page, uint64_t last_page,
				   enum view_kind kind);

/* Page-aligned [addr, addr + len)?  0, -EINVAL, or -ENOMEM if it leaves the program's half. */
MUST_CHECK static inline int range_check(virt_t addr, uint64_t len, virt_t *end)
{
	if (!is_aligned(addr, PAGE_SIZE))
		return -EINVAL;
	if (addr > USER_END || len > USER_END - addr)
		return -ENOMEM;
	*end = page_ceil(addr + len);
	return 0;
}

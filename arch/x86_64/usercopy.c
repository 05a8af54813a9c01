/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/usercopy.c - what stands before every copy: the range check and the fault point.
 *
 * Owns: nothing.  Invariant: no address at or above USER_END reaches usercopy.asm.
 */
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "lib/kasan.h"
#include "lib/string.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/hooks.h"
#include "kernel/spinlock.h"

/* In usercopy.asm, which says what they return. */
size_t user_clear(void *to, size_t len);
ssize_t user_string(char *to, const char *from, size_t size);
bool user_load_32(const void *from, uint32_t *value);
bool user_load_64(const void *from, uint64_t *value);
bool user_store_32(void *to, uint32_t value);
bool user_store_64(void *to, uint64_t value);
bool user_cmpxchg_32(void *at, uint32_t expected, uint32_t desired, uint32_t *seen);

int copy_from_user(void *to, virt_t from, size_t len)
{
	size_t done = copy_from_user_partial(to, from, len);

	if (done == len)
		return 0;
	memset((char *)to + done, 0, len - done);
	return -EFAULT;
}

int copy_to_user(virt_t to, const void *from, size_t len)
{
	return copy_to_user_partial(to, from, len) == len ? 0 : -EFAULT;
}

int clear_user(virt_t to, size_t len)
{
	if (!user_may_try(to, len))
		return -EFAULT;
	return user_clear((void *)to, len) == 0 ? 0 : -EFAULT;
}

/* A string may lie so close to the end that `size` bytes would not fit. */
ssize_t copy_string_from_user(char *to, virt_t from, size_t size)
{
	if (size == 0)
		return -ENAMETOOLONG;
	if (from >= USER_END || !user_may_try(from, 1))
		return -EFAULT;

	size_t room = MIN(size, (size_t)(USER_END - from));
	kasan_check_write(to, room);
	ssize_t len = user_string(to, (const char *)from, room);
	if (len < 0)
		return -EFAULT;
	if ((size_t)len < room)
		return len;
	return room < size ? -EFAULT : -ENAMETOOLONG;
}

int get_user_u32(virt_t from, uint32_t *value)
{
	return user_may_try(from, 4) && user_load_32((const void *)from, value) ? 0 : -EFAULT;
}

int get_user_u64(virt_t from, uint64_t *value)
{
	return user_may_try(from, 8) && user_load_64((const void *)from, value) ? 0 : -EFAULT;
}

int put_user_u32(virt_t to, uint32_t value)
{
	return user_may_try(to, 4) && user_store_32((void *)to, value) ? 0 : -EFAULT;
}

int put_user_u64(virt_t to, uint64_t value)
{
	return user_may_try(to, 8) && user_store_64((void *)to, value) ? 0 : -EFAULT;
}

int cmpxchg_user_u32(virt_t at, uint32_t expected, uint32_t desired, uint32_t *seen)
{
	if (!is_aligned(at, 4) || !user_may_try(at, 4))
		return -EFAULT;
	return user_cmpxchg_32((void *)at, expected, desired, seen) ? 0 : -EFAULT;
}

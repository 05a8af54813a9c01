/* SPDX-License-Identifier: MIT */
/*
 * Bytes between kernel memory and a buffer that is a program's or the kernel's.
 *
 * Locks: none.  User copies fault and sleep.
 */
#include "mm/buffer.h"
#include "arch/x86_64/usercopy.h"
#include "lib/string.h"

int buffer_put(buffer_t to, size_t at, const void *from, size_t len)
{
	if (to.is_user)
		return copy_to_user(to.user + at, from, len);
	memcpy((char *)to.kernel + at, from, len);
	return 0;
}

int buffer_get(buffer_t from, size_t at, void *to, size_t len)
{
	if (from.is_user)
		return copy_from_user(to, from.user + at, len);
	memcpy(to, (const char *)from.kernel + at, len);
	return 0;
}

int buffer_clear(buffer_t to, size_t at, size_t len)
{
	if (to.is_user)
		return clear_user(to.user + at, len);
	memset((char *)to.kernel + at, 0, len);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * mm/buffer.c - bytes between kernel memory and a buffer that is a program's or the kernel's.
 *
 * Locks: none.  User copies fault and sleep.
 */
#include "mm/buffer.h"
#include "arch/x86_64/usercopy.h"
#include "lib/abi/errno.h"
#include "lib/string.h"

/* The piece in which the byte at *at lies, which becomes its place there. */
static const struct abi_iovec *find_piece(buffer_t buffer, size_t *at)
{
	const struct abi_iovec *piece = buffer.pieces;

	for (*at += buffer.skipped; *at >= piece->iov_len; piece++)
		*at -= piece->iov_len;
	return piece;
}

size_t buffer_put_slow(buffer_t to, size_t at, const void *from, size_t len)
{
	size_t done = 0, part, n;

	if (to.kind == BUFFER_KERNEL) {
		memcpy((char *)to.kernel + at, from, len);
		return len;
	}
	if (len == 0)
		return 0;
	const struct abi_iovec *piece = find_piece(to, &at);

	do {
		part = MIN(len - done, piece->iov_len - at);
		n = copy_to_user_partial(piece->iov_base + at, (const char *)from + done, part);
		done += n;
		piece++;
		at = 0;
	} while (n == part && done < len);
	return done;
}

size_t buffer_get_slow(buffer_t from, size_t at, void *to, size_t len)
{
	size_t done = 0, part, n;

	if (from.kind == BUFFER_KERNEL) {
		memcpy(to, (const char *)from.kernel + at, len);
		return len;
	}
	if (len == 0)
		return 0;
	const struct abi_iovec *piece = find_piece(from, &at);

	do {
		part = MIN(len - done, piece->iov_len - at);
		n = copy_from_user_partial((char *)to + done, piece->iov_base + at, part);
		done += n;
		piece++;
		at = 0;
	} while (n == part && done < len);
	return done;
}

int buffer_put(buffer_t to, size_t at, const void *from, size_t len)
{
	return buffer_put_partial(to, at, from, len) == len ? 0 : -EFAULT;
}

int buffer_get(buffer_t from, size_t at, void *to, size_t len)
{
	size_t done = buffer_get_partial(from, at, to, len);

	if (done == len)
		return 0;
	memset((char *)to + done, 0, len - done);
	return -EFAULT;
}

int buffer_clear(buffer_t to, size_t at, size_t len)
{
	size_t part;
	int err = 0;

	if (to.kind == BUFFER_USER)
		return clear_user(to.user + at, len);
	if (to.kind == BUFFER_KERNEL) {
		memset((char *)to.kernel + at, 0, len);
		return 0;
	}
	if (len == 0)
		return 0;
	for (const struct abi_iovec *piece = find_piece(to, &at); !err && len > 0; piece++) {
		part = MIN(len, piece->iov_len - at);
		err = clear_user(piece->iov_base + at, part);
		len -= part;
		at = 0;
	}
	return err;
}

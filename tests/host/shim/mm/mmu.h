/* SPDX-License-Identifier: MIT */
/* The kernel's own view of the hardware; only that pages are copied and zeroed in three pieces,
 * with room for other CPUs between them. */
#pragma once

#define page_zero page_zero_at_once
#define page_copy page_copy_at_once
#include_next "mm/mmu.h"
#undef page_zero
#undef page_copy

#include "lib/string.h"

static inline void page_zero(void *page)
{
	memset(page, 0, 8);
	jitter();
	memset((char *)page + 8, 0, PAGE_SIZE - 16);
	jitter();
	memset((char *)page + PAGE_SIZE - 8, 0, 8);
}

static inline void page_copy(void *to, const void *from)
{
	memcpy(to, from, 8);
	jitter();
	memcpy((char *)to + 8, (const char *)from + 8, PAGE_SIZE - 16);
	jitter();
	memcpy((char *)to + PAGE_SIZE - 8, (const char *)from + PAGE_SIZE - 8, 8);
}

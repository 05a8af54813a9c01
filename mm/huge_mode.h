/* SPDX-License-Identifier: MIT */
/*
 * mm/huge_mode.h - when programs get huge pages without asking: the settings.
 *
 * What /sys/kernel/mm/transparent_hugepage shows.  Each setting is one word of a list, valid by
 * itself; there is no lock.
 * See: Documentation/admin-guide/mm/transhuge.rst of Linux.
 */
#pragma once

#include "lib/atomic.h"
#include "lib/types.h"

struct word_setting {
	const char *const *words;       /* NULL ends them */
	uint32_t chosen;                /* atomic: the number of one of them */
};

/* -EINVAL: not one of the words. */
MUST_CHECK int word_setting_choose(struct word_setting *setting, const char *word);

/* Where a fault in private memory may be answered with a huge page: everywhere, where madvise asked
 * for it, nowhere. */
enum thp_mode { THP_ALWAYS, THP_MADVISE, THP_NEVER };
extern struct word_setting thp_enabled;
static inline enum thp_mode thp_mode(void);
void thp_set_mode(enum thp_mode mode);

/* How hard to look for memory in one piece.  Nothing is moved here to make room, so a fault that
 * finds none takes small pages under each of them. */
enum thp_defrag {
	THP_DEFRAG_ALWAYS, THP_DEFRAG_DEFER, THP_DEFRAG_DEFER_MADVISE, THP_DEFRAG_MADVISE,
	THP_DEFRAG_NEVER
};
extern struct word_setting thp_defrag;

/* May a read of memory never written be answered with zeros that all share? */
bool thp_uses_zero_page(void);
void thp_use_zero_page(bool is_used);

/* Once at boot: what transparent_hugepage= says. */
void huge_mode_start(void);

static inline enum thp_mode thp_mode(void)
{
	return (enum thp_mode)READ_ONCE(thp_enabled.chosen);
}

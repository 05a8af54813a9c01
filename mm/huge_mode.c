/* SPDX-License-Identifier: MIT */
/*
 * mm/huge_mode.c - when programs get huge pages without asking: the settings.
 *
 * Owns: the settings.  Each is one word, valid by itself.
 */
#include "mm/huge_mode.h"
#include "lib/abi/errno.h"
#include "lib/string.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "kernel/printk.h"

static const char *const mode_words[] = {
	[THP_ALWAYS] = "always",
	[THP_MADVISE] = "madvise",
	[THP_NEVER] = "never",
	NULL
};

static const char *const defrag_words[] = {
	[THP_DEFRAG_ALWAYS] = "always",
	[THP_DEFRAG_DEFER] = "defer",
	[THP_DEFRAG_DEFER_MADVISE] = "defer+madvise",
	[THP_DEFRAG_MADVISE] = "madvise",
	[THP_DEFRAG_NEVER] = "never",
	NULL
};

struct word_setting thp_enabled = { mode_words, THP_MADVISE };
struct word_setting thp_defrag = { defrag_words, THP_DEFRAG_MADVISE };
static bool is_zero_page_used = true;   /* atomic */

void huge_mode_start(void)
{
	const char *word = options.transparent_hugepage;

	if (word && word_setting_choose(&thp_enabled, word))
		log_warn("command line: bad value: transparent_hugepage=%s", word);
}

int word_setting_choose(struct word_setting *setting, const char *word)
{
	for (uint32_t i = 0; setting->words[i]; i++) {
		if (string_equals(setting->words[i], word)) {
			WRITE_ONCE(setting->chosen, i);
			return 0;
		}
	}
	return -EINVAL;
}

void thp_set_mode(enum thp_mode mode)
{
	assert(mode <= THP_NEVER);
	WRITE_ONCE(thp_enabled.chosen, mode);
}

bool thp_uses_zero_page(void)
{
	return READ_ONCE(is_zero_page_used);
}

void thp_use_zero_page(bool is_used)
{
	WRITE_ONCE(is_zero_page_used, is_used);
}

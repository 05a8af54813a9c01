/* SPDX-License-Identifier: MIT */
/* Runs of quadwords in C, so that the sanitizers see them; and no clash with pause(2). */
#pragma once

#define pause pause_by_insn
#define stosq stosq_by_insn
#define movsq movsq_by_insn
#include_next "arch/x86_64/insn.h"
#undef pause
#undef stosq
#undef movsq

static inline void stosq(void *to, uint64_t value, size_t count)
{
	uint64_t *words = to;

	for (size_t i = 0; i < count; i++)
		words[i] = value;
}

static inline void movsq(void *to, const void *from, size_t count)
{
	uint64_t *words = to;
	const uint64_t *source = from;

	for (size_t i = 0; i < count; i++)
		words[i] = source[i];
}

/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/model.h - what programs must see: the oracle.
 *
 * For each space, the contents and rights of a few dozen pages at telling addresses (spots):
 * neighbours in one table, the last page of a table, of a directory, of half a tebibyte.  Two
 * words per page, one at each end, stand for its bytes.  The model has no tables, no counts and
 * no sharing: fork copies it.
 *
 *   island    base           why there
 *   0         1 GiB          where most happens
 *   1         1 GiB + 4 MiB  same directory
 *   2         2 GiB - 4 MiB  ends with its directory
 *   3         2 GiB          the next directory
 *   4         512 GiB - 4 MiB  ends with its directory of directories
 *   5         512 GiB        the next one
 *   6         127.5 TiB      far away
 *
 * An object whose pages can be seen both through MAP_SHARED and privately, or that is written by
 * calls and cut short, is loose: it must only ever show what was once written to this page of it.
 */
#pragma once

#include "lib/types.h"
#include "kernel/upcall.h"
#include "mm/mmap.h"

enum { ISLANDS = 7, ISLAND_SPOTS = 10, SPOTS = ISLANDS * ISLAND_SPOTS, WORDS = 2 };
enum { MODEL_OBJECTS = 6, OBJECT_SLOTS = 4096, FILE_PAGES = 16 };

enum model_object_kind {
	OBJECT_CONSTANT,                /* a file nobody writes; mapped privately */
	OBJECT_COHERENT,                /* written through MAP_SHARED only */
	OBJECT_LOOSE,
};

struct model_object {
	struct object *object;
	enum model_object_kind kind;
	unsigned id;
	uint64_t size_pages;
	struct {
		bool is_used;
		uint64_t index, word[WORDS];
	} slots[OBJECT_SLOTS];
};

struct model_page {
	bool is_mapped, is_shared, is_left_out, is_wiped;       /* the last two: at fork */
	uint32_t prot;
	struct model_object *object;    /* NULL: anonymous */
	uint64_t index;                 /* page of the object */
	struct {
		uint64_t value;
		bool is_own;            /* private: no longer the object's */
	} word[WORDS];
};

struct model_space {
	unsigned id;
	struct model_page page[SPOTS];
};

extern struct model_object model_objects[MODEL_OBJECTS];

void model_start(void);

virt_t spot_addr(unsigned spot);
/* The spot at an address, or -1. */
int spot_at(virt_t addr);
static inline uint64_t word_offset(unsigned word) { return word == 0 ? 0 : PAGE_SIZE - 8; }

/* Does the page allow it, leaving the object's size aside? */
bool model_allows(const struct model_page *page, enum access access);

/* May fault_resolve() have answered this? */
bool model_accepts_answer(const struct model_page *page, enum access access, int err);

/* Is `value` right for a load? */
bool model_accepts_value(const struct model_page *page, unsigned word, uint64_t value);

/* Was the value stored by this space, or in the page's object? */
bool model_is_from(const struct model_space *space, const struct model_page *page, uint64_t value);

/* A value never stored before that tells where it belongs, and what a store of it means. */
uint64_t model_new_value(const struct model_space *space, unsigned spot);
void model_store(struct model_page *page, unsigned word, uint64_t value);

/* A value for a page of an object. */
uint64_t model_object_value(const struct model_object *object, uint64_t index);
void model_object_store(struct model_object *object, uint64_t index, unsigned word, uint64_t value);

/* What successful calls mean. */
void model_map(struct model_space *space, const struct map_request *request,
	       struct model_object *object);
void model_unmap(struct model_space *space, virt_t start, virt_t end);
void model_protect(struct model_space *space, virt_t start, virt_t end, uint32_t prot);
void model_move(struct model_space *space, virt_t from, uint64_t len, virt_t to);
void model_advise(struct model_space *space, virt_t start, virt_t end, int advice);
void model_fork(struct model_space *child, const struct model_space *parent);

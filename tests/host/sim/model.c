/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/model.c - what programs must see: the oracle.
 *
 * Owns: the model's objects; spaces belong to their callers.
 * See: tests/host/sim/world.c, which keeps model and memory in step.
 */
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "tests/host/sim/model.h"
#include "tests/host/sim/sim.h"

struct model_object model_objects[MODEL_OBJECTS];

/* Bases are multiples of 4 MiB, the span of an island. */
static const virt_t islands[ISLANDS] = {
	1 * GIB, 1 * GIB + 4 * MIB, 2 * GIB - 4 * MIB, 2 * GIB,
	512 * GIB - 4 * MIB, 512 * GIB, 255 * 512 * GIB,
};

static const uint16_t island_pages[ISLAND_SPOTS] = { 0, 1, 2, 3, 4, 5, 511, 512, 513, 1023 };

static uint32_t values_made;

void model_start(void)
{
	static const enum model_object_kind kinds[MODEL_OBJECTS] = {
		OBJECT_CONSTANT, OBJECT_CONSTANT, OBJECT_COHERENT,
		OBJECT_COHERENT, OBJECT_LOOSE, OBJECT_LOOSE,
	};

	for (unsigned i = 0; i < MODEL_OBJECTS; i++)
		model_objects[i] = (struct model_object){ .kind = kinds[i], .id = i + 1,
							  .size_pages = FILE_PAGES };
	model_objects[2].size_pages = 1ull << 35;       /* all that a space can hold */
}

virt_t spot_addr(unsigned spot)
{
	return islands[spot / ISLAND_SPOTS] + island_pages[spot % ISLAND_SPOTS] * PAGE_SIZE;
}

int spot_at(virt_t addr)
{
	for (unsigned spot = 0; spot < SPOTS; spot += ISLAND_SPOTS) {
		if (align_down(addr, 4 * MIB) != islands[spot / ISLAND_SPOTS])
			continue;
		for (unsigned i = 0; i < ISLAND_SPOTS; i++)
			if (spot_addr(spot + i) == addr)
				return (int)(spot + i);
	}
	return -1;
}

/* ---- objects ---- */

static unsigned object_slot(struct model_object *object, uint64_t index)
{
	unsigned at = index * 0x9e3779b97f4a7c15ull >> 52;

	while (object->slots[at].is_used && object->slots[at].index != index)
		at = (at + 1) % OBJECT_SLOTS;
	return at;
}

static uint64_t object_word(struct model_object *object, uint64_t index, unsigned word)
{
	unsigned at = object_slot(object, index);

	return object->slots[at].is_used ? object->slots[at].word[word] : 0;
}

void model_object_store(struct model_object *object, uint64_t index, unsigned word, uint64_t value)
{
	unsigned at = object_slot(object, index);

	object->slots[at].is_used = true;
	object->slots[at].index = index;
	object->slots[at].word[word] = value;
}

/* Which object and page a value belongs to, in its upper half. */
static uint64_t object_tag(const struct model_object *object, uint64_t index)
{
	return (uint64_t)object->id << 56 | (index & 0xffffff) << 32;
}

uint64_t model_object_value(const struct model_object *object, uint64_t index)
{
	return object_tag(object, index) | ++values_made;
}

bool model_is_from(const struct model_space *space, const struct model_page *page, uint64_t value)
{
	uint64_t tag = value & 0xffffffff00000000;

	if (page->object)
		return tag == object_tag(page->object, page->index);
	return value >> 56 == 0x80 && (value >> 40 & 0xffff) == (space->id & 0xffff);
}

static bool object_accepts(struct model_object *object, uint64_t index, unsigned word,
			   uint64_t value)
{
	if (object->kind != OBJECT_LOOSE)
		return value == object_word(object, index, word);
	return value == 0 || (value & 0xffffffff00000000) == object_tag(object, index);
}

/* ---- pages ---- */

bool model_allows(const struct model_page *page, enum access access)
{
	if (!page->is_mapped)
		return false;
	switch (access) {
	case ACCESS_WRITE:
		return page->prot & PROT_WRITE;
	case ACCESS_EXEC:
		return page->prot & PROT_EXEC;
	default:
		return page->prot != PROT_NONE;
	}
}

static bool is_beyond_end(const struct model_page *page)
{
	return page->object && page->index >= page->object->size_pages;
}

bool model_accepts_answer(const struct model_page *page, enum access access, int err)
{
	if (!page->is_mapped)
		return err == -EFAULT;
	if (!model_allows(page, access))
		return err == -EACCES;
	if (page->object && page->object->kind == OBJECT_LOOSE)
		return err == 0 || err == -ENXIO;
	return err == (is_beyond_end(page) ? -ENXIO : 0);
}

bool model_accepts_value(const struct model_page *page, unsigned word, uint64_t value)
{
	bool is_objects = page->object && (page->is_shared || !page->word[word].is_own ||
					   page->object->kind == OBJECT_LOOSE);

	if (is_objects)
		return object_accepts(page->object, page->index, word, value);
	return value == page->word[word].value;
}

uint64_t model_new_value(const struct model_space *space, unsigned spot)
{
	const struct model_page *page = &space->page[spot];

	if (page->object)
		return model_object_value(page->object, page->index);
	return 0x80ull << 56 | (uint64_t)(space->id & 0xffff) << 40 | (uint64_t)spot << 32 |
	       ++values_made;
}

void model_store(struct model_page *page, unsigned word, uint64_t value)
{
	if (page->is_shared) {
		model_object_store(page->object, page->index, word, value);
		return;
	}
	page->word[word].value = value;
	page->word[word].is_own = true;
}

/* ---- calls ---- */

#define FOR_EACH_SPOT(spot, start, end)                                                            \
	for (unsigned spot = 0; spot < SPOTS; spot++)                                              \
		if (spot_addr(spot) >= (start) && spot_addr(spot) < (end))

void model_map(struct model_space *space, const struct map_request *request,
	       struct model_object *object)
{
	FOR_EACH_SPOT(spot, request->addr, request->addr + request->len) {
		uint64_t offset = request->offset + spot_addr(spot) - request->addr;

		space->page[spot] = (struct model_page){
			.is_mapped = true, .is_shared = (request->flags & MAP_TYPE) == MAP_SHARED,
			.prot = request->prot, .object = object, .index = offset >> PAGE_SHIFT };
	}
}

void model_unmap(struct model_space *space, virt_t start, virt_t end)
{
	FOR_EACH_SPOT(spot, start, end) {
		space->page[spot] = (struct model_page){ 0 };
	}
}

void model_protect(struct model_space *space, virt_t start, virt_t end, uint32_t prot)
{
	FOR_EACH_SPOT(spot, start, end) {
		if (!space->page[spot].is_mapped)
			sim_violation("mprotect of %lx succeeded: nothing is mapped there",
				      spot_addr(spot));
		space->page[spot].prot = prot;
	}
}

void model_move(struct model_space *space, virt_t from, uint64_t len, virt_t to)
{
	struct model_space before = *space;

	model_unmap(space, from, from + len);
	FOR_EACH_SPOT(spot, to, to + len) {
		int source = spot_at(spot_addr(spot) - to + from);

		assert(source >= 0);
		space->page[spot] = before.page[source];
	}
}

static void page_empty(struct model_page *page)
{
	for (unsigned word = 0; word < WORDS; word++) {
		page->word[word].value = 0;
		page->word[word].is_own = false;
	}
}

void model_advise(struct model_space *space, virt_t start, virt_t end, int advice)
{
	FOR_EACH_SPOT(spot, start, end) {
		struct model_page *page = &space->page[spot];

		if (!page->is_mapped)
			continue;
		if (advice == MADV_DONTNEED && !page->is_shared)
			page_empty(page);
		if (advice == MADV_DONTFORK || advice == MADV_DOFORK)
			page->is_left_out = advice == MADV_DONTFORK;
		if (advice == MADV_WIPEONFORK || advice == MADV_KEEPONFORK)
			page->is_wiped = advice == MADV_WIPEONFORK;
	}
}

void model_fork(struct model_space *child, const struct model_space *parent)
{
	unsigned id = child->id;

	*child = *parent;
	child->id = id;
	for (unsigned spot = 0; spot < SPOTS; spot++) {
		if (child->page[spot].is_left_out)
			child->page[spot] = (struct model_page){ 0 };
		else if (child->page[spot].is_wiped)
			page_empty(&child->page[spot]);
	}
}

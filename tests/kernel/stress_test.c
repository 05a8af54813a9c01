/* SPDX-License-Identifier: MIT */
/*
 * tests/kernel/stress_test.c - everything at once, on all CPUs.
 *
 * All spaces descend from one, so that tables and frames are shared across tasks.  In the first
 * test each task has its spaces to itself and knows what every page of them must hold; what is
 * shared below is touched by all CPUs at once.  In the second, tasks change the same spaces behind
 * each other's backs; then a page can only be known to hold nothing foreign.  The audit after each
 * test recounts every frame.
 *
 * seed= on the command line repeats the choices, if not the order in which CPUs make them.
 */
#include "lib/abi/errno.h"
#include "lib/random.h"
#include "kernel/entropy.h"
#include "kernel/printk.h"
#include "tests/kernel/space_fixture.h"
#include "tests/kernel/task_fixture.h"

enum {
	TASKS = 4,
	SPACES = 4,                     /* of each task */
	PAGES = 1536,                   /* three tables */
	SPAN_MAX = 700,                 /* pages that one operation concerns, at most */
	STEPS = 1500,                   /* of each task */
};

static uint64_t stress_seed(void)
{
	uint64_t seed = options.seed;

	if (!seed)
		entropy_fill(&seed, sizeof(seed));
	console_print("# seed=%lu\n", seed);
	return seed;
}

static struct map_request region(uint64_t page, uint64_t pages, uint32_t type)
{
	return (struct map_request){
		.addr = test_page(page), .len = pages * PAGE_SIZE, .prot = PROT_READ | PROT_WRITE,
		.flags = type | MAP_ANONYMOUS | MAP_FIXED,
	};
}

/* Pages [first, first + count). */
struct span {
	uint64_t first, count;
};

static struct span span_choose(struct random *random)
{
	struct span span = { .first = random_below(random, PAGES) };

	/* as often a few pages as whole tables */
	uint64_t most = random_below(random, 2) ? 8 : SPAN_MAX;
	span.count = 1 + random_below(random, MIN(most, PAGES - span.first));
	return span;
}

/* ---- each task knows what its spaces hold --------------------------------------------------- */

struct owner {
	struct random random;
	struct space *spaces[SPACES];
	uint32_t next_value;
	uint32_t values[SPACES][PAGES]; /* what each page holds; 0: zeros, or never written */
};

static struct owner owners[TASKS];

static void owner_check(struct owner *owner, uint64_t which, uint64_t page)
{
	uint32_t value = 0xeeeeeeee;

	EXPECT_EQ(space_read(owner->spaces[which], test_page(page), &value, sizeof(value)), 0);
	EXPECT_EQ(value, owner->values[which][page]);
}

static void owner_write(struct owner *owner, uint64_t which)
{
	uint64_t page = random_below(&owner->random, PAGES);
	uint32_t value = owner->next_value++;

	owner_check(owner, which, page);
	EXPECT_EQ(space_write(owner->spaces[which], test_page(page), &value, sizeof(value)), 0);
	owner->values[which][page] = value;
	owner_check(owner, which, page);
}

static void owner_fork(struct owner *owner, uint64_t which)
{
	uint64_t victim = (which + 1 + random_below(&owner->random, SPACES - 1)) % SPACES;

	space_put(owner->spaces[victim]);
	owner->spaces[victim] = test_fork(owner->spaces[which]);
	memcpy(owner->values[victim], owner->values[which], sizeof(owner->values[victim]));
}

static void owner_forget(struct owner *owner, uint64_t which, struct span span)
{
	memset(&owner->values[which][span.first], 0, span.count * sizeof(uint32_t));
}

static void owner_drop(struct owner *owner, uint64_t which)
{
	struct span span = span_choose(&owner->random);

	EXPECT_EQ(space_advise(owner->spaces[which], test_page(span.first), span.count * PAGE_SIZE,
			       MADV_DONTNEED), 0);
	owner_forget(owner, which, span);
}

static void owner_unmap(struct owner *owner, uint64_t which)
{
	struct span span = span_choose(&owner->random);
	struct map_request again = region(span.first, span.count, MAP_PRIVATE);
	struct space *space = owner->spaces[which];
	virt_t addr;

	EXPECT_EQ(space_unmap(space, again.addr, again.len), 0);
	EXPECT_EQ(fault_resolve(space, again.addr, ACCESS_READ), (uint64_t)-EFAULT);
	EXPECT_EQ(space_map(space, &again, &addr), 0);
	owner_forget(owner, which, span);
}

static void owner_protect(struct owner *owner, uint64_t which)
{
	struct span span = span_choose(&owner->random);
	struct space *space = owner->spaces[which];
	virt_t at = test_page(span.first);
	uint64_t len = span.count * PAGE_SIZE;
	bool is_none = random_below(&owner->random, 2);

	EXPECT_EQ(space_protect(space, at, len, is_none ? PROT_NONE : PROT_READ), 0);
	EXPECT_EQ(fault_resolve(space, at, ACCESS_WRITE), (uint64_t)-EACCES);
	if (!is_none)
		owner_check(owner, which, span.first);
	EXPECT_EQ(space_protect(space, at, len, PROT_READ | PROT_WRITE), 0);
	owner_check(owner, which, span.first + span.count - 1);
}

/* Away and back: to a place that begins a table like ours, or to one that does not. */
static void owner_move(struct owner *owner, uint64_t which)
{
	struct span span = span_choose(&owner->random);
	struct space *space = owner->spaces[which];
	uint64_t len = span.count * PAGE_SIZE;
	virt_t home = test_page(span.first);
	virt_t away = home + 64 * MIB + random_below(&owner->random, 2) * 3 * PAGE_SIZE;

	EXPECT_EQ(space_remap(space, home, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, &away), 0);
	EXPECT_EQ(fault_resolve(space, home, ACCESS_READ), (uint64_t)-EFAULT);
	EXPECT_EQ(space_remap(space, away, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, &home), 0);
	owner_check(owner, which, span.first);
}

static void owner_step(struct owner *owner)
{
	static void (*const rare[])(struct owner *owner, uint64_t which) = {
		owner_drop, owner_unmap, owner_protect, owner_move,
	};
	uint64_t which = random_below(&owner->random, SPACES);
	uint64_t dice = random_below(&owner->random, 20);

	if (dice < COUNT(rare))
		rare[dice](owner, which);
	else if (dice < 8)
		owner_fork(owner, which);
	else
		owner_write(owner, which);
}

static void owner_run(void *argument)
{
	struct owner *owner = argument;

	for (int step = 0; step < STEPS; step++)
		owner_step(owner);
	for (uint64_t which = 0; which < SPACES; which++) {
		for (uint64_t page = 0; page < PAGES; page++)
			owner_check(owner, which, page);
		space_put(owner->spaces[which]);
	}
}

static void owner_init(struct owner *owner, struct space *ancestor, uint64_t seed)
{
	random_seed(&owner->random, seed);
	owner->next_value = (uint32_t)(seed << 20) | 1u << 19;
	for (uint64_t which = 0; which < SPACES; which++) {
		owner->spaces[which] = test_fork(ancestor);
		for (uint64_t page = 0; page < PAGES; page++)
			owner->values[which][page] = page % 3 ? (uint32_t)page : 0;
	}
}

KTEST(stress, every_space_holds_what_was_written_to_it)
{
	uint64_t seed = stress_seed();
	struct space *ancestor = test_space(PAGES);

	for (uint32_t page = 0; page < PAGES; page++) {
		if (page % 3)
			EXPECT_EQ(space_write(ancestor, test_page(page), &page, sizeof(page)), 0);
	}
	for (uint64_t i = 0; i < TASKS; i++)
		owner_init(&owners[i], ancestor, seed + i);
	space_put(ancestor);
	for (uint64_t i = 0; i < TASKS; i++)
		test_task_start(UINT64_MAX, owner_run, &owners[i]);
	test_tasks_join();
}

/* ---- all tasks change the same spaces ------------------------------------------------------- */

/* The upper half of every word that is written: what no table, object or stack holds. */
#define STAMP (0x57ea0057ull << 32)

static struct {
	struct spinlock lock;
	struct space *spaces[SPACES];   /* [lock] each with a use of its own */
	struct random random[TASKS];
} common = { .lock = SPINLOCK_INIT(RANK_SPACES) };

static struct space *common_get(struct random *random)
{
	spin_lock(&common.lock);
	struct space *space = common.spaces[random_below(random, SPACES)];
	space_get(space);
	spin_unlock(&common.lock);
	return space;
}

static void common_replace(struct random *random, struct space *space)
{
	uint64_t which = random_below(random, SPACES);

	spin_lock(&common.lock);
	struct space *old = common.spaces[which];
	common.spaces[which] = space;
	spin_unlock(&common.lock);
	space_put(old);
}

/* What may come of an access, when another task may have changed everything. */
static void expect_possible(int err)
{
	EXPECT(err == 0 || err == -EFAULT || err == -EACCES);
}

static void common_access(struct space *space, struct random *random)
{
	virt_t at = test_page(random_below(random, PAGES)) + random_below(random, 512) * 8;
	uint64_t word = STAMP | random_below(random, UINT32_MAX);

	if (random_below(random, 2)) {
		expect_possible(space_write(space, at, &word, sizeof(word)));
		return;
	}
	int err = space_read(space, at, &word, sizeof(word));
	expect_possible(err);
	if (!err)
		EXPECT(word == 0 || word >> 32 == STAMP >> 32);
}

static void common_fault(struct space *space, struct random *random)
{
	static const enum access accesses[] = { ACCESS_READ, ACCESS_WRITE };

	expect_possible(fault_resolve(space, test_page(random_below(random, PAGES)),
				      accesses[random_below(random, 2)]));
}

static void common_map(struct space *space, struct random *random)
{
	struct span span = span_choose(random);
	uint32_t type = random_below(random, 4) ? MAP_PRIVATE : MAP_SHARED;
	struct map_request request = region(span.first, span.count, type);
	virt_t addr;

	EXPECT_EQ(space_map(space, &request, &addr), 0);
}

static void common_unmap(struct space *space, struct random *random)
{
	struct span span = span_choose(random);

	EXPECT_EQ(space_unmap(space, test_page(span.first), span.count * PAGE_SIZE), 0);
}

/* The range may have holes by now. */
static void common_protect(struct space *space, struct random *random)
{
	static const uint32_t rights[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	struct span span = span_choose(random);
	int err = space_protect(space, test_page(span.first), span.count * PAGE_SIZE,
				rights[random_below(random, COUNT(rights))]);

	EXPECT(err == 0 || err == -ENOMEM);
}

static void common_advise(struct space *space, struct random *random)
{
	static const int advices[] = {
		MADV_DONTNEED, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_DONTFORK, MADV_DOFORK,
	};
	struct span span = span_choose(random);
	int err = space_advise(space, test_page(span.first), span.count * PAGE_SIZE,
			       advices[random_below(random, COUNT(advices))]);

	EXPECT(err == 0 || err == -ENOMEM || err == -EINVAL);
}

static void common_move(struct space *space, struct random *random)
{
	struct span span = span_choose(random);
	virt_t to = test_page(random_below(random, PAGES - span.count + 1));
	int err = space_remap(space, test_page(span.first), span.count * PAGE_SIZE,
			      span.count * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, &to);

	EXPECT(err == 0 || err == -EFAULT || err == -EINVAL);
}

static void common_fork(struct space *space, struct random *random)
{
	common_replace(random, test_fork(space));
}

static void common_run(void *argument)
{
	static void (*const steps[])(struct space *space, struct random *random) = {
		common_map, common_map, common_unmap, common_protect, common_protect,
		common_advise, common_move, common_fork,
	};
	struct random *random = argument;

	for (int step = 0; step < STEPS; step++) {
		struct space *space = common_get(random);
		uint64_t dice = random_below(random, 4 * COUNT(steps));
		if (dice < COUNT(steps))
			steps[dice](space, random);
		else if (dice % 2)
			common_access(space, random);
		else
			common_fault(space, random);
		space_put(space);
	}
}

KTEST(stress, tasks_change_the_same_spaces_at_once)
{
	uint64_t seed = stress_seed();
	struct space *ancestor = test_space(PAGES);

	for (uint64_t i = 0; i < SPACES; i++)
		common.spaces[i] = test_fork(ancestor);
	space_put(ancestor);
	for (uint64_t i = 0; i < TASKS; i++) {
		random_seed(&common.random[i], seed + i);
		test_task_start(UINT64_MAX, common_run, &common.random[i]);
	}
	test_tasks_join();
	for (uint64_t i = 0; i < SPACES; i++)
		space_put(common.spaces[i]);
}

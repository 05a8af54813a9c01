/* SPDX-License-Identifier: MIT */
/* The sanitizers of SAN=1: each kind of error is made on purpose, where it does no harm. */
#include "kernel/ktest.h"

#ifdef COWBELL_SAN
#include "lib/kasan.h"
#include "lib/string.h"
#include "arch/x86_64/shadow.h"
#include "kernel/sanitizer.h"
#include "mm/frame.h"
#include "mm/kstack.h"
#include "mm/mmu.h"
#include "mm/quarantine.h"
#include "mm/slab.h"
#include "tests/kernel/task_fixture.h"

enum { SIZE = 40 };

/* What the compiler cannot know. */
#define HIDDEN(x) ({ __auto_type hidden_ = (x); __asm__ volatile("" : "+r"(hidden_)); hidden_; })

/* A wrong step is reported as what it is; calls that the compiler knows may be so twice. */
#define EXPECT_REPORT(kind_, ...) \
	do { \
		const char *seen_; \
		sanitizer_catch(); \
		__VA_ARGS__; \
		EXPECT(sanitizer_caught(&seen_) > 0); \
		EXPECT(seen_ && string_equals(seen_, kind_)); \
	} while (0)

#define EXPECT_NO_REPORT(...) \
	do { \
		sanitizer_catch(); \
		__VA_ARGS__; \
		EXPECT_EQ(sanitizer_caught(NULL), 0); \
	} while (0)

static void keep(uint64_t value)
{
	__asm__ volatile("" : : "r"(value));
}

static void touch(const void *bytes, size_t at)
{
	(void)((const volatile uint8_t *)HIDDEN(bytes))[at];
}

KTEST(san, heap_overrun_is_reported_at_the_first_byte)
{
	char *object = kmalloc(SIZE + 3);

	EXPECT_NO_REPORT(touch(object, 0), touch(object, SIZE + 2));
	EXPECT_REPORT("heap overrun", touch(object, SIZE + 3));
	EXPECT_REPORT("heap overrun", touch(object - 1, 0));
	kfree(object);
}

KTEST(san, heap_overrun_of_whole_pages_is_reported)
{
	char *pages = kmalloc(PAGE_SIZE + SIZE);

	EXPECT_NO_REPORT(touch(pages, PAGE_SIZE + SIZE - 1));
	EXPECT_REPORT("heap overrun", touch(pages, PAGE_SIZE + SIZE));
	kfree(pages);
}

KTEST(san, memset_and_memcpy_are_looked_at_as_a_whole)
{
	static char bytes[1024];
	char *object = kmalloc(512);

	EXPECT_NO_REPORT(memset(HIDDEN(object), 0, 512));
	EXPECT_REPORT("heap overrun", memcpy(bytes, HIDDEN(object), HIDDEN(513ul)));
	kfree(object);
	EXPECT_REPORT("use after free", memcpy(bytes, HIDDEN(object), HIDDEN(512ul)));
}

KTEST(san, freed_objects_are_not_to_be_touched)
{
	char *object = kmalloc(SIZE), *next;

	kfree(object);
	EXPECT_REPORT("use after free", touch(object, 0));
	next = kmalloc(SIZE);
	EXPECT(next != object);         /* it waits in the quarantine */
	kfree(next);
}

KTEST(san, freeing_twice_is_reported)
{
	char *object = kmalloc(SIZE);

	kfree(object);
	EXPECT_REPORT("use after free", kfree(HIDDEN(object)));
}

KTEST(san, freed_frames_are_not_to_be_touched)
{
	pfn_t pfn = frame_alloc(FRAME_KERNEL), next;
	char *bytes = frame_bytes(pfn);

	EXPECT_NO_REPORT(touch(bytes, PAGE_SIZE - 1));
	frame_put(pfn);
	EXPECT_REPORT("use of a free frame", touch(bytes, PAGE_SIZE - 1));
	next = frame_alloc(FRAME_KERNEL);
	EXPECT(next != pfn);
	frame_put(next);
}

KTEST(san, quarantined_frames_count_as_free_and_come_back)
{
	pfn_t pfn = frame_alloc(FRAME_KERNEL);
	uint64_t free = frames_free();

	frame_put(pfn);
	EXPECT(quarantined_frames() > 0);
	EXPECT_EQ(frames_free(), free + 1);
	frames_drain_caches();
	EXPECT_EQ(quarantined_frames(), 0);
	EXPECT_EQ(frames_free(), free + 1);
}

/* The shadow itself has none. */
__attribute__((no_sanitize_address))
static uint8_t shadow_at(const char *bytes)
{
	return *shadow_of((virt_t)bytes);
}

KTEST(san, free_memory_is_closed_from_the_start)
{
	uint64_t closed = 0;

	for (pfn_t pfn = 0; pfn < frame_count; pfn++)
		if (frames[pfn].kind == FRAME_FREE)
			closed += shadow_at((char *)frame_bytes(pfn) + SIZE) != KASAN_FRAME_FREE;
	EXPECT_EQ(closed, 0);
}

KTEST(san, free_stacks_are_not_to_be_touched)
{
	virt_t stack = kstack_alloc();

	EXPECT_NO_REPORT(touch((void *)stack, KSTACK_SIZE - 1));
	kstack_free(stack);
	EXPECT_REPORT("use of a free stack", touch((void *)stack, KSTACK_SIZE - 1));
}

KTEST(san, stack_overrun_is_reported)
{
	volatile char bytes[SIZE];

	bytes[0] = 0;
	EXPECT_NO_REPORT(touch((const void *)bytes, SIZE - 1));
	EXPECT_REPORT("stack overrun", touch((const void *)bytes, SIZE));
}

KTEST(san, global_overrun_is_reported)
{
	static char bytes[SIZE + 1];

	EXPECT_NO_REPORT(touch(bytes, SIZE));
	EXPECT_REPORT("global overrun", touch(bytes, SIZE + 1));
}

KTEST(san, integers_that_overflow_are_reported)
{
	EXPECT_REPORT("overflow", keep(HIDDEN(INT32_MAX) + 1));
	EXPECT_REPORT("overflow", keep(HIDDEN(INT32_MIN) - 1));
	EXPECT_REPORT("overflow", keep(HIDDEN(INT32_MAX) * 2));
	EXPECT_REPORT("overflow", keep(-HIDDEN(INT32_MIN)));
	EXPECT_NO_REPORT(keep((int)(HIDDEN(UINT32_MAX) + 1u)));
}

KTEST(san, shifts_too_far_are_reported)
{
	EXPECT_REPORT("shift", keep(1u << HIDDEN(32)));
	EXPECT_REPORT("shift", keep(1u << HIDDEN(-1)));
	EXPECT_NO_REPORT(keep(1u << HIDDEN(31)));
}

KTEST(san, indices_out_of_bounds_are_reported)
{
	static struct {
		uint8_t first[4], second[4];
	} pair;

	EXPECT_REPORT("bounds", keep(pair.first[HIDDEN(4)]));
	EXPECT_NO_REPORT(keep(pair.first[HIDDEN(3)]));
}

KTEST(san, pointers_that_are_not_aligned_are_reported)
{
	static uint64_t words[2];

	EXPECT_REPORT("alignment", keep(*(uint64_t *)HIDDEN((char *)words + 1)));
}

KTEST(san, values_that_no_bool_has_are_reported)
{
	static uint8_t byte = 2;

	EXPECT_REPORT("invalid value", keep(*(bool *)HIDDEN(&byte)));
}

/* Looks for the canary from a variable on, and changes it. */
__attribute__((noinline, no_sanitize("address"), no_sanitize("undefined")))
static void canary_smash(void)
{
	volatile uint64_t words[4];
	volatile uint64_t *word = words;

	words[0] = 0;
	while (*word != current->canary)
		word++;
	*word ^= 1;
}

static void smash_and_end(void *ended)
{
	canary_smash();
	*(volatile bool *)ended = true;
}

KTEST(san, smashed_canary_is_reported_before_the_return)
{
	bool has_returned = false;

	EXPECT_REPORT("canary", test_task_start(UINT64_MAX, smash_and_end, &has_returned);
			        test_tasks_join());
	EXPECT(!has_returned);
}

static void canary_note(void *canary)
{
	*(volatile uint64_t *)canary = current->canary;
}

KTEST(san, each_task_has_a_canary_of_its_own)
{
	uint64_t canaries[2] = { 0 };

	test_task_start(UINT64_MAX, canary_note, &canaries[0]);
	test_task_start(UINT64_MAX, canary_note, &canaries[1]);
	test_tasks_join();
	EXPECT(canaries[0] != canaries[1]);
	EXPECT(canaries[0] != 0 && canaries[1] != 0);
}

#else

KTEST(san, errors_made_on_purpose_are_reported)
{
	ktest_skip("only sanitized builds look: make SAN=1");
}

#endif

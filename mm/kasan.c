/* SPDX-License-Identifier: MIT */
/*
 * mm/kasan.c - the shadow's keeper: who may touch what, and reports of those who did all the same.
 *
 * Owns:        all shadow bytes, except that functions mark their own variables on the stack, by
 *              code that the compiler adds.
 * Invariants:  a shadow byte is changed only by who owns the memory it speaks for, so there are no
 *              locks.  This file is not sanitized itself.
 * See:         lib/kasan.h; the names that begin with two underscores are the compiler's.
 */
#include "lib/kasan.h"

#include "lib/bits.h"
#include "lib/types.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/shadow.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/sanitizer.h"
#include "kernel/task.h"
#include "mm/frame.h"
#include "mm/mmu.h"
#include "mm/quarantine.h"
#include "mm/slab.h"
#include "mm/slab_shadow.h"

/* How the compiler describes a variable outside functions. */
struct global {
	virt_t start;
	uint64_t size, size_with_redzone;
	const char *name, *file;
	uint64_t has_constructor;
	void *source_place;
	uint64_t odr_indicator;
};

struct access {
	virt_t at;
	size_t len;
	bool is_write;
	virt_t from;                    /* the instruction behind it */
	virt_t bad;                     /* the first byte that must not be touched */
};

enum { FILES_MAX = 512, ROW = 16, ROWS = 5 };

/* The tables of all files that have variables, for reports. */
static struct {
	const struct global *first;
	uint64_t count;
} global_tables[FILES_MAX];
static unsigned global_table_count;

/* Built by the compiler, one function for each file. */
extern void (*const init_array_start[])(void), (*const init_array_end[])(void);

static void report(struct access access);
static const char *kind_of(const struct access *access);
static void describe(virt_t at);
static void describe_frame(virt_t at, pfn_t pfn);
static void describe_object(virt_t at);
static void describe_global(virt_t at);
static void shadow_print(virt_t at);

/* ---- keeping -------------------------------------------------------------------------------- */

/* memset() would look at the shadow of the shadow, which there is not. */
static void shadow_fill(virt_t start, virt_t end, uint8_t value)
{
	uint8_t *shadow = shadow_of(start);
	size_t len = shadow_of(end) - shadow;

	stosq(shadow, value * 0x0101010101010101ull, len / 8);
	for (size_t i = align_down(len, 8); i < len; i++)
		WRITE_ONCE(shadow[i], value);
}

void kasan_poison(const void *at, size_t len, enum kasan_reason why)
{
	virt_t start = (virt_t)at;

	assert(is_aligned(start, SHADOW_SCALE));
	shadow_fill(start, align_down(start + len, SHADOW_SCALE), why);
}

void kasan_unpoison(const void *at, size_t len)
{
	virt_t start = (virt_t)at, end = start + len;

	assert(is_aligned(start, SHADOW_SCALE));
	shadow_fill(start, end, 0);
	if (end % SHADOW_SCALE != 0)
		*shadow_of(end) = end % SHADOW_SCALE;
}

void kasan_poison_pages(const void *first, size_t pages)
{
	const char *page = first;

	for (size_t i = 0; i < pages; i++, page += PAGE_SIZE) {
		kasan_unpoison(page, KASAN_FRAME_LINKS);
		kasan_poison(page + KASAN_FRAME_LINKS, PAGE_SIZE - KASAN_FRAME_LINKS,
			     KASAN_FRAME_FREE);
	}
}

void kasan_start(void)
{
	for (void (*const *register_file)(void) = init_array_start;
	     register_file < init_array_end; register_file++)
		(*register_file)();
}

void slab_shadow_use(void *object, size_t room, size_t size)
{
	struct object_history *history = (void *)((char *)object + room);

	kasan_poison(object, room, KASAN_REDZONE);
	kasan_unpoison(object, size);
	sanitizer_note_calls(&history->allocated);
}

bool slab_shadow_free(void *object, size_t room)
{
	struct object_history *history = (void *)((char *)object + room);

	if (*shadow_of((virt_t)object) == KASAN_OBJECT_FREE) {
		report((struct access){ .at = (virt_t)object, .len = room, .is_write = true,
					.from = (virt_t)__builtin_return_address(0),
					.bad = (virt_t)object });
		return false;
	}
	kasan_poison(object, room, KASAN_OBJECT_FREE);
	sanitizer_note_calls(&history->freed);
	return true;
}

/* ---- looking -------------------------------------------------------------------------------- */

/* How far the eight bytes around `at` are open. */
static virt_t open_end(virt_t at)
{
	uint8_t shadow = *shadow_of(at);
	virt_t start = align_down(at, SHADOW_SCALE);

	if (shadow == 0)
		return start + SHADOW_SCALE;
	return shadow < SHADOW_SCALE ? start + shadow : start;
}

/* The first byte of the range that must not be touched, or its end. */
static virt_t first_closed(virt_t at, virt_t end)
{
	while (at < end) {
		virt_t next = align_down(at, SHADOW_SCALE) + SHADOW_SCALE;

		if (open_end(at) < MIN(next, end))
			return MAX(at, open_end(at));
		at = next;
	}
	return end;
}

static void check(const void *at, size_t len, bool is_write, void *from)
{
	virt_t start = (virt_t)at;
	virt_t bad = len == 0 ? start : first_closed(start, start + len);

	if (bad < start + len)
		report((struct access){ start, len, is_write, (virt_t)from, bad });
}

void kasan_check_read(const void *at, size_t len)
{
	check(at, len, false, __builtin_return_address(0));
}

void kasan_check_write(const void *at, size_t len)
{
	check(at, len, true, __builtin_return_address(0));
}

/* ---- what the compiler calls ---------------------------------------------------------------- */

#define REPORTS(name, size_, is_write_) \
	void __asan_report_##name##_noabort(virt_t at); \
	void __asan_report_##name##_noabort(virt_t at) \
	{ \
		report((struct access){ at, size_, is_write_, \
					(virt_t)__builtin_return_address(0), \
					first_closed(at, at + size_) }); \
	}

REPORTS(load1, 1, false)
REPORTS(load2, 2, false)
REPORTS(load4, 4, false)
REPORTS(load8, 8, false)
REPORTS(load16, 16, false)
REPORTS(store1, 1, true)
REPORTS(store2, 2, true)
REPORTS(store4, 4, true)
REPORTS(store8, 8, true)
REPORTS(store16, 16, true)

void __asan_report_load_n_noabort(virt_t at, size_t len);
void __asan_report_store_n_noabort(virt_t at, size_t len);
void __asan_loadN_noabort(const void *at, size_t len);
void __asan_storeN_noabort(const void *at, size_t len);
void __asan_handle_no_return(void);
void __asan_register_globals(const struct global *globals, uint64_t count);
void __asan_unregister_globals(const struct global *globals, uint64_t count);

void __asan_report_load_n_noabort(virt_t at, size_t len)
{
	check((void *)at, len, false, __builtin_return_address(0));
}

void __asan_report_store_n_noabort(virt_t at, size_t len)
{
	check((void *)at, len, true, __builtin_return_address(0));
}

void __asan_loadN_noabort(const void *at, size_t len)
{
	check(at, len, false, __builtin_return_address(0));
}

void __asan_storeN_noabort(const void *at, size_t len)
{
	check(at, len, true, __builtin_return_address(0));
}

/* The stack is left for good, or another task's is next: kstack_alloc() opens it again. */
void __asan_handle_no_return(void)
{
}

void __asan_register_globals(const struct global *globals, uint64_t count)
{
	assert(global_table_count < FILES_MAX);
	global_tables[global_table_count].first = globals;
	global_tables[global_table_count++].count = count;
	for (uint64_t i = 0; i < count; i++) {
		virt_t start = globals[i].start;

		kasan_poison((void *)start, globals[i].size_with_redzone, KASAN_GLOBAL);
		kasan_unpoison((void *)start, globals[i].size);
	}
}

/* When modules are unloaded: never. */
void __asan_unregister_globals(const struct global *globals, uint64_t count)
{
}

/* ---- reports -------------------------------------------------------------------------------- */

static void report(struct access access)
{
	const char *kind = kind_of(&access);

	if (!sanitizer_found(kind))
		return;
	console_print("\nkasan: %s: %s of %lu bytes at %#lx", kind,
		      access.is_write ? "write" : "read", access.len, access.at);
	console_print(", the byte at %#lx is out of bounds\n", access.bad);
	describe(access.bad);
	shadow_print(access.bad);
	sanitizer_die("kasan: %s: %s of %lu bytes at %#lx, from %#lx", kind,
		      access.is_write ? "write" : "read", access.len, access.at, access.from);
}

static const char *kind_of(const struct access *access)
{
	uint8_t shadow = *shadow_of(access->bad);

	if (shadow < SHADOW_SCALE)
		shadow = *shadow_of(access->bad + SHADOW_SCALE);
	switch (shadow) {
	case KASAN_STACK_LEFT:
	case KASAN_STACK_MIDDLE:
	case KASAN_STACK_RIGHT:
		return "stack overrun";
	case KASAN_STACK_SCOPE:
		return "use after scope";
	case KASAN_GLOBAL:
		return "global overrun";
	case KASAN_REDZONE:
		return "heap overrun";
	case KASAN_OBJECT_FREE:
		return "use after free";
	case KASAN_STACK_FREE:
		return "use of a free stack";
	case KASAN_FRAME_FREE:
		return "use of a free frame";
	}
	return "overrun";
}

static void describe(virt_t at)
{
	pfn_t pfn = (at - DIRECT_MAP) >> PAGE_SHIFT;

	if (at >= IMAGE_BASE)
		describe_global(at);
	else if (at >= WINDOW_STACKS)
		console_print("on a kernel stack%s\n", current && at - current->stack < KSTACK_SIZE
			      ? ", this task's" : "");
	else if (at < WINDOW_DEVICES && pfn < frame_count)
		describe_frame(at, pfn);
}

static void describe_frame(virt_t at, pfn_t pfn)
{
	const struct sanitizer_calls *freed = quarantine_who_freed(pfn);

	console_print("in frame %#lx, %s, count %u\n", pfn, frame_kind_name(frames[pfn].kind),
		      frame_refs[pfn]);
	if (freed)
		sanitizer_print_calls("freed", freed);
	if (frames[pfn].kind == FRAME_SLAB)
		describe_object(at);
}

static void describe_object(virt_t at)
{
	const struct slab_cache *cache;
	const char *object = slab_object_at((void *)at, &cache);
	const struct object_history *history;

	if (!object)
		return;
	history = (const void *)(object + cache->size);
	console_print("%lu bytes from the start of object %p of %s, %u bytes long\n",
		      at - (virt_t)object, object, cache->name, cache->size);
	sanitizer_print_calls("allocated", &history->allocated);
	if (*shadow_of((virt_t)object) == KASAN_OBJECT_FREE)
		sanitizer_print_calls("freed", &history->freed);
}

static void describe_global(virt_t at)
{
	for (unsigned table = 0; table < global_table_count; table++)
		for (uint64_t i = 0; i < global_tables[table].count; i++) {
			const struct global *global = &global_tables[table].first[i];

			if (at - global->start < global->size_with_redzone)
				console_print("%lu bytes from the start of %s in %s, %lu bytes "
					      "long\n", at - global->start, global->name,
					      global->file, global->size);
		}
}

static void shadow_print(virt_t at)
{
	virt_t row = align_down(at, ROW * SHADOW_SCALE) - ROWS / 2 * ROW * SHADOW_SCALE;

	console_print("shadow:\n");
	for (unsigned i = 0; i < ROWS; i++, row += ROW * SHADOW_SCALE) {
		console_print("  %016lx", row);
		for (unsigned byte = 0; byte < ROW; byte++)
			console_print("%c%02x", at - row == byte * SHADOW_SCALE + at % SHADOW_SCALE
				      ? '>' : ' ', *shadow_of(row + byte * SHADOW_SCALE));
		console_print("\n");
	}
}

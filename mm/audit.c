/* SPDX-License-Identifier: MIT */
/*
 * mm/audit.c - recount everything and compare.
 *
 * Owns:   nothing; it looks at what all others own, with the other CPUs stopped.
 * How:    from every space's root and every object's root, count for each frame the entries that
 *         name it, entering each table once.  The counts must then be frame_refs; each table's
 *         totals, write bits and levels are checked on the way; each space's leaves are compared
 *         with its ranges. A CPU may have been stopped between two steps of one change (a count
 *         taken, the entry not yet stored).  Such a difference is gone the next time; one that
 *         stays for AUDIT_TRIES is real.
 * See:    docs/COW.md for the invariants R, W, V, A by their letters.
 */
#include "mm/audit.h"
#include "arch/x86_64/smp.h"
#include "lib/bits.h"
#include "lib/format.h"
#include "lib/string.h"
#include "kernel/panic.h"
#include "kernel/sched.h"
#include "mm/cursor.h"
#include "mm/hugetlb.h"
#include "mm/kstack.h"
#include "mm/object.h"
#include "mm/quarantine.h"
#include "mm/slab.h"

enum { AUDIT_TRIES = 8, MESSAGE_MAX = 320, OWNERS_MAX = 2 };

/* Counts found, in chunks of one block each: 1 Mi frames, 4 GiB of RAM. */
enum { CHUNK_BITS = 20 };

/* The audit under way; one at a time. */
static struct {
	uint32_t **chunks;
	uint32_t *huge;                 /* huge leaves found, by the number of their 2 MiB */
	char message[MESSAGE_MAX];      /* empty while all is well */
	uint64_t owner_id;              /* of the tree walked now */
	bool owner_is_object;
	pfn_t wanted;                   /* naming the owners of this frame; FRAME_NONE: counting */
	unsigned owners;
} run;

static const char *audit_alone(void);
static bool counts_alloc(void);
static void counts_free(void);
static void audit_once(const struct list *objects, const struct list *spaces);
static void walk_all(const struct list *objects, const struct list *spaces);
static void walk_entry(pte_t entry, int level, virt_t addr);
static void walk_huge(pte_t entry, int level, virt_t addr);
static void walk_table(pfn_t table, virt_t base);
static void check_entry(const struct frame *table, pte_t entry, virt_t addr);
static void check_counts(void);
static void check_space(struct space *space);
static void check_promises(const struct list *objects, const struct list *spaces);
static void check_huge_promises(const struct list *spaces);

static void differ(const char *fmt, ...) PRINTF_LIKE(1, 2);

const char *audit(void)
{
	static uint32_t is_running;     /* atomic; two readers of /proc/audit, or audit=each */

	while (atomic_xchg(&is_running, 1) != 0)
		task_yield();
	const char *wrong = audit_alone();
	atomic_store_release(&is_running, 0);
	return wrong;
}

/* What it returns may be overwritten by the next one's complaint: as good as the first. */
static const char *audit_alone(void)
{
	static char result[MESSAGE_MAX];
	if (!counts_alloc())
		return "no memory for the counts";

	const char *wrong = NULL;
	for (int try = 0; try < AUDIT_TRIES; try++) {
		const struct list *objects = objects_freeze(), *spaces = spaces_freeze();
		smp_stop_others();
		audit_once(objects, spaces);
		memcpy(result, run.message, MESSAGE_MAX);
		smp_resume_others();
		spaces_thaw();
		objects_thaw();
		/* it locks: not while others are stopped */
		wrong = result[0] ? result : frames_check();
		if (!wrong)
			break;
		task_yield();
	}
	counts_free();
	return wrong;
}

static size_t chunk_bytes(size_t chunk)
{
	pfn_t left = frame_count - ((pfn_t)chunk << CHUNK_BITS);
	return MIN(left, (pfn_t)1 << CHUNK_BITS) * sizeof(uint32_t);
}

static size_t huge_bytes(void)
{
	return (frame_count / PTE_PER_TABLE + 1) * sizeof(uint32_t);
}

static size_t chunk_count(void)
{
	return (frame_count + (1 << CHUNK_BITS) - 1) >> CHUNK_BITS;
}

static bool counts_alloc(void)
{
	run.huge = kmalloc(huge_bytes());
	run.chunks = kzalloc(chunk_count() * sizeof(*run.chunks));
	bool is_whole = run.huge && run.chunks;

	for (size_t i = 0; is_whole && i < chunk_count(); i++) {
		run.chunks[i] = kmalloc(chunk_bytes(i));
		is_whole = run.chunks[i] != NULL;
	}
	if (!is_whole)
		counts_free();
	return is_whole;
}

static void counts_free(void)
{
	for (size_t i = 0; run.chunks && i < chunk_count(); i++)
		kfree(run.chunks[i]);
	kfree(run.chunks);
	kfree(run.huge);
}

static uint32_t *count_of(pfn_t pfn)
{
	return &run.chunks[pfn >> CHUNK_BITS][pfn & ((1 << CHUNK_BITS) - 1)];
}

/* Only the first difference is told: the others often follow from it. */
static void differ(const char *fmt, ...)
{
	if (run.message[0])
		return;
	va_list args;
	va_start(args, fmt);
	format_buffer_va(run.message, sizeof(run.message), fmt, args);
	va_end(args);
}

static void audit_once(const struct list *objects, const struct list *spaces)
{
	run.message[0] = 0;
	run.wanted = FRAME_NONE;
	run.owners = 0;
	walk_all(objects, spaces);
	check_counts();
	const char *pool = hugetlb_check();
	if (pool)
		differ("%s", pool);
	if (run.wanted != FRAME_NONE)           /* a count differs: say who names the frame */
		walk_all(objects, spaces);

	struct space *space;
	list_for_each_entry(space, spaces, all)
		check_space(space);
	check_promises(objects, spaces);
	check_huge_promises(spaces);
}

static void walk_all(const struct list *objects, const struct list *spaces)
{
	for (size_t i = 0; i < chunk_count(); i++)
		memset(run.chunks[i], 0, chunk_bytes(i));
	memset(run.huge, 0, huge_bytes());

	struct space *space;
	run.owner_is_object = false;
	run.owner_id = 0;
	walk_entry(pte_to_table(zero_table), 2, 0);     /* the kernel's own hold */
	list_for_each_entry(space, spaces, all) {
		run.owner_id = space->mmu.id;
		walk_entry(pte_to_table(space->mmu.root >> PAGE_SHIFT), PTE_LEVELS + 1, 0);
	}

	struct object *object;
	run.owner_is_object = true;
	list_for_each_entry(object, objects, all) {
		run.owner_id = (uint64_t)object;
		if (!pte_is_none(object->root))
			walk_entry(object->root, object->height + 1, 0);
	}
}

/* One holder more of what the entry names; the first one enters it. */
static void walk_entry(pte_t entry, int level, virt_t addr)
{
	pfn_t named = pte_pfn(entry);
	if (named >= frame_count) {
		differ("entry %#lx at %#lx: no such frame", entry.bits, addr);
		return;
	}
	if (named == run.wanted && run.owners < OWNERS_MAX) {
		size_t used = strlen(run.message);
		format_buffer(run.message + used, sizeof(run.message) - used,
			"; named by %s %#lx at %#lx", run.owner_is_object ? "object" : "space",
			run.owner_id, addr);
		run.owners++;
	}
	if (pte_is_huge(entry)) {
		walk_huge(entry, level, addr);
		return;
	}
	if (++*count_of(named) > 1 || level == 1)
		return;

	const struct frame *table = &frames[named];
	if (table->kind != FRAME_TABLE || table->level != level - 1)    /* R2 */
		differ("frame %#lx at %#lx: %s of level %u, should be a table of level %d", named,
			addr, frame_kind_name(table->kind), table->level, level - 1);
	else
		walk_table(named, addr);
}

/* One leaf more that names the block; the first one finds what the block holds: each of its
 * frames. */
static void walk_huge(pte_t entry, int level, virt_t addr)
{
	pfn_t block = pte_pfn(entry), past = block + (pte_span(level) >> PAGE_SHIFT);
	enum frame_kind kind = frames[block].kind;

	if (level > 3 || !is_aligned(block << PAGE_SHIFT, pte_span(level)) || past > frame_count
	    || (kind != FRAME_DATA && kind != FRAME_HUGETLB)) {
		differ("huge entry %#lx at %#lx names frame %#lx of kind %s", entry.bits, addr,
		       block, frame_kind_name(kind));
		return;
	}
	if (++run.huge[block / PTE_PER_TABLE] > 1)
		return;
	for (pfn_t each = block; each < past; each++)
		++*count_of(each);
}

static void walk_table(pfn_t table, virt_t base)
{
	const struct frame *meta = &frames[table];
	unsigned used = 0, resident = 0;
	/* The upper half of a space's root is the kernel's and is not counted (K1). */
	unsigned entries = meta->level == PTE_LEVELS && !run.owner_is_object ? PTE_PER_TABLE / 2
									     : PTE_PER_TABLE;

	for (unsigned i = 0; i < entries; i++) {
		pte_t entry = pte_load(&frame_entries(table)[i]);
		virt_t addr = base + i * pte_span(meta->level);
		if (pte_is_none(entry))
			continue;
		used++;
		if (run.wanted == FRAME_NONE)
			check_entry(meta, entry, addr);
		if (!pte_is_counted(entry))
			continue;
		resident += meta->level == 1;
		walk_entry(entry, meta->level, addr);
	}
	if (used != meta->used || resident != meta->resident)   /* A2 */
		differ("table %#lx of level %u at %#lx: used %u resident %u, found %u and %u",
			table, meta->level, base, meta->used, meta->resident, used, resident);
}

static void check_entry(const struct frame *table, pte_t entry, virt_t addr)
{
	pfn_t named = pte_pfn(entry);
	if (named >= frame_count)
		return;

	if (!pte_is_counted(entry)) {                           /* V3 */
		if (named != zero_frame || pte_is_writable(entry))
			differ("entry %#lx at %#lx: not the zero frame, read-only", entry.bits,
				addr);
		return;
	}
	if (table->level == 1 && frames[named].kind != FRAME_DATA)
		differ("entry %#lx at %#lx names a frame of kind %s", entry.bits, addr,
		       frame_kind_name(frames[named].kind));
	if (!pte_is_writable(entry) || table->stale || pte_is_shared(entry))
		return;
	if (pte_is_huge(entry)) {                               /* W3 */
		if (frames[named].huge_refs != 1 || frames[named].stale)
			differ("huge entry %#lx at %#lx: write bit, but %u holders, stale %u",
			       entry.bits, addr, frames[named].huge_refs, frames[named].stale);
		return;
	}
	if (table->level > 1 && (frame_refs[named] != 1 || frames[named].stale))        /* W1 */
		differ("entry %#lx at %#lx: write bit, but its table has %u holders, stale %u",
			entry.bits, addr, frame_refs[named], frames[named].stale);
	if (table->level == 1 && !run.owner_is_object && frame_refs[named] != 1)        /* W2 */
		differ("entry %#lx at %#lx: write bit, but its frame has %u holders", entry.bits,
			addr, frame_refs[named]);
}

static bool is_huge_counted(pfn_t pfn)
{
	enum frame_kind kind = frames[pfn].kind;

	return pfn % PTE_PER_TABLE == 0 && (kind == FRAME_DATA || kind == FRAME_HUGETLB);
}

/* R1: for every frame, and for every huge block. */
static void check_counts(void)
{
	for (pfn_t pfn = 1; pfn < frame_count; pfn++) {
		uint32_t found = *count_of(pfn);
		enum frame_kind kind = frames[pfn].kind;
		if (is_huge_counted(pfn) && run.huge[pfn / PTE_PER_TABLE] != frames[pfn].huge_refs)
			differ("huge block %#lx: count %u, found %u", pfn, frames[pfn].huge_refs,
			       run.huge[pfn / PTE_PER_TABLE]);
		if (kind == FRAME_HUGETLB)
			continue;
		bool is_counted = kind == FRAME_TABLE || kind == FRAME_DATA;
		uint32_t expected = is_counted ? frame_refs[pfn] : 0;
		if (found == expected)
			continue;
		if (!run.message[0])
			run.wanted = pfn;
		differ("frame %#lx (%s, level %u): count %u, found %u", pfn, frame_kind_name(kind),
		       frames[pfn].level, frame_refs[pfn], found);
	}
}

/* V1, V2: no leaf outside the ranges, none with more rights than its range. */
static void check_leaf(const struct leaf_visit *leaf, void *argument)
{
	const struct space *space = argument;
	const struct vma *vma = vma_find(space->vmas, leaf->addr);
	if (!vma) {
		differ("space %lu: a page at %#lx outside all ranges", space->mmu.id, leaf->addr);
		return;
	}
	uint64_t index = (vma->offset + (leaf->addr - vma->start)) >> PAGE_SHIFT;
	if (pte_is_shared(leaf->leaf) && vma->object
	    && !object_owns(vma->object, index, pte_pfn(leaf->leaf)))       /* W4 */
		differ("space %lu: %#lx shows a page that its object does not own", space->mmu.id,
			leaf->addr);
	if (!pte_is_present(leaf->leaf))
		return;
	if (pte_is_writable(leaf->leaf) && !(vma->prot & PROT_WRITE))
		differ("space %lu: %#lx is writable, its range is not", space->mmu.id, leaf->addr);
	if (pte_is_executable(leaf->leaf) && !(vma->prot & PROT_EXEC))
		differ("space %lu: %#lx is executable, its range is not", space->mmu.id,
			leaf->addr);
	if (pte_is_shared(leaf->leaf) == vma_is_private(vma))
		differ("space %lu: %#lx and its range disagree on sharing", space->mmu.id,
			leaf->addr);
}

/* A1: the totals of the ranges. */
static void check_totals(const struct space *space)
{
	uint64_t mapped = 0, promised = 0, locked = 0;

	for (uint32_t i = 0; i < space->vmas->count; i++) {
		const struct vma *vma = &space->vmas->at[i];
		mapped += vma_pages(vma);
		promised += vma_promise(vma);
		locked += vma->flags & VMA_LOCKED ? vma_pages(vma) : 0;
	}
	if (mapped != space->mapped_pages || promised != space->promised_pages
	    || locked != space->locked_pages)
		differ("space %lu: %lu pages mapped, %lu promised, %lu locked, found %lu, %lu, %lu",
			space->mmu.id, space->mapped_pages, space->promised_pages,
			space->locked_pages, mapped, promised, locked);
}

static void check_space(struct space *space) NO_LOCK_ANALYSIS /* the other CPUs stand still */
{
	cursor_for_each(space, 0, USER_END, check_leaf, space);
	int64_t resident =
		entry_resident(pte_to_table(space->mmu.root >> PAGE_SHIFT), PTE_LEVELS + 1);
	if (resident != space->resident)                        /* A1 */
		differ("space %lu: %ld resident pages, found %ld", space->mmu.id, space->resident,
			resident);
	check_totals(space);
}

/* C1: what was promised is what spaces and objects say they were promised. */
static void check_promises(const struct list *objects, const struct list *spaces)
{
	const struct space *space;
	const struct object *object;
	uint64_t pages = 0;

	list_for_each_entry(space, spaces, all)
		pages += space->promised_pages + space->promised_tables;
	list_for_each_entry(object, objects, all)
		pages += object->reserved ? object->reserved : object->resident;
	if (pages != committed_total())
		differ("%lu pages are promised, found %lu", committed_total(), pages);
}

/* What pools keep for spaces is what spaces were promised. */
static void check_huge_promises(const struct list *spaces)
{
	for (int level = HUGETLB_LEVEL_MIN; level <= HUGETLB_LEVEL_MAX; level++) {
		uint64_t found = 0, reserved = hugetlb_reserved(level);
		const struct space *space;

		list_for_each_entry(space, spaces, all)
			found += space->promised_huge[level - HUGETLB_LEVEL_MIN];
		if (found != reserved)
			differ("%lu huge pages of level %d are promised, found %lu", reserved,
			       level, found);
	}
}

void ledger_take(struct ledger *out)
{
	kstacks_trim();
	slabs_trim();
	*out = (struct ledger){
		.free_frames = frames_free() + kstacks_cached_frames() + paging_table_pages()
			       + hugetlb_pool_frames() + quarantine_slab_frames(),
		.slab_objects = slab_objects(),
		.spaces = spaces_count(),
		.objects = objects_count(),
	};
}

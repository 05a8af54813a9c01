/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_maps.c - /proc/PID/{maps,smaps,smaps_rollup,statm,tree}: memory of a process.
 *
 * The ranges are read from the counted array that was current at the beginning; it never changes
 * while we hold it.  The leaves of one range after the other are read under the space's lock for
 * writing: a fault of the process, which holds it for reading, could replace a table under our
 * eyes.  Long texts come in parts, each of which begins with an address (fs/text.h).
 *
 * How many see a page, which is what Pss, Shared_* and Private_* are about, is counted beforehand
 * for the whole system (mm/census.h): exact while nothing moves.
 * See: proc(5).
 */

#include "fs/procfs.h"
#include "lib/abi/mman.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/census.h"
#include "mm/cursor.h"
#include "mm/huge.h"
#include "mm/slab.h"

enum { PSS_SHIFT = 12, KIB_PER_PAGE = PAGE_SIZE / KIB, NAME_COLUMN = 73 };

/* ---- all ranges ---- */

static struct vmas *space_vmas(struct space *space)
{
	struct vmas *vmas;

	read_lock(&space->lock);
	vmas = space->vmas;
	vmas_get(vmas);
	read_unlock(&space->lock);
	return vmas;
}

struct sums {
	const struct census *census;    /* who else sees a page; constant */
	const struct vma *vma;          /* the range being swept */
	uint64_t pages[PAGE_SHARED + 1];        /* by kind */
	/* bytes << PSS_SHIFT */
	uint64_t pss, pss_dirty, pss_locked, pss_by_kind[PAGE_SHARED + 1];
	uint64_t clean[2], dirty[2];    /* pages, by is_shared */
	uint64_t huge, hugetlb[2];      /* pages of huge leaves; of MAP_HUGETLB, by is_shared */
};

static void sum_leaf(const struct leaf_visit *leaf, void *argument)
{
	struct sums *sums = argument;
	struct proc_page page = proc_page_look(sums->vma, leaf);
	uint32_t holders;
	uint64_t share;

	holders = MAX(census_mapped(sums->census, pte_pfn(leaf->leaf)), 1u);
	if (sums->vma->flags & VMA_HUGETLB) {
		sums->hugetlb[holders > 1]++;
		return;
	}
	sums->pages[page.kind]++;
	if (page.kind == PAGE_UNCOUNTED)
		return;
	share = (PAGE_SIZE << PSS_SHIFT) / holders;
	sums->huge += leaf->level > 1;
	sums->pss += share;
	sums->pss_by_kind[page.kind] += share;
	sums->pss_locked += sums->vma->flags & VMA_LOCKED ? share : 0;
	if (page.is_dirty) {
		sums->pss_dirty += share;
		sums->dirty[holders > 1]++;
	} else {
		sums->clean[holders > 1]++;
	}
}

static void sum_range(struct space *space, const struct vma *vma, struct sums *sums)
{
	sums->vma = vma;
	write_lock(&space->lock);
	cursor_for_each(space, vma->start, vma->end, sum_leaf, sums);
	write_unlock(&space->lock);
}

static uint64_t sums_resident(const struct sums *sums)
{
	return sums->pages[PAGE_ANONYMOUS] + sums->pages[PAGE_FILE] + sums->pages[PAGE_SHARED];
}

/* ---- by kind ---- */

struct kinds {
	const struct vma *vma;
	uint64_t pages[PAGE_SHARED + 1];
};

static void count_kind(const struct leaf_visit *leaf, void *argument)
{
	struct kinds *kinds = argument;

	kinds->pages[proc_page_look(kinds->vma, leaf).kind]++;
}

/* Only ranges with an object need a look: all other pages are anonymous. */
void proc_measure(struct space *space, struct proc_memory *memory)
{
	struct kinds kinds = { 0 };
	uint64_t resident, theirs;

	write_lock(&space->lock);
	for (uint32_t i = 0; i < space->vmas->count; i++) {
		kinds.vma = &space->vmas->at[i];
		if (kinds.vma->object)
			cursor_for_each(space, kinds.vma->start, kinds.vma->end, count_kind,
				&kinds);
	}
	resident = (uint64_t)atomic_load_relaxed(&space->resident);
	write_unlock(&space->lock);
	theirs = kinds.pages[PAGE_FILE] + kinds.pages[PAGE_SHARED];
	assert(theirs <= resident);
	*memory = (struct proc_memory){
		.anonymous = resident - theirs,
		.file = kinds.pages[PAGE_FILE],
		.shared = kinds.pages[PAGE_SHARED],
	};
}

/* ---- maps ---- */

/* "/bin/busybox", "[heap]", or nothing; `buf` has room for PATH_MAX bytes. */
static const char *range_name(const struct vma *vma, char *buf)
{
	if (vma->name)
		return dentry_path_name(vma->name, buf, PATH_MAX) > 0 ? buf : "";
	if (vma->flags & VMA_HEAP)
		return "[heap]";
	if (vma->flags & VMA_STACK)
		return "[stack]";
	return vma->object ? "/dev/zero (deleted)" : "";
}

static void print_range(struct text *text, const struct vma *vma, char *name_buf)
{
	const struct inode *inode = vma->name ? vma->name->inode : NULL;
	uint64_t device = inode ? inode->fs->device : 0;
	const char *name = range_name(vma, name_buf);
	char line[128];
	int len = format_buffer(line, sizeof(line), "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ",
		vma->start, vma->end, vma->prot & PROT_READ ? 'r' : '-',
		vma->prot & PROT_WRITE ? 'w' : '-', vma->prot & PROT_EXEC ? 'x' : '-',
		vma_is_private(vma) ? 'p' : 's', vma->offset, dev_major(device), dev_minor(device),
		inode ? inode->number : 0);

	if (*name)
		text_print(text, "%-*s%s\n", NAME_COLUMN, line, name);
	else
		text_print(text, "%.*s\n", len, line);
}

static void print_smaps(struct text *text, struct space *space, const struct vma *vma,
	const struct census *census);

/* For each range: its line; with a census, what smaps tells of it. */
static int show_ranges(
	struct text *text, const struct text_node *node, const struct census *census)
{
	struct space *space = proc_space(node);
	char *name = kmalloc(PATH_MAX);
	struct vmas *vmas;

	if (space && name) {
		vmas = space_vmas(space);
		for (uint32_t i = vmas_search(vmas, text->from); i < vmas->count; i++) {
			if (text->err || text_pause(text, vmas->at[i].start))
				break;
			print_range(text, &vmas->at[i], name);
			if (census)
				print_smaps(text, space, &vmas->at[i], census);
		}
		vmas_put(vmas);
	}
	if (space)
		space_put(space);
	kfree(name);
	return name ? 0 : -ENOMEM;
}

int proc_show_maps(struct text *text, const struct text_node *node)
{
	return show_ranges(text, node, NULL);
}

/* ---- smaps ---- */

static void print_kib(struct text *text, const char *name, uint64_t kib)
{
	text_print(text, "%-16s%8lu kB\n", name, kib);
}

static uint64_t pss_kib(uint64_t pss)
{
	return pss >> PSS_SHIFT >> 10;
}

static void print_sums(struct text *text, const struct sums *sums)
{
	print_kib(text, "Shared_Clean:", sums->clean[true] * KIB_PER_PAGE);
	print_kib(text, "Shared_Dirty:", sums->dirty[true] * KIB_PER_PAGE);
	print_kib(text, "Private_Clean:", sums->clean[false] * KIB_PER_PAGE);
	print_kib(text, "Private_Dirty:", sums->dirty[false] * KIB_PER_PAGE);
	print_kib(text, "Referenced:", sums_resident(sums) * KIB_PER_PAGE);
	print_kib(text, "Anonymous:", sums->pages[PAGE_ANONYMOUS] * KIB_PER_PAGE);
	print_kib(text, "LazyFree:", 0);
	print_kib(text, "AnonHugePages:", sums->huge * KIB_PER_PAGE);
	print_kib(text, "ShmemPmdMapped:", 0);
	print_kib(text, "FilePmdMapped:", 0);
	print_kib(text, "Shared_Hugetlb:", sums->hugetlb[1] * KIB_PER_PAGE);
	print_kib(text, "Private_Hugetlb:", sums->hugetlb[0] * KIB_PER_PAGE);
	print_kib(text, "Swap:", 0);
	print_kib(text, "SwapPss:", 0);
	print_kib(text, "Locked:", pss_kib(sums->pss_locked));
}

static void print_flags(struct text *text, const struct vma *vma)
{
	const struct { bool is_set; const char *code; } flags[] = {
		{ vma->prot & PROT_READ, "rd" },
		{ vma->prot & PROT_WRITE, "wr" },
		{ vma->prot & PROT_EXEC, "ex" },
		{ !vma_is_private(vma), "sh" },
		{ true, "mr" },
		{ vma->flags & VMA_MAYWRITE || vma_is_private(vma), "mw" },
		{ true, "me" },
		{ !vma_is_private(vma), "ms" },
		{ vma->flags & VMA_GROWSDOWN, "gd" },
		{ vma->flags & VMA_LOCKED, "lo" },
		{ vma->flags & VMA_LOCKONFAULT, "lf" },
		{ vma->flags & VMA_DONTFORK, "dc" },
		{ vma->flags & VMA_ACCOUNTED, "ac" },
		{ vma->flags & VMA_NORESERVE, "nr" },
		{ vma->flags & VMA_DONTDUMP, "dd" },
		{ vma->flags & VMA_WIPEONFORK, "wf" },
		{ vma->flags & VMA_HUGEPAGE, "hg" },
		{ vma->flags & VMA_NOHUGEPAGE, "nh" },
		{ vma->flags & VMA_HUGETLB, "ht" },
	};

	text_print(text, "VmFlags: ");
	for (size_t i = 0; i < COUNT(flags); i++) {
		if (flags[i].is_set)
			text_print(text, "%s ", flags[i].code);
	}
	text_print(text, "\n");
}

static void print_smaps(struct text *text, struct space *space, const struct vma *vma,
	const struct census *census)
{
	uint64_t size_kib = (vma->end - vma->start) / KIB;
	struct sums sums = { .census = census };

	sum_range(space, vma, &sums);
	print_kib(text, "Size:", size_kib);
	print_kib(text, "KernelPageSize:", pte_span(vma_leaf_level(vma)) / KIB);
	print_kib(text, "MMUPageSize:", pte_span(vma_leaf_level(vma)) / KIB);
	print_kib(text, "Rss:", sums_resident(&sums) * KIB_PER_PAGE);
	print_kib(text, "Pss:", pss_kib(sums.pss));
	print_kib(text, "Pss_Dirty:", pss_kib(sums.pss_dirty));
	print_sums(text, &sums);
	text_print(text, "THPeligible:    %d\n", huge_is_wanted(space, vma));
	print_flags(text, vma);
}

int proc_show_smaps(struct text *text, const struct text_node *node)
{
	struct census *census;
	int err = census_take(&census);

	if (err)
		return err;
	err = show_ranges(text, node, census);
	census_free(census);
	return err;
}

static void print_rollup(struct text *text, const struct vmas *vmas, const struct sums *sums)
{
	virt_t start = vmas->count ? vmas->at[0].start : 0;
	virt_t end = vmas->count ? vmas->at[vmas->count - 1].end : 0;
	char line[128];

	format_buffer(line, sizeof(line), "%08lx-%08lx ---p 00000000 00:00 0 ", start, end);
	text_print(text, "%-*s[rollup]\n", NAME_COLUMN, line);
	print_kib(text, "Rss:", sums_resident(sums) * KIB_PER_PAGE);
	print_kib(text, "Pss:", pss_kib(sums->pss));
	print_kib(text, "Pss_Dirty:", pss_kib(sums->pss_dirty));
	print_kib(text, "Pss_Anon:", pss_kib(sums->pss_by_kind[PAGE_ANONYMOUS]));
	print_kib(text, "Pss_File:", pss_kib(sums->pss_by_kind[PAGE_FILE]));
	print_kib(text, "Pss_Shmem:", pss_kib(sums->pss_by_kind[PAGE_SHARED]));
	print_sums(text, sums);
}

static void show_rollup(
	struct text *text, struct space *space, const struct census *census)
{
	struct vmas *vmas = space_vmas(space);
	struct sums sums = { .census = census };

	for (uint32_t i = 0; i < vmas->count; i++)
		sum_range(space, &vmas->at[i], &sums);
	print_rollup(text, vmas, &sums);
	vmas_put(vmas);
}

int proc_show_smaps_rollup(struct text *text, const struct text_node *node)
{
	struct space *space = proc_space(node);
	struct census *census = NULL;
	int err = space ? census_take(&census) : -ESRCH;

	if (!err)
		show_rollup(text, space, census);
	census_free(census);
	if (space)
		space_put(space);
	return err;
}

/* ---- statm ---- */

int proc_show_statm(struct text *text, const struct text_node *node)
{
	struct space *space = proc_space(node);
	uint64_t code = 0, data = 0;
	struct proc_memory memory;
	struct vmas *vmas;

	if (!space) {
		text_print(text, "0 0 0 0 0 0 0\n");
		return 0;
	}
	proc_measure(space, &memory);
	vmas = space_vmas(space);
	for (uint32_t i = 0; i < vmas->count; i++) {
		const struct vma *vma = &vmas->at[i];
		uint64_t pages = (vma->end - vma->start) / PAGE_SIZE;

		code += vma->prot & PROT_EXEC ? pages : 0;
		data += vma_is_private(vma) && vma->prot & PROT_WRITE ? pages : 0;
	}
	vmas_put(vmas);
	text_print(text, "%lu %lu %lu %lu 0 %lu 0\n", READ_ONCE(space->mapped_pages),
		memory.anonymous + memory.file + memory.shared, memory.file + memory.shared, code,
		data);
	space_put(space);
	return 0;
}

/* ---- tree ---- */

struct tree_sweep {
	struct text *text;
	const struct vma *vma;
	bool shows_frames;
};

static const char *leaf_word(
	const struct leaf_visit *leaf, const struct proc_page *page, const struct vma *vma)
{
	if (page->kind == PAGE_UNCOUNTED)
		return pte_pfn(leaf->leaf) == zero_frame ? "zero" : "device";
	if (pte_is_parked(leaf->leaf))
		return "parked";
	if (!vma_is_private(vma))
		return "view";
	if (page->kind != PAGE_ANONYMOUS)
		return "file";
	return page->is_exclusive ? "own" : "shared";
}

/* Of a table on the path; below a huge leaf, of the block that stands for it. */
static uint32_t table_count(const struct leaf_visit *leaf, int level)
{
	pfn_t block = align_down(pte_pfn(leaf->leaf), pte_span(leaf->level) >> PAGE_SHIFT);

	return level >= leaf->level ? frame_refs[leaf->tables[level]] : frames[block].huge_refs;
}

static void print_leaf(const struct leaf_visit *leaf, void *argument)
{
	const struct tree_sweep *sweep = argument;

	if (sweep->text->next || text_pause(sweep->text, leaf->addr))
		return;
	struct proc_page page = proc_page_look(sweep->vma, leaf);
	pfn_t pfn = pte_pfn(leaf->leaf);
	bool is_present = pte_is_present(leaf->leaf);

	text_print(sweep->text, "%012lx frame %6lu count %2u tables %u %u %u %c%c%c %s\n",
		leaf->addr, sweep->shows_frames ? pfn : 0, pfn == zero_frame ? 0 : frame_refs[pfn],
		table_count(leaf, 1), table_count(leaf, 2), table_count(leaf, 3),
		is_present ? 'r' : '-',
		is_present && pte_is_writable(leaf->leaf) ? 'w' : '-',
		is_present && pte_is_executable(leaf->leaf) ? 'x' : '-',
		leaf_word(leaf, &page, sweep->vma));
}

/*
 * One line per leaf: address; frame, to the superuser, and its count; counts of the tables on the
 * path, from the leaves up; what the hardware allows; and in a word what it is:
 *
 *   own     private, and nobody else's         zero    the frame of zeros
 *   shared  private, copied when written       file    a file's page, copied when written
 *   view    MAP_SHARED                         parked  kept behind PROT_NONE
 */
int proc_show_tree(struct text *text, const struct text_node *node)
{
	struct tree_sweep sweep = { .text = text, .shows_frames = process_is_privileged() };
	struct space *space = proc_space(node);
	struct vmas *vmas;

	if (!space)
		return -ESRCH;
	vmas = space_vmas(space);
	for (uint32_t i = vmas_search(vmas, text->from); i < vmas->count; i++) {
		if (text->err || text->next)
			break;
		sweep.vma = &vmas->at[i];
		write_lock(&space->lock);
		cursor_for_each(space, MAX(sweep.vma->start, text->from), sweep.vma->end,
				print_leaf, &sweep);
		write_unlock(&space->lock);
	}
	vmas_put(vmas);
	space_put(space);
	return 0;
}

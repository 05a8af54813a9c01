/* SPDX-License-Identifier: MIT */
/*
 * fs/proc_memory.c - /proc/{meminfo,vmstat,slabinfo}, /proc/sys/vm: memory of the system.
 *
 * What frames are is counted by a walk over all of them, so that the numbers fit together: MemTotal
 * is the sum of MemFree, AnonPages, Cached, Slab, PageTables (of spaces and of files), KernelStack,
 * Hugetlb and the rest of the kernel.  A frame counts once, however many files or programs share
 * it.  All files are in memory: Shmem is Cached.  What does not exist here (swap, writeback) is
 * zero.
 * See: proc(5).
 */

#include "fs/pipe.h"
#include "fs/procfs.h"
#include "lib/string.h"
#include "kernel/oom.h"
#include "kernel/options.h"
#include "mm/census.h"
#include "mm/commit.h"
#include "mm/frame.h"
#include "mm/hugetlb.h"
#include "mm/kstack.h"
#include "mm/slab.h"
#include "mm/vma.h"

enum { KIB_PER_PAGE = PAGE_SIZE / KIB };

/* ---- what there is ---- */

struct memory {                         /* pages */
	uint64_t total, free, available;
	uint64_t files, mapped;         /* of files; of them, in some space */
	uint64_t anonymous;             /* programs' own */
	uint64_t active, locked;        /* of both; locked pages are not active */
	uint64_t tables, slabs, stacks;
};

static int memory_look(struct memory *memory)
{
	struct census_totals totals;
	uint64_t data, kept, cached_stacks;
	int err = census_totals(&totals);

	if (err)
		return err;
	data = frames_of_kind(FRAME_DATA);
	cached_stacks = kstacks_cached_frames();
	*memory = (struct memory){
		.total = frames_total(),
		.free = frames_free() + cached_stacks + kstacks_cached_tables(),
		.files = totals.files,
		.mapped = totals.mapped,
		.locked = totals.locked,
		.anonymous = data > totals.files ? data - totals.files : 0,
		.tables = frames_of_kind(FRAME_TABLE),
		.slabs = frames_of_kind(FRAME_SLAB),
		.stacks = MAX(kstacks_frames(), cached_stacks) - cached_stacks,
	};
	kept = frames_kept();
	memory->available = memory->free > kept ? memory->free - kept : 0;
	memory->active = memory->anonymous + memory->files;
	memory->active -= MIN(memory->active, memory->locked);
	return 0;
}

static void print_kib(struct text *text, const char *name, uint64_t pages)
{
	text_print(text, "%-16s%8lu kB\n", name, pages * KIB_PER_PAGE);
}

static void print_lists(struct text *text, const struct memory *memory)
{
	print_kib(text, "Active:", memory->active);
	print_kib(text, "Inactive:", 0);
	print_kib(text, "Active(anon):", memory->active);
	print_kib(text, "Inactive(anon):", 0);
	print_kib(text, "Active(file):", 0);
	print_kib(text, "Inactive(file):", 0);
	print_kib(text, "Unevictable:", memory->locked);
	print_kib(text, "Mlocked:", memory->locked);
	print_kib(text, "SwapTotal:", 0);
	print_kib(text, "SwapFree:", 0);
	print_kib(text, "Dirty:", 0);
	print_kib(text, "Writeback:", 0);
}

static void print_huge(struct text *text)
{
	int level = hugetlb_default_level();
	uint64_t page = hugetlb_page_frames(level);
	struct hugetlb_counts counts;

	hugetlb_counts(level, &counts);
	print_kib(text, "AnonHugePages:", frames_huge() * hugetlb_page_frames(HUGETLB_LEVEL_MIN));
	print_kib(text, "ShmemHugePages:", 0);
	print_kib(text, "ShmemPmdMapped:", 0);
	print_kib(text, "FileHugePages:", 0);
	print_kib(text, "FilePmdMapped:", 0);
	text_print(text, "HugePages_Total:   %5lu\nHugePages_Free:    %5lu\n", counts.total,
		counts.free);
	text_print(text, "HugePages_Rsvd:    %5lu\nHugePages_Surp:    %5lu\n", counts.reserved,
		counts.surplus);
	print_kib(text, "Hugepagesize:", page);
	print_kib(text, "Hugetlb:", hugetlb_frames());
}

int proc_show_meminfo(struct text *text, const struct text_node *node)
{
	struct memory memory;
	int err = memory_look(&memory);

	if (err)
		return err;
	print_kib(text, "MemTotal:", memory.total);
	print_kib(text, "MemFree:", memory.free);
	print_kib(text, "MemAvailable:", memory.available);
	print_kib(text, "Buffers:", 0);
	print_kib(text, "Cached:", memory.files);
	print_kib(text, "SwapCached:", 0);
	print_lists(text, &memory);
	print_kib(text, "AnonPages:", memory.anonymous);
	print_kib(text, "Mapped:", memory.mapped);
	print_kib(text, "Shmem:", memory.files);
	print_kib(text, "KReclaimable:", 0);
	print_kib(text, "Slab:", memory.slabs);
	print_kib(text, "SReclaimable:", 0);
	print_kib(text, "SUnreclaim:", memory.slabs);
	print_kib(text, "KernelStack:", memory.stacks);
	print_kib(text, "PageTables:", memory.tables);
	print_kib(text, "SecPageTables:", 0);
	print_kib(text, "NFS_Unstable:", 0);
	print_kib(text, "Bounce:", 0);
	print_kib(text, "WritebackTmp:", 0);
	print_kib(text, "CommitLimit:", commit_limit());
	print_kib(text, "Committed_AS:", committed_total());
	print_huge(text);
	return 0;
}

static void print_count(struct text *text, const char *name, uint64_t count)
{
	text_print(text, "%s %lu\n", name, count);
}

static void print_stock(struct text *text, const struct memory *memory)
{
	print_count(text, "nr_free_pages", memory->free);
	print_count(text, "nr_zone_inactive_anon", 0);
	print_count(text, "nr_zone_active_anon", memory->active);
	print_count(text, "nr_zone_inactive_file", 0);
	print_count(text, "nr_zone_active_file", 0);
	print_count(text, "nr_zone_unevictable", memory->locked);
	print_count(text, "nr_mlock", memory->locked);
	print_count(text, "nr_inactive_anon", 0);
	print_count(text, "nr_active_anon", memory->active);
	print_count(text, "nr_inactive_file", 0);
	print_count(text, "nr_active_file", 0);
	print_count(text, "nr_unevictable", memory->locked);
	print_count(text, "nr_slab_reclaimable", 0);
	print_count(text, "nr_slab_unreclaimable", memory->slabs);
	print_count(text, "nr_anon_pages", memory->anonymous);
	print_count(text, "nr_mapped", memory->mapped);
	print_count(text, "nr_file_pages", memory->files);
	print_count(text, "nr_dirty", 0);
	print_count(text, "nr_writeback", 0);
	print_count(text, "nr_shmem", memory->files);
	print_count(text, "nr_anon_transparent_hugepages", frames_huge());
	print_count(text, "nr_kernel_stack", memory->stacks * KIB_PER_PAGE);
	print_count(text, "nr_page_table_pages", memory->tables);
}

int proc_show_vmstat(struct text *text, const struct text_node *node)
{
	struct work_counts work;
	struct memory memory;
	int err = memory_look(&memory);

	if (err)
		return err;
	work_totals(&work);
	print_stock(text, &memory);
	print_count(text, "pgpgin", 0);
	print_count(text, "pgpgout", 0);
	print_count(text, "pswpin", 0);
	print_count(text, "pswpout", 0);
	print_count(text, "pgfault", work.of[WORK_faults]);
	print_count(text, "pgmajfault", 0);
	print_count(text, "pgreuse", work.of[WORK_faults_reuse]);
	print_count(text, "oom_kill", oom_kills());
	return 0;
}

static void print_cache(const struct slab_cache *cache, void *argument)
{
	uint32_t slabs = READ_ONCE(cache->slabs), objects = READ_ONCE(cache->objects);
	uint32_t per_slab = slab_capacity(cache), used = slabs - READ_ONCE(cache->empty);

	text_print(argument,
		"%-17s %6u %6u %6u %4u %4u : tunables    0    0    0 : slabdata %6u %6u      0\n",
		cache->name, objects, MAX(slabs * per_slab, objects), cache->size, per_slab,
		1u << cache->order, used, slabs);
}

int proc_show_slabinfo(struct text *text, const struct text_node *node)
{
	text_print(text,
		"slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> "
		"<objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> "
		": slabdata <active_slabs> <num_slabs> <sharedavail>\n");
	slab_for_each_cache(print_cache, text);
	return 0;
}

/* ---- /proc/sys/vm ---- */

static int show_fork_share(struct text *text, const struct text_node *node)
{
	text_print(text, "%s\n", fork_share_name(READ_ONCE(options.fork_share)));
	return 0;
}

static int store_fork_share(const struct text_node *node, char *name)
{
	enum fork_share share;
	int err = fork_share_parse(name, &share);

	if (!err)
		WRITE_ONCE(options.fork_share, share);
	return err;
}

/* Numbers that are only written and read, by their files' names, here and in fs/proc_sys.c. */
static const struct setting {
	const char *name;
	int64_t *value;
	int64_t highest;
	int64_t *instead;               /* set to zero with it: they say the same */
} settings[] = {
	{ "overcommit_memory", &commit_settings.mode, COMMIT_NEVER, NULL },
	{ "overcommit_ratio", &commit_settings.ratio, INT32_MAX, &commit_settings.kbytes },
	{ "overcommit_kbytes", &commit_settings.kbytes, INT64_MAX, &commit_settings.ratio },
	{ "admin_reserve_kbytes", &commit_settings.admin_reserve_kbytes, INT64_MAX, NULL },
	{ "user_reserve_kbytes", &commit_settings.user_reserve_kbytes, INT64_MAX, NULL },
	{ "max_map_count", &vmas_limit, INT32_MAX, NULL },
	{ "fault_ahead", &options.fault_ahead, FAULT_AHEAD_MAX, NULL },
	{ "pipe-user-pages-soft", &pipe_limits.soft, INT64_MAX, NULL },
	{ "pipe-user-pages-hard", &pipe_limits.hard, INT64_MAX, NULL },
};

static const struct setting *setting_of(const struct text_node *node)
{
	const struct setting *setting = settings;

	while (!string_equals(setting->name, node->entry->name))
		setting++;
	return setting;
}

int proc_show_setting(struct text *text, const struct text_node *node)
{
	text_print(text, "%ld\n", READ_ONCE(*setting_of(node)->value));
	return 0;
}

int proc_store_setting(const struct text_node *node, char *text)
{
	const struct setting *setting = setting_of(node);
	int64_t value;
	int err = text_parse_number(text, 0, setting->highest, &value);

	if (err)
		return err;
	if (setting->instead)
		WRITE_ONCE(*setting->instead, 0);
	WRITE_ONCE(*setting->value, value);
	return 0;
}

static int show_min_free(struct text *text, const struct text_node *node)
{
	text_print(text, "%lu\n", frames_kept() * KIB_PER_PAGE);
	return 0;
}

/* At most a quarter: programs have to run. */
static int store_min_free(const struct text_node *node, char *text)
{
	int64_t value;
	int err = text_parse_number(
		text, 0, (int64_t)(frames_total() * KIB_PER_PAGE / 4), &value);

	if (!err)
		frames_keep((uint64_t)value / KIB_PER_PAGE);
	return err;
}

/* The pool of the default size. */
static int show_huge_pool(struct text *text, const struct text_node *node)
{
	struct hugetlb_counts counts;

	hugetlb_counts(hugetlb_default_level(), &counts);
	text_print(text, "%lu\n", counts.total - counts.surplus);
	return 0;
}

static int store_huge_pool(const struct text_node *node, char *text)
{
	int64_t pages;
	int err = text_parse_number(text, 0, INT64_MAX, &pages);

	if (!err)
		(void)hugetlb_resize(hugetlb_default_level(), (uint64_t)pages);
	return err;
}

static int show_huge_overcommit(struct text *text, const struct text_node *node)
{
	text_print(text, "%lu\n", hugetlb_overcommit(hugetlb_default_level()));
	return 0;
}

static int store_huge_overcommit(const struct text_node *node, char *text)
{
	int64_t pages;
	int err = text_parse_number(text, 0, INT64_MAX, &pages);

	return err ? err : hugetlb_set_overcommit(hugetlb_default_level(), (uint64_t)pages);
}

#define SETTING(name_, show_, store_) \
	{ .name = name_, .mode = S_IFREG | 0644, .show = show_, .store = store_ }
#define NUMBER(name_) SETTING(name_, proc_show_setting, proc_store_setting)
#define CONSTANT(name_) { .name = name_, .mode = S_IFREG | 0444, .show = proc_show_constant }

const struct text_entry proc_vm_children[] = {
	SETTING("fork_share", show_fork_share, store_fork_share),
	NUMBER("overcommit_memory"),
	NUMBER("overcommit_ratio"),
	NUMBER("overcommit_kbytes"),
	NUMBER("admin_reserve_kbytes"),
	NUMBER("user_reserve_kbytes"),
	SETTING("min_free_kbytes", show_min_free, store_min_free),
	SETTING("nr_hugepages", show_huge_pool, store_huge_pool),
	SETTING("nr_overcommit_hugepages", show_huge_overcommit, store_huge_overcommit),
	NUMBER("max_map_count"),
	NUMBER("fault_ahead"),
	CONSTANT("mmap_min_addr"),
	CONSTANT("swappiness"),
	{ 0 }
};

/* SPDX-License-Identifier: MIT */
/*
 * fs/sysfs.c - /sys: settings and facts, one to a file.
 *
 *   /sys/kernel/mm/transparent_hugepage/    when programs get huge pages without asking
 *   /sys/kernel/mm/hugepages/               pools for those that ask, a directory for each size
 *   /sys/devices/system/cpu/                which processors there are
 *
 * There is no /sys/block, /sys/bus or /sys/class: no driver has anything to say there.  Nobody
 * looks for small pages to put together (khugepaged), so what it has done is nothing; files and
 * shared memory never come in huge pages by themselves, so shmem_enabled cannot be changed.
 *
 * Owns: the tables of what is there, and the one instance.
 * See: sysfs(5); fs/text_tree.c for how files of text work.
 */

#include "fs/sysfs.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "fs/text_tree.h"
#include "mm/huge_mode.h"
#include "mm/hugetlb.h"

#define CONSTANT(name_, show_) { .name = name_, .mode = S_IFREG | 0444, .show = show_ }
#define SETTING(name_, show_, store_) \
	{ .name = name_, .mode = S_IFREG | 0644, .show = show_, .store = store_ }
#define DIRECTORY(name_, children_) { .name = name_, .mode = S_IFDIR | 0555, .children = children_ }

/* ---- /sys/kernel/mm/transparent_hugepage ---------------------------------------------------- */

static struct word_setting *word_setting_of(const struct text_node *node)
{
	static const char *const shared_words[] = {
		"always", "within_size", "advise", "never", "deny", "force", NULL
	};
	static struct word_setting shared_memory = { shared_words, 3 };

	if (string_equals(node->entry->name, "enabled"))
		return &thp_enabled;
	return string_equals(node->entry->name, "defrag") ? &thp_defrag : &shared_memory;
}

/* All words, the one that holds in brackets. */
static int show_words(struct text *text, const struct text_node *node)
{
	const struct word_setting *setting = word_setting_of(node);
	uint32_t chosen = READ_ONCE(setting->chosen);

	for (uint32_t i = 0; setting->words[i]; i++)
		text_print(text, i == chosen ? "%s[%s]" : "%s%s", i > 0 ? " " : "",
			setting->words[i]);
	text_put(text, "\n", 1);
	return 0;
}

static int store_word(const struct text_node *node, char *word)
{
	return word_setting_choose(word_setting_of(node), word);
}

static int show_huge_size(struct text *text, const struct text_node *node)
{
	text_print(text, "%llu\n", hugetlb_page_frames(HUGETLB_LEVEL_MIN) * PAGE_SIZE);
	return 0;
}

static int show_zero_page(struct text *text, const struct text_node *node)
{
	text_print(text, "%d\n", thp_uses_zero_page());
	return 0;
}

static int store_zero_page(const struct text_node *node, char *text)
{
	int64_t value;
	int err = text_parse_number(text, 0, 1, &value);

	if (!err)
		thp_use_zero_page(value == 1);
	return err;
}

static int show_none(struct text *text, const struct text_node *node)
{
	text_put(text, "0\n", 2);
	return 0;
}

static const struct text_entry khugepaged_children[] = {
	CONSTANT("full_scans", show_none),
	CONSTANT("pages_collapsed", show_none),
	{ 0 }
};

static const struct text_entry transparent_children[] = {
	SETTING("enabled", show_words, store_word),
	SETTING("defrag", show_words, store_word),
	CONSTANT("shmem_enabled", show_words),
	SETTING("use_zero_page", show_zero_page, store_zero_page),
	CONSTANT("hpage_pmd_size", show_huge_size),
	DIRECTORY("khugepaged", khugepaged_children),
	{ 0 }
};

/* ---- /sys/kernel/mm/hugepages: a directory is named by its pages' size in KiB --------------- */

static int32_t level_kib(int level)
{
	return (int32_t)(hugetlb_page_frames(level) * PAGE_SIZE / KIB);
}

static int level_of(const struct text_node *node)
{
	return node->number == level_kib(HUGETLB_LEVEL_MIN) ? HUGETLB_LEVEL_MIN : HUGETLB_LEVEL_MAX;
}

static bool next_size(const struct text_node *dir, int32_t *number)
{
	for (int level = HUGETLB_LEVEL_MIN; level <= HUGETLB_LEVEL_MAX; level++) {
		if (hugetlb_has_level(level) && level_kib(level) >= *number) {
			*number = level_kib(level);
			return true;
		}
	}
	return false;
}

static int find_size(const struct text_node *dir, int32_t number, struct text_node *child)
{
	int32_t found = number;

	if (!next_size(dir, &found) || found != number)
		return -ENOENT;
	child->number = number;
	return 0;
}

/* What a pool counts, by the files' names. */
static int show_count(struct text *text, const struct text_node *node)
{
	struct hugetlb_counts counts;

	hugetlb_counts(level_of(node), &counts);
	const struct { const char *name; uint64_t pages; } rows[] = {
		{ "nr_hugepages", counts.total },
		{ "free_hugepages", counts.free },
		{ "resv_hugepages", counts.reserved },
		{ "surplus_hugepages", counts.surplus },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (string_equals(rows[i].name, node->entry->name))
			text_print(text, "%lu\n", rows[i].pages);
	}
	return 0;
}

/* As many as can be had; whoever asked looks how many that are. */
static int store_size(const struct text_node *node, char *text)
{
	int64_t pages;
	int err = text_parse_number(text, 0, INT64_MAX, &pages);

	if (!err)
		(void)hugetlb_resize(level_of(node), (uint64_t)pages);
	return err;
}

static int show_overcommit(struct text *text, const struct text_node *node)
{
	text_print(text, "%lu\n", hugetlb_overcommit(level_of(node)));
	return 0;
}

static int store_overcommit(const struct text_node *node, char *text)
{
	int64_t pages;
	int err = text_parse_number(text, 0, INT64_MAX, &pages);

	return err ? err : hugetlb_set_overcommit(level_of(node), (uint64_t)pages);
}

static const struct text_entry size_children[] = {
	SETTING("nr_hugepages", show_count, store_size),
	SETTING("nr_overcommit_hugepages", show_overcommit, store_overcommit),
	CONSTANT("free_hugepages", show_count),
	CONSTANT("resv_hugepages", show_count),
	CONSTANT("surplus_hugepages", show_count),
	{ 0 }
};

static const struct text_entry size_entry = DIRECTORY("hugepages-%dkB", size_children);

/* ---- /sys/devices/system/cpu ---------------------------------------------------------------- */

/* All that were found were started, and stay. */
static int show_cpus(struct text *text, const struct text_node *node)
{
	text_print(text, cpu_count > 1 ? "0-%u\n" : "%u\n", cpu_count - 1);
	return 0;
}

static int show_no_cpus(struct text *text, const struct text_node *node)
{
	text_put(text, "\n", 1);
	return 0;
}

static int show_highest_cpu(struct text *text, const struct text_node *node)
{
	text_print(text, "%d\n", CPU_MAX - 1);
	return 0;
}

static bool next_cpu(const struct text_node *dir, int32_t *number)
{
	return *number < (int32_t)cpu_count;
}

static int find_cpu(const struct text_node *dir, int32_t number, struct text_node *child)
{
	child->number = number;
	return next_cpu(dir, &number) ? 0 : -ENOENT;
}

static const struct text_entry cpu_children[] = {
	CONSTANT("online", show_cpus),
	CONSTANT("possible", show_cpus),
	CONSTANT("present", show_cpus),
	CONSTANT("offline", show_no_cpus),
	CONSTANT("isolated", show_no_cpus),
	CONSTANT("kernel_max", show_highest_cpu),
	{ 0 }
};

static const struct text_entry cpu_entry = DIRECTORY("cpu%d", NULL);

/* ---- the directories above ------------------------------------------------------------------ */

static const struct text_entry mm_children[] = {
	DIRECTORY("transparent_hugepage", transparent_children),
	{
		.name = "hugepages", .mode = S_IFDIR | 0555,
		.numbered = &size_entry, .find = find_size, .next = next_size,
	},
	{ 0 }
};
static const struct text_entry kernel_children[] = { DIRECTORY("mm", mm_children), { 0 } };

static const struct text_entry system_children[] = {
	{
		.name = "cpu", .mode = S_IFDIR | 0555, .children = cpu_children,
		.numbered = &cpu_entry, .find = find_cpu, .next = next_cpu,
	},
	{ 0 }
};
static const struct text_entry devices_children[] = {
	DIRECTORY("system", system_children),
	{ 0 }
};

static const struct text_entry root_children[] = {
	DIRECTORY("devices", devices_children),
	DIRECTORY("kernel", kernel_children),
	{ 0 }
};
static const struct text_entry root_entry = DIRECTORY(NULL, root_children);

static struct file_system sysfs;        /* one instance, however often it is mounted */

static int sysfs_create(const char *fs_options, struct file_system **fs)
{
	file_system_get(&sysfs);
	*fs = &sysfs;
	return 0;
}

static struct file_system_type sysfs_type = { .name = "sysfs", .create = sysfs_create };

void sysfs_start(void)
{
	text_tree_start(&sysfs, "sysfs", SYSFS_MAGIC, &root_entry);
	file_system_register(&sysfs_type);
}

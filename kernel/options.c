/* SPDX-License-Identifier: MIT */
/*
 * kernel/options.c - the kernel command line, parsed once.
 *
 * Owns:        `options`, and the copy of the line that its strings point into.
 * Invariants:  a word that cannot be understood is reported and changes nothing.
 */
#include "kernel/options.h"

#include "lib/abi/errno.h"
#include "lib/cmdline.h"
#include "lib/string.h"
#include "boot/bootinfo.h"
#include "kernel/event.h"
#include "kernel/printk.h"

enum { TRACE_RECORDS_MIN = 64, TRACE_RECORDS_MAX = 1 << 16 };

struct options options = {
	.fork_share = FORK_SHARE_ROOT,
	.fault_ahead = FAULT_AHEAD_MAX,
	.trace_records = 4096,
	.loglevel = LOG_DEBUG,
	.init_env = { "HOME=/", "TERM=linux" },
};

/* Each takes the value behind `=`, or NULL, and returns 0 or -EINVAL. */
struct option {
	const char *name;
	int (*set)(const char *value);
};

static bool option_set(const struct cmdline_word *word);
static void word_for_init(struct cmdline_word *word);
static void words_for_init(struct cmdline *rest);
static void hugepages_settle(void);
static int words_append(const char **words, const char *word);
static void env_set(const char *assignment);

void options_parse(const char *cmdline)
{
	static char copy[BOOT_CMDLINE_MAX];
	struct cmdline walk;
	struct cmdline_word word;

	strlcpy(copy, cmdline, sizeof(copy));
	cmdline_init(&walk, copy);
	while (cmdline_next(&walk, &word)) {
		if (!option_set(&word))
			word_for_init(&word);
	}
	words_for_init(&walk);
	hugepages_settle();
	log_set_level(options.loglevel);
}

/* ---- our words ------------------------------------------------------------------------------ */

static int number_set(const char *value, uint64_t max, uint64_t *out)
{
	uint64_t number;

	if (!value || size_parse(value, &number, NULL) || number > max)
		return -EINVAL;
	*out = number;
	return 0;
}

static int set_init(const char *value)
{
	options.init = value;
	return value ? 0 : -EINVAL;
}

static int set_console(const char *value)
{
	options.console = value;
	return value ? 0 : -EINVAL;
}

static int set_fork_share(const char *value)
{
	return value ? fork_share_parse(value, &options.fork_share) : -EINVAL;
}

static int set_fault_ahead(const char *value)
{
	uint64_t number = 0;
	int err = number_set(value, FAULT_AHEAD_MAX, &number);

	if (!err)
		options.fault_ahead = (int64_t)number;
	return err;
}

static int set_smp(const char *value)
{
	uint64_t number = 0;
	int err = number_set(value, UINT32_MAX, &number);

	if (!err)
		options.smp = (uint32_t)number;
	return err;
}

/* 0 and 1 both mean: no further CPU. */
static int set_maxcpus(const char *value)
{
	int err = set_smp(value);

	if (!err && options.smp == 0)
		options.smp = 1;
	return err;
}

static int set_seed(const char *value)
{
	return number_set(value, UINT64_MAX, &options.seed);
}

static int set_events(const char *value)
{
	return value ? event_mask_parse(value, &options.event_mask) : -EINVAL;
}

static int set_trace_records(const char *value)
{
	uint64_t number = 0;
	int err = number_set(value, TRACE_RECORDS_MAX, &number);

	if (err || number < TRACE_RECORDS_MIN)
		return -EINVAL;
	options.trace_records = (uint32_t)number;
	return 0;
}

static int set_audit(const char *value)
{
	if (!value || !string_equals(value, "each"))
		return -EINVAL;
	options.audit_each = true;
	return 0;
}

static int set_selftest(const char *value)
{
	options.selftest = value ? value : "*";
	return 0;
}

static int set_fail(const char *value)
{
	const char *rest;

	if (!value || number_parse(value, &options.fail_turns, &rest))
		return -EINVAL;
	if (*rest == '\0')
		return 0;
	return *rest == ':' ? number_parse(rest + 1, &options.fail_from, NULL) : -EINVAL;
}

static int set_mem(const char *value)
{
	return number_set(value, UINT64_MAX, &options.mem_bytes);
}

static int set_loglevel(const char *value)
{
	uint64_t number = 0;
	int err = number_set(value, LOG_DEBUG + 1, &number);

	if (!err)
		options.loglevel = (int)number;
	return err;
}

static int set_quiet(const char *value)
{
	options.loglevel = LOG_WARNING;
	return value ? -EINVAL : 0;
}

static int set_panic(const char *value)
{
	bool is_negative = value && *value == '-';
	uint64_t number = 0;
	int err = number_set(is_negative ? value + 1 : value, INT32_MAX, &number);

	if (!err)
		options.panic_seconds = is_negative ? -(int)number : (int)number;
	return err;
}

static int set_norandmaps(const char *value)
{
	options.no_aslr = true;
	return 0;
}

static int set_transparent_hugepage(const char *value)
{
	options.transparent_hugepage = value;
	return value ? 0 : -EINVAL;
}

/*
 * hugepages= counts pages of the size named last before it.  Without one it counts pages of the
 * default size, whichever that will be, and then outdoes a count for that size by name.  Of two
 * counts for one size the first holds.
 */
enum { HUGE_DEFAULT = HUGE_SIZES, HUGE_UNKNOWN };

static unsigned hugepagesz = HUGE_DEFAULT;              /* what the next hugepages= counts */
static uint64_t hugepages_said[HUGE_SIZES + 1];         /* by size, or HUGE_DEFAULT */
static bool is_hugepages_said[HUGE_SIZES + 1];
static bool is_default_hugepagesz_said;

static int set_hugepagesz(const char *value)
{
	uint64_t bytes = 0;

	hugepagesz = HUGE_UNKNOWN;
	if (!value || size_parse(value, &bytes, NULL) || (bytes != 2 * MIB && bytes != GIB))
		return -EINVAL;
	hugepagesz = bytes == GIB ? HUGE_1G : HUGE_2M;
	return 0;
}

static int set_default_hugepagesz(const char *value)
{
	int err = set_hugepagesz(value);

	if (err || is_default_hugepagesz_said)
		return -EINVAL;
	is_default_hugepagesz_said = true;
	options.default_hugepagesz = (enum huge_size)hugepagesz;
	return 0;
}

static int set_hugepages(const char *value)
{
	uint64_t pages;

	if (hugepagesz == HUGE_UNKNOWN || is_hugepages_said[hugepagesz]
	    || !value || number_parse(value, &pages, NULL))
		return -EINVAL;
	is_hugepages_said[hugepagesz] = true;
	hugepages_said[hugepagesz] = pages;
	return 0;
}

static void hugepages_settle(void)
{
	enum huge_size size = options.default_hugepagesz;

	for (unsigned i = 0; i < HUGE_SIZES; i++)
		options.hugepages[i] = hugepages_said[i];
	if (!is_hugepages_said[HUGE_DEFAULT])
		return;
	options.hugepages[size] = hugepages_said[HUGE_DEFAULT];
	if (is_hugepages_said[size])
		log_warn("command line: ignored: hugepages=%lu", hugepages_said[size]);
}

static const struct option known[] = {
	{ "init", set_init },
	{ "rdinit", set_init },
	{ "console", set_console },
	{ "fork_share", set_fork_share },
	{ "fault_ahead", set_fault_ahead },
	{ "smp", set_smp },
	{ "maxcpus", set_maxcpus },
	{ "seed", set_seed },
	{ "events", set_events },
	{ "trace_records", set_trace_records },
	{ "audit", set_audit },
	{ "selftest", set_selftest },
	{ "fail", set_fail },
	{ "mem", set_mem },
	{ "loglevel", set_loglevel },
	{ "quiet", set_quiet },
	{ "panic", set_panic },
	{ "norandmaps", set_norandmaps },
	{ "transparent_hugepage", set_transparent_hugepage },
	{ "default_hugepagesz", set_default_hugepagesz },
	{ "hugepagesz", set_hugepagesz },
	{ "hugepages", set_hugepages },
};

/* True if the word is ours, whether its value was good or not. */
static bool option_set(const struct cmdline_word *word)
{
	for (size_t i = 0; i < COUNT(known); i++) {
		if (!cmdline_word_is(word, known[i].name))
			continue;
		if (known[i].set(word->value))
			log_warn("command line: bad value: %s=%s", word->key,
				word->value ? word->value : "");
		return true;
	}
	return false;
}

static const char *const fork_share_names[] = {
	[FORK_SHARE_NONE] = "none",
	[FORK_SHARE_PAGE] = "page",
	[FORK_SHARE_TABLE] = "table",
	[FORK_SHARE_DIR] = "dir",
	[FORK_SHARE_ROOT] = "root",
};

const char *fork_share_name(enum fork_share share)
{
	return fork_share_names[share];
}

int fork_share_parse(const char *name, enum fork_share *share)
{
	for (size_t i = 0; i < COUNT(fork_share_names); i++) {
		if (string_equals(name, fork_share_names[i])) {
			*share = (enum fork_share)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* ---- init's words --------------------------------------------------------------------------- */

/* A word with a dot in its key is meant for a module of another kernel. */
static void word_for_init(struct cmdline_word *word)
{
	bool is_assignment = word->value != NULL;

	if (strchr(word->key, '.'))
		return;
	const char *whole = cmdline_word_raw(word);
	if (is_assignment)
		env_set(whole);
	else if (words_append(options.init_args, whole))
		log_warn("command line: too many words for init: %s", whole);
}

/* What stands behind `--` is for init as it is, another `--` too. */
static void words_for_init(struct cmdline *rest)
{
	struct cmdline walk;
	struct cmdline_word word;

	for (char *text = rest->rest; text; text = walk.rest) {
		cmdline_init(&walk, text);
		while (cmdline_next(&walk, &word))
			if (words_append(options.init_args, cmdline_word_raw(&word)))
				log_warn("command line: too many words for init: %s", word.key);
		if (walk.rest && words_append(options.init_args, "--"))
			log_warn("command line: too many words for init: --");
	}
}

static int words_append(const char **words, const char *word)
{
	for (size_t i = 0; i < INIT_WORDS_MAX; i++) {
		if (!words[i]) {
			words[i] = word;
			return 0;
		}
	}
	return -E2BIG;
}

/* Of two assignments to one name the later holds. */
static void env_set(const char *assignment)
{
	size_t name_len = (size_t)(strchr(assignment, '=') - assignment) + 1;

	for (const char **word = options.init_env; *word; word++) {
		if (strncmp(*word, assignment, name_len) == 0) {
			*word = assignment;
			return;
		}
	}
	if (words_append(options.init_env, assignment))
		log_warn("command line: too many words for init: %s", assignment);
}

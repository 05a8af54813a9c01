/* SPDX-License-Identifier: MIT */
// cowbell-only
// needs: threads
/*
 * tests/user/trace.c - /proc/trace and its neighbours: what is recorded, and what is not.
 *
 * Every test begins and ends with everything off and forgotten.
 */
#include "trace.h"

#include <pthread.h>

PAGES_ARE_COUNTED

/* ---- records ---- */

struct record {
	unsigned long long order, time_ns;
	unsigned cpu, pid, tid;
	char name[32], rest[128];
};

static char *next_line;

/* The next line of what was read; false at the end. */
static bool next_record(struct record *record)
{
	while (next_line && *next_line) {
		char *line = next_line, *end = strchr(line, '\n');
		CHECK(end != NULL);
		next_line = end + 1;
		*end = '\0';
		if (*line == '#')
			continue;
		*record = (struct record){0};
		CHECK(sscanf(line, "%llu %llu %u %u %u %31s %127[^\n]", &record->order,
			      &record->time_ns, &record->cpu, &record->pid, &record->tid,
			      record->name, record->rest) >= 6);
		return true;
	}
	return false;
}

static void look(void)
{
	slurp(TRACE);
	next_line = text;
}

/* The number behind `name=`; it must be there. */
static unsigned long long argument(const struct record *record, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = record->rest; at; at = strchr(at, ' ')) {
		at += *at == ' ';
		if (strncmp(at, name, len) == 0 && at[len] == '=')
			return strtoull(at + len + 1, NULL, 0);
	}
	utest_fail(__FILE__, __LINE__, name);
}

/* Look for records of copied pages: each of these once, nothing else; the writer's pid. */
static void expect_copies(pid_t pid, volatile char *memory, size_t count)
{
	bool seen[PAGES] = {false};
	struct record record;
	size_t found = 0;

	look();
	for (; next_record(&record); found++) {
		uintptr_t at = argument(&record, "address") - (uintptr_t)memory;
		CHECK(strcmp(record.name, "frame_copy") == 0);
		CHECK_EQ(record.pid, pid);
		CHECK(at % PAGE == 0 && at / PAGE < count && !seen[at / PAGE]);
		CHECK(argument(&record, "old") != argument(&record, "copy"));
		seen[at / PAGE] = true;
	}
	CHECK_EQ(found, count);
}

/* ---- the filter ---- */

static void filter_is(const char *words)
{
	slurp(FILTER);
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, words) != 0)
		dprintf(STDOUT_FILENO, "# %s, not %s\n", text, words);
	CHECK(strcmp(text, words) == 0);
}

TEST(the_filter_reads_as_words_that_can_be_written)
{
	static const char words[] = "frame_copy,frame_reuse pid=7,2147483647 range=0x1000-0x3000";

	trace("%s", "range=1000-0x3000");
	filter_is("none pid=all range=0x1000-0x3000");
	trace("%s", words);
	filter_is(words);
	trace("all pid=1");
	tell(TRACE, words);
	filter_is(words);
	tell(TRACE, "pid=all frame_*\n range=all");
	filter_is("frame_alloc,frame_free,frame_copy,frame_reuse pid=all range=all");
	tell(TRACE, "all");
	filter_is("all pid=all range=all");
	tell(TRACE, "off clear");
	filter_is("none pid=all range=all");
}

TEST(what_is_not_understood_changes_nothing)
{
	static const char *const bad[] = {"nonsense", "frame_copy nonsense", "frame_copy,nonsense",
		"pid=", "pid=x", "pid=0", "pid=-1", "pid=1,", "pid=1 pid=2147483648",
		"pid=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "range=", "range=1000",
		"range=1000-", "range=2000-1000", "range=1000-1000", "range=0x-0x1000",
		"range=12g4-2000", "range=0-800000000000", "range=1-10000000000000002", "by=site"};

	trace("fault pid=7");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_ERRNO(try_to_write(TRACE, bad[i]), EINVAL);
		filter_is("fault pid=7 range=all");
	}
	tell(TRACE, "off clear");
	CHECK_ERRNO(try_to_write(FILTER, "all"), EINVAL);
}

TEST(sixteen_pids_fit)
{
	trace("pid=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16");
	filter_is("none pid=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16 range=all");
	tell(TRACE, "off clear");
}

TEST(each_copied_page_is_one_record)
{
	volatile char *memory = pages_filled(PAGES);
	struct gate gate = gate_new();
	pid_t pid = writer_new(gate, memory, PAGES);

	trace("frame_copy pid=%d " RANGE, pid, RANGE_OF(memory, PAGES));
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	expect_copies(pid, memory, PAGES);
	tell(TRACE, "off clear");
}

TEST(a_pid_shows_that_process_alone)
{
	volatile char *memory = pages_filled(PAGES);
	struct gate gate = gate_new();
	pid_t chosen = writer_new(gate, memory, PAGES);
	pid_t other = writer_new(gate, memory, PAGES);
	struct record record;
	int copies = 0;

	trace("frame_*,fault,table_* pid=%d", chosen);
	gate_open(gate);
	CHECK_EXIT(chosen, 0);
	CHECK_EXIT(other, 0);
	look();
	while (next_record(&record)) {
		CHECK_EQ(record.pid, chosen);
		copies += strcmp(record.name, "frame_copy") == 0 &&
			  argument(&record, "address") - (uintptr_t)memory < PAGES * PAGE;
	}
	CHECK_EQ(copies, PAGES);
	tell(TRACE, "off clear");
}

TEST(two_pids_show_both)
{
	volatile char *memory = pages_filled(PAGES);
	struct gate gate = gate_new();
	pid_t child[3];
	struct record record;
	int copies[3] = {0};

	for (int i = 0; i < 3; i++)
		child[i] = writer_new(gate, memory, 20);
	trace("frame_copy pid=%d,%d " RANGE, child[0], child[2], RANGE_OF(memory, PAGES));
	gate_open(gate);
	for (int i = 0; i < 3; i++)
		CHECK_EXIT(child[i], 0);
	look();
	while (next_record(&record)) {
		for (int i = 0; i < 3; i++)
			copies[i] += (pid_t)record.pid == child[i];
	}
	CHECK_EQ(copies[0], 20);
	CHECK_EQ(copies[1], 0);
	CHECK_EQ(copies[2], 20);
	tell(TRACE, "off clear");
}

TEST(a_range_shows_its_pages_alone)
{
	volatile char *memory = pages_filled(PAGES);
	struct gate gate = gate_new();
	pid_t pid = writer_new(gate, memory, PAGES);

	trace("frame_copy " RANGE, RANGE_OF(memory + 10 * PAGE, 7));
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	expect_copies(pid, memory + 10 * PAGE, 7);
	tell(TRACE, "off clear");
}

TEST(in_a_range_is_only_what_has_an_address)
{
	volatile char *memory = pages_new(4);
	uintptr_t start = (uintptr_t)memory, end = start + 4 * PAGE;
	struct record record;
	bool was_unmapped = false;

	trace("all " RANGE, RANGE_OF(memory, 4));
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK_EXIT(pid, 0);
	memory[0] = 1;
	pages_free(memory, 4);
	look();
	while (next_record(&record)) {
		if (strstr(record.rest, "start=") && strstr(record.rest, "end="))
			CHECK(argument(&record, "start") < end && argument(&record, "end") > start);
		else if (!strstr(record.rest, "start="))
			CHECK(argument(&record, "address") - start < 4 * PAGE);
		was_unmapped |= strcmp(record.name, "vma_unmap") == 0;
	}
	CHECK(was_unmapped);
	tell(TRACE, "off clear");
}

static void *write_in_thread(void *memory)
{
	write_pages(memory, PAGES);
	return (void *)(intptr_t)gettid();
}

TEST(threads_are_shown_with_their_process)
{
	volatile char *memory = pages_filled(PAGES);
	struct gate gate = gate_new();
	pid_t holder = writer_new(gate, memory, 0);
	struct record record;
	pthread_t thread;
	void *tid;
	int copies = 0;

	trace("frame_copy pid=%d " RANGE, getpid(), RANGE_OF(memory, PAGES));
	CHECK_EQ(pthread_create(&thread, NULL, write_in_thread, (void *)memory), 0);
	CHECK_EQ(pthread_join(thread, &tid), 0);
	look();
	for (; next_record(&record); copies++) {
		CHECK_EQ(record.pid, getpid());
		CHECK_EQ(record.tid, (intptr_t)tid);
	}
	CHECK_EQ(copies, PAGES);
	gate_open(gate);
	CHECK_EXIT(holder, 0);
	tell(TRACE, "off clear");
}

/* ---- rings ---- */

/* Two records each. */
static void map_and_unmap(int times)
{
	for (int i = 0; i < times; i++)
		pages_free(pages_new(1), 1);
}

/* Read everything; orders have no gap but those that are told.  True: some were lost. */
static bool expect_records(long long expected)
{
	unsigned long long last = 0;
	long long seen = 0, lost = 0, before;
	struct record record;

	do {
		before = seen + lost;
		look();
		while (next_record(&record)) {
			bool is_lost = strcmp(record.name, "lost") == 0;
			long long count = is_lost ? (long long)argument(&record, "count") : 1;
			CHECK(count > 0);
			if (last)
				CHECK_EQ(record.order, last + count);
			last = record.order;
			*(is_lost ? &lost : &seen) += count;
		}
	} while (seen + lost > before);
	CHECK_EQ(seen + lost, expected);
	CHECK(seen > 0);
	return lost > 0;
}

TEST(nothing_is_lost_when_it_is_read_in_time)
{
	trace("vma_map,vma_unmap pid=%d", getpid());
	for (int i = 0; i < 10; i++) {
		map_and_unmap(500);
		CHECK(!expect_records(1000));
	}
	tell(TRACE, "off clear");
}

TEST(what_is_lost_is_counted)
{
	trace("vma_map,vma_unmap pid=%d", getpid());
	map_and_unmap(20000);
	tell(TRACE, "off");
	CHECK(expect_records(40000));
	tell(TRACE, "clear");
}

TEST(off_keeps_what_was_recorded_and_clear_forgets_it)
{
	trace("vma_map,vma_unmap pid=%d", getpid());
	map_and_unmap(5);
	tell(TRACE, "off");
	map_and_unmap(5);
	CHECK(!expect_records(10));

	trace("vma_map,vma_unmap pid=%d", getpid());
	map_and_unmap(5);
	tell(TRACE, "clear");
	map_and_unmap(3);
	tell(TRACE, "none");
	map_and_unmap(5);
	CHECK(!expect_records(6));
	tell(TRACE, "off clear");
}

/* ---- bytes ---- */

struct header {
	char magic[8];
	uint32_t version, header_size, record_size, reserved;
};

static const char record_line[] =
	"record order:8 time_ns:8 type:4 cpu:4 pid:4 tid:4 a:8 b:8 c:8\n";

/* As the header says that a record is. */
struct binary_record {
	uint64_t order, time_ns;
	uint32_t type, cpu, pid, tid;
	uint64_t arguments[3];
};

/* Does the header say that a record of this type is called that? */
static bool kind_is_named(const char *header_text, unsigned type, const char *line_end)
{
	char line[128];

	snprintf(line, sizeof(line), "\nevent %u %s\n", type, line_end);
	return strstr(header_text, line) != NULL;
}

/* As the same event stands in the text. */
static void expect_same(const struct binary_record *binary, const struct record *record)
{
	CHECK_EQ(binary->order, record->order);
	CHECK_EQ(binary->time_ns, record->time_ns);
	CHECK_EQ(binary->cpu, record->cpu);
	CHECK_EQ(binary->pid, record->pid);
	CHECK_EQ(binary->tid, record->tid);
	CHECK_EQ(binary->arguments[1], argument(record, "start"));
	CHECK_EQ(binary->arguments[2], argument(record, "end"));
}

TEST(bytes_and_text_say_the_same)
{
	enum { MAPS = 50 };
	static struct binary_record records[MAPS];
	static char header_text[8192];
	struct record record;
	int count = 0;

	trace("vma_map pid=%d", getpid());
	map_and_unmap(MAPS);
	tell(TRACE, "off");
	size_t len = slurp(BINARY);
	const struct header *header = (const void *)text;
	CHECK(memcmp(header->magic, "COWTRACE", 8) == 0);
	CHECK_EQ(header->version, 1);
	CHECK_EQ(header->record_size, sizeof(struct binary_record));
	CHECK_EQ(header->header_size % 8, 0);
	CHECK_EQ(len, header->header_size + sizeof(records));
	memcpy(records, text + header->header_size, sizeof(records));
	memcpy(header_text, text + sizeof(*header), header->header_size - sizeof(*header));
	CHECK(strncmp(header_text, record_line, strlen(record_line)) == 0);
	CHECK(kind_is_named(header_text, records[0].type, "vma_map space:d start:x end:x"));

	look();
	for (; next_record(&record); count++)
		expect_same(&records[count], &record);
	CHECK_EQ(count, MAPS);
	CHECK_EQ(slurp(BINARY), header->header_size);
	tell(TRACE, "clear");
}

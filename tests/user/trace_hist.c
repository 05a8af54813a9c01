/* SPDX-License-Identifier: MIT */
// cowbell-only
// needs: threads
/*
 * tests/user/trace_hist.c - /proc/trace_hist: who copies most, to the page.
 */
#include "trace.h"

#include <pthread.h>
#include <sys/syscall.h>

PAGES_ARE_COUNTED

enum { COLUMNS = 32, ROWS_MAX = 600 };

struct row {
	long long of[COLUMNS];
	char place[128];
};

static struct {
	char by[32];
	long long unsure;
	int column_count, row_count;
	char columns[COLUMNS][32];
	struct row rows[ROWS_MAX];
} hist;

/* Split the next line off what was read. */
static char *line_next(char **rest)
{
	char *line = *rest, *end = strchr(line, '\n');

	CHECK(end != NULL);
	*end = '\0';
	*rest = end + 1;
	return line;
}

static void read_columns(char *line)
{
	char *word;

	hist.column_count = 0;
	while ((word = strsep(&line, " ")) && line)
		strcpy(hist.columns[hist.column_count++], word);
}

static void read_row(char *line, struct row *row)
{
	for (int i = 0; i < hist.column_count; i++)
		row->of[i] = strtoll(line, &line, 10);
	CHECK_EQ(*line, ' ');
	snprintf(row->place, sizeof(row->place), "%s", line + 1);
}

static void read_hist(void)
{
	char *rest = text;

	slurp(HIST);
	hist.row_count = 0;
	hist.unsure = 0;
	CHECK_EQ(sscanf(line_next(&rest), "# %31s", hist.by), 1);
	if (sscanf(rest, "# unsure %lld", &hist.unsure) == 1)
		line_next(&rest);
	if (*rest)
		read_columns(line_next(&rest));
	while (*rest) {
		CHECK(hist.row_count < ROWS_MAX);
		read_row(line_next(&rest), &hist.rows[hist.row_count++]);
	}
}

static long long row_work(const struct row *row, const char *kind)
{
	for (int i = 0; i < hist.column_count; i++) {
		if (strcmp(hist.columns[i], kind) == 0)
			return row->of[i];
	}
	return 0;
}

static const struct row *row_of(const char *place)
{
	for (int i = 0; i < hist.row_count; i++) {
		if (strcmp(hist.rows[i].place, place) == 0)
			return &hist.rows[i];
	}
	return NULL;
}

static long long sum(const char *kind)
{
	long long all = 0;

	for (int i = 0; i < hist.row_count; i++)
		all += row_work(&hist.rows[i], kind);
	return all;
}

/* Count this, and nothing from before; only faults in the memory. */
static void count_in(const char *by, volatile char *memory, size_t count)
{
	trace(RANGE, RANGE_OF(memory, count));
	tell(HIST, "off clear");
	tell(HIST, by);
}

static void end(void)
{
	tell(HIST, "off clear");
	tell(TRACE, "off clear");
}

/* Where in our file something of ours stands. */
static unsigned long file_offset(const char *what)
{
	unsigned long at = (unsigned long)what, start, stop, offset;

	slurp("/proc/self/maps");
	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		CHECK_EQ(sscanf(line, "%lx-%lx %*s %lx", &start, &stop, &offset), 3);
		if (at >= start && at < stop)
			return offset + (at - start);
	}
	utest_fail(__FILE__, __LINE__, "it is mapped");
}

TEST(a_site_is_an_instruction_of_a_file)
{
	unsigned long from = file_offset(__start_writer);
	unsigned long to = from + (uintptr_t)__stop_writer - (uintptr_t)__start_writer;
	volatile char *memory = pages_filled(PAGES);
	struct gate gate = gate_new();
	pid_t pid = writer_new(gate, memory, PAGES);
	char file[64];
	unsigned long offset;

	count_in("by=site", memory, PAGES);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	tell(HIST, "off");
	read_hist();
	CHECK_EQ(hist.row_count, 1);
	CHECK_EQ(row_work(&hist.rows[0], "frames_copied"), PAGES);
	CHECK_EQ(row_work(&hist.rows[0], "faults_copy"), PAGES);
	CHECK_EQ(row_work(&hist.rows[0], "faults"), PAGES);
	CHECK_EQ(sscanf(hist.rows[0].place, "%63[^+]+%lx", file, &offset), 2);
	CHECK(strcmp(file, "/tests/trace_hist") == 0);
	CHECK(offset >= from && offset < to);
	end();
}

TEST(every_outcome_has_its_column)
{
	volatile char *memory = tables_new(1);  /* another table would be taken back in one piece */
	volatile char *fresh = tables_new(1);   /* or be the table of zeros, for its first read */
	struct gate gate = gate_new();

	pages_mark(memory, 30, 1);
	pid_t holder = writer_new(gate, memory, 0);
	tell(TRACE, "off clear");
	count_in("by=range", fresh, 60);
	write_pages(fresh, 40);
	CHECK(bytes_are(fresh + 40 * PAGE, 20 * PAGE, 0));
	read_hist();
	CHECK_EQ(sum("frames_zeroed"), 40);
	CHECK_EQ(sum("faults_zero_write"), 40);
	CHECK_EQ(sum("faults_zero_read"), 20);
	CHECK_EQ(sum("frames_copied"), 0);

	count_in("by=range", memory, 30);
	write_pages(memory, 10);
	gate_open(gate);
	CHECK_EXIT(holder, 0);
	write_pages(memory, 30);
	read_hist();
	CHECK_EQ(sum("frames_copied"), 10);
	CHECK_EQ(sum("faults_copy"), 10);
	CHECK_EQ(sum("faults"), sum("faults_copy") + sum("faults_reuse"));
	end();
}

TEST(the_kernel_copies_for_who_calls_it)
{
	volatile char *memory = pages_filled(10);
	struct gate gate = gate_new();
	pid_t holder = writer_new(gate, memory, 0);
	int fd = open("/dev/zero", O_RDONLY);

	count_in("by=site", memory, 10);
	CHECK_EQ(read(fd, (void *)memory, 10 * PAGE), 10 * PAGE);
	read_hist();
	CHECK_EQ(hist.row_count, 1);
	CHECK_EQ(sum("frames_copied"), 10);
	CHECK(strncmp(hist.rows[0].place, "/tests/trace_hist+", 18) == 0);
	gate_open(gate);
	CHECK_EXIT(holder, 0);
	close(fd);
	end();
}

/* Whole pages at the end of the heap; the C library has its own ideas of sbrk(). */
static volatile char *heap_new(size_t count)
{
	uintptr_t from = ((uintptr_t)syscall(SYS_brk, 0) + PAGE - 1) / PAGE * PAGE;

	CHECK_EQ(syscall(SYS_brk, from + count * PAGE), from + count * PAGE);
	return (volatile char *)from;
}

TEST(ranges_have_their_names)
{
	volatile char *anonymous = pages_filled(20);
	volatile char *heap = heap_new(12);
	_Alignas(PAGE) volatile char stack[6 * PAGE];
	struct gate gate = gate_new();
	pid_t child[3];
	char place[64];

	write_pages(heap, 12);
	write_pages(stack, 6);
	tell(HIST, "off clear");
	child[0] = writer_new(gate, anonymous, 20);
	child[1] = writer_new(gate, heap, 12);
	child[2] = writer_new(gate, stack, 6);
	trace("pid=%d,%d,%d", child[0], child[1], child[2]);
	tell(HIST, "by=range");
	gate_open(gate);
	for (int i = 0; i < 3; i++)
		CHECK_EXIT(child[i], 0);
	tell(HIST, "off");

	slurp("/proc/self/maps");
	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		unsigned long from, to;
		CHECK_EQ(sscanf(line, "%lx-%lx", &from, &to), 2);
		if ((unsigned long)anonymous >= from && (unsigned long)anonymous < to)
			snprintf(place, sizeof(place), "%#lx-%#lx [anon]", from, to);
	}
	read_hist();
	CHECK(row_of(place) && row_of("[heap]") && row_of("[stack]"));
	CHECK_EQ(row_work(row_of(place), "frames_copied"), 20);
	CHECK_EQ(row_work(row_of("[heap]"), "frames_copied"), 12);
	CHECK(row_work(row_of("[stack]"), "frames_copied") >= 6);  /* and its own */
	end();
}

TEST(who_copies_most_comes_first)
{
	volatile char *memory = pages_filled(PAGES);
	struct gate gate = gate_new();
	const size_t counts[] = {40, PAGES, 7};
	const int order[] = {1, 0, 2};
	pid_t child[3];

	for (int i = 0; i < 3; i++)
		child[i] = writer_new(gate, memory, counts[i]);
	count_in("by=process", memory, PAGES);
	gate_open(gate);
	for (int i = 0; i < 3; i++)
		CHECK_EXIT(child[i], 0);
	read_hist();
	CHECK(strcmp(hist.by, "by=process") == 0);
	CHECK_EQ(hist.row_count, 3);
	for (int i = 0; i < 3; i++) {
		char place[64];
		snprintf(place, sizeof(place), "%d trace_hist", child[order[i]]);
		CHECK(strcmp(hist.rows[i].place, place) == 0);
		CHECK_EQ(row_work(&hist.rows[i], "frames_copied"), counts[order[i]]);
	}
	end();
}

TEST(what_finds_no_row_is_among_the_others)
{
	enum { RANGES = 560, ROWS = 512 };
	volatile char *memory = pages_new(2 * RANGES);

	for (int i = 0; i < RANGES; i++)
		CHECK_EQ(protect(memory + (2 * i + 1) * PAGE, 1, PROT_READ), 0);
	count_in("by=range", memory, 2 * RANGES);
	for (int i = 0; i < RANGES; i++)
		memory[2 * i * PAGE] = 1;
	read_hist();
	CHECK_EQ(hist.row_count, ROWS + 1);
	CHECK_EQ(sum("frames_zeroed"), RANGES);
	CHECK(row_of("(others)") == &hist.rows[ROWS]);
	CHECK_EQ(row_work(row_of("(others)"), "frames_zeroed"), RANGES - ROWS);
	end();
}

/* ---- threads ---- */

enum { THREADS = 4, EACH = 200 };

static void *fill_part(void *memory)
{
	write_pages(memory, EACH);
	return NULL;
}

/* Each has its own work, except those that were interrupted, which the table tells of. */
TEST(threads_do_not_count_for_each_other)
{
	volatile char *memory = pages_new(THREADS * EACH);
	pthread_t threads[THREADS];

	madvise((void *)memory, THREADS * EACH * PAGE, MADV_NOHUGEPAGE);
	count_in("by=site", memory, THREADS * EACH);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, fill_part,
				(void *)(memory + i * EACH * PAGE)), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	read_hist();
	CHECK(sum("frames_zeroed") >= THREADS * EACH);
	CHECK(hist.unsure < THREADS * EACH / 2);
	if (hist.unsure == 0)
		CHECK_EQ(sum("frames_zeroed"), THREADS * EACH);
	end();
}

static void copy_in_child(volatile char *memory)
{
	pid_t pid = fork();

	if (pid == 0) {
		write_pages(memory, PAGES);
		_exit(0);
	}
	CHECK_EXIT(pid, 0);
}

/* Tables and rings come and go under those who are about to write to them: the counts stay what
 * they should be, and no memory is missing at the end. */
TEST(switching_while_others_copy_disturbs_nobody)
{
	enum { WORKERS = 3, ROUNDS = 60 };
	volatile char *memory = pages_filled(PAGES);
	const char *const ways[] = {"by=site", "by=range clear", "by=process"};
	pid_t worker[WORKERS];

	for (int i = 0; i < WORKERS; i++) {
		worker[i] = fork();
		for (int round = 0; worker[i] == 0 && round < ROUNDS; round++)
			copy_in_child(memory);
		if (worker[i] == 0)
			_exit(0);
	}
	for (int i = 0; i < ROUNDS; i++) {
		tell(HIST, ways[i % 3]);
		trace("all");
		slurp(TRACE);
		tell(HIST, "off clear");
		tell(TRACE, i % 2 ? "pid=1 range=0-1" : "off clear");
	}
	for (int i = 0; i < WORKERS; i++)
		CHECK_EXIT(worker[i], 0);

	struct gate gate = gate_new();
	pid_t pid = writer_new(gate, memory, PAGES);
	count_in("by=process", memory, PAGES);
	gate_open(gate);
	CHECK_EXIT(pid, 0);
	read_hist();
	CHECK_EQ(sum("frames_copied"), PAGES);
	end();
}

/* ---- words ---- */

TEST(off_keeps_the_table_and_clear_forgets_it)
{
	volatile char *memory = pages_new(PAGES);

	count_in("by=site", memory, PAGES);
	write_pages(memory, 10);
	tell(HIST, "off");
	write_pages(memory + 10 * PAGE, 10);
	read_hist();
	CHECK(strcmp(hist.by, "off") == 0);
	CHECK_EQ(sum("frames_zeroed"), 10);
	tell(HIST, "by=site");
	write_pages(memory + 20 * PAGE, 10);
	read_hist();
	CHECK_EQ(sum("frames_zeroed"), 20);
	tell(HIST, "clear");
	write_pages(memory + 30 * PAGE, 3);
	read_hist();
	CHECK_EQ(sum("frames_zeroed"), 3);
	tell(HIST, "by=range");
	read_hist();
	CHECK_EQ(hist.row_count, 0);
	end();
	slurp(HIST);
	CHECK(strcmp(text, "# off\n") == 0);
}

TEST(words_that_mean_nothing_are_refused)
{
	static const char *const bad[] = {
		"by", "by=", "by=page", "site", "by=site nothing", "clear by=", "pid=1", "none"};

	tell(HIST, "by=range");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_ERRNO(try_to_write(HIST, bad[i]), EINVAL);
		read_hist();
		CHECK(strcmp(hist.by, "by=range") == 0);
	}
	end();
}

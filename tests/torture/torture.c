/* SPDX-License-Identifier: MIT */
/*
 * tests/torture/torture.c - the first program of a torture boot: one storm, then the reckoning.
 *
 *   SEED=7 STEPS=20 FORKS=12 HUGE=0 in the environment         HAND_OVER=1: see hand_over()
 *
 * With RUN=/tests/cow_basic that program runs instead of a storm.  What was recorded of it (events=
 * on the kernel's command line) is summed up, so that two boots can be compared to the last event:
 *
 *   done write 93, check 23, ...
 *   events 48211, lost 0, sum 0123456789abcdef
 *   ok
 *   not ok: audit: frame 1234 ...
 */
#include "judge.h"

#include <stdint.h>
#include <sys/mman.h>

#include "storm.h"

enum { PAGE = 4096, LOOK_MAX = 1 << 20, PROGRAM_SECONDS = 120 };

static char look[LOOK_MAX];

/* The stream of events, as /proc/trace_binary has it. */
struct stream {
	char *bytes;                    /* NULL: only summed up */
	size_t size;                    /* of all, heads included */
	uint64_t events, lost, sum;
};

struct trace_header {
	char magic[8];
	uint32_t version, header_size, record_size, reserved;
};

struct trace_record {
	uint64_t order, time_ns;
	uint32_t type, cpu, pid, tid;
	uint64_t arguments[3];
};

enum { TYPE_LOST = 0 };

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text ? strtoull(text, NULL, 0) : otherwise;
}

static size_t read_whole(const char *path)
{
	size_t len = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && len < sizeof(look) && (n = read(fd, look + len, sizeof(look) - len)) > 0)
		len += n;
	close(fd);
	return len;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		say("# cannot write %s\n", path);
	close(fd);
}

static void stream_add(struct stream *stream, size_t len)
{
	const struct trace_header *header = (const void *)look;
	const struct trace_record *record = (const void *)(look + header->header_size);
	const uint64_t *words = (const void *)record;

	for (; (const char *)(record + 1) <= look + len; record++) {
		stream->events += record->type != TYPE_LOST;
		stream->lost += record->type == TYPE_LOST ? record->arguments[0] : 0;
	}
	for (; (const char *)words < (const char *)record; words++)
		stream->sum = (stream->sum ^ *words) * 0x100000001b3ull;
	if (stream->bytes)
		memcpy(stream->bytes + stream->size, look, len);
	stream->size += len;
}

/* All that there is; a look that shows only its head was the last. */
static void stream_read(struct stream *stream)
{
	const struct trace_header *header = (const void *)look;

	stream->sum = 0xcbf29ce484222325ull;
	for (;;) {
		size_t len = read_whole("/proc/trace_binary");
		if (len < sizeof(*header) || len <= header->header_size)
			return;
		stream_add(stream, len);
	}
}

/*
 * Nothing is as fast as memory that the build machine can look into (tools/torture has made the
 * machine's memory a file).  It finds the pages by their mark.
 */
struct marked_page {
	char mark[16];
	uint32_t index, len;
	char bytes[PAGE - 24];
};

static void hand_over(const struct stream *stream)
{
	size_t part = sizeof(((struct marked_page *)0)->bytes);
	size_t pages = (stream->size + part - 1) / part;
	struct marked_page *page = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED) {
		say("# no memory to hand %zu bytes over\n", stream->size);
		return;
	}
	for (uint32_t i = 0; i < pages; i++, page++) {
		size_t left = stream->size - i * part;
		page->index = i;
		page->len = left < part ? left : part;
		memcpy(page->bytes, stream->bytes + i * part, page->len);
		memcpy(page->mark, "handed over here", sizeof(page->mark));
	}
}

/* A program of tests/user. */
static bool program_run(const char *path, char *why, size_t size)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		become(path);
	if (pid > 0 && wait_within(pid, PROGRAM_SECONDS, &status) && status == 0)
		return true;
	snprintf(why, size, "%s failed", path);
	return false;
}

/* What it touches of our own memory would be missing in the ledger. */
static void calm(void)
{
	const struct storm nothing = {.steps = 0};
	char why[400];

	if (!storm_run(&nothing, why, sizeof(why)))
		say("# %s\n", why);
	empty_directory("/tmp");
	warm_up();
}

static bool run(char *why, size_t size)
{
	struct storm storm = {
		.seed = number("SEED", 1), .steps = number("STEPS", 20),
		.forks = number("FORKS", 12), .is_huge = number("HUGE", 0),
	};

	return getenv("RUN") ? program_run(getenv("RUN"), why, size) : storm_run(&storm, why, size);
}

static void report_events(void)
{
	struct stream stream = {.bytes = NULL};

	if (number("HAND_OVER", 0)) {
		size_t most = number("HAND_OVER", 0) << 20;
		stream.bytes = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	}
	write_text("/proc/trace", "off");
	stream_read(&stream);
	say("events %lu, lost %lu, sum %016lx\n", stream.events, stream.lost, stream.sum);
	if (stream.bytes)
		hand_over(&stream);
}

int main(int argc, char **argv)
{
	struct ledger before;
	char why[400] = "", done[400];

	if (argc > 1 && strcmp(argv[1], STORM_EXEC_WORD) == 0)
		return 0;
	prepare();
	storms_prepare();
	calm();
	bool is_good = ledger_read(&before) && run(why, sizeof(why));
	empty_directory("/tmp");
	is_good = is_good && settled(&before, why, sizeof(why)) && audit_is_clean(why, sizeof(why));

	storms_print(done, sizeof(done));
	say("done %s\n", done);
	report_events();
	say(is_good ? "ok\n" : "not ok: %s\n", why);
	reboot(RB_POWER_OFF);
	return 1;
}

/* SPDX-License-Identifier: MIT */
/* Pipes from inside: the ring, its pages, polling.  tests/user/pipe.c has the rest. */
#include "lib/string.h"
#include "fs/pipe.h"
#include "kernel/clock.h"
#include "kernel/ktest.h"
#include "mm/frame.h"
#include "mm/slab.h"

static struct file *reader, *writer;

static void open_pipe(void)
{
	EXPECT_EQ(pipe_create(O_NONBLOCK, &reader, &writer), 0);
}

static void close_pipe(void)
{
	file_put(reader);
	file_put(writer);
}

static ssize_t put(const void *bytes, size_t len)
{
	return file_write(writer, buffer_kernel((void *)bytes), len, NULL);
}

static ssize_t take(void *bytes, size_t len)
{
	return file_read(reader, buffer_kernel(bytes), len, NULL);
}

KTEST(pipe, positions_go_round_the_ring)
{
	static uint8_t out[3000], in[3000];
	uint8_t next = 0, expected = 0;

	open_pipe();
	EXPECT_EQ(put(out, 1000), 1000);
	for (int round = 0; round < 100; round++) {
		for (size_t i = 0; i < sizeof(out); i++)
			out[i] = next++;
		EXPECT_EQ(put(out, sizeof(out)), sizeof(out));
		EXPECT_EQ(take(in, round == 0 ? 1000 : sizeof(in)), round == 0 ? 1000 : sizeof(in));
		for (size_t i = 0; round > 0 && i < sizeof(in); i++)
			EXPECT_EQ(in[i], expected++);
	}
	EXPECT_EQ(take(in, sizeof(in)), sizeof(in));
	EXPECT_EQ(take(in, 1), (uint64_t)-EAGAIN);
	close_pipe();
}

KTEST(pipe, nothing_is_allocated_before_it_is_needed)
{
	uint64_t objects, before;
	uint8_t byte = 0;

	open_pipe();
	slabs_trim();
	objects = slab_objects();
	before = frames_free();
	EXPECT_EQ(put(&byte, 1), 1);
	EXPECT(before - frames_free() <= 2);
	EXPECT_EQ(take(&byte, 1), 1);
	EXPECT(slab_objects() <= objects + 1);
	close_pipe();
}

KTEST(pipe, an_empty_pipe_keeps_one_page)
{
	static uint8_t bytes[65536];
	uint64_t full;

	open_pipe();
	EXPECT_EQ(put(bytes, sizeof(bytes)), sizeof(bytes));
	full = frames_free();
	EXPECT_EQ(take(bytes, sizeof(bytes)), sizeof(bytes));
	EXPECT(frames_free() >= full + 15);
	close_pipe();
}

KTEST(pipe, resizing_keeps_the_bytes)
{
	static uint8_t bytes[65536];

	open_pipe();
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 13);
	EXPECT_EQ(put(bytes, sizeof(bytes)), sizeof(bytes));
	EXPECT_EQ(take(bytes, 5000), 5000);
	EXPECT_EQ(put(bytes, 5000), 5000);
	EXPECT_EQ(pipe_set_size(writer, 4096), (uint64_t)-EBUSY);
	EXPECT_EQ(pipe_set_size(writer, 100000), 131072);
	EXPECT_EQ(put(bytes, 1), 1);
	memset(bytes, 0, sizeof(bytes));
	EXPECT_EQ(take(bytes, 60536), 60536);
	for (size_t i = 0; i < 60536; i++)
		EXPECT_EQ(bytes[i], (uint8_t)((i + 5000) * 13));
	EXPECT_EQ(take(bytes, 5000), 5000);
	EXPECT_EQ(bytes[4999], (uint8_t)(4999 * 13));
	EXPECT_EQ(pipe_set_size(writer, 1), 4096);
	EXPECT_EQ(take(bytes, 10), 1);
	close_pipe();
}

KTEST(pipe, readiness)
{
	uint8_t byte = 0;

	open_pipe();
	EXPECT_EQ(file_poll(reader, NULL), 0);
	EXPECT_EQ(file_poll(writer, NULL), POLLOUT | POLLWRNORM);
	EXPECT_EQ(put(&byte, 1), 1);
	EXPECT_EQ(file_poll(reader, NULL), POLLIN | POLLRDNORM);
	file_put(writer);
	EXPECT_EQ(file_poll(reader, NULL), POLLIN | POLLRDNORM | POLLHUP);
	EXPECT_EQ(take(&byte, 1), 1);
	EXPECT_EQ(take(&byte, 1), 0);
	file_put(reader);
}

KTEST(poll, waits_until_its_deadline)
{
	struct poll_entry entry = { .want = POLLIN };
	uint64_t deadline_ns;

	open_pipe();
	entry.file = reader;
	deadline_ns = clock_now_ns() + 2000000;
	EXPECT_EQ(poll_entries(&entry, 1, deadline_ns), 0);
	EXPECT(clock_now_ns() >= deadline_ns);
	EXPECT_EQ(put("x", 1), 1);
	EXPECT_EQ(poll_entries(&entry, 1, WAIT_FOREVER), 1);
	EXPECT_EQ(entry.got, POLLIN);
	close_pipe();
}

KTEST(poll, many_files_need_more_waiters)
{
	enum { MANY = 100 };
	static struct poll_entry entries[MANY];

	open_pipe();
	for (int i = 0; i < MANY; i++)
		entries[i] = (struct poll_entry){ .file = reader, .want = POLLIN };
	EXPECT_EQ(poll_entries(entries, MANY, clock_now_ns() + 100000), 0);
	EXPECT_EQ(put("x", 1), 1);
	EXPECT_EQ(poll_entries(entries, MANY, WAIT_FOREVER), MANY);
	close_pipe();
}

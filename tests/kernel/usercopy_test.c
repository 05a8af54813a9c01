/* SPDX-License-Identifier: MIT */
/* Copies to and from a program's memory, by a kernel task that borrows a space. */
#include "lib/abi/errno.h"
#include "lib/string.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/sched.h"
#include "tests/kernel/space_fixture.h"

enum { PAGES = 3, END = TEST_BASE + PAGES * PAGE_SIZE };

static void space_enter(struct space *space)
{
	current->space = space;
	task_set_context(&space->mmu);
}

static void space_leave(struct space *space)
{
	task_set_context(NULL);
	current->space = NULL;
	space_put(space);
}

KTEST(usercopy, bytes_cross_pages_and_come_back)
{
	struct space *space = test_space(PAGES);
	char text[] = "across the border of two pages", back[sizeof(text)] = "";

	space_enter(space);
	for (uint64_t shift = 0; shift < sizeof(text); shift++) {
		virt_t at = test_page(1) - shift;

		EXPECT_EQ(copy_to_user(at, text, sizeof(text)), 0);
		EXPECT_EQ(copy_from_user(back, at, sizeof(back)), 0);
		EXPECT(string_equals(back, text));
	}
	space_leave(space);
}

KTEST(usercopy, a_bad_page_stops_a_copy_at_its_first_byte)
{
	struct space *space = test_space(PAGES);
	char bytes[40];

	space_enter(space);
	memset(bytes, 'x', sizeof(bytes));
	for (uint64_t room = 0; room < sizeof(bytes); room++) {
		EXPECT_EQ(copy_to_user_partial(END - room, bytes, sizeof(bytes)), room);
		EXPECT_EQ(copy_from_user_partial(bytes, END - room, sizeof(bytes)), room);
		EXPECT_EQ(copy_to_user(END - room, bytes, sizeof(bytes)), -EFAULT);
		EXPECT_EQ(clear_user(END - room, room + 1), -EFAULT);
		EXPECT_EQ(clear_user(END - room, room), 0);
	}
	space_leave(space);
}

KTEST(usercopy, what_could_not_be_read_is_zero)
{
	struct space *space = test_space(PAGES);
	char bytes[16];

	space_enter(space);
	memset(bytes, 'x', sizeof(bytes));
	EXPECT_EQ(copy_to_user(END - 4, "abcd", 4), 0);
	EXPECT_EQ(copy_from_user(bytes, END - 4, sizeof(bytes)), -EFAULT);
	EXPECT(memcmp(bytes, "abcd\0\0\0\0\0\0\0\0\0\0\0", sizeof(bytes)) == 0);
	space_leave(space);
}

KTEST(usercopy, strings_end_at_their_nul)
{
	struct space *space = test_space(PAGES);
	char name[16];

	space_enter(space);
	EXPECT_EQ(copy_to_user(END - 9, "abcdefgh", 9), 0);
	EXPECT_EQ(copy_string_from_user(name, END - 9, sizeof(name)), 8);
	EXPECT(string_equals(name, "abcdefgh"));
	EXPECT_EQ(copy_string_from_user(name, END - 9, 9), 8);
	EXPECT_EQ(copy_string_from_user(name, END - 9, 8), -ENAMETOOLONG);
	EXPECT_EQ(copy_to_user(END - 1, "x", 1), 0);
	EXPECT_EQ(copy_string_from_user(name, END - 9, sizeof(name)), -EFAULT);
	space_leave(space);
}

KTEST(usercopy, addresses_of_the_kernel_are_refused)
{
	uint32_t word = 1, seen;

	EXPECT(!user_range_ok(USER_END, 1));
	EXPECT(!user_range_ok(USER_END - 4, 5));
	EXPECT(!user_range_ok(4096, UINT64_MAX));
	EXPECT(user_range_ok(USER_END - 4, 4));
	EXPECT_EQ(put_user_u32((virt_t)&word, 2), -EFAULT);
	EXPECT_EQ(get_user_u32((virt_t)&word, &seen), -EFAULT);
	EXPECT_EQ(cmpxchg_user_u32((virt_t)&word, 1, 2, &seen), -EFAULT);
	EXPECT_EQ(word, 1);
}

KTEST(usercopy, words_and_compare_exchange)
{
	struct space *space = test_space(PAGES);
	uint32_t word = 0;
	uint64_t quadword = 0;

	space_enter(space);
	EXPECT_EQ(put_user_u64(TEST_BASE, 0x1122334455667788), 0);
	EXPECT_EQ(get_user_u64(TEST_BASE, &quadword), 0);
	EXPECT_EQ(quadword, 0x1122334455667788);
	EXPECT_EQ(cmpxchg_user_u32(TEST_BASE, 0x55667788, 7, &word), 0);
	EXPECT_EQ(word, 0x55667788);
	EXPECT_EQ(cmpxchg_user_u32(TEST_BASE, 0x55667788, 8, &word), 0);
	EXPECT_EQ(word, 7);
	EXPECT_EQ(get_user_u32(TEST_BASE + 4, &word), 0);
	EXPECT_EQ(word, 0x11223344);
	EXPECT_EQ(cmpxchg_user_u32(TEST_BASE + 1, 0, 0, &word), -EFAULT);
	space_leave(space);
}

KTEST(usercopy, kernel_writes_copy_a_shared_page)
{
	struct space *parent = test_space(PAGES);

	test_poke(parent, TEST_BASE, 'p');
	struct space *child = test_fork(parent);
	space_enter(child);
	EXPECT_EQ(copy_to_user(TEST_BASE, "c", 1), 0);
	EXPECT_EQ(test_peek(child, TEST_BASE), 'c');
	EXPECT_EQ(test_peek(parent, TEST_BASE), 'p');
	EXPECT(test_frame(child, TEST_BASE) != test_frame(parent, TEST_BASE));
	space_leave(child);
	space_put(parent);
}

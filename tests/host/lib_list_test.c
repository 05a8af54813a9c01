// sources:
/* SPDX-License-Identifier: MIT */

/* The headers that are all inline: lists, bits, types, atomics, device numbers. */

#include "tap.h"
#include "lib/abi/types.h"
#include "lib/atomic.h"
#include "lib/bits.h"
#include "lib/list.h"

struct element {
	int number;
	struct list_node node;
};

static void elements_push(struct list *list, struct element *elements, int count)
{
	for (int i = 0; i < count; i++) {
		elements[i].number = i;
		list_push_back(list, &elements[i].node);
	}
}

TEST(new_list_is_empty)
{
	struct list list = LIST_INIT(list);

	EXPECT(list_is_empty(&list));
	EXPECT(list_first(&list) == NULL);
	EXPECT(list_last(&list) == NULL);
	EXPECT(list_pop_front(&list) == NULL);
	EXPECT(list_pop_back(&list) == NULL);
	EXPECT(list_length(&list) == 0);
}

TEST(nodes_keep_their_order)
{
	struct element elements[3];
	struct element *element;
	struct list list;
	int expected = 0;

	list_init(&list);
	elements_push(&list, elements, 3);
	list_for_each_entry(element, &list, node)
		EXPECT(element->number == expected++);
	EXPECT(expected == 3);
	EXPECT(list_first(&list) == &elements[0].node);
	EXPECT(list_last(&list) == &elements[2].node);
	EXPECT(list_next(&list, &elements[0].node) == &elements[1].node);
	EXPECT(list_next(&list, &elements[2].node) == NULL);
	EXPECT(list_prev(&list, &elements[0].node) == NULL);
}

TEST(push_front_goes_first)
{
	struct element elements[3];
	struct list list;

	list_init(&list);
	elements_push(&list, elements, 2);
	list_push_front(&list, &elements[2].node);
	EXPECT(list_pop_front(&list) == &elements[2].node);
	EXPECT(list_pop_back(&list) == &elements[1].node);
	EXPECT(list_pop_front(&list) == &elements[0].node);
	EXPECT(list_is_empty(&list));
}

TEST(removed_node_is_not_linked)
{
	struct element elements[3];
	struct list list;

	list_init(&list);
	elements_push(&list, elements, 3);
	EXPECT(list_node_is_linked(&elements[1].node));
	list_remove(&elements[1].node);
	EXPECT(!list_node_is_linked(&elements[1].node));
	list_remove(&elements[1].node);
	EXPECT(list_length(&list) == 2);
}

TEST(safe_walk_may_remove)
{
	struct element elements[4];
	struct element *element;
	struct list list;
	int visited = 0;

	list_init(&list);
	elements_push(&list, elements, 4);
	list_for_each_entry_safe(element, &list, node) {
		visited++;
		if (element->number % 2 == 0)
			list_remove(&element->node);
	}
	EXPECT(visited == 4);
	EXPECT(list_length(&list) == 2);
	list_for_each_safe(node, &list)
		list_remove(node);
	EXPECT(list_is_empty(&list));
}

TEST(splice_moves_all_in_order)
{
	struct element a[2];
	struct element b[3];
	struct list to;
	struct list from;

	list_init(&to);
	list_init(&from);
	list_splice_back(&to, &from);
	EXPECT(list_is_empty(&to));
	elements_push(&to, a, 2);
	elements_push(&from, b, 3);
	list_splice_back(&to, &from);
	EXPECT(list_is_empty(&from));
	EXPECT(list_length(&to) == 5);
	EXPECT(list_first(&to) == &a[0].node);
	EXPECT(list_next(&to, &a[1].node) == &b[0].node);
	EXPECT(list_last(&to) == &b[2].node);
	EXPECT(list_prev(&to, &b[0].node) == &a[1].node);
}

TEST(rounding_is_exact_at_the_edges)
{
	EXPECT(page_floor(4095) == 0 && page_floor(4096) == 4096);
	EXPECT(page_ceil(0) == 0 && page_ceil(1) == 4096 && page_ceil(4096) == 4096);
	EXPECT(page_count(0) == 0 && page_count(4096) == 1 && page_count(4097) == 2);
	EXPECT(page_count(~0ull) == 1ull << 52);
	EXPECT(div_round_up(0, 8) == 0 && div_round_up(9, 8) == 2);
	EXPECT(div_round_up(~0ull, 2) == 1ull << 63);
	EXPECT(is_aligned(64, 64) && !is_aligned(65, 64));
	EXPECT(is_power_of_two(1) && !is_power_of_two(0) && !is_power_of_two(6));
}

TEST(bit_scans_agree_with_their_names)
{
	EXPECT(bit_length(0) == 0 && bit_length(1) == 1 && bit_length(~0ull) == 64);
	EXPECT(log2_floor(1) == 0 && log2_floor(7) == 2 && log2_floor(8) == 3);
	EXPECT(log2_ceil(1) == 0 && log2_ceil(7) == 3 && log2_ceil(8) == 3 && log2_ceil(9) == 4);
	EXPECT(bit_lowest(12) == 2 && bit_highest(12) == 3 && bit_count(13) == 3);
}

TEST(min_and_max_evaluate_once)
{
	int n = 0;

	EXPECT(MIN(++n, 10) == 1);
	EXPECT(MAX(++n, 0) == 2);
	EXPECT(n == 2);
	EXPECT(COUNT(((int[]){ 1, 2, 3 })) == 3);
}

TEST(last_drop_and_only_it_is_told)
{
	uint32_t count = 2;
	uint32_t expected = 7;

	EXPECT(!atomic_dec_and_test(&count));
	EXPECT(atomic_dec_and_test(&count));
	EXPECT(!atomic_cmpxchg(&count, &expected, 9u));
	EXPECT(expected == 0);
	EXPECT(atomic_cmpxchg(&count, &expected, 9u) && count == 9);
	EXPECT(atomic_xchg(&count, 4u) == 9 && atomic_or(&count, 3u) == 4);
	EXPECT(atomic_add_return(&count, 1u) == 8);
}

TEST(device_numbers_survive_both_ways)
{
	static const uint32_t majors[] = { 0, 1, 5, 0xfff, 0x1000, 0xffffffff };
	static const uint32_t minors[] = { 0, 1, 64, 255, 256, 0xfffff, 0xffffffff };

	EXPECT(device_make(5, 1) == 0x501);
	for (size_t i = 0; i < COUNT(majors); i++) {
		for (size_t j = 0; j < COUNT(minors); j++) {
			uint64_t device = device_make(majors[i], minors[j]);

			EXPECT(device_major(device) == majors[i]);
			EXPECT(device_minor(device) == minors[j]);
		}
	}
}

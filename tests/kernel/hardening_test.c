/* SPDX-License-Identifier: MIT */
/*
 * What protects the kernel from programs, looked at from inside: every entry of the kernel's own
 * tables, every space's, and the processor's refusals when they are provoked.
 */
#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/trap.h"
#include "arch/x86_64/usercopy.h"
#include "mm/kstack.h"
#include "tests/kernel/space_fixture.h"

/* The leaf for an address in the kernel's half, with the write bit of the whole path; *span: how
 * much it covers. */
static pte_t kernel_leaf(virt_t addr, uint64_t *span)
{
	pte_t entry = { kernel_root | PTE_PRESENT | PTE_WRITE };
	uint64_t may_write = PTE_WRITE;
	int level = PTE_LEVELS;

	do {
		const pte_t *table = phys_to_virt(pte_pfn(entry) << PAGE_SHIFT);

		entry = table[pte_index(addr, level)];
		may_write &= entry.bits;
		*span = pte_span(level);
		level--;
	} while (pte_is_present(entry) && level > 0 && !(entry.bits & PTE_HUGE));
	return (pte_t){ (entry.bits & ~(uint64_t)PTE_WRITE) | may_write };
}

/* Every page of [start, end): is it there, may it be written, may it be executed? */
static void expect_rights(const char *start, const char *end, bool can_write, bool can_execute)
{
	uint64_t span;

	for (virt_t at = (virt_t)start; at < (virt_t)end; at += PAGE_SIZE) {
		pte_t leaf = kernel_leaf(at, &span);

		EXPECT(pte_is_present(leaf));
		EXPECT_EQ((leaf.bits & PTE_WRITE) != 0, can_write);
		EXPECT_EQ(!(leaf.bits & PTE_NX), can_execute);
		EXPECT(!(leaf.bits & PTE_USER));
	}
}

KTEST(hardening, each_part_of_the_image_has_its_rights)
{
	expect_rights(text_start, text_end, false, true);
	expect_rights(rodata_start, rodata_end, false, false);
	expect_rights(data_start, boot_stack_guard, true, false);
	expect_rights(boot_stack, image_end, true, false);
}

/* The same frames by their other name, in the direct map. */
KTEST(hardening, the_direct_map_opens_no_way_around)
{
	const char *text = phys_to_virt(virt_to_phys(text_start));
	const char *rodata = phys_to_virt(virt_to_phys(rodata_start));

	expect_rights(text, text + (text_end - text_start), false, false);
	expect_rights(rodata, rodata + (rodata_end - rodata_start), false, false);
}

KTEST(hardening, stacks_have_guards)
{
	virt_t stack = OBTAIN(kstack_alloc());
	uint64_t span;

	EXPECT(stack != 0);
	EXPECT(!pte_is_present(kernel_leaf((virt_t)boot_stack_guard, &span)));
	EXPECT(!pte_is_present(kernel_leaf(stack - PAGE_SIZE, &span)));
	EXPECT(!pte_is_present(kernel_leaf(stack + KSTACK_SIZE, &span)));
	expect_rights((const char *)stack, (const char *)stack + KSTACK_SIZE, true, false);
	kstack_free(stack);
	kstacks_trim();
}

KTEST(hardening, each_cpu_has_a_canary)
{
	for (uint32_t id = 0; id < cpu_count; id++) {
		EXPECT(cpus[id]->canary != 0);
		EXPECT_EQ(cpus[id]->canary & 0xff, 0);
	}
}

/* Nothing is mapped at the addresses that programs have. */
KTEST(hardening, the_kernels_root_has_no_programs_half)
{
	const pte_t *root = phys_to_virt(kernel_root);

	for (unsigned i = 0; i < PTE_PER_TABLE / 2; i++)
		EXPECT_EQ(root[i].bits, 0);
}

/* ---- programs ---- */

static uint64_t leaves_seen;

/* A program's leaf names a frame that is a program's or a file's, or the zeros. */
static void leaf_check(const struct leaf_visit *leaf, void *argument)
{
	enum frame_kind kind = frames[pte_pfn(leaf->leaf)].kind;

	leaves_seen++;
	EXPECT(kind == FRAME_DATA || kind == FRAME_ZERO || kind == FRAME_HUGETLB);
	EXPECT(leaf->addr < USER_END);
}

static void space_check(struct space *space, void *argument)
{
	write_lock(&space->lock);
	cursor_for_each(space, 0, USER_END, leaf_check, NULL);
	write_unlock(&space->lock);
}

KTEST(hardening, no_program_sees_a_frame_of_the_kernel)
{
	struct space *space = test_space(8);

	test_poke(space, TEST_BASE, 'x');
	EXPECT_EQ(test_peek(space, TEST_BASE + PAGE_SIZE), 0);
	leaves_seen = 0;
	space_for_each(space_check, NULL);
	EXPECT(leaves_seen >= 2);
	space_put(space);
}

/* ---- provoked ---- */

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

/* Read a program's word, or run its instruction, by an instruction that may fail.  True: it did
 * not.  (A line of the exception table says where to go on; see arch/x86_64/usercopy.asm.) */
#define OR_ELSE(at_, to_) \
	".pushsection .extable, \"a\"\n.balign 16\n.quad " at_ ", " to_ "\n.popsection\n"

static bool user_word_read(bool is_open)
{
	bool is_read = true;

	if (is_open)
		__asm__ volatile("stac" : : : "memory");
	__asm__ volatile("1: movl (%1), %%eax\n"
			 "jmp 3f\n"
			 "2: movb $0, %0\n"
			 "3:\n"
			 OR_ELSE("1b", "2b")
			 : "+m"(is_read) : "r"((virt_t)TEST_BASE) : "rax", "memory");
	if (is_open)
		__asm__ volatile("clac" : : : "memory");
	return is_read;
}

/* The program's page begins with jmp *%rdx, which would lead back here. */
static bool user_code_run(void)
{
	bool is_run = true;

	static_assert(TEST_BASE == 0x20000000, "it stands in the table below");
	__asm__ volatile("lea 3f(%%rip), %%rdx\n"
			 "jmp *%1\n"
			 "2: movb $0, %0\n"
			 "3:\n"
			 OR_ELSE("0x20000000", "2b")
			 : "+m"(is_run) : "r"((virt_t)TEST_BASE) : "rdx", "memory");
	return is_run;
}

KTEST(hardening, programs_memory_is_closed_to_the_kernel)
{
	enum { CR0_WRITE_PROTECT = 1 << 16 };
	struct space *space = test_space(1);
	uint32_t word = 0;

	if (!cpu_features.smap) {
		ktest_skip("no SMAP");
		space_put(space);
		return;
	}
	space_enter(space);
	EXPECT_EQ(put_user_u32(TEST_BASE, 7), 0);
	EXPECT(!user_word_read(false));
	EXPECT(user_word_read(true));
	EXPECT_EQ(get_user_u32(TEST_BASE, &word), 0);
	EXPECT_EQ(word, 7);
	EXPECT_EQ(read_rflags() & RFLAGS_AC, 0);
	EXPECT_EQ(get_user_u32(TEST_BASE + PAGE_SIZE, &word), -EFAULT);
	EXPECT_EQ(read_rflags() & RFLAGS_AC, 0);        /* nor after a copy that failed */
	EXPECT(read_cr0() & CR0_WRITE_PROTECT);
	space_leave(space);
}

KTEST(hardening, the_kernel_does_not_run_programs_code)
{
	static const uint8_t back[] = { 0xff, 0xe2 };   /* jmp *%rdx */
	struct space *space = test_space(1);

	space_enter(space);
	EXPECT_EQ(copy_to_user(TEST_BASE, back, sizeof(back)), 0);
	EXPECT_EQ(space_protect(space, TEST_BASE, PAGE_SIZE, PROT_READ | PROT_EXEC), 0);
	EXPECT_EQ(fault_resolve(space, TEST_BASE, ACCESS_EXEC), 0);
	EXPECT(!user_code_run() || !cpu_features.smep);
	space_leave(space);
}

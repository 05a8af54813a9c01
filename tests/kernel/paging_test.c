/* SPDX-License-Identifier: MIT */
/* The kernel's own mappings, and what protects them. */
#include "lib/string.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/paging.h"
#include "kernel/ktest.h"

enum { CR4_UMIP = 1 << 11, CR4_FSGSBASE = 1 << 16, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21 };

KTEST(paging, nothing_is_writable_and_executable_or_open_to_programs)
{
	EXPECT_EQ(paging_check_hardening(), 0);
}

/* The boot panics if it is not so; see kernel/main.c. */
KTEST(paging, a_writable_constant_is_noticed)
{
	const pte_t *root = phys_to_virt(kernel_root);
	pte_t top = root[pte_index((virt_t)rodata_start, 4)];
	pte_t *table = phys_to_virt(pte_pfn(top) << PAGE_SHIFT);

	for (int level = 3; level > 1; level--) {
		pte_t entry = table[pte_index((virt_t)rodata_start, level)];
		if (entry.bits & PTE_HUGE)
			return ktest_skip("constants lie in a huge page");
		table = phys_to_virt(pte_pfn(entry) << PAGE_SHIFT);
	}
	pte_t *slot = &table[pte_index((virt_t)rodata_start, 1)];
	slot->bits |= PTE_WRITE;
	unsigned wrong = paging_check_hardening();
	slot->bits &= ~(uint64_t)PTE_WRITE;
	EXPECT_EQ(wrong, 1);
	EXPECT_EQ(paging_check_hardening(), 0);
}

static const char *unprotected_with(uint64_t cr4)
{
	uint64_t flags = irq_save(), before = read_cr4();

	write_cr4(cr4);
	const char *missing = cpu_unprotected_by();
	write_cr4(before);
	irq_restore(flags);
	return missing ? missing : "";
}

KTEST(paging, protections_of_the_cpu_are_on)
{
	uint64_t cr4 = read_cr4();

	EXPECT(string_equals(unprotected_with(cr4), ""));
	EXPECT(string_equals(unprotected_with(cr4 & ~CR4_SMEP), cpu_features.smep ? "SMEP" : ""));
	EXPECT(string_equals(unprotected_with(cr4 & ~CR4_SMAP), cpu_features.smap ? "SMAP" : ""));
	EXPECT(string_equals(unprotected_with(cr4 & ~CR4_UMIP), cpu_features.umip ? "UMIP" : ""));
	if (cpu_features.fsgsbase)
		EXPECT(string_equals(unprotected_with(cr4 | CR4_FSGSBASE), "FSGSBASE off"));
}

KTEST(paging, new_roots_get_the_whole_kernel_half)
{
	static ALIGNED(4096) pte_t root[512];
	const pte_t *kernel = phys_to_virt(kernel_root);

	paging_fill_kernel_half(root);
	for (unsigned i = 0; i < 256; i++)
		EXPECT_EQ(root[i].bits, 0);
	for (unsigned i = 256; i < 512; i++)
		EXPECT_EQ(root[i].bits, kernel[i].bits);
	paging_clear_kernel_half(root);
	for (unsigned i = 0; i < 512; i++)
		EXPECT_EQ(root[i].bits, 0);
}

KTEST(paging, image_and_direct_map_show_the_same_bytes)
{
	static uint64_t word = 0x0123456789abcdef;
	const uint64_t *other = phys_to_virt(virt_to_phys(&word));

	EXPECT(other != &word);
	EXPECT_EQ(*other, word);
}

/* SPDX-License-Identifier: MIT */
/* The kernel's own mappings, and what protects them. */
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/paging.h"
#include "kernel/ktest.h"

enum { CR0_WRITE_PROTECT = 1 << 16, CR4_UMIP = 1 << 11, CR4_FSGSBASE = 1 << 16, CR4_SMEP = 1 << 20,
       CR4_SMAP = 1 << 21 };

KTEST(paging, nothing_is_writable_and_executable_or_open_to_programs)
{
	EXPECT_EQ(paging_check_hardening(), 0);
}

KTEST(paging, protections_of_the_cpu_are_on)
{
	EXPECT(read_cr0() & CR0_WRITE_PROTECT);
	EXPECT(!(read_cr4() & CR4_FSGSBASE));
	EXPECT_EQ((read_cr4() & CR4_SMEP) != 0, cpu_features.smep);
	EXPECT_EQ((read_cr4() & CR4_SMAP) != 0, cpu_features.smap);
	EXPECT_EQ((read_cr4() & CR4_UMIP) != 0, cpu_features.umip);
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

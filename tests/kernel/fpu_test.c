/* SPDX-License-Identifier: MIT */
/* FPU state in memory and back. */
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/fpu.h"
#include "kernel/ktest.h"
#include "kernel/spinlock.h"
#include "mm/slab.h"

KTEST(fpu, registers_come_back)
{
	uint8_t *memory = kmalloc(2 * 4096), *state = memory;
	uint64_t low = 0x1122334455667788, seen = 0;

	preempt_disable();
	fpu_state_reset(state);
	fpu_restore(state);
	__asm__ volatile("movq %0, %%xmm5" : : "r"(low));
	fpu_save(state);
	__asm__ volatile("pxor %xmm5, %xmm5");
	fpu_restore(state);
	__asm__ volatile("movq %%xmm5, %0" : "=r"(seen));
	preempt_enable();
	EXPECT_EQ(seen, low);
	kfree(memory);
}

KTEST(fpu, state_of_this_cpu_fits)
{
	EXPECT(fpu_state_bytes() >= 512);
	EXPECT(fpu_user_bytes() >= fpu_state_bytes());
	EXPECT_EQ(cpu_features.xsave, fpu_user_bytes() > fpu_state_bytes());
}

/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/offsets.c - what assembly must know about C's structures.
 *
 * Compiled to assembly only, never linked: tools/make-offsets reads the marks.
 * See: arch/x86_64/offsets.h.
 */
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/offsets.h"
#include "arch/x86_64/trap.h"
#include "kernel/task.h"

void offsets(void)
{
	OFFSET(CPU_TASK, struct cpu, task);
	OFFSET(CPU_KERNEL_STACK, struct cpu, kernel_stack);
	OFFSET(CPU_USER_STACK, struct cpu, user_stack);
	OFFSET(CPU_PREEMPT_DEPTH, struct cpu, preempt_depth);
	OFFSET(CPU_NEED_RESCHED, struct cpu, need_resched);

	OFFSET(TASK_STACK_POINTER, struct task, stack_pointer);
	OFFSET(TASK_WORK, struct task, work);

	OFFSET(FRAME_VECTOR, struct trap_frame, vector);
	OFFSET(FRAME_CS, struct trap_frame, cs);
	OFFSET(FRAME_RFLAGS, struct trap_frame, rflags);
	OFFSET(FRAME_R11, struct trap_frame, r11);
	OFFSET(FRAME_RAX, struct trap_frame, rax);
	OFFSET(FRAME_RSP, struct trap_frame, rsp);
	VALUE(FRAME_BYTES, sizeof(struct trap_frame));

	VALUE(VECTOR_PAGE_FAULT, VECTOR_PAGE_FAULT);
	VALUE(VECTOR_SYSCALL, VECTOR_SYSCALL);
	VALUE(SELECTOR_USER_CODE, SELECTOR_USER_CODE);
	VALUE(SELECTOR_USER_DATA, SELECTOR_USER_DATA);
	VALUE(SELECTOR_KERNEL_CODE, SELECTOR_KERNEL_CODE);
	VALUE(SELECTOR_KERNEL_DATA, SELECTOR_KERNEL_DATA);
	VALUE(RFLAGS_IF, RFLAGS_IF);
	VALUE(MSR_EFER, MSR_EFER);
	VALUE(MSR_GS_BASE, MSR_GS_BASE);
	VALUE(PAGE_SIZE, PAGE_SIZE);
}

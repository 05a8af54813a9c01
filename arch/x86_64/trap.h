/* SPDX-License-Identifier: MIT */
/*
 * arch/x86_64/trap.h - what the processor saved, and telling faults, interrupts and bugs apart.
 *
 * The frame lies at the top of the task's kernel stack, for system calls, faults and interrupts
 * alike, so that whoever needs a program's registers finds them in one place (task_frame()).
 */
#pragma once

#include "lib/types.h"

struct trap_frame {
	uint64_t r15, r14, r13, r12, rbp, rbx;          /* kept by C functions */
	uint64_t r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t vector;                /* VECTOR_SYSCALL after a system call */
	uint64_t error;                 /* error code; after a system call its number (orig_rax) */
	uint64_t rip, cs, rflags, rsp, ss;              /* pushed by the CPU */
};

enum vector {
	VECTOR_DIVIDE = 0, VECTOR_DEBUG = 1, VECTOR_NMI = 2, VECTOR_BREAKPOINT = 3,
	VECTOR_OVERFLOW = 4, VECTOR_BOUND = 5, VECTOR_INVALID_OPCODE = 6, VECTOR_NO_FPU = 7,
	VECTOR_DOUBLE_FAULT = 8,
	VECTOR_INVALID_TSS = 10, VECTOR_NO_SEGMENT = 11, VECTOR_STACK = 12, VECTOR_PROTECTION = 13,
	VECTOR_PAGE_FAULT = 14, VECTOR_FPU = 16, VECTOR_ALIGNMENT = 17, VECTOR_MACHINE_CHECK = 18,
	VECTOR_SIMD = 19,
	VECTOR_IRQ_BASE = 0x20,         /* + global interrupt of the I/O APIC */
	VECTOR_TIMER = 0xf0, VECTOR_RESCHEDULE = 0xf1, VECTOR_CALL = 0xf2, VECTOR_SHOOTDOWN = 0xf3,
	VECTOR_SPURIOUS = 0xff,
	VECTOR_SYSCALL = 0x100,
};

enum { SELECTOR_KERNEL_CODE = 0x08, SELECTOR_KERNEL_DATA = 0x10,
       SELECTOR_USER_DATA = 0x1b, SELECTOR_USER_CODE = 0x23, SELECTOR_TSS = 0x28 };

enum { RFLAGS_CF = 1, RFLAGS_FIXED = 2, RFLAGS_TF = 1 << 8, RFLAGS_IF = 1 << 9, RFLAGS_DF = 1 << 10,
       RFLAGS_NT = 1 << 14, RFLAGS_RF = 1 << 16, RFLAGS_AC = 1 << 18 };

/* What a program may set in its flags through sigreturn. */
#define RFLAGS_USER (0x1ull | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x800 | 0x10000 | 0x40000)

/* Bits of a page fault's error code. */
enum { FAULT_PRESENT = 1, FAULT_WRITE = 2, FAULT_USER = 4, FAULT_RESERVED = 8, FAULT_FETCH = 16 };

/*
 * The quick way out of a system call gives the program back only rax and what C functions clobber;
 * the rest is still in the CPU.  Whoever changes more of the frame than rax during a system call
 * (exec, sigreturn) says so here, which also means that there is no call to restart any more.
 */
enum { VECTOR_REPLACED = 0x101 };

static inline void frame_set_replaced(struct trap_frame *frame)
{
	frame->vector = VECTOR_REPLACED;
}

static inline bool frame_is_user(const struct trap_frame *frame)
{
	return (frame->cs & 3) == 3;
}

/* All vectors come here from trap_entry.asm, interrupts off; only programs' page faults go to the
 * other. */
void trap(struct trap_frame *frame);
void trap_user_page_fault(struct trap_frame *frame);

/* Before returning to a program: runs upcall_return_to_user while work is pending.  Called by the
 * assembly exits with interrupts off; returns with interrupts off. */
void trap_exit_to_user(struct trap_frame *frame);

/* Have `handler` called for interrupt `irq` of the ISA bus.  Interrupt context.  Boot only. */
void irq_attach(unsigned irq, void (*handler)(void));

/* Print the registers on the console. */
void frame_print(const struct trap_frame *frame);

/*
 * In trap_entry.asm; not to be called from C.  trap_return_to_user: interrupts off, rsp = a user
 * frame; does pending work, gives the program all its registers.  New tasks begin there.
 * trap_vectors: where the gates lead, one piece of code for each vector.
 */
void trap_return_to_user(void);
enum { TRAP_VECTOR_BYTES = 16 };
extern const uint8_t trap_vectors[256][TRAP_VECTOR_BYTES];

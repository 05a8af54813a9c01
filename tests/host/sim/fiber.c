/* SPDX-License-Identifier: MIT */
/*
 * tests/host/sim/fiber.c - stacks to change to and from.
 */
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <stdlib.h>
#include <string.h>

#include "tests/host/sim/fiber.h"

enum { STACK_SIZE = 256 << 10, SAVED_REGISTERS = 6 };

static void *real_stack_pointer;
static const void *real_stack;
static size_t real_stack_size;

void fiber_switch(void **save, void *load);

__asm__(".text\n"
	".globl fiber_switch\n"
	"fiber_switch:\n"
	"	pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp\n"
	"	ret\n");

/*
 *   end of the stack  |  0       |  as if `begin` had been called: 8 mod 16 at its start
 *                     |  begin   |  fiber_switch() returns there
 *                     |  0 ... 0 |  registers
 */
void fiber_make(struct fiber *fiber, void (*begin)(void))
{
	uint64_t *top;

	if (!fiber->stack)
		fiber->stack = aligned_alloc(4096, STACK_SIZE);
	ASAN_UNPOISON_MEMORY_REGION(fiber->stack, STACK_SIZE);
	top = (uint64_t *)(fiber->stack + STACK_SIZE);
	*--top = 0;
	*--top = (uint64_t)begin;
	top -= SAVED_REGISTERS;
	memset(top, 0, SAVED_REGISTERS * sizeof(*top));
	fiber->stack_pointer = top;
}

void fiber_begun(void)
{
	__sanitizer_finish_switch_fiber(NULL, &real_stack, &real_stack_size);
}

void fiber_enter(struct fiber *fiber)
{
	void *sanitizer;

	__sanitizer_start_switch_fiber(&sanitizer, fiber->stack, STACK_SIZE);
	fiber_switch(&real_stack_pointer, fiber->stack_pointer);
	__sanitizer_finish_switch_fiber(sanitizer, NULL, NULL);
}

void fiber_leave(struct fiber *fiber)
{
	__sanitizer_start_switch_fiber(&fiber->sanitizer, real_stack, real_stack_size);
	fiber_switch(&fiber->stack_pointer, real_stack_pointer);
	__sanitizer_finish_switch_fiber(fiber->sanitizer, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * kernel/arguments.h - what a new program finds on its stack.
 *
 *      stack_top -> 8 bytes of zeros
 *                   name of the program's file
 *                   environment strings
 *                   argument strings
 *                   platform, 16 random bytes
 *                   auxiliary vector, environment pointers, argument pointers
 *      rsp       -> number of arguments                            16-byte aligned
 *
 * Strings are collected in kernel memory first, in the order in which they will stand on the stack.
 * See: System V ABI for x86-64, 3.4.1 Initial Stack and Register State.
 */
#pragma once

#include "lib/abi/elf.h"
#include "mm/space.h"

struct arguments {
	char *bytes;                    /* argument strings, then environment strings, with NULs */
	size_t used, capacity;
	size_t limit;                   /* for the strings and the pointers to them */
	size_t args_used;               /* how many of the bytes are arguments' */
	uint32_t argc, envc;
};

/* Empty; stack_limit: RLIMIT_STACK. */
void arguments_init(struct arguments *arguments, uint64_t stack_limit);
void arguments_free(struct arguments *arguments);

/* Vectors end with a null pointer; a null vector is empty.  -E2BIG, -EFAULT, -ENOMEM.  Arguments
 * come before the environment. */
MUST_CHECK int arguments_add(struct arguments *arguments, char *const vector[]);
MUST_CHECK int arguments_add_user(struct arguments *arguments, virt_t vector);
MUST_CHECK int environment_add(struct arguments *arguments, char *const vector[]);
MUST_CHECK int environment_add_user(struct arguments *arguments, virt_t vector);

/* For #! scripts: put a string before all others; take the first one away. */
MUST_CHECK int arguments_prepend(struct arguments *arguments, const char *string);
void arguments_drop_first(struct arguments *arguments);

/* Room for the auxiliary vector; AT_RANDOM, AT_PLATFORM and AT_EXECFN are filled in while
 * building. */
enum { AUXV_MAX = 24, PROGRAM_RANDOM_BYTES = 16 };
struct stack_plan {
	const struct arguments *arguments;
	const char *file_name;
	struct elf64_auxv auxv[AUXV_MAX];
	unsigned auxv_count;
	uint8_t random[PROGRAM_RANDOM_BYTES];   /* for the program: AT_RANDOM */
	bool is_executable;
	virt_t rsp;                     /* result */
};

void auxv_add(struct stack_plan *plan, uint64_t type, uint64_t value);

/* Map the stack of an unpublished space below its stack_top and write all this.  -ENOMEM,
 * -E2BIG. */
MUST_CHECK int stack_build(struct space *space, struct stack_plan *plan);

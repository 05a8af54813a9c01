/* SPDX-License-Identifier: MIT */
/*
 * kernel/arguments.c - what a new program finds on its stack.
 *
 * Owns:       strings between two programs.
 * Invariants: the strings' bytes and eight for each pointer to them never exceed the limit.
 *             Each string of a program is read once: what was checked is what is used.
 */
#include "kernel/arguments.h"

#include "lib/abi/errno.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "arch/x86_64/usercopy.h"
#include "kernel/panic.h"
#include "mm/mmap.h"
#include "mm/slab.h"
#include "mm/uaccess.h"

enum {
	STRING_MAX = 128 * 1024,        /* with its NUL */
	LIMIT_LEAST = 128 * 1024,
	LIMIT_MOST = 2 * 1024 * 1024,
	CAPACITY_FIRST = 4096,
	STACK_ROOM = 128 * 1024,        /* mapped below the first rsp from the start */
	STACK_ALIGNMENT = 16,
};

static const char platform[] = "x86_64";

void arguments_init(struct arguments *arguments, uint64_t stack_limit)
{
	uint64_t limit = MAX(stack_limit / 4, (uint64_t)LIMIT_LEAST);

	*arguments = (struct arguments){ .limit = MIN(limit, (uint64_t)LIMIT_MOST) };
}

void arguments_free(struct arguments *arguments)
{
	kfree(arguments->bytes);
	arguments->bytes = NULL;
}

/* ---- collecting ----------------------------------------------------------------------------- */

/* Bytes that strings may still take, if one more pointer is needed too. */
static size_t room_left(const struct arguments *arguments)
{
	size_t pointers = (arguments->argc + arguments->envc + 1) * sizeof(uint64_t);
	size_t taken = arguments->used + pointers;

	return taken < arguments->limit ? arguments->limit - taken : 0;
}

/* Make room for `bytes` more. */
static int grow(struct arguments *arguments, size_t bytes)
{
	size_t capacity = arguments->capacity ? arguments->capacity : CAPACITY_FIRST;

	while (capacity - arguments->used < bytes)
		capacity *= 2;
	if (capacity == arguments->capacity)
		return 0;
	char *larger = kmalloc(capacity);
	if (!larger)
		return -ENOMEM;
	if (arguments->bytes)
		memcpy(larger, arguments->bytes, arguments->used);
	kfree(arguments->bytes);
	arguments->bytes = larger;
	arguments->capacity = capacity;
	return 0;
}

static int string_add(struct arguments *arguments, const char *string)
{
	size_t size = strlen(string) + 1;

	if (size > STRING_MAX || size > room_left(arguments))
		return -E2BIG;
	int err = grow(arguments, size);
	if (err)
		return err;
	memcpy(arguments->bytes + arguments->used, string, size);
	arguments->used += size;
	return 0;
}

/* Its length is not known before it has been read: try with the room there is, then with more. */
static int string_add_user(struct arguments *arguments, virt_t from)
{
	size_t most = MIN((size_t)STRING_MAX, room_left(arguments));
	size_t piece = MIN(most, MAX(arguments->capacity - arguments->used, (size_t)256));

	for (;;) {
		int err = grow(arguments, piece);
		if (err)
			return err;
		char *end = arguments->bytes + arguments->used;
		ssize_t len = copy_string_from_user(end, from, piece);
		if (len >= 0) {
			arguments->used += (size_t)len + 1;
			return 0;
		}
		if (len != -ENAMETOOLONG)
			return (int)len;
		if (piece == most)
			return -E2BIG;
		piece = MIN(most, piece * 8);
	}
}

static int vector_add(struct arguments *arguments, char *const vector[], uint32_t *count)
{
	for (; vector && *vector; vector++, ++*count) {
		int err = string_add(arguments, *vector);
		if (err)
			return err;
	}
	return 0;
}

static int vector_add_user(struct arguments *arguments, virt_t vector, uint32_t *count)
{
	for (; vector; vector += sizeof(uint64_t), ++*count) {
		uint64_t string;
		int err = get_user_u64(vector, &string);
		if (err || !string)
			return err;
		err = string_add_user(arguments, string);
		if (err)
			return err;
	}
	return 0;
}

/* A program may rely on argv[0]. */
static int arguments_end(struct arguments *arguments)
{
	int err = 0;

	if (arguments->argc == 0) {
		err = string_add(arguments, "");
		arguments->argc = 1;
	}
	arguments->args_used = arguments->used;
	return err;
}

int arguments_add(struct arguments *arguments, char *const vector[])
{
	int err = vector_add(arguments, vector, &arguments->argc);
	return err ? err : arguments_end(arguments);
}

int arguments_add_user(struct arguments *arguments, virt_t vector)
{
	int err = vector_add_user(arguments, vector, &arguments->argc);
	return err ? err : arguments_end(arguments);
}

int environment_add(struct arguments *arguments, char *const vector[])
{
	return vector_add(arguments, vector, &arguments->envc);
}

int environment_add_user(struct arguments *arguments, virt_t vector)
{
	return vector_add_user(arguments, vector, &arguments->envc);
}

int arguments_prepend(struct arguments *arguments, const char *string)
{
	size_t size = strlen(string) + 1, before = arguments->used;

	int err = string_add(arguments, string);
	if (err)
		return err;
	memmove(arguments->bytes + size, arguments->bytes, before);
	memcpy(arguments->bytes, string, size);
	arguments->args_used += size;
	arguments->argc++;
	return 0;
}

void arguments_drop_first(struct arguments *arguments)
{
	size_t size = strlen(arguments->bytes) + 1;

	assert(arguments->argc > 0);
	memmove(arguments->bytes, arguments->bytes + size, arguments->used - size);
	arguments->used -= size;
	arguments->args_used -= size;
	arguments->argc--;
}

/* ---- building ------------------------------------------------------------------------------- */

/* Where the parts come to lie. */
struct stack_parts {
	virt_t file_name, strings, platform, random, vectors;
	size_t words;
};

void auxv_add(struct stack_plan *plan, uint64_t type, uint64_t value)
{
	assert(plan->auxv_count < AUXV_MAX);
	plan->auxv[plan->auxv_count++] = (struct elf64_auxv){ type, value };
}

static struct stack_parts parts_place(const struct space *space, const struct stack_plan *plan)
{
	const struct arguments *arguments = plan->arguments;
	const size_t counts_and_nulls = 3;
	struct stack_parts parts;

	parts.file_name = space->stack_top - sizeof(uint64_t) - (strlen(plan->file_name) + 1);
	parts.strings = parts.file_name - arguments->used;
	parts.platform = parts.strings - sizeof(platform);
	parts.random = align_down(parts.platform - sizeof(plan->random), STACK_ALIGNMENT);
	parts.words = arguments->argc + arguments->envc + counts_and_nulls + 2 * plan->auxv_count;
	parts.vectors = align_down(parts.random - parts.words * sizeof(uint64_t), STACK_ALIGNMENT);
	return parts;
}

static int stack_map(struct space *space, const struct stack_plan *plan, virt_t rsp)
{
	virt_t start = page_floor(rsp) - STACK_ROOM;
	struct map_request request = {
		.addr = start,
		.len = space->stack_top - start,
		.prot = PROT_READ | PROT_WRITE | (plan->is_executable ? PROT_EXEC : 0),
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		.vma_flags = VMA_STACK | VMA_GROWSDOWN,
	};

	return space_map(space, &request, &start);
}

/* Pointers to `count` strings that follow each other in kernel memory and will at `at`. */
static uint64_t *pointers_fill(uint64_t *words, const char **string, virt_t *at, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		size_t size = strlen(*string) + 1;
		*words++ = *at;
		*string += size;
		*at += size;
	}
	*words++ = 0;
	return words;
}

/* The whole of it as it will lie from parts->vectors up to the top. */
static void image_fill(char *image, const struct stack_plan *plan, const struct stack_parts *parts)
{
	const struct arguments *arguments = plan->arguments;
	const char *string = arguments->bytes;
	uint64_t *words = (uint64_t *)image;
	virt_t at = parts->strings;

	*words++ = arguments->argc;
	words = pointers_fill(words, &string, &at, arguments->argc);
	words = pointers_fill(words, &string, &at, arguments->envc);
	memcpy(words, plan->auxv, plan->auxv_count * sizeof(plan->auxv[0]));
	memcpy(image + (parts->random - parts->vectors), plan->random, sizeof(plan->random));
	memcpy(image + (parts->platform - parts->vectors), platform, sizeof(platform));
	memcpy(image + (parts->strings - parts->vectors), arguments->bytes, arguments->used);
	memcpy(image + (parts->file_name - parts->vectors), plan->file_name,
	       strlen(plan->file_name));
}

static int image_write(struct space *space, const struct stack_plan *plan,
		       const struct stack_parts *parts)
{
	size_t size = space->stack_top - parts->vectors;
	char *image = kzalloc(size);

	if (!image)
		return -ENOMEM;
	image_fill(image, plan, parts);
	int err = space_write(space, parts->vectors, image, size);
	kfree(image);
	return err;
}

int stack_build(struct space *space, struct stack_plan *plan)
{
	const unsigned still_to_add = 4;

	plan->auxv_count += still_to_add;
	struct stack_parts parts = parts_place(space, plan);
	plan->auxv_count -= still_to_add;
	auxv_add(plan, AT_RANDOM, parts.random);
	auxv_add(plan, AT_PLATFORM, parts.platform);
	auxv_add(plan, AT_EXECFN, parts.file_name);
	auxv_add(plan, AT_NULL, 0);

	int err = stack_map(space, plan, parts.vectors);
	if (!err)
		err = image_write(space, plan, &parts);
	if (err)
		return err == -EFAULT || err == -EEXIST ? -ENOMEM : err;
	space->program.args_start = parts.strings;
	space->program.args_end = parts.strings + plan->arguments->args_used;
	space->program.env_start = space->program.args_end;
	space->program.env_end = parts.strings + plan->arguments->used;
	space->program.auxv_end = parts.vectors + parts.words * sizeof(uint64_t);
	space->program.auxv_start =
		space->program.auxv_end - plan->auxv_count * sizeof(plan->auxv[0]);
	plan->rsp = parts.vectors;
	return 0;
}

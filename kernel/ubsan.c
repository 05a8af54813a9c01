/* SPDX-License-Identifier: MIT */
/*
 * kernel/ubsan.c - undefined behaviour, reported where it happens.
 *
 * The compiler tests every operation whose result the language leaves open, and calls one of these
 * when it is.  Each brings a description that begins with a place in the source; the values come as
 * they lie in registers, or by address if they are wider than that.
 *
 * See: kernel/sanitizer.h; the names that begin with two underscores are the compiler's.
 */
#include "lib/types.h"
#include "kernel/printk.h"
#include "kernel/sanitizer.h"

struct place {
	const char *file;
	uint32_t line, column;
};

/* kind 0: an integer; info is 2 * log2(bits), + 1 if it has a sign. */
struct type {
	uint16_t kind, info;
	char name[];
};

struct typed {
	struct place place;
	const struct type *type;
};

struct shift {
	struct place place;
	const struct type *left, *right;
};

struct index {
	struct place place;
	const struct type *array, *index;
};

struct mismatch {
	struct place place;
	const struct type *type;
	uint8_t log_alignment, check;
};

struct argument {
	struct place place, attribute_place;
	int number;
};

/* How an address is used: `check` of struct mismatch. */
static const char *const uses[] = {
	"load of", "store to", "reference to", "member of", "call of a member of",
	"constructor call on", "downcast to", "downcast to", "upcast to", "cast to",
	"null passed for", "dynamic operation on",
};

static bool is_integer_in_register(const struct type *type)
{
	return type->kind == 0 && type->info >> 1 <= 6;
}

static bool is_negative(const struct type *type, uint64_t value)
{
	unsigned bits = 1u << (type->info >> 1);

	return is_integer_in_register(type) && type->info & 1 && value >> (bits - 1) & 1;
}

/* As a number that has a sign, if the type has: the register holds only the type's own bits. */
static int64_t value_of(const struct type *type, uint64_t value)
{
	unsigned bits = 1u << (type->info >> 1);

	if (!is_negative(type, value) || bits == 64)
		return (int64_t)value;
	return (int64_t)(value | UINT64_MAX << bits);
}

#define REPORT(place_, kind_, ...) \
	do { \
		const struct place *at_ = (place_); \
		if (sanitizer_found(kind_)) { \
			console_print("\nubsan: " __VA_ARGS__); \
			console_print("\n"); \
			sanitizer_die("ubsan: %s at %s:%u:%u", kind_, at_->file, at_->line, \
				      at_->column); \
		} \
	} while (0)

#define OVERFLOW(which, sign) \
	void __ubsan_handle_##which##_overflow(const struct typed *what, uint64_t a, uint64_t b); \
	void __ubsan_handle_##which##_overflow(const struct typed *what, uint64_t a, uint64_t b) \
	{ \
		REPORT(&what->place, "overflow", "%ld " sign " %ld does not fit %s", \
		       value_of(what->type, a), value_of(what->type, b), what->type->name); \
	}

OVERFLOW(add, "+")
OVERFLOW(sub, "-")
OVERFLOW(mul, "*")

void __ubsan_handle_negate_overflow(const struct typed *what, uint64_t value);
void __ubsan_handle_divrem_overflow(const struct typed *what, uint64_t a, uint64_t b);
void __ubsan_handle_shift_out_of_bounds(const struct shift *what, uint64_t left, uint64_t right);
void __ubsan_handle_out_of_bounds(const struct index *what, uint64_t index);
void __ubsan_handle_type_mismatch_v1(const struct mismatch *what, virt_t pointer);
void __ubsan_handle_pointer_overflow(const struct place *what, virt_t base, virt_t result);
void __ubsan_handle_load_invalid_value(const struct typed *what, uint64_t value);
void __ubsan_handle_vla_bound_not_positive(const struct typed *what, uint64_t bound);
void __ubsan_handle_nonnull_arg(const struct argument *what);
void __ubsan_handle_nonnull_return_v1(const void *attribute, const struct place *what);
void __ubsan_handle_invalid_builtin(const struct place *what);
void __ubsan_handle_builtin_unreachable(const struct place *what);
void __ubsan_handle_missing_return(const struct place *what);

void __ubsan_handle_negate_overflow(const struct typed *what, uint64_t value)
{
	REPORT(&what->place, "overflow", "- %ld does not fit %s", value_of(what->type, value),
	       what->type->name);
}

void __ubsan_handle_divrem_overflow(const struct typed *what, uint64_t a, uint64_t b)
{
	REPORT(&what->place, "division", "%ld / %ld in %s", value_of(what->type, a),
	       value_of(what->type, b), what->type->name);
}

void __ubsan_handle_shift_out_of_bounds(const struct shift *what, uint64_t left, uint64_t right)
{
	REPORT(&what->place, "shift", "%ld of %s is shifted by %ld", value_of(what->left, left),
	       what->left->name, value_of(what->right, right));
}

void __ubsan_handle_out_of_bounds(const struct index *what, uint64_t index)
{
	REPORT(&what->place, "bounds", "index %ld in %s", value_of(what->index, index),
	       what->array->name);
}

void __ubsan_handle_type_mismatch_v1(const struct mismatch *what, virt_t pointer)
{
	uint64_t alignment = 1ull << what->log_alignment;
	const char *use = what->check < COUNT(uses) ? uses[what->check] : "use of";

	if (pointer == 0)
		REPORT(&what->place, "null pointer", "%s a null pointer to %s", use,
		       what->type->name);
	else if (pointer % alignment != 0)
		REPORT(&what->place, "alignment", "%s %#lx, not a multiple of %lu, as %s", use,
		       pointer, alignment, what->type->name);
	else
		REPORT(&what->place, "object size", "%s %#lx, too small for %s", use, pointer,
		       what->type->name);
}

void __ubsan_handle_pointer_overflow(const struct place *what, virt_t base, virt_t result)
{
	REPORT(what, "pointer overflow", "from %#lx to %#lx", base, result);
}

void __ubsan_handle_load_invalid_value(const struct typed *what, uint64_t value)
{
	REPORT(&what->place, "invalid value", "%ld in %s", value_of(what->type, value),
	       what->type->name);
}

void __ubsan_handle_vla_bound_not_positive(const struct typed *what, uint64_t bound)
{
	REPORT(&what->place, "array length", "%ld elements", value_of(what->type, bound));
}

void __ubsan_handle_nonnull_arg(const struct argument *what)
{
	REPORT(&what->place, "null argument", "argument %d must not be null", what->number);
}

void __ubsan_handle_nonnull_return_v1(const void *attribute, const struct place *what)
{
	REPORT(what, "null result", "the result must not be null");
}

void __ubsan_handle_invalid_builtin(const struct place *what)
{
	REPORT(what, "invalid builtin", "zero passed to a builtin that counts bits");
}

void __ubsan_handle_builtin_unreachable(const struct place *what)
{
	REPORT(what, "unreachable", "a place that is never reached");
}

void __ubsan_handle_missing_return(const struct place *what)
{
	REPORT(what, "missing return", "a function ends without its result");
}

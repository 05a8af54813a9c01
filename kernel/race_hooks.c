/* SPDX-License-Identifier: MIT */
/*
 * kernel/race_hooks.c - what the compiler calls before every access, in the build SAN=race.
 *
 * Owns: nothing; each function looks for a race and then does what it was called for.
 * See:  gcc(1), -fsanitize=thread, tsan-distinguish-volatile; ld(1), --wrap.
 */
#include "lib/atomic.h"
#include "arch/x86_64/layout.h"
#include "kernel/race.h"

/* Our own frame begins with a pointer to that of the function which accesses. */
#define LOOK(addr, size, kind) \
	race_look((addr), (size), (kind), (virt_t)__builtin_return_address(0), \
		  *(const virt_t *const *)__builtin_frame_address(0))

void __tsan_init(void);

void __tsan_init(void)
{
}

#define ACCESS(name, size, kind) \
	void __tsan_##name(void *addr); \
	void __tsan_##name(void *addr) \
	{ \
		LOOK(addr, size, kind); \
	}

#define ACCESSES(size) \
	ACCESS(read##size, size, RACE_PLAIN) \
	ACCESS(write##size, size, RACE_WRITE) \
	ACCESS(unaligned_read##size, size, RACE_PLAIN) \
	ACCESS(unaligned_write##size, size, RACE_WRITE) \
	ACCESS(volatile_read##size, size, RACE_MARKED) \
	ACCESS(volatile_write##size, size, RACE_WRITE | RACE_MARKED) \
	ACCESS(unaligned_volatile_read##size, size, RACE_MARKED) \
	ACCESS(unaligned_volatile_write##size, size, RACE_WRITE | RACE_MARKED)

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

#define ACCESS_RANGE(name, kind) \
	void __tsan_##name##_range(void *addr, size_t size); \
	void __tsan_##name##_range(void *addr, size_t size) \
	{ \
		LOOK(addr, size, kind); \
	}

ACCESS_RANGE(read, RACE_PLAIN)
ACCESS_RANGE(write, RACE_WRITE)

/*
 * Atomic operations come as calls.  The order asked for is ignored where the instruction orders
 * everything anyway; a plain store does not, so one that must is an exchange.
 */
#define ATOMIC_FETCH(bits, operation) \
	uint##bits##_t __tsan_atomic##bits##_fetch_##operation(uint##bits##_t *p, \
		uint##bits##_t value, int order); \
	uint##bits##_t __tsan_atomic##bits##_fetch_##operation(uint##bits##_t *p, \
		uint##bits##_t value, int order) \
	{ \
		LOOK(p, (bits) / 8, RACE_WRITE | RACE_MARKED); \
		return __atomic_fetch_##operation(p, value, __ATOMIC_SEQ_CST); \
	}

#define ATOMIC_COMPARE_EXCHANGE(bits, strength) \
	bool __tsan_atomic##bits##_compare_exchange_##strength(uint##bits##_t *p, \
		uint##bits##_t *expected, uint##bits##_t desired, int order, int order_else); \
	bool __tsan_atomic##bits##_compare_exchange_##strength(uint##bits##_t *p, \
		uint##bits##_t *expected, uint##bits##_t desired, int order, int order_else) \
	{ \
		LOOK(p, (bits) / 8, RACE_WRITE | RACE_MARKED); \
		return __atomic_compare_exchange_n(p, expected, desired, false, __ATOMIC_SEQ_CST, \
						   __ATOMIC_SEQ_CST); \
	}

#define ATOMIC(bits) \
	uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *p, int order); \
	uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *p, int order) \
	{ \
		LOOK(p, (bits) / 8, RACE_MARKED); \
		return __atomic_load_n(p, __ATOMIC_SEQ_CST); \
	} \
	void __tsan_atomic##bits##_store(uint##bits##_t *p, uint##bits##_t value, int order); \
	void __tsan_atomic##bits##_store(uint##bits##_t *p, uint##bits##_t value, int order) \
	{ \
		LOOK(p, (bits) / 8, RACE_WRITE | RACE_MARKED); \
		if (order == __ATOMIC_SEQ_CST) \
			__atomic_store_n(p, value, __ATOMIC_SEQ_CST); \
		else \
			__atomic_store_n(p, value, __ATOMIC_RELEASE); \
	} \
	uint##bits##_t __tsan_atomic##bits##_exchange(uint##bits##_t *p, uint##bits##_t value, \
		int order); \
	uint##bits##_t __tsan_atomic##bits##_exchange(uint##bits##_t *p, uint##bits##_t value, \
		int order) \
	{ \
		LOOK(p, (bits) / 8, RACE_WRITE | RACE_MARKED); \
		return __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST); \
	} \
	ATOMIC_FETCH(bits, add) \
	ATOMIC_FETCH(bits, sub) \
	ATOMIC_FETCH(bits, and) \
	ATOMIC_FETCH(bits, or) \
	ATOMIC_FETCH(bits, xor) \
	ATOMIC_COMPARE_EXCHANGE(bits, strong) \
	ATOMIC_COMPARE_EXCHANGE(bits, weak)

ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)

void __tsan_atomic_thread_fence(int order);

void __tsan_atomic_thread_fence(int order)
{
	if (order == __ATOMIC_SEQ_CST)
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	else
		compiler_barrier();
}

/*
 * Calls of these go to __wrap_NAME instead (the linker's --wrap); __real_NAME is the function.  Of
 * a copy to or from a program only the kernel's side is looked at.
 */
void *__real_memcpy(void *to, const void *from, size_t size);
void *__wrap_memcpy(void *to, const void *from, size_t size);
void *__real_memmove(void *to, const void *from, size_t size);
void *__wrap_memmove(void *to, const void *from, size_t size);
void *__real_memset(void *to, int byte, size_t size);
void *__wrap_memset(void *to, int byte, size_t size);
int __real_memcmp(const void *a, const void *b, size_t size);
int __wrap_memcmp(const void *a, const void *b, size_t size);
size_t __real_user_copy(void *to, const void *from, size_t len);
size_t __wrap_user_copy(void *to, const void *from, size_t len);

void *__wrap_memcpy(void *to, const void *from, size_t size)
{
	LOOK(from, size, RACE_PLAIN);
	LOOK(to, size, RACE_WRITE);
	return __real_memcpy(to, from, size);
}

void *__wrap_memmove(void *to, const void *from, size_t size)
{
	LOOK(from, size, RACE_PLAIN);
	LOOK(to, size, RACE_WRITE);
	return __real_memmove(to, from, size);
}

void *__wrap_memset(void *to, int byte, size_t size)
{
	LOOK(to, size, RACE_WRITE);
	return __real_memset(to, byte, size);
}

int __wrap_memcmp(const void *a, const void *b, size_t size)
{
	LOOK(a, size, RACE_PLAIN);
	LOOK(b, size, RACE_PLAIN);
	return __real_memcmp(a, b, size);
}

size_t __wrap_user_copy(void *to, const void *from, size_t len)
{
	if ((virt_t)to >= DIRECT_MAP)
		LOOK(to, len, RACE_WRITE);
	else
		LOOK(from, len, RACE_PLAIN);
	return __real_user_copy(to, from, len);
}

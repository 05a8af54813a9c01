/* SPDX-License-Identifier: MIT */
/*
 * tests/host/machine.c - a machine for kernel code on the build machine.
 *
 * Owns: RAM, the CPUs' areas and what the kernel's base would provide: locks, panics, log lines,
 * hooks.  Every definition is weak, see machine.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/atomic.h"
#include "lib/string.h"
#include "lib/types.h"
#include "lib/abi/errno.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/tlb.h"
#include "boot/bootinfo.h"
#include "kernel/event.h"
#include "kernel/hooks.h"
#include "kernel/mutex.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/spinlock.h"
#include "kernel/upcall.h"
#include "tests/host/machine.h"

#define WEAK __attribute__((weak))

/* ---- the machine ---- */

WEAK char *host_ram;
WEAK __thread struct cpu *host_cpu;
WEAK struct cpu *cpus[CPU_MAX];
WEAK uint32_t cpu_count = HOST_CPUS;
WEAK struct cpu_features cpu_features;
WEAK struct bootinfo bootinfo;
WEAK struct options options;

static struct cpu host_cpus[HOST_CPUS];
static struct task host_tasks[HOST_CPUS];
static uint32_t locks_held;

WEAK void host_machine_start(uint64_t bytes)
{
	free(host_ram);
	host_ram = aligned_alloc(4 * MIB, bytes);
	if (host_ram == NULL)
		panic("no %llu bytes for the machine", (unsigned long long)bytes);

	bootinfo = (struct bootinfo){ .loader = "host", .memory_count = 2 };
	bootinfo.memory[0] = (struct boot_memory){ 0, 640 * KIB, BOOT_MEMORY_USABLE };
	bootinfo.memory[1] = (struct boot_memory){ 1 * MIB, bytes, BOOT_MEMORY_USABLE };
	for (unsigned i = 0; i < HOST_CPUS; i++) {
		host_cpus[i] = (struct cpu){ .self = &host_cpus[i], .id = i, .online = true };
		host_cpus[i].task = &host_tasks[i];
		cpus[i] = &host_cpus[i];
	}
	host_become_cpu(0);
}

WEAK void host_become_cpu(unsigned id)
{
	host_cpu = &host_cpus[id];
}

WEAK bool host_is_quiet(void)
{
	return locks_held == 0 && host_cpu->preempt_depth == 0;
}

/* ---- translations: nothing caches them here ---- */

WEAK struct mmu_context kernel_context;

WEAK void tlb_flush_range(struct mmu_context *context, virt_t start, virt_t end)
{
}

WEAK void tlb_shoot_down(
	const struct mmu_context *context, uint64_t targets, virt_t start, virt_t end)
{
}

WEAK void tlb_flush_all(struct mmu_context *context)
{
}

WEAK void tlb_flush_kernel(virt_t start, virt_t end)
{
}

WEAK void tlb_flush_local_page(virt_t addr)
{
}

WEAK void paging_fill_kernel_half(pte_t *root)
{
	root[511] = (pte_t){ PTE_PRESENT };
}

WEAK void paging_clear_kernel_half(pte_t *root)
{
	root[511] = PTE_NONE;
}

/* ---- locks: with one thread, waiting for one is a mistake ---- */

WEAK void preempt_disable(void)
{
	host_cpu->preempt_depth++;
}

WEAK void preempt_enable(void)
{
	assert(host_cpu->preempt_depth > 0);
	host_cpu->preempt_depth--;
}

WEAK void spin_init(struct spinlock *lock, enum lock_rank rank)
{
	*lock = (struct spinlock)SPINLOCK_INIT(rank);
}

WEAK void spin_lock(struct spinlock *lock)
{
	assert(!lock->held);
	preempt_disable();
	lock->held = 1;
	locks_held++;
}

WEAK bool spin_try_lock(struct spinlock *lock)
{
	if (lock->held)
		return false;
	spin_lock(lock);
	return true;
}

WEAK void spin_unlock(struct spinlock *lock)
{
	assert(lock->held);
	lock->held = 0;
	locks_held--;
	preempt_enable();
}

WEAK uint64_t spin_lock_irq(struct spinlock *lock)
{
	spin_lock(lock);
	return 0;
}

WEAK void spin_unlock_irq(struct spinlock *lock, uint64_t flags)
{
	spin_unlock(lock);
}

WEAK bool spin_is_held(const struct spinlock *lock)
{
	return lock->held;
}

WEAK void spin_lock_byte(uint8_t *lock)
{
	assert(*lock == 0);
	preempt_disable();
	*lock = 1;
	locks_held++;
}

WEAK void spin_unlock_byte(uint8_t *lock)
{
	assert(*lock == 1);
	*lock = 0;
	locks_held--;
	preempt_enable();
}

WEAK void lock_rank_enter(const void *lock, enum lock_rank rank)
{
}

WEAK void lock_rank_note(const void *lock, enum lock_rank rank)
{
}

WEAK void lock_rank_leave(const void *lock)
{
}

WEAK void assert_may_sleep(void)
{
	assert(host_is_quiet());
}

WEAK void reschedule_point(void)
{
	assert_may_sleep();
}

WEAK void mutex_init(struct mutex *mutex, enum lock_rank rank)
{
	*mutex = (struct mutex){ .rank = rank };
}

WEAK void mutex_lock(struct mutex *mutex)
{
	assert_may_sleep();
	assert(mutex->state == 0);
	mutex->state = 1;
}

WEAK bool mutex_try_lock(struct mutex *mutex)
{
	if (mutex->state != 0)
		return false;
	mutex_lock(mutex);
	return true;
}

WEAK int mutex_lock_interruptible(struct mutex *mutex)
{
	mutex_lock(mutex);
	return 0;
}

WEAK void mutex_unlock(struct mutex *mutex)
{
	assert(mutex->state == 1);
	mutex->state = 0;
}

WEAK bool mutex_is_mine(const struct mutex *mutex)
{
	return mutex->state != 0;
}

/* state: readers, or UINT32_MAX for a writer */
WEAK void rwlock_init(struct rwlock *lock, enum lock_rank rank)
{
	*lock = (struct rwlock){ .rank = rank };
}

WEAK void read_lock(struct rwlock *lock)
{
	assert_may_sleep();
	assert(lock->state != UINT32_MAX);
	lock->state++;
}

WEAK void read_unlock(struct rwlock *lock)
{
	assert(lock->state > 0 && lock->state != UINT32_MAX);
	lock->state--;
}

WEAK void write_lock(struct rwlock *lock)
{
	assert_may_sleep();
	assert(lock->state == 0);
	lock->state = UINT32_MAX;
}

WEAK bool write_try_lock(struct rwlock *lock)
{
	if (lock->state != 0)
		return false;
	write_lock(lock);
	return true;
}

WEAK void write_unlock(struct rwlock *lock)
{
	assert(lock->state == UINT32_MAX);
	lock->state = 0;
}

WEAK bool rwlock_is_held(const struct rwlock *lock)
{
	return lock->state != 0;
}

WEAK bool rwlock_is_write_held(const struct rwlock *lock)
{
	return lock->state == UINT32_MAX;
}

/* ---- words: lines are TAP comments ---- */

static void line_print(const char *prefix, const char *fmt, va_list args)
{
	printf("# %s", prefix);
	vprintf(fmt, args);
	printf("\n");
	fflush(stdout);
}

WEAK void panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line_print("panic: ", fmt, args);
	va_end(args);
	abort();
}

WEAK void assert_failed(const char *text, const char *file, int line)
{
	panic("%s:%d: assert(%s)", file, line, text);
}

WEAK void log_line(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line_print("", fmt, args);
	va_end(args);
}

/* ---- what programs may: everything ---- */

WEAK bool upcall_is_privileged(void)
{
	return true;
}

WEAK bool upcall_is_dying(void)
{
	return false;
}

WEAK int upcall_find_memory(void)
{
	return -ENOMEM;
}

WEAK uint64_t upcall_rlimit(unsigned which)
{
	return ~0ull;
}

/* ---- hooks and events ---- */

WEAK bool (*host_fault_hook)(const char *name);
WEAK void (*host_event_hook)(enum event_type type, uint64_t a, uint64_t b, uint64_t c);
WEAK uint64_t event_mask;

WEAK bool fault_point_fails(const char *what)
{
	return host_fault_hook != NULL && host_fault_hook(what);
}

WEAK void jitter(void)
{
}

WEAK void event_record(enum event_type type, uint64_t a, uint64_t b, uint64_t c)
{
	if (host_event_hook != NULL)
		host_event_hook(type, a, b, c);
}

/* SPDX-License-Identifier: MIT */
/* The ranks, contracts and structure are the kernel's; the functions are plain calls, which
 * tests/host/machine.c or a simulation defines. */
#pragma once

#define spin_lock        spin_lock_by_gs
#define spin_try_lock    spin_try_lock_by_gs
#define spin_unlock      spin_unlock_by_gs
#define spin_lock_irq    spin_lock_irq_by_gs
#define spin_unlock_irq  spin_unlock_irq_by_gs
#define spin_is_held     spin_is_held_by_gs
#define spin_lock_byte   spin_lock_byte_by_gs
#define spin_unlock_byte spin_unlock_byte_by_gs
#define preempt_disable  preempt_disable_by_gs
#define preempt_enable   preempt_enable_by_gs
#include_next "kernel/spinlock.h"
#undef spin_lock
#undef spin_try_lock
#undef spin_unlock
#undef spin_lock_irq
#undef spin_unlock_irq
#undef spin_is_held
#undef spin_lock_byte
#undef spin_unlock_byte
#undef preempt_disable
#undef preempt_enable

void spin_lock(struct spinlock *lock) ACQUIRES(*lock);
bool spin_try_lock(struct spinlock *lock) TRY_ACQUIRES(true, *lock);
void spin_unlock(struct spinlock *lock) RELEASES(*lock);
MUST_CHECK uint64_t spin_lock_irq(struct spinlock *lock) ACQUIRES(*lock);
void spin_unlock_irq(struct spinlock *lock, uint64_t flags) RELEASES(*lock);
bool spin_is_held(const struct spinlock *lock);
void spin_lock_byte(uint8_t *lock);
void spin_unlock_byte(uint8_t *lock);
void preempt_disable(void);
void preempt_enable(void);

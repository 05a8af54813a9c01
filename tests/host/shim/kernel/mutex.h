/* SPDX-License-Identifier: MIT */
/* Contracts and structures are the kernel's; the functions are plain calls, which
 * tests/host/machine.c or a simulation defines. */
#pragma once

#define mutex_lock               mutex_lock_inline
#define mutex_try_lock           mutex_try_lock_inline
#define mutex_lock_interruptible mutex_lock_interruptible_inline
#define mutex_unlock             mutex_unlock_inline
#define mutex_is_mine            mutex_is_mine_inline
#define read_lock                read_lock_inline
#define read_unlock              read_unlock_inline
#define write_lock               write_lock_inline
#define write_try_lock           write_try_lock_inline
#define write_unlock             write_unlock_inline
#define rwlock_is_held           rwlock_is_held_inline
#define rwlock_is_write_held     rwlock_is_write_held_inline
#include_next "kernel/mutex.h"
#undef mutex_lock
#undef mutex_try_lock
#undef mutex_lock_interruptible
#undef mutex_unlock
#undef mutex_is_mine
#undef read_lock
#undef read_unlock
#undef write_lock
#undef write_try_lock
#undef write_unlock
#undef rwlock_is_held
#undef rwlock_is_write_held

void mutex_lock(struct mutex *mutex) ACQUIRES(*mutex);
bool mutex_try_lock(struct mutex *mutex) TRY_ACQUIRES(true, *mutex);
MUST_CHECK int mutex_lock_interruptible(struct mutex *mutex) TRY_ACQUIRES(0, *mutex);
void mutex_unlock(struct mutex *mutex) RELEASES(*mutex);
bool mutex_is_mine(const struct mutex *mutex);

void read_lock(struct rwlock *lock) ACQUIRES_SHARED(*lock);
void read_unlock(struct rwlock *lock) RELEASES_SHARED(*lock);
void write_lock(struct rwlock *lock) ACQUIRES(*lock);
bool write_try_lock(struct rwlock *lock) TRY_ACQUIRES(true, *lock);
void write_unlock(struct rwlock *lock) RELEASES(*lock);
bool rwlock_is_held(const struct rwlock *lock);
bool rwlock_is_write_held(const struct rwlock *lock);

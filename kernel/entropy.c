/* SPDX-License-Identifier: MIT */
/*
 * kernel/entropy.c - numbers nobody can guess.
 *
 * Owns: the generator, seeded from the hardware's generator (RDRAND) where there is one, from the
 *   cycle counter and the time of day otherwise; that is weak, and said so on the console.
 * Locks: entropy_lock, held for at most CHUNK bytes at a time.
 * See: lib/random.h.
 */

#include "kernel/entropy.h"
#include "lib/random.h"
#include "lib/string.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/insn.h"
#include "kernel/options.h"
#include "kernel/printk.h"
#include "kernel/spinlock.h"

enum { CHUNK = 256, RDRAND_TRIES = 16, POOL = 224, SMALL = 32 };

static struct spinlock entropy_lock = SPINLOCK_INIT(RANK_ENTROPY);
static struct csprng csprng;                    /* [entropy_lock] */

/* Made in one go for those who want few: four blocks of the generator, less its next key. */
static uint8_t pool[POOL];                      /* [entropy_lock] */
static size_t pool_left;                        /* [entropy_lock] at its front */

static bool hardware_random(uint64_t *value)
{
	for (int i = 0; cpu_features.rdrand && i < RDRAND_TRIES; i++) {
		if (rdrand(value))
			return true;
	}
	return false;
}

void entropy_start(void)
{
	uint64_t seed[CSPRNG_SEED_SIZE / sizeof(uint64_t)];
	bool is_good = true;

	for (size_t i = 0; i < COUNT(seed); i++) {
		if (options.seed) {
			seed[i] = options.seed + i;
		} else if (!hardware_random(&seed[i])) {
			seed[i] = rdtsc();
			is_good = false;
		}
	}
	if (!is_good)
		log_warn("random: no hardware generator, numbers may be guessed");
	csprng_seed(&csprng, (const uint8_t *)seed);
}

/* What is handed out is forgotten here. */
static void pool_fill(void *buf, size_t len)
{
	spin_lock(&entropy_lock);
	if (pool_left < len) {
		csprng_fill(&csprng, pool, sizeof(pool));
		pool_left = sizeof(pool);
	}
	pool_left -= len;
	memcpy(buf, pool + pool_left, len);
	memset(pool + pool_left, 0, len);
	spin_unlock(&entropy_lock);
}

void entropy_fill(void *buf, size_t len)
{
	if (len <= SMALL) {
		pool_fill(buf, len);
		return;
	}
	for (size_t done = 0; done < len;) {
		size_t chunk = MIN(len - done, (size_t)CHUNK);

		spin_lock(&entropy_lock);
		csprng_fill(&csprng, (uint8_t *)buf + done, chunk);
		spin_unlock(&entropy_lock);
		done += chunk;
	}
}

uint64_t entropy_u64(void)
{
	uint64_t value;

	entropy_fill(&value, sizeof(value));
	return value;
}

void entropy_mix(const void *bytes, size_t len)
{
	spin_lock(&entropy_lock);
	csprng_mix(&csprng, bytes, MIN(len, (size_t)CHUNK));
	pool_left = 0;
	spin_unlock(&entropy_lock);
}

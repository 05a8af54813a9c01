/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Two generators.  struct random repeats itself from its seed: for tests and jitter.
 * struct csprng cannot be guessed from what it gave: for programs.  Neither locks.
 */

#include "lib/types.h"

/* xoshiro256**, seeded through splitmix64. */
struct random {
	uint64_t s[4];
};

void random_seed(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);

/* A number in [0, n), each as likely as the other.  `n` is not 0. */
uint64_t random_below(struct random *random, uint64_t n);

/* ChaCha20 (RFC 8439) that changes its key after every use, so that the past stays secret. */
#define CSPRNG_SEED_SIZE 32

struct csprng {
	uint32_t key[CSPRNG_SEED_SIZE / 4];
};

/* Start from CSPRNG_SEED_SIZE unguessable bytes. */
void csprng_seed(struct csprng *csprng, const uint8_t *seed);

/* Stir `len` further bytes into the key; they can only make it harder to guess. */
void csprng_mix(struct csprng *csprng, const void *bytes, size_t len);

void csprng_fill(struct csprng *csprng, void *buf, size_t len);

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

/** @file Injectable randomness. Libraries never ask the system for random bytes themselves. */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct base_random {
    /** Fill @p ret_data with @p length random bytes, or fail; never fewer. */
    enum base_status (*fill)(void *user, void *ret_data, size_t length, struct base_err *err);
    void *user; /**< borrowed */
};

/** The kernel's generator (getrandom(2)); static storage. */
const struct base_random *base_random_system(void);

/** Fill through @p random. BASE_E_ARG when it has no fill function; else what fill() says. */
BASE_MUST_CHECK
enum base_status base_random_fill(
    const struct base_random *random, void *ret_data, size_t length, struct base_err *err);

/**
 * Repeatable bytes from a seed, for simulations and tests only: SHA-256(seed, counter). Whoever
 * knows the seed knows every byte.
 */
struct base_random_seeded {
    uint64_t seed;
    uint64_t counter;          /**< blocks drawn so far */
    struct base_random random; /**< hand out a pointer to this */
};

void base_random_seeded_init(struct base_random_seeded *seeded, uint64_t seed);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_LOG_KEY_H
#define TESTS_FUZZ_LOG_KEY_H

/** @file The log key that seeds are signed with and that the target checks against. */

#include "base/note.h"
#include "tests/fuzz/fuzz.h"

/** The same key every time. */
static inline void log_key_make(struct base_note_key *ret_key)
{
    struct base_random_seeded seeded;
    base_random_seeded_init(&seeded, 1);
    FUZZ_CHECK(base_note_key_generate(
                   "station-1", BASE_NOTE_ED25519, &seeded.random, ret_key, NULL) == BASE_OK);
}

#endif

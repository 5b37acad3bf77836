/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RANDOM_H
#define BL_RANDOM_H

/**
 * @file
 * Random bytes: raw noise with health tests (SP 800-90B), conditioned and stretched by
 * HMAC-DRBG-SHA-256 (SP 800-90A), reseeded before every request. A failure is final until the next
 * reset.
 */

#include "device-fw/bootloader/health.h"
#include "device-fw/protocol/layout.h"

#include <bearssl.h>
#include <stddef.h>

struct bl_random {
    struct bl_health health;
    br_hmac_drbg_context drbg;
    bool good;
};

/**
 * Start the source, run the start-up tests over 4096 bits that are then thrown away, and seed.
 *
 * @param chip_id  personalisation (SP 800-90A §8.7.1): chips with the same noise still differ
 * @return false: no random bytes until the next reset
 */
bool bl_random_start(struct bl_random *random, const uint8_t chip_id[PROTO_CHIP_ID_SIZE]);

/** Reseed with 1024 raw bits and give @p length bytes. False: failed; @p ret_data is zeros. */
bool bl_random_bytes(struct bl_random *random, void *ret_data, size_t length);

/** Reseed, so that the generator may be handed to a key generation. False: failed. */
bool bl_random_reseed(struct bl_random *random);

#endif

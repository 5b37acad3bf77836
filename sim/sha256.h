/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SHA256_H
#define SIM_SHA256_H

/** @file SHA-256 (FIPS 180-4) with the block function in reach, which the chip's accelerator needs.
 */

#include <stddef.h>
#include <stdint.h>

struct sim_sha256 {
    uint32_t state[8];
    uint8_t block[64];
    size_t used;
    uint64_t length;
};

/** One round over a 64-byte block in natural byte order. */
void sim_sha256_block(uint32_t state[8], const uint8_t block[64]);
void sim_sha256_init(struct sim_sha256 *sha);
void sim_sha256_add(struct sim_sha256 *sha, const void *data, size_t length);
void sim_sha256_end(struct sim_sha256 *sha, uint8_t ret_digest[32]);

#endif

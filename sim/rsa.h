/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_RSA_H
#define SIM_RSA_H

/** @file RSASSA-PKCS1-v1_5 verification with SHA-256 and a 2048-bit key (RFC 8017 §8.2.2), as flash
 * boot does it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_RSA_BYTES 256

/**
 * @param modulus          little-endian, as in the public key structure of the SFlash
 * @param exponent         little-endian, @p exponent_length bytes
 * @param signature        most significant byte first, SIM_RSA_BYTES
 */
bool sim_rsa_verify(const uint8_t modulus[SIM_RSA_BYTES], const uint8_t *exponent,
    size_t exponent_length, const uint8_t signature[SIM_RSA_BYTES], const uint8_t digest[32]);

#endif

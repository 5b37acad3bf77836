/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_AES_H
#define SIM_AES_H

/** @file AES (FIPS 197) one block at a time, decrypting from the end of the key schedule as the
 * chip's accelerator does. */

#include <stdint.h>

/** @p key_words is 4, 6 or 8. Blocks may be the same memory. */
void sim_aes_encrypt(
    const uint8_t *key, unsigned key_words, const uint8_t block[16], uint8_t ret_block[16]);
/** @p inverse is what sim_aes_inverse_key() gives. */
void sim_aes_decrypt(
    const uint8_t *inverse, unsigned key_words, const uint8_t block[16], uint8_t ret_block[16]);
/** The last @p key_words words of the key schedule. */
void sim_aes_inverse_key(const uint8_t *key, unsigned key_words, uint8_t *ret_inverse);

#endif

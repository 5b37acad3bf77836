/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CMAC_H
#define BASE_CMAC_H

/** @file AES-CMAC (RFC 4493), the MIC of LoRaWAN. */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define BASE_CMAC_BYTES 16

/** Full 16-byte tag. BASE_E_INTERNAL when OpenSSL refuses. */
BASE_MUST_CHECK
enum base_status base_cmac_aes128(const uint8_t key[16], const void *data, size_t length,
    uint8_t ret_tag[BASE_CMAC_BYTES], struct base_err *err);

#endif

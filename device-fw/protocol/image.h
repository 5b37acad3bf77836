/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROTO_IMAGE_H
#define PROTO_IMAGE_H

/**
 * @file
 * The device image as a file: a Cypress secure application (little-endian header), vectors at
 * PROTO_VECTOR_OFFSET, binding block at PROTO_BINDING_OFFSET, code. A signed one says so in its
 * attributes, and has PROTO_IMAGE_SIGNATURE_SIZE bytes of RSA-2048 signature (PKCS#1 v1.5, SHA-256,
 * most significant byte first) over `object_size` bytes behind them. Its digest is the SHA-256 of
 * everything, signature included.
 *
 * Header, 32-bit words: 0 object size | 4 application id 0x8001 and version << 16 | 8 attributes |
 * 12 number of cores | 16 offset of the core 0 vector table from this very word | 20 core id
 * 0xC6000000.
 */

#include "device-fw/protocol/binding.h"

#include <stdbool.h>

#define PROTO_IMAGE_CODE_OFFSET    0x800U
#define PROTO_IMAGE_SIGNATURE_SIZE 256U
#define PROTO_IMAGE_ATTRIBUTES_AT  8U
#define PROTO_IMAGE_SIGNED         1U /**< bit of the attributes: a signature follows */

struct proto_image {
    uint32_t object_size;         /**< the length of the file without its signature */
    bool is_signed;               /**< its attributes say so */
    uint16_t application_version; /**< upper half of the application id */
    struct proto_binding binding; /**< as it stands there; its hash is the caller's to check */
    const uint8_t *binding_bytes; /**< PROTO_BINDING_SIZE bytes, borrowed */
};

/**
 * Take an image apart; @p length counts its signature or does not. Writes nothing on failure.
 *
 * @return PROTO_OK; PROTO_BAD_LENGTH (too short, longer than PROTO_IMAGE_MAX_SIZE, or not as long
 *         as its header says); PROTO_BAD_FIELD (not this kind of application, or vectors
 * elsewhere); PROTO_BAD_VERSION (no binding block of this version)
 */
enum proto_status proto_image_decode(
    const uint8_t *bytes, size_t length, struct proto_image *ret_image);

/** Set the attribute that a signature follows, before it is made. @p bytes holds a whole image. */
void proto_image_mark_signed(uint8_t *bytes);

#endif

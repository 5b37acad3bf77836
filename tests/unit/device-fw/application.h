/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DEVICE_FW_APPLICATION_H
#define TESTS_DEVICE_FW_APPLICATION_H

/** @file Application images of tests, signed by a key of theirs (OpenSSL). */

#include "base/buf.h"
#include "device-fw/protocol/application.h"

#include <openssl/evp.h>

struct signer {
    EVP_PKEY *key;   /**< NULL: of signer_init_fixed() */
    uint32_t number; /**< what that one's key and nonces are made from */
    uint8_t public_key[PROTO_PUBLIC_KEY_SIZE];
};

/** A fresh key. */
void signer_init(struct signer *signer);
/** Key pair number @p number: it and its signatures are the same every time. */
void signer_init_fixed(struct signer *signer, uint32_t number);
void signer_done(struct signer *signer);

/** DER signature over a digest. */
size_t signer_sign(const struct signer *signer, const uint8_t digest[PROTO_HASH_SIZE],
    uint8_t ret_signature[PROTO_APPLICATION_SIGNATURE_MAX]);

/** Header, program, digest, signature, into an initialised buffer. */
void application_make(const struct signer *signer, uint32_t version, const void *program,
    size_t length, struct base_buf *ret_image);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "tests/unit/device-fw/application.h"

#include <cmocka.h>
#include <openssl/ec.h>

#include "base/hash.h"

void signer_init(struct signer *signer)
{
    size_t length = 0;

    signer->key = EVP_EC_gen("P-256");
    assert_non_null(signer->key);
    assert_int_equal(EVP_PKEY_get_octet_string_param(signer->key, "encoded-pub-key",
                         signer->public_key, sizeof(signer->public_key), &length),
        1);
    assert_int_equal(length, sizeof(signer->public_key));
    assert_int_equal(signer->public_key[0], 4);
}

void signer_done(struct signer *signer)
{
    EVP_PKEY_free(signer->key);
}

size_t signer_sign(const struct signer *signer, const uint8_t digest[PROTO_HASH_SIZE],
    uint8_t ret_signature[PROTO_APPLICATION_SIGNATURE_MAX])
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(signer->key, NULL);
    size_t length = PROTO_APPLICATION_SIGNATURE_MAX;

    assert_non_null(context);
    assert_int_equal(EVP_PKEY_sign_init(context), 1);
    assert_int_equal(EVP_PKEY_sign(context, ret_signature, &length, digest, PROTO_HASH_SIZE), 1);
    EVP_PKEY_CTX_free(context);
    return length;
}

void application_make(const struct signer *signer, uint32_t version, const void *program,
    size_t length, struct base_buf *ret_image)
{
    const struct proto_application application = { (uint32_t)length, version };
    struct proto_application_tlv tlv = { .signature_length = 0 };
    uint8_t header[PROTO_APPLICATION_HEADER_SIZE];
    uint8_t entries[PROTO_APPLICATION_TLV_MAX];

    proto_application_encode(&application, header);
    assert_int_equal(base_buf_append(ret_image, header, sizeof(header), NULL), BASE_OK);
    assert_int_equal(base_buf_append(ret_image, program, length, NULL), BASE_OK);
    base_sha256(ret_image->data, ret_image->length, tlv.digest);
    tlv.signature_length = signer_sign(signer, tlv.digest, tlv.signature);
    assert_int_equal(
        base_buf_append(ret_image, entries, proto_application_tlv_encode(&tlv, entries), NULL),
        BASE_OK);
}

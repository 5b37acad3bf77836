/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cmac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

enum base_status base_cmac_aes128(const uint8_t key[16], const void *data, size_t length,
    uint8_t ret_tag[BASE_CMAC_BYTES], struct base_err *err)
{
    char cipher[] = "AES-128-CBC";
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0),
        OSSL_PARAM_construct_end() };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "CMAC", NULL);
    EVP_MAC_CTX *ctx = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    size_t used = 0;
    uint8_t tag[BASE_CMAC_BYTES];
    bool ok = ctx != NULL && EVP_MAC_init(ctx, key, 16, params) == 1 &&
              (length == 0 || EVP_MAC_update(ctx, data, length) == 1) &&
              EVP_MAC_final(ctx, tag, &used, sizeof(tag)) == 1 && used == sizeof(tag);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    if (!ok) {
        return base_err_set(err, BASE_E_INTERNAL, "OpenSSL", 0, "OpenSSL refused AES-CMAC");
    }
    for (size_t i = 0; i < sizeof(tag); i++) {
        ret_tag[i] = tag[i];
    }
    return BASE_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/private_key.h"

#include "base/secret.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#define FILE_MAX_BYTES 65536

/* Without this, OpenSSL would ask on the terminal for the passphrase of an encrypted key. */
static int no_passphrase(char *text, int size, int writing, void *user)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)user;
    return 0;
}

enum base_status base_private_key_load(const char *path, EVP_PKEY **ret_key, struct base_err *err)
{
    struct base_secret pem = { 0 };
    enum base_status status = base_secret_read_file(&pem, path, FILE_MAX_BYTES, err);
    if (status != BASE_OK) {
        return status;
    }
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.length);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    (void)BIO_free(bio);
    base_secret_done(&pem);
    if (key == NULL) {
        ERR_clear_error();
        return base_err_set(err, BASE_E_CONFIG, "OpenSSL", 0,
            "%s holds no unencrypted private key in PEM form", path);
    }
    *ret_key = key;
    return BASE_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PRIVATE_KEY_H
#define BASE_PRIVATE_KEY_H

/** @file A private key of any kind in a file, for OpenSSL. */

#include "base/err.h"

#include <openssl/evp.h>

/**
 * Read a private key from PEM (not encrypted: nobody is asked for a passphrase) in a file of mode
 * 0600.
 *
 * @param[out] ret_key  free with EVP_PKEY_free()
 * @return BASE_OK; BASE_E_NOTFOUND; BASE_E_CONFIG: mode, or no such key; BASE_E_IO
 */
BASE_MUST_CHECK
enum base_status base_private_key_load(const char *path, EVP_PKEY **ret_key, struct base_err *err);

#endif

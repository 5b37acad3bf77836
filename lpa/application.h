/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_APPLICATION_H
#define LPA_APPLICATION_H

/**
 * @file
 * The application image of a lot, from a file. What is wrong with it is said here, before a board
 * is touched: the bootloader would refuse it only once the board is locked.
 */

#include "base/buf.h"
#include "device-fw/protocol/application.h"
#include "programmer/image.h"

struct lpa_application {
    struct base_buf bytes;
    struct prg_image program; /**< the same at its place in flash */
    uint8_t sha256[32];       /**< of the whole file, which is what a lot names */
    uint32_t version;         /**< major << 24 | minor << 16 | revision */
};

/**
 * Read an application image and check all that the bootloader will check: form, digest, and the
 * signature by the key that the binding block names.
 *
 * @param key  application key of the bootloader image that goes with it; its first byte 0: none
 * @param[out] ret_application  ended with lpa_application_done(); written only on BASE_OK
 *
 * @return BASE_OK; BASE_E_NOTFOUND, BASE_E_IO
 *         BASE_E_CORRUPT code "application_malformed": no whole application image
 *         BASE_E_VERIFY code "application_unbound": the binding block names no application key;
 *         "application_key": signed by another one; "application_signature": digest or signature
 *         is not that of these bytes
 */
BASE_MUST_CHECK
enum base_status lpa_application_load(const char *path, const uint8_t key[PROTO_PUBLIC_KEY_SIZE],
    struct lpa_application *ret_application, struct base_err *err);

/** Accepts NULL, a zeroed object and repeated calls. */
void lpa_application_done(struct lpa_application *application);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_PKI_H
#define KMS_PKI_H

/** @file The private certificate authority of a development KMS: itself, its server, its stations.
 */

#include "base/buf.h"
#include "base/random.h"
#include "kms/rows.h"

#define KMS_PKI_CA_FILE     "ca.pem"
#define KMS_PKI_SERVER_FILE "server.pem"

/** Draw CA and server keys into DIR/keys (ca.key, server.key) and write ca.pem and server.pem; the
 * server's names are localhost, 127.0.0.1 and ::1. */
BASE_MUST_CHECK
enum base_status kms_pki_create(const char *dir, const char *kms_name,
    const struct base_random *random, int64_t now_us, struct base_err *err);

/** What is asked of kms_pki_sign(). */
struct kms_pki_request {
    const char *csr; /**< PEM text of the signing request, NUL-terminated; hostile */
    const char *station;
    int64_t now_us;
    int days; /**< validity */
};

/**
 * Sign a station's request: P-256, its own signature good, common name = station.
 *
 * @param certificate      PEM text is appended
 * @param[out] ret_station certificate and public-key hashes and end of validity are filled, the
 *                         rest stays
 * @return BASE_OK; BASE_E_ARG: the request is not acceptable (sentence says why); BASE_E_CONFIG: CA
 * files
 */
BASE_MUST_CHECK
enum base_status kms_pki_sign(const char *dir, const struct kms_pki_request *request,
    const struct base_random *random, struct base_buf *certificate, struct kms_station *ret_station,
    struct base_err *err);

#endif

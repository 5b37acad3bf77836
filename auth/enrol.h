/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_ENROL_H
#define AUTH_ENROL_H

/**
 * @file
 * What a station makes for itself when it enrols: a P-256 key with a certificate signing request,
 * and an Ed25519 key for its audit log. Neither private key ever leaves the machine.
 */

#include "base/note.h"

struct auth_enrol_opts {
    const char *name;         /**< station: 1 … 64 of [A-Za-z0-9._-]; becomes the common name */
    const char *key_file;     /**< written: PKCS#8 PEM, 0600 */
    const char *csr_file;     /**< written: PEM, 0644 */
    const char *log_key_file; /**< written: note key text, 0600 */
    const char *log_origin;   /**< name of the log key, for example "station-1.lpa" */
    const struct base_random *random;
};

/**
 * Make both keys and the request.
 *
 * @param[out] ret_log  public half of the log key
 * @return BASE_OK; BASE_E_ARG (name); BASE_E_EXISTS: a key file is there already and stays as it
 * is; BASE_E_IO, BASE_E_INTERNAL
 */
BASE_MUST_CHECK
enum base_status auth_enrol(
    const struct auth_enrol_opts *opts, struct base_note_verifier *ret_log, struct base_err *err);

/**
 * Check a certificate that the KMS signed: PEM, for the key in @p key_file, signed by a
 * certificate of @p ca_file. NULL @p ca_file: the signature is not checked.
 *
 * @param[out] ret_not_after_us  end of its validity, may be NULL
 * @return BASE_OK; BASE_E_CONFIG (not PEM); BASE_E_VERIFY (another key or CA)
 */
BASE_MUST_CHECK
enum base_status auth_enrol_check(const char *certificate_file, const char *key_file,
    const char *ca_file, int64_t *ret_not_after_us, struct base_err *err);

/** SHA-256 of the certificate's DER, as the KMS and the audit log name it. */
BASE_MUST_CHECK
enum base_status auth_certificate_sha256(
    const char *certificate_file, uint8_t ret_sha256[32], struct base_err *err);

#endif

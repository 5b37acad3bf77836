/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/enrol.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "auth/kms_private.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/p256.h"
#include "base/private_key.h"

#define PEM_MAX 65536

static enum base_status openssl_failed(const char *what, struct base_err *err)
{
    unsigned long code = ERR_get_error();
    const char *reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return base_err_set(err, BASE_E_INTERNAL, "OpenSSL", (int64_t)code, "cannot %s: %s", what,
        reason != NULL ? reason : "no reason given");
}

/* The private key as OpenSSL object. The PEM text lies in locked memory only. */
static X509_REQ *make_request(EVP_PKEY *key, const char *name)
{
    X509_REQ *request = X509_REQ_new();
    X509_NAME *subject = request != NULL ? X509_REQ_get_subject_name(request) : NULL;
    if (subject == NULL || X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 ||
        X509_NAME_add_entry_by_txt(
            subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) != 1 ||
        X509_REQ_set_pubkey(request, key) != 1 || X509_REQ_sign(request, key, EVP_sha256()) <= 0) {
        X509_REQ_free(request);
        return NULL;
    }
    return request;
}

static enum base_status write_request(
    const struct auth_enrol_opts *opts, EVP_PKEY *key, struct base_err *err)
{
    X509_REQ *request = make_request(key, opts->name);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    enum base_status status = BASE_OK;
    if (request == NULL || bio == NULL || PEM_write_bio_X509_REQ(bio, request) != 1) {
        status = openssl_failed("make a certificate signing request", err);
    }
    if (status == BASE_OK) {
        long length = BIO_get_mem_data(bio, &text);
        status = base_file_replace(opts->csr_file, text, (size_t)length, 0644, err);
    }
    (void)BIO_free(bio);
    X509_REQ_free(request);
    return status;
}

static enum base_status make_tls_key(const struct auth_enrol_opts *opts, struct base_err *err)
{
    struct base_p256 *made = NULL;
    EVP_PKEY *key = NULL;
    enum base_status status = base_p256_generate(opts->random, &made, err);
    if (status == BASE_OK) {
        status = base_p256_store(made, opts->key_file, err);
    }
    base_p256_free(made);
    if (status == BASE_OK) {
        status = base_private_key_load(opts->key_file, &key, err);
    }
    if (status == BASE_OK) {
        status = write_request(opts, key, err);
    }
    EVP_PKEY_free(key);
    return status;
}

static enum base_status not_there(const char *path, struct base_err *err)
{
    if (access(path, F_OK) == 0) {
        return base_err_set(err, BASE_E_EXISTS, "enrol", 0,
            "%s is there already: this station is enrolled; use another folder for another one",
            path);
    }
    return BASE_OK;
}

enum base_status auth_enrol(
    const struct auth_enrol_opts *opts, struct base_note_verifier *ret_log, struct base_err *err)
{
    struct base_note_key log = { 0 };
    if (!base_name_valid(opts->name)) {
        return base_err_set(
            err, BASE_E_ARG, "enrol", 0, "a station's name is 1 to 64 of A-Z a-z 0-9 . _ -");
    }
    enum base_status status = not_there(opts->key_file, err);
    if (status == BASE_OK) {
        status = not_there(opts->log_key_file, err);
    }
    if (status == BASE_OK) {
        status =
            base_note_key_generate(opts->log_origin, BASE_NOTE_ED25519, opts->random, &log, err);
    }
    if (status == BASE_OK) {
        status = base_note_key_store(&log, opts->log_key_file, err);
    }
    if (status == BASE_OK) {
        status = make_tls_key(opts, err);
    }
    if (status == BASE_OK) {
        *ret_log = log.verifier;
    }
    base_note_key_done(&log);
    return status;
}

static enum base_status load_certificate(
    const char *path, X509 **ret_certificate, struct base_err *err)
{
    struct base_buf text;
    base_buf_init(&text, PEM_MAX);
    enum base_status status = base_file_read(path, &text, err);
    if (status == BASE_OK) {
        BIO *bio = BIO_new_mem_buf(text.data, (int)text.length);
        X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
        (void)BIO_free(bio);
        if (certificate == NULL) {
            ERR_clear_error();
            status = base_err_set(
                err, BASE_E_CONFIG, "OpenSSL", 0, "%s holds no certificate in PEM", path);
        } else {
            *ret_certificate = certificate;
        }
    }
    base_buf_done(&text);
    return status;
}

static enum base_status check_issuer(
    X509 *certificate, const char *path, const char *ca_file, struct base_err *err)
{
    X509 *ca = NULL;
    enum base_status status = load_certificate(ca_file, &ca, err);
    if (status != BASE_OK) {
        return status;
    }
    if (X509_verify(certificate, X509_get0_pubkey(ca)) != 1) {
        ERR_clear_error();
        status = base_err_set(err, BASE_E_VERIFY, "OpenSSL", 0,
            "%s was not signed by the certificate authority in %s", path, ca_file);
    }
    X509_free(ca);
    return status;
}

static bool end_of(const X509 *certificate, int64_t *ret_us)
{
    struct tm end;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) {
        return false;
    }
    *ret_us = (int64_t)timegm(&end) * 1000000;
    return true;
}

enum base_status auth_enrol_check(const char *certificate_file, const char *key_file,
    const char *ca_file, int64_t *ret_not_after_us, struct base_err *err)
{
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;
    int64_t end_us = 0;
    enum base_status status = load_certificate(certificate_file, &certificate, err);
    if (status == BASE_OK) {
        status = base_private_key_load(key_file, &key, err);
    }
    if (status == BASE_OK && X509_check_private_key(certificate, key) != 1) {
        ERR_clear_error();
        status = base_err_set(err, BASE_E_VERIFY, "OpenSSL", 0,
            "%s is a certificate for another key than %s", certificate_file, key_file);
    }
    if (status == BASE_OK && ca_file != NULL) {
        status = check_issuer(certificate, certificate_file, ca_file, err);
    }
    if (status == BASE_OK && !end_of(certificate, &end_us)) {
        status = base_err_set(
            err, BASE_E_CONFIG, "OpenSSL", 0, "%s has a malformed date", certificate_file);
    }
    if (status == BASE_OK && ret_not_after_us != NULL) {
        *ret_not_after_us = end_us;
    }
    EVP_PKEY_free(key);
    X509_free(certificate);
    return status;
}

enum base_status auth_certificate_sha256(
    const char *certificate_file, uint8_t ret_sha256[32], struct base_err *err)
{
    X509 *certificate = NULL;
    unsigned char *der = NULL;
    enum base_status status = load_certificate(certificate_file, &certificate, err);
    if (status != BASE_OK) {
        return status;
    }
    int length = i2d_X509(certificate, &der);
    if (length > 0) {
        base_sha256(der, (size_t)length, ret_sha256);
    } else {
        status = openssl_failed("encode a certificate", err);
    }
    OPENSSL_free(der);
    X509_free(certificate);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/pki.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/p256.h"
#include "base/private_key.h"

#define CA_DAYS      3650
#define SERVER_DAYS  825
#define BACKDATE_S   300 /* so that a clock a little behind takes a fresh certificate */
#define PEM_MAX      65536
#define SERIAL_BYTES 16

static enum base_status openssl_failed(const char *what, struct base_err *err)
{
    unsigned long code = ERR_get_error();
    const char *reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return base_err_set(err, BASE_E_INTERNAL, "OpenSSL", (int64_t)code, "cannot %s: %s", what,
        reason != NULL ? reason : "no reason given");
}

static enum base_status key_path(
    const char *dir, const char *name, char ret_path[BASE_FILE_PATH_SIZE], struct base_err *err)
{
    char inside[64];
    (void)snprintf(inside, sizeof(inside), "keys/%s", name);
    return base_file_join(dir, inside, BASE_FILE_PATH_SIZE, ret_path, err);
}

static enum base_status make_key(const char *dir, const char *name,
    const struct base_random *random, EVP_PKEY **ret_key, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_p256 *made = NULL;
    enum base_status status = key_path(dir, name, path, err);
    if (status == BASE_OK) {
        status = base_p256_generate(random, &made, err);
    }
    if (status == BASE_OK) {
        status = base_p256_store(made, path, err);
    }
    base_p256_free(made);
    return status == BASE_OK ? base_private_key_load(path, ret_key, err) : status;
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

/** What goes into a certificate. */
struct content {
    const char *common_name;
    EVP_PKEY *public_key;
    X509 *issuer; /* NULL: self-signed */
    EVP_PKEY *issuer_key;
    int64_t now_us;
    int days;
    const char *constraints;
    const char *usage;
    const char *extended_usage; /* NULL for none */
    const char *names;          /* subjectAltName; NULL for none */
};

static bool fill(X509 *certificate, const struct content *content, const uint8_t *serial)
{
    time_t now = (time_t)(content->now_us / 1000000);
    BIGNUM *number = BN_bin2bn(serial, SERIAL_BYTES, NULL);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509 *issuer = content->issuer != NULL ? content->issuer : certificate;
    bool good = number != NULL &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL &&
                X509_set_version(certificate, X509_VERSION_3) == 1 &&
                ASN1_TIME_set(X509_getm_notBefore(certificate), now - BACKDATE_S) != NULL &&
                ASN1_TIME_adj(X509_getm_notAfter(certificate), now, content->days, 0) != NULL &&
                X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                    (const unsigned char *)content->common_name, -1, -1, 0) == 1 &&
                X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
                X509_set_pubkey(certificate, content->public_key) == 1 &&
                add_extension(certificate, issuer, NID_basic_constraints, content->constraints) &&
                add_extension(certificate, issuer, NID_key_usage, content->usage) &&
                add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
                add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always");
    BN_free(number);
    if (good && content->extended_usage != NULL) {
        good = add_extension(certificate, issuer, NID_ext_key_usage, content->extended_usage);
    }
    if (good && content->names != NULL) {
        good = add_extension(certificate, issuer, NID_subject_alt_name, content->names);
    }
    return good;
}

static enum base_status make_certificate(const struct content *content,
    const struct base_random *random, X509 **ret_certificate, struct base_err *err)
{
    uint8_t serial[SERIAL_BYTES];
    enum base_status status = base_random_fill(random, serial, sizeof(serial), err);
    if (status != BASE_OK) {
        return status;
    }
    serial[0] = (uint8_t)((serial[0] & 0x7FU) | 0x40U); /* positive, never shorter */
    X509 *certificate = X509_new();
    if (certificate == NULL || !fill(certificate, content, serial) ||
        X509_sign(certificate, content->issuer_key, EVP_sha256()) <= 0) {
        X509_free(certificate);
        return openssl_failed("make a certificate", err);
    }
    *ret_certificate = certificate;
    return BASE_OK;
}

static enum base_status append_pem(X509 *certificate, struct base_buf *text, struct base_err *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    enum base_status status = BASE_OK;
    if (bio == NULL || PEM_write_bio_X509(bio, certificate) != 1) {
        status = openssl_failed("write a certificate", err);
    } else {
        long length = BIO_get_mem_data(bio, &data);
        status = base_buf_append(text, data, (size_t)length, err);
    }
    (void)BIO_free(bio);
    return status;
}

static enum base_status write_pem(
    const char *dir, const char *name, X509 *certificate, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_buf text;
    base_buf_init(&text, PEM_MAX);
    enum base_status status = base_file_join(dir, name, sizeof(path), path, err);
    if (status == BASE_OK) {
        status = append_pem(certificate, &text, err);
    }
    if (status == BASE_OK) {
        status = base_file_replace(path, text.data, text.length, 0644, err);
    }
    base_buf_done(&text);
    return status;
}

static enum base_status make_server(const char *dir, X509 *ca, EVP_PKEY *ca_key,
    const struct base_random *random, int64_t now_us, struct base_err *err)
{
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    enum base_status status = make_key(dir, "server.key", random, &key, err);
    if (status == BASE_OK) {
        const struct content content = {
            .common_name = "localhost",
            .public_key = key,
            .issuer = ca,
            .issuer_key = ca_key,
            .now_us = now_us,
            .days = SERVER_DAYS,
            .constraints = "critical,CA:FALSE",
            .usage = "critical,digitalSignature",
            .extended_usage = "serverAuth",
            .names = "DNS:localhost,IP:127.0.0.1,IP:::1",
        };
        status = make_certificate(&content, random, &certificate, err);
    }
    if (status == BASE_OK) {
        status = write_pem(dir, KMS_PKI_SERVER_FILE, certificate, err);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return status;
}

enum base_status kms_pki_create(const char *dir, const char *kms_name,
    const struct base_random *random, int64_t now_us, struct base_err *err)
{
    EVP_PKEY *key = NULL;
    X509 *ca = NULL;
    char name[64]; /* X.520 limits a common name to 64 characters */
    (void)snprintf(name, sizeof(name), "LPA development CA of %.40s", kms_name);
    enum base_status status = make_key(dir, "ca.key", random, &key, err);
    if (status == BASE_OK) {
        const struct content content = {
            .common_name = name,
            .public_key = key,
            .issuer_key = key,
            .now_us = now_us,
            .days = CA_DAYS,
            .constraints = "critical,CA:TRUE,pathlen:0",
            .usage = "critical,keyCertSign,cRLSign",
        };
        status = make_certificate(&content, random, &ca, err);
    }
    if (status == BASE_OK) {
        status = write_pem(dir, KMS_PKI_CA_FILE, ca, err);
    }
    if (status == BASE_OK) {
        status = make_server(dir, ca, key, random, now_us, err);
    }
    X509_free(ca);
    EVP_PKEY_free(key);
    return status;
}

static enum base_status refuse_request(const char *why, struct base_err *err)
{
    ERR_clear_error();
    return base_err_set(err, BASE_E_ARG, "CSR", 0, "the signing request is not accepted: %s", why);
}

/* Key kind, self-signature and name; @p request is hostile. */
static enum base_status check_request(X509_REQ *request, const char *station, struct base_err *err)
{
    char group[32] = "";
    char name[KMS_ID_SIZE] = "";
    size_t length = 0;
    EVP_PKEY *key = X509_REQ_get0_pubkey(request);
    if (key == NULL || EVP_PKEY_get_group_name(key, group, sizeof(group), &length) != 1 ||
        strcmp(group, "prime256v1") != 0) {
        return refuse_request("its key is not on the curve P-256", err);
    }
    if (X509_REQ_verify(request, key) != 1) {
        return refuse_request("its signature does not fit its key", err);
    }
    int got = X509_NAME_get_text_by_NID(
        X509_REQ_get_subject_name(request), NID_commonName, name, sizeof(name));
    if (got < 0 || (size_t)got != strlen(station) || strcmp(name, station) != 0) {
        return refuse_request("it names another station than was asked for", err);
    }
    return BASE_OK;
}

static enum base_status describe(
    X509 *certificate, struct kms_station *ret_station, struct base_err *err)
{
    unsigned char *der = NULL;
    struct tm end;
    int length = i2d_X509(certificate, &der);
    if (length <= 0 || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) {
        OPENSSL_free(der);
        return openssl_failed("encode a certificate", err);
    }
    base_sha256(der, (size_t)length, ret_station->certificate_sha256);
    OPENSSL_free(der);
    der = NULL;
    length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (length <= 0) {
        return openssl_failed("encode a public key", err);
    }
    base_sha256(der, (size_t)length, ret_station->spki_sha256);
    OPENSSL_free(der);
    ret_station->not_after_us = (int64_t)timegm(&end) * 1000000;
    return BASE_OK;
}

static enum base_status load_ca(
    const char *dir, X509 **ret_ca, EVP_PKEY **ret_key, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_buf text;
    base_buf_init(&text, PEM_MAX);
    enum base_status status = base_file_join(dir, KMS_PKI_CA_FILE, sizeof(path), path, err);
    if (status == BASE_OK) {
        status = base_file_read(path, &text, err);
    }
    if (status == BASE_OK) {
        BIO *bio = BIO_new_mem_buf(text.data, (int)text.length);
        *ret_ca = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
        (void)BIO_free(bio);
        if (*ret_ca == NULL) {
            ERR_clear_error();
            status = base_err_set(
                err, BASE_E_CONFIG, "OpenSSL", 0, "%s holds no certificate in PEM", path);
        }
    }
    base_buf_done(&text);
    if (status == BASE_OK) {
        status = key_path(dir, "ca.key", path, err);
    }
    return status == BASE_OK ? base_private_key_load(path, ret_key, err) : status;
}

static enum base_status sign_with(X509 *ca, EVP_PKEY *ca_key, X509_REQ *csr,
    const struct kms_pki_request *request, const struct base_random *random, X509 **ret_certificate,
    struct base_err *err)
{
    const struct content content = {
        .common_name = request->station,
        .public_key = X509_REQ_get0_pubkey(csr),
        .issuer = ca,
        .issuer_key = ca_key,
        .now_us = request->now_us,
        .days = request->days,
        .constraints = "critical,CA:FALSE",
        .usage = "critical,digitalSignature",
        .extended_usage = "clientAuth",
    };
    return make_certificate(&content, random, ret_certificate, err);
}

enum base_status kms_pki_sign(const char *dir, const struct kms_pki_request *request,
    const struct base_random *random, struct base_buf *certificate, struct kms_station *ret_station,
    struct base_err *err)
{
    X509 *ca = NULL;
    X509 *made = NULL;
    EVP_PKEY *ca_key = NULL;
    BIO *bio = BIO_new_mem_buf(request->csr, -1);
    X509_REQ *csr = bio != NULL ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
    (void)BIO_free(bio);
    enum base_status status = csr == NULL ? refuse_request("it is not PEM of a request", err)
                                          : check_request(csr, request->station, err);
    if (status == BASE_OK) {
        status = load_ca(dir, &ca, &ca_key, err);
    }
    if (status == BASE_OK) {
        status = sign_with(ca, ca_key, csr, request, random, &made, err);
    }
    if (status == BASE_OK) {
        status = append_pem(made, certificate, err);
    }
    if (status == BASE_OK) {
        status = describe(made, ret_station, err);
    }
    X509_free(made);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    X509_REQ_free(csr);
    return status;
}

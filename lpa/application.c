/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/application.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/p256.h"

#include <string.h>

#define FILE_MAX_BYTES (4U << 20)

/* The file taken apart; `covered` bytes are what digest and signature are about. */
struct parts {
    struct proto_application header;
    struct proto_application_tlv tlv;
    size_t covered;
};

static enum base_status refuse(
    struct base_err *err, enum base_status status, const char *code, const char *path)
{
    const struct {
        const char *code, *text;
    } reasons[] = {
        { "application_malformed",
            "is no whole application image; give the file that lpa-image app-sign wrote" },
        { "application_unbound",
            "cannot start: the bootloader image is bound to no application key; bind it with "
            "lpa-image bind --application-key" },
        { "application_key",
            "is signed by another key than the one the bootloader image is bound to, so the "
            "bootloader would not start it; sign it by that key with lpa-image app-sign" },
        { "application_signature",
            "does not fit its own digest or signature, so the bootloader would not start it; fetch "
            "it or sign it again" },
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (strcmp(reasons[i].code, code) == 0) {
            (void)base_err_set(
                err, status, "application", 0, "the application %s %s", path, reasons[i].text);
        }
    }
    base_err_set_code(err, code);
    return status;
}

/* Nothing may follow the entries: what is programmed is what was signed, and its entries. */
static bool take_apart(const struct base_buf *bytes, struct parts *ret_parts)
{
    if (bytes->length < PROTO_APPLICATION_HEADER_SIZE ||
        proto_application_decode(bytes->data, &ret_parts->header) != PROTO_OK) {
        return false;
    }
    ret_parts->covered = PROTO_APPLICATION_HEADER_SIZE + ret_parts->header.program_size;
    if (bytes->length < ret_parts->covered) {
        return false;
    }
    return proto_application_tlv_decode(bytes->data + ret_parts->covered,
               bytes->length - ret_parts->covered, &ret_parts->tlv) == PROTO_OK &&
           ret_parts->covered + ret_parts->tlv.total == bytes->length;
}

static enum base_status check_signer(const struct base_buf *bytes, const struct parts *parts,
    const uint8_t key[PROTO_PUBLIC_KEY_SIZE], const char *path, struct base_err *err)
{
    uint8_t spki[PROTO_SPKI_PREFIX_SIZE + PROTO_PUBLIC_KEY_SIZE];
    uint8_t digest[BASE_SHA256_BYTES];
    if (key[0] == 0) {
        return refuse(err, BASE_E_VERIFY, "application_unbound", path);
    }
    memcpy(spki, proto_application_spki_prefix, PROTO_SPKI_PREFIX_SIZE);
    memcpy(spki + PROTO_SPKI_PREFIX_SIZE, key, PROTO_PUBLIC_KEY_SIZE);
    base_sha256(spki, sizeof(spki), digest);
    if (memcmp(digest, parts->tlv.key_hash, sizeof(digest)) != 0) {
        return refuse(err, BASE_E_VERIFY, "application_key", path);
    }
    base_sha256(bytes->data, parts->covered, digest);
    bool good = memcmp(digest, parts->tlv.digest, sizeof(digest)) == 0 &&
                base_p256_verify(key, digest, parts->tlv.signature, parts->tlv.signature_length,
                    NULL) == BASE_OK;
    return good ? BASE_OK : refuse(err, BASE_E_VERIFY, "application_signature", path);
}

static enum base_status read_file(const char *path, struct base_buf *bytes, struct base_err *err)
{
    struct base_err cause = { 0 };
    enum base_status status = base_file_read(path, bytes, &cause);
    if (status == BASE_E_ARG) { /* longer than any application */
        return refuse(err, BASE_E_CORRUPT, "application_malformed", path);
    }
    if (status == BASE_E_NOTFOUND) {
        return base_err_set(err, status, "application", 0,
            "there is no application %s; give the file that the lot was made with", path);
    }
    if (status != BASE_OK && err != NULL) {
        *err = cause;
    }
    return status;
}

enum base_status lpa_application_load(const char *path, const uint8_t key[PROTO_PUBLIC_KEY_SIZE],
    struct lpa_application *ret_application, struct base_err *err)
{
    struct prg_image_opts opts = { .format = PRG_IMAGE_BIN, .base = PROTO_APPLICATION_ADDRESS };
    struct lpa_application application = { 0 };
    struct parts parts = { 0 };
    base_buf_init(&application.bytes, FILE_MAX_BYTES);
    enum base_status status = read_file(path, &application.bytes, err);
    if (status == BASE_OK && !take_apart(&application.bytes, &parts)) {
        status = refuse(err, BASE_E_CORRUPT, "application_malformed", path);
    }
    if (status == BASE_OK) {
        status = check_signer(&application.bytes, &parts, key, path, err);
    }
    if (status == BASE_OK) {
        status = prg_image_parse(application.bytes.data, application.bytes.length, path, &opts,
            &application.program, err);
    }
    if (status != BASE_OK) {
        lpa_application_done(&application);
        return status;
    }
    application.version = parts.header.version;
    base_sha256(application.bytes.data, application.bytes.length, application.sha256);
    *ret_application = application;
    return BASE_OK;
}

void lpa_application_done(struct lpa_application *application)
{
    if (application != NULL) {
        base_buf_done(&application->bytes);
        prg_image_done(&application->program);
    }
}

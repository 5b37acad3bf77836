/* SPDX-License-Identifier: Apache-2.0 */
/* The device image of a lot and its public key, from files. */
#include "base/file.h"
#include "base/hash.h"
#include "lpa/device.h"

#include <string.h>

#define FILE_MAX_BYTES (4U << 20)

static enum base_status check_binding(struct lpa_image *image, struct base_err *err)
{
    uint8_t digest[BASE_SHA256_BYTES];
    base_sha256(image->view.binding_bytes, PROTO_BINDING_HASH_AT, digest);
    bool sealed =
        memcmp(digest, image->view.binding_bytes + PROTO_BINDING_HASH_AT, sizeof(digest)) == 0;
    bool bound = false;
    for (size_t i = 0; i < 2; i++) {
        const uint8_t *key = image->view.binding.authority_key[i];
        if (key[0] != 0) {
            base_sha256(key, PROTO_PUBLIC_KEY_SIZE, digest);
            memcpy(image->authority_key_id[i], digest, PROTO_KEY_ID_SIZE);
            bound = true;
        }
    }
    if (!sealed || !bound) {
        (void)base_err_set(err, BASE_E_VERIFY, "image", 0,
            "the image is not bound to a provisioning authority; bind it with lpa-image bind");
        base_err_set_code(err, "image_unbound");
        return BASE_E_VERIFY;
    }
    return BASE_OK;
}

static enum base_status take_apart(struct lpa_image *image, const char *path, struct base_err *err)
{
    struct prg_image_opts opts = { .format = PRG_IMAGE_BIN, .base = PROTO_IMAGE_ADDRESS };
    enum proto_status decoded =
        proto_image_decode(image->bytes.data, image->bytes.length, &image->view);
    if (decoded != PROTO_OK) {
        return base_err_set(err, BASE_E_CORRUPT, "image", (int64_t)decoded,
            "%s is no whole device image (%s, %zu bytes of at most %u); fetch or build it again",
            path, proto_status_text(decoded), image->bytes.length, PROTO_IMAGE_MAX_SIZE);
    }
    base_sha256(image->bytes.data, image->bytes.length, image->sha256);
    enum base_status status = check_binding(image, err);
    if (status == BASE_OK) {
        status = prg_image_parse(
            image->bytes.data, image->bytes.length, path, &opts, &image->program, err);
    }
    return status;
}

enum base_status lpa_image_load(const char *path, struct lpa_image *ret_image, struct base_err *err)
{
    struct lpa_image image = { 0 };
    struct base_err cause = { 0 };
    base_buf_init(&image.bytes, FILE_MAX_BYTES);
    enum base_status status = base_file_read(path, &image.bytes, &cause);
    if (status == BASE_E_ARG) {
        base_err_clear(&cause);
        status = base_err_set(&cause, BASE_E_CORRUPT, "image", 0,
            "%s is far longer than the %u bytes that a device image may have", path,
            PROTO_IMAGE_MAX_SIZE);
    }
    if (status == BASE_E_NOTFOUND) {
        base_err_clear(&cause);
        (void)base_err_set(&cause, status, "image", 0,
            "there is no image %s; give the file that the lot was made with", path);
    }
    if (status == BASE_OK) {
        status = take_apart(&image, path, &cause);
    }
    if (status == BASE_OK) {
        *ret_image = image;
        return BASE_OK;
    }
    lpa_image_done(&image);
    if (err != NULL && err->status == BASE_OK) {
        *err = cause;
    }
    return status;
}

void lpa_image_done(struct lpa_image *image)
{
    if (image != NULL) {
        base_buf_done(&image->bytes);
        prg_image_done(&image->program);
        lpa_application_done(&image->application);
        image->have_application = false;
    }
}

enum base_status lpa_image_load_key(const char *path, struct lpa_image *image, struct base_err *err)
{
    static const uint8_t restrictions[] = PROTO_RESTRICT_REQUIRED;
    struct base_buf key;
    base_buf_init(&key, PRG_PSOC6_KEY_SIZE);
    enum base_status status = base_file_read(path, &key, err);
    if (status == BASE_OK) {
        status = prg_psoc6_target_make(image->bytes.data, image->bytes.length, key.data, key.length,
            restrictions, &image->target, err);
    }
    image->have_key = status == BASE_OK;
    base_buf_done(&key);
    return status;
}

enum base_status lpa_image_load_application(
    const char *path, struct lpa_image *image, struct base_err *err)
{
    enum base_status status =
        lpa_application_load(path, image->view.binding.application_key, &image->application, err);
    image->have_application = status == BASE_OK;
    return status;
}

void lpa_image_local(const struct lpa_image *image, struct lpa_local *ret_local)
{
    memset(ret_local, 0, sizeof(*ret_local));
    memcpy(ret_local->image_sha256, image->sha256, sizeof(ret_local->image_sha256));
    ret_local->have_application = image->have_application;
    if (image->have_application) {
        memcpy(ret_local->application_sha256, image->application.sha256,
            sizeof(ret_local->application_sha256));
        ret_local->application_version = image->application.version;
    }
    ret_local->have_key = image->have_key;
    if (image->have_key) {
        memcpy(ret_local->key_sha256, image->target.key_sha256, sizeof(ret_local->key_sha256));
        memcpy(ret_local->secure_hash, image->target.secure_hash, sizeof(ret_local->secure_hash));
    }
}

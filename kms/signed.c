/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/signed.h"

#define BODY_MAX 4096U

enum base_status kms_sign_json(struct kms_keystore *keys, const char *title, const json_t *object,
    int64_t now_us, struct base_buf *note, struct base_err *err)
{
    struct base_buf body;
    base_buf_init(&body, BODY_MAX);
    enum base_status status = base_buf_printf(&body, err, "%s\n", title);
    if (status == BASE_OK) {
        status = base_json_canonical(object, &body, err);
    }
    if (status == BASE_OK) {
        status = base_buf_append(&body, "\n", 1, err);
    }
    if (status == BASE_OK) {
        status = base_note_sign(&keys->log, (const char *)body.data, body.length,
            (uint64_t)(now_us / 1000000), note, err);
    }
    base_buf_done(&body);
    return status;
}

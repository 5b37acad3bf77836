/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/record.h"

#include "auth/kms_private.h"

static enum base_status put_digests(
    json_t *object, const struct auth_record *record, struct base_err *err)
{
    const struct {
        const char *name;
        const uint8_t *data;
        size_t length;
    } members[] = {
        { "chip", record->chip_id, sizeof(record->chip_id) },
        { "image_sha256", record->image_sha256, sizeof(record->image_sha256) },
        { "key_sha256", record->key_sha256, sizeof(record->key_sha256) },
        { "toc2_sha256", record->toc2_sha256, sizeof(record->toc2_sha256) },
        { "secure_hash", record->secure_hash, sizeof(record->secure_hash) },
        { "restrict", record->restrictions, sizeof(record->restrictions) },
    };

    enum base_status status = BASE_OK;
    for (size_t i = 0; status == BASE_OK && i < sizeof(members) / sizeof(members[0]); i++) {
        status =
            base_json_set_hex(object, members[i].name, members[i].data, members[i].length, err);
    }
    if (status == BASE_OK && record->has_application) {
        status = base_json_set_hex(object, "application_sha256", record->application_sha256,
            sizeof(record->application_sha256), err);
    }
    return status;
}

static enum base_status put_names(
    json_t *object, const struct auth_record *record, struct base_err *err)
{
    const struct {
        const char *name, *text;
    } members[] = {
        { "lot", record->lot },
        { "permit", record->permit },
        { "station", record->station },
        { "tester", record->tester },
    };

    enum base_status status = BASE_OK;
    for (size_t i = 0; status == BASE_OK && i < sizeof(members) / sizeof(members[0]); i++) {
        if (!base_name_valid(members[i].text)) {
            return base_err_set(err, BASE_E_ARG, "record", 0,
                "the record's %s is not 1 to 64 of A-Z a-z 0-9 . _ -", members[i].name);
        }
        status = base_json_set_text(object, members[i].name, members[i].text, err);
    }
    return status;
}

enum base_status auth_record_sign(const struct auth_record *record,
    const struct base_note_signer *signer, struct base_buf *note, struct base_err *err)
{
    struct base_buf body;
    json_auto_t *object = json_object();
    base_buf_init(&body, AUTH_NOTE_MAX);
    enum base_status status = put_digests(object, record, err);
    if (status == BASE_OK) {
        status = put_names(object, record, err);
    }
    if (status == BASE_OK) {
        status = base_json_set_int(object, "v", 1, err);
    }
    if (status == BASE_OK) {
        status = base_json_set_int(object, "at_us", record->at_us, err);
    }
    if (status == BASE_OK) {
        status = base_json_set_text(object, "lifecycle", "normal", err);
    }
    if (status == BASE_OK) {
        status = base_buf_printf(&body, err, "lpa unit record v1\n");
    }
    if (status == BASE_OK) {
        status = base_json_canonical(object, &body, err);
    }
    if (status == BASE_OK) {
        status = base_buf_append(&body, "\n", 1, err);
    }
    if (status == BASE_OK) {
        status = base_note_sign(signer, (const char *)body.data, body.length, 0, note, err);
    }
    base_buf_done(&body);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/permit.h"

#include <string.h>

#include "base/json.h"
#include "base/note.h"

#define TITLE "lpa permit v1\n"

static enum base_status read_acts(
    const json_t *object, struct auth_permit *permit, struct base_err *err)
{
    static const char *const names[] = { "rehearse", "restrict", "lock", "efuse", "zeroise",
        "settle" };
    json_t *array = NULL;
    enum base_status status =
        base_json_get_array(object, "acts", sizeof(names) / sizeof(names[0]), &array, err);
    for (size_t i = 0; status == BASE_OK && i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        size_t bit = 0;
        while (text != NULL && bit < sizeof(names) / sizeof(names[0]) &&
               strcmp(text, names[bit]) != 0) {
            bit++;
        }
        if (text == NULL || bit == sizeof(names) / sizeof(names[0])) {
            return base_err_set(err, BASE_E_PROTO, "permit", (int64_t)i,
                "the permit names an act that this program does not know");
        }
        permit->acts |= 1U << bit;
    }
    return status;
}

static enum base_status read_digests(
    const json_t *object, struct auth_permit *permit, struct base_err *err)
{
    enum base_status status = base_json_get_hex(
        object, "image_sha256", sizeof(permit->image_sha256), permit->image_sha256, err);
    if (status == BASE_OK) {
        status = base_json_get_hex(
            object, "key_sha256", sizeof(permit->key_sha256), permit->key_sha256, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_hex(
            object, "secure_hash", sizeof(permit->secure_hash), permit->secure_hash, err);
    }
    return status;
}

static enum base_status read_permit(
    const json_t *object, struct auth_permit *permit, struct base_err *err)
{
    static const char *const names[] = { "id", "lot", "acts", "chip", "image_sha256", "key_sha256",
        "secure_hash", "until_us" };
    enum base_status status = base_json_only(object, names, sizeof(names) / sizeof(names[0]), err);
    if (status == BASE_OK) {
        status = base_json_copy_text(object, "id", sizeof(permit->id), permit->id, err);
    }
    if (status == BASE_OK) {
        status = base_json_copy_text(object, "lot", sizeof(permit->lot), permit->lot, err);
    }
    permit->for_chip = base_json_has(object, "chip");
    if (status == BASE_OK && permit->for_chip) {
        status = base_json_get_hex(object, "chip", sizeof(permit->chip_id), permit->chip_id, err);
    }
    if (status == BASE_OK) {
        status = read_acts(object, permit, err);
    }
    if (status == BASE_OK) {
        status = read_digests(object, permit, err);
    }
    if (status == BASE_OK) {
        status =
            base_json_get_int(object, "until_us", 0, BASE_JSON_INT_MAX, &permit->until_us, err);
    }
    if (status == BASE_OK && (permit->id[0] == '\0' || permit->lot[0] == '\0')) {
        status = base_err_set(err, BASE_E_PROTO, "permit", 0, "the permit lacks its id or lot");
    }
    return status;
}

enum base_status auth_permit_parse(const char *note, size_t length, const char *log_vkey,
    int64_t now_us, struct auth_permit *ret_permit, struct base_err *err)
{
    struct base_note_verifier verifier;
    struct base_note_opened opened;
    struct auth_permit permit = { .id = "" };
    json_t *parsed = NULL;
    const size_t title = sizeof(TITLE) - 1;
    enum base_status status = base_note_verifier_parse(log_vkey, &verifier, err);
    if (status == BASE_OK) {
        status = base_note_open(note, length, &verifier, 1, &opened, err);
    }
    if (status != BASE_OK) {
        (void)base_err_prefix(err, "the permit is not accepted: ");
        return status;
    }
    if (opened.body_length <= title || memcmp(note, TITLE, title) != 0) {
        return base_err_set(err, BASE_E_PROTO, "permit", 0,
            "this is a signed note, and no permit: give the file that lpa-kms permit add wrote");
    }
    status =
        base_json_parse(note + title, opened.body_length - title - 1, AUTH_NOTE_MAX, &parsed, err);
    json_auto_t *object = parsed;
    if (status == BASE_OK) {
        status = read_permit(object, &permit, err);
    }
    if (status == BASE_OK && permit.until_us <= now_us) {
        base_err_set_code(err, "permit_expired");
        return base_err_set(err, BASE_E_EXPIRED, "permit", permit.until_us,
            "permit %s is over: ask the KMS's operator for another", permit.id);
    }
    if (status == BASE_OK) {
        *ret_permit = permit;
    }
    return status;
}

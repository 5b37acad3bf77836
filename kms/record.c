/* SPDX-License-Identifier: Apache-2.0 */
/* The personaliser's signed record: what was read back from a chip before its last fuse. */
#include <string.h>

#include "kms/asking.h"

#define TITLE "lpa unit record v1\n"

struct record {
    char lot[KMS_ID_SIZE];
    char station[KMS_ID_SIZE];
    char tester[KMS_ID_SIZE];
    char permit[KMS_PERMIT_ID_SIZE];
    char lifecycle[16];
    uint8_t chip_id[8];
    uint8_t image_sha256[32];
    bool has_application;
    uint8_t application_sha256[32];
    uint8_t key_sha256[32];
    uint8_t toc2_sha256[32];
    uint8_t secure_hash[KMS_SECURE_HASH_SIZE];
    uint8_t restrictions[PROTO_RESTRICT_SIZE];
    int64_t at_us;
};

static enum base_status read_texts(
    const json_t *object, struct record *record, struct base_err *err)
{
    const struct {
        const char *name;
        char *text;
        size_t size;
    } members[] = {
        { "lot", record->lot, sizeof(record->lot) },
        { "station", record->station, sizeof(record->station) },
        { "tester", record->tester, sizeof(record->tester) },
        { "permit", record->permit, sizeof(record->permit) },
        { "lifecycle", record->lifecycle, sizeof(record->lifecycle) },
    };

    enum base_status status = BASE_OK;
    for (size_t i = 0; status == BASE_OK && i < sizeof(members) / sizeof(members[0]); i++) {
        status =
            base_json_copy_text(object, members[i].name, members[i].size, members[i].text, err);
    }
    return status;
}

static enum base_status read_digests(
    const json_t *object, struct record *record, struct base_err *err)
{
    const struct {
        const char *name;
        uint8_t *data;
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
            base_json_get_hex(object, members[i].name, members[i].length, members[i].data, err);
    }
    record->has_application = base_json_has(object, "application_sha256");
    if (status == BASE_OK && record->has_application) {
        status = base_json_get_hex(object, "application_sha256", sizeof(record->application_sha256),
            record->application_sha256, err);
    }
    return status;
}

static enum base_status read_record(
    const char *text, size_t length, struct record *ret_record, struct base_err *err)
{
    static const char *const names[] = { "v", "lot", "chip", "image_sha256", "application_sha256",
        "key_sha256", "toc2_sha256", "secure_hash", "restrict", "lifecycle", "permit", "station",
        "tester", "at_us" };
    const size_t title = sizeof(TITLE) - 1;
    json_t *parsed = NULL;
    int64_t version = 0;
    if (length <= title || memcmp(text, TITLE, title) != 0) {
        return base_err_set(err, BASE_E_PROTO, "KMS", 0, "it is a note of another kind");
    }
    enum base_status status =
        base_json_parse(text + title, length - title - 1, KMS_NOTE_SIZE, &parsed, err);
    json_auto_t *object = parsed;
    if (status == BASE_OK) {
        status = base_json_only(object, names, sizeof(names) / sizeof(names[0]), err);
    }
    if (status == BASE_OK) {
        status = base_json_get_int(object, "v", 1, 1, &version, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_int(object, "at_us", 0, BASE_JSON_INT_MAX, &ret_record->at_us, err);
    }
    if (status == BASE_OK) {
        status = read_texts(object, ret_record, err);
    }
    return status == BASE_OK ? read_digests(object, ret_record, err) : status;
}

/* Signed by this station's log key and no other. */
static enum base_status open_record(
    struct kms_call *call, const char *note, struct record *ret_record, struct base_err *err)
{
    struct base_note_verifier verifier;
    struct base_note_opened opened;
    enum base_status status = base_note_verifier_parse(call->station.log_vkey, &verifier, err);
    if (status == BASE_OK) {
        status = base_note_open(note, strlen(note), &verifier, 1, &opened, err);
    }
    if (status == BASE_OK) {
        status = read_record(note, opened.body_length, ret_record, err);
    }
    if (status == BASE_E_NOMEM || status == BASE_E_INTERNAL || status == BASE_OK) {
        return status;
    }
    status = kms_refuse(call, KMS_PROBLEM_RECORD_BAD, "the record is not accepted: %s",
        err != NULL ? err->message : "");
    base_err_clear(err);
    return status;
}

/* What the lot names was on the board before its last fuse; nobody can look afterwards. */
static bool has_the_application(const struct kms_lot *lot, const struct record *record)
{
    if (!kms_lot_has_application(lot)) {
        return !record->has_application;
    }
    return record->has_application && memcmp(record->application_sha256, lot->application_sha256,
                                          sizeof(record->application_sha256)) == 0;
}

static const char *disagreement(
    const struct kms_call *call, const struct kms_asking *asking, const struct record *record)
{
    static const uint8_t required[PROTO_RESTRICT_SIZE] = PROTO_RESTRICT_REQUIRED;
    const struct kms_lot *lot = &asking->lot;
    if (strcmp(record->lot, lot->id) != 0) {
        return "lot";
    }
    if (memcmp(record->chip_id, asking->statement.chip_id, sizeof(record->chip_id)) != 0) {
        return "chip";
    }
    if (strcmp(record->station, call->station.name) != 0) {
        return "station";
    }
    if (!base_name_valid(record->tester)) {
        return "tester";
    }
    if (memcmp(record->image_sha256, lot->image_sha256, sizeof(record->image_sha256)) != 0) {
        return "image";
    }
    if (!has_the_application(lot, record)) {
        return "application";
    }
    if (memcmp(record->key_sha256, lot->key_sha256, sizeof(record->key_sha256)) != 0) {
        return "image key";
    }
    if (memcmp(record->secure_hash, lot->secure_hash, sizeof(record->secure_hash)) != 0) {
        return "SECURE_HASH";
    }
    if (memcmp(record->restrictions, required, sizeof(required)) != 0) {
        return "restriction fuses";
    }
    return strcmp(record->lifecycle, "normal") != 0 ? "life cycle" : NULL;
}

enum base_status kms_check_permit(struct kms_call *call, const char *lot, const char *id,
    struct kms_permit *ret_permit, struct base_err *err)
{
    struct kms_permit permit;
    enum base_status status = kms_permit_get(call->core->store, id, &permit, err);
    if (status == BASE_E_NOTFOUND || (status == BASE_OK && strcmp(permit.lot, lot) != 0)) {
        return kms_refuse(call, KMS_PROBLEM_PERMIT_REVOKED,
            "the record names a permit that this KMS never gave for lot %s; set the board aside",
            lot);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (permit.revoked_us != 0) {
        return kms_refuse(call, KMS_PROBLEM_PERMIT_REVOKED,
            "permit %s, under which this chip was restricted, was revoked; set the board aside",
            permit.id);
    }
    if (ret_permit != NULL) {
        *ret_permit = permit;
    }
    return BASE_OK;
}

static enum base_status check_permit(
    struct kms_call *call, const struct record *record, struct base_err *err)
{
    struct kms_permit permit;
    enum base_status status = kms_check_permit(call, record->lot, record->permit, &permit, err);
    if (status != BASE_OK) {
        return status;
    }
    if ((permit.acts & KMS_ACT_RESTRICT) == 0 || record->at_us >= permit.until_us ||
        (permit.for_chip && memcmp(permit.chip_id, record->chip_id, 8) != 0)) {
        return kms_refuse(call, KMS_PROBLEM_RECORD_BAD,
            "permit %s gave no leave to restrict this chip at that time; set the board aside",
            permit.id);
    }
    return BASE_OK;
}

enum base_status kms_check_record(struct kms_call *call, const struct kms_asking *asking,
    const char *note, struct kms_unit *unit, struct base_err *err)
{
    struct record record = { .lot = "" };
    enum base_status status = open_record(call, note, &record, err);
    if (status != BASE_OK) {
        return status;
    }
    const char *what = disagreement(call, asking, &record);
    if (what != NULL) {
        return kms_refuse(call, KMS_PROBLEM_RECORD_BAD,
            "the record's %s is not that of lot %s, this chip and this station; personalise the "
            "board again",
            what, asking->lot.id);
    }
    status = check_permit(call, &record, err);
    if (status == BASE_OK) {
        memcpy(unit->record, note, strlen(note) + 1);
        memcpy(unit->record_tester, record.tester, sizeof(unit->record_tester));
        memcpy(unit->permit, record.permit, sizeof(unit->permit));
    }
    return status;
}

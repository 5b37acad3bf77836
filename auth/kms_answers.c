/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the KMS, from JSON to structs. Nothing in them is believed. */
#include <string.h>

#include "auth/kms_private.h"

static enum base_status read_lot_numbers(
    const json_t *object, struct auth_lot *lot, struct base_err *err)
{
    const struct {
        const char *name;
        uint32_t *number;
    } numbers[] = {
        { "target", &lot->target_units },
        { "allowance", &lot->allowance },
        { "granted", &lot->granted },
        { "confirmed", &lot->confirmed },
        { "scrapped", &lot->scrapped },
        { "open", &lot->open },
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        int64_t value = 0;
        enum base_status status =
            base_json_get_int(object, numbers[i].name, 0, UINT32_MAX, &value, err);
        if (status != BASE_OK) {
            return status;
        }
        *numbers[i].number = (uint32_t)value;
    }
    return base_json_get_int(
        object, "expires_us", 0, BASE_JSON_INT_MAX, &lot->expires_wall_us, err);
}

static enum base_status read_lot_policy(
    const json_t *object, struct auth_lot *lot, struct base_err *err)
{
    static const char *const trusts[] = { "tofu", "manifest", "attested" };
    static const char *const restricts[] = { "none", "secure" };
    static const char *const locks[] = { "none", "aps", "dark" };
    size_t trust = 0;
    size_t restriction = 0;
    size_t lock = 0;
    enum base_status status = base_json_get_choice(object, "trust", trusts, 3, &trust, err);
    if (status == BASE_OK) {
        status = base_json_get_choice(object, "restrict", restricts, 2, &restriction, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_choice(object, "lock", locks, 3, &lock, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_bool(object, "development", &lot->development, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_bool(object, "unattended", &lot->unattended, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_bool(object, "closed", &lot->closed, err);
    }
    lot->trust = (enum auth_trust)(trust + AUTH_TRUST_TOFU);
    lot->restrict_policy = (enum auth_restrict)restriction;
    lot->lock_policy = (enum auth_lock)lock;
    return status;
}

/* Digests that a restricted lot must name. */
static enum base_status read_lot_secure(
    const json_t *object, struct auth_lot *lot, struct base_err *err)
{
    int64_t bootloader = 0;
    int64_t protocol = 0;
    enum base_status status =
        base_json_get_int(object, "min_bootloader", 0, UINT32_MAX, &bootloader, err);
    if (status == BASE_OK) {
        status = base_json_get_int(object, "min_protocol", 0, UINT8_MAX, &protocol, err);
    }
    lot->min_bootloader = (uint32_t)bootloader;
    lot->min_protocol = (uint8_t)protocol;
    if (status == BASE_OK && lot->restrict_policy != AUTH_RESTRICT_NONE) {
        status =
            base_json_get_hex(object, "key_sha256", sizeof(lot->key_sha256), lot->key_sha256, err);
        if (status == BASE_OK) {
            status = base_json_get_hex(
                object, "secure_hash", sizeof(lot->secure_hash), lot->secure_hash, err);
        }
    }
    return status;
}

static enum base_status read_lot_application(
    const json_t *object, struct auth_lot *lot, struct base_err *err)
{
    json_t *application = NULL;
    int64_t version = 0;
    lot->has_application = base_json_has(object, "application");
    if (!lot->has_application) {
        return BASE_OK;
    }
    enum base_status status = base_json_get_object(object, "application", &application, err);
    if (status == BASE_OK) {
        status = base_json_get_hex(
            application, "sha256", sizeof(lot->application_sha256), lot->application_sha256, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_int(application, "version", 0, UINT32_MAX, &version, err);
    }
    lot->application_version = (uint32_t)version;
    return status;
}

enum base_status auth_kms_read_lot(
    const json_t *object, struct auth_lot *ret_lot, struct base_err *err)
{
    struct auth_lot lot = { .id = "" };
    int64_t lorawan = 0;
    enum base_status status = base_json_copy_text(object, "id", sizeof(lot.id), lot.id, err);
    if (status == BASE_OK) {
        status = base_json_copy_text(object, "chip", sizeof(lot.chip), lot.chip, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_hex(object, "image_sha256", 32, lot.image_sha256, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_hex(object, "authority_key_id", 8, lot.authority_key_id, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_int(object, "lorawan", 0, UINT8_MAX, &lorawan, err);
        lot.lorawan_version = (uint8_t)lorawan;
    }
    if (status == BASE_OK) {
        status = base_json_get_hex(object, "join_eui", 8, lot.join_eui, err);
    }
    if (status == BASE_OK) {
        status = read_lot_policy(object, &lot, err);
    }
    if (status == BASE_OK) {
        status = read_lot_secure(object, &lot, err);
    }
    if (status == BASE_OK) {
        status = read_lot_application(object, &lot, err);
    }
    if (status == BASE_OK) {
        status = read_lot_numbers(object, &lot, err);
    }
    if (status == BASE_OK) {
        *ret_lot = lot;
    }
    return status;
}

static enum base_status read_work(
    const json_t *object, enum auth_work *ret_work, struct base_err *err)
{
    static const char *const works[] = { "none", "rework", "zeroise" };
    size_t work = 0;
    enum base_status status = base_json_get_choice(object, "work", works, 3, &work, err);
    *ret_work = (enum auth_work)work;
    return status;
}

static enum base_status read_unit_grant(
    const json_t *object, struct auth_unit *unit, struct base_err *err)
{
    static const char *const locks[] = { "none", "answered", "settled" };
    int64_t version = 0;
    size_t lock = 0;
    enum base_status status =
        base_json_copy_text(object, "grant_id", sizeof(unit->grant_id), unit->grant_id, err);
    if (status == BASE_OK) {
        status = base_json_get_hex(object, "dev_eui", 8, unit->dev_eui, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_int(object, "key_version", 0, UINT32_MAX, &version, err);
        unit->key_version = (uint32_t)version;
    }
    if (status == BASE_OK) {
        status = base_json_get_bool(object, "locked", &unit->locked, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_choice(object, "lock", locks, 3, &lock, err);
        unit->settled = lock == 2;
    }
    if (status == BASE_OK) {
        status = base_json_get_bool(object, "wiped", &unit->wiped, err);
    }
    return status == BASE_OK ? read_work(object, &unit->work, err) : status;
}

enum base_status auth_kms_read_unit(
    const json_t *object, uint8_t *ret_chip_id, struct auth_unit *ret_unit, struct base_err *err)
{
    static const char *const states[] = { "unknown", "registered", "open", "confirmed", "scrapped",
        "elsewhere", "zeroised", "retired" };
    struct auth_unit unit = { .lot = "" };
    uint8_t chip_id[8];
    size_t state = 0;
    enum base_status status = base_json_get_choice(object, "state", states, 8, &state, err);
    unit.state = (enum auth_unit_state)state;
    if (status == BASE_OK) {
        status = base_json_get_hex(object, "chip_id", sizeof(chip_id), chip_id, err);
    }
    if (status == BASE_OK && unit.state != AUTH_UNIT_UNKNOWN) {
        status = base_json_copy_text(object, "lot", sizeof(unit.lot), unit.lot, err);
        if (status == BASE_OK) {
            status =
                base_json_get_hex(object, "public_key_sha256", 32, unit.public_key_sha256, err);
        }
    }
    if (status == BASE_OK && base_json_has(object, "grant_id")) {
        status = read_unit_grant(object, &unit, err);
    }
    if (status == BASE_OK) {
        *ret_unit = unit;
        if (ret_chip_id != NULL) {
            memcpy(ret_chip_id, chip_id, sizeof(chip_id));
        }
    }
    return status;
}

enum base_status auth_kms_read_grant(
    const json_t *answer, struct auth_grant *ret_grant, struct base_err *err)
{
    static const char *const trusts[] = { "tofu", "manifest", "attested" };
    size_t trust = 0;
    struct auth_unit unit;
    const char *note = NULL;
    struct auth_grant grant = { .grant_id = "" };
    enum base_status status = auth_kms_read_unit(answer, NULL, &unit, err);
    if (status == BASE_OK) {
        status = base_json_get_choice(answer, "device_trust", trusts, 3, &trust, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_bool(answer, "repeated", &grant.repeated, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_base64(answer, "envelope", sizeof(grant.envelope), grant.envelope,
            &grant.envelope_length, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_lines(answer, "signed_grant", AUTH_NOTE_MAX - 1, &note, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    memcpy(grant.grant_id, unit.grant_id, sizeof(grant.grant_id));
    memcpy(grant.dev_eui, unit.dev_eui, sizeof(grant.dev_eui));
    grant.key_version = unit.key_version;
    grant.work = unit.work;
    grant.device_trust = (enum auth_trust)(trust + AUTH_TRUST_TOFU);
    memcpy(grant.signed_grant, note, strlen(note) + 1);
    *ret_grant = grant;
    return BASE_OK;
}

enum base_status auth_kms_read_confirmation(
    const json_t *answer, struct auth_confirmation *ret_confirmation, struct base_err *err)
{
    struct auth_confirmation confirmation = { .repeated = false };
    json_t *work = NULL;
    enum base_status status = base_json_get_bool(answer, "repeated", &confirmation.repeated, err);
    if (status == BASE_OK) {
        status = base_json_get_hex(answer, "dev_eui", 8, confirmation.dev_eui, err);
    }
    if (status == BASE_OK) {
        status = base_json_copy_text(
            answer, "label", sizeof(confirmation.label), confirmation.label, err);
    }
    if (status == BASE_OK && base_json_has(answer, "open_work")) {
        status = base_json_get_object(answer, "open_work", &work, err);
        if (status == BASE_OK) {
            status = auth_kms_read_unit(work, NULL, &confirmation.open_work, err);
        }
    }
    if (status == BASE_OK) {
        *ret_confirmation = confirmation;
    }
    return status;
}

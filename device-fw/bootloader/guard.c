/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/guard.h"

#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/bytes.h"

/* Parts of the row, see record.h. */
#define STATE_AT       BL_RECORD_STATE_AT
#define SEQUENCE_AT    8U
#define CHIP_ID_AT     12U
#define KEY_VERSION_AT 20U
#define DEV_NONCE_AT   24U
#define SECRET_AT      28U
#define AUTHORITY_AT   125U
#define NONCE_AT       165U
#define RECEIPT_KEY_AT (BL_RECORD_INSTALLED_AT + 103U)
#define APPLICATION_AT 320U
#define FLOOR_AT       (APPLICATION_AT + 32U) /* of the application */
#define SERVICES_AT    360U

static uint32_t word_at(const uint8_t *row, uint32_t at)
{
    const uint8_t *from = row + at;

    return proto_take_u32(&from);
}

/* Zero when the bytes from @p from to before @p to are the same. */
static uint32_t differs(const uint8_t *row, const uint8_t *old, uint32_t from, uint32_t to)
{
    return bl_hardened_equal(row + from, old + from, to - from) ^ BL_YES;
}

static uint32_t is_not_zero(const uint8_t *row, uint32_t from, uint32_t to)
{
    return bl_hardened_zero(row + from, to - from) ^ BL_YES;
}

/* Which chip it is never changes, each write is the next one, and nothing follows forgetting. */
static uint32_t judge_chip(const uint8_t *row, const uint8_t *old)
{
    uint32_t bad = 0;

    if (old[STATE_AT] == PROTO_VAULT_FORGOTTEN)
        bad = BL_NO;
    return bad | differs(row, old, 0, STATE_AT) | differs(row, old, STATE_AT + 1U, SEQUENCE_AT) |
           (word_at(row, SEQUENCE_AT) ^ (word_at(old, SEQUENCE_AT) + 1U)) |
           differs(row, old, CHIP_ID_AT, KEY_VERSION_AT);
}

/* Nor does who the device is, for as long as it knows. */
static uint32_t judge_identity(const uint8_t *row, const uint8_t *old)
{
    return judge_chip(row, old) | differs(row, old, SECRET_AT, AUTHORITY_AT);
}

static uint32_t judge_counters(const uint8_t *row, const uint8_t *old)
{
    uint32_t bad = 0;

    if (word_at(row, FLOOR_AT) < word_at(old, FLOOR_AT))
        bad = BL_NO;
    return bad | differs(row, old, STATE_AT, STATE_AT + 1U) |
           differs(row, old, KEY_VERSION_AT, DEV_NONCE_AT) |
           differs(row, old, NONCE_AT, APPLICATION_AT);
}

static uint32_t judge_lock(const uint8_t *row, const uint8_t *old)
{
    uint32_t bad = (uint32_t)row[STATE_AT] ^ PROTO_VAULT_LOCKED;

    if (old[STATE_AT] != PROTO_VAULT_COMMITTED && old[STATE_AT] != PROTO_VAULT_ZEROISED)
        bad = BL_NO;
    return bad | differs(row, old, KEY_VERSION_AT, SECRET_AT) |
           differs(row, old, AUTHORITY_AT, RECEIPT_KEY_AT) |
           is_not_zero(row, RECEIPT_KEY_AT, RECEIPT_KEY_AT + PROTO_HASH_SIZE) |
           differs(row, old, RECEIPT_KEY_AT + PROTO_HASH_SIZE, SERVICES_AT);
}

static uint32_t judge_envelope(
    const uint8_t *row, const uint8_t *old, const struct bl_installed *second)
{
    uint8_t installed[BL_RECORD_INSTALLED_SIZE];
    uint8_t state =
        second->purpose == PROTO_PURPOSE_ZEROISE ? PROTO_VAULT_ZEROISED : PROTO_VAULT_COMMITTED;
    uint32_t bad;

    bl_record_encode_installed(second, installed);
    if (old[STATE_AT] == PROTO_VAULT_LOCKED)
        state = PROTO_VAULT_LOCKED;
    bad = (uint32_t)row[STATE_AT] ^ state;
    bad |= bl_hardened_equal(row + BL_RECORD_INSTALLED_AT, installed, sizeof(installed)) ^ BL_YES;
    bad |= word_at(row, KEY_VERSION_AT) ^ second->key_version;
    if (word_at(row, KEY_VERSION_AT) <= word_at(old, KEY_VERSION_AT))
        bad = BL_NO;
    if (differs(row, old, NONCE_AT, BL_RECORD_INSTALLED_AT) != (BL_NO ^ BL_YES) ||
        is_not_zero(row, NONCE_AT, BL_RECORD_INSTALLED_AT) != (BL_NO ^ BL_YES))
        bad = BL_NO;
    bl_wipe(installed, sizeof(installed));
    return bad | differs(row, old, DEV_NONCE_AT, SECRET_AT) |
           differs(row, old, AUTHORITY_AT, NONCE_AT) |
           differs(row, old, APPLICATION_AT, SERVICES_AT) |
           is_not_zero(row, SERVICES_AT, SERVICES_AT + BL_RECORD_SERVICES_SIZE);
}

/* What stays: chip id, key version, floors. A confirmation that was not the right one stands in the
 * row as its difference from that, and so it does in what was found the second time. */
static uint32_t judge_forget(
    const uint8_t *row, const uint8_t *old, const struct bl_installed *second)
{
    uint8_t installed[BL_RECORD_INSTALLED_SIZE];
    uint32_t bad = (uint32_t)row[STATE_AT] ^ PROTO_VAULT_FORGOTTEN;

    if (old[STATE_AT] != PROTO_VAULT_ZEROISED)
        bad = BL_NO;
    bl_record_encode_installed(second, installed);
    bad |= is_not_zero(installed, 0, sizeof(installed));
    bl_wipe(installed, sizeof(installed));
    return bad | differs(row, old, KEY_VERSION_AT, DEV_NONCE_AT) |
           is_not_zero(row, DEV_NONCE_AT, FLOOR_AT) | differs(row, old, FLOOR_AT, SERVICES_AT) |
           is_not_zero(row, SERVICES_AT, SERVICES_AT + BL_RECORD_SERVICES_SIZE);
}

static uint32_t judge_first(const uint8_t *row)
{
    return ((uint32_t)row[STATE_AT] ^ PROTO_VAULT_IDENTITY) |
           is_not_zero(row, KEY_VERSION_AT, SECRET_AT) |
           is_not_zero(row, BL_RECORD_INSTALLED_AT, APPLICATION_AT) |
           (is_not_zero(row, SECRET_AT, AUTHORITY_AT) ^ BL_NO ^ BL_YES) |
           (is_not_zero(row, NONCE_AT, BL_RECORD_INSTALLED_AT) ^ BL_NO ^ BL_YES);
}

uint32_t bl_guard_row(uint32_t act, const uint8_t row[BL_RECORD_SIZE],
    const uint8_t old[BL_RECORD_SIZE], const struct bl_installed *second)
{
    volatile uint32_t bad = BL_NO;

    switch (act) {
    case BL_ACT_COUNTERS:
        bad = judge_identity(row, old) | judge_counters(row, old);
        break;
    case BL_ACT_LOCK:
        bad = judge_identity(row, old) | judge_lock(row, old);
        break;
    case BL_ACT_ENVELOPE:
        bad = judge_identity(row, old) | judge_envelope(row, old, second);
        break;
    case BL_ACT_FORGET:
        bad = judge_chip(row, old) | judge_forget(row, old, second);
        break;
    case BL_ACT_IDENTITY:
        bad = judge_first(row);
        break;
    default:
        break;
    }
    if (bad != 0)
        return BL_NO;
    return bad == 0 ? BL_YES : BL_NO;
}

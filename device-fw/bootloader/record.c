/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/record.h"

#include "device-fw/bootloader/kdf.h"
#include "device-fw/protocol/bytes.h"

#define RECORD_VERSION 2U
#define HASH_AT        476U
#define COMMIT_AT      508U
#define COMMIT_WORD    0x436F4D74U /* "CoMt" */
#define INSTALLED_PAD  4U
#define END_PAD        4U

static const uint8_t magic[4] = { 'L', 'P', 'A', 'V' };

static void encode_installed(uint8_t **at, const struct bl_installed *installed)
{
    proto_put_u8(at, installed->purpose);
    proto_put_u8(at, installed->lorawan_version);
    proto_put_u8(at, installed->keys);
    proto_put(at, installed->envelope_id, sizeof(installed->envelope_id));
    proto_put_u32(at, installed->key_version);
    proto_put(at, installed->dev_eui, sizeof(installed->dev_eui));
    proto_put(at, installed->join_eui, sizeof(installed->join_eui));
    proto_put(at, installed->nwk_key, sizeof(installed->nwk_key));
    proto_put(at, installed->app_key, sizeof(installed->app_key));
    proto_put(at, installed->envelope_hash, sizeof(installed->envelope_hash));
    proto_put(at, installed->receipt_key, sizeof(installed->receipt_key));
    proto_put_zeros(at, INSTALLED_PAD);
}

static void decode_installed(const uint8_t **at, struct bl_installed *ret_installed)
{
    ret_installed->purpose = proto_take_u8(at);
    ret_installed->lorawan_version = proto_take_u8(at);
    ret_installed->keys = proto_take_u8(at);
    proto_take(at, ret_installed->envelope_id, sizeof(ret_installed->envelope_id));
    ret_installed->key_version = proto_take_u32(at);
    proto_take(at, ret_installed->dev_eui, sizeof(ret_installed->dev_eui));
    proto_take(at, ret_installed->join_eui, sizeof(ret_installed->join_eui));
    proto_take(at, ret_installed->nwk_key, sizeof(ret_installed->nwk_key));
    proto_take(at, ret_installed->app_key, sizeof(ret_installed->app_key));
    proto_take(at, ret_installed->envelope_hash, sizeof(ret_installed->envelope_hash));
    proto_take(at, ret_installed->receipt_key, sizeof(ret_installed->receipt_key));
}

uint8_t bl_record_start_state(const uint8_t start[BL_RECORD_STATE_AT + 1U])
{
    return proto_equal(start, magic, sizeof(magic)) ? start[BL_RECORD_STATE_AT]
                                                    : (uint8_t)PROTO_VAULT_EMPTY;
}

void bl_record_encode_installed(
    const struct bl_installed *installed, uint8_t ret_bytes[BL_RECORD_INSTALLED_SIZE])
{
    uint8_t *at = ret_bytes;

    encode_installed(&at, installed);
}

void bl_record_encode(const struct bl_record *record, uint8_t ret_row[BL_RECORD_SIZE])
{
    uint8_t *at = ret_row;

    proto_put(&at, magic, sizeof(magic));
    proto_put_u8(&at, RECORD_VERSION);
    proto_put_u8(&at, record->state);
    proto_put_u8(&at, record->identity_flags);
    proto_put_u8(&at, 0);
    proto_put_u32(&at, record->sequence);
    proto_put(&at, record->chip_id, sizeof(record->chip_id));
    proto_put_u32(&at, record->key_version);
    proto_put_u32(&at, record->dev_nonce_limit);
    proto_put(&at, record->secret, sizeof(record->secret));
    proto_put(&at, record->public_key, sizeof(record->public_key));
    proto_put(&at, record->authority_key_id, sizeof(record->authority_key_id));
    proto_put(&at, record->authority_dh, sizeof(record->authority_dh));
    proto_put(&at, record->nonce, sizeof(record->nonce));
    encode_installed(&at, &record->installed);
    proto_put(&at, record->application_digest, sizeof(record->application_digest));
    proto_put_u32(&at, record->application_floor);
    proto_put_u32(&at, record->bootloader_floor);
    proto_put(&at, record->services, sizeof(record->services));
    proto_put_zeros(&at, END_PAD);
    bl_sha256(ret_row, HASH_AT, at);
    at += PROTO_HASH_SIZE;
    proto_put_u32(&at, COMMIT_WORD);
}

/* What the hash cannot tell: that the one who wrote it was of our kind. */
static bool is_record_row(const uint8_t row[BL_RECORD_SIZE])
{
    const uint8_t *at = row + COMMIT_AT;
    uint8_t hash[PROTO_HASH_SIZE];

    if (proto_take_u32(&at) != COMMIT_WORD || !proto_equal(row, magic, sizeof(magic)) ||
        row[4] != RECORD_VERSION || row[5] == PROTO_VAULT_EMPTY || row[5] > PROTO_VAULT_FORGOTTEN)
        return false;
    bl_sha256(row, HASH_AT, hash);
    return proto_equal(row + HASH_AT, hash, sizeof(hash));
}

bool bl_record_decode(const uint8_t row[BL_RECORD_SIZE], struct bl_record *ret_record)
{
    const uint8_t *at = row + sizeof(magic) + 1;

    if (!is_record_row(row))
        return false;
    ret_record->state = proto_take_u8(&at);
    ret_record->identity_flags = proto_take_u8(&at);
    at++;
    ret_record->sequence = proto_take_u32(&at);
    proto_take(&at, ret_record->chip_id, sizeof(ret_record->chip_id));
    ret_record->key_version = proto_take_u32(&at);
    ret_record->dev_nonce_limit = proto_take_u32(&at);
    proto_take(&at, ret_record->secret, sizeof(ret_record->secret));
    proto_take(&at, ret_record->public_key, sizeof(ret_record->public_key));
    proto_take(&at, ret_record->authority_key_id, sizeof(ret_record->authority_key_id));
    proto_take(&at, ret_record->authority_dh, sizeof(ret_record->authority_dh));
    proto_take(&at, ret_record->nonce, sizeof(ret_record->nonce));
    decode_installed(&at, &ret_record->installed);
    at += INSTALLED_PAD;
    proto_take(&at, ret_record->application_digest, sizeof(ret_record->application_digest));
    ret_record->application_floor = proto_take_u32(&at);
    ret_record->bootloader_floor = proto_take_u32(&at);
    proto_take(&at, ret_record->services, sizeof(ret_record->services));
    return true;
}

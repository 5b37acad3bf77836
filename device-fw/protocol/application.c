/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/protocol/application.h"

#include "device-fw/protocol/bytes.h"

#define MAGIC      0x96F3B83DU
#define TLV_MAGIC  0x6907U
#define TLV_KEY    0x01U
#define TLV_SHA256 0x10U
#define TLV_ECDSA  0x22U
#define HEAD       4U
/* A DER signature of two 256-bit numbers is never shorter. */
#define SIGNATURE_MIN 8U

const uint8_t proto_application_spki_prefix[PROTO_SPKI_PREFIX_SIZE] = { 0x30, 0x59, 0x30, 0x13,
    0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D,
    0x03, 0x01, 0x07, 0x03, 0x42, 0x00 };

static uint32_t get(const uint8_t *bytes, size_t at, size_t length)
{
    uint32_t value = 0;

    while (length-- > 0)
        value = value << 8 | bytes[at + length];
    return value;
}

static void set(uint8_t *bytes, size_t at, size_t length, uint32_t value)
{
    for (size_t i = 0; i < length; i++)
        bytes[at + i] = (uint8_t)(value >> 8U * i);
}

void proto_application_encode(
    const struct proto_application *application, uint8_t ret_bytes[PROTO_APPLICATION_HEADER_SIZE])
{
    uint8_t *at = ret_bytes;

    proto_put_zeros(&at, PROTO_APPLICATION_HEADER_SIZE);
    set(ret_bytes, 0, 4, MAGIC);
    set(ret_bytes, 8, 2, PROTO_APPLICATION_HEADER_SIZE);
    set(ret_bytes, 12, 4, application->program_size);
    set(ret_bytes, 20, 1, application->version >> 24);
    set(ret_bytes, 21, 1, application->version >> 16);
    set(ret_bytes, 22, 2, application->version);
}

enum proto_status proto_application_decode(
    const uint8_t bytes[PROTO_APPLICATION_HEADER_USED], struct proto_application *ret_application)
{
    uint32_t size = get(bytes, 12, 4);

    if (get(bytes, 0, 4) != MAGIC)
        return PROTO_BAD_VERSION;
    if (get(bytes, 4, 4) != 0 || get(bytes, 8, 2) != PROTO_APPLICATION_HEADER_SIZE ||
        get(bytes, 10, 2) != 0 || get(bytes, 16, 4) != 0 || get(bytes, 28, 4) != 0)
        return PROTO_BAD_FIELD;
    if (size < 8 || size > PROTO_APPLICATION_MAX_SIZE - PROTO_APPLICATION_HEADER_SIZE -
                               PROTO_APPLICATION_TLV_MAX)
        return PROTO_BAD_LENGTH;
    ret_application->program_size = size;
    ret_application->version =
        get(bytes, 20, 1) << 24 | get(bytes, 21, 1) << 16 | get(bytes, 22, 2);
    return PROTO_OK;
}

static void put_entry(uint8_t **at, uint32_t type, const uint8_t *value, size_t length)
{
    set(*at, 0, 2, type);
    set(*at, 2, 2, (uint32_t)length);
    *at += HEAD;
    proto_put(at, value, length);
}

size_t proto_application_tlv_encode(
    const struct proto_application_tlv *tlv, uint8_t ret_bytes[PROTO_APPLICATION_TLV_MAX])
{
    uint8_t *at = ret_bytes + HEAD;

    put_entry(&at, TLV_SHA256, tlv->digest, sizeof(tlv->digest));
    put_entry(&at, TLV_KEY, tlv->key_hash, sizeof(tlv->key_hash));
    put_entry(&at, TLV_ECDSA, tlv->signature, tlv->signature_length);
    set(ret_bytes, 0, 2, TLV_MAGIC);
    set(ret_bytes, 2, 2, (uint32_t)(at - ret_bytes));
    return (size_t)(at - ret_bytes);
}

/* What is not read yet: bytes[at] up to, but without, bytes[end]. */
struct cursor {
    const uint8_t *bytes;
    size_t at;
    size_t end;
};

/* False: there are not so many. */
static bool take(struct cursor *cursor, uint8_t *ret_bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (cursor->at >= cursor->end)
            return false;
        ret_bytes[i] = cursor->bytes[cursor->at++];
    }
    return true;
}

/* One entry that was not there before. */
static enum proto_status take_entry(
    struct cursor *cursor, struct proto_application_tlv *tlv, uint32_t *seen)
{
    uint8_t head[HEAD];
    uint32_t bit;
    size_t size;

    if (!take(cursor, head, sizeof(head)))
        return PROTO_BAD_LENGTH;
    size = get(head, 2, 2);
    switch (get(head, 0, 2)) {
    case TLV_SHA256:
        bit = 1U;
        break;
    case TLV_KEY:
        bit = 2U;
        break;
    case TLV_ECDSA:
        bit = 4U;
        break;
    default:
        return PROTO_BAD_FIELD;
    }
    if ((*seen & bit) != 0)
        return PROTO_BAD_FIELD;
    *seen |= bit;
    if (bit == 4U) {
        if (size < SIGNATURE_MIN || size > sizeof(tlv->signature))
            return PROTO_BAD_FIELD;
        tlv->signature_length = size;
        return take(cursor, tlv->signature, size) ? PROTO_OK : PROTO_BAD_LENGTH;
    }
    if (size != PROTO_HASH_SIZE)
        return PROTO_BAD_FIELD;
    return take(cursor, bit == 1U ? tlv->digest : tlv->key_hash, PROTO_HASH_SIZE)
               ? PROTO_OK
               : PROTO_BAD_LENGTH;
}

enum proto_status proto_application_tlv_decode(
    const uint8_t *bytes, size_t length, struct proto_application_tlv *ret_tlv)
{
    struct proto_application_tlv tlv = { .signature_length = 0 };
    struct cursor cursor = { bytes, HEAD, 0 };
    uint32_t seen = 0;

    if (length < HEAD)
        return PROTO_BAD_LENGTH;
    cursor.end = get(bytes, 2, 2);
    if (get(bytes, 0, 2) != TLV_MAGIC)
        return PROTO_BAD_FIELD;
    if (cursor.end > length || cursor.end > PROTO_APPLICATION_TLV_MAX)
        return PROTO_BAD_LENGTH;
    while (cursor.at < cursor.end) {
        enum proto_status status = take_entry(&cursor, &tlv, &seen);

        if (status != PROTO_OK)
            return status;
    }
    if (seen != 7U)
        return PROTO_BAD_FIELD;
    tlv.total = cursor.end;
    *ret_tlv = tlv;
    return PROTO_OK;
}

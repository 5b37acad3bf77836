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

/* One entry; false when it is unknown, or not of its length, or was there before. */
static bool take_entry(uint32_t type, const uint8_t *value, size_t length,
    struct proto_application_tlv *tlv, uint32_t *seen)
{
    uint32_t bit = type == TLV_SHA256 ? 1U : type == TLV_KEY ? 2U : type == TLV_ECDSA ? 4U : 0;
    bool fits = bit == 4U ? length >= SIGNATURE_MIN && length <= sizeof(tlv->signature)
                          : length == PROTO_HASH_SIZE;

    if (bit == 0 || (*seen & bit) != 0 || !fits)
        return false;
    *seen |= bit;
    if (bit == 4U)
        tlv->signature_length = length;
    proto_take(&value,
        bit == 1U   ? tlv->digest
        : bit == 2U ? tlv->key_hash
                    : tlv->signature,
        length);
    return true;
}

enum proto_status proto_application_tlv_decode(
    const uint8_t *bytes, size_t length, struct proto_application_tlv *ret_tlv)
{
    struct proto_application_tlv tlv = { .signature_length = 0 };
    uint32_t seen = 0;
    size_t total;
    size_t at = HEAD;

    if (length < HEAD)
        return PROTO_BAD_LENGTH;
    total = get(bytes, 2, 2);
    if (get(bytes, 0, 2) != TLV_MAGIC)
        return PROTO_BAD_FIELD;
    if (total > length || total > PROTO_APPLICATION_TLV_MAX)
        return PROTO_BAD_LENGTH;
    while (at < total) {
        size_t size = total - at >= HEAD ? get(bytes, at + 2, 2) : total;

        if (size > total - at - HEAD || total - at < HEAD)
            return PROTO_BAD_LENGTH;
        if (!take_entry(get(bytes, at, 2), bytes + at + HEAD, size, &tlv, &seen))
            return PROTO_BAD_FIELD;
        at += HEAD + size;
    }
    if (seen != 7U || at != total)
        return PROTO_BAD_FIELD;
    tlv.total = total;
    *ret_tlv = tlv;
    return PROTO_OK;
}

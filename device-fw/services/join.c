/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/services/core.h"

#include "device-fw/bootloader/hardened.h"
#include "device-fw/bootloader/join.h"
#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/bytes.h"

#include <string.h>

#define MHDR_JOIN_ACCEPT 0x20U
#define MHDR_REJOIN      0xC0U
#define OPT_NEG          0x80U
#define ACCEPT_SHORT     17U
#define ACCEPT_LONG      33U
#define CF_LIST_SIZE     16U
/* What the MIC of LoRaWAN 1.1 covers before the join-accept: JoinReqType, JoinEUI, DevNonce. */
#define ACCEPT_PREFIX 11U
#define MAX_REFUSALS  16U
#define REJOIN_0_SIZE 15U /* without MIC */
#define REJOIN_1_SIZE 20U

/* Places in a join-accept in clear. */
#define JOIN_NONCE_AT  1U
#define NET_ID_AT      4U
#define DEV_ADDR_AT    7U
#define DL_SETTINGS_AT 11U
#define RX_DELAY_AT    12U
#define CF_LIST_AT     13U

static bool is_1_1(const struct svc *svc)
{
    return svc->device->vault.record.installed.lorawan_version == PROTO_LORAWAN_1_1;
}

static void open_request(struct svc *svc, uint8_t type, uint16_t nonce)
{
    svc->is_request_open = true;
    svc->request_type = type;
    svc->request_nonce = nonce;
    svc->refusals = 0;
}

uint32_t svc_join_request(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer)
{
    struct bl_answer answer;
    enum proto_status status = bl_join_request(svc->device, &answer);

    (void)request;
    (void)length;
    if (status == PROTO_WRONG_STATE)
        return SVC_EXHAUSTED;
    if (status != PROTO_OK)
        return status == PROTO_NO_RECORD ? SVC_NO_KEYS : SVC_FLASH_FAILED;
    open_request(svc, SVC_JOIN_TYPE, (uint16_t)(svc->device->dev_nonce_next - 1U));
    memcpy(ret_answer->payload, answer.payload, PROTO_JOIN_REQUEST_SIZE);
    ret_answer->length = PROTO_JOIN_REQUEST_SIZE;
    return SVC_OK;
}

/* ---- join-accept ---- */

/* JSIntKey or JSEncKey; the root key itself where LoRaWAN 1.0 has no such thing. */
static void accept_key(const struct svc *svc, enum svc_derive type, uint8_t ret_key[SVC_KEY_SIZE])
{
    const struct bl_installed *installed = &svc->device->vault.record.installed;

    svc_lorawan_derive_js(installed->nwk_key, type, installed->dev_eui, ret_key);
}

static const uint8_t *root_key(const struct svc *svc)
{
    const struct bl_installed *installed = &svc->device->vault.record.installed;

    return is_1_1(svc) ? installed->nwk_key : installed->app_key;
}

static void decrypt_accept(const struct svc *svc, uint8_t *frame, size_t length)
{
    uint8_t key[SVC_KEY_SIZE];

    if (svc->request_type == SVC_JOIN_TYPE)
        memcpy(key, root_key(svc), sizeof(key));
    else
        accept_key(svc, SVC_DERIVE_JS_ENC, key);
    svc_lorawan_open_accept(key, frame + 1, length - 1U);
    bl_wipe(key, sizeof(key));
}

/* The MIC of LoRaWAN 1.1, which names the request; @p frame has ACCEPT_PREFIX bytes before it. */
static void mic_1_1(struct svc *svc, uint8_t *frame, size_t length, uint8_t ret_mic[SVC_MIC_SIZE])
{
    uint8_t *prefix = frame - ACCEPT_PREFIX;
    uint8_t key[SVC_KEY_SIZE];

    prefix[0] = svc->request_type;
    svc_lorawan_reverse(svc->device->vault.record.installed.join_eui, PROTO_EUI_SIZE, prefix + 1);
    prefix[9] = (uint8_t)svc->request_nonce;
    prefix[10] = (uint8_t)(svc->request_nonce >> 8);
    accept_key(svc, SVC_DERIVE_JS_INT, key);
    svc_lorawan_mic(key, prefix, ACCEPT_PREFIX + length - SVC_MIC_SIZE, ret_mic);
    bl_wipe(key, sizeof(key));
}

static uint32_t check_mic(struct svc *svc, uint8_t *frame, size_t length, bool negotiated)
{
    uint8_t mic[SVC_MIC_SIZE];

    if (negotiated)
        mic_1_1(svc, frame, length, mic);
    else
        svc_lorawan_mic(root_key(svc), frame, length - SVC_MIC_SIZE, mic);
    return bl_hardened_equal(mic, frame + length - SVC_MIC_SIZE, sizeof(mic));
}

static uint32_t join_nonce(const uint8_t *frame)
{
    const uint8_t *at = frame + JOIN_NONCE_AT;

    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
}

static void derive_session(
    const struct svc *svc, const uint8_t *frame, bool negotiated, struct svc_part *part)
{
    const struct bl_installed *installed = &svc->device->vault.record.installed;
    const struct svc_lorawan_join join = { frame + JOIN_NONCE_AT, frame + NET_ID_AT,
        installed->join_eui, svc->request_nonce };

    if (negotiated) {
        svc_lorawan_derive_1_1(
            installed->nwk_key, SVC_DERIVE_F_NWK_S_INT, &join, part->key[SVC_F_NWK_S_INT]);
        svc_lorawan_derive_1_1(
            installed->nwk_key, SVC_DERIVE_S_NWK_S_INT, &join, part->key[SVC_S_NWK_S_INT]);
        svc_lorawan_derive_1_1(
            installed->nwk_key, SVC_DERIVE_NWK_S_ENC, &join, part->key[SVC_NWK_S_ENC]);
        svc_lorawan_derive_1_1(installed->app_key, SVC_DERIVE_APP_S, &join, part->key[SVC_APP_S]);
        return;
    }
    svc_lorawan_derive_1_0(
        root_key(svc), SVC_DERIVE_F_NWK_S_INT, &join, part->key[SVC_F_NWK_S_INT]);
    memcpy(part->key[SVC_S_NWK_S_INT], part->key[SVC_F_NWK_S_INT], SVC_KEY_SIZE);
    memcpy(part->key[SVC_NWK_S_ENC], part->key[SVC_F_NWK_S_INT], SVC_KEY_SIZE);
    svc_lorawan_derive_1_0(root_key(svc), SVC_DERIVE_APP_S, &join, part->key[SVC_APP_S]);
}

static void put_accepted(
    const uint8_t *frame, size_t length, bool negotiated, struct svc_answer *ret_answer)
{
    uint8_t *at = ret_answer->payload;

    svc_lorawan_reverse(frame + DEV_ADDR_AT, 4, at);
    svc_lorawan_reverse(frame + NET_ID_AT, 3, at + 4);
    at += 7;
    proto_put_u8(&at, frame[DL_SETTINGS_AT]);
    proto_put_u8(&at, frame[RX_DELAY_AT]);
    proto_put_u8(&at, negotiated ? 1 : 0);
    proto_put_u8(&at, length == ACCEPT_LONG ? CF_LIST_SIZE : 0);
    proto_put_zeros(&at, CF_LIST_SIZE);
    if (length == ACCEPT_LONG)
        memcpy(at - CF_LIST_SIZE, frame + CF_LIST_AT, CF_LIST_SIZE);
    ret_answer->length = SVC_ACCEPTED_SIZE;
}

/* Nothing of the plain text is believed, or told, before its MIC. @p ret_frame has ACCEPT_PREFIX
 * bytes before it and room for ACCEPT_LONG. */
static uint32_t open_accept(struct svc *svc, const uint8_t *request, size_t length,
    uint8_t *ret_frame, bool *ret_negotiated)
{
    bool negotiated;
    uint32_t decision;

    length--; /* the request type */
    if ((length != ACCEPT_SHORT && length != ACCEPT_LONG) || request[1] != MHDR_JOIN_ACCEPT)
        return BL_NO;
    memcpy(ret_frame, request + 1, length);
    decrypt_accept(svc, ret_frame, length);
    /* A rejoin exists in LoRaWAN 1.1 alone, and so does the bit. */
    negotiated = is_1_1(svc) && (ret_frame[DL_SETTINGS_AT] & OPT_NEG) != 0;
    if (svc->request_type != SVC_JOIN_TYPE && !negotiated)
        return BL_NO;
    *ret_negotiated = negotiated;
    decision = check_mic(svc, ret_frame, length, negotiated);
    return join_nonce(ret_frame) > svc->part.join_nonce ? decision : BL_NO;
}

/* Once more from the request, whoever has found what the first time. A function of its own, so that
 * it can be taken out: tests/glitch. */
static __attribute__((noinline)) uint32_t confirm_accept(
    struct svc *svc, const uint8_t *request, size_t length)
{
    uint8_t again[ACCEPT_PREFIX + ACCEPT_LONG];
    bool negotiated = false;
    uint32_t decision = open_accept(svc, request, length, again + ACCEPT_PREFIX, &negotiated);

    bl_wipe(again, sizeof(again));
    return decision;
}

/* The new session, with counters from 0 and their first values reserved by the same write. */
static enum svc_status begin_session(
    struct svc *svc, const uint8_t *request, size_t length, const uint8_t *frame, bool negotiated)
{
    struct svc_part part = svc->part;
    volatile uint32_t decision; /* read anew for each comparison */
    enum svc_status status;

    part.session = negotiated ? SVC_SESSION_1_1 : SVC_SESSION_1_0;
    part.join_nonce = join_nonce(frame);
    memcpy(part.net_id, frame + NET_ID_AT, sizeof(part.net_id));
    memcpy(part.dev_addr, frame + DEV_ADDR_AT, sizeof(part.dev_addr));
    derive_session(svc, frame, negotiated, &part);
    decision = confirm_accept(svc, request, length);
    status = decision == BL_YES && decision != BL_NO ? svc_store_session(svc, &part) : SVC_REFUSED;
    bl_wipe(&part, sizeof(part));
    return status;
}

uint32_t svc_join_accept(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer)
{
    uint8_t *frame = svc->work + ACCEPT_PREFIX;
    bool negotiated = false;
    enum svc_status status;

    if (!svc->is_request_open || request[0] != svc->request_type)
        return SVC_NO_REQUEST;
    if (open_accept(svc, request, length, frame, &negotiated) != BL_YES) {
        svc->refusals++;
        svc->is_request_open = svc->refusals < MAX_REFUSALS;
        return SVC_REFUSED;
    }
    status = begin_session(svc, request, length, frame, negotiated);
    if (status == SVC_OK)
        put_accepted(frame, length - 1U, negotiated, ret_answer);
    return status;
}

/* ---- rejoin ---- */

static void put_u16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

/* Types 0 and 2: the network server checks them, with a key of the session. */
static void build_rejoin_0(const struct svc *svc, uint8_t type, uint32_t count, uint8_t *frame)
{
    frame[0] = MHDR_REJOIN;
    frame[1] = type;
    memcpy(frame + 2, svc->part.net_id, sizeof(svc->part.net_id));
    svc_lorawan_reverse(svc->device->vault.record.installed.dev_eui, PROTO_EUI_SIZE, frame + 5);
    put_u16(frame + 13, count);
    svc_lorawan_mic(svc->part.key[SVC_S_NWK_S_INT], frame, REJOIN_0_SIZE, frame + REJOIN_0_SIZE);
}

/* Type 1: only the Join Server can check it. */
static void build_rejoin_1(const struct svc *svc, uint32_t count, uint8_t *frame)
{
    const struct bl_installed *installed = &svc->device->vault.record.installed;
    uint8_t key[SVC_KEY_SIZE];

    frame[0] = MHDR_REJOIN;
    frame[1] = 1;
    svc_lorawan_reverse(installed->join_eui, PROTO_EUI_SIZE, frame + 2);
    svc_lorawan_reverse(installed->dev_eui, PROTO_EUI_SIZE, frame + 10);
    put_u16(frame + 18, count);
    accept_key(svc, SVC_DERIVE_JS_INT, key);
    svc_lorawan_mic(key, frame, REJOIN_1_SIZE, frame + REJOIN_1_SIZE);
    bl_wipe(key, sizeof(key));
}

uint32_t svc_rejoin(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer)
{
    uint8_t type = request[0];
    enum svc_counter counter = type == 1 ? SVC_RJCOUNT_1 : SVC_RJCOUNT_0;
    uint32_t count = svc->next[counter];
    enum svc_status status;

    (void)length;
    if (type > 2)
        return SVC_BAD_FIELD;
    if (!is_1_1(svc) || (type != 1 && svc->part.session != SVC_SESSION_1_1))
        return SVC_NO_SESSION;
    status = svc_reserve(svc, counter, count);
    if (status != SVC_OK)
        return status;
    svc->next[counter] = count + 1U;
    open_request(svc, type, (uint16_t)count);
    if (type == 1)
        build_rejoin_1(svc, count, ret_answer->payload);
    else
        build_rejoin_0(svc, type, count, ret_answer->payload);
    ret_answer->length = (type == 1 ? REJOIN_1_SIZE : REJOIN_0_SIZE) + SVC_MIC_SIZE;
    return SVC_OK;
}

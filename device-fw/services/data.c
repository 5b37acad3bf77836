/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/services/core.h"

#include "device-fw/bootloader/kdf.h"
#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/bytes.h"

#include <string.h>

#define MTYPE_MASK         0xE3U /* with Major, which is 0 */
#define MTYPE_UP           0x40U
#define MTYPE_DOWN         0x60U
#define MTYPE_UP_CONFIRM   0x80U
#define MTYPE_DOWN_CONFIRM 0xA0U
#define FCTRL_ACK          0x20U
#define FOPTS_LENGTH       0x0FU
#define HEADER_SIZE        8U /* MHDR, DevAddr, FCtrl, FCnt */
/* Of frame counters that the network would still follow (MAX_FCNT_GAP). */
#define MAX_GAP 16384U

static uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

/* Message type, address and the counter's lower half are this session's and this call's. */
static bool is_ours(const struct svc *svc, const uint8_t *frame, uint32_t fcnt, bool down)
{
    uint8_t type = frame[0] & MTYPE_MASK;
    bool right = down ? type == MTYPE_DOWN || type == MTYPE_DOWN_CONFIRM
                      : type == MTYPE_UP || type == MTYPE_UP_CONFIRM;

    return right && proto_equal(frame + 1, svc->part.dev_addr, sizeof(svc->part.dev_addr)) &&
           get_u16(frame + 6) == (uint16_t)fcnt;
}

/* ---- uplink ---- */

/* A counter that no uplink has had, and not one far ahead. */
static enum svc_status take_new_up(struct svc *svc, uint32_t fcnt)
{
    uint32_t next = svc->next[SVC_FCNT_UP];

    if (fcnt < next)
        return SVC_REPLAYED;
    if (fcnt - next > MAX_GAP)
        return SVC_BAD_FIELD;
    return svc_reserve(svc, SVC_FCNT_UP, fcnt);
}

static void compute_up_mic(struct svc *svc, const uint8_t *head, size_t length, uint32_t fcnt,
    uint8_t ret_mic[SVC_MIC_SIZE])
{
    const struct svc_lorawan_data data = { svc->part.dev_addr, fcnt, false };
    const uint8_t *frame = svc->work + SVC_BLOCK_SIZE;
    uint16_t conf = (frame[5] & FCTRL_ACK) != 0 ? (uint16_t)(head[4] << 8 | head[5]) : 0;
    uint8_t mic[SVC_MIC_SIZE];

    svc_lorawan_b0(&data, 0, length, svc->work);
    svc_lorawan_mic(svc->part.key[SVC_F_NWK_S_INT], svc->work, SVC_BLOCK_SIZE + length, ret_mic);
    if (svc->part.session != SVC_SESSION_1_1)
        return;
    svc_lorawan_b1(&data, conf, head[6], head[7], length, svc->work);
    svc_lorawan_mic(svc->part.key[SVC_S_NWK_S_INT], svc->work, SVC_BLOCK_SIZE + length, mic);
    ret_mic[2] = ret_mic[0];
    ret_mic[3] = ret_mic[1];
    ret_mic[0] = mic[0];
    ret_mic[1] = mic[1];
}

/* The same message may get its MIC again, for another data rate or channel; another one may not. */
static enum svc_status admit_uplink(
    struct svc *svc, const uint8_t *frame, size_t length, uint32_t fcnt)
{
    uint8_t hash[PROTO_HASH_SIZE];
    enum svc_status status;

    bl_sha256(frame, length, hash);
    if (svc->sent && fcnt + 1U == svc->next[SVC_FCNT_UP] &&
        proto_equal(hash, svc->sent_hash, sizeof(hash)))
        return SVC_OK;
    status = take_new_up(svc, fcnt);
    if (status != SVC_OK)
        return status;
    svc->next[SVC_FCNT_UP] = fcnt + 1U;
    svc->sent = true;
    memcpy(svc->sent_hash, hash, sizeof(hash));
    return SVC_OK;
}

uint32_t svc_uplink_mic(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer)
{
    const uint8_t *at = request;
    uint32_t fcnt = proto_take_u32(&at);
    const uint8_t *frame = request + SVC_UPLINK_HEAD;
    size_t frame_length = length - SVC_UPLINK_HEAD;
    enum svc_status status;

    if (svc->part.session == SVC_SESSION_NONE)
        return SVC_NO_SESSION;
    if (!is_ours(svc, frame, fcnt, false))
        return SVC_BAD_FIELD;
    status = admit_uplink(svc, frame, frame_length, fcnt);
    if (status != SVC_OK)
        return status;
    memcpy(svc->work + SVC_BLOCK_SIZE, frame, frame_length);
    compute_up_mic(svc, request, frame_length, fcnt, ret_answer->payload);
    ret_answer->length = SVC_MIC_SIZE;
    return SVC_OK;
}

/* ---- downlink ---- */

/* Which counter a downlink uses: LoRaWAN 1.1 has one of its own for the application's ports. */
static enum svc_counter down_counter(const struct svc *svc, uint8_t port)
{
    return svc->part.session == SVC_SESSION_1_1 && port > 0 ? SVC_AFCNT_DOWN : SVC_NFCNT_DOWN;
}

static bool *freshness(struct svc *svc, enum svc_counter counter)
{
    return &svc->fresh[counter == SVC_AFCNT_DOWN ? 1 : 0];
}

/* FPort of a frame, 0 where it has none; false when its options reach beyond its end. */
static bool find_port(const uint8_t *frame, size_t length, uint8_t *ret_port)
{
    size_t port_at = HEADER_SIZE + (frame[5] & FOPTS_LENGTH);

    if (port_at + SVC_MIC_SIZE > length)
        return false;
    *ret_port = port_at + SVC_MIC_SIZE < length ? frame[port_at] : 0;
    return true;
}

static bool is_down_mic_good(
    struct svc *svc, const uint8_t *frame, size_t length, uint32_t fcnt, uint16_t conf)
{
    const struct svc_lorawan_data data = { svc->part.dev_addr, fcnt, true };
    size_t signed_length = length - SVC_MIC_SIZE;
    uint8_t mic[SVC_MIC_SIZE];

    if (svc->part.session != SVC_SESSION_1_1 || (frame[5] & FCTRL_ACK) == 0)
        conf = 0;
    svc_lorawan_b0(&data, conf, signed_length, svc->work);
    memcpy(svc->work + SVC_BLOCK_SIZE, frame, signed_length);
    svc_lorawan_mic(svc->part.key[SVC_S_NWK_S_INT], svc->work, SVC_BLOCK_SIZE + signed_length, mic);
    return proto_equal(mic, frame + signed_length, sizeof(mic));
}

uint32_t svc_downlink_verify(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer)
{
    const uint8_t *at = request;
    uint32_t fcnt = proto_take_u32(&at);
    uint16_t conf = proto_take_u16(&at);
    size_t frame_length = length - SVC_DOWNLINK_HEAD;
    enum svc_counter counter;
    enum svc_status status;
    uint8_t port = 0;

    (void)ret_answer;
    if (svc->part.session == SVC_SESSION_NONE)
        return SVC_NO_SESSION;
    if (!is_ours(svc, at, fcnt, true) || !find_port(at, frame_length, &port))
        return SVC_BAD_FIELD;
    counter = down_counter(svc, port);
    if (fcnt < svc->next[counter])
        return SVC_REPLAYED;
    if (!is_down_mic_good(svc, at, frame_length, fcnt, conf))
        return SVC_BAD_MIC;
    status = svc_reserve(svc, counter, fcnt);
    if (status != SVC_OK)
        return status;
    svc->next[counter] = fcnt + 1U;
    *freshness(svc, counter) = true;
    return SVC_OK;
}

/* ---- payload and options ---- */

struct crypt {
    struct svc_lorawan_data data;
    uint8_t port;
    uint8_t first;
};

/* May this counter's key stream be given? Up: while no message has it. Down: of the message that
 * was just verified. */
static enum svc_status admit_crypt(struct svc *svc, const struct crypt *crypt)
{
    enum svc_counter counter = down_counter(svc, crypt->port);

    if (!crypt->data.down)
        return take_new_up(svc, crypt->data.fcnt);
    return *freshness(svc, counter) && crypt->data.fcnt + 1U == svc->next[counter] ? SVC_OK
                                                                                   : SVC_REPLAYED;
}

static enum svc_status start_crypt(struct svc *svc, const uint8_t *request, struct crypt *ret_crypt)
{
    const uint8_t *at = request;
    uint8_t direction = proto_take_u8(&at);

    ret_crypt->port = proto_take_u8(&at);
    ret_crypt->data.fcnt = proto_take_u32(&at);
    ret_crypt->first = proto_take_u8(&at);
    ret_crypt->data.down = direction == SVC_DIRECTION_DOWN;
    ret_crypt->data.dev_addr = svc->part.dev_addr;
    if (direction > SVC_DIRECTION_DOWN || proto_take_u8(&at) != 0)
        return SVC_BAD_FIELD;
    return SVC_OK;
}

uint32_t svc_crypt_payload(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer)
{
    size_t data_length = length - SVC_CRYPT_HEAD;
    struct crypt crypt;
    enum svc_status status = start_crypt(svc, request, &crypt);

    if (status != SVC_OK)
        return status;
    if (svc->part.session == SVC_SESSION_NONE)
        return SVC_NO_SESSION;
    if (crypt.first * SVC_BLOCK_SIZE + data_length > SVC_FRAME_MAX)
        return SVC_BAD_FIELD;
    status = admit_crypt(svc, &crypt);
    if (status != SVC_OK)
        return status;
    memcpy(ret_answer->payload, request + SVC_CRYPT_HEAD, data_length);
    svc_lorawan_crypt(svc->part.key[crypt.port == 0 ? SVC_NWK_S_ENC : SVC_APP_S], &crypt.data,
        crypt.first, ret_answer->payload, data_length);
    ret_answer->length = data_length;
    return SVC_OK;
}

uint32_t svc_crypt_fopts(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer)
{
    size_t data_length = length - SVC_CRYPT_HEAD;
    struct crypt crypt;
    enum svc_status status = start_crypt(svc, request, &crypt);

    if (status != SVC_OK)
        return status;
    if (svc->part.session != SVC_SESSION_1_1)
        return SVC_NO_SESSION;
    if (crypt.first != 0)
        return SVC_BAD_FIELD;
    status = admit_crypt(svc, &crypt);
    if (status != SVC_OK)
        return status;
    memcpy(ret_answer->payload, request + SVC_CRYPT_HEAD, data_length);
    svc_lorawan_crypt_fopts(svc->part.key[SVC_NWK_S_ENC], &crypt.data,
        crypt.data.down && crypt.port > 0, ret_answer->payload, data_length);
    ret_answer->length = data_length;
    return SVC_OK;
}

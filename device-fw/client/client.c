/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/client/client.h"

#include "device-fw/protocol/bytes.h"
#include "device-fw/protocol/mailbox.h"

static void call(struct svc_message *message, uint32_t operation, const uint8_t *end)
{
    message->version = SVC_VERSION;
    message->operation = operation;
    message->length = (uint32_t)(end - message->payload);
    lpac_port_call(message);
}

/* The status; SVC_BAD_MESSAGE where gate and library do not fit together. */
static uint32_t conclude(const struct svc_message *message, size_t length)
{
    return message->status == SVC_OK && message->length != length ? (uint32_t)SVC_BAD_MESSAGE
                                                                  : message->status;
}

static bool fits(size_t head, size_t length)
{
    return length <= SVC_PAYLOAD_MAX - head;
}

uint32_t lpac_identity(struct svc_message *message, struct lpac_identity *ret_identity)
{
    const uint8_t *at = message->payload;
    uint32_t status;

    call(message, SVC_OP_IDENTITY, message->payload);
    status = conclude(message, SVC_IDENTITY_SIZE);
    if (status != SVC_OK)
        return status;
    proto_take(&at, ret_identity->dev_eui, PROTO_EUI_SIZE);
    proto_take(&at, ret_identity->join_eui, PROTO_EUI_SIZE);
    ret_identity->lorawan_version = proto_take_u8(&at);
    ret_identity->vault_state = proto_take_u8(&at);
    ret_identity->session = proto_take_u8(&at);
    at++;
    proto_take(&at, ret_identity->dev_addr, sizeof(ret_identity->dev_addr));
    ret_identity->dev_nonce = proto_take_u32(&at);
    ret_identity->join_nonce = proto_take_u32(&at);
    ret_identity->rj_count_0 = proto_take_u32(&at);
    ret_identity->rj_count_1 = proto_take_u32(&at);
    ret_identity->fcnt_up = proto_take_u32(&at);
    ret_identity->nfcnt_down = proto_take_u32(&at);
    ret_identity->afcnt_down = proto_take_u32(&at);
    ret_identity->key_version = proto_take_u32(&at);
    return SVC_OK;
}

/* Take the answer's bytes as they are. */
static uint32_t take_all(const struct svc_message *message, size_t length, uint8_t *ret_bytes)
{
    const uint8_t *at = message->payload;
    uint32_t status = conclude(message, length);

    if (status == SVC_OK)
        proto_take(&at, ret_bytes, length);
    return status;
}

uint32_t lpac_join_request(struct svc_message *message, uint8_t ret_frame[PROTO_JOIN_REQUEST_SIZE])
{
    call(message, SVC_OP_JOIN_REQUEST, message->payload);
    return take_all(message, PROTO_JOIN_REQUEST_SIZE, ret_frame);
}

uint32_t lpac_join_accept(struct svc_message *message, uint8_t type, const uint8_t *frame,
    size_t length, struct lpac_accepted *ret_accepted)
{
    uint8_t *to = message->payload;
    const uint8_t *at = message->payload;
    uint32_t status;

    if (!fits(1, length))
        return SVC_BAD_MESSAGE;
    proto_put_u8(&to, type);
    proto_put(&to, frame, length);
    call(message, SVC_OP_JOIN_ACCEPT, to);
    status = conclude(message, SVC_ACCEPTED_SIZE);
    if (status != SVC_OK)
        return status;
    proto_take(&at, ret_accepted->dev_addr, sizeof(ret_accepted->dev_addr));
    proto_take(&at, ret_accepted->net_id, sizeof(ret_accepted->net_id));
    ret_accepted->dl_settings = proto_take_u8(&at);
    ret_accepted->rx_delay = proto_take_u8(&at);
    ret_accepted->minor_version = proto_take_u8(&at);
    ret_accepted->cf_list_length = proto_take_u8(&at);
    proto_take(&at, ret_accepted->cf_list, sizeof(ret_accepted->cf_list));
    return SVC_OK;
}

uint32_t lpac_rejoin(
    struct svc_message *message, uint8_t type, uint8_t *ret_frame, size_t *ret_length)
{
    size_t length = type == 1 ? 24 : 19;
    uint8_t *to = message->payload;
    uint32_t status;

    proto_put_u8(&to, type);
    call(message, SVC_OP_REJOIN, to);
    status = take_all(message, length, ret_frame);
    if (status == SVC_OK)
        *ret_length = length;
    return status;
}

uint32_t lpac_uplink_mic(struct svc_message *message, const struct lpac_uplink *uplink,
    const uint8_t *frame, size_t length, uint8_t ret_mic[4])
{
    uint8_t *to = message->payload;

    if (!fits(SVC_UPLINK_HEAD, length))
        return SVC_BAD_MESSAGE;
    proto_put_u32(&to, uplink->fcnt);
    proto_put_u16(&to, uplink->conf_fcnt);
    proto_put_u8(&to, uplink->data_rate);
    proto_put_u8(&to, uplink->channel);
    proto_put(&to, frame, length);
    call(message, SVC_OP_UPLINK_MIC, to);
    return take_all(message, 4, ret_mic);
}

uint32_t lpac_downlink_verify(struct svc_message *message, uint32_t fcnt, uint16_t conf_fcnt,
    const uint8_t *frame, size_t length)
{
    uint8_t *to = message->payload;

    if (!fits(SVC_DOWNLINK_HEAD, length))
        return SVC_BAD_MESSAGE;
    proto_put_u32(&to, fcnt);
    proto_put_u16(&to, conf_fcnt);
    proto_put(&to, frame, length);
    call(message, SVC_OP_DOWNLINK_VERIFY, to);
    return message->status;
}

static uint32_t crypt_bytes(struct svc_message *message, uint32_t operation,
    const struct lpac_crypt *crypt, uint8_t *bytes, size_t length)
{
    uint8_t *to = message->payload;

    if (!fits(SVC_CRYPT_HEAD, length))
        return SVC_BAD_MESSAGE;
    proto_put_u8(&to, crypt->down ? SVC_DIRECTION_DOWN : SVC_DIRECTION_UP);
    proto_put_u8(&to, crypt->port);
    proto_put_u32(&to, crypt->fcnt);
    proto_put_u8(&to, crypt->first_block);
    proto_put_u8(&to, 0);
    proto_put(&to, bytes, length);
    call(message, operation, to);
    return take_all(message, length, bytes);
}

uint32_t lpac_crypt_payload(
    struct svc_message *message, const struct lpac_crypt *crypt, uint8_t *bytes, size_t length)
{
    return crypt_bytes(message, SVC_OP_CRYPT_PAYLOAD, crypt, bytes, length);
}

uint32_t lpac_crypt_fopts(
    struct svc_message *message, const struct lpac_crypt *crypt, uint8_t *bytes, size_t length)
{
    return crypt_bytes(message, SVC_OP_CRYPT_FOPTS, crypt, bytes, length);
}

/* Answers of the provisioning protocol keep the device's own status. */
static uint32_t take_device(const struct svc_message *message, size_t length, uint8_t *ret_bytes)
{
    const uint8_t *at = message->payload;

    if (message->status != (SVC_STATUS_DEVICE | PROTO_OK) &&
        message->status != (SVC_STATUS_DEVICE | PROTO_ALREADY))
        return message->status;
    if (message->length != length)
        return SVC_BAD_MESSAGE;
    proto_take(&at, ret_bytes, length);
    return message->status;
}

uint32_t lpac_statement(struct svc_message *message,
    const uint8_t authority_key_id[PROTO_KEY_ID_SIZE], uint8_t ret_statement[PROTO_STATEMENT_SIZE])
{
    uint8_t *to = message->payload;

    proto_put(&to, authority_key_id, PROTO_KEY_ID_SIZE);
    call(message, SVC_OP_STATEMENT, to);
    return take_device(message, PROTO_STATEMENT_SIZE, ret_statement);
}

uint32_t lpac_envelope(struct svc_message *message, const uint8_t envelope[PROTO_ENVELOPE_SIZE],
    uint8_t ret_receipt[PROTO_RECEIPT_SIZE])
{
    uint8_t *to = message->payload;

    proto_put(&to, envelope, PROTO_ENVELOPE_SIZE);
    call(message, SVC_OP_ENVELOPE, to);
    return take_device(message, PROTO_RECEIPT_SIZE, ret_receipt);
}

uint32_t lpac_receipt(struct svc_message *message, uint8_t ret_receipt[PROTO_RECEIPT_SIZE])
{
    call(message, SVC_OP_RECEIPT, message->payload);
    return take_device(message, PROTO_RECEIPT_SIZE, ret_receipt);
}

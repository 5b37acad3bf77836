/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/services/core.h"

#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/bytes.h"

#include <string.h>

/* Values that one write reserves. A reset loses at most so many; 144 uplinks a day for ten years
 * are 4107 writes. */
static const uint32_t step[SVC_COUNTERS] = { 128, 64, 64, 16, 16 };

/* RJcounts have 16 bits; frame counters 32, with room for the last reservation. */
static const uint32_t end[SVC_COUNTERS] = { 0xFFFFFF00U, 0xFFFFFF00U, 0xFFFFFF00U, 0x10000U,
    0x10000U };

_Static_assert(SVC_PART_SIZE == sizeof(((struct bl_record *)0)->services), "the record's part");

bool svc_has_keys(const struct svc *svc)
{
    const struct bl_vault *vault = &svc->device->vault;

    return vault->status == PROTO_OK && vault->present &&
           (vault->record.state == PROTO_VAULT_COMMITTED ||
               vault->record.state == PROTO_VAULT_LOCKED) &&
           (vault->record.installed.keys & PROTO_KEY_APP) != 0;
}

void svc_start(struct svc *svc, struct bl_device *device)
{
    const struct bl_record *record = &device->vault.record;

    bl_wipe(svc, sizeof(*svc));
    svc->device = device;
    if (svc_has_keys(svc))
        svc_part_decode(record->services, record->installed.key_version, &svc->part);
    memcpy(svc->next, svc->part.limit, sizeof(svc->next));
}

enum svc_status svc_store(struct svc *svc, const struct svc_part *part)
{
    struct bl_device *device = svc->device;
    struct bl_record *draft = bl_vault_draft(&device->vault, device->chip.id);

    svc_part_encode(part, draft->services);
    if (bl_vault_commit(&device->vault) != PROTO_OK) {
        svc_start(svc, device);
        return SVC_FLASH_FAILED;
    }
    svc->part = *part;
    return SVC_OK;
}

/* One write serves all frame counters: each may go on for a whole step after it. */
static void top_up(const struct svc *svc, struct svc_part *part)
{
    for (unsigned i = SVC_FCNT_UP; i <= SVC_AFCNT_DOWN; i++) {
        if (part->session != SVC_SESSION_NONE && part->limit[i] < svc->next[i] + step[i])
            part->limit[i] = svc->next[i] + step[i];
    }
}

enum svc_status svc_store_session(struct svc *svc, struct svc_part *part)
{
    enum svc_status status;

    for (unsigned i = SVC_FCNT_UP; i <= SVC_AFCNT_DOWN; i++)
        part->limit[i] = step[i];
    part->limit[SVC_RJCOUNT_0] = 0;
    status = svc_store(svc, part);
    if (status != SVC_OK)
        return status;
    for (unsigned i = SVC_FCNT_UP; i <= SVC_RJCOUNT_0; i++)
        svc->next[i] = 0;
    memset(svc->fresh, 0, sizeof(svc->fresh));
    svc->sent = false;
    svc->is_request_open = false;
    return SVC_OK;
}

enum svc_status svc_reserve(struct svc *svc, enum svc_counter counter, uint32_t value)
{
    struct svc_part part;
    enum svc_status status;

    if (value >= end[counter])
        return SVC_EXHAUSTED;
    if (value < svc->part.limit[counter])
        return SVC_OK;
    part = svc->part;
    top_up(svc, &part);
    part.limit[counter] = value + step[counter];
    status = svc_store(svc, &part);
    bl_wipe(&part, sizeof(part));
    return status;
}

static uint32_t identity(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer)
{
    const struct bl_record *record = &svc->device->vault.record;
    uint8_t *at = ret_answer->payload;
    uint8_t address[sizeof(svc->part.dev_addr)];

    (void)request;
    (void)length;
    svc_lorawan_reverse(svc->part.dev_addr, sizeof(address), address);
    proto_put(&at, record->installed.dev_eui, PROTO_EUI_SIZE);
    proto_put(&at, record->installed.join_eui, PROTO_EUI_SIZE);
    proto_put_u8(&at, record->installed.lorawan_version);
    proto_put_u8(&at, svc->device->vault.present ? record->state : (uint8_t)PROTO_VAULT_EMPTY);
    proto_put_u8(&at, svc->part.session);
    proto_put_u8(&at, 0);
    proto_put(&at, address, sizeof(address));
    proto_put_u32(&at, svc->device->dev_nonce_next);
    proto_put_u32(&at, svc->part.join_nonce);
    proto_put_u32(&at, svc->next[SVC_RJCOUNT_0]);
    proto_put_u32(&at, svc->next[SVC_RJCOUNT_1]);
    proto_put_u32(&at, svc->next[SVC_FCNT_UP]);
    proto_put_u32(&at, svc->next[SVC_NFCNT_DOWN]);
    proto_put_u32(&at, svc->next[SVC_AFCNT_DOWN]);
    proto_put_u32(&at, record->installed.key_version);
    ret_answer->length = SVC_IDENTITY_SIZE;
    return SVC_OK;
}

/* What the mailbox did before the device was locked. */
static uint32_t from_device(
    enum proto_status status, const struct bl_answer *answer, struct svc_answer *ret_answer)
{
    if (status == PROTO_OK || status == PROTO_ALREADY) {
        memcpy(ret_answer->payload, answer->payload, answer->length);
        ret_answer->length = answer->length;
    }
    return SVC_STATUS_DEVICE | (uint32_t)status;
}

static uint32_t statement(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer)
{
    struct bl_answer answer;
    enum proto_status status = bl_device_statement(svc->device, request, length, &answer);

    return from_device(status, &answer, ret_answer);
}

static uint32_t receipt(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer)
{
    struct bl_answer answer;
    enum proto_status status = bl_device_receipt(svc->device, &answer);

    (void)request;
    (void)length;
    return from_device(status, &answer, ret_answer);
}

static uint32_t envelope(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer)
{
    struct bl_answer answer;
    enum proto_status status = bl_device_envelope(svc->device, request, length, &answer);

    /* New root keys, or none: the session of the old ones is over. */
    if (status == PROTO_OK)
        svc_start(svc, svc->device);
    return from_device(status, &answer, ret_answer);
}

struct operation {
    uint32_t (*execute)(struct svc *, const uint8_t *, size_t, struct svc_answer *);
    uint16_t shortest; /**< request payload, bytes */
    uint16_t longest;
    bool may_write;
    bool needs_keys;
};

static const struct operation operations[SVC_OP_END] = {
    [SVC_OP_IDENTITY] = { identity, 0, 0, false, false },
    [SVC_OP_JOIN_REQUEST] = { svc_join_request, 0, 0, true, true },
    [SVC_OP_JOIN_ACCEPT] = { svc_join_accept, 18, 34, true, true },
    [SVC_OP_REJOIN] = { svc_rejoin, 1, 1, true, true },
    [SVC_OP_UPLINK_MIC] = { svc_uplink_mic, SVC_UPLINK_HEAD + 8,
        SVC_UPLINK_HEAD + SVC_FRAME_MAX - 4, true, true },
    [SVC_OP_DOWNLINK_VERIFY] = { svc_downlink_verify, SVC_DOWNLINK_HEAD + 12,
        SVC_DOWNLINK_HEAD + SVC_FRAME_MAX, true, true },
    [SVC_OP_CRYPT_PAYLOAD] = { svc_crypt_payload, SVC_CRYPT_HEAD + 1,
        SVC_CRYPT_HEAD + SVC_FRAME_MAX, true, true },
    [SVC_OP_CRYPT_FOPTS] = { svc_crypt_fopts, SVC_CRYPT_HEAD + 1, SVC_CRYPT_HEAD + 15, true, true },
    [SVC_OP_STATEMENT] = { statement, PROTO_KEY_ID_SIZE, PROTO_KEY_ID_SIZE, true, false },
    [SVC_OP_ENVELOPE] = { envelope, PROTO_ENVELOPE_SIZE, PROTO_ENVELOPE_SIZE, true, false },
    [SVC_OP_RECEIPT] = { receipt, 0, 0, false, false },
};

static bool is_listed(uint32_t operation)
{
    return operation < SVC_OP_END && operations[operation].execute != NULL;
}

bool svc_may_write(uint32_t operation)
{
    return is_listed(operation) && operations[operation].may_write;
}

uint32_t svc_execute(struct svc *svc, uint32_t operation, const uint8_t *request, size_t length,
    struct svc_answer *ret_answer)
{
    uint32_t status;

    ret_answer->length = 0;
    if (!is_listed(operation))
        return SVC_BAD_OPERATION;
    if (length < operations[operation].shortest || length > operations[operation].longest)
        return SVC_BAD_MESSAGE;
    if (operations[operation].needs_keys && !svc_has_keys(svc))
        return SVC_NO_KEYS;
    status = operations[operation].execute(svc, request, length, ret_answer);
    bl_wipe(svc->work, sizeof(svc->work));
    if (status != SVC_OK && (status & SVC_STATUS_DEVICE) == 0)
        ret_answer->length = 0;
    return status;
}

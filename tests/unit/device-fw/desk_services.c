/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "tests/unit/device-fw/desk_services.h"

#include <cmocka.h>

#include "device-fw/protocol/bytes.h"

/* The first record: an envelope needs one to follow. */
static void make_record(struct bl_device *device)
{
    struct bl_record *draft = bl_vault_draft(&device->vault, device->chip.id);

    draft->state = PROTO_VAULT_IDENTITY;
    draft->secret[0] = 1;
    draft->nonce[0] = 1;
    assert_int_equal(
        bl_vault_commit_as(&device->vault, BL_ACT_IDENTITY, &draft->installed), PROTO_OK);
}

void desk_use_network(struct desk *desk)
{
    const struct network *network = &desk->network;
    struct bl_installed second;
    struct bl_record *draft;

    if (!desk->device.vault.present)
        make_record(&desk->device);
    draft = bl_vault_draft(&desk->device.vault, desk->device.chip.id);
    draft->nonce[0]++;
    memset(draft->services, 0, sizeof(draft->services));
    draft->state = PROTO_VAULT_COMMITTED;
    draft->key_version++;
    draft->installed.purpose = PROTO_PURPOSE_INSTALL;
    draft->installed.key_version = draft->key_version;
    draft->installed.lorawan_version =
        network->is_1_1 ? (uint8_t)PROTO_LORAWAN_1_1 : (uint8_t)PROTO_LORAWAN_1_0;
    draft->installed.keys =
        (uint8_t)(network->is_1_1 ? PROTO_KEY_APP | PROTO_KEY_NWK : PROTO_KEY_APP);
    memcpy(draft->installed.dev_eui, network->dev_eui, 8);
    memcpy(draft->installed.join_eui, network->join_eui, 8);
    memcpy(draft->installed.app_key, network->app_key, 16);
    memcpy(draft->installed.nwk_key, network->nwk_key, 16);
    second = draft->installed;
    assert_int_equal(bl_vault_commit_as(&desk->device.vault, BL_ACT_ENVELOPE, &second), PROTO_OK);
    svc_start(&desk->svc, &desk->device);
}

void desk_new(struct desk *desk, enum proto_lorawan version)
{
    memset(desk, 0, sizeof(*desk));
    chip_new(1);
    bl_device_start(&desk->device, true);
    desk->network = (struct network){
        .is_1_1 = version == PROTO_LORAWAN_1_1,
        .dev_eui = { 0x70, 0xB3, 0xD5, 0x7E, 0xD0, 0, 0, 1 },
        .join_eui = { 0x70, 0xB3, 0xD5, 0x7E, 0xD0, 0, 0, 2 },
        .net_id = { 0, 0, 0x13 },
        .dev_addr = { 0x26, 0x01, 0x1B, 0xDA },
    };
    for (unsigned i = 0; i < 16; i++) {
        desk->network.app_key[i] = (uint8_t)(0xA0 + i);
        desk->network.nwk_key[i] = (uint8_t)(desk->network.is_1_1 ? 0x50 + i : 0);
    }
    desk_use_network(desk);
}

void desk_reboot(struct desk *desk)
{
    chip_power_on();
    bl_device_start(&desk->device, true);
    svc_start(&desk->svc, &desk->device);
}

uint32_t desk_do(struct desk *desk, uint32_t operation, const uint8_t *request, size_t length)
{
    uint8_t copy[SVC_PAYLOAD_MAX] = { 0 };

    if (length > 0)
        memcpy(copy, request, length);
    memset(&desk->answer, 0xEE, sizeof(desk->answer));
    return svc_execute(&desk->svc, operation, copy, length, &desk->answer);
}

uint32_t desk_accept(struct desk *desk, uint8_t type, const uint8_t *frame, size_t length)
{
    uint8_t request[1 + 33] = { type };

    memcpy(request + 1, frame, length);
    return desk_do(desk, SVC_OP_JOIN_ACCEPT, request, 1 + length);
}

void desk_join(struct desk *desk, uint8_t dl_settings)
{
    uint8_t frame[33];
    uint16_t nonce;

    assert_int_equal(desk_do(desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_OK);
    nonce = network_check_join(&desk->network, desk->answer.payload);
    assert_int_equal(
        network_accept(&desk->network, SVC_JOIN_TYPE, nonce, dl_settings, 1, NULL, frame), 17);
    assert_int_equal(desk_accept(desk, SVC_JOIN_TYPE, frame, 17), SVC_OK);
}

uint32_t desk_uplink_mic(struct desk *desk, uint32_t fcnt, uint16_t conf, uint8_t data_rate,
    uint8_t channel, const uint8_t *message, size_t length)
{
    uint8_t request[SVC_PAYLOAD_MAX];
    uint8_t *at = request;

    proto_put_u32(&at, fcnt);
    proto_put_u16(&at, conf);
    proto_put_u8(&at, data_rate);
    proto_put_u8(&at, channel);
    proto_put(&at, message, length);
    return desk_do(desk, SVC_OP_UPLINK_MIC, request, SVC_UPLINK_HEAD + length);
}

uint32_t desk_verify(
    struct desk *desk, uint32_t fcnt, uint16_t conf, const uint8_t *frame, size_t length)
{
    uint8_t request[SVC_PAYLOAD_MAX];
    uint8_t *at = request;

    proto_put_u32(&at, fcnt);
    proto_put_u16(&at, conf);
    proto_put(&at, frame, length);
    return desk_do(desk, SVC_OP_DOWNLINK_VERIFY, request, SVC_DOWNLINK_HEAD + length);
}

uint32_t desk_crypt(struct desk *desk, uint32_t operation, bool down, uint8_t port, uint32_t fcnt,
    const uint8_t *data, size_t length)
{
    uint8_t request[SVC_PAYLOAD_MAX];
    uint8_t *at = request;

    proto_put_u8(&at, down ? SVC_DIRECTION_DOWN : SVC_DIRECTION_UP);
    proto_put_u8(&at, port);
    proto_put_u32(&at, fcnt);
    proto_put_u16(&at, 0);
    proto_put(&at, data, length);
    return desk_do(desk, operation, request, SVC_CRYPT_HEAD + length);
}

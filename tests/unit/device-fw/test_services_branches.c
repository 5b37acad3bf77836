/* SPDX-License-Identifier: Apache-2.0 */
/* What the key services do where nothing is as it should be: each refusal, with its state after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/services/gate.h"
#include "tests/unit/device-fw/desk_services.h"
#include "tests/unit/device-fw/station.h"

static struct desk desk;

static void start_1_1(void)
{
    desk_new(&desk, PROTO_LORAWAN_1_1);
    desk_join(&desk, 0x80);
}

static void no_keys_no_service(void **state)
{
    struct bl_vault *vault = &desk.device.vault;

    (void)state;
    start_1_1();
    vault->status = PROTO_FLASH_FAILED;
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_NO_KEYS);
    vault->status = PROTO_OK;
    vault->record.installed.keys = PROTO_KEY_NWK;
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_NO_KEYS);
    vault->record.installed.keys = PROTO_KEY_APP | PROTO_KEY_NWK;
    vault->record.state = PROTO_VAULT_IDENTITY;
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_NO_KEYS);
    svc_start(&desk.svc, &desk.device);
    assert_int_equal(desk.svc.part.session, SVC_SESSION_NONE);
    vault->record.state = PROTO_VAULT_LOCKED;
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_OK);
    vault->present = false;
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_NO_KEYS);
    assert_int_equal(desk_do(&desk, SVC_OP_IDENTITY, NULL, 0), SVC_OK);
    assert_int_equal(desk.answer.payload[17], PROTO_VAULT_EMPTY);
    /* Were it asked all the same. */
    assert_int_equal(svc_join_request(&desk.svc, NULL, 0, &desk.answer), SVC_NO_KEYS);
}

static void join_requests_end(void **state)
{
    struct bl_device *device = &desk.device;

    (void)state;
    start_1_1();
    device->dev_nonce_next = device->vault.record.dev_nonce_limit;
    chip_reset_counters();
    chip.refuse_from = 1;
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_FLASH_FAILED);
    chip_reset_counters();
    device->vault.record.dev_nonce_limit = 0x10000;
    device->dev_nonce_next = 0x10000;
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_EXHAUSTED);
    assert_int_equal(desk.answer.length, 0);
}

static void accepts_of_no_form(void **state)
{
    uint8_t frame[33] = { 0x20 };

    (void)state;
    desk_new(&desk, PROTO_LORAWAN_1_1);
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_OK);
    assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, frame, 20), SVC_REFUSED);
    assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, frame, 33), SVC_REFUSED);
    frame[0] = 0x60;
    assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, frame, 17), SVC_REFUSED);
    assert_int_equal(desk.svc.refusals, 3);
}

static void message_types(void **state)
{
    /* Each type of LoRaWAN, with counter 0. */
    uint8_t frame[13] = { 0 };
    unsigned taken = 0;

    (void)state;
    start_1_1();
    memcpy(frame + 1, desk.svc.part.dev_addr, 4);
    for (unsigned type = 0; type < 8; type++) {
        uint32_t status;

        frame[0] = (uint8_t)(type << 5);
        status = desk_uplink_mic(&desk, 0, 0, 0, 0, frame, 9);
        /* The second one with a MIC would be another message with the same counter. */
        assert_int_equal(status, type == 2 ? SVC_OK : type == 4 ? SVC_REPLAYED : SVC_BAD_FIELD);
        taken += status == SVC_OK;
        status = desk_verify(&desk, 0, 0, frame, 13);
        assert_int_equal(status, type == 3 || type == 5 ? SVC_BAD_MIC : SVC_BAD_FIELD);
    }
    assert_int_equal(taken, 1);
    frame[0] = 0x60;
    frame[1] ^= 1;
    assert_int_equal(desk_verify(&desk, 0, 0, frame, 13), SVC_BAD_FIELD);
    frame[1] ^= 1;
    frame[5] = 2; /* options beyond the end */
    assert_int_equal(desk_verify(&desk, 0, 0, frame, 13), SVC_BAD_FIELD);
    frame[5] = 1; /* no port */
    assert_int_equal(desk_verify(&desk, 0, 0, frame, 13), SVC_BAD_MIC);
}

/* A good downlink whose counter cannot be written is not taken, and may be tried again. */
static void downlink_without_flash(void **state)
{
    uint8_t frame[NETWORK_FRAME_MAX];
    size_t length;

    (void)state;
    start_1_1();
    desk.network.afcnt_down = desk.svc.part.limit[SVC_AFCNT_DOWN];
    length = network_downlink(&desk.network, 1, (const uint8_t *)"x", 1, frame);
    chip_reset_counters();
    chip.refuse_from = 1;
    assert_int_equal(
        desk_verify(&desk, desk.network.afcnt_down - 1, 0, frame, length), SVC_FLASH_FAILED);
    chip_reset_counters();
    assert_int_equal(desk_verify(&desk, desk.network.afcnt_down - 1, 0, frame, length), SVC_OK);
}

static void fields_of_crypt(void **state)
{
    static const uint32_t operations[] = { SVC_OP_CRYPT_PAYLOAD, SVC_OP_CRYPT_FOPTS };
    uint8_t request[SVC_CRYPT_HEAD + 241] = { 0 };
    uint8_t frame[NETWORK_FRAME_MAX];
    uint8_t bytes[17] = { 0 };
    const struct svc_lorawan_data data = { bytes, 0, false };
    size_t length;

    (void)state;
    start_1_1();
    for (size_t i = 0; i < 2; i++) {
        request[0] = 2;
        assert_int_equal(desk_do(&desk, operations[i], request, 9), SVC_BAD_FIELD);
        request[0] = 0;
        request[7] = 1;
        assert_int_equal(desk_do(&desk, operations[i], request, 9), SVC_BAD_FIELD);
        request[7] = 0;
        request[5] = 0xFF; /* counter 255 is free, and 16 blocks of 255 bytes are not */
        request[6] = 16;
        assert_int_equal(desk_do(&desk, operations[i], request, 9), SVC_BAD_FIELD);
        request[5] = 0;
        request[6] = 0;
        /* Of a downlink that was not verified. */
        assert_int_equal(desk_crypt(&desk, operations[i], true, 1, 0, bytes, 1), SVC_REPLAYED);
    }
    length = network_downlink(&desk.network, 1, (const uint8_t *)"x", 1, frame);
    assert_int_equal(desk_verify(&desk, 0, 0, frame, length), SVC_OK);
    assert_int_equal(desk_crypt(&desk, SVC_OP_CRYPT_FOPTS, true, 1, 0, bytes, 1), SVC_OK);
    length = network_downlink(&desk.network, 0, (const uint8_t *)"x", 1, frame);
    assert_int_equal(desk_verify(&desk, 0, 0, frame, length), SVC_OK);
    assert_int_equal(desk_crypt(&desk, SVC_OP_CRYPT_FOPTS, true, 0, 0, bytes, 1), SVC_OK);
    /* There is one block for options, and none beyond. */
    memset(bytes, 0, sizeof(bytes));
    svc_lorawan_crypt_fopts(desk.svc.part.key[SVC_NWK_S_ENC], &data, false, bytes, sizeof(bytes));
    assert_int_equal(bytes[16], 0);
}

static void part_of_another_form(void **state)
{
    uint8_t bytes[SVC_PART_SIZE];
    struct svc_part part;

    (void)state;
    start_1_1();
    svc_part_encode(&desk.svc.part, bytes);
    bytes[0] = SVC_SESSION_1_1 + 1;
    svc_part_decode(bytes, desk.svc.part.key_version, &part);
    assert_int_equal(part.session, SVC_SESSION_NONE);
    assert_int_equal(part.limit[SVC_FCNT_UP], 0);
    assert_int_equal(part.key_version, desk.svc.part.key_version);
}

static uint32_t rework(struct svc *svc, const uint8_t *envelope, struct svc_answer *ret_answer)
{
    return svc_execute(svc, SVC_OP_ENVELOPE, envelope, PROTO_ENVELOPE_SIZE, ret_answer);
}

/* Statement, rework, receipt: as a locked board's application hands them in. */
static void orders_of_the_authority(void **state)
{
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 1 };
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_envelope_header header;
    struct proto_statement statement;
    struct authority authority;
    struct station station;
    struct svc_answer answer;
    struct proto_receipt receipt;
    struct svc svc;

    (void)state;
    authority_init(&authority, 1);
    chip_new(1);
    chip_bind(authority.public_key, NULL, true);
    station_boot(&station);
    station_identify(&station, &authority, &statement);
    assert_int_equal(station_install(&station, &authority, &statement, 1), PROTO_OK);
    svc_start(&svc, &station.device);
    memset(receipt_key, 0, sizeof(receipt_key));
    assert_int_equal(svc_execute(&svc, SVC_OP_STATEMENT, receipt_key, PROTO_KEY_ID_SIZE, &answer) &
                         SVC_STATUS_DEVICE,
        SVC_STATUS_DEVICE);
    assert_int_equal(answer.length, 0);
    assert_int_equal(
        svc_execute(&svc, SVC_OP_STATEMENT, authority.key_id, PROTO_KEY_ID_SIZE, &answer),
        SVC_STATUS_DEVICE | PROTO_OK);
    authority_check_statement(&authority, answer.payload, &statement);
    header = authority_header(&authority, &statement, 2);
    header.purpose = PROTO_PURPOSE_REWORK;
    authority_seal(&authority, &header, statement.public_key, plain, envelope, receipt_key);
    envelope[PROTO_ENVELOPE_SIZE - 1] ^= 1;
    assert_true(rework(&svc, envelope, &answer) > (SVC_STATUS_DEVICE | PROTO_ALREADY));
    assert_int_equal(answer.length, 0);
    envelope[PROTO_ENVELOPE_SIZE - 1] ^= 1;
    svc.part.session = SVC_SESSION_1_0;
    assert_int_equal(rework(&svc, envelope, &answer), SVC_STATUS_DEVICE | PROTO_OK);
    assert_int_equal(svc.part.session, SVC_SESSION_NONE);
    assert_int_equal(rework(&svc, envelope, &answer), SVC_STATUS_DEVICE | PROTO_ALREADY);
    authority_check_receipt(receipt_key, envelope, answer.payload, &receipt);
    assert_int_equal(
        svc_execute(&svc, SVC_OP_RECEIPT, NULL, 0, &answer), SVC_STATUS_DEVICE | PROTO_OK);
    authority_check_receipt(receipt_key, envelope, answer.payload, &receipt);
    authority_done(&authority);
}

static void channels_of_others(void **state)
{
    static struct svc_gate gate;
    struct svc_message *message = (struct svc_message *)(void *)chip.layer;

    (void)state;
    desk_new(&desk, PROTO_LORAWAN_1_0);
    svc_gate_start(&gate, &desk.device);
    chip_cm4_set(true);
    /* Somebody holds the channel that the gate would ask the CM4 through. */
    *message = (struct svc_message){ .version = SVC_VERSION, .operation = SVC_OP_JOIN_REQUEST };
    chip_ipc_request(SVC_PARK_CHANNEL, 0, 0);
    assert_true(svc_gate_serve(&gate, SVC_CALLER_LAYER, CHIP_LAYER));
    assert_int_equal(message->status, SVC_NOT_PARKED);
    assert_int_equal(chip.parks, 0);
    /* A notification after the caller let go. */
    chip_ipc_request(SVC_CHANNEL, 0xE43U, CHIP_SHARED);
    bl_hal_write32(BL_IPC_RELEASE(SVC_CHANNEL), 0);
    assert_true(svc_gate_poll(&gate));
    assert_false(svc_gate_poll(&gate));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_keys_no_service),
        cmocka_unit_test(join_requests_end),
        cmocka_unit_test(accepts_of_no_form),
        cmocka_unit_test(message_types),
        cmocka_unit_test(downlink_without_flash),
        cmocka_unit_test(fields_of_crypt),
        cmocka_unit_test(part_of_another_form),
        cmocka_unit_test(orders_of_the_authority),
        cmocka_unit_test(channels_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

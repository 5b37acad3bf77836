/* SPDX-License-Identifier: Apache-2.0 */
/* The gate on the host: whose messages, from where, read once, answered nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/client/client.h"
#include "device-fw/services/gate.h"
#include "tests/unit/device-fw/desk_services.h"

#define OWNER_CM4   0x00000E43U /* master 14 in context 4 */
#define OWNER_DEBUG 0x00000F53U
#define OWNER_OTHER 0x00000E53U /* a CM4 in another context */

static struct desk desk;
static struct svc_gate gate;

static int setup(void **state)
{
    (void)state;
    desk_new(&desk, PROTO_LORAWAN_1_0);
    svc_gate_start(&gate, &desk.device);
    chip_cm4_set(true);
    chip.released = 0;
    return 0;
}

static struct svc_message *message_at(uint32_t address)
{
    return (struct svc_message *)(void *)(chip.shared + (address - CHIP_SHARED));
}

/* A well-formed request in the CM4's memory. */
static struct svc_message *put(uint32_t operation, uint32_t flags)
{
    struct svc_message *message = message_at(CHIP_SHARED + 64);

    memset(chip.shared, 0xD7, sizeof(chip.shared));
    memset(message, 0, sizeof(*message));
    message->version = SVC_VERSION;
    message->operation = operation;
    message->flags = flags;
    return message;
}

static void only_the_message_changed(void)
{
    for (size_t i = 0; i < sizeof(chip.shared); i++) {
        if (i < 64 || i >= 64 + sizeof(struct svc_message))
            assert_int_equal(chip.shared[i], 0xD7);
    }
}

static void serves_the_cm4(void **state)
{
    struct svc_message *message = put(SVC_OP_IDENTITY, 0);

    (void)state;
    assert_false(svc_gate_poll(&gate));
    chip_ipc_request(SVC_CHANNEL, OWNER_CM4, CHIP_SHARED + 64);
    assert_true(svc_gate_poll(&gate));
    assert_int_equal(message->status, SVC_OK);
    assert_int_equal(message->length, SVC_IDENTITY_SIZE);
    assert_memory_equal(message->payload, desk.network.dev_eui, 8);
    assert_int_equal(chip.released, 1U << SVC_CHANNEL);
    only_the_message_changed();
    assert_false(svc_gate_poll(&gate));
}

static void serves_nobody_else(void **state)
{
    static const uint32_t owners[] = { OWNER_DEBUG, OWNER_OTHER, 0x00000003U, 0x00000243U };
    struct svc_message *message = put(SVC_OP_IDENTITY, 0);

    (void)state;
    for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
        chip.released = 0;
        chip_ipc_request(SVC_CHANNEL, owners[i], CHIP_SHARED + 64);
        assert_true(svc_gate_poll(&gate));
        assert_int_equal(message->status, 0);
        assert_int_equal(chip.released, 1U << SVC_CHANNEL);
    }
}

/* Any other place is refused without a look at it: the model fails the test on one. */
static void messages_lie_in_shared_memory(void **state)
{
    static const uint32_t places[] = { 0, 1, 4, 0x08000000U, 0x08002000U, 0x08010000U, 0x08017FFCU,
        CHIP_SHARED - 4, CHIP_SHARED + 1, CHIP_SHARED + 2, SVC_SHARED_END - 4, SVC_SHARED_END,
        SVC_SHARED_END - sizeof(struct svc_message) + 4, SVC_LAYER_BASE, 0x08047800U, 0x10000000U,
        PROTO_VAULT_HOME_0, PROTO_VAULT_HOME_1, 0x40230000U, 0xE000ED00U, 0xFFFFFFFCU };

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        assert_false(svc_gate_serve(&gate, SVC_CALLER_CM4, places[i]));
        if (places[i] != SVC_LAYER_BASE)
            assert_false(svc_gate_serve(&gate, SVC_CALLER_LAYER, places[i]));
    }
    assert_false(svc_gate_serve(&gate, SVC_CALLER_LAYER, CHIP_SHARED + 64));
    memset(chip.layer, 0, sizeof(struct svc_message));
    assert_true(svc_gate_serve(&gate, SVC_CALLER_LAYER, CHIP_LAYER));
}

static void malformed(void **state)
{
    struct svc_message *message;

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        message = put(SVC_OP_IDENTITY, 0);
        if (i == 0)
            message->version = 2;
        else if (i == 1)
            message->flags = 2;
        else if (i == 2)
            message->length = SVC_PAYLOAD_MAX + 1;
        else if (i == 3)
            message->length = UINT32_MAX;
        else if (i == 4)
            message->length = 1;
        else
            message->operation = SVC_OP_END;
        assert_true(svc_gate_serve(&gate, SVC_CALLER_CM4, CHIP_SHARED + 64));
        assert_int_equal(message->status, i == 5 ? SVC_BAD_OPERATION : SVC_BAD_MESSAGE);
        assert_int_equal(message->length, 0);
        only_the_message_changed();
    }
}

/* What writes the vault needs a CM4 that is off, or waits, or can be told to. */
static void parking(void **state)
{
    struct svc_message *message = put(SVC_OP_JOIN_REQUEST, 0);
    struct svc_message *own = (struct svc_message *)(void *)chip.layer;

    (void)state;
    assert_true(svc_gate_serve(&gate, SVC_CALLER_CM4, CHIP_SHARED + 64));
    assert_int_equal(message->status, SVC_NOT_PARKED);
    assert_int_equal(desk.device.dev_nonce_next, desk.device.vault.record.dev_nonce_limit);
    message = put(SVC_OP_JOIN_REQUEST, SVC_FLAG_PARKED);
    assert_true(svc_gate_serve(&gate, SVC_CALLER_CM4, CHIP_SHARED + 64));
    assert_int_equal(message->status, SVC_OK);
    assert_int_equal(chip.parks, 0);
    for (unsigned i = 0; i < 3; i++) {
        memset(own, 0, sizeof(*own));
        own->version = SVC_VERSION;
        own->operation = SVC_OP_JOIN_REQUEST;
        chip.cm4_parks = i == 1;
        chip_cm4_set(i != 2);
        chip.released = 0;
        assert_true(svc_gate_serve(&gate, SVC_CALLER_LAYER, CHIP_LAYER));
        assert_int_equal(own->status, i == 0 ? SVC_NOT_PARKED : SVC_OK);
        assert_int_equal(chip.parks, i == 2 ? 2 : i + 1);
        assert_int_equal(chip.released, i == 2 ? 0 : 1U << SVC_PARK_CHANNEL);
    }
}

/* ---- a message that changes while it is looked at ---- */

static unsigned reads[sizeof(chip.shared) / 4];

static void count_read(uint32_t address)
{
    reads[(address - CHIP_SHARED) / 4]++;
}

/* After each word was read it is something else; each is read once. */
static void change_after_read(uint32_t address)
{
    static uint32_t last;

    count_read(address);
    if (last >= CHIP_SHARED && last < CHIP_SHARED + sizeof(chip.shared))
        memset(chip.shared + (last - CHIP_SHARED), 0xFF, 4);
    last = address;
}

static void each_word_is_read_once(void **state)
{
    struct svc_message *message = put(SVC_OP_REJOIN, SVC_FLAG_PARKED);

    (void)state;
    message->length = 1;
    message->payload[0] = 7;
    memset(reads, 0, sizeof(reads));
    chip.on_read = change_after_read;
    assert_true(svc_gate_serve(&gate, SVC_CALLER_CM4, CHIP_SHARED + 64));
    chip.on_read = NULL;
    assert_int_equal(message->status, SVC_BAD_FIELD); /* by the values of the one look */
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
        assert_true(reads[i] <= 1);
}

/* ---- the client library, through the gate ---- */

void lpac_port_call(struct svc_message *message)
{
    uint32_t address = CHIP_SHARED + (uint32_t)((uint8_t *)message - chip.shared);

    message->flags = SVC_FLAG_PARKED;
    message->status = 0;
    chip_ipc_request(SVC_CHANNEL, OWNER_CM4, address);
    assert_true(svc_gate_poll(&gate));
}

static void client_joins_and_talks(void **state)
{
    struct svc_message *message = message_at(CHIP_SHARED);
    struct lpac_identity identity;
    struct lpac_accepted accepted;
    struct lpac_crypt crypt = { false, 4, 0, 0 };
    const struct lpac_uplink uplink = { 0, 0, 3, 1 };
    uint8_t frame[NETWORK_FRAME_MAX];
    uint8_t heard[NETWORK_FRAME_MAX];
    uint8_t port = 0;
    uint8_t answer[33];
    size_t length = 0;

    (void)state;
    assert_int_equal(lpac_identity(message, &identity), SVC_OK);
    assert_memory_equal(identity.join_eui, desk.network.join_eui, 8);
    assert_int_equal(identity.vault_state, PROTO_VAULT_COMMITTED);
    assert_int_equal(lpac_join_request(message, frame), SVC_OK);
    (void)network_accept(&desk.network, SVC_JOIN_TYPE, network_check_join(&desk.network, frame), 0,
        3, (const uint8_t *)"0123456789abcdef", answer);
    assert_int_equal(lpac_join_accept(message, SVC_JOIN_TYPE, answer, 33, &accepted), SVC_OK);
    assert_memory_equal(accepted.dev_addr, desk.network.dev_addr, 4);
    assert_memory_equal(accepted.net_id, desk.network.net_id, 3);
    assert_memory_equal(accepted.cf_list, "0123456789abcdef", 16);
    assert_int_equal(accepted.rx_delay, 3);
    assert_int_equal(lpac_rejoin(message, 0, frame, &length), SVC_NO_SESSION);
    memset(frame, 0, sizeof(frame));
    frame[0] = 0x40;
    for (unsigned i = 0; i < 4; i++)
        frame[1 + i] = accepted.dev_addr[3 - i];
    frame[8] = 4;
    memcpy(frame + 9, "payload", 7);
    assert_int_equal(lpac_crypt_payload(message, &crypt, frame + 9, 7), SVC_OK);
    assert_int_equal(lpac_uplink_mic(message, &uplink, frame, 16, frame + 16), SVC_OK);
    network_uplink(&desk.network, frame, 20, 3, 1, heard, &length, &port);
    assert_int_equal(length, 7);
    assert_memory_equal(heard, "payload", 7);
    length = network_downlink(&desk.network, 9, (const uint8_t *)"down", 4, frame);
    assert_int_equal(lpac_downlink_verify(message, 0, 0, frame, length), SVC_OK);
    crypt.down = true;
    crypt.port = 9;
    assert_int_equal(lpac_crypt_payload(message, &crypt, frame + 9, 4), SVC_OK);
    assert_memory_equal(frame + 9, "down", 4);
    assert_int_equal(lpac_crypt_fopts(message, &crypt, frame, 4), SVC_NO_SESSION);
    assert_int_equal(lpac_crypt_payload(message, &crypt, frame, 300), SVC_BAD_MESSAGE);
    assert_int_equal(lpac_receipt(message, frame), SVC_STATUS_DEVICE | PROTO_NOT_BOUND);
}

#define TEST(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(serves_the_cm4),
        TEST(serves_nobody_else),
        TEST(messages_lie_in_shared_memory),
        TEST(malformed),
        TEST(parking),
        TEST(each_word_is_read_once),
        TEST(client_joins_and_talks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

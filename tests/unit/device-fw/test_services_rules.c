/* SPDX-License-Identifier: Apache-2.0 */
/* What the key services refuse, and that no counter value comes twice, wherever power goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/protocol/bytes.h"
#include "tests/unit/device-fw/desk_services.h"

#define OPT_NEG 0x80U

static struct desk desk;

/* An uplink of the device, through crypt and MIC, to the network. */
static uint32_t send(uint32_t fcnt, uint8_t port, const uint8_t *payload, size_t length)
{
    uint8_t frame[NETWORK_FRAME_MAX] = { 0x40 };
    uint8_t heard[NETWORK_FRAME_MAX];
    uint8_t heard_port = 0;
    size_t heard_length = 0;
    uint32_t status;

    memcpy(frame + 1, desk.svc.part.dev_addr, 4);
    frame[6] = (uint8_t)fcnt;
    frame[7] = (uint8_t)(fcnt >> 8);
    frame[8] = port;
    status = desk_crypt(&desk, SVC_OP_CRYPT_PAYLOAD, false, port, fcnt, payload, length);
    if (status != SVC_OK)
        return status;
    memcpy(frame + 9, desk.answer.payload, length);
    status = desk_uplink_mic(&desk, fcnt, 0, 5, 2, frame, 9 + length);
    if (status != SVC_OK)
        return status;
    memcpy(frame + 9 + length, desk.answer.payload, 4);
    network_uplink(&desk.network, frame, 13 + length, 5, 2, heard, &heard_length, &heard_port);
    assert_int_equal(heard_length, length);
    assert_int_equal(heard_port, port);
    assert_memory_equal(heard, payload, length);
    return SVC_OK;
}

/* A downlink of the network, verified and decrypted. */
static void receive(uint8_t port, const char *text)
{
    uint8_t frame[NETWORK_FRAME_MAX];
    size_t length = strlen(text);
    bool app = desk.svc.part.session == SVC_SESSION_1_1 && port > 0;
    uint32_t fcnt = app ? desk.network.afcnt_down : desk.network.fcnt_down;
    size_t total = network_downlink(&desk.network, port, (const uint8_t *)text, length, frame);

    assert_int_equal(desk_crypt(&desk, SVC_OP_CRYPT_PAYLOAD, true, port, fcnt, frame + 9, length),
        SVC_REPLAYED); /* not before it is verified */
    assert_int_equal(desk_verify(&desk, fcnt, 0, frame, total), SVC_OK);
    assert_int_equal(
        desk_crypt(&desk, SVC_OP_CRYPT_PAYLOAD, true, port, fcnt, frame + 9, length), SVC_OK);
    assert_memory_equal(desk.answer.payload, text, length);
    assert_int_equal(desk_verify(&desk, fcnt, 0, frame, total), SVC_REPLAYED);
}

static void sessions_work(void **state)
{
    static const struct {
        enum proto_lorawan version;
        uint8_t dl_settings;
        enum svc_session session;
    } cases[] = {
        { PROTO_LORAWAN_1_0, 0, SVC_SESSION_1_0 },
        { PROTO_LORAWAN_1_0, OPT_NEG, SVC_SESSION_1_0 }, /* a bit that 1.0 does not know */
        { PROTO_LORAWAN_1_1, OPT_NEG, SVC_SESSION_1_1 },
        { PROTO_LORAWAN_1_1, 0, SVC_SESSION_1_0 }, /* a 1.1 device in a 1.0 network */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        desk_new(&desk, cases[i].version);
        desk_join(&desk, cases[i].dl_settings);
        assert_int_equal(desk.svc.part.session, cases[i].session);
        assert_int_equal(send(0, 1, (const uint8_t *)"first", 5), SVC_OK);
        assert_int_equal(send(1, 0, (const uint8_t *)"\x02", 1), SVC_OK);
        receive(1, "down");
        receive(0, "\x06");
        receive(1, "a longer downlink than one block");
        desk_reboot(&desk);
        assert_int_equal(send(desk.svc.next[SVC_FCNT_UP], 1, (const uint8_t *)"later", 5), SVC_OK);
    }
}

static void fopts_of_1_1(void **state)
{
    uint8_t stream[16] = { 1, 0, 0, 0, 1 };
    uint8_t frame[NETWORK_FRAME_MAX];
    size_t length;

    (void)state;
    desk_new(&desk, PROTO_LORAWAN_1_1);
    desk_join(&desk, OPT_NEG);
    memcpy(stream + 6, desk.svc.part.dev_addr, 4);
    stream[10] = 7;
    stream[15] = 1;
    network_aes(desk.network.nwk_s_enc, false, stream, 16);
    assert_int_equal(
        desk_crypt(&desk, SVC_OP_CRYPT_FOPTS, false, 0, 7, (const uint8_t[15]){ 0 }, 15), SVC_OK);
    assert_memory_equal(desk.answer.payload, stream, 15);
    /* Down, with a port: the counter's name is in the block. */
    length = network_downlink(&desk.network, 3, (const uint8_t *)"x", 1, frame);
    assert_int_equal(desk_verify(&desk, 0, 0, frame, length), SVC_OK);
    memset(stream, 0, sizeof(stream));
    stream[0] = 1;
    stream[4] = 2;
    stream[5] = 1;
    memcpy(stream + 6, desk.svc.part.dev_addr, 4);
    stream[15] = 1;
    network_aes(desk.network.nwk_s_enc, false, stream, 16);
    assert_int_equal(
        desk_crypt(&desk, SVC_OP_CRYPT_FOPTS, true, 3, 0, (const uint8_t[4]){ 0 }, 4), SVC_OK);
    assert_memory_equal(desk.answer.payload, stream, 4);
    assert_int_equal(desk_crypt(&desk, SVC_OP_CRYPT_FOPTS, true, 0, 0, (const uint8_t[4]){ 0 }, 4),
        SVC_REPLAYED);
}

/* Every bit of a join-accept counts, and a refusal tells nothing. */
static void join_accept_is_all_or_nothing(void **state)
{
    uint8_t frame[33];
    uint16_t nonce;

    (void)state;
    for (unsigned bit = 0; bit < 17 * 8; bit++) {
        desk_new(&desk, PROTO_LORAWAN_1_1);
        assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_OK);
        nonce = network_check_join(&desk.network, desk.answer.payload);
        (void)network_accept(&desk.network, SVC_JOIN_TYPE, nonce, OPT_NEG, 1, NULL, frame);
        frame[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, frame, 17), SVC_REFUSED);
        assert_int_equal(desk.answer.length, 0);
        assert_int_equal(desk.answer.payload[0], 0xEE);
        assert_int_equal(desk.svc.part.session, SVC_SESSION_NONE);
        frame[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(desk_accept(&desk, 0, frame, 17), SVC_NO_REQUEST);
        assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, frame, 17), SVC_OK);
        assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, frame, 17), SVC_NO_REQUEST);
    }
}

static void join_nonce_only_grows(void **state)
{
    uint8_t first[33];
    uint8_t frame[33];
    uint16_t nonce;

    (void)state;
    desk_new(&desk, PROTO_LORAWAN_1_0);
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_OK);
    nonce = network_check_join(&desk.network, desk.answer.payload);
    desk.network.join_nonce = 99;
    (void)network_accept(&desk.network, SVC_JOIN_TYPE, nonce, 0, 1, NULL, first);
    assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, first, 17), SVC_OK);
    desk_reboot(&desk);
    assert_int_equal(desk.svc.part.join_nonce, 100);
    for (uint32_t join_nonce = 0; join_nonce < 100; join_nonce += 33) {
        assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_OK);
        nonce = network_check_join(&desk.network, desk.answer.payload);
        assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, first, 17), SVC_REFUSED);
        desk.network.join_nonce = join_nonce;
        (void)network_accept(&desk.network, SVC_JOIN_TYPE, nonce, 0, 1, NULL, frame);
        assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, frame, 17), SVC_REFUSED);
    }
    desk.network.join_nonce = 100;
    (void)network_accept(&desk.network, SVC_JOIN_TYPE, nonce, 0, 1, NULL, frame);
    assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, frame, 17), SVC_OK);
}

/* A request takes sixteen wrong answers, then none at all. */
static void guessing_ends(void **state)
{
    uint8_t frame[33];
    uint16_t nonce;

    (void)state;
    desk_new(&desk, PROTO_LORAWAN_1_0);
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_OK);
    nonce = network_check_join(&desk.network, desk.answer.payload);
    (void)network_accept(&desk.network, SVC_JOIN_TYPE, nonce, 0, 1, NULL, frame);
    frame[16] ^= 1;
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, frame, 17), SVC_REFUSED);
    frame[16] ^= 1;
    assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, frame, 17), SVC_NO_REQUEST);
}

static void rejoins(void **state)
{
    uint8_t frame[33];

    (void)state;
    desk_new(&desk, PROTO_LORAWAN_1_0);
    desk_join(&desk, 0);
    assert_int_equal(desk_do(&desk, SVC_OP_REJOIN, (const uint8_t[]){ 1 }, 1), SVC_NO_SESSION);
    desk_new(&desk, PROTO_LORAWAN_1_1);
    desk_join(&desk, OPT_NEG);
    for (uint8_t type = 0; type < 3; type++) {
        size_t length = type == 1 ? 24 : 19;
        uint16_t count;

        assert_int_equal(send(desk.svc.next[SVC_FCNT_UP], 1, (const uint8_t *)"x", 1), SVC_OK);
        assert_int_equal(desk_do(&desk, SVC_OP_REJOIN, &type, 1), SVC_OK);
        assert_int_equal(desk.answer.length, length);
        count = (uint16_t)(desk.answer.payload[length - 6] | desk.answer.payload[length - 5] << 8);
        assert_int_equal(count, 0);
        assert_int_equal(desk_do(&desk, SVC_OP_REJOIN, &type, 1), SVC_OK);
        count = (uint16_t)(desk.answer.payload[length - 6] | desk.answer.payload[length - 5] << 8);
        assert_int_equal(count, 1);
        /* Without OptNeg it is no answer to a rejoin. */
        (void)network_accept(&desk.network, type, count, 0, 1, NULL, frame);
        assert_int_equal(desk_accept(&desk, type, frame, 17), SVC_REFUSED);
        (void)network_accept(&desk.network, type, count, OPT_NEG, 1, NULL, frame);
        assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, frame, 17), SVC_NO_REQUEST);
        assert_int_equal(desk_accept(&desk, type, frame, 17), SVC_OK);
        assert_int_equal(desk.svc.next[SVC_FCNT_UP], 0);
        assert_int_equal(desk.svc.next[SVC_RJCOUNT_0], 0);
    }
    assert_int_equal(desk.svc.next[SVC_RJCOUNT_1], 2);
    desk.svc.next[SVC_RJCOUNT_1] = 0xFFFF;
    assert_int_equal(desk_do(&desk, SVC_OP_REJOIN, (const uint8_t[]){ 1 }, 1), SVC_OK);
    assert_int_equal(desk_do(&desk, SVC_OP_REJOIN, (const uint8_t[]){ 1 }, 1), SVC_EXHAUSTED);
}

static void uplink_counters(void **state)
{
    uint8_t frame[32] = { 0x40 };

    (void)state;
    desk_new(&desk, PROTO_LORAWAN_1_0);
    desk_join(&desk, 0);
    memcpy(frame + 1, desk.svc.part.dev_addr, 4);
    frame[6] = 5;
    assert_int_equal(desk_uplink_mic(&desk, 5, 0, 0, 0, frame, 12), SVC_OK);
    assert_int_equal(desk_uplink_mic(&desk, 5, 0, 1, 1, frame, 12), SVC_OK); /* sent again */
    frame[11] ^= 1;
    assert_int_equal(desk_uplink_mic(&desk, 5, 0, 0, 0, frame, 12), SVC_REPLAYED);
    assert_int_equal(desk_crypt(&desk, SVC_OP_CRYPT_PAYLOAD, false, 1, 5, frame, 12), SVC_REPLAYED);
    frame[6] = 4;
    assert_int_equal(desk_uplink_mic(&desk, 4, 0, 0, 0, frame, 12), SVC_REPLAYED);
    frame[6] = 6;
    assert_int_equal(desk_uplink_mic(&desk, 7, 0, 0, 0, frame, 12), SVC_BAD_FIELD);
    frame[1] ^= 1;
    assert_int_equal(desk_uplink_mic(&desk, 6, 0, 0, 0, frame, 12), SVC_BAD_FIELD);
    frame[1] ^= 1;
    frame[0] = 0x60;
    assert_int_equal(desk_uplink_mic(&desk, 6, 0, 0, 0, frame, 12), SVC_BAD_FIELD);
    frame[0] = 0x00; /* a join-request is no data frame */
    assert_int_equal(desk_uplink_mic(&desk, 6, 0, 0, 0, frame, 12), SVC_BAD_FIELD);
    frame[0] = 0x80;
    assert_int_equal(desk_uplink_mic(&desk, 6 + 0x10000, 0, 0, 0, frame, 12), SVC_BAD_FIELD);
    assert_int_equal(desk_uplink_mic(&desk, 6, 0, 0, 0, frame, 12), SVC_OK);
    desk.svc.next[SVC_FCNT_UP] = 0xFFFFFF00U;
    frame[6] = 0;
    frame[7] = 0xFF;
    assert_int_equal(desk_uplink_mic(&desk, 0xFFFFFF00U, 0, 0, 0, frame, 12), SVC_EXHAUSTED);
}

/* New root keys: the old session's keys are gone from memory and flash, and so are its numbers. */
static void rework_ends_the_session(void **state)
{
    uint8_t key[16];

    (void)state;
    desk_new(&desk, PROTO_LORAWAN_1_1);
    desk_join(&desk, OPT_NEG);
    memcpy(key, desk.svc.part.key[SVC_APP_S], 16);
    desk_use_network(&desk); /* another key version */
    assert_int_equal(desk.svc.part.session, SVC_SESSION_NONE);
    assert_int_equal(desk.svc.part.join_nonce, 0);
    assert_true(proto_is_zero(desk.svc.part.key[0], sizeof(desk.svc.part.key)));
    desk.network.join_nonce = 0;
    desk_join(&desk, OPT_NEG);
    desk_reboot(&desk);
    assert_memory_not_equal(desk.svc.part.key[SVC_APP_S], key, 16);
}

static void flash_that_fails(void **state)
{
    uint8_t frame[33];
    uint16_t nonce;

    (void)state;
    desk_new(&desk, PROTO_LORAWAN_1_0);
    assert_int_equal(desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0), SVC_OK);
    nonce = network_check_join(&desk.network, desk.answer.payload);
    (void)network_accept(&desk.network, SVC_JOIN_TYPE, nonce, 0, 1, NULL, frame);
    chip_reset_counters();
    chip.refuse_from = 1;
    assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, frame, 17), SVC_FLASH_FAILED);
    assert_int_equal(desk.svc.part.session, SVC_SESSION_NONE);
    assert_int_equal(desk.answer.length, 0);
}

/* ---- power cuts ---- */

/* One value of each counter that has left the device, for each session. */
struct history {
    uint32_t dev_nonce_next;
    uint32_t up_next; /**< of the network's session */
    uint32_t rj1_next;
};

static struct history history;
static bool is_bug_planted; /* going on where the last step began instead of where it ends */

static void cut_join(void)
{
    uint8_t frame[33];
    uint16_t nonce;

    if (desk_do(&desk, SVC_OP_JOIN_REQUEST, NULL, 0) != SVC_OK)
        return;
    nonce = network_check_join(&desk.network, desk.answer.payload);
    assert_true(nonce >= history.dev_nonce_next);
    history.dev_nonce_next = nonce + 1U;
    (void)network_accept(&desk.network, SVC_JOIN_TYPE, nonce, OPT_NEG, 1, NULL, frame);
    history.up_next = 0; /* the network uses the new session from here on */
    assert_int_equal(desk_accept(&desk, SVC_JOIN_TYPE, frame, 17), SVC_OK);
}

static void cut_send(void)
{
    uint32_t fcnt = desk.svc.next[SVC_FCNT_UP];

    assert_true(fcnt >= history.up_next);
    assert_int_equal(send(fcnt, 2, (const uint8_t *)"0123456789", 10), SVC_OK);
    history.up_next = fcnt + 1;
}

static void cut_rejoin(void)
{
    uint32_t count = desk.svc.next[SVC_RJCOUNT_1];

    assert_true(count >= history.rj1_next);
    assert_int_equal(desk_do(&desk, SVC_OP_REJOIN, (const uint8_t[]){ 1 }, 1), SVC_OK);
    history.rj1_next = count + 1;
}

/* Joins, enough uplinks for several reservations, rejoin-requests. */
static void life(void)
{
    for (unsigned join = 0; join < 2; join++) {
        cut_join();
        for (unsigned i = 0; i < 150; i++)
            cut_send();
        for (unsigned i = 0; i < 18; i++)
            cut_rejoin();
    }
}

/* What the network holds may be one session ahead of the device when the cut hit the accept. */
static void go_on_after_cut(void)
{
    chip_reset_counters();
    desk_reboot(&desk);
    assert_int_equal(desk.device.vault.status, PROTO_OK);
    if (is_bug_planted && desk.svc.next[SVC_FCNT_UP] >= 128)
        desk.svc.next[SVC_FCNT_UP] -= 128;
    if (desk.svc.part.session == SVC_SESSION_1_1 &&
        memcmp(desk.svc.part.key[SVC_APP_S], desk.network.app_s, 16) == 0)
        cut_send();
    cut_rejoin();
    cut_join();
    cut_send();
}

static uint64_t flash_operations_of_life(void)
{
    desk_new(&desk, PROTO_LORAWAN_1_1);
    memset(&history, 0, sizeof(history));
    chip_reset_counters();
    life();
    return chip.flash_operations;
}

/* Every flash operation of that life is cut, in every way; no number that left comes again. */
static void cuts_repeat_nothing(void **state)
{
    uint64_t operations = flash_operations_of_life();
    volatile unsigned cases = 0;
    jmp_buf lost;

    (void)state;
    assert_true(operations > 20);
    for (volatile uint64_t at = 1; at <= operations; at++) {
        for (volatile unsigned cut = 0; cut < CHIP_CUT_COUNT; cut++) {
            desk_new(&desk, PROTO_LORAWAN_1_1);
            memset(&history, 0, sizeof(history));
            chip_reset_counters();
            chip.power_lost = &lost;
            chip.cut = (enum chip_cut)cut;
            chip.cut_at = at;
            if (setjmp(lost) == 0) {
                life();
                fail_msg("operation %u was not reached", (unsigned)at);
            }
            go_on_after_cut();
            cases++;
        }
    }
    print_message("power cuts: %u of %u cases\n", cases, (unsigned)operations * CHIP_CUT_COUNT);
}

/* Ten years of 144 uplinks a day, a downlink for every fourth, a join a week: writes of one home.
 */
static void wear(void **state)
{
    uint64_t erases;

    (void)state;
    desk_new(&desk, PROTO_LORAWAN_1_1);
    chip_reset_counters();
    for (unsigned week = 0; week < 522; week++) {
        /* Each commit is two erases and two programs; reservations alone are simulated here. */
        desk_join(&desk, OPT_NEG);
        for (unsigned i = 0; i < 1008; i++) {
            assert_int_equal(svc_reserve(&desk.svc, SVC_FCNT_UP, i), SVC_OK);
            desk.svc.next[SVC_FCNT_UP] = i + 1;
            if (i % 4 == 0) {
                assert_int_equal(svc_reserve(&desk.svc, SVC_AFCNT_DOWN, i / 4), SVC_OK);
                desk.svc.next[SVC_AFCNT_DOWN] = i / 4 + 1;
            }
        }
    }
    erases = chip.flash_operations / 4;
    print_message("ten years: %u erases of each row\n", (unsigned)erases);
    assert_true(erases <= 10000);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest planted[] = { cmocka_unit_test(cuts_repeat_nothing) };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_work),
        cmocka_unit_test(fopts_of_1_1),
        cmocka_unit_test(join_accept_is_all_or_nothing),
        cmocka_unit_test(join_nonce_only_grows),
        cmocka_unit_test(guessing_ends),
        cmocka_unit_test(rejoins),
        cmocka_unit_test(uplink_counters),
        cmocka_unit_test(rework_ends_the_session),
        cmocka_unit_test(flash_that_fails),
        cmocka_unit_test(cuts_repeat_nothing),
        cmocka_unit_test(wear),
    };

    is_bug_planted = count > 1 && strcmp(arguments[1], "planted") == 0;
    if (is_bug_planted)
        return cmocka_run_group_tests(planted, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

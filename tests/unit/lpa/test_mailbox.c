/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "device-fw/protocol/messages.h"
#include "tests/unit/programmer/bench.h"

/* A bootloader of a few lines, living in the fake chip's memory: it acts between two packets. */
struct device {
    unsigned executed; /* commands carried out, repeats not counted */
    unsigned delay;    /* packets before it answers */
    unsigned garble;   /* answers to damage */
    unsigned deaf;     /* commands whose checksum it claims to be wrong */
    uint32_t last_command;
    uint8_t last_payload[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint32_t last_length;
    uint32_t answer_length;
};

static uint32_t word(const struct bench *bench, uint32_t offset)
{
    return fake_chip_word(bench->chip, PROTO_MAILBOX_ADDRESS + offset);
}

static void set_word(struct bench *bench, uint32_t offset, uint32_t value)
{
    fake_chip_set_word(bench->chip, PROTO_MAILBOX_ADDRESS + offset, value);
}

static void boot(struct bench *bench, uint32_t boot_word)
{
    memset(bench->chip->memory + (PROTO_MAILBOX_ADDRESS - FAKE_BASE), 0, PROTO_MAILBOX_SIZE);
    set_word(bench, PROTO_MAILBOX_VERSION_AT, PROTO_VERSION);
    set_word(bench, PROTO_MAILBOX_BOOT_AT, boot_word);
    set_word(bench, PROTO_MAILBOX_MAGIC_AT, PROTO_MAILBOX_MAGIC);
}

static void answer(struct bench *bench, struct device *device, uint32_t sequence, uint32_t status)
{
    uint32_t length = status == PROTO_OK ? device->answer_length : 0;
    uint8_t *payload =
        bench->chip->memory + (PROTO_MAILBOX_ADDRESS - FAKE_BASE) + PROTO_MAILBOX_RSP_PAYLOAD_AT;
    for (uint32_t i = 0; i < length; i++) {
        payload[i] = (uint8_t)(i + device->last_command);
    }
    set_word(bench, PROTO_MAILBOX_RSP_STATUS_AT, status);
    set_word(bench, PROTO_MAILBOX_RSP_LENGTH_AT, length);
    set_word(bench, PROTO_MAILBOX_RSP_CRC_AT,
        proto_mailbox_crc(status, length, sequence, payload) ^ (device->garble > 0 ? 1U : 0U));
    device->garble -= device->garble > 0 ? 1U : 0U;
    set_word(bench, PROTO_MAILBOX_RSP_SEQUENCE_AT, sequence);
}

static void play(struct bench *bench)
{
    struct device *device = bench->user;
    uint32_t sequence = word(bench, PROTO_MAILBOX_REQ_SEQUENCE_AT);
    if (sequence == word(bench, PROTO_MAILBOX_RSP_SEQUENCE_AT)) {
        return;
    }
    if (device->delay > 0) {
        device->delay--;
        return;
    }
    const uint8_t *payload =
        bench->chip->memory + (PROTO_MAILBOX_ADDRESS - FAKE_BASE) + PROTO_MAILBOX_REQ_PAYLOAD_AT;
    uint32_t command = word(bench, PROTO_MAILBOX_REQ_COMMAND_AT);
    uint32_t length = word(bench, PROTO_MAILBOX_REQ_LENGTH_AT);
    assert_in_range(length, 0, PROTO_MAILBOX_PAYLOAD_SIZE);
    if (device->deaf > 0 || word(bench, PROTO_MAILBOX_REQ_CRC_AT) !=
                                proto_mailbox_crc(command, length, sequence, payload)) {
        device->deaf -= device->deaf > 0 ? 1U : 0U;
        answer(bench, device, sequence, PROTO_BAD_CRC);
        return;
    }
    device->executed++;
    device->last_command = command;
    device->last_length = length;
    memcpy(device->last_payload, payload, length);
    answer(bench, device, sequence, PROTO_OK);
}

static struct lpa_mailbox *open_box(struct bench *bench, struct device *device, uint16_t size)
{
    struct lpa_mailbox *mailbox = NULL;
    struct base_err err = { .status = BASE_OK };
    bench_init(bench, size, 8);
    boot(bench, 0x1001);
    bench->device = play;
    bench->user = device;
    assert_int_equal(lpa_mailbox_open(bench->link, 1000, &mailbox, &err), BASE_OK);
    assert_int_equal(lpa_mailbox_boot_word(mailbox), 0x1001);
    assert_int_equal(lpa_mailbox_ap(mailbox), 0);
    assert_int_equal(device->last_command, PROTO_CMD_HELLO); /* proof that somebody listens */
    device->executed = 0;
    return mailbox;
}

static void refuses_bad_arguments(void **state)
{
    (void)state;
    struct bench bench;
    struct device device = { .executed = 0 };
    struct base_err err = { .status = BASE_OK };
    struct lpa_mailbox *mailbox = open_box(&bench, &device, 64);
    uint8_t big[PROTO_MAILBOX_PAYLOAD_SIZE + 1] = { 0 };
    uint32_t answered = 0;
    size_t length = 0;
    assert_int_equal(
        lpa_mailbox_call(mailbox, 1, big, sizeof(big), 0, 0, &answered, NULL, &length, &err),
        BASE_E_ARG);
    assert_int_equal(
        lpa_mailbox_call(mailbox, 1, NULL, 4, 0, 0, &answered, NULL, &length, NULL), BASE_E_ARG);
    assert_int_equal(
        lpa_mailbox_call(mailbox, 1, NULL, 0, 0, 4, &answered, NULL, &length, NULL), BASE_E_ARG);
    assert_int_equal(device.executed, 0);
    lpa_mailbox_close(mailbox);
    lpa_mailbox_close(NULL);
    bench_done(&bench);
}

static void says_why_there_is_none(void **state)
{
    (void)state;
    struct bench bench;
    struct device device = { .executed = 0 };
    struct lpa_mailbox *mailbox = NULL;
    struct base_err err = { .status = BASE_OK };
    bench_init(&bench, 64, 4);
    assert_int_equal(lpa_mailbox_open(bench.link, 300, &mailbox, &err), BASE_E_TIMEOUT);
    assert_string_equal(err.code, "no_mailbox");
    base_err_clear(&err);
    bench.chip->ap_enabled[0] = bench.chip->ap_enabled[1] = false;
    assert_int_equal(lpa_mailbox_open(bench.link, 50, &mailbox, &err), BASE_E_TIMEOUT);
    assert_string_equal(err.code, "port_closed");
    base_err_clear(&err);
    bench.chip->connected = false;
    assert_int_equal(lpa_mailbox_open(bench.link, 50, &mailbox, &err), BASE_E_TIMEOUT);
    assert_string_equal(err.code, "swd_silent");
    base_err_clear(&err);
    bench.chip->connected = true;
    bench.chip->ap_enabled[1] = true;
    boot(&bench, 7);
    /* What an earlier boot left in memory is no mailbox: nobody answers. */
    assert_int_equal(lpa_mailbox_open(bench.link, 50, &mailbox, &err), BASE_E_TIMEOUT);
    assert_string_equal(err.code, "no_mailbox");
    base_err_clear(&err);
    boot(&bench, 7);
    bench.device = play;
    bench.user = &device;
    set_word(&bench, PROTO_MAILBOX_VERSION_AT, PROTO_VERSION + 1);
    assert_int_equal(lpa_mailbox_open(bench.link, 50, &mailbox, &err), BASE_E_UNSUPPORTED);
    assert_null(mailbox);
    /* The SYS-AP is still closed: the other one serves. */
    set_word(&bench, PROTO_MAILBOX_VERSION_AT, PROTO_VERSION);
    assert_int_equal(lpa_mailbox_open(bench.link, 50, &mailbox, NULL), BASE_OK);
    assert_int_equal(lpa_mailbox_ap(mailbox), 1);
    lpa_mailbox_close(mailbox);
    bench_done(&bench);
}

static void carries_commands_in_two_round_trips(void **state)
{
    (void)state;
    static const uint16_t sizes[] = { 64, 512, 1024 };

    static const struct {
        uint32_t command;
        size_t out, in;
        unsigned trips;
    } rows[] = {
        { PROTO_CMD_HELLO, 0, PROTO_HELLO_SIZE, 2 },
        { PROTO_CMD_STATEMENT, PROTO_KEY_ID_SIZE, PROTO_STATEMENT_SIZE, 2 },
        { PROTO_CMD_INSTALL, PROTO_ENVELOPE_SIZE, PROTO_RECEIPT_SIZE, 2 },
        { PROTO_CMD_SELF_TEST, 0, PROTO_JOIN_REQUEST_SIZE, 2 },
        { PROTO_CMD_RUN, 0, 0, 1 },
    };

    for (size_t s = 0; s < 3; s++) {
        struct bench bench;
        struct device device = { .executed = 0 };
        struct lpa_mailbox *mailbox = open_box(&bench, &device, sizes[s]);
        for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            uint8_t out[PROTO_MAILBOX_PAYLOAD_SIZE];
            uint8_t in[PROTO_MAILBOX_PAYLOAD_SIZE];
            uint32_t answered = 0;
            size_t length = 0;
            memset(out, (int)(0x30 + i), sizeof(out));
            device.answer_length = (uint32_t)rows[i].in;
            uint64_t before = prg_link_stats(bench.link).round_trips;
            assert_int_equal(lpa_mailbox_call(mailbox, rows[i].command, out, rows[i].out, 0,
                                 sizeof(in), &answered, in, &length, NULL),
                BASE_OK);
            /* This device acts between packets only: where sequence number and wait share one,
             * its answer comes one wait later than a real one's. */
            assert_in_range(
                prg_link_stats(bench.link).round_trips - before, rows[i].trips, rows[i].trips + 1);
            assert_int_equal(answered, PROTO_OK);
            assert_int_equal(length, rows[i].in);
            assert_int_equal(device.executed, i + 1);
            assert_int_equal(device.last_command, rows[i].command);
            assert_int_equal(device.last_length, rows[i].out);
            assert_memory_equal(device.last_payload, out, rows[i].out);
            for (size_t k = 0; k < length; k++) {
                assert_int_equal(in[k], (uint8_t)(k + rows[i].command));
            }
        }
        lpa_mailbox_close(mailbox);
        bench_done(&bench);
    }
}

static void refuses_more_than_fits(void **state)
{
    (void)state;
    struct bench bench;
    struct device device = { .answer_length = 80 };
    struct lpa_mailbox *mailbox = open_box(&bench, &device, 64);
    uint8_t in[79];
    uint32_t answered = 0;
    size_t length = 0;
    assert_int_equal(lpa_mailbox_call(mailbox, PROTO_CMD_HELLO, NULL, 0, 0, sizeof(in), &answered,
                         in, &length, NULL),
        BASE_E_PROTO);
    assert_int_equal(answered, 0);
    lpa_mailbox_close(mailbox);
    bench_done(&bench);
}

/* The device never answers in time: unknown. Asked again, it has executed the command once. */
static void repeats_safely(void **state)
{
    (void)state;
    struct bench bench;
    struct device device = { .answer_length = PROTO_RECEIPT_SIZE };
    struct lpa_mailbox *mailbox = open_box(&bench, &device, 64);
    struct base_err err = { .status = BASE_OK };
    uint8_t in[PROTO_RECEIPT_SIZE];
    uint8_t out[PROTO_ENVELOPE_SIZE] = { 1, 2, 3 };
    uint32_t answered = 0;
    size_t length = 0;
    device.delay = 1000000;
    assert_int_equal(lpa_mailbox_call(mailbox, PROTO_CMD_INSTALL, out, sizeof(out), 300, sizeof(in),
                         &answered, in, &length, &err),
        BASE_E_TIMEOUT);
    assert_string_equal(err.code, "unknown");
    assert_int_equal(device.executed, 0);
    device.delay = 0;
    play(&bench); /* done while nobody was looking */
    assert_int_equal(device.executed, 1);
    assert_int_equal(lpa_mailbox_call(mailbox, PROTO_CMD_INSTALL, out, sizeof(out), 300, sizeof(in),
                         &answered, in, &length, NULL),
        BASE_OK);
    assert_int_equal(device.executed, 1);
    assert_int_equal(length, PROTO_RECEIPT_SIZE);
    /* The same command anew is a new command. */
    assert_int_equal(lpa_mailbox_call(mailbox, PROTO_CMD_INSTALL, out, sizeof(out), 300, sizeof(in),
                         &answered, in, &length, NULL),
        BASE_OK);
    assert_int_equal(device.executed, 2);
    lpa_mailbox_close(mailbox);
    bench_done(&bench);
}

static void asks_again_what_was_garbled(void **state)
{
    (void)state;
    struct bench bench;
    struct device device = { .answer_length = 80 };
    struct lpa_mailbox *mailbox = open_box(&bench, &device, 64);
    device.deaf = 2;
    uint8_t in[80];
    uint32_t answered = 0;
    size_t length = 0;
    assert_int_equal(lpa_mailbox_call(mailbox, PROTO_CMD_HELLO, NULL, 0, 0, sizeof(in), &answered,
                         in, &length, NULL),
        BASE_OK);
    assert_int_equal(answered, PROTO_OK);
    assert_int_equal(device.executed, 1);
    device.deaf = 3;
    assert_int_equal(lpa_mailbox_call(mailbox, PROTO_CMD_HELLO, NULL, 0, 0, sizeof(in), &answered,
                         in, &length, NULL),
        BASE_OK);
    assert_int_equal(answered, PROTO_BAD_CRC);
    /* The answer itself is wrong in memory: reading it again does not help. */
    device.garble = 1;
    assert_int_equal(lpa_mailbox_call(mailbox, PROTO_CMD_HELLO, NULL, 0, 0, sizeof(in), &answered,
                         in, &length, NULL),
        BASE_E_CORRUPT);
    lpa_mailbox_close(mailbox);
    bench_done(&bench);
}

static void notices_a_reset(void **state)
{
    (void)state;
    struct bench bench;
    struct device device = { .answer_length = 80 };
    struct lpa_mailbox *mailbox = open_box(&bench, &device, 64);
    struct base_err err = { .status = BASE_OK };
    uint8_t in[80];
    uint32_t answered = 0;
    size_t length = 0;
    boot(&bench, 0x2002);
    device.delay = 1;
    assert_int_equal(lpa_mailbox_call(mailbox, PROTO_CMD_HELLO, NULL, 0, 0, sizeof(in), &answered,
                         in, &length, &err),
        BASE_E_LINK);
    assert_string_equal(err.code, "reset");
    lpa_mailbox_close(mailbox);
    assert_int_equal(lpa_mailbox_open(bench.link, 100, &mailbox, NULL), BASE_OK);
    assert_int_equal(lpa_mailbox_boot_word(mailbox), 0x2002);
    assert_int_equal(lpa_mailbox_call(mailbox, PROTO_CMD_HELLO, NULL, 0, 0, sizeof(in), &answered,
                         in, &length, NULL),
        BASE_OK);
    lpa_mailbox_close(mailbox);
    bench_done(&bench);
}

/* Cut each reply of the probe once (the session resynchronises), and flip bits of each transfer:
 * the command ends executed exactly once, however often it had to be asked. */
static void ends_once_whatever_breaks(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 2; kind++) {
        for (uint64_t number = 1; number <= (kind == 0 ? 12 : 90); number += bench_stride()) {
            struct bench bench;
            struct device device = { .answer_length = PROTO_RECEIPT_SIZE };
            struct lpa_mailbox *mailbox = open_box(&bench, &device, 64);
            const struct sim_probe_fault fault = { SIM_PROBE_FAULT_FLIP_BIT, number,
                (uint32_t)(number * 7 % 46) };
            uint8_t in[PROTO_RECEIPT_SIZE];
            uint8_t out[PROTO_ENVELOPE_SIZE] = { 9 };
            uint32_t answered = 0;
            size_t length = 0;
            if (kind == 0) {
                bench_lose_reply(&bench, number);
            } else {
                sim_probe_set_fault(bench.probe, &fault);
            }
            enum base_status status = BASE_E_TIMEOUT;
            for (unsigned i = 0; i < 5 && status != BASE_OK; i++) {
                struct base_err err = { .status = BASE_OK };
                status = lpa_mailbox_call(mailbox, PROTO_CMD_INSTALL, out, sizeof(out), 300,
                    sizeof(in), &answered, in, &length, &err);
                assert_true(status == BASE_OK || strcmp(err.code, "unknown") == 0);
            }
            assert_int_equal(status, BASE_OK);
            assert_int_equal(answered, PROTO_OK);
            assert_int_equal(device.executed, 1);
            assert_memory_equal(device.last_payload, out, sizeof(out));
            for (size_t k = 0; k < length; k++) {
                assert_int_equal(in[k], (uint8_t)(k + PROTO_CMD_INSTALL));
            }
            lpa_mailbox_close(mailbox);
            bench_done(&bench);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_arguments),
        cmocka_unit_test(says_why_there_is_none),
        cmocka_unit_test(carries_commands_in_two_round_trips),
        cmocka_unit_test(refuses_more_than_fits),
        cmocka_unit_test(repeats_safely),
        cmocka_unit_test(asks_again_what_was_garbled),
        cmocka_unit_test(notices_a_reset),
        cmocka_unit_test(ends_once_whatever_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

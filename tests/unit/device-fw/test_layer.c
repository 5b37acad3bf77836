/* SPDX-License-Identifier: Apache-2.0 */
/* A layer on the CM0+ beside a program on the CM4: parking, both served, images that name a wrong
 * place. What the layer itself says is test_app_demo.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/layer-demo/report.h"
#include "tests/unit/device-fw/app_board.h"

#define STACK_TOP_AT (PROTO_VECTOR_OFFSET)
#define STACK_BYTES  0x2000U
#define STACK_PAINT  0xA5A5A5A5U
#define STEP_PS      (100U * SIM_PS_PER_US)
#define LIMIT_PS     (100000U * SIM_PS_PER_US)

#define REPORT_AT(member) (LAYER_REPORT_ADDRESS + (uint32_t)offsetof(struct layer_report, member))

static struct app_board app;

static uint32_t peek(uint32_t address)
{
    return board_peek(app.board.chip, address);
}

static int setup(void **state)
{
    (void)state;
    app_board_init(&app);
    app_board_install(&app, PROTO_LORAWAN_1_0, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    app_board_done(&app);
    return 0;
}

/* A counter of the CM4's program that goes on. */
static void wait_more(uint32_t address)
{
    uint32_t before = peek(address);
    uint64_t end = sim_chip_time_ps(app.board.chip) + LIMIT_PS;

    while (peek(address) == before) {
        assert_true(sim_chip_time_ps(app.board.chip) < end);
        sim_chip_run_until(app.board.chip, sim_chip_time_ps(app.board.chip) + STEP_PS);
    }
}

/* ---- parking ---- */

struct watch {
    unsigned operations;
    unsigned in_flash; /* operations that began while the CM4 was about to fetch from flash */
};

static void look(void *user, uint64_t operation, bool is_erase, uint32_t address, uint32_t length)
{
    struct watch *watch = user;
    uint32_t pc = sim_chip_test_core(app.board.chip, SIM_AP_CM4).pc;

    (void)operation;
    (void)is_erase;
    (void)address;
    (void)length;
    watch->operations++;
    if (pc < SVC_SHARED_BASE || pc >= SVC_SHARED_END)
        watch->in_flash++;
}

static void set_mode(uint8_t mode)
{
    const uint8_t bytes[4] = { mode };

    assert_true(sim_chip_test_write(app.board.chip, REPORT_AT(mode), bytes, sizeof(bytes)));
    wait_more(REPORT_AT(rounds));
}

static void joins(uint32_t status)
{
    static const uint8_t type = SVC_JOIN_TYPE;
    uint8_t frame[NETWORK_FRAME_MAX];
    size_t length = 0;

    app_board_tell(&app, APP_RADIO_JOIN, &type, 1);
    app_board_hear(&app, APP_RADIO_LORA, status, frame, &length);
    assert_int_equal(length, status == SVC_OK ? PROTO_JOIN_REQUEST_SIZE : 0);
}

static void takes_first_request(void)
{
    uint8_t frame[NETWORK_FRAME_MAX];
    size_t length = 0;

    app_board_run(&app);
    app_board_hear(&app, APP_RADIO_LORA, SVC_OK, frame, &length);
}

static void cm4_waits_in_sram(void **state)
{
    struct watch watch = { 0, 0 };

    (void)state;
    takes_first_request();
    set_mode(LAYER_REPORT_QUIET); /* while it waits for an answer it is in SRAM anyway */
    sim_chip_test_on_flash(app.board.chip, look, &watch);
    /* DevNonces are reserved by sixteen: some of these write, some do not. */
    for (unsigned i = 0; i < 40; i++)
        joins(SVC_OK);
    sim_chip_test_on_flash(app.board.chip, NULL, NULL);
    print_message(
        "%u flash operations, %u with the CM4 in flash\n", watch.operations, watch.in_flash);
    assert_true(watch.operations >= 8);
    assert_int_equal(watch.in_flash, 0);
    /* It was released each time, did not fault, and its own calls are served. */
    set_mode(LAYER_REPORT_CALLS);
    wait_more(REPORT_AT(served));
    board_check_vault(&app.board);
}

static void deaf_cm4_stops_writes(void **state)
{
    uint64_t operations;

    (void)state;
    takes_first_request();
    wait_more(REPORT_AT(served));
    set_mode(LAYER_REPORT_DEAF);
    operations = sim_chip_flash_operations(app.board.chip);
    joins(SVC_NOT_PARKED);
    assert_int_equal(sim_chip_flash_operations(app.board.chip), operations);
    wait_more(REPORT_AT(rounds));
    board_check_vault(&app.board);
}

/* ---- the exceptions' stack ---- */

static void stack_within_its_budget(void **state)
{
    uint32_t top = base_get_le32(app.board.image.data + STACK_TOP_AT);
    uint8_t bytes[NETWORK_FRAME_MAX];
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_statement statement;
    size_t length = 0;
    uint32_t low;

    (void)state;
    takes_first_request();
    sim_chip_test_stack_restart(app.board.chip, SIM_AP_CM0);
    app_board_tell(&app, APP_RADIO_STATEMENT, app.board.authority.key_id, PROTO_KEY_ID_SIZE);
    app_board_hear(&app, APP_RADIO_STATEMENT, SVC_STATUS_DEVICE | PROTO_OK, bytes, &length);
    authority_check_statement(&app.board.authority, bytes, &statement);
    app_board_seal(&app, &statement, PROTO_PURPOSE_REWORK, 2, envelope, receipt_key);
    app_board_tell(&app, APP_RADIO_ENVELOPE, envelope, sizeof(envelope));
    app_board_hear(&app, APP_RADIO_ENVELOPE, SVC_STATUS_DEVICE | PROTO_OK, bytes, &length);
    low = sim_chip_test_stack_low(app.board.chip, SIM_AP_CM0);
    print_message("stack of the layer's calls: %u bytes\n", top - low);
    assert_true(low < top && top - low <= STACK_BYTES);
    assert_int_equal(peek(top - STACK_BYTES), STACK_PAINT);
}

/* ---- the image's words ---- */

static void runs_with(uint32_t at, uint32_t value, uint32_t status)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    base_put_le32(app.program.data + PROTO_APPLICATION_LAYER_AT + at, value);
    app_board_program_bytes(&app, app.program.data, app.program.length);
    assert_int_equal(board_ask(&app.board, PROTO_CMD_RUN, NULL, 0, answer, &length), status);
}

static void wrong_places_are_refused(void **state)
{
    static const uint32_t stacks[] = { 0, SVC_LAYER_BASE, SVC_LAYER_BASE + 24, SVC_LAYER_END - 4,
        SVC_LAYER_END + 8, 0x08012000U, 0x08030000U, 0xFFFFFFF8U };
    static const uint32_t entries[] = { 0, 1, 0x10000801U, 0x10010401U - 1U, 0x10010400U + 0x100U,
        0x10080001U, 0x08040101U, 0xFFFFFFFFU };
    uint32_t stack = base_get_le32(app.program.data + PROTO_APPLICATION_LAYER_AT + 4);
    uint32_t entry = base_get_le32(app.program.data + PROTO_APPLICATION_LAYER_AT + 8);

    (void)state;
    for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++)
        runs_with(4, stacks[i], PROTO_BAD_FIELD);
    base_put_le32(app.program.data + PROTO_APPLICATION_LAYER_AT + 4, stack);
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
        runs_with(8, entries[i], PROTO_BAD_FIELD);
    base_put_le32(app.program.data + PROTO_APPLICATION_LAYER_AT + 8, entry);
    /* Without the magic word there is no layer, and the CM4 starts alone. */
    runs_with(0, PROTO_APPLICATION_LAYER_MAGIC ^ 1U, PROTO_OK);
    wait_more(REPORT_AT(served));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(int count, char **arguments)
{
    const struct CMUnitTest planted[] = { TEST(cm4_waits_in_sram) };
    const struct CMUnitTest tests[] = {
        TEST(cm4_waits_in_sram),
        TEST(deaf_cm4_stops_writes),
        TEST(stack_within_its_budget),
        TEST(wrong_places_are_refused),
    };

    if (count > 1 && strcmp(arguments[1], "planted") == 0)
        return cmocka_run_group_tests(planted, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

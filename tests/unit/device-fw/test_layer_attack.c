/* SPDX-License-Identifier: Apache-2.0 */
/* A malicious layer on the CM0+ of a board with keys: what it reads, writes, calls and pretends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/layer-demo/report.h"
#include "tests/device/layer_prober.h"
#include "tests/unit/device-fw/app_board.h"

#define SEED        UINT64_C(0x13198A2E03707344)
#define BL_SRAM     0x08010000U
#define BL_SRAM_END 0x08018000U
#define MESSAGE     0x08041000U
#define MPU_CTRL    0xE000ED94U
#define STEP_PS     (2U * SIM_PS_PER_US)
#define SHORT_PS    (600U * SIM_PS_PER_US)  /* ticks, and a call of the CM4 in one of them */
#define CLEAR_PS    (6000U * SIM_PS_PER_US) /* the layer's memory is overwritten */
#define CALL_PS     (2000000U * SIM_PS_PER_US)
#define ALIVE_PS    (20000U * SIM_PS_PER_US)

#define PROBER_AT(member) (LAYER_PROBER_ADDRESS + (uint32_t)offsetof(struct layer_prober, member))
#define REPORT_AT(member) (LAYER_REPORT_ADDRESS + (uint32_t)offsetof(struct layer_report, member))

static struct app_board app;
static uint32_t number;
static unsigned tried;
static bool is_mpu_off;  /* the core's own unit */
static bool is_smpu_off; /* the bus's units over both vault homes */

static bool wait_for(struct sim_chip *chip, uint32_t address, uint32_t value, uint64_t limit_ps)
{
    uint64_t end = sim_chip_time_ps(chip) + limit_ps;

    while (board_peek(chip, address) != value) {
        if (sim_chip_time_ps(chip) >= end)
            return false;
        sim_chip_run_until(chip, sim_chip_time_ps(chip) + STEP_PS);
    }
    return true;
}

static void switch_off(uint32_t address)
{
    uint32_t off = 0;

    assert_int_equal(
        sim_chip_ap_access(app.board.chip, SIM_AP_CM0, address, 4, true, true, &off), SIM_BUS_OK);
}

static int setup(void **state)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    (void)state;
    app_board_init(&app);
    app_board_install(&app, PROTO_LORAWAN_1_1, 1);
    for (uint32_t unit = 8; is_smpu_off && unit < 10; unit++)
        switch_off(0x40242004U + 0x40U * unit);
    board_poke(app.board.chip, PROBER_AT(number), 0);
    board_poke(app.board.chip, PROBER_AT(done), 1);
    number = 0;
    assert_int_equal(board_ask(&app.board, PROTO_CMD_RUN, NULL, 0, answer, &length), PROTO_OK);
    assert_true(wait_for(app.board.chip, PROBER_AT(done), 0, CALL_PS));
    while (sim_chip_test_core(app.board.chip, SIM_AP_CM0).ipsr != 0)
        sim_chip_run_until(app.board.chip, sim_chip_time_ps(app.board.chip) + SIM_PS_PER_US);
    assert_int_equal(sim_chip_test_core(app.board.chip, SIM_AP_CM0).context, SVC_LAYER_CONTEXT);
    if (is_mpu_off)
        switch_off(MPU_CTRL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    app_board_done(&app);
    return 0;
}

/* One command. False: the layer did not come back from it. */
static bool does(struct sim_chip *chip, enum layer_prober_command command, uint32_t address,
    uint32_t *value, uint64_t limit_ps)
{
    bool done;

    board_poke(chip, PROBER_AT(command), command);
    board_poke(chip, PROBER_AT(address), address);
    board_poke(chip, PROBER_AT(value), *value);
    board_poke(chip, PROBER_AT(number), ++number);
    done = wait_for(chip, PROBER_AT(done), number, limit_ps);
    *value = board_peek(chip, PROBER_AT(value));
    return done;
}

/* The CM4's own calls are answered, whatever became of the layer. */
static void check_service(struct sim_chip *chip)
{
    uint32_t served = board_peek(chip, REPORT_AT(served));
    uint64_t end = sim_chip_time_ps(chip) + ALIVE_PS;

    while (board_peek(chip, REPORT_AT(served)) - served < 2) {
        if (sim_chip_time_ps(chip) > end)
            fail_msg("no service; CM0+ at 0x%08x, exception %u, locked up %d",
                sim_chip_test_core(chip, SIM_AP_CM0).pc, sim_chip_test_core(chip, SIM_AP_CM0).ipsr,
                sim_chip_test_core(chip, SIM_AP_CM0).locked_up);
        sim_chip_run_until(chip, sim_chip_time_ps(chip) + 50 * STEP_PS);
    }
}

/* It is over, nothing of it is left, and the services go on. */
static void check_ended(struct sim_chip *chip)
{
    sim_chip_run_until(chip, sim_chip_time_ps(chip) + CLEAR_PS);
    for (uint32_t at = SVC_LAYER_BASE; at < SVC_LAYER_END; at += 4)
        assert_int_equal(board_peek(chip, at), 0);
    check_service(chip);
}

/* On a copy of the board, so that each attempt finds a layer that lives. */
static void refused(enum layer_prober_command command, uint32_t address, uint32_t value)
{
    struct sim_chip *chip = board_fork(&app.board).chip;

    if (does(chip, command, address, &value, SHORT_PS))
        fail_msg("command %u at 0x%08x was not refused", (unsigned)command, address);
    check_ended(chip);
    sim_chip_free(chip);
    tried++;
}

static void refused_both(uint32_t address)
{
    refused(LAYER_PROBER_READ, address, 0);
    refused(LAYER_PROBER_WRITE, address, 0);
}

static void allowed(enum layer_prober_command command, uint32_t address)
{
    uint32_t value = 0;

    if (!does(app.board.chip, command, address, &value, SHORT_PS))
        fail_msg("command %u at 0x%08x was refused", (unsigned)command, address);
}

/* ---- what it reaches ---- */

static void its_own(void **state)
{
    static const uint32_t places[] = { 0x08040010U, 0x08046000U, SVC_COMMON_BASE,
        SVC_COMMON_END - 4U, 0x40320328U };

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        allowed(LAYER_PROBER_READ, places[i]);
    allowed(LAYER_PROBER_READ, PROTO_APPLICATION_ADDRESS);
    allowed(LAYER_PROBER_READ, 0x1007FFFCU);
    allowed(LAYER_PROBER_WRITE, 0x08046000U);
    allowed(LAYER_PROBER_WRITE, SVC_COMMON_END - 4U);
    check_service(app.board.chip);
}

static void vault(void **state)
{
    (void)state;
    tried = 0;
    for (uint32_t at = 0; at < PROTO_VAULT_HOME_SIZE; at += 32) {
        refused(LAYER_PROBER_READ, PROTO_VAULT_HOME_0 + at, 0);
        refused(LAYER_PROBER_READ_BYTE, PROTO_VAULT_HOME_1 + at + 3, 0);
    }
    print_message("vault: %u accesses refused\n", tried);
    board_check_vault(&app.board);
}

static void memory(void **state)
{
    static const struct {
        uint32_t first, end, step;
    } areas[] = {
        { 0, 0x20000, 0x8000 },                             /* ROM */
        { 0x08000000U, 0x08010000U, 0x2000 },               /* mailbox and the port's memory */
        { BL_SRAM, BL_SRAM_END, 0x400 },                    /* ours */
        { BL_SRAM_END, SVC_COMMON_BASE, 0x4000 },           /* the CM4's */
        { SVC_LAYER_END, 0x08048000U, 0x7FC },              /* the ROM's */
        { 0x10000000U, PROTO_APPLICATION_ADDRESS, 0x1000 }, /* our image */
        { 0x10080000U, 0x10100000U, 0x20000 },
        { 0x14000000U, 0x14008000U, 0x2000 },
        { 0x16000000U, 0x16008000U, 0x1000 },
    };

    (void)state;
    tried = 0;
    for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
        for (uint32_t at = areas[i].first; at < areas[i].end; at += areas[i].step)
            refused_both(at);
    }
    refused_both(SVC_COMMON_BASE - 4U);
    refused_both(SVC_LAYER_END);
    refused_both(PROTO_APPLICATION_ADDRESS - 4U);
    refused(LAYER_PROBER_WRITE, PROTO_APPLICATION_ADDRESS, 0);
    print_message("memory: %u accesses refused\n", tried);
}

/* Contexts, protection units, power, handlers, flash, fuses, DMA, and the system calls that start
 * by IPC; then the core's own registers. */
static void registers(void **state)
{
    static const uint32_t single[] = { 0x40010000U, 0x40010400U, 0x40014000U, 0x40100044U,
        0x40110000U, 0x40110048U, 0x40110280U, 0x40200044U, 0x40201604U, 0x40210000U, 0x40210080U,
        0x402102B0U, 0x40210320U, 0x40210500U, 0x40210520U, 0x40210540U, 0x40220000U, 0x40250000U,
        0x40250008U, 0x4025F000U, 0x40260100U, 0x40260180U, 0x40270000U, 0x40280000U, 0x4028080CU,
        0x40281000U, 0x402C0000U, 0x402C0800U, 0x402C0810U, 0x40300000U, 0x40310064U, 0x4031FFFCU,
        0x40330000U, 0x4037FFFCU, 0x403A0000U, 0x405FFFFCU, 0x40600044U, 0x4060FFFCU, 0x40700000U,
        0xE0001000U, 0xE0002000U, 0xE000E010U, 0xE000E018U, 0xE000E100U, 0xE000E200U, 0xE000ED00U,
        0xE000ED04U, 0xE000ED08U, 0xE000ED0CU, 0xE000ED10U, 0xE000ED1CU, 0xE000ED24U, 0xE000ED90U,
        MPU_CTRL, 0xE000ED9CU, 0xE000EDA0U, 0xE000EDF0U, 0xE000EDF4U, 0xF0000FE0U, 0xFFFFFFF8U };

    (void)state;
    tried = 0;
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
        refused_both(single[i]);
    for (uint32_t i = 0; i < 16; i++) {
        refused(LAYER_PROBER_READ, 0x40230000U + 0x20U * i, 0);        /* takes the lock */
        refused(LAYER_PROBER_WRITE, 0x40230008U + 0x20U * i, 1);       /* notifies the ROM */
        refused(LAYER_PROBER_WRITE, 0x4023000CU + 0x20U * i, MESSAGE); /* names its arguments */
        refused(LAYER_PROBER_WRITE, 0x40231004U + 0x20U * i, UINT32_MAX);
        refused(LAYER_PROBER_WRITE, 0x40240000U + 4U * i, 0x00FE0303U);
        refused(LAYER_PROBER_WRITE, 0x40242004U + 0x40U * i, 0);
        refused(LAYER_PROBER_WRITE, 0x40244000U + 0x400U * i, 0);
    }
    print_message("registers: %u accesses refused\n", tried);
}

/* ---- where it runs, and as what ---- */

static void jumps(void **state)
{
    static const uint32_t places[] = { 0x0000000DU, 0x10000801U, 0x1000081DU, 0x10002001U,
        0x08041001U, 0x08031001U, 0x08012001U, 0x14000001U, 0x100C0001U, 0x40320001U, 0xFFFFFFF1U,
        0xFFFFFFF9U, 0xFFFFFFFDU, 0xFFFFFFFFU, 0xE000ED01U, 0x10010800U };

    (void)state;
    tried = 0;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        refused(LAYER_PROBER_JUMP, places[i], 0);
    print_message("jumps: %u refused\n", tried);
}

static void privilege(void **state)
{
    (void)state;
    for (uint32_t value = 0; value < 4; value++) {
        uint32_t control = value;

        assert_true(does(app.board.chip, LAYER_PROBER_PRIVILEGE, 0, &control, SHORT_PS));
        assert_int_equal(control & 3U, 3);
    }
    /* Interrupts still come: the CM4 is served while the layer spins. */
    check_service(app.board.chip);
    refused(LAYER_PROBER_READ, PROTO_VAULT_HOME_0, 0);
    refused(LAYER_PROBER_READ, MPU_CTRL, 0);
}

/* Stack pointers at which an exception must not save anything, or nothing that counts. */
static const uint32_t bad_stacks[] = { 0, 0x20, 0x08000100U, 0x08012000U, 0x08010020U, 0x08013000U,
    0x08018000U, 0x08020000U, 0x08031800U, SVC_COMMON_END, SVC_LAYER_BASE + 8U, 0x08047020U,
    0x08048000U, 0x10020000U, 0x14000020U, 0x16000020U, 0x40320200U, 0x40230020U, 0xE000ED20U,
    0xFFFFFFF0U };

static void stacks(void **state)
{
    (void)state;
    tried = 0;
    for (size_t i = 0; i < sizeof(bad_stacks) / sizeof(bad_stacks[0]); i++) {
        refused(LAYER_PROBER_CALL_WITH_STACK, bad_stacks[i], MESSAGE);
        refused(LAYER_PROBER_CALL_WITH_STACK, bad_stacks[i] | 4U, MESSAGE);
        refused(LAYER_PROBER_SPIN_WITH_STACK, bad_stacks[i], 0);
    }
    print_message("stack pointers: %u refused\n", tried);
}

/* A fault whose registers cannot be saved locks the processor up (DDI 0419 B1.5): no service until
 * the next reset, whatever ticks, but no key anywhere either. */
static void faults_with_stacks(void **state)
{
    unsigned locked_up = 0;

    (void)state;
    refused(LAYER_PROBER_FAULT_WITH_STACK, SVC_LAYER_END, 0);
    refused(LAYER_PROBER_FAULT_WITH_STACK, SVC_COMMON_END, 0);
    for (size_t i = 0; i < sizeof(bad_stacks) / sizeof(bad_stacks[0]); i++) {
        struct board board = board_fork(&app.board);
        struct sim_chip *chip = board.chip;
        uint32_t value = 0;

        assert_false(does(chip, LAYER_PROBER_FAULT_WITH_STACK, bad_stacks[i], &value, SHORT_PS));
        if (!sim_chip_test_core(chip, SIM_AP_CM0).locked_up) {
            check_ended(chip);
        } else {
            sim_chip_run_until(chip, sim_chip_time_ps(chip) + ALIVE_PS);
            assert_true(sim_chip_test_core(chip, SIM_AP_CM0).locked_up);
            locked_up++;
        }
        board_check_vault(&board);
        sim_chip_free(chip);
    }
    print_message("faults: %u of %zu stack pointers lock up\n", locked_up,
        sizeof(bad_stacks) / sizeof(bad_stacks[0]));
    assert_true(locked_up > 0);
}

/* ---- messages ---- */

static void put_message(struct sim_chip *chip, uint32_t operation, uint32_t length)
{
    board_poke(chip, MESSAGE, SVC_VERSION);
    board_poke(chip, MESSAGE + 4, operation);
    board_poke(chip, MESSAGE + 8, 0);
    board_poke(chip, MESSAGE + 12, length);
    board_poke(chip, MESSAGE + 16, 0);
}

static bool calls(struct sim_chip *chip, enum layer_prober_command command, uint32_t address)
{
    uint32_t value = 0;

    return does(chip, command, address, &value, CALL_PS);
}

static void wrong_places(void **state)
{
    static const uint32_t places[] = { 0, 1, 2, MESSAGE + 1, MESSAGE + 2, BL_SRAM, BL_SRAM_END,
        0x08020000U, SVC_COMMON_BASE, SVC_LAYER_BASE - 4U, SVC_LAYER_END - 4U,
        SVC_LAYER_END - sizeof(struct svc_message) + 4U, 0x08047800U, PROTO_VAULT_HOME_0,
        PROTO_VAULT_HOME_1, PROTO_APPLICATION_ADDRESS, 0x40230000U, 0xE000ED00U, 0xFFFFFFFCU };

    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        assert_true(calls(app.board.chip, LAYER_PROBER_CALL, places[i]));
    assert_true(calls(app.board.chip, LAYER_PROBER_CALL_ON_FRAME, 0));
    put_message(app.board.chip, SVC_OP_IDENTITY, 0);
    assert_true(calls(app.board.chip, LAYER_PROBER_CALL, MESSAGE));
    assert_int_equal(board_peek(app.board.chip, MESSAGE + 16), SVC_OK);
    /* The SVC's number means nothing. */
    put_message(app.board.chip, SVC_OP_IDENTITY, 0);
    assert_true(calls(app.board.chip, LAYER_PROBER_CALL_NUMBERS, MESSAGE));
    assert_true(board_peek(app.board.chip, MESSAGE + 16) != 0);
    check_service(app.board.chip);
    board_check_vault(&app.board);
}

static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void malformed_messages(void **state)
{
    struct sim_chip *chip = app.board.chip;
    uint64_t seed = SEED;
    unsigned count = 100;

    (void)state;
    for (unsigned i = 0; i < count; i++) {
        uint32_t status;

        for (uint32_t at = 20; at < sizeof(struct svc_message); at += 4)
            board_poke(chip, MESSAGE + at, (uint32_t)draw(&seed));
        put_message(
            chip, (uint32_t)(draw(&seed) % (SVC_OP_END + 1)), (uint32_t)(draw(&seed) % 300));
        if (i % 5 == 0)
            board_poke(chip, MESSAGE + (uint32_t)(draw(&seed) % 4) * 4, (uint32_t)draw(&seed));
        assert_true(calls(chip, LAYER_PROBER_CALL, MESSAGE));
        status = board_peek(chip, MESSAGE + 16);
        assert_true((status >= SVC_OK && status <= SVC_FLASH_FAILED) ||
                    (status & ~0xFFU) == SVC_STATUS_DEVICE);
    }
    print_message("%u random messages answered, seed 0x%llx\n", count, (unsigned long long)SEED);
    check_service(chip);
    board_check_vault(&app.board);
}

/* ---- what it could have learned ---- */

/* Offsets in the record: identity secret, static DH, receipt key. */
static bool is_secret(size_t at)
{
    return (at >= 28 && at < 60 - 8) || (at >= 133 && at < 165 - 8) || (at >= 284 && at < 316 - 8);
}

static void nothing_leaks(void **state)
{
    static uint8_t memory[0x48000];
    uint8_t row[PROTO_VAULT_HOME_SIZE];
    struct sim_chip *chip = app.board.chip;

    (void)state;
    put_message(chip, SVC_OP_STATEMENT, PROTO_KEY_ID_SIZE);
    assert_true(
        sim_chip_test_write(chip, MESSAGE + 20, app.board.authority.key_id, PROTO_KEY_ID_SIZE));
    assert_true(calls(chip, LAYER_PROBER_CALL, MESSAGE));
    assert_int_equal(board_peek(chip, MESSAGE + 16), SVC_STATUS_DEVICE | PROTO_OK);
    assert_true(sim_chip_test_read(chip, PROTO_VAULT_HOME_0, row, sizeof(row)));
    assert_true(sim_chip_test_read(chip, 0x08000000U, memory, sizeof(memory)));
    memset(memory + (BL_SRAM - 0x08000000U), 0, BL_SRAM_END - BL_SRAM);
    for (size_t at = 0; at + 8 <= sizeof(row); at += 4) {
        if (!is_secret(at))
            continue;
        if (memmem(memory, sizeof(memory), row + at, 8) != NULL)
            fail_msg("bytes %zu of the record lie where the layer reads", at);
        for (unsigned reg = 0; reg < 13; reg++)
            assert_int_not_equal(sim_chip_test_reg(chip, SIM_AP_CM0, reg), base_get_le32(row + at));
    }
}

int main(int count, char **arguments)
{
    const struct CMUnitTest by_one_unit[] = { cmocka_unit_test(vault) };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_own),
        cmocka_unit_test(vault),
        cmocka_unit_test(memory),
        cmocka_unit_test(registers),
        cmocka_unit_test(jumps),
        cmocka_unit_test(privilege),
        cmocka_unit_test(stacks),
        cmocka_unit_test(faults_with_stacks),
        cmocka_unit_test(wrong_places),
        cmocka_unit_test(malformed_messages),
        cmocka_unit_test(nothing_leaks),
    };

    /* Either unit keeps the vault closed; without both it is open. */
    is_mpu_off = count > 1 && strcmp(arguments[1], "without-smpu") != 0;
    is_smpu_off = count > 1 && strcmp(arguments[1], "without-mpu") != 0;
    if (count > 1)
        return cmocka_run_group_tests(by_one_unit, setup, teardown);
    return cmocka_run_group_tests(tests, setup, teardown);
}

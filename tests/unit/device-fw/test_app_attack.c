/* SPDX-License-Identifier: Apache-2.0 */
/* A malicious program on the CM4 of a board with keys: what it reads, writes, asks and races. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/device-fw/app_board.h"

#define PROBER      0x08030000U
#define SEED        UINT64_C(0x243F6A8885A308D3)
#define BL_SRAM     0x08010000U
#define BL_SRAM_END 0x08018000U
#define SHARED      0x08020000U
#define IPC         0x40230000U
#define IPC_INTR    0x40231000U
#define STEP_PS     (2U * SIM_PS_PER_US)
#define LIMIT_PS    (3000000U * SIM_PS_PER_US)

#define RACE_PATTERNS 3U
#define RACE_COPY     300U /* instructions in which the message is copied and checked */
#define RACE_STEP_PS  (20U * SIM_PS_PER_US)
#define RACE_LIMIT_PS (1500U * SIM_PS_PER_US)

static struct app_board app;
static uint32_t number;
static bool is_hole_planted; /* the unit that closes the first vault home is switched off */

static int setup(void **state)
{
    const char *path = getenv("LPA_TEST_PROBER");
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    (void)state;
    assert_non_null(path);
    assert_int_equal(setenv("LPA_TEST_APP", path, 1), 0);
    app_board_init(&app);
    app_board_install(&app, PROTO_LORAWAN_1_1, 1);
    for (uint32_t at = PROBER; at < PROBER + 24; at += 4)
        board_poke(app.board.chip, at, 0);
    number = 0;
    assert_int_equal(board_ask(&app.board, PROTO_CMD_RUN, NULL, 0, answer, &length), PROTO_OK);
    if (is_hole_planted) {
        uint32_t off = 0;

        assert_int_equal(sim_chip_ap_access(app.board.chip, SIM_AP_CM0, 0x40242004U + 0x40U * 8U, 4,
                             true, true, &off),
            SIM_BUS_OK);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    app_board_done(&app);
    return 0;
}

/* One access of the CM4. False: it faulted. */
static bool touch(bool write, uint32_t address, uint32_t *value)
{
    struct sim_chip *chip = app.board.chip;
    uint64_t end = sim_chip_time_ps(chip) + LIMIT_PS;
    uint32_t faults = board_peek(chip, PROBER + 16);

    board_poke(chip, PROBER + 4, write);
    board_poke(chip, PROBER + 8, address);
    board_poke(chip, PROBER + 12, write ? *value : 0);
    board_poke(chip, PROBER, ++number);
    while (board_peek(chip, PROBER + 20) != number) {
        assert_true(sim_chip_time_ps(chip) < end);
        sim_chip_run_until(chip, sim_chip_time_ps(chip) + STEP_PS);
    }
    *value = board_peek(chip, PROBER + 12);
    return board_peek(chip, PROBER + 16) == faults;
}

static bool reads(uint32_t address)
{
    uint32_t value = 0;

    return touch(false, address, &value);
}

static bool writes(uint32_t address, uint32_t value)
{
    return touch(true, address, &value);
}

static void check_alive(struct sim_chip *chip)
{
    struct sim_chip_test_core core = sim_chip_test_core(chip, SIM_AP_CM0);

    assert_true(core.ipsr == 0 || core.ipsr == 15);
    assert_false(core.locked_up);
}

/* Hand a message's address over as the client library does, and wait for the release. */
static void request(uint32_t address)
{
    uint32_t value = 0;

    do {
        assert_true(touch(false, IPC + 0x20 * SVC_CHANNEL, &value));
    } while ((value >> 31) == 0);
    assert_true(writes(IPC + 0x20 * SVC_CHANNEL + 0xC, address));
    assert_true(writes(IPC + 0x20 * SVC_CHANNEL + 8, 1U << SVC_INTR));
    do {
        assert_true(touch(false, IPC + 0x20 * SVC_CHANNEL + 0x10, &value));
    } while ((value >> 31) != 0);
    check_alive(app.board.chip);
}

static void put_message(struct sim_chip *chip, uint32_t operation, uint32_t length)
{
    board_poke(chip, SHARED, SVC_VERSION);
    board_poke(chip, SHARED + 4, operation);
    board_poke(chip, SHARED + 8, SVC_FLAG_PARKED);
    board_poke(chip, SHARED + 12, length);
    board_poke(chip, SHARED + 16, 0);
}

static void check_service(void)
{
    put_message(app.board.chip, SVC_OP_IDENTITY, 0);
    request(SHARED);
    assert_int_equal(board_peek(app.board.chip, SHARED + 16), SVC_OK);
}

/* ---- memory ---- */

static void vault_and_memory(void **state)
{
    unsigned tried = 0;

    (void)state;
    assert_true(reads(SHARED)); /* the hands work */
    for (uint32_t at = 0; at < PROTO_VAULT_HOME_SIZE; at += 4) {
        assert_false(reads(PROTO_VAULT_HOME_0 + at));
        assert_false(reads(PROTO_VAULT_HOME_1 + at));
        tried += 2;
    }
    for (uint32_t at = BL_SRAM; at < BL_SRAM_END; at += 64) {
        assert_false(reads(at));
        assert_false(writes(at, 0));
        tried += 2;
    }
    for (uint32_t at = SVC_LAYER_BASE; at < SVC_LAYER_END; at += 64) {
        assert_false(reads(at));
        assert_false(writes(at, 0));
        tried += 2;
    }
    print_message("vault, bootloader and layer memory: %u accesses refused\n", tried);
    check_service();
    board_check_vault(&app.board);
}

/* ---- system calls ---- */

static void system_calls(void **state)
{
    uint64_t operations = sim_chip_flash_operations(app.board.chip);
    unsigned tried = 0;

    (void)state;
    for (uint32_t opcode = 0; opcode < 256; opcode++) {
        for (uint32_t ipc = 0; ipc < 3; ipc++) {
            uint32_t base = IPC + 0x20 * ipc;

            assert_false(reads(base));
            assert_false(writes(base + 0xC, opcode << 24 | 1U));
            assert_false(writes(base + 8, 1));
            tried++;
        }
    }
    assert_false(writes(IPC_INTR + 8, 0x00070000U));
    assert_false(writes(IPC_INTR + 4, 0x00070000U));
    /* Another channel may notify the system call's interrupt; nobody listens to that. */
    for (uint32_t ipc = 3; ipc < 16; ipc++)
        (void)writes(IPC + 0x20 * ipc + 8, 1);
    print_message("system calls: %u opcodes and structures refused\n", tried);
    assert_int_equal(sim_chip_flash_operations(app.board.chip), operations);
    check_service();
}

/* ---- protection and DMA ---- */

static void protection_stays(void **state)
{
    (void)state;
    for (uint32_t master = 0; master < 16; master++) {
        (void)writes(0x40240000U + 4 * master, 0x00FE0303U);
        (void)writes(0x40244000U + 0x400 * master, 1);
    }
    for (uint32_t unit = 0; unit < 16; unit++) {
        for (uint32_t at = 0; at < 0x28; at += 4) {
            (void)writes(0x40242000U + 0x40 * unit + at, 0);
            (void)writes(0x40014000U + 0x40 * unit + at, 0);
            (void)writes(0x40201000U + 0x40 * unit + at, 0);
            (void)writes(0x40100000U + 0x40 * unit + at, 0);
            (void)writes(0x40200000U + 0x40 * unit + at, 0);
        }
    }
    (void)writes(0x40210080U, 0x05FA0003U); /* power, vectors and AP_CTL of the CPU subsystem */
    (void)writes(0x402102B0U, SHARED);
    (void)writes(0x40210320U, SHARED | 1U);
    (void)writes(0x40210540U, 7);
    assert_int_equal(sim_chip_test_core(app.board.chip, SIM_AP_CM4).context, 4);
    assert_false(reads(PROTO_VAULT_HOME_0));
    assert_false(reads(BL_SRAM));
    assert_false(reads(IPC));
    check_service();
}

/* One word from source to destination by a DMA; true when it arrived. */
static bool copies(uint32_t dma, uint32_t source, uint32_t destination)
{
    const uint32_t base = 0x40280000U + 0x1000U * dma;
    const uint32_t descriptor = SHARED + 0x800;
    uint32_t status = 0;

    board_poke(app.board.chip, descriptor, 2U << 16); /* one word */
    board_poke(app.board.chip, descriptor + 4, source);
    board_poke(app.board.chip, descriptor + 8, destination);
    board_poke(app.board.chip, descriptor + 12, 0);
    if (!writes(base, 1U << 31) || !writes(base + 0x80C, descriptor) ||
        !writes(base + 0x800, 1U << 31 | 3U | 1U << 4) ||
        !writes(0x40010400U, 1U << 31 | 1U << 30 | dma << 8) ||
        !touch(false, base + 0x804, &status))
        return false;
    return status == 1;
}

static void dma(void **state)
{
    const uint32_t mine = SHARED + 0x900;

    (void)state;
    for (uint32_t unit = 0; unit < 2; unit++) {
        board_poke(app.board.chip, mine, 0xC0FFEE00U);
        assert_true(copies(unit, mine, mine + 4));
        assert_int_equal(board_peek(app.board.chip, mine + 4), 0xC0FFEE00U);
        for (uint32_t at = 0; at < PROTO_VAULT_HOME_SIZE; at += 32) {
            assert_false(copies(unit, PROTO_VAULT_HOME_0 + at, mine + 8));
            assert_false(copies(unit, PROTO_VAULT_HOME_1 + at, mine + 8));
        }
        for (uint32_t at = BL_SRAM; at < BL_SRAM_END; at += 512) {
            assert_false(copies(unit, at, mine + 8));
            assert_false(copies(unit, mine, at));
        }
        for (uint32_t at = SVC_LAYER_BASE; at < SVC_LAYER_END; at += 512) {
            assert_false(copies(unit, at, mine + 8));
            assert_false(copies(unit, mine, at));
        }
        assert_false(copies(unit, mine, 0x40244000U));
        assert_false(copies(unit, mine, IPC + 8));
    }
    check_service();
}

/* ---- messages ---- */

static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static const uint32_t bad_places[] = { 0, 2, BL_SRAM, BL_SRAM_END - 4, 0x08017FFCU, 0x08040000U,
    0x08047800U, 0x0803FFFCU, PROTO_VAULT_HOME_0, PROTO_VAULT_HOME_1, IPC, 0xE000ED00U,
    UINT32_MAX };

static void malformed_messages(void **state)
{
    uint64_t seed = SEED;
    unsigned count = 150;

    (void)state;
    for (size_t i = 0; i < sizeof(bad_places) / sizeof(bad_places[0]); i++)
        request(bad_places[i]);
    for (unsigned i = 0; i < count; i++) {
        uint32_t status;

        for (uint32_t at = 20; at < sizeof(struct svc_message); at += 4)
            board_poke(app.board.chip, SHARED + at, (uint32_t)draw(&seed));
        put_message(app.board.chip, (uint32_t)(draw(&seed) % (SVC_OP_END + 1)),
            (uint32_t)(draw(&seed) % 300));
        if (i % 5 == 0)
            board_poke(
                app.board.chip, SHARED + (uint32_t)(draw(&seed) % 4) * 4, (uint32_t)draw(&seed));
        request(SHARED);
        status = board_peek(app.board.chip, SHARED + 16);
        assert_true((status >= SVC_OK && status <= SVC_FLASH_FAILED) ||
                    (status & ~0xFFU) == SVC_STATUS_DEVICE);
    }
    print_message("%u random messages answered, seed 0x%llx\n", count, (unsigned long long)SEED);
    check_service();
    board_check_vault(&app.board);
}

static bool is_answered(struct sim_chip *chip, uint32_t pattern)
{
    uint32_t status = board_peek(chip, SHARED + 16);

    return status != 0 && status != pattern;
}

/* The message turns into something else at this moment of @p from. */
static void race(struct sim_chip *victim, const struct sim_chip *from, uint32_t pattern)
{
    uint64_t end = sim_chip_time_ps(from) + RACE_LIMIT_PS;

    sim_chip_test_copy_volatile(victim, from);
    for (uint32_t word = 0; word < sizeof(struct svc_message); word += 4)
        board_poke(victim, SHARED + word, pattern);
    do {
        assert_true(sim_chip_time_ps(victim) < end);
        sim_chip_run_until(victim, sim_chip_time_ps(victim) + RACE_STEP_PS);
    } while (!is_answered(victim, pattern) || !sim_chip_test_core(victim, SIM_AP_CM0).sleeping);
    /* Whatever it became, it was answered; nothing beside it was written, and no flash. */
    assert_int_equal(sim_chip_flash_operations(victim), sim_chip_flash_operations(from));
    check_alive(victim);
    assert_int_equal(board_peek(victim, SHARED - 4), 0x5EED5EEDU);
    assert_int_equal(board_peek(victim, SHARED + sizeof(struct svc_message)), 0x5EED5EEDU);
}

static void hand_message_over(void)
{
    board_poke(app.board.chip, SHARED - 4, 0x5EED5EEDU);
    board_poke(app.board.chip, SHARED + sizeof(struct svc_message), 0x5EED5EEDU);
    put_message(app.board.chip, SVC_OP_IDENTITY, 0);
    assert_true(reads(IPC + 0x20 * SVC_CHANNEL));
    assert_true(writes(IPC + 0x20 * SVC_CHANNEL + 0xC, SHARED));
    assert_true(writes(IPC + 0x20 * SVC_CHANNEL + 8, 1U << SVC_INTR));
}

/* Before each instruction of the CM0+ until the answer: with every pattern while it copies and
 * checks, with one of them afterwards (with every one if LPA_SECONDS is 0). */
static void racing_messages(void **state)
{
    static const uint32_t patterns[RACE_PATTERNS] = { 0xFFFFFFFFU, PROTO_VAULT_HOME_0,
        0x00000400U };
    const char *seconds = getenv("LPA_SECONDS");
    bool all = seconds != NULL && strcmp(seconds, "0") == 0;
    struct board victim = board_fork(&app.board);
    struct board pilot;
    unsigned cases = 0;
    uint32_t at = 0;

    (void)state;
    check_service(); /* the program is up */
    hand_message_over();
    pilot = board_fork(&app.board);
    for (; !is_answered(pilot.chip, 0); at++) {
        uint64_t next = sim_chip_test_core(pilot.chip, SIM_AP_CM0).instructions + 1U;

        for (uint32_t i = 0; i < RACE_PATTERNS; i++) {
            if (!all && at >= RACE_COPY && at % RACE_PATTERNS != i)
                continue;
            race(victim.chip, pilot.chip, patterns[i]);
            cases++;
        }
        assert_true(sim_chip_test_run_instructions(
            pilot.chip, next, sim_chip_time_ps(pilot.chip) + RACE_LIMIT_PS));
    }
    print_message("message changed before each of %u instructions: %u of %u cases\n", at, cases,
        at * RACE_PATTERNS);
    assert_true(at > RACE_COPY);
    sim_chip_free(pilot.chip);
    sim_chip_free(victim.chip);
}

/* ---- what it could have learned ---- */

/* The last one: the program does not survive it. */
static void nothing_leaks(void **state)
{
    static uint8_t memory[0x48000];
    uint8_t row[PROTO_VAULT_HOME_SIZE];

    (void)state;
    /* It says that it waits in SRAM, and does not: the flash that it runs from is taken away. */
    put_message(app.board.chip, SVC_OP_JOIN_REQUEST, 0);
    assert_true(reads(IPC + 0x20 * SVC_CHANNEL));
    assert_true(writes(IPC + 0x20 * SVC_CHANNEL + 0xC, SHARED));
    board_poke(app.board.chip, PROBER + 4, 1);
    board_poke(app.board.chip, PROBER + 8, IPC + 0x20 * SVC_CHANNEL + 8);
    board_poke(app.board.chip, PROBER + 12, 1U << SVC_INTR);
    board_poke(app.board.chip, PROBER, number + 1);
    sim_chip_run_until(app.board.chip, sim_chip_time_ps(app.board.chip) + 200000U * SIM_PS_PER_US);
    assert_int_equal(board_peek(app.board.chip, SHARED + 16), SVC_OK);
    assert_true(sim_chip_test_core(app.board.chip, SIM_AP_CM4).locked_up);
    check_alive(app.board.chip);
    board_check_vault(&app.board);
    assert_true(sim_chip_test_read(app.board.chip, PROTO_VAULT_HOME_0, row, sizeof(row)));
    assert_true(sim_chip_test_read(app.board.chip, 0x08000000U, memory, sizeof(memory)));
    memset(memory + (BL_SRAM - 0x08000000U), 0, BL_SRAM_END - BL_SRAM);
    /* Identity secret, static DH, root keys and receipt key: any eight bytes of them. */
    for (size_t at = 28; at + 8 <= 316; at += 4) {
        bool secret = at < 60 - 8 || (at >= 133 && at < 165 - 8) || (at >= 220 && at < 252 - 8) ||
                      (at >= 284 && at < 316 - 8);

        /* The test's own root keys are runs of one byte, which memory holds anyway. */
        if (secret && (at < 220 || at >= 252) &&
            memmem(memory, sizeof(memory), row + at, 8) != NULL)
            fail_msg("bytes %zu of the record lie where the CM4 reads", at);
    }
}

int main(int count, char **arguments)
{
    const struct CMUnitTest planted[] = { cmocka_unit_test(vault_and_memory) };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vault_and_memory),
        cmocka_unit_test(system_calls),
        cmocka_unit_test(protection_stays),
        cmocka_unit_test(dma),
        cmocka_unit_test(malformed_messages),
        cmocka_unit_test(racing_messages),
        cmocka_unit_test(nothing_leaks),
    };

    if (count > 1 && strcmp(arguments[1], "race") == 0)
        cmocka_set_test_filter("racing_messages");
    is_hole_planted = count > 1 && strcmp(arguments[1], "planted") == 0;
    if (is_hole_planted)
        return cmocka_run_group_tests(planted, setup, teardown);
    return cmocka_run_group_tests(tests, setup, teardown);
}

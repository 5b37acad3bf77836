/* SPDX-License-Identifier: Apache-2.0 */
/* An attacker's probe at a board in every state of its life: through each access port, each kind of
 * memory and register is read and written, and the answers are compared with the tables of
 * man/lpa-port.7. In SECURE no system call can even be started; test mode cannot be entered; a DEAD
 * board gives no byte. The programmer's own checks, made over the wire, say the same.
 *
 * "planted": one restriction fuse less than there should be; the test must then fail. "print": the
 * ranges that were found, for the man page. "save FOLDER": each board as a file, for other tools.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/board.h"
#include "tests/attack/secure_board.h"
#include "tests/attack/table.h"

#define AP_CTL 0x40210540U

static const char *const ports[SIM_AP_COUNT] = { "SYS", "CM0", "CM4" };

/* Where it is tried, and how densely. Edges lie on multiples of the step. */
static const struct region {
    const char *name;
    uint32_t first, size, step;
    bool is_memory; /* written in every state; registers only where they must refuse */
} regions[] = {
    { "boot ROM", 0x00000000U, 0x20000U, 0x100U, true },
    { "SRAM", 0x08000000U, 0x48000U, 0x40U, true },
    { "beyond SRAM", 0x08048000U, 0x8000U, 0x1000U, true },
    { "main flash", 0x10000000U, 0x100000U, 0x200U, true },
    { "work flash", 0x14000000U, 0x8000U, 0x200U, true },
    { "supervisory flash", 0x16000000U, 0x8000U, 0x200U, true },
    { "external flash", 0x18000000U, 0x10000U, 0x1000U, true },
    { "registers", 0x40000000U, 0x700000U, 0x1000U, false },
    { "PERI", 0x40010000U, 0x8000U, 0x40U, false },
    { "crypto block", 0x40110000U, 0x5000U, 0x20U, false },
    { "CPUSS to FLASHC", 0x40200000U, 0x60000U, 0x10U, false },
    { "SRSS to DMA", 0x40260000U, 0x30000U, 0x40U, false },
    { "fuses", 0x402C0000U, 0x1000U, 0x4U, false },
    { "pins", 0x40310000U, 0x20000U, 0x40U, false },
    { "core registers", 0xE0000000U, 0x100000U, 0x1000U, false },
    { "debug registers", 0xE000E000U, 0x1000U, 0x10U, false },
    { "port's table", 0xF0000000U, 0x4000U, 0x10U, false },
    { "SYS-AP's table", 0xF1000000U, 0x2000U, 0x10U, false },
};

struct test {
    struct secure_boards boards;
    struct table table;
    bool print;
};

static struct sim_chip *copy_of(const struct test *test, enum board_state state)
{
    struct sim_chip *copy = NULL;
    assert_int_equal(sim_chip_fork(test->boards.chips[state], &copy, NULL), BASE_OK);
    sim_chip_set_debug_power(copy, true); /* as every probe asks for; it wakes the CM4's port */
    return copy;
}

static bool reaches(
    struct sim_chip *chip, enum sim_ap ap, uint32_t address, bool write, uint32_t *value)
{
    return sim_chip_ap_access(chip, ap, address, 4, write, true, value) == SIM_BUS_OK;
}

/* The port is there at all: pins connected and AP_CTL open. */
static bool port_answers(struct sim_chip *chip, enum sim_ap ap)
{
    return sim_chip_swd_connected(chip) && sim_chip_ap_enabled(chip, ap);
}

/* Compared word for word, and written too. */
static bool is_exact(enum board_state state, const struct region *region)
{
    return region->is_memory || state >= BOARD_SECURE;
}

/* ---- the tables */

static void print_range(
    enum board_state state, enum sim_ap ap, uint32_t first, uint32_t last, bool write)
{
    print_message("%s Ta %s Ta %08x Ta %08x Ta %s\n", board_state_name(state), ports[ap], first,
        last, write ? "w" : "r");
}

struct count {
    uint64_t tried, reached;
};

static void sweep_region(struct test *test, struct sim_chip *chip, enum board_state state,
    enum sim_ap ap, const struct region *region, bool write, struct count *count)
{
    bool is_open = port_answers(chip, ap);
    uint32_t start = 0;
    bool inside = false;
    for (uint32_t at = 0; at <= region->size; at += region->step) {
        uint32_t address = region->first + at;
        uint32_t value = 0;
        bool got = at < region->size && is_open && reaches(chip, ap, address, write, &value);
        bool may = at < region->size &&
                   table_allows(&test->table, board_state_name(state), ports[ap], address, write);
        /* of an open chip's registers the table names the blocks, not which of them exist */
        if (!test->print && got != may && !(may && !is_exact(state, region)))
            fail_msg("%s: %s-AP %s %08x (%s), and man/lpa-port.7 says otherwise",
                board_state_name(state), ports[ap],
                got ? (write ? "writes" : "reads") : (write ? "cannot write" : "cannot read"),
                address, region->name);
        if (test->print && got != inside) {
            if (inside)
                print_range(state, ap, start, address - 1, write);
            start = address;
            inside = got;
        }
        count->tried += at < region->size ? 1 : 0;
        count->reached += got ? 1 : 0;
    }
}

static void ports_reach_what_is_documented(void **state)
{
    struct test *test = *state;
    for (unsigned s = 0; s < BOARD_STATES; s++) {
        struct count count = { 0, 0 };
        for (unsigned ap = 0; ap < SIM_AP_COUNT; ap++) {
            for (unsigned w = 0; w < 2; w++) {
                struct sim_chip *chip = copy_of(test, s);
                for (size_t r = 0; r < sizeof(regions) / sizeof(regions[0]); r++) {
                    if (w == 0 || is_exact(s, &regions[r]))
                        sweep_region(test, chip, s, ap, &regions[r], w == 1, &count);
                }
                sim_chip_free(chip);
            }
        }
        print_message("# %-12s %7llu accesses, %6llu reached\n", board_state_name(s),
            (unsigned long long)count.tried, (unsigned long long)count.reached);
        if (s >= BOARD_LOCKED)
            assert_int_equal(count.reached, 0);
    }
}

/* What the open window of a restricted chip holds beside the mailbox: nothing. */
static void window_is_empty(void **state)
{
    const struct test *test = *state;
    for (unsigned s = BOARD_SECURE; s <= BOARD_PROVISIONED; s++) {
        struct sim_chip *chip = copy_of(test, s);
        unsigned words = 0;
        for (uint32_t at = 0x08000000U; at < 0x08004000U; at += 4) {
            uint32_t value = 0;
            assert_true(reaches(chip, SIM_AP_SYS, at, false, &value));
            bool mailbox =
                at >= PROTO_MAILBOX_ADDRESS && at < PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_SIZE;
            if (!mailbox && value != 0)
                fail_msg("%s: %08x holds %08x", board_state_name(s), at, value);
            words += mailbox ? 0 : 1;
        }
        print_message("# %s: %u words beside the mailbox, all zero\n", board_state_name(s), words);
        sim_chip_free(chip);
    }
}

/* ---- system calls */

static void no_call_can_be_started(void **state)
{
    const struct test *test = *state;
    unsigned tried = 0;
    for (unsigned s = BOARD_SECURE; s < BOARD_STATES; s++) {
        for (unsigned ap = 0; ap < SIM_AP_COUNT; ap++) {
            struct sim_chip *chip = copy_of(test, s);
            for (uint32_t i = 0; i < 3 * 256; i++) {
                uint32_t ipc = 0x40230000U + 0x20U * (i / 256);
                uint32_t opcode = (i % 256) << 24 | 1U;
                uint32_t mask = 0x00070000U;
                uint32_t notify = 1;
                uint32_t value = 0;
                assert_false(reaches(chip, ap, ipc, false, &value));
                assert_false(reaches(chip, ap, ipc + 0xC, true, &opcode));
                assert_false(reaches(chip, ap, 0x40231008U, true, &mask));
                assert_false(reaches(chip, ap, ipc + 8, true, &notify));
                assert_false(reaches(chip, ap, ipc + 0x10, false, &value));
                tried++;
            }
            sim_chip_free(chip);
        }
    }
    print_message("# %u system calls: a bus fault at each step\n", tried);
}

/* AP_CTL cannot be written through the one port that is open, and DISABLE bits would not go away.
 */
static void ports_cannot_be_opened(void **state)
{
    const struct test *test = *state;
    for (unsigned s = BOARD_SECURE; s < BOARD_STATES; s++) {
        struct sim_chip *chip = copy_of(test, s);
        uint32_t value = 7;
        assert_false(reaches(chip, SIM_AP_SYS, AP_CTL, true, &value));
        assert_false(sim_chip_ap_enabled(chip, SIM_AP_CM0));
        assert_false(sim_chip_ap_enabled(chip, SIM_AP_CM4));
        sim_chip_free(chip);
    }
}

/* ---- over the wire */

static void exchange(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length)
{
    ssize_t got = sim_board_exec(user, request, length, ret_response, PRG_PACKET_MAX);
    *ret_length = got < 0 ? 0 : (size_t)got;
}

struct wired {
    struct sim_board board;
    struct prg_link *link;
    struct prg_psoc6 *chip;
};

static void wire_up(const struct test *test, enum board_state state, struct wired *ret_wired)
{
    static const struct sim_probe_opts opts = { .packet_size = 512 };
    struct prg_wire wire;
    memset(ret_wired, 0, sizeof(*ret_wired));
    ret_wired->board.chip = copy_of(test, state);
    assert_int_equal(
        sim_probe_new(ret_wired->board.chip, &opts, &ret_wired->board.probe, NULL), BASE_OK);
    assert_int_equal(prg_wire_memory(exchange, &ret_wired->board, &wire, NULL), BASE_OK);
    assert_int_equal(prg_link_open_wire(&wire, NULL, &ret_wired->link, NULL), BASE_OK);
    assert_int_equal(prg_psoc6_new(ret_wired->link, &ret_wired->chip, NULL), BASE_OK);
}

static void unwire(struct wired *wired)
{
    prg_psoc6_free(wired->chip);
    prg_link_close(wired->link);
    sim_probe_free(wired->board.probe);
    sim_chip_free(wired->board.chip);
}

static void programmer_says_the_same(void **state)
{
    const struct test *test = *state;
    const struct prg_psoc6_secure_opts opts = { .mailbox = PROTO_MAILBOX_ADDRESS,
        .mailbox_bytes = PROTO_MAILBOX_SIZE };
    static const char *const port_codes[BOARD_STATES] = { "port_open", "port_open", "port_open", "",
        "", "port_closed", "port_closed", "port_closed", "port_closed" };

    static const enum prg_psoc6_stage stages[BOARD_STATES] = { PRG_PSOC6_STAGE_NORMAL,
        PRG_PSOC6_STAGE_NORMAL, PRG_PSOC6_STAGE_REHEARSED, PRG_PSOC6_STAGE_SECURE,
        PRG_PSOC6_STAGE_SECURE, PRG_PSOC6_STAGE_CLOSED, PRG_PSOC6_STAGE_CLOSED,
        PRG_PSOC6_STAGE_CLOSED, PRG_PSOC6_STAGE_CLOSED };

    for (unsigned s = 0; s < BOARD_STATES; s++) {
        struct base_err err = { .status = BASE_OK };
        struct wired wired;
        enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
        enum prg_psoc6_stage stage = PRG_PSOC6_STAGE_SILENT;
        wire_up(test, s, &wired);
        (void)!prg_psoc6_port_check(wired.chip, &opts, &err);
        if (strcmp(err.code, port_codes[s]) != 0)
            fail_msg("%s: %s (%s)", board_state_name(s), err.message, err.code);
        base_err_clear(&err);
        assert_int_equal(prg_psoc6_lock_check(wired.chip, 0, &err) == BASE_OK, s >= BOARD_LOCKED);
        base_err_clear(&err);
        assert_int_equal(prg_psoc6_acquire(wired.chip, NULL, &outcome, &err), BASE_OK);
        assert_int_equal(outcome == PRG_PSOC6_ACQUIRED, s < BOARD_SECURE);
        if (prg_psoc6_secure_examine(wired.chip, &test->boards.target, &opts, &stage, NULL, &err) !=
                BASE_OK ||
            stage != stages[s])
            fail_msg("%s: stage %d, %s", board_state_name(s), (int)stage, err.message);
        unwire(&wired);
    }
}

/* ---- */

static void plant(struct test *test)
{
    struct sim_chip *chip = test->boards.chips[BOARD_SECURE];
    const uint8_t r0 = 0x33; /* MMIO and SFlash in reach, MPU off */
    assert_true(sim_chip_test_write(chip, 0x402C0829U, &r0, 1));
    secure_board_reset(chip);
}

static int save_all(const struct test *test, const char *folder)
{
    for (unsigned s = 0; s < BOARD_STATES; s++) {
        char path[4096];
        struct base_err err = { .status = BASE_OK };
        int length = snprintf(path, sizeof(path), "%s/state-%u", folder, s);
        if (length < 0 || (size_t)length >= sizeof(path) ||
            sim_chip_save(test->boards.chips[s], path, &err) != BASE_OK) {
            (void)fprintf(stderr, "%s\n", err.message);
            return 1;
        }
    }
    return 0;
}

static int setup(void **state)
{
    struct test *test = *state;
    secure_boards_init(&test->boards);
    table_load(&test->table, getenv("LPA_TEST_TABLES"));
    return 0;
}

int main(int argc, char **argv)
{
    static struct test test;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(ports_reach_what_is_documented, &test),
        cmocka_unit_test_prestate(window_is_empty, &test),
        cmocka_unit_test_prestate(no_call_can_be_started, &test),
        cmocka_unit_test_prestate(ports_cannot_be_opened, &test),
        cmocka_unit_test_prestate(programmer_says_the_same, &test),
    };
    void *state = &test;
    test.print = argc > 1 && strcmp(argv[1], "print") == 0;
    if (setup(&state) != 0)
        return 1;
    if (argc > 1 && strcmp(argv[1], "planted") == 0)
        plant(&test);
    int failed = argc > 2 && strcmp(argv[1], "save") == 0
                     ? save_all(&test, argv[2])
                     : cmocka_run_group_tests(tests, NULL, NULL);
    secure_boards_done(&test.boards);
    return failed;
}

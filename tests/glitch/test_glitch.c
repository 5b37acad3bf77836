/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One glitch in the processor while the real device image decides about keys: tests/glitch/run.h
 * says what a glitch is. Whether the device held is judged by what is in the chip.
 *
 *     test_glitch SCENARIO [planted|compared]
 *
 * Takes a sixth of the time LPA_SECONDS says (default 12; 0 = every point) and prints points done
 * of total. "planted" takes one guard out of the image: a glitch must then break it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/bootloader/hardened.h"
#include "tests/glitch/lab.h"

#define DEFAULT_SECONDS 12L
#define COMPARE_EVERY   20U
#define SHARE           6L /* a scenario takes that part of the time for an exhaustive harness */
#define RANDOM_POINTS   10000U
#define SEED            UINT64_C(20241201)

struct lab lab;

static const struct scenario *chosen;
static bool planted;
static bool compared;

/* Take the second look out of the image: it says yes to everything. */
static void plant(void)
{
    const char *second = chosen->judge == judge_shut         ? "bl_device_confirm_open"
                         : chosen->judge == judge_not_joined ? "confirm_accept"
                         : chosen->done == layer_is_over     ? "bl_layer_holds"
                                                             : "bl_guard_row";
    uint32_t at = firmware_symbol(&lab.firmware, second, NULL);
    const uint8_t odd = (uint8_t)(at >> 1 & 1U);              /* a literal lies on a word */
    uint8_t code[10] = { odd, 0x48, 0x70, 0x47, 0xC0, 0x46 }; /* ldr r0, [pc, ..]; bx lr; nop */

    base_put_le32(code + 4 + 2U * odd, BL_YES);
    assert_true(sim_chip_test_write(lab.board.chip, at, code, 8U + 2U * odd));
}

static long seconds(void)
{
    const char *text = getenv("LPA_SECONDS");
    long all = text == NULL || *text == '\0' ? DEFAULT_SECONDS : strtol(text, NULL, 10);

    return all > SHARE ? all / SHARE : all == 0 ? 0 : 1;
}

/* What the command run would make of the vault now. */
static void note_run(void)
{
    struct board other;
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    memcpy(lab.run_home, lab.old_home, sizeof(lab.run_home));
    if (chosen->is_blank || chosen->begin == NULL || chosen->done != judge_is_answered)
        return; /* nothing to run, or nobody listens */
    other = board_fork(&lab.board);
    (void)board_ask(&other, PROTO_CMD_RUN, NULL, 0, answer, &length);
    judge_read_home(other.chip, 0, lab.run_home);
    sim_chip_free(other.chip);
}

static void glitch(void **state)
{
    struct run_opts opts = {
        .firmware = &lab.firmware,
        .rarely = { "hash_memory", "bl_random_start", "bl_random_reseed", "hash_flash",
            "multiply_mod", "invert", "bl_layer_clear" },
        .poke = chosen->poke,
        .done = chosen->done,
        .stops = chosen->done == layer_is_over ? layer_stops : NULL,
        .judge = chosen->judge,
        .random_points = RANDOM_POINTS,
        .seed = SEED,
        .seconds = planted ? 0 : seconds(),
        .until_broken = planted,
        .compare_every = compared ? COMPARE_EVERY : 0,
    };
    struct run_counts counts;

    (void)state;
    firmware_load(&lab.firmware);
    app_board_init(&lab.app);
    lab.board = lab.app.board;
    if (!chosen->is_blank) {
        board_identify(&lab.board, &lab.statement);
        scenario_install(1);
    }
    if (chosen->setup != NULL)
        chosen->setup();
    judge_read_home(lab.board.chip, 0, lab.old_home);
    note_run();
    lab.cm4_steps = judge_cm4_steps(lab.board.chip);
    if (chosen->begin != NULL)
        chosen->begin();
    if (planted)
        plant();
    opts.start = lab.board.chip;
    counts = run_scenario(chosen->name, &opts);
    assert_true(counts.done > 0);
    assert_int_equal(counts.broken, planted ? 1 : 0);
    lab.app.board = lab.board;
    app_board_done(&lab.app);
    firmware_done(&lab.firmware);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(glitch) };

    (void)setvbuf(stdout, NULL, _IOLBF, 0);

    if (argc > 1)
        chosen = scenario_find(argv[1]);
    planted = argc > 2 && strcmp(argv[2], "planted") == 0;
    compared = argc > 2 && strcmp(argv[2], "compared") == 0;
    if (chosen == NULL) {
        print_message("usage: test_glitch SCENARIO [planted|compared]\n");
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The way to SECURE, interrupted everywhere: the power goes away before, during and after each
 * write of a row or a fuse and at each system call, and each system call answers with an error
 * once. The next runs end rehearsed or SECURE, or name the state; no fuse is ever blown that was
 * not planned. LPA_SECONDS: CPU time of a run, 0 = everything; a short run takes cases from all
 * over. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "sim/chip_test.h"
#include "tests/unit/programmer/secure_desk.h"

#define DEFAULT_SECONDS 3L
#define TRIES           3U
#define STRIDE          7919U /* prime: visits every case once */
#define VARIANTS        6U    /* of a cut at one operation */

enum what {
    CUT_OPERATION,
    CUT_CALL,
    FAIL_CALL,
};

struct one {
    bool restricting; /* else rehearsing */
    enum what what;
    uint64_t number; /* operation or call, from 1 */
    uint32_t variant;
};

struct phase {
    uint64_t operations, calls;
};

struct harness {
    struct secure_plan plan;
    struct desk programmed, rehearsed;
    struct phase phases[2]; /* rehearse, restrict */
    bool planted;
    uint64_t mended, named;
};

struct watch {
    struct sim_chip *chip;
    uint64_t calls, at;
    uint32_t answer;
};

static uint32_t on_call(void *user, uint32_t opcode)
{
    struct watch *watch = user;
    (void)opcode;
    return ++watch->calls == watch->at ? watch->answer : 0;
}

static enum base_status run(
    struct harness *harness, struct desk *desk, bool restricting, struct base_err *err)
{
    return restricting ? secure_restrict(desk, &harness->plan, err)
                       : secure_rehearse(desk, &harness->plan, err);
}

static void begin(struct harness *harness, bool restricting, struct desk *ret_desk)
{
    desk_fork(restricting ? &harness->rehearsed : &harness->programmed, ret_desk);
    secure_poke(ret_desk, SECURE_TRIGGER, 10);
}

static struct phase measure(struct harness *harness, bool restricting)
{
    struct desk desk;
    struct watch watch = { .at = 0 };
    struct base_err err = { .status = BASE_OK };
    begin(harness, restricting, &desk);
    uint64_t before = sim_chip_flash_operations(desk.board->chip);
    sim_chip_test_on_call(desk.board->chip, on_call, &watch);
    if (run(harness, &desk, restricting, &err) != BASE_OK) {
        fail_msg("undisturbed: %s", err.message);
    }
    const struct phase phase = { sim_chip_flash_operations(desk.board->chip) - before,
        watch.calls };
    desk_done(&desk);
    return phase;
}

/* ---- one case */

static void disturb(struct desk *desk, const struct one *one, struct watch *watch)
{
    static const uint32_t errors[] = { 0xF0000001U, 0xF0000002U, 0xF0000005U, 0xF0000008U,
        0xF000000BU, 0xF000000FU, 0xF0000013U, 0xF0000022U, 0xF00000A4U, 0xF00000A7U, 0xF00000B2U,
        0xF00000B5U, 0xF00000CBU, 0xF1001234U, 0x00000000U + 0x40000000U, 0xFFFFFFFFU };

    static const enum sim_cut_when whens[VARIANTS] = { SIM_CUT_BEFORE, SIM_CUT_AFTER,
        SIM_CUT_DURING, SIM_CUT_DURING, SIM_CUT_DURING, SIM_CUT_DURING };

    if (one->what == CUT_OPERATION) {
        const struct sim_power_cut cut = { .when = whens[one->variant],
            .operation = sim_chip_flash_operations(desk->board->chip) + one->number,
            .pattern = (uint32_t)one->number * 4 + one->variant % 4 };
        sim_chip_set_power_cut(desk->board->chip, &cut);
        return;
    }
    watch->at = one->number;
    watch->answer = one->what == CUT_CALL
                        ? SIM_CHIP_TEST_CALL_CUT
                        : errors[one->number % (sizeof(errors) / sizeof(*errors))];
    sim_chip_test_on_call(desk->board->chip, on_call, watch);
}

static bool fuses_are_subset(struct harness *harness, struct desk *desk)
{
    uint8_t fuses[PRG_PSOC6_FUSE_BYTES];
    struct prg_psoc6_plan plan;
    assert_true(sim_chip_test_read(desk->board->chip, SECURE_FUSES, fuses, sizeof(fuses)));
    return prg_psoc6_secure_plan(&harness->plan.target, fuses, &plan, NULL) == BASE_OK;
}

/* Whole neighbours of a row disturbed in supervisory flash: what only the factory can write again.
 * Then the state is told, and no fuse is touched. */
static bool is_beyond_repair(
    struct harness *harness, struct desk *desk, const struct one *one, const struct base_err *err)
{
    bool sector = one->what == CUT_OPERATION && !one->restricting && one->variant >= 2 &&
                  one->variant % 4 == SIM_CUT_PATTERN_SECTOR;
    return sector && strlen(err->message) > 20 && secure_fuses_are(desk, &harness->plan, false);
}

static void try_one(struct harness *harness, const struct one *one)
{
    struct desk desk;
    struct watch watch = { .at = 0 };
    struct base_err err = { .status = BASE_OK };
    enum base_status status;
    begin(harness, one->restricting, &desk);
    disturb(&desk, one, &watch);
    status = run(harness, &desk, one->restricting, &err);
    for (unsigned i = 0; status != BASE_OK && i < TRIES; i++) {
        if (strlen(err.message) < 10 || !fuses_are_subset(harness, &desk)) {
            break;
        }
        base_err_clear(&err);
        if (harness->planted) {
            secure_poke(&desk, SECURE_FUSES + 0x28, 0x01080000U); /* an unwanted bit */
        }
        sim_chip_set_power(desk.board->chip, true);
        sim_probe_target_lost(desk.board->probe);
        secure_poke(&desk, SECURE_TRIGGER, 10);
        status = run(harness, &desk, one->restricting, &err);
    }
    if (status == BASE_OK && secure_fuses_are(&desk, &harness->plan, one->restricting)) {
        harness->mended++;
    } else if (is_beyond_repair(harness, &desk, one, &err)) {
        harness->named++;
    } else {
        fail_msg("%s, %s %llu, variant %u: %s", one->restricting ? "restrict" : "rehearse",
            one->what == CUT_OPERATION ? "cut at operation"
            : one->what == CUT_CALL    ? "cut at call"
                                       : "error of call",
            (unsigned long long)one->number, one->variant, err.message);
    }
    desk_done(&desk);
}

/* ---- all cases */

static uint64_t cases_of(const struct phase *phase)
{
    return phase->operations * VARIANTS + phase->calls * 2;
}

static struct one pick(const struct harness *harness, uint64_t index)
{
    struct one one = { .restricting = index >= cases_of(&harness->phases[0]) };
    const struct phase *phase = &harness->phases[one.restricting ? 1 : 0];
    index -= one.restricting ? cases_of(&harness->phases[0]) : 0;
    if (index < phase->operations * VARIANTS) {
        one.what = CUT_OPERATION;
        one.number = index / VARIANTS + 1;
        one.variant = (uint32_t)(index % VARIANTS);
        return one;
    }
    index -= phase->operations * VARIANTS;
    one.what = index < phase->calls ? CUT_CALL : FAIL_CALL;
    one.number = index % phase->calls + 1;
    return one;
}

static long seconds(void)
{
    const char *text = getenv("LPA_SECONDS");
    return text == NULL ? DEFAULT_SECONDS : strtol(text, NULL, 10);
}

static void ends_well_after_any_interruption(void **state)
{
    struct harness *harness = *state;
    uint64_t total = cases_of(&harness->phases[0]) + cases_of(&harness->phases[1]);
    uint64_t done = 0;
    clock_t end = clock() + seconds() * CLOCKS_PER_SEC;
    assert_true(total > 500 && total % STRIDE != 0);
    for (; done < total && (seconds() == 0 || done < 8 || clock() < end); done++) {
        const struct one one = pick(harness, done * STRIDE % total);
        try_one(harness, &one);
    }
    print_message("# %llu of %llu interruptions (rehearse %llu writes %llu calls, restrict %llu "
                  "writes %llu calls): %llu ended as wanted, %llu named a state beyond repair\n",
        (unsigned long long)done, (unsigned long long)total,
        (unsigned long long)harness->phases[0].operations,
        (unsigned long long)harness->phases[0].calls,
        (unsigned long long)harness->phases[1].operations,
        (unsigned long long)harness->phases[1].calls, (unsigned long long)harness->mended,
        (unsigned long long)harness->named);
}

int main(int argc, char **argv)
{
    static struct harness harness;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(ends_well_after_any_interruption, &harness),
    };
    harness.planted = argc > 1 && strcmp(argv[1], "planted") == 0;
    secure_plan_init(&harness.plan);
    secure_desk_init(&harness.programmed, &harness.plan);
    desk_fork(&harness.programmed, &harness.rehearsed);
    if (secure_rehearse(&harness.rehearsed, &harness.plan, NULL) != BASE_OK) {
        (void)fputs("the board cannot be rehearsed\n", stderr);
        return 1;
    }
    harness.phases[0] = measure(&harness, false);
    harness.phases[1] = measure(&harness, true);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    desk_done(&harness.programmed);
    desk_done(&harness.rehearsed);
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/psoc6_secure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "programmer/kitprog.h"
#include "sim/chip_test.h"
#include "tests/unit/programmer/secure_desk.h"

/* From a factory-fresh die to SECURE on the simulated board, and whatever refuses on the way. */

#define HOME_0 0x14000000U
#define HOME_1 0x100C0000U
#define APP    SECURE_APP
#define FUSES  SECURE_FUSES

static struct secure_plan plan_of_board;
static struct prg_psoc6_target target;
static struct prg_permit permit;
static struct prg_psoc6_secure_opts opts;

static int setup(void **state)
{
    (void)state;
    secure_plan_init(&plan_of_board);
    target = plan_of_board.target;
    permit = plan_of_board.permit;
    opts = plan_of_board.opts;
    return 0;
}

/* ---- helpers */

static void poke(struct desk *desk, uint32_t address, uint32_t value)
{
    secure_poke(desk, address, value);
}

static enum base_status rehearse(struct desk *desk, struct base_err *err)
{
    return secure_rehearse(desk, &plan_of_board, err);
}

static void program(struct desk *desk)
{
    secure_program(desk, &plan_of_board);
}

static void init_rehearsed(struct desk *desk)
{
    struct base_err err = { .status = BASE_OK };
    secure_desk_init(desk, &plan_of_board);
    if (rehearse(desk, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
}

static enum base_status restrict_it(struct desk *desk, struct base_err *err)
{
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    return prg_psoc6_restrict_do(desk->chip, &target, &permit, &opts, &change, err);
}

static void expect_fuses(struct desk *desk, bool all)
{
    assert_true(secure_fuses_are(desk, &plan_of_board, all));
}

static void expect_denied(
    enum base_status status, struct base_err *err, enum base_status expected, const char *code)
{
    if (status != expected || strcmp(err->code, code) != 0) {
        fail_msg("status %s code \"%s\": %s", base_status_name(status), err->code, err->message);
    }
    base_err_clear(err);
}

/* ---- permits and preconditions */

static void nothing_without_a_permit(void **state)
{
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    struct prg_permit other = permit;
    enum prg_psoc6_change change;
    (void)state;
    secure_desk_init(&desk, &plan_of_board);
    uint64_t before = sim_chip_flash_operations(desk.board->chip);
    expect_denied(prg_psoc6_rehearse_do(desk.chip, &target, NULL, &change, &err), &err,
        BASE_E_DENIED, "permit");
    expect_denied(prg_psoc6_restrict_do(desk.chip, &target, NULL, &opts, &change, &err), &err,
        BASE_E_DENIED, "permit");
    other.acts = PRG_ACT_LOCK | PRG_ACT_EFUSE;
    expect_denied(prg_psoc6_rehearse_do(desk.chip, &target, &other, &change, &err), &err,
        BASE_E_DENIED, "permit");
    expect_denied(prg_psoc6_restrict_do(desk.chip, &target, &other, &opts, &change, &err), &err,
        BASE_E_DENIED, "permit");
    other = permit;
    other.for_chip = true;
    expect_denied(prg_psoc6_rehearse_do(desk.chip, &target, &other, &change, &err), &err,
        BASE_E_DENIED, "permit");
    other = permit;
    other.image_sha256[0] ^= 1;
    expect_denied(prg_psoc6_restrict_do(desk.chip, &target, &other, &opts, &change, &err), &err,
        BASE_E_DENIED, "permit");
    desk_acquire(&desk);
    other.acts = PRG_ACT_RESTRICT;
    expect_denied(prg_psoc6_blow_fuse(desk.chip, &other, 0x40, 0, &change, &err), &err,
        BASE_E_DENIED, "permit");
    other.acts = PRG_ACT_EFUSE;
    expect_denied(prg_psoc6_blow_fuse(desk.chip, &other, 0x2B, 2, &change, &err), &err,
        BASE_E_DENIED, "permit");
    expect_denied(
        prg_psoc6_blow_fuse(desk.chip, &other, 0x10, 2, &change, &err), &err, BASE_E_ARG, "");
    expect_denied(
        prg_psoc6_blow_fuse(desk.chip, &other, 0x2C, 2, &change, &err), &err, BASE_E_ARG, "");
    expect_denied(
        prg_psoc6_blow_fuse(desk.chip, &other, 128, 0, &change, &err), &err, BASE_E_ARG, "");
    expect_denied(
        prg_psoc6_blow_fuse(desk.chip, &other, 0x40, 8, &change, &err), &err, BASE_E_ARG, "");
    assert_int_equal(sim_chip_flash_operations(desk.board->chip), before);
    desk_done(&desk);
}

static void rehearse_wants_image_toc1_and_fuses(void **state)
{
    static const struct sim_kitprog_opts on_board = { .model = SIM_KITPROG_ON_BOARD };
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    (void)state;
    desk_init_kitprog(&desk, &on_board);
    expect_denied(rehearse(&desk, &err), &err, BASE_E_VERIFY, "");
    program(&desk);
    poke(&desk, 0x16007810, 1); /* another TOC1 */
    expect_denied(rehearse(&desk, &err), &err, BASE_E_VERIFY, "");
    poke(&desk, 0x16007810, 0);
    uint8_t bit = (uint8_t)~target.secure_hash[0];
    assert_true(sim_chip_test_write(desk.board->chip, FUSES + 0x14, &bit, 1));
    expect_denied(rehearse(&desk, &err), &err, BASE_E_VERIFY, "fuse_foreign");
    bit = target.secure_hash[0];
    assert_true(sim_chip_test_write(desk.board->chip, FUSES + 0x14, &bit, 1));
    assert_int_equal(rehearse(&desk, &err), BASE_OK);
    desk_done(&desk);
}

/* What the check looks at, one after the other. */
static void rehearse_check_sees_what_is_wrong(void **state)
{
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    (void)state;
    init_rehearsed(&desk);

    static const struct {
        uint32_t address, value;
        const char *expected;
    } damages[] = {
        { APP + sizeof(vector_app) + 16, 0xDEADBEEF, "signature is wrong" },
        { APP + 0x230, 0xDEADBEEF, "signature is wrong" },
        { 0x16005A00 + 0x124, 3, "supervisory flash does not hold" },
        { 0x16007C00 + 0x20, 2, "supervisory flash does not hold" },
        { 0x16007E00 + 0x1F8, 2, "supervisory flash does not hold" },
        { 0x16007840, 2, "factory hash" },
        { 0x16002100, 2, "factory hash" },
    };

    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        struct desk copy;
        desk_fork(&desk, &copy);
        poke(&copy, damages[i].address, damages[i].value);
        enum base_status status = prg_psoc6_rehearse_check(copy.chip, &target, &err);
        if (status == BASE_OK || strstr(err.message, damages[i].expected) == NULL) {
            fail_msg("damage %zu: \"%s\"", i, err.message);
        }
        base_err_clear(&err);
        desk_done(&copy);
    }
    struct prg_psoc6_target other = target; /* what a die that hashes otherwise would look like */
    other.secure_hash[15] ^= 1;
    assert_int_equal(prg_psoc6_rehearse_check(desk.chip, &other, &err), BASE_E_VERIFY);
    assert_non_null(strstr(err.message, "ROM's own hash"));
    assert_int_equal(prg_psoc6_rehearse_check(desk.chip, &target, NULL), BASE_OK);
    desk_done(&desk);
}

static void rehearse_again_changes_nothing(void **state)
{
    struct desk desk;
    enum prg_psoc6_change change = PRG_PSOC6_WRITTEN;
    enum prg_psoc6_stage stage;
    enum prg_psoc6_toc2 toc2;
    struct prg_psoc6_plan plan;
    (void)state;
    secure_desk_init(&desk, &plan_of_board);
    assert_int_equal(
        prg_psoc6_secure_examine(desk.chip, &target, &opts, &stage, &plan, NULL), BASE_OK);
    assert_int_equal(stage, PRG_PSOC6_STAGE_NORMAL);
    assert_int_equal(rehearse(&desk, NULL), BASE_OK);
    uint64_t before = sim_chip_flash_operations(desk.board->chip);
    assert_int_equal(prg_psoc6_rehearse_do(desk.chip, &target, &permit, &change, NULL), BASE_OK);
    assert_int_equal(change, PRG_PSOC6_UNCHANGED);
    assert_int_equal(sim_chip_flash_operations(desk.board->chip), before);
    assert_int_equal(
        prg_psoc6_secure_examine(desk.chip, &target, &opts, &stage, &plan, NULL), BASE_OK);
    assert_int_equal(stage, PRG_PSOC6_STAGE_REHEARSED);
    assert_true(plan.count > 80);
    assert_int_equal(prg_psoc6_read_toc2(desk.chip, &toc2, NULL), BASE_OK);
    assert_int_equal(toc2, PRG_PSOC6_TOC2_SECURE);
    desk_done(&desk);
}

/* ---- supply */

static void no_fuse_without_2_5_volt(void **state)
{
    static const struct sim_kitprog_opts supplied = { .model = SIM_KITPROG_MINIPROG4,
        .external_mv = 3300 };
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    struct prg_psoc6_secure_opts external = opts;
    enum prg_psoc6_change change;
    (void)state;
    desk_init(&desk, 0); /* a probe without supply */
    program(&desk);
    assert_int_equal(rehearse(&desk, &err), BASE_OK);
    expect_denied(restrict_it(&desk, &err), &err, BASE_E_UNSUPPORTED, "supply");
    expect_fuses(&desk, false);
    external.external_supply = true; /* a lie: the ROM itself refuses */
    expect_denied(prg_psoc6_restrict_do(desk.chip, &target, &permit, &external, &change, &err),
        &err, BASE_E_TARGET, "");
    expect_fuses(&desk, false);
    sim_chip_set_vddio_mv(desk.board->chip, 2500);
    poke(&desk, SECURE_TRIGGER, 10);
    assert_int_equal(
        prg_psoc6_restrict_do(desk.chip, &target, &permit, &external, &change, &err), BASE_OK);
    expect_fuses(&desk, true);
    desk_done(&desk);
    desk_init_kitprog(&desk, &supplied);
    program(&desk);
    assert_int_equal(rehearse(&desk, &err), BASE_OK);
    expect_denied(restrict_it(&desk, &err), &err, BASE_E_UNSUPPORTED, "supply");
    expect_denied(prg_psoc6_restrict_do(desk.chip, &target, &permit, &external, &change, &err),
        &err, BASE_E_LINK, "voltage");
    expect_fuses(&desk, false);
    desk_done(&desk);
}

/* ---- restrict */

struct story {
    size_t told, blown;
    size_t stop_at; /* 0 = never */
    struct prg_psoc6_fuse last;
};

static bool tell(void *user, const struct prg_psoc6_fuse *fuse, bool blown)
{
    struct story *story = user;
    story->told += blown ? 0 : 1;
    story->blown += blown ? 1 : 0;
    story->last = *fuse;
    return blown || story->stop_at == 0 || story->told < story->stop_at;
}

static void restricts_to_the_mailbox(void **state)
{
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    struct story story = { .told = 0 };
    struct prg_psoc6_secure_opts told = opts;
    struct prg_psoc6_plan plan;
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    enum prg_psoc6_stage stage;
    uint32_t millivolt = 0;
    (void)state;
    init_rehearsed(&desk);
    told.fuse = tell;
    told.user = &story;
    assert_int_equal(
        prg_psoc6_secure_examine(desk.chip, &target, &opts, &stage, &plan, NULL), BASE_OK);
    poke(&desk, SECURE_TRIGGER, 10);
    if (prg_psoc6_restrict_do(desk.chip, &target, &permit, &told, &change, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(change, PRG_PSOC6_WRITTEN);
    assert_int_equal(story.told, plan.count);
    assert_int_equal(story.blown, plan.count);
    assert_string_equal(story.last.name, "LIFECYCLE.SECURE");
    expect_fuses(&desk, true);
    assert_int_equal(prg_kitprog_voltage(desk.link, &millivolt, NULL), BASE_OK);
    assert_int_equal(millivolt, 3300);
    if (prg_psoc6_restrict_check(desk.chip, &opts, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(
        prg_psoc6_restrict_do(desk.chip, &target, &permit, &told, &change, &err), BASE_OK);
    assert_int_equal(change, PRG_PSOC6_UNCHANGED);
    expect_denied(rehearse(&desk, &err), &err, BASE_E_LOCKED, "stage");
    desk_done(&desk);
}

static void stops_when_told_to_and_goes_on(void **state)
{
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    struct story story = { .stop_at = 17 };
    struct prg_psoc6_secure_opts told = opts;
    struct prg_psoc6_plan plan;
    enum prg_psoc6_change change;
    enum prg_psoc6_stage stage;
    uint32_t millivolt = 0;
    (void)state;
    init_rehearsed(&desk);
    told.fuse = tell;
    told.user = &story;
    assert_int_equal(
        prg_psoc6_restrict_do(desk.chip, &target, &permit, &told, &change, &err), BASE_E_CANCELLED);
    assert_int_equal(prg_kitprog_voltage(desk.link, &millivolt, NULL), BASE_OK);
    assert_int_equal(millivolt, 3300);
    assert_int_equal(story.blown, 16);
    assert_int_equal(
        prg_psoc6_secure_examine(desk.chip, &target, &opts, &stage, &plan, NULL), BASE_OK);
    assert_int_equal(stage, PRG_PSOC6_STAGE_PARTIAL);
    assert_int_equal(plan.already, 16);
    base_err_clear(&err);
    if (restrict_it(&desk, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    expect_fuses(&desk, true);
    desk_done(&desk);
}

static void a_vault_that_holds_something_stays_normal(void **state)
{
    static const uint32_t homes[2] = { HOME_0 + 0x1FC, HOME_1 };
    struct base_err err = { .status = BASE_OK };
    struct desk desk;
    (void)state;
    init_rehearsed(&desk);
    for (size_t i = 0; i < 2; i++) {
        poke(&desk, homes[i], 1);
        expect_denied(restrict_it(&desk, &err), &err, BASE_E_DENIED, "vault_not_blank");
        expect_fuses(&desk, false);
        poke(&desk, homes[i], 0);
    }
    expect_denied(prg_psoc6_lock_check(desk.chip, 0, &err), &err, BASE_E_VERIFY, "port_open");
    expect_denied(prg_psoc6_port_check(desk.chip, &opts, &err), &err, BASE_E_VERIFY, "port_open");
    desk_done(&desk);
}

/* ---- ports */

static void ports_closed_silent_and_too_open(void **state)
{
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    struct prg_psoc6_secure_opts elsewhere = opts;
    enum prg_psoc6_stage stage;
    uint8_t byte = 0x33;
    (void)state;
    init_rehearsed(&desk);
    assert_int_equal(restrict_it(&desk, &err), BASE_OK);
    /* Nothing wrote the trigger: pins stay off. */
    poke(&desk, SECURE_TRIGGER, 0);
    expect_denied(
        prg_psoc6_restrict_check(desk.chip, &opts, &err), &err, BASE_E_TIMEOUT, "swd_silent");
    expect_denied(prg_psoc6_lock_check(desk.chip, 0, &err), &err, BASE_E_TIMEOUT, "swd_silent");
    assert_int_equal(
        prg_psoc6_secure_examine(desk.chip, &target, &opts, &stage, NULL, &err), BASE_OK);
    assert_int_equal(stage, PRG_PSOC6_STAGE_SILENT);
    poke(&desk, SECURE_TRIGGER, 10);
    assert_int_equal(prg_psoc6_port_check(desk.chip, &opts, &err), BASE_OK);
    elsewhere.mailbox = 0x08003F00;
    elsewhere.mailbox_bytes = 0x1100;
    expect_denied(
        prg_psoc6_port_check(desk.chip, &elsewhere, &err), &err, BASE_E_LOCKED, "port_closed");
    /* One restriction less: named. */
    assert_true(sim_chip_test_write(desk.board->chip, FUSES + 0x29, &byte, 1));
    poke(&desk, SECURE_TRIGGER, 10);
    expect_denied(
        prg_psoc6_restrict_check(desk.chip, &opts, &err), &err, BASE_E_VERIFY, "port_open");
    assert_int_equal(
        prg_psoc6_secure_examine(desk.chip, &target, &opts, &stage, NULL, &err), BASE_OK);
    assert_int_equal(stage, PRG_PSOC6_STAGE_FOREIGN);
    desk_done(&desk);
}

/* A board whose boot fails is DEAD and gives nothing; the port alone cannot tell it from a locked
 * one. */
static void dead_board_is_closed(void **state)
{
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    enum prg_psoc6_stage stage;
    enum prg_psoc6_change change;
    (void)state;
    init_rehearsed(&desk);
    assert_int_equal(restrict_it(&desk, &err), BASE_OK);
    poke(&desk, APP + 0x210, 0);
    expect_denied(
        prg_psoc6_restrict_check(desk.chip, &opts, &err), &err, BASE_E_LOCKED, "port_closed");
    assert_int_equal(prg_psoc6_lock_check(desk.chip, 0, &err), BASE_OK);
    assert_int_equal(
        prg_psoc6_secure_examine(desk.chip, &target, &opts, &stage, NULL, &err), BASE_OK);
    assert_int_equal(stage, PRG_PSOC6_STAGE_CLOSED);
    expect_denied(prg_psoc6_restrict_do(desk.chip, &target, &permit, &opts, &change, &err), &err,
        BASE_E_LOCKED, "stage");
    for (int i = PRG_PSOC6_STAGE_NORMAL; i <= PRG_PSOC6_STAGE_FOREIGN; i++) {
        assert_true(strlen(prg_psoc6_stage_text((enum prg_psoc6_stage)i)) > 10);
    }
    desk_done(&desk);
}

/* A customer's fuse, by its own permit. */
static void one_fuse_of_the_customer(void **state)
{
    struct desk desk;
    struct prg_permit one = permit;
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    uint8_t value = 0;
    (void)state;
    secure_desk_init(&desk, &plan_of_board);
    one.acts = PRG_ACT_EFUSE;
    sim_chip_set_vddio_mv(desk.board->chip, 2500);
    assert_int_equal(prg_psoc6_blow_fuse(desk.chip, &one, 0x45, 6, &change, NULL), BASE_OK);
    assert_int_equal(change, PRG_PSOC6_WRITTEN);
    assert_int_equal(prg_psoc6_blow_fuse(desk.chip, &one, 0x45, 6, &change, NULL), BASE_OK);
    assert_int_equal(change, PRG_PSOC6_UNCHANGED);
    assert_int_equal(prg_psoc6_read_fuse(desk.chip, 0x45, &value, NULL), BASE_OK);
    assert_int_equal(value, 0x40);
    desk_done(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_without_a_permit),
        cmocka_unit_test(rehearse_wants_image_toc1_and_fuses),
        cmocka_unit_test(rehearse_check_sees_what_is_wrong),
        cmocka_unit_test(rehearse_again_changes_nothing),
        cmocka_unit_test(no_fuse_without_2_5_volt),
        cmocka_unit_test(restricts_to_the_mailbox),
        cmocka_unit_test(stops_when_told_to_and_goes_on),
        cmocka_unit_test(a_vault_that_holds_something_stays_normal),
        cmocka_unit_test(ports_closed_silent_and_too_open),
        cmocka_unit_test(dead_board_is_closed),
        cmocka_unit_test(one_fuse_of_the_customer),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

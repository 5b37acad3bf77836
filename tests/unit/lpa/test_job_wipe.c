/* SPDX-License-Identifier: Apache-2.0 */
/* Wiping the board of a scrapped unit: what is in the way, and every fault at every call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "tests/unit/lpa/factory.h"

static const uint8_t authority[PROTO_KEY_ID_SIZE] = { 1, 2, 3 };

/* A board with keys whose unit the KMS scrapped, and the station's row of it. */
static void scrapped_board(struct factory *f, uint64_t seed, struct lpa_unit *ret_row)
{
    static const struct lpa_job_opts opts = { .site = "bench" };
    struct lpa_job job;
    factory_init(f, seed);
    assert_int_equal(factory_run(f, &opts, &job), LPA_JOB_PASS);
    assert_int_equal(f->chips[0].vault, PROTO_VAULT_COMMITTED);
    f->grants[0].state = GRANT_SCRAPPED;
    f->rows[0].state = LPA_STATE_SCRAPPED;
    f->rows[0].receipt_length = 0;
    *ret_row = f->rows[0];
    f->calls = 0;
    f->asked_without_intent = false;
}

static enum base_status wipe(struct factory *f, enum lpa_wipe *ret_outcome, struct base_err *err)
{
    struct lpa_unit row = f->rows[0]; /* as a program reads it that starts anew */
    f->killed = false;
    base_err_clear(err);
    return lpa_job_wipe(&f->io, authority, &row, ret_outcome, err);
}

static void expect_books(struct factory *f)
{
    assert_int_equal(f->wipes[0].state, GRANT_CONFIRMED);
    assert_int_equal(f->rows[0].phase, LPA_PHASE_DONE);
    assert_false(lpa_job_owes(&f->rows[0]));
    assert_false(f->asked_without_intent);
    assert_int_equal(f->grants[0].state, GRANT_SCRAPPED); /* nothing comes back */
    assert_int_equal(f->grant_count, 1);
}

static void expect_keys_gone(struct factory *f)
{
    assert_int_equal(f->chips[0].vault, PROTO_VAULT_ZEROISED);
    assert_int_equal(f->rows[0].state, LPA_STATE_WIPED);
}

/* Its keys are gone, who it was is not, and nothing more is under way. */
static void expect_wiped(struct factory *f)
{
    expect_keys_gone(f);
    assert_int_equal(f->rows[0].step, LPA_STEP_WIPE);
    expect_books(f);
}

static void expect_forgotten(struct factory *f)
{
    assert_int_equal(f->chips[0].vault, PROTO_VAULT_FORGOTTEN);
    assert_int_equal(f->rows[0].state, LPA_STATE_FORGOTTEN);
    assert_int_equal(f->rows[0].step, LPA_STEP_FORGET);
    expect_books(f);
}

static void test_wipe(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_unit row;
    struct base_err err = { 0 };
    enum lpa_wipe outcome = 0;
    scrapped_board(&f, 1, &row);
    uint32_t intents = f.intents;
    assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
    assert_int_equal(outcome, LPA_WIPE_DONE);
    assert_int_equal(f.intents, intents + 1);
    assert_int_equal(f.announced, LPA_EVENT_ZEROISE);
    expect_forgotten(&f);
    /* again: the chip says it, and no second envelope is made */
    assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
    assert_int_equal(outcome, LPA_WIPE_DONE);
    assert_int_equal(f.wipes_made, 1);
    expect_forgotten(&f);
}

static void test_nothing_to_wipe(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_unit row;
    struct base_err err = { 0 };
    enum lpa_wipe outcome = 0;
    scrapped_board(&f, 2, &row);
    for (int vault = PROTO_VAULT_EMPTY; vault <= PROTO_VAULT_IDENTITY; vault++) {
        f.chips[0].vault = (enum proto_vault_state)vault;
        assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
        assert_int_equal(outcome, LPA_WIPE_NEVER);
        assert_int_equal(f.chips[0].vault, vault);
    }
    assert_int_equal(f.wipes_made, 0);
    f.chips[0].locked = f.chips[0].sealed = true;
    assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
    assert_int_equal(outcome, LPA_WIPE_LOCKED);
    assert_int_equal(f.rows[0].state, LPA_STATE_SCRAPPED);
}

static void test_refusals(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_unit row;
    struct base_err err = { 0 };
    enum lpa_wipe outcome = 0;
    scrapped_board(&f, 3, &row);
    f.socket = 1; /* somebody else's board */
    f.chips[1].image = true;
    f.chips[1].vault = PROTO_VAULT_COMMITTED;
    assert_int_equal(wipe(&f, &outcome, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "board_changed");
    assert_int_equal(f.chips[1].vault, PROTO_VAULT_COMMITTED);
    f.socket = 0;
    f.grants[0].state = GRANT_CONFIRMED;
    assert_int_equal(wipe(&f, &outcome, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "not_scrapped");
    assert_int_equal(f.chips[0].vault, PROTO_VAULT_COMMITTED);
    f.grants[0].state = GRANT_SCRAPPED;
    f.log_full = true; /* no record, no act */
    assert_int_equal(wipe(&f, &outcome, &err), BASE_E_AUDIT);
    assert_int_equal(f.wipes_made, 0);
    f.log_full = false;
    assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
    expect_forgotten(&f);
}

/* An order took the keys off before: its receipt is not a wipe's, and the board is wiped anew. */
static void test_zeroised_by_order(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_unit row;
    struct base_err err = { 0 };
    enum lpa_wipe outcome = 0;
    scrapped_board(&f, 4, &row);
    f.chips[0].vault = PROTO_VAULT_ZEROISED;
    assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
    assert_int_equal(outcome, LPA_WIPE_DONE);
    assert_int_equal(f.wipes_made, 1);
    expect_forgotten(&f);
}

/* Bootloader or KMS are older than forgetting: the keys are gone all the same, and once both know
 * it, the identity goes too. */
static void test_older_ones(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_unit row;
    struct base_err err = { 0 };
    enum lpa_wipe outcome = 0;
    scrapped_board(&f, 5, &row);
    f.no_confirmation = true;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
        assert_int_equal(outcome, LPA_WIPE_OLD_KMS);
        expect_wiped(&f);
    }
    f.no_confirmation = false;
    f.chips[0].cannot_forget = true;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
        assert_int_equal(outcome, LPA_WIPE_OLD_BOOTLOADER);
        expect_wiped(&f);
    }
    f.chips[0].cannot_forget = false;
    assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
    assert_int_equal(outcome, LPA_WIPE_DONE);
    assert_int_equal(f.wipes_made, 1);
    expect_forgotten(&f);
}

/* A confirmation of another receipt: the device's word is told, and nothing changes. */
static void test_wrong_confirmation(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_unit row;
    struct base_err err = { 0 };
    enum lpa_wipe outcome = 0;
    scrapped_board(&f, 6, &row);
    f.no_confirmation = true;
    assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
    f.no_confirmation = false;
    f.chips[0].envelope_id[15] ^= 1;
    assert_int_equal(wipe(&f, &outcome, &err), BASE_E_TARGET);
    assert_int_equal(err.detail, PROTO_BAD_CONFIRMATION);
    expect_keys_gone(&f);
    f.chips[0].envelope_id[15] ^= 1;
    assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
    expect_forgotten(&f);
}

/* The board has nothing to prove its end with: who says so is the KMS, or this station's journal.
 */
static void test_forgotten_before(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_unit row;
    struct base_err err = { 0 };
    enum lpa_wipe outcome = 0;
    scrapped_board(&f, 7, &row);
    assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
    expect_forgotten(&f);
    f.rows[0] = row; /* another station's, or an older copy */
    assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
    assert_int_equal(outcome, LPA_WIPE_DONE);
    expect_forgotten(&f);
    f.rows[0] = row;
    f.wipes[0].state = GRANT_OPEN; /* the KMS is an older copy */
    assert_int_equal(wipe(&f, &outcome, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "forgotten");
    assert_int_equal(f.rows[0].state, LPA_STATE_SCRAPPED);
}

/* What one run leaves, the next one ends; the board of another is never touched. */
static void test_every_single_fault_at_every_call(void **state)
{
    (void)state;
    unsigned cases = 0;
    for (enum fault fault = FAULT_LOST_REQUEST; fault < FAULT_COUNT; fault++) {
        for (uint64_t at = 1;; at++) {
            struct factory f;
            struct lpa_unit row;
            struct base_err err = { 0 };
            enum lpa_wipe outcome = 0;
            scrapped_board(&f, 100 + at, &row);
            f.chips[1].image = true;
            f.chips[1].vault = PROTO_VAULT_COMMITTED;
            f.fault_at = at;
            f.fault = fault;
            (void)!wipe(&f, &outcome, &err);
            cases++;
            uint64_t calls = f.calls;
            f.fault_at = 0;
            f.socket = 0;
            assert_int_equal(f.chips[1].vault, PROTO_VAULT_COMMITTED);
            if (wipe(&f, &outcome, &err) != BASE_OK || outcome != LPA_WIPE_DONE) {
                fail_msg("fault %d at call %u: %s", (int)fault, (unsigned)at, err.message);
            }
            expect_forgotten(&f);
            if (calls < at) {
                break;
            }
        }
    }
    print_message("%u cases of one fault\n", cases);
    assert_true(cases > 60);
}

/* The receipt is in the journal, and the board never comes back. */
static void test_a_receipt_owed(void **state)
{
    (void)state;
    unsigned owed = 0;
    for (uint64_t at = 1;; at++) {
        struct factory f;
        struct lpa_unit row;
        struct base_err err = { 0 };
        enum lpa_wipe outcome = 0;
        scrapped_board(&f, 200 + at, &row);
        f.fault_at = at;
        f.fault = FAULT_KILL_BEFORE;
        (void)!wipe(&f, &outcome, &err);
        if (f.calls < at) {
            break;
        }
        f.killed = false;
        f.fault_at = 0;
        f.chips[0].dark = true;
        row = f.rows[0];
        if (lpa_job_owes(&row)) {
            owed++;
            base_err_clear(&err);
            assert_int_equal(lpa_job_settle(&f.io, &row, &err), BASE_OK);
            expect_wiped(&f);
            f.chips[0].dark = false; /* it comes back after all */
            assert_int_equal(wipe(&f, &outcome, &err), BASE_OK);
            assert_int_equal(outcome, LPA_WIPE_DONE);
            expect_forgotten(&f);
        }
    }
    assert_true(owed > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wipe),
        cmocka_unit_test(test_nothing_to_wipe),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_zeroised_by_order),
        cmocka_unit_test(test_older_ones),
        cmocka_unit_test(test_wrong_confirmation),
        cmocka_unit_test(test_forgotten_before),
        cmocka_unit_test(test_every_single_fault_at_every_call),
        cmocka_unit_test(test_a_receipt_owed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Attested lots: restrict, seal and lock, with a fault at every call. */
#include "lpa/order.h"
#include "tests/unit/lpa/factory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 14

static const struct lpa_job_opts personalise = { .stage = LPA_STAGE_PERSONALISE, .site = "tcp:p" };
static const struct lpa_job_opts provision = { .stage = LPA_STAGE_PROVISION, .site = "tcp:q" };

static void test_a_blank_board_goes_the_whole_way(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_job job;
    factory_init_attested(&f, 1);
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_PASS);
    assert_int_equal(job.unit.state, LPA_STATE_PERSONALISED);
    assert_string_equal(job.unit.permit_id, "permit-1");
    assert_true(f.chips[0].sealed && f.registered[0]);
    assert_int_equal(f.grant_count, 0);
    assert_int_equal(factory_run(&f, &provision, &job), LPA_JOB_PASS);
    assert_int_equal(job.unit.state, LPA_STATE_LOCKED);
    assert_int_equal(job.unit.lock, LPA_LOCK_DONE);
    assert_true(f.chips[0].dark && f.kms_locked[0]);
    assert_int_equal(f.programs, 1);
    assert_null(factory_check(&f));
    /* A locked board says nothing: it is named, and nothing is done. */
    assert_int_equal(factory_run(&f, &provision, &job), LPA_JOB_STOPPED);
    assert_string_equal(job.failure.err.code, "port_locked");
    assert_false(job.examined);
}

/* Written where it is not, before the port closes, and never again; what is then said of it is
 * what it rests on. */
static void test_the_application_comes_before_the_fuses(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_job job;
    factory_init_attested(&f, 10);
    f.chips[0].image = true;
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_PASS);
    assert_int_equal(f.programs, 0);
    assert_int_equal(f.applications, 1);
    assert_int_equal(lpa_job_application(&f.lot, &job.exam), LPA_APPLICATION_READ);
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_PASS);
    assert_int_equal(lpa_job_application(&f.lot, &job.exam), LPA_APPLICATION_RECORDED);
    assert_non_null(lpa_application_proof_text(LPA_APPLICATION_RECORDED));
    assert_int_equal(factory_run(&f, &provision, &job), LPA_JOB_PASS);
    assert_int_equal(f.applications, 1);
    assert_null(factory_check(&f));
    f.lot.trust = AUTH_TRUST_TOFU;
    assert_int_equal(lpa_job_application(&f.lot, &job.exam), LPA_APPLICATION_TRUSTED);
    f.lot.has_application = false;
    assert_int_equal(lpa_job_application(&f.lot, &job.exam), LPA_APPLICATION_NONE);

    factory_init_attested(&f, 11);
    f.chips[0].image = f.chips[0].application = true;
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_PASS);
    assert_int_equal(f.programs + f.applications, 0);

    factory_init_attested(&f, 12);
    f.lot.has_application = false;
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_PASS);
    assert_int_equal(f.applications, 0);

    factory_init_attested(&f, 13);
    f.chips[0].image = f.chips[0].dead_flash = true;
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_STOPPED);
    assert_string_equal(job.failure.err.code, "flash_differs");
    assert_int_equal(job.failure.step, LPA_STEP_APPLICATION);
    assert_int_equal(f.chips[0].fuses, 0);
}

/* A lot whose ports stay open: the board is stopped for its application, and started again. */
static void test_the_application_of_an_open_board(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_job job;
    factory_init(&f, 14);
    f.lot.has_application = true;
    assert_int_equal(factory_run(&f, NULL, &job), LPA_JOB_PASS);
    assert_int_equal(f.applications, 1);
    f.chips[0].application = false;
    assert_int_equal(factory_run(&f, NULL, &job), LPA_JOB_PASS);
    assert_int_equal(f.applications, 2);
    assert_int_equal(f.programs, 1);
    assert_null(factory_check(&f));
}

static void expect_admission(const struct factory *f, const struct lpa_local *local,
    enum base_status status, const char *code)
{
    struct base_err err = { 0 };
    assert_int_equal(lpa_job_admit(&f->lot, local, &err), status);
    assert_string_equal(err.code, code);
}

static void test_files_that_are_not_the_lots(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_local local = { .have_key = true };
    factory_init_attested(&f, 15);
    expect_admission(&f, &local, BASE_E_ARG, "application_missing");
    local.have_application = true;
    local.application_version = f.lot.application_version - 1;
    expect_admission(&f, &local, BASE_E_VERIFY, "application_old");
    local.application_version = f.lot.application_version;
    expect_admission(&f, &local, BASE_E_VERIFY, "application_differs");
    memcpy(local.application_sha256, f.lot.application_sha256, sizeof(local.application_sha256));
    expect_admission(&f, &local, BASE_OK, "");
    f.lot.has_application = false;
    expect_admission(&f, &local, BASE_E_ARG, "application_unwanted");
}

static void test_a_personalised_board_is_left_alone(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_job job;
    factory_init_attested(&f, 2);
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_PASS);
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_PASS);
    assert_int_equal(f.programs, 1);
    /* Another personaliser without the record: the KMS has it. */
    f.have_personal_row[0] = false;
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_PASS);
    assert_int_equal(job.unit.state, LPA_STATE_PERSONALISED);
}

/* What the KMS refuses for good leaves the row waiting for the right receipt. */
static void refuse_receipts(struct factory *f, const uint8_t right[PROTO_RECEIPT_SIZE])
{
    static const struct {
        size_t at; /* byte that is changed; see lpa-envelope(5) */
        const char *code;
    } cases[] = {
        { 4, "grant_unknown" },  /* envelope id */
        { 31, "receipt_old" },   /* key version, 2 becomes 0 */
        { 32, "receipt_bad" },   /* SHA-256 of the envelope */
        { 20, "board_changed" }, /* chip id */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t receipt[PROTO_RECEIPT_SIZE];
        struct base_err err = { 0 };
        struct lpa_unit row = f->rows[0];
        memcpy(receipt, right, sizeof(receipt));
        receipt[cases[i].at] ^= 2;
        assert_int_not_equal(lpa_order_take_receipt(&f->io, &row, receipt, &err), BASE_OK);
        assert_string_equal(err.code, cases[i].code);
        assert_true(lpa_order_next(&err)[0] != '\0');
        assert_int_equal(f->rows[0].state, LPA_STATE_GRANTED);
        assert_int_equal(f->rows[0].receipt_length, 0);
        assert_int_equal(f->rows[0].key_version, 2);
    }
}

/* A locked board gets new keys through its application: statement, envelope and receipt as bytes.
 */
static void test_an_order_reaches_a_locked_board(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_job job;
    struct base_err err = { 0 };
    uint8_t statement[PROTO_STATEMENT_SIZE];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    uint32_t answer = 0;
    factory_init_attested(&f, 9);
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_PASS);
    assert_int_equal(factory_run(&f, &provision, &job), LPA_JOB_PASS);
    f.rework[0] = true;
    f.chips[0].dark = f.chips[0].locked = false; /* its key service speaks with the application */
    assert_int_equal(f.io.device->statement(&f, f.lot.authority_key_id, statement, NULL), BASE_OK);
    const struct lpa_job_opts opts = { .lot = &f.lot, .site = "file" };
    lpa_job_init(&job, &f.io, &opts);
    if (lpa_order_ask(&job, statement, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(job.grant.work, AUTH_WORK_REWORK);
    assert_false(f.asked_without_intent);
    assert_int_equal(f.io.device->install(
                         &f, job.grant.envelope, job.grant.envelope_length, &answer, receipt, NULL),
        BASE_OK);
    assert_int_equal(answer, PROTO_OK);
    lpa_job_done(&job);
    f.chips[0].dark = f.chips[0].locked = true;
    struct lpa_unit row = f.rows[0];
    row.chip_id[0] ^= 1;
    assert_int_equal(lpa_order_take_receipt(&f.io, &row, receipt, NULL), BASE_E_VERIFY);
    refuse_receipts(&f, receipt);
    row = f.rows[0];
    assert_int_equal(lpa_order_take_receipt(&f.io, &row, receipt, &err), BASE_OK);
    assert_int_equal(f.rows[0].state, LPA_STATE_LOCKED);
    assert_int_equal(f.rows[0].key_version, 2);
    assert_int_equal(f.grants[0].state, GRANT_SUPERSEDED);
    assert_int_equal(f.grants[1].state, GRANT_CONFIRMED);
    lpa_job_init(&job, &f.io, &opts);
    assert_int_equal(lpa_order_ask(&job, statement, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "order_done");
    assert_int_equal(f.rows[0].state, LPA_STATE_LOCKED);
    receipt[0] = 0;
    assert_int_equal(lpa_order_take_receipt(&f.io, &row, receipt, NULL), BASE_E_PROTO);
    statement[0] = 0;
    lpa_job_init(&job, &f.io, &opts);
    assert_int_equal(lpa_order_ask(&job, statement, NULL), BASE_E_PROTO);
}

static void expect_stop(
    struct factory *f, const struct lpa_job_opts *opts, const char *code, enum lpa_step_id step)
{
    struct lpa_job job;
    assert_int_equal(factory_run(f, opts, &job), LPA_JOB_STOPPED);
    assert_string_equal(job.failure.err.code, code);
    assert_int_equal(job.failure.step, step);
    assert_true(job.failure.next[0] != '\0');
    assert_null(factory_check(f));
}

static void test_refusals(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_job job;
    factory_init_attested(&f, 3);
    expect_stop(&f, &provision, "not_restricted", LPA_STEP_ADMIT);
    f.chips[0].vault = PROTO_VAULT_IDENTITY;
    f.chips[0].image = true;
    expect_stop(&f, &personalise, "vault_exposed", LPA_STEP_ADMIT);
    assert_int_equal(f.chips[0].fuses, 0);

    factory_init_attested(&f, 4);
    f.revoked = true;
    expect_stop(&f, &personalise, "permit_missing", LPA_STEP_REHEARSE);
    assert_false(f.chips[0].key_row);
    f.revoked = false;
    f.permit.prg.acts = PRG_ACT_REHEARSE;
    expect_stop(&f, &personalise, "permit_act", LPA_STEP_REHEARSE);
    f.permit.prg.acts = PRG_ACT_REHEARSE | PRG_ACT_RESTRICT;
    f.permit.until_wall_us = f.now_us;
    expect_stop(&f, &personalise, "permit_expired", LPA_STEP_REHEARSE);
    f.permit.until_wall_us = INT64_MAX;
    f.permit.prg.for_chip = true;
    f.permit.prg.chip_id[7] = 9;
    expect_stop(&f, &personalise, "permit", LPA_STEP_REHEARSE);
    assert_false(f.chips[0].key_row);
    f.permit.prg.for_chip = false;
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_PASS);
    expect_stop(&f, &provision, "permit_act", LPA_STEP_LOCK);
    assert_int_equal(f.rows[0].lock, LPA_LOCK_NONE);
    assert_false(f.chips[0].locked);

    factory_init_attested(&f, 5);
    f.chips[0].image = f.chips[0].sealed = true;
    expect_stop(&f, &personalise, "record_lost", LPA_STEP_ADMIT);
}

static void test_no_fuse_when_the_log_refuses(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_job job;
    factory_init_attested(&f, 6);
    f.chips[0].image = true;
    f.log_full = true;
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_STOPPED);
    assert_int_equal(base_status_exit_code(job.failure.err.status), 7);
    assert_int_equal(f.chips[0].fuses, 0);
    f.log_full = false;
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_PASS);
}

/* The operator, who sees a board that says nothing, reads its label. */
static void settle(struct factory *f)
{
    struct base_err err = { 0 };
    size_t chip = f->socket;
    struct lpa_unit row = f->rows[chip];
    f->killed = false;
    f->stage = LPA_STAGE_PROVISION;
    f->no_swap = true;
    if (f->have_row[chip] && lpa_job_owes(&row)) {
        (void)!lpa_job_settle(&f->io, &row, &err);
        row = f->rows[chip];
        base_err_clear(&err);
    }
    bool open = row.lock == LPA_LOCK_BEGUN || row.lock == LPA_LOCK_ANSWERED ||
                row.lock == LPA_LOCK_REPORTED ||
                (row.lock == LPA_LOCK_SETTLED && row.result != LPA_RESULT_PASS);
    struct lpa_permit permit = f->permit;
    assert_int_equal(lpa_job_settle_by_label(&f->io, &permit, &row, &err), BASE_E_DENIED);
    assert_true(strcmp(err.code, open ? "permit_chip" : "nothing_to_settle") == 0);
    base_err_clear(&err);
    permit.prg.for_chip = true;
    memcpy(permit.prg.chip_id, f->chips[chip].id, sizeof(permit.prg.chip_id));
    if (f->have_row[chip] && f->chips[chip].dark && open) {
        (void)!lpa_job_settle_by_label(&f->io, &permit, &row, &err);
    }
    f->no_swap = false;
}

static const char *check_done(const struct factory *f)
{
    const char *left = factory_check_done(f);
    for (size_t i = 0; i < FACTORY_CHIPS && left == NULL; i++) {
        bool done = f->rows[i].lock == LPA_LOCK_DONE || f->rows[i].lock == LPA_LOCK_SETTLED;
        left = done && f->chips[i].dark ? NULL : "a board is left unlocked";
    }
    return left;
}

static const char *work_all(struct factory *f)
{
    struct lpa_job job;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < FACTORY_CHIPS; i++) {
            f->socket = i;
            if (!f->registered[i]) {
                (void)factory_run(f, &personalise, &job);
            } else {
                (void)factory_run(f, &provision, &job);
            }
            const char *broken = factory_check(f);
            if (broken == NULL && f->socket == i && f->chips[i].dark) {
                settle(f);
                broken = factory_check(f);
            }
            if (broken != NULL) {
                return broken;
            }
        }
        if (f->budget == 0 && check_done(f) == NULL) {
            return NULL;
        }
    }
    return check_done(f);
}

/* Every fault at every call of a lot; the first that breaks something, described, or "". */
static unsigned every_single_fault(bool lazy, size_t size, char *ret_broken)
{
    unsigned cases = 0;
    ret_broken[0] = '\0';
    for (enum fault fault = FAULT_LOST_REQUEST; fault < FAULT_COUNT; fault++) {
        for (uint64_t at = 1;; at++) {
            struct factory f;
            factory_init_attested(&f, 100);
            f.io.journal = lazy ? &factory_lazy_journal_ops : f.io.journal;
            f.fault_at = at;
            f.fault = fault;
            const char *broken = work_all(&f);
            if (broken != NULL) {
                (void)snprintf(
                    ret_broken, size, "fault %d at call %u: %s", (int)fault, (unsigned)at, broken);
                return cases;
            }
            cases++;
            if (f.calls < at) {
                break;
            }
        }
    }
    return cases;
}

static void test_every_single_fault_at_every_call(void **state)
{
    (void)state;
    char broken[160];
    unsigned cases = every_single_fault(false, sizeof(broken), broken);
    assert_string_equal(broken, "");
    print_message("%u cases of one fault\n", cases);
    assert_true(cases > 600);
}

/* These faults tell a journal that is durable before each act from one that is not. */
static void test_a_lazy_journal_is_noticed(void **state)
{
    (void)state;
    char broken[160];
    (void)every_single_fault(true, sizeof(broken), broken);
    assert_string_not_equal(broken, "");
}

static void test_random_faults(void **state)
{
    (void)state;
    unsigned settled = 0;
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        struct factory f;
        factory_init_attested(&f, seed);
        f.budget = (uint32_t)(seed % 9);
        f.every = (uint32_t)(12 + seed % 89); /* early in the lot, or late */
        const char *broken = work_all(&f);
        if (broken != NULL) {
            fail_msg("seed %u: %s", (unsigned)seed, broken);
        }
        for (size_t i = 0; i < FACTORY_CHIPS; i++) {
            settled += f.rows[i].lock == LPA_LOCK_SETTLED;
        }
    }
    print_message("4000 seeded runs, %u locks settled by label\n", settled);
    assert_true(settled > 0);
}

/* The harness must be able to fail: a chip that forgets its lock at a reset is noticed. */
static void test_the_harness_notices_a_lock_that_does_not_last(void **state)
{
    (void)state;
    struct factory f;
    struct lpa_job job;
    factory_init_attested(&f, 7);
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_PASS);
    assert_int_equal(factory_run(&f, &provision, &job), LPA_JOB_PASS);
    f.chips[0].dark = f.chips[0].locked = false;
    assert_non_null(factory_check(&f));
    factory_init_attested(&f, 8);
    f.announced = LPA_EVENT_COUNT;
    f.chips[0].image = f.chips[0].key_row = true;
    assert_int_equal(factory_run(&f, &personalise, &job), LPA_JOB_PASS);
    f.rows[0].lock = LPA_LOCK_NONE;
    f.announced = LPA_EVENT_RESTRICT;
    assert_null(factory_check(&f));
    f.personal_rows[0].record_length = 0;
    f.personal_rows[0].phase = LPA_PHASE_DO;
    f.personal_rows[0].result = LPA_RESULT_NONE;
    f.chips[0].sealed = false;
    assert_int_equal(f.io.device->seal(f.io.device_user, &f.permit.prg, NULL), BASE_OK);
    assert_non_null(factory_check(&f));
    /* And a last fuse on a board whose application was forgotten. */
    f.broken = NULL;
    f.permit.prg.for_chip = true;
    memcpy(f.permit.prg.chip_id, f.chips[0].id, sizeof(f.permit.prg.chip_id));
    f.personal_rows[0].record_length = 16;
    f.chips[0].sealed = f.chips[0].application = false;
    assert_int_equal(f.io.device->seal(f.io.device_user, &f.permit.prg, NULL), BASE_OK);
    assert_string_equal(factory_check(&f), "a last fuse on a board without the lot's application");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_blank_board_goes_the_whole_way),
        cmocka_unit_test(test_the_application_comes_before_the_fuses),
        cmocka_unit_test(test_the_application_of_an_open_board),
        cmocka_unit_test(test_files_that_are_not_the_lots),
        cmocka_unit_test(test_a_personalised_board_is_left_alone),
        cmocka_unit_test(test_an_order_reaches_a_locked_board),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_fuse_when_the_log_refuses),
        cmocka_unit_test(test_every_single_fault_at_every_call),
        cmocka_unit_test(test_a_lazy_journal_is_noticed),
        cmocka_unit_test(test_random_faults),
        cmocka_unit_test(test_the_harness_notices_a_lock_that_does_not_last),
    };
    return cmocka_run_group_tests_name("lpa-job-port", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/kms/lab.h"

struct fixture {
    struct lab lab;
    struct lab_station station, other;
};

static const char path[] = "/v1/log/checkpoints";

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    lab_open(&f->lab);
    lab_add_station(&f->lab, &f->station, "station-1", KMS_ROLE_PROVISION);
    lab_add_station(&f->lab, &f->other, "room-1", KMS_ROLE_PERSONALISE);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    lab_station_done(&f->station);
    lab_station_done(&f->other);
    lab_close(&f->lab);
    return 0;
}

static void append(struct lab_station *station, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char record[32];
        (void)snprintf(record, sizeof(record), "{\"seq\":%u}", first + i);
        lab_log_record(station, record);
    }
}

static void refused(
    struct fixture *f, uint64_t old_size, uint64_t size, int status, const char *code)
{
    char body[8192];
    lab_witness_body(&f->station, old_size, size, body, sizeof(body));
    lab_refused(&f->lab, &f->station, KMS_POST, path, body, status, code);
}

static void test_cosignature(void **state)
{
    struct fixture *f = *state;
    char note[4096];
    struct base_note_opened opened;
    append(&f->station, 0, 5);
    lab_cosign(&f->lab, &f->station);
    lab_checkpoint(&f->station, 5, note, sizeof(note) - 512);
    (void)snprintf(note + strlen(note), 512, "%s", f->station.cosignature);
    assert_int_equal(
        base_note_open(note, strlen(note), &f->lab.home.keys.cosigner.verifier, 1, &opened, NULL),
        BASE_OK);
    assert_int_equal(opened.by[0].time_s, f->lab.now_us / LAB_SECOND);
    append(&f->station, 5, 9);
    lab_cosign(&f->lab, &f->station);
    /* the same size again is fine: an answer may have been lost */
    lab_cosign(&f->lab, &f->station);
    assert_int_equal(f->lab.core.metrics.cosigned, 3);
    /* a personaliser's station has a log too */
    append(&f->other, 100, 2);
    lab_cosign(&f->lab, &f->other);
}

static void test_bad_bodies(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "{}",
        "{\"old_size\":-1,\"proof\":[],\"checkpoint\":\"x\"}",
        "{\"old_size\":0,\"proof\":[7],\"checkpoint\":\"x\"}",
        "{\"old_size\":0,\"proof\":[\"AAAA\"],\"checkpoint\":\"x\"}",
        "{\"old_size\":0,\"proof\":{},\"checkpoint\":\"x\"}",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        lab_refused(&f->lab, &f->station, KMS_POST, path, bodies[i], 400, "request_bad");
    }
    lab_refused(&f->lab, &f->station, KMS_POST, path,
        "{\"old_size\":0,\"proof\":[],\"checkpoint\":\"x\"}", 403, "checkpoint_bad");
}

static void test_another_key(void **state)
{
    struct fixture *f = *state;
    char body[8192];
    append(&f->station, 0, 3);
    lab_witness_body(&f->station, 0, 3, body, sizeof(body));
    lab_refused(&f->lab, &f->other, KMS_POST, path, body, 403, "checkpoint_bad");
}

static void test_stale(void **state)
{
    struct fixture *f = *state;
    char body[8192];
    json_t *answer = NULL;
    append(&f->station, 0, 5);
    lab_cosign(&f->lab, &f->station);
    append(&f->station, 5, 3);
    lab_witness_body(&f->station, 4, 8, body, sizeof(body));
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_POST, path, body, &answer), 409);
    assert_string_equal(lab_text(answer, "code"), "stale");
    assert_int_equal(json_integer_value(json_object_get(answer, "size")), 5);
    json_decref(answer);
    refused(f, 0, 8, 409, "stale");
    refused(f, 8, 8, 409, "stale");
    lab_cosign(&f->lab, &f->station);
}

static void test_roll_back(void **state)
{
    struct fixture *f = *state;
    append(&f->station, 0, 8);
    lab_cosign(&f->lab, &f->station);
    /* an older tree, honestly signed by the same key */
    refused(f, 8, 5, 422, "inconsistent");
    refused(f, 5, 8, 409, "stale");
}

static void test_fork(void **state)
{
    struct fixture *f = *state;
    append(&f->station, 0, 8);
    lab_cosign(&f->lab, &f->station);
    base_merkle_tree_done(&f->station.tree);
    memset(&f->station.tree, 0, sizeof(f->station.tree));
    append(&f->station, 0, 7);
    append(&f->station, 1000, 5);
    refused(f, 8, 12, 422, "inconsistent");
    refused(f, 8, 8, 422, "inconsistent");
    assert_int_equal(f->lab.core.metrics.cosigned, 1);
}

/* What is cosigned is known to the next node of the same database too. */
static void test_survives_restart(void **state)
{
    struct fixture *f = *state;
    append(&f->station, 0, 8);
    lab_cosign(&f->lab, &f->station);
    kms_home_close(&f->lab.home);
    assert_int_equal(
        kms_home_open(f->lab.dir, base_random_system(), &f->lab.clock, &f->lab.home, NULL),
        BASE_OK);
    kms_home_core(&f->lab.home, NULL, &f->lab.core);
    refused(f, 0, 8, 409, "stale");
    append(&f->station, 8, 1);
    lab_cosign(&f->lab, &f->station);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cosignature, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_bodies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stale, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_roll_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fork, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_survives_restart, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

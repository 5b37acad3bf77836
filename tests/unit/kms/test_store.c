/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/kms/lab.h"

#define NODES   4
#define DEVICES 6

static int set_up(void **state)
{
    static struct lab lab;
    lab_open(&lab);
    *state = &lab;
    return 0;
}

static int tear_down(void **state)
{
    lab_close(*state);
    return 0;
}

static void fill_grant(struct kms_grant *grant, unsigned chip, unsigned key, unsigned nonce)
{
    memset(grant, 0, sizeof(*grant));
    (void)snprintf(grant->id, sizeof(grant->id), "%010u%010u%010u00", chip, key, nonce);
    (void)snprintf(grant->lot, sizeof(grant->lot), "L1");
    grant->chip_id[7] = (uint8_t)chip;
    grant->public_key[64] = (uint8_t)key;
    grant->nonce[15] = (uint8_t)nonce;
    grant->dev_eui[6] = (uint8_t)chip;
    grant->dev_eui[7] = (uint8_t)(key * 16 + nonce);
    grant->state = KMS_GRANT_OPEN;
    grant->device_trust = KMS_TRUST_TOFU;
    grant->key_version = 1;
}

static enum base_status insert(struct lab *lab, const struct kms_grant *grant)
{
    struct kms_store *store = &lab->home.store;
    assert_int_equal(kms_store_begin(store, NULL), BASE_OK);
    enum base_status status = kms_grant_insert(store, grant, NULL);
    if (status == BASE_OK) {
        return kms_store_commit(store, NULL);
    }
    kms_store_rollback(store);
    return status;
}

/* The database itself enforces the rules, whatever the code above it does. */
static void test_unique(void **state)
{
    struct lab *lab = *state;
    struct kms_grant grant;
    bool changed = false;
    fill_grant(&grant, 1, 1, 1);
    assert_int_equal(insert(lab, &grant), BASE_OK);
    fill_grant(&grant, 1, 1, 2); /* the chip has an open grant */
    assert_int_equal(insert(lab, &grant), BASE_E_EXISTS);
    fill_grant(&grant, 2, 2, 1); /* the DevEUI is another chip's */
    grant.dev_eui[6] = 1;
    grant.dev_eui[7] = 17;
    assert_int_equal(insert(lab, &grant), BASE_E_EXISTS);
    fill_grant(&grant, 1, 1, 1);
    assert_int_equal(
        kms_grant_scrap(&lab->home.store, grant.id, "s", "r", lab->now_us, &changed, NULL),
        BASE_OK);
    assert_true(changed);
    assert_int_equal(
        kms_grant_scrap(&lab->home.store, grant.id, "s", "r", lab->now_us, &changed, NULL),
        BASE_OK);
    assert_false(changed);
    fill_grant(&grant, 1, 1, 1); /* the same statement, with another id and DevEUI */
    grant.id[0] = 'f';
    grant.dev_eui[0] = 9;
    assert_int_equal(insert(lab, &grant), BASE_E_EXISTS);
    fill_grant(&grant, 1, 1, 2);
    assert_int_equal(insert(lab, &grant), BASE_OK);
}

static void test_rollback_forgets(void **state)
{
    struct lab *lab = *state;
    struct kms_grant grant;
    struct kms_grant found;
    fill_grant(&grant, 1, 1, 1);
    assert_int_equal(kms_store_begin(&lab->home.store, NULL), BASE_OK);
    assert_int_equal(kms_grant_insert(&lab->home.store, &grant, NULL), BASE_OK);
    kms_store_rollback(&lab->home.store);
    assert_int_equal(kms_grant_by_id(&lab->home.store, grant.id, &found, NULL), BASE_E_NOTFOUND);
}

static void test_open_errors(void **state)
{
    struct lab *lab = *state;
    struct kms_store store;
    struct base_err err = { 0 };
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/none.db", lab->dir);
    assert_int_equal(
        kms_store_sqlite_open(path, false, &lab->clock, &store, &err), BASE_E_NOTFOUND);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 4096; i++) {
        assert_true(fputc('x', file) != EOF);
    }
    assert_int_equal(fclose(file), 0);
    base_err_clear(&err);
    assert_int_equal(kms_store_sqlite_open(path, false, &lab->clock, &store, &err), BASE_E_CORRUPT);
    base_err_clear(&err);
    assert_int_equal(kms_store_sqlite_open(path, true, &lab->clock, &store, &err), BASE_E_IO);
}

static void run_sql(struct kms_store *store, const char *sql)
{
    struct base_err err = { 0 };
    const struct kms_statement statement = { .sql = sql };
    if (kms_store_run(store, &statement, NULL, &err) != BASE_OK) {
        fail_msg("%s: %s", sql, err.message);
    }
}

/* Back to the form that the store had before restriction, permits and orders. */
static void downgrade(struct kms_store *store)
{
    static const char *const statements[] = {
        "DROP TABLE permits",
        "DROP TABLE orders",
        "DROP INDEX grant_lot",
        "DROP INDEX grant_time",
        "CREATE INDEX grant_lot ON grants(lot, state, chip_id)",
        "CREATE INDEX grant_time ON grants(lot, created_us)",
        "DROP INDEX grant_open",
        "DROP INDEX grant_current",
        "DROP INDEX grant_install",
        "DROP INDEX grant_order",
        "ALTER TABLE lots DROP COLUMN min_bootloader",
        "ALTER TABLE lots DROP COLUMN min_protocol",
        "ALTER TABLE lots DROP COLUMN key_sha256",
        "ALTER TABLE lots DROP COLUMN secure_hash",
        "ALTER TABLE lots DROP COLUMN application_sha256",
        "ALTER TABLE lots DROP COLUMN application_version",
        "ALTER TABLE units DROP COLUMN record",
        "ALTER TABLE units DROP COLUMN record_tester",
        "ALTER TABLE units DROP COLUMN permit",
        "ALTER TABLE grants DROP COLUMN purpose",
        "ALTER TABLE grants DROP COLUMN order_id",
        "ALTER TABLE grants DROP COLUMN ended_us",
        "ALTER TABLE grants DROP COLUMN locked_us",
        "ALTER TABLE grants DROP COLUMN lock_answer",
        "ALTER TABLE grants DROP COLUMN wiped_us",
        "DROP INDEX grant_settled",
        "ALTER TABLE grants DROP COLUMN settled_by",
        "ALTER TABLE grants DROP COLUMN settled_permit",
        "DROP TABLE wipes",
        "ALTER TABLE testers ADD COLUMN failures INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE testers ADD COLUMN first_failure_us INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE testers ADD COLUMN locks INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE testers ADD COLUMN locked_until_us INTEGER NOT NULL DEFAULT 0",
        "UPDATE testers SET locks = 1, first_failure_us = (SELECT first_failure_us FROM"
        " login_counts WHERE kind = 1), locked_until_us = (SELECT locked_until_us FROM"
        " login_counts WHERE kind = 1) WHERE name = 'bert'",
        "DROP TABLE login_counts",
        "CREATE UNIQUE INDEX grant_live ON grants(chip_id) WHERE state IN ('open', 'confirmed')",
        "UPDATE meta SET value = '2' WHERE name = 'schema'",
    };

    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        run_sql(store, statements[i]);
    }
}

/* A store of an earlier version keeps what it holds, and then does what is new. */
static void test_upgrade(void **state)
{
    struct lab *lab = *state;
    struct lab_station station;
    struct lab_tester tester;
    struct lab_tester locked;
    struct lab_device device;
    struct kms_order order;
    char login[256];
    struct kms_lot_view view;
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    struct base_err err = { 0 };
    lab_add_station(lab, &station, "station-1", KMS_ROLE_PROVISION);
    lab_add_tester(lab, &tester, "anna", KMS_ROLE_PROVISION);
    struct kms_lot lot = lab_lot(lab, "L1", KMS_TRUST_TOFU, 0);
    lab_add_lot(lab, &lot);
    lab_add_tester(lab, &locked, "bert", KMS_ROLE_PROVISION);
    lab_login_body("bert", "000000", false, login);
    for (unsigned i = 0; i < 5; i++) {
        lab_refused(lab, &station, KMS_POST, "/v1/session", login, 401, "totp_wrong");
    }
    lab_login(lab, &station, &tester);
    lab_device_open(lab, &device, 0x51a0000000c00001);
    json_t *grant = lab_ask(lab, &station, "L1", &device, 201);
    lab_confirm(lab, &station, &device, grant, receipt);
    downgrade(&lab->home.store);
    kms_home_close(&lab->home);
    for (unsigned i = 0; i < 2; i++) { /* and it stays opened after that */
        if (kms_home_open(lab->dir, base_random_system(), &lab->clock, &lab->home, &err) !=
            BASE_OK) {
            fail_msg("%s", err.message);
        }
        kms_home_core(&lab->home, NULL, &lab->core);
        assert_int_equal(kms_admin_lot_view(&lab->home, "L1", &view, NULL), BASE_OK);
        assert_int_equal(view.lot.granted, 1);
        assert_int_equal(view.counts.confirmed, 1);
        assert_int_equal(view.lot.min_bootloader, 0);
        lab_refused(lab, &station, KMS_POST, "/v1/session", login, 429, "locked_out");
        if (i == 0) {
            kms_home_close(&lab->home);
        }
    }
    json_decref(lab_ask(lab, &station, "L1", &device, 200));
    assert_int_equal(kms_admin_unit_order(&lab->home, device.statement.chip_id,
                         PROTO_PURPOSE_REWORK, "", &order, NULL),
        BASE_OK);
    device.statement.nonce[0]++;
    device.statement.vault_state = PROTO_VAULT_COMMITTED;
    device.statement.key_version = 1;
    json_decref(grant);
    grant = lab_ask(lab, &station, "L1", &device, 201);
    lab_confirm(lab, &station, &device, grant, receipt);
    json_decref(grant);
    /* one of a later version is left alone */
    run_sql(&lab->home.store, "UPDATE meta SET value = '7' WHERE name = 'schema'");
    kms_home_close(&lab->home);
    assert_int_equal(kms_home_open(lab->dir, base_random_system(), &lab->clock, &lab->home, &err),
        BASE_E_CONFIG);
    lab_device_done(&device);
    lab_station_done(&station);
}

/* Each node is a program of its own on the same database; all ask at once at the edge of a quota.
 */
struct node {
    struct lab lab;
    struct lab_station station;
    struct lab_device devices[DEVICES];
    char bodies[DEVICES][20000];
    unsigned granted, refused;
    pthread_t thread;
};

static void *ask_all(void *user)
{
    struct node *node = user;
    for (unsigned i = 0; i < DEVICES; i++) {
        int status = lab_call(
            &node->lab, &node->station, KMS_POST, "/v1/lots/L1/grants", node->bodies[i], NULL);
        node->granted += status == 201;
        node->refused += status == 403;
    }
    return NULL;
}

static void prepare_node(struct lab *lab, struct node *node, unsigned number)
{
    static const char *const names[NODES] = { "s0", "s1", "s2", "s3" };
    static const char *const testers[NODES] = { "t0", "t1", "t2", "t3" };
    struct lab_tester tester;
    uint8_t statement[PROTO_STATEMENT_SIZE];
    node->lab = *lab;
    node->lab.clock.user = &node->lab.now_us;
    assert_int_equal(
        kms_home_open(lab->dir, base_random_system(), &node->lab.clock, &node->lab.home, NULL),
        BASE_OK);
    kms_home_core(&node->lab.home, NULL, &node->lab.core);
    lab_add_station(&node->lab, &node->station, names[number], KMS_ROLE_PROVISION);
    lab_add_tester(&node->lab, &tester, testers[number], KMS_ROLE_PROVISION);
    lab_login(&node->lab, &node->station, &tester);
    for (unsigned i = 0; i < DEVICES; i++) {
        lab_device_open(&node->lab, &node->devices[i], number * 100 + i + 1);
        lab_statement(&node->lab, &node->devices[i], statement);
        lab_grant_body(
            &node->lab, &node->station, "L1", statement, node->bodies[i], sizeof(node->bodies[i]));
    }
}

static void test_quota_race(void **state)
{
    struct lab *lab = *state;
    static struct node nodes[NODES];
    struct kms_lot_view view;
    unsigned granted = 0;
    unsigned refused = 0;
    struct kms_lot lot = lab_lot(lab, "L1", KMS_TRUST_TOFU, 0);
    lot.target = 10;
    lot.allowance = 10;
    lab_add_lot(lab, &lot);
    memset(nodes, 0, sizeof(nodes));
    for (unsigned i = 0; i < NODES; i++) {
        prepare_node(lab, &nodes[i], i);
    }
    for (unsigned i = 0; i < NODES; i++) {
        assert_int_equal(pthread_create(&nodes[i].thread, NULL, ask_all, &nodes[i]), 0);
    }
    for (unsigned i = 0; i < NODES; i++) {
        assert_int_equal(pthread_join(nodes[i].thread, NULL), 0);
        granted += nodes[i].granted;
        refused += nodes[i].refused;
    }
    assert_int_equal(granted, 10);
    assert_int_equal(refused, NODES * DEVICES - 10);
    assert_int_equal(kms_admin_lot_view(&lab->home, "L1", &view, NULL), BASE_OK);
    assert_int_equal(view.lot.granted, 10);
    assert_int_equal(view.counts.open, 10);
    for (unsigned i = 0; i < NODES; i++) {
        for (unsigned j = 0; j < DEVICES; j++) {
            lab_device_done(&nodes[i].devices[j]);
        }
        lab_station_done(&nodes[i].station);
        kms_home_close(&nodes[i].lab.home);
    }
}

/* One code, many tries at once, on several nodes: one session. */
struct login_node {
    struct lab lab;
    struct lab_station station;
    char body[256];
    unsigned accepted, used;
    pthread_t thread;
};

static void *log_in_often(void *user)
{
    struct login_node *node = user;
    for (unsigned i = 0; i < 50; i++) {
        int status =
            lab_call(&node->lab, &node->station, KMS_POST, "/v1/session", node->body, NULL);
        node->accepted += status == 201;
        node->used += status == 401;
    }
    return NULL;
}

static void test_code_race(void **state)
{
    struct lab *lab = *state;
    static struct login_node nodes[NODES];
    static const char *const names[NODES] = { "s0", "s1", "s2", "s3" };
    struct lab_tester tester;
    char code[7];
    unsigned accepted = 0;
    unsigned used = 0;
    memset(nodes, 0, sizeof(nodes));
    lab_add_tester(lab, &tester, "anna", KMS_ROLE_PROVISION);
    lab_code(lab, &tester, 0, code);
    for (unsigned i = 0; i < NODES; i++) {
        nodes[i].lab = *lab;
        nodes[i].lab.clock.user = &nodes[i].lab.now_us;
        assert_int_equal(kms_home_open(lab->dir, base_random_system(), &nodes[i].lab.clock,
                             &nodes[i].lab.home, NULL),
            BASE_OK);
        kms_home_core(&nodes[i].lab.home, NULL, &nodes[i].lab.core);
        lab_add_station(&nodes[i].lab, &nodes[i].station, names[i], KMS_ROLE_PROVISION);
        lab_login_body("anna", code, false, nodes[i].body);
    }
    for (unsigned i = 0; i < NODES; i++) {
        assert_int_equal(pthread_create(&nodes[i].thread, NULL, log_in_often, &nodes[i]), 0);
    }
    for (unsigned i = 0; i < NODES; i++) {
        assert_int_equal(pthread_join(nodes[i].thread, NULL), 0);
        accepted += nodes[i].accepted;
        used += nodes[i].used;
        lab_station_done(&nodes[i].station);
        kms_home_close(&nodes[i].lab.home);
    }
    assert_int_equal(accepted, 1);
    assert_int_equal(used, NODES * 50 - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unique, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rollback_forgets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_upgrade, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quota_race, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_code_race, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

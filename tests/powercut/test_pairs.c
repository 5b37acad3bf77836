/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every pair of power cuts on the host build of the bootloader: one in a flash operation of a
 * command, one in a flash operation of the repair at the next boot; each before, after, or during
 * it with four kinds of garbage from several seeds.
 *
 * The command always starts from the same state with the same noise, so that the record it would
 * write is known byte for byte. After the repair both homes must hold the old record or that new
 * one; where there was no record, none or the new one. Nothing else counts as survival. A key that
 * the new record no longer has can then not be read any more.
 *
 * LPA_SECONDS is the time for all scenarios together (default 3, 0 = every pair); cases done are
 * printed. Copies of this program with a bug in vault.c or record.h must fail (meson.build).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "device-fw/services/core.h"
#include "tests/unit/device-fw/station.h"

#define SEEDS          12U
#define GARBAGE        4U
#define KINDS          (2U + GARBAGE * SEEDS) /* before, after, during */
#define REPAIR_OPS     2U                     /* erase and program of one home */
#define OPERATIONS_MAX 16U
#define DEFAULT_BUDGET 3L
#define SCENARIOS_MAX  17L
#define LOST_MAX       6U
#define STRIDE         37U /* coprime to the numbers of cases: a slice is spread over all */

/* One command, from one state of the flash. */
struct scene {
    uint32_t command;
    uint8_t payload[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length;
    enum proto_status again; /* answer to the command when it has been done already */
    bool fresh;              /* there is no record before */
    /* secrets that the new record must not hold, by `lost_size` */
    uint8_t lost[LOST_MAX][PROTO_PUBLIC_KEY_SIZE];
    size_t lost_size[LOST_MAX];
};

static struct authority authority[2];
static struct station station;
static jmp_buf power_lost;
static struct scene scene;

static struct chip before;      /* power off, nothing done */
static struct chip after_first; /* power off, after the first cut */
static uint8_t new_row[PROTO_VAULT_HOME_SIZE];
static uint64_t operations;
static unsigned long cases_in_all;

/* ---- one cut ---- */

static void plan(uint64_t operation, unsigned kind)
{
    static const enum chip_cut garbage[GARBAGE] = { CHIP_CUT_ROW, CHIP_CUT_SECTOR, CHIP_CUT_STUCK,
        CHIP_CUT_RANDOM };

    chip_reset_counters();
    chip.cut_at = operation;
    chip.cut = kind == 0 ? CHIP_CUT_OLD : kind == 1 ? CHIP_CUT_NEW : garbage[(kind - 2) % GARBAGE];
    chip.cut_seed = kind * 7919U + (uint32_t)operation;
}

/* False: the power went. */
static bool boot(void)
{
    if (setjmp(power_lost) != 0) {
        chip_reset_counters();
        return false;
    }
    station_boot(&station);
    return true;
}

/* No mailbox command: the application's service counts an uplink. */
#define COMMAND_UPLINK 0U
#define UPLINK         1000U

static enum proto_status count_uplink(void)
{
    static struct svc svc;

    svc_start(&svc, &station.device);
    return svc_reserve(&svc, SVC_FCNT_UP, UPLINK) == SVC_OK ? PROTO_OK : PROTO_FLASH_FAILED;
}

static enum proto_status ask(struct bl_answer *ret_answer)
{
    if (scene.command == COMMAND_UPLINK)
        return count_uplink();
    return station_ask(&station, scene.command, scene.payload, scene.length, ret_answer);
}

/* The command with a cut in it. False: there is no such operation. */
static bool cut_command(uint64_t operation, unsigned kind)
{
    struct bl_answer answer;

    chip = before;
    chip_reset_counters();
    assert_true(boot());
    plan(operation, kind);
    if (setjmp(power_lost) == 0) {
        assert_int_equal(ask(&answer), PROTO_OK);
        chip_reset_counters();
        return false;
    }
    chip_reset_counters();
    return true;
}

/* ---- what the board holds after all ---- */

static bool holds(const uint8_t *row)
{
    return memcmp(chip.home[0], row, PROTO_VAULT_HOME_SIZE) == 0 &&
           memcmp(chip.home[1], row, PROTO_VAULT_HOME_SIZE) == 0;
}

/* A board without a record can be given one. */
static void check_alive_without_record(void)
{
    struct bl_vault *vault = &station.device.vault;
    struct bl_record *draft;

    assert_false(vault->present);
    draft = bl_vault_draft(vault, station.device.chip.id);
    draft->state = PROTO_VAULT_IDENTITY;
    draft->secret[0] = 77;
    draft->nonce[0] = 1;
    assert_int_equal(bl_vault_commit_as(vault, BL_ACT_IDENTITY, &draft->installed), PROTO_OK);
    assert_true(boot());
    assert_int_equal(station.device.vault.status, PROTO_OK);
    assert_true(station.device.vault.present);
    assert_int_equal(station.device.vault.record.secret[0], 77);
}

/* The board is up again. @p where names the case. */
static void check(const char *where)
{
    bool is_new = holds(new_row);
    bool is_old = scene.fresh ? !station.device.vault.present : holds(before.home[0]);

    if (station.device.vault.status != PROTO_OK || (!is_new && !is_old))
        fail_msg("%s: vault status %d, neither the old state nor the new one", where,
            (int)station.device.vault.status);
    assert_memory_equal(chip.image, before.image, sizeof(chip.image));
    if (scene.fresh && !is_new)
        check_alive_without_record();
}

/* ---- all of a scenario ---- */

static long budget(void)
{
    const char *text = getenv("LPA_SECONDS");

    return text == NULL || *text == '\0' ? DEFAULT_BUDGET : strtol(text, NULL, 10);
}

static bool is_over(clock_t begin)
{
    return budget() != 0 && (clock() - begin) * SCENARIOS_MAX / CLOCKS_PER_SEC >= budget();
}

/* All second cuts, or every n-th. */
static unsigned long repair_cuts(uint64_t operation, unsigned kind, bool all)
{
    unsigned long done = 0;
    unsigned total = REPAIR_OPS * KINDS;

    for (unsigned i = 0; i < total; i += all ? 1U : STRIDE) {
        unsigned number = (i + kind) % total;
        char where[96];

        chip = after_first;
        plan(1 + number / KINDS, number % KINDS);
        if (boot())
            continue; /* nothing to repair, or less */
        (void)snprintf(where, sizeof(where), "cut %u of operation %u, then %u of operation %u",
            kind, (unsigned)operation, number % KINDS, 1 + number / KINDS);
        assert_true(boot());
        check(where);
        done++;
    }
    return done;
}

static unsigned long first_cut(unsigned number, bool all)
{
    uint64_t operation = 1 + number / KINDS;
    unsigned kind = number % KINDS;
    char where[64];

    assert_true(cut_command(operation, kind));
    after_first = chip;
    (void)snprintf(where, sizeof(where), "cut %u of operation %u", kind, (unsigned)operation);
    assert_true(boot());
    check(where);
    return 1 + repair_cuts(operation, kind, all);
}

static bool contains(const uint8_t *row, const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + size <= PROTO_VAULT_HOME_SIZE; at++) {
        if (memcmp(row + at, bytes, size) == 0)
            return true;
    }
    return false;
}

/* Without a cut: what the new record is, and that the old state's secrets are gone with it. */
static void rehearse(void)
{
    struct bl_answer answer;
    struct bl_answer repeated;

    before = chip;
    chip_reset_counters();
    assert_true(boot());
    assert_int_equal(ask(&answer), PROTO_OK);
    operations = chip.flash_operations;
    assert_in_range(operations, 1, OPERATIONS_MAX);
    memcpy(new_row, chip.home[0], sizeof(new_row));
    assert_true(holds(new_row));
    for (unsigned i = 0; i < LOST_MAX; i++) {
        if (scene.lost_size[i] == 0)
            continue;
        assert_true(contains(before.home[0], scene.lost[i], scene.lost_size[i]));
        assert_false(contains(new_row, scene.lost[i], scene.lost_size[i]));
    }
    assert_true(boot());
    assert_int_equal(ask(&repeated), scene.again);
}

static void cut_everywhere(const char *name)
{
    clock_t begin = clock();
    unsigned total;
    unsigned number = 0;
    unsigned long done = 0;
    unsigned firsts = 0;

    rehearse();
    total = (unsigned)operations * KINDS;
    while (firsts < total && !is_over(begin)) {
        done += first_cut(number, budget() == 0);
        number = (number + STRIDE) % total;
        firsts++;
    }
    cases_in_all += done;
    print_message("%s: %lu cases; first cuts %u of %u, %s\n", name, done, firsts, total,
        budget() == 0 ? "every second cut" : "a slice of the second ones");
    assert_true(done > 0);
}

/* ---- states to start from ---- */

static void begin_scene(uint32_t command, enum proto_status again)
{
    memset(&scene, 0, sizeof(scene));
    scene.command = command;
    scene.again = again;
}

static void new_chip(void)
{
    chip_new(1);
    chip_bind(authority[0].public_key, authority[1].public_key, true);
    chip.power_lost = &power_lost;
    assert_true(boot());
}

static void use_envelope(const struct proto_statement *statement, uint8_t purpose,
    uint32_t key_version, uint8_t ret_receipt_key[PROTO_HASH_SIZE])
{
    struct proto_envelope_header header = authority_header(&authority[0], statement, key_version);
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };

    header.purpose = purpose;
    memset(plain + PROTO_ROOT_KEY_SIZE, (int)(0x40 + key_version), PROTO_ROOT_KEY_SIZE);
    if (purpose == PROTO_PURPOSE_ZEROISE) {
        header.keys = 0;
        memset(plain, 0, sizeof(plain));
    }
    authority_seal(
        &authority[0], &header, statement->public_key, plain, scene.payload, ret_receipt_key);
    scene.length = PROTO_ENVELOPE_SIZE;
}

/* A board with root keys of version 1; the scene loses them and the receipt key. */
static void install_first(struct proto_statement *ret_statement)
{
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct bl_answer answer;

    new_chip();
    station_identify(&station, &authority[0], ret_statement);
    begin_scene(PROTO_CMD_INSTALL, PROTO_ALREADY);
    use_envelope(ret_statement, PROTO_PURPOSE_INSTALL, 1, receipt_key);
    assert_int_equal(ask(&answer), PROTO_OK);
    station_identify(&station, &authority[0], ret_statement);
}

static void lose(unsigned index, const uint8_t *bytes, size_t size)
{
    memcpy(scene.lost[index], bytes, size);
    scene.lost_size[index] = size;
}

static void lose_keys_of_first(void)
{
    const struct bl_installed *installed = &station.device.vault.record.installed;

    lose(0, installed->app_key, PROTO_ROOT_KEY_SIZE);
    lose(1, installed->receipt_key, PROTO_HASH_SIZE);
}

/* ---- scenarios ---- */

static void use_statement(unsigned number)
{
    begin_scene(PROTO_CMD_STATEMENT, PROTO_OK);
    memcpy(scene.payload, authority[number].key_id, PROTO_KEY_ID_SIZE);
    scene.length = PROTO_KEY_ID_SIZE;
}

static void first_boot(void **state)
{
    (void)state;
    new_chip();
    use_statement(0);
    scene.fresh = true;
    cut_everywhere("first boot");
}

/* The very first write was torn once already. */
static void first_boot_over_garbage(void **state)
{
    (void)state;
    new_chip();
    use_statement(0);
    scene.fresh = true;
    memset(chip.home[0], 0xA5, sizeof(chip.home[0]));
    cut_everywhere("first boot over garbage");
}

static void second_authority(void **state)
{
    struct proto_statement statement;

    (void)state;
    install_first(&statement);
    use_statement(1);
    lose(0, station.device.vault.record.authority_dh, 32);
    cut_everywhere("statement for the second authority");
}

static void install(void **state)
{
    struct proto_statement statement;
    uint8_t receipt_key[PROTO_HASH_SIZE];

    (void)state;
    new_chip();
    station_identify(&station, &authority[0], &statement);
    begin_scene(PROTO_CMD_INSTALL, PROTO_ALREADY);
    use_envelope(&statement, PROTO_PURPOSE_INSTALL, 1, receipt_key);
    lose(0, statement.nonce, sizeof(statement.nonce));
    cut_everywhere("install");
}

static void rework(void **state)
{
    struct proto_statement statement;
    uint8_t receipt_key[PROTO_HASH_SIZE];

    (void)state;
    install_first(&statement);
    begin_scene(PROTO_CMD_INSTALL, PROTO_ALREADY);
    use_envelope(&statement, PROTO_PURPOSE_REWORK, 2, receipt_key);
    lose_keys_of_first();
    cut_everywhere("rework");
}

static void zeroise(void **state)
{
    struct proto_statement statement;
    uint8_t receipt_key[PROTO_HASH_SIZE];

    (void)state;
    install_first(&statement);
    begin_scene(PROTO_CMD_ZEROISE, PROTO_ALREADY);
    use_envelope(&statement, PROTO_PURPOSE_ZEROISE, 2, receipt_key);
    lose_keys_of_first();
    cut_everywhere("zeroise");
}

/* After it nothing of who it was is anywhere, and there is nothing to forget any more. */
static void forget(void **state)
{
    const struct bl_record *record = &station.device.vault.record;
    struct proto_statement statement;
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct bl_answer answer;

    (void)state;
    install_first(&statement);
    begin_scene(PROTO_CMD_ZEROISE, PROTO_ALREADY);
    use_envelope(&statement, PROTO_PURPOSE_ZEROISE, 2, receipt_key);
    assert_int_equal(ask(&answer), PROTO_OK);
    begin_scene(PROTO_CMD_FORGET, PROTO_FORGOTTEN);
    authority_forget(receipt_key, station.device.chip.id, 2, scene.payload);
    scene.length = PROTO_MAC_SIZE;
    lose(0, record->secret, sizeof(record->secret));
    lose(1, record->public_key + 1, sizeof(record->public_key) - 1U);
    lose(2, record->authority_dh, sizeof(record->authority_dh));
    lose(3, record->nonce, sizeof(record->nonce));
    lose(4, record->installed.receipt_key, PROTO_HASH_SIZE);
    lose(5, record->installed.envelope_hash, PROTO_HASH_SIZE);
    cut_everywhere("forget");
}

/* After it the receipt key is nowhere. A new start has no lock answer left to repeat. */
static void lock(void **state)
{
    struct proto_statement statement;

    (void)state;
    install_first(&statement);
    begin_scene(PROTO_CMD_LOCK, PROTO_WRONG_STATE);
    lose(0, station.device.vault.record.installed.receipt_key, PROTO_HASH_SIZE);
    cut_everywhere("lock");
}

static void join_counter(void **state)
{
    struct proto_statement statement;

    (void)state;
    install_first(&statement);
    begin_scene(PROTO_CMD_SELF_TEST, PROTO_OK);
    cut_everywhere("join counter");
}

static void uplink_counter(void **state)
{
    struct proto_statement statement;

    (void)state;
    install_first(&statement);
    begin_scene(COMMAND_UPLINK, PROTO_OK);
    cut_everywhere("uplink counter");
}

/* ---- frame ---- */

static int setup(void **state)
{
    (void)state;
    authority_init(&authority[0], 1);
    authority_init(&authority[1], 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    authority_done(&authority[0]);
    authority_done(&authority[1]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_boot),
        cmocka_unit_test(first_boot_over_garbage),
        cmocka_unit_test(second_authority),
        cmocka_unit_test(install),
        cmocka_unit_test(rework),
        cmocka_unit_test(zeroise),
        cmocka_unit_test(forget),
        cmocka_unit_test(lock),
        cmocka_unit_test(join_counter),
        cmocka_unit_test(uplink_counter),
    };
    int failed = cmocka_run_group_tests(tests, setup, teardown);

    (void)fprintf(stderr, "%lu cases in all\n", cases_in_all);
    return failed;
}

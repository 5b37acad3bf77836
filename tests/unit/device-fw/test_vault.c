/* SPDX-License-Identifier: Apache-2.0 */
/* The vault against power cuts in every flash operation, and against what else flash can hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/device-fw/station.h"

static struct station station;
static struct authority authority;
static jmp_buf power_lost;

static int setup(void **state)
{
    (void)state;
    station_begin(&station, &authority);
    chip.power_lost = &power_lost;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    authority_done(&authority);
    return 0;
}

/* Boot; with @p cut_at the power goes in that operation of the repair, and comes back. */
static void boot_with_cut(uint64_t cut_at)
{
    chip_reset_counters();
    chip.cut_at = cut_at;
    if (setjmp(power_lost) == 0)
        station_boot(&station);
    chip_reset_counters();
    station_boot(&station);
    /* An unfinished first write leaves no record, and nothing to repair. */
    if (station_hello(&station).vault_state != PROTO_VAULT_EMPTY)
        assert_memory_equal(chip.home[0], chip.home[1], PROTO_VAULT_HOME_SIZE);
}

/* ---- power cuts ---- */

struct scenario {
    /* Bring the device to where the cut operation begins. */
    void (*prepare)(void);
    /* The operation; may lose power. */
    enum proto_status (*run)(void);
    /* After the repair: the old state or the new one, and the operation done again. */
    void (*check)(void);
};

static struct proto_statement statement;

static void prepare_nothing(void)
{
}

static enum proto_status run_identify(void)
{
    struct bl_answer answer;

    return station_ask(&station, PROTO_CMD_STATEMENT, authority.key_id, PROTO_KEY_ID_SIZE, &answer);
}

static void check_identify(void)
{
    struct proto_statement again;

    station_identify(&station, &authority, &statement);
    assert_int_equal(statement.vault_state, PROTO_VAULT_IDENTITY);
    station_boot(&station);
    station_identify(&station, &authority, &again);
    assert_memory_equal(statement.nonce, again.nonce, PROTO_NONCE_SIZE);
}

static void prepare_identity(void)
{
    station_identify(&station, &authority, &statement);
}

static enum proto_status run_install(void)
{
    return station_install(&station, &authority, &statement, 1);
}

static void check_install(void)
{
    uint8_t state = station_hello(&station).vault_state;
    enum proto_status status = run_install();

    assert_true(state == PROTO_VAULT_IDENTITY || state == PROTO_VAULT_COMMITTED);
    assert_int_equal(status, state == PROTO_VAULT_IDENTITY ? PROTO_OK : PROTO_ALREADY);
    assert_int_equal(station_hello(&station).key_version, 1);
}

static void prepare_rework(void)
{
    prepare_identity();
    assert_int_equal(run_install(), PROTO_OK);
    station_identify(&station, &authority, &statement);
}

static enum proto_status run_rework(void)
{
    return station_install(&station, &authority, &statement, 2);
}

static void check_rework(void)
{
    static const uint8_t old_key[PROTO_ROOT_KEY_SIZE] = { 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41,
        0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41 };
    uint32_t version = station_hello(&station).key_version;
    enum proto_status status;

    assert_true(version == 1 || version == 2);
    status = run_rework();
    assert_int_equal(status, version == 1 ? PROTO_OK : PROTO_ALREADY);
    for (size_t at = 0; at + sizeof(old_key) <= PROTO_VAULT_HOME_SIZE; at++) {
        assert_memory_not_equal(chip.home[0] + at, old_key, sizeof(old_key));
        assert_memory_not_equal(chip.home[1] + at, old_key, sizeof(old_key));
    }
}

static enum proto_status run_join(void)
{
    struct bl_answer answer;

    return station_ask(&station, PROTO_CMD_SELF_TEST, "", 0, &answer);
}

static void check_join(void)
{
    struct bl_answer answer;
    uint32_t nonce;

    assert_int_equal(station_ask(&station, PROTO_CMD_SELF_TEST, "", 0, &answer), PROTO_OK);
    nonce = (uint32_t)(answer.payload[17] | answer.payload[18] << 8);
    assert_true(nonce == 0 || nonce == 16);
    assert_int_equal(station_hello(&station).key_version, 2);
}

static void prepare_join(void)
{
    prepare_rework();
    assert_int_equal(run_rework(), PROTO_OK);
}

/* One cut in operation @p at of the scenario, one in operation @p repair of the boot after it. */
static bool cut_once(
    const struct scenario *scenario, enum chip_cut cut, uint64_t at, uint64_t repair)
{
    volatile bool lost = true;

    chip_new(1);
    chip_bind(authority.public_key, NULL, true);
    chip.power_lost = &power_lost;
    station_boot(&station);
    scenario->prepare();
    chip_reset_counters();
    chip.cut = cut;
    chip.cut_at = at;
    if (setjmp(power_lost) == 0) {
        assert_int_equal(scenario->run(), PROTO_OK);
        lost = false;
    }
    boot_with_cut(repair);
    scenario->check();
    return lost;
}

static void cut_everywhere(const struct scenario *scenario)
{
    unsigned cases = 0;

    for (int cut = CHIP_CUT_OLD; cut < CHIP_CUT_COUNT; cut++) {
        for (uint64_t repair = 0; repair <= 2; repair++) {
            uint64_t at = 1;

            while (cut_once(scenario, (enum chip_cut)cut, at, repair)) {
                at++;
                cases++;
            }
            assert_int_equal(at, 5);
        }
    }
    assert_int_equal(cases, 4 * 3 * CHIP_CUT_COUNT);
}

static void cut_identify(void **state)
{
    const struct scenario scenario = { prepare_nothing, run_identify, check_identify };

    (void)state;
    cut_everywhere(&scenario);
}

static void cut_install(void **state)
{
    const struct scenario scenario = { prepare_identity, run_install, check_install };

    (void)state;
    cut_everywhere(&scenario);
}

static void cut_rework(void **state)
{
    const struct scenario scenario = { prepare_rework, run_rework, check_rework };

    (void)state;
    cut_everywhere(&scenario);
}

static void cut_counter(void **state)
{
    const struct scenario scenario = { prepare_join, run_join, check_join };

    (void)state;
    cut_everywhere(&scenario);
}

/* The harness can fail: both homes lost at once is more than the vault promises to survive. */
static void two_lost_homes_are_seen(void **state)
{
    (void)state;
    prepare_identity();
    chip.home[0][100] ^= 1;
    chip.home[1][100] ^= 1;
    station_boot(&station);
    assert_int_equal(station_hello(&station).health, PROTO_VAULT_CORRUPT);
    assert_int_equal(run_identify(), PROTO_VAULT_CORRUPT);
    assert_int_equal(run_install(), PROTO_VAULT_CORRUPT);
}

/* ---- refused writes ---- */

static void refused_writes_are_told(void **state)
{
    (void)state;
    prepare_identity();
    for (uint64_t from = 1; from <= 4; from++) {
        uint8_t state_now;

        chip_reset_counters();
        chip.refuse_from = from;
        assert_int_equal(run_install(), PROTO_FLASH_FAILED);
        chip_reset_counters();
        station_boot(&station);
        assert_memory_equal(chip.home[0], chip.home[1], PROTO_VAULT_HOME_SIZE);
        state_now = station_hello(&station).vault_state;
        assert_int_equal(state_now, from <= 2 ? PROTO_VAULT_IDENTITY : PROTO_VAULT_COMMITTED);
        if (from > 2)
            break;
    }
    assert_int_equal(run_install(), PROTO_ALREADY);
}

static void repair_that_cannot_be_written_stops_all(void **state)
{
    (void)state;
    prepare_identity();
    memset(chip.home[0], 0, PROTO_VAULT_HOME_SIZE);
    chip_reset_counters();
    chip.refuse_from = 1;
    station_boot(&station);
    assert_int_equal(station_hello(&station).health, PROTO_FLASH_FAILED);
    assert_int_equal(run_install(), PROTO_FLASH_FAILED);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_IDENTITY);
}

static void busy_rom_is_told(void **state)
{
    (void)state;
    chip.ipc_stuck = true;
    station_boot(&station);
    assert_int_equal(station_hello(&station).lifecycle, PROTO_LIFECYCLE_UNKNOWN);
    assert_int_equal(run_identify(), PROTO_FLASH_FAILED);
}

/* ---- what flash can hold ---- */

/* Every field at its place, and nothing that the hash does not cover. */
static void record_has_its_places(void **state)
{
    struct bl_record record;
    struct bl_record again;
    uint8_t row[BL_RECORD_SIZE];
    uint8_t other[BL_RECORD_SIZE];

    (void)state;
    memset(&record, 0, sizeof(record));
    record.state = PROTO_VAULT_COMMITTED;
    memset(record.application_digest, 0xA1, sizeof(record.application_digest));
    record.application_floor = 0x01020304;
    record.bootloader_floor = 0x05060708;
    memset(record.services, 0xA2, sizeof(record.services));
    memset(record.installed.receipt_key, 0xA3, sizeof(record.installed.receipt_key));
    bl_record_encode(&record, row);
    assert_memory_equal(row, "LPAV\x02\x02", 6);
    assert_int_equal(row[BL_RECORD_INSTALLED_AT + BL_RECORD_INSTALLED_SIZE - 5], 0xA3);
    assert_int_equal(row[320], 0xA1);
    assert_int_equal(row[351], 0xA1);
    assert_memory_equal(row + 352, "\x01\x02\x03\x04\x05\x06\x07\x08\xA2", 9);
    assert_memory_equal(row + 471, "\xA2\0\0\0\0", 5);
    assert_memory_equal(row + 508, "CoMt", 4);
    assert_true(bl_record_decode(row, &again));
    bl_record_encode(&again, other);
    assert_memory_equal(row, other, sizeof(row));
    assert_memory_equal(&again.services, &record.services, sizeof(record.services));
    row[4] = 1;
    assert_false(bl_record_decode(row, &again));
}

static void foreign_record_is_refused(void **state)
{
    uint8_t home[PROTO_VAULT_HOME_SIZE];

    (void)state;
    prepare_identity();
    memcpy(home, chip.home[0], sizeof(home));
    chip_new(2);
    chip_bind(authority.public_key, NULL, true);
    memcpy(chip.home[0], home, sizeof(home));
    memcpy(chip.home[1], home, sizeof(home));
    station_boot(&station);
    assert_int_equal(station_hello(&station).health, PROTO_FOREIGN_RECORD);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_EMPTY);
    assert_int_equal(run_identify(), PROTO_FOREIGN_RECORD);
    assert_int_equal(run_install(), PROTO_FOREIGN_RECORD);
    assert_memory_equal(chip.home[0], home, sizeof(home));
    assert_int_equal(chip.flash_operations, 0);
}

static void foreign_copy_beside_the_own_is_replaced(void **state)
{
    uint8_t home[PROTO_VAULT_HOME_SIZE];

    (void)state;
    prepare_rework();
    memcpy(home, chip.home[0], sizeof(home));
    chip_new(2);
    chip_bind(authority.public_key, NULL, true);
    station_boot(&station);
    prepare_identity();
    memcpy(chip.home[0], home, sizeof(home));
    station_boot(&station);
    assert_int_equal(station_hello(&station).health, PROTO_OK);
    assert_memory_equal(chip.home[0], chip.home[1], PROTO_VAULT_HOME_SIZE);
    assert_int_equal(run_install(), PROTO_OK);
}

static void stale_second_home_never_wins(void **state)
{
    uint8_t home[PROTO_VAULT_HOME_SIZE];

    (void)state;
    prepare_identity();
    memcpy(home, chip.home[1], sizeof(home));
    assert_int_equal(run_install(), PROTO_OK);
    for (unsigned i = 0; i < 2; i++) {
        memcpy(chip.home[i], home, sizeof(home));
        station_boot(&station);
        assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_COMMITTED);
        assert_memory_equal(chip.home[0], chip.home[1], PROTO_VAULT_HOME_SIZE);
    }
}

static void garbage_in_the_first_home_alone_is_no_record(void **state)
{
    (void)state;
    memset(chip.home[0], 0xA5, PROTO_VAULT_HOME_SIZE);
    station_boot(&station);
    assert_int_equal(station_hello(&station).health, PROTO_OK);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_EMPTY);
    prepare_identity();
}

static void every_flipped_bit_of_one_home_is_repaired(void **state)
{
    uint8_t home[PROTO_VAULT_HOME_SIZE];

    (void)state;
    prepare_identity();
    assert_int_equal(run_install(), PROTO_OK);
    memcpy(home, chip.home[0], sizeof(home));
    for (size_t bit = 0; bit < 8 * sizeof(home); bit++) {
        struct bl_vault vault;

        chip.home[bit & 1][bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(bl_vault_load(&vault, station.device.chip.id), PROTO_OK);
        assert_memory_equal(chip.home[0], home, sizeof(home));
        assert_memory_equal(chip.home[1], home, sizeof(home));
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(record_has_its_places),
        TEST(foreign_record_is_refused),
        TEST(foreign_copy_beside_the_own_is_replaced),
        TEST(stale_second_home_never_wins),
        TEST(garbage_in_the_first_home_alone_is_no_record),
        TEST(two_lost_homes_are_seen),
        TEST(refused_writes_are_told),
        TEST(repair_that_cannot_be_written_stops_all),
        TEST(busy_rom_is_told),
        TEST(every_flipped_bit_of_one_home_is_repaired),
        TEST(cut_identify),
        TEST(cut_install),
        TEST(cut_rework),
        TEST(cut_counter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

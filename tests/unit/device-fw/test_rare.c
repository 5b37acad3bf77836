/* SPDX-License-Identifier: Apache-2.0 */
/* What hardly ever happens to vault and envelopes, and must not be believed when it does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/bootloader/guard.h"
#include "device-fw/bootloader/hardened.h"
#include "tests/unit/device-fw/station.h"

static struct station station;
static struct authority authority[2];

static int setup(void **state)
{
    (void)state;
    authority_init(&authority[0], 1);
    authority_init(&authority[1], 2);
    chip_new(1);
    chip_bind(authority[0].public_key, authority[1].public_key, true);
    station_boot(&station);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    authority_done(&authority[0]);
    authority_done(&authority[1]);
    return 0;
}

static enum proto_status identify(void)
{
    struct bl_answer answer;

    return station_ask(
        &station, PROTO_CMD_STATEMENT, authority[0].key_id, PROTO_KEY_ID_SIZE, &answer);
}

/* The ROM says done, and one bit of the row is wrong. */
static void row_that_was_not_written_right_is_noticed(void **state)
{
    static const uint64_t programs[] = { 2, 4 };

    (void)state;
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        chip_new(1);
        chip_bind(authority[0].public_key, authority[1].public_key, true);
        station_boot(&station);
        chip_reset_counters();
        chip.lie_in = programs[i];
        assert_int_equal(identify(), PROTO_FLASH_FAILED);
        chip_reset_counters();
        assert_int_equal(identify(), PROTO_OK);
        assert_memory_equal(chip.home[0], chip.home[1], PROTO_VAULT_HOME_SIZE);
    }
}

/* The flash controller takes its time over the caches, or never tells that it is done: what is read
 * is compared in any case. */
static void slow_caches_are_waited_for(void **state)
{
    (void)state;
    chip.cache_busy = 3;
    assert_int_equal(identify(), PROTO_OK);
    assert_int_equal(chip.cache_busy, 0);
    chip.cache_busy = 1000000;
    station_boot(&station);
    assert_int_equal(identify(), PROTO_OK);
}

static void foreign_second_home_alone_is_refused(void **state)
{
    uint8_t home[PROTO_VAULT_HOME_SIZE];
    struct bl_answer answer;
    struct proto_hello hello;

    (void)state;
    assert_int_equal(identify(), PROTO_OK);
    memcpy(home, chip.home[1], sizeof(home));
    chip_new(2);
    chip_bind(authority[0].public_key, NULL, true);
    memcpy(chip.home[1], home, sizeof(home));
    station_boot(&station);
    assert_int_equal(station_ask(&station, PROTO_CMD_HELLO, "", 0, &answer), PROTO_OK);
    assert_int_equal(proto_hello_decode(answer.payload, answer.length, &hello), PROTO_OK);
    assert_int_equal(hello.health, PROTO_FOREIGN_RECORD);
    assert_int_equal(identify(), PROTO_FOREIGN_RECORD);
    assert_memory_equal(chip.home[1], home, sizeof(home));
}

/* An authority key in the binding block that is no point of the curve. */
static void sender_off_the_curve_is_refused(void **state)
{
    struct proto_statement statement;
    struct proto_envelope_header header;
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    uint8_t bad[PROTO_PUBLIC_KEY_SIZE];
    struct bl_answer answer;

    (void)state;
    station_identify(&station, &authority[0], &statement);
    memcpy(bad, authority[1].public_key, sizeof(bad));
    bad[PROTO_PUBLIC_KEY_SIZE - 1U] ^= 1;
    chip_bind(authority[0].public_key, bad, true);
    station_boot(&station);
    header = authority_header(&authority[0], &statement, 1);
    memcpy(header.authority_key_id, station.device.authority_key_id[1], PROTO_KEY_ID_SIZE);
    authority_seal(&authority[0], &header, statement.public_key, plain, envelope, receipt_key);
    assert_int_equal(station_ask(&station, PROTO_CMD_INSTALL, envelope, sizeof(envelope), &answer),
        PROTO_BAD_POINT);
    assert_int_equal(station_ask(&station, PROTO_CMD_STATEMENT, header.authority_key_id,
                         PROTO_KEY_ID_SIZE, &answer),
        PROTO_BAD_POINT);
}

/* Envelopes also come from the application, past the mailbox's own look at them. */
static void damaged_envelope_of_the_application_is_refused(void **state)
{
    uint8_t envelope[PROTO_ENVELOPE_SIZE] = { 0 };
    struct bl_answer answer;

    (void)state;
    assert_int_equal(identify(), PROTO_OK);
    assert_int_equal(bl_device_envelope(&station.device, envelope, sizeof(envelope) - 1, &answer),
        PROTO_BAD_LENGTH);
    assert_int_equal(bl_device_envelope(&station.device, envelope, sizeof(envelope), &answer),
        PROTO_BAD_VERSION);
    assert_int_equal(answer.length, 0);
}

/* Flash that changes under a running device: it says nothing of it and writes nothing over it. */
static void changed_flash_is_noticed(void **state)
{
    struct proto_statement statement;
    struct bl_answer answer;

    (void)state;
    station_identify(&station, &authority[0], &statement);
    assert_int_equal(station_install(&station, &authority[0], &statement, 1), PROTO_OK);
    for (unsigned i = 0; i < 2; i++) {
        chip.home[i][200] ^= 4;
        assert_int_equal(
            station_ask(&station, PROTO_CMD_RECEIPT, "", 0, &answer), PROTO_FLASH_FAILED);
        chip.home[i][200] ^= 4;
    }
    chip.home[1][200] ^= 4;
    assert_int_equal(
        station_ask(&station, PROTO_CMD_SELF_TEST, "", 0, &answer), PROTO_FLASH_FAILED);
    assert_int_equal(station_ask(&station, PROTO_CMD_SELF_TEST, "", 0, &answer), PROTO_OK);
}

/* An identity beside another one, or a counter without a record, is not written. */
static void commits_that_do_not_fit_are_refused(void **state)
{
    struct bl_vault *vault = &station.device.vault;

    (void)state;
    (void)bl_vault_draft(vault, station.device.chip.id);
    assert_int_equal(bl_vault_commit(vault), PROTO_FLASH_FAILED);
    assert_false(vault->present);
    assert_int_equal(identify(), PROTO_OK);
    (void)bl_vault_draft(vault, station.device.chip.id);
    assert_int_equal(
        bl_vault_commit_as(vault, BL_ACT_IDENTITY, &vault->draft.installed), PROTO_FLASH_FAILED);
    assert_int_equal(identify(), PROTO_OK);
}

/* The first bytes of either home say that a board is locked, whatever the rest has become. */
static void either_home_shows_the_lock(void **state)
{
    struct proto_statement statement;
    struct bl_answer answer;

    (void)state;
    assert_int_equal(bl_vault_shows_lock(), BL_NO);
    station_identify(&station, &authority[0], &statement);
    assert_int_equal(station_install(&station, &authority[0], &statement, 1), PROTO_OK);
    assert_int_equal(bl_vault_shows_lock(), BL_NO);
    assert_int_equal(station_ask(&station, PROTO_CMD_LOCK, "", 0, &answer), PROTO_OK);
    assert_int_equal(bl_vault_shows_lock(), BL_YES);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t row[PROTO_VAULT_HOME_SIZE];

        memcpy(row, chip.home[i], sizeof(row));
        memset(chip.home[i], 0, sizeof(row));
        assert_int_equal(bl_vault_shows_lock(), BL_YES);
        memcpy(chip.home[i], row, sizeof(row));
    }
    memset(chip.home, 0, sizeof(chip.home));
    assert_int_equal(bl_vault_shows_lock(), BL_NO);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_that_was_not_written_right_is_noticed),
        TEST(slow_caches_are_waited_for),
        TEST(foreign_second_home_alone_is_refused),
        TEST(sender_off_the_curve_is_refused),
        TEST(damaged_envelope_of_the_application_is_refused),
        TEST(changed_flash_is_noticed),
        TEST(commits_that_do_not_fit_are_refused),
        TEST(either_home_shows_the_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a scrapped device: it forgets who it was, on the KMS's word alone, and works no more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <valgrind/memcheck.h>

#include "tests/unit/device-fw/station.h"
#include "tests/unit/vectors.h"

static struct station station;
static struct authority authority;

static int setup(void **state)
{
    (void)state;
    station_begin(&station, &authority);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    authority_done(&authority);
    return 0;
}

static const struct bl_record *record(void)
{
    return &station.device.vault.record;
}

/* An envelope of this purpose, sealed and taken. */
static void take(enum proto_purpose purpose, uint32_t key_version, uint8_t *ret_receipt_key)
{
    static const uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { [16] = 0x41, 0x42 };
    static const uint8_t none[PROTO_ENVELOPE_PLAIN_SIZE];
    bool zeroise = purpose == PROTO_PURPOSE_ZEROISE;
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    struct proto_statement statement;
    struct proto_envelope_header header;

    station_identify(&station, &authority, &statement);
    header = authority_header(&authority, &statement, key_version);
    header.purpose = (uint8_t)purpose;
    header.keys = zeroise ? 0 : header.keys;
    authority_seal(&authority, &header, statement.public_key, zeroise ? none : plain, envelope,
        ret_receipt_key);
    assert_int_equal(station_status(&station, zeroise ? PROTO_CMD_ZEROISE : PROTO_CMD_INSTALL,
                         envelope, sizeof(envelope)),
        PROTO_OK);
}

/* Keys, wiped again; the word that the KMS will give for that. */
static void wiped(uint8_t ret_confirmation[PROTO_MAC_SIZE])
{
    uint8_t receipt_key[PROTO_HASH_SIZE];

    take(PROTO_PURPOSE_INSTALL, 1, receipt_key);
    take(PROTO_PURPOSE_ZEROISE, 7, receipt_key);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_ZEROISED);
    authority_forget(receipt_key, station.device.chip.id, 7, ret_confirmation);
}

static enum proto_status forget(const uint8_t confirmation[PROTO_MAC_SIZE])
{
    return station_status(&station, PROTO_CMD_FORGET, confirmation, PROTO_MAC_SIZE);
}

static bool is_in(const void *memory, size_t size, const void *bytes, size_t length)
{
    for (size_t at = 0; at + length <= size; at++) {
        if (memcmp((const uint8_t *)memory + at, bytes, length) == 0)
            return true;
    }
    return false;
}

/* How many of the parts that a record protects lie in flash, in the bootloader's state (gaps
 * between members too), or in the mailbox. */
static unsigned count_left(const struct bl_record *was)
{
    static uint8_t seen[sizeof(station)];

    const struct {
        const void *bytes;
        size_t length;
    } parts[] = { { was->secret, sizeof(was->secret) },
        { was->public_key + 1, sizeof(was->public_key) - 1U },
        { was->authority_dh, sizeof(was->authority_dh) }, { was->nonce, sizeof(was->nonce) },
        { was->installed.receipt_key, sizeof(was->installed.receipt_key) },
        { was->installed.envelope_hash, sizeof(was->installed.envelope_hash) } };

    unsigned left = 0;

    memcpy(seen, &station, sizeof(seen));
    (void)VALGRIND_MAKE_MEM_DEFINED(seen, sizeof(seen));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        left += is_in(chip.home, sizeof(chip.home), parts[i].bytes, parts[i].length) ||
                is_in(seen, sizeof(seen), parts[i].bytes, parts[i].length) ||
                is_in(chip.mailbox, sizeof(chip.mailbox), parts[i].bytes, parts[i].length);
    }
    return left;
}

static void nothing_secret_is_left(void **state)
{
    struct bl_record was;
    struct bl_record left;
    uint8_t confirmation[PROTO_MAC_SIZE];

    (void)state;
    wiped(confirmation);
    station.device.vault.record.application_floor = 5;
    station.device.vault.record.bootloader_floor = 2;
    station.device.vault.record.dev_nonce_limit = 32;
    memset(station.device.vault.record.application_digest, 0x55, PROTO_HASH_SIZE);
    chip_put_record(record());
    was = *record();
    assert_int_equal(count_left(&was), 6);
    assert_int_equal(forget(confirmation), PROTO_OK);
    assert_int_equal(count_left(&was), 0);
    assert_memory_equal(chip.home[0], chip.home[1], PROTO_VAULT_HOME_SIZE);
    assert_true(bl_record_decode(chip.home[0], &left));
    memset(&was, 0, sizeof(was));
    was.state = PROTO_VAULT_FORGOTTEN;
    was.identity_flags = PROTO_FLAG_LAB;
    was.sequence = left.sequence;
    memcpy(was.chip_id, station.device.chip.id, sizeof(was.chip_id));
    was.key_version = 7;
    was.application_floor = 5;
    was.bootloader_floor = 2;
    bl_record_encode(&was, chip.mailbox);
    assert_memory_equal(chip.home[0], chip.mailbox, PROTO_VAULT_HOME_SIZE);
}

/* Neither now nor after a reset is there a way back, but hello and reset are answered. */
static void a_forgetful_device_refuses_everything(void **state)
{
    static const uint8_t zeros[PROTO_ENVELOPE_SIZE];
    uint8_t confirmation[PROTO_MAC_SIZE];
    struct bl_answer answer;
    uint8_t row[PROTO_VAULT_HOME_SIZE];

    (void)state;
    wiped(confirmation);
    assert_int_equal(forget(confirmation), PROTO_OK);
    memcpy(row, chip.home[0], sizeof(row));
    for (unsigned boot = 0; boot < 2; boot++) {
        assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_FORGOTTEN);
        assert_int_equal(station_hello(&station).health, PROTO_FORGOTTEN);
        assert_int_equal(station_hello(&station).key_version, 7);
        assert_int_equal(forget(confirmation), PROTO_FORGOTTEN);
        assert_int_equal(
            station_status(&station, PROTO_CMD_STATEMENT, authority.key_id, PROTO_KEY_ID_SIZE),
            PROTO_FORGOTTEN);
        assert_int_equal(
            station_status(&station, PROTO_CMD_INSTALL, zeros, sizeof(zeros)), PROTO_FORGOTTEN);
        assert_int_equal(
            station_status(&station, PROTO_CMD_ZEROISE, zeros, sizeof(zeros)), PROTO_FORGOTTEN);
        assert_int_equal(station_status(&station, PROTO_CMD_RECEIPT, "", 0), PROTO_FORGOTTEN);
        assert_int_equal(station_status(&station, PROTO_CMD_LOCK, "", 0), PROTO_FORGOTTEN);
        assert_int_equal(station_status(&station, PROTO_CMD_RUN, "", 0), PROTO_FORGOTTEN);
        assert_int_equal(station_status(&station, PROTO_CMD_SELF_TEST, "", 0), PROTO_FORGOTTEN);
        /* nor from its application, which does not run */
        assert_int_equal(
            bl_device_envelope(&station.device, zeros, sizeof(zeros), &answer), PROTO_FORGOTTEN);
        assert_int_equal(
            bl_device_statement(&station.device, authority.key_id, PROTO_KEY_ID_SIZE, &answer),
            PROTO_FORGOTTEN);
        assert_false(bl_device_is_committed(&station.device));
        assert_true(bl_device_may_open(&station.device));
        assert_int_equal(station_status(&station, PROTO_CMD_RESET, "", 0), PROTO_OK);
        station_boot(&station);
    }
    /* An image that demands a newer bootloader writes its floor nowhere. */
    assert_memory_equal(chip.home[0], row, sizeof(row));
    assert_memory_equal(chip.home[1], row, sizeof(row));
    /* And none of the acts may follow, whoever asks for it. */
    bl_vault_draft(&station.device.vault, station.device.chip.id)->dev_nonce_limit = 1;
    assert_int_equal(bl_vault_commit(&station.device.vault), PROTO_FLASH_FAILED);
    assert_memory_equal(chip.home[0], row, sizeof(row));
    /* A whole erase makes another chip of it, as it does of every board. */
    memset(chip.home, 0, sizeof(chip.home));
    station_boot(&station);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_EMPTY);
}

static void every_wrong_confirmation_is_refused(void **state)
{
    uint8_t confirmation[PROTO_MAC_SIZE];
    uint8_t row[PROTO_VAULT_HOME_SIZE];

    (void)state;
    wiped(confirmation);
    memcpy(row, chip.home[0], sizeof(row));
    for (unsigned bit = 0; bit < 8U * PROTO_MAC_SIZE; bit++) {
        confirmation[bit / 8U] ^= (uint8_t)(1U << bit % 8U);
        assert_int_equal(forget(confirmation), PROTO_BAD_CONFIRMATION);
        confirmation[bit / 8U] ^= (uint8_t)(1U << bit % 8U);
    }
    for (size_t length = 0; length < PROTO_MAC_SIZE + 4U; length++) {
        static const uint8_t longer[PROTO_MAC_SIZE + 4U];

        if (length != PROTO_MAC_SIZE)
            assert_int_equal(
                station_status(&station, PROTO_CMD_FORGET, longer, length), PROTO_BAD_LENGTH);
    }
    assert_memory_equal(chip.home[0], row, sizeof(row));
    assert_memory_equal(chip.home[1], row, sizeof(row));
    assert_int_equal(forget(confirmation), PROTO_OK);
}

static void only_a_wiped_device_forgets(void **state)
{
    uint8_t receipt_key[PROTO_HASH_SIZE] = { 0 };
    uint8_t confirmation[PROTO_MAC_SIZE];
    struct proto_statement statement;

    (void)state;
    authority_forget(receipt_key, station.device.chip.id, 0, confirmation);
    assert_int_equal(forget(confirmation), PROTO_WRONG_STATE);
    station_identify(&station, &authority, &statement);
    assert_int_equal(forget(confirmation), PROTO_WRONG_STATE);
    take(PROTO_PURPOSE_INSTALL, 1, receipt_key);
    authority_forget(receipt_key, station.device.chip.id, 1, confirmation);
    assert_int_equal(forget(confirmation), PROTO_WRONG_STATE);
    take(PROTO_PURPOSE_ZEROISE, 2, receipt_key);
    authority_forget(receipt_key, station.device.chip.id, 2, confirmation);
    /* locked: its receipt key is gone, and its mailbox */
    assert_int_equal(station_status(&station, PROTO_CMD_LOCK, "", 0), PROTO_OK);
    assert_int_equal(forget(confirmation), PROTO_WRONG_STATE);
    station_boot(&station);
    assert_int_equal(forget(confirmation), PROTO_WRONG_STATE);
    memset(receipt_key, 0, sizeof(receipt_key));
    authority_forget(receipt_key, station.device.chip.id, 2, confirmation);
    assert_int_equal(forget(confirmation), PROTO_WRONG_STATE);
    assert_true(record()->state == PROTO_VAULT_LOCKED);
}

/* New keys after the wipe: the word for the wipe is of no use any more. */
static void a_word_serves_one_receipt_of_one_chip(void **state)
{
    uint8_t receipt_key[PROTO_HASH_SIZE];
    uint8_t confirmation[PROTO_MAC_SIZE];

    (void)state;
    wiped(confirmation);
    take(PROTO_PURPOSE_REWORK, 8, receipt_key);
    assert_int_equal(forget(confirmation), PROTO_WRONG_STATE);
    take(PROTO_PURPOSE_ZEROISE, 9, receipt_key);
    assert_int_equal(forget(confirmation), PROTO_BAD_CONFIRMATION);
    /* right key, other chip or version */
    authority_forget(receipt_key, station.device.chip.id, 8, confirmation);
    assert_int_equal(forget(confirmation), PROTO_BAD_CONFIRMATION);
    authority_forget(receipt_key, (const uint8_t *)"another!", 9, confirmation);
    assert_int_equal(forget(confirmation), PROTO_BAD_CONFIRMATION);
    authority_forget(receipt_key, station.device.chip.id, 9, confirmation);
    chip_new(2);
    chip_bind(authority.public_key, NULL, true);
    station_boot(&station);
    wiped(receipt_key);
    assert_int_equal(forget(confirmation), PROTO_BAD_CONFIRMATION);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_ZEROISED);
}

static void flash_that_refuses_is_told(void **state)
{
    uint8_t confirmation[PROTO_MAC_SIZE];

    (void)state;
    wiped(confirmation);
    for (uint64_t from = 1; from <= 4; from++) {
        bool is_forgotten = from > 2;

        chip_reset_counters();
        chip.refuse_from = from;
        assert_int_equal(forget(confirmation), PROTO_FLASH_FAILED);
        chip_reset_counters();
        station_boot(&station);
        assert_int_equal(station_hello(&station).vault_state,
            is_forgotten ? PROTO_VAULT_FORGOTTEN : PROTO_VAULT_ZEROISED);
        if (is_forgotten)
            break;
    }
}

/* The guard alone: rows that a disturbed bootloader might come up with. */
static void guard_lets_nothing_but_the_rest_through(void **state)
{
    static const struct bl_installed none;
    uint8_t confirmation[PROTO_MAC_SIZE];
    uint8_t old[BL_RECORD_SIZE];
    uint8_t row[BL_RECORD_SIZE];
    uint8_t good[BL_RECORD_SIZE];
    struct bl_installed second = { .receipt_key = { [31] = 1 } };
    unsigned passed = 0;

    (void)state;
    wiped(confirmation);
    memcpy(old, chip.home[0], sizeof(old));
    assert_int_equal(forget(confirmation), PROTO_OK);
    memcpy(good, chip.home[0], sizeof(good));
    assert_int_equal(bl_guard_row(BL_ACT_FORGET, good, old, &none), BL_YES);
    assert_int_not_equal(bl_guard_row(BL_ACT_FORGET, good, old, &second), BL_YES);
    assert_int_not_equal(bl_guard_row(BL_ACT_FORGET, good, good, &none), BL_YES);
    assert_int_not_equal(bl_guard_row(BL_ACT_COUNTERS, good, old, &none), BL_YES);
    assert_int_not_equal(bl_guard_row(BL_ACT_LOCK, good, old, &none), BL_YES);
    assert_int_not_equal(bl_guard_row(BL_ACT_ENVELOPE, good, old, &none), BL_YES);
    /* no bit of what is hashed may differ; hash and commit word are the vault's affair */
    for (size_t bit = 0; bit < 8U * BL_RECORD_SIZE; bit++) {
        memcpy(row, good, sizeof(row));
        row[bit / 8U] ^= (uint8_t)(1U << bit % 8U);
        passed += bl_guard_row(BL_ACT_FORGET, row, old, &none) == BL_YES;
    }
    assert_int_equal(passed, 8U * (BL_RECORD_SIZE - 472U));
}

static void independent_answers(void **state)
{
    json_t *file = vectors_load("forget.json");
    size_t index;
    json_t *vector;
    static uint8_t key[VECTOR_BYTES_MAX];
    static uint8_t chip_id[VECTOR_BYTES_MAX];
    static uint8_t expected[VECTOR_BYTES_MAX];

    (void)state;
    json_array_foreach(vectors_list(file), index, vector)
    {
        uint32_t key_version = (uint32_t)vectors_int(vector, "key_version");
        uint8_t confirmation[PROTO_MAC_SIZE];
        struct bl_record made = { .state = PROTO_VAULT_ZEROISED, .key_version = key_version };

        assert_int_equal(vectors_hex(vector, "receipt_key", key), PROTO_HASH_SIZE);
        assert_int_equal(vectors_hex(vector, "chip_id", chip_id), PROTO_CHIP_ID_SIZE);
        assert_int_equal(vectors_hex(vector, "confirmation", expected), PROTO_MAC_SIZE);
        authority_forget(key, chip_id, key_version, confirmation);
        assert_memory_equal(confirmation, expected, sizeof(confirmation));
        /* and the device's own code, which is given such a record */
        (void)teardown(NULL);
        (void)setup(NULL);
        memcpy(made.chip_id, station.device.chip.id, sizeof(made.chip_id));
        memcpy(made.installed.receipt_key, key, PROTO_HASH_SIZE);
        made.installed.key_version = key_version;
        chip_put_record(&made);
        station_boot(&station);
        memcpy(station.device.vault.record.chip_id, chip_id, PROTO_CHIP_ID_SIZE);
        chip_put_record(record());
        expected[0] ^= 1;
        assert_int_equal(forget(expected), PROTO_BAD_CONFIRMATION);
        expected[0] ^= 1;
        assert_int_equal(forget(expected), PROTO_OK);
    }
    json_decref(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_secret_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(a_forgetful_device_refuses_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(every_wrong_confirmation_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(only_a_wiped_device_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(a_word_serves_one_receipt_of_one_chip, setup, teardown),
        cmocka_unit_test_setup_teardown(flash_that_refuses_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(guard_lets_nothing_but_the_rest_through, setup, teardown),
        cmocka_unit_test_setup_teardown(independent_answers, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What comes after the first keys: lock, rework, zeroise, run, and versions that only rise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <valgrind/memcheck.h>

#include "base/hash.h"
#include "device-fw/bootloader/lock.h"
#include "tests/unit/device-fw/station.h"

static const uint8_t restricted[] = PROTO_RESTRICT_REQUIRED;

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

/* One order of the authority, and what it needs to check the device's answers. */
struct order {
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_receipt receipt;
};

static void make_order(struct order *order, enum proto_purpose purpose, uint32_t key_version)
{
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };
    struct proto_envelope_header header;
    struct proto_statement statement;
    struct bl_answer answer;

    assert_int_equal(
        bl_device_statement(&station.device, authority.key_id, PROTO_KEY_ID_SIZE, &answer),
        PROTO_OK);
    authority_check_statement(&authority, answer.payload, &statement);
    header = authority_header(&authority, &statement, key_version);
    header.purpose = (uint8_t)purpose;
    if (purpose == PROTO_PURPOSE_ZEROISE)
        header.keys = 0;
    else
        memset(plain + PROTO_ROOT_KEY_SIZE, (int)(0x40 + key_version), PROTO_ROOT_KEY_SIZE);
    authority_seal(
        &authority, &header, statement.public_key, plain, order->envelope, order->receipt_key);
}

/* As the application's service does it. */
static enum proto_status carry_out(struct order *order)
{
    struct bl_answer answer;
    enum proto_status status =
        bl_device_envelope(&station.device, order->envelope, PROTO_ENVELOPE_SIZE, &answer);

    assert_int_equal(
        answer.length, status == PROTO_OK || status == PROTO_ALREADY ? PROTO_RECEIPT_SIZE : 0);
    if (answer.length != 0)
        authority_check_receipt(
            order->receipt_key, order->envelope, answer.payload, &order->receipt);
    return status;
}

static void commit(struct order *order)
{
    make_order(order, PROTO_PURPOSE_INSTALL, 1);
    assert_int_equal(carry_out(order), PROTO_OK);
}

static bool is_in_flash(const void *bytes, size_t length)
{
    for (unsigned home = 0; home < 2; home++) {
        for (size_t at = 0; at + length <= PROTO_VAULT_HOME_SIZE; at++) {
            if (memcmp(chip.home[home] + at, bytes, length) == 0)
                return true;
        }
    }
    return false;
}

static bool is_root_key_in_flash(uint32_t key_version)
{
    uint8_t key[PROTO_ROOT_KEY_SIZE];

    memset(key, (int)(0x40 + key_version), sizeof(key));
    return is_in_flash(key, sizeof(key));
}

/* ---- lock ---- */

static void only_a_committed_record_is_locked(void **state)
{
    struct order order;

    (void)state;
    assert_int_equal(station_status(&station, PROTO_CMD_LOCK, "", 0), PROTO_WRONG_STATE);
    make_order(&order, PROTO_PURPOSE_INSTALL, 1);
    assert_int_equal(station_status(&station, PROTO_CMD_LOCK, "", 0), PROTO_WRONG_STATE);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_IDENTITY);
    assert_int_equal(station_status(&station, PROTO_CMD_LOCK, "x", 1), PROTO_BAD_LENGTH);
}

static void lock_ends_the_mailbox(void **state)
{
    struct bl_answer answer;
    struct bl_answer again;
    struct order order;

    (void)state;
    commit(&order);
    assert_true(is_in_flash(order.receipt_key, PROTO_HASH_SIZE));
    assert_true(bl_device_may_open(&station.device));
    assert_int_equal(station_ask(&station, PROTO_CMD_LOCK, "", 0, &answer), PROTO_OK);
    assert_int_equal(answer.length, PROTO_LOCK_ANSWER_SIZE);
    authority_check_lock(order.receipt_key, &order.receipt, answer.payload);
    assert_false(is_in_flash(order.receipt_key, PROTO_HASH_SIZE));
    assert_memory_equal(chip.home[0], chip.home[1], PROTO_VAULT_HOME_SIZE);
    assert_int_equal(station_ask(&station, PROTO_CMD_LOCK, "", 0, &again), PROTO_ALREADY);
    assert_memory_equal(answer.payload, again.payload, PROTO_LOCK_ANSWER_SIZE);
    /* Until the reset: nothing but that. */
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_LOCKED);
    assert_int_equal(
        station_status(&station, PROTO_CMD_STATEMENT, authority.key_id, PROTO_KEY_ID_SIZE),
        PROTO_WRONG_STATE);
    assert_int_equal(
        station_status(&station, PROTO_CMD_INSTALL, order.envelope, PROTO_ENVELOPE_SIZE),
        PROTO_WRONG_STATE);
    assert_int_equal(station_status(&station, PROTO_CMD_RECEIPT, "", 0), PROTO_WRONG_STATE);
    assert_int_equal(station_status(&station, PROTO_CMD_SELF_TEST, "", 0), PROTO_WRONG_STATE);
    assert_int_equal(station_status(&station, PROTO_CMD_RESET, "", 0), PROTO_OK);
    station_boot(&station);
    assert_false(bl_device_may_open(&station.device));
    assert_int_equal(station_status(&station, PROTO_CMD_LOCK, "", 0), PROTO_WRONG_STATE);
    assert_int_equal(bl_device_receipt(&station.device, &answer), PROTO_NO_RECORD);
    assert_int_equal(answer.length, 0);
}

/* A glitch among the commands has made a lock of another one. */
static void another_command_locks_nothing(void **state)
{
    struct bl_answer answer = { .length = 0 };
    struct order order;

    (void)state;
    commit(&order);
    for (uint32_t command = 0; command <= PROTO_CMD_FORGET; command++) {
        if (command != PROTO_CMD_LOCK)
            assert_int_equal(bl_lock(&station.device, command, &answer), PROTO_BAD_COMMAND);
    }
    assert_int_equal(answer.length, 0);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_COMMITTED);
}

static void lock_that_flash_refuses_is_told(void **state)
{
    struct order order;

    (void)state;
    commit(&order);
    for (uint64_t from = 1; from <= 4; from++) {
        bool is_locked = from > 2;

        chip_reset_counters();
        chip.refuse_from = from;
        assert_int_equal(station_status(&station, PROTO_CMD_LOCK, "", 0), PROTO_FLASH_FAILED);
        assert_false(station.device.lock_answered);
        chip_reset_counters();
        station_boot(&station);
        assert_int_equal(bl_lock_is_set(&station.device), is_locked);
        if (is_locked)
            break;
    }
}

static void locked_device_takes_orders_from_its_application(void **state)
{
    struct order order;
    struct order first;

    (void)state;
    commit(&first);
    assert_int_equal(station_status(&station, PROTO_CMD_LOCK, "", 0), PROTO_OK);
    station_boot(&station);
    make_order(&order, PROTO_PURPOSE_INSTALL, 2);
    assert_int_equal(carry_out(&order), PROTO_WRONG_STATE);
    /* The first one's receipt is gone, and so is its nonce. */
    assert_int_equal(carry_out(&first), PROTO_WRONG_STATE);
    make_order(&order, PROTO_PURPOSE_REWORK, 1);
    assert_int_equal(carry_out(&order), PROTO_OLD_KEY_VERSION);
    make_order(&order, PROTO_PURPOSE_REWORK, 2);
    assert_int_equal(carry_out(&order), PROTO_OK);
    assert_int_equal(carry_out(&order), PROTO_ALREADY);
    assert_true(is_root_key_in_flash(2));
    assert_false(is_root_key_in_flash(1));
    station_boot(&station);
    assert_false(bl_device_may_open(&station.device));
    assert_int_equal(carry_out(&order), PROTO_ALREADY);
    make_order(&order, PROTO_PURPOSE_ZEROISE, 3);
    assert_int_equal(carry_out(&order), PROTO_OK);
    assert_int_equal(order.receipt.purpose, PROTO_PURPOSE_ZEROISE);
    assert_false(is_root_key_in_flash(2));
    station_boot(&station);
    assert_false(bl_device_may_open(&station.device));
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_LOCKED);
}

/* ---- rework and zeroise before the lock ---- */

static void rework_replaces_the_keys(void **state)
{
    struct order order;
    struct order next;

    (void)state;
    make_order(&order, PROTO_PURPOSE_REWORK, 1);
    assert_int_equal(carry_out(&order), PROTO_NO_RECORD);
    commit(&order);
    memset(station.device.vault.record.services, 0x77, BL_RECORD_SERVICES_SIZE);
    chip_put_record(&station.device.vault.record);
    make_order(&next, PROTO_PURPOSE_REWORK, 2);
    assert_int_equal(
        station_status(&station, PROTO_CMD_ZEROISE, next.envelope, PROTO_ENVELOPE_SIZE),
        PROTO_BAD_PURPOSE);
    assert_int_equal(
        station_status(&station, PROTO_CMD_INSTALL, next.envelope, PROTO_ENVELOPE_SIZE), PROTO_OK);
    assert_int_equal(carry_out(&next), PROTO_ALREADY);
    assert_false(is_root_key_in_flash(1));
    assert_false(is_in_flash(order.receipt_key, PROTO_HASH_SIZE));
    assert_false(is_in_flash("\x77\x77\x77\x77", 4));
    assert_int_equal(station_hello(&station).key_version, 2);
}

/* Nothing of the keys and of what was derived from them, in flash or in the bootloader's state. */
static void zeroised_device_keeps_no_root_key(void **state)
{
    static uint8_t seen[sizeof(station)];
    uint8_t key[PROTO_ROOT_KEY_SIZE];
    struct order first;
    struct order order;

    (void)state;
    commit(&first);
    memset(station.device.vault.record.services, 0x77, BL_RECORD_SERVICES_SIZE);
    chip_put_record(&station.device.vault.record);
    make_order(&order, PROTO_PURPOSE_ZEROISE, 2);
    assert_int_equal(
        station_status(&station, PROTO_CMD_ZEROISE, order.envelope, PROTO_ENVELOPE_SIZE), PROTO_OK);
    assert_int_equal(carry_out(&order), PROTO_ALREADY);
    assert_false(is_root_key_in_flash(1));
    assert_false(is_in_flash(first.receipt_key, PROTO_HASH_SIZE));
    assert_false(is_in_flash("\x77\x77\x77\x77", 4));
    memset(key, 0x41, sizeof(key));
    /* Gaps between members may hold anything, which is why they are looked at too. */
    memcpy(seen, &station, sizeof(seen));
    (void)VALGRIND_MAKE_MEM_DEFINED(seen, sizeof(seen));
    for (size_t at = 0; at + sizeof(key) <= sizeof(seen); at++)
        assert_memory_not_equal(seen + at, key, sizeof(key));
    station_boot(&station);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_ZEROISED);
    assert_int_equal(station_status(&station, PROTO_CMD_SELF_TEST, "", 0), PROTO_NO_RECORD);
    /* It may get keys again, and it may be locked. */
    make_order(&order, PROTO_PURPOSE_REWORK, 3);
    assert_int_equal(carry_out(&order), PROTO_OK);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_COMMITTED);
    make_order(&order, PROTO_PURPOSE_ZEROISE, 4);
    assert_int_equal(carry_out(&order), PROTO_OK);
    assert_int_equal(station_status(&station, PROTO_CMD_LOCK, "", 0), PROTO_OK);
}

static void run_needs_keys_and_an_application(void **state)
{
    struct order order;

    (void)state;
    assert_int_equal(station_status(&station, PROTO_CMD_RUN, "", 0), PROTO_NO_RECORD);
    commit(&order);
    assert_int_equal(station_status(&station, PROTO_CMD_RUN, "", 0), PROTO_UNSUPPORTED);
    assert_false(station.device.run_wanted);
}

/* ---- versions ---- */

static void bind_minimum(uint32_t bootloader, uint8_t protocol)
{
    uint8_t *block = chip.image + PROTO_BINDING_OFFSET;
    struct proto_binding binding;

    assert_int_equal(proto_binding_decode(block, &binding), PROTO_OK);
    binding.minimum_bootloader = bootloader;
    binding.minimum_protocol = protocol;
    proto_binding_encode(&binding, block);
    base_sha256(block, PROTO_BINDING_HASH_AT, block + PROTO_BINDING_HASH_AT);
}

static void newer_minimum_than_ours_is_refused(void **state)
{
    (void)state;
    bind_minimum(BL_VERSION + 1, 1);
    station_boot(&station);
    assert_int_equal(station_hello(&station).health, PROTO_BAD_VERSION);
    assert_int_equal(
        station_status(&station, PROTO_CMD_STATEMENT, authority.key_id, PROTO_KEY_ID_SIZE),
        PROTO_BAD_VERSION);
    bind_minimum(0, PROTO_VERSION + 1);
    station_boot(&station);
    assert_int_equal(station_hello(&station).health, PROTO_BAD_VERSION);
    assert_int_equal(chip.flash_operations, 0);
}

static uint32_t floor_in_flash(void)
{
    struct bl_record record;

    assert_true(bl_record_decode(chip.home[1], &record));
    return record.bootloader_floor;
}

static void minimum_becomes_the_records_floor(void **state)
{
    struct order order;

    (void)state;
    commit(&order);
    assert_int_equal(floor_in_flash(), 0);
    bind_minimum(BL_VERSION - 1, 1);
    chip_reset_counters();
    station_boot(&station);
    assert_int_equal(floor_in_flash(), BL_VERSION - 1);
    assert_int_equal(chip.flash_operations, 4);
    /* It never falls, and is not written again. */
    bind_minimum(1, 1);
    station_boot(&station);
    assert_int_equal(floor_in_flash(), BL_VERSION - 1);
    assert_int_equal(chip.flash_operations, 4);
    assert_int_equal(station_hello(&station).health, PROTO_OK);
    /* A new record takes it at once. */
    chip_new(2);
    chip_bind(authority.public_key, NULL, true);
    bind_minimum(BL_VERSION, 1);
    station_boot(&station);
    make_order(&order, PROTO_PURPOSE_INSTALL, 1);
    assert_int_equal(floor_in_flash(), BL_VERSION);
}

/* What the image before an update finds: its own minimum is met, the record's floor is not. */
static void older_image_is_refused_by_the_record(void **state)
{
    struct bl_record record;
    struct bl_answer answer;
    struct order order;

    (void)state;
    commit(&order);
    assert_true(bl_record_decode(chip.home[0], &record));
    record.bootloader_floor = BL_VERSION + 1;
    bl_record_encode(&record, chip.home[0]);
    bl_record_encode(&record, chip.home[1]);
    station_boot(&station);
    assert_int_equal(station_hello(&station).health, PROTO_BAD_VERSION);
    assert_int_equal(
        station_status(&station, PROTO_CMD_STATEMENT, authority.key_id, PROTO_KEY_ID_SIZE),
        PROTO_BAD_VERSION);
    assert_int_equal(station_status(&station, PROTO_CMD_RECEIPT, "", 0), PROTO_BAD_VERSION);
    assert_int_equal(station_status(&station, PROTO_CMD_LOCK, "", 0), PROTO_BAD_VERSION);
    assert_int_equal(station_status(&station, PROTO_CMD_RUN, "", 0), PROTO_BAD_VERSION);
    assert_int_equal(carry_out(&order), PROTO_BAD_VERSION);
    assert_int_equal(bl_device_receipt(&station.device, &answer), PROTO_BAD_VERSION);
}

/* ---- when the port may open ---- */

static void secure(void)
{
    chip.protection = 3;
    chip.fuse[0x2B] = 5;
    memcpy(chip.fuse + 0x27, restricted, sizeof(restricted));
}

static bool opens(void)
{
    station_boot(&station);
    return bl_device_may_open(&station.device);
}

static void secure_port_opens_behind_exact_fuses_only(void **state)
{
    (void)state;
    chip_bind(authority.public_key, NULL, false);
    assert_true(opens()); /* in NORMAL the ROM has */
    secure();
    assert_true(opens());
    for (unsigned bit = 0; bit < 8 * sizeof(restricted); bit++) {
        chip.fuse[0x27 + bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(opens());
        assert_int_equal(
            station_status(&station, PROTO_CMD_STATEMENT, authority.key_id, PROTO_KEY_ID_SIZE),
            PROTO_NOT_RESTRICTED);
        chip.fuse[0x27 + bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    chip.deaf_register = 0x40242284;
    assert_false(opens());
    chip.deaf_register = 0;
    chip.fuse[0x2B] = 13; /* RMA */
    assert_false(opens());
    chip.fuse[0x2B] = 5;
    chip.protection = 4; /* DEAD */
    assert_false(opens());
    chip.protection = 0;
    assert_false(opens());
    chip.ipc_stuck = true;
    chip.protection = 3;
    assert_false(opens());
    chip.ipc_stuck = false;
    assert_true(opens());
    assert_int_equal(chip.flash_operations, 0);
}

/* Five fuse bytes, read twice: no single wrong reading opens the port or makes a key. */
static void one_wrong_fuse_reading_opens_nothing(void **state)
{
    (void)state;
    chip_bind(authority.public_key, NULL, false);
    secure();
    for (uint64_t number = 1; number <= 10; number++) {
        chip.fuse_reads = 0;
        chip.fuse_glitch = number;
        assert_false(opens());
        assert_int_equal(chip.fuse_reads, 10);
        assert_int_equal(station_hello(&station).lifecycle, PROTO_LIFECYCLE_UNKNOWN);
        assert_int_equal(
            station_status(&station, PROTO_CMD_STATEMENT, authority.key_id, PROTO_KEY_ID_SIZE),
            PROTO_NOT_RESTRICTED);
    }
    /* And none makes an open chip look shut. */
    chip.fuse[0x29] ^= 1;
    for (uint64_t number = 1; number <= 10; number++) {
        chip.fuse_reads = 0;
        chip.fuse_glitch = number;
        assert_false(opens());
        assert_false(bl_chip_is_restricted(&station.device.chip));
    }
    assert_int_equal(chip.flash_operations, 0);
}

static void lab_image_opens_in_secure_but_not_when_locked(void **state)
{
    struct order order;

    (void)state;
    secure();
    chip.fuse[0x28] = 0;
    assert_true(opens());
    commit(&order);
    assert_true(opens());
    assert_int_equal(station_status(&station, PROTO_CMD_LOCK, "", 0), PROTO_OK);
    assert_false(opens());
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_a_committed_record_is_locked),
        TEST(lock_ends_the_mailbox),
        TEST(another_command_locks_nothing),
        TEST(lock_that_flash_refuses_is_told),
        TEST(locked_device_takes_orders_from_its_application),
        TEST(rework_replaces_the_keys),
        TEST(zeroised_device_keeps_no_root_key),
        TEST(run_needs_keys_and_an_application),
        TEST(newer_minimum_than_ours_is_refused),
        TEST(minimum_becomes_the_records_floor),
        TEST(older_image_is_refused_by_the_record),
        TEST(secure_port_opens_behind_exact_fuses_only),
        TEST(one_wrong_fuse_reading_opens_nothing),
        TEST(lab_image_opens_in_secure_but_not_when_locked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

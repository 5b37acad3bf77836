/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bootloader's sources on the host, under valgrind's memcheck, with every secret marked
 * undefined: memcheck then reports each branch and each address that depends on one.
 *
 * Secret is what the noise source gives, so all that comes from it: identity key, static DH, opened
 * envelopes, receipt keys. Public again are the outcome of a comparison, of a tag check, and an
 * answer that leaves the device. The linker puts the functions below around the real ones
 * (--wrap). Run by valgrind only: see meson.build.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <valgrind/memcheck.h>

#include "device-fw/bootloader/aes.h"
#include "device-fw/protocol/bytes.h"
#include "tests/unit/device-fw/station.h"

static struct authority authority;
static struct station station;
static unsigned seeds;

/* ---- where secrets begin and end ---- */

void __real_br_hmac_drbg_update(br_hmac_drbg_context *context, const void *seed, size_t length);
void __wrap_br_hmac_drbg_update(br_hmac_drbg_context *context, const void *seed, size_t length);

void __wrap_br_hmac_drbg_update(br_hmac_drbg_context *context, const void *seed, size_t length)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(seed, length);
    __real_br_hmac_drbg_update(context, seed, length);
    (void)VALGRIND_MAKE_MEM_DEFINED(seed, length);
    seeds++;
}

bool __real_proto_equal(const uint8_t *a, const uint8_t *b, size_t length);
bool __wrap_proto_equal(const uint8_t *a, const uint8_t *b, size_t length);

bool __wrap_proto_equal(const uint8_t *a, const uint8_t *b, size_t length)
{
    bool equal = __real_proto_equal(a, b, length);

    (void)VALGRIND_MAKE_MEM_DEFINED(&equal, sizeof(equal));
    return equal;
}

uint32_t __real_bl_hardened_equal(const void *a, const void *b, size_t length);
uint32_t __wrap_bl_hardened_equal(const void *a, const void *b, size_t length);

uint32_t __wrap_bl_hardened_equal(const void *a, const void *b, size_t length)
{
    uint32_t equal = __real_bl_hardened_equal(a, b, length);

    (void)VALGRIND_MAKE_MEM_DEFINED(&equal, sizeof(equal));
    return equal;
}

uint32_t __real_bl_hardened_zero(const void *data, size_t length);
uint32_t __wrap_bl_hardened_zero(const void *data, size_t length);

uint32_t __wrap_bl_hardened_zero(const void *data, size_t length)
{
    uint32_t zero = __real_bl_hardened_zero(data, length);

    (void)VALGRIND_MAKE_MEM_DEFINED(&zero, sizeof(zero));
    return zero;
}

enum proto_status __real_bl_device_execute(struct bl_device *device, uint32_t command,
    const uint8_t *payload, size_t length, struct bl_answer *ret_answer);
enum proto_status __wrap_bl_device_execute(struct bl_device *device, uint32_t command,
    const uint8_t *payload, size_t length, struct bl_answer *ret_answer);

enum proto_status __wrap_bl_device_execute(struct bl_device *device, uint32_t command,
    const uint8_t *payload, size_t length, struct bl_answer *ret_answer)
{
    enum proto_status status =
        __real_bl_device_execute(device, command, payload, length, ret_answer);

    (void)VALGRIND_MAKE_MEM_DEFINED(ret_answer->payload, ret_answer->length);
    return status;
}

/* ---- what is run ---- */

static bool is_undefined(const void *data, size_t length)
{
    return VALGRIND_CHECK_MEM_IS_DEFINED(data, length) != 0;
}

/* The marks must have reached the keys; this is a check of the harness, which valgrind would report
 * as an error of the program. */
static void check_marked(const void *data, size_t length)
{
    bool marked;

    VALGRIND_DISABLE_ERROR_REPORTING;
    marked = is_undefined(data, length);
    VALGRIND_ENABLE_ERROR_REPORTING;
    assert_true(marked);
}

static enum proto_status ask(uint32_t command, const void *payload, size_t length)
{
    struct bl_answer answer;

    return station_ask(&station, command, payload, length, &answer);
}

/* From first boot to a join, again after a restart, then a rework, and what is refused. */
static void life(void **state)
{
    const struct bl_record *record = &station.device.vault.record;
    struct proto_statement statement;
    uint8_t bad[PROTO_ENVELOPE_SIZE] = { 0 };

    (void)state;
    chip_new(1);
    chip_bind(authority.public_key, NULL, true);
    station_boot(&station);
    station_identify(&station, &authority, &statement);
    assert_int_not_equal(seeds, 0);
    check_marked(record->secret, sizeof(record->secret));
    check_marked(record->authority_dh, sizeof(record->authority_dh));
    assert_int_equal(station_install(&station, &authority, &statement, 1), PROTO_OK);
    check_marked(record->installed.app_key, sizeof(record->installed.app_key));
    check_marked(record->installed.receipt_key, sizeof(record->installed.receipt_key));
    assert_int_equal(ask(PROTO_CMD_SELF_TEST, "", 0), PROTO_OK);
    station_boot(&station);
    check_marked(record->secret, sizeof(record->secret));
    assert_int_equal(ask(PROTO_CMD_RECEIPT, "", 0), PROTO_OK);
    station_identify(&station, &authority, &statement);
    assert_int_equal(station_install(&station, &authority, &statement, 2), PROTO_OK);
    assert_int_equal(ask(PROTO_CMD_INSTALL, bad, sizeof(bad)), PROTO_BAD_VERSION);
    assert_int_equal(ask(PROTO_CMD_LOCK, "", 0), PROTO_OK);
}

/* A wiped chip is told wrong, by bytes that are all wrong and by one bit, and then right. */
static void forgetting(void **state)
{
    static const uint8_t nothing[PROTO_ENVELOPE_PLAIN_SIZE];
    const struct bl_installed *installed = &station.device.vault.record.installed;
    struct proto_statement statement;
    struct proto_envelope_header header;
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    uint8_t confirmation[PROTO_MAC_SIZE] = { 0 };

    (void)state;
    chip_new(1);
    chip_bind(authority.public_key, NULL, true);
    station_boot(&station);
    station_identify(&station, &authority, &statement);
    assert_int_equal(station_install(&station, &authority, &statement, 1), PROTO_OK);
    station_identify(&station, &authority, &statement);
    header = authority_header(&authority, &statement, 2);
    header.purpose = PROTO_PURPOSE_ZEROISE;
    header.keys = 0;
    authority_seal(&authority, &header, statement.public_key, nothing, envelope, receipt_key);
    assert_int_equal(ask(PROTO_CMD_ZEROISE, envelope, sizeof(envelope)), PROTO_OK);
    check_marked(installed->receipt_key, sizeof(installed->receipt_key));
    assert_int_equal(
        ask(PROTO_CMD_FORGET, confirmation, sizeof(confirmation)), PROTO_BAD_CONFIRMATION);
    authority_forget(receipt_key, station.device.chip.id, 2, confirmation);
    confirmation[31] ^= 0x80;
    assert_int_equal(
        ask(PROTO_CMD_FORGET, confirmation, sizeof(confirmation)), PROTO_BAD_CONFIRMATION);
    confirmation[31] ^= 0x80;
    assert_int_equal(ask(PROTO_CMD_FORGET, confirmation, sizeof(confirmation)), PROTO_OK);
}

/* Operations that the commands above do not reach. */
static void key_wrap(void **state)
{
    uint8_t kek[16] = { 1 };
    uint8_t key[16] = { 2 };
    uint8_t wrapped[24];
    uint8_t again[16];

    (void)state;
    (void)VALGRIND_MAKE_MEM_UNDEFINED(kek, sizeof(kek));
    (void)VALGRIND_MAKE_MEM_UNDEFINED(key, sizeof(key));
    assert_true(bl_key_wrap(kek, sizeof(kek), key, sizeof(key), wrapped));
    assert_true(bl_key_unwrap(kek, sizeof(kek), wrapped, sizeof(wrapped), again));
    check_marked(again, sizeof(again));
    (void)VALGRIND_MAKE_MEM_DEFINED(wrapped, sizeof(wrapped));
    wrapped[7] ^= 1;
    assert_false(bl_key_unwrap(kek, sizeof(kek), wrapped, sizeof(wrapped), again));
}

static int setup(void **state)
{
    (void)state;
    authority_init(&authority, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    authority_done(&authority);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(life),
        cmocka_unit_test(forgetting),
        cmocka_unit_test(key_wrap),
    };

    if (RUNNING_ON_VALGRIND == 0) {
        (void)fprintf(stderr, "test_undefined proves nothing without valgrind\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}

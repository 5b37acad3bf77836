/* SPDX-License-Identifier: Apache-2.0 */
/* What the device answers to each command, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cmac.h"
#include "base/hash.h"
#include "tests/unit/device-fw/station.h"

static struct station station;
static struct authority authority;
static struct authority other;

static int setup(void **state)
{
    (void)state;
    authority_init(&other, 2);
    station_begin(&station, &authority);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    authority_done(&authority);
    authority_done(&other);
    return 0;
}

static enum proto_status ask_statement(const uint8_t *key_id)
{
    return station_status(&station, PROTO_CMD_STATEMENT, key_id, PROTO_KEY_ID_SIZE);
}

static void hello_says_who_it_is(void **state)
{
    static const uint8_t chip_id[] = { 27, 7, 6, 1, 4, 0x33, 0x22, 0x11 };
    struct proto_hello ret = station_hello(&station);
    uint8_t digest[PROTO_HASH_SIZE];

    (void)state;
    assert_memory_equal(ret.chip_id, chip_id, sizeof(chip_id));
    assert_int_equal(ret.silicon_id, 0x0100E207);
    assert_int_equal(ret.lifecycle, PROTO_LIFECYCLE_NORMAL);
    assert_int_equal(ret.flags, PROTO_FLAG_LAB | PROTO_FLAG_BOUND);
    assert_int_equal(ret.vault_state, PROTO_VAULT_EMPTY);
    assert_int_equal(ret.bootloader_version, LPA_BOOTLOADER_VERSION);
    assert_int_equal(ret.health, PROTO_OK);
    assert_int_equal(ret.key_version, 0);
    assert_memory_equal(ret.authority_key_id[0], authority.key_id, PROTO_KEY_ID_SIZE);
    base_sha256(chip.image, 0x1000, digest);
    assert_memory_equal(ret.bootloader_hash, digest, sizeof(digest));
    assert_int_equal(chip.flash_operations, 0);
}

static void empty_device_refuses(void **state)
{
    uint8_t bytes[PROTO_ENVELOPE_SIZE] = { 0 };

    (void)state;
    assert_int_equal(station_status(&station, 0, "", 0), PROTO_BAD_COMMAND);
    assert_int_equal(station_status(&station, PROTO_CMD_FORGET + 1, "", 0), PROTO_BAD_COMMAND);
    assert_int_equal(station_status(&station, PROTO_CMD_HELLO, "x", 1), PROTO_BAD_LENGTH);
    assert_int_equal(station_status(&station, PROTO_CMD_STATEMENT, "", 0), PROTO_BAD_LENGTH);
    assert_int_equal(ask_statement(other.key_id), PROTO_WRONG_AUTHORITY);
    assert_int_equal(station_status(&station, PROTO_CMD_INSTALL, bytes, 1), PROTO_BAD_LENGTH);
    assert_int_equal(station_status(&station, PROTO_CMD_RECEIPT, "", 0), PROTO_NO_RECORD);
    assert_int_equal(station_status(&station, PROTO_CMD_SELF_TEST, "", 0), PROTO_NO_RECORD);
    assert_int_equal(station_status(&station, PROTO_CMD_LOCK, "", 0), PROTO_WRONG_STATE);
    assert_int_equal(station_status(&station, PROTO_CMD_RUN, "", 0), PROTO_NO_RECORD);
    assert_int_equal(chip.flash_operations, 0);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_EMPTY);
}

static void install_wants_an_identity(void **state)
{
    struct proto_statement made_up = { .lifecycle = 0 };

    (void)state;
    memcpy(made_up.public_key, authority.public_key, PROTO_PUBLIC_KEY_SIZE);
    assert_int_equal(station_install(&station, &authority, &made_up, 1), PROTO_NO_IDENTITY);
    assert_int_equal(chip.flash_operations, 0);
}

static void statement_stays_the_same(void **state)
{
    struct proto_statement first;
    struct proto_statement again;

    (void)state;
    station_identify(&station, &authority, &first);
    assert_int_equal(first.flags, PROTO_FLAG_LAB);
    assert_int_equal(first.vault_state, PROTO_VAULT_IDENTITY);
    station_identify(&station, &authority, &again);
    assert_memory_equal(first.public_key, again.public_key, PROTO_PUBLIC_KEY_SIZE);
    assert_memory_equal(first.nonce, again.nonce, PROTO_NONCE_SIZE);
    station_boot(&station);
    station_identify(&station, &authority, &again);
    assert_memory_equal(first.public_key, again.public_key, PROTO_PUBLIC_KEY_SIZE);
    assert_memory_equal(first.nonce, again.nonce, PROTO_NONCE_SIZE);
    assert_memory_equal(chip.home[0], chip.home[1], PROTO_VAULT_HOME_SIZE);
    assert_int_equal(chip.flash_operations, 4);
}

static void two_chips_differ(void **state)
{
    struct proto_statement first;
    struct proto_statement second;

    (void)state;
    station_identify(&station, &authority, &first);
    chip_new(2);
    chip_bind(authority.public_key, NULL, true);
    station_boot(&station);
    station_identify(&station, &authority, &second);
    assert_memory_not_equal(first.public_key, second.public_key, PROTO_PUBLIC_KEY_SIZE);
    assert_memory_not_equal(first.nonce, second.nonce, PROTO_NONCE_SIZE);
}

static void install_and_all_that_follows(void **state)
{
    struct proto_statement statement;
    struct proto_statement next;
    struct bl_answer receipt;
    struct bl_answer again;

    (void)state;
    station_identify(&station, &authority, &statement);
    assert_int_equal(station_install(&station, &authority, &statement, 1), PROTO_OK);
    assert_int_equal(station_ask(&station, PROTO_CMD_RECEIPT, "", 0, &receipt), PROTO_OK);
    assert_int_equal(station_install(&station, &authority, &statement, 1), PROTO_ALREADY);
    station_boot(&station);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_COMMITTED);
    assert_int_equal(station_hello(&station).key_version, 1);
    assert_int_equal(station_install(&station, &authority, &statement, 1), PROTO_ALREADY);
    /* A counter that moves does not move the receipt. */
    assert_int_equal(station_status(&station, PROTO_CMD_SELF_TEST, "", 0), PROTO_OK);
    assert_int_equal(station_ask(&station, PROTO_CMD_RECEIPT, "", 0, &again), PROTO_OK);
    assert_memory_equal(receipt.payload, again.payload, PROTO_RECEIPT_SIZE);
    /* The nonce is used up; a rework has its own. */
    assert_int_equal(station_install(&station, &authority, &statement, 2), PROTO_WRONG_NONCE);
    station_identify(&station, &authority, &next);
    assert_memory_not_equal(statement.nonce, next.nonce, PROTO_NONCE_SIZE);
    assert_int_equal(next.key_version, 1);
    assert_int_equal(station_install(&station, &authority, &next, 1), PROTO_OLD_KEY_VERSION);
    assert_int_equal(station_install(&station, &authority, &next, 2), PROTO_OK);
    assert_int_equal(station_install(&station, &authority, &statement, 1), PROTO_WRONG_NONCE);
}

static void check_join(const uint8_t *key, uint16_t dev_nonce)
{
    static const uint8_t start[17] = { 0, 2, 0, 0xFF, 0xD0, 0x7E, 0xD5, 0xB3, 0x70, 1, 0, 0, 0xD0,
        0x7E, 0xD5, 0xB3, 0x70 };
    struct bl_answer answer;
    uint8_t mac[16];

    assert_int_equal(station_ask(&station, PROTO_CMD_SELF_TEST, "", 0, &answer), PROTO_OK);
    assert_int_equal(answer.length, PROTO_JOIN_REQUEST_SIZE);
    assert_memory_equal(answer.payload, start, sizeof(start));
    assert_int_equal(answer.payload[17] | answer.payload[18] << 8, dev_nonce);
    assert_int_equal(base_cmac_aes128(key, answer.payload, 19, mac, NULL), BASE_OK);
    assert_memory_equal(answer.payload + 19, mac, 4);
}

static void self_test_counts_dev_nonces(void **state)
{
    struct proto_statement statement;
    uint8_t key[PROTO_ROOT_KEY_SIZE];
    uint64_t operations;

    (void)state;
    memset(key, 0x41, sizeof(key));
    station_identify(&station, &authority, &statement);
    assert_int_equal(station_install(&station, &authority, &statement, 1), PROTO_OK);
    operations = chip.flash_operations;
    for (uint16_t i = 0; i < 17; i++)
        check_join(key, i);
    assert_int_equal(chip.flash_operations, operations + 8);
    /* After a reset nothing of a reserved step is used again. */
    station_boot(&station);
    check_join(key, 32);
    station.device.vault.record.dev_nonce_limit = 0x10000;
    station.device.dev_nonce_next = 0xFFFF;
    check_join(key, 0xFFFF);
    assert_int_equal(station_status(&station, PROTO_CMD_SELF_TEST, "", 0), PROTO_WRONG_STATE);
}

static void lorawan_1_1_uses_the_network_key(void **state)
{
    struct proto_statement statement;
    struct proto_envelope_header header;
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE];
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];

    (void)state;
    memset(plain, 0x11, PROTO_ROOT_KEY_SIZE);
    memset(plain + PROTO_ROOT_KEY_SIZE, 0x22, PROTO_ROOT_KEY_SIZE);
    station_identify(&station, &authority, &statement);
    header = authority_header(&authority, &statement, 9);
    header.lorawan_version = PROTO_LORAWAN_1_1;
    header.keys = PROTO_KEY_NWK | PROTO_KEY_APP;
    authority_seal(&authority, &header, statement.public_key, plain, envelope, receipt_key);
    assert_int_equal(
        station_status(&station, PROTO_CMD_ZEROISE, envelope, sizeof(envelope)), PROTO_BAD_PURPOSE);
    assert_int_equal(
        station_status(&station, PROTO_CMD_INSTALL, envelope, sizeof(envelope)), PROTO_OK);
    check_join(plain, 0);
}

static void zeroise_wipes_the_keys(void **state)
{
    struct proto_statement statement;
    struct proto_envelope_header header;
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_receipt receipt;
    struct bl_answer answer;

    (void)state;
    station_identify(&station, &authority, &statement);
    header = authority_header(&authority, &statement, 1);
    header.purpose = PROTO_PURPOSE_ZEROISE;
    header.keys = 0;
    authority_seal(&authority, &header, statement.public_key, plain, envelope, receipt_key);
    assert_int_equal(
        station_status(&station, PROTO_CMD_ZEROISE, envelope, sizeof(envelope)), PROTO_NO_RECORD);
    assert_int_equal(station_install(&station, &authority, &statement, 1), PROTO_OK);
    station_identify(&station, &authority, &statement);
    header.key_version = 2;
    memcpy(header.nonce, statement.nonce, sizeof(header.nonce));
    authority_seal(&authority, &header, statement.public_key, plain, envelope, receipt_key);
    assert_int_equal(
        station_status(&station, PROTO_CMD_INSTALL, envelope, sizeof(envelope)), PROTO_BAD_PURPOSE);
    assert_int_equal(
        station_ask(&station, PROTO_CMD_ZEROISE, envelope, sizeof(envelope), &answer), PROTO_OK);
    authority_check_receipt(receipt_key, envelope, answer.payload, &receipt);
    assert_int_equal(
        station_status(&station, PROTO_CMD_ZEROISE, envelope, sizeof(envelope)), PROTO_ALREADY);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_ZEROISED);
    assert_int_equal(station_hello(&station).key_version, 2);
    assert_int_equal(station_status(&station, PROTO_CMD_SELF_TEST, "", 0), PROTO_NO_RECORD);
    for (size_t at = 0; at + PROTO_ROOT_KEY_SIZE <= PROTO_VAULT_HOME_SIZE; at++) {
        static const uint8_t key[PROTO_ROOT_KEY_SIZE] = { 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41,
            0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41 };

        assert_memory_not_equal(chip.home[0] + at, key, sizeof(key));
        assert_memory_not_equal(chip.home[1] + at, key, sizeof(key));
    }
}

/* ---- refusals ---- */

struct sealed {
    struct proto_statement statement;
    struct proto_envelope_header header;
    uint8_t bytes[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    uint8_t home[PROTO_VAULT_HOME_SIZE];
};

static void seal(struct sealed *sealed, const struct authority *sender)
{
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };

    authority_seal(sender, &sealed->header, sealed->statement.public_key, plain, sealed->bytes,
        sealed->receipt_key);
    memcpy(sealed->home, chip.home[0], PROTO_VAULT_HOME_SIZE);
}

static void prepare(struct sealed *sealed)
{
    station_identify(&station, &authority, &sealed->statement);
    sealed->header = authority_header(&authority, &sealed->statement, 1);
    seal(sealed, &authority);
}

static void refuses(const struct sealed *sealed, enum proto_status status)
{
    assert_int_equal(
        station_status(&station, PROTO_CMD_INSTALL, sealed->bytes, PROTO_ENVELOPE_SIZE), status);
    assert_memory_equal(chip.home[0], sealed->home, PROTO_VAULT_HOME_SIZE);
    assert_memory_equal(chip.home[1], sealed->home, PROTO_VAULT_HOME_SIZE);
}

static void refuses_wrong_headers(void **state)
{
    struct sealed sealed;

    (void)state;
    prepare(&sealed);
    sealed.header.chip_id[0] ^= 1;
    seal(&sealed, &authority);
    refuses(&sealed, PROTO_WRONG_CHIP);
    sealed.header.chip_id[0] ^= 1;
    sealed.header.nonce[15] ^= 0x80;
    seal(&sealed, &authority);
    refuses(&sealed, PROTO_WRONG_NONCE);
    sealed.header.nonce[15] ^= 0x80;
    sealed.header.key_version = 0;
    seal(&sealed, &authority);
    refuses(&sealed, PROTO_OLD_KEY_VERSION);
    sealed.header.key_version = 1;
    memcpy(sealed.header.authority_key_id, other.key_id, PROTO_KEY_ID_SIZE);
    seal(&sealed, &other);
    refuses(&sealed, PROTO_WRONG_AUTHORITY);
    /* The other authority's key under the right one's name. */
    memcpy(sealed.header.authority_key_id, authority.key_id, PROTO_KEY_ID_SIZE);
    seal(&sealed, &other);
    refuses(&sealed, PROTO_BAD_MAC);
    /* For another device's key. */
    memcpy(sealed.statement.public_key, other.public_key, PROTO_PUBLIC_KEY_SIZE);
    seal(&sealed, &authority);
    refuses(&sealed, PROTO_BAD_MAC);
}

static void refuses_points_off_the_curve(void **state)
{
    struct sealed sealed;

    (void)state;
    prepare(&sealed);
    sealed.bytes[PROTO_ENVELOPE_HEADER_SIZE] = 2;
    refuses(&sealed, PROTO_BAD_POINT);
    sealed.bytes[PROTO_ENVELOPE_HEADER_SIZE] = 4;
    sealed.bytes[PROTO_ENVELOPE_HEADER_SIZE + 64] ^= 1;
    refuses(&sealed, PROTO_BAD_POINT);
    memset(sealed.bytes + PROTO_ENVELOPE_HEADER_SIZE + 1, 0, 64);
    refuses(&sealed, PROTO_BAD_POINT);
    memset(sealed.bytes + PROTO_ENVELOPE_HEADER_SIZE + 1, 0xFF, 64);
    refuses(&sealed, PROTO_BAD_POINT);
}

/* The status that a flipped bit at this offset of an envelope is answered with. */
static bool is_expected(size_t at, enum proto_status status)
{
    if (at < 6 || at == 74 || at == 75)
        return status >= PROTO_BAD_VERSION && status <= PROTO_BAD_FIELD;
    if (at >= 22 && at < 30)
        return status == PROTO_WRONG_CHIP;
    if (at >= 46 && at < 50)
        return status == PROTO_BAD_MAC || status == PROTO_OLD_KEY_VERSION;
    if (at >= 50 && at < 66)
        return status == PROTO_WRONG_NONCE;
    if (at >= 66 && at < 74)
        return status == PROTO_WRONG_AUTHORITY;
    if (at >= 76 && at < 141)
        return status == PROTO_BAD_POINT;
    return status == PROTO_BAD_MAC;
}

static void refuses_every_flipped_bit(void **state)
{
    struct sealed sealed;

    (void)state;
    prepare(&sealed);
    for (size_t bit = 0; bit < 8 * PROTO_ENVELOPE_SIZE; bit++) {
        enum proto_status status;

        sealed.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        status = station_status(&station, PROTO_CMD_INSTALL, sealed.bytes, PROTO_ENVELOPE_SIZE);
        if (!is_expected(bit / 8, status))
            fail_msg("bit %zu: %s", bit, proto_status_text(status));
        sealed.bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_memory_equal(chip.home[0], sealed.home, PROTO_VAULT_HOME_SIZE);
    assert_int_equal(
        station_status(&station, PROTO_CMD_INSTALL, sealed.bytes, PROTO_ENVELOPE_SIZE), PROTO_OK);
}

static void unbound_image_makes_no_key(void **state)
{
    struct proto_hello ret;

    (void)state;
    chip.image[PROTO_BINDING_OFFSET + 40] ^= 1;
    station_boot(&station);
    ret = station_hello(&station);
    assert_int_equal(ret.health, PROTO_NOT_BOUND);
    assert_int_equal(ret.flags, 0);
    assert_int_equal(ask_statement(authority.key_id), PROTO_NOT_BOUND);
    assert_int_equal(chip.flash_operations, 0);
}

static void production_image_wants_a_closed_port(void **state)
{
    static const uint8_t required[] = PROTO_RESTRICT_REQUIRED;
    struct proto_statement statement;

    (void)state;
    chip_bind(authority.public_key, NULL, false);
    station_boot(&station);
    assert_int_equal(station_hello(&station).health, PROTO_NOT_RESTRICTED);
    assert_int_equal(ask_statement(authority.key_id), PROTO_NOT_RESTRICTED);
    chip.protection = 3;
    chip.fuse[0x2B] = 5;
    memcpy(chip.fuse + 0x27, required, sizeof(required));
    for (size_t i = 0; i < sizeof(required); i++) {
        chip.fuse[0x27 + i] ^= 0x40;
        station_boot(&station);
        assert_int_equal(ask_statement(authority.key_id), PROTO_NOT_RESTRICTED);
        chip.fuse[0x27 + i] ^= 0x40;
    }
    chip.fuse[0x2B] = 7;
    station_boot(&station);
    assert_int_equal(station_hello(&station).lifecycle, PROTO_LIFECYCLE_SECURE_WITH_DEBUG);
    assert_int_equal(ask_statement(authority.key_id), PROTO_NOT_RESTRICTED);
    assert_int_equal(chip.flash_operations, 0);
    chip.fuse[0x2B] = 5;
    station_boot(&station);
    station_identify(&station, &authority, &statement);
    assert_int_equal(statement.flags, 0);
    assert_int_equal(statement.lifecycle, PROTO_LIFECYCLE_SECURE);
}

static void lab_identity_stays_marked(void **state)
{
    static const uint8_t required[] = PROTO_RESTRICT_REQUIRED;
    struct proto_statement statement;

    (void)state;
    station_identify(&station, &authority, &statement);
    chip_bind(authority.public_key, NULL, false);
    chip.protection = 3;
    chip.fuse[0x2B] = 5;
    memcpy(chip.fuse + 0x27, required, sizeof(required));
    station_boot(&station);
    station_identify(&station, &authority, &statement);
    assert_int_equal(statement.flags, PROTO_FLAG_LAB);
}

static void protection_must_read_back(void **state)
{
    (void)state;
    chip.deaf_register = 0x40242204;
    station_boot(&station);
    assert_int_equal(ask_statement(authority.key_id), PROTO_NOT_RESTRICTED);
}

static void second_authority_takes_over(void **state)
{
    struct proto_statement first;
    struct proto_statement second;

    (void)state;
    station_identify(&station, &authority, &first);
    chip_bind(authority.public_key, other.public_key, true);
    station_boot(&station);
    /* Without a statement towards it first: the DH is made for this envelope alone. */
    assert_int_equal(station_install(&station, &other, &first, 1), PROTO_OK);
    station_identify(&station, &other, &second);
    assert_memory_equal(first.public_key, second.public_key, PROTO_PUBLIC_KEY_SIZE);
    assert_int_equal(station_install(&station, &other, &second, 2), PROTO_OK);
    station_identify(&station, &authority, &second);
    assert_int_equal(station_install(&station, &authority, &second, 3), PROTO_OK);
}

static void authority_off_the_curve_is_refused(void **state)
{
    uint8_t bad[PROTO_PUBLIC_KEY_SIZE];
    uint8_t digest[PROTO_HASH_SIZE];

    (void)state;
    memcpy(bad, authority.public_key, sizeof(bad));
    bad[64] ^= 1;
    base_sha256(bad, sizeof(bad), digest);
    chip_bind(bad, NULL, true);
    station_boot(&station);
    assert_int_equal(ask_statement(digest), PROTO_BAD_POINT);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_EMPTY);
    assert_int_equal(chip.flash_operations, 0);
}

static void noise_failure_makes_no_key(void **state)
{
    (void)state;
    for (int noise = CHIP_NOISE_STUCK_0; noise <= CHIP_NOISE_MONITOR; noise++) {
        chip.noise = (enum chip_noise)noise;
        chip.noise_good_words = 0;
        station_boot(&station);
        assert_int_equal(station_hello(&station).health, PROTO_TRNG_FAILED);
        assert_int_equal(ask_statement(authority.key_id), PROTO_TRNG_FAILED);
        /* Good at start-up, bad when the key is made; and then bad for good. */
        chip.noise_good_words = 160;
        station_boot(&station);
        assert_int_equal(station_hello(&station).health, PROTO_OK);
        assert_int_equal(ask_statement(authority.key_id), PROTO_TRNG_FAILED);
        chip.noise = CHIP_NOISE_GOOD;
        assert_int_equal(ask_statement(authority.key_id), PROTO_TRNG_FAILED);
    }
    assert_int_equal(chip.flash_operations, 0);
}

static void noise_failure_during_install_keeps_the_old_state(void **state)
{
    struct proto_statement statement;

    (void)state;
    station_identify(&station, &authority, &statement);
    chip.noise = CHIP_NOISE_STUCK_1;
    assert_int_equal(station_install(&station, &authority, &statement, 1), PROTO_TRNG_FAILED);
    assert_int_equal(station_hello(&station).vault_state, PROTO_VAULT_IDENTITY);
    chip.noise = CHIP_NOISE_GOOD;
    station_boot(&station);
    assert_int_equal(station_install(&station, &authority, &statement, 1), PROTO_OK);
}

static void reset_is_asked_for(void **state)
{
    (void)state;
    assert_false(station.device.reset_wanted);
    assert_int_equal(station_status(&station, PROTO_CMD_RESET, "", 0), PROTO_OK);
    assert_true(station.device.reset_wanted);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hello_says_who_it_is),
        TEST(empty_device_refuses),
        TEST(install_wants_an_identity),
        TEST(statement_stays_the_same),
        TEST(two_chips_differ),
        TEST(install_and_all_that_follows),
        TEST(self_test_counts_dev_nonces),
        TEST(lorawan_1_1_uses_the_network_key),
        TEST(zeroise_wipes_the_keys),
        TEST(refuses_wrong_headers),
        TEST(refuses_points_off_the_curve),
        TEST(refuses_every_flipped_bit),
        TEST(unbound_image_makes_no_key),
        TEST(production_image_wants_a_closed_port),
        TEST(lab_identity_stays_marked),
        TEST(protection_must_read_back),
        TEST(second_authority_takes_over),
        TEST(authority_off_the_curve_is_refused),
        TEST(noise_failure_makes_no_key),
        TEST(noise_failure_during_install_keeps_the_old_state),
        TEST(reset_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

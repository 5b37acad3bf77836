/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/psoc6_secure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/hex.h"
#include "base/rsa.h"
#include "tests/unit/sim/secure_vectors.h"

/* Key object, SECURE_HASH, targets, permits and the plan of fuses: all of it without a chip. The
 * expected digests were computed with Python's integers and hashlib. */

#define KEY_SHA256   "a84d0c35ee88be4b72b30a2a955913aaace0317ef30dab073335e7722ef512de"
#define IMAGE_SHA256 "cf556903435640f0ae172250d58fe1944ffedd678e635586067615c340119690"
#define SECURE_HASH  "2d0525f9335067443b2ca853c669639e"
#define SECURE_ZEROS 68
#define EXPONENT_AT  (0x24U + 256U)
#define TOC2_CRC     "0000d4d5"
#define IMAGE_BYTES  (sizeof(vector_app) + sizeof(vector_signature))

static const uint8_t required[4] = { 0xBF, 0xFF, 0xBB, 0xF7 };
static uint8_t image[IMAGE_BYTES + 1];
static uint8_t key[PRG_PSOC6_KEY_SIZE];
static struct prg_psoc6_target target;

static void big_endian_modulus(uint8_t ret_modulus[PRG_PSOC6_RSA_BYTES])
{
    for (size_t i = 0; i < PRG_PSOC6_RSA_BYTES; i++) {
        ret_modulus[i] = vector_modulus[PRG_PSOC6_RSA_BYTES - 1 - i];
    }
}

static int setup(void **state)
{
    uint8_t modulus[PRG_PSOC6_RSA_BYTES];
    (void)state;
    big_endian_modulus(modulus);
    memcpy(image, vector_app, sizeof(vector_app));
    memcpy(image + sizeof(vector_app), vector_signature, sizeof(vector_signature));
    assert_int_equal(prg_psoc6_key_encode(modulus, 65537, key, NULL), BASE_OK);
    assert_int_equal(
        prg_psoc6_target_make(image, IMAGE_BYTES, key, sizeof(key), required, &target, NULL),
        BASE_OK);
    return 0;
}

static void expect_hex(const uint8_t *bytes, size_t length, const char *expected)
{
    char text[2 * BASE_SHA256_BYTES + 1];
    base_hex_encode(bytes, length, text);
    assert_string_equal(text, expected);
}

static void expect_sha256(const uint8_t *bytes, size_t length, const char *expected)
{
    uint8_t digest[BASE_SHA256_BYTES];
    base_sha256(bytes, length, digest);
    expect_hex(digest, sizeof(digest), expected);
}

/* ---- key object */

static void refuses_what_is_no_key(void **state)
{
    uint8_t modulus[PRG_PSOC6_RSA_BYTES];
    uint8_t out[PRG_PSOC6_KEY_SIZE];
    (void)state;
    big_endian_modulus(modulus);
    assert_int_equal(prg_psoc6_key_encode(modulus, 65536, out, NULL), BASE_E_ARG);
    assert_int_equal(prg_psoc6_key_encode(modulus, 1, out, NULL), BASE_E_ARG);
    modulus[255] &= 0xFE;
    assert_int_equal(prg_psoc6_key_encode(modulus, 65537, out, NULL), BASE_E_ARG);
    modulus[255] |= 1;
    modulus[0] &= 0x7F;
    assert_int_equal(prg_psoc6_key_encode(modulus, 65537, out, NULL), BASE_E_ARG);
}

static void key_object_has_the_roms_form(void **state)
{
    uint8_t modulus[PRG_PSOC6_RSA_BYTES];
    uint8_t expected[PRG_PSOC6_RSA_BYTES];
    uint32_t exponent = 0;
    (void)state;
    expect_sha256(key, sizeof(key), KEY_SHA256);
    assert_int_equal(prg_psoc6_key_decode(key, sizeof(key), modulus, &exponent, NULL), BASE_OK);
    assert_int_equal(exponent, 65537);
    big_endian_modulus(expected);
    assert_memory_equal(modulus, expected, sizeof(expected));
}

/* No byte of it may be another: the ROM would compute with wrong numbers. (Another exponent is
 * another key.) */
static void each_damaged_byte_is_found(void **state)
{
    uint8_t modulus[PRG_PSOC6_RSA_BYTES];
    uint32_t exponent = 0;
    (void)state;
    assert_int_equal(
        prg_psoc6_key_decode(key, sizeof(key) - 1, modulus, &exponent, NULL), BASE_E_CORRUPT);
    for (size_t i = 0; i < sizeof(key); i++) {
        uint8_t damaged[PRG_PSOC6_KEY_SIZE];
        enum base_status status;
        memcpy(damaged, key, sizeof(damaged));
        damaged[i] ^= 0x10;
        status = prg_psoc6_key_decode(damaged, sizeof(damaged), modulus, &exponent, NULL);
        bool in_exponent = i >= EXPONENT_AT && i < EXPONENT_AT + 4;
        if (status != BASE_E_CORRUPT && !in_exponent) {
            fail_msg("byte %zu: status %d", i, (int)status);
        }
    }
    assert_int_not_equal(exponent, 65537);
}

/* ---- target */

static enum base_status make(size_t length, const uint8_t restrictions[4], struct base_err *err)
{
    struct prg_psoc6_target ignored;
    base_err_clear(err);
    return prg_psoc6_target_make(image, length, key, sizeof(key), restrictions, &ignored, err);
}

static void target_wants_a_signed_image(void **state)
{
    static const uint8_t open_dead[4] = { 0xBB, 0xFF, 0xBB, 0xF7 };
    struct base_err err = { .status = BASE_OK };
    (void)state;
    assert_int_equal(make(IMAGE_BYTES, open_dead, &err), BASE_E_ARG);
    assert_int_equal(make(0, required, &err), BASE_E_CORRUPT);
    assert_int_equal(make(sizeof(vector_app), required, &err), BASE_E_CORRUPT);
    assert_non_null(strstr(err.message, "not signed"));
    assert_int_equal(make(IMAGE_BYTES - 1, required, &err), BASE_E_CORRUPT);
    assert_int_equal(make(IMAGE_BYTES + 1, required, &err), BASE_E_CORRUPT);
    for (size_t i = 0; i < IMAGE_BYTES; i += 61) {
        image[i] ^= 1;
        enum base_status status = make(IMAGE_BYTES, required, &err);
        image[i] ^= 1;
        assert_true(status == BASE_E_VERIFY || (i < 8 && status == BASE_E_CORRUPT));
    }
    assert_int_equal(make(IMAGE_BYTES, required, &err), BASE_OK);
}

static void secure_hash_is_of_both_tables_and_the_key(void **state)
{
    uint8_t toc1[PRG_PSOC6_ROW_SIZE];
    uint8_t hash[PRG_SECURE_HASH_SIZE];
    uint8_t zeros = 0;
    (void)state;
    expect_hex(target.secure_hash, sizeof(target.secure_hash), SECURE_HASH);
    assert_int_equal(target.zeros, SECURE_ZEROS);
    expect_hex(target.toc2 + 0x1FC, 4, TOC2_CRC);
    expect_hex(target.key_sha256, 32, KEY_SHA256);
    expect_sha256(image, IMAGE_BYTES, IMAGE_SHA256);
    prg_psoc6_factory_toc1(toc1);
    toc1[100] = 1;
    prg_psoc6_secure_hash(toc1, target.toc2, target.key, hash, &zeros);
    assert_memory_not_equal(hash, target.secure_hash, sizeof(hash));
}

/* ---- permits */

static void permits_allow_what_they_say(void **state)
{
    struct prg_permit permit = { .id = "p1", .acts = PRG_ACT_REHEARSE | PRG_ACT_LOCK };
    struct base_err err = { .status = BASE_OK };
    uint8_t chip[8] = { 1, 2, 3 };
    (void)state;
    assert_int_equal(prg_permit_check(NULL, PRG_ACT_LOCK, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "permit");
    base_err_clear(&err);
    assert_int_equal(prg_permit_check(&permit, PRG_ACT_RESTRICT, &err), BASE_E_DENIED);
    assert_non_null(strstr(err.message, "permit p1 does not allow to restrict"));
    assert_int_equal(prg_permit_check(&permit, (enum prg_act)64, NULL), BASE_E_DENIED);
    assert_int_equal(prg_permit_check(&permit, PRG_ACT_LOCK, NULL), BASE_OK);
    permit.id[0] = '\0';
    assert_int_equal(prg_permit_check(&permit, PRG_ACT_LOCK, NULL), BASE_E_DENIED);
    assert_int_equal(prg_permit_check_chip(&permit, chip, NULL), BASE_OK);
    permit.for_chip = true;
    assert_int_equal(prg_permit_check_chip(&permit, chip, NULL), BASE_E_DENIED);
    memcpy(permit.chip_id, chip, sizeof(chip));
    assert_int_equal(prg_permit_check_chip(&permit, chip, NULL), BASE_OK);
    assert_int_equal(prg_permit_check_chip(NULL, chip, NULL), BASE_E_DENIED);
    for (uint32_t act = 1; act <= PRG_ACT_SETTLE; act <<= 1) {
        assert_int_equal(prg_act_parse(prg_act_name(act)), act);
    }
    assert_null(prg_act_name(3));
    assert_int_equal(prg_act_parse("burn"), 0);
}

static void permit_names_image_key_and_hash(void **state)
{
    struct prg_permit permit = { .id = "p1", .acts = PRG_ACT_RESTRICT };
    (void)state;
    memcpy(permit.image_sha256, target.image_sha256, 32);
    memcpy(permit.key_sha256, target.key_sha256, 32);
    memcpy(permit.secure_hash, target.secure_hash, 16);
    assert_int_equal(prg_psoc6_target_check_permit(&target, &permit, NULL), BASE_OK);
    assert_int_equal(prg_psoc6_target_check_permit(&target, NULL, NULL), BASE_E_DENIED);
    permit.image_sha256[31] ^= 1;
    assert_int_equal(prg_psoc6_target_check_permit(&target, &permit, NULL), BASE_E_DENIED);
    permit.image_sha256[31] ^= 1;
    permit.key_sha256[0] ^= 1;
    assert_int_equal(prg_psoc6_target_check_permit(&target, &permit, NULL), BASE_E_DENIED);
    permit.key_sha256[0] ^= 1;
    permit.secure_hash[15] ^= 1;
    assert_int_equal(prg_psoc6_target_check_permit(&target, &permit, NULL), BASE_E_DENIED);
}

/* ---- plan */

static void plan_of_a_new_board(void **state)
{
    uint8_t fuses[PRG_PSOC6_FUSE_BYTES] = { [0x2B] = 1, [0x2C] = 0xFF, [0x40] = 0x12, [0x24] = 1 };
    struct prg_psoc6_plan plan;
    (void)state;
    assert_int_equal(prg_psoc6_secure_plan(&target, fuses, &plan, NULL), BASE_OK);
    unsigned expected =
        128U - target.zeros + (unsigned)__builtin_popcount(target.zeros) + 7 + 8 + 6 + 7 + 1;
    assert_int_equal(plan.count, expected);
    assert_int_equal(plan.already, 0);
    assert_int_equal(plan.fuses[0].byte, 0x14);
    assert_string_equal(plan.fuses[plan.count - 1].name, "LIFECYCLE.SECURE");
    for (size_t i = 1; i < plan.count; i++) {
        const struct prg_psoc6_fuse *one = &plan.fuses[i - 1];
        const struct prg_psoc6_fuse *next = &plan.fuses[i];
        assert_true(one->byte * 8 + one->bit < next->byte * 8 + next->bit);
    }
}

/* Blown in the plan's order, and the plan made anew after each: what is left is the rest of it. */
static void plan_goes_on_anywhere(void **state)
{
    uint8_t fuses[PRG_PSOC6_FUSE_BYTES] = { [0x2B] = 1 };
    struct prg_psoc6_plan first;
    struct prg_psoc6_plan plan;
    (void)state;
    assert_int_equal(prg_psoc6_secure_plan(&target, fuses, &first, NULL), BASE_OK);
    for (size_t i = 0; i < first.count; i++) {
        assert_int_equal(prg_psoc6_secure_plan(&target, fuses, &plan, NULL), BASE_OK);
        assert_int_equal(plan.already, i);
        assert_int_equal(plan.count, first.count - i);
        assert_memory_equal(&plan.fuses[0], &first.fuses[i], sizeof(plan.fuses[0]));
        fuses[plan.fuses[0].byte] |= (uint8_t)(1U << plan.fuses[0].bit);
    }
    assert_int_equal(prg_psoc6_secure_plan(&target, fuses, &plan, NULL), BASE_OK);
    assert_int_equal(plan.count, 0);
    assert_memory_equal(fuses + 0x14, target.secure_hash, 16);
    assert_int_equal(fuses[0x26], target.zeros);
    assert_memory_equal(fuses + 0x27, required, 4);
    assert_int_equal(fuses[0x2B], 5);
}

/* Any single bit that the target does not want ends it, by name. */
static void foreign_bits_are_refused(void **state)
{
    uint8_t done[PRG_PSOC6_FUSE_BYTES] = { [0x2B] = 5, [0x26] = target.zeros };
    unsigned refused = 0;
    (void)state;
    memcpy(done + 0x14, target.secure_hash, 16);
    memcpy(done + 0x27, required, 4);
    for (unsigned byte = 0; byte < PRG_PSOC6_FUSE_BYTES; byte++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct base_err err = { .status = BASE_OK };
            struct prg_psoc6_plan plan = { .count = 999 };
            struct prg_psoc6_fuse fuse;
            uint8_t fuses[PRG_PSOC6_FUSE_BYTES] = { 0 };
            bool inside = (byte >= 0x14 && byte < 0x24) || (byte >= 0x26 && byte < 0x2C);
            bool want = (done[byte] >> bit & 1U) != 0;
            fuses[byte] = (uint8_t)(1U << bit);
            enum base_status status = prg_psoc6_secure_plan(&target, fuses, &plan, &err);
            assert_int_equal(status, !inside || want ? BASE_OK : BASE_E_VERIFY);
            if (status != BASE_OK) {
                refused++;
                prg_psoc6_fuse_name(byte, bit, &fuse);
                assert_string_equal(err.code, "fuse_foreign");
                assert_non_null(strstr(err.message, fuse.name));
                assert_int_equal(plan.count, 999);
            }
        }
    }
    assert_int_equal(refused,
        22U * 8U - (128U - target.zeros) - (unsigned)__builtin_popcount(target.zeros) - 28U - 2U);
}

static void fuses_have_names(void **state)
{
    struct prg_psoc6_fuse fuse;
    (void)state;
    prg_psoc6_fuse_name(0x16, 1, &fuse);
    assert_string_equal(fuse.name, "SECURE_HASH bit 17");
    prg_psoc6_fuse_name(0x26, 6, &fuse);
    assert_string_equal(fuse.name, "SECURE_HASH_ZEROS bit 6");
    prg_psoc6_fuse_name(0x27, 2, &fuse);
    assert_string_equal(fuse.name, "DEAD_ACCESS_RESTRICT0.SYS_AP");
    prg_psoc6_fuse_name(0x2A, 7, &fuse);
    assert_string_equal(fuse.name, "SECURE_ACCESS_RESTRICT1.DIRECT_EXECUTE");
    prg_psoc6_fuse_name(0x2B, 3, &fuse);
    assert_string_equal(fuse.name, "LIFECYCLE.RMA");
    prg_psoc6_fuse_name(0x40, 0, &fuse);
    assert_string_equal(fuse.name, "byte 0x40 bit 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_key),
        cmocka_unit_test(key_object_has_the_roms_form),
        cmocka_unit_test(each_damaged_byte_is_found),
        cmocka_unit_test(target_wants_a_signed_image),
        cmocka_unit_test(secure_hash_is_of_both_tables_and_the_key),
        cmocka_unit_test(permits_allow_what_they_say),
        cmocka_unit_test(permit_names_image_key_and_hash),
        cmocka_unit_test(plan_of_a_new_board),
        cmocka_unit_test(plan_goes_on_anywhere),
        cmocka_unit_test(foreign_bits_are_refused),
        cmocka_unit_test(fuses_have_names),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

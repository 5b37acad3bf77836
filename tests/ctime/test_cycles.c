/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's own object code on the simulated CM0+, with random secrets: every call of one
 * operation must take the same number of cycles, and give what the same source gives on the host.
 *
 *     test_cycles ELF [TEST]     ELF: the device image, with what it does not call itself linked in
 *
 * 10,000 secrets for each symmetric operation and 200 for those on the curve when LPA_SECONDS is 0;
 * otherwise, for each second of it (default 3), 100 and 1 of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/aead.h"
#include "base/buf.h"
#include "base/keywrap.h"
#include "device-fw/bootloader/aes.h"
#include "device-fw/bootloader/hpke.h"
#include "device-fw/bootloader/kdf.h"
#include "device-fw/bootloader/p256.h"
#include "device-fw/protocol/bytes.h"
#include "tests/ctime/routine.h"

#define SYMMETRIC_ALL        10000U
#define SYMMETRIC_PER_SECOND 100U
#define CURVE_ALL            200U
#define CURVE_PER_SECOND     1U
#define DEFAULT_SECONDS      3U
#define SEED                 UINT64_C(0x6C70612063743031)

#define IN    (ROUTINE_SCRATCH + 0x0000U)
#define KEY   (ROUTINE_SCRATCH + 0x1000U)
#define OUT   (ROUTINE_SCRATCH + 0x2000U)
#define STATE (ROUTINE_SCRATCH + 0x3000U)
#define MORE  (ROUTINE_SCRATCH + 0x4000U)

static struct routine routine;
static const char *elf_path;
static uint64_t seed = SEED;

static void draw(void *ret_data, size_t length)
{
    uint8_t *at = ret_data;

    for (size_t i = 0; i < length; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        at[i] = (uint8_t)(seed >> 24);
    }
}

/* Draw secrets and call once; returns the cycles. Also checks the result. */
typedef uint64_t (*operation)(uint32_t number);

#define CALL(name, ret, ...)                                                                       \
    routine_call(&routine, routine_symbol(&routine, name), (const uint32_t[]){ __VA_ARGS__ },      \
        sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t), ret)

static unsigned long seconds(void)
{
    const char *text = getenv("LPA_SECONDS");

    return text == NULL || *text == '\0' ? DEFAULT_SECONDS : strtoul(text, NULL, 10);
}

static unsigned long count_of(unsigned long all, unsigned long per_second)
{
    unsigned long count = seconds() == 0 ? all : seconds() * per_second;

    return count < all ? count : all;
}

static void same_cycles(
    const char *name, operation run, unsigned long all, unsigned long per_second)
{
    unsigned long count = count_of(all, per_second);
    uint64_t first = run(0);
    uint32_t stack = routine_stack(&routine);

    for (uint32_t i = 1; i < count; i++) {
        uint64_t cycles = run(i);

        if (cycles != first)
            fail_msg("%s: secret %u takes %llu cycles, the first one %llu", name, i,
                (unsigned long long)cycles, (unsigned long long)first);
    }
    print_message("%-22s %9llu cycles, %u bytes of stack; the same for %lu of %lu secrets\n", name,
        (unsigned long long)first, stack, count, all);
}

static void check_out(uint32_t address, const uint8_t *want, size_t length)
{
    uint8_t got[128];

    assert_true(length <= sizeof(got));
    routine_get(&routine, address, got, length);
    assert_memory_equal(got, want, length);
}

/* ---- symmetric ---- */

static uint64_t run_cmac(uint32_t number)
{
    uint8_t key[16];
    uint8_t data[19];
    uint8_t mac[BL_AES_BLOCK_SIZE];
    uint64_t cycles;

    (void)number;
    draw(key, sizeof(key));
    draw(data, sizeof(data));
    bl_aes_cmac(key, sizeof(key), data, sizeof(data), mac);
    routine_put(&routine, KEY, key, sizeof(key));
    routine_put(&routine, IN, data, sizeof(data));
    cycles = CALL("bl_aes_cmac", NULL, KEY, sizeof(key), IN, sizeof(data), OUT);
    check_out(OUT, mac, sizeof(mac));
    return cycles;
}

/* Key schedule and one block; CBC with a zero IV. */
static uint64_t run_aes(uint32_t number)
{
    static const uint8_t zeros[16];
    br_aes_ct_cbcenc_keys keys;
    uint8_t key[16];
    uint8_t block[16];
    uint8_t iv[16] = { 0 };
    uint64_t cycles;

    (void)number;
    draw(key, sizeof(key));
    draw(block, sizeof(block));
    routine_put(&routine, KEY, key, sizeof(key));
    routine_put(&routine, IN, block, sizeof(block));
    routine_put(&routine, OUT, zeros, sizeof(zeros));
    cycles = CALL("br_aes_ct_cbcenc_init", NULL, STATE, KEY, sizeof(key));
    cycles += CALL("br_aes_ct_cbcenc_run", NULL, STATE, OUT, IN, sizeof(block));
    br_aes_ct_cbcenc_init(&keys, key, sizeof(key));
    br_aes_ct_cbcenc_run(&keys, iv, block, sizeof(block));
    check_out(IN, block, sizeof(block));
    return cycles;
}

/* Put a context with random keys and a message sealed under it. */
static void put_sealed(uint8_t plain[32], uint8_t sealed[48])
{
    static const uint8_t aad[76] = { 1, 2, 3 };
    uint32_t part[2] = { MORE, sizeof(aad) };
    struct bl_hpke hpke;
    struct base_aead_opts opts = { .aead = BASE_AEAD_AES_128_GCM,
        .key = hpke.key,
        .nonce = hpke.base_nonce,
        .aad = aad,
        .aad_length = sizeof(aad) };

    draw(&hpke, sizeof(hpke));
    draw(plain, 32);
    assert_int_equal(base_aead_seal(&opts, plain, 32, sealed, NULL), BASE_OK);
    routine_put(&routine, KEY, &hpke, sizeof(hpke));
    routine_put(&routine, MORE, aad, sizeof(aad));
    routine_put(&routine, STATE, part, sizeof(part));
}

static uint64_t run_gcm_open(uint32_t number)
{
    uint8_t plain[32];
    uint8_t sealed[48];
    uint32_t good = 0;
    uint64_t cycles;

    (void)number;
    put_sealed(plain, sealed);
    routine_put(&routine, IN, sealed, sizeof(sealed));
    cycles = CALL("bl_hpke_open", &good, KEY, 0, STATE, IN, sizeof(plain), OUT);
    assert_int_equal(good & 0xFFU, 1);
    check_out(OUT, plain, sizeof(plain));
    return cycles;
}

/* Tags that are wrong in different places. */
static uint64_t run_gcm_refuse(uint32_t number)
{
    static const uint8_t zeros[32];
    uint8_t plain[32];
    uint8_t sealed[48];
    uint32_t good = 1;
    uint64_t cycles;

    put_sealed(plain, sealed);
    sealed[32 + number % 16] ^= (uint8_t)(1U << number / 16 % 8);
    routine_put(&routine, IN, sealed, sizeof(sealed));
    cycles = CALL("bl_hpke_open", &good, KEY, 0, STATE, IN, sizeof(plain), OUT);
    assert_int_equal(good & 0xFFU, 0);
    check_out(OUT, zeros, sizeof(zeros));
    return cycles;
}

static uint64_t run_hmac(uint32_t number)
{
    uint8_t key[32];
    uint8_t data[PROTO_RECEIPT_BODY_SIZE];
    uint8_t mac[PROTO_MAC_SIZE];
    const struct bl_part body = { data, sizeof(data) };
    uint32_t part[2] = { IN, sizeof(data) };
    uint64_t cycles;

    (void)number;
    draw(key, sizeof(key));
    draw(data, sizeof(data));
    bl_hmac(key, sizeof(key), &body, 1, mac);
    routine_put(&routine, KEY, key, sizeof(key));
    routine_put(&routine, IN, data, sizeof(data));
    routine_put(&routine, STATE, part, sizeof(part));
    cycles = CALL("bl_hmac", NULL, KEY, sizeof(key), STATE, 1, OUT);
    check_out(OUT, mac, sizeof(mac));
    return cycles;
}

static uint64_t run_hkdf(uint32_t number)
{
    uint8_t prk[PROTO_HASH_SIZE];
    uint8_t info[40];
    uint8_t out[48];
    const struct bl_part part_of_info = { info, sizeof(info) };
    uint32_t part[2] = { IN, sizeof(info) };
    uint64_t cycles;

    (void)number;
    draw(prk, sizeof(prk));
    draw(info, sizeof(info));
    bl_hkdf_expand(prk, &part_of_info, 1, sizeof(out), out);
    routine_put(&routine, KEY, prk, sizeof(prk));
    routine_put(&routine, IN, info, sizeof(info));
    routine_put(&routine, STATE, part, sizeof(part));
    cycles = CALL("bl_hkdf_expand", NULL, KEY, STATE, 1, sizeof(out), OUT);
    check_out(OUT, out, sizeof(out));
    return cycles;
}

/* Equal, or different from any byte on. */
static uint64_t run_compare(uint32_t number)
{
    uint8_t left[32];
    uint8_t right[32];
    uint32_t equal = 0;
    uint64_t cycles;
    size_t same = number % 33;

    draw(left, sizeof(left));
    draw(right, sizeof(right));
    memcpy(right, left, same);
    if (same < sizeof(left))
        right[same] = (uint8_t)(left[same] ^ (1U << number % 8));
    routine_put(&routine, KEY, left, sizeof(left));
    routine_put(&routine, IN, right, sizeof(right));
    cycles = CALL("proto_equal", &equal, KEY, IN, sizeof(left));
    assert_int_equal(equal & 0xFFU, same == sizeof(left));
    return cycles;
}

static uint64_t run_unwrap(uint32_t number)
{
    uint8_t kek[16];
    uint8_t key[16];
    uint8_t wrapped[24];
    uint32_t good = 0;
    uint64_t cycles;

    (void)number;
    draw(kek, sizeof(kek));
    draw(key, sizeof(key));
    assert_int_equal(base_keywrap_wrap(kek, sizeof(kek), key, sizeof(key), wrapped, NULL), BASE_OK);
    routine_put(&routine, KEY, kek, sizeof(kek));
    routine_put(&routine, IN, wrapped, sizeof(wrapped));
    cycles = CALL("bl_key_unwrap", &good, KEY, sizeof(kek), IN, sizeof(wrapped), OUT);
    assert_int_equal(good & 0xFFU, 1);
    check_out(OUT, key, sizeof(key));
    return cycles;
}

static void symmetric(void **state)
{
    static const struct {
        const char *name;
        operation run;
    } operations[] = {
        { "AES-128, one block", run_aes },
        { "CMAC, 19 bytes", run_cmac },
        { "GCM open", run_gcm_open },
        { "GCM open, wrong tag", run_gcm_refuse },
        { "HMAC, 96 bytes", run_hmac },
        { "HKDF expand, 48 bytes", run_hkdf },
        { "compare, 32 bytes", run_compare },
        { "key unwrap, 16 bytes", run_unwrap },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        same_cycles(operations[i].name, operations[i].run, SYMMETRIC_ALL, SYMMETRIC_PER_SECOND);
}

/* ---- P-256 ---- */

/* A scalar below the group's order. */
static void draw_scalar(uint8_t secret[BL_P256_SECRET_SIZE])
{
    draw(secret, BL_P256_SECRET_SIZE);
    secret[0] &= 0x7F;
    secret[BL_P256_SECRET_SIZE - 1U] |= 1;
}

static void host_public(uint8_t secret[BL_P256_SECRET_SIZE], uint8_t ret_public[65])
{
    br_ec_private_key key = { .curve = BR_EC_secp256r1, .x = secret, .xlen = BL_P256_SECRET_SIZE };

    assert_int_equal(br_ec_compute_pub(&br_ec_p256_m15, NULL, ret_public, &key), 65);
}

static uint64_t run_dh(uint32_t number)
{
    uint8_t secret[BL_P256_SECRET_SIZE];
    uint8_t other[BL_P256_SECRET_SIZE];
    uint8_t public_key[65];
    uint8_t x[32];
    uint32_t good = 0;
    uint64_t cycles;

    (void)number;
    draw_scalar(secret);
    draw_scalar(other);
    host_public(other, public_key);
    assert_true(bl_p256_dh(secret, public_key, x));
    routine_put(&routine, KEY, secret, sizeof(secret));
    routine_put(&routine, IN, public_key, sizeof(public_key));
    cycles = CALL("bl_p256_dh", &good, KEY, IN, OUT);
    assert_int_equal(good & 0xFFU, 1);
    check_out(OUT, x, sizeof(x));
    return cycles;
}

/* What bl_p256_generate() does after the generator is seeded: the secret, then the public key. */
static uint64_t run_keygen(uint32_t number)
{
    uint8_t noise[32];
    uint8_t secret[BL_P256_SECRET_SIZE];
    uint8_t public_key[65];
    uint32_t curve = routine_symbol(&routine, "br_ec_p256_m15");
    uint32_t size = 0;
    uint64_t cycles;

    (void)number;
    draw(noise, sizeof(noise));
    routine_put(&routine, IN, noise, sizeof(noise));
    (void)CALL("br_hmac_drbg_init", NULL, STATE, routine_symbol(&routine, "br_sha256_vtable"), IN,
        sizeof(noise));
    cycles = CALL("br_ec_keygen", &size, STATE, curve, MORE, KEY, BR_EC_secp256r1);
    assert_int_equal(size, BL_P256_SECRET_SIZE);
    cycles += CALL("br_ec_compute_pub", &size, curve, 0, OUT, MORE);
    assert_int_equal(size, 65);
    routine_get(&routine, KEY, secret, sizeof(secret));
    host_public(secret, public_key);
    check_out(OUT, public_key, sizeof(public_key));
    return cycles;
}

static void curve(void **state)
{
    (void)state;
    same_cycles("P-256 DH", run_dh, CURVE_ALL, CURVE_PER_SECOND);
    same_cycles("P-256 key generation", run_keygen, CURVE_ALL, CURVE_PER_SECOND);
}

static int setup(void **state)
{
    (void)state;
    routine_open(&routine, elf_path);
    print_message("seed 0x%016llX\n", (unsigned long long)SEED);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    routine_close(&routine);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symmetric),
        cmocka_unit_test(curve),
    };

    if (argc < 2 || argc > 3) {
        (void)fprintf(stderr, "usage: test_cycles ELF [symmetric | curve]\n");
        return 2;
    }
    if (argc == 3)
        cmocka_set_test_filter(argv[2]);
    elf_path = argv[1];
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/hex.h"

static void expect_hex(const uint8_t *data, size_t length, const char *hex)
{
    char text[256];
    assert_true(2 * length < sizeof(text));
    base_hex_encode(data, length, text);
    assert_string_equal(text, hex);
}

static void hkdf_refuses_lengths(void **state)
{
    (void)state;
    uint8_t prk[32] = { 0 };
    uint8_t out[1] = { 0xAA };
    struct base_err err = { 0 };
    assert_int_equal(base_hkdf_expand(prk, NULL, 0, 0, out, &err), BASE_E_ARG);
    assert_int_equal(
        base_hkdf_expand(prk, NULL, 0, BASE_HKDF_MAX_BYTES + 1, out, NULL), BASE_E_ARG);
    assert_int_equal(out[0], 0xAA);
    assert_string_equal(err.domain, "HKDF");
}

/* FIPS 180-4 examples. */
static void sha256_known_answers(void **state)
{
    (void)state;
    uint8_t digest[32];
    base_sha256("abc", 3, digest);
    expect_hex(digest, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    base_sha256(NULL, 0, digest);
    expect_hex(digest, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    struct base_sha256 hash;
    base_sha256_init(&hash);
    for (size_t i = 0; i < sizeof(two_blocks) - 1; i++) {
        base_sha256_update(&hash, two_blocks + i, 1);
    }
    base_sha256_final(&hash, digest);
    expect_hex(digest, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* RFC 4231 cases 2, 1 and 6. */
static void hmac_known_answers(void **state)
{
    (void)state;
    uint8_t mac[32];
    const struct base_part jefe[] = { { "what do ya want ", 16 }, { NULL, 0 },
        { "for nothing?", 12 } };
    base_hmac_sha256("Jefe", 4, jefe, 3, mac);
    expect_hex(mac, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    uint8_t key[131];
    memset(key, 0x0B, sizeof(key));
    base_hmac_sha256(key, 20, &(struct base_part){ "Hi There", 8 }, 1, mac);
    expect_hex(mac, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    memset(key, 0xAA, sizeof(key));
    base_hmac_sha256(key, sizeof(key),
        &(struct base_part){ "Test Using Larger Than Block-Size Key - Hash Key First", 54 }, 1,
        mac);
    expect_hex(mac, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* RFC 5869 appendix A.1 and A.3. */
static void hkdf_known_answers(void **state)
{
    (void)state;
    uint8_t ikm[22];
    memset(ikm, 0x0B, sizeof(ikm));
    static const uint8_t salt[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    static const uint8_t info[] = { 0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9 };
    const struct base_part parts[] = { { info, 4 }, { info + 4, 6 } };
    uint8_t prk[32];
    uint8_t okm[42];
    base_hkdf_extract(salt, sizeof(salt), &(struct base_part){ ikm, sizeof(ikm) }, 1, prk);
    expect_hex(prk, 32, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
    assert_int_equal(base_hkdf_expand(prk, parts, 2, sizeof(okm), okm, NULL), BASE_OK);
    expect_hex(okm, 42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    base_hkdf_extract(NULL, 0, &(struct base_part){ ikm, sizeof(ikm) }, 1, prk);
    assert_int_equal(base_hkdf_expand(prk, NULL, 0, sizeof(okm), okm, NULL), BASE_OK);
    expect_hex(okm, 42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hkdf_refuses_lengths),
        cmocka_unit_test(sha256_known_answers),
        cmocka_unit_test(hmac_known_answers),
        cmocka_unit_test(hkdf_known_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

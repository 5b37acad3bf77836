/* SPDX-License-Identifier: Apache-2.0 */
/* The device's cryptography against the public vectors that apply to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/bootloader/aes.h"
#include "device-fw/bootloader/hpke.h"
#include "device-fw/bootloader/join.h"
#include "tests/unit/vectors.h"

#define KEM_P256       16
#define AEAD_AES_128   1
#define MODE_BASE      0
#define MODE_AUTH      2
#define JOIN_NONCE_END 19U

static bool is_applicable(const json_t *vector)
{
    int64_t mode = vectors_int(vector, "mode");

    return vectors_int(vector, "kem_id") == KEM_P256 && vectors_int(vector, "kdf_id") == 1 &&
           vectors_int(vector, "aead_id") == AEAD_AES_128 &&
           (mode == MODE_BASE || mode == MODE_AUTH);
}

static void check_messages(const json_t *vector, const struct bl_hpke *hpke)
{
    size_t index;
    json_t *message;

    json_array_foreach(json_object_get(vector, "encryptions"), index, message)
    {
        uint8_t aad[VECTOR_BYTES_MAX];
        uint8_t sealed[VECTOR_BYTES_MAX];
        uint8_t plain[VECTOR_BYTES_MAX];
        uint8_t opened[VECTOR_BYTES_MAX];
        struct bl_part aad_part = { aad, vectors_hex(message, "aad", aad) };
        size_t sealed_length = vectors_hex(message, "ct", sealed);
        size_t length = vectors_hex(message, "pt", plain);
        json_t *coded = json_object_get(message, "seq");
        uint32_t sequence = coded == NULL ? (uint32_t)index : (uint32_t)json_integer_value(coded);

        assert_int_equal(sealed_length, length + BL_HPKE_TAG_SIZE);
        assert_true(bl_hpke_open(hpke, sequence, &aad_part, sealed, length, opened));
        assert_memory_equal(opened, plain, length);
        sealed[sealed_length - 1] ^= 1;
        assert_false(bl_hpke_open(hpke, sequence, &aad_part, sealed, length, opened));
        for (size_t i = 0; i < length; i++)
            assert_int_equal(opened[i], 0);
    }
}

static void check_exports(const json_t *vector, const struct bl_hpke *hpke)
{
    size_t index;
    json_t *item;

    json_array_foreach(json_object_get(vector, "exports"), index, item)
    {
        uint8_t context[VECTOR_BYTES_MAX];
        uint8_t expected[VECTOR_BYTES_MAX];
        uint8_t exported[VECTOR_BYTES_MAX];
        size_t context_length = vectors_hex(item, "exporter_context", context);
        size_t length = vectors_hex(item, "exported_value", expected);

        bl_hpke_export(hpke, context, context_length, length, exported);
        assert_memory_equal(exported, expected, length);
    }
}

static void check_hpke(const json_t *vector)
{
    uint8_t secret[VECTOR_BYTES_MAX];
    uint8_t public_key[VECTOR_BYTES_MAX];
    uint8_t sender[VECTOR_BYTES_MAX];
    uint8_t enc[VECTOR_BYTES_MAX];
    uint8_t info[VECTOR_BYTES_MAX];
    uint8_t sender_dh[BL_P256_SECRET_SIZE];
    size_t info_length = vectors_hex(vector, "info", info);
    bool auth = vectors_int(vector, "mode") == MODE_AUTH;
    struct bl_hpke_keys keys = {
        .secret = secret,
        .public_key = public_key,
        .sender_public = auth ? sender : NULL,
        .sender_dh = auth ? sender_dh : NULL,
    };
    struct bl_hpke hpke;

    assert_int_equal(vectors_hex(vector, "skRm", secret), BL_P256_SECRET_SIZE);
    assert_int_equal(vectors_hex(vector, "pkRm", public_key), PROTO_PUBLIC_KEY_SIZE);
    assert_int_equal(vectors_hex(vector, "enc", enc), PROTO_PUBLIC_KEY_SIZE);
    if (auth) {
        assert_int_equal(vectors_hex(vector, "pkSm", sender), PROTO_PUBLIC_KEY_SIZE);
        assert_true(bl_p256_dh(secret, sender, sender_dh));
    }
    assert_true(bl_hpke_setup(&keys, enc, info, info_length, &hpke));
    check_messages(vector, &hpke);
    check_exports(vector, &hpke);
    enc[PROTO_PUBLIC_KEY_SIZE - 1] ^= 1;
    assert_false(bl_hpke_setup(&keys, enc, info, info_length, &hpke));
}

static void hpke_vectors(void **state)
{
    json_t *file = vectors_load("hpke.json");
    unsigned done[3] = { 0 };
    size_t index;
    json_t *vector;

    (void)state;
    json_array_foreach(vectors_list(file), index, vector)
    {
        if (!is_applicable(vector))
            continue;
        check_hpke(vector);
        done[vectors_int(vector, "mode")]++;
    }
    assert_true(done[MODE_BASE] > 0 || done[MODE_AUTH] > 0);
    json_decref(file);
}

static void cmac_vectors(void **state)
{
    json_t *file = vectors_load("aes_cmac.json");
    size_t index;
    json_t *vector;

    (void)state;
    json_array_foreach(vectors_list(file), index, vector)
    {
        uint8_t key[VECTOR_BYTES_MAX];
        uint8_t message[VECTOR_BYTES_MAX];
        uint8_t tag[VECTOR_BYTES_MAX];
        uint8_t mac[BL_AES_BLOCK_SIZE];
        size_t key_length = vectors_hex(vector, "key", key);
        size_t length = vectors_hex(vector, "msg", message);
        size_t tag_length = vectors_hex(vector, "tag", tag);
        bool valid = json_is_true(json_object_get(vector, "valid"));

        if (key_length != 16 || tag_length != sizeof(mac))
            continue;
        bl_aes_cmac(key, key_length, message, length, mac);
        assert_int_equal(memcmp(mac, tag, sizeof(mac)) == 0, valid);
    }
    json_decref(file);
}

static void key_wrap_vectors(void **state)
{
    json_t *file = vectors_load("key_wrap.json");
    size_t index;
    json_t *vector;

    (void)state;
    json_array_foreach(vectors_list(file), index, vector)
    {
        uint8_t kek[VECTOR_BYTES_MAX];
        uint8_t key[VECTOR_BYTES_MAX];
        uint8_t wrapped[VECTOR_BYTES_MAX];
        uint8_t result[VECTOR_BYTES_MAX];
        size_t kek_length = vectors_hex(vector, "kek", kek);
        size_t length = vectors_hex(vector, "key", key);
        size_t wrapped_length = vectors_hex(vector, "wrapped", wrapped);
        bool valid = json_is_true(json_object_get(vector, "valid"));

        if (valid && length > BL_KEY_WRAP_MAX)
            continue;
        assert_int_equal(bl_key_unwrap(kek, kek_length, wrapped, wrapped_length, result), valid);
        if (!valid)
            continue;
        assert_memory_equal(result, key, length);
        assert_true(bl_key_wrap(kek, kek_length, key, length, result));
        assert_memory_equal(result, wrapped, wrapped_length);
    }
    json_decref(file);
}

static void key_wrap_refuses_lengths(void **state)
{
    static const size_t lengths[] = { 0, 7, 8, 15, 17, 72, SIZE_MAX };
    uint8_t data[128] = { 0 };
    uint8_t result[128] = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        assert_false(bl_key_wrap(data, 16, data, lengths[i], result));
        assert_false(bl_key_unwrap(data, 16, data, lengths[i] + 8, result));
    }
    assert_false(bl_key_wrap(data, 15, data, 16, result));
    assert_false(bl_key_unwrap(data, 0, data, 24, result));
    assert_false(bl_key_unwrap(data, 16, data, 0, result));
    assert_false(bl_key_unwrap(data, 16, data, 7, result));
}

static void join_request_vectors(void **state)
{
    json_t *file = vectors_load("join_request.json");
    unsigned done = 0;
    size_t index;
    json_t *vector;

    (void)state;
    json_array_foreach(vectors_list(file), index, vector)
    {
        uint8_t key[VECTOR_BYTES_MAX];
        uint8_t expected[VECTOR_BYTES_MAX];
        uint8_t join_eui[VECTOR_BYTES_MAX];
        uint8_t dev_eui[VECTOR_BYTES_MAX];
        uint8_t bytes[PROTO_JOIN_REQUEST_SIZE];
        size_t length = vectors_hex(vector, "phy_payload", expected);

        if (strcmp(vectors_text(vector, "message"), "join_request") != 0 ||
            !json_is_true(json_object_get(vector, "mic_valid")) ||
            vectors_hex(vector, "join_eui", join_eui) != PROTO_EUI_SIZE ||
            vectors_hex(vector, "dev_eui", dev_eui) != PROTO_EUI_SIZE)
            continue;
        assert_int_equal(length, PROTO_JOIN_REQUEST_SIZE);
        assert_int_equal(vectors_hex(vector, "key", key), PROTO_ROOT_KEY_SIZE);
        bl_join_encode(join_eui, dev_eui,
            (uint16_t)(expected[JOIN_NONCE_END - 2] | expected[JOIN_NONCE_END - 1] << 8), key,
            bytes);
        assert_memory_equal(bytes, expected, sizeof(bytes));
        done++;
    }
    assert_true(done > 0);
    json_decref(file);
}

static void point_off_the_curve(void **state)
{
    uint8_t secret[BL_P256_SECRET_SIZE] = { [31] = 5 };
    uint8_t x[BL_P256_SECRET_SIZE];
    uint8_t point[PROTO_PUBLIC_KEY_SIZE] = { 4 };

    (void)state;
    memset(x, 0xEE, sizeof(x));
    assert_false(bl_p256_dh(secret, point, x));
    for (size_t i = 0; i < sizeof(x); i++)
        assert_int_equal(x[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_wrap_refuses_lengths),
        cmocka_unit_test(point_off_the_curve),
        cmocka_unit_test(hpke_vectors),
        cmocka_unit_test(cmac_vectors),
        cmocka_unit_test(key_wrap_vectors),
        cmocka_unit_test(join_request_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

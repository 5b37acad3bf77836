/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hpke.h"
#include "base/p256.h"
#include "base/x25519.h"
#include "tests/unit/vectors.h"

/* A key of either KEM. */
struct key {
    struct base_p256 *p256;
    struct base_x25519 *x25519;
    struct base_hpke_key hpke;
};

static void key_done(struct key *key)
{
    base_p256_free(key->p256);
    base_x25519_free(key->x25519);
}

static void key_from(struct key *key, int64_t kem, const uint8_t *bytes, bool derive)
{
    memset(key, 0, sizeof(*key));
    if (kem == BASE_HPKE_KEM_P256) {
        assert_int_equal(derive ? base_p256_derive(bytes, 32, &key->p256, NULL)
                                : base_p256_from_scalar(bytes, &key->p256, NULL),
            BASE_OK);
        base_p256_hpke(key->p256, &key->hpke);
    } else {
        assert_int_equal(derive ? base_x25519_derive(bytes, 32, &key->x25519, NULL)
                                : base_x25519_from_bytes(bytes, &key->x25519, NULL),
            BASE_OK);
        base_x25519_hpke(key->x25519, &key->hpke);
    }
}

static bool is_applicable(const json_t *vector)
{
    int64_t kem = vectors_int(vector, "kem_id");
    int64_t aead = vectors_int(vector, "aead_id");
    return (kem == BASE_HPKE_KEM_P256 || kem == BASE_HPKE_KEM_X25519) &&
           vectors_int(vector, "kdf_id") == BASE_HPKE_KDF_SHA256 &&
           (aead == BASE_HPKE_EXPORT_ONLY || (aead >= 1 && aead <= 3));
}

/* Private key from the scalar, which the derivation from ikm must reproduce with its public key. */
static void load_key(
    struct key *key, const json_t *vector, const char *sk, const char *pk, const char *ikm)
{
    uint8_t bytes[VECTOR_BYTES_MAX];
    uint8_t public_key[VECTOR_BYTES_MAX];
    struct key derived;
    int64_t kem = vectors_int(vector, "kem_id");
    size_t length = vectors_hex(vector, pk, public_key);
    if (vectors_hex(vector, ikm, bytes) == 32) {
        key_from(&derived, kem, bytes, true);
        assert_int_equal(derived.hpke.public_length, length);
        assert_memory_equal(derived.hpke.public_key, public_key, length);
        key_done(&derived);
    }
    assert_int_equal(vectors_hex(vector, sk, bytes), 32);
    key_from(key, kem, bytes, false);
    assert_int_equal(key->hpke.public_length, length);
    assert_memory_equal(key->hpke.public_key, public_key, length);
}

static void check_messages(
    const json_t *vector, struct base_hpke *sender, struct base_hpke *receiver)
{
    size_t index;
    json_t *message;
    int64_t next = 0;
    json_array_foreach(json_object_get(vector, "encryptions"), index, message)
    {
        uint8_t aad[VECTOR_BYTES_MAX];
        uint8_t plain[VECTOR_BYTES_MAX];
        uint8_t want[VECTOR_BYTES_MAX];
        uint8_t sealed[VECTOR_BYTES_MAX];
        uint8_t opened[VECTOR_BYTES_MAX];
        size_t aad_length = vectors_hex(message, "aad", aad);
        size_t length = vectors_hex(message, "pt", plain);
        size_t want_length = vectors_hex(message, "ct", want);
        json_t *seq = json_object_get(message, "seq");
        int64_t wanted = seq == NULL ? next : json_integer_value(seq);
        /* Files may leave sequence numbers out: pass them with messages of our own. */
        for (; next < wanted; next++) {
            assert_int_equal(base_hpke_seal(sender, NULL, 0, "", 0, sealed, NULL), BASE_OK);
            assert_int_equal(base_hpke_open(receiver, NULL, 0, sealed, 16, opened, NULL), BASE_OK);
        }
        assert_int_equal(
            base_hpke_seal(sender, aad, aad_length, plain, length, sealed, NULL), BASE_OK);
        assert_int_equal(length + BASE_AEAD_TAG_BYTES, want_length);
        assert_memory_equal(sealed, want, want_length);
        sealed[0] ^= 1;
        assert_int_equal(
            base_hpke_open(receiver, aad, aad_length, sealed, want_length, opened, NULL),
            BASE_E_VERIFY);
        assert_int_equal(
            base_hpke_open(receiver, aad, aad_length, want, want_length, opened, NULL), BASE_OK);
        assert_memory_equal(opened, plain, length);
        next++;
    }
}

static void check_exports(
    const json_t *vector, const struct base_hpke *sender, const struct base_hpke *receiver)
{
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(vector, "exports"), index, item)
    {
        uint8_t context[VECTOR_BYTES_MAX];
        uint8_t want[VECTOR_BYTES_MAX];
        uint8_t got[VECTOR_BYTES_MAX];
        size_t context_length = vectors_hex(item, "exporter_context", context);
        size_t length = vectors_hex(item, "exported_value", want);
        assert_int_equal(vectors_int(item, "L"), length);
        assert_int_equal(
            base_hpke_export(sender, context, context_length, length, got, NULL), BASE_OK);
        assert_memory_equal(got, want, length);
        assert_int_equal(
            base_hpke_export(receiver, context, context_length, length, got, NULL), BASE_OK);
        assert_memory_equal(got, want, length);
    }
}

static void check_vector(const json_t *vector)
{
    struct key recipient;
    struct key ephemeral;
    struct key sender_key = { 0 };
    uint8_t info[VECTOR_BYTES_MAX];
    uint8_t psk[VECTOR_BYTES_MAX];
    uint8_t psk_id[VECTOR_BYTES_MAX];
    uint8_t want[VECTOR_BYTES_MAX];
    enum base_hpke_mode mode = (enum base_hpke_mode)vectors_int(vector, "mode");
    bool auth = mode == BASE_HPKE_AUTH || mode == BASE_HPKE_AUTH_PSK;
    load_key(&recipient, vector, "skRm", "pkRm", "ikmR");
    load_key(&ephemeral, vector, "skEm", "pkEm", "ikmE");
    if (auth) {
        load_key(&sender_key, vector, "skSm", "pkSm", "ikmS");
    }
    const struct base_hpke_key *sender_hpke = auth ? &sender_key.hpke : NULL;
    struct base_hpke_opts opts = { .mode = mode,
        .kem_id = (uint16_t)vectors_int(vector, "kem_id"),
        .kdf_id = BASE_HPKE_KDF_SHA256,
        .aead_id = (uint16_t)vectors_int(vector, "aead_id"),
        .info = info,
        .psk = psk,
        .psk_id = psk_id };
    opts.info_length = vectors_hex(vector, "info", info);
    opts.psk_length = vectors_hex(vector, "psk", psk);
    opts.psk_id_length = vectors_hex(vector, "psk_id", psk_id);

    uint8_t enc[BASE_HPKE_PUBLIC_MAX_BYTES];
    size_t enc_length = 0;
    struct base_hpke *sender = NULL;
    struct base_hpke *receiver = NULL;
    assert_int_equal(
        base_hpke_setup_sender(&opts, recipient.hpke.public_key, recipient.hpke.public_length,
            &ephemeral.hpke, sender_hpke, enc, &enc_length, &sender, NULL),
        BASE_OK);
    assert_int_equal(vectors_hex(vector, "enc", want), enc_length);
    assert_memory_equal(enc, want, enc_length);
    struct base_hpke_received received = { enc, enc_length,
        auth ? sender_key.hpke.public_key : NULL, auth ? sender_key.hpke.public_length : 0 };
    assert_int_equal(
        base_hpke_setup_receiver(&opts, &recipient.hpke, &received, &receiver, NULL), BASE_OK);
    check_messages(vector, sender, receiver);
    check_exports(vector, sender, receiver);
    base_hpke_free(sender);
    base_hpke_free(receiver);
    key_done(&recipient);
    key_done(&ephemeral);
    key_done(&sender_key);
}

static void agrees_with_the_vectors(void **state)
{
    (void)state;
    json_t *file = vectors_load("hpke.json");
    size_t ran = 0;
    size_t index;
    json_t *vector;
    json_array_foreach(vectors_list(file), index, vector)
    {
        if (is_applicable(vector)) {
            check_vector(vector);
            ran++;
        }
    }
    print_message("%zu of %zu HPKE vectors\n", ran, json_array_size(vectors_list(file)));
    json_decref(file);
    assert_true(ran > 0);
}

static void refuses_bad_arguments(void **state)
{
    (void)state;
    struct key a;
    struct key b;
    uint8_t scalar[32] = { 0 };
    uint8_t enc[BASE_HPKE_PUBLIC_MAX_BYTES];
    size_t enc_length = 0;
    struct base_hpke *hpke = NULL;
    struct base_err err = { 0 };
    scalar[31] = 3;
    key_from(&a, BASE_HPKE_KEM_P256, scalar, false);
    key_from(&b, BASE_HPKE_KEM_X25519, scalar, false);
    struct base_hpke_opts opts = { BASE_HPKE_BASE, BASE_HPKE_KEM_P256, 1, 1, NULL, 0, NULL, 0, NULL,
        0 };
#define SETUP(ephemeral, sender, length)                                                           \
    base_hpke_setup_sender(                                                                        \
        &opts, a.hpke.public_key, (length), (ephemeral), (sender), enc, &enc_length, &hpke, &err)
    assert_int_equal(SETUP(&a.hpke, &a.hpke, 65), BASE_E_ARG); /* sender in base mode */
    assert_int_equal(SETUP(NULL, NULL, 65), BASE_E_ARG);
    assert_int_equal(SETUP(&b.hpke, NULL, 65), BASE_E_ARG); /* other KEM */
    assert_int_equal(SETUP(&a.hpke, NULL, 64), BASE_E_ARG);
    opts.mode = BASE_HPKE_AUTH;
    assert_int_equal(SETUP(&a.hpke, NULL, 65), BASE_E_ARG);
    opts.mode = BASE_HPKE_PSK;
    assert_int_equal(SETUP(&a.hpke, NULL, 65), BASE_E_ARG);
    opts.mode = (enum base_hpke_mode)4;
    assert_int_equal(SETUP(&a.hpke, NULL, 65), BASE_E_ARG);
    opts.mode = BASE_HPKE_BASE;
    opts.aead_id = 4;
    assert_int_equal(SETUP(&a.hpke, NULL, 65), BASE_E_UNSUPPORTED);
    opts.aead_id = 1;
    opts.kdf_id = 3;
    assert_int_equal(SETUP(&a.hpke, NULL, 65), BASE_E_UNSUPPORTED);
    opts.kdf_id = 1;
    opts.kem_id = 0x11;
    assert_int_equal(SETUP(&a.hpke, NULL, 65), BASE_E_UNSUPPORTED);
    opts.kem_id = BASE_HPKE_KEM_P256;
    uint8_t off_curve[65];
    memcpy(off_curve, a.hpke.public_key, sizeof(off_curve));
    off_curve[64] ^= 1;
    memcpy(b.hpke.public_key, a.hpke.public_key, 65);
    assert_int_equal(
        base_hpke_setup_sender(&opts, off_curve, 65, &a.hpke, NULL, enc, &enc_length, &hpke, NULL),
        BASE_E_VERIFY);
    struct base_hpke_received received = { off_curve, 65, NULL, 0 };
    assert_int_equal(
        base_hpke_setup_receiver(&opts, &a.hpke, &received, &hpke, NULL), BASE_E_VERIFY);
    assert_null(hpke);
    assert_string_not_equal(err.message, "");
    assert_int_equal(SETUP(&a.hpke, NULL, 65), BASE_OK);
    uint8_t out[64];
    assert_int_equal(base_hpke_open(hpke, NULL, 0, enc, 32, out, NULL), BASE_E_ARG);
    assert_int_equal(base_hpke_export(hpke, NULL, 0, 0, out, NULL), BASE_E_ARG);
    base_hpke_free(hpke);
    key_done(&a);
    key_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_arguments),
        cmocka_unit_test(agrees_with_the_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

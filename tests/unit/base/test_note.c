/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/note.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The example of Go's note package, by its author. */
static const char peter_vkey[] =
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char peter_skey[] =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
static const char peter_body[] = "If you think cryptography is the answer to your problem,\n"
                                 "then you don't know what your problem is.\n";
static const char peter_note[] =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\xE2\x80\x94 PeterNeumann "
    "x08go/ZJkuBS9UG/"
    "SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

/* A checkpoint of a public log with cosignatures of public witnesses. */
static const char public_note[] =
    "arche2025h1.staging.ct.transparency.dev\n"
    "1432088532\n"
    "U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n"
    "\n"
    "\xE2\x80\x94 arche2025h1.staging.ct.transparency.dev "
    "zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJX"
    "Fbon5Ch9MNL5zRNZ55lvGt0=\n"
    "\xE2\x80\x94 arche2025h1.staging.ct.transparency.dev "
    "ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n"
    "\xE2\x80\x94 remora.n621.de "
    "2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxt"
    "qB0DrAWfBw==\n";
static const char public_log_vkey[] =
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";
static const char public_witness_vkey[] =
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";

static struct base_note_verifier parsed(const char *vkey)
{
    struct base_note_verifier verifier;
    assert_int_equal(base_note_verifier_parse(vkey, &verifier, NULL), BASE_OK);
    return verifier;
}

static void refuses_bad_verifier_keys(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "+", "a+b+c",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumanN+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TX",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+Axpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct base_note_verifier verifier;
        struct base_err err = { 0 };
        assert_int_equal(base_note_verifier_parse(bad[i], &verifier, &err), BASE_E_ARG);
        assert_string_not_equal(err.message, "");
    }
    /* Every cut of a good key is bad. */
    for (size_t length = 0; length < strlen(peter_vkey); length++) {
        char cut[128];
        struct base_note_verifier verifier;
        memcpy(cut, peter_vkey, length);
        cut[length] = '\0';
        assert_int_equal(base_note_verifier_parse(cut, &verifier, NULL), BASE_E_ARG);
    }
}

static void verifier_keys_round_trip(void **state)
{
    (void)state;
    static const char *const good[] = { peter_vkey, public_log_vkey, public_witness_vkey,
        "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k" };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct base_note_verifier verifier = parsed(good[i]);
        char text[BASE_NOTE_VKEY_SIZE];
        base_note_verifier_format(&verifier, text);
        assert_string_equal(text, good[i]);
    }
}

static void peter_key(struct base_note_key *key)
{
    struct base_secret text;
    assert_int_equal(base_secret_copy(&text, peter_skey, strlen(peter_skey), NULL), BASE_OK);
    assert_int_equal(base_note_key_parse(&text, key, NULL), BASE_OK);
    base_secret_done(&text);
}

static void signs_the_published_note(void **state)
{
    (void)state;
    struct base_note_key key;
    struct base_note_signer signer;
    struct base_buf note;
    struct base_note_verifier verifier = parsed(peter_vkey);
    struct base_note_opened opened;
    base_buf_init(&note, BASE_NOTE_MAX_BYTES);
    peter_key(&key);
    base_note_key_signer(&key, &signer);
    assert_int_equal(
        base_note_sign(&signer, peter_body, strlen(peter_body), 0, &note, NULL), BASE_OK);
    assert_int_equal(note.length, strlen(peter_note));
    assert_memory_equal(note.data, peter_note, note.length);
    assert_int_equal(
        base_note_open(peter_note, strlen(peter_note), &verifier, 1, &opened, NULL), BASE_OK);
    assert_int_equal(opened.body_length, strlen(peter_body));
    assert_int_equal(opened.valid_count, 1);
    assert_true(opened.by[0].valid);
    base_buf_done(&note);
    base_note_key_done(&key);
}

static void opens_a_public_cosigned_checkpoint(void **state)
{
    (void)state;
    const struct base_note_verifier verifiers[] = { parsed(public_witness_vkey), parsed(peter_vkey),
        parsed(public_log_vkey) };
    struct base_note_opened opened;
    struct base_checkpoint checkpoint;
    assert_int_equal(
        base_note_open(public_note, strlen(public_note), verifiers, 3, &opened, NULL), BASE_OK);
    assert_int_equal(opened.valid_count, 2);
    assert_true(opened.by[0].valid);
    assert_false(opened.by[1].valid);
    assert_true(opened.by[2].valid);
    assert_int_equal(opened.by[0].time_s, 0x6A122120);
    assert_int_equal(opened.by[2].time_s, 0);
    assert_int_equal(
        base_checkpoint_parse(public_note, opened.body_length, &checkpoint, NULL), BASE_OK);
    assert_string_equal(checkpoint.origin, "arche2025h1.staging.ct.transparency.dev");
    assert_int_equal(checkpoint.head.size, 1432088532);
    struct base_buf body;
    base_buf_init(&body, 1024);
    assert_int_equal(base_checkpoint_format(&checkpoint, &body, NULL), BASE_OK);
    assert_int_equal(body.length, opened.body_length);
    assert_memory_equal(body.data, public_note, body.length);
    base_buf_done(&body);
}

/* Whatever byte is changed, the note no longer opens with the same body for both keys. */
static void finds_every_changed_byte(void **state)
{
    (void)state;
    struct base_note_verifier verifier = parsed(peter_vkey);
    char note[sizeof(peter_note)];
    memcpy(note, peter_note, sizeof(note));
    for (size_t i = 0; i + 1 < sizeof(note); i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct base_note_opened opened;
            note[i] = (char)(note[i] ^ 1 << bit);
            assert_int_not_equal(
                base_note_open(note, sizeof(note) - 1, &verifier, 1, &opened, NULL), BASE_OK);
            note[i] = (char)(note[i] ^ 1 << bit);
        }
    }
}

static void refuses_what_is_not_a_note(void **state)
{
    (void)state;
    struct base_note_verifier verifier = parsed(peter_vkey);
    struct base_note_opened opened;
    struct base_err err = { 0 };
    size_t length = strlen(peter_note);
    for (size_t cut = 0; cut < length; cut++) {
        assert_int_not_equal(base_note_open(peter_note, cut, &verifier, 1, &opened, NULL), BASE_OK);
    }
    assert_int_equal(base_note_open(peter_note, length, &verifier, 0, &opened, NULL), BASE_E_ARG);
    assert_int_equal(
        base_note_open(peter_note, length, &verifier, BASE_NOTE_VERIFIERS_MAX + 1, &opened, NULL),
        BASE_E_ARG);
    verifier = parsed(public_log_vkey);
    assert_int_equal(
        base_note_open(peter_note, length, &verifier, 1, &opened, &err), BASE_E_VERIFY);
    assert_string_not_equal(err.message, "");
    static const char *const bad[] = { "a\n\n", "a\n\n- x y\n", "a\n\n\xE2\x80\x94 x\n",
        "a\n\n\xE2\x80\x94 x y z\n", "a\n\n\xE2\x80\x94 x !!!!\n", "a\x01\n\n\xE2\x80\x94 x YQ==\n",
        "\xFF\n\n\xE2\x80\x94 x YQ==\n", "\xED\xA0\x80\n\n", "\xC0\x80\n\n", "\n\n", "\n" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_not_equal(
            base_note_open(bad[i], strlen(bad[i]), &verifier, 1, &opened, NULL), BASE_OK);
    }
    char *big = calloc(1, BASE_NOTE_MAX_BYTES + 1);
    assert_non_null(big);
    memset(big, '\n', BASE_NOTE_MAX_BYTES + 1);
    assert_int_equal(
        base_note_open(big, BASE_NOTE_MAX_BYTES + 1, &verifier, 1, &opened, NULL), BASE_E_PROTO);
    free(big);
}

static void cosigns(void **state)
{
    (void)state;
    struct base_random_seeded seeded;
    struct base_note_key log_key = { 0 };
    struct base_note_key witness_key = { 0 };
    struct base_note_signer log_signer;
    struct base_note_signer witness_signer;
    struct base_buf note;
    static const char body[] = "station 1\n5\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n";
    base_random_seeded_init(&seeded, 1);
    base_buf_init(&note, BASE_NOTE_MAX_BYTES);
    assert_int_equal(
        base_note_key_generate("station-1", BASE_NOTE_ED25519, &seeded.random, &log_key, NULL),
        BASE_OK);
    assert_int_equal(
        base_note_key_generate("kms", BASE_NOTE_COSIGNATURE, &seeded.random, &witness_key, NULL),
        BASE_OK);
    base_note_key_signer(&log_key, &log_signer);
    base_note_key_signer(&witness_key, &witness_signer);
    assert_int_equal(base_note_sign(&log_signer, body, strlen(body), 0, &note, NULL), BASE_OK);
    assert_int_equal(
        base_note_sign_line(&witness_signer, body, strlen(body), 1700000000, &note, NULL), BASE_OK);
    const struct base_note_verifier both[] = { log_key.verifier, witness_key.verifier };
    struct base_note_opened opened;
    assert_int_equal(base_note_open(note.data, note.length, both, 2, &opened, NULL), BASE_OK);
    assert_int_equal(opened.valid_count, 2);
    assert_int_equal(opened.by[1].time_s, 1700000000);
    base_buf_done(&note);
    base_note_key_done(&log_key);
    base_note_key_done(&witness_key);
}

static void signs_no_ambiguous_body(void **state)
{
    (void)state;
    struct base_note_key key;
    struct base_note_signer signer;
    struct base_buf note;
    base_buf_init(&note, BASE_NOTE_MAX_BYTES);
    peter_key(&key);
    base_note_key_signer(&key, &signer);
    static const char *const bad[] = { "", "\n", "no newline", "a\n\nb\n", "\na\n", "a\x02\n",
        "\xFF\n" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(
            base_note_sign(&signer, bad[i], strlen(bad[i]), 0, &note, NULL), BASE_E_ARG);
        assert_int_equal(note.length, 0);
    }
    base_buf_done(&note);
    base_note_key_done(&key);
}

static void private_keys_round_trip_in_a_file(void **state)
{
    (void)state;
    char folder[] = "/tmp/lpa-note-XXXXXX";
    char path[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/key", folder);
    struct base_note_key key;
    struct base_note_key again = { 0 };
    struct base_secret text;
    peter_key(&key);
    assert_int_equal(base_note_key_format(&key, &text, NULL), BASE_OK);
    assert_int_equal(text.length, strlen(peter_skey));
    assert_memory_equal(text.data, peter_skey, text.length);
    text.data[text.length - 1] ^= 1;
    assert_int_equal(base_note_key_parse(&text, &again, NULL), BASE_E_ARG);
    base_secret_done(&text);
    assert_int_equal(base_note_key_load(path, &again, NULL), BASE_E_NOTFOUND);
    assert_int_equal(base_note_key_store(&key, path, NULL), BASE_OK);
    assert_int_equal(base_note_key_load(path, &again, NULL), BASE_OK);
    assert_memory_equal(key.seed.data, again.seed.data, 32);
    base_note_key_done(&key);
    base_note_key_done(&again);
    base_note_key_done(NULL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void refuses_bad_checkpoints(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "a", "a\n1\n",
        "a\n1\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=",
        "a\n1\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\nextension\n",
        "\n1\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n",
        "a\n01\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n",
        "a\n-1\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n",
        "a\n\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n",
        "a\n18446744073709551616\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n",
        "a\n9223372036854775808\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n",
        "a\n1\nU7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4R==\n", "a\n1\nYQ==\n" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct base_checkpoint checkpoint = { .head.size = 77 };
        struct base_err err = { 0 };
        assert_int_equal(
            base_checkpoint_parse(bad[i], strlen(bad[i]), &checkpoint, &err), BASE_E_PROTO);
        assert_int_equal(checkpoint.head.size, 77);
        assert_string_not_equal(err.message, "");
    }
    struct base_buf body;
    struct base_checkpoint checkpoint = { .origin = "two\nlines" };
    base_buf_init(&body, 1024);
    assert_int_equal(base_checkpoint_format(&checkpoint, &body, NULL), BASE_E_ARG);
    checkpoint.origin[0] = '\0';
    assert_int_equal(base_checkpoint_format(&checkpoint, &body, NULL), BASE_E_ARG);
    base_buf_done(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_verifier_keys),
        cmocka_unit_test(verifier_keys_round_trip),
        cmocka_unit_test(refuses_what_is_not_a_note),
        cmocka_unit_test(refuses_bad_checkpoints),
        cmocka_unit_test(signs_no_ambiguous_body),
        cmocka_unit_test(signs_the_published_note),
        cmocka_unit_test(opens_a_public_cosigned_checkpoint),
        cmocka_unit_test(finds_every_changed_byte),
        cmocka_unit_test(cosigns),
        cmocka_unit_test(private_keys_round_trip_in_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Out of memory at every place: each scenario runs with the first allocation failing, then the
 * second, and so on, until it runs through. A failure must be told as such, leak nothing and change
 * nothing. Our own allocations (linker option --wrap) and jansson's count; OpenSSL's do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/merkle.h"
#include "base/note.h"
#include "base/p256.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *data, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *data, size_t size);

static unsigned long fail_at; /* 0 = never */
static unsigned long allocations;

static bool fails_now(void)
{
    allocations++;
    return fail_at != 0 && allocations == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *data, size_t size)
{
    return fails_now() ? NULL : __real_realloc(data, size);
}

/* Returns BASE_OK once nothing failed. */
typedef enum base_status scenario_fn(struct base_err *err);

static void at_every_place(scenario_fn *scenario)
{
    for (unsigned long n = 1; n < 10000; n++) {
        struct base_err err = { 0 };
        fail_at = n;
        allocations = 0;
        enum base_status status = scenario(&err);
        bool reached = allocations >= n;
        fail_at = 0;
        if (!reached) {
            assert_int_equal(status, BASE_OK);
            assert_true(n > 1); /* the scenario allocates at all */
            print_message("%lu places\n", n - 1);
            return;
        }
        assert_int_not_equal(status, BASE_OK);
        assert_string_not_equal(err.message, "");
    }
    fail_msg("the scenario never ran through");
}

static enum base_status json_scenario(struct base_err *err)
{
    static const char text[] = "{\"a\":[1,2,{\"b\":\"text\"}],\"c\":\"0011\",\"d\":true}";
    json_t *object = NULL;
    struct base_buf canonical;
    base_buf_init(&canonical, 1000);
    enum base_status status = base_json_parse(text, strlen(text), 1000, &object, err);
    if (status == BASE_OK) {
        status = base_json_set_hex(object, "h", "xyz", 3, err);
    }
    if (status == BASE_OK) {
        status = base_json_set_base64(object, "s", "xyz", 3, err);
    }
    if (status == BASE_OK) {
        status = base_json_set_text(object, "t", "text", err);
    }
    if (status == BASE_OK) {
        status = base_json_set_int(object, "i", 7, err);
    }
    if (status == BASE_OK) {
        status = base_json_canonical(object, &canonical, err);
        assert_true(status == BASE_OK || canonical.length == 0);
    }
    json_decref(object);
    base_buf_done(&canonical);
    return status;
}

static enum base_status tree_scenario(struct base_err *err)
{
    struct base_merkle_tree tree = { 0 };
    enum base_status status = BASE_OK;
    for (uint8_t i = 0; i < 100 && status == BASE_OK; i++) {
        uint8_t leaf[32];
        base_merkle_leaf(&i, 1, leaf);
        uint64_t before = tree.size;
        status = base_merkle_tree_append(&tree, leaf, err);
        assert_int_equal(tree.size, before + (status == BASE_OK ? 1 : 0));
    }
    base_merkle_tree_done(&tree);
    return status;
}

static enum base_status note_scenario(struct base_err *err)
{
    struct base_random_seeded seeded;
    struct base_note_key key = { 0 };
    struct base_note_signer signer;
    struct base_note_opened opened;
    struct base_buf note;
    base_random_seeded_init(&seeded, 3);
    base_buf_init(&note, BASE_NOTE_MAX_BYTES);
    enum base_status status =
        base_note_key_generate("log", BASE_NOTE_COSIGNATURE, &seeded.random, &key, err);
    if (status == BASE_OK) {
        base_note_key_signer(&key, &signer);
        status = base_note_sign(&signer, "a\nb\n", 4, 5, &note, err);
        assert_true(status == BASE_OK || note.length == 0);
    }
    if (status == BASE_OK) {
        status = base_note_open(note.data, note.length, &key.verifier, 1, &opened, err);
    }
    base_note_key_done(&key);
    base_buf_done(&note);
    return status;
}

static enum base_status hpke_scenario(struct base_err *err)
{
    struct base_random_seeded seeded;
    struct base_p256 *ours = NULL;
    struct base_p256 *fresh = NULL;
    struct base_hpke *hpke = NULL;
    struct base_hpke_key ephemeral;
    const struct base_hpke_opts opts = { .mode = BASE_HPKE_BASE,
        .kem_id = BASE_HPKE_KEM_P256,
        .kdf_id = BASE_HPKE_KDF_SHA256,
        .aead_id = BASE_AEAD_AES_128_GCM };
    uint8_t point[BASE_P256_POINT_BYTES];
    uint8_t enc[BASE_HPKE_PUBLIC_MAX_BYTES];
    size_t enc_length = 0;
    base_random_seeded_init(&seeded, 4);
    enum base_status status = base_p256_generate(&seeded.random, &ours, err);
    if (status == BASE_OK) {
        base_p256_public(ours, point);
        status = base_p256_generate(&seeded.random, &fresh, err);
    }
    if (status == BASE_OK) {
        base_p256_hpke(fresh, &ephemeral);
        status = base_hpke_setup_sender(
            &opts, point, sizeof(point), &ephemeral, NULL, enc, &enc_length, &hpke, err);
        assert_true(status == BASE_OK || (hpke == NULL && enc_length == 0));
    }
    base_hpke_free(hpke);
    base_p256_free(fresh);
    base_p256_free(ours);
    return status;
}

static void json(void **state)
{
    (void)state;
    at_every_place(json_scenario);
}

static void tree(void **state)
{
    (void)state;
    at_every_place(tree_scenario);
}

static void note(void **state)
{
    (void)state;
    at_every_place(note_scenario);
}

static void hpke(void **state)
{
    (void)state;
    at_every_place(hpke_scenario);
}

static int count_jansson(void **state)
{
    (void)state;
    json_set_alloc_funcs(__wrap_malloc, free);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json),
        cmocka_unit_test(tree),
        cmocka_unit_test(note),
        cmocka_unit_test(hpke),
    };
    return cmocka_run_group_tests(tests, count_jansson, NULL);
}

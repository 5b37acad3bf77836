/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cmac.h"
#include "tests/unit/vectors.h"

static void agrees_with_the_vectors(void **state)
{
    (void)state;
    json_t *file = vectors_load("aes_cmac.json");
    size_t ran = 0;
    size_t index;
    json_t *vector;
    json_array_foreach(vectors_list(file), index, vector)
    {
        uint8_t key[VECTOR_BYTES_MAX];
        uint8_t message[VECTOR_BYTES_MAX];
        uint8_t want[VECTOR_BYTES_MAX];
        uint8_t tag[BASE_CMAC_BYTES];
        if (vectors_hex(vector, "key", key) != 16) {
            continue;
        }
        size_t length = vectors_hex(vector, "msg", message);
        size_t want_length = vectors_hex(vector, "tag", want);
        bool valid = json_is_true(json_object_get(vector, "valid"));
        assert_int_equal(base_cmac_aes128(key, message, length, tag, NULL), BASE_OK);
        bool same = want_length == sizeof(tag) && memcmp(tag, want, sizeof(tag)) == 0;
        if (same != valid) {
            fail_msg("vector %zu (%s) fails", index, vectors_text(vector, "source"));
        }
        ran++;
    }
    json_decref(file);
    print_message("%zu CMAC vectors\n", ran);
    assert_true(ran > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(agrees_with_the_vectors) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

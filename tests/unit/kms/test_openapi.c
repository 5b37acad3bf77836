/* SPDX-License-Identifier: Apache-2.0 */
/* kms/openapi.yaml names every route and every problem code, and no other code. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "kms/call.h"
#include "tests/unit/kms/lab.h"

static char *load(struct base_buf *text)
{
    base_buf_init(text, 1U << 20);
    assert_int_equal(base_file_read(OPENAPI_FILE, text, NULL), BASE_OK);
    assert_non_null(base_buf_text(text));
    return (char *)text->data;
}

static void test_codes(void **state)
{
    (void)state;
    static const char *const codes[] = {
#define X(name, code, http, title) code,
        KMS_PROBLEM_LIST(X)
#undef X
    };
    struct base_buf text;
    const char *list = strstr(load(&text), "            - request_bad\n");
    assert_non_null(list);
    size_t listed = 0;
    for (const char *at = list; (at = strstr(at, "            - ")) != NULL; at++) {
        listed++;
    }
    assert_int_equal(listed, sizeof(codes) / sizeof(codes[0]));
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char line[80];
        (void)snprintf(line, sizeof(line), "            - %s\n", codes[i]);
        if (strstr(list, line) == NULL) {
            fail_msg("openapi.yaml lacks the code %s", codes[i]);
        }
    }
    base_buf_done(&text);
}

/* Every path of the document is a call of the KMS: it is refused for its content, not for its name.
 */
static void test_paths(void **state)
{
    (void)state;
    struct lab lab;
    struct lab_station station;
    struct base_buf text;
    unsigned found = 0;
    lab_open(&lab);
    lab_add_station(&lab, &station, "station-1", KMS_ROLE_PROVISION);
    char *document = load(&text);
    for (char *at = strstr(document, "\n  /v1/"); at != NULL; at = strstr(at, "\n  /v1/")) {
        char path[128];
        size_t used = 0;
        json_t *answer = NULL;
        at += 3;
        char *end = strchr(at, ':');
        assert_non_null(end);
        for (const char *c = at; c < end; c++) {
            if (*c == '{') {
                path[used++] = 'X';
                c = strchr(c, '}');
            } else {
                path[used++] = *c;
            }
        }
        path[used] = '\0';
        char *next = strstr(end, "\n  /");
        bool get =
            strstr(end, "\n    get:") != NULL && (next == NULL || strstr(end, "\n    get:") < next);
        (void)lab_call(&lab, &station, get ? KMS_GET : KMS_POST, path, get ? NULL : "{}", &answer);
        assert_string_not_equal(lab_text(answer, "code"), "no_such_call");
        json_decref(answer);
        found++;
        at = end;
    }
    assert_int_equal(found, 14);
    base_buf_done(&text);
    lab_station_done(&station);
    lab_close(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: records of the audit log, read in one pass. A record that is accepted is canonical
 * JSON. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/json.h"
#include "lpa/audit_record.h"

static void check_canonical(const uint8_t *data, size_t size)
{
    json_t *object = NULL;
    struct base_buf text;
    base_buf_init(&text, LPA_AUDIT_RECORD_MAX);
    FUZZ_CHECK(base_json_parse(data, size, LPA_AUDIT_RECORD_MAX, &object, NULL) == BASE_OK);
    FUZZ_CHECK(base_json_canonical(object, &text, NULL) == BASE_OK);
    FUZZ_CHECK(text.length == size && memcmp(text.data, data, size) == 0);
    base_buf_done(&text);
    json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lpa_audit_fields fields;
    struct base_err err = { 0 };
    if (lpa_audit_record_scan((const char *)data, size, &fields, &err) != BASE_OK) {
        FUZZ_CHECK(err.message[0] != '\0');
        return 0;
    }
    check_canonical(data, size);
    const struct lpa_span *span = (const struct lpa_span *)&fields;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*span); i++) {
        const char *end = (const char *)data + size;
        uint64_t number = 0;
        uint8_t hash[32];
        char copy[64];
        if (span[i].data == NULL) {
            continue;
        }
        FUZZ_CHECK(span[i].data >= (const char *)data && span[i].data + span[i].length <= end);
        (void)lpa_span_number(span[i], &number);
        (void)lpa_span_hash(span[i], hash);
        (void)lpa_span_hex(span[i], 8, hash);
        lpa_span_text(span[i], sizeof(copy), copy);
        FUZZ_CHECK(strlen(copy) < sizeof(copy));
    }
    return 0;
}

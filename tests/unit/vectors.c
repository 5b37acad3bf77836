/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"

json_t *vectors_load(const char *name)
{
    const char *folder = getenv("LPA_VECTORS");
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s",
        folder == NULL || folder[0] == '\0' ? LPA_VECTORS_DEFAULT : folder, name);
    json_error_t fault;
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &fault);
    if (file == NULL) {
        fail_msg("cannot read vectors %s: %s (line %d)", path, fault.text, fault.line);
    }
    if (json_array_size(json_object_get(file, "vectors")) == 0) {
        fail_msg("there are no vectors in %s", path);
    }
    return file;
}

json_t *vectors_list(const json_t *file)
{
    return json_object_get(file, "vectors");
}

size_t vectors_hex(const json_t *vector, const char *name, uint8_t ret_data[VECTOR_BYTES_MAX])
{
    const char *text = vectors_text(vector, name);
    size_t length = strlen(text) / 2;
    assert_true(length <= VECTOR_BYTES_MAX);
    assert_int_equal(base_hex_decode(text, length, ret_data, NULL), BASE_OK);
    return length;
}

const char *vectors_text(const json_t *vector, const char *name)
{
    const char *text = json_string_value(json_object_get(vector, name));
    return text == NULL ? "" : text;
}

int64_t vectors_int(const json_t *vector, const char *name)
{
    return json_integer_value(json_object_get(vector, name));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: base64 and hexadecimal text. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/base64.h"
#include "base/hex.h"

static void check_base64(const char *text, size_t length)
{
    uint8_t bytes[4096];
    char again[BASE_BASE64_SIZE(sizeof(bytes))];
    size_t used = 0;
    if (base_base64_decode(text, length, sizeof(bytes), bytes, &used, NULL) == BASE_OK) {
        base_base64_encode(bytes, used, again);
        FUZZ_CHECK(strlen(again) == length && memcmp(again, text, length) == 0);
    }
    if (base_base64url_decode(text, length, sizeof(bytes), bytes, &used, NULL) == BASE_OK) {
        base_base64url_encode(bytes, used, again);
        FUZZ_CHECK(strlen(again) == length && memcmp(again, text, length) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[2048];
    uint8_t bytes[sizeof(text)];
    struct base_err err = { 0 };
    check_base64((const char *)data, size);
    if (size < sizeof(text)) {
        memcpy(text, data, size);
        text[size] = '\0';
        (void)base_hex_decode(text, size / 2, bytes, &err);
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/programmer/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"

void script_exchange(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length)
{
    struct script *script = user;
    char text[2 * PRG_PACKET_MAX + 1];
    base_hex_encode(request, length, text);
    if (script->at >= script->count) {
        fail_msg("request %zu was not expected: %s", script->at, text);
    }
    const struct script_step *step = &script->steps[script->at++];
    assert_string_equal(text, step->request);
    *ret_length = strlen(step->answer) / 2;
    assert_int_equal(base_hex_decode(step->answer, *ret_length, ret_response, NULL), BASE_OK);
}

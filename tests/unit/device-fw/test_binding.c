/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/protocol/binding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct proto_binding make_binding(void)
{
    struct proto_binding binding = {
        .flags = PROTO_FLAG_LAB,
        .minimum_bootloader = 0x01020304,
        .minimum_protocol = 1,
        .bootloader_version = 0x05060708,
    };

    for (size_t i = 0; i < PROTO_PUBLIC_KEY_SIZE; i++) {
        binding.authority_key[0][i] = (uint8_t)(4 + i);
        binding.application_key[i] = (uint8_t)(4 + 2 * i);
    }
    return binding;
}

static void decode_refuses_bad_bytes(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum proto_status status;
    } cases[] = {
        { 0, 'X', PROTO_BAD_VERSION },
        { 7, '2', PROTO_BAD_VERSION },
        { 8, 2, PROTO_BAD_FIELD },
        { 9, 1, PROTO_BAD_FIELD },
        { 17, 1, PROTO_BAD_FIELD },
        { 31, 1, PROTO_BAD_FIELD },
        { 32, 3, PROTO_BAD_FIELD },
        { 100, 1, PROTO_BAD_FIELD },
        { 162, 0, PROTO_BAD_FIELD },
        { 227, 1, PROTO_BAD_FIELD },
        { 991, 1, PROTO_BAD_FIELD },
    };
    struct proto_binding binding = make_binding();
    struct proto_binding ret;
    uint8_t bytes[PROTO_BINDING_SIZE];

    (void)state;
    memset(&ret, 0xEE, sizeof(ret));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        proto_binding_encode(&binding, bytes);
        bytes[cases[i].at] = cases[i].value;
        assert_int_equal(proto_binding_decode(bytes, &ret), cases[i].status);
    }
    assert_int_equal(ret.flags, 0xEE);
}

static void encode_has_exact_bytes(void **state)
{
    static const uint8_t start[34] = { 'L', 'P', 'A', 'B', 'I', 'N', 'D', '1', 1, 0, 0, 0, 1, 2, 3,
        4, 1, 0, 0, 0, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 4, 5 };
    struct proto_binding binding = make_binding();
    struct proto_binding ret;
    uint8_t bytes[PROTO_BINDING_SIZE];

    (void)state;
    memset(bytes, 0xFF, sizeof(bytes));
    memset(&ret, 0, sizeof(ret));
    proto_binding_encode(&binding, bytes);
    assert_memory_equal(bytes, start, sizeof(start));
    assert_int_equal(bytes[96], 68);
    for (size_t i = 97; i < 162; i++)
        assert_int_equal(bytes[i], 0);
    assert_int_equal(bytes[162], 4);
    assert_int_equal(bytes[163], 6);
    for (size_t i = 227; i < PROTO_BINDING_SIZE; i++)
        assert_int_equal(bytes[i], 0);
    /* The hash at the end is the caller's and not looked at. */
    memset(bytes + PROTO_BINDING_HASH_AT, 0xAB, 32);
    assert_int_equal(proto_binding_decode(bytes, &ret), PROTO_OK);
    assert_int_equal(ret.bootloader_version, binding.bootloader_version);
    assert_memory_equal(ret.authority_key, binding.authority_key, sizeof(ret.authority_key));
    assert_memory_equal(ret.application_key, binding.application_key, sizeof(ret.application_key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_refuses_bad_bytes),
        cmocka_unit_test(encode_has_exact_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

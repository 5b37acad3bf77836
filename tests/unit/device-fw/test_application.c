/* SPDX-License-Identifier: Apache-2.0 */
/* The application image's header and entries: bad bytes, then the exact ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/protocol/application.h"

#define SIGNATURE 70U
#define ENTRIES   (4U + 3U * 4U + 2U * PROTO_HASH_SIZE + SIGNATURE)

static void header_refuses_bad_bytes(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum proto_status status;
    } cases[] = {
        { 0, 0, PROTO_BAD_VERSION },
        { 4, 1, PROTO_BAD_FIELD },
        { 8, 0x20, PROTO_BAD_FIELD },
        { 10, 1, PROTO_BAD_FIELD },
        { 16, 1, PROTO_BAD_FIELD },
        { 28, 1, PROTO_BAD_FIELD },
        { 12, 7, PROTO_BAD_LENGTH },
        { 15, 1, PROTO_BAD_LENGTH },
    };
    const struct proto_application application = { 8, 1 };
    struct proto_application ret = { 99, 99 };
    uint8_t bytes[PROTO_APPLICATION_HEADER_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        proto_application_encode(&application, bytes);
        bytes[cases[i].at] = cases[i].value;
        assert_int_equal(proto_application_decode(bytes, &ret), cases[i].status);
    }
    assert_int_equal(ret.program_size, 99);
    assert_int_equal(ret.version, 99);
}

static void header_has_exact_bytes(void **state)
{
    static const uint8_t start[32] = { 0x3D, 0xB8, 0xF3, 0x96, 0, 0, 0, 0, 0, 4, 0, 0, 0x44, 0x33,
        2, 0, 0, 0, 0, 0, 1, 2, 4, 3, 0, 0, 0, 0, 0, 0, 0, 0 };
    const struct proto_application application = { 0x23344, 0x01020304 };
    struct proto_application ret;
    uint8_t bytes[PROTO_APPLICATION_HEADER_SIZE];

    (void)state;
    proto_application_encode(&application, bytes);
    assert_memory_equal(bytes, start, sizeof(start));
    for (size_t i = sizeof(start); i < sizeof(bytes); i++)
        assert_int_equal(bytes[i], 0);
    assert_int_equal(proto_application_decode(bytes, &ret), PROTO_OK);
    assert_int_equal(ret.program_size, application.program_size);
    assert_int_equal(ret.version, application.version);
}

static size_t make_entries(uint8_t ret_bytes[PROTO_APPLICATION_TLV_MAX])
{
    struct proto_application_tlv tlv = { .signature_length = SIGNATURE };

    memset(tlv.digest, 0x11, sizeof(tlv.digest));
    memset(tlv.key_hash, 0x22, sizeof(tlv.key_hash));
    memset(tlv.signature, 0x33, sizeof(tlv.signature));
    return proto_application_tlv_encode(&tlv, ret_bytes);
}

/* Places of the entries: digest at 4, key at 40, signature at 76. */
static void entries_refuse_bad_bytes(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum proto_status status;
    } cases[] = {
        { 0, 8, PROTO_BAD_FIELD },               /* no such magic */
        { 2, ENTRIES + 1, PROTO_BAD_LENGTH },    /* more than there is */
        { 3, 2, PROTO_BAD_LENGTH },              /* more than may be */
        { 2, 0, PROTO_BAD_FIELD },               /* less than their own header */
        { 2, 76, PROTO_BAD_FIELD },              /* without signature */
        { 2, 60, PROTO_BAD_LENGTH },             /* ends inside a hash */
        { 2, 78, PROTO_BAD_LENGTH },             /* ends inside an entry's head */
        { 2, ENTRIES - 1, PROTO_BAD_LENGTH },    /* ends inside a value */
        { 4, 0x77, PROTO_BAD_FIELD },            /* unknown */
        { 40, 0x10, PROTO_BAD_FIELD },           /* a second digest */
        { 6, 31, PROTO_BAD_FIELD },              /* digest of another length */
        { 78, 7, PROTO_BAD_FIELD },              /* signature too short */
        { 78, SIGNATURE + 1, PROTO_BAD_LENGTH }, /* longer than what is left */
    };
    struct proto_application_tlv tlv = { .total = 99 };
    uint8_t bytes[2U * PROTO_APPLICATION_TLV_MAX] = { 0 };

    (void)state;
    assert_int_equal(make_entries(bytes), ENTRIES);
    for (size_t length = 0; length < ENTRIES; length++)
        assert_int_equal(proto_application_tlv_decode(bytes, length, &tlv), PROTO_BAD_LENGTH);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)make_entries(bytes);
        bytes[cases[i].at] = cases[i].value;
        assert_int_equal(proto_application_tlv_decode(bytes, ENTRIES, &tlv), cases[i].status);
    }
    /* A signature that fits its entry, but not ours. */
    (void)make_entries(bytes);
    bytes[2] = (uint8_t)(ENTRIES - SIGNATURE + PROTO_APPLICATION_SIGNATURE_MAX + 1U);
    bytes[78] = PROTO_APPLICATION_SIGNATURE_MAX + 1U;
    assert_int_equal(proto_application_tlv_decode(bytes, sizeof(bytes), &tlv), PROTO_BAD_FIELD);
    (void)make_entries(bytes);
    bytes[3] = 1;
    assert_int_equal(proto_application_tlv_decode(bytes, sizeof(bytes), &tlv), PROTO_BAD_LENGTH);
    assert_int_equal(tlv.total, 99);
}

static void entries_have_exact_bytes(void **state)
{
    static const uint8_t heads[3][4] = { { 0x10, 0, 32, 0 }, { 0x01, 0, 32, 0 },
        { 0x22, 0, SIGNATURE, 0 } };
    static const size_t places[3] = { 4, 40, 76 };
    struct proto_application_tlv tlv;
    uint8_t bytes[PROTO_APPLICATION_TLV_MAX];

    (void)state;
    assert_int_equal(make_entries(bytes), ENTRIES);
    assert_memory_equal(bytes, ((const uint8_t[]){ 0x07, 0x69, ENTRIES, 0 }), 4);
    for (unsigned i = 0; i < 3; i++)
        assert_memory_equal(bytes + places[i], heads[i], sizeof(heads[i]));
    assert_int_equal(proto_application_tlv_decode(bytes, sizeof(bytes), &tlv), PROTO_OK);
    assert_int_equal(tlv.total, ENTRIES);
    assert_int_equal(tlv.signature_length, SIGNATURE);
    assert_memory_equal(tlv.digest, bytes + 8, sizeof(tlv.digest));
    assert_memory_equal(tlv.key_hash, bytes + 44, sizeof(tlv.key_hash));
    assert_memory_equal(tlv.signature, bytes + 80, SIGNATURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_refuses_bad_bytes),
        cmocka_unit_test(header_has_exact_bytes),
        cmocka_unit_test(entries_refuse_bad_bytes),
        cmocka_unit_test(entries_have_exact_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/protocol/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SIZE 0x900U

static void make_image(uint8_t bytes[SIZE])
{
    static const uint8_t header[24] = { 0x00, 0x09, 0, 0, 0x01, 0x80, 7, 0, 0, 0, 0, 0, 1, 0, 0, 0,
        0xF0, 0, 0, 0, 0, 0, 0, 0xC6 };
    struct proto_binding binding = { .flags = PROTO_FLAG_LAB, .bootloader_version = 0x00010000 };

    memset(bytes, 0, SIZE);
    memcpy(bytes, header, sizeof(header));
    proto_binding_encode(&binding, bytes + PROTO_BINDING_OFFSET);
}

static void decode_refuses_bad_bytes(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum proto_status status;
    } cases[] = {
        { 0, 1, PROTO_BAD_LENGTH },
        { 2, 1, PROTO_BAD_LENGTH },
        { 4, 2, PROTO_BAD_FIELD },
        { 12, 2, PROTO_BAD_FIELD },
        { 16, 0, PROTO_BAD_FIELD },
        { 23, 0xC7, PROTO_BAD_FIELD },
        { PROTO_BINDING_OFFSET, 'X', PROTO_BAD_VERSION },
        { PROTO_BINDING_OFFSET + 8, 0x80, PROTO_BAD_FIELD },
    };
    struct proto_image image = { .binding_bytes = NULL };
    uint8_t bytes[SIZE];

    (void)state;
    make_image(bytes);
    assert_int_equal(proto_image_decode(bytes, 0, &image), PROTO_BAD_LENGTH);
    assert_int_equal(proto_image_decode(bytes, PROTO_IMAGE_CODE_OFFSET, &image), PROTO_BAD_LENGTH);
    assert_int_equal(proto_image_decode(bytes, SIZE - 1, &image), PROTO_BAD_LENGTH);
    assert_int_equal(proto_image_decode(bytes, PROTO_IMAGE_MAX_SIZE + 1, &image), PROTO_BAD_LENGTH);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make_image(bytes);
        bytes[cases[i].at] = cases[i].value;
        assert_int_equal(proto_image_decode(bytes, SIZE, &image), cases[i].status);
    }
    assert_null(image.binding_bytes);
}

static void decode_finds_the_parts(void **state)
{
    struct proto_image image;
    uint8_t bytes[SIZE];

    (void)state;
    make_image(bytes);
    assert_int_equal(proto_image_decode(bytes, SIZE, &image), PROTO_OK);
    assert_int_equal(image.object_size, SIZE);
    assert_int_equal(image.application_version, 7);
    assert_int_equal(image.binding.flags, PROTO_FLAG_LAB);
    assert_int_equal(image.binding.bootloader_version, 0x00010000);
    assert_ptr_equal(image.binding_bytes, bytes + 0x400);
    assert_false(image.is_signed);
}

/* The attribute says that a signature follows; a length with 256 bytes more without it is wrong. */
static void decode_knows_signed_images(void **state)
{
    struct proto_image image;
    uint8_t bytes[SIZE];

    (void)state;
    make_image(bytes);
    assert_int_equal(proto_image_decode(bytes, SIZE + 256, &image), PROTO_BAD_LENGTH);
    proto_image_mark_signed(bytes);
    assert_int_equal(bytes[8], 1);
    assert_int_equal(proto_image_decode(bytes, SIZE + 256, &image), PROTO_OK);
    assert_true(image.is_signed);
    assert_int_equal(image.object_size, SIZE);
    assert_int_equal(proto_image_decode(bytes, SIZE, &image), PROTO_OK);
    assert_true(image.is_signed);
    assert_int_equal(proto_image_decode(bytes, SIZE + 255, &image), PROTO_BAD_LENGTH);
    assert_int_equal(proto_image_decode(bytes, SIZE + 512, &image), PROTO_BAD_LENGTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_refuses_bad_bytes),
        cmocka_unit_test(decode_finds_the_parts),
        cmocka_unit_test(decode_knows_signed_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

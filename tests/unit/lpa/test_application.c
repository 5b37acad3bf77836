/* SPDX-License-Identifier: Apache-2.0 */
/* What the station refuses of an application image before it touches a board. */
#include "lpa/application.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/p256.h"

#define PROGRAM_BYTES 3000U
#define COVERED       (PROTO_APPLICATION_HEADER_SIZE + PROGRAM_BYTES)

static char path[] = "/tmp/lpa-application-test-XXXXXX";
static struct base_p256 *signer;
static uint8_t key[PROTO_PUBLIC_KEY_SIZE];

/* A signed image of 3000 bytes, as `lpa-image app-sign` makes it. */
static void make(struct base_buf *image)
{
    const struct proto_application header = { PROGRAM_BYTES, 0x01020003U };
    struct proto_application_tlv tlv = { .signature_length = 0 };
    uint8_t bytes[PROTO_APPLICATION_HEADER_SIZE];
    uint8_t spki[PROTO_SPKI_PREFIX_SIZE + PROTO_PUBLIC_KEY_SIZE];
    uint8_t entries[PROTO_APPLICATION_TLV_MAX];
    uint8_t program[PROGRAM_BYTES];
    base_buf_init(image, 1U << 20);
    memset(program, 0x5A, sizeof(program));
    proto_application_encode(&header, bytes);
    assert_int_equal(base_buf_append(image, bytes, sizeof(bytes), NULL), BASE_OK);
    assert_int_equal(base_buf_append(image, program, sizeof(program), NULL), BASE_OK);
    memcpy(spki, proto_application_spki_prefix, PROTO_SPKI_PREFIX_SIZE);
    memcpy(spki + PROTO_SPKI_PREFIX_SIZE, key, sizeof(key));
    base_sha256(spki, sizeof(spki), tlv.key_hash);
    base_sha256(image->data, image->length, tlv.digest);
    assert_int_equal(
        base_p256_sign(signer, tlv.digest, tlv.signature, &tlv.signature_length, NULL), BASE_OK);
    assert_int_equal(
        base_buf_append(image, entries, proto_application_tlv_encode(&tlv, entries), NULL),
        BASE_OK);
}

static void expect(
    const struct base_buf *image, const uint8_t *by, enum base_status status, const char *code)
{
    struct lpa_application application = { .version = 9 };
    struct base_err err = { 0 };
    assert_int_equal(base_file_replace(path, image->data, image->length, 0600, NULL), BASE_OK);
    assert_int_equal(lpa_application_load(path, by, &application, &err), status);
    assert_string_equal(err.code, code);
    if (status != BASE_OK) {
        assert_int_equal(application.version, 9);
        assert_non_null(strstr(err.message, path));
        return;
    }
    assert_int_equal(application.version, 0x01020003U);
    assert_int_equal(application.program.count, 1);
    assert_int_equal(application.program.segments[0].address, PROTO_APPLICATION_ADDRESS);
    assert_int_equal(application.program.segments[0].length, image->length);
    lpa_application_done(&application);
}

static void takes_a_good_one(void **state)
{
    (void)state;
    struct base_buf image;
    make(&image);
    expect(&image, key, BASE_OK, "");
    base_buf_done(&image);
}

static void refuses_what_is_not_whole(void **state)
{
    (void)state;
    struct base_buf image;
    make(&image);
    size_t length = image.length;
    const size_t cuts[] = { 0, 31, PROTO_APPLICATION_HEADER_SIZE, COVERED, COVERED + 40,
        length - 1 };
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        image.length = cuts[i];
        expect(&image, key, BASE_E_CORRUPT, "application_malformed");
    }
    image.length = length;
    assert_int_equal(base_buf_append(&image, "x", 1, NULL), BASE_OK);
    expect(&image, key, BASE_E_CORRUPT, "application_malformed");
    image.length = length;
    image.data[0] ^= 1;
    expect(&image, key, BASE_E_CORRUPT, "application_malformed");
    image.data[0] ^= 1;
    image.data[COVERED] ^= 1;
    expect(&image, key, BASE_E_CORRUPT, "application_malformed");
    base_buf_done(&image);
    struct lpa_application none;
    assert_int_equal(
        lpa_application_load("/nowhere/application", key, &none, NULL), BASE_E_NOTFOUND);
    lpa_application_done(NULL);
}

static void refuses_another_signer(void **state)
{
    (void)state;
    struct base_p256 *other = NULL;
    uint8_t point[PROTO_PUBLIC_KEY_SIZE] = { 0 };
    struct base_buf image;
    make(&image);
    expect(&image, point, BASE_E_VERIFY, "application_unbound");
    assert_int_equal(base_p256_generate(base_random_system(), &other, NULL), BASE_OK);
    base_p256_public(other, point);
    expect(&image, point, BASE_E_VERIFY, "application_key");
    base_p256_free(other);
    base_buf_done(&image);
}

/* Every part that a change could be hidden in: header, program, digest, signer, signature. */
static void refuses_every_changed_byte(void **state)
{
    (void)state;
    struct base_buf image;
    make(&image);
    for (size_t at = 0; at < image.length; at += at < COVERED ? 61 : 1) {
        struct lpa_application application;
        image.data[at] ^= 0x10;
        assert_int_equal(base_file_replace(path, image.data, image.length, 0600, NULL), BASE_OK);
        enum base_status status = lpa_application_load(path, key, &application, NULL);
        if (status != BASE_E_VERIFY && status != BASE_E_CORRUPT) {
            fail_msg("byte %zu changed: status %d", at, (int)status);
        }
        image.data[at] ^= 0x10;
    }
    base_buf_done(&image);
}

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(base_p256_generate(base_random_system(), &signer, NULL), BASE_OK);
    base_p256_public(signer, key);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    base_p256_free(signer);
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_good_one),
        cmocka_unit_test(refuses_what_is_not_whole),
        cmocka_unit_test(refuses_another_signer),
        cmocka_unit_test(refuses_every_changed_byte),
    };
    return cmocka_run_group_tests_name("lpa-application", tests, setup, teardown);
}

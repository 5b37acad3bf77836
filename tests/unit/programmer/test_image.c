/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/image.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hex.h"

static enum base_status parse(
    const void *bytes, size_t length, struct prg_image *ret_image, struct base_err *err)
{
    return prg_image_parse(bytes, length, "test.img", NULL, ret_image, err);
}

static void expect_refusal(const void *bytes, size_t length, const char *word)
{
    struct prg_image image = { .count = 0 };
    struct base_err err = { .status = BASE_OK };
    assert_int_equal(parse(bytes, length, &image, &err), BASE_E_CORRUPT);
    assert_non_null(strstr(err.message, "test.img"));
    if (strstr(err.message, word) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.message, word);
    }
    assert_null(image.segments);
}

static void refuses_bad_hex(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        const char *word;
    } rows[] = {
        { ":0400000001020304F2\n", "truncated" }, /* no end record */
        { ":0400000001020304F3\n:00000001FF\n", "checksum" },
        { ":0400000001020304", "line 1" }, /* cut in a record */
        { ":04000000010203\n:00000001FF\n", "line 1" },
        { ":04000000010203040F2\n", "line 1" }, /* odd digits */
        { ":0400000001020G04F2\n", "line 1" },
        { ":00000001FF\n", "nothing" },
        { ":00000006FA\n", "type" },
        { ":0100000401FA\n:00000001FF\n", "type" }, /* linear record of 1 byte */
        { ":0400000001020304F2\n:0400020001020304F0\n:00000001FF\n", "overlap" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect_refusal(rows[i].text, strlen(rows[i].text), rows[i].word);
    }
    expect_refusal("", 0, "empty");
}

static void reads_hex(void **state)
{
    (void)state;
    static const char good[] = ":020000041000EA\r\n"
                               ":0400040005060708DE\r\n" /* out of order */
                               ":0400000001020304F2\r\n"
                               ":0410000001020304E2\r\n"
                               "\r\n"
                               ":0400000510000000E7\r\n" /* entry point */
                               ":00000001FF\r\n";
    static const char alias[] = ":020000041000EA\n:01000000AA55\n:0200000490303A\n:0100000055AA\n"
                                ":00000001FF\n";
    struct prg_image image;
    assert_int_equal(parse(good, sizeof(good) - 1, &image, NULL), BASE_OK);
    assert_int_equal(image.format, PRG_IMAGE_HEX);
    assert_int_equal(image.count, 2);
    assert_int_equal(image.total_bytes, 12);
    assert_int_equal(image.segments[0].address, 0x10000000);
    assert_int_equal(image.segments[0].length, 8);
    assert_memory_equal(image.segments[0].data, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
    assert_int_equal(image.segments[1].address, 0x10001000);
    prg_image_done(&image);
    /* Records about the image are no bytes for the chip. */
    assert_int_equal(parse(alias, sizeof(alias) - 1, &image, NULL), BASE_OK);
    assert_int_equal(image.count, 1);
    assert_int_equal(image.total_bytes, 1);
    prg_image_done(&image);
    prg_image_done(&image);
    prg_image_done(NULL);
}

/* The smallest ELF: header, one or two segments, their bytes. */
struct small_elf {
    Elf32_Ehdr header;
    Elf32_Phdr segments[2];
    uint8_t bytes[16];
};

static struct small_elf make_elf(void)
{
    struct small_elf elf;
    memset(&elf, 0, sizeof(elf));
    memcpy(elf.header.e_ident, ELFMAG, SELFMAG);
    elf.header.e_ident[EI_CLASS] = ELFCLASS32;
    elf.header.e_ident[EI_DATA] = ELFDATA2LSB;
    elf.header.e_ident[EI_VERSION] = EV_CURRENT;
    elf.header.e_type = ET_EXEC;
    elf.header.e_machine = EM_ARM;
    elf.header.e_version = EV_CURRENT;
    elf.header.e_ehsize = sizeof(elf.header);
    elf.header.e_phoff = offsetof(struct small_elf, segments);
    elf.header.e_phentsize = sizeof(elf.segments[0]);
    elf.header.e_phnum = 2;
    for (uint32_t i = 0; i < 2; i++) {
        elf.segments[i].p_type = PT_LOAD;
        elf.segments[i].p_offset = (Elf32_Off)(offsetof(struct small_elf, bytes) + 8 * i);
        elf.segments[i].p_vaddr = 0x08000000 + 0x100 * i; /* runs elsewhere than it is stored */
        elf.segments[i].p_paddr = 0x10000000 + 0x100 * i;
        elf.segments[i].p_filesz = 8;
        elf.segments[i].p_memsz = 8;
    }
    for (uint8_t i = 0; i < 16; i++) {
        elf.bytes[i] = i;
    }
    return elf;
}

static void reads_elf(void **state)
{
    (void)state;
    struct small_elf elf = make_elf();
    struct prg_image image;
    struct base_err err = { .status = BASE_OK };
    if (parse(&elf, sizeof(elf), &image, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(image.format, PRG_IMAGE_ELF);
    assert_int_equal(image.count, 2);
    assert_int_equal(image.segments[1].address, 0x10000100);
    assert_memory_equal(image.segments[1].data, elf.bytes + 8, 8);
    prg_image_done(&image);
}

static void refuses_bad_elf(void **state)
{
    (void)state;
    struct small_elf elf = make_elf();
    for (size_t length = 4; length < sizeof(elf); length++) {
        struct prg_image image = { .count = 0 };
        enum base_status status = parse(&elf, length, &image, NULL);
        assert_int_equal(status, BASE_E_CORRUPT);
        assert_null(image.segments);
    }
    elf.segments[1].p_offset = 0xFFFFFFF0U;
    expect_refusal(&elf, sizeof(elf), "truncated");
    elf = make_elf();
    elf.segments[1].p_filesz = 0xFFFFFFFFU;
    expect_refusal(&elf, sizeof(elf), "truncated");
    elf = make_elf();
    elf.segments[1].p_paddr = 0x10000004;
    expect_refusal(&elf, sizeof(elf), "overlap");
    elf = make_elf();
    elf.segments[1].p_paddr = 0xFFFFFFFCU;
    expect_refusal(&elf, sizeof(elf), "address space");
    elf = make_elf();
    elf.header.e_machine = EM_X86_64;
    expect_refusal(&elf, sizeof(elf), "another machine");
    elf = make_elf();
    elf.header.e_phnum = 0xFFF0;
    expect_refusal(&elf, sizeof(elf), "damaged");
}

/* Any single byte changed: read or refused, never out of bounds (run under ASan and valgrind). */
static void survives_damage(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(struct small_elf); i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct small_elf elf = make_elf();
            struct prg_image image = { .count = 0 };
            ((uint8_t *)&elf)[i] ^= (uint8_t)(1U << bit);
            if (parse(&elf, sizeof(elf), &image, NULL) == BASE_OK) {
                prg_image_done(&image);
            }
        }
    }
}

static void reads_binaries(void **state)
{
    (void)state;
    const uint8_t bytes[5] = { 1, 2, 3, 4, 5 };
    const struct prg_image_opts elsewhere = { .format = PRG_IMAGE_BIN, .base = 0x10008000 };
    struct prg_image image;
    uint8_t copy[8];
    assert_int_equal(parse(bytes, sizeof(bytes), &image, NULL), BASE_OK);
    assert_int_equal(image.format, PRG_IMAGE_BIN);
    assert_int_equal(image.segments[0].address, 0x10000000);
    prg_image_done(&image);
    assert_int_equal(prg_image_parse(bytes, sizeof(bytes), "x", &elsewhere, &image, NULL), BASE_OK);
    prg_image_copy(&image, 0x10007FFE, 8, 0xEE, copy);
    assert_memory_equal(copy, "\xEE\xEE\x01\x02\x03\x04\x05\xEE", 8);
    assert_true(prg_image_touches(&image, 0x10007FFF, 2));
    assert_true(prg_image_touches(&image, 0x10008004, 2));
    assert_false(prg_image_touches(&image, 0x10007FFF, 1));
    assert_false(prg_image_touches(&image, 0x10008005, 100));
    prg_image_done(&image);
}

static void holds_its_limits(void **state)
{
    (void)state;
    struct prg_image image = { .count = 0 };
    struct base_err err = { .status = BASE_OK };
    size_t length = (size_t)PRG_IMAGE_MAX_BYTES + 1;
    uint8_t *big = calloc(1, length);
    assert_non_null(big);
    assert_int_equal(parse(big, length, &image, &err), BASE_E_ARG);
    assert_int_equal(parse(big, length - 1, &image, NULL), BASE_OK);
    prg_image_done(&image);
    free(big);
    /* More separate parts than are allowed. */
    static char text[300 * 16];
    size_t used = 0;
    for (unsigned i = 0; i < 257; i++) {
        unsigned offset = i * 16;
        unsigned sum = 1 + (offset >> 8) + (offset & 0xFF);
        used += (size_t)snprintf(
            text + used, sizeof(text) - used, ":01%04X0000%02X\n", offset, (0x100 - sum) & 0xFF);
    }
    base_err_clear(&err);
    assert_int_equal(parse(text, used, &image, &err), BASE_E_ARG);
    assert_non_null(strstr(err.message, "256"));
}

static void loads_files(void **state)
{
    (void)state;
    char path[] = "/tmp/test_prg_image.XXXXXX";
    struct prg_image image = { .count = 0 };
    struct base_err err = { .status = BASE_OK };
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "abc", 3), 3);
    (void)close(fd);
    assert_int_equal(prg_image_load(path, NULL, &image, NULL), BASE_OK);
    /* SHA-256 of "abc", FIPS 180-4. */
    char hex[65];
    base_hex_encode(image.sha256, 32, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    prg_image_done(&image);
    (void)unlink(path);
    assert_int_equal(prg_image_load(path, NULL, &image, &err), BASE_E_NOTFOUND);
    assert_non_null(strstr(err.message, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_hex),
        cmocka_unit_test(refuses_bad_elf),
        cmocka_unit_test(reads_hex),
        cmocka_unit_test(reads_elf),
        cmocka_unit_test(reads_binaries),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(holds_its_limits),
        cmocka_unit_test(loads_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: program images (ELF, Intel HEX, binary). */
#include "tests/fuzz/fuzz.h"

#include "programmer/image.h"

static void check(const uint8_t *data, size_t size, enum prg_image_format format)
{
    const struct prg_image_opts opts = { .format = format };
    struct prg_image image = { 0 };
    struct base_err err = { 0 };
    if (prg_image_parse(data, size, "fuzz", &opts, &image, &err) != BASE_OK) {
        FUZZ_CHECK(err.message[0] != '\0');
        return;
    }
    uint64_t total = 0;
    uint64_t end = 0;
    for (size_t i = 0; i < image.count; i++) {
        const struct prg_segment *segment = &image.segments[i];
        FUZZ_CHECK(segment->length > 0 && (i == 0 || segment->address > end));
        end = (uint64_t)segment->address + segment->length;
        FUZZ_CHECK(end <= UINT64_C(1) << 32);
        total += segment->length;
    }
    FUZZ_CHECK(total == image.total_bytes && total <= PRG_IMAGE_MAX_BYTES);
    uint8_t row[512];
    prg_image_copy(&image, 0x10000000U, sizeof(row), 0, row);
    (void)prg_image_touches(&image, 0x10000000U, 512);
    prg_image_done(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size, PRG_IMAGE_AUTO);
    check(data, size, PRG_IMAGE_HEX);
    check(data, size, PRG_IMAGE_ELF);
    return 0;
}

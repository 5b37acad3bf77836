/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: bench-program-url URL SWCLK_HZ FILE
 *
 * What lpa-probe program does, at a chosen clock: open, acquire, program a binary at the beginning
 * of main flash, verify, close.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "programmer/psoc6.h"

static void must(enum base_status status, const char *what, const struct base_err *err)
{
    if (status != BASE_OK) {
        (void)fprintf(stderr, "bench-program-url: %s: %s\n", what, err->message);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct base_err err = { 0 };
    struct prg_link *link = NULL;
    struct prg_psoc6 *chip = NULL;
    struct prg_image image;
    enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    if (argc != 4) {
        (void)fprintf(stderr, "usage: %s URL SWCLK_HZ FILE\n", argv[0]);
        return 2;
    }
    const struct prg_image_opts format = { .format = PRG_IMAGE_BIN };
    const struct prg_link_opts opts = { .swclk_hz = (uint32_t)strtoul(argv[2], NULL, 10) };
    must(prg_image_load(argv[3], &format, &image, &err), "image", &err);
    must(prg_link_open(argv[1], &opts, &link, &err), "open", &err);
    must(prg_psoc6_new(link, &chip, &err), "chip", &err);
    must(prg_psoc6_acquire(chip, NULL, &outcome, &err), "acquire", &err);
    if (outcome != PRG_PSOC6_ACQUIRED) {
        (void)fprintf(stderr, "bench-program-url: the chip was not acquired\n");
        return 1;
    }
    must(prg_psoc6_program(chip, &image, NULL, NULL, &change, &err), "program", &err);
    prg_psoc6_free(chip);
    prg_link_close(link);
    prg_image_done(&image);
    return change == PRG_PSOC6_WRITTEN ? 0 : 3;
}

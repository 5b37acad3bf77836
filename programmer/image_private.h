/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_IMAGE_PRIVATE_H
#define PRG_IMAGE_PRIVATE_H

/** @file What the image readers share. */

#include "programmer/image.h"

/**
 * Add bytes at an address; adjoining additions grow the last segment.
 *
 * @param place  line or header number for sentences
 * @return BASE_OK; BASE_E_CORRUPT: the address wraps; BASE_E_ARG: over a limit; BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status prg_image_add(struct prg_image *image, const char *name, unsigned place,
    uint32_t address, const uint8_t *data, size_t length, struct base_err *err);

/** Readers of one format each; on failure the caller frees what was added. */
BASE_MUST_CHECK
enum base_status prg_image_read_elf(const uint8_t *bytes, size_t length, const char *name,
    struct prg_image *image, struct base_err *err);
BASE_MUST_CHECK
enum base_status prg_image_read_hex(const uint8_t *bytes, size_t length, const char *name,
    struct prg_image *image, struct base_err *err);

#endif

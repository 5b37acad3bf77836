/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_PSOC6_FLASH_H
#define PRG_PSOC6_FLASH_H

/** @file What the files that write main flash share; internal to programmer/. */

#include "programmer/psoc6_private.h"

struct prg_flash_progress {
    prg_progress_fn *tell; /**< may be NULL */
    void *user;
    const char *what;
    uint64_t total;
};

/** BASE_E_CANCELLED when whoever is told wants to stop. */
BASE_MUST_CHECK
enum base_status prg_flash_tell(
    const struct prg_flash_progress *progress, uint64_t done, struct base_err *err);

/** The next run of rows at or above @p from that hold image bytes; false when there is none. */
bool prg_flash_next_rows(
    const struct prg_image *image, uint32_t from, uint32_t *ret_start, uint32_t *ret_length);

/** Compare whole rows by reading them; @p ret_differs gets the first address that differs, or 0. */
BASE_MUST_CHECK
enum base_status prg_flash_compare(struct prg_psoc6 *chip, const struct prg_image *image,
    const struct prg_flash_progress *progress, uint32_t *ret_differs, struct base_err *err);

/** BASE_E_VERIFY: flash does not hold what was programmed. */
enum base_status prg_flash_refuse_content(uint32_t address, struct base_err *err);

/**
 * Program an image that was checked, with the CM0+'s help: what is blank is not erased, what shall
 * be blank is not programmed, a sector is erased whole where nothing else in it would be lost, and
 * the result is verified by the CRC of each row.
 *
 * @param keep_same  leave rows alone whose CRC is right already
 */
BASE_MUST_CHECK
enum base_status prg_flash_program(struct prg_psoc6 *chip, const struct prg_image *image,
    bool keep_same, prg_progress_fn *progress, void *user, enum prg_psoc6_change *ret_change,
    struct base_err *err);

#endif

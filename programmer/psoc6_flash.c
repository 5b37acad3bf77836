/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/psoc6_flash.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "programmer/psoc6_agent.h"

#define ROW          PSOC6_ROW_BYTES
#define COMPARE_ROWS 32U

enum base_status prg_flash_tell(
    const struct prg_flash_progress *progress, uint64_t done, struct base_err *err)
{
    if (progress->tell != NULL &&
        !progress->tell(progress->user, progress->what, done, progress->total)) {
        return base_err_set(err, BASE_E_CANCELLED, "chip", (int64_t)done, "stopped on request");
    }
    return BASE_OK;
}

/* -------------------------------------------------------------------------------- what is allowed
 */

static enum base_status check_region(
    struct prg_psoc6 *chip, uint32_t address, uint64_t length, struct base_err *err)
{
    uint32_t size = 0;
    uint64_t end = (uint64_t)address + length;
    enum base_status status = prg_psoc6_flash_size(chip, &size, err);
    if (status != BASE_OK) {
        return status;
    }
    if (address >= PSOC6_WORK_FLASH && address < PSOC6_SFLASH) {
        return base_err_set(err, BASE_E_DENIED, "chip", address,
            "%08x lies in the key vault's flash, which is never touched from outside",
            (unsigned)address);
    }
    if (address < PSOC6_MAIN_FLASH || end > (uint64_t)PSOC6_MAIN_FLASH + size) {
        return base_err_set(err, BASE_E_ARG, "chip", address,
            "%08x … %08x lies beyond main flash (%08x … %08x)", (unsigned)address,
            (unsigned)(end - 1), PSOC6_MAIN_FLASH, (unsigned)(PSOC6_MAIN_FLASH + size - 1));
    }
    if (end > PSOC6_VAULT_SECTOR && address < PSOC6_VAULT_SECTOR_END) {
        return base_err_set(err, BASE_E_DENIED, "chip", address,
            "%08x … %08x reaches into the key vault's sector at %08x, which is never touched from "
            "outside",
            (unsigned)address, (unsigned)(end - 1), PSOC6_VAULT_SECTOR);
    }
    return BASE_OK;
}

enum base_status prg_psoc6_check_image(
    struct prg_psoc6 *chip, const struct prg_image *image, struct base_err *err)
{
    enum base_status status = chip->die == NULL ? prg_psoc6_find_die(chip, err) : BASE_OK;
    if (status == BASE_OK && image->count == 0) {
        return base_err_set(err, BASE_E_ARG, "image", 0, "the image is empty");
    }
    for (size_t i = 0; i < image->count && status == BASE_OK; i++) {
        status = check_region(chip, image->segments[i].address, image->segments[i].length, err);
        if (status == BASE_E_ARG) {
            (void)base_err_prefix(err, "the image does not fit this chip: ");
        }
    }
    return status;
}

/* ----------------------------------------------------------------------------------------- erase
 */

static enum base_status erase_step(struct prg_psoc6 *chip, uint32_t address, uint32_t left,
    uint32_t *ret_length, struct base_err *err)
{
    uint32_t words[2] = { SROM_ERASE_ROW, address };
    *ret_length = ROW;
    if (address % PSOC6_SECTOR_BYTES == 0 && left >= PSOC6_SECTOR_BYTES) {
        words[0] = SROM_ERASE_SECTOR;
        *ret_length = PSOC6_SECTOR_BYTES;
    } else if (address % PSOC6_SUBSECTOR_BYTES == 0 && left >= PSOC6_SUBSECTOR_BYTES) {
        words[0] = SROM_ERASE_SUBSECTOR;
        *ret_length = PSOC6_SUBSECTOR_BYTES;
    }
    enum base_status status = prg_psoc6_srom(chip, words, 2, 0, NULL, err);
    if (status != BASE_OK) {
        (void)base_err_prefix(err, "erasing %08x: ", (unsigned)address);
    }
    return status;
}

static enum base_status erase_range(struct prg_psoc6 *chip, uint32_t address, uint32_t length,
    const struct prg_flash_progress *progress, uint64_t before, struct base_err *err)
{
    enum base_status status = BASE_OK;
    for (uint32_t done = 0; done < length && status == BASE_OK;) {
        uint32_t part = 0;
        status = erase_step(chip, address + done, length - done, &part, err);
        done += part;
        if (status == BASE_OK) {
            status = prg_flash_tell(progress, before + done, err);
        }
    }
    return status;
}

enum base_status prg_psoc6_erase(struct prg_psoc6 *chip, uint32_t address, uint32_t length,
    prg_progress_fn *progress, void *user, struct base_err *err)
{
    struct prg_flash_progress told = { progress, user, "erase", length };
    enum base_status status = prg_psoc6_writable(chip, err);
    if (status == BASE_OK && (length == 0 || address % ROW != 0 || length % ROW != 0)) {
        return base_err_set(err, BASE_E_ARG, "chip", address,
            "flash is erased in rows: %08x and length %u must be multiples of %u",
            (unsigned)address, (unsigned)length, ROW);
    }
    if (status == BASE_OK) {
        status = check_region(chip, address, length, err);
    }
    return status == BASE_OK ? erase_range(chip, address, length, &told, 0, err) : status;
}

/* ----------------------------------------------------------------------------------- image's rows
 */

bool prg_flash_next_rows(
    const struct prg_image *image, uint32_t from, uint32_t *ret_start, uint32_t *ret_length)
{
    for (size_t i = 0; i < image->count; i++) {
        const struct prg_segment *segment = &image->segments[i];
        uint32_t start = segment->address & ~(ROW - 1);
        uint32_t end = (segment->address + segment->length + ROW - 1) & ~(ROW - 1);
        start = start < from ? from : start;
        if (end <= start) {
            continue;
        }
        for (size_t k = i + 1; k < image->count; k++) {
            const struct prg_segment *next = &image->segments[k];
            if ((next->address & ~(ROW - 1)) > end) {
                break;
            }
            uint32_t reach = (next->address + next->length + ROW - 1) & ~(ROW - 1);
            end = reach > end ? reach : end;
        }
        *ret_start = start;
        *ret_length = end - start;
        return true;
    }
    return false;
}

static uint32_t count_row_bytes(const struct prg_image *image)
{
    uint32_t total = 0;
    uint32_t start = PSOC6_MAIN_FLASH;
    uint32_t length = 0;
    while (prg_flash_next_rows(image, start, &start, &length)) {
        total += length;
        start += length;
    }
    return total;
}

enum base_status prg_flash_compare(struct prg_psoc6 *chip, const struct prg_image *image,
    const struct prg_flash_progress *progress, uint32_t *ret_differs, struct base_err *err)
{
    uint32_t start = PSOC6_MAIN_FLASH;
    uint32_t length = 0;
    uint64_t done = 0;
    while (prg_flash_next_rows(image, start, &start, &length)) {
        for (uint32_t at = 0; at < length;) {
            uint8_t want[COMPARE_ROWS * ROW];
            uint8_t have[COMPARE_ROWS * ROW];
            uint32_t part = length - at < sizeof(have) ? length - at : (uint32_t)sizeof(have);
            prg_image_copy(image, start + at, part, 0, want);
            enum base_status status = prg_psoc6_read(chip, start + at, part, have, err);
            if (status != BASE_OK) {
                return status;
            }
            for (uint32_t i = 0; i < part; i++) {
                if (want[i] != have[i]) {
                    *ret_differs = start + at + i;
                    return BASE_OK;
                }
            }
            at += part;
            done += part;
            status = prg_flash_tell(progress, done, err);
            if (status != BASE_OK) {
                return status;
            }
        }
        start += length;
    }
    *ret_differs = 0;
    return BASE_OK;
}

static enum base_status erase_rows(struct prg_psoc6 *chip, const struct prg_image *image,
    const struct prg_flash_progress *progress, struct base_err *err)
{
    uint32_t start = PSOC6_MAIN_FLASH;
    uint32_t length = 0;
    uint64_t done = 0;
    while (prg_flash_next_rows(image, start, &start, &length)) {
        enum base_status status = erase_range(chip, start, length, progress, done, err);
        if (status != BASE_OK) {
            return status;
        }
        start += length;
        done += length;
    }
    return BASE_OK;
}

static void queue_row(struct prg_psoc6 *chip, const struct prg_image *image, unsigned ap,
    uint32_t address, unsigned buffer, uint8_t row[ROW])
{
    prg_image_copy(image, address, ROW, 0, row);
    prg_mem_queue_write_block(
        chip->link, ap, buffer == 0 ? PSOC6_SCRATCH_ROW_0 : PSOC6_SCRATCH_ROW_1, row, ROW / 4);
}

/* One run of rows. While the ROM writes row n from one buffer, row n + 1 travels into the other:
 * start, data and the wait for the end are in flight together. */
static enum base_status program_run(struct prg_psoc6 *chip, const struct prg_image *image,
    uint32_t start, uint32_t length, const struct prg_flash_progress *progress, uint64_t before,
    struct base_err *err)
{
    uint8_t rows[2][ROW];
    unsigned ap = 0;
    enum base_status status = prg_psoc6_port(chip, &ap, err);
    if (status != BASE_OK) {
        return status;
    }
    queue_row(chip, image, ap, start, 0, rows[0]);
    for (uint32_t at = 0; at < length; at += ROW) {
        unsigned buffer = (at / ROW) % 2;
        const uint32_t words[4] = { SROM_PROGRAM_ROW, SROM_ROW_FROM_SRAM, start + at,
            buffer == 0 ? PSOC6_SCRATCH_ROW_0 : PSOC6_SCRATCH_ROW_1 };
        prg_psoc6_srom_queue_start(chip, ap, words, 4);
        if (at + ROW < length) {
            queue_row(chip, image, ap, start + at + ROW, 1 - buffer, rows[1 - buffer]);
        }
        status = prg_psoc6_srom_finish(chip, ap, words, 4, 1500, NULL, err);
        if (status != BASE_OK) {
            (void)base_err_prefix(err, "programming %08x: ", (unsigned)(start + at));
            return status;
        }
        status = prg_flash_tell(progress, before + at + ROW, err);
        if (status != BASE_OK) {
            return status;
        }
    }
    return BASE_OK;
}

static enum base_status program_rows(struct prg_psoc6 *chip, const struct prg_image *image,
    const struct prg_flash_progress *progress, struct base_err *err)
{
    uint32_t start = PSOC6_MAIN_FLASH;
    uint32_t length = 0;
    uint64_t done = 0;
    while (prg_flash_next_rows(image, start, &start, &length)) {
        enum base_status status = program_run(chip, image, start, length, progress, done, err);
        if (status != BASE_OK) {
            return status;
        }
        start += length;
        done += length;
    }
    return BASE_OK;
}

enum base_status prg_flash_refuse_content(uint32_t address, struct base_err *err)
{
    return base_err_set(err, BASE_E_VERIFY, "chip", address,
        "flash at %08x does not hold what was programmed; try again, then scrap the chip",
        (unsigned)address);
}

static enum base_status program_by_calls(struct prg_psoc6 *chip, const struct prg_image *image,
    prg_progress_fn *progress, void *user, enum prg_psoc6_change *ret_change, struct base_err *err)
{
    uint32_t differs = 0;
    uint32_t total = count_row_bytes(image);
    struct prg_flash_progress told = { NULL, user, "compare", total };
    enum base_status status = prg_flash_compare(chip, image, &told, &differs, err);
    if (status != BASE_OK) {
        return status;
    }
    if (differs == 0) {
        *ret_change = PRG_PSOC6_UNCHANGED;
        return BASE_OK;
    }
    told = (struct prg_flash_progress){ progress, user, "erase", total };
    status = erase_rows(chip, image, &told, err);
    if (status == BASE_OK) {
        told.what = "program";
        status = program_rows(chip, image, &told, err);
    }
    if (status == BASE_OK) {
        told.what = "verify";
        status = prg_flash_compare(chip, image, &told, &differs, err);
    }
    if (status == BASE_OK && differs != 0) {
        return prg_flash_refuse_content(differs, err);
    }
    if (status == BASE_OK) {
        *ret_change = PRG_PSOC6_WRITTEN;
    }
    return status;
}

static enum base_status program(struct prg_psoc6 *chip, const struct prg_image *image,
    bool keep_same, prg_progress_fn *progress, void *user, enum prg_psoc6_change *ret_change,
    struct base_err *err)
{
    bool usable = false;
    enum base_status status = prg_psoc6_writable(chip, err);
    if (status == BASE_OK) {
        status = prg_psoc6_check_image(chip, image, err);
    }
    if (status == BASE_OK) {
        status = prg_agent_usable(chip, &usable, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    return usable ? prg_flash_program(chip, image, keep_same, progress, user, ret_change, err)
                  : program_by_calls(chip, image, progress, user, ret_change, err);
}

enum base_status prg_psoc6_program(struct prg_psoc6 *chip, const struct prg_image *image,
    prg_progress_fn *progress, void *user, enum prg_psoc6_change *ret_change, struct base_err *err)
{
    return program(chip, image, false, progress, user, ret_change, err);
}

enum base_status prg_psoc6_update(struct prg_psoc6 *chip, const struct prg_image *image,
    prg_progress_fn *progress, void *user, enum prg_psoc6_change *ret_change, struct base_err *err)
{
    return program(chip, image, true, progress, user, ret_change, err);
}

enum base_status prg_psoc6_verify(struct prg_psoc6 *chip, const struct prg_image *image,
    prg_progress_fn *progress, void *user, struct base_err *err)
{
    const struct prg_flash_progress told = { progress, user, "verify", image->total_bytes };
    uint64_t done = 0;
    enum base_status status = prg_psoc6_check_image(chip, image, err);
    for (size_t i = 0; i < image->count && status == BASE_OK; i++) {
        const struct prg_segment *segment = &image->segments[i];
        for (uint32_t at = 0; at < segment->length && status == BASE_OK;) {
            uint8_t have[COMPARE_ROWS * ROW];
            uint32_t part = segment->length - at;
            part = part < sizeof(have) ? part : (uint32_t)sizeof(have);
            status = prg_psoc6_read(chip, segment->address + at, part, have, err);
            for (uint32_t k = 0; k < part && status == BASE_OK; k++) {
                if (have[k] != segment->data[at + k]) {
                    uint32_t place = segment->address + at + k;
                    status = base_err_set(err, BASE_E_VERIFY, "chip", place,
                        "flash at %08x holds %02x, the image says %02x", (unsigned)place, have[k],
                        segment->data[at + k]);
                }
            }
            at += part;
            done += part;
            status = status == BASE_OK ? prg_flash_tell(&told, done, err) : status;
        }
    }
    return status;
}

enum base_status prg_psoc6_digest(struct prg_psoc6 *chip, uint32_t address, uint32_t length,
    uint8_t ret_sha256[32], struct base_err *err)
{
    struct base_sha256 hash;
    base_sha256_init(&hash);
    for (uint32_t at = 0; at < length;) {
        uint8_t bytes[COMPARE_ROWS * ROW];
        uint32_t part = length - at < sizeof(bytes) ? length - at : (uint32_t)sizeof(bytes);
        enum base_status status = prg_psoc6_read(chip, address + at, part, bytes, err);
        if (status != BASE_OK) {
            return status;
        }
        base_sha256_update(&hash, bytes, part);
        at += part;
    }
    base_sha256_final(&hash, ret_sha256);
    return BASE_OK;
}

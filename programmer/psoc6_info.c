/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "programmer/psoc6_private.h"

#define READ_MAX (4U * 1024U * 1024U)

enum base_status prg_psoc6_read(struct prg_psoc6 *chip, uint32_t address, uint32_t length,
    uint8_t *ret_bytes, struct base_err *err)
{
    unsigned ap = 0;
    if (length > READ_MAX) {
        return base_err_set(err, BASE_E_ARG, "chip", length,
            "%u bytes are more than one read may have (%u)", (unsigned)length, READ_MAX);
    }
    enum base_status status = prg_psoc6_port(chip, &ap, err);
    return status == BASE_OK ? prg_mem_read(chip->link, ap, address, length, ret_bytes, err)
                             : status;
}

/* FLASHC GEOMETRY: two layouts, by die (SVD). */
enum base_status prg_psoc6_flash_size(
    struct prg_psoc6 *chip, uint32_t *ret_bytes, struct base_err *err)
{
    unsigned ap = 0;
    uint32_t word = 0;
    if (chip->flash_bytes != 0) {
        *ret_bytes = chip->flash_bytes;
        return BASE_OK;
    }
    enum base_status status = prg_psoc6_port(chip, &ap, err);
    if (status == BASE_OK) {
        status = prg_mem_read_word(chip->link, ap, chip->die->geometry, &word, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    bool first = chip->die->family == PRG_PSOC6_BLE2;
    uint32_t rows = (first ? (word >> 8 & 0xFFFFU) : (word & 0xFFFFU)) + 1;
    uint32_t banks = (first ? word >> 24 : (word >> 16 & 0xFFU)) + 1;
    uint64_t bytes = (uint64_t)rows * banks * PSOC6_ROW_BYTES;
    if (bytes < 0x10000U || bytes > 0x200000U) {
        return base_err_set(err, BASE_E_UNSUPPORTED, "chip", word,
            "the flash controller's geometry %08x makes no sense", (unsigned)word);
    }
    chip->flash_bytes = (uint32_t)bytes;
    *ret_bytes = chip->flash_bytes;
    return BASE_OK;
}

/* UniqueId of the die fields (vendor's Cy_SysLib_GetUniqueId): lot, wafer, X, Y, sort, bit 0 of the
 * minor revision, year. */
static void make_unique_id(const uint8_t die[12], uint8_t ret_id[PRG_PSOC6_UID_SIZE])
{
    uint64_t id = (uint64_t)base_get_le32(die) | (uint64_t)die[4] << 32 | (uint64_t)die[5] << 40 |
                  (uint64_t)die[6] << 48 | (uint64_t)(die[7] & 1U) << 56 | (uint64_t)die[10] << 57;
    base_put_be64(ret_id, id);
}

static enum base_status read_identity(
    struct prg_psoc6 *chip, struct prg_psoc6_info *info, struct base_err *err)
{
    uint8_t id[4];
    uint8_t die[12];
    enum base_status status = prg_psoc6_read(chip, PSOC6_SFLASH_ID, sizeof(id), id, err);
    if (status == BASE_OK) {
        status = prg_psoc6_read(chip, PSOC6_SFLASH_DIE, sizeof(die), die, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_flash_size(chip, &info->flash_bytes, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    info->family = chip->die->family;
    info->silicon_id = base_get_le16(id + 2);
    info->revision_major = (uint8_t)(id[1] >> 4);
    info->revision_minor = id[1] & 0x0FU;
    make_unique_id(die, info->unique_id);
    info->row_bytes = PSOC6_ROW_BYTES;
    info->rows = info->flash_bytes / PSOC6_ROW_BYTES;
    return BASE_OK;
}

/* What only the ROM tells. Its answers and the supervisory flash must name the same chip. */
static enum base_status ask_rom(
    struct prg_psoc6 *chip, struct prg_psoc6_info *info, struct base_err *err)
{
    static const unsigned fuses[5] = { PSOC6_FUSE_DEAD0, PSOC6_FUSE_DEAD1, PSOC6_FUSE_SECURE0,
        PSOC6_FUSE_SECURE1, PSOC6_FUSE_LIFECYCLE };
    const uint32_t family_call = SROM_SILICON_ID_FAMILY;
    const uint32_t chip_call = SROM_SILICON_ID_CHIP;
    uint32_t family = 0;
    uint32_t silicon = 0;
    uint8_t values[5] = { 0 };
    enum base_status status = prg_psoc6_srom(chip, &family_call, 1, 0, &family, err);
    if (status == BASE_OK) {
        status = prg_psoc6_srom(chip, &chip_call, 1, 0, &silicon, err);
    }
    for (size_t i = 0; i < 5 && status == BASE_OK; i++) {
        status = prg_psoc6_read_fuse(chip, fuses[i], &values[i], err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if ((family & 0xFFFFU) != info->family || (silicon & 0xFFFFU) != info->silicon_id) {
        return base_err_set(err, BASE_E_CORRUPT, "chip", family & 0xFFFFU,
            "ROM and supervisory flash disagree about the chip: family %03x and %03x, silicon "
            "%04x and %04x",
            (unsigned)(family & 0xFFFFU), info->family, (unsigned)(silicon & 0xFFFFU),
            info->silicon_id);
    }
    info->revision_minor = (uint8_t)(family >> 16 & 0xFU);
    info->revision_major = (uint8_t)(family >> 20 & 0xFU);
    info->protection = (uint8_t)(silicon >> 16 & 0xFU);
    memcpy(info->restrictions, values, 4);
    info->lifecycle_fuses = values[4];
    return BASE_OK;
}

static enum base_status find_open_ports(
    struct prg_psoc6 *chip, struct prg_psoc6_info *info, struct base_err *err)
{
    for (unsigned ap = PRG_PSOC6_AP_SYS; ap <= PRG_PSOC6_AP_CM4; ap++) {
        struct base_err cause = { .status = BASE_OK };
        enum base_status status = prg_mem_prepare(chip->link, ap, &cause);
        if (status != BASE_OK && status != BASE_E_LOCKED) {
            status = base_err_set(err, status, cause.domain, cause.detail, "%s", cause.message);
            base_err_set_code(err, cause.code);
            return status;
        }
        info->ap_open[ap] = status == BASE_OK;
    }
    return BASE_OK;
}

/* A running chip may keep the register to itself: then the field stays 0, unknown. */
static void read_protection(struct prg_psoc6 *chip, struct prg_psoc6_info *info)
{
    struct base_err ignored = { .status = BASE_OK };
    uint8_t word[4];
    if (prg_psoc6_read(chip, chip->die->protection, sizeof(word), word, &ignored) == BASE_OK) {
        info->protection = word[0] & 7U;
    }
}

enum base_status prg_psoc6_identify(
    struct prg_psoc6 *chip, struct prg_psoc6_info *ret_info, struct base_err *err)
{
    struct prg_psoc6_info info = { .dpidr = chip->dpidr };
    enum base_status status = find_open_ports(chip, &info, err);
    if (status == BASE_OK) {
        status = prg_psoc6_find_die(chip, err);
    }
    if (status == BASE_OK) {
        status = read_identity(chip, &info, err);
    }
    if (status == BASE_OK && chip->acquired) {
        status = ask_rom(chip, &info, err);
    } else if (status == BASE_OK) {
        read_protection(chip, &info);
    }
    if (status == BASE_OK) {
        *ret_info = info;
    }
    return status;
}

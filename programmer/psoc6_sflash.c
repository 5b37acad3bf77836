/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "programmer/psoc6_private.h"
#include "programmer/psoc6_secure.h"

#define ROW PSOC6_ROW_BYTES

/* Second table of contents, vendor's secure boot note: offsets in the row. */
#define TOC2_SIZE_AT   0x00U
#define TOC2_MAGIC_AT  0x04U
#define TOC2_APP_AT    0x10U
#define TOC2_FORMAT_AT 0x14U
#define TOC2_COUNT_AT  0x20U /* of hash objects */
#define TOC2_KEY_AT    0x24U
#define TOC2_FLAGS_AT  0x1F8U
#define TOC2_CRC_AT    0x1FCU
#define TOC2_SIZE      0x1FCU
#define TOC2_MAGIC     0x01211220U
#define TOC2_CYPRESS   1U
#define TOC2_CLOCK_50  2U          /* flags [1:0], BLE-2 */
#define TOC2_WINDOW_20 (0U << 2U)  /* flags [4:2] */
#define TOC2_VALIDATE  (1U << 31U) /* flags: verify the application in NORMAL too */
#define TOC1_MAGIC     0x01211219U

/* CRC-16-CCITT, polynomial 0x1021, seed 0xFFFF, most significant bit first. */
static uint16_t crc16(const uint8_t *data, size_t length)
{
    uint32_t crc = 0xFFFF;
    for (size_t i = 0; i < length; i++) {
        crc ^= (uint32_t)data[i] << 8;
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000U) != 0 ? (crc << 1 ^ 0x1021U) & 0xFFFFU : crc << 1;
        }
    }
    return (uint16_t)crc;
}

void prg_psoc6_build_toc2(uint8_t ret_row[PRG_PSOC6_ROW_SIZE])
{
    memset(ret_row, 0, ROW);
    base_put_le32(ret_row + TOC2_SIZE_AT, TOC2_SIZE);
    base_put_le32(ret_row + TOC2_MAGIC_AT, TOC2_MAGIC);
    base_put_le32(ret_row + TOC2_APP_AT, PSOC6_MAIN_FLASH);
    base_put_le32(ret_row + TOC2_FORMAT_AT, TOC2_CYPRESS);
    base_put_le32(ret_row + TOC2_FLAGS_AT, TOC2_CLOCK_50 | TOC2_WINDOW_20);
    base_put_le32(ret_row + TOC2_CRC_AT, (uint32_t)crc16(ret_row, TOC2_SIZE) << 16);
}

void prg_psoc6_build_secure_toc2(uint8_t ret_row[PRG_PSOC6_ROW_SIZE])
{
    prg_psoc6_build_toc2(ret_row);
    base_put_le32(ret_row + TOC2_COUNT_AT, 1);
    base_put_le32(ret_row + TOC2_KEY_AT, PSOC6_SFLASH_KEY);
    base_put_le32(ret_row + TOC2_FLAGS_AT, TOC2_CLOCK_50 | TOC2_WINDOW_20 | TOC2_VALIDATE);
    base_put_le32(ret_row + TOC2_CRC_AT, (uint32_t)crc16(ret_row, TOC2_SIZE) << 16);
}

void prg_psoc6_factory_toc1(uint8_t ret_row[PRG_PSOC6_ROW_SIZE])
{
    memset(ret_row, 0, ROW);
    base_put_le32(ret_row + TOC2_SIZE_AT, TOC2_SIZE);
    base_put_le32(ret_row + TOC2_MAGIC_AT, TOC1_MAGIC);
}

static bool row_allowed(uint32_t address)
{
    if (address % ROW != 0) {
        return false;
    }
    return (address >= PSOC6_SFLASH_USER && address < PSOC6_SFLASH_USER_END) ||
           (address >= PSOC6_SFLASH_KEY && address < PSOC6_SFLASH_KEY_END) ||
           address == PSOC6_SFLASH_TOC2 || address == PSOC6_SFLASH_RTOC2;
}

static enum base_status write_row(struct prg_psoc6 *chip, uint32_t address,
    const uint8_t row[PRG_PSOC6_ROW_SIZE], struct base_err *err)
{
    const uint32_t words[4] = { SROM_WRITE_ROW, SROM_ROW_FROM_SRAM, address, PSOC6_SCRATCH_ROW_0 };
    unsigned ap = 0;
    enum base_status status = prg_psoc6_port(chip, &ap, err);
    if (status == BASE_OK) {
        status = prg_mem_write(chip->link, ap, PSOC6_SCRATCH_ROW_0, row, ROW, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_srom(chip, words, 4, 0, NULL, err);
    }
    return status;
}

enum base_status prg_psoc6_write_sflash_row(struct prg_psoc6 *chip, uint32_t address,
    const uint8_t row[PRG_PSOC6_ROW_SIZE], enum prg_psoc6_change *ret_change, struct base_err *err)
{
    uint8_t have[ROW];
    enum base_status status = prg_psoc6_writable(chip, err);
    if (status != BASE_OK) {
        return status;
    }
    if (!row_allowed(address)) {
        return base_err_set(err, BASE_E_DENIED, "chip", address,
            "supervisory flash row %08x is not among the rows that may be written",
            (unsigned)address);
    }
    status = prg_psoc6_read(chip, address, ROW, have, err);
    if (status == BASE_OK && memcmp(have, row, ROW) == 0) {
        *ret_change = PRG_PSOC6_UNCHANGED;
        return BASE_OK;
    }
    if (status == BASE_OK) {
        status = write_row(chip, address, row, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_read(chip, address, ROW, have, err);
    }
    if (status != BASE_OK) {
        (void)base_err_prefix(err, "supervisory flash row %08x: ", (unsigned)address);
        return status;
    }
    if (memcmp(have, row, ROW) != 0) {
        return base_err_set(err, BASE_E_VERIFY, "chip", address,
            "supervisory flash row %08x does not hold what was written", (unsigned)address);
    }
    *ret_change = PRG_PSOC6_WRITTEN;
    return BASE_OK;
}

enum base_status prg_psoc6_write_toc2(
    struct prg_psoc6 *chip, enum prg_psoc6_change *ret_change, struct base_err *err)
{
    uint8_t row[ROW];
    enum prg_psoc6_change first = PRG_PSOC6_UNCHANGED;
    enum prg_psoc6_change second = PRG_PSOC6_UNCHANGED;
    prg_psoc6_build_toc2(row);
    /* The redundant copy first: a cut in between leaves a valid table in force at every moment. */
    enum base_status status =
        prg_psoc6_write_sflash_row(chip, PSOC6_SFLASH_RTOC2, row, &first, err);
    if (status == BASE_OK) {
        status = prg_psoc6_write_sflash_row(chip, PSOC6_SFLASH_TOC2, row, &second, err);
    }
    if (status == BASE_OK) {
        *ret_change = first == PRG_PSOC6_WRITTEN || second == PRG_PSOC6_WRITTEN
                          ? PRG_PSOC6_WRITTEN
                          : PRG_PSOC6_UNCHANGED;
    }
    return status;
}

enum base_status prg_psoc6_read_toc2(
    struct prg_psoc6 *chip, enum prg_psoc6_toc2 *ret_toc2, struct base_err *err)
{
    static const uint8_t blank[ROW];
    uint8_t have[ROW];
    uint8_t ours[ROW];
    enum base_status status = prg_psoc6_read(chip, PSOC6_SFLASH_TOC2, ROW, have, err);
    if (status != BASE_OK) {
        return status;
    }
    uint8_t secure[ROW];
    prg_psoc6_build_toc2(ours);
    prg_psoc6_build_secure_toc2(secure);
    bool valid = base_get_le32(have + TOC2_SIZE_AT) == TOC2_SIZE &&
                 base_get_le32(have + TOC2_MAGIC_AT) == TOC2_MAGIC &&
                 base_get_le32(have + TOC2_CRC_AT) >> 16 == crc16(have, TOC2_SIZE);
    if (memcmp(have, ours, ROW) == 0) {
        *ret_toc2 = PRG_PSOC6_TOC2_OURS;
    } else if (memcmp(have, secure, ROW) == 0) {
        *ret_toc2 = PRG_PSOC6_TOC2_SECURE;
    } else if (memcmp(have, blank, ROW) == 0) {
        *ret_toc2 = PRG_PSOC6_TOC2_BLANK;
    } else {
        *ret_toc2 = valid ? PRG_PSOC6_TOC2_OTHER : PRG_PSOC6_TOC2_BAD;
    }
    return BASE_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

#include <string.h>

/* System calls that erase and program. Blocking only: the CM0+ stays in ROM until the cells are
 * done. */

#define STATUS_OK          0xA0000000U
#define STATUS_NOT_NOW     0xF0000001U
#define STATUS_PAGE_LATCH  0xF0000003U
#define STATUS_ADDRESS     0xF0000004U
#define STATUS_NO_ACCESS   0xF0000008U
#define STATUS_BAD_ARGS    0xF000000FU
#define STATUS_BAD_PLACE   0xF0000013U
#define STATUS_SFLASH_BULK 0xF0000021U
#define STATUS_NOT_ERASED  0xF00000A4U
#define STATUS_SFLASH_ROW  0xF00000B2U
#define STATUS_PROTECTED   0xF0000005U

#define SUBSECTOR_SIZE (8 * SIM_ROW_SIZE)
#define SFLASH_NAR     0x1A00U
#define ERASE_FLAG     0xEU /* SFlash byte: EraseAll is refused */

/* Rows of SFlash that may be written in NORMAL. */
static bool sflash_row_writable(uint32_t offset)
{
    return (offset >= 0x800 && offset < 0x1000) || offset == SFLASH_NAR ||
           (offset >= 0x5A00 && offset < 0x6600) || offset >= 0x7C00;
}

static bool is_blocking(const struct sim_chip *chip)
{
    return (chip->call.opcode >> 8 & 0xFFU) != 0;
}

/* Aligned place of @p size bytes in main or work flash; false with the result set. */
static bool find_block(
    struct sim_chip *chip, uint32_t address, uint32_t size, struct sim_flash_place *ret_place)
{
    struct sim_flash_place place;
    chip->call.result = STATUS_ADDRESS;
    if (!sim_flash_find(chip, address, &place))
        return false;
    if (place.base == SIM_SFLASH_BASE) {
        chip->call.result = STATUS_SFLASH_BULK;
        return false;
    }
    if (place.offset % size != 0 && !(place.size < size && place.offset == 0))
        return false;
    *ret_place = place;
    return true;
}

/* Protection units of the client guard flash against calls too; false with the result set. */
static bool may_write(struct sim_chip *chip, uint32_t address, uint32_t length)
{
    if (sim_srom_client_owns(chip, address, length, SIM_PERM_WRITE))
        return true;
    chip->call.result = STATUS_PROTECTED;
    return false;
}

static void erase(struct sim_chip *chip, uint32_t size)
{
    struct sim_flash_place place;
    uint32_t address = sim_srom_argument(chip, 1);
    if (!is_blocking(chip)) {
        chip->call.result = STATUS_BAD_ARGS;
        return;
    }
    if (!find_block(chip, address, size, &place))
        return;
    uint32_t length = size < place.size ? size : place.size;
    if (!may_write(chip, address, length))
        return;
    chip->call.result = STATUS_OK;
    sim_flash_start(chip, true, address, length, NULL);
}

static void erase_all(struct sim_chip *chip)
{
    if (!may_write(chip, SIM_FLASH_BASE, SIM_FLASH_SIZE))
        return;
    if (chip->nvm.sflash[ERASE_FLAG] != 0) {
        chip->call.result = STATUS_PROTECTED;
        return;
    }
    chip->call.result = STATUS_OK;
    sim_flash_start(chip, true, SIM_FLASH_BASE, SIM_FLASH_SIZE, NULL);
}

/* Row address and data of ProgramRow and WriteRow into chip->call; false with the result set. */
static bool take_row(struct sim_chip *chip, struct sim_flash_place *ret_place)
{
    struct sim_rom_call *call = &chip->call;
    uint32_t source = sim_srom_argument(chip, 3);
    call->address = sim_srom_argument(chip, 2);
    call->result = STATUS_BAD_ARGS;
    if (!is_blocking(chip) || call->block == 0)
        return false;
    call->result = STATUS_ADDRESS;
    if (!sim_flash_find(chip, call->address, ret_place) || ret_place->offset % SIM_ROW_SIZE != 0)
        return false;
    call->result = STATUS_BAD_PLACE;
    if ((source & 3U) != 0 || source < SIM_RAM_BASE ||
        source - SIM_RAM_BASE > SIM_RAM_SIZE - SIM_ROW_SIZE)
        return false;
    call->result = STATUS_NO_ACCESS;
    if (!sim_srom_client_may(chip, source, SIM_ROW_SIZE, SIM_PERM_READ))
        return false;
    if (!may_write(chip, call->address, SIM_ROW_SIZE))
        return false;
    memcpy(call->data, chip->ram + (source - SIM_RAM_BASE), SIM_ROW_SIZE);
    call->result = STATUS_OK;
    return true;
}

static void write_row(struct sim_chip *chip)
{
    struct sim_rom_call *call = &chip->call;
    struct sim_flash_place place;
    if (!take_row(chip, &place))
        return;
    if (place.base == SIM_SFLASH_BASE && sim_srom_is_secure(chip)) {
        call->result = STATUS_NOT_NOW;
        return;
    }
    if (place.base == SIM_SFLASH_BASE && !sflash_row_writable(place.offset)) {
        call->result = STATUS_SFLASH_ROW;
        return;
    }
    if (place.base == SIM_SFLASH_BASE && place.offset == SFLASH_NAR) {
        for (unsigned i = 0; i < SIM_ROW_SIZE; i++) /* restrictions only ever grow */
            call->data[i] |= place.host[place.offset + i];
    }
    call->program_next = true;
    sim_flash_start(chip, true, call->address, SIM_ROW_SIZE, NULL);
}

/* Programming sets bits only, so a row that is not erased ends as old OR new. */
static void program_row(struct sim_chip *chip)
{
    struct sim_rom_call *call = &chip->call;
    struct sim_flash_place place;
    if (!take_row(chip, &place))
        return;
    if (place.base == SIM_SFLASH_BASE) {
        call->result = STATUS_SFLASH_ROW;
        return;
    }
    if ((sim_srom_argument(chip, 1) >> 8 & 0xFFU) == 0 && sim_srom_argument(chip, 1) != 0) {
        call->result = STATUS_PAGE_LATCH; /* LoadFlashPage has no layout to model */
        return;
    }
    uint8_t dirt = 0;
    for (unsigned i = 0; i < SIM_ROW_SIZE; i++) {
        uint8_t old = place.host[place.offset + i];
        dirt |= old;
        call->data[i] |= old;
    }
    bool skip_check = (call->opcode >> 16 & 0xFFU) != 0;
    if (dirt != 0 && !skip_check)
        call->result = STATUS_NOT_ERASED;
    sim_flash_start(chip, false, call->address, SIM_ROW_SIZE, call->data);
}

bool sim_srom_flash_call(struct sim_chip *chip)
{
    uint32_t opcode = chip->call.opcode >> 24;
    if (sim_srom_is_secure(chip) && (opcode == 0x0A || opcode == 0x14)) {
        chip->call.result = STATUS_NOT_NOW; /* bulk erase */
        return true;
    }
    switch (opcode) {
    case 0x05:
        write_row(chip);
        return true;
    case 0x06:
        program_row(chip);
        return true;
    case 0x0A:
        erase_all(chip);
        return true;
    case 0x14:
        erase(chip, SIM_SECTOR_SIZE);
        return true;
    case 0x1C:
        erase(chip, SIM_ROW_SIZE);
        return true;
    case 0x1D:
        erase(chip, SUBSECTOR_SIZE);
        return true;
    default:
        return false;
    }
}

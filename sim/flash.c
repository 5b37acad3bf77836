/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

#include <string.h>

/* The cells of main flash, work flash and SFlash, and the time they take. */

/* Another master's reads are blocked at the start and at the end of an operation for a fixed time
 * plus so many CPU clocks. */
#define ERASE_START_PS       (2000 * SIM_PS_PER_US)
#define ERASE_START_CYCLES   9500U
#define PROGRAM_START_PS     (800 * SIM_PS_PER_US)
#define PROGRAM_START_CYCLES 6000U
#define END_PS               (130 * SIM_PS_PER_US)
#define END_CYCLES           1000U

#define ERASE_PS   (11000 * SIM_PS_PER_US)
#define PROGRAM_PS (5000 * SIM_PS_PER_US)

bool sim_flash_find(struct sim_chip *chip, uint32_t address, struct sim_flash_place *ret_place)
{
    const struct {
        uint8_t *host;
        uint32_t base, size;
        unsigned first_row;
    } regions[3] = {
        { chip->nvm.flash, SIM_FLASH_BASE, SIM_FLASH_SIZE, 0 },
        { chip->nvm.work, SIM_WORK_BASE, SIM_WORK_SIZE, SIM_FLASH_ROWS },
        { chip->nvm.sflash, SIM_SFLASH_BASE, SIM_SFLASH_SIZE, SIM_FLASH_ROWS + SIM_WORK_ROWS },
    };

    for (unsigned i = 0; i < 3; i++) {
        uint32_t offset = address - regions[i].base;
        if (offset >= regions[i].size)
            continue;
        ret_place->host = regions[i].host;
        ret_place->base = regions[i].base;
        ret_place->size = regions[i].size;
        ret_place->offset = offset;
        ret_place->row = regions[i].first_row + offset / SIM_ROW_SIZE;
        return true;
    }
    return false;
}

/* Sectors that cannot be read while one of them is written: S0+S1, S2+S3, work flash, SFlash. */
static unsigned block_of(uint32_t address)
{
    if (address - SIM_FLASH_BASE < SIM_FLASH_SIZE)
        return (address - SIM_FLASH_BASE) / (2 * SIM_SECTOR_SIZE);
    return address - SIM_WORK_BASE < SIM_WORK_SIZE ? 2 : 3;
}

bool sim_flash_readable(
    const struct sim_chip *chip, const struct sim_access *access, uint32_t address)
{
    (void)access; /* a blocking call keeps the CM0+ in ROM, so every reader is another master */
    const struct sim_flash_op *op = &chip->flash_op;
    if (!op->active || address < SIM_FLASH_BASE)
        return true;
    if (block_of(address) == block_of(op->address))
        return false;
    uint64_t clock = chip->period_ps;
    uint64_t start = op->is_erase ? ERASE_START_PS + ERASE_START_CYCLES * clock
                                  : PROGRAM_START_PS + PROGRAM_START_CYCLES * clock;
    uint64_t end = END_PS + END_CYCLES * clock;
    uint64_t now = sim_now(chip);
    return now >= op->start_ps + start && now + end < op->end_ps;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

bool sim_nvm_begin(struct sim_chip *chip, bool is_erase, uint32_t address, uint32_t length)
{
    uint64_t operation = ++chip->flash_op_count;
    if (chip->hooks.flash_fn != NULL)
        chip->hooks.flash_fn(chip->hooks.flash_user, operation, is_erase, address, length);
    if (!sim_nvm_cut_is(chip, SIM_CUT_BEFORE))
        return true;
    sim_nvm_cut_now(chip);
    return false;
}

bool sim_nvm_cut_is(const struct sim_chip *chip, enum sim_cut_when when)
{
    const struct sim_power_cut *cut = &chip->hooks.cut;
    return cut->when == when && cut->operation == chip->flash_op_count;
}

void sim_nvm_cut_now(struct sim_chip *chip)
{
    chip->cut_due = true;
    sim_core_yield(&chip->cm0);
    sim_core_yield(&chip->cm4);
}

uint64_t sim_nvm_cut_random(struct sim_chip *chip)
{
    uint64_t state = chip->hooks.cut.pattern + chip->flash_op_count * UINT64_C(0x100000001B3);
    return next_random(&state);
}

void sim_flash_start(
    struct sim_chip *chip, bool is_erase, uint32_t address, uint32_t length, const uint8_t *data)
{
    if (!sim_nvm_begin(chip, is_erase, address, length))
        return;
    struct sim_flash_op *op = &chip->flash_op;
    uint64_t now = sim_now(chip);
    op->active = true;
    op->is_erase = is_erase;
    op->address = address;
    op->length = length;
    op->start_ps = now;
    uint32_t percent = chip->hooks.flash_percent != 0 ? chip->hooks.flash_percent : 100;
    op->end_ps = now + (is_erase ? ERASE_PS : PROGRAM_PS) / 100 * percent;
    if (!is_erase)
        memcpy(op->data, data, SIM_ROW_SIZE);
    sim_event_at(chip, SIM_EVENT_FLASH, op->end_ps);
    if (sim_nvm_cut_is(chip, SIM_CUT_DURING))
        sim_event_at(chip, SIM_EVENT_CUT, now + (op->end_ps - now) / 2);
    sim_bus_flush(chip);
}

static void count_wear(struct sim_chip *chip, const struct sim_flash_place *place, uint32_t length)
{
    for (uint32_t i = 0; i < length / SIM_ROW_SIZE; i++)
        chip->nvm.row_erases[place->row + i]++;
}

static uint8_t new_byte(const struct sim_flash_op *op, uint32_t index)
{
    return op->is_erase ? 0 : op->data[index];
}

void sim_flash_event(struct sim_chip *chip)
{
    struct sim_flash_op *op = &chip->flash_op;
    struct sim_flash_place place;
    op->active = false;
    if (sim_flash_find(chip, op->address, &place)) {
        for (uint32_t i = 0; i < op->length; i++)
            place.host[place.offset + i] = new_byte(op, i);
        if (op->is_erase)
            count_wear(chip, &place, op->length);
    }
    sim_bus_flush(chip);
    if (sim_nvm_cut_is(chip, SIM_CUT_AFTER))
        sim_nvm_cut_now(chip);
    else
        sim_srom_flash_done(chip);
}

/* The part of memory one sector of the hardware covers. */
static void sector_of(const struct sim_flash_place *place, uint32_t *ret_first, uint32_t *ret_size)
{
    uint32_t size = place->size < SIM_SECTOR_SIZE ? place->size : SIM_SECTOR_SIZE;
    *ret_first = place->offset / size * size;
    *ret_size = size;
}

static void disturb_sector(
    const struct sim_flash_op *op, const struct sim_flash_place *place, uint64_t *random)
{
    uint32_t first, size;
    sector_of(place, &first, &size);
    for (uint32_t i = first; i < first + size; i++) {
        uint64_t draw = next_random(random);
        bool inside = i - place->offset < op->length;
        if (!inside && (draw & 0x3FU) == 0)
            place->host[i] ^= (uint8_t)(draw >> 8);
    }
}

void sim_flash_cut(struct sim_chip *chip)
{
    struct sim_flash_op *op = &chip->flash_op;
    struct sim_flash_place place;
    if (!op->active)
        return;
    op->active = false;
    sim_bus_flush(chip);
    if (!sim_flash_find(chip, op->address, &place))
        return;
    uint64_t random = sim_nvm_cut_random(chip);
    enum sim_cut_pattern pattern = (enum sim_cut_pattern)(chip->hooks.cut.pattern & 3U);
    for (uint32_t i = 0; i < op->length; i++) {
        uint8_t *cell = &place.host[place.offset + i];
        uint8_t noise = (uint8_t)next_random(&random);
        if (pattern == SIM_CUT_PATTERN_UNSTABLE)
            *cell = (uint8_t)((*cell & noise) | (new_byte(op, i) & ~noise));
        else if (pattern != SIM_CUT_PATTERN_HALF)
            *cell = noise;
        else if (i < op->length / 2)
            *cell = new_byte(op, i);
    }
    if (pattern == SIM_CUT_PATTERN_SECTOR)
        disturb_sector(op, &place, &random);
    if (op->is_erase)
        count_wear(chip, &place, op->length);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/fake_chip.h"

#include "base/buf.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

void fake_chip_init(struct sim_chip *chip)
{
    memset(chip, 0, sizeof(*chip));
    chip->connected = true;
    chip->powered = true;
    for (int i = 0; i < SIM_AP_COUNT; i++) {
        chip->ap_enabled[i] = true;
    }
}

uint32_t fake_chip_word(const struct sim_chip *chip, uint32_t address)
{
    return base_get_le32(chip->memory + (address - FAKE_BASE));
}

void fake_chip_set_word(struct sim_chip *chip, uint32_t address, uint32_t value)
{
    base_put_le32(chip->memory + (address - FAKE_BASE), value);
}

enum base_status sim_chip_new(
    const struct sim_chip_opts *opts, struct sim_chip **ret_chip, struct base_err *err)
{
    (void)opts;
    struct sim_chip *chip = malloc(sizeof(*chip));
    if (chip == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "fake", 0, "no memory");
    }
    fake_chip_init(chip);
    *ret_chip = chip;
    return BASE_OK;
}

void sim_chip_free(struct sim_chip *chip)
{
    free(chip);
}

enum base_status sim_chip_fork(
    const struct sim_chip *chip, struct sim_chip **ret_copy, struct base_err *err)
{
    struct sim_chip *copy = malloc(sizeof(*copy));
    if (copy == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "fake", 0, "no memory");
    }
    *copy = *chip;
    *ret_copy = copy;
    return BASE_OK;
}

uint64_t sim_chip_time_ps(const struct sim_chip *chip)
{
    return chip->time_ps;
}

void sim_chip_run_until(struct sim_chip *chip, uint64_t time_ps)
{
    if (time_ps > chip->time_ps) {
        chip->time_ps = time_ps;
    }
}

void sim_chip_set_xres(struct sim_chip *chip, bool low)
{
    if (low && !chip->xres_low) {
        chip->reset_count++;
    }
    chip->xres_low = low;
}

void sim_chip_set_power(struct sim_chip *chip, bool on)
{
    chip->powered = on;
    chip->reset_count++;
}

bool sim_chip_powered(const struct sim_chip *chip)
{
    return chip->powered;
}

bool sim_chip_swd_connected(const struct sim_chip *chip)
{
    return chip->connected && chip->powered && !chip->xres_low;
}

uint32_t sim_chip_reset_count(const struct sim_chip *chip)
{
    return chip->reset_count;
}

void sim_chip_set_debug_power(struct sim_chip *chip, bool requested)
{
    chip->debug_power = requested;
}

bool sim_chip_ap_enabled(const struct sim_chip *chip, enum sim_ap ap)
{
    return chip->ap_enabled[ap];
}

enum sim_bus_result sim_chip_ap_access(struct sim_chip *chip, enum sim_ap ap, uint32_t address,
    unsigned size, bool write, bool privileged, uint32_t *value)
{
    if (chip->waits_for_ever) {
        return SIM_BUS_WAIT;
    }
    if (chip->waits > 0) {
        chip->waits--;
        return SIM_BUS_WAIT;
    }
    chip->accesses++;
    chip->last_ap = ap;
    chip->last_size = size;
    chip->last_privileged = privileged;
    if (address < FAKE_BASE || address - FAKE_BASE > FAKE_SIZE - size || address % size != 0) {
        return SIM_BUS_FAULT;
    }
    uint8_t *at = chip->memory + (address - FAKE_BASE);
    if (!write) {
        *value = 0;
    }
    for (unsigned i = 0; i < size; i++) {
        if (write) {
            at[i] = (uint8_t)(*value >> (8 * i));
        } else {
            *value |= (uint32_t)at[i] << (8 * i);
        }
    }
    return SIM_BUS_OK;
}

uint64_t sim_chip_flash_operations(const struct sim_chip *chip)
{
    (void)chip;
    return 0;
}

void sim_chip_set_power_cut(struct sim_chip *chip, const struct sim_power_cut *cut)
{
    (void)chip;
    (void)cut;
}

void sim_chip_set_power_cut_instruction(struct sim_chip *chip, uint64_t number)
{
    (void)chip;
    (void)number;
}

void sim_chip_set_flash_time(struct sim_chip *chip, uint32_t percent)
{
    (void)chip;
    (void)percent;
}

void sim_chip_set_vddio_mv(struct sim_chip *chip, uint16_t millivolt)
{
    (void)chip;
    (void)millivolt;
}

enum base_status sim_chip_save(const struct sim_chip *chip, const char *path, struct base_err *err)
{
    return base_file_replace(path, chip->memory, sizeof(chip->memory), 0600, err);
}

enum base_status sim_chip_load(struct sim_chip *chip, const char *path, struct base_err *err)
{
    struct base_buf content;
    base_buf_init(&content, FAKE_SIZE);
    enum base_status status = base_file_read(path, &content, err);
    if (status == BASE_OK && content.length != FAKE_SIZE) {
        status = base_err_set(err, BASE_E_CORRUPT, "fake", 0, "%s has another length", path);
    }
    if (status == BASE_OK) {
        memcpy(chip->memory, content.data, FAKE_SIZE);
    }
    base_buf_done(&content);
    return status;
}

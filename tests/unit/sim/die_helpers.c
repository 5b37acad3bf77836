/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/die_helpers.h"

#define IPC2 0x40230040U

int die_setup(void **state)
{
    struct sim_chip_opts opts = { .unique_id = { 1, 2, 3, 4, 5, 6, 7, 8 }, .trng_seed = 1 };
    struct base_err err = { 0 };
    struct sim_chip *chip = NULL;
    if (sim_chip_new(&opts, &chip, &err) != BASE_OK)
        return -1;
    sim_chip_run_until(chip, 2000 * SIM_PS_PER_US);
    *state = chip;
    return 0;
}

int die_teardown(void **state)
{
    sim_chip_free(*state);
    return 0;
}

void die_run_us(struct sim_chip *chip, uint64_t us)
{
    sim_chip_run_until(chip, sim_chip_time_ps(chip) + us * SIM_PS_PER_US);
}

uint32_t die_read(struct sim_chip *chip, uint32_t address)
{
    uint32_t value = 0xDEADBEEF;
    assert_int_equal(
        sim_chip_ap_access(chip, SIM_AP_CM0, address, 4, false, true, &value), SIM_BUS_OK);
    return value;
}

void die_write(struct sim_chip *chip, uint32_t address, uint32_t value)
{
    assert_int_equal(
        sim_chip_ap_access(chip, SIM_AP_CM0, address, 4, true, true, &value), SIM_BUS_OK);
}

bool die_read_faults(struct sim_chip *chip, enum sim_ap ap, uint32_t address)
{
    uint32_t value = 0;
    return sim_chip_ap_access(chip, ap, address, 4, false, true, &value) == SIM_BUS_FAULT;
}

bool die_write_faults(struct sim_chip *chip, enum sim_ap ap, uint32_t address, uint32_t value)
{
    return sim_chip_ap_access(chip, ap, address, 4, true, true, &value) == SIM_BUS_FAULT;
}

void die_poke(struct sim_chip *chip, uint32_t address, uint32_t value)
{
    uint8_t bytes[4] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
        (uint8_t)(value >> 24) };
    assert_true(sim_chip_test_write(chip, address, bytes, 4));
}

uint32_t die_peek(const struct sim_chip *chip, uint32_t address)
{
    uint8_t bytes[4];
    assert_true(sim_chip_test_read(chip, address, bytes, 4));
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

void die_load(struct sim_chip *chip, uint32_t address, const uint16_t *code, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[2] = { (uint8_t)code[i], (uint8_t)(code[i] >> 8) };
        assert_true(sim_chip_test_write(chip, address + (uint32_t)i * 2, bytes, 2));
    }
}

void die_park(struct sim_chip *chip)
{
    die_write(chip, 0x40260100U, 0x80000000U);
    die_run_us(chip, 25000);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).sleeping);
}

void die_call_start(struct sim_chip *chip, uint32_t data)
{
    assert_int_equal(die_read(chip, IPC2) >> 31, 1);
    die_write(chip, IPC2 + 0xC, data);
    die_write(chip, 0x40231008U, 0x00040000U);
    die_write(chip, IPC2 + 8, 1);
}

uint32_t die_call_finish(struct sim_chip *chip)
{
    for (unsigned i = 0; i < 1000 && die_read(chip, IPC2 + 0x10) >> 31 != 0; i++)
        die_run_us(chip, 100);
    assert_int_equal(die_read(chip, IPC2 + 0x10) >> 31, 0);
    return die_read(chip, IPC2 + 0xC);
}

uint32_t die_call(struct sim_chip *chip, uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3)
{
    die_poke(chip, BLOCK, w0);
    die_poke(chip, BLOCK + 4, w1);
    die_poke(chip, BLOCK + 8, w2);
    die_poke(chip, BLOCK + 12, w3);
    die_call_start(chip, BLOCK);
    (void)die_call_finish(chip);
    return die_peek(chip, BLOCK);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_SIM_FAKE_CHIP_H
#define TESTS_UNIT_SIM_FAKE_CHIP_H

/** @file A chip that is 64 KiB of memory and a few knobs, for tests of the debug port and probe. */

#include "sim/chip.h"

#define FAKE_BASE UINT32_C(0x08000000)
#define FAKE_SIZE 0x10000U

struct sim_chip {
    uint64_t time_ps;
    uint8_t memory[FAKE_SIZE];
    bool connected;
    bool xres_low;
    bool powered;
    bool debug_power;
    uint32_t reset_count;
    bool ap_enabled[SIM_AP_COUNT];
    unsigned waits; /**< answer WAIT this many times */
    bool waits_for_ever;
    unsigned accesses; /**< answered OK or FAULT */
    enum sim_ap last_ap;
    unsigned last_size;
    bool last_privileged;
};

/** Connected, powered, all ports open. */
void fake_chip_init(struct sim_chip *chip);

uint32_t fake_chip_word(const struct sim_chip *chip, uint32_t address);
void fake_chip_set_word(struct sim_chip *chip, uint32_t address, uint32_t value);

#endif

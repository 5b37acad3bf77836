/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_SIM_DIE_HELPERS_H
#define TESTS_UNIT_SIM_DIE_HELPERS_H

/** @file What the tests of the simulated die share: a fresh die, access-port access, system calls.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/chip.h"
#include "sim/chip_test.h"

#define BLOCK 0x08000800U /**< parameter block of system calls */

/** A fresh die at the start of the listen window (2 ms). */
int die_setup(void **state);
int die_teardown(void **state);
void die_run_us(struct sim_chip *chip, uint64_t us);
uint32_t die_read(struct sim_chip *chip, uint32_t address);
void die_write(struct sim_chip *chip, uint32_t address, uint32_t value);
/** True when the access faults. */
bool die_read_faults(struct sim_chip *chip, enum sim_ap ap, uint32_t address);
bool die_write_faults(struct sim_chip *chip, enum sim_ap ap, uint32_t address, uint32_t value);
/** Raw words straight into memory. */
void die_poke(struct sim_chip *chip, uint32_t address, uint32_t value);
uint32_t die_peek(const struct sim_chip *chip, uint32_t address);
void die_load(struct sim_chip *chip, uint32_t address, const uint16_t *code, size_t count);
/** Set TEST_MODE in the listen window and run until the CM0+ is parked. */
void die_park(struct sim_chip *chip);
/** Start a system call over IPC 2 with DATA = @p data. */
void die_call_start(struct sim_chip *chip, uint32_t data);
/** Finish it: wait for the release (at most 100 ms); returns DATA. */
uint32_t die_call_finish(struct sim_chip *chip);
/** A call with a block of up to four words; returns word 0 of the block. */
uint32_t die_call(struct sim_chip *chip, uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3);

#endif

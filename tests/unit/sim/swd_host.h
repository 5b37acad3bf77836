/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_SIM_SWD_HOST_H
#define TESTS_UNIT_SIM_SWD_HOST_H

/** @file The other end of the two wires, bit by bit: it checks parity, turnarounds and silence. */

#include "sim/swd.h"
#include "tests/unit/sim/fake_chip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/** Headers as in the table of raw bytes, first bit on the wire in bit 0. */
#define R_DPIDR  0xA5U
#define W_ABORT  0x81U
#define R_CTRL   0x8DU
#define W_CTRL   0xA9U
#define R_RESEND 0x95U
#define W_SELECT 0xB1U
#define R_RDBUFF 0xBDU
#define W_TARGET 0x99U
#define R_CSW    0x87U
#define W_CSW    0xA3U
#define R_TAR    0xAFU
#define W_TAR    0x8BU
#define R_DRW    0x9FU
#define W_DRW    0xBBU

#define OK     1U
#define WAIT   2U
#define FAULT  4U
#define NOBODY 7U

#define POWER_UP  UINT32_C(0x50000000)
#define TARGET_ID UINT32_C(0x2E207069)
#define CLEAR_ALL UINT32_C(0x1E)

/** Sequences of IHI 0031, first bit in bit 0 of the first byte. */
extern const uint8_t swd_host_line_reset[8];
extern const uint8_t swd_host_jtag_to_swd[17];
extern const uint8_t swd_host_swd_to_jtag[10];
extern const uint8_t swd_host_swd_to_dormant[9];
extern const uint8_t swd_host_jtag_to_dormant[5];
extern const uint8_t swd_host_dormant_to_swd[28];

struct swd_host {
    struct sim_chip chip;
    struct sim_swd swd;
    unsigned turn;   /**< clocks of a turnaround */
    bool data_phase; /**< WAIT and FAULT have one too (ORUNDETECT) */
};

/** Each clock's level is what was driven: nobody else drives. */
void swd_host_send_bits(struct swd_host *f, const uint8_t *bytes, unsigned count);
void swd_host_send_ones(struct swd_host *f, unsigned count);
void swd_host_send_idle(struct swd_host *f, unsigned count);
/** The first 32 of so many bits. */
uint32_t swd_host_receive(struct swd_host *f, unsigned count);
/** Nobody drives: the pull-up is seen. */
void swd_host_turn(struct swd_host *f);
/** One request, from header to acknowledge or to its end: OK, WAIT, FAULT or NOBODY. */
uint32_t swd_host_header(struct swd_host *f, unsigned request);
uint32_t swd_host_read_reg(struct swd_host *f, unsigned request, uint32_t *ret_value);
uint32_t swd_host_write_with_parity(
    struct swd_host *f, unsigned request, uint32_t value, bool good);
uint32_t swd_host_write_reg(struct swd_host *f, unsigned request, uint32_t value);
/** The same, expecting OK. */
uint32_t swd_host_get(struct swd_host *f, unsigned request);
void swd_host_put(struct swd_host *f, unsigned request, uint32_t value);
void swd_host_expect_dpidr(struct swd_host *f);
/** A chip after power-on; with the port selected; with power and the AP ready for words. */
void swd_host_start(struct swd_host *f);
void swd_host_start_connected(struct swd_host *f);
void swd_host_start_powered(struct swd_host *f);

#endif

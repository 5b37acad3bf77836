/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_AP_H
#define SIM_AP_H

/**
 * @file
 * One memory access port (MEM-AP, ADIv5.2 chapter C2) of the PSoC 6 debug port: turns register
 * accesses of the debug port into bus accesses of the chip.
 */

#include "sim/chip.h"

#include <stdbool.h>
#include <stdint.h>

/* Register addresses: APBANKSEL in bits 7..4, A[3:2] in bits 3..2. */
#define SIM_AP_CSW  0x00U
#define SIM_AP_TAR  0x04U
#define SIM_AP_DRW  0x0CU
#define SIM_AP_BD0  0x10U
#define SIM_AP_BD3  0x1CU
#define SIM_AP_CFG  0xF4U
#define SIM_AP_BASE 0xF8U
#define SIM_AP_IDR  0xFCU

/** One access port. Plain data: may be copied. Members are private to sim/ap.c. */
struct sim_ap_port {
    enum sim_ap id;
    uint32_t csw; /**< without DeviceEn and TrInProg, which are computed */
    uint32_t tar;
    /* The access in progress. */
    bool active;
    bool write;
    uint8_t reg;
    uint8_t left;   /**< bus transfers still to do: more than one only when packed */
    uint32_t value; /**< data to write, or the lanes read so far */
};

/** Give CSW and TAR their reset values and forget an access in progress. */
void sim_ap_init(struct sim_ap_port *port, enum sim_ap id);

/**
 * Begin an access to a register of the port; drives nothing until sim_ap_step().
 *
 * @param reg    register address; 8 bits, word aligned
 * @param value  data of a write; ignored for a read
 */
void sim_ap_begin(struct sim_ap_port *port, uint8_t reg, bool write, uint32_t value);

/**
 * Carry the access on as far as the bus allows at the chip's present time.
 *
 * @param[out] ret_value  register or memory value; written only when a read ends with SIM_BUS_OK
 *
 * @return SIM_BUS_OK done; SIM_BUS_WAIT ask again later; SIM_BUS_FAULT ended with a bus error, or
 *         the port is closed
 */
enum sim_bus_result sim_ap_step(
    struct sim_ap_port *port, struct sim_chip *chip, uint32_t *ret_value);

/** Drop the access in progress (ABORT.DAPABORT). */
void sim_ap_abort(struct sim_ap_port *port);

#endif

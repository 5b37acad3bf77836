/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SWD_INTERNAL_H
#define SIM_SWD_INTERNAL_H

/** @file Between the wire (swd.c) and the debug port's registers (swd_dp.c). */

#include "sim/swd.h"

/* Request header, first bit on the wire in bit 0 (ADIv5.2 §B4.1). */
#define SWD_HEADER_START  0x01U
#define SWD_HEADER_APNDP  0x02U
#define SWD_HEADER_RNW    0x04U
#define SWD_HEADER_ADDR   0x18U
#define SWD_HEADER_PARITY 0x20U
#define SWD_HEADER_STOP   0x40U
#define SWD_HEADER_PARK   0x80U

#define SWD_ACK_NONE  0U
#define SWD_ACK_OK    1U
#define SWD_ACK_WAIT  2U
#define SWD_ACK_FAULT 4U

/** Register address in a header: 0x0, 0x4, 0x8 or 0xC. */
static inline uint8_t swd_header_address(uint8_t request)
{
    return (uint8_t)((request & SWD_HEADER_ADDR) >> 1);
}

/** Even parity of a word. */
static inline bool swd_parity(uint32_t value)
{
    return __builtin_parity(value) != 0;
}

/** One of a number of forced answers; false: none is left. */
static inline bool swd_count_down(uint32_t *count)
{
    if (*count == 0) {
        return false;
    }
    *count -= *count != SIM_SWD_FOR_EVER ? 1 : 0;
    return true;
}

/** Reset values of every debug port register and access port. */
void swd_dp_reset(struct sim_swd *swd);

/** True when overrun detection asks for a data phase after every acknowledge. */
bool swd_dp_overrun_detect(const struct sim_swd *swd);

/**
 * Decide about a well-formed request: sets ack and, for a read that answers OK, data.
 *
 * @return false: the port does not answer and loses synchronisation
 */
bool swd_dp_request(struct sim_swd *swd);

/**
 * End of the data phase of an accepted write.
 *
 * @param parity_ok  false: the word was damaged on the wire and must not be used
 * @return false: the port is deselected (TARGETSEL named another target)
 */
bool swd_dp_write(struct sim_swd *swd, bool parity_ok);

#endif

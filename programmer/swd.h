/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_SWD_H
#define PRG_SWD_H

/**
 * @file
 * SWD debug port and access port registers, queued; internal to programmer/.
 *
 * Operations are appended and carried out by prg_swd_flush(). SELECT is cached; every cache is
 * dropped on any error. After a failure the line is brought back (sticky flags cleared, line reset
 * where nobody answered) before the failure is reported, so the next operation starts clean; what
 * the failed group did is then for the caller to find out.
 */

#include "programmer/queue.h"

#define PRG_DP_DPIDR     0x0U /* read  */
#define PRG_DP_ABORT     0x0U /* write */
#define PRG_DP_CTRL_STAT 0x4U
#define PRG_DP_SELECT    0x8U /* write */
#define PRG_DP_RDBUFF    0xCU /* read  */

#define PRG_ABORT_DAP   0x01U
#define PRG_ABORT_CLEAR 0x1EU /**< all sticky flags (ADIv5.2 ABORT) */

#define PRG_CTRL_POWER_REQUEST 0x50000000U
#define PRG_CTRL_POWER_ACK     0xA0000000U

#define PRG_AP_CSW  0x00U
#define PRG_AP_TAR  0x04U
#define PRG_AP_DRW  0x0CU
#define PRG_AP_BASE 0xF8U
#define PRG_AP_IDR  0xFCU

/** Append the switch from JTAG to SWD with its line resets (136 bits). */
void prg_swd_queue_switch(struct prg_link *link);

void prg_swd_queue_dp_write(struct prg_link *link, uint8_t addr, uint32_t value);
void prg_swd_queue_dp_read(struct prg_link *link, uint8_t addr, uint8_t *dest);

/** Access port registers; SELECT is written where the cache does not know it. */
void prg_swd_queue_ap_write(struct prg_link *link, unsigned ap, uint8_t reg, uint32_t value);
void prg_swd_queue_ap_read(struct prg_link *link, unsigned ap, uint8_t reg, uint8_t *dest);

/**
 * Carry out what was appended.
 *
 * @return BASE_OK
 *         BASE_E_TARGET  FAULT; domain "SWD", detail = response byte; the access was refused
 *         BASE_E_TIMEOUT code "mismatch": a value match ran out, the line is well;
 *                        code "unknown": WAIT after all retries
 *         BASE_E_LINK    code "unknown": no acknowledge, parity error, or the cable is gone
 *         BASE_E_PROTO   code "unknown" or the probe refused a command
 */
BASE_MUST_CHECK
enum base_status prg_swd_flush(struct prg_link *link, struct base_err *err);

/**
 * Switch the port to SWD, read DPIDR, clear sticky flags, power the debug domain up and wait for
 * its acknowledge (100 ms). No reset of the target.
 *
 * @return BASE_OK; BASE_E_LINK: nobody answers, detail = response byte; BASE_E_TIMEOUT: no power
 * acknowledge
 */
BASE_MUST_CHECK
enum base_status prg_swd_connect(struct prg_link *link, uint32_t *ret_dpidr, struct base_err *err);

/** Forget SELECT, CSW and TAR of all access ports. */
void prg_swd_drop_caches(struct prg_link *link);

#endif

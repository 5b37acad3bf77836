/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_FAULT_H
#define SIM_FAULT_H

/**
 * @file
 * What can be made to go wrong with a simulated board, as one list, and how it is written:
 *
 *   the connection; N counts requests from 1
 *     cut-request=N        the connection breaks before request N is executed
 *     cut-reply=N          request N is executed, the connection breaks before its reply
 *     lose=N               request N is executed and never answered
 *     late=N:MS            its reply comes MS ms late
 *     short=N:BYTES        its reply ends after BYTES bytes
 *     long=N:BYTES         its reply is BYTES bytes longer
 *     empty=N              its reply has no bytes
 *     duplicate=N          its reply comes twice
 *     stale=N              the reply before comes again first, and everything is off by one
 *     swap=N               its reply comes after the next one
 *     wrong-id=N           its reply begins with another command's byte
 *     nak=N:MS             request N is not taken for MS ms
 *     stall-out=N          the endpoint halts instead of taking request N
 *     stall-in=N           the endpoint halts instead of giving its reply, which comes later
 *     left-over=COUNT      as many replies of somebody else wait in the probe
 *   the SWD wire; N counts SWD packets from 1
 *     flip-bit=N:BIT       cycle BIT of packet N is inverted (0 = start bit)
 *     bit-errors=PPB:SEED  each cycle of a packet is inverted with PPB / 10^9
 *     wait=N:TIMES         packet N and those after it are answered WAIT (*)
 *     no-ack=N:TIMES       nobody answers packet N and those after it (*)
 *     stuck-low=N:TIMES    the wire is held low during packet N and those after it (*)
 *     fault=N              packet N is answered FAULT and a sticky error stands
 *     write-fault=N        packet N, if it writes an AP, fails after it was answered OK
 *                          (*) TIMES in all, 0 = for ever
 *   the board
 *     power-cut=OP:before|during|after[:PATTERN]   around operation OP on flash or fuses
 *     power-cut-clock=N         at the Nth SWCLK cycle
 *     power-cut-instruction=N   before the CM0+ executes its Nth instruction
 *     flash-time=PERCENT        operations on flash take that much of their time
 *
 * Counting begins when the fault is planned, except for instructions and operations, which count
 * since the chip was made. Each strikes once, unless it says otherwise.
 */

#include "base/err.h"
#include "sim/chip.h"

#include <stdbool.h>
#include <stdint.h>

enum sim_fault_kind {
    SIM_FAULT_NONE,
    SIM_FAULT_CUT_REQUEST,
    SIM_FAULT_CUT_REPLY,
    SIM_FAULT_LOSE,
    SIM_FAULT_LATE,
    SIM_FAULT_SHORT,
    SIM_FAULT_LONG,
    SIM_FAULT_EMPTY,
    SIM_FAULT_DUPLICATE,
    SIM_FAULT_STALE,
    SIM_FAULT_SWAP,
    SIM_FAULT_WRONG_ID,
    SIM_FAULT_NAK,
    SIM_FAULT_STALL_OUT,
    SIM_FAULT_STALL_IN,
    SIM_FAULT_LEFT_OVER,
    SIM_FAULT_FLIP_BIT,
    SIM_FAULT_BIT_ERRORS,
    SIM_FAULT_WAIT,
    SIM_FAULT_FAULT,
    SIM_FAULT_NO_ACK,
    SIM_FAULT_STUCK_LOW,
    SIM_FAULT_WRITE_FAULT,
    SIM_FAULT_POWER_CUT,
    SIM_FAULT_POWER_CUT_CLOCK,
    SIM_FAULT_POWER_CUT_INSTRUCTION,
    SIM_FAULT_FLASH_TIME,
};

struct sim_fault {
    enum sim_fault_kind kind;
    uint64_t number; /**< which request, packet, …; the one number of those that have one */
    uint64_t amount; /**< MS, BYTES, BIT, TIMES, SEED, PATTERN */
    enum sim_cut_when when; /**< SIM_FAULT_POWER_CUT only */
};

/** There can be only one of this kind at a time; a second replaces the first. */
bool sim_fault_is_single(enum sim_fault_kind kind);

/** Read one fault as written above. BASE_E_ARG names the fault's own form, or the list of names. */
BASE_MUST_CHECK
enum base_status sim_fault_parse(
    const char *text, struct sim_fault *ret_fault, struct base_err *err);

#endif

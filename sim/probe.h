/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_PROBE_H
#define SIM_PROBE_H

/**
 * @file
 * A CMSIS-DAP v2 debug probe wired to one simulated chip: bytes in, bytes out, virtual time.
 *
 * Behaves as Arm's reference firmware does, also where its manual is silent: AP reads are posted
 * inside a packet, the last write is checked with an RDBUFF read, a read parity error is answered
 * as 0x08, and after WAIT or FAULT in a run of AP reads the count may include a read whose word is
 * missing. Requests are not trusted: one that is cut short, too long, or whose answer would not fit
 * the packet size is answered with the single byte FF and touches nothing.
 *
 * Virtual time moves by one SWCLK period per edge, by the round trip per packet, and by the delays
 * that the host asks for. One thread per probe; two probes share nothing.
 */

#include "base/err.h"
#include "sim/chip.h"
#include "sim/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define SIM_PROBE_MAX_PACKET 1024U
#define SIM_PROBE_TEXT_SIZE  48U

/** Returned by sim_probe_exec() when a fault cuts the connection. */
#define SIM_PROBE_CUT (-1)

struct sim_probe;

enum sim_kitprog_model {
    SIM_KITPROG_NONE,      /**< a plain CMSIS-DAP probe */
    SIM_KITPROG_ON_BOARD,  /**< KitProg3: supplies its board from the beginning */
    SIM_KITPROG_MINIPROG4, /**< supplies the target when told to, unless others do */
};

#define SIM_KITPROG_MIN_MV 1200U
#define SIM_KITPROG_MAX_MV 5000U

/** The vendor commands of KitProg3 and MiniProg4: 80 version, 81 reset, 83 light, 84 supply, 85
 * acquire, 90 capabilities, 91 parameters of acquire, 92 unique id. */
struct sim_kitprog_opts {
    enum sim_kitprog_model model;
    uint16_t major; /**< firmware version; all three 0 = 2.82.1735 */
    uint16_t minor;
    uint16_t build;
    bool over_hid;        /**< it says that it speaks CMSIS-DAP 1.2 */
    uint16_t external_mv; /**< what others supply the target with, millivolt; 0 = nobody does */
};

struct sim_probe_opts {
    const char *vendor;     /**< NULL = "lpa-sim"; at most SIM_PROBE_TEXT_SIZE - 1 bytes are kept */
    const char *product;    /**< NULL = "Simulated CMSIS-DAP" */
    const char *serial;     /**< NULL = "" */
    const char *firmware;   /**< product firmware version; NULL = "1.0.0" */
    uint16_t packet_size;   /**< 64, 256, 512 or 1024; 0 = 512 */
    uint8_t packet_count;   /**< 0 = 4 */
    uint32_t round_trip_us; /**< virtual time of one packet's way there and back */
    uint32_t target_id;     /**< what the debug port answers as TARGETID */
    struct sim_kitprog_opts kitprog;
};

#define SIM_PROBE_ROUND_TRIP_US 250U

/** What happened since the probe was made; a fork starts with its parent's figures. */
struct sim_probe_stats {
    uint64_t packets; /**< requests executed */
    uint64_t request_bytes;
    uint64_t response_bytes;
    uint64_t swclk_clocks;
    uint64_t transfers;       /**< SWD packets, the probe's own repeats included */
    uint64_t waits;           /**< WAIT acknowledges on the wire */
    uint64_t flipped_bits;    /**< inverted by planned faults */
    uint64_t virtual_time_ps; /**< since the chip was made */
};

/** Breakage on demand. Counting starts at 1 with the next request (or SWD packet) after
 * sim_probe_set_fault(); a fault happens once. */
enum sim_probe_fault_kind {
    SIM_PROBE_FAULT_NONE,
    SIM_PROBE_FAULT_CUT_REQUEST, /**< request @ref number is lost with the connection */
    SIM_PROBE_FAULT_CUT_REPLY,   /**< request @ref number is executed, its reply is lost */
    SIM_PROBE_FAULT_FLIP_BIT,    /**< cycle @ref bit of SWD packet @ref number is inverted */
};

struct sim_probe_fault {
    enum sim_probe_fault_kind kind;
    uint64_t number; /**< from 1 */
    uint32_t bit;    /**< 0 = start bit of the request; turnaround cycles count */
};

/** BASE_E_ARG: a packet size that is not offered. BASE_E_NOMEM. The chip is borrowed and must
 * outlive the probe. */
BASE_MUST_CHECK
enum base_status sim_probe_new(struct sim_chip *chip, const struct sim_probe_opts *opts,
    struct sim_probe **ret_probe, struct base_err *err);

/** Accepts NULL. */
void sim_probe_free(struct sim_probe *probe);

/** A copy of the probe and its debug port in the same state, wired to @p chip, which is a fork of
 * the first one's. The trace is not inherited. BASE_E_NOMEM. */
BASE_MUST_CHECK
enum base_status sim_probe_fork(const struct sim_probe *probe, struct sim_chip *chip,
    struct sim_probe **ret_copy, struct base_err *err);

/**
 * Execute one request.
 *
 * @param request   CMSIS-DAP command, no report id, no padding
 * @param capacity  of @p response; at least the packet size
 *
 * @return length of the response; 0 when this request has none (TransferAbort, or QueueCommands,
 *         which wait for the next other request); SIM_PROBE_CUT when the connection breaks here
 */
ssize_t sim_probe_exec(struct sim_probe *probe, const uint8_t *request, size_t length,
    uint8_t *response, size_t capacity);

/** Next response when one request produced several (queued commands); 0 when there are no more. To
 * be called after each sim_probe_exec() by whoever lets hosts use QueueCommands. */
ssize_t sim_probe_next(struct sim_probe *probe, uint8_t *response, size_t capacity);

/** The probe starts anew, as after it was plugged in: what the host has set is forgotten. The
 * target is touched only as its supply and its reset pin are. */
void sim_probe_power_on(struct sim_probe *probe);

/** Forget queued commands: the connection is gone. */
void sim_probe_disconnected(struct sim_probe *probe);

/** True: the requests that follow were already waiting in the probe when the one before ended, so
 * they cost no round trip of their own. */
void sim_probe_set_back_to_back(struct sim_probe *probe, bool on);

/** Let virtual time pass without wire activity. */
void sim_probe_pass_us(struct sim_probe *probe, uint64_t duration_us);

/** Run the chip up to the probe's present time. */
void sim_probe_settle(struct sim_probe *probe);

/** The target lost its supply: its debug port is as after power-on. */
void sim_probe_target_lost(struct sim_probe *probe);

/** True while the target is without supply because the probe's is switched off and nobody else
 * gives one. */
bool sim_probe_keeps_off(const struct sim_probe *probe);

/** Firmware version "2.82.1735". False: it is not written so; nothing is changed. */
bool sim_kitprog_parse_version(const char *text, struct sim_kitprog_opts *opts);

/** What a KitProg3 shows: 0 ready, 1 programming, 2 success, 3 error. */
uint8_t sim_probe_light(const struct sim_probe *probe);

/** NULL = no fault. Copied. */
void sim_probe_set_fault(struct sim_probe *probe, const struct sim_probe_fault *fault);

/** Plan a fault of the SWD wire beside those that stand: SIM_FAULT_FLIP_BIT to
 * SIM_FAULT_WRITE_FAULT of sim/fault.h. A rate of bit errors replaces the one before. BASE_E_ARG.
 */
BASE_MUST_CHECK
enum base_status sim_probe_add_fault(
    struct sim_probe *probe, const struct sim_fault *fault, struct base_err *err);

/** Forget every planned fault of the probe and the wire. */
void sim_probe_clear_faults(struct sim_probe *probe);

/** The target loses its supply at the @p clock th SWCLK cycle from now; 0 = it does not. */
void sim_probe_set_power_cut(struct sim_probe *probe, uint64_t clock);

/** One readable line per request and response; NULL = none. Borrowed. */
void sim_probe_set_trace(struct sim_probe *probe, FILE *trace);

void sim_probe_get_stats(const struct sim_probe *probe, struct sim_probe_stats *ret_stats);

uint16_t sim_probe_packet_size(const struct sim_probe *probe);

uint8_t sim_probe_packet_count(const struct sim_probe *probe);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SWD_H
#define SIM_SWD_H

/**
 * @file
 * The chip's end of the two SWD wires: a Serial Wire Debug Port (ADIv5.2 chapters B2 and B4, DPv2)
 * as a state machine that advances by one SWCLK edge at a time, with three MEM-APs behind it.
 *
 * It also keeps the time of the wire: each edge moves it by one SWCLK period, sim_swd_pass_ps() by
 * more. The chip is run up to that time only where something of it can be seen: at a line reset, a
 * switch sequence, the end of a request and a bus access.
 *
 * Which states a line reset leaves: every SWD state, and dormant (real dormant ports ignore it, but
 * a host that lost count of its own wake sequence must not be stuck here). After power-on or XRES
 * the port is in JTAG, as on silicon, and needs the JTAG-to-SWD or a dormant sequence.
 */

#include "sim/ap.h"
#include "sim/chip.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_SWD_DPIDR    UINT32_C(0x6BA02477)
#define SIM_SWD_FOR_EVER UINT32_MAX

/** What the switch sequences of the SWJ-DP select (ADIv5.2 §B5.2, §B5.3). */
enum sim_swd_mode {
    SIM_SWD_MODE_JTAG,
    SIM_SWD_MODE_SWD,
    SIM_SWD_MODE_DORMANT,
};

/** Where in a packet the wire is. "Turn" phases are the turnaround periods, when nobody drives. */
enum sim_swd_phase {
    SIM_SWD_LOST,  /**< protocol error or never synchronised: only a line reset helps */
    SIM_SWD_RESET, /**< at least 50 ones seen, the two idle bits not yet */
    SIM_SWD_IDLE,
    SIM_SWD_REQUEST,
    SIM_SWD_TURN_ACK,
    SIM_SWD_ACK,
    SIM_SWD_READ_DATA,
    SIM_SWD_TURN_HOST,
    SIM_SWD_TURN_WRITE,
    SIM_SWD_WRITE_DATA,
};

/** Plain data; a copy given another chip by sim_swd_move() is a fork. Members are private to
 * sim/swd*.c except time_ps, clocks and waits, which may be read. */
struct sim_swd {
    struct sim_chip *chip; /**< borrowed */
    uint64_t time_ps;      /**< virtual time of the last edge */
    uint64_t period_ps;    /**< one SWCLK cycle */
    uint64_t clocks;       /**< SWCLK cycles so far */
    uint64_t waits;        /**< WAIT acknowledges given so far */
    uint32_t target_id;
    uint32_t reset_count; /**< of the chip, when last looked */

    /* Switch sequences. */
    enum sim_swd_mode mode;
    uint64_t history_low; /**< the last 128 bits, newest in bit 63 of history_high */
    uint64_t history_high;
    uint8_t ones;        /**< length of the present run of ones, saturated at 50 */
    uint8_t after_ones;  /**< bits since such a run ended, saturated at 16 */
    uint8_t since_alert; /**< bits since the selection alert, 0 = none seen */

    /* Packet in progress. */
    enum sim_swd_phase phase;
    uint8_t count;     /**< bits done in this phase */
    uint8_t request;   /**< header, first bit in bit 0 */
    uint8_t ack;       /**< 1 OK, 2 WAIT, 4 FAULT, 0 = do not drive (TARGETSEL) */
    bool data_parity;  /**< last bit of the data phase */
    uint32_t data;     /**< data phase, first bit in bit 0 */
    bool expect_dpidr; /**< first access after a line reset */

    /* Debug port registers. */
    uint32_t control; /**< writable bits of CTRL/STAT */
    uint32_t sticky;  /**< STICKYORUN, STICKYCMP, STICKYERR, READOK, WDATAERR */
    uint32_t select;
    uint32_t turnround;     /**< turnaround period in cycles, 1 to 4 */
    uint32_t read_buffer;   /**< result of the last AP read */
    uint32_t last_returned; /**< for RESEND */
    struct sim_ap_port ap[SIM_AP_COUNT];
    int pending_ap;       /**< access port with an access in progress, -1 none */
    bool pending_read;    /**< its result belongs in the read buffer */
    bool pending_compare; /**< pushed verify or compare against this value */
    uint32_t compare_value;

    /* Set by whoever makes the target misbehave; SIM_SWD_FOR_EVER never counts down. */
    uint32_t forced_silence; /**< requests that nobody answers */
    uint32_t forced_waits;   /**< requests answered WAIT, those aside that never are */
    bool forced_fault;       /**< the next request finds a sticky error */
    bool forced_write_fault; /**< the next AP write fails after it was acknowledged */
};

/** A debug port as after power-on, at the chip's present time, SWCLK 1 MHz. @p target_id is the
 * value of TARGETID. The chip must outlive the port. */
void sim_swd_init(struct sim_swd *swd, struct sim_chip *chip, uint32_t target_id);

/** Attach to another chip (a fork of the first). */
void sim_swd_move(struct sim_swd *swd, struct sim_chip *chip);

/** Power-on reset of the whole debug port: JTAG selected, every register at its reset value. */
void sim_swd_power_on(struct sim_swd *swd);

/**
 * One SWCLK cycle: the level that the host samples before the rising edge, then the rising edge.
 *
 * @param swdio  level that the host drives; ignored unless @p drive
 * @param drive  false: the host's driver is off and the pull-up decides unless the target drives
 *
 * @return level on the wire before the edge
 */
bool sim_swd_clock(struct sim_swd *swd, bool swdio, bool drive);

/** Let time pass without edges, in picoseconds. */
void sim_swd_pass_ps(struct sim_swd *swd, uint64_t duration_ps);

/** Run the chip up to the time of the wire and take over its resets and pins. Returns false when
 * the SWD pins are not connected to the debug port. */
bool sim_swd_sync(struct sim_swd *swd);

#endif

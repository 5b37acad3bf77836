/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_PROBE_INTERNAL_H
#define SIM_PROBE_INTERNAL_H

/** @file Between the probe's command table, its SWD engine and its trace. */

#include "base/buf.h"
#include "sim/probe.h"
#include "sim/swd.h"

#define PROBE_WIRE_FAULTS_MAX 32U

#define DAP_OK    0x00U
#define DAP_ERROR 0xFFU

enum dap_command {
    DAP_INFO = 0x00,
    DAP_HOST_STATUS = 0x01,
    DAP_CONNECT = 0x02,
    DAP_DISCONNECT = 0x03,
    DAP_TRANSFER_CONFIGURE = 0x04,
    DAP_TRANSFER = 0x05,
    DAP_TRANSFER_BLOCK = 0x06,
    DAP_TRANSFER_ABORT = 0x07,
    DAP_WRITE_ABORT = 0x08,
    DAP_DELAY = 0x09,
    DAP_RESET_TARGET = 0x0A,
    DAP_SWJ_PINS = 0x10,
    DAP_SWJ_CLOCK = 0x11,
    DAP_SWJ_SEQUENCE = 0x12,
    DAP_SWD_CONFIGURE = 0x13,
    DAP_SWD_SEQUENCE = 0x1D,
    DAP_QUEUE_COMMANDS = 0x7E,
    DAP_EXECUTE_COMMANDS = 0x7F,
};

/* Transfer request byte. */
#define DAP_REQ_APNDP       0x01U
#define DAP_REQ_RNW         0x02U
#define DAP_REQ_ADDR        0x0CU
#define DAP_REQ_MATCH_VALUE 0x10U
#define DAP_REQ_MATCH_MASK  0x20U
#define DAP_REQ_ABORT       0x00U
#define DAP_REQ_RDBUFF      (DAP_REQ_RNW | 0x0CU)

/* Transfer response byte. */
#define DAP_ACK_OK       0x01U
#define DAP_ACK_WAIT     0x02U
#define DAP_ACK_FAULT    0x04U
#define DAP_ACK_ERROR    0x08U /**< read data parity */
#define DAP_ACK_MISMATCH 0x10U

/** Response under construction. Every command's answer length is known before it is executed, so
 * room is checked once, by dap_room(). */
struct dap_writer {
    uint8_t *data;
    size_t length;
    size_t capacity;
};

struct sim_probe {
    struct sim_swd swd;

    char vendor[SIM_PROBE_TEXT_SIZE];
    char product[SIM_PROBE_TEXT_SIZE];
    char serial[SIM_PROBE_TEXT_SIZE];
    char firmware[SIM_PROBE_TEXT_SIZE];
    uint16_t packet_size;
    uint8_t packet_count;
    uint64_t round_trip_ps;

    /* Settings of the host; power-up values are those of the reference firmware. */
    bool connected;
    uint8_t idle_cycles;
    uint16_t wait_retry;
    uint16_t match_retry;
    uint32_t match_mask;
    uint8_t turnaround;
    bool data_phase;

    /* Pins. */
    bool swdio_driven;
    bool swdio;
    bool swclk;
    bool xres_low;

    /* Packets held back by QueueCommands, each packet_size bytes. */
    uint8_t *queue;
    uint16_t *queue_lengths;
    unsigned queued;
    unsigned queue_next; /**< of these, answered so far while executing */
    bool queue_running;

    bool back_to_back;
    FILE *trace;

    struct sim_probe_fault fault;
    uint64_t fault_count; /**< requests or SWD packets since the fault was set */
    int64_t flip_in;      /**< cycles until the inverted one, -1 none */

    struct sim_fault wire_faults[PROBE_WIRE_FAULTS_MAX]; /**< numbers count all transfers */
    unsigned wire_fault_count;
    uint64_t error_ppb; /**< of cycles inverted at random, in parts per billion */
    uint64_t error_random;
    uint64_t flipped_bits;
    uint32_t stuck_low; /**< SWD packets during which the wire is held low, this one included */
    uint64_t cut_clock; /**< SWCLK cycle at which the target loses its supply, 0 none */

    /* KitProg3 and MiniProg4. */
    struct sim_kitprog_opts kitprog;
    uint8_t light;
    bool supply_on;
    uint16_t supply_mv;
    uint8_t acquire_timeout_s; /**< 0 = the usual; both are forgotten after one acquire */
    uint8_t acquire_ap;
    bool acquire_ended; /**< answers of an acquire are still to be given */
    bool acquired;
    unsigned beats_left;      /**< signs of life before the result */
    uint64_t usual_period_ps; /**< of SWCLK, until the host chooses */
    bool restarting;          /**< the probe was told to reset itself */

    uint64_t packets;
    uint64_t request_bytes;
    uint64_t response_bytes;
    uint64_t transfers;
};

/* --- probe_swd.c: the wire --- */

/** Clock out bits, LSB first. No-op while not connected: the pins are high impedance. */
void probe_swd_write_bits(struct sim_probe *probe, const uint8_t *bits, unsigned count);

/** Clock in bits, LSB first; unused bits of the last byte are 0. All ones while not connected. */
void probe_swd_read_bits(struct sim_probe *probe, uint8_t *ret_bits, unsigned count);

/**
 * One SWD packet, without repeats.
 *
 * @param request  transfer request byte; only APnDP, RnW and address count
 * @param data     in for a write, out for a read that gets OK or a parity error
 * @return acknowledge, or DAP_ACK_ERROR
 */
uint8_t probe_swd_transfer(struct sim_probe *probe, uint8_t request, uint32_t *data);

/** Set SWCLK by hand; a rising edge is a clock for the target. */
void probe_swd_set_swclk(struct sim_probe *probe, bool level);

/** Level of SWDIO as the probe would read it now. */
bool probe_swd_read_swdio(const struct sim_probe *probe);

/* --- probe_fault.c --- */

/** An SWD packet begins. */
void probe_fault_transfer(struct sim_probe *probe);

/** It is over. */
void probe_fault_transfer_end(struct sim_probe *probe);

/** Before each SWCLK cycle. True: what is on the wire is inverted. */
bool probe_fault_cycle(struct sim_probe *probe);

/* --- probe_transfer.c: DAP_Transfer, DAP_TransferBlock, DAP_WriteABORT --- */

/* Each consumes its own request bytes after the command byte and appends its response after the
 * command byte. False: the request is cut short or the answer does not fit; nothing was done. */
bool probe_transfer(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out);
bool probe_transfer_block(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out);
bool probe_write_abort(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out);

/* --- probe_commands.c: everything else --- */

/** Execute the one command at the cursor. Always leaves at least one byte of answer. False: not a
 * command, or malformed: the answer is FF and what follows in the request has no meaning. */
bool probe_command(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out);

bool dap_room(const struct dap_writer *out, size_t length);
void dap_put(struct dap_writer *out, uint8_t byte);
void dap_put_word(struct dap_writer *out, uint32_t word);

/** One command: consumes its own request bytes after the command byte and appends its answer after
 * the command byte. False: malformed, or no room; the answer is FF. */
typedef bool probe_command_fn(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out);

/** Drive the target's reset pin. */
void probe_drive_xres(struct sim_probe *probe, bool low);

/* --- probe_kitprog.c --- */

/** NULL: not one of these commands. */
probe_command_fn *probe_kitprog_command(uint8_t id);
/** Next answer that follows an acquire by itself; 0: none. */
size_t probe_kitprog_next(struct sim_probe *probe, uint8_t *response, size_t capacity);
/** Switch the probe's supply of the target. */
void probe_kitprog_supply(struct sim_probe *probe, bool on);

/* --- probe_trace.c --- */

void probe_trace(const struct sim_probe *probe, const uint8_t *request, size_t request_length,
    const uint8_t *response, ssize_t response_length);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_LINK_H
#define SIM_LINK_H

/**
 * @file
 * The way between a host and a simulated board: requests in, replies out in order, and what can go
 * wrong with either (sim/fault.h). Servers of all kinds use it: TCP, USB, and tests within one
 * process. Time is the caller's, in microseconds of a clock that never goes back.
 */

#include "sim/board.h"
#include "sim/fault.h"

#define SIM_LINK_REPLY_MAX  2048U
#define SIM_LINK_FAULTS_MAX 32U

struct sim_link;

/** Firmware that is not as good as it says. */
struct sim_link_quirks {
    bool hangs_when_pipelined; /**< a request that comes before the last reply was fetched stops the
                                  probe until it is plugged again */
    bool edbg;       /**< as Atmel's EDBG: after SWJ_Sequence the clock stands still until it is set
                        again,       and a switch sequence goes out only right after DAP_Connect */
    uint8_t buffers; /**< requests it can really hold, others are lost; 0 = as many as it says */
};

enum sim_link_result {
    SIM_LINK_TAKEN,
    SIM_LINK_BUSY,    /**< not now; the request is to be offered again */
    SIM_LINK_STALLED, /**< the endpoint is halted; the request is gone */
    SIM_LINK_CUT,     /**< the connection is gone */
};

struct sim_link_reply {
    size_t length;  /**< may be 0 or more than the probe's packet size after a fault */
    bool misshapen; /**< its length is a fault's doing and not to be hidden by padding */
    uint8_t data[SIM_LINK_REPLY_MAX];
};

/** The board is borrowed. NULL: no memory. */
struct sim_link *sim_link_new(struct sim_board *board);

/** Accepts NULL. */
void sim_link_free(struct sim_link *link);

/** A copy in the same state on a fork of the board. NULL: no memory. */
struct sim_link *sim_link_fork(const struct sim_link *link, struct sim_board *board);

struct sim_board *sim_link_board(struct sim_link *link);

void sim_link_set_quirks(struct sim_link *link, const struct sim_link_quirks *quirks);

/**
 * Plan a fault of any kind. Several stand side by side, of the board's power cuts one of each kind.
 *
 * @return BASE_OK; BASE_E_ARG: as many as SIM_LINK_FAULTS_MAX stand already, or its number is out
 *         of range
 */
BASE_MUST_CHECK
enum base_status sim_link_add_fault(
    struct sim_link *link, const struct sim_fault *fault, struct base_err *err);

/** Faults of the connection and the wire that have not struck yet are forgotten, and what the
 * connection did is repaired, except that replies stay as they are. */
void sim_link_clear_faults(struct sim_link *link);

/**
 * Offer one request at @p now_us. After SIM_LINK_TAKEN its replies wait for sim_link_peek().
 *
 * @param queued  it was sent before the last reply was fetched, so that it costs no round trip
 */
enum sim_link_result sim_link_request(
    struct sim_link *link, int64_t now_us, const uint8_t *request, size_t length, bool queued);

/** The replies to one request, for sim_link_compute(); zero at first. */
struct sim_link_batch {
    struct sim_link_reply *replies; /**< owned */
    unsigned count;
    unsigned capacity;
    bool cut; /**< the connection broke meanwhile */
};

/**
 * sim_link_request() in three steps, for a server that goes on while the board works: this one and
 * sim_link_deliver() touch the link, sim_link_compute() only the board.
 *
 * @param[out] ret_execute  the request has to be executed; false: nothing will come of it
 */
enum sim_link_result sim_link_accept(
    struct sim_link *link, int64_t now_us, bool queued, bool *ret_execute);
/** False: no memory; the replies are lost. */
bool sim_link_compute(struct sim_link *link, const uint8_t *request, size_t length, bool queued,
    struct sim_link_batch *batch);
enum sim_link_result sim_link_deliver(
    struct sim_link *link, int64_t now_us, struct sim_link_batch *batch);
void sim_link_batch_done(struct sim_link_batch *batch);

/** The next request would not be taken at @p now_us (SIM_FAULT_NAK). */
bool sim_link_busy(struct sim_link *link, int64_t now_us);

/** The probe holds as many replies as it has buffers. Whoever has flow control offers no more. */
bool sim_link_full(const struct sim_link *link);

/** Replies that are there or on their way. */
unsigned sim_link_waiting(const struct sim_link *link);

/** The next reply that has arrived by @p now_us; NULL: none has. Valid until the next call. */
const struct sim_link_reply *sim_link_peek(struct sim_link *link, int64_t now_us);
void sim_link_pop(struct sim_link *link);

/** When the next reply arrives or a refused request is worth offering again; INT64_MAX: neither. */
int64_t sim_link_next_us(const struct sim_link *link);

/** The IN endpoint is halted: replies wait. */
bool sim_link_in_stalled(const struct sim_link *link);
/** CLEAR_HALT on both endpoints. */
void sim_link_clear_stall(struct sim_link *link);

/** The connection was broken by a fault. */
bool sim_link_is_cut(const struct sim_link *link);
/** The probe lost its supply or its connection: nothing that it held is left; it can be used. */
void sim_link_reset(struct sim_link *link);

#endif

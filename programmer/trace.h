/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_TRACE_H
#define PRG_TRACE_H

/**
 * @file
 * What went over a wire, for people and for later: readable lines, and recordings that answer in a
 * probe's place.
 *
 * A recording is text: the line "lpa-wire 1", then "> HEX" for each request and "< HEX" for each
 * answer, in the order in which the programmer sent and got them. It holds whatever was read and
 * written, so it is as confidential as the chip's memory.
 */

#include "programmer/transport.h"

#include <stdio.h>

/** Enough for the longest line of prg_trace_text(). */
#define PRG_TRACE_TEXT_SIZE 1024U

/** Say what a packet means, in one line without newline; words beyond the first sixteen are
 * counted, not shown. Any bytes are accepted. */
void prg_trace_text(
    enum prg_trace_kind kind, const uint8_t *packet, size_t length, size_t size, char *ret_text);

struct prg_tracer {
    FILE *text;   /**< readable lines; NULL = none */
    FILE *record; /**< recording, its first line written by prg_tracer_begin(); NULL = none */
    const struct base_clock *clock;
    int64_t begin_us;
    unsigned long packets;
};

/** Files are borrowed. Hand prg_tracer_packet and the tracer to prg_link_opts. */
void prg_tracer_begin(
    struct prg_tracer *tracer, FILE *text, FILE *record, const struct base_clock *clock);

/** prg_trace_fn; user is a struct prg_tracer. Lets every packet pass unchanged. */
bool prg_tracer_packet(
    void *user, enum prg_trace_kind kind, uint8_t *packet, size_t *length, size_t size);

/**
 * A probe that answers from a recording. Each request must be the recorded one, else BASE_E_PROTO
 * code "other_request"; at the recording's end it stays silent.
 *
 * @param delay_us  real time from the last request before an answer to that answer
 * @return BASE_OK, BASE_E_NOTFOUND, BASE_E_IO, BASE_E_CORRUPT (no recording), BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status prg_wire_replay(const char *path, const struct base_clock *clock, int64_t delay_us,
    struct prg_wire *ret_wire, struct base_err *err);

/** "replay:FILE" or "replay:FILE@MICROSECONDS". For tests and measurements: refused by production
 * lots. */
extern const struct prg_transport prg_transport_replay;

enum prg_wire_fault_kind {
    PRG_WIRE_FAULT_NONE,
    PRG_WIRE_FAULT_CUT,          /**< the cable is gone from this request on */
    PRG_WIRE_FAULT_LOSE_REQUEST, /**< it never reaches the probe */
    PRG_WIRE_FAULT_LOSE_REPLY,   /**< it is carried out, its answer never comes */
    PRG_WIRE_FAULT_SHORT_REPLY,  /**< its answer ends after @ref prg_wire_fault.bytes bytes */
    PRG_WIRE_FAULT_TWICE,        /**< its answer comes twice */
};

struct prg_wire_fault {
    enum prg_wire_fault_kind kind;
    uint64_t packet; /**< request that it strikes, from 1 */
    size_t bytes;
};

/** Wrap an open wire and let one thing go wrong, once. Ownership as in prg_wire_trace(). */
BASE_MUST_CHECK
enum base_status prg_wire_add_fault(struct prg_wire *wire, const struct prg_wire_fault *fault,
    struct prg_wire *ret_wire, struct base_err *err);

#endif

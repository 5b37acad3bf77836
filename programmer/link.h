/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_LINK_H
#define PRG_LINK_H

/**
 * @file
 * An open probe: the CMSIS-DAP session with several packets in flight. One thread per link; two
 * links share nothing.
 *
 * A response carries no sequence number: it is matched by its command byte and by the length that
 * the request asks for. The first answer that does not fit poisons the session: what was in flight
 * is unknown, the cable is drained, and two different DAP_Info answers must come back before the
 * session is used again.
 *
 * Failures whose effect on the target is not known carry err->code "unknown": the request may have
 * been carried out. Never repeat anything that is not idempotent before reading state back.
 */

#include "base/clock.h"
#include "base/log.h"
#include "programmer/transport.h"

#define PRG_INFO_TEXT_SIZE 61

struct prg_probe_info {
    char vendor[PRG_INFO_TEXT_SIZE]; /**< printable ASCII only, whatever the probe sent */
    char product[PRG_INFO_TEXT_SIZE];
    char serial[PRG_INFO_TEXT_SIZE];
    char protocol[PRG_INFO_TEXT_SIZE]; /**< CMSIS-DAP version, e.g. "2.1.1" */
    char firmware[PRG_INFO_TEXT_SIZE];
    struct prg_cable cable; /**< USB id, serial number and port; zero without USB */
    const char *model;      /**< static storage; "unknown" where nothing is known of it */
    uint32_t packet_size;   /**< bytes, request and response */
    uint32_t packet_count;  /**< what the probe claims to buffer */
    uint32_t in_flight;     /**< what this session uses of it */
    uint16_t capabilities;  /**< DAP_Info 0xF0 */
    bool lab_only;          /**< the cable has no authentication */
};

struct prg_link_opts {
    const struct base_clock *clock; /**< NULL = the machine's */
    const struct base_log *log;     /**< may be NULL; gets debug and trace lines */
    uint32_t swclk_hz;              /**< 0 = 4 000 000 */
    uint32_t max_in_flight;         /**< 0 = 8; fewer where the probe has fewer buffers */
    prg_trace_fn *trace;            /**< NULL = none; sees every packet */
    void *trace_user;               /**< borrowed */
};

struct prg_link_stats {
    uint64_t packets;     /**< requests sent */
    uint64_t round_trips; /**< times the session waited with nothing more to send */
    uint64_t transfers;   /**< SWD transfers asked for */
    uint64_t bytes_out, bytes_in;
};

struct prg_link;

/**
 * Open a probe URL, read its limits, connect it in SWD mode and set the clock. The target is not
 * touched beyond that.
 *
 * @param opts  NULL = defaults
 * @return BASE_OK, BASE_E_ARG (URL), BASE_E_UNSUPPORTED, BASE_E_LINK (no probe there), BASE_E_PROTO
 * (whoever answers is no CMSIS-DAP probe), BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status prg_link_open(const char *url, const struct prg_link_opts *opts,
    struct prg_link **ret_link, struct base_err *err);

/** The same over a wire that is open already; the link owns it afterwards, also on failure. */
BASE_MUST_CHECK
enum base_status prg_link_open_wire(struct prg_wire *wire, const struct prg_link_opts *opts,
    struct prg_link **ret_link, struct base_err *err);

/** Disconnect and close; accepts NULL and a link whose probe is gone. */
void prg_link_close(struct prg_link *link);

/** Borrowed until close. */
const struct prg_probe_info *prg_link_probe(const struct prg_link *link);

/** Counters since open, for budgets. */
struct prg_link_stats prg_link_stats(const struct prg_link *link);

/**
 * Forget every assumption after a failure with code "unknown": drain, prove the session with two
 * DAP_Info, connect and configure again. Target state is for the caller to read.
 */
BASE_MUST_CHECK
enum base_status prg_link_resync(struct prg_link *link, struct base_err *err);

/** Change SWCLK (Hz, 1 000 … 50 000 000); the probe may round it silently. */
BASE_MUST_CHECK
enum base_status prg_link_set_clock(struct prg_link *link, uint32_t hz, struct base_err *err);

/** Drive nRESET (XRES) low or release it. Nothing else of the target is touched. */
BASE_MUST_CHECK
enum base_status prg_link_set_reset(struct prg_link *link, bool low, struct base_err *err);

/**
 * Let the probe wait, so that time passes on the target side too.
 *
 * @param duration_us  0 … 10 000 000
 */
BASE_MUST_CHECK
enum base_status prg_link_delay(struct prg_link *link, uint32_t duration_us, struct base_err *err);

#endif

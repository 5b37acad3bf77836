/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_TRANSPORT_H
#define PRG_TRANSPORT_H

/**
 * @file
 * How CMSIS-DAP packets reach a probe. One constant instance per kind of cable stands in one table;
 * a decorator (trace, fault) has the same type and wraps another wire.
 *
 * A wire carries whole packets: submit() sends one request, collect() returns one response, in
 * order. Nothing here looks inside a packet.
 */

#include "base/clock.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/** Largest CMSIS-DAP packet that any wire carries (bytes). */
#define PRG_PACKET_MAX 1024U

/** Longest probe URL with its NUL. */
#define PRG_URL_SIZE 256U

/** Receives one reachable probe; @p url can be handed to prg_link_open(). Return false to stop. */
typedef bool prg_probe_fn(void *user, const char *url, const char *description);

#define PRG_CABLE_TEXT_SIZE 64U

/** What a cable knows of the probe at its end without asking it. */
struct prg_cable {
    uint16_t vendor_id, product_id, release; /**< of USB; 0 where there is none */
    char serial[PRG_CABLE_TEXT_SIZE];        /**< printable ASCII */
    char port[32];                           /**< USB port path such as "1-2.3"; else empty */
    uint32_t packet_limit;                   /**< longest packet that it carries, bytes; 0 = any */
};

struct prg_transport {
    const char *name;    /**< URL scheme without the colon or '@' */
    const char *summary; /**< for people: what the URL looks like */
    bool lab_only;       /**< no authentication on the cable: production lots refuse it */
    bool padded;         /**< a response may be followed by bytes that mean nothing (HID reports) */
    /** Host time allowed per response beside the time on the wire, milliseconds. */
    uint32_t slack_ms;
    /** Silence that proves, right after opening, that nothing stale waits in the probe,
     * microseconds; 0 where nothing can wait. */
    int64_t settle_us;
    /** List what is there; NULL where the cable cannot tell. */
    enum base_status (*enumerate)(prg_probe_fn *each, void *user, struct base_err *err);
    /** @param address  URL after the scheme's colon, or from its '@' on; @p ret_state is released
     * by close() */
    enum base_status (*open)(const char *address, const struct base_clock *clock, void **ret_state,
        struct base_err *err);
    /** Send one packet of 1 … PRG_PACKET_MAX bytes. BASE_E_TIMEOUT, BASE_E_LINK (gone for good). */
    enum base_status (*submit)(void *state, const uint8_t *packet, size_t length,
        int64_t timeout_us, struct base_err *err);
    /** Wait for one packet. BASE_E_TIMEOUT (a later collect() may still get it), BASE_E_LINK (gone
     * for good), BASE_E_PROTO (bytes that are no packet). */
    enum base_status (*collect)(void *state, int64_t timeout_us, size_t size, uint8_t *ret_packet,
        size_t *ret_length, struct base_err *err);
    /** NULL where there is nothing to tell. Written over as a whole. */
    void (*describe)(void *state, struct prg_cable *ret_cable);
    /** Told once the probe's packet size is known: some cables mark the end of a packet by it. May
     * be NULL. */
    void (*set_packet_size)(void *state, size_t packet_size);
    /** Accepts NULL. */
    void (*close)(void *state);
};

/** One open cable. */
struct prg_wire {
    const struct prg_transport *transport;
    void *state;
};

/** Close the cable and forget it; accepts NULL and a closed wire. */
void prg_wire_close(struct prg_wire *wire);

/** All kinds of cable, ended by NULL. Static storage. */
const struct prg_transport *const *prg_transport_table(void);

/**
 * Find the transport of a probe URL.
 *
 * @param[out] ret_address  the part after the scheme; borrows @p url
 * @return BASE_OK; BASE_E_ARG with a sentence that shows what a URL looks like
 */
BASE_MUST_CHECK
enum base_status prg_transport_find(const char *url, const struct prg_transport **ret_transport,
    const char **ret_address, struct base_err *err);

/**
 * Open a probe URL: "usb:04b4:f155:SERIAL", "usb@1-2.3", "hid:…", "hid@…", or
 * "tcp:127.0.0.1:4441" (loopback hosts only: that protocol has no authentication).
 *
 * @return BASE_OK, BASE_E_ARG (URL), BASE_E_LINK (nobody there), BASE_E_CONFIG (several probes
 * answer to the URL, code "ambiguous_probe"), BASE_E_BUSY (another program holds it), BASE_E_DENIED
 * (the device is more than a probe), BASE_E_IO (no permission)
 */
BASE_MUST_CHECK
enum base_status prg_wire_open(const char *url, const struct base_clock *clock,
    struct prg_wire *ret_wire, struct base_err *err);

/**
 * A probe in the caller's process: one request in, one response out.
 *
 * @param[out] ret_length  bytes of the response, at most PRG_PACKET_MAX; 0 = the probe stays silent
 */
typedef void prg_exchange_fn(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length);

/** Make a wire of a callback. BASE_E_NOMEM. */
BASE_MUST_CHECK
enum base_status prg_wire_memory(
    prg_exchange_fn *exchange, void *user, struct prg_wire *ret_wire, struct base_err *err);

enum prg_trace_kind {
    PRG_TRACE_REQUEST,
    PRG_TRACE_RESPONSE,
};

/**
 * Sees (and may change or drop) every packet of a traced wire. Return false to drop the packet: a
 * dropped request never reaches the probe, a dropped response counts as silence.
 */
typedef bool prg_trace_fn(
    void *user, enum prg_trace_kind kind, uint8_t *packet, size_t *length, size_t size);

/**
 * Wrap an open wire. On success the wrapped wire belongs to the new one and @p wire says so by
 * being closed.
 */
BASE_MUST_CHECK
enum base_status prg_wire_trace(struct prg_wire *wire, prg_trace_fn *trace, void *user,
    struct prg_wire *ret_wire, struct base_err *err);

#endif

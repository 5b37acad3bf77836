/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_USB_PROBE_H
#define TESTS_USB_PROBE_H

/**
 * @file
 * A simulated board as a USB device, seen from the device's side of its endpoints: transfers in,
 * transfers out. Knows nothing of how a host's library reaches it.
 *
 * CMSIS-DAP v2 (bulk): a message ends with a packet shorter than the endpoint's, or when the
 * probe's packet size is reached, as in Arm's USB template; a request whose end is not marked waits
 * for more, and what comes then is glued to it. A reply that is shorter than the probe's packet
 * size but fills its last packet is followed by an empty packet unless no_zlp says otherwise.
 *
 * CMSIS-DAP v1 (HID): reports of report_size bytes both ways.
 *
 * One thread at a time.
 */

#include "base/clock.h"
#include "sim/link.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USB_PROBE_TEXT_SIZE      64U
#define USB_PROBE_IDLE_CREDIT_US INT64_C(1000000)

struct usb_probe;

struct usb_probe_opts {
    bool hid; /**< CMSIS-DAP v1; false: v2 */
    uint16_t vendor_id;
    uint16_t product_id;
    uint16_t bcd_device;
    const char *manufacturer;   /**< NULL = "lpa-sim" */
    const char *product;        /**< NULL = "Simulated CMSIS-DAP" */
    const char *serial;         /**< NULL = none */
    const char *interface_name; /**< v2 only; NULL = "CMSIS-DAP v2" */
    uint8_t interface_class;    /**< v2 only; 0xFF, or 0 as KitProg3 has it */
    bool composite; /**< as KitProg3: a bridge to I2C, which is HID too, and a serial port beside it
                     */
    uint16_t max_packet;  /**< v2: bulk endpoints, 64 or 512 bytes */
    uint16_t report_size; /**< v1: 64 to 1024 */
    bool stale_padding;   /**< v1: a report ends with bytes of the one before, not with zeros */
    /** Requests are not executed when they arrive; usb_probe_take_job() hands them out. */
    bool deferred;
    bool no_zlp; /**< v2: replies are never ended by an empty packet */
    /** Virtual time also moves while the host leaves the probe alone, by this clock, at most
     * USB_PROBE_IDLE_CREDIT_US at a time; NULL: it does not. */
    const struct base_clock *realtime;
};

/** NULL: no memory. The link and the clock are borrowed; strings are copied. */
struct usb_probe *usb_probe_new(struct sim_link *link, const struct usb_probe_opts *opts);

/** Accepts NULL. */
void usb_probe_free(struct usb_probe *probe);

/** Strings as given, or their defaults; valid as long as the probe. */
const struct usb_probe_opts *usb_probe_get_opts(const struct usb_probe *probe);
struct sim_link *usb_probe_link(struct usb_probe *probe);

/** A host opened the device afresh: an unfinished request is forgotten; replies are not. */
void usb_probe_opened(struct usb_probe *probe);

/** The device was unplugged or reset: nothing it held is left. */
void usb_probe_reset(struct usb_probe *probe);

/** A request to be executed, if opts.deferred. */
struct usb_probe_job {
    uint8_t request[SIM_PROBE_MAX_PACKET];
    size_t length;
    bool queued; /**< it had come before the last reply was fetched */
};

/** Next request; none other is taken or handed out until usb_probe_finish(). False: there is none.
 */
bool usb_probe_take_job(struct usb_probe *probe, struct usb_probe_job *ret_job);
/** Execute it. Uses the board only: other calls may go on meanwhile, except usb_probe_reset(). */
void usb_probe_compute(
    struct usb_probe *probe, const struct usb_probe_job *job, struct sim_link_batch *batch);
enum sim_link_result usb_probe_finish(
    struct usb_probe *probe, int64_t now_us, struct sim_link_batch *batch);

/** A request is being executed or waits for it, or replies wait to be fetched. */
bool usb_probe_busy(const struct usb_probe *probe);
/** A request waits to be executed. */
bool usb_probe_has_job(const struct usb_probe *probe);

/** True while the probe takes no more: it holds as many replies as it has buffers, or a fault. */
bool usb_probe_naks(struct usb_probe *probe, int64_t now_us);

/** v2: one OUT transfer, executed at once when it ends a request. @p end_marked: the host's
 * controller appends an empty packet if the last one is full. @p early: the host sent it while
 * usb_probe_busy(). Never SIM_LINK_BUSY after usb_probe_naks() said no. */
enum sim_link_result usb_probe_bulk_out(struct usb_probe *probe, int64_t now_us,
    const uint8_t *data, size_t length, bool end_marked, bool early);

/** How one IN transfer stands. */
enum usb_probe_in {
    USB_PROBE_IN_WAIT, /**< no packet, or not the last one yet */
    USB_PROBE_IN_DONE,
    USB_PROBE_IN_OVERFLOW, /**< the device sent more than the buffer holds */
    USB_PROBE_IN_STALL,
};

/**
 * v2: move packets that are ready into a host's buffer.
 *
 * @param have  bytes of this transfer so far; moved on
 */
enum usb_probe_in usb_probe_bulk_in(
    struct usb_probe *probe, int64_t now_us, uint8_t *buffer, size_t capacity, size_t *have);

/** v1: one output report, without its id, as long as the host made it. */
enum sim_link_result usb_probe_report_out(
    struct usb_probe *probe, int64_t now_us, const uint8_t *report, size_t length, bool early);

/** v1: next input report; 0 when there is none. */
size_t usb_probe_report_in(
    struct usb_probe *probe, int64_t now_us, uint8_t *report, size_t capacity);

/** v1: an input report waits. */
bool usb_probe_report_ready(struct usb_probe *probe, int64_t now_us);

#endif

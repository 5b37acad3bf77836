/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/transport_usb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libusb-1.0/libusb.h>

#include "programmer/usb_cable.h"

/* Transfers each way: more than a session ever has in flight. */
#define RING           16U
#define CLOSE_LIMIT_US 1000000

struct usb;

/* One transfer with its memory; in use from submission to the moment its result was taken. */
struct slot {
    struct usb *usb;
    struct libusb_transfer *transfer;
    uint8_t bytes[PRG_PACKET_MAX];
    bool pending;  /* the kernel has it */
    int completed; /* told by libusb: anything but 0 ends its wait */
};

struct ring {
    struct slot slots[RING];
    unsigned first, count;
    uint8_t endpoint;
    size_t max_packet;
    bool halted;
};

struct usb {
    libusb_context *context;
    libusb_device_handle *handle;
    const struct base_clock *clock;
    struct prg_cable cable;
    int interface;
    bool claimed;
    size_t packet_size; /* 0 until known */
    struct ring out, in;
    unsigned early_reads;               /* reads that wait without a request of their own */
    enum libusb_transfer_status failed; /* of an OUT transfer, not told yet */
};

static enum base_status usb_list(prg_probe_fn *each, void *user, struct base_err *err)
{
    return prg_usb_cable_list(PRG_USB_BULK, each, user, err);
}

static enum base_status gone(const struct usb *usb, int64_t detail, struct base_err *err)
{
    return base_err_set(err, BASE_E_LINK, "USB", detail,
        "the probe at USB port %s is gone; it may have been unplugged", usb->cable.port);
}

/* ----------------------------------------------------------------------------------- transfers */

static void on_complete(struct libusb_transfer *transfer)
{
    struct slot *slot = transfer->user_data;
    slot->pending = false;
    slot->completed = 1;
}

static struct slot *ring_at(struct ring *ring, unsigned place)
{
    return &ring->slots[(ring->first + place) % RING];
}

static void ring_drop(struct ring *ring)
{
    ring->first = (ring->first + 1) % RING;
    ring->count--;
}

static enum base_status start(
    struct usb *usb, struct ring *ring, size_t length, bool zero_packet, struct base_err *err)
{
    struct slot *slot = ring_at(ring, ring->count);
    libusb_fill_bulk_transfer(slot->transfer, usb->handle, ring->endpoint, slot->bytes, (int)length,
        on_complete, slot, 0);
    slot->transfer->flags = zero_packet ? LIBUSB_TRANSFER_ADD_ZERO_PACKET : 0;
    slot->completed = 0;
    int failed = libusb_submit_transfer(slot->transfer);
    if (failed != 0) {
        return gone(usb, failed, err);
    }
    slot->pending = true;
    ring->count++;
    return BASE_OK;
}

/* Let libusb work until this transfer ended or the time is over. */
static void wait_slot(struct usb *usb, struct slot *slot, int64_t deadline_us)
{
    for (;;) {
        int64_t left_us = deadline_us - base_clock_mono_us(usb->clock);
        left_us = left_us < 0 ? 0 : left_us;
        struct timeval time = { .tv_sec = left_us / 1000000, .tv_usec = left_us % 1000000 };
        (void)libusb_handle_events_timeout_completed(usb->context, &time, &slot->completed);
        if (slot->completed != 0 || left_us == 0) {
            return;
        }
    }
}

static void note_failure(struct usb *usb, struct ring *ring, const struct slot *slot)
{
    enum libusb_transfer_status status = slot->transfer->status;
    if (status == LIBUSB_TRANSFER_STALL || status == LIBUSB_TRANSFER_ERROR) {
        ring->halted = true;
    }
    if (ring == &usb->out && status != LIBUSB_TRANSFER_COMPLETED &&
        usb->failed == LIBUSB_TRANSFER_COMPLETED) {
        usb->failed = status;
    }
}

/* Take back what has been sent. */
static void reap_out(struct usb *usb)
{
    while (usb->out.count > 0 && ring_at(&usb->out, 0)->completed != 0) {
        note_failure(usb, &usb->out, ring_at(&usb->out, 0));
        ring_drop(&usb->out);
    }
}

/* End everything in flight; false when the kernel does not give a transfer back. */
static bool cancel_all(struct usb *usb)
{
    struct ring *rings[2] = { &usb->out, &usb->in };
    int64_t deadline_us = base_clock_mono_us(usb->clock) + CLOSE_LIMIT_US;
    bool all = true;
    for (unsigned r = 0; r < 2; r++) {
        for (unsigned i = 0; i < rings[r]->count; i++) {
            if (ring_at(rings[r], i)->pending) {
                (void)libusb_cancel_transfer(ring_at(rings[r], i)->transfer);
            }
        }
    }
    for (unsigned r = 0; r < 2; r++) {
        while (rings[r]->count > 0) {
            wait_slot(usb, ring_at(rings[r], 0), deadline_us);
            all = all && ring_at(rings[r], 0)->completed != 0;
            ring_drop(rings[r]);
        }
    }
    usb->early_reads = 0;
    return all;
}

/* After a stall or a bus error: empty both pipes, clear what is halted. The session is out of step
 * then, which its owner finds out by itself. */
static enum base_status clear_halt(
    struct usb *usb, enum libusb_transfer_status cause, struct base_err *err)
{
    struct ring *rings[2] = { &usb->out, &usb->in };
    if (cause == LIBUSB_TRANSFER_NO_DEVICE || !cancel_all(usb)) {
        return gone(usb, (int64_t)cause, err);
    }
    usb->failed = LIBUSB_TRANSFER_COMPLETED;
    for (unsigned r = 0; r < 2; r++) {
        if (rings[r]->halted) {
            rings[r]->halted = false;
            int failed = libusb_clear_halt(usb->handle, rings[r]->endpoint);
            if (failed != 0) {
                return gone(usb, failed, err);
            }
        }
    }
    return base_err_set(err, BASE_E_PROTO, "USB", (int64_t)cause,
        cause == LIBUSB_TRANSFER_OVERFLOW ? "the probe at USB port %s sent more than a packet holds"
                                          : "the probe at USB port %s halted its endpoint",
        usb->cable.port);
}

/* ------------------------------------------------------------------------------- send, receive */

/* A read ends with a short packet, or when its memory is full: that must not happen before the
 * longest answer, and not after it, when no empty packet follows. */
static enum base_status post_read(struct usb *usb, struct base_err *err)
{
    size_t max_packet = usb->in.max_packet;
    size_t size = usb->packet_size == 0 ? PRG_PACKET_MAX : usb->packet_size;
    size = (size + max_packet - 1) / max_packet * max_packet;
    return start(usb, &usb->in, size > PRG_PACKET_MAX ? PRG_PACKET_MAX : size, false, err);
}

static enum base_status usb_submit(
    void *state, const uint8_t *packet, size_t length, int64_t timeout_us, struct base_err *err)
{
    struct usb *usb = state;
    if (length == 0 || length > PRG_PACKET_MAX) {
        return base_err_set(err, BASE_E_INTERNAL, "USB", (int64_t)length,
            "a packet of %zu bytes cannot be sent", length);
    }
    reap_out(usb);
    if (usb->out.count == RING) {
        wait_slot(usb, ring_at(&usb->out, 0), base_clock_mono_us(usb->clock) + timeout_us);
        reap_out(usb);
    }
    if (usb->failed != LIBUSB_TRANSFER_COMPLETED) {
        return clear_halt(usb, usb->failed, err);
    }
    if (usb->out.count == RING) {
        return base_err_set(err, BASE_E_TIMEOUT, "USB", 0, "the probe takes no more packets");
    }
    enum base_status status = BASE_OK;
    if (usb->early_reads > 0) {
        usb->early_reads--;
    } else if (usb->in.count < RING) {
        status = post_read(usb, err);
    }
    if (status == BASE_OK) {
        memcpy(ring_at(&usb->out, usb->out.count)->bytes, packet, length);
        bool open_end = length < usb->packet_size && length % usb->out.max_packet == 0;
        status = start(usb, &usb->out, length, open_end, err);
    }
    return status;
}

/* An answer that fills its USB packets and whose end was not marked is complete all the same when
 * nothing follows. */
static bool unmarked(const struct usb *usb, const struct libusb_transfer *transfer)
{
    size_t length = (size_t)transfer->actual_length;
    return transfer->status == LIBUSB_TRANSFER_CANCELLED && length > 0 &&
           length % usb->in.max_packet == 0;
}

static enum base_status take_read(
    struct usb *usb, size_t size, uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    struct slot *slot = ring_at(&usb->in, 0);
    const struct libusb_transfer *transfer = slot->transfer;
    size_t length = (size_t)transfer->actual_length;
    if (transfer->status != LIBUSB_TRANSFER_COMPLETED && !unmarked(usb, transfer)) {
        note_failure(usb, &usb->in, slot);
        return clear_halt(usb, transfer->status, err);
    }
    ring_drop(&usb->in);
    if (length > size) {
        return base_err_set(err, BASE_E_PROTO, "USB", (int64_t)length,
            "the probe sent a packet of %zu bytes", length);
    }
    memcpy(ret_packet, slot->bytes, length);
    *ret_length = length;
    return BASE_OK;
}

/* Bytes of an unfinished answer can only be had by ending its read. */
static enum base_status end_read(
    struct usb *usb, size_t size, uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    struct slot *slot = ring_at(&usb->in, 0);
    if (usb->in.count == 1) {
        (void)libusb_cancel_transfer(slot->transfer);
        wait_slot(usb, slot, base_clock_mono_us(usb->clock) + CLOSE_LIMIT_US);
        if (slot->completed == 0) {
            return gone(usb, 0, err);
        }
        if (slot->transfer->status == LIBUSB_TRANSFER_COMPLETED || unmarked(usb, slot->transfer)) {
            return take_read(usb, size, ret_packet, ret_length, err);
        }
        if (slot->transfer->status == LIBUSB_TRANSFER_CANCELLED) {
            usb->early_reads = 0;
            ring_drop(&usb->in);
        }
    }
    return base_err_set(err, BASE_E_TIMEOUT, "USB", 0, "the probe does not answer");
}

/* An empty packet behind a full answer that needed none. */
static bool is_empty(const struct slot *slot)
{
    return slot->completed != 0 && slot->transfer->status == LIBUSB_TRANSFER_COMPLETED &&
           slot->transfer->actual_length == 0;
}

static enum base_status usb_collect(void *state, int64_t timeout_us, size_t size,
    uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    struct usb *usb = state;
    int64_t deadline_us = base_clock_mono_us(usb->clock) + timeout_us;
    for (;;) {
        if (usb->in.count == 0) {
            enum base_status status = post_read(usb, err);
            if (status != BASE_OK) {
                return status;
            }
            usb->early_reads++;
        }
        wait_slot(usb, ring_at(&usb->in, 0), deadline_us);
        if (!is_empty(ring_at(&usb->in, 0))) {
            break;
        }
        ring_drop(&usb->in);
        enum base_status status = post_read(usb, err);
        if (status != BASE_OK) {
            return status;
        }
    }
    reap_out(usb);
    if (ring_at(&usb->in, 0)->completed != 0) {
        return take_read(usb, size, ret_packet, ret_length, err);
    }
    if (usb->failed != LIBUSB_TRANSFER_COMPLETED) {
        return clear_halt(usb, usb->failed, err);
    }
    return end_read(usb, size, ret_packet, ret_length, err);
}

/* -------------------------------------------------------------------------------- open and close
 */

static void free_transfers(struct ring *ring)
{
    for (unsigned i = 0; i < RING; i++) {
        /* One that the kernel never gave back stays: its memory may still be written to. */
        if (!ring->slots[i].pending) {
            libusb_free_transfer(ring->slots[i].transfer);
        }
    }
}

static void usb_close(void *state)
{
    struct usb *usb = state;
    if (usb == NULL) {
        return;
    }
    bool all = usb->handle == NULL || cancel_all(usb);
    free_transfers(&usb->out);
    free_transfers(&usb->in);
    if (!all) {
        return;
    }
    if (usb->claimed) {
        (void)libusb_release_interface(usb->handle, usb->interface);
    }
    if (usb->handle != NULL) {
        libusb_close(usb->handle);
    }
    if (usb->context != NULL) {
        libusb_exit(usb->context);
    }
    free(usb);
}

static bool is_at(libusb_device *device, const char *port)
{
    uint8_t ports[8];
    char text[PRG_USB_PORT_SIZE];
    int depth = libusb_get_port_numbers(device, ports, (int)sizeof(ports));
    int used = snprintf(text, sizeof(text), "%u-", libusb_get_bus_number(device));
    for (int i = 0; i < depth; i++) {
        used +=
            snprintf(text + used, sizeof(text) - (size_t)used, "%s%u", i == 0 ? "" : ".", ports[i]);
        if ((size_t)used + 5 >= sizeof(text)) {
            return false;
        }
    }
    return depth > 0 && strcmp(text, port) == 0;
}

static int errno_of(int libusb_error)
{
    switch (libusb_error) {
    case LIBUSB_ERROR_ACCESS:
        return EACCES;
    case LIBUSB_ERROR_BUSY:
        return EBUSY;
    case LIBUSB_ERROR_NO_MEM:
        return ENOMEM;
    default:
        return ENODEV;
    }
}

static enum base_status open_device(struct usb *usb, struct base_err *err)
{
    libusb_device **list = NULL;
    ssize_t count = libusb_get_device_list(usb->context, &list);
    int failed = LIBUSB_ERROR_NO_DEVICE;
    unsigned bus = 0;
    unsigned number = 0;
    for (ssize_t i = 0; i < count; i++) {
        if (is_at(list[i], usb->cable.port)) {
            bus = libusb_get_bus_number(list[i]);
            number = libusb_get_device_address(list[i]);
            failed = libusb_open(list[i], &usb->handle);
            break;
        }
    }
    if (count >= 0) {
        libusb_free_device_list(list, 1);
    }
    if (failed != 0) {
        char node[64];
        (void)snprintf(node, sizeof(node), "/dev/bus/usb/%03u/%03u", bus, number);
        usb->handle = NULL;
        return prg_usb_cable_refused(node, errno_of(failed), err);
    }
    return BASE_OK;
}

/* CMSIS-DAP v2: the endpoints' order says what they are, OUT then IN; a third one is for trace. */
static bool take_endpoints(struct usb *usb, const struct libusb_interface_descriptor *alternate)
{
    struct ring *rings[2] = { &usb->out, &usb->in };
    static const uint8_t direction[2] = { LIBUSB_ENDPOINT_OUT, LIBUSB_ENDPOINT_IN };
    for (unsigned i = 0; i < 2; i++) {
        if (i >= alternate->bNumEndpoints) {
            return false;
        }
        const struct libusb_endpoint_descriptor *endpoint = &alternate->endpoint[i];
        rings[i]->endpoint = endpoint->bEndpointAddress;
        rings[i]->max_packet = endpoint->wMaxPacketSize & 0x7FFU;
        if ((endpoint->bmAttributes & LIBUSB_TRANSFER_TYPE_MASK) != LIBUSB_TRANSFER_TYPE_BULK ||
            (endpoint->bEndpointAddress & LIBUSB_ENDPOINT_DIR_MASK) != direction[i] ||
            rings[i]->max_packet < 8 || rings[i]->max_packet > PRG_PACKET_MAX) {
            return false;
        }
    }
    return true;
}

static enum base_status find_endpoints(struct usb *usb, struct base_err *err)
{
    struct libusb_config_descriptor *config = NULL;
    bool found = false;
    int failed = libusb_get_active_config_descriptor(libusb_get_device(usb->handle), &config);
    for (unsigned i = 0; failed == 0 && i < config->bNumInterfaces && !found; i++) {
        const struct libusb_interface *interface = &config->interface[i];
        if (interface->num_altsetting > 0 &&
            interface->altsetting[0].bInterfaceNumber == usb->interface) {
            found = take_endpoints(usb, &interface->altsetting[0]);
        }
    }
    if (failed == 0) {
        libusb_free_config_descriptor(config);
    }
    return found ? BASE_OK
                 : base_err_set(err, BASE_E_UNSUPPORTED, "USB", failed,
                       "the probe at USB port %s lacks the two bulk endpoints of CMSIS-DAP v2",
                       usb->cable.port);
}

static enum base_status claim(struct usb *usb, struct base_err *err)
{
    int failed = libusb_claim_interface(usb->handle, usb->interface);
    if (failed != 0) {
        return prg_usb_cable_refused(usb->cable.port, errno_of(failed), err);
    }
    usb->claimed = true;
    return BASE_OK;
}

static enum base_status make_transfers(struct usb *usb, struct base_err *err)
{
    struct ring *rings[2] = { &usb->out, &usb->in };
    bool ok = libusb_init(&usb->context) == 0;
    for (unsigned i = 0; ok && i < 2 * RING; i++) {
        struct slot *slot = &rings[i / RING]->slots[i % RING];
        slot->usb = usb;
        slot->transfer = libusb_alloc_transfer(0);
        ok = slot->transfer != NULL;
    }
    return ok ? BASE_OK
              : base_err_set(err, BASE_E_NOMEM, "USB", 0, "no memory for a USB connection");
}

static enum base_status usb_open(
    const char *address, const struct base_clock *clock, void **ret_state, struct base_err *err)
{
    struct prg_usb_interface interface;
    struct usb *usb = calloc(1, sizeof(*usb));
    if (usb == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "probe", 0, "no memory for a probe");
    }
    usb->clock = clock;
    enum base_status status =
        prg_usb_cable_find(PRG_USB_BULK, address, &usb->cable, &interface, err);
    if (status == BASE_OK) {
        usb->interface = interface.number;
        status = make_transfers(usb, err);
    }
    if (status == BASE_OK) {
        status = open_device(usb, err);
    }
    if (status == BASE_OK) {
        status = find_endpoints(usb, err);
    }
    if (status == BASE_OK) {
        status = claim(usb, err);
    }
    if (status != BASE_OK) {
        usb_close(usb);
        return status;
    }
    *ret_state = usb;
    return BASE_OK;
}

static void usb_describe(void *state, struct prg_cable *ret_cable)
{
    const struct usb *usb = state;
    *ret_cable = usb->cable;
}

static void usb_set_packet_size(void *state, size_t packet_size)
{
    struct usb *usb = state;
    usb->packet_size = packet_size;
}

const struct prg_transport prg_transport_usb = {
    .name = "usb",
    .summary = "usb:VID:PID[:SERIAL] or usb@BUS-PORT (CMSIS-DAP v2)",
    .slack_ms = 1000,
    .settle_us = 20000,
    .enumerate = usb_list,
    .open = usb_open,
    .submit = usb_submit,
    .collect = usb_collect,
    .describe = usb_describe,
    .set_packet_size = usb_set_packet_size,
    .close = usb_close,
};

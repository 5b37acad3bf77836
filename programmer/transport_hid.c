/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/transport_hid.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <hidapi/hidapi.h>

#include "programmer/usb_cable.h"

/* hidapi keeps the error of opening in a variable of its own that all threads share. */
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

struct hid {
    hid_device *device;
    int lock_fd; /**< of the node, held while it is open; -1 = none */
    struct prg_cable cable;
    size_t input_bytes, output_bytes; /* of reports, without the id */
};

static enum base_status hid_list(prg_probe_fn *each, void *user, struct base_err *err)
{
    return prg_usb_cable_list(PRG_USB_HID, each, user, err);
}

static enum base_status cannot_open(
    const struct prg_usb_interface *interface, const struct prg_cable *cable, struct base_err *err)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/dev/%s", interface->hidraw);
    if (interface->hidraw[0] == '\0') {
        return base_err_set(err, BASE_E_LINK, "probe", 0,
            "the kernel gave the probe at USB port %s no hidraw device; unplug it and plug it in "
            "again",
            cable->port);
    }
    return prg_usb_cable_refused(path, access(path, R_OK | W_OK) == 0 ? ENODEV : errno, err);
}

static void hid_end(void *state)
{
    struct hid *hid = state;
    if (hid != NULL) {
        if (hid->device != NULL) {
            (void)pthread_mutex_lock(&opening);
            hid_close(hid->device);
            (void)pthread_mutex_unlock(&opening);
        }
        if (hid->lock_fd >= 0) {
            (void)close(hid->lock_fd);
        }
        free(hid);
    }
}

/* The kernel lets several programs open a hidraw node, and gives every one a copy of each answer:
 * both would take the other's for their own. A lock on the node itself ends with its program. */
static enum base_status lock_node(struct hid *hid, const char *path, struct base_err *err)
{
    hid->lock_fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (hid->lock_fd < 0) {
        return prg_usb_cable_refused(path, errno, err);
    }
    if (flock(hid->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return prg_usb_cable_refused(path, errno == EWOULDBLOCK ? EBUSY : errno, err);
    }
    return BASE_OK;
}

static enum base_status open_node(
    struct hid *hid, const struct prg_usb_interface *interface, struct base_err *err)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/dev/%s", interface->hidraw);
    hid->input_bytes = interface->report.input_bytes;
    hid->output_bytes = interface->report.output_bytes;
    if (hid->input_bytes > PRG_PACKET_MAX || hid->output_bytes > PRG_PACKET_MAX) {
        return base_err_set(err, BASE_E_UNSUPPORTED, "probe", (int64_t)hid->output_bytes,
            "the probe's reports have %zu and %zu bytes; at most %u are supported",
            hid->output_bytes, hid->input_bytes, PRG_PACKET_MAX);
    }
    hid->cable.packet_limit =
        (uint32_t)(hid->input_bytes < hid->output_bytes ? hid->input_bytes : hid->output_bytes);
    if (interface->hidraw[0] != '\0') {
        enum base_status status = lock_node(hid, path, err);
        if (status != BASE_OK) {
            return status;
        }
        (void)pthread_mutex_lock(&opening);
        hid->device = hid_open_path(path);
        (void)pthread_mutex_unlock(&opening);
    }
    return hid->device == NULL ? cannot_open(interface, &hid->cable, err) : BASE_OK;
}

static enum base_status hid_begin(
    const char *address, const struct base_clock *clock, void **ret_state, struct base_err *err)
{
    (void)clock;
    struct prg_usb_interface interface;
    struct hid *hid = calloc(1, sizeof(*hid));
    if (hid == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "probe", 0, "no memory for a probe");
    }
    hid->lock_fd = -1;
    enum base_status status =
        prg_usb_cable_find(PRG_USB_HID, address, &hid->cable, &interface, err);
    if (status == BASE_OK) {
        status = open_node(hid, &interface, err);
    }
    if (status != BASE_OK) {
        hid_end(hid);
        return status;
    }
    *ret_state = hid;
    return BASE_OK;
}

/* A report goes out in the call, or fails after the kernel's five seconds: hidapi has no time-out
 * for it. */
static enum base_status hid_submit(
    void *state, const uint8_t *packet, size_t length, int64_t timeout_us, struct base_err *err)
{
    (void)timeout_us;
    struct hid *hid = state;
    uint8_t report[1 + PRG_PACKET_MAX] = { 0 }; /* report id 0: there are no ids */
    if (length == 0 || length > hid->output_bytes) {
        return base_err_set(err, BASE_E_INTERNAL, "probe", (int64_t)length,
            "a packet of %zu bytes does not fit a report of %zu", length, hid->output_bytes);
    }
    memcpy(report + 1, packet, length);
    if (hid_write(hid->device, report, 1 + hid->output_bytes) < 0) {
        return base_err_set(err, BASE_E_LINK, "probe", 0,
            "the probe at USB port %s takes no more reports; it may have been unplugged",
            hid->cable.port);
    }
    return BASE_OK;
}

static enum base_status hid_collect(void *state, int64_t timeout_us, size_t size,
    uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    struct hid *hid = state;
    uint8_t report[1 + PRG_PACKET_MAX];
    int64_t wait_ms = timeout_us <= 0 ? 0 : (timeout_us + 999) / 1000;
    int got = hid_read_timeout(
        hid->device, report, sizeof(report), wait_ms > INT_MAX ? INT_MAX : (int)wait_ms);
    if (got == 0) {
        return base_err_set(err, BASE_E_TIMEOUT, "probe", 0, "the probe does not answer");
    }
    if (got < 0) {
        return base_err_set(err, BASE_E_LINK, "probe", 0,
            "the probe at USB port %s is gone; it may have been unplugged", hid->cable.port);
    }
    if ((size_t)got != hid->input_bytes || (size_t)got > size) {
        return base_err_set(err, BASE_E_PROTO, "probe", got,
            "the probe sent a report of %d bytes instead of %zu", got, hid->input_bytes);
    }
    memcpy(ret_packet, report, (size_t)got);
    *ret_length = (size_t)got;
    return BASE_OK;
}

static void hid_describe(void *state, struct prg_cable *ret_cable)
{
    const struct hid *hid = state;
    *ret_cable = hid->cable;
}

const struct prg_transport prg_transport_hid = {
    .name = "hid",
    .summary = "hid:VID:PID[:SERIAL] or hid@BUS-PORT (CMSIS-DAP v1)",
    .padded = true,
    .slack_ms = 1000,
    .settle_us = 20000,
    .enumerate = hid_list,
    .open = hid_begin,
    .submit = hid_submit,
    .collect = hid_collect,
    .describe = hid_describe,
    .close = hid_end,
};

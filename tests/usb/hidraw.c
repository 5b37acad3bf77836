/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/usb_node.h"

#include "tests/usb/usb_desc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/hidraw.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <umockdev.h>

#define BUS_USB 3U
#define EARLY   "early"

/* The node is a pseudo terminal, which has no message boundaries and whose readers poll() it. So
 * one byte in it stands for "reports wait"; a read takes that byte and gets a whole report instead.
 */
void hidraw_ring(struct usb_node *node)
{
    if (!node->rung && node->pty >= 0 && usb_probe_report_ready(node->probe, usb_node_now_us())) {
        static const char bell = 1;
        node->rung = write(node->pty, &bell, 1) == 1;
    }
}

static void give_report(struct usb_node *node, UMockdevIoctlClient *client)
{
    UMockdevIoctlData *arg = umockdev_ioctl_client_get_arg(client);
    int failure = 0;
    /* The host's own read() takes the byte; it cannot block. */
    (void)umockdev_ioctl_client_execute(client, &failure, NULL);
    node->rung = false;
    /* What the byte overwrote must count as changed when the report is copied back. */
    (void)umockdev_ioctl_data_reload(arg, NULL);
    size_t length =
        usb_probe_report_in(node->probe, usb_node_now_us(), arg->data, (size_t)arg->data_len);
    umockdev_ioctl_client_complete(client, (glong)length, 0);
    hidraw_ring(node);
}

static void serve_reads(struct usb_node *node)
{
    while (node->rung && !g_queue_is_empty(node->reads)) {
        UMockdevIoctlClient *client = g_queue_pop_head(node->reads);
        if (umockdev_ioctl_client_get_connected(client)) {
            give_report(node, client);
        }
        g_object_unref(client);
    }
}

static void serve(struct usb_node *node);

static gboolean handle_read(UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer user)
{
    (void)base;
    struct usb_node *node = user;
    g_mutex_lock(node->mutex);
    if (node->gone) {
        umockdev_ioctl_client_complete(client, -1, EIO);
    } else {
        g_queue_push_tail(node->reads, g_object_ref(client));
        serve(node);
    }
    g_mutex_unlock(node->mutex);
    return TRUE;
}

/* Hand one output report to the probe. False: it is not taken yet. */
static bool give_request(struct usb_node *node, UMockdevIoctlClient *client)
{
    const UMockdevIoctlData *arg = umockdev_ioctl_client_get_arg(client);
    if (arg->data_len < 1) {
        umockdev_ioctl_client_complete(client, -1, EINVAL);
        return true;
    }
    /* The first byte is the report's id, which these reports do not have. */
    bool early = g_object_get_data(G_OBJECT(client), EARLY) != NULL;
    if (usb_probe_naks(node->probe, usb_node_now_us())) {
        return false;
    }
    enum sim_link_result result = usb_probe_report_out(
        node->probe, usb_node_now_us(), arg->data + 1, (size_t)arg->data_len - 1, early);
    struct sim_link *link = usb_probe_link(node->probe);
    if (result == SIM_LINK_BUSY) {
        return false;
    }
    /* The kernel's driver clears halts by itself. */
    sim_link_clear_stall(link);
    if (result == SIM_LINK_CUT) {
        umockdev_ioctl_client_complete(client, -1, ENODEV);
        usb_node_cut(node);
    } else if (result == SIM_LINK_STALLED) {
        umockdev_ioctl_client_complete(client, -1, EPIPE);
    } else {
        umockdev_ioctl_client_complete(client, arg->data_len, 0);
    }
    return true;
}

static void serve_writes(struct usb_node *node)
{
    UMockdevIoctlClient *client;
    while (!node->gone && (client = g_queue_pop_head(node->writes)) != NULL) {
        if (umockdev_ioctl_client_get_connected(client) && !give_request(node, client)) {
            g_queue_push_head(node->writes, client);
            break;
        }
        g_object_unref(client);
    }
}

/* Everything that can move now, and a look at what comes later by itself. */
static void serve(struct usb_node *node)
{
    serve_writes(node);
    if (node->gone) {
        return;
    }
    usb_node_work(node);
    hidraw_ring(node);
    serve_reads(node);
    int64_t next_us = sim_link_next_us(usb_probe_link(node->probe));
    if (next_us != INT64_MAX && next_us > usb_node_now_us()) {
        usb_node_later(hidraw_wake, node, NULL, next_us);
    }
}

int hidraw_wake(void *user)
{
    struct usb_node *node = user;
    g_mutex_lock(node->mutex);
    if (!node->gone) {
        serve(node);
    }
    g_mutex_unlock(node->mutex);
    return G_SOURCE_REMOVE;
}

static gboolean handle_write(UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer user)
{
    (void)base;
    struct usb_node *node = user;
    g_mutex_lock(node->mutex);
    if (node->gone) {
        umockdev_ioctl_client_complete(client, -1, ENODEV);
    } else {
        /* Sent before the last reply was fetched. */
        g_object_set_data(G_OBJECT(client), EARLY, usb_probe_busy(node->probe) ? node : NULL);
        g_queue_push_tail(node->writes, g_object_ref(client));
        serve(node);
    }
    g_mutex_unlock(node->mutex);
    return TRUE;
}

/* Copy into the host's buffer of the size that the request's code names. */
static glong put(UMockdevIoctlClient *client, gulong request, const void *data, size_t length)
{
    size_t size = _IOC_SIZE(request);
    UMockdevIoctlData *to =
        umockdev_ioctl_data_resolve(umockdev_ioctl_client_get_arg(client), 0, size, NULL);
    if (to == NULL) {
        return -1;
    }
    length = length < size ? length : size;
    memcpy(to->data, data, length);
    g_object_unref(to);
    return (glong)length;
}

/* Result of the call, -1 for one that there is not. */
static glong answer(const struct usb_node *node, UMockdevIoctlClient *client, gulong request)
{
    const struct usb_probe_opts *opts = usb_probe_get_opts(node->probe);
    struct hidraw_report_descriptor report = { 0 };
    report.size = (uint32_t)usb_desc_report(opts, report.value);
    struct hidraw_devinfo info = { BUS_USB, (int16_t)opts->vendor_id, (int16_t)opts->product_id };
    char name[2 * USB_PROBE_TEXT_SIZE];
    (void)snprintf(name, sizeof(name), "%s %s", opts->manufacturer, opts->product);
    switch (request) {
    case HIDIOCGRDESCSIZE:
        return put(client, request, &report.size, sizeof(report.size)) < 0 ? -1 : 0;
    case HIDIOCGRDESC:
        return put(client, request, &report, sizeof(report)) < 0 ? -1 : 0;
    case HIDIOCGRAWINFO:
        return put(client, request, &info, sizeof(info)) < 0 ? -1 : 0;
    default:
        break;
    }
    switch (_IOC_NR(request)) {
    case 0x04:
        return put(client, request, name, strlen(name) + 1);
    case 0x08:
        return put(client, request, opts->serial, strlen(opts->serial) + 1);
    default:
        return -1;
    }
}

static gboolean handle_ioctl(UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer user)
{
    (void)base;
    struct usb_node *node = user;
    gulong request = umockdev_ioctl_client_get_request(client);
    g_mutex_lock(node->mutex);
    if (node->gone) {
        umockdev_ioctl_client_complete(client, -1, ENODEV);
    } else {
        glong result = _IOC_TYPE(request) == 'H' ? answer(node, client, request) : -1;
        umockdev_ioctl_client_complete(client, result, result < 0 ? ENOTTY : 0);
    }
    g_mutex_unlock(node->mutex);
    return TRUE;
}

void hidraw_init(struct usb_node *node)
{
    node->pty = -1;
    node->reads = g_queue_new();
    node->writes = g_queue_new();
    node->hid_handler = umockdev_ioctl_base_new();
    (void)g_signal_connect(node->hid_handler, "handle-ioctl", G_CALLBACK(handle_ioctl), node);
    (void)g_signal_connect(node->hid_handler, "handle-read", G_CALLBACK(handle_read), node);
    (void)g_signal_connect(node->hid_handler, "handle-write", G_CALLBACK(handle_write), node);
}

void hidraw_done(struct usb_node *node)
{
    if (node->reads != NULL) {
        g_queue_free_full(node->reads, g_object_unref);
        node->reads = NULL;
    }
    if (node->writes != NULL) {
        g_queue_free_full(node->writes, g_object_unref);
        node->writes = NULL;
    }
    g_clear_object(&node->hid_handler);
}

static void refuse(GQueue *clients, int failure)
{
    UMockdevIoctlClient *client;
    while ((client = g_queue_pop_head(clients)) != NULL) {
        if (umockdev_ioctl_client_get_connected(client)) {
            umockdev_ioctl_client_complete(client, -1, failure);
        }
        g_object_unref(client);
    }
}

void hidraw_unplug(struct usb_node *node)
{
    refuse(node->reads, EIO);
    refuse(node->writes, ENODEV);
    node->rung = false;
    /* Readers see a hang-up when the last descriptor of this end is gone; its number stays
     * umockdev's to close. */
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (node->pty >= 0 && nothing >= 0) {
        (void)dup3(nothing, node->pty, O_CLOEXEC);
    }
    if (nothing >= 0) {
        (void)close(nothing);
    }
    node->pty = -1;
}

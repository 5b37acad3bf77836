/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/usb_node.h"

#include <string.h>
#include <umockdev.h>

void usb_node_init(struct usb_node *node, struct usb_probe *probe, GMutex *mutex)
{
    memset(node, 0, sizeof(*node));
    node->probe = probe;
    node->mutex = mutex;
    usbfs_init(node);
    hidraw_init(node);
}

void usb_node_done(struct usb_node *node)
{
    hidraw_done(node);
    usbfs_done(node);
}

void usb_node_unplug(struct usb_node *node)
{
    node->gone = true;
    usb_probe_reset(node->probe);
    sim_probe_power_on(sim_link_board(usb_probe_link(node->probe))->probe);
    usbfs_unplug(node);
    hidraw_unplug(node);
}

void usb_node_cut(struct usb_node *node)
{
    usb_node_unplug(node);
    if (node->on_gone != NULL) {
        node->on_gone(node->user);
    }
}

void usb_node_later(int (*fn)(void *user), void *user, void (*done)(void *user), int64_t at_us)
{
    GSource *source = g_timeout_source_new(0);
    g_source_set_ready_time(source, at_us);
    g_source_set_callback(source, fn, user, done);
    g_source_attach(source, g_main_context_get_thread_default());
    g_source_unref(source);
}

int64_t usb_node_now_us(void)
{
    return g_get_monotonic_time();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/usb_node.h"

#include <string.h>

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
    usb_probe_lost_supply(node->probe);
    usbfs_unplug(node);
    hidraw_unplug(node);
}

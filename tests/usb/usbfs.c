/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/usb_node.h"

#include "base/buf.h"
#include "tests/usb/usb_desc.h"

#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include <umockdev.h>

#define SETUP_SIZE     8U
#define URB_MAX        65536
#define DIRECTION_IN   0x80U
#define TYPE_MASK      0x60U
#define STANDARD_IN    0x80U
#define INTERFACE_IN   0x81U
#define GET_STATUS     0U
#define CLEAR_FEATURE  1U
#define GET_DESCRIPTOR 6U
#define GET_CONFIG     8U
#define SET_CONFIG     9U
#define SET_INTERFACE  11U

/* An empty reap costs the host a trip to this process; one that keeps asking is let wait a little,
 * as poll() would make it wait for a real device. */
#define IDLE_REAPS_FREE 4U
#define CLAIM_TRIES     10U
#define CLAIM_RETRY_MS  5U
#define IDLE_REAP_US    200

struct usbfs_urb {
    UMockdevIoctlData *data;   /**< the host's struct usbdevfs_urb */
    UMockdevIoctlData *buffer; /**< NULL: empty */
    UMockdevIoctlClient *owner;
    size_t have; /**< IN: bytes so far */
    bool early;  /**< sent before the last reply was fetched */
    bool done;
    int status;
};

static struct usbdevfs_urb *host_urb(const struct usbfs_urb *urb)
{
    return (struct usbdevfs_urb *)(void *)urb->data->data;
}

static void free_urb(struct usbfs_urb *urb)
{
    g_object_unref(urb->owner);
    g_clear_object(&urb->buffer);
    g_clear_object(&urb->data);
    g_free(urb);
}

/* umockdev does not say when a descriptor was closed, perhaps by the death of its process. */
static void forget_closed(struct usb_node *node)
{
    if (node->claimed_by != NULL && !umockdev_ioctl_client_get_connected(node->claimed_by)) {
        g_clear_object(&node->claimed_by);
    }
    GList *at = node->urbs->head;
    while (at != NULL) {
        GList *next = at->next;
        struct usbfs_urb *urb = at->data;
        if (!umockdev_ioctl_client_get_connected(urb->owner)) {
            g_queue_delete_link(node->urbs, at);
            free_urb(urb);
        }
        at = next;
    }
}

static void finish(struct usbfs_urb *urb, int status)
{
    urb->done = true;
    urb->status = status;
}

/* --- control transfers --- */

static size_t get_descriptor(
    const struct usb_probe_opts *opts, unsigned type, unsigned index, uint8_t *ret_desc)
{
    switch (type) {
    case 1:
        return usb_desc_device(opts, ret_desc);
    case 2:
        return usb_desc_configuration(opts, ret_desc);
    case 3:
        return usb_desc_string(opts, index, ret_desc);
    default:
        return 0;
    }
}

/* Length of the answer, -1 to stall. */
static ssize_t answer_control(
    const struct usb_probe_opts *opts, const uint8_t setup[SETUP_SIZE], uint8_t *ret_data)
{
    uint8_t type = setup[3];
    size_t length = 0;
    if ((setup[0] & TYPE_MASK) != 0) {
        return -1;
    }
    switch (setup[1]) {
    case GET_DESCRIPTOR:
        if (setup[0] == INTERFACE_IN && type == 0x22 && opts->hid) {
            length = usb_desc_report(opts, ret_data);
        } else if (setup[0] == STANDARD_IN) {
            length = get_descriptor(opts, type, setup[2], ret_data);
        }
        return length > 0 ? (ssize_t)length : -1;
    case GET_STATUS:
        memset(ret_data, 0, 2);
        return 2;
    case GET_CONFIG:
        ret_data[0] = 1;
        return 1;
    case CLEAR_FEATURE:
    case SET_CONFIG:
    case SET_INTERFACE:
        return 0;
    default:
        return -1;
    }
}

static void run_control(struct usb_node *node, struct usbfs_urb *urb)
{
    uint8_t answer[USB_DESC_MAX];
    if (urb->buffer == NULL || urb->buffer->data_len < (int)SETUP_SIZE) {
        finish(urb, -EINVAL);
        return;
    }
    uint8_t *setup = urb->buffer->data;
    size_t room = (size_t)urb->buffer->data_len - SETUP_SIZE;
    size_t wanted = base_get_le16(setup + 6);
    room = wanted < room ? wanted : room;
    ssize_t length = answer_control(usb_probe_get_opts(node->probe), setup, answer);
    if (length < 0) {
        finish(urb, -EPIPE);
        return;
    }
    urb->have = (size_t)length < room ? (size_t)length : room;
    memcpy(setup + SETUP_SIZE, answer, urb->have);
    finish(urb, 0);
}

/* --- bulk transfers --- */

static bool is_in(const struct usbfs_urb *urb)
{
    return (host_urb(urb)->endpoint & DIRECTION_IN) != 0;
}

static void run_out(struct usb_node *node, struct usbfs_urb *urb)
{
    int64_t now_us = usb_node_now_us();
    if (usb_probe_naks(node->probe, now_us)) {
        return;
    }
    static const uint8_t nothing[1];
    const uint8_t *data = urb->buffer != NULL ? urb->buffer->data : nothing;
    size_t length = urb->buffer != NULL ? (size_t)urb->buffer->data_len : 0;
    bool end_marked = (host_urb(urb)->flags & USBDEVFS_URB_ZERO_PACKET) != 0;
    switch (usb_probe_bulk_out(node->probe, now_us, data, length, end_marked, urb->early)) {
    case SIM_LINK_STALLED:
        finish(urb, -EPIPE);
        break;
    case SIM_LINK_CUT:
        usb_node_cut(node);
        break;
    case SIM_LINK_BUSY:
    case SIM_LINK_TAKEN:
        urb->have = length;
        finish(urb, 0);
        break;
    }
}

static void run_in(struct usb_node *node, struct usbfs_urb *urb)
{
    size_t capacity = urb->buffer != NULL ? (size_t)urb->buffer->data_len : 0;
    uint8_t nothing[1];
    uint8_t *data = urb->buffer != NULL ? urb->buffer->data : nothing;
    switch (usb_probe_bulk_in(node->probe, usb_node_now_us(), data, capacity, &urb->have)) {
    case USB_PROBE_IN_DONE:
        finish(urb, 0);
        break;
    case USB_PROBE_IN_OVERFLOW:
        finish(urb, -EOVERFLOW);
        break;
    case USB_PROBE_IN_STALL:
        finish(urb, -EPIPE);
        break;
    case USB_PROBE_IN_WAIT:
        break;
    }
}

/* Transfers of one endpoint are done in order, and what is done in one direction can make room in
 * the other. */
static void run_bulk(struct usb_node *node)
{
    bool moved = true;
    while (moved && !node->gone) {
        moved = false;
        bool out_waits = false;
        bool in_waits = false;
        for (GList *at = node->urbs->head; at != NULL; at = at->next) {
            struct usbfs_urb *urb = at->data;
            bool in = is_in(urb);
            if (urb->done || node->gone || (in ? in_waits : out_waits)) {
                continue;
            }
            if (in) {
                run_in(node, urb);
                in_waits = !urb->done;
            } else {
                run_out(node, urb);
                out_waits = !urb->done;
            }
            moved = moved || urb->done;
        }
    }
    if (!node->gone) {
        usb_node_work(node);
    }
}

/* --- ioctls --- */

static bool has_endpoint(const struct usb_node *node, const struct usbdevfs_urb *urb)
{
    if (urb->type == USBDEVFS_URB_TYPE_CONTROL) {
        return urb->endpoint == 0 || urb->endpoint == DIRECTION_IN;
    }
    unsigned type =
        usb_probe_get_opts(node->probe)->hid ? USBDEVFS_URB_TYPE_INTERRUPT : USBDEVFS_URB_TYPE_BULK;
    return urb->type == type &&
           (urb->endpoint == USB_ENDPOINT_OUT || urb->endpoint == USB_ENDPOINT_IN);
}

/* An OUT transfer is not taken yet. */
static bool out_waits(const struct usb_node *node)
{
    for (const GList *at = node->urbs->head; at != NULL; at = at->next) {
        const struct usbfs_urb *urb = at->data;
        if (!urb->done && !is_in(urb)) {
            return true;
        }
    }
    return false;
}

/* Take over one transfer. Returns 0 or an errno. */
static int submit(struct usb_node *node, UMockdevIoctlClient *client, UMockdevIoctlData *arg)
{
    UMockdevIoctlData *data =
        umockdev_ioctl_data_resolve(arg, 0, sizeof(struct usbdevfs_urb), NULL);
    if (data == NULL) {
        return EFAULT;
    }
    const struct usbdevfs_urb *host = (const struct usbdevfs_urb *)(void *)data->data;
    if (!has_endpoint(node, host)) {
        g_object_unref(data);
        return ENOENT;
    }
    if (host->buffer_length < 0 || host->buffer_length > URB_MAX) {
        g_object_unref(data);
        return EINVAL;
    }
    struct usbfs_urb *urb = g_new0(struct usbfs_urb, 1);
    urb->data = data;
    urb->owner = g_object_ref(client);
    urb->early = usb_probe_busy(node->probe) || out_waits(node);
    urb->buffer = umockdev_ioctl_data_resolve(
        data, G_STRUCT_OFFSET(struct usbdevfs_urb, buffer), (gsize)host->buffer_length, NULL);
    g_queue_push_tail(node->urbs, urb);
    if (host->type == USBDEVFS_URB_TYPE_CONTROL) {
        run_control(node, urb);
    } else if (usb_probe_get_opts(node->probe)->hid) {
        /* The kernel's driver has the reports; nobody answers here. */
        return 0;
    } else {
        run_bulk(node);
    }
    return 0;
}

static int discard(struct usb_node *node, UMockdevIoctlData *arg)
{
    gulong address = *(gulong *)(void *)arg->data;
    for (GList *at = node->urbs->head; at != NULL; at = at->next) {
        struct usbfs_urb *urb = at->data;
        if (urb->data->client_addr == address && !urb->done) {
            finish(urb, -ENOENT);
            return 0;
        }
    }
    return EINVAL;
}

/* Hand the oldest finished transfer of this client back. */
static bool reap(struct usb_node *node, UMockdevIoctlClient *client, UMockdevIoctlData *arg)
{
    for (GList *at = node->urbs->head; at != NULL; at = at->next) {
        struct usbfs_urb *urb = at->data;
        if (!urb->done || urb->owner != client) {
            continue;
        }
        struct usbdevfs_urb *host = host_urb(urb);
        host->status = urb->status;
        host->actual_length = (int)urb->have;
        UMockdevIoctlData *pointer = umockdev_ioctl_data_resolve(arg, 0, sizeof(void *), NULL);
        if (pointer != NULL) {
            (void)umockdev_ioctl_data_set_ptr(pointer, 0, urb->data);
            g_object_unref(pointer);
        }
        g_queue_delete_link(node->urbs, at);
        free_urb(urb);
        return true;
    }
    return false;
}

static gboolean complete_empty(gpointer user)
{
    umockdev_ioctl_client_complete(user, -1, EAGAIN);
    return G_SOURCE_REMOVE;
}

static void reap_or_wait(struct usb_node *node, UMockdevIoctlClient *client, UMockdevIoctlData *arg)
{
    if (!node->gone) {
        run_bulk(node);
    }
    if (reap(node, client, arg)) {
        node->idle_reaps = 0;
        umockdev_ioctl_client_complete(client, 0, 0);
        return;
    }
    if (node->gone) {
        umockdev_ioctl_client_complete(client, -1, ENODEV);
        return;
    }
    node->idle_reaps++;
    if (node->idle_reaps <= IDLE_REAPS_FREE) {
        umockdev_ioctl_client_complete(client, -1, EAGAIN);
        return;
    }
    usb_node_later(
        complete_empty, g_object_ref(client), g_object_unref, usb_node_now_us() + IDLE_REAP_US);
}

static int claim(struct usb_node *node, UMockdevIoctlClient *client)
{
    forget_closed(node);
    /* A HID interface belongs to the kernel's driver. */
    if (usb_probe_get_opts(node->probe)->hid ||
        (node->claimed_by != NULL && node->claimed_by != client)) {
        return EBUSY;
    }
    if (node->claimed_by == NULL) {
        usb_node_quiet(node);
        node->claimed_by = g_object_ref(client);
        usb_probe_opened(node->probe);
    }
    return 0;
}

static int release(struct usb_node *node, UMockdevIoctlClient *client)
{
    if (node->claimed_by != client) {
        return EINVAL;
    }
    g_clear_object(&node->claimed_by);
    return 0;
}

static int get_capabilities(UMockdevIoctlData *arg)
{
    UMockdevIoctlData *data = umockdev_ioctl_data_resolve(arg, 0, sizeof(uint32_t), NULL);
    if (data == NULL) {
        return EFAULT;
    }
    uint32_t capabilities = USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_NO_PACKET_SIZE_LIM |
                            USBDEVFS_CAP_REAP_AFTER_DISCONNECT;
    memcpy(data->data, &capabilities, sizeof(capabilities));
    g_object_unref(data);
    return 0;
}

static int get_driver(const struct usb_node *node, UMockdevIoctlData *arg)
{
    if (!usb_probe_get_opts(node->probe)->hid) {
        return ENODATA;
    }
    UMockdevIoctlData *data =
        umockdev_ioctl_data_resolve(arg, 0, sizeof(struct usbdevfs_getdriver), NULL);
    if (data == NULL) {
        return EFAULT;
    }
    static const char driver[] = "usbhid";
    memcpy(data->data + G_STRUCT_OFFSET(struct usbdevfs_getdriver, driver), driver, sizeof(driver));
    g_object_unref(data);
    return 0;
}

/* Requests that are answered at once with 0 or an errno. */
static int simple_ioctl(
    struct usb_node *node, UMockdevIoctlClient *client, gulong request, UMockdevIoctlData *arg)
{
    switch (request) {
    case USBDEVFS_GET_CAPABILITIES:
        return get_capabilities(arg);
    case USBDEVFS_GETDRIVER:
        return get_driver(node, arg);
    case USBDEVFS_CLAIMINTERFACE:
    case USBDEVFS_DISCONNECT_CLAIM:
        return claim(node, client);
    case USBDEVFS_RELEASEINTERFACE:
        return release(node, client);
    case USBDEVFS_SETCONFIGURATION:
    case USBDEVFS_SETINTERFACE:
        return 0;
    case USBDEVFS_CLEAR_HALT:
    case USBDEVFS_RESETEP:
        sim_link_clear_stall(usb_probe_link(node->probe));
        return 0;
    case USBDEVFS_RESET:
        usb_node_quiet(node);
        usb_probe_reset(node->probe);
        return 0;
    case USBDEVFS_SUBMITURB:
        return submit(node, client, arg);
    case USBDEVFS_DISCARDURB:
        return discard(node, arg);
    default:
        return ENOTTY;
    }
}

/* A claim that meets another one. The other descriptor may be closed already, and this thread has
 * not been told yet. */
struct patient_claim {
    struct usb_node *node;
    UMockdevIoctlClient *client;
    unsigned tries;
};

static gboolean try_claim(gpointer user)
{
    struct patient_claim *claiming = user;
    struct usb_node *node = claiming->node;
    g_mutex_lock(node->mutex);
    int failure = node->gone ? ENODEV : claim(node, claiming->client);
    g_mutex_unlock(node->mutex);
    claiming->tries++;
    if (failure == EBUSY && claiming->tries < CLAIM_TRIES) {
        return G_SOURCE_CONTINUE;
    }
    umockdev_ioctl_client_complete(claiming->client, failure == 0 ? 0 : -1, failure);
    return G_SOURCE_REMOVE;
}

static void free_claim(gpointer user)
{
    struct patient_claim *claiming = user;
    g_object_unref(claiming->client);
    g_free(claiming);
}

static void claim_patiently(struct usb_node *node, UMockdevIoctlClient *client)
{
    struct patient_claim *claiming = g_new0(struct patient_claim, 1);
    claiming->node = node;
    claiming->client = g_object_ref(client);
    GSource *later = g_timeout_source_new(CLAIM_RETRY_MS);
    g_source_set_callback(later, try_claim, claiming, free_claim);
    g_source_attach(later, g_main_context_get_thread_default());
    g_source_unref(later);
}

static bool is_claim(gulong request)
{
    return request == USBDEVFS_CLAIMINTERFACE || request == USBDEVFS_DISCONNECT_CLAIM;
}

static gboolean handle_ioctl(UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer user)
{
    (void)base;
    struct usb_node *node = user;
    gulong request = umockdev_ioctl_client_get_request(client);
    UMockdevIoctlData *arg = umockdev_ioctl_client_get_arg(client);
    g_mutex_lock(node->mutex);
    forget_closed(node);
    if (request == USBDEVFS_REAPURB || request == USBDEVFS_REAPURBNDELAY) {
        reap_or_wait(node, client, arg);
    } else {
        bool after_end = request == USBDEVFS_DISCARDURB || request == USBDEVFS_RELEASEINTERFACE;
        int failure = node->gone && !after_end ? ENODEV : simple_ioctl(node, client, request, arg);
        if (is_claim(request) && node->claimed_by != NULL && failure == EBUSY) {
            claim_patiently(node, client);
        } else {
            umockdev_ioctl_client_complete(client, failure == 0 ? 0 : -1, failure);
        }
    }
    g_mutex_unlock(node->mutex);
    return TRUE;
}

void usbfs_init(struct usb_node *node)
{
    node->urbs = g_queue_new();
    node->usb_handler = umockdev_ioctl_base_new();
    (void)g_signal_connect(node->usb_handler, "handle-ioctl", G_CALLBACK(handle_ioctl), node);
}

void usbfs_done(struct usb_node *node)
{
    struct usbfs_urb *urb;
    while (node->urbs != NULL && (urb = g_queue_pop_head(node->urbs)) != NULL) {
        free_urb(urb);
    }
    g_clear_pointer(&node->urbs, g_queue_free);
    g_clear_object(&node->claimed_by);
    g_clear_object(&node->usb_handler);
}

void usbfs_unplug(struct usb_node *node)
{
    for (GList *at = node->urbs->head; at != NULL; at = at->next) {
        struct usbfs_urb *urb = at->data;
        if (!urb->done) {
            finish(urb, -ESHUTDOWN);
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/usb_host.h"

#include "base/buf.h"
#include "base/hex.h"
#include "tests/usb/usb_desc.h"
#include "tests/usb/usb_node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <umockdev.h>

#define RECORD_MAX      16384U
#define SYS_PREFIX      "/devices/pci0000:00/0000:00:14.0"
#define PATH_MAX_BYTES  256U
#define SYS_PATHS       (PROBE_PATHS + USB_DESC_BESIDE + 1)
#define PROBE_PATHS     4U
#define NODE_SIZE       64U
#define USB_MAJOR       189
#define HIDRAW_MAJOR    241
#define HUBS_MAX        16U
#define ROOT_HUB_NUMBER 1U
#define FIRST_DEVNUM    2U

struct slot {
    bool used;
    struct usb_node *node;
    char port[USB_HOST_PORT_SIZE];
    /** /sys/… of the device, its interface, its HID device and node, the other interfaces and the
     * bridge's HID device; "" for what is not there */
    char paths[SYS_PATHS][PATH_MAX_BYTES + 128];
    char usb_node[NODE_SIZE];
    char hid_node[NODE_SIZE]; /**< "" for v2 */
    char pty_name[NODE_SIZE]; /**< of the HID node, "" for v2 */
};

struct usb_host {
    UMockdevTestbed *testbed;
    GMutex mutex;
    struct slot slots[USB_HOST_SLOTS];
    GSList *retired; /**< of struct usb_node, unplugged and perhaps still open somewhere */
    char hubs[HUBS_MAX][USB_HOST_PORT_SIZE];
    unsigned hub_count;
    unsigned next_devnum;
    unsigned next_hidraw;
    int event_fd;
};

static enum base_status no_memory(struct base_err *err)
{
    return base_err_set(err, BASE_E_NOMEM, "usb-host", 0, "no memory for a mock USB host");
}

static enum base_status add_record(
    struct usb_host *host, struct base_buf *record, struct base_err *err)
{
    GError *error = NULL;
    if (!umockdev_testbed_add_from_string(host->testbed, base_buf_text(record), &error)) {
        enum base_status status = base_err_set(err, BASE_E_INTERNAL, "umockdev", 0,
            "umockdev refuses a device: %s", error != NULL ? error->message : "no reason given");
        g_clear_error(&error);
        return status;
    }
    return BASE_OK;
}

static enum base_status put_hex(
    struct base_buf *record, const char *name, const uint8_t *data, size_t length)
{
    char text[2 * (USB_DESC_DEVICE_SIZE + USB_DESC_MAX) + 1];
    base_hex_encode(data, length, text);
    return base_buf_printf(record, NULL, "H: %s=%s\n", name, text);
}

/* Node, numbers and descriptors that every device on the bus has. */
static enum base_status put_usb_device(struct base_buf *record, const char *path, unsigned devnum,
    const uint8_t *descriptors, size_t length)
{
    unsigned speed = base_get_le16(descriptors + 2) >= 0x0200 ? 480 : 12;
    enum base_status status = base_buf_printf(record, NULL,
        "P: %s\nN: bus/usb/001/%03u\nE: DEVNAME=/dev/bus/usb/001/%03u\nE: DEVTYPE=usb_device\n"
        "E: SUBSYSTEM=usb\nE: MAJOR=%d\nE: MINOR=%u\nE: BUSNUM=001\nE: DEVNUM=%03u\n"
        "A: dev=%d:%u\\n\nA: busnum=1\\n\nA: devnum=%u\\n\nA: speed=%u\\n\n"
        "A: bConfigurationValue=1\\n\nA: bNumConfigurations=1\\n\n"
        "A: idVendor=%04x\\n\nA: idProduct=%04x\\n\nA: bcdDevice=%04x\\n\nA: "
        "bDeviceClass=%02x\\n\n",
        path, devnum, devnum, USB_MAJOR, devnum - 1, devnum, USB_MAJOR, devnum - 1, devnum, speed,
        base_get_le16(descriptors + 8), base_get_le16(descriptors + 10),
        base_get_le16(descriptors + 12), descriptors[4]);
    return status == BASE_OK ? put_hex(record, "descriptors", descriptors, length) : status;
}

static enum base_status add_hub(
    struct usb_host *host, const char *path, unsigned devnum, struct base_err *err)
{
    uint8_t desc[USB_DESC_MAX];
    struct base_buf record;
    base_buf_init(&record, RECORD_MAX);
    enum base_status status = put_usb_device(&record, path, devnum, desc, usb_desc_hub(desc));
    status = status == BASE_OK ? add_record(host, &record, err) : no_memory(err);
    base_buf_done(&record);
    return status;
}

static bool has_hub(const struct usb_host *host, const char *port)
{
    for (unsigned i = 0; i < host->hub_count; i++) {
        if (strcmp(host->hubs[i], port) == 0) {
            return true;
        }
    }
    return false;
}

/* Path of a port's device, with a hub for every dot in it. */
static enum base_status make_path(
    struct usb_host *host, const char *port, char ret_path[PATH_MAX_BYTES], struct base_err *err)
{
    int used = snprintf(ret_path, PATH_MAX_BYTES, SYS_PREFIX "/usb1");
    for (const char *dot = strchr(port, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        char hub[USB_HOST_PORT_SIZE];
        (void)snprintf(hub, sizeof(hub), "%.*s", (int)(dot - port), port);
        used += snprintf(ret_path + used, PATH_MAX_BYTES - (size_t)used, "/%s", hub);
        if (has_hub(host, hub)) {
            continue;
        }
        if (host->hub_count == HUBS_MAX) {
            return base_err_set(err, BASE_E_ARG, "usb-host", 0, "too many hubs for port %s", port);
        }
        (void)snprintf(host->hubs[host->hub_count++], USB_HOST_PORT_SIZE, "%s", hub);
        enum base_status status = add_hub(host, ret_path, host->next_devnum++, err);
        if (status != BASE_OK) {
            return status;
        }
    }
    (void)snprintf(ret_path + used, PATH_MAX_BYTES - (size_t)used, "/%s", port);
    return BASE_OK;
}

static enum base_status put_texts(struct base_buf *record, const struct usb_probe_opts *opts)
{
    enum base_status status = base_buf_printf(record, NULL,
        "A: manufacturer=%s\\n\nA: product=%s\\n\n", opts->manufacturer, opts->product);
    if (status == BASE_OK && opts->serial[0] != '\0') {
        status = base_buf_printf(record, NULL, "A: serial=%s\\n\n", opts->serial);
    }
    return status;
}

static enum base_status put_interface(
    struct base_buf *record, const struct usb_probe_opts *opts, const char *path, const char *port)
{
    return base_buf_printf(record, NULL,
        "\nP: %s/%s:1.0\nE: DEVTYPE=usb_interface\nE: SUBSYSTEM=usb\n%s"
        "A: bInterfaceNumber=00\\n\nA: bInterfaceClass=%02x\\n\nA: bInterfaceSubClass=00\\n\n"
        "A: bInterfaceProtocol=00\\n\nA: bAlternateSetting= 0\\n\nA: bNumEndpoints=02\\n\n"
        "A: interface=%s\\n\n",
        path, port, opts->hid ? "E: DRIVER=usbhid\n" : "", opts->hid ? 3 : opts->interface_class,
        opts->hid ? opts->product : opts->interface_name);
}

static enum base_status put_hid(
    struct base_buf *record, const struct usb_probe_opts *opts, const char *path, unsigned number)
{
    uint8_t report[USB_DESC_MAX];
    size_t length = usb_desc_report(opts, report);
    enum base_status status = base_buf_printf(record, NULL,
        "\nP: %s\nE: SUBSYSTEM=hid\nE: DRIVER=hid-generic\nE: HID_ID=0003:%08X:%08X\n"
        "E: HID_NAME=%s %s\nE: HID_PHYS=usb-0000:00:14.0/input0\nE: HID_UNIQ=%s\n",
        path, opts->vendor_id, opts->product_id, opts->manufacturer, opts->product, opts->serial);
    if (status == BASE_OK) {
        status = put_hex(record, "report_descriptor", report, length);
    }
    if (status == BASE_OK) {
        status = base_buf_printf(record, NULL,
            "\nP: %s/hidraw/hidraw%u\nN: hidraw%u\nE: DEVNAME=/dev/hidraw%u\nE: SUBSYSTEM=hidraw\n"
            "E: MAJOR=%d\nE: MINOR=%u\nA: dev=%d:%u\\n\nL: device=../..\n",
            path, number, number, number, HIDRAW_MAJOR, number, HIDRAW_MAJOR, number);
    }
    return status;
}

/* The other interfaces of a composite probe; nobody drives them. */
static enum base_status put_beside(
    struct base_buf *record, const struct usb_probe_opts *opts, const char *path, const char *port)
{
    enum base_status status = BASE_OK;
    for (unsigned i = 0; i < USB_DESC_BESIDE && status == BASE_OK; i++) {
        const struct usb_desc_interface *interface = &usb_desc_beside[i];
        status = base_buf_printf(record, NULL,
            "\nP: %s/%s:1.%u\nE: DEVTYPE=usb_interface\nE: SUBSYSTEM=usb\n"
            "A: bInterfaceNumber=%02u\\n\nA: bInterfaceClass=%02x\\n\nA: "
            "bInterfaceSubClass=%02x\\n\n"
            "A: bInterfaceProtocol=00\\n\nA: bAlternateSetting= 0\\n\nA: bNumEndpoints=%02u\\n\n"
            "A: interface=%s\\n\n",
            path, port, i + 1, i + 1, interface->class, interface->subclass, interface->endpoints,
            interface->name);
    }
    if (status == BASE_OK) {
        status = base_buf_printf(record, NULL,
            "\nP: %s/%s:1.1/0003:%04X:%04X.F001\nE: SUBSYSTEM=hid\nE: DRIVER=hid-generic\n"
            "E: HID_ID=0003:%08X:%08X\nE: HID_NAME=%s bridge\n",
            path, port, opts->vendor_id, opts->product_id, opts->vendor_id, opts->product_id,
            opts->product);
    }
    return status == BASE_OK ? put_hex(record, "report_descriptor", usb_desc_bridge_report,
                                   sizeof(usb_desc_bridge_report))
                             : status;
}

static enum base_status attach(
    struct usb_host *host, const char *node, UMockdevIoctlBase *handler, struct base_err *err)
{
    GError *error = NULL;
    if (!umockdev_testbed_attach_ioctl(host->testbed, node, handler, &error)) {
        enum base_status status = base_err_set(err, BASE_E_INTERNAL, "umockdev", 0,
            "umockdev does not answer for %s: %s", node, error != NULL ? error->message : "?");
        g_clear_error(&error);
        return status;
    }
    return BASE_OK;
}

static void name_paths(struct slot *slot, const char *path, const char *hid, unsigned hidraw)
{
    const struct usb_probe_opts *opts = usb_probe_get_opts(slot->node->probe);
    const size_t size = sizeof(slot->paths[0]);
    char port[USB_HOST_PORT_SIZE];
    memcpy(port, slot->port, sizeof(port));
    (void)snprintf(slot->paths[0], size, "/sys%s", path);
    (void)snprintf(slot->paths[1], size, "/sys%s/%s:1.0", path, port);
    if (hid != NULL) {
        (void)snprintf(slot->paths[2], size, "/sys%s", hid);
        (void)snprintf(slot->paths[3], size, "/sys%s/hidraw/hidraw%u", hid, hidraw);
    }
    for (unsigned i = 0; opts->composite && i < USB_DESC_BESIDE; i++) {
        (void)snprintf(slot->paths[PROBE_PATHS + i], size, "/sys%s/%s:1.%u", path, port, i + 1);
    }
    if (opts->composite) {
        (void)snprintf(slot->paths[PROBE_PATHS + USB_DESC_BESIDE], size,
            "/sys%s/%s:1.1/0003:%04X:%04X.F001", path, port, opts->vendor_id, opts->product_id);
    }
}

/* Everything that sysfs and /dev say about one probe. */
static enum base_status describe(struct usb_host *host, struct slot *slot, const char *path,
    unsigned devnum, unsigned hidraw, struct base_err *err)
{
    const struct usb_probe_opts *opts = usb_probe_get_opts(slot->node->probe);
    uint8_t desc[USB_DESC_DEVICE_SIZE + USB_DESC_MAX];
    size_t length = usb_desc_device(opts, desc);
    length += usb_desc_configuration(opts, desc + length);
    char hid[PATH_MAX_BYTES + 64];
    (void)snprintf(hid, sizeof(hid), "%s/%s:1.0/0003:%04X:%04X.%04X", path, slot->port,
        opts->vendor_id, opts->product_id, hidraw + 1);
    struct base_buf record;
    base_buf_init(&record, RECORD_MAX);
    enum base_status status = put_usb_device(&record, path, devnum, desc, length);
    if (status == BASE_OK) {
        status = put_texts(&record, opts);
    }
    if (status == BASE_OK) {
        status = put_interface(&record, opts, path, slot->port);
    }
    if (status == BASE_OK && opts->hid) {
        status = put_hid(&record, opts, hid, hidraw);
    }
    if (status == BASE_OK && opts->composite) {
        status = put_beside(&record, opts, path, slot->port);
    }
    status = status == BASE_OK ? add_record(host, &record, err) : no_memory(err);
    base_buf_done(&record);
    name_paths(slot, path, opts->hid ? hid : NULL, hidraw);
    return status;
}

/* Handlers come first: a host may open the nodes as soon as they appear. */
static enum base_status attach_nodes(
    struct usb_host *host, const struct slot *slot, struct base_err *err)
{
    enum base_status status = attach(host, slot->usb_node, slot->node->usb_handler, err);
    if (status == BASE_OK && slot->hid_node[0] != '\0') {
        status = attach(host, slot->hid_node, slot->node->hid_handler, err);
    }
    return status;
}

static enum base_status check_port(
    const struct usb_host *host, const char *port, struct base_err *err)
{
    bool plain = strlen(port) < USB_HOST_PORT_SIZE && strncmp(port, "1-", 2) == 0 &&
                 strspn(port + 2, "0123456789.") == strlen(port + 2) && port[2] >= '1' &&
                 port[2] <= '9';
    if (!plain) {
        return base_err_set(err, BASE_E_ARG, "usb-host", 0,
            "\"%s\" is no port of this host; write 1-N or, behind hubs, 1-N.M", port);
    }
    for (unsigned i = 0; i < USB_HOST_SLOTS; i++) {
        if (host->slots[i].used && strcmp(host->slots[i].port, port) == 0) {
            return base_err_set(err, BASE_E_ARG, "usb-host", 0, "port %s is taken", port);
        }
    }
    return BASE_OK;
}

static void tell_gone(void *user)
{
    const struct usb_host *host = user;
    const uint64_t one = 1;
    (void)!write(host->event_fd, &one, sizeof(one));
}

static struct usb_node *make_node(
    struct usb_host *host, struct sim_link *link, const struct usb_probe_opts *opts)
{
    struct usb_node *node = calloc(1, sizeof(*node));
    struct usb_probe_opts deferred = *opts;
    deferred.deferred = true;
    struct usb_probe *probe = usb_probe_new(link, &deferred);
    if (node == NULL || probe == NULL) {
        usb_probe_free(probe);
        free(node);
        return NULL;
    }
    usb_node_init(node, probe, &host->mutex);
    node->on_gone = tell_gone;
    node->user = host;
    return node;
}

static void free_node(gpointer data)
{
    struct usb_node *node = data;
    usb_node_done(node);
    usb_probe_free(node->probe);
    free(node);
}

static enum base_status plug_into(
    struct usb_host *host, struct slot *slot, bool hid, struct base_err *err)
{
    char path[PATH_MAX_BYTES];
    enum base_status status = make_path(host, slot->port, path, err);
    if (status != BASE_OK) {
        return status;
    }
    unsigned devnum = host->next_devnum++;
    unsigned hidraw = hid ? host->next_hidraw++ : 0;
    (void)snprintf(slot->usb_node, sizeof(slot->usb_node), "/dev/bus/usb/001/%03u", devnum);
    slot->hid_node[0] = '\0';
    if (hid) {
        (void)snprintf(slot->hid_node, sizeof(slot->hid_node), "/dev/hidraw%u", hidraw);
    }
    status = attach_nodes(host, slot, err);
    if (status == BASE_OK) {
        status = describe(host, slot, path, devnum, hidraw, err);
    }
    if (status == BASE_OK && hid) {
        usb_host_lock(host);
        int pty = umockdev_testbed_get_dev_fd(host->testbed, slot->hid_node);
        /* A child that held this end too would never see a hang-up. */
        (void)fcntl(pty, F_SETFD, FD_CLOEXEC);
        (void)ptsname_r(pty, slot->pty_name, sizeof(slot->pty_name));
        slot->node->pty = pty;
        hidraw_ring(slot->node);
        usb_host_unlock(host);
    }
    return status;
}

enum base_status usb_host_plug(struct usb_host *host, unsigned slot_index, struct sim_link *link,
    const struct usb_probe_opts *opts, const char *port, struct base_err *err)
{
    if (slot_index >= USB_HOST_SLOTS || host->slots[slot_index].node != NULL) {
        return base_err_set(err, BASE_E_EXISTS, "usb-host", (int)slot_index,
            "slot %u does not exist or is in use", slot_index);
    }
    char usual[USB_HOST_PORT_SIZE];
    (void)snprintf(usual, sizeof(usual), "1-%u", slot_index + 1);
    port = port != NULL ? port : usual;
    enum base_status status = check_port(host, port, err);
    if (status != BASE_OK) {
        return status;
    }
    struct slot *slot = &host->slots[slot_index];
    slot->node = make_node(host, link, opts);
    if (slot->node == NULL) {
        return no_memory(err);
    }
    (void)snprintf(slot->port, sizeof(slot->port), "%s", port);
    return plug_into(host, slot, opts->hid, err);
}

static void remove_device(struct usb_host *host, const char *path)
{
    umockdev_testbed_uevent(host->testbed, path, "remove");
    umockdev_testbed_remove_device(host->testbed, path);
}

/* umockdev notes the numbers of a device under its pseudo terminal's name, which will be used
 * again, and does not forget them. */
static void forget_pty(struct usb_host *host, char *name)
{
    if (name[0] == '\0') {
        return;
    }
    gchar *root = umockdev_testbed_get_root_dir(host->testbed);
    gchar *path = g_strdup_printf("%s/dev/.ptymap/%s", root, g_strdelimit(name, "/", '_'));
    (void)unlink(path);
    g_free(path);
    g_free(root);
}

void usb_host_unplug(struct usb_host *host, unsigned slot_index)
{
    if (slot_index >= USB_HOST_SLOTS || host->slots[slot_index].node == NULL) {
        return;
    }
    struct slot *slot = &host->slots[slot_index];
    forget_pty(host, slot->pty_name);
    usb_host_lock(host);
    if (!slot->node->gone) {
        usb_node_unplug(slot->node);
    }
    usb_host_unlock(host);
    (void)umockdev_testbed_detach_ioctl(host->testbed, slot->usb_node, NULL);
    if (slot->hid_node[0] != '\0') {
        (void)umockdev_testbed_detach_ioctl(host->testbed, slot->hid_node, NULL);
    }
    for (unsigned i = SYS_PATHS; i > 0; i--) {
        if (slot->paths[i - 1][0] != '\0') {
            remove_device(host, slot->paths[i - 1]);
        }
    }
    host->retired = g_slist_prepend(host->retired, slot->node);
    memset(slot, 0, sizeof(*slot));
}

int usb_host_event_fd(const struct usb_host *host)
{
    return host->event_fd;
}

unsigned usb_host_fallen(struct usb_host *host)
{
    uint64_t count;
    (void)!read(host->event_fd, &count, sizeof(count));
    unsigned fallen = 0;
    usb_host_lock(host);
    while (fallen < USB_HOST_SLOTS &&
           (host->slots[fallen].node == NULL || !host->slots[fallen].node->gone)) {
        fallen++;
    }
    usb_host_unlock(host);
    return fallen;
}

static void hold(struct usb_host *host, bool on)
{
    for (unsigned i = 0; i < USB_HOST_SLOTS; i++) {
        struct usb_node *node = host->slots[i].node;
        if (node != NULL) {
            node->held = on;
            g_cond_broadcast(node->changed);
        }
    }
}

void usb_host_lock(struct usb_host *host)
{
    g_mutex_lock(&host->mutex);
    hold(host, true);
    for (unsigned i = 0; i < USB_HOST_SLOTS; i++) {
        if (host->slots[i].node != NULL) {
            usb_node_quiet(host->slots[i].node);
        }
    }
}

void usb_host_unlock(struct usb_host *host)
{
    hold(host, false);
    g_mutex_unlock(&host->mutex);
}

enum base_status usb_host_new(struct usb_host **ret_host, struct base_err *err)
{
    struct usb_host *host = calloc(1, sizeof(*host));
    if (host == NULL) {
        return no_memory(err);
    }
    g_mutex_init(&host->mutex);
    host->testbed = umockdev_testbed_new();
    host->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    host->next_devnum = FIRST_DEVNUM;
    enum base_status status = add_hub(host, SYS_PREFIX "/usb1", ROOT_HUB_NUMBER, err);
    if (status != BASE_OK) {
        usb_host_free(host);
        return status;
    }
    *ret_host = host;
    return BASE_OK;
}

void usb_host_free(struct usb_host *host)
{
    if (host == NULL) {
        return;
    }
    for (unsigned i = 0; i < USB_HOST_SLOTS; i++) {
        usb_host_unplug(host, i);
    }
    /* Ends the worker thread, so that nothing uses the nodes any more. */
    g_object_unref(host->testbed);
    g_slist_free_full(host->retired, free_node);
    if (host->event_fd >= 0) {
        (void)close(host->event_fd);
    }
    g_mutex_clear(&host->mutex);
    free(host);
}

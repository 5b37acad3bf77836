/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Stands in for libhidapi under LD_PRELOAD, so that a tool which knows CMSIS-DAP v1 (HID) only,
 * such as OpenOCD 0.12, talks to a simulated probe: one "device" whose reports go over TCP to the
 * port in HID_OVER_TCP_PORT. The probe must offer packets of 64 bytes.
 */
#include <arpa/inet.h>
#include <hidapi/hidapi.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wchar.h>

#define REPORT 64
#define HEADER 8

struct hid_device_ {
    int fd;
};

static const unsigned char signature[4] = { 'D', 'A', 'P', 0 };

static wchar_t *wide(const wchar_t *text)
{
    return wcsdup(text);
}

int hid_init(void)
{
    return 0;
}

int hid_exit(void)
{
    return 0;
}

struct hid_device_info *hid_enumerate(unsigned short vendor_id, unsigned short product_id)
{
    (void)vendor_id;
    (void)product_id;
    struct hid_device_info *info = calloc(1, sizeof(*info));
    if (info != NULL) {
        info->path = strdup("simulated");
        info->vendor_id = 0x1209;
        info->product_id = 0x0001;
        info->serial_number = wide(L"simulated");
        info->manufacturer_string = wide(L"simulated");
        info->product_string = wide(L"Simulated CMSIS-DAP");
    }
    return info;
}

void hid_free_enumeration(struct hid_device_info *devs)
{
    if (devs != NULL) {
        free(devs->path);
        free(devs->serial_number);
        free(devs->manufacturer_string);
        free(devs->product_string);
        free(devs);
    }
}

hid_device *hid_open_path(const char *path)
{
    (void)path;
    const char *port = getenv("HID_OVER_TCP_PORT");
    struct sockaddr_in to = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)strtol(port != NULL ? port : "0", NULL, 10)) };
    hid_device *device = calloc(1, sizeof(*device));
    int one = 1;
    if (device == NULL) {
        return NULL;
    }
    device->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (device->fd < 0 || connect(device->fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        hid_close(device);
        return NULL;
    }
    (void)setsockopt(device->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return device;
}

hid_device *hid_open(
    unsigned short vendor_id, unsigned short product_id, const wchar_t *serial_number)
{
    (void)vendor_id;
    (void)product_id;
    (void)serial_number;
    return hid_open_path(NULL);
}

void hid_close(hid_device *dev)
{
    if (dev != NULL) {
        if (dev->fd >= 0) {
            (void)close(dev->fd);
        }
        free(dev);
    }
}

/* data[0] is the report id; reports are padded to their full size, as on USB. */
int hid_write(hid_device *dev, const unsigned char *data, size_t length)
{
    unsigned char frame[HEADER + REPORT] = { 0 };
    if (length < 1 || length - 1 > REPORT) {
        return -1;
    }
    memcpy(frame, signature, sizeof(signature));
    frame[4] = REPORT;
    frame[6] = 1;
    memcpy(frame + HEADER, data + 1, length - 1);
    return send(dev->fd, frame, sizeof(frame), MSG_NOSIGNAL) == (ssize_t)sizeof(frame) ? (int)length
                                                                                       : -1;
}

static int receive(int fd, unsigned char *data, size_t length)
{
    return recv(fd, data, length, MSG_WAITALL) == (ssize_t)length ? 0 : -1;
}

int hid_read_timeout(hid_device *dev, unsigned char *data, size_t length, int milliseconds)
{
    unsigned char frame[HEADER + REPORT] = { 0 };
    struct pollfd fd = { .fd = dev->fd, .events = POLLIN };
    int ready = poll(&fd, 1, milliseconds);
    if (ready <= 0) {
        return ready;
    }
    if (receive(dev->fd, frame, HEADER) != 0 || frame[4] > REPORT || frame[5] != 0 ||
        receive(dev->fd, frame + HEADER, frame[4]) != 0) {
        return -1;
    }
    size_t take = length < REPORT ? length : REPORT;
    memcpy(data, frame + HEADER, take);
    return (int)take;
}

int hid_read(hid_device *dev, unsigned char *data, size_t length)
{
    return hid_read_timeout(dev, data, length, -1);
}

const wchar_t *hid_error(hid_device *dev)
{
    (void)dev;
    return L"the connection to the simulated probe failed";
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/usb_options.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/hex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_BULK_PACKET 512U
#define DEFAULT_HID_PACKET  64U
#define BCD_DEVICE          0x0100U
#define UID_TEXT_SIZE       17U

static bool is_hid(const struct usb_options *opts, unsigned index)
{
    return opts->mixed ? index % 2 == 1 : opts->hid;
}

static uint16_t packet_size(const struct usb_options *opts, unsigned index)
{
    if (opts->packet_size != 0) {
        return opts->packet_size;
    }
    return is_hid(opts, index) ? DEFAULT_HID_PACKET : DEFAULT_BULK_PACKET;
}

static void board_path(
    const struct usb_options *opts, unsigned index, char ret_path[BASE_FILE_PATH_SIZE])
{
    if (opts->boards == 1) {
        (void)snprintf(ret_path, BASE_FILE_PATH_SIZE, "%s", opts->board_file);
    } else {
        (void)snprintf(ret_path, BASE_FILE_PATH_SIZE, "%s.%u", opts->board_file, index);
    }
}

static enum base_status make_board(struct usb_rack *rack, unsigned index, struct base_err *err)
{
    const struct usb_options *opts = rack->opts;
    struct sim_board_opts board = {
        .chip = { .trng_seed = opts->seed + index },
        .probe = { .packet_size = packet_size(opts, index),
            .packet_count = opts->packet_count,
            .round_trip_us = opts->round_trip_us,
            .product = opts->product,
            .serial = opts->serial },
        .restore_us = SIM_BOARD_RESTORE_US,
    };
    base_put_be64(board.chip.unique_id, opts->uid + index);
    enum base_status status = sim_board_new(&board, &rack->boards[index], err);
    if (status == BASE_OK && opts->board_file != NULL) {
        char path[BASE_FILE_PATH_SIZE];
        board_path(opts, index, path);
        if (access(path, F_OK) == 0) {
            status = sim_chip_load(rack->boards[index]->chip, path, err);
        }
    }
    if (status == BASE_OK) {
        sim_probe_set_trace(rack->boards[index]->probe, rack->trace);
    }
    return status;
}

static enum base_status plug(struct usb_rack *rack, unsigned index, const char *serial,
    const char *port, struct base_err *err)
{
    const struct usb_options *opts = rack->opts;
    uint16_t size = packet_size(opts, index);
    char uid[UID_TEXT_SIZE];
    (void)snprintf(uid, sizeof(uid), "%016llx", (unsigned long long)(opts->uid + index));
    if (serial == NULL) {
        serial = opts->serial != NULL ? opts->serial : uid;
    }
    if (port == NULL && index < opts->port_count) {
        port = opts->ports[index];
    }
    struct usb_probe_opts probe = {
        .hid = is_hid(opts, index),
        .vendor_id = opts->vendor_id,
        .product_id = opts->product_id,
        .bcd_device = BCD_DEVICE,
        .product = opts->product,
        .serial = serial,
        .interface_name = opts->interface_name,
        .interface_class = 0xFF,
        .max_packet = opts->max_packet != 0 ? opts->max_packet : (size >= 512 ? 512 : 64),
        .report_size = opts->report_size != 0 ? opts->report_size : size,
        .no_zlp = opts->no_zlp,
        .realtime = opts->realtime ? base_clock_system() : NULL,
    };
    return usb_host_plug(rack->host, index, rack->boards[index], &probe, port, err);
}

enum base_status usb_rack_open(
    struct usb_rack *rack, const struct usb_options *opts, struct base_err *err)
{
    memset(rack, 0, sizeof(*rack));
    rack->opts = opts;
    if (opts->trace != NULL) {
        rack->trace = fopen(opts->trace, "we");
        if (rack->trace == NULL) {
            return base_err_errno(err, BASE_E_IO, errno, "cannot write %s", opts->trace);
        }
        (void)setvbuf(rack->trace, NULL, _IOLBF, 0);
    }
    enum base_status status = usb_host_new(&rack->host, err);
    for (unsigned i = 0; i < opts->boards && status == BASE_OK; i++) {
        status = make_board(rack, i, err);
        if (status == BASE_OK) {
            status = plug(rack, i, NULL, NULL, err);
        }
    }
    return status;
}

static enum base_status save(struct usb_rack *rack, unsigned index, struct base_err *err)
{
    if (rack->opts->board_file == NULL) {
        return BASE_OK;
    }
    char path[BASE_FILE_PATH_SIZE];
    board_path(rack->opts, index, path);
    sim_board_settle(rack->boards[index]);
    return sim_chip_save(rack->boards[index]->chip, path, err);
}

enum base_status usb_rack_close(struct usb_rack *rack, struct base_err *err)
{
    enum base_status status = BASE_OK;
    usb_host_free(rack->host);
    for (unsigned i = 0; i < USB_HOST_SLOTS; i++) {
        if (rack->boards[i] != NULL && status == BASE_OK) {
            status = save(rack, i, err);
        }
        sim_board_free(rack->boards[i]);
    }
    if (rack->trace != NULL) {
        (void)fclose(rack->trace);
    }
    memset(rack, 0, sizeof(*rack));
    return status;
}

static void set_supply(struct usb_rack *rack, unsigned index, bool on)
{
    struct sim_board *board = rack->boards[index];
    usb_host_lock(rack->host);
    sim_board_settle(board);
    sim_chip_set_power(board->chip, on);
    sim_probe_target_lost(board->probe);
    usb_host_unlock(rack->host);
}

enum base_status usb_rack_plug(struct usb_rack *rack, unsigned index, const char *serial,
    const char *port, struct base_err *err)
{
    if (index >= rack->opts->boards) {
        return base_err_set(err, BASE_E_ARG, "usb-host", 0, "there is no board %u", index);
    }
    set_supply(rack, index, true);
    return plug(rack, index, serial, port, err);
}

void usb_rack_unplug(struct usb_rack *rack, unsigned index)
{
    if (index < rack->opts->boards) {
        usb_host_unplug(rack->host, index);
        set_supply(rack, index, false);
    }
}

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
#define US_PER_MS           1000
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
            .kitprog = opts->kitprog,
            .serial = opts->serial },
        .restore_us = SIM_BOARD_RESTORE_US,
    };
    board.probe.kitprog.over_hid = is_hid(opts, index);
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
        rack->links[index] = sim_link_new(rack->boards[index]);
        if (rack->links[index] == NULL) {
            return base_err_set(err, BASE_E_NOMEM, "usb-host", 0, "no memory for a board's link");
        }
        sim_link_set_quirks(rack->links[index], &opts->quirks);
    }
    for (unsigned i = 0; i < opts->fault_count && status == BASE_OK; i++) {
        if (opts->fault_boards[i] == index) {
            status = sim_link_add_fault(rack->links[index], &opts->faults[i], err);
        }
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
    bool hid = rack->modes[index] == USB_RACK_AS_OPTIONS ? is_hid(opts, index)
                                                         : rack->modes[index] == USB_RACK_HID;
    struct usb_probe_opts probe = {
        .hid = hid,
        .vendor_id = opts->vendor_id,
        /* KitProg3's bulk mode has the next number after its HID mode's. */
        .product_id = (uint16_t)(opts->product_id + (hid == is_hid(opts, index) ? 0
                                                        : hid                   ? -1
                                                                                : 1)),
        .bcd_device = BCD_DEVICE,
        .product = opts->product,
        .serial = serial,
        .interface_name = opts->interface_name,
        /* KitProg3's class is 0. */
        .interface_class = opts->kitprog.model == SIM_KITPROG_NONE ? 0xFF : 0,
        .max_packet = opts->max_packet != 0 ? opts->max_packet : (size >= 512 ? 512 : 64),
        .report_size = opts->report_size != 0 ? opts->report_size : size,
        .composite = opts->kitprog.model == SIM_KITPROG_ON_BOARD,
        .no_zlp = opts->no_zlp,
        .stale_padding = opts->stale_padding,
        .realtime = opts->realtime ? base_clock_system() : NULL,
    };
    return usb_host_plug(rack->host, index, rack->links[index], &probe, port, err);
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
        sim_link_free(rack->links[i]);
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
    sim_chip_set_power(board->chip, on && !sim_probe_keeps_off(board->probe));
    sim_probe_target_lost(board->probe);
    usb_host_unlock(rack->host);
}

void usb_rack_set_mode(struct usb_rack *rack, unsigned index, enum usb_rack_mode mode)
{
    rack->modes[index] = mode;
}

enum base_status usb_rack_plug(struct usb_rack *rack, unsigned index, const char *serial,
    const char *port, struct base_err *err)
{
    if (index >= rack->opts->boards) {
        return base_err_set(err, BASE_E_ARG, "usb-host", 0, "there is no board %u", index);
    }
    set_supply(rack, index, true);
    rack->replug_at_us[index] = 0;
    return plug(rack, index, serial, port, err);
}

void usb_rack_unplug(struct usb_rack *rack, unsigned index)
{
    if (index < rack->opts->boards) {
        usb_host_unplug(rack->host, index);
        set_supply(rack, index, false);
    }
}

enum base_status usb_rack_fault(
    struct usb_rack *rack, unsigned index, const char *text, struct base_err *err)
{
    struct sim_fault fault;
    enum base_status status = sim_fault_parse(text, &fault, err);
    if (status == BASE_OK) {
        usb_host_lock(rack->host);
        status = sim_link_add_fault(rack->links[index], &fault, err);
        usb_host_unlock(rack->host);
    }
    return status;
}

void usb_rack_clear_faults(struct usb_rack *rack, unsigned index)
{
    usb_host_lock(rack->host);
    sim_link_clear_faults(rack->links[index]);
    usb_host_unlock(rack->host);
}

int usb_rack_due_ms(const struct usb_rack *rack)
{
    int64_t due_us = INT64_MAX;
    for (unsigned i = 0; i < USB_HOST_SLOTS; i++) {
        if (rack->replug_at_us[i] != 0 && rack->replug_at_us[i] < due_us) {
            due_us = rack->replug_at_us[i];
        }
    }
    if (due_us == INT64_MAX) {
        return -1;
    }
    int64_t left_us = due_us - base_clock_mono_us(base_clock_system());
    return left_us > 0 ? (int)(left_us / US_PER_MS) + 1 : 0;
}

static void plug_again(struct usb_rack *rack, unsigned index)
{
    char serial[USB_OPTIONS_WORD_MAX];
    char port[USB_OPTIONS_WORD_MAX];
    const char *what = rack->opts->replug_what != NULL ? rack->opts->replug_what : "";
    bool other_serial = usb_options_word(what, "serial=", serial);
    bool other_port = usb_options_word(what, "port=", port);
    struct base_err err = { 0 };
    if (usb_rack_plug(rack, index, other_serial ? serial : NULL, other_port ? port : NULL, &err) !=
        BASE_OK) {
        (void)fprintf(stderr, "usb-host: board %u does not come back: %s\n", index, err.message);
    }
}

void usb_rack_attend(struct usb_rack *rack)
{
    int64_t now_us = base_clock_mono_us(base_clock_system());
    for (unsigned i = usb_host_fallen(rack->host); i < USB_HOST_SLOTS;
         i = usb_host_fallen(rack->host)) {
        usb_rack_unplug(rack, i);
        if (rack->opts->replug) {
            rack->replug_at_us[i] = now_us + (int64_t)rack->opts->replug_ms * US_PER_MS;
        }
    }
    for (unsigned i = 0; i < USB_HOST_SLOTS; i++) {
        if (rack->replug_at_us[i] != 0 && rack->replug_at_us[i] <= now_us) {
            plug_again(rack, i);
        }
    }
}

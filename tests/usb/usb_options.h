/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_USB_OPTIONS_H
#define TESTS_USB_OPTIONS_H

/** @file Command line of usb-host and the boards it makes. */

#include "tests/usb/usb_host.h"

#include <stdio.h>

#define USB_OPTIONS_FAULTS_MAX 32U

struct usb_options {
    unsigned boards;
    bool hid;   /**< all boards are CMSIS-DAP v1 */
    bool mixed; /**< board 0 is v2, board 1 is v1, and so on */
    bool no_zlp;
    bool realtime; /**< virtual time also moves while the host leaves a probe alone */
    uint64_t uid;  /**< of board 0; the others count on */
    uint64_t seed;
    uint16_t packet_size;
    uint8_t packet_count;
    uint16_t max_packet;  /**< 0 = what fits the packet size */
    uint16_t report_size; /**< 0 = the packet size */
    uint16_t vendor_id;
    uint16_t product_id;
    uint32_t round_trip_us;
    const char *serial; /**< NULL = the chip's unique id */
    const char *product;
    const char *interface_name;
    const char *board_file; /**< NULL = forgotten at the end */
    const char *trace;
    const char *ports[USB_HOST_SLOTS];
    unsigned port_count;
    struct sim_fault faults[USB_OPTIONS_FAULTS_MAX];
    unsigned fault_boards[USB_OPTIONS_FAULTS_MAX]; /**< whose they are */
    unsigned fault_count;
    struct sim_kitprog_opts kitprog;
    bool stale_padding;
    struct sim_link_quirks quirks;
    bool replug;             /**< a board that a fault pulled out comes back */
    uint32_t replug_ms;      /**< after that much time */
    const char *replug_what; /**< "serial=TEXT port=1-N", or NULL: as before */
    char *const *command;    /**< NULL-terminated */
};

void usb_options_help(FILE *out);

/** Strings are borrowed from @p argv. BASE_E_ARG. */
BASE_MUST_CHECK
enum base_status usb_options_parse(
    struct usb_options *ret_opts, int argc, char **argv, struct base_err *err);

#define USB_OPTIONS_WORD_MAX 64U
/** The value of "key=" in words separated by blanks, copied into @p ret_value; false: not there. */
bool usb_options_word(const char *words, const char *key, char ret_value[USB_OPTIONS_WORD_MAX]);

/** Boards and the host they are plugged into. */
/** Which protocol a probe speaks after its MODE button was pressed. */
enum usb_rack_mode {
    USB_RACK_AS_OPTIONS,
    USB_RACK_BULK,
    USB_RACK_HID,
};

struct usb_rack {
    struct usb_host *host;
    const struct usb_options *opts; /**< borrowed */
    struct sim_board *boards[USB_HOST_SLOTS];
    struct sim_link *links[USB_HOST_SLOTS];
    int64_t replug_at_us[USB_HOST_SLOTS]; /**< 0 = not planned */
    enum usb_rack_mode modes[USB_HOST_SLOTS];
    FILE *trace;
};

/** Make the boards, from their files if there are any, and plug them in. */
BASE_MUST_CHECK
enum base_status usb_rack_open(
    struct usb_rack *rack, const struct usb_options *opts, struct base_err *err);

/** Unplug everything and keep the boards in their files. Accepts what a failed open left. */
BASE_MUST_CHECK
enum base_status usb_rack_close(struct usb_rack *rack, struct base_err *err);

/** What the probe speaks from its next plugging on. */
void usb_rack_set_mode(struct usb_rack *rack, unsigned index, enum usb_rack_mode mode);

/** Plug board @p index in; NULL: serial and port as at the start. It gets its supply back. */
BASE_MUST_CHECK
enum base_status usb_rack_plug(struct usb_rack *rack, unsigned index, const char *serial,
    const char *port, struct base_err *err);

/** Pull board @p index out; its chip loses its supply. */
void usb_rack_unplug(struct usb_rack *rack, unsigned index);

/** Plan a fault, as sim/fault.h writes it, for board @p index. */
BASE_MUST_CHECK
enum base_status usb_rack_fault(
    struct usb_rack *rack, unsigned index, const char *text, struct base_err *err);

/** Forget the faults of board @p index. */
void usb_rack_clear_faults(struct usb_rack *rack, unsigned index);

/** Unplug what faults have pulled out, and plug in again what is due. To be called when
 * usb_host_event_fd() is readable or usb_rack_due_ms() have passed. */
void usb_rack_attend(struct usb_rack *rack);
/** Milliseconds until a board is to be plugged in again; -1: none is. */
int usb_rack_due_ms(const struct usb_rack *rack);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/usb_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_UID          UINT64_C(0x1122334455667700)
#define DEFAULT_VENDOR       0x1209U
#define DEFAULT_PRODUCT      0x0001U
#define DEFAULT_PACKET_COUNT 4U
#define CYPRESS              0x04B4U
#define MINIPROG4_BULK       0xF151U /* and one more over HID */
#define KITPROG3_HID         0xF154U /* and one more over bulk */
#define KITPROG_PACKET       64U
#define KITPROG_COUNT        64U

static const char help_text[] =
    "usage: usb-host [options] -- COMMAND [ARGUMENT]...\n"
    "Run COMMAND on a mock USB host with simulated PSoC 6 boards; ends with its exit code.\n"
    "  --v2, --v1, --mixed   CMSIS-DAP over bulk endpoints (default), over HID, or in turn\n"
    "  --boards N            how many (1)\n"
    "  --port 1-N[.M]...     USB port of the next board\n"
    "  --id VVVV:PPPP        USB vendor and product (1209:0001)\n"
    "  --serial TEXT         of every probe; default: the chip's unique id\n"
    "  --product TEXT, --interface TEXT   USB strings\n"
    "  --uid 16HEX           unique id of the first chip; the others count on\n"
    "  --seed N              of the first chip's noise\n"
    "  --packet-size N, --packet-count N  CMSIS-DAP packets (v2 512, v1 64; 4)\n"
    "  --max-packet N        v2: of the bulk endpoints, 64 or 512\n"
    "  --report-size N       v1: of the HID reports; default: the packet size\n"
    "  --no-zlp              v2: replies are never ended by an empty packet\n"
    "  --realtime            virtual time also moves while the host leaves a probe alone\n"
    "  --round-trip-us N     virtual time of a packet's way there and back (250)\n"
    "  --board FILE          keep the boards in FILE, or FILE.0, FILE.1, ...\n"
    "  --trace FILE          requests and replies\n"
    "  --fault [BOARD/]FAULT...   as lpa-sim(1) lists them; cut-request and cut-reply unplug\n"
    "  --replug 'MS [serial=TEXT] [port=1-N]'   what a fault unplugged comes back after MS\n"
    "  --kitprog3, --miniprog4   with the vendor's commands and USB identity\n"
    "  --firmware A.B.C      of these; default 2.82.1735\n"
    "  --external-mv N       a supply of the target beside theirs\n"
    "  --stale-padding       v1: reports end with bytes of the one before\n"
    "  --hangs-when-pipelined   like old KitProg3 firmware with asynchronous transfers\n"
    "  --edbg                loses its clock and switches as Atmel's EDBG does\n"
    "  --buffers N           requests the probe really holds, others are lost\n"
    "While COMMAND runs, USB_HOST_CONTROL names a socket; see tests/usb/usb_control.h.\n";

void usb_options_help(FILE *out)
{
    (void)fputs(help_text, out);
}

enum kind {
    OPT_V1,
    OPT_V2,
    OPT_MIXED,
    OPT_BOARDS,
    OPT_PORT,
    OPT_ID,
    OPT_SERIAL,
    OPT_PRODUCT,
    OPT_INTERFACE,
    OPT_UID,
    OPT_SEED,
    OPT_PACKET_SIZE,
    OPT_PACKET_COUNT,
    OPT_MAX_PACKET,
    OPT_REPORT_SIZE,
    OPT_NO_ZLP,
    OPT_REALTIME,
    OPT_ROUND_TRIP,
    OPT_BOARD,
    OPT_FAULT,
    OPT_KITPROG3,
    OPT_MINIPROG4,
    OPT_FIRMWARE,
    OPT_EXTERNAL,
    OPT_STALE,
    OPT_HANGS,
    OPT_EDBG,
    OPT_BUFFERS,
    OPT_REPLUG,
    OPT_TRACE,
};

static const struct row {
    const char *name;
    enum kind kind;
    bool has_value;
} rows[] = {
    { "--v1", OPT_V1, false },
    { "--v2", OPT_V2, false },
    { "--mixed", OPT_MIXED, false },
    { "--boards", OPT_BOARDS, true },
    { "--port", OPT_PORT, true },
    { "--id", OPT_ID, true },
    { "--serial", OPT_SERIAL, true },
    { "--product", OPT_PRODUCT, true },
    { "--interface", OPT_INTERFACE, true },
    { "--uid", OPT_UID, true },
    { "--seed", OPT_SEED, true },
    { "--packet-size", OPT_PACKET_SIZE, true },
    { "--packet-count", OPT_PACKET_COUNT, true },
    { "--max-packet", OPT_MAX_PACKET, true },
    { "--report-size", OPT_REPORT_SIZE, true },
    { "--no-zlp", OPT_NO_ZLP, false },
    { "--realtime", OPT_REALTIME, false },
    { "--round-trip-us", OPT_ROUND_TRIP, true },
    { "--board", OPT_BOARD, true },
    { "--trace", OPT_TRACE, true },
    { "--fault", OPT_FAULT, true },
    { "--kitprog3", OPT_KITPROG3, false },
    { "--miniprog4", OPT_MINIPROG4, false },
    { "--firmware", OPT_FIRMWARE, true },
    { "--external-mv", OPT_EXTERNAL, true },
    { "--stale-padding", OPT_STALE, false },
    { "--hangs-when-pipelined", OPT_HANGS, false },
    { "--edbg", OPT_EDBG, false },
    { "--buffers", OPT_BUFFERS, true },
    { "--replug", OPT_REPLUG, true },
};

/* A number in a range, up to the end of the text; 0 and *ok false otherwise. */
static uint64_t number(const char *text, int base, uint64_t least, uint64_t most, bool *ok)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, base);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < least ||
        value > most) {
        *ok = false;
        return 0;
    }
    return value;
}

static void parse_id(struct usb_options *opts, const char *text, bool *ok)
{
    char vendor[5] = "";
    if (strlen(text) != 9 || text[4] != ':') {
        *ok = false;
        return;
    }
    memcpy(vendor, text, 4);
    opts->vendor_id = (uint16_t)number(vendor, 16, 0, UINT16_MAX, ok);
    opts->product_id = (uint16_t)number(text + 5, 16, 0, UINT16_MAX, ok);
}

static void add_port(struct usb_options *opts, const char *text, bool *ok)
{
    if (opts->port_count == USB_HOST_SLOTS) {
        *ok = false;
        return;
    }
    opts->ports[opts->port_count++] = text;
}

/* [BOARD/]FAULT */
static void add_fault(struct usb_options *opts, const char *text, bool *ok)
{
    const char *slash = strchr(text, '/');
    uint64_t board = 0;
    if (slash != NULL) {
        char digits[4] = "";
        size_t length = (size_t)(slash - text);
        if (length >= sizeof(digits)) {
            *ok = false;
            return;
        }
        memcpy(digits, text, length);
        board = number(digits, 10, 0, USB_HOST_SLOTS - 1, ok);
        text = slash + 1;
    }
    if (opts->fault_count == USB_OPTIONS_FAULTS_MAX ||
        sim_fault_parse(text, &opts->faults[opts->fault_count], NULL) != BASE_OK) {
        *ok = false;
        return;
    }
    opts->fault_boards[opts->fault_count++] = (unsigned)board;
}

/* MS[ serial=TEXT][ port=1-N] */
static void set_replug(struct usb_options *opts, const char *text, bool *ok)
{
    const char *blank = strchr(text, ' ');
    size_t length = blank != NULL ? (size_t)(blank - text) : strlen(text);
    char digits[12] = "";
    if (length >= sizeof(digits)) {
        *ok = false;
        return;
    }
    memcpy(digits, text, length);
    opts->replug = true;
    opts->replug_ms = (uint32_t)number(digits, 10, 0, 600000, ok);
    opts->replug_what = blank;
}

bool usb_options_word(const char *words, const char *key, char ret_value[USB_OPTIONS_WORD_MAX])
{
    size_t key_length = strlen(key);
    for (const char *at = words; at != NULL; at = strchr(at, ' ')) {
        at += strspn(at, " ");
        if (strncmp(at, key, key_length) == 0) {
            size_t length = strcspn(at + key_length, " ");
            if (length >= USB_OPTIONS_WORD_MAX) {
                return false;
            }
            memcpy(ret_value, at + key_length, length);
            ret_value[length] = '\0';
            return true;
        }
    }
    return false;
}

static bool apply_text(struct usb_options *opts, enum kind kind, const char *value)
{
    switch ((int)kind) {
    case OPT_V1:
        opts->hid = true;
        return true;
    case OPT_V2:
        opts->hid = false;
        return true;
    case OPT_MIXED:
        opts->mixed = true;
        return true;
    case OPT_NO_ZLP:
        opts->no_zlp = true;
        return true;
    case OPT_REALTIME:
        opts->realtime = true;
        return true;
    case OPT_KITPROG3:
        opts->kitprog.model = SIM_KITPROG_ON_BOARD;
        return true;
    case OPT_MINIPROG4:
        opts->kitprog.model = SIM_KITPROG_MINIPROG4;
        return true;
    case OPT_STALE:
        opts->stale_padding = true;
        return true;
    case OPT_HANGS:
        opts->quirks.hangs_when_pipelined = true;
        return true;
    case OPT_EDBG:
        opts->quirks.edbg = true;
        return true;
    case OPT_SERIAL:
        opts->serial = value;
        return true;
    case OPT_PRODUCT:
        opts->product = value;
        return true;
    case OPT_INTERFACE:
        opts->interface_name = value;
        return true;
    case OPT_BOARD:
        opts->board_file = value;
        return true;
    case OPT_TRACE:
        opts->trace = value;
        return true;
    default:
        return false;
    }
}

static bool apply(struct usb_options *opts, enum kind kind, const char *value)
{
    bool ok = true;
    if (apply_text(opts, kind, value)) {
        return true;
    }
    switch ((int)kind) {
    case OPT_BOARDS:
        opts->boards = (unsigned)number(value, 10, 0, USB_HOST_SLOTS, &ok);
        break;
    case OPT_PORT:
        add_port(opts, value, &ok);
        break;
    case OPT_ID:
        parse_id(opts, value, &ok);
        break;
    case OPT_UID:
        opts->uid = number(value, 16, 0, UINT64_MAX, &ok);
        break;
    case OPT_SEED:
        opts->seed = number(value, 0, 0, UINT64_MAX, &ok);
        break;
    case OPT_PACKET_SIZE:
        opts->packet_size = (uint16_t)number(value, 10, 64, SIM_PROBE_MAX_PACKET, &ok);
        break;
    case OPT_PACKET_COUNT:
        opts->packet_count = (uint8_t)number(value, 10, 1, UINT8_MAX, &ok);
        break;
    case OPT_MAX_PACKET:
        opts->max_packet = (uint16_t)number(value, 10, 64, 512, &ok);
        ok = ok && (opts->max_packet == 64 || opts->max_packet == 512);
        break;
    case OPT_REPORT_SIZE:
        opts->report_size = (uint16_t)number(value, 10, 8, SIM_PROBE_MAX_PACKET, &ok);
        break;
    case OPT_FAULT:
        add_fault(opts, value, &ok);
        break;
    case OPT_FIRMWARE:
        ok = sim_kitprog_parse_version(value, &opts->kitprog);
        break;
    case OPT_EXTERNAL:
        opts->kitprog.external_mv = (uint16_t)number(value, 10, 0, 5500, &ok);
        break;
    case OPT_BUFFERS:
        opts->quirks.buffers = (uint8_t)number(value, 10, 1, UINT8_MAX, &ok);
        break;
    case OPT_REPLUG:
        set_replug(opts, value, &ok);
        break;
    case OPT_ROUND_TRIP:
        opts->round_trip_us = (uint32_t)number(value, 10, 0, 10000000, &ok);
        break;
    default:
        ok = false;
        break;
    }
    return ok;
}

static const struct row *find(const char *name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

/* What those probes say of themselves, where nothing else was asked for. */
static void be_kitprog(struct usb_options *opts)
{
    bool miniprog = opts->kitprog.model == SIM_KITPROG_MINIPROG4;
    if (opts->kitprog.model == SIM_KITPROG_NONE) {
        return;
    }
    if (opts->vendor_id == DEFAULT_VENDOR && opts->product_id == DEFAULT_PRODUCT) {
        opts->vendor_id = CYPRESS;
        opts->product_id = (uint16_t)((miniprog ? MINIPROG4_BULK : KITPROG3_HID) +
                                      (opts->hid == miniprog ? 1 : 0));
    }
    if (opts->product == NULL) {
        opts->product = miniprog ? "MiniProg4 CMSIS-DAP" : "KitProg3 CMSIS-DAP";
    }
    if (opts->interface_name == NULL) {
        opts->interface_name = opts->product;
    }
    opts->packet_size = opts->packet_size != 0 ? opts->packet_size : KITPROG_PACKET;
    opts->packet_count =
        opts->packet_count != DEFAULT_PACKET_COUNT ? opts->packet_count : KITPROG_COUNT;
}

enum base_status usb_options_parse(
    struct usb_options *ret_opts, int argc, char **argv, struct base_err *err)
{
    struct usb_options opts = { .boards = 1,
        .uid = DEFAULT_UID,
        .seed = 1,
        .packet_count = DEFAULT_PACKET_COUNT,
        .vendor_id = DEFAULT_VENDOR,
        .product_id = DEFAULT_PRODUCT,
        .round_trip_us = SIM_PROBE_ROUND_TRIP_US };
    int at = 1;
    while (at < argc && strcmp(argv[at], "--") != 0) {
        const struct row *row = find(argv[at]);
        if (row == NULL || (row->has_value && at + 1 >= argc)) {
            return base_err_set(err, BASE_E_ARG, "usb-host", 0, "%s %s; see --help", argv[at],
                row == NULL ? "is no option" : "wants a value");
        }
        const char *value = row->has_value ? argv[at + 1] : NULL;
        if (!apply(&opts, row->kind, value)) {
            return base_err_set(err, BASE_E_ARG, "usb-host", 0,
                "%s does not take \"%s\"; see --help", row->name, value != NULL ? value : "");
        }
        at += row->has_value ? 2 : 1;
    }
    if (at + 1 >= argc) {
        return base_err_set(err, BASE_E_ARG, "usb-host", 0,
            "no command to run; write it after \"--\" and see --help");
    }
    opts.command = argv + at + 1;
    be_kitprog(&opts);
    *ret_opts = opts;
    return BASE_OK;
}

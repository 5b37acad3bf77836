/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/probe_internal.h"

#include <string.h>

#define PORT_NONE    0U
#define PORT_DEFAULT 0U
#define PORT_SWD     1U

#define INFO_VENDOR          0x01U
#define INFO_PRODUCT         0x02U
#define INFO_SERIAL          0x03U
#define INFO_PROTOCOL        0x04U
#define INFO_FIRMWARE        0x09U
#define INFO_CAPABILITIES    0xF0U
#define INFO_PACKET_COUNT    0xFEU
#define INFO_PACKET_SIZE     0xFFU
#define PROTOCOL_VERSION     "2.1.2"
#define KITPROG_PROTOCOL     "2.0.0"
#define KITPROG_PROTOCOL_HID "1.2.0"
#define CAPABILITY_SWD       0x01U
#define CAPABILITY_ATOMIC    0x10U

#define PIN_SWCLK        0x01U
#define PIN_SWDIO        0x02U
#define PIN_NTRST        0x20U
#define PIN_NRESET       0x80U
#define PINS_MAX_WAIT_US UINT32_C(3000000)

#define STATUS_CONNECT 0U
#define STATUS_RUNNING 1U

#define PS_PER_S     UINT64_C(1000000000000)
#define SWCLK_MAX_HZ UINT32_C(50000000)
#define SWCLK_MIN_HZ UINT32_C(1000)

#define SEQUENCE_COUNT 0x3FU
#define SEQUENCE_INPUT 0x80U

bool dap_room(const struct dap_writer *out, size_t length)
{
    return out->capacity - out->length >= length;
}

void dap_put(struct dap_writer *out, uint8_t byte)
{
    if (dap_room(out, 1)) {
        out->data[out->length++] = byte;
    }
}

void dap_put_word(struct dap_writer *out, uint32_t word)
{
    for (unsigned i = 0; i < 4; i++) {
        dap_put(out, (uint8_t)(word >> (8 * i)));
    }
}

static bool put_status(struct dap_writer *out, uint8_t status)
{
    dap_put(out, status);
    return true;
}

static bool put_info(struct dap_writer *out, const void *data, size_t length)
{
    if (!dap_room(out, 1 + length)) {
        return false;
    }
    dap_put(out, (uint8_t)length);
    const uint8_t *bytes = data;
    for (size_t i = 0; i < length; i++) {
        dap_put(out, bytes[i]);
    }
    return true;
}

/* A string that is not given has length 0, any other counts its NUL. */
static bool put_info_text(struct dap_writer *out, const char *text)
{
    return put_info(out, text, text[0] == '\0' ? 0 : strlen(text) + 1);
}

static const char *protocol(const struct sim_probe *probe)
{
    if (probe->kitprog.model == SIM_KITPROG_NONE) {
        return PROTOCOL_VERSION;
    }
    return probe->kitprog.over_hid ? KITPROG_PROTOCOL_HID : KITPROG_PROTOCOL;
}

static bool info(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    uint8_t id = base_cursor_u8(request);
    uint8_t number[2] = { 0 };
    if (request->bad) {
        return false;
    }
    switch (id) {
    case INFO_VENDOR:
        return put_info_text(out, probe->vendor);
    case INFO_PRODUCT:
        return put_info_text(out, probe->product);
    case INFO_SERIAL:
        return put_info_text(out, probe->serial);
    case INFO_PROTOCOL:
        return put_info_text(out, protocol(probe));
    case INFO_FIRMWARE:
        return put_info_text(out, probe->firmware);
    case INFO_CAPABILITIES:
        number[0] = CAPABILITY_SWD | CAPABILITY_ATOMIC;
        return put_info(out, number, 2);
    case INFO_PACKET_COUNT:
        return put_info(out, &probe->packet_count, 1);
    case INFO_PACKET_SIZE:
        base_put_le16(number, probe->packet_size);
        return put_info(out, number, 2);
    default:
        return put_info(out, NULL, 0);
    }
}

static bool host_status(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    (void)probe;
    uint8_t type = base_cursor_u8(request);
    (void)base_cursor_u8(request);
    if (request->bad) {
        return false;
    }
    bool known = type == STATUS_CONNECT || type == STATUS_RUNNING;
    return put_status(out, known ? DAP_OK : DAP_ERROR);
}

void probe_drive_xres(struct sim_probe *probe, bool low)
{
    if (low == probe->xres_low) {
        return;
    }
    sim_probe_settle(probe);
    probe->xres_low = low;
    sim_chip_set_xres(probe->swd.chip, low);
    sim_swd_power_on(&probe->swd);
}

static bool connect_port(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    uint8_t port = base_cursor_u8(request);
    if (request->bad) {
        return false;
    }
    if (port != PORT_DEFAULT && port != PORT_SWD) {
        return put_status(out, PORT_NONE);
    }
    probe->connected = true;
    probe->swclk = true;
    probe->swdio = true;
    probe->swdio_driven = true;
    probe_drive_xres(probe, false);
    return put_status(out, PORT_SWD);
}

static bool disconnect_port(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    (void)request;
    probe->connected = false;
    probe->swdio_driven = false;
    probe_drive_xres(probe, false);
    return put_status(out, DAP_OK);
}

static bool transfer_configure(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    uint8_t idle = base_cursor_u8(request);
    uint16_t wait_retry = base_cursor_le16(request);
    uint16_t match_retry = base_cursor_le16(request);
    if (request->bad) {
        return false;
    }
    probe->idle_cycles = idle;
    probe->wait_retry = wait_retry;
    probe->match_retry = match_retry;
    return put_status(out, DAP_OK);
}

static bool delay(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    uint16_t duration_us = base_cursor_le16(request);
    if (request->bad) {
        return false;
    }
    sim_probe_pass_us(probe, duration_us);
    return put_status(out, DAP_OK);
}

static bool reset_target(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    (void)probe;
    (void)request;
    if (!dap_room(out, 2)) {
        return false;
    }
    dap_put(out, DAP_OK);
    dap_put(out, 0); /* no device-specific reset sequence */
    return true;
}

static uint8_t read_pins(const struct sim_probe *probe)
{
    unsigned pins = PIN_NTRST; /* not wired, pulled up */
    pins |= probe->swclk ? PIN_SWCLK : 0;
    pins |= probe_swd_read_swdio(probe) ? PIN_SWDIO : 0;
    pins |= probe->xres_low ? 0 : PIN_NRESET;
    return (uint8_t)pins;
}

static bool swj_pins(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    const unsigned wired = PIN_SWCLK | PIN_SWDIO | PIN_NRESET;
    unsigned output = base_cursor_u8(request);
    unsigned select = base_cursor_u8(request);
    uint32_t wait_us = base_cursor_le32(request);
    if (request->bad) {
        return false;
    }
    if ((select & PIN_SWCLK) != 0) {
        probe_swd_set_swclk(probe, (output & PIN_SWCLK) != 0);
    }
    if ((select & PIN_SWDIO) != 0) {
        probe->swdio = (output & PIN_SWDIO) != 0;
    }
    if ((select & PIN_NRESET) != 0) {
        probe_drive_xres(probe, (output & PIN_NRESET) == 0);
    }
    /* The wait is a limit for the pins to follow, not a pause; a wire without load follows at once.
     */
    if (((read_pins(probe) ^ output) & select & wired) != 0) {
        sim_probe_pass_us(probe, wait_us < PINS_MAX_WAIT_US ? wait_us : PINS_MAX_WAIT_US);
    }
    return put_status(out, read_pins(probe));
}

static bool swj_clock(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    uint32_t hertz = base_cursor_le32(request);
    if (request->bad) {
        return false;
    }
    if (hertz == 0) {
        return put_status(out, DAP_ERROR);
    }
    if (hertz > SWCLK_MAX_HZ) {
        hertz = SWCLK_MAX_HZ;
    } else if (hertz < SWCLK_MIN_HZ) {
        hertz = SWCLK_MIN_HZ;
    }
    probe->swd.period_ps = (PS_PER_S + hertz - 1) / hertz;
    return put_status(out, DAP_OK);
}

static bool swj_sequence(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    unsigned count = base_cursor_u8(request);
    count = count == 0 ? 256 : count;
    const uint8_t *bits = base_cursor_take(request, (count + 7) / 8);
    if (request->bad) {
        return false;
    }
    probe_swd_write_bits(probe, bits, count);
    return put_status(out, DAP_OK);
}

static bool swd_configure(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    uint8_t value = base_cursor_u8(request);
    if (request->bad) {
        return false;
    }
    probe->turnaround = (uint8_t)((value & 3U) + 1);
    probe->data_phase = (value & 4U) != 0;
    return put_status(out, DAP_OK);
}

static unsigned sequence_bits(uint8_t head)
{
    unsigned count = head & SEQUENCE_COUNT;
    return count == 0 ? 64 : count;
}

/* Length of the answer, status included; 0 when bytes are missing. */
static size_t sequence_answer(struct base_cursor request, unsigned sequences)
{
    size_t answer = 1;
    for (unsigned i = 0; i < sequences; i++) {
        uint8_t head = base_cursor_u8(&request);
        size_t bytes = (sequence_bits(head) + 7) / 8;
        if ((head & SEQUENCE_INPUT) != 0) {
            answer += bytes;
        } else {
            (void)base_cursor_take(&request, bytes);
        }
    }
    return request.bad ? 0 : answer;
}

static bool swd_sequence(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    unsigned sequences = base_cursor_u8(request);
    size_t answer = request->bad ? 0 : sequence_answer(*request, sequences);
    if (answer == 0 || !dap_room(out, answer)) {
        return false;
    }
    dap_put(out, DAP_OK);
    for (unsigned i = 0; i < sequences; i++) {
        uint8_t head = base_cursor_u8(request);
        unsigned count = sequence_bits(head);
        size_t bytes = (count + 7) / 8;
        if ((head & SEQUENCE_INPUT) != 0) {
            probe_swd_read_bits(probe, out->data + out->length, count);
            out->length += bytes;
        } else {
            probe_swd_write_bits(probe, base_cursor_take(request, bytes), count);
        }
    }
    probe->swdio_driven = probe->connected;
    return true;
}

static probe_command_fn *find_command(const struct sim_probe *probe, uint8_t id)
{
    static const struct {
        uint8_t id;
        probe_command_fn *run;
    } commands[] = {
        { DAP_INFO, info },
        { DAP_HOST_STATUS, host_status },
        { DAP_CONNECT, connect_port },
        { DAP_DISCONNECT, disconnect_port },
        { DAP_TRANSFER_CONFIGURE, transfer_configure },
        { DAP_TRANSFER, probe_transfer },
        { DAP_TRANSFER_BLOCK, probe_transfer_block },
        { DAP_WRITE_ABORT, probe_write_abort },
        { DAP_DELAY, delay },
        { DAP_RESET_TARGET, reset_target },
        { DAP_SWJ_PINS, swj_pins },
        { DAP_SWJ_CLOCK, swj_clock },
        { DAP_SWJ_SEQUENCE, swj_sequence },
        { DAP_SWD_CONFIGURE, swd_configure },
        { DAP_SWD_SEQUENCE, swd_sequence },
    };

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].id == id) {
            return commands[i].run;
        }
    }
    return probe->kitprog.model != SIM_KITPROG_NONE ? probe_kitprog_command(id) : NULL;
}

bool probe_command(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    size_t start = out->length;
    uint8_t id = base_cursor_u8(request);
    probe_command_fn *run = request->bad ? NULL : find_command(probe, id);
    /* Two bytes are room for the shortest answers; commands with longer ones look themselves. */
    if (run != NULL && dap_room(out, 2)) {
        dap_put(out, id);
        if (run(probe, request, out)) {
            return true;
        }
    }
    out->length = start;
    dap_put(out, DAP_ERROR);
    return false;
}

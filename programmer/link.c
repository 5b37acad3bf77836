/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "programmer/kitprog.h"
#include "programmer/queue.h"

#define DEFAULT_SWCLK_HZ 4000000U
#define WAIT_RETRY       100U
/* One value match waits about this long, so that the host can look at its deadline in between. */
#define MATCH_SLICE_US 250000U
#define DRAIN_US       150000
#define DRAIN_PACKETS  64U
#define OPEN_TRIES     3U
#define DELAY_MAX_US   10000000U
#define XRES_WAIT_US   10000U

/* --------------------------------------------------------------------------------- DAP_Info */

static enum base_status info(struct prg_link *link, uint8_t id, uint8_t answer[PRG_PACKET_MAX],
    const uint8_t **ret_data, size_t *ret_length, struct base_err *err)
{
    uint8_t request[64];
    size_t length = 0;
    *ret_length = 0;
    *ret_data = answer;
    enum base_status status =
        prg_queue_exchange(link, request, prg_dap_encode_info(id, request), answer, &length, err);
    if (status != BASE_OK) {
        return status;
    }
    if (!prg_dap_parse_info(answer, length, ret_data, ret_length)) {
        return base_err_set(err, BASE_E_PROTO, "CMSIS-DAP", id,
            "the probe's answer to DAP_Info %02x is malformed", id);
    }
    return BASE_OK;
}

static enum base_status info_number(
    struct prg_link *link, uint8_t id, uint32_t *ret_value, struct base_err *err)
{
    uint8_t answer[PRG_PACKET_MAX];
    const uint8_t *data = NULL;
    size_t length = 0;
    enum base_status status = info(link, id, answer, &data, &length, err);
    if (status != BASE_OK) {
        return status;
    }
    if (length > 2) {
        return base_err_set(err, BASE_E_PROTO, "CMSIS-DAP", id,
            "the probe's answer to DAP_Info %02x has %zu bytes", id, length);
    }
    *ret_value = 0;
    for (size_t i = 0; i < length; i++) {
        *ret_value |= (uint32_t)data[i] << (8 * i);
    }
    return BASE_OK;
}

static enum base_status info_text(
    struct prg_link *link, uint8_t id, char ret_text[PRG_INFO_TEXT_SIZE], struct base_err *err)
{
    uint8_t answer[PRG_PACKET_MAX];
    const uint8_t *data = NULL;
    size_t length = 0;
    enum base_status status = info(link, id, answer, &data, &length, err);
    if (status == BASE_OK) {
        prg_dap_copy_text(data, length, PRG_INFO_TEXT_SIZE, ret_text);
    }
    return status;
}

/* --------------------------------------------------------------------------------- session */

static enum base_status drain(struct prg_link *link, int64_t silence_us, struct base_err *err)
{
    uint8_t packet[PRG_PACKET_MAX];
    for (unsigned i = 0; i < DRAIN_PACKETS; i++) {
        size_t length = 0;
        struct base_err cause = { .status = BASE_OK };
        enum base_status status = link->wire.transport->collect(
            link->wire.state, silence_us, sizeof(packet), packet, &length, &cause);
        if (status == BASE_E_TIMEOUT) {
            return BASE_OK;
        }
        if (status == BASE_E_LINK) {
            link->gone = true;
            return base_err_set(err, status, cause.domain, cause.detail, "%s", cause.message);
        }
    }
    return base_err_set(err, BASE_E_PROTO, "probe", DRAIN_PACKETS,
        "the probe sends without being asked; unplug it and plug it in again");
}

/* Two different questions: one answer alone could be a left-over. */
static enum base_status prove_session(struct prg_link *link, struct base_err *err)
{
    uint32_t count = 0;
    uint32_t size = 0;
    enum base_status status = info_number(link, PRG_DAP_INFO_PACKET_COUNT, &count, err);
    if (status == BASE_OK) {
        status = info_number(link, PRG_DAP_INFO_PACKET_SIZE, &size, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (size < 64 || size > 0xFFFF || count > 0xFF) {
        return base_err_set(err, BASE_E_PROTO, "CMSIS-DAP", size,
            "the probe claims packets of %u bytes, %u of them; at least 64 bytes are needed",
            (unsigned)size, (unsigned)count);
    }
    uint32_t limit = link->probe.cable.packet_limit;
    limit = limit == 0 || limit > PRG_PACKET_MAX ? PRG_PACKET_MAX : limit;
    link->probe.packet_size = size > limit ? limit : size;
    if (link->wire.transport->set_packet_size != NULL) {
        link->wire.transport->set_packet_size(link->wire.state, link->probe.packet_size);
    }
    link->probe.packet_count = count == 0 ? 1 : count;
    return BASE_OK;
}

static enum base_status send_settings(struct prg_link *link, struct base_err *err)
{
    uint8_t packet[64];
    uint8_t answer[PRG_PACKET_MAX];
    size_t length = 0;
    enum base_status status =
        prg_queue_exchange(link, packet, prg_dap_encode_connect_swd(packet), answer, &length, err);
    if (status != BASE_OK) {
        return status;
    }
    if (length < 2 || answer[1] != 1) {
        return base_err_set(err, BASE_E_PROTO, "CMSIS-DAP", length < 2 ? -1 : answer[1],
            "the probe cannot connect in SWD mode");
    }
    prg_queue_command(link, packet, prg_dap_encode_clock(link->swclk_hz, packet), 0);
    prg_queue_command(
        link, packet, prg_dap_encode_configure(0, link->wait_retry, link->match_retry, packet), 0);
    prg_queue_command(link, packet, prg_dap_encode_swd_configure(0, packet), 0);
    return prg_queue_flush(link, err);
}

static void set_clock(struct prg_link *link, uint32_t hz)
{
    uint64_t retries = (uint64_t)MATCH_SLICE_US * hz / 1000000U / PRG_CLOCKS_PER_TRANSFER;
    link->swclk_hz = hz;
    link->wait_retry = WAIT_RETRY;
    link->match_retry = (uint16_t)(retries > 0xFFFF ? 0xFFFF : (retries < 16 ? 16 : retries));
}

static enum base_status resync(struct prg_link *link, struct base_err *err)
{
    enum base_status status = drain(link, DRAIN_US, err);
    if (status == BASE_OK) {
        status = prove_session(link, err);
    }
    if (status == BASE_OK) {
        link->poisoned = false;
        status = send_settings(link, err);
    }
    return status;
}

enum base_status prg_link_resync(struct prg_link *link, struct base_err *err)
{
    if (link->gone) {
        return base_err_set(
            err, BASE_E_LINK, "probe", 0, "the probe is gone; connect it and open it again");
    }
    link->resyncing = true;
    link->poisoned = true;
    link->selected = false;
    memset(&link->cache, 0, sizeof(link->cache));
    prg_queue_reset(link);
    enum base_status status = resync(link, err);
    link->poisoned = status != BASE_OK;
    link->resyncing = false;
    prg_queue_reset(link);
    return status;
}

/* Before the first question: which model it is, and that nothing from an earlier session waits. */
static enum base_status meet_probe(struct prg_link *link, struct base_err *err)
{
    const struct prg_transport *transport = link->wire.transport;
    struct prg_probe_info *probe = &link->probe;
    if (transport->describe != NULL) {
        transport->describe(link->wire.state, &probe->cable);
    }
    link->quirk = prg_quirk_find(&probe->cable);
    probe->model = link->quirk->model;
    enum base_status status = prg_quirk_check(link->quirk, &probe->cable, err);
    if (status == BASE_OK && transport->settle_us > 0) {
        status = drain(link, transport->settle_us, err);
    }
    return status;
}

static enum base_status read_probe(struct prg_link *link, uint32_t max, struct base_err *err)
{
    struct prg_probe_info *probe = &link->probe;
    uint32_t capabilities = 0;
    enum base_status status = meet_probe(link, err);
    if (status == BASE_OK) {
        status = prove_session(link, err);
    }
    if (status == BASE_OK) {
        status = info_number(link, PRG_DAP_INFO_CAPABILITIES, &capabilities, err);
    }
    if (status == BASE_OK) {
        status = info_text(link, PRG_DAP_INFO_PROTOCOL, probe->protocol, err);
    }
    if (status == BASE_OK) {
        status = info_text(link, PRG_DAP_INFO_FIRMWARE, probe->firmware, err);
    }
    if (status == BASE_OK) {
        status = info_text(link, PRG_DAP_INFO_SERIAL, probe->serial, err);
    }
    if (status == BASE_OK) {
        status = info_text(link, PRG_DAP_INFO_VENDOR, probe->vendor, err);
    }
    if (status == BASE_OK) {
        status = info_text(link, PRG_DAP_INFO_PRODUCT, probe->product, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if ((capabilities & PRG_DAP_CAPABILITY_SWD) == 0) {
        return base_err_set(err, BASE_E_UNSUPPORTED, "CMSIS-DAP", (int64_t)capabilities,
            "the probe says that it cannot do SWD; use another probe");
    }
    if (probe->cable.vendor_id == 0) {
        link->quirk = prg_quirk_find_product(probe->product, link->quirk);
        probe->model = link->quirk->model;
    }
    probe->capabilities = (uint16_t)capabilities;
    probe->lab_only = link->wire.transport->lab_only;
    max = link->quirk->max_in_flight > 0 && link->quirk->max_in_flight < max
              ? link->quirk->max_in_flight
              : max;
    probe->in_flight = probe->packet_count < max ? probe->packet_count : max;
    return link->quirk->kitprog ? prg_kitprog_begin(link, !link->wire.transport->padded, err)
                                : BASE_OK;
}

/* An answer that an earlier session did not wait for may come while this one begins. */
static enum base_status begin_session(struct prg_link *link, uint32_t max, struct base_err *err)
{
    struct base_err cause = { .status = BASE_OK };
    enum base_status status = BASE_E_PROTO;
    bool again = true;
    for (unsigned i = 0; i < OPEN_TRIES && again; i++) {
        status = i == 0 ? BASE_OK : drain(link, DRAIN_US, &cause);
        base_err_clear(&cause);
        link->poisoned = false;
        prg_queue_reset(link);
        if (status == BASE_OK) {
            status = read_probe(link, max, &cause);
        }
        if (status == BASE_OK) {
            prg_queue_reset(link);
            status = send_settings(link, &cause);
        }
        again = status != BASE_OK && strcmp(cause.domain, "CMSIS-DAP") == 0;
    }
    if (status != BASE_OK) {
        status = base_err_set(err, status, cause.domain, cause.detail, "%s", cause.message);
        base_err_set_code(err, cause.code);
    }
    return status;
}

enum base_status prg_link_open_wire(struct prg_wire *wire, const struct prg_link_opts *opts,
    struct prg_link **ret_link, struct base_err *err)
{
    const struct prg_link_opts defaults = { .clock = NULL };
    opts = opts == NULL ? &defaults : opts;
    struct prg_link *link = calloc(1, sizeof(*link));
    if (link == NULL) {
        prg_wire_close(wire);
        return base_err_set(err, BASE_E_NOMEM, "probe", 0, "no memory for a probe");
    }
    link->wire = *wire;
    wire->transport = NULL;
    wire->state = NULL;
    link->clock = opts->clock == NULL ? base_clock_system() : opts->clock;
    link->log = opts->log;
    set_clock(link, opts->swclk_hz == 0 ? DEFAULT_SWCLK_HZ : opts->swclk_hz);
    enum base_status status = BASE_OK;
    if (opts->trace != NULL) {
        struct prg_wire inner = link->wire;
        status = prg_wire_trace(&inner, opts->trace, opts->trace_user, &link->wire, err);
    }
    uint32_t max = opts->max_in_flight;
    max = max == 0 || max > PRG_QUEUE_MAX_IN_FLIGHT ? PRG_QUEUE_MAX_IN_FLIGHT : max;
    if (status == BASE_OK) {
        status = begin_session(link, max, err);
    }
    if (status != BASE_OK) {
        link->gone = true; /* nothing more is said to it */
        prg_link_close(link);
        return status;
    }
    *ret_link = link;
    return BASE_OK;
}

enum base_status prg_link_open(const char *url, const struct prg_link_opts *opts,
    struct prg_link **ret_link, struct base_err *err)
{
    const struct base_clock *clock =
        opts == NULL || opts->clock == NULL ? base_clock_system() : opts->clock;
    if (opts != NULL && opts->swclk_hz != 0 &&
        (opts->swclk_hz < 1000 || opts->swclk_hz > 50000000)) {
        return base_err_set(err, BASE_E_ARG, "probe", opts->swclk_hz,
            "SWCLK of %u Hz is outside 1000 … 50000000", (unsigned)opts->swclk_hz);
    }
    struct prg_wire wire = { .transport = NULL };
    enum base_status status = prg_wire_open(url, clock, &wire, err);
    if (status != BASE_OK) {
        return status;
    }
    status = prg_link_open_wire(&wire, opts, ret_link, err);
    if (status != BASE_OK) {
        (void)base_err_prefix(err, "%s: ", url);
    }
    return status;
}

void prg_link_close(struct prg_link *link)
{
    if (link == NULL) {
        return;
    }
    if (!link->gone && !link->poisoned) {
        uint8_t packet[64];
        struct base_err ignored = { .status = BASE_OK };
        prg_queue_reset(link);
        prg_queue_command(link, packet, prg_dap_encode_disconnect(packet), 0);
        /* Closing goes on whatever the probe says. */
        (void)!prg_queue_flush(link, &ignored);
    }
    prg_wire_close(&link->wire);
    free(link);
}

const struct prg_probe_info *prg_link_probe(const struct prg_link *link)
{
    return &link->probe;
}

struct prg_link_stats prg_link_stats(const struct prg_link *link)
{
    return link->stats;
}

/* --------------------------------------------------------------------------------- controls */

static enum base_status finish(struct prg_link *link, struct base_err *err)
{
    enum base_status status = prg_queue_flush(link, err);
    prg_queue_reset(link);
    return status;
}

enum base_status prg_link_set_clock(struct prg_link *link, uint32_t hz, struct base_err *err)
{
    if (hz < 1000 || hz > 50000000) {
        return base_err_set(err, BASE_E_ARG, "probe", hz,
            "SWCLK of %u Hz is outside 1000 … 50000000", (unsigned)hz);
    }
    uint8_t packet[64];
    set_clock(link, hz);
    prg_queue_command(link, packet, prg_dap_encode_clock(hz, packet), 0);
    prg_queue_command(
        link, packet, prg_dap_encode_configure(0, link->wait_retry, link->match_retry, packet), 0);
    return finish(link, err);
}

enum base_status prg_link_set_reset(struct prg_link *link, bool low, struct base_err *err)
{
    uint8_t packet[64];
    size_t length = prg_dap_encode_pins(
        low ? 0 : PRG_DAP_PIN_NRESET, PRG_DAP_PIN_NRESET, low ? 0 : XRES_WAIT_US, packet);
    /* A reset clears CSW and TAR of every access port. */
    link->selected = false;
    memset(&link->cache, 0, sizeof(link->cache));
    prg_queue_command(link, packet, length, 0);
    return finish(link, err);
}

enum base_status prg_link_delay(struct prg_link *link, uint32_t duration_us, struct base_err *err)
{
    if (duration_us > DELAY_MAX_US) {
        return base_err_set(err, BASE_E_ARG, "probe", duration_us,
            "a delay of %u us is longer than 10 s", (unsigned)duration_us);
    }
    for (uint32_t left = duration_us; left > 0;) {
        uint16_t part = (uint16_t)(left > 50000 ? 50000 : left);
        uint8_t packet[64];
        prg_queue_command(link, packet, prg_dap_encode_delay(part, packet), part);
        left -= part;
    }
    return finish(link, err);
}

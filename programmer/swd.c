/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/swd.h"

#include <string.h>

#include "base/buf.h"

#define RECOVERY_TRIES  3U
#define POWER_UP_TRIES  10U
#define POWER_UP_GAP_US 10000U

void prg_swd_drop_caches(struct prg_link *link)
{
    memset(&link->cache, 0, sizeof(link->cache));
}

/* What stood behind a value match in its packet was not carried out: registers are not known any
 * more, what kind of port it is still is. */
static void drop_registers(struct prg_link *link)
{
    struct prg_swd_cache *cache = &link->cache;
    cache->select_known = false;
    memset(cache->csw_known, 0, sizeof(cache->csw_known));
    memset(cache->tar_known, 0, sizeof(cache->tar_known));
}

static void queue_bits(struct prg_link *link, const uint8_t *bits, unsigned count)
{
    uint8_t packet[64];
    size_t length = prg_dap_encode_sequence(bits, count, packet);
    prg_queue_command(link, packet, length, prg_link_clocks_us(link, count));
    if (link->quirk->loses_clock) {
        prg_queue_command(link, packet, prg_dap_encode_clock(link->swclk_hz, packet), 0);
    }
}

void prg_swd_queue_switch(struct prg_link *link)
{
    /* ADIv5.2 B5.2.2: line reset, 0xE79E, line reset, idle. */
    static const uint8_t bits[17] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x9E, 0xE7, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00 };
    uint8_t packet[64];
    prg_swd_drop_caches(link);
    if (link->quirk->reconnect) {
        prg_queue_command(link, packet, prg_dap_encode_disconnect(packet), 0);
        prg_queue_command(link, packet, prg_dap_encode_connect_swd(packet), 0);
    }
    queue_bits(link, bits, 136);
}

static void queue_line_reset(struct prg_link *link)
{
    static const uint8_t bits[8] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00 };
    prg_swd_drop_caches(link);
    queue_bits(link, bits, 64);
}

void prg_swd_queue_dp_write(struct prg_link *link, uint8_t addr, uint32_t value)
{
    prg_queue_transfer(link, addr, value, NULL);
}

void prg_swd_queue_dp_read(struct prg_link *link, uint8_t addr, uint8_t *dest)
{
    prg_queue_transfer(link, (uint8_t)(addr | PRG_DAP_READ), 0, dest);
}

static void queue_select(struct prg_link *link, unsigned ap, uint8_t reg)
{
    struct prg_swd_cache *cache = &link->cache;
    uint32_t select = (uint32_t)ap << 24 | (reg & 0xF0U);
    if (!cache->select_known || cache->select != select) {
        prg_swd_queue_dp_write(link, PRG_DP_SELECT, select);
        cache->select = select;
        cache->select_known = true;
    }
}

void prg_swd_queue_ap_write(struct prg_link *link, unsigned ap, uint8_t reg, uint32_t value)
{
    queue_select(link, ap, reg);
    prg_queue_transfer(link, (uint8_t)(PRG_DAP_AP | (reg & 0x0CU)), value, NULL);
}

void prg_swd_queue_ap_read(struct prg_link *link, unsigned ap, uint8_t reg, uint8_t *dest)
{
    queue_select(link, ap, reg);
    prg_queue_transfer(link, (uint8_t)(PRG_DAP_AP | PRG_DAP_READ | (reg & 0x0CU)), 0, dest);
}

/* ------------------------------------------------------------------------------------ recovery */

/* One attempt to have the debug port listen again; raw queue, no recovery inside recovery. */
static bool try_recover(struct prg_link *link, enum prg_dap_ack ack)
{
    struct base_err ignored = { .status = BASE_OK };
    uint8_t dpidr[4];
    uint8_t flags[4] = { 0 };
    prg_queue_reset(link);
    if (ack == PRG_DAP_ACK_WAIT) {
        prg_swd_queue_dp_write(link, PRG_DP_ABORT, PRG_ABORT_DAP);
    } else if (ack != PRG_DAP_ACK_FAULT) {
        queue_line_reset(link);
        prg_swd_queue_dp_read(link, PRG_DP_DPIDR, dpidr);
    }
    /* Clearing comes first: some parts fault even the read of CTRL/STAT while a flag is set. */
    prg_swd_queue_dp_write(link, PRG_DP_ABORT, PRG_ABORT_CLEAR);
    prg_swd_queue_dp_write(link, PRG_DP_SELECT, 0);
    prg_swd_queue_dp_write(link, PRG_DP_CTRL_STAT, PRG_CTRL_POWER_REQUEST);
    prg_swd_queue_dp_read(link, PRG_DP_CTRL_STAT, flags);
    bool ok = prg_queue_flush(link, &ignored) == BASE_OK;
    prg_queue_reset(link);
    return ok && (base_get_le32(flags) & PRG_CTRL_POWER_ACK) == PRG_CTRL_POWER_ACK;
}

static bool recover(struct prg_link *link, enum prg_dap_ack ack)
{
    prg_swd_drop_caches(link);
    for (unsigned i = 0; i < RECOVERY_TRIES && !link->gone && !link->poisoned; i++) {
        /* When the gentle way fails, the line reset follows. */
        if (try_recover(link, i == 0 ? ack : PRG_DAP_ACK_NONE)) {
            return true;
        }
    }
    return false;
}

static enum base_status report_swd(
    enum prg_dap_ack ack, uint8_t response, bool back, struct base_err *err)
{
    const char *after = back ? "" : ", and the debug port does not come back";
    enum base_status status = BASE_E_LINK;
    const char *code = "unknown";
    switch (ack) {
    case PRG_DAP_ACK_MISMATCH:
        status = BASE_E_TIMEOUT;
        code = "mismatch";
        break;
    case PRG_DAP_ACK_FAULT:
        status = back ? BASE_E_TARGET : BASE_E_LINK;
        code = back ? "" : "unknown";
        break;
    case PRG_DAP_ACK_WAIT:
        status = back ? BASE_E_TIMEOUT : BASE_E_LINK;
        break;
    case PRG_DAP_ACK_OK:
    case PRG_DAP_ACK_NONE:
    case PRG_DAP_ACK_PARITY:
    case PRG_DAP_ACK_NOT_CONNECTED:
        break;
    }
    status = base_err_set(err, status, "SWD", response, "the target's debug port answered %s%s",
        prg_dap_ack_text(ack), after);
    base_err_set_code(err, code);
    return status;
}

enum base_status prg_swd_flush(struct prg_link *link, struct base_err *err)
{
    enum base_status status = prg_queue_flush(link, err);
    if (status == BASE_OK) {
        return BASE_OK;
    }
    enum prg_fault fault = link->queue.fault;
    enum prg_dap_ack ack = link->queue.ack;
    uint8_t response = link->queue.response;
    prg_queue_reset(link);
    if (fault == PRG_FAULT_SWD && ack == PRG_DAP_ACK_MISMATCH) {
        drop_registers(link);
        return report_swd(ack, response, true, err);
    }
    prg_swd_drop_caches(link);
    if (fault == PRG_FAULT_SWD) {
        bool back = recover(link, ack);
        base_log(link->log, BASE_LOG_DEBUG, "SWD: %s (%02x), debug port %s", prg_dap_ack_text(ack),
            response, back ? "back" : "lost");
        link->selected = back;
        return report_swd(ack, response, back, err);
    }
    link->selected = false;
    return status;
}

/* ------------------------------------------------------------------------------------- connect */

static enum base_status power_up(struct prg_link *link, struct base_err *err)
{
    for (unsigned i = 0; i < POWER_UP_TRIES; i++) {
        uint8_t flags[4];
        prg_swd_queue_dp_write(link, PRG_DP_ABORT, PRG_ABORT_CLEAR);
        /* A line reset leaves SELECT as it was: another bank would hide CTRL/STAT. */
        prg_swd_queue_dp_write(link, PRG_DP_SELECT, 0);
        prg_swd_queue_dp_write(link, PRG_DP_CTRL_STAT, PRG_CTRL_POWER_REQUEST);
        prg_swd_queue_dp_read(link, PRG_DP_CTRL_STAT, flags);
        enum base_status status = prg_queue_flush(link, err);
        enum prg_dap_ack ack = link->queue.ack;
        uint8_t response = link->queue.response;
        bool swd = link->queue.fault == PRG_FAULT_SWD;
        prg_queue_reset(link);
        if (status != BASE_OK) {
            return swd ? report_swd(ack, response, true, err) : status;
        }
        if ((base_get_le32(flags) & PRG_CTRL_POWER_ACK) == PRG_CTRL_POWER_ACK) {
            return BASE_OK;
        }
        status = prg_link_delay(link, POWER_UP_GAP_US, err);
        if (status != BASE_OK) {
            return status;
        }
    }
    return base_err_set(err, BASE_E_TIMEOUT, "SWD", 0,
        "the target's debug domain does not power up; check its supply");
}

enum base_status prg_swd_connect(struct prg_link *link, uint32_t *ret_dpidr, struct base_err *err)
{
    uint8_t dpidr[4];
    link->selected = false;
    prg_queue_reset(link);
    prg_swd_queue_switch(link);
    prg_swd_queue_dp_read(link, PRG_DP_DPIDR, dpidr);
    enum base_status status = prg_queue_flush(link, err);
    if (status != BASE_OK) {
        bool swd = link->queue.fault == PRG_FAULT_SWD;
        uint8_t response = link->queue.response;
        prg_queue_reset(link);
        return swd ? base_err_set(err, BASE_E_LINK, "SWD", response,
                         "no debug port answers; check the target's power and the SWD wires")
                   : status;
    }
    status = power_up(link, err);
    if (status != BASE_OK) {
        return status;
    }
    link->selected = true;
    *ret_dpidr = base_get_le32(dpidr);
    return BASE_OK;
}

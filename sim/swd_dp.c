/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/swd_internal.h"

/* CTRL/STAT, ADIv5.2 §B2.2.2. */
#define CTRL_ORUNDETECT     UINT32_C(0x00000001)
#define CTRL_STICKYORUN     UINT32_C(0x00000002)
#define CTRL_TRNMODE        UINT32_C(0x0000000C)
#define CTRL_TRNMODE_VERIFY UINT32_C(0x00000004)
#define CTRL_TRNMODE_CMP    UINT32_C(0x00000008)
#define CTRL_STICKYCMP      UINT32_C(0x00000010)
#define CTRL_STICKYERR      UINT32_C(0x00000020)
#define CTRL_READOK         UINT32_C(0x00000040)
#define CTRL_WDATAERR       UINT32_C(0x00000080)
#define CTRL_MASKLANE       UINT32_C(0x00000F00)
#define CTRL_MASKLANE_SHIFT 8
#define CTRL_CDBGPWRUPREQ   UINT32_C(0x10000000)
#define CTRL_CSYSPWRUPREQ   UINT32_C(0x40000000)
/* Not here: the transaction counter and the debug reset request read as zero. */
#define CTRL_WRITABLE                                                                              \
    (CTRL_ORUNDETECT | CTRL_TRNMODE | CTRL_MASKLANE | CTRL_CDBGPWRUPREQ | CTRL_CSYSPWRUPREQ)
#define CTRL_STICKY (CTRL_STICKYORUN | CTRL_STICKYCMP | CTRL_STICKYERR | CTRL_WDATAERR)

/* ABORT, §B2.2.1. */
#define ABORT_DAPABORT   UINT32_C(0x01)
#define ABORT_STKCMPCLR  UINT32_C(0x02)
#define ABORT_STKERRCLR  UINT32_C(0x04)
#define ABORT_WDERRCLR   UINT32_C(0x08)
#define ABORT_ORUNERRCLR UINT32_C(0x10)

#define DLCR_TURNROUND       UINT32_C(0x00000300)
#define DLCR_TURNROUND_SHIFT 8
#define DLCR_FIXED           UINT32_C(0x00000040)
#define DLPIDR_PROTVSN       UINT32_C(0x1)
#define TARGETID_MASK        UINT32_C(0x0FFFFFFF)

#define BANK_CTRL_STAT 0U
#define BANK_DLCR      1U
#define BANK_TARGETID  2U
#define BANK_DLPIDR    3U

static uint32_t dp_bank(const struct sim_swd *swd)
{
    return swd->select & 0xFU;
}

void swd_dp_reset(struct sim_swd *swd)
{
    swd->control = 0;
    swd->sticky = 0;
    swd->select = 0;
    swd->turnround = 1;
    swd->read_buffer = 0;
    swd->last_returned = 0;
    swd->pending_ap = -1;
    for (int i = 0; i < SIM_AP_COUNT; i++) {
        sim_ap_init(&swd->ap[i], (enum sim_ap)i);
    }
    sim_chip_set_debug_power(swd->chip, false);
}

bool swd_dp_overrun_detect(const struct sim_swd *swd)
{
    return (swd->control & CTRL_ORUNDETECT) != 0;
}

static uint32_t read_ctrl_stat(const struct sim_swd *swd)
{
    /* Each power-up acknowledge is the bit above its request; the domains are always there. */
    uint32_t requests = swd->control & (CTRL_CDBGPWRUPREQ | CTRL_CSYSPWRUPREQ);
    return swd->control | swd->sticky | (requests << 1);
}

static uint32_t read_banked(const struct sim_swd *swd)
{
    switch (dp_bank(swd)) {
    case BANK_CTRL_STAT:
        return read_ctrl_stat(swd);
    case BANK_DLCR:
        return DLCR_FIXED | ((swd->turnround - 1) << DLCR_TURNROUND_SHIFT);
    case BANK_TARGETID:
        return swd->target_id;
    case BANK_DLPIDR:
        return DLPIDR_PROTVSN;
    default:
        return 0;
    }
}

static void write_banked(struct sim_swd *swd, uint32_t value)
{
    if (dp_bank(swd) == BANK_CTRL_STAT) {
        swd->control = value & CTRL_WRITABLE;
        sim_chip_set_debug_power(swd->chip, (value & (CTRL_CDBGPWRUPREQ | CTRL_CSYSPWRUPREQ)) != 0);
    } else if (dp_bank(swd) == BANK_DLCR) {
        swd->turnround = 1 + ((value & DLCR_TURNROUND) >> DLCR_TURNROUND_SHIFT);
    }
}

static void write_abort(struct sim_swd *swd, uint32_t value)
{
    if ((value & ABORT_DAPABORT) != 0 && swd->pending_ap >= 0) {
        sim_ap_abort(&swd->ap[swd->pending_ap]);
        swd->pending_ap = -1;
    }
    uint32_t clear = 0;
    clear |= (value & ABORT_STKCMPCLR) != 0 ? CTRL_STICKYCMP : 0;
    clear |= (value & ABORT_STKERRCLR) != 0 ? CTRL_STICKYERR : 0;
    clear |= (value & ABORT_WDERRCLR) != 0 ? CTRL_WDATAERR : 0;
    clear |= (value & ABORT_ORUNERRCLR) != 0 ? CTRL_STICKYORUN : 0;
    swd->sticky &= ~clear;
}

/* Pushed verify and pushed compare look at the byte lanes of MASKLANE only (§B2.2.2). */
static void pushed_result(struct sim_swd *swd, uint32_t value)
{
    uint32_t mask = 0;
    for (unsigned lane = 0; lane < 4; lane++) {
        if ((swd->control >> (CTRL_MASKLANE_SHIFT + lane) & 1U) != 0) {
            mask |= UINT32_C(0xFF) << (8 * lane);
        }
    }
    bool same = ((value ^ swd->compare_value) & mask) == 0;
    bool compare = (swd->control & CTRL_TRNMODE) == CTRL_TRNMODE_CMP;
    if (same == compare) {
        swd->sticky |= CTRL_STICKYCMP;
    }
}

/* Returns false while the access port is still busy. */
static bool finish_pending(struct sim_swd *swd)
{
    if (swd->pending_ap < 0) {
        return true;
    }
    uint32_t value = 0;
    enum sim_bus_result result = sim_ap_step(&swd->ap[swd->pending_ap], swd->chip, &value);
    if (result == SIM_BUS_WAIT) {
        return false;
    }
    if (result == SIM_BUS_FAULT) {
        swd->sticky |= CTRL_STICKYERR;
    } else if (swd->pending_compare) {
        pushed_result(swd, value);
    } else if (swd->pending_read) {
        swd->read_buffer = value;
    }
    swd->pending_ap = -1;
    return true;
}

static void launch(struct sim_swd *swd, uint8_t address, bool read, uint32_t value)
{
    uint32_t apsel = swd->select >> 24;
    if (apsel >= SIM_AP_COUNT) {
        /* No such port: reads as zero, writes are ignored (§B1.2). */
        if (read) {
            swd->read_buffer = 0;
        }
        return;
    }
    uint32_t mode = swd->control & CTRL_TRNMODE;
    swd->pending_compare = !read && (mode == CTRL_TRNMODE_VERIFY || mode == CTRL_TRNMODE_CMP);
    swd->compare_value = value;
    swd->pending_read = read;
    swd->pending_ap = (int)apsel;
    uint8_t reg = (uint8_t)((swd->select & 0xF0U) | address);
    sim_ap_begin(&swd->ap[apsel], reg, !read && !swd->pending_compare, value);
    (void)finish_pending(swd);
}

static bool powered(const struct sim_swd *swd)
{
    uint32_t both = CTRL_CDBGPWRUPREQ | CTRL_CSYSPWRUPREQ;
    return (swd->control & both) == both;
}

/* §B4.2.4, §B4.2.5: what is answered OK whatever state the port is in. */
static bool always_ok(const struct sim_swd *swd, uint8_t address, bool read)
{
    if (address == 0) {
        return true; /* DPIDR, ABORT */
    }
    return read && address == 4 && dp_bank(swd) == BANK_CTRL_STAT;
}

static uint8_t refuse(struct sim_swd *swd, uint8_t ack)
{
    if (swd_dp_overrun_detect(swd)) {
        swd->sticky |= CTRL_STICKYORUN;
    }
    swd->data = 0;
    return ack;
}

static uint32_t return_buffer(struct sim_swd *swd)
{
    swd->sticky |= CTRL_READOK;
    swd->last_returned = swd->read_buffer;
    return swd->read_buffer;
}

static uint8_t ap_request(struct sim_swd *swd, uint8_t address, bool read)
{
    if (!powered(swd)) {
        swd->sticky |= CTRL_STICKYERR;
        return refuse(swd, SWD_ACK_FAULT);
    }
    if (read) {
        swd->data = return_buffer(swd);
        launch(swd, address, true, 0);
    }
    return SWD_ACK_OK;
}

static void dp_read(struct sim_swd *swd, uint8_t address)
{
    switch (address) {
    case 0x0:
        swd->data = SIM_SWD_DPIDR;
        break;
    case 0x4:
        swd->data = read_banked(swd);
        break;
    case 0x8:
        swd->data = swd->last_returned; /* RESEND */
        break;
    default:
        swd->data = return_buffer(swd);
        break;
    }
}

static uint8_t decide(struct sim_swd *swd, uint8_t address, bool ap, bool read)
{
    if (ap || !always_ok(swd, address, read)) {
        if (!finish_pending(swd) || swd_count_down(&swd->forced_waits)) {
            swd->sticky &= ~CTRL_READOK;
            return refuse(swd, SWD_ACK_WAIT);
        }
        if (swd->forced_fault) {
            swd->forced_fault = false;
            swd->sticky |= CTRL_STICKYERR;
        }
        if ((swd->sticky & CTRL_STICKY) != 0) {
            swd->sticky &= ~CTRL_READOK;
            return refuse(swd, SWD_ACK_FAULT);
        }
    }
    if (ap) {
        return ap_request(swd, address, read);
    }
    if (read) {
        dp_read(swd, address);
    }
    return SWD_ACK_OK;
}

bool swd_dp_request(struct sim_swd *swd)
{
    uint8_t address = swd_header_address(swd->request);
    bool ap = (swd->request & SWD_HEADER_APNDP) != 0;
    bool read = (swd->request & SWD_HEADER_RNW) != 0;
    bool targetsel = !ap && !read && address == 0xC;
    swd->data = 0;
    if (targetsel) {
        /* Nobody answers: on a shared line every port would drive at once (§B4.3.4). */
        swd->ack = SWD_ACK_NONE;
        return swd->expect_dpidr;
    }
    if (swd->expect_dpidr) {
        if (ap || !read || address != 0) {
            return false;
        }
        swd->expect_dpidr = false;
    }
    swd->ack = decide(swd, address, ap, read);
    return true;
}

bool swd_dp_write(struct sim_swd *swd, bool parity_ok)
{
    uint8_t address = swd_header_address(swd->request);
    if (swd->ack == SWD_ACK_NONE) {
        /* Instance 0; the revision is not compared. */
        return parity_ok && swd->data == (swd->target_id & TARGETID_MASK);
    }
    if (!parity_ok) {
        swd->sticky |= CTRL_WDATAERR;
        return true;
    }
    if ((swd->request & SWD_HEADER_APNDP) != 0) {
        sim_chip_run_until(swd->chip, swd->time_ps);
        if (swd->forced_write_fault) {
            swd->forced_write_fault = false;
            swd->sticky |= CTRL_STICKYERR;
            return true;
        }
        launch(swd, address, false, swd->data);
        return true;
    }
    switch (address) {
    case 0x0:
        write_abort(swd, swd->data);
        break;
    case 0x4:
        write_banked(swd, swd->data);
        break;
    default:
        swd->select = swd->data;
        break;
    }
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/psoc6.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "programmer/kitprog.h"
#include "programmer/psoc6_private.h"

#define XRES_LOW_US        2000U
#define ACQUIRE_TIMEOUT_MS 300U
/* Boot (1 ms) and half a default listen window: tried for at least this long on the wire, however
 * fast the host's clock runs. */
#define ACQUIRE_WIRE_US  10000
#define ATTACH_GAP_US    2000U
#define PARKED_WAIT_US   20000
#define VECTOR_UNTOUCHED 0xFFFFFF00U

static const struct prg_psoc6_die dies[] = {
    { PRG_PSOC6_BLE2, "PSoC 6 BLE-2", true, 0x40230000U, 0x40231000U, 0x10U, 0x402102B0U,
        0x40210500U, 0x4025F00CU, 0x40210080U },
    { PRG_PSOC6_2M, "PSoC 6 2M", false, 0x40220000U, 0x40221000U, 0x1CU, 0x40201120U, 0x402020C4U,
        0x4024F010U, 0x40201200U },
    { PRG_PSOC6_512K, "PSoC 6 512K", false, 0x40220000U, 0x40221000U, 0x1CU, 0x40201120U,
        0x402020C4U, 0x4024F010U, 0x40201200U },
    { PRG_PSOC6_256K, "PSoC 6 256K", false, 0x40220000U, 0x40221000U, 0x1CU, 0x40201120U,
        0x402020C4U, 0x4024F010U, 0x40201200U },
};

enum base_status prg_psoc6_new(
    struct prg_link *link, struct prg_psoc6 **ret_chip, struct base_err *err)
{
    struct prg_psoc6 *chip = calloc(1, sizeof(*chip));
    if (chip == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "chip", 0, "no memory for a chip");
    }
    chip->link = link;
    *ret_chip = chip;
    return BASE_OK;
}

void prg_psoc6_free(struct prg_psoc6 *chip)
{
    free(chip);
}

enum base_status prg_psoc6_port(struct prg_psoc6 *chip, unsigned *ret_ap, struct base_err *err)
{
    for (unsigned ap = PRG_PSOC6_AP_SYS; ap <= PRG_PSOC6_AP_CM4; ap++) {
        struct base_err cause = { .status = BASE_OK };
        enum base_status status = prg_mem_prepare(chip->link, ap, &cause);
        if (status == BASE_OK) {
            *ret_ap = ap;
            return BASE_OK;
        }
        if (status != BASE_E_LOCKED) {
            status = base_err_set(err, status, cause.domain, cause.detail, "%s", cause.message);
            base_err_set_code(err, cause.code);
            return status;
        }
    }
    return base_err_set(err, BASE_E_LOCKED, "AP", 0,
        "the chip's debug port answers, but all its access ports are closed");
}

enum base_status prg_psoc6_find_die(struct prg_psoc6 *chip, struct base_err *err)
{
    unsigned ap = 0;
    uint32_t family = 0;
    enum base_status status = prg_psoc6_port(chip, &ap, err);
    if (status == BASE_OK) {
        status = prg_mem_read_word(chip->link, ap, PSOC6_SFLASH_FAMILY, &family, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    family &= 0xFFFFU;
    for (size_t i = 0; i < sizeof(dies) / sizeof(dies[0]); i++) {
        if (dies[i].family == family) {
            chip->die = &dies[i];
            return BASE_OK;
        }
    }
    status = base_err_set(err, BASE_E_TARGET, "chip", family,
        "the chip calls itself family %03x, which is no PSoC 6 that is known here",
        (unsigned)family);
    base_err_set_code(err, "wrong_chip");
    return status;
}

enum base_status prg_psoc6_writable(struct prg_psoc6 *chip, struct base_err *err)
{
    if (!chip->acquired || chip->die == NULL) {
        return base_err_set(
            err, BASE_E_ARG, "chip", 0, "the chip is not in test mode: acquire it first");
    }
    if (!chip->die->programmable) {
        return base_err_set(err, BASE_E_UNSUPPORTED, "chip", chip->die->family,
            "this version programs PSoC 6 BLE-2 dies only, not the %s", chip->die->name);
    }
    return BASE_OK;
}

/* ------------------------------------------------------------------------------------- acquire */

static void forget(struct prg_psoc6 *chip)
{
    chip->die = NULL;
    chip->acquired = false;
    chip->agent_loaded = false;
    chip->dpidr = 0;
    chip->flash_bytes = 0;
}

/* One attempt: line switch and the whole burst, two packets in flight together. */
static enum base_status burst(
    struct prg_psoc6 *chip, bool *ret_landed, uint32_t *ret_dpidr, struct base_err *err)
{
    struct prg_link *link = chip->link;
    uint8_t dpidr[4] = { 0 };
    uint8_t ignored[4];
    *ret_landed = false;
    prg_swd_queue_switch(link);
    prg_swd_queue_dp_read(link, PRG_DP_DPIDR, dpidr);
    prg_swd_queue_dp_write(link, PRG_DP_ABORT, PRG_ABORT_CLEAR);
    prg_swd_queue_dp_write(link, PRG_DP_CTRL_STAT, PRG_CTRL_POWER_REQUEST);
    prg_swd_queue_dp_write(link, PRG_DP_SELECT, 0);
    prg_queue_transfer(link, PRG_DAP_AP | PRG_AP_CSW, 0x23000002U, NULL);
    prg_queue_transfer(link, PRG_DAP_AP | PRG_AP_TAR, PSOC6_TST_MODE, NULL);
    prg_queue_transfer(link, PRG_DAP_AP | PRG_AP_DRW, PSOC6_TST_MODE_TEST, NULL);
    prg_swd_queue_dp_read(link, PRG_DP_RDBUFF, ignored);
    enum base_status status = prg_queue_flush(link, err);
    bool swd = link->queue.fault == PRG_FAULT_SWD;
    bool answered = status == BASE_OK || (swd && link->queue.done >= 1);
    prg_queue_reset(link);
    prg_swd_drop_caches(link);
    if (status != BASE_OK && !swd) {
        return status;
    }
    /* Reads of a failed packet are not used: that somebody answered is all it tells. */
    *ret_landed = status == BASE_OK;
    if (answered) {
        *ret_dpidr = status == BASE_OK ? base_get_le32(dpidr) : PSOC6_DPIDR;
    }
    return BASE_OK;
}

static enum base_status pulse_xres(struct prg_psoc6 *chip, struct base_err *err)
{
    enum base_status status = prg_link_set_reset(chip->link, true, err);
    if (status == BASE_OK) {
        status = prg_link_delay(chip->link, XRES_LOW_US, err);
    }
    if (status == BASE_OK) {
        status = prg_link_set_reset(chip->link, false, err);
    }
    return status;
}

/* Reset by the core itself. The answer to that write is lost with the port. */
static enum base_status reset_by_core(struct prg_psoc6 *chip, struct base_err *err)
{
    struct prg_link *link = chip->link;
    enum base_status status = prg_psoc6_attach(chip, ACQUIRE_TIMEOUT_MS, err);
    if (status == BASE_OK) {
        status = prg_mem_prepare(link, PRG_PSOC6_AP_CM0, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    prg_mem_queue_write(link, PRG_PSOC6_AP_CM0, ARM_AIRCR, ARM_AIRCR_SYSRESET);
    status = prg_queue_flush(link, err);
    bool swd = link->queue.fault == PRG_FAULT_SWD;
    prg_queue_reset(link);
    prg_swd_drop_caches(link);
    return swd ? BASE_OK : status;
}

static enum base_status try_bursts(struct prg_psoc6 *chip, uint32_t timeout_ms, bool *ret_landed,
    uint32_t *ret_dpidr, struct base_err *err)
{
    struct prg_link *link = chip->link;
    int64_t end_us = base_clock_mono_us(link->clock) + (int64_t)timeout_ms * 1000;
    int64_t wire_end_us = link->wire_us + ACQUIRE_WIRE_US;
    do {
        enum base_status status = burst(chip, ret_landed, ret_dpidr, err);
        if (status != BASE_OK || *ret_landed) {
            return status;
        }
    } while (link->wire_us < wire_end_us || base_clock_mono_us(link->clock) < end_us);
    return BASE_OK;
}

/* A core parked in ROM has not been given the application's vectors; one that runs it sleeps at
 * most now and then. */
static enum base_status check_parked(
    struct prg_psoc6 *chip, unsigned ap, bool *ret_parked, struct base_err *err)
{
    uint32_t mode = 0;
    uint32_t vectors = 0;
    enum base_status status = prg_mem_read_word(chip->link, ap, PSOC6_TST_MODE, &mode, err);
    if (status == BASE_OK) {
        status = prg_mem_read_word(chip->link, ap, chip->die->vector_base, &vectors, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    *ret_parked = (mode & PSOC6_TST_MODE_TEST) != 0;
    if (*ret_parked && vectors != 0 && vectors != VECTOR_UNTOUCHED) {
        struct base_err cause = { .status = BASE_OK };
        status = prg_mem_wait(chip->link, PRG_PSOC6_AP_CM0, ARM_DHCSR, ARM_DHCSR_S_SLEEP,
            ARM_DHCSR_S_SLEEP, PARKED_WAIT_US, &cause);
        *ret_parked = status == BASE_OK;
    }
    return BASE_OK;
}

/* After a landed burst: power acknowledged, die known, core parked, SROM reachable. */
static enum base_status settle(
    struct prg_psoc6 *chip, enum prg_psoc6_acquire *ret_outcome, struct base_err *err)
{
    unsigned ap = 0;
    bool parked = false;
    enum base_status status = prg_swd_connect(chip->link, &chip->dpidr, err);
    if (status == BASE_OK) {
        status = prg_psoc6_find_die(chip, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_port(chip, &ap, err);
    }
    if (status == BASE_OK) {
        status = check_parked(chip, ap, &parked, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (!parked) {
        *ret_outcome = PRG_PSOC6_MISSED;
        return BASE_OK;
    }
    if (chip->die->family == PRG_PSOC6_BLE2) {
        /* On this die the CM4 has to be off or run valid code while flash is written. */
        status = prg_mem_write_word(chip->link, ap, chip->die->cm4_power, PSOC6_CM4_POWER_OFF, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_srom_prepare(chip, err);
    }
    if (status == BASE_OK) {
        chip->acquired = true;
        *ret_outcome = PRG_PSOC6_ACQUIRED;
    }
    return status;
}

/* A probe that does it by itself is nearer to the listen window; should it not catch the chip, the
 * host tries too. settle() checks what came of it either way. */
static enum base_status acquire_by_probe(
    struct prg_psoc6 *chip, bool *ret_landed, uint32_t *ret_dpidr, struct base_err *err)
{
    enum base_status status = prg_kitprog_acquire(chip->link, ret_landed, err);
    if (status == BASE_OK && *ret_landed) {
        status = prg_swd_connect(chip->link, ret_dpidr, err);
    }
    return status;
}

static enum base_status other_chip(uint32_t dpidr, struct base_err *err)
{
    enum base_status status = base_err_set(err, BASE_E_TARGET, "SWD", dpidr,
        "the target's debug port calls itself %08x; a PSoC 6 says %08x", (unsigned)dpidr,
        PSOC6_DPIDR);
    base_err_set_code(err, "wrong_chip");
    return status;
}

enum base_status prg_psoc6_acquire(struct prg_psoc6 *chip,
    const struct prg_psoc6_acquire_opts *opts, enum prg_psoc6_acquire *ret_outcome,
    struct base_err *err)
{
    uint32_t timeout_ms =
        opts == NULL || opts->timeout_ms == 0 ? ACQUIRE_TIMEOUT_MS : opts->timeout_ms;
    bool by_core = opts != NULL && opts->no_xres;
    bool landed = false;
    uint32_t dpidr = 0;
    forget(chip);
    enum base_status status = prg_kitprog_check_voltage(chip->link, err);
    if (status == BASE_OK && !by_core && prg_kitprog_offered(chip->link)) {
        status = acquire_by_probe(chip, &landed, &dpidr, err);
    }
    if (status == BASE_OK && !landed) {
        status = by_core ? reset_by_core(chip, err) : pulse_xres(chip, err);
        forget(chip);
        if (status == BASE_OK) {
            status = try_bursts(chip, timeout_ms, &landed, &dpidr, err);
        }
    }
    if (status != BASE_OK) {
        return status;
    }
    if (!landed) {
        *ret_outcome = dpidr == 0 ? PRG_PSOC6_SILENT : PRG_PSOC6_CLOSED;
        return BASE_OK;
    }
    if (dpidr != PSOC6_DPIDR) {
        return other_chip(dpidr, err);
    }
    return settle(chip, ret_outcome, err);
}

/* -------------------------------------------------------------------------------------- attach */

enum base_status prg_psoc6_attach(struct prg_psoc6 *chip, uint32_t timeout_ms, struct base_err *err)
{
    struct prg_link *link = chip->link;
    int64_t end_us = link->wire_us + (int64_t)timeout_ms * 1000;
    forget(chip);
    enum base_status status = prg_kitprog_check_voltage(link, err);
    if (status != BASE_OK) {
        return status;
    }
    for (;;) {
        struct base_err cause = { .status = BASE_OK };
        uint32_t dpidr = 0;
        status = prg_swd_connect(link, &dpidr, &cause);
        if (status == BASE_OK && dpidr != PSOC6_DPIDR) {
            return other_chip(dpidr, err);
        }
        if (status == BASE_OK) {
            chip->dpidr = dpidr;
            return BASE_OK;
        }
        bool target = strcmp(cause.domain, "SWD") == 0;
        if (!target || link->wire_us >= end_us) {
            status = base_err_set(err, target ? BASE_E_TIMEOUT : status, cause.domain, cause.detail,
                "%s", cause.message);
            base_err_set_code(err, target ? "swd_silent" : cause.code);
            return status;
        }
        status = prg_link_delay(link, ATTACH_GAP_US, err);
        if (status != BASE_OK) {
            return status;
        }
    }
}

enum base_status prg_psoc6_reset(struct prg_psoc6 *chip, struct base_err *err)
{
    forget(chip);
    return pulse_xres(chip, err);
}

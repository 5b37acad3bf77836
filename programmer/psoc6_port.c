/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "programmer/kitprog.h"
#include "programmer/psoc6_private.h"
#include "programmer/psoc6_secure_private.h"

/* What the port of a running board shows: exactly the mailbox, or nothing. */

#define ATTACH_MS     2000U
#define OPEN_GAP_US   5000U
#define CLOSED_ROUNDS 3U
#define CLOSED_GAP_US 50000U

static const char *const port_names[3] = { "SYS-AP", "CM0-AP", "CM4-AP" };

/* One word of every kind of memory that must be out of reach. None of them changes by reading
 * (ACQUIRE of an IPC structure would). */
static const struct {
    uint32_t address;
    const char *name;
} forbidden[] = {
    { 0x00000000U, "the boot ROM" },
    { 0x08004800U, "SRAM beyond its first sixteenth" },
    { 0x08047FFCU, "the end of SRAM" },
    { 0x10000000U, "main flash" },
    { 0x100C0000U, "the vault's second home" },
    { 0x100FFFFCU, "the end of main flash" },
    { 0x14000000U, "the vault's first home" },
    { 0x14007FFCU, "the end of work flash" },
    { 0x16000000U, "supervisory flash" },
    { 0x16000600U, "the die's identity" },
    { 0x16007C00U, "TOC2" },
    { 0x18000000U, "external flash" },
    { 0x40110000U, "the crypto block" },
    { 0x40210500U, "the protection state" },
    { 0x40210540U, "the access ports' control" },
    { 0x40230010U, "IPC structure 0" },
    { 0x40230030U, "IPC structure 1" },
    { 0x40230050U, "IPC structure 2" },
    { 0x40240000U, "the protection units" },
    { 0x40260100U, "the test mode" },
    { 0x402C0800U, "the fuses" },
    { 0x402C0840U, "the customer's fuses" },
    { 0xE000ED00U, "a core's registers" },
};

static enum base_status pass_on(const struct base_err *cause, struct base_err *err)
{
    enum base_status status =
        base_err_set(err, cause->status, cause->domain, cause->detail, "%s", cause->message);
    base_err_set_code(err, cause->code);
    return status;
}

static enum base_status open_port(const char *what, struct base_err *err)
{
    enum base_status status = base_err_set(err, BASE_E_VERIFY, "AP", 0,
        "the debug port is open further than it may be: %s; set the board aside", what);
    base_err_set_code(err, "port_open");
    return status;
}

/* Is this access port open? */
static enum base_status look_at_port(
    struct prg_psoc6 *chip, unsigned ap, bool *ret_open, struct base_err *err)
{
    struct base_err cause = { .status = BASE_OK };
    enum base_status status = prg_mem_prepare(chip->link, ap, &cause);
    if (status != BASE_OK && status != BASE_E_LOCKED) {
        return pass_on(&cause, err);
    }
    *ret_open = status == BASE_OK;
    return BASE_OK;
}

/* Can the SYS-AP read this word? */
static enum base_status look_at_word(
    struct prg_psoc6 *chip, uint32_t address, bool *ret_open, struct base_err *err)
{
    struct base_err cause = { .status = BASE_OK };
    uint32_t value = 0;
    enum base_status status =
        prg_mem_read_word(chip->link, PRG_PSOC6_AP_SYS, address, &value, &cause);
    if (status != BASE_OK && status != BASE_E_TARGET) {
        return pass_on(&cause, err);
    }
    *ret_open = status == BASE_OK;
    if (status == BASE_OK) {
        return BASE_OK;
    }
    /* What was cached of the port fell with the fault. */
    return prg_mem_prepare(chip->link, PRG_PSOC6_AP_SYS, err);
}

/* A board that has just been reset opens its port when its protection is set up. */
static enum base_status wait_for_port(struct prg_psoc6 *chip, int64_t end_us, struct base_err *err)
{
    for (;;) {
        bool is_open = false;
        enum base_status status = look_at_port(chip, PRG_PSOC6_AP_SYS, &is_open, err);
        if (status != BASE_OK || is_open) {
            return status;
        }
        if (chip->link->wire_us >= end_us) {
            status = base_err_set(err, BASE_E_LOCKED, "AP", 0,
                "the debug port answers, but it shows not even the mailbox");
            base_err_set_code(err, "port_closed");
            return status;
        }
        status = prg_link_delay(chip->link, OPEN_GAP_US, err);
        if (status != BASE_OK) {
            return status;
        }
    }
}

static enum base_status check_ports(struct prg_psoc6 *chip, unsigned first, struct base_err *err)
{
    for (unsigned ap = first; ap <= PRG_PSOC6_AP_CM4; ap++) {
        bool is_open = true;
        enum base_status status = look_at_port(chip, ap, &is_open, err);
        if (status != BASE_OK) {
            return status;
        }
        if (is_open) {
            return open_port(port_names[ap], err);
        }
    }
    return BASE_OK;
}

static enum base_status check_words(struct prg_psoc6 *chip, struct base_err *err)
{
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
        bool is_open = true;
        enum base_status status = look_at_word(chip, forbidden[i].address, &is_open, err);
        if (status != BASE_OK) {
            return status;
        }
        if (is_open) {
            return open_port(forbidden[i].name, err);
        }
    }
    return BASE_OK;
}

static enum base_status check_mailbox(
    struct prg_psoc6 *chip, const struct prg_psoc6_secure_opts *opts, struct base_err *err)
{
    uint32_t ends[2] = { opts->mailbox, opts->mailbox };
    if (opts->mailbox_bytes >= 4) {
        ends[1] += (opts->mailbox_bytes - 4) & ~3U;
    }
    for (size_t i = 0; i < 2; i++) {
        bool is_open = false;
        enum base_status status = look_at_word(chip, ends[i], &is_open, err);
        if (status == BASE_OK && !is_open) {
            status = base_err_set(err, BASE_E_LOCKED, "AP", ends[i],
                "the debug port is open, but the mailbox at %08x cannot be read",
                (unsigned)ends[i]);
            base_err_set_code(err, "port_closed");
        }
        if (status != BASE_OK) {
            return status;
        }
    }
    return BASE_OK;
}

enum base_status prg_psoc6_port_check(
    struct prg_psoc6 *chip, const struct prg_psoc6_secure_opts *opts, struct base_err *err)
{
    static const struct prg_psoc6_secure_opts defaults = { .mailbox = PSOC6_SRAM };
    const struct prg_psoc6_secure_opts *use = opts != NULL ? opts : &defaults;
    uint32_t wait_ms = use->attach_ms == 0 ? ATTACH_MS : use->attach_ms;
    int64_t end_us = chip->link->wire_us + (int64_t)wait_ms * 1000;
    enum base_status status = prg_psoc6_attach(chip, wait_ms, err);
    if (status == BASE_OK) {
        status = wait_for_port(chip, end_us, err);
    }
    if (status == BASE_OK) {
        status = check_ports(chip, PRG_PSOC6_AP_CM0, err);
    }
    if (status == BASE_OK) {
        status = check_words(chip, err);
    }
    return status == BASE_OK ? check_mailbox(chip, use, err) : status;
}

enum base_status prg_psoc6_lock_check(
    struct prg_psoc6 *chip, uint32_t timeout_ms, struct base_err *err)
{
    enum base_status status = prg_psoc6_attach(chip, timeout_ms == 0 ? ATTACH_MS : timeout_ms, err);
    /* Again a little later: a port that opens after its pins must not pass for a closed one. */
    for (unsigned round = 0; status == BASE_OK && round < CLOSED_ROUNDS; round++) {
        status = check_ports(chip, PRG_PSOC6_AP_SYS, err);
        if (status == BASE_OK && round + 1 < CLOSED_ROUNDS) {
            status = prg_link_delay(chip->link, CLOSED_GAP_US, err);
        }
    }
    return status;
}

/* -------------------------------------------------------------------------------------- stages */

const char *prg_psoc6_stage_text(enum prg_psoc6_stage stage)
{
    switch (stage) {
    case PRG_PSOC6_STAGE_NORMAL:
        return "NORMAL, not rehearsed; everything can still be undone";
    case PRG_PSOC6_STAGE_REHEARSED:
        return "rehearsed, no fuse blown; everything can still be undone";
    case PRG_PSOC6_STAGE_PARTIAL:
        return "NORMAL with some of this lot's fuses blown; it can only be restricted for this lot";
    case PRG_PSOC6_STAGE_SECURE:
        return "SECURE, its port shows the mailbox only; it can be provisioned";
    case PRG_PSOC6_STAGE_CLOSED:
        return "closed: locked, or DEAD because its image or key is damaged; nothing can be "
               "changed through the port";
    case PRG_PSOC6_STAGE_SILENT:
        return "silent: no target, no power, or pins that are off; check board and probe";
    case PRG_PSOC6_STAGE_FOREIGN:
        return "made for other images or keys, or open where it must not be; set it aside";
    }
    return "unknown";
}

enum base_status prg_psoc6_wrong_stage(enum prg_psoc6_stage stage, struct base_err *err)
{
    enum base_status status = base_err_set(err, BASE_E_LOCKED, "stage", (int64_t)stage,
        "the board is %s", prg_psoc6_stage_text(stage));
    base_err_set_code(err, "stage");
    return status;
}

enum base_status prg_psoc6_stage_of_port(struct prg_psoc6 *chip,
    const struct prg_psoc6_secure_opts *opts, enum prg_psoc6_stage *ret_stage, struct base_err *err)
{
    static const struct {
        const char *code;
        enum prg_psoc6_stage stage;
    } table[] = {
        { "port_open", PRG_PSOC6_STAGE_FOREIGN },
        { "port_closed", PRG_PSOC6_STAGE_CLOSED },
        { "swd_silent", PRG_PSOC6_STAGE_SILENT },
    };
    struct base_err cause = { .status = BASE_OK };
    enum base_status status = prg_psoc6_port_check(chip, opts, &cause);
    if (status == BASE_OK) {
        *ret_stage = PRG_PSOC6_STAGE_SECURE;
        return BASE_OK;
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(cause.code, table[i].code) == 0) {
            *ret_stage = table[i].stage;
            return BASE_OK;
        }
    }
    return pass_on(&cause, err);
}

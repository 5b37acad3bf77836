/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/psoc6_private.h"

#include <string.h>

#include "base/buf.h"

#define MAX_WORDS          8U
#define DEFAULT_TIMEOUT_MS 1500U
#define FIRST_TICKET       0x4C500000U

/* Request bytes of the parts, so that each stands in one packet (CSW and SELECT included). */
#define START_BYTES  58U
#define FINISH_BYTES 41U

static uint32_t ipc(const struct prg_psoc6 *chip, uint32_t offset)
{
    return chip->die->ipc + PSOC6_IPC_DAP * PSOC6_IPC_STRIDE + offset;
}

const char *prg_psoc6_srom_text(uint32_t status)
{
    static const struct {
        uint32_t status;
        const char *text;
    } table[] = {
        { 0xF0000001U, "not allowed in this protection state" },
        { 0xF0000002U, "no such fuse" },
        { 0xF0000004U, "no such flash address" },
        { 0xF0000005U, "that memory is protected" },
        { 0xF0000006U, "wrong IPC structure" },
        { 0xF0000008U, "the argument block cannot be reached" },
        { 0xF000000BU, "unknown call" },
        { 0xF000000FU, "wrong arguments" },
        { 0xF0000013U, "the argument block is misplaced" },
        { 0xF0000021U, "not allowed on supervisory flash" },
        { 0xF0000022U, "operation not allowed" },
        { 0xF00000A4U, "the row is not erased" },
        { 0xF00000A7U, "the flash operation failed" },
        { 0xF00000B2U, "that supervisory row cannot be written" },
        { 0xF00000B5U, "the factory hash does not fit" },
        { 0xF00000CBU, "the fuse could not be blown" },
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].status == status) {
            return table[i].text;
        }
    }
    return (status & SROM_STATUS_MASK) == SROM_SUCCESS ? "success" : "refused";
}

enum base_status prg_psoc6_srom_prepare(struct prg_psoc6 *chip, struct base_err *err)
{
    unsigned ap = 0;
    uint32_t mask = 0;
    uint32_t at = chip->die->ipc_intr + PSOC6_IPC_INTR_MASK;
    enum base_status status = prg_psoc6_port(chip, &ap, err);
    if (status == BASE_OK) {
        status = prg_mem_read_word(chip->link, ap, at, &mask, err);
    }
    if (status == BASE_OK && (mask & PSOC6_IPC_INTR_DAP) == 0) {
        status = prg_mem_write_word(chip->link, ap, at, mask | PSOC6_IPC_INTR_DAP, err);
    }
    chip->ticket = FIRST_TICKET;
    if (status == BASE_OK) {
        status = prg_mem_write_word(chip->link, ap, PSOC6_SCRATCH_TICKET, FIRST_TICKET, err);
    }
    return status;
}

void prg_psoc6_srom_queue_start(
    struct prg_psoc6 *chip, unsigned ap, const uint32_t *words, size_t count)
{
    struct prg_link *link = chip->link;
    bool by_word = (words[0] & 1U) != 0;
    if (!by_word) {
        /* The opcode comes last: should a part of the block not arrive, the ROM finds the previous
         * call's status word there and refuses it. */
        prg_queue_fence(link, 15 + 10 * count, 0);
        for (size_t i = 1; i < count; i++) {
            prg_mem_queue_write(link, ap, PSOC6_SCRATCH_ARGS + 4 * (uint32_t)i, words[i]);
        }
        prg_mem_queue_write(link, ap, PSOC6_SCRATCH_ARGS, words[0]);
    }
    /* A match that fails stops its packet: without the lock nothing is notified. The ticket tells
     * afterwards how far it came. */
    prg_queue_fence(link, START_BYTES, 0);
    prg_mem_queue_match(
        link, ap, ipc(chip, PSOC6_IPC_ACQUIRE), PSOC6_IPC_SUCCESS, PSOC6_IPC_SUCCESS);
    prg_mem_queue_write(link, ap, PSOC6_SCRATCH_TICKET, ++chip->ticket);
    prg_mem_queue_write(
        link, ap, ipc(chip, PSOC6_IPC_DATA), by_word ? words[0] : PSOC6_SCRATCH_ARGS);
    prg_mem_queue_write(link, ap, ipc(chip, PSOC6_IPC_NOTIFY), 1);
}

static enum base_status judge(uint32_t opcode, uint32_t result, struct base_err *err)
{
    if ((result & SROM_STATUS_MASK) == SROM_SUCCESS) {
        return BASE_OK;
    }
    return base_err_set(err, BASE_E_TARGET, "SROM", result, "SROM call %08x answered %08x: %s",
        (unsigned)opcode, (unsigned)result, prg_psoc6_srom_text(result));
}

static enum base_status lock_not_got(struct base_err *err)
{
    return base_err_set(err, BASE_E_BUSY, "SROM", 0,
        "the chip's IPC structure 2 stays locked by an earlier call; reset the chip");
}

/* One look: BASE_OK with the results, or BASE_E_TIMEOUT "mismatch" while the call still runs. */
static enum base_status look(struct prg_psoc6 *chip, unsigned ap, const uint32_t *words,
    size_t count, uint8_t results[MAX_WORDS * 4], struct base_err *err)
{
    struct prg_link *link = chip->link;
    bool by_word = (words[0] & 1U) != 0;
    prg_queue_fence(link, FINISH_BYTES + (by_word ? 0 : 6 * count), 4 * count);
    prg_mem_queue_match(link, ap, ipc(chip, chip->die->lock_status), PSOC6_IPC_SUCCESS, 0);
    if (by_word) {
        prg_mem_queue_read(link, ap, ipc(chip, PSOC6_IPC_DATA), results);
    } else {
        for (size_t i = 0; i < count; i++) {
            prg_mem_queue_read(link, ap, PSOC6_SCRATCH_ARGS + 4 * (uint32_t)i, results + 4 * i);
        }
    }
    return prg_swd_flush(link, err);
}

/* Copy the cause and say which call it belongs to. */
static enum base_status pass_on(const struct base_err *cause, uint32_t opcode, struct base_err *err)
{
    enum base_status status = base_err_set(err, cause->status, cause->domain, cause->detail,
        "SROM call %08x: %s", (unsigned)opcode, cause->message);
    base_err_set_code(err, "unknown");
    return status;
}

enum base_status prg_psoc6_srom_finish(struct prg_psoc6 *chip, unsigned ap, const uint32_t *words,
    size_t count, uint32_t timeout_ms, uint32_t *ret_words, struct base_err *err)
{
    uint8_t results[MAX_WORDS * 4] = { 0 };
    int64_t end_us = chip->link->wire_us + (int64_t)timeout_ms * 1000;
    size_t told = (words[0] & 1U) != 0 ? 1 : count;
    for (bool first = true;; first = false) {
        struct base_err cause = { .status = BASE_OK };
        enum base_status status = look(chip, ap, words, count, results, &cause);
        if (status == BASE_OK) {
            break;
        }
        if (strcmp(cause.code, "mismatch") != 0) {
            return pass_on(&cause, words[0], err);
        }
        if (first) {
            uint32_t ticket = 0;
            status = prg_mem_read_word(chip->link, ap, PSOC6_SCRATCH_TICKET, &ticket, err);
            if (status != BASE_OK || ticket != chip->ticket) {
                return status != BASE_OK ? status : lock_not_got(err);
            }
        }
        if (chip->link->wire_us >= end_us) {
            return pass_on(&cause, words[0], err);
        }
    }
    enum base_status status = judge(words[0], base_get_le32(results), err);
    for (size_t i = 0; status == BASE_OK && ret_words != NULL && i < told; i++) {
        ret_words[i] = base_get_le32(results + 4 * i);
    }
    return status;
}

enum base_status prg_psoc6_srom(struct prg_psoc6 *chip, const uint32_t *words, size_t count,
    uint32_t timeout_ms, uint32_t *ret_words, struct base_err *err)
{
    if (count == 0 || count > MAX_WORDS) {
        return base_err_set(
            err, BASE_E_ARG, "SROM", (int64_t)count, "an SROM call has 1 to 8 words");
    }
    if (!chip->acquired || chip->die == NULL) {
        return base_err_set(
            err, BASE_E_ARG, "SROM", 0, "an SROM call needs the chip in test mode: acquire first");
    }
    unsigned ap = 0;
    enum base_status status = prg_psoc6_port(chip, &ap, err);
    if (status != BASE_OK) {
        return status;
    }
    prg_psoc6_srom_queue_start(chip, ap, words, count);
    return prg_psoc6_srom_finish(
        chip, ap, words, count, timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : timeout_ms, ret_words, err);
}

enum base_status prg_psoc6_read_fuse(
    struct prg_psoc6 *chip, unsigned byte, uint8_t *ret_value, struct base_err *err)
{
    if (byte >= PRG_PSOC6_FUSE_BYTES) {
        return base_err_set(err, BASE_E_ARG, "fuse", byte, "fuse bytes are 0 to 127, not %u", byte);
    }
    uint32_t word = SROM_READ_FUSE_BYTE | (uint32_t)byte << 8;
    uint32_t answer = 0;
    enum base_status status = prg_psoc6_srom(chip, &word, 1, 0, &answer, err);
    if (status == BASE_OK) {
        *ret_value = (uint8_t)answer;
    }
    return status;
}

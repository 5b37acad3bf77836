/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/psoc6_agent.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "programmer/psoc6_agent_code.h"

#define AP  PRG_PSOC6_AP_CM0
#define ROW PRG_PSOC6_ROW_SIZE

/* Entries of the code. */
#define ENTRY_BLANK   0U
#define ENTRY_PROGRAM 2U
#define ENTRY_DIGEST  4U

/* SRAM: code, parameters and row bits, table of the CRC, results, ring of rows. */
#define CODE    0x08004000U
#define TABLE   0x08004400U
#define RESULTS 0x08004800U
#define RING    0x08008000U
#define PARAMS  (CODE + (uint32_t)sizeof(prg_psoc6_agent_code))
#define BITS    (PARAMS + 4U * P_COUNT_OF_WORDS)

/* What a job needs, as it lies in SRAM. */
#define BLOCK_BYTES                                                                                \
    (sizeof(prg_psoc6_agent_code) + 4 * (size_t)(P_COUNT_OF_WORDS + PRG_AGENT_WORDS))

/* Parameters, as words: see psoc6_agent.S. */
enum {
    P_STATUS,
    P_ADDRESS,
    P_COUNT,
    P_POINTER,
    P_AREA,
    P_PRODUCED,
    P_CONSUMED,
    P_BEHIND,
    P_TOTAL = P_BEHIND,
    P_WORD,
    P_ARGUMENTS,
    P_COUNT_OF_WORDS = P_ARGUMENTS + 4,
};

#define CRC_POLYNOMIAL 0xEDB88320U

/* The ring holds 256 rows. The host sends BATCH of them, looks whether all is well, and waits while
 * half the ring is still to be written: the chip never runs dry, and what it has told last may be
 * old by as many rows as travel during one row's writing. */
#define RING_ROWS    256U
#define BATCH_ROWS   64U
#define BEHIND_LIMIT 128U

#define DHCSR_HALT   0xA05F0003U
#define DHCSR_RUN    0xA05F0001U
#define DHCSR_LEAVE  0xA05F0000U
#define DHCSR_REGRDY 0x00010000U
#define DHCSR_HALTED 0x00020000U
#define ARM_DCRSR    0xE000EDF4U
#define ARM_DCRDR    0xE000EDF8U
#define DCRSR_PC     0x0001000FU /* write the debug return address */

/* Request bytes of halt and entry, so that they stand in one packet. */
#define HALT_BYTES 61U
#define RUN_BYTES  35U

#define STILL_MS 1500

static uint32_t param(unsigned index)
{
    return PARAMS + 4 * index;
}

enum base_status prg_agent_usable(struct prg_psoc6 *chip, bool *ret_usable, struct base_err *err)
{
    struct base_err cause = { .status = BASE_OK };
    if (chip->die->family != PRG_PSOC6_BLE2) {
        *ret_usable = false;
        return BASE_OK;
    }
    enum base_status status = prg_mem_prepare(chip->link, AP, &cause);
    if (status == BASE_OK || status == BASE_E_LOCKED) {
        *ret_usable = status == BASE_OK;
        return BASE_OK;
    }
    status = base_err_set(err, status, cause.domain, cause.detail, "%s", cause.message);
    base_err_set_code(err, cause.code);
    return status;
}

/* --------------------------------------------------------------------------------------- start */

/* Append: parameters (and code, the first time), then the sleeping core is halted, sent to the
 * entry and let go. When it does not sleep or halt, the first packet ends there, and the second
 * finds a core that was never halted. @p block lives until the flush, @p bits are the words of row
 * bits behind its parameters. */
static void queue_start(
    struct prg_psoc6 *chip, uint32_t entry, uint8_t block[BLOCK_BYTES], uint32_t bits)
{
    struct prg_link *link = chip->link;
    const size_t code = sizeof(prg_psoc6_agent_code);
    memcpy(block, prg_psoc6_agent_code, code);
    if (chip->agent_loaded) {
        prg_mem_queue_write_block(link, AP, PARAMS, block + code, P_COUNT_OF_WORDS + bits);
    } else {
        prg_mem_queue_write_block(
            link, AP, CODE, block, (uint32_t)(code / 4) + P_COUNT_OF_WORDS + bits);
    }
    prg_queue_fence(link, HALT_BYTES, 0);
    prg_mem_queue_match(link, AP, ARM_DHCSR, ARM_DHCSR_S_SLEEP, ARM_DHCSR_S_SLEEP);
    prg_mem_queue_write(link, AP, ARM_DHCSR, DHCSR_HALT);
    prg_mem_queue_match(link, AP, ARM_DHCSR, DHCSR_HALTED, DHCSR_HALTED);
    prg_mem_queue_write(link, AP, ARM_DCRDR, CODE + entry);
    prg_mem_queue_write(link, AP, ARM_DCRSR, DCRSR_PC);
    prg_queue_fence(link, RUN_BYTES, 0);
    prg_mem_queue_match(link, AP, ARM_DHCSR, DHCSR_REGRDY, DHCSR_REGRDY);
    prg_mem_queue_write(link, AP, ARM_DHCSR, DHCSR_RUN);
    prg_mem_queue_write(link, AP, ARM_DHCSR, DHCSR_LEAVE);
}

static enum base_status pass_on(const struct base_err *cause, struct base_err *err)
{
    enum base_status status = base_err_set(err, cause->status, cause->domain, cause->detail,
        "the chip's core working for the programmer: %s", cause->message);
    base_err_set_code(err, cause->code);
    return status;
}

/* What the ROM refused, with the row; BASE_OK while nothing was refused. *ret_progress changes as
 * long as rows are programmed. */
static enum base_status check_status(
    struct prg_psoc6 *chip, uint32_t *ret_progress, struct base_err *err)
{
    uint8_t words[P_COUNT_OF_WORDS * 4];
    enum base_status status = prg_mem_read(chip->link, AP, PARAMS, sizeof(words), words, err);
    uint32_t told = status == BASE_OK ? base_get_le32(words) : 0;
    if (status == BASE_OK) {
        *ret_progress = base_get_le32(words + 4 * (size_t)P_CONSUMED);
    }
    if (told == 0 || (told & SROM_STATUS_MASK) == SROM_SUCCESS) {
        return status;
    }
    uint32_t address = base_get_le32(words + 4 * (size_t)(P_ARGUMENTS + 2));
    return base_err_set(err, BASE_E_TARGET, "SROM", told,
        "programming %08x: SROM call %08x answered %08x: %s", (unsigned)address, SROM_PROGRAM_ROW,
        (unsigned)told, prg_psoc6_srom_text(told));
}

/* Send what is queued and wait in the probe until a parameter has that value, for STILL_MS without
 * a further row at most. */
static enum base_status wait_for(
    struct prg_psoc6 *chip, unsigned index, uint32_t mask, uint32_t value, struct base_err *err)
{
    struct prg_link *link = chip->link;
    int64_t end_us = link->wire_us + STILL_MS * 1000;
    uint32_t progress = 0;
    for (;;) {
        struct base_err cause = { .status = BASE_OK };
        prg_queue_fence(link, 30, 0);
        prg_mem_queue_match(link, AP, param(index), mask, value);
        enum base_status status = prg_swd_flush(link, &cause);
        if (status == BASE_OK) {
            return BASE_OK;
        }
        if (strcmp(cause.code, "mismatch") != 0) {
            return pass_on(&cause, err);
        }
        uint32_t now = 0;
        status = check_status(chip, &now, err);
        if (status != BASE_OK) {
            return status;
        }
        if (now != progress) {
            progress = now;
            end_us = link->wire_us + STILL_MS * 1000;
        } else if (link->wire_us >= end_us) {
            return base_err_set(err, BASE_E_TIMEOUT, "chip", STILL_MS,
                "the chip's core does not finish what the programmer asked for within %d ms; reset "
                "the chip and try again",
                STILL_MS);
        }
    }
}

static enum base_status wait_done(struct prg_psoc6 *chip, struct base_err *err)
{
    enum base_status status = wait_for(chip, P_STATUS, SROM_STATUS_MASK, SROM_SUCCESS, err);
    chip->agent_loaded = status == BASE_OK;
    return status;
}

static void put_params(const uint32_t params[P_COUNT_OF_WORDS], uint8_t *block)
{
    for (unsigned i = 0; i < P_COUNT_OF_WORDS; i++) {
        base_put_le32(block + sizeof(prg_psoc6_agent_code) + 4 * (size_t)i, params[i]);
    }
}

/* A job that only looks at flash: run it and read @p words words of results, all in one flight
 * unless it takes longer than one wait of the probe. */
static enum base_status look(struct prg_psoc6 *chip, uint32_t entry,
    const uint32_t params[P_COUNT_OF_WORDS], uint32_t at, uint32_t words, uint32_t *ret_words,
    struct base_err *err)
{
    uint8_t block[BLOCK_BYTES];
    uint8_t results[PRG_AGENT_ROWS_MAX * 4];
    struct base_err cause = { .status = BASE_OK };
    enum base_status status = prg_mem_prepare(chip->link, AP, err);
    if (status != BASE_OK) {
        return status;
    }
    put_params(params, block);
    queue_start(chip, entry, block, 0);
    prg_queue_fence(chip->link, 30, 0);
    prg_mem_queue_match(chip->link, AP, param(P_STATUS), SROM_STATUS_MASK, SROM_SUCCESS);
    prg_mem_queue_read_block(chip->link, AP, at, results, words);
    status = prg_swd_flush(chip->link, &cause);
    chip->agent_loaded = status == BASE_OK;
    if (status != BASE_OK && strcmp(cause.code, "mismatch") == 0) {
        status = wait_done(chip, err);
        if (status == BASE_OK) {
            status = prg_mem_read(chip->link, AP, at, words * 4, results, err);
        }
    } else if (status != BASE_OK) {
        return pass_on(&cause, err);
    }
    for (uint32_t i = 0; i < words && status == BASE_OK; i++) {
        ret_words[i] = base_get_le32(results + 4 * (size_t)i);
    }
    return status;
}

enum base_status prg_agent_blank(struct prg_psoc6 *chip, uint32_t address, uint32_t rows,
    uint32_t *ret_bits, struct base_err *err)
{
    const uint32_t params[P_COUNT_OF_WORDS] = {
        [P_ADDRESS] = address, [P_COUNT] = rows / 32, [P_POINTER] = RESULTS
    };
    return look(chip, ENTRY_BLANK, params, RESULTS, rows / 32, ret_bits, err);
}

enum base_status prg_agent_digest(struct prg_psoc6 *chip, uint32_t address, uint32_t rows,
    uint32_t *ret_crc, uint32_t *ret_total, struct base_err *err)
{
    const uint32_t params[P_COUNT_OF_WORDS] = { [P_ADDRESS] = address,
        [P_COUNT] = rows,
        [P_POINTER] = RESULTS,
        [P_AREA] = TABLE,
        [P_WORD] = CRC_POLYNOMIAL };
    if (ret_crc == NULL) {
        return look(chip, ENTRY_DIGEST, params, param(P_TOTAL), 1, ret_total, err);
    }
    enum base_status status = look(chip, ENTRY_DIGEST, params, RESULTS, rows, ret_crc, err);
    uint32_t total = 0;
    for (uint32_t row = 0; row < rows && status == BASE_OK; row++) {
        total = prg_agent_total(total, ret_crc[row]);
    }
    if (status == BASE_OK) {
        *ret_total = total;
    }
    return status;
}

uint32_t prg_agent_row_crc(const uint8_t row[PRG_PSOC6_ROW_SIZE])
{
    /* Four bits at a time. */
    static const uint32_t table[16] = { 0x00000000U, 0x1DB71064U, 0x3B6E20C8U, 0x26D930ACU,
        0x76DC4190U, 0x6B6B51F4U, 0x4DB26158U, 0x5005713CU, 0xEDB88320U, 0xF00F9344U, 0xD6D6A3E8U,
        0xCB61B38CU, 0x9B64C2B0U, 0x86D3D2D4U, 0xA00AE278U, 0xBDBDF21CU };
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < ROW; i++) {
        crc ^= row[i];
        crc = crc >> 4 ^ table[crc & 15U];
        crc = crc >> 4 ^ table[crc & 15U];
    }
    return ~crc;
}

/* ------------------------------------------------------------------------------------- program */

struct stream {
    struct prg_psoc6 *chip;
    const struct prg_agent_job *job;
    uint32_t wanted; /* rows to program in all */
    uint32_t sent;   /* of them, in the ring or on their way */
    uint32_t row;    /* next row to look at */
    uint8_t block[BLOCK_BYTES];
    uint8_t rows[BATCH_ROWS * ROW]; /* live until the flush */
};

static void fetch_rows(struct stream *stream, uint32_t count, uint8_t *ret_rows)
{
    const struct prg_agent_job *job = stream->job;
    while (count > 0) {
        if (prg_agent_bit(job->bits, stream->row)) {
            job->row(job->user, job->address + stream->row * ROW, ret_rows);
            ret_rows += ROW;
            count--;
        }
        stream->row++;
    }
}

/* Two rows are one window of the access port's address increment. The first and the last two go
 * one by one: the sooner they are there, the sooner the chip begins and ends. */
static void queue_batch(struct stream *stream, uint32_t count)
{
    struct prg_link *link = stream->chip->link;
    fetch_rows(stream, count, stream->rows);
    for (uint32_t at = 0; at < count;) {
        uint32_t place = stream->sent % RING_ROWS;
        bool alone = stream->sent == 0 || stream->sent + 2 >= stream->wanted;
        uint32_t part = alone || place % 2 != 0 || at + 1 == count ? 1 : 2;
        prg_mem_queue_write_block(
            link, AP, RING + place * ROW, stream->rows + (size_t)at * ROW, part * ROW / 4);
        at += part;
        stream->sent += part;
        prg_mem_queue_write(link, AP, param(P_PRODUCED), stream->sent);
    }
}

/* The last batch's flight goes on with the wait for the end. */
static enum base_status send_batch(struct stream *stream, struct base_err *err)
{
    uint32_t left = stream->wanted - stream->sent;
    struct base_err cause = { .status = BASE_OK };
    queue_batch(stream, left < BATCH_ROWS ? left : BATCH_ROWS);
    if (stream->sent == stream->wanted) {
        return wait_done(stream->chip, err);
    }
    enum base_status status = prg_swd_flush(stream->chip->link, &cause);
    if (status != BASE_OK) {
        return pass_on(&cause, err);
    }
    if (stream->sent > BEHIND_LIMIT) {
        return wait_for(stream->chip, P_BEHIND, ~(BEHIND_LIMIT - 1), 0, err);
    }
    return BASE_OK;
}

static void queue_first(struct stream *stream)
{
    const struct prg_agent_job *job = stream->job;
    const uint32_t params[P_COUNT_OF_WORDS] = { [P_ADDRESS] = job->address,
        [P_COUNT] = job->rows,
        [P_POINTER] = BITS,
        [P_AREA] = RING,
        [P_WORD] = SROM_PROGRAM_ROW,
        [P_ARGUMENTS + 1] = SROM_ROW_FROM_SRAM };
    uint32_t words = (job->rows + 31) / 32;
    uint8_t *bits = stream->block + (BITS - CODE);
    for (uint32_t i = 0; i < words; i++) {
        base_put_le32(bits + 4 * (size_t)i, job->bits[i]);
    }
    put_params(params, stream->block);
    queue_start(stream->chip, ENTRY_PROGRAM, stream->block, words);
}

static enum base_status run_stream(struct stream *stream, struct base_err *err)
{
    const struct prg_agent_job *job = stream->job;
    enum base_status status = prg_mem_prepare(stream->chip->link, AP, err);
    if (status != BASE_OK) {
        return status;
    }
    queue_first(stream);
    while (stream->sent < stream->wanted) {
        status = send_batch(stream, err);
        if (status != BASE_OK) {
            return status;
        }
        if (job->progress != NULL &&
            !job->progress(job->progress_user, "program", (uint64_t)stream->sent * ROW,
                (uint64_t)stream->wanted * ROW)) {
            return base_err_set(err, BASE_E_CANCELLED, "chip", stream->sent, "stopped on request");
        }
    }
    return status;
}

enum base_status prg_agent_program(
    struct prg_psoc6 *chip, const struct prg_agent_job *job, struct base_err *err)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "chip", 0, "no memory for the rows of an image");
    }
    stream->chip = chip;
    stream->job = job;
    for (uint32_t row = 0; row < job->rows; row++) {
        stream->wanted += prg_agent_bit(job->bits, row) ? 1U : 0U;
    }
    enum base_status status = stream->wanted == 0 ? BASE_OK : run_stream(stream, err);
    if (status != BASE_OK && status != BASE_E_TARGET) {
        /* The core may be waiting for rows, or whatever the line made of it. */
        chip->acquired = false;
    }
    free(stream);
    return status;
}

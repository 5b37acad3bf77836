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

/* CRC-32 (ISO 3309, reflected 0x04C11DB7) of each byte: a station takes it of every image, for
 * every board. test_psoc6_agent.c computes it bit by bit. */
static const uint32_t crc_of_byte[256] = { 0x00000000U, 0x77073096U, 0xEE0E612CU, 0x990951BAU,
    0x076DC419U, 0x706AF48FU, 0xE963A535U, 0x9E6495A3U, 0x0EDB8832U, 0x79DCB8A4U, 0xE0D5E91EU,
    0x97D2D988U, 0x09B64C2BU, 0x7EB17CBDU, 0xE7B82D07U, 0x90BF1D91U, 0x1DB71064U, 0x6AB020F2U,
    0xF3B97148U, 0x84BE41DEU, 0x1ADAD47DU, 0x6DDDE4EBU, 0xF4D4B551U, 0x83D385C7U, 0x136C9856U,
    0x646BA8C0U, 0xFD62F97AU, 0x8A65C9ECU, 0x14015C4FU, 0x63066CD9U, 0xFA0F3D63U, 0x8D080DF5U,
    0x3B6E20C8U, 0x4C69105EU, 0xD56041E4U, 0xA2677172U, 0x3C03E4D1U, 0x4B04D447U, 0xD20D85FDU,
    0xA50AB56BU, 0x35B5A8FAU, 0x42B2986CU, 0xDBBBC9D6U, 0xACBCF940U, 0x32D86CE3U, 0x45DF5C75U,
    0xDCD60DCFU, 0xABD13D59U, 0x26D930ACU, 0x51DE003AU, 0xC8D75180U, 0xBFD06116U, 0x21B4F4B5U,
    0x56B3C423U, 0xCFBA9599U, 0xB8BDA50FU, 0x2802B89EU, 0x5F058808U, 0xC60CD9B2U, 0xB10BE924U,
    0x2F6F7C87U, 0x58684C11U, 0xC1611DABU, 0xB6662D3DU, 0x76DC4190U, 0x01DB7106U, 0x98D220BCU,
    0xEFD5102AU, 0x71B18589U, 0x06B6B51FU, 0x9FBFE4A5U, 0xE8B8D433U, 0x7807C9A2U, 0x0F00F934U,
    0x9609A88EU, 0xE10E9818U, 0x7F6A0DBBU, 0x086D3D2DU, 0x91646C97U, 0xE6635C01U, 0x6B6B51F4U,
    0x1C6C6162U, 0x856530D8U, 0xF262004EU, 0x6C0695EDU, 0x1B01A57BU, 0x8208F4C1U, 0xF50FC457U,
    0x65B0D9C6U, 0x12B7E950U, 0x8BBEB8EAU, 0xFCB9887CU, 0x62DD1DDFU, 0x15DA2D49U, 0x8CD37CF3U,
    0xFBD44C65U, 0x4DB26158U, 0x3AB551CEU, 0xA3BC0074U, 0xD4BB30E2U, 0x4ADFA541U, 0x3DD895D7U,
    0xA4D1C46DU, 0xD3D6F4FBU, 0x4369E96AU, 0x346ED9FCU, 0xAD678846U, 0xDA60B8D0U, 0x44042D73U,
    0x33031DE5U, 0xAA0A4C5FU, 0xDD0D7CC9U, 0x5005713CU, 0x270241AAU, 0xBE0B1010U, 0xC90C2086U,
    0x5768B525U, 0x206F85B3U, 0xB966D409U, 0xCE61E49FU, 0x5EDEF90EU, 0x29D9C998U, 0xB0D09822U,
    0xC7D7A8B4U, 0x59B33D17U, 0x2EB40D81U, 0xB7BD5C3BU, 0xC0BA6CADU, 0xEDB88320U, 0x9ABFB3B6U,
    0x03B6E20CU, 0x74B1D29AU, 0xEAD54739U, 0x9DD277AFU, 0x04DB2615U, 0x73DC1683U, 0xE3630B12U,
    0x94643B84U, 0x0D6D6A3EU, 0x7A6A5AA8U, 0xE40ECF0BU, 0x9309FF9DU, 0x0A00AE27U, 0x7D079EB1U,
    0xF00F9344U, 0x8708A3D2U, 0x1E01F268U, 0x6906C2FEU, 0xF762575DU, 0x806567CBU, 0x196C3671U,
    0x6E6B06E7U, 0xFED41B76U, 0x89D32BE0U, 0x10DA7A5AU, 0x67DD4ACCU, 0xF9B9DF6FU, 0x8EBEEFF9U,
    0x17B7BE43U, 0x60B08ED5U, 0xD6D6A3E8U, 0xA1D1937EU, 0x38D8C2C4U, 0x4FDFF252U, 0xD1BB67F1U,
    0xA6BC5767U, 0x3FB506DDU, 0x48B2364BU, 0xD80D2BDAU, 0xAF0A1B4CU, 0x36034AF6U, 0x41047A60U,
    0xDF60EFC3U, 0xA867DF55U, 0x316E8EEFU, 0x4669BE79U, 0xCB61B38CU, 0xBC66831AU, 0x256FD2A0U,
    0x5268E236U, 0xCC0C7795U, 0xBB0B4703U, 0x220216B9U, 0x5505262FU, 0xC5BA3BBEU, 0xB2BD0B28U,
    0x2BB45A92U, 0x5CB36A04U, 0xC2D7FFA7U, 0xB5D0CF31U, 0x2CD99E8BU, 0x5BDEAE1DU, 0x9B64C2B0U,
    0xEC63F226U, 0x756AA39CU, 0x026D930AU, 0x9C0906A9U, 0xEB0E363FU, 0x72076785U, 0x05005713U,
    0x95BF4A82U, 0xE2B87A14U, 0x7BB12BAEU, 0x0CB61B38U, 0x92D28E9BU, 0xE5D5BE0DU, 0x7CDCEFB7U,
    0x0BDBDF21U, 0x86D3D2D4U, 0xF1D4E242U, 0x68DDB3F8U, 0x1FDA836EU, 0x81BE16CDU, 0xF6B9265BU,
    0x6FB077E1U, 0x18B74777U, 0x88085AE6U, 0xFF0F6A70U, 0x66063BCAU, 0x11010B5CU, 0x8F659EFFU,
    0xF862AE69U, 0x616BFFD3U, 0x166CCF45U, 0xA00AE278U, 0xD70DD2EEU, 0x4E048354U, 0x3903B3C2U,
    0xA7672661U, 0xD06016F7U, 0x4969474DU, 0x3E6E77DBU, 0xAED16A4AU, 0xD9D65ADCU, 0x40DF0B66U,
    0x37D83BF0U, 0xA9BCAE53U, 0xDEBB9EC5U, 0x47B2CF7FU, 0x30B5FFE9U, 0xBDBDF21CU, 0xCABAC28AU,
    0x53B39330U, 0x24B4A3A6U, 0xBAD03605U, 0xCDD70693U, 0x54DE5729U, 0x23D967BFU, 0xB3667A2EU,
    0xC4614AB8U, 0x5D681B02U, 0x2A6F2B94U, 0xB40BBE37U, 0xC30C8EA1U, 0x5A05DF1BU, 0x2D02EF8DU };

uint32_t prg_agent_row_crc(const uint8_t row[PRG_PSOC6_ROW_SIZE])
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < ROW; i++) {
        crc = crc >> 8 ^ crc_of_byte[(crc ^ row[i]) & 255U];
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

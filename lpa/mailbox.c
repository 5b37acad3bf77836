/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/mailbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "device-fw/protocol/messages.h"
#include "programmer/mem.h"

#define DEFAULT_TIMEOUT_MS 5000U
#define OPEN_GAP_US        5000U
#define OPEN_SLICE_US      1
#define ASK_TRIES          3U
/* Everything that is read back at once: header words 0x00 … 0x3F. */
#define HEADER_BYTES 0x40U
/* Sequence, status, length, checksum of the answer. */
#define ANSWER_HEADER_BYTES 16U
/* Request bytes of one wait with the answer's header behind it. */
#define WAIT_BYTES  44U
#define MATCH_BYTES 25U
/* Value matches of 250 ms each that go ahead of the last one for a long command. */
#define EXTRA_WAITS 7U

struct lpa_mailbox {
    struct prg_link *link;
    unsigned ap;
    uint32_t boot;
    uint32_t sequence; /* last one used, or answered before we came */
    /* A command whose answer has not been read yet. */
    bool pending;
    uint32_t command;
    size_t length;
    uint8_t payload[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t answer_header[ANSWER_HEADER_BYTES]; /* as it came with the wait */
};

static uint32_t at(uint32_t offset)
{
    return PROTO_MAILBOX_ADDRESS + offset;
}

static uint32_t padded(size_t length)
{
    return (uint32_t)(length + 3) & ~3U;
}

/* What a target that boots, resets or refuses causes: the business of whoever waits for it. The
 * probe failing is not. */
static bool target_trouble(enum base_status status, const struct base_err *cause)
{
    return status == BASE_E_LOCKED || strcmp(cause->domain, "SWD") == 0;
}

static enum base_status pass_on(const struct base_err *cause, struct base_err *err)
{
    enum base_status status =
        base_err_set(err, cause->status, cause->domain, cause->detail, "%s", cause->message);
    base_err_set_code(err, cause->code);
    return status;
}

/* ---------------------------------------------------------------------------------------- look */

enum sight {
    SIGHT_SILENT,
    SIGHT_CLOSED,
    SIGHT_NO_MAILBOX,
    SIGHT_BUSY, /* a command stands there unanswered */
    SIGHT_FOUND,
};

static enum base_status look_through(
    struct prg_link *link, unsigned ap, enum sight *ret_sight, struct base_err *err)
{
    struct base_err cause = { .status = BASE_OK };
    enum base_status status = prg_mem_prepare(link, ap, &cause);
    if (status == BASE_OK) {
        *ret_sight = SIGHT_NO_MAILBOX;
        /* One slice of waiting in the probe. */
        status = prg_mem_wait(link, ap, at(PROTO_MAILBOX_MAGIC_AT), 0xFFFFFFFFU,
            PROTO_MAILBOX_MAGIC, OPEN_SLICE_US, &cause);
    }
    if (status == BASE_OK) {
        *ret_sight = SIGHT_FOUND;
        return BASE_OK;
    }
    return target_trouble(status, &cause) ? BASE_OK : pass_on(&cause, err);
}

static enum base_status look(
    struct prg_link *link, unsigned *ret_ap, enum sight *ret_sight, struct base_err *err)
{
    if (!link->selected) {
        struct base_err cause = { .status = BASE_OK };
        uint32_t dpidr = 0;
        enum base_status status = prg_swd_connect(link, &dpidr, &cause);
        if (status != BASE_OK) {
            *ret_sight = SIGHT_SILENT;
            return target_trouble(status, &cause) ? BASE_OK : pass_on(&cause, err);
        }
    }
    *ret_sight = SIGHT_CLOSED;
    enum base_status status = BASE_OK;
    for (unsigned ap = 0; ap < 2 && status == BASE_OK && *ret_sight == SIGHT_CLOSED; ap++) {
        *ret_ap = ap;
        status = look_through(link, ap, ret_sight, err);
    }
    return status;
}

static enum base_status not_found(enum sight sight, uint32_t timeout_ms, struct base_err *err)
{
    const char *sentence = "no debug port answers; check the target's power and the SWD wires";
    const char *code = "swd_silent";
    if (sight == SIGHT_CLOSED) {
        sentence = "the debug port answers, but its access ports are closed";
        code = "port_closed";
    } else if (sight == SIGHT_NO_MAILBOX) {
        sentence = "no bootloader shows its mailbox; program it first";
        code = "no_mailbox";
    } else if (sight == SIGHT_BUSY) {
        sentence = "the bootloader is still busy with an earlier command; ask again later";
        code = "unknown";
    }
    enum base_status status = base_err_set(err, BASE_E_TIMEOUT, "mailbox", timeout_ms,
        "after %u ms: %s", (unsigned)timeout_ms, sentence);
    base_err_set_code(err, code);
    return status;
}

static enum base_status read_header(
    struct prg_link *link, unsigned ap, uint8_t header[HEADER_BYTES], struct base_err *err)
{
    enum base_status status = prg_mem_prepare(link, ap, err);
    if (status == BASE_OK) {
        prg_mem_queue_read_block(link, ap, at(0), header, HEADER_BYTES / 4);
        status = prg_swd_flush(link, err);
    }
    return status;
}

void lpa_mailbox_close(struct lpa_mailbox *mailbox)
{
    free(mailbox);
}

uint32_t lpa_mailbox_boot_word(const struct lpa_mailbox *mailbox)
{
    return mailbox->boot;
}

unsigned lpa_mailbox_ap(const struct lpa_mailbox *mailbox)
{
    return mailbox->ap;
}

/* ------------------------------------------------------------------------------------ request */

static void queue_match(struct lpa_mailbox *mailbox)
{
    prg_mem_queue_match(mailbox->link, mailbox->ap, at(PROTO_MAILBOX_RSP_SEQUENCE_AT), 0xFFFFFFFFU,
        mailbox->sequence);
}

/* Commands that multiply points or write flash outlast one value match of the probe. More of them
 * stand behind each other in the same flight, so that the host need not ask in between. */
static unsigned extra_waits(uint32_t command)
{
    switch (command) {
    case PROTO_CMD_STATEMENT:
    case PROTO_CMD_INSTALL:
    case PROTO_CMD_ZEROISE:
    case PROTO_CMD_LOCK:
    case PROTO_CMD_FORGET:
        return EXTRA_WAITS;
    default:
        return 0;
    }
}

/* The wait, and in the same packet the answer's header: an answer without payload needs no second
 * round trip, and is read before a device that resets or starts its application has done so. */
static void queue_wait(struct lpa_mailbox *mailbox)
{
    for (unsigned i = 0; i < extra_waits(mailbox->command); i++) {
        prg_queue_fence(mailbox->link, MATCH_BYTES, 0);
        queue_match(mailbox);
        prg_queue_end_tolerant(mailbox->link);
    }
    prg_queue_fence(mailbox->link, WAIT_BYTES, 3 + ANSWER_HEADER_BYTES);
    queue_match(mailbox);
    prg_mem_queue_read_block(mailbox->link, mailbox->ap, at(PROTO_MAILBOX_RSP_SEQUENCE_AT),
        mailbox->answer_header, ANSWER_HEADER_BYTES / 4);
}

/* Everything, the sequence number last, the wait behind it: one flight. A part that does not arrive
 * makes a wrong checksum, which the device refuses. */
static void queue_request(struct lpa_mailbox *mailbox)
{
    struct prg_link *link = mailbox->link;
    uint32_t length = (uint32_t)mailbox->length;
    uint8_t header[16];
    base_put_le32(header, mailbox->command);
    base_put_le32(header + 4, length);
    base_put_le32(header + 8,
        proto_mailbox_crc(mailbox->command, length, mailbox->sequence, mailbox->payload));
    base_put_le32(header + 12, mailbox->sequence);
    prg_mem_queue_write_block(link, mailbox->ap, at(PROTO_MAILBOX_REQ_PAYLOAD_AT), mailbox->payload,
        padded(mailbox->length) / 4);
    prg_mem_queue_write_block(link, mailbox->ap, at(PROTO_MAILBOX_REQ_COMMAND_AT), header, 4);
    queue_wait(mailbox);
}

static enum base_status unknown(const struct base_err *cause, struct base_err *err)
{
    enum base_status status = base_err_set(err, cause->status, cause->domain, cause->detail,
        "mailbox command: %s; the device may have carried it out", cause->message);
    base_err_set_code(err, "unknown");
    return status;
}

/* Is it still the boot that we spoke to? */
static enum base_status check_boot(
    const struct lpa_mailbox *mailbox, const uint8_t header[HEADER_BYTES], struct base_err *err)
{
    if (base_get_le32(header + PROTO_MAILBOX_MAGIC_AT) == PROTO_MAILBOX_MAGIC &&
        base_get_le32(header + PROTO_MAILBOX_BOOT_AT) == mailbox->boot) {
        return BASE_OK;
    }
    enum base_status status = base_err_set(err, BASE_E_LINK, "mailbox", 0,
        "the device was reset, or left its bootloader, since the mailbox was opened");
    base_err_set_code(err, "reset");
    return status;
}

static void begin(
    struct lpa_mailbox *mailbox, uint32_t command, const uint8_t *payload, size_t length)
{
    mailbox->sequence = mailbox->sequence + 1 == 0 ? 1 : mailbox->sequence + 1;
    mailbox->command = command;
    mailbox->length = length;
    memset(mailbox->payload, 0, sizeof(mailbox->payload));
    if (length > 0) {
        memcpy(mailbox->payload, payload, length);
    }
    mailbox->pending = true;
}

/* ---------------------------------------------------------------------------------------- open */

/* Take up the numbering where it stands. Not possible while a command is under way. */
static enum base_status take_up(
    struct lpa_mailbox *mailbox, enum sight *ret_sight, struct base_err *err)
{
    uint8_t header[HEADER_BYTES];
    *ret_sight = SIGHT_NO_MAILBOX;
    enum base_status status = read_header(mailbox->link, mailbox->ap, header, err);
    if (status != BASE_OK ||
        base_get_le32(header + PROTO_MAILBOX_MAGIC_AT) != PROTO_MAILBOX_MAGIC) {
        return status;
    }
    uint32_t version = base_get_le32(header + PROTO_MAILBOX_VERSION_AT);
    if (version != PROTO_VERSION) {
        return base_err_set(err, BASE_E_UNSUPPORTED, "mailbox", version,
            "the bootloader speaks mailbox version %u, this program version %u", (unsigned)version,
            PROTO_VERSION);
    }
    mailbox->boot = base_get_le32(header + PROTO_MAILBOX_BOOT_AT);
    mailbox->sequence = base_get_le32(header + PROTO_MAILBOX_REQ_SEQUENCE_AT);
    bool idle = mailbox->sequence == base_get_le32(header + PROTO_MAILBOX_RSP_SEQUENCE_AT);
    *ret_sight = idle ? SIGHT_FOUND : SIGHT_BUSY;
    return BASE_OK;
}

/* SRAM outlives a reset: right after one, the mailbox of the boot before still stands there,
 * perhaps with a command that nobody will ever answer, and nobody listens. Only an answer proves
 * the opposite; hello is one without consequences. */
static enum base_status prove_alive(
    struct lpa_mailbox *mailbox, enum sight *ret_sight, struct base_err *err)
{
    uint8_t header[HEADER_BYTES];
    struct base_err cause = { .status = BASE_OK };
    enum base_status status = take_up(mailbox, ret_sight, &cause);
    if (status == BASE_OK && *ret_sight != SIGHT_FOUND) {
        return BASE_OK;
    }
    if (status == BASE_OK) {
        *ret_sight = SIGHT_NO_MAILBOX;
        begin(mailbox, PROTO_CMD_HELLO, NULL, 0);
        mailbox->pending = false;
        queue_request(mailbox);
        status = prg_swd_flush(mailbox->link, &cause);
    }
    if (status == BASE_OK || strcmp(cause.code, "mismatch") == 0) {
        base_err_clear(&cause);
        status = read_header(mailbox->link, mailbox->ap, header, &cause);
    }
    if (status != BASE_OK) {
        return target_trouble(status, &cause) ? BASE_OK : pass_on(&cause, err);
    }
    if (base_get_le32(header + PROTO_MAILBOX_RSP_SEQUENCE_AT) == mailbox->sequence &&
        check_boot(mailbox, header, NULL) == BASE_OK) {
        *ret_sight = SIGHT_FOUND;
    }
    return BASE_OK;
}

static enum base_status find(struct lpa_mailbox *mailbox, uint32_t timeout_ms, struct base_err *err)
{
    struct prg_link *link = mailbox->link;
    int64_t end_us = link->wire_us + (int64_t)timeout_ms * 1000;
    for (;;) {
        enum sight sight = SIGHT_SILENT;
        enum base_status status = look(link, &mailbox->ap, &sight, err);
        if (status == BASE_OK && sight == SIGHT_FOUND) {
            status = prove_alive(mailbox, &sight, err);
        }
        if (status != BASE_OK || sight == SIGHT_FOUND) {
            return status;
        }
        /* A command that someone before us asked may take its time. */
        int64_t more_us = sight == SIGHT_BUSY ? (int64_t)DEFAULT_TIMEOUT_MS * 1000 : 0;
        if (link->wire_us >= end_us + more_us) {
            return not_found(sight, timeout_ms, err);
        }
        status = prg_link_delay(link, OPEN_GAP_US, err);
        if (status != BASE_OK) {
            return status;
        }
    }
}

enum base_status lpa_mailbox_open(struct prg_link *link, uint32_t timeout_ms,
    struct lpa_mailbox **ret_mailbox, struct base_err *err)
{
    struct lpa_mailbox *mailbox = calloc(1, sizeof(*mailbox));
    if (mailbox == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "mailbox", 0, "no memory for a mailbox");
    }
    mailbox->link = link;
    enum base_status status = find(mailbox, timeout_ms, err);
    if (status != BASE_OK) {
        lpa_mailbox_close(mailbox);
        return status;
    }
    *ret_mailbox = mailbox;
    return BASE_OK;
}

/* ------------------------------------------------------------------------------------ command */

/* Wait on; the first flight's own wait was one slice of it. */
static enum base_status wait_answer(
    struct lpa_mailbox *mailbox, int64_t end_us, struct base_err *err)
{
    struct prg_link *link = mailbox->link;
    struct base_err cause = { .status = BASE_OK };
    enum base_status status = prg_swd_flush(link, &cause);
    while (status != BASE_OK && strcmp(cause.code, "mismatch") == 0 && link->wire_us < end_us) {
        base_err_clear(&cause);
        queue_wait(mailbox);
        status = prg_swd_flush(link, &cause);
    }
    return status == BASE_OK ? BASE_OK : unknown(&cause, err);
}

/* After an unknown outcome: look whether the device has seen the command, before saying it again.
 */
static enum base_status resume(struct lpa_mailbox *mailbox, struct base_err *err)
{
    struct prg_link *link = mailbox->link;
    uint8_t header[HEADER_BYTES];
    enum base_status status = BASE_OK;
    if (!link->selected) {
        uint32_t dpidr = 0;
        status = prg_swd_connect(link, &dpidr, err);
    }
    if (status == BASE_OK) {
        status = read_header(link, mailbox->ap, header, err);
    }
    if (status == BASE_OK) {
        status = check_boot(mailbox, header, err);
    }
    if (status != BASE_OK) {
        if (err != NULL && err->code[0] == '\0') {
            base_err_set_code(err, "unknown");
        }
        return status;
    }
    if (base_get_le32(header + PROTO_MAILBOX_RSP_SEQUENCE_AT) != mailbox->sequence &&
        base_get_le32(header + PROTO_MAILBOX_REQ_SEQUENCE_AT) != mailbox->sequence) {
        queue_request(mailbox);
    } else {
        queue_wait(mailbox);
    }
    return BASE_OK;
}

struct answer {
    uint32_t status;
    uint32_t length;
    uint8_t payload[PROTO_MAILBOX_PAYLOAD_SIZE];
};

/* An answer without payload came whole with the wait. */
static bool take_short_answer(const struct lpa_mailbox *mailbox, struct answer *ret_answer)
{
    const uint8_t *header = mailbox->answer_header;
    uint32_t status = base_get_le32(header + 4);
    if (base_get_le32(header) != mailbox->sequence || base_get_le32(header + 8) != 0 ||
        base_get_le32(header + 12) !=
            proto_mailbox_crc(status, 0, mailbox->sequence, ret_answer->payload)) {
        return false;
    }
    ret_answer->status = status;
    ret_answer->length = 0;
    return true;
}

/* Second round trip: header and as much of the payload as one answer to this kind of command has.
 */
static enum base_status read_answer(struct lpa_mailbox *mailbox, size_t expected,
    struct answer *ret_answer, bool *ret_intact, struct base_err *err)
{
    struct prg_link *link = mailbox->link;
    uint8_t header[HEADER_BYTES];
    struct base_err cause = { .status = BASE_OK };
    uint32_t words = padded(expected) / 4;
    *ret_intact = false;
    prg_mem_queue_read_block(link, mailbox->ap, at(0), header, HEADER_BYTES / 4);
    prg_mem_queue_read_block(
        link, mailbox->ap, at(PROTO_MAILBOX_RSP_PAYLOAD_AT), ret_answer->payload, words);
    enum base_status status = prg_swd_flush(link, &cause);
    if (status != BASE_OK) {
        return unknown(&cause, err);
    }
    status = check_boot(mailbox, header, err);
    if (status != BASE_OK) {
        return status;
    }
    ret_answer->status = base_get_le32(header + PROTO_MAILBOX_RSP_STATUS_AT);
    ret_answer->length = base_get_le32(header + PROTO_MAILBOX_RSP_LENGTH_AT);
    if (ret_answer->length > PROTO_MAILBOX_PAYLOAD_SIZE) {
        return BASE_OK;
    }
    if (ret_answer->length > words * 4) {
        prg_mem_queue_read_block(link, mailbox->ap, at(PROTO_MAILBOX_RSP_PAYLOAD_AT) + words * 4,
            ret_answer->payload + words * 4, padded(ret_answer->length) / 4 - words);
        status = prg_swd_flush(link, &cause);
        if (status != BASE_OK) {
            return unknown(&cause, err);
        }
    }
    *ret_intact = base_get_le32(header + PROTO_MAILBOX_RSP_SEQUENCE_AT) == mailbox->sequence &&
                  base_get_le32(header + PROTO_MAILBOX_RSP_CRC_AT) ==
                      proto_mailbox_crc(ret_answer->status, ret_answer->length, mailbox->sequence,
                          ret_answer->payload);
    return BASE_OK;
}

/* Longest answers by command, so that they come in the same round trip as the header. */
static size_t expected_length(uint32_t command)
{
    switch (command) {
    case PROTO_CMD_HELLO:
        return PROTO_HELLO_SIZE;
    case PROTO_CMD_STATEMENT:
        return PROTO_STATEMENT_SIZE;
    case PROTO_CMD_INSTALL:
    case PROTO_CMD_RECEIPT:
    case PROTO_CMD_ZEROISE:
        return PROTO_RECEIPT_SIZE;
    case PROTO_CMD_SELF_TEST:
        return PROTO_JOIN_REQUEST_SIZE;
    default:
        return 0;
    }
}

static bool is_repeat(
    const struct lpa_mailbox *mailbox, uint32_t command, const uint8_t *payload, size_t length)
{
    return mailbox->pending && mailbox->command == command && mailbox->length == length &&
           (length == 0 || memcmp(mailbox->payload, payload, length) == 0);
}

static enum base_status ask_once(struct lpa_mailbox *mailbox, bool repeat, uint32_t timeout_ms,
    struct answer *ret_answer, bool *ret_intact, struct base_err *err)
{
    int64_t end_us = mailbox->link->wire_us + (int64_t)timeout_ms * 1000;
    enum base_status status = BASE_OK;
    if (repeat || !mailbox->link->selected) {
        status = resume(mailbox, err);
    } else {
        status = prg_mem_prepare(mailbox->link, mailbox->ap, err);
        if (status == BASE_OK) {
            queue_request(mailbox);
        }
    }
    if (status == BASE_OK) {
        status = wait_answer(mailbox, end_us, err);
    }
    if (status == BASE_OK) {
        *ret_intact = take_short_answer(mailbox, ret_answer);
    }
    /* The answer may be damaged on its way here: reading again is free of consequences. */
    for (unsigned i = 0; i < ASK_TRIES && status == BASE_OK && !*ret_intact; i++) {
        status =
            read_answer(mailbox, expected_length(mailbox->command), ret_answer, ret_intact, err);
    }
    return status;
}

static enum base_status deliver(const struct answer *answer, size_t size, uint32_t *ret_status,
    uint8_t *ret_answer, size_t *ret_length, struct base_err *err)
{
    if (answer->length > size) {
        return base_err_set(err, BASE_E_PROTO, "mailbox", answer->length,
            "the device answered %u bytes where at most %zu fit", (unsigned)answer->length, size);
    }
    if (answer->length > 0) {
        memcpy(ret_answer, answer->payload, answer->length);
    }
    *ret_status = answer->status;
    *ret_length = answer->length;
    return BASE_OK;
}

/* ---------------------------------------------------------------------------------------- call */

enum base_status lpa_mailbox_call(struct lpa_mailbox *mailbox, uint32_t command,
    const uint8_t *payload, size_t length, uint32_t timeout_ms, size_t size, uint32_t *ret_status,
    uint8_t *ret_answer, size_t *ret_length, struct base_err *err)
{
    if (length > PROTO_MAILBOX_PAYLOAD_SIZE || (length > 0 && payload == NULL) ||
        (size > 0 && ret_answer == NULL)) {
        return base_err_set(err, BASE_E_ARG, "mailbox", (int64_t)length,
            "a mailbox payload has at most %u bytes, not %zu", PROTO_MAILBOX_PAYLOAD_SIZE, length);
    }
    timeout_ms = timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : timeout_ms;
    bool repeat = is_repeat(mailbox, command, payload, length);
    if (!repeat) {
        begin(mailbox, command, payload, length);
    }
    struct answer answer = { .status = 0 };
    for (unsigned i = 0; i < ASK_TRIES; i++) {
        bool intact = false;
        enum base_status status = ask_once(mailbox, repeat, timeout_ms, &answer, &intact, err);
        if (status != BASE_OK) {
            return status;
        }
        if (!intact) {
            return base_err_set(err, BASE_E_CORRUPT, "mailbox", answer.status,
                "the device's answer fails its checksum again and again; check the SWD wires");
        }
        mailbox->pending = false;
        if (answer.status != PROTO_BAD_CRC) {
            break;
        }
        /* The command was garbled on its way there and not executed: say it anew. */
        begin(mailbox, command, payload, length);
        repeat = false;
    }
    mailbox->pending = false;
    return deliver(&answer, size, ret_status, ret_answer, ret_length, err);
}

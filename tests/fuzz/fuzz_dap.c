/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: CMSIS-DAP replies. A probe that answers with arbitrary bytes: the codec alone, then
 * a whole session over it. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/buf.h"
#include "lpa/mailbox.h"
#include "programmer/dap.h"
#include "programmer/link.h"

/* Time that only moves when somebody waits: no run is slow, no deadline is missed. */
struct lazy_clock {
    int64_t now_us;
};

static int64_t lazy_now_us(void *user)
{
    struct lazy_clock *clock = user;
    return clock->now_us += 1000;
}

static void lazy_sleep_us(void *user, int64_t duration_us)
{
    struct lazy_clock *clock = user;
    clock->now_us += duration_us;
}

static void check_codec(const uint8_t *data, size_t size)
{
    struct prg_dap_result result;
    const uint8_t *info = NULL;
    size_t length = 0;
    char text[PRG_INFO_TEXT_SIZE];
    for (uint32_t count = 0; count < 4; count++) {
        if (prg_dap_parse_batch(
                PRG_DAP_TRANSFER, count, 3 + 4 * count, size % 2 == 0, data, size, &result)) {
            FUZZ_CHECK(result.done <= count);
        }
        (void)prg_dap_parse_batch(
            PRG_DAP_TRANSFER_BLOCK, count, 4 + 4 * count, size % 2 == 0, data, size, &result);
    }
    if (prg_dap_parse_info(data, size, &info, &length) && length > 0) {
        FUZZ_CHECK(info >= data && info + length <= data + size);
        prg_dap_copy_text(info, length, sizeof(text), text);
        FUZZ_CHECK(strlen(text) < sizeof(text));
    }
}

/* The reply repeats the command, as a probe that wants to be believed would; then what the input
 * holds, length first. */
static void exchange(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length)
{
    struct base_cursor *cursor = user;
    size_t wanted = base_cursor_u8(cursor);
    *ret_length = 0;
    if (length == 0 || wanted == 0) {
        return;
    }
    size_t left = base_cursor_left(cursor);
    size_t take = wanted < left ? wanted : left;
    const uint8_t *bytes = base_cursor_take(cursor, take);
    ret_response[0] = request[0];
    if (bytes != NULL) {
        memcpy(ret_response + 1, bytes, take);
        *ret_length = take + 1;
    }
}

static void use_link(struct prg_link *link)
{
    struct lpa_mailbox *mailbox = NULL;
    struct base_err err = { 0 };
    const struct prg_probe_info *info = prg_link_probe(link);
    FUZZ_CHECK(info->packet_size <= PRG_PACKET_MAX);
    if (lpa_mailbox_open(link, 50, &mailbox, &err) == BASE_OK) {
        uint32_t status = 0;
        uint8_t answer[64];
        size_t length = 0;
        struct base_err call_err = { 0 };
        if (lpa_mailbox_call(mailbox, PROTO_CMD_HELLO, NULL, 0, 50, sizeof(answer), &status, answer,
                &length, &call_err) == BASE_OK) {
            FUZZ_CHECK(length <= sizeof(answer));
        }
        lpa_mailbox_close(mailbox);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lazy_clock time = { 0 };
    const struct base_clock clock = { lazy_now_us, lazy_now_us, lazy_sleep_us, &time };
    const struct prg_link_opts opts = { .clock = &clock };
    struct base_cursor cursor;
    struct prg_wire wire = { 0 };
    struct prg_link *link = NULL;
    struct base_err err = { 0 };
    check_codec(data, size);
    base_cursor_init(&cursor, data, size);
    if (prg_wire_memory(exchange, &cursor, &wire, &err) != BASE_OK) {
        return 0;
    }
    if (prg_link_open_wire(&wire, &opts, &link, &err) == BASE_OK) {
        use_link(link);
        prg_link_close(link);
    } else {
        FUZZ_CHECK(err.message[0] != '\0');
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/desk.h"

#include "base/file.h"
#include "base/hash.h"
#include "device-fw/protocol/binding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SWCLK_HZ 10000000U

static void must(enum base_status status, const struct base_err *err)
{
    if (status != BASE_OK) {
        fail_msg("%s: %s", base_status_name(status), err->message);
    }
}

void desk_image_load(
    struct desk_image *image, const char *path, const uint8_t public_key[65], bool lab)
{
    struct base_err err = { 0 };
    struct base_buf file;
    base_buf_init(&file, PROTO_IMAGE_MAX_SIZE);
    must(base_file_read(path, &file, &err), &err);
    assert_true(file.length > PROTO_BINDING_OFFSET + PROTO_BINDING_SIZE);
    struct proto_binding binding;
    uint8_t *block = file.data + PROTO_BINDING_OFFSET;
    assert_int_equal(proto_binding_decode(block, &binding), PROTO_OK);
    memcpy(binding.authority_key[0], public_key, 65);
    binding.flags = lab ? PROTO_FLAG_LAB : 0;
    proto_binding_encode(&binding, block);
    base_sha256(block, PROTO_BINDING_HASH_AT, block + PROTO_BINDING_HASH_AT);
    image->bytes = file.data;
    image->length = file.length;
}

void desk_image_done(struct desk_image *image)
{
    free(image->bytes);
    memset(image, 0, sizeof(*image));
}

static void exchange(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length)
{
    ssize_t got = sim_board_exec(user, request, length, ret_response, PRG_PACKET_MAX);
    *ret_length = got > 0 ? (size_t)got : 0;
}

static void plug(struct desk *desk)
{
    struct base_err err = { 0 };
    struct prg_wire wire = { 0 };
    must(prg_wire_memory(exchange, desk->board, &wire, &err), &err);
    const struct prg_link_opts opts = { .swclk_hz = SWCLK_HZ };
    must(prg_link_open_wire(&wire, &opts, &desk->link, &err), &err);
    must(prg_psoc6_new(desk->link, &desk->chip, &err), &err);
}

static void unplug(struct desk *desk)
{
    lpa_mailbox_close(desk->mailbox);
    prg_psoc6_free(desk->chip);
    prg_link_close(desk->link);
    desk->mailbox = NULL;
    desk->chip = NULL;
    desk->link = NULL;
}

void desk_init(struct desk *desk, uint8_t number)
{
    struct base_err err = { 0 };
    memset(desk, 0, sizeof(*desk));
    struct sim_board_opts opts = {
        .chip = { .unique_id = { 0x51, 0xA0, 0, 0, 0, 0, 0xDE, number }, .trng_seed = number },
        .probe = { .packet_size = 512, .packet_count = 4 },
    };
    must(sim_board_new(&opts, &desk->board, &err), &err);
    plug(desk);
}

void desk_done(struct desk *desk)
{
    unplug(desk);
    sim_board_free(desk->board);
    desk->board = NULL;
}

void desk_fork(const struct desk *desk, struct desk *ret_desk)
{
    struct base_err err = { 0 };
    memset(ret_desk, 0, sizeof(*ret_desk));
    must(sim_board_fork(desk->board, &ret_desk->board, &err), &err);
    plug(ret_desk);
}

void desk_replug(struct desk *desk)
{
    unplug(desk);
    plug(desk);
}

void desk_program(struct desk *desk, const struct desk_image *image)
{
    struct base_err err = { 0 };
    enum prg_psoc6_acquire outcome;
    must(prg_psoc6_acquire(desk->chip, NULL, &outcome, &err), &err);
    assert_int_equal(outcome, PRG_PSOC6_ACQUIRED);
    struct prg_segment segment = {
        .address = PROTO_IMAGE_ADDRESS, .length = (uint32_t)image->length, .data = image->bytes
    };
    const struct prg_image whole = {
        .segments = &segment, .count = 1, .total_bytes = segment.length, .format = PRG_IMAGE_BIN
    };
    enum prg_psoc6_change change;
    must(prg_psoc6_program(desk->chip, &whole, NULL, NULL, &change, &err), &err);
    must(prg_psoc6_write_toc2(desk->chip, &change, &err), &err);
}

void desk_open_mailbox(struct desk *desk)
{
    struct base_err err = { 0 };
    lpa_mailbox_close(desk->mailbox);
    desk->mailbox = NULL;
    must(lpa_mailbox_open(desk->link, 2000, &desk->mailbox, &err), &err);
}

void desk_boot(struct desk *desk)
{
    struct base_err err = { 0 };
    must(prg_psoc6_reset(desk->chip, &err), &err);
    desk_open_mailbox(desk);
}

enum base_status desk_call(struct desk *desk, uint32_t command, const uint8_t *payload,
    size_t length, uint32_t *ret_status, uint8_t ret_answer[PROTO_MAILBOX_PAYLOAD_SIZE],
    size_t *ret_length)
{
    struct base_err err = { 0 };
    return lpa_mailbox_call(desk->mailbox, command, payload, length, 10000,
        PROTO_MAILBOX_PAYLOAD_SIZE, ret_status, ret_answer, ret_length, &err);
}

void desk_expect(struct desk *desk, uint32_t command, const uint8_t *payload, size_t length,
    uint32_t status, uint8_t ret_answer[PROTO_MAILBOX_PAYLOAD_SIZE], size_t *ret_length)
{
    struct base_err err = { 0 };
    uint32_t got = 0;
    must(lpa_mailbox_call(desk->mailbox, command, payload, length, 10000,
             PROTO_MAILBOX_PAYLOAD_SIZE, &got, ret_answer, ret_length, &err),
        &err);
    if (got != status) {
        fail_msg("command %u answered '%s' (%u), expected '%s'", command, proto_status_text(got),
            got, proto_status_text(status));
    }
}

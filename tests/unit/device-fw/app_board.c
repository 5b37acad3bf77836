/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/device-fw/app_board.h"

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "device-fw/protocol/image.h"
#include "tests/support/radio.h"

#define IMAGE_FILE_MAX (1U << 20)

static void must_hear(const struct app_board *app, enum radio_result result)
{
    struct sim_chip_test_core cm0 = sim_chip_test_core(app->board.chip, SIM_AP_CM0);
    struct sim_chip_test_core cm4 = sim_chip_test_core(app->board.chip, SIM_AP_CM4);

    if (result != RADIO_HEARD)
        fail_msg("the program is silent; CM0+ at 0x%08X (%u), CM4 at 0x%08X (%u)", cm0.pc, cm0.ipsr,
            cm4.pc, cm4.ipsr);
}

/* The binding block with the application key. */
static void bind_application(struct app_board *app)
{
    struct base_buf *image = &app->board.image;
    uint8_t *block = image->data + PROTO_BINDING_OFFSET;
    struct proto_image parts;

    assert_int_equal(proto_image_decode(image->data, image->length, &parts), PROTO_OK);
    memcpy(parts.binding.application_key, app->signer.public_key, PROTO_PUBLIC_KEY_SIZE);
    proto_binding_encode(&parts.binding, block);
    base_sha256(block, PROTO_BINDING_HASH_AT, block + PROTO_BINDING_HASH_AT);
    assert_true(
        sim_chip_test_write(app->board.chip, PROTO_IMAGE_ADDRESS, image->data, image->length));
}

static void program(struct app_board *app, const struct signer *signer, uint32_t version,
    const void *bytes, size_t length)
{
    base_buf_done(&app->image);
    base_buf_init(&app->image, IMAGE_FILE_MAX);
    application_make(signer, version, bytes, length, &app->image);
    assert_true(sim_chip_test_write(
        app->board.chip, PROTO_APPLICATION_ADDRESS, app->image.data, app->image.length));
}

void app_board_program(struct app_board *app, const struct signer *signer, uint32_t version)
{
    program(app, signer, version, app->program.data, app->program.length);
}

void app_board_program_bytes(struct app_board *app, const void *bytes, size_t length)
{
    program(app, &app->signer, 0x01000000U, bytes, length);
}

void app_board_init(struct app_board *app)
{
    const char *path = getenv("LPA_TEST_APP");

    memset(app, 0, sizeof(*app));
    base_buf_init(&app->program, IMAGE_FILE_MAX);
    base_buf_init(&app->image, IMAGE_FILE_MAX);
    if (path == NULL || base_file_read(path, &app->program, NULL) != BASE_OK)
        fail_msg("LPA_TEST_APP must name the application");
    signer_init_fixed(&app->signer, 1);
    board_init(&app->board);
    bind_application(app);
    app_board_program(app, &app->signer, 0x01000000U);
    board_power_cycle(&app->board);
}

void app_board_done(struct app_board *app)
{
    board_done(&app->board);
    signer_done(&app->signer);
    base_buf_done(&app->program);
    base_buf_done(&app->image);
}

void app_board_seal(struct app_board *app, const struct proto_statement *statement,
    enum proto_purpose purpose, uint32_t key_version, uint8_t ret_envelope[PROTO_ENVELOPE_SIZE],
    uint8_t ret_receipt_key[PROTO_HASH_SIZE])
{
    struct proto_envelope_header header =
        authority_header(&app->board.authority, statement, key_version);
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };

    header.purpose = (uint8_t)purpose;
    if (app->network.is_1_1) {
        header.lorawan_version = PROTO_LORAWAN_1_1;
        header.keys = PROTO_KEY_APP | PROTO_KEY_NWK;
        memset(plain, (int)(0x90 + key_version), PROTO_ROOT_KEY_SIZE);
    }
    memset(plain + PROTO_ROOT_KEY_SIZE, (int)(0x30 + key_version), PROTO_ROOT_KEY_SIZE);
    if (purpose == PROTO_PURPOSE_ZEROISE) {
        header.keys = 0;
        memset(plain, 0, sizeof(plain));
    }
    memcpy(app->network.nwk_key, plain, 16);
    memcpy(app->network.app_key, plain + 16, 16);
    memcpy(app->network.dev_eui, header.dev_eui, 8);
    memcpy(app->network.join_eui, header.join_eui, 8);
    app->network.join_nonce = 0;
    authority_seal(&app->board.authority, &header, statement->public_key, plain, ret_envelope,
        ret_receipt_key);
}

void app_board_install(struct app_board *app, enum proto_lorawan version, uint32_t key_version)
{
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    struct proto_statement statement;
    size_t length = 0;

    app->network = (struct network){
        .is_1_1 = version == PROTO_LORAWAN_1_1,
        .net_id = { 0, 0, 0x13 },
        .dev_addr = { 0x26, 0x01, 0x1B, 0xDA },
    };
    board_identify(&app->board, &statement);
    app_board_seal(app, &statement, PROTO_PURPOSE_INSTALL, key_version, envelope, receipt_key);
    assert_int_equal(
        board_ask(&app->board, PROTO_CMD_INSTALL, envelope, sizeof(envelope), answer, &length),
        PROTO_OK);
}

static void clear_radio(struct app_board *app)
{
    radio_clear(app->board.chip);
    app->heard = 0;
    app->told = 0;
}

void app_board_run(struct app_board *app)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    clear_radio(app);
    assert_int_equal(board_ask(&app->board, PROTO_CMD_RUN, NULL, 0, answer, &length), PROTO_OK);
    must_hear(app, radio_wait(app->board.chip, RADIO_AT(running), 0));
    assert_int_equal(radio_peek(app->board.chip, RADIO_AT(running)), APP_RADIO_RUNNING);
}

bool app_board_boot(struct app_board *app)
{
    enum radio_result result;

    sim_chip_set_power(app->board.chip, false);
    sim_chip_set_power(app->board.chip, true);
    clear_radio(app);
    result = radio_wait(app->board.chip, RADIO_AT(running), 0);
    if (result == RADIO_SILENT)
        fail_msg("the program does not come up");
    return result == RADIO_HEARD;
}

void app_board_restart(struct app_board *app)
{
    assert_true(app_board_boot(app));
}

bool app_board_has_sent(const struct app_board *app)
{
    return radio_peek(app->board.chip, RADIO_AT(out.number)) != app->heard;
}

void app_board_hear(struct app_board *app, uint32_t kind, uint32_t status,
    uint8_t ret_data[NETWORK_FRAME_MAX], size_t *ret_length)
{
    struct radio_frame frame = { .length = 0 };

    must_hear(app, radio_hear(app->board.chip, app->heard, &frame));
    app->heard++;
    assert_int_equal(frame.number, app->heard);
    assert_int_equal(frame.kind, kind);
    assert_int_equal(frame.status, status);
    assert_true(frame.length <= NETWORK_FRAME_MAX);
    memcpy(ret_data, frame.data, frame.length);
    *ret_length = frame.length;
}

void app_board_tell(struct app_board *app, uint32_t kind, const uint8_t *data, size_t length)
{
    app->told++;
    radio_tell(app->board.chip, app->told, kind, data, length);
}

void app_board_expect(struct app_board *app, const char *text)
{
    uint8_t frame[NETWORK_FRAME_MAX];
    uint8_t payload[NETWORK_FRAME_MAX];
    uint8_t port = 0;
    size_t length = 0;

    app_board_hear(app, APP_RADIO_LORA, SVC_OK, frame, &length);
    network_uplink(&app->network, frame, length, APP_RADIO_DATA_RATE, APP_RADIO_CHANNEL, payload,
        &length, &port);
    assert_int_equal(length, strlen(text));
    assert_memory_equal(payload, text, length);
}

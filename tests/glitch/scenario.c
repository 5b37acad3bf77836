/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to the board that a glitch then strikes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "tests/glitch/lab.h"

#include <cmocka.h>

#include "base/hash.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/protocol/image.h"
#include "sim/die.h"

#define BOOT_PS           (3000000U * SIM_PS_PER_US)
#define FUSE_SECURE       0x04U /* of the life cycle's byte */
#define PROTECTION_SECURE 3U
#define OTHER_SIGNER      2U
#define SETTLE_PS         (500U * SIM_PS_PER_US)

static void seal_header(const struct proto_envelope_header *header)
{
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };

    if (header->purpose != PROTO_PURPOSE_ZEROISE)
        memset(plain + PROTO_ROOT_KEY_SIZE, LAB_NEW_KEY, PROTO_ROOT_KEY_SIZE);
    authority_seal(&lab.board.authority, header, lab.statement.public_key, plain, lab.envelope,
        lab.receipt_key);
}

static struct proto_envelope_header header_for(enum proto_purpose purpose, uint32_t key_version)
{
    struct proto_envelope_header header =
        authority_header(&lab.board.authority, &lab.statement, key_version);

    header.purpose = (uint8_t)purpose;
    if (purpose == PROTO_PURPOSE_ZEROISE)
        header.keys = 0;
    return header;
}

static void seal(enum proto_purpose purpose, uint32_t key_version)
{
    const struct proto_envelope_header header = header_for(purpose, key_version);

    seal_header(&header);
}

static void forge(void)
{
    lab.envelope[PROTO_ENVELOPE_SIZE - 1] ^= 1;
}

void scenario_install(uint32_t key_version)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    size_t length = 0;

    board_seal(&lab.board, &lab.statement, key_version, LAB_OLD_KEY, envelope, lab.old_receipt_key);
    assert_int_equal(
        board_ask(&lab.board, PROTO_CMD_INSTALL, envelope, sizeof(envelope), answer, &length),
        PROTO_OK);
    board_identify(&lab.board, &lab.statement);
}

static void setup_forged(void)
{
    seal(PROTO_PURPOSE_INSTALL, 2);
    forge();
}

/* The last one but one, whole. */
static void setup_replayed(void)
{
    seal(PROTO_PURPOSE_INSTALL, 2);
    scenario_install(2);
}

static void setup_used_version(void)
{
    seal(PROTO_PURPOSE_INSTALL, 1);
}

/* Everything is right but the chip's id; sealed for this chip's key, as no KMS would. */
static void make_foreign(enum proto_purpose purpose)
{
    struct proto_envelope_header header = header_for(purpose, 2);

    header.chip_id[7] ^= 1;
    seal_header(&header);
}

static void setup_foreign(void)
{
    make_foreign(PROTO_PURPOSE_INSTALL);
}

static void setup_wrong_nonce(void)
{
    struct proto_envelope_header header = header_for(PROTO_PURPOSE_INSTALL, 2);

    header.nonce[3] ^= 0x10;
    seal_header(&header);
}

static void setup_good(void)
{
    seal(PROTO_PURPOSE_INSTALL, 2);
}

static void setup_zeroise_forged(void)
{
    seal(PROTO_PURPOSE_ZEROISE, 2);
    forge();
}

static void setup_zeroise_replayed(void)
{
    seal(PROTO_PURPOSE_ZEROISE, 2);
    scenario_install(2);
}

static void setup_zeroise_foreign(void)
{
    make_foreign(PROTO_PURPOSE_ZEROISE);
}

/* Wiped, and the KMS's word for it in the envelope's place. */
static void setup_forget(void)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    seal(PROTO_PURPOSE_ZEROISE, 2);
    assert_int_equal(board_ask(&lab.board, PROTO_CMD_ZEROISE, lab.envelope, sizeof(lab.envelope),
                         answer, &length),
        PROTO_OK);
    authority_forget(lab.receipt_key, lab.statement.chip_id, 2, lab.envelope);
}

static void setup_forget_forged(void)
{
    setup_forget();
    lab.envelope[PROTO_MAC_SIZE - 1] ^= 1;
}

/* The right word, and the board has taken no keys off. */
static void setup_forget_early(void)
{
    authority_forget(lab.old_receipt_key, lab.statement.chip_id, 1, lab.envelope);
}

static void setup_rework_old(void)
{
    seal(PROTO_PURPOSE_REWORK, 1);
}

/* The image that a factory uses, not one that works with the port open. */
static void bind_for_production(void)
{
    uint8_t *block = lab.board.image.data + PROTO_BINDING_OFFSET;
    struct proto_image image;

    assert_int_equal(
        proto_image_decode(lab.board.image.data, lab.board.image.length, &image), PROTO_OK);
    image.binding.flags = 0;
    proto_binding_encode(&image.binding, block);
    base_sha256(block, PROTO_BINDING_HASH_AT, block + PROTO_BINDING_HASH_AT);
    assert_true(sim_chip_test_write(
        lab.board.chip, PROTO_IMAGE_ADDRESS + PROTO_BINDING_OFFSET, block, PROTO_BINDING_SIZE));
}

static void install_envelope(void)
{
    board_begin(&lab.board, PROTO_CMD_INSTALL, lab.envelope, sizeof(lab.envelope));
}

static void zeroise_envelope(void)
{
    board_begin(&lab.board, PROTO_CMD_ZEROISE, lab.envelope, sizeof(lab.envelope));
}

static void forget(void)
{
    board_begin(&lab.board, PROTO_CMD_FORGET, lab.envelope, PROTO_MAC_SIZE);
}

/* ---- a locked board: the second core asks ---- */

static void cm4_write(uint32_t address, uint32_t value)
{
    struct sim_access access = sim_bus_core_access(&lab.board.chip->cm4);

    access.kind = SIM_PERM_WRITE;
    assert_int_equal(sim_bus_access(lab.board.chip, &access, address, 4, &value), SIM_BUS_OK);
}

/* Locked, booted again, and the application runs; then the second core stands still, so that what
 * follows is its last act. */
static void lock_and_start(void)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    assert_int_equal(board_ask(&lab.board, PROTO_CMD_LOCK, NULL, 0, answer, &length), PROTO_OK);
    lab.app.board = lab.board;
    app_board_restart(&lab.app);
    lab.board = lab.app.board;
    do {
        sim_chip_run_until(lab.board.chip, sim_chip_time_ps(lab.board.chip) + SETTLE_PS);
    } while (lab.board.chip->regs.ipc[SVC_CHANNEL].locked ||
             !sim_chip_test_core(lab.board.chip, SIM_AP_CM0).sleeping);
    lab.board.chip->cm4.halted = true;
}

static void setup_service_forged(void)
{
    seal(PROTO_PURPOSE_REWORK, 2);
    forge();
    lock_and_start();
}

static void setup_service_replayed(void)
{
    seal(PROTO_PURPOSE_REWORK, 2);
    scenario_install(2);
    lock_and_start();
}

static void setup_service_zeroise(void)
{
    seal(PROTO_PURPOSE_ZEROISE, 2);
    forge();
    lock_and_start();
}

static void serve(uint32_t operation, const void *payload, size_t length)
{
    struct svc_message message = { SVC_VERSION, operation, SVC_FLAG_PARKED, (uint32_t)length, 0,
        { 0 } };
    struct sim_access access = sim_bus_core_access(&lab.board.chip->cm4);
    uint32_t taken = 0;

    memcpy(message.payload, payload, length);
    assert_true(
        sim_chip_test_write(lab.board.chip, LAB_MESSAGE, (const void *)&message, sizeof(message)));
    assert_int_equal(
        sim_bus_access(lab.board.chip, &access, BL_IPC_ACQUIRE(SVC_CHANNEL), 4, &taken),
        SIM_BUS_OK);
    assert_true((taken & BL_IPC_ACQUIRED) != 0);
    cm4_write(BL_IPC_DATA(SVC_CHANNEL), LAB_MESSAGE);
    cm4_write(BL_IPC_NOTIFY(SVC_CHANNEL), 1U << SVC_INTR);
}

static void serve_envelope(void)
{
    serve(SVC_OP_ENVELOPE, lab.envelope, sizeof(lab.envelope));
}

/* The network's answer to the application's join-request, right but for one bit of its MIC. */
static void serve_join_accept(void)
{
    struct network network = { .net_id = { 0, 0, 0x13 }, .dev_addr = { 0x26, 0x01, 0x1B, 0xDA } };
    uint8_t request[1 + 33] = { SVC_JOIN_TYPE };
    size_t length;

    memset(network.app_key, LAB_OLD_KEY, sizeof(network.app_key));
    length = network_accept(&network, SVC_JOIN_TYPE, 0, 0, 1, NULL, request + 1);
    network_aes(network.app_key, false, request + 2, length - 1);
    request[length] ^= 1;
    network_aes(network.app_key, true, request + 2, length - 1);
    serve(SVC_OP_JOIN_ACCEPT, request, 1 + length);
}

static void setup_layer_forged(void)
{
    seal(PROTO_PURPOSE_REWORK, 2);
    forge();
    layer_setup();
}

static void setup_lock(void)
{
    board_begin(&lab.board, PROTO_CMD_LOCK, NULL, 0);
}

/* Power on, up to the image's first instruction. */
static void begin_boot(void)
{
    sim_chip_set_power(lab.board.chip, false);
    sim_chip_set_power(lab.board.chip, true);
    lab.board.sequence = 0;
    assert_true(
        sim_chip_test_run_to(lab.board.chip, firmware_symbol(&lab.firmware, "bl_reset", NULL),
            sim_chip_time_ps(lab.board.chip) + BOOT_PS));
}

/* The die as flash boot hands it over in SECURE: port shut, pins off. That the ROM verifies the
 * image before is the simulator's business (tests/unit/sim) and not disturbed here. */
static void begin_secure_boot(const uint8_t restrictions[PROTO_RESTRICT_SIZE])
{
    struct sim_chip *chip = lab.board.chip;

    begin_boot();
    memcpy(chip->nvm.efuse + BL_FUSE_DEAD_RESTRICT0, restrictions, PROTO_RESTRICT_SIZE);
    chip->nvm.efuse[BL_FUSE_LIFECYCLE] |= FUSE_SECURE;
    chip->regs.protection = PROTECTION_SECURE;
    chip->regs.ap_ctl = 0;
    chip->regs.swj_select = 0;
    chip->swd_connected = false;
}

static void setup_locked_boot(void)
{
    static const uint8_t required[PROTO_RESTRICT_SIZE] = PROTO_RESTRICT_REQUIRED;
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    assert_int_equal(board_ask(&lab.board, PROTO_CMD_LOCK, NULL, 0, answer, &length), PROTO_OK);
    bind_for_production();
    begin_secure_boot(required);
}

/* SECURE, but one restriction is missing. */
static void setup_loose_boot(void)
{
    static const uint8_t loose[PROTO_RESTRICT_SIZE] = { 0xBF, 0xFF, 0xBB, 0xF3 };

    bind_for_production();
    begin_secure_boot(loose);
}

static void setup_statement(void)
{
    bind_for_production();
    board_power_cycle(&lab.board);
    board_begin(&lab.board, PROTO_CMD_STATEMENT, lab.board.authority.key_id, PROTO_KEY_ID_SIZE);
}

static void setup_boot_and_statement(void)
{
    bind_for_production();
    begin_boot();
}

/* The station asks for a statement as soon as the mailbox is there. */
static bool ask_statement(void *user, struct sim_chip *chip)
{
    uint8_t word[4];
    struct sim_chip *own = lab.board.chip;

    (void)user;
    if (!sim_chip_test_read(
            chip, PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_MAGIC_AT, word, sizeof(word)) ||
        base_get_le32(word) != PROTO_MAILBOX_MAGIC)
        return false;
    lab.board.chip = chip;
    lab.board.sequence = 0;
    board_begin(&lab.board, PROTO_CMD_STATEMENT, lab.board.authority.key_id, PROTO_KEY_ID_SIZE);
    lab.board.chip = own;
    return true;
}

/* The same program, signed by somebody else. */
static void setup_unsigned(void)
{
    struct signer other;

    signer_init_fixed(&other, OTHER_SIGNER);
    app_board_program(&lab.app, &other, 0x01000000U);
    signer_done(&other);
}

/* Signed as it must be, after a newer one has run. */
static void setup_old_application(void)
{
    app_board_program(&lab.app, &lab.app.signer, 0x02000000U);
    lab.app.board = lab.board;
    app_board_run(&lab.app);
    lab.board = lab.app.board;
    app_board_program(&lab.app, &lab.app.signer, 0x01000000U);
    board_power_cycle(&lab.board);
}

static void run_application(void)
{
    board_begin(&lab.board, PROTO_CMD_RUN, NULL, 0);
}

static const struct scenario scenarios[] = {
    { "forged", false, setup_forged, install_envelope, judge_refused, judge_is_answered, NULL },
    { "replayed", false, setup_replayed, install_envelope, judge_refused, judge_is_answered, NULL },
    { "used-version", false, setup_used_version, install_envelope, judge_refused, judge_is_answered,
        NULL },
    { "foreign", false, setup_foreign, install_envelope, judge_refused, judge_is_answered, NULL },
    { "wrong-nonce", false, setup_wrong_nonce, install_envelope, judge_refused, judge_is_answered,
        NULL },
    { "rework-old", false, setup_rework_old, install_envelope, judge_refused, judge_is_answered,
        NULL },
    { "zeroise-forged", false, setup_zeroise_forged, zeroise_envelope, judge_refused,
        judge_is_answered, NULL },
    { "zeroise-replayed", false, setup_zeroise_replayed, zeroise_envelope, judge_refused,
        judge_is_answered, NULL },
    { "zeroise-foreign", false, setup_zeroise_foreign, zeroise_envelope, judge_refused,
        judge_is_answered, NULL },
    { "forget-forged", false, setup_forget_forged, forget, judge_refused, judge_is_answered, NULL },
    { "forget-early", false, setup_forget_early, forget, judge_refused, judge_is_answered, NULL },
    { "forget", false, setup_forget, forget, judge_forget, judge_is_answered, NULL },
    { "service-forged", false, setup_service_forged, serve_envelope, judge_refused, judge_is_served,
        NULL },
    { "service-replayed", false, setup_service_replayed, serve_envelope, judge_refused,
        judge_is_served, NULL },
    { "service-zeroise", false, setup_service_zeroise, serve_envelope, judge_refused,
        judge_is_served, NULL },
    { "service-join-forged", false, lock_and_start, serve_join_accept, judge_not_joined,
        judge_is_served, NULL },
    { "layer-start", false, layer_setup_start, NULL, layer_judge, layer_is_over, NULL },
    { "layer-call", false, layer_setup, layer_ask_to_join, layer_judge_call, layer_is_over,
        layer_park },
    { "layer-forged", false, setup_layer_forged, layer_give_envelope, layer_judge, layer_is_over,
        layer_park },
    { "commit", false, setup_good, install_envelope, judge_commit, judge_is_answered, NULL },
    { "open-port", true, setup_statement, NULL, judge_no_identity, judge_is_answered, NULL },
    { "open-port-boot", true, setup_boot_and_statement, NULL, judge_no_identity, judge_is_answered,
        ask_statement },
    { "lock", false, NULL, setup_lock, judge_lock, judge_is_answered, NULL },
    { "locked-boot", false, setup_locked_boot, NULL, judge_shut, judge_is_asleep, NULL },
    { "unsigned", false, setup_unsigned, run_application, judge_not_started, judge_is_answered,
        NULL },
    { "old-application", false, setup_old_application, run_application, judge_not_started,
        judge_is_answered, NULL },
    { "loose-boot", true, setup_loose_boot, NULL, judge_shut, judge_is_asleep, NULL },
};

const struct scenario *scenario_find(const char *name)
{
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        if (strcmp(name, scenarios[i].name) == 0)
            return &scenarios[i];
    }
    return NULL;
}

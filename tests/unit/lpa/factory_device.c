/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "tests/unit/lpa/factory_parts.h"

#include <string.h>

static struct chip *here(struct factory *f)
{
    return &f->chips[f->socket];
}

static enum base_status no_answer(struct base_err *err)
{
    return base_err_set(err, BASE_E_TIMEOUT, "SWD", 0, "no mailbox");
}

static enum base_status dev_examine(void *user, struct lpa_exam *ret_exam, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    chip->running = chip->sealed;
    chip->dark = chip->locked; /* looking resets it */
    if (chip->dark) {
        (void)base_err_set(err, BASE_E_LOCKED, "SWD", 0, "every access port refuses");
        base_err_set_code(err, "port_locked");
        return BASE_E_LOCKED;
    }
    memset(ret_exam, 0, sizeof(*ret_exam));
    memcpy(ret_exam->chip_id, chip->id, 8);
    ret_exam->silicon_id = chip->wrong_family ? 0x0102E453 : 0x0100E207;
    ret_exam->lifecycle = chip->sealed ? PROTO_LIFECYCLE_SECURE : PROTO_LIFECYCLE_NORMAL;
    ret_exam->closed = chip->sealed;
    ret_exam->image_equal = chip->image;
    ret_exam->application_equal = chip->application && !chip->sealed;
    ret_exam->vault_written = chip->vault != PROTO_VAULT_EMPTY;
    END(BASE_E_LINK);
}

static enum base_status dev_program(void *user, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    if (here(f)->sealed) {
        return base_err_set(err, BASE_E_LOCKED, "SWD", 0, "closed");
    }
    f->programs++;
    here(f)->image = fault != FAULT_LOST_REPLY; /* a cut leaves half an image */
    here(f)->old_bootloader = false;
    END(BASE_E_LINK);
}

static enum base_status dev_verify(void *user, bool *ret_equal, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    *ret_equal = here(f)->image && !here(f)->dead_flash;
    END(BASE_E_LINK);
}

static enum base_status dev_program_application(void *user, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    if (chip->sealed) {
        return base_err_set(err, BASE_E_LOCKED, "SWD", 0, "closed");
    }
    f->applications++;
    chip->running = false;                         /* stopped for it */
    chip->application = fault != FAULT_LOST_REPLY; /* a cut leaves half of it */
    END(BASE_E_LINK);
}

static enum base_status dev_verify_application(void *user, bool *ret_equal, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    *ret_equal = here(f)->application && !here(f)->dead_flash;
    END(BASE_E_LINK);
}

static enum base_status dev_boot(void *user, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    if ((!chip->image && !chip->old_bootloader) || chip->dark) {
        return no_answer(err);
    }
    chip->running = true;
    END(BASE_E_LINK);
}

static enum base_status dev_hello(void *user, struct proto_hello *ret_hello, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    if (!chip->running || chip->dark) {
        return no_answer(err);
    }
    memset(ret_hello, 0, sizeof(*ret_hello));
    memcpy(ret_hello->chip_id, chip->id, 8);
    ret_hello->health = PROTO_OK;
    ret_hello->vault_state = chip->locked ? PROTO_VAULT_LOCKED : (uint8_t)chip->vault;
    ret_hello->key_version = chip->key_version;
    END(BASE_E_LINK);
}

static enum base_status dev_statement(void *user, const uint8_t authority[PROTO_KEY_ID_SIZE],
    uint8_t ret_statement[PROTO_STATEMENT_SIZE], struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    if (!chip->running || chip->dark) {
        return no_answer(err);
    }
    bool production = f->lot.restrict_policy == AUTH_RESTRICT_SECURE;
    if (production && !chip->sealed) {
        return base_err_set(
            err, BASE_E_TARGET, "device", PROTO_NOT_RESTRICTED, "the debug port is open");
    }
    if (chip->vault == PROTO_VAULT_EMPTY) {
        chip->vault = PROTO_VAULT_IDENTITY;
        factory_draw(f, chip->key, sizeof(chip->key));
        chip->key[0] = 4;
        factory_draw(f, chip->nonce, sizeof(chip->nonce));
    }
    static const uint8_t restrictions[] = PROTO_RESTRICT_REQUIRED;
    struct proto_statement statement = {
        .silicon_id = 0x0100E207,
        .lifecycle = chip->sealed ? PROTO_LIFECYCLE_SECURE : PROTO_LIFECYCLE_NORMAL,
        .flags = production ? 0 : PROTO_FLAG_LAB,
        .vault_state = (uint8_t)chip->vault,
        .key_version = chip->key_version,
    };
    if (chip->sealed) {
        memcpy(statement.restrictions, restrictions, sizeof(restrictions));
    }
    memcpy(statement.authority_key_id, authority, PROTO_KEY_ID_SIZE);
    memcpy(statement.chip_id, chip->id, 8);
    memcpy(statement.public_key, chip->key, sizeof(chip->key));
    memcpy(statement.nonce, chip->nonce, sizeof(chip->nonce));
    proto_statement_encode(&statement, ret_statement);
    END(BASE_E_LINK);
}

static enum base_status dev_install(void *user, const uint8_t *envelope, size_t length,
    uint32_t *ret_status, uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    struct proto_envelope view;
    if (!chip->running || chip->dark) {
        return no_answer(err);
    }
    if (proto_envelope_decode(envelope, length, &view) != PROTO_OK) {
        *ret_status = PROTO_BAD_FIELD;
    } else if (memcmp(view.header.chip_id, chip->id, 8) != 0) {
        *ret_status = PROTO_WRONG_CHIP;
    } else if (chip->vault >= PROTO_VAULT_COMMITTED &&
               memcmp(view.header.envelope_id, chip->envelope_id, 16) == 0) {
        *ret_status = PROTO_ALREADY;
    } else if (memcmp(view.header.nonce, chip->nonce, 16) != 0) {
        *ret_status = PROTO_WRONG_NONCE;
    } else if (view.header.key_version <= chip->key_version) {
        *ret_status = PROTO_OLD_KEY_VERSION;
    } else {
        struct proto_receipt receipt = { .purpose = view.header.purpose,
            .key_version = view.header.key_version };
        memcpy(receipt.envelope_id, view.header.envelope_id, 16);
        memcpy(receipt.chip_id, chip->id, 8);
        base_sha256(envelope, length, receipt.envelope_hash);
        memcpy(chip->envelope_id, view.header.envelope_id, 16);
        chip->key_version = view.header.key_version;
        bool zeroise = view.header.purpose == PROTO_PURPOSE_ZEROISE;
        chip->vault = zeroise ? PROTO_VAULT_ZEROISED : PROTO_VAULT_COMMITTED;
        chip->nonce_no++;
        factory_draw(f, chip->nonce, sizeof(chip->nonce));
        proto_receipt_encode(&receipt, chip->receipt);
        *ret_status = PROTO_OK;
    }
    memcpy(ret_receipt, chip->receipt, PROTO_RECEIPT_SIZE);
    END(BASE_E_LINK);
}

static enum base_status dev_receipt(
    void *user, uint32_t *ret_status, uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    if (!chip->running || chip->dark) {
        return no_answer(err);
    }
    *ret_status = chip->vault >= PROTO_VAULT_COMMITTED ? PROTO_OK : PROTO_NO_RECORD;
    if (chip->vault == PROTO_VAULT_FORGOTTEN) {
        *ret_status = PROTO_FORGOTTEN;
    }
    if (chip->mute && !chip->image) {
        *ret_status = PROTO_BAD_COMMAND;
    }
    memcpy(ret_receipt, chip->receipt, PROTO_RECEIPT_SIZE);
    END(BASE_E_LINK);
}

static enum base_status dev_forget(void *user, const uint8_t confirmation[PROTO_MAC_SIZE],
    uint32_t *ret_status, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    if (!chip->running || chip->dark) {
        return no_answer(err);
    }
    /* before the act: in the journal, and the receipt with the KMS */
    if (f->rows[0].step != LPA_STEP_FORGET || f->rows[0].state != LPA_STATE_WIPED) {
        f->asked_without_intent = true;
    }
    if (chip->cannot_forget) {
        *ret_status = PROTO_BAD_COMMAND;
    } else if (chip->vault == PROTO_VAULT_FORGOTTEN) {
        *ret_status = PROTO_FORGOTTEN;
    } else if (chip->vault != PROTO_VAULT_ZEROISED) {
        *ret_status = PROTO_WRONG_STATE;
    } else if (memcmp(confirmation, chip->envelope_id, sizeof(chip->envelope_id)) != 0) {
        *ret_status = PROTO_BAD_CONFIRMATION;
    } else {
        chip->vault = PROTO_VAULT_FORGOTTEN;
        memset(chip->receipt, 0, sizeof(chip->receipt));
        *ret_status = PROTO_OK;
    }
    END(BASE_E_LINK);
}

static enum base_status dev_self_test(
    void *user, uint8_t ret_join_request[PROTO_JOIN_REQUEST_SIZE], struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    memset(ret_join_request, 0xA5, PROTO_JOIN_REQUEST_SIZE);
    END(BASE_E_LINK);
}

const struct lpa_device_ops factory_device_ops = {
    .examine = dev_examine,
    .program = dev_program,
    .verify = dev_verify,
    .program_application = dev_program_application,
    .verify_application = dev_verify_application,
    .boot = dev_boot,
    .hello = dev_hello,
    .statement = dev_statement,
    .install = dev_install,
    .receipt = dev_receipt,
    .plan = factory_plan,
    .rehearse = factory_rehearse,
    .check_rehearsed = factory_check_rehearsed,
    .restrict_port = factory_restrict,
    .check_restricted = factory_check_restricted,
    .seal = factory_seal,
    .check_sealed = factory_check_sealed,
    .zeroise = dev_install,
    .forget = dev_forget,
    .lock = factory_lock,
    .reset = factory_reset,
    .check_locked = factory_check_locked,
    .self_test = dev_self_test,
};

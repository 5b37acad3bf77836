/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/device.h"

#include "base/hash.h"
#include "lpa/device_private.h"

#include <stdlib.h>
#include <string.h>

#define ACQUIRE_MS        300U
#define ATTACH_MS         2000U /* a restricted board opens its port late */
#define MAILBOX_MS        2000U
#define STATEMENT_MS      20000U /* first boot: key generation and two multiplications */
#define INSTALL_MS        20000U
#define TRIES_MAX         3
#define VAULT_MAGIC_BYTES 4U
#define LIFECYCLE_NORMAL  0x01U
#define LIFECYCLE_DEBUG   0x02U
#define LIFECYCLE_SECURE  0x04U
#define PROTECTION_VIRGIN 1U
#define PROTECTION_DEAD   4U

/* --- life --- */

enum base_status lpa_device_new(const char *url, const struct lpa_image *image,
    const struct base_clock *clock, const struct base_log *log, struct lpa_device **ret_device,
    struct base_err *err)
{
    struct lpa_device *device = calloc(1, sizeof(*device));
    if (device == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "device", 0, "no memory for a site");
    }
    device->url = url;
    device->image = image;
    device->clock = clock;
    device->log = log;
    *ret_device = device;
    return BASE_OK;
}

static void hang_up(struct lpa_device *device)
{
    lpa_mailbox_close(device->mailbox);
    prg_psoc6_free(device->chip);
    prg_link_close(device->link);
    device->mailbox = NULL;
    device->chip = NULL;
    device->link = NULL;
    device->acquired = false;
}

void lpa_device_free(struct lpa_device *device)
{
    if (device != NULL) {
        hang_up(device);
        free(device);
    }
}

enum base_status lpa_device_take_link(
    struct lpa_device *device, struct prg_link *link, struct base_err *err)
{
    hang_up(device);
    device->link = link;
    enum base_status status = prg_psoc6_new(link, &device->chip, err);
    if (status != BASE_OK) {
        hang_up(device);
    }
    return status;
}

bool lpa_device_is_lab_probe(const char *url)
{
    const struct prg_transport *transport = NULL;
    const char *address = NULL;
    return prg_transport_find(url, &transport, &address, NULL) == BASE_OK && transport->lab_only;
}

enum base_status lpa_device_probe_ready(
    const char *url, const struct base_clock *clock, struct base_err *err)
{
    struct prg_link_opts opts = { .clock = clock };
    struct prg_link *link = NULL;
    enum base_status status = prg_link_open(url, &opts, &link, err);
    prg_link_close(link);
    return status;
}

/* "unknown" of the line between probe and chip is not the "unknown" of a KMS request: what a chip
 * did can always be asked. */
enum base_status lpa_device_at_site(
    struct lpa_device *device, const struct base_err *cause, struct base_err *err)
{
    if (err != NULL && err->status == BASE_OK) {
        *err = *cause;
        if (strcmp(err->code, "unknown") == 0 || strcmp(err->code, "reset") == 0) {
            base_err_set_code(err, "link_lost");
        }
    }
    (void)device;
    return cause->status;
}

static enum base_status open_probe(struct lpa_device *device, struct base_err *err)
{
    struct prg_link_opts opts = { .clock = device->clock, .log = device->log };
    enum base_status status = BASE_OK;
    if (device->link != NULL) {
        /* The board may be another one, and the probe may have been unplugged meanwhile. */
        lpa_mailbox_close(device->mailbox);
        device->mailbox = NULL;
        device->acquired = false;
        if (prg_link_resync(device->link, NULL) == BASE_OK) {
            return BASE_OK;
        }
        hang_up(device);
    }
    status = prg_link_open(device->url, &opts, &device->link, err);
    if (status == BASE_OK) {
        status = prg_psoc6_new(device->link, &device->chip, err);
    }
    if (status != BASE_OK) {
        hang_up(device);
    }
    return status;
}

/* --- examine --- */

static enum proto_lifecycle lifecycle_of(const struct prg_psoc6_info *info)
{
    if (info->protection == PROTECTION_DEAD) {
        return PROTO_LIFECYCLE_DEAD;
    }
    if ((info->lifecycle_fuses & LIFECYCLE_SECURE) != 0) {
        return PROTO_LIFECYCLE_SECURE;
    }
    if ((info->lifecycle_fuses & LIFECYCLE_DEBUG) != 0) {
        return PROTO_LIFECYCLE_SECURE_WITH_DEBUG;
    }
    bool virgin =
        info->protection == PROTECTION_VIRGIN && (info->lifecycle_fuses & LIFECYCLE_NORMAL) == 0;
    return virgin ? PROTO_LIFECYCLE_VIRGIN : PROTO_LIFECYCLE_NORMAL;
}

/* Is a record there? Only the first word of a home is read, its magic: what follows is secret, and
 * an open port would hand it out. */
static enum base_status read_vault(
    struct lpa_device *device, bool *ret_written, struct base_err *err)
{
    static const uint32_t homes[] = { PROTO_VAULT_HOME_0, PROTO_VAULT_HOME_1 };
    bool written = false;
    for (size_t i = 0; i < 2; i++) {
        uint8_t magic[VAULT_MAGIC_BYTES];
        enum base_status status = prg_psoc6_read(device->chip, homes[i], sizeof(magic), magic, err);
        if (status != BASE_OK) {
            return status;
        }
        for (size_t k = 0; k < sizeof(magic); k++) {
            written = written || magic[k] != 0; /* erased flash reads 0 on this family */
        }
    }
    *ret_written = written;
    return BASE_OK;
}

/* A chip that is blank or holds something else mostly shows it in its first row, which saves
 * reading the rest. */
static enum base_status begins_alike(struct lpa_device *device, uint32_t address,
    const struct base_buf *bytes, bool *ret_alike, struct base_err *err)
{
    uint8_t row[PRG_PSOC6_ROW_SIZE];
    size_t length = bytes->length < sizeof(row) ? bytes->length : sizeof(row);
    enum base_status status = prg_psoc6_read(device->chip, address, (uint32_t)length, row, err);
    if (status == BASE_OK) {
        *ret_alike = memcmp(row, bytes->data, length) == 0;
    }
    return status;
}

enum base_status lpa_device_compare(struct lpa_device *device, uint32_t address,
    const struct base_buf *bytes, const uint8_t sha256[32], bool *ret_equal, struct base_err *err)
{
    uint8_t digest[32];
    bool equal = false;
    if (bytes->length == 0) { /* a board that is to be wiped is looked at without an image */
        *ret_equal = false;
        return BASE_OK;
    }
    enum base_status status = begins_alike(device, address, bytes, &equal, err);
    if (status == BASE_OK && equal) {
        status = prg_psoc6_digest(device->chip, address, (uint32_t)bytes->length, digest, err);
        equal = status == BASE_OK && memcmp(digest, sha256, sizeof(digest)) == 0;
    }
    if (status == BASE_OK) {
        *ret_equal = equal;
    }
    return status;
}

static enum base_status compare_image(
    struct lpa_device *device, bool *ret_equal, struct base_err *err)
{
    const struct lpa_image *image = device->image;
    enum prg_psoc6_toc2 toc2 = PRG_PSOC6_TOC2_BLANK;
    bool equal = false;
    enum base_status status =
        lpa_device_compare(device, PROTO_IMAGE_ADDRESS, &image->bytes, image->sha256, &equal, err);
    if (status == BASE_OK && equal) {
        status = prg_psoc6_read_toc2(device->chip, &toc2, err);
        /* Where boards are restricted the table of contents is the rehearsal's affair. */
        equal = toc2 == PRG_PSOC6_TOC2_OURS || image->restricts;
    }
    if (status == BASE_OK) {
        *ret_equal = equal;
    }
    return status;
}

static enum base_status examine_open(
    struct lpa_device *device, struct lpa_exam *ret_exam, struct base_err *err)
{
    struct prg_psoc6_info info;
    struct lpa_exam exam = { 0 };
    enum base_status status = prg_psoc6_identify(device->chip, &info, err);
    if (status != BASE_OK) {
        return status;
    }
    memcpy(exam.chip_id, info.unique_id, sizeof(exam.chip_id));
    exam.silicon_id = (uint32_t)info.family << 16 | info.silicon_id;
    exam.lifecycle = lifecycle_of(&info);
    if (info.family == PRG_PSOC6_BLE2) {
        status = compare_image(device, &exam.image_equal, err);
        if (status == BASE_OK && device->image->have_application) {
            status = lpa_device_compare_application(device, &exam.application_equal, err);
        }
        if (status == BASE_OK) {
            status = read_vault(device, &exam.vault_written, err);
        }
    }
    if (status == BASE_OK) {
        *ret_exam = exam;
    }
    return status;
}

static enum base_status open_mailbox(struct lpa_device *device, struct base_err *err)
{
    lpa_mailbox_close(device->mailbox);
    device->mailbox = NULL;
    device->acquired = false;
    return lpa_mailbox_open(device->link, MAILBOX_MS, &device->mailbox, err);
}

/* One mailbox command. A cut answer is asked for again: the device knows the sequence number and
 * does nothing twice. */
enum base_status lpa_device_command(struct lpa_device *device, uint32_t number,
    const uint8_t *payload, size_t length, uint32_t timeout_ms, size_t size, uint32_t *ret_status,
    uint8_t *ret_answer, struct base_err *err)
{
    struct base_err cause = { 0 };
    if (device->mailbox == NULL) {
        return base_err_set(
            err, BASE_E_LINK, "device", 0, "the bootloader is not connected at this site");
    }
    for (int try = 1;; try++) {
        size_t got = 0;
        base_err_clear(&cause);
        enum base_status status = lpa_mailbox_call(device->mailbox, number, payload, length,
            timeout_ms, size, ret_status, ret_answer, &got, &cause);
        if (status == BASE_OK) {
            bool whole = *ret_status != PROTO_OK && *ret_status != PROTO_ALREADY;
            return whole || got == size
                       ? BASE_OK
                       : base_err_set(err, BASE_E_PROTO, "device", (int64_t)got,
                             "the device answered command %u with %zu bytes instead of %zu", number,
                             got, size);
        }
        if (strcmp(cause.code, "unknown") != 0 || try == TRIES_MAX ||
            prg_link_resync(device->link, NULL) != BASE_OK) {
            return lpa_device_at_site(device, &cause, err);
        }
    }
}

static enum base_status refused(uint32_t answer, const char *what, struct base_err *err)
{
    return base_err_set(err, BASE_E_TARGET, "device", answer, "the device refused %s: %s", what,
        proto_status_text(answer));
}

static enum base_status take_hello(
    struct lpa_device *device, struct proto_hello *ret_hello, struct base_err *err)
{
    uint8_t bytes[PROTO_HELLO_SIZE];
    uint32_t answer = 0;
    enum base_status status =
        lpa_device_command(device, PROTO_CMD_HELLO, NULL, 0, 0, sizeof(bytes), &answer, bytes, err);
    if (status != BASE_OK) {
        return status;
    }
    if (answer != PROTO_OK) {
        return refused(answer, "to say hello", err);
    }
    enum proto_status decoded = proto_hello_decode(bytes, sizeof(bytes), ret_hello);
    return decoded == PROTO_OK
               ? BASE_OK
               : base_err_set(err, BASE_E_PROTO, "device", (int64_t)decoded,
                     "the device's hello is malformed: %s", proto_status_text(decoded));
}

/* No mailbox: where every access port refuses too, the board is locked, and its id is its label's
 * affair. */
static enum base_status silent_board(
    struct lpa_device *device, const struct base_err *cause, struct base_err *err)
{
    if (prg_psoc6_lock_check(device->chip, ATTACH_MS, NULL) != BASE_OK) {
        if (err != NULL && err->status == BASE_OK) {
            *err = *cause;
        }
        return cause->status;
    }
    (void)base_err_set(err, BASE_E_LOCKED, "SWD", 0,
        "the debug port answers and every access port refuses: this board is locked, or dead, and "
        "says no more who it is");
    base_err_set_code(err, "port_locked");
    return BASE_E_LOCKED;
}

static enum base_status examine_closed(
    struct lpa_device *device, struct lpa_exam *ret_exam, struct base_err *err)
{
    struct proto_hello hello;
    /* Names a chip of another kind by its debug port, and a silent line. */
    enum base_status status = prg_psoc6_attach(device->chip, ATTACH_MS, err);
    if (status == BASE_OK) {
        struct base_err cause = { 0 };
        status = open_mailbox(device, &cause);
        if (status == BASE_OK) {
            status = take_hello(device, &hello, &cause);
        }
        if (status != BASE_OK) {
            return silent_board(device, &cause, err);
        }
    }
    if (status != BASE_OK) {
        return status;
    }
    struct lpa_exam exam = { .silicon_id = hello.silicon_id,
        .lifecycle = (enum proto_lifecycle)hello.lifecycle,
        .vault_written = hello.vault_state != PROTO_VAULT_EMPTY,
        .closed = true };
    memcpy(exam.chip_id, hello.chip_id, sizeof(exam.chip_id));
    exam.image_equal = memcmp(hello.bootloader_hash, device->image->sha256, 32) == 0;
    *ret_exam = exam;
    return BASE_OK;
}

static enum base_status acquire(
    struct lpa_device *device, enum prg_psoc6_acquire *ret_outcome, struct base_err *err)
{
    struct prg_psoc6_acquire_opts opts = { .timeout_ms = ACQUIRE_MS };
    lpa_mailbox_close(device->mailbox);
    device->mailbox = NULL;
    enum base_status status = prg_psoc6_acquire(device->chip, &opts, ret_outcome, err);
    device->acquired = status == BASE_OK && *ret_outcome == PRG_PSOC6_ACQUIRED;
    return status;
}

static enum base_status op_examine(void *user, struct lpa_exam *ret_exam, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
    enum base_status status = open_probe(device, &cause);
    if (status == BASE_OK) {
        status = acquire(device, &outcome, &cause);
    }
    if (status == BASE_OK) {
        status = device->acquired ? examine_open(device, ret_exam, &cause)
                                  : examine_closed(device, ret_exam, &cause);
    }
    if (status == BASE_OK) {
        lpa_probe_of(prg_link_probe(device->link), &ret_exam->probe);
    }
    return status == BASE_OK ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

/* --- program --- */

enum base_status lpa_device_must_acquire(struct lpa_device *device, struct base_err *err)
{
    enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
    if (device->acquired) {
        return BASE_OK;
    }
    enum base_status status = acquire(device, &outcome, err);
    if (status == BASE_OK && !device->acquired) {
        (void)base_err_set(err, BASE_E_LOCKED, "SWD", (int64_t)outcome,
            "the chip cannot be stopped for programming: its port is closed or silent");
        base_err_set_code(err, "port_closed");
        return BASE_E_LOCKED;
    }
    return status;
}

static enum base_status op_program(void *user, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    enum base_status status = lpa_device_must_acquire(device, &cause);
    if (status == BASE_OK) {
        status = prg_psoc6_check_image(device->chip, &device->image->program, &cause);
    }
    if (status == BASE_OK) {
        status =
            prg_psoc6_program(device->chip, &device->image->program, NULL, NULL, &change, &cause);
    }
    if (status == BASE_OK && !device->image->restricts) {
        status = prg_psoc6_write_toc2(device->chip, &change, &cause);
    }
    return status == BASE_OK ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

static enum base_status op_verify(void *user, bool *ret_equal, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    enum base_status status = lpa_device_must_acquire(device, &cause);
    if (status == BASE_OK) {
        status = compare_image(device, ret_equal, &cause);
    }
    return status == BASE_OK ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

/* --- mailbox --- */

/* Memory keeps its content over a reset, so the mailbox of the boot before may still stand there
 * when it is opened: the first hello then finds that the chip was reset. */
static enum base_status open_fresh_mailbox(struct lpa_device *device, struct base_err *err)
{
    for (int try = 1;; try++) {
        struct proto_hello hello;
        struct base_err cause = { 0 };
        enum base_status status = open_mailbox(device, &cause);
        if (status == BASE_OK) {
            status = take_hello(device, &hello, &cause);
        }
        if (status == BASE_OK) {
            return BASE_OK;
        }
        if (strcmp(cause.code, "link_lost") != 0 || try == TRIES_MAX) {
            *err = cause;
            return status;
        }
    }
}

static enum base_status op_boot(void *user, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    if (device->mailbox != NULL && !device->acquired) {
        return BASE_OK; /* found through the mailbox: it runs already */
    }
    enum base_status status = prg_psoc6_reset(device->chip, &cause);
    if (status == BASE_OK) {
        status = open_fresh_mailbox(device, &cause);
    }
    return status == BASE_OK ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

static enum base_status op_hello(void *user, struct proto_hello *ret_hello, struct base_err *err)
{
    return take_hello(user, ret_hello, err);
}

static enum base_status op_statement(void *user, const uint8_t authority_key_id[PROTO_KEY_ID_SIZE],
    uint8_t ret_statement[PROTO_STATEMENT_SIZE], struct base_err *err)
{
    uint32_t answer = 0;
    enum base_status status = lpa_device_command(user, PROTO_CMD_STATEMENT, authority_key_id,
        PROTO_KEY_ID_SIZE, STATEMENT_MS, PROTO_STATEMENT_SIZE, &answer, ret_statement, err);
    if (status == BASE_OK && answer != PROTO_OK) {
        return refused(answer, "to make a statement", err);
    }
    return status;
}

static enum base_status op_zeroise(void *user, const uint8_t *envelope, size_t length,
    uint32_t *ret_status, uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err)
{
    return lpa_device_command(user, PROTO_CMD_ZEROISE, envelope, length, INSTALL_MS,
        PROTO_RECEIPT_SIZE, ret_status, ret_receipt, err);
}

static enum base_status op_forget(void *user, const uint8_t confirmation[PROTO_MAC_SIZE],
    uint32_t *ret_status, struct base_err *err)
{
    uint8_t none[1];
    return lpa_device_command(
        user, PROTO_CMD_FORGET, confirmation, PROTO_MAC_SIZE, INSTALL_MS, 0, ret_status, none, err);
}

static enum base_status op_install(void *user, const uint8_t *envelope, size_t length,
    uint32_t *ret_status, uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err)
{
    return lpa_device_command(user, PROTO_CMD_INSTALL, envelope, length, INSTALL_MS,
        PROTO_RECEIPT_SIZE, ret_status, ret_receipt, err);
}

static enum base_status op_receipt(
    void *user, uint32_t *ret_status, uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err)
{
    return lpa_device_command(
        user, PROTO_CMD_RECEIPT, NULL, 0, 0, PROTO_RECEIPT_SIZE, ret_status, ret_receipt, err);
}

static enum base_status op_self_test(
    void *user, uint8_t ret_join_request[PROTO_JOIN_REQUEST_SIZE], struct base_err *err)
{
    uint32_t answer = 0;
    enum base_status status = lpa_device_command(user, PROTO_CMD_SELF_TEST, NULL, 0, INSTALL_MS,
        PROTO_JOIN_REQUEST_SIZE, &answer, ret_join_request, err);
    if (status == BASE_OK && answer != PROTO_OK) {
        return refused(answer, "the self-test", err);
    }
    return status;
}

const struct lpa_device_ops lpa_device_job_ops = {
    .examine = op_examine,
    .program = op_program,
    .verify = op_verify,
    .program_application = lpa_device_program_application,
    .verify_application = lpa_device_verify_application,
    .boot = op_boot,
    .hello = op_hello,
    .statement = op_statement,
    .install = op_install,
    .receipt = op_receipt,
    .plan = lpa_device_plan,
    .rehearse = lpa_device_rehearse,
    .check_rehearsed = lpa_device_check_rehearsed,
    .restrict_port = lpa_device_restrict,
    .check_restricted = lpa_device_check_restricted,
    .seal = lpa_device_seal,
    .check_sealed = lpa_device_check_sealed,
    .zeroise = op_zeroise,
    .forget = op_forget,
    .lock = lpa_device_lock,
    .reset = lpa_device_reset,
    .check_locked = lpa_device_check_locked,
    .self_test = op_self_test,
};

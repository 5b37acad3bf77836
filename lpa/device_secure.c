/* SPDX-License-Identifier: Apache-2.0 */
/* From an open board to a restricted one, and from a restricted one to a locked one. */
#include "base/buf.h"
#include "base/hash.h"
#include "lpa/device_private.h"
#include "programmer/psoc6_regs.h"

#include <stdio.h>
#include <string.h>

#define LOCK_MS      5000U
#define LOCK_PORT_MS 2000U
#define LIST_MAX     (PRG_PSOC6_PLAN_MAX * 48U)

static const struct prg_psoc6_secure_opts port_opts = {
    .mailbox = PROTO_MAILBOX_ADDRESS,
    .mailbox_bytes = PROTO_MAILBOX_SIZE,
};

/* The chip resets: mailbox and parked core are gone. */
static void lose_touch(struct lpa_device *device)
{
    lpa_mailbox_close(device->mailbox);
    device->mailbox = NULL;
    device->acquired = false;
}

/* --- plan --- */

/* Exact and short enough for a log record: "5 bits: 14=a0 2b=04", byte and new bits in hexadecimal.
 */
static void write_names(const struct prg_psoc6_plan *plan, size_t size, char *names)
{
    uint8_t bits[PRG_PSOC6_FUSE_BYTES] = { 0 };
    int used = snprintf(names, size, "%zu bits:", plan->count);
    for (size_t i = 0; i < plan->count; i++) {
        const struct prg_psoc6_fuse *fuse = &plan->fuses[i];
        bits[fuse->byte] = (uint8_t)(bits[fuse->byte] | 1U << fuse->bit);
    }
    for (unsigned i = 0; i < sizeof(bits) && used > 0 && (size_t)used < size; i++) {
        if (bits[i] != 0) {
            used += snprintf(names + used, size - (size_t)used, " %02x=%02x", i, bits[i]);
        }
    }
}

static enum base_status write_list(
    const struct prg_psoc6_plan *plan, struct lpa_plan *ret_plan, struct base_err *err)
{
    struct base_buf text;
    base_buf_init(&text, LIST_MAX);
    enum base_status status = BASE_OK;
    for (size_t i = 0; i < plan->count && status == BASE_OK; i++) {
        status = base_buf_printf(&text, err, "%s\n", plan->fuses[i].name);
    }
    const char *list = status == BASE_OK ? base_buf_text(&text) : NULL;
    ret_plan->list = list == NULL ? NULL : strdup(list);
    if (status == BASE_OK && ret_plan->list == NULL && plan->count != 0) {
        status = base_err_set(err, BASE_E_NOMEM, "device", 0, "no memory for the plan of fuses");
    }
    base_buf_done(&text);
    return status;
}

enum base_status lpa_device_plan(void *user, struct lpa_plan *ret_plan, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    uint8_t fuses[PRG_PSOC6_FUSE_BYTES];
    struct prg_psoc6_plan plan;
    enum base_status status = lpa_device_must_acquire(device, &cause);
    if (status == BASE_OK) {
        status = prg_psoc6_read_secure_fuses(device->chip, fuses, &cause);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_secure_plan(&device->image->target, fuses, &plan, &cause);
    }
    if (status == BASE_OK) {
        memset(ret_plan, 0, sizeof(*ret_plan));
        ret_plan->bits = (uint32_t)plan.count;
        write_names(&plan, sizeof(ret_plan->names), ret_plan->names);
        status = write_list(&plan, ret_plan, &cause);
    }
    return status == BASE_OK ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

/* --- rehearse --- */

enum base_status lpa_device_rehearse(
    void *user, const struct prg_permit *permit, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    lose_touch(device);
    enum base_status status =
        prg_psoc6_rehearse_do(device->chip, &device->image->target, permit, &change, &cause);
    return status == BASE_OK ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

enum base_status lpa_device_check_rehearsed(void *user, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    lose_touch(device);
    enum base_status status =
        prg_psoc6_rehearse_check(device->chip, &device->image->target, &cause);
    device->acquired = status == BASE_OK;
    return status == BASE_OK ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

/* --- restrict and seal --- */

static bool is_last(const struct prg_psoc6_fuse *fuse)
{
    return fuse->byte == PSOC6_FUSE_LIFECYCLE;
}

/* Stops before the last fuse: what it would make unreadable is not written down yet. */
static bool stop_before_last(void *user, const struct prg_psoc6_fuse *fuse, bool blown)
{
    bool *stopped = user;
    if (blown || !is_last(fuse)) {
        return true;
    }
    *stopped = true;
    return false;
}

enum base_status lpa_device_restrict(
    void *user, const struct prg_permit *permit, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    bool stopped = false;
    struct prg_psoc6_secure_opts opts = port_opts;
    opts.fuse = stop_before_last;
    opts.user = &stopped;
    lose_touch(device);
    enum base_status status =
        prg_psoc6_restrict_do(device->chip, &device->image->target, permit, &opts, &change, &cause);
    bool as_wanted = status == BASE_OK || (status == BASE_E_CANCELLED && stopped);
    return as_wanted ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

static enum base_status read_record(
    struct lpa_device *device, struct auth_record *record, struct base_err *err)
{
    uint8_t key[PRG_PSOC6_KEY_SIZE];
    uint8_t toc2[PRG_PSOC6_ROW_SIZE];
    uint8_t fuses[PRG_PSOC6_FUSE_BYTES];
    struct prg_psoc6_info info;
    enum base_status status = prg_psoc6_identify(device->chip, &info, err);
    if (status == BASE_OK) {
        status = prg_psoc6_digest(device->chip, PROTO_IMAGE_ADDRESS,
            (uint32_t)device->image->bytes.length, record->image_sha256, err);
    }
    record->has_application = device->image->have_application;
    if (status == BASE_OK && record->has_application) {
        status = prg_psoc6_digest(device->chip, PROTO_APPLICATION_ADDRESS,
            (uint32_t)device->image->application.bytes.length, record->application_sha256, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_read(device->chip, PSOC6_SFLASH_KEY, sizeof(key), key, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_read(device->chip, PSOC6_SFLASH_TOC2, sizeof(toc2), toc2, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_read_secure_fuses(device->chip, fuses, err);
    }
    if (status == BASE_OK) {
        memcpy(record->chip_id, info.unique_id, sizeof(record->chip_id));
        base_sha256(key, sizeof(key), record->key_sha256);
        base_sha256(toc2, sizeof(toc2), record->toc2_sha256);
        memcpy(record->secure_hash, fuses + PSOC6_FUSE_SECURE_HASH, sizeof(record->secure_hash));
        memcpy(record->restrictions, info.restrictions, sizeof(record->restrictions));
    }
    return status;
}

/* Word for word what the target says, though the programmer compared it before: this is what other
 * people will believe. */
static const char *record_fault(const struct auth_record *record, const struct lpa_image *image)
{
    const struct prg_psoc6_target *target = &image->target;
    uint8_t toc2[BASE_SHA256_BYTES];
    base_sha256(target->toc2, sizeof(target->toc2), toc2);
    if (memcmp(record->image_sha256, target->image_sha256, sizeof(record->image_sha256)) != 0) {
        return "image";
    }
    if (image->have_application &&
        memcmp(record->application_sha256, image->application.sha256, BASE_SHA256_BYTES) != 0) {
        return "application";
    }
    if (memcmp(record->key_sha256, target->key_sha256, sizeof(record->key_sha256)) != 0) {
        return "image key";
    }
    if (memcmp(record->toc2_sha256, toc2, sizeof(toc2)) != 0) {
        return "table of contents";
    }
    if (memcmp(record->secure_hash, target->secure_hash, sizeof(record->secure_hash)) != 0) {
        return "SECURE_HASH";
    }
    bool equal =
        memcmp(record->restrictions, target->restrictions, sizeof(record->restrictions)) == 0;
    return equal ? NULL : "access restrictions";
}

enum base_status lpa_device_check_restricted(
    void *user, struct auth_record *ret_record, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    struct auth_record record = { .lot = "" };
    lose_touch(device);
    enum base_status status = lpa_device_must_acquire(device, &cause);
    if (status == BASE_OK) {
        status = read_record(device, &record, &cause);
    }
    if (status != BASE_OK) {
        return lpa_device_at_site(device, &cause, err);
    }
    const char *fault = record_fault(&record, device->image);
    if (fault != NULL) {
        return base_err_set(err, BASE_E_VERIFY, "device", 0,
            "the %s read back before the last fuse is not what was to be written", fault);
    }
    *ret_record = record;
    return BASE_OK;
}

enum base_status lpa_device_seal(void *user, const struct prg_permit *permit, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    lose_touch(device);
    enum base_status status = prg_psoc6_restrict_do(
        device->chip, &device->image->target, permit, &port_opts, &change, &cause);
    return status == BASE_OK ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

enum base_status lpa_device_check_sealed(void *user, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    lose_touch(device);
    enum base_status status = prg_psoc6_restrict_check(device->chip, &port_opts, &cause);
    return status == BASE_OK ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

/* --- lock --- */

enum base_status lpa_device_lock(void *user, const struct prg_permit *permit, uint32_t *ret_status,
    uint8_t ret_answer[PROTO_LOCK_ANSWER_SIZE], struct base_err *err)
{
    enum base_status status = prg_permit_check(permit, PRG_ACT_LOCK, err);
    return status == BASE_OK ? lpa_device_command(user, PROTO_CMD_LOCK, NULL, 0, LOCK_MS,
                                   PROTO_LOCK_ANSWER_SIZE, ret_status, ret_answer, err)
                             : status;
}

enum base_status lpa_device_reset(void *user, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    lose_touch(device);
    enum base_status status = prg_psoc6_reset(device->chip, &cause);
    return status == BASE_OK ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

enum base_status lpa_device_check_locked(void *user, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    enum base_status status = prg_psoc6_lock_check(device->chip, LOCK_PORT_MS, &cause);
    return status == BASE_OK ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_DEVICE_PRIVATE_H
#define LPA_DEVICE_PRIVATE_H

/** @file Private to lpa/device*.c. */

#include "lpa/device.h"
#include "lpa/mailbox.h"

struct lpa_device {
    const char *url;
    const struct lpa_image *image;
    const struct base_clock *clock;
    const struct base_log *log;
    struct prg_link *link;
    struct prg_psoc6 *chip;
    struct lpa_mailbox *mailbox;
    bool acquired; /**< CM0+ parked in ROM: SROM calls work */
};

/** Pass on a failure of the line between probe and chip. */
BASE_MUST_CHECK
enum base_status lpa_device_at_site(
    struct lpa_device *device, const struct base_err *cause, struct base_err *err);

/** One mailbox command with its answer of exactly @p size bytes. */
BASE_MUST_CHECK
enum base_status lpa_device_command(struct lpa_device *device, uint32_t number,
    const uint8_t *payload, size_t length, uint32_t timeout_ms, size_t size, uint32_t *ret_status,
    uint8_t *ret_answer, struct base_err *err);

/** Stop the chip, unless it is stopped already. BASE_E_LOCKED code "port_closed". */
BASE_MUST_CHECK
enum base_status lpa_device_must_acquire(struct lpa_device *device, struct base_err *err);

/** Does the chip hold these bytes? Their beginning is compared first, then their digest. */
BASE_MUST_CHECK
enum base_status lpa_device_compare(struct lpa_device *device, uint32_t address,
    const struct base_buf *bytes, const uint8_t sha256[32], bool *ret_equal, struct base_err *err);

/* Of lpa/device_application.c. */
BASE_MUST_CHECK
enum base_status lpa_device_compare_application(
    struct lpa_device *device, bool *ret_equal, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_device_program_application(void *user, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_device_verify_application(void *user, bool *ret_equal, struct base_err *err);

/* Of lpa/device_secure.c, for lpa_device_job_ops. */
BASE_MUST_CHECK
enum base_status lpa_device_plan(void *user, struct lpa_plan *ret_plan, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_device_rehearse(
    void *user, const struct prg_permit *permit, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_device_check_rehearsed(void *user, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_device_restrict(
    void *user, const struct prg_permit *permit, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_device_check_restricted(
    void *user, struct auth_record *ret_record, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_device_seal(void *user, const struct prg_permit *permit, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_device_check_sealed(void *user, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_device_lock(void *user, const struct prg_permit *permit, uint32_t *ret_status,
    uint8_t ret_answer[PROTO_LOCK_ANSWER_SIZE], struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_device_reset(void *user, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_device_check_locked(void *user, struct base_err *err);

#endif

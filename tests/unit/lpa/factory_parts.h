/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_LPA_FACTORY_PARTS_H
#define TESTS_UNIT_LPA_FACTORY_PARTS_H

/** @file Private to tests/unit/lpa/factory*.c: faults, and the parts of the factory. */

#include "tests/unit/lpa/factory.h"

extern const struct lpa_device_ops factory_device_ops;
extern const struct lpa_kms_ops factory_kms_ops;

/* Of factory_port.c, for factory_device_ops. */
enum base_status factory_plan(void *user, struct lpa_plan *ret_plan, struct base_err *err);
enum base_status factory_rehearse(
    void *user, const struct prg_permit *permit, struct base_err *err);
enum base_status factory_check_rehearsed(void *user, struct base_err *err);
enum base_status factory_restrict(
    void *user, const struct prg_permit *permit, struct base_err *err);
enum base_status factory_check_restricted(
    void *user, struct auth_record *ret_record, struct base_err *err);
enum base_status factory_seal(void *user, const struct prg_permit *permit, struct base_err *err);
enum base_status factory_check_sealed(void *user, struct base_err *err);
enum base_status factory_lock(void *user, const struct prg_permit *permit, uint32_t *ret_status,
    uint8_t ret_answer[PROTO_LOCK_ANSWER_SIZE], struct base_err *err);
enum base_status factory_reset(void *user, struct base_err *err);
enum base_status factory_check_locked(void *user, struct base_err *err);

void factory_draw(struct factory *f, uint8_t *data, size_t length);

/** Index of the chip with this id. */
size_t factory_chip(const struct factory *f, const uint8_t id[8]);

/** True when the call must not happen; *status is what the caller gets. */
bool factory_before(struct factory *f, enum fault *fault, enum base_status lost,
    enum base_status *status, struct base_err *err);

/** What the caller of a call that happened gets. */
enum base_status factory_after(
    struct factory *f, enum fault fault, enum base_status lost, struct base_err *err);

#define BEGIN(lost)                                                                                \
    struct factory *f = user;                                                                      \
    enum fault fault = FAULT_NONE;                                                                 \
    enum base_status begun = BASE_OK;                                                              \
    if (factory_before(f, &fault, (lost), &begun, err)) {                                          \
        return begun;                                                                              \
    }
#define END(lost) return factory_after(f, fault, (lost), err)

#endif

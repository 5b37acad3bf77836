/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/login_gate.h"

#define TESTER_FAILURES  5
#define STATION_FAILURES 50 /* within the hour: a shift's mistakes, and no list of names */
#define LOCK_US          (INT64_C(15) * 60 * 1000000)
#define LOCK_DOUBLINGS   3 /* 15, 30, 60, 120 minutes */
/* Longer than a lock, so that four guesses, a pause and four more are no way round it: under 100
 * guesses a day, each right for three codes in a million. */
#define COUNT_US (INT64_C(60) * 60 * 1000000)
/* After the last of window and lock. With 50 failures an hour, a station leaves no more than 1400
 * rows. */
#define FORGET_US (INT64_C(24) * 3600 * 1000000)

static enum base_status refuse_locked(
    struct kms_call *call, const char *what, const char *name, int64_t until_us)
{
    call->core->metrics.logins_refused++;
    return kms_refuse(call, KMS_PROBLEM_LOCKED_OUT, "too many wrong codes %s %s: wait %lld minutes",
        what, name, (long long)((until_us - call->now_us) / 60000000 + 1));
}

enum base_status kms_login_gate_pass(
    struct kms_call *call, const char *name, struct kms_login_gate *ret_gate, struct base_err *err)
{
    struct kms_login_gate gate = { .name = name };
    struct kms_store *store = call->core->store;
    enum base_status status = kms_login_count_get(
        store, KMS_LOGIN_STATION, call->station.name, call->now_us, &gate.station, err);
    if (status == BASE_OK) {
        status =
            kms_login_count_get(store, KMS_LOGIN_TESTER, name, call->now_us, &gate.tester, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (gate.station.locked_until_us > call->now_us) {
        return refuse_locked(call, "at station", call->station.name, gate.station.locked_until_us);
    }
    if (gate.tester.locked_until_us > call->now_us) {
        return refuse_locked(call, "for tester", name, gate.tester.locked_until_us);
    }
    *ret_gate = gate;
    return BASE_OK;
}

static enum base_status count_one(struct kms_call *call, enum kms_login_kind kind, const char *name,
    int64_t failures_max, struct kms_login_count *count, struct base_err *err)
{
    if (count->failures == 0 || call->now_us - count->first_failure_us >= COUNT_US) {
        count->failures = 0;
        count->first_failure_us = call->now_us;
    }
    int64_t until_us = count->first_failure_us + COUNT_US;
    if (++count->failures >= failures_max) {
        int64_t doublings = count->locks < LOCK_DOUBLINGS ? count->locks : LOCK_DOUBLINGS;
        count->locked_until_us = call->now_us + (LOCK_US << doublings);
        count->locks++;
        count->failures = 0;
    }
    count->forget_us =
        (until_us > count->locked_until_us ? until_us : count->locked_until_us) + FORGET_US;
    return kms_login_count_put(call->core->store, kind, name, count, err);
}

enum base_status kms_login_gate_failed(
    struct kms_call *call, struct kms_login_gate *gate, struct base_err *err)
{
    enum base_status status = kms_login_count_purge(call->core->store, call->now_us, err);
    if (status == BASE_OK) {
        status = count_one(call, KMS_LOGIN_TESTER, gate->name, TESTER_FAILURES, &gate->tester, err);
    }
    return status == BASE_OK ? count_one(call, KMS_LOGIN_STATION, call->station.name,
                                   STATION_FAILURES, &gate->station, err)
                             : status;
}

enum base_status kms_login_gate_succeeded(
    struct kms_call *call, const struct kms_login_gate *gate, struct base_err *err)
{
    return kms_login_count_clear(call->core->store, KMS_LOGIN_TESTER, gate->name, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A station asks for leave to do what cannot be undone. */
#include <string.h>

#include "base/hex.h"
#include "kms/call.h"

/* Nothing, or "chip=HEX". */
static bool parse_query(const char *query, uint8_t ret_chip[8], bool *ret_has_chip)
{
    static const char prefix[] = "chip=";
    *ret_has_chip = query != NULL && *query != '\0';
    return !*ret_has_chip ||
           (strncmp(query, prefix, sizeof(prefix) - 1) == 0 &&
               base_hex_decode(query + sizeof(prefix) - 1, 8, ret_chip, NULL) == BASE_OK);
}

enum base_status kms_handle_get_permit(struct kms_call *call, struct base_err *err)
{
    struct kms_lot lot;
    struct kms_permit permit;
    uint8_t chip[8];
    bool has_chip = false;
    enum base_status status = kms_call_lot(call, &lot, err);
    if (status != BASE_OK) {
        return status;
    }
    if (!parse_query(call->request->query, chip, &has_chip)) {
        return kms_refuse(call, KMS_PROBLEM_REQUEST_BAD,
            "a permit is asked for a lot, or for one chip of it with chip=CHIP-ID");
    }
    status = kms_permit_for(
        call->core->store, lot.id, has_chip ? chip : NULL, call->now_us, &permit, err);
    if (status == BASE_E_NOTFOUND) {
        return kms_refuse(call, KMS_PROBLEM_PERMIT_MISSING,
            "there is no permit for lot %s that is good now; the KMS's operator gives one with "
            "lpa-kms permit add",
            lot.id);
    }
    if (status == BASE_OK) {
        status = kms_call_event(call, "permit.fetched", lot.id, permit.id, err);
    }
    return status == BASE_OK
               ? kms_answer(call, 200,
                     json_pack("{s:s, s:s}", "id", permit.id, "permit", permit.note), err)
               : status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a failure means for unit, station and operator, as one table. */
#include "lpa/job.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct verdict {
    enum lpa_result kind;
    bool permanent;
    const char *next;
};

struct by_code {
    const char *code;
    struct verdict verdict;
};

struct by_number {
    uint32_t number;
    struct verdict verdict;
};

#define FAIL_FOREVER  LPA_RESULT_FAIL, true
#define FAIL_AGAIN    LPA_RESULT_FAIL, false
#define ERROR_FOREVER LPA_RESULT_ERROR, true
#define ERROR_AGAIN   LPA_RESULT_ERROR, false

#define LOG_IN_AGAIN "Log in again with lpa-provision login, then run the board again."
#define SET_ASIDE    "Mark the board as bad and set it aside."
#define ASK_OPERATOR "Stop the lot and ask the KMS operator."
#define ASK_PERMIT   "Ask the KMS operator for a permit for this lot (lpa-kms permit add)."
#define ASK_SETTLE                                                                                 \
    "Ask the KMS operator for a permit for this chip (lpa-kms permit add --acts settle --chip)."
#define WIPE_DESTROY                                                                               \
    "Destroy the board: it must not be shipped. If it still answers, wipe it first with "          \
    "lpa-provision unit scrap --probe."
#define RUN_AGAIN "Run the board again."

static const struct by_code codes[] = {
    { "unknown", { LPA_RESULT_UNKNOWN, false,
                     "Run the board again once the KMS answers: the same request gets the same "
                     "answer, so nothing is issued twice." } },
    { "wrong_chip", { ERROR_FOREVER, "Check that the right product is in the fixture." } },
    { "chip_dead", { FAIL_FOREVER, "Destroy the board: this chip cannot be worked again." } },
    { "link_lost",
        { ERROR_AGAIN, "Check probe, cable and board contact of this site, then run the board "
                       "again." } },
    { "swd_silent",
        { ERROR_AGAIN, "Seat the board, check its power and the cable, then run it again." } },
    { "port_closed", { ERROR_FOREVER, "Set the board aside: its port is closed already." } },
    { "port_locked",
        { ERROR_FOREVER, "Put the board back among the finished ones; if lpa-provision status "
                         "shows units whose lock is unknown, settle the one on its label with "
                         "lpa-provision unit settle." } },
    { "lock_unknown", { LPA_RESULT_UNKNOWN, false,
                          "Run the board again; if it then says nothing any more, it is "
                          "locked: lpa-provision unit settle." } },
    { "lock_answer_wrong", { FAIL_FOREVER, SET_ASIDE } },
    { "port_open", { FAIL_FOREVER, SET_ASIDE } },
    { "fuse_foreign", { FAIL_FOREVER, SET_ASIDE } },
    { "not_restricted",
        { ERROR_FOREVER, "Have the board personalised first: lpa-provision personalise at the "
                         "personalisation station." } },
    { "vault_exposed", { FAIL_FOREVER, SET_ASIDE } },
    { "vault_not_blank", { FAIL_FOREVER, SET_ASIDE } },
    { "record_lost",
        { FAIL_FOREVER, "Run the board at the station that restricted it; if that one has no "
                        "record either, set the board aside: it gets no keys." } },
    { "supply", { ERROR_FOREVER, "Use a probe that can supply 2.5 V, which fuses need." } },
    { "permit", { ERROR_FOREVER, ASK_PERMIT } },
    { "permit_missing", { ERROR_FOREVER, ASK_PERMIT } },
    { "permit_revoked", { ERROR_FOREVER, ASK_PERMIT } },
    { "permit_expired", { ERROR_FOREVER, ASK_PERMIT } },
    { "permit_act", { ERROR_FOREVER, ASK_PERMIT } },
    { "permit_chip", { ERROR_FOREVER, ASK_SETTLE } },
    { "permit_used", { ERROR_FOREVER, ASK_SETTLE } },
    { "permit_lot", { ERROR_FOREVER, ASK_PERMIT } },
    { "permit_differs", { ERROR_FOREVER, ASK_PERMIT } },
    { "no_mailbox",
        { FAIL_AGAIN, "Run the board once more; if its bootloader stays silent, set it aside." } },
    { "unattended_refused",
        { ERROR_FOREVER, "Log in with a code typed by a person: this lot takes no other." } },
    { "board_changed", { ERROR_AGAIN, "Leave the board in the fixture until the result is shown, "
                                      "then run each board again." } },
    { "same_board",
        { ERROR_AGAIN, "Check which probe leads to which board, give each once, then run "
                       "the board again." } },
    { "flash_differs",
        { FAIL_AGAIN, "Run the board once more; if it fails again, set it aside." } },
    { "unit_retired", { FAIL_FOREVER, "Destroy the board: it must not be shipped." } },
    { "superseded", { FAIL_FOREVER, "Set the board aside: it holds keys that were replaced." } },
    { "forgotten",
        { FAIL_FOREVER, "Destroy the board, or erase its whole flash: it works no more." } },
    { "unit_scrapped", { FAIL_FOREVER, WIPE_DESTROY } },
    { "grant_scrapped", { FAIL_FOREVER, WIPE_DESTROY } },
    { "grant_unknown", { FAIL_FOREVER, "Set the board aside: this KMS never issued its keys." } },
    { "receipt_bad", { FAIL_FOREVER, SET_ASIDE } },
    { "receipt_foreign", { FAIL_AGAIN, RUN_AGAIN } },
    { "vault_lost", { FAIL_FOREVER, "Set the board aside: a KMS operator decides on rework." } },
    { "unit_elsewhere", { ERROR_FOREVER, "Work this board in the lot that has it." } },
    { "receipt_first", { ERROR_FOREVER, "Scrap the open grant with lpa-provision unit scrap, and "
                                        "set the board aside." } },
    { "chip_known", { ERROR_FOREVER, "Scrap the chip's old grant with lpa-provision unit scrap, "
                                     "then run the board again." } },
    { "rework_needed",
        { ERROR_FOREVER, "Ask the KMS operator for a rework order for this unit." } },
    { "already_provisioned", { ERROR_FOREVER, "Put the board back among the finished ones." } },
    { "quota_used_up", { ERROR_FOREVER, "Stop the lot: its allowance of grants is used up; ask "
                                        "the KMS operator." } },
    { "rate_limited", { ERROR_AGAIN, "Put the board back and run it again when the time that the "
                                     "KMS names is over; ask the KMS operator if this is not your "
                                     "line's pace." } },
    { "same_party", { ERROR_FOREVER, "Work this board on another station with another tester than "
                                     "the ones that registered it." } },
    { "not_registered", { ERROR_FOREVER, "Have the board registered first: lpa-provision "
                                         "personalise at the personalisation station." } },
    { "statement_bad", { FAIL_AGAIN, "Check that the image is bound to this KMS's authority; if "
                                     "it is, set the board aside." } },
    { "wrong_authority", { ERROR_FOREVER, "Bind the image to this KMS's authority with lpa-image "
                                          "bind, and use the lot made for it." } },
    { "image_unknown", { ERROR_FOREVER, "Use the image that the lot names." } },
    { "image_differs", { ERROR_FOREVER, "Use the image that the lot names." } },
    { "application_differs", { ERROR_FOREVER, "Use the application that the lot names." } },
    { "lab_refused", { ERROR_FOREVER, "Use a production image: this lot takes no lab build." } },
    { "intent_missing", { ERROR_FOREVER, "Stop, and run lpa-audit verify on this station." } },
    { "inconsistent", { ERROR_FOREVER, "Stop, and run lpa-audit verify on this station." } },
    { "checkpoint_bad", { ERROR_FOREVER, "Stop: the KMS does not know this station's log key; "
                                         "enrol the station again." } },
    { "log_gap", { ERROR_FOREVER, "Stop: keep the log folder as it is and call the auditor; "
                                  "lpa-audit verify shows where it ends." } },
    { "lot_closed", { ERROR_FOREVER, ASK_OPERATOR } },
    { "lot_expired", { ERROR_FOREVER, "Stop: the lot's time is over; ask the KMS operator." } },
    { "lot_restrict", { ERROR_FOREVER, ASK_OPERATOR } },
    { "lot_unknown", { ERROR_FOREVER, "Check the lot's name with the KMS operator." } },
    { "session_expired", { ERROR_AGAIN, LOG_IN_AGAIN } },
    { "session_foreign", { ERROR_AGAIN, LOG_IN_AGAIN } },
    { "role", { ERROR_FOREVER, "Log in as a tester whose role allows this." } },
    { "envelope_wrong", { ERROR_FOREVER, ASK_OPERATOR } },
    { "kms_inconsistent", { ERROR_FOREVER, ASK_OPERATOR } },
};

static const struct by_number device_statuses[] = {
    { PROTO_BAD_CRC, { ERROR_AGAIN, "Check the cable of this site, then run the board again." } },
    { PROTO_WRONG_NONCE, { ERROR_AGAIN, RUN_AGAIN } },
    { PROTO_WRONG_CHIP, { ERROR_AGAIN, RUN_AGAIN } },
    { PROTO_WRONG_AUTHORITY,
        { ERROR_FOREVER, "Bind the image to this KMS's authority with lpa-image bind." } },
    { PROTO_NOT_BOUND,
        { ERROR_FOREVER, "Bind the image to this KMS's authority with lpa-image bind." } },
    { PROTO_NOT_RESTRICTED,
        { ERROR_FOREVER, "Use a lab image for this lot: its ports stay open." } },
    { PROTO_TRNG_FAILED, { FAIL_FOREVER, SET_ASIDE } },
    { PROTO_FLASH_FAILED, { FAIL_FOREVER, SET_ASIDE } },
    { PROTO_VAULT_CORRUPT, { FAIL_FOREVER, SET_ASIDE } },
    { PROTO_FOREIGN_RECORD, { FAIL_FOREVER, SET_ASIDE } },
    { PROTO_FORGOTTEN,
        { FAIL_FOREVER, "Destroy the board, or erase its whole flash: it works no more." } },
};

static struct verdict by_status(enum base_status status)
{
    static const struct verdict link = { ERROR_AGAIN,
        "Check probe, cable and board contact of this site, then run the board again." };
    static const struct verdict target = { FAIL_AGAIN,
        "Run the board once more; if it fails again, set it aside." };
    static const struct verdict remote = { ERROR_AGAIN,
        "Check the network and lpa-provision doctor, then run the board again." };
    static const struct verdict denied = { ERROR_FOREVER, ASK_OPERATOR };
    static const struct verdict audit = { ERROR_AGAIN,
        "Nothing was issued: free disk space or call the auditor, then run the board again." };
    static const struct verdict local = { ERROR_AGAIN,
        "Mend the station as lpa-provision doctor says, then run the board again." };
    static const struct verdict stopped = { ERROR_AGAIN, RUN_AGAIN };
    static const struct verdict corrupt = { ERROR_FOREVER,
        "Stop: run lpa-provision status and lpa-audit verify on this station." };

    static const struct {
        enum base_status status;
        const struct verdict *verdict;
    } list[] = {
        { BASE_E_LINK, &link },
        { BASE_E_TIMEOUT, &link },
        { BASE_E_BUSY, &link },
        { BASE_E_PROTO, &link },
        { BASE_E_NOTFOUND, &link },
        { BASE_E_TARGET, &target },
        { BASE_E_LOCKED, &target },
        { BASE_E_VERIFY, &target },
        { BASE_E_REMOTE, &remote },
        { BASE_E_DENIED, &denied },
        { BASE_E_EXPIRED, &denied },
        { BASE_E_AUDIT, &audit },
        { BASE_E_CANCELLED, &stopped },
        { BASE_E_CORRUPT, &corrupt },
    };

    for (size_t i = 0; i < COUNT(list); i++) {
        if (list[i].status == status) {
            return *list[i].verdict;
        }
    }
    return local;
}

static struct verdict judge(const struct base_err *err)
{
    for (size_t i = 0; err->code[0] != '\0' && i < COUNT(codes); i++) {
        if (strcmp(codes[i].code, err->code) == 0) {
            return codes[i].verdict;
        }
    }
    bool device = strcmp(err->domain, "device") == 0;
    for (size_t i = 0; device && i < COUNT(device_statuses); i++) {
        if (device_statuses[i].number == err->detail) {
            return device_statuses[i].verdict;
        }
    }
    return by_status(err->status);
}

void lpa_failure_classify(struct lpa_failure *failure)
{
    struct verdict verdict = judge(&failure->err);
    failure->kind = verdict.kind;
    failure->permanent = verdict.permanent;
    failure->next = verdict.next;
}

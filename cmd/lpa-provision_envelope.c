/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-provision unit envelope and receipt: orders of the KMS for a locked board, which speaks
 * through its application alone. Statement and receipt come as files, the envelope goes as one. */
#include "cmd/lpa-provision_unit.h"

#include "base/file.h"
#include "lpa/order.h"

#include <stdio.h>
#include <string.h>

static enum base_status read_message(
    const char *path, const char *what, size_t length, uint8_t *ret_bytes, struct base_err *err)
{
    struct base_buf bytes;
    base_buf_init(&bytes, length + 1);
    enum base_status status = base_file_read(path, &bytes, err);
    if (status == BASE_E_ARG) {
        base_err_clear(err);
        status = base_err_set(err, BASE_E_CORRUPT, "file", (int64_t)length,
            "%s is longer than a %s, which has %zu bytes", path, what, length);
    }
    if (status == BASE_OK && bytes.length != length) {
        status = base_err_set(err, BASE_E_CORRUPT, "file", (int64_t)bytes.length,
            "%s holds %zu bytes, and a %s has %zu", path, bytes.length, what, length);
    }
    if (status == BASE_OK) {
        memcpy(ret_bytes, bytes.data, length);
    }
    base_buf_done(&bytes);
    return status;
}

static enum base_status begin(
    struct prov_unit_verb *v, struct prov_unit_io *at, struct base_err *err)
{
    enum base_status status = prov_unit_row(v, err);
    const char *lot = v->args.lot != NULL ? v->args.lot : v->search.newest.lot;
    if (status == BASE_OK && v->args.lot == NULL && !v->search.found) {
        return base_err_set(err, BASE_E_NOTFOUND, "journal", 0,
            "this station has not worked chip %s; say its lot with --lot", v->args.words[1]);
    }
    return status == BASE_OK ? prov_unit_open(v, lot, at, err) : status;
}

static enum base_status show(const struct prov_unit_verb *v, const char *grant_id,
    enum lpa_state state, const char *path, struct base_err *err)
{
    if (v->args.json) {
        return prov_print_json(
            json_pack("{s:s, s:s, s:s, s:s*}", "chip_id", v->args.words[1], "grant_id", grant_id,
                "state", lpa_state_name(state), "envelope", path),
            err);
    }
    if (path != NULL) {
        printf("grant %s: the envelope is in %s; give it to the board's application\n", grant_id,
            path);
    } else {
        printf("grant %s: the KMS took the receipt; chip %s is %s\n", grant_id, v->args.words[1],
            lpa_state_name(state));
    }
    return BASE_OK;
}

/* @p names is the chip id in the message, NULL where the message is malformed. */
static enum base_status check_chip(const struct prov_unit_verb *v, const char *path,
    const char *what, const uint8_t *names, struct base_err *err)
{
    if (names == NULL) {
        return base_err_set(err, BASE_E_CORRUPT, "file", 0, "%s is not a %s", path, what);
    }
    return memcmp(names, v->chip_id, PROTO_CHIP_ID_SIZE) == 0
               ? BASE_OK
               : base_err_set(err, BASE_E_VERIFY, "file", 0, "%s is not a %s of chip %s", path,
                     what, v->args.words[1]);
}

static enum base_status read_statement(
    const struct prov_unit_verb *v, uint8_t *ret_statement, struct base_err *err)
{
    const char *path = v->args.statement;
    struct proto_statement decoded;
    enum base_status status =
        read_message(path, "statement", PROTO_STATEMENT_SIZE, ret_statement, err);
    if (status != BASE_OK) {
        return status;
    }
    bool good = proto_statement_decode(ret_statement, PROTO_STATEMENT_SIZE, &decoded) == PROTO_OK;
    return check_chip(v, path, "statement", good ? decoded.chip_id : NULL, err);
}

static enum base_status read_receipt(
    const struct prov_unit_verb *v, uint8_t *ret_receipt, struct base_err *err)
{
    const char *path = v->args.receipt;
    struct proto_receipt decoded;
    enum base_status status = read_message(path, "receipt", PROTO_RECEIPT_SIZE, ret_receipt, err);
    if (status != BASE_OK) {
        return status;
    }
    bool good = proto_receipt_decode(ret_receipt, PROTO_RECEIPT_SIZE, &decoded) == PROTO_OK;
    return check_chip(v, path, "receipt", good ? decoded.chip_id : NULL, err);
}

/* What was logged is cosigned in any case. */
static enum base_status end(struct prov_unit_verb *v, struct prov_unit_io *at,
    enum base_status status, const struct base_err *err)
{
    lpa_kms_pool_free(at->pool);
    if (v->app.audit != NULL) {
        prov_cosign(&v->app);
    }
    v->next = status == BASE_OK ? NULL : lpa_order_next(err);
    return status;
}

static enum base_status ask(struct prov_unit_verb *v, const struct prov_unit_io *at,
    const uint8_t *statement, struct base_err *err)
{
    struct lpa_job job;
    const struct lpa_job_opts opts = { .lot = &at->lot, .site = "file" };
    lpa_job_init(&job, &at->io, &opts);
    enum base_status status = lpa_order_ask(&job, statement, err);
    if (status == BASE_OK) {
        status = base_file_replace(
            v->args.out, job.grant.envelope, job.grant.envelope_length, 0600, err);
    }
    if (status == BASE_OK) {
        status = show(v, job.grant.grant_id, job.unit.state, v->args.out, err);
    }
    lpa_job_done(&job);
    return status;
}

enum base_status prov_unit_envelope(struct prov_unit_verb *v, struct base_err *err)
{
    struct prov_unit_io at = { .pool = NULL };
    uint8_t statement[PROTO_STATEMENT_SIZE];
    if (v->args.statement == NULL || v->args.out == NULL) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "say --statement FILE, as the board's application wrote it, and --out FILE");
    }
    enum base_status status = read_statement(v, statement, err);
    if (status == BASE_OK) {
        status = begin(v, &at, err);
    }
    if (status == BASE_OK) {
        status = ask(v, &at, statement, err);
    }
    return end(v, &at, status, err);
}

static enum base_status hand_in(struct prov_unit_verb *v, const struct prov_unit_io *at,
    const uint8_t *receipt, struct base_err *err)
{
    struct lpa_unit *row = &v->search.newest;
    if (!v->search.found) {
        memset(row, 0, sizeof(*row));
        (void)snprintf(row->lot, sizeof(row->lot), "%s", at->lot.id);
        memcpy(row->chip_id, v->chip_id, sizeof(row->chip_id));
    }
    enum base_status status = lpa_order_take_receipt(&at->io, row, receipt, err);
    return status == BASE_OK ? show(v, row->grant_id, row->state, NULL, err) : status;
}

enum base_status prov_unit_receipt(struct prov_unit_verb *v, struct base_err *err)
{
    struct prov_unit_io at = { .pool = NULL };
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    if (v->args.receipt == NULL) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "say --receipt FILE, as the board's application wrote it");
    }
    enum base_status status = read_receipt(v, receipt, err);
    if (status == BASE_OK) {
        status = begin(v, &at, err);
    }
    if (status == BASE_OK) {
        status = hand_in(v, &at, receipt, err);
    }
    return end(v, &at, status, err);
}

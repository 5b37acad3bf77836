/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-provision unit envelope and receipt: orders of the KMS for a locked board, which speaks
 * through its application alone. Statement and receipt come as files, the envelope goes as one. */
#include "cmd/lpa-provision_unit.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

static enum base_status read_message(
    const char *path, const char *what, size_t length, uint8_t *ret_bytes, struct base_err *err)
{
    struct base_buf bytes;
    base_buf_init(&bytes, length + 1);
    enum base_status status = base_file_read(path, &bytes, err);
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

static enum base_status check_chip(
    const struct prov_unit_verb *v, const uint8_t *statement, struct base_err *err)
{
    struct proto_statement decoded;
    bool same = proto_statement_decode(statement, PROTO_STATEMENT_SIZE, &decoded) == PROTO_OK &&
                memcmp(decoded.chip_id, v->chip_id, sizeof(decoded.chip_id)) == 0;
    return same ? BASE_OK
                : base_err_set(err, BASE_E_VERIFY, "file", 0, "%s is not a statement of chip %s",
                      v->args.statement, v->args.words[1]);
}

enum base_status prov_unit_envelope(struct prov_unit_verb *v, struct base_err *err)
{
    struct prov_unit_io at = { .pool = NULL };
    struct lpa_job job;
    uint8_t statement[PROTO_STATEMENT_SIZE];
    if (v->args.statement == NULL || v->args.out == NULL) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "say --statement FILE, as the board's application wrote it, and --out FILE");
    }
    enum base_status status =
        read_message(v->args.statement, "statement", sizeof(statement), statement, err);
    if (status == BASE_OK) {
        status = check_chip(v, statement, err);
    }
    if (status == BASE_OK) {
        status = begin(v, &at, err);
    }
    if (status == BASE_OK) {
        const struct lpa_job_opts opts = { .lot = &at.lot, .site = "file" };
        lpa_job_init(&job, &at.io, &opts);
        status = lpa_job_ask_by_statement(&job, statement, err);
        if (status == BASE_OK) {
            status = base_file_replace(
                v->args.out, job.grant.envelope, job.grant.envelope_length, 0600, err);
        }
        if (status == BASE_OK) {
            status = show(v, job.grant.grant_id, job.unit.state, v->args.out, err);
        }
        lpa_job_done(&job);
    }
    lpa_kms_pool_free(at.pool);
    return status;
}

enum base_status prov_unit_receipt(struct prov_unit_verb *v, struct base_err *err)
{
    struct prov_unit_io at = { .pool = NULL };
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    if (v->args.receipt == NULL) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "say --receipt FILE, as the board's application wrote it");
    }
    enum base_status status =
        read_message(v->args.receipt, "receipt", sizeof(receipt), receipt, err);
    if (status == BASE_OK) {
        status = begin(v, &at, err);
    }
    struct lpa_unit *row = &v->search.newest;
    if (status == BASE_OK && !v->search.found) {
        memset(row, 0, sizeof(*row));
        (void)snprintf(row->lot, sizeof(row->lot), "%s", at.lot.id);
        memcpy(row->chip_id, v->chip_id, sizeof(row->chip_id));
    }
    if (status == BASE_OK) {
        status = lpa_job_take_receipt(&at.io, row, receipt, err);
    }
    lpa_kms_pool_free(at.pool);
    if (status == BASE_OK) {
        prov_cosign(&v->app);
        status = show(v, row->grant_id, row->state, NULL, err);
    }
    return status;
}

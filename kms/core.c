/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/core.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kms/call.h"

struct problem {
    const char *code;
    int http;
    const char *title;
};

static const struct problem problems[] = {
#define X(name, code, http, title) { code, http, title },
    KMS_PROBLEM_LIST(X)
#undef X
};

/* What a route wants of the caller besides the certificate of a station. */
enum needs {
    NEEDS_STATION = 0,
    NEEDS_PROVISION = 1, /* a station that provisions */
    NEEDS_SESSION = 2,
};

struct route {
    enum kms_method method;
    const char *pattern; /* a star stands for one path part */
    unsigned needs;
    kms_handler_fn *handler;
};

static const struct route routes[] = {
    { KMS_POST, "/v1/session", NEEDS_STATION, kms_handle_login },
    { KMS_DELETE, "/v1/session", NEEDS_STATION, kms_handle_logout },
    { KMS_GET, "/v1/keys", NEEDS_STATION, kms_handle_keys },
    { KMS_GET, "/v1/lots/*", NEEDS_SESSION, kms_handle_get_lot },
    { KMS_GET, "/v1/lots/*/permit", NEEDS_SESSION, kms_handle_get_permit },
    { KMS_GET, "/v1/lots/*/units/*", NEEDS_STATION, kms_handle_get_unit },
    { KMS_GET, "/v1/lots/*/grants", NEEDS_STATION, kms_handle_list_grants },
    { KMS_POST, "/v1/lots/*/grants", NEEDS_PROVISION | NEEDS_SESSION, kms_handle_grant },
    { KMS_POST, "/v1/units", NEEDS_SESSION, kms_handle_register_unit },
    { KMS_POST, "/v1/grants/*/receipt", NEEDS_PROVISION, kms_handle_receipt },
    { KMS_POST, "/v1/grants/*/lock", NEEDS_PROVISION, kms_handle_lock },
    { KMS_POST, "/v1/grants/*/settle", NEEDS_PROVISION, kms_handle_settle },
    { KMS_POST, "/v1/grants/*/scrap", NEEDS_PROVISION, kms_handle_scrap },
    { KMS_POST, "/v1/grants/*/wipe", NEEDS_PROVISION, kms_handle_wipe },
    { KMS_POST, "/v1/grants/*/wiped", NEEDS_PROVISION, kms_handle_wiped },
    { KMS_POST, "/v1/log/checkpoints", NEEDS_STATION, kms_handle_checkpoint },
};

void kms_response_init(struct kms_response *response)
{
    memset(response, 0, sizeof(*response));
    base_buf_init(&response->body, KMS_BODY_MAX);
}

void kms_response_done(struct kms_response *response)
{
    base_buf_done(&response->body);
}

static void write_problem(
    struct kms_response *response, const struct problem *problem, const char *detail)
{
    char type[64];
    (void)snprintf(type, sizeof(type), "urn:lpa:problem:%s", problem->code);
    base_buf_clear(&response->body);
    response->status = problem->http;
    response->content_type = "application/problem+json";
    response->code = problem->code;
    json_auto_t *object = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", type, "title",
        problem->title, "status", problem->http, "detail", detail, "code", problem->code);
    if (object == NULL || base_json_canonical(object, &response->body, NULL) != BASE_OK) {
        base_buf_clear(&response->body); /* the HTTP status alone must do */
    }
}

static void __attribute__((format(printf, 3, 0)))
write_formatted(struct kms_call *call, enum kms_problem problem, const char *format, va_list args)
{
    char detail[BASE_ERR_MESSAGE_SIZE];
    (void)vsnprintf(detail, sizeof(detail), format, args);
    write_problem(call->response, &problems[problem], detail);
}

void kms_call_problem(struct kms_call *call, enum kms_problem problem, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_formatted(call, problem, format, args);
    va_end(args);
}

enum base_status kms_refuse(
    struct kms_call *call, enum kms_problem problem, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_formatted(call, problem, format, args);
    va_end(args);
    return BASE_E_DENIED;
}

enum base_status kms_refuse_number(
    struct kms_call *call, const char *name, int64_t value, struct base_err *err)
{
    json_t *object = NULL;
    enum base_status status = base_json_parse(
        call->response->body.data, call->response->body.length, KMS_BODY_MAX, &object, err);
    json_auto_t *owned = object;
    if (status == BASE_OK) {
        status = base_json_set_int(owned, name, value, err);
    }
    if (status == BASE_OK) {
        base_buf_clear(&call->response->body);
        status = base_json_canonical(owned, &call->response->body, err);
    }
    return status == BASE_OK ? BASE_E_DENIED : status;
}

enum base_status kms_answer(
    struct kms_call *call, int http_status, json_t *object, struct base_err *err)
{
    json_auto_t *owned = object;
    base_buf_clear(&call->response->body);
    enum base_status status = base_json_canonical(owned, &call->response->body, err);
    if (status == BASE_OK) {
        call->response->status = http_status;
        call->response->content_type = "application/json";
    }
    return status;
}

enum base_status kms_refuse_body(struct kms_call *call, struct base_err *err)
{
    enum base_status status = kms_refuse(call, KMS_PROBLEM_REQUEST_BAD, "%s", err->message);
    base_err_clear(err);
    return status;
}

enum base_status kms_call_body(struct kms_call *call, const char *const *names, size_t name_count,
    json_t **ret_object, struct base_err *err)
{
    json_t *object = NULL;
    enum base_status status = base_json_parse(
        call->request->body, call->request->body_length, KMS_BODY_MAX, &object, err);
    if (status == BASE_E_PROTO) {
        return kms_refuse_body(call, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (base_json_only(object, names, name_count, err) != BASE_OK) {
        json_decref(object);
        return kms_refuse_body(call, err);
    }
    *ret_object = object;
    return BASE_OK;
}

enum base_status kms_call_event(struct kms_call *call, const char *kind, const char *lot,
    const char *subject, struct base_err *err)
{
    struct kms_event event = {
        .at_us = call->now_us,
        .kind = kind,
        .station = call->station.name,
        .tester = call->session.tester,
        .lot = lot,
        .subject = subject,
    };
    enum base_status status = base_random_fill(call->core->random, event.id, sizeof(event.id), err);
    return status == BASE_OK ? kms_event_insert(call->core->store, &event, err) : status;
}

enum base_status kms_call_lot(struct kms_call *call, struct kms_lot *ret_lot, struct base_err *err)
{
    enum base_status status = kms_lot_get(call->core->store, call->args[0], ret_lot, err);
    if (status == BASE_E_NOTFOUND) {
        return kms_refuse(call, KMS_PROBLEM_LOT_UNKNOWN,
            "lot %s is not known to this KMS; check its name", call->args[0]);
    }
    return status;
}

/* Match path against pattern; stars take 1 … 64 characters of an id. */
static bool matches(const char *pattern, const char *path, char args[2][KMS_ID_SIZE])
{
    size_t arg = 0;
    while (*pattern != '\0') {
        if (*pattern != '*') {
            if (*pattern++ != *path++) {
                return false;
            }
            continue;
        }
        size_t length = strcspn(path, "/");
        if (length == 0 || length >= KMS_ID_SIZE || arg == 2) {
            return false;
        }
        memcpy(args[arg], path, length);
        args[arg][length] = '\0';
        if (!base_name_valid(args[arg++])) {
            return false;
        }
        path += length;
        pattern++;
    }
    return *path == '\0';
}

static const struct route *find_route(struct kms_call *call)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (routes[i].method == call->request->method &&
            matches(routes[i].pattern, call->request->path, call->args)) {
            return &routes[i];
        }
    }
    return NULL;
}

/* A resumed TLS session is not verified again, so the certificate is looked up on every request. */
static enum base_status check_station(struct kms_call *call, struct base_err *err)
{
    enum base_status status = kms_station_by_certificate(
        call->core->store, call->request->certificate_sha256, &call->station, err);
    if (status == BASE_E_NOTFOUND) {
        return kms_refuse(call, KMS_PROBLEM_CERTIFICATE,
            "this certificate belongs to no station of this KMS; have the station added");
    }
    if (status != BASE_OK) {
        return status;
    }
    if (call->station.revoked_us != 0) {
        return kms_refuse(call, KMS_PROBLEM_CERTIFICATE,
            "the certificate of station %s was revoked; enrol the station anew",
            call->station.name);
    }
    if (call->station.not_after_us <= call->now_us) {
        return kms_refuse(call, KMS_PROBLEM_CERTIFICATE,
            "the certificate of station %s has expired; enrol the station anew",
            call->station.name);
    }
    return BASE_OK;
}

static enum base_status run_call(struct kms_call *call, struct base_err *err)
{
    const struct route *route = find_route(call);
    enum base_status status = check_station(call, err);
    if (status != BASE_OK) {
        return status;
    }
    if (route == NULL) {
        return kms_refuse(call, KMS_PROBLEM_NO_SUCH_CALL,
            "this KMS has no such call; station and KMS may be of different versions");
    }
    if ((route->needs & NEEDS_PROVISION) != 0 && call->station.role != KMS_ROLE_PROVISION) {
        return kms_refuse(call, KMS_PROBLEM_ROLE,
            "station %s has the role personalise and may not do this; use a provisioning station",
            call->station.name);
    }
    if ((route->needs & NEEDS_SESSION) != 0) {
        status = kms_session_check(call, err);
    }
    return status == BASE_OK ? route->handler(call, err) : status;
}

/* Failures that are nobody's refusal: tell the operator's log all, the caller nothing. */
static void write_failure(
    struct kms_call *call, enum base_status status, const struct base_err *err)
{
    bool busy = status == BASE_E_BUSY;
    base_log(call->core->log, BASE_LOG_ERROR, "%s: %s", call->request->path, err->message);
    write_problem(call->response, &problems[busy ? KMS_PROBLEM_BUSY : KMS_PROBLEM_INTERNAL],
        busy ? "the KMS database is busy; ask again"
             : "the KMS failed inside; its operator finds the cause in the KMS's log");
}

static enum base_status in_transaction(
    struct kms_call *call, kms_handler_fn *run, struct base_err *err)
{
    struct kms_store *store = call->core->store;
    enum base_status status = kms_store_begin(store, err);
    if (status != BASE_OK) {
        return status;
    }
    call->now_us = kms_store_now_us(store);
    status = run(call, err);
    if (status != BASE_OK) {
        kms_store_rollback(store);
        return status;
    }
    status = kms_store_commit(store, err);
    if (status == BASE_OK && call->wiped) {
        struct base_err cause = { 0 };
        if (kms_store_purge(store, &cause) != BASE_OK) { /* the call itself is done */
            base_log(call->core->log, BASE_LOG_ERROR, "%s", cause.message);
        }
    }
    return status;
}

static void answer_health(struct kms_call *call)
{
    struct base_err err = { 0 };
    bool ready = strcmp(call->request->path, "/readyz") == 0;
    enum base_status status = BASE_OK;
    if (ready) {
        status = kms_store_begin(call->core->store, &err);
        if (status == BASE_OK) {
            kms_store_rollback(call->core->store);
        }
    }
    if (status == BASE_OK) {
        json_t *object = json_pack("{s:s, s:I, s:b}", "status", ready ? "ready" : "up", "time_us",
            (json_int_t)kms_store_now_us(call->core->store), "development",
            call->core->policy.development);
        status = kms_answer(call, 200, object, &err);
    }
    if (status != BASE_OK) {
        write_failure(call, status, &err);
    }
}

static void answer_metrics(struct kms_call *call)
{
    const struct kms_metrics *m = &call->core->metrics;
    struct base_buf *body = &call->response->body;
    enum base_status status = BASE_OK;
    for (int i = 1; i < 6 && status == BASE_OK; i++) {
        status = base_buf_printf(body, NULL, "lpa_kms_requests_total{class=\"%dxx\"} %llu\n", i,
            (unsigned long long)m->requests[i]);
    }

    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        { "logins_total", m->logins },
        { "logins_refused_total", m->logins_refused },
        { "grants_total", m->grants },
        { "grants_repeated_total", m->grants_repeated },
        { "grants_refused_total", m->grants_refused },
        { "confirmed_total", m->confirmed },
        { "scrapped_total", m->scrapped },
        { "checkpoints_cosigned_total", m->cosigned },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && status == BASE_OK; i++) {
        status = base_buf_printf(
            body, NULL, "lpa_kms_%s %llu\n", rows[i].name, (unsigned long long)rows[i].value);
    }
    call->response->status = status == BASE_OK ? 200 : 500;
    call->response->content_type = "text/plain; version=0.0.4";
}

/* Anybody with a certificate of this KMS may read the metrics, but no station that is out of use.
 */
static enum base_status metrics_call(struct kms_call *call, struct base_err *err)
{
    enum base_status status = check_station(call, err);
    bool stranger = status == BASE_E_DENIED && call->station.name[0] == '\0';
    if (status != BASE_OK && !stranger) {
        return status;
    }
    base_buf_clear(&call->response->body);
    call->response->code = NULL;
    answer_metrics(call);
    return BASE_OK;
}

static bool is_operation(const struct kms_request *request)
{
    return request->method == KMS_GET && strncmp(request->path, "/v1/", 4) != 0;
}

static void answer_call(struct kms_call *call, kms_handler_fn *run)
{
    struct base_err err = { 0 };
    enum base_status status = in_transaction(call, run, &err);
    if (status != BASE_OK && (status != BASE_E_DENIED || call->response->status == 0)) {
        write_failure(call, status, &err);
    }
}

static void answer_operation(struct kms_call *call)
{
    const char *path = call->request->path;
    if (strcmp(path, "/healthz") == 0 || strcmp(path, "/readyz") == 0) {
        answer_health(call);
    } else if (strcmp(path, "/metrics") == 0) {
        answer_call(call, metrics_call);
    } else {
        kms_call_problem(call, KMS_PROBLEM_NO_SUCH_CALL, "this KMS has no such call");
    }
}

void kms_core_handle(
    struct kms_core *core, const struct kms_request *request, struct kms_response *response)
{
    struct kms_call call = { .core = core, .request = request, .response = response };
    if (request->body_length > KMS_BODY_MAX) {
        kms_call_problem(
            &call, KMS_PROBLEM_TOO_LARGE, "the body is longer than %u bytes", KMS_BODY_MAX);
    } else if (is_operation(request)) {
        answer_operation(&call);
    } else {
        answer_call(&call, run_call);
    }
    if (response->status >= 100 && response->status < 600) {
        core->metrics.requests[response->status / 100]++;
    }
    base_log(core->log, BASE_LOG_DEBUG, "%s %s: %d %s", call.station.name, request->path,
        response->status, response->code != NULL ? response->code : "");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/file.h"

#define KEY_FILE_MAX 16384
#define CA_FILE_MAX  65536
#define URL_MAX      256
#define PATH_MAX_URL 512
#define BEARER_MAX   128

struct auth_http {
    CURL *curl;
    char url[URL_MAX];
    struct base_secret key;
    const struct base_log *log;
    char error[CURL_ERROR_SIZE];
};

/* What libcurl hands to the callbacks during one call. */
struct receiving {
    struct base_buf *body;
    bool too_long;
};

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct receiving *receiving = user;
    size_t length = size * count;
    if (base_buf_append(receiving->body, data, length, NULL) != BASE_OK) {
        receiving->too_long = true;
        return 0;
    }
    return length;
}

static enum base_status check_url(const char *url, struct base_err *err)
{
    static const char scheme[] = "https://";
    size_t length = url == NULL ? 0 : strnlen(url, URL_MAX);
    if (length <= sizeof(scheme) - 1 || length >= URL_MAX ||
        strncmp(url, scheme, sizeof(scheme) - 1) != 0 ||
        strpbrk(url + sizeof(scheme) - 1, "/?#@ ") != NULL) {
        return base_err_set(err, BASE_E_ARG, "HTTP", 0,
            "the KMS's address must read https://HOST:PORT, not \"%.100s\"",
            url == NULL ? "" : url);
    }
    return BASE_OK;
}

static enum base_status readable(const char *path, const char *what, struct base_err *err)
{
    struct base_buf content;
    base_buf_init(&content, CA_FILE_MAX);
    enum base_status status =
        path == NULL ? base_err_set(err, BASE_E_CONFIG, "HTTP", 0, "no %s is configured", what)
                     : base_file_read(path, &content, err);
    base_buf_done(&content);
    return status == BASE_OK ? status : (base_err_prefix(err, "%s: ", what), status);
}

/* Options that hold for every call. All or nothing: a TLS option that is not taken is fatal. */
static CURLcode set_options(struct auth_http *http, const struct auth_http_opts *opts)
{
    CURL *curl = http->curl;
    struct curl_blob key = {
        .data = http->key.data, .len = http->key.length, .flags = CURL_BLOB_NOCOPY
    };
    CURLcode code[] = {
        curl_easy_setopt(curl, CURLOPT_SSLVERSION,
            (long)CURL_SSLVERSION_TLSv1_3 | (long)CURL_SSLVERSION_MAX_TLSv1_3),
        curl_easy_setopt(curl, CURLOPT_CAINFO, opts->ca_file),
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL),
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L),
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L),
        curl_easy_setopt(curl, CURLOPT_SSLCERTTYPE, "PEM"),
        curl_easy_setopt(curl, CURLOPT_SSLCERT, opts->certificate_file),
        curl_easy_setopt(curl, CURLOPT_SSLKEYTYPE, "PEM"),
        curl_easy_setopt(curl, CURLOPT_SSLKEY_BLOB, &key),
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https"),
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L),
        curl_easy_setopt(curl, CURLOPT_PROXY, ""),
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"),
        curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED),
        curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1),
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L),
        curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L),
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)opts->connect_timeout_ms),
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)opts->request_timeout_ms),
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error),
        curl_easy_setopt(curl, CURLOPT_USERAGENT, "lpa/" LPA_VERSION),
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body),
    };
    for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
        if (code[i] != CURLE_OK) {
            return code[i];
        }
    }
    return CURLE_OK;
}

enum base_status auth_http_open(
    const struct auth_http_opts *opts, struct auth_http **ret_http, struct base_err *err)
{
    enum base_status status = check_url(opts->url, err);
    if (status == BASE_OK) {
        status = readable(opts->ca_file, "CA certificate", err);
    }
    if (status == BASE_OK) {
        status = readable(opts->certificate_file, "station certificate", err);
    }
    if (status != BASE_OK) {
        return status;
    }
    struct auth_http *http = calloc(1, sizeof(*http));
    if (http == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "HTTP", 0, "out of memory for an HTTPS client");
    }
    http->log = opts->log;
    (void)snprintf(http->url, sizeof(http->url), "%s", opts->url);
    status = base_secret_read_file(&http->key, opts->key_file, KEY_FILE_MAX, err);
    if (status == BASE_OK) {
        http->curl = curl_easy_init();
        CURLcode code = http->curl == NULL ? CURLE_OUT_OF_MEMORY : set_options(http, opts);
        if (code != CURLE_OK) {
            status = base_err_set(err, BASE_E_UNSUPPORTED, "curl", code,
                "libcurl does not take an option that is needed: %s", curl_easy_strerror(code));
        }
    }
    if (status != BASE_OK) {
        auth_http_close(http);
        return status;
    }
    *ret_http = http;
    return BASE_OK;
}

void auth_http_close(struct auth_http *http)
{
    if (http == NULL) {
        return;
    }
    curl_easy_cleanup(http->curl);
    base_secret_done(&http->key);
    base_wipe(http->error, sizeof(http->error));
    free(http);
}

static bool before_sending(CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_URL_MALFORMAT:
    case CURLE_OUT_OF_MEMORY:
        return true;
    default:
        return false;
    }
}

/* In TLS 1.3 the server judges our certificate after our side of the handshake, so its alert comes
 * with the first read. No server that sent one has looked at the request. */
static bool is_certificate_alert(const struct auth_http *http)
{
    return strstr(http->error, "alert") != NULL && (strstr(http->error, "certificate") != NULL ||
                                                       strstr(http->error, "unknown ca") != NULL);
}

static enum base_status failed(struct auth_http *http, const struct auth_http_call *call,
    const struct receiving *receiving, CURLcode code, struct base_err *err)
{
    const char *why = http->error[0] != '\0' ? http->error : curl_easy_strerror(code);
    if (is_certificate_alert(http)) {
        base_err_set_code(err, "certificate");
        return base_err_set(err, BASE_E_DENIED, "TLS", code,
            "the KMS at %s refused this station's certificate (%s): enrol the station anew",
            http->url, why);
    }
    if (receiving->too_long) {
        base_err_set_code(err, "unknown");
        return base_err_set(err, BASE_E_REMOTE, "curl", code,
            "the answer of %s to %s is longer than %u bytes", http->url, call->path,
            AUTH_HTTP_BODY_MAX);
    }
    long sent = 0;
    curl_off_t pretransfer = 0;
    (void)curl_easy_getinfo(http->curl, CURLINFO_REQUEST_SIZE, &sent);
    (void)curl_easy_getinfo(http->curl, CURLINFO_PRETRANSFER_TIME_T, &pretransfer);
    bool unsent = before_sending(code) || (sent == 0 && pretransfer == 0);
    base_err_set_code(err, unsent ? "unreachable" : "unknown");
    if (code == CURLE_PEER_FAILED_VERIFICATION) {
        return base_err_set(err, BASE_E_REMOTE, "TLS", code,
            "%s is not a KMS of the configured certificate authority (%s): check address and CA "
            "file",
            http->url, why);
    }
    return base_err_set(err, BASE_E_REMOTE, "curl", code,
        unsent ? "cannot reach the KMS at %s: %s; check that it runs and the network is up"
               : "no complete answer from the KMS at %s: %s; ask again to learn what became of it",
        http->url, why);
}

/* Headers of one call; the line with the token is made in @p line, which the caller wipes. */
static struct curl_slist *make_headers(
    const struct auth_http_call *call, char line[BEARER_MAX + 32])
{
    struct curl_slist *list = curl_slist_append(NULL, "Accept: application/json");
    const char *type = call->body != NULL ? "Content-Type: application/json" : "Expect:";
    struct curl_slist *next = list != NULL ? curl_slist_append(list, type) : NULL;
    if (next != NULL && call->bearer != NULL) {
        (void)snprintf(line, BEARER_MAX + 32, "Authorization: Bearer %.*s",
            (int)call->bearer->length, (const char *)call->bearer->data);
        next = curl_slist_append(list, line);
    }
    if (next == NULL) {
        curl_slist_free_all(list);
        return NULL;
    }
    return list;
}

static void wipe_headers(struct curl_slist *list)
{
    for (struct curl_slist *item = list; item != NULL; item = item->next) {
        base_wipe(item->data, strlen(item->data));
    }
    curl_slist_free_all(list);
}

static CURLcode perform(struct auth_http *http, const struct auth_http_call *call, const char *url,
    struct curl_slist *headers, struct receiving *receiving)
{
    CURL *curl = http->curl;
    CURLcode code[] = {
        curl_easy_setopt(curl, CURLOPT_URL, url),
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers),
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, receiving),
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL),
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L),
    };
    if (call->method == AUTH_HTTP_POST) {
        code[4] = curl_easy_setopt(curl, CURLOPT_POST, 1L);
        code[3] = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)call->body_length);
        code[2] |= curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
    } else if (call->method == AUTH_HTTP_DELETE) {
        code[3] = curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "DELETE");
    }
    for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
        if (code[i] != CURLE_OK) {
            return code[i];
        }
    }
    http->error[0] = '\0';
    return curl_easy_perform(curl);
}

enum base_status auth_http_run(struct auth_http *http, const struct auth_http_call *call,
    struct base_buf *body, int *ret_status, struct base_err *err)
{
    char url[URL_MAX + PATH_MAX_URL];
    char line[BEARER_MAX + 32] = { 0 };
    if (call->path[0] != '/' || strlen(call->path) >= PATH_MAX_URL ||
        (call->bearer != NULL && call->bearer->length > BEARER_MAX)) {
        return base_err_set(err, BASE_E_ARG, "HTTP", 0, "malformed call to the KMS");
    }
    (void)snprintf(url, sizeof(url), "%s%s", http->url, call->path);
    struct curl_slist *headers = make_headers(call, line);
    base_wipe(line, sizeof(line));
    if (headers == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "HTTP", 0, "out of memory for a call to the KMS");
    }
    base_buf_clear(body);
    struct receiving receiving = { .body = body };
    long http_status = 0;
    CURLcode code = perform(http, call, url, headers, &receiving);
    if (code == CURLE_OK) {
        code = curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &http_status);
    }
    (void)curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, NULL);
    wipe_headers(headers);
    base_log(
        http->log, BASE_LOG_DEBUG, "%s: curl %d, HTTP %ld", call->path, (int)code, http_status);
    if (code != CURLE_OK) {
        return failed(http, call, &receiving, code, err);
    }
    *ret_status = (int)http_status;
    return BASE_OK;
}

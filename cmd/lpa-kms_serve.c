/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/file.h"
#include "cmd/lpa-kms.h"
#include "kms/pki.h"
#include "kms/server.h"

struct files {
    char ca[BASE_FILE_PATH_SIZE];
    char certificate[BASE_FILE_PATH_SIZE];
    char key[BASE_FILE_PATH_SIZE];
};

/* "127.0.0.1:8443" or "[::1]:8443". */
static enum base_status parse_listen(
    const char *text, char ret_address[64], uint16_t *ret_port, struct base_err *err)
{
    int64_t port = 0;
    const char *colon = text != NULL ? strrchr(text, ':') : NULL;
    if (colon == NULL || colon == text || (size_t)(colon - text) >= 64) {
        return base_err_set(
            err, BASE_E_ARG, "", 0, "--listen wants ADDRESS:PORT, for example 127.0.0.1:8443");
    }
    enum base_status status = kms_args_number(colon + 1, "listen's port", 0, 65535, &port, err);
    if (status != BASE_OK) {
        return status;
    }
    const char *begin = text;
    const char *end = colon;
    if (*begin == '[' && end[-1] == ']') {
        begin++;
        end--;
    }
    memcpy(ret_address, begin, (size_t)(end - begin));
    ret_address[end - begin] = '\0';
    *ret_port = (uint16_t)port;
    return BASE_OK;
}

static enum base_status find_files(const char *dir, struct files *files, struct base_err *err)
{
    enum base_status status =
        base_file_join(dir, KMS_PKI_CA_FILE, sizeof(files->ca), files->ca, err);
    if (status == BASE_OK) {
        status = base_file_join(
            dir, KMS_PKI_SERVER_FILE, sizeof(files->certificate), files->certificate, err);
    }
    if (status == BASE_OK) {
        status = base_file_join(dir, "keys/server.key", sizeof(files->key), files->key, err);
    }
    return status;
}

static enum base_status catch_signals(int *ret_fd, struct base_err *err)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)signal(SIGPIPE, SIG_IGN);
    int fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0
                 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)
                 : -1;
    if (fd < 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot wait for signals");
    }
    *ret_fd = fd;
    return BASE_OK;
}

static enum base_status write_port(const char *path, uint16_t port, struct base_err *err)
{
    char text[16];
    int length = snprintf(text, sizeof(text), "%u\n", (unsigned)port);
    return path != NULL ? base_file_replace(path, text, (size_t)length, 0644, err) : BASE_OK;
}

static enum base_status serve_on(struct kms_home *home, const struct kms_args *args,
    const struct kms_server_opts *given, struct base_err *err)
{
    struct kms_server_opts opts = *given;
    struct kms_server *server = NULL;
    const struct base_log log = {
        .level = args->verbose ? BASE_LOG_DEBUG : BASE_LOG_WARN,
        .emit = base_log_to_file,
        .user = stderr,
    };
    struct kms_core core;
    kms_home_core(home, &log, &core);
    opts.core = &core;
    opts.max_connections = home->config.max_connections;
    opts.max_connections_per_address = home->config.max_connections_per_address;
    enum base_status status = kms_server_open(&opts, &server, err);
    if (status == BASE_OK) {
        (void)printf("%s serves on %s port %u%s\n", home->config.name, opts.address,
            (unsigned)kms_server_port(server), home->config.development ? " (development)" : "");
        (void)fflush(stdout);
        status = write_port(args->port_file, kms_server_port(server), err);
    }
    if (status == BASE_OK) {
        status = kms_server_run(server, err);
    }
    kms_server_close(server);
    return status;
}

static enum base_status serve(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    struct files files;
    char address[64];
    struct kms_server_opts opts = { .address = address, .stop_fd = -1 };
    enum base_status status = kms_args_read(argc, argv, "dlfV", 0, &args, err);
    if (status == BASE_OK) {
        status = parse_listen(args.listen, address, &opts.port, err);
    }
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK) {
        status = find_files(args.dir, &files, err);
    }
    if (status == BASE_OK) {
        status = catch_signals(&opts.stop_fd, err);
    }
    if (status == BASE_OK) {
        opts.ca_file = files.ca;
        opts.certificate_file = files.certificate;
        opts.key_file = files.key;
        status = serve_on(&home, &args, &opts, err);
    }
    if (opts.stop_fd >= 0) {
        (void)close(opts.stop_fd);
    }
    kms_home_close(&home);
    return status;
}

int kms_verb_serve(const struct cli_program *program, int argc, char **argv)
{
    struct base_err err = { 0 };
    return serve(argc, argv, &err) == BASE_OK ? 0 : cli_fail(program, &err);
}

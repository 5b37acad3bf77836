/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_KMS_SERVER_LAB_H
#define TESTS_UNIT_KMS_SERVER_LAB_H

/**
 * @file
 * A KMS's server in a thread, over real TLS on loopback, and a station enrolled with it. Everything
 * asserts.
 */

#include <pthread.h>

#include "auth/kms_client.h"
#include "kms/server.h"
#include "tests/unit/kms/lab.h"

struct server_lab {
    struct lab lab;
    struct lab_tester tester;
    struct lab_station station; /* its log; the certificate is the real one below */
    struct kms_server *server;
    pthread_t thread;
    int stop_fd;
    char url[64];
    char ca[96], server_cert[96], server_key[96];
    char key[96], csr[96], cert[96], log_key[96], session[96];
    struct auth_kms *kms;
};

/** Path of a file in the KMS's folder, into 96 bytes. */
void server_lab_path(struct server_lab *f, char *ret_path, const char *name);

/** Serve with these limits, 0 = the usual ones. */
void server_lab_start(struct server_lab *f, int64_t deadline_ms, int64_t per_address);
void server_lab_stop(struct server_lab *f);

/** A client with these files; the caller closes it. */
struct auth_kms *server_lab_client(
    struct server_lab *f, const char *cert, const char *key, const char *ca);

/** cmocka's: a tester anna, a lot L1, a station, the server at work. */
int server_lab_set_up(void **state);
int server_lab_tear_down(void **state);

#endif

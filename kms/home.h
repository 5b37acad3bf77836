/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_HOME_H
#define KMS_HOME_H

/**
 * @file
 * The folder of an embedded KMS:
 *
 *     kms.conf      configuration (INI), says mode = development
 *     kms.db        store (SQLite)
 *     ca.pem        certificate authority: what stations trust
 *     server.pem    certificate of the server
 *     keys/         private keys, mode 0600: authority, kek, log, ca, server
 */

#include "kms/core.h"

struct kms_config {
    bool development;
    char name[KMS_NAME_SIZE];
    int64_t session_idle_us;
    int64_t session_max_us;
    int64_t max_connections;
    int64_t max_connections_per_address;
    int64_t station_days; /**< validity of station certificates */
};

struct kms_home {
    char dir[4096];
    struct kms_config config;
    struct kms_store store;
    struct kms_keystore keys;
    const struct base_random *random; /**< borrowed */
    const struct base_clock *clock;   /**< borrowed */
};

/**
 * Make a development KMS in a folder that does not exist yet.
 *
 * @return BASE_OK; BASE_E_EXISTS; BASE_E_IO
 */
BASE_MUST_CHECK
enum base_status kms_home_create(const char *dir, const struct base_random *random,
    const struct base_clock *clock, struct base_err *err);

/** Open configuration, store and keys. BASE_E_NOTFOUND (no KMS there), BASE_E_CONFIG, as below. */
BASE_MUST_CHECK
enum base_status kms_home_open(const char *dir, const struct base_random *random,
    const struct base_clock *clock, struct kms_home *ret_home, struct base_err *err);

/** Close; accepts NULL and a zeroed object. */
void kms_home_close(struct kms_home *home);

/** A core over an open home. Borrows it. */
void kms_home_core(struct kms_home *home, const struct base_log *log, struct kms_core *ret_core);

#endif

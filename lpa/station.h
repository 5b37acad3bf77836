/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_STATION_H
#define LPA_STATION_H

/**
 * @file
 * A station's folder: who it is, which KMS it works for, and where its keys, certificate, session,
 * journal and log lie. The configuration is station.ini; a section or key that is not known is
 * refused, so that a misspelt one cannot pass for set.
 */

#include "auth/kms_client.h"
#include "base/file.h"
#include "base/note.h"

#define LPA_URL_SIZE 256

/* Files of the folder. */
#define LPA_FILE_CONFIG      "station.ini"
#define LPA_FILE_KEY         "station.key"
#define LPA_FILE_CSR         "station.csr"
#define LPA_FILE_CERTIFICATE "station.pem"
#define LPA_FILE_CA          "ca.pem"
#define LPA_FILE_LOG_KEY     "log.key"
#define LPA_FILE_LOG_VKEY    "log.vkey"
#define LPA_FILE_WITNESS     "witness.vkey"
#define LPA_FILE_SESSION     "session"
#define LPA_FILE_JOURNAL     "journal.db"
#define LPA_FILE_LOCK        "lock"
#define LPA_FOLDER_LOG       "log"

struct lpa_station {
    char folder[BASE_FILE_PATH_SIZE];
    char name[AUTH_ID_SIZE];
    char origin[BASE_NOTE_NAME_SIZE]; /**< name of the log and of its key */
    char kms_url[LPA_URL_SIZE];       /**< empty where none was given yet */
    bool have_witness;
    struct base_note_verifier witness; /**< the KMS's cosigning key */
    struct base_note_verifier log;     /**< public half of the log key */
};

/**
 * Read the folder's configuration and public keys.
 *
 * @return BASE_OK; BASE_E_CONFIG with file, line and what is wrong; BASE_E_NOTFOUND: not enrolled
 */
BASE_MUST_CHECK
enum base_status lpa_station_load(
    const char *folder, struct lpa_station *ret_station, struct base_err *err);

/** Write station.ini from name, origin and kms_url. */
BASE_MUST_CHECK
enum base_status lpa_station_store(const struct lpa_station *station, struct base_err *err);

/** Path of a file of the folder, into BASE_FILE_PATH_SIZE bytes. */
BASE_MUST_CHECK
enum base_status lpa_station_path(const struct lpa_station *station, const char *name,
    char ret_path[BASE_FILE_PATH_SIZE], struct base_err *err);

/**
 * Remember the KMS's cosigning key when none is known yet, else insist on the one that is.
 * BASE_E_VERIFY, code "witness_changed", when it is another one.
 */
BASE_MUST_CHECK
enum base_status lpa_station_pin_witness(
    struct lpa_station *station, const char *vkey, struct base_err *err);

/** Hold the folder for one program; @p ret_fd is closed to release it. BASE_E_BUSY when another has
 * it. */
BASE_MUST_CHECK
enum base_status lpa_station_lock(
    const struct lpa_station *station, int *ret_fd, struct base_err *err);

/** Open a client of the station's KMS with its certificate. */
BASE_MUST_CHECK
enum base_status lpa_station_connect(const struct lpa_station *station, bool unattended,
    const struct base_clock *clock, const struct base_log *log, struct auth_kms **ret_kms,
    struct base_err *err);

#endif

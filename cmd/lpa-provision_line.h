/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_LPA_PROVISION_LINE_H
#define CMD_LPA_PROVISION_LINE_H

/** @file Private to cmd/lpa-provision*.c: the line with its sites, and what is shown of it. */

#include "cmd/lpa-provision.h"

#include <pthread.h>

enum prov_site_state {
    PROV_SITE_IDLE = 0, /**< waits for the operator */
    PROV_SITE_GO,       /**< a board is in */
    PROV_SITE_WORKING,
    PROV_SITE_ENDED,
};

#define PROV_LAST_LINE_SIZE 256

struct prov_line;

/** One probe with its board, worked by one thread. */
struct prov_site {
    struct prov_line *line;
    size_t number; /**< 1 … */
    const char *url;
    pthread_t thread;
    enum prov_site_state state;
    enum lpa_step_id step; /**< for the progress line; NONE: nothing to show */
    int64_t began_us;      /**< start of work on the board */
    bool has_chip;         /**< chip_id is that of the board at work, or of the batch's one board */
    uint8_t chip_id[PROTO_CHIP_ID_SIZE];
};

/** What all sites share; `lock` guards counters, site states and the terminal. */
struct prov_line {
    struct prov_app *app;
    const struct prov_args *args;
    enum lpa_stage stage;
    struct auth_lot lot;
    struct lpa_image image;
    struct lpa_local local;    /**< the image's digests, for permits */
    char kms_vkey[256];        /**< the KMS's log key, which signs permits */
    struct lpa_kms_pool *pool; /**< of the sites, while they work */
    struct prov_site sites[PROV_PROBES_MAX];
    size_t site_count;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closing;                    /**< no further board */
    bool on_screen;                  /**< stdout is a terminal */
    bool colour;                     /**< and takes colours */
    const char *prompt;              /**< what the operator is asked; NULL while nothing is asked */
    char drawn[PROV_LAST_LINE_SIZE]; /**< progress and prompt as they stand on the last line */
    const char *relies_on; /**< what applications rest on that were not read; NULL: all were */
    uint64_t passed, failed, errors;
    enum base_status first_error; /**< status of the first ERROR or UNKNOWN */
};

/** True once SIGINT or SIGTERM came: sites finish their step and end. */
bool prov_stop_asked(void);

/** Show how a job ended; called with the lock held. */
void prov_show_unit(struct prov_line *line, const struct prov_site *site, const struct lpa_job *job,
    int64_t duration_us);

/** Show a failure that came before any job; called with the lock held. */
void prov_show_site_error(
    struct prov_line *line, const struct prov_site *site, const struct base_err *err);

/**
 * Show the prompt, and on a terminal before it what sites that have been at work for more than a
 * second do, on the last line. Writes only what has changed. Called with the lock held.
 */
void prov_draw(struct prov_line *line);

/** Leave the last line empty, or go to a new one, for what is printed next; with the lock held. */
void prov_erase(struct prov_line *line);

/** Load files, session, lot and permit, and open log and journal; a dry run opens neither. */
BASE_MUST_CHECK
enum base_status prov_open_line(struct prov_line *line, struct base_err *err);

/** A link to KMS and log for one thread. */
struct lpa_link prov_link(const struct prov_line *line);

/** Write an event of the station itself. */
BASE_MUST_CHECK
enum base_status prov_record(struct prov_line *line, enum lpa_event_id id, struct base_err *err);

/** Look at the board at a site and show what would be done; changes nothing. */
void prov_dry_run(struct prov_site *site, struct lpa_device *device);

/** The lot's books: the KMS's counts, and its open units against this station's journal. */
BASE_MUST_CHECK
enum base_status prov_reconcile(struct prov_line *line, struct base_err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_LPA_SIM_CONFIG_H
#define CMD_LPA_SIM_CONFIG_H

/**
 * @file
 * Boards described in a file: one section for each, whose keys are the options of "lpa-sim serve"
 * without their dashes. An option without a value takes yes or no; fault may stand several times.
 */

#include "cmd/lpa-sim_opts.h"

#define SIM_CONFIG_BOARDS_MAX 32U
#define SIM_CONFIG_WORDS_MAX  96U
#define SIM_CONFIG_NAME_SIZE  32U

struct sim_config_board {
    char name[SIM_CONFIG_NAME_SIZE];
    char *words[SIM_CONFIG_WORDS_MAX + 1]; /**< owned; what the options point into */
    int count;
    bool listens; /**< its address was given */
    struct sim_serve_opts opts;
};

struct sim_config {
    struct sim_config_board *boards; /**< owned */
    unsigned count;
};

/**
 * Read a file. A board without an address listens on 127.0.0.1, port 4441 and counting on by
 * section.
 *
 * @return BASE_OK; BASE_E_CONFIG: the sentence names file, line or section; BASE_E_NOTFOUND;
 *         BASE_E_IO; BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status sim_config_load(
    const char *path, struct sim_config *ret_config, struct base_err *err);

/** Accepts what was never loaded, if it is zero. */
void sim_config_done(struct sim_config *config);

#endif

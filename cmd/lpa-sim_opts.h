/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_LPA_SIM_OPTS_H
#define CMD_LPA_SIM_OPTS_H

/** @file Command line of "lpa-sim serve". */

#include "sim/board.h"
#include "sim/fault.h"

#define SIM_SERVE_SYNOPSIS                                                                         \
    "--listen 127.0.0.1:PORT [--port-file F] [--board FILE] [--uid 16HEX] [--seed N] "             \
    "[--packet-size N] [--packet-count N] [--round-trip-us N] [--realtime] [--fault FAULT] ... "   \
    "[--kitprog3 | --miniprog4] [--firmware A.B.C] [--external-mv N] [--trace FILE] "              \
    "[--stats-file FILE] [--verbose] | --config FILE [--verbose]"

#define SIM_UID_TEXT_SIZE    17
#define SIM_SERVE_FAULTS_MAX 32U

struct sim_serve_opts {
    const char *listen;
    const char *port_file;
    const char *board;
    const char *trace;
    const char *stats_file;
    const char *config; /**< the boards are described there, and nothing else was given */
    bool realtime;
    bool verbose;
    char uid_text[SIM_UID_TEXT_SIZE];
    struct sim_board_opts board_opts;
    struct sim_fault faults[SIM_SERVE_FAULTS_MAX];
    unsigned fault_count;
};

enum sim_serve_form {
    SIM_SERVE_UNKNOWN,
    SIM_SERVE_WITH_VALUE,
    SIM_SERVE_WITHOUT_VALUE,
};

/** How an option is written; @p name without dashes. */
enum sim_serve_form sim_serve_option_form(const char *name);

/**
 * Read the options; argv[0] is the verb. What is not given gets its default: the noise seed is
 * drawn at random, the unique id too unless there is a board file, whose absolute path then fixes
 * it. Strings are borrowed from @p argv.
 *
 * @return BASE_OK; BASE_E_ARG with the sentence for the user; BASE_E_IO: no randomness
 */
BASE_MUST_CHECK
enum base_status sim_serve_parse(
    int argc, char **argv, struct sim_serve_opts *ret_opts, struct base_err *err);

#endif

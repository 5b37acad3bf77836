/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_CLI_H
#define CMD_CLI_H

/** @file What every program does with its first word: verb table, --help, --version, near misses.
 */

#include "base/err.h"

#include <stddef.h>

struct cli_program;

struct cli_verb {
    const char *name;
    const char *args; /**< synopsis of the arguments, for --help */
    /** argv[0] is the verb. Returns the process's exit code. */
    int (*run)(const struct cli_program *program, int argc, char **argv);
    const char *help; /**< one line */
};

struct cli_program {
    const char *name;
    const char *summary; /**< one line */
    const struct cli_verb *verbs;
    size_t verb_count;
};

/** Harden the process and dispatch. --help (of the program or, after a verb, of the verb) and
 * --version end with 0; no verb or an unknown one, whose nearest relative is named, with 2. */
int cli_main(const struct cli_program *program, int argc, char **argv);

/** Print "name: sentence" on stderr; returns the exit code of the failure's status. */
int cli_fail(const struct cli_program *program, const struct base_err *err);

#endif

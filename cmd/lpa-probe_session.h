/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_LPA_PROBE_SESSION_H
#define CMD_LPA_PROBE_SESSION_H

/** @file What the verbs of lpa-probe share: options, the open probe, progress, the result as text
 * or JSON. */

#include "cmd/cli.h"
#include "programmer/psoc6.h"
#include "programmer/trace.h"

#include <jansson.h>

#define PROBE_MAX_WORDS 3

struct probe_session {
    const struct cli_program *program;
    /* Options. */
    const char *url;
    const char *output;
    bool json;
    bool acquire;
    bool toc2;
    bool changed; /**< leave rows alone whose CRC is right already */
    bool stay;
    bool trace;         /**< show what goes over the wire */
    const char *record; /**< file for it; NULL = none */
    const char *permit;
    const char *kms_key; /**< file with the verifier key of who signs permits */
    uint32_t clock_hz;
    struct prg_image_opts image;
    const char *words[PROBE_MAX_WORDS]; /**< what stands beside the options */
    int word_count;
    /* Open things. */
    struct prg_link *link;
    struct prg_psoc6 *chip;
    struct prg_tracer tracer;
    FILE *recording;
    json_t *result; /**< printed at the end with --json */
    int64_t started_us;
    bool line_open; /**< a progress line stands on the terminal */
};

/** Parse the options; @p least and @p most bound the number of other words. */
BASE_MUST_CHECK
enum base_status probe_session_init(struct probe_session *session,
    const struct cli_program *program, int argc, char **argv, int least, int most,
    struct base_err *err);

/** Close everything, print result or failure, return the exit code. */
int probe_session_end(struct probe_session *session, const struct base_err *err);

/** Open the probe of -p. */
BASE_MUST_CHECK
enum base_status probe_session_open(struct probe_session *session, struct base_err *err);

/** Open the probe and stop the chip in test mode; every other outcome is an error with its
 * sentence. */
BASE_MUST_CHECK
enum base_status probe_session_acquire(struct probe_session *session, struct base_err *err);

/** Open the probe and connect to the running chip. */
BASE_MUST_CHECK
enum base_status probe_session_attach(struct probe_session *session, struct base_err *err);

/** Let the chip run again after it was stopped, unless asked not to. */
BASE_MUST_CHECK
enum base_status probe_session_release(struct probe_session *session, struct base_err *err);

/** Put a member into the JSON result. */
void probe_session_text(struct probe_session *session, const char *key, const char *value);
void probe_session_count(struct probe_session *session, const char *key, int64_t value);

/** prg_progress_fn: one line on a terminal for what takes longer than a second. */
bool probe_session_progress(void *user, const char *what, uint64_t done, uint64_t total);

/** Print one line of the result as text; nothing with --json. */
void probe_session_say(struct probe_session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Read a number: decimal, or hexadecimal with 0x; @p what names it in the sentence. */
BASE_MUST_CHECK
enum base_status probe_session_number(
    const char *text, const char *what, uint32_t *ret_value, struct base_err *err);

/* Verbs of lpa-probe_efuse.c and lpa-probe_tools.c, as in struct cli_verb. */
int probe_efuse(const struct cli_program *program, int argc, char **argv);
int probe_tools_acquire(const struct cli_program *program, int argc, char **argv);
int probe_tools_power(const struct cli_program *program, int argc, char **argv);
int probe_tools_bench(const struct cli_program *program, int argc, char **argv);

#endif

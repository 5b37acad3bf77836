/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_LPA_KMS_H
#define CMD_LPA_KMS_H

/** @file Verbs of lpa-kms, spread over several files, and what they share. */

#include <getopt.h>

#include <jansson.h>

#include "cmd/cli.h"
#include "kms/admin.h"
#include "kms/home.h"

#define KMS_EXIT_USAGE 2

/** Every option of every verb; a verb takes those whose letters stand in its list. */
struct kms_args {
    const char *dir, *listen, *port_file, *image, *lorawan, *join_eui, *deveui_first, *trust;
    const char *restrict_policy, *lock, *expires, *role, *csr, *log_key, *out, *lot, *profile;
    const char *deveui_count, *target, *allowance, *rate;
    const char *image_key, *secure_hash, *application, *min_bootloader, *min_protocol;
    const char *acts, *chip, *reason;
    bool dev, unattended, consent_tofu, json, scrap_open, permit, verbose, log_key_wanted;
    const char *words[2]; /**< what is not an option */
    int word_count;
};

/**
 * Read options and words.
 *
 * @param letters  options that this verb takes, by the letters of the table in lpa-kms_args.c
 * @param words    how many words besides options the verb wants
 */
BASE_MUST_CHECK
enum base_status kms_args_read(int argc, char **argv, const char *letters, int words,
    struct kms_args *ret_args, struct base_err *err);

/** Open the home that --dir names. */
BASE_MUST_CHECK
enum base_status kms_args_open(
    const struct kms_args *args, struct kms_home *ret_home, struct base_err *err);

BASE_MUST_CHECK
enum base_status kms_args_number(const char *text, const char *what, int64_t min, int64_t max,
    int64_t *ret_number, struct base_err *err);
/** A chip id in hexadecimal digits. */
BASE_MUST_CHECK
enum base_status kms_args_chip(const char *text, uint8_t ret_chip[8], struct base_err *err);
/** "provision", "personalise", and for testers "tester", "personaliser"; NULL: the first. */
BASE_MUST_CHECK
enum base_status kms_args_role(const char *text, enum kms_role *ret_role, struct base_err *err);
/** "+30d", "+12h", or RFC 3339 in UTC ("2026-12-31T12:00:00Z"). */
BASE_MUST_CHECK
enum base_status kms_args_time(
    const char *text, int64_t now_us, int64_t *ret_us, struct base_err *err);

/** Print an object as one line and release it; NULL is "out of memory". */
BASE_MUST_CHECK
enum base_status kms_print_object(json_t *object, struct base_err *err);

/** How a list is printed. */
struct kms_listing {
    bool json;
    int64_t now_us; /**< the store's time */
};

/** Print everything of one kind in the store; @p lot is what --lot says or NULL. */
typedef enum base_status kms_list_fn(
    struct kms_store *store, const char *lot, struct kms_listing *listing, struct base_err *err);

/** A verb that prints a list: options, home, list. @p letters as for kms_args_read(). */
BASE_MUST_CHECK
enum base_status kms_list_run(
    int argc, char **argv, const char *letters, kms_list_fn *list, struct base_err *err);

typedef enum base_status kms_revoke_fn(
    struct kms_home *home, const char *name, struct base_err *err);

/** A verb that revokes the one thing of this kind that is named, and says so. */
BASE_MUST_CHECK
enum base_status kms_revoke_run(
    int argc, char **argv, kms_revoke_fn *revoke, const char *kind, struct base_err *err);

int kms_verb_lot(const struct cli_program *program, int argc, char **argv);
int kms_verb_permit(const struct cli_program *program, int argc, char **argv);
int kms_verb_tester(const struct cli_program *program, int argc, char **argv);
int kms_verb_station(const struct cli_program *program, int argc, char **argv);
int kms_verb_unit(const struct cli_program *program, int argc, char **argv);
int kms_verb_serve(const struct cli_program *program, int argc, char **argv);

/** A verb of a verb, such as "add" of "lot". */
struct kms_subverb {
    const char *name;
    enum base_status (*run)(int argc, char **argv, struct base_err *err);
};

/** Dispatch argv[1]; argv[0] is the verb. Returns the exit code. */
int kms_subverb_run(const struct cli_program *program, const struct kms_subverb *verbs,
    size_t count, int argc, char **argv);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hex.h"
#include "cmd/lpa-kms.h"

#define DAY_US  (INT64_C(86400) * 1000000)
#define HOUR_US (INT64_C(3600) * 1000000)

struct place {
    char letter;
    size_t offset;
    bool is_text;
};

#define TEXT(letter, member)                                                                       \
    {                                                                                              \
        letter, offsetof(struct kms_args, member), true                                            \
    }
#define FLAG(letter, member)                                                                       \
    {                                                                                              \
        letter, offsetof(struct kms_args, member), false                                           \
    }

static const struct option long_options[] = {
    { "dir", required_argument, NULL, 'd' },
    { "listen", required_argument, NULL, 'l' },
    { "port-file", required_argument, NULL, 'f' },
    { "image", required_argument, NULL, 'i' },
    { "lorawan", required_argument, NULL, 'w' },
    { "join-eui", required_argument, NULL, 'j' },
    { "deveui-first", required_argument, NULL, 'e' },
    { "deveui-count", required_argument, NULL, 'n' },
    { "target", required_argument, NULL, 't' },
    { "allowance", required_argument, NULL, 'a' },
    { "rate", required_argument, NULL, 'g' },
    { "trust", required_argument, NULL, 'T' },
    { "restrict", required_argument, NULL, 'R' },
    { "lock", required_argument, NULL, 'L' },
    { "expires", required_argument, NULL, 'x' },
    { "profile", required_argument, NULL, 'p' },
    { "role", required_argument, NULL, 'r' },
    { "csr", required_argument, NULL, 'c' },
    { "log-key", required_argument, NULL, 'k' },
    { "out", required_argument, NULL, 'o' },
    { "lot", required_argument, NULL, 'b' },
    { "image-key", required_argument, NULL, 'K' },
    { "secure-hash", required_argument, NULL, 'H' },
    { "application", required_argument, NULL, 'A' },
    { "min-bootloader", required_argument, NULL, 'm' },
    { "min-protocol", required_argument, NULL, 'M' },
    { "acts", required_argument, NULL, 'Z' },
    { "chip", required_argument, NULL, 'h' },
    { "reason", required_argument, NULL, 'y' },
    { "dev", no_argument, NULL, 'D' },
    { "unattended", no_argument, NULL, 'U' },
    { "consent-tofu", no_argument, NULL, 'C' },
    { "json", no_argument, NULL, 'J' },
    { "scrap-open", no_argument, NULL, 'S' },
    { "permit", no_argument, NULL, 'P' },
    { "verbose", no_argument, NULL, 'V' },
    { "log", no_argument, NULL, 'G' },
    { NULL, 0, NULL, 0 },
};

static const struct place places[] = {
    TEXT('d', dir),
    TEXT('l', listen),
    TEXT('f', port_file),
    TEXT('i', image),
    TEXT('w', lorawan),
    TEXT('j', join_eui),
    TEXT('e', deveui_first),
    TEXT('n', deveui_count),
    TEXT('t', target),
    TEXT('a', allowance),
    TEXT('g', rate),
    TEXT('T', trust),
    TEXT('R', restrict_policy),
    TEXT('L', lock),
    TEXT('x', expires),
    TEXT('p', profile),
    TEXT('r', role),
    TEXT('c', csr),
    TEXT('k', log_key),
    TEXT('o', out),
    TEXT('b', lot),
    TEXT('K', image_key),
    TEXT('H', secure_hash),
    TEXT('A', application),
    TEXT('m', min_bootloader),
    TEXT('M', min_protocol),
    TEXT('Z', acts),
    TEXT('h', chip),
    TEXT('y', reason),
    FLAG('D', dev),
    FLAG('U', unattended),
    FLAG('C', consent_tofu),
    FLAG('J', json),
    FLAG('S', scrap_open),
    FLAG('P', permit),
    FLAG('V', verbose),
    FLAG('G', log_key_wanted),
};

static void take(struct kms_args *args, int letter, const char *value)
{
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (places[i].letter == letter) {
            void *place = (char *)args + places[i].offset;
            if (places[i].is_text) {
                *(const char **)place = value;
            } else {
                *(bool *)place = true;
            }
        }
    }
}

enum base_status kms_args_read(int argc, char **argv, const char *letters, int words,
    struct kms_args *ret_args, struct base_err *err)
{
    struct kms_args args = { .dir = NULL };
    int letter = 0;
    optind = 0;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (letter == '?' || strchr(letters, letter) == NULL) {
            return base_err_set(err, BASE_E_ARG, "", 0,
                "unknown or incomplete option %.60s here; see lpa-kms --help", argv[optind - 1]);
        }
        take(&args, letter, optarg);
    }
    args.word_count = argc - optind;
    if (args.word_count != words) {
        return base_err_set(err, BASE_E_ARG, "", args.word_count,
            words == 0 ? "there is a word too many; see lpa-kms --help"
                       : "a name is missing or there are too many; see lpa-kms --help");
    }
    for (int i = 0; i < words; i++) {
        args.words[i] = argv[optind + i];
    }
    if (args.dir == NULL) {
        return base_err_set(err, BASE_E_ARG, "", 0, "say which KMS with --dir DIR");
    }
    *ret_args = args;
    return BASE_OK;
}

enum base_status kms_args_open(
    const struct kms_args *args, struct kms_home *ret_home, struct base_err *err)
{
    return kms_home_open(args->dir, base_random_system(), base_clock_system(), ret_home, err);
}

enum base_status kms_args_number(const char *text, const char *what, int64_t min, int64_t max,
    int64_t *ret_number, struct base_err *err)
{
    char *rest = NULL;
    errno = 0;
    long long value = text != NULL ? strtoll(text, &rest, 10) : 0;
    if (text == NULL || errno != 0 || rest == text || *rest != '\0' || value < min || value > max) {
        return base_err_set(err, BASE_E_ARG, "", 0, "--%s takes a number from %lld to %lld", what,
            (long long)min, (long long)max);
    }
    *ret_number = value;
    return BASE_OK;
}

enum base_status kms_args_chip(const char *text, uint8_t ret_chip[8], struct base_err *err)
{
    return text != NULL && base_hex_decode(text, 8, ret_chip, NULL) == BASE_OK
               ? BASE_OK
               : base_err_set(err, BASE_E_ARG, "", 0, "a chip id is 16 hexadecimal digits");
}

enum base_status kms_args_role(const char *text, enum kms_role *ret_role, struct base_err *err)
{
    if (text == NULL || strcmp(text, "tester") == 0 || strcmp(text, "provision") == 0) {
        *ret_role = KMS_ROLE_PROVISION;
        return BASE_OK;
    }
    if (strcmp(text, "personaliser") == 0 || strcmp(text, "personalise") == 0) {
        *ret_role = KMS_ROLE_PERSONALISE;
        return BASE_OK;
    }
    return base_err_set(err, BASE_E_ARG, "", 0,
        "--role is tester or personaliser for people, provision or personalise for stations");
}

static bool relative_time(const char *text, int64_t now_us, int64_t *ret_us)
{
    char *rest = NULL;
    errno = 0;
    long long count = text[0] == '+' ? strtoll(text + 1, &rest, 10) : 0;
    if (text[0] != '+' || errno != 0 || count < 1 || count > 36500 || rest == NULL ||
        (strcmp(rest, "d") != 0 && strcmp(rest, "h") != 0)) {
        return false;
    }
    *ret_us = now_us + count * (rest[0] == 'd' ? DAY_US : HOUR_US);
    return true;
}

enum base_status kms_args_time(
    const char *text, int64_t now_us, int64_t *ret_us, struct base_err *err)
{
    struct tm parts;
    memset(&parts, 0, sizeof(parts));
    if (relative_time(text, now_us, ret_us)) {
        return BASE_OK;
    }
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (rest == NULL || *rest != '\0') {
        return base_err_set(err, BASE_E_ARG, "", 0,
            "--expires is +DAYSd, +HOURSh or a time in UTC such as 2026-12-31T12:00:00Z");
    }
    *ret_us = (int64_t)timegm(&parts) * 1000000;
    return BASE_OK;
}

enum base_status kms_list_run(
    int argc, char **argv, const char *letters, kms_list_fn *list, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    enum base_status status = kms_args_read(argc, argv, letters, 0, &args, err);
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK) {
        struct kms_listing listing = { args.json, kms_store_now_us(&home.store) };
        status = list(&home.store, args.lot, &listing, err);
    }
    kms_home_close(&home);
    return status;
}

enum base_status kms_revoke_run(
    int argc, char **argv, kms_revoke_fn *revoke, const char *kind, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    enum base_status status = kms_args_read(argc, argv, "d", 1, &args, err);
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK) {
        status = revoke(&home, args.words[0], err);
    }
    if (status == BASE_OK) {
        (void)printf("%s %s is revoked\n", kind, args.words[0]);
    }
    kms_home_close(&home);
    return status;
}

int kms_subverb_run(const struct cli_program *program, const struct kms_subverb *verbs,
    size_t count, int argc, char **argv)
{
    struct base_err err = { 0 };
    for (size_t i = 0; argc > 1 && i < count; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            enum base_status status = verbs[i].run(argc - 1, argv + 1, &err);
            return status == BASE_OK ? 0 : cli_fail(program, &err);
        }
    }
    (void)fprintf(stderr, "%s: say what to do with \"%s\":", program->name, argv[0]);
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(stderr, "%s %s", i == 0 ? "" : ",", verbs[i].name);
    }
    (void)fputc('\n', stderr);
    return KMS_EXIT_USAGE;
}

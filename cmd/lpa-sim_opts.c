/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/lpa-sim_opts.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_LISTEN "127.0.0.1:4441"
#define KITPROG_PACKET 64U
#define KITPROG_COUNT  64U

enum option_kind {
    OPTION_LISTEN,
    OPTION_PORT_FILE,
    OPTION_BOARD,
    OPTION_UID,
    OPTION_SEED,
    OPTION_PACKET_SIZE,
    OPTION_PACKET_COUNT,
    OPTION_ROUND_TRIP,
    OPTION_FAULT,
    OPTION_TRACE,
    OPTION_STATS,
    OPTION_REALTIME,
    OPTION_VERBOSE,
    OPTION_KITPROG3,
    OPTION_MINIPROG4,
    OPTION_FIRMWARE,
    OPTION_EXTERNAL,
    OPTION_CONFIG,
};

struct option_row {
    const char *name;
    enum option_kind kind;
    bool has_value;
};

static const struct option_row rows[] = {
    { "--listen", OPTION_LISTEN, true },
    { "--port-file", OPTION_PORT_FILE, true },
    { "--board", OPTION_BOARD, true },
    { "--uid", OPTION_UID, true },
    { "--seed", OPTION_SEED, true },
    { "--packet-size", OPTION_PACKET_SIZE, true },
    { "--packet-count", OPTION_PACKET_COUNT, true },
    { "--round-trip-us", OPTION_ROUND_TRIP, true },
    { "--fault", OPTION_FAULT, true },
    { "--trace", OPTION_TRACE, true },
    { "--stats-file", OPTION_STATS, true },
    { "--realtime", OPTION_REALTIME, false },
    { "--verbose", OPTION_VERBOSE, false },
    { "--kitprog3", OPTION_KITPROG3, false },
    { "--miniprog4", OPTION_MINIPROG4, false },
    { "--firmware", OPTION_FIRMWARE, true },
    { "--external-mv", OPTION_EXTERNAL, true },
    { "--config", OPTION_CONFIG, true },
};

static enum base_status parse_number(const char *name, const char *text, uint64_t least,
    uint64_t most, uint64_t *ret_value, struct base_err *err)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    bool digits = text[0] >= '0' && text[0] <= '9' && *end == '\0';
    if (errno != 0 || !digits || value < least || value > most) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "%s wants a number from %llu to %llu, not \"%s\"", name, (unsigned long long)least,
            (unsigned long long)most, text);
    }
    *ret_value = value;
    return BASE_OK;
}

static enum base_status parse_fault(
    const char *text, struct sim_serve_opts *opts, struct base_err *err)
{
    struct sim_fault fault;
    enum base_status status = sim_fault_parse(text, &fault, err);
    if (status != BASE_OK) {
        return status;
    }
    for (unsigned i = 0; i < opts->fault_count; i++) {
        if (opts->faults[i].kind == fault.kind && sim_fault_is_single(fault.kind)) {
            return base_err_set(err, BASE_E_ARG, "option", 0,
                "only one fault of this kind can be planned; leave out %s", text);
        }
    }
    if (opts->fault_count == SIM_SERVE_FAULTS_MAX) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "no more than %u faults can be planned; leave out %s", SIM_SERVE_FAULTS_MAX, text);
    }
    opts->faults[opts->fault_count++] = fault;
    return BASE_OK;
}

static enum base_status parse_uid(
    const char *text, struct sim_serve_opts *opts, struct base_err *err)
{
    uint8_t *uid = opts->board_opts.chip.unique_id;
    if (base_hex_decode(text, sizeof(opts->board_opts.chip.unique_id), uid, NULL) != BASE_OK) {
        return base_err_set(
            err, BASE_E_ARG, "option", 0, "--uid wants 16 hexadecimal digits, not \"%s\"", text);
    }
    base_hex_encode(uid, sizeof(opts->board_opts.chip.unique_id), opts->uid_text);
    return BASE_OK;
}

static enum base_status parse_count(
    const char *name, const char *text, struct sim_serve_opts *opts, struct base_err *err)
{
    uint64_t value = 0;
    enum base_status status = parse_number(name, text, 1, 255, &value, err);
    opts->board_opts.probe.packet_count = (uint8_t)value;
    return status;
}

static enum base_status parse_size(
    const char *name, const char *text, struct sim_serve_opts *opts, struct base_err *err)
{
    uint64_t value = 0;
    enum base_status status = parse_number(name, text, 64, SIM_PROBE_MAX_PACKET, &value, err);
    opts->board_opts.probe.packet_size = (uint16_t)value;
    return status;
}

static enum base_status parse_round_trip(
    const char *name, const char *text, struct sim_serve_opts *opts, struct base_err *err)
{
    uint64_t value = 0;
    enum base_status status = parse_number(name, text, 0, 10000000, &value, err);
    opts->board_opts.probe.round_trip_us = (uint32_t)value;
    return status;
}

static enum base_status parse_firmware(
    const char *text, struct sim_kitprog_opts *kitprog, struct base_err *err)
{
    if (!sim_kitprog_parse_version(text, kitprog)) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "--firmware wants three numbers such as 2.82.1735, not \"%s\"", text);
    }
    return BASE_OK;
}

static enum base_status parse_external(
    const char *name, const char *text, struct sim_kitprog_opts *kitprog, struct base_err *err)
{
    uint64_t value = 0;
    enum base_status status = parse_number(name, text, 0, 5500, &value, err);
    kitprog->external_mv = (uint16_t)value;
    return status;
}

static enum base_status apply(const struct option_row *row, const char *value,
    struct sim_serve_opts *opts, bool *seeded, struct base_err *err)
{
    struct sim_kitprog_opts *kitprog = &opts->board_opts.probe.kitprog;
    switch (row->kind) {
    case OPTION_LISTEN:
        opts->listen = value;
        return BASE_OK;
    case OPTION_PORT_FILE:
        opts->port_file = value;
        return BASE_OK;
    case OPTION_BOARD:
        opts->board = value;
        return BASE_OK;
    case OPTION_UID:
        return parse_uid(value, opts, err);
    case OPTION_SEED:
        *seeded = true;
        return parse_number(row->name, value, 0, UINT64_MAX, &opts->board_opts.chip.trng_seed, err);
    case OPTION_PACKET_SIZE:
        return parse_size(row->name, value, opts, err);
    case OPTION_PACKET_COUNT:
        return parse_count(row->name, value, opts, err);
    case OPTION_ROUND_TRIP:
        return parse_round_trip(row->name, value, opts, err);
    case OPTION_FAULT:
        return parse_fault(value, opts, err);
    case OPTION_TRACE:
        opts->trace = value;
        return BASE_OK;
    case OPTION_STATS:
        opts->stats_file = value;
        return BASE_OK;
    case OPTION_REALTIME:
        opts->realtime = true;
        return BASE_OK;
    case OPTION_VERBOSE:
        opts->verbose = true;
        return BASE_OK;
    case OPTION_KITPROG3:
        kitprog->model = SIM_KITPROG_ON_BOARD;
        return BASE_OK;
    case OPTION_MINIPROG4:
        kitprog->model = SIM_KITPROG_MINIPROG4;
        return BASE_OK;
    case OPTION_FIRMWARE:
        return parse_firmware(value, kitprog, err);
    case OPTION_EXTERNAL:
        return parse_external(row->name, value, kitprog, err);
    case OPTION_CONFIG:
        opts->config = value;
        return BASE_OK;
    }
    return base_err_set(err, BASE_E_INTERNAL, "option", 0, "option %s is not handled", row->name);
}

static const struct option_row *find_option(const char *name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

enum sim_serve_form sim_serve_option_form(const char *name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].name + strlen("--"), name) == 0) {
            return rows[i].has_value ? SIM_SERVE_WITH_VALUE : SIM_SERVE_WITHOUT_VALUE;
        }
    }
    return SIM_SERVE_UNKNOWN;
}

/* A board kept in a file has the same id in every run: the one that belongs to the file's place. */
static enum base_status uid_of_file(
    const char *path, uint8_t *ret_uid, size_t length, struct base_err *err)
{
    char folder[BASE_FILE_PATH_SIZE] = "";
    if (path[0] != '/' && getcwd(folder, sizeof(folder)) == NULL) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot tell the present folder");
    }
    uint8_t digest[BASE_SHA256_BYTES];
    struct base_sha256 hash;
    base_sha256_init(&hash);
    base_sha256_update(&hash, folder, strlen(folder));
    base_sha256_update(&hash, "/", path[0] == '/' ? 0 : 1);
    base_sha256_update(&hash, path, strlen(path));
    base_sha256_final(&hash, digest);
    memcpy(ret_uid, digest, length);
    return BASE_OK;
}

/* Two boards must not have the same id or the same noise, nor one board the same noise twice. */
static enum base_status draw_defaults(
    struct sim_serve_opts *opts, bool seeded, struct base_err *err)
{
    struct sim_chip_opts *chip = &opts->board_opts.chip;
    const struct base_random *random = base_random_system();
    enum base_status status = BASE_OK;
    if (!seeded) {
        status = base_random_fill(random, &chip->trng_seed, sizeof(chip->trng_seed), err);
    }
    if (status != BASE_OK || opts->uid_text[0] != '\0') {
        return status;
    }
    if (opts->board != NULL) {
        status = uid_of_file(opts->board, chip->unique_id, sizeof(chip->unique_id), err);
    } else {
        status = base_random_fill(random, chip->unique_id, sizeof(chip->unique_id), err);
    }
    base_hex_encode(chip->unique_id, sizeof(chip->unique_id), opts->uid_text);
    return status;
}

/* What those probes say of themselves, where nothing else was asked for. */
static void be_kitprog(struct sim_probe_opts *probe)
{
    if (probe->kitprog.model == SIM_KITPROG_NONE) {
        return;
    }
    bool miniprog = probe->kitprog.model == SIM_KITPROG_MINIPROG4;
    probe->product = miniprog ? "MiniProg4 CMSIS-DAP" : "KitProg3 CMSIS-DAP";
    probe->packet_size = probe->packet_size != 0 ? probe->packet_size : KITPROG_PACKET;
    probe->packet_count = probe->packet_count != 0 ? probe->packet_count : KITPROG_COUNT;
}

enum base_status sim_serve_parse(
    int argc, char **argv, struct sim_serve_opts *ret_opts, struct base_err *err)
{
    struct sim_serve_opts opts = { .listen = DEFAULT_LISTEN };
    opts.board_opts.probe.round_trip_us = SIM_PROBE_ROUND_TRIP_US;
    opts.board_opts.restore_us = SIM_BOARD_RESTORE_US;
    bool seeded = false;
    int others = 0;
    for (int i = 1; i < argc; i++) {
        const struct option_row *row = find_option(argv[i]);
        if (row == NULL) {
            return base_err_set(err, BASE_E_ARG, "option", 0,
                "serve does not know \"%s\"; see lpa-sim --help", argv[i]);
        }
        if (row->has_value && i + 1 == argc) {
            return base_err_set(err, BASE_E_ARG, "option", 0, "%s wants a value", row->name);
        }
        others += row->kind != OPTION_CONFIG && row->kind != OPTION_VERBOSE ? 1 : 0;
        const char *value = row->has_value ? argv[++i] : NULL;
        enum base_status status = apply(row, value, &opts, &seeded, err);
        if (status != BASE_OK) {
            return status;
        }
    }
    if (opts.config != NULL && others > 0) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "--config stands alone; write the boards' options into %s", opts.config);
    }
    be_kitprog(&opts.board_opts.probe);
    enum base_status status = draw_defaults(&opts, seeded, err);
    if (status == BASE_OK) {
        *ret_opts = opts;
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hex.h"
#include "base/secret.h"
#include "cmd/lpa-probe_session.h"
#include "programmer/kitprog.h"

#define READ_MAX    0x400000U
#define TRACE_WORDS 24

/* ---------------------------------------------------------------------------------------- list */

struct listing {
    struct probe_session *session;
    json_t *probes;
};

static bool list_probe(void *user, const char *url, const char *description)
{
    struct listing *listing = user;
    json_t *probe = json_object();
    (void)json_object_set_new(probe, "url", json_string(url));
    (void)json_object_set_new(probe, "description", json_string(description));
    (void)json_array_append_new(listing->probes, probe);
    probe_session_say(listing->session, "%s  %s", url, description);
    return true;
}

static enum base_status list(struct probe_session *session, struct base_err *err)
{
    struct listing listing = { session, json_array() };
    json_t *cables = json_array();
    enum base_status status = BASE_OK;
    (void)json_object_set_new(session->result, "probes", listing.probes);
    (void)json_object_set_new(session->result, "cables", cables);
    for (const struct prg_transport *const *entry = prg_transport_table();
         *entry != NULL && status == BASE_OK; entry++) {
        (void)json_array_append_new(cables, json_string((*entry)->summary));
        if ((*entry)->enumerate != NULL) {
            status = (*entry)->enumerate(list_probe, &listing, err);
        }
    }
    if (status == BASE_OK && json_array_size(listing.probes) == 0) {
        probe_session_say(session, "no probe can be found by itself; name one with -p:");
        for (const struct prg_transport *const *entry = prg_transport_table(); *entry != NULL;
             entry++) {
            probe_session_say(session, "  %s", (*entry)->summary);
        }
    }
    return status;
}

static int run_list(const struct cli_program *program, int argc, char **argv)
{
    struct probe_session session;
    struct base_err err = { .status = BASE_OK };
    enum base_status status = probe_session_init(&session, program, argc, argv, 0, 0, &err);
    if (status == BASE_OK) {
        (void)!list(&session, &err);
    }
    return probe_session_end(&session, &err);
}

/* ---------------------------------------------------------------------------------------- info */

static const char *family_name(unsigned family)
{
    switch (family) {
    case PRG_PSOC6_BLE2:
        return "PSoC 6 BLE-2";
    case PRG_PSOC6_2M:
        return "PSoC 6 2M";
    case PRG_PSOC6_512K:
        return "PSoC 6 512K";
    case PRG_PSOC6_256K:
        return "PSoC 6 256K";
    default:
        return "unknown";
    }
}

static const char *protection_name(unsigned protection)
{
    static const char *const names[] = { "unknown", "virgin", "normal", "secure", "dead" };
    return protection < sizeof(names) / sizeof(names[0]) ? names[protection] : "unknown";
}

static const char *toc2_name(enum prg_psoc6_toc2 toc2)
{
    switch (toc2) {
    case PRG_PSOC6_TOC2_BLANK:
        return "blank";
    case PRG_PSOC6_TOC2_OURS:
        return "as this program writes it";
    case PRG_PSOC6_TOC2_OTHER:
        return "valid, another one";
    case PRG_PSOC6_TOC2_BAD:
        return "damaged";
    case PRG_PSOC6_TOC2_SECURE:
        return "with signature key, as for SECURE";
    }
    return "unknown";
}

static void tell_probe(struct probe_session *session)
{
    const struct prg_probe_info *probe = prg_link_probe(session->link);
    probe_session_text(session, "probe", probe->product);
    probe_session_text(session, "vendor", probe->vendor);
    probe_session_text(session, "serial", probe->serial);
    probe_session_text(session, "firmware", probe->firmware);
    probe_session_text(session, "protocol", probe->protocol);
    probe_session_count(session, "packet_size", probe->packet_size);
    probe_session_count(session, "packet_count", probe->packet_count);
    (void)json_object_set_new(session->result, "lab_only", json_boolean(probe->lab_only));
    probe_session_text(session, "model", probe->model);
    probe_session_text(session, "port", probe->cable.port);
    probe_session_say(
        session, "probe        %s %s, serial %s", probe->vendor, probe->product, probe->serial);
    probe_session_say(session, "firmware     %s, CMSIS-DAP %s, %u packets of %u bytes%s",
        probe->firmware, probe->protocol, (unsigned)probe->packet_count,
        (unsigned)probe->packet_size, probe->lab_only ? ", for the lab only" : "");
}

/* Supply of the target, where the probe can tell. */
static void tell_voltage(struct probe_session *session)
{
    uint32_t millivolt = 0;
    struct base_err ignored = { .status = BASE_OK };
    if (prg_kitprog_voltage(session->link, &millivolt, &ignored) == BASE_OK) {
        probe_session_count(session, "voltage_mv", millivolt);
        probe_session_say(session, "voltage      %u.%02u V", (unsigned)(millivolt / 1000),
            (unsigned)(millivolt % 1000 / 10));
    } else {
        (void)json_object_set_new(session->result, "voltage_mv", json_null());
        probe_session_say(session, "voltage      not measured by this kind of probe");
    }
}

/* Rows of supervisory flash that nobody has written yet. */
static enum base_status tell_free_rows(struct probe_session *session, struct base_err *err)
{
    static const struct {
        const char *key;
        uint32_t address;
        unsigned rows;
    } areas[2] = { { "free_user_rows", 0x16000800U, 4 }, { "free_key_rows", 0x16005A00U, 6 } };

    unsigned blank[2] = { 0, 0 };
    for (size_t i = 0; i < 2; i++) {
        for (unsigned row = 0; row < areas[i].rows; row++) {
            uint8_t bytes[PRG_PSOC6_ROW_SIZE];
            uint8_t any = 0;
            enum base_status status = prg_psoc6_read(session->chip,
                areas[i].address + row * PRG_PSOC6_ROW_SIZE, sizeof(bytes), bytes, err);
            if (status != BASE_OK) {
                return status;
            }
            for (size_t at = 0; at < sizeof(bytes); at++) {
                any |= bytes[at];
            }
            blank[i] += any == 0 ? 1 : 0;
        }
        probe_session_count(session, areas[i].key, blank[i]);
    }
    probe_session_say(session, "SFlash rows  free: %u of %u for the user, %u of %u for the key",
        blank[0], areas[0].rows, blank[1], areas[1].rows);
    return BASE_OK;
}

static void tell_protection(struct probe_session *session, const struct prg_psoc6_info *info)
{
    char text[9];
    probe_session_text(session, "protection", protection_name(info->protection));
    probe_session_say(session, "protection   %s", protection_name(info->protection));
    if (!session->acquire) {
        probe_session_say(session, "fuses        not read; --acquire resets the chip and reads "
                                   "them");
        return;
    }
    base_hex_encode(info->restrictions, sizeof(info->restrictions), text);
    probe_session_count(session, "lifecycle_fuses", info->lifecycle_fuses);
    probe_session_text(session, "restrictions", text);
    probe_session_say(session, "fuses        lifecycle %02x, restrictions DEAD %.4s SECURE %s",
        info->lifecycle_fuses, text, text + 4);
}

static void tell_chip(
    struct probe_session *session, const struct prg_psoc6_info *info, enum prg_psoc6_toc2 toc2)
{
    char uid[2 * PRG_PSOC6_UID_SIZE + 1];
    base_hex_encode(info->unique_id, sizeof(info->unique_id), uid);
    probe_session_text(session, "family", family_name(info->family));
    probe_session_count(session, "family_id", info->family);
    probe_session_count(session, "silicon_id", info->silicon_id);
    probe_session_count(session, "revision_major", info->revision_major);
    probe_session_count(session, "revision_minor", info->revision_minor);
    probe_session_text(session, "unique_id", uid);
    probe_session_count(session, "flash_bytes", info->flash_bytes);
    probe_session_text(session, "toc2", toc2_name(toc2));
    probe_session_say(session, "chip         %s (family %03x), silicon %04x, revision %u.%u",
        family_name(info->family), info->family, info->silicon_id, info->revision_major,
        info->revision_minor);
    probe_session_say(session, "unique id    %s", uid);
    probe_session_say(session, "flash        %u KiB, %u rows of %u bytes",
        (unsigned)(info->flash_bytes / 1024), (unsigned)info->rows, (unsigned)info->row_bytes);
    tell_protection(session, info);
    probe_session_say(session, "TOC2         %s", toc2_name(toc2));
    probe_session_say(session, "ports        SYS-AP %s, CM0-AP %s, CM4-AP %s",
        info->ap_open[0] ? "open" : "closed", info->ap_open[1] ? "open" : "closed",
        info->ap_open[2] ? "open" : "closed");
}

static enum base_status info(struct probe_session *session, struct base_err *err)
{
    struct prg_psoc6_info chip;
    enum prg_psoc6_toc2 toc2 = PRG_PSOC6_TOC2_BAD;
    enum base_status status =
        session->acquire ? probe_session_acquire(session, err) : probe_session_attach(session, err);
    if (session->link != NULL) {
        tell_probe(session);
        tell_voltage(session);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_identify(session->chip, &chip, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_read_toc2(session->chip, &toc2, err);
    }
    if (status == BASE_OK) {
        tell_chip(session, &chip, toc2);
        status = tell_free_rows(session, err);
    }
    if (status == BASE_OK) {
        status = session->acquire ? probe_session_release(session, err) : BASE_OK;
    }
    return status;
}

static int run_info(const struct cli_program *program, int argc, char **argv)
{
    struct probe_session session;
    struct base_err err = { .status = BASE_OK };
    enum base_status status = probe_session_init(&session, program, argc, argv, 0, 0, &err);
    if (status == BASE_OK) {
        (void)!info(&session, &err);
    }
    return probe_session_end(&session, &err);
}

/* ---------------------------------------------------------------------------------------- read */

static enum base_status parse_region(const struct probe_session *session, uint32_t *ret_address,
    uint32_t *ret_length, struct base_err *err)
{
    enum base_status status = probe_session_number(session->words[0], "address", ret_address, err);
    return status == BASE_OK ? probe_session_number(session->words[1], "length", ret_length, err)
                             : status;
}

static enum base_status dump(struct probe_session *session, uint32_t address, const uint8_t *bytes,
    uint32_t length, struct base_err *err)
{
    if (session->output != NULL) {
        return base_file_replace(session->output, bytes, length, 0644, err);
    }
    char *text = malloc(2 * (size_t)length + 1);
    if (text == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "memory", 0, "no memory for the result");
    }
    base_hex_encode(bytes, length, text);
    probe_session_count(session, "address", address);
    probe_session_text(session, "bytes", text);
    for (uint32_t at = 0; at < length; at += 16) {
        probe_session_say(session, "%08x  %.32s", (unsigned)(address + at), text + 2 * (size_t)at);
    }
    free(text);
    return BASE_OK;
}

static enum base_status read_memory(struct probe_session *session, struct base_err *err)
{
    uint32_t address = 0;
    uint32_t length = 0;
    enum base_status status = parse_region(session, &address, &length, err);
    if (status == BASE_OK && (length == 0 || length > READ_MAX)) {
        return base_err_set(err, BASE_E_ARG, "argument", length,
            "a length of %u bytes is outside 1 … %u", (unsigned)length, READ_MAX);
    }
    if (status == BASE_OK) {
        status = probe_session_attach(session, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    uint8_t *bytes = malloc(length);
    if (bytes == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "memory", 0, "no memory for the result");
    }
    status = prg_psoc6_read(session->chip, address, length, bytes, err);
    if (status == BASE_OK) {
        status = dump(session, address, bytes, length, err);
    }
    free(bytes);
    return status;
}

static int run_read(const struct cli_program *program, int argc, char **argv)
{
    struct probe_session session;
    struct base_err err = { .status = BASE_OK };
    enum base_status status = probe_session_init(&session, program, argc, argv, 2, 2, &err);
    if (status == BASE_OK) {
        (void)!read_memory(&session, &err);
    }
    return probe_session_end(&session, &err);
}

/* ---------------------------------------------------------------------------- program and verify
 */

static enum base_status write_image(
    struct probe_session *session, const struct prg_image *image, struct base_err *err)
{
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    enum prg_psoc6_change toc2 = PRG_PSOC6_UNCHANGED;
    enum base_status status = probe_session_acquire(session, err);
    if (status == BASE_OK) {
        status = (session->changed ? prg_psoc6_update : prg_psoc6_program)(
            session->chip, image, probe_session_progress, session, &change, err);
    }
    if (status == BASE_OK && session->toc2) {
        status = prg_psoc6_write_toc2(session->chip, &toc2, err);
    }
    if (status == BASE_OK) {
        status = probe_session_release(session, err);
    }
    if (status == BASE_OK) {
        bool written = change == PRG_PSOC6_WRITTEN;
        (void)json_object_set_new(session->result, "written", json_boolean(written));
        (void)json_object_set_new(
            session->result, "toc2_written", json_boolean(toc2 == PRG_PSOC6_WRITTEN));
        probe_session_count(session, "bytes", image->total_bytes);
        probe_session_say(session, "%u bytes %s%s", (unsigned)image->total_bytes,
            written ? "programmed and verified" : "were there already",
            toc2 == PRG_PSOC6_WRITTEN ? ", TOC2 written" : "");
    }
    return status;
}

static enum base_status check_image(
    struct probe_session *session, const struct prg_image *image, struct base_err *err)
{
    enum base_status status = probe_session_attach(session, err);
    if (status == BASE_OK) {
        status = prg_psoc6_verify(session->chip, image, probe_session_progress, session, err);
    }
    if (status == BASE_OK) {
        probe_session_count(session, "bytes", image->total_bytes);
        probe_session_say(session, "%u bytes verified", (unsigned)image->total_bytes);
    }
    return status;
}

typedef enum base_status image_fn(
    struct probe_session *session, const struct prg_image *image, struct base_err *err);

static int run_image(const struct cli_program *program, int argc, char **argv, image_fn *act)
{
    struct probe_session session;
    struct base_err err = { .status = BASE_OK };
    struct prg_image image = { .count = 0 };
    enum base_status status = probe_session_init(&session, program, argc, argv, 1, 1, &err);
    if (status == BASE_OK) {
        status = prg_image_load(session.words[0], &session.image, &image, &err);
    }
    if (status == BASE_OK) {
        (void)!act(&session, &image, &err);
    }
    prg_image_done(&image);
    return probe_session_end(&session, &err);
}

static int run_program(const struct cli_program *program, int argc, char **argv)
{
    return run_image(program, argc, argv, write_image);
}

static int run_verify(const struct cli_program *program, int argc, char **argv)
{
    return run_image(program, argc, argv, check_image);
}

/* --------------------------------------------------------------------------------------- erase */

static enum base_status erase(struct probe_session *session, struct base_err *err)
{
    uint32_t address = 0;
    uint32_t length = 0;
    enum base_status status = parse_region(session, &address, &length, err);
    if (status == BASE_OK) {
        status = probe_session_acquire(session, err);
    }
    if (status == BASE_OK) {
        status =
            prg_psoc6_erase(session->chip, address, length, probe_session_progress, session, err);
    }
    if (status == BASE_OK) {
        status = probe_session_release(session, err);
    }
    if (status == BASE_OK) {
        probe_session_count(session, "bytes", length);
        probe_session_say(session, "%u bytes erased", (unsigned)length);
    }
    return status;
}

static int run_erase(const struct cli_program *program, int argc, char **argv)
{
    struct probe_session session;
    struct base_err err = { .status = BASE_OK };
    enum base_status status = probe_session_init(&session, program, argc, argv, 2, 2, &err);
    if (status == BASE_OK) {
        (void)!erase(&session, &err);
    }
    return probe_session_end(&session, &err);
}

/* --------------------------------------------------------------------------------------- reset */

static int run_reset(const struct cli_program *program, int argc, char **argv)
{
    struct probe_session session;
    struct base_err err = { .status = BASE_OK };
    enum base_status status = probe_session_init(&session, program, argc, argv, 0, 0, &err);
    if (status == BASE_OK) {
        status = probe_session_open(&session, &err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_reset(session.chip, &err);
    }
    if (status == BASE_OK) {
        probe_session_say(&session, "reset");
    }
    return probe_session_end(&session, &err);
}

/* ---------------------------------------------------------------------------------------- trace
 */

static int run_trace(const struct cli_program *program, int argc, char **argv)
{
    static char trace[] = "--trace";
    struct base_err err = { .status = BASE_OK };
    char *words[TRACE_WORDS + 1];
    if (argc < 2 || argc >= TRACE_WORDS || strcmp(argv[1], "trace") == 0) {
        (void)base_err_set(&err, BASE_E_ARG, "argument", argc,
            "say what to do while tracing, for example: lpa-probe trace info -p URL");
        return cli_fail(program, &err);
    }
    words[0] = argv[1];
    words[1] = trace;
    memcpy(words + 2, argv + 2, (size_t)(argc - 2) * sizeof(argv[0]));
    words[argc] = NULL;
    for (size_t i = 0; i < program->verb_count; i++) {
        if (strcmp(program->verbs[i].name, argv[1]) == 0) {
            return program->verbs[i].run(program, argc, words);
        }
    }
    (void)base_err_set(&err, BASE_E_ARG, "argument", 0,
        "there is no verb \"%.40s\" to trace; see lpa-probe --help", argv[1]);
    return cli_fail(program, &err);
}

static const struct cli_verb verbs[] = {
    { "list", "[--json]", run_list, "show the probes that can be found, and how to name others" },
    { "info", "-p URL [--acquire] [--stay] [--json]", run_info,
        "tell probe and chip; --acquire resets the chip and reads its fuses too" },
    { "read", "ADDRESS LENGTH -p URL [-o FILE] [--json]", run_read,
        "read memory of the running chip" },
    { "program",
        "FILE -p URL [--base ADDRESS] [--format auto|elf|hex|bin] [--changed] [--toc2] [--stay] "
        "[--json]",
        run_program, "write an image to main flash, verify it, reset" },
    { "verify", "FILE -p URL [--base ADDRESS] [--format auto|elf|hex|bin] [--json]", run_verify,
        "compare an image with main flash" },
    { "erase", "ADDRESS LENGTH -p URL [--stay] [--json]", run_erase,
        "erase whole rows of main flash" },
    { "reset", "-p URL [--json]", run_reset, "pulse the reset pin and let the chip boot" },
    { "acquire", "-p URL [--json]", probe_tools_acquire,
        "stop the chip in test mode and leave it there" },
    { "efuse",
        "[BYTE [COUNT]] | plan IMAGE KEY | blow BYTE BIT --permit FILE --kms-key FILE -p URL "
        "[--stay] [--json]",
        probe_efuse, "read fuse bytes, show what a restricted chip needs, blow one bit" },
    { "power", "on [MILLIVOLT] | off -p URL [--json]", probe_tools_power,
        "switch the target's supply (KitProg3, MiniProg4)" },
    { "bench", "-p URL [--json]", probe_tools_bench,
        "measure round trips and reading through this probe" },
    { "trace", "VERB ... [--record FILE]", run_trace,
        "carry out another verb and show what goes over the wire" },
};

int main(int argc, char **argv)
{
    static const struct cli_program program = {
        .name = "lpa-probe",
        .summary = "look at and program one PSoC 6 through a CMSIS-DAP probe",
        .verbs = verbs,
        .verb_count = sizeof(verbs) / sizeof(verbs[0]),
    };
    base_secret_harden_process();
    return cli_main(&program, argc, argv);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hex.h"
#include "programmer/trace.h"

#define RECORDING_MAX (256U * 1024U * 1024U)

struct packet {
    uint32_t at, length; /* in the recording's bytes */
    uint32_t requests;   /* of a response: recorded before it */
};

struct replay {
    const struct base_clock *clock;
    int64_t delay_us;
    uint8_t *bytes;
    struct packet *requests, *responses;
    size_t request_count, response_count;
    size_t sent, got; /* so far */
    int64_t *sent_us; /* when each request came */
};

static void replay_close(void *state)
{
    struct replay *replay = state;
    if (replay != NULL) {
        free(replay->bytes);
        free(replay->requests);
        free(replay->responses);
        free(replay->sent_us);
        free(replay);
    }
}

static enum base_status damaged(size_t line, struct base_err *err)
{
    return base_err_set(err, BASE_E_CORRUPT, "recording", (int64_t)line,
        "line %zu is not of a recording; make one with lpa-probe trace --record", line);
}

/* One line, its newline cut off. */
static bool take_line(struct replay *replay, const char *line, size_t length, size_t *used)
{
    size_t digits = length < 2 ? 0 : length - 2;
    bool request = length > 0 && line[0] == '>';
    if (length < 4 || (line[0] != '>' && line[0] != '<') || line[1] != ' ' || digits % 2 != 0 ||
        digits / 2 > PRG_PACKET_MAX ||
        base_hex_decode(line + 2, digits / 2, replay->bytes + *used, NULL) != BASE_OK) {
        return false;
    }
    struct packet packet = { (uint32_t)*used, (uint32_t)(digits / 2),
        (uint32_t)replay->request_count };
    if (request) {
        replay->requests[replay->request_count++] = packet;
    } else {
        replay->responses[replay->response_count++] = packet;
    }
    *used += digits / 2;
    return true;
}

static enum base_status parse(struct replay *replay, char *text, struct base_err *err)
{
    size_t used = 0;
    size_t number = 1;
    char *line = text;
    for (; *line != '\0'; number++) {
        size_t length = strcspn(line, "\n");
        bool last = line[length] == '\0';
        line[length] = '\0';
        bool good =
            number == 1 ? strcmp(line, "lpa-wire 1") == 0 : take_line(replay, line, length, &used);
        if (!good) {
            return damaged(number, err);
        }
        line += last ? length : length + 1;
    }
    return number > 1 ? BASE_OK : damaged(1, err);
}

static enum base_status load(struct replay *replay, const char *path, struct base_err *err)
{
    struct base_buf file;
    base_buf_init(&file, RECORDING_MAX);
    enum base_status status = base_file_read(path, &file, err);
    /* A packet has at least five characters: mark, space, two digits, newline. */
    size_t most = file.length / 5 + 1;
    if (status == BASE_OK && base_buf_text(&file) != NULL) {
        replay->bytes = malloc(file.length / 2 + 1);
        replay->requests = calloc(most, sizeof(struct packet));
        replay->responses = calloc(most, sizeof(struct packet));
        replay->sent_us = calloc(most, sizeof(int64_t));
    }
    if (status == BASE_OK && (replay->bytes == NULL || replay->requests == NULL ||
                                 replay->responses == NULL || replay->sent_us == NULL)) {
        status = base_err_set(err, BASE_E_NOMEM, "recording", 0, "no memory for %s", path);
    }
    if (status == BASE_OK) {
        status = parse(replay, (char *)file.data, err);
        (void)base_err_prefix(err, "%s: ", path);
    }
    base_buf_done(&file);
    return status;
}

static enum base_status replay_submit(
    void *state, const uint8_t *packet, size_t length, int64_t timeout_us, struct base_err *err)
{
    (void)timeout_us;
    struct replay *replay = state;
    const struct packet *next = &replay->requests[replay->sent];
    if (replay->sent == replay->request_count || next->length != length ||
        memcmp(replay->bytes + next->at, packet, length) != 0) {
        enum base_status status =
            base_err_set(err, BASE_E_PROTO, "recording", (int64_t)replay->sent + 1,
                "the recording has another request %zu than this one", replay->sent + 1);
        base_err_set_code(err, "other_request");
        return status;
    }
    replay->sent_us[replay->sent++] = base_clock_mono_us(replay->clock);
    return BASE_OK;
}

static enum base_status replay_collect(void *state, int64_t timeout_us, size_t size,
    uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    struct replay *replay = state;
    const struct packet *next = &replay->responses[replay->got];
    if (replay->got == replay->response_count || next->requests > replay->sent ||
        next->length > size) {
        return base_err_set(err, BASE_E_TIMEOUT, "recording", (int64_t)replay->got,
            "the recording has no more answers");
    }
    if (replay->delay_us > 0 && next->requests > 0) {
        int64_t wait_us = replay->sent_us[next->requests - 1] + replay->delay_us -
                          base_clock_mono_us(replay->clock);
        if (wait_us > timeout_us) {
            base_clock_sleep_us(replay->clock, timeout_us);
            return base_err_set(err, BASE_E_TIMEOUT, "recording", 0, "the answer comes later");
        }
        if (wait_us > 0) {
            base_clock_sleep_us(replay->clock, wait_us);
        }
    }
    memcpy(ret_packet, replay->bytes + next->at, next->length);
    *ret_length = next->length;
    replay->got++;
    return BASE_OK;
}

enum base_status prg_wire_replay(const char *path, const struct base_clock *clock, int64_t delay_us,
    struct prg_wire *ret_wire, struct base_err *err)
{
    struct replay *replay = calloc(1, sizeof(*replay));
    if (replay == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "recording", 0, "no memory for a recording");
    }
    replay->clock = clock;
    replay->delay_us = delay_us;
    enum base_status status = load(replay, path, err);
    if (status != BASE_OK) {
        replay_close(replay);
        return status;
    }
    ret_wire->transport = &prg_transport_replay;
    ret_wire->state = replay;
    return BASE_OK;
}

static enum base_status replay_open(
    const char *address, const struct base_clock *clock, void **ret_state, struct base_err *err)
{
    char path[PRG_URL_SIZE];
    int64_t delay_us = 0;
    size_t length = strnlen(address, sizeof(path) - 1);
    memcpy(path, address, length);
    path[length] = '\0';
    char *at = strrchr(path, '@');
    if (at != NULL && at[1] != '\0' && strspn(at + 1, "0123456789") == strlen(at + 1) &&
        strlen(at + 1) <= 7) {
        delay_us = strtol(at + 1, NULL, 10);
        *at = '\0';
    }
    if (path[0] == '\0' || path[0] == '@') {
        return base_err_set(err, BASE_E_ARG, "probe", 0,
            "replay:%.80s names no recording; write replay:FILE or replay:FILE@MICROSECONDS",
            address);
    }
    struct prg_wire wire = { .transport = NULL };
    enum base_status status = prg_wire_replay(path, clock, delay_us, &wire, err);
    if (status == BASE_OK) {
        *ret_state = wire.state;
    }
    return status;
}

const struct prg_transport prg_transport_replay = {
    .name = "replay",
    .summary = "replay:FILE[@MICROSECONDS] (a recording)",
    .lab_only = true,
    .slack_ms = 1000,
    .open = replay_open,
    .submit = replay_submit,
    .collect = replay_collect,
    .close = replay_close,
};

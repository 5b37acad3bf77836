/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fault/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (memory == NULL) {
        (void)fputs("no memory\n", stderr);
        exit(2);
    }
    return memory;
}

int64_t rig_now_us(const struct rig *rig)
{
    if (rig->play != NULL && rig->at < rig->live_from) {
        return rig->now_us;
    }
    struct sim_probe_stats stats;
    sim_probe_get_stats(rig->board->probe, &stats);
    return (int64_t)(stats.virtual_time_ps / SIM_PS_PER_US);
}

static void pass_until(struct rig *rig, int64_t when_us)
{
    int64_t now_us = rig_now_us(rig);
    if (when_us > now_us) {
        sim_probe_pass_us(rig->board->probe, (uint64_t)(when_us - now_us));
        sim_board_settle(rig->board);
    }
}

/* ---------------------------------------------------------------------------------------- tape */

static struct rig_event *record(struct rig_tape *tape, const uint8_t *bytes, size_t length)
{
    if (tape->count == tape->capacity) {
        tape->capacity = tape->capacity == 0 ? 256 : tape->capacity * 2;
        tape->events = must(realloc(tape->events, tape->capacity * sizeof(tape->events[0])));
    }
    if (tape->used + length > tape->size) {
        tape->size = 2 * (tape->used + length);
        tape->bytes = must(realloc(tape->bytes, tape->size));
    }
    struct rig_event *event = &tape->events[tape->count++];
    memset(event, 0, sizeof(*event));
    event->bytes = (uint32_t)tape->used;
    event->length = (uint32_t)length;
    if (length > 0) {
        memcpy(tape->bytes + tape->used, bytes, length);
        tape->used += length;
    }
    return event;
}

void rig_tape_done(struct rig_tape *tape)
{
    free(tape->events);
    free(tape->bytes);
    memset(tape, 0, sizeof(*tape));
}

/* The next event of the tape; NULL: carry it out. */
static const struct rig_event *from_tape(struct rig *rig, bool is_submit)
{
    if (rig->play == NULL || rig->at >= rig->live_from) {
        return NULL;
    }
    const struct rig_event *event = &rig->play->events[rig->at++];
    rig->broken = rig->broken || event->is_submit != is_submit;
    rig->now_us = event->after_us;
    return event;
}

/* ---------------------------------------------------------------------------------------- wire */

/* As a USB bulk cable does after a stall: halt cleared, both pipes empty of the host's requests. */
static enum base_status stalled(struct rig *rig, struct base_err *err)
{
    sim_link_clear_stall(rig->link);
    return base_err_set(err, BASE_E_PROTO, "USB", 0, "the probe halted its endpoint");
}

static enum base_status lost(struct base_err *err)
{
    return base_err_set(err, BASE_E_LINK, "USB", 0, "the probe is gone");
}

static enum base_status send(
    struct rig *rig, const uint8_t *packet, size_t length, int64_t timeout_us, struct base_err *err)
{
    int64_t deadline_us = rig_now_us(rig) + timeout_us;
    rig->requests++;
    if (rig->most > 0 && rig->requests > rig->most) {
        return base_err_set(err, BASE_E_TIMEOUT, "rig", 0, "far too many requests");
    }
    for (;;) {
        enum sim_link_result result = sim_link_request(
            rig->link, rig_now_us(rig), packet, length, sim_link_waiting(rig->link) > 0);
        switch (result) {
        case SIM_LINK_TAKEN:
            return BASE_OK;
        case SIM_LINK_STALLED:
            return stalled(rig, err);
        case SIM_LINK_CUT:
            return lost(err);
        case SIM_LINK_BUSY:
            break;
        }
        int64_t next_us = sim_link_next_us(rig->link);
        if (next_us > deadline_us || next_us <= rig_now_us(rig)) {
            pass_until(rig, deadline_us);
            return base_err_set(err, BASE_E_TIMEOUT, "USB", 0, "the probe takes no more packets");
        }
        pass_until(rig, next_us);
    }
}

static enum base_status rig_submit(
    void *state, const uint8_t *packet, size_t length, int64_t timeout_us, struct base_err *err)
{
    struct rig *rig = state;
    const struct rig_event *event = from_tape(rig, true);
    if (event != NULL) {
        rig->broken = rig->broken || event->length != length ||
                      memcmp(rig->play->bytes + event->bytes, packet, length) != 0;
        return event->status == BASE_OK
                   ? BASE_OK
                   : base_err_set(err, event->status, "tape", 0, "as on the tape");
    }
    struct sim_probe_stats before;
    struct sim_probe_stats after;
    sim_probe_get_stats(rig->board->probe, &before);
    enum base_status status = send(rig, packet, length, timeout_us, err);
    if (rig->record != NULL) {
        struct rig_event *taped = record(rig->record, packet, length);
        sim_probe_get_stats(rig->board->probe, &after);
        taped->is_submit = true;
        taped->status = status;
        taped->timeout_us = timeout_us;
        taped->after_us = rig_now_us(rig);
        taped->transfers = after.transfers - before.transfers;
    }
    return status;
}

static enum base_status receive(struct rig *rig, int64_t timeout_us, size_t size,
    uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    int64_t deadline_us = rig_now_us(rig) + timeout_us;
    for (;;) {
        if (sim_link_in_stalled(rig->link)) {
            return stalled(rig, err);
        }
        const struct sim_link_reply *reply = sim_link_peek(rig->link, rig_now_us(rig));
        if (reply != NULL) {
            size_t length = reply->length;
            bool fits = length <= size && length <= sim_probe_packet_size(rig->board->probe);
            if (fits) {
                memcpy(ret_packet, reply->data, length);
                *ret_length = length;
            }
            sim_link_pop(rig->link);
            if (length == 0) {
                continue; /* an empty USB packet says nothing */
            }
            return fits ? BASE_OK
                        : base_err_set(err, BASE_E_PROTO, "USB", (int64_t)length,
                              "the probe sent more than a packet holds");
        }
        if (sim_link_is_cut(rig->link)) {
            return lost(err);
        }
        int64_t next_us = sim_link_next_us(rig->link);
        if (next_us > deadline_us || next_us <= rig_now_us(rig)) {
            pass_until(rig, deadline_us);
            return base_err_set(err, BASE_E_TIMEOUT, "USB", 0, "the probe does not answer");
        }
        pass_until(rig, next_us);
    }
}

static enum base_status rig_collect(void *state, int64_t timeout_us, size_t size,
    uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    struct rig *rig = state;
    const struct rig_event *event = from_tape(rig, false);
    if (event != NULL) {
        if (event->status != BASE_OK) {
            return base_err_set(err, event->status, "tape", 0, "as on the tape");
        }
        memcpy(ret_packet, rig->play->bytes + event->bytes, event->length);
        *ret_length = event->length;
        return BASE_OK;
    }
    enum base_status status = receive(rig, timeout_us, size, ret_packet, ret_length, err);
    if (rig->record != NULL) {
        struct rig_event *taped =
            record(rig->record, ret_packet, status == BASE_OK ? *ret_length : 0);
        taped->status = status;
        taped->timeout_us = timeout_us;
        taped->after_us = rig_now_us(rig);
    }
    return status;
}

static void rig_close(void *state)
{
    (void)state;
}

struct prg_wire rig_wire(struct rig *rig)
{
    static const struct prg_transport transport = {
        .name = "rig",
        .summary = "a simulated board in virtual time",
        .slack_ms = 1000,
        .settle_us = 20000,
        .submit = rig_submit,
        .collect = rig_collect,
        .close = rig_close,
    };
    return (struct prg_wire){ &transport, rig };
}

/* --------------------------------------------------------------------------------------- boards */

static int64_t clock_us(void *user)
{
    return rig_now_us(user);
}

static void clock_sleep(void *user, int64_t duration_us)
{
    struct rig *rig = user;
    if (rig->play == NULL || rig->at >= rig->live_from) {
        pass_until(rig, rig_now_us(rig) + duration_us);
    }
}

void rig_init(struct rig *rig, struct sim_board *board, struct sim_link *link)
{
    memset(rig, 0, sizeof(*rig));
    rig->board = board;
    rig->link = link;
    rig->clock = (struct base_clock){ clock_us, clock_us, clock_sleep, rig };
}

void rig_done(struct rig *rig)
{
    sim_link_free(rig->link);
    sim_board_free(rig->board);
    memset(rig, 0, sizeof(*rig));
}

void rig_fork(const struct rig *rig, struct rig *ret_copy)
{
    struct sim_board *board = NULL;
    if (sim_board_fork(rig->board, &board, NULL) != BASE_OK) {
        (void)must(NULL);
    }
    rig_init(ret_copy, board, must(sim_link_fork(rig->link, board)));
}

void rig_repeat(struct rig *rig, const struct rig_tape *tape, size_t event)
{
    const struct rig_event *taped = &tape->events[event];
    uint8_t packet[PRG_PACKET_MAX];
    size_t length = 0;
    enum base_status status =
        taped->is_submit
            ? send(rig, tape->bytes + taped->bytes, taped->length, taped->timeout_us, NULL)
            : receive(rig, taped->timeout_us, sizeof(packet), packet, &length, NULL);
    rig->broken = rig->broken || status != taped->status || rig_now_us(rig) != taped->after_us;
}

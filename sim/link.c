/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/link.h"

#include "sim/probe_internal.h"

#include <stdlib.h>
#include <string.h>

/* Beside the probe's own buffers, for what faults add. */
#define LINE_RESET_BITS 64U
#define SPARE_REPLIES   32U
#define US_PER_MS       1000

struct entry {
    int64_t ready_us;
    struct sim_link_reply reply;
};

struct sim_link {
    struct sim_board *board;
    struct sim_link_quirks quirks;
    struct sim_fault faults[SIM_LINK_FAULTS_MAX];
    unsigned fault_count;
    uint64_t taken; /**< requests since the first fault was planned */

    struct entry *ring;
    unsigned size;
    unsigned first;
    unsigned count;
    struct sim_link_reply last; /**< what was answered before */
    bool held;                  /**< a swapped reply waits in held_reply for its successor */
    struct sim_link_reply held_reply;

    struct sim_link_batch batch; /**< of sim_link_request() */

    int64_t nak_until_us; /**< -1: no request is being refused */
    bool out_stalled;
    bool in_stalled;
    bool cut;
    bool hung;
    bool edbg_ready;   /**< connected, and no transfer since */
    bool edbg_stopped; /**< the clock is lost */
};

struct sim_link *sim_link_new(struct sim_board *board)
{
    struct sim_link *link = calloc(1, sizeof(*link));
    if (link == NULL) {
        return NULL;
    }
    link->board = board;
    link->size = sim_probe_packet_count(board->probe) + SPARE_REPLIES;
    link->ring = calloc(link->size, sizeof(*link->ring));
    link->nak_until_us = -1;
    if (link->ring == NULL) {
        sim_link_free(link);
        return NULL;
    }
    return link;
}

void sim_link_free(struct sim_link *link)
{
    if (link != NULL) {
        sim_link_batch_done(&link->batch);
        free(link->ring);
        free(link);
    }
}

struct sim_link *sim_link_fork(const struct sim_link *link, struct sim_board *board)
{
    struct sim_link *copy = malloc(sizeof(*copy));
    struct entry *ring = calloc(link->size, sizeof(*ring));
    if (copy == NULL || ring == NULL) {
        free(ring);
        free(copy);
        return NULL;
    }
    *copy = *link;
    copy->board = board;
    copy->ring = ring;
    copy->batch = (struct sim_link_batch){ 0 };
    memcpy(ring, link->ring, link->size * sizeof(*ring));
    return copy;
}

struct sim_board *sim_link_board(struct sim_link *link)
{
    return link->board;
}

void sim_link_set_quirks(struct sim_link *link, const struct sim_link_quirks *quirks)
{
    link->quirks = *quirks;
}

/* --- replies --- */

static void push(struct sim_link *link, int64_t ready_us, const struct sim_link_reply *reply)
{
    if (link->count == link->size) {
        return; /* a probe has no more room either */
    }
    struct entry *entry = &link->ring[(link->first + link->count) % link->size];
    entry->ready_us = ready_us;
    entry->reply.length = reply->length;
    entry->reply.misshapen = reply->misshapen;
    memcpy(entry->reply.data, reply->data, reply->length);
    link->count++;
}

const struct sim_link_reply *sim_link_peek(struct sim_link *link, int64_t now_us)
{
    if (link->count == 0 || link->in_stalled || link->ring[link->first].ready_us > now_us) {
        return NULL;
    }
    return &link->ring[link->first].reply;
}

void sim_link_pop(struct sim_link *link)
{
    if (link->count > 0) {
        link->first = (link->first + 1) % link->size;
        link->count--;
    }
}

int64_t sim_link_next_us(const struct sim_link *link)
{
    int64_t reply_us =
        link->count == 0 || link->in_stalled ? INT64_MAX : link->ring[link->first].ready_us;
    return link->nak_until_us >= 0 && link->nak_until_us < reply_us ? link->nak_until_us : reply_us;
}

unsigned sim_link_waiting(const struct sim_link *link)
{
    return link->count + (link->held ? 1 : 0);
}

bool sim_link_full(const struct sim_link *link)
{
    return link->count >= sim_probe_packet_count(link->board->probe);
}

bool sim_link_in_stalled(const struct sim_link *link)
{
    return link->in_stalled;
}

void sim_link_clear_stall(struct sim_link *link)
{
    link->in_stalled = false;
    link->out_stalled = false;
}

bool sim_link_is_cut(const struct sim_link *link)
{
    return link->cut;
}

void sim_link_reset(struct sim_link *link)
{
    link->first = 0;
    link->count = 0;
    link->held = false;
    link->nak_until_us = -1;
    link->cut = false;
    link->hung = false;
    sim_link_clear_stall(link);
    sim_probe_disconnected(link->board->probe);
}

/* --- faults --- */

static bool of_connection(enum sim_fault_kind kind)
{
    return kind >= SIM_FAULT_CUT_REQUEST && kind <= SIM_FAULT_STALL_IN;
}

static bool of_wire(enum sim_fault_kind kind)
{
    return kind >= SIM_FAULT_FLIP_BIT && kind <= SIM_FAULT_WRITE_FAULT;
}

/* What a host that went away without reading has left: the identity of a debug port. */
static void leave_over(struct sim_link *link, uint64_t count)
{
    static const struct sim_link_reply left = { .length = 7,
        .data = { DAP_TRANSFER, 1, DAP_ACK_OK, 0x77, 0x24, 0xA0, 0x6B } };
    for (uint64_t i = 0; i < count && link->count < link->size; i++) {
        push(link, INT64_MIN, &left);
    }
}

static enum base_status plan_for_board(
    struct sim_link *link, const struct sim_fault *fault, struct base_err *err)
{
    struct sim_power_cut cut = { fault->when, fault->number, (uint32_t)fault->amount };
    struct sim_chip *chip = link->board->chip;
    switch ((int)fault->kind) {
    case SIM_FAULT_LEFT_OVER:
        leave_over(link, fault->number);
        return BASE_OK;
    case SIM_FAULT_POWER_CUT:
        sim_chip_set_power_cut(chip, &cut);
        return BASE_OK;
    case SIM_FAULT_POWER_CUT_CLOCK:
        sim_probe_set_power_cut(link->board->probe, fault->number);
        return BASE_OK;
    case SIM_FAULT_POWER_CUT_INSTRUCTION:
        sim_chip_set_power_cut_instruction(chip, fault->number);
        return BASE_OK;
    case SIM_FAULT_FLASH_TIME:
        if (fault->number <= SIM_FLASH_TIME_MAX_PERCENT) {
            sim_chip_set_flash_time(chip, (uint32_t)fault->number);
            return BASE_OK;
        }
        break;
    default:
        break;
    }
    return base_err_set(err, BASE_E_ARG, "sim", (int)fault->kind,
        "flash-time is at most %u percent", SIM_FLASH_TIME_MAX_PERCENT);
}

enum base_status sim_link_add_fault(
    struct sim_link *link, const struct sim_fault *fault, struct base_err *err)
{
    if (of_wire(fault->kind)) {
        return sim_probe_add_fault(link->board->probe, fault, err);
    }
    if (!of_connection(fault->kind)) {
        return plan_for_board(link, fault, err);
    }
    if (link->fault_count == SIM_LINK_FAULTS_MAX) {
        return base_err_set(err, BASE_E_ARG, "sim", 0,
            "no more than %u faults of the connection can be planned", SIM_LINK_FAULTS_MAX);
    }
    struct sim_fault *planned = &link->faults[link->fault_count++];
    *planned = *fault;
    planned->number += link->taken;
    return BASE_OK;
}

void sim_link_clear_faults(struct sim_link *link)
{
    link->fault_count = 0;
    link->nak_until_us = -1;
    link->cut = false;
    link->hung = false;
    sim_link_clear_stall(link);
    sim_probe_clear_faults(link->board->probe);
}

/* True: this fault strikes at the request; it is forgotten. */
static bool strikes(
    struct sim_link *link, enum sim_fault_kind kind, uint64_t request, uint64_t *ret_amount)
{
    for (unsigned i = 0; i < link->fault_count; i++) {
        if (link->faults[i].kind == kind && link->faults[i].number == request) {
            if (ret_amount != NULL) {
                *ret_amount = link->faults[i].amount;
            }
            link->faults[i] = link->faults[--link->fault_count];
            return true;
        }
    }
    return false;
}

/* What the reply itself suffers. */
static void spoil(struct sim_link *link, uint64_t request, struct sim_link_reply *reply)
{
    uint64_t amount = 0;
    const size_t good = reply->length;
    if (strikes(link, SIM_FAULT_SHORT, request, &amount) && amount < reply->length) {
        reply->length = (size_t)amount;
    }
    if (strikes(link, SIM_FAULT_LONG, request, &amount)) {
        size_t room = SIM_LINK_REPLY_MAX - reply->length;
        size_t more = amount < room ? (size_t)amount : room;
        memset(reply->data + reply->length, 0xA5, more);
        reply->length += more;
    }
    if (strikes(link, SIM_FAULT_EMPTY, request, NULL)) {
        reply->length = 0;
    }
    if (strikes(link, SIM_FAULT_WRONG_ID, request, NULL) && reply->length > 0) {
        reply->data[0] ^= DAP_TRANSFER;
    }
    reply->misshapen = reply->length != good;
}

static void copy_reply(struct sim_link_reply *to, const struct sim_link_reply *from)
{
    to->length = from->length;
    to->misshapen = from->misshapen;
    memcpy(to->data, from->data, from->length);
}

/* A reply, and after it the one that was held back for it. */
static void push_in_turn(
    struct sim_link *link, uint64_t request, int64_t ready_us, const struct sim_link_reply *reply)
{
    bool was_held = link->held;
    struct sim_link_reply earlier;
    if (was_held) {
        copy_reply(&earlier, &link->held_reply);
    }
    link->held = strikes(link, SIM_FAULT_SWAP, request, NULL);
    if (link->held) {
        copy_reply(&link->held_reply, reply);
    } else if (!strikes(link, SIM_FAULT_LOSE, request, NULL)) {
        push(link, ready_us, reply);
    }
    if (strikes(link, SIM_FAULT_DUPLICATE, request, NULL)) {
        push(link, ready_us, reply);
    }
    if (was_held) {
        push(link, ready_us, &earlier);
    }
}

/* When and in which order replies arrive. */
static void deliver(
    struct sim_link *link, uint64_t request, int64_t now_us, struct sim_link_reply *reply)
{
    if (link->fault_count == 0 && !link->held) {
        push(link, now_us, reply);
        copy_reply(&link->last, reply);
        return;
    }
    uint64_t late_ms = 0;
    struct sim_link_reply good;
    copy_reply(&good, reply);
    spoil(link, request, reply);
    (void)strikes(link, SIM_FAULT_LATE, request, &late_ms);
    int64_t ready_us = now_us + (int64_t)late_ms * US_PER_MS;
    if (strikes(link, SIM_FAULT_STALE, request, NULL)) {
        push(link, ready_us, link->last.length > 0 ? &link->last : reply);
    }
    push_in_turn(link, request, ready_us, reply);
    link->in_stalled = link->in_stalled || strikes(link, SIM_FAULT_STALL_IN, request, NULL);
    copy_reply(&link->last, &good);
}

static bool naks(struct sim_link *link, uint64_t request, int64_t now_us)
{
    uint64_t wait_ms = 0;
    if (link->nak_until_us < 0 && strikes(link, SIM_FAULT_NAK, request, &wait_ms)) {
        link->nak_until_us = now_us + (int64_t)wait_ms * US_PER_MS;
    }
    if (link->nak_until_us > now_us) {
        return true;
    }
    link->nak_until_us = -1;
    return false;
}

bool sim_link_busy(struct sim_link *link, int64_t now_us)
{
    return naks(link, link->taken + 1, now_us);
}

/* A request that such firmware does not survive, or loses. */
static bool swallowed(struct sim_link *link, bool queued)
{
    if (link->quirks.hangs_when_pipelined && queued) {
        link->hung = true;
    }
    return link->hung || (link->quirks.buffers != 0 && link->count >= link->quirks.buffers);
}

static struct sim_link_reply *next_place(struct sim_link_batch *batch)
{
    if (batch->count == batch->capacity) {
        unsigned capacity = batch->capacity == 0 ? 4 : 2 * batch->capacity;
        struct sim_link_reply *grown = realloc(batch->replies, capacity * sizeof(*grown));
        if (grown == NULL) {
            return NULL;
        }
        batch->replies = grown;
        batch->capacity = capacity;
    }
    return &batch->replies[batch->count];
}

/* What EDBG's firmware does by itself. True: it has answered, and the wire saw nothing. */
static bool edbg_answers(
    struct sim_link *link, const uint8_t *request, size_t length, struct sim_link_reply *reply)
{
    static const struct sim_link_reply done = { .length = 2, .data = { DAP_SWJ_SEQUENCE, 0 } };
    static const struct sim_link_reply nobody = { .length = 3, .data = { DAP_TRANSFER, 0, 7 } };
    static const struct sim_link_reply none = { .length = 4,
        .data = { DAP_TRANSFER_BLOCK, 0, 0, 7 } };
    bool to_switch = length > 1 && request[1] > LINE_RESET_BITS;
    switch (request[0]) {
    case DAP_CONNECT:
        link->edbg_ready = true;
        return false;
    case DAP_SWJ_CLOCK:
        link->edbg_stopped = false;
        return false;
    case DAP_SWJ_SEQUENCE:
        link->edbg_stopped = true;
        *reply = done;
        return to_switch && !link->edbg_ready;
    case DAP_TRANSFER:
    case DAP_TRANSFER_BLOCK:
        link->edbg_ready = link->edbg_ready && link->edbg_stopped;
        *reply = request[0] == DAP_TRANSFER ? nobody : none;
        return link->edbg_stopped;
    default:
        return false;
    }
}

bool sim_link_compute(struct sim_link *link, const uint8_t *request, size_t length, bool queued,
    struct sim_link_batch *batch)
{
    struct sim_probe *probe = link->board->probe;
    batch->count = 0;
    batch->cut = false;
    struct sim_link_reply *reply = next_place(batch);
    if (reply == NULL) {
        return false;
    }
    if (link->quirks.edbg && edbg_answers(link, request, length, reply)) {
        batch->count = 1;
        return true;
    }
    sim_probe_set_back_to_back(probe, queued);
    ssize_t answered =
        sim_board_exec(link->board, request, length, reply->data, SIM_PROBE_MAX_PACKET);
    batch->cut = answered == SIM_PROBE_CUT;
    while (answered > 0) {
        reply->length = (size_t)answered;
        reply->misshapen = false;
        batch->count++;
        reply = next_place(batch);
        if (reply == NULL) {
            return false;
        }
        answered = sim_probe_next(probe, reply->data, SIM_PROBE_MAX_PACKET);
    }
    return true;
}

enum sim_link_result sim_link_deliver(
    struct sim_link *link, int64_t now_us, struct sim_link_batch *batch)
{
    if (batch->cut || strikes(link, SIM_FAULT_CUT_REPLY, link->taken, NULL)) {
        link->cut = true;
        return SIM_LINK_CUT;
    }
    for (unsigned i = 0; i < batch->count; i++) {
        deliver(link, link->taken, now_us, &batch->replies[i]);
    }
    return SIM_LINK_TAKEN;
}

void sim_link_batch_done(struct sim_link_batch *batch)
{
    free(batch->replies);
    *batch = (struct sim_link_batch){ 0 };
}

enum sim_link_result sim_link_accept(
    struct sim_link *link, int64_t now_us, bool queued, bool *ret_execute)
{
    *ret_execute = false;
    if (link->cut) {
        return SIM_LINK_CUT;
    }
    if (link->out_stalled) {
        return SIM_LINK_STALLED;
    }
    uint64_t number = link->taken + 1;
    if (naks(link, number, now_us)) {
        return SIM_LINK_BUSY;
    }
    link->taken = number;
    if (strikes(link, SIM_FAULT_CUT_REQUEST, number, NULL)) {
        link->cut = true;
        return SIM_LINK_CUT;
    }
    if (strikes(link, SIM_FAULT_STALL_OUT, number, NULL)) {
        link->out_stalled = true;
        return SIM_LINK_STALLED;
    }
    *ret_execute = !swallowed(link, queued);
    return SIM_LINK_TAKEN;
}

enum sim_link_result sim_link_request(
    struct sim_link *link, int64_t now_us, const uint8_t *request, size_t length, bool queued)
{
    bool execute = false;
    enum sim_link_result result = sim_link_accept(link, now_us, queued, &execute);
    if (result == SIM_LINK_TAKEN && execute) {
        (void)sim_link_compute(link, request, length, queued, &link->batch);
        result = sim_link_deliver(link, now_us, &link->batch);
    }
    return result;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/probe.h"

#include "sim/probe_internal.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_PACKET_SIZE  512U
#define DEFAULT_PACKET_COUNT 4U
/* Power-up values of the reference firmware. */
#define DEFAULT_WAIT_RETRY 100U
#define DEFAULT_SUPPLY_MV  3300U
#define KITPROG_MAJOR      2U
#define KITPROG_MINOR      82U
#define KITPROG_BUILD      1735U

static void copy_text(char *to, const char *from, const char *fallback)
{
    const char *text = from != NULL ? from : fallback;
    size_t length = strnlen(text, SIM_PROBE_TEXT_SIZE - 1);
    memcpy(to, text, length);
    to[length] = '\0';
}

static bool offered_size(uint16_t size)
{
    return size == 64 || size == 256 || size == 512 || size == SIM_PROBE_MAX_PACKET;
}

static bool alloc_queue(struct sim_probe *probe)
{
    probe->queue = calloc(probe->packet_count, probe->packet_size);
    probe->queue_lengths = calloc(probe->packet_count, sizeof(*probe->queue_lengths));
    return probe->queue != NULL && probe->queue_lengths != NULL;
}

static enum base_status no_memory(struct base_err *err)
{
    return base_err_set(err, BASE_E_NOMEM, "sim", 0, "no memory for a simulated probe");
}

static void set_kitprog(struct sim_probe *probe, const struct sim_kitprog_opts *opts, bool named)
{
    probe->kitprog = *opts;
    if (opts->major == 0 && opts->minor == 0 && opts->build == 0) {
        probe->kitprog.major = KITPROG_MAJOR;
        probe->kitprog.minor = KITPROG_MINOR;
        probe->kitprog.build = KITPROG_BUILD;
    }
    if (opts->model != SIM_KITPROG_NONE && !named) {
        (void)snprintf(probe->firmware, sizeof(probe->firmware), "%u.%u.%u", probe->kitprog.major,
            probe->kitprog.minor, probe->kitprog.build);
    }
}

void sim_probe_power_on(struct sim_probe *probe)
{
    sim_probe_disconnected(probe);
    probe->connected = false;
    probe->idle_cycles = 0;
    probe->wait_retry = DEFAULT_WAIT_RETRY;
    probe->match_retry = 0;
    probe->match_mask = 0;
    probe->turnaround = 1;
    probe->data_phase = false;
    probe->swdio_driven = false;
    probe->swclk = true;
    probe->swdio = true;
    probe->swd.period_ps = probe->usual_period_ps;
    probe->light = 0;
    probe->acquire_timeout_s = 0;
    probe->acquire_ap = 0;
    probe_drive_xres(probe, false);
    if (probe->kitprog.model != SIM_KITPROG_NONE) {
        probe->supply_mv = DEFAULT_SUPPLY_MV;
        probe_kitprog_supply(probe, probe->kitprog.model == SIM_KITPROG_ON_BOARD);
    }
}

enum base_status sim_probe_new(struct sim_chip *chip, const struct sim_probe_opts *opts,
    struct sim_probe **ret_probe, struct base_err *err)
{
    uint16_t size = opts->packet_size == 0 ? DEFAULT_PACKET_SIZE : opts->packet_size;
    if (!offered_size(size)) {
        return base_err_set(err, BASE_E_ARG, "sim", size,
            "a packet size of %u bytes is not offered; choose 64, 256, 512 or 1024", size);
    }
    struct sim_probe *probe = calloc(1, sizeof(*probe));
    if (probe == NULL) {
        return no_memory(err);
    }
    probe->packet_size = size;
    probe->packet_count = opts->packet_count == 0 ? DEFAULT_PACKET_COUNT : opts->packet_count;
    if (!alloc_queue(probe)) {
        sim_probe_free(probe);
        return no_memory(err);
    }
    sim_swd_init(&probe->swd, chip, opts->target_id);
    probe->usual_period_ps = probe->swd.period_ps;
    copy_text(probe->vendor, opts->vendor, "lpa-sim");
    copy_text(probe->product, opts->product, "Simulated CMSIS-DAP");
    copy_text(probe->serial, opts->serial, "");
    copy_text(probe->firmware, opts->firmware, "1.0.0");
    probe->round_trip_ps = opts->round_trip_us * SIM_PS_PER_US;
    probe->flip_in = -1;
    set_kitprog(probe, &opts->kitprog, opts->firmware != NULL);
    sim_probe_power_on(probe);
    *ret_probe = probe;
    return BASE_OK;
}

void sim_probe_free(struct sim_probe *probe)
{
    if (probe != NULL) {
        free(probe->queue);
        free(probe->queue_lengths);
        free(probe);
    }
}

enum base_status sim_probe_fork(const struct sim_probe *probe, struct sim_chip *chip,
    struct sim_probe **ret_copy, struct base_err *err)
{
    struct sim_probe *copy = malloc(sizeof(*copy));
    if (copy == NULL) {
        return no_memory(err);
    }
    *copy = *probe;
    if (!alloc_queue(copy)) {
        sim_probe_free(copy);
        return no_memory(err);
    }
    memcpy(copy->queue, probe->queue, (size_t)probe->packet_count * probe->packet_size);
    memcpy(copy->queue_lengths, probe->queue_lengths,
        probe->packet_count * sizeof(*probe->queue_lengths));
    copy->trace = NULL;
    sim_swd_move(&copy->swd, chip);
    *ret_copy = copy;
    return BASE_OK;
}

/* Execute one packet and build its answer. */
static size_t run_packet(struct sim_probe *probe, const uint8_t *packet, size_t length,
    uint8_t *response, size_t capacity)
{
    struct base_cursor request;
    base_cursor_init(&request, packet, length);
    struct dap_writer out = { .data = response, .capacity = capacity };
    if (length > 0 && (packet[0] == DAP_EXECUTE_COMMANDS || packet[0] == DAP_QUEUE_COMMANDS)) {
        (void)base_cursor_u8(&request);
        unsigned count = base_cursor_u8(&request);
        /* Queued commands are answered like executed ones. */
        dap_put(&out, request.bad ? DAP_ERROR : DAP_EXECUTE_COMMANDS);
        if (!request.bad) {
            dap_put(&out, (uint8_t)count);
        }
        bool going = !request.bad;
        for (unsigned i = 0; i < count && going; i++) {
            going = probe_command(probe, &request, &out);
        }
    } else {
        (void)probe_command(probe, &request, &out);
    }
    return out.length;
}

static size_t answer_limit(const struct sim_probe *probe, size_t capacity)
{
    return capacity < probe->packet_size ? capacity : probe->packet_size;
}

static ssize_t finish(struct sim_probe *probe, const uint8_t *request, size_t length,
    const uint8_t *response, size_t response_length)
{
    probe->response_bytes += response_length;
    probe_trace(probe, request, length, response, (ssize_t)response_length);
    return (ssize_t)response_length;
}

static bool hold_back(struct sim_probe *probe, const uint8_t *request, size_t length)
{
    if (request[0] != DAP_QUEUE_COMMANDS || probe->queued + 1 >= probe->packet_count) {
        return false;
    }
    memcpy(probe->queue + (size_t)probe->queued * probe->packet_size, request, length);
    probe->queue_lengths[probe->queued] = (uint16_t)length;
    probe->queued++;
    return true;
}

/* The packet that ends the queue is put last in it, so that answers come out in order. */
static ssize_t run_queue(struct sim_probe *probe, const uint8_t *request, size_t length,
    uint8_t *response, size_t capacity)
{
    memcpy(probe->queue + (size_t)probe->queued * probe->packet_size, request, length);
    probe->queue_lengths[probe->queued] = (uint16_t)length;
    probe->queued++;
    probe->queue_next = 0;
    probe->queue_running = true;
    return sim_probe_next(probe, response, capacity);
}

ssize_t sim_probe_next(struct sim_probe *probe, uint8_t *response, size_t capacity)
{
    if (!probe->queue_running) {
        size_t more = probe_kitprog_next(probe, response, answer_limit(probe, capacity));
        return more > 0 ? finish(probe, NULL, 0, response, more) : 0;
    }
    const uint8_t *packet = probe->queue + (size_t)probe->queue_next * probe->packet_size;
    size_t length = probe->queue_lengths[probe->queue_next];
    size_t answered = run_packet(probe, packet, length, response, answer_limit(probe, capacity));
    probe->queue_next++;
    ssize_t result = finish(probe, packet, length, response, answered);
    if (probe->queue_next == probe->queued) {
        sim_probe_disconnected(probe);
    }
    return result;
}

void sim_probe_disconnected(struct sim_probe *probe)
{
    probe->queued = 0;
    probe->queue_next = 0;
    probe->queue_running = false;
    probe->acquire_ended = false;
}

static bool fault_hits(struct sim_probe *probe, enum sim_probe_fault_kind kind)
{
    if (probe->fault.kind != kind || probe->fault_count != probe->fault.number) {
        return false;
    }
    probe->fault.kind = SIM_PROBE_FAULT_NONE;
    return true;
}

static ssize_t execute(struct sim_probe *probe, const uint8_t *request, size_t length,
    uint8_t *response, size_t capacity)
{
    if (length == 0 || length > probe->packet_size) {
        if (capacity == 0) {
            return 0;
        }
        response[0] = DAP_ERROR;
        return finish(probe, request, length, response, 1);
    }
    if (request[0] == DAP_TRANSFER_ABORT || hold_back(probe, request, length)) {
        /* Requests are executed one after the other, so there is never a transfer to abort. */
        probe_trace(probe, request, length, response, 0);
        return 0;
    }
    if (probe->queued > 0) {
        return run_queue(probe, request, length, response, capacity);
    }
    size_t answered = run_packet(probe, request, length, response, answer_limit(probe, capacity));
    return finish(probe, request, length, response, answered);
}

ssize_t sim_probe_exec(struct sim_probe *probe, const uint8_t *request, size_t length,
    uint8_t *response, size_t capacity)
{
    bool counting = probe->fault.kind == SIM_PROBE_FAULT_CUT_REQUEST ||
                    probe->fault.kind == SIM_PROBE_FAULT_CUT_REPLY;
    probe->fault_count += counting ? 1 : 0;
    if (fault_hits(probe, SIM_PROBE_FAULT_CUT_REQUEST)) {
        probe_trace(probe, request, length, NULL, SIM_PROBE_CUT);
        return SIM_PROBE_CUT;
    }
    probe->packets++;
    probe->request_bytes += length;
    /* Whoever ran the chip past the wire's time, a test for example, has let that time pass. */
    uint64_t chip_ps = sim_chip_time_ps(probe->swd.chip);
    if (chip_ps > probe->swd.time_ps) {
        sim_swd_pass_ps(&probe->swd, chip_ps - probe->swd.time_ps);
    }
    if (!probe->back_to_back) {
        sim_swd_pass_ps(&probe->swd, probe->round_trip_ps);
    }
    ssize_t result = execute(probe, request, length, response, capacity);
    if (probe->restarting) {
        probe->restarting = false;
        sim_probe_power_on(probe);
        return SIM_PROBE_CUT;
    }
    return fault_hits(probe, SIM_PROBE_FAULT_CUT_REPLY) ? SIM_PROBE_CUT : result;
}

void sim_probe_set_back_to_back(struct sim_probe *probe, bool on)
{
    probe->back_to_back = on;
}

void sim_probe_pass_us(struct sim_probe *probe, uint64_t duration_us)
{
    sim_swd_pass_ps(&probe->swd, duration_us * SIM_PS_PER_US);
}

void sim_probe_settle(struct sim_probe *probe)
{
    sim_chip_run_until(probe->swd.chip, probe->swd.time_ps);
}

void sim_probe_target_lost(struct sim_probe *probe)
{
    sim_swd_power_on(&probe->swd);
}

void sim_probe_set_trace(struct sim_probe *probe, FILE *trace)
{
    probe->trace = trace;
}

void sim_probe_get_stats(const struct sim_probe *probe, struct sim_probe_stats *ret_stats)
{
    *ret_stats = (struct sim_probe_stats){
        .packets = probe->packets,
        .request_bytes = probe->request_bytes,
        .response_bytes = probe->response_bytes,
        .swclk_clocks = probe->swd.clocks,
        .transfers = probe->transfers,
        .waits = probe->swd.waits,
        .flipped_bits = probe->flipped_bits,
        .virtual_time_ps = probe->swd.time_ps,
    };
}

uint8_t sim_probe_light(const struct sim_probe *probe)
{
    return probe->light;
}

uint16_t sim_probe_packet_size(const struct sim_probe *probe)
{
    return probe->packet_size;
}

uint8_t sim_probe_packet_count(const struct sim_probe *probe)
{
    return probe->packet_count;
}

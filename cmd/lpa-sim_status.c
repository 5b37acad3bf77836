/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/lpa-sim_status.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#define PAUSE_US      200000
#define PS_PER_MS     UINT64_C(1000000000)
#define CLEAR_TO_END  "\033[K"
#define MS_PER_SECOND 1000U

struct seen {
    struct sim_probe_stats stats;
    uint64_t flash_operations;
    bool client;
    bool powered;
};

struct sim_status {
    FILE *out;
    const struct base_clock *clock;
    pthread_mutex_t mutex;
    int64_t shown_us;
    unsigned count;
    struct seen boards[];
};

struct sim_status *sim_status_new(FILE *out, const struct base_clock *clock, unsigned boards)
{
    struct sim_status *status = calloc(1, sizeof(*status) + boards * sizeof(status->boards[0]));
    if (status == NULL) {
        return NULL;
    }
    status->out = out;
    status->clock = clock;
    status->count = boards;
    (void)pthread_mutex_init(&status->mutex, NULL);
    return status;
}

void sim_status_free(struct sim_status *status)
{
    if (status != NULL) {
        (void)fputc('\n', status->out);
        (void)pthread_mutex_destroy(&status->mutex);
        free(status);
    }
}

static void show(const struct sim_status *status)
{
    uint64_t packets = 0;
    uint64_t operations = 0;
    uint64_t longest_ms = 0;
    unsigned clients = 0;
    unsigned dark = 0;
    for (unsigned i = 0; i < status->count; i++) {
        const struct seen *board = &status->boards[i];
        uint64_t time_ms = board->stats.virtual_time_ps / PS_PER_MS;
        packets += board->stats.packets;
        operations += board->flash_operations;
        longest_ms = time_ms > longest_ms ? time_ms : longest_ms;
        clients += board->client ? 1 : 0;
        dark += board->stats.packets > 0 && !board->powered ? 1 : 0;
    }
    (void)fprintf(status->out,
        "\r%u of %u in use, %" PRIu64 " requests, %" PRIu64 " flash operations, %" PRIu64
        ".%03u s of virtual time",
        clients, status->count, packets, operations, longest_ms / MS_PER_SECOND,
        (unsigned)(longest_ms % MS_PER_SECOND));
    if (dark > 0) {
        (void)fprintf(status->out, ", %u without supply", dark);
    }
    (void)fputs(CLEAR_TO_END, status->out);
    (void)fflush(status->out);
}

void sim_status_tell(
    struct sim_status *status, unsigned index, const struct sim_board *board, bool client)
{
    if (status == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&status->mutex);
    struct seen *seen = &status->boards[index];
    bool changed = seen->client != client;
    sim_probe_get_stats(board->probe, &seen->stats);
    seen->flash_operations = sim_chip_flash_operations(board->chip);
    seen->powered = sim_chip_powered(board->chip);
    seen->client = client;
    int64_t now_us = base_clock_mono_us(status->clock);
    if (changed || now_us - status->shown_us >= PAUSE_US) {
        status->shown_us = now_us;
        show(status);
    }
    (void)pthread_mutex_unlock(&status->mutex);
}

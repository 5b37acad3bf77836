/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t system_wall_us(void *user)
{
    (void)user;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_mono_us(void *user)
{
    (void)user;
    return read_clock(CLOCK_MONOTONIC);
}

static void system_sleep_us(void *user, int64_t duration_us)
{
    (void)user;
    struct timespec left = { .tv_sec = duration_us / 1000000,
        .tv_nsec = (duration_us % 1000000) * 1000 };
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

const struct base_clock *base_clock_system(void)
{
    static const struct base_clock clock = { system_wall_us, system_mono_us, system_sleep_us,
        NULL };
    return &clock;
}

int64_t base_clock_wall_us(const struct base_clock *clock)
{
    return clock->wall_us(clock->user);
}

int64_t base_clock_mono_us(const struct base_clock *clock)
{
    return clock->mono_us(clock->user);
}

void base_clock_sleep_us(const struct base_clock *clock, int64_t duration_us)
{
    if (duration_us > 0) {
        clock->sleep_us(clock->user, duration_us);
    }
}

void base_clock_format(int64_t wall_us, char ret_text[BASE_CLOCK_TEXT_SIZE])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    int micros = (int)(wall_us % 1000000);
    if (micros < 0) {
        micros += 1000000;
        seconds--;
    }
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL || parts.tm_year < 0 || parts.tm_year > 8099) {
        (void)snprintf(ret_text, BASE_CLOCK_TEXT_SIZE, "0000-00-00T00:00:00.000000Z");
        return;
    }
    (void)snprintf(ret_text, BASE_CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
        ((unsigned)parts.tm_year + 1900U) % 10000U, ((unsigned)parts.tm_mon + 1U) % 100U,
        (unsigned)parts.tm_mday % 100U, (unsigned)parts.tm_hour % 100U,
        (unsigned)parts.tm_min % 100U, (unsigned)parts.tm_sec % 100U, (unsigned)micros % 1000000U);
}

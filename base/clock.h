/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/** @file Injectable time. Libraries never ask the system for time themselves. */

#include <stdint.h>

struct base_clock {
    /** Microseconds since the Unix epoch (wall time, may step). */
    int64_t (*wall_us)(void *user);
    /** Microseconds of a clock that never goes back. */
    int64_t (*mono_us)(void *user);
    /** Give way for about this long; a virtual clock just moves on. */
    void (*sleep_us)(void *user, int64_t duration_us);
    void *user; /**< borrowed */
};

/** The machine's clocks; static storage. */
const struct base_clock *base_clock_system(void);

int64_t base_clock_wall_us(const struct base_clock *clock);
int64_t base_clock_mono_us(const struct base_clock *clock);
void base_clock_sleep_us(const struct base_clock *clock, int64_t duration_us);

#define BASE_CLOCK_TEXT_SIZE 28

/** RFC 3339 UTC with microseconds, "2026-01-31T12:00:00.000000Z", into BASE_CLOCK_TEXT_SIZE bytes.
 */
void base_clock_format(int64_t wall_us, char ret_text[BASE_CLOCK_TEXT_SIZE]);

#endif

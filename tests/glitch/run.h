/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GLITCH_RUN_H
#define TESTS_GLITCH_RUN_H

/**
 * @file
 * One scenario, run once undisturbed and then again and again with one glitch each.
 *
 * A glitch is one of
 * - an instruction of our code that is not executed (each one that the undisturbed run executes, as
 *   often as it does),
 * - a conditional branch of our code that goes the other way (likewise),
 * - a call of a primitive that does not happen, or whose result is inverted (0 to 1, anything else
 *   to 0) or complemented,
 * - an instruction inside a primitive that is not executed (random points from a seed).
 *
 * What makes it affordable, without changing what comes out:
 * - The disturbed copy is taken from the undisturbed run right where the glitch strikes.
 * - At each function's and primitive's entry the copy's state (state.h: everything but time and the
 *   dead stack) is sought among those of the undisturbed run and of the disturbed runs before.
 * Where it is found, compared byte by byte, the rest is known and left out. Time does not count:
 * the tick handler does nothing.
 * - A run that comes back into a state of its own loops for ever, and is not followed to its limit.
 * - A scalar multiplication that is entered with the point and the number of the undisturbed run
 *   takes its result from there; inside primitives, SHA-256's block function and the multiplication
 *   in P-256's field are the host's.
 * run_opts.compare_every takes samples through all of it without these shortcuts, and fails unless
 * the outcome is the same.
 */

#include "sim/chip_test.h"
#include "tests/glitch/firmware.h"

/** What the die itself says after a run. */
enum verdict {
    VERDICT_HELD,    /**< what must not happen has not happened */
    VERDICT_DAMAGED, /**< the device refuses to work from now on; nobody has gained anything */
    VERDICT_BROKEN,  /**< what must not happen has happened */
};

/** Is the run over? */
typedef bool (*run_done_fn)(void *user, const struct sim_chip *chip);
/** Judge the die by what is in it. @p ret_why is set for all but HELD. */
typedef enum verdict (*run_judge_fn)(void *user, const struct sim_chip *chip, const char **ret_why);

/** What the outside world does meanwhile; called often. True when it has done something. */
typedef bool (*run_poke_fn)(void *user, struct sim_chip *chip);

#define RUN_RARELY 8U
#define RUN_STOPS  4U

struct run_opts {
    const struct firmware *firmware;
    /** Functions whose instructions are disturbed once each, and of their repetitions only
     * random_points of all: long loops that decide nothing. NULL ends the list. */
    const char *rarely[RUN_RARELY];
    run_poke_fn poke;             /**< once in a run, or never; NULL = never */
    const struct sim_chip *start; /**< borrowed: right before the first instruction that counts */
    run_done_fn done;
    /** Functions at whose entry @p done is asked, too: nothing that is the case there is missed.
     * Borrowed; NULL ends the list, or there is none. */
    const char *const *stops;
    run_judge_fn judge;
    void *user;
    uint32_t random_points; /**< inside primitives, and in the repetitions of rarely */
    uint64_t seed;
    long seconds;           /**< 0 = all */
    bool verbose;           /**< print damage too, not only breaks */
    uint32_t compare_every; /**< every so many glitches a second time without shortcuts; 0 = none */
    bool until_broken;      /**< one break is enough */
};

struct run_counts {
    uint64_t total;
    uint64_t done;
    uint64_t broken;
    uint64_t damaged;
    uint64_t hung;
    uint64_t converged;
    uint64_t met; /**< came into the state of an earlier disturbed run */
};

/** Run the scenario undisturbed (fails the test when the verdict is not HELD), then with glitches
 * until all are done or the time is over. Prints the counts of each kind under @p name. */
struct run_counts run_scenario(const char *name, const struct run_opts *opts);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_INTEROP_UNICORN_JUDGE_H
#define TESTS_INTEROP_UNICORN_JUDGE_H

/** @file Whether one instruction did the same on both sides, and what excuses it when not. */

#include "tests/interop/unicorn_pair.h"

struct instruction_class;

/** Errors and liberties of Unicorn 2.0.1 that are allowed to differ. */
enum excuse {
    EXCUSE_NONE,
    EXCUSE_V7_CBZ,
    EXCUSE_V7_IT,
    EXCUSE_V6_SETEND,
    EXCUSE_V7_SPECIAL,
    EXCUSE_SP_LOW_BITS,
    EXCUSE_EAGER_FETCH,
    EXCUSE_WFE,
    EXCUSE_ESCALATION,
    EXCUSE_PRIVILEGE,
    EXCUSE_UNPREDICTABLE,
    EXCUSE_COUNT
};

extern const char *const unicorn_judge_names[EXCUSE_COUNT];

struct one_case {
    struct instruction_class *class;
    uint32_t address;
    uint16_t insn, second;
    struct pair_state before, ours, theirs;
    enum pair_outcome our_outcome, their_outcome;
    uint32_t frame; /**< where our exception entry stacked, 0 = nowhere */
};

/** Same outcome, registers and flags, but for what the architecture leaves unknown. */
bool unicorn_judge_agrees(const struct one_case *c);
/** Why they may disagree; EXCUSE_NONE: they may not. */
enum excuse unicorn_judge_excuse(const struct one_case *c);

#endif

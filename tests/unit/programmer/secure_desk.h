/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROGRAMMER_SECURE_DESK_H
#define TESTS_UNIT_PROGRAMMER_SECURE_DESK_H

/** @file A board on its way to SECURE, with the application of secure_vectors.h. */

#include "programmer/psoc6_secure.h"
#include "tests/unit/programmer/desk.h"
#include "tests/unit/sim/secure_vectors.h"

#define SECURE_APP     0x10000000U
#define SECURE_TRIGGER 0x08001000U /**< the application opens the port when it reads 10 here */
#define SECURE_FUSES   0x402C0800U

struct secure_plan {
    uint8_t image[sizeof(vector_app) + sizeof(vector_signature)];
    struct prg_psoc6_target target;
    struct prg_permit permit; /**< to rehearse and restrict */
    struct prg_psoc6_secure_opts opts;
};

/** Image, key, target, and a permit for them. */
void secure_plan_init(struct secure_plan *plan);

/** Write a word past every protection. */
void secure_poke(struct desk *desk, uint32_t address, uint32_t value);

/** Application and plain TOC2 onto a fresh board. */
void secure_program(struct desk *desk, const struct secure_plan *plan);

/** A board behind a KitProg3 with the application on it. */
void secure_desk_init(struct desk *desk, const struct secure_plan *plan);

/** do and check. */
BASE_MUST_CHECK
enum base_status secure_rehearse(
    struct desk *desk, const struct secure_plan *plan, struct base_err *err);
BASE_MUST_CHECK
enum base_status secure_restrict(
    struct desk *desk, const struct secure_plan *plan, struct base_err *err);

/** All fuses of the plan are blown and nothing else is, or none is. */
bool secure_fuses_are(const struct desk *desk, const struct secure_plan *plan, bool all);

#endif

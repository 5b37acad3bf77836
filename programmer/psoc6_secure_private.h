/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_PSOC6_SECURE_PRIVATE_H
#define PRG_PSOC6_SECURE_PRIVATE_H

/** @file What the files of the way to SECURE share. */

#include "programmer/psoc6_secure.h"

/** SROM CheckFactoryHash. Needs acquire. BASE_E_TARGET domain "SROM" when it does not fit. */
BASE_MUST_CHECK
enum base_status prg_psoc6_check_factory_hash(struct prg_psoc6 *chip, struct base_err *err);

/** SROM GenerateHash gives the target's hash and zero count. Needs acquire. BASE_E_VERIFY. */
BASE_MUST_CHECK
enum base_status prg_psoc6_check_secure_hash(
    struct prg_psoc6 *chip, const struct prg_psoc6_target *target, struct base_err *err);

/** Key, TOC2 and RTOC2 in SFlash are the target's: *ret_same says so, unless reading fails. */
BASE_MUST_CHECK
enum base_status prg_psoc6_compare_sflash(struct prg_psoc6 *chip,
    const struct prg_psoc6_target *target, bool *ret_same, struct base_err *err);

/** BASE_E_LOCKED code "stage": the board is in another stage than the step needs. */
BASE_MUST_CHECK
enum base_status prg_psoc6_wrong_stage(enum prg_psoc6_stage stage, struct base_err *err);

/** What an acquire that did not succeed means for the port: SECURE, CLOSED, SILENT or FOREIGN. */
BASE_MUST_CHECK
enum base_status prg_psoc6_stage_of_port(struct prg_psoc6 *chip,
    const struct prg_psoc6_secure_opts *opts, enum prg_psoc6_stage *ret_stage,
    struct base_err *err);

#endif

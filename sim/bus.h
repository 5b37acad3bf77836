/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_BUS_H
#define SIM_BUS_H

/** @file What the processors need from the die, and how an access finds its way through the
 * protection units to memory and registers. */

#include "sim/chip.h"
#include "sim/core.h"

/** Who asks, and for what. */
struct sim_access {
    struct sim_core *core; /**< the processor whose private bus is in reach; NULL for the SYS-AP */
    uint8_t master;        /**< 0 CM0+, 1 crypto, 14 CM4, 15 test controller (SYS-AP) */
    uint8_t context;       /**< protection context, 0 … 7 */
    bool privileged;
    bool debugger; /**< through an access port: the core's own MPU does not apply */
    uint32_t kind; /**< SIM_PERM_READ, _WRITE or _EXEC */
};

/** An access of the core's program in its present state; kind is READ. */
struct sim_access sim_bus_core_access(const struct sim_core *core);

/** One access. @p value as in sim_chip_ap_access(). */
enum sim_bus_result sim_bus_access(struct sim_chip *chip, const struct sim_access *access,
    uint32_t address, unsigned size, uint32_t *value);
/** What @p access may do with a whole 256-byte page of plain memory. False: not plain, or not the
 * same for the whole page. */
bool sim_bus_page(struct sim_chip *chip, const struct sim_access *access, uint32_t page,
    uint8_t **ret_host, uint32_t *ret_perms);
/** May this access happen as far as the core MPU, test-controller MPU and SMPU are concerned? */
bool sim_bus_allowed(struct sim_chip *chip, const struct sim_access *access, uint32_t address);
/** Protections or memory availability changed: nothing cached is true any more. */
void sim_bus_flush(struct sim_chip *chip);

/** SEV: set the event register of all cores. */
void sim_bus_send_event(struct sim_chip *chip);
/** AIRCR.SYSRESETREQ. */
void sim_bus_request_reset(struct sim_chip *chip);
/** AIRCR.VECTRESET of the CM4, from the debugger. */
void sim_bus_request_core_reset(struct sim_core *core);
/** UDF #n: in our ROM a service of the boot code, anywhere else an undefined instruction (false).
 */
bool sim_bus_rom_service(struct sim_core *core, uint32_t number);
/** Say once what the model refuses. */
void sim_bus_note(struct sim_chip *chip, const char *text);
void sim_bus_note_fault(struct sim_core *core, const char *what);

#endif

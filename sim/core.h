/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_CORE_H
#define SIM_CORE_H

/**
 * @file
 * One ARMv6-M processor: instructions, exceptions, NVIC, SysTick, MPU, halting debug (ARM DDI
 * 0419). The CM0+ is one; the CM4 is another with its own identification registers, limited to the
 * ARMv6-M instruction set.
 *
 * Cycles are those of a Cortex-M0+ with zero wait states and the fast multiplier (ARM DDI 0484):
 * loads and stores 2, LDM/STM/PUSH/POP 1 + N, POP with PC 3 + N, taken branch 2, BL 3, BX/BLX 2,
 * exception entry 15, MRS/MSR and barriers 3, all else 1. N counts every register of the list.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_chip;

#define SIM_CORE_TLB_SIZE 256
#define SIM_PAGE_SIZE     256U
#define SIM_MPU_REGIONS   8
#define SIM_CORE_STOPS    2
#define SIM_BPU_COUNT     4
#define SIM_FPB_COUNT     8

#define SIM_PERM_READ  1U
#define SIM_PERM_WRITE 2U
#define SIM_PERM_EXEC  4U

/** Exception numbers (ARM DDI 0419 B1.5.2). */
enum sim_exception {
    SIM_EXC_THREAD = 0,
    SIM_EXC_RESET = 1,
    SIM_EXC_NMI = 2,
    SIM_EXC_HARDFAULT = 3,
    SIM_EXC_SVCALL = 11,
    SIM_EXC_PENDSV = 14,
    SIM_EXC_SYSTICK = 15,
    SIM_EXC_IRQ0 = 16,
    SIM_EXC_COUNT = 64 /**< 32 inputs on the CM0+, 48 modelled on the CM4 */
};

/** Why the run loop has to look up between two instructions. */
#define SIM_ATTENTION_EXCEPTION 1U  /**< a pending exception may be taken */
#define SIM_ATTENTION_HALT      2U  /**< halted by the debugger, or about to be */
#define SIM_ATTENTION_BPU       4U  /**< breakpoint comparators are on */
#define SIM_ATTENTION_SLEEP     8U  /**< in WFI or WFE */
#define SIM_ATTENTION_LOCKUP    16U /**< locked up */
#define SIM_ATTENTION_HELD                                                                         \
    32U                         /**< held by the system: reset, power, boot, ROM waiting for flash \
                                 */
#define SIM_ATTENTION_STOP  64U /**< the test stop address is armed */
#define SIM_ATTENTION_YIELD 128U /**< leave the loop: the outside world changed */

struct sim_tlb_entry {
    uint32_t key;   /**< page address | 2 (valid) | 1 (unprivileged) */
    uint32_t perms; /**< SIM_PERM_… */
    uint8_t *page;  /**< host memory of the page */
};

struct sim_mpu_region {
    uint32_t rbar;
    uint32_t rasr;
};

/** A test's stop: any instruction from low on, within size bytes; with flags only where one of mask
 * is set in its half-word's byte. */
struct sim_stop {
    uint32_t low;
    uint32_t size;
    const uint8_t *flags; /**< borrowed; NULL = all */
    uint8_t mask;
};

struct sim_core {
    struct sim_chip *chip; /**< borrowed: the die */
    bool is_cm4;
    uint8_t master; /**< bus master number: 0 CM0+, 14 CM4 */

    uint32_t
        r[16]; /**< r[13] is the live stack pointer; r[15] the address of the next instruction */
    uint32_t n_result; /**< bit 31 is N */
    uint32_t z_result; /**< zero means Z */
    bool carry;
    bool overflow;
    bool thumb;
    bool sp_is_psp;
    bool unprivileged; /**< CONTROL.nPRIV; counts in thread mode only */
    bool primask;
    uint32_t banked_sp; /**< the stack pointer that is not live */
    uint32_t ipsr;

    uint64_t cycles;       /**< clock edges seen, asleep and held included */
    uint64_t busy_cycles;  /**< cycles spent executing */
    uint64_t instructions; /**< instructions retired */
    uint64_t insn_limit;   /**< stop exactly after that many */
    uint64_t now_ps;       /**< when the next instruction may start */
    uint64_t batch_ps;     /**< time and cycles at the start of the running batch */
    uint64_t batch_cycles;
    uint32_t min_sp;
    uint32_t attention; /**< SIM_ATTENTION_… */
    struct sim_stop stop[SIM_CORE_STOPS];
    bool stopped; /**< reached the stop address or insn_limit */

    uint64_t pending; /**< by exception number */
    uint64_t active;
    uint64_t irq_level;
    bool nmi_level;
    uint64_t irq_enabled;
    uint8_t priority[SIM_EXC_COUNT]; /**< 0, 0x40, 0x80, 0xC0 */
    uint32_t vtor;
    uint32_t scr;
    bool event;
    bool wfe; /**< the sleep is a WFE */

    uint32_t systick_ctrl;
    uint32_t systick_load;
    uint64_t systick_zero;  /**< cycle count at which the counter next reaches zero */
    uint32_t systick_value; /**< counter while disabled */

    uint32_t mpu_ctrl;
    uint32_t mpu_rnr;
    struct sim_mpu_region mpu[SIM_MPU_REGIONS];

    bool debug_enabled;
    bool halted;
    bool halt_request;
    bool step;
    bool mask_ints;
    bool reset_sticky;
    bool retire_sticky;
    bool step_armed;
    uint32_t dcrdr;
    uint32_t demcr;
    uint32_t dfsr;
    uint32_t bpu_ctrl;
    uint32_t bpu_comp[SIM_FPB_COUNT];
    uint32_t dwt[4][3];

    struct sim_tlb_entry tlb[SIM_CORE_TLB_SIZE];
};

/** Power-on state; everything zero. @p chip is kept. */
void sim_core_init(struct sim_core *core, struct sim_chip *chip, bool is_cm4);
/** Local reset. Debug enable, DEMCR and breakpoints survive. The core then waits (held) for
 * sim_core_start(). */
void sim_core_reset(struct sim_core *core);
/** Release a held core at an address with a stack. */
void sim_core_start(struct sim_core *core, uint32_t sp, uint32_t pc);

/** Vector catch of the reset: halt before the first instruction. */
void sim_core_catch_reset(struct sim_core *core);

/** Execute while the next instruction starts before @p limit_ps; now_ps ends at or after it unless
 * the core yielded or was stopped, which the answer false says. @p period_ps is the clock period.
 */
bool sim_core_run(struct sim_core *core, uint64_t limit_ps, uint32_t period_ps);
/** Virtual time of the instruction being executed. */
uint64_t sim_core_now(const struct sim_core *core, uint32_t period_ps);

/** Interrupt request lines: level of each NVIC input, and of NMI. */
void sim_core_set_lines(struct sim_core *core, uint64_t irq_level, bool nmi_level);
/** Is there a reason for a sleeping core to go on? */
bool sim_core_wakes(const struct sim_core *core);
/** Nothing to execute until something outside changes or its own SysTick interrupts. */
bool sim_core_idle(const struct sim_core *core);
/** When the SysTick of an idle core will interrupt; UINT64_MAX: never. */
uint64_t sim_core_alarm(const struct sim_core *core, uint32_t period_ps);
/** Let time pass for a core that was idle all the while. */
void sim_core_skip(struct sim_core *core, uint64_t time_ps, uint32_t period_ps);
/** Stop the run loop after the present instruction. */
void sim_core_yield(struct sim_core *core);
/** Hold the core between instructions, or release it. */
void sim_core_hold(struct sim_core *core, bool held);
void sim_core_flush_tlb(struct sim_core *core);

bool sim_core_sleeping(const struct sim_core *core);
bool sim_core_handler_mode(const struct sim_core *core);
bool sim_core_privileged(const struct sim_core *core);
uint32_t sim_core_xpsr(const struct sim_core *core);

/** Private peripheral bus (0xE0000000…): word registers. False: no such register. @p debugger tells
 * accesses from the access port from those of the program. */
bool sim_core_ppb_read(struct sim_core *core, uint32_t address, bool debugger, uint32_t *ret_value);
bool sim_core_ppb_write(struct sim_core *core, uint32_t address, bool debugger, uint32_t value);

/** Core MPU: what this access may do at this address (SIM_PERM_…). */
uint32_t sim_core_mpu_perms(const struct sim_core *core, uint32_t address, bool privileged);
/** True when the whole page has one answer of sim_core_mpu_perms(). */
bool sim_core_mpu_uniform(const struct sim_core *core, uint32_t page);

#endif

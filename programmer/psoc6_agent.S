/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parked CM0+ runs on a programmer's behalf: look for blank rows, program rows that travel
 * meanwhile, and compute a CRC of each row. Position independent; no stack of its own, no literal
 * pool but the one behind it. Each of the three jobs ends in a WFI loop, in which the ROM goes on
 * serving system calls by NMI, just as in the loop it was taken from.
 *
 * The bytes stand in psoc6_agent_code.h, which tests/unit/programmer/agent_bytes.py compares with
 * (or, with --write, makes from) this file.
 */
        .syntax unified
        .cpu    cortex-m0plus
        .thumb

        .equ STATUS, 0          /* out: 0xA0000000 done well, 0xF....... what the ROM refused */
        .equ ADDRESS, 4         /* first row */
        .equ COUNT, 8           /* rows; blank: groups of 32 rows */
        .equ POINTER, 12        /* blank, digest: results; program: bits of the rows to program */
        .equ AREA, 16           /* program: ring of 256 rows; digest: room for a table, 1 KiB */
        .equ PRODUCED, 20       /* program, in: rows that lie in the ring so far */
        .equ CONSUMED, 24       /* program, out: rows programmed so far; begins at 0 */
        .equ BEHIND, 28         /* program, out: produced less consumed */
        .equ TOTAL, 28          /* digest, in and out: one word for all rows so far */
        .equ WORD, 32           /* program: opcode; digest: polynomial */
        .equ ARGUMENTS, 36      /* program: the ROM's argument block, second word set before */
        .equ IPC_DATA, 12
        .equ IPC_NOTIFY, 8
        .equ IPC_LOCK, 16

agent:  b       blank
        b       program

/* CRC-32 (IEEE 802.3, reflected) of each row, 7.5 cycles a byte, and one word for all of them:
 * rotated right by one bit, exclusive or the next row's. */
digest: adr     r7, params
        ldr     r0, [r7, #TOTAL]
        mov     r8, r0
        ldr     r1, [r7, #ADDRESS]
        ldr     r2, [r7, #COUNT]
        ldr     r3, [r7, #POINTER]
        ldr     r4, [r7, #AREA]
        ldr     r5, [r7, #WORD]
        movs    r0, #255
entry:  mov     r6, r0
        movs    r7, #8
bit:    lsrs    r6, r6, #1
        bcc     even
        eors    r6, r5
even:   subs    r7, #1
        bne     bit
        lsls    r7, r0, #2
        str     r6, [r4, r7]
        subs    r0, #1
        bpl     entry
row:    movs    r5, #128
        movs    r0, #0
        mvns    r0, r0
word:   ldmia   r1!, {r6}
        eors    r0, r6
        .rept   4
        uxtb    r6, r0
        lsls    r6, r6, #2
        ldr     r6, [r4, r6]
        lsrs    r0, r0, #8
        eors    r0, r6
        .endr
        subs    r5, #1
        bne     word
        mvns    r0, r0
        stmia   r3!, {r0}
        mov     r6, r8
        movs    r7, #1
        rors    r6, r6, r7
        eors    r6, r0
        mov     r8, r6
        subs    r2, #1
        bne     row
        adr     r7, params
        str     r6, [r7, #TOTAL]
        b       well

/* One bit per row, first row in bit 31: 1 = every byte has the erased value 0. */
blank:  adr     r7, params
        ldr     r1, [r7, #ADDRESS]
        ldr     r2, [r7, #COUNT]
        mov     r8, r2
        ldr     r3, [r7, #POINTER]
        mov     r9, r3
group:  movs    r0, #0
        movs    r4, #32
        mov     r10, r4
next:   movs    r2, #0
        movs    r3, #32
scan:   ldmia   r1!, {r4-r7}
        orrs    r2, r4
        orrs    r2, r5
        orrs    r2, r6
        orrs    r2, r7
        subs    r3, #1
        bne     scan
        rsbs    r2, r2, #0      /* carry set when it was 0 */
        adcs    r0, r0
        mov     r4, r10
        subs    r4, #1
        mov     r10, r4
        bne     next
        mov     r4, r9
        stmia   r4!, {r0}
        mov     r9, r4
        mov     r4, r8
        subs    r4, #1
        mov     r8, r4
        bne     group
well:   adr     r7, params
        movs    r0, #10
        lsls    r0, r0, #28
finish: str     r0, [r7, #STATUS]
sleep:  wfi
        b       sleep

/* ProgramRow or WriteRow for every row whose bit is set, by the CM0+'s own IPC structure 0. */
program:
        adr     r7, params
        ldr     r6, mask
        ldr     r0, [r6]
        movs    r1, #1
        lsls    r1, r1, #16
        orrs    r0, r1
        str     r0, [r6]
        ldr     r1, [r7, #ADDRESS]
        ldr     r2, [r7, #POINTER]
        ldr     r3, [r7, #AREA]
        movs    r4, #0
step:   ldr     r0, [r7, #COUNT]
        subs    r0, #1
        bmi     well
        str     r0, [r7, #COUNT]
        subs    r4, #1
        bpl     have
        ldmia   r2!, {r5}
        movs    r4, #31
have:   lsls    r5, r5, #1
        bcc     skip
wait:   ldr     r0, [r7, #PRODUCED]
        ldr     r6, [r7, #CONSUMED]
        subs    r0, r0, r6
        str     r0, [r7, #BEHIND]
        beq     wait
        ldr     r0, [r7, #WORD]
        str     r0, [r7, #ARGUMENTS]
        str     r1, [r7, #ARGUMENTS + 8]
        lsls    r0, r6, #24     /* place in the ring: (consumed % 256) * 512 */
        lsrs    r0, r0, #15
        adds    r0, r0, r3
        str     r0, [r7, #ARGUMENTS + 12]
        ldr     r6, ipc
lock:   ldr     r0, [r6]
        cmp     r0, #0
        bpl     lock
        mov     r0, r7
        adds    r0, #ARGUMENTS
        str     r0, [r6, #IPC_DATA]
        movs    r0, #1
        str     r0, [r6, #IPC_NOTIFY]
busy:   ldr     r0, [r6, #IPC_LOCK]
        cmp     r0, #0
        bmi     busy
        ldr     r0, [r7, #ARGUMENTS]
        lsrs    r6, r0, #28
        cmp     r6, #10
        bne     finish
        ldr     r6, [r7, #CONSUMED]
        adds    r6, #1
        str     r6, [r7, #CONSUMED]
skip:   movs    r0, #1
        lsls    r0, r0, #9
        adds    r1, r1, r0
        b       step

        .balign 4, 0
ipc:    .word   0x40230000      /* IPC structure 0 of the BLE-2 die */
mask:   .word   0x40231008      /* which of its events reach the CM0+'s NMI */
params:

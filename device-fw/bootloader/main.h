/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_MAIN_H
#define BL_MAIN_H

/** @file The program itself, as the start-up code sees it. */

/** Never returns. */
void bl_main(void);

/** Forget everything and close the mailbox; safe in a fault handler. */
void bl_main_wipe(void);

/** Serve every request of the CM4 that waits; safe in an exception of the layer. */
void bl_main_serve(void);

/** The same for ever. */
__attribute__((noreturn)) void bl_main_serve_alone(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_WIPE_H
#define BL_WIPE_H

/** @file Forget secrets. */

#include <stddef.h>

/** Overwrite with zeros in a way that the compiler cannot leave out. */
void bl_wipe(void *data, size_t length);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

bool sim_crypto_function(struct sim_chip *chip, uint32_t instruction)
{
    (void)chip;
    (void)instruction;
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

#include <string.h>

#include "sim/aes.h"
#include "sim/sha256.h"

/* AES, SHA and string instructions. The block reads and writes system memory as bus master 1, in
 * that master's protection context. */

#define INTR_BUS_ERROR (1U << 18)
#define MASTER         1U

static uint32_t operand(const struct sim_chip *chip, uint32_t instruction, unsigned nibble)
{
    return chip->crypto.rf[instruction >> nibble & 0xFU];
}

static bool touch(
    struct sim_chip *chip, uint32_t kind, uint32_t address, uint8_t *data, uint32_t length)
{
    struct sim_access access = {
        .master = MASTER,
        .context = chip->regs.context[MASTER],
        .privileged = (chip->regs.ms_ctl[MASTER] & 1U) != 0,
        .kind = kind,
    };
    for (uint32_t i = 0; i < length; i++) {
        uint32_t value = data[i];
        if (sim_bus_access(chip, &access, address + i, 1, &value) != SIM_BUS_OK) {
            chip->crypto.intr |= INTR_BUS_ERROR;
            return false;
        }
        data[i] = (uint8_t)value;
    }
    return true;
}

static bool get(struct sim_chip *chip, uint32_t address, uint8_t *ret_data, uint32_t length)
{
    memset(ret_data, 0, length);
    return touch(chip, SIM_PERM_READ, address, ret_data, length);
}

static bool put(struct sim_chip *chip, uint32_t address, const uint8_t *data, uint32_t length)
{
    uint8_t copy[32];
    memcpy(copy, data, length);
    return touch(chip, SIM_PERM_WRITE, address, copy, length);
}

static void aes_block(struct sim_chip *chip, uint32_t instruction, bool decrypt)
{
    unsigned words = 4 + 2 * chip->crypto.aes_ctl;
    uint8_t key[32];
    uint8_t block[16];
    if (!get(chip, operand(chip, instruction, 0), key, words * 4) ||
        !get(chip, operand(chip, instruction, 4), block, sizeof(block)))
        return;
    if (decrypt)
        sim_aes_decrypt(key, words, block, block);
    else
        sim_aes_encrypt(key, words, block, block);
    (void)put(chip, operand(chip, instruction, 12), block, sizeof(block));
}

static void aes_inverse_key(struct sim_chip *chip, uint32_t instruction)
{
    unsigned words = 4 + 2 * chip->crypto.aes_ctl;
    uint8_t key[32];
    uint8_t inverse[32];
    if (!get(chip, operand(chip, instruction, 0), key, words * 4))
        return;
    sim_aes_inverse_key(key, words, inverse);
    (void)put(chip, operand(chip, instruction, 8), inverse, words * 4);
}

static void aes_xor(struct sim_chip *chip, uint32_t instruction)
{
    uint8_t a[16];
    uint8_t b[16];
    if (!get(chip, operand(chip, instruction, 0), a, 16) ||
        !get(chip, operand(chip, instruction, 4), b, 16))
        return;
    for (unsigned i = 0; i < 16; i++)
        a[i] ^= b[i];
    (void)put(chip, operand(chip, instruction, 8), a, 16);
}

/* One block of SHA-224/256; the round memory is left alone. */
static bool sha_block(struct sim_chip *chip, uint32_t instruction)
{
    uint8_t block[64];
    uint8_t hash[32];
    uint32_t state[8];
    if (chip->crypto.sha_ctl != 1)
        return false;
    if (!get(chip, operand(chip, instruction, 0), block, sizeof(block)) ||
        !get(chip, operand(chip, instruction, 4), hash, sizeof(hash)))
        return true;
    for (unsigned i = 0; i < 8; i++)
        state[i] = sim_mem_get32(hash + i * 4);
    sim_sha256_block(state, block);
    for (unsigned i = 0; i < 8; i++)
        sim_mem_put32(hash + i * 4, state[i]);
    (void)put(chip, operand(chip, instruction, 12), hash, sizeof(hash));
    return true;
}

static void string_copy(struct sim_chip *chip, uint32_t source, uint32_t target, uint32_t size)
{
    uint8_t byte;
    for (uint32_t i = 0; i < size; i++) {
        if (!get(chip, source + i, &byte, 1) || !put(chip, target + i, &byte, 1))
            return;
    }
}

static void string_set(struct sim_chip *chip, uint32_t target, uint32_t size, uint8_t byte)
{
    for (uint32_t i = 0; i < size; i++) {
        if (!put(chip, target + i, &byte, 1))
            return;
    }
}

static void string_compare(struct sim_chip *chip, uint32_t a, uint32_t b, uint32_t size)
{
    uint8_t left;
    uint8_t right;
    chip->crypto.str_result = 0;
    for (uint32_t i = 0; i < size; i++) {
        if (!get(chip, a + i, &left, 1) || !get(chip, b + i, &right, 1) || left != right) {
            chip->crypto.str_result = 1;
            return;
        }
    }
}

static void string_xor(struct sim_chip *chip, uint32_t instruction)
{
    uint32_t a = operand(chip, instruction, 0);
    uint32_t b = operand(chip, instruction, 4);
    uint32_t size = operand(chip, instruction, 8) & 0xFFFFU;
    uint32_t target = operand(chip, instruction, 12);
    uint8_t left;
    uint8_t right;
    for (uint32_t i = 0; i < size; i++) {
        if (!get(chip, a + i, &left, 1) || !get(chip, b + i, &right, 1))
            return;
        left ^= right;
        if (!put(chip, target + i, &left, 1))
            return;
    }
}

static bool string_function(struct sim_chip *chip, uint32_t instruction)
{
    uint32_t first = operand(chip, instruction, 0);
    uint32_t second = operand(chip, instruction, 4);
    uint32_t third = operand(chip, instruction, 8);
    switch (instruction >> 24) {
    case 0x50:
        string_copy(chip, first, second, third & 0xFFFFU);
        return true;
    case 0x51:
        string_set(chip, first, third & 0xFFFFU, (uint8_t)operand(chip, instruction, 12));
        return true;
    case 0x52:
        string_compare(chip, first, second, third & 0xFFFFU);
        return true;
    case 0x53:
        string_xor(chip, instruction);
        return true;
    default:
        return false;
    }
}

bool sim_crypto_function(struct sim_chip *chip, uint32_t instruction)
{
    uint32_t opcode = instruction >> 24;
    if (opcode >= 0x44U && opcode <= 0x46U && chip->crypto.aes_ctl > 2)
        return false;
    switch (opcode) {
    case 0x44:
    case 0x45:
        aes_block(chip, instruction, opcode == 0x45);
        return true;
    case 0x46:
        aes_inverse_key(chip, instruction);
        return true;
    case 0x48:
        aes_xor(chip, instruction);
        return true;
    case 0x4C:
        return sha_block(chip, instruction);
    default:
        return string_function(chip, instruction);
    }
}

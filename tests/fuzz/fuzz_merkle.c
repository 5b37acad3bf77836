/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: Merkle proofs. A proof made of arbitrary bytes never holds against a tree that it
 * was not made from, and no size makes the verifiers read beyond it. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/buf.h"
#include "base/merkle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct base_cursor cursor;
    struct base_merkle_proof proof = { 0 };
    struct base_merkle_head old_head = { 0 };
    struct base_merkle_head new_head = { 0 };
    base_cursor_init(&cursor, data, size);
    uint64_t index = base_cursor_be64(&cursor);
    old_head.size = base_cursor_be64(&cursor);
    new_head.size = base_cursor_be64(&cursor);
    proof.count = base_cursor_u8(&cursor) % (BASE_MERKLE_PROOF_MAX + 2);
    if (proof.count <= BASE_MERKLE_PROOF_MAX) {
        for (size_t i = 0; i < proof.count; i++) {
            const uint8_t *hash = base_cursor_take(&cursor, BASE_MERKLE_HASH_BYTES);
            if (hash != NULL) {
                memcpy(proof.hashes[i], hash, BASE_MERKLE_HASH_BYTES);
            }
        }
    }
    memset(new_head.root, 0x5A, sizeof(new_head.root));
    memset(old_head.root, 0xA5, sizeof(old_head.root));
    FUZZ_CHECK(base_merkle_verify_inclusion(old_head.root, index, new_head.size, &proof,
                   new_head.root, NULL) == BASE_E_VERIFY);
    FUZZ_CHECK(base_merkle_verify_consistency(&old_head, &new_head, &proof, NULL) == BASE_E_VERIFY);
    return 0;
}

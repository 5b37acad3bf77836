/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MERKLE_H
#define BASE_MERKLE_H

/** @file Merkle tree of RFC 6962 §2.1 over SHA-256: roots, inclusion and consistency proofs. */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define BASE_MERKLE_HASH_BYTES 32
#define BASE_MERKLE_PROOF_MAX  64 /**< hashes in any proof of a tree of up to 2^63 leaves */

/** Leaf hash: SHA-256(0x00, data). */
void base_merkle_leaf(const void *data, size_t length, uint8_t ret_hash[BASE_MERKLE_HASH_BYTES]);

/** Node hash: SHA-256(0x01, left, right). @p ret_hash may be one of the inputs. */
void base_merkle_node(const uint8_t left[BASE_MERKLE_HASH_BYTES],
    const uint8_t right[BASE_MERKLE_HASH_BYTES], uint8_t ret_hash[BASE_MERKLE_HASH_BYTES]);

/** A tree remembered by the roots of its complete subtrees only: enough to append and to give the
 * root. Caller's memory, copy by assignment, all zero = empty. */
struct base_merkle_range {
    uint64_t size; /**< leaves */
    uint8_t peaks[BASE_MERKLE_PROOF_MAX]
                 [BASE_MERKLE_HASH_BYTES]; /**< peaks[k] counts where bit k of size is set */
};

/** Append one leaf hash. */
void base_merkle_range_append(
    struct base_merkle_range *range, const uint8_t leaf[BASE_MERKLE_HASH_BYTES]);

/** Root of the tree; the empty tree's is SHA-256 of nothing. */
void base_merkle_range_root(
    const struct base_merkle_range *range, uint8_t ret_root[BASE_MERKLE_HASH_BYTES]);

/** A whole tree in memory, 64 bytes a leaf: gives every root and proof in logarithmic time. All
 * zero = empty. */
struct base_merkle_tree {
    uint64_t size;

    struct {
        uint8_t *hashes; /**< owned; complete subtrees of 2^level leaves, left to right */
        size_t capacity; /**< hashes */
    } levels[BASE_MERKLE_PROOF_MAX];
};

/** Free; accepts NULL and an empty tree. */
void base_merkle_tree_done(struct base_merkle_tree *tree);

/** Append one leaf hash. BASE_E_NOMEM leaves the tree as it was. */
BASE_MUST_CHECK
enum base_status base_merkle_tree_append(struct base_merkle_tree *tree,
    const uint8_t leaf[BASE_MERKLE_HASH_BYTES], struct base_err *err);

/** Root of the first @p size leaves. BASE_E_ARG when the tree is smaller. */
BASE_MUST_CHECK
enum base_status base_merkle_tree_root(const struct base_merkle_tree *tree, uint64_t size,
    uint8_t ret_root[BASE_MERKLE_HASH_BYTES], struct base_err *err);

struct base_merkle_proof {
    size_t count;
    uint8_t hashes[BASE_MERKLE_PROOF_MAX][BASE_MERKLE_HASH_BYTES];
};

/** Audit path (RFC 6962 §2.1.1) of leaf @p index in the tree of the first @p size leaves.
 * BASE_E_ARG: index not below size, or the tree is smaller. */
BASE_MUST_CHECK
enum base_status base_merkle_tree_inclusion(const struct base_merkle_tree *tree, uint64_t index,
    uint64_t size, struct base_merkle_proof *ret_proof, struct base_err *err);

/** Consistency proof (RFC 6962 §2.1.2) from @p old_size to @p new_size. Empty where old_size is 0
 * or equals new_size. BASE_E_ARG: sizes out of order, or the tree is smaller. */
BASE_MUST_CHECK
enum base_status base_merkle_tree_consistency(const struct base_merkle_tree *tree,
    uint64_t old_size, uint64_t new_size, struct base_merkle_proof *ret_proof,
    struct base_err *err);

/** BASE_OK when the proof shows @p leaf at @p index under @p root, else BASE_E_VERIFY. */
BASE_MUST_CHECK
enum base_status base_merkle_verify_inclusion(const uint8_t leaf[BASE_MERKLE_HASH_BYTES],
    uint64_t index, uint64_t size, const struct base_merkle_proof *proof,
    const uint8_t root[BASE_MERKLE_HASH_BYTES], struct base_err *err);

struct base_merkle_head {
    uint64_t size;
    uint8_t root[BASE_MERKLE_HASH_BYTES];
};

/** BASE_OK when the proof shows that the new tree begins with the old one, else BASE_E_VERIFY. An
 * empty old tree is a prefix of all: the proof must be empty then. */
BASE_MUST_CHECK
enum base_status base_merkle_verify_consistency(const struct base_merkle_head *old_head,
    const struct base_merkle_head *new_head, const struct base_merkle_proof *proof,
    struct base_err *err);

#endif

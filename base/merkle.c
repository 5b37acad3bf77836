/* SPDX-License-Identifier: Apache-2.0 */
#include "base/merkle.h"

#include "base/hash.h"
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#define HASH BASE_MERKLE_HASH_BYTES

void base_merkle_leaf(const void *data, size_t length, uint8_t ret_hash[BASE_MERKLE_HASH_BYTES])
{
    static const uint8_t prefix = 0x00;
    struct base_sha256 hash;
    base_sha256_init(&hash);
    base_sha256_update(&hash, &prefix, 1);
    base_sha256_update(&hash, data, length);
    base_sha256_final(&hash, ret_hash);
}

void base_merkle_node(const uint8_t left[BASE_MERKLE_HASH_BYTES],
    const uint8_t right[BASE_MERKLE_HASH_BYTES], uint8_t ret_hash[BASE_MERKLE_HASH_BYTES])
{
    static const uint8_t prefix = 0x01;
    struct base_sha256 hash;
    base_sha256_init(&hash);
    base_sha256_update(&hash, &prefix, 1);
    base_sha256_update(&hash, left, HASH);
    base_sha256_update(&hash, right, HASH);
    base_sha256_final(&hash, ret_hash);
}

void base_merkle_range_append(
    struct base_merkle_range *range, const uint8_t leaf[BASE_MERKLE_HASH_BYTES])
{
    uint8_t carry[HASH];
    memcpy(carry, leaf, HASH);
    unsigned level = 0;
    for (; (range->size >> level & 1) != 0; level++) {
        base_merkle_node(range->peaks[level], carry, carry);
    }
    memcpy(range->peaks[level], carry, HASH);
    range->size++;
}

void base_merkle_range_root(
    const struct base_merkle_range *range, uint8_t ret_root[BASE_MERKLE_HASH_BYTES])
{
    uint8_t root[HASH];
    bool empty = true;
    for (unsigned level = 0; level < BASE_MERKLE_PROOF_MAX; level++) {
        if ((range->size >> level & 1) == 0) {
            continue;
        }
        if (empty) {
            memcpy(root, range->peaks[level], HASH);
            empty = false;
        } else {
            base_merkle_node(range->peaks[level], root, root);
        }
    }
    if (empty) {
        base_sha256(NULL, 0, root);
    }
    memcpy(ret_root, root, HASH);
}

void base_merkle_tree_done(struct base_merkle_tree *tree)
{
    if (tree == NULL) {
        return;
    }
    for (unsigned level = 0; level < BASE_MERKLE_PROOF_MAX; level++) {
        free(tree->levels[level].hashes);
    }
    memset(tree, 0, sizeof(*tree));
}

static bool reserve(struct base_merkle_tree *tree, unsigned level, uint64_t count)
{
    size_t capacity = tree->levels[level].capacity;
    if (count <= capacity) {
        return true;
    }
    size_t wanted = capacity < 16 ? 16 : capacity * 2;
    if (wanted > SIZE_MAX / HASH) {
        return false;
    }
    uint8_t *hashes = realloc(tree->levels[level].hashes, wanted * HASH);
    if (hashes == NULL) {
        return false;
    }
    tree->levels[level].hashes = hashes;
    tree->levels[level].capacity = wanted;
    return true;
}

enum base_status base_merkle_tree_append(
    struct base_merkle_tree *tree, const uint8_t leaf[BASE_MERKLE_HASH_BYTES], struct base_err *err)
{
    uint64_t size = tree->size + 1;
    /* Leaf number `size` completes one subtree on each level whose bit just became zero: make room
     * on all of them first, so that a failure changes nothing. */
    for (unsigned level = 0; level == 0 || (size & ((UINT64_C(1) << level) - 1)) == 0; level++) {
        if (level >= BASE_MERKLE_PROOF_MAX || !reserve(tree, level, size >> level)) {
            return base_err_set(err, BASE_E_NOMEM, "merkle", (int64_t)size,
                "no memory for a Merkle tree of %llu leaves", (unsigned long long)size);
        }
    }
    memcpy(tree->levels[0].hashes + (size - 1) * HASH, leaf, HASH);
    for (unsigned level = 1; (size & ((UINT64_C(1) << level) - 1)) == 0; level++) {
        uint64_t count = size >> level;
        const uint8_t *pair = tree->levels[level - 1].hashes + (2 * count - 2) * HASH;
        base_merkle_node(pair, pair + HASH, tree->levels[level].hashes + (count - 1) * HASH);
    }
    tree->size = size;
    return BASE_OK;
}

/* Largest power of two below n, n >= 2 (RFC 6962 §2.1). */
static uint64_t split_of(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* Hash of leaves [start, end): complete aligned subtrees are stored, what is left is folded from
 * the right. Precondition: start is a multiple of the largest power of two in end - start. */
static void subtree(const struct base_merkle_tree *tree, uint64_t start, uint64_t end,
    uint8_t ret_hash[BASE_MERKLE_HASH_BYTES])
{
    uint8_t hash[HASH];
    bool empty = true;
    uint64_t at = end;
    while (at > start) {
        unsigned level = (unsigned)__builtin_ctzll(at - start);
        uint64_t width = UINT64_C(1) << level;
        const uint8_t *stored = tree->levels[level].hashes + ((at - width) >> level) * HASH;
        if (empty) {
            memcpy(hash, stored, HASH);
            empty = false;
        } else {
            base_merkle_node(stored, hash, hash);
        }
        at -= width;
    }
    if (empty) {
        base_sha256(NULL, 0, hash);
    }
    memcpy(ret_hash, hash, HASH);
}

static enum base_status check_size(
    const struct base_merkle_tree *tree, uint64_t size, struct base_err *err)
{
    if (size > tree->size) {
        return base_err_set(err, BASE_E_ARG, "merkle", (int64_t)size,
            "the log has %llu records, not %llu", (unsigned long long)tree->size,
            (unsigned long long)size);
    }
    return BASE_OK;
}

enum base_status base_merkle_tree_root(const struct base_merkle_tree *tree, uint64_t size,
    uint8_t ret_root[BASE_MERKLE_HASH_BYTES], struct base_err *err)
{
    enum base_status status = check_size(tree, size, err);
    if (status == BASE_OK) {
        subtree(tree, 0, size, ret_root);
    }
    return status;
}

/* Proofs are collected from the root down and given from the leaf up. */
static void reverse(struct base_merkle_proof *proof)
{
    for (size_t i = 0; i < proof->count / 2; i++) {
        uint8_t hash[HASH];
        size_t other = proof->count - 1 - i;
        memcpy(hash, proof->hashes[i], HASH);
        memcpy(proof->hashes[i], proof->hashes[other], HASH);
        memcpy(proof->hashes[other], hash, HASH);
    }
}

enum base_status base_merkle_tree_inclusion(const struct base_merkle_tree *tree, uint64_t index,
    uint64_t size, struct base_merkle_proof *ret_proof, struct base_err *err)
{
    enum base_status status = check_size(tree, size, err);
    if (status != BASE_OK) {
        return status;
    }
    if (index >= size) {
        return base_err_set(err, BASE_E_ARG, "merkle", (int64_t)index,
            "record %llu is not in a log of %llu records", (unsigned long long)index,
            (unsigned long long)size);
    }
    struct base_merkle_proof proof = { 0 };
    uint64_t start = 0;
    uint64_t end = size;
    while (end - start > 1) {
        uint64_t middle = start + split_of(end - start);
        if (index < middle) {
            subtree(tree, middle, end, proof.hashes[proof.count++]);
            end = middle;
        } else {
            subtree(tree, start, middle, proof.hashes[proof.count++]);
            start = middle;
        }
    }
    reverse(&proof);
    *ret_proof = proof;
    return BASE_OK;
}

enum base_status base_merkle_tree_consistency(const struct base_merkle_tree *tree,
    uint64_t old_size, uint64_t new_size, struct base_merkle_proof *ret_proof, struct base_err *err)
{
    enum base_status status = check_size(tree, new_size, err);
    if (status != BASE_OK) {
        return status;
    }
    if (old_size > new_size) {
        return base_err_set(err, BASE_E_ARG, "merkle", (int64_t)old_size,
            "a log of %llu records cannot grow to %llu", (unsigned long long)old_size,
            (unsigned long long)new_size);
    }
    struct base_merkle_proof proof = { 0 };
    uint64_t start = 0;
    uint64_t end = new_size;
    /* SUBPROOF of RFC 6962 §2.1.2; start > 0 is its "b = false". */
    while (old_size > 0 && end != old_size) {
        uint64_t middle = start + split_of(end - start);
        if (old_size <= middle) {
            subtree(tree, middle, end, proof.hashes[proof.count++]);
            end = middle;
        } else {
            subtree(tree, start, middle, proof.hashes[proof.count++]);
            start = middle;
        }
    }
    if (start > 0) {
        subtree(tree, start, end, proof.hashes[proof.count++]);
    }
    reverse(&proof);
    *ret_proof = proof;
    return BASE_OK;
}

static enum base_status wrong(struct base_err *err, const char *what)
{
    return base_err_set(err, BASE_E_VERIFY, "merkle", 0, "the %s proof does not hold", what);
}

/* RFC 9162 §2.1.3.2. */
enum base_status base_merkle_verify_inclusion(const uint8_t leaf[BASE_MERKLE_HASH_BYTES],
    uint64_t index, uint64_t size, const struct base_merkle_proof *proof,
    const uint8_t root[BASE_MERKLE_HASH_BYTES], struct base_err *err)
{
    if (index >= size || proof->count > BASE_MERKLE_PROOF_MAX) {
        return wrong(err, "inclusion");
    }
    uint64_t at = index;
    uint64_t last = size - 1;
    uint8_t hash[HASH];
    memcpy(hash, leaf, HASH);
    for (size_t i = 0; i < proof->count; i++) {
        if (last == 0) {
            return wrong(err, "inclusion");
        }
        if ((at & 1) != 0 || at == last) {
            base_merkle_node(proof->hashes[i], hash, hash);
            while ((at & 1) == 0 && at != 0) {
                at >>= 1;
                last >>= 1;
            }
        } else {
            base_merkle_node(hash, proof->hashes[i], hash);
        }
        at >>= 1;
        last >>= 1;
    }
    return last == 0 && memcmp(hash, root, HASH) == 0 ? BASE_OK : wrong(err, "inclusion");
}

/* RFC 9162 §2.1.4.2, for 0 < old size < new size. */
static bool grows(const struct base_merkle_head *old_head, const struct base_merkle_head *new_head,
    const struct base_merkle_proof *proof)
{
    bool whole = (old_head->size & (old_head->size - 1)) == 0;
    if (proof->count == 0) {
        return false;
    }
    uint64_t at = old_head->size - 1;
    uint64_t last = new_head->size - 1;
    while ((at & 1) != 0) {
        at >>= 1;
        last >>= 1;
    }
    /* A complete old tree is its own first node and is left out of the proof. */
    uint8_t old_hash[HASH];
    uint8_t new_hash[HASH];
    memcpy(old_hash, whole ? old_head->root : proof->hashes[0], HASH);
    memcpy(new_hash, old_hash, HASH);
    for (size_t i = whole ? 0 : 1; i < proof->count; i++) {
        const uint8_t *hash = proof->hashes[i];
        if (last == 0) {
            return false;
        }
        if ((at & 1) != 0 || at == last) {
            base_merkle_node(hash, old_hash, old_hash);
            base_merkle_node(hash, new_hash, new_hash);
            while ((at & 1) == 0 && at != 0) {
                at >>= 1;
                last >>= 1;
            }
        } else {
            base_merkle_node(new_hash, hash, new_hash);
        }
        at >>= 1;
        last >>= 1;
    }
    return last == 0 && memcmp(old_hash, old_head->root, HASH) == 0 &&
           memcmp(new_hash, new_head->root, HASH) == 0;
}

enum base_status base_merkle_verify_consistency(const struct base_merkle_head *old_head,
    const struct base_merkle_head *new_head, const struct base_merkle_proof *proof,
    struct base_err *err)
{
    bool ok = false;
    if (proof->count > BASE_MERKLE_PROOF_MAX || old_head->size > new_head->size) {
        ok = false;
    } else if (old_head->size == new_head->size) {
        ok = proof->count == 0 && memcmp(old_head->root, new_head->root, HASH) == 0;
    } else if (old_head->size == 0) {
        uint8_t nothing[HASH];
        base_sha256(NULL, 0, nothing);
        ok = proof->count == 0 && memcmp(old_head->root, nothing, HASH) == 0;
    } else {
        ok = grows(old_head, new_head, proof);
    }
    return ok ? BASE_OK : wrong(err, "consistency");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "base/merkle.h"

/* The leaves and tree heads that implementations of Certificate Transparency share. */
static const struct {
    const char *leaf; /* hex */
    const char *root; /* of the tree that ends with this leaf */
} published[] = {
    { "", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" },
    { "00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" },
    { "10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77" },
    { "2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" },
    { "3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4" },
    { "40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef" },
    { "5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c" },
    { "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" },
};

#define PUBLISHED (sizeof(published) / sizeof(published[0]))

static void expect_hex(const uint8_t hash[32], const char *hex)
{
    char text[65];
    base_hex_encode(hash, 32, text);
    assert_string_equal(text, hex);
}

static void published_leaf(size_t index, uint8_t ret_hash[32])
{
    uint8_t data[16];
    size_t length = strlen(published[index].leaf) / 2;
    assert_int_equal(base_hex_decode(published[index].leaf, length, data, NULL), BASE_OK);
    base_merkle_leaf(data, length, ret_hash);
}

static void published_tree(struct base_merkle_tree *tree)
{
    memset(tree, 0, sizeof(*tree));
    for (size_t i = 0; i < PUBLISHED; i++) {
        uint8_t leaf[32];
        published_leaf(i, leaf);
        assert_int_equal(base_merkle_tree_append(tree, leaf, NULL), BASE_OK);
    }
}

static void refuses_bad_arguments(void **state)
{
    (void)state;
    struct base_merkle_tree tree;
    struct base_merkle_proof proof = { .count = 99 };
    struct base_err err = { 0 };
    uint8_t root[32] = { 0xAA };
    published_tree(&tree);
    assert_int_equal(base_merkle_tree_root(&tree, 9, root, &err), BASE_E_ARG);
    assert_int_equal(base_merkle_tree_inclusion(&tree, 0, 9, &proof, NULL), BASE_E_ARG);
    assert_int_equal(base_merkle_tree_inclusion(&tree, 3, 3, &proof, NULL), BASE_E_ARG);
    assert_int_equal(base_merkle_tree_inclusion(&tree, 0, 0, &proof, NULL), BASE_E_ARG);
    assert_int_equal(base_merkle_tree_consistency(&tree, 3, 9, &proof, NULL), BASE_E_ARG);
    assert_int_equal(base_merkle_tree_consistency(&tree, 4, 3, &proof, NULL), BASE_E_ARG);
    assert_int_equal(root[0], 0xAA);
    assert_int_equal(proof.count, 99);
    assert_string_not_equal(err.message, "");
    base_merkle_tree_done(&tree);
    base_merkle_tree_done(&tree);
    base_merkle_tree_done(NULL);
}

static void roots_are_the_published_ones(void **state)
{
    (void)state;
    struct base_merkle_tree tree;
    struct base_merkle_range range = { 0 };
    uint8_t hash[32];
    published_tree(&tree);
    base_merkle_range_root(&range, hash);
    expect_hex(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(base_merkle_tree_root(&tree, 0, hash, NULL), BASE_OK);
    expect_hex(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (size_t i = 0; i < PUBLISHED; i++) {
        published_leaf(i, hash);
        base_merkle_range_append(&range, hash);
        base_merkle_range_root(&range, hash);
        expect_hex(hash, published[i].root);
        assert_int_equal(base_merkle_tree_root(&tree, i + 1, hash, NULL), BASE_OK);
        expect_hex(hash, published[i].root);
    }
    base_merkle_tree_done(&tree);
}

static void proofs_are_the_published_ones(void **state)
{
    (void)state;
    struct base_merkle_tree tree;
    struct base_merkle_proof proof;
    published_tree(&tree);
    assert_int_equal(base_merkle_tree_inclusion(&tree, 0, 8, &proof, NULL), BASE_OK);
    assert_int_equal(proof.count, 3);
    expect_hex(proof.hashes[0], "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7");
    expect_hex(proof.hashes[1], "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e");
    expect_hex(proof.hashes[2], "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4");
    assert_int_equal(base_merkle_tree_inclusion(&tree, 5, 8, &proof, NULL), BASE_OK);
    expect_hex(proof.hashes[0], "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b");
    assert_int_equal(base_merkle_tree_consistency(&tree, 6, 8, &proof, NULL), BASE_OK);
    assert_int_equal(proof.count, 3);
    expect_hex(proof.hashes[0], "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a");
    expect_hex(proof.hashes[1], "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0");
    expect_hex(proof.hashes[2], "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7");
    assert_int_equal(base_merkle_tree_consistency(&tree, 2, 5, &proof, NULL), BASE_OK);
    assert_int_equal(proof.count, 2);
    expect_hex(proof.hashes[0], "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e");
    expect_hex(proof.hashes[1], "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b");
    base_merkle_tree_done(&tree);
}

#define MANY 70

static void grow(struct base_merkle_tree *tree)
{
    memset(tree, 0, sizeof(*tree));
    for (uint8_t i = 0; i < MANY; i++) {
        uint8_t leaf[32];
        base_merkle_leaf(&i, 1, leaf);
        assert_int_equal(base_merkle_tree_append(tree, leaf, NULL), BASE_OK);
    }
}

/* Every proof holds, and none holds once anything in it is changed. */
static void check_inclusion(const struct base_merkle_tree *tree, uint64_t index, uint64_t size)
{
    struct base_merkle_proof proof;
    uint8_t root[32];
    uint8_t leaf[32];
    uint8_t number = (uint8_t)index;
    base_merkle_leaf(&number, 1, leaf);
    assert_int_equal(base_merkle_tree_root(tree, size, root, NULL), BASE_OK);
    assert_int_equal(base_merkle_tree_inclusion(tree, index, size, &proof, NULL), BASE_OK);
#define VERIFY(index, size) base_merkle_verify_inclusion(leaf, index, size, &proof, root, NULL)
    assert_int_equal(VERIFY(index, size), BASE_OK);
    assert_int_equal(VERIFY(index + 1, size), BASE_E_VERIFY);
    assert_int_equal(VERIFY(size, size), BASE_E_VERIFY);
    if (proof.count > 0) {
        proof.count--;
        assert_int_equal(VERIFY(index, size), BASE_E_VERIFY);
        proof.count++;
    }
    memset(proof.hashes[proof.count], 0, 32);
    proof.count++;
    assert_int_equal(VERIFY(index, size), BASE_E_VERIFY);
    proof.count--;
    for (size_t i = 0; i < proof.count; i++) {
        proof.hashes[i][i % 32] ^= 0x10;
        assert_int_equal(VERIFY(index, size), BASE_E_VERIFY);
        proof.hashes[i][i % 32] ^= 0x10;
    }
    proof.count = BASE_MERKLE_PROOF_MAX + 1;
    assert_int_equal(VERIFY(index, size), BASE_E_VERIFY);
}

static void check_consistency(
    const struct base_merkle_tree *tree, uint64_t old_size, uint64_t new_size)
{
    struct base_merkle_proof proof;
    struct base_merkle_head before = { .size = old_size };
    struct base_merkle_head after = { .size = new_size };
    assert_int_equal(base_merkle_tree_root(tree, old_size, before.root, NULL), BASE_OK);
    assert_int_equal(base_merkle_tree_root(tree, new_size, after.root, NULL), BASE_OK);
    assert_int_equal(base_merkle_tree_consistency(tree, old_size, new_size, &proof, NULL), BASE_OK);
#define HOLDS() base_merkle_verify_consistency(&before, &after, &proof, NULL)
    assert_int_equal(HOLDS(), BASE_OK);
    before.root[5] ^= 1;
    assert_int_equal(HOLDS(), BASE_E_VERIFY);
    before.root[5] ^= 1;
    if (old_size > 0) {
        after.root[5] ^= 1;
        assert_int_equal(HOLDS(), BASE_E_VERIFY);
        after.root[5] ^= 1;
    }
    for (size_t i = 0; i < proof.count; i++) {
        proof.hashes[i][i % 32] ^= 0x10;
        assert_int_equal(HOLDS(), BASE_E_VERIFY);
        proof.hashes[i][i % 32] ^= 0x10;
    }
    if (proof.count > 0) {
        proof.count--;
        assert_int_equal(HOLDS(), BASE_E_VERIFY);
        proof.count++;
    }
    memset(proof.hashes[proof.count], 0, 32);
    proof.count++;
    assert_int_equal(HOLDS(), BASE_E_VERIFY);
    proof.count--;
    if (old_size != new_size) {
        struct base_merkle_head swap = before;
        before = after;
        after = swap;
        assert_int_equal(HOLDS(), BASE_E_VERIFY);
    }
}

static void every_proof_of_small_trees(void **state)
{
    (void)state;
    struct base_merkle_tree tree;
    grow(&tree);
    for (uint64_t size = 1; size <= MANY; size++) {
        for (uint64_t index = 0; index < size; index++) {
            check_inclusion(&tree, index, size);
        }
        for (uint64_t old_size = 0; old_size <= size; old_size++) {
            check_consistency(&tree, old_size, size);
        }
    }
    base_merkle_tree_done(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_arguments),
        cmocka_unit_test(roots_are_the_published_ones),
        cmocka_unit_test(proofs_are_the_published_ones),
        cmocka_unit_test(every_proof_of_small_trees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

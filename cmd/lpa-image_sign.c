/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures that the boot ROM verifies, the ROM's form of their key, and the hash of it all. */
#include "base/file.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/rsa.h"
#include "cmd/lpa-image.h"
#include "cmd/lpa-image_token.h"
#include "programmer/psoc6_secure.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define HASH_HEX (2 * PRG_SECURE_HASH_SIZE + 1)

struct args {
    const char *key;
    const char *public_key;
    const char *image_key;
    const char *toc1;
    const char *out;
    const char *file; /* the one argument behind the options */
};

/* Options that a verb takes are a subset; its own check says what is missing. */
static enum base_status parse(
    int argc, char **argv, int files, struct args *ret_args, struct base_err *err)
{
    static const struct option options[] = {
        { "key", required_argument, NULL, 'k' },
        { "public", required_argument, NULL, 'p' },
        { "image-key", required_argument, NULL, 'i' },
        { "toc1", required_argument, NULL, 't' },
        { "out", required_argument, NULL, 'o' },
        { NULL, 0, NULL, 0 },
    };
    const char **places[] = { &ret_args->key, &ret_args->public_key, &ret_args->image_key,
        &ret_args->toc1, &ret_args->out };
    enum base_status status = image_options(argc, argv, options, places, err);

    if (status != BASE_OK)
        return status;
    if (argc - optind != files)
        return base_err_set(err, BASE_E_ARG, "", 0, "%s wants %s; see lpa-image --help", argv[0],
            files == 0 ? "options only" : "one image");
    ret_args->file = files == 0 ? NULL : argv[optind];
    return BASE_OK;
}

static int finish(
    const struct cli_program *program, enum base_status status, const struct base_err *err)
{
    return status == BASE_OK ? 0 : cli_fail(program, err);
}

/* ---- sign ---- */

static enum base_status sign_by_file(const char *path, const struct base_buf *buf,
    struct base_rsa_public *ret_public, uint8_t ret_signature[BASE_RSA_BYTES], struct base_err *err)
{
    struct base_rsa *key = NULL;
    enum base_status status = base_rsa_load(path, &key, err);

    if (status == BASE_OK)
        status = base_rsa_public(key, ret_public, err);
    if (status == BASE_OK)
        status = base_rsa_sign(key, buf->data, buf->length, ret_signature, err);
    base_rsa_free(key);
    return status;
}

/* A key that signs wrongly (a broken token) shall not make a brick. */
static enum base_status make_signature(
    const char *key, const struct base_buf *buf, uint8_t *ret_signature, struct base_err *err)
{
    struct base_rsa_public public = { .exponent = 0 };
    uint8_t signature[BASE_RSA_BYTES];
    enum base_status status = token_is_uri(key)
                                  ? token_sign(key, buf->data, buf->length, &public, signature, err)
                                  : sign_by_file(key, buf, &public, signature, err);

    if (status == BASE_OK) {
        status = base_rsa_verify(&public, buf->data, buf->length, signature, err);
        base_err_prefix(err, "the key's own signature: ");
    }
    if (status == BASE_OK)
        memcpy(ret_signature, signature, sizeof(signature));
    return status;
}

static enum base_status sign_image(
    const struct args *args, struct base_buf *buf, struct base_err *err)
{
    struct proto_image image;
    uint8_t signature[BASE_RSA_BYTES];
    enum base_status status = image_load(args->file, buf, &image, err);

    if (status != BASE_OK)
        return status;
    if (image.is_signed)
        return base_err_set(err, BASE_E_ARG, "", 0,
            "%s is signed already; sign the image that lpa-image bind wrote", args->file);
    if (!image_is_sealed(&image))
        return base_err_set(err, BASE_E_ARG, "", 0,
            "%s is not bound, and nothing can be bound behind a signature; lpa-image bind comes "
            "first",
            args->file);
    proto_image_mark_signed(buf->data);
    status = make_signature(args->key, buf, signature, err);
    if (status == BASE_OK)
        status = base_buf_append(buf, signature, sizeof(signature), err);
    return status == BASE_OK ? base_file_replace(args->out, buf->data, buf->length, 0644, err)
                             : status;
}

int image_run_sign(const struct cli_program *program, int argc, char **argv)
{
    struct args args = { .key = NULL };
    struct base_buf buf;
    struct base_err err;
    enum base_status status;

    base_err_clear(&err);
    base_buf_init(&buf, IMAGE_FILE_MAX);
    status = parse(argc, argv, 1, &args, &err);
    if (status == BASE_OK && (args.key == NULL || args.out == NULL))
        status = base_err_set(&err, BASE_E_ARG, "", 0,
            "sign wants --key FILE or --key pkcs11:URI, --out FILE and IMAGE");
    if (status == BASE_OK)
        status = sign_image(&args, &buf, &err);
    if (status == BASE_OK)
        image_tell(&buf, args.out);
    base_buf_done(&buf);
    return finish(program, status, &err);
}

/* ---- key ---- */

static enum base_status make_key(
    const struct args *args, struct base_buf *buf, struct base_err *err)
{
    struct base_rsa_public public;
    uint8_t key[PRG_PSOC6_KEY_SIZE];
    struct base_buf text;
    enum base_status status;

    base_buf_init(&text, IMAGE_KEY_MAX);
    status = base_file_read(args->public_key, &text, err);
    if (status == BASE_OK) {
        status = base_rsa_parse_public((const char *)text.data, text.length, &public, err);
        base_err_prefix(err, "%s: ", args->public_key);
    }
    base_buf_done(&text);
    if (status == BASE_OK)
        status = prg_psoc6_key_encode(public.modulus, public.exponent, key, err);
    if (status == BASE_OK)
        status = base_buf_append(buf, key, sizeof(key), err);
    return status == BASE_OK ? base_file_replace(args->out, key, sizeof(key), 0644, err) : status;
}

int image_run_key(const struct cli_program *program, int argc, char **argv)
{
    struct args args = { .key = NULL };
    struct base_buf buf;
    struct base_err err;
    enum base_status status;

    base_err_clear(&err);
    base_buf_init(&buf, IMAGE_KEY_MAX);
    status = parse(argc, argv, 0, &args, &err);
    if (status == BASE_OK && (args.public_key == NULL || args.out == NULL))
        status = base_err_set(&err, BASE_E_ARG, "", 0, "key wants --public PEM and --out FILE");
    if (status == BASE_OK)
        status = make_key(&args, &buf, &err);
    if (status == BASE_OK)
        image_tell(&buf, args.out);
    base_buf_done(&buf);
    return finish(program, status, &err);
}

/* ---- secure-hash ---- */

enum base_status image_load_key(const char *path, uint8_t *ret_key, struct base_err *err)
{
    uint8_t modulus[PRG_PSOC6_RSA_BYTES];
    uint32_t exponent = 0;
    struct base_buf buf;
    enum base_status status;

    base_buf_init(&buf, IMAGE_KEY_MAX);
    status = base_file_read(path, &buf, err);
    if (status == BASE_OK)
        status = prg_psoc6_key_decode(buf.data, buf.length, modulus, &exponent, err);
    base_err_prefix(err, "%s: ", path);
    if (status == BASE_OK)
        memcpy(ret_key, buf.data, PRG_PSOC6_KEY_SIZE);
    base_buf_done(&buf);
    return status;
}

static enum base_status load_toc1(
    const char *path, uint8_t ret_row[PRG_PSOC6_ROW_SIZE], struct base_err *err)
{
    struct base_buf buf;
    enum base_status status = BASE_OK;

    if (path == NULL) {
        prg_psoc6_factory_toc1(ret_row);
        return BASE_OK;
    }
    base_buf_init(&buf, IMAGE_KEY_MAX);
    status = base_file_read(path, &buf, err);
    if (status == BASE_OK && buf.length != PRG_PSOC6_ROW_SIZE)
        status = base_err_set(err, BASE_E_CORRUPT, "TOC1", (int64_t)buf.length,
            "%s has %zu bytes; TOC1 is one row of %u, read from 0x16007800", path, buf.length,
            PRG_PSOC6_ROW_SIZE);
    if (status == BASE_OK)
        memcpy(ret_row, buf.data, PRG_PSOC6_ROW_SIZE);
    base_buf_done(&buf);
    return status;
}

static enum base_status tell_secure_hash(const struct args *args, struct base_err *err)
{
    uint8_t toc1[PRG_PSOC6_ROW_SIZE];
    uint8_t toc2[PRG_PSOC6_ROW_SIZE];
    uint8_t key[PRG_PSOC6_KEY_SIZE];
    uint8_t hash[PRG_SECURE_HASH_SIZE];
    uint8_t zeros = 0;
    char text[HASH_HEX];
    enum base_status status = image_load_key(args->image_key, key, err);

    if (status == BASE_OK)
        status = load_toc1(args->toc1, toc1, err);
    if (status != BASE_OK)
        return status;
    prg_psoc6_build_secure_toc2(toc2);
    prg_psoc6_secure_hash(toc1, toc2, key, hash, &zeros);
    base_hex_encode(hash, sizeof(hash), text);
    (void)printf("%s\nzeros %u\n", text, zeros);
    return BASE_OK;
}

int image_run_secure_hash(const struct cli_program *program, int argc, char **argv)
{
    struct args args = { .key = NULL };
    struct base_err err;
    enum base_status status;

    base_err_clear(&err);
    status = parse(argc, argv, 0, &args, &err);
    if (status == BASE_OK && args.image_key == NULL)
        status = base_err_set(&err, BASE_E_ARG, "", 0, "secure-hash wants --image-key FILE");
    if (status == BASE_OK)
        status = tell_secure_hash(&args, &err);
    return finish(program, status, &err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Application images for the CM4: MCUboot's format, signed by ECDSA P-256. */
#include "base/file.h"
#include "base/hash.h"
#include "base/p256.h"
#include "cmd/lpa-image.h"
#include "cmd/lpa-image_token.h"
#include "device-fw/protocol/application.h"

#include <getopt.h>
#include <string.h>

#define PROGRAM_MAX                                                                                \
    (PROTO_APPLICATION_MAX_SIZE - PROTO_APPLICATION_HEADER_SIZE - PROTO_APPLICATION_TLV_MAX)

struct args {
    const char *key;
    const char *version;
    const char *out;
    const char *program;
};

static enum base_status parse(int argc, char **argv, struct args *ret_args, struct base_err *err)
{
    static const struct option options[] = {
        { "key", required_argument, NULL, 'k' },
        { "version", required_argument, NULL, 'v' },
        { "out", required_argument, NULL, 'o' },
        { NULL, 0, NULL, 0 },
    };
    const char **places[] = { &ret_args->key, &ret_args->version, &ret_args->out };
    enum base_status status = image_options(argc, argv, options, places, err);

    if (status != BASE_OK)
        return status;
    if (argc - optind != 1 || ret_args->key == NULL || ret_args->version == NULL ||
        ret_args->out == NULL)
        return base_err_set(err, BASE_E_ARG, "", 0,
            "app-sign wants PROGRAM, --key FILE or --key pkcs11:URI, --version VERSION and --out "
            "FILE; "
            "see lpa-image --help");
    ret_args->program = argv[optind];
    return BASE_OK;
}

static enum base_status load_program(
    const char *path, struct base_buf *program, struct base_err *err)
{
    enum base_status status = base_file_read(path, program, err);

    if (status != BASE_OK)
        return status;
    if (program->length >= 4 && memcmp(program->data, "\177ELF", 4) == 0)
        return base_err_set(err, BASE_E_CORRUPT, "image", 0,
            "%s is an ELF file; give the binary that objcopy makes of it", path);
    if (program->length < 8 || program->length > PROGRAM_MAX)
        return base_err_set(err, BASE_E_CORRUPT, "image", 0,
            "%s has %zu bytes; an application has 8 to %u, its vector table first", path,
            program->length, PROGRAM_MAX);
    return BASE_OK;
}

static enum base_status sign_by_file(const char *path, const uint8_t digest[BASE_SHA256_BYTES],
    uint8_t ret_public[BASE_P256_POINT_BYTES], struct proto_application_tlv *tlv,
    struct base_err *err)
{
    struct base_p256 *key = NULL;
    enum base_status status = base_p256_load(path, &key, err);

    if (status != BASE_OK)
        return status;
    base_p256_public(key, ret_public);
    status = base_p256_sign(key, digest, tlv->signature, &tlv->signature_length, err);
    base_p256_free(key);
    return status;
}

/* A key that signs wrongly (a broken token) shall not make an image that no board starts. */
static enum base_status make_signature(const char *key, const uint8_t digest[BASE_SHA256_BYTES],
    uint8_t ret_public[BASE_P256_POINT_BYTES], struct proto_application_tlv *tlv,
    struct base_err *err)
{
    enum base_status status = token_is_uri(key) ? token_sign_p256(key, digest, ret_public,
                                                      tlv->signature, &tlv->signature_length, err)
                                                : sign_by_file(key, digest, ret_public, tlv, err);

    if (status == BASE_OK) {
        status = base_p256_verify(ret_public, digest, tlv->signature, tlv->signature_length, err);
        base_err_prefix(err, "the key's own signature: ");
    }
    return status;
}

/* The digest over header and program, and the signature over it, behind them. */
static enum base_status append_entries(
    const char *key, struct base_buf *image, struct base_err *err)
{
    struct proto_application_tlv tlv = { .signature_length = 0 };
    uint8_t public_key[PROTO_SPKI_PREFIX_SIZE + BASE_P256_POINT_BYTES];
    uint8_t entries[PROTO_APPLICATION_TLV_MAX];
    enum base_status status;

    _Static_assert(sizeof(tlv.signature) == BASE_P256_SIGNATURE_MAX, "signature fits");
    base_sha256(image->data, image->length, tlv.digest);
    status = make_signature(key, tlv.digest, public_key + PROTO_SPKI_PREFIX_SIZE, &tlv, err);
    if (status != BASE_OK)
        return status;
    memcpy(public_key, proto_application_spki_prefix, PROTO_SPKI_PREFIX_SIZE);
    base_sha256(public_key, sizeof(public_key), tlv.key_hash);
    return base_buf_append(image, entries, proto_application_tlv_encode(&tlv, entries), err);
}

static enum base_status make_image(const struct args *args, const struct base_buf *program,
    struct base_buf *image, struct base_err *err)
{
    struct proto_application application = { (uint32_t)program->length, 0 };
    uint8_t header[PROTO_APPLICATION_HEADER_SIZE];
    enum base_status status = image_parse_version(args->version, &application.version, err);

    proto_application_encode(&application, header);
    if (status == BASE_OK)
        status = base_buf_append(image, header, sizeof(header), err);
    if (status == BASE_OK)
        status = base_buf_append(image, program->data, program->length, err);
    return status == BASE_OK ? append_entries(args->key, image, err) : status;
}

int image_run_app_sign(const struct cli_program *program, int argc, char **argv)
{
    struct args args = { .key = NULL };
    struct base_buf code;
    struct base_buf image;
    struct base_err err;
    enum base_status status;

    base_err_clear(&err);
    base_buf_init(&code, IMAGE_FILE_MAX);
    base_buf_init(&image, IMAGE_FILE_MAX);
    status = parse(argc, argv, &args, &err);
    if (status == BASE_OK)
        status = load_program(args.program, &code, &err);
    if (status == BASE_OK)
        status = make_image(&args, &code, &image, &err);
    if (status == BASE_OK)
        status = base_file_replace(args.out, image.data, image.length, 0644, &err);
    if (status == BASE_OK)
        image_tell(&image, args.out);
    base_buf_done(&code);
    base_buf_done(&image);
    return status == BASE_OK ? 0 : cli_fail(program, &err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-image: bind a device image to its provisioning authorities, and show what an image is. */
#include "cmd/lpa-image.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/p256.h"
#include "programmer/psoc6_secure.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_FILE_MAX   4096
#define VERSION_PART   255UL
#define KEY_ID_HEX     (2 * PROTO_KEY_ID_SIZE + 1)
#define PUBLIC_KEY_HEX (2 * PROTO_PUBLIC_KEY_SIZE + 1)

enum base_status image_load(
    const char *path, struct base_buf *buf, struct proto_image *ret_image, struct base_err *err)
{
    enum base_status status = base_file_read(path, buf, err);
    enum proto_status parsed;

    if (status == BASE_E_ARG) {
        base_err_clear(err);
        return base_err_set(err, BASE_E_CORRUPT, "image", 0,
            "%s is far longer than the %u bytes that a device image may have", path,
            PROTO_IMAGE_MAX_SIZE);
    }
    if (status != BASE_OK)
        return status;
    if (buf->length >= 4 && memcmp(buf->data, "\177ELF", 4) == 0)
        return base_err_set(err, BASE_E_CORRUPT, "image", 0,
            "%s is an ELF file; give the .bin file that lies beside it", path);
    parsed = proto_image_decode(buf->data, buf->length, ret_image);
    if (parsed == PROTO_OK && ret_image->is_signed && ret_image->object_size == buf->length)
        parsed = PROTO_BAD_LENGTH; /* its signature is missing */
    if (parsed == PROTO_OK)
        return BASE_OK;
    return base_err_set(err, BASE_E_CORRUPT, "image", (int64_t)parsed,
        "%s is no whole device image (%s, %zu bytes); build it again or fetch it again", path,
        proto_status_text(parsed), buf->length);
}

enum base_status image_options(
    int argc, char **argv, const struct option *options, const char ***places, struct base_err *err)
{
    int option;
    int index = 0;

    optind = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, &index)) != -1) {
        if (option == '?')
            return base_err_set(err, BASE_E_ARG, "", 0,
                "unknown or incomplete option %s; see lpa-image --help", argv[optind - 1]);
        *places[index] = optarg;
    }
    return BASE_OK;
}

bool image_is_sealed(const struct proto_image *image)
{
    uint8_t digest[BASE_SHA256_BYTES];

    base_sha256(image->binding_bytes, PROTO_BINDING_HASH_AT, digest);
    return memcmp(digest, image->binding_bytes + PROTO_BINDING_HASH_AT, sizeof(digest)) == 0;
}

void image_tell(const struct base_buf *buf, const char *path)
{
    uint8_t digest[BASE_SHA256_BYTES];
    char text[BASE_SHA256_HEX_SIZE];

    base_sha256(buf->data, buf->length, digest);
    base_hex_encode(digest, sizeof(digest), text);
    (void)printf("%s  %s\n", text, path);
}

static bool is_present(const uint8_t key[PROTO_PUBLIC_KEY_SIZE])
{
    return key[0] != 0;
}

static void key_id_hex(const uint8_t key[PROTO_PUBLIC_KEY_SIZE], char ret_text[KEY_ID_HEX])
{
    uint8_t digest[BASE_SHA256_BYTES];

    base_sha256(key, PROTO_PUBLIC_KEY_SIZE, digest);
    base_hex_encode(digest, PROTO_KEY_ID_SIZE, ret_text);
}

static enum base_status load_public(const char *name, const char *path,
    uint8_t ret_key[PROTO_PUBLIC_KEY_SIZE], struct base_err *err)
{
    struct base_buf buf;
    enum base_status status;

    base_buf_init(&buf, KEY_FILE_MAX);
    status = base_file_read(path, &buf, err);
    if (status == BASE_OK)
        status = base_p256_parse_public((const char *)buf.data, buf.length, ret_key, err);
    base_buf_done(&buf);
    if (status != BASE_OK)
        (void)base_err_prefix(err, "%s key %s: ", name, path);
    return status;
}

enum base_status image_parse_version(const char *text, uint32_t *ret_version, struct base_err *err)
{
    unsigned long part[3] = { 0 };
    const char *at = text;
    bool good = true;

    for (int i = 0; i < 3 && good; i++) {
        char *end = NULL;

        good = *at >= '0' && *at <= '9';
        if (good) {
            part[i] = strtoul(at, &end, 10);
            good = *end == (i < 2 ? '.' : '\0') && part[i] <= (i < 2 ? VERSION_PART : 0xFFFFUL);
            at = end + 1;
        }
    }
    if (!good)
        return base_err_set(err, BASE_E_ARG, "version", 0,
            "\"%s\" is no version; write it as MAJOR.MINOR.PATCH, for example 0.1.0", text);
    *ret_version = (uint32_t)(part[0] << 24 | part[1] << 16 | part[2]);
    return BASE_OK;
}

static void format_version(uint32_t version, char ret_text[16])
{
    (void)snprintf(
        ret_text, 16, "%u.%u.%u", version >> 24, version >> 16 & 0xFFU, version & 0xFFFFU);
}

struct bind_args {
    const char *in;
    const char *out;
    const char *authority[2];
    unsigned authority_count;
    const char *application; /* public key of application images; may be NULL */
    bool lab;
    uint32_t minimum_bootloader;
};

static enum base_status parse_bind(
    int argc, char **argv, struct bind_args *ret_args, struct base_err *err)
{
    static const struct option options[] = {
        { "authority", required_argument, NULL, 'a' },
        { "application-key", required_argument, NULL, 'p' },
        { "lab", no_argument, NULL, 'l' },
        { "min-bootloader", required_argument, NULL, 'm' },
        { NULL, 0, NULL, 0 },
    };
    enum base_status status = BASE_OK;
    int option;

    optind = 0;
    opterr = 0;
    while (status == BASE_OK && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'a' && ret_args->authority_count < 2)
            ret_args->authority[ret_args->authority_count++] = optarg;
        else if (option == 'a')
            status = base_err_set(err, BASE_E_ARG, "", 0,
                "an image has room for two authority keys; give --authority once or twice");
        else if (option == 'l')
            ret_args->lab = true;
        else if (option == 'p')
            ret_args->application = optarg;
        else if (option == 'm')
            status = image_parse_version(optarg, &ret_args->minimum_bootloader, err);
        else
            status = base_err_set(err, BASE_E_ARG, "", 0,
                "unknown or incomplete option %s; see lpa-image --help", argv[optind - 1]);
    }
    if (status == BASE_OK && (argc - optind != 2 || ret_args->authority_count == 0))
        status = base_err_set(err, BASE_E_ARG, "", 0,
            "bind wants IN, OUT and at least one --authority FILE; see lpa-image --help");
    if (status != BASE_OK)
        return status;
    ret_args->in = argv[optind];
    ret_args->out = argv[optind + 1];
    return BASE_OK;
}

/* Make the binding block that the arguments ask for, from the one in the image. */
static enum base_status make_binding(
    const struct bind_args *args, struct proto_binding *binding, struct base_err *err)
{
    char own[16];
    char wanted[16];

    memset(binding->authority_key, 0, sizeof(binding->authority_key));
    memset(binding->application_key, 0, sizeof(binding->application_key));
    if (args->application != NULL) {
        enum base_status status =
            load_public("application", args->application, binding->application_key, err);

        if (status != BASE_OK)
            return status;
    }
    for (unsigned i = 0; i < args->authority_count; i++) {
        enum base_status status =
            load_public("authority", args->authority[i], binding->authority_key[i], err);

        if (status != BASE_OK)
            return status;
    }
    if (args->authority_count == 2 &&
        memcmp(binding->authority_key[0], binding->authority_key[1], PROTO_PUBLIC_KEY_SIZE) == 0)
        return base_err_set(
            err, BASE_E_ARG, "", 0, "both --authority files hold the same key; leave one out");
    binding->flags = args->lab ? PROTO_FLAG_LAB : 0;
    binding->minimum_protocol = PROTO_VERSION;
    binding->minimum_bootloader = args->minimum_bootloader;
    if (args->minimum_bootloader <= binding->bootloader_version)
        return BASE_OK;
    format_version(binding->bootloader_version, own);
    format_version(args->minimum_bootloader, wanted);
    return base_err_set(err, BASE_E_ARG, "", 0,
        "this image is version %s and would refuse to work with a minimum of %s", own, wanted);
}

static enum base_status bind_image(
    const struct bind_args *args, struct base_buf *buf, struct base_err *err)
{
    struct proto_image image;
    struct proto_binding binding;
    uint8_t *block;
    enum base_status status = image_load(args->in, buf, &image, err);

    if (status != BASE_OK)
        return status;
    if (image.is_signed)
        return base_err_set(err, BASE_E_ARG, "", 0,
            "%s is signed, and binding would break its signature; bind the unsigned image and sign "
            "what comes of it",
            args->in);
    binding = image.binding;
    status = make_binding(args, &binding, err);
    if (status != BASE_OK)
        return status;
    block = buf->data + PROTO_BINDING_OFFSET;
    proto_binding_encode(&binding, block);
    base_sha256(block, PROTO_BINDING_HASH_AT, block + PROTO_BINDING_HASH_AT);
    return base_file_replace(args->out, buf->data, buf->length, 0644, err);
}

static int run_bind(const struct cli_program *program, int argc, char **argv)
{
    struct bind_args args = { .in = NULL };
    struct base_buf buf;
    struct base_err err;
    enum base_status status;

    base_err_clear(&err);
    base_buf_init(&buf, IMAGE_FILE_MAX);
    status = parse_bind(argc, argv, &args, &err);
    if (status == BASE_OK)
        status = bind_image(&args, &buf, &err);
    if (status == BASE_OK)
        image_tell(&buf, args.out);
    base_buf_done(&buf);
    return status == BASE_OK ? 0 : cli_fail(program, &err);
}

static void print_keys(const struct proto_image *image)
{
    char id[KEY_ID_HEX];

    for (int i = 0; i < 2; i++) {
        if (!is_present(image->binding.authority_key[i]))
            continue;
        key_id_hex(image->binding.authority_key[i], id);
        (void)printf("authority %d     %s\n", i, id);
    }
    if (is_present(image->binding.application_key)) {
        key_id_hex(image->binding.application_key, id);
        (void)printf("application key %s\n", id);
    }
}

/* What the image's signature is worth. An invalid one is an error. */
static enum base_status check_signature(const struct proto_image *image, const struct base_buf *buf,
    const char *key_path, const char **ret_text, struct base_err *err)
{
    uint8_t key[PRG_PSOC6_KEY_SIZE];
    enum base_status status;

    *ret_text = !image->is_signed ? "none" : "unchecked";
    if (key_path == NULL)
        return BASE_OK;
    if (!image->is_signed)
        return base_err_set(err, BASE_E_VERIFY, "image", 0, "the image is not signed");
    status = image_load_key(key_path, key, err);
    if (status == BASE_OK)
        status = prg_psoc6_key_verify(
            key, buf->data, image->object_size, buf->data + image->object_size, err);
    if (status == BASE_OK)
        *ret_text = "valid";
    return status;
}

static void print_text(const struct proto_image *image, const char *digest, const char *signature)
{
    char version[16];
    bool sealed = image_is_sealed(image);

    (void)printf("digest          %s\n", digest);
    (void)printf("size            %u\n", image->object_size);
    (void)printf("signature       %s\n", signature);
    format_version(image->binding.bootloader_version, version);
    (void)printf("bootloader      %s\n", version);
    (void)printf("bound           %s\n", sealed ? "yes" : "no");
    if (!sealed)
        return;
    (void)printf("lab             %s\n", (image->binding.flags & PROTO_FLAG_LAB) != 0
                                             ? "yes, works with the debug port open"
                                             : "no");
    format_version(image->binding.minimum_bootloader, version);
    (void)printf("minimum         bootloader %s, protocol %u\n", version,
        (unsigned)image->binding.minimum_protocol);
    print_keys(image);
}

static json_t *keys_json(const struct proto_image *image)
{
    json_t *keys = json_array();
    char id[KEY_ID_HEX];
    char hex[PUBLIC_KEY_HEX];

    for (int i = 0; i < 2; i++) {
        if (!is_present(image->binding.authority_key[i]))
            continue;
        key_id_hex(image->binding.authority_key[i], id);
        base_hex_encode(image->binding.authority_key[i], PROTO_PUBLIC_KEY_SIZE, hex);
        (void)json_array_append_new(
            keys, json_pack("{s:i, s:s, s:s}", "slot", i, "id", id, "key", hex));
    }
    return keys;
}

static enum base_status print_json(const struct proto_image *image, const char *digest,
    const char *signature, struct base_err *err)
{
    char version[16];
    char minimum[16];
    bool sealed = image_is_sealed(image);
    bool lab = sealed && (image->binding.flags & PROTO_FLAG_LAB) != 0;
    json_t *json;
    char *text;

    format_version(image->binding.bootloader_version, version);
    format_version(image->binding.minimum_bootloader, minimum);
    json = json_pack("{s:s, s:I, s:s, s:s, s:b, s:b, s:s, s:i, s:o}", "digest", digest, "size",
        (json_int_t)image->object_size, "signature", signature, "bootloader_version", version,
        "bound", (int)sealed, "lab", (int)lab, "minimum_bootloader", minimum, "minimum_protocol",
        (int)image->binding.minimum_protocol, "authority_keys", keys_json(image));
    text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (text == NULL)
        return base_err_set(err, BASE_E_NOMEM, "", 0, "out of memory");
    (void)printf("%s\n", text);
    free(text);
    return BASE_OK;
}

struct info_args {
    const char *file;
    const char *image_key;
    bool json;
};

static enum base_status parse_info(
    int argc, char **argv, struct info_args *ret_args, struct base_err *err)
{
    static const struct option options[] = {
        { "json", no_argument, NULL, 'j' },
        { "image-key", required_argument, NULL, 'i' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    optind = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            return base_err_set(err, BASE_E_ARG, "", 0,
                "unknown or incomplete option %s; see lpa-image --help", argv[optind - 1]);
        ret_args->json = ret_args->json || option == 'j';
        ret_args->image_key = option == 'i' ? optarg : ret_args->image_key;
    }
    if (argc - optind != 1)
        return base_err_set(err, BASE_E_ARG, "", 0, "info wants one FILE");
    ret_args->file = argv[optind];
    return BASE_OK;
}

static enum base_status show_info(
    const struct info_args *args, struct base_buf *buf, struct base_err *err)
{
    uint8_t digest[BASE_SHA256_BYTES];
    char text[BASE_SHA256_HEX_SIZE];
    struct proto_image image;
    const char *signature = "none";
    enum base_status status = image_load(args->file, buf, &image, err);

    if (status == BASE_OK)
        status = check_signature(&image, buf, args->image_key, &signature, err);
    if (status != BASE_OK)
        return status;
    base_sha256(buf->data, buf->length, digest);
    base_hex_encode(digest, sizeof(digest), text);
    if (args->json)
        return print_json(&image, text, signature, err);
    print_text(&image, text, signature);
    return BASE_OK;
}

static int run_info(const struct cli_program *program, int argc, char **argv)
{
    struct info_args args = { .file = NULL };
    struct base_buf buf;
    struct base_err err;
    enum base_status status;

    base_err_clear(&err);
    base_buf_init(&buf, IMAGE_FILE_MAX);
    status = parse_info(argc, argv, &args, &err);
    if (status == BASE_OK)
        status = show_info(&args, &buf, &err);
    base_buf_done(&buf);
    return status == BASE_OK ? 0 : cli_fail(program, &err);
}

int main(int argc, char **argv)
{
    static const struct cli_verb verbs[] = {
        { "bind",
            "IN OUT --authority FILE [--authority FILE] [--application-key FILE] [--lab] "
            "[--min-bootloader VERSION]",
            run_bind, "put authority keys and flags into an image; prints digest and file" },
        { "info", "FILE [--image-key KEY] [--json]", run_info,
            "show digest, version, binding and signature of an image" },
        { "sign", "IMAGE --key FILE|pkcs11:URI --out SIGNED", image_run_sign,
            "sign a bound image for the boot ROM; prints digest and file" },
        { "app-sign", "PROGRAM --key FILE|pkcs11:URI --version VERSION --out SIGNED",
            image_run_app_sign,
            "make a signed application image for the CM4; prints digest and file" },
        { "key", "--public PEM --out KEY", image_run_key,
            "write the public key in the form that the boot ROM wants" },
        { "secure-hash", "--image-key KEY [--toc1 FILE]", image_run_secure_hash,
            "print what SECURE_HASH will be on a board with this key" },
    };
    static const struct cli_program program = {
        .name = "lpa-image",
        .summary = "bind device images to their provisioning authorities, and sign them",
        .verbs = verbs,
        .verb_count = sizeof(verbs) / sizeof(verbs[0]),
    };

    return cli_main(&program, argc, argv);
}

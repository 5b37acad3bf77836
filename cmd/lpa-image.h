/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_LPA_IMAGE_H
#define CMD_LPA_IMAGE_H

/** @file What the files of lpa-image share. */

#include "base/buf.h"
#include "cmd/cli.h"
#include "device-fw/protocol/image.h"

/* Longer than any image, so that a file of another kind is told by its content. */
#define IMAGE_FILE_MAX (4U << 20)
#define IMAGE_KEY_MAX  8192U

/** Read and check an image. The bytes stay in @p buf, into which @p ret_image points. */
BASE_MUST_CHECK
enum base_status image_load(
    const char *path, struct base_buf *buf, struct proto_image *ret_image, struct base_err *err);

/** The hash at the end of a binding block, which a block fresh from the compiler does not have. */
bool image_is_sealed(const struct proto_image *image);

/** SHA-256 of the file as hexadecimal digits and its name, on stdout. */
void image_tell(const struct base_buf *buf, const char *path);

/** Read a key object as `lpa-image key` writes it; 1096 bytes, checked. */
BASE_MUST_CHECK
enum base_status image_load_key(const char *path, uint8_t *ret_key, struct base_err *err);

/** "1.2.3" to major << 24 | minor << 16 | patch. BASE_E_ARG. */
BASE_MUST_CHECK
enum base_status image_parse_version(const char *text, uint32_t *ret_version, struct base_err *err);

struct option;

/** Take options that all have an argument: that of @p options[i] (ends with a NULL name) to
 * @p places[i]. optind is the first word behind them. BASE_E_ARG: unknown or incomplete. */
BASE_MUST_CHECK
enum base_status image_options(int argc, char **argv, const struct option *options,
    const char ***places, struct base_err *err);

int image_run_app_sign(const struct cli_program *program, int argc, char **argv);
int image_run_sign(const struct cli_program *program, int argc, char **argv);
int image_run_key(const struct cli_program *program, int argc, char **argv);
int image_run_secure_hash(const struct cli_program *program, int argc, char **argv);

#endif

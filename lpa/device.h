/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_DEVICE_H
#define LPA_DEVICE_H

/** @file A PSoC 6 board behind a probe, as the job engine wants it. One thread per device. */

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "device-fw/protocol/image.h"
#include "lpa/application.h"
#include "lpa/job.h"
#include "programmer/image.h"
#include "programmer/link.h"
#include "programmer/psoc6_secure.h"

/** The device image of a lot, and the application that goes with it, from files. */
struct lpa_image {
    struct base_buf bytes;
    struct proto_image view; /**< borrows bytes */
    struct prg_image program;
    uint8_t sha256[32];
    uint8_t authority_key_id[2][PROTO_KEY_ID_SIZE]; /**< zeros: slot empty */
    bool have_key;                                  /**< the target below is there */
    struct prg_psoc6_target target; /**< where boards shall end that are restricted */
    bool restricts;                 /**< the lot restricts its boards */
    bool have_application;          /**< the next one is there */
    struct lpa_application application;
};

/** BASE_E_CORRUPT: not a whole device image; BASE_E_VERIFY code "image_unbound": not sealed for an
 * authority; BASE_E_NOTFOUND, BASE_E_IO. */
BASE_MUST_CHECK
enum base_status lpa_image_load(
    const char *path, struct lpa_image *ret_image, struct base_err *err);
void lpa_image_done(struct lpa_image *image);

/** Take the image's public key (ROM format) from a file, and make the target of both. As
 * prg_psoc6_target_make(); BASE_E_NOTFOUND, BASE_E_IO. */
BASE_MUST_CHECK
enum base_status lpa_image_load_key(
    const char *path, struct lpa_image *image, struct base_err *err);

/** Take the application, which must be signed for the key in the image's binding block; as
 * lpa_application_load(). */
BASE_MUST_CHECK
enum base_status lpa_image_load_application(
    const char *path, struct lpa_image *image, struct base_err *err);

/** What permit and lot are compared with. */
void lpa_image_local(const struct lpa_image *image, struct lpa_local *ret_local);

struct lpa_device;

/** @p image and @p url are borrowed. Nothing is opened yet: the probe is opened by the first
 * examination and stays open. */
BASE_MUST_CHECK
enum base_status lpa_device_new(const char *url, const struct lpa_image *image,
    const struct base_clock *clock, const struct base_log *log, struct lpa_device **ret_device,
    struct base_err *err);
void lpa_device_free(struct lpa_device *device);

/** Hand over an open probe, as if the device had opened its URL itself: where the probe is no URL's
 * business. The link belongs to the device afterwards, also on failure. BASE_E_NOMEM. */
BASE_MUST_CHECK
enum base_status lpa_device_take_link(
    struct lpa_device *device, struct prg_link *link, struct base_err *err);

/** For struct lpa_job_io; `user` is the device. */
extern const struct lpa_device_ops lpa_device_job_ops;

/** BASE_OK when a probe answers at the URL. The target is not touched. */
BASE_MUST_CHECK
enum base_status lpa_device_probe_ready(
    const char *url, const struct base_clock *clock, struct base_err *err);

/** True where the cable of the URL has no authentication, which production lots refuse. */
bool lpa_device_is_lab_probe(const char *url);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The application's rows of a board whose port is open. */
#include "lpa/device_private.h"

static enum base_status no_application(struct base_err *err)
{
    return base_err_set(
        err, BASE_E_INTERNAL, "device", 0, "there is no application to put on a board");
}

enum base_status lpa_device_compare_application(
    struct lpa_device *device, bool *ret_equal, struct base_err *err)
{
    const struct lpa_application *application = &device->image->application;
    return lpa_device_compare(device, PROTO_APPLICATION_ADDRESS, &application->bytes,
        application->sha256, ret_equal, err);
}

enum base_status lpa_device_program_application(void *user, struct base_err *err)
{
    struct lpa_device *device = user;
    const struct prg_image *program = &device->image->application.program;
    struct base_err cause = { 0 };
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    if (!device->image->have_application) {
        return no_application(err);
    }
    enum base_status status = lpa_device_must_acquire(device, &cause);
    if (status == BASE_OK) {
        status = prg_psoc6_check_image(device->chip, program, &cause);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_program(device->chip, program, NULL, NULL, &change, &cause);
    }
    return status == BASE_OK ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

enum base_status lpa_device_verify_application(void *user, bool *ret_equal, struct base_err *err)
{
    struct lpa_device *device = user;
    struct base_err cause = { 0 };
    if (!device->image->have_application) {
        return no_application(err);
    }
    enum base_status status = lpa_device_must_acquire(device, &cause);
    if (status == BASE_OK) {
        status = lpa_device_compare_application(device, ret_equal, &cause);
    }
    return status == BASE_OK ? BASE_OK : lpa_device_at_site(device, &cause, err);
}

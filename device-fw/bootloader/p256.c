/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/p256.h"

#include "device-fw/bootloader/wipe.h"

#include <string.h>

bool bl_p256_generate(struct bl_random *random, uint8_t ret_secret[BL_P256_SECRET_SIZE],
    uint8_t ret_public[PROTO_PUBLIC_KEY_SIZE])
{
    br_ec_private_key key;

    if (!bl_random_reseed(random))
        return false;
    return br_ec_keygen(&random->drbg.vtable, &br_ec_p256_m15, &key, ret_secret, BR_EC_secp256r1) ==
               BL_P256_SECRET_SIZE &&
           br_ec_compute_pub(&br_ec_p256_m15, NULL, ret_public, &key) == PROTO_PUBLIC_KEY_SIZE;
}

bool bl_p256_dh(const uint8_t secret[BL_P256_SECRET_SIZE],
    const uint8_t public_key[PROTO_PUBLIC_KEY_SIZE], uint8_t ret_x[BL_P256_SECRET_SIZE])
{
    uint8_t point[PROTO_PUBLIC_KEY_SIZE];
    bool valid;

    memcpy(point, public_key, sizeof(point));
    valid =
        br_ec_p256_m15.mul(point, sizeof(point), secret, BL_P256_SECRET_SIZE, BR_EC_secp256r1) == 1;
    memcpy(ret_x, point + 1, BL_P256_SECRET_SIZE);
    bl_wipe(point, sizeof(point));
    if (!valid)
        bl_wipe(ret_x, BL_P256_SECRET_SIZE);
    return valid;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/services/part.h"

#include "device-fw/protocol/bytes.h"

#include <string.h>

#define PAD 12U

void svc_part_encode(const struct svc_part *part, uint8_t ret_bytes[SVC_PART_SIZE])
{
    uint8_t *at = ret_bytes;

    proto_put_u8(&at, part->session);
    proto_put(&at, part->net_id, sizeof(part->net_id));
    proto_put_u32(&at, part->key_version);
    proto_put_u32(&at, part->join_nonce);
    proto_put(&at, part->dev_addr, sizeof(part->dev_addr));
    for (unsigned i = 0; i < SVC_COUNTERS; i++)
        proto_put_u32(&at, part->limit[i]);
    proto_put_zeros(&at, PAD);
    for (unsigned i = 0; i < SVC_KEYS; i++)
        proto_put(&at, part->key[i], SVC_KEY_SIZE);
}

void svc_part_decode(
    const uint8_t bytes[SVC_PART_SIZE], uint32_t key_version, struct svc_part *ret_part)
{
    const uint8_t *at = bytes;

    memset(ret_part, 0, sizeof(*ret_part));
    ret_part->session = proto_take_u8(&at);
    proto_take(&at, ret_part->net_id, sizeof(ret_part->net_id));
    ret_part->key_version = proto_take_u32(&at);
    ret_part->join_nonce = proto_take_u32(&at);
    proto_take(&at, ret_part->dev_addr, sizeof(ret_part->dev_addr));
    for (unsigned i = 0; i < SVC_COUNTERS; i++)
        ret_part->limit[i] = proto_take_u32(&at);
    at += PAD;
    for (unsigned i = 0; i < SVC_KEYS; i++)
        proto_take(&at, ret_part->key[i], SVC_KEY_SIZE);
    if (ret_part->key_version != key_version || ret_part->session > SVC_SESSION_1_1) {
        memset(ret_part, 0, sizeof(*ret_part));
        ret_part->key_version = key_version;
    }
}

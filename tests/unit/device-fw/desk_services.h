/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DEVICE_FW_DESK_SERVICES_H
#define TESTS_DEVICE_FW_DESK_SERVICES_H

/** @file The key services over the host's model of the chip, with a network on the other side. */

#include "device-fw/services/core.h"
#include "tests/unit/device-fw/chip.h"
#include "tests/unit/device-fw/network.h"

struct desk {
    struct bl_device device;
    struct svc svc;
    struct svc_answer answer; /**< of the last operation */
    struct network network;
};

/** A fresh chip with root keys of this LoRaWAN version in its vault, and its network. */
void desk_new(struct desk *desk, enum proto_lorawan version);

/** Write keys and EUIs of the network to the vault, with a new key version. */
void desk_use_network(struct desk *desk);

/** As after a reset: everything in memory is gone. */
void desk_reboot(struct desk *desk);

uint32_t desk_do(struct desk *desk, uint32_t operation, const uint8_t *request, size_t length);

/** Join by the operations; fails the running test. */
void desk_join(struct desk *desk, uint8_t dl_settings);

/** Hand in a join-accept. */
uint32_t desk_accept(struct desk *desk, uint8_t type, const uint8_t *frame, size_t length);

uint32_t desk_uplink_mic(struct desk *desk, uint32_t fcnt, uint16_t conf, uint8_t data_rate,
    uint8_t channel, const uint8_t *message, size_t length);
uint32_t desk_verify(
    struct desk *desk, uint32_t fcnt, uint16_t conf, const uint8_t *frame, size_t length);
uint32_t desk_crypt(struct desk *desk, uint32_t operation, bool down, uint8_t port, uint32_t fcnt,
    const uint8_t *data, size_t length);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/ap.h"

#include <string.h>

/* CSW, ADIv5.2 §C2.6.4. */
#define CSW_SIZE_MASK     UINT32_C(0x00000007)
#define CSW_SIZE_WORD     UINT32_C(2)
#define CSW_INC_MASK      UINT32_C(0x00000030)
#define CSW_INC_SHIFT     4
#define CSW_INC_SINGLE    1U
#define CSW_INC_PACKED    2U
#define CSW_DEVICE_EN     UINT32_C(0x00000040)
#define CSW_UPPER_MASK    UINT32_C(0xFF000000)
#define CSW_HPROT_PRIV    UINT32_C(0x02000000)
#define CSW_RESET         UINT32_C(0x43000002)
#define TAR_WRAP_MASK     UINT32_C(0x000003FF)
#define BANKED_BLOCK_MASK UINT32_C(0x0000000F)

struct ap_identity {
    uint32_t idr;
    uint32_t base;
    bool packed;
};

/* Values read from a kit; only the CM4 port takes packed transfers. */
static const struct ap_identity identities[SIM_AP_COUNT] = {
    [SIM_AP_SYS] = { UINT32_C(0x84770001), UINT32_C(0xF1000003), false },
    [SIM_AP_CM0] = { UINT32_C(0x84770001), UINT32_C(0xF0000003), false },
    [SIM_AP_CM4] = { UINT32_C(0x24770011), UINT32_C(0xE00FF003), true },
};

static unsigned transfer_bytes(const struct sim_ap_port *port)
{
    return 1U << (port->csw & CSW_SIZE_MASK);
}

static unsigned increment_mode(const struct sim_ap_port *port)
{
    return (port->csw & CSW_INC_MASK) >> CSW_INC_SHIFT;
}

/* What the port does not support is not stored, so that a tool that reads back learns it. */
static void write_csw(struct sim_ap_port *port, uint32_t value)
{
    uint32_t size = value & CSW_SIZE_MASK;
    uint32_t inc = (value & CSW_INC_MASK) >> CSW_INC_SHIFT;
    if (size > CSW_SIZE_WORD) {
        size = CSW_SIZE_WORD;
    }
    bool known = inc <= CSW_INC_SINGLE || (inc == CSW_INC_PACKED && identities[port->id].packed);
    if (!known) {
        inc = 0;
    }
    port->csw = (value & CSW_UPPER_MASK) | (inc << CSW_INC_SHIFT) | size;
}

static void advance_tar(struct sim_ap_port *port)
{
    if (increment_mode(port) == 0) {
        return;
    }
    uint32_t next = port->tar + transfer_bytes(port);
    /* Only 10 bits count (ADIv5.2 §C2.2.2): a host that does not rewrite TAR at each 1 KiB goes
     * round. */
    port->tar = (port->tar & ~TAR_WRAP_MASK) | (next & TAR_WRAP_MASK);
}

static uint32_t lane_mask(unsigned bytes)
{
    return bytes == 4 ? UINT32_MAX : (UINT32_C(1) << (8 * bytes)) - 1;
}

/* One bus transfer of CSW.Size at TAR, on the byte lanes of the address. */
static enum sim_bus_result data_transfer(struct sim_ap_port *port, struct sim_chip *chip)
{
    unsigned bytes = transfer_bytes(port);
    /* A misaligned word has no lanes of its own; the chip refuses it. */
    unsigned shift = bytes == 4 ? 0 : 8 * (port->tar & 3U & ~(bytes - 1));
    uint32_t bus = port->write ? (port->value >> shift) & lane_mask(bytes) : 0;
    enum sim_bus_result result = sim_chip_ap_access(
        chip, port->id, port->tar, bytes, port->write, (port->csw & CSW_HPROT_PRIV) != 0, &bus);
    if (result != SIM_BUS_OK) {
        return result;
    }
    if (!port->write) {
        uint32_t mask = lane_mask(bytes) << shift;
        port->value = (port->value & ~mask) | ((bus << shift) & mask);
    }
    advance_tar(port);
    return SIM_BUS_OK;
}

static enum sim_bus_result banked_transfer(struct sim_ap_port *port, struct sim_chip *chip)
{
    uint32_t address = (port->tar & ~BANKED_BLOCK_MASK) | (port->reg & 0x0CU);
    uint32_t bus = port->value;
    enum sim_bus_result result = sim_chip_ap_access(
        chip, port->id, address, 4, port->write, (port->csw & CSW_HPROT_PRIV) != 0, &bus);
    if (result == SIM_BUS_OK && !port->write) {
        port->value = bus;
    }
    return result;
}

static bool is_banked(uint8_t reg)
{
    return reg >= SIM_AP_BD0 && reg <= SIM_AP_BD3;
}

static uint32_t read_register(const struct sim_ap_port *port, bool open)
{
    switch (port->reg) {
    case SIM_AP_CSW:
        /* TrInProg is never seen: the debug port answers WAIT while a transfer is in progress. */
        return port->csw | (open ? CSW_DEVICE_EN : 0);
    case SIM_AP_TAR:
        return port->tar;
    case SIM_AP_BASE:
        return open ? identities[port->id].base : 0;
    case SIM_AP_IDR:
        return open ? identities[port->id].idr : 0;
    default:
        /* CFG says little-endian, no large addresses, no large data; the rest reads as zero. */
        return 0;
    }
}

static void write_register(struct sim_ap_port *port)
{
    if (port->reg == SIM_AP_CSW) {
        write_csw(port, port->value);
    } else if (port->reg == SIM_AP_TAR) {
        port->tar = port->value;
    }
}

void sim_ap_init(struct sim_ap_port *port, enum sim_ap id)
{
    memset(port, 0, sizeof(*port));
    port->id = id;
    port->csw = CSW_RESET;
}

void sim_ap_begin(struct sim_ap_port *port, uint8_t reg, bool write, uint32_t value)
{
    port->active = true;
    port->write = write;
    port->reg = reg;
    port->value = write ? value : 0;
    port->left = 0;
    if (reg == SIM_AP_DRW) {
        bool packed = increment_mode(port) == CSW_INC_PACKED;
        port->left = (uint8_t)(packed ? 4 / transfer_bytes(port) : 1U);
    } else if (is_banked(reg)) {
        port->left = 1;
    }
}

static enum sim_bus_result step_bus(struct sim_ap_port *port, struct sim_chip *chip)
{
    if (!sim_chip_ap_enabled(chip, port->id)) {
        return SIM_BUS_FAULT;
    }
    while (port->left > 0) {
        enum sim_bus_result result =
            is_banked(port->reg) ? banked_transfer(port, chip) : data_transfer(port, chip);
        if (result != SIM_BUS_OK) {
            return result;
        }
        port->left--;
    }
    return SIM_BUS_OK;
}

enum sim_bus_result sim_ap_step(
    struct sim_ap_port *port, struct sim_chip *chip, uint32_t *ret_value)
{
    if (!port->active) {
        return SIM_BUS_OK;
    }
    enum sim_bus_result result = SIM_BUS_OK;
    if (port->left > 0) {
        result = step_bus(port, chip);
    } else if (port->write) {
        write_register(port);
    } else {
        port->value = read_register(port, sim_chip_ap_enabled(chip, port->id));
    }
    if (result == SIM_BUS_WAIT) {
        return result;
    }
    if (result == SIM_BUS_OK && !port->write) {
        *ret_value = port->value;
    }
    sim_ap_abort(port);
    return result;
}

void sim_ap_abort(struct sim_ap_port *port)
{
    port->active = false;
    port->left = 0;
}

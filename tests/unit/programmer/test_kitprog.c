/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/kitprog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "programmer/queue.h"

/* A KitProg3 that answers as its published firmware does: several answers to one request where it
 * keeps the host waiting. */
struct kit {
    const char *version;    /* answer to command 80 */
    const char *voltage;    /* answer to 84 11 */
    const char *acquire[4]; /* answers to 85, NULL-ended */
    char asked[256];        /* vendor requests in hex, one space behind each */
    char waiting[8][64];
    unsigned first, count;
};

static void answer(struct kit *kit, const char *hex)
{
    (void)strncpy(kit->waiting[(kit->first + kit->count++) % 8], hex, 63);
}

static const char *info(uint8_t id)
{
    switch (id) {
    case 0xFE:
        return "000140";
    case 0xFF:
        return "00024000";
    case 0xF0:
        return "000111";
    default:
        return "0000";
    }
}

static void take(struct kit *kit, const uint8_t *request, size_t length)
{
    char text[64] = "";
    if (request[0] < 0x80) {
        answer(kit, request[0] == 0 ? info(request[1]) : request[0] == 2 ? "0201" : "");
        if (request[0] > 2) {
            char status[5];
            const uint8_t bytes[2] = { request[0], 0 };
            base_hex_encode(bytes, 2, status);
            kit->count--;
            answer(kit, status);
        }
        return;
    }
    base_hex_encode(request, length < 8 ? length : 8, text);
    size_t used = strlen(kit->asked);
    assert_true(used + strlen(text) + 2 < sizeof(kit->asked));
    memcpy(kit->asked + used, text, strlen(text) + 1);
    memcpy(kit->asked + used + strlen(text), " ", 2);
    if (request[0] == 0x80) {
        answer(kit, kit->version);
    } else if (request[0] == 0x84 && request[1] == 0x11) {
        answer(kit, kit->voltage);
    } else if (request[0] == 0x85) {
        for (unsigned i = 0; i < 4 && kit->acquire[i] != NULL; i++) {
            answer(kit, kit->acquire[i]);
        }
    } else {
        answer(kit, request[0] == 0x83 ? "8300" : "8400");
    }
}

static enum base_status kit_submit(
    void *state, const uint8_t *packet, size_t length, int64_t timeout_us, struct base_err *err)
{
    (void)timeout_us;
    (void)err;
    take(state, packet, length);
    return BASE_OK;
}

static enum base_status kit_collect(void *state, int64_t timeout_us, size_t size,
    uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    (void)timeout_us;
    struct kit *kit = state;
    if (kit->count == 0) {
        return base_err_set(err, BASE_E_TIMEOUT, "probe", 0, "silent");
    }
    const char *text = kit->waiting[kit->first];
    *ret_length = strlen(text) / 2;
    assert_true(*ret_length <= size);
    assert_int_equal(base_hex_decode(text, *ret_length, ret_packet, NULL), BASE_OK);
    kit->first = (kit->first + 1) % 8;
    kit->count--;
    return BASE_OK;
}

static void kit_describe(void *state, struct prg_cable *ret_cable)
{
    (void)state;
    const struct prg_cable cable = { .vendor_id = 0x04B4, .product_id = 0xF155 };
    *ret_cable = cable;
}

static void kit_close(void *state)
{
    (void)state;
}

static const struct prg_transport transport = {
    .name = "kit",
    .submit = kit_submit,
    .collect = kit_collect,
    .describe = kit_describe,
    .close = kit_close,
};

#define VERSION_OLD "800002001e0000000000f003"
#define VERSION_NEW "80000200500000000000c606"

static struct prg_link *open_kit(struct kit *kit)
{
    struct prg_link *link = NULL;
    struct base_err err = { .status = BASE_OK };
    struct prg_wire wire = { &transport, kit };
    kit->version = kit->version == NULL ? VERSION_NEW : kit->version;
    if (prg_link_open_wire(&wire, NULL, &link, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    return link;
}

static void counts_packets_by_version(void **state)
{
    (void)state;
    struct kit old = { .version = VERSION_OLD };
    struct kit new = { .version = VERSION_NEW };
    struct kit other = { .version = "ff" };
    struct prg_link *link = open_kit(&old);
    assert_int_equal(prg_link_probe(link)->in_flight, 1);
    assert_true(prg_kitprog_offered(link));
    prg_link_close(link);
    link = open_kit(&new);
    assert_int_equal(prg_link_probe(link)->in_flight, 8);
    assert_string_equal(prg_link_probe(link)->model, "KitProg3");
    prg_link_close(link);
    link = open_kit(&other);
    assert_int_equal(prg_link_probe(link)->in_flight, 1);
    assert_false(prg_kitprog_offered(link));
    prg_link_close(link);
}

static void refuses_a_wrong_supply(void **state)
{
    (void)state;

    static const struct {
        const char *answer;
        enum base_status status;
    } rows[] = { { "8400010000", BASE_E_LINK }, { "840001ad06", BASE_E_LINK },
        { "840001ae06", BASE_OK }, { "840001e40c", BASE_OK }, { "840001100e", BASE_OK },
        { "840001110e", BASE_E_LINK }, { "8480010000", BASE_E_TARGET }, { "8400", BASE_E_PROTO } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct kit kit = { .voltage = rows[i].answer };
        struct prg_link *link = open_kit(&kit);
        struct base_err err = { .status = BASE_OK };
        assert_int_equal(prg_kitprog_check_voltage(link, &err), rows[i].status);
        if (i == 0) {
            assert_string_equal(err.code, "voltage");
            assert_non_null(strstr(err.message, "0.00 V"));
        }
        prg_link_close(link);
    }
}

static void sends_exact_bytes(void **state)
{
    (void)state;
    struct kit kit = { .voltage = "840001e40c" };
    struct prg_link *link = open_kit(&kit);
    uint32_t millivolt = 0;
    assert_int_equal(prg_kitprog_set_voltage(link, 1700, NULL), BASE_E_ARG);
    assert_int_equal(prg_kitprog_set_voltage(link, 3601, NULL), BASE_E_ARG);
    assert_int_equal(prg_kitprog_set_voltage(link, 2500, NULL), BASE_OK);
    assert_int_equal(prg_kitprog_power(link, true, NULL), BASE_OK);
    assert_int_equal(prg_kitprog_voltage(link, &millivolt, NULL), BASE_OK);
    assert_int_equal(millivolt, 3300);
    assert_int_equal(prg_kitprog_light(link, PRG_KITPROG_SUCCESS, NULL), BASE_OK);
    assert_int_equal(prg_kitprog_power(link, false, NULL), BASE_OK);
    assert_string_equal(kit.asked, "80 841002c409 841001 8411 8302 841000 ");
    prg_link_close(link);
}

static void waits_for_acquire(void **state)
{
    (void)state;
    struct kit kit = { .acquire = { "8501", "8501", "850001" } };
    struct prg_link *link = open_kit(&kit);
    bool acquired = false;
    assert_int_equal(prg_kitprog_acquire(link, &acquired, NULL), BASE_OK);
    assert_true(acquired);
    assert_string_equal(kit.asked, "80 85020001 ");
    kit.acquire[2] = "850000";
    assert_int_equal(prg_kitprog_acquire(link, &acquired, NULL), BASE_OK);
    assert_false(acquired);
    kit.acquire[2] = "0501";
    assert_int_equal(prg_kitprog_acquire(link, &acquired, NULL), BASE_E_PROTO);
    prg_link_close(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_packets_by_version),
        cmocka_unit_test(refuses_a_wrong_supply),
        cmocka_unit_test(sends_exact_bytes),
        cmocka_unit_test(waits_for_acquire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/quirks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct prg_quirk *find(uint16_t vendor_id, uint16_t product_id)
{
    const struct prg_cable cable = { .vendor_id = vendor_id, .product_id = product_id };
    return prg_quirk_find(&cable);
}

static enum base_status check(uint16_t vendor_id, uint16_t product_id, uint16_t release)
{
    const struct prg_cable cable = {
        .vendor_id = vendor_id, .product_id = product_id, .release = release
    };
    return prg_quirk_check(prg_quirk_find(&cable), &cable, NULL);
}

static void trusts_what_it_knows(void **state)
{
    (void)state;
    assert_int_equal(find(0, 0)->max_in_flight, 0);
    assert_int_equal(find(0xCAFE, 1)->max_in_flight, 1);
    assert_true(find(0x04B4, 0xF155)->kitprog);
    assert_int_equal(find(0x04B4, 0xF155)->max_in_flight, 0);
    assert_false(find(0x04B4, 0xF138)->kitprog);
    assert_int_equal(find(0x0D28, 0x0204)->max_in_flight, 1);
    assert_true(find(0x03EB, 0x2111)->loses_clock);
    assert_true(find(0x03EB, 0x2141)->reconnect);
}

/* Behind TCP there is no USB id: the product name tells the ones with vendor commands. */
static void knows_a_product_by_name(void **state)
{
    const struct prg_quirk *any = find(0, 0);
    (void)state;
    assert_string_equal(prg_quirk_find_product("KitProg3 CMSIS-DAP", any)->model, "KitProg3");
    assert_true(prg_quirk_find_product("MiniProg4 CMSIS-DAP/HID", any)->kitprog);
    assert_ptr_equal(prg_quirk_find_product("DAPLink CMSIS-DAP", any), any);
    assert_ptr_equal(prg_quirk_find_product("a KitProg3", any), any);
    assert_ptr_equal(prg_quirk_find_product("", any), any);
}

static void refuses_bad_firmware(void **state)
{
    (void)state;
    assert_int_equal(check(0x2E8A, 0x000C, 0x0230), BASE_E_UNSUPPORTED);
    assert_int_equal(check(0x2E8A, 0x000C, 0x0231), BASE_OK);
    assert_int_equal(check(0x2E8A, 0x0004, 0x0300), BASE_E_UNSUPPORTED);
    assert_int_equal(check(0x0451, 0xBEF3, 0x0300), BASE_E_UNSUPPORTED);
    assert_int_equal(check(0x04B4, 0xF155, 0x0001), BASE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trusts_what_it_knows),
        cmocka_unit_test(knows_a_product_by_name),
        cmocka_unit_test(refuses_bad_firmware),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

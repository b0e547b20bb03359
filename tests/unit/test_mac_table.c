/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/mac_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static int set_up(void **state)
{
    struct kgr_mac_table *table = NULL;

    if (kgr_mac_table_new(&table) != KGR_OK)
        return -1;
    *state = table;
    return 0;
}

static int tear_down(void **state)
{
    kgr_mac_table_free(*state);
    return 0;
}

static void find_added_gives_its_place(void **state)
{
    struct kgr_mac_place place = {0, 0};
    uint32_t first = 0;
    uint32_t second = 0;

    assert_int_equal(kgr_mac_table_add(*state, &first, (struct kgr_mac_place){1, 7}), KGR_OK);
    assert_int_equal(kgr_mac_table_add(*state, &second, (struct kgr_mac_place){2, 7}), KGR_OK);
    assert_int_not_equal(first, second);
    assert_int_equal(kgr_mac_table_find(*state, &place, second), KGR_OK);
    assert_int_equal(place.serial, 2);
    assert_int_equal(kgr_mac_table_find(*state, &place, first), KGR_OK);
    assert_int_equal(place.serial, 1);
    assert_int_equal(place.remote_id, 7);
}

static void find_removed_or_unknown_is_state(void **state)
{
    struct kgr_mac_place place = {3, 4};
    uint32_t id = 0;
    uint32_t next = 0;

    assert_int_equal(kgr_mac_table_find(*state, &place, 0), KGR_ERR_STATE);
    assert_int_equal(kgr_mac_table_find(*state, &place, UINT32_MAX), KGR_ERR_STATE);
    assert_int_equal(place.serial, 3);
    assert_int_equal(kgr_mac_table_add(*state, &id, (struct kgr_mac_place){1, 1}), KGR_OK);
    assert_int_equal(kgr_mac_table_remove(*state, &place, id), KGR_OK);
    assert_int_equal(place.serial, 1);
    assert_int_equal(kgr_mac_table_remove(*state, &place, id), KGR_ERR_STATE);
    /* The slot is used again under another number. */
    assert_int_equal(kgr_mac_table_add(*state, &next, (struct kgr_mac_place){1, 2}), KGR_OK);
    assert_int_not_equal(next, id);
    assert_int_equal(kgr_mac_table_find(*state, &place, id), KGR_ERR_STATE);
}

static void add_beyond_the_limit_is_quota(void **state)
{
    struct kgr_mac_place place = {0, 0};
    uint32_t ids[2] = {0, 0};
    uint32_t id = 0;

    for (uint32_t i = 0; i < KGR_MACS_MAX; i++)
        assert_int_equal(
            kgr_mac_table_add(*state, &ids[i == 0 ? 0 : 1], (struct kgr_mac_place){1, i}), KGR_OK);
    assert_int_equal(kgr_mac_table_add(*state, &id, (struct kgr_mac_place){1, 1}), KGR_ERR_QUOTA);
    assert_int_equal(id, 0);
    assert_int_equal(kgr_mac_table_find(*state, &place, ids[1]), KGR_OK);
    assert_int_equal(place.remote_id, KGR_MACS_MAX - 1);
    assert_int_equal(kgr_mac_table_remove(*state, &place, ids[0]), KGR_OK);
    assert_int_equal(kgr_mac_table_add(*state, &id, (struct kgr_mac_place){1, 1}), KGR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(find_added_gives_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(find_removed_or_unknown_is_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(add_beyond_the_limit_is_quota, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

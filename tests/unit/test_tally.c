/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/wire/ipc.h"

static enum kgr_door door(const char *name)
{
    return kgr_door_of(kgr_slice(name, strlen(name)));
}

static void doors_are_known_by_what_they_call_themselves(void **state)
{
    (void)state;
    assert_int_equal(door("kgrctl"), KGR_DOOR_KGRCTL);
    assert_int_equal(door("kgr.so"), KGR_DOOR_OPENSSL);
    assert_int_equal(door("libkgr-pkcs11"), KGR_DOOR_PKCS11);
    assert_int_equal(door("libkgr"), KGR_DOOR_LIBKGR);
    assert_int_equal(door("libkg"), KGR_DOOR_OTHER);
    assert_int_equal(door(""), KGR_DOOR_OTHER);
    for (int i = 1; i < KGR_NUM_DOORS; i++)
        assert_int_equal(door(kgr_door_name((enum kgr_door)i)), i);
}

static void what_is_unknown_is_counted_as_other(void **state)
{
    struct kgr_tally *tally = calloc(1, sizeof(*tally));

    (void)state;
    assert_non_null(tally);
    kgr_tally_add(tally, KGR_DOOR_LIBKGR, KGR_IPC_SEAL, KGR_OK);
    kgr_tally_add(tally, KGR_DOOR_LIBKGR, KGR_IPC_SEAL, KGR_OK);
    kgr_tally_add(tally, KGR_DOOR_LIBKGR, 60000, KGR_OK);
    kgr_tally_add(tally, KGR_DOOR_LIBKGR, KGR_IPC_SEAL, 4000000000u);
    assert_int_equal(tally->num[KGR_DOOR_LIBKGR][KGR_IPC_SEAL][KGR_OK], 2);
    assert_int_equal(tally->num[KGR_DOOR_LIBKGR][0][KGR_OK], 1);
    assert_int_equal(tally->num[KGR_DOOR_LIBKGR][KGR_IPC_SEAL][KGR_ERR_FAILED], 1);
    assert_string_equal(kgr_op_name(KGR_IPC_SEAL), "seal");
    assert_string_equal(kgr_op_name(0), "other");
    assert_string_equal(kgr_op_name(60000), "other");
    assert_true(KGR_ERR_COUNT <= KGR_TALLY_RESULTS); /* each has its place */
    free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doors_are_known_by_what_they_call_themselves),
        cmocka_unit_test(what_is_unknown_is_counted_as_other),
    };

    return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}

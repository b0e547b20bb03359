/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/candidates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct kgr_peer peers[] = {
    {.peer = "gateway-00001"}, {.peer = "gateway-00002"}, {.peer = "it-gateway"},
    {.peer = "hall.1"},        {.peer = "hall.2"},        {.peer = "hall.3"},
    {.peer = "hall.4"},        {.peer = "hall.5"},        {.peer = "hall.6"},
};

static void assert_candidates(const char *typed, const char *wanted)
{
    char out[5 * (KGR_PEER_MAX + 4)];

    assert_string_equal(
        kgr_ctl_candidates(out, sizeof(out), peers, sizeof(peers) / sizeof(peers[0]), typed),
        wanted);
}

static void those_that_begin_so_come_first(void **state)
{
    (void)state;
    assert_candidates("gateway", "gateway-00001 or gateway-00002");
    assert_candidates("it", "it-gateway");
    assert_candidates("0002", "gateway-00002");
    assert_candidates("hall", "hall.1, hall.2, hall.3, hall.4, hall.5, ...");
}

static void slips_are_understood(void **state)
{
    (void)state;
    assert_candidates("gatewya-00001", "gateway-00001");
    assert_candidates("hal.3", "hall.3");
}

static void nothing_is_made_up(void **state)
{
    char out[8];

    (void)state;
    assert_candidates("hall.1", "");
    assert_candidates("nobody", "");
    assert_candidates("", "");
    assert_string_equal(kgr_ctl_candidates(out, sizeof(out), NULL, 0, "x"), "");
}

static void little_room_cuts(void **state)
{
    char out[8];

    (void)state;
    assert_string_equal(kgr_ctl_candidates(out, sizeof(out), peers, 2, "gateway"), "gateway");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_begin_so_come_first),
        cmocka_unit_test(slips_are_understood),
        cmocka_unit_test(nothing_is_made_up),
        cmocka_unit_test(little_room_cuts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

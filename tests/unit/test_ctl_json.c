/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_json(json_t *value, const char *wanted)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
    json_decref(value);
}

static void peer_with_a_key_has_the_fields_of_the_contract_in_order(void **state)
{
    struct kgr_peer peer = {
        .peer = "N2",
        .generation = 1,
        .state = KGR_STATE_READY,
        .custody = KGR_CUSTODY_RESIDENT,
        .suite = KGR_SUITE_AES_128_CBC_HMAC_SHA256,
        .age_s = 3,
        .expires_s = 40,
        .receive_topic = "kgr/a",
        .send_topic = "kgr/b",
        .mirrored = true,
    };

    (void)state;
    assert_json(kgr_json_peer(&peer),
                "{\"peer\":\"N2\",\"generation\":1,\"state\":\"ready\",\"custody\":\"resident\","
                "\"suite\":\"AES-128-CBC-HMAC-SHA256\",\"age_s\":3,\"expires_s\":40,"
                "\"receive_topic\":\"kgr/a\",\"send_topic\":\"kgr/b\",\"error\":null,"
                "\"mirrored\":true}");
}

static void peer_without_a_key_has_nulls(void **state)
{
    struct kgr_peer peer = {
        .peer = "N2",
        .state = KGR_STATE_FAILED,
        .age_s = -1,
        .expires_s = -1,
        .error = KGR_ERR_NOT_AUTHORIZED,
    };

    (void)state;
    assert_json(kgr_json_peer(&peer),
                "{\"peer\":\"N2\",\"generation\":0,\"state\":\"failed\",\"custody\":null,"
                "\"suite\":null,\"age_s\":null,\"expires_s\":null,\"receive_topic\":null,"
                "\"send_topic\":null,\"error\":\"not authorised\",\"mirrored\":false}");
}

static void lines_become_an_array(void **state)
{
    (void)state;
    assert_json(kgr_json_lines(""), "[]");
    assert_json(kgr_json_lines("one"), "[\"one\"]");
    assert_json(kgr_json_lines("one\n\ntwo \"x\"\n"), "[\"one\",\"two \\\"x\\\"\"]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_with_a_key_has_the_fields_of_the_contract_in_order),
        cmocka_unit_test(peer_without_a_key_has_nulls),
        cmocka_unit_test(lines_become_an_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void parse_duration_units_are_seconds(void **state)
{
    static const struct {
        const char *text;
        uint32_t seconds;
    } good[] = {{"1s", 1}, {"90m", 5400}, {"12h", 43200}, {"7d", 604800}, {"365d", 31536000}};
    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(good); i++) {
        uint32_t s = 0;
        assert_int_equal(kgr_parse_duration(&s, good[i].text, NULL), KGR_OK);
        assert_int_equal(s, good[i].seconds);
    }
}

static void parse_duration_nonsense_fails(void **state)
{
    static const char *const bad[] = {
        "", "7", "d", "0d", "-1d", "+1d", " 1d", "1.5d", "1dd", "366d", "99999999999999999999s"};
    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(bad); i++) {
        uint32_t s = 42;
        struct kgr_diag diag = {0};
        assert_int_equal(kgr_parse_duration(&s, bad[i], &diag), KGR_ERR_INVALID);
        assert_int_equal(s, 42);
        assert_non_null(strstr(diag.text, "duration"));
    }
}

static void parse_broker_takes_host_and_port(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {{"broker.example:8883", "broker.example", 8883},
                {"127.0.0.1:1", "127.0.0.1", 1},
                {"[2001:db8::1]:65535", "2001:db8::1", 65535}};
    static const char *const bad[] = {"", ":1", "host", "host:", "host:0", "host:65536", "host:1x"};
    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(good); i++) {
        struct kgr_slice host = {0};
        uint16_t port = 0;
        assert_int_equal(kgr_parse_broker(&host, &port, good[i].text, NULL), KGR_OK);
        assert_int_equal(host.len, strlen(good[i].host));
        assert_memory_equal(host.p, good[i].host, host.len);
        assert_int_equal(port, good[i].port);
    }
    for (size_t i = 0; i < KGR_ARRAY_LEN(bad); i++) {
        struct kgr_slice host = {0};
        uint16_t port = 7;
        assert_int_equal(kgr_parse_broker(&host, &port, bad[i], NULL), KGR_ERR_INVALID);
        assert_int_equal(port, 7);
    }
}

static void parse_peers_splits_at_commas(void **state)
{
    struct kgr_order_node_add *add = calloc(1, sizeof *add);
    (void)state;
    assert_non_null(add);
    assert_int_equal(kgr_parse_peers(add, "a,gateway-00002,c.d_e", NULL), KGR_OK);
    assert_int_equal(add->num_peers, 3);
    assert_string_equal(add->peers[1].s, "gateway-00002");
    assert_int_equal(kgr_parse_peers(add, "", NULL), KGR_OK);
    assert_int_equal(add->num_peers, 0);
    assert_int_equal(kgr_parse_peers(add, "a,,b", NULL), KGR_ERR_INVALID);
    assert_int_equal(kgr_parse_peers(add, "a b", NULL), KGR_ERR_INVALID);
    char many[2 * (KGR_ORDER_PEERS_MAX + 1) + 1] = "";
    for (size_t i = 0; i <= KGR_ORDER_PEERS_MAX; i++)
        strcat(many, "a,");
    assert_int_equal(kgr_parse_peers(add, many, NULL), KGR_ERR_INVALID);
    free(add);
}

static void parse_words_are_the_printed_ones(void **state)
{
    uint8_t value = 9;
    (void)state;
    for (uint8_t i = 0; i < 3; i++) {
        assert_int_equal(kgr_parse_suite(&value, kgr_suite_word(i), NULL), KGR_OK);
        assert_int_equal(value, i);
        assert_int_equal(kgr_parse_custody(&value, kgr_custody_word(i), NULL), KGR_OK);
        assert_int_equal(value, i);
    }
    assert_int_equal(kgr_parse_custody(&value, "sealed", NULL), KGR_ERR_INVALID);
    assert_int_equal(kgr_parse_suite(&value, "AES", NULL), KGR_ERR_INVALID);
    assert_string_equal(kgr_node_state_word(KGR_NODE_REGISTERED), "registered");
    assert_string_equal(kgr_node_state_word(99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_duration_units_are_seconds),
        cmocka_unit_test(parse_duration_nonsense_fails),
        cmocka_unit_test(parse_broker_takes_host_and_port),
        cmocka_unit_test(parse_peers_splits_at_commas),
        cmocka_unit_test(parse_words_are_the_printed_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

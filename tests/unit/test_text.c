/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct kgr_nid nid(const char *text)
{
    struct kgr_nid n;

    assert_int_equal(kgr_nid_set(&n, text, strlen(text)), KGR_OK);
    return n;
}

static void nid_takes_its_alphabet_and_lengths(void **state)
{
    char longest[KGR_NID_MAX + 2];
    struct kgr_nid n;

    (void)state;
    n = nid("Gateway-00001.north_2");
    assert_string_equal(n.s, "Gateway-00001.north_2");
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(kgr_nid_set(&n, longest, KGR_NID_MAX), KGR_OK);
    assert_int_equal(strlen(n.s), KGR_NID_MAX);
    assert_int_equal(kgr_nid_set(&n, longest, KGR_NID_MAX + 1), KGR_ERR_INVALID);
    assert_int_equal(kgr_nid_set(&n, "", 0), KGR_ERR_INVALID);
    assert_int_equal(kgr_nid_set(&n, NULL, 0), KGR_ERR_INVALID);
}

static void nid_refuses_every_other_byte(void **state)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    struct kgr_nid n = nid("before");

    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[3] = {'a', (char)c, 'b'};
        bool good = c != 0 && strchr(alphabet, c) != NULL;
        struct kgr_nid got;

        assert_int_equal(kgr_nid_set(&got, text, 3), good ? KGR_OK : KGR_ERR_INVALID);
        if (!good)
            assert_int_equal(kgr_nid_set(&n, text, 3), KGR_ERR_INVALID);
    }
    assert_string_equal(n.s, "before");
}

static void nid_order_is_bytewise(void **state)
{
    struct kgr_nid a = nid("node-1");
    struct kgr_nid b = nid("node-10");
    struct kgr_nid c = nid("Node-2");

    (void)state;
    assert_true(kgr_nid_cmp(&a, &b) < 0);
    assert_true(kgr_nid_cmp(&b, &a) > 0);
    assert_true(kgr_nid_cmp(&c, &a) < 0);
    assert_int_equal(kgr_nid_cmp(&a, &a), 0);
}

static void hex_round_trips(void **state)
{
    static const uint8_t in[4] = {0x00, 0x9f, 0xa0, 0xff};
    uint8_t back[4];
    char text[9];

    (void)state;
    assert_string_equal(kgr_hex(text, in, 4), "009fa0ff");
    assert_int_equal(kgr_unhex(back, 4, text), KGR_OK);
    assert_memory_equal(back, in, 4);
    assert_int_equal(kgr_unhex(back, 4, "009FA0FF"), KGR_OK);
    assert_memory_equal(back, in, 4);
}

static void unhex_refuses_other_lengths_and_characters(void **state)
{
    static const char *const bad[] = {"",         "0",        "009fa0f", "009fa0ff0",
                                      "009fa0fg", "00 9fa0f", "-09fa0ff"};
    uint8_t out[4] = {1, 2, 3, 4};

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(bad); i++)
        assert_int_equal(kgr_unhex(out, 4, bad[i]), KGR_ERR_INVALID);
    assert_int_equal(kgr_unhex(out, 4, NULL), KGR_ERR_INVALID);
    assert_memory_equal(out, "\1\2\3\4", 4);
}

static void base64url_gives_the_vectors_of_rfc_4648(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xff\xef\xbe", "_---"},
    };
    char text[16];

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(cases); i++)
        assert_string_equal(kgr_base64url(text, cases[i].in, strlen(cases[i].in)), cases[i].out);
}

static void topic_text_has_the_fixed_length(void **state)
{
    uint8_t topic[KGR_TOPIC_LEN];
    char text[KGR_TOPIC_TEXT_LEN + 1];

    (void)state;
    memset(topic, 0xff, sizeof(topic));
    assert_string_equal(kgr_topic_text(text, topic),
                        "kgr/__________________________________________8");
    assert_int_equal(strlen(text), KGR_TOPIC_TEXT_LEN);
}

static void uri_round_trips(void **state)
{
    static const uint64_t generations[] = {0, 1, 42, UINT64_MAX};
    char text[KGR_URI_MAX];
    struct kgr_nid peer = nid("gateway-00002");
    struct kgr_nid got;
    uint64_t generation;

    (void)state;
    memset(peer.s, 'x', KGR_NID_MAX);
    for (size_t i = 0; i < KGR_ARRAY_LEN(generations); i++) {
        (void)kgr_uri_format(text, &peer, generations[i]);
        assert_int_equal(kgr_uri_parse(&got, &generation, text), KGR_OK);
        assert_string_equal(got.s, peer.s);
        assert_true(generation == generations[i]);
    }
    assert_string_equal(kgr_uri_format(text, &(struct kgr_nid){"b"}, 7), "kgr:peer=b;generation=7");
}

static void uri_attributes_stand_in_any_order(void **state)
{
    struct kgr_nid peer;
    uint64_t generation;

    (void)state;
    assert_int_equal(kgr_uri_parse(&peer, &generation, "kgr:generation=3;peer=a"), KGR_OK);
    assert_string_equal(peer.s, "a");
    assert_int_equal(generation, 3);
}

static void uri_refuses_everything_else(void **state)
{
    static const char *const bad[] = {
        "",
        "kgr",
        "kgr:",
        "kgr:peer",
        "kgr:peer=",
        "KGR:peer=a",
        "pkcs11:peer=a",
        "kgr:peer=a;",
        "kgr:;peer=a",
        "kgr:peer=a;peer=a",
        "kgr:peer=a b",
        "kgr:peer=a;generation=",
        "kgr:peer=a;generation=0",
        "kgr:peer=a;generation=01",
        "kgr:peer=a;generation=+1",
        "kgr:peer=a;generation=1x",
        "kgr:peer=a;generation=1;generation=1",
        "kgr:peer=a;generation=18446744073709551616",
        "kgr:generation=1",
        "kgr:peer=a;colour=red",
    };
    struct kgr_nid peer = nid("before");
    uint64_t generation = 99;

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(bad); i++)
        assert_int_equal(kgr_uri_parse(&peer, &generation, bad[i]), KGR_ERR_INVALID);
    assert_int_equal(kgr_uri_parse(&peer, &generation, NULL), KGR_ERR_INVALID);
    assert_string_equal(peer.s, "before");
    assert_int_equal(generation, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nid_takes_its_alphabet_and_lengths),
        cmocka_unit_test(nid_refuses_every_other_byte),
        cmocka_unit_test(nid_order_is_bytewise),
        cmocka_unit_test(hex_round_trips),
        cmocka_unit_test(unhex_refuses_other_lengths_and_characters),
        cmocka_unit_test(base64url_gives_the_vectors_of_rfc_4648),
        cmocka_unit_test(topic_text_has_the_fixed_length),
        cmocka_unit_test(uri_round_trips),
        cmocka_unit_test(uri_attributes_stand_in_any_order),
        cmocka_unit_test(uri_refuses_everything_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

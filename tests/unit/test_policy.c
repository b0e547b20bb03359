/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/policy.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OWN 990u

enum { ALICE = 1001, BOB = 1002, CAROL = 1003 };
enum { KGR = 500, DEVICES = 501, MASTERS = 502 };

#define BIT KGR_RIGHT_BIT

static const uid_t alice[] = {ALICE}, two[] = {ALICE, BOB};
static const gid_t kgr[] = {KGR}, devices[] = {DEVICES}, masters[] = {MASTERS};
static const char *const gateways[] = {"gateway-*"}, *const east[] = {"east?", "far.east"};

static const struct kgr_policy_rule rules[] = {
    {.gids = kgr, .num_gids = 1, .rights = KGR_RIGHTS_ALL},
    {.uids = alice,
     .num_uids = 1,
     .peers = gateways,
     .num_peers = 1,
     .rights = BIT(KGR_RIGHT_SIGN)},
    {.uids = two, .num_uids = 2, .peers = east, .num_peers = 2, .rights = KGR_RIGHTS_ALL},
    {.gids = devices,
     .num_gids = 1,
     .peers = gateways,
     .num_peers = 1,
     .rights = BIT(KGR_RIGHT_ENCRYPT)},
    {.gids = masters, .num_gids = 1, .rights = BIT(KGR_RIGHT_MANAGE)},
};

static struct kgr_access *access_of(uid_t uid, gid_t gid, const gid_t *groups, size_t num)
{
    const struct kgr_caller caller = {uid, gid, groups, num};
    struct kgr_policy *policy = NULL;
    struct kgr_access *access = NULL;

    assert_int_equal(kgr_policy_new(&policy, rules, KGR_ARRAY_LEN(rules), OWN), KGR_OK);
    assert_int_equal(kgr_access_new(&access, policy, &caller), KGR_OK);
    kgr_policy_unref(policy); /* the access keeps what it needs */
    return access;
}

/* rights: those that the caller has, and no others, for the peer. */
struct row {
    const char *what;
    uid_t uid;
    gid_t gid, group; /* one supplementary group; 0: none */
    const char *peer;
    uint32_t rights;
};

static const struct row table[] = {
    {"root has all", 0, 0, 0, "x", KGR_RIGHTS_ALL},
    {"so has the agent's user", OWN, OWN, 0, "x", KGR_RIGHTS_ALL},
    {"a stranger has none", CAROL, CAROL, 0, "gateway-1", 0},
    {"primary group", CAROL, KGR, 0, "x", KGR_RIGHTS_ALL},
    {"supplementary group", CAROL, CAROL, KGR, "x", KGR_RIGHTS_ALL},
    {"a uid is no gid", KGR, CAROL, 0, "x", 0},
    {"a gid is no uid", CAROL, ALICE, 0, "gateway-1", 0},
    {"sign is verify, and shows the peer", ALICE, ALICE, 0, "gateway-1",
     BIT(KGR_RIGHT_SIGN) | BIT(KGR_RIGHT_VERIFY) | BIT(KGR_RIGHT_LIST)},
    {"a pattern is of the whole name", ALICE, ALICE, 0, "xgateway-1", 0},
    {"encrypt alone implies nothing", CAROL, CAROL, DEVICES, "gateway-1",
     BIT(KGR_RIGHT_ENCRYPT) | BIT(KGR_RIGHT_LIST)},
    {"two rules together imply seal", ALICE, ALICE, DEVICES, "gateway-1",
     BIT(KGR_RIGHT_SIGN) | BIT(KGR_RIGHT_VERIFY) | BIT(KGR_RIGHT_ENCRYPT) | BIT(KGR_RIGHT_SEAL) |
         BIT(KGR_RIGHT_LIST)},
    {"the node is no peer", BOB, BOB, 0, "east1", KGR_RIGHTS_ALL & ~BIT(KGR_RIGHT_MANAGE)},
    {"the second pattern counts too", BOB, BOB, 0, "far.east",
     KGR_RIGHTS_ALL & ~BIT(KGR_RIGHT_MANAGE)},
    {"one character, not none", BOB, BOB, 0, "east", 0},
    {"nor two", BOB, BOB, 0, "east12", 0},
    {"whoever manages sees no peer", CAROL, MASTERS, 0, "east1", BIT(KGR_RIGHT_MANAGE)},
};

static void every_row_of_the_table_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(table); i++) {
        const struct row *row = &table[i];
        struct kgr_access *access = access_of(row->uid, row->gid, &row->group, row->group != 0);
        uint32_t got = 0;

        for (unsigned r = 0; r < KGR_NUM_RIGHTS; r++)
            if (kgr_access_allows(access, row->peer, (enum kgr_right)r))
                got |= BIT(r);
        if (got != row->rights)
            fail_msg("%s: %#x, not %#x", row->what, got, row->rights);
        kgr_access_unref(access);
    }
}

static void implications_are_those_of_the_protocol(void **state)
{
    const uint32_t list = BIT(KGR_RIGHT_LIST), sign = BIT(KGR_RIGHT_SIGN) | BIT(KGR_RIGHT_VERIFY);
    const struct {
        uint32_t given, closed;
    } cases[] = {
        {0, 0},
        {list, list},
        {BIT(KGR_RIGHT_MANAGE), BIT(KGR_RIGHT_MANAGE)},
        {BIT(KGR_RIGHT_VERIFY), sign | list},
        {BIT(KGR_RIGHT_DECRYPT), BIT(KGR_RIGHT_DECRYPT) | list},
        {BIT(KGR_RIGHT_VERIFY) | BIT(KGR_RIGHT_ENCRYPT),
         sign | BIT(KGR_RIGHT_ENCRYPT) | BIT(KGR_RIGHT_SEAL) | list},
        {BIT(KGR_RIGHT_SIGN) | BIT(KGR_RIGHT_DECRYPT), sign | BIT(KGR_RIGHT_DECRYPT) | list},
        {BIT(KGR_RIGHT_SEAL), BIT(KGR_RIGHT_SEAL) | list},
        {BIT(KGR_RIGHT_SEND), BIT(KGR_RIGHT_SEND) | list},
        {BIT(KGR_RIGHT_RENEW), BIT(KGR_RIGHT_RENEW) | BIT(KGR_RIGHT_REQUEST) | list},
        {BIT(KGR_RIGHT_REQUEST), BIT(KGR_RIGHT_REQUEST) | list},
        {KGR_RIGHTS_ALL, KGR_RIGHTS_ALL},
    };

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(cases); i++)
        assert_int_equal(kgr_rights_close(cases[i].given), cases[i].closed);
    for (uint32_t mask = 0; mask <= KGR_RIGHTS_ALL; mask++) {
        uint32_t closed = kgr_rights_close(mask);

        assert_int_equal(closed & mask, mask); /* nothing is taken away */
        assert_int_equal(kgr_rights_close(closed), closed);
    }
}

static void some_and_any_speak_of_all_peers(void **state)
{
    struct kgr_access *access = access_of(ALICE, ALICE, NULL, 0);

    (void)state;
    assert_true(kgr_access_some(access, KGR_RIGHT_SIGN));
    assert_true(kgr_access_some(access, KGR_RIGHT_RECEIVE)); /* of east1, say */
    assert_false(kgr_access_some(access, KGR_RIGHT_MANAGE));
    assert_true(kgr_access_any(access));
    kgr_access_unref(access);
    access = access_of(CAROL, CAROL, NULL, 0);
    assert_false(kgr_access_any(access));
    kgr_access_unref(access);
    access = access_of(CAROL, MASTERS, NULL, 0);
    assert_true(kgr_access_any(access));
    assert_false(kgr_access_some(access, KGR_RIGHT_LIST));
    kgr_access_unref(access);
}

static void refusals_name_right_peer_user_and_group(void **state)
{
    struct kgr_access *access = access_of(CAROL, CAROL, NULL, 0);
    struct kgr_diag diag = {{0}}, node = {{0}};

    (void)state;
    assert_int_equal(kgr_access_refuse(&diag, access, "gateway-1", KGR_RIGHT_SIGN), KGR_ERR_ACCESS);
    assert_string_equal(diag.text, "uid 1003 has no right to sign with gateway-1: the group access "
                                   "of agent.conf grants it");
    assert_int_equal(kgr_access_refuse(&node, access, NULL, KGR_RIGHT_MANAGE), KGR_ERR_ACCESS);
    assert_string_equal(node.text,
                        "uid 1003 may not manage here: the group access of agent.conf grants it");
    kgr_access_unref(access);
}

static void patterns_match_whole_names(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } cases[] = {
        {"*", "a", true},          {"a", "a", true},
        {"a", "b", false},         {"a", "ab", false},
        {"ab", "a", false},        {"a*", "a", true},
        {"a*", "abc", true},       {"*a", "bca", true},
        {"*a", "bcab", false},     {"a*b", "ab", true},
        {"a*b", "axxb", true},     {"a*b", "axxbc", false},
        {"a*b*c", "abbbc", true},  {"a*b*c", "acb", false},
        {"**a**", "a", true},      {"?", "a", true},
        {"?", "ab", false},        {"?*", "a", true},
        {"*?", "abc", true},       {"a?c", "abc", true},
        {"a?c", "ac", false},      {"*-0000?", "g-00001", true},
        {"*ab*ab", "abxab", true}, {"*ab*ab", "abab", true},
        {"*ab*ab", "aab", false},  {"A", "a", false},
        {".", "a", false},
    };

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(cases); i++)
        if (kgr_pattern_matches(cases[i].pattern, cases[i].name) != cases[i].matches)
            fail_msg("%s against %s", cases[i].pattern, cases[i].name);
}

static void patterns_of_other_characters_are_none(void **state)
{
    static const char *const bad[] = {"", "a b", "[a]", "a/b", "a\n", "{a,b}", "!a", "\xc3\xa4"};
    char longest[KGR_PATTERN_MAX + 2] = {0};
    const struct kgr_policy_rule rule = {
        .uids = alice, .num_uids = 1, .peers = bad + 2, .num_peers = 1, .rights = 1};
    struct kgr_policy *policy = NULL;

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(bad); i++)
        assert_false(kgr_pattern_is_valid(bad[i]));
    memset(longest, '*', KGR_PATTERN_MAX);
    assert_true(kgr_pattern_is_valid(longest));
    longest[KGR_PATTERN_MAX] = 'a';
    assert_false(kgr_pattern_is_valid(longest));
    assert_true(kgr_pattern_is_valid("Az09._-*?"));
    assert_int_equal(kgr_policy_new(&policy, &rule, 1, OWN), KGR_ERR_INVALID);
    assert_null(policy);
}

static void others_are_those_outside_of_the_sockets_group(void **state)
{
    static const uid_t known[] = {0, OWN};
    const struct kgr_policy_rule narrow[] = {
        {.gids = kgr, .num_gids = 1, .rights = KGR_RIGHTS_ALL},
        {.uids = known, .num_uids = 2, .rights = KGR_RIGHTS_ALL},
        {.uids = alice, .num_uids = 1, .rights = 0},
    };
    struct kgr_policy *policy = NULL;

    (void)state;
    assert_int_equal(kgr_policy_new(&policy, narrow, KGR_ARRAY_LEN(narrow), OWN), KGR_OK);
    assert_false(kgr_policy_names_others(policy, KGR));
    assert_true(kgr_policy_names_others(policy, DEVICES));
    kgr_policy_unref(policy);
    assert_int_equal(kgr_policy_new(&policy, rules, 2, OWN), KGR_OK);
    assert_true(kgr_policy_names_others(policy, KGR));
    kgr_policy_unref(policy);
    assert_int_equal(kgr_policy_new(&policy, NULL, 0, OWN), KGR_OK);
    assert_false(kgr_policy_names_others(policy, KGR));
    kgr_policy_unref(policy);
}

static void *check_often(void *arg)
{
    struct kgr_access *access = arg;
    size_t right = 0;

    for (int i = 0; i < 20000; i++)
        right += kgr_access_allows(access, "gateway-00001", KGR_RIGHT_VERIFY);
    kgr_access_unref(access);
    return right == 20000 ? access : NULL;
}

/* The last one to let go frees it, whoever that is: run under the sanitizer of threads. */
static void accesses_are_shared_by_threads(void **state)
{
    struct kgr_access *access = access_of(ALICE, ALICE, NULL, 0);
    pthread_t threads[4];
    void *result;

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, check_often, kgr_access_ref(access)), 0);
    kgr_access_unref(access);
    for (size_t i = 0; i < KGR_ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_table_holds),
        cmocka_unit_test(implications_are_those_of_the_protocol),
        cmocka_unit_test(some_and_any_speak_of_all_peers),
        cmocka_unit_test(refusals_name_right_peer_user_and_group),
        cmocka_unit_test(patterns_match_whole_names),
        cmocka_unit_test(patterns_of_other_characters_are_none),
        cmocka_unit_test(others_are_those_outside_of_the_sockets_group),
        cmocka_unit_test(accesses_are_shared_by_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/account.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define S UINT64_C(1000000000)

static struct kgr_accounts *accounts;

static void set(uint32_t connections, uint32_t in_flight, uint32_t rate, uint32_t burst)
{
    const struct kgr_account_limits limits = {connections, in_flight, rate, burst};

    if (accounts == NULL)
        assert_int_equal(kgr_accounts_new(&accounts, &limits), KGR_OK);
    else
        kgr_accounts_set(accounts, &limits);
}

static struct kgr_account *open_at(uid_t uid, uint64_t now)
{
    struct kgr_account *account = NULL;

    assert_int_equal(kgr_account_open(&account, accounts, uid, now, NULL), KGR_OK);
    return account;
}

static void leave(struct kgr_account *account)
{
    kgr_account_close(account);
    kgr_account_leave(account);
}

static int teardown(void **state)
{
    (void)state;
    kgr_accounts_unref(accounts);
    accounts = NULL;
    return 0;
}

static void connections_are_counted_by_user(void **state)
{
    struct kgr_account *first, *second, *other, *refused = NULL;
    struct kgr_diag diag = {{0}};

    (void)state;
    set(2, 10, 0, 0);
    first = open_at(7, 0);
    second = open_at(7, 0);
    assert_ptr_equal(first, second);
    assert_int_equal(kgr_account_open(&refused, accounts, 7, 0, &diag), KGR_ERR_QUOTA);
    assert_string_equal(diag.text,
                        "uid 7 has 2 connections, and no more are allowed (limits.connections)");
    assert_null(refused);
    other = open_at(8, 0);
    leave(second);
    second = open_at(7, 0);
    leave(first);
    leave(second);
    leave(other);
}

static void requests_under_way_are_bounded(void **state)
{
    struct kgr_diag diag = {{0}};
    struct kgr_account *account, *other;

    (void)state;
    set(2, 3, 0, 0);
    account = open_at(7, 0);
    other = open_at(8, 0);
    assert_int_equal(kgr_account_begin(account, 2, NULL), KGR_OK);
    assert_int_equal(kgr_account_begin(account, 2, &diag), KGR_ERR_QUOTA);
    assert_string_equal(diag.text, "uid 7 has 2 requests under way, of 3 (limits.in_flight)");
    assert_int_equal(kgr_account_begin(account, 1, NULL), KGR_OK);
    assert_int_equal(kgr_account_begin(account, 1, NULL), KGR_ERR_QUOTA);
    assert_int_equal(kgr_account_begin(account, UINT32_MAX, NULL), KGR_ERR_QUOTA);
    assert_int_equal(kgr_account_begin(other, 3, NULL), KGR_OK);
    kgr_account_end(account, 3);
    assert_int_equal(kgr_account_begin(account, 3, NULL), KGR_OK);
    /* A lower limit ends nothing that is under way. */
    set(2, 1, 0, 0);
    assert_int_equal(kgr_account_begin(account, 1, NULL), KGR_ERR_QUOTA);
    kgr_account_end(account, 3);
    assert_int_equal(kgr_account_begin(account, 1, NULL), KGR_OK);
    kgr_account_end(account, 1);
    kgr_account_end(other, 3);
    leave(account);
    leave(other);
}

static unsigned take_all(struct kgr_account *account, uint64_t now)
{
    unsigned n = 0;

    while (n < 1000 && kgr_account_take(account, 1, now, NULL) == KGR_OK)
        n++;
    return n;
}

static void rate_is_kept_over_any_pause(void **state)
{
    struct kgr_diag diag = {{0}};
    struct kgr_account *account;
    uint64_t now = 1000 * S;

    (void)state;
    set(2, 10, 0, 0);
    account = open_at(7, now);
    assert_false(kgr_account_is_rated(account));
    assert_int_equal(take_all(account, now), 1000);
    set(2, 10, 10, 0);
    assert_true(kgr_account_is_rated(account));
    assert_int_equal(take_all(account, now),
                     10); /* the burst is one second's, if nothing is said */
    assert_int_equal(kgr_account_take(account, 1, now, &diag), KGR_ERR_QUOTA);
    assert_string_equal(diag.text, "uid 7 sent more than 10 requests a second (limits.rate)");
    assert_int_equal(take_all(account, now + S / 10), 1);
    assert_int_equal(take_all(account, now + S), 9);
    assert_int_equal(take_all(account, now + 100 * S), 10);
    /* All or none. */
    assert_int_equal(kgr_account_take(account, 11, now + 200 * S, NULL), KGR_ERR_QUOTA);
    assert_int_equal(kgr_account_take(account, 10, now + 200 * S, NULL), KGR_OK);
    set(2, 10, 10, 3);
    assert_int_equal(take_all(account, now + 300 * S), 3);
    leave(account);
}

static void who_comes_again_finds_his_bucket_as_it_was(void **state)
{
    struct kgr_account *account;

    (void)state;
    set(2, 10, 10, 10);
    account = open_at(7, 50 * S);
    assert_int_equal(take_all(account, 50 * S), 10);
    leave(account);
    account = open_at(7, 50 * S + 1);
    assert_int_equal(take_all(account, 50 * S + 1), 0);
    leave(account);
    account = open_at(7, 51 * S);
    assert_int_equal(take_all(account, 51 * S), 10);
    leave(account);
}

static void account_may_outlive_its_server(void **state)
{
    struct kgr_account *account;
    struct kgr_accounts *kept;

    (void)state;
    set(2, 10, 0, 0);
    account = open_at(7, 0);
    kept = kgr_accounts_ref(accounts);
    kgr_accounts_unref(accounts);
    accounts = kept;
    assert_int_equal(kgr_account_begin(account, 1, NULL), KGR_OK);
    kgr_account_end(account, 1);
    leave(account);
}

static atomic_uint taken;

static void *take_often(void *arg)
{
    for (int i = 0; i < 5000; i++) {
        if (kgr_account_take(arg, 1, 9 * S, NULL) == KGR_OK)
            atomic_fetch_add(&taken, 1);
        if (kgr_account_begin(arg, 1, NULL) == KGR_OK)
            kgr_account_end(arg, 1);
    }
    return NULL;
}

static void threads_share_one_bucket(void **state)
{
    struct kgr_account *account;
    pthread_t threads[4];

    (void)state;
    set(2, 2, 1000, 1000);
    account = open_at(7, 9 * S);
    for (size_t i = 0; i < KGR_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_often, account), 0);
    for (size_t i = 0; i < KGR_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&taken), 1000);
    assert_int_equal(kgr_account_begin(account, 2, NULL), KGR_OK); /* none is left over */
    kgr_account_end(account, 2);
    leave(account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(connections_are_counted_by_user, teardown),
        cmocka_unit_test_teardown(requests_under_way_are_bounded, teardown),
        cmocka_unit_test_teardown(rate_is_kept_over_any_pause, teardown),
        cmocka_unit_test_teardown(who_comes_again_finds_his_bucket_as_it_was, teardown),
        cmocka_unit_test_teardown(account_may_outlive_its_server, teardown),
        cmocka_unit_test_teardown(threads_share_one_bucket, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/keys/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct kgr_ring *ring;
static struct kgr_nid n1;
static struct kgr_nid n2;

static int begin(void **state)
{
    (void)state;
    if (kgr_ring_new(&ring) != KGR_OK || kgr_nid_set(&n1, "gateway-00001", 13) != KGR_OK ||
        kgr_nid_set(&n2, "gateway-00002", 13) != KGR_OK)
        return -1;
    return 0;
}

static int end(void **state)
{
    (void)state;
    kgr_ring_free(ring);
    return 0;
}

static struct kgr_ring_key *key(uint64_t generation)
{
    struct kgr_ring_key *k = calloc(1, sizeof(*k));

    assert_non_null(k);
    k->generation = generation;
    return k;
}

static void put(const struct kgr_nid *peer, enum kgr_ring_place place, uint64_t generation,
                enum kgr_error expected)
{
    struct kgr_ring_key *k = key(generation);
    enum kgr_error err = kgr_ring_put(ring, peer, place, k);

    assert_int_equal(err, expected);
    if (err != KGR_OK)
        kgr_ring_key_free(k);
}

static void ring_empty_finds_nothing(void **state)
{
    (void)state;
    assert_int_equal(kgr_ring_num_peers(ring), 0);
    assert_null(kgr_ring_sending(ring, &n1));
    assert_null(kgr_ring_receiving(ring, &n1, 0));
    assert_null(kgr_ring_take(ring, &n1, KGR_RING_CURRENT));
    assert_int_equal(kgr_ring_highest(ring, &n1), 0);
    kgr_ring_forget(ring, &n1);
}

static void ring_candidate_receives_and_does_not_send(void **state)
{
    (void)state;
    put(&n1, KGR_RING_CANDIDATE, 3, KGR_OK);
    assert_null(kgr_ring_sending(ring, &n1));
    assert_null(kgr_ring_receiving(ring, &n1, 0));
    assert_non_null(kgr_ring_receiving(ring, &n1, 3));
    assert_null(kgr_ring_receiving(ring, &n1, 2));
    assert_null(kgr_ring_receiving(ring, &n2, 3));
}

static void ring_promote_moves_all_up(void **state)
{
    struct kgr_ring_key *dropped = NULL;

    (void)state;
    for (uint64_t g = 1; g <= 3; g++) {
        put(&n1, KGR_RING_CANDIDATE, g, KGR_OK);
        assert_int_equal(kgr_ring_promote(ring, &dropped, &n1, g + 1), KGR_ERR_NO_KEY);
        assert_int_equal(kgr_ring_promote(ring, &dropped, &n1, g), KGR_OK);
        if (g < 3)
            assert_null(dropped);
    }
    assert_non_null(dropped);
    assert_int_equal(dropped->generation, 1);
    kgr_ring_key_free(dropped);
    assert_int_equal(kgr_ring_sending(ring, &n1)->generation, 3);
    assert_int_equal(kgr_ring_receiving(ring, &n1, 2)->generation, 2);
    assert_null(kgr_ring_receiving(ring, &n1, 1));
    assert_null(kgr_ring_at(ring, &n1, KGR_RING_CANDIDATE));
}

static void ring_generation_never_comes_back(void **state)
{
    struct kgr_ring_key *taken;

    (void)state;
    put(&n1, KGR_RING_CANDIDATE, 0, KGR_ERR_STATE);
    put(&n1, KGR_RING_CANDIDATE, 5, KGR_OK);
    put(&n1, KGR_RING_CANDIDATE, 6, KGR_ERR_EXISTS);
    taken = kgr_ring_take(ring, &n1, KGR_RING_CANDIDATE);
    assert_non_null(taken);
    kgr_ring_key_free(taken);
    put(&n1, KGR_RING_CANDIDATE, 5, KGR_ERR_STATE);
    put(&n1, KGR_RING_CANDIDATE, 4, KGR_ERR_STATE);
    assert_int_equal(kgr_ring_raise(ring, &n1, 8), KGR_OK);
    assert_int_equal(kgr_ring_raise(ring, &n1, 7), KGR_OK);
    put(&n1, KGR_RING_CANDIDATE, 8, KGR_ERR_STATE);
    put(&n1, KGR_RING_CANDIDATE, 9, KGR_OK);
    assert_int_equal(kgr_ring_highest(ring, &n1), 9);
}

static void ring_is_filled_from_a_database(void **state)
{
    (void)state;
    put(&n1, KGR_RING_CURRENT, 5, KGR_OK);
    put(&n1, KGR_RING_PREVIOUS, 6, KGR_ERR_STATE);
    put(&n1, KGR_RING_PREVIOUS, 4, KGR_OK);
    put(&n1, KGR_RING_CANDIDATE, 7, KGR_OK);
    assert_int_equal(kgr_ring_highest(ring, &n1), 7);
    assert_int_equal(kgr_ring_receiving(ring, &n1, 0)->generation, 5);
}

static void ring_refused_first_key_leaves_no_peer(void **state)
{
    (void)state;
    put(&n1, KGR_RING_PREVIOUS, 1, KGR_ERR_STATE);
    assert_int_equal(kgr_ring_num_peers(ring), 0);
}

static void ring_keeps_peers_in_order(void **state)
{
    char text[16];

    (void)state;
    for (unsigned int i = 0; i < 100; i++) {
        struct kgr_nid nid;

        (void)snprintf(text, sizeof(text), "n%02u", i * 37 % 100);
        assert_int_equal(kgr_nid_set(&nid, text, 3), KGR_OK);
        put(&nid, KGR_RING_CURRENT, i + 1, KGR_OK);
    }
    assert_int_equal(kgr_ring_num_peers(ring), 100);
    for (size_t i = 0; i < 100; i++) {
        (void)snprintf(text, sizeof(text), "n%02u", (unsigned int)i);
        assert_string_equal(kgr_ring_peer(ring, i)->s, text);
        assert_non_null(kgr_ring_sending(ring, kgr_ring_peer(ring, i)));
    }
}

static void ring_forgets_a_peer_wholly(void **state)
{
    (void)state;
    put(&n1, KGR_RING_CURRENT, 2, KGR_OK);
    put(&n2, KGR_RING_CURRENT, 3, KGR_OK);
    kgr_ring_forget(ring, &n1);
    assert_int_equal(kgr_ring_num_peers(ring), 1);
    assert_null(kgr_ring_sending(ring, &n1));
    assert_int_equal(kgr_ring_sending(ring, &n2)->generation, 3);
    put(&n1, KGR_RING_CURRENT, 1, KGR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ring_empty_finds_nothing, begin, end),
        cmocka_unit_test_setup_teardown(ring_candidate_receives_and_does_not_send, begin, end),
        cmocka_unit_test_setup_teardown(ring_promote_moves_all_up, begin, end),
        cmocka_unit_test_setup_teardown(ring_generation_never_comes_back, begin, end),
        cmocka_unit_test_setup_teardown(ring_is_filled_from_a_database, begin, end),
        cmocka_unit_test_setup_teardown(ring_refused_first_key_leaves_no_peer, begin, end),
        cmocka_unit_test_setup_teardown(ring_keeps_peers_in_order, begin, end),
        cmocka_unit_test_setup_teardown(ring_forgets_a_peer_wholly, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

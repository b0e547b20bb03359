/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/secret.h"

/* Both ends of both rings, each end with a mapping of its own, as between two processes. */
struct fixture {
    struct kgr_shm agent, client;
    struct kgr_lane put;  /* requests, the client's end */
    struct kgr_lane take; /* the agent's */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int fd = -1;

    assert_int_equal(kgr_shm_create(&f->agent, &fd), KGR_OK);
    assert_int_equal(kgr_shm_map(&f->client, fd), KGR_OK);
    (void)close(fd);
    kgr_lane_init_requests(&f->put, &f->client, true);
    kgr_lane_init_requests(&f->take, &f->agent, false);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    kgr_shm_unmap(&f->agent);
    kgr_shm_unmap(&f->client);
    free(f);
    return 0;
}

/* Both indices, as after so many bytes. */
static void start_at(struct fixture *f, uint32_t index)
{
    struct kgr_lane *ends[] = {&f->put, &f->take};

    for (size_t i = 0; i < 2; i++) {
        ends[i]->own = ends[i]->its = index;
        atomic_store(ends[i]->own_word, index);
    }
}

static void fill(uint8_t *p, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(seed * 31 + i * 7 + i / 251);
}

static void put(struct fixture *f, size_t len, uint32_t seed)
{
    static uint8_t bytes[KGR_IPC_PACKET_MAX];

    fill(bytes, len, seed);
    kgr_lane_put(&f->put, seed, kgr_slice(bytes, 16), kgr_slice(bytes + 16, len - 16));
}

static void take(struct fixture *f, size_t len, uint32_t seed)
{
    static uint8_t bytes[KGR_IPC_PACKET_MAX];
    struct kgr_lane_frame frame;

    fill(bytes, len, seed);
    assert_true(kgr_lane_filled(&f->take));
    assert_int_equal(kgr_lane_look(&f->take, &frame), KGR_OK);
    assert_int_equal(frame.len, len);
    assert_int_equal(frame.flags, seed);
    assert_memory_equal(frame.bytes, bytes, len);
    kgr_lane_drop(&f->take, &frame);
}

static void lane_carries_messages_of_every_length_round_and_round(void **state)
{
    struct fixture *f = *state;
    size_t len = 16;

    start_at(f, UINT32_MAX - 64 * 1000 + 1); /* past the end of the counter */
    for (uint32_t i = 0; i < 3000; i++) {
        size_t next = i % 17 == 0 ? KGR_IPC_PACKET_MAX - i : 16 + (i * 37) % 1500;

        assert_int_equal(kgr_lane_room(&f->put, len), KGR_OK);
        put(f, len, i);
        if (kgr_lane_room(&f->put, next) == KGR_OK) {
            put(f, next, i + 1);
            take(f, len, i);
            take(f, next, i + 1);
        } else {
            take(f, len, i);
        }
        assert_false(kgr_lane_filled(&f->take));
        len = next;
    }
}

static void lane_empty_and_full_are_busy(void **state)
{
    struct fixture *f = *state;
    struct kgr_lane_frame frame;
    uint32_t num = 0;

    assert_int_equal(kgr_lane_look(&f->take, &frame), KGR_ERR_BUSY);
    while (kgr_lane_room(&f->put, 1000) == KGR_OK)
        put(f, 1000, num++);
    assert_int_equal(num, KGR_SHM_RING / 1024);
    assert_int_equal(kgr_lane_room(&f->put, 1000), KGR_ERR_BUSY);
    assert_false(kgr_lane_moved(&f->put));
    take(f, 1000, 0);
    assert_true(kgr_lane_moved(&f->put));
    assert_int_equal(kgr_lane_room(&f->put, 1017), KGR_ERR_BUSY); /* a line more than there is */
    assert_int_equal(kgr_lane_room(&f->put, 1016), KGR_OK);
}

static void lane_message_that_was_taken_is_wiped(void **state)
{
    struct fixture *f = *state;

    start_at(f, KGR_SHM_RING - 64);
    put(f, 5000, 1);
    take(f, 5000, 1);
    for (size_t i = 0; i < KGR_SHM_RING; i++)
        assert_int_equal(f->client.ring[0][i], 0);
}

static void lane_lies_about_requests_are_breaches(void **state)
{
    struct fixture *f = *state;
    static const uint32_t tails[] = {
        1, 63, 65, KGR_SHM_RING + 64, UINT32_MAX, UINT32_MAX - 63, UINT32_MAX / 2 + 1};
    static const uint32_t lengths[] = {
        0, 15, 121, KGR_IPC_PACKET_MAX + 1, UINT32_MAX, UINT32_MAX - 7, UINT32_MAX - 64};
    struct kgr_lane_frame frame;
    uint32_t *length = (uint32_t *)(void *)f->client.ring[0];

    *length = 16;
    for (size_t i = 0; i < KGR_ARRAY_LEN(tails); i++) {
        atomic_store(f->put.own_word, tails[i]);
        assert_int_equal(kgr_lane_look(&f->take, &frame), KGR_ERR_CORRUPT);
    }
    for (size_t i = 0; i < KGR_ARRAY_LEN(lengths); i++) {
        atomic_store(f->put.own_word, 128);
        *length = lengths[i];
        assert_int_equal(kgr_lane_look(&f->take, &frame), KGR_ERR_CORRUPT);
    }
    *length = 120; /* the longest that two lines hold */
    assert_int_equal(kgr_lane_look(&f->take, &frame), KGR_OK);
    assert_int_equal(frame.len, 120);
}

static void lane_lies_about_room_are_breaches(void **state)
{
    struct fixture *f = *state;
    static const uint32_t heads[] = {
        1, 64 * 3 - 1, UINT32_MAX - 63, KGR_SHM_RING, KGR_SHM_RING + 64 * 2, UINT32_MAX / 2 + 1};

    start_at(f, 64 * 2);
    while (kgr_lane_room(&f->put, 120) == KGR_OK)
        put(f, 120, 0);
    for (size_t i = 0; i < KGR_ARRAY_LEN(heads); i++) {
        atomic_store(f->take.own_word,
                     heads[i] == KGR_SHM_RING + 64 * 2 ? heads[i] + 64 : heads[i]);
        assert_int_equal(kgr_lane_room(&f->put, 1000),
                         heads[i] == KGR_SHM_RING ? KGR_OK : KGR_ERR_CORRUPT);
        if (heads[i] == KGR_SHM_RING)
            f->put.its = 64 * 2; /* it was no lie */
    }
    /* What was given back is not taken again. */
    f->put.its = 64 * 4;
    atomic_store(f->take.own_word, 64 * 2);
    assert_int_equal(kgr_lane_room(&f->put, 1000), KGR_ERR_CORRUPT);
}

static void lane_wake_is_due_once_and_only_for_its_bits(void **state)
{
    struct fixture *f = *state;
    _Atomic uint32_t *waits = &kgr_lane_words(&f->agent)->agent_waits.v;

    assert_false(kgr_lane_wakes(waits, KGR_LANE_WAITS_FRAME));
    atomic_store(waits, KGR_LANE_WAITS_FRAME);
    assert_false(kgr_lane_wakes(waits, KGR_LANE_WAITS_ROOM));
    assert_true(kgr_lane_wakes(waits, KGR_LANE_WAITS_FRAME));
    assert_false(kgr_lane_wakes(waits, KGR_LANE_WAITS_FRAME));
}

static void lane_replies_are_the_other_ring(void **state)
{
    struct fixture *f = *state;
    struct kgr_lane to, from;
    struct kgr_lane_frame frame;

    kgr_lane_init_replies(&to, &f->agent, false);
    kgr_lane_init_replies(&from, &f->client, true);
    kgr_lane_put(&to, KGR_LANE_BY_LOOP, kgr_slice("0123456789abcdef", 16), kgr_slice("xyz", 3));
    assert_int_equal(kgr_lane_look(&f->take, &frame), KGR_ERR_BUSY);
    assert_int_equal(kgr_lane_look(&from, &frame), KGR_OK);
    assert_int_equal(frame.flags, KGR_LANE_BY_LOOP);
    assert_memory_equal(frame.bytes, "0123456789abcdefxyz", 19);
}

static void ring_op_codecs_take_what_they_write_and_nothing_else(void **state)
{
    const struct kgr_ipc_ring asked = {1, 3};
    const struct kgr_ipc_ring_reply told = {1, KGR_SHM_LEN};
    struct kgr_ipc_ring_reply told_back;
    struct kgr_ipc_ring asked_back;
    uint8_t buf[16];
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_ring_encode(&wr, &asked), KGR_OK);
    assert_int_equal(kgr_ipc_ring_decode(&asked_back, kgr_wr_slice(&wr)), KGR_OK);
    assert_int_equal(asked_back.highest, 3);
    assert_int_equal(kgr_ipc_ring_decode(&asked_back, kgr_slice(buf, 3)), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_ipc_ring_decode(&asked_back, kgr_slice(buf, 5)), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_ipc_ring_decode(&asked_back, kgr_slice("\0\2\0\1", 4)), KGR_ERR_CORRUPT);
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_ipc_ring_reply_encode(&wr, &told), KGR_OK);
    assert_int_equal(kgr_ipc_ring_reply_decode(&told_back, kgr_wr_slice(&wr)), KGR_OK);
    assert_int_equal(told_back.len, KGR_SHM_LEN);
    assert_int_equal(kgr_ipc_ring_reply_decode(&told_back, kgr_slice(buf, 7)), KGR_ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lane_carries_messages_of_every_length_round_and_round,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(lane_empty_and_full_are_busy, setup, teardown),
        cmocka_unit_test_setup_teardown(lane_message_that_was_taken_is_wiped, setup, teardown),
        cmocka_unit_test_setup_teardown(lane_lies_about_requests_are_breaches, setup, teardown),
        cmocka_unit_test_setup_teardown(lane_lies_about_room_are_breaches, setup, teardown),
        cmocka_unit_test_setup_teardown(lane_wake_is_due_once_and_only_for_its_bits, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(lane_replies_are_the_other_ring, setup, teardown),
        cmocka_unit_test(ring_op_codecs_take_what_they_write_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/exchange.h"

#include "agent/node/machines/exchange_state.h"
#include "tests/unit/node_exchange_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The way of an exchange, and its repetitions and restarts. */

static void init_one_node_twice_invalid(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_exchange_init(&f->ex, &f->a, &f->a), KGR_ERR_INVALID);
}

static void requester_whole_way_ready(void **state)
{
    struct fixture *f = *state;

    request(f, false);
    assert_sent(f, KGR_FRAME_KEY_REQ);
    assert_true(place(f, KGR_EXCHANGE_DO_PERSIST) < place(f, KGR_EXCHANGE_DO_SEND));
    run(f, KGR_EXCHANGE_KEY_ANS, true, 1);
    assert_non_null(find(f, KGR_EXCHANGE_DO_IMPORT));
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_REQUESTING);
    imported(f, 1);
    assert_true(place(f, KGR_EXCHANGE_DO_STORE) < place(f, KGR_EXCHANGE_DO_PERSIST));
    assert_int_equal(f->ex.s.current.generation, 0); /* it may receive, not yet send */
    run(f, KGR_EXCHANGE_CONF_REQ, true, 1);
    assert_non_null(find(f, KGR_EXCHANGE_DO_KC));
    confirmed(f, 1, f->kc_peer);
    assert_true(place(f, KGR_EXCHANGE_DO_PROMOTE) < place(f, KGR_EXCHANGE_DO_PERSIST));
    assert_true(place(f, KGR_EXCHANGE_DO_PERSIST) < place(f, KGR_EXCHANGE_DO_SEND));
    assert_sent(f, KGR_FRAME_CONF_ANS);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_IDLE);
    assert_int_equal(f->ex.s.current.generation, 1);
    assert_memory_equal(f->ex.s.current.topic_own, f->topic, KGR_TOPIC_LEN);
    assert_memory_equal(f->ex.s.current.topic_peer, f->peer_topic, KGR_TOPIC_LEN);
    assert_true(f->ex.deadline_ms == UINT64_MAX);
}

static void destined_whole_way_ready(void **state)
{
    struct fixture *f = *state;

    run(f, KGR_EXCHANGE_ADV_REQ, false, 1);
    assert_non_null(find(f, KGR_EXCHANGE_DO_IMPORT));
    imported(f, 1);
    assert_non_null(find(f, KGR_EXCHANGE_DO_KC));
    assert_null(find(f, KGR_EXCHANGE_DO_SEND)); /* nothing before it is stored */
    confirmed(f, 1, f->kc_peer);
    assert_true(place(f, KGR_EXCHANGE_DO_STORE) < place(f, KGR_EXCHANGE_DO_PERSIST));
    assert_true(place(f, KGR_EXCHANGE_DO_PERSIST) < place(f, KGR_EXCHANGE_DO_SEND));
    assert_sent(f, KGR_FRAME_ADV_ANS);
    assert_int_equal(f->ex.s.current.generation, 0);
    run(f, KGR_EXCHANGE_DONE, false, 1);
    confirmed(f, 1, f->kc_peer);
    assert_non_null(find(f, KGR_EXCHANGE_DO_PROMOTE));
    assert_null(find(f, KGR_EXCHANGE_DO_SEND));
    assert_int_equal(f->ex.s.current.generation, 1);
    run(f, KGR_EXCHANGE_DONE, false, 1);
    assert_ignored(f);
}

static void repeated_frames_are_answered_by_what_is_stored(void **state)
{
    struct fixture *f = *state;

    reach_waiting(f, 1);
    run(f, KGR_EXCHANGE_KEY_ANS, true, 1);
    assert_ignored(f);
    run(f, KGR_EXCHANGE_CONF_REQ, true, 1);
    run(f, KGR_EXCHANGE_CONF_REQ, true, 1); /* while the first is worked on */
    assert_ignored(f);
    confirmed(f, 1, f->kc_peer);
    run(f, KGR_EXCHANGE_CONF_REQ, true, 1);
    assert_int_equal(f->out.num, 1);
    assert_sent(f, KGR_FRAME_CONF_ANS);
    assert_memory_equal(f->out.list[0].offer->kc_own, f->kc_own, 32);
}

static void adv_req_again_same_answer(void **state)
{
    struct fixture *f = *state;

    reach_candidate(f, 1);
    run(f, KGR_EXCHANGE_ADV_REQ, false, 1);
    assert_int_equal(f->out.num, 1);
    assert_sent(f, KGR_FRAME_ADV_ANS);
    assert_memory_equal(f->out.list[0].offer->topic_own, f->topic, KGR_TOPIC_LEN);
}

static void restart_at_every_persist_goes_on(void **state)
{
    struct fixture *f = *state;

    request(f, false);
    restart(f);
    f->now = f->ex.deadline_ms;
    run(f, KGR_EXCHANGE_TIMER, true, 0);
    assert_sent(f, KGR_FRAME_KEY_REQ);
    assert_memory_equal(f->out.list[0].xid, f->xid, KGR_XID_LEN);
    run(f, KGR_EXCHANGE_KEY_ANS, true, 1);
    restart(f); /* the import is lost with the process */
    imported(f, 1);
    assert_non_null(find(f, KGR_EXCHANGE_DO_DISCARD));
    run(f, KGR_EXCHANGE_KEY_ANS, true, 1);
    imported(f, 1);
    restart(f);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_WAITING);
    run(f, KGR_EXCHANGE_TIMER, true, 0);
    assert_sent(f, KGR_FRAME_KEY_REQ);
    run(f, KGR_EXCHANGE_CONF_REQ, true, 1);
    confirmed(f, 1, f->kc_peer);
    restart(f);
    run(f, KGR_EXCHANGE_CONF_REQ, true, 1);
    assert_sent(f, KGR_FRAME_CONF_ANS);

    reach_candidate(f, 2);
    restart(f);
    run(f, KGR_EXCHANGE_TIMER, false, 0);
    assert_sent(f, KGR_FRAME_ADV_ANS);
    run(f, KGR_EXCHANGE_DONE, false, 2);
    confirmed(f, 2, f->kc_peer);
    assert_int_equal(f->ex.s.current.generation, 2);
}

static void wrong_confirmation_destroys_and_alarms(void **state)
{
    struct fixture *f = *state;

    for (int requester = 0; requester < 2; requester++) {
        uint64_t generation = (uint64_t)requester + 1;

        if (requester == 1) {
            reach_waiting(f, generation);
            run(f, KGR_EXCHANGE_CONF_REQ, true, generation);
        } else {
            reach_candidate(f, generation);
            run(f, KGR_EXCHANGE_DONE, false, generation);
        }
        confirmed(f, generation, f->kc_own);
        assert_non_null(find(f, KGR_EXCHANGE_DO_ALARM));
        assert_non_null(find(f, KGR_EXCHANGE_DO_DROP));
        assert_null(find(f, KGR_EXCHANGE_DO_SEND));
        assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_FAILED);
        assert_int_equal(f->ex.s.error, KGR_ERR_CORRUPT);
        assert_int_equal(f->ex.s.current.generation, 0);
    }
}

static void confirmation_of_another_length_is_ignored(void **state)
{
    struct fixture *f = *state;
    struct kgr_exchange_event event;

    reach_waiting(f, 1);
    event = frame(f, KGR_EXCHANGE_CONF_REQ, true, 1);
    event.kc.len = 31;
    step(f, &event);
    assert_ignored(f);
}

static void retries_slow_down_and_resume_restarts_them(void **state)
{
    struct fixture *f = *state;
    uint64_t first;

    request(f, false);
    first = f->ex.deadline_ms - f->now;
    assert_in_range(first, 750, 1250);
    for (int i = 0; i < 10; i++) {
        f->now = f->ex.deadline_ms;
        run(f, KGR_EXCHANGE_TIMER, true, 0);
        assert_sent(f, KGR_FRAME_KEY_REQ);
    }
    assert_in_range(f->ex.deadline_ms - f->now, 45000, 75000);
    run(f, KGR_EXCHANGE_RESUME, true, 0);
    assert_sent(f, KGR_FRAME_KEY_REQ);
    assert_in_range(f->ex.deadline_ms - f->now, 750, 1250);
}

static void state_bytes_cut_or_longer_are_corrupt(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[KGR_STATE_BYTES_MAX + 1] = {0};
    struct kgr_exchange_state out = {.highest = 9};
    struct kgr_wr wr;

    reach_candidate(f, 1);
    kgr_wr_init(&wr, bytes, KGR_STATE_BYTES_MAX);
    kgr_exchange_state_encode(&wr, &f->ex.s);
    for (size_t len = 0; len < wr.len; len++)
        assert_int_equal(kgr_exchange_state_decode(&out, kgr_slice(bytes, len)), KGR_ERR_CORRUPT);
    assert_int_equal(kgr_exchange_state_decode(&out, kgr_slice(bytes, wr.len + 1)),
                     KGR_ERR_CORRUPT);
    assert_int_equal(out.highest, 9);
    assert_int_equal(kgr_exchange_state_decode(&out, kgr_slice(bytes, wr.len)), KGR_OK);
    assert_int_equal(out.candidate.generation, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(init_one_node_twice_invalid, setup),
        cmocka_unit_test_setup(requester_whole_way_ready, setup),
        cmocka_unit_test_setup(destined_whole_way_ready, setup),
        cmocka_unit_test_setup(repeated_frames_are_answered_by_what_is_stored, setup),
        cmocka_unit_test_setup(adv_req_again_same_answer, setup),
        cmocka_unit_test_setup(restart_at_every_persist_goes_on, setup),
        cmocka_unit_test_setup(wrong_confirmation_destroys_and_alarms, setup),
        cmocka_unit_test_setup(confirmation_of_another_length_is_ignored, setup),
        cmocka_unit_test_setup(retries_slow_down_and_resume_restarts_them, setup),
        cmocka_unit_test_setup(state_bytes_cut_or_longer_are_corrupt, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

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

/* What ends, delays or denies an exchange. */

static void nack_ends_request_with_its_error(void **state)
{
    static const struct {
        uint8_t reason;
        enum kgr_error error;
    } cases[] = {
        {KGR_NACK_NOT_AUTHORIZED, KGR_ERR_NOT_AUTHORIZED},
        {KGR_NACK_EXPIRED, KGR_ERR_EXPIRED},
        {KGR_NACK_SUITE, KGR_ERR_UNSUPPORTED},
        {KGR_NACK_CUSTODY, KGR_ERR_UNSUPPORTED},
        {KGR_NACK_GENERATION, KGR_ERR_STATE},
        {KGR_NACK_REVOKED, KGR_ERR_REVOKED},
        {KGR_NACK_ABORTED, KGR_ERR_STATE},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < KGR_ARRAY_LEN(cases); i++) {
        request(f, true);
        nack(f, KGR_FRAME_KEY_REQ, cases[i].reason, f->sequence);
        assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_FAILED);
        assert_int_equal(f->ex.s.error, cases[i].error);
        assert_non_null(find(f, KGR_EXCHANGE_DO_NOTIFY));
        assert_true(f->ex.deadline_ms == UINT64_MAX);
    }
}

static void nack_of_a_frame_not_sent_is_ignored(void **state)
{
    struct fixture *f = *state;

    request(f, false);
    nack(f, KGR_FRAME_KEY_REQ, KGR_NACK_NOT_AUTHORIZED, f->sequence + 1);
    assert_ignored(f);
    nack(f, KGR_FRAME_ADV_ANS, KGR_NACK_NOT_AUTHORIZED, f->sequence);
    assert_ignored(f);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_REQUESTING);
}

static void nack_busy_or_quota_waits_the_stated_time(void **state)
{
    static const uint8_t reasons[] = {KGR_NACK_BUSY, KGR_NACK_QUOTA};
    struct fixture *f = *state;
    uint8_t xid[KGR_XID_LEN];

    request(f, false);
    memcpy(xid, f->ex.s.request_xid, sizeof(xid));
    for (size_t i = 0; i < KGR_ARRAY_LEN(reasons); i++) {
        nack(f, KGR_FRAME_KEY_REQ, reasons[i], f->sequence);
        assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_REQUESTING);
        assert_in_range(f->ex.deadline_ms, f->now + 22500, f->now + 37500);
        f->now = f->ex.deadline_ms;
        run(f, KGR_EXCHANGE_TIMER, true, 0);
        assert_sent(f, KGR_FRAME_KEY_REQ);
        assert_memory_equal(f->out.list[0].xid, xid, sizeof(xid));
    }
}

static void superseded_takes_the_other_exchange(void **state)
{
    struct fixture *f = *state;

    request(f, false);
    nack(f, KGR_FRAME_KEY_REQ, KGR_NACK_SUPERSEDED, f->sequence);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_SUPERSEDED);
    reach_candidate(f, 1);
}

static void superseded_alone_asks_anew(void **state)
{
    struct fixture *f = *state;

    request(f, false);
    nack(f, KGR_FRAME_KEY_REQ, KGR_NACK_SUPERSEDED, f->sequence);
    memset(f->xid, 0x99, sizeof(f->xid));
    f->now = f->ex.deadline_ms;
    run(f, KGR_EXCHANGE_TIMER, true, 0);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_REQUESTING);
    assert_sent(f, KGR_FRAME_KEY_REQ);
    assert_memory_equal(f->ex.s.request_xid, f->xid, sizeof(f->xid));
}

/* The usual end of two requests at once: the peer's keys are being imported when the nack comes. */
static void superseded_keeps_the_import_of_the_other_exchange(void **state)
{
    struct fixture *f = *state;

    request(f, false);
    run(f, KGR_EXCHANGE_ADV_REQ, false, 1);
    assert_non_null(find(f, KGR_EXCHANGE_DO_IMPORT));
    nack(f, KGR_FRAME_KEY_REQ, KGR_NACK_SUPERSEDED, f->sequence);
    run(f, KGR_EXCHANGE_ADV_REQ, false, 1);
    assert_ignored(f);
    imported(f, 1);
    assert_non_null(find(f, KGR_EXCHANGE_DO_KC));
}

static void job_given_up_is_awaited_before_the_next(void **state)
{
    struct fixture *f = *state;

    request(f, false);
    run(f, KGR_EXCHANGE_KEY_ANS, true, 1);
    nack(f, KGR_FRAME_KEY_REQ, KGR_NACK_SUPERSEDED, f->sequence);
    run(f, KGR_EXCHANGE_ADV_REQ, false, 2);
    assert_ignored(f);
    imported(f, 1);
    assert_non_null(find(f, KGR_EXCHANGE_DO_DISCARD));
    assert_null(find(f, KGR_EXCHANGE_DO_STORE));
    run(f, KGR_EXCHANGE_ADV_REQ, false, 2);
    assert_non_null(find(f, KGR_EXCHANGE_DO_IMPORT));
}

static void adv_req_cancels_own_request(void **state)
{
    struct fixture *f = *state;

    request(f, false);
    reach_candidate(f, 1);
    run(f, KGR_EXCHANGE_KEY_ANS, true, 1);
    assert_ignored(f);
}

static void adv_req_of_an_old_generation_is_refused(void **state)
{
    struct fixture *f = *state;

    reach_candidate(f, 5);
    run(f, KGR_EXCHANGE_DONE, false, 5);
    confirmed(f, 5, f->kc_peer);
    memset(f->pxid, 0x23, sizeof(f->pxid));
    run(f, KGR_EXCHANGE_ADV_REQ, false, 5);
    assert_sent(f, KGR_FRAME_NACK);
    assert_int_equal(f->out.list[0].reason, KGR_NACK_GENERATION);
    assert_int_equal(f->out.list[0].generation, 5);
    assert_int_equal(f->out.list[0].refused_sequence, 77);
    assert_int_equal(f->ex.job, KGR_EXCHANGE_JOB_NONE);
}

static void adv_req_of_unknown_custody_is_refused(void **state)
{
    struct fixture *f = *state;
    struct kgr_exchange_event event = frame(f, KGR_EXCHANGE_ADV_REQ, false, 1);

    event.refuse = KGR_NACK_CUSTODY;
    step(f, &event);
    assert_sent(f, KGR_FRAME_NACK);
    assert_int_equal(f->out.list[0].reason, KGR_NACK_CUSTODY);
}

static void key_ans_of_unknown_custody_fails_and_is_refused(void **state)
{
    struct fixture *f = *state;
    struct kgr_exchange_event event;

    request(f, false);
    event = frame(f, KGR_EXCHANGE_KEY_ANS, true, 1);
    event.refuse = KGR_NACK_SUITE;
    step(f, &event);
    assert_sent(f, KGR_FRAME_NACK);
    assert_true(place(f, KGR_EXCHANGE_DO_PERSIST) < place(f, KGR_EXCHANGE_DO_SEND));
    assert_int_equal(find(f, KGR_EXCHANGE_DO_SEND)->refused_type, KGR_FRAME_KEY_ANS);
    assert_int_equal(f->ex.s.error, KGR_ERR_UNSUPPORTED);
}

static void conf_req_of_a_request_given_up_is_refused(void **state)
{
    struct fixture *f = *state;
    struct kgr_exchange_event event;

    request(f, false);
    event = frame(f, KGR_EXCHANGE_CONF_REQ, true, 1);
    step(f, &event);
    assert_ignored(f); /* key_ans may be on its way */
    nack(f, KGR_FRAME_KEY_REQ, KGR_NACK_CUSTODY, f->sequence);
    step(f, &event);
    assert_int_equal(f->out.num, 1);
    assert_sent(f, KGR_FRAME_NACK);
    assert_int_equal(f->out.list[0].refused_type, KGR_FRAME_CONF_REQ);
    assert_int_equal(f->out.list[0].reason, KGR_NACK_ABORTED);
    memset(f->xid, 0x78, sizeof(f->xid));
    request(f, false);
    step(f, &event);
    assert_sent(f, KGR_FRAME_NACK);
}

static void candidate_is_never_dropped_for_another(void **state)
{
    struct fixture *f = *state;
    struct kgr_exchange_event event;

    reach_waiting(f, 1);
    event = frame(f, KGR_EXCHANGE_ADV_REQ, false, 2);
    step(f, &event);
    assert_ignored(f);
    assert_int_equal(f->ex.s.candidate.generation, 1);
    assert_true(f->ex.deadline_ms == f->now); /* the KS is asked about it at once */
}

/* ask_again: a nack of what was asked before there was a candidate is no word on it. */
static void ask_again(struct fixture *f)
{
    f->now = f->ex.deadline_ms;
    run(f, KGR_EXCHANGE_TIMER, true, 0);
    assert_sent(f, KGR_FRAME_KEY_REQ);
}

static void candidate_goes_by_nack_outcome_and_lifetime_only(void **state)
{
    struct fixture *f = *state;
    struct kgr_exchange_event outcome = {.type = KGR_EXCHANGE_OUTCOME};

    reach_waiting(f, 1);
    nack(f, KGR_FRAME_KEY_REQ, KGR_NACK_NOT_AUTHORIZED, f->sequence);
    assert_ignored(f);
    ask_again(f);
    nack(f, KGR_FRAME_KEY_REQ, KGR_NACK_SUITE, f->sequence);
    assert_ignored(f);
    nack(f, KGR_FRAME_KEY_REQ, KGR_NACK_ABORTED, f->sequence);
    assert_non_null(find(f, KGR_EXCHANGE_DO_DROP));

    reach_waiting(f, 2);
    memcpy(outcome.xid, f->xid, KGR_XID_LEN);
    outcome.outcome = KGR_SYNC_COMMITTED;
    step(f, &outcome);
    assert_int_equal(f->out.num, 0);
    outcome.outcome = KGR_SYNC_UNKNOWN;
    step(f, &outcome);
    assert_non_null(find(f, KGR_EXCHANGE_DO_DROP));
    assert_null(kgr_exchange_open_xid(&f->ex));

    reach_waiting(f, 3);
    f->now += 999 * 1000;
    run(f, KGR_EXCHANGE_TIMER, true, 0);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_WAITING);
    f->now += 61 * 1000;
    run(f, KGR_EXCHANGE_TIMER, true, 0);
    assert_non_null(find(f, KGR_EXCHANGE_DO_DROP));
    assert_int_equal(f->ex.s.error, KGR_ERR_EXPIRED);
}

static void generation_is_never_taken_twice(void **state)
{
    struct fixture *f = *state;

    reach_waiting(f, 4);
    ask_again(f);
    nack(f, KGR_FRAME_KEY_REQ, KGR_NACK_ABORTED, f->sequence);
    request(f, false);
    assert_int_equal(find(f, KGR_EXCHANGE_DO_SEND)->highest, 4);
    run(f, KGR_EXCHANGE_KEY_ANS, true, 4);
    assert_ignored(f);
    run(f, KGR_EXCHANGE_KEY_ANS, true, 5);
    assert_non_null(find(f, KGR_EXCHANGE_DO_IMPORT));
}

static void frames_for_another_pair_are_ignored(void **state)
{
    struct fixture *f = *state;

    request(f, false);
    run(f, KGR_EXCHANGE_KEY_ANS, false, 1); /* nid1 and nid2 the other way round */
    assert_ignored(f);
    run(f, KGR_EXCHANGE_ADV_REQ, true, 1);
    assert_ignored(f);
    memset(f->xid, 0x77, sizeof(f->xid));
    run(f, KGR_EXCHANGE_KEY_ANS, true, 1);
    assert_ignored(f);
}

static void request_needs_a_reason(void **state)
{
    struct fixture *f = *state;

    reach_waiting(f, 1);
    request(f, true);
    assert_int_equal(f->out.num, 0); /* one exchange at a time */
    run(f, KGR_EXCHANGE_CONF_REQ, true, 1);
    confirmed(f, 1, f->kc_peer);
    request(f, false);
    assert_int_equal(f->out.num, 0);
    request(f, true);
    assert_sent(f, KGR_FRAME_KEY_REQ);
}

static void failed_import_is_tried_again(void **state)
{
    struct fixture *f = *state;
    struct kgr_exchange_event failed = {
        .type = KGR_EXCHANGE_IMPORT_FAILED, .generation = 1, .error = KGR_ERR_TPM};

    request(f, false);
    run(f, KGR_EXCHANGE_KEY_ANS, true, 1);
    step(f, &failed);
    assert_non_null(find(f, KGR_EXCHANGE_DO_DISCARD));
    assert_int_equal(f->ex.s.error, KGR_ERR_TPM);
    run(f, KGR_EXCHANGE_KEY_ANS, true, 1);
    imported(f, 1);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_WAITING);
    assert_int_equal(f->ex.s.error, KGR_OK);
}

static void failed_confirmation_keeps_the_candidate(void **state)
{
    struct fixture *f = *state;
    struct kgr_exchange_event failed = {
        .type = KGR_EXCHANGE_KC_FAILED, .generation = 1, .error = KGR_ERR_TPM};

    reach_waiting(f, 1);
    run(f, KGR_EXCHANGE_CONF_REQ, true, 1);
    step(f, &failed);
    assert_null(find(f, KGR_EXCHANGE_DO_DISCARD));
    run(f, KGR_EXCHANGE_CONF_REQ, true, 1);
    confirmed(f, 1, f->kc_peer);
    assert_int_equal(f->ex.s.current.generation, 1);
}

static void revoke(struct fixture *f, uint64_t generation)
{
    struct kgr_exchange_event event = {.type = KGR_EXCHANGE_REVOKED, .generation = generation};

    step(f, &event);
    assert_true(place(f, KGR_EXCHANGE_DO_PERSIST) < place(f, KGR_EXCHANGE_DO_DESTROY));
    assert_true(find(f, KGR_EXCHANGE_DO_DESTROY)->generation == generation);
}

static void revocation_ends_every_state_and_keeps_the_highest(void **state)
{
    struct fixture *f = *state;

    reach_waiting(f, 3);
    revoke(f, UINT64_MAX);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_IDLE);
    assert_int_equal(f->ex.s.candidate.generation, 0);
    assert_true(f->ex.deadline_ms == UINT64_MAX);
    assert_int_equal(f->ex.s.highest, 3);
    assert_null(kgr_exchange_open_xid(&f->ex));
    /* An import under way is for nobody. */
    request(f, false);
    run(f, KGR_EXCHANGE_KEY_ANS, true, 4);
    revoke(f, UINT64_MAX);
    imported(f, 4);
    assert_non_null(find(f, KGR_EXCHANGE_DO_DISCARD));
    assert_null(find(f, KGR_EXCHANGE_DO_STORE));
}

static void revocation_of_old_generations_leaves_a_new_one(void **state)
{
    struct fixture *f = *state;

    reach_candidate(f, 5);
    revoke(f, 4);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_CANDIDATE);
    assert_int_equal(f->ex.s.candidate.generation, 5);
    run(f, KGR_EXCHANGE_DONE, false, 5);
    confirmed(f, 5, f->kc_peer);
    assert_int_equal(f->ex.s.current.generation, 5);
    revoke(f, 4);
    assert_int_equal(f->ex.s.current.generation, 5);
    revoke(f, 5);
    assert_int_equal(f->ex.s.current.generation, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nack_ends_request_with_its_error, setup),
        cmocka_unit_test_setup(nack_of_a_frame_not_sent_is_ignored, setup),
        cmocka_unit_test_setup(nack_busy_or_quota_waits_the_stated_time, setup),
        cmocka_unit_test_setup(superseded_takes_the_other_exchange, setup),
        cmocka_unit_test_setup(superseded_alone_asks_anew, setup),
        cmocka_unit_test_setup(superseded_keeps_the_import_of_the_other_exchange, setup),
        cmocka_unit_test_setup(job_given_up_is_awaited_before_the_next, setup),
        cmocka_unit_test_setup(adv_req_cancels_own_request, setup),
        cmocka_unit_test_setup(adv_req_of_an_old_generation_is_refused, setup),
        cmocka_unit_test_setup(adv_req_of_unknown_custody_is_refused, setup),
        cmocka_unit_test_setup(key_ans_of_unknown_custody_fails_and_is_refused, setup),
        cmocka_unit_test_setup(conf_req_of_a_request_given_up_is_refused, setup),
        cmocka_unit_test_setup(candidate_is_never_dropped_for_another, setup),
        cmocka_unit_test_setup(candidate_goes_by_nack_outcome_and_lifetime_only, setup),
        cmocka_unit_test_setup(generation_is_never_taken_twice, setup),
        cmocka_unit_test_setup(frames_for_another_pair_are_ignored, setup),
        cmocka_unit_test_setup(request_needs_a_reason, setup),
        cmocka_unit_test_setup(failed_import_is_tried_again, setup),
        cmocka_unit_test_setup(failed_confirmation_keeps_the_candidate, setup),
        cmocka_unit_test_setup(revocation_ends_every_state_and_keeps_the_highest, setup),
        cmocka_unit_test_setup(revocation_of_old_generations_leaves_a_new_one, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/exchange.h"
#include "agent/node/exchange_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* One node with its peer, driven by hand: gateway-a is role 1, gateway-b role 2. */
struct fixture {
    struct kgr_exchange ex;
    struct kgr_exchange_actions out;
    struct kgr_nid a;
    struct kgr_nid b;
    uint64_t now;
    uint64_t sequence;
    uint8_t xid[KGR_XID_LEN];
    uint8_t pxid[KGR_XID_LEN];
    uint8_t topic[KGR_TOPIC_LEN];
    uint8_t peer_topic[KGR_TOPIC_LEN];
    uint8_t iv[KGR_IV_LEN];
    uint8_t kc_own[32];
    uint8_t kc_peer[32];
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    assert_int_equal(kgr_nid_set(&f.a, "gateway-a", 9), KGR_OK);
    assert_int_equal(kgr_nid_set(&f.b, "gateway-b", 9), KGR_OK);
    assert_int_equal(kgr_exchange_init(&f.ex, &f.a, &f.b), KGR_OK);
    f.now = 1000;
    memset(f.xid, 0x11, sizeof(f.xid));
    memset(f.pxid, 0x22, sizeof(f.pxid));
    memset(f.topic, 0x33, sizeof(f.topic));
    memset(f.peer_topic, 0x44, sizeof(f.peer_topic));
    memset(f.kc_own, 0x55, sizeof(f.kc_own));
    memset(f.kc_peer, 0x66, sizeof(f.kc_peer));
    *state = &f;
    return 0;
}

static const struct kgr_exchange_action *find(const struct fixture *f,
                                              enum kgr_exchange_action_type type)
{
    for (size_t i = 0; i < f->out.num; i++)
        if (f->out.list[i].type == type)
            return &f->out.list[i];
    return NULL;
}

static size_t place(const struct fixture *f, enum kgr_exchange_action_type type)
{
    const struct kgr_exchange_action *action = find(f, type);

    assert_non_null(action);
    return (size_t)(action - f->out.list);
}

static void step(struct fixture *f, struct kgr_exchange_event *event)
{
    event->now_ms = f->now;
    event->fresh_xid = f->xid;
    event->fresh_topic = f->topic;
    kgr_exchange_step(&f->ex, event, &f->out);
    for (size_t i = 0; i < f->out.num; i++)
        if (f->out.list[i].type == KGR_EXCHANGE_DO_SEND)
            kgr_exchange_sent(&f->ex, ++f->sequence);
}

static void assert_sent(const struct fixture *f, uint8_t frame)
{
    const struct kgr_exchange_action *action = find(f, KGR_EXCHANGE_DO_SEND);

    assert_non_null(action);
    assert_int_equal(action->frame, frame);
}

static void assert_ignored(const struct fixture *f)
{
    assert_int_equal(f->out.num, 1);
    assert_int_equal(f->out.list[0].type, KGR_EXCHANGE_DO_IGNORED);
}

/* Frames of the KS. requester: this node, gateway-a, is N1. */
static struct kgr_exchange_event frame(const struct fixture *f, enum kgr_exchange_event_type type,
                                       bool requester, uint64_t generation)
{
    struct kgr_exchange_event event = {
        .type = type,
        .nid1 = requester ? &f->a : &f->b,
        .nid2 = requester ? &f->b : &f->a,
        .pxid = f->pxid,
        .generation = generation,
        .sequence = 77,
        .suite = KGR_SUITE_AES128_SHA256,
        .custody = 1,
        .lifetime_s = 1000,
        .iv = f->iv,
        .topic = f->peer_topic,
        .kc = kgr_slice(f->kc_peer, sizeof(f->kc_peer)),
    };

    memcpy(event.xid, f->xid, KGR_XID_LEN);
    return event;
}

static void run(struct fixture *f, enum kgr_exchange_event_type type, bool requester,
                uint64_t generation)
{
    struct kgr_exchange_event event = frame(f, type, requester, generation);

    step(f, &event);
}

static void request(struct fixture *f, bool renew)
{
    struct kgr_exchange_event event = {.type = KGR_EXCHANGE_REQUEST, .renew = renew};

    step(f, &event);
}

static void imported(struct fixture *f, uint64_t generation)
{
    struct kgr_exchange_event event = {.type = KGR_EXCHANGE_IMPORTED, .generation = generation};

    step(f, &event);
}

static void confirmed(struct fixture *f, uint64_t generation, const uint8_t *expected)
{
    struct kgr_exchange_event event = {.type = KGR_EXCHANGE_KC,
                                       .generation = generation,
                                       .kc_own = f->kc_own,
                                       .kc_expected = expected,
                                       .kc_len = 32};

    step(f, &event);
}

static void nack(struct fixture *f, uint8_t type, uint8_t reason, uint64_t sequence)
{
    struct kgr_exchange_event event = frame(f, KGR_EXCHANGE_NACK, true, 0);

    event.refused_type = type;
    event.refused_sequence = sequence;
    event.reason = reason;
    event.retry_after_s = 30;
    step(f, &event);
}

/* What a crash leaves: the persistent part, through its bytes on disk. */
static void restart(struct fixture *f)
{
    uint8_t bytes[KGR_STATE_BYTES_MAX];
    struct kgr_exchange_state state = {.self = f->a, .peer = f->b};
    struct kgr_wr wr;

    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_exchange_state_encode(&wr, &f->ex.s);
    assert_true(kgr_wr_ok(&wr));
    assert_int_equal(kgr_exchange_state_decode(&state, kgr_wr_slice(&wr)), KGR_OK);
    kgr_exchange_restart(&f->ex, &state, f->now);
}

static void reach_waiting(struct fixture *f, uint64_t generation)
{
    request(f, true);
    run(f, KGR_EXCHANGE_KEY_ANS, true, generation);
    imported(f, generation);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_WAITING);
}

static void reach_candidate(struct fixture *f, uint64_t generation)
{
    run(f, KGR_EXCHANGE_ADV_REQ, false, generation);
    imported(f, generation);
    confirmed(f, generation, f->kc_peer);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_CANDIDATE);
}

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
        {KGR_NACK_QUOTA, KGR_ERR_QUOTA},
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

static void nack_busy_waits_the_stated_time(void **state)
{
    struct fixture *f = *state;
    uint8_t xid[KGR_XID_LEN];

    request(f, false);
    memcpy(xid, f->ex.s.request_xid, sizeof(xid));
    nack(f, KGR_FRAME_KEY_REQ, KGR_NACK_BUSY, f->sequence);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_REQUESTING);
    assert_in_range(f->ex.deadline_ms, f->now + 22500, f->now + 37500);
    f->now = f->ex.deadline_ms;
    run(f, KGR_EXCHANGE_TIMER, true, 0);
    assert_sent(f, KGR_FRAME_KEY_REQ);
    assert_memory_equal(f->out.list[0].xid, xid, sizeof(xid));
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
    nack(f, KGR_FRAME_KEY_REQ, KGR_NACK_QUOTA, f->sequence);
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
        cmocka_unit_test_setup(nack_ends_request_with_its_error, setup),
        cmocka_unit_test_setup(nack_of_a_frame_not_sent_is_ignored, setup),
        cmocka_unit_test_setup(nack_busy_waits_the_stated_time, setup),
        cmocka_unit_test_setup(superseded_takes_the_other_exchange, setup),
        cmocka_unit_test_setup(superseded_alone_asks_anew, setup),
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
        cmocka_unit_test_setup(retries_slow_down_and_resume_restarts_them, setup),
        cmocka_unit_test_setup(state_bytes_cut_or_longer_are_corrupt, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

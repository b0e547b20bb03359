/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/node_exchange_fixture.h"

#include "agent/node/machines/exchange_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

int setup(void **state)
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

const struct kgr_exchange_action *find(const struct fixture *f, enum kgr_exchange_action_type type)
{
    for (size_t i = 0; i < f->out.num; i++)
        if (f->out.list[i].type == type)
            return &f->out.list[i];
    return NULL;
}

size_t place(const struct fixture *f, enum kgr_exchange_action_type type)
{
    const struct kgr_exchange_action *action = find(f, type);

    assert_non_null(action);
    return (size_t)(action - f->out.list);
}

void step(struct fixture *f, struct kgr_exchange_event *event)
{
    event->now_ms = f->now;
    event->fresh_xid = f->xid;
    event->fresh_topic = f->topic;
    kgr_exchange_step(&f->ex, event, &f->out);
    for (size_t i = 0; i < f->out.num; i++)
        if (f->out.list[i].type == KGR_EXCHANGE_DO_SEND)
            kgr_exchange_sent(&f->ex, ++f->sequence);
}

void assert_sent(const struct fixture *f, uint8_t frame)
{
    const struct kgr_exchange_action *action = find(f, KGR_EXCHANGE_DO_SEND);

    assert_non_null(action);
    assert_int_equal(action->frame, frame);
}

void assert_ignored(const struct fixture *f)
{
    assert_int_equal(f->out.num, 1);
    assert_int_equal(f->out.list[0].type, KGR_EXCHANGE_DO_IGNORED);
}

/* Frames of the KS. requester: this node, gateway-a, is N1. */
struct kgr_exchange_event frame(const struct fixture *f, enum kgr_exchange_event_type type,
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

void run(struct fixture *f, enum kgr_exchange_event_type type, bool requester, uint64_t generation)
{
    struct kgr_exchange_event event = frame(f, type, requester, generation);

    step(f, &event);
}

void request(struct fixture *f, bool renew)
{
    struct kgr_exchange_event event = {.type = KGR_EXCHANGE_REQUEST, .renew = renew};

    step(f, &event);
}

void imported(struct fixture *f, uint64_t generation)
{
    struct kgr_exchange_event event = {.type = KGR_EXCHANGE_IMPORTED, .generation = generation};

    step(f, &event);
}

void confirmed(struct fixture *f, uint64_t generation, const uint8_t *expected)
{
    struct kgr_exchange_event event = {.type = KGR_EXCHANGE_KC,
                                       .generation = generation,
                                       .kc_own = f->kc_own,
                                       .kc_expected = expected,
                                       .kc_len = 32};

    step(f, &event);
}

void nack(struct fixture *f, uint8_t type, uint8_t reason, uint64_t sequence)
{
    struct kgr_exchange_event event = frame(f, KGR_EXCHANGE_NACK, true, 0);

    event.refused_type = type;
    event.refused_sequence = sequence;
    event.reason = reason;
    event.retry_after_s = 30;
    step(f, &event);
}

/* What a crash leaves: the persistent part, through its bytes on disk. */
void restart(struct fixture *f)
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

void reach_waiting(struct fixture *f, uint64_t generation)
{
    request(f, true);
    run(f, KGR_EXCHANGE_KEY_ANS, true, generation);
    imported(f, generation);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_WAITING);
}

void reach_candidate(struct fixture *f, uint64_t generation)
{
    run(f, KGR_EXCHANGE_ADV_REQ, false, generation);
    imported(f, generation);
    confirmed(f, generation, f->kc_peer);
    assert_int_equal(f->ex.s.phase, KGR_EXCHANGE_CANDIDATE);
}

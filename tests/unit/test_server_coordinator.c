/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/coordinator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KEY_REQ = 7, KEY_ANS = 8, ADV_REQ = 9, CONF_REQ = 11, DONE = 13, NACK = 14 };
#define KEEP_S     100u
#define LIFETIME_S 1000u

/* A coordinator with its disk, and what the last step did. */
struct bed {
    struct kgr_coordinator co;
    struct kgr_coordinator_state disk;
    struct kgr_coordinator_actions did;
    uint64_t now_s, sequence[2];
    bool held[64][2]; /* duplicates on the disk, by generation and side */
    bool born[64];    /* generations that named a key */
    uint64_t bearing; /* generation of the birth under way; 0 none */
};

static uint8_t ids[16][32];

static void open_bed(struct bed *b)
{
    struct kgr_nid n1, n2;

    memset(b, 0, sizeof *b);
    assert_int_equal(kgr_nid_set(&n1, "a", 1), KGR_OK);
    assert_int_equal(kgr_nid_set(&n2, "b", 1), KGR_OK);
    assert_int_equal(kgr_coordinator_init(&b->co, &n2, &n1, KEEP_S), KGR_OK);
    b->disk = b->co.s;
    b->now_s = 1000;
}

/* Runs the actions as an owner does, and checks what must hold of every step. */
static void step(struct bed *b, struct kgr_coordinator_event event)
{
    bool persisted = false;

    event.now_s = b->now_s;
    event.now_ms = b->now_s * 1000;
    kgr_coordinator_step(&b->co, &event, &b->did);
    for (size_t i = 0; i < b->did.num; i++) {
        const struct kgr_coordinator_action *a = &b->did.list[i];

        switch (a->type) {
        case KGR_COORDINATOR_DO_PERSIST:
            assert_int_equal(i, 0);
            persisted = true;
            b->disk = b->co.s;
            break;
        case KGR_COORDINATOR_DO_BIRTH:
            assert_true(persisted); /* the generation is allotted on disk before */
            assert_true(a->row->generation < 64);
            b->bearing = a->row->generation;
            break;
        case KGR_COORDINATOR_DO_KEEP:
            assert_true(persisted);
            assert_false(b->born[a->row->generation]); /* one generation never names two keys */
            b->born[a->row->generation] = true;
            b->held[a->row->generation][0] = b->held[a->row->generation][1] = true;
            break;
        case KGR_COORDINATOR_DO_ERASE:
            assert_true(persisted);
            if (a->generation < 64)
                b->held[a->generation][a->side] = false;
            break;
        default:
            break;
        }
    }
    assert_memory_equal(&b->disk, &b->co.s, sizeof b->disk);
}

static void crash(struct bed *b)
{
    kgr_coordinator_restart(&b->co, &b->disk, KEEP_S, b->now_s * 1000);
    b->bearing = 0;
}

static bool sent(const struct bed *b, uint8_t frame, uint8_t side)
{
    for (size_t i = 0; i < b->did.num; i++)
        if (b->did.list[i].type == KGR_COORDINATOR_DO_SEND && b->did.list[i].frame == frame &&
            b->did.list[i].side == side)
            return true;
    return false;
}

static uint8_t nacked(const struct bed *b)
{
    for (size_t i = 0; i < b->did.num; i++)
        if (b->did.list[i].type == KGR_COORDINATOR_DO_SEND && b->did.list[i].frame == NACK)
            return b->did.list[i].reason;
    return 0;
}

static struct kgr_coordinator_event key_req(struct bed *b, uint8_t side, size_t id)
{
    return (struct kgr_coordinator_event){
        .type = KGR_COORDINATOR_KEY_REQ,
        .side = side,
        .xid = ids[id],
        .sequence = ++b->sequence[side],
        .pxid = ids[id + 1],
        .fresh_xid = ids[id + 2],
        .topic = ids[id],
        .grant = {.suite = 1, .custody = 1, .lifetime_s = LIFETIME_S},
    };
}

static struct kgr_coordinator_event born(const struct bed *b)
{
    return (struct kgr_coordinator_event){
        .type = KGR_COORDINATOR_BORN, .generation = b->bearing, .iv = ids[0]};
}

static struct kgr_coordinator_event answer(struct bed *b, enum kgr_coordinator_event_type type,
                                           uint8_t side, size_t xid, size_t pxid, uint64_t g)
{
    return (struct kgr_coordinator_event){
        .type = type,
        .side = side,
        .xid = ids[xid],
        .sequence = ++b->sequence[side],
        .pxid = ids[pxid],
        .generation = g,
        .topic = ids[9],
        .kc = {ids[3], 32},
    };
}

static void advertise(struct bed *b)
{
    open_bed(b);
    step(b, key_req(b, 0, 0));
    assert_int_equal(b->bearing, 1);
    step(b, born(b));
    assert_true(sent(b, KEY_ANS, 0) && sent(b, ADV_REQ, 1));
}

static void commit(struct bed *b)
{
    advertise(b);
    step(b, answer(b, KGR_COORDINATOR_ADV_ANS, 1, 2, 1, 1));
    assert_true(sent(b, CONF_REQ, 0));
}

static struct kgr_coordinator_event heard(uint8_t side)
{
    return (struct kgr_coordinator_event){.type = KGR_COORDINATOR_HEARD, .side = side};
}

static void coordinator_end_that_is_back_gets_what_it_waits_for(void **state)
{
    struct bed b;

    (void)state;
    open_bed(&b);
    step(&b, heard(0));
    assert_int_equal(b.did.num, 0);
    advertise(&b);
    step(&b, heard(0)); /* the requester asks by itself */
    assert_int_equal(b.did.num, 0);
    step(&b, heard(1));
    assert_true(sent(&b, ADV_REQ, 1));
    assert_int_equal(b.did.num, 1);
    step(&b, answer(&b, KGR_COORDINATOR_ADV_ANS, 1, 2, 1, 1));
    step(&b, heard(1));
    assert_int_equal(b.did.num, 0);
    step(&b, heard(0));
    assert_true(sent(&b, CONF_REQ, 0));
}

static void coordinator_straight_way_leaves_nothing(void **state)
{
    struct bed b;

    (void)state;
    commit(&b);
    assert_false(b.held[1][1]); /* the destined node has them */
    assert_true(b.held[1][0]);
    step(&b, answer(&b, KGR_COORDINATOR_CONF_ANS, 0, 0, 1, 1));
    assert_true(sent(&b, DONE, 1));
    assert_false(b.held[1][0] || b.held[1][1]);
    assert_int_equal(b.co.s.generation, 1);
}

static void coordinator_retries_get_the_stored_decision(void **state)
{
    struct bed b;

    (void)state;
    advertise(&b);
    step(&b, key_req(&b, 0, 0));
    assert_true(sent(&b, KEY_ANS, 0));
    assert_int_equal(b.co.s.highest, 1);
    step(&b, answer(&b, KGR_COORDINATOR_ADV_ANS, 1, 2, 1, 1));
    step(&b, answer(&b, KGR_COORDINATOR_ADV_ANS, 1, 2, 1, 1));
    assert_true(sent(&b, CONF_REQ, 0) && !sent(&b, DONE, 1));
    step(&b, key_req(&b, 0, 0));
    assert_true(sent(&b, KEY_ANS, 0) && sent(&b, CONF_REQ, 0));
    step(&b, answer(&b, KGR_COORDINATOR_CONF_ANS, 0, 0, 1, 1));
    step(&b, answer(&b, KGR_COORDINATOR_ADV_ANS, 1, 2, 1, 1));
    assert_true(sent(&b, DONE, 1));
}

static void coordinator_restart_in_birth_takes_the_next_generation(void **state)
{
    struct kgr_coordinator_event timer = {.type = KGR_COORDINATOR_TIMER};
    struct bed b;

    (void)state;
    open_bed(&b);
    step(&b, key_req(&b, 0, 0));
    crash(&b);
    step(&b, timer);
    assert_int_equal(b.bearing, 2);
    step(&b, born(&b));
    assert_true(b.born[2] && !b.born[1]);
}

/* A node with another NKSK numbers its frames from 1 again. */
static void coordinator_first_request_under_a_new_key_counts(void **state)
{
    struct bed b;

    (void)state;
    commit(&b);
    step(&b, answer(&b, KGR_COORDINATOR_CONF_ANS, 0, 0, 1, 1));
    b.sequence[0] = 0;
    step(&b, key_req(&b, 0, 5));
    assert_null(kgr_coordinator_open(&b.co.s)); /* late, as it seems */
    b.sequence[0] = 0;
    kgr_coordinator_rekeyed(&b.co, 0);
    b.disk = b.co.s;
    step(&b, key_req(&b, 0, 5));
    assert_int_equal(b.bearing, 2);
}

static void coordinator_late_birth_is_dropped(void **state)
{
    struct kgr_coordinator_event denied = {.type = KGR_COORDINATOR_DENIED, .reason = 1};
    struct bed b;

    (void)state;
    open_bed(&b);
    step(&b, key_req(&b, 0, 0));
    step(&b, denied);
    step(&b, born(&b));
    assert_false(b.born[1]);
}

/* A birth that was given up ends while the next one is under way: its keys are not those of the new generation. */
static void coordinator_birth_of_another_generation_is_dropped(void **state)
{
    struct kgr_coordinator_event denied = {.type = KGR_COORDINATOR_DENIED, .reason = 1}, first;
    struct bed b;

    (void)state;
    open_bed(&b);
    step(&b, key_req(&b, 0, 0));
    first = born(&b);
    step(&b, denied);
    step(&b, key_req(&b, 0, 5));
    assert_int_equal(b.bearing, 2);
    step(&b, first);
    assert_false(b.born[1] || b.born[2]);
    assert_int_equal(kgr_coordinator_open(&b.co.s)->phase, KGR_COORDINATOR_BIRTH);
    step(&b, born(&b));
    assert_true(b.born[2]);
}

static void coordinator_first_request_wins(void **state)
{
    struct bed b;

    (void)state;
    advertise(&b);
    step(&b, key_req(&b, 1, 5));
    assert_int_equal(nacked(&b), KGR_REASON_SUPERSEDED);
    assert_true(sent(&b, ADV_REQ, 1));
    assert_int_equal(b.co.s.highest, 1);
}

static void coordinator_delayed_request_is_stale(void **state)
{
    struct kgr_coordinator_event late;
    struct bed b;

    (void)state;
    open_bed(&b);
    late = key_req(&b, 1, 5);
    step(&b, key_req(&b, 0, 0));
    step(&b, born(&b));
    step(&b, answer(&b, KGR_COORDINATOR_ADV_ANS, 1, 2, 1, 1));
    step(&b, answer(&b, KGR_COORDINATOR_CONF_ANS, 0, 0, 1, 1));
    step(&b, late);
    assert_null(kgr_coordinator_open(&b.co.s));
}

static void coordinator_refusal_allots_nothing(void **state)
{
    struct kgr_coordinator_event event;
    struct bed b;

    (void)state;
    open_bed(&b);
    event = key_req(&b, 0, 0);
    event.grant = (struct kgr_grant){.reason = KGR_REASON_NOT_AUTHORIZED};
    step(&b, event);
    assert_int_equal(nacked(&b), KGR_REASON_NOT_AUTHORIZED);
    assert_int_equal(b.co.s.highest, 0);
    event = key_req(&b, 0, 0);
    event.topic_known = true;
    step(&b, event);
    assert_int_equal(nacked(&b), KGR_REASON_ABORTED);
    event = key_req(&b, 0, 0);
    event.highest = UINT64_MAX;
    step(&b, event);
    assert_int_equal(nacked(&b), KGR_REASON_BAD_GENERATION);
    assert_int_equal(b.co.s.highest, 0);
}

static void coordinator_generation_is_above_what_anyone_knows(void **state)
{
    struct kgr_coordinator_event event;
    struct bed b;

    (void)state;
    open_bed(&b);
    event = key_req(&b, 0, 0);
    event.highest = 20;
    step(&b, event);
    assert_int_equal(b.bearing, 21);
}

static void coordinator_advert_keep_aborts_and_erases(void **state)
{
    struct kgr_coordinator_event timer = {.type = KGR_COORDINATOR_TIMER};
    struct bed b;

    (void)state;
    advertise(&b);
    b.now_s += KEEP_S;
    step(&b, timer);
    assert_false(b.held[1][0] || b.held[1][1]);
    assert_int_equal(nacked(&b), KGR_REASON_ABORTED);
    step(&b, answer(&b, KGR_COORDINATOR_ADV_ANS, 1, 2, 1, 1));
    assert_int_equal(nacked(&b), KGR_REASON_ABORTED);
    step(&b, key_req(&b, 0, 0));
    assert_int_equal(nacked(&b), KGR_REASON_ABORTED);
}

static void coordinator_commit_outlives_advert_keep_and_denial(void **state)
{
    struct kgr_coordinator_event timer = {.type = KGR_COORDINATOR_TIMER};
    struct kgr_coordinator_event denied = {.type = KGR_COORDINATOR_DENIED, .reason = 1};
    struct bed b;

    (void)state;
    commit(&b);
    step(&b, denied);
    b.now_s += KEEP_S;
    step(&b, timer);
    assert_true(sent(&b, CONF_REQ, 0));
    assert_int_equal(kgr_coordinator_open(&b.co.s)->phase, KGR_COORDINATOR_COMMITTED);
    b.now_s += LIFETIME_S;
    step(&b, timer);
    assert_null(kgr_coordinator_open(&b.co.s));
    assert_false(b.held[1][0] || b.held[1][1]);
}

static void coordinator_nack_counts_only_for_a_frame_it_sent(void **state)
{
    struct kgr_coordinator_event nack;
    struct bed b;

    (void)state;
    advertise(&b);
    kgr_coordinator_sent(&b.co, 77);
    nack = answer(&b, KGR_COORDINATOR_NACK, 1, 2, 1, 30);
    nack.refused_type = ADV_REQ;
    nack.reason = KGR_REASON_BAD_GENERATION;
    nack.refused_sequence = 76;
    step(&b, nack);
    assert_non_null(kgr_coordinator_open(&b.co.s));
    nack.sequence = ++b.sequence[1];
    nack.refused_sequence = 77;
    step(&b, nack);
    assert_null(kgr_coordinator_open(&b.co.s));
    assert_int_equal(b.co.s.highest, 30);
    assert_false(b.held[1][0] || b.held[1][1]);
}

/* The requester asked anew without ever having seen g: it will not send under g, and the way is free. */
static void coordinator_commit_is_void_by_the_requesters_word_only(void **state)
{
    struct kgr_coordinator_event event;
    struct bed b;

    (void)state;
    commit(&b);
    event = key_req(&b, 0, 5);
    event.highest = 1; /* it knows g, so it may send under it */
    step(&b, event);
    assert_int_equal(nacked(&b), KGR_REASON_SUPERSEDED);
    assert_int_equal(kgr_coordinator_open(&b.co.s)->generation, 1);
    step(&b, key_req(&b, 0, 5)); /* highest 0 */
    assert_int_equal(kgr_coordinator_open(&b.co.s)->generation, 2);
    step(&b, answer(&b, KGR_COORDINATOR_ADV_ANS, 1, 2, 1, 1));
    assert_int_equal(nacked(&b), KGR_REASON_ABORTED);
}

static void coordinator_sync_ends_tombstones(void **state)
{
    struct kgr_coordinator_event sync = {.type = KGR_COORDINATOR_SYNC, .side = 1, .complete = true};
    uint64_t g;
    struct bed b;

    (void)state;
    commit(&b);
    step(&b, answer(&b, KGR_COORDINATOR_CONF_ANS, 0, 0, 1, 1));
    assert_int_equal(kgr_coordinator_outcome(&b.co.s, 1, ids[2], &g),
                     KGR_COORDINATOR_OUTCOME_COMMITTED);
    sync.sequence = ++b.sequence[1];
    sync.highest = 1;
    sync.open_xids = ids[2];
    sync.num_open = 1;
    step(&b, sync); /* still a candidate there */
    assert_int_equal(kgr_coordinator_outcome(&b.co.s, 1, ids[2], &g),
                     KGR_COORDINATOR_OUTCOME_COMMITTED);
    sync.sequence = ++b.sequence[1];
    sync.current = 1;
    step(&b, sync);
    assert_int_equal(kgr_coordinator_outcome(&b.co.s, 1, ids[2], &g),
                     KGR_COORDINATOR_OUTCOME_UNKNOWN);
}

/* One of the things that may happen next; false if it cannot. */
static bool happen(struct bed *b, unsigned int what)
{
    struct kgr_coordinator_event timer = {.type = KGR_COORDINATOR_TIMER};

    switch (what) {
    case 0:
        step(b, key_req(b, 0, 0));
        return true;
    case 1:
        step(b, key_req(b, 1, 5));
        return true;
    case 2:
        if (b->bearing == 0)
            return false;
        step(b, born(b));
        b->bearing = 0;
        return true;
    case 3:
    case 4: { /* the nodes answer what the KS holds open, or what it held before */
        const struct kgr_coordinator_row *row = kgr_coordinator_open(&b->co.s);
        size_t base = row != NULL && row->requester == 1 ? 5 : 0;
        uint8_t requester = base == 5 ? 1 : 0;
        uint64_t g = row != NULL ? row->generation : b->co.s.highest;

        if (what == 3)
            step(b, answer(b, KGR_COORDINATOR_ADV_ANS, 1 - requester, base + 2, base + 1, g));
        else
            step(b, answer(b, KGR_COORDINATOR_CONF_ANS, requester, base, base + 1, g));
        return true;
    }
    case 5:
        crash(b);
        return true;
    case 6:
        b->now_s += 70;
        step(b, timer);
        return true;
    default:
        return false;
    }
}

static void invariants(const struct bed *b)
{
    const struct kgr_coordinator_row *open = kgr_coordinator_open(&b->co.s);
    size_t num_open = 0;

    for (size_t i = 0; i < KGR_COORDINATOR_ROWS; i++) {
        enum kgr_coordinator_phase phase = b->co.s.rows[i].phase;

        num_open += phase == KGR_COORDINATOR_BIRTH || phase == KGR_COORDINATOR_ADVERTISED ||
                    phase == KGR_COORDINATOR_COMMITTED;
    }
    assert_true(num_open <= 1);
    for (uint64_t g = 0; g < 64; g++)
        for (uint8_t side = 0; side < 2; side++) {
            if (!b->held[g][side])
                continue;
            /* Duplicates stand only of the open exchange, and only for an end that lacks the keys. */
            assert_non_null(open);
            assert_int_equal(open->generation, g);
            assert_true(open->phase == KGR_COORDINATOR_ADVERTISED ||
                        (open->phase == KGR_COORDINATOR_COMMITTED && side == open->requester));
        }
}

/* Every sequence of seven events, crashes included, to which the checks of step and these apply. */
static void search(const struct bed *b, unsigned int depth, size_t *num)
{
    struct bed *next;

    invariants(b);
    (*num)++;
    if (depth == 0)
        return;
    next = malloc(sizeof *next);
    assert_non_null(next);
    for (unsigned int what = 0; what < 7; what++) {
        *next = *b;
        if (happen(next, what))
            search(next, depth - 1, num);
    }
    free(next);
}

static void coordinator_exhaustive_search_holds(void **state)
{
    struct bed b;
    size_t num = 0;

    (void)state;
    open_bed(&b);
    search(&b, 6, &num);
    assert_true(num > 10000); /* it did search */
}

static void coordinator_random_runs_hold(void **state)
{
    struct bed b;

    (void)state;
    srandom(3);
    for (int run = 0; run < 3000; run++) {
        open_bed(&b);
        for (int i = 0; i < 60 && b.co.s.highest < 60; i++) {
            (void)happen(&b, (unsigned int)random() % 7);
            invariants(&b);
        }
    }
}

static void coordinator_revocation_ends_everything_but_the_generations(void **state)
{
    const struct kgr_coordinator_event revoked = {
        .type = KGR_COORDINATOR_REVOKED, .side = 1, .reason = KGR_REASON_REVOKED};
    struct bed b;

    (void)state;
    for (int phase = 0; phase < 4; phase++) {
        open_bed(&b);
        step(&b, key_req(&b, 0, 1));
        if (phase > 0)
            step(&b, born(&b));
        if (phase > 1)
            step(&b, answer(&b, KGR_COORDINATOR_ADV_ANS, 1, 3, 2, 1));
        if (phase > 2)
            step(&b, answer(&b, KGR_COORDINATOR_CONF_ANS, 0, 1, 2, 1));
        step(&b, revoked);
        assert_false(b.held[1][0] || b.held[1][1]);
        assert_null(kgr_coordinator_open(&b.co.s));
        assert_int_equal(b.co.s.generation, 0);
        assert_int_equal(b.co.s.highest, 1);
        assert_int_equal(b.co.s.seen[1], 0);
        assert_true(b.co.deadline_ms == UINT64_MAX);
        for (size_t i = 0; i < b.did.num; i++)
            assert_int_not_equal(b.did.list[i].type, KGR_COORDINATOR_DO_SEND);
        step(&b, born(&b)); /* a birth that was under way */
        assert_false(b.held[1][0] || b.held[1][1]);
        /* Added again, from another TPM with a young epoch: the generations go on. */
        crash(&b);
        b.sequence[1] = 0;
        step(&b, key_req(&b, 1, 5));
        assert_int_equal(b.bearing, 2);
    }
}

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++)
        memset(ids[i], (int)i + 1, sizeof ids[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coordinator_end_that_is_back_gets_what_it_waits_for),
        cmocka_unit_test(coordinator_straight_way_leaves_nothing),
        cmocka_unit_test(coordinator_retries_get_the_stored_decision),
        cmocka_unit_test(coordinator_restart_in_birth_takes_the_next_generation),
        cmocka_unit_test(coordinator_first_request_under_a_new_key_counts),
        cmocka_unit_test(coordinator_late_birth_is_dropped),
        cmocka_unit_test(coordinator_birth_of_another_generation_is_dropped),
        cmocka_unit_test(coordinator_first_request_wins),
        cmocka_unit_test(coordinator_delayed_request_is_stale),
        cmocka_unit_test(coordinator_refusal_allots_nothing),
        cmocka_unit_test(coordinator_generation_is_above_what_anyone_knows),
        cmocka_unit_test(coordinator_advert_keep_aborts_and_erases),
        cmocka_unit_test(coordinator_commit_outlives_advert_keep_and_denial),
        cmocka_unit_test(coordinator_nack_counts_only_for_a_frame_it_sent),
        cmocka_unit_test(coordinator_commit_is_void_by_the_requesters_word_only),
        cmocka_unit_test(coordinator_sync_ends_tombstones),
        cmocka_unit_test(coordinator_revocation_ends_everything_but_the_generations),
        cmocka_unit_test(coordinator_exhaustive_search_holds),
        cmocka_unit_test(coordinator_random_runs_hold),
    };

    return cmocka_run_group_tests(tests, fill, NULL);
}

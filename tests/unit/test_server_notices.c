/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/notices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PEERS 20
#define WIRE  4096

/* The KS's disk, the broker's memory, and a node that takes words as docs/protocol.md, section 5.1, says. */
struct world {
    struct kgr_notices notices;
    uint64_t now_ms;
    uint64_t word;
    struct kgr_notices_entry disk[PEERS + 1];
    size_t num_disk;
    struct kgr_notices_entry wire[WIRE];
    size_t num_wire;
    unsigned int told;
    uint64_t truth_word[PEERS]; /* what the AC said last */
    uint8_t truth[PEERS];
    uint64_t node_word[PEERS]; /* what the node believes */
    uint8_t node[PEERS];
    bool node_revoked;
    unsigned int num_changes; /* of the disk */
    unsigned int crash_at;    /* restart after so many; 0 never */
};

static struct kgr_nid peer_of(size_t i)
{
    struct kgr_nid nid;
    char text[16];

    (void)snprintf(text, sizeof(text), "N%02zu", i);
    assert_int_equal(kgr_nid_set(&nid, text, strlen(text)), KGR_OK);
    return nid;
}

static size_t index_of(const struct kgr_nid *peer)
{
    return (size_t)strtoul(peer->s + 1, NULL, 10);
}

static void change_disk(struct world *w, const struct kgr_notices_actions *actions, size_t i)
{
    uint64_t word = actions->list[i].word;

    switch (actions->list[i].type) {
    case KGR_NOTICES_DO_KEEP:
        assert_true(w->num_disk <= PEERS);
        w->disk[w->num_disk++] = actions->list[i].entry;
        break;
    case KGR_NOTICES_DO_ERASE:
        for (size_t k = 0; k < w->num_disk; k++) {
            if (w->disk[k].notice.word == word) {
                w->num_disk--;
                memmove(&w->disk[k], &w->disk[k + 1], (w->num_disk - k) * sizeof(w->disk[0]));
                return;
            }
        }
        fail_msg("erased what is not there");
        break;
    case KGR_NOTICES_DO_ERASE_ALL:
        w->num_disk = 0;
        break;
    case KGR_NOTICES_DO_SEND:
    case KGR_NOTICES_DO_TOLD:
        break;
    }
}

static void step(struct world *w, struct kgr_notices_event event)
{
    struct kgr_notices_actions actions;
    bool changed = false;

    event.now_ms = w->now_ms;
    event.jitter = (uint32_t)rand();
    assert_int_equal(kgr_notices_step(&w->notices, &event, &actions), KGR_OK);
    for (size_t i = 0; i < actions.num; i++) {
        enum kgr_notices_action_type type = actions.list[i].type;

        if (type == KGR_NOTICES_DO_SEND)
            break; /* all writes come before */
        change_disk(w, &actions, i);
        changed = changed || type != KGR_NOTICES_DO_TOLD;
        w->told += type == KGR_NOTICES_DO_TOLD;
    }
    if (changed && ++w->num_changes == w->crash_at) {
        kgr_notices_deinit(&w->notices); /* committed, and nothing sent */
        for (size_t i = 0; i < w->num_disk; i++)
            assert_int_equal(kgr_notices_restore(&w->notices, &w->disk[i]), KGR_OK);
        return;
    }
    for (size_t i = 0; i < actions.num; i++)
        if (actions.list[i].type == KGR_NOTICES_DO_SEND && w->num_wire < WIRE)
            w->wire[w->num_wire++] = actions.list[i].entry;
}

static void queue(struct world *w, uint8_t kind, size_t peer)
{
    uint8_t xid[KGR_XID_LEN] = {(uint8_t)w->word, (uint8_t)(w->word >> 8)};
    struct kgr_notice notice = {.word = ++w->word, .kind = kind};

    if (kind != KGR_NOTICE_NODE_REVOKED) {
        notice.peer = peer_of(peer);
        w->truth[peer] = kind;
        w->truth_word[peer] = notice.word;
    }
    step(w, (struct kgr_notices_event){.type = KGR_NOTICES_QUEUE, .notice = &notice, .xid = xid});
}

/* The node gets this frame, old or new; its answer arrives or not. */
static void deliver(struct world *w, size_t i, bool answer)
{
    const struct kgr_notice notice = w->wire[i].notice;

    if (notice.kind == KGR_NOTICE_NODE_REVOKED) {
        w->node_revoked = true;
    } else if (notice.word > w->node_word[index_of(&notice.peer)]) {
        w->node_word[index_of(&notice.peer)] = notice.word;
        w->node[index_of(&notice.peer)] = notice.kind;
    }
    if (answer)
        step(w, (struct kgr_notices_event){.type = KGR_NOTICES_ACK, .word = notice.word});
}

/* The broker delivers at last: nothing may be left, and the node believes the last word of each pair. */
static void settle(struct world *w)
{
    for (int round = 0; round < 100 && w->notices.num > 0; round++) {
        size_t from = w->num_wire;

        step(w, (struct kgr_notices_event){.type = KGR_NOTICES_HEARD});
        for (size_t i = from; i < w->num_wire; i++)
            deliver(w, i, true);
    }
    assert_int_equal(w->notices.num, 0);
    assert_int_equal(w->num_disk, 0);
    assert_true(w->notices.deadline_ms == UINT64_MAX);
}

static struct world *new_world(unsigned int crash_at)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    kgr_notices_init(&w->notices);
    w->crash_at = crash_at;
    return w;
}

static void free_world(struct world *w)
{
    kgr_notices_deinit(&w->notices);
    free(w);
}

/* Denied and allowed again and again for a node that hears anything, any number of times, in any order. */
static void run_random(unsigned int seed)
{
    struct world *w = new_world(0);

    srand(seed);
    for (int i = 0; i < 400; i++) {
        w->now_ms += (uint64_t)rand() % 3000;
        switch (rand() % 6) {
        case 0:
        case 1:
            queue(w, (uint8_t)(1 + rand() % 3), (size_t)rand() % PEERS);
            break;
        case 2:
            step(w, (struct kgr_notices_event){.type = KGR_NOTICES_TIMER});
            break;
        case 3:
            w->crash_at = w->num_changes + 1 + (unsigned int)rand() % 5;
            break;
        default:
            if (w->num_wire > 0)
                deliver(w, (size_t)rand() % w->num_wire, rand() % 2 == 0);
            break;
        }
        assert_true(w->notices.num <= PEERS); /* one a peer */
    }
    w->num_wire = w->num_wire > WIRE / 2 ? 0 : w->num_wire;
    settle(w);
    for (size_t i = 0; i < PEERS; i++)
        if (w->truth_word[i] != 0)
            assert_int_equal(w->node[i], w->truth[i]);
    free_world(w);
}

static void random_runs_end_in_the_last_word(void **state)
{
    (void)state;
    for (unsigned int seed = 1; seed <= 300; seed++)
        run_random(seed);
}

static void scenario(struct world *w)
{
    for (size_t i = 0; i < 12; i++)
        queue(w, KGR_NOTICE_DENIED, i);
    queue(w, KGR_NOTICE_ALLOWED, 3);
    if (w->num_wire > 2) {
        deliver(w, 0, true);
        deliver(w, 1, false);
        deliver(w, 0, true);
    }
    queue(w, KGR_NOTICE_REVOKED, 11);
    settle(w);
}

static void restart_at_every_persist_goes_on(void **state)
{
    unsigned int total;
    struct world *w = new_world(0);

    (void)state;
    scenario(w);
    total = w->num_changes;
    free_world(w);
    for (unsigned int at = 1; at <= total; at++) {
        w = new_world(at);
        scenario(w);
        assert_int_equal(w->node[3], KGR_NOTICE_ALLOWED);
        assert_int_equal(w->node[11], KGR_NOTICE_REVOKED);
        assert_int_equal(w->node[5], KGR_NOTICE_DENIED);
        free_world(w);
    }
}

static void revoked_node_replaces_all_and_is_told_once(void **state)
{
    struct world *w = new_world(0);

    (void)state;
    for (size_t i = 0; i < PEERS; i++)
        queue(w, KGR_NOTICE_DENIED, i);
    queue(w, KGR_NOTICE_NODE_REVOKED, 0);
    assert_int_equal(w->notices.num, 1);
    assert_int_equal(w->num_disk, 1);
    assert_int_equal(w->told, 0);
    step(w, (struct kgr_notices_event){.type = KGR_NOTICES_ACK, .word = 1}); /* of a denied pair */
    assert_int_equal(w->told, 0);
    settle(w);
    assert_true(w->node_revoked);
    assert_int_equal(w->told, 1);
    step(w, (struct kgr_notices_event){.type = KGR_NOTICES_ACK, .word = w->word});
    assert_int_equal(w->told, 1);
    free_world(w);
}

static void few_are_sent_at_a_time(void **state)
{
    struct world *w = new_world(0);

    (void)state;
    for (size_t i = 0; i < PEERS; i++)
        queue(w, KGR_NOTICE_DENIED, i);
    assert_int_equal(w->num_wire, KGR_NOTICES_BURST);
    for (size_t i = 0; i < KGR_NOTICES_BURST; i++)
        deliver(w, i, true);
    assert_int_equal(w->num_wire, KGR_NOTICES_BURST); /* the node must be able to take them */
    assert_int_equal(w->notices.deadline_ms, w->now_ms + KGR_NOTICES_PACE_MS);
    queue(w, KGR_NOTICE_ALLOWED, 0); /* does not put the others off */
    assert_int_equal(w->notices.deadline_ms, w->now_ms + KGR_NOTICES_PACE_MS);
    w->now_ms = w->notices.deadline_ms;
    step(w, (struct kgr_notices_event){.type = KGR_NOTICES_TIMER});
    assert_int_equal(w->num_wire, 2 * KGR_NOTICES_BURST);
    assert_true(w->wire[KGR_NOTICES_BURST].notice.word == KGR_NOTICES_BURST + 1);
    free_world(w);
}

static void repeats_slow_down_until_the_node_is_heard(void **state)
{
    struct world *w = new_world(0);
    uint64_t longest = 0;

    (void)state;
    queue(w, KGR_NOTICE_REVOKED, 1);
    for (int i = 0; i < 30; i++) {
        size_t before = w->num_wire;
        uint64_t delay = w->notices.deadline_ms - w->now_ms;

        longest = delay > longest ? delay : longest;
        w->now_ms = w->notices.deadline_ms - 1;
        step(w, (struct kgr_notices_event){.type = KGR_NOTICES_TIMER});
        assert_int_equal(w->num_wire, before); /* too early */
        w->now_ms++;
        step(w, (struct kgr_notices_event){.type = KGR_NOTICES_TIMER});
        assert_int_equal(w->num_wire, before + 1);
    }
    assert_true(longest >= 3 * KGR_NOTICES_MAX_MS / 4 && longest <= 5 * KGR_NOTICES_MAX_MS / 4);
    step(w, (struct kgr_notices_event){.type = KGR_NOTICES_HEARD});
    assert_true(w->notices.deadline_ms - w->now_ms <= 5 * KGR_NOTICES_FIRST_MS / 4);
    step(w, (struct kgr_notices_event){.type = KGR_NOTICES_CLEAR});
    assert_int_equal(w->num_disk, 0);
    assert_true(w->notices.deadline_ms == UINT64_MAX);
    free_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_runs_end_in_the_last_word),
        cmocka_unit_test(restart_at_every_persist_goes_on),
        cmocka_unit_test(revoked_node_replaces_all_and_is_told_once),
        cmocka_unit_test(few_are_sent_at_a_time),
        cmocka_unit_test(repeats_slow_down_until_the_node_is_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

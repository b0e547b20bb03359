/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both machines of the renewal of NKSK against each other: a network that loses, copies and reorders, crashes of either
 * end before and after every commit. Keys and storage keys are numbers. What must hold after every step, and what must
 * come once the network is kind, is docs/protocol.md, section 5.2.
 */
#include "agent/node/machines/nksk_renewal.h"
#include "agent/server/machines/nksk_renewal.h"
#include "agent/wire/common.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RUNS       20000
#define STEPS      120
#define KIND_STEPS 4000
#define NET_MAX    64

enum msg_type { REQ, CHAL, PROOF, DONE };

struct msg {
    enum msg_type type;
    bool to_ks;
    uint32_t key;      /* under which it travels */
    uint64_t sequence; /* unique, rising per sender */
    uint32_t epoch;
    uint8_t xid[16];
    uint8_t nonce_n[32];
    uint32_t request; /* REQ: its body, as a number */
    uint32_t storage; /* REQ: new storage key; 0: none */
    uint32_t new_key; /* CHAL */
    uint32_t wrapped; /* CHAL: storage key that it is for */
    uint8_t nonce_ks[32];
    uint8_t transcript[32];
};

/* What a receiver remembers of a sender: the highest epoch by key, and the sequences seen. */
struct window {
    uint32_t key;
    uint32_t epoch;
    uint64_t seen[128];
    size_t num_seen;
};

struct node_disk {
    struct kgr_nksk_state state;
    uint32_t key, next_key;
    uint32_t storage, next_storage, dead_storage;
    uint32_t request; /* body */
    struct window windows[4];
};

struct ks_disk {
    struct kgr_ks_nksk_state state;
    uint32_t key, next_key;
    uint32_t storage, next_storage;
    uint8_t nonce_n[32], done[32]; /* of the stored body */
    struct window windows[4];
};

static struct {
    uint64_t rng;
    bool crashes;
    struct msg net[NET_MAX];
    size_t num_net;
    uint32_t last_number; /* keys, storage keys, requests */
    uint64_t last_sequence;
    uint64_t now;

    struct node_disk node; /* as committed */
    struct kgr_nksk_renewal nm;
    bool tpm[4096];  /* storage keys that stand in the node's TPM */
    uint32_t making; /* storage key made and not placed; lost by a crash */
    uint32_t node_epoch;
    bool node_dead; /* crashed in this step */

    struct ks_disk ks;
    struct kgr_ks_nksk km;
    struct msg job; /* REQ for which the KS makes a challenge */
    uint32_t ks_epoch;
    bool ks_dead;

    uint32_t revealed[8192]; /* by request: the key that a nksk_chal showed */
} w;

static uint64_t rnd(void)
{
    w.rng ^= w.rng << 13;
    w.rng ^= w.rng >> 7;
    w.rng ^= w.rng << 17;
    return w.rng;
}

static bool chance(unsigned int percent)
{
    return rnd() % 100 < percent;
}

static void number_to(uint8_t *out, size_t len, uint32_t number)
{
    memset(out, 0, len);
    memcpy(out, &number, sizeof(number));
}

static uint32_t number_of(const uint8_t *bytes)
{
    uint32_t number;

    memcpy(&number, bytes, sizeof(number));
    return number;
}

static uint32_t fresh(void)
{
    return ++w.last_number;
}

static void send_msg(struct msg m)
{
    m.sequence = ++w.last_sequence;
    m.epoch = m.to_ks ? w.node_epoch : w.ks_epoch;
    if (w.num_net == NET_MAX)
        w.net[rnd() % NET_MAX] = m; /* another is lost */
    else
        w.net[w.num_net++] = m;
}

/* The window is committed with what the frame causes; here: with the disk of the receiver. */
static bool admit(struct window *windows, const struct msg *m)
{
    struct window *free_one = NULL;

    for (size_t i = 0; i < 4; i++) {
        struct window *win = &windows[i];

        if (win->key != m->key) {
            if (free_one == NULL || win->key < free_one->key)
                free_one = win;
            continue;
        }
        if (m->epoch < win->epoch)
            return false;
        for (size_t j = 0; j < win->num_seen; j++)
            if (win->seen[j] == m->sequence)
                return false;
        free_one = win;
        break;
    }
    if (free_one->key != m->key || m->epoch > free_one->epoch)
        *free_one = (struct window){.key = m->key, .epoch = m->epoch};
    if (free_one->num_seen < 128)
        free_one->seen[free_one->num_seen++] = m->sequence;
    return true;
}

/* Crashes */

static void start_node(void)
{
    bool placed = w.node.next_storage != 0 && w.tpm[w.node.next_storage];

    w.node_epoch++;
    w.making = 0;
    if (w.node.dead_storage != 0) {
        w.tpm[w.node.dead_storage] = false;
        w.node.dead_storage = 0;
    }
    kgr_nksk_restart(&w.nm, &w.node.state, placed);
    if (w.node.state.phase == KGR_NKSK_PROVING && w.node.state.storage)
        assert_true(placed);
}

static void start_ks(void)
{
    w.ks_epoch++;
    kgr_ks_nksk_restart(&w.km, &w.ks.state);
}

/* commit makes disk the truth, unless the process dies before; it may die after too. */
static bool commit_node(const struct node_disk *disk)
{
    if (w.crashes && chance(4)) {
        w.node_dead = true;
        return false;
    }
    w.node = *disk;
    w.node.state = w.nm.s;
    if (w.crashes && chance(4))
        w.node_dead = true;
    return !w.node_dead;
}

static bool commit_ks(const struct ks_disk *disk)
{
    if (w.crashes && chance(4)) {
        w.ks_dead = true;
        return false;
    }
    w.ks = *disk;
    w.ks.state = w.km.s;
    if (w.crashes && chance(4))
        w.ks_dead = true;
    return !w.ks_dead;
}

/* The node */

static void node_step(struct kgr_nksk_event *event, struct node_disk *disk, const struct msg *m);

static void send_req(void)
{
    struct msg m = {.type = REQ, .to_ks = true, .key = w.node.key, .request = w.node.request};

    m.storage = w.node.state.storage ? w.node.next_storage : 0;
    memcpy(m.xid, w.node.state.exchange, 16);
    memcpy(m.nonce_n, w.node.state.nonce_n, 32);
    send_msg(m);
}

static void send_proof(void)
{
    struct msg m = {.type = PROOF, .to_ks = true, .key = w.node.next_key};

    memcpy(m.xid, w.node.state.exchange, 16);
    memcpy(m.nonce_ks, w.node.state.nonce_ks, 32);
    memcpy(m.transcript, w.node.state.proof, 32);
    send_msg(m);
}

static void prepare(struct node_disk *disk)
{
    uint8_t exchange[16], nonce[32], topic[32], hash[32];
    bool storage = (w.nm.s.wanted & KGR_REKEY_STORAGE) != 0;
    struct kgr_nksk_event event = {
        .type = KGR_NKSK_PREPARED,
        .wanted = (uint8_t)(KGR_REKEY_WANTED | (storage ? KGR_REKEY_STORAGE : 0)),
        .exchange = exchange,
        .nonce_n = nonce,
        .topic2 = topic,
        .req_hash = hash,
    };

    disk->request = fresh();
    number_to(exchange, sizeof(exchange), disk->request);
    number_to(nonce, sizeof(nonce), disk->request);
    number_to(hash, sizeof(hash), disk->request);
    number_to(topic, sizeof(topic), disk->request);
    disk->next_storage = storage ? fresh() : 0;
    w.making = disk->next_storage;
    node_step(&event, disk, NULL);
}

static void place(void)
{
    struct kgr_nksk_event event = {.type = KGR_NKSK_PLACED};
    struct node_disk disk = w.node;

    if (w.crashes && chance(10)) {
        w.node_dead = true;
        return;
    }
    w.tpm[w.making] = true;
    if (w.crashes && chance(10)) {
        w.node_dead = true;
        return;
    }
    disk = w.node;
    node_step(&event, &disk, NULL);
}

static void work(struct node_disk *disk, const struct msg *m)
{
    uint8_t nonce[32], topic[32] = {0}, key_id[16], proof[32], done[32];
    uint32_t target = w.nm.s.storage ? w.node.next_storage : w.node.storage;
    struct kgr_nksk_event event = {
        .type = KGR_NKSK_ACCEPTED,
        .nonce_ks = nonce,
        .topic1 = topic,
        .key_id = key_id,
        .proof = proof,
        .done = done,
    };

    /* Import succeeds only below the storage key that it was made for. */
    assert_int_equal(m->wrapped, target);
    assert_true(w.tpm[target]);
    memcpy(nonce, m->nonce_ks, sizeof(nonce));
    number_to(key_id, sizeof(key_id), m->new_key);
    number_to(proof, sizeof(proof), m->new_key);
    number_to(done, sizeof(done), m->new_key + 1000000);
    disk->next_key = m->new_key;
    node_step(&event, disk, NULL);
}

static void finish_node(struct node_disk *disk, const struct kgr_nksk_state *before)
{
    disk->key = disk->next_key;
    disk->next_key = 0;
    if (before->storage) {
        disk->dead_storage = disk->storage;
        disk->storage = disk->next_storage;
        disk->next_storage = 0;
    }
    if (!commit_node(disk))
        return;
    if (w.node.dead_storage != 0) {
        w.tpm[w.node.dead_storage] = false;
        w.node.dead_storage = 0;
    }
}

static void node_step(struct kgr_nksk_event *event, struct node_disk *disk, const struct msg *m)
{
    struct kgr_nksk_state before = w.nm.s;

    event->now_ms = w.now;
    event->jitter = (uint32_t)rnd();
    switch (kgr_nksk_step(&w.nm, event)) {
    case KGR_NKSK_DO_PERSIST:
        (void)commit_node(disk);
        break;
    case KGR_NKSK_DO_PREPARE:
        if (commit_node(disk)) {
            *disk = w.node;
            prepare(disk);
        }
        break;
    case KGR_NKSK_DO_PLACE:
        if (commit_node(disk))
            place();
        break;
    case KGR_NKSK_DO_STORE:
        if (commit_node(disk))
            send_req();
        break;
    case KGR_NKSK_DO_SEND_REQ:
        send_req();
        break;
    case KGR_NKSK_DO_WORK:
        if (commit_node(disk)) { /* the window */
            *disk = w.node;
            work(disk, m);
        }
        break;
    case KGR_NKSK_DO_ACCEPT:
        if (commit_node(disk))
            send_proof();
        break;
    case KGR_NKSK_DO_SEND_PROOF:
        send_proof();
        break;
    case KGR_NKSK_DO_FINISH:
        finish_node(disk, &before);
        break;
    case KGR_NKSK_DO_ABANDON:
        fail_msg("the KS refuses nothing here");
        break;
    case KGR_NKSK_DO_IGNORE:
    case KGR_NKSK_DO_NOTHING:
        (void)commit_node(disk);
        break;
    }
}

static void node_receive(const struct msg *m)
{
    struct node_disk disk = w.node;
    struct kgr_nksk_event event = {
        .exchange = m->xid, .nonce_n = m->nonce_n, .transcript = m->transcript};

    if (m->key == 0 || (m->key != w.node.key && m->key != w.node.next_key) ||
        (m->type == CHAL && m->key != w.node.key) || !admit(disk.windows, m))
        return;
    event.type = m->type == CHAL ? KGR_NKSK_CHALLENGE : KGR_NKSK_DONE;
    node_step(&event, &disk, m);
}

/* The KS */

static void send_stored(enum msg_type type)
{
    const struct ks_disk *d = &w.ks;
    struct msg m = {.type = type, .key = d->key};

    memcpy(m.xid, d->state.request.xid, 16);
    memcpy(m.nonce_n, d->nonce_n, 32);
    if (type == DONE) {
        memcpy(m.transcript, d->done, 32);
    } else {
        uint32_t request = number_of(d->state.request.hash);

        m.new_key = d->next_key;
        m.wrapped = d->next_storage != 0 ? d->next_storage : d->storage;
        memcpy(m.nonce_ks, d->state.nonce_ks, 32);
        /* A restarted KS resumes: it makes no second NKSK for what it answered. */
        assert_true(w.revealed[request] == 0 || w.revealed[request] == m.new_key);
        w.revealed[request] = m.new_key;
    }
    send_msg(m);
}

static void ks_step(const struct kgr_ks_nksk_event *event, struct ks_disk *disk,
                    const struct msg *m)
{
    uint8_t reason = 0;

    switch (kgr_ks_nksk_step(&w.km, event, &reason)) {
    case KGR_KS_NKSK_DO_CHALLENGE:
        w.job = *m;
        (void)commit_ks(disk);
        break;
    case KGR_KS_NKSK_DO_KEEP:
        disk->next_key = number_of(event->transcript);
        disk->next_storage = w.job.storage;
        memcpy(disk->nonce_n, w.job.nonce_n, 32);
        if (commit_ks(disk))
            send_stored(CHAL);
        break;
    case KGR_KS_NKSK_DO_SEND_CHAL:
        if (commit_ks(disk))
            send_stored(CHAL);
        break;
    case KGR_KS_NKSK_DO_PROMOTE:
        disk->key = disk->next_key;
        disk->next_key = 0;
        if (disk->next_storage != 0)
            disk->storage = disk->next_storage;
        disk->next_storage = 0;
        number_to(disk->done, sizeof(disk->done), disk->key + 1000000);
        if (commit_ks(disk))
            send_stored(DONE);
        break;
    case KGR_KS_NKSK_DO_SEND_DONE:
        if (commit_ks(disk))
            send_stored(DONE);
        break;
    case KGR_KS_NKSK_DO_NACK:
        fail_msg("nothing is refused here");
        break;
    case KGR_KS_NKSK_DO_IGNORE:
    case KGR_KS_NKSK_DO_NOTHING:
        (void)commit_ks(disk);
        break;
    }
}

static void ks_receive(const struct msg *m)
{
    struct ks_disk disk = w.ks;
    struct kgr_ks_nksk_request request = {.sequence = (uint64_t)m->epoch << 32 | m->sequence,
                                          .storage = m->storage != 0,
                                          .suites = 1,
                                          .custodies = 1};
    struct kgr_ks_nksk_event event = {
        .request = &request,
        .wellformed = true,
        .own_suites = 1,
        .own_custodies = 1,
        .xid = m->xid,
        .nonce_ks = m->nonce_ks,
        .transcript = m->transcript,
    };

    if (m->key == 0 || (m->key != w.ks.key && m->key != w.ks.next_key) ||
        (m->type == REQ && m->key != w.ks.key) || !admit(disk.windows, m))
        return;
    event.type = m->type == REQ ? KGR_KS_NKSK_REQ : KGR_KS_NKSK_PROOF;
    memcpy(request.xid, m->xid, sizeof(request.xid));
    number_to(request.hash, sizeof(request.hash), m->request);
    ks_step(&event, &disk, m);
}

static void ks_job(void)
{
    uint8_t nonce[32], proof[32];
    struct ks_disk disk = w.ks;
    struct kgr_ks_nksk_event event = {
        .type = KGR_KS_NKSK_MADE, .request = &w.km.making, .nonce_ks = nonce, .transcript = proof};
    uint32_t key;

    if (!w.km.job)
        return;
    key = fresh();
    number_to(nonce, sizeof(nonce), key);
    number_to(proof, sizeof(proof), key);
    ks_step(&event, &disk, NULL);
}

/* What must hold at any time, of what is on disk */

static void check_safety(void)
{
    const struct node_disk *n = &w.node;
    const struct ks_disk *k = &w.ks;
    bool new_in_force = k->key != 0 && k->key == n->next_key;

    /* The node holds what the KS uses, and can use it: its storage key stands. */
    assert_true(k->key == n->key || new_in_force);
    assert_true(w.tpm[n->storage]);
    if (n->next_key != 0 && n->state.storage)
        assert_true(w.tpm[n->next_storage]);
    /* The KS duplicates only to a storage key that stands in that TPM. */
    assert_true(w.tpm[k->storage]);
    if (k->key == n->key)
        assert_int_equal(k->storage, n->storage);
    else
        assert_int_equal(k->storage, n->state.storage ? n->next_storage : n->storage);
    /* What the node proves, the KS holds. */
    if (n->state.phase == KGR_NKSK_PROVING)
        assert_true(n->next_key == k->key || n->next_key == k->next_key);
}

static void lose(size_t i)
{
    w.net[i] = w.net[w.num_net - 1];
    w.num_net--;
}

static void deliver(size_t i, bool keep)
{
    struct msg m = w.net[i];

    if (!keep)
        lose(i);
    if (m.to_ks)
        ks_receive(&m);
    else
        node_receive(&m);
}

static void node_event(enum kgr_nksk_event_type type, uint8_t wanted)
{
    struct kgr_nksk_event event = {.type = type, .wanted = wanted};
    struct node_disk disk = w.node;

    node_step(&event, &disk, NULL);
}

/* synchronise: what sync does here is to show that both use the same NKSK. */
static bool synchronise(void)
{
    node_event(KGR_NKSK_CONNECTED, 0);
    if (w.node_dead || w.node.key != w.ks.key)
        return false;
    node_event(KGR_NKSK_SYNCED, 0);
    return true;
}

static void settle(void)
{
    if (w.node_dead) {
        w.node_dead = false;
        start_node();
    }
    if (w.ks_dead) {
        w.ks_dead = false;
        start_ks();
    }
    check_safety();
}

static void hostile_step(void)
{
    switch (rnd() % 12) {
    case 0:
        node_event(KGR_NKSK_WANT, KGR_REKEY_WANTED);
        break;
    case 1:
        if (chance(40))
            node_event(KGR_NKSK_WANT, KGR_REKEY_WANTED | KGR_REKEY_STORAGE);
        break;
    case 2:
        (void)synchronise();
        break;
    case 3:
        if (chance(20))
            node_event(KGR_NKSK_LOST, 0);
        break;
    case 4:
        w.now += rnd() % 70000;
        node_event(KGR_NKSK_TIMER, 0);
        break;
    case 5:
    case 6:
        ks_job();
        break;
    case 7:
        if (w.num_net > 0 && chance(30)) /* lost */
            lose(rnd() % w.num_net);
        break;
    default:
        if (w.num_net > 0)
            deliver(rnd() % w.num_net, chance(30));
        break;
    }
    settle();
}

static void begin_run(uint64_t seed)
{
    memset(&w, 0, sizeof(w));
    w.rng = seed * 0x9e3779b97f4a7c15ull + 1;
    w.crashes = true;
    w.node.key = w.ks.key = fresh();
    w.node.storage = w.ks.storage = fresh();
    w.tpm[w.node.storage] = true;
    start_node();
    start_ks();
}

static bool at_rest(void)
{
    return w.nm.s.phase == KGR_NKSK_IDLE && w.nm.s.wanted == 0 && w.node.key == w.ks.key;
}

static void any_faults_end_in_one_key(void **state)
{
    size_t renewed = 0, replaced = 0;

    (void)state;
    for (uint64_t run = 1; run <= RUNS; run++) {
        size_t standing = 0, i;
        uint32_t first_key, first_storage;

        begin_run(run);
        first_key = w.node.key;
        first_storage = w.node.storage;
        for (i = 0; i < STEPS; i++)
            hostile_step();
        /* From here on nothing is lost and nobody dies. */
        w.crashes = false;
        node_event(KGR_NKSK_WANT, KGR_REKEY_WANTED);
        for (i = 0; i < KIND_STEPS && !at_rest(); i++) {
            if (i % 20 == 0)
                (void)synchronise();
            w.now += 1000;
            node_event(KGR_NKSK_TIMER, 0);
            ks_job();
            if (w.num_net > 0)
                deliver(0, false);
            settle();
        }
        if (!at_rest())
            fail_msg("run %llu does not end", (unsigned long long)run);
        renewed += w.node.key != first_key;
        replaced += w.node.storage != first_storage;
        for (i = 0; i < 4096; i++)
            standing += w.tpm[i];
        assert_int_equal(standing, 1); /* nothing is left in the TPM */
        assert_int_equal(w.node.storage, w.ks.storage);
    }
    /* The runs are worth something: nearly all renew, many with a storage key. */
    print_message("%d runs: %zu renewed, %zu with another storage key\n", RUNS, renewed, replaced);
    assert_true(renewed > RUNS * 9 / 10);
    assert_true(replaced > RUNS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_faults_end_in_one_key)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/sim.h"

#include <stdlib.h>
#include <string.h>

#include "agent/wire/frame.h"

/* The statements of docs/protocol.md, section 6, and what they rest on. */

struct sim_birth *sim_generation(struct sim *sim, uint64_t generation)
{
    if (generation >= SIM_GENERATIONS) {
        sim_fail(sim, "generation %llu is far too high", (unsigned long long)generation);
        return &sim->generations[0];
    }
    return &sim->generations[generation];
}

bool sim_expired(const struct sim *sim, uint64_t generation)
{
    return generation < SIM_GENERATIONS && sim_now_s(sim) >= sim->generations[generation].end_s;
}

static bool ring_holds(const struct sim_ring *ring, struct sim_key key)
{
    const struct sim_key *keys[] = {&ring->candidate, &ring->current, &ring->previous};

    for (size_t i = 0; i < KGR_ARRAY_LEN(keys); i++)
        if (keys[i]->generation == key.generation && keys[i]->number == key.number)
            return true;
    return false;
}

/* A generation is never used for a second birth. */
void sim_check_birth(struct sim *sim, const struct kgr_coordinator_row *row)
{
    struct sim_birth *birth = sim_generation(sim, row->generation);

    if (birth->allotted)
        sim_fail(sim, "generation %llu is born twice", (unsigned long long)row->generation);
    birth->allotted = true;
    birth->lifetime_s = row->lifetime_s;
    birth->end_s = row->begun_s + row->lifetime_s;
}

static void decide(struct sim *sim, uint64_t generation, enum sim_decision decision)
{
    struct sim_birth *birth = sim_generation(sim, generation);

    if (birth->decision != SIM_UNDECIDED && birth->decision != decision)
        sim_fail(sim, "the decision of generation %llu changes from %d to %d",
                 (unsigned long long)generation, birth->decision, decision);
    birth->decision = decision;
}

/*
 * A committed exchange may be void only while it is worth nothing: the requester has no key of it, and the
 * destined node was never told that it may send.
 */
static void check_void(struct sim *sim, uint64_t generation, uint8_t requester)
{
    struct sim_birth *birth = sim_generation(sim, generation);
    const struct sim_node *node = &sim->nodes[requester];
    struct sim_key key = {generation, birth->key};

    if (birth->done_sent)
        sim_fail(sim, "generation %llu is void after done", (unsigned long long)generation);
    if (ring_holds(&node->disk.ring, key))
        sim_fail(sim, "generation %llu is void, and the requester holds it",
                 (unsigned long long)generation);
    birth->decision = SIM_VOID;
}

void sim_check_report(struct sim *sim, const struct kgr_coordinator_action *action)
{
    struct sim_birth *birth = sim_generation(sim, action->generation);
    const struct sim_ring *requester = &sim->nodes[action->side].disk.ring;
    const struct sim_ring *destined = &sim->nodes[1 - action->side].disk.ring;

    sim_trace(sim, "KS: generation %llu of requester %u is in phase %d",
              (unsigned long long)action->generation, action->side, action->phase);
    switch (action->phase) {
    case KGR_COORDINATOR_COMMITTED:
        decide(sim, action->generation, SIM_COMMIT);
        if (destined->candidate.generation != action->generation)
            sim_fail(sim, "generation %llu is committed, and the destined node has it not",
                     (unsigned long long)action->generation);
        break;
    case KGR_COORDINATOR_CONFIRMED:
        decide(sim, action->generation, SIM_COMMIT);
        if (requester->current.generation != action->generation &&
            requester->previous.generation != action->generation)
            sim_fail(sim, "generation %llu is confirmed, and the requester uses it not",
                     (unsigned long long)action->generation);
        break;
    case KGR_COORDINATOR_ABORTED:
        if (birth->decision == SIM_COMMIT)
            check_void(sim, action->generation, action->side);
        else
            decide(sim, action->generation, SIM_ABORT);
        break;
    case KGR_COORDINATOR_FREE:
    case KGR_COORDINATOR_BIRTH:
    case KGR_COORDINATOR_ADVERTISED:
        break;
    }
}

/* A frame of the KS does not contradict its decision. */
void sim_check_told(struct sim *sim, const struct sim_frame *frame)
{
    struct sim_birth *birth = sim_generation(sim, frame->generation);
    const struct sim_node *node = &sim->nodes[frame->to];

    if (frame->type == KGR_FRAME_DONE || frame->type == KGR_FRAME_CONF_REQ) {
        if (birth->decision != SIM_COMMIT)
            sim_fail(sim, "the KS reveals a commit of generation %llu without having decided it",
                     (unsigned long long)frame->generation);
        if (frame->type == KGR_FRAME_DONE)
            birth->done_sent = true;
    } else if (frame->type == KGR_FRAME_NACK && frame->reason == KGR_REASON_ABORTED &&
               frame->refused_type == KGR_FRAME_ADV_ANS && birth->decision == SIM_COMMIT &&
               !sim_expired(sim, frame->generation) &&
               node->disk.ring.candidate.generation == frame->generation) {
        sim_fail(sim, "the KS denies its commit of generation %llu",
                 (unsigned long long)frame->generation);
    }
}

/* A candidate goes by the decision of the KS, by the end of its time, or by a wrong key confirmation. */
void sim_check_drop(struct sim *sim, size_t n, uint64_t generation, bool mismatch)
{
    enum sim_decision decision = sim_generation(sim, generation)->decision;

    if (mismatch || decision == SIM_ABORT || decision == SIM_VOID || sim_expired(sim, generation))
        return;
    sim_fail(sim, "node %zu drops generation %llu, decision %d", n, (unsigned long long)generation,
             decision);
}

/* An end sends under g only if the other holds g. */
static void check_sender(struct sim *sim, size_t n, const struct sim_ring *ring)
{
    const struct sim_node *peer = &sim->nodes[1 - n];

    if (ring->current.generation == 0 || sim_expired(sim, ring->current.generation))
        return;
    if (!ring_holds(&peer->disk.ring, ring->current) ||
        (sim->ends[1 - n].up && !ring_holds(&peer->ring, ring->current)))
        sim_fail(sim, "node %zu sends under generation %llu (key %u), which its peer does not hold",
                 n, (unsigned long long)ring->current.generation, ring->current.number);
    if (sim_generation(sim, ring->current.generation)->decision != SIM_COMMIT)
        sim_fail(sim, "node %zu sends under generation %llu, which is not committed", n,
                 (unsigned long long)ring->current.generation);
}

/* One generation never names two keys. A KS gone wrong may hand them out; nobody may put them to use. */
static void check_names(struct sim *sim, size_t n, const struct sim_ring *ring)
{
    const struct sim_key *keys[] = {&ring->candidate, &ring->current, &ring->previous};

    for (size_t i = sim->ks.twists ? 1 : 0; i < KGR_ARRAY_LEN(keys); i++)
        if (keys[i]->generation != 0 &&
            sim_generation(sim, keys[i]->generation)->key != keys[i]->number)
            sim_fail(sim, "node %zu knows another key under generation %llu", n,
                     (unsigned long long)keys[i]->generation);
}

static void check_node(struct sim *sim, size_t n)
{
    const struct sim_node *node = &sim->nodes[n];
    const struct kgr_exchange_state *s = &node->disk.s;
    const struct sim_ring *ring = &node->disk.ring;

    check_sender(sim, n, ring);
    check_names(sim, n, ring);
    if (sim->ends[n].up) {
        check_sender(sim, n, &node->ring);
        check_names(sim, n, &node->ring);
        if (memcmp(&node->ring, ring, sizeof(*ring)) != 0)
            sim_fail(sim, "node %zu has other keys in memory than on the disk", n);
    }
    if (s->candidate.generation != ring->candidate.generation ||
        s->current.generation != ring->current.generation)
        sim_fail(sim, "the state of node %zu does not fit its keys", n);
    if ((s->phase == KGR_EXCHANGE_WAITING || s->phase == KGR_EXCHANGE_CANDIDATE) !=
        (ring->candidate.generation != 0))
        sim_fail(sim, "node %zu is in phase %d with candidate %llu", n, s->phase,
                 (unsigned long long)ring->candidate.generation);
    if (s->current.generation < sim->seen_current[n])
        sim_fail(sim, "node %zu goes back to generation %llu", n,
                 (unsigned long long)s->current.generation);
    sim->seen_current[n] = s->current.generation;
}

/* Two ends with one current generation agree about all that belongs to it. */
static void check_facts(struct sim *sim)
{
    const struct kgr_exchange_offer *a = &sim->nodes[0].disk.s.current;
    const struct kgr_exchange_offer *b = &sim->nodes[1].disk.s.current;

    if (a->generation == 0 || a->generation != b->generation)
        return;
    if (memcmp(a->pxid, b->pxid, KGR_XID_LEN) != 0 || memcmp(a->iv, b->iv, KGR_IV_LEN) != 0 ||
        a->suite != b->suite || a->custody != b->custody || a->lifetime_s != b->lifetime_s ||
        a->requester == b->requester || memcmp(a->topic_own, b->topic_peer, KGR_TOPIC_LEN) != 0 ||
        memcmp(a->topic_peer, b->topic_own, KGR_TOPIC_LEN) != 0 || a->kc_len != b->kc_len ||
        memcmp(a->kc_own, b->kc_peer, a->kc_len) != 0 ||
        memcmp(a->kc_peer, b->kc_own, a->kc_len) != 0)
        sim_fail(sim, "the ends differ about generation %llu", (unsigned long long)a->generation);
}

/* The KS keeps what an end may still ask for, and nothing else. */
static void check_ks(struct sim *sim)
{
    const struct kgr_coordinator_state *s = &sim->ks.disk.s;
    const struct kgr_coordinator_row *open = kgr_coordinator_open(s);
    size_t num_open = 0;

    for (size_t i = 0; i < KGR_COORDINATOR_ROWS; i++)
        if (s->rows[i].phase == KGR_COORDINATOR_BIRTH ||
            s->rows[i].phase == KGR_COORDINATOR_ADVERTISED ||
            s->rows[i].phase == KGR_COORDINATOR_COMMITTED)
            num_open++;
    if (num_open > 1)
        sim_fail(sim, "%zu exchanges of the pair are open", num_open);
    for (uint8_t side = 0; side < SIM_NODES; side++) {
        uint64_t held = sim->ks.disk.duplicates[side].generation;
        bool needed =
            open != NULL && (open->phase == KGR_COORDINATOR_ADVERTISED ||
                             (open->phase == KGR_COORDINATOR_COMMITTED && side == open->requester));

        if (needed ? held != open->generation : held != 0)
            sim_fail(sim, "the KS holds duplicate %llu for side %u", (unsigned long long)held,
                     side);
    }
    if (s->highest < sim->seen_highest)
        sim_fail(sim, "the highest generation falls to %llu", (unsigned long long)s->highest);
    sim->seen_highest = s->highest;
}

void sim_check(struct sim *sim)
{
    for (size_t n = 0; n < SIM_NODES; n++)
        check_node(sim, n);
    check_facts(sim);
    check_ks(sim);
}

static struct sim_key alive(const struct sim *sim, struct sim_key key)
{
    return sim_expired(sim, key.generation) ? (struct sim_key){0} : key;
}

/* What is over by its lifetime is as good as nothing. */
bool sim_agreed(const struct sim *sim)
{
    struct sim_key key = alive(sim, sim->nodes[0].ring.current);
    struct sim_key ks = {.generation = sim->ks.co.s.generation, .number = 0};

    for (size_t n = 0; n < SIM_NODES; n++) {
        const struct kgr_exchange_state *s = &sim->nodes[n].ex.s;
        struct sim_key own = alive(sim, sim->nodes[n].ring.current);

        if (s->phase != KGR_EXCHANGE_IDLE && s->phase != KGR_EXCHANGE_FAILED)
            return false;
        if (own.generation != alive(sim, ks).generation || own.number != key.number)
            return false;
        if (sim->ks.disk.duplicates[n].generation != 0)
            return false;
    }
    return kgr_coordinator_open(&sim->ks.co.s) == NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/node/audit.h"
#include "agent/node/protocol/exchange_jobs.h"
#include "agent/node/node.h"
#include "agent/node/service/service.h"
#include "agent/wire/body_exchange.h"

/* The machine of agent/node/machines/renewal.h on the pairs of a node. */

/* So many requests of ours may be without an answer of the KS; others wait that long. */
#define IN_FLIGHT 8u
#define DEFER_MS  200u
/* A disk that is full or broken is tried again after that. */
#define BROKEN_MS 60000u

static struct kgr_renewal_rules rules_of(const struct kgr_node *node)
{
    const struct kgr_settings *s = node->settings;

    return (struct kgr_renewal_rules){
        .renew_at = s->renew_at,
        .overlap_s = s->overlap_s,
        .budget = s->budget,
        .establish = s->establish == KGR_ESTABLISH_ALLOWED,
    };
}

static bool is_busy(const struct kgr_pair *pair)
{
    return pair->ex.s.phase != KGR_EXCHANGE_IDLE && pair->ex.s.phase != KGR_EXCHANGE_FAILED;
}

static struct kgr_renewal_facts facts_of(const struct kgr_node *node, struct kgr_pair *pair,
                                         uint64_t now_ms)
{
    const struct kgr_nid *peer = &pair->ex.s.peer;
    const struct kgr_ring_key *current = kgr_ring_sending(node->pairs.ring, peer);
    const struct kgr_ring_key *previous = kgr_ring_at(node->pairs.ring, peer, KGR_RING_PREVIOUS);
    struct kgr_renewal_facts facts = {
        .now_ms = now_ms,
        .role = kgr_exchange_role(&pair->ex.s),
        .allowed = pair->status == KGR_PAIR_ALLOWED && kgr_sync_has_lease(&node->sync, now_ms),
        .busy = is_busy(pair),
        .peer_generation = pair->peer_generation,
    };

    kgr_random(&facts.jitter, sizeof(facts.jitter));
    if (current != NULL) {
        const struct kgr_pair_records *records = kgr_pair_find_records(pair, current->generation);

        facts.generation = current->generation;
        facts.age_ms = now_ms - current->born_ms;
        facts.lifetime_ms = current->lifetime_s * 1000ull;
        facts.blocks = records == NULL ? 0 : records->budget.used;
        facts.skipped = pair->skipped == current->generation;
    }
    if (previous != NULL) {
        facts.previous = previous->generation;
        facts.previous_age_ms = now_ms - previous->born_ms;
        facts.previous_lifetime_ms = previous->lifetime_s * 1000ull;
    }
    return facts;
}

/* forget destroys the previous generation: on disk, then in the TPM. */
static enum kgr_error forget(struct kgr_node *node, struct kgr_pair *pair)
{
    const struct kgr_nid *peer = &pair->ex.s.peer;
    struct kgr_ring_key *key;
    struct kgr_diag diag = {{0}};
    enum kgr_error err = kgr_node_begin(node);

    if (err != KGR_OK)
        return err;
    key = kgr_ring_at(node->pairs.ring, peer, KGR_RING_PREVIOUS);
    err = kgr_generation_erase(node->db, peer, KGR_RING_PREVIOUS, &diag);
    if (err == KGR_OK && key != NULL)
        err = kgr_node_audit_pair(node, pair, key->generation, KGR_OK, "destroyed", &diag);
    if (err != KGR_OK) {
        kgr_node_rollback(node, "generation", err, &diag);
        return err;
    }
    err = kgr_node_commit(node);
    if (err != KGR_OK)
        return err;
    /* A destroyed key shall not stay readable in the log of the database. */
    if (kgr_db_checkpoint(node->db, &diag) != KGR_OK)
        kgr_warn("checkpoint_failed", "reason=\"%s\"", kgr_diag_text(&diag, KGR_ERR_IO));
    key = kgr_ring_take(node->pairs.ring, peer, KGR_RING_PREVIOUS);
    if (key == NULL)
        return KGR_OK;
    kgr_info("key_destroyed", "peer=%s generation=%llu", peer->s,
             (unsigned long long)key->generation);
    kgr_pair_drop_records(pair, key->generation);
    kgr_exchange_bury(node, key);
    return KGR_OK;
}

static size_t in_flight(const struct kgr_node *node)
{
    size_t n = 0;

    for (size_t i = 0; i < node->pairs.num; i++)
        if (node->pairs.list[i]->ex.s.phase == KGR_EXCHANGE_REQUESTING)
            n++;
    return n;
}

static void request(struct kgr_node *node, struct kgr_pair *pair, enum kgr_renewal_cause cause,
                    uint64_t now_ms)
{
    uint8_t wire = cause == KGR_RENEWAL_FIRST ? KGR_CAUSE_FIRST : KGR_CAUSE_RENEWAL;

    if (in_flight(node) >= IN_FLIGHT) {
        kgr_renewal_defer(&pair->renewal, now_ms + DEFER_MS);
        return;
    }
    kgr_info("renewal", "peer=%s generation=%llu", pair->ex.s.peer.s,
             (unsigned long long)pair->ex.s.current.generation);
    if (kgr_exchange_request(node, pair, wire, true) != KGR_OK)
        kgr_renewal_defer(&pair->renewal, now_ms + BROKEN_MS);
}

static void step(struct kgr_node *node, struct kgr_pair *pair, uint64_t now_ms)
{
    struct kgr_renewal_rules rules = rules_of(node);
    struct kgr_renewal_facts facts = facts_of(node, pair, now_ms);
    struct kgr_renewal_actions actions;

    kgr_renewal_step(&pair->renewal, &rules, &facts, &actions);
    if (actions.warn && facts.age_ms < facts.lifetime_ms)
        kgr_node_alarm(node, "the key with %s expires in %llu s and is not renewed yet",
                       pair->ex.s.peer.s,
                       (unsigned long long)((facts.lifetime_ms - facts.age_ms) / 1000));
    else if (actions.warn)
        kgr_node_alarm(node, "the key with %s has expired", pair->ex.s.peer.s);
    if (actions.forget && forget(node, pair) != KGR_OK)
        pair->renewal.deadline_ms = now_ms + BROKEN_MS;
    if (actions.request)
        request(node, pair, actions.cause, now_ms);
}

void kgr_renewal_look(struct kgr_pair *pair)
{
    pair->renewal.deadline_ms = 0;
}

void kgr_renewal_on_timer(struct kgr_node *node, uint64_t now_ms)
{
    for (size_t i = 0; i < node->pairs.num; i++)
        if (node->pairs.list[i]->renewal.deadline_ms <= now_ms)
            step(node, node->pairs.list[i], now_ms);
}

void kgr_renewal_peer_sends(struct kgr_pair *pair, uint64_t generation)
{
    if (generation <= pair->peer_generation)
        return;
    pair->peer_generation = generation;
    kgr_renewal_look(pair);
}

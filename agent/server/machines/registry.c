/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/registry.h"

#include <assert.h>
#include <string.h>

enum { NACK_EXPIRED = 3, NACK_SUITE = 4, NACK_CUSTODY = 5, NACK_UNPROVEN = 13 };
enum { RESIDENT = 1, MIXED = 2, SEALED = 3 };

typedef const struct kgr_registry_event event_t;
typedef struct kgr_registry_actions actions_t;

static void add(actions_t *out, enum kgr_registry_action_type type)
{
    assert(out->num < KGR_REGISTRY_MAX_ACTIONS);
    out->list[out->num].type = type;
    out->list[out->num++].reason = 0;
}

static void nack(actions_t *out, uint8_t reason)
{
    add(out, KGR_REGISTRY_DO_SEND_NACK);
    out->list[out->num - 1].reason = reason;
}

static bool expire(struct kgr_registry *reg, event_t *event, actions_t *out)
{
    if (reg->s.phase != KGR_REGISTRY_ISSUED && reg->s.phase != KGR_REGISTRY_CHALLENGED)
        return false;
    if (event->now_s < reg->s.expires_s)
        return false;
    reg->s.phase = KGR_REGISTRY_EXPIRED;
    reg->job = false;
    add(out, KGR_REGISTRY_DO_PERSIST);
    add(out, KGR_REGISTRY_DO_ERASE_NTAG);
    add(out, KGR_REGISTRY_DO_REPORT);
    return true;
}

static bool same_request(const struct kgr_registry *reg, event_t *event)
{
    return memcmp(reg->s.xid, event->xid, KGR_REGISTRY_ID_LEN) == 0 &&
           memcmp(reg->s.request, event->request, KGR_REGISTRY_HASH_LEN) == 0;
}

/* may_bind: the request comes from the one TPM that this credential is for. */
static bool may_bind(const struct kgr_registry *reg, event_t *event)
{
    if (reg->s.has_ek_hash && memcmp(reg->s.ek_hash, event->ek, KGR_REGISTRY_HASH_LEN) != 0)
        return false;
    return !reg->s.bound || (memcmp(reg->s.ek, event->ek, KGR_REGISTRY_HASH_LEN) == 0 &&
                             memcmp(reg->s.storage, event->storage, KGR_REGISTRY_HASH_LEN) == 0);
}

uint8_t kgr_registry_choose(uint8_t *out_suite, uint8_t *out_custody, uint8_t suites,
                            uint8_t custodies, uint8_t own_custodies)
{
    const uint8_t resident = 1u << (RESIDENT - 1);

    if (suites == 0)
        return NACK_SUITE;
    if ((custodies & (resident | 1u << (SEALED - 1))) == 0)
        return NACK_CUSTODY;
    *out_suite = (suites & 2u) != 0 ? 2 : 1;
    if ((custodies & own_custodies & resident) != 0)
        *out_custody = RESIDENT;
    else
        *out_custody = ((custodies | own_custodies) & resident) != 0 ? MIXED : SEALED;
    return 0;
}

static void on_req(struct kgr_registry *reg, event_t *event, actions_t *out)
{
    uint8_t reason;
    bool proven;

    if (expire(reg, event, out)) {
        nack(out, NACK_EXPIRED);
        return;
    }
    if ((reg->s.phase != KGR_REGISTRY_ISSUED && reg->s.phase != KGR_REGISTRY_CHALLENGED) ||
        reg->job || !event->wellformed) {
        add(out, KGR_REGISTRY_DO_IGNORED);
        return;
    }
    if (!may_bind(reg, event)) {
        add(out, KGR_REGISTRY_DO_ALARM);
        return;
    }
    if (reg->s.phase == KGR_REGISTRY_CHALLENGED && same_request(reg, event)) {
        add(out, KGR_REGISTRY_DO_SEND_CHAL);
        return;
    }
    proven = reg->s.proven || event->certified || (reg->s.has_ek_hash && !reg->s.pinned);
    if (!proven && event->only_proven) {
        add(out, KGR_REGISTRY_DO_UNPROVEN);
        nack(out, NACK_UNPROVEN);
        return;
    }
    reason = kgr_registry_choose(&reg->s.suite, &reg->s.custody, event->suites & event->own_suites,
                                 event->custodies, event->own_custodies);
    if (reason != 0) {
        nack(out, reason);
        return;
    }
    reg->s.bound = true;
    reg->s.proven = proven;
    reg->s.phase = KGR_REGISTRY_ISSUED;
    memcpy(reg->s.ek, event->ek, KGR_REGISTRY_HASH_LEN);
    memcpy(reg->s.storage, event->storage, KGR_REGISTRY_HASH_LEN);
    memcpy(reg->s.xid, event->xid, KGR_REGISTRY_ID_LEN);
    memcpy(reg->s.request, event->request, KGR_REGISTRY_HASH_LEN);
    reg->job = true;
    add(out, KGR_REGISTRY_DO_PERSIST);
    add(out, KGR_REGISTRY_DO_CHALLENGE);
}

static void on_made(struct kgr_registry *reg, event_t *event, actions_t *out)
{
    if (!reg->job || memcmp(reg->s.request, event->request, KGR_REGISTRY_HASH_LEN) != 0)
        return; /* the credential expired meanwhile */
    reg->job = false;
    reg->s.phase = KGR_REGISTRY_CHALLENGED;
    memcpy(reg->s.nonce_ks, event->nonce_ks, sizeof reg->s.nonce_ks);
    memcpy(reg->s.proof, event->transcript, KGR_REGISTRY_HASH_LEN);
    add(out, KGR_REGISTRY_DO_PERSIST);
    add(out, KGR_REGISTRY_DO_KEEP);
    add(out, KGR_REGISTRY_DO_REPORT);
    add(out, KGR_REGISTRY_DO_SEND_CHAL);
}

static void on_failed(struct kgr_registry *reg, event_t *event, actions_t *out)
{
    (void)event;
    (void)out;
    reg->job = false; /* the node asks again */
}

static void on_proof(struct kgr_registry *reg, event_t *event, actions_t *out)
{
    if (memcmp(reg->s.xid, event->xid, KGR_REGISTRY_ID_LEN) != 0 ||
        memcmp(reg->s.nonce_ks, event->nonce_ks, sizeof reg->s.nonce_ks) != 0 ||
        memcmp(reg->s.proof, event->transcript, KGR_REGISTRY_HASH_LEN) != 0 ||
        (reg->s.phase != KGR_REGISTRY_CHALLENGED && reg->s.phase != KGR_REGISTRY_REGISTERED)) {
        add(out, KGR_REGISTRY_DO_IGNORED);
        return;
    }
    if (reg->s.phase == KGR_REGISTRY_CHALLENGED) {
        if (expire(reg, event, out)) {
            nack(out, NACK_EXPIRED);
            return;
        }
        reg->s.phase = KGR_REGISTRY_REGISTERED;
        add(out, KGR_REGISTRY_DO_PERSIST);
        add(out, KGR_REGISTRY_DO_ERASE_NTAG);
        add(out, KGR_REGISTRY_DO_REPORT);
    }
    add(out, KGR_REGISTRY_DO_SEND_DONE);
}

static void on_timer(struct kgr_registry *reg, event_t *event, actions_t *out)
{
    (void)expire(reg, event, out);
}

void kgr_registry_init(struct kgr_registry *out, uint64_t expires_s, const uint8_t *ek_hash)
{
    *out = (struct kgr_registry){
        .s = {.phase = KGR_REGISTRY_ISSUED, .expires_s = expires_s, .has_ek_hash = ek_hash != NULL},
    };
    if (ek_hash != NULL)
        memcpy(out->s.ek_hash, ek_hash, KGR_REGISTRY_HASH_LEN);
}

bool kgr_registry_renew(struct kgr_registry *out, const struct kgr_registry_state *before,
                        uint64_t expires_s, const uint8_t *ek_hash)
{
    const uint8_t *pin = NULL;

    if (before->phase == KGR_REGISTRY_REVOKED && before->bound)
        pin = before->ek;
    else if (before->phase != KGR_REGISTRY_REMOVED && before->pinned)
        pin = before->ek_hash;
    if (pin != NULL && ek_hash != NULL && memcmp(pin, ek_hash, KGR_REGISTRY_HASH_LEN) != 0)
        return false;
    kgr_registry_init(out, expires_s, ek_hash != NULL ? ek_hash : pin);
    out->s.pinned = pin != NULL;
    out->s.proven = pin != NULL && before->proven; /* it is the same chip */
    return true;
}

void kgr_registry_end(struct kgr_registry *reg, bool removed)
{
    reg->s.phase = removed ? KGR_REGISTRY_REMOVED : KGR_REGISTRY_REVOKED;
    reg->job = false;
}

void kgr_registry_restart(struct kgr_registry *out, const struct kgr_registry_state *state)
{
    *out = (struct kgr_registry){.s = *state};
}

void kgr_registry_step(struct kgr_registry *reg, const struct kgr_registry_event *event,
                       struct kgr_registry_actions *out)
{
    static void (*const handlers[])(struct kgr_registry *, event_t *, actions_t *) = {
        [KGR_REGISTRY_REQ] = on_req,     [KGR_REGISTRY_PROOF] = on_proof,
        [KGR_REGISTRY_MADE] = on_made,   [KGR_REGISTRY_FAILED] = on_failed,
        [KGR_REGISTRY_TIMER] = on_timer,
    };

    assert((size_t)event->type < KGR_ARRAY_LEN(handlers));
    out->num = 0;
    handlers[event->type](reg, event, out);
}

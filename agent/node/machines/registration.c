/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/registration.h"

#include <string.h>

static void schedule(struct kgr_registration *reg, const struct kgr_registration_event *event)
{
    reg->deadline_ms = event->now_ms + kgr_retry_delay_ms(&reg->retry, event->jitter);
}

static enum kgr_registration_action send_due(struct kgr_registration *reg,
                                             const struct kgr_registration_event *event)
{
    switch (reg->s.phase) {
    case KGR_REGISTRATION_ENROLLED:
    case KGR_REGISTRATION_ASKING:
        reg->s.phase = KGR_REGISTRATION_ASKING;
        schedule(reg, event);
        return KGR_REGISTRATION_DO_SEND_REQ;
    case KGR_REGISTRATION_PROVING:
        schedule(reg, event);
        return KGR_REGISTRATION_DO_SEND_PROOF;
    case KGR_REGISTRATION_NONE:
    case KGR_REGISTRATION_REGISTERED:
        break;
    }
    reg->deadline_ms = UINT64_MAX;
    return KGR_REGISTRATION_DO_NOTHING;
}

static bool ours(const struct kgr_registration *reg, const struct kgr_registration_event *event)
{
    return memcmp(event->exchange, reg->s.exchange, KGR_REG_ID_LEN) == 0 &&
           memcmp(event->nonce_n, reg->s.nonce_n, KGR_REG_NONCE_LEN) == 0;
}

static enum kgr_registration_action on_challenge(struct kgr_registration *reg,
                                                 const struct kgr_registration_event *event)
{
    if (reg->s.phase != KGR_REGISTRATION_ASKING || reg->busy || !ours(reg, event))
        return KGR_REGISTRATION_DO_IGNORE;
    reg->busy = true;
    return KGR_REGISTRATION_DO_WORK;
}

static enum kgr_registration_action on_accepted(struct kgr_registration *reg,
                                                const struct kgr_registration_event *event)
{
    if (!reg->busy || reg->s.phase != KGR_REGISTRATION_ASKING)
        return KGR_REGISTRATION_DO_IGNORE;
    reg->busy = false;
    reg->s.phase = KGR_REGISTRATION_PROVING;
    memcpy(reg->s.nonce_ks, event->nonce_ks, KGR_REG_NONCE_LEN);
    memcpy(reg->s.key_id, event->key_id, KGR_REG_ID_LEN);
    reg->s.suite = event->suite;
    reg->s.custody = event->custody;
    memcpy(reg->s.proof, event->proof, KGR_REG_HASH_LEN);
    memcpy(reg->s.done, event->done, KGR_REG_HASH_LEN);
    kgr_retry_reset(&reg->retry);
    return send_due(reg, event);
}

static enum kgr_registration_action on_done(struct kgr_registration *reg,
                                            const struct kgr_registration_event *event)
{
    if (reg->s.phase != KGR_REGISTRATION_PROVING || !ours(reg, event) ||
        memcmp(event->transcript, reg->s.done, KGR_REG_HASH_LEN) != 0)
        return KGR_REGISTRATION_DO_IGNORE;
    reg->s.phase = KGR_REGISTRATION_REGISTERED;
    reg->deadline_ms = UINT64_MAX;
    return KGR_REGISTRATION_DO_FINISH;
}

void kgr_registration_restart(struct kgr_registration *out,
                              const struct kgr_registration_state *state)
{
    *out = (struct kgr_registration){.s = *state, .deadline_ms = UINT64_MAX};
}

enum kgr_registration_action kgr_registration_step(struct kgr_registration *reg,
                                                   const struct kgr_registration_event *event)
{
    switch (event->type) {
    case KGR_REGISTRATION_START:
        kgr_retry_reset(&reg->retry);
        return send_due(reg, event);
    case KGR_REGISTRATION_TIMER:
        return event->now_ms < reg->deadline_ms ? KGR_REGISTRATION_DO_NOTHING
                                                : send_due(reg, event);
    case KGR_REGISTRATION_CHALLENGE:
        return on_challenge(reg, event);
    case KGR_REGISTRATION_ACCEPTED:
        return on_accepted(reg, event);
    case KGR_REGISTRATION_REFUSED:
        /* reg_req is repeated on its timer: a forged or damaged challenge must not stop the node. */
        reg->busy = false;
        return KGR_REGISTRATION_DO_NOTHING;
    case KGR_REGISTRATION_DONE:
        return on_done(reg, event);
    }
    return KGR_REGISTRATION_DO_NOTHING;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/machines/nksk_renewal.h"

#include <string.h>

#include "agent/server/machines/registry.h"

static bool same_request(const struct kgr_ks_nksk_request *a, const struct kgr_ks_nksk_request *b)
{
    return memcmp(a->xid, b->xid, sizeof a->xid) == 0 &&
           memcmp(a->hash, b->hash, sizeof a->hash) == 0;
}

static enum kgr_ks_nksk_action on_req(struct kgr_ks_nksk *renewal,
                                      const struct kgr_ks_nksk_event *event, uint8_t *out_reason)
{
    const struct kgr_ks_nksk_state *s = &renewal->s;
    struct kgr_ks_nksk_request request = *event->request;

    if (!event->wellformed || renewal->job)
        return KGR_KS_NKSK_DO_IGNORE;
    if (s->phase == KGR_KS_NKSK_CHALLENGED && same_request(&s->request, &request))
        return KGR_KS_NKSK_DO_SEND_CHAL;
    /* A late request must not destroy what the node is proving, nor an answered one begin again. */
    if (s->phase == KGR_KS_NKSK_CHALLENGED && request.sequence <= s->request.sequence)
        return KGR_KS_NKSK_DO_IGNORE;
    if (s->phase == KGR_KS_NKSK_DONE && same_request(&s->request, &request))
        return KGR_KS_NKSK_DO_IGNORE;
    *out_reason =
        kgr_registry_choose(&request.suite, &request.custody, request.suites & event->own_suites,
                            request.custodies, event->own_custodies);
    if (*out_reason != 0)
        return KGR_KS_NKSK_DO_NACK;
    renewal->job = true;
    renewal->making = request;
    return KGR_KS_NKSK_DO_CHALLENGE;
}

static enum kgr_ks_nksk_action on_made(struct kgr_ks_nksk *renewal,
                                       const struct kgr_ks_nksk_event *event)
{
    if (!renewal->job || !same_request(&renewal->making, event->request))
        return KGR_KS_NKSK_DO_IGNORE; /* of a request that is over */
    renewal->job = false;
    renewal->s =
        (struct kgr_ks_nksk_state){.phase = KGR_KS_NKSK_CHALLENGED, .request = renewal->making};
    memcpy(renewal->s.nonce_ks, event->nonce_ks, sizeof renewal->s.nonce_ks);
    memcpy(renewal->s.proof, event->transcript, sizeof renewal->s.proof);
    return KGR_KS_NKSK_DO_KEEP;
}

static enum kgr_ks_nksk_action on_proof(struct kgr_ks_nksk *renewal,
                                        const struct kgr_ks_nksk_event *event)
{
    struct kgr_ks_nksk_state *s = &renewal->s;

    if (s->phase == KGR_KS_NKSK_QUIET ||
        memcmp(s->request.xid, event->xid, sizeof s->request.xid) != 0 ||
        memcmp(s->nonce_ks, event->nonce_ks, sizeof s->nonce_ks) != 0 ||
        memcmp(s->proof, event->transcript, sizeof s->proof) != 0)
        return KGR_KS_NKSK_DO_IGNORE;
    if (s->phase == KGR_KS_NKSK_DONE)
        return KGR_KS_NKSK_DO_SEND_DONE;
    s->phase = KGR_KS_NKSK_DONE;
    renewal->job = false; /* whatever is being made was asked for under the old one */
    return KGR_KS_NKSK_DO_PROMOTE;
}

void kgr_ks_nksk_restart(struct kgr_ks_nksk *out, const struct kgr_ks_nksk_state *state)
{
    *out = (struct kgr_ks_nksk){.s = *state};
}

enum kgr_ks_nksk_action kgr_ks_nksk_step(struct kgr_ks_nksk *renewal,
                                         const struct kgr_ks_nksk_event *event, uint8_t *out_reason)
{
    *out_reason = 0;
    switch (event->type) {
    case KGR_KS_NKSK_REQ:
        return on_req(renewal, event, out_reason);
    case KGR_KS_NKSK_PROOF:
        return on_proof(renewal, event);
    case KGR_KS_NKSK_MADE:
        return on_made(renewal, event);
    case KGR_KS_NKSK_FAILED:
        if (same_request(&renewal->making, event->request))
            renewal->job = false; /* the node asks again */
        return KGR_KS_NKSK_DO_NOTHING;
    }
    return KGR_KS_NKSK_DO_NOTHING;
}

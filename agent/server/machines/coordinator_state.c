/* SPDX-License-Identifier: BSD-2-Clause */
/* What a coordinator's state is made from and can be asked; its transitions are in coordinator.c. */
#include "agent/server/machines/coordinator.h"

#include <string.h>

enum kgr_error kgr_coordinator_init(struct kgr_coordinator *out, const struct kgr_nid *a,
                                    const struct kgr_nid *b, uint32_t advert_keep_s)
{
    int order = kgr_nid_cmp(a, b);

    if (order == 0)
        return KGR_ERR_INVALID;
    memset(out, 0, sizeof *out);
    out->s.nids[0] = order < 0 ? *a : *b;
    out->s.nids[1] = order < 0 ? *b : *a;
    out->persisted = out->s;
    out->advert_keep_s = advert_keep_s;
    out->deadline_ms = UINT64_MAX;
    return KGR_OK;
}

void kgr_coordinator_restart(struct kgr_coordinator *out, const struct kgr_coordinator_state *state,
                             uint32_t advert_keep_s, uint64_t now_ms)
{
    memset(out, 0, sizeof *out);
    out->s = *state;
    out->persisted = *state;
    out->advert_keep_s = advert_keep_s;
    out->deadline_ms = UINT64_MAX;
    if (kgr_coordinator_open(&out->s) != NULL)
        out->deadline_ms = now_ms;
}

static void forget_sequences(struct kgr_coordinator_state *state, uint8_t side)
{
    state->seen[side] = 0;
    for (size_t i = 0; i < KGR_COORDINATOR_ROWS; i++)
        if (state->rows[i].requester == side)
            state->rows[i].request_sequence = 0;
}

void kgr_coordinator_rekeyed(struct kgr_coordinator *co, uint8_t side)
{
    forget_sequences(&co->s, side);
    forget_sequences(&co->persisted, side);
}

void kgr_coordinator_sent(struct kgr_coordinator *co, uint64_t sequence)
{
    co->sent[co->num_sent % KGR_COORDINATOR_SENT] = sequence;
    co->num_sent++;
}

uint8_t kgr_coordinator_side(const struct kgr_coordinator_state *state, const struct kgr_nid *nid)
{
    return kgr_nid_cmp(nid, &state->nids[0]) == 0 ? 0 : 1;
}

const struct kgr_coordinator_row *kgr_coordinator_open(const struct kgr_coordinator_state *state)
{
    for (size_t i = 0; i < KGR_COORDINATOR_ROWS; i++)
        if (state->rows[i].phase == KGR_COORDINATOR_BIRTH ||
            state->rows[i].phase == KGR_COORDINATOR_ADVERTISED ||
            state->rows[i].phase == KGR_COORDINATOR_COMMITTED)
            return &state->rows[i];
    return NULL;
}

enum kgr_coordinator_outcome kgr_coordinator_outcome(const struct kgr_coordinator_state *state,
                                                     uint8_t side,
                                                     const uint8_t xid[KGR_COORDINATOR_XID_LEN],
                                                     uint64_t *out_generation)
{
    static const enum kgr_coordinator_outcome outcomes[] = {
        [KGR_COORDINATOR_FREE] = KGR_COORDINATOR_OUTCOME_UNKNOWN,
        [KGR_COORDINATOR_BIRTH] = KGR_COORDINATOR_OUTCOME_OPEN,
        [KGR_COORDINATOR_ADVERTISED] = KGR_COORDINATOR_OUTCOME_OPEN,
        [KGR_COORDINATOR_COMMITTED] = KGR_COORDINATOR_OUTCOME_COMMITTED,
        [KGR_COORDINATOR_CONFIRMED] = KGR_COORDINATOR_OUTCOME_COMMITTED,
        [KGR_COORDINATOR_ABORTED] = KGR_COORDINATOR_OUTCOME_ABORTED,
    };

    for (size_t i = 0; i < KGR_COORDINATOR_ROWS; i++) {
        const struct kgr_coordinator_row *row = &state->rows[i];

        if (row->phase == KGR_COORDINATOR_FREE ||
            memcmp(row->xid[side == row->requester ? 0 : 1], xid, KGR_COORDINATOR_XID_LEN) != 0)
            continue;
        *out_generation = row->generation;
        return outcomes[row->phase];
    }
    *out_generation = 0;
    return KGR_COORDINATOR_OUTCOME_UNKNOWN;
}

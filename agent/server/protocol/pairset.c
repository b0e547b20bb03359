/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/protocol/pairset.h"

#include <stdlib.h>

struct kgr_ks_pair *kgr_ks_pair_find(struct kgr_ks *ks, const struct kgr_nid nids[2])
{
    for (struct kgr_ks_pair *pair = ks->pairs; pair != NULL; pair = pair->next)
        if (kgr_nid_cmp(&pair->co.s.nids[0], &nids[0]) == 0 &&
            kgr_nid_cmp(&pair->co.s.nids[1], &nids[1]) == 0)
            return pair;
    return NULL;
}

void kgr_ks_pair_order(struct kgr_nid out[2], const struct kgr_nid *a, const struct kgr_nid *b)
{
    bool first = kgr_nid_cmp(a, b) < 0;

    out[0] = first ? *a : *b;
    out[1] = first ? *b : *a;
}

/*
 * get_pair finds the machine of a pair, or continues it from its rows. KGR_ERR_UNKNOWN_PEER for a pair that the AC never
 * named: no rows are made for whatever names a node may think of.
 */
enum kgr_error kgr_ks_pair_get(struct kgr_ks *ks, const struct kgr_nid nids[2],
                               struct kgr_ks_pair **out, struct kgr_diag *diag)
{
    struct kgr_ks_policy policy;
    struct kgr_ks_pair *pair = kgr_ks_pair_find(ks, nids);
    struct kgr_coordinator_state *state;
    enum kgr_error err;

    if (pair != NULL) {
        *out = pair;
        return KGR_OK;
    }
    pair = calloc(1, sizeof *pair);
    state = malloc(sizeof *state);
    err = pair == NULL || state == NULL ? KGR_ERR_NO_MEMORY
                                        : kgr_ks_pairs_load(ks->db, &policy, state, nids, diag);
    if (err == KGR_OK && !policy.known)
        err = KGR_ERR_UNKNOWN_PEER;
    if (err == KGR_OK) {
        kgr_coordinator_restart(&pair->co, state, ks->settings.advert_keep_s, kgr_clock_boot_ms());
        pair->next = ks->pairs;
        ks->pairs = pair;
        *out = pair;
    } else {
        free(pair);
    }
    free(state);
    return err;
}

void kgr_ks_pairs_drop_idle(struct kgr_ks *ks)
{
    struct kgr_ks_pair **at = &ks->pairs;

    while (*at != NULL) {
        struct kgr_ks_pair *pair = *at;
        bool idle = pair->births == 0;

        for (size_t i = 0; i < KGR_COORDINATOR_ROWS; i++)
            idle = idle && pair->co.s.rows[i].phase == KGR_COORDINATOR_FREE;
        if (idle) {
            *at = pair->next;
            free(pair);
        } else {
            at = &pair->next;
        }
    }
}

struct engaged {
    struct kgr_nid (*pairs)[2];
    size_t num;
};

static enum kgr_error collect(void *arg, const struct kgr_nid *nids)
{
    struct engaged *engaged = arg;
    struct kgr_nid(*pairs)[2] = realloc(engaged->pairs, (engaged->num + 1) * sizeof *pairs);

    if (pairs == NULL)
        return KGR_ERR_NO_MEMORY;
    engaged->pairs = pairs;
    pairs[engaged->num][0] = nids[0];
    pairs[engaged->num++][1] = nids[1];
    return KGR_OK;
}

enum kgr_error kgr_ks_pairs_load_engaged(struct kgr_ks *ks, struct kgr_diag *diag)
{
    struct engaged engaged = {NULL, 0};
    struct kgr_ks_pair *ignored;
    enum kgr_error err = kgr_ks_pairs_engaged(ks->db, collect, &engaged, diag);

    for (size_t i = 0; i < engaged.num && err == KGR_OK; i++)
        err = kgr_ks_pair_get(ks, engaged.pairs[i], &ignored, diag);
    free(engaged.pairs);
    return err;
}

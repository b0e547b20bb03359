/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/mirror/plan.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/secret.h"
#include "agent/node/mirror/list.h"
#include "agent/node/node.h"
#include "agent/wire/common.h"

enum kgr_error kgr_mirror_check_peer(const struct kgr_node *node, const struct kgr_nid *peer,
                                     struct kgr_diag *diag)
{
    const struct kgr_ring_key *key;
    const struct kgr_pair *pair;

    if (node->custody.sealed)
        return kgr_diag_set(diag, KGR_ERR_UNSUPPORTED,
                            "this node keeps its keys sealed: only resident keys are objects of the"
                            " TPM that can be mirrored");
    if (peer == NULL)
        return KGR_OK;
    pair = kgr_pairs_find(&node->pairs, peer);
    if (pair == NULL)
        return kgr_diag_set(diag, KGR_ERR_UNKNOWN_PEER, "%s: unknown peer", peer->s);
    if (pair->status == KGR_PAIR_REVOKED || pair->status == KGR_PAIR_DENIED)
        return kgr_diag_set(diag, KGR_ERR_REVOKED, "%s: the pair was revoked", peer->s);
    key = kgr_ring_sending(node->pairs.ring, peer);
    if (key != NULL && key->custody != KGR_WIRE_RESIDENT)
        return kgr_diag_set(diag, KGR_ERR_UNSUPPORTED,
                            "%s: the pair is %s: only keys that never left a TPM are mirrored",
                            peer->s, key->custody == KGR_WIRE_MIXED ? "mixed" : "sealed");
    return KGR_OK;
}

static enum kgr_error current(const struct kgr_node *node, struct kgr_mirror_primary *out)
{
    struct kgr_wr wr;
    enum kgr_error err;

    kgr_wr_init(&wr, out->bytes, sizeof(out->bytes));
    err = kgr_tpm_esys_tr(&wr, node->anchor.storage, &node->anchor.storage_public);
    out->len = err == KGR_OK ? wr.len : 0;
    return err;
}

bool kgr_mirror_is_current(const struct kgr_node *node, const struct kgr_mirror_primary *primary)
{
    struct kgr_mirror_primary now;

    return current(node, &now) == KGR_OK &&
           kgr_slice_equal(kgr_slice(now.bytes, now.len), kgr_slice(primary->bytes, primary->len));
}

/* Objects */

static enum kgr_error add_key(struct kgr_mirror_job *job, const struct kgr_node *node,
                              const struct kgr_nid *peer, enum kgr_ring_place place)
{
    const struct kgr_ring_key *key = kgr_ring_at(node->pairs.ring, peer, place);
    struct kgr_mirror_key described = {.node = node->self.s,
                                       .peer = peer,
                                       .sends = place == KGR_RING_CURRENT,
                                       .modes = node->tpm_modes};
    struct kgr_key_blobs *blobs;
    struct kgr_mirror_object *objects;
    enum kgr_error err = KGR_OK;

    if (key == NULL || key->custody != KGR_WIRE_RESIDENT)
        return KGR_OK;
    blobs = malloc(sizeof(*blobs));
    objects = realloc(job->objects, (job->num_objects + 2) * sizeof(*objects));
    if (objects != NULL)
        job->objects = objects;
    if (blobs == NULL || objects == NULL || !kgr_keyset_blobs(key->keys, blobs))
        err = KGR_ERR_NO_MEMORY;
    described.generation = key->generation;
    described.suite = key->suite;
    described.blobs = blobs;
    for (int mac = 0; mac < 2 && err == KGR_OK; mac++) {
        err = kgr_mirror_object_set(&job->objects[job->num_objects], &described, mac != 0);
        if (err == KGR_OK)
            job->num_objects++;
    }
    free(blobs);
    return err;
}

/* The generations that the other doors show; those of another storage key cannot be below this token. */
static enum kgr_error add_objects(struct kgr_mirror_job *job, const struct kgr_node *node,
                                  const struct kgr_mirror *mirror)
{
    enum kgr_error err = KGR_OK;

    for (size_t i = 0; i < node->pairs.num && err == KGR_OK; i++) {
        const struct kgr_pair *pair = node->pairs.list[i];

        if (pair->status != KGR_PAIR_ALLOWED || !kgr_mirror_holds(mirror, &pair->ex.s.peer))
            continue;
        err = add_key(job, node, &pair->ex.s.peer, KGR_RING_CURRENT);
        if (err == KGR_OK)
            err = add_key(job, node, &pair->ex.s.peer, KGR_RING_PREVIOUS);
    }
    return err;
}

static enum kgr_error copy_pin(struct kgr_mirror_job *job, struct kgr_slice pin)
{
    if (pin.len == 0)
        return KGR_OK;
    job->pin = kgr_secret_alloc(pin.len);
    if (job->pin == NULL)
        return KGR_ERR_NO_MEMORY;
    memcpy(job->pin, pin.p, pin.len);
    job->pin_len = pin.len;
    return KGR_OK;
}

enum kgr_error kgr_mirror_plan(struct kgr_mirror_job **out, struct kgr_node *node,
                               const struct kgr_mirror *mirror, enum kgr_mirror_what what,
                               struct kgr_slice pin)
{
    struct kgr_mirror_job *job = calloc(1, sizeof(*job));
    enum kgr_error err = KGR_OK;

    if (job == NULL)
        return KGR_ERR_NO_MEMORY;
    job->what = what;
    job->node = node->self.s;
    job->anchor = &node->anchor;
    job->parent = node->anchor.storage;
    memcpy(job->token, mirror->token, sizeof(job->token));
    job->store = strdup(mirror->store);
    if (job->store == NULL)
        err = KGR_ERR_NO_MEMORY;
    /* A crash may have left a token below the storage key in force that the database puts below none, or an earlier one. */
    if (err == KGR_OK)
        err = current(node, &job->primary);
    if (err != KGR_OK && what == KGR_MIRROR_REMOVE)
        err = KGR_OK;
    job->before = mirror->primary;
    if (err == KGR_OK)
        err = copy_pin(job, pin);
    if (err == KGR_OK && what != KGR_MIRROR_REMOVE)
        err = add_objects(job, node, mirror);
    if (err != KGR_OK) {
        kgr_mirror_job_free(job);
        return err;
    }
    *out = job;
    return KGR_OK;
}

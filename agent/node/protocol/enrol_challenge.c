/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/protocol/enrol_challenge.h"

#include "agent/base/log.h"
#include "agent/node/protocol/challenge.h"
#include "agent/node/protocol/enrol.h"
#include "agent/node/node.h"

#include <string.h>

static enum kgr_error save_keys(struct kgr_node *node, const struct kgr_challenge *c,
                                struct kgr_diag *diag)
{
    const struct kgr_nksk_row *row = &c->row;
    enum kgr_error err = kgr_nksk_save(node->db, row, diag);

    if (err == KGR_OK)
        err = kgr_meta_set(node->db, KGR_META_NKSK_KEY_ID,
                           kgr_slice(row->key_id, sizeof(row->key_id)), diag);
    if (err == KGR_OK)
        err = kgr_meta_set(node->db, KGR_META_TOPIC1,
                           kgr_slice(c->chal.topic1, sizeof(c->chal.topic1)), diag);
    return err;
}

static void fill_event(struct kgr_registration_event *event, const struct kgr_challenge *c)
{
    event->nonce_ks = c->chal.nonce_ks;
    event->key_id = c->chal.key_id;
    event->suite = c->chal.suite;
    event->custody = c->chal.custody;
    event->proof = c->proof;
    event->done = c->done;
}

/* accept writes the keys, lets the machine go on, and puts the keys in place before it sends. */
static enum kgr_error accept(struct kgr_node *node, const struct kgr_challenge *c,
                             struct kgr_diag *diag)
{
    struct kgr_registration trial = node->reg;
    struct kgr_registration_event event = {.type = KGR_REGISTRATION_ACCEPTED};
    enum kgr_error err;

    fill_event(&event, c);
    if (kgr_registration_step(&trial, &event) != KGR_REGISTRATION_DO_SEND_PROOF)
        return KGR_ERR_STATE;
    err = kgr_db_begin(node->db, diag);
    if (err == KGR_OK)
        err = save_keys(node, c, diag);
    if (err == KGR_OK)
        err = kgr_enrol_save_state(node, &trial.s, diag);
    if (err == KGR_OK)
        err = kgr_db_commit(node->db, diag);
    kgr_db_rollback(node->db);
    if (err != KGR_OK)
        return err;
    memcpy(node->topic1, c->chal.topic1, KGR_TOPIC_LEN);
    err = kgr_node_load_nksk(node, diag);
    if (err == KGR_OK)
        err = kgr_enrol_step(node, &event, NULL);
    return err;
}

static void on_worked(struct kgr_node *node, const struct kgr_challenge *c, enum kgr_error err,
                      const struct kgr_diag *diag)
{
    struct kgr_diag why = diag != NULL ? *diag : (struct kgr_diag){{0}};
    struct kgr_registration_event refused = {.type = KGR_REGISTRATION_REFUSED};

    if (err == KGR_OK)
        err = accept(node, c, &why);
    if (err == KGR_OK) {
        if (node->progress != NULL)
            node->progress("the KS's signature is right; NKSK and NKSKsign are in the TPM");
        return;
    }
    kgr_node_alarm(node, "registration: %s", kgr_diag_text(&why, err));
    if (node->progress != NULL)
        node->progress(node->alarms[node->num_alarms - 1]);
    (void)kgr_enrol_step(node, &refused, NULL); /* changes only the machine */
}

enum kgr_error kgr_enrol_work(struct kgr_node *node, const struct kgr_frame_in *frame)
{
    const struct kgr_challenge_args args = {
        .labels = &kgr_labels_registration,
        .parent = node->anchor.storage,
        .xid = frame->header->xid,
        .req_hash = node->reg.s.req_hash,
        .body = frame->body,
        .done = on_worked,
    };

    return kgr_challenge_work(node, &args);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/protocol/nksk_glue.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/mqtt/mqtt.h"
#include "agent/node/audit.h"
#include "agent/node/protocol/exchange_jobs.h"
#include "agent/node/service/service.h"

#include <stdlib.h>
#include <string.h>

/* fresh is the state of a pair whose keys died with the storage key above them; its highest generation stays. */
static struct kgr_exchange_state fresh(const struct kgr_exchange_state *s)
{
    return (struct kgr_exchange_state){.self = s->self, .peer = s->peer, .highest = s->highest};
}

static enum kgr_error save_pairs(struct kgr_node *node, struct kgr_diag *diag)
{
    struct kgr_pair_row *row = calloc(1, sizeof(*row));
    enum kgr_error err = row == NULL ? KGR_ERR_NO_MEMORY : kgr_generation_erase_all(node->db, diag);

    for (size_t i = 0; i < node->pairs.num && err == KGR_OK; i++) {
        kgr_pair_row_of(node->pairs.list[i], row);
        row->state = fresh(&row->state);
        err = kgr_pair_save(node->db, row, diag);
    }
    free(row);
    return err;
}

enum kgr_error kgr_nksk_save_switch(struct kgr_node *node, const struct kgr_nksk_state *state,
                                    struct kgr_diag *diag)
{
    const struct {
        const char *name;
        struct kgr_slice value;
    } values[] = {
        {KGR_META_NKSK_KEY_ID, kgr_slice(state->key_id, sizeof(state->key_id))},
        {KGR_META_TOPIC1, kgr_slice(state->topic1, sizeof(state->topic1))},
        {KGR_META_TOPIC2, kgr_slice(state->topic2, sizeof(state->topic2))},
    };
    const struct kgr_audit_event event = {
        .what = KGR_AUDIT_RENEWAL,
        .subject = node->self.s,
        .text = state->storage ? "NKSK and storage key" : "NKSK",
    };
    uint8_t old[KGR_KEY_ID_LEN];
    enum kgr_error err = kgr_meta_get_exact(node->db, KGR_META_NKSK_KEY_ID, old, sizeof(old), diag);

    if (err == KGR_OK)
        err = kgr_nksk_erase(node->db, old, diag);
    for (size_t i = 0; i < KGR_ARRAY_LEN(values) && err == KGR_OK; i++)
        err = kgr_meta_set(node->db, values[i].name, values[i].value, diag);
    if (err == KGR_OK)
        err = kgr_meta_erase(node->db, KGR_META_NKSK_REQ, diag);
    if (err == KGR_OK && state->storage)
        err = kgr_anchor_save_switch(&node->anchor, node->db, diag);
    if (err == KGR_OK && state->storage)
        err = save_pairs(node, diag);
    return err == KGR_OK ? kgr_node_audit_within(node, &event, diag) : err;
}

static void forget_keys(struct kgr_node *node, struct kgr_pair *pair)
{
    struct kgr_exchange_state state = fresh(&pair->ex.s);

    for (int place = 0; place < KGR_RING_NUM_PLACES; place++) {
        struct kgr_ring_key *key =
            kgr_ring_take(node->pairs.ring, &state.peer, (enum kgr_ring_place)place);

        if (key != NULL)
            kgr_pair_drop_records(pair, key->generation);
        kgr_exchange_bury(node, key);
    }
    kgr_exchange_bury(node, pair->staged);
    pair->staged = NULL;
    free(pair->blobs);
    pair->blobs = NULL;
    pair->peer_generation = 0;
    pair->skipped = 0;
    kgr_renewal_init(&pair->renewal);
    kgr_exchange_restart(&pair->ex, &state, kgr_clock_boot_ms());
}

void kgr_nksk_switch(struct kgr_node *node, const struct kgr_nksk_state *state)
{
    char topic[KGR_TOPIC_TEXT_LEN + 1];

    kgr_mqtt_unsubscribe(node->mqtt, kgr_topic_text(topic, node->topic2));
    memcpy(node->topic1, state->topic1, KGR_TOPIC_LEN);
    memcpy(node->topic2, state->topic2, KGR_TOPIC_LEN);
    kgr_frames_promote(&node->frames);
    node->stats.nksk_renewals++;
    if (!state->storage)
        return;
    kgr_anchor_switch(&node->anchor);
    node->custody.suites = kgr_custody_below(&node->custody, &node->anchor.storage_public);
    for (size_t i = 0; i < node->pairs.num; i++) {
        forget_keys(node, node->pairs.list[i]);
        kgr_service_pair_changed(node->service, node->pairs.list[i]);
    }
    kgr_nksk_evict(node);
}

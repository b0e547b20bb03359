/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/node.h"

#include "agent/base/secret.h"
#include "agent/node/broker.h"
#include "agent/node/machines/exchange_state.h"

#include <stdlib.h>

/* What the state folder has of this node: its identity, its registration, NKSK. */

static enum kgr_error load_topic(struct kgr_node *node, const char *name, uint8_t *out,
                                 struct kgr_diag *diag)
{
    enum kgr_error err = kgr_meta_get_exact(node->db, name, out, KGR_TOPIC_LEN, diag);

    return err == KGR_ERR_NO_KEY ? KGR_OK : err;
}

static enum kgr_error load_registration(struct kgr_node *node, struct kgr_diag *diag)
{
    struct kgr_registration_state state = {0};
    uint8_t bytes[KGR_REGISTRATION_BYTES_MAX];
    size_t len = 0;
    enum kgr_error err =
        kgr_meta_get(node->db, KGR_META_REGISTRATION, bytes, sizeof(bytes), &len, diag);

    if (err == KGR_ERR_NO_KEY)
        return kgr_diag_set(diag, KGR_ERR_NOT_REGISTERED,
                            "this node is not enrolled; run kgr-agent enroll FILE");
    if (err == KGR_OK && kgr_registration_state_decode(&state, kgr_slice(bytes, len)) != KGR_OK)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: the registration is damaged");
    if (err == KGR_OK)
        kgr_registration_restart(&node->reg, &state);
    return err;
}

enum kgr_error kgr_node_load_identity(struct kgr_node *node, struct kgr_diag *diag)
{
    char nid[KGR_NID_MAX];
    size_t len = 0;
    enum kgr_error err = load_registration(node, diag);

    if (err == KGR_OK)
        err = kgr_meta_get(node->db, KGR_META_NODE, nid, sizeof(nid), &len, diag);
    if (err == KGR_OK)
        err = kgr_nid_set(&node->self, nid, len);
    if (err == KGR_OK)
        err = load_topic(node, KGR_META_TOPIC0, node->topic0, diag);
    if (err == KGR_OK)
        err = load_topic(node, KGR_META_TOPIC1, node->topic1, diag);
    if (err == KGR_OK)
        err = load_topic(node, KGR_META_TOPIC2, node->topic2, diag);
    if (err == KGR_OK)
        err = kgr_meta_get(node->db, KGR_META_KS_PUBLIC, node->ks_public.bytes,
                           sizeof(node->ks_public.bytes), &len, diag);
    if (err == KGR_OK) {
        node->ks_public.len = (uint16_t)len;
        err = kgr_node_load_broker(node, diag);
    }
    if (err == KGR_ERR_NO_KEY || err == KGR_ERR_INVALID)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: the node's identity is damaged");
    return err;
}

enum kgr_error kgr_node_make_nksk(struct kgr_node *node, struct kgr_keyset **out,
                                  const struct kgr_nksk_row *row,
                                  const struct kgr_tpm_object *parent)
{
    struct kgr_tpm_auth *enc = NULL;
    struct kgr_tpm_auth *mac = NULL;
    enum kgr_error err = kgr_node_nksk_auths(node, row->key_id, &enc, &mac);

    if (err == KGR_OK)
        err = kgr_keyset_new(out, (enum kgr_suite)row->suite, parent, &row->blobs,
                             node->next_key_id, enc, node->next_key_id + 1, mac);
    if (err != KGR_OK) {
        kgr_secret_free(enc);
        kgr_secret_free(mac);
        return err;
    }
    node->next_key_id += 2;
    return KGR_OK;
}

enum kgr_error kgr_node_nksk_auths(const struct kgr_node *node,
                                   const uint8_t key_id[KGR_KEY_ID_LEN],
                                   struct kgr_tpm_auth **out_enc, struct kgr_tpm_auth **out_mac)
{
    struct kgr_slice id = kgr_slice(key_id, KGR_KEY_ID_LEN);
    struct kgr_tpm_auth *enc = NULL;
    struct kgr_tpm_auth *mac = NULL;
    enum kgr_error err = kgr_auth_derive(node->anchor.root, &enc, "nksk", id);

    if (err == KGR_OK)
        err = kgr_auth_derive(node->anchor.root, &mac, "nksksign", id);
    if (err != KGR_OK) {
        kgr_secret_free(enc);
        return err;
    }
    *out_enc = enc;
    *out_mac = mac;
    return KGR_OK;
}

static enum kgr_error load_nksk_row(struct kgr_node *node, struct kgr_nksk_row *row,
                                    struct kgr_diag *diag)
{
    uint8_t key_id[KGR_KEY_ID_LEN];
    enum kgr_error err =
        kgr_meta_get_exact(node->db, KGR_META_NKSK_KEY_ID, key_id, sizeof(key_id), diag);

    if (err == KGR_OK)
        err = kgr_nksk_load(node->db, row, key_id, diag);
    return err == KGR_ERR_NO_KEY
               ? kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: NKSK is missing")
               : err;
}

/* The KS knows what this node was registered with, and makes keys for that. */
static enum kgr_error check_custody(struct kgr_node *node, const struct kgr_keyset *nksk,
                                    struct kgr_diag *diag)
{
    bool sealed = kgr_keyset_is_sealed(nksk);

    if (sealed != node->custody.sealed && node->settings->custody != KGR_CUSTODY_AUTO)
        return kgr_diag_set(diag, KGR_ERR_CONFIG,
                            "custody is \"%s\", but this node was registered with \"%s\": set "
                            "that, or remove the node at the AC and enrol it again",
                            sealed ? "resident" : "sealed", sealed ? "sealed" : "resident");
    node->custody.sealed = sealed;
    return KGR_OK;
}

enum kgr_error kgr_node_load_nksk(struct kgr_node *node, struct kgr_diag *diag)
{
    struct kgr_nksk_row *row = malloc(sizeof(*row));
    struct kgr_keyset *key = NULL;
    enum kgr_error err = row == NULL ? KGR_ERR_NO_MEMORY : load_nksk_row(node, row, diag);

    if (err == KGR_OK)
        err = kgr_node_make_nksk(node, &key, row, node->anchor.storage);
    if (err == KGR_OK)
        err = check_custody(node, key, diag);
    if (err == KGR_OK)
        err = kgr_frames_set_keys(&node->frames, KGR_FRAME_NKSK, row->key_id, key, diag);
    if (err != KGR_OK)
        kgr_keyset_free(key);
    free(row);
    return err;
}

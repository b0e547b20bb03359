/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/orders/ac.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/seal/digest.h"
#include "agent/server/protocol/challenge.h"
#include "agent/server/ks.h"
#include "agent/server/store/order_rows.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/sign.h"
#include "agent/tpm/template.h"
#include "agent/wire/body_registration.h"
#include "agent/wire/credential.h"

/* No N_ID: what logs call the AC among nodes. */
#define AC_NAME "(AC)"
/* So many former signing keys are told apart from forgeries. */
#define FORMERS 8

static enum kgr_error set_public(struct kgr_tpm_public *out, struct kgr_slice bytes,
                                 enum kgr_error (*check)(const struct kgr_tpm_public *))
{
    enum kgr_error err = kgr_tpm_public_set(out, bytes);

    return err != KGR_OK ? err : check(out);
}

/* Damage of the file is found by its hash, impostors by the hands that carried it. */
enum kgr_error kgr_ks_ac_read(struct kgr_ks_ac_keys *out, struct kgr_slice file,
                              struct kgr_diag *diag)
{
    struct kgr_identity ac;
    uint8_t hash[KGR_SHA256_LEN];

    if (kgr_identity_decode(&ac, file) != KGR_OK || ac.kind != KGR_IDENTITY_AC)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT,
                            "this is not the identity file of an AC (kgr-ac init makes it)");
    if (kgr_sha256(hash, &ac.covered, 1) != KGR_OK || memcmp(hash, ac.hash, sizeof hash) != 0 ||
        set_public(&out->signing, ac.signing, kgr_tpm_check_signing) != KGR_OK ||
        set_public(&out->storage, ac.storage, kgr_tpm_check_storage) != KGR_OK ||
        set_public(&out->ek, ac.ek, kgr_tpm_check_ek) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the identity file of the AC is damaged");
    return KGR_OK;
}

void kgr_ks_ac_prepare(struct kgr_ks_ac_keys *keys)
{
    kgr_random(keys->key_id, sizeof keys->key_id);
    kgr_random(keys->topic1, sizeof keys->topic1);
    kgr_random(keys->topic2, sizeof keys->topic2);
}

/* The grant is what a reg_chal carries of keys; its nonces and its signature are of no use here. */
static enum kgr_error encode_grant(struct kgr_ks_ac_keys *keys, const struct kgr_ks_challenge *chal)
{
    struct kgr_ac_grant grant;
    struct kgr_reg_chal body;
    struct kgr_wr wr;
    enum kgr_error err = kgr_reg_chal_decode(&body, kgr_slice(chal->body, chal->body_len));

    if (err != KGR_OK)
        return err;
    memcpy(grant.key_id, keys->key_id, sizeof grant.key_id);
    memcpy(grant.topic1, keys->topic1, sizeof grant.topic1);
    memcpy(grant.topic2, keys->topic2, sizeof grant.topic2);
    grant.credential = body.credential;
    grant.secret = body.secret;
    grant.nksk = body.nksk;
    grant.nksksign = body.nksksign;
    kgr_wr_init(&wr, keys->grant, sizeof keys->grant);
    err = kgr_ac_grant_encode(&wr, &grant);
    keys->grant_len = wr.len;
    return err;
}

enum kgr_error kgr_ks_ac_make(struct kgr_ks_ac_keys *keys, const struct kgr_ks_identity *id,
                              struct kgr_tpm *tpm, struct kgr_diag *diag)
{
    bool resident = kgr_tpm_capability(tpm)->can_resident;
    struct kgr_ks_challenge *chal = calloc(1, sizeof *chal);
    enum kgr_error err;

    if (chal == NULL)
        return KGR_ERR_NO_MEMORY;
    chal->labels = &kgr_labels_registration;
    memcpy(chal->nid.s, "AC", sizeof "AC");
    chal->ek = keys->ek;
    chal->storage = keys->storage;
    chal->suite = KGR_SUITE_AES128_SHA256;
    chal->custody = resident ? KGR_WIRE_RESIDENT : KGR_WIRE_MIXED;
    chal->form = resident ? KGR_TPM_BORN : KGR_TPM_KEY;
    chal->own_form = resident ? KGR_TPM_BORN : KGR_TPM_DATA;
    memcpy(chal->topic1, keys->topic1, sizeof chal->topic1);
    memcpy(chal->key_id, keys->key_id, sizeof chal->key_id);
    err = kgr_ks_challenge_make(chal, id, tpm, diag);
    if (err == KGR_OK)
        err = encode_grant(keys, chal);
    keys->nksk = chal->nksk;
    free(chal);
    return err;
}

enum kgr_error kgr_ks_ac_save(struct kgr_db *db, enum kgr_ks_ac_slot slot, struct kgr_slice file,
                              const struct kgr_ks_ac_keys *keys, struct kgr_diag *diag)
{
    const struct kgr_key_blobs *b = &keys->nksk;
    const struct kgr_slice columns[] = {
        file,
        kgr_slice(keys->key_id, sizeof keys->key_id),
        kgr_slice(keys->topic1, sizeof keys->topic1),
        kgr_slice(keys->topic2, sizeof keys->topic2),
        kgr_slice(b->enc.pub.bytes, b->enc.pub.len),
        kgr_slice(b->enc.priv.bytes, b->enc.priv.len),
        kgr_slice(b->mac.pub.bytes, b->mac.pub.len),
        kgr_slice(b->mac.priv.bytes, b->mac.priv.len),
        kgr_slice(keys->grant, keys->grant_len),
    };
    struct kgr_stmt *stmt;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db,
                    "INSERT OR REPLACE INTO ac (slot, file, key_id, topic1, topic2, enc_pub,"
                    " enc_priv, mac_pub, mac_priv, granted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, slot);
    for (size_t i = 0; i < KGR_ARRAY_LEN(columns); i++)
        kgr_stmt_bind_blob(stmt, (int)i + 2, columns[i]);
    return kgr_stmt_run(stmt, diag);
}

static enum kgr_error take(uint8_t *out, size_t cap, size_t *out_len, struct kgr_slice bytes)
{
    if (bytes.len > cap)
        return KGR_ERR_CORRUPT;
    kgr_copy(out, bytes.p, bytes.len);
    *out_len = bytes.len;
    return KGR_OK;
}

enum kgr_error kgr_ks_ac_grant(struct kgr_db *db, uint8_t *out, size_t *out_len,
                               struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "SELECT granted FROM ac WHERE slot = 0", diag);

    if (err == KGR_OK)
        err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step != KGR_STEP_ROW)
        return kgr_diag_set(diag, KGR_ERR_STATE, "this KS has no AC; run: kgr-ks ac replace");
    err = take(out, KGR_AC_GRANT_MAX, out_len, kgr_stmt_blob(stmt, 0));
    kgr_stmt_reset(stmt);
    return err;
}

enum kgr_error kgr_ks_ac_public(struct kgr_db *db, struct kgr_tpm_public *out_storage,
                                struct kgr_tpm_public *out_ek, struct kgr_diag *diag)
{
    struct kgr_ks_ac_keys *keys = malloc(sizeof *keys);
    struct kgr_stmt *stmt;
    enum kgr_step step = KGR_STEP_DONE;
    enum kgr_error err = keys == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_db_stmt(&stmt, db, "SELECT file FROM ac WHERE slot = 0", diag);
    if (err == KGR_OK)
        err = kgr_stmt_step(&step, stmt, diag);
    if (err == KGR_OK && step != KGR_STEP_ROW)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "the database holds no AC");
    if (err == KGR_OK) {
        err = kgr_ks_ac_read(keys, kgr_stmt_blob(stmt, 0), diag);
        kgr_stmt_reset(stmt);
    }
    if (err == KGR_OK) {
        *out_storage = keys->storage;
        *out_ek = keys->ek;
    }
    free(keys);
    return err;
}

static enum kgr_error take_half(uint8_t *out, uint16_t *out_len, size_t cap, struct kgr_stmt *stmt,
                                int column)
{
    size_t len = 0;
    enum kgr_error err = take(out, cap, &len, kgr_stmt_blob(stmt, column));

    *out_len = (uint16_t)len;
    return err;
}

static enum kgr_error take_blob(struct kgr_tpm_blob *out, struct kgr_stmt *stmt, int column)
{
    enum kgr_error err =
        take_half(out->pub.bytes, &out->pub.len, sizeof out->pub.bytes, stmt, column);

    return err != KGR_OK ? err
                         : take_half(out->priv.bytes, &out->priv.len, sizeof out->priv.bytes, stmt,
                                     column + 1);
}

/* The AC passes for a registered node where frames are sent and taken; it is in no list of nodes. */
static enum kgr_error take_row(struct kgr_ks_ac *ac, struct kgr_stmt *stmt, struct kgr_diag *diag)
{
    struct kgr_ks_record *r = &ac->node.r;
    struct kgr_ks_ac_keys *keys = calloc(1, sizeof *keys);
    enum kgr_error err = keys == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_ks_ac_read(keys, kgr_stmt_blob(stmt, 0), diag);
    if (err == KGR_OK)
        err = kgr_stmt_blob_exact(r->nksk_key_id, sizeof r->nksk_key_id, stmt, 1, diag);
    if (err == KGR_OK)
        err = kgr_stmt_blob_exact(r->topic1, sizeof r->topic1, stmt, 2, diag);
    if (err == KGR_OK)
        err = kgr_stmt_blob_exact(r->topic2, sizeof r->topic2, stmt, 3, diag);
    if (err == KGR_OK)
        err = take_blob(&r->nksk.enc, stmt, 4);
    if (err == KGR_OK)
        err = take_blob(&r->nksk.mac, stmt, 6);
    if (err == KGR_OK) {
        ac->signing = keys->signing;
        ac->there = true;
        memcpy(r->nid.s, AC_NAME, sizeof AC_NAME);
        r->has_topics = true;
        r->has_nksk = true;
        ac->node.reg.s.suite = KGR_SUITE_AES128_SHA256;
        ac->node.reg.s.phase = KGR_REGISTRY_REGISTERED;
        ac->node.is_ac = true;
    }
    free(keys);
    return err;
}

static enum kgr_error load_slot(struct kgr_ks *ks, enum kgr_ks_ac_slot slot, struct kgr_diag *diag)
{
    struct kgr_ks_ac *ac = &ks->ac[slot];
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(&stmt, ks->db,
                                     "SELECT file, key_id, topic1, topic2, enc_pub, enc_priv,"
                                     " mac_pub, mac_priv FROM ac WHERE slot = ?",
                                     diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, slot);
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    ac->there = false;
    if (step == KGR_STEP_ROW) {
        err = take_row(ac, stmt, diag);
        kgr_stmt_reset(stmt);
    }
    ac->node.r.has_nksk = ac->there;
    if (err == KGR_OK)
        err = kgr_ks_node_rekey(ks, &ac->node);
    return err == KGR_OK ? err
                         : kgr_diag_set(diag, err, "the database's keys of the AC are damaged");
}

static enum kgr_error listen(struct kgr_ks *ks, const struct kgr_ks_ac *ac)
{
    char topic[KGR_TOPIC_TEXT_LEN + 1];

    if (!ac->there || ks->mqtt == NULL)
        return KGR_OK;
    return kgr_mqtt_subscribe(ks->mqtt, kgr_topic_text(topic, ac->node.r.topic1));
}

enum kgr_error kgr_ks_ac_load(struct kgr_ks *ks, struct kgr_diag *diag)
{
    enum kgr_error err = load_slot(ks, KGR_KS_AC_PRESENT, diag);

    if (err == KGR_OK && !ks->ac[KGR_KS_AC_PRESENT].there)
        return kgr_diag_set(diag, KGR_ERR_STATE, "this KS has no AC; run: kgr-ks ac replace");
    if (err == KGR_OK)
        err = load_slot(ks, KGR_KS_AC_NEXT, diag);
    for (size_t i = 0; i < KGR_ARRAY_LEN(ks->ac) && err == KGR_OK; i++)
        err = listen(ks, &ks->ac[i]);
    return err;
}

/* The present AC's key becomes a former one; the oldest of them is forgotten. */
static enum kgr_error retire(struct kgr_db *db, struct kgr_diag *diag)
{
    enum kgr_error err =
        kgr_db_exec(db, "INSERT INTO ac_former (file) SELECT file FROM ac WHERE slot = 0", diag);
    struct kgr_stmt *stmt;

    if (err == KGR_OK)
        err = kgr_db_stmt(&stmt, db,
                          "DELETE FROM ac_former WHERE id <= (SELECT max(id) FROM ac_former) - ?",
                          diag);
    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_int(stmt, 1, FORMERS);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_ks_ac_replace(struct kgr_db *db, struct kgr_slice file,
                                 const struct kgr_ks_ac_keys *keys, struct kgr_diag *diag)
{
    enum kgr_error err = retire(db, diag);

    if (err == KGR_OK)
        err = kgr_db_exec(db, "DELETE FROM ac", diag);
    if (err == KGR_OK)
        err = kgr_ks_ac_save(db, KGR_KS_AC_PRESENT, file, keys, diag);
    return err != KGR_OK ? err : kgr_ks_orders_reset(db, diag);
}

/* In memory: the key object of the next keys stays, with the numbers that it has counted. */
static void move_next(struct kgr_ks *ks)
{
    struct kgr_ks_ac *present = &ks->ac[KGR_KS_AC_PRESENT], *next = &ks->ac[KGR_KS_AC_NEXT];
    struct kgr_ks_key *old = present->node.nksk;
    char topic[KGR_TOPIC_TEXT_LEN + 1];

    kgr_mqtt_unsubscribe(ks->mqtt, kgr_topic_text(topic, present->node.r.topic1));
    if (old != NULL) {
        kgr_ks_keys_take(&ks->keys, old);
        kgr_ks_key_release(ks, old);
    }
    *present = *next;
    if (present->node.nksk != NULL)
        present->node.nksk->node = &present->node;
    next->there = false;
    next->node.nksk = NULL;
    next->node.r.has_nksk = false;
}

enum kgr_error kgr_ks_ac_promote(struct kgr_ks *ks, struct kgr_diag *diag)
{
    enum kgr_error err = retire(ks->db, diag);

    if (err == KGR_OK)
        err = kgr_ks_window_erase(ks->db, ks->ac[KGR_KS_AC_PRESENT].node.r.nksk_key_id, diag);
    if (err == KGR_OK)
        err = kgr_db_exec(
            ks->db, "DELETE FROM ac WHERE slot = 0; UPDATE ac SET slot = 0 WHERE slot = 1", diag);
    if (err == KGR_OK)
        err = kgr_ks_ac_public(ks->db, &ks->id.ac_storage, &ks->id.ac_ek, diag);
    if (err != KGR_OK)
        return err;
    move_next(ks);
    ks->erased = true;
    kgr_info("ac", "state=\"new keys in use; the old ones are obeyed no more\"");
    return KGR_OK;
}

static bool signed_by(const struct kgr_tpm_public *pub, const struct kgr_order *order)
{
    const struct kgr_slice parts[] = {
        kgr_slice(KGR_LABEL_ORDER, strlen(KGR_LABEL_ORDER)),
        order->covered,
    };
    uint8_t digest[KGR_DIGEST_LEN];

    return kgr_sha256(digest, parts, KGR_ARRAY_LEN(parts)) == KGR_OK &&
           kgr_tpm_verify(pub, digest, order->signature) == KGR_OK;
}

static bool is_former(struct kgr_ks *ks, const struct kgr_order *order)
{
    struct kgr_ks_ac_keys *keys = malloc(sizeof *keys);
    struct kgr_stmt *stmt;
    enum kgr_step step;
    bool found = false;
    enum kgr_error err = keys == NULL ? KGR_ERR_NO_MEMORY : KGR_OK;

    if (err == KGR_OK)
        err = kgr_db_stmt(&stmt, ks->db, "SELECT file FROM ac_former", NULL);
    if (err == KGR_OK) {
        while (!found && kgr_stmt_step(&step, stmt, NULL) == KGR_OK && step == KGR_STEP_ROW)
            found = kgr_ks_ac_read(keys, kgr_stmt_blob(stmt, 0), NULL) == KGR_OK &&
                    signed_by(&keys->signing, order);
        kgr_stmt_reset(stmt);
    }
    free(keys);
    return found;
}

enum kgr_orders_reason kgr_ks_ac_signer(struct kgr_ks *ks, enum kgr_ks_ac_slot *out_slot,
                                        const struct kgr_order *order)
{
    for (*out_slot = KGR_KS_AC_PRESENT; *out_slot <= KGR_KS_AC_NEXT; (*out_slot)++)
        if (ks->ac[*out_slot].there && signed_by(&ks->ac[*out_slot].signing, order))
            return KGR_ORDERS_FINE;
    return is_former(ks, order) ? KGR_ORDERS_FORMER_KEY : KGR_ORDERS_FORGED;
}

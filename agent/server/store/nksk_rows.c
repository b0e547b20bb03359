/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/store/nksk_rows.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                    \
    "nid, born, wanted, phase, xid, request, sequence, with_storage, suites, custodies, suite,"    \
    " custody, nonce_ks, proof, topic1, topic2, storage, key_id, enc_pub, enc_priv, mac_pub,"      \
    " mac_priv"

enum column {
    NID,
    BORN,
    WANTED,
    PHASE,
    XID,
    REQUEST,
    SEQUENCE,
    WITH_STORAGE,
    SUITES,
    CUSTODIES,
    SUITE,
    CUSTODY,
    NONCE_KS,
    PROOF,
    TOPIC1,
    TOPIC2,
    STORAGE,
    KEY_ID,
    ENC_PUB,
    ENC_PRIV,
    MAC_PUB,
    MAC_PRIV,
    BODY
};

static void bind_if(struct kgr_stmt *stmt, enum column column, bool there, const void *p,
                    size_t len)
{
    kgr_stmt_bind_blob_if(stmt, (int)column + 1, there, kgr_slice(p, len));
}

static void bind_int(struct kgr_stmt *stmt, enum column column, uint64_t value)
{
    kgr_stmt_bind_int(stmt, (int)column + 1, (int64_t)value);
}

static void bind_row(struct kgr_stmt *stmt, const struct kgr_ks_nksk_row *row)
{
    const struct kgr_ks_nksk_state *s = &row->state;
    const struct kgr_ks_nksk_request *r = &s->request;
    bool any = s->phase != KGR_KS_NKSK_QUIET;
    bool next = s->phase == KGR_KS_NKSK_CHALLENGED;

    kgr_stmt_bind_text(stmt, NID + 1, row->nid.s);
    bind_int(stmt, BORN, row->born_s);
    bind_int(stmt, WANTED, row->wanted);
    bind_int(stmt, PHASE, (uint64_t)s->phase);
    bind_if(stmt, XID, any, r->xid, sizeof r->xid);
    bind_if(stmt, REQUEST, any, r->hash, sizeof r->hash);
    bind_int(stmt, SEQUENCE, r->sequence);
    bind_int(stmt, WITH_STORAGE, r->storage ? 1 : 0);
    bind_int(stmt, SUITES, r->suites);
    bind_int(stmt, CUSTODIES, r->custodies);
    bind_int(stmt, SUITE, r->suite);
    bind_int(stmt, CUSTODY, r->custody);
    bind_if(stmt, NONCE_KS, any, s->nonce_ks, sizeof s->nonce_ks);
    bind_if(stmt, PROOF, any, s->proof, sizeof s->proof);
    bind_if(stmt, TOPIC1, next, row->topic1, sizeof row->topic1);
    bind_if(stmt, TOPIC2, next, row->topic2, sizeof row->topic2);
    bind_if(stmt, STORAGE, next && row->storage.len != 0, row->storage.bytes, row->storage.len);
    bind_if(stmt, KEY_ID, next, row->key_id, sizeof row->key_id);
    bind_if(stmt, ENC_PUB, next, row->blobs.enc.pub.bytes, row->blobs.enc.pub.len);
    bind_if(stmt, ENC_PRIV, next, row->blobs.enc.priv.bytes, row->blobs.enc.priv.len);
    bind_if(stmt, MAC_PUB, next, row->blobs.mac.pub.bytes, row->blobs.mac.pub.len);
    bind_if(stmt, MAC_PRIV, next, row->blobs.mac.priv.bytes, row->blobs.mac.priv.len);
}

enum kgr_error kgr_ks_nksk_save(struct kgr_db *db, const struct kgr_ks_nksk_row *row,
                                const struct kgr_slice *body, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db,
        "INSERT INTO nksks (" COLUMNS ", body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (nid) DO UPDATE SET born = excluded.born, wanted = excluded.wanted,"
        " phase = excluded.phase, xid = excluded.xid, request = excluded.request,"
        " sequence = excluded.sequence, with_storage = excluded.with_storage,"
        " suites = excluded.suites, custodies = excluded.custodies, suite = excluded.suite,"
        " custody = excluded.custody, nonce_ks = excluded.nonce_ks, proof = excluded.proof,"
        " topic1 = excluded.topic1, topic2 = excluded.topic2, storage = excluded.storage,"
        " key_id = excluded.key_id, enc_pub = excluded.enc_pub, enc_priv = excluded.enc_priv,"
        " mac_pub = excluded.mac_pub, mac_priv = excluded.mac_priv,"
        " body = coalesce(excluded.body, body)",
        diag);

    if (err != KGR_OK)
        return err;
    bind_row(stmt, row);
    bind_if(stmt, BODY, body != NULL, body != NULL ? body->p : NULL, body != NULL ? body->len : 0);
    return kgr_stmt_run(stmt, diag);
}

/* read_upto reads a column of at most max bytes; false, without an error, when it is NULL. */
static bool read_upto(struct kgr_stmt *stmt, enum column column, uint8_t *out, uint16_t *out_len,
                      size_t max, enum kgr_error *err, struct kgr_diag *diag)
{
    struct kgr_slice blob;

    if (*err != KGR_OK || kgr_stmt_is_null(stmt, (int)column))
        return false;
    blob = kgr_stmt_blob(stmt, (int)column);
    if (blob.len == 0 || blob.len > max) {
        *err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "a row of the table of NKSKs is damaged");
        return false;
    }
    kgr_copy(out, blob.p, blob.len);
    *out_len = (uint16_t)blob.len;
    return true;
}

static void read_numbers(struct kgr_stmt *stmt, struct kgr_ks_nksk_row *out)
{
    struct kgr_ks_nksk_request *r = &out->state.request;

    out->born_s = (uint64_t)kgr_stmt_int(stmt, BORN);
    out->wanted = (uint8_t)kgr_stmt_int(stmt, WANTED);
    r->sequence = (uint64_t)kgr_stmt_int(stmt, SEQUENCE);
    r->storage = kgr_stmt_int(stmt, WITH_STORAGE) != 0;
    r->suites = (uint8_t)kgr_stmt_int(stmt, SUITES);
    r->custodies = (uint8_t)kgr_stmt_int(stmt, CUSTODIES);
    r->suite = (uint8_t)kgr_stmt_int(stmt, SUITE);
    r->custody = (uint8_t)kgr_stmt_int(stmt, CUSTODY);
}

static enum kgr_error read_state(struct kgr_stmt *stmt, struct kgr_ks_nksk_row *out,
                                 struct kgr_diag *diag)
{
    struct kgr_ks_nksk_state *s = &out->state;
    const struct {
        enum column column;
        void *out;
        size_t len;
    } fields[] = {
        {XID, s->request.xid, sizeof s->request.xid},
        {REQUEST, s->request.hash, sizeof s->request.hash},
        {NONCE_KS, s->nonce_ks, sizeof s->nonce_ks},
        {PROOF, s->proof, sizeof s->proof},
        /* of CHALLENGED only */
        {TOPIC1, out->topic1, sizeof out->topic1},
        {TOPIC2, out->topic2, sizeof out->topic2},
        {KEY_ID, out->key_id, sizeof out->key_id},
    };
    size_t num = s->phase == KGR_KS_NKSK_QUIET ? 0 : s->phase == KGR_KS_NKSK_DONE ? 4 : 7;
    enum kgr_error err = KGR_OK;

    for (size_t i = 0; i < num && err == KGR_OK; i++)
        err = kgr_stmt_blob_exact(fields[i].out, fields[i].len, stmt, (int)fields[i].column, diag);
    return err;
}

static enum kgr_error read_blobs(struct kgr_stmt *stmt, struct kgr_ks_nksk_row *out,
                                 struct kgr_diag *diag)
{
    struct kgr_tpm_blob *enc = &out->blobs.enc, *mac = &out->blobs.mac;
    enum kgr_error err = KGR_OK;
    bool whole = read_upto(stmt, ENC_PUB, enc->pub.bytes, &enc->pub.len, sizeof enc->pub.bytes,
                           &err, diag) &&
                 read_upto(stmt, ENC_PRIV, enc->priv.bytes, &enc->priv.len, sizeof enc->priv.bytes,
                           &err, diag) &&
                 read_upto(stmt, MAC_PUB, mac->pub.bytes, &mac->pub.len, sizeof mac->pub.bytes,
                           &err, diag) &&
                 read_upto(stmt, MAC_PRIV, mac->priv.bytes, &mac->priv.len, sizeof mac->priv.bytes,
                           &err, diag);

    if (!whole)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "a row of the table of NKSKs is damaged");
    (void)read_upto(stmt, STORAGE, out->storage.bytes, &out->storage.len, sizeof out->storage.bytes,
                    &err, diag);
    return err;
}

enum kgr_error kgr_ks_nksk_load(struct kgr_db *db, struct kgr_ks_nksk_row *out,
                                const struct kgr_nid *nid, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    int64_t phase;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db, "SELECT " COLUMNS " FROM nksks WHERE nid = ?", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, nid->s);
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step == KGR_STEP_DONE)
        return KGR_ERR_NO_KEY;
    memset(out, 0, sizeof *out);
    out->nid = *nid;
    phase = kgr_stmt_int(stmt, PHASE);
    if (phase < KGR_KS_NKSK_QUIET || phase > KGR_KS_NKSK_DONE)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "a row of the table of NKSKs is damaged");
    if (err == KGR_OK) {
        out->state.phase = (enum kgr_ks_nksk_phase)phase;
        read_numbers(stmt, out);
        err = read_state(stmt, out, diag);
    }
    if (err == KGR_OK && out->state.phase == KGR_KS_NKSK_CHALLENGED)
        err = read_blobs(stmt, out, diag);
    kgr_stmt_reset(stmt);
    return err;
}

enum kgr_error kgr_ks_nksk_erase(struct kgr_db *db, const struct kgr_nid *nid,
                                 struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "DELETE FROM nksks WHERE nid = ?", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, nid->s);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_ks_nksk_body(struct kgr_db *db, const struct kgr_nid *nid, uint8_t **out,
                                size_t *out_len, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    struct kgr_slice body;
    uint8_t *copy;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "SELECT body FROM nksks WHERE nid = ?", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, nid->s);
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step == KGR_STEP_DONE)
        return KGR_ERR_NO_KEY;
    body = kgr_stmt_blob(stmt, 0);
    copy = body.len == 0 ? NULL : malloc(body.len);
    if (copy == NULL) {
        err = body.len == 0 ? KGR_ERR_NO_KEY : KGR_ERR_NO_MEMORY;
    } else {
        kgr_copy(copy, body.p, body.len);
        *out = copy;
        *out_len = body.len;
    }
    kgr_stmt_reset(stmt);
    return err;
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/store/nodes.h"

#include "agent/tpm/template.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                    \
    "nid, phase, added, heard, expires, suites, custodies, ek_hash, pinned, proven, ek, storage, " \
    "topic1, "                                                                                     \
    "topic2,"                                                                                      \
    " ntag_key_id, ntag_pub, ntag_priv, topic0, xid, request, nonce_ks, proof, suite, custody,"    \
    " nksk_key_id, enc_pub, enc_priv, mac_pub, mac_priv"

enum column {
    NID,
    PHASE,
    ADDED,
    HEARD,
    EXPIRES,
    SUITES,
    CUSTODIES,
    EK_HASH,
    PINNED,
    PROVEN,
    EK,
    STORAGE,
    TOPIC1,
    TOPIC2,
    NTAG_KEY_ID,
    NTAG_PUB,
    NTAG_PRIV,
    TOPIC0,
    XID,
    REQUEST,
    NONCE_KS,
    PROOF,
    SUITE,
    CUSTODY,
    NKSK_KEY_ID,
    ENC_PUB,
    ENC_PRIV,
    MAC_PUB,
    MAC_PRIV,
    NUM_COLUMNS
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

static void bind_blob(struct kgr_stmt *stmt, enum column pub, enum column priv, bool there,
                      const struct kgr_tpm_blob *blob)
{
    bind_if(stmt, pub, there, blob->pub.bytes, blob->pub.len);
    bind_if(stmt, priv, there, blob->priv.bytes, blob->priv.len);
}

static void bind_record(struct kgr_stmt *stmt, const struct kgr_ks_record *r)
{
    const struct kgr_registry_state *reg = &r->reg;

    kgr_stmt_bind_text(stmt, NID + 1, r->nid.s);
    bind_int(stmt, PHASE, (uint64_t)reg->phase);
    bind_int(stmt, ADDED, r->added_s);
    bind_int(stmt, HEARD, r->heard_s);
    bind_int(stmt, EXPIRES, reg->expires_s);
    bind_int(stmt, SUITES, r->suites);
    bind_int(stmt, CUSTODIES, r->custodies);
    bind_if(stmt, EK_HASH, reg->has_ek_hash, reg->ek_hash, sizeof reg->ek_hash);
    bind_int(stmt, PINNED, reg->pinned);
    bind_int(stmt, PROVEN, reg->proven);
    bind_if(stmt, EK, reg->bound, r->ek.bytes, r->ek.len);
    bind_if(stmt, STORAGE, reg->bound, r->storage.bytes, r->storage.len);
    bind_if(stmt, TOPIC1, r->has_topics, r->topic1, sizeof r->topic1);
    bind_if(stmt, TOPIC2, r->has_topics, r->topic2, sizeof r->topic2);
    bind_if(stmt, NTAG_KEY_ID, r->has_ntag, r->ntag_key_id, sizeof r->ntag_key_id);
    bind_blob(stmt, NTAG_PUB, NTAG_PRIV, r->has_ntag, &r->ntag);
    bind_if(stmt, TOPIC0, r->has_ntag, r->topic0, sizeof r->topic0);
    bind_if(stmt, XID, reg->bound, reg->xid, sizeof reg->xid);
    bind_if(stmt, REQUEST, reg->bound, reg->request, sizeof reg->request);
    bind_if(stmt, NONCE_KS, r->has_nksk, reg->nonce_ks, sizeof reg->nonce_ks);
    bind_if(stmt, PROOF, r->has_nksk, reg->proof, sizeof reg->proof);
    bind_int(stmt, SUITE, reg->suite);
    bind_int(stmt, CUSTODY, reg->custody);
    bind_if(stmt, NKSK_KEY_ID, r->has_nksk, r->nksk_key_id, sizeof r->nksk_key_id);
    bind_blob(stmt, ENC_PUB, ENC_PRIV, r->has_nksk, &r->nksk.enc);
    bind_blob(stmt, MAC_PUB, MAC_PRIV, r->has_nksk, &r->nksk.mac);
}

/* An upsert, not a replacement: the column chal has a life of its own. */
enum kgr_error kgr_ks_nodes_save(struct kgr_db *db, const struct kgr_ks_record *record,
                                 struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db,
        "INSERT INTO nodes (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (nid) DO UPDATE SET"
        " phase = excluded.phase, added = excluded.added, heard = excluded.heard,"
        " expires = excluded.expires, suites = excluded.suites,"
        " custodies = excluded.custodies, ek_hash = excluded.ek_hash, pinned = excluded.pinned,"
        " proven = excluded.proven, ek = excluded.ek,"
        " storage = excluded.storage, topic1 = excluded.topic1, topic2 = excluded.topic2,"
        " ntag_key_id = excluded.ntag_key_id, ntag_pub = excluded.ntag_pub,"
        " ntag_priv = excluded.ntag_priv, topic0 = excluded.topic0, xid = excluded.xid, request = "
        "excluded.request,"
        " nonce_ks = excluded.nonce_ks, proof = excluded.proof, suite = excluded.suite,"
        " custody = excluded.custody, nksk_key_id = excluded.nksk_key_id,"
        " enc_pub = excluded.enc_pub, enc_priv = excluded.enc_priv,"
        " mac_pub = excluded.mac_pub, mac_priv = excluded.mac_priv",
        diag);

    if (err != KGR_OK)
        return err;
    bind_record(stmt, record);
    return kgr_stmt_run(stmt, diag);
}

struct row {
    struct kgr_stmt *stmt;
    struct kgr_diag *diag;
    enum kgr_error err;
};

/* read_exact reads a column of that length; false, without an error, when it is NULL. */
static bool read_exact(struct row *row, enum column column, void *out, size_t len)
{
    if (row->err != KGR_OK || kgr_stmt_is_null(row->stmt, (int)column))
        return false;
    row->err = kgr_stmt_blob_exact(out, len, row->stmt, (int)column, row->diag);
    return row->err == KGR_OK;
}

static bool read_upto(struct row *row, enum column column, uint8_t *out, uint16_t *out_len,
                      size_t max)
{
    if (row->err != KGR_OK || kgr_stmt_is_null(row->stmt, (int)column))
        return false;
    struct kgr_slice blob = kgr_stmt_blob(row->stmt, (int)column);
    if (blob.len == 0 || blob.len > max) {
        row->err =
            kgr_diag_set(row->diag, KGR_ERR_CORRUPT, "a row of the table of nodes is damaged");
        return false;
    }
    kgr_copy(out, blob.p, blob.len);
    *out_len = (uint16_t)blob.len;
    return true;
}

static bool read_blob(struct row *row, enum column pub, enum column priv, struct kgr_tpm_blob *out)
{
    return read_upto(row, pub, out->pub.bytes, &out->pub.len, sizeof out->pub.bytes) &&
           read_upto(row, priv, out->priv.bytes, &out->priv.len, sizeof out->priv.bytes);
}

static void read_numbers(struct kgr_stmt *stmt, struct kgr_ks_record *out)
{
    int64_t phase = kgr_stmt_int(stmt, PHASE);

    out->reg.phase = (enum kgr_registry_phase)phase;
    out->added_s = (uint64_t)kgr_stmt_int(stmt, ADDED);
    out->heard_s = (uint64_t)kgr_stmt_int(stmt, HEARD);
    out->reg.expires_s = (uint64_t)kgr_stmt_int(stmt, EXPIRES);
    out->suites = (uint8_t)kgr_stmt_int(stmt, SUITES);
    out->custodies = (uint8_t)kgr_stmt_int(stmt, CUSTODIES);
    out->reg.suite = (uint8_t)kgr_stmt_int(stmt, SUITE);
    out->reg.custody = (uint8_t)kgr_stmt_int(stmt, CUSTODY);
    out->reg.pinned = kgr_stmt_int(stmt, PINNED) != 0;
    out->reg.proven = kgr_stmt_int(stmt, PROVEN) != 0;
}

static enum kgr_error read_record(struct kgr_stmt *stmt, struct kgr_ks_record *out,
                                  struct kgr_diag *diag)
{
    struct row row = {stmt, diag, KGR_OK};
    struct kgr_registry_state *reg = &out->reg;
    const char *nid = kgr_stmt_text(stmt, NID);

    memset(out, 0, sizeof *out);
    if (nid == NULL || kgr_nid_set(&out->nid, nid, strlen(nid)) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "a row of the table of nodes has no N_ID");
    read_numbers(stmt, out);
    reg->has_ek_hash = read_exact(&row, EK_HASH, reg->ek_hash, sizeof reg->ek_hash);
    reg->bound = read_upto(&row, EK, out->ek.bytes, &out->ek.len, sizeof out->ek.bytes) &&
                 read_upto(&row, STORAGE, out->storage.bytes, &out->storage.len,
                           sizeof out->storage.bytes) &&
                 read_exact(&row, XID, reg->xid, sizeof reg->xid) &&
                 read_exact(&row, REQUEST, reg->request, sizeof reg->request);
    if (reg->bound) {
        row.err = kgr_tpm_public_hash(reg->ek, &out->ek);
        if (row.err == KGR_OK)
            row.err = kgr_tpm_public_hash(reg->storage, &out->storage);
    }
    out->has_topics = read_exact(&row, TOPIC1, out->topic1, sizeof out->topic1) &&
                      read_exact(&row, TOPIC2, out->topic2, sizeof out->topic2);
    out->has_ntag = read_exact(&row, NTAG_KEY_ID, out->ntag_key_id, sizeof out->ntag_key_id) &&
                    read_blob(&row, NTAG_PUB, NTAG_PRIV, &out->ntag) &&
                    read_exact(&row, TOPIC0, out->topic0, sizeof out->topic0);
    out->has_nksk = read_exact(&row, NKSK_KEY_ID, out->nksk_key_id, sizeof out->nksk_key_id) &&
                    read_exact(&row, NONCE_KS, reg->nonce_ks, sizeof reg->nonce_ks) &&
                    read_exact(&row, PROOF, reg->proof, sizeof reg->proof) &&
                    read_blob(&row, ENC_PUB, ENC_PRIV, &out->nksk.enc) &&
                    read_blob(&row, MAC_PUB, MAC_PRIV, &out->nksk.mac);
    return row.err;
}

enum kgr_error kgr_ks_nodes_each(struct kgr_db *db, kgr_ks_nodes_fn *fn, void *arg,
                                 struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "SELECT " COLUMNS " FROM nodes ORDER BY nid", diag);
    struct kgr_ks_record *record;

    if (err != KGR_OK)
        return err;
    record = malloc(sizeof *record);
    if (record == NULL)
        return KGR_ERR_NO_MEMORY;
    while ((err = kgr_stmt_step(&step, stmt, diag)) == KGR_OK && step == KGR_STEP_ROW) {
        err = read_record(stmt, record, diag);
        if (err == KGR_OK)
            err = fn(arg, record);
        if (err != KGR_OK)
            break;
    }
    kgr_stmt_reset(stmt);
    free(record);
    return err;
}

enum kgr_error kgr_ks_chal_save(struct kgr_db *db, const struct kgr_nid *nid, struct kgr_slice body,
                                struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "UPDATE nodes SET chal = ? WHERE nid = ?", diag);

    if (err != KGR_OK)
        return err;
    if (body.len > 0)
        kgr_stmt_bind_blob(stmt, 1, body);
    else
        kgr_stmt_bind_null(stmt, 1);
    kgr_stmt_bind_text(stmt, 2, nid->s);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_ks_chal_load(struct kgr_db *db, const struct kgr_nid *nid, uint8_t **out,
                                size_t *out_len, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "SELECT chal FROM nodes WHERE nid = ?", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, nid->s);
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step == KGR_STEP_DONE)
        return KGR_ERR_NO_KEY;
    struct kgr_slice body = kgr_stmt_blob(stmt, 0);
    uint8_t *copy = body.len == 0 ? NULL : malloc(body.len);
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

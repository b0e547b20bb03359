/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/store/store.h"

#include "agent/node/machines/exchange_state.h"
#include "agent/node/store/store_blobs.h"

#include <stdlib.h>
#include <string.h>

enum kgr_error kgr_generation_insert(struct kgr_db *db, const struct kgr_generation_row *row,
                                     struct kgr_diag *diag)
{
    uint8_t offer[KGR_STATE_BYTES_MAX];
    struct kgr_wr wr;
    struct kgr_stmt *stmt;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db,
                    "INSERT INTO generations (peer, place, generation, offer, enc_public,"
                    " enc_private, mac_public, mac_private, send_ceiling, recv_ceiling,"
                    " blocks) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                    diag);

    if (err != KGR_OK)
        return err;
    kgr_wr_init(&wr, offer, sizeof(offer));
    kgr_exchange_offer_encode(&wr, &row->offer);
    kgr_stmt_bind_text(stmt, 1, row->peer.s);
    kgr_stmt_bind_int(stmt, 2, (int64_t)row->place);
    kgr_stmt_bind_int(stmt, 3, (int64_t)row->offer.generation);
    kgr_stmt_bind_blob(stmt, 4, kgr_wr_slice(&wr));
    kgr_store_bind_blobs(stmt, 5, &row->blobs);
    kgr_stmt_bind_int(stmt, 9, (int64_t)row->send_ceiling);
    kgr_stmt_bind_int(stmt, 10, (int64_t)row->recv_ceiling);
    kgr_stmt_bind_int(stmt, 11, (int64_t)row->blocks);
    return kgr_stmt_run(stmt, diag);
}

static enum kgr_error move(struct kgr_db *db, const struct kgr_nid *peer, enum kgr_ring_place from,
                           enum kgr_ring_place to, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db, "UPDATE generations SET place = ?3 WHERE peer = ?1 AND place = ?2", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, peer->s);
    kgr_stmt_bind_int(stmt, 2, (int64_t)from);
    kgr_stmt_bind_int(stmt, 3, (int64_t)to);
    return kgr_stmt_run(stmt, diag);
}

static enum kgr_error set_offer(struct kgr_db *db, const struct kgr_nid *peer,
                                const struct kgr_exchange_offer *offer, struct kgr_diag *diag)
{
    uint8_t bytes[KGR_STATE_BYTES_MAX];
    struct kgr_wr wr;
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db, "UPDATE generations SET offer = ?3 WHERE peer = ?1 AND generation = ?2", diag);

    if (err != KGR_OK)
        return err;
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    kgr_exchange_offer_encode(&wr, offer);
    kgr_stmt_bind_text(stmt, 1, peer->s);
    kgr_stmt_bind_int(stmt, 2, (int64_t)offer->generation);
    kgr_stmt_bind_blob(stmt, 3, kgr_wr_slice(&wr));
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_generation_promote(struct kgr_db *db, const struct kgr_nid *peer,
                                      const struct kgr_exchange_offer *offer, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_generation_erase(db, peer, KGR_RING_PREVIOUS, diag);

    if (err == KGR_OK)
        err = move(db, peer, KGR_RING_CURRENT, KGR_RING_PREVIOUS, diag);
    if (err == KGR_OK)
        err = move(db, peer, KGR_RING_CANDIDATE, KGR_RING_CURRENT, diag);
    if (err == KGR_OK && kgr_db_changes(db) != 1)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: no candidate for %s", peer->s);
    if (err == KGR_OK)
        err = set_offer(db, peer, offer, diag);
    return err;
}

enum kgr_error kgr_generation_erase(struct kgr_db *db, const struct kgr_nid *peer,
                                    enum kgr_ring_place place, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db, "DELETE FROM generations WHERE peer = ?1 AND place = ?2", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, peer->s);
    kgr_stmt_bind_int(stmt, 2, (int64_t)place);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_generation_erase_to(struct kgr_db *db, const struct kgr_nid *peer,
                                       uint64_t generation, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db, "DELETE FROM generations WHERE peer = ?1 AND generation <= ?2", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, peer->s);
    kgr_stmt_bind_int(stmt, 2, generation < INT64_MAX ? (int64_t)generation : INT64_MAX);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_generation_ceilings(struct kgr_db *db, const struct kgr_nid *peer,
                                       uint64_t generation, uint64_t send_ceiling,
                                       uint64_t recv_ceiling, const uint64_t *seen,
                                       struct kgr_diag *diag)
{
    uint8_t bytes[KGR_RECORD_WINDOW / 8];
    struct kgr_wr wr;
    struct kgr_stmt *stmt;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db,
                    "UPDATE generations SET send_ceiling = ?3, recv_ceiling = ?4, seen = ?5"
                    " WHERE peer = ?1 AND generation = ?2",
                    diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, peer->s);
    kgr_stmt_bind_int(stmt, 2, (int64_t)generation);
    kgr_stmt_bind_int(stmt, 3, (int64_t)send_ceiling);
    kgr_stmt_bind_int(stmt, 4, (int64_t)recv_ceiling);
    if (seen == NULL) {
        kgr_stmt_bind_null(stmt, 5);
    } else {
        kgr_wr_init(&wr, bytes, sizeof(bytes));
        for (size_t i = 0; i < KGR_RECORD_WINDOW / 64; i++)
            kgr_wr_u64(&wr, seen[i]);
        kgr_stmt_bind_blob(stmt, 5, kgr_wr_slice(&wr));
    }
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_generation_blocks(struct kgr_db *db, const struct kgr_nid *peer,
                                     uint64_t generation, uint64_t blocks, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db, "UPDATE generations SET blocks = ?3 WHERE peer = ?1 AND generation = ?2", diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_text(stmt, 1, peer->s);
    kgr_stmt_bind_int(stmt, 2, (int64_t)generation);
    kgr_stmt_bind_int(stmt, 3, (int64_t)blocks);
    return kgr_stmt_run(stmt, diag);
}

static enum kgr_error read_seen(struct kgr_stmt *stmt, int column, struct kgr_generation_row *out,
                                struct kgr_diag *diag)
{
    uint8_t bytes[KGR_RECORD_WINDOW / 8];
    struct kgr_rd rd;
    enum kgr_error err;

    out->has_seen = !kgr_stmt_is_null(stmt, column);
    if (!out->has_seen)
        return KGR_OK;
    err = kgr_stmt_blob_exact(bytes, sizeof(bytes), stmt, column, diag);
    if (err != KGR_OK)
        return err;
    kgr_rd_init(&rd, bytes, sizeof(bytes));
    for (size_t i = 0; i < KGR_RECORD_WINDOW / 64; i++)
        out->seen[i] = kgr_rd_u64(&rd);
    return KGR_OK;
}

static enum kgr_error read_row(struct kgr_stmt *stmt, struct kgr_generation_row *out,
                               struct kgr_diag *diag)
{
    int64_t place = kgr_stmt_int(stmt, 1);
    enum kgr_error err = kgr_store_read_nid(stmt, 0, &out->peer, diag);

    if (err != KGR_OK)
        return err;
    if (place < 0 || place >= KGR_RING_NUM_PLACES ||
        kgr_exchange_offer_decode(&out->offer, kgr_stmt_blob(stmt, 3)) != KGR_OK ||
        out->offer.generation == 0 || out->offer.generation != (uint64_t)kgr_stmt_int(stmt, 2))
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "state database: a key of %s is damaged",
                            out->peer.s);
    out->place = (enum kgr_ring_place)place;
    out->send_ceiling = (uint64_t)kgr_stmt_int(stmt, 8);
    out->recv_ceiling = (uint64_t)kgr_stmt_int(stmt, 9);
    out->blocks = (uint64_t)kgr_stmt_int(stmt, 11);
    err = kgr_store_read_blobs(stmt, 4, &out->blobs, diag);
    if (err == KGR_OK)
        err = read_seen(stmt, 10, out, diag);
    return err;
}

enum kgr_error kgr_generation_each(struct kgr_db *db,
                                   enum kgr_error (*fn)(void *arg,
                                                        const struct kgr_generation_row *row,
                                                        struct kgr_diag *diag),
                                   void *arg, struct kgr_diag *diag)
{
    struct kgr_generation_row *row = malloc(sizeof(*row));
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err;

    if (row == NULL)
        return KGR_ERR_NO_MEMORY;
    /* The candidate is place 0, and comes last. */
    err = kgr_db_stmt(&stmt, db,
                      "SELECT peer, place, generation, offer, enc_public, enc_private, mac_public,"
                      " mac_private, send_ceiling, recv_ceiling, seen, blocks"
                      " FROM generations ORDER BY peer, place = 0, place",
                      diag);
    while (err == KGR_OK) {
        err = kgr_stmt_step(&step, stmt, diag);
        if (err != KGR_OK || step == KGR_STEP_DONE)
            break;
        memset(row, 0, sizeof(*row));
        err = read_row(stmt, row, diag);
        if (err == KGR_OK)
            err = fn(arg, row, diag);
        if (err != KGR_OK)
            kgr_stmt_reset(stmt);
    }
    free(row);
    return err;
}

enum kgr_error kgr_generation_forget_seen(struct kgr_db *db, struct kgr_diag *diag)
{
    return kgr_db_exec(db, "UPDATE generations SET seen = NULL WHERE seen IS NOT NULL", diag);
}

enum kgr_error kgr_generation_erase_all(struct kgr_db *db, struct kgr_diag *diag)
{
    return kgr_db_exec(db, "DELETE FROM generations", diag);
}

enum kgr_error kgr_node_store_drop_pairs(struct kgr_db *db, struct kgr_diag *diag)
{
    return kgr_db_exec(db, "DELETE FROM generations; DELETE FROM pairs", diag);
}

enum kgr_error kgr_node_store_drop_all(struct kgr_db *db, struct kgr_diag *diag)
{
    return kgr_db_exec(db,
                       "DELETE FROM generations; DELETE FROM pairs; DELETE FROM nksk;"
                       " DELETE FROM windows; DELETE FROM meta WHERE name NOT IN ("
                       "'" KGR_META_NODE "', '" KGR_META_REVOKED "', '" KGR_META_STORAGE_HANDLE
                       "', '" KGR_META_STORAGE_PUBLIC "', '" KGR_META_AUDIT_PUBLIC "')",
                       diag);
}

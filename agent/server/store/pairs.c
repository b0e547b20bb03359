/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/store/pairs.h"

#include <stdlib.h>
#include <string.h>

/* Column allowed; below 0: the AC never named the pair. */
enum { DENIED = 0, ALLOWED = 1, REVOKED = 2 };

static void bind_nids(struct kgr_stmt *stmt, const struct kgr_nid nids[2])
{
    kgr_stmt_bind_text(stmt, 1, nids[0].s);
    kgr_stmt_bind_text(stmt, 2, nids[1].s);
}

static enum kgr_error read_nid(struct kgr_stmt *stmt, int column, struct kgr_nid *out,
                               struct kgr_diag *diag)
{
    const char *text = kgr_stmt_text(stmt, column);

    if (text == NULL || kgr_nid_set(out, text, strlen(text)) != KGR_OK)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "a row of the table of pairs has no N_ID");
    return KGR_OK;
}

/* One exchange: columns from `slot` on, in the order of the statement below. */
static enum kgr_error read_exchange(struct kgr_stmt *stmt, struct kgr_coordinator_state *out,
                                    struct kgr_diag *diag)
{
    int64_t slot = kgr_stmt_int(stmt, 0), phase = kgr_stmt_int(stmt, 1);
    struct kgr_coordinator_row row = {
        .phase = (enum kgr_coordinator_phase)phase,
        .requester = (uint8_t)kgr_stmt_int(stmt, 2),
        .generation = (uint64_t)kgr_stmt_int(stmt, 3),
        .suite = (uint8_t)kgr_stmt_int(stmt, 4),
        .custody = (uint8_t)kgr_stmt_int(stmt, 5),
        .reason = (uint8_t)kgr_stmt_int(stmt, 6),
        .begun_s = (uint64_t)kgr_stmt_int(stmt, 7),
        .lifetime_s = (uint32_t)kgr_stmt_int(stmt, 8),
        .request_sequence = (uint64_t)kgr_stmt_int(stmt, 9),
    };
    const struct {
        void *p;
        size_t len;
    } blobs[] = {
        {row.xid[0], sizeof row.xid[0]}, {row.xid[1], sizeof row.xid[1]},
        {row.pxid, sizeof row.pxid},     {row.iv, sizeof row.iv},
        {row.topic3, sizeof row.topic3}, {row.topic4, sizeof row.topic4},
        {row.kc[0], sizeof row.kc[0]},   {row.kc[1], sizeof row.kc[1]},
    };

    for (size_t i = 0; i < KGR_ARRAY_LEN(blobs); i++) {
        enum kgr_error err = kgr_stmt_blob_exact(blobs[i].p, blobs[i].len, stmt, 10 + (int)i, diag);
        if (err != KGR_OK)
            return err;
    }
    if (slot < 0 || slot >= KGR_COORDINATOR_ROWS || row.requester > 1 ||
        phase < KGR_COORDINATOR_BIRTH || phase > KGR_COORDINATOR_ABORTED)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "a row of the table of exchanges is damaged");
    out->rows[slot] = row;
    return KGR_OK;
}

static enum kgr_error load_exchanges(struct kgr_db *db, struct kgr_coordinator_state *out,
                                     struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db,
        "SELECT slot, phase, requester, generation, suite, custody, reason, begun, lifetime, asked,"
        " xid1, xid2, pxid, iv, topic3, topic4, kc1, kc2 FROM exchanges WHERE a = ? AND b = ?",
        diag);

    if (err != KGR_OK)
        return err;
    bind_nids(stmt, out->nids);
    while ((err = kgr_stmt_step(&step, stmt, diag)) == KGR_OK && step == KGR_STEP_ROW) {
        err = read_exchange(stmt, out, diag);
        if (err != KGR_OK)
            break;
    }
    kgr_stmt_reset(stmt);
    return err;
}

enum kgr_error kgr_ks_pairs_load(struct kgr_db *db, struct kgr_ks_policy *out_policy,
                                 struct kgr_coordinator_state *out, const struct kgr_nid nids[2],
                                 struct kgr_diag *diag)
{
    struct kgr_ks_policy policy = {0};
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db,
        "SELECT allowed, min_suite, min_custody, highest, seen_a, seen_b, generation, born,"
        " lifetime, suite, custody, current_a, current_b, word, floor FROM pairs WHERE a = ? AND b "
        "= ?",
        diag);

    if (err != KGR_OK)
        return err;
    memset(out, 0, sizeof *out);
    out->nids[0] = nids[0];
    out->nids[1] = nids[1];
    bind_nids(stmt, nids);
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step == KGR_STEP_ROW) {
        int64_t allowed = kgr_stmt_int(stmt, 0);

        policy.known = allowed >= 0;
        policy.allowed = allowed == ALLOWED;
        policy.revoked = allowed == REVOKED;
        policy.word = (uint64_t)kgr_stmt_int(stmt, 13);
        policy.floor = (uint64_t)kgr_stmt_int(stmt, 14);
        policy.min_suite = (uint8_t)kgr_stmt_int(stmt, 1);
        policy.min_custody = (uint8_t)kgr_stmt_int(stmt, 2);
        out->highest = (uint64_t)kgr_stmt_int(stmt, 3);
        out->seen[0] = (uint64_t)kgr_stmt_int(stmt, 4);
        out->seen[1] = (uint64_t)kgr_stmt_int(stmt, 5);
        out->generation = (uint64_t)kgr_stmt_int(stmt, 6);
        out->generation_s = (uint64_t)kgr_stmt_int(stmt, 7);
        out->generation_lifetime_s = (uint32_t)kgr_stmt_int(stmt, 8);
        out->generation_suite = (uint8_t)kgr_stmt_int(stmt, 9);
        out->generation_custody = (uint8_t)kgr_stmt_int(stmt, 10);
        out->current[0] = (uint64_t)kgr_stmt_int(stmt, 11);
        out->current[1] = (uint64_t)kgr_stmt_int(stmt, 12);
        kgr_stmt_reset(stmt);
        err = load_exchanges(db, out, diag);
    }
    if (err == KGR_OK)
        *out_policy = policy;
    return err;
}

static enum kgr_error save_exchange(struct kgr_db *db, const struct kgr_nid nids[2], size_t slot,
                                    const struct kgr_coordinator_row *row, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db,
        "INSERT INTO exchanges (a, b, slot, phase, requester, generation, suite, custody, reason,"
        " begun, lifetime, asked, xid1, xid2, pxid, iv, topic3, topic4, kc1, kc2)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        diag);

    if (err != KGR_OK)
        return err;
    bind_nids(stmt, nids);
    kgr_stmt_bind_int(stmt, 3, (int64_t)slot);
    kgr_stmt_bind_int(stmt, 4, (int64_t)row->phase);
    kgr_stmt_bind_int(stmt, 5, row->requester);
    kgr_stmt_bind_int(stmt, 6, (int64_t)row->generation);
    kgr_stmt_bind_int(stmt, 7, row->suite);
    kgr_stmt_bind_int(stmt, 8, row->custody);
    kgr_stmt_bind_int(stmt, 9, row->reason);
    kgr_stmt_bind_int(stmt, 10, (int64_t)row->begun_s);
    kgr_stmt_bind_int(stmt, 11, row->lifetime_s);
    kgr_stmt_bind_int(stmt, 12, (int64_t)row->request_sequence);
    kgr_stmt_bind_blob(stmt, 13, kgr_slice(row->xid[0], sizeof row->xid[0]));
    kgr_stmt_bind_blob(stmt, 14, kgr_slice(row->xid[1], sizeof row->xid[1]));
    kgr_stmt_bind_blob(stmt, 15, kgr_slice(row->pxid, sizeof row->pxid));
    kgr_stmt_bind_blob(stmt, 16, kgr_slice(row->iv, sizeof row->iv));
    kgr_stmt_bind_blob(stmt, 17, kgr_slice(row->topic3, sizeof row->topic3));
    kgr_stmt_bind_blob(stmt, 18, kgr_slice(row->topic4, sizeof row->topic4));
    kgr_stmt_bind_blob(stmt, 19, kgr_slice(row->kc[0], sizeof row->kc[0]));
    kgr_stmt_bind_blob(stmt, 20, kgr_slice(row->kc[1], sizeof row->kc[1]));
    return kgr_stmt_run(stmt, diag);
}

static enum kgr_error save_exchanges(struct kgr_db *db, const struct kgr_coordinator_state *state,
                                     struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db, "DELETE FROM exchanges WHERE a = ? AND b = ?", diag);

    if (err != KGR_OK)
        return err;
    bind_nids(stmt, state->nids);
    err = kgr_stmt_run(stmt, diag);
    for (size_t i = 0; i < KGR_COORDINATOR_ROWS && err == KGR_OK; i++)
        if (state->rows[i].phase != KGR_COORDINATOR_FREE)
            err = save_exchange(db, state->nids, i, &state->rows[i], diag);
    return err;
}

enum kgr_error kgr_ks_pairs_save(struct kgr_db *db, const struct kgr_coordinator_state *state,
                                 struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db,
        "INSERT INTO pairs (a, b, allowed, min_suite, min_custody, highest, seen_a, seen_b,"
        " generation, born, lifetime, suite, custody, current_a, current_b, word,"
        " floor)"
        " VALUES (?, ?, -1, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0) ON CONFLICT (a, b) DO UPDATE "
        "SET "
        "highest = excluded.highest,"
        " seen_a = excluded.seen_a, seen_b = excluded.seen_b, generation = excluded.generation,"
        " born = excluded.born, lifetime = excluded.lifetime, suite = excluded.suite,"
        " custody = excluded.custody, current_a = excluded.current_a,"
        " current_b = excluded.current_b",
        diag);

    if (err != KGR_OK)
        return err;
    bind_nids(stmt, state->nids);
    kgr_stmt_bind_int(stmt, 3, (int64_t)state->highest);
    kgr_stmt_bind_int(stmt, 4, (int64_t)state->seen[0]);
    kgr_stmt_bind_int(stmt, 5, (int64_t)state->seen[1]);
    kgr_stmt_bind_int(stmt, 6, (int64_t)state->generation);
    kgr_stmt_bind_int(stmt, 7, (int64_t)state->generation_s);
    kgr_stmt_bind_int(stmt, 8, state->generation_lifetime_s);
    kgr_stmt_bind_int(stmt, 9, state->generation_suite);
    kgr_stmt_bind_int(stmt, 10, state->generation_custody);
    kgr_stmt_bind_int(stmt, 11, (int64_t)state->current[0]);
    kgr_stmt_bind_int(stmt, 12, (int64_t)state->current[1]);
    err = kgr_stmt_run(stmt, diag);
    return err != KGR_OK ? err : save_exchanges(db, state, diag);
}

enum kgr_error kgr_ks_policy_save(struct kgr_db *db, const struct kgr_nid nids[2],
                                  const struct kgr_ks_policy *policy, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db,
        "INSERT INTO pairs (a, b, allowed, min_suite, min_custody, highest, seen_a, seen_b,"
        " generation, born, lifetime, suite, custody, current_a, current_b, word,"
        " floor)"
        " VALUES (?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ?, ?)"
        " ON CONFLICT (a, b) DO UPDATE SET allowed = excluded.allowed,"
        " min_suite = excluded.min_suite, min_custody = excluded.min_custody,"
        " word = excluded.word, floor = excluded.floor",
        diag);

    if (err != KGR_OK)
        return err;
    bind_nids(stmt, nids);
    kgr_stmt_bind_int(stmt, 3, policy->allowed ? ALLOWED : policy->revoked ? REVOKED : DENIED);
    kgr_stmt_bind_int(stmt, 4, policy->min_suite);
    kgr_stmt_bind_int(stmt, 5, policy->min_custody);
    kgr_stmt_bind_int(stmt, 6, (int64_t)policy->word);
    kgr_stmt_bind_int(stmt, 7, (int64_t)policy->floor);
    return kgr_stmt_run(stmt, diag);
}

#define LIST                                                                                       \
    "SELECT a, b, allowed, min_suite, min_custody, generation, born, lifetime, suite, custody,"    \
    " current_a, current_b, word, floor, highest FROM pairs WHERE (allowed >= 0 OR generation > "  \
    "0)"

static enum kgr_error read_pair(struct kgr_stmt *stmt, struct kgr_ks_pair_row *out,
                                struct kgr_diag *diag)
{
    int64_t allowed = kgr_stmt_int(stmt, 2);
    enum kgr_error err = read_nid(stmt, 0, &out->nids[0], diag);

    if (err == KGR_OK)
        err = read_nid(stmt, 1, &out->nids[1], diag);
    out->policy.known = allowed >= 0;
    out->policy.allowed = allowed == ALLOWED;
    out->policy.revoked = allowed == REVOKED;
    out->policy.word = (uint64_t)kgr_stmt_int(stmt, 12);
    out->policy.floor = (uint64_t)kgr_stmt_int(stmt, 13);
    out->highest = (uint64_t)kgr_stmt_int(stmt, 14);
    out->policy.min_suite = (uint8_t)kgr_stmt_int(stmt, 3);
    out->policy.min_custody = (uint8_t)kgr_stmt_int(stmt, 4);
    out->generation = (uint64_t)kgr_stmt_int(stmt, 5);
    out->born_s = (uint64_t)kgr_stmt_int(stmt, 6);
    out->lifetime_s = (uint32_t)kgr_stmt_int(stmt, 7);
    out->suite = (uint8_t)kgr_stmt_int(stmt, 8);
    out->custody = (uint8_t)kgr_stmt_int(stmt, 9);
    out->current[0] = (uint64_t)kgr_stmt_int(stmt, 10);
    out->current[1] = (uint64_t)kgr_stmt_int(stmt, 11);
    return err;
}

enum kgr_error kgr_ks_pairs_each(struct kgr_db *db, const struct kgr_nid *nid, kgr_ks_pairs_fn *fn,
                                 void *arg, struct kgr_diag *diag)
{
    struct kgr_ks_pair_row row;
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db,
        nid == NULL ? LIST " ORDER BY a, b" : LIST " AND (a = ?1 OR b = ?1) ORDER BY a, b", diag);

    if (err != KGR_OK)
        return err;
    if (nid != NULL)
        kgr_stmt_bind_text(stmt, 1, nid->s);
    while ((err = kgr_stmt_step(&step, stmt, diag)) == KGR_OK && step == KGR_STEP_ROW) {
        err = read_pair(stmt, &row, diag);
        if (err == KGR_OK)
            err = fn(arg, &row);
        if (err != KGR_OK)
            break;
    }
    kgr_stmt_reset(stmt);
    return err;
}

enum kgr_error kgr_ks_pairs_engaged(struct kgr_db *db,
                                    enum kgr_error (*fn)(void *arg, const struct kgr_nid *nids),
                                    void *arg, struct kgr_diag *diag)
{
    struct kgr_nid nids[2];
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(&stmt, db, "SELECT DISTINCT a, b FROM exchanges", diag);

    if (err != KGR_OK)
        return err;
    while ((err = kgr_stmt_step(&step, stmt, diag)) == KGR_OK && step == KGR_STEP_ROW) {
        err = read_nid(stmt, 0, &nids[0], diag);
        if (err == KGR_OK)
            err = read_nid(stmt, 1, &nids[1], diag);
        if (err == KGR_OK)
            err = fn(arg, nids);
        if (err != KGR_OK)
            break;
    }
    kgr_stmt_reset(stmt);
    return err;
}

enum kgr_error kgr_ks_pairs_rekeyed(struct kgr_db *db, const struct kgr_nid *nid,
                                    struct kgr_diag *diag)
{
    static const char *const sql[] = {
        "UPDATE pairs SET seen_a = 0 WHERE a = ?1",
        "UPDATE pairs SET seen_b = 0 WHERE b = ?1",
        "UPDATE exchanges SET asked = 0 WHERE CASE requester WHEN 0 THEN a ELSE b END = ?1",
    };
    enum kgr_error err = KGR_OK;

    for (size_t i = 0; i < KGR_ARRAY_LEN(sql) && err == KGR_OK; i++) {
        struct kgr_stmt *stmt;

        err = kgr_db_stmt(&stmt, db, sql[i], diag);
        if (err != KGR_OK)
            break;
        kgr_stmt_bind_text(stmt, 1, nid->s);
        err = kgr_stmt_run(stmt, diag);
    }
    return err;
}

enum kgr_error kgr_ks_topic_known(struct kgr_db *db, bool *out, const uint8_t topic[KGR_TOPIC_LEN],
                                  struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err =
        kgr_db_stmt(&stmt, db,
                    "SELECT EXISTS (SELECT 1 FROM nodes WHERE ?1 IN (topic0, topic1, topic2))"
                    " OR EXISTS (SELECT 1 FROM nksks WHERE topic1 = ?1 OR topic2 = ?1)"
                    " OR EXISTS (SELECT 1 FROM exchanges WHERE topic3 = ?1 OR topic4 = ?1)"
                    " OR EXISTS (SELECT 1 FROM meta WHERE name = 'topic0' AND value = ?1)",
                    diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_blob(stmt, 1, kgr_slice(topic, KGR_TOPIC_LEN));
    err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    *out = step == KGR_STEP_ROW && kgr_stmt_int(stmt, 0) != 0;
    kgr_stmt_reset(stmt);
    return KGR_OK;
}

static enum kgr_error duplicate_stmt(struct kgr_stmt **out, struct kgr_db *db, const char *sql,
                                     const struct kgr_nid nids[2], uint64_t generation,
                                     uint8_t side, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_db_stmt(out, db, sql, diag);

    if (err != KGR_OK)
        return err;
    bind_nids(*out, nids);
    kgr_stmt_bind_int(*out, 3, (int64_t)generation);
    kgr_stmt_bind_int(*out, 4, side);
    return KGR_OK;
}

enum kgr_error kgr_ks_duplicate_save(struct kgr_db *db, const struct kgr_nid nids[2],
                                     uint64_t generation, uint8_t side, struct kgr_slice objects,
                                     struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = duplicate_stmt(
        &stmt, db,
        "INSERT INTO duplicates (a, b, generation, side, objects) VALUES (?, ?, ?, ?, ?)", nids,
        generation, side, diag);

    if (err != KGR_OK)
        return err;
    kgr_stmt_bind_blob(stmt, 5, objects);
    return kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_ks_duplicate_load(struct kgr_db *db, const struct kgr_nid nids[2],
                                     uint64_t generation, uint8_t side, uint8_t **out,
                                     size_t *out_len, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = duplicate_stmt(
        &stmt, db,
        "SELECT objects FROM duplicates WHERE a = ? AND b = ? AND generation = ? AND side = ?",
        nids, generation, side, diag);

    if (err == KGR_OK)
        err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    if (step == KGR_STEP_DONE)
        return KGR_ERR_NO_KEY;
    struct kgr_slice objects = kgr_stmt_blob(stmt, 0);
    uint8_t *copy = malloc(objects.len + 1);
    if (copy == NULL) {
        err = KGR_ERR_NO_MEMORY;
    } else {
        kgr_copy(copy, objects.p, objects.len);
        *out = copy;
        *out_len = objects.len;
    }
    kgr_stmt_reset(stmt);
    return err;
}

enum kgr_error kgr_ks_duplicate_erase(struct kgr_db *db, const struct kgr_nid nids[2],
                                      uint64_t generation, uint8_t side, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_error err = duplicate_stmt(
        &stmt, db, "DELETE FROM duplicates WHERE a = ? AND b = ? AND generation = ? AND side = ?",
        nids, generation, side, diag);

    return err != KGR_OK ? err : kgr_stmt_run(stmt, diag);
}

enum kgr_error kgr_ks_duplicates_count(struct kgr_db *db, uint32_t *out, struct kgr_diag *diag)
{
    struct kgr_stmt *stmt;
    enum kgr_step step;
    enum kgr_error err = kgr_db_stmt(
        &stmt, db, "SELECT count(*) FROM (SELECT DISTINCT a, b, generation FROM duplicates)", diag);

    if (err == KGR_OK)
        err = kgr_stmt_step(&step, stmt, diag);
    if (err != KGR_OK)
        return err;
    *out = (uint32_t)kgr_stmt_int(stmt, 0);
    kgr_stmt_reset(stmt);
    return KGR_OK;
}

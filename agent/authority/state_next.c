/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/state_rows.h"

enum kgr_error kgr_ac_state_stage(struct kgr_ac_state *state, enum kgr_ac_stage *out,
                                  struct kgr_diag *diag)
{
    bool announced = false;
    enum kgr_error err = kgr_ac_rows_exists(state, KGR_AC_ROWS_NEXT "identity", &announced, diag);
    *out = state->next ? KGR_AC_GRANTED : announced ? KGR_AC_ANNOUNCED : KGR_AC_SETTLED;
    return err;
}

enum kgr_error kgr_ac_state_generation(struct kgr_ac_state *state, uint32_t *out,
                                       struct kgr_diag *diag)
{
    uint8_t buf[4];
    struct kgr_rd rd;
    size_t len = 0;
    enum kgr_error err = kgr_ac_rows_get(state, "generation", buf, &len, sizeof buf, diag);
    *out = 0;
    if (err != KGR_OK || len == SIZE_MAX)
        return err;
    kgr_rd_init(&rd, buf, len);
    *out = kgr_rd_u32(&rd);
    return kgr_rd_done(&rd) ? KGR_OK : kgr_ac_rows_damaged("generation", diag);
}

enum kgr_error kgr_ac_state_next_identity(struct kgr_ac_state *state, struct kgr_ac_identity *out,
                                          struct kgr_diag *diag)
{
    return kgr_ac_rows_identity(state, KGR_AC_ROWS_NEXT "identity", out, "this AC has no next keys",
                                diag);
}

static enum kgr_error put_next(struct kgr_ac_state *state, const struct kgr_ac_next *next,
                               struct kgr_diag *diag)
{
    uint8_t generation[4];
    struct kgr_wr wr;
    kgr_wr_init(&wr, generation, sizeof generation);
    kgr_wr_u32(&wr, next->generation);
    enum kgr_error err =
        kgr_ac_rows_put(state, KGR_AC_ROWS_NEXT "generation", kgr_wr_slice(&wr), diag);
    if (err == KGR_OK)
        err = kgr_ac_rows_put_anchor(state, KGR_AC_ROWS_NEXT "storage", &next->storage, diag);
    if (err == KGR_OK)
        err = kgr_ac_rows_put_anchor(state, KGR_AC_ROWS_NEXT "signing", &next->signing, diag);
    return err == KGR_OK
               ? kgr_ac_rows_put_identity(state, KGR_AC_ROWS_NEXT "identity", next->identity, diag)
               : err;
}

/* end commits when err is KGR_OK, else rolls back. */
static enum kgr_error end(struct kgr_ac_state *state, enum kgr_error err, struct kgr_diag *diag)
{
    if (err == KGR_OK)
        return kgr_db_commit(state->db, diag);
    kgr_db_rollback(state->db);
    return err;
}

enum kgr_error kgr_ac_state_announce(struct kgr_ac_state *state, const struct kgr_ac_next *next,
                                     struct kgr_diag *diag)
{
    enum kgr_error err = kgr_db_begin(state->db, diag);
    return err == KGR_OK ? end(state, put_next(state, next, diag), diag) : err;
}

enum kgr_error kgr_ac_state_grant(struct kgr_ac_state *state, const struct kgr_ac_nksk *nksk,
                                  struct kgr_diag *diag)
{
    enum kgr_error err = kgr_db_begin(state->db, diag);
    if (err != KGR_OK)
        return err;
    err = kgr_ac_rows_put_nksk(state, KGR_AC_ROWS_NEXT "nksk", nksk, diag);
    if (err == KGR_OK)
        err = kgr_ac_rows_put_window(state, KGR_AC_ROWS_NEXT "window", &nksk->window, diag);
    if (err == KGR_OK)
        err = kgr_ac_state_set_pending(state, kgr_slice(NULL, 0), diag);
    err = end(state, err, diag);
    if (err == KGR_OK)
        state->next = true;
    return err;
}

enum kgr_error kgr_ac_state_promote(struct kgr_ac_state *state, struct kgr_diag *diag)
{
    enum kgr_error err = kgr_db_begin(state->db, diag);
    if (err != KGR_OK)
        return err;
    err = kgr_db_exec(state->db,
                      "INSERT OR REPLACE INTO meta SELECT 'retired_' || name, value FROM meta"
                      " WHERE name IN ('storage', 'signing');"
                      "UPDATE OR REPLACE meta SET name = substr(name, 6)"
                      " WHERE substr(name, 1, 5) = 'next_'",
                      diag);
    err = end(state, err, diag);
    if (err == KGR_OK)
        state->next = false;
    return err;
}

enum kgr_error kgr_ac_state_anchors(struct kgr_ac_state *state,
                                    struct kgr_ac_anchor out[KGR_AC_ANCHORS_MAX], size_t *out_num,
                                    struct kgr_diag *diag)
{
    bool granted = state->next;
    enum kgr_error err = KGR_OK;
    *out_num = 0;
    state->next = false; /* every name is meant as it stands */
    for (int i = 0; i < KGR_AC_ANCHORS_MAX && err == KGR_OK; i++) {
        err = kgr_ac_state_anchor(state, &out[*out_num], (enum kgr_ac_which)i, diag);
        if (err == KGR_OK)
            (*out_num)++;
        else if (err == KGR_ERR_STATE && i > KGR_AC_SIGNING)
            err = KGR_OK; /* there is none */
    }
    state->next = granted;
    return err;
}

enum kgr_error kgr_ac_state_has_retired(struct kgr_ac_state *state, bool *out,
                                        struct kgr_diag *diag)
{
    return kgr_ac_rows_exists(state, "retired_storage", out, diag);
}

enum kgr_error kgr_ac_state_evicted(struct kgr_ac_state *state, struct kgr_diag *diag)
{
    return kgr_db_exec(
        state->db, "DELETE FROM meta WHERE name IN ('retired_storage', 'retired_signing')", diag);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/authority/state.h"
#include "agent/store/state.h"

/* Internal to the state of the AC: its named values. */
struct kgr_ac_state {
    struct kgr_state sealed;
    struct kgr_db *db; /* of sealed */
    bool next;         /* the next keys are granted: they are meant by the names of keys */
};

#define KGR_AC_ROWS_NEXT     "next_" /* begins the names of what belongs to the next keys */
#define KGR_AC_ROWS_NAME_MAX 32

KGR_MUST_CHECK enum kgr_error kgr_ac_rows_put(struct kgr_ac_state *state, const char *name,
                                              struct kgr_slice value, struct kgr_diag *diag);
/* Copies a value of at most cap bytes; *out_len is SIZE_MAX when there is none. */
KGR_MUST_CHECK enum kgr_error kgr_ac_rows_get(struct kgr_ac_state *state, const char *name,
                                              uint8_t *out, size_t *out_len, size_t cap,
                                              struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ac_rows_exists(struct kgr_ac_state *state, const char *name,
                                                 bool *out, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ac_rows_put_anchor(struct kgr_ac_state *state, const char *name,
                                                     const struct kgr_ac_anchor *anchor,
                                                     struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ac_rows_put_identity(struct kgr_ac_state *state, const char *name,
                                                       const struct kgr_ac_identity *identity,
                                                       struct kgr_diag *diag);
/* missing: what to say when there is none. */
KGR_MUST_CHECK enum kgr_error kgr_ac_rows_identity(struct kgr_ac_state *state, const char *name,
                                                   struct kgr_ac_identity *out, const char *missing,
                                                   struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ac_rows_put_nksk(struct kgr_ac_state *state, const char *name,
                                                   const struct kgr_ac_nksk *nksk,
                                                   struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ac_rows_put_window(struct kgr_ac_state *state, const char *name,
                                                     const struct kgr_window *window,
                                                     struct kgr_diag *diag);
/* kgr_ac_rows_damaged is KGR_ERR_CORRUPT, with diag. */
enum kgr_error kgr_ac_rows_damaged(const char *name, struct kgr_diag *diag);

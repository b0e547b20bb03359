/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/server/machines/orders.h"
#include "agent/store/db.h"

/* Results of the last orders, without their signatures: what a repeated order is answered by. */
struct kgr_ks_order_row {
    uint64_t number;
    uint8_t hash[32]; /* of the whole order */
    uint8_t kind;
    uint32_t status;
    struct kgr_slice body; /* borrowed */
};

/* kgr_ks_order_save stores the result and the highest number accepted, within a transaction, and drops the oldest. */
KGR_MUST_CHECK enum kgr_error kgr_ks_order_save(struct kgr_db *db,
                                                const struct kgr_ks_order_row *row,
                                                const struct kgr_orders *orders,
                                                struct kgr_diag *diag);
/* kgr_ks_order_load copies the body of a result into body; KGR_ERR_NO_KEY when there is none. */
KGR_MUST_CHECK enum kgr_error kgr_ks_order_load(struct kgr_db *db, uint64_t number,
                                                uint32_t *out_status, struct kgr_wr *body,
                                                struct kgr_diag *diag);
/* kgr_ks_orders_load fills the order book at the start. */
KGR_MUST_CHECK enum kgr_error kgr_ks_orders_load(struct kgr_db *db, struct kgr_orders *out,
                                                 struct kgr_diag *diag);
/* kgr_ks_orders_reset forgets numbers and results: another AC counts anew. */
KGR_MUST_CHECK enum kgr_error kgr_ks_orders_reset(struct kgr_db *db, struct kgr_diag *diag);
